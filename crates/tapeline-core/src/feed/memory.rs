//! What must survive a crash of the feed: the wishes, the last ids, the gate.

use crate::data::channel::Delivery;
use crate::data::ledger::{Counts, Ledger};
use crate::data::topic::{Pattern, Topic};
use crate::defect::{Defect, planted};
use crate::outbox::Subscriber;
use crate::time::Time;
use crate::venue::Sequencing;

use super::Feed;
use super::gate::Gate;
use crate::policy::backoff::Failures;

/// What must survive a crash of the feed. Everything else can be rebuilt.
#[derive(Debug, Default)]
pub struct Memory {
    pub(super) subscriptions: Vec<(Topic, Delivery, Subscriber)>,
    pub(super) patterns: Vec<(Pattern, Option<Delivery>, Subscriber)>,
    /// The last id of each topic with contiguous ids, so that what is lost meanwhile is seen.
    pub(super) last: Vec<(Topic, u64)>,
    pub(super) gate: Option<Gate>,
    /// The ledgers, and what those of topics that are gone sum up to.
    pub(super) ledgers: Vec<(Topic, Ledger)>,
    pub(super) closed_ledgers: Counts,
    /// What each line's service had not yet made good.
    pub(super) failures: Vec<(u8, u32, Failures)>,
}

impl Memory {
    /// How many subscriptions are remembered.
    pub fn subscriptions(&self) -> usize {
        self.subscriptions.len()
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
            return Memory { gate: memory.gate.or(Some(self.gate)), ..memory };
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
        let mut memory = Memory { gate: Some(self.gate), failures, closed_ledgers, ..Memory::default() };
        for (_, entry) in self.topics.iter() {
            if let Some(seen) = &entry.seen {
                memory.ledgers.push((entry.topic.clone(), seen.ledger.clone()));
            }
            if entry.sequencing == Sequencing::Contiguous
                && let Some(last) = entry.sequence.last()
            {
                memory.last.push((entry.topic.clone(), last));
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
        for (topic, last) in memory.last {
            // Topics without a reader are not wanted back; their ids are not either.
            if memory.subscriptions.iter().any(|(wanted, ..)| *wanted == topic) {
                // The venue offered it before; a refusal now is told when it is subscribed below.
                let _ = self.ensure(now, &topic, Some(last));
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
        self.reopen_ledgers(memory.closed_ledgers, memory.ledgers);
    }
}
