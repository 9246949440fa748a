//! What a venue's book really was: every change of every level, kept so that the level at any recent id is found at
//! once. It shares nothing with the product's books.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Changes kept; who lags behind more than that is not judged by them.
const KEPT: usize = 200_000;

/// A level: true for a bid, and its price in ticks.
pub(crate) type Spot = (bool, u64);

/// The course of one symbol's book.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// For each level what it held from which id on; the first entry is what it held before.
    levels: BTreeMap<Spot, VecDeque<(u64, u64)>>,
    /// Changes in the order of their ids.
    log: VecDeque<(u64, Spot)>,
    /// Nothing is known of before this id.
    from: u64,
    /// The newest change.
    newest: u64,
    /// How often the ids started over.
    pub(crate) eras: u64,
    /// What each side holds at the newest id: asks, bids.
    live: [BTreeMap<u64, u64>; 2],
    /// The best bid and ask, from which id on.
    tops: VecDeque<(u64, Top)>,
}

/// The best level of each side, price and size: bid, ask.
pub(crate) type Top = [Option<(u64, u64)>; 2];

impl Ledger {
    /// One for the ids that come when those of another have started over.
    pub(crate) fn after(before: &Self) -> Self {
        Self { eras: before.eras, ..Self::default() }
    }

    /// The book at `id`, from which the course is followed.
    pub(crate) fn open(&mut self, id: u64, levels: impl Iterator<Item = (Spot, u64)>) {
        self.levels = levels.map(|(spot, lots)| (spot, VecDeque::from([(id, lots)]))).collect();
        self.log.clear();
        (self.from, self.newest) = (id, id);
        self.eras += 1;
        self.live = Default::default();
        for ((bid, tick), course) in &self.levels {
            self.live[usize::from(*bid)].extend(course.back().map(|(_, lots)| (*tick, *lots)));
        }
        self.tops = VecDeque::from([(id, self.best())]);
    }

    fn best(&self) -> Top {
        let pair = |(tick, lots): (&u64, &u64)| (*tick, *lots);
        [self.live[1].last_key_value().map(pair), self.live[0].first_key_value().map(pair)]
    }

    /// Remembers the best levels if they have changed.
    fn mind_top(&mut self, id: u64, (bid, tick): Spot, lots: u64) {
        let side = &mut self.live[usize::from(bid)];
        if lots == 0 {
            side.remove(&tick);
        } else {
            side.insert(tick, lots);
        }
        let top = self.best();
        if self.tops.back().is_none_or(|(_, before)| *before != top) {
            self.tops.push_back((id, top));
        }
        while self.tops.len() > KEPT {
            self.tops.pop_front();
        }
    }

    /// The best bid and ask at `id`.
    pub(crate) fn top(&self, id: u64) -> Option<Top> {
        let after = self.tops.partition_point(|(from, _)| *from <= id);
        after.checked_sub(1).map(|at| self.tops[at].1)
    }

    /// The levels of a side between two prices, both included, that held something at `id`.
    pub(crate) fn between(
        &self,
        id: u64,
        bid: bool,
        (from, to): (u64, u64),
    ) -> impl Iterator<Item = (u64, u64)> {
        let range = (bid, from.min(to))..=(bid, from.max(to));
        let held = move |(spot, course): (&Spot, &VecDeque<(u64, u64)>)| (spot.1, held(course, id));
        self.levels.range(range).map(held).filter(|(_, lots)| *lots > 0)
    }

    /// From `id` on the level holds `lots`.
    pub(crate) fn change(&mut self, id: u64, spot: Spot, lots: u64) {
        self.newest = id;
        self.mind_top(id, spot, lots);
        self.levels.entry(spot).or_insert_with(|| VecDeque::from([(0, 0)])).push_back((id, lots));
        self.log.push_back((id, spot));
        while self.log.len() > KEPT {
            let Some((id, spot)) = self.log.pop_front() else { return };
            self.from = id;
            let Some(course) = self.levels.get_mut(&spot) else { continue };
            while course.len() > 1 && course[1].0 <= id {
                course.pop_front();
            }
            if course.len() == 1 && course[0].1 == 0 {
                self.levels.remove(&spot);
            }
        }
    }

