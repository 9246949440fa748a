//! What is wrong with a feed now, for alerts: only that, so that asking every second costs little.

use std::time::Duration;

use crate::data::event::BookState;
use crate::data::update::Level;
use crate::policy::alert::Rule;
use crate::policy::breaker::State as Breaker;
use crate::policy::fault::{Fault, is_want_of_descriptors};
use crate::policy::health::{Dimension, Reason};
use crate::policy::ladder::Rung;
use crate::time::Time;
use crate::venue::redacted;

use super::Feed;
use super::line::{Line, Phase};
use super::lines::REJECTED;
use super::rotate::Role;
use super::topics;
use super::unproven::MUTE;

/// What is wrong now.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    /// How well the feed does, as shown.
    pub level: Level,
    /// Everything that is wrong.
    pub all: Vec<Finding>,
    /// Whether something is wanted, and no line stands for a reason of this machine.
    pub local: bool,
    /// Whether one of those lines failed for want of descriptors.
    pub spent: bool,
    /// Whether anything is wanted.
    pub wanted: bool,
    /// How many read each topic, and how it does; but for those that the venue refused, which is the affair of those
    /// who asked for them.
    pub topics: Vec<(usize, Level)>,
    /// What only a rise of tells something.
    pub counts: Tally,
    /// The last event of which two lines told different things, and both of those.
    pub mismatch: Box<str>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule it falls under.
    pub rule: Rule,
    /// Which part of the venue; empty = all of it.
    pub part: Box<str>,
    /// How bad.
    pub level: Level,
    /// The figures.
    pub evidence: String,
}

/// What only a rise of tells something, since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Events of which two lines told different things.
    pub mismatches: u64,
    /// Books that were crossed.
    pub crossed: u64,
    /// Lines whose follower was of no use.
    pub failed_rotations: u64,
    /// Times that we did not run.
    pub pauses: u64,
    /// Messages that made the adapter panic; each was set aside.
    pub panics: u64,
}

impl Feed {
    /// What is wrong now.
    pub fn findings(&mut self, now: Time) -> Findings {
        let (level, ..) = self.verdict(now);
        let mismatch = self.counters.mismatch.clone();
        let mut found = Findings { level, counts: self.tally(), mismatch, ..Findings::default() };
        let wanted = |line: &&Line| !line.wishes.is_empty() && line.role == Role::Own;
        let lines: Vec<usize> = self.lines.iter().filter(wanted).map(|line| line.id.slot as usize).collect();
        found.wanted = !lines.is_empty();
        let local = |slot: &usize| {
            let line = &self.lines[*slot];
            !line.is_live() && matches!(line.fault, Some((Fault::Local, _)))
        };
        found.local = found.wanted && lines.iter().all(local);
        found.spent = lines.iter().any(|slot| {
            let fault = self.lines[*slot].fault.as_ref();
            local(slot) && fault.is_some_and(|(_, detail)| is_want_of_descriptors(detail))
        });
        let weighed = self.topics.iter().filter(|(_, entry)| entry.service.phase != REJECTED);
        found.topics = weighed.map(|(_, entry)| (entry.readers.len(), entry.service.level)).collect();
        self.find_in_ladder(&mut found.all);
        self.find_in_gate(now, &mut found.all);
        for slot in lines {
            self.find_in_line(now, slot, &mut found.all);
        }
        self.find_in_topics(now, &mut found.all);
        found
    }

    fn tally(&self) -> Tally {
        Tally {
            mismatches: self.counters.mismatches,
            crossed: self.counters.resyncs.get("crossed").copied().unwrap_or(0),
            failed_rotations: self.counters.failed_rotations,
            pauses: self.counters.pauses,
            panics: self.counters.decode_panics,
        }
    }

    fn find_in_ladder(&self, all: &mut Vec<Finding>) {
        let ladder = &self.fallback.ladder;
        let (rule, level) = match ladder.rung() {
            Rung::Primary | Rung::Alternate => return,
            Rung::Poll => (Rule::Fallback, Level::Degraded),
            Rung::Partial => (Rule::Fallback, Level::Unhealthy),
            Rung::Cache => (Rule::VenueDown, Level::Critical),
        };
        let mut evidence = format!("served from {}: {}", ladder.rung().name(), ladder.reason().text());
        if let Some(short) = self.short_of_dials() {
            evidence += &format!("; {short}");
        }
        if ladder.pinned() == Some(ladder.rung()) {
            evidence += &format!("; `tapeline unpin {}` lets it go", self.venue.profile().id);
        }
        all.push(Finding { rule, part: "".into(), level, evidence });
    }

    fn find_in_gate(&self, now: Time, all: &mut Vec<Finding>) {
        let holds = [("dials", &self.gate.dial_hold), ("REST requests", &self.gate.rest_hold)];
        for (what, hold) in holds {
            let (Some(until), Some(Fault::RateLimited { banned, .. })) =
                (hold.held(now.mono), hold.why(now.mono))
            else {
                continue;
            };
            let (rule, level) =
                if banned { (Rule::Banned, Level::Critical) } else { (Rule::RateLimited, Level::Degraded) };
            let evidence = format!("no {what} for {} s", until.since(now.mono).as_secs());
            let part: Box<str> = if banned { "".into() } else { what.into() };
            if !all.iter().any(|found| found.rule == rule && found.part == part) {
                all.push(Finding { rule, part, level, evidence });
            }
        }
        for endpoint in self.gate.streams.iter().chain(&self.gate.rest) {
            if matches!(endpoint.breaker.state(now.mono), Breaker::Open | Breaker::ForcedOpen) {
                let (rule, level) = (Rule::BreakerOpen, Level::Degraded);
                let left =
                    endpoint.breaker.until(now.mono).map_or(0, |until| until.since(now.mono).as_secs());
                let part = redacted(&endpoint.origin).into_owned().into();
                all.push(Finding { rule, part, level, evidence: format!("left alone for {left} s more") });
            }
        }
    }

