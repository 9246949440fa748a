//! What runs, as lists: venues, topics, subscribers, lines, breakers, and the settings.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::{Value, json};
use tapeline::{Level, VenueStatus};
use tapeline_core::feed::{EndpointStatus, FeedStatus, LineStatus, TopicStatus};
use tapeline_core::outbox::SubscriberId;
use tapeline_core::policy::breaker;

use super::Face;
use super::refusal::{ErrorBody, Refusal};
use crate::reading::{RECOVERING, Whole, breaker_id, own, venue_level, venue_reasons, venue_since};
use crate::stream::{Audience, NAMED, OWN};

type Answer = Result<Json<Value>, Refusal>;

/// Everything in short: the whole, each venue, and the figures of the gateway.
#[utoipa::path(
    get,
    path = "/api/v1/status",
    tag = "status",
    responses((status = 200, description = "the whole, and `items`: the venues"), (status = 503, body = ErrorBody))
)]
pub(crate) async fn status(State(face): State<Arc<Face>>) -> Answer {
    use std::sync::atomic::Ordering::Relaxed;
    let (status, audience) = tokio::join!(face.reading(), face.audience());
    let status = status?;
    let whole = Whole::of(&status, &audience, face.started);
    let counters = face.streams.counters();
    Ok(Json(json!({
        "level": whole.level,
        "since": whole.since,
        "reasons": whole.reasons,
        "version": face.about.version,
        "started": face.started,
        "connections": face.seats.taken(),
        "clients": counters.clients.load(Relaxed),
        "clients_admitted": counters.admitted.load(Relaxed),
        "client_messages_sent": counters.sent.load(Relaxed),
        "client_bytes_sent": counters.sent_bytes.load(Relaxed),
        "client_messages_received": counters.received.load(Relaxed),
        "memory": face.hub.memory(),
        "handlers": status.handlers,
        "subscribers": crate::reading::subscribers(&status, &audience),
        "items": status.venues.iter().map(|venue| venue_item(venue, &audience)).collect::<Vec<_>>(),
    })))
}

fn venue_item(venue: &VenueStatus, audience: &Audience) -> Value {
    let mut item = json!({
        "id": venue.venue,
        "level": venue_level(venue),
        "since": venue_since(venue),
        "reasons": venue_reasons(venue),
        "restarts": venue.restarts,
        "halted": venue.halted,
    });
    if let Some(feed) = &venue.feed {
        let live = feed.lines.iter().filter(|line| line.phase == "live").count();
        let inside = feed.subscribers.iter().filter(|one| one.name != OWN).count();
        let outside = audience.venues.get(&venue.venue).copied().unwrap_or(0);
        let more = json!({
            "topics": feed.topics.len(),
            "subscribers": inside + outside,
            "lines": feed.lines.len(),
            "lines_live": live,
            "decode_errors": feed.decode_errors,
            "unknown_events": feed.unknown_events,
            "decode_panics": feed.decode_panics,
            "fallback": feed.fallback,
            "endpoints": feed.endpoints,
            "gaps": feed.gaps,
            "rotations": feed.rotations,
            "mismatches": feed.mismatches,
            "reconnects": feed.reconnects,
            "resyncs": feed.resyncs,
            "snapshots_sent": feed.snapshots_sent,
            "snapshots_failed": feed.snapshots_failed,
            "weight_left": feed.weight_left,
            "dials_left": feed.dials_left,
            "log_bytes": feed.log_bytes,
            "sweeps": feed.sweeps,
            "samples": feed.samples,
        });
        merge(&mut item, more);
    }
    item
}

/// The topics that run, each with its level, since when, its position and its figures. `subscribers` names the
/// first hundred of those who read it, as `/api/v1/subscribers` does; `subscriber_count` counts all.
#[utoipa::path(get, path = "/api/v1/topics", tag = "status", responses((status = 200, description = "`items`")))]
pub(crate) async fn topics(State(face): State<Arc<Face>>) -> Answer {
    let (status, audience) = tokio::join!(face.reading(), face.audience());
    let status = status?;
    let own = own(&status);
    items(feeds(&status.venues).flat_map(|feed| &feed.topics).map(|topic| topic_item(topic, &own, &audience)))
}

fn topic_item(topic: &TopicStatus, own: &BTreeSet<SubscriberId>, audience: &Audience) -> Value {
    let inside: Vec<_> = topic.subscribers.iter().filter(|id| !own.contains(id)).collect();
    let outside = audience.topics.get(&topic.topic);
    let clients = outside.into_iter().flat_map(|readers| &readers.named).map(|id| format!("client/{id}"));
    let named = inside.iter().map(|id| format!("hub/{}", id.0)).chain(clients).take(NAMED);
    let count = inside.len() + outside.map_or(0, |readers| readers.count);
    let mut item = plain(topic);
    merge(&mut item, json!({"subscribers": named.collect::<Vec<_>>(), "subscriber_count": count}));
    if let Some(book) = &topic.book {
        // By field, not by value: an id of the venue is a text.
        item["book"]["venue_id"] = json!(book.venue_id.map(|id| id.to_string()));
    }
    item
}

