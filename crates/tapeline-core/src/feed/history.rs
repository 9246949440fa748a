//! A topic's log: the bounded ring of its latest updates. It is history and resume.

use std::collections::VecDeque;
use std::mem::size_of;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::data::channel::Channel;
use crate::data::event::{AggTrade, Trade};
use crate::data::topic::Topic;
use crate::data::update::{Data, Epoch, Kind, Shared, Source, Update};
use crate::time::{Time, Unix};

/// How much a log may hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bound {
    /// Bytes at most; the newest update is always kept.
    pub(super) bytes: usize,
    /// Age at most, by the time of receipt.
    pub(super) age: Duration,
}

/// The varying parts of a new update.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) kind: Kind,
    pub(super) source: Source,
    pub(super) time: Option<Unix>,
    pub(super) received: Unix,
    /// It was declared missing before.
    pub(super) late: bool,
    pub(super) data: Data,
}

/// Whose update it is, and which.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) topic: &'a Topic,
    pub(super) epoch: Epoch,
    pub(super) offset: u64,
}

/// Updates of one topic in the order of their offsets, without holes. Nothing is held for a topic that
/// has had none.
///
/// Plain trades are kept as values in rows: a busy topic streams through memory from end to end instead
/// of touching old allocations one by one, what goes is not looked at again, and what readers get is
/// short-lived and warm in the cache. Everything else is kept as it is shared with the readers.
#[derive(Debug, Default)]
pub(super) struct History(Option<Box<Log>>);

#[derive(Debug)]
struct Log {
    ring: Ring,
    bytes: usize,
    /// When the oldest update was received.
    oldest: Unix,
}

#[derive(Debug)]
enum Ring {
    Trades(Rows<Trade>),
    AggTrades(Rows<AggTrade>),
    /// Each with its size, so that it need not be looked at again when it goes.
    Shared(VecDeque<(Shared, usize)>),
}

#[derive(Debug)]
struct Rows<T> {
    ring: VecDeque<Row<T>>,
    /// The newest rows. The ring's memory is cold where it is written next; its misses are paid for
    /// many rows at once, not before every atomic operation that follows a row.
    fresh: Vec<Row<T>>,
    /// Those with more to them than a row holds, by offset.
    aside: VecDeque<Shared>,
}

#[derive(Debug, Clone, Copy)]
struct Row<T> {
    received: Unix,
    time: Option<Unix>,
    /// Absent if the update is kept aside.
    item: Option<T>,
}

/// Rows that are moved into the ring together.
const FRESH: usize = 32;
/// A row is let go of unread only together with this many others.
const SLICE: usize = 256;

impl History {
    /// Appends an update and trims what no longer fits. It is made for readers only if it is `wanted`
    /// or has to be shared anyway.
    #[inline]
    pub(super) fn append(
        &mut self,
        place: Place<'_>,
        draft: Draft,
        bound: Bound,
        wanted: bool,
    ) -> Option<Shared> {
        let log = self.0.get_or_insert_with(|| Box::new(Log::new(place.topic.channel())));
        log.append(place, draft, bound, wanted)
    }

    /// Shortens the log to `bytes`; returns how many bytes that freed.
    pub(super) fn shorten(&mut self, bytes: usize) -> usize {
        self.0.as_mut().map_or(0, |log| log.shorten(bytes))
    }

    /// Everything after `place.offset`, if the ring still holds all of it. `last` is the newest offset
    /// given.
    pub(super) fn after<'a>(
        &'a self,
        place: Place<'a>,
        last: u64,
    ) -> Option<impl Iterator<Item = Shared> + 'a> {
        let missing = last.checked_sub(place.offset)?;
        let held = self.0.as_ref().map_or(0, |log| log.len() as u64);
        let first = usize::try_from(held.checked_sub(missing)?).ok()?;
        let offsets = place.offset + 1..=last;
        let share = move |(offset, index)| self.0.as_ref()?.share(index, Place { offset, ..place });
        Some(offsets.zip(first..).filter_map(share))
    }

    /// Forgets everything (a new epoch begins).
    pub(super) fn clear(&mut self) {
        if let Some(log) = &mut self.0 {
            log.clear();
        }
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |log| log.bytes)
    }
}

