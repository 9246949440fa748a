//! The way of everything that leaves a process or reaches it on a socket: dials, messages and their answers.

use bytes::Bytes;
use tapeline_core::feed::{Action, Closed, DialError, Input, Stage};
use tapeline_core::policy::fault::Fault;
use tapeline_core::venue::{DialRequest, LineId};

use super::clock::{MS, SEC};
use super::edge;
use super::guarded::shown;
use super::host::{Down, Link, Up, text_of};
use super::oracle::Plea;
use super::reader::Habit;
use super::scene::key;
use super::trace::Deed;
use super::weather::{Fate, Passage, broken};
use super::{Event, World};
use crate::house::{Kind, Reply, Say, SocketId, nanos};

/// So many messages of a connection are taken in before the feed is driven again: about what a socket's buffer holds.
pub(super) const BATCH: usize = 64;
/// Reading a file takes so long.
const FILE: u64 = 5 * MS;
/// A line that the venue or the way ended is not missed before so long.
const LOST: u64 = 20 * SEC;

impl World {
    /// Begins what a feed wants done.
    pub(super) fn perform(&mut self, host: usize, action: Action) {
        match action {
            Action::Dial { line, request, give_up } => self.dial(host, line, &request, give_up.0),
            Action::Send { line, text } => self.send(host, line, Up::Text(text)),
            Action::Login { line, text } => self.send(host, line, Up::Text(text.0)),
            Action::Ping { line, payload } => self.send(host, line, Up::Ping(payload)),
            Action::Pong { line, payload } => self.send(host, line, Up::Pong(payload)),
            Action::Close { line, .. } => self.hang_up(host, line),
            Action::Fetch { id, topic, why, request } => self.fetch(host, id, topic, why, request),
            Action::ReadKeys => self.agenda.plan(self.now + FILE, Event::Keys(host)),
        }
    }

    /// What stands where the keys come from is put into the feed.
    pub(super) fn keys_read(&mut self, host: usize) {
        if self.is_away(host, || Event::Keys(host)) {
            return;
        }
        self.mint(host);
        let (time, keys) = (self.time(), self.hosts[host].vault.clone());
        self.hosts[host].with(|feed| feed.handle(time, Input::Keys { keys }));
    }

    /// Where keys end, a new one is given out whenever they are read.
    fn mint(&mut self, host: usize) {
        let (now, place) = (self.now, &mut self.hosts[host]);
        let Some(life) = place.config.keys.as_ref().and_then(|keys| keys.life) else { return };
        place.issued += 1;
        let minted = key(place.issued);
        self.houses[place.house].add_login(now, &minted.secret, now + nanos(life));
        place.vault = Some(minted.lasting(life));
        *self.struck.entry("renew").or_default() += 1;
    }

    fn dial(&mut self, host: usize, line: LineId, request: &DialRequest, give_up: u64) {
        self.figures.dials += 1;
        let (now, place) = (self.now, &mut self.hosts[host]);
        let url = &request.url;
        let endpoint = place.streams.iter().position(|origin| url.starts_with(origin.as_str())).unwrap_or(0);
        let link = Link {
            url: url.clone(),
            key: shown(request),
            keyed: request.keyed,
            ..Link::new(line, place.life, now, request.max_message)
        };
        let number = place.add_link(link);
        match place.weather.dial(now, endpoint) {
            Passage::Open => {
                let delay = place.weather.handshake(now);
                if now + delay < give_up {
                    self.agenda.plan(now + delay, Event::Knock(host, number, url.clone()));
                } else {
                    let fault = Fault::Transient;
                    let why = DialError { stage: Stage::Upgrade, fault, detail: "timed out".to_owned() };
                    self.agenda.plan(give_up, Event::Answer(host, number, Err(Box::new(why))));
                }
            }
            Passage::Fails(after, why) => {
                let at = (now + after).min(give_up);
                self.agenda.plan(at, Event::Answer(host, number, Err(Box::new(why))));
            }
        }
    }

