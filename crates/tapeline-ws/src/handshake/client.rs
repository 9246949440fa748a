//! The dialling half of the handshake: the request, and the judgement of the answer.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, StatusCode, header};

use super::{HEAD_MAX, HEADERS_MAX, Negotiated, accept_key, extensions, has_token, header_map, tokens};
use crate::codec::SplitMix;

/// The most bytes kept of the body of a refusal.
pub(crate) const BODY_MAX: usize = 1 << 10;

/// What to ask of a server.
#[derive(Debug, Clone, Default)]
pub struct ClientRequest {
    /// The `Host` header: name, and port unless it is the scheme's own.
    pub host: String,
    /// Path and query, beginning with `/`.
    pub path: String,
    /// Extra headers.
    pub headers: Vec<(String, String)>,
    /// Subprotocols to offer, best first. If any is offered the server has to choose one of them.
    pub subprotocols: Vec<String>,
    /// Whether to offer permessage-deflate.
    pub deflate: bool,
}

/// A successful answer.
#[derive(Debug, Clone)]
pub struct ResponseInfo {
    /// All headers of the answer.
    pub headers: HeaderMap,
    /// What was settled.
    pub negotiated: Negotiated,
}

/// An answer other than "switching protocols": what is needed to tell a wrong key from a full house.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The status.
    pub status: StatusCode,
    /// All headers, `Retry-After` and rate limits among them.
    pub headers: HeaderMap,
    /// The first kilobyte of the body, freed from chunked coding.
    pub body: Vec<u8>,
}

/// Why a handshake failed, apart from I/O and refusals.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// Our own request is not fit for the wire: nothing was sent.
    #[error("the request cannot be sent: bad {0}")]
    Request(&'static str),
    /// The peer does not speak HTTP.
    #[error("the answer is not HTTP: {0}")]
    NotHttp(String),
    /// More than [`HEAD_MAX`] bytes of headers, or too many of them.
    #[error("the head is larger than {HEAD_MAX} bytes or has more than {HEADERS_MAX} headers")]
    TooLarge,
    /// The `Upgrade` or `Connection` header is missing or says something else.
    #[error("the answer does not upgrade to WebSocket")]
    NoUpgrade,
    /// `Sec-WebSocket-Accept` does not belong to our key.
    #[error("the answer does not belong to our key")]
    WrongAccept,
    /// The server chose a subprotocol that was not offered, or none of those offered.
    #[error("the server chose the subprotocol {0:?}, which was not offered")]
    Subprotocol(Option<String>),
    /// The server turned on an extension that was not offered.
    #[error("the server turned on the extension {0:?}, which was not offered")]
    Extension(String),
}

impl ClientRequest {
    /// The bytes to send, and the `Sec-WebSocket-Accept` to expect for them; `seed` decides the key.
    ///
    /// # Errors
    /// [`HandshakeError::Request`] if a part holds characters that would break out of its place, or a
    /// header that belongs to the handshake.
    pub fn encode(&self, seed: u64) -> Result<(Vec<u8>, String), HandshakeError> {
        let mut random = SplitMix::new(seed);
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&random.next_u64().to_be_bytes());
        nonce[8..].copy_from_slice(&random.next_u64().to_be_bytes());
        let key = STANDARD.encode(nonce);
        if self.host.is_empty() || !is_visible(&self.host) {
            return Err(HandshakeError::Request("host"));
        }
        if !self.path.starts_with('/') || !is_visible(&self.path) {
            return Err(HandshakeError::Request("path"));
        }
        let mut text = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n",
            self.path, self.host
        );
        if !self.subprotocols.is_empty() {
            if self.subprotocols.iter().any(|name| name.contains(',') || !is_visible(name)) {
                return Err(HandshakeError::Request("subprotocol"));
            }
            text.push_str(&format!("Sec-WebSocket-Protocol: {}\r\n", self.subprotocols.join(", ")));
        }
        if self.deflate {
            text.push_str(&format!("Sec-WebSocket-Extensions: {}\r\n", extensions::OFFER));
        }
        for (name, value) in &self.headers {
            let parsed = http::HeaderName::from_bytes(name.as_bytes());
            let Some(parsed) = parsed.ok().filter(|name| !is_ours(name)) else {
                return Err(HandshakeError::Request("header name"));
            };
            if http::HeaderValue::from_str(value).is_err() {
                return Err(HandshakeError::Request("header value"));
            }
            text.push_str(&format!("{parsed}: {value}\r\n"));
        }
        text.push_str("\r\n");
        Ok((text.into_bytes(), accept_key(key.as_bytes())))
    }
}

