//! The serving half of the handshake: judging a request, and the headers of the answer.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Version, header};

use super::{
    HEAD_MAX, HEADERS_MAX, HandshakeError, Negotiated, accept_key, extensions, has_token, header_map, tokens,
};

/// What a server grants.
#[derive(Debug, Clone, Default)]
pub struct ServerOptions {
    /// Subprotocols spoken here, best first. A client that offers others only is served without.
    pub subprotocols: Vec<String>,
    /// Whether permessage-deflate is granted.
    pub deflate: bool,
    /// Whether every compressed message begins with an empty window, which [`Prepared`] messages need
    /// and which spares a quarter of a megabyte for each connection.
    ///
    /// [`Prepared`]: crate::Prepared
    pub fresh_windows: bool,
}

/// A granted upgrade: answer with status 101 and these headers.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// The headers of the answer.
    pub headers: HeaderMap,
    /// What was settled.
    pub negotiated: Negotiated,
}

/// A request that is no acceptable upgrade: answer with this status and these headers.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{status}: {why}")]
pub struct Refused {
    /// 400, 405, 426 or 505.
    pub status: StatusCode,
    /// Headers that explain it, such as the version that is spoken here.
    pub headers: HeaderMap,
    /// One sentence for the body and the log.
    pub why: &'static str,
}

/// Judges an upgrade request (RFC 6455 section 4.2.1). It works on any HTTP server's request; the
/// body is not looked at.
///
/// # Errors
/// [`Refused`] with the answer to give.
pub fn accept<B>(request: &Request<B>, options: &ServerOptions) -> Result<Accepted, Refused> {
    if request.method() != Method::GET {
        return Err(refuse(
            StatusCode::METHOD_NOT_ALLOWED,
            (header::ALLOW, "GET"),
            "a WebSocket begins with GET",
        ));
    }
    if request.version() != Version::HTTP_11 {
        let upgrade = (header::UPGRADE, "websocket");
        return Err(refuse(
            StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            upgrade,
            "a WebSocket begins with HTTP/1.1",
        ));
    }
    let headers = request.headers();
    if !has_token(headers, header::UPGRADE, "websocket") || !has_token(headers, header::CONNECTION, "upgrade")
    {
        let upgrade = (header::UPGRADE, "websocket");
        return Err(refuse(StatusCode::UPGRADE_REQUIRED, upgrade, "this is a WebSocket endpoint"));
    }
    let spoken = (header::SEC_WEBSOCKET_VERSION, "13");
    let version = headers.get(header::SEC_WEBSOCKET_VERSION);
    if version.is_none_or(|version| version.as_bytes().trim_ascii() != b"13") {
        return Err(refuse(StatusCode::UPGRADE_REQUIRED, spoken, "WebSocket version 13 is spoken here"));
    }
    let mut keys = headers.get_all(header::SEC_WEBSOCKET_KEY).iter();
    let key = keys.next().map(|key| key.as_bytes().trim_ascii()).filter(|key| is_key(key));
    let (Some(key), None) = (key, keys.next()) else {
        return Err(refuse(StatusCode::BAD_REQUEST, spoken, "Sec-WebSocket-Key is not one of 16 bytes"));
    };
    Ok(grant(key, headers, options))
}

fn grant(key: &[u8], offered: &HeaderMap, options: &ServerOptions) -> Accepted {
    let mut headers = HeaderMap::with_capacity(5);
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    let mut say = |name, text: &str| {
        HeaderValue::from_str(text).is_ok_and(|value| {
            headers.insert(name, value);
            true
        })
    };
    say(header::SEC_WEBSOCKET_ACCEPT, &accept_key(key));
    let mut negotiated = Negotiated::default();
    let spoken = options.subprotocols.iter();
    let chosen = spoken
        .into_iter()
        .find(|name| tokens(offered, header::SEC_WEBSOCKET_PROTOCOL).any(|token| token == name.as_str()));
    if let Some(name) = chosen
        && say(header::SEC_WEBSOCKET_PROTOCOL, name)
    {
        negotiated.subprotocol = Some(name.clone());
    }
    let offers = tokens(offered, header::SEC_WEBSOCKET_EXTENSIONS);
    if options.deflate
        && let Some((deflate, text)) = extensions::choose(offers, options.fresh_windows)
        && say(header::SEC_WEBSOCKET_EXTENSIONS, &text)
    {
        negotiated.deflate = Some(deflate);
    }
    Accepted { headers, negotiated }
}

fn is_key(key: &[u8]) -> bool {
    STANDARD.decode(key).is_ok_and(|nonce| nonce.len() == 16)
}

fn refuse(status: StatusCode, hint: (header::HeaderName, &'static str), why: &'static str) -> Refused {
    let mut headers = HeaderMap::with_capacity(1);
    headers.insert(hint.0, HeaderValue::from_static(hint.1));
    Refused { status, headers, why }
}

/// The request at the start of `bytes` and the length of its head, or `None` while it is incomplete;
/// for servers that do not have an HTTP stack of their own.
///
/// # Errors
/// [`HandshakeError::TooLarge`] past [`HEAD_MAX`], [`HandshakeError::NotHttp`].
pub fn parse_request(bytes: &[u8]) -> Result<Option<(Request<()>, usize)>, HandshakeError> {
    let mut parsed = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut parsed);
    let length = match request.parse(&bytes[..bytes.len().min(HEAD_MAX)]) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) if bytes.len() >= HEAD_MAX => return Err(HandshakeError::TooLarge),
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(HandshakeError::TooLarge),
        Err(error) => return Err(HandshakeError::NotHttp(error.to_string())),
    };
    let not_http = |error: http::Error| HandshakeError::NotHttp(error.to_string());
    let version = if request.version == Some(1) { Version::HTTP_11 } else { Version::HTTP_10 };
    let mut built = Request::builder()
        .method(request.method.unwrap_or_default())
        .uri(request.path.unwrap_or_default())
        .version(version)
        .body(())
        .map_err(not_http)?;
    *built.headers_mut() = header_map(request.headers);
    Ok(Some((built, length)))
}

/// The bytes of a granted upgrade.
pub fn encode_response(accepted: &Accepted) -> Vec<u8> {
    encode_head(StatusCode::SWITCHING_PROTOCOLS, &accepted.headers)
}

/// The bytes of a refusal, its sentence as the body; the connection is to be closed behind them.
pub fn encode_refusal(refused: &Refused) -> Vec<u8> {
    let mut headers = refused.headers.clone();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(refused.why.len()));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    let mut bytes = encode_head(refused.status, &headers);
    bytes.extend_from_slice(refused.why.as_bytes());
    bytes
}

fn encode_head(status: StatusCode, headers: &HeaderMap) -> Vec<u8> {
    let reason = status.canonical_reason().unwrap_or("");
    let mut bytes = format!("HTTP/1.1 {} {reason}\r\n", status.as_u16()).into_bytes();
    for (name, value) in headers {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}