    /// Whether the book at `id` is known.
    pub(crate) fn knows(&self, id: u64) -> bool {
        (self.from..=self.newest).contains(&id)
    }

    /// The newest id.
    pub(crate) const fn newest(&self) -> u64 {
        self.newest
    }

    /// What the level held at `id`.
    pub(crate) fn at(&self, id: u64, spot: Spot) -> u64 {
        self.levels.get(&spot).map_or(0, |course| held(course, id))
    }

    /// Every level that held something at `id`, in no order.
    pub(crate) fn book(&self, id: u64) -> impl Iterator<Item = (Spot, u64)> {
        // What has changed since is looked up, the rest is as it is now.
        let changed: BTreeSet<Spot> = self.changed(id, self.newest).collect();
        let then: Vec<(Spot, u64)> = changed.iter().map(|spot| (*spot, self.at(id, *spot))).collect();
        let sides = [false, true].into_iter().zip(&self.live);
        let now = sides.flat_map(|(bid, side)| side.iter().map(move |(tick, lots)| ((bid, *tick), *lots)));
        now.filter(move |(spot, _)| !changed.contains(spot)).chain(then).filter(|(_, lots)| *lots > 0)
    }

    /// The levels that changed after `after`, up to `until`.
    pub(crate) fn changed(&self, after: u64, until: u64) -> impl Iterator<Item = Spot> {
        let first = self.log.partition_point(|(id, _)| *id <= after);
        self.log.range(first..).take_while(move |(id, _)| *id <= until).map(|(_, spot)| *spot)
    }
}

fn held(course: &VecDeque<(u64, u64)>, id: u64) -> u64 {
    let after = course.partition_point(|(from, _)| *from <= id);
    after.checked_sub(1).map_or(0, |at| course[at].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger() -> Ledger {
        let mut ledger = Ledger::default();
        ledger.open(10, [((true, 100), 5), ((false, 101), 7)].into_iter());
        ledger.change(11, (true, 100), 0);
        ledger.change(13, (true, 99), 4);
        ledger.change(15, (true, 99), 6);
        ledger
    }

    #[test]
    fn every_level_is_found_at_every_id() {
        let ledger = ledger();
        let check = |id: u64, expected: &[(Spot, u64)]| {
            let mut book: Vec<_> = ledger.book(id).collect();
            book.sort_unstable();
            assert_eq!(book, expected, "at {id}");
        };
        check(10, &[((false, 101), 7), ((true, 100), 5)]);
        check(12, &[((false, 101), 7)]);
        check(14, &[((false, 101), 7), ((true, 99), 4)]);
        check(15, &[((false, 101), 7), ((true, 99), 6)]);
        assert_eq!((ledger.at(14, (true, 99)), ledger.at(12, (true, 99))), (4, 0));
    }

    #[test]
    fn changes_between_two_ids_are_told() {
        let changed = |after, until| ledger().changed(after, until).collect::<Vec<_>>();
        assert_eq!(changed(10, 13), [(true, 100), (true, 99)]);
        assert_eq!(changed(13, 14), []);
        assert_eq!(changed(13, 15), [(true, 99)]);
    }

    #[test]
    fn the_top_is_found_at_every_id() {
        let ledger = ledger();
        let check = |id: u64, bid: Option<(u64, u64)>| {
            assert_eq!(ledger.top(id), Some([bid, Some((101, 7))]), "at {id}");
        };
        check(10, Some((100, 5)));
        check(12, None);
        check(14, Some((99, 4)));
        check(99, Some((99, 6)));
        assert_eq!(ledger.top(9), None);
        assert_eq!(ledger.between(14, true, (200, 1)).collect::<Vec<_>>(), [(99, 4)]);
    }

    #[test]
    fn what_is_long_ago_is_forgotten_and_the_rest_stays_right() {
        let mut ledger = ledger();
        for n in 0..KEPT as u64 + 10 {
            ledger.change(20 + n, (false, 102 + n % 3), n % 4);
        }
        assert!(!ledger.knows(15) && ledger.knows(20 + KEPT as u64));
        assert_eq!(ledger.at(ledger.newest(), (true, 99)), 6);
    }
}
