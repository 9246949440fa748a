//! The HTTP side: upgrades, REST depth with its weights, and the simulator's own pages.

use super::hub::Hub;
use super::options::Options;
use super::player::{Exchange, Recording};
use super::socket::{Opening, Seat, Socket};
use super::unix_ms;
use crate::limits::{Meter, Verdict, Window, depth_weight};
use crate::names::{Base, percent_decoded};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tapeline_ws::{Connection, Limits, ServerOptions, handshake};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) type Reply = Response<Full<Bytes>>;

/// Addresses remembered by the limits; more than that are not on one machine.
const ADDRESSES: usize = 1_024;

/// What is played.
#[derive(Debug)]
pub(crate) enum Stage {
    Recording(Recording),
    Exchange(Exchange),
}

/// Everything the connections share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) hub: Arc<Hub>,
    pub(crate) stage: Stage,
    pub(crate) options: Options,
    pub(crate) futures: bool,
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
    pub(crate) guests: Mutex<HashMap<IpAddr, Guest>>,
    /// A status that the next depth requests get instead of their snapshot, and how many of them.
    pub(crate) depth_failures: Mutex<(u16, u32)>,
}

/// What the venue remembers about one address.
#[derive(Debug)]
pub(crate) struct Guest {
    meter: Meter,
    connects: Window,
    opened: Instant,
}

/// Parameters of a query, decoded.
type Query = HashMap<String, String>;

impl Shared {
    /// Answers one request.
    pub(crate) fn answer(self: &Arc<Self>, request: Request<Incoming>, peer: IpAddr) -> Reply {
        let path = percent_decoded(request.uri().path());
        if let Some(opening) = self.opening(&path, request.uri().query()) {
            return self.upgrade(request, opening, peer);
        }
        self.hub.count(|report| report.http_requests += 1);
        if request.method() != Method::GET {
            return text(StatusCode::METHOD_NOT_ALLOWED, "only GET is spoken here\n");
        }
        let query = parse_query(request.uri().query().unwrap_or(""));
        match (path.as_str(), self.futures) {
            ("/", _) => text(StatusCode::OK, &self.about()),
            ("/sim/report", _) => json(StatusCode::OK, to_json(&self.hub.report())),
            ("/sim/truth", _) => self.truth(&query),
            ("/api/v3/ping", false) | ("/fapi/v1/ping", true) => self.weighed(peer, 1, || b"{}".to_vec()),
            ("/api/v3/time", false) | ("/fapi/v1/time", true) => {
                self.weighed(peer, 1, || format!("{{\"serverTime\":{}}}", unix_ms()).into_bytes())
            }
            ("/api/v3/depth" | "/api/v1/depth", false) | ("/fapi/v1/depth", true) => self.depth(&query, peer),
            _ => text(StatusCode::NOT_FOUND, "no such path\n"),
        }
    }

    /// The meaning of a stream path, `None` for any other path.
    fn opening(&self, path: &str, query: Option<&str>) -> Option<Opening> {
        let recorded = matches!(self.stage, Stage::Recording(_));
        let (base, rest) = match path {
            _ if self.futures && path.starts_with("/public/") => (Base::Public, &path["/public".len()..]),
            _ if self.futures && path.starts_with("/market/") => (Base::Market, &path["/market".len()..]),
            // The retired unrouted path behaves like /public; recordings are older than the split.
            _ if self.futures && !recorded => (Base::Public, path),
            _ => (Base::Whole, path),
        };
        let names = |list: &str| list.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        let streams = match rest {
            "/ws" | "/stream" if rest == "/ws" || query.is_none() => Vec::new(),
            "/stream" => names(parse_query(query.unwrap_or("")).get("streams").map_or("", String::as_str)),
            _ => names(rest.strip_prefix("/ws/")?),
        };
        Some(Opening { combined: rest == "/stream", base, streams })
    }

