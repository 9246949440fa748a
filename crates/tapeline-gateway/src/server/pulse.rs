//! Deadlines of one connection: for a request's head, for the pause between two, and for a client that does not read.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::head::{Breach, Head};

/// What a connection is doing, and until when it may.
#[derive(Debug, Clone)]
pub(crate) struct Pulse(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    phase: Phase,
    /// Until when the client must have read something, if it lets us wait.
    stalled: Option<Instant>,
    /// The request that is arriving or being answered.
    head: Head,
    head_within: Duration,
    idle: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Between two requests.
    Idle(Instant),
    /// The head of a request is on its way.
    Head(Instant),
    /// A request is being answered.
    Busy,
}

impl Pulse {
    /// Of a connection that has just been opened: its first head is due.
    pub(crate) fn new(head_within: Duration, idle: Duration) -> Self {
        let phase = Phase::Head(Instant::now() + head_within);
        let head = Head::default();
        Self(Arc::new(Mutex::new(State { phase, stalled: None, head, head_within, idle })))
    }

    /// A request's head is complete.
    pub(crate) fn begin(&self) {
        self.lock().phase = Phase::Busy;
    }

    /// Its answer has been given.
    pub(crate) fn end(&self) {
        let mut state = self.lock();
        state.phase = Phase::Idle(Instant::now() + state.idle);
        state.head = Head::default();
    }

    /// What is wrong with how the request came, as far as that is to be seen by now; `body` = the bytes of its body,
    /// where they are known.
    pub(super) fn breach(&self, body: Option<u64>) -> Option<Breach> {
        self.lock().head.breach(body)
    }

    /// Whether a request is being answered, or its answer has not left yet.
    pub(crate) fn is_busy(&self) -> bool {
        let state = self.lock();
        state.phase == Phase::Busy || state.stalled.is_some()
    }

    /// When patience ends.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let state = self.lock();
        let phase = match state.phase {
            Phase::Idle(until) | Phase::Head(until) => Some(until),
            Phase::Busy => None,
        };
        phase.into_iter().chain(state.stalled).min()
    }

    fn heard(&self, bytes: &[u8]) {
        let mut state = self.lock();
        state.head.take(bytes);
        if matches!(state.phase, Phase::Idle(_)) {
            state.phase = Phase::Head(Instant::now() + state.head_within);
        }
    }

    fn written<T>(&self, result: Poll<T>) -> Poll<T> {
        let mut state = self.lock();
        if result.is_ready() {
            state.stalled = None;
        } else if state.stalled.is_none() {
            state.stalled = Some(Instant::now() + state.idle);
        }
        drop(state);
        result
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A socket that tells its pulse what happens on it.
#[derive(Debug)]
pub(crate) struct Felt {
    socket: TcpStream,
    pulse: Pulse,
}

impl Felt {
    pub(crate) fn new(socket: TcpStream, pulse: Pulse) -> Self {
        Self { socket, pulse }
    }

    pub(crate) fn into_socket(self) -> TcpStream {
        self.socket
    }
}

impl AsyncRead for Felt {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let result = Pin::new(&mut self.socket).poll_read(context, into);
        if into.filled().len() > before {
            self.pulse.heard(into.filled().get(before..).unwrap_or_default());
        }
        result
    }
}

impl AsyncWrite for Felt {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.socket).poll_write(context, bytes);
        self.pulse.written(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.socket).poll_write_vectored(context, slices);
        self.pulse.written(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_phase_has_its_own_patience() {
        let secs = Duration::from_secs;
        let pulse = Pulse::new(secs(5), secs(60));
        let start = Instant::now();
        assert_eq!(pulse.deadline(), Some(start + secs(5)));
        pulse.heard(b"G");
        assert_eq!(pulse.deadline(), Some(start + secs(5)), "a byte at a time gains nothing");
        pulse.begin();
        assert_eq!(pulse.deadline(), None);
        assert!(pulse.written(Poll::<()>::Pending).is_pending());
        assert_eq!(pulse.deadline(), Some(start + secs(60)), "a client that does not read");
        pulse.end();
        assert!(pulse.is_busy(), "the answer is still on its way out");
        assert!(pulse.written(Poll::Ready(())).is_ready());
        assert!(!pulse.is_busy());
        assert_eq!(pulse.deadline(), Some(start + secs(60)));
        tokio::time::advance(secs(50)).await;
        pulse.heard(b"G");
        assert_eq!(pulse.deadline(), Some(start + secs(55)));
    }
}
