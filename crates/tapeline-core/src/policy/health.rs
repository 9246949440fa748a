//! How well something is served: the raw level and its reasons from samples, and the filter that shows it.

use std::time::Duration;

use serde::Serialize;

use super::breaker::State;
use crate::data::update::Level;
use crate::time::Mono;

/// Where the levels of one dimension begin, from [`Level::Warning`] to [`Level::Critical`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Steps<T>(pub [T; 4]);

impl<T: PartialOrd> Steps<T> {
    /// The worst level whose beginning `value` has reached.
    pub fn reached(&self, value: &T) -> Level {
        self.level(|start| value >= start)
    }

    /// The worst level whose beginning `value` has passed.
    pub fn passed(&self, value: &T) -> Level {
        self.level(|start| value > start)
    }

    fn level(&self, is_in: impl Fn(&T) -> bool) -> Level {
        let steps = self.0.iter().zip(WORSE);
        steps.filter(|(start, _)| is_in(start)).map(|(_, level)| level).max().unwrap_or_default()
    }
}

const WORSE: [Level; 4] = [Level::Warning, Level::Degraded, Level::Unhealthy, Level::Critical];

/// The settings of the levels.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// Silence, in percent of the freshness contract; to be passed.
    pub silence: Steps<u64>,
    /// Undecodable frames of the last 60 s, in parts per million.
    pub undecodable: Steps<u64>,
    /// With fewer frames than this nothing is concluded from their share.
    pub undecodable_least: u64,
    /// Gaps of the last 5 min that were not filled.
    pub gaps: Steps<u32>,
    /// Reconnects of the last 10 min.
    pub reconnects: Steps<u32>,
    /// How long a book has not been right that was; as what comes from memory it is stale after 30 s, and too old to be
    /// relied on after five minutes. One that never was right shows nothing that is wrong, and is degraded at worst.
    pub book: Steps<Duration>,
    /// All breakers open for longer than this is critical.
    pub breakers_critical_after: Duration,
    /// How long a better state must hold before it is shown, one level at a time.
    pub hold: Duration,
    /// The same for the last level, to [`Level::Healthy`].
    pub hold_healthy: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            silence: Steps([50, 100, 200, 500]),
            undecodable: Steps([1_000, 10_000, 50_000, 500_000]),
            undecodable_least: 100,
            gaps: Steps([1, 3, 10, 50]),
            reconnects: Steps([2, 5, 10, 20]),
            book: Steps([0, 5, 30, 300].map(Duration::from_secs)),
            breakers_critical_after: Duration::from_secs(300),
            hold: Duration::from_secs(30),
            hold_healthy: Duration::from_secs(10),
        }
    }
}

/// What is known at one moment. Dimensions that do not apply stay at their default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sample {
    /// A terminal fault stopped it.
    pub halted: bool,
    /// No line carries it now.
    pub down: bool,
    /// Its line stands, but has not carried anything since it was opened: an acknowledgement proves nothing.
    pub unproven: bool,
    /// How long nothing has come, and how long nothing may come.
    pub silence: Option<Silence>,
    /// Frames of the last 60 s that could not be decoded.
    pub undecodable: u64,
    /// All frames of the last 60 s.
    pub frames: u64,
    /// Gaps of the last 5 min that were not filled.
    pub gaps: u32,
    /// Reconnects of the last 10 min.
    pub reconnects: u32,
    /// The breakers of all endpoints.
    pub breakers: Breakers,
    /// Its book is not right although a line serves it.
    pub book: Option<Unready>,
    /// A lower rung of the fallback ladder has to do: how bad that is, what serves, and why.
    pub fallen: Option<(Level, &'static str, &'static str)>,
}

/// Silence against its contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silence {
    /// How long nothing has come.
    pub lasted: Duration,
    /// How long nothing may come.
    pub contract: Duration,
}

/// A book that is not right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unready {
    /// How long it has not been.
    pub lasted: Duration,
    /// Whether it was before, so that what is shown is old.
    pub stale: bool,
}

/// The breakers of a venue's endpoints, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Breakers {
    /// How many there are.
    pub all: u32,
    /// How many let nothing pass.
    pub open: u32,
    /// How many let a probe pass.
    pub half_open: u32,
    /// When the last of them left its closed state; `None` if one is closed.
    pub none_closed_since: Option<Mono>,
}

impl Breakers {
    /// Counts breakers by what they do and since when they are not closed.
    pub fn count(breakers: impl IntoIterator<Item = (State, Option<Mono>)>) -> Self {
        let mut counted = Self::default();
        let mut latest = Mono::default();
        let mut closed = 0;
        for (state, since) in breakers {
            counted.all += 1;
            match state {
                State::Closed | State::Disabled => closed += 1,
                State::Open | State::ForcedOpen => counted.open += 1,
                State::HalfOpen => counted.half_open += 1,
            }
            latest = latest.max(since.unwrap_or_default());
        }
        counted.none_closed_since = (counted.all > 0 && closed == 0).then_some(latest);
        counted
    }
}

