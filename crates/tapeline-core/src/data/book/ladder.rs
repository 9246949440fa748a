//! One side of a book: prices and sizes, best first.

use std::collections::BTreeMap;

use super::super::decimal::Decimal;
use super::super::event::Level;

/// Why a level was refused. The ladder is as before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LadderError {
    /// The side holds as many levels as it may.
    #[error("more levels than one side of a book may hold")]
    Full,
    /// A size below zero.
    #[error("a size below zero")]
    Negative,
}

/// One side of a book.
#[derive(Debug, Clone)]
pub struct Ladder {
    descending: bool,
    limit: usize,
    levels: BTreeMap<Decimal, Decimal>,
}

impl Ladder {
    /// An empty bid side (best = highest) of at most `limit` levels.
    pub const fn bids(limit: usize) -> Self {
        Self { descending: true, limit, levels: BTreeMap::new() }
    }

    /// An empty ask side (best = lowest) of at most `limit` levels.
    pub const fn asks(limit: usize) -> Self {
        Self { descending: false, limit, levels: BTreeMap::new() }
    }

    /// Sets the size at a price; zero removes the level, and removing an unknown one is normal.
    ///
    /// # Errors
    /// [`LadderError`]; nothing has changed then.
    pub fn set(&mut self, price: Decimal, size: Decimal) -> Result<(), LadderError> {
        if size.is_negative() {
            return Err(LadderError::Negative);
        }
        if size.is_zero() {
            self.levels.remove(&price);
        } else if self.levels.len() < self.limit || self.levels.contains_key(&price) {
            self.levels.insert(price, size);
        } else {
            return Err(LadderError::Full);
        }
        Ok(())
    }

    /// The size at a price.
    pub fn get(&self, price: Decimal) -> Option<Decimal> {
        self.levels.get(&price).copied()
    }

    /// The best level.
    pub fn best(&self) -> Option<Level> {
        self.iter().next()
    }

    /// All levels, best first.
    pub fn iter(&self) -> Levels<'_> {
        Levels { inner: self.levels.iter(), descending: self.descending }
    }

    /// How many levels there are.
    pub fn len(&self) -> usize {
        self.levels.len()
    }

    /// Whether there is no level.
    pub fn is_empty(&self) -> bool {
        self.levels.is_empty()
    }

    /// Removes every level.
    pub fn clear(&mut self) {
        self.levels.clear();
    }

    /// Whether `price` is strictly better than `other` on this side.
    pub fn is_better(&self, price: Decimal, other: Decimal) -> bool {
        if self.descending { price > other } else { price < other }
    }
}

/// The levels of one side, best first.
#[derive(Debug, Clone)]
pub struct Levels<'a> {
    inner: std::collections::btree_map::Iter<'a, Decimal, Decimal>,
    descending: bool,
}

impl Iterator for Levels<'_> {
    type Item = Level;

    fn next(&mut self) -> Option<Level> {
        let (price, size) = if self.descending { self.inner.next_back() } else { self.inner.next() }?;
        Some(Level { price: *price, size: *size })
    }
}

impl<'a> IntoIterator for &'a Ladder {
    type Item = Level;
    type IntoIter = Levels<'a>;

    fn into_iter(self) -> Levels<'a> {
        self.iter()
    }
}
