//! Those who read: each with its own rule, its own rhythm and its own patience.

use tapeline_core::data::channel::Delivery;
use tapeline_core::data::update::Shared;
use tapeline_core::outbox::{Bounds, Outbox, Overflow, Subscriber, SubscriberId, outbox};

use super::carry::BATCH;
use super::clock::{MS, SEC};

/// A way of reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Habit {
    /// Everything, at once: what it saw is what was published.
    Watcher,
    /// State by conflation, in rounds.
    Keeper,
    /// Everything, but in its own time: what it misses is declared.
    Sluggard,
    /// Everything or to be cut off; then it comes back to where it was.
    Strict,
    /// Everything; the venue has to wait.
    Blocker,
}

impl Habit {
    pub(crate) const ALL: [Self; 5] =
        [Self::Watcher, Self::Keeper, Self::Sluggard, Self::Strict, Self::Blocker];

    pub(crate) const fn delivery(self) -> Delivery {
        match self {
            Self::Keeper => Delivery::Conflate,
            _ => Delivery::Every,
        }
    }

    const fn rule(self) -> (Overflow, Bounds) {
        match self {
            Self::Watcher => (Overflow::Gap, Bounds { messages: 100_000, bytes: 64 << 20 }),
            Self::Keeper => (Overflow::Gap, Bounds { messages: 1_000, bytes: 256 << 10 }),
            Self::Sluggard => (Overflow::Gap, Bounds { messages: 60, bytes: 64 << 10 }),
            Self::Strict => (Overflow::Disconnect, Bounds { messages: 200, bytes: 128 << 10 }),
            Self::Blocker => (Overflow::Block, Bounds { messages: 40, bytes: 64 << 10 }),
        }
    }

    /// How often it reads; the watcher reads whenever there is something.
    pub(crate) const fn rhythm(self) -> Option<u64> {
        match self {
            Self::Watcher => None,
            Self::Keeper => Some(250 * MS),
            Self::Sluggard => Some(900 * MS),
            Self::Strict => Some(400 * MS),
            Self::Blocker => Some(200 * MS),
        }
    }
}

/// One reader with its outbox.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) host: usize,
    pub(crate) habit: Habit,
    outbox: Outbox,
    /// Kept, because an outbox without a producer is at its end.
    subscriber: Subscriber,
    /// It does not read before.
    pub(crate) asleep_until: u64,
    /// A number for every outbox it ever had: one that came back is a new subscriber.
    pub(crate) life: u64,
}

impl Reader {
    /// A reader of one host; `index` is its place among all readers.
    pub(crate) fn new(index: usize, host: usize, habit: Habit, life: u64) -> Self {
        let (rule, bounds) = habit.rule();
        let id = SubscriberId(index as u64 + life * 1_000);
        let (subscriber, mut outbox) = outbox(id, "reader", rule, bounds);
        if habit == Habit::Keeper {
            outbox.in_rounds();
        }
        Self { host, habit, outbox, subscriber, asleep_until: 0, life }
    }

    pub(crate) fn id(&self) -> SubscriberId {
        self.outbox.id()
    }

    /// The producer's end.
    pub(crate) const fn subscriber(&self) -> &Subscriber {
        &self.subscriber
    }

    /// What waits, appended to `out`. To the end means also what waits for the next round.
    pub(crate) fn read(&mut self, out: &mut Vec<Shared>, to_the_end: bool) {
        self.outbox.next_round();
        while self.outbox.drain(out) > 0 && to_the_end {
            self.outbox.next_round();
        }
    }

    /// Whether the producer has cut it off.
    pub(crate) fn is_cut_off(&self) -> bool {
        self.outbox.cut_off().is_some()
    }

    /// So many messages may wait at most: as many one by one, as many that cannot be merged and what a pressing
    /// adds to them, and for each topic one that can.
    pub(crate) const fn most(&self, topics: usize) -> usize {
        let (rule, bounds) = self.habit.rule();
        // Who blocks gets what had been read of the lines when it was found full.
        let read = if matches!(rule, Overflow::Block) { LINES * BATCH + HELD } else { 0 };
        bounds.messages * 5 / 2 + topics + 2 + read
    }

    /// Whether what waits, of so many topics, is no more than it may be.
    pub(crate) fn is_within_bounds(&self, topics: usize) -> bool {
        let (stats, bounds) = (self.outbox.stats(), self.habit.rule().1);
        let most = bounds.bytes * (1 + STATE_FACTOR) + topics * EPOCHS * SNAPSHOT;
        stats.queued <= self.most(topics) && stats.bytes <= most
    }
}

/// Lines that a process has open at a time, counting those that replace others.
const LINES: usize = 12;
/// What a topic holds back while missed events are asked for comes at once when they are there: half a minute's.
const HELD: usize = 3_000;
/// State may take so many times the bytes of what waits one by one.
const STATE_FACTOR: usize = 16;
/// A snapshot of the deepest book of a world takes no more. They are not counted; there is one for each epoch.
const SNAPSHOT: usize = 128 << 10;
const EPOCHS: usize = 2;
/// How long a reader that must not lose anything may dawdle.
pub(crate) const DAWDLE: u64 = 6 * SEC;

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use tapeline_core::feed::{Feed, Memory};
    use tapeline_core::time::Time;
    use tapeline_venues::binance::{Binance, Market};

    /// Something that a feed says.
    fn update() -> Shared {
        let mut feed =
            Feed::new(Arc::new(Binance::new(Market::Spot)), Default::default(), Memory::default(), 1);
        let (subscriber, mut outbox) =
            outbox(SubscriberId(9), "reader", Overflow::Gap, Habit::Watcher.rule().1);
        let topic = "binance:trade:BTCUSDT".parse().unwrap();
        feed.subscribe(Time::default(), topic, Delivery::Every, None, &subscriber).unwrap();
        let _ = feed.next_action();
        outbox.try_next().unwrap()
    }

    #[test]
    fn an_outbox_without_bounds_is_seen() {
        let within = |bounds: Bounds, count: usize| {
            let mut reader = Reader::new(0, 0, Habit::Sluggard, 0);
            (reader.subscriber, reader.outbox) = outbox(SubscriberId(0), "reader", Overflow::Gap, bounds);
            reader.subscriber.push(&mut vec![(Delivery::Every, update()); count]);
            reader.is_within_bounds(1)
        };
        let rule = Habit::Sluggard.rule().1;
        assert!(within(rule, 100_000));
        assert!(!within(Bounds { messages: usize::MAX, ..rule }, 200));
        assert!(within(Bounds { messages: usize::MAX, bytes: usize::MAX }, 100));
        assert!(!within(Bounds { messages: usize::MAX, bytes: usize::MAX }, 100_000));
    }
}
