//! The house among tasks: one lock around it, and a queue of what is to be done for each socket.

use crate::house::{House, Reply, Said, Say, SocketId, Trouble};
use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// What to do about a socket whose queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slow {
    /// Wait: nothing may be lost and the clock can stand still.
    Wait,
    /// Hang up: time goes on for everybody else.
    Cut,
}

/// What is to be done on one socket.
#[derive(Debug)]
struct Queue {
    waiting: VecDeque<Say>,
    news: Arc<Notify>,
    /// Cancelled to hang up at once.
    cut: CancellationToken,
}

#[derive(Debug)]
struct Inner {
    house: House,
    queues: BTreeMap<SocketId, Queue>,
}

/// A house and the queues of its sockets.
#[derive(Debug)]
pub(crate) struct Room {
    inner: Mutex<Inner>,
    opened: Instant,
    /// Messages that may wait for one socket.
    most: usize,
    pub(crate) slow: Slow,
    /// The house's next moment may have changed.
    pub(crate) wake: Notify,
    /// A socket has taken its queue, or has gone.
    space: Notify,
    begun: watch::Sender<bool>,
}

/// A socket's end of its queue. Dropping it tells the house that the socket is gone.
#[derive(Debug)]
pub(crate) struct Seat {
    room: Arc<Room>,
    id: SocketId,
    pub(crate) news: Arc<Notify>,
    pub(crate) cut: CancellationToken,
}

impl Room {
    pub(crate) fn new(house: House, most: usize, slow: Slow) -> Self {
        Self {
            inner: Mutex::new(Inner { house, queues: BTreeMap::new() }),
            opened: Instant::now(),
            most,
            slow,
            wake: Notify::new(),
            space: Notify::new(),
            begun: watch::Sender::new(false),
        }
    }

    /// Does something with the house and hands out what follows from it.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut House, u64) -> T) -> T {
        let done = self.drive(act);
        self.wake.notify_one();
        done
    }

    /// The same for the one who waits for the house's next moment himself.
    pub(crate) fn drive<T>(&self, act: impl FnOnce(&mut House, u64) -> T) -> T {
        let mut inner = self.lock();
        let now = self.now();
        let done = act(&mut inner.house, now);
        self.hand_out(&mut inner, now);
        done
    }

    /// Reads something that changes nothing.
    pub(crate) fn read<T>(&self, ask: impl FnOnce(&House) -> T) -> T {
        ask(&self.lock().house)
    }

    /// The moment of the house at which a timer fires.
    pub(crate) fn instant(&self, at: u64) -> Instant {
        self.opened + std::time::Duration::from_nanos(at)
    }

    /// Lets somebody in, and says what is odd about the answer to it; `stop` is the parent of the token that hangs
    /// up.
    pub(crate) fn connect(
        self: &Arc<Self>,
        from: IpAddr,
        target: &str,
        key: Option<&str>,
        stop: &CancellationToken,
    ) -> Result<(Seat, Option<Trouble>), Reply> {
        let mut inner = self.lock();
        let now = self.now();
        let id = inner.house.connect_with_key(now, from, target, key)?;
        let oddity = inner.house.oddity(id, target);
        let (news, cut) = (Arc::new(Notify::new()), stop.child_token());
        let queue = Queue { waiting: VecDeque::new(), news: Arc::clone(&news), cut: cut.clone() };
        inner.queues.insert(id, queue);
        self.hand_out(&mut inner, now);
        drop(inner);
        self.wake.notify_one();
        Ok((Seat { room: Arc::clone(self), id, news, cut }, oddity))
    }

    /// Waits until every queue has room for more. In a house that waits for nobody they always have.
    pub(crate) async fn space(&self) {
        if self.slow == Slow::Cut {
            return;
        }
        loop {
            let space = self.space.notified();
            if self.lock().queues.values().all(|queue| queue.waiting.len() < self.most) {
                return;
            }
            space.await;
        }
    }

    /// Waits until the performance has begun.
    pub(crate) async fn begun(&self) {
        // The sender lives as long as this room.
        let _ = self.begun.subscribe().wait_for(|begun| *begun).await;
    }

    fn hand_out(&self, inner: &mut Inner, now: u64) {
        let mut touched: Vec<SocketId> = Vec::new();
        while let Some((id, say)) = inner.house.next_output() {
            let Some(queue) = inner.queues.get_mut(&id) else { continue };
            queue.waiting.push_back(say);
            if touched.last() != Some(&id) {
                touched.push(id);
            }
        }
        // One who waits for nobody hangs up; one who waits never makes this many, so that it is a client which
        // asks on and on and does not read.
        let most = if self.slow == Slow::Cut { self.most } else { 4 * self.most + 4_096 };
        for id in touched {
            let Some(queue) = inner.queues.get_mut(&id) else { continue };
            queue.news.notify_one();
            if queue.waiting.len() > most {
                queue.cut.cancel();
                inner.queues.remove(&id);
                inner.house.report_mut().closed_for_slowness += 1;
                inner.house.gone(now, id);
            }
        }
        if inner.house.has_begun() {
            self.begun.send_if_modified(|begun| !std::mem::replace(begun, true));
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Counters and tables stay usable after a panic elsewhere.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Everything that is to be done on the socket.
    pub(crate) fn take(&self) -> VecDeque<Say> {
        let waiting =
            self.room.lock().queues.get_mut(&self.id).map(|queue| std::mem::take(&mut queue.waiting));
        self.room.space.notify_waiters();
        waiting.unwrap_or_default()
    }

    /// Whether the house has let go of the socket, or never will serve it again.
    pub(crate) fn is_over(&self) -> bool {
        let inner = self.room.lock();
        let last = inner.queues.get(&self.id).and_then(|queue| queue.waiting.back());
        last.is_some_and(|say| say.is_end() || *say == Say::Stall)
    }

    /// Passes on what the client said.
    pub(crate) fn receive(&self, said: Said<'_>) {
        self.room.with(|house, now| house.receive(now, self.id, said));
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut inner = self.room.lock();
        inner.queues.remove(&self.id);
        let now = self.room.now();
        inner.house.gone(now, self.id);
        self.room.hand_out(&mut inner, now);
        drop(inner);
        self.room.space.notify_waiters();
        self.room.wake.notify_one();
    }
}
