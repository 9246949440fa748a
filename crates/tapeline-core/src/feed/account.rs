//! The completeness ledgers of a feed: each topic's own, and what they sum up to.

use serde::Serialize;

use crate::data::ledger::{Counts, Ledger, Reading};
use crate::data::topic::Topic;
use crate::data::update::Source;
use crate::defect::{Defect, planted};
use crate::time::Time;
use crate::venue::Sequencing;

use super::Feed;
use super::topics::{Entry, Seen};

/// What was expected of a venue, and what came of it.
#[derive(Debug, Clone, Serialize)]
pub struct FeedLedger {
    /// The venue's id.
    pub venue: &'static str,
    /// Everything since the start, topics that are gone included.
    pub total: Counts,
    /// The share of what was expected that is here; none if nothing could be expected.
    pub completeness: Option<f64>,
    /// Each topic of which something came.
    pub topics: Vec<TopicLedger>,
}

/// What was expected of a topic, and what came of it.
#[derive(Debug, Clone, Serialize)]
pub struct TopicLedger {
    /// Which.
    pub topic: Topic,
    /// Whether the venue's ids tell what is missing.
    pub verifiable: bool,
    /// The share of what was expected that is here; none if nothing could be expected.
    pub completeness: Option<f64>,
    /// Its ledger.
    #[serde(flatten)]
    pub reading: Reading,
}

impl Entry {
    /// An event has passed the sequence.
    pub(super) fn enter(&mut self, now: Time, source: Source) {
        Seen::of(&mut self.seen).enter(now, self.sequencing, source);
    }
}

impl Seen {
    /// An event has passed the sequence.
    #[inline(always)]
    pub(super) fn enter(&mut self, now: Time, sequencing: Sequencing, source: Source) {
        match (sequencing, source) {
            (Sequencing::Contiguous, Source::Repair) if !planted(Defect::FetchedAsReceived) => {
                self.ledger.repaired(now, 1);
            }
            (Sequencing::Contiguous, _) => self.ledger.received(now, 1),
            _ => self.ledger.unverifiable(now, 1),
        }
    }
}

impl Feed {
    /// The ledger of one topic, or of all.
    pub fn ledger(&self, only: Option<&Topic>) -> FeedLedger {
        self.read_ledgers(only, Ledger::read)
    }

    /// The ledgers of all topics without their minutes, of which a thousand topics have too many to be told often.
    pub fn ledger_in_all(&self) -> FeedLedger {
        self.read_ledgers(None, |ledger| Reading { total: ledger.total(), minutes: Vec::new() })
    }

    fn read_ledgers(&self, only: Option<&Topic>, read: impl Fn(&Ledger) -> Reading) -> FeedLedger {
        let only = only.map(|topic| self.venue.canonical(topic.clone()).unwrap_or_else(|_| topic.clone()));
        let mut total = self.closed_ledgers;
        let mut topics = Vec::new();
        for (_, entry) in self.topics.iter() {
            let Some(seen) = &entry.seen else { continue };
            total += seen.ledger.total();
            if only.as_ref().is_none_or(|only| *only == entry.topic) {
                let reading = read(&seen.ledger);
                topics.push(TopicLedger {
                    topic: entry.topic.clone(),
                    verifiable: matches!(entry.sequencing, Sequencing::Contiguous | Sequencing::Book),
                    completeness: reading.total.completeness(),
                    reading,
                });
            }
        }
        FeedLedger { venue: self.venue.profile().id, total, completeness: total.completeness(), topics }
    }

    /// A topic is gone; what its ledger sums up to stays.
    pub(super) fn close_ledger(&mut self, entry: &Entry) {
        if let Some(seen) = &entry.seen {
            self.closed_ledgers += seen.ledger.total();
        }
    }

    /// A predecessor's ledgers are gone on with.
    pub(super) fn reopen_ledgers(&mut self, closed: Counts, ledgers: Vec<(Topic, Ledger)>) {
        self.closed_ledgers += closed;
        for (topic, ledger) in ledgers {
            match self.topics.id(&topic).and_then(|id| self.topics.get_mut(id)) {
                Some(entry) => Seen::of(&mut entry.seen).ledger = ledger,
                None => self.closed_ledgers += ledger.total(),
            }
        }
    }
}
