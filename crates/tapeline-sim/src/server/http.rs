//! The HTTP side: upgrades, the venue's REST, and the simulator's own pages.

use super::control;
use super::room::Room;
use super::socket::Socket;
use super::stream::Stream;
use super::tls::Tls;
use crate::house::{Kind, Reply, Trouble};
use crate::recording::Recording;
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{self, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tapeline_ws::handshake::{self, Accepted};
use tapeline_ws::{Connection, Deflate, Limits, ServerOptions};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A response of this server.
pub(crate) type Answer = Response<Content>;

/// The most bytes of a script.
const LONGEST_SCRIPT: usize = 256 * 1024;

/// Everything the connections share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) room: Arc<Room>,
    /// What is played, if it is a recording.
    pub(crate) recording: Option<Arc<Recording>>,
    pub(crate) futures: bool,
    pub(crate) deflate: bool,
    pub(crate) tls: Option<Tls>,
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
}

impl Shared {
    /// Answers one request; an error is a connection that ends without an answer.
    pub(crate) async fn answer(
        self: &Arc<Self>,
        request: Request<Incoming>,
        peer: IpAddr,
    ) -> io::Result<Answer> {
        let target = target(&request);
        if self.room.read(|house| house.opens(&target)) {
            return self.upgrade(request, &target, peer);
        }
        let path = request.uri().path().to_owned();
        if path.starts_with("/sim/") {
            let (method, query) = (request.method().clone(), request.uri().query().unwrap_or("").to_owned());
            let body = Limited::new(request.into_body(), LONGEST_SCRIPT).collect().await;
            let Ok(body) = body.map(http_body_util::Collected::to_bytes) else {
                return Ok(text(StatusCode::PAYLOAD_TOO_LARGE, "too long, or broken off\n"));
            };
            return Ok(control::answer(&self.room, &method, &path, &query, &String::from_utf8_lossy(&body)));
        }
        if request.method() != Method::GET {
            return Ok(text(StatusCode::METHOD_NOT_ALLOWED, "only GET is spoken here\n"));
        }
        if path == "/" {
            return Ok(text(StatusCode::OK, &self.about()));
        }
        let key = request.headers().get("x-mbx-apikey").and_then(|key| key.to_str().ok());
        let reply = self.room.with(|house, now| house.request_with_key(now, peer, &target, key));
        if !reply.after.is_zero() {
            tokio::time::sleep(reply.after).await;
        }
        response(reply)
    }

    fn upgrade(
        self: &Arc<Self>,
        request: Request<Incoming>,
        target: &str,
        peer: IpAddr,
    ) -> io::Result<Answer> {
        let granted = ServerOptions { deflate: self.deflate, ..ServerOptions::default() };
        let mut accepted = match handshake::accept(&request, &granted) {
            Ok(accepted) => accepted,
            Err(refused) => {
                self.room.with(|house, _| house.report_mut().refused += 1);
                let mut reply = text(refused.status, refused.why);
                reply.headers_mut().extend(refused.headers);
                return Ok(reply);
            }
        };
        let key = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let key = key.and_then(|value| value.strip_prefix("Bearer "));
        // The seat is taken before the client hears that it is in, so that it misses nothing.
        let (seat, oddity) = match self.room.connect(peer, target, key, &self.stop) {
            Ok(admitted) => admitted,
            Err(refusal) => return response(refusal),
        };
        if let Some(trouble) = oddity {
            make_odd(&mut accepted, &trouble);
        }
        let shared = Arc::clone(self);
        let negotiated = accepted.negotiated;
        self.tasks.spawn(async move {
            // The upgrade fails if the client is gone before it is told; its seat is free again then.
            let Some(Ok(upgraded)) = shared.stop.run_until_cancelled(hyper::upgrade::on(request)).await
            else {
                return;
            };
            let Ok(parts) = upgraded.downcast::<TokioIo<Stream>>() else { return };
            let stream = parts.io.into_inner();
            let connection = Connection::server(stream, &negotiated, Limits::server(), &parts.read_buf);
            Socket::open(connection, seat).run().await;
        });
        let mut reply = Response::new(Content::default());
        *reply.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        *reply.headers_mut() = accepted.headers;
        Ok(reply)
    }

