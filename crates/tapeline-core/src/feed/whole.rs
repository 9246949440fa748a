//! How well the whole feed does, and why: its lines, its endpoints, and the topics that are not served well.

use std::collections::BTreeMap;

use crate::data::update::Level;
use crate::policy::health::{Breakers, Dimension, Reason, Sample, level, of_parts, reasons};
use crate::time::{Time, Unix};

use super::Feed;
use super::health::{RECOVERING, Record};
use super::line::{Line, Phase};
use super::lines::REJECTED;
use super::topics::Entry;

/// Of so many reasons that topics have each is told apart.
const TOLD: usize = 3;

impl Feed {
    /// Takes in how the whole feed does now.
    pub(super) fn examine(&mut self, now: Time) {
        let raw = level(&self.sample(now), &self.health_rules, now.mono);
        let raw = raw.max(self.level_of_topics());
        self.health.update(now.mono, raw, &self.health_rules);
    }

    fn sample(&self, now: Time) -> Sample {
        let mut sample = Sample::default();
        for slot in 0..self.lines.len() {
            let line = self.line_sample(now, slot);
            sample.frames += line.frames;
            sample.undecodable += line.undecodable;
            sample.reconnects = sample.reconnects.saturating_add(line.reconnects);
        }
        let wanted = |line: &&Line| line.phase != Phase::Idle;
        let any = self.lines.iter().any(|line| wanted(&line));
        sample.down = any && !self.lines.iter().any(Line::is_live);
        let (ladder, level) = (&self.fallback.ladder, self.rung_level());
        let fallen = any && level > Level::Healthy;
        sample.fallen = fallen.then(|| (level, ladder.rung().name(), ladder.reason().text()));
        sample.gaps = self.gaps_lately(now);
        let breakers = self.gate.streams.iter().map(|endpoint| &endpoint.breaker);
        sample.breakers =
            Breakers::count(breakers.map(|breaker| (breaker.state(now.mono), breaker.open_since())));
        sample
    }

    /// The shown level of the feed, since when, and why.
    pub(super) fn verdict(&mut self, now: Time) -> (Level, Unix, Vec<Reason>) {
        self.examine(now);
        let mut why = reasons(&self.sample(now), &self.health_rules, now.mono);
        why.extend(self.reason_of_topics(&why));
        why.sort_by_key(|reason| std::cmp::Reverse(reason.level));
        self.date(now);
        (self.health.level(), self.dated.0.told(), why)
    }

    /// Reads the wall clock for what has begun since this was done last.
    fn date(&mut self, now: Time) {
        self.dated.0.note(now, self.health.since());
        self.dated.1.note(now, self.fallback.ladder.since());
        for Record { shown, since, .. } in self.lines.iter_mut().map(|line| &mut line.health) {
            since.note(now, shown.since());
        }
    }

    /// The topics that count: what the venue refuses is the affair of those who asked for it.
    fn counted(&self) -> impl Iterator<Item = &Entry> {
        self.topics.iter().map(|(_, entry)| entry).filter(|entry| entry.service.phase != REJECTED)
    }

    fn level_of_topics(&self) -> Level {
        of_parts(self.counted().map(|entry| (entry.readers.len(), entry.service.level)))
    }

    /// Which topics are not served well, and why: those whose lines do serve, or where the other reasons do not explain
    /// how the topics do, all.
    fn reason_of_topics(&self, others: &[Reason]) -> Option<Reason> {
        let level = self.level_of_topics();
        if level == Level::Healthy {
            return None;
        }
        let read = self.counted().any(|entry| !entry.readers.is_empty());
        let explained = others.iter().any(|other| other.level >= level);
        let serves = |entry: &Entry| self.speaker(entry).is_none_or(|slot| self.lines[slot].serves());
        let mut told: BTreeMap<_, (&str, usize)> = BTreeMap::new();
        for entry in self.counted().filter(|entry| !(read && entry.readers.is_empty())) {
            let service = &entry.service;
            let why = if service.reason.is_empty() { service.phase } else { &*service.reason };
            // What only recovers has no reason left.
            let is_well = service.level == Level::Healthy || why == RECOVERING;
            if !is_well && (!explained || serves(entry)) {
                let key = (std::cmp::Reverse(service.level), why);
                told.entry(key).or_insert((entry.topic.as_str(), 0)).1 += 1;
            }
        }
        let left: usize = told.values().skip(TOLD).map(|(_, count)| count).sum();
        let mut words: Vec<String> = told
            .into_iter()
            .take(TOLD)
            .map(|((_, why), (topic, count))| {
                let more = if count > 1 { format!(" and {} more", count - 1) } else { String::new() };
                format!("{topic}{more}: {why}")
            })
            .collect();
        if left > 0 {
            words.push(format!("{left} more topics"));
        }
        let detail = words.join("; ");
        (!detail.is_empty()).then_some(Reason { dimension: Dimension::Topics, level, detail })
    }
}
