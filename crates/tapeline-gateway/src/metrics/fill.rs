//! What stands in the families now: translated from one reading of the hub and the counters of the gateway.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;

use serde_json::Value;
use tapeline::{AlertList, Ledger, Level, MemoryStatus, Rung, Spread, Status, Step, VenueStatus};
use tapeline_core::feed::{FeedStatus, LineStatus};
use tapeline_core::policy::breaker::State;

use super::family::{self as f, Family, Figure, Filled, Labels};
use crate::codes::Code;
use crate::reading::venue_level;
use crate::server::{Full, Seats};
use crate::stream::{Audience, Counters};

/// Where the figures come from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sources<'a> {
    pub(crate) version: &'a str,
    pub(crate) status: &'a Status,
    /// What was expected, and what came of it.
    pub(crate) ledger: &'a Ledger,
    /// What is wrong, and what was told of it.
    pub(crate) alerts: &'a AlertList,
    /// How short memory is.
    pub(crate) memory: &'a MemoryStatus,
    /// Who reads over the network.
    pub(crate) audience: &'a Audience,
    pub(crate) counters: &'a Counters,
    pub(crate) seats: &'a Seats,
    /// From the sockets of venues to readers.
    pub(crate) through: &'a Spread,
}

const PHASES: [&str; 6] = ["idle", "waiting", "dialling", "logging_in", "live", "halted"];
const STATES: [State; 5] = [State::Closed, State::Open, State::HalfOpen, State::ForcedOpen, State::Disabled];
const LEVELS: [Level; 5] =
    [Level::Healthy, Level::Warning, Level::Degraded, Level::Unhealthy, Level::Critical];

/// Figures on their way into their families, in the order in which these were first named.
#[derive(Debug, Default)]
struct Sheet(Vec<Filled>);

impl Sheet {
    fn put(&mut self, family: Family, labels: Labels, value: impl Into<Figure>) {
        let value = value.into();
        let place = self.0.iter_mut().find(|filled| filled.family == family);
        match place {
            Some(filled) => filled.samples.push((labels, value)),
            None => self.0.push(Filled { family, samples: vec![(labels, value)] }),
        }
    }

    /// 1 for the word that holds, 0 for the others.
    fn one_of(&mut self, family: Family, labels: &Labels, name: &'static str, all: &[String], now: &str) {
        for word in all {
            let labels = labels.iter().cloned().chain([(name, word.clone())]).collect();
            self.put(family, labels, f64::from(word == now));
        }
    }
}

/// Every family that has a source, filled.
pub(crate) fn families(from: Sources<'_>) -> Vec<Filled> {
    let mut sheet = Sheet::default();
    sheet.put(f::BUILD, vec![("version", from.version.to_owned())], 1.0);
    for venue in &from.status.venues {
        fill_venue(&mut sheet, venue);
    }
    for ledger in &from.ledger.venues {
        let (total, id) = (&ledger.total, || vec![("venue", ledger.venue.to_owned())]);
        sheet.put(f::EXPECTED, id(), total.expected as f64);
        sheet.put(f::REPAIRED, id(), total.repaired as f64);
        sheet.put(f::LOST, id(), total.lost as f64);
        sheet.put(f::UNVERIFIABLE, id(), total.unverifiable as f64);
    }
    fill_alerts(&mut sheet, from.alerts);
    fill_memory(&mut sheet, from.memory);
    fill_hub(&mut sheet, from.status, from.audience);
    fill_clients(&mut sheet, from);
    sheet.0
}

