//! Merging a snapshot: into a new book, or beside a live one.

use super::horizon::Horizon;
use super::ladder::Ladder;
use super::sync::{BookSync, apply};
use super::{Outcome, Why};
use crate::data::decimal::Decimal;
use crate::data::event::Level;
use crate::time::Mono;

impl BookSync {
    /// A snapshot at `last` for a book that is right at `id`.
    pub(super) fn refresh(
        &mut self,
        now: Mono,
        id: u64,
        last: u64,
        bids: &[Level],
        asks: &[Level],
    ) -> Outcome {
        if last > id {
            self.backlog.begin(None);
            return self.hold(now, last, bids, asks);
        }
        if last < self.backlog.start().unwrap_or(id) {
            // The deltas kept for it stay: they may reach back far enough for the next one.
            return self.discard(Why::Old);
        }
        self.merge(now, last, bids, asks)
    }

    /// Brings the live book and a snapshot at `last`, with the kept deltas after it, together.
    ///
    /// Inside its own range the snapshot's word counts; outside it the live book's, which no delta has
    /// missed. What differs becomes the list of changes.
    pub(super) fn merge(&mut self, now: Mono, last: u64, bids: &[Level], asks: &[Level]) -> Outcome {
        let Some((fresh_bids, fresh_asks, id, _)) = self.rebuild(last, bids, asks) else {
            self.backlog.begin(None);
            self.counters.corrupt += 1;
            return self.discard(Why::Corrupt);
        };
        let (most, near) = (self.rule.snapshot_levels, self.limits.near_percent);
        let bid_range = Horizon::of(&fresh_bids, bids, most, near);
        let ask_range = Horizon::of(&fresh_asks, asks, most, near);
        self.changes.clear();
        self.counters.disagreements +=
            difference((&self.bids, self.bid_horizon), (&fresh_bids, bid_range), &mut self.changes);
        self.changed_bids = self.changes.len();
        self.counters.disagreements +=
            difference((&self.asks, self.ask_horizon), (&fresh_asks, ask_range), &mut self.changes);
        let (new_bids, new_asks) = self.changes.split_at(self.changed_bids);
        if apply(&mut self.bids, new_bids).is_err()
            || apply(&mut self.asks, new_asks).is_err()
            || Ladder::crossed(&self.bids, &self.asks)
        {
            self.changes.clear();
            self.changed_bids = 0;
            let id = self.last_id().unwrap_or(id);
            return self.corrupt(now, id, id, Some(id));
        }
        self.bid_horizon = self.bid_horizon.or_farther(bid_range, &self.bids, near);
        self.ask_horizon = self.ask_horizon.or_farther(ask_range, &self.asks, near);
        self.asked = false;
        self.counters.refreshed += 1;
        self.measure_reach();
        if !self.keeps_deltas() {
            self.backlog.begin(None);
        }
        Outcome::Refreshed
    }

    /// The book that a snapshot and the kept deltas after it make: bids, asks, id, deltas replayed.
    /// `None` if that book cannot be true.
    pub(super) fn rebuild(
        &mut self,
        last: u64,
        bids: &[Level],
        asks: &[Level],
    ) -> Option<(Ladder, Ladder, u64, u64)> {
        let (mut fresh_bids, mut fresh_asks) =
            (Ladder::bids(self.limits.levels), Ladder::asks(self.limits.levels));
        apply(&mut fresh_bids, bids).ok()?;
        apply(&mut fresh_asks, asks).ok()?;
        let (mut id, mut replayed) = (last, 0);
        for (until, bids, asks) in self.backlog.after(last) {
            apply(&mut fresh_bids, bids).ok()?;
            apply(&mut fresh_asks, asks).ok()?;
            id = until;
            replayed += 1;
        }
        (!Ladder::crossed(&fresh_bids, &fresh_asks)).then_some((fresh_bids, fresh_asks, id, replayed))
    }
}

/// Appends what makes `old` equal to `fresh` on the range that `fresh` covers. Returns how many of the
/// differences lie where `old` was trusted: there should be none.
fn difference(
    (old, trusted): (&Ladder, Horizon),
    (fresh, range): (&Ladder, Horizon),
    changes: &mut Vec<Level>,
) -> u64 {
    let mut disagreements = 0;
    let mut change = |price: Decimal, size: Decimal, held: bool| {
        // A level that a delta told of is right wherever it lies.
        disagreements += u64::from(held || trusted.covers(old, price));
        changes.push(Level { price, size });
    };
    let mut olds = old.iter().take_while(|level| range.covers(old, level.price)).peekable();
    for new in fresh.iter().take_while(|level| range.covers(fresh, level.price)) {
        while let Some(gone) = olds.next_if(|level| old.is_better(level.price, new.price)) {
            change(gone.price, Decimal::ZERO, true);
        }
        match olds.next_if(|level| level.price == new.price) {
            Some(same) if same.size == new.size => {}
            Some(_) => change(new.price, new.size, true),
            None => change(new.price, new.size, false),
        }
    }
    for gone in olds {
        change(gone.price, Decimal::ZERO, true);
    }
    disagreements
}
