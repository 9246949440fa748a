//! Health for load balancers and supervisors: alive, healthy, ready.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde_json::{Value, json};
use tapeline::Step;

use super::Face;
use super::refusal::Refusal;
use crate::reading::not_ready;

/// Whether the process answers at all. Never looks at venues: a dead venue must not cause restarts.
#[utoipa::path(get, path = "/livez", tag = "health", responses((status = 200, description = "it answers")))]
pub(crate) async fn livez() -> Json<Value> {
    Json(json!({"status": "ok"}))
}

/// How well everything does, since when, and why.
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "health",
    responses(
        (status = 200, description = "healthy, warning or degraded: it serves"),
        (status = 503, description = "unhealthy or critical: hardly of use to anybody"),
    )
)]
pub(crate) async fn healthz(State(face): State<Arc<Face>>) -> Result<(StatusCode, Json<Value>), Refusal> {
    let whole = face.whole().await?;
    let status = if whole.serves() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok((status, Json(json!(whole))))
}

/// Whether clients should be sent here: it listens and takes on who comes, the configuration is loaded, and every
/// configured venue of which something is wanted is live or in a declared fallback.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "health",
    responses(
        (status = 200, description = "ready"),
        (status = 503, description = "not ready, with the reasons"),
    )
)]
pub(crate) async fn readyz(State(face): State<Arc<Face>>) -> Result<(StatusCode, Json<Value>), Refusal> {
    let status = face.reading().await?;
    let known = face.hub.venues();
    let mut reasons: Vec<String> =
        face.about.venues.iter().filter_map(|venue| not_ready(venue, &known, &status)).collect();
    if face.hub.pressure() >= Step::Refuse {
        reasons.push("memory is short: nobody new is taken on".to_owned());
    }
    if face.stop.is_cancelled() {
        reasons.push("the gateway is stopping".to_owned());
    }
    let ready = reasons.is_empty();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok((status, Json(json!({"ready": ready, "reasons": reasons}))))
}
