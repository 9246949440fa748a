//! How each topic is served, for the log from which reliability is computed: full from a line, any by polling, down,
//! or none while nobody wants it. Faults of lines are counted beside it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::config::Timing;
use crate::data::event::BookState;
use crate::data::topic::Topic;
use crate::defect::{Defect, planted};
use crate::policy::ladder::Rung;
use crate::policy::uptime::{Faults, Log, State};
use crate::time::{Mono, Time};
use crate::venue::TopicId;

use super::Feed;
use super::events::Events;
use super::line::Line;
use super::quarantine::QUARANTINED;
use super::topics::{self, Entry};

/// Transitions at hand; the sums of those before are kept.
const RECORDS: usize = 4_096;
/// Faults of lines at hand.
const FAULTS: usize = 4_096;

/// What is kept of how the topics of a feed are served.
#[derive(Debug, Clone)]
pub struct Records {
    log: Log,
    faults: VecDeque<(Mono, bool)>,
    /// Those that are no longer at hand.
    older: Faults,
}

impl Records {
    pub(super) fn new(now: Mono) -> Self {
        Self { log: Log::new(now, RECORDS), faults: VecDeque::new(), older: Faults::default() }
    }

    /// The log of transitions.
    pub const fn log(&self) -> &Log {
        &self.log
    }

    /// The faults of the latest `window`, as far as they are at hand; `None` = since the start.
    pub fn faults(&self, now: Mono, window: Option<Duration>) -> Faults {
        let mut sum = if window.is_some() { Faults::default() } else { self.older };
        let inside = |at: Mono| window.is_none_or(|window| now.since(at) <= window);
        self.faults.iter().filter(|(at, _)| inside(*at)).for_each(|(_, felt)| sum.merge(fault(*felt)));
        sum
    }

    /// One transition: for the figures, and for whoever reads what changed.
    pub(super) fn append(
        &mut self,
        now: Time,
        events: &mut Events,
        topic: &str,
        (from, to): (State, State),
        since: Mono,
        cause: &str,
    ) {
        let since = self.log.append(now.mono, topic, (from, to), since, cause).since;
        events.service(now, topic, (from.name(), to.name()), since, cause);
    }

    fn add_fault(&mut self, now: Mono, felt: bool) {
        if self.faults.len() >= FAULTS
            && let Some((_, felt)) = self.faults.pop_front()
        {
            self.older.merge(fault(felt));
        }
        self.faults.push_back((now, felt));
    }
}

fn fault(felt: bool) -> Faults {
    Faults { lines: 1, felt: u64::from(felt) }
}

/// Topics that are wanted and were never served, since when.
pub(super) type Unserved = BTreeMap<TopicId, Mono>;

impl Feed {
    /// How the topics are served, and were.
    pub const fn records(&self) -> &Records {
        &self.records
    }

    /// Takes in how a topic is served now: one record per transition.
    pub(super) fn note_service(&mut self, now: Time, id: TopicId) {
        let Some(entry) = self.topics.get(id) else { return };
        let (from, to) = (entry.served, self.state_of(entry));
        if from == to {
            self.unserved.remove(&id);
            return;
        }
        if (from, to) == (State::None, State::Down) {
            // Nothing was promised before it first came, unless that takes too long.
            let since = *self.unserved.entry(id).or_insert(now.mono);
            if now.mono.since(since) < self.config.timing.dial_within {
                return;
            }
        }
        self.unserved.remove(&id);
        let since = match (from, to) {
            _ if planted(Defect::OutageFromNotice) => now.mono,
            (_, State::Down) | (State::Full, State::Any) => self.overdue_since(now, entry, from),
            // What ends an outage ends it now, also where that is polling.
            _ => now.mono,
        };
        let cause = self.cause_of(entry, to);
        let topic = entry.topic.clone();
        self.tell_transition(now, topic.as_str(), (from, to), since, &cause);
        if let Some(entry) = self.topics.get_mut(id) {
            entry.served = to;
        }
    }

    fn tell_transition(&mut self, now: Time, topic: &str, change: (State, State), since: Mono, cause: &str) {
        self.records.append(now, &mut self.events, topic, change, since, cause);
    }

    /// A predecessor's topics: those that are back go on as they were, the others are not wanted any more.
    pub(super) fn resume_service(&mut self, now: Time, served: Vec<(Topic, State, Option<Mono>)>) {
        for (topic, state, _) in served {
            let id = self.topics.id(&topic);
            match id.and_then(|id| self.topics.get_mut(id)) {
                Some(entry) => entry.served = state,
                None => self.tell_transition(
                    now,
                    topic.as_str(),
                    (state, State::None),
                    now.mono,
                    "nobody wants it",
                ),
            }
            if let Some(id) = id {
                self.note_service(now, id);
            }
        }
    }

    /// A topic is gone.
    pub(super) fn end_service(&mut self, now: Time, id: TopicId, entry: &Entry) {
        self.unserved.remove(&id);
        if entry.served != State::None {
            self.tell_transition(now, entry.topic.as_str(), (entry.served, State::None), now.mono, "dropped");
        }
    }

    /// Topics that nobody has been able to serve since they were asked for.
    pub(super) fn look_at_unserved(&mut self, now: Time) {
        let patience = self.config.timing.dial_within;
        let due = self.unserved.iter().filter(|(_, since)| now.mono.since(**since) >= patience);
        let due: Vec<TopicId> = due.map(|(id, _)| *id).collect();
        due.into_iter().for_each(|id| self.note_service(now, id));
    }

