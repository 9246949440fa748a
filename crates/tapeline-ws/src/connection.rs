//! The driver: one reader, one writer and one socket, polled by the caller.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

use crate::codec::{
    Cut, Lend, Limits, Message, MessageOf, Prepared, ProtocolError, QueueError, RawMessage, Reader, Role,
    Writer,
};
use crate::handshake::{
    self, ClientRequest, HEAD_MAX, HandshakeError, Negotiated, Parsed, Refusal, Refused, ResponseInfo,
    ServerOptions,
};

/// Slices of one vectored write.
const SLICES: usize = 32;
/// A refusal's body is worth waiting for, but not for long: the headers are there already.
const BODY_WAIT: Duration = Duration::from_secs(1);
/// One read during the handshake.
const HANDSHAKE_READ: usize = 4 << 10;

/// A WebSocket connection over `IO`.
///
/// Receiving: [`read_batch`](Self::read_batch) (or [`poll_fill`](Self::poll_fill)) reads once, then
/// [`next_message`](Self::next_message) until it yields nothing. Sending: the `queue_*` methods put
/// messages into a bounded queue, [`flush`](Self::flush) or [`poll_flush`](Self::poll_flush) writes it;
/// `read_batch` writes along. A received close is answered in the queue; so is a broken protocol.
/// Pings are answered if [`set_auto_pong`](Self::set_auto_pong) says so.
#[derive(Debug)]
pub struct Connection<IO> {
    io: IO,
    reader: Reader,
    writer: Writer,
    auto_pong: bool,
    /// Bytes that came behind the handshake and have no room in the reader yet.
    leftover: Vec<u8>,
    /// Bytes were written since the last flush of `io`.
    unflushed: bool,
    /// The message being assembled and when the caller first saw it so.
    assembling: Option<(u64, Instant)>,
}

/// Why dialling failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The socket failed, or ended before the answer was complete.
    #[error("the socket failed during the handshake")]
    Io(#[from] io::Error),
    /// The server answered, but does not want us.
    #[error("the server refused with status {}", .0.status)]
    Refused(Box<Refusal>),
    /// The handshake was not one.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
}

/// Why a client was not let in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AcceptError {
    /// The socket failed, or ended before the request was complete.
    #[error("the socket failed during the handshake")]
    Io(#[from] io::Error),
    /// The request was no upgrade; the client has been told.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The request was not HTTP.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
}

/// Why receiving ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiveError {
    /// The socket failed.
    #[error("the socket failed")]
    Io(#[from] io::Error),
    /// The peer broke the protocol or a limit.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
}

