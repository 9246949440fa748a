//! Sums of times and outages, and the figures that follow from them.

use std::collections::VecDeque;
use std::time::Duration;

use serde::Serialize;

/// What happened to one promise: times, outages, and how long each took.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sums {
    /// The time counted, of all entities together.
    pub observed: Duration,
    /// How much of it the promise was broken.
    pub down: Duration,
    /// Outages.
    pub failures: u64,
    /// From the start of an outage until it was noticed.
    pub detect: Lengths,
    /// From the start of an outage until it was over; of those that are.
    pub repair: Lengths,
}

impl Sums {
    /// Nothing yet.
    pub const fn new() -> Self {
        let zero = Duration::ZERO;
        Self { observed: zero, down: zero, failures: 0, detect: Lengths::new(), repair: Lengths::new() }
    }

    pub(super) fn spend(&mut self, spent: Duration, down: bool) {
        self.observed = self.observed.saturating_add(spent);
        if down {
            self.down = self.down.saturating_add(spent);
        }
    }

    pub(super) fn outage(&mut self, detect: Duration, repair: Option<Duration>) {
        self.failures += 1;
        self.detect.add(detect);
        if let Some(repair) = repair {
            self.repair.add(repair);
        }
    }

    /// Adds what happened elsewhere in the same time.
    pub fn merge(&mut self, other: &Self) {
        self.observed = self.observed.saturating_add(other.observed);
        self.down = self.down.saturating_add(other.down);
        self.failures += other.failures;
        self.detect.merge(&other.detect);
        self.repair.merge(&other.repair);
    }

    /// What follows from the sums.
    pub fn figures(&self) -> Figures {
        let (observed, down) = (self.observed.as_secs_f64(), self.down.as_secs_f64());
        let per_failure = |seconds: f64| (self.failures > 0).then(|| seconds / self.failures as f64);
        let availability = (observed > 0.0).then(|| 1.0 - down / observed);
        let (mttf_s, mtbf_s) =
            (per_failure((self.observed - self.down).as_secs_f64()), per_failure(observed));
        if let (Some(availability), Some(mttf), Some(mtbf)) = (availability, mttf_s, mtbf_s) {
            debug_assert!((availability - mttf / mtbf).abs() < 1e-9, "A = MTTF / MTBF");
        }
        Figures {
            observed_s: observed,
            down_s: down,
            availability,
            failures: self.failures,
            repaired: self.repair.count,
            mttr_s: self.repair.mean(),
            mttf_s,
            mtbf_s,
            ttr: self.repair.spread(),
            ttd: self.detect.spread(),
        }
    }
}

/// The sums of both promises.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// Fresh from a line.
    pub full: Sums,
    /// Fresh from a line or by polling.
    pub any: Sums,
    /// Entities that were left out because there were too many at a time.
    pub uncounted: u64,
}

impl Totals {
    /// Adds what happened elsewhere in the same time: figures of several venues together.
    pub fn merge(&mut self, other: &Self) {
        self.full.merge(&other.full);
        self.any.merge(&other.any);
        self.uncounted += other.uncounted;
    }
}

/// The figures of one promise. With no failure there is no mean: the fields are `null`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Figures {
    /// T: the time counted, in seconds; ten topics for a minute are ten minutes.
    pub observed_s: f64,
    /// D: how much of it the promise was broken, in seconds.
    pub down_s: f64,
    /// A = 1 − D / T; none without time.
    pub availability: Option<f64>,
    /// n: outages of which some part lies in the time.
    pub failures: u64,
    /// Those of them that are over by repair.
    pub repaired: u64,
    /// Mean time to repair, in seconds: of those that are over, the whole length.
    pub mttr_s: Option<f64>,
    /// Mean time to failure, in seconds: (T − D) / n.
    pub mttf_s: Option<f64>,
    /// Mean time between failures, in seconds: T / n.
    pub mtbf_s: Option<f64>,
    /// Times to repair.
    pub ttr: Spread,
    /// Times to detection.
    pub ttd: Spread,
}

/// How lengths are spread. Percentiles are those of the nearest rank.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Spread {
    /// How many there were.
    pub n: u64,
    /// Half were at most so long, in seconds.
    pub p50_s: Option<f64>,
    /// 95 of 100 were at most so long, in seconds.
    pub p95_s: Option<f64>,
    /// The longest, in seconds.
    pub max_s: Option<f64>,
}

/// Lengths of time: their sum, and the latest of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lengths {
    count: u64,
    sum: Duration,
    longest: Duration,
    latest: VecDeque<Duration>,
}

impl Lengths {
    /// So many of the latest make the percentiles.
    pub const KEPT: usize = 4_096;

    const fn new() -> Self {
        let zero = Duration::ZERO;
        Self { count: 0, sum: zero, longest: zero, latest: VecDeque::new() }
    }

    fn add(&mut self, length: Duration) {
        self.count += 1;
        self.sum = self.sum.saturating_add(length);
        self.longest = self.longest.max(length);
        self.keep(length);
    }

    fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.sum = self.sum.saturating_add(other.sum);
        self.longest = self.longest.max(other.longest);
        other.latest.iter().for_each(|length| self.keep(*length));
    }

    fn keep(&mut self, length: Duration) {
        if self.latest.len() >= Self::KEPT {
            self.latest.pop_front();
        }
        self.latest.push_back(length);
    }

    fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum.as_secs_f64() / self.count as f64)
    }

    fn spread(&self) -> Spread {
        let mut sorted: Vec<_> = self.latest.iter().copied().collect();
        sorted.sort_unstable();
        let rank = |percent: usize| {
            let at = (sorted.len() * percent).div_ceil(100).checked_sub(1)?;
            sorted.get(at).map(Duration::as_secs_f64)
        };
        let max_s = (self.count > 0).then_some(self.longest.as_secs_f64());
        Spread { n: self.count, p50_s: rank(50), p95_s: rank(95), max_s }
    }
}
