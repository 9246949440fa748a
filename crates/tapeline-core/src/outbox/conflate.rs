//! Entries that wait to be merged: at most one open entry per topic, in the order of first waiting.

use std::collections::VecDeque;

use super::merge::{self, Lost, Merge};
use crate::data::topic::Topic;
use crate::data::update::{Kind, Shared};
use crate::venue::Map;

/// Parts of one entry that may pile up before they are merged into one.
const PARTS: usize = 64;

/// One thing that will be delivered as one update.
#[derive(Debug)]
pub(super) enum Item {
    /// An update as it is.
    One(Shared),
    /// Several updates that become one when they are taken.
    State(State),
    /// Dropped events, declared.
    Lost(Lost),
}

/// Updates of one topic and epoch that become one.
#[derive(Debug)]
pub(super) struct State {
    newest: Shared,
    /// Parts before `newest`, where the newest alone is not enough.
    earlier: Vec<Shared>,
    /// Offsets it stands for.
    count: u32,
    /// A snapshot is among them.
    whole: bool,
}

/// The waiting entries.
#[derive(Debug, Default)]
pub(super) struct Conflator {
    /// With the count of plain messages that came before the entry was opened.
    items: VecDeque<(u64, Item)>,
    /// The last entry of each topic that has any, as a number counted from the first entry ever.
    last: Map<Topic, u64>,
    /// The number of the first entry in `items`.
    first: u64,
    /// Entries that cannot be merged away.
    fixed: usize,
    /// Bytes held; those of snapshots apart.
    bytes: usize,
    snapshot_bytes: usize,
    /// Updates merged into newer ones so far.
    pub(super) merged: u64,
}

impl Item {
    pub(super) fn into_update(self) -> Shared {
        match self {
            Self::One(update) => update,
            Self::State(state) => state.into_update(),
            Self::Lost(lost) => lost.into_update(),
        }
    }

    fn topic(&self) -> &Topic {
        match self {
            Self::One(update) => &update.topic,
            Self::State(state) => &state.newest.topic,
            Self::Lost(lost) => lost.topic(),
        }
    }

    fn is_fixed(&self) -> bool {
        !matches!(self, Self::State(_))
    }

    fn updates(&self) -> impl Iterator<Item = &Shared> {
        let (earlier, newest): (&[Shared], _) = match self {
            Self::One(update) => (&[], Some(update)),
            Self::State(state) => (&state.earlier, Some(&state.newest)),
            Self::Lost(_) => (&[], None),
        };
        earlier.iter().chain(newest)
    }
}

impl State {
    fn new(update: Shared) -> Self {
        Self {
            count: merge::offsets(&update),
            whole: update.kind == Kind::Snapshot,
            newest: update,
            earlier: Vec::new(),
        }
    }

    fn into_update(self) -> Shared {
        let alone = self.earlier.is_empty() && self.count == merge::offsets(&self.newest);
        if alone && self.whole == (self.newest.kind == Kind::Snapshot) {
            return self.newest;
        }
        merge::merged(&self.earlier, &self.newest, self.count, self.whole)
    }

    /// Takes `update` in, if it can be. Returns how many updates it stands for that no longer arrive
    /// by themselves.
    fn absorb(&mut self, update: &Shared, how: Merge) -> Option<u32> {
        match how {
            Merge::Never => return None,
            Merge::Replace => {
                let gone = self.count;
                *self = Self::new(update.clone());
                return Some(gone);
            }
            Merge::Tick if self.newest.kind != Kind::Tick => return Some(0),
            _ if self.newest.kind == Kind::Tick => {
                *self = Self::new(update.clone());
                return Some(0);
            }
            _ if self.newest.epoch != update.epoch => return None,
            Merge::Parts => {
                let before = std::mem::replace(&mut self.newest, update.clone());
                self.earlier.push(before);
            }
            Merge::Newest | Merge::Tick => self.newest = update.clone(),
        }
        let gone = u32::from(self.count > 0);
        self.count = self.count.saturating_add(merge::offsets(update));
        if self.earlier.len() >= PARTS {
            self.newest = merge::merged(&self.earlier, &self.newest, self.count, self.whole);
            self.earlier.clear();
        }
        Some(gone)
    }
}

