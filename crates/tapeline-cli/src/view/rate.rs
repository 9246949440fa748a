//! Events per second over the last two seconds, in a few counters.

/// The length of one counter.
const STEP: u64 = 200;
const STEPS: usize = 10;

/// A sliding count of events.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rate {
    counts: [u32; STEPS],
    /// The step that the newest counter stands for.
    step: u64,
    /// When the first event came; a rate over less than the window is told truly.
    first: Option<u64>,
    total: u64,
}

impl Rate {
    /// Counts `events` at `now` (milliseconds).
    pub(crate) fn add(&mut self, now: u64, events: u32) {
        self.advance(now);
        self.first.get_or_insert(now);
        let slot = &mut self.counts[(self.step % STEPS as u64) as usize];
        *slot = slot.saturating_add(events);
        self.total += u64::from(events);
    }

    /// Events per second up to `now`.
    pub(crate) fn per_second(&mut self, now: u64) -> f64 {
        self.advance(now);
        let Some(first) = self.first else { return 0.0 };
        let sum: u64 = self.counts.iter().map(|count| u64::from(*count)).sum();
        // The newest counter is filled only up to now.
        let window = (STEPS as u64 - 1) * STEP + now % STEP;
        let seen = now.saturating_sub(first).clamp(STEP, window.max(STEP));
        sum as f64 * 1_000.0 / seen as f64
    }

    /// All events ever.
    pub(crate) const fn total(&self) -> u64 {
        self.total
    }

    /// Events per second from the first one up to `now`.
    pub(crate) fn mean(&self, now: u64) -> f64 {
        let seen = self.first.map_or(0, |first| now.saturating_sub(first)).max(1_000);
        self.total as f64 * 1_000.0 / seen as f64
    }

    fn advance(&mut self, now: u64) {
        let step = now / STEP;
        let passed = step.saturating_sub(self.step).min(STEPS as u64);
        for ahead in 1..=passed {
            self.counts[((self.step + ahead) % STEPS as u64) as usize] = 0;
        }
        if step > self.step {
            // Counters are indexed by their step, so that a long pause keeps them apart.
            if passed == STEPS as u64 {
                self.counts = [0; STEPS];
            }
            self.step = step;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_flow_is_told_as_its_rate() {
        let mut rate = Rate::default();
        for tick in 0..500 {
            rate.add(1_000 + tick * 10, 1);
        }
        let told = rate.per_second(5_990);
        assert!((95.0..=105.0).contains(&told), "{told}");
        assert_eq!(rate.total(), 500);
    }

    #[test]
    fn a_flow_that_stops_is_forgotten() {
        let mut rate = Rate::default();
        rate.add(1_000, 100);
        assert!(rate.per_second(1_500) > 100.0);
        assert!(rate.per_second(3_500) < 1e-9);
        rate.add(1_000_000_000, 1);
        assert!(rate.per_second(1_000_000_100) < 1.0);
    }
}
