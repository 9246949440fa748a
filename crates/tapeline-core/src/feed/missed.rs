//! What a topic may have missed while no line carried it, where its next event may be long in coming: REST is asked for
//! news once a line carries it again. If there is none, the outage is over.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::data::topic::Topic;
use crate::data::update::Source;
use crate::time::{Mono, Time};
use crate::venue::{Decoded, Fetch, Item, Sequencing, TopicId};

use super::Feed;
use super::fetches::NotNow;
use super::io::FetchId;
use super::poll::{FULL, IN_FLIGHT, is_poll};
use super::repair::id_of;
use super::topics::Entry;

/// What REST tells of the events of a topic that are over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Past {
    /// Nothing.
    None,
    /// The newest ones.
    Newest,
    /// Those of any ids.
    All,
}

/// How much a reply tells.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reach {
    /// It is not one of several.
    pub(super) whole: bool,
    /// The newest id in it.
    newest: Option<u64>,
}

impl Reach {
    pub(super) fn of(items: &[Item]) -> Self {
        Self { whole: items.len() < FULL, newest: items.iter().filter_map(id_of).max() }
    }
}

/// A request that failed is made again after so long, while readers wait for what it may tell.
pub(super) const AGAIN: Duration = Duration::from_secs(1);

/// Topics that may have missed something, and what is asked about it.
#[derive(Debug, Default)]
pub(super) struct Missed {
    /// Topics that a line carries again, and when they are asked for.
    due: BTreeMap<TopicId, Mono>,
    /// Requests of their own, beside those of polling.
    asked: BTreeSet<FetchId>,
    /// Requests that were sent while a line carried the topic: what they do not tell was not missed.
    telling: BTreeMap<TopicId, FetchId>,
    /// No request before: the budget or a hold says so. Apart from that, of those that readers wait for.
    not_before: Mono,
    awaited_not_before: Mono,
}

impl Missed {
    pub(super) fn forget(&mut self, topic: TopicId) {
        self.due.remove(&topic);
        self.telling.remove(&topic);
    }

    /// No line carries a topic any more: what comes now does not tell everything.
    pub(super) fn interrupt(&mut self, topic: TopicId) {
        self.telling.remove(&topic);
    }

    /// Nothing is waited for any more.
    pub(super) fn forgive(&mut self) {
        (self.not_before, self.awaited_not_before) = Default::default();
    }

    /// A topic is asked for at `at`, or before.
    fn look(&mut self, topic: TopicId, at: Mono) {
        self.due.entry(topic).and_modify(|due| *due = at.min(*due)).or_insert(at);
    }

    /// Before when nothing of this kind is asked for.
    const fn held_off(&self, awaited: bool) -> Mono {
        if awaited { self.awaited_not_before } else { self.not_before }
    }

    /// Whether a request was one of these.
    pub(super) fn take(&mut self, fetch: FetchId) -> bool {
        self.asked.remove(&fetch)
    }
}

impl Feed {
    /// A line carries a topic: if it may have missed something, and nothing shows it soon, it is asked for.
    pub(super) fn may_have_missed(&mut self, now: Time, id: TopicId) {
        if self.config.limits.repair && self.topics.get(id).is_some_and(is_open) {
            let at = now.mono + self.config.timing.reorder_within;
            self.missed.due.entry(id).or_insert(at);
        }
    }

    /// What REST tells of the past of a topic.
    pub(super) fn past_of(&self, topic: &Topic) -> Past {
        let tells = |why| {
            self.gate.rest.iter().any(|endpoint| self.venue.fetch(why, &endpoint.origin, topic).is_some())
        };
        if tells(Fetch::Backfill { from: 1, to: 1 }) {
            Past::All
        } else if tells(Fetch::Poll { after: None }) {
            Past::Newest
        } else {
            Past::None
        }
    }

    /// A hole has shown in the ids of a topic whose missed events cannot be asked for by their ids: the newest ones may
    /// tell, if they are asked for in time.
    #[cold]
    pub(super) fn want_newest(&mut self, now: Time, id: TopicId) {
        let Some(entry) = self.topics.get(id).filter(|entry| self.config.limits.repair && has_hole(entry))
        else {
            return;
        };
        let wait = if entry.outage { Duration::ZERO } else { self.config.timing.repair_after };
        self.missed.look(id, now.mono + wait);
        self.fallback.ask_soon(now.mono, id);
    }

    /// The newest were asked for, and tell nothing of what readers still wait for: the reply was too old for it, or
    /// there was none.
    pub(super) fn look_again(&mut self, now: Time, id: TopicId, wait: Duration) {
        if self.config.limits.repair && self.is_waited_for(id) {
            let at = now.mono + wait;
            self.missed.look(id, at);
            self.fallback.ask_soon(at, id);
        }
    }

    /// Whether readers wait for what the newest events may tell.
    fn is_waited_for(&self, id: TopicId) -> bool {
        self.topics.get(id).is_some_and(has_hole)
    }

    /// A reply tells what there is up to an id: what it does not tell of before that nobody has.
    fn settle_newest(&mut self, now: Time, id: TopicId, newest: Option<u64>) {
        let hole = |feed: &Self| {
            feed.topics.get(id).filter(|entry| has_hole(entry)).and_then(|entry| entry.sequence.hole())
        };
        while hole(self).zip(newest).is_some_and(|(hole, newest)| hole.to < newest) {
            self.declare(now, id);
        }
    }

