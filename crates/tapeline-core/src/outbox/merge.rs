//! How several updates of one topic become one: newest wins, books by level, arrays by symbol.

use std::sync::Arc;

use crate::data::channel::Shape;
use crate::data::decimal::{Decimal, MAX_SCALE};
use crate::data::event::{Book, Level};
use crate::data::topic::Topic;
use crate::data::update::{Data, Epoch, Gap, GapKind, Keyed, Kind, Position, Shared, Update};
use crate::time::Unix;
use crate::venue::Map;

/// How an update can be merged with a later one of its topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Merge {
    /// A whole state that replaces everything before it.
    Replace,
    /// A newer whole state: the last one is enough.
    Newest,
    /// Changed parts: all of them are needed.
    Parts,
    /// Nothing new; anything replaces it.
    Tick,
    /// Must arrive by itself.
    Never,
}

impl Merge {
    /// What may be done with `update` if its reader wants conflation.
    pub(super) fn of(update: &Update) -> Self {
        if update.topic.channel().shape() == Shape::Event {
            return Self::Never;
        }
        match update.kind {
            Kind::Snapshot => Self::Replace,
            Kind::Tick => Self::Tick,
            Kind::Event | Kind::Gap | Kind::Status => Self::Never,
            Kind::Delta => match &update.data {
                Data::Book(_) | Data::Keyed(_) => Self::Parts,
                Data::Candle(candle) if candle.closed => Self::Never,
                _ => Self::Newest,
            },
        }
    }
}

/// How many offsets an update stands for.
pub(super) fn offsets(update: &Update) -> u32 {
    u32::from(update.kind.consumes_offset()).max(update.merged)
}

/// One update in the place of `earlier` and `newest`, all of one topic and epoch, in order. It stands
/// for `count` offsets; `whole` says that a snapshot is among them.
pub(super) fn merged(earlier: &[Shared], newest: &Shared, count: u32, whole: bool) -> Shared {
    let data = match &newest.data {
        Data::Book(last) => Data::Book(book(earlier, last, whole)),
        Data::Keyed(last) => Data::Keyed(Box::new(keyed(earlier, last))),
        data => data.clone(),
    };
    let at = Position { epoch: newest.epoch, offset: newest.offset };
    let kind = if whole { Kind::Snapshot } else { Kind::Delta };
    let mut update = Update::new(newest.topic.clone(), at, kind, newest.received, data);
    (update.source, update.late, update.time) = (newest.source, newest.late, newest.time);
    update.merged = if count > 1 || whole { count } else { 0 };
    Arc::new(update)
}

/// The newest size of every price; in a whole book what was removed is left out.
fn book(earlier: &[Shared], last: &Book, whole: bool) -> Book {
    let books = || {
        let held = earlier.iter().filter_map(|update| match &update.data {
            Data::Book(book) => Some(book),
            _ => None,
        });
        held.chain(std::iter::once(last))
    };
    let mut levels = side(books().flat_map(|book| book.bids()), whole, true);
    let bids = levels.len() as u32;
    levels.append(&mut side(books().flat_map(|book| book.asks()), whole, false));
    let venue_id = books().fold(None, |id, book| book.venue_id.or(id));
    Book { levels: levels.into_boxed_slice(), bids, venue_id, state: last.state }
}

/// One side, best first.
fn side<'a>(levels: impl Iterator<Item = &'a Level> + Clone, whole: bool, down: bool) -> Vec<Level> {
    let scale = levels.clone().map(|level| level.price.scale()).max().unwrap_or(0).min(MAX_SCALE);
    // Prices of one book nearly always fit 64 bits at a common scale, which compares much faster.
    let keys: Option<Vec<(i64, Level)>> =
        levels.clone().map(|level| Some((level.price.at_scale(scale)?, *level))).collect();
    let ordered: Vec<Level> = match keys {
        Some(mut keyed) => {
            keyed.sort_by(|a, b| if down { b.0.cmp(&a.0) } else { a.0.cmp(&b.0) });
            keyed.into_iter().map(|(_, level)| level).collect()
        }
        None => {
            let mut plain: Vec<Level> = levels.copied().collect();
            plain.sort_by(|a, b| if down { b.price.cmp(&a.price) } else { a.price.cmp(&b.price) });
            plain
        }
    };
    let mut out: Vec<Level> = Vec::with_capacity(ordered.len());
    // The sort is stable, so the last of equal prices is the newest.
    for level in ordered {
        match out.last_mut() {
            Some(last) if last.price == level.price => *last = level,
            _ => out.push(level),
        }
    }
    if whole {
        out.retain(|level| level.size != Decimal::ZERO);
    }
    out
}

/// The newest data of every symbol, in the order in which the symbols first came.
fn keyed(earlier: &[Shared], last: &Keyed) -> Keyed {
    let mut place: Map<&str, usize> = Map::default();
    let mut newest: Vec<(&str, &Data)> = Vec::new();
    let held = earlier.iter().filter_map(|update| match &update.data {
        Data::Keyed(keyed) => Some(&**keyed),
        _ => None,
    });
    for (key, data) in held.chain(std::iter::once(last)).flat_map(|keyed| &keyed.0) {
        match place.get(&**key) {
            Some(at) => newest[*at].1 = data,
            None => {
                place.insert(key, newest.len());
                newest.push((key, data));
            }
        }
    }
    Keyed(newest.into_iter().map(|(key, data)| (key.into(), data.clone())).collect())
}

/// Events of one topic that were dropped because their reader was too slow.
#[derive(Debug)]
pub(super) struct Lost {
    topic: Topic,
    epoch: Epoch,
    from: u64,
    to: u64,
    received: Unix,
}

impl Lost {
    /// The loss of one update.
    pub(super) fn new(update: &Update) -> Self {
        Self {
            topic: update.topic.clone(),
            epoch: update.epoch,
            from: update.offset,
            to: update.offset,
            received: update.received,
        }
    }

    /// Whose loss it is.
    pub(super) fn topic(&self) -> &Topic {
        &self.topic
    }

    /// Adds `update` if it follows directly.
    pub(super) fn extend(&mut self, update: &Update) -> bool {
        let follows = update.epoch == self.epoch && update.offset == self.to.wrapping_add(1);
        if follows {
            self.to = update.offset;
            self.received = update.received;
        }
        follows
    }

    /// The declaration that stands in their place.
    pub(super) fn into_update(self) -> Shared {
        let Self { topic, epoch, from, to, received } = self;
        let gap = Gap { kind: GapKind::Delivery, from, to, reason: "the reader was too slow".into() };
        let at = Position { epoch, offset: to };
        Arc::new(Update::new(topic, at, Kind::Gap, received, Data::Gap(Box::new(gap))))
    }
}
