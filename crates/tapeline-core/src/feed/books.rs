//! Books: deltas into them, snapshots for them, and what their subscribers get to see.

use std::sync::Arc;

use crate::data::book::{BookLimits, Break, Outcome, Why};
use crate::data::event::{Book, BookState, Level};
use crate::data::sequence::RESET_DISTANCE;
use crate::data::update::{Data, Kind, Source};
use crate::defect::{Defect, planted};
use crate::policy::backoff::delay;
use crate::time::{Mono, Time, Unix};
use crate::venue::{Span, TopicId};

use super::Feed;
use super::history::Draft;
use super::lines::REJECTED;
use super::market::Epochs;
use super::snapshots::Urgency;
use super::topics::{Seen, Service, State};

impl Feed {
    /// Why a book is not live.
    pub(super) fn unready_reason(&self, id: TopicId, state: BookState) -> Box<str> {
        match (state, self.snapshots.refusal(id)) {
            (BookState::Unverified, _) => "the book is not verified".into(),
            (_, Some(why)) => {
                format!("the book is being synchronised; its latest snapshot was of no use: {why}").into()
            }
            (_, None) => "the book is being synchronised".into(),
        }
    }

    pub(super) fn book_limits(&self) -> BookLimits {
        BookLimits {
            buffer: self.config.limits.book_buffer,
            levels: self.config.limits.book_levels,
            first_delta_within: self.config.timing.first_delta_within,
            ..BookLimits::default()
        }
    }

    /// Changed levels of a verified book, from a line.
    pub(super) fn depth(
        &mut self,
        now: Time,
        slot: usize,
        (id, time, span): (TopicId, Option<Unix>, Span),
        bids: &[Level],
        asks: &[Level],
    ) {
        if self.topics.get(id).is_some_and(|entry| entry.doubted) {
            // What is in doubt is settled first: this change may show that it was right, or that it was not.
            self.trust(now, slot, id);
        }
        let Some(entry) = self.topics.get_mut(id) else { return };
        Seen::of(&mut entry.seen).counts.received += 1;
        if !entry.carriers.several() {
            self.lines[slot].stats.first += u64::from(self.change(now, id, time, span, bids, asks));
            return;
        }
        self.follow_changes(now, slot, (id, span.last));
        let Some(entry) = self.topics.get(id) else { return };
        let State::Book(book) = &entry.state else { return };
        if planted(Defect::ApplyOverHole)
            && book.is_ahead(span)
            && let Some(id_of_book) = book.last_id()
        {
            let span = Span { first: id_of_book + 1, previous: Some(id_of_book), ..span };
            self.change(now, id, time, span, bids, asks);
            return;
        }
        let is_far_below = book.last_id().is_some_and(|at| span.last.saturating_add(RESET_DISTANCE) < at);
        if book.is_ahead(span) && self.keep_early(now, slot, (id, time, span), bids, asks) {
            return;
        }
        if is_far_below && self.believes_restart(now, slot, id, span.first).is_none() {
            self.lines[slot].stats.duplicates += 1;
            return;
        }
        if self.change(now, id, time, span, bids, asks) {
            self.lines[slot].stats.first += 1;
        } else {
            self.lines[slot].stats.duplicates += 1;
        }
        self.fit_early(now, id);
    }

    /// Changes a book; whether the change was news to it.
    pub(super) fn change(
        &mut self,
        now: Time,
        id: TopicId,
        time: Option<Unix>,
        span: Span,
        bids: &[Level],
        asks: &[Level],
    ) -> bool {
        let Some(entry) = self.topics.get_mut(id) else { return false };
        let State::Book(book) = &mut entry.state else { return false };
        let (before, applied) = (book.state(), book.counters().applied);
        let outcome = book.delta(now.mono, time, span, bids, asks);
        let applied = book.counters().applied - applied;
        let seen = Seen::of(&mut entry.seen);
        if outcome != Outcome::Ignored {
            seen.came(now, true);
        }
        if applied > 0 {
            seen.ledger.received(now, applied as u32);
        }
        if let Outcome::Applied { refreshed } = outcome {
            seen.last_time = time;
            entry.polled = false;
            if entry.carriers.several() {
                self.decoded.see(id, span.last);
            }
            let delta = Book {
                levels: joined(bids, asks),
                bids: bids.len() as u32,
                venue_id: Some(span.last),
                state: book.state(),
            };
            let turned = book.state() != before;
            let wants = book.wants_snapshot(now.mono).is_some();
            let extra = refreshed.then(|| book.take_changes());
            let draft = draft(now, time, delta);
            entry.publish(&mut self.readers, &self.config, draft);
            if let Some(extra) = extra.filter(|extra| !extra.levels.is_empty()) {
                entry.publish(&mut self.readers, &self.config, self::draft(now, time, extra));
            }
            if refreshed {
                self.snapshots.succeeded(id);
            }
            if !self.cuts.is_empty() {
                self.cut_tops(now, id, time);
            }
            if turned {
                self.tell_topic(now, id);
            }
            if wants {
                self.want_snapshot(now, id);
            }
            return true;
        }
        if planted(Defect::PublishWhileSyncing) && outcome == Outcome::Buffered {
            let (levels, bids) = (joined(bids, asks), bids.len() as u32);
            let early = Book { levels, bids, venue_id: Some(span.last), state: BookState::Live };
            entry.publish(&mut self.readers, &self.config, draft(now, time, early));
        }
        self.book_outcome(now, id, time, outcome);
        outcome != Outcome::Ignored
    }

