//! One consumer's bounded queue with a named overflow rule: the producer's end is a [`Subscriber`],
//! the consumer's end an [`Outbox`].
//!
//! Updates wait in the order in which they came. Those of a conflated topic wait as one entry per
//! topic, at the place of the first of them, and merge there until they are taken; so a slow reader
//! gets fewer and larger updates of state, never older ones, and its memory is bounded by its topics.

mod conflate;
mod merge;
mod queue;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use serde::Serialize;

use crate::data::channel::Delivery;
use crate::data::update::Shared;
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use conflate::Item;
use queue::Queue;

/// Messages taken from the queue under one lock when a consumer reads one by one.
const CHUNK: usize = 32;

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
    ///
    /// The venue's pings wait there with everything else, and a venue that gets no answer ends the
    /// line, most of them after about a minute. So this bears pauses of seconds, not of minutes: after a
    /// longer one what had arrived is still delivered, then the line is dialled anew and what the venue
    /// sent meanwhile is declared as a gap, or replaced by a new snapshot.
    Block,
}

/// The bounds of one outbox. Snapshots count as messages but not in bytes (there is one per topic and
/// epoch, and it must get through however large it is); conflated state is bounded by its topics.
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
    /// The feed behind it has failed for good.
    Failed,
}

/// The producer's end; clones are the same subscriber. When the last one goes, the consumer reads what
/// is queued and then the end.
#[derive(Debug)]
pub struct Subscriber(Arc<Inner>);

/// The consumer's end. Dropping it is leaving.
#[derive(Debug)]
pub struct Outbox {
    inner: Arc<Inner>,
    /// Taken under one lock, given out one by one.
    ready: VecDeque<Item>,
}

/// Sees and limits what an outbox holds, without keeping it.
#[derive(Debug, Clone)]
pub struct Gauge(Weak<Inner>);

#[derive(Debug)]
struct Inner {
    id: SubscriberId,
    name: Box<str>,
    queue: Mutex<Queue>,
    /// Clones of the producer's end.
    producers: AtomicUsize,
    /// The consumer is gone or cut off. Read by the producer on every batch, hence not under the lock.
    closed: AtomicBool,
    /// A blocking outbox is full. Read before every read of a socket, hence not under the lock.
    full: AtomicBool,
}

/// A new outbox and its producer's end.
pub fn outbox(id: SubscriberId, name: &str, rule: Overflow, bounds: Bounds) -> (Subscriber, Outbox) {
    let inner = Arc::new(Inner {
        id,
        name: name.into(),
        queue: Mutex::new(Queue::new(rule, bounds)),
        producers: AtomicUsize::new(1),
        closed: AtomicBool::new(false),
        full: AtomicBool::new(false),
    });
    (Subscriber(Arc::clone(&inner)), Outbox { inner, ready: VecDeque::new() })
}

impl Inner {
    /// A consumer that panicked inside leaves the queue whole: every change is complete before the
    /// next one begins. So a poisoned lock is used on.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings the flags that are read without the lock up to date, and says who must be woken.
    fn settle(&self, queue: &mut Queue) -> Wakes {
        let full = queue.is_full();
        let was_full = self.full.swap(full, Ordering::AcqRel);
        if queue.ended.is_some() {
            self.closed.store(true, Ordering::Release);
        }
        Wakes {
            consumer: if queue.is_ready() || queue.ended.is_some() { queue.consumer.take() } else { None },
            producers: if was_full && !full { std::mem::take(&mut queue.room) } else { Vec::new() },
        }
    }

    fn end(&self, why: Option<CutOff>) {
        let mut queue = self.lock();
        queue.ended = queue.ended.or(Some(why));
        let wakes = self.settle(&mut queue);
        drop(queue);
        wakes.wake();
    }
}

/// Wakers are called after the lock is released: a woken task may run at once on another thread.
struct Wakes {
    consumer: Option<Waker>,
    producers: Vec<Waker>,
}

impl Wakes {
    fn wake(self) {
        self.consumer.into_iter().chain(self.producers).for_each(Waker::wake);
    }
}

impl Subscriber {
    /// Who this is.
    pub fn id(&self) -> SubscriberId {
        self.0.id
    }

    /// The name its owner gave it, for listings and logs.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// What happens when it is full.
    pub fn rule(&self) -> Overflow {
        self.0.lock().rule()
    }

    /// Moves a batch into the outbox, leaving `batch` empty; wakes the consumer only if it found
    /// nothing to read. Never waits; what does not fit is treated by the rule.
    pub fn push(&self, batch: &mut Vec<(Delivery, Shared)>) {
        if self.is_closed() || batch.is_empty() {
            batch.clear();
            return;
        }
        let mut queue = self.0.lock();
        for (delivery, update) in batch.drain(..) {
            queue.push(delivery, update);
        }
        let wakes = self.0.settle(&mut queue);
        drop(queue);
        wakes.wake();
    }

    /// Whether the consumer is gone (or cut off), so that the feed may forget it.
    pub fn is_closed(&self) -> bool {
        self.0.closed.load(Ordering::Acquire)
    }

    /// Whether the producer must stop reading ([`Overflow::Block`] only). Once full, an outbox stays
    /// so until half of it is free.
    pub fn is_full(&self) -> bool {
        self.0.full.load(Ordering::Acquire)
    }

    /// Registers who is to be woken when a full outbox has room again; wakes at once if it has.
    pub fn wake_on_room(&self, waker: &Waker) {
        let mut queue = self.0.lock();
        if !queue.is_full() {
            drop(queue);
            return waker.wake_by_ref();
        }
        if !queue.room.iter().any(|known| known.will_wake(waker)) {
            queue.room.push(waker.clone());
        }
    }

