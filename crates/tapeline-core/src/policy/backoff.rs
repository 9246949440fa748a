//! How long to wait between dials: growing delays with jitter, and failures that service makes good.

use std::time::Duration;

use super::fault::Fault;
use crate::config::Timing;
use crate::time::Mono;

/// How delays are spread, so that many clients cut at once do not come back at once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Jitter {
    /// Not at all.
    None,
    /// Evenly within this share below and above the nominal delay, `0.0..=1.0`.
    Spread(f64),
    /// Evenly between nothing and the nominal delay.
    Full,
}

/// The settings of the delays.
#[derive(Debug, Clone, PartialEq)]
pub struct Backoff {
    /// The nominal delay after the first failure.
    pub first: Duration,
    /// Every further failure makes the delay longer by this factor.
    pub factor: f64,
    /// The longest delay, a hard cap after jitter.
    pub max: Duration,
    /// The shortest delay after jitter; the cap wins where the two contradict each other.
    pub min: Duration,
    /// How delays are spread.
    pub jitter: Jitter,
    /// A line that was stable is redialled within this once before the delays begin; zero = off.
    pub fast_retry: Duration,
    /// One failure is forgiven per this much proven service.
    pub forgive_every: Duration,
    /// After this much proven service in one session everything is forgiven.
    pub stable_after: Duration,
    /// Failures in a row after which the line gives up; `None` = never.
    pub attempts: Option<u32>,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::from(&Timing::default())
    }
}

impl From<&Timing> for Backoff {
    fn from(timing: &Timing) -> Self {
        Self {
            first: timing.backoff_first,
            factor: 2.0,
            max: timing.backoff_max,
            min: timing.backoff_min,
            jitter: Jitter::Spread(timing.backoff_spread),
            fast_retry: timing.fast_retry,
            forgive_every: timing.forgive_every,
            stable_after: timing.stable_after,
            attempts: None,
        }
    }
}

/// The delay before the next dial after `failures` (≥ 1) in a row; `roll` is uniform in `[0, 1)`.
pub fn delay(backoff: &Backoff, failures: u32, roll: f64) -> Duration {
    let (low, high) = ends(backoff, failures);
    bounded(backoff, low + (high - low) * roll.clamp(0.0, 1.0))
}

/// One delay of [`preview`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preview {
    /// The delay without jitter.
    pub nominal: Duration,
    /// The shortest it can be.
    pub low: Duration,
    /// The longest it can be.
    pub high: Duration,
}

/// The delays after the first `n` failures in a row, for people.
pub fn preview(backoff: &Backoff, n: u32) -> impl Iterator<Item = Preview> {
    (1..=n).map(|failures| Preview {
        nominal: bounded(backoff, nominal(backoff, failures)),
        low: delay(backoff, failures, 0.0),
        high: delay(backoff, failures, 1.0),
    })
}

/// The ends of the range a delay is drawn from, in seconds, before the hard bounds.
fn ends(backoff: &Backoff, failures: u32) -> (f64, f64) {
    let nominal = nominal(backoff, failures);
    match backoff.jitter {
        Jitter::None => (nominal, nominal),
        Jitter::Spread(share) => {
            let share = share.clamp(0.0, 1.0);
            // At the cap the middle gives way: clipping the upper half instead would bring half of
            // all clients back at the same moment.
            let middle = nominal.min(backoff.max.as_secs_f64() / (1.0 + share));
            (middle * (1.0 - share), middle * (1.0 + share))
        }
        Jitter::Full => (0.0, nominal),
    }
}

/// The delay without jitter, in seconds.
fn nominal(backoff: &Backoff, failures: u32) -> f64 {
    let doublings = i32::try_from(failures.saturating_sub(1)).unwrap_or(i32::MAX);
    // Kept finite, so that a first delay of nothing stays nothing.
    let growth = backoff.factor.powi(doublings).min(f64::MAX);
    (backoff.first.as_secs_f64() * growth).min(backoff.max.as_secs_f64())
}

/// Seconds within the hard bounds. What is not a number waits longest.
fn bounded(backoff: &Backoff, seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(backoff.max).max(backoff.min).min(backoff.max)
}

