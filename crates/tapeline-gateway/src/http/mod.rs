//! The HTTP face: one router, whose description is made with it.

mod door;
mod health;
pub(crate) mod refusal;
mod upgrade;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use http::{StatusCode, Uri};
use tapeline::Hub;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::about::About;
use crate::config::GatewayConfig;
use crate::server::Seats;
use crate::stream::Streams;
use door::Door;
use refusal::Refusal;

/// What every request may need.
#[derive(Debug)]
pub(crate) struct Face {
    pub(crate) hub: Hub,
    pub(crate) about: About,
    pub(crate) streams: Streams,
    pub(crate) seats: Arc<Seats>,
    door: Door,
    /// No more requests; answers without an end come to theirs.
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Face {
    pub(crate) fn new(
        config: &GatewayConfig,
        hub: Hub,
        about: About,
        streams: Streams,
        seats: &Arc<Seats>,
        stop: &CancellationToken,
        tasks: &TaskTracker,
    ) -> Arc<Self> {
        Arc::new(Self {
            hub,
            about,
            streams,
            seats: Arc::clone(seats),
            door: Door::new(config),
            stop: stop.clone(),
            tasks: tasks.clone(),
        })
    }
}

/// Every route.
pub(crate) fn router(face: Arc<Face>) -> Router {
    let (router, _described) = OpenApiRouter::new()
        .routes(routes!(health::livez))
        .routes(routes!(upgrade::stream))
        .split_for_parts();
    let nowhere = |uri: Uri| async move { Refusal::missing(format!("nothing is at {}", uri.path())) };
    let wrong = || async {
        let message = "this path is not for that method";
        Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method", message)
    };
    router
        .fallback(nowhere)
        .method_not_allowed_fallback(wrong)
        .layer(from_fn_with_state(Arc::clone(&face), door::guard))
        .with_state(face)
}
