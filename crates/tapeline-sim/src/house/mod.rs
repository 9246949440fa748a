//! One simulated venue at one address, without sockets, clocks or tasks: whoever drives it says what arrives and
//! when, and carries out what it answers.
//!
//! The server drives it with real sockets and real time, a simulated world in virtual time. Equal options and
//! equal calls give equal outputs.

mod floor;
mod gate;
mod options;
mod rest;
mod routes;
mod socket;
mod wire;

pub use options::HouseOptions;
pub use wire::{Reply, Said, Say, SocketId};

use crate::dialect::Change;
use crate::exchange::{TrueBook, names};
use crate::names::Base;
use crate::report::Report;
use bytes::Bytes;
use floor::{Floor, nanos};
use gate::Gate;
use rest::{Target, parse_query};
use routes::{Printer, Routes};
use socket::{Bell, Socket};
use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

/// A simulated venue. All times are nanoseconds of its own clock, which starts at 0 and never runs back.
///
/// After every call that takes a time the outputs are waiting in [`next_output`](Self::next_output).
#[derive(Debug)]
pub struct House {
    options: HouseOptions,
    futures: bool,
    floor: Floor,
    routes: Routes,
    gate: Gate,
    sockets: BTreeMap<u64, Socket>,
    out: VecDeque<(SocketId, Say)>,
    printer: Printer,
    report: Report,
    now: u64,
    next_socket: u64,
}

/// Sockets whose busiest second is remembered one by one.
const REMEMBERED_SOCKETS: usize = 1_024;

impl House {
    /// Opens a house at time 0.
    pub fn new(options: HouseOptions) -> Self {
        let market = &options.market;
        let futures = market.futures;
        Self {
            futures,
            floor: Floor::new(market, options.unix_ms_at_zero, options.start_after),
            routes: Routes::new(names(&market.symbols, futures)),
            gate: Gate::default(),
            sockets: BTreeMap::new(),
            out: VecDeque::new(),
            printer: Printer::default(),
            report: Report::default(),
            now: 0,
            next_socket: 0,
            options,
        }
    }

    /// Whether a request for this target (path and query, or a whole URL) is one for a WebSocket.
    pub fn opens(&self, target: &str) -> bool {
        self.opening(&Target::parse(target)).is_some()
    }

    /// An upgrade request for a target (path and query, or a whole URL).
    ///
    /// # Errors
    /// The HTTP reply of a refusal.
    pub fn connect(&mut self, now: u64, from: IpAddr, target: &str) -> Result<SocketId, Reply> {
        self.advance(now);
        let target = Target::parse(target);
        let admitted = self.admit(from, &target);
        let opening = admitted.inspect_err(|_| self.report.refused += 1)?;
        self.next_socket += 1;
        let id = self.next_socket;
        self.report.connects += 1;
        self.report.open += 1;
        let mut socket = Socket::new(&self.options, self.now, from, opening.combined, opening.base);
        // The number of streams was checked before.
        let fresh = socket.session.add(&opening.streams).unwrap_or_default();
        self.sockets.insert(id, socket);
        self.floor.touch(self.now);
        if !fresh.is_empty() {
            self.subscribe(id, &fresh);
        }
        Ok(SocketId(id))
    }

    /// Something arrives from a client.
    pub fn receive(&mut self, now: u64, socket: SocketId, said: Said<'_>) {
        self.advance(now);
        let Some(known) = self.sockets.get_mut(&socket.0).filter(|known| !known.frozen) else { return };
        if said == Said::Close {
            return self.end(socket.0, Say::Close { code: 1000, reason: "" });
        }
        self.report.client_messages += 1;
        let admitted = known.window.admit(self.now);
        let from = known.from;
        self.note_pace(socket.0);
        if !admitted {
            self.report.closed_for_rate += 1;
            self.gate.offend(&self.options, self.now, from);
            return self.end(socket.0, Say::Close { code: 1008, reason: "Too many requests" });
        }
        match said {
            Said::Text(text) => self.request_on(socket.0, text),
            // Bytes are no JSON text; the answer says so.
            Said::Binary(_) => self.request_on(socket.0, ""),
            Said::Ping(payload) => self.say(socket.0, Say::Pong(Bytes::copy_from_slice(payload))),
            Said::Pong(payload) => {
                let answered = self.sockets.get_mut(&socket.0).is_some_and(|known| known.ponged(payload));
                self.report.pongs += u64::from(answered);
            }
            Said::Close => {}
        }
    }

