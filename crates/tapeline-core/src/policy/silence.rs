//! When silence is too long: the rhythm of a line's frames, and the round trips of its pings.

use std::time::Duration;

use crate::time::Mono;

/// The rhythm of what arrives, so that silence can be judged by it.
///
/// The mean of the gaps between arrivals, every gap weighted by its own length, fading with a
/// half-life of 60 s: a burst of a thousand frames within a second weighs one second, so it cannot
/// make a thin symbol look dead. Costs a few nanoseconds per arrival.
#[derive(Debug, Clone)]
pub struct Arrivals {
    last: Option<Mono>,
    /// Σ weight · gap in seconds, fading.
    sum: f64,
    /// What is left of the time before the first arrival; Σ weight = 1 − rest.
    rest: f64,
}

impl Default for Arrivals {
    fn default() -> Self {
        Self { last: None, sum: 0.0, rest: 1.0 }
    }
}

impl Arrivals {
    /// Something arrived. Frames of one batch may share one reading of the clock.
    #[inline]
    pub fn observe(&mut self, now: Mono) {
        let Some(last) = self.last.replace(now) else { return };
        let gap = now.0.saturating_sub(last.0) as f64 * 1e-9;
        let fade = gap * FADE_PER_SECOND;
        // Under a second the series is exact to 3 parts in 10^7 and costs no transcendental function.
        let weight = if gap < 1.0 { fade - fade * fade * 0.5 } else { 1.0 - (-fade).exp() };
        self.sum += weight * (gap - self.sum);
        self.rest -= weight * self.rest;
    }

    /// A new session begins: the outage before it says nothing about the venue's rhythm.
    pub const fn resume(&mut self, now: Mono) {
        self.last = Some(now);
    }

    /// When something last arrived, or the session began.
    pub const fn last(&self) -> Option<Mono> {
        self.last
    }

    /// How long silence may last before it is suspicious: eight mean gaps, within the bounds. With
    /// little seen it is near `max` and comes down as the rhythm becomes known.
    pub fn silent_after(&self, min: Duration, max: Duration) -> Duration {
        let unknown = self.rest * DOUBT;
        let slowest = max.as_secs_f64() / GAPS;
        let mean = (self.sum + unknown * slowest) / (1.0 - self.rest + unknown);
        Duration::try_from_secs_f64(mean * GAPS).unwrap_or(max).min(max).max(min)
    }
}

/// ln 2 / 60 s: a half-life of one minute.
const FADE_PER_SECOND: f64 = std::f64::consts::LN_2 / 60.0;
/// Silence of this many mean gaps is suspicious.
const GAPS: f64 = 8.0;
/// What is not known yet weighs as much as ten seconds of observation.
const DOUBT: f64 = 0.115;

/// Round trips of pings, for the deadline of the next pong.
#[derive(Debug, Clone, Default)]
pub struct RoundTrips {
    /// The latest, in microseconds.
    micros: [u32; 32],
    /// How many were ever seen.
    seen: u32,
}

impl RoundTrips {
    /// A pong came `took` after its ping.
    pub fn observe(&mut self, took: Duration) {
        let at = self.seen as usize % self.micros.len();
        self.micros[at] = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
        // Stays at a value from which the place in the ring still follows.
        self.seen = if self.seen == u32::MAX { u32::MAX - 31 } else { self.seen + 1 };
    }

    /// The slowest of the latest 32: of so few, it is the 99th percentile. `None` before the first.
    pub fn slowest(&self) -> Option<Duration> {
        let known = self.micros.len().min(self.seen as usize);
        let slowest = self.micros.iter().take(known).max();
        slowest.map(|micros| Duration::from_micros(u64::from(*micros)))
    }

    /// How long a pong may take: four times the slowest, within the bounds; `max` while unknown.
    pub fn deadline(&self, min: Duration, max: Duration) -> Duration {
        self.slowest().map_or(max, |slowest| slowest.saturating_mul(4).min(max).max(min))
    }
}

/// The shortest deadline of a pong.
pub const PONG_MIN: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests;
