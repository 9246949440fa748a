//! Obeying an operator: which order means what to the hub or to the process, and what is answered.

use axum::Json;
use http::StatusCode;
use serde_json::{Value, json};
use tapeline::{Done, Recovery, Rung, Target, breakers, recovery, rung};
use tapeline_core::feed::EndpointStatus;

use super::Face;
use super::actions::Order;
use super::refusal::Refusal;
use crate::about::{Declined, Hook};
use crate::codes::Code;

/// Every order there is.
const KNOWN: &str = "recover, reconnect, rotate, fallback, pin, unpin, reset, sweep, drain, reload";
/// What a reset may make of breakers.
const STATES: &str = "closed, open, disabled";
/// The ways to recover.
const WAYS: &str = "immediate, delayed, progressive, manual";

type Answer = Result<Json<Value>, Refusal>;

pub(super) async fn obey(face: &Face, action: &str, order: &Order) -> Answer {
    let mode = order.mode.as_deref();
    let way = match action {
        "fallback" | "pin" => return ladder(face, action, order).await,
        "recover" => mode.unwrap_or("immediate"),
        "reset" => mode.unwrap_or("closed"),
        "reconnect" | "rotate" | "unpin" | "sweep" | "reload" | "drain" => match mode {
            Some(mode) => {
                return Err(Refusal::bad(format!("{action} has no mode `{mode}`; leave the mode out")));
            }
            None => "",
        },
        _ => return Err(Refusal::missing(format!("there is no action `{action}`; there are {KNOWN}"))),
    };
    let (hub, target) = (&face.hub, target(order.target.as_deref())?);
    match action {
        "recover" => recover(face, &target, way).await,
        "reconnect" => touched("reconnected", &hub.reconnect(&target).await?),
        "rotate" => touched("rotated", &hub.rotate(&target).await?),
        "unpin" => touched("unpinned", &hub.unpin(&target).await?),
        "reset" => reset(face, &target, way).await,
        "sweep" => {
            let done = hub.sweep(&target).await?;
            face.journal.ordered("sweep", &target.to_string());
            touched("swept", &done)
        }
        "reload" => {
            everything(action, &target)?;
            ask_process("reload", face.about.reload.clone()).await
        }
        _ => {
            everything("drain", &target)?;
            face.journal.ordered("drain", "everything");
            ask_process("drain", face.about.drain.clone()).await
        }
    }
}

/// What an order names.
pub(super) fn target(text: Option<&str>) -> Result<Target, Refusal> {
    Ok(text.unwrap_or_default().parse()?)
}

/// What the whole process does cannot be done to a part of it.
fn everything(action: &str, target: &Target) -> Result<(), Refusal> {
    match target {
        Target::All => Ok(()),
        _ => Err(Refusal::bad(format!("{action} concerns the whole process; leave the target out"))),
    }
}

fn touched(word: &str, done: &[Done]) -> Answer {
    let touched: usize = done.iter().map(|done| done.touched).sum();
    Ok(Json(json!({"ok": true, word: touched})))
}

/// Forgives what is ours to forgive, and tells of bans, which are not; or takes the breakers over until then.
async fn reset(face: &Face, target: &Target, mode: &str) -> Answer {
    let how = breakers(mode)
        .ok_or_else(|| Refusal::bad(format!("reset has no mode `{mode}`; there are {STATES}")))?;
    let done = face.hub.reset(target, how).await?;
    let mut answer = touched("reset", &done)?;
    let status = face.reading().await?;
    let about = |venue: &str| done.iter().any(|done| done.venue == venue);
    let feeds =
        status.venues.iter().filter(|venue| about(&venue.venue)).filter_map(|venue| venue.feed.as_ref());
    let bans: Vec<String> = feeds.filter_map(|feed| ban_of(feed.venue, &feed.endpoints)).collect();
    if !bans.is_empty() {
        answer.0["note"] = bans.join("; ").into();
    }
    Ok(answer)
}

/// What is told of a ban that is not over.
fn ban_of(venue: &str, endpoints: &[EndpointStatus]) -> Option<String> {
    let banned = endpoints.iter().filter(|endpoint| endpoint.banned);
    let left = banned.map(|endpoint| endpoint.held_ms.div_ceil(1_000)).max()?;
    Some(format!("{venue} has banned this address for {left} s more: that pause is kept"))
}

async fn recover(face: &Face, target: &Target, way: &str) -> Answer {
    let how = recovery(way)
        .ok_or_else(|| Refusal::bad(format!("recover has no mode `{way}`; there are {WAYS}")))?;
    let mut answer = touched("recovered", &face.hub.recover(target, how).await?)?;
    if how == Recovery::Manual {
        let note = "manual tries nothing: what is halted waits for new settings or another order";
        answer.0["note"] = note.into();
    }
    Ok(answer)
}

/// Orders a rung of the fallback ladder.
async fn ladder(face: &Face, action: &str, order: &Order) -> Answer {
    let known = Rung::ALL.map(Rung::name).join(", ");
    let Some(mode) = order.mode.as_deref() else {
        return Err(Refusal::bad(format!("{action} needs a mode, where data is to come from: {known}")));
    };
    let Some(kind) = rung(mode) else {
        return Err(Refusal::bad(format!("{action} has no mode `{mode}`; there are {known}")));
    };
    let target = target(order.target.as_deref())?;
    let done = match action {
        "pin" => face.hub.pin(&target, kind).await?,
        _ => face.hub.fallback(&target, kind).await?,
    };
    let venues: Vec<&str> = done.iter().map(|done| done.venue.as_str()).collect();
    Ok(Json(json!({"ok": true, "rung": kind.name(), "venues": venues})))
}

/// Runs a hook where it may block.
async fn ask_process(action: &'static str, hook: Option<Hook>) -> Answer {
    let Some(hook) = hook else {
        let message = format!("this gateway cannot {action} yet");
        return Err(Refusal::new(StatusCode::NOT_IMPLEMENTED, Code::NotImplemented, message));
    };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ban_is_told_and_a_pause_that_was_lifted_is_not() {
        let endpoint = |banned: bool, held_ms: u64| EndpointStatus {
            protocol: "rest",
            origin: String::new(),
            breaker: tapeline_core::policy::breaker::State::Closed,
            open_since: None,
            banned,
            held_ms,
            score: None,
            dials_opened: 0,
            dials_failed: 0,
        };
        assert_eq!(ban_of("one", &[endpoint(false, 0), endpoint(false, 5_000)]), None);
        let told = "one has banned this address for 118 s more: that pause is kept";
        assert_eq!(ban_of("one", &[endpoint(false, 0), endpoint(true, 117_001)]).as_deref(), Some(told));
    }
}
