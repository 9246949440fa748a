//! A WebSocket driver for both sides of RFC 6455 with permessage-deflate (RFC 7692); it knows frames,
//! limits and handshakes, and nothing of what the messages mean.
//!
//! - [`codec`] does no I/O: a [`Reader`] cuts messages out of one contiguous buffer without copying
//!   them, a [`Writer`] is a bounded queue of encoded frames, [`Prepared`] is a message encoded (and
//!   compressed) once for many connections.
//! - [`handshake`] builds and checks both halves of the upgrade, also as plain functions over bytes
//!   and header maps.
//! - [`Connection`] drives the two over anything that is `AsyncRead + AsyncWrite`.
//!
//! Nothing here starts a task or keeps a timer: deadlines belong to the caller, who alone knows what
//! a silence means. Every buffer has a bound in [`Limits`].

pub mod codec;
mod connection;
pub mod handshake;

pub use codec::{
    Deflate, Deflater, Limits, Message, MessageOf, Prepared, ProtocolError, QueueError, RawMessage, Reader,
    Role, Writer, close_code, frames,
};
pub use connection::{AcceptError, ConnectError, Connection, ReceiveError, SendError};
pub use handshake::{
    Accepted, ClientRequest, HandshakeError, Negotiated, Refusal, Refused, ResponseInfo, ServerOptions,
};
