//! What an operator may order: `POST /api/v1/actions/{action}`, with the admin token.

use std::sync::Arc;

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};
use subtle::ConstantTimeEq as _;
use tapeline::Command;
use tokio::time::timeout;

use super::Face;
use super::refusal::{ErrorBody, Refusal};
use crate::about::{Declined, Hook};
use crate::codes::Code;

/// Bytes of an order.
const BODY: usize = 16 << 10;

/// What the order is about.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Order {
    /// A venue (`binance`) or a line (`binance/0`); everything if absent.
    target: Option<String>,
    /// How; none of the actions there are today has several ways.
    mode: Option<String>,
}

/// What is to be touched.
enum Target {
    All,
    Venue(String),
    Line(String, u32),
}

/// Orders something: `reconnect`, `reset`, `sweep`, `reload` or `drain`.
#[utoipa::path(
    post,
    path = "/api/v1/actions/{action}",
    tag = "actions",
    params(("action" = String, Path, description = "`reconnect`, `reset`, `sweep`, `reload`, `drain`")),
    request_body = Option<Order>,
    security(("admin" = [])),
    responses(
        (status = 200, description = "`{\"ok\":true,…}`"),
        (status = 400, description = "the order is not understood", body = ErrorBody),
        (status = 401, description = "the admin token is missing or wrong", body = ErrorBody),
        (status = 403, description = "no admin token is set, so nothing may be ordered", body = ErrorBody),
        (status = 404, description = "no such action, venue or line", body = ErrorBody),
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
    let order = read(&face, body).await?;
    let done = obey(&face, &action, &order).await;
    let target = order.target.as_deref().unwrap_or("everything");
    match &done {
        Ok(Json(answer)) => tracing::info!(action, target, %answer, "ordered by an operator, and done"),
        Err(Refusal { code, message, .. }) => {
            let code = code.as_str();
            tracing::warn!(action, target, code, message, "an operator ordered what was not done");
        }
    }
    done
}

async fn obey(face: &Face, action: &str, order: &Order) -> Result<Json<Value>, Refusal> {
    if let Some(mode) = &order.mode {
        return Err(Refusal::bad(format!("{action} has no mode `{mode}`; leave the mode out")));
    }
    let target = order.target.as_deref().map_or(Ok(Target::All), target)?;
    match action {
        "reconnect" => reconnect(face, target).await,
        "reset" => command(face, target, &Command::Reset, "reset").await,
        "sweep" => command(face, target, &Command::Sweep, "swept").await,
        "reload" => ask_process("reload", face.about.reload.clone()).await,
        "drain" => ask_process("drain", face.about.drain.clone()).await,
        "recover" | "rotate" | "fallback" | "pin" | "unpin" => Err(not_yet(action)),
        _ => {
            let known = "reconnect, reset, sweep, reload, drain";
            Err(Refusal::missing(format!("there is no action `{action}`; there are {known}")))
        }
    }
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

async fn read(face: &Face, body: Body) -> Result<Order, Refusal> {
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
        return Ok(Order::default());
    }
    serde_json::from_slice(&bytes)
        .map_err(|error| Refusal::bad(format!("the body must be {{\"target\"?, \"mode\"?}}: {error}")))
}

fn target(text: &str) -> Result<Target, Refusal> {
    let Some((venue, slot)) = text.split_once('/') else { return Ok(Target::Venue(text.to_owned())) };
    let slot = slot.parse();
    let slot = slot.map_err(|_| Refusal::bad(format!("`{text}` is no line; a line is VENUE/NUMBER")))?;
    Ok(Target::Line(venue.to_owned(), slot))
}

async fn reconnect(face: &Face, target: Target) -> Result<Json<Value>, Refusal> {
    let (venue, slot) = match target {
        Target::Line(venue, slot) => (venue, slot),
        target => return command(face, target, &Command::Reconnect { slot: None }, "reconnected").await,
    };
    let lines = venue_command(face, &venue, Command::Reconnect { slot: Some(slot) }).await?;
    if lines == 0 {
        return Err(Refusal::missing(format!("{venue} has no line {slot}")));
    }
    Ok(Json(json!({"ok": true, "reconnected": lines})))
}

/// One command to one venue or all that run; the answer says how many things it touched.
async fn command(face: &Face, target: Target, command: &Command, done: &str) -> Result<Json<Value>, Refusal> {
    let touched = match target {
        Target::Line(..) => return Err(Refusal::bad("this concerns a whole venue; leave the line out")),
        Target::Venue(venue) => venue_command(face, &venue, command.clone()).await?,
        Target::All => {
            let mut touched = 0;
            for venue in &face.reading().await?.venues {
                // One that ended meanwhile has nothing to touch.
                touched += face.hub.command(&venue.venue, command.clone()).await.unwrap_or(0);
            }
            touched
        }
    };
    Ok(Json(json!({"ok": true, done: touched})))
}

async fn venue_command(face: &Face, venue: &str, command: Command) -> Result<usize, Refusal> {
    if !face.hub.venues().iter().any(|known| known == venue) {
        let known = face.hub.venues().join(", ");
        return Err(Refusal::missing(format!("there is no venue `{venue}`; there are {known}")));
    }
    Ok(face.hub.command(venue, command).await?)
}

/// Runs a hook where it may block.
async fn ask_process(action: &'static str, hook: Option<Hook>) -> Result<Json<Value>, Refusal> {
    let Some(hook) = hook else { return Err(not_yet(action)) };
    let failed = |why| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Failed, why);
    match tokio::task::spawn_blocking(move || hook()).await {
        Ok(Ok(result)) => Ok(Json(json!({"ok": true, "result": result}))),
        // The operator's fault, not ours.
        Ok(Err(Declined::Wrong(why))) => {
            Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, Code::Configuration, why))
        }
        Ok(Err(Declined::Failed(why))) => Err(failed(why)),
        Err(error) => Err(failed(format!("{action} broke off: {error}"))),
    }
}

fn not_yet(action: &str) -> Refusal {
    let message = format!("this gateway cannot {action} yet");
    Refusal::new(StatusCode::NOT_IMPLEMENTED, Code::NotImplemented, message)
}
