//! Outages and what follows from them: detection, repair, availability, from an append-only log of transitions.
//!
//! The log is the only source: [`Log`] keeps the latest of it and the sums of what it dropped; anybody who keeps all
//! lines can recompute every figure. `docs/reliability.md` defines them, and a script there does it again.

mod figures;
mod meter;
mod tolerance;

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use figures::{Figures, Lengths, Spread, Sums, Totals};
pub use meter::{ENTITIES, Meter};
pub use tolerance::{Faults, Tolerance};

use crate::time::Mono;

/// How an entity is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Not counted: nobody wants it.
    #[default]
    None,
    /// Fresh, from a line: rung 0 or 1.
    Full,
    /// Fresh, by polling: rung 2.
    Any,
    /// Neither; what the cache holds is not up.
    Down,
}

impl State {
    /// Its word in the log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Full => "full",
            Self::Any => "any",
            Self::Down => "down",
        }
    }
}

/// A promise that can be broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Service {
    /// Fresh from a line.
    Full,
    /// Fresh from a line or by polling.
    Any,
}

impl Service {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Full, Self::Any];

    /// Whether a state keeps the promise.
    pub const fn is_kept(self, state: State) -> bool {
        match self {
            Self::Full => matches!(state, State::Full),
            Self::Any => matches!(state, State::Full | State::Any),
        }
    }
}

/// The word in `kind` of the transitions that count here; an event log may hold others.
pub const KIND: &str = "service";

/// One transition of one entity: one line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    /// Rises by one with every record of the log.
    pub seq: u64,
    /// When it was noticed.
    #[serde(rename = "mono_us", serialize_with = "to_micros", deserialize_with = "from_micros")]
    pub at: Mono,
    /// Whose state it is: a topic.
    pub entity: Box<str>,
    /// What kind of record it is: [`KIND`].
    pub kind: Box<str>,
    /// The state left; [`State::None`] where counting begins.
    pub from: State,
    /// The state entered; [`State::None`] where counting ends.
    pub to: State,
    /// Since when that has been so, never after `at`. An outage begins when the next message was overdue (the last
    /// good one + the expected interval), and ends with the first message after which nothing is missing.
    #[serde(rename = "since_us", serialize_with = "to_micros", deserialize_with = "from_micros")]
    pub since: Mono,
    /// Why.
    pub cause: Box<str>,
}

impl Transition {
    /// The record as one line of JSON, without the line's end.
    pub fn to_line(&self) -> String {
        // Plain texts and numbers always have a JSON form.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// A line of a log; `None` if it is no transition of service.
    pub fn from_line(line: &str) -> Option<Self> {
        serde_json::from_str::<Self>(line).ok().filter(|transition| &*transition.kind == KIND)
    }
}

/// Microseconds, so that programs whose numbers are doubles read them exactly.
fn to_micros<S: Serializer>(at: &Mono, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(at.0 / 1_000)
}

fn from_micros<'a, D: Deserializer<'a>>(deserializer: D) -> Result<Mono, D::Error> {
    Ok(Mono(u64::deserialize(deserializer)?.saturating_mul(1_000)))
}

/// The stretches that are reported, the shortest first; everything since the start comes on top.
pub const WINDOWS: [Duration; 3] =
    [Duration::from_secs(60), Duration::from_secs(3_600), Duration::from_secs(86_400)];

/// The figures of one stretch of time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// How long the stretch was meant to be, in seconds; `None` = since the start.
    pub window_s: Option<f64>,
    /// How much of that the records kept cover, in seconds.
    pub covered_s: f64,
    /// Fresh from a line.
    pub full: Figures,
    /// Fresh from a line or by polling.
    pub any: Figures,
    /// Entities that were left out because there were too many at a time.
    pub uncounted: u64,
}

/// The append-only log, its latest records at hand.
#[derive(Debug, Clone)]
pub struct Log {
    start: Mono,
    ring: VecDeque<Transition>,
    bound: usize,
    next: u64,
    /// What the records made that are no longer in the ring.
    base: Meter,
    /// When the last of them was noticed.
    base_until: Mono,
}

impl Log {
    /// An empty log that keeps `bound` records at hand.
    pub fn new(start: Mono, bound: usize) -> Self {
        let base = Meter::new(start);
        Self { start, ring: VecDeque::new(), bound: bound.max(1), next: 1, base, base_until: start }
    }

