//! One reading of the hub for everybody who asks at that time, and what it says of the whole.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tapeline::{Hub, Level, ProcessStatus, Status, VenueStatus};
use tapeline_core::feed::{EndpointStatus, TopicStatus};
use tapeline_core::outbox::SubscriberId;
use tapeline_core::policy::health::of_all;
use tapeline_core::time::Unix;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::stream::{Audience, OWN};

/// A hub that takes longer to tell how it is will not tell.
const WITHIN: Duration = Duration::from_secs(2);

/// The latest reading. Whoever asks gets one that began after the question; those who ask while one is being
/// made share the next, so that however many ask, the feeds are asked one at a time.
#[derive(Debug, Default)]
pub(crate) struct Readings {
    latest: Mutex<Option<(Instant, Arc<Status>)>>,
    breakers: std::sync::Mutex<Breakers>,
}

/// Since when breakers are closed, or are not. A breaker remembers when it opened, but not when it closed: so that
/// is the first reading that finds it closed again.
#[derive(Debug, Default)]
struct Breakers(BTreeMap<String, (bool, Unix)>);

impl Breakers {
    /// A moment is computed from two clocks, so it comes out a little different each time.
    const SAME: u64 = 100_000_000;

    fn look(&mut self, now: Unix, id: String, open_since: Option<Unix>) {
        match (self.0.get_mut(&id), open_since) {
            // As long as it was never seen otherwise, it has been closed for ever.
            (None, None) => {}
            (None, Some(since)) => {
                self.0.insert(id, (true, since));
            }
            (Some((true, known)), Some(since)) if known.0.abs_diff(since.0) <= Self::SAME => {}
            (Some(known), Some(since)) => *known = (true, since),
            (Some((open @ true, known)), None) => (*open, *known) = (false, now),
            (Some((false, _)), None) => {}
        }
    }
}

/// What a breaker is called.
pub(crate) fn breaker_id(venue: &str, endpoint: &EndpointStatus) -> String {
    format!("{venue}/{}/{}", endpoint.protocol, endpoint.origin)
}

impl Readings {
    /// A fresh reading; `None` if the hub does not answer in time.
    pub(crate) async fn fresh(&self, hub: &Hub) -> Option<Arc<Status>> {
        let asked = Instant::now();
        let mut latest = timeout(WITHIN * 2, self.latest.lock()).await.ok()?;
        if let Some((begun, status)) = &*latest
            && *begun > asked
        {
            return Some(Arc::clone(status));
        }
        let begun = Instant::now();
        let status = Arc::new(timeout(WITHIN, hub.status()).await.ok()?);
        *latest = Some((begun, Arc::clone(&status)));
        drop(latest);
        let mut breakers = self.breakers();
        for feed in status.venues.iter().filter_map(|venue| venue.feed.as_ref()) {
            for endpoint in &feed.endpoints {
                breakers.look(wall(), breaker_id(feed.venue, endpoint), endpoint.open_since);
            }
        }
        drop(breakers);
        Some(status)
    }

    /// Since when a breaker is closed or is not; `None` = it was never seen otherwise than closed.
    pub(crate) fn breaker_since(&self, id: &str) -> Option<Unix> {
        self.breakers().0.get(id).map(|(_, since)| *since)
    }

    fn breakers(&self) -> std::sync::MutexGuard<'_, Breakers> {
        self.breakers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The subscribers through which the network clients read.
pub(crate) fn own(status: &Status) -> BTreeSet<SubscriberId> {
    let feeds = status.venues.iter().filter_map(|venue| venue.feed.as_ref());
    feeds.flat_map(|feed| &feed.subscribers).filter(|one| one.name == OWN).map(|one| one.id).collect()
}

/// How many read anything at all: subscribers inside the process, and clients over the network.
pub(crate) fn subscribers(status: &Status, audience: &Audience) -> usize {
    let feeds = status.venues.iter().filter_map(|venue| venue.feed.as_ref());
    // One that reads several venues is in the list of each.
    let inside: BTreeSet<SubscriberId> =
        feeds.flat_map(|feed| &feed.subscribers).filter(|one| one.name != OWN).map(|one| one.id).collect();
    inside.len() + audience.clients
}

/// How well everything does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Whole {
    /// How well.
    pub(crate) level: Level,
    /// Since when the worst of them, a venue or the process itself, does as it does.
    pub(crate) since: Unix,
    /// Why, for people; empty if healthy.
    pub(crate) reasons: Vec<String>,
}