impl Log {
    fn new(channel: Channel) -> Self {
        let ring = match channel {
            Channel::Trade => Ring::Trades(Rows::default()),
            Channel::AggTrade => Ring::AggTrades(Rows::default()),
            _ => Ring::Shared(VecDeque::new()),
        };
        Self { ring, bytes: 0, oldest: Unix(i64::MAX) }
    }

    /// Appends an update and trims what no longer fits. It is made for readers only if it is `wanted`
    /// or has to be shared anyway.
    #[inline]
    pub(super) fn append(
        &mut self,
        place: Place<'_>,
        draft: Draft,
        bound: Bound,
        wanted: bool,
    ) -> Option<Shared> {
        self.trim(draft.received, bound);
        self.oldest = self.oldest.min(draft.received);
        let plain = draft.kind == Kind::Event && draft.source == Source::Live && !draft.late;
        let (received, time) = (draft.received, draft.time);
        match (&mut self.ring, &draft.data) {
            (Ring::Trades(rows), Data::Trade(trade)) if plain => {
                self.bytes += rows.push(Row { received, time, item: Some(*trade) });
                wanted.then(|| shared(place, draft))
            }
            (Ring::AggTrades(rows), Data::AggTrade(trade)) if plain => {
                self.bytes += rows.push(Row { received, time, item: Some(*trade) });
                wanted.then(|| shared(place, draft))
            }
            (ring, _) => {
                let update = shared(place, draft);
                self.bytes += match ring {
                    Ring::Trades(rows) => rows.push_aside(&update),
                    Ring::AggTrades(rows) => rows.push_aside(&update),
                    Ring::Shared(ring) => {
                        let size = update.size();
                        ring.push_back((Arc::clone(&update), size));
                        size
                    }
                };
                Some(update)
            }
        }
    }

    /// Drops what is too old or too much.
    #[inline]
    fn trim(&mut self, now: Unix, bound: Bound) {
        let age = i64::try_from(bound.age.as_nanos()).unwrap_or(i64::MAX);
        let horizon = Unix(now.0.saturating_sub(age));
        if self.bytes >= bound.bytes || self.oldest < horizon {
            self.drop_oldest(bound.bytes, horizon);
        }
    }

    #[cold]
    fn drop_oldest(&mut self, bytes: usize, horizon: Unix) {
        while self.len() > 0 && (self.bytes >= bytes || self.oldest < horizon) {
            // Too much: a slice at a time. Too old: exactly those that are.
            let slice = if self.bytes >= bytes { SLICE.min(self.len() / 8 + 1) } else { 1 };
            self.bytes = self.bytes.saturating_sub(match &mut self.ring {
                Ring::Trades(rows) => rows.pop(slice),
                Ring::AggTrades(rows) => rows.pop(slice),
                Ring::Shared(ring) => ring.pop_front().map_or(0, |(_, size)| size),
            });
            self.oldest = match &self.ring {
                Ring::Trades(rows) => rows.oldest(),
                Ring::AggTrades(rows) => rows.oldest(),
                Ring::Shared(ring) => ring.front().map(|(update, _)| update.received),
            }
            .unwrap_or(Unix(i64::MAX));
        }
    }

    fn len(&self) -> usize {
        match &self.ring {
            Ring::Trades(rows) => rows.len(),
            Ring::AggTrades(rows) => rows.len(),
            Ring::Shared(ring) => ring.len(),
        }
    }

    fn shorten(&mut self, bytes: usize) -> usize {
        let before = self.bytes;
        self.drop_oldest(bytes, Unix(i64::MIN));
        match &mut self.ring {
            Ring::Trades(rows) => slim(&mut rows.ring),
            Ring::AggTrades(rows) => slim(&mut rows.ring),
            Ring::Shared(ring) => slim(ring),
        }
        before - self.bytes
    }

