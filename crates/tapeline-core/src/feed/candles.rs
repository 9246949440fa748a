//! Which candles are closed, so that REST can be asked for those behind, and none is left out unsaid.

use crate::data::event::Candle;
use crate::data::update::Data;
use crate::time::{Time, Unix};
use crate::venue::{Sequencing, TopicId};

use super::Feed;
use super::history::Draft;
use super::market::{Origin, brought};
use super::topics::{Entry, Seen, State};

/// A candle that is closed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Closed {
    pub(super) start: Unix,
    /// The next one begins no later.
    next: Unix,
    /// REST told of it, so that a line may have closed others before it was listened to.
    polled: bool,
}

/// When the candle after one begins at the earliest.
fn next_of(candle: &Candle) -> Unix {
    Unix(candle.end.0.saturating_add(1_000_000))
}

impl Seen {
    /// Takes in a candle; whether others may have closed before it that nobody has told. A line is silent about those
    /// in which nothing happens, so that only what comes from REST, or next to it, tells.
    pub(super) fn follow(&mut self, candle: &Candle, polled: bool) -> bool {
        let skips = |closed: Closed| (polled || closed.polled) && candle.start > closed.next;
        let skips = self.closed.is_some_and(skips);
        if candle.closed {
            let next = next_of(candle);
            self.closed = Some(Closed { start: candle.start, next, polled });
        } else if skips {
            self.closed = None;
        }
        skips
    }
}

impl Entry {
    /// Whether a candle that is older than what is shown is one that has closed and was not told: the line that told of
    /// the next one first has lost it. Of those before the first that was told only the last one is of interest.
    pub(super) fn is_closed_late(&self, data: &Data) -> bool {
        let (Data::Candle(candle), State::Latest(Some(latest))) = (data, &self.state) else { return false };
        let Data::Candle(shown) = &latest.data else { return false };
        let untold = match self.seen.as_ref().and_then(|seen| seen.closed) {
            Some(closed) => candle.start > closed.start,
            None => next_of(candle) == shown.start,
        };
        // A new epoch tells of no candle before its first.
        candle.closed && candle.start < shown.start && untold && !self.broken
    }

    /// After what REST is asked for news.
    pub(super) fn poll_after(&self) -> Option<u64> {
        match self.sequencing {
            Sequencing::Contiguous => self.sequence.last(),
            _ => u64::try_from(self.seen.as_ref()?.closed?.start.0 / 1_000_000).ok(),
        }
    }
}

impl Feed {
    /// A candle has closed, and a newer one is shown by now: it is told late, and the newer one stays what is shown.
    pub(super) fn close_late(
        &mut self,
        now: Time,
        from: Origin,
        topic: TopicId,
        time: Option<Unix>,
        data: Option<Data>,
    ) {
        let (Some(entry), Some(data)) = (self.topics.get_mut(topic), data) else { return };
        if let Some(line) = from.line_of(&mut self.lines) {
            line.stats.first += 1;
        }
        let seen = Seen::of(&mut entry.seen);
        seen.came(now, from.is_line());
        let skips = matches!(&data, Data::Candle(candle) if seen.follow(candle, false));
        entry.enter(now, from.source);
        let shown = std::mem::replace(&mut entry.state, State::Latest(None));
        let draft = Draft { late: true, ..brought(entry.shape, from.source, (time, now), data) };
        entry.publish(&mut self.readers, &self.config, draft);
        (entry.state, entry.broken) = (shown, skips);
    }
}
