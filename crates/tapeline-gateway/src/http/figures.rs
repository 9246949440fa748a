//! Figures for scrapers: `/metrics`, and the path of a predecessor.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde_json::json;

use super::Face;
use super::refusal::{ErrorBody, Refusal};
use crate::metrics::{CLASSIC, OPENMETRICS, Sources, classic, families, openmetrics};
use crate::reading::{Whole, subscribers};

/// All figures, as OpenMetrics for those who accept it, else in the older format.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "figures",
    responses((status = 200, description = "OpenMetrics or the older text format"), (status = 503, body = ErrorBody))
)]
pub(crate) async fn metrics(State(face): State<Arc<Face>>, headers: HeaderMap) -> Result<Response, Refusal> {
    let modern = accepts_openmetrics(&headers);
    let text = text(&face).await?;
    let (kind, text) = if modern { (OPENMETRICS, text) } else { (CLASSIC, classic(&text)) };
    Ok(([(header::CONTENT_TYPE, kind), (header::VARY, "accept")], text).into_response())
}

async fn text(face: &Face) -> Result<String, Refusal> {
    let (status, audience) = tokio::join!(face.reading(), face.audience());
    let status = status?;
    let ledger = face.ledger("").await?;
    Ok(openmetrics(families(Sources {
        version: &face.about.version,
        status: &status,
        audience: &audience,
        ledger: &ledger,
        alerts: &face.hub.alerts(),
        memory: &face.hub.memory(),
        counters: face.streams.counters(),
        seats: &face.seats,
        through: face.hub.through(),
    })))
}

fn accepts_openmetrics(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut kinds = accepted.flat_map(|text| text.split(','));
    kinds.any(|kind| {
        let mut parts = kind.split(';').map(str::trim);
        let named =
            parts.next().is_some_and(|name| name.eq_ignore_ascii_case("application/openmetrics-text"));
        // `q=0` is a refusal.
        named && !parts.any(|part| matches!(part.strip_prefix("q=").map(str::parse::<f32>), Some(Ok(0.0))))
    })
}

/// How the figures are wanted.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Format {
    format: Option<String>,
}

/// The figures that a predecessor's monitors look at, as JSON or (`?format=prometheus`) for Prometheus.
#[utoipa::path(
    get,
    path = "/api/ws/metrics",
    tag = "figures",
    params(("format" = Option<String>, Query, description = "`json` (the default) or `prometheus`")),
    responses((status = 200, description = "the figures"), (status = 400, body = ErrorBody))
)]
pub(crate) async fn ws_metrics(
    State(face): State<Arc<Face>>,
    query: Result<Query<Format>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(Format { format }) = query?;
    match format.as_deref() {
        Some("prometheus") => {
            Ok(([(header::CONTENT_TYPE, CLASSIC)], classic(&text(&face).await?)).into_response())
        }
        None | Some("json") => json(&face).await,
        Some(other) => {
            Err(Refusal::bad(format!("there is no format `{other}`; there are json and prometheus")))
        }
    }
}

async fn json(face: &Face) -> Result<Response, Refusal> {
    let (status, audience) = tokio::join!(face.reading(), face.audience());
    let status = status?;
    let feeds = || status.venues.iter().filter_map(|venue| venue.feed.as_ref());
    let lines = || feeds().flat_map(|feed| &feed.lines);
    let counters = face.streams.counters();
    // Its alerts look for what goes on during an outage: dials that fail, not only lines that came back.
    let endpoints = || feeds().flat_map(|feed| &feed.endpoints);
    let dials_failed = endpoints().map(|endpoint| endpoint.dials_failed).sum::<u64>();
    let reconnects = lines().map(|line| line.stats.reconnects).sum::<u64>();
    let lost = lines().map(|line| line.stats.drops).sum::<u64>();
    let fetches_failed = feeds().map(|feed| feed.snapshots_failed).sum::<u64>();
    let undecodable = feeds().flat_map(|feed| feed.decode_errors.values()).sum::<u64>();
    let body = json!({
        "status": Whole::of(&status, &audience, face.started).level,
        "metrics": {
            "implementation": "tapeline",
            "activeConnections": lines().filter(|line| line.phase == "live").count(),
            "activeStreams": feeds().map(|feed| feed.topics.len()).sum::<usize>(),
            "subscribers": subscribers(&status, &audience),
            "clients": counters.clients.load(Relaxed),
            "messagesReceived": lines().map(|line| line.stats.frames).sum::<u64>(),
            "bytesReceived": lines().map(|line| line.stats.bytes).sum::<u64>(),
            "connectionAttempts": lines().map(|line| line.stats.dials).sum::<u64>(),
            "retryCount": dials_failed + reconnects,
            "errors": dials_failed + lost + fetches_failed + undecodable,
        },
    });
    Ok(Json(body).into_response())
}

/// The health of the whole as a status, for monitors that ask with HEAD.
#[utoipa::path(
    head,
    path = "/api/ws/metrics",
    tag = "figures",
    responses((status = 200, description = "it serves"), (status = 503, description = "hardly of use to anybody"))
)]
pub(crate) async fn ws_health(State(face): State<Arc<Face>>) -> Result<StatusCode, Refusal> {
    let serves = face.whole().await?.serves();
    Ok(if serves { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openmetrics_goes_to_those_who_accept_it() {
        let accepts = |text: &'static str| {
            accepts_openmetrics(&HeaderMap::from_iter([(
                header::ACCEPT,
                http::HeaderValue::from_static(text),
            )]))
        };
        let prometheus =
            "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1";
        assert!(accepts(prometheus) && accepts("application/openmetrics-text"));
        for other in
            ["*/*", "text/plain", "text/html, application/xhtml+xml", "application/openmetrics-text;q=0"]
        {
            assert!(!accepts(other), "{other}");
        }
        assert!(!accepts_openmetrics(&HeaderMap::new()));
    }
}