impl Whole {
    /// What a reading says; a topic weighs as much as it has readers. `started` stands where nothing runs yet.
    pub(crate) fn of(status: &Status, audience: &Audience, started: Unix) -> Self {
        let feeds = status.venues.iter().filter_map(|venue| venue.feed.as_ref());
        // What a venue refuses is the affair of those who asked for it.
        let topics = feeds.flat_map(|feed| &feed.topics).filter(|topic| topic.phase != "rejected");
        let own = own(status);
        let inside = |topic: &TopicStatus| topic.subscribers.iter().filter(|id| !own.contains(id)).count();
        let parts = topics.map(|topic| (inside(topic) + audience.of(&topic.topic), topic.level));
        let worst = status.venues.iter().map(venue_level).max().unwrap_or_default();
        let process = &status.process;
        let down = status.venues.iter().any(is_down);
        let level = of_all(parts, [worst], down).max(process.level);
        let worst = worst.max(process.level);
        let venues = status.venues.iter().filter(|venue| venue_level(venue) == worst).filter_map(venue_since);
        let own = (process.level == worst && worst > Level::Healthy).then_some(process.since);
        let since = venues.chain(own).min();
        let reasons = process_reasons(process).chain(status.venues.iter().flat_map(venue_reasons)).collect();
        Self { level, since: since.unwrap_or(started), reasons }
    }

    /// Whether it is of use to anybody.
    pub(crate) fn serves(&self) -> bool {
        self.level < Level::Unhealthy
    }
}

/// Whether a venue has no feed: it has crashed too often.
pub(crate) const fn is_down(venue: &VenueStatus) -> bool {
    venue.halted || venue.feed.is_none()
}

/// How well a venue does.
pub(crate) fn venue_level(venue: &VenueStatus) -> Level {
    match &venue.feed {
        Some(feed) if !venue.halted => feed.level,
        _ => Level::Critical,
    }
}

/// Since when; not known of a venue without a feed.
pub(crate) fn venue_since(venue: &VenueStatus) -> Option<Unix> {
    venue.feed.as_ref().map(|feed| feed.since)
}

/// Why a level is shown of which nothing is left to be told: levels improve one at a time, each after a while.
pub(crate) const RECOVERING: &str = "recovering: nothing is wrong now; called healthy when that has lasted";

/// Why the process itself is not healthy, in words.
fn process_reasons(process: &ProcessStatus) -> impl Iterator<Item = String> {
    let recovers = process.reasons.is_empty() && process.level > Level::Healthy;
    let recovering = recovers.then(|| format!("process: {RECOVERING}"));
    process.reasons.iter().cloned().chain(recovering)
}

/// Why a venue is not healthy, in words.
pub(crate) fn venue_reasons(venue: &VenueStatus) -> Vec<String> {
    let name = &venue.venue;
    if is_down(venue) {
        return vec![format!("{name}: its feed has failed too often; reset it")];
    }
    let Some(feed) = &venue.feed else { return Vec::new() };
    if feed.reasons.is_empty() && feed.level != Level::Healthy {
        return vec![format!("{name}: {RECOVERING}")];
    }
    feed.reasons.iter().map(|reason| format!("{name}: {}", reason.detail)).collect()
}

