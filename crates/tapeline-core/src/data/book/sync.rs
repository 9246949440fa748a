//! The state machine of one book: what every delta and every snapshot does to it.
//!
//! One rule carries everything. A delta covers the ids after its *start* up to its `last`; its start is
//! `first` - 1 under a contiguous chain and `previous` under a linked one. Quantities are absolute, so a
//! delta may be applied to a book at `id` exactly if start ≤ `id` < last: with last ≤ `id` it is old, with
//! start > `id` something was missed. The same rule decides which snapshot fits which delta.

use super::backlog::Backlog;
use super::horizon::{Horizon, Reach};
use super::ladder::Ladder;
use super::{BookLimits, Break, Counters, Outcome, Why};
use crate::data::decimal::Decimal;
use crate::data::event::Level;
use crate::defect::{Defect, planted};
use crate::time::{Mono, Unix};
use crate::venue::{BookRule, Chain, Span};

/// An id this far below the book's, with a newer time, is not a repeat: the venue began anew.
const RESTART_DISTANCE: u64 = 1_000;
/// Where times cannot tell, so many old deltas in a row, each newer than the one before, can.
const RESTART_RUN: u32 = 16;

/// One book, kept equal to the venue's.
///
/// The owner calls [`BookSync::opened`] when its stream is confirmed, [`BookSync::delta`] and
/// [`BookSync::snapshot`] as they arrive, [`BookSync::invalidate`] when the line is cut, and asks
/// [`BookSync::wants_snapshot`] after each of them; [`BookSync::tick`] is due at [`BookSync::deadline`].
#[derive(Debug)]
pub struct BookSync {
    pub(super) rule: BookRule,
    pub(super) limits: BookLimits,
    pub(super) bids: Ladder,
    pub(super) asks: Ladder,
    pub(super) bid_horizon: Horizon,
    pub(super) ask_horizon: Horizon,
    pub(super) reach: Reach,
    pub(super) phase: Phase,
    pub(super) backlog: Backlog,
    /// A snapshot ahead of the stream.
    pub(super) held: Option<Box<Held>>,
    pub(super) asked: bool,
    pub(super) changes: Vec<Level>,
    pub(super) changed_bids: usize,
    pub(super) counters: Counters,
    pub(super) outstanding: bool,
    pub(super) ever_synced: bool,
    pub(super) cut: bool,
    /// The id at which it was right last; none once the venue has begun its ids anew.
    pub(super) told: Option<u64>,
    /// The newest delta seen.
    pub(super) newest: Option<Seen>,
    stragglers: Stragglers,
    /// When a snapshot is asked for though no delta has come.
    ask_at: Mono,
    /// No resync before this: the book was corrupt a moment ago.
    not_before: Mono,
    /// When a resync of a corrupt book may begin again.
    corrupt_free_at: Mono,
}

/// Where the book stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Not right. `resume`: the id at which it was right when its line was cut; the next line may go on
    /// exactly there.
    Unsynced { why: Why, resume: Option<u64> },
    /// Right at `id`. `proven`: a delta has confirmed that stream and snapshot meet.
    Synced { id: u64, proven: bool },
}

/// A snapshot that waits for the stream to reach it.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) last: u64,
    pub(super) bids: Box<[Level]>,
    pub(super) asks: Box<[Level]>,
    pub(super) release_at: Mono,
    /// Deltas have come since, and have not reached it.
    pub(super) behind: bool,
}

/// Where the stream stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub(super) last: u64,
    pub(super) time: Option<Unix>,
}

/// Old deltas seen in a row.
#[derive(Debug, Default)]
struct Stragglers {
    last: u64,
    run: u32,
}

impl BookSync {
    /// An empty book that was never right.
    pub fn new(rule: BookRule, limits: BookLimits) -> Self {
        Self {
            rule,
            limits,
            bids: Ladder::bids(limits.levels),
            asks: Ladder::asks(limits.levels),
            bid_horizon: Horizon::WHOLE,
            ask_horizon: Horizon::WHOLE,
            reach: Reach::Inside,
            phase: Phase::Unsynced { why: Why::First, resume: None },
            backlog: Backlog::new(limits.buffer, limits.buffer_levels),
            held: None,
            asked: false,
            changes: Vec::new(),
            changed_bids: 0,
            counters: Counters::default(),
            outstanding: false,
            ever_synced: false,
            cut: false,
            told: None,
            newest: None,
            stragglers: Stragglers::default(),
            ask_at: Mono::NEVER,
            not_before: Mono(0),
            corrupt_free_at: Mono(0),
        }
    }

    /// The stream is confirmed: from now on silence means that nothing changes, so that a snapshot may be
    /// asked for after a while even if no delta comes.
    pub fn opened(&mut self, now: Mono) {
        self.cut = false;
        self.ask_at = now + self.limits.first_delta_within;
    }

    /// Whether the line that fed the book is gone, and no stream has been confirmed since.
    pub const fn is_cut(&self) -> bool {
        self.cut
    }

