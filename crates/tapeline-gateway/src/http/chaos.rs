//! Faults on purpose: `POST /api/v1/chaos/{fault}`, with the admin token. The paths are there only if the hub allows
//! faults, and only on loopback.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use tapeline::{Mischief, NoFault};

use super::Face;
use super::accounts::length;
use super::admin::{admitted, body};
use super::orders::target;
use super::refusal::{ErrorBody, Refusal};
use crate::codes::Code;

/// How long a fault lasts if nobody says so.
const USUAL: Duration = Duration::from_secs(10);

/// What is to go wrong.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fault {
    /// A venue (`binance`), a line (`binance/0`) or a topic, whose lines are meant; everything if absent.
    target: Option<String>,
    /// How long, such as `10s` (the default) or `2m`; a cut needs no time.
    #[serde(rename = "for")]
    lasting: Option<String>,
    /// Of messages: which share of them, above 0 and at most 1 (the default).
    probability: Option<f64>,
}

/// Lets something go wrong: `cut`, `stall`, `refuse_dials`, `drop`, `duplicate`, `corrupt`, `block_rest`; or ends all
/// of it: `clear`.
#[utoipa::path(
    post,
    path = "/api/v1/chaos/{fault}",
    tag = "chaos",
    params(("fault" = String, Path, description = "`cut`, `stall`, `refuse_dials`, `drop`, `duplicate`, `corrupt`, \
        `block_rest`, `clear`")),
    request_body = Option<Fault>,
    security(("admin" = [])),
    responses(
        (status = 200, description = "`{\"ok\":true,…}`"),
        (status = 400, description = "the fault is not understood", body = ErrorBody),
        (status = 401, description = "the admin token is missing or wrong", body = ErrorBody),
        (status = 403, description = "no admin token is set, so nothing may be ordered", body = ErrorBody),
        (status = 404, description = "no such fault, venue, line or topic", body = ErrorBody),
        (status = 429, description = "too many faults are at work", body = ErrorBody),
        (status = 503, description = "the venue does not answer in time", body = ErrorBody),
    )
)]
pub(crate) async fn strike(
    State(face): State<Arc<Face>>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Json<Value>, Refusal> {
    let (word, content) = admitted(&face, "fault", path, request)?;
    if word == "clear" {
        let cleared = face.hub.clear_chaos().map_err(refused)?;
        return Ok(Json(json!({"ok": true, "cleared": cleared})));
    }
    // People write either.
    let Some(kind) = Mischief::of(&word.replace('-', "_")) else {
        let known = Mischief::ALL.map(|(name, _)| name).join(", ");
        return Err(Refusal::missing(format!("there is no fault `{word}`; there are {known}, clear")));
    };
    let Fault { target: named, lasting, probability } = body(&face, content).await?;
    let lasting = match lasting.as_deref() {
        None => USUAL,
        Some(text) => length(text)
            .ok_or_else(|| Refusal::bad(format!("`{text}` is no length of time: write it like 10s or 2m")))?,
    };
    let target = target(named.as_deref())?;
    let broken = face.hub.break_on_purpose(kind, &target, lasting, probability.unwrap_or(1.0));
    let ids = broken.await.map_err(refused)?;
    Ok(Json(json!({"ok": true, "faults": ids, "for_ms": lasting.as_millis() as u64})))
}

/// The faults on purpose that are at work.
#[utoipa::path(get, path = "/api/v1/chaos", tag = "chaos", responses((status = 200, description = "`items`")))]
pub(crate) async fn list(State(face): State<Arc<Face>>) -> Json<Value> {
    let faults = face.hub.chaos().map(|chaos| chaos.list()).unwrap_or_default();
    Json(json!({"items": faults}))
}

fn refused(why: NoFault) -> Refusal {
    match why {
        NoFault::Disabled | NoFault::NotCarried(_) => Refusal::missing(why.to_string()),
        NoFault::TooMany => Refusal::new(StatusCode::TOO_MANY_REQUESTS, Code::Limit, why.to_string()),
        NoFault::TooLong | NoFault::Odds | NoFault::WholeVenue => Refusal::bad(why.to_string()),
        NoFault::Target(error) => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_that_no_line_carries_cannot_be_broken() {
        let refused = refused(NoFault::NotCarried("one:trade:A".parse().unwrap()));
        assert_eq!((refused.status, refused.code), (StatusCode::NOT_FOUND, Code::NotFound));
        assert!(refused.message.contains("no line carries one:trade:A"), "{}", refused.message);
    }
}
