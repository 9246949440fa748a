//! A topic's log: the bounded ring of its latest updates. It is history and resume.

use std::collections::VecDeque;
use std::mem::size_of;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::data::channel::Channel;
use crate::data::event::{AggTrade, Trade};
use crate::data::topic::Topic;
use crate::data::update::{Data, Epoch, Kind, Shared, Source, Update};
use crate::time::{Mono, Time, Unix};

/// How much a log may hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bound {
    /// Bytes at most; the newest update is always kept.
    pub(super) bytes: usize,
    /// Age by the time of receipt: nothing younger goes for its age, and little older stays.
    pub(super) age: Duration,
}

/// The varying parts of a new update.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) kind: Kind,
    pub(super) source: Source,
    pub(super) time: Option<Unix>,
    pub(super) received: Time,
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
    /// What the updates take, without the room that is kept for more.
    bytes: usize,
    /// What they may take for the sake of other logs.
    most: usize,
    /// How many have gone.
    gone: u64,
    ages: Ages,
}

/// How old the updates are, in steps, on the monotonic clock: rows carry only the wall clock, which may be set, and
/// then the whole log would seem too old at once.
#[derive(Debug)]
struct Ages {
    /// At that time so many had ever been received; the oldest first. At most two a step.
    marks: VecDeque<(Mono, u64)>,
    /// When the newest was received.
    newest: Mono,
    /// When the next mark is due.
    mark_at: Mono,
    /// After when the oldest mark counts no longer.
    expire_after: Mono,
}

/// An update goes at most this part of the age too late.
const STEPS: u32 = 32;

impl Default for Ages {
    fn default() -> Self {
        Self {
            marks: VecDeque::new(),
            newest: Mono::default(),
            mark_at: Mono::default(),
            expire_after: Mono::NEVER,
        }
    }
}

impl Ages {
    /// One more is received, after `count` others; how many of those are too old, or none if that was told before.
    #[inline]
    fn see(&mut self, now: Mono, count: u64, age: Duration) -> u64 {
        if now >= self.mark_at && count > 0 {
            self.mark(count, age);
        }
        self.newest = self.newest.max(now);
        if now > self.expire_after { self.expire(now, age) } else { 0 }
    }

    /// A mark is made of what was there before, so that what follows a pause does not make that young.
    #[cold]
    fn mark(&mut self, count: u64, age: Duration) {
        self.marks.push_back((self.newest, count));
        self.mark_at = self.newest + age / STEPS;
        self.expire_after = self.expire_after.min(self.newest + age);
    }

    #[cold]
    fn expire(&mut self, now: Mono, age: Duration) -> u64 {
        let mut expired = 0;
        while let Some((_, count)) = self.marks.pop_front_if(|(at, _)| *at + age < now) {
            expired = count;
        }
        self.expire_after = self.marks.front().map_or(Mono::NEVER, |(at, _)| *at + age);
        expired
    }
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

    /// Shortens the log to `bytes`, for as long as others need the room; how much memory that freed.
    pub(super) fn shorten(&mut self, bytes: usize) -> usize {
        self.0.as_mut().map_or(0, |log| log.shorten(bytes))
    }

    /// Whether the log was shortened for the sake of others.
    pub(super) fn is_shortened(&self) -> bool {
        self.0.as_ref().is_some_and(|log| log.most < usize::MAX)
    }

    /// A log that was shortened may hold twice as much again.
    pub(super) fn lengthen(&mut self) {
        if let Some(log) = &mut self.0 {
            log.most = log.most.saturating_mul(2);
        }
    }

    /// Everything after `place.offset`, if the ring still holds all of it. `last` is the newest offset
    /// given.
    pub(super) fn after<'a>(
        &'a self,
        place: Place<'a>,
        last: u64,
    ) -> Option<impl Iterator<Item = Shared> + 'a> {
        let missing = last.checked_sub(place.offset)?;
        let first = usize::try_from(self.held().checked_sub(missing)?).ok()?;
        let offsets = place.offset + 1..=last;
        let share = move |(offset, index)| self.0.as_ref()?.share(index, Place { offset, ..place });
        Some(offsets.zip(first..).filter_map(share))
    }

    /// How many updates it holds.
    pub(super) fn held(&self) -> u64 {
        self.0.as_ref().map_or(0, |log| log.len() as u64)
    }

    /// Forgets everything (a new epoch begins).
    pub(super) fn clear(&mut self) {
        if let Some(log) = &mut self.0 {
            log.clear();
        }
    }

    /// Bytes of memory held, the room that is kept for more included.
    pub(super) fn bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |log| log.held())
    }
}

