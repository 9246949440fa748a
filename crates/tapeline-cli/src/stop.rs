//! The signals that end the program, and one that must not.

use std::io;

use rustix::process::Signal as Number;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::Exit;

/// Waits for someone to ask us to leave. Installed before the first line of output, so that a signal
/// that answers it finds us ready.
#[derive(Debug)]
pub(crate) struct Stop {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
    /// A file may not grow any more (`ulimit -f`). Heard, it does not end the program: whoever writes that file is told as
    /// of a disk that is full.
    _too_large: Signal,
}

/// What a signal asks of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// To leave, with this exit code.
    Leave(Exit),
    /// To read the configuration again.
    Reload,
}

impl Stop {
    /// Starts listening.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn install() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            _too_large: signal(SignalKind::from_raw(Number::XFSZ.as_raw()))?,
        })
    }

    /// The next request of those that know a hangup as the wish to read the configuration again.
    pub(crate) async fn asked_to(&mut self) -> Asked {
        tokio::select! {
            _ = self.interrupt.recv() => Asked::Leave(Exit::Interrupted),
            _ = self.terminate.recv() => Asked::Leave(Exit::Done),
            _ = self.hangup.recv() => Asked::Reload,
        }
    }

    /// The next request, as the exit code it leads to. Loses nothing when dropped half-way.
    pub(crate) async fn asked(&mut self) -> Exit {
        tokio::select! {
            _ = self.interrupt.recv() => Exit::Interrupted,
            _ = self.terminate.recv() => Exit::Done,
            _ = self.hangup.recv() => Exit::Done,
        }
    }
}