    /// What everything but an ordinary delta did to a book.
    fn book_outcome(&mut self, now: Time, id: TopicId, time: Option<Unix>, outcome: Outcome) {
        let Some(entry) = self.topics.get_mut(id) else { return };
        let State::Book(book) = &mut entry.state else { return };
        match outcome {
            Outcome::Ignored => {
                let seen = Seen::of(&mut entry.seen);
                seen.counts.duplicates += 1;
                seen.ledger.duplicate(now, 1);
            }
            Outcome::Applied { .. } | Outcome::Buffered | Outcome::Held => {}
            Outcome::Synced => {
                self.snapshots.succeeded(id);
                let seen = Seen::of(&mut entry.seen);
                // The time of what it shows: of the newest delta in it, or of the reply, if that tells one.
                (seen.last_time, seen.last_at) = (book.time().or(time), Some(now));
                seen.shown = None;
                entry.polled = false;
                // Also the first time: a position before it has no state to go on from.
                entry.begin_epoch(Epochs(&mut self.rng).draw());
                if let Some(snapshot) = entry.snapshot(now) {
                    entry.announce(&mut self.readers, &snapshot);
                }
                self.events.record(now, entry.topic.as_str(), ("syncing", "live"), "synchronised");
                self.tell_topic(now, id);
                self.cut_tops(now, id, time);
            }
            Outcome::Refreshed => {
                self.snapshots.succeeded(id);
                let extra = book.take_changes();
                if !extra.levels.is_empty() {
                    entry.publish(&mut self.readers, &self.config, draft(now, time, extra));
                }
            }
            Outcome::Discarded(why) => self.retry_snapshot(now, id, why.name()),
            Outcome::Broken(broken) => self.broke(now, id, broken),
        }
        self.want_snapshot(now, id);
    }

    /// A book is no longer right: its readers are told before anything else happens.
    fn broke(&mut self, now: Time, id: TopicId, broken: Break) {
        let Some(entry) = self.topics.get_mut(id) else { return };
        // What is not right wants every delta again.
        self.decoded.forget(id);
        let Break { why, expected, got } = broken;
        Seen::of(&mut entry.seen).counts.resyncs += 1;
        if why == Why::Gap {
            Seen::of(&mut entry.seen).counts.gaps += 1;
            self.counters.gaps += 1;
        }
        let cause = format!("book broke ({}): expected {expected}, got {got}", why.name());
        *self.counters.resyncs.entry(why.name()).or_default() += 1;
        self.events.record(now, entry.topic.as_str(), ("live", "stale"), &cause);
        if !entry.doubted {
            entry.publish(&mut self.readers, &self.config, stale(now));
        }
        self.tell_topic(now, id);
        self.cut_tops(now, id, None);
    }

    /// The line of a book is gone.
    pub(super) fn break_book(&mut self, now: Time, id: TopicId) {
        let Some(entry) = self.topics.get_mut(id) else { return };
        match &mut entry.state {
            State::Book(book) => {
                let broken = book.invalidate(now.mono);
                if let Some(broken) = broken {
                    self.broke(now, id, broken);
                }
            }
            State::Depth(_) => entry.broken = entry.last_at().is_some(),
            _ => {}
        }
    }

    /// Books that wait for time to pass are looked at again.
    pub(super) fn watch_book(&mut self, id: TopicId) {
        let Some(State::Book(book)) = self.topics.get(id).map(|entry| &entry.state) else { return };
        if book.deadline().is_some() {
            self.waiting_books.insert(id);
        } else {
            self.waiting_books.remove(&id);
        }
    }

    /// Queues a snapshot request if the book wants one, by how urgently it is wanted.
    pub(super) fn want_snapshot(&mut self, now: Time, id: TopicId) {
        self.queue_snapshot(now, id);
        self.fetch_due(now);
    }

    /// Queues a snapshot for a book that wants one.
    pub(super) fn queue_snapshot(&mut self, now: Time, id: TopicId) {
        self.watch_book(id);
        let Some(entry) = self.topics.get(id) else { return };
        let State::Book(book) = &entry.state else { return };
        if book.wants_snapshot(now.mono).is_none() {
            return;
        }
        let urgency = match (book.last_id(), entry.readers.is_empty()) {
            (Some(_), _) => Urgency::Refresh,
            (None, false) => Urgency::Wanted,
            (None, true) => Urgency::Warm,
        };
        self.snapshots.want(id, urgency);
    }

