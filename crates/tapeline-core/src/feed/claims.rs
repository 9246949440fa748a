//! What one of several lines tells alone, and what follows refutes: ids far ahead that are never reached, while what
//! lies before them goes on; ids that start over on one line while they go on on another. A line that lies changes
//! nothing for those who read.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::data::update::Data;
use crate::time::{Mono, Time, Unix};
use crate::venue::{Sequencing, TopicId};

use super::Feed;
use super::market::{Epochs, Origin};

/// For so long what one line tells may be borne out by another one, which may be behind.
const REMEMBERED: Duration = Duration::from_secs(60);

/// The word of one line that the venue has started its ids over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claim {
    slot: usize,
    at: Mono,
    /// The first id of those that start over.
    first: u64,
}

/// Claims that no other line has borne out yet.
#[derive(Debug, Default)]
pub(super) struct Claims(BTreeMap<TopicId, Claim>);

impl Claims {
    pub(super) fn forget(&mut self, topic: TopicId) {
        self.0.remove(&topic);
    }
}

impl Feed {
    /// An event tells that the venue has started its ids over.
    #[cold]
    pub(super) fn starts_over(
        &mut self,
        now: Time,
        from: Origin,
        topic: TopicId,
        id: u64,
        time: Option<Unix>,
        data: Option<Data>,
    ) {
        let contiguous =
            self.topics.get(topic).is_some_and(|entry| entry.sequencing == Sequencing::Contiguous);
        let first = match from.slot {
            Some(slot) if contiguous => self.believes_restart(now, slot as usize, topic, id),
            _ => Some(id),
        };
        let Some(first) = first else { return self.again(now, from, topic, id, time, data) };
        self.restart(now, topic);
        if let Some(entry) = self.topics.get_mut(topic).filter(|_| first < id) {
            // What was not believed at first is missed now, and asked for.
            entry.sequence.restart(first.saturating_sub(1));
            entry.begin_epoch(Epochs(&mut self.rng).draw());
        }
        self.market(now, from, topic, id, time, data);
    }

    /// The venue has started its ids over: what was held back is settled in the epoch that ends.
    #[cold]
    fn restart(&mut self, now: Time, topic: TopicId) {
        while self.topics.get(topic).is_some_and(|entry| entry.sequence.held() > 0) {
            self.declare(now, topic);
        }
        // What is asked for bears the ids of before, and what is answered may.
        self.repairs.forget(topic);
        self.missed.interrupt(topic);
        self.fetches.forget(topic);
        let Some(entry) = self.topics.get_mut(topic) else { return };
        self.events.record(now, entry.topic.as_str(), ("live", "live"), "the venue has started its ids over");
        entry.start_over(now.mono);
        self.decoded.restart(topic);
    }

    /// A line tells that the ids of a topic start over at `id`. It is believed at once where no other line could know
    /// better, with the second line that tells it, and where nothing else has come since it was told first. The first id
    /// of which it was told then; `None` if it is not believed yet.
    #[cold]
    pub(super) fn believes_restart(
        &mut self,
        now: Time,
        slot: usize,
        topic: TopicId,
        id: u64,
    ) -> Option<u64> {
        if !self.is_covered(topic, slot) {
            self.claims.forget(topic);
            return Some(id);
        }
        let new = Claim { slot, at: now.mono, first: id };
        let held = self.claims.0.entry(topic).or_insert(new);
        if now.mono.since(held.at) >= REMEMBERED {
            *held = new;
        }
        let claim = *held;
        let went_on =
            self.topics.get(topic).and_then(|entry| entry.last_at()).is_some_and(|at| at.mono > claim.at);
        let waited = now.mono.since(claim.at) >= self.config.timing.reorder_within;
        if claim.slot == slot && (went_on || !waited) {
            if went_on && waited {
                // What it told first was refuted.
                self.claims.0.insert(topic, new);
            }
            return None;
        }
        self.claims.forget(topic);
        Some(if claim.slot == slot { claim.first } else { claim.first.min(id) })
    }

    /// Drops what is held back behind a hole if all of it came before the last event that fitted: whoever brought it has
    /// gone on below it since. Whether it did. Should it be true nevertheless, it is missed later, and asked for.
    pub(super) fn drop_refuted(&mut self, now: Time, topic: TopicId) -> bool {
        let Some(entry) = self.topics.get_mut(topic) else { return false };
        let Some(dropped) = entry.sequence.drop_refuted() else { return false };
        self.holes.remove(&topic);
        if entry.shown_missing {
            entry.outage = false;
        }
        let cause = format!("{dropped} is not believed: what comes goes on far below");
        self.events.record(now, entry.topic.as_str(), ("live", "live"), &cause);
        self.tell_topic(now, topic);
        true
    }
}
