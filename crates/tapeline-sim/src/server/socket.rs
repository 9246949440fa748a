//! One WebSocket connection: moves bytes between a client and the house, and does to it what the house orders.

use super::room::Seat;
use super::stream::Stream;
use crate::house::{Said, Say};
use bytes::Bytes;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tapeline_ws::{Connection, Message, QueueError};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, sleep_until};

/// How long a farewell may take.
const FAREWELL: Duration = Duration::from_secs(1);
/// A text that is longer than this may never find room in the connection's queue: it goes past it.
const LONGEST_QUEUED: usize = 64 * 1024;

/// One open socket.
pub(crate) struct Socket {
    connection: Connection<Stream>,
    seat: Seat,
    /// What is to be done, first things first.
    orders: VecDeque<Say>,
    /// What cannot be said through the connection: it is written when all before it is.
    raw: Option<Raw>,
    /// The house has let go: what is left has to be said by then.
    leave_by: Option<Instant>,
}

/// Bytes past the connection's own frames.
struct Raw {
    bytes: Vec<u8>,
    written: usize,
    /// The connection is reset after them.
    reset: bool,
}

/// Why a socket ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The client left, the socket broke, or it is cut.
    Gone,
    /// Close with this code and reason.
    Close(u16, &'static str),
    /// The end of the stream without a close frame.
    Fin,
    Reset,
    /// Nothing is delivered any more.
    Stall,
}

/// What woke the socket.
enum Wake {
    /// All that was queued, and what goes past the queue, is written.
    Idle,
    Read(usize),
    News,
    Broken,
}

impl Socket {
    pub(crate) fn open(mut connection: Connection<Stream>, seat: Seat) -> Self {
        // The house answers pings, or does not.
        connection.set_auto_pong(false);
        Self { connection, seat, orders: VecDeque::new(), raw: None, leave_by: None }
    }

    /// Serves until the end, then leaves the house.
    pub(crate) async fn run(mut self) {
        let cut = self.seat.cut.clone();
        let end = loop {
            match self.turn().await {
                ControlFlow::Continue(()) => {}
                ControlFlow::Break(end) => break end,
            }
        };
        let Self { seat, mut connection, .. } = self;
        match end {
            End::Gone => {}
            End::Close(code, reason) => {
                // Whether the client takes the farewell or not, this is the end.
                let _ = tokio::time::timeout(FAREWELL, connection.close(code, reason)).await;
            }
            End::Reset => {
                let _ = connection.io().tcp().set_zero_linger();
            }
            End::Fin => {
                let _ = tokio::time::timeout(FAREWELL, finish(connection.into_io())).await;
            }
            End::Stall => {
                // The socket keeps its seat: to the house it is there, as it is to the network.
                let _ = cut.run_until_cancelled(swallow(connection.into_io())).await;
            }
        }
        drop(seat);
    }