    /// A dial reaches the venue.
    pub(super) fn knock(&mut self, host: usize, number: u64, url: &str) {
        let (now, place) = (self.now, &mut self.hosts[host]);
        let back = now + place.weather.delay(now);
        // One that was given up on its way has none any more.
        let Some(key) = place.links.get(&number).map(|link| link.key.clone()) else { return };
        let house = place.house;
        let refused = self.houses[house].strikes(Kind::Refuse);
        match self.houses[house].connect_with_key(now, place.address(), url, key.as_deref()) {
            Ok(socket) => {
                if let Some(link) = self.hosts[host].links.get_mut(&number) {
                    link.socket = Some(socket);
                    // What the venue says first must not come before the answer.
                    link.down.shut(back);
                }
                self.agenda.plan(back, Event::Answer(host, number, Ok(socket)));
            }
            Err(reply) if reply.status == Reply::NO_CONNECTION => {
                let detail = "connection refused".to_owned();
                let why = DialError { stage: Stage::Tcp, fault: Fault::Transient, detail };
                self.agenda.plan(back, Event::Answer(host, number, Err(Box::new(why))));
            }
            Err(reply) => {
                let ordered = self.houses[house].strikes(Kind::Refuse) > refused;
                self.oracles.answered(host, &reply, ordered);
                self.agenda.plan(back, Event::Refusal(host, number, Box::new(reply)));
            }
        }
    }

    /// The answer to a dial reaches the process.
    pub(super) fn answer(&mut self, host: usize, number: u64, answer: Result<SocketId, DialError>) {
        if self.is_away(host, || Event::Answer(host, number, answer.clone().map_err(Box::new))) {
            return;
        }
        let (now, time) = (self.now, self.time());
        let place = &mut self.hosts[host];
        let Some(link) = place.links.get_mut(&number) else { return };
        if !link.wanted {
            return place.tidy(number);
        }
        let line = link.line;
        match answer {
            Ok(socket) => {
                link.open = true;
                self.trace.tell(now, format!("host {host} line {line} open as socket {}", socket.number()));
                let beside = self.hosts[host].beside(line).is_some();
                self.oracles.opened(now, host, line, beside);
                self.hosts[host].with(|feed| feed.handle(time, Input::Opened { line }));
                self.arm(host, number);
            }
            Err(why) => {
                link.wanted = false;
                place.tidy(number);
                self.trace
                    .tell(now, format!("host {host} line {line} failed: {:?} {}", why.fault, why.detail));
                let beside = self.hosts[host].beside(line).is_some();
                self.oracles.ended(now, host, line, why.fault, beside);
                self.oracles.disturb(host, now);
                self.hosts[host].with(|feed| feed.handle(time, Input::Failed { line, why }));
            }
        }
    }

    /// The refusal of an upgrade reaches the process.
    pub(super) fn refuse(&mut self, host: usize, number: u64, reply: &Reply) {
        if let Some(link) = self.hosts[host].links.get(&number).filter(|link| link.wanted) {
            self.oracles.refused(self.now, host, (&link.url, reply), false);
        }
        let keyed = self.hosts[host].links.get(&number).is_some_and(|link| link.keyed);
        self.answer(host, number, Err(edge::refused(reply, keyed, self.time().unix)));
    }

    /// Puts an event off while a process does not run; whether it did.
    fn is_away(&mut self, host: usize, again: impl FnOnce() -> Event) -> bool {
        let until = self.hosts[host].paused_until;
        if until <= self.now {
            return false;
        }
        self.agenda.plan(until, again());
        true
    }

    fn send(&mut self, host: usize, line: LineId, what: Up) {
        let Some(number) = self.hosts[host].link_of(line) else { return };
        let at = self.now + self.hosts[host].weather.delay(self.now);
        if let Some(link) = self.hosts[host].links.get_mut(&number) {
            link.up.send(at, what);
        }
        self.arm(host, number);
    }

    /// The feed lets go of a line: a goodbye goes out if there is anybody to hear it.
    fn hang_up(&mut self, host: usize, line: LineId) {
        let Some(number) = self.hosts[host].link_of(line) else { return };
        self.let_go(host, number, Up::Bye);
    }