fn fill_venue(sheet: &mut Sheet, venue: &VenueStatus) {
    let id = || vec![("venue", venue.venue.clone())];
    let with =
        |name: &'static str, value: &str| vec![("venue", venue.venue.clone()), (name, value.to_owned())];
    sheet.one_of(f::VENUE_LEVEL, &id(), "level", &words(&LEVELS), &word(&venue_level(venue)));
    sheet.put(f::FEED_RESTARTS, id(), venue.restarts as f64);
    let Some(feed) = &venue.feed else { return };
    for line in &feed.lines {
        fill_line(sheet, feed, line);
    }
    let fallback = &feed.fallback;
    let rungs = Rung::ALL.map(|rung| rung.name().to_owned());
    sheet.one_of(f::FALLBACK_RUNG, &id(), "rung", &rungs, fallback.rung);
    sheet.put(f::FALLBACK_PINNED, id(), f64::from(fallback.pinned));
    sheet.put(f::FALLBACK_CHANGES, id(), fallback.changes as f64);
    sheet.put(f::POLLED, id(), fallback.polled as f64);
    sheet.put(f::ROTATIONS, id(), feed.rotations as f64);
    for endpoint in &feed.endpoints {
        let mut labels = with("endpoint", &endpoint.origin);
        labels.push(("protocol", endpoint.protocol.to_owned()));
        sheet.one_of(f::BREAKER_STATE, &labels, "state", &words(&STATES), &word(&endpoint.breaker));
        if let Some(score) = endpoint.score {
            sheet.put(f::ENDPOINT_SCORE, labels, score);
        }
        let dials = [("opened", endpoint.dials_opened), ("failed", endpoint.dials_failed)];
        for (result, count) in dials.into_iter().filter(|_| endpoint.protocol == "ws") {
            let mut labels = with("endpoint", &endpoint.origin);
            labels.push(("result", result.to_owned()));
            sheet.put(f::LINE_DIALS, labels, count as f64);
        }
    }
    for (reason, count) in &feed.reconnects {
        sheet.put(f::LINE_RECONNECTS, with("reason", reason), *count as f64);
    }
    for (kind, count) in &feed.decode_errors {
        sheet.put(f::DECODE_ERRORS, with("kind", kind), *count as f64);
    }
    sheet.put(f::BUDGET_REMAINING, with("budget", "weight"), f64::from(feed.weight_left));
    sheet.put(f::BUDGET_REMAINING, with("budget", "dials"), feed.dials_left as f64);
    // What is lost between us and a reader is told to that reader.
    sheet.put(f::GAPS, with("kind", "venue"), feed.gaps as f64);
    for (cause, count) in &feed.resyncs {
        sheet.put(f::BOOK_RESYNCS, with("cause", cause), *count as f64);
    }
    let failed = feed.snapshots_failed;
    sheet.put(f::SNAPSHOTS, with("result", "sent"), feed.snapshots_sent as f64);
    sheet.put(f::SNAPSHOTS, with("result", "failed"), failed as f64);
    sheet.put(f::LOG_BYTES, id(), feed.log_bytes as f64);
}

fn fill_line(sheet: &mut Sheet, feed: &FeedStatus, line: &LineStatus) {
    let id = || vec![("venue", feed.venue.to_owned()), ("line", line.id.to_string())];
    let phases = PHASES.map(str::to_owned);
    sheet.one_of(f::LINE_PHASE, &id(), "phase", &phases, line.phase);
    let stats = &line.stats;
    let figures = [
        (f::LINE_ATTEMPTS, stats.dials as f64),
        (f::LINE_LOST, stats.drops as f64),
        (f::LINE_FRAMES, stats.frames as f64),
        (f::LINE_BYTES, stats.bytes as f64),
        (f::LINE_SENT, stats.sent as f64),
        (f::LINE_LIVE, stats.uptime.as_secs_f64()),
        (f::LINE_SILENCE, line.silence_ms as f64 / 1e3),
        (f::LINE_WANTED, line.wanted as f64),
        (f::LINE_CONFIRMED, line.confirmed as f64),
        (f::DUPLICATES, stats.duplicates as f64),
        (f::LINE_FIRST, stats.first as f64),
        (f::MISMATCHES, stats.mismatches as f64),
    ];
    for (family, value) in figures {
        sheet.put(family, id(), value);
    }
    if let Some(lag) = stats.lag {
        sheet.put(f::LINE_LAG, id(), lag.as_secs_f64());
    }
    if let Some(slowest) = line.round_trip_us {
        sheet.put(f::LINE_RTT, id(), slowest as f64 / 1e6);
    }
}

/// By rule, level and state: there may be thousands of alerts.
fn fill_alerts(sheet: &mut Sheet, alerts: &AlertList) {
    let mut counts: BTreeMap<(&str, Level, String), u64> = BTreeMap::new();
    for alert in &alerts.active {
        *counts.entry((alert.rule.name(), alert.level, word(&alert.state))).or_default() += 1;
    }
    for ((alert, level, state), count) in counts {
        let labels = vec![("alert", alert.to_owned()), ("level", word(&level)), ("state", state)];
        sheet.put(f::ALERTS, labels, count as f64);
    }
    let told = alerts.notifications.last().map_or(0, |last| last.seq);
    sheet.put(f::NOTIFICATIONS, Vec::new(), told as f64);
}

