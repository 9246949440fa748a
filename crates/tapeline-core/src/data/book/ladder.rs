//! One side of a book: prices and sizes as integers at scales learnt from the data, best first.

use std::collections::{BTreeMap, btree_map};

use super::pages::Cell;
use super::ticks::{Keys, Ticks};
use crate::data::decimal::{Decimal, POWERS};
use crate::data::event::Level;

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
///
/// Prices and sizes are 64-bit integers in units of the finest step seen so far; a finer one rebuilds the
/// side, which happens a few times in a book's life. Numbers that do not fit are kept as decimals in an
/// ordered map from then on: slower, but never wrong.
#[derive(Debug, Clone)]
pub struct Ladder {
    levels: Form,
    /// All ones on the bid side, which turns the order of the keys round; zero on the ask side.
    flip: i64,
    limit: usize,
    price_scale: u8,
    size_scale: u8,
}

#[derive(Debug, Clone)]
enum Form {
    /// Every size fits 32 bits, as is usual: half the memory.
    Narrow(Ticks<u32>),
    Wide(Ticks<i64>),
    Exact(BTreeMap<Decimal, Decimal>),
}

impl Ladder {
    /// An empty bid side (best = highest) of at most `limit` levels.
    pub const fn bids(limit: usize) -> Self {
        Self::new(-1, limit)
    }

    /// An empty ask side (best = lowest) of at most `limit` levels.
    pub const fn asks(limit: usize) -> Self {
        Self::new(0, limit)
    }

    const fn new(flip: i64, limit: usize) -> Self {
        Self { levels: Form::Narrow(Ticks::new()), flip, limit, price_scale: 0, size_scale: 0 }
    }

    /// Sets the size at a price; zero removes the level, and removing an unknown one is normal.
    ///
    /// # Errors
    /// [`LadderError`]; nothing has changed then.
    #[inline]
    pub fn set(&mut self, price: Decimal, size: Decimal) -> Result<(), LadderError> {
        if let Some(tick) = price.at_scale(self.price_scale)
            && let Some(units) = size.at_scale(self.size_scale)
        {
            match &mut self.levels {
                Form::Narrow(ticks) => {
                    if let Some(units) = u32::of(units) {
                        return ticks.set(tick ^ self.flip, units, self.limit);
                    }
                }
                Form::Wide(ticks) => {
                    if let Some(units) = i64::of(units) {
                        return ticks.set(tick ^ self.flip, units, self.limit);
                    }
                }
                Form::Exact(_) => {}
            }
        }
        self.set_unfit(price, size)
    }

    /// A level that the present scales cannot hold.
    #[cold]
    fn set_unfit(&mut self, price: Decimal, size: Decimal) -> Result<(), LadderError> {
        if size.is_negative() {
            return Err(LadderError::Negative);
        }
        if !matches!(self.levels, Form::Exact(_)) {
            // A price or size of a scale never seen cannot be that of a level held.
            if size.is_zero() {
                return Ok(());
            }
            if self.len() >= self.limit && self.get(price).is_none() {
                return Err(LadderError::Full);
            }
            if self.rescale(price, size) {
                return self.set(price, size);
            }
            self.levels = Form::Exact(self.iter().map(|level| (level.price, level.size)).collect());
        }
        let Form::Exact(map) = &mut self.levels else { return Ok(()) };
        if size.is_zero() {
            map.remove(&price);
        } else if map.len() < self.limit || map.contains_key(&price) {
            map.insert(price, size);
        } else {
            return Err(LadderError::Full);
        }
        Ok(())
    }

    /// Rebuilds the side so that this level fits; whether it does.
    fn rescale(&mut self, price: Decimal, size: Decimal) -> bool {
        let (old_price, old_size) =
            if self.is_empty() { (0, 0) } else { (self.price_scale, self.size_scale) };
        let (price_scale, size_scale) = (old_price.max(price.scale()), old_size.max(size.scale()));
        let (Some(_), Some(units)) = (price.at_scale(price_scale), size.at_scale(size_scale)) else {
            return false;
        };
        let lifted = |(key, units): (i64, i64)| {
            let tick = lift(key ^ self.flip, old_price, price_scale)?;
            Some((tick ^ self.flip, lift(units, old_size, size_scale)?))
        };
        let levels: Option<Vec<_>> = match &self.levels {
            Form::Narrow(ticks) => ticks.iter().map(lifted).collect(),
            Form::Wide(ticks) => ticks.iter().map(lifted).collect(),
            Form::Exact(_) => None,
        };
        let Some(levels) = levels else { return false };
        self.levels = if levels.iter().all(|(_, units)| u32::of(*units).is_some()) && u32::of(units).is_some()
        {
            Form::Narrow(filled(&levels))
        } else {
            Form::Wide(filled(&levels))
        };
        (self.price_scale, self.size_scale) = (price_scale, size_scale);
        true
    }

    /// The size at a price.
    pub fn get(&self, price: Decimal) -> Option<Decimal> {
        match &self.levels {
            Form::Narrow(ticks) => self.got(ticks, price),
            Form::Wide(ticks) => self.got(ticks, price),
            Form::Exact(map) => map.get(&price).copied(),
        }
    }

