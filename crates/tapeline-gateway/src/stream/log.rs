//! A log of frames that many clients read, each from its own place.

use std::cell::{OnceCell, RefCell};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tapeline_core::data::update::{Kind, Shared};
use tapeline_core::time::Unix;
use tapeline_core::wire::json;
use tapeline_ws::frames;

use super::Counters;

thread_local! {
    /// Where frames are written before they get memory of their own size.
    static DESK: RefCell<Desk> = const { RefCell::new(Desk { bytes: Vec::new(), encoded: 0, counters: None }) };
}

/// One of so many frames is timed.
const TIMED: u64 = 64;

/// What encoding needs on a thread.
struct Desk {
    bytes: Vec<u8>,
    encoded: u64,
    /// Where to say how long it took.
    counters: Option<Arc<Counters>>,
}

/// Says from now on how long encoding takes on this thread.
pub(super) fn time_encoding(counters: &Arc<Counters>) {
    DESK.with_borrow_mut(|desk| desk.counters = Some(Arc::clone(counters)));
}

/// Encodes an update as the frame that all clients of one format share.
pub(super) fn frame(update: &tapeline_core::data::update::Update) -> Bytes {
    DESK.with_borrow_mut(|desk| {
        let begun = desk.encoded.is_multiple_of(TIMED).then(Instant::now);
        desk.encoded += 1;
        let frame = frames::text_in(&mut desk.bytes, |out| json::encode_into(out, update));
        if let (Some(begun), Some(counters)) = (begun, &desk.counters) {
            counters.stages.encode.add(begun.elapsed());
        }
        frame
    })
}

/// One message.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) offset: u64,
    pub(super) kind: Kind,
    received: Unix,
    /// Bytes of all entries ever, up to and with this one.
    end: u64,
    /// The update, as long as it may have to be merged or encoded.
    update: Option<Shared>,
    frame: OnceCell<Bytes>,
}

impl Entry {
    /// The encoded message, made when it is first asked for.
    pub(super) fn frame(&self) -> &Bytes {
        self.frame.get_or_init(|| self.update.as_deref().map(frame).unwrap_or_default())
    }

    /// The update, where the log keeps them.
    pub(super) fn update(&self) -> Option<&Shared> {
        self.update.as_ref()
    }
}

/// How much a log may hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bound {
    pub(super) bytes: usize,
    pub(super) age: std::time::Duration,
}

/// Entries in their order, each with a number that never comes again.
#[derive(Debug, Default)]
pub(super) struct Log {
    entries: VecDeque<Entry>,
    /// The number of the first entry held.
    first: u64,
    /// Bytes of all entries ever.
    end: u64,
}

impl Log {
    /// Appends an update; `keep` says that it may have to be merged later.
    pub(super) fn push(&mut self, update: &Shared, keep: bool) {
        let frame = OnceCell::new();
        // What is kept is encoded only if somebody reads it as it is.
        let size = if keep { update.size() } else { frame.get_or_init(|| self::frame(update)).len() };
        self.end += size as u64;
        self.entries.push_back(Entry {
            offset: update.offset,
            kind: update.kind,
            received: update.received,
            end: self.end,
            update: keep.then(|| Shared::clone(update)),
            frame,
        });
    }

    /// Lets go of what is too old or too much; the newest entry stays.
    pub(super) fn trim(&mut self, now: Unix, bound: Bound) {
        let age = i64::try_from(bound.age.as_nanos()).unwrap_or(i64::MAX);
        let horizon = Unix(now.0.saturating_sub(age));
        while self.entries.len() > 1
            && self
                .entries
                .front()
                .is_some_and(|entry| entry.received < horizon || self.bytes() > bound.bytes)
        {
            self.entries.pop_front();
            self.first += 1;
        }
    }

    /// The number of the first entry held.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// The number that the next entry will have.
    pub(super) fn next(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// An entry by its number.
    pub(super) fn get(&self, number: u64) -> Option<&Entry> {
        self.entries.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    /// The entries from a number on.
    pub(super) fn from(&self, number: u64) -> impl Iterator<Item = &Entry> {
        let skipped = usize::try_from(number.saturating_sub(self.first)).unwrap_or(usize::MAX);
        self.entries.range(skipped.min(self.entries.len())..)
    }

    /// The number of the first entry behind `offset` among those from `epoch` on that take an offset, if the log
    /// holds everything between them; `head` is the newest offset given.
    pub(super) fn behind(&self, epoch: u64, offset: u64, head: u64) -> Option<u64> {
        if offset == head {
            return Some(self.next());
        }
        let from = epoch.max(self.first);
        // Offsets never fall within an epoch.
        let skipped = usize::try_from(from - self.first).ok()?.min(self.entries.len());
        let (mut low, mut high) = (skipped, self.entries.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            if self.entries[middle].offset <= offset { low = middle + 1 } else { high = middle }
        }
        let next = self.entries.get(low)?;
        (next.offset == offset + 1 && next.kind.consumes_offset()).then_some(self.first + low as u64)
    }

    /// Bytes from an entry on; all of them from one that is not held any more.
    pub(super) fn bytes_from(&self, number: u64) -> usize {
        if number <= self.first {
            return self.bytes();
        }
        let begun = number.checked_sub(1).and_then(|before| self.get(before)).map(|entry| entry.end);
        begun.map_or(0, |begun| usize::try_from(self.end - begun).unwrap_or(usize::MAX))
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        let Some(front) = self.entries.front() else { return 0 };
        let own = front.update.as_ref().map_or_else(|| front.frame().len(), |update| update.size());
        usize::try_from(self.end - front.end).unwrap_or(usize::MAX).saturating_add(own)
    }
}
