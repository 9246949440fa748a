//! One simulated venue at one address, without sockets, clocks or tasks: whoever drives it says what arrives and
//! when, and carries out what it answers.
//!
//! The server drives it with real sockets and real time, a simulated world in virtual time. Equal options and
//! equal calls give equal outputs.

mod acts;
mod curtain;
mod date;
mod door;
mod floor;
mod gate;
mod kinds;
mod login;
mod options;
mod rest;
mod routes;
mod socket;
mod spoil;
mod telling;
mod trouble;
mod troubles;
mod wire;

pub use door::OpenSocket;
pub use kinds::{Kind, UnknownKind};
pub use options::HouseOptions;
pub use telling::Mishap;
pub use trouble::{BadScript, BadTrouble, Scope, Trouble, When, parse_script};
pub use troubles::TroubleId;
pub use wire::{Reply, Said, Say, SocketId};

#[cfg(test)]
pub(crate) use spoil::spoilt;
pub(crate) use telling::Frame;
pub(crate) use trouble::distance;

use crate::exchange::{LevelChange, Symbol, TrueBook, TrueTrade, names};
use crate::playback::Speed;
use crate::recording::Recording;
use crate::report::Report;
use crate::rng::Rng;
use acts::Later;
use bytes::Bytes;
use curtain::Curtain;
use date::http_date;
use floor::Floor;
pub(crate) use floor::nanos;
use gate::Gate;
use login::Lock;
use rest::Target;
use routes::{Printer, Routes};
use socket::{Bell, Socket};
use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use telling::{Mishaps, Published};
use troubles::Troubles;

/// A simulated venue. All times are nanoseconds of its own clock, which starts at 0 and never runs back.
///
/// After every call that takes a time the outputs are waiting in [`next_output`](Self::next_output).
#[derive(Debug)]
pub struct House {
    options: HouseOptions,
    futures: bool,
    stage: Stage,
    curtain: Curtain,
    routes: Routes,
    gate: Gate,
    sockets: BTreeMap<u64, Socket>,
    out: VecDeque<(SocketId, Say)>,
    printer: Printer,
    report: Report,
    troubles: Troubles,
    mishaps: Mishaps,
    published: Published,
    /// What is to happen to sockets, by moment and order of planning.
    agenda: BTreeMap<(u64, u64), (u64, Later)>,
    planned: u64,
    dice: Rng,
    now: u64,
    next_socket: u64,
    /// The keys that sockets must show, if they must.
    lock: Lock,
}

/// What a house performs.
#[derive(Debug)]
enum Stage {
    Floor(Box<Floor>),
    /// Its frames are handed in by whoever plays it.
    Recording(Arc<Recording>),
}

/// What is due next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Curtain,
    Trouble,
    Plan,
    Bell(u64, Bell),
}

impl House {
    /// Opens a house with a generated market at time 0.
    pub fn new(options: HouseOptions) -> Self {
        let market = &options.market;
        // A market that races or ends is there for its listeners and waits for them to come. A live one has been
        // running all along and waits for nobody.
        let live = market.speed != Speed::Max && market.frames.is_none();
        let curtain = if live { Curtain::open() } else { Curtain::waiting(options.start_after) };
        let stage = Stage::Floor(Box::new(Floor::new(market, options.unix_ms_at_zero)));
        let names = names(&market.symbols, market.futures);
        Self::with(options, stage, curtain, names)
    }

    /// A house whose frames come from a recording.
    pub(crate) fn of_recording(mut options: HouseOptions, recording: Arc<Recording>) -> Self {
        options.market.futures = recording.capture.futures;
        let names = recording.capture.streams.clone();
        let numbers = (0..).zip(&names).map(|(number, name)| (name.clone(), number)).collect();
        let curtain = Curtain::waiting(options.start_after);
        Self::with(options, Stage::Recording(recording), curtain, (names, numbers))
    }

