//! A world in virtual time: real feeds, simulated venues, a network between them that fails on command, readers of
//! every habit, and judges who watch all of it. One seed, one course of events.
//!
//! - `agenda`, `clock`, `trace`: what happens when, and the record of it
//! - `pipe`, `weather`, `carry`, `errand`, `edge`: the way between a process and its venue
//! - `host`, `reader`, `reading`: a process with its feed, and those who read it
//! - `guarded`, `brittle`: a venue with a login, and one whose translation panics
//! - `kinds`, `plan`, `strike`, `aim`: what goes wrong, when, and how it is done
//! - `oracle`, `inspect`, `cover`: the judges, and when they look
//! - `drill`: one seed from its beginning to its verdict
//! - `scene`: a world whose troubles somebody has written down, and what was seen of it
//! - `figures`: how soon, how often and how reliably a feed does what it promises
//!
//! Only this part of the crate uses the product's own code, since it is what is judged; the venues and the judges
//! share nothing with it.

mod agenda;
mod aim;
mod brittle;
mod carry;
mod clock;
mod cover;
mod drill;
mod edge;
mod errand;
pub mod figures;
mod guarded;
mod host;
mod inspect;
mod kinds;
mod oracle;
mod pipe;
mod plan;
pub mod prove;
mod reader;
mod reading;
pub(crate) mod scene;
mod strike;
mod trace;
mod weather;

pub use self::drill::{Drill, Outcome, Violation, drill, twins};
pub use self::guarded::{Door, Guarded};
pub use self::kinds::fault_names;

use std::collections::BTreeMap;

use bytes::Bytes;
use tapeline_core::data::topic::Topic;
use tapeline_core::data::update::Shared;
use tapeline_core::feed::{Action, DialError};
use tapeline_core::time::Time;

use self::agenda::Agenda;
use self::clock::{Clock, SEC};
use self::host::Host;
use self::oracle::{Oracle, Oracles};
use self::plan::Plan;
use self::reader::Reader;
use self::trace::Trace;
use crate::house::{House, Reply, SocketId};
use crate::rng::Rng;

/// How often the judges look at the whole.
const INSPECT: u64 = SEC;
/// A feed that wants to be looked at again and again without time passing does not come to rest.
const RESTLESS: u32 = 200;
/// Nothing can happen so often at one moment.
const STILL: u32 = 100_000;

/// What happens at a moment.
#[derive(Debug)]
enum Event {
    /// Something arrives at the venue.
    Up(usize, u64),
    /// Something arrives at the process.
    Down(usize, u64),
    /// A dial arrives at the venue.
    Knock(usize, u64, String),
    /// The answer to a dial arrives at the process.
    Answer(usize, u64, Result<SocketId, Box<DialError>>),
    /// The refusal of an upgrade arrives; its class depends on the wall clock there.
    Refusal(usize, u64, Box<Reply>),
    /// A request arrives at the venue.
    Ask(Box<errand::Asked>),
    /// A reply arrives at the process.
    Reply(Box<errand::Asked>, Reply),
    /// What a request came to is put into the feed.
    Fetched(Box<errand::Asked>, Box<errand::Brought>),
    /// The keys of a process have been read anew.
    Keys(usize),
    /// A reader reads.
    Read(usize),
    /// A reader subscribes.
    Subscribe(usize, Topic),
    /// A fault of the plan begins.
    Strike(usize),
    /// A step of a fault that takes several.
    Step(usize, Step),
    /// A process runs again.
    Wake(usize),
    /// A crashed feed is rebuilt.
    Rebuild(usize),
    /// The judges look.
    Inspect,
}

/// A later part of a fault.
#[derive(Debug, Clone)]
enum Step {
    /// An operator forgives everything.
    Forgive,
    /// Some subscriptions come, some go.
    Churn,
    /// A link is broken.
    Break(u64, &'static str),
    /// The peer vanishes on every connection.
    Vanish,
    /// Our own network is gone for so long.
    Offline(u64),
    /// A message that was held back goes on.
    Late(u64, Bytes),
}

/// The world.
struct World {
    now: u64,
    end: u64,
    agenda: Agenda<Event>,
    clock: Clock,
    trace: Trace,
    houses: Vec<House>,
    hosts: Vec<Host>,
    readers: Vec<Reader>,
    oracles: Oracles,
    plan: Plan,
    dice: Rng,
    /// How often each kind of fault was ordered.
    ordered: BTreeMap<&'static str, u64>,
    /// How often those of the way and of our own did something.
    struck: BTreeMap<&'static str, u64>,
    figures: Figures,
    /// Ticks of each feed since time last passed.
    ticks: Vec<u32>,
    /// Turns since time last passed.
    turns: u32,
    /// The judges are to look when everybody has come to rest.
    look: bool,
    /// When a reader last left, by host.
    left_at: Vec<u64>,
    /// The wall clock is never set.
    still_clock: bool,
    /// Reused by readers.
    basket: Vec<Shared>,
}

/// What went through a world.
#[derive(Debug, Clone, Copy, Default)]
pub struct Figures {
    /// Messages that reached feeds.
    pub frames: u64,
    /// Updates that reached readers.
    pub updates: u64,
    /// Dials.
    pub dials: u64,
    /// REST requests.
    pub fetches: u64,
    /// Events that had been missed and were asked for.
    pub repaired: u64,
    /// Those of them that came late.
    pub late: u64,
    /// Ids declared missing, whether or not they came later.
    pub declared: u64,
    /// Updates that were polled.
    pub polled: u64,
    /// Lines left to a follower.
    pub rotations: u64,
}

impl World {
    /// Lets everything happen until `end`, or until a judge objects.
    fn run(&mut self) {
        while self.oracles.verdict.is_none() {
            let houses = self.houses.iter().filter_map(House::deadline).min().unwrap_or(u64::MAX);
            let hosts = self.hosts.iter().map(|host| self.wakes(host)).min().unwrap_or(u64::MAX);
            let next = self.agenda.due().min(houses).min(hosts).max(self.now);
            if next > self.end {
                self.now = self.end;
                return;
            }
            self.turns += 1;
            if next > self.now {
                self.ticks.fill(0);
                self.turns = 0;
            }
            if self.turns > STILL {
                self.oracles.object(Oracle::Phases, "time stands still".to_owned());
            }
            self.now = next;
            while let Some(event) = self.agenda.take(next) {
                self.happen(event);
            }
            for house in 0..self.houses.len() {
                if self.houses[house].deadline().is_some_and(|at| at <= next) {
                    self.houses[house].advance(next);
                }
                self.carry_down(house);
            }
            for host in 0..self.hosts.len() {
                self.drive(host);
            }
            if std::mem::take(&mut self.look) {
                self.inspect();
            }
        }
    }

