//! The two clocks of the machine, read together.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tapeline_core::time::{Mono, Time, Unix};
use tokio::time::Instant;

/// What the monotonic clock reads at the start: later than the age of anything a process before this one left.
const START: Duration = Duration::from_secs(86_400);

/// Gives the time to everything that must not read a clock itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    /// The clock whose monotonic reading begins now.
    pub(crate) fn new() -> Self {
        Self { start: Instant::now() }
    }

    /// Both clocks.
    pub(crate) fn now(&self) -> Time {
        Time { mono: Mono::default() + START + self.start.elapsed(), unix: unix() }
    }

    /// The runtime's word for a monotonic moment.
    pub(crate) fn instant(&self, at: Mono) -> Instant {
        let since = at.since(Mono::default() + START);
        // Far enough to never matter, near enough to add up.
        self.start + since.min(Duration::from_secs(1 << 32))
    }
}

/// The wall clock. Before 1970 it reads zero: it is only a label.
pub(crate) fn unix() -> Unix {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Unix(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}
