//! Books: deltas into them, snapshots for them, and what their subscribers get to see.

use std::sync::Arc;
use std::time::Duration;

use crate::data::book::{BookLimits, Break, Outcome, Why};
use crate::data::event::{Book, BookState, Level};
use crate::data::sequence::Verdict;
use crate::data::update::{Data, Kind, Source};
use crate::defect::{Defect, planted};
use crate::policy::backoff::delay;
use crate::policy::breaker::Permit;
use crate::policy::fault::Fault;
use crate::policy::recovery::{Recovery, pause};
use crate::time::{Mono, Time, Unix};
use crate::venue::{Decoded, Fetch, Item, Refusal, Span, TopicId};

use super::Feed;
use super::history::Draft;
use super::io::{Action, FetchId};
use super::lines::REJECTED;
use super::market::Epochs;
use super::partial::changes;
use super::snapshots::Urgency;
use super::topics::{Entry, Seen, Service, State};

/// Refusals of our keys in a row after which only an operator can help.
const KEY_TRIES: u32 = 4;
/// What requests for books that nobody waits for leave of the REST budget: the tenth part, or as much as those
/// need that somebody waits for, up to a half.
const LEFT: u32 = 10;
const LEFT_AT_MOST: u32 = 2;

/// A request on its way, and what is to be settled when it comes back.
#[derive(Debug)]
pub(super) struct FetchOut {
    endpoint: usize,
    permit: Permit,
    weight: u32,
    /// When nobody waits for it any more.
    give_up: Mono,
}

impl Feed {
    pub(super) fn book_limits(&self) -> BookLimits {
        BookLimits {
            buffer: self.config.limits.book_buffer,
            levels: self.config.limits.book_levels,
            first_delta_within: self.config.timing.first_delta_within,
            ..BookLimits::default()
        }
    }

    /// Changed levels of a verified book.
    pub(super) fn depth(
        &mut self,
        now: Time,
        id: TopicId,
        time: Option<Unix>,
        span: Span,
        bids: &[Level],
        asks: &[Level],
    ) {
        let Some(entry) = self.topics.get_mut(id) else { return };
        let seen = Seen::of(&mut entry.seen);
        seen.counts.received += 1;
        seen.last_at = Some(now);
        let State::Book(book) = &mut entry.state else { return };
        let before = book.state();
        let outcome = book.delta(now.mono, time, span, bids, asks);
        if let Outcome::Applied { refreshed } = outcome {
            Seen::of(&mut entry.seen).last_time = time;
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
            if turned {
                self.tell_topic(now, id);
            }
            if wants {
                self.want_snapshot(now, id);
            }
            return;
        }
        if planted(Defect::PublishWhileSyncing) && outcome == Outcome::Buffered {
            let (levels, bids) = (joined(bids, asks), bids.len() as u32);
            let early = Book { levels, bids, venue_id: Some(span.last), state: BookState::Live };
            entry.publish(&mut self.readers, &self.config, draft(now, time, early));
        }
        self.book_outcome(now, id, time, outcome);
    }

