//! The upgrade from HTTP, both halves, as functions over bytes and headers.

mod client;
mod extensions;
mod server;

pub use client::{ClientRequest, HandshakeError, Refusal, ResponseInfo};
pub use server::{Accepted, Refused, ServerOptions, accept, encode_refusal, encode_response, parse_request};

pub(crate) use client::{Parsed, body_so_far, parse_response};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use sha1::{Digest, Sha1};

use crate::codec::Deflate;

/// The most bytes of request or status line and headers.
pub const HEAD_MAX: usize = 16 << 10;
/// The most headers of one message.
const HEADERS_MAX: usize = 96;

/// What both ends settled on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Negotiated {
    /// The subprotocol, if one was chosen.
    pub subprotocol: Option<String>,
    /// The parameters of permessage-deflate, if it is on.
    pub deflate: Option<Deflate>,
}

/// The answer to a key (RFC 6455 section 4.2.2).
fn accept_key(key: &[u8]) -> String {
    let mut hash = Sha1::new();
    hash.update(key);
    hash.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    STANDARD.encode(hash.finalize())
}

/// Whether a comma-separated header, possibly repeated, holds `token` (in any case).
fn has_token(headers: &HeaderMap, name: http::HeaderName, token: &str) -> bool {
    tokens(headers, name).any(|found| found.eq_ignore_ascii_case(token))
}

fn tokens(headers: &HeaderMap, name: http::HeaderName) -> impl Iterator<Item = &str> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|token| !token.is_empty())
}

/// Copies parsed headers; one that `http` does not allow is left out.
fn header_map(parsed: &[httparse::Header<'_>]) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(parsed.len());
    for header in parsed {
        if let (Ok(name), Ok(value)) = (
            http::HeaderName::from_bytes(header.name.as_bytes()),
            http::HeaderValue::from_bytes(header.value),
        ) {
            headers.append(name, value);
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_key_of_the_rfc_has_its_answer() {
        assert_eq!(super::accept_key(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
