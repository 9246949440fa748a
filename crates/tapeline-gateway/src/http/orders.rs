//! Obeying an operator: which order means what to the hub or to the process, and what is answered.

use axum::Json;
use http::StatusCode;
use serde_json::{Value, json};
use tapeline::{Channel, Command, Done, Override, Recovery, Rung, Target, Topic, recovery, rung};
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

/// What is to be touched.
enum About {
    /// Everything, a venue or a line.
    Part(Target),
    /// A topic that runs, and the slots of the lines that carry it.
    Topic(Topic, Vec<u32>),
}

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
    let (hub, about) = (&face.hub, about(face, order.target.as_deref()).await?);
    match action {
        "recover" => recover(face, about, way).await,
        "reconnect" | "rotate" => lines(face, about, action == "rotate").await,
        "unpin" => touched("unpinned", &hub.unpin(&whole(about)?).await?),
        "reset" => reset(face, whole(about)?, way).await,
        "sweep" => sweep(face, whole(about)?).await,
        "reload" => {
            everything(action, &about)?;
            ask_process("reload", face.about.reload.clone()).await
        }
        _ => {
            everything("drain", &about)?;
            face.journal.ordered("drain", "everything");
            ask_process("drain", face.about.drain.clone()).await
        }
    }
}

/// What an order names, if there is such a thing.
async fn about(face: &Face, text: Option<&str>) -> Result<About, Refusal> {
    let text = text.unwrap_or_default();
    if text.contains(':') {
        let topic = Topic::parse(text)?;
        let topic = face.hub.adapter(topic.venue())?.canonical(topic)?;
        let status = face.reading().await?;
        let running = status.venues.iter().filter_map(|venue| venue.feed.as_ref());
        let found = running.flat_map(|feed| &feed.topics).find(|running| running.topic == topic);
        let lines = found.ok_or_else(|| Refusal::missing(format!("{topic} does not run")))?.lines.clone();
        return Ok(About::Topic(topic, lines));
    }
    // As people and event logs write it, too.
    let target: Target = text.replacen("/line ", "/", 1).parse().map_err(|wrong: tapeline::NoTarget| {
        Refusal::bad(format!("{wrong}; a line is VENUE/NUMBER, a topic VENUE:CHANNEL:SYMBOL"))
    })?;
    let venue = match &target {
        Target::All => return Ok(About::Part(target)),
        Target::Venue(venue) | Target::Line(venue, _) => venue,
    };
    if !face.hub.venues().iter().any(|known| known == venue) {
        let known = face.hub.venues().join(", ");
        return Err(Refusal::missing(format!("there is no venue `{venue}`; there are {known}")));
    }
    if let Target::Line(_, slot) = &target {
        let status = face.reading().await?;
        let running = status.venues.iter().find(|running| running.venue == *venue);
        // Of a venue that does not run the hub says so itself.
        if let Some(feed) = running.and_then(|running| running.feed.as_ref())
            && !feed.lines.iter().any(|line| line.id == *slot)
        {
            return Err(Refusal::missing(format!("{venue} has no line {slot}")));
        }
    }
    Ok(About::Part(target))
}

/// A whole venue, or all of them.
fn whole(about: About) -> Result<Target, Refusal> {
    match about {
        About::Part(target @ (Target::All | Target::Venue(_))) => Ok(target),
        About::Part(Target::Line(..)) => Err(Refusal::bad("this concerns a whole venue; leave the line out")),
        About::Topic(topic, _) => {
            let venue = topic.venue();
            Err(Refusal::bad(format!("this concerns a whole venue, not a topic: name `{venue}`")))
        }
    }
}

/// What the whole process does cannot be done to a part of it.
fn everything(action: &str, about: &About) -> Result<(), Refusal> {
    match about {
        About::Part(Target::All) => Ok(()),
        _ => Err(Refusal::bad(format!("{action} concerns the whole process; leave the target out"))),
    }
}

fn touched(word: &str, done: &[Done]) -> Answer {
    let touched: usize = done.iter().map(|done| done.touched).sum();
    Ok(Json(json!({"ok": true, word: touched})))
}

