//! The circuit breaker of one endpoint and protocol: it gates new attempts, never a working connection.

use std::collections::VecDeque;
use std::time::Duration;

use serde::Serialize;

use crate::config::Timing;
use crate::defect::{Defect, planted};
use crate::time::Mono;

/// The settings of a breaker.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// Failures in a row that open it.
    pub failures: u32,
    /// They must lie within this.
    pub within: Duration,
    /// How long it stays open the first time.
    pub open: Duration,
    /// Every further time is longer by this factor.
    pub escalation: f64,
    /// The longest it stays open, before jitter.
    pub open_max: Duration,
    /// It stays open longer by up to this share, so that not all clients probe at once.
    pub spread: f64,
    /// After this long a probe that nobody reported on no longer keeps others out.
    pub probe_within: Duration,
    /// Also open by the share of failed calls; for REST.
    pub share: Option<Share>,
}

/// Opens a breaker when many of the latest calls failed, even if not in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Failed calls, in percent of the latest.
    pub percent: u32,
    /// How many of the latest are looked at, at most 64.
    pub last: u32,
    /// With fewer calls than this nothing is concluded.
    pub least: u32,
}

impl Default for Share {
    fn default() -> Self {
        Self { percent: 50, last: 20, least: 10 }
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self::from(&Timing::default())
    }
}

impl From<&Timing> for Rules {
    fn from(timing: &Timing) -> Self {
        Self {
            failures: 5,
            within: Duration::from_secs(120),
            open: timing.breaker_open,
            escalation: 1.0,
            open_max: Duration::from_secs(300),
            spread: 0.10,
            probe_within: timing.dial_within,
            share: None,
        }
    }
}

/// What a breaker does, for status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Attempts pass.
    Closed,
    /// No attempt passes.
    Open,
    /// One probe at a time passes.
    HalfOpen,
    /// An operator lets nothing pass.
    ForcedOpen,
    /// An operator lets everything pass.
    Disabled,
}

/// What an operator makes of breakers, until [`Breaker::reset`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Override {
    /// Nothing passes.
    Open,
    /// Everything passes, however often it fails.
    Disabled,
}

impl Override {
    /// Its word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Disabled => "disabled",
        }
    }
}

/// The refusal of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("circuit_open")]
pub struct CircuitOpen {
    /// When asking again makes sense; [`Mono::NEVER`] while an operator holds it open.
    pub until: Mono,
}

/// Leave for one attempt. Report how it went with [`Breaker::success`] or [`Breaker::failure`], or
/// give it back with [`Breaker::release`] if the attempt was abandoned or says nothing of the endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "an attempt that nobody reports on keeps other probes out"]
pub struct Permit {
    /// The number of the probe; `None` for an attempt through a closed breaker.
    probe: Option<u32>,
}

/// A circuit breaker. Clone it to keep it over a restart of its owner.
#[derive(Debug, Clone)]
pub struct Breaker {
    rules: Rules,
    phase: Phase,
    /// Times of the latest failures in a row, at most as many as open it.
    streak: VecDeque<Mono>,
    /// Outcomes of the latest calls, newest in the lowest bit; 1 = failed.
    calls: u64,
    /// How many of the bits are calls.
    called: u32,
    /// How often it opened without closing in between.
    opened: u32,
    /// When it left [`State::Closed`] last.
    since: Option<Mono>,
    /// Probes admitted so far, to tell them apart.
    probes: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Closed,
    Open { until: Mono },
    Probing { probe: u32, expires: Mono },
    ForcedOpen,
    Disabled,
}