    fn about(&self) -> String {
        let base = if self.futures {
            "/public/stream and /market/stream, /fapi/v1/depth"
        } else {
            "/ws, /stream, /api/v3/depth"
        };
        format!("Tapeline's simulated Binance venue. Streams and REST: {base}. Counters: /sim/report\n")
    }
}

/// Makes the answer to an upgrade say what nobody asked for. The server keeps to what it says.
fn make_odd(accepted: &mut Accepted, trouble: &Trouble) {
    let name = header::SEC_WEBSOCKET_EXTENSIONS;
    if trouble.kind == Kind::OddExtension {
        accepted.headers.append(name, HeaderValue::from_static("x-webkit-frame"));
        return;
    }
    let bits = trouble.code.unwrap_or(10);
    let text = format!(
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
         server_max_window_bits={bits}; client_max_window_bits={bits}"
    );
    let Ok(value) = HeaderValue::from_str(&text) else { return };
    accepted.headers.insert(name, value);
    // A window that nobody can have is no window of ours.
    let window = u8::try_from(bits).ok().filter(|bits| (9..=15).contains(bits)).unwrap_or(15);
    accepted.negotiated.deflate = Some(Deflate {
        server_no_context_takeover: true,
        client_no_context_takeover: true,
        server_max_window_bits: window,
        client_max_window_bits: window,
    });
}

/// The whole URL of a request, as far as it says one: troubles may be meant for one host.
fn target(request: &Request<Incoming>) -> String {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    match request.headers().get(HOST).and_then(|host| host.to_str().ok()) {
        Some(host) => format!("http://{host}{path}"),
        None => path.to_owned(),
    }
}

/// A body that comes whole, or breaks off.
#[derive(Debug, Default)]
pub(crate) struct Content {
    bytes: Option<Bytes>,
    /// The connection breaks when the bytes are out.
    cut: bool,
    /// They have had their time to leave.
    left: bool,
}

impl Body for Content {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(bytes) = self.bytes.take().filter(|bytes| !bytes.is_empty()) {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        if !self.cut {
            return Poll::Ready(None);
        }
        if std::mem::replace(&mut self.left, true) {
            return Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into())));
        }
        // While nothing more is to be had, what there is gets written.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        !self.cut && self.bytes.as_ref().is_none_or(Bytes::is_empty)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.bytes {
            Some(bytes) if !self.cut => SizeHint::with_exact(bytes.len() as u64),
            _ => SizeHint::default(),
        }
    }
}

/// A reply of the house on the wire.
fn response(reply: Reply) -> io::Result<Answer> {
    let Ok(status) = StatusCode::from_u16(reply.status) else {
        return Err(io::ErrorKind::ConnectionRefused.into());
    };
    let length = reply.body.len();
    let bytes = if reply.cut { reply.body.slice(..length / 2) } else { reply.body };
    let mut response = Response::new(Content { bytes: Some(bytes), cut: reply.cut, left: false });
    *response.status_mut() = status;
    for (name, value) in reply.headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    Ok(response)
}

pub(crate) fn json(status: StatusCode, body: Vec<u8>) -> Answer {
    with_type(status, "application/json;charset=UTF-8", body.into())
}

pub(crate) fn text(status: StatusCode, body: &str) -> Answer {
    with_type(status, "text/plain; charset=utf-8", Bytes::copy_from_slice(body.as_bytes()))
}

fn with_type(status: StatusCode, content: &'static str, body: Bytes) -> Answer {
    let mut reply = Response::new(Content { bytes: Some(body), cut: false, left: false });
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content));
    reply
}