/// What a text names: everything, a venue, a line, or the lines that carry a topic, of which there is at least one.
pub(super) async fn targets(face: &Face, text: Option<&str>) -> Result<Vec<Target>, Refusal> {
    some(about(face, text).await?)
}

fn some(about: About) -> Result<Vec<Target>, Refusal> {
    match about {
        About::Topic(topic, slots) if slots.is_empty() => {
            Err(Refusal::missing(format!("no line carries {topic}")))
        }
        about => Ok(parts(about)),
    }
}

fn parts(about: About) -> Vec<Target> {
    match about {
        About::Part(target) => vec![target],
        About::Topic(topic, slots) => {
            slots.into_iter().map(|slot| Target::Line(topic.venue().to_owned(), slot)).collect()
        }
    }
}

/// Lines are redialled or replaced: those of the target, or those that carry the topic.
async fn lines(face: &Face, about: About, rotate: bool) -> Answer {
    let mut all = Vec::new();
    for target in parts(about) {
        let hub = &face.hub;
        all.extend(if rotate { hub.rotate(&target).await? } else { hub.reconnect(&target).await? });
    }
    touched(if rotate { "rotated" } else { "reconnected" }, &all)
}

/// Forgives what is ours to forgive, and tells of bans, which are not; or takes the breakers over until then.
async fn reset(face: &Face, target: Target, mode: &str) -> Answer {
    let how = match mode {
        "closed" => None,
        "open" => Some(Override::Open),
        "disabled" => Some(Override::Disabled),
        _ => {
            return Err(Refusal::bad(format!("reset has no mode `{mode}`; there are {STATES}")));
        }
    };
    let done = match how {
        None => face.hub.reset(&target).await?,
        Some(how) => face.hub.override_breakers(&target, how).await?,
    };
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

async fn recover(face: &Face, about: About, way: &str) -> Answer {
    let how = recovery(way)
        .ok_or_else(|| Refusal::bad(format!("recover has no mode `{way}`; there are {WAYS}")))?;
    let mut answer = match about {
        // One that no line carries was refused: it is tried again with all that was.
        About::Topic(topic, slots) if slots.is_empty() => {
            let target = Target::Venue(topic.venue().to_owned());
            touched("recovered", &face.hub.recover(&target, how).await?)?
        }
        About::Topic(topic, slots) => {
            let mut recovered = 0;
            if topic.channel() == Channel::Book && how != Recovery::Manual {
                let command = Command::Resync { topic: topic.clone(), how };
                recovered += face.hub.command(topic.venue(), command).await?;
            }
            for slot in slots {
                let target = Target::Line(topic.venue().to_owned(), slot);
                let done = face.hub.recover(&target, how).await?;
                recovered += done.iter().map(|done| done.touched).sum::<usize>();
            }
            Json(json!({"ok": true, "recovered": recovered}))
        }
        About::Part(target) => touched("recovered", &face.hub.recover(&target, how).await?)?,
    };
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
    let target = whole(about(face, order.target.as_deref()).await?)?;
    let done = match action {
        "pin" => face.hub.pin(&target, kind).await?,
        _ => face.hub.fallback(&target, kind).await?,
    };
    let venues: Vec<&str> = done.iter().map(|done| done.venue.as_str()).collect();
    Ok(Json(json!({"ok": true, "rung": kind.name(), "venues": venues})))
}

async fn sweep(face: &Face, target: Target) -> Answer {
    face.journal.ordered("sweep", &target.to_string());
    let swept = match target {
        Target::Venue(venue) => face.hub.command(&venue, Command::Sweep).await?,
        _ => face.hub.sweep().await,
    };
    Ok(Json(json!({"ok": true, "swept": swept})))
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

    #[test]
    fn a_topic_that_no_line_carries_cannot_be_broken() {
        let about = |slots: &[u32]| About::Topic("one:trade:A".parse().unwrap(), slots.to_vec());
        let refused = some(about(&[])).unwrap_err();
        assert_eq!((refused.status, refused.code), (StatusCode::NOT_FOUND, Code::NotFound));
        assert!(refused.message.contains("no line carries one:trade:A"), "{}", refused.message);
        let lines = [1, 3].map(|slot| Target::Line("one".to_owned(), slot));
        assert_eq!(some(about(&[1, 3])).unwrap(), lines);
    }
}
