//! One connection: its requests one after another, its deadlines, and its end.

use std::convert::Infallible;
use std::future::{Future as _, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::body::Body;
use http::{HeaderValue, Request, StatusCode, header};
use hyper::body::{Body as _, Bytes, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

use super::head::Breach;
use super::pulse::{Felt, Pulse};
use super::seats::Seat;
use super::{HEAD_LEAST, Shared};

/// Headers of one request.
const HEADERS: usize = 100;

/// Whose request it is; every request carries it.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// Its address.
    pub(crate) peer: SocketAddr,
    /// What is wrong with how this request came.
    pub(crate) breach: Option<Breach>,
    /// Its leave to be here, until the connection becomes a stream.
    seat: Arc<Mutex<Option<Seat>>>,
}

impl Caller {
    /// Its seat, to be kept elsewhere.
    pub(crate) fn take_seat(&self) -> Option<Seat> {
        self.seat.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Serves a connection until its client, its deadlines or the gateway end it.
pub(super) async fn serve(socket: TcpStream, peer: SocketAddr, seat: Seat, shared: Arc<Shared>) {
    let config = shared.config();
    let pulse = Pulse::new(config.timing.header_within, config.timing.idle);
    let caller = Caller { peer, breach: None, seat: Arc::new(Mutex::new(Some(seat))) };
    let router = TowerToHyperService::new(shared.router.clone());
    let service = service_fn(|mut request: Request<Incoming>| {
        pulse.begin();
        let length = request.body().size_hint().exact();
        // Behind an upgrade it is another protocol.
        let body = length.filter(|_| !request.headers().contains_key(header::UPGRADE));
        let breach = pulse.breach(body);
        request.extensions_mut().insert(Caller { breach, ..caller.clone() });
        let answer = router.call(request);
        let pulse = pulse.clone();
        async move {
            let mut answer = answer.await?;
            // Who did not wait for the answer gets no further one; nor is a body waited for that was not wanted.
            let unread = length != Some(0) && !answer.status().is_success();
            let upgraded = answer.status() == StatusCode::SWITCHING_PROTOCOLS;
            if !upgraded && (unread || pulse.breach(length).is_some()) {
                answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(answer.map(|body| Answer { body, pulse }))
        }
    });
    let io = TokioIo::new(Felt::new(socket, pulse.clone()));
    let connection = http1::Builder::new()
        .max_buf_size(config.limits.header_bytes.max(HEAD_LEAST))
        .max_headers(HEADERS)
        .serve_connection(io, service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let mut stopping = pin!(shared.stop.cancelled());
    let mut killed = pin!(shared.kill.cancelled());
    let mut timer = pin!(sleep_until(Instant::now()));
    let mut told = false;
    let done = poll_fn(|context| {
        if killed.as_mut().poll(context).is_ready() {
            return Poll::Ready(Ok(()));
        }
        if !told && stopping.as_mut().poll(context).is_ready() {
            told = true;
            connection.as_mut().graceful_shutdown();
        }
        if let Poll::Ready(done) = connection.as_mut().poll(context) {
            return Poll::Ready(done);
        }
        let over = told && !pulse.is_busy();
        if over || late(&pulse, timer.as_mut(), context) { Poll::Ready(Ok(())) } else { Poll::Pending }
    });
    if let Err(error) = done.await {
        tracing::debug!(%error, %peer, "a connection ended");
    }
}

/// Whether the patience with a client is at its end; else the timer rings when it will be.
fn late(pulse: &Pulse, mut timer: Pin<&mut tokio::time::Sleep>, context: &mut Context<'_>) -> bool {
    let Some(deadline) = pulse.deadline() else { return false };
    if timer.deadline() != deadline {
        timer.as_mut().reset(deadline);
    }
    timer.poll(context).is_ready()
}

/// The body of an answer; when it is gone, the answer has been given.
struct Answer {
    body: Body,
    pulse: Pulse,
}

impl hyper::body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.pulse.end();
    }
}