    /// The line that fed the book is gone. A delta of the next line that continues exactly here makes the
    /// book right again without a snapshot; everything else needs one.
    pub fn invalidate(&mut self, _now: Mono) -> Option<Break> {
        self.cut = true;
        self.ask_at = Mono::NEVER;
        self.backlog.begin(None);
        self.held = None;
        let Phase::Synced { id, .. } = self.phase else { return None };
        self.counters.cuts += 1;
        self.told = Some(id);
        self.phase = Phase::Unsynced { why: Why::Cut, resume: Some(id) };
        Some(Break { why: Why::Cut, expected: self.expected(id), got: 0 })
    }

    /// A snapshot was asked for. Beside a live book deltas are kept from now on, to be replayed on it.
    /// Those kept for an earlier one stay: of a venue whose snapshots lag behind its stream, every one is
    /// older than the moment it was asked for.
    pub fn expect_snapshot(&mut self) {
        self.outstanding = true;
        if let Phase::Synced { id, .. } = self.phase
            && self.held.is_none()
            && self.backlog.start().is_none()
        {
            self.backlog.begin(Some(id));
        }
    }

    /// The highest bid and the lowest ask that the deltas tell which wait for a snapshot.
    pub fn awaited(&self) -> (Option<Decimal>, Option<Decimal>) {
        self.backlog.touch()
    }

    /// The snapshot asked for will not come.
    pub fn snapshot_failed(&mut self) {
        self.outstanding = false;
        if matches!(self.phase, Phase::Synced { .. }) {
            self.backlog.begin(None);
        }
    }

    /// An operator wants a fresh snapshot; a live book is served on meanwhile.
    pub const fn ask(&mut self) {
        self.asked = true;
    }

    /// Whether a snapshot should be fetched now, and why. Not while one is outstanding or held.
    pub fn wants_snapshot(&self, now: Mono) -> Option<Why> {
        if self.outstanding || self.held.is_some() || self.cut {
            return None;
        }
        match self.phase {
            Phase::Unsynced { why, .. } => (now >= self.ask_from()).then_some(why),
            Phase::Synced { .. } if self.asked => Some(Why::Asked),
            Phase::Synced { .. } => (self.reach != Reach::Inside).then_some(Why::Horizon),
        }
    }

    /// When to call [`BookSync::tick`] and to look at [`BookSync::wants_snapshot`] again, if nothing
    /// arrives before. May lie in the past.
    pub fn deadline(&self) -> Option<Mono> {
        let at = match &self.held {
            _ if self.cut => return None,
            Some(held) => held.release_at,
            None if self.outstanding || self.last_id().is_some() => return None,
            None => self.ask_from(),
        };
        (at != Mono::NEVER).then_some(at)
    }

    fn ask_from(&self) -> Mono {
        // A snapshot taken before the first delta may be too old for it, so the delta is waited for.
        let at = if self.backlog.start().is_some() { Mono(0) } else { self.ask_at };
        at.max(self.not_before)
    }

    /// Time has passed. A snapshot that waits for a silent stream is served as unverified; one that the
    /// stream should have reached long ago is of no use.
    pub fn tick(&mut self, now: Mono) -> Option<Outcome> {
        let held = self.held.take_if(|held| now >= held.release_at)?;
        match self.phase {
            Phase::Unsynced { .. } if !held.behind => {
                self.backlog.begin(None);
                Some(self.install(now, held.last, &held.bids, &held.asks, false))
            }
            Phase::Unsynced { .. } => {
                self.set_why(Why::Old);
                Some(self.discard(Why::Old))
            }
            Phase::Synced { .. } => Some(self.discard(Why::Old)),
        }
    }

    /// One delta of the stream; `time` is the venue's, where it tells one.
    pub fn delta(
        &mut self,
        now: Mono,
        time: Option<Unix>,
        span: Span,
        bids: &[Level],
        asks: &[Level],
    ) -> Outcome {
        self.cut = false;
        let outcome = match self.phase {
            Phase::Synced { id, .. } if span.first > span.last => self.corrupt(now, id, span.first, None),
            Phase::Synced { id, .. } => self.advance(now, time, id, span, bids, asks),
            // What it hides is missing from the chain, which the next one will show.
            Phase::Unsynced { .. } if span.first > span.last => Outcome::Ignored,
            Phase::Unsynced { resume, .. } => self.collect(now, time, resume, span, bids, asks),
        };
        if span.first <= span.last && self.newest.is_none_or(|newest| span.last > newest.last) {
            self.newest = Some(Seen { last: span.last, time });
            self.stragglers.run = 0;
        }
        outcome
    }