    fn upgrade(self: &Arc<Self>, request: Request<Incoming>, opening: Opening, peer: IpAddr) -> Reply {
        if let Err(refusal) = self.admit(&opening, peer) {
            self.hub.count(|report| report.refused += 1);
            return *refusal;
        }
        let granted = ServerOptions { deflate: self.options.deflate, ..ServerOptions::default() };
        let accepted = match handshake::accept(&request, &granted) {
            Ok(accepted) => accepted,
            Err(refused) => {
                self.hub.count(|report| report.refused += 1);
                let mut reply = text(refused.status, refused.why);
                reply.headers_mut().extend(refused.headers);
                return reply;
            }
        };
        let shared = Arc::clone(self);
        let negotiated = accepted.negotiated;
        let seat = Seat::take(Arc::clone(&self.hub), &opening, &self.options, self.stop.child_token());
        self.tasks.spawn(async move {
            // The upgrade fails if the client is gone before it is told; its seat is free again then.
            let Some(Ok(upgraded)) = shared.stop.run_until_cancelled(hyper::upgrade::on(request)).await
            else {
                return;
            };
            let Ok(parts) = upgraded.downcast::<TokioIo<TcpStream>>() else { return };
            let stream = parts.io.into_inner();
            let connection = Connection::server(stream, &negotiated, Limits::server(), &parts.read_buf);
            Socket::open(connection, seat, &shared.options).run().await;
        });
        let mut reply = Response::new(Full::default());
        *reply.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        *reply.headers_mut() = accepted.headers;
        reply
    }

    fn admit(&self, opening: &Opening, peer: IpAddr) -> Result<(), Box<Reply>> {
        if self.options.streams.is_some_and(|limit| opening.streams.len() > limit) {
            return Err(text(StatusCode::BAD_REQUEST, "too many streams in the URL\n").into());
        }
        if self.hub.open() >= self.options.sockets as u64 {
            return Err(text(StatusCode::SERVICE_UNAVAILABLE, "too many open sockets\n").into());
        }
        let admitted =
            self.with_guest(peer, |guest| guest.connects.admit(guest.opened.elapsed().as_nanos() as u64));
        // No document says which status the streams host answers with; the other hosts say 429.
        if admitted {
            Ok(())
        } else {
            Err(text(StatusCode::TOO_MANY_REQUESTS, "too many connects in five minutes\n").into())
        }
    }

