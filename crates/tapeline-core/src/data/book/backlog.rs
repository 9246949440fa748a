//! Deltas that cannot be applied yet: a bounded queue that never has a hole.

use std::collections::VecDeque;

use super::super::decimal::Decimal;
use super::super::event::Level;

/// One kept delta, without its levels.
#[derive(Debug, Clone, Copy)]
struct Entry {
    last: u64,
    bids: u32,
    asks: u32,
}

/// Kept deltas, oldest first. Together they cover the ids after [`Backlog::start`] up to
/// [`Backlog::end`] without a hole; the owner begins anew where there would be one.
#[derive(Debug)]
pub(super) struct Backlog {
    start: Option<u64>,
    entries: VecDeque<Entry>,
    /// The levels of all entries, in order.
    levels: VecDeque<Level>,
    max_entries: usize,
    max_levels: usize,
}

impl Backlog {
    pub(super) const fn new(max_entries: usize, max_levels: usize) -> Self {
        Self { start: None, entries: VecDeque::new(), levels: VecDeque::new(), max_entries, max_levels }
    }

    /// The id from which the kept deltas continue; `None` when nothing is kept.
    pub(super) const fn start(&self) -> Option<u64> {
        self.start
    }

    /// The last id covered.
    pub(super) fn end(&self) -> Option<u64> {
        self.entries.back().map(|entry| entry.last).or(self.start)
    }

    /// Forgets everything, gives the memory back, and continues from `start`.
    pub(super) fn begin(&mut self, start: Option<u64>) {
        *self = Self::new(self.max_entries, self.max_levels);
        self.start = start;
    }

    /// Keeps one delta; returns how many old ones had to go for it.
    pub(super) fn push(&mut self, last: u64, bids: &[Level], asks: &[Level]) -> u64 {
        let (Ok(bid_count), Ok(ask_count)) = (u32::try_from(bids.len()), u32::try_from(asks.len())) else {
            return self.give_up_all(last);
        };
        let mut lost = 0;
        while self.entries.len() >= self.max_entries
            || self.levels.len() + bids.len() + asks.len() > self.max_levels
        {
            let Some(oldest) = self.entries.pop_front() else { return lost + self.give_up_all(last) };
            self.levels.drain(..(oldest.bids + oldest.asks) as usize);
            self.start = Some(oldest.last);
            lost += 1;
        }
        self.entries.push_back(Entry { last, bids: bid_count, asks: ask_count });
        self.levels.extend(bids.iter().chain(asks));
        lost
    }

    /// A delta that alone passes the bound: what is kept starts after it.
    fn give_up_all(&mut self, last: u64) -> u64 {
        let lost = self.entries.len() as u64 + 1;
        self.begin(Some(last));
        lost
    }

    /// The highest bid and the lowest ask that the kept deltas set.
    pub(super) fn touch(&self) -> (Option<Decimal>, Option<Decimal>) {
        let (mut bid, mut ask) = (None::<Decimal>, None::<Decimal>);
        let mut levels = self.levels.iter();
        for entry in &self.entries {
            let rests = |level: &&Level| !level.size.is_zero();
            let bids = levels.by_ref().take(entry.bids as usize).filter(rests).map(|level| level.price).max();
            let asks = levels.by_ref().take(entry.asks as usize).filter(rests).map(|level| level.price).min();
            bid = bid.max(bids);
            ask = ask.into_iter().chain(asks).min();
        }
        (bid, ask)
    }

    /// The kept deltas that go beyond `id`, oldest first: last id, bids, asks.
    pub(super) fn after(&mut self, id: u64) -> impl Iterator<Item = (u64, &[Level], &[Level])> {
        let mut rest: &[Level] = self.levels.make_contiguous();
        self.entries
            .iter()
            .map(move |entry| {
                let (bids, tail) = rest.split_at(entry.bids as usize);
                let (asks, tail) = tail.split_at(entry.asks as usize);
                rest = tail;
                (entry.last, bids, asks)
            })
            .filter(move |(last, ..)| *last > id)
    }
}