fn is_visible(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Headers that the handshake writes itself.
fn is_ours(name: &header::HeaderName) -> bool {
    let ours = [
        header::HOST,
        header::UPGRADE,
        header::CONNECTION,
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
    ];
    ours.contains(name) || name.as_str().starts_with("sec-websocket-")
}

/// What the bytes so far amount to.
#[derive(Debug)]
pub(crate) enum Parsed {
    /// More bytes are needed.
    Partial,
    /// The connection is up; the head took so many bytes.
    Switched(ResponseInfo, usize),
    /// The server said no; the head took so many bytes, the body is not in the refusal yet.
    Refused(Refusal, usize),
}

/// Judges the answer to `request`; `accept` is what [`ClientRequest::encode`] returned.
pub(crate) fn parse_response(
    bytes: &[u8],
    request: &ClientRequest,
    accept: &str,
) -> Result<Parsed, HandshakeError> {
    let mut parsed = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut parsed);
    let length = match response.parse(&bytes[..bytes.len().min(HEAD_MAX)]) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) if bytes.len() >= HEAD_MAX => return Err(HandshakeError::TooLarge),
        Ok(httparse::Status::Partial) => return Ok(Parsed::Partial),
        Err(httparse::Error::TooManyHeaders) => return Err(HandshakeError::TooLarge),
        Err(error) => return Err(HandshakeError::NotHttp(error.to_string())),
    };
    let headers = header_map(response.headers);
    let status = response.code.and_then(|code| StatusCode::from_u16(code).ok());
    let Some(status) = status else { return Err(HandshakeError::NotHttp("no status".into())) };
    if status != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(Parsed::Refused(Refusal { status, headers, body: Vec::new() }, length));
    }
    let negotiated = judge(&headers, request, accept)?;
    Ok(Parsed::Switched(ResponseInfo { headers, negotiated }, length))
}

fn judge(headers: &HeaderMap, request: &ClientRequest, accept: &str) -> Result<Negotiated, HandshakeError> {
    if !has_token(headers, header::UPGRADE, "websocket") || !has_token(headers, header::CONNECTION, "upgrade")
    {
        return Err(HandshakeError::NoUpgrade);
    }
    let given = headers.get(header::SEC_WEBSOCKET_ACCEPT).map(|value| value.as_bytes().trim_ascii());
    if given != Some(accept.as_bytes()) {
        return Err(HandshakeError::WrongAccept);
    }
    let mut chosen = tokens(headers, header::SEC_WEBSOCKET_PROTOCOL).map(str::to_owned);
    let subprotocol = chosen.next();
    let fits = match &subprotocol {
        Some(name) => chosen.next().is_none() && request.subprotocols.contains(name),
        None => request.subprotocols.is_empty(),
    };
    if !fits {
        return Err(HandshakeError::Subprotocol(subprotocol));
    }
    let answers = tokens(headers, header::SEC_WEBSOCKET_EXTENSIONS);
    let deflate = extensions::read_answer(answers, request.deflate).map_err(HandshakeError::Extension)?;
    Ok(Negotiated { subprotocol, deflate })
}

/// The body of a refusal as far as `bytes` hold it, at most [`BODY_MAX`], and whether more is to be
/// waited for.
pub(crate) fn body_so_far(headers: &HeaderMap, bytes: &[u8]) -> (Vec<u8>, bool) {
    let (mut body, ended) = if has_token(headers, header::TRANSFER_ENCODING, "chunked") {
        join_chunks(bytes)
    } else {
        let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        let body = &bytes[..bytes.len().min(length.unwrap_or(usize::MAX))];
        (body.to_vec(), length.is_some_and(|length| bytes.len() >= length))
    };
    let full = body.len() >= BODY_MAX;
    body.truncate(BODY_MAX);
    (body, !ended && !full)
}

/// The content of a chunked body as far as it is there, and whether its end was seen (or it is not
/// chunked properly, so that nothing better can come).
fn join_chunks(mut bytes: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        match httparse::parse_chunk_size(bytes) {
            Ok(httparse::Status::Complete((_, 0))) | Err(_) => return (body, true),
            Ok(httparse::Status::Partial) => return (body, false),
            Ok(httparse::Status::Complete((head, size))) => {
                let rest = &bytes[head..];
                let Some(size) = usize::try_from(size).ok().filter(|size| size + 2 <= rest.len()) else {
                    body.extend_from_slice(rest);
                    return (body, false);
                };
                body.extend_from_slice(&rest[..size]);
                bytes = &rest[size + 2..];
            }
        }
    }
}
