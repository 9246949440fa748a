//! Rust source with everything that is no code blanked out, so that rules look at code only.

/// The same text, character for character and line for line, with comments and the insides of string
/// and character literals replaced by blanks.
pub(crate) fn code(text: &str) -> String {
    let mut reader = Reader { rest: text, out: String::with_capacity(text.len()) };
    while let Some(first) = reader.rest.chars().next() {
        if reader.rest.starts_with("//") {
            reader.blank(reader.rest.find('\n').unwrap_or(reader.rest.len()));
        } else if reader.rest.starts_with("/*") {
            reader.blank(block_comment(reader.rest));
        } else if let Some(hashes) = raw_string(reader.rest, &reader.out) {
            let close = format!("\"{}", "#".repeat(hashes));
            let open = hashes + 2;
            let end =
                reader.rest[open..].find(&close).map_or(reader.rest.len(), |at| open + at + close.len());
            reader.blank(end);
        } else if first == '"' {
            reader.blank(quoted(reader.rest, '"'));
        } else if first == '\'' && is_character(reader.rest) {
            reader.blank(quoted(reader.rest, '\''));
        } else {
            reader.keep(first.len_utf8());
        }
    }
    reader.out
}

struct Reader<'a> {
    rest: &'a str,
    out: String,
}

impl Reader<'_> {
    fn keep(&mut self, bytes: usize) {
        let (kept, rest) = self.rest.split_at(bytes);
        self.out.push_str(kept);
        self.rest = rest;
    }

    fn blank(&mut self, bytes: usize) {
        let (blanked, rest) = self.rest.split_at(bytes);
        self.out.extend(blanked.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        self.rest = rest;
    }
}

/// How long a comment is that may hold others.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        if rest.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    text.len()
}

/// How many hashes a raw string opens with, if one opens here. `before` tells `r"` from `bar"`.
fn raw_string(text: &str, before: &str) -> Option<usize> {
    let rest = text.strip_prefix('r')?;
    let outside_word = match before.chars().last() {
        Some('b' | 'c') => before.chars().rev().nth(1).is_none_or(|c| !is_word(c)),
        Some(c) => !is_word(c),
        None => true,
    };
    let hashes = rest.bytes().take_while(|b| *b == b'#').count();
    (outside_word && rest[hashes..].starts_with('"')).then_some(hashes)
}

/// How long a quoted literal is, escapes considered.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

/// Whether a quote opens a character and not a lifetime.
fn is_character(text: &str) -> bool {
    let mut chars = text.chars().skip(1);
    match (chars.next(), chars.next()) {
        (Some('\\'), _) => true,
        (Some(_), Some(next)) => next == '\'',
        _ => false,
    }
}

pub(crate) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The part of a file before its inline tests begin; a file of tests has none.
pub(crate) fn without_tests<'a>(path: &str, text: &'a str) -> &'a str {
    let tests = path.contains("/tests/") || path.ends_with("/tests.rs") || path.contains("/benches/");
    if tests {
        return "";
    }
    &text[..text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len())]
}
