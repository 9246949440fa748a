//! What is told to a feed's task past its orders: who left, and that it is to stop.

use std::task::{Context, Poll};

use tapeline_core::outbox::SubscriberId;

use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{AtomicWaker, Mutex, PoisonError};

/// What is told to a feed's task past the orders: who left, and that it is to stop. It never refuses,
/// so that leaving works from anywhere at once; each subscriber leaves at most once, which bounds it.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    left: Mutex<Vec<SubscriberId>>,
    any_left: AtomicBool,
    stop: AtomicBool,
    waker: AtomicWaker,
}

impl Signals {
    /// A subscriber has left.
    pub(crate) fn left(&self, who: SubscriberId) {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).push(who);
        self.any_left.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// The task is to say goodbye and end.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Something else has changed that the task looks at by itself.
    pub(crate) fn wake(&self) {
        self.waker.wake();
    }

    /// Asks to be woken at the next signal. Peek at the signals after this, not before.
    pub(crate) fn listen(&self, context: &Context<'_>) {
        self.waker.register(context.waker());
    }

    /// Who left since the last call.
    pub(crate) fn take_left(&self) -> Vec<SubscriberId> {
        if !self.any_left.swap(false, Ordering::AcqRel) {
            return Vec::new();
        }
        std::mem::take(&mut *self.left.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether the task is to end.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Waits until the task is to end.
    pub(crate) async fn stopped(&self) {
        std::future::poll_fn(|context| {
            self.listen(context);
            if self.is_stopped() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}
