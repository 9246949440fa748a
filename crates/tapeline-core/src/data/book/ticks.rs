//! Levels by integer key, lowest first: a window of pages around the touch, a hash map beyond it.

use foldhash::fast::FixedState;

use super::LadderError;
use super::pages::{Cell, Pages, TICKS};
use crate::venue::Map;

/// Pages that the window spans at most: 65,536 ticks, 16 KiB of heads.
const SPAN: i64 = 4_096;
/// Room left ahead of the touch when the window is laid anew.
const LEAD: i64 = SPAN / 8;
/// Once the touch has receded this far into the window, the window follows.
const LAG: i64 = SPAN / 2;
/// Pages of a new window.
const FIRST_PAGES: i64 = 32;

/// Levels by key; the lowest key is the best. Sizes are never zero.
#[derive(Debug, Clone)]
pub(super) struct Ticks<C> {
    /// The page number of the window's first page.
    base: i64,
    /// At most [`SPAN`] pages; those not there are empty.
    pages: Pages<C>,
    /// Levels in pages from `base + SPAN` on. Their order matters only when the touch comes near or the
    /// whole book is read, both rare.
    far: Map<i64, C>,
    len: usize,
    /// The lowest key; the highest number there is while there is no level.
    best: i64,
}

impl<C: Cell> Ticks<C> {
    pub(super) const fn new() -> Self {
        Self {
            base: 0,
            pages: Pages::new(),
            far: Map::with_hasher(FixedState::with_seed(0)),
            len: 0,
            best: i64::MAX,
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) fn best(&self) -> Option<i64> {
        (self.len > 0).then_some(self.best)
    }

    /// Bytes of memory held.
    pub(super) fn bytes(&self) -> usize {
        // The standard map has an eighth more buckets than it has room, and a byte of control for each.
        self.pages.bytes() + self.far.capacity() * 8 / 7 * (size_of::<(i64, C)>() + 1)
    }

    /// Sets the size at a key; zero removes.
    #[inline]
    pub(super) fn set(&mut self, key: i64, size: C, limit: usize) -> Result<(), LadderError> {
        if self.len >= limit && size.is_level() && self.get(key).is_none() {
            return Err(LadderError::Full);
        }
        match self.pages.set(self.page_at(key), tick_of(key), size) {
            Some(held) => self.note(key, size, held),
            None => self.set_outside(key, size),
        }
        Ok(())
    }

    /// Takes note of what a key held and holds.
    #[inline]
    fn note(&mut self, key: i64, size: C, held: C) {
        self.len = self.len + usize::from(size.is_level()) - usize::from(held.is_level());
        if key <= self.best {
            self.touch(key, size.is_level());
        }
    }

    pub(super) fn get(&self, key: i64) -> Option<C> {
        match self.pages.get(self.page_at(key), tick_of(key)) {
            Some(size) => size.is_level().then_some(size),
            None => self.far.get(&key).copied(),
        }
    }

    /// The window's page of a key; past all pages for a key that lies before them.
    #[inline]
    fn page_at(&self, key: i64) -> usize {
        usize::try_from(page_of(key) - self.base).unwrap_or(usize::MAX)
    }

    /// A key at or before the best one was set or vacated.
    fn touch(&mut self, key: i64, occupy: bool) {
        if occupy {
            self.best = key;
        } else if key == self.best {
            let next = self.pages.first_from(self.page_at(key).min(self.pages.len()), tick_of(key));
            self.best = match next {
                Some((at, tick, _)) => key_of(self.base + at as i64, tick),
                None => self.far.keys().min().copied().unwrap_or(i64::MAX),
            };
        }
    }

    /// A key outside of the window's pages.
    #[cold]
    fn set_outside(&mut self, key: i64, size: C) {
        let page = page_of(key);
        if self.len == 0 {
            self.pages = Pages::new();
            self.base = page - FIRST_PAGES / 2;
        }
        if page - self.base >= SPAN && page_of(self.best) - self.base > LAG {
            self.move_to(page_of(self.best) - LEAD);
        }
        let (ahead, held) = (page - self.base, self.pages.len() as i64);
        if ahead >= SPAN {
            let held = if size.is_level() { self.far.insert(key, size) } else { self.far.remove(&key) };
            return self.note(key, size, held.unwrap_or_default());
        }
        if size.is_level() && ahead >= held {
            let wanted = (ahead + 1).max(held + held / 2).clamp(FIRST_PAGES, SPAN);
            self.pages.extend_to(wanted as usize);
        } else if size.is_level() && ahead < 0 {
            // More than needed, so that a rising touch does not move the window at every tick.
            let room = (SPAN - held + ahead).min(held / 2 + FIRST_PAGES / 2);
            self.move_to(if room >= 0 { page - room } else { page - LEAD });
            self.pages.extend_to(self.pages.len().max(self.page_at(key) + 1));
        }
        if let Some(held) = self.pages.set(self.page_at(key), tick_of(key), size) {
            self.note(key, size, held);
        }
    }

    /// Lays the window from page `base` on. Levels that it leaves go to the map, those that it reaches
    /// come from there. No level may lie before `base`.
    fn move_to(&mut self, base: i64) {
        let old_base = std::mem::replace(&mut self.base, base);
        let reached: Vec<_> = self.far.extract_if(|key, _| page_of(*key) - base < SPAN).collect();
        // Pages up to the farthest level, no more.
        let farthest = reached.iter().map(|(key, _)| page_of(*key)).max();
        let farthest = farthest.or(self.pages.last_used().map(|at| old_base + at as i64)).unwrap_or(base);
        let wanted = (farthest + 1 - base).clamp(FIRST_PAGES, SPAN) as usize;
        let far = &mut self.far;
        self.pages.shift(base - old_base, wanted, |at, tick, size| {
            far.insert(key_of(old_base + at as i64, tick), size);
        });
        for (key, size) in reached {
            self.pages.set(self.page_at(key), tick_of(key), size);
        }
    }

    /// All levels, lowest key first.
    pub(super) fn iter(&self) -> Keys<'_, C> {
        let at = if self.len == 0 { self.pages.len() } else { self.page_at(self.best).min(self.pages.len()) };
        Keys { ticks: self, at, tick: 0, far: None }
    }
}

