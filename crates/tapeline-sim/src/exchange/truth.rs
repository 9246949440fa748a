//! What the book really was at any recent update id, so that a client's book can be judged.

use super::book::{Book, Side};
use super::symbol::Symbol;
use crate::decimal::fixed;
use std::collections::VecDeque;

/// The true book of one symbol at one update id; prices and sizes in the venue's own text.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct TrueBook {
    /// The venue's symbol.
    pub symbol: String,
    /// The update id the book had. The book at an id between two changes is the one after the earlier change.
    pub id: u64,
    /// Price and size, highest price first.
    pub bids: Vec<(String, String)>,
    /// Price and size, lowest price first.
    pub asks: Vec<(String, String)>,
}

/// The newest changes of one book, and the book as it was before the oldest of them. Bounded by `limit` changes.
///
/// When the venue starts its ids again, the time before is an era of its own.
#[derive(Debug)]
pub(crate) struct Truth {
    era: Era,
    before: VecDeque<Era>,
    limit: usize,
}

/// Eras remembered before the present one.
const MOST_ERAS: usize = 3;

#[derive(Debug)]
struct Era {
    base: Book,
    base_id: u64,
    changes: VecDeque<LevelChange>,
    newest: u64,
}

/// One level of a book as it was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LevelChange {
    /// The update id of the change.
    pub id: u64,
    /// The half of the book.
    pub side: Side,
    /// The price in ticks: 10^-`price_scale` of the symbol.
    pub tick: u64,
    /// The size in lots, 10^-`size_scale` of the symbol; 0 for a level that is gone.
    pub lots: u64,
}

/// One trade as it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrueTrade {
    /// The trade id.
    pub id: u64,
    /// The aggregate trade it belongs to; 0 for an id that was spent without a trade.
    pub aggregate: u64,
    /// The market's time, Unix microseconds.
    pub at_us: u64,
    /// The price in ticks.
    pub tick: u64,
    /// The size in lots; 0 for an id that was spent without a trade.
    pub lots: u64,
    /// The buyer's order was the resting one.
    pub buyer_maker: bool,
}

impl Truth {
    pub(crate) fn new(base: Book, id: u64, limit: usize) -> Self {
        Self { era: Era::new(base, id), before: VecDeque::new(), limit }
    }

    /// Remembers that the level at `tick` holds `lots` from `id` on.
    pub(crate) fn record(&mut self, id: u64, side: Side, tick: u64, lots: u64) {
        self.era.record(LevelChange { id, side, tick, lots }, self.limit);
    }

    /// The ids start again: from `id` on the book is `book`.
    pub(crate) fn restart(&mut self, book: &Book, id: u64) {
        let before = std::mem::replace(&mut self.era, Era::new(book.clone(), id));
        self.before.push_front(before);
        self.before.truncate(MOST_ERAS);
    }

    /// The book at `id`, or `None` when that is no longer, or not yet, known.
    pub(crate) fn at(&self, id: u64) -> Option<Book> {
        std::iter::once(&self.era).chain(&self.before).find_map(|era| era.at(id))
    }

    /// The newest id of a change that is not newer than `id`, in the present era.
    pub(crate) fn id_at(&self, id: u64) -> u64 {
        let changes = &self.era.changes;
        let place = changes.partition_point(|change| change.id <= id);
        place.checked_sub(1).map_or(self.era.base_id, |before| changes[before].id)
    }

    /// Every change of the present era after `id`; `None` if some of them are forgotten.
    pub(crate) fn since(&self, id: u64) -> Option<impl Iterator<Item = LevelChange>> {
        let changes = &self.era.changes;
        let first = changes.partition_point(|change| change.id <= id);
        (id >= self.era.base_id).then(|| changes.range(first..).copied())
    }
}

impl Era {
    const fn new(base: Book, id: u64) -> Self {
        Self { base, base_id: id, changes: VecDeque::new(), newest: id }
    }

    fn record(&mut self, change: LevelChange, limit: usize) {
        self.newest = change.id;
        self.changes.push_back(change);
        while self.changes.len() > limit {
            let Some(oldest) = self.changes.pop_front() else { return };
            self.base.set(oldest.side, oldest.tick, oldest.lots);
            self.base_id = oldest.id;
        }
    }

    fn at(&self, id: u64) -> Option<Book> {
        if id < self.base_id || id > self.newest {
            return None;
        }
        let mut book = self.base.clone();
        for change in self.changes.iter().take_while(|change| change.id <= id) {
            book.set(change.side, change.tick, change.lots);
        }
        Some(book)
    }
}

/// The book in text, as payloads and checkpoints carry it.
pub(crate) fn in_text(symbol: &Symbol, book: &Book, id: u64) -> TrueBook {
    let side = |side: Side| {
        book.levels(side)
            .map(|(tick, lots)| {
                (
                    fixed(u128::from(tick), symbol.price_scale, symbol.price_text),
                    fixed(u128::from(lots), symbol.size_scale, symbol.size_text),
                )
            })
            .collect()
    };
    TrueBook { symbol: symbol.name.clone(), id, bids: side(Side::Bid), asks: side(Side::Ask) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_remembered_id_gives_the_book_of_that_moment() {
        let mut book = Book::default();
        let mut truth = Truth::new(book.clone(), 10, 50);
        let mut history = vec![(10, book.clone())];
        for n in 1..200u64 {
            let (tick, lots) = (n % 17, n % 5);
            book.set(Side::Bid, tick, lots);
            truth.record(10 + 2 * n, Side::Bid, tick, lots);
            history.push((10 + 2 * n, book.clone()));
        }
        let (kept, forgotten): (Vec<_>, Vec<_>) =
            history.into_iter().partition(|(id, _)| *id >= 10 + 2 * 149);
        assert!(forgotten.iter().all(|(id, _)| truth.at(*id).is_none()));
        for (id, expected) in kept {
            assert_eq!(truth.at(id), Some(expected.clone()), "{id}");
            if id < 10 + 2 * 199 {
                assert_eq!(truth.at(id + 1), Some(expected), "between {id} and the next");
            }
        }
        assert_eq!(truth.at(10 + 2 * 200), None);
    }
}