/// What is said of a line that stands and has not carried anything yet.
pub const NOTHING_YET: &str = "connected, but nothing has come yet";

/// What a reason is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Dimension {
    /// Stopped by a terminal fault.
    Halted,
    /// No line carries it, or one that has not shown that it does.
    Connection,
    /// Nothing comes.
    Silence,
    /// Frames cannot be decoded.
    Undecodable,
    /// Events are missing.
    Gaps,
    /// The line does not hold.
    Reconnects,
    /// Its book is not right.
    Book,
    /// Endpoints are left alone.
    Breaker,
    /// A lower rung of the fallback ladder serves.
    Rung,
    /// Of a whole: some of its topics are not served well.
    Topics,
}

/// Why a level is not [`Level::Healthy`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// What it is about.
    pub dimension: Dimension,
    /// How bad it is.
    pub level: Level,
    /// The figures, for people.
    pub detail: String,
}

/// The raw level of a sample: that of its worst dimension.
pub fn level(sample: &Sample, rules: &Rules, now: Mono) -> Level {
    dimensions(sample, rules, now).into_iter().map(|(_, level)| level).max().unwrap_or_default()
}

/// Everything that is not healthy about a sample, the worst first.
pub fn reasons(sample: &Sample, rules: &Rules, now: Mono) -> Vec<Reason> {
    let unhealthy = dimensions(sample, rules, now).into_iter().filter(|(_, level)| *level > Level::Healthy);
    let mut reasons: Vec<_> = unhealthy
        .map(|(dimension, level)| Reason { dimension, level, detail: detail(dimension, sample) })
        .collect();
    reasons.sort_by_key(|reason| std::cmp::Reverse(reason.level));
    reasons
}

fn dimensions(sample: &Sample, rules: &Rules, now: Mono) -> [(Dimension, Level); 9] {
    [
        (Dimension::Halted, if sample.halted { Level::Critical } else { Level::Healthy }),
        (Dimension::Connection, connection(sample)),
        (Dimension::Silence, sample.silence.map_or(Level::Healthy, |silence| silent(silence, rules))),
        (Dimension::Undecodable, undecodable(sample, rules)),
        (Dimension::Gaps, rules.gaps.reached(&sample.gaps)),
        (Dimension::Reconnects, rules.reconnects.reached(&sample.reconnects)),
        (Dimension::Book, sample.book.map_or(Level::Healthy, |book| unready(book, rules))),
        (Dimension::Breaker, breaker(sample.breakers, rules, now)),
        (Dimension::Rung, sample.fallen.map_or(Level::Healthy, |(level, ..)| level)),
    ]
}

const fn connection(sample: &Sample) -> Level {
    match sample {
        Sample { down: true, .. } => Level::Degraded,
        Sample { unproven: true, .. } => Level::Warning,
        _ => Level::Healthy,
    }
}

fn silent(silence: Silence, rules: &Rules) -> Level {
    let percents = rules.silence.0.map(|percent| silence.contract.as_nanos() * u128::from(percent));
    Steps(percents).passed(&(silence.lasted.as_nanos() * 100))
}

fn unready(book: Unready, rules: &Rules) -> Level {
    match rules.book.reached(&book.lasted) {
        level if book.stale => level,
        // A first snapshot has to wait for its turn, too.
        Level::Healthy | Level::Warning => Level::Healthy,
        _ => Level::Degraded,
    }
}

fn undecodable(sample: &Sample, rules: &Rules) -> Level {
    if sample.frames < rules.undecodable_least.max(1) {
        return Level::Healthy;
    }
    let parts = u128::from(sample.undecodable) * 1_000_000 / u128::from(sample.frames);
    rules.undecodable.reached(&u64::try_from(parts).unwrap_or(u64::MAX))
}

fn breaker(breakers: Breakers, rules: &Rules, now: Mono) -> Level {
    let Breakers { all, open, half_open, none_closed_since } = breakers;
    if open > 0 && open == all {
        let lasted = none_closed_since.map_or(Duration::ZERO, |since| now.since(since));
        if lasted > rules.breakers_critical_after { Level::Critical } else { Level::Unhealthy }
    } else if open > 0 {
        Level::Degraded
    } else if half_open > 0 {
        Level::Warning
    } else {
        Level::Healthy
    }
}

