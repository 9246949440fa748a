//! Levels by integer key, lowest first: a window of pages around the touch, an ordered map beyond it.

use std::collections::{BTreeMap, btree_map};

use super::LadderError;
use super::pages::{Arena, Page, TICKS, bits};

/// Pages that the window spans at most: 65,536 ticks, 16 KiB of page heads.
const SPAN: i64 = 1_024;
/// Room left ahead of the touch when the window is laid anew.
const LEAD: i64 = SPAN / 8;
/// Once the touch has receded this far into the window, the window follows.
const LAG: i64 = SPAN / 2;
/// Pages of a new window.
const FIRST_PAGES: usize = 16;

/// Levels by key; the lowest key is the best. Sizes are never zero.
#[derive(Debug, Clone)]
pub(super) struct Ticks {
    /// The page number of `pages[0]`.
    base: i64,
    /// At most [`SPAN`] pages; those not there are empty.
    pages: Vec<Page>,
    arena: Arena,
    /// Levels in pages from `base + SPAN` on.
    far: BTreeMap<i64, i64>,
    len: usize,
    /// The lowest key; meaningless while there is no level.
    best: i64,
}

impl Ticks {
    pub(super) const fn new() -> Self {
        Self { base: 0, pages: Vec::new(), arena: Arena::new(), far: BTreeMap::new(), len: 0, best: 0 }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) fn best(&self) -> Option<i64> {
        (self.len > 0).then_some(self.best)
    }

    pub(super) fn clear(&mut self) {
        self.pages.clear();
        self.arena.clear();
        self.far.clear();
        self.len = 0;
    }

    /// Bytes of memory held, the ordered map's nodes estimated.
    pub(super) fn bytes(&self) -> usize {
        // A node of the standard map has room for eleven entries and is about two thirds full.
        self.pages.capacity() * size_of::<Page>() + self.arena.bytes() + self.far.len() * 27
    }

    /// Sets the size at a key; zero removes.
    #[inline]
    pub(super) fn set(&mut self, key: i64, size: i64, limit: usize) -> Result<(), LadderError> {
        let Some(page) =
            usize::try_from(page_of(key).wrapping_sub(self.base)).ok().and_then(|at| self.pages.get_mut(at))
        else {
            return self.set_outside(key, size, limit);
        };
        let tick = tick_of(key);
        if page.occupied() & (1 << tick) != 0 {
            if size != 0 {
                self.arena.replace(*page, tick, size);
                return Ok(());
            }
            self.arena.remove(page, tick);
            self.gone(key);
        } else if size != 0 {
            if self.len >= limit {
                return Err(LadderError::Full);
            }
            self.arena.insert(page, tick, size);
            self.came(key);
        }
        Ok(())
    }

    pub(super) fn get(&self, key: i64) -> Option<i64> {
        let at = page_of(key).wrapping_sub(self.base);
        match usize::try_from(at).ok().and_then(|at| self.pages.get(at)) {
            Some(page) => {
                (page.occupied() & (1 << tick_of(key)) != 0).then(|| self.arena.get(*page, tick_of(key)))
            }
            None => self.far.get(&key).copied(),
        }
    }

    fn came(&mut self, key: i64) {
        if self.len == 0 || key < self.best {
            self.best = key;
        }
        self.len += 1;
    }

    fn gone(&mut self, key: i64) {
        self.len -= 1;
        if key == self.best
            && let Some(next) = self.lowest_from(page_of(key) - self.base)
        {
            self.best = next;
        }
    }

    /// The lowest key in the window's pages from `at` on, or else beyond the window.
    fn lowest_from(&self, at: i64) -> Option<i64> {
        let from = usize::try_from(at).unwrap_or(0).min(self.pages.len());
        match self.pages[from..].iter().position(|page| !page.is_empty()) {
            Some(skipped) => {
                let at = from + skipped;
                Some(key_of(self.base + at as i64, self.pages[at].occupied().trailing_zeros()))
            }
            None => self.far.first_key_value().map(|(key, _)| *key),
        }
    }

    /// A key for which the window has no page.
    #[cold]
    fn set_outside(&mut self, key: i64, size: i64, limit: usize) -> Result<(), LadderError> {
        let page = page_of(key);
        if self.len == 0 {
            self.pages.clear();
            self.base = page - FIRST_PAGES as i64 / 2;
        } else if page - self.base >= SPAN && page_of(self.best) - self.base > LAG {
            self.move_to(page_of(self.best) - LEAD);
            return self.set(key, size, limit);
        }
        let ahead = page - self.base;
        if ahead >= SPAN {
            return self.set_far(key, size, limit);
        }
        if size == 0 {
            return Ok(());
        }
        if self.len >= limit {
            return Err(LadderError::Full);
        }
        let held = self.pages.len() as i64;
        if ahead >= held {
            let wanted = (ahead + 1).max(held + held / 2).max(FIRST_PAGES as i64).min(SPAN);
            self.pages.reserve_exact((wanted - held) as usize);
            self.pages.resize(wanted as usize, Page::EMPTY);
        } else if ahead < 0 {
            // A little more than needed, so that a rising touch does not move the window at every tick.
            let room = (SPAN - held + ahead).min(held / 2 + 8);
            self.move_to(if room >= 0 { page - room } else { page - LEAD });
        }
        self.set(key, size, limit)
    }

