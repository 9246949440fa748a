//! What an operator may order: `POST /api/v1/actions/{action}`, with the admin token.

use std::sync::Arc;

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde_json::Value;
use subtle::ConstantTimeEq as _;
use tokio::time::timeout;

use super::Face;
use super::orders::obey;
use super::refusal::{ErrorBody, Refusal};
use crate::codes::Code;

/// Bytes of an order.
const BODY: usize = 16 << 10;

/// What the order is about.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Order {
    /// A venue (`binance`), a line (`binance/0`) or a topic; everything if absent.
    pub(super) target: Option<String>,
    /// How. `recover`: `immediate` (the default), `delayed`, `progressive`, `manual`. `fallback` and `pin`: `primary`,
    /// `alternate`, `poll`, `partial`, `cache`. `reset`: `closed` (the default), or `open` and `disabled`: no
    /// attempt passes its breakers, or every one does, until they are closed. Others have none.
    pub(super) mode: Option<String>,
}

/// Orders something: what is down to be tried again, lines to be replaced, data to come from elsewhere, and the like.
#[utoipa::path(
    post,
    path = "/api/v1/actions/{action}",
    tag = "actions",
    params(("action" = String, Path, description = "`recover`, `reconnect`, `rotate`, `fallback`, `pin`, `unpin`, \
        `reset`, `sweep`, `drain`, `reload`")),
    request_body = Option<Order>,
    security(("admin" = [])),
    responses(
        (status = 200, description = "`{\"ok\":true,…}`"),
        (status = 400, description = "the order is not understood", body = ErrorBody),
        (status = 401, description = "the admin token is missing or wrong", body = ErrorBody),
        (status = 403, description = "no admin token is set, so nothing may be ordered", body = ErrorBody),
        (status = 404, description = "no such action, venue, line or topic, or the venue does not run", body = ErrorBody),
        (status = 422, description = "the configuration is wrong; the one before stays in use", body = ErrorBody),
        (status = 500, description = "it was tried and failed", body = ErrorBody),
        (status = 501, description = "this gateway cannot do that yet", body = ErrorBody),
    )
)]
pub(crate) async fn act(
    State(face): State<Arc<Face>>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Json<Value>, Refusal> {
    let Path(action) = path.map_err(|error| Refusal::bad(format!("the action cannot be read: {error}")))?;
    let (head, body) = request.into_parts();
    check_token(&face, &head.headers)?;
    let order: Order = self::body(&face, body).await?;
    let done = obey(&face, &action, &order).await;
    let target = order.target.as_deref().unwrap_or("everything");
    let mode = order.mode.as_deref().unwrap_or("");
    match &done {
        Ok(Json(answer)) => tracing::info!(action, target, mode, %answer, "ordered by an operator, and done"),
        Err(Refusal { code, message, .. }) => {
            let code = code.as_str();
            tracing::warn!(action, target, mode, code, message, "an operator ordered what was not done");
        }
    }
    done
}

/// Whoever orders must show the token. How long the comparison takes says nothing about it.
pub(super) fn check_token(face: &Face, headers: &HeaderMap) -> Result<(), Refusal> {
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
