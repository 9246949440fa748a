//! The id sequencer: what is next, what is a copy, what is missing. Written for several sources of
//! the same ids (A/B lines, backfill); which one speaks does not matter, only the id does.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::defect::{Defect, planted};
use crate::time::Mono;

/// A regression by more than this many ids, at a newer venue time, is a venue that has started over.
pub const RESET_DISTANCE: u64 = 1_000;

/// What an id means to the sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is the one expected; it counts as delivered.
    Next,
    /// It was here before (or is older than the base).
    Duplicate,
    /// Some ids are missing before it: [`Sequence::hold`] it.
    Ahead,
    /// The venue has started its ids over: begin a new epoch, and the sequence with
    /// [`Sequence::restart`].
    Reset,
}

/// Ids that were never seen, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing {
    /// First missing id.
    pub from: u64,
    /// Last missing id.
    pub to: u64,
}

/// What was declared missing lately and may still come, late: ranges that do not touch. The lowest are forgotten first.
#[derive(Debug, Clone, Default)]
pub struct Declared(BTreeMap<u64, u64>);

impl Declared {
    /// Ranges remembered at most.
    pub const RANGES: usize = 4_096;

    /// Remembers what was declared.
    pub fn add(&mut self, missing: Missing) {
        if self.0.len() >= Self::RANGES {
            self.0.pop_first();
        }
        self.0.insert(missing.from, missing.to);
    }

    /// The range that an id is in.
    fn around(&self, id: u64) -> Option<Missing> {
        let (from, to) = self.0.range(..=id).next_back()?;
        (id <= *to).then_some(Missing { from: *from, to: *to })
    }

    /// Whether an id was declared missing and has not come since.
    pub fn holds(&self, id: u64) -> bool {
        self.around(id).is_some()
    }

    /// The first range above `id` that has not come; the lowest of all if there is none above. So whoever asks for
    /// one after the other goes round, and one that nobody has does not keep the others from being asked for.
    pub fn next(&self, id: u64) -> Option<Missing> {
        let above = id.checked_add(1).and_then(|above| self.0.range(above..).next());
        above.or_else(|| self.0.first_key_value()).map(|(from, to)| Missing { from: *from, to: *to })
    }

    /// All of it, the lowest first.
    pub fn ranges(&self) -> impl Iterator<Item = Missing> {
        self.0.iter().map(|(from, to)| Missing { from: *from, to: *to })
    }

    /// Nothing between two ids, both included, will come any more.
    pub fn give_up(&mut self, gone: Missing) {
        while let Some(missing) = self.0.range(gone.from..=gone.to).next().map(|(from, to)| (*from, *to))
            && missing.1 <= gone.to
        {
            self.0.remove(&missing.0);
        }
    }

    /// An id has come after all; whether it was declared missing. It is so once.
    pub fn take(&mut self, id: u64) -> bool {
        let Some(Missing { from, to }) = self.around(id) else { return false };
        self.0.remove(&from);
        if from < id {
            self.0.insert(from, id - 1);
        }
        if id < to {
            self.add(Missing { from: id + 1, to });
        }
        true
    }
}

/// A sequence of contiguous ids; `T` is what is held back while a hole may still be filled.
#[derive(Debug)]
pub struct Sequence<T> {
    last: Option<u64>,
    /// Present only while something is held back.
    hole: Option<Box<Hole<T>>>,
}

#[derive(Debug)]
struct Hole<T> {
    /// With the time of arrival: each is held for so long and no longer, whatever holes lie before it.
    held: BTreeMap<u64, (Mono, T)>,
    /// When something came last that fitted before the hole.
    advanced: Mono,
}

impl<T> Default for Sequence<T> {
    fn default() -> Self {
        Self { last: None, hole: None }
    }
}

impl<T> Sequence<T> {
    /// A sequence that goes on after `last`, so that what was lost meanwhile is seen.
    pub fn resuming(last: Option<u64>) -> Self {
        Self { last, ..Self::default() }
    }

    /// The last id delivered (or declared missing).
    pub fn last(&self) -> Option<u64> {
        self.last
    }