    fn set_far(&mut self, key: i64, size: i64, limit: usize) -> Result<(), LadderError> {
        if size == 0 {
            if self.far.remove(&key).is_some() {
                self.gone(key);
            }
            return Ok(());
        }
        let full = self.len >= limit;
        match self.far.entry(key) {
            btree_map::Entry::Occupied(mut held) => *held.get_mut() = size,
            btree_map::Entry::Vacant(_) if full => return Err(LadderError::Full),
            btree_map::Entry::Vacant(slot) => {
                slot.insert(size);
                self.came(key);
            }
        }
        Ok(())
    }

    /// Lays the window from page `base` on. Levels that it leaves go to the map, those that it reaches
    /// come from there. No level may lie before `base`.
    fn move_to(&mut self, base: i64) {
        let occupied = |page: &Page| !page.is_empty();
        let (first, last) = (self.pages.iter().position(occupied), self.pages.iter().rposition(occupied));
        let old = std::mem::take(&mut self.pages);
        let old_base = std::mem::replace(&mut self.base, base);
        // No key lies beyond a window that ends at the last page there can be.
        let beyond = if base + SPAN > page_of(i64::MAX) {
            BTreeMap::new()
        } else {
            self.far.split_off(&key_of(base + SPAN, 0))
        };
        let reached = std::mem::replace(&mut self.far, beyond);
        // Pages up to the farthest level, no more.
        let farthest = reached.last_key_value().map(|(key, _)| page_of(*key));
        let farthest = farthest.or(last.map(|at| old_base + at as i64)).unwrap_or(base);
        let wanted = (farthest + 1 - base).clamp(FIRST_PAGES as i64, SPAN);
        self.pages.reserve_exact(wanted as usize);
        self.pages.resize(wanted as usize, Page::EMPTY);
        if let (Some(first), Some(last)) = (first, last) {
            for (at, page) in old.iter().enumerate().take(last + 1).skip(first) {
                let number = old_base + at as i64;
                match usize::try_from(number - base).ok().and_then(|at| self.pages.get_mut(at)) {
                    Some(place) => *place = *page,
                    None => {
                        let far = &mut self.far;
                        self.arena.drain(*page, |tick, size| {
                            far.insert(key_of(number, tick), size);
                        });
                    }
                }
            }
        }
        for (key, size) in reached {
            if let Some(page) = self.pages.get_mut((page_of(key) - base) as usize) {
                self.arena.insert(page, tick_of(key), size);
            }
        }
    }

    /// All levels, lowest key first.
    pub(super) fn iter(&self) -> Keys<'_> {
        let from = match self.len {
            0 => self.pages.len(),
            _ => usize::try_from(page_of(self.best) - self.base).unwrap_or(0).min(self.pages.len()),
        };
        let rest = self.pages.get(from).map_or(0, |page| page.occupied());
        Keys { ticks: self, at: from, rest, far: self.far.iter() }
    }
}

/// The levels of a [`Ticks`], lowest key first.
#[derive(Debug, Clone)]
pub(super) struct Keys<'a> {
    ticks: &'a Ticks,
    at: usize,
    /// The ticks of page `at` that are still to come.
    rest: u64,
    far: btree_map::Iter<'a, i64, i64>,
}

impl Iterator for Keys<'_> {
    type Item = (i64, i64);

    fn next(&mut self) -> Option<(i64, i64)> {
        while self.rest == 0 {
            self.at += 1;
            match self.ticks.pages.get(self.at) {
                Some(page) => self.rest = page.occupied(),
                None => return self.far.next().map(|(key, size)| (*key, *size)),
            }
        }
        let tick = bits(self.rest).next()?;
        self.rest &= self.rest - 1;
        let page = self.ticks.pages.get(self.at)?;
        Some((key_of(self.ticks.base + self.at as i64, tick), self.ticks.arena.get(*page, tick)))
    }
}

const fn page_of(key: i64) -> i64 {
    key >> TICKS.trailing_zeros()
}

const fn tick_of(key: i64) -> u32 {
    (key as u32) & (TICKS - 1)
}

const fn key_of(page: i64, tick: u32) -> i64 {
    (page << TICKS.trailing_zeros()) | tick as i64
}
