//! When silence is too long: the rhythm of a line's frames, and the round trips of its pings.

use std::time::Duration;

use crate::time::Mono;

/// The rhythm of what arrives, so that silence can be judged by it.
///
/// The mean of the gaps between arrivals, every gap weighted by its own length, fading with a
/// half-life of 60 s: a burst of a thousand frames within a second weighs one second, so it cannot
/// make a thin symbol look dead. An arrival costs an integer multiplication; the rest is done at most
/// twenty times a second.
#[derive(Debug, Clone)]
pub struct Arrivals {
    last: Option<Mono>,
    /// Up to when arrivals are part of the mean.
    folded: Mono,
    /// Σ gap² of the arrivals after that, in square nanoseconds.
    squares: u64,
    /// Σ weight · gap in seconds, fading.
    sum: f64,
    /// What is left of the time before the first arrival; Σ weight = 1 − rest.
    rest: f64,
    /// The longest gap ever seen, in nanoseconds.
    longest: u64,
}

impl Default for Arrivals {
    fn default() -> Self {
        Self { last: None, folded: Mono::default(), squares: 0, sum: 0.0, rest: 1.0, longest: 0 }
    }
}

impl Arrivals {
    /// Something arrived. Frames of one batch may share one reading of the clock.
    #[inline]
    pub fn observe(&mut self, now: Mono) {
        let Some(last) = self.last.replace(now) else { return self.resume(now) };
        let gap = now.0.saturating_sub(last.0);
        if now.0.saturating_sub(self.folded.0) < FOLD_EVERY {
            // The gaps of one stretch add up to less than its length, so their squares fit as well.
            self.squares += gap * gap;
        } else {
            self.fold(last, gap);
            self.folded = now;
        }
    }

    /// Makes the arrivals up to `last`, and the one `gap` after it, part of the mean.
    #[cold]
    fn fold(&mut self, last: Mono, gap: u64) {
        self.longest = self.longest.max(gap);
        let stretch = last.0.saturating_sub(self.folded.0) as f64 / SECOND;
        self.fade(weight(stretch));
        // Within one stretch the fading is less than 1 in 1,000: every gap weighs its length.
        self.sum += FADE_PER_SECOND * self.squares as f64 / (SECOND * SECOND);
        self.squares = 0;
        let gap = gap as f64 / SECOND;
        let weight = weight(gap);
        self.fade(weight);
        self.sum += weight * gap;
    }

    fn fade(&mut self, by: f64) {
        self.sum -= by * self.sum;
        self.rest -= by * self.rest;
    }

    /// A new session begins: the outage before it says nothing about the venue's rhythm.
    pub const fn resume(&mut self, now: Mono) {
        self.last = Some(now);
        self.folded = now;
        self.squares = 0;
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

    /// Whether a minute has been seen: what was before counts for no more than half.
    pub fn is_known(&self) -> bool {
        self.rest <= 0.5
    }

    /// How long after the last arrival the next one is to be expected: the mean gap as far as it is known, with no
    /// allowance for doubt, and at most `most`. At once if nothing is known.
    pub fn expected(&self, most: Duration) -> Duration {
        let known = 1.0 - self.rest;
        let mean = if known > 0.0 { self.sum / known } else { 0.0 };
        Duration::try_from_secs_f64(mean).unwrap_or(most).min(most)
    }

    /// Whether what comes is known to come so often that its absence for a few times `max` means something. A
    /// line that is quieter may pause for hours: the last gaps say nothing of the next one.
    pub fn is_lively(&self, max: Duration) -> bool {
        let known = 1.0 - self.rest;
        if known >= KNOWN {
            return self.silent_after(Duration::ZERO, max) < max;
        }
        // What has just begun, and came a hundred times over, does not end by chance.
        let seconds = known / FADE_PER_SECOND;
        seconds >= LEAST_SECONDS && self.sum > 0.0 && seconds * known / self.sum >= LEAST_ARRIVALS
    }

    /// How long something quieter may pause before even that is suspicious: far longer than it ever did.
    pub fn stillest(&self) -> Duration {
        STILL_MIN.max(Duration::from_nanos(self.longest).saturating_mul(STILL_GAPS))
    }
}

/// How much of the mean a stretch of so many seconds makes up.
fn weight(seconds: f64) -> f64 {
    let fade = seconds * FADE_PER_SECOND;
    // Under a second the series is exact to 3 parts in 10^7 and costs no transcendental function.
    if seconds < 1.0 { fade - fade * fade * 0.5 } else { 1.0 - (-fade).exp() }
}

const SECOND: f64 = 1e9;
/// The longest stretch of arrivals that is not yet part of the mean, in nanoseconds (50 ms).
const FOLD_EVERY: u64 = 50_000_000;
/// ln 2 / 60 s: a half-life of one minute.
const FADE_PER_SECOND: f64 = std::f64::consts::LN_2 / 60.0;
/// Silence of this many mean gaps is suspicious.
const GAPS: f64 = 8.0;
/// What is not known yet weighs as much as nine tenths of a second of observation, so that the rhythm of a busy line is
/// its own after a quarter of a minute.
const DOUBT: f64 = 0.01;
/// A rhythm of less than [`KNOWN`] counts if it has lasted so many seconds and brought so many arrivals.
const LEAST_SECONDS: f64 = 2.0;
const LEAST_ARRIVALS: f64 = 100.0;
/// A quiet line may always pause so long.
const STILL_MIN: Duration = Duration::from_secs(900);
/// … and so many times its longest pause so far.
const STILL_GAPS: u32 = 4;
/// So much must be known before a line is called lively (twenty seconds).
const KNOWN: f64 = 0.2;

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
