//! The out-queue of one connection: encoded frames under a byte bound, control frames first.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::Bytes;

use super::deflate::{Deflate, Deflater};
use super::header::{self, BINARY, CLOSE, CONTROL_MAX, FIN, HEADER_MAX, PING, PONG, RSV1, TEXT};
use super::{Prepared, Role, SplitMix, frames, mask};

/// Small frames share a chunk up to this size: one buffer and one slice for dozens of frames.
const CHUNK: usize = 16 << 10;
/// Unsent pings kept at most; more than one is unusual already.
const PINGS: usize = 8;
/// Unsent pongs kept at most. Answering the latest ping would be enough (RFC 6455 section 5.5.3), but
/// there are peers that count; a flood of pings only replaces the last answer.
const PONGS: usize = 16;
/// Below this length compressing gains nothing.
const DEFLATE_FROM: usize = 64;

/// Why a message was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QueueError {
    /// The out-queue would pass its bound.
    #[error("{queued} bytes are unsent, the bound is {bound}")]
    Full {
        /// Bytes unsent now.
        queued: usize,
        /// The bound of the queue.
        bound: usize,
    },
    /// A close has been queued; nothing may follow it.
    #[error("the connection is closing")]
    Closing,
    /// A ping or pong of more than 125 bytes.
    #[error("a control frame of {0} bytes, more than 125")]
    LargeControl(usize),
}

/// Messages to bytes, for one connection.
#[derive(Debug)]
pub struct Writer {
    role: Role,
    masks: SplitMix,
    bound: usize,
    deflating: Option<Deflating>,
    /// The chunk being written and how much of it is gone: nothing may come before its rest.
    current: Option<(Chunk, usize)>,
    pongs: VecDeque<Vec<u8>>,
    /// The farewell after a broken protocol, ahead of all data.
    farewell: Option<Vec<u8>>,
    pings: VecDeque<Vec<u8>>,
    data: VecDeque<Chunk>,
    queued: usize,
    closing: bool,
}

#[derive(Debug)]
enum Chunk {
    /// One or more whole frames made for this connection.
    Own(Vec<u8>),
    /// A frame shared between connections.
    Shared(Bytes),
}

