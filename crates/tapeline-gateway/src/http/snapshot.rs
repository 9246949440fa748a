//! The state of one topic in one answer, for clients that only ask now and then.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use tapeline::{Data, Position, SubscribeError, Topic};
use tapeline_core::data::channel::Shape;
use tapeline_core::data::topic::Pattern;
use tapeline_core::data::update::{Shared, Status};

use super::Face;
use super::refusal::{ErrorBody, Refusal};
use crate::codes::Code;

/// How long a topic that does not run may take to tell its state.
const WITHIN: Duration = Duration::from_secs(5);

/// The state of a topic as a snapshot envelope. One that does not run is subscribed for the purpose.
#[utoipa::path(
    get,
    path = "/api/v1/topics/{topic}/snapshot",
    tag = "topics",
    params(
        ("topic" = String, Path, description = "percent-encoded: `binance:book:BTCUSDT`, `alpaca-crypto:quote:BTC%2FUSD`"),
        ("If-None-Match" = Option<String>, Header, description = "the ETag of the snapshot that is known"),
    ),
    responses(
        (status = 200, description = "a snapshot envelope; its ETag is `\"epoch:offset\"`"),
        (status = 304, description = "nothing has changed"),
        (status = 400, description = "this is no topic", body = ErrorBody),
        (status = 404, description = "the topic has no state, or the venue does not offer it", body = ErrorBody),
        (status = 504, description = "nothing came in time", body = ErrorBody),
    )
)]
pub(crate) async fn snapshot(
    State(face): State<Arc<Face>>,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let Path(text) = path.map_err(|error| Refusal::bad(format!("the topic cannot be read: {error}")))?;
    if Pattern::is_pattern(&text) {
        return Err(Refusal::bad(format!("`{text}` is a pattern; a snapshot is of one topic")));
    }
    let topic = Topic::parse(&text)?;
    if topic.channel().shape() == Shape::Event {
        let message =
            format!("`{topic}` carries events and has no state; stream it, or take another channel");
        return Err(Refusal::new(StatusCode::NOT_FOUND, Code::NoSnapshot, message));
    }
    let (position, snapshot) = match look(&face, &topic).await {
        Found::State(position, snapshot) => (position, snapshot),
        Found::Refused(refusal) => return Err(refusal),
        Found::Nothing => fetch(&face, &topic).await?,
    };
    Ok(answer(&headers, position, &snapshot))
}

enum Found {
    State(Position, Shared),
    /// The venue does not want to serve it.
    Refused(Refusal),
    Nothing,
}

async fn look(face: &Face, topic: &Topic) -> Found {
    // A feed that does not run is started by whoever subscribes.
    let Ok(Some(peek)) = face.hub.peek(topic).await else { return Found::Nothing };
    if let Some(snapshot) = peek.snapshot {
        return Found::State(peek.position, snapshot);
    }
    match &peek.status.data {
        Data::Status(status) if status.phase == "rejected" => Found::Refused(rejected(topic, status)),
        _ => Found::Nothing,
    }
}

/// Subscribes for as long as it takes.
async fn fetch(face: &Face, topic: &Topic) -> Result<(Position, Shared), Refusal> {
    let got = face.hub.get(topic, WITHIN).await;
    match (look(face, topic).await, got) {
        (Found::State(position, snapshot), _) => Ok((position, snapshot)),
        (Found::Refused(refusal), _) => Err(refusal),
        (Found::Nothing, Err(error)) => Err(error.into()),
        // It came and is gone: its last reader left, and it does not linger.
        (Found::Nothing, Ok(update)) => {
            Ok((Position { epoch: update.epoch, offset: update.offset }, as_snapshot(&update)?))
        }
    }
}

fn as_snapshot(update: &Shared) -> Result<Shared, Refusal> {
    if update.kind == tapeline::Kind::Snapshot {
        return Ok(Arc::clone(update));
    }
    Err(SubscribeError::Timeout(WITHIN).into())
}

fn rejected(topic: &Topic, status: &Status) -> Refusal {
    let message = format!("the venue does not serve `{topic}`: {}", status.reason);
    Refusal::new(StatusCode::NOT_FOUND, Code::Rejected, message)
}

fn answer(headers: &HeaderMap, position: Position, snapshot: &Shared) -> Response {
    let tag = format!("\"{}:{}\"", position.epoch, position.offset);
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut known = known.flat_map(|text| text.split(',')).map(str::trim);
    let same = known.any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag);
    let mut response = if same {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let kind = HeaderValue::from_static("application/json");
        ([(header::CONTENT_TYPE, kind)], snapshot.json().to_owned()).into_response()
    };
    let headers = response.headers_mut();
    // Digits and a colon in quotes.
    headers.extend(HeaderValue::from_str(&tag).ok().map(|tag| (header::ETAG, tag)));
    // It may be kept, and must be asked after each time.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}
