//! A topic's log: the bounded ring of its latest updates. It is history, resume and, for plain
//! state topics, the state itself.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

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

/// Updates of one topic in the order of their offsets, without holes.
#[derive(Debug, Default)]
pub(super) struct History {
    ring: VecDeque<Shared>,
    bytes: usize,
}

impl History {
    /// Appends an update and trims what no longer fits. A trimmed update that nobody reads any more
    /// lends its memory to the new one, so that a busy topic allocates nothing.
    pub(super) fn append(
        &mut self,
        topic: &Topic,
        epoch: Epoch,
        offset: u64,
        draft: Draft,
        bound: Bound,
    ) -> Shared {
        let spare = self.trim(draft.received, bound);
        let update = match spare {
            Some(mut shared) => match Arc::get_mut(&mut shared) {
                Some(update) => {
                    refill(update, epoch, offset, draft);
                    shared
                }
                None => Arc::new(fresh(topic, epoch, offset, draft)),
            },
            None => Arc::new(fresh(topic, epoch, offset, draft)),
        };
        self.bytes += update.size();
        self.ring.push_back(Arc::clone(&update));
        update
    }

    /// Drops what is too old or too much; returns the last one dropped.
    fn trim(&mut self, now: Unix, bound: Bound) -> Option<Shared> {
        let horizon = now.0.saturating_sub(i64::try_from(bound.age.as_nanos()).unwrap_or(i64::MAX));
        let mut spare = None;
        while let Some(first) = self.ring.front() {
            if self.bytes < bound.bytes && first.received.0 >= horizon {
                break;
            }
            self.bytes = self.bytes.saturating_sub(first.size());
            spare = self.ring.pop_front();
        }
        spare
    }

    /// Shortens the log to `bytes`; returns how many bytes that freed.
    pub(super) fn shorten(&mut self, bytes: usize) -> usize {
        let before = self.bytes;
        while self.bytes > bytes {
            let Some(first) = self.ring.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(first.size());
        }
        if self.ring.is_empty() {
            self.ring = VecDeque::new();
        }
        before - self.bytes
    }

    /// Everything after `offset`, if the ring still holds all of it. `last` is the newest offset given.
    pub(super) fn after(&self, offset: u64, last: u64) -> Option<impl Iterator<Item = &Shared>> {
        let missing = last.checked_sub(offset)?;
        let held = self.ring.len() as u64;
        (missing <= held).then(|| self.ring.iter().skip((held - missing) as usize))
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

fn fresh(topic: &Topic, epoch: Epoch, offset: u64, draft: Draft) -> Update {
    Update {
        topic: topic.clone(),
        epoch,
        offset,
        kind: draft.kind,
        source: draft.source,
        late: false,
        merged: 0,
        time: draft.time,
        received: draft.received,
        data: draft.data,
        json: OnceLock::new(),
    }
}

/// A log belongs to one topic, so everything but the topic is overwritten.
fn refill(update: &mut Update, epoch: Epoch, offset: u64, draft: Draft) {
    update.epoch = epoch;
    update.offset = offset;
    update.kind = draft.kind;
    update.source = draft.source;
    update.late = false;
    update.merged = 0;
    update.time = draft.time;
    update.received = draft.received;
    update.data = draft.data;
    update.json.take();
}

/// An update that is not kept in any log: snapshots, status, ticks.
pub(super) fn unlogged(
    topic: &Topic,
    epoch: Epoch,
    offset: u64,
    kind: Kind,
    now: Time,
    data: Data,
) -> Shared {
    let draft = Draft { kind, source: Source::Live, time: None, received: now.unix, data };
    Arc::new(fresh(topic, epoch, offset, draft))
}
