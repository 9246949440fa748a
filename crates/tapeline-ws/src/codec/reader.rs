//! Cuts messages out of one contiguous read buffer: a whole, uncompressed message is never copied.

use super::buffer::ReadBuffer;
use super::deflate::Inflater;
use super::header::{
    BINARY, CLOSE, CONTINUATION, CONTROL_MAX, FIN, HEADER_MAX, Header, PING, PONG, RSV1, RSV2_RSV3, TEXT,
};
use super::text::{Lend, Pieces};
use super::{Deflate, Limits, Message, MessageOf, ProtocolError, RawMessage, Role, close_code, mask};

/// Received bytes to messages, for one connection.
///
/// The caller reads into [`spare`](Self::spare), says how much with [`filled`](Self::filled), and
/// takes messages with [`next`](Self::next) until there is none. After an error or a close message
/// the reader is done: it repeats the error, or yields nothing more.
#[derive(Debug)]
pub struct Reader {
    role: Role,
    limits: Limits,
    buffer: ReadBuffer,
    /// The fragmented message under way; its bytes are in `joined`.
    partial: Option<Partial>,
    ahead: Ahead,
    joined: Vec<u8>,
    /// `joined` was handed out whole and is to be emptied.
    joined_taken: bool,
    inflater: Option<Inflater>,
    ended: Option<Ended>,
    completed: u64,
}

#[derive(Debug, Clone, Copy)]
struct Partial {
    opcode: u8,
    compressed: bool,
    fragments: u32,
}

/// What is known of text that has not arrived whole, so that wrong text is refused with the byte that
/// makes it wrong, and no byte is looked at twice.
#[derive(Debug, Clone, Copy, Default)]
struct Ahead {
    /// The message it is about; of another one nothing is known.
    ordinal: u64,
    /// Bytes of the payload at the front that are unmasked and checked.
    bytes: usize,
    text: Pieces,
}

impl Partial {
    const fn is_plain_text(&self) -> bool {
        self.opcode == TEXT && !self.compressed
    }
}

#[derive(Debug, Clone, Copy)]
enum Ended {
    Closed,
    Failed(ProtocolError),
}

/// A complete message that is still where it was put.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut {
    opcode: u8,
    place: Place,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    Buffer { from: usize, to: usize },
    Joined,
    Inflated,
}

impl Reader {
    /// A reader for the end `role`, for a connection that negotiated `deflate`.
    pub fn new(role: Role, limits: Limits, deflate: Option<Deflate>) -> Self {
        let inflater = deflate.map(|agreed| {
            let fresh = match role {
                Role::Client => agreed.server_no_context_takeover,
                Role::Server => agreed.client_no_context_takeover,
            };
            Inflater::new(!fresh, limits.message)
        });
        Self {
            role,
            limits,
            buffer: ReadBuffer::new(limits.read_buffer.min(limits.message.saturating_add(HEADER_MAX))),
            partial: None,
            ahead: Ahead::default(),
            joined: Vec::new(),
            joined_taken: false,
            inflater,
            ended: None,
            completed: 0,
        }
    }

    /// Room for the next read. It is empty only if whole messages wait to be taken.
    pub fn spare(&mut self) -> &mut [u8] {
        if self.ended.is_some() {
            // Nobody takes what follows the end, so it must not fill the buffer.
            self.buffer.consume(usize::MAX);
        }
        self.buffer.spare()
    }

    /// Says that the first `bytes` of [`spare`](Self::spare) have been filled.
    pub fn filled(&mut self, bytes: usize) {
        self.buffer.filled(bytes);
    }

    /// Takes bytes that were read elsewhere (behind a handshake, say), as many as there is room for;
    /// the number is returned.
    pub fn feed(&mut self, bytes: &[u8]) -> usize {
        let spare = self.spare();
        let taken = bytes.len().min(spare.len());
        spare[..taken].copy_from_slice(&bytes[..taken]);
        self.buffer.filled(taken);
        taken
    }