impl Chunk {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Own(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

/// How outgoing messages are compressed.
#[derive(Debug)]
struct Deflating {
    window_bits: u8,
    keep_context: bool,
    /// Made with the first message that is worth it: it holds a quarter of a megabyte.
    engine: Option<Deflater>,
}

impl Writer {
    /// A writer for the end `role`. At most `bound` bytes wait unsent; `seed` feeds the mask keys of
    /// a client; `deflate` is what the handshake agreed on.
    pub fn new(role: Role, bound: usize, deflate: Option<Deflate>, seed: u64) -> Self {
        let deflating = deflate.and_then(|agreed| {
            let (window_bits, fresh) = match role {
                Role::Client => (agreed.client_max_window_bits, agreed.client_no_context_takeover),
                Role::Server => (agreed.server_max_window_bits, agreed.server_no_context_takeover),
            };
            // zlib has no raw window of 256 bytes: such a connection sends plain messages.
            (window_bits >= 9).then_some(Deflating { window_bits, keep_context: !fresh, engine: None })
        });
        Self {
            role,
            masks: SplitMix::new(seed),
            bound,
            deflating,
            current: None,
            pongs: VecDeque::new(),
            farewell: None,
            pings: VecDeque::new(),
            data: VecDeque::new(),
            queued: 0,
            closing: false,
        }
    }

    /// Queues a text message.
    ///
    /// # Errors
    /// [`QueueError::Full`] at the bound, [`QueueError::Closing`] after a close.
    pub fn text(&mut self, payload: &str) -> Result<(), QueueError> {
        self.message(TEXT, payload.as_bytes())
    }

    /// Queues a binary message.
    ///
    /// # Errors
    /// [`QueueError::Full`] at the bound, [`QueueError::Closing`] after a close.
    pub fn binary(&mut self, payload: &[u8]) -> Result<(), QueueError> {
        self.message(BINARY, payload)
    }

    /// Queues a message that was encoded before. A server shares its bytes; a client has to mask a
    /// copy.
    ///
    /// # Errors
    /// [`QueueError::Full`] at the bound, [`QueueError::Closing`] after a close.
    pub fn prepared(&mut self, message: &Prepared) -> Result<(), QueueError> {
        if self.role == Role::Client {
            return self.message(message.opcode(), message.payload());
        }
        let deflated = match &self.deflating {
            Some(Deflating { keep_context: false, window_bits, .. }) => message.deflated(*window_bits),
            _ => None,
        };
        let frame = deflated.unwrap_or(message.plain());
        self.admit(frame.len())?;
        self.queued += frame.len();
        if frame.len() <= CHUNK / 16 {
            // Copying a small frame costs less than one more slice in every write.
            let mut chunk = self.open_chunk(frame.len());
            chunk.extend_from_slice(frame);
            self.data.push_back(Chunk::Own(chunk));
        } else {
            self.data.push_back(Chunk::Shared(frame.clone()));
        }
        Ok(())
    }

    /// Queues a ping, ahead of all data.
    ///
    /// # Errors
    /// [`QueueError::LargeControl`] above 125 bytes, [`QueueError::Full`] if several wait already,
    /// [`QueueError::Closing`] after a close.
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), QueueError> {
        let frame = self.control(PING, payload)?;
        if self.pings.len() >= PINGS {
            return Err(QueueError::Full { queued: self.queued, bound: self.bound });
        }
        self.queued += frame.len();
        self.pings.push_back(frame);
        Ok(())
    }

    /// Queues a pong, ahead of all data; if many wait already, it replaces the last of them.
    ///
    /// # Errors
    /// [`QueueError::LargeControl`] above 125 bytes, [`QueueError::Closing`] after a close.
    pub fn pong(&mut self, payload: &[u8]) -> Result<(), QueueError> {
        let frame = self.control(PONG, payload)?;
        if self.pongs.len() >= PONGS
            && let Some(replaced) = self.pongs.pop_back()
        {
            self.queued -= replaced.len();
        }
        self.queued += frame.len();
        self.pongs.push_back(frame);
        Ok(())
    }

    /// Queues a close behind everything else. `reason` is cut to 123 bytes; a `code` that may not be
    /// sent, such as [`NONE`](super::close_code::NONE), makes the frame empty. A second close is ignored.
    pub fn close(&mut self, code: u16, reason: &str) {
        if self.closing {
            return;
        }
        let frame = self.close_frame(code, reason);
        self.queued += frame.len();
        self.data.push_back(Chunk::Own(frame));
        self.closing = true;
    }

    /// Forgets what is unsent, except a frame already begun, and queues a close.
    pub fn fail(&mut self, code: u16, reason: &str) {
        if self.closing {
            return;
        }
        let frame = self.close_frame(code, reason);
        self.data.clear();
        self.pings.clear();
        self.pongs.clear();
        let begun = self.current.as_ref().map_or(0, |(chunk, gone)| chunk.bytes().len() - gone);
        self.queued = begun + frame.len();
        self.farewell = Some(frame);
        self.closing = true;
    }

    /// Whether a close has been queued.
    pub const fn is_closing(&self) -> bool {
        self.closing
    }

    /// Unsent bytes.
    pub const fn queued(&self) -> usize {
        self.queued
    }

    /// Fills `slices` with what is to be written next, in order; the number of slices is returned.
    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let current = self.current.as_ref().map(|(chunk, gone)| &chunk.bytes()[*gone..]);
        let urgent = self.pongs.iter().chain(&self.farewell).chain(&self.pings).map(|frame| &frame[..]);
        let waiting = current.into_iter().chain(urgent).chain(self.data.iter().map(Chunk::bytes));
        let mut count = 0;
        for (slot, bytes) in slices.iter_mut().zip(waiting) {
            *slot = IoSlice::new(bytes);
            count += 1;
        }
        count
    }

