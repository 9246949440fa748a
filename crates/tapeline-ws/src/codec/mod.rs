//! Frames and messages without I/O: bytes in, messages out, and the other way round.

mod buffer;
mod deflate;
pub mod frames;
mod header;
mod mask;
mod prepared;
mod reader;
mod rng;
mod text;
mod writer;

pub use deflate::{Deflate, Deflater};
pub use prepared::Prepared;
pub use reader::Reader;
pub use writer::{QueueError, Writer};

pub(crate) use reader::Cut;
pub(crate) use rng::SplitMix;
pub(crate) use text::Lend;

/// Which end of the connection this is: clients mask what they send, servers must not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The end that dialled.
    Client,
    /// The end that was dialled.
    Server,
}

/// One complete message; the bytes live in the reader's buffers until its next call.
///
/// `T` is how text is lent: see [`Message`] and [`RawMessage`].
#[derive(Debug, PartialEq, Eq)]
pub enum MessageOf<'a, T: ?Sized> {
    /// A text message, checked to be UTF-8.
    Text(&'a T),
    /// A binary message.
    Binary(&'a [u8]),
    /// A ping; the same bytes are to be sent back as a pong.
    Ping(&'a [u8]),
    /// A pong, asked for or not.
    Pong(&'a [u8]),
    /// The peer says goodbye. Nothing follows.
    Close {
        /// The peer's code; [`close_code::NONE`] if it gave none.
        code: u16,
        /// The peer's reason, at most 123 bytes.
        reason: &'a str,
    },
}

/// A message whose text is a `str`.
pub type Message<'a> = MessageOf<'a, str>;

/// A message whose text is bytes. It has been checked to be UTF-8 just as well, at half the price: who
/// parses bytes anyway need not pay for the type.
pub type RawMessage<'a> = MessageOf<'a, [u8]>;

// Derived, these would ask `T` to be `Copy`, which is only borrowed here.
impl<T: ?Sized> Clone for MessageOf<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> Copy for MessageOf<'_, T> {}

/// The bounds of one connection, all in bytes unless said otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The largest message taken from the peer, counted after joining and inflating.
    pub message: usize,
    /// The most fragments of one message (a count).
    pub fragments: u32,
    /// The read buffer at rest. It grows towards `message` only while a larger frame arrives, and
    /// shrinks back afterwards.
    pub read_buffer: usize,
    /// The most unsent bytes in the out-queue.
    pub out_queue: usize,
}

impl Limits {
    /// For dialling: one peer that sends much.
    pub const fn client() -> Self {
        Self { message: 16 << 20, fragments: 64, read_buffer: 128 << 10, out_queue: 1 << 20 }
    }

    /// For serving: many peers that send little.
    pub const fn server() -> Self {
        Self { message: 64 << 10, fragments: 64, read_buffer: 4 << 10, out_queue: 256 << 10 }
    }
}

/// Close codes (RFC 6455 section 7.4.1 and the IANA registry of WebSocket close codes).
pub mod close_code {
    /// The purpose is fulfilled.
    pub const NORMAL: u16 = 1000;
    /// The end is going away.
    pub const GOING_AWAY: u16 = 1001;
    /// The peer broke the protocol.
    pub const PROTOCOL: u16 = 1002;
    /// No code was given; never sent.
    pub const NONE: u16 = 1005;
    /// The content of a message does not fit its type.
    pub const INVALID_DATA: u16 = 1007;
    /// The peer broke a rule of the service.
    pub const POLICY: u16 = 1008;
    /// A message was too large.
    pub const TOO_BIG: u16 = 1009;
    /// The server met a condition that it did not expect.
    pub const INTERNAL: u16 = 1011;
    /// The service restarts.
    pub const RESTART: u16 = 1012;
    /// The service is overloaded.
    pub const TRY_LATER: u16 = 1013;

    /// Whether a peer may send `code`.
    pub const fn may_be_sent(code: u16) -> bool {
        matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }
}

/// How the peer broke the protocol or a limit. The connection is over: send
/// [`close_code`](Self::close_code) and hang up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A reserved bit is set that no negotiated extension defines.
    #[error("reserved bits are set in a frame")]
    ReservedBits,
    /// An opcode that RFC 6455 reserves.
    #[error("opcode {0:#x} is reserved")]
    ReservedOpcode(u8),
    /// A control frame without the final bit.
    #[error("a control frame is fragmented")]
    FragmentedControl,
    /// A control frame of more than 125 bytes.
    #[error("a control frame declares {0} bytes, more than 125")]
    LargeControl(u64),
    /// A continuation without a message to continue.
    #[error("a continuation frame without a message")]
    UnexpectedContinuation,
    /// A new message inside an unfinished one.
    #[error("a new message inside a fragmented one")]
    UnfinishedMessage,
    /// A masked frame from a server.
    #[error("the server masked a frame")]
    Masked,
    /// An unmasked frame from a client.
    #[error("the client did not mask a frame")]
    Unmasked,
    /// A close frame of one byte.
    #[error("a close frame of one byte")]
    CloseLength,
    /// A close code that must not be sent.
    #[error("close code {0} must not be sent")]
    CloseCode(u16),
    /// A text message or close reason that is not UTF-8.
    #[error("text is not UTF-8")]
    Utf8,
    /// A compressed message that does not inflate.
    #[error("a compressed message does not inflate")]
    Inflate,
    /// More fragments than [`Limits::fragments`].
    #[error("a message of more than {0} fragments")]
    Fragments(u32),
    /// A message larger than [`Limits::message`].
    #[error("a message larger than {limit} bytes")]
    TooBig {
        /// The limit that was passed.
        limit: usize,
    },
}

impl ProtocolError {
    /// The code with which to close.
    pub const fn close_code(self) -> u16 {
        match self {
            Self::Utf8 | Self::Inflate => close_code::INVALID_DATA,
            Self::TooBig { .. } => close_code::TOO_BIG,
            Self::Fragments(_) => close_code::POLICY,
            _ => close_code::PROTOCOL,
        }
    }
}
