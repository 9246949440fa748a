//! A book as a small ladder: the best levels of both sides with bars, the spread between them.

use std::collections::BTreeMap;

use tapeline_core::data::decimal::Decimal;
use tapeline_core::data::event::{Book, BookState, Level};

use super::number::{bar, difference, fixed, rough};
use super::text::{Line, Tone, cut, padded, width};

/// A held book.
#[derive(Debug, Clone)]
pub(crate) struct Ladder {
    bids: BTreeMap<Decimal, Decimal>,
    asks: BTreeMap<Decimal, Decimal>,
    venue_id: Option<u64>,
    state: BookState,
    /// The most digits behind the point seen so far, of prices and of sizes, so that columns stand still.
    scales: (u8, u8),
}

/// Columns of the words about the spread.
const SPREAD: usize = 23;

impl Default for Ladder {
    fn default() -> Self {
        let (bids, asks) = Default::default();
        Self { bids, asks, venue_id: None, state: BookState::Syncing, scales: (0, 0) }
    }
}

impl Ladder {
    /// Takes a snapshot or a delta.
    pub(crate) fn take(&mut self, book: &Book, whole: bool) {
        if whole {
            self.bids.clear();
            self.asks.clear();
        }
        self.state = book.state;
        self.venue_id = book.venue_id.or(self.venue_id);
        apply(&mut self.bids, book.bids());
        apply(&mut self.asks, book.asks());
        for level in &book.levels {
            self.scales.0 = self.scales.0.max(level.price.scale());
            self.scales.1 = self.scales.1.max(level.size.scale());
        }
    }

    /// What is held may be old: only a snapshot makes it right again.
    pub(crate) const fn distrust(&mut self) {
        self.state = BookState::Stale;
    }

    /// How far it can be trusted.
    pub(crate) const fn state(&self) -> BookState {
        self.state
    }

    /// The best bid.
    pub(crate) fn bid(&self) -> Option<(Decimal, Decimal)> {
        self.bids.last_key_value().map(|(price, size)| (*price, *size))
    }

    /// The best ask.
    pub(crate) fn ask(&self) -> Option<(Decimal, Decimal)> {
        self.asks.first_key_value().map(|(price, size)| (*price, *size))
    }

    /// The ladder in `2 × depth + 2` lines of `columns`: a title with its state in a word, asks, the spread, bids.
    pub(crate) fn draw(
        &self,
        title: &str,
        (tone, word): (Tone, &str),
        depth: usize,
        columns: usize,
    ) -> Vec<Line> {
        let asks: Vec<_> = self.asks.iter().take(depth).map(|(price, size)| (*price, *size)).collect();
        let bids: Vec<_> = self.bids.iter().rev().take(depth).map(|(price, size)| (*price, *size)).collect();
        let shown = || asks.iter().chain(&bids);
        let largest = shown().map(|(_, size)| rough(*size)).fold(0.0, f64::max);
        let texts =
            |(price, size): &(Decimal, Decimal)| (fixed(*price, self.scales.0), fixed(*size, self.scales.1));
        let widths =
            shown().map(texts).fold((8, 8), |(a, b), (price, size)| (a.max(price.len()), b.max(size.len())));
        let fields = (widths.0, widths.1, largest);

        // A book that is not live is still shown, but nobody shall take it for one that is.
        let trusted = |usual| if word == told(BookState::Live).1 { usual } else { Tone::Dim };
        let mut heading = Line::new().with(Tone::Strong, cut(title, columns.saturating_sub(word.len() + 3)));
        heading.fill_to(columns.saturating_sub(word.len() + 2));
        let mut lines = vec![heading.with(tone, format!("● {word}"))];
        lines.extend(std::iter::repeat_n(Line::new(), depth - asks.len()));
        lines.extend(asks.iter().rev().map(|level| self.rung(*level, trusted(Tone::Bad), fields, columns)));
        lines.push(self.middle(columns));
        lines.extend(bids.iter().map(|level| self.rung(*level, trusted(Tone::Good), fields, columns)));
        lines.extend(std::iter::repeat_n(Line::new(), depth - bids.len()));
        lines
    }

    fn rung(
        &self,
        (price, size): (Decimal, Decimal),
        tone: Tone,
        fields: (usize, usize, f64),
        columns: usize,
    ) -> Line {
        let (price_width, size_width, largest) = fields;
        let room = columns.saturating_sub(price_width + size_width + 3);
        let share = if largest > 0.0 { rough(size) / largest } else { 0.0 };
        Line::new()
            .with(tone, padded(&fixed(price, self.scales.0), price_width, true))
            .with(Tone::Plain, format!("  {} ", padded(&fixed(size, self.scales.1), size_width, true)))
            .with(tone, bar(share, room))
    }

