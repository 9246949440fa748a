//! How often the same may be told: a few times per interval, then only a count of what was left out.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// The interval within which repetitions are counted.
pub(crate) const INTERVAL: Duration = Duration::from_secs(10);
/// So many different things are told apart; what comes beyond that shares one count.
const MOST: usize = 4_096;

/// What is to be done with an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Tell it, and that so many of its kind were left out before.
    Tell(u64),
    /// Only count it.
    LeaveOut,
}

/// What was told lately.
#[derive(Debug, Default)]
pub(crate) struct Limiter {
    windows: HashMap<u64, Window>,
}

#[derive(Debug)]
struct Window {
    since: Instant,
    told: u32,
    left_out: u64,
    what: String,
}

impl Limiter {
    /// Judges an event; `what` names its kind in the count of what was left out.
    pub(crate) fn judge(&mut self, now: Instant, key: u64, repeats: u32, what: &str) -> Verdict {
        let full = self.windows.len() >= MOST && !self.windows.contains_key(&key);
        if full {
            self.windows
                .retain(|_, window| now.duration_since(window.since) < INTERVAL || window.left_out > 0);
        }
        let (key, what) = if full && self.windows.len() >= MOST { (0, "other events") } else { (key, what) };
        let fresh = || Window { since: now, told: 0, left_out: 0, what: what.to_owned() };
        let window = self.windows.entry(key).or_insert_with(fresh);
        let mut before = 0;
        if now.duration_since(window.since) >= INTERVAL {
            before = window.left_out;
            *window = fresh();
        }
        if window.told >= repeats {
            window.left_out += 1;
            return Verdict::LeaveOut;
        }
        window.told += 1;
        Verdict::Tell(before)
    }

    /// What was left out in intervals that are over, by name.
    pub(crate) fn over(&mut self, now: Instant) -> Vec<(String, u64)> {
        let mut told = Vec::new();
        self.windows.retain(|_, window| {
            let running = now.duration_since(window.since) < INTERVAL;
            if !running && window.left_out > 0 {
                told.push((std::mem::take(&mut window.what), window.left_out));
            }
            running
        });
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_told_a_few_times_and_then_counted() {
        let mut limiter = Limiter::default();
        let start = Instant::now();
        let verdicts: Vec<Verdict> = (0..5).map(|_| limiter.judge(start, 1, 2, "cut")).collect();
        assert_eq!(verdicts[..2], [Verdict::Tell(0); 2]);
        assert_eq!(verdicts[2..], [Verdict::LeaveOut; 3]);
        // Another thing is told whatever that one does.
        assert_eq!(limiter.judge(start, 2, 2, "refused"), Verdict::Tell(0));
        let later = start + INTERVAL;
        assert_eq!(limiter.judge(later, 1, 2, "cut"), Verdict::Tell(3));
        assert_eq!(limiter.judge(later, 1, 2, "cut"), Verdict::Tell(0));
    }

    #[test]
    fn what_was_left_out_is_told_also_if_it_never_happens_again() {
        let mut limiter = Limiter::default();
        let start = Instant::now();
        for _ in 0..4 {
            limiter.judge(start, 1, 1, "cut");
        }
        assert!(limiter.over(start).is_empty());
        assert_eq!(limiter.over(start + INTERVAL), [("cut".to_owned(), 3)]);
        assert!(limiter.over(start + INTERVAL * 2).is_empty());
    }

    #[test]
    fn a_flood_of_different_things_shares_one_count() {
        let mut limiter = Limiter::default();
        let start = Instant::now();
        let told = (1..=10_000).filter(|key| limiter.judge(start, *key, 1, "x") == Verdict::Tell(0)).count();
        assert!(told <= MOST + 1, "{told}");
        assert!(limiter.windows.len() <= MOST + 1);
        assert_eq!(limiter.over(start + INTERVAL).len(), 1);
    }
}
