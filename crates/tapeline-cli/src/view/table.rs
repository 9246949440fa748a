//! A table that fits: columns as wide as what they hold, the least important ones left out first.

use super::text::{Line, Tone, padded, width};

/// A column's heading and manners.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    /// The heading.
    pub(crate) name: &'static str,
    /// Figures stand at the right.
    pub(crate) right: bool,
    /// Columns of the highest number go first when room is short; 0 stays.
    pub(crate) spare: u8,
    /// It is never narrower, so that the table does not jump about.
    pub(crate) least: usize,
}

/// One field.
pub(crate) type Field = (Tone, String);

const BETWEEN: usize = 2;

/// Draws a heading and `rows`; each row has one field per column.
pub(crate) fn draw(columns: &[Column], rows: &[Vec<Field>], room: usize) -> Vec<Line> {
    let mut widths: Vec<usize> = columns.iter().map(|column| column.least.max(width(column.name))).collect();
    for row in rows {
        for (wide, (_, text)) in widths.iter_mut().zip(row) {
            *wide = (*wide).max(width(text));
        }
    }
    let mut kept: Vec<usize> = (0..columns.len()).collect();
    let total = |kept: &[usize]| kept.iter().map(|&index| widths[index] + BETWEEN).sum::<usize>();
    while total(&kept) > room + BETWEEN {
        let last = kept.iter().copied().filter(|&index| columns[index].spare > 0);
        let Some(out) = last.max_by_key(|&index| columns[index].spare) else { break };
        kept.retain(|&index| index != out);
    }
    let mut lines = Vec::with_capacity(rows.len() + 1);
    let line = |cell: &dyn Fn(usize) -> (Tone, String)| {
        let mut line = Line::new();
        for (place, &index) in kept.iter().enumerate() {
            if place > 0 {
                line.push(Tone::Plain, " ".repeat(BETWEEN));
            }
            let (tone, text) = cell(index);
            line.push(tone, padded(&text, widths[index], columns[index].right));
        }
        line
    };
    lines.push(line(&|index| (Tone::Dim, columns[index].name.to_owned())));
    for row in rows {
        lines.push(line(&|index| row.get(index).cloned().unwrap_or_default()));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &[Column] = &[
        Column { name: "TOPIC", right: false, spare: 0, least: 0 },
        Column { name: "PRICE", right: true, spare: 0, least: 8 },
        Column { name: "SOURCE", right: false, spare: 1, least: 0 },
    ];

    fn drawn(room: usize) -> Vec<String> {
        let row = |a: &str, b: &str| {
            vec![(Tone::Plain, a.to_owned()), (Tone::Good, b.to_owned()), (Tone::Dim, "live".to_owned())]
        };
        let lines = draw(COLUMNS, &[row("BTCUSDT", "1.5"), row("X", "1000.25")], room);
        lines.iter().map(|line| line.render(200, false)).collect()
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_field() {
        assert_eq!(
            drawn(80),
            ["TOPIC       PRICE  SOURCE", "BTCUSDT       1.5  live  ", "X         1000.25  live  "]
        );
    }

    #[test]
    fn what_does_not_fit_is_left_out_by_importance() {
        assert_eq!(drawn(25).len(), 3);
        assert_eq!(drawn(24), ["TOPIC       PRICE", "BTCUSDT       1.5", "X         1000.25"]);
        assert_eq!(drawn(3)[0], "TOPIC       PRICE");
    }
}