/// Why sending failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The socket failed.
    #[error("the socket failed")]
    Io(#[from] io::Error),
    /// The message was not queued.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Connection<IO> {
    /// Dials: sends `request` over a connected `io` and judges the answer. `seed` decides the key and
    /// the mask keys. The caller bounds the time; only the body of a refusal is waited for at most a
    /// second here, so that its headers are never lost to the caller's deadline.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub async fn connect(
        mut io: IO,
        request: &ClientRequest,
        limits: Limits,
        seed: u64,
    ) -> Result<(Self, ResponseInfo), ConnectError> {
        let (bytes, accept) = request.encode(seed)?;
        io.write_all(&bytes).await?;
        io.flush().await?;
        let mut head = Vec::new();
        loop {
            read_some(&mut io, &mut head).await?;
            match handshake::parse_response(&head, request, &accept)? {
                Parsed::Partial => {}
                Parsed::Switched(info, length) => {
                    let connection = Self::client(io, &info.negotiated, limits, seed, &head[length..]);
                    return Ok((connection, info));
                }
                Parsed::Refused(mut refusal, length) => {
                    refusal.body = refusal_body(&mut io, &refusal, head.split_off(length)).await;
                    return Err(ConnectError::Refused(Box::new(refusal)));
                }
            }
        }
    }

    /// The dialling end behind a handshake that was made elsewhere; `leftover` are bytes that came
    /// behind the answer.
    pub fn client(io: IO, negotiated: &Negotiated, limits: Limits, seed: u64, leftover: &[u8]) -> Self {
        // The key of the handshake was drawn from the seed itself and is public.
        Self::new(io, Role::Client, negotiated, limits, seed ^ 0x6d61_736b, leftover)
    }

    /// The serving end behind a handshake that was made elsewhere, by an HTTP server with
    /// [`handshake::accept`]; `leftover` are bytes that came behind the request. Pings are answered.
    pub fn server(io: IO, negotiated: &Negotiated, limits: Limits, leftover: &[u8]) -> Self {
        Self::new(io, Role::Server, negotiated, limits, 0, leftover)
    }

    /// Reads a request from `io`, which speaks nothing but WebSocket, and answers it.
    ///
    /// # Errors
    /// [`AcceptError`]; a refused client has been told why.
    pub async fn accept(
        mut io: IO,
        options: &ServerOptions,
        limits: Limits,
    ) -> Result<(Self, http::Request<()>, Negotiated), AcceptError> {
        let mut head = Vec::new();
        let (request, length) = loop {
            read_some(&mut io, &mut head).await?;
            if let Some(found) = handshake::parse_request(&head)? {
                break found;
            }
        };
        let accepted = match handshake::accept(&request, options) {
            Ok(accepted) => accepted,
            Err(refused) => {
                io.write_all(&handshake::encode_refusal(&refused)).await?;
                io.shutdown().await?;
                return Err(refused.into());
            }
        };
        io.write_all(&handshake::encode_response(&accepted)).await?;
        io.flush().await?;
        let connection = Self::server(io, &accepted.negotiated, limits, &head[length..]);
        Ok((connection, request, accepted.negotiated))
    }

    fn new(io: IO, role: Role, negotiated: &Negotiated, limits: Limits, seed: u64, leftover: &[u8]) -> Self {
        let mut reader = Reader::new(role, limits, negotiated.deflate);
        let taken = if leftover.is_empty() { 0 } else { reader.feed(leftover) };
        Self {
            io,
            reader,
            writer: Writer::new(role, limits.out_queue, negotiated.deflate, seed),
            auto_pong: role == Role::Server,
            leftover: leftover[taken..].to_vec(),
            unflushed: false,
            assembling: None,
        }
    }

    /// Whether pings are answered without the caller. On by default for servers; off for clients,
    /// because a venue may count pongs against a message budget that only the caller knows.
    pub const fn set_auto_pong(&mut self, on: bool) {
        self.auto_pong = on;
    }

    /// Reads once. `Ok(0)` is the end of the stream. If whole messages fill the buffer, nothing is
    /// read and their size is returned: take them first.
    ///
    /// # Errors
    /// What the socket says.
    pub fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if !self.leftover.is_empty() {
            let taken = self.reader.feed(&self.leftover);
            self.leftover.drain(..taken);
            if taken > 0 {
                return Poll::Ready(Ok(taken));
            }
        }
        let spare = self.reader.spare();
        if spare.is_empty() {
            return Poll::Ready(Ok(self.reader.buffered()));
        }
        let mut room = ReadBuf::new(spare);
        ready!(Pin::new(&mut self.io).poll_read(cx, &mut room))?;
        let bytes = room.filled().len();
        self.reader.filled(bytes);
        Poll::Ready(Ok(bytes))
    }

    /// The next complete message, `None` until more has been read.
    ///
    /// # Errors
    /// [`ProtocolError`]; a close with its code has been queued.
    #[inline]
    pub fn next_message(&mut self) -> Result<Option<Message<'_>>, ProtocolError> {
        match self.advance()? {
            Some(cut) => self.lend(cut).map(Some),
            None => Ok(None),
        }
    }

    /// As [`next_message`](Self::next_message), with text as bytes: checked, but cheaper to lend.
    ///
    /// # Errors
    /// As [`next_message`](Self::next_message).
    #[inline]
    pub fn next_bytes(&mut self) -> Result<Option<RawMessage<'_>>, ProtocolError> {
        match self.advance()? {
            Some(cut) => self.lend(cut).map(Some),
            None => Ok(None),
        }
    }

    /// Writes as much of the queue as the socket takes; ready when nothing is left.
    ///
    /// # Errors
    /// What the socket says.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.writer.queued() > 0 {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let count = self.writer.slices(&mut slices);
            let io = Pin::new(&mut self.io);
            let written = if io.is_write_vectored() {
                ready!(io.poll_write_vectored(cx, &slices[..count]))?
            } else {
                ready!(io.poll_write(cx, &slices[0]))?
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.writer.written(written);
            self.unflushed = true;
        }
        if self.unflushed {
            ready!(Pin::new(&mut self.io).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Waits for bytes and reads once, writing queued messages meanwhile. `Ok(0)` is the end of the
    /// stream. Cancelling it loses nothing.
    ///
    /// # Errors
    /// What the socket says. A failed write is reported only when nothing is left to be read: the
    /// peer's last words are often the reason.
    pub async fn read_batch(&mut self) -> io::Result<usize> {
        poll_fn(|cx| {
            let flushed = self.poll_flush(cx);
            match (self.poll_fill(cx), flushed) {
                (Poll::Ready(Ok(bytes)), _) if bytes > 0 => Poll::Ready(Ok(bytes)),
                (_, Poll::Ready(Err(error))) => Poll::Ready(Err(error)),
                (filled, _) => filled,
            }
        })
        .await
    }

    /// The next message, reading as needed; `None` at the end of the stream and behind a close.
    /// Cancelling it loses nothing.
    ///
    /// # Errors
    /// [`ReceiveError`].
    pub async fn receive(&mut self) -> Result<Option<Message<'_>>, ReceiveError> {
        let cut = loop {
            if let Some(cut) = self.advance()? {
                break cut;
            }
            if self.reader.is_closed() || self.read_batch().await? == 0 {
                return Ok(None);
            }
        };
        Ok(Some(self.lend(cut)?))
    }

    /// Queues `message` and writes until the queue is empty; waits for room first if need be.
    ///
    /// # Errors
    /// [`SendError`].
    pub async fn send(&mut self, message: Message<'_>) -> Result<(), SendError> {
        match self.queue(message) {
            Err(QueueError::Full { .. }) => {
                self.flush().await?;
                self.queue(message)?;
            }
            outcome => outcome?,
        }
        Ok(self.flush().await?)
    }

    /// Writes until the queue is empty. Cancelling it loses nothing.
    ///
    /// # Errors
    /// What the socket says.
    pub async fn flush(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    /// Says goodbye, waits for the peer's (dropping messages still on their way) and shuts the socket
    /// down. The caller bounds the time.
    ///
    /// # Errors
    /// What the socket says.
    pub async fn close(&mut self, code: u16, reason: &str) -> io::Result<()> {
        self.writer.close(code, reason);
        self.flush().await?;
        while matches!(self.next_message(), Ok(Some(_))) {}
        while !self.reader.is_closed() && self.read_batch().await? > 0 {
            while matches!(self.next_message(), Ok(Some(_))) {}
        }
        self.io.shutdown().await
    }

    /// Queues any message.
    ///
    /// # Errors
    /// [`QueueError`].
    pub fn queue(&mut self, message: Message<'_>) -> Result<(), QueueError> {
        match message {
            Message::Text(text) => self.writer.text(text),
            Message::Binary(bytes) => self.writer.binary(bytes),
            Message::Ping(payload) => self.writer.ping(payload),
            Message::Pong(payload) => self.writer.pong(payload),
            Message::Close { code, reason } => {
                self.writer.close(code, reason);
                Ok(())
            }
        }
    }

    /// Queues a text message.
    ///
    /// # Errors
    /// [`QueueError`].
    pub fn queue_text(&mut self, text: &str) -> Result<(), QueueError> {
        self.writer.text(text)
    }

    /// Queues a binary message.
    ///
    /// # Errors
    /// [`QueueError`].
    pub fn queue_binary(&mut self, bytes: &[u8]) -> Result<(), QueueError> {
        self.writer.binary(bytes)
    }

    /// Queues a message that was encoded before.
    ///
    /// # Errors
    /// [`QueueError`].
    pub fn queue_prepared(&mut self, message: &Prepared) -> Result<(), QueueError> {
        self.writer.prepared(message)
    }

    /// Queues a ping, ahead of data.
    ///
    /// # Errors
    /// [`QueueError`].
    pub fn queue_ping(&mut self, payload: &[u8]) -> Result<(), QueueError> {
        self.writer.ping(payload)
    }

    /// Queues a pong, ahead of data; if many wait already, it replaces the last of them.
    ///
    /// # Errors
    /// [`QueueError`].
    pub fn queue_pong(&mut self, payload: &[u8]) -> Result<(), QueueError> {
        self.writer.pong(payload)
    }

    /// Queues a close behind all data; `reason` is cut to 123 bytes. Nothing can be queued after it.
    pub fn queue_close(&mut self, code: u16, reason: &str) {
        self.writer.close(code, reason);
    }

    /// Unsent bytes.
    pub const fn queued(&self) -> usize {
        self.writer.queued()
    }

    /// Whether the peer has said goodbye.
    pub const fn is_closed(&self) -> bool {
        self.reader.is_closed()
    }

    /// Since when the same message has been arriving, as far as the caller has asked; `None` between
    /// messages. Ask after a batch and at the deadline: if the answer is long ago, the peer drips.
    pub fn assembling_since(&mut self, now: Instant) -> Option<Instant> {
        let ordinal = self.reader.assembling();
        self.assembling = match (ordinal, self.assembling) {
            (Some(current), Some((seen, since))) if current == seen => Some((seen, since)),
            (current, _) => current.map(|current| (current, now)),
        };
        self.assembling.map(|(_, since)| since)
    }

    /// The socket, to ask it for addresses and options.
    pub const fn io(&self) -> &IO {
        &self.io
    }

    /// The socket, to say something that no connection says: only while nothing is [`queued`](Self::queued).
    pub const fn io_mut(&mut self) -> &mut IO {
        &mut self.io
    }

    /// Gives the socket back; what was buffered is lost.
    pub fn into_io(self) -> IO {
        self.io
    }

    /// Finds a message without borrowing from the connection.
    #[inline]
    fn advance(&mut self) -> Result<Option<Cut>, ProtocolError> {
        self.reader.advance().inspect_err(|error| self.writer.fail(error.close_code(), ""))
    }

    /// Lends a message that was found, and queues the answer it needs.
    #[inline]
    fn lend<T: Lend + ?Sized>(&mut self, cut: Cut) -> Result<MessageOf<'_, T>, ProtocolError> {
        let Self { reader, writer, auto_pong, .. } = self;
        let outcome = reader.view(cut);
        match outcome {
            Ok(MessageOf::Text(_) | MessageOf::Binary(_) | MessageOf::Pong(_)) => {}
            // It fails only behind a queued close, where nothing more is to be said.
            Ok(MessageOf::Ping(payload)) if *auto_pong => drop(writer.pong(payload)),
            Ok(MessageOf::Ping(_)) => {}
            Ok(MessageOf::Close { code, .. }) => writer.close(code, ""),
            Err(error) => writer.fail(error.close_code(), ""),
        }
        outcome
    }
}

/// Reads once behind what is there. Cancelling it loses nothing.
async fn read_some<IO: AsyncRead + Unpin>(io: &mut IO, bytes: &mut Vec<u8>) -> io::Result<()> {
    bytes.reserve(HANDSHAKE_READ);
    match io.read_buf(bytes).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

async fn refusal_body<IO: AsyncRead + Unpin>(io: &mut IO, refusal: &Refusal, mut bytes: Vec<u8>) -> Vec<u8> {
    let headers = &refusal.headers;
    let wait = async {
        // An error here only shortens the body; so does chunked coding that is mostly coding.
        while bytes.len() < HEAD_MAX && handshake::body_so_far(headers, &bytes).1 {
            if read_some(io, &mut bytes).await.is_err() {
                break;
            }
        }
    };
    // A timeout only shortens the body, too.
    drop(tokio::time::timeout(BODY_WAIT, wait).await);
    handshake::body_so_far(headers, &bytes).0
}