    /// What everything but an ordinary delta did to a book.
    fn book_outcome(&mut self, now: Time, id: TopicId, time: Option<Unix>, outcome: Outcome) {
        let Some(entry) = self.topics.get_mut(id) else { return };
        let State::Book(book) = &mut entry.state else { return };
        match outcome {
            Outcome::Ignored => Seen::of(&mut entry.seen).counts.duplicates += 1,
            Outcome::Applied { .. } | Outcome::Buffered | Outcome::Held => {}
            Outcome::Synced => {
                self.snapshots.succeeded(id);
                Seen::of(&mut entry.seen).renew(time);
                // Also the first time: a position before it has no state to go on from.
                entry.begin_epoch(Epochs(&mut self.rng).draw());
                if let Some(snapshot) = entry.snapshot(now) {
                    entry.announce(&mut self.readers, &snapshot);
                }
                self.events.record(now, entry.topic.as_str(), ("syncing", "live"), "synchronised");
                self.tell_topic(now, id);
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
            let stale = Book { levels: Box::default(), bids: 0, venue_id: None, state: BookState::Stale };
            entry.publish(&mut self.readers, &self.config, draft(now, None, stale));
        }
        self.tell_topic(now, id);
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

    /// The venue's own top of the book, whole each time: published as what changed.
    pub(super) fn partial(
        &mut self,
        now: Time,
        id: TopicId,
        time: Option<Unix>,
        last: u64,
        bids: &[Level],
        asks: &[Level],
    ) {
        let Some(entry) = self.topics.get_mut(id) else { return };
        Seen::of(&mut entry.seen).counts.received += 1;
        match entry.sequence.rise(last, true) {
            Verdict::Duplicate => {
                Seen::of(&mut entry.seen).counts.duplicates += 1;
                return;
            }
            Verdict::Reset => entry.sequence.restart(last),
            Verdict::Next | Verdict::Ahead => {}
        }
        let seen = Seen::of(&mut entry.seen);
        seen.last_at = Some(now);
        seen.renew(time);
        if entry.broken {
            entry.begin_epoch(Epochs(&mut self.rng).draw());
        }
        let State::Depth(held) = &mut entry.state else { return };
        let (venue_id, state) = (Some(last), BookState::Unverified);
        let whole = Book { levels: joined(bids, asks), bids: bids.len() as u32, venue_id, state };
        match held.replace(Box::new(whole)) {
            None => {
                if let Some(snapshot) = entry.snapshot(now) {
                    entry.announce(&mut self.readers, &snapshot);
                }
            }
            Some(before) => {
                let changed_bids = changes(before.bids(), bids, true);
                let changed_asks = changes(before.asks(), asks, false);
                if changed_bids.is_empty() && changed_asks.is_empty() {
                    return;
                }
                let levels = joined(&changed_bids, &changed_asks);
                let delta = Book { levels, bids: changed_bids.len() as u32, venue_id, state };
                entry.publish(&mut self.readers, &self.config, draft(now, time, delta));
            }
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
        self.fetch_due(now);
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
            if let Some(outcome) = book.tick(now.mono) {
                self.book_outcome(now, id, None, outcome);
            }
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
        let lost = self.fetches.values().map(|out| out.give_up).min();
        [books, queue, lost].into_iter().flatten().min()
    }

    /// Sends what is due of the queued snapshot requests, as far as the budgets go.
    pub(super) fn fetch_due(&mut self, now: Time) {
        if self.stopping {
            return;
        }
        let in_flight = self.config.limits.snapshots_in_flight;
        while self.fetch_at <= now.mono
            && let Some((urgency, id)) = self.snapshots.due(now.mono, in_flight, self.idle_fetch_at)
        {
            let awaited = if urgency == Urgency::Wanted { None } else { Some(self.awaited_books()) };
            let Some(entry) = self.topics.get_mut(id) else {
                self.snapshots.forget(id);
                continue;
            };
            let State::Book(book) = &mut entry.state else { return };
            if book.wants_snapshot(now.mono).is_none() {
                // It was put right by other means since, or its line is gone.
                self.snapshots.withdraw(id);
                continue;
            }
            let origin = self.gate.rest.get(self.rest_endpoint).map_or("", |endpoint| &endpoint.origin);
            let Some(cost) =
                self.venue.fetch(Fetch::Snapshot, origin, &entry.topic).map(|request| request.weight)
            else {
                self.snapshots.withdraw(id);
                continue;
            };
            let limit = self.gate.weight.limit();
            let left = awaited
                .map_or(0, |count| cost.saturating_mul(count).max(limit / LEFT).min(limit / LEFT_AT_MOST));
            let (endpoint, permit) = match self.gate.fetch(now, cost, left, self.rest_endpoint) {
                Ok(found) => found,
                Err(until) => {
                    let waits = if awaited.is_some() { &mut self.idle_fetch_at } else { &mut self.fetch_at };
                    *waits = until.max(now.mono + Duration::from_millis(1));
                    continue;
                }
            };
            let origin = &self.gate.rest[endpoint].origin;
            let Some(request) = self.venue.fetch(Fetch::Snapshot, origin, &entry.topic) else {
                self.gate.weight.settle(cost);
                self.gate.rest[endpoint].breaker.release(permit, now.mono);
                self.snapshots.withdraw(id);
                continue;
            };
            book.expect_snapshot();
            let fetch = self.snapshots.send(id);
            let give_up = now.mono + request.timeout * 2;
            self.fetches.insert(fetch, FetchOut { endpoint, permit, weight: cost, give_up });
            let topic = entry.topic.clone();
            self.actions.push_back(Action::Fetch { id: fetch, topic, why: Fetch::Snapshot, request });
        }
    }

    /// How many books are read and not there yet.
    fn awaited_books(&self) -> u32 {
        let awaited = |entry: &Entry| {
            let missing = matches!(&entry.state, State::Book(book) if book.last_id().is_none());
            missing && !entry.readers.is_empty() && entry.service.phase != REJECTED
        };
        self.topics.iter().filter(|(_, entry)| awaited(entry)).count() as u32
    }

    /// Requests whose reply got lost on our own side.
    pub(super) fn expire_fetches(&mut self, now: Time) {
        let lost = self.fetches.iter().find(|(_, out)| out.give_up <= now.mono).map(|(id, _)| *id);
        if let Some(id) = lost {
            let refusal = Refusal::new(Fault::Local, "no reply");
            self.fetched(now, id, Err(refusal));
        }
    }

    pub(super) fn fetched(&mut self, now: Time, id: FetchId, result: Result<Decoded, Refusal>) {
        let Some(out) = self.fetches.remove(&id) else {
            self.counters.stray_inputs += 1;
            return;
        };
        self.gate.weight.settle(out.weight);
        let topic = self.snapshots.take(id);
        match result {
            Ok(decoded) => {
                self.gate.rest[out.endpoint].breaker.success();
                for item in &decoded.items {
                    match item {
                        Item::Weight { used } => self.gate.weight.observe(now, *used),
                        Item::Levels { time, last, levels, bids, .. } => {
                            let levels =
                                decoded.levels.get(levels.start as usize..levels.end as usize).unwrap_or(&[]);
                            let (bids, asks) = levels.split_at(levels.len().min(*bids as usize));
                            self.snapshot(now, topic, *time, *last, bids, asks);
                        }
                        _ => {}
                    }
                }
            }
            Err(refusal) => {
                if let Some(used) = refusal.used {
                    self.gate.weight.observe(now, used);
                }
                self.refused_fetch(now, topic, out, &refusal);
            }
        }
        (self.fetch_at, self.idle_fetch_at) = (Mono::default(), Mono::default());
        self.fetch_due(now);
    }

    fn snapshot(
        &mut self,
        now: Time,
        id: Option<TopicId>,
        time: Option<Unix>,
        last: u64,
        bids: &[Level],
        asks: &[Level],
    ) {
        let Some(id) = id else { return };
        let Some(entry) = self.topics.get_mut(id) else { return };
        let State::Book(book) = &mut entry.state else { return };
        let outcome = book.snapshot(now.mono, last, bids, asks);
        self.book_outcome(now, id, time, outcome);
    }

    fn refused_fetch(&mut self, now: Time, topic: Option<TopicId>, out: FetchOut, refusal: &Refusal) {
        let roll = self.rng.roll();
        let breaker = &mut self.gate.rest[out.endpoint].breaker;
        if refusal.fault.counts_for_breaker() {
            breaker.failure(now.mono, roll);
            self.rest_endpoint = (out.endpoint + 1) % self.gate.rest.len().max(1);
        } else {
            breaker.release(out.permit, now.mono);
        }
        if let Some(wait) = pause(refusal.fault, roll) {
            self.gate.hold_rest(now.mono, wait, refusal.fault);
        }
        let Some(id) = topic else { return };
        if let Some(entry) = self.topics.get_mut(id)
            && let State::Book(book) = &mut entry.state
        {
            book.snapshot_failed();
        }
        self.retry_snapshot(now, id, &refusal.detail);
        let tries = self.snapshots.tries(id);
        if refusal.fault.recovery() == Recovery::Manual
            && (refusal.fault == Fault::Configuration || tries > KEY_TRIES)
        {
            // Asking again cannot help: the topic stays without a book until an operator speaks.
            self.snapshots.hold(id, Mono::NEVER, tries, &refusal.detail);
            self.refuse_book(now, id, &refusal.detail);
        }
        self.want_snapshot(now, id);
    }

    fn refuse_book(&mut self, now: Time, id: TopicId, detail: &str) {
        let Some(entry) = self.topics.get_mut(id) else { return };
        let reason: Box<str> = format!("the venue refuses its snapshot: {detail}").into();
        self.events.record(now, entry.topic.as_str(), (entry.service.phase, REJECTED), &reason);
        let (level, source) = (crate::data::update::Level::Critical, entry.kept());
        let service = Service { level, phase: REJECTED, source, reason };
        entry.serve(&mut self.readers, now, service);
    }

    /// A snapshot was of no use: the next request for this book waits a little longer each time.
    fn retry_snapshot(&mut self, now: Time, id: TopicId, why: &str) {
        let failures = self.snapshots.failures(id);
        let wait = delay(&self.backoff, failures, self.rng.roll());
        self.snapshots.hold(id, now.mono + wait, failures, why);
        let Some(entry) = self.topics.get(id) else { return };
        let cause = format!("snapshot of no use ({why}), again in {} ms", wait.as_millis());
        self.events.record(now, entry.topic.as_str(), ("syncing", "syncing"), &cause);
        self.tell_topic(now, id);
    }
}

fn draft(now: Time, time: Option<Unix>, book: Book) -> Draft {
    let (kind, source, received, data) = (Kind::Delta, Source::Live, now.unix, Data::Book(book));
    Draft { kind, source, time, received, late: false, data }
}

/// Bids and asks in one allocation.
fn joined(bids: &[Level], asks: &[Level]) -> Box<[Level]> {
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
