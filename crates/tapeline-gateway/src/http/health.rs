//! Health for load balancers and supervisors: alive, healthy, ready.

use axum::Json;
use serde_json::{Value, json};

/// Whether the process answers at all. Never looks at venues: a dead venue must not cause restarts.
#[utoipa::path(get, path = "/livez", tag = "health", responses((status = 200, description = "it answers")))]
pub(crate) async fn livez() -> Json<Value> {
    Json(json!({"status": "ok"}))
}
