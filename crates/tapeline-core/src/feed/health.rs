//! How well lines, topics and the whole feed are served: what is sampled, what is kept, what is told.

use std::collections::VecDeque;
use std::time::Duration;

use crate::data::event::BookState;
use crate::data::update::{Level, Source};
use crate::defect::{Defect, planted};
use crate::policy::health::{Dimension, LevelFilter, Reason, Rules, Sample, Silence, level, reasons};
use crate::time::{Dated, Mono, Time, Unix};
use crate::venue::TopicId;

use super::Feed;
use super::gate::SPENT;
use super::line::Phase;
use super::lines::REJECTED;
use super::topics::{Entry, Service};

/// What is said of a topic that two lines are to carry and one does.
const ONE_LEFT: &str = "one of two lines is down";
/// What is said of a topic with which nothing is wrong any more.
pub(super) const RECOVERING: &str = "recovering";
/// How often levels are looked at when nothing happens.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a reconnect speaks against its line.
const RECONNECTS_WITHIN: Duration = Duration::from_secs(600);
/// Six readings so far apart make the minute over which undecodable frames are counted.
const READ_EVERY: Duration = Duration::from_secs(10);
/// The shortest contract of what always comes, and how many periods it may miss.
const PERIODIC_LEAST: Duration = Duration::from_secs(2);
const PERIODS: u32 = 3;

/// When something happened lately. As many are kept as the worst level needs.
#[derive(Debug, Default)]
pub(super) struct Recent(VecDeque<Mono>);

impl Recent {
    const KEPT: usize = 64;

    fn add(&mut self, now: Mono) {
        if self.0.len() >= Self::KEPT {
            self.0.pop_front();
        }
        self.0.push_back(now);
    }

    fn count(&self, now: Mono, within: Duration) -> u32 {
        self.0.iter().filter(|at| now.since(**at) < within).count() as u32
    }
}

/// What is kept of a line to judge it.
#[derive(Debug)]
pub(super) struct Record {
    /// How well its topics are carried; nothing before they first were.
    carried: Option<LevelFilter>,
    /// How well the line itself does, and since when.
    pub(super) shown: LevelFilter,
    pub(super) since: Dated,
    reconnects: Recent,
    /// Frames and undecodable ones in all, at the latest readings.
    readings: [(u64, u64); 6],
    read_at: Mono,
}

impl Record {
    pub(super) fn new(now: Mono) -> Self {
        let shown = LevelFilter::new(Level::Healthy, now);
        let (carried, reconnects, readings) = (None, Recent::default(), [(0, 0); 6]);
        Self { carried, shown, since: Dated::default(), reconnects, readings, read_at: now + READ_EVERY }
    }

    /// The line has been opened again after it had been lost.
    pub(super) fn reconnected(&mut self, now: Mono) {
        self.reconnects.add(now);
    }

    /// How well its topics are carried, as it is shown; nothing before they first were.
    pub(super) const fn carried(&self) -> Option<LevelFilter> {
        self.carried
    }

    /// The line has shown that it serves; `beside` is how its topics are shown by the others that carry them.
    pub(super) fn serves(&mut self, now: Mono, beside: Option<LevelFilter>) {
        let healthy = LevelFilter::new(Level::Healthy, now);
        self.carried = match (self.carried, beside) {
            (None, beside) => Some(beside.unwrap_or(healthy)),
            (Some(own), Some(beside)) if own.level() > beside.level().max(Level::Warning) => {
                let proving = LevelFilter::new(Level::Warning, now);
                Some(if beside.level() > Level::Warning { beside } else { proving })
            }
            (own, _) => own,
        };
    }

    /// Nothing is wanted of the line: what comes after is a new beginning.
    pub(super) fn rested(&mut self) {
        self.carried = None;
    }

