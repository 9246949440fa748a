//! A reader that counts: offsets follow each other, ids are delivered once or declared missing, and a
//! live book is the venue's.

use std::collections::{BTreeMap, BTreeSet};

use tapeline_core::data::channel::Delivery;
use tapeline_core::data::event::{Book, BookState};
use tapeline_core::data::topic::Topic;
use tapeline_core::data::update::{Data, Epoch, GapKind, Kind, Position, Update};
use tapeline_core::feed::Feed;
use tapeline_core::outbox::{Bounds, Outbox, Overflow, Subscriber, SubscriberId, outbox};
use tapeline_core::time::Time;

use crate::book::{Side, Truth, set, ticks};

/// One subscriber of everything it asks for.
pub(crate) struct Reader {
    subscriber: Subscriber,
    outbox: Outbox,
    seen: BTreeMap<Topic, Seen>,
    /// What was known of topics that were left, to come back to.
    left: BTreeMap<Topic, Seen>,
}

/// What is known of one topic.
#[derive(Default)]
struct Seen {
    at: Option<(Epoch, u64)>,
    next_id: Option<u64>,
    /// The ids of the epoch so far.
    delivered: BTreeSet<u64>,
    bids: Side,
    asks: Side,
}

impl Reader {
    pub(crate) fn new(id: SubscriberId) -> Self {
        // Room for whatever a script can cause: what is dropped here would be another test's matter.
        let bounds = Bounds { messages: 1 << 20, bytes: 1 << 30 };
        let (subscriber, outbox) = outbox(id, "reader", Overflow::Gap, bounds);
        Self { subscriber, outbox, seen: BTreeMap::new(), left: BTreeMap::new() }
    }

    pub(crate) fn subscribe(&mut self, feed: &mut Feed, now: Time, topic: Topic) {
        if self.seen.contains_key(&topic) {
            return;
        }
        let left = self.left.remove(&topic).unwrap_or_default();
        let from = left.at.map(|(epoch, offset)| Position { epoch, offset });
        let answer = feed.subscribe(now, topic.clone(), Delivery::Every, from, &self.subscriber);
        let Ok(answer) = answer else { return };
        assert_eq!(answer.topic, topic);
        // What was held is worth something only if all that came since will follow.
        assert!(!answer.recovered || from.is_some(), "only what was asked for can be recovered");
        let seen = if answer.recovered { left } else { Seen::default() };
        self.seen.insert(topic, seen);
    }

    pub(crate) fn unsubscribe(&mut self, feed: &mut Feed, now: Time, topic: &Topic) {
        let held = feed.unsubscribe(now, topic, self.subscriber.id());
        let Some(seen) = self.seen.remove(topic) else { return assert!(!held) };
        assert!(held, "{topic} was subscribed");
        // What was still on its way is dropped unread; coming back, it is asked for again.
        self.left.insert(topic.clone(), seen);
    }

    pub(crate) fn read(&mut self, truth: &Truth) {
        while let Some(update) = self.outbox.try_next() {
            let Some(seen) = self.seen.get_mut(&update.topic) else { continue };
            seen.follow(&update);
            seen.count(&update);
            if let Data::Book(book) = &update.data {
                seen.book(&update, book, truth);
            }
        }
    }
}

impl Seen {
    /// Offsets: one more for everything that takes one, within an epoch.
    fn follow(&mut self, update: &Update) {
        let Update { topic, epoch, offset, kind, .. } = update;
        let same = self.at.filter(|(held, _)| held == epoch);
        match (kind, same) {
            (Kind::Snapshot, _) => {}
            (Kind::Status, _) => return,
            (Kind::Tick, Some((_, last))) => {
                assert_eq!(*offset, last, "{topic}: a tick tells what is missing")
            }
            (Kind::Tick, None) => {}
            (_, Some((_, last))) => assert_eq!(*offset, last + 1, "{topic}: {kind:?} follows {last}"),
            (_, None) => {
                let starts = self.at.is_none() || *offset == 1 || !matches!(update.data, Data::Book(_));
                assert!(starts, "{topic}: an epoch begins with {kind:?} at {offset}");
            }
        }
        if same.is_none() {
            self.next_id = None;
            self.delivered.clear();
        }
        self.at = Some((*epoch, *offset));
    }

    /// Ids: each one once, or declared missing.
    fn count(&mut self, update: &Update) {
        match &update.data {
            Data::Trade(trade) if update.late => {
                let (topic, id) = (&update.topic, trade.id);
                assert!(self.next_id.is_none_or(|next| id < next), "{topic}: {id} is late before its time");
                assert!(self.delivered.insert(id), "{topic}: {id} comes twice");
            }
            Data::Trade(trade) => {
                let expected = self.next_id.unwrap_or(trade.id);
                assert_eq!(trade.id, expected, "{}: no id is skipped in silence", update.topic);
                assert!(self.delivered.insert(trade.id), "{}: {} comes twice", update.topic, trade.id);
                self.next_id = trade.id.checked_add(1);
            }
            Data::Gap(gap) => {
                assert_eq!(gap.kind, GapKind::Venue, "nothing was lost on the way to a reader with room");
                assert!(gap.from <= gap.to);
                assert_eq!(
                    self.next_id.unwrap_or(gap.from),
                    gap.from,
                    "{}: a gap begins where delivery stopped",
                    update.topic
                );
                self.next_id = gap.to.checked_add(1);
            }
            _ => {}
        }
    }

    /// Books: a snapshot, then changes; live means equal to the venue's.
    fn book(&mut self, update: &Update, book: &Book, truth: &Truth) {
        if update.kind == Kind::Snapshot {
            self.bids.clear();
            self.asks.clear();
        }
        if update.topic.symbol() != "BTCUSDT" {
            return;
        }
        for (side, levels) in [(&mut self.bids, book.bids()), (&mut self.asks, book.asks())] {
            for (price, size) in levels.iter().map(ticks) {
                set(side, &mut Vec::new(), price, size);
            }
        }
        let (BookState::Live, Some(id)) = (book.state, book.venue_id) else { return };
        let (bids, asks) = truth.history.get(&id).expect("an id of the venue");
        assert_eq!((&self.bids, &self.asks), (bids, asks), "a live book is the venue's at {id}");
    }
}