    /// Judges an id. The first one ever sets the base. `newer` says whether its venue time is later
    /// than that of the last one delivered.
    #[inline]
    pub fn judge(&mut self, id: u64, newer: bool) -> Verdict {
        match self.last {
            Some(last) if last.checked_add(1) == Some(id) => {
                self.last = Some(id);
                Verdict::Next
            }
            None => {
                self.last = Some(id);
                Verdict::Next
            }
            Some(last) if planted(Defect::SkipOneId) && last.checked_add(2) == Some(id) => {
                self.last = Some(id);
                Verdict::Next
            }
            Some(last) if planted(Defect::DeliverDuplicate) && last == id => Verdict::Next,
            Some(last) => self.judge_other(id, last, newer),
        }
    }

    #[cold]
    fn judge_other(&mut self, id: u64, last: u64, newer: bool) -> Verdict {
        if id > last {
            let held = self.hole.as_ref().is_some_and(|hole| hole.held.contains_key(&id));
            if held { Verdict::Duplicate } else { Verdict::Ahead }
        } else if newer && last - id > RESET_DISTANCE {
            Verdict::Reset
        } else {
            Verdict::Duplicate
        }
    }

    /// Begins anew at `id`, after a [`Verdict::Reset`]. What is still held is to be released or declared
    /// before: it belongs to the sequence that ends.
    pub fn restart(&mut self, id: u64) {
        self.hole = None;
        self.last = Some(id);
    }

    /// Judges an id of a sequence with holes: only copies and resets can be told.
    #[inline]
    pub fn rise(&mut self, id: u64, newer: bool) -> Verdict {
        let verdict = match self.last {
            Some(last) if id > last => Verdict::Next,
            None => Verdict::Next,
            Some(last) if newer && last - id > RESET_DISTANCE => return Verdict::Reset,
            Some(_) => return Verdict::Duplicate,
        };
        self.last = Some(id);
        verdict
    }

    /// Holds back what came too early, at `now`.
    pub fn hold(&mut self, now: Mono, id: u64, item: T) {
        let hole = self.hole.get_or_insert_with(|| Box::new(Hole { held: BTreeMap::new(), advanced: now }));
        hole.held.insert(id, (now, item));
    }

    /// The next held item that has become due because its predecessors arrived.
    #[inline]
    pub fn release(&mut self) -> Option<(u64, T)> {
        self.hole.as_ref()?;
        self.release_held()
    }

    fn release_held(&mut self) -> Option<(u64, T)> {
        let hole = self.hole.as_mut()?;
        let entry = hole.held.first_entry()?;
        if Some(*entry.key()) != self.last.and_then(|last| last.checked_add(1)) {
            return None;
        }
        let (id, (_, item)) = entry.remove_entry();
        if hole.held.is_empty() {
            self.hole = None;
        }
        self.last = Some(id);
        Some((id, item))
    }

    /// A line has brought the next one, before a hole.
    pub fn advanced(&mut self, now: Mono) {
        if let Some(hole) = &mut self.hole {
            hole.advanced = now;
        }
    }

    /// Drops what is held back if all of it came before the last one that fitted: then nothing follows it. The lowest
    /// that was dropped.
    pub fn drop_refuted(&mut self) -> Option<u64> {
        let hole = self.hole.as_ref()?;
        let newest = hole.held.values().map(|(at, _)| *at).max()?;
        let lowest = *hole.held.first_key_value()?.0;
        (newest < hole.advanced).then(|| {
            self.hole = None;
            lowest
        })
    }

    /// Gives up on the hole in front of the held items: it is missing, delivery goes on behind it.
    pub fn give_up(&mut self) -> Option<Missing> {
        let first = *self.hole.as_ref()?.held.first_key_value()?.0;
        let from = self.last.map_or(first, |last| last + 1);
        self.last = Some(first - 1);
        Some(Missing { from, to: first - 1 })
    }

    /// The hole in front of the held items.
    pub fn hole(&self) -> Option<Missing> {
        let first = *self.hole.as_ref()?.held.first_key_value()?.0;
        Some(Missing { from: self.last?.checked_add(1)?, to: first.checked_sub(1)? })
    }

