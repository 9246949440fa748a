//! Drills: which there are, how the last play of each ended, and `POST /api/v1/drills/{name}`, which plays one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use tapeline::Level;
use tapeline_core::time::Unix;
use tokio::sync::Semaphore;

use super::Face;
use super::admin::{admitted, body};
use super::lists::merge;
use super::refusal::{ErrorBody, Refusal};
use crate::about::Declined;
use crate::codes::Code;
use crate::reading::wall;

/// What was played here.
#[derive(Debug)]
pub(super) struct Drills {
    /// One at a time: each takes a core for as long as it lasts.
    turn: Arc<Semaphore>,
    /// How the last play of each ended, and since when it ends like that.
    last: Mutex<BTreeMap<String, (bool, Unix)>>,
}

impl Default for Drills {
    fn default() -> Self {
        Self { turn: Arc::new(Semaphore::new(1)), last: Mutex::default() }
    }
}

impl Drills {
    fn ended(&self, name: &str, passed: bool) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.get(name).is_none_or(|(before, _)| *before != passed) {
            last.insert(name.to_owned(), (passed, wall()));
        }
    }

    fn last(&self, name: &str) -> Option<(bool, Unix)> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).get(name).copied()
    }
}

/// How a drill is to be played.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Playing {
    /// Everything follows from it; 1 if absent.
    seed: Option<u64>,
}

/// The drills: named troubles, each with the faults that it stands for; and every fault with what shows that it is borne.
/// The level of a drill is that of its last play here.
#[utoipa::path(
    get,
    path = "/api/v1/drills",
    tag = "status",
    responses((status = 200, description = "`items`: the drills, and `faults`"))
)]
pub(crate) async fn list(State(face): State<Arc<Face>>) -> Json<Value> {
    let told = |list: &str| face.about.drills[list].as_array().cloned().unwrap_or_default();
    let mut items = told("items");
    for item in &mut items {
        let id = item["name"].clone();
        let last = id.as_str().and_then(|name| face.drills.last(name));
        let passed = last.map(|(passed, _)| passed);
        // What was never played here is as well as the program that knows it.
        let level = if passed == Some(false) { Level::Unhealthy } else { Level::Healthy };
        let since = last.map_or(face.started, |(_, since)| since);
        merge(item, json!({"id": id, "level": level, "since": since, "passed": passed}));
    }
    Json(json!({"items": items, "faults": told("faults")}))
}

/// Plays a drill, in virtual time and beside everything that is served, and answers when it is over: after seconds. What is
/// served is not touched by it.
#[utoipa::path(
    post,
    path = "/api/v1/drills/{name}",
    tag = "actions",
    params(("name" = String, Path, description = "the drill")),
    request_body = Option<Playing>,
    security(("admin" = [])),
    responses(
        (status = 200, description = "the verdict: `items`, with the one drill and whether it `passed`, and `summary`"),
        (status = 400, description = "the order is not understood", body = ErrorBody),
        (status = 401, description = "the admin token is missing or wrong", body = ErrorBody),
        (status = 403, description = "no admin token is set, so nothing may be ordered", body = ErrorBody),
        (status = 404, description = "no such drill", body = ErrorBody),
        (status = 429, description = "another drill is being played", body = ErrorBody),
        (status = 500, description = "the drill broke off", body = ErrorBody),
        (status = 501, description = "this gateway plays none", body = ErrorBody),
    )
)]
pub(crate) async fn play(
    State(face): State<Arc<Face>>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Json<Value>, Refusal> {
    let (name, content) = admitted(&face, "drill", path, request)?;
    let Playing { seed } = body(&face, content).await?;
    let Some(play) = face.about.play.clone() else {
        let message = "this gateway plays no drills";
        return Err(Refusal::new(StatusCode::NOT_IMPLEMENTED, Code::NotImplemented, message));
    };
    let known = |item: &Value| item["name"] == name.as_str();
    if !face.about.drills["items"].as_array().is_some_and(|items| items.iter().any(known)) {
        return Err(Refusal::missing(format!(
            "there is no drill `{name}`; GET /api/v1/drills lists them all"
        )));
    }
    let Ok(turn) = Arc::clone(&face.drills.turn).try_acquire_owned() else {
        let message = "another drill is being played; wait until it is over";
        return Err(Refusal::new(StatusCode::TOO_MANY_REQUESTS, Code::Limit, message));
    };
    face.journal.ordered("drill", &name);
    let (seed, failed) =
        (seed.unwrap_or(1), |why| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Failed, why));
    let (played, asked) = (name.clone(), Arc::clone(&face));
    let verdict = tokio::task::spawn_blocking(move || {
        // Held until it is over, even if whoever asked has gone.
        let _turn = turn;
        let verdict = play(&played, seed)?;
        asked.drills.ended(&played, verdict["summary"]["failed"] == 0);
        Ok(verdict)
    });
    match verdict.await {
        Ok(Ok(verdict)) => Ok(Json(verdict)),
        Ok(Err(Declined::Wrong(why) | Declined::Failed(why))) => Err(failed(why)),
        Err(error) => {
            face.drills.ended(&name, false);
            Err(failed(format!("{name} broke off: {error}")))
        }
    }
}