    pub(super) fn read(&mut self, now: Mono, frames: u64, undecodable: u64) {
        if self.read_at <= now {
            self.read_at = now + READ_EVERY;
            self.readings.rotate_left(1);
            self.readings[5] = (frames, undecodable);
        }
    }
}

impl Feed {
    /// Looks at everything whose level may change by time alone.
    pub(super) fn look(&mut self, now: Time) {
        if self.look_at > now.mono {
            return;
        }
        self.look_at = now.mono + LOOK_EVERY;
        self.weigh_unproven(now);
        for slot in 0..self.lines.len() {
            self.take_stock(now, slot);
            if self.examine_line(now, slot) {
                self.tell_topics(now, slot);
            }
        }
        self.look_at_unserved(now);
        self.gate.compare_rest(now.mono);
        let ailing: Vec<TopicId> = self.ailing.iter().copied().collect();
        for id in ailing.into_iter().chain(self.overdue(now)).chain(self.grown_old(now)) {
            self.tell_topic(now, id);
        }
    }

    /// When levels are looked at next; a feed of which nothing is wanted is left alone.
    pub(super) fn look_deadline(&self) -> Option<Mono> {
        let idle = self.stopping || self.lines.iter().all(|line| line.phase == Phase::Idle);
        (!idle).then_some(self.look_at.min(self.pace_at))
    }

    /// Takes in how a line does now; whether what its topics are to be told has changed.
    fn examine_line(&mut self, now: Time, slot: usize) -> bool {
        let (carried, own) = (self.carried(now, slot), self.line_sample(now, slot));
        let (carried, own) =
            (level(&carried, &self.health_rules, now.mono), level(&own, &self.health_rules, now.mono));
        let (health, rules) = (&mut self.lines[slot].health, &self.health_rules);
        health.shown.update(now.mono, own, rules);
        health.carried.as_mut().is_some_and(|filter| filter.update(now.mono, carried, rules))
    }

    /// How a line carries its topics. They share its silence only when it is past its patience: before
    /// that, and for topics that are sent on change only, silence is no evidence.
    pub(super) fn carried(&self, now: Time, slot: usize) -> Sample {
        let line = &self.lines[slot];
        let contract = line.silent_after(&self.config.timing);
        let silence = |lasted| Some(Silence { lasted, contract });
        let unheard = now.mono.since(line.last_frame);
        match &line.phase {
            Phase::Halted { .. } => Sample { halted: true, ..Sample::default() },
            Phase::Idle => Sample { down: true, ..Sample::default() },
            Phase::Waiting { .. } | Phase::Dialling { .. } | Phase::LoggingIn(_) => {
                let silence = line.health.carried.and_then(|_| silence(unheard));
                Sample { down: true, silence, ..Sample::default() }
            }
            Phase::Live(live) if live.doubt.is_some() => {
                let past = unheard.max(contract + Duration::from_nanos(1));
                Sample { silence: silence(past), ..Sample::default() }
            }
            Phase::Live(live) => Sample { unproven: live.proven.is_none(), ..Sample::default() },
        }
    }

    /// How a line itself does.
    pub(super) fn line_sample(&self, now: Time, slot: usize) -> Sample {
        let line = &self.lines[slot];
        if line.phase == Phase::Idle {
            return Sample::default();
        }
        let timing = &self.config.timing;
        let mut sample = self.carried(now, slot);
        if line.is_live() && sample.silence.is_none() {
            let patience = line.silent_after(&self.config.timing);
            // A quiet line is judged by its pings: it may miss one and its answer.
            let quiet = (timing.ping_every + timing.pong_within) * 2;
            let contract = if patience < timing.ping_every { patience } else { quiet };
            sample.silence = Some(Silence { lasted: now.mono.since(line.last_frame), contract });
        }
        let (frames, undecodable) = line.health.readings[0];
        sample.frames = line.stats.frames.saturating_sub(frames);
        sample.undecodable = line.stats.undecodable.saturating_sub(undecodable);
        sample.reconnects = line.health.reconnects.count(now.mono, RECONNECTS_WITHIN);
        sample
    }

