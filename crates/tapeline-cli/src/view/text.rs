//! Lines of styled text: what they say, how wide they are, and how a terminal is told.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// What a piece of text is, not which colour it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Tone {
    /// Nothing special.
    #[default]
    Plain,
    /// Of less weight.
    Dim,
    /// Of more weight.
    Strong,
    /// A word to be seen first.
    Accent,
    /// As it should be, or a buyer.
    Good,
    /// Something is off.
    Warning,
    /// Wrong, or a seller.
    Bad,
    /// A price that has just risen.
    Risen,
    /// A price that has just fallen.
    Fallen,
}

impl Tone {
    /// The terminal's code. Only the sixteen colours that every theme defines are used.
    const fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Dim => "\x1b[2m",
            Self::Strong => "\x1b[1m",
            Self::Accent => "\x1b[1;36m",
            Self::Good => "\x1b[32m",
            Self::Warning => "\x1b[33m",
            Self::Bad => "\x1b[31m",
            Self::Risen => "\x1b[1;32m",
            Self::Fallen => "\x1b[1;31m",
        }
    }
}

/// One line of pieces.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Line(Vec<(Tone, String)>);

impl Line {
    /// Nothing.
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    /// The line with a piece appended.
    #[must_use]
    pub(crate) fn with(mut self, tone: Tone, text: impl Into<String>) -> Self {
        self.push(tone, text);
        self
    }

    /// Appends a piece; whatever could move the cursor is left out.
    pub(crate) fn push(&mut self, tone: Tone, text: impl Into<String>) {
        let text: String = text.into();
        let text = if text.contains(char::is_control) { text.replace(char::is_control, "") } else { text };
        if !text.is_empty() {
            self.0.push((tone, text));
        }
    }

    /// Appends blanks up to `column`.
    pub(crate) fn fill_to(&mut self, column: usize) {
        let missing = column.saturating_sub(self.width());
        self.push(Tone::Plain, " ".repeat(missing));
    }

    /// Columns taken.
    pub(crate) fn width(&self) -> usize {
        self.0.iter().map(|(_, text)| width(text)).sum()
    }

    /// The line with another one behind it.
    pub(crate) fn append(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// The text for a terminal, cut at `columns`.
    pub(crate) fn render(&self, columns: usize, colour: bool) -> String {
        let mut out = String::new();
        let mut left = columns;
        for (tone, text) in &self.0 {
            let part = cut(text, left);
            left -= width(part);
            match (colour, tone.code()) {
                (false, _) | (true, "") => out.push_str(part),
                (true, code) => out.extend([code, part, "\x1b[0m"]),
            }
        }
        out
    }
}

/// Columns that a text takes.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// The longest start of a text that fits into `columns`.
pub(crate) fn cut(text: &str, columns: usize) -> &str {
    let mut used = 0;
    for (at, character) in text.char_indices() {
        used += character.width().unwrap_or(0);
        if used > columns {
            return &text[..at];
        }
    }
    text
}

/// A text in lines of at most `columns`, broken at blanks where there are any.
pub(crate) fn wrapped(text: &str, columns: usize) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut rest = text.trim_end();
    while width(rest) > columns {
        let fits = cut(rest, columns);
        let end = fits.rfind(' ').filter(|at| *at > 0).unwrap_or(fits.len());
        if end == 0 {
            // Not even one character fits.
            break;
        }
        lines.push(&rest[..end]);
        rest = rest[end..].trim_start();
    }
    lines.push(rest);
    lines
}

/// A text at the left or the right of a field.
pub(crate) fn padded(text: &str, columns: usize, right: bool) -> String {
    let text = cut(text, columns);
    let blanks = " ".repeat(columns - width(text));
    if right { blanks + text } else { text.to_owned() + &blanks }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_at_whole_characters_of_their_width() {
        let line = Line::new().with(Tone::Good, "ab").with(Tone::Plain, "币安x");
        assert_eq!(line.width(), 7);
        assert_eq!(line.render(80, false), "ab币安x");
        assert_eq!(line.render(5, false), "ab币");
        assert_eq!(line.render(5, true), "\x1b[32mab\x1b[0m币");
        assert_eq!(line.render(0, false), "");
    }

    #[test]
    fn nothing_in_a_line_can_move_the_cursor() {
        let line = Line::new().with(Tone::Plain, "a\x1b[2J\r\nb\u{9b}c");
        assert_eq!(line.render(80, false), "a[2Jbc");
    }

    #[test]
    fn long_texts_are_broken_at_blanks() {
        assert_eq!(wrapped("one two three", 8), ["one two", "three"]);
        assert_eq!(wrapped("unbreakable", 4), ["unbr", "eaka", "ble"]);
        assert_eq!(wrapped("fits", 4), ["fits"]);
        assert_eq!(wrapped("none", 0), ["none"]);
    }

    #[test]
    fn fields_are_padded_to_their_width() {
        assert_eq!(padded("1.5", 6, true), "   1.5");
        assert_eq!(padded("abc", 5, false), "abc  ");
        assert_eq!(padded("abcdef", 4, false), "abcd");
    }
}
