//! What threads share and wait by, each step of which the scheduler decides; stands for `sync` of the modelled crates.

use std::task::Waker;

pub(crate) use shuttle::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak, atomic};

/// Keeps one waker. A lock is enough here: what is tried is when it is called, not how it is made.
#[derive(Debug, Default)]
pub(crate) struct AtomicWaker(Mutex<Option<Waker>>);

impl AtomicWaker {
    pub(crate) fn register(&self, waker: &Waker) {
        *self.lock() = Some(waker.clone());
    }

    pub(crate) fn wake(&self) {
        let waker = self.lock().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Waker>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