/// Why a configured venue is not ready: something is wanted of it that no line carries, nor REST in a declared
/// fallback. A venue of which nothing is wanted is ready: nobody would come to a gateway that waits for somebody to
/// come.
pub(crate) fn not_ready(name: &str, known: &[String], status: &Status) -> Option<String> {
    if !known.iter().any(|venue| venue == name) {
        return Some(format!("{name}: no such venue is known"));
    }
    let venue = status.venues.iter().find(|venue| venue.venue == name)?;
    let Some(feed) = venue.feed.as_ref().filter(|_| !venue.halted) else {
        return Some(format!("{name}: its feed has failed too often; reset it"));
    };
    if ["poll", "partial"].contains(&feed.fallback.rung) {
        return None;
    }
    let lives = |group: &str| feed.lines.iter().any(|line| line.group == group && line.phase == "live");
    let wanted = feed.lines.iter().find(|line| line.wanted > 0 && !lives(line.group))?;
    let why = wanted.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
    Some(format!("{name}: line {} is {}{why}", wanted.id, wanted.phase))
}

/// The wall clock; a label only.
pub(crate) fn wall() -> Unix {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Unix(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(venues: Vec<VenueStatus>) -> Status {
        Status { venues, handlers: Vec::new(), process: ProcessStatus::default() }
    }

    fn down(venue: &str) -> VenueStatus {
        VenueStatus { venue: venue.to_owned(), restarts: 4, halted: true, feed: None }
    }

    #[test]
    fn nothing_that_runs_is_healthy_and_a_dead_feed_is_critical() {
        let nothing = said(Vec::new());
        let nobody = Audience::default();
        let whole = Whole::of(&nothing, &nobody, Unix(7));
        assert_eq!(whole, Whole { level: Level::Healthy, since: Unix(7), reasons: Vec::new() });
        let dead = said(vec![down("plain")]);
        let whole = Whole::of(&dead, &nobody, Unix(7));
        assert!(!whole.serves() && whole.reasons[0].contains("plain"), "{whole:?}");
    }

    #[test]
    fn what_the_process_runs_short_of_counts_with_its_reason() {
        let whole = |level, reasons: &[&str]| {
            let reasons = reasons.iter().map(|&why| why.to_owned()).collect();
            let process = ProcessStatus { level, since: Unix(9), reasons };
            Whole::of(&Status { process, ..said(Vec::new()) }, &Audience::default(), Unix(7))
        };
        let short = whole(Level::Critical, &["memory: 125 %"]);
        assert!(!short.serves() && short.since == Unix(9), "{short:?}");
        assert_eq!(short.reasons, ["memory: 125 %"]);
        let full = whole(Level::Degraded, &["disk: 0 MiB are free"]);
        assert!(full.serves() && full.reasons == ["disk: 0 MiB are free"], "{full:?}");
        assert!(whole(Level::Warning, &[]).reasons[0].starts_with("process: recovering"));
    }

    #[test]
    fn a_breaker_is_closed_since_it_was_seen_so_again() {
        let mut breakers = Breakers::default();
        let mut look = |now, open_since: Option<i64>| {
            breakers.look(Unix(now), "a".to_owned(), open_since.map(Unix));
            breakers.0.get("a").map(|(_, since)| since.0)
        };
        assert_eq!((look(1, None), look(5, Some(2)), look(6, Some(3))), (None, Some(2), Some(2)));
        assert_eq!((look(7, None), look(8, None), look(9, Some(9))), (Some(7), Some(7), Some(9)));
        assert_eq!(look(2_000_000_000, Some(1_000_000_000)), Some(1_000_000_000), "it opened anew unseen");
    }

    #[test]
    fn a_venue_is_not_ready_if_unknown_or_dead_and_ready_if_unwanted() {
        let known = ["plain".to_owned(), "other".to_owned()];
        let status = said(vec![down("plain")]);
        assert!(not_ready("nowhere", &known, &status).unwrap().contains("no such venue"));
        assert!(not_ready("plain", &known, &status).unwrap().contains("failed too often"));
        assert_eq!(not_ready("other", &known, &status), None);
    }
}
