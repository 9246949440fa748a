//! How long something takes, each time it is done: counted by length, cheaply, by any thread.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// The upper bounds of what is counted together, in nanoseconds: 1 µs to 30 s.
const BOUNDS: [u64; 23] = [
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
    30_000_000_000,
];

/// Durations, counted by their length.
#[derive(Debug, Default)]
pub struct Spread {
    /// One more than there are bounds: the last is for all that took longer.
    counts: [AtomicU64; BOUNDS.len() + 1],
    nanos: AtomicU64,
}

/// What has been counted so far.
#[derive(Debug, Clone, PartialEq)]
pub struct SpreadReading {
    /// Upper bounds in seconds, the last one infinite, and how many were longer than the bound before and no longer
    /// than this one.
    pub buckets: Vec<(f64, u64)>,
    /// All of them together, in seconds.
    pub seconds: f64,
    /// How many there were.
    pub count: u64,
}

impl Spread {
    /// Counts one.
    pub fn add(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let at = BOUNDS.partition_point(|bound| *bound < nanos);
        self.counts[at].fetch_add(1, Relaxed);
        self.nanos.fetch_add(nanos, Relaxed);
    }

    /// What has been counted. Whoever counts at the same moment may be in it in part.
    pub fn read(&self) -> SpreadReading {
        let bounds = BOUNDS.iter().map(|nanos| *nanos as f64 / 1e9).chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> =
            bounds.zip(&self.counts).map(|(bound, count)| (bound, count.load(Relaxed))).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        SpreadReading { buckets, seconds: self.nanos.load(Relaxed) as f64 / 1e9, count }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(nanos: u64, bound: f64) {
        let spread = Spread::default();
        spread.add(Duration::from_nanos(nanos));
        let read = spread.read();
        let found: Vec<f64> =
            read.buckets.iter().filter(|(_, count)| *count > 0).map(|(bound, _)| *bound).collect();
        assert_eq!((found, read.count, read.seconds), (vec![bound], 1, nanos as f64 / 1e9), "{nanos}");
    }

    #[test]
    fn each_length_is_counted_under_the_first_bound_it_does_not_pass() {
        check(0, 1e-6);
        check(1_000, 1e-6);
        check(1_001, 2.5e-6);
        check(7_000_000, 1e-2);
        check(30_000_000_000, 30.0);
        check(30_000_000_001, f64::INFINITY);
    }

    #[test]
    fn the_bounds_rise() {
        assert!(BOUNDS.is_sorted_by(|a, b| a < b));
    }
}