    /// Gives the memory of the buffers back, if they are empty: of thousands of peers most have nothing to say.
    pub fn release(&mut self) {
        if self.buffered() == 0 {
            self.buffer.release();
            self.joined = Vec::new();
            self.joined_taken = false;
        }
    }

    /// Bytes received and not yet handed out, those of an unfinished fragmented message included.
    pub fn buffered(&self) -> usize {
        let joined = if self.joined_taken { 0 } else { self.joined.len() };
        self.buffer.unread().len() + joined
    }

    /// The bytes all buffers hold at this moment, for accounting.
    pub fn allocated(&self) -> usize {
        let inflated = self.inflater.as_ref().map_or(0, |inflater| inflater.allocated());
        self.buffer.capacity() + self.joined.capacity() + inflated
    }

    /// The ordinal of the message that has begun to arrive and is not complete, `None` between
    /// messages. Meaningful once [`next`](Self::next) has returned `None`. If the ordinal stays the
    /// same for long, the peer drips. A fragmented message counts as one, whatever control frames it
    /// is interleaved with.
    pub fn assembling(&self) -> Option<u64> {
        (self.partial.is_some() || !self.buffer.unread().is_empty()).then_some(self.completed)
    }

    /// Whether a close message has been received.
    pub const fn is_closed(&self) -> bool {
        matches!(self.ended, Some(Ended::Closed))
    }