    /// Topics that always come and did not.
    fn overdue(&self, now: Time) -> Vec<TopicId> {
        let late = |(id, _): &(&TopicId, &Duration)| {
            let silence = self.topics.get(**id).and_then(|entry| self.own_silence(now, **id, entry));
            let sample = Sample { silence, ..Sample::default() };
            level(&sample, &self.health_rules, now.mono) > Level::Healthy
        };
        self.periodic.iter().filter(late).map(|(id, _)| *id).collect()
    }

    /// The silence of a topic that always comes, while its line stands.
    pub(super) fn own_silence(&self, now: Time, id: TopicId, entry: &Entry) -> Option<Silence> {
        let contract = *self.periodic.get(&id)?;
        let line = &self.lines[self.speaker(entry)?];
        let live = line.live().filter(|live| live.doubt.is_none())?;
        let since = entry.last_at().map_or(live.since, |at| at.mono.max(live.since));
        Some(Silence { lasted: now.mono.since(since), contract })
    }

    /// A topic that is always sent, or of which the configuration says how often, is judged by that.
    pub(super) fn expect_period(&mut self, id: TopicId, period: Duration) {
        self.periodic.insert(id, (period * PERIODS).max(PERIODIC_LEAST));
    }

    /// Tells the topics of a line how they are served now.
    pub(super) fn tell_topics(&mut self, now: Time, slot: usize) {
        self.examine_line(now, slot);
        let topics: Vec<_> = self.lines[slot].wishes.iter().map(|(_, id)| id).collect();
        for id in topics {
            self.tell_topic(now, id);
        }
    }

    /// Tells one topic how it is served now.
    pub(super) fn tell_topic(&mut self, now: Time, id: TopicId) {
        self.examine_topic(now, id);
        self.note_service(now, id);
        let Some(entry) = self.topics.get(id) else { return };
        let Some(slot) = self.speaker(entry).filter(|_| entry.service.phase != REJECTED) else { return };
        let served = self.lines[slot].serves();
        let service = match self.service_of(now, slot, id, entry) {
            _ if planted(Defect::ServeCacheAsLive) => {
                Service { level: Level::Healthy, phase: "live", source: Source::Live, reason: "".into() }
            }
            service if served => service,
            service => entry.aged(now, service),
        };
        if let Some(entry) = self.topics.get_mut(id) {
            entry.serve(&mut self.readers, now, service, served);
        }
    }

    /// How a topic on this line is served. The reason holds no figures that run: it is told when it
    /// changes, not every second.
    fn service_of(&self, now: Time, slot: usize, id: TopicId, entry: &Entry) -> Service {
        let line = &self.lines[slot];
        let carried = self.carried(now, slot);
        let shown = line.health.carried.map(|filter| filter.level());
        let shown = shown.unwrap_or_else(|| level(&carried, &self.health_rules, now.mono));
        let ailment = entry.ailment.as_ref();
        let own = ailment.map_or(Level::Healthy, |ailment| ailment.filter.level());
        let shown = ailment.and_then(|ailment| ailment.back).map_or(shown, |back| back.level());
        let unready = entry.state_shown().filter(|state| *state != BookState::Live);
        let served = line.serves();
        let polled = entry.polled && !served;
        let shown = match self.fallen(slot, entry) {
            Some((rung, ..)) if polled => rung,
            Some((rung, ..)) => shown.max(rung),
            None => shown,
        };
        let level = shown.max(own).max(if unready.is_some() { Level::Warning } else { Level::Healthy });
        let why = |default: &str| line.fault.as_ref().map_or(default.into(), |(_, detail)| detail.clone());
        let reason: Box<str> = match &line.phase {
            _ if polled => format!("asked over REST: {}", self.fallback.ladder.reason().text()).into(),
            Phase::Halted { .. } => why("halted"),
            Phase::Idle if self.stopping => "stopped".into(),
            Phase::Idle => "".into(),
            Phase::Waiting { .. } if let Some((order, rung)) = self.fallback.held() => {
                format!("an operator {order} {} to {}", self.venue.profile().id, rung.name()).into()
            }
            Phase::Waiting { .. } if line.short_of_dials().is_some() => SPENT.into(),
            Phase::Waiting { .. } | Phase::Dialling { .. } | Phase::LoggingIn(_)
                if line.health.carried.is_none() =>
            {
                why("connecting")
            }
            Phase::Waiting { .. } | Phase::Dialling { .. } | Phase::LoggingIn(_) => why("reconnecting"),
            Phase::Live(live) if live.doubt.is_some() => "the line is silent".into(),
            Phase::Live(live) if live.proven.is_none() => line.unproven_words().into(),
            Phase::Live(_) => match unready {
                Some(state) => self.unready_reason(id, state),
                None => self.own_reason(now, id, entry, level).into(),
            },
        };
        let source = self.source_of(entry, served, polled);
        Service { level, phase: line.phase.name(), source, reason }
    }