    /// The network or the client took the socket away. Unknown sockets are nobody's loss.
    pub fn gone(&mut self, now: u64, socket: SocketId) {
        self.advance(now);
        self.forget(socket.0);
    }

    /// A REST request (GET) for a target: path and query, or a whole URL.
    pub fn request(&mut self, now: u64, from: IpAddr, target: &str) -> Reply {
        self.advance(now);
        self.report.http_requests += 1;
        self.answer(from, &Target::parse(target))
    }

    /// Lets everything happen that is due until `now`, in its order.
    pub fn advance(&mut self, now: u64) {
        let mut bell = self.next_bell();
        loop {
            let market = self.floor.due();
            if market.min(bell.0) > now {
                break;
            }
            if bell.0 <= market {
                self.now = self.now.max(bell.0);
                self.ring(bell.1, bell.2);
            } else {
                self.now = self.now.max(market);
                self.floor.step(market, &self.routes.wanted);
                self.tell();
            }
            bell = self.next_bell();
        }
        self.now = self.now.max(now);
    }

    /// When something happens next by itself.
    pub fn deadline(&self) -> Option<u64> {
        Some(self.floor.due().min(self.next_bell().0)).filter(|at| *at < u64::MAX)
    }

    /// What is to be done next on a socket. Empty it after every call, for it grows until then.
    pub fn next_output(&mut self) -> Option<(SocketId, Say)> {
        self.out.pop_front()
    }

    /// The true book of a symbol (`BTCUSDT`): now, or at an update id that is still remembered.
    pub fn truth(&self, symbol: &str, id: Option<u64>) -> Option<TrueBook> {
        self.floor.market.truth(symbol, id)
    }

    /// The counters now.
    pub fn report(&self) -> Report {
        let streams = self.routes.report();
        Report {
            streams,
            played: self.floor.frames.made,
            finished: self.floor.is_finished(),
            ..self.report.clone()
        }
    }

    /// The house's wall clock, Unix milliseconds.
    pub const fn unix_ms(&self) -> u64 {
        self.options.unix_ms_at_zero + self.now / 1_000_000
    }

    fn admit(&mut self, from: IpAddr, target: &Target<'_>) -> Result<Opening, Reply> {
        let opening = self.opening(target).ok_or_else(|| Reply::text(404, "no such path\n"))?;
        if opening.streams.len() > self.options.streams {
            return Err(Reply::text(400, "too many streams in the URL\n"));
        }
        if self.sockets.len() >= self.options.sockets {
            return Err(Reply::text(503, "too many open sockets\n"));
        }
        self.gate.connect(&self.options, &mut self.report, self.now, from)?;
        Ok(opening)
    }

    /// The meaning of a stream path, `None` for any other path.
    fn opening(&self, target: &Target<'_>) -> Option<Opening> {
        let path = target.path.as_str();
        let (base, rest) = match path {
            _ if self.futures && path.starts_with("/public/") => (Base::Public, &path["/public".len()..]),
            _ if self.futures && path.starts_with("/market/") => (Base::Market, &path["/market".len()..]),
            // The retired unrouted path behaves like /public.
            _ if self.futures => (Base::Public, path),
            _ => (Base::Whole, path),
        };
        let names = |list: &str| list.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        let streams = match (rest, target.query) {
            ("/ws", _) | ("/stream", None) => Vec::new(),
            ("/stream", Some(query)) => names(parse_query(query).get("streams").map_or("", String::as_str)),
            _ => names(rest.strip_prefix("/ws/")?),
        };
        Some(Opening { combined: rest == "/stream", base, streams })
    }

    fn request_on(&mut self, id: u64, text: &str) {
        let Some(known) = self.sockets.get_mut(&id) else { return };
        let (reply, change) = known.session.request(text);
        match change {
            Change::Nothing | Change::Combined(_) => {}
            Change::Added(names) => self.subscribe(id, &names),
            Change::Removed(names) => names.iter().for_each(|name| self.routes.remove(id, name)),
            Change::Refused => self.report.request_errors += 1,
        }
        self.say(id, Say::Text(reply.into()));
    }

