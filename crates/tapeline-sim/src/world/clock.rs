//! The clocks of a simulated machine: one that only advances, and a wall clock that somebody may set.

use tapeline_core::time::{Mono, Time, Unix};

/// Nanoseconds of a millisecond.
pub(crate) const MS: u64 = 1_000_000;
/// Nanoseconds of a second.
pub(crate) const SEC: u64 = 1_000_000_000;
/// The wall clock at the beginning of every world, Unix milliseconds: 2026-01-05 12:00 UTC.
pub(crate) const DAWN_MS: u64 = 1_767_614_400_000;

/// The clocks of one machine.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    /// By how much the wall clock has been set wrong, nanoseconds.
    skew: i64,
}

impl Clock {
    /// Both clocks when the true time since the dawn is `now`.
    pub(crate) const fn read(&self, now: u64) -> Time {
        let wall = (DAWN_MS * MS) as i64 + now as i64;
        Time { mono: Mono(now), unix: Unix(wall.saturating_add(self.skew)) }
    }

    /// Somebody sets the wall clock.
    pub(crate) const fn jump(&mut self, by: i64) {
        self.skew = self.skew.saturating_add(by);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_moves_the_wall_clock_alone() {
        let mut clock = Clock::default();
        let before = clock.read(7);
        clock.jump(-3_600_000_000_000);
        let after = clock.read(7);
        assert_eq!(before.mono, after.mono);
        assert_eq!(before.unix.0 - after.unix.0, 3_600_000_000_000);
    }
}
