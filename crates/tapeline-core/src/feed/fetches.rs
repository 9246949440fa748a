//! Requests to the venue's REST interface: which one goes now, within the budget, and what comes back.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::data::update::Source;
use crate::defect::{Defect, planted};
use crate::policy::breaker::Permit;
use crate::policy::fault::Fault;
use crate::policy::recovery::Recovery;
use crate::time::{Mono, Time};
use crate::venue::{Decoded, Fetch, HttpRequest, Item, Refusal, TopicId};

use super::Feed;
use super::io::{Action, FetchId};
use super::market::split;
use super::quarantine::Over;
use super::snapshots::Urgency;
use super::topics::{Entry, State};

/// How long a request that goes alone is waited for before others go, too.
const ALONE: Duration = Duration::from_secs(1);
/// Refusals of our keys in a row after which only an operator can help.
const KEY_TRIES: u32 = 4;
/// What requests for books that nobody waits for leave of the REST budget: the tenth part, or as much as those
/// need that somebody waits for, up to a half.
const LEFT: u32 = 10;
const LEFT_AT_MOST: u32 = 2;

/// Requests on their way.
#[derive(Debug, Default)]
pub(super) struct Fetches {
    out: BTreeMap<FetchId, FetchOut>,
    next: u64,
}

/// A request on its way, and what is to be settled when it comes back.
#[derive(Debug)]
struct FetchOut {
    /// For which topic; nobody's once that is gone.
    topic: Option<TopicId>,
    why: Fetch,
    endpoint: usize,
    permit: Permit,
    weight: u32,
    sent: Mono,
    /// When nobody waits for it any more.
    give_up: Mono,
}

impl Fetches {
    /// A topic is gone: what still comes for it finds nobody.
    pub(super) fn forget(&mut self, topic: TopicId) {
        for out in self.out.values_mut().filter(|out| out.topic == Some(topic)) {
            out.topic = None;
        }
    }

    /// How many of a kind are on their way.
    pub(super) fn count(&self, kind: impl Fn(Fetch) -> bool) -> usize {
        self.out.values().filter(|out| kind(out.why)).count()
    }

    /// Whether one of a kind is on its way for a topic.
    pub(super) fn is_out(&self, topic: TopicId, kind: impl Fn(Fetch) -> bool) -> bool {
        self.out.values().any(|out| out.topic == Some(topic) && kind(out.why))
    }

    /// Whether one is on its way to an endpoint.
    pub(super) fn asks(&self, endpoint: usize) -> bool {
        self.out.values().any(|out| out.endpoint == endpoint)
    }

    /// When the first of them is given up.
    pub(super) fn deadline(&self) -> Option<Mono> {
        self.out.values().map(|out| out.give_up).min()
    }
}

/// A host that has to prove itself has so long for an answer, while another one serves.
const ON_TRIAL: Duration = Duration::from_secs(1);

/// Why a request does not go now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotNow {
    /// The venue offers no such thing.
    Never,
    /// The budget, a hold or a breaker says so.
    Until(Mono),
}

