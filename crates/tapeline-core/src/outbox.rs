//! One consumer's bounded queue with a named overflow rule: the producer's end is a [`Subscriber`],
//! the consumer's end an [`Outbox`].

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use serde::Serialize;

use crate::data::channel::Delivery;
use crate::data::update::Shared;

/// A subscriber, unique within the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct SubscriberId(pub u64);

/// What happens when an outbox is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Overflow {
    /// The oldest events are dropped and one `gap` of our offsets stands in their place; state is
    /// conflated.
    Gap,
    /// The subscriber is cut off and told so.
    Disconnect,
    /// The feed stops reading the lines behind the topic until there is room.
    Block,
}

/// The bounds of one outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Messages waiting at most.
    pub messages: usize,
    /// Bytes waiting at most.
    pub bytes: usize,
}

/// Figures of one outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct OutboxStats {
    /// Messages waiting now.
    pub queued: usize,
    /// Bytes waiting now.
    pub bytes: usize,
    /// The most messages that ever waited.
    pub high_water: usize,
    /// Messages handed to the consumer.
    pub delivered: u64,
    /// Messages dropped (each is covered by a `gap`).
    pub dropped: u64,
    /// Updates merged into newer ones.
    pub merged: u64,
}

/// Why a subscriber was cut off by the producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CutOff {
    /// It was too slow for its rule.
    Slow,
    /// Its handler panicked too often.
    Panicked,
    /// Everything is being shut down.
    Shutdown,
}

/// The producer's end; clones are the same subscriber.
#[derive(Debug, Clone)]
pub struct Subscriber(Arc<Inner>);

/// The consumer's end. Dropping it is leaving.
#[derive(Debug)]
pub struct Outbox(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    id: SubscriberId,
}

/// A new outbox and its producer's end.
pub fn outbox(id: SubscriberId, name: &str, rule: Overflow, bounds: Bounds) -> (Subscriber, Outbox) {
    let _ = (name, rule, bounds);
    let inner = Arc::new(Inner { id });
    (Subscriber(inner.clone()), Outbox(inner))
}

impl Subscriber {
    /// Who this is.
    pub fn id(&self) -> SubscriberId {
        self.0.id
    }

    /// Moves a batch into the outbox, leaving `batch` empty; wakes the consumer only if the outbox was
    /// empty. Never waits; what does not fit is treated by the rule.
    pub fn push(&self, batch: &mut Vec<(Delivery, Shared)>) {
        batch.clear();
    }

    /// Whether the consumer is gone (or cut off), so that the feed may forget it.
    pub fn is_closed(&self) -> bool {
        false
    }

    /// Whether the producer must stop reading ([`Overflow::Block`] only).
    pub fn is_full(&self) -> bool {
        false
    }

    /// Registers who is to be woken when a full outbox has room again.
    pub fn wake_on_room(&self, waker: &Waker) {
        let _ = waker;
    }

    /// Cuts the subscriber off; the consumer still gets what is queued, then learns why.
    pub fn cut_off(&self, why: CutOff) {
        let _ = why;
    }

    /// Its figures.
    pub fn stats(&self) -> OutboxStats {
        OutboxStats::default()
    }
}

impl Outbox {
    /// The next update; `None` when the producer is gone or has cut us off and the queue is empty.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Shared>> {
        let _ = (context, &self.0);
        Poll::Pending
    }
}
