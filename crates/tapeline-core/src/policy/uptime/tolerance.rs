//! How well faults are borne: how many were not felt, how many outages ended, and one figure of both. The event log says
//! of every line that was lost whether that was felt, so that anybody can compute the same.

use serde::Serialize;

use super::figures::Totals;

/// Faults of lines in a stretch of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Faults {
    /// Lines that were lost while they were open.
    pub lines: u64,
    /// Those of them that some wanted topic felt: no other line carried it.
    pub felt: u64,
}

impl Faults {
    /// Adds what happened elsewhere in the same time.
    pub const fn merge(&mut self, other: Self) {
        self.lines += other.lines;
        self.felt += other.felt;
    }
}

/// How well faults were borne in a stretch of time. What there was none of has no share.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Tolerance {
    /// Faults of lines.
    pub faults: Faults,
    /// The share of them that no topic felt.
    pub tolerated: Option<f64>,
    /// The share of the outages (of full service) that are over by repair.
    pub recovered: Option<f64>,
    /// 100 × the mean of both and of the availability of full service, of those that there are.
    pub score: Option<f64>,
}

impl Tolerance {
    /// What follows from the faults and the sums of the same stretch.
    pub fn new(faults: Faults, totals: &Totals) -> Self {
        let share = |part: u64, of: u64| (of > 0).then(|| part as f64 / of as f64);
        let full = totals.full.figures();
        let tolerated = share(faults.lines.saturating_sub(faults.felt), faults.lines);
        let recovered = share(full.repaired, full.failures);
        let parts: Vec<f64> = [tolerated, recovered, full.availability].into_iter().flatten().collect();
        let mean = parts.iter().sum::<f64>() / parts.len().max(1) as f64;
        // Without time there is nothing to judge.
        let score = full.availability.map(|_| (mean * 1_000.0).round() / 10.0);
        Self { faults, tolerated, recovered, score }
    }
}
