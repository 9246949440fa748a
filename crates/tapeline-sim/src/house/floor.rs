//! The market inside a house: its own time against the house's, and when it opens and ends.

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
    start_after: u64,
    /// The market's time when it opened, Unix microseconds.
    opened: u64,
    opens: Opens,
}

/// When the market's time begins to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opens {
    /// Nobody has come yet.
    Unknown,
    /// At this moment, unless somebody comes before.
    At(u64),
    /// It has been running since this moment.
    Since(u64),
}

impl Floor {
    pub(crate) fn new(options: &MarketOptions, unix_ms_at_zero: u64, start_after: Duration) -> Self {
        let market = Market::open(options, options.start_ms.unwrap_or(unix_ms_at_zero));
        // A market that races or ends is there for its listeners and waits for them to come. A live one has been
        // running all along and waits for nobody.
        let live = options.speed != Speed::Max && options.frames.is_none();
        Self {
            opened: market.now(),
            market,
            frames: Frames::default(),
            speed: options.speed,
            limit: options.frames.unwrap_or(u64::MAX),
            start_after: nanos(start_after),
            opens: if live { Opens::Since(0) } else { Opens::Unknown },
        }
    }

    /// Somebody connected or subscribed: a market that waits for its listeners waits a little longer.
    pub(crate) fn touch(&mut self, now: u64) {
        if let Opens::Unknown | Opens::At(_) = self.opens {
            self.opens = Opens::At(now.saturating_add(self.start_after));
        }
    }

    /// Opens at `now`, whoever may still come.
    pub(crate) fn begin(&mut self, now: u64) {
        if !matches!(self.opens, Opens::Since(_)) {
            self.opens = Opens::Since(now);
        }
    }

    pub(crate) const fn is_open(&self) -> bool {
        matches!(self.opens, Opens::Since(_))
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.frames.made >= self.limit
    }

    /// When the market next needs the house's time, nanoseconds; [`u64::MAX`] for never.
    pub(crate) fn due(&self) -> u64 {
        match self.opens {
            _ if self.is_finished() => u64::MAX,
            Opens::Unknown => u64::MAX,
            Opens::At(at) => at,
            Opens::Since(since) => match self.speed {
                Speed::Max => u64::MAX,
                Speed::Times(times) => {
                    let passed = self.market.due().saturating_sub(self.opened).saturating_mul(1_000);
                    // A factor of one is exact; others are the same on every machine.
                    let scaled = if times == 1.0 { passed } else { (passed as f64 / times).ceil() as u64 };
                    since.saturating_add(scaled)
                }
            },
        }
    }

    /// Does what is due at `now`: opens, or lets the next thing of the market happen.
    pub(crate) fn step(&mut self, now: u64, wanted: &Wanted) {
        match self.opens {
            Opens::At(at) if at <= now => self.opens = Opens::Since(now),
            Opens::Since(_) => self.market.step(wanted, &mut self.frames),
            Opens::At(_) | Opens::Unknown => {}
        }
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