    /// The line between the sides: the spread and, where it fits, the venue's id of this state.
    fn middle(&self, columns: usize) -> Line {
        let spread =
            self.ask().zip(self.bid()).and_then(|((ask, _), (bid, _))| Some((difference(ask, bid)?, bid)));
        let text = match spread {
            Some((spread, bid)) if !bid.is_zero() => {
                let points = rough(spread) / rough(bid) * 10_000.0;
                let digits = if points < 0.1 { 4 } else { 2 };
                format!("spread {} · {points:.digits$} bp", fixed(spread, self.scales.0))
            }
            Some((spread, _)) => format!("spread {}", fixed(spread, self.scales.0)),
            None => "no spread yet".to_owned(),
        };
        // As wide as it usually gets, so that neither the dashes nor the id move.
        let mut text = format!("── {text:<SPREAD$} ");
        let mut id = self.venue_id.map(|id| format!(" #{id}")).unwrap_or_default();
        if width(&text) + width(&id) > columns {
            id.clear();
        }
        let dashes = columns.saturating_sub(width(&text) + width(&id));
        text.push_str(&"─".repeat(dashes));
        Line::new().with(Tone::Dim, cut(&text, columns)).with(Tone::Dim, id)
    }
}

fn apply(side: &mut BTreeMap<Decimal, Decimal>, levels: &[Level]) {
    for level in levels {
        if level.size.is_zero() {
            side.remove(&level.price);
        } else {
            side.insert(level.price, level.size);
        }
    }
}

/// A book's state in a word, and how it is shown.
pub(crate) const fn told(state: BookState) -> (Tone, &'static str) {
    match state {
        BookState::Live => (Tone::Good, "live"),
        BookState::Syncing => (Tone::Warning, "syncing"),
        BookState::Stale => (Tone::Bad, "stale"),
        BookState::Unverified => (Tone::Warning, "unverified"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(price: &str, size: &str) -> Level {
        Level { price: price.parse().unwrap(), size: size.parse().unwrap() }
    }

    fn book(bids: &[(&str, &str)], asks: &[(&str, &str)], state: BookState) -> Book {
        let levels = bids.iter().chain(asks).map(|(price, size)| level(price, size)).collect();
        Book { levels, bids: bids.len() as u32, venue_id: Some(1_234_567), state }
    }

    fn drawn(ladder: &Ladder) -> Vec<String> {
        ladder
            .draw("binance:book:BTCUSDT", told(ladder.state()), 2, 40)
            .iter()
            .map(|line| line.render(80, false))
            .collect()
    }

    #[test]
    fn a_ladder_shows_both_sides_around_the_spread() {
        let mut ladder = Ladder::default();
        let whole = book(
            &[("100.5", "2"), ("100", "1")],
            &[("101", "4"), ("101.25", "0.5"), ("102", "9")],
            BookState::Live,
        );
        ladder.take(&whole, true);
        assert_eq!(
            drawn(&ladder),
            [
                "binance:book:BTCUSDT              ● live",
                "  101.25       0.5 ██▋",
                "  101.00       4.0 █████████████████████",
                "── spread 0.50 · 49.75 bp  ──── #1234567",
                "  100.50       2.0 ██████████▌",
                "  100.00       1.0 █████▎",
            ]
        );
    }

    #[test]
    fn deltas_change_and_remove_levels_and_a_stale_book_says_so() {
        let mut ladder = Ladder::default();
        ladder.take(&book(&[("100", "1")], &[("101", "4")], BookState::Live), true);
        ladder.take(&book(&[("100", "0"), ("99", "3")], &[], BookState::Live), false);
        assert_eq!(ladder.bid().unwrap().0, "99".parse().unwrap());
        ladder.take(&book(&[], &[], BookState::Stale), false);
        assert!(drawn(&ladder)[0].ends_with("● stale"));
        assert_eq!(ladder.ask().unwrap().0, "101".parse().unwrap());
        ladder.take(&book(&[("50", "1")], &[], BookState::Live), true);
        assert!(ladder.ask().is_none());
        assert!(drawn(&ladder)[3].starts_with("── no spread yet"));
    }
}