    fn subscribe(&mut self, id: u64, names: &[String]) {
        self.report.subscribes += 1;
        let Some(base) = self.sockets.get(&id).map(|known| known.base) else { return };
        // Names that no stream has, or that another base carries, are accepted and stay mute.
        for name in names.iter().filter(|name| base.carries(name)) {
            self.routes.add(id, name);
        }
        self.floor.touch(self.now);
    }

    /// Hands what the market made to everyone who subscribed it.
    fn tell(&mut self) {
        for frame in self.floor.frames.iter() {
            let stream = frame.stream as usize;
            let targets = self.routes.targets(frame.stream);
            if targets.is_empty() {
                continue;
            }
            let mut sent = 0;
            for target in targets {
                let Some(known) = self.sockets.get(&target.socket) else { continue };
                for name in &target.names {
                    let text = if known.session.combined {
                        self.printer.combined(name, frame.payload)
                    } else {
                        self.printer.text(&[frame.payload])
                    };
                    self.out.push_back((SocketId(target.socket), Say::Text(text)));
                    sent += 1;
                }
            }
            let told = &mut self.routes.streams[stream];
            told.offered += 1;
            told.sent += sent;
            self.report.frames_sent += sent;
        }
        self.floor.frames.clear();
    }

    fn next_bell(&self) -> (u64, u64, Bell) {
        let pong_within = nanos(self.options.pong_within);
        let bells = self.sockets.iter().map(|(id, socket)| {
            let (at, bell) = socket.bell(pong_within);
            (at, *id, bell)
        });
        bells.min_by_key(|(at, id, _)| (*at, *id)).unwrap_or((u64::MAX, 0, Bell::Ping))
    }

    fn ring(&mut self, id: u64, bell: Bell) {
        let now_ms = self.unix_ms();
        let Some(known) = self.sockets.get_mut(&id) else { return };
        match bell {
            Bell::Ping => {
                known.next_ping = self.now.saturating_add(nanos(self.options.ping_every).max(1));
                // Pings carry the time, so that no two are alike.
                let payload = now_ms.to_string();
                known.pinged(payload.clone(), self.now);
                self.report.pings += 1;
                self.say(id, Say::Ping(payload.into()));
            }
            Bell::Silence => {
                self.report.closed_for_silence += 1;
                self.end(id, Say::Fin);
            }
            Bell::Warn => {
                known.warned_at = u64::MAX;
                self.warn(id);
            }
            Bell::Age => {
                self.report.closed_for_age += 1;
                self.end(id, Say::Fin);
            }
        }
    }

    /// Sends `serverShutdown`, which needs no subscription.
    fn warn(&mut self, id: u64) {
        let payload = format!("{{\"e\":\"serverShutdown\",\"E\":{}}}", self.unix_ms());
        let Some(known) = self.sockets.get(&id) else { return };
        let text = if known.session.combined {
            self.printer.combined("!serverShutdown", payload.as_bytes())
        } else {
            payload.into()
        };
        self.say(id, Say::Text(text));
    }

    fn say(&mut self, id: u64, say: Say) {
        if self.sockets.get(&id).is_some_and(|known| !known.frozen) {
            self.out.push_back((SocketId(id), say));
        }
    }

    /// Lets go of a socket with a last word.
    fn end(&mut self, id: u64, farewell: Say) {
        if self.sockets.contains_key(&id) {
            self.out.push_back((SocketId(id), farewell));
            self.forget(id);
        }
    }

    fn forget(&mut self, id: u64) {
        if self.sockets.remove(&id).is_some() {
            self.report.open -= 1;
            self.routes.leave(id);
        }
    }

    fn note_pace(&mut self, id: u64) {
        let Some(known) = self.sockets.get(&id) else { return };
        let most = known.window.most() as u64;
        let report = &mut self.report;
        report.most_messages_in_a_second = report.most_messages_in_a_second.max(most);
        report.messages_in_a_second.insert(id, most);
        if report.messages_in_a_second.len() > REMEMBERED_SOCKETS {
            report.messages_in_a_second.pop_first();
        }
    }
}

/// What the URL of a socket said.
#[derive(Debug)]
struct Opening {
    combined: bool,
    base: Base,
    streams: Vec<String>,
}

#[cfg(test)]
mod tests;