/// Who reads what: subscribers inside the process (`hub/…`) and clients over the network (`client/…`).
#[utoipa::path(get, path = "/api/v1/subscribers", tag = "status", responses((status = 200, description = "`items`")))]
pub(crate) async fn subscribers(State(face): State<Arc<Face>>) -> Answer {
    let (status, clients) = tokio::join!(face.reading(), face.clients());
    let (status, clients) = (status?, clients?);
    let topics = feeds(&status.venues).flat_map(|feed| &feed.topics);
    let levels: BTreeMap<&str, Level> = topics.map(|topic| (topic.topic.as_str(), topic.level)).collect();
    let worst = |read: &mut dyn Iterator<Item = &str>| {
        read.filter_map(|topic| levels.get(topic)).max().copied().unwrap_or_default()
    };
    let inside = feeds(&status.venues).flat_map(|feed| feed.subscribers.iter().map(move |one| (feed, one)));
    let inside = inside.map(|(feed, one)| {
        let mut item = plain(one);
        let level = worst(&mut one.topics.iter().map(|topic| topic.as_str()));
        // One that reads several venues is in the list of each.
        merge(&mut item, json!({"id": format!("hub/{}", one.id.0), "venue": feed.venue, "level": level}));
        item
    });
    let outside = clients.iter().map(|client| {
        let mut item = plain(client);
        let level = worst(&mut client.topics.iter().map(String::as_str));
        merge(&mut item, json!({"id": format!("client/{}", client.id), "level": level}));
        item
    });
    items(inside.chain(outside))
}

/// The lines to venues, each with its phase, its level, and its figures since it was made.
#[utoipa::path(get, path = "/api/v1/lines", tag = "status", responses((status = 200, description = "`items`")))]
pub(crate) async fn lines(State(face): State<Arc<Face>>) -> Answer {
    let status = face.reading().await?;
    let of_feed = |feed: &FeedStatus| {
        let line = |line: &LineStatus| {
            let mut item = line_item(line);
            let slot = item["id"].take();
            merge(
                &mut item,
                json!({"id": format!("{}/{slot}", feed.venue), "venue": feed.venue, "slot": slot}),
            );
            item
        };
        feed.lines.iter().map(line).collect::<Vec<_>>()
    };
    items(feeds(&status.venues).flat_map(of_feed))
}

/// Clocks further apart say nothing of how long anything takes.
const CLOCKS_AGREE: u64 = 60_000_000_000;

fn line_item(line: &LineStatus) -> Value {
    let mut item = plain(line);
    if line.reasons.is_empty() && line.level != Level::Healthy {
        item["reasons"] = json!([{"dimension": "recovering", "level": line.level, "detail": RECOVERING}]);
    }
    if line.stats.latency_ns.is_some_and(|latency| latency.unsigned_abs() > CLOCKS_AGREE)
        && let Value::Object(fields) = &mut item
    {
        fields.remove("latency_ns");
    }
    item
}

/// The breakers of all endpoints. A breaker's level says what it takes away, not why. `since` is when it was last
/// closed, or seen to be closed again.
#[utoipa::path(get, path = "/api/v1/breakers", tag = "status", responses((status = 200, description = "`items`")))]
pub(crate) async fn breakers(State(face): State<Arc<Face>>) -> Answer {
    let status = face.reading().await?;
    let of_feed = |feed: &FeedStatus| {
        let item = |endpoint| breaker_item(&face, feed, endpoint);
        feed.endpoints.iter().map(item).collect::<Vec<_>>()
    };
    items(feeds(&status.venues).flat_map(of_feed))
}

fn breaker_item(face: &Face, feed: &FeedStatus, endpoint: &EndpointStatus) -> Value {
    let EndpointStatus { protocol, origin, .. } = endpoint;
    let siblings = feed.endpoints.iter().filter(|other| other.protocol == *protocol);
    let passes = |state| matches!(state, breaker::State::Closed | breaker::State::Disabled);
    let alternatives = siblings.filter(|other| passes(other.breaker)).count();
    let level = match endpoint.breaker {
        state if passes(state) => Level::Healthy,
        breaker::State::HalfOpen => Level::Warning,
        _ if alternatives > 0 => Level::Degraded,
        _ => Level::Unhealthy,
    };
    json!({
        "id": breaker_id(feed.venue, endpoint),
        "venue": feed.venue,
        "since": face.breaker_since(feed.venue, endpoint),
        "protocol": protocol,
        "endpoint": origin,
        "state": endpoint.breaker,
        "level": level,
        "held_ms": endpoint.held_ms,
        "score": endpoint.score,
        "dials_opened": endpoint.dials_opened,
        "dials_failed": endpoint.dials_failed,
    })
}

/// The settings in force, without secrets.
#[utoipa::path(get, path = "/api/v1/config", tag = "status", responses((status = 200, description = "the settings")))]
pub(crate) async fn config(State(face): State<Arc<Face>>) -> Json<Value> {
    Json(face.live.now().shown.clone())
}

pub(super) fn feeds(venues: &[VenueStatus]) -> impl Iterator<Item = &FeedStatus> {
    venues.iter().filter_map(|venue| venue.feed.as_ref())
}

fn items(items: impl Iterator<Item = Value>) -> Answer {
    Ok(Json(json!({"items": items.collect::<Vec<_>>()})))
}

/// Plain data as JSON. What is listed here always can be: its keys are texts.
pub(super) fn plain(data: &impl Serialize) -> Value {
    serde_json::to_value(data).unwrap_or_default()
}

pub(super) fn merge(item: &mut Value, more: Value) {
    if let (Value::Object(item), Value::Object(more)) = (item, more) {
        item.extend(more);
    }
}
