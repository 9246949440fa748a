//! What an operator may order: `POST /api/v1/actions/{action}`, with the admin token.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use serde::Deserialize;
use serde_json::Value;

use super::Face;
use super::admin::{admitted, body};
use super::orders::obey;
use super::refusal::{ErrorBody, Refusal};

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
        (status = 503, description = "the venue does not answer in time", body = ErrorBody),
    )
)]
pub(crate) async fn act(
    State(face): State<Arc<Face>>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Json<Value>, Refusal> {
    let (action, content) = admitted(&face, "action", path, request)?;
    let order: Order = body(&face, content).await?;
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