impl Feed {
    /// Sends a request if the gate lets it pass and as much as `left` remains of the budget.
    pub(super) fn send_fetch(
        &mut self,
        now: Time,
        id: TopicId,
        why: Fetch,
        left: u32,
    ) -> Result<FetchId, NotNow> {
        let Some(entry) = self.topics.get(id) else { return Err(NotNow::Never) };
        let alone =
            self.fetches.out.values().map(|out| out.sent + ALONE).max().filter(|until| *until > now.mono);
        if let Some(until) = alone.filter(|_| self.gate.careful) {
            return Err(NotNow::Until(until));
        }
        let before = self.in_hand.replace(id);
        let (venue, rest) = (&self.venue, &self.gate.rest);
        // Not every host has everything.
        let mut offers: Vec<Option<HttpRequest>> =
            rest.iter().map(|endpoint| venue.fetch(why, &endpoint.origin, &entry.topic)).collect();
        self.in_hand = before;
        let weight = offers.iter().flatten().map(|request| request.weight).max().ok_or(NotNow::Never)?;
        let has = |index: usize| offers[index].is_some();
        if planted(Defect::RepairWithinHold) && matches!(why, Fetch::Backfill { .. }) {
            self.gate.rest_hold.reset();
        }
        let preferred = self.gate.preferred_rest(now.mono, |endpoint| self.fetches.asks(endpoint), has);
        let (endpoint, permit) =
            self.gate.fetch(now.mono, weight, left, preferred, has).map_err(|until| {
                // Never at once again: a gate that says "now" and refuses must not spin.
                NotNow::Until(until.max(now.mono + Duration::from_millis(1)))
            })?;
        let Some(mut request) = offers[endpoint].take() else { return Err(NotNow::Never) };
        request.timeout = self.config.timing.fetch_within;
        // Somebody may wait for what a host is tried with, and another host has it and serves.
        let serves = |(at, offer): (usize, &Option<_>)| offer.is_some() && !self.gate.is_on_trial(at);
        if self.gate.is_on_trial(endpoint) && offers.iter().enumerate().any(serves) {
            request.timeout = request.timeout.min(ON_TRIAL);
        }
        self.fetches.next += 1;
        let fetch = FetchId(self.fetches.next);
        let give_up = now.mono + request.timeout * 2;
        let out = FetchOut { topic: Some(id), why, endpoint, permit, weight, sent: now.mono, give_up };
        self.fetches.out.insert(fetch, out);
        let topic = entry.topic.clone();
        self.actions.push_back(Action::Fetch { id: fetch, topic, why, request });
        Ok(fetch)
    }

    /// What requests that nobody waits for leave of the budget.
    pub(super) fn reserve(&self) -> u32 {
        self.gate.weight.limit() / LEFT
    }

    /// Sends what is due: missed events first, since time runs for them, then snapshots, then polls, then what may not
    /// even have been missed.
    pub(super) fn fetch_due(&mut self, now: Time) {
        while let Some(id) = self.snapshots.take_order(now.mono) {
            self.ask_for_book(now, id);
        }
        if self.stopping {
            return;
        }
        self.repair_due(now);
        self.snapshots_due(now);
        self.poll_due(now);
        self.missed_due(now);
    }

    /// Sends what is due of the queued snapshot requests, as far as the budgets go.
    fn snapshots_due(&mut self, now: Time) {
        let in_flight = self.config.limits.snapshots_in_flight;
        while self.fetch_at <= now.mono
            && let Some((urgency, id)) = self.snapshots.due(now.mono, in_flight, self.idle_fetch_at)
        {
            let awaited = if urgency == Urgency::Wanted { None } else { Some(self.awaited_books()) };
            let Some(entry) = self.topics.get(id) else {
                self.snapshots.forget(id);
                continue;
            };
            let State::Book(book) = &entry.state else { return };
            if book.wants_snapshot(now.mono).is_none() {
                // It was put right by other means since, or its line is gone.
                self.snapshots.withdraw(id);
                continue;
            }
            let cost =
                self.venue.fetch(Fetch::Snapshot, "", &entry.topic).map_or(0, |request| request.weight);
            let limit = self.gate.weight.limit();
            let left = awaited
                .map_or(0, |count| cost.saturating_mul(count).max(limit / LEFT).min(limit / LEFT_AT_MOST));
            match self.send_fetch(now, id, Fetch::Snapshot, left) {
                Ok(fetch) => {
                    self.snapshots.send(id, fetch);
                    if let Some(State::Book(book)) = self.topics.get_mut(id).map(|entry| &mut entry.state) {
                        book.expect_snapshot();
                    }
                }
                Err(NotNow::Never) => self.snapshots.withdraw(id),
                Err(NotNow::Until(until)) if awaited.is_some() => self.idle_fetch_at = until,
                Err(NotNow::Until(until)) => self.fetch_at = until,
            }
        }
    }

    /// How many books are read and not there yet.
    fn awaited_books(&self) -> u32 {
        let awaited = |entry: &Entry| {
            let missing = matches!(&entry.state, State::Book(book) if book.last_id().is_none());
            missing && !entry.readers.is_empty() && !entry.is_withheld()
        };
        self.topics.iter().filter(|(_, entry)| awaited(entry)).count() as u32
    }