    fn share(&self, index: usize, place: Place<'_>) -> Option<Shared> {
        match &self.ring {
            Ring::Trades(rows) => rows.share(index, place, Data::Trade),
            Ring::AggTrades(rows) => rows.share(index, place, Data::AggTrade),
            Ring::Shared(ring) => ring.get(index).map(|(update, _)| Arc::clone(update)),
        }
    }

    fn clear(&mut self) {
        match &mut self.ring {
            Ring::Trades(rows) => *rows = Rows::default(),
            Ring::AggTrades(rows) => *rows = Rows::default(),
            Ring::Shared(ring) => ring.clear(),
        }
        self.bytes = 0;
        self.oldest = Unix(i64::MAX);
    }
}

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Self { ring: VecDeque::new(), fresh: Vec::new(), aside: VecDeque::new() }
    }
}

impl<T: Copy> Rows<T> {
    /// Keeps a row; how many bytes it holds.
    #[inline]
    fn push(&mut self, row: Row<T>) -> usize {
        if self.fresh.len() >= FRESH {
            self.settle();
        }
        self.fresh.push(row);
        size_of::<Row<T>>()
    }

    fn settle(&mut self) {
        // From a slice, so that the rows are copied as one piece.
        self.ring.extend(&self.fresh);
        self.fresh.clear();
    }

    fn len(&self) -> usize {
        self.ring.len() + self.fresh.len()
    }

    fn push_aside(&mut self, update: &Shared) -> usize {
        let row = Row { received: update.received, time: None, item: None };
        self.aside.push_back(Arc::clone(update));
        self.push(row) + update.size()
    }

    /// Lets the `count` oldest go; how many bytes they held.
    fn pop(&mut self, count: usize) -> usize {
        if count > self.ring.len() {
            self.settle();
        }
        let count = count.min(self.ring.len());
        let mut bytes = count * size_of::<Row<T>>();
        if !self.aside.is_empty() {
            let gone = self.ring.iter().take(count).filter(|row| row.item.is_none()).count();
            bytes +=
                self.aside.drain(..gone.min(self.aside.len())).map(|update| update.size()).sum::<usize>();
        }
        self.ring.drain(..count);
        bytes
    }

    fn oldest(&self) -> Option<Unix> {
        self.ring.front().or_else(|| self.fresh.first()).map(|row| row.received)
    }

    fn share(&self, index: usize, place: Place<'_>, data: impl FnOnce(T) -> Data) -> Option<Shared> {
        let row = self.ring.get(index).or_else(|| self.fresh.get(index.checked_sub(self.ring.len())?))?;
        let Row { received, time, item } = *row;
        let Some(item) = item else {
            return self.aside.iter().find(|update| update.offset == place.offset).map(Arc::clone);
        };
        let (kind, source) = (Kind::Event, Source::Live);
        Some(shared(place, Draft { kind, source, time, received, late: false, data: data(item) }))
    }
}

/// Gives memory back that is far more than what is held needs. A busy log that is halved again and again
/// keeps it: to give it back and grow into it anew costs more than all its rows.
fn slim<T>(ring: &mut VecDeque<T>) {
    if ring.len() < ring.capacity() / 4 {
        ring.shrink_to(ring.len() * 2);
    }
}

fn shared(place: Place<'_>, draft: Draft) -> Shared {
    Arc::new(Update {
        topic: place.topic.clone(),
        epoch: place.epoch,
        offset: place.offset,
        kind: draft.kind,
        source: draft.source,
        late: draft.late,
        merged: 0,
        time: draft.time,
        received: draft.received,
        data: draft.data,
        json: OnceLock::new(),
    })
}

/// An update that is not kept in any log: snapshots, status, ticks.
pub(super) fn unlogged(
    place: Place<'_>,
    kind: Kind,
    source: Source,
    at: (Option<Unix>, Unix),
    data: Data,
) -> Shared {
    let (time, received) = at;
    shared(place, Draft { kind, source, time, received, late: false, data })
}

