//! Time as the core sees it: a monotonic reading for every timer, and the wall clock for labels.

use std::ops::{Add, AddAssign, Sub};
use std::time::Duration;

use serde::Serialize;

/// A reading of a clock that never steps back, in nanoseconds since an arbitrary start.
///
/// Every timer, budget and deadline uses this one, so that a jump of the wall clock changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Mono(pub u64);

impl Mono {
    /// A moment that never comes.
    pub const NEVER: Self = Self(u64::MAX);

    /// The time passed since `earlier`; zero if `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Mono {
    type Output = Self;
    fn add(self, rhs: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(rhs.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl AddAssign<Duration> for Mono {
    fn add_assign(&mut self, rhs: Duration) {
        *self = *self + rhs;
    }
}

impl Sub<Duration> for Mono {
    type Output = Self;
    fn sub(self, rhs: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(rhs.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// Wall-clock time in nanoseconds since 1970 (UTC). A label, never the base of a timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Unix(pub i64);

impl Unix {
    /// Milliseconds since 1970 as nanoseconds; saturates at the ends of the range.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// Microseconds since 1970 as nanoseconds; saturates at the ends of the range.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros.saturating_mul(1_000))
    }
}

impl Serialize for Unix {
    /// A string of digits: nanoseconds pass 2^53, which JavaScript numbers cannot hold.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// The two clocks, read together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Time {
    /// For every decision.
    pub mono: Mono,
    /// For labels shown to people and written into updates.
    pub unix: Unix,
}

impl Time {
    /// The same instant on both clocks, `by` later.
    pub fn later(self, by: Duration) -> Self {
        let nanos = i64::try_from(by.as_nanos()).unwrap_or(i64::MAX);
        Self { mono: self.mono + by, unix: Unix(self.unix.0.saturating_add(nanos)) }
    }

    /// An earlier reading of the monotonic clock as wall-clock time.
    fn wall(self, at: Mono) -> Unix {
        let ago = i64::try_from(self.mono.since(at).as_nanos()).unwrap_or(i64::MAX);
        Unix(self.unix.0.saturating_sub(ago))
    }
}

/// When something began, by the wall clock. It is read once: reckoned anew each time it would move with every reading
/// of the two clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct Dated(Option<(Mono, Unix)>);

impl Dated {
    /// It began at `at`; the wall clock is read if that is news.
    pub fn note(&mut self, now: Time, at: Mono) {
        if self.0.is_none_or(|(noted, _)| noted != at) {
            self.0 = Some((at, now.wall(at)));
        }
    }

    /// When it began; 1970 before anything was noted.
    pub fn told(self) -> Unix {
        self.0.map_or_else(Unix::default, |(_, told)| told)
    }
}