fn detail(dimension: Dimension, sample: &Sample) -> String {
    match dimension {
        Dimension::Halted => "halted".into(),
        Dimension::Connection if sample.down => "no line carries it".into(),
        Dimension::Connection => NOTHING_YET.into(),
        Dimension::Silence => sample.silence.map_or_else(String::new, |silence| {
            let Silence { lasted, contract } = silence;
            format!(
                "nothing for {:.1} s, expected within {:.1} s",
                lasted.as_secs_f64(),
                contract.as_secs_f64()
            )
        }),
        Dimension::Undecodable => {
            format!("{} of {} frames in 60 s could not be decoded", sample.undecodable, sample.frames)
        }
        Dimension::Gaps => format!("gaps not filled in 5 min: {}", sample.gaps),
        Dimension::Rung => {
            sample.fallen.map_or_else(String::new, |(_, served, why)| format!("{served}: {why}"))
        }
        Dimension::Book => sample.book.map_or_else(String::new, |Unready { lasted, stale }| {
            let how = if stale { "stale" } else { "being synchronised" };
            format!("the book has been {how} for {} s", lasted.as_secs())
        }),
        // Whoever knows the topics names them.
        Dimension::Topics => String::new(),
        Dimension::Reconnects => format!("reconnects in 10 min: {}", sample.reconnects),
        Dimension::Breaker => {
            let Breakers { all, open, half_open, .. } = sample.breakers;
            format!("breakers: {open} open and {half_open} half-open of {all}")
        }
    }
}

/// The level of a whole from the levels of its parts, each with its weight (how many depend on it).
/// Parts that nobody depends on count only while nobody depends on any.
pub fn of_parts(parts: impl IntoIterator<Item = (usize, Level)>) -> Level {
    // All, those that are not healthy, and those that are worse than degraded: by weight, and by number.
    let (mut weights, mut numbers) = ([0_usize; 3], [0_usize; 3]);
    for (weight, level) in parts {
        for (index, least) in [Level::Healthy, Level::Warning, Level::Unhealthy].into_iter().enumerate() {
            if level >= least {
                weights[index] = weights[index].saturating_add(weight);
                numbers[index] += 1;
            }
        }
    }
    let [all, hurt, unhealthy] = if weights[0] > 0 { weights } else { numbers };
    if hurt == 0 {
        return Level::Healthy;
    }
    Steps(SHARES).reached(&(unhealthy.saturating_mul(100) / all.max(1)))
}

/// The level of everything, from the topics, each with how many read it, and the venues. A venue that is `down` has no
/// feed; what another suffers that its topics do not show is a warning.
pub fn of_all(
    topics: impl IntoIterator<Item = (usize, Level)>,
    venues: impl IntoIterator<Item = Level>,
    down: bool,
) -> Level {
    if down {
        return Level::Critical;
    }
    let worst = venues.into_iter().max().unwrap_or_default();
    of_parts(topics).max(worst.min(Level::Warning))
}

/// Percent of the whole that must be unhealthy; anything that is not healthy is a warning at least.
const SHARES: [usize; 4] = [0, 5, 20, 50];

/// The shown level: it worsens at once and improves one level at a time, each after a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LevelFilter {
    level: Level,
    since: Mono,
    /// Since when the raw level has been better than the shown one without a break.
    better_since: Option<Mono>,
}

impl LevelFilter {
    /// Shows `level` from `now` on.
    pub const fn new(level: Level, now: Mono) -> Self {
        Self { level, since: now, better_since: None }
    }

    /// Takes a raw level into account; whether the shown one changed.
    pub fn update(&mut self, now: Mono, raw: Level, rules: &Rules) -> bool {
        let before = self.level;
        if raw >= self.level {
            self.better_since = None;
            if raw > self.level {
                (self.level, self.since) = (raw, now);
            }
            return self.level != before;
        }
        self.better_since.get_or_insert(now);
        // A late call catches up: the levels do not depend on how often somebody asks.
        while let Some(due) = self.deadline(rules)
            && due <= now
            && raw < self.level
        {
            self.level = better(self.level);
            self.since = due;
            self.better_since = (raw < self.level).then_some(due);
        }
        self.level != before
    }

    /// When an improvement is due; `None` while none is in sight.
    pub fn deadline(&self, rules: &Rules) -> Option<Mono> {
        let hold = if self.level == Level::Warning { rules.hold_healthy } else { rules.hold };
        self.better_since.map(|since| since + hold)
    }

    /// The shown level.
    pub const fn level(&self) -> Level {
        self.level
    }

    /// Since when it is shown.
    pub const fn since(&self) -> Mono {
        self.since
    }
}

const fn better(level: Level) -> Level {
    match level {
        Level::Critical => Level::Unhealthy,
        Level::Unhealthy => Level::Degraded,
        Level::Degraded => Level::Warning,
        Level::Warning | Level::Healthy => Level::Healthy,
    }
}

#[cfg(test)]
mod tests;