impl Conflator {
    /// Adds an update of a conflated topic; `after` plain messages came before it.
    pub(super) fn push(&mut self, update: Shared, how: Merge, after: u64) {
        if how != Merge::Never
            && let Some(Item::State(state)) = self.last_of(&update.topic)
        {
            let (held, held_snapshots) = weigh(state.earlier.iter().chain([&state.newest]));
            if let Some(gone) = state.absorb(&update, how) {
                let (holds, snapshots) = weigh(state.earlier.iter().chain([&state.newest]));
                self.merged += u64::from(gone);
                self.bytes = self.bytes + holds - held;
                self.snapshot_bytes = self.snapshot_bytes + snapshots - held_snapshots;
                return;
            }
        }
        let item = if how == Merge::Never { Item::One(update) } else { Item::State(State::new(update)) };
        self.append(item, after);
    }

    /// Declares an event lost; together with the one before it, if that was lost too.
    pub(super) fn lose(&mut self, update: &Shared, after: u64) {
        if let Some(Item::Lost(lost)) = self.last_of(&update.topic)
            && lost.extend(update)
        {
            return;
        }
        self.append(Item::Lost(Lost::new(update)), after);
    }

    fn append(&mut self, item: Item, after: u64) {
        let (bytes, snapshots) = weigh(item.updates());
        self.bytes += bytes;
        self.snapshot_bytes += snapshots;
        self.fixed += usize::from(item.is_fixed());
        let number = self.first + self.items.len() as u64;
        match self.last.get_mut(item.topic()) {
            Some(last) => *last = number,
            None => {
                self.last.insert(item.topic().clone(), number);
            }
        }
        self.items.push_back((after, item));
    }

    fn last_of(&mut self, topic: &Topic) -> Option<&mut Item> {
        let number = *self.last.get(topic)?;
        let at = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.items.get_mut(at).map(|(_, item)| item)
    }

    /// The oldest entry.
    pub(super) fn pop(&mut self) -> Option<Item> {
        let (_, item) = self.items.pop_front()?;
        if self.last.get(item.topic()) == Some(&self.first) {
            self.last.remove(item.topic());
        }
        self.first += 1;
        let (bytes, snapshots) = weigh(item.updates());
        self.bytes -= bytes;
        self.snapshot_bytes -= snapshots;
        self.fixed -= usize::from(item.is_fixed());
        Some(item)
    }

    /// The number of the oldest entry, and how many plain messages came before it.
    pub(super) fn front(&self) -> Option<(u64, u64)> {
        self.items.front().map(|(after, _)| (self.first, *after))
    }

    /// The number that the next entry will have.
    pub(super) fn next_number(&self) -> u64 {
        self.first + self.items.len() as u64
    }

    /// Whether any entry of `topic` waits.
    pub(super) fn holds(&self, topic: &Topic) -> bool {
        !self.last.is_empty() && self.last.contains_key(topic)
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Entries that cannot be merged away, beyond four for each topic waiting.
    pub(super) fn surplus(&self) -> usize {
        self.fixed.saturating_sub(4 * self.last.len())
    }

    /// Bytes held, snapshots included.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes held that count against the bound.
    pub(super) fn counted_bytes(&self) -> usize {
        self.bytes - self.snapshot_bytes
    }
}

/// The bytes of some updates, and how many of them are those of snapshots.
pub(super) fn weigh<'a>(updates: impl Iterator<Item = &'a Shared>) -> (usize, usize) {
    updates.fold((0, 0), |(bytes, snapshots), update| {
        let size = update.size();
        (bytes + size, snapshots + if update.kind == Kind::Snapshot { size } else { 0 })
    })
}
