//! A true order book: whole ticks and lots, kept in order, nothing else.

use std::collections::BTreeMap;

/// Which half of the book.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// Those who want to buy.
    Bid,
    /// Those who want to sell.
    Ask,
}

impl Side {
    /// The half an order of this side trades against.
    pub(crate) const fn other(self) -> Self {
        match self {
            Self::Bid => Self::Ask,
            Self::Ask => Self::Bid,
        }
    }
}

/// Lots resting at each tick, per side. Never holds a level of zero lots.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Book {
    bids: BTreeMap<u64, u64>,
    asks: BTreeMap<u64, u64>,
}

impl Book {
    /// Makes `lots` the whole quantity at `tick`; zero removes the level.
    pub(crate) fn set(&mut self, side: Side, tick: u64, lots: u64) {
        let half = self.half_mut(side);
        if lots == 0 {
            half.remove(&tick);
        } else {
            half.insert(tick, lots);
        }
    }

    /// The lots resting at `tick`, 0 for none.
    pub(crate) fn at(&self, side: Side, tick: u64) -> u64 {
        self.half(side).get(&tick).copied().unwrap_or(0)
    }

    /// The best level: highest bid, lowest ask.
    pub(crate) fn best(&self, side: Side) -> Option<(u64, u64)> {
        self.levels(side).next()
    }

    /// The level farthest from the touch.
    pub(crate) fn worst(&self, side: Side) -> Option<(u64, u64)> {
        let half = self.half(side);
        let entry = match side {
            Side::Bid => half.first_key_value(),
            Side::Ask => half.last_key_value(),
        };
        entry.map(|(&tick, &lots)| (tick, lots))
    }

    /// How many levels the side has.
    pub(crate) fn count(&self, side: Side) -> usize {
        self.half(side).len()
    }

    /// The levels from the touch outwards.
    pub(crate) fn levels(&self, side: Side) -> Box<dyn Iterator<Item = (u64, u64)> + '_> {
        let pair = |(&tick, &lots): (&u64, &u64)| (tick, lots);
        match side {
            Side::Bid => Box::new(self.bids.iter().rev().map(pair)),
            Side::Ask => Box::new(self.asks.iter().map(pair)),
        }
    }

    fn half(&self, side: Side) -> &BTreeMap<u64, u64> {
        match side {
            Side::Bid => &self.bids,
            Side::Ask => &self.asks,
        }
    }

    fn half_mut(&mut self, side: Side) -> &mut BTreeMap<u64, u64> {
        match side {
            Side::Bid => &mut self.bids,
            Side::Ask => &mut self.asks,
        }
    }
}