    fn find_in_line(&self, now: Time, slot: usize, all: &mut Vec<Finding>) {
        let line = &self.lines[slot];
        let mut add = |rule, level, evidence: String| {
            all.push(Finding { rule, part: format!("line {slot}").into(), level, evidence });
        };
        let why = line.why().unwrap_or_default();
        let refused = matches!(line.fault, Some((Fault::Authentication, _)));
        match line.phase {
            Phase::Halted { .. } if refused => add(Rule::Authentication, Level::Critical, why),
            Phase::Halted { .. } => add(Rule::LineHalted, Level::Critical, why),
            Phase::Live(_) if line.is_mute() && self.is_doubled(slot) => {
                add(Rule::LineLost, Level::Warning, MUTE.to_owned());
            }
            // The last failure stays known, but a line that is open was let in.
            Phase::Live(_) => {
                self.mute_topics_of(slot)
                    .into_iter()
                    .for_each(|told| add(Rule::LineLost, Level::Warning, told));
            }
            _ if refused => add(Rule::Authentication, Level::Degraded, why),
            _ if self.is_doubled(slot) => add(Rule::LineLost, Level::Warning, why),
            _ => {}
        }
        let reasons = self.line_reasons(now, slot);
        for Reason { dimension, level, detail } in reasons {
            let rule = match dimension {
                Dimension::Undecodable => Rule::Undecodable,
                Dimension::Reconnects => Rule::Unstable,
                Dimension::Silence if line.is_live() => Rule::Stale,
                _ => continue,
            };
            add(rule, level, detail);
        }
    }

    /// That a line that is wanted waits for the budget of dials, in words.
    pub(super) fn short_of_dials(&self) -> Option<&str> {
        self.lines.iter().filter(|line| !line.wishes.is_empty()).find_map(Line::short_of_dials)
    }

    /// Whether another line, of the other side, carries the same and stands.
    fn is_doubled(&self, slot: usize) -> bool {
        let line = &self.lines[slot];
        let twin = |other: &&Line| other.group == line.group && other.side != line.side;
        self.lines.iter().filter(twin).any(Line::stands)
    }

    fn find_in_topics(&self, now: Time, all: &mut Vec<Finding>) {
        let ids = self.ailing.iter().chain(self.periodic.keys().filter(|id| !self.ailing.contains(id)));
        for id in ids {
            let Some(entry) = self.topics.get(*id).filter(|entry| entry.is_wanted()) else { continue };
            let part = || entry.topic.as_str().into();
            let mut book_level = Level::Healthy;
            for Reason { dimension, level, detail } in self.own_reasons(now, *id, entry) {
                let rule = match dimension {
                    Dimension::Gaps => Rule::Gaps,
                    Dimension::Silence => Rule::Stale,
                    Dimension::Book => {
                        book_level = level;
                        continue;
                    }
                    _ => continue,
                };
                all.push(Finding { rule, part: part(), level, evidence: detail });
            }
            let mute = entry.ailment.as_ref().is_some_and(|ailment| ailment.mute);
            if mute
                && !all.iter().any(|found| found.rule == Rule::Stale && *found.part == *entry.topic.as_str())
            {
                let evidence = "mute while others of its line flow".to_owned();
                all.push(Finding { rule: Rule::Stale, part: part(), level: Level::Warning, evidence });
            }
            if let topics::State::Book(book) = &entry.state
                && book.state() == BookState::Stale
                && let Some(tries) = self.repair_tries(*id)
            {
                let why = self.snapshots.refusal(*id).unwrap_or_default();
                let evidence = format!("asked {tries} times for its snapshot: {why}");
                let level = book_level.max(Level::Warning);
                all.push(Finding { rule: Rule::RepairFailed, part: part(), level, evidence });
            }
        }
        for (_, entry) in self.topics.iter() {
            let held = self.quarantine_of(now.mono, &entry.topic).filter(|_| entry.is_wanted());
            let Some(held) = held else { continue };
            let (times, seconds) = (held.times, held.left_ms / 1_000);
            let evidence = format!("{}; time {times}, for {seconds} s more", entry.service.reason);
            let (rule, part) = (Rule::Quarantined, entry.topic.as_str().into());
            all.push(Finding { rule, part, level: Level::Unhealthy, evidence });
        }
        for (id, tries) in self.failing_repairs() {
            if let Some(entry) = self.topics.get(id) {
                let evidence = format!("asked {tries} times for what was missed");
                let (rule, part) = (Rule::RepairFailed, entry.topic.as_str().into());
                all.push(Finding { rule, part, level: Level::Warning, evidence });
            }
        }
    }

    /// How often a book's snapshot was asked for in vain, if that is often.
    fn repair_tries(&self, id: crate::venue::TopicId) -> Option<u32> {
        Some(self.snapshots.tries(id)).filter(|tries| *tries >= 3)
    }
}

/// How long what was counted once speaks.
pub const TALLY_WITHIN: Duration = Duration::from_secs(600);