    /// Cuts the subscriber off; the consumer still gets what is queued, then learns why.
    pub fn cut_off(&self, why: CutOff) {
        self.0.end(Some(why));
    }

    /// Its figures.
    pub fn stats(&self) -> OutboxStats {
        self.0.lock().stats()
    }
}

impl Gauge {
    /// Its figures; `None` once both ends are gone, or nobody reads any more.
    pub fn stats(&self) -> Option<OutboxStats> {
        let inner = self.0.upgrade().filter(|inner| !inner.closed.load(Ordering::Acquire))?;
        let stats = inner.lock().stats();
        Some(stats)
    }

    /// Memory is short, or is so no longer: what is dropped and merged when it is too much, is so sooner.
    pub fn squeeze(&self, short: bool) {
        let Some(inner) = self.0.upgrade() else { return };
        let mut queue = inner.lock();
        queue.squeeze(short);
        let wakes = inner.settle(&mut queue);
        drop(queue);
        wakes.wake();
    }

    /// Cuts the subscriber off and lets go of what waits for it: the consumer learns why, and gets nothing more.
    pub fn evict(&self, why: CutOff) {
        let Some(inner) = self.0.upgrade() else { return };
        let mut queue = inner.lock();
        queue.ended = queue.ended.or(Some(Some(why)));
        let left = queue.clear();
        let wakes = inner.settle(&mut queue);
        drop(queue);
        wakes.wake();
        // Freed outside the lock.
        drop(left);
    }
}

impl Clone for Subscriber {
    fn clone(&self) -> Self {
        self.0.producers.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(&self.0))
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        if self.0.producers.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.end(None);
        }
    }
}

impl Outbox {
    /// Who this is.
    pub fn id(&self) -> SubscriberId {
        self.inner.id
    }

    /// A producer's end of this outbox, for a feed to hold. Once an outbox is at its end it stays so.
    pub fn subscriber(&self) -> Subscriber {
        self.inner.producers.fetch_add(1, Ordering::Relaxed);
        Subscriber(Arc::clone(&self.inner))
    }

    /// Who sees and limits what it holds.
    pub fn gauge(&self) -> Gauge {
        Gauge(Arc::downgrade(&self.inner))
    }

    /// The next update; `None` when the producer is gone or has cut us off and the queue is empty.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Shared>> {
        if let Some(update) = self.try_next() {
            return Poll::Ready(Some(update));
        }
        self.poll_idle(context).map(|()| self.try_next())
    }

    /// The next update if one waits.
    pub fn try_next(&mut self) -> Option<Shared> {
        if self.ready.is_empty() {
            let mut queue = self.inner.lock();
            queue.take(CHUNK, &mut self.ready);
            let wakes = self.inner.settle(&mut queue);
            drop(queue);
            wakes.wake();
        }
        self.ready.pop_front().map(Item::into_update)
    }

    /// Appends everything that waits to `out`; how many that were.
    pub fn drain(&mut self, out: &mut Vec<Shared>) -> usize {
        let before = out.len();
        out.extend(self.ready.drain(..).map(Item::into_update));
        let mut queue = self.inner.lock();
        if !queue.take_plain(out) {
            queue.take(usize::MAX, &mut self.ready);
        }
        let wakes = self.inner.settle(&mut queue);
        drop(queue);
        wakes.wake();
        // Merging happens here, outside the lock: the producer must never wait for it.
        out.extend(self.ready.drain(..).map(Item::into_update));
        out.len() - before
    }

    /// As [`Outbox::drain`], but waits for something to read; `Ready(0)` is the end.
    pub fn poll_drain(&mut self, context: &mut Context<'_>, out: &mut Vec<Shared>) -> Poll<usize> {
        match self.drain(out) {
            0 => self.poll_idle(context).map(|()| self.drain(out)),
            count => Poll::Ready(count),
        }
    }

    /// Ready when there is something to read or the end has come; else registers the waker.
    pub fn poll_readable(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.ready.is_empty() { self.poll_idle(context) } else { Poll::Ready(()) }
    }

    fn poll_idle(&self, context: &Context<'_>) -> Poll<()> {
        let mut queue = self.inner.lock();
        if queue.is_ready() || queue.ended.is_some() {
            return Poll::Ready(());
        }
        match &mut queue.consumer {
            Some(known) => known.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
        Poll::Pending
    }

    /// Lets conflated entries out in rounds: when one is taken, those waiting with it may follow, the
    /// rest waits for [`Outbox::next_round`]. Without this they leave as fast as they are read.
    pub fn in_rounds(&mut self) {
        self.inner.lock().in_rounds();
    }

    /// Whether a round is over, so that conflated entries wait for [`Outbox::next_round`].
    pub fn round_is_over(&self) -> bool {
        self.inner.lock().round_is_over()
    }

    /// Begins the next round.
    pub fn next_round(&mut self) {
        self.inner.lock().next_round();
    }

    /// Whether everything has been read and nothing more will come.
    pub fn is_at_end(&self) -> bool {
        let queue = self.inner.lock();
        queue.ended.is_some() && self.ready.is_empty() && !queue.is_ready()
    }

    /// Why the producer cut us off, if it did.
    pub fn cut_off(&self) -> Option<CutOff> {
        self.inner.lock().ended.flatten()
    }

    /// Its figures.
    pub fn stats(&self) -> OutboxStats {
        self.inner.lock().stats()
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.inner.closed.store(true, Ordering::Release);
        let mut queue = self.inner.lock();
        let left = queue.clear();
        let wakes = self.inner.settle(&mut queue);
        drop(queue);
        wakes.wake();
        // Freed outside the lock.
        drop(left);
    }
}
