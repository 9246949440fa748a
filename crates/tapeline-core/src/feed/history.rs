//! A topic's log: the bounded ring of its latest updates. It is history and resume.

use std::collections::VecDeque;
use std::mem::size_of;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

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
    pub(super) data: Data,
}

/// Whose update it is, and which.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) topic: &'a Topic,
    pub(super) epoch: Epoch,
    pub(super) offset: u64,
}

/// One update in a log.
///
/// Plain trades are kept as values: the ring is written from end to end, so that a busy topic streams
/// through memory instead of touching old allocations one by one, and what readers get is short-lived
/// and warm in the cache. Everything else is kept as it is shared with the readers.
#[derive(Debug)]
enum Kept {
    Trade(Stamp, Trade),
    AggTrade(Stamp, AggTrade),
    Shared(Shared),
}

#[derive(Debug, Clone, Copy)]
struct Stamp {
    time: Option<Unix>,
    received: Unix,
}

impl Kept {
    /// The value of a live trade; `None` if the update has more to it.
    fn plain(draft: &Draft) -> Option<Self> {
        if draft.kind != Kind::Event || draft.source != Source::Live {
            return None;
        }
        let stamp = Stamp { time: draft.time, received: draft.received };
        match &draft.data {
            Data::Trade(trade) => Some(Self::Trade(stamp, trade.clone())),
            Data::AggTrade(trade) => Some(Self::AggTrade(stamp, trade.clone())),
            _ => None,
        }
    }

    fn received(&self) -> Unix {
        match self {
            Self::Trade(stamp, _) | Self::AggTrade(stamp, _) => stamp.received,
            Self::Shared(update) => update.received,
        }
    }

    fn size(&self) -> usize {
        match self {
            Self::Trade(..) | Self::AggTrade(..) => size_of::<Self>(),
            Self::Shared(update) => size_of::<Self>() + update.size(),
        }
    }

    fn share(&self, place: Place<'_>) -> Shared {
        let (stamp, data) = match self {
            Self::Trade(stamp, trade) => (stamp, Data::Trade(trade.clone())),
            Self::AggTrade(stamp, trade) => (stamp, Data::AggTrade(trade.clone())),
            Self::Shared(update) => return Arc::clone(update),
        };
        let Stamp { time, received } = *stamp;
        shared(place, Draft { kind: Kind::Event, source: Source::Live, time, received, data })
    }
}

/// Updates of one topic in the order of their offsets, without holes.
#[derive(Debug, Default)]
pub(super) struct History {
    ring: VecDeque<Kept>,
    bytes: usize,
}

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
        self.trim(draft.received, bound);
        let (kept, update) = match Kept::plain(&draft) {
            Some(kept) => (kept, wanted.then(|| shared(place, draft))),
            None => {
                let update = shared(place, draft);
                (Kept::Shared(Arc::clone(&update)), Some(update))
            }
        };
        self.bytes += kept.size();
        self.ring.push_back(kept);
        update
    }

    /// Drops what is too old or too much.
    #[inline]
    fn trim(&mut self, now: Unix, bound: Bound) {
        let horizon = now.0.saturating_sub(i64::try_from(bound.age.as_nanos()).unwrap_or(i64::MAX));
        while let Some(first) = self.ring.front() {
            if self.bytes < bound.bytes && first.received().0 >= horizon {
                break;
            }
            self.bytes = self.bytes.saturating_sub(first.size());
            self.ring.pop_front();
        }
    }

    /// Shortens the log to `bytes`; returns how many bytes that freed.
    pub(super) fn shorten(&mut self, bytes: usize) -> usize {
        let before = self.bytes;
        while self.bytes > bytes {
            let Some(first) = self.ring.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(first.size());
        }
        self.ring.shrink_to_fit();
        before - self.bytes
    }

    /// Everything after `place.offset`, if the ring still holds all of it. `last` is the newest offset
    /// given.
    pub(super) fn after<'a>(
        &'a self,
        place: Place<'a>,
        last: u64,
    ) -> Option<impl Iterator<Item = Shared> + 'a> {
        let missing = last.checked_sub(place.offset)?;
        let held = self.ring.len() as u64;
        let first = usize::try_from(held.checked_sub(missing)?).ok()?;
        let offsets = place.offset + 1..;
        Some(
            offsets
                .zip(self.ring.range(first..))
                .map(move |(offset, kept)| kept.share(Place { offset, ..place })),
        )
    }

    /// Forgets everything (a new epoch begins).
    pub(super) fn clear(&mut self) {
        self.ring.clear();
        self.bytes = 0;
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

fn shared(place: Place<'_>, draft: Draft) -> Shared {
    Arc::new(Update {
        topic: place.topic.clone(),
        epoch: place.epoch,
        offset: place.offset,
        kind: draft.kind,
        source: draft.source,
        late: false,
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
    shared(place, Draft { kind, source, time, received, data })
}

/// An update that is not kept in any log and says something about now.
pub(super) fn notice(place: Place<'_>, kind: Kind, now: Time, data: Data) -> Shared {
    unlogged(place, kind, Source::Live, (None, now.unix), data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::event::Side;

    fn log(count: u64, bytes: usize) -> (History, Topic) {
        let topic: Topic = "toy:trade:A".parse().unwrap();
        let mut history = History::default();
        for offset in 1..=count {
            let trade = Trade { id: offset + 100, price: 1.into(), size: 2.into(), side: Side::Buy };
            let received = Unix(i64::try_from(offset).unwrap() * 1_000_000_000);
            let (kind, source) = (Kind::Event, Source::Live);
            let draft = Draft { kind, source, time: Some(received), received, data: Data::Trade(trade) };
            let bound = Bound { bytes, age: Duration::from_secs(60) };
            let place = Place { topic: &topic, epoch: Epoch(7), offset };
            let update = history.append(place, draft, bound, offset % 2 == 0);
            assert_eq!(update.is_some(), offset % 2 == 0, "made only for readers");
        }
        (history, topic)
    }

    fn tail(history: &History, topic: &Topic, offset: u64, last: u64) -> Option<Vec<(u64, u64)>> {
        let place = Place { topic, epoch: Epoch(7), offset };
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
        let (history, topic) = log(50, 10 * size_of::<Kept>());
        assert!(history.bytes() <= 10 * size_of::<Kept>());
        assert_eq!(tail(&history, &topic, 39, 50), None);
        assert_eq!(tail(&history, &topic, 40, 50).unwrap().len(), 10);
    }
}
