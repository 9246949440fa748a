//! What must survive a crash of the feed: the wishes, the last ids, the gate.

use crate::data::channel::Delivery;
use crate::data::ledger::{Counts, Ledger};
use crate::data::sequence::Declared;
use crate::data::topic::{Pattern, Topic};
use crate::defect::{Defect, planted};
use crate::outbox::Subscriber;
use crate::time::{Mono, Time, Unix};
use crate::venue::Sequencing;

use super::Feed;
use super::events::{Events, Record};
use super::gate::Gate;
use super::kept::Kept;
use super::quarantine::{Over, Quarantine};
use super::service::Records;
use super::topics::Seen;
use crate::policy::backoff::Failures;
use crate::policy::ladder::Ladder;
use crate::policy::uptime::State;

/// What must survive a crash of the feed. Everything else can be rebuilt.
#[derive(Debug, Default)]
pub struct Memory {
    pub(super) subscriptions: Vec<(Topic, Delivery, Subscriber)>,
    pub(super) patterns: Vec<(Pattern, Option<Delivery>, Subscriber)>,
    /// The last id of each topic with contiguous ids, so that what is lost meanwhile is seen, and the venue's time of
    /// what was told, so that a line that is behind is not taken for a venue that has started over.
    pub(super) last: Vec<(Topic, u64, Option<Unix>)>,
    /// What was declared missing and may still come.
    pub(super) declared: Vec<(Topic, Declared)>,
    pub(super) gate: Option<Gate>,
    /// The ledgers, and what those of topics that are gone sum up to.
    pub(super) ledgers: Vec<(Topic, Ledger)>,
    pub(super) closed_ledgers: Counts,
    /// How the topics were served.
    pub(super) records: Option<Records>,
    /// Those that were not at rest, how they were served, and when their next message was due.
    pub(super) served: Vec<(Topic, State, Option<Mono>)>,
    /// What a process before this one has used up of the limits.
    pub(super) kept: Option<Kept>,
    /// What changed and why.
    pub(super) events: Option<Events>,
    /// What an operator ordered of the source of the data, and how returns to it went.
    pub(super) ladder: Option<Ladder>,
    /// What each line's service had not yet made good.
    pub(super) failures: Vec<(u8, u32, Failures)>,
    /// Topics over which it panicked.
    pub(super) quarantine: Quarantine,
    /// The topic that was being handled.
    pub(super) in_hand: Option<Topic>,
}

impl Memory {
    /// How many subscriptions are remembered.
    pub fn subscriptions(&self) -> usize {
        self.subscriptions.len()
    }

    /// How the topics were served.
    pub const fn records(&self) -> Option<&Records> {
        self.records.as_ref()
    }

    /// The records of what changed after `seq`, oldest first.
    pub fn records_after(&self, seq: u64) -> impl Iterator<Item = &Record> {
        self.events.iter().flat_map(move |events| events.after(seq))
    }

    /// The feed has crashed: nothing is served until its successor does.
    pub fn crashed(&mut self, now: Time) {
        if let Some(topic) = self.in_hand.take() {
            self.quarantine.panicked(now.mono, &topic, Over::Content);
        }
        for (topic, state, due) in &mut self.served {
            let from = std::mem::replace(state, State::Down);
            let (Some(records), Some(events)) = (&mut self.records, &mut self.events) else { return };
            if from != State::Down {
                let since = due.unwrap_or(now.mono).min(now.mono);
                records.append(now, events, topic.as_str(), (from, State::Down), since, "the feed crashed");
            }
        }
    }

    /// What is left when nobody is served any more and an operator begins anew: the wishes are gone, the limits are
    /// not. With `forgiven`, breakers and holds are.
    #[must_use]
    pub fn without_wishes(mut self, now: Mono, forgiven: bool) -> Self {
        if let Some(gate) = self.gate.as_mut().filter(|_| forgiven) {
            gate.reset(now);
        }
        if let Some(ladder) = self.ladder.as_mut().filter(|_| forgiven) {
            ladder.forgive();
        }
        self.quarantine.lift(now, forgiven);
        Self {
            subscriptions: Vec::new(),
            patterns: Vec::new(),
            last: Vec::new(),
            declared: Vec::new(),
            failures: Vec::new(),
            ..self
        }
    }