    /// From the first id that is missing to the last, what is held between them included.
    pub fn holes(&self) -> Option<Missing> {
        let Missing { from, to } = self.hole()?;
        let held = &self.hole.as_ref()?.held;
        let end = *held.last_key_value()?.0;
        // From above: the first id that nobody holds.
        let last = held.keys().rev().zip((0..=end).rev()).find(|(id, expected)| *id != expected);
        Some(Missing { from, to: last.map_or(to, |(_, id)| id.max(to)) })
    }

    /// Whether an item is held back.
    pub fn holds(&self, id: u64) -> bool {
        self.hole.as_ref().is_some_and(|hole| hole.held.contains_key(&id))
    }

    /// How many items are held back.
    pub fn held(&self) -> usize {
        self.hole.as_ref().map_or(0, |hole| hole.held.len())
    }

    /// For so long nobody could fill the hole: its time goes on from `now`.
    pub fn postpone(&mut self, by: Duration, now: Mono) {
        let Some(hole) = &mut self.hole else { return };
        hole.held.values_mut().for_each(|(since, _)| *since = (*since + by).min(now).max(*since));
    }

    /// When to give up on the hole, if there is one.
    pub fn deadline(&self, within: Duration) -> Option<Mono> {
        let (_, (since, _)) = self.hole.as_ref()?.held.first_key_value()?;
        Some(*since + within)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Feeds ids in order; returns what came out: ids delivered, holes declared, copies dropped.
    fn run(ids: &[u64]) -> (Vec<u64>, Vec<Missing>, usize) {
        let mut sequence = Sequence::default();
        let (mut out, mut missing, mut copies) = (Vec::new(), Vec::new(), 0);
        for &id in ids {
            match sequence.judge(id, false) {
                Verdict::Next | Verdict::Reset => out.push(id),
                Verdict::Duplicate => copies += 1,
                Verdict::Ahead => sequence.hold(Mono::default(), id, ()),
            }
            while let Some((id, ())) = sequence.release() {
                out.push(id);
            }
        }
        while let Some(hole) = sequence.give_up() {
            missing.push(hole);
            while let Some((id, ())) = sequence.release() {
                out.push(id);
            }
        }
        (out, missing, copies)
    }

    #[test]
    fn all_holes_are_told_at_once() {
        let holes = |ids: &[u64]| {
            let mut sequence = Sequence::resuming(Some(1));
            ids.iter().for_each(|id| sequence.hold(Mono::default(), *id, ()));
            sequence.holes().map(|holes| (holes.from, holes.to))
        };
        assert_eq!(holes(&[]), None);
        assert_eq!(holes(&[4]), Some((2, 3)));
        assert_eq!(holes(&[3, 4, 5]), Some((2, 2)));
        assert_eq!(holes(&[3, 5, 9, 10]), Some((2, 8)));
        assert_eq!(holes(&[u64::MAX]), Some((2, u64::MAX - 1)));
    }

    #[test]
    fn the_first_id_sets_the_base() {
        assert_eq!(run(&[70, 71]), (vec![70, 71], vec![], 0));
    }

    #[test]
    fn a_copy_is_dropped() {
        assert_eq!(run(&[1, 2, 2, 1, 3]), (vec![1, 2, 3], vec![], 2));
    }

    #[test]
    fn a_swapped_pair_is_put_right() {
        assert_eq!(run(&[1, 3, 2, 4]), (vec![1, 2, 3, 4], vec![], 0));
    }

    #[test]
    fn a_copy_of_a_held_one_is_dropped() {
        assert_eq!(run(&[1, 3, 3, 2]), (vec![1, 2, 3], vec![], 1));
    }

    #[test]
    fn each_hole_is_declared_once() {
        let holes = vec![Missing { from: 2, to: 4 }, Missing { from: 6, to: 6 }];
        assert_eq!(run(&[1, 5, 7]), (vec![1, 5, 7], holes, 0));
    }

    #[test]
    fn a_far_regression_is_a_reset_only_with_newer_time() {
        let mut sequence = Sequence::<()>::resuming(Some(5_000));
        assert_eq!(sequence.judge(10, false), Verdict::Duplicate);
        assert_eq!(sequence.judge(4_000, true), Verdict::Duplicate);
        assert_eq!(sequence.judge(10, true), Verdict::Reset);
        sequence.restart(10);
        assert_eq!(sequence.judge(11, true), Verdict::Next);
    }

    #[test]
    fn rising_ids_may_have_holes_but_not_repeat() {
        let mut sequence = Sequence::<()>::default();
        let table = [
            (5_000, false, Verdict::Next),
            (6_000, false, Verdict::Next),
            (6_000, true, Verdict::Duplicate),
            (5_500, true, Verdict::Duplicate),
            (10, false, Verdict::Duplicate),
            (10, true, Verdict::Reset),
        ];
        for (id, newer, expected) in table {
            assert_eq!(sequence.rise(id, newer), expected, "{id}");
        }
        sequence.restart(10);
        assert_eq!(sequence.rise(11, true), Verdict::Next);
    }

    #[test]
    fn what_was_declared_may_come_once_each() {
        let mut declared = Declared::default();
        declared.add(Missing { from: 3, to: 6 });
        declared.add(Missing { from: u64::MAX, to: u64::MAX });
        assert!(declared.holds(3) && declared.holds(6) && !declared.holds(2) && !declared.holds(7));
        for id in [4, 3, 6, 5, u64::MAX] {
            assert!(declared.take(id), "{id}");
            assert!(!declared.take(id), "{id} again");
        }
        assert!(declared.0.is_empty());
        let ranges = Declared::RANGES as u64;
        (0..ranges + 10).for_each(|n| declared.add(Missing { from: 10 * n, to: 10 * n + 2 }));
        assert!(declared.0.len() == Declared::RANGES && !declared.holds(90) && declared.holds(100));
        declared.give_up(Missing { from: 100, to: 10 * ranges + 51 });
        assert_eq!(
            declared.ranges().map(|range| range.from / 10 - ranges).collect::<Vec<_>>(),
            [5, 6, 7, 8, 9]
        );
        assert_eq!(declared.next(u64::MAX), declared.next(0), "and so round");
    }

    #[test]
    fn ids_at_the_end_of_the_range_do_not_overflow() {
        let mut sequence = Sequence::<()>::resuming(Some(u64::MAX - 1));
        assert_eq!(sequence.judge(u64::MAX, false), Verdict::Next);
        assert_eq!(sequence.judge(u64::MAX, false), Verdict::Duplicate);
    }

    #[test]
    fn each_held_one_waits_for_its_own_time_only() {
        let within = Duration::from_secs(2);
        let at = |s| Mono::default() + Duration::from_secs(s);
        let mut sequence = Sequence::resuming(Some(1));
        sequence.hold(at(1), 3, ());
        sequence.hold(at(2), 6, ());
        assert_eq!(sequence.deadline(within), Some(at(3)));
        assert_eq!(sequence.judge(2, false), Verdict::Next);
        assert_eq!(sequence.release(), Some((3, ())));
        assert_eq!(sequence.release(), None);
        assert_eq!(sequence.deadline(within), Some(at(4)));
        sequence.hold(at(3), 9, ());
        assert_eq!(sequence.deadline(within), Some(at(4)), "a later hole changes nothing for the first");
    }

    proptest! {
        /// Whatever is dropped, doubled or moved: each id comes out once, in order, or is declared.
        #[test]
        fn every_id_is_delivered_once_or_declared(
            kept in proptest::collection::vec(any::<bool>(), 1..200),
            swaps in proptest::collection::vec((any::<usize>(), 1usize..9), 0..40),
        ) {
            let kept = (10u64..).zip(&kept).filter(|(i, k)| *i == 10 || **k);
            let mut ids: Vec<u64> = kept.map(|(i, _)| i).collect();
            for (at, far) in swaps {
                let at = 1 + at % ids.len();
                if at + far < ids.len() { ids.swap(at, at + far); }
                if far == 8 { ids.push(ids[at % ids.len()]); }
            }
            let (out, missing, copies) = run(&ids);
            prop_assert_eq!(out.len() + copies, ids.len());
            prop_assert!(out.is_sorted());
            let mut all: Vec<u64> = out.clone();
            for hole in &missing { all.extend(hole.from..=hole.to); }
            all.sort_unstable();
            let last = out[out.len() - 1];
            prop_assert_eq!(all, (10..=last).collect::<Vec<_>>());
        }
    }
}