    /// A delta for a book that is right at `id`.
    pub(super) fn advance(
        &mut self,
        now: Mono,
        time: Option<Unix>,
        id: u64,
        span: Span,
        bids: &[Level],
        asks: &[Level],
    ) -> Outcome {
        if span.last <= id {
            if self.began_anew(time, span.last) {
                return self.start_over(Why::Restart, id, span, bids, asks);
            }
            self.counters.ignored += 1;
            if planted(Defect::ReapplyOldDelta) {
                let _ = apply(&mut self.bids, bids).and_then(|()| apply(&mut self.asks, asks));
                return Outcome::Applied { refreshed: false };
            }
            return Outcome::Ignored;
        }
        if self.start_of(span) > id {
            self.counters.gaps += 1;
            return self.start_over(Why::Gap, id, span, bids, asks);
        }
        if apply(&mut self.bids, bids).is_err()
            || apply(&mut self.asks, asks).is_err()
            || Ladder::crossed(&self.bids, &self.asks)
        {
            return self.corrupt(now, id, span.first, Some(span.last));
        }
        self.counters.applied += 1;
        self.phase = Phase::Synced { id: span.last, proven: true };
        self.measure_reach();
        let held = self.held.take_if(|held| span.last >= held.last);
        if held.is_some() {
            self.backlog.begin(Some(id));
        } else if !self.keeps_deltas() {
            self.backlog.begin(None);
        }
        if self.backlog.start().is_some() {
            self.counters.overflowed += self.backlog.push(span.last, bids, asks);
        }
        match held.map(|held| self.refresh(now, span.last, held.last, &held.bids, &held.asks)) {
            Some(broken @ Outcome::Broken(_)) => broken,
            refreshed => Outcome::Applied { refreshed: refreshed == Some(Outcome::Refreshed) },
        }
    }

    /// Whether deltas are kept beside the live book: as long as a snapshot is on its way or still wanted.
    pub(super) fn keeps_deltas(&self) -> bool {
        self.outstanding || self.asked || self.reach != Reach::Inside
    }

    /// The book at `id` is no longer right, and this delta is the first one of what comes next.
    fn start_over(&mut self, why: Why, id: u64, span: Span, bids: &[Level], asks: &[Level]) -> Outcome {
        self.phase = Phase::Unsynced { why, resume: None };
        self.told = (why != Why::Restart).then_some(id);
        let got = match self.rule.chain {
            Chain::Contiguous => span.first,
            Chain::Linked => self.start_of(span),
        };
        self.held = None;
        if why == Why::Restart {
            self.counters.restarts += 1;
            self.newest = None;
        }
        self.keep_from(span, bids, asks);
        Outcome::Broken(Break { why, expected: self.expected(id), got })
    }

    /// The book's content cannot be true. Only a snapshot at `from` or newer will do: one that leaves the
    /// delta that showed it behind.
    pub(super) fn corrupt(&mut self, now: Mono, id: u64, got: u64, from: Option<u64>) -> Outcome {
        self.phase = Phase::Unsynced { why: Why::Corrupt, resume: None };
        self.told = Some(id);
        self.held = None;
        self.backlog.begin(from);
        self.count_corrupt(now);
        Outcome::Broken(Break { why: Why::Corrupt, expected: self.expected(id), got })
    }

    /// Counts a corrupt state and spaces the resyncs that follow.
    pub(super) fn count_corrupt(&mut self, now: Mono) {
        self.counters.corrupt += 1;
        self.not_before = now.max(self.corrupt_free_at);
        self.corrupt_free_at = self.not_before + self.limits.corrupt_every;
    }

    pub(super) fn measure_reach(&mut self) {
        self.reach = self.bid_horizon.reach(&self.bids).max(self.ask_horizon.reach(&self.asks));
    }

    /// Whether an old delta shows that the venue began its ids anew, so that it is not old at all.
    pub(super) fn began_anew(&mut self, time: Option<Unix>, last: u64) -> bool {
        let Some(newest) = self.newest.filter(|newest| last <= newest.last) else { return false };
        if let (Some(time), Some(newest_time)) = (time, newest.time) {
            if time <= newest_time {
                return false;
            }
            if newest.last - last > RESTART_DISTANCE {
                return true;
            }
        }
        // Another line brings each of them once more.
        if last > self.stragglers.last || time.is_none() {
            self.stragglers.run = if last > self.stragglers.last { self.stragglers.run + 1 } else { 1 };
            self.stragglers.last = last;
        }
        self.stragglers.run >= RESTART_RUN
    }

    /// The id after which a delta begins.
    pub(crate) fn start_of(&self, span: Span) -> u64 {
        let before_first = span.first.saturating_sub(1);
        match self.rule.chain {
            Chain::Contiguous => before_first,
            // Without its link the most cautious reading is left: nothing before `first` is covered.
            Chain::Linked => span.previous.unwrap_or(before_first),
        }
    }

    const fn expected(&self, id: u64) -> u64 {
        match self.rule.chain {
            Chain::Contiguous => id.saturating_add(1),
            Chain::Linked => id,
        }
    }
}

/// Sets all levels of one side.
pub(super) fn apply(side: &mut Ladder, levels: &[Level]) -> Result<(), super::LadderError> {
    levels.iter().try_for_each(|level| side.set(level.price, level.size))
}