impl Breaker {
    /// A closed breaker.
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            phase: Phase::Closed,
            streak: VecDeque::new(),
            calls: 0,
            called: 0,
            opened: 0,
            since: None,
            probes: 0,
        }
    }

    /// Asks for leave to make one attempt.
    ///
    /// # Errors
    /// [`CircuitOpen`] with the time before which asking again is pointless.
    pub fn acquire(&mut self, now: Mono) -> Result<Permit, CircuitOpen> {
        if let Some(until) = self.until(now) {
            return Err(CircuitOpen { until });
        }
        match self.phase {
            Phase::Closed | Phase::Disabled | Phase::ForcedOpen => Ok(Permit { probe: None }),
            Phase::Open { .. } | Phase::Probing { .. } => {
                self.probes = self.probes.wrapping_add(1);
                let leaks = planted(Defect::LeakPermit);
                let expires = if leaks { Mono::NEVER } else { now + self.rules.probe_within };
                self.phase = Phase::Probing { probe: self.probes, expires };
                Ok(Permit { probe: Some(self.probes) })
            }
        }
    }

    /// The probe has got far enough to be waited for until `until`, for example because it is
    /// connected and now has to show data. Nothing happens for other permits, or if it has expired
    /// and another probe is under way.
    pub fn extend(&mut self, permit: Permit, until: Mono) {
        if let Phase::Probing { probe, expires } = &mut self.phase
            && permit.probe == Some(*probe)
        {
            *expires = until.max(*expires);
        }
    }

    /// Gives leave back unused: the attempt was abandoned, or failed in a way that says nothing of
    /// the endpoint. The next one may probe at once.
    pub fn release(&mut self, permit: Permit, now: Mono) {
        if let Phase::Probing { probe, .. } = self.phase
            && permit.probe == Some(probe)
            && !planted(Defect::LeakPermit)
        {
            self.phase = Phase::Open { until: now };
        }
    }

    /// An attempt proved the endpoint: REST answered 2xx in time, a line had five seconds of data.
    ///
    /// While it is open nothing changes: such an attempt began before it opened.
    pub fn success(&mut self) {
        match self.phase {
            Phase::Closed => {
                self.streak.clear();
                self.record(false);
            }
            Phase::Probing { .. } => self.reset(),
            Phase::Open { .. } | Phase::ForcedOpen | Phase::Disabled => {}
        }
    }

    /// An attempt failed for which [`super::fault::Fault::counts_for_breaker`]; `roll` is uniform in
    /// `[0, 1)`. `now` is when the venue's pause begins: for a dial that hung, when it began.
    pub fn failure(&mut self, now: Mono, roll: f64) {
        match self.phase {
            Phase::Closed => {
                if self.streak.len() >= self.rules.failures.max(1) as usize {
                    self.streak.pop_front();
                }
                self.streak.push_back(now);
                self.record(true);
                if self.is_tripped(now) {
                    self.open(now, roll);
                }
            }
            Phase::Probing { .. } => self.open(now, roll),
            Phase::Open { .. } | Phase::ForcedOpen | Phase::Disabled => {}
        }
    }

    /// Closes it and forgets everything, also an operator's override.
    pub fn reset(&mut self) {
        let fresh = Self::new(self.rules.clone());
        *self = Self { probes: self.probes, ..fresh };
    }

    /// An operator lets nothing pass, until [`Breaker::reset`].
    pub fn force_open(&mut self, now: Mono) {
        self.since.get_or_insert(now);
        self.phase = Phase::ForcedOpen;
    }

    /// An operator lets everything pass, until [`Breaker::reset`].
    pub fn disable(&mut self) {
        self.reset();
        self.phase = Phase::Disabled;
    }

    /// What it does at `now`.
    pub fn state(&self, now: Mono) -> State {
        match self.phase {
            Phase::Closed => State::Closed,
            Phase::Open { until } if now < until => State::Open,
            Phase::Open { .. } | Phase::Probing { .. } => State::HalfOpen,
            Phase::ForcedOpen => State::ForcedOpen,
            Phase::Disabled => State::Disabled,
        }
    }

    /// Before when no attempt passes; `None` = one passes now.
    pub fn until(&self, now: Mono) -> Option<Mono> {
        let until = match self.phase {
            Phase::Closed | Phase::Disabled => return None,
            Phase::Open { until } => until,
            Phase::Probing { expires, .. } => expires,
            Phase::ForcedOpen => return Some(Mono::NEVER),
        };
        (now < until).then_some(until)
    }

    /// When it last left [`State::Closed`], while it has not returned there.
    pub const fn open_since(&self) -> Option<Mono> {
        self.since
    }

    /// How often it opened without closing in between.
    pub const fn opened(&self) -> u32 {
        self.opened
    }

    fn is_tripped(&self, now: Mono) -> bool {
        let in_a_row = self.streak.len() >= self.rules.failures.max(1) as usize
            && self.streak.front().is_some_and(|first| now.since(*first) <= self.rules.within);
        in_a_row || self.rules.share.is_some_and(|share| self.is_share_reached(share))
    }

    fn is_share_reached(&self, share: Share) -> bool {
        let looked_at = self.called.min(share.last);
        let mask = if looked_at >= 64 { u64::MAX } else { (1 << looked_at) - 1 };
        let failed = (self.calls & mask).count_ones();
        looked_at > 0 && looked_at >= share.least && failed * 100 >= share.percent * looked_at
    }

    const fn record(&mut self, failed: bool) {
        self.calls = self.calls << 1 | failed as u64;
        if self.called < 64 {
            self.called += 1;
        }
    }

    fn open(&mut self, now: Mono, roll: f64) {
        let times = i32::try_from(self.opened).unwrap_or(i32::MAX);
        let longest = self.rules.open_max.as_secs_f64();
        let base = (self.rules.open.as_secs_f64() * self.rules.escalation.powi(times)).min(longest);
        let seconds = base * (1.0 + self.rules.spread * roll.clamp(0.0, 1.0));
        let stay = Duration::try_from_secs_f64(seconds).unwrap_or(self.rules.open_max);
        self.opened = self.opened.saturating_add(1);
        self.since.get_or_insert(now);
        self.phase = Phase::Open { until: now + stay };
    }
}

#[cfg(test)]
mod tests;