    /// Books whose time has come.
    pub(super) fn tick_books(&mut self, now: Time) {
        let due: Vec<TopicId> = self
            .waiting_books
            .iter()
            .copied()
            .filter(|id| self.book_deadline(*id).is_none_or(|at| at <= now.mono))
            .collect();
        for id in due {
            let Some(entry) = self.topics.get_mut(id) else {
                self.waiting_books.remove(&id);
                continue;
            };
            let State::Book(book) = &mut entry.state else { continue };
            self.in_hand = Some(id);
            if let Some(outcome) = book.tick(now.mono) {
                Seen::of(&mut entry.seen).by_line &= outcome != Outcome::Synced;
                self.book_outcome(now, id, None, outcome);
            }
            self.in_hand = None;
            self.want_snapshot(now, id);
        }
    }

    fn book_deadline(&self, id: TopicId) -> Option<Mono> {
        match &self.topics.get(id)?.state {
            State::Book(book) => book.deadline(),
            _ => None,
        }
    }

    /// When a waiting book, a queued request or one on its way needs attention.
    pub(super) fn books_deadline(&self) -> Option<Mono> {
        // A book whose deadline has passed waits in the queue, not for the clock.
        let waiting = self.waiting_books.iter().filter_map(|id| self.book_deadline(*id));
        let books = waiting.filter(|at| *at > self.ticked).min();
        let queue = self.snapshots.deadline(self.config.limits.snapshots_in_flight, self.idle_fetch_at);
        let queue = queue.map(|at| at.max(self.fetch_at));
        let lost = self.fetches.deadline();
        [books, queue, lost].into_iter().flatten().min()
    }

    /// A snapshot has come.
    pub(super) fn snapshot(
        &mut self,
        now: Time,
        id: TopicId,
        time: Option<Unix>,
        last: u64,
        bids: &[Level],
        asks: &[Level],
    ) {
        let Some(entry) = self.topics.get_mut(id) else { return };
        let State::Book(book) = &mut entry.state else { return };
        let applied = book.counters().applied;
        let outcome = book.snapshot(now.mono, last, bids, asks);
        let applied = book.counters().applied - applied;
        let seen = Seen::of(&mut entry.seen);
        if applied > 0 {
            // What waited for the snapshot.
            seen.ledger.received(now, applied as u32);
        }
        seen.by_line &= outcome != Outcome::Synced;
        self.book_outcome(now, id, time, outcome);
    }

    pub(super) fn refuse_book(&mut self, now: Time, id: TopicId, detail: &str) {
        let Some(entry) = self.topics.get_mut(id) else { return };
        let reason: Box<str> = format!("the venue refuses its snapshot: {detail}").into();
        self.events.record(now, entry.topic.as_str(), (entry.service.phase, REJECTED), &reason);
        let (level, source) = (crate::data::update::Level::Critical, entry.kept());
        let service = Service { level, phase: REJECTED, source, reason };
        entry.serve(&mut self.readers, now, service, false);
    }

    /// A snapshot was of no use: the next request for this book waits a little longer each time.
    pub(super) fn retry_snapshot(&mut self, now: Time, id: TopicId, why: &str) {
        let failures = self.snapshots.failures(id);
        let wait = delay(&self.backoff, failures, self.rng.roll());
        self.snapshots.hold(id, now.mono + wait, failures, why);
        let Some(entry) = self.topics.get(id) else { return };
        let cause = format!("snapshot of no use ({why}), again in {} ms", wait.as_millis());
        self.events.record(now, entry.topic.as_str(), ("syncing", "syncing"), &cause);
        self.tell_topic(now, id);
    }
}

pub(super) fn draft(now: Time, time: Option<Unix>, book: Book) -> Draft {
    // That nobody knows whether it still holds comes from no line.
    let broken = book.state == BookState::Stale && book.levels.is_empty();
    let source = if broken { Source::Cache } else { Source::Live };
    let (kind, received, data) = (Kind::Delta, now, Data::Book(book));
    Draft { kind, source, time, received, late: false, data }
}

/// That nobody knows whether a book still holds.
pub(super) fn stale(now: Time) -> Draft {
    draft(now, None, Book { levels: Box::default(), bids: 0, venue_id: None, state: BookState::Stale })
}

/// Bids and asks in one allocation.
pub(super) fn joined(bids: &[Level], asks: &[Level]) -> Box<[Level]> {
    let mut levels = Vec::with_capacity(bids.len() + asks.len());
    levels.extend_from_slice(bids);
    levels.extend_from_slice(asks);
    levels.into_boxed_slice()
}

const _: fn() = || {
    // Books are shared by reference between subscribers on several threads.
    fn shared<T: Send + Sync>() {}
    shared::<Arc<crate::data::update::Update>>();
};
