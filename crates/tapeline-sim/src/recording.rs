//! A recorded session with its clock, shared by the player and by whoever serves its snapshots.

use crate::capture::Capture;
use crate::playback::{Playback, Speed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// A recording and how far it has been played.
#[derive(Debug)]
pub(crate) struct Recording {
    pub(crate) capture: Capture,
    playback: Mutex<Playback>,
    /// A snapshot was served; the clock may be waiting for it.
    pub(crate) served: Notify,
}

impl Recording {
    pub(crate) fn new(capture: Capture, speed: Speed, wait: Duration) -> Self {
        let playback = Mutex::new(Playback::new(&capture.times, &capture.snapshots, speed, wait));
        Self { capture, playback, served: Notify::new() }
    }

    /// The recorded snapshot of `symbol` to serve now.
    pub(crate) fn snapshot(&self, symbol: &str) -> Option<&str> {
        let index = self.playback().serve(symbol)?;
        self.served.notify_one();
        Some(&self.capture.snapshots[index].body)
    }

    pub(crate) fn playback(&self) -> MutexGuard<'_, Playback> {
        self.playback.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