    /// The subscribers remembered, each once.
    pub fn subscribers(&self) -> Vec<Subscriber> {
        let mut all: Vec<Subscriber> = self.subscriptions.iter().map(|(_, _, who)| who.clone()).collect();
        all.extend(self.patterns.iter().map(|(_, _, who)| who.clone()));
        all.sort_by_key(Subscriber::id);
        all.dedup_by_key(|who| who.id());
        all
    }
}

impl Feed {
    /// What must survive. Reads only plain tables, so that it works after a panic elsewhere.
    pub fn into_memory(mut self) -> Memory {
        // What was sequenced is delivered: the successor goes on behind it.
        self.readers.flush();
        if let Some(memory) = self.memory {
            return Memory { gate: memory.gate.or(Some(self.gate)), quarantine: self.quarantine, ..memory };
        }
        let failures_of = |line: &super::line::Line| {
            let mut failures = line.failures.clone();
            if line.is_live() {
                // It served until its last message; what follows is our own doing.
                failures.interrupted(line.last_frame, &self.backoff);
            }
            (line.group, line.id.slot, failures)
        };
        let failures = self.lines.iter().map(failures_of).collect();
        let closed_ledgers = self.closed_ledgers;
        let (records, events) = (Some(self.records), Some(self.events));
        let (gate, ladder) = (Some(self.gate), Some(self.fallback.ladder));
        let quarantine = self.quarantine;
        let in_hand = self.in_hand.and_then(|id| Some(self.topics.get(id)?.topic.clone()));
        let mut memory =
            Memory { gate, ladder, failures, closed_ledgers, records, events, ..Memory::default() };
        (memory.quarantine, memory.in_hand) = (quarantine, in_hand);
        for (id, entry) in self.topics.iter() {
            if entry.served != State::None {
                let due = Self::message_due(&self.lines, &self.config.timing, entry, entry.served);
                memory.served.push((entry.topic.clone(), entry.served, due));
            }
            if let Some(seen) = &entry.seen {
                memory.ledgers.push((entry.topic.clone(), seen.ledger.clone()));
            }
            if entry.sequencing == Sequencing::Contiguous
                && let Some(last) = entry.sequence.last()
            {
                memory.last.push((entry.topic.clone(), last, entry.last_time()));
                memory.declared.extend(self.decoded.take_declared(id).map(|it| (entry.topic.clone(), it)));
            }
            for (slot, how) in &entry.readers {
                if planted(Defect::DropWantedOnRestart) {
                    continue;
                }
                if let Some(reader) = self.readers.get(*slot) {
                    memory.subscriptions.push((entry.topic.clone(), *how, reader.subscriber.clone()));
                }
            }
        }
        for (_, reader) in self.readers.iter() {
            for (pattern, how) in &reader.patterns {
                memory.patterns.push((pattern.clone(), *how, reader.subscriber.clone()));
            }
        }
        memory
    }

    pub(super) fn restore(&mut self, now: Time, memory: Memory) {
        self.old_failures = memory.failures;
        for (topic, last, time) in memory.last {
            // Topics without a reader are not wanted back; their ids are not either.
            if memory.subscriptions.iter().any(|(wanted, ..)| *wanted == topic) {
                // The venue offered it before; a refusal now is told when it is subscribed below.
                let Ok(id) = self.ensure(now, &topic, Some(last)) else { continue };
                if let Some(entry) = self.topics.get_mut(id) {
                    Seen::of(&mut entry.seen).renew(time);
                }
            }
        }
        for (pattern, how, who) in memory.patterns {
            self.subscribe_pattern(now, pattern, how, &who);
        }
        for (topic, how, who) in memory.subscriptions {
            if let Err(error) = self.subscribe(now, topic.clone(), how, None, &who) {
                self.events.record(now, topic.as_str(), ("wanted", "rejected"), &error.to_string());
            }
        }
        for (topic, declared) in memory.declared {
            if let Some(id) = self.topics.id(&topic) {
                self.decoded.redeclare(id, declared);
                self.want_repair(now, id, true);
            }
        }
        self.reopen_ledgers(memory.closed_ledgers, memory.ledgers);
        self.resume_service(now, memory.served);
    }
}
