//! `/v1/stream`: the upgrade to a WebSocket, after which the connection belongs to the streams.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode, header};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tapeline_ws::ServerOptions;
use tapeline_ws::handshake::accept;

use super::Face;
use super::refusal::{ErrorBody, Refusal};
use crate::codes::Code;
use crate::server::{Caller, Felt};
use crate::stream::{Admission, SHORT};

/// The subprotocols that are spoken, best first. Who offers none gets the first.
const SPOKEN: &[&str] = &["tapeline.v1.json"];

/// Becomes a WebSocket that speaks `tapeline.v1.json`.
#[utoipa::path(
    get,
    path = "/v1/stream",
    tag = "streams",
    params(("Sec-WebSocket-Protocol" = Option<String>, Header, description = "`tapeline.v1.json`; the default")),
    responses(
        (status = 101, description = "the connection is a WebSocket now"),
        (status = 400, description = "only unknown subprotocols were offered", body = ErrorBody),
        (status = 403, description = "the Origin is not on the list", body = ErrorBody),
        (status = 421, description = "the Host is not on the list", body = ErrorBody),
        (status = 426, description = "this is no upgrade", body = ErrorBody),
        (status = 503, description = "memory is short, and nobody new is taken on", body = ErrorBody),
    )
)]
pub(crate) async fn stream(
    State(face): State<Arc<Face>>,
    Extension(caller): Extension<Caller>,
    mut request: Request,
) -> Result<Response, Refusal> {
    check_offer(request.headers())?;
    let subprotocols = SPOKEN.iter().map(|&name| name.to_owned()).collect();
    let options = ServerOptions { subprotocols, deflate: false, fresh_windows: false };
    let accepted = match accept(&request, &options) {
        Ok(accepted) => accepted,
        Err(refused) => {
            let refusal = Refusal::new(refused.status, Code::Upgrade, refused.why);
            let close = [(header::CONNECTION, "close")];
            return Ok((refused.headers, close, refusal).into_response());
        }
    };
    if !face.hub.admits() {
        return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable, SHORT));
    }
    let upgrade = hyper::upgrade::on(&mut request);
    let tasks = face.tasks.clone();
    tasks.spawn(hand_over(face, upgrade, caller));
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *response.headers_mut() = accepted.headers;
    Ok(response)
}

/// Refuses who offers subprotocols of which we speak none: it would not understand us.
fn check_offer(headers: &HeaderMap) -> Result<(), Refusal> {
    let offers = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL);
    let texts = offers.iter().filter_map(|value| value.to_str().ok());
    let mut offered =
        texts.flat_map(|text| text.split(',')).map(str::trim).filter(|name| !name.is_empty()).peekable();
    if offered.peek().is_none() || offered.any(|name| SPOKEN.contains(&name)) {
        return Ok(());
    }
    let message = format!("none of the offered subprotocols is spoken here; offer {}", SPOKEN.join(" or "));
    Err(Refusal::new(StatusCode::BAD_REQUEST, Code::Subprotocol, message))
}

/// Takes the socket out of the HTTP stack as soon as the answer is out.
async fn hand_over(face: Arc<Face>, upgrade: OnUpgrade, caller: Caller) {
    let peer = caller.peer;
    let upgraded = match face.stop.run_until_cancelled(upgrade).await {
        Some(Ok(upgraded)) => upgraded,
        Some(Err(error)) => return tracing::debug!(%error, %peer, "a client left during its upgrade"),
        None => return,
    };
    match admission(upgraded, &caller) {
        Ok(admission) => face.streams.admit(admission),
        Err(error) => tracing::warn!(%error, %peer, "a connection could not be handed over"),
    }
}

fn admission(upgraded: Upgraded, caller: &Caller) -> std::io::Result<Admission> {
    let parts = upgraded
        .downcast::<TokioIo<Felt>>()
        .map_err(|_| std::io::Error::other("the connection is not one of our sockets"))?;
    let socket = parts.io.into_inner().into_socket().into_std()?;
    let seat = caller.take_seat().map(|seat| Box::new(seat) as _);
    Ok(Admission { socket, leftover: parts.read_buf, peer: caller.peer, seat })
}