    /// Appends a transition and returns it, for whoever writes the log to a file. Times that go backwards are
    /// brought into order: nothing is noticed before the last record, and nothing begins after it was noticed.
    pub fn append(
        &mut self,
        at: Mono,
        entity: &str,
        (from, to): (State, State),
        since: Mono,
        cause: &str,
    ) -> &Transition {
        let at = self.ring.back().map_or(self.base_until, |last| last.at).max(at);
        let (entity, kind, cause) = (entity.into(), KIND.into(), cause.into());
        let seq = self.next;
        self.next += 1;
        if self.ring.len() >= self.bound
            && let Some(oldest) = self.ring.pop_front()
        {
            self.base.feed(&oldest);
            self.base_until = oldest.at;
        }
        let newest = self.ring.len();
        self.ring.push_back(Transition { seq, at, entity, kind, from, to, since: since.min(at), cause });
        &self.ring[newest]
    }

    /// The records at hand after `seq`, oldest first.
    pub fn after(&self, seq: u64) -> impl Iterator<Item = &Transition> {
        let first = self.ring.front().map_or(self.next, |first| first.seq);
        let skipped = seq.saturating_add(1).saturating_sub(first);
        self.ring.iter().skip(usize::try_from(skipped).unwrap_or(usize::MAX))
    }

    /// The totals of the latest `window` (`None`: since the start), with how much of it is covered. Those of several
    /// logs may be added.
    pub fn totals(&self, now: Mono, window: Option<Duration>) -> (Totals, Duration) {
        let from = window.map_or(self.start, |window| self.earliest(now, window));
        let mut meter = if window.is_some() { self.base.reopened(from) } else { self.base.clone() };
        self.ring.iter().for_each(|transition| meter.feed(transition));
        (meter.close(now), now.since(from))
    }

    /// The figures of the latest `window`; `None`: since the start.
    pub fn report(&self, now: Mono, window: Option<Duration>) -> Report {
        let (totals, covered) = self.totals(now, window);
        Report::new(&totals, window, covered)
    }

    /// The figures of every window of [`WINDOWS`], and since the start.
    pub fn reports(&self, now: Mono) -> Vec<Report> {
        let windows = WINDOWS.into_iter().map(Some).chain([None]);
        windows.map(|window| self.report(now, window)).collect()
    }

    /// The figures of one entity, as far as the records at hand reach.
    pub fn report_of(&self, now: Mono, entity: &str, window: Option<Duration>) -> Report {
        let from = self.earliest(now, window.unwrap_or(Duration::MAX));
        let mut meter = self.base.reopened(from);
        meter.keep_only(entity);
        let of = self.ring.iter().filter(|transition| &*transition.entity == entity);
        of.for_each(|transition| meter.feed(transition));
        Report::new(&meter.close(now), window, now.since(from))
    }

    /// The figures of every entity, as far as the records at hand reach, in the order of their names.
    pub fn reports_by_entity(&self, now: Mono, window: Option<Duration>) -> Vec<(Box<str>, Report)> {
        let from = self.earliest(now, window.unwrap_or(Duration::MAX));
        let mut meters = self.base.apart(from);
        for transition in &self.ring {
            let meter = meters.entry(transition.entity.clone()).or_insert_with(|| Meter::new(from));
            meter.feed(transition);
        }
        let report = |meter: Meter| Report::new(&meter.close(now), window, now.since(from));
        meters.into_iter().map(|(entity, meter)| (entity, report(meter))).collect()
    }

    /// Where a window can begin: not before the log, nor before the records at hand.
    fn earliest(&self, now: Mono, window: Duration) -> Mono {
        let known = if self.base.is_untouched() { self.start } else { self.base_until };
        (now - window).max(known)
    }
}

impl Report {
    /// The figures of totals, for instance of several logs added up.
    pub fn new(totals: &Totals, window: Option<Duration>, covered: Duration) -> Self {
        Self {
            window_s: window.map(|window| window.as_secs_f64()),
            covered_s: covered.as_secs_f64(),
            full: totals.full.figures(),
            any: totals.any.figures(),
            uncounted: totals.uncounted,
        }
    }
}

/// The figures of `records` (in the order of their `seq`) between two moments, by what was known at the second: the
/// definition, applied.
pub fn figures<'a>(records: impl IntoIterator<Item = &'a Transition>, from: Mono, to: Mono) -> Report {
    let mut meter = Meter::new(from);
    let known = records.into_iter().filter(|transition| transition.at <= to);
    known.for_each(|transition| meter.feed(transition));
    Report::new(&meter.close(to), Some(to.since(from)), to.since(from))
}

#[cfg(test)]
mod tests;
