//! A book that is not right: deltas are kept until a snapshot meets them.

use super::horizon::Horizon;
use super::sync::{BookSync, Held, Phase};
use super::{Outcome, Why};
use crate::data::event::Level;
use crate::defect::{Defect, planted};
use crate::time::{Mono, Unix};
use crate::venue::Span;

impl BookSync {
    /// One snapshot, best first on each side, that shows the book at `last`.
    pub fn snapshot(&mut self, now: Mono, last: u64, bids: &[Level], asks: &[Level]) -> Outcome {
        self.outstanding = false;
        let why = match self.phase {
            Phase::Unsynced { why, .. } => why,
            Phase::Synced { .. } => Why::Horizon,
        };
        if self.cut {
            return self.discard(why);
        }
        if bids.is_empty() && asks.is_empty() {
            // A reply that lost its content: at its word, every level that no delta touches would be gone.
            self.snapshot_failed();
            return self.discard(Why::Corrupt);
        }
        match self.phase {
            Phase::Synced { id, .. } => return self.refresh(now, id, last, bids, asks),
            Phase::Unsynced { resume: Some(id), .. } if last < id => {
                // Older than the book was at the cut. Forgetting that book lets the next snapshot pass,
                // should the venue have begun its ids anew.
                self.phase = Phase::Unsynced { why, resume: None };
                return self.discard(Why::Old);
            }
            Phase::Unsynced { .. } => {}
        }
        match (self.backlog.start(), self.backlog.end()) {
            (Some(start), _) if last < start && !planted(Defect::AcceptOldSnapshot) => {
                self.set_why(Why::Old);
                self.discard(Why::Old)
            }
            (Some(_), Some(end)) if last <= end => self.install(now, last, bids, asks, true),
            _ => self.hold(now, last, bids, asks),
        }
    }

    /// A delta for a book that is not right.
    pub(super) fn collect(
        &mut self,
        now: Mono,
        time: Option<Unix>,
        resume: Option<u64>,
        span: Span,
        bids: &[Level],
        asks: &[Level],
    ) -> Outcome {
        let end = self.backlog.end();
        if end.or(resume).is_some_and(|end| span.last <= end) {
            if self.began_anew(time, span.last) {
                self.counters.restarts += 1;
                (self.held, self.newest, self.told) = (None, None, None);
                return self.keep_from(span, bids, asks);
            }
            self.counters.ignored += 1;
            return Outcome::Ignored;
        }
        let start = self.start_of(span);
        let outcome = match (end, resume) {
            (Some(end), _) if start <= end => self.keep(span, bids, asks),
            (Some(_), _) => {
                self.counters.gaps += 1;
                self.keep_from(span, bids, asks)
            }
            (None, Some(id)) if start <= id && self.held.is_none() => {
                return self.resume(now, time, id, span, bids, asks);
            }
            (None, _) => self.keep_from(span, bids, asks),
        };
        self.meet_held(now).unwrap_or(outcome)
    }

    /// Looks whether the kept deltas have reached the snapshot that waits for them.
    fn meet_held(&mut self, now: Mono) -> Option<Outcome> {
        let mut held = self.held.take()?;
        let (start, end) = self.backlog.start().zip(self.backlog.end())?;
        if start > held.last {
            self.counters.discarded += 1;
            self.set_why(Why::Old);
            return None;
        }
        if end >= held.last {
            return Some(self.install(now, held.last, &held.bids, &held.asks, true));
        }
        held.behind = true;
        self.held = Some(held);
        None
    }

    /// The first delta after a cut continues where the book was right: nothing was missed.
    fn resume(
        &mut self,
        now: Mono,
        time: Option<Unix>,
        id: u64,
        span: Span,
        bids: &[Level],
        asks: &[Level],
    ) -> Outcome {
        self.phase = Phase::Synced { id, proven: true };
        // A snapshot still on its way becomes a refresh.
        self.backlog.begin(self.outstanding.then_some(id));
        match self.advance(now, time, id, span, bids, asks) {
            Outcome::Applied { .. } => {
                self.counters.synced += 1;
                Outcome::Synced
            }
            other => other,
        }
    }

    /// Keeps a delta that continues those kept already.
    fn keep(&mut self, span: Span, bids: &[Level], asks: &[Level]) -> Outcome {
        self.counters.buffered += 1;
        self.counters.overflowed += self.backlog.push(span.last, bids, asks);
        Outcome::Buffered
    }

    /// Keeps a delta as the first one; those kept before do not lead to it.
    pub(super) fn keep_from(&mut self, span: Span, bids: &[Level], asks: &[Level]) -> Outcome {
        if let Phase::Unsynced { resume, .. } = &mut self.phase {
            *resume = None;
        }
        self.backlog.begin(Some(self.start_of(span)));
        self.keep(span, bids, asks)
    }

    pub(super) fn hold(&mut self, now: Mono, last: u64, bids: &[Level], asks: &[Level]) -> Outcome {
        let release_at = now + self.limits.first_delta_within;
        self.held =
            Some(Box::new(Held { last, bids: bids.into(), asks: asks.into(), release_at, behind: false }));
        Outcome::Held
    }

    pub(super) const fn discard(&mut self, why: Why) -> Outcome {
        self.counters.discarded += 1;
        Outcome::Discarded(why)
    }

    /// Makes the snapshot, and the kept deltas after it, the book.
    pub(super) fn install(
        &mut self,
        now: Mono,
        last: u64,
        bids: &[Level],
        asks: &[Level],
        proven: bool,
    ) -> Outcome {
        let Some((fresh_bids, fresh_asks, id, replayed)) = self.rebuild(last, bids, asks) else {
            self.backlog.begin(self.backlog.end());
            self.set_why(Why::Corrupt);
            self.count_corrupt(now);
            return self.discard(Why::Corrupt);
        };
        let (most, near) = (self.rule.snapshot_levels, self.limits.near_percent);
        self.bid_horizon = Horizon::of(&fresh_bids, bids, most, near);
        self.ask_horizon = Horizon::of(&fresh_asks, asks, most, near);
        (self.bids, self.asks) = (fresh_bids, fresh_asks);
        self.backlog.begin(None);
        self.held = None;
        self.asked = false;
        self.ever_synced = true;
        self.phase = Phase::Synced { id, proven };
        self.counters.synced += 1;
        self.counters.applied += replayed;
        self.measure_reach();
        Outcome::Synced
    }

    pub(super) const fn set_why(&mut self, new: Why) {
        if let Phase::Unsynced { why, .. } = &mut self.phase {
            *why = new;
        }
    }
}