    fn with(
        options: HouseOptions,
        stage: Stage,
        curtain: Curtain,
        names: (Vec<String>, std::collections::HashMap<String, u32>),
    ) -> Self {
        Self {
            futures: options.market.futures,
            // A recording holds one speed of the depth stream; whoever asks for another still wants these frames.
            routes: Routes::new(names, matches!(stage, Stage::Recording(_))),
            stage,
            curtain,
            gate: Gate::default(),
            sockets: BTreeMap::new(),
            out: VecDeque::new(),
            printer: Printer::default(),
            report: Report::default(),
            troubles: Troubles::default(),
            mishaps: Mishaps::default(),
            published: Published::default(),
            agenda: BTreeMap::new(),
            planned: 0,
            dice: Rng::new(options.market.seed, u64::MAX - 2),
            now: 0,
            next_socket: 0,
            lock: Lock::default(),
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
        self.connect_with_key(now, from, target, None)
    }

    /// The same for a client that shows a key.
    ///
    /// # Errors
    /// The refusal, also for a key that the house does not take.
    pub fn connect_with_key(
        &mut self,
        now: u64,
        from: IpAddr,
        target: &str,
        key: Option<&str>,
    ) -> Result<SocketId, Reply> {
        self.advance(now);
        let target = Target::parse(target);
        let admitted = self.admit(from, &target).and_then(|opening| self.check_key(key).map(|()| opening));
        let opening = admitted.inspect_err(|_| self.report.refused += 1)?;
        self.next_socket += 1;
        let id = self.next_socket;
        self.report.connects += 1;
        self.report.open += 1;
        let mut socket = Socket::new(&self.options, self.now, from, &opening);
        let mut fresh = Vec::new();
        if !self.lock.is_by_message() {
            // The number of streams was checked before.
            fresh = socket.session.add(&opening.streams).unwrap_or_default();
        }
        self.sockets.insert(id, socket);
        self.curtain.touch(self.now);
        self.greet(id, key);
        if !fresh.is_empty() {
            self.subscribe(id, &fresh);
        }
        self.welcome(id, target.host);
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
            Said::Ping(_) if self.has_manner(Kind::NoPong, socket.0) => {}
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
        self.request_with_key(now, from, target, None)
    }

    /// The same, with what stood in the header `X-MBX-APIKEY`.
    pub fn request_with_key(&mut self, now: u64, from: IpAddr, target: &str, key: Option<&str>) -> Reply {
        self.advance(now);
        self.report.http_requests += 1;
        let reply = self.answer(from, &Target::parse(target), key);
        reply.with("date", http_date(self.unix_ms() / 1_000))
    }

    /// Lets everything happen that is due until `now`, in its order.
    pub fn advance(&mut self, now: u64) {
        let mut own = self.next_own();
        loop {
            let market = self.market_due();
            if market.min(own.0) > now {
                break;
            }
            if own.0 <= market {
                self.now = self.now.max(own.0);
                self.do_own(own.1);
                own = self.next_own();
            } else {
                self.now = self.now.max(market);
                if self.step_market() {
                    own = self.next_own();
                }
            }
        }
        self.now = self.now.max(now);
    }

    /// When something happens next by itself.
    pub fn deadline(&self) -> Option<u64> {
        Some(self.market_due().min(self.next_own().0)).filter(|at| *at < u64::MAX)
    }

    /// Lets a market that runs at full speed do something, at most until it has made `most` more frames, wanted
    /// or not. False if there is nothing to do: it has not begun, it is at its end, or it goes by the clock.
    pub fn race(&mut self, now: u64, most: u64) -> bool {
        self.advance(now);
        let Stage::Floor(floor) = &self.stage else { return false };
        let made = floor.frames.made;
        let mut done = false;
        // Not every step makes frames: the steps are bounded too.
        for _ in 0..8 * most {
            let Stage::Floor(floor) = &self.stage else { break };
            let ready = floor.races() && self.curtain.since().is_some() && !floor.is_finished();
            if !ready || floor.frames.made >= made.saturating_add(most) {
                break;
            }
            self.step_market();
            done = true;
        }
        done
    }

    /// Opens a market or a recording that waits for its listeners at once.
    pub fn begin_now(&mut self, now: u64) {
        self.advance(now);
        self.curtain.begin(self.now);
    }

    /// Whether the market or the recording has begun.
    pub fn has_begun(&self) -> bool {
        self.curtain.since().is_some()
    }

    /// Sends `serverShutdown` to every socket; nothing follows from it.
    pub fn announce_shutdown(&mut self, now: u64) {
        self.advance(now);
        let ids: Vec<u64> = self.sockets.keys().copied().collect();
        ids.into_iter().for_each(|id| self.warn(id));
    }

    /// Whether a market with an end has come to it.
    pub fn is_finished(&self) -> bool {
        self.floor().is_some_and(Floor::is_finished)
    }

    /// Orders a trouble.
    pub fn trouble(&mut self, now: u64, trouble: Trouble) -> TroubleId {
        self.advance(now);
        let id = self.troubles.order(self.now, trouble, &self.routes.names);
        // What begins at once has begun when this returns.
        self.advance(now);
        TroubleId(id)
    }

    /// Calls a trouble off; false if there is none of this number.
    pub fn calm(&mut self, id: TroubleId) -> bool {
        self.troubles.call_off(id.0)
    }

    /// Calls every trouble off.
    pub fn calm_all(&mut self) {
        self.troubles.clear();
    }

    /// The troubles that are ordered and not over: each with how often it has struck.
    pub fn troubles(&self) -> Vec<(TroubleId, Trouble, u64)> {
        let list = self.troubles.list(self.now);
        list.map(|(id, trouble, hits)| (TroubleId(id), trouble.clone(), hits)).collect()
    }

    /// The frames that did not reach a socket as they should have, after the mishap of this number; the newest
    /// 65,536 are remembered.
    pub fn mishaps(&self, since: u64) -> impl Iterator<Item = &Mishap> {
        self.mishaps.since(since)
    }

    /// The open sockets, oldest first.
    pub fn sockets(&self) -> impl Iterator<Item = SocketId> {
        self.sockets.keys().map(|id| SocketId(*id))
    }

    /// What a socket has subscribed, in the client's spelling; nothing for a socket that is gone.
    pub fn subscriptions(&self, socket: SocketId) -> &[String] {
        self.sockets.get(&socket.0).map_or(&[], |known| &known.session.streams)
    }

    /// Keeps what is published on a stream, as it was before any trouble, to be taken by a judge in time.
    pub(crate) fn keep_published(&mut self, stream: &str) {
        self.published.streams.extend(self.routes.number(stream));
    }

    /// What was published on those streams since: numbers of streams and payloads.
    pub(crate) fn take_published(&mut self) -> impl Iterator<Item = (u32, Box<[u8]>)> {
        self.published.payloads.drain(..)
    }

    /// How often a kind of trouble has struck.
    pub(crate) fn strikes(&self, kind: Kind) -> u64 {
        self.troubles.counts.get(kind.name()).copied().unwrap_or(0)
    }

    /// The number of the stream that a name means.
    pub(crate) fn stream_number(&self, name: &str) -> Option<u32> {
        self.routes.number(name)
    }

    /// What is to be done next on a socket. Empty it after every call, for it grows until then.
    pub fn next_output(&mut self) -> Option<(SocketId, Say)> {
        self.out.pop_front()
    }

    /// The true book of a symbol (`BTCUSDT`): now, or at an update id that is still remembered.
    pub fn truth(&self, symbol: &str, id: Option<u64>) -> Option<TrueBook> {
        self.floor()?.market.truth(symbol, id)
    }

    /// Every change of a symbol's book after an update id, in order; `None` if some of them are forgotten (or
    /// belong to the time before a restart of its ids).
    pub fn changes(&self, symbol: &str, after: u64) -> Option<impl Iterator<Item = LevelChange>> {
        self.floor()?.market.changes(symbol, after)
    }

    /// The remembered trades of a symbol after a trade id, in order; spent ids are among them, without lots.
    pub fn trades(&self, symbol: &str, after: u64) -> Option<impl DoubleEndedIterator<Item = &TrueTrade>> {
        self.floor()?.market.trades(symbol, after)
    }

    /// A listed symbol, with the scales of its ticks and lots.
    pub fn symbol(&self, symbol: &str) -> Option<&Symbol> {
        self.floor()?.market.symbol(symbol)
    }

    /// The counters now.
    pub fn report(&self) -> Report {
        let streams = self.routes.report();
        let troubles = self.troubles.counts.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect();
        let mut report = Report { streams, troubles, ..self.report.clone() };
        if let Some(floor) = self.floor() {
            (report.played, report.finished) = (floor.frames.made, floor.is_finished());
        }
        report
    }

    pub(crate) const fn report_mut(&mut self) -> &mut Report {
        &mut self.report
    }

    /// The streams the venue has, in canonical spelling.
    pub fn streams(&self) -> Vec<String> {
        self.routes.names.iter().filter(|name| self.routes.accepts(name)).cloned().collect()
    }

    /// Whether the venue is USD-M futures rather than spot.
    pub const fn is_futures(&self) -> bool {
        self.futures
    }

    /// The house's wall clock, Unix milliseconds.
    pub const fn unix_ms(&self) -> u64 {
        self.options.unix_ms_at_zero + self.now / 1_000_000
    }

    fn floor(&self) -> Option<&Floor> {
        if let Stage::Floor(floor) = &self.stage { Some(floor) } else { None }
    }

    fn floor_mut(&mut self) -> Option<&mut Floor> {
        if let Stage::Floor(floor) = &mut self.stage { Some(floor) } else { None }
    }

    fn market_due(&self) -> u64 {
        match (&self.stage, self.curtain.since()) {
            (Stage::Floor(floor), Some(since)) => floor.due(since),
            _ => u64::MAX,
        }
    }

    /// Lets the next thing of the market happen; true if it told anybody anything.
    fn step_market(&mut self) -> bool {
        let Stage::Floor(floor) = &mut self.stage else { return false };
        floor.step(&self.routes.wanted);
        let told = floor.frames.len() > 0;
        if told {
            self.tell();
        }
        told
    }

    /// What the house itself does next, and when.
    fn next_own(&self) -> (u64, Due) {
        let pong_within = nanos(self.options.pong_within);
        let bells = self.sockets.iter().map(|(id, socket)| {
            let (at, bell) = socket.bell(pong_within);
            (at, Due::Bell(*id, bell))
        });
        let plan = self.agenda.first_key_value().map_or(u64::MAX, |((at, _), _)| *at);
        let others =
            [(self.curtain.due(), Due::Curtain), (self.troubles.due(), Due::Trouble), (plan, Due::Plan)];
        others.into_iter().chain(bells).min().unwrap_or((u64::MAX, Due::Plan))
    }

    fn do_own(&mut self, due: Due) {
        match due {
            Due::Curtain => self.curtain.begin(self.now),
            Due::Trouble => {
                if let Some(trouble) = self.troubles.begin(self.now) {
                    self.begin(&trouble);
                }
            }
            Due::Plan => self.carry_out(),
            Due::Bell(id, bell) => self.ring(id, bell),
        }
    }
}

#[cfg(test)]
mod tests;