    /// A line that was open is lost: whether that is felt, which the record of its next phase says too.
    pub(super) fn count_fault(&mut self, now: Time, slot: usize) {
        let felt = |(_, id): (_, TopicId)| {
            let wanted = self.topics.get(id).is_some_and(Entry::is_wanted);
            wanted && !self.is_covered(id, slot)
        };
        let felt = self.lines[slot].wishes.iter().any(felt);
        self.lines[slot].felt = Some(felt);
        self.records.add_fault(now.mono, felt);
    }

    fn state_of(&self, entry: &Entry) -> State {
        if !entry.is_wanted() || self.stopping {
            return State::None;
        }
        if entry.service.phase == QUARANTINED {
            return State::Down;
        }
        if entry.carriers.is_empty() {
            return State::None;
        }
        let rung = self.fallback.ladder.rung();
        let is_right = match &entry.state {
            topics::State::Book(book) => book.state() == BookState::Live && !entry.doubted,
            // It was cut from a book that is not right any more.
            topics::State::Depth(Some(held)) if held.state == BookState::Stale => false,
            _ if planted(Defect::OutageToReconnect) => true,
            _ => !entry.outage || entry.caught_up && entry.sequence.held() == 0,
        };
        if is_right && self.is_served(entry) {
            return if rung.streams() { State::Full } else { State::Any };
        }
        let shown = entry.shown().is_none_or(|shown| shown.state == BookState::Live);
        let polled = entry.polled || entry.shown().is_some();
        if polled && shown && rung == Rung::Poll && entry.sequence.held() == 0 {
            State::Any
        } else {
            State::Down
        }
    }

    /// Whether a line that is proven and not doubted carries a topic.
    fn is_served(&self, entry: &Entry) -> bool {
        let live = self.speaker(entry).and_then(|slot| self.lines[slot].live());
        live.is_some_and(|live| live.doubt.is_none() && live.proven.is_some())
    }

    /// Since when the next message of a topic has been overdue.
    fn overdue_since(&self, now: Time, entry: &Entry, from: State) -> Mono {
        // What nobody served has no rhythm; and where the line is well, it is the data that broke just now.
        let at_once = from == State::None || from != State::Any && self.is_served(entry);
        let due =
            if at_once { None } else { Self::message_due(&self.lines, &self.config.timing, entry, from) };
        due.unwrap_or(now.mono).min(now.mono)
    }

    /// When the next message of a topic that is served like this is or was due.
    pub(super) fn message_due(lines: &[Line], timing: &Timing, entry: &Entry, served: State) -> Option<Mono> {
        if served == State::Any {
            // It is polled: the next poll is.
            return entry.last_at().map(|at| at.mono + timing.poll_every);
        }
        let proven = |slot: &usize| lines[*slot].live().is_none_or(|live| live.proven.is_some());
        let due = |slot: usize| {
            let (last, expected) = lines[slot].rhythm(timing.silent_max);
            last + expected
        };
        entry.carriers.iter().filter(proven).map(due).max()
    }

    /// A line that was silent for `unheard` speaks, and nobody has doubted it: it is we who did not run, or did not
    /// read. That is nobody's fault but ours, and an outage all the same.
    #[cold]
    pub(super) fn note_unread(&mut self, now: Time, slot: usize, unheard: Duration) {
        let timing = &self.config.timing;
        let line = &self.lines[slot];
        let unread = line.unread.is_some() || unheard >= line.silent_after(timing);
        let proven = line.live().is_some_and(|live| live.proven.is_some());
        let silent = |slot: usize| {
            let line = &self.lines[slot];
            now.mono.since(line.rhythm(timing.silent_max).0) >= line.silent_after(timing)
        };
        let felt = |id: &TopicId| {
            let entry = self.topics.get(*id);
            entry.is_some_and(|entry| entry.served == State::Full && entry.carriers.iter().all(silent))
        };
        let topics = line.wishes.iter().map(|(_, id)| id).filter(|_| unread && proven).filter(felt);
        let topics: Vec<TopicId> = topics.collect();
        for id in topics {
            let Some(entry) = self.topics.get(id) else { continue };
            let due = Self::message_due(&self.lines, &self.config.timing, entry, State::Full);
            let (topic, since) = (entry.topic.clone(), due.unwrap_or(now.mono).min(now.mono));
            let cause = "we did not run, or did not read";
            self.tell_transition(now, topic.as_str(), (State::Full, State::Down), since, cause);
            if let Some(entry) = self.topics.get_mut(id) {
                entry.served = State::Down;
            }
            self.note_service(now, id);
        }
        self.lines[slot].unread = None;
    }

    fn cause_of(&self, entry: &Entry, to: State) -> String {
        let fault = |slot: usize| self.lines[slot].fault.as_ref().map(|(_, detail)| detail.to_string());
        let line = self.speaker(entry);
        match to {
            State::None => "nobody wants it, or nobody may have it".to_owned(),
            State::Full => "a line serves it".to_owned(),
            State::Any => format!("polling: {}", self.fallback.ladder.reason().text()),
            State::Down if entry.service.phase == QUARANTINED => entry.service.reason.to_string(),
            State::Down if self.is_served(entry) && entry.outage => "what was missed is awaited".to_owned(),
            State::Down if self.is_served(entry) => "the book is being synchronised".to_owned(),
            State::Down if line.is_some_and(|slot| self.lines[slot].is_doubted()) => {
                "the line is silent".to_owned()
            }
            State::Down => line.and_then(fault).unwrap_or_else(|| "no line serves it".to_owned()),
        }
    }
}