    /// Requests whose reply got lost on our own side.
    pub(super) fn expire_fetches(&mut self, now: Time) {
        let lost = self.fetches.out.iter().find(|(_, out)| out.give_up <= now.mono).map(|(id, _)| *id);
        if let Some(id) = lost {
            let refusal = Refusal::new(Fault::Local, "no reply");
            self.fetched(now, id, Err(refusal));
        }
    }

    /// A request has come back.
    pub(super) fn fetched(&mut self, now: Time, id: FetchId, result: Result<Decoded, Refusal>) {
        let Some(out) = self.fetches.out.remove(&id) else {
            self.counters.stray_inputs += 1;
            return;
        };
        self.gate.weight.settle(now.mono, out.weight);
        self.snapshots.take(id);
        let its_own = self.missed.take(id);
        self.in_hand = out.topic;
        match result {
            Ok(decoded) => {
                // How long it lay with us while we did not run is not the endpoint's slowness.
                let took = self.may_judge(now).then(|| now.mono.since(out.sent));
                self.gate.answered(now.mono, out.endpoint, took);
                self.fallback.answered(now.mono);
                for item in &decoded.items {
                    if let Item::Weight { used } = item {
                        self.gate.weight.observe(now.mono, *used);
                    }
                }
                match (out.topic, out.why) {
                    (None, _) => {}
                    (Some(topic), Fetch::Snapshot) => self.snapshot_came(now, topic, &decoded),
                    (Some(topic), Fetch::Backfill { from, to }) => {
                        self.repair_came(now, topic, (from, to), decoded);
                    }
                    (Some(topic), Fetch::Poll { .. }) if its_own => self.missed_came(now, topic, id, decoded),
                    (Some(topic), Fetch::Poll { .. }) => self.poll_came(now, topic, (id, out.sent), decoded),
                }
            }
            Err(refusal) => {
                if let Some(used) = refusal.used {
                    self.gate.weight.observe(now.mono, used);
                }
                self.refused_fetch(now, out, &refusal);
            }
        }
        self.in_hand = None;
        self.ask_the_gate_again();
        self.fetch_due(now);
    }

    /// What the gate said of when requests may go is true no more: what waits for that asks it again.
    pub(super) fn ask_the_gate_again(&mut self) {
        (self.fetch_at, self.idle_fetch_at) = Default::default();
        self.repairs.forgive();
        self.missed.forgive();
    }

    fn snapshot_came(&mut self, now: Time, topic: TopicId, decoded: &Decoded) {
        for item in &decoded.items {
            if let Item::Levels { time, last, levels, bids, .. } = item {
                let (bids, asks) = split(&decoded.levels, levels, *bids);
                if self.is_credible(topic, bids, asks) {
                    self.snapshot(now, topic, *time, *last, bids, asks);
                } else {
                    let refusal = Refusal::new(Fault::Server, "its prices are another symbol's");
                    self.snapshot_refused(now, topic, &refusal);
                }
            }
        }
    }

    fn refused_fetch(&mut self, now: Time, out: FetchOut, refusal: &Refusal) {
        let roll = self.rng.roll();
        self.gate.refused(now.mono, out.endpoint, out.permit, refusal.fault, roll);
        let Some(id) = out.topic else { return };
        match out.why {
            Fetch::Snapshot => self.snapshot_refused(now, id, refusal),
            Fetch::Backfill { .. } => self.repair_failed(now, id, refusal),
            Fetch::Poll { .. } => self.poll_failed(now, id, refusal),
        }
        if refusal.panicked {
            self.counters.decode_panics += 1;
            self.panicked_over(now, id, Over::Reply);
        }
    }

    fn snapshot_refused(&mut self, now: Time, id: TopicId, refusal: &Refusal) {
        if let Some(State::Book(book)) = self.topics.get_mut(id).map(|entry| &mut entry.state) {
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

    /// Translated events of a reply, as if a line had brought them.
    pub(super) fn take_reply(&mut self, now: Time, topic: TopicId, source: Source, decoded: Decoded) {
        for item in decoded.items {
            match item {
                Item::Market { id, time, data, .. } => {
                    self.market(now, super::market::Origin::reply(source), topic, id, time, Some(data));
                }
                Item::Spent { id, .. } => {
                    self.market(now, super::market::Origin::reply(source), topic, id, None, None);
                }
                _ => {}
            }
        }
    }
}
