//! Snapshot requests of books: who is next, within the REST budget, at most a few in flight.

use std::collections::{BTreeMap, BTreeSet};

use crate::time::Mono;
use crate::venue::TopicId;

use super::io::FetchId;

/// How urgent a snapshot is; the smaller, the sooner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Urgency {
    /// Somebody reads the book and it is not live.
    Wanted,
    /// Nobody reads it now (warm, lingering) and it is not live.
    Warm,
    /// The book is live; its trusted range is to be moved.
    Refresh,
}

/// What is kept of a refusal, in bytes.
const WORDS: usize = 120;

/// A book whose latest snapshots were of no use.
#[derive(Debug)]
struct Failed {
    /// Not before this moment again.
    until: Mono,
    /// Failures in a row.
    failures: u32,
    /// What was wrong with the latest.
    why: Box<str>,
}

/// A snapshot that an operator wants later.
#[derive(Debug)]
struct Ordered {
    at: Mono,
    /// There is no book to serve until then, and it is not tried before.
    holds: bool,
}

/// The queue of snapshot requests.
#[derive(Debug, Default)]
pub(super) struct Snapshots {
    /// Due ones, most urgent first, then by age.
    queue: BTreeSet<(Urgency, u64, TopicId)>,
    queued: BTreeMap<TopicId, (Urgency, u64)>,
    in_flight: BTreeMap<FetchId, TopicId>,
    /// After a failure.
    waiting: BTreeMap<TopicId, Failed>,
    ordered: BTreeMap<TopicId, Ordered>,
    next_turn: u64,
    /// Requests sent, for the books' accounts.
    pub(super) sent: u64,
    /// Requests that failed or whose reply was of no use.
    pub(super) failed: u64,
}

impl Snapshots {
    /// Queues a request, or changes its urgency. One in flight or waiting out a failure stays so.
    pub(super) fn want(&mut self, topic: TopicId, urgency: Urgency) {
        if self.in_flight.values().any(|held| *held == topic) {
            return;
        }
        let turn = match self.queued.get(&topic) {
            Some((held, _)) if *held == urgency => return,
            Some((held, turn)) => {
                let turn = *turn;
                self.queue.remove(&(*held, turn, topic));
                turn
            }
            None => {
                self.next_turn += 1;
                self.next_turn
            }
        };
        self.queued.insert(topic, (urgency, turn));
        self.queue.insert((urgency, turn, topic));
    }

    /// Forgets a topic; a reply still in flight will find nobody.
    pub(super) fn forget(&mut self, topic: TopicId) {
        self.withdraw(topic);
        self.waiting.remove(&topic);
        self.ordered.remove(&topic);
        self.in_flight.retain(|_, held| *held != topic);
    }

    /// A queued request is no longer needed.
    pub(super) fn withdraw(&mut self, topic: TopicId) {
        if let Some((urgency, turn)) = self.queued.remove(&topic) {
            self.queue.remove(&(urgency, turn, topic));
        }
    }

    /// The most urgent request that may go now; those that nobody waits for not before `idle_at`.
    pub(super) fn due(&self, now: Mono, in_flight: usize, idle_at: Mono) -> Option<(Urgency, TopicId)> {
        if self.in_flight.len() >= in_flight {
            return None;
        }
        let ready = |urgency: &Urgency, topic: &TopicId| {
            self.ready_at(*topic) <= now && (*urgency == Urgency::Wanted || idle_at <= now)
        };
        let mut queue = self.queue.iter().map(|(urgency, _, topic)| (*urgency, *topic));
        queue.find(|(urgency, topic)| ready(urgency, topic))
    }

    fn ready_at(&self, topic: TopicId) -> Mono {
        let failed = self.waiting.get(&topic).map(|failed| failed.until);
        let ordered = self.ordered.get(&topic).filter(|ordered| ordered.holds).map(|ordered| ordered.at);
        failed.max(ordered).unwrap_or_default()
    }

    /// An operator wants one at `at`; if the book is not served meanwhile (`holds`), none before.
    pub(super) fn order(&mut self, topic: TopicId, at: Mono, holds: bool) {
        self.ordered.insert(topic, Ordered { at, holds });
    }

    /// One that was ordered for now or before.
    pub(super) fn take_order(&mut self, now: Mono) -> Option<TopicId> {
        let topic = self.ordered.iter().find(|(_, ordered)| ordered.at <= now).map(|(topic, _)| *topic)?;
        self.ordered.remove(&topic);
        Some(topic)
    }

    /// Marks a request as sent.
    pub(super) fn send(&mut self, topic: TopicId, id: FetchId) {
        self.withdraw(topic);
        // Whatever it is sent for, it is as new as what was ordered.
        self.ordered.remove(&topic);
        self.sent += 1;
        self.in_flight.insert(id, topic);
    }