    async fn turn(&mut self) -> ControlFlow<End> {
        self.take_messages()?;
        self.fill_queue()?;
        let leave_by = self.leave_by;
        let farewell = async {
            match leave_by {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let waiting = !self.orders.is_empty();
        let wake = tokio::select! {
            biased;
            () = self.seat.cut.cancelled() => return ControlFlow::Break(End::Gone),
            () = farewell => return ControlFlow::Break(End::Gone),
            wake = next_wake(&mut self.connection, self.raw.as_mut(), waiting) => wake,
            () = self.seat.news.notified() => Wake::News,
        };
        match wake {
            Wake::Idle => self.end_raw(),
            Wake::Read(0) | Wake::Broken => ControlFlow::Break(End::Gone),
            Wake::Read(_) => ControlFlow::Continue(()),
            Wake::News => {
                if self.leave_by.is_none() && self.seat.is_over() {
                    self.leave_by = Some(Instant::now() + FAREWELL);
                }
                ControlFlow::Continue(())
            }
        }
    }

    /// Passes on everything that has been read.
    fn take_messages(&mut self) -> ControlFlow<End> {
        loop {
            let said = match self.connection.next_message() {
                Ok(None) => return ControlFlow::Continue(()),
                Ok(Some(Message::Close { .. })) => Said::Close,
                Err(error) => return ControlFlow::Break(End::Close(error.close_code(), "protocol error")),
                Ok(Some(Message::Text(text))) => Said::Text(text),
                Ok(Some(Message::Pong(payload))) => Said::Pong(payload),
                Ok(Some(Message::Ping(payload))) => Said::Ping(payload),
                Ok(Some(Message::Binary(bytes))) => Said::Binary(bytes),
            };
            self.seat.receive(said);
        }
    }

    /// Moves what is to be said into the out-queue until that is full.
    fn fill_queue(&mut self) -> ControlFlow<End> {
        if self.orders.is_empty() {
            self.orders = self.seat.take();
        }
        while self.raw.is_none()
            && let Some(say) = self.orders.front()
        {
            let room = match say {
                Say::Text(text) => match std::str::from_utf8(text) {
                    Ok(text) if text.len() <= LONGEST_QUEUED => has_room(self.connection.queue_text(text)),
                    _ => {
                        self.raw = Some(Raw::of(fragments(text, 1), false));
                        true
                    }
                },
                Say::Fragments(text, count) => {
                    self.raw = Some(Raw::of(fragments(text, *count), false));
                    true
                }
                Say::Reset(text) => {
                    let mut bytes = fragments(text, 1);
                    bytes.truncate(if text.is_empty() { 0 } else { bytes.len() / 2 });
                    self.raw = Some(Raw::of(bytes, true));
                    true
                }
                Say::Binary(bytes) => has_room(self.connection.queue_binary(bytes)),
                Say::Ping(payload) => has_room(self.connection.queue_ping(payload)),
                Say::Pong(payload) => has_room(self.connection.queue_pong(payload)),
                Say::Close { code, reason } => return ControlFlow::Break(End::Close(*code, reason)),
                // What was said before has to be written first.
                Say::Fin | Say::Stall if self.connection.queued() > 0 => false,
                Say::Fin => return ControlFlow::Break(End::Fin),
                Say::Stall => return ControlFlow::Break(End::Stall),
            };
            if !room {
                break;
            }
            self.orders.pop_front();
            if self.orders.is_empty() && self.raw.is_none() {
                self.orders = self.seat.take();
            }
        }
        ControlFlow::Continue(())
    }

    /// What went past the connection is written.
    fn end_raw(&mut self) -> ControlFlow<End> {
        match self.raw.take() {
            Some(Raw { reset: true, .. }) => ControlFlow::Break(End::Reset),
            _ => ControlFlow::Continue(()),
        }
    }
}

impl Raw {
    const fn of(bytes: Vec<u8>, reset: bool) -> Self {
        Self { bytes, written: 0, reset }
    }

    /// Writes as much as the network takes; ready when all is written.
    fn poll_write(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.bytes.len() {
            let written = ready!(Pin::new(&mut *stream).poll_write(cx, &self.bytes[self.written..]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += written;
        }
        Pin::new(stream).poll_flush(cx)
    }
}

/// Whether a message has gone its way. Behind a goodbye nothing can be said any more: waiting for room would be
/// waiting for ever.
const fn has_room(queued: Result<(), QueueError>) -> bool {
    !matches!(queued, Err(QueueError::Full { .. }))
}

/// A text message in so many frames, unchecked and uncompressed.
fn fragments(text: &Bytes, count: usize) -> Vec<u8> {
    let count = count.clamp(1, text.len().max(1));
    let size = text.len().div_ceil(count).max(1);
    let parts: Vec<&[u8]> = if text.is_empty() { vec![&[]] } else { text.chunks(size).collect() };
    let mut out = Vec::with_capacity(text.len() + 10 * parts.len());
    for (n, part) in parts.iter().enumerate() {
        let (first, last) = (n == 0, n + 1 == parts.len());
        out.push(u8::from(first) | if last { 0x80 } else { 0 });
        match part.len() {
            short @ 0..=125 => out.push(short as u8),
            middle @ 126..=0xffff => {
                out.push(126);
                out.extend_from_slice(&(middle as u16).to_be_bytes());
            }
            long => {
                out.push(127);
                out.extend_from_slice(&(long as u64).to_be_bytes());
            }
        }
        out.extend_from_slice(part);
    }
    out
}

/// Ends the stream and reads on until the client has understood: an unread byte would make it a reset.
async fn finish(mut stream: Stream) {
    if stream.shutdown().await.is_ok() {
        swallow(stream).await;
    }
}

/// Reads until the end.
async fn swallow(mut stream: Stream) {
    let mut scratch = [0; 4_096];
    while matches!(stream.read(&mut scratch).await, Ok(1..)) {}
}

/// Writes what is queued and waits for what comes first: nothing left to write, or bytes.
async fn next_wake(connection: &mut Connection<Stream>, mut raw: Option<&mut Raw>, waiting: bool) -> Wake {
    poll_fn(|cx| {
        let idle = match connection.poll_flush(cx) {
            Poll::Ready(Ok(())) => true,
            Poll::Ready(Err(_)) => return Poll::Ready(Wake::Broken),
            Poll::Pending => false,
        };
        match connection.poll_fill(cx) {
            Poll::Ready(Ok(bytes)) => return Poll::Ready(Wake::Read(bytes)),
            Poll::Ready(Err(_)) => return Poll::Ready(Wake::Broken),
            Poll::Pending => {}
        }
        match &mut raw {
            Some(raw) if idle => match ready!(raw.poll_write(connection.io_mut(), cx)) {
                Ok(()) => Poll::Ready(Wake::Idle),
                Err(_) => Poll::Ready(Wake::Broken),
            },
            None if idle && waiting => Poll::Ready(Wake::Idle),
            _ => Poll::Pending,
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fragments_are_frames_that_end_with_a_final_one() {
        assert_eq!(fragments(&Bytes::from_static(b"abcde"), 3), b"\x01\x02ab\x00\x02cd\x80\x01e");
        assert_eq!(fragments(&Bytes::from_static(b"ab"), 1), b"\x81\x02ab");
        assert_eq!(fragments(&Bytes::new(), 3), b"\x81\x00");
        let long = fragments(&Bytes::from(vec![b'x'; 70_000]), 1);
        assert_eq!(&long[..10], b"\x81\x7f\x00\x00\x00\x00\x00\x01\x11\x70");
    }
}
