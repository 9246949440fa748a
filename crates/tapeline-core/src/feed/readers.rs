//! Subscribers as one feed sees them: who reads what, and the updates staged for them until the end
//! of a batch.

use std::collections::BTreeSet;

use crate::data::channel::Delivery;
use crate::data::topic::Pattern;
use crate::data::update::Shared;
use crate::defect::{Defect, planted};
use crate::outbox::{CutOff, Subscriber, SubscriberId};
use crate::time::Unix;
use crate::venue::{Map, TopicId};

/// One subscriber.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) subscriber: Subscriber,
    pub(super) topics: BTreeSet<TopicId>,
    pub(super) patterns: Vec<(Pattern, Option<Delivery>)>,
    pub(super) since: Unix,
    staged: Vec<(Delivery, Shared)>,
}

/// All subscribers of a feed, in slots that are reused.
#[derive(Debug, Default)]
pub(super) struct Readers {
    slots: Vec<Option<Reader>>,
    free: Vec<u32>,
    by_id: Map<SubscriberId, u32>,
    /// Slots with staged updates.
    dirty: Vec<u32>,
    /// Slots whose blocking outbox was full when last looked at.
    full: Vec<u32>,
    /// Slots whose consumer was found gone.
    gone: Vec<u32>,
}

impl Readers {
    /// The slot of a subscriber, made if it is new here.
    pub(super) fn enter(&mut self, now: Unix, subscriber: &Subscriber) -> u32 {
        if let Some(slot) = self.by_id.get(&subscriber.id()) {
            return *slot;
        }
        let reader = Reader {
            subscriber: subscriber.clone(),
            topics: BTreeSet::new(),
            patterns: Vec::new(),
            since: now,
            staged: Vec::new(),
        };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = Some(reader);
                slot
            }
            None => {
                self.slots.push(Some(reader));
                (self.slots.len() - 1) as u32
            }
        };
        self.by_id.insert(subscriber.id(), slot);
        slot
    }

    /// Forgets a subscriber; its reading list is handed back.
    pub(super) fn exit(&mut self, slot: u32) -> Option<Reader> {
        let reader = self.slots.get_mut(slot as usize)?.take()?;
        self.by_id.remove(&reader.subscriber.id());
        self.dirty.retain(|held| *held != slot);
        self.full.retain(|held| *held != slot);
        // The slot is about to be somebody else's, who is not gone.
        self.gone.retain(|held| *held != slot);
        self.free.push(slot);
        Some(reader)
    }

    pub(super) fn slot(&self, who: SubscriberId) -> Option<u32> {
        self.by_id.get(&who).copied()
    }

    pub(super) fn get(&self, slot: u32) -> Option<&Reader> {
        self.slots.get(slot as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, slot: u32) -> Option<&mut Reader> {
        self.slots.get_mut(slot as usize)?.as_mut()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Reader)> {
        (0u32..).zip(&self.slots).filter_map(|(slot, reader)| Some((slot, reader.as_ref()?)))
    }

    /// Stages an update for one reader until the next [`Readers::flush`].
    #[inline]
    pub(super) fn stage(&mut self, slot: u32, how: Delivery, update: Shared) {
        if let Some(Some(reader)) = self.slots.get_mut(slot as usize) {
            if reader.staged.is_empty() {
                self.dirty.push(slot);
            }
            reader.staged.push((how, update));
        }
    }

    /// Hands over what is staged: one lock and at most one wake-up per reader and batch.
    pub(super) fn flush(&mut self) {
        while let Some(slot) = self.dirty.pop() {
            let Some(Some(reader)) = self.slots.get_mut(slot as usize) else { continue };
            reader.subscriber.push(&mut reader.staged);
            if reader.subscriber.is_closed() {
                reader.staged.clear();
                self.gone.push(slot);
            } else if reader.subscriber.is_full() && !self.full.contains(&slot) {
                self.full.push(slot);
            }
        }
    }

    /// Slots found closed since the last call.
    pub(super) fn take_gone(&mut self) -> Vec<u32> {
        let gone = std::mem::take(&mut self.gone);
        if planted(Defect::KeepDroppedSubscriber) { Vec::new() } else { gone }
    }

    /// Looks for consumers that left without a word.
    pub(super) fn find_gone(&mut self) {
        let closed = (0u32..).zip(&self.slots).filter_map(|(slot, reader)| {
            reader.as_ref().is_some_and(|r| r.subscriber.is_closed()).then_some(slot)
        });
        self.gone.extend(closed);
    }

    /// Readers whose full outbox stops the lines behind their topics.
    pub(super) fn full(&self) -> impl Iterator<Item = &Reader> {
        self.full.iter().filter_map(|slot| self.get(*slot)).filter(|reader| reader.subscriber.is_full())
    }

    /// Forgets those who have room again.
    pub(super) fn forget_full(&mut self) {
        let slots = &self.slots;
        self.full.retain(|slot| {
            slots.get(*slot as usize).and_then(Option::as_ref).is_some_and(|r| r.subscriber.is_full())
        });
    }

    /// Cuts everyone off.
    pub(super) fn cut_all(&mut self, why: CutOff) {
        self.flush();
        for reader in self.slots.iter().flatten() {
            reader.subscriber.cut_off(why);
        }
    }
}