    /// The process lets go of a link, with a last word or without.
    pub(super) fn let_go(&mut self, host: usize, number: u64, word: Up) {
        let at = self.now + self.hosts[host].weather.delay(self.now);
        let Some(link) = self.hosts[host].links.get_mut(&number) else { return };
        link.wanted = false;
        link.open = false;
        link.down.clear();
        link.up.send(at, word);
        self.arm(host, number);
        self.hosts[host].tidy(number);
    }

    /// Plans the next look at both ends of a link.
    pub(super) fn arm(&mut self, host: usize, number: u64) {
        let now = self.now;
        let Some(link) = self.hosts[host].links.get_mut(&number) else { return };
        if let Some(at) = link.up.arm(now) {
            self.agenda.plan(at, Event::Up(host, number));
        }
        if link.blocked || !link.open {
            return;
        }
        if let Some(at) = link.down.arm(now) {
            self.agenda.plan(at, Event::Down(host, number));
        }
    }

    /// Something arrives at the venue.
    pub(super) fn arrive_up(&mut self, host: usize, number: u64) {
        let now = self.now;
        let house = self.hosts[host].house;
        if let Some(link) = self.hosts[host].links.get_mut(&number) {
            link.up.looked(now);
        }
        loop {
            let Some(link) = self.hosts[host].links.get_mut(&number) else { return };
            let Some(what) = link.up.take(now) else { break };
            let Some(socket) = link.socket else { continue };
            let house = &mut self.houses[house];
            match what.said() {
                Some(said) => house.receive(now, socket, said),
                None => house.gone(now, socket),
            }
            if what.is_last() {
                link.socket = None;
            }
        }
        self.arm(host, number);
        self.hosts[host].tidy(number);
    }

    /// Puts what a house says on its way.
    pub(super) fn carry_down(&mut self, house: usize) {
        self.oracles.follow(house, &mut self.houses[house]);
        while let Some((socket, say)) = self.houses[house].next_output() {
            let holder = self
                .hosts
                .iter()
                .position(|host| host.house == house && host.link_of_socket(socket).is_some());
            let Some(host) = holder else { continue };
            let Some(number) = self.hosts[host].link_of_socket(socket) else { continue };
            let ends = say.is_end();
            self.put_down(host, number, say);
            if ends {
                self.oracles.disturb(host, self.now + LOST);
                let place = &mut self.hosts[host];
                if let Some(link) = place.links.get_mut(&number) {
                    link.socket = None;
                }
                place.tidy(number);
            }
            self.arm(host, number);
        }
    }

    fn put_down(&mut self, host: usize, number: u64, say: Say) {
        let now = self.now;
        let place = &mut self.hosts[host];
        if !place.links.get(&number).is_some_and(|link| link.wanted) {
            return;
        }
        let at = now + place.weather.delay(now);
        let mut copies = vec![say];
        if let Some(bytes) = text_of(&copies[0]).cloned() {
            match place.weather.frame(now, &bytes) {
                Fate::Pass => {}
                Fate::Lost => copies.clear(),
                Fate::Twice => copies.push(Say::Text(bytes)),
                Fate::Behind => {
                    copies = place.weather.keep(number, bytes).map(Say::Text).into_iter().collect()
                }
                Fate::Spoilt(bad) => copies = vec![Say::Text(bad)],
                Fate::Later(more) => {
                    // Others overtake it, so it comes by itself.
                    self.agenda.plan(at + more, Event::Step(host, super::Step::Late(number, bytes)));
                    return;
                }
            }
            if !copies.is_empty() {
                copies.extend(place.weather.kept(number).map(Say::Text));
            }
        }
        let Some(link) = place.links.get_mut(&number) else { return };
        for (at, say) in (at..).zip(copies) {
            link.down.send(at, Down::Said(say));
        }
    }

    /// A message that a proxy held back goes on its way.
    pub(super) fn late(&mut self, host: usize, number: u64, bytes: Bytes) {
        if let Some(link) = self.hosts[host].links.get_mut(&number).filter(|link| link.wanted) {
            link.down.send(self.now, Down::Said(Say::Text(bytes)));
        }
        self.arm(host, number);
    }

