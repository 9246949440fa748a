//! What passes between a house and its guests: messages, replies, and what happens to a connection.

use bytes::Bytes;
use std::time::Duration;

/// A connection to the house; numbers are never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId(pub(crate) u64);

impl SocketId {
    /// The number: the first connection of a house is 1.
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// What a client says on a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said<'a> {
    /// A text message.
    Text(&'a str),
    /// A binary message; the venue understands none.
    Binary(&'a [u8]),
    /// A ping, to be answered.
    Ping(&'a [u8]),
    /// A pong; it answers a ping if it repeats its payload.
    Pong(&'a [u8]),
    /// A close frame.
    Close,
}

/// What the house says on a socket, or does to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Say {
    /// A text message. A spoilt one may be empty, or no UTF-8.
    Text(Bytes),
    /// A text message, to be sent in this many fragments.
    Fragments(Bytes, usize),
    /// A binary message.
    Binary(Bytes),
    /// A ping.
    Ping(Bytes),
    /// The answer to a ping.
    Pong(Bytes),
    /// A close frame, and then the end of the connection.
    Close {
        /// The close code.
        code: u16,
        /// The reason.
        reason: &'static str,
    },
    /// The connection is reset (RST) while this text message is half sent; an empty one is a reset between frames.
    Reset(Bytes),
    /// The connection ends (FIN) without a close frame.
    Fin,
    /// From now on nothing is delivered, in neither direction, and the connection stays open.
    Stall,
}

impl Say {
    /// Whether the house has let go of the socket with this.
    pub const fn is_end(&self) -> bool {
        matches!(self, Self::Close { .. } | Self::Reset(_) | Self::Fin)
    }
}

/// The answer to an HTTP request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status, or [`Reply::NO_CONNECTION`].
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// The body, whole; see `cut`.
    pub body: Bytes,
    /// How long the venue takes to answer.
    pub after: Duration,
    /// The connection breaks in the middle of the body, whose announced length is the whole one.
    pub cut: bool,
}

impl Reply {
    /// The status of a request that found no open port: the connection itself is refused.
    pub const NO_CONNECTION: u16 = 0;

    pub(crate) fn json(status: u16, body: impl Into<Bytes>) -> Self {
        Self::of(status, "application/json;charset=UTF-8", body.into())
    }

    pub(crate) fn text(status: u16, body: &'static str) -> Self {
        Self::of(status, "text/plain; charset=utf-8", Bytes::from_static(body.as_bytes()))
    }

    /// An error in the venue's words.
    pub(crate) fn error(status: u16, code: i32, msg: &str) -> Self {
        Self::json(status, serde_json::json!({ "code": code, "msg": msg }).to_string())
    }

    pub(crate) fn of(status: u16, content: &str, body: Bytes) -> Self {
        let headers = vec![("content-type", content.to_owned())];
        Self { status, headers, body, after: Duration::ZERO, cut: false }
    }

    pub(crate) fn with(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The value of a header, if it is there.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }
}