/// An update that is not kept in any log and says something about now.
pub(super) fn notice(place: Place<'_>, kind: Kind, now: Time, data: Data) -> Shared {
    unlogged(place, kind, Source::Live, (None, now.unix), data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::event::Side;
    use crate::data::update::{Gap, GapKind};

    fn log(count: u64, bytes: usize) -> (History, Topic) {
        let topic: Topic = "toy:trade:A".parse().unwrap();
        let mut history = History::default();
        for offset in 1..=count {
            let trade = Trade { id: offset + 100, price: 1.into(), size: 2.into(), side: Side::Buy };
            let received = Unix(i64::try_from(offset).unwrap() * 1_000_000_000);
            let (kind, source) = (Kind::Event, Source::Live);
            let (time, late, data) = (Some(received), false, Data::Trade(trade));
            let draft = Draft { kind, source, time, received, late, data };
            let bound = Bound { bytes, age: Duration::from_secs(60) };
            let place = Place { topic: &topic, epoch: Epoch::new(7), offset };
            let update = history.append(place, draft, bound, offset % 2 == 0);
            assert_eq!(update.is_some(), offset % 2 == 0, "made only for readers");
        }
        (history, topic)
    }

    fn tail(history: &History, topic: &Topic, offset: u64, last: u64) -> Option<Vec<(u64, u64)>> {
        let place = Place { topic, epoch: Epoch::new(7), offset };
        let id = |update: &Shared| match &update.data {
            Data::Trade(trade) => trade.id,
            _ => 0,
        };
        Some(history.after(place, last)?.map(|update| (update.offset, id(&update))).collect())
    }

    #[test]
    fn the_tail_is_whole_or_there_is_none() {
        let (history, topic) = log(10, 1 << 20);
        assert_eq!(tail(&history, &topic, 8, 10), Some(vec![(9, 109), (10, 110)]));
        assert_eq!(tail(&history, &topic, 10, 10), Some(vec![]));
        assert_eq!(tail(&history, &topic, 0, 10).unwrap().len(), 10);
        assert_eq!(tail(&history, &topic, 11, 10), None);
    }

    #[test]
    fn what_is_too_old_goes() {
        let (history, topic) = log(100, 1 << 20);
        assert_eq!(tail(&history, &topic, 38, 100), None);
        assert_eq!(tail(&history, &topic, 39, 100).unwrap().len(), 61);
    }

    #[test]
    fn what_is_too_much_goes() {
        let row = size_of::<Row<Trade>>();
        let (history, topic) = log(50, 10 * row);
        let held = history.bytes() / row;
        assert!((8..=10).contains(&held), "{held} rows");
        assert_eq!(tail(&history, &topic, 49 - held as u64, 50), None);
        assert_eq!(tail(&history, &topic, 50 - held as u64, 50).unwrap().len(), held);
    }

    #[test]
    fn a_gap_stands_among_the_trades_and_goes_with_them() {
        let (mut history, topic) = log(4, 1 << 20);
        let gap = Gap { kind: GapKind::Venue, from: 1, to: 2, reason: "test".into() };
        let received = Unix(4_000_000_000);
        let data = Data::Gap(Box::new(gap));
        let (kind, source) = (Kind::Gap, Source::Live);
        let draft = Draft { kind, source, time: None, received, late: false, data };
        let bound = Bound { bytes: 1 << 20, age: Duration::from_secs(60) };
        let at = |offset| Place { topic: &topic, epoch: Epoch::new(7), offset };
        assert!(history.append(at(5), draft, bound, false).is_some());
        let kinds: Vec<Kind> = history.after(at(3), 5).unwrap().map(|update| update.kind).collect();
        assert_eq!(kinds, [Kind::Event, Kind::Gap]);
        history.shorten(1);
        assert_eq!(history.bytes(), 0);
    }
}
