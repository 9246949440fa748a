//! What follows from a fault: the class, what went before it and one roll of the dice make the next step.

use std::time::Duration;

use serde::Serialize;

use super::backoff::{Backoff, Failures};
use super::fault::Fault;

/// How a class of faults is recovered from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Recovery {
    /// Again, with growing delays.
    Progressive,
    /// Again at once, where the venue allows it before the old line is closed.
    Immediate,
    /// Again after the pause that was asked for.
    Delayed,
    /// Not without new settings or an operator.
    Manual,
}

impl Fault {
    /// How this class is recovered from. [`Fault::Authentication`] is manual in the end, after fresh
    /// keys and a few spaced tries.
    pub const fn recovery(self) -> Recovery {
        match self {
            Self::Transient | Self::Local | Self::Server | Self::Unavailable { .. } => Recovery::Progressive,
            Self::Planned => Recovery::Immediate,
            Self::RateLimited { .. } => Recovery::Delayed,
            Self::Authentication | Self::Configuration => Recovery::Manual,
        }
    }
}

/// The next step of a line whose dial or session failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Dial again after this long.
    RetryAfter(Duration),
    /// Dial the next endpoint, if there is another, after this long.
    NextEndpoint(Duration),
    /// Nothing at all towards this venue from this address for this long: extend the gate's hold,
    /// then dial again.
    Hold(Duration),
    /// Read or renew the keys, then dial again at once.
    RefreshKeys,
    /// Stop. New settings, new keys or an operator start it again.
    Halt,
}

/// What to do about `fault`, already entered into `failures` by [`Failures::failed`]. `code` is the
/// close code, if there was one; `roll` is uniform in `[0, 1)`.
///
/// The gate may add to it: the next dial is never before its breaker, holds and budgets allow.
pub fn step(fault: Fault, code: Option<u16>, failures: &Failures, backoff: &Backoff, roll: f64) -> Step {
    let roll = roll.clamp(0.0, 1.0);
    if failures.is_exhausted(backoff) {
        return Step::Halt;
    }
    match fault {
        Fault::Transient | Fault::Local => Step::RetryAfter(failures.delay(backoff, roll)),
        Fault::Server | Fault::Unavailable { .. } => Step::NextEndpoint(failures.delay(backoff, roll)),
        Fault::Planned => {
            let (from, to) = if code == Some(1012) { RESTART } else { GOODBYE };
            let soon = from + (to - from).mul_f64(roll);
            // A venue that says goodbye to every line after a moment is not planning, it is broken.
            let soon = if failures.is_spared() { soon } else { soon.max(failures.delay(backoff, roll)) };
            Step::RetryAfter(soon)
        }
        Fault::RateLimited { .. } => Step::Hold(pause(fault, roll).unwrap_or_default()),
        Fault::Authentication => match failures.refusals() {
            0 | 1 => Step::RefreshKeys,
            refusals => match REFUSAL_DELAYS.get(refusals as usize - 2) {
                Some(delay) => Step::RetryAfter(*delay),
                None => Step::Halt,
            },
        },
        Fault::Configuration => Step::Halt,
    }
}

/// How long to hold everything back after `fault`, a refused fetch for example: what was asked for,
/// never less, and up to a tenth more so that not everybody comes back at once. `None` for classes
/// that ask for no pause; `roll` is uniform in `[0, 1)`.
pub fn pause(fault: Fault, roll: f64) -> Option<Duration> {
    fault.hold().map(|asked| spread(asked, roll))
}

/// How long to leave alone the one endpoint that failed with `fault` and said so, drawn out like [`pause`].
pub fn away(fault: Fault, roll: f64) -> Option<Duration> {
    fault.away().map(|asked| spread(asked, roll))
}

fn spread(asked: Duration, roll: f64) -> Duration {
    asked + asked.mul_f64(HOLD_SPREAD * roll.clamp(0.0, 1.0))
}

/// When to come back after a goodbye.
const GOODBYE: (Duration, Duration) = (Duration::ZERO, Duration::from_secs(1));
/// When to come back after 1012 ("service restart", RFC 6455's registry asks for 5-30 s).
const RESTART: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(30));
/// A hold is made longer by up to this share, never shorter.
const HOLD_SPREAD: f64 = 0.10;
/// Delays of the tries after fresh keys were refused too.
const REFUSAL_DELAYS: [Duration; 3] =
    [Duration::from_secs(5), Duration::from_secs(15), Duration::from_secs(60)];

#[cfg(test)]
mod tests;
