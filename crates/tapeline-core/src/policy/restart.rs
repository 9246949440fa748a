//! When a part that crashed is started again, and after how many times no more. A disconnect is not a crash.

use std::collections::VecDeque;
use std::time::Duration;

use crate::time::Mono;

/// How many restarts a part may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// So many are granted within the time; the next crash escalates.
    pub granted: usize,
    /// Those longer ago are forgotten.
    pub within: Duration,
}

impl Rule {
    /// What works beside the feeds: writers, watches.
    pub const PART: Self = Self { granted: 5, within: Duration::from_secs(10) };
    /// A feed; the next crash halts its venue.
    pub const FEED: Self = Self { granted: 3, within: Duration::from_secs(60) };
    /// The hub, and whatever listens; the third failure ends the process.
    pub const VITAL: Self = Self { granted: 2, within: Duration::from_secs(60) };
}

/// The delay before a restart, by how many there were within [`LATELY`].
const DELAYS: [Duration; 5] = [
    Duration::ZERO,
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(800),
];
/// Restarts longer ago than this delay no other.
const LATELY: Duration = Duration::from_secs(10);

/// The restarts of one part, and what follows its next crash.
#[derive(Debug)]
pub struct Restarts {
    rule: Rule,
    recent: VecDeque<Mono>,
}

impl Restarts {
    /// A part that has not crashed yet.
    pub const fn new(rule: Rule) -> Self {
        Self { rule, recent: VecDeque::new() }
    }

    /// Notes a crash. After which delay the part starts again; `None` = it does not, its owner is told.
    pub fn crashed(&mut self, now: Mono) -> Option<Duration> {
        while self.recent.front().is_some_and(|at| now.since(*at) >= self.rule.within) {
            self.recent.pop_front();
        }
        if self.recent.len() >= self.rule.granted {
            return None;
        }
        let lately = self.recent.iter().filter(|at| now.since(**at) < LATELY).count();
        self.recent.push_back(now);
        DELAYS.get(lately).or(DELAYS.last()).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rule: Rule, crashes_ms: &[u64], expected: &[Option<u64>]) {
        let mut restarts = Restarts::new(rule);
        let start = Mono::default() + Duration::from_secs(100);
        let delays: Vec<Option<u64>> = crashes_ms
            .iter()
            .map(|ms| restarts.crashed(start + Duration::from_millis(*ms)).map(|d| d.as_millis() as u64))
            .collect();
        assert_eq!(delays, expected, "{crashes_ms:?}");
    }

    #[test]
    fn the_fourth_crash_of_a_feed_in_a_minute_halts_it() {
        check(Rule::FEED, &[0, 1, 2, 3], &[Some(0), Some(100), Some(200), None]);
        // Also one that comes every few seconds, for ever.
        check(Rule::FEED, &[0, 19_000, 38_000, 57_000], &[Some(0), Some(0), Some(0), None]);
    }

    #[test]
    fn old_crashes_are_forgotten() {
        let delays = [Some(0), Some(100), Some(200), Some(0), Some(100)];
        check(Rule::FEED, &[0, 1, 2, 60_000, 60_001], &delays);
        check(Rule::FEED, &[0, 20_000, 40_000, 60_000, 80_000], &[Some(0); 5]);
        let delays = [Some(0), Some(0), Some(0), None, Some(0)];
        check(Rule::FEED, &[0, 20_000, 40_000, 59_999, 60_000], &delays);
    }

    #[test]
    fn the_sixth_crash_of_a_part_in_ten_seconds_escalates() {
        let delays = [Some(0), Some(100), Some(200), Some(400), Some(800), None];
        check(Rule::PART, &[0, 1, 102, 303, 704, 1_505], &delays);
        check(Rule::PART, &[0, 1, 2, 3, 4, 9_999], &delays);
        let delays = [Some(0), Some(100), Some(200), Some(400), Some(800), Some(800)];
        check(Rule::PART, &[0, 1, 2, 3, 4, 10_000], &delays);
        check(Rule::PART, &[0, 2_000, 4_000, 6_000, 8_000, 10_000, 12_000], &{
            let mut steady = delays.to_vec();
            steady.push(Some(800));
            steady
        });
    }

    #[test]
    fn the_third_failure_of_what_is_vital_within_a_minute_is_the_last() {
        check(Rule::VITAL, &[0, 30_000, 59_999], &[Some(0), Some(0), None]);
        check(Rule::VITAL, &[0, 1, 60_000, 60_001], &[Some(0), Some(100), Some(0), Some(100)]);
    }
}
