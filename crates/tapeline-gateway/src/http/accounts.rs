//! What was expected of venues and what came of it, how reliable that was, and what changed meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::Deserialize;
use serde_json::{Value, json};
use tapeline::{Event, Level, VenueReliability};
use tapeline_core::feed::{FeedLedger, TopicLedger, TopicStatus};
use tapeline_core::policy::alert::Alert;

use super::Face;
use super::lists::{feeds, merge, plain};
use super::refusal::{ErrorBody, Refusal};
use crate::reading::venue_level;

/// Whose ledger is wanted.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Of {
    /// A venue or a topic; everything if absent.
    #[serde(default)]
    of: String,
}

/// The ledgers: events expected, received, duplicate, repaired, lost and unverifiable, by topic; of one topic also by the
/// minute. Not older than a second.
#[utoipa::path(
    get,
    path = "/api/v1/ledger",
    tag = "status",
    params(("of" = Option<String>, Query, description = "a venue or a topic; everything if absent")),
    responses(
        (status = 200, description = "`total`, `completeness`, and `items`: the topics"),
        (status = 400, description = "that is no topic", body = ErrorBody),
        (status = 404, description = "no such venue, or the topic does not run", body = ErrorBody),
        (status = 503, body = ErrorBody),
    )
)]
pub(crate) async fn ledger(
    State(face): State<Arc<Face>>,
    query: Result<Query<Of>, QueryRejection>,
) -> Result<Json<Value>, Refusal> {
    let Query(Of { of }) = query?;
    let of = match of.split_once(':') {
        Some((venue, _)) => {
            let topic = tapeline::Topic::parse(&of)?;
            face.hub.adapter(venue)?.canonical(topic)?.to_string()
        }
        None if of.is_empty() => of,
        None => {
            face.hub.adapter(&of)?;
            of
        }
    };
    let (status, ledger) = tokio::join!(face.reading(), face.ledger(&of));
    let (status, ledger) = (status?, ledger?);
    let running: BTreeMap<&str, &TopicStatus> = feeds(&status.venues)
        .flat_map(|feed| &feed.topics)
        .map(|topic| (topic.topic.as_str(), topic))
        .collect();
    if of.contains(':') && !running.contains_key(of.as_str()) {
        return Err(Refusal::missing(format!("{of} does not run")));
    }
    let item = |feed: &FeedLedger, topic: &TopicLedger| {
        let mut item = plain(topic);
        let status = running.get(topic.topic.as_str());
        let more = json!({
            "venue": feed.venue,
            "level": status.map_or(Level::Healthy, |status| status.level),
            "since": status.map_or(face.started, |status| status.created),
        });
        merge(&mut item, more);
        item
    };
    let items: Vec<Value> = ledger
        .venues
        .iter()
        .flat_map(|feed| feed.topics.iter().map(move |topic| (feed, topic)))
        .map(|(feed, topic)| item(feed, topic))
        .collect();
    Ok(Json(json!({"total": ledger.total, "completeness": ledger.completeness, "items": items})))
}

/// The stretch of time that is wanted.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Window {
    window: Option<String>,
}

/// Availability, times to repair and to detection, and how well faults were borne, by the definitions of
/// docs/reliability.md: of everything, of each venue and of each topic. Not older than a second.
#[utoipa::path(
    get,
    path = "/api/v1/reliability",
    tag = "status",
    params(("window" = Option<String>, Query, description = "such as `1m`, `1h`, `24h`; since the start if absent")),
    responses(
        (status = 200, description = "the figures of all, and `items`: the venues, each with its `topics`"),
        (status = 400, description = "that is no length of time", body = ErrorBody),
        (status = 503, body = ErrorBody),
    )
)]
pub(crate) async fn reliability(
    State(face): State<Arc<Face>>,
    query: Result<Query<Window>, QueryRejection>,
) -> Result<Json<Value>, Refusal> {
    let Query(Window { window }) = query?;
    let window = window.as_deref().filter(|text| !matches!(*text, "" | "start")).map(|text| {
        length(text).ok_or_else(|| {
            Refusal::bad(format!(
                "`{text}` is no length of time: write it like 1m, 1h or 24h, or leave it out"
            ))
        })
    });
    let window = window.transpose()?;
    let (status, figures) = tokio::join!(face.reading(), face.reliability(window));
    let (status, figures) = (status?, figures?);
    let item = |venue: &VenueReliability| {
        let mut item = plain(venue);
        let running = status.venues.iter().find(|running| running.venue == venue.venue);
        let level = running.map_or(Level::Healthy, venue_level);
        merge(&mut item, json!({"id": venue.venue, "level": level, "since": face.started}));
        item
    };
    let mut answer = plain(&figures.report);
    let items: Vec<Value> = figures.venues.iter().map(item).collect();
    merge(&mut answer, json!({"tolerance": figures.tolerance, "items": items}));
    Ok(Json(answer))
}

/// What is wrong (`items`, the worst first), what was (`resolved`), and what was told of it (`notifications`); each
/// alert with its evidence and what to do.
#[utoipa::path(
    get,
    path = "/api/v1/alerts",
    tag = "status",
    responses((status = 200, description = "`items`, `resolved`, `notifications`, `refused`"))
)]
pub(crate) async fn alerts(State(face): State<Arc<Face>>) -> Json<Value> {
    let list = face.hub.alerts();
    let item = |alert: &Alert| {
        let mut item = plain(alert);
        let id = [alert.rule.name(), &alert.venue, &alert.part];
        let id: Vec<&str> = id.into_iter().filter(|part| !part.is_empty()).collect();
        merge(&mut item, json!({"id": id.join("/")}));
        item
    };
    Json(json!({
        "items": list.active.iter().map(item).collect::<Vec<_>>(),
        "resolved": list.resolved.iter().map(item).collect::<Vec<_>>(),
        "notifications": list.notifications,
        "refused": list.refused,
    }))
}

