//! What a part of the process holds, as that part tells it, and what all parts may still take.

use crate::sync::Arc;
use crate::sync::atomic::{AtomicU64, Ordering};

/// What all parts together may take before the next look.
#[derive(Debug)]
pub(crate) struct Room {
    /// What they have ever taken, and what that may become.
    taken: AtomicU64,
    until: AtomicU64,
}

impl Room {
    pub(crate) fn new(bytes: u64) -> Self {
        Self { taken: AtomicU64::new(0), until: AtomicU64::new(bytes) }
    }

    /// Before a look at what is held: what is taken from now on may not be seen by it.
    pub(crate) fn mark(&self) -> u64 {
        self.taken.load(Ordering::SeqCst)
    }

    /// Since `mark`, so many bytes may be taken.
    pub(crate) fn allow(&self, mark: u64, bytes: u64) {
        self.until.store(mark.saturating_add(bytes), Ordering::SeqCst);
    }

    /// Takes so many bytes of it, all or none.
    fn take(&self, bytes: u64) -> bool {
        let more = |taken: u64| {
            let taken = taken.saturating_add(bytes);
            (taken <= self.until.load(Ordering::SeqCst)).then_some(taken)
        };
        self.taken.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more).is_ok()
    }
}

/// What a part of the process holds, as that part tells it. Dropping it is holding nothing.
#[derive(Debug)]
pub struct Account {
    part: &'static str,
    held: AtomicU64,
    /// What of it can be freed by cutting off whoever reads it, and the most that is so of one of them.
    loose: AtomicU64,
    biggest: AtomicU64,
    /// What is asked of it.
    asked: AtomicU64,
    /// How often it was looked at since it told what it holds.
    looks: AtomicU64,
    room: Arc<Room>,
}

impl Account {
    pub(crate) fn new(part: &'static str, room: Arc<Room>) -> Self {
        let new = || AtomicU64::new(0);
        Self { part, held: new(), loose: new(), biggest: new(), asked: new(), looks: new(), room }
    }

    /// It holds so many bytes.
    pub fn holds(&self, bytes: usize) {
        self.looks.store(0, Ordering::Relaxed);
        self.held.store(bytes as u64, Ordering::Relaxed);
    }

    /// It takes so many bytes more, if there is room for them: looks are too rare for what many take at once.
    pub fn takes(&self, bytes: usize) -> bool {
        // Held first: a look between the two finds a little less room than there is, never more.
        self.held.fetch_add(bytes as u64, Ordering::Relaxed);
        let taken = self.room.take(bytes as u64);
        if !taken {
            self.held.fetch_sub(bytes as u64, Ordering::Relaxed);
        }
        taken
    }

    /// Of these so many wait for somebody, and so many for the one for whom most waits.
    pub fn waits(&self, bytes: usize, biggest: usize) {
        self.loose.store(bytes as u64, Ordering::Relaxed);
        self.biggest.store(biggest as u64, Ordering::Relaxed);
    }

    /// How many bytes it is to let go of by cutting off those for whom most waits. Each asking is heard once.
    pub fn take_asked(&self) -> usize {
        usize::try_from(self.asked.swap(0, Ordering::AcqRel)).unwrap_or(usize::MAX)
    }

    pub(crate) const fn part(&self) -> &'static str {
        self.part
    }

    pub(crate) fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    /// It is looked at.
    pub(crate) fn look(&self) {
        self.looks.fetch_add(1, Ordering::Relaxed);
    }

    /// How often it was looked at since it told what it holds.
    pub(crate) fn looks(&self) -> u64 {
        self.looks.load(Ordering::Relaxed)
    }

    /// What waits for the one for whom most does, and for all of them.
    pub(crate) fn waiting(&self) -> (u64, u64) {
        (self.biggest.load(Ordering::Relaxed), self.loose.load(Ordering::Relaxed))
    }

    /// It is to let go of so many bytes.
    pub(crate) fn ask(&self, bytes: u64) {
        self.asked.store(bytes, Ordering::Release);
    }
}