    fn got<C: Cell>(&self, ticks: &Ticks<C>, price: Decimal) -> Option<Decimal> {
        let units = ticks.get(price.at_scale(self.price_scale)? ^ self.flip)?;
        Some(decimal(units.size(), self.size_scale))
    }

    /// The best level.
    pub fn best(&self) -> Option<Level> {
        self.iter().next()
    }

    /// All levels, best first.
    pub fn iter(&self) -> Levels<'_> {
        let inner = match &self.levels {
            Form::Narrow(ticks) => Inner::Narrow(ticks.iter()),
            Form::Wide(ticks) => Inner::Wide(ticks.iter()),
            Form::Exact(map) => Inner::Exact(map.iter()),
        };
        Levels { inner, flip: self.flip, price_scale: self.price_scale, size_scale: self.size_scale }
    }

    /// How many levels there are.
    pub fn len(&self) -> usize {
        match &self.levels {
            Form::Narrow(ticks) => ticks.len(),
            Form::Wide(ticks) => ticks.len(),
            Form::Exact(map) => map.len(),
        }
    }

    /// Whether there is no level.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Removes every level, gives the memory back and forgets the scales.
    pub fn clear(&mut self) {
        *self = Self::new(self.flip, self.limit);
    }

    /// Bytes of memory held outside of this struct, nodes of ordered maps estimated.
    pub fn bytes(&self) -> usize {
        match &self.levels {
            Form::Narrow(ticks) => ticks.bytes(),
            Form::Wide(ticks) => ticks.bytes(),
            Form::Exact(map) => map.len() * size_of::<(Decimal, Decimal)>() * 5 / 3,
        }
    }

    /// Whether `price` is strictly better than `other` on this side.
    pub fn is_better(&self, price: Decimal, other: Decimal) -> bool {
        if self.flip == 0 { price < other } else { price > other }
    }

    /// The key of the best level, in units of the price scale; `None` without levels or keys.
    fn best_key(&self) -> Option<i64> {
        match &self.levels {
            Form::Narrow(ticks) => ticks.best(),
            Form::Wide(ticks) => ticks.best(),
            Form::Exact(_) => None,
        }
    }

    /// Whether `price` is strictly better than the best level. `None` without levels.
    pub(super) fn best_is_worse_than(&self, price: Decimal) -> Option<bool> {
        if let (Some(best), Some(tick)) = (self.best_key(), price.at_scale(self.price_scale)) {
            return Some(best > tick ^ self.flip);
        }
        Some(self.is_better(price, self.best()?.price))
    }

    /// Whether the best bid is at or above the best ask.
    pub(super) fn crossed(bids: &Self, asks: &Self) -> bool {
        if let (Some(bid), Some(ask)) = (bids.best_key(), asks.best_key())
            && bids.price_scale == asks.price_scale
        {
            return bid ^ bids.flip >= ask ^ asks.flip;
        }
        bids.best().zip(asks.best()).is_some_and(|(bid, ask)| bid.price >= ask.price)
    }
}

/// The levels of one side, best first.
#[derive(Debug, Clone)]
pub struct Levels<'a> {
    inner: Inner<'a>,
    flip: i64,
    price_scale: u8,
    size_scale: u8,
}

#[derive(Debug, Clone)]
enum Inner<'a> {
    Narrow(Keys<'a, u32>),
    Wide(Keys<'a, i64>),
    Exact(btree_map::Iter<'a, Decimal, Decimal>),
}

impl Iterator for Levels<'_> {
    type Item = Level;

    fn next(&mut self) -> Option<Level> {
        let (key, units) = match &mut self.inner {
            Inner::Narrow(keys) => keys.next()?,
            Inner::Wide(keys) => keys.next()?,
            Inner::Exact(map) => {
                let (price, size) = if self.flip == 0 { map.next() } else { map.next_back() }?;
                return Some(Level { price: *price, size: *size });
            }
        };
        let price = decimal(key ^ self.flip, self.price_scale);
        Some(Level { price, size: decimal(units, self.size_scale) })
    }
}

impl<'a> IntoIterator for &'a Ladder {
    type Item = Level;
    type IntoIter = Levels<'a>;

    fn into_iter(self) -> Levels<'a> {
        self.iter()
    }
}

/// A ladder of these levels.
fn filled<C: Cell>(levels: &[(i64, i64)]) -> Ticks<C> {
    let mut ticks = Ticks::new();
    for (key, units) in levels {
        // Without a limit nothing is refused, and the caller has seen that the sizes fit.
        let _ = C::of(*units).map(|units| ticks.set(*key, units, usize::MAX));
    }
    ticks
}

/// An integer at a finer scale, if it fits.
fn lift(value: i64, from: u8, to: u8) -> Option<i64> {
    value.checked_mul(*POWERS.get(usize::from(to.checked_sub(from)?))?)
}

/// `units` × 10^-`scale` in canonical form.
fn decimal(mut units: i64, mut scale: u8) -> Decimal {
    if units == 0 {
        return Decimal::ZERO;
    }
    while scale > 0 && units % 10 == 0 {
        units /= 10;
        scale -= 1;
    }
    Decimal::from_canonical(units, scale)
}
