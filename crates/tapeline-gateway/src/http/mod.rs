//! The HTTP face: one router, whose description is made with it.

mod accounts;
mod actions;
mod admin;
mod chaos;
mod door;
mod drills;
mod figures;
mod health;
mod lists;
mod openapi;
mod orders;
pub(crate) mod refusal;
mod snapshot;
mod sse;
mod upgrade;

pub(crate) use door::Door;

use std::sync::Arc;
use std::time::Duration;

use axum::middleware::from_fn_with_state;
use axum::{Extension, Router};
use http::{StatusCode, Uri};
use tapeline::{Hub, Ledger, Reliability, Status};
use tapeline_core::feed::EndpointStatus;
use tapeline_core::time::Unix;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::about::About;
use crate::codes::Code;
use crate::live::{Controls, Journal, Live};
use crate::reading::{Readings, Whole, breaker_id, wall};
use crate::server::Seats;
use crate::shared::Shared;
use crate::stream::{Audience, ClientStatus, Streams};
use refusal::Refusal;

/// Streams that take longer to tell their clients will not tell.
const CLIENTS_WITHIN: Duration = Duration::from_secs(2);

/// Feeds that take longer to tell their ledgers or records are stuck.
const LEDGER_WITHIN: Duration = Duration::from_secs(2);
/// Ledgers of different venues or topics that are read in a second, and stretches of reliability.
const LEDGERS: usize = 64;
const STRETCHES: usize = 8;

/// What every request may need.
pub(crate) struct Face {
    pub(crate) hub: Hub,
    pub(crate) about: About,
    pub(crate) streams: Streams,
    pub(crate) seats: Arc<Seats>,
    pub(crate) started: Unix,
    pub(crate) live: Arc<Live>,
    pub(crate) journal: Arc<Journal>,
    /// The run of the program: numbers of events begin again with each.
    pub(crate) run: String,
    drills: drills::Drills,
    readings: Readings,
    ledgers: Shared<String, Ledger>,
    reliabilities: Shared<Option<Duration>, Reliability>,
    /// No more requests; answers without an end come to theirs.
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Face {
    pub(crate) fn new(
        hub: Hub,
        about: About,
        streams: Streams,
        controls: &Controls,
        stop: &CancellationToken,
        tasks: &TaskTracker,
    ) -> Arc<Self> {
        let started = wall();
        Arc::new(Self {
            hub,
            about,
            streams,
            seats: Arc::clone(&controls.seats),
            started,
            run: format!("{:x}-{:x}", started.0, std::process::id()),
            live: Arc::clone(&controls.live),
            journal: Arc::clone(&controls.journal),
            drills: drills::Drills::default(),
            readings: Readings::default(),
            ledgers: Shared::new(LEDGERS),
            reliabilities: Shared::new(STRETCHES),
            stop: stop.clone(),
            tasks: tasks.clone(),
        })
    }

    /// A fresh reading of the hub.
    async fn reading(&self) -> Result<Arc<Status>, Refusal> {
        self.readings.fresh(&self.hub).await.ok_or_else(Refusal::stuck)
    }

    /// What was expected and what came of it: of a venue, a topic, or (an empty text) of everything.
    async fn ledger(&self, of: &str) -> Result<Arc<Ledger>, Refusal> {
        let asked = self.ledgers.get(of.to_owned(), self.hub.ledger(of));
        Ok(timeout(LEDGER_WITHIN, asked).await.map_err(|_| Refusal::stuck())??)
    }

    /// How reliable all of it was in the latest `window`.
    async fn reliability(&self, window: Option<Duration>) -> Result<Arc<Reliability>, Refusal> {
        let asked = async { Ok(self.hub.reliability(window).await) };
        timeout(LEDGER_WITHIN, self.reliabilities.get(window, asked)).await.map_err(|_| Refusal::stuck())?
    }

    /// Since when a breaker is closed or is not, as far as anybody has looked.
    fn breaker_since(&self, venue: &str, endpoint: &EndpointStatus) -> Unix {
        self.readings.breaker_since(&breaker_id(venue, endpoint)).unwrap_or(self.started)
    }

    /// Who reads what over the network; nobody, if the streams do not tell in time: health does not wait for that.
    async fn audience(&self) -> Audience {
        timeout(CLIENTS_WITHIN, self.streams.audience()).await.unwrap_or_default()
    }

    /// How well everything does.
    async fn whole(&self) -> Result<Whole, Refusal> {
        let (status, audience) = tokio::join!(self.reading(), self.audience());
        Ok(Whole::of(&*status?, &audience, self.started))
    }

    /// The clients of the streams.
    async fn clients(&self) -> Result<Vec<ClientStatus>, Refusal> {
        timeout(CLIENTS_WITHIN, self.streams.clients()).await.map_err(|_| Refusal::stuck())
    }
}

impl std::fmt::Debug for Face {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Face").field("about", &self.about).field("live", &self.live).finish_non_exhaustive()
    }
}

/// Every route.
pub(crate) fn router(face: Arc<Face>) -> Router {
    let router = OpenApiRouter::with_openapi(openapi::frame(&face.about.version))
        .routes(routes!(health::livez))
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(figures::metrics))
        .routes(routes!(figures::ws_metrics, figures::ws_health))
        .routes(routes!(lists::status))
        .routes(routes!(lists::topics))
        .routes(routes!(lists::subscribers))
        .routes(routes!(lists::lines))
        .routes(routes!(lists::breakers))
        .routes(routes!(accounts::events))
        .routes(routes!(accounts::reliability))
        .routes(routes!(accounts::alerts))
        .routes(routes!(accounts::history))
        .routes(routes!(lists::config))
        .routes(routes!(drills::list))
        .routes(routes!(drills::play))
        .routes(routes!(accounts::ledger))
        .routes(routes!(snapshot::snapshot))
        .routes(routes!(sse::sse))
        .routes(routes!(actions::act))
        .routes(routes!(openapi::openapi))
        .routes(routes!(upgrade::stream));
    // Whoever is not meant to break anything does not even find the door.
    let router = match face.hub.chaos() {
        Some(_) if face.live.config().listen.ip().is_loopback() => {
            router.routes(routes!(chaos::strike)).routes(routes!(chaos::list))
        }
        _ => router,
    };
    let (router, described) = router.split_for_parts();
    let nowhere = |uri: Uri| async move { Refusal::missing(format!("nothing is at {}", uri.path())) };
    let wrong = || async {
        let message = "this path is not for that method";
        Refusal::new(StatusCode::METHOD_NOT_ALLOWED, Code::Method, message)
    };
    router
        .fallback(nowhere)
        .method_not_allowed_fallback(wrong)
        .layer(Extension(openapi::Description::new(&described)))
        .layer(from_fn_with_state(Arc::clone(&face), door::guard))
        .with_state(face)
}