    /// The next complete message, `None` if more bytes are needed (or nothing more can come).
    ///
    /// # Errors
    /// [`ProtocolError`] if the peer broke the protocol or a limit; then for good.
    #[inline]
    #[expect(
        clippy::should_implement_trait,
        reason = "the item borrows from the reader, so this is no Iterator"
    )]
    pub fn next(&mut self) -> Result<Option<Message<'_>>, ProtocolError> {
        match self.advance()? {
            Some(cut) => self.view(cut).map(Some),
            None => Ok(None),
        }
    }

    /// The first half of [`next`](Self::next): finds a message without borrowing from the reader.
    #[inline]
    pub(crate) fn advance(&mut self) -> Result<Option<Cut>, ProtocolError> {
        if let Some(cut) = self.plain() {
            return Ok(Some(cut));
        }
        if let Some(ended) = self.ended {
            return match ended {
                Ended::Closed => Ok(None),
                Ended::Failed(error) => Err(error),
            };
        }
        let outcome = self.cut();
        if let Err(error) = outcome {
            self.ended = Some(Ended::Failed(error));
        }
        outcome
    }

    /// As [`next`](Self::next), with text as bytes.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    #[inline]
    pub fn next_bytes(&mut self) -> Result<Option<RawMessage<'_>>, ProtocolError> {
        match self.advance()? {
            Some(cut) => self.view(cut).map(Some),
            None => Ok(None),
        }
    }

    /// The second half of [`next`](Self::next): checks and lends the message.
    #[inline]
    pub(crate) fn view<T: Lend + ?Sized>(&mut self, cut: Cut) -> Result<MessageOf<'_, T>, ProtocolError> {
        let Self { buffer, joined, inflater, ended, .. } = self;
        let payload = match (cut.place, inflater) {
            (Place::Buffer { from, to }, _) => buffer.range(from, to),
            (Place::Inflated, Some(inflater)) => inflater.output(),
            (Place::Joined | Place::Inflated, _) => &joined[..],
        };
        let message = match cut.opcode {
            TEXT => T::lend(payload).map(MessageOf::Text).ok_or(ProtocolError::Utf8),
            BINARY => Ok(MessageOf::Binary(payload)),
            PING => Ok(MessageOf::Ping(payload)),
            PONG => Ok(MessageOf::Pong(payload)),
            _ => parse_close(payload).inspect(|_| *ended = Some(Ended::Closed)),
        };
        message.inspect_err(|error| *ended = Some(Ended::Failed(*error)))
    }

    /// The frame that a venue sends almost always: a whole message, not masked, not compressed, below
    /// 64 KiB, and nothing unusual under way. Everything else is left to [`cut`](Self::cut).
    #[inline]
    fn plain(&mut self) -> Option<Cut> {
        if self.role != Role::Client || self.partial.is_some() || self.joined_taken || self.ended.is_some() {
            return None;
        }
        let unread = self.buffer.unread();
        let (first, head, payload) = match *unread {
            [first, 126, high, low, ..] => (first, 4, usize::from(u16::from_be_bytes([high, low]))),
            [first, short @ 0..126, ..] => (first, 2, usize::from(short)),
            _ => return None,
        };
        let opcode = first ^ FIN;
        if !matches!(opcode, TEXT | BINARY) || unread.len() < head + payload || payload > self.limits.message
        {
            return None;
        }
        let from = self.buffer.position() + head;
        self.buffer.consume(head + payload);
        self.completed += 1;
        Some(Cut { opcode, place: Place::Buffer { from, to: from + payload } })
    }

    fn cut(&mut self) -> Result<Option<Cut>, ProtocolError> {
        if self.joined_taken {
            self.release_joined();
        }
        loop {
            let unread = self.buffer.unread();
            let available = unread.len();
            let Some(header) = Header::parse(unread) else { return Ok(None) };
            let payload = self.judge(header)?;
            let total = header.length + payload;
            if available < total {
                self.buffer.want(total);
                self.look_ahead(header, available)?;
                return Ok(None);
            }
            let from = self.buffer.position() + header.length;
            let to = from + payload;
            let known = self.known();
            self.ahead.bytes = 0;
            self.buffer.consume(total);
            if let Some(key) = header.mask {
                mask::apply_from(known, key, self.buffer.range_mut(from + known, to));
            }
            let opcode = header.opcode();
            if opcode >= CLOSE {
                // Inside a fragmented message a control frame is no progress of the message.
                self.completed += u64::from(self.partial.is_none());
                return Ok(Some(Cut { opcode, place: Place::Buffer { from, to } }));
            }
            if opcode != CONTINUATION && header.is_final() {
                self.completed += 1;
                return self.whole(opcode, header.first & RSV1 != 0, from, to).map(Some);
            }
            if let Some(cut) = self.join(header, from, to, known)? {
                self.completed += 1;
                return Ok(Some(cut));
            }
        }
    }

    /// Bytes of the payload at the front that are unmasked and checked already.
    #[inline]
    const fn known(&self) -> usize {
        if self.ahead.ordinal == self.completed { self.ahead.bytes } else { 0 }
    }

    /// Checks what has come of the text frame at the front, of which `available` bytes are there.
    fn look_ahead(&mut self, header: Header, available: usize) -> Result<(), ProtocolError> {
        let opcode = header.opcode();
        let text = match &self.partial {
            Some(partial) => opcode == CONTINUATION && partial.is_plain_text(),
            None => opcode == TEXT && header.first & RSV1 == 0,
        };
        if !text || available <= header.length {
            return Ok(());
        }
        let known = self.known();
        let from = self.buffer.position() + header.length;
        let to = self.buffer.position() + available;
        if let Some(key) = header.mask {
            mask::apply_from(known, key, self.buffer.range_mut(from + known, to));
        }
        self.check(from + known, to)?;
        self.ahead.bytes = to - from;
        Ok(())
    }

    /// Checks that a range of the buffer goes on with the text of the message under way.
    fn check(&mut self, from: usize, to: usize) -> Result<(), ProtocolError> {
        if self.ahead.ordinal != self.completed {
            self.ahead = Ahead { ordinal: self.completed, ..Ahead::default() };
        }
        self.ahead.text.push(self.buffer.range(from, to))
    }

    /// Refuses a frame by its header alone, before anything is allocated for it, or returns the
    /// length of its payload.
    #[inline]
    fn judge(&self, header: Header) -> Result<usize, ProtocolError> {
        let opcode = header.opcode();
        match (self.role, header.mask) {
            (Role::Client, Some(_)) => return Err(ProtocolError::Masked),
            (Role::Server, None) => return Err(ProtocolError::Unmasked),
            _ => {}
        }
        let may_be_compressed = self.inflater.is_some() && matches!(opcode, TEXT | BINARY);
        if header.first & RSV2_RSV3 != 0 || (header.first & RSV1 != 0 && !may_be_compressed) {
            return Err(ProtocolError::ReservedBits);
        }
        let joined = match (opcode, &self.partial) {
            (TEXT | BINARY, None) => 0,
            (TEXT | BINARY, Some(_)) => return Err(ProtocolError::UnfinishedMessage),
            (CONTINUATION, None) => return Err(ProtocolError::UnexpectedContinuation),
            (CONTINUATION, Some(_)) => self.joined.len(),
            (CLOSE | PING | PONG, _) if !header.is_final() => return Err(ProtocolError::FragmentedControl),
            (CLOSE | PING | PONG, _) if header.payload > CONTROL_MAX as u64 => {
                return Err(ProtocolError::LargeControl(header.payload));
            }
            (CLOSE | PING | PONG, _) => return Ok(header.payload as usize),
            _ => return Err(ProtocolError::ReservedOpcode(opcode)),
        };
        let room = self.limits.message.saturating_sub(joined);
        match usize::try_from(header.payload) {
            Ok(payload) if payload <= room => Ok(payload),
            _ => Err(ProtocolError::TooBig { limit: self.limits.message }),
        }
    }

    /// A message in one frame.
    #[inline]
    fn whole(&mut self, opcode: u8, compressed: bool, from: usize, to: usize) -> Result<Cut, ProtocolError> {
        let Some(inflater) = self.inflater.as_mut().filter(|_| compressed) else {
            return Ok(Cut { opcode, place: Place::Buffer { from, to } });
        };
        inflater.inflate(self.buffer.range(from, to))?;
        Ok(Cut { opcode, place: Place::Inflated })
    }

    /// One frame of a fragmented message, of which `known` bytes are checked; the message, if this was
    /// its last.
    fn join(
        &mut self,
        header: Header,
        from: usize,
        to: usize,
        known: usize,
    ) -> Result<Option<Cut>, ProtocolError> {
        let mut partial = self.partial.take().unwrap_or(Partial {
            opcode: header.opcode(),
            compressed: header.first & RSV1 != 0,
            fragments: 0,
        });
        partial.fragments += 1;
        if partial.fragments > self.limits.fragments {
            return Err(ProtocolError::Fragments(self.limits.fragments));
        }
        self.reserve_joined(to - from);
        self.joined.extend_from_slice(self.buffer.range(from, to));
        if partial.is_plain_text() {
            // Wrong text is refused at once, not after the sixty-fourth fragment.
            self.check(from + known, to)?;
        }
        if !header.is_final() {
            self.partial = Some(partial);
            return Ok(None);
        }
        self.joined_taken = true;
        let Some(inflater) = self.inflater.as_mut().filter(|_| partial.compressed) else {
            return Ok(Some(Cut { opcode: partial.opcode, place: Place::Joined }));
        };
        inflater.inflate(&self.joined)?;
        Ok(Some(Cut { opcode: partial.opcode, place: Place::Inflated }))
    }

    /// Doubles like a vector, but never past the limit of a message.
    fn reserve_joined(&mut self, more: usize) {
        let needed = self.joined.len() + more;
        if needed > self.joined.capacity() {
            let size = needed.max((2 * self.joined.capacity()).min(self.limits.message));
            self.joined.reserve_exact(size - self.joined.len());
        }
    }

    fn release_joined(&mut self) {
        self.joined_taken = false;
        self.joined.clear();
        if self.joined.capacity() > self.limits.read_buffer {
            self.joined = Vec::new();
        }
    }
}

fn parse_close<T: ?Sized>(payload: &[u8]) -> Result<MessageOf<'_, T>, ProtocolError> {
    match payload {
        [] => Ok(MessageOf::Close { code: close_code::NONE, reason: "" }),
        [_] => Err(ProtocolError::CloseLength),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            if !close_code::may_be_sent(code) {
                return Err(ProtocolError::CloseCode(code));
            }
            let reason = std::str::from_utf8(reason).map_err(|_| ProtocolError::Utf8)?;
            Ok(MessageOf::Close { code, reason })
        }
    }
}