    /// The REST depth endpoint.
    fn depth(&self, query: &Query, peer: IpAddr) -> Reply {
        let limit = match query.get("limit").map(|limit| limit.parse::<usize>()) {
            None => {
                if self.futures {
                    500
                } else {
                    100
                }
            }
            Some(Ok(limit)) if self.futures && ![5, 10, 20, 50, 100, 500, 1_000].contains(&limit) => {
                return refusal(-4021, &format!("'{limit}' is not a valid depth limit."));
            }
            Some(Ok(limit)) if limit > 0 => limit.min(5_000),
            Some(_) => return refusal(-1130, "Data sent for parameter 'limit' is not valid."),
        };
        let headers = match self.charge(peer, depth_weight(limit, self.futures)) {
            Ok(used) => used,
            Err(reply) => return *reply,
        };
        let mut reply = match query.get("symbol").filter(|symbol| !symbol.is_empty()) {
            None => {
                refusal(-1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.")
            }
            Some(symbol) => self.snapshot(symbol, limit),
        };
        stamp(&mut reply, headers);
        reply
    }

    fn snapshot(&self, symbol: &str, limit: usize) -> Reply {
        let fail = self.hub_failure();
        let body = match &self.stage {
            _ if fail.is_some() => None,
            Stage::Exchange(exchange) => match exchange.market().snapshot(symbol, limit) {
                Some(body) => Some(Bytes::from(body)),
                None => return refusal(-1121, "Invalid symbol."),
            },
            Stage::Recording(recording) => match recording.snapshot(symbol) {
                Some(body) => Some(Bytes::copy_from_slice(body.as_bytes())),
                None if recording.capture.snapshots.is_empty() || recording.capture.lists(symbol) => None,
                None => return refusal(-1121, "Invalid symbol."),
            },
        };
        let Some(body) = body else {
            self.hub.count(|report| report.snapshots_failed += 1);
            let status = fail.and_then(|status| StatusCode::from_u16(status).ok());
            let why =
                "Server is currently overloaded with other requests. Please try again in a few minutes.";
            return json(status.unwrap_or(StatusCode::SERVICE_UNAVAILABLE), error(-1008, why));
        };
        self.hub.count(|report| *report.snapshots.entry(symbol.to_owned()).or_default() += 1);
        json(StatusCode::OK, body)
    }

    fn hub_failure(&self) -> Option<u16> {
        let mut failures = self.depth_failures.lock().unwrap_or_else(PoisonError::into_inner);
        let (status, left) = *failures;
        failures.1 = left.checked_sub(1)?;
        Some(status)
    }

    /// A reply that costs weight.
    fn weighed(&self, peer: IpAddr, weight: u32, body: impl FnOnce() -> Vec<u8>) -> Reply {
        match self.charge(peer, weight) {
            Ok(used) => {
                let mut reply = json(StatusCode::OK, body());
                stamp(&mut reply, used);
                reply
            }
            Err(reply) => *reply,
        }
    }

    /// Charges an address; `Err` is the refusal to send.
    fn charge(&self, peer: IpAddr, weight: u32) -> Result<u32, Box<Reply>> {
        let (verdict, used) =
            self.with_guest(peer, |guest| (guest.meter.charge(unix_ms(), weight), guest.meter.used()));
        let (status, wait, why) = match verdict {
            Verdict::Used(used) => {
                self.hub.count(|report| report.weight += u64::from(weight));
                return Ok(used);
            }
            Verdict::Spent { retry_after, .. } => {
                self.hub.count(|report| report.http_429 += 1);
                let limit = self.weight_limit();
                let why = format!(
                    "Too much request weight used; current limit is {limit} request weight per 1 MINUTE. \
                     Please use the websocket for live updates to avoid polling the API."
                );
                (StatusCode::TOO_MANY_REQUESTS, retry_after, why)
            }
            Verdict::Banned { retry_after, until_ms } => {
                self.hub.count(|report| report.http_418 += 1);
                let why = format!(
                    "Way too much request weight used; IP banned until {until_ms}. \
                     Please use the websocket for live updates to avoid bans."
                );
                (StatusCode::IM_A_TEAPOT, retry_after, why)
            }
        };
        let mut reply = json(status, error(-1003, &why));
        reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait));
        stamp(&mut reply, used);
        Err(reply.into())
    }

    fn weight_limit(&self) -> u32 {
        self.options.weight.unwrap_or(if self.futures { 2_400 } else { 6_000 })
    }

    fn with_guest<T>(&self, peer: IpAddr, act: impl FnOnce(&mut Guest) -> T) -> T {
        let mut guests = self.guests.lock().unwrap_or_else(PoisonError::into_inner);
        if guests.len() >= ADDRESSES && !guests.contains_key(&peer) {
            guests.clear();
        }
        let guest = guests.entry(peer).or_insert_with(|| Guest {
            meter: Meter::new(self.weight_limit()),
            connects: Window::new(self.options.connects, 300_000_000_000),
            opened: Instant::now(),
        });
        act(guest)
    }

    /// `/sim/truth?symbol=BTCUSDT[&id=N]`: the generated market's own book.
    fn truth(&self, query: &Query) -> Reply {
        let Stage::Exchange(exchange) = &self.stage else {
            return text(StatusCode::NOT_FOUND, "a recording has no truth beyond its own checkpoints\n");
        };
        let symbol = query.get("symbol").map_or("", String::as_str);
        let id = query.get("id").and_then(|id| id.parse().ok());
        match exchange.market().truth(symbol, id) {
            Some(book) => json(StatusCode::OK, to_json(&book)),
            None => text(StatusCode::NOT_FOUND, "no such symbol, or an id that is not remembered\n"),
        }
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

fn parse_query(query: &str) -> Query {
    let pair = |part: &str| {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        (percent_decoded(key), percent_decoded(value))
    };
    query.split('&').map(pair).collect()
}

fn error(code: i32, msg: &str) -> Vec<u8> {
    serde_json::json!({ "code": code, "msg": msg }).to_string().into_bytes()
}

fn refusal(code: i32, msg: &str) -> Reply {
    json(StatusCode::BAD_REQUEST, error(code, msg))
}

fn to_json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

fn json(status: StatusCode, body: impl Into<Bytes>) -> Reply {
    with_type(status, "application/json;charset=UTF-8", body.into())
}

fn text(status: StatusCode, body: &str) -> Reply {
    with_type(status, "text/plain; charset=utf-8", Bytes::copy_from_slice(body.as_bytes()))
}

fn with_type(status: StatusCode, content: &'static str, body: Bytes) -> Reply {
    let mut reply = Response::new(Full::new(body));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content));
    reply
}

/// Every weighed reply says how much of the minute is used.
fn stamp(reply: &mut Reply, used: u32) {
    for name in ["x-mbx-used-weight", "x-mbx-used-weight-1m"] {
        reply.headers_mut().insert(name, HeaderValue::from(used));
    }
}
