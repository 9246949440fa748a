//! Which candles are closed, so that REST can be asked for those behind, and none is left out unsaid.

use crate::data::event::Candle;
use crate::time::Unix;
use crate::venue::Sequencing;

use super::topics::{Entry, Seen};

/// A candle that is closed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Closed {
    pub(super) start: Unix,
    /// The next one begins no later.
    next: Unix,
    /// REST told of it, so that a line may have closed others before it was listened to.
    polled: bool,
}

impl Seen {
    /// Takes in a candle; whether others may have closed before it that nobody has told. A line is silent about those
    /// in which nothing happens, so that only what comes from REST, or next to it, tells.
    pub(super) fn follow(&mut self, candle: &Candle, polled: bool) -> bool {
        let skips = |closed: Closed| (polled || closed.polled) && candle.start > closed.next;
        let skips = self.closed.is_some_and(skips);
        if candle.closed {
            let next = Unix(candle.end.0.saturating_add(1_000_000));
            self.closed = Some(Closed { start: candle.start, next, polled });
        } else if skips {
            self.closed = None;
        }
        skips
    }
}

impl Entry {
    /// After what REST is asked for news.
    pub(super) fn poll_after(&self) -> Option<u64> {
        match self.sequencing {
            Sequencing::Contiguous => self.sequence.last(),
            _ => u64::try_from(self.seen.as_ref()?.closed?.start.0 / 1_000_000).ok(),
        }
    }
}