    /// Says that the first `bytes` of the [`slices`](Self::slices) have been written.
    pub fn written(&mut self, mut bytes: usize) {
        self.queued = self.queued.saturating_sub(bytes);
        while bytes > 0 {
            let Some((chunk, gone)) = self.current.take().or_else(|| self.pop().map(|chunk| (chunk, 0)))
            else {
                return;
            };
            let left = chunk.bytes().len() - gone;
            if bytes < left {
                self.current = Some((chunk, gone + bytes));
                return;
            }
            bytes -= left;
        }
    }

    /// The next chunk, in the order of [`slices`](Self::slices).
    fn pop(&mut self) -> Option<Chunk> {
        let urgent =
            self.pongs.pop_front().or_else(|| self.farewell.take()).or_else(|| self.pings.pop_front());
        urgent.map(Chunk::Own).or_else(|| self.data.pop_front())
    }

    fn message(&mut self, opcode: u8, payload: &[u8]) -> Result<(), QueueError> {
        self.admit(payload.len())?;
        if payload.len() >= DEFLATE_FROM
            && let Some(deflating) = &mut self.deflating
        {
            let Deflating { window_bits, keep_context, engine } = deflating;
            let engine = engine.get_or_insert_with(|| Deflater::with_window(*window_bits, *keep_context));
            // With a shared window the compressed form is sent even if it is longer: the peer's
            // window must see what ours saw.
            if let Some(body) = engine.deflate(payload)
                && (*keep_context || body.len() < payload.len())
            {
                self.frame(FIN | RSV1 | opcode, &body);
                return Ok(());
            }
        }
        self.frame(FIN | opcode, payload);
        Ok(())
    }

    fn frame(&mut self, first: u8, payload: &[u8]) {
        let key = (self.role == Role::Client).then(|| self.masks.mask_key());
        let mut chunk = self.open_chunk(payload.len() + HEADER_MAX);
        let before = chunk.len();
        encode(&mut chunk, first, payload, key);
        self.queued += chunk.len() - before;
        self.data.push_back(Chunk::Own(chunk));
    }

    /// Takes the last chunk off the queue if `bytes` more fit into it, else makes a new one.
    fn open_chunk(&mut self, bytes: usize) -> Vec<u8> {
        match self.data.pop_back() {
            Some(Chunk::Own(last)) if last.len() + bytes <= CHUNK => last,
            Some(other) => {
                self.data.push_back(other);
                Vec::with_capacity(bytes.max(CHUNK))
            }
            // A lone frame costs its own size only.
            None => Vec::with_capacity(bytes),
        }
    }

    fn control(&mut self, opcode: u8, payload: &[u8]) -> Result<Vec<u8>, QueueError> {
        if self.closing {
            return Err(QueueError::Closing);
        }
        if payload.len() > CONTROL_MAX {
            return Err(QueueError::LargeControl(payload.len()));
        }
        Ok(self.control_frame(opcode, payload))
    }

    fn control_frame(&mut self, opcode: u8, payload: &[u8]) -> Vec<u8> {
        let key = (self.role == Role::Client).then(|| self.masks.mask_key());
        let mut frame = Vec::with_capacity(payload.len() + HEADER_MAX);
        encode(&mut frame, FIN | opcode, payload, key);
        frame
    }

    fn close_frame(&mut self, code: u16, reason: &str) -> Vec<u8> {
        self.control_frame(CLOSE, &frames::farewell(code, reason))
    }

    const fn admit(&self, payload: usize) -> Result<(), QueueError> {
        if self.closing {
            return Err(QueueError::Closing);
        }
        if self.queued.saturating_add(payload) > self.bound {
            return Err(QueueError::Full { queued: self.queued, bound: self.bound });
        }
        Ok(())
    }
}

fn encode(out: &mut Vec<u8>, first: u8, payload: &[u8], key: Option<[u8; 4]>) {
    header::write(out, first, payload.len(), key);
    let from = out.len();
    out.extend_from_slice(payload);
    if let Some(key) = key {
        mask::apply(key, &mut out[from..]);
    }
}