    /// When a process wants to run by itself.
    fn wakes(&self, host: &Host) -> u64 {
        if host.feed.is_none() || host.panic.is_some() {
            return u64::MAX;
        }
        if host.dirty { self.now.max(host.paused_until) } else { host.deadline.max(host.paused_until) }
    }

    fn time(&self) -> Time {
        self.clock.read(self.now)
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Up(host, link) => self.arrive_up(host, link),
            Event::Down(host, link) => self.arrive_down(host, link),
            Event::Knock(host, link, url) => self.knock(host, link, &url),
            Event::Answer(host, link, answer) => self.answer(host, link, answer.map_err(|why| *why)),
            Event::Refusal(host, link, reply) => self.refuse(host, link, &reply),
            Event::Ask(asked) => self.ask(*asked),
            Event::Reply(asked, reply) => self.reply(*asked, reply),
            Event::Fetched(asked, result) => self.fetched(*asked, *result),
            Event::Keys(host) => self.keys_read(host),
            Event::Read(reader) => self.read_in_turn(reader),
            Event::Subscribe(reader, topic) => self.want(reader, topic),
            Event::Strike(number) => self.strike(number),
            Event::Step(host, step) => self.step(host, step),
            Event::Wake(host) => self.hosts[host].dirty = true,
            Event::Rebuild(host) => self.rebuild(host),
            Event::Inspect => {
                self.look = true;
                self.agenda.plan(self.now + INSPECT, Event::Inspect);
            }
        }
    }

    /// Lets a process do what is due: deadlines by the clock, then everything that is to be done.
    fn drive(&mut self, host: usize) {
        let (now, time) = (self.now, self.time());
        if let Some(words) = &self.hosts[host].panic {
            // It is never called again, so that this is all that there is to say of it.
            return self.oracles.object(Oracle::Panic, format!("host {host} panicked: {words}"));
        }
        if self.wakes(&self.hosts[host]) > now || !self.hosts[host].is_awake(now) {
            return;
        }
        let due = self.hosts[host].feed.as_ref().and_then(tapeline_core::feed::Feed::deadline);
        if due.is_some_and(|at| at <= time.mono) {
            self.ticks[host] += 1;
            self.hosts[host].with(|feed| feed.tick(time));
        }
        while let Some(Some(action)) = self.hosts[host].with(tapeline_core::feed::Feed::next_action) {
            self.note_action(host, &action);
            self.perform(host, action);
        }
        self.read_watchers(host);
        let place = &mut self.hosts[host];
        place.dirty = false;
        place.deadline = match &place.feed {
            Some(feed) => feed.deadline().map_or(u64::MAX, |at| at.0),
            None => u64::MAX,
        };
        if self.ticks[host] > RESTLESS {
            self.oracles.object(Oracle::Phases, format!("the feed of host {host} does not come to rest"));
        }
    }

    fn note_action(&mut self, host: usize, action: &Action) {
        let text = match action {
            Action::Dial { line, request, give_up } => {
                format!("host {host} line {line} dials {} until {}", request.url, trace::Moment(give_up.0))
            }
            Action::Send { line, text } => format!("host {host} line {line} > {text}"),
            Action::Login { line, .. } => format!("host {host} line {line} > its keys"),
            Action::Ping { line, .. } => format!("host {host} line {line} > ping"),
            Action::Pong { line, .. } => format!("host {host} line {line} > pong"),
            Action::Close { line, code } => format!("host {host} line {line} > close {code}"),
            Action::Fetch { id, topic, why, .. } => {
                format!("host {host} fetches {} as {} {why:?}", topic.as_str(), id.0)
            }
            Action::ReadKeys => format!("host {host} reads its keys"),
        };
        self.trace.tell(self.now, text);
        self.oracles.acted(self.now, host, &self.hosts[host], action);
        if let Action::Close { line, .. } = action {
            self.note_close(host, *line);
        }
    }
}

#[cfg(test)]
mod tests;
