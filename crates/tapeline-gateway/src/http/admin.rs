//! Who may change something here, and what they ask for: the admin token, the last word of the path, the body.

use axum::body::{Body, to_bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request};
use http::{HeaderMap, StatusCode, header};
use serde_json::Value;
use subtle::ConstantTimeEq as _;
use tokio::time::timeout;

use super::Face;
use super::refusal::Refusal;
use crate::codes::Code;

/// Bytes of an order.
const BODY: usize = 16 << 10;

/// Of somebody who shows the admin token: the last word of the path, and the body, which is not read yet. `what` the word
/// names, for people.
pub(super) fn admitted(
    face: &Face,
    what: &str,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<(String, Body), Refusal> {
    let Path(word) = path.map_err(|error| Refusal::bad(format!("the {what} cannot be read: {error}")))?;
    let (head, body) = request.into_parts();
    check_token(face, &head.headers)?;
    Ok((word, body))
}

/// Whoever orders must show the token. How long the comparison takes says nothing about it.
fn check_token(face: &Face, headers: &HeaderMap) -> Result<(), Refusal> {
    let config = face.live.config();
    let Some(token) = config.admin_token.as_deref().filter(|token| !token.is_empty()) else {
        let message = "no admin token is set, so nothing may be ordered here; set `gateway.admin_token_file`";
        return Err(Refusal::new(StatusCode::FORBIDDEN, Code::NotConfigured, message));
    };
    let shown = headers.get(header::AUTHORIZATION).map_or(&b""[..], |value| value.as_bytes());
    let (scheme, shown) = shown.split_at_checked(7).unwrap_or_default();
    let right = scheme.eq_ignore_ascii_case(b"bearer ") && bool::from(shown.ct_eq(token.as_bytes()));
    if right {
        return Ok(());
    }
    let message = "this call changes something: send `Authorization: Bearer` with the admin token";
    Err(Refusal::new(StatusCode::UNAUTHORIZED, Code::Unauthorized, message))
}

/// What a request brings as JSON; an empty body brings nothing.
pub(super) async fn body<T: Default + serde::de::DeserializeOwned>(
    face: &Face,
    body: Body,
) -> Result<T, Refusal> {
    let within = face.live.config().timing.header_within;
    let bytes = match timeout(within, to_bytes(body, BODY)).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(_)) => {
            let message = format!("the body is broken, or larger than {BODY} bytes");
            return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, Code::TooLarge, message));
        }
        Err(_) => {
            let message = "the body did not come in time";
            return Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, Code::Timeout, message));
        }
    };
    if bytes.trim_ascii().is_empty() {
        return Ok(T::default());
    }
    let bad = |why: String| Refusal::bad(format!("the body is not what is asked for here: {why}"));
    let given: Value = serde_json::from_slice(&bytes).map_err(|error| bad(error.to_string()))?;
    if !given.is_object() {
        return Err(bad("it is an object".to_owned()));
    }
    T::deserialize(given).map_err(|error| bad(error.to_string()))
}