    /// Something arrives at the process.
    pub(super) fn arrive_down(&mut self, host: usize, number: u64) {
        if self.is_away(host, || Event::Down(host, number)) {
            return;
        }
        let now = self.now;
        if let Some(link) = self.hosts[host].links.get_mut(&number) {
            link.down.looked(now);
        }
        for count in 1.. {
            if count % BATCH == 0 {
                // Who works through what has arrived does not run in place.
                self.ticks[host] = 0;
                self.drive(host);
            }
            let place = &mut self.hosts[host];
            let Some(link) = place.links.get_mut(&number).filter(|link| link.wanted && link.open) else {
                return;
            };
            let line = link.line;
            if place.with(|feed| feed.is_blocked(line)) == Some(true) {
                self.oracles.blocked(now, host, line);
                let Some(link) = self.hosts[host].links.get_mut(&number) else { return };
                if !std::mem::replace(&mut link.blocked, true) {
                    self.hit_if_asleep(host, Habit::Blocker);
                }
                return;
            }
            let Some(link) = self.hosts[host].links.get_mut(&number) else { return };
            match link.down.take(now) {
                Some(Down::Said(say)) => self.hear(host, number, line, say),
                Some(Down::Broken(why)) => self.broke(host, number, line, broken(why)),
                None => break,
            }
        }
        self.arm(host, number);
    }

    /// The process hears something.
    fn hear(&mut self, host: usize, number: u64, line: LineId, say: Say) {
        let (now, time) = (self.now, self.time());
        match say {
            Say::Text(bytes) | Say::Fragments(bytes, _) | Say::Binary(bytes) => {
                let largest = self.hosts[host].links.get(&number).map_or(usize::MAX, |link| link.largest);
                if bytes.len() > largest {
                    let detail = "the message is larger than allowed".to_owned();
                    return self.broke(
                        host,
                        number,
                        line,
                        Closed { code: None, fault: Fault::Server, detail },
                    );
                }
                self.figures.frames += 1;
                let watcher = self.reader_of(host, Habit::Watcher);
                let whole = !self.is_poisoned(host, &bytes) && is_json(&bytes);
                let at = self.hosts[host].house;
                self.oracles.heard(now, host, line, &bytes, (at, watcher, whole));
                self.hosts[host].with(|feed| feed.handle(time, Input::Frame { line, bytes: &bytes }));
                self.trace.note(now, Deed::Frame(host, line, bytes));
            }
            Say::Ping(payload) => {
                self.trace.tell(now, format!("host {host} line {line} < ping"));
                self.oracles.pinged(now, host, line, &payload);
                self.hosts[host].with(|feed| feed.handle(time, Input::Ping { line, payload: &payload }));
            }
            Say::Pong(payload) => {
                self.trace.tell(now, format!("host {host} line {line} < pong"));
                self.oracles.ponged(now, host, line);
                self.hosts[host].with(|feed| feed.handle(time, Input::Pong { line, payload: &payload }));
            }
            Say::Close { code, reason } => {
                self.oracles.asked(now, host, Plea::of_close(code, reason), false);
                self.broke(host, number, line, edge::closed(code, reason));
            }
            Say::Reset(_) => self.broke(host, number, line, broken("connection reset by peer")),
            Say::Fin => self.broke(host, number, line, broken("the connection ended without a goodbye")),
            // The house itself is silent from now on.
            Say::Stall => self.trace.tell(now, format!("host {host} line {line} is frozen by the venue")),
        }
    }

    /// A link ends for the process.
    fn broke(&mut self, host: usize, number: u64, line: LineId, why: Closed) {
        let (now, time) = (self.now, self.time());
        self.trace.tell(
            now,
            format!("host {host} line {line} closed: {:?} {:?} {}", why.code, why.fault, why.detail),
        );
        let beside = self.hosts[host].beside(line).is_some();
        let covered = self.covered(host, line.slot);
        self.oracles.ended(now, host, line, why.fault, beside);
        self.oracles.disturb(host, now + LOST);
        self.let_go(host, number, Up::Gone);
        self.hosts[host].with(|feed| feed.handle(time, Input::Closed { line, why }));
        self.still_covered(host, &covered);
    }
}

/// Whether a message is one whole JSON value.
pub(super) fn is_json(bytes: &[u8]) -> bool {
    let text = std::str::from_utf8(bytes);
    text.is_ok_and(|text| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok())
}
