//! The market inside a house: its own time against the house's, and its end.

use crate::exchange::{Frames, Market, MarketOptions, Wanted};
use crate::playback::Speed;
use std::time::Duration;

/// A generated market with its clock.
#[derive(Debug)]
pub(crate) struct Floor {
    pub(crate) market: Market,
    /// What the market made since it was last taken away.
    pub(crate) frames: Frames,
    speed: Speed,
    limit: u64,
    /// The market's time when it opened, Unix microseconds.
    opened: u64,
}

impl Floor {
    pub(crate) fn new(options: &MarketOptions, unix_ms_at_zero: u64) -> Self {
        let market = Market::open(options, options.start_ms.unwrap_or(unix_ms_at_zero));
        Self {
            opened: market.now(),
            market,
            frames: Frames::default(),
            speed: options.speed,
            limit: options.frames.unwrap_or(u64::MAX),
        }
    }

    pub(crate) const fn is_finished(&self) -> bool {
        self.frames.made >= self.limit
    }

    /// When the next thing happens in a market that runs since a moment of the house, nanoseconds; [`u64::MAX`]
    /// for never. One that races does nothing by the clock.
    pub(crate) fn due(&self, since: u64) -> u64 {
        let Speed::Times(times) = self.speed else { return u64::MAX };
        if self.is_finished() {
            return u64::MAX;
        }
        let passed = self.market.due().saturating_sub(self.opened).saturating_mul(1_000);
        // A factor of one is exact; others are the same on every machine.
        #[allow(clippy::float_cmp, reason = "the number that was given, not one that was reckoned")]
        let scaled = if times == 1.0 { passed } else { (passed as f64 / times).ceil() as u64 };
        since.saturating_add(scaled)
    }

    /// Lets the next thing of the market happen.
    pub(crate) fn step(&mut self, wanted: &Wanted) {
        self.market.step(wanted, &mut self.frames);
    }

    /// Whether the market runs as fast as it is taken rather than by the clock.
    pub(crate) fn races(&self) -> bool {
        self.speed == Speed::Max
    }
}

/// A duration in nanoseconds; what does not fit is for ever.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
