//! Server-sent events: the stream for clients without WebSocket, resumable by the browser itself.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream::unfold;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::json;
use tapeline::{Position, Subscription, Update, Wish};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::Face;
use super::refusal::{ErrorBody, Refusal};
use crate::codes::Code;
use crate::server::Caller;

/// A comment is sent when nothing else was for this long, so that proxies keep the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// When a browser comes back after the connection was lost.
const RETRY: Duration = Duration::from_secs(2);

/// Streams topics as server-sent events: `id: epoch:offset`, `data:` an envelope. It begins with an event named
/// `result`, which says where each topic begins, and ends with one named `close`, which says why.
#[utoipa::path(
    get,
    path = "/api/v1/sse",
    tag = "streams",
    params(
        ("topics" = Vec<String>, Query, description = "a topic or pattern, as often as wanted"),
        ("Last-Event-ID" = Option<String>, Header, description = "with one topic: resume behind this `epoch:offset`"),
    ),
    responses(
        (status = 200, description = "the events", content_type = "text/event-stream"),
        (status = 400, description = "no topics, too many, or texts that are none", body = ErrorBody),
        (status = 404, description = "a venue does not offer a topic", body = ErrorBody),
    )
)]
pub(crate) async fn sse(
    State(face): State<Arc<Face>>,
    Extension(caller): Extension<Caller>,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let Query(query) = query?;
    let config = face.live.config();
    let wishes = wishes(&query, config.limits.topics_per_client)?;
    let resume = resume(&wishes, &headers);
    let mut subscribe =
        face.hub.subscribe(wishes).name(format!("sse {}", caller.peer)).interval(config.throttle);
    let mut unread = None;
    match resume {
        Some((topic, Ok(position))) => subscribe = subscribe.resume(topic, position),
        Some((_, Err(reason))) => unread = Some(reason),
        None => {}
    }
    let subscription = subscribe.await?;
    let first = opening(&subscription, unread);
    let reader = Reader {
        subscription,
        batch: Vec::new(),
        first: Some(first),
        quiet_at: Instant::now() + KEEP_ALIVE,
        stop: face.stop.clone(),
        over: false,
    };
    let body = Body::from_stream(unfold(reader, |mut reader| async move {
        let chunk = reader.next().await?;
        Some((Ok::<_, Infallible>(chunk), reader))
    }));
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    // Proxies are not to collect it.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

fn wishes(query: &[(String, String)], most: usize) -> Result<Vec<Wish>, Refusal> {
    if let Some((other, _)) = query.iter().find(|(key, _)| key != "topics") {
        return Err(Refusal::bad(format!("there is no parameter `{other}`; write topics=A&topics=B")));
    }
    if query.is_empty() {
        return Err(Refusal::bad("name at least one topic: topics=binance:trade:BTCUSDT"));
    }
    if query.len() > most {
        let message =
            format!("{} topics were asked for, and {most} are allowed; open another stream", query.len());
        return Err(Refusal::new(StatusCode::BAD_REQUEST, Code::Limit, message));
    }
    Ok(query.iter().map(|(_, text)| Wish::parse(text)).collect::<Result<_, _>>()?)
}

/// Where to resume: a position, or the reason that is told where it cannot be read, as in the stream. It is of one
/// topic, so with several there is nothing to go by.
fn resume(wishes: &[Wish], headers: &HeaderMap) -> Option<(tapeline::Topic, Result<Position, &'static str>)> {
    let ([Wish::Topic(topic)], Some(id)) = (wishes, headers.get("last-event-id")) else { return None };
    let (epoch, offset) = id.to_str().unwrap_or_default().trim().split_once(':').unwrap_or_default();
    let position = match (epoch.parse(), offset.parse()) {
        (Ok(epoch), Ok(offset)) => Ok(Position { epoch, offset }),
        (Err(_), _) => Err("epoch"),
        (_, Err(_)) => Err("ahead"),
    };
    Some((topic.clone(), position))
}

/// The first event: where each topic begins, and what was lost if it could not be resumed.
fn opening(subscription: &Subscription, unread: Option<&'static str>) -> Bytes {
    let result = |subscribed: &tapeline::Subscribed| {
        let mut result = json!({
            "topic": subscribed.topic,
            "ok": true,
            "epoch": subscribed.position.epoch,
            "offset": subscribed.position.offset,
            "recovered": subscribed.recovered,
        });
        if let Some(reason) = subscribed.reason {
            result["reason"] = json!(reason);
        } else if let Some(reason) = unread {
            result["reason"] = json!(reason);
        }
        result
    };
    let results: Vec<_> = subscription.subscribed().iter().map(result).collect();
    let result = json!({"type": "result", "op": "subscribe", "results": results});
    format!("retry: {}\n\nevent: result\ndata: {result}\n\n", RETRY.as_millis()).into()
}

/// One client. Its subscription holds no more than an outbox; while the client does not read, nothing is taken out.
struct Reader {
    subscription: Subscription,
    batch: Vec<Arc<Update>>,
    first: Option<Bytes>,
    quiet_at: Instant,
    stop: CancellationToken,
    over: bool,
}

impl Reader {
    /// What is sent next; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        if self.over {
            return None;
        }
        let taken = tokio::select! {
            biased;
            () = self.stop.cancelled() => return Some(self.close("the gateway stops; come back")),
            taken = self.subscription.next_batch(&mut self.batch) => taken,
            () = sleep_until(self.quiet_at) => {
                self.quiet_at = Instant::now() + KEEP_ALIVE;
                return Some(Bytes::from_static(b":\n\n"));
            }
        };
        if taken == 0 {
            let why = self
                .subscription
                .cut_off()
                .map_or("the subscription ended".to_owned(), |why| format!("{why:?}"));
            return Some(self.close(&why.to_lowercase()));
        }
        self.quiet_at = Instant::now() + KEEP_ALIVE;
        let mut text = String::new();
        for update in self.batch.drain(..) {
            // Writing into a text cannot fail, and an envelope is one line.
            let _ = write!(text, "id: {}:{}\ndata: {}\n\n", update.epoch, update.offset, update.json());
        }
        Some(text.into())
    }

    fn close(&mut self, reason: &str) -> Bytes {
        self.over = true;
        format!("event: close\ndata: {}\n\n", json!({"type": "close", "reason": reason})).into()
    }
}