    /// A request has come back.
    pub(super) fn take(&mut self, id: FetchId) {
        self.in_flight.remove(&id);
    }

    /// The reply was of use.
    pub(super) fn succeeded(&mut self, topic: TopicId) {
        self.waiting.remove(&topic);
    }

    /// How many failures in a row, this one included.
    pub(super) fn failures(&mut self, topic: TopicId) -> u32 {
        self.failed += 1;
        self.waiting.get(&topic).map_or(1, |failed| failed.failures.saturating_add(1))
    }

    /// Failures in a row so far.
    pub(super) fn tries(&self, topic: TopicId) -> u32 {
        self.waiting.get(&topic).map_or(0, |failed| failed.failures)
    }

    /// Why the latest snapshot was of no use; `None` once one was.
    pub(super) fn refusal(&self, topic: TopicId) -> Option<&str> {
        self.waiting.get(&topic).map(|failed| &*failed.why)
    }

    /// Not before `until` again, since the latest was of no use.
    pub(super) fn hold(&mut self, topic: TopicId, until: Mono, failures: u32, why: &str) {
        let why = why.get(..why.floor_char_boundary(WORDS)).unwrap_or_default().into();
        self.waiting.insert(topic, Failed { until, failures, why });
    }

    /// When the next queued request may go, leaving budgets aside but for `idle_at`.
    pub(super) fn deadline(&self, in_flight: usize, idle_at: Mono) -> Option<Mono> {
        if self.in_flight.len() >= in_flight {
            return None;
        }
        let ready = |(urgency, _, topic): &(Urgency, u64, TopicId)| {
            let least = if *urgency == Urgency::Wanted { Mono::default() } else { idle_at };
            self.ready_at(*topic).max(least)
        };
        let ordered = self.ordered.values().map(|ordered| ordered.at);
        self.queue.iter().map(ready).chain(ordered).min()
    }

    /// Requests queued and in flight.
    pub(super) fn load(&self) -> (usize, usize) {
        (self.queue.len(), self.in_flight.len())
    }

    /// Forgets the failures of every topic; what was ordered for later stays so, unless `wholly`.
    pub(super) fn forgive(&mut self, wholly: bool) {
        self.waiting.clear();
        if wholly {
            self.ordered.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wanted_books_go_before_warm_ones_and_refreshes_last() {
        let mut snapshots = Snapshots::default();
        snapshots.want(TopicId(1), Urgency::Refresh);
        snapshots.want(TopicId(2), Urgency::Warm);
        snapshots.want(TopicId(3), Urgency::Wanted);
        snapshots.want(TopicId(4), Urgency::Wanted);
        let mut order = Vec::new();
        while let Some((_, topic)) = snapshots.due(Mono::default(), 10, Mono::default()) {
            snapshots.send(topic, FetchId(u64::from(topic.0)));
            order.push(topic.0);
        }
        assert_eq!(order, [3, 4, 2, 1]);
    }

    #[test]
    fn no_more_than_allowed_are_in_flight() {
        let mut snapshots = Snapshots::default();
        (0..5).for_each(|i| snapshots.want(TopicId(i), Urgency::Wanted));
        snapshots.send(TopicId(0), FetchId(7));
        snapshots.send(TopicId(1), FetchId(8));
        assert_eq!(snapshots.due(Mono::default(), 2, Mono::default()), None);
        snapshots.take(FetchId(7));
        let next = Some((Urgency::Wanted, TopicId(2)));
        assert_eq!(snapshots.due(Mono::default(), 2, Mono::default()), next);
    }

    #[test]
    fn a_failed_one_waits_and_does_not_hold_up_the_others() {
        let at = |s| Mono::default() + std::time::Duration::from_secs(s);
        let mut snapshots = Snapshots::default();
        snapshots.want(TopicId(0), Urgency::Wanted);
        snapshots.send(TopicId(0), FetchId(7));
        snapshots.take(FetchId(7));
        let failures = snapshots.failures(TopicId(0));
        snapshots.hold(TopicId(0), at(4), failures, "no");
        snapshots.want(TopicId(0), Urgency::Wanted);
        snapshots.want(TopicId(1), Urgency::Warm);
        assert_eq!(snapshots.due(at(1), 3, at(2)), None);
        assert_eq!(snapshots.deadline(3, at(2)), Some(at(2)));
        assert_eq!(snapshots.due(at(2), 3, at(2)), Some((Urgency::Warm, TopicId(1))));
        assert_eq!(snapshots.due(at(4), 3, at(9)), Some((Urgency::Wanted, TopicId(0))));
        assert_eq!(snapshots.failures(TopicId(0)), 2);
    }
}
