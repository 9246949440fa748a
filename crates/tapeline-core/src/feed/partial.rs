//! What changed between two views of the top of a book.

use std::cmp::Ordering;

use crate::data::decimal::Decimal;
use crate::data::event::Level;

/// The levels by which `after` differs from `before`, size zero for those that are gone. Both are one
/// side, best first; `falling` says whether prices fall (bids).
pub(super) fn changes(before: &[Level], after: &[Level], falling: bool) -> Vec<Level> {
    let mut out = Vec::new();
    let (mut old, mut new) = (before.iter().peekable(), after.iter().peekable());
    loop {
        let order = match (old.peek(), new.peek()) {
            (None, None) => return out,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(a), Some(b)) if falling => b.price.cmp(&a.price),
            (Some(a), Some(b)) => a.price.cmp(&b.price),
        };
        let gone = (order != Ordering::Greater).then(|| old.next()).flatten();
        let here = (order != Ordering::Less).then(|| new.next()).flatten();
        match (gone, here) {
            (Some(gone), None) => out.push(Level { price: gone.price, size: Decimal::ZERO }),
            (held, Some(here)) if held != Some(here) => out.push(*here),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels(text: &str) -> Vec<Level> {
        let one = |pair: &str| {
            let (price, size) = pair.split_once('x').unwrap();
            Level { price: price.parse().unwrap(), size: size.parse().unwrap() }
        };
        text.split_whitespace().map(one).collect()
    }

    fn check(before: &str, after: &str, expected: &str) {
        assert_eq!(
            changes(&levels(before), &levels(after), false),
            levels(expected),
            "asks {before} -> {after}"
        );
        let turned = |text: &str| levels(text).into_iter().rev().collect::<Vec<_>>();
        assert_eq!(
            changes(&turned(before), &turned(after), true),
            turned(expected),
            "bids {before} -> {after}"
        );
    }

    #[test]
    fn only_what_differs_is_told() {
        check("1x1 2x2", "1x1 2x2", "");
        check("1x1 2x2", "1x1 2x3", "2x3");
        check("1x1 2x2", "2x2 3x3", "1x0 3x3");
        check("", "1x1", "1x1");
        check("1x1 2x2", "", "1x0 2x0");
        check("2x2 4x4", "1x1 2x2 3x3", "1x1 3x3 4x0");
    }
}