fn fill_memory(sheet: &mut Sheet, memory: &MemoryStatus) {
    let steps = Step::ALL.map(|step| step.name().to_owned());
    sheet.one_of(f::MEMORY_STEP, &Vec::new(), "step", &steps, memory.step.name());
    if let Some(resident) = memory.resident {
        sheet.put(f::MEMORY_RESIDENT, Vec::new(), resident as f64);
    }
    for (part, held) in &memory.parts {
        sheet.put(f::MEMORY_BUFFERS, vec![("part", (*part).to_owned())], *held as f64);
    }
    sheet.put(f::MEMORY_REFUSED, Vec::new(), memory.refused as f64);
    sheet.put(f::MEMORY_CUT, Vec::new(), memory.cut as f64);
}

fn fill_hub(sheet: &mut Sheet, status: &Status, audience: &Audience) {
    let feeds = || status.venues.iter().filter_map(|venue| venue.feed.as_ref());
    let mut by_level: BTreeMap<Level, usize> = LEVELS.map(|level| (level, 0)).into();
    for topic in feeds().flat_map(|feed| &feed.topics) {
        *by_level.entry(topic.level).or_default() += 1;
    }
    sheet.put(f::TOPICS, Vec::new(), by_level.values().sum::<usize>() as f64);
    for (level, count) in by_level {
        sheet.put(f::TOPIC_LEVEL, vec![("level", word(&level))], count as f64);
    }
    // One that reads several venues is in the list of each.
    let all = feeds().flat_map(|feed| &feed.subscribers);
    let subscribers: BTreeMap<_, _> = all.map(|one| (one.id, one.outbox.high_water)).collect();
    sheet.put(f::SUBSCRIBERS, Vec::new(), crate::reading::subscribers(status, audience) as f64);
    let highest = subscribers.values().max().copied().unwrap_or(0);
    sheet.put(f::QUEUE_HIGH_WATER, vec![("queue", "outbox".to_owned())], highest as f64);
    sheet.put(f::SWEEPS, Vec::new(), feeds().map(|feed| feed.sweeps).sum::<u64>() as f64);
    let panics = status.handlers.iter().map(|handler| handler.panics).sum::<u64>();
    sheet.put(f::HANDLER_PANICS, Vec::new(), panics as f64);
}

fn fill_clients(sheet: &mut Sheet, from: Sources<'_>) {
    let counters = from.counters;
    sheet.put(f::CONNECTIONS, Vec::new(), from.seats.taken() as f64);
    let json = vec![("format", "json".to_owned())];
    sheet.put(f::CLIENTS, json, counters.clients.load(Relaxed) as f64);
    let figures = [
        (f::CLIENTS_ADMITTED, &counters.admitted),
        (f::CLIENT_SENT, &counters.sent),
        (f::CLIENT_BYTES, &counters.sent_bytes),
        (f::CLIENT_RECEIVED, &counters.received),
        (f::CLIENT_UNSENT, &counters.unsent),
        (f::CLIENT_MERGED, &counters.merged),
    ];
    for (family, value) in figures {
        sheet.put(family, Vec::new(), value.load(Relaxed) as f64);
    }
    for (code, count) in counters.closes() {
        sheet.put(f::CLIENT_CLOSES, vec![("code", code.to_string())], count as f64);
    }
    for (reason, count) in counters.drops() {
        sheet.put(f::CLIENT_DROPPED, vec![("reason", reason.to_owned())], count as f64);
    }
    let refused = [
        (Code::Connections.as_str(), from.seats.refused(Full::House)),
        (Code::ConnectionsPerIp.as_str(), from.seats.refused(Full::Address)),
        (Code::Descriptors.as_str(), from.seats.refused(Full::Descriptors)),
        ("at_once", counters.turned_away.load(Relaxed)),
    ];
    for (reason, count) in refused {
        sheet.put(f::CONNECTIONS_REFUSED, vec![("reason", reason.to_owned())], count as f64);
    }
    let stages = &counters.stages;
    let stages = [
        ("venue", &stages.venue),
        ("feed", from.through),
        ("encode", &stages.encode),
        ("client", &stages.client),
        ("delivery", &stages.delivery),
    ];
    for (stage, spread) in stages {
        sheet.put(f::STAGE_SECONDS, vec![("stage", stage.to_owned())], Figure::Spread(spread.read()));
    }
}

/// How a value is written in JSON, so that it is called the same everywhere.
fn word(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        // Levels and states are words; anything else would be a broken invariant.
        _ => String::new(),
    }
}

fn words<T: serde::Serialize>(all: &[T]) -> Vec<String> {
    all.iter().map(word).collect()
}