/// The levels of the last 24 hours by the minute, which way each venue goes, and what came again and again.
#[utoipa::path(
    get,
    path = "/api/v1/history",
    tag = "status",
    responses((status = 200, description = "`minutes`: the levels; `trends`: the share of bad minutes in the latest \
        hour and in the 23 before, and its direction; `patterns`"))
)]
pub(crate) async fn history(State(face): State<Arc<Face>>) -> Json<Value> {
    Json(plain(&face.hub.history()))
}

/// A length of time as it is written: a number and `s`, `m`, `h` or `d`.
pub(super) fn length(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    let number: u64 = number.parse().ok().filter(|number| *number > 0)?;
    number.checked_mul(seconds).map(Duration::from_secs)
}

/// The most records of one answer.
const RECORDS: usize = 10_000;
/// Records of an answer if nobody says how many.
const USUAL: usize = 1_000;

/// Which records are wanted.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct From {
    after: Option<u64>,
    limit: Option<usize>,
    run: Option<String>,
}

/// What changed, of all venues and of the gateway, oldest first.
#[utoipa::path(
    get,
    path = "/api/v1/events",
    tag = "status",
    params(
        ("after" = Option<u64>, Query, description = "the `seq` behind which to begin; the latest if absent"),
        ("limit" = Option<usize>, Query, description = "how many, at most 10,000; 1,000 if absent"),
        ("run" = Option<String>, Query, description = "of which run of the program `after` is: if that is over, the \
            records begin with the first of this one"),
    ),
    responses(
        (status = 200, description = "`items`; `next`: what to ask for `after`; `run`: the run of the program, with \
            which numbers begin again; `newest`: the number of the newest record; `restarted`: whether `after` was of \
            another run, so that the records begin with the first of this one"),
        (status = 400, description = "that is no number", body = ErrorBody),
    )
)]
pub(crate) async fn events(
    State(face): State<Arc<Face>>,
    query: Result<Query<From>, QueryRejection>,
) -> Result<Json<Value>, Refusal> {
    let Query(From { after, limit, run }) = query?;
    let limit = limit.unwrap_or(USUAL).min(RECORDS);
    let newest = face.hub.newest_event();
    // Numbers begin again with every run: whoever asks behind one that was never reached here asks of another.
    let other = run.is_some_and(|run| run != face.run) || after.is_some_and(|after| after > newest);
    let after = after.map(|after| if other { 0 } else { after });
    let mut records = face.hub.events(after.unwrap_or(0), if after.is_some() { limit } else { RECORDS });
    records.drain(..records.len().saturating_sub(limit));
    // Whoever wants none of the latest goes on behind them all.
    let next = records.last().map_or(after.unwrap_or(newest), |record| record.seq);
    let theirs = records.iter().map(|record| (record.wall_ns, event_item(record)));
    // What happened to the gateway itself has numbers of its own, and is told with the latest.
    let own = face.journal.records().into_iter().filter(|_| after.is_none() && limit > 0).map(|record| {
        let mut item = plain(&record);
        merge(&mut item, json!({"id": format!("gateway/{}", record.seq), "since": record.wall}));
        (record.wall, item)
    });
    let mut all: Vec<_> = theirs.chain(own).collect();
    all.sort_by_key(|(wall, _)| *wall);
    let items: Vec<Value> = all.into_iter().map(|(_, item)| item).collect();
    let restarted = other && after.is_some();
    Ok(Json(json!({
        "items": items, "next": next, "run": face.run, "newest": newest.max(next), "restarted": restarted,
    })))
}

fn event_item(record: &Event) -> Value {
    let mut item = plain(record);
    let more = json!({
        "id": record.seq.to_string(),
        "wall": record.wall_ns,
        "since": record.wall_ns,
        "level": event_level(record),
    });
    merge(&mut item, more);
    item
}

/// How bad it is that something left one state and entered another.
fn event_level(record: &Event) -> Level {
    let (from, to) = (record.from, record.to);
    match (record.kind, to) {
        ("ledger", _) if record.ledger.as_ref().is_none_or(|change| change.lost <= 0) => Level::Healthy,
        ("order" | "start", _) => Level::Healthy,
        ("lost", _) | ("memory", "shorten") => Level::Warning,
        ("memory", "refuse" | "cut") => Level::Critical,
        (_, "halted" | "rejected" | "quarantined") => Level::Critical,
        ("crash", _) | (_, "down" | "cache") => Level::Unhealthy,
        (_, "waiting" | "stale" | "any" | "poll" | "partial") => Level::Degraded,
        // Something was noticed in a state that goes on.
        _ if from == to => Level::Warning,
        (_, "dialling" | "logging_in" | "syncing" | "alternate") => Level::Warning,
        _ => Level::Healthy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_is_a_number_and_a_unit() {
        let secs = |text: &str| length(text).map(|length| length.as_secs());
        assert_eq!(
            (secs("1m"), secs("24h"), secs("2d"), secs("5s")),
            (Some(60), Some(86_400), Some(172_800), Some(5))
        );
        for wrong in
            ["", "m", "0m", "1", "-1m", "1.5h", "99999999999999999999h", "1é", "18446744073709551615d"]
        {
            assert_eq!(length(wrong), None, "{wrong}");
        }
    }
}
