//! Merging by the rules of the outbox: what a client would have got if it had read slowly.

use tapeline_core::data::channel::Delivery;
use tapeline_core::data::update::Shared;
use tapeline_core::outbox::{Bounds, Outbox, Overflow, Subscriber, SubscriberId, outbox};

/// Without bounds of its own: it holds one entry per topic, and there is one topic.
const BOUNDS: Bounds = Bounds { messages: usize::MAX / 64, bytes: usize::MAX / 64 };

/// Takes updates of one topic and gives back as few as stand for them.
#[derive(Debug)]
pub(super) struct Merger {
    to: Subscriber,
    from: Outbox,
    batch: Vec<(Delivery, Shared)>,
}

impl Merger {
    pub(super) fn new() -> Self {
        let (to, from) = outbox(SubscriberId(0), "merger", Overflow::Gap, BOUNDS);
        Self { to, from, batch: Vec::new() }
    }

    pub(super) fn push(&mut self, update: &Shared) {
        self.batch.push((Delivery::Conflate, Shared::clone(update)));
        self.to.push(&mut self.batch);
    }

    /// What stands for all that was pushed since the last call.
    pub(super) fn drain(&mut self) -> Vec<Shared> {
        let mut out = Vec::new();
        self.from.drain(&mut out);
        out
    }
}

/// What stands for all of `updates`.
pub(super) fn merged<'a>(updates: impl Iterator<Item = &'a Shared>) -> Vec<Shared> {
    let mut merger = Merger::new();
    updates.for_each(|update| merger.push(update));
    merger.drain()
}
