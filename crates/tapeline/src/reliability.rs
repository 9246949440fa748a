//! Figures of reliability, and the record that they come from.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tapeline_core::feed::Records;
use tapeline_core::policy::uptime::{Faults, Report, Tolerance, Totals};
use tapeline_core::time::Mono;

use crate::hub::Hub;
use crate::journal::Event;
use crate::order::Order;

/// Availability, repair and detection, by the definitions of `docs/reliability.md`.
#[derive(Debug, Clone, Serialize)]
pub struct Reliability {
    /// All topics of all venues together.
    #[serde(flatten)]
    pub report: Report,
    /// How well faults were borne.
    pub tolerance: Tolerance,
    /// Each venue.
    pub venues: Vec<VenueReliability>,
}

/// The figures of one venue.
#[derive(Debug, Clone, Serialize)]
pub struct VenueReliability {
    /// Its id.
    pub venue: String,
    /// All its topics together.
    #[serde(flatten)]
    pub report: Report,
    /// How well faults were borne.
    pub tolerance: Tolerance,
    /// Each topic, as far as the records at hand reach.
    pub topics: Vec<TopicReliability>,
}

/// The figures of one topic.
#[derive(Debug, Clone, Serialize)]
pub struct TopicReliability {
    /// Which.
    pub topic: Box<str>,
    /// Its figures.
    #[serde(flatten)]
    pub report: Report,
}

impl Hub {
    /// The figures of the latest `window`; `None` = since the start.
    pub async fn reliability(&self, window: Option<Duration>) -> Reliability {
        let now = self.now().mono;
        let (mut all, mut faults, mut longest) = (Totals::default(), Faults::default(), Duration::ZERO);
        let mut venues = Vec::new();
        for venue in self.running() {
            // A venue that has gone meanwhile has no figures any more.
            let Ok(records) = self.ask(&venue, |reply| Order::Records { reply }).await else { continue };
            let (totals, covered) = records.log().totals(now, window);
            let own = records.faults(now, window);
            all.merge(&totals);
            faults.merge(own);
            longest = longest.max(covered);
            venues.push(of_venue(venue, &records, (totals, covered, own), now, window));
        }
        let (report, tolerance) = (Report::new(&all, window, longest), Tolerance::new(faults, &all));
        Reliability { report, tolerance, venues }
    }

    /// What changed after the record with the number `seq`, oldest first, at most `most` records; those that are no
    /// longer at hand are left out.
    pub fn events(&self, seq: u64, most: usize) -> Vec<Arc<Event>> {
        self.journal().after(seq, most)
    }

    /// The number of the newest record.
    pub fn newest_event(&self) -> u64 {
        self.journal().newest()
    }
}

fn of_venue(
    venue: String,
    records: &Records,
    (totals, covered, faults): (Totals, Duration, Faults),
    now: Mono,
    window: Option<Duration>,
) -> VenueReliability {
    let topics = records.log().reports_by_entity(now, window);
    let topics = topics.into_iter().map(|(topic, report)| TopicReliability { topic, report }).collect();
    let (report, tolerance) = (Report::new(&totals, window, covered), Tolerance::new(faults, &totals));
    VenueReliability { venue, report, tolerance, topics }
}