impl Log {
    fn new(channel: Channel) -> Self {
        let ring = match channel {
            Channel::Trade => Ring::Trades(Rows::default()),
            Channel::AggTrade => Ring::AggTrades(Rows::default()),
            _ => Ring::Shared(VecDeque::new()),
        };
        Self { ring, bytes: 0, most: usize::MAX, gone: 0, ages: Ages::default() }
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
        self.trim(draft.received.mono, bound);
        let plain = draft.kind == Kind::Event && draft.source == Source::Live && !draft.late;
        let (received, time) = (draft.received.unix, draft.time);
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
    fn trim(&mut self, now: Mono, bound: Bound) {
        let bytes = bound.bytes.min(self.most);
        let expired = self.ages.see(now, self.gone + self.len() as u64, bound.age);
        if self.bytes >= bytes || expired > self.gone {
            self.drop_oldest(bytes, expired);
        }
    }

    /// Drops until it takes less than `bytes`, and everything up to the `expired`th ever received.
    #[cold]
    fn drop_oldest(&mut self, bytes: usize, expired: u64) {
        while self.len() > 0 && (self.bytes >= bytes || expired > self.gone) {
            // Too much: a slice at a time. Too old: exactly those that are.
            let slice = match usize::try_from(expired.saturating_sub(self.gone)) {
                Ok(0) | Err(_) => SLICE.min(self.len() / 8 + 1),
                Ok(old) => old.min(self.len()),
            };
            let before = self.len();
            self.bytes = self.bytes.saturating_sub(match &mut self.ring {
                Ring::Trades(rows) => rows.pop(slice),
                Ring::AggTrades(rows) => rows.pop(slice),
                Ring::Shared(ring) => ring.pop_front().map_or(0, |(_, size)| size),
            });
            self.gone += (before - self.len()) as u64;
        }
    }

    fn len(&self) -> usize {
        match &self.ring {
            Ring::Trades(rows) => rows.len(),
            Ring::AggTrades(rows) => rows.len(),
            Ring::Shared(ring) => ring.len(),
        }
    }

    /// The memory of a busy log is given back once: what it may hold from then on fits what it keeps, so that it
    /// need not grow anew, which would cost more than all its rows.
    fn shorten(&mut self, bytes: usize) -> usize {
        let before = self.held();
        self.most = bytes;
        self.drop_oldest(bytes, 0);
        match &mut self.ring {
            Ring::Trades(rows) => rows.slim(bytes),
            Ring::AggTrades(rows) => rows.slim(bytes),
            Ring::Shared(ring) => ring.shrink_to_fit(),
        }
        before.saturating_sub(self.held())
    }

    /// The memory held: the updates, and the room for more of them.
    fn held(&self) -> usize {
        let room = match &self.ring {
            Ring::Trades(rows) => rows.room(),
            Ring::AggTrades(rows) => rows.room(),
            Ring::Shared(ring) => ring.capacity() * size_of::<(Shared, usize)>(),
        };
        self.bytes + room
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
            Ring::Shared(ring) => *ring = VecDeque::new(),
        }
        self.bytes = 0;
        (self.gone, self.ages) = Default::default();
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

    /// Gives back what rows of so many `bytes` never need.
    fn slim(&mut self, bytes: usize) {
        self.ring.shrink_to(bytes / size_of::<Row<T>>() + 2 * FRESH);
        self.aside.shrink_to_fit();
    }

    /// The memory that is kept for more rows.
    fn room(&self) -> usize {
        let rows = self.ring.capacity() - self.ring.len() + self.fresh.capacity() - self.fresh.len();
        rows * size_of::<Row<T>>() + self.aside.capacity() * size_of::<Shared>()
    }

    fn share(&self, index: usize, place: Place<'_>, data: impl FnOnce(T) -> Data) -> Option<Shared> {
        let row = self.ring.get(index).or_else(|| self.fresh.get(index.checked_sub(self.ring.len())?))?;
        let Row { received, time, item } = *row;
        let Some(item) = item else {
            return self.aside.iter().find(|update| update.offset == place.offset).map(Arc::clone);
        };
        Some(unlogged(place, Kind::Event, Source::Live, (time, received), data(item)))
    }
}

fn shared(place: Place<'_>, draft: Draft) -> Shared {
    let Draft { kind, source, time, received, late, data } = draft;
    update(place, (kind, source, late), (time, received.unix), data)
}

#[inline]
fn update(
    place: Place<'_>,
    (kind, source, late): (Kind, Source, bool),
    (time, received): (Option<Unix>, Unix),
    data: Data,
) -> Shared {
    let Place { topic, epoch, offset } = place;
    Arc::new(Update {
        topic: topic.clone(),
        epoch,
        offset,
        kind,
        source,
        late,
        merged: 0,
        time,
        received,
        data,
        json: OnceLock::new(),
    })
}

/// An update that is not kept in any log as it is: snapshots, status, ticks, and rows put into words again.
pub(super) fn unlogged(
    place: Place<'_>,
    kind: Kind,
    source: Source,
    at: (Option<Unix>, Unix),
    data: Data,
) -> Shared {
    update(place, (kind, source, false), at, data)
}

/// An update that is not kept in any log and says something about now.
pub(super) fn notice(place: Place<'_>, kind: Kind, now: Time, data: Data) -> Shared {
    unlogged(place, kind, Source::Live, (None, now.unix), data)
}

#[cfg(test)]
mod tests;