/// The failures of one line in a row, and what its service has made good.
///
/// An opened socket forgives nothing: a venue that accepts and closes at once would otherwise be
/// dialled hundreds of times in five minutes. Keep it over reconnects and over a crash of the feed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Failures {
    /// Not forgiven when service last ended or was looked at.
    count: u32,
    /// Refusals of our keys in a row.
    refusals: u32,
    /// The last failure ended a stable line and is not counted: the next dial is fast.
    spared: bool,
    /// Since when the running session is proven.
    proven: Option<Mono>,
}

impl Failures {
    /// The first market event of a session: from now on service is proven. Further calls change
    /// nothing until the session has failed.
    pub fn proven(&mut self, now: Mono) {
        self.refusals = 0;
        self.proven.get_or_insert(now);
    }

    /// The keys were accepted, or others were given.
    pub const fn keys_accepted(&mut self) {
        self.refusals = 0;
    }

    /// A dial failed, or a session ended that should not have. Ask [`super::recovery::step`] next.
    pub fn failed(&mut self, now: Mono, fault: Fault, backoff: &Backoff) {
        let was_stable = self.is_stable(now, backoff);
        let count = self.count(now, backoff);
        self.proven = None;
        if fault == Fault::Authentication {
            self.refusals = self.refusals.saturating_add(1);
        }
        self.spared = was_stable
            && match fault {
                Fault::Transient | Fault::Server | Fault::Unavailable { .. } => !backoff.fast_retry.is_zero(),
                Fault::Planned => true,
                _ => false,
            };
        self.count = if self.spared { 0 } else { count.saturating_add(1) };
    }

    /// A session ended at `now` through nobody's failure: the feed crashed, or nothing was wanted of the line any
    /// more. What its service made good stays so; the time until the next session is no service.
    pub fn interrupted(&mut self, now: Mono, backoff: &Backoff) {
        self.count = self.count(now, backoff);
        self.proven = None;
    }

    /// Failures in a row that service has not made good by `now`.
    pub fn count(&self, now: Mono, backoff: &Backoff) -> u32 {
        let Some(since) = self.proven else { return self.count };
        if self.is_stable(now, backoff) {
            return 0;
        }
        let forgiven = now.since(since).as_nanos().checked_div(backoff.forgive_every.as_nanos());
        // Without a price everything is forgiven at once.
        let forgiven = forgiven.map_or(u32::MAX, |times| u32::try_from(times).unwrap_or(u32::MAX));
        self.count.saturating_sub(forgiven)
    }

    /// Whether the running session has been proven for long enough to forget all before it.
    pub fn is_stable(&self, now: Mono, backoff: &Backoff) -> bool {
        self.proven.is_some_and(|since| now.since(since) >= backoff.stable_after)
    }

    /// When [`Failures::is_stable`] becomes true if nothing happens; `None` while nothing is proven.
    pub fn stable_at(&self, backoff: &Backoff) -> Option<Mono> {
        self.proven.map(|since| since + backoff.stable_after)
    }

    /// Refusals of our keys in a row.
    pub const fn refusals(&self) -> u32 {
        self.refusals
    }

    /// Whether the last failure ended a stable line, so that the next dial may be fast.
    pub const fn is_spared(&self) -> bool {
        self.spared
    }

    /// The delay that the last failure asks for; `roll` is uniform in `[0, 1)`.
    pub fn delay(&self, backoff: &Backoff, roll: f64) -> Duration {
        if self.spared {
            backoff.fast_retry.mul_f64(roll.clamp(0.0, 1.0))
        } else {
            delay(backoff, self.count, roll)
        }
    }

    /// Whether all attempts are used up.
    pub fn is_exhausted(&self, backoff: &Backoff) -> bool {
        backoff.attempts.is_some_and(|attempts| self.count >= attempts)
    }

    /// An operator forgives everything. The running session goes on.
    pub const fn reset(&mut self) {
        self.count = 0;
        self.refusals = 0;
        self.spared = false;
    }
}

#[cfg(test)]
mod tests;
