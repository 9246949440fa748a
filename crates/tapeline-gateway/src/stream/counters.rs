//! What all clients came to since the start, and how long things take on their way to them.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};

use tapeline::Spread;

/// Figures of all clients since the start.
#[derive(Debug, Default)]
pub struct Counters {
    /// Clients now.
    pub clients: AtomicU64,
    /// Clients ever.
    pub admitted: AtomicU64,
    /// Clients that were turned away behind their upgrade, since too many came at once.
    pub turned_away: AtomicU64,
    /// Messages sent.
    pub sent: AtomicU64,
    /// Bytes sent.
    pub sent_bytes: AtomicU64,
    /// Messages received.
    pub received: AtomicU64,
    /// Updates merged into newer ones.
    pub merged: AtomicU64,
    /// Bytes that wait for clients who do not read.
    pub unsent: AtomicU64,
    /// How long the stages take.
    pub stages: Stages,
    closes: Mutex<BTreeMap<u16, u64>>,
    dropped: Mutex<BTreeMap<&'static str, u64>>,
}

/// How long a message takes on its way to clients, by stage. Of each batch that a shard takes over one message is
/// looked at, the newest; so a stage costs nothing per message or client.
#[derive(Debug, Default)]
pub struct Stages {
    /// From the venue's time to ours, where the clocks agree.
    pub venue: Spread,
    /// Encoding a message, one of 64.
    pub encode: Spread,
    /// From a shard's taking a batch over until it is written to the sockets of all clients that take it at once.
    pub client: Spread,
    /// From reading the venue's socket until the newest message of a batch is written to clients.
    pub delivery: Spread,
}

/// Why messages that waited for a client were dropped.
pub(super) mod why {
    /// It did not read.
    pub(in crate::stream) const SLOW: &str = "slow";
    /// It was told to come back later.
    pub(in crate::stream) const SHUTDOWN: &str = "shutdown";
    /// It broke the rules and was closed.
    pub(in crate::stream) const CLOSED: &str = "closed";
    /// It left, or its connection was lost.
    pub(in crate::stream) const GONE: &str = "gone";
    /// The shard fell behind its venue's feed; a gap tells its clients.
    pub(in crate::stream) const GAP: &str = "gap";

    /// All of them.
    pub(in crate::stream) const ALL: [&str; 5] = [SLOW, SHUTDOWN, CLOSED, GONE, GAP];
}

impl Counters {
    pub(super) fn closed(&self, code: u16) {
        *lock(&self.closes).entry(code).or_default() += 1;
    }

    /// Messages that a client was to get, and will not get on this connection.
    pub(super) fn dropped(&self, why: &'static str, messages: u64) {
        if messages > 0 {
            *lock(&self.dropped).entry(why).or_default() += messages;
        }
    }

    /// Clients that were closed, by close code; 1006 = without one.
    pub fn closes(&self) -> Vec<(u16, u64)> {
        lock(&self.closes).iter().map(|(code, count)| (*code, *count)).collect()
    }

    /// Messages that clients were to get and did not, for every reason there is.
    pub fn drops(&self) -> Vec<(&'static str, u64)> {
        let dropped = lock(&self.dropped);
        why::ALL.into_iter().map(|why| (why, dropped.get(why).copied().unwrap_or(0))).collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // A figure is changed in one step.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
