//! A day of levels by the minute, where they go, and causes that come again at a steady pace.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;
use tapeline_core::data::update::Level;
use tapeline_core::policy::alert::Rule;
use tapeline_core::time::{Mono, Time, Unix};

use super::trend::{Trend, trends};

/// Minutes kept: a day.
const MINUTES: usize = 24 * 60;
const MINUTE: i64 = 60_000_000_000;
/// Beginnings of one cause that are remembered.
const ONSETS: usize = 12;
/// Beginnings that are closer together, in nanoseconds, are one: a cause shows in many parts.
const ONE: u64 = 30_000_000_000;
/// So many make a pattern …
const LEAST: usize = 3;
/// … if no pause is longer or shorter than the mean one by more than this share, in percent.
const STEADY: u64 = 20;

/// The last 24 hours.
#[derive(Debug, Clone, Default, Serialize)]
pub struct History {
    /// By the minute, oldest first.
    pub minutes: Vec<HistoryMinute>,
    /// Which way each venue goes, of those that have run for long enough.
    pub trends: Vec<Trend>,
    /// What came again and again at a steady pace.
    pub patterns: Vec<Pattern>,
}

/// The worst levels of one minute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HistoryMinute {
    /// When it began, by the wall clock.
    pub start: Unix,
    /// That of the whole.
    pub system: Level,
    /// Those of the venues that ran.
    pub venues: BTreeMap<Box<str>, Level>,
}

/// A cause that came again and again at a steady pace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pattern {
    /// The rule of it.
    pub rule: Rule,
    /// Whose; empty for the process.
    pub venue: Box<str>,
    /// How often it came, as far as that is remembered.
    pub times: usize,
    /// The mean time between, in seconds.
    pub every_s: u64,
    /// When it last came.
    pub last: Unix,
}

#[derive(Debug, Default)]
pub(super) struct Past {
    minutes: VecDeque<HistoryMinute>,
    onsets: BTreeMap<(Box<str>, Rule), (VecDeque<Mono>, Unix)>,
}

impl Past {
    /// Takes in the levels of a moment.
    pub(super) fn look<'a>(
        &mut self,
        now: Unix,
        system: Level,
        venues: impl Iterator<Item = (&'a str, Level)>,
    ) {
        let start = Unix(now.0.div_euclid(MINUTE) * MINUTE);
        if self.minutes.back().is_none_or(|last| last.start != start) {
            if self.minutes.len() >= MINUTES {
                self.minutes.pop_front();
            }
            self.minutes.push_back(HistoryMinute { start, system, venues: BTreeMap::new() });
        }
        let Some(minute) = self.minutes.back_mut() else { return };
        minute.system = minute.system.max(system);
        for (venue, level) in venues {
            let worst = minute.venues.entry(venue.into()).or_default();
            *worst = level.max(*worst);
        }
    }

    /// A cause has begun somewhere.
    pub(super) fn begins(&mut self, now: Time, venue: &str, rule: Rule) {
        let (onsets, last) = self.onsets.entry((venue.into(), rule)).or_default();
        if onsets.back().is_some_and(|last| now.mono.0.saturating_sub(last.0) < ONE) {
            return;
        }
        if onsets.len() >= ONSETS {
            onsets.pop_front();
        }
        onsets.push_back(now.mono);
        *last = now.unix;
    }

    pub(super) fn read(&self) -> History {
        let patterns = self.onsets.iter().filter_map(|((venue, rule), (onsets, last))| {
            let every_s = steady(onsets)?;
            Some(Pattern { rule: *rule, venue: venue.clone(), times: onsets.len(), every_s, last: *last })
        });
        let (minutes, trends) = (self.minutes.iter().cloned().collect(), trends(self.minutes.iter()));
        History { minutes, trends, patterns: patterns.collect() }
    }
}

/// The mean pause in seconds, if there are enough and all are like it.
fn steady(onsets: &VecDeque<Mono>) -> Option<u64> {
    if onsets.len() < LEAST {
        return None;
    }
    let pauses = || onsets.iter().zip(onsets.iter().skip(1)).map(|(from, to)| to.0.saturating_sub(from.0));
    let mean = pauses().sum::<u64>() / (onsets.len() as u64 - 1);
    let is_steady = pauses().all(|pause| pause.abs_diff(mean) <= mean / 100 * STEADY);
    is_steady.then_some(mean / 1_000_000_000)
}