/// The levels of a [`Ticks`], lowest key first.
#[derive(Debug, Clone)]
pub(super) struct Keys<'a, C> {
    ticks: &'a Ticks<C>,
    at: usize,
    tick: usize,
    /// The levels beyond the window, highest key first, sorted when they are reached.
    far: Option<Vec<(i64, C)>>,
}

impl<C: Cell> Iterator for Keys<'_, C> {
    type Item = (i64, i64);

    fn next(&mut self) -> Option<(i64, i64)> {
        match self.ticks.pages.first_from(self.at, self.tick) {
            Some((at, tick, size)) => {
                (self.at, self.tick) = (at, tick + 1);
                Some((key_of(self.ticks.base + at as i64, tick), size.size()))
            }
            None => {
                self.at = self.ticks.pages.len();
                let far = self.far.get_or_insert_with(|| {
                    let mut far: Vec<_> = self.ticks.far.iter().map(|(key, size)| (*key, *size)).collect();
                    far.sort_unstable_by_key(|(key, _)| std::cmp::Reverse(*key));
                    far
                });
                far.pop().map(|(key, size)| (key, size.size()))
            }
        }
    }
}

const fn page_of(key: i64) -> i64 {
    key >> TICKS.trailing_zeros()
}

const fn tick_of(key: i64) -> usize {
    key as usize & (TICKS - 1)
}

const fn key_of(page: i64, tick: usize) -> i64 {
    (page << TICKS.trailing_zeros()) | tick as i64
}