    /// What the rung means for a topic that its line does not serve: how bad it is, what serves instead, and why.
    fn fallen(&self, slot: usize, entry: &Entry) -> Option<(Level, &'static str, &'static str)> {
        if self.lines[slot].serves() {
            return None;
        }
        let why = self.fallback.ladder.reason().text();
        match self.rung_level() {
            rung if entry.polled => Some((rung.max(Level::Degraded), "asked over REST", why)),
            rung if rung > Level::Warning => Some((rung, "not streamed", why)),
            _ => None,
        }
    }

    fn own_reason(&self, now: Time, id: TopicId, entry: &Entry, shown: Level) -> &'static str {
        let sample = self.topic_sample(now, id, entry);
        if entry.ailment.as_ref().is_some_and(|ailment| ailment.mute) {
            "mute while others flow: subscribed again"
        } else if sample.silence.is_some_and(|silence| silence.lasted > silence.contract / 2) {
            "nothing comes, though it always should"
        } else if sample.book.is_some() {
            "the book that it is cut from is being synchronised"
        } else if sample.gaps > 0 {
            "events are missing"
        } else if entry.is_from_before() {
            "nothing has come since its line was lost"
        } else if self.has_lost_its_second(id, entry) {
            ONE_LEFT
        } else if shown > Level::Healthy {
            RECOVERING
        } else {
            ""
        }
    }

    /// The shown level of a line, since when as of the latest [`Feed::verdict`], and why.
    pub(super) fn line_verdict(&self, now: Time, slot: usize) -> (Level, Unix, Vec<Reason>) {
        let health = &self.lines[slot].health;
        (health.shown.level(), health.since.told(), self.line_reasons(now, slot))
    }

    /// What is wrong with a line, in figures.
    pub(super) fn line_reasons(&self, now: Time, slot: usize) -> Vec<Reason> {
        reasons(&self.line_sample(now, slot), &self.health_rules, now.mono)
    }

    /// What is wrong with a topic, in figures.
    pub(super) fn topic_reasons(&self, now: Time, id: TopicId, entry: &Entry) -> Vec<Reason> {
        let rules: &Rules = &self.health_rules;
        let line = self.speaker(entry).map(|slot| {
            let fallen = self.fallen(slot, entry);
            // What is polled does not share the fate of its line.
            let line =
                if entry.polled && fallen.is_some() { Sample::default() } else { self.carried(now, slot) };
            Sample { fallen, ..line }
        });
        let mut all = reasons(&line.unwrap_or_default(), rules, now.mono);
        all.extend(self.own_reasons(now, id, entry));
        if self.has_lost_its_second(id, entry) {
            let (dimension, level) = (Dimension::Connection, Level::Warning);
            all.push(Reason { dimension, level, detail: ONE_LEFT.into() });
        }
        all
    }
}
