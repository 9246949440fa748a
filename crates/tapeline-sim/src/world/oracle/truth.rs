//! The truth of one symbol: the course of its book, before and after its ids started over.

use tapeline_core::data::decimal::Decimal;

use super::book::{Range, Scales, whole};
use super::ledger::Ledger;
use crate::exchange::Side;
use crate::house::House;

/// The truth of one symbol.
#[derive(Debug)]
pub(crate) struct Truth {
    pub(super) ledger: Ledger,
    /// The course until the ids started over.
    before: Option<Ledger>,
    pub(super) scales: Scales,
    /// How far its book is surely known to its readers.
    pub(super) range: Range,
}

impl Truth {
    /// What a symbol of a house is now.
    pub(crate) fn of(house: &House, name: &str) -> Option<Self> {
        let symbol = house.symbol(name)?;
        let scales = Scales { price: symbol.price_scale, size: symbol.size_scale };
        let mut truth = Self { ledger: Ledger::default(), before: None, scales, range: Range::default() };
        truth.open(house, name);
        Some(truth)
    }

    /// Begins with the book as it is.
    fn open(&mut self, house: &House, symbol: &str) {
        let Some(book) = house.truth(symbol, None) else { return };
        let scales = self.scales;
        let side = |bid: bool, levels: Vec<(String, String)>| {
            levels
                .into_iter()
                .map(move |(price, size)| ((bid, units(&price, scales.price)), units(&size, scales.size)))
        };
        let (bids, asks) = (book.bids, book.asks);
        self.ledger.open(book.id, side(true, bids).chain(side(false, asks)));
    }

    /// The ids have started over.
    pub(crate) fn restart(&mut self, house: &House, symbol: &str) {
        let next = Ledger::after(&self.ledger);
        self.before = Some(std::mem::replace(&mut self.ledger, next));
        self.open(house, symbol);
    }

    /// Reads what has changed since.
    pub(crate) fn follow(&mut self, house: &House, symbol: &str) {
        let Some(changes) = house.changes(symbol, self.ledger.newest()) else { return };
        for change in changes {
            self.ledger.change(change.id, (change.side == Side::Bid, change.tick), change.lots);
        }
    }

    /// The course that knows an id.
    pub(crate) fn at(&self, id: u64) -> Option<&Ledger> {
        std::iter::once(&self.ledger).chain(&self.before).find(|ledger| ledger.knows(id))
    }

    /// A price in ticks.
    pub(crate) fn price(&self, price: Decimal) -> Option<u64> {
        whole(price, self.scales.price).ok()
    }

    /// A size in lots.
    pub(crate) fn size(&self, size: Decimal) -> Option<u64> {
        whole(size, self.scales.size).ok()
    }
}

/// A decimal text in units of the digit that `scale` names.
fn units(text: &str, scale: u32) -> u64 {
    let (before, after) = text.split_once('.').unwrap_or((text, ""));
    let digits = before.bytes().chain(after.bytes().chain(std::iter::repeat(b'0')).take(scale as usize));
    digits.fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_units() {
        let check =
            |text: &str, scale: u32, expected: u64| assert_eq!(units(text, scale), expected, "{text}");
        check("61840.12000000", 2, 6_184_012);
        check("5", 3, 5_000);
        check("0.00042", 5, 42);
    }
}
