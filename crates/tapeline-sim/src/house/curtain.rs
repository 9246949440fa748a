//! When a recording, or a market that waits for its listeners, begins.

use super::floor::nanos;
use std::time::Duration;

/// The start of a performance: some time after the last guest came, unless it is ordered.
#[derive(Debug)]
pub(crate) struct Curtain {
    opens: Opens,
    after: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opens {
    /// Nobody has come yet.
    Unknown,
    /// At this moment, unless somebody comes before.
    At(u64),
    /// It opened at this moment.
    Since(u64),
}

impl Curtain {
    /// One that opens so long after the last guest.
    pub(crate) fn waiting(after: Duration) -> Self {
        Self { opens: Opens::Unknown, after: nanos(after) }
    }

    /// One that has been open from time zero on.
    pub(crate) const fn open() -> Self {
        Self { opens: Opens::Since(0), after: 0 }
    }

    /// Somebody connected or subscribed.
    pub(crate) fn touch(&mut self, now: u64) {
        if self.since().is_none() {
            self.opens = Opens::At(now.saturating_add(self.after));
        }
    }

    /// Opens now, whoever may still come.
    pub(crate) fn begin(&mut self, now: u64) {
        if self.since().is_none() {
            self.opens = Opens::Since(now);
        }
    }

    /// When it will open by itself, as far as is known now.
    pub(crate) const fn due(&self) -> u64 {
        if let Opens::At(at) = self.opens { at } else { u64::MAX }
    }

    /// Since when it has been open.
    pub(crate) const fn since(&self) -> Option<u64> {
        if let Opens::Since(since) = self.opens { Some(since) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn it_opens_after_the_last_guest() {
        let mut curtain = Curtain::waiting(Duration::from_millis(500));
        assert_eq!((curtain.due(), curtain.since()), (u64::MAX, None));
        curtain.touch(1_000 * MS);
        curtain.touch(1_499 * MS);
        assert_eq!(curtain.due(), 1_999 * MS);
        curtain.begin(1_999 * MS);
        curtain.touch(5_000 * MS);
        assert_eq!((curtain.due(), curtain.since()), (u64::MAX, Some(1_999 * MS)));
    }

    #[test]
    fn it_opens_at_once_by_order() {
        let mut curtain = Curtain::waiting(Duration::from_millis(500));
        curtain.begin(7);
        assert_eq!(curtain.since(), Some(7));
    }
}