    /// Whether a line that is proven, not doubted and subscribed to it carries a topic.
    fn is_carried(&self, id: TopicId, entry: &Entry) -> bool {
        let Some(route) = self.route_of(id) else { return false };
        entry.carriers.iter().any(|slot| {
            let line = &self.lines[slot];
            let stands = line.live().is_some_and(|live| live.proven.is_some() && live.doubt.is_none());
            stands && line.wishes.is_confirmed(&route.stream)
        })
    }

    /// A topic is asked for news: if a line carries it by now, the answer tells whether anything was missed.
    pub(super) fn expect_word(&mut self, id: TopicId, fetch: FetchId) {
        let Some(entry) = self.topics.get(id).filter(|entry| is_open(entry)) else { return };
        if self.is_carried(id, entry) {
            self.missed.telling.insert(id, fetch);
        }
    }

    /// Sends what is due.
    pub(super) fn missed_due(&mut self, now: Time) {
        if !self.missed.due.values().any(|at| *at <= now.mono) {
            return;
        }
        let topics = &self.topics;
        let open = |entry: &Entry| is_open(entry) || has_hole(entry);
        self.missed.due.retain(|id, _| topics.get(*id).is_some_and(open));
        let later = now.mono + self.config.timing.poll_every;
        while self.fetches.count(is_poll) < IN_FLIGHT {
            // What readers wait for comes first, and what keeps the others back does not concern it.
            let all = self.missed.due.iter().map(|(id, at)| (!self.is_waited_for(*id), *at, *id));
            let may = |(quiet, at, _): &(bool, Mono, TopicId)| {
                *at <= now.mono && self.missed.held_off(!*quiet) <= now.mono
            };
            let Some((quiet, _, id)) = all.filter(may).min() else { return };
            self.missed.due.insert(id, later);
            let Some(entry) = self.topics.get(id) else { continue };
            // What fills a hole is there whether or not a line is.
            if !entry.is_wanted() || !has_hole(entry) && !self.is_carried(id, entry) {
                // When that changes it is looked at again.
                self.missed.due.remove(&id);
                continue;
            }
            let by_ids = entry.sequence.held() > 0 && !has_hole(entry);
            if by_ids || self.fallback.polls(id) || self.fetches.is_out(id, is_poll) {
                // A hole tells what to ask for, and what is polled is asked for in its turn.
                continue;
            }
            // Holes, books and polls need the budget more.
            let left = if has_hole(entry) { self.reserve() } else { self.gate.weight.limit() / 2 };
            let after = entry.poll_after();
            match self.send_fetch(now, id, Fetch::Poll { after }, left) {
                Ok(fetch) => {
                    self.missed.asked.insert(fetch);
                    self.expect_word(id, fetch);
                }
                Err(NotNow::Never) => drop(self.missed.due.remove(&id)),
                Err(NotNow::Until(until)) => {
                    self.missed.due.insert(id, now.mono);
                    // Looked at again soon: it may be lifted by hand.
                    let until = until.min(later);
                    if !quiet {
                        self.missed.awaited_not_before = until;
                        continue;
                    }
                    self.missed.not_before = until;
                    return;
                }
            }
        }
    }

    /// When the next one is due.
    pub(super) fn missed_deadline(&self) -> Option<Mono> {
        let full = self.fetches.count(is_poll) >= IN_FLIGHT;
        let held_off = |id| self.missed.held_off(self.is_waited_for(id));
        let all = self.missed.due.iter().map(|(id, at)| (*at).max(held_off(*id)));
        all.min().filter(|_| !full && !self.stopping)
    }

    /// News of a topic has come, in answer to a request of its own.
    pub(super) fn missed_came(&mut self, now: Time, id: TopicId, fetch: FetchId, decoded: Decoded) {
        let reach = Reach::of(&decoded.items);
        self.take_reply(now, id, Source::Repair, decoded);
        self.heard_of(now, id, fetch, reach);
        if !reach.whole {
            // There is more than one reply holds.
            self.missed.due.entry(id).and_modify(|at| *at = now.mono);
        }
    }

    /// An answer has come that tells, if it is whole, all there was to be missed.
    pub(super) fn heard_of(&mut self, now: Time, id: TopicId, fetch: FetchId, reach: Reach) {
        self.settle_newest(now, id, reach.newest);
        self.look_again(now, id, self.config.timing.repair_after);
        if self.missed.telling.get(&id) != Some(&fetch) {
            return;
        }
        self.missed.telling.remove(&id);
        if let Some(entry) = self.topics.get_mut(id).filter(|_| reach.whole) {
            entry.caught_up = true;
            self.missed.due.remove(&id);
            self.note_service(now, id);
        }
    }
}

/// Whether a topic waits for missed events that cannot be asked for by their ids.
fn has_hole(entry: &Entry) -> bool {
    entry.past == Past::Newest && entry.sequence.held() > 0
}

/// Whether nobody has told yet what a topic missed.
fn is_open(entry: &Entry) -> bool {
    entry.sequencing == Sequencing::Contiguous && entry.outage && !entry.caught_up
}
