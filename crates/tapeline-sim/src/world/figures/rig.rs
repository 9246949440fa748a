//! One feed, one venue and the way between them in virtual time, with notes of all that passes: what a figure is
//! measured on. No habits, no judges and no faults but those that the figure itself makes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use tapeline_core::config::FeedConfig;
use tapeline_core::data::channel::Delivery;
use tapeline_core::data::topic::Topic;
use tapeline_core::data::update::Shared;
use tapeline_core::feed::{Action, Closed, DialError, Feed, FetchId, Input, Memory};
use tapeline_core::outbox::{Bounds, Outbox, Overflow, Subscriber, SubscriberId, outbox};
use tapeline_core::time::Time;
use tapeline_core::venue::{Decoded, Fetch, HttpRequest, LineId, Refusal, Venue};
use tapeline_venues::binance::{Binance, Market};

use super::super::agenda::Agenda;
use super::super::clock::{Clock, SEC};
use super::super::edge;
use super::super::host::{Up, text_of};
use super::super::weather::{Errand, Passage, Weather, broken};
use super::far::Far;
use super::notes::Notes;
use crate::house::{Reply, Say, SocketId};
use crate::rng::Rng;

/// Nothing can happen so often at one moment.
const STILL: u32 = 1_000_000;

#[derive(Debug)]
enum Event {
    Up(u64, Up),
    Down(u64, Say),
    Knock(u64, String),
    Answer(u64, Result<(), Box<DialError>>),
    Refusal(u64, Box<Reply>),
    Ask(Box<Asked>),
    Reply(Box<Asked>, Reply),
    Fetched(FetchId, Box<Result<Decoded, Refusal>>),
}

#[derive(Debug)]
struct Asked {
    id: FetchId,
    topic: Topic,
    why: Fetch,
    request: HttpRequest,
    sent: u64,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) line: LineId,
    pub(super) socket: Option<SocketId>,
    open: bool,
    /// The feed counts on it.
    wanted: bool,
    /// Nothing passes any more, and nobody says so.
    dead: bool,
    /// When the newest message of each direction arrives: nothing overtakes.
    up: u64,
    down: u64,
}

/// The rig.
pub(super) struct Rig<V> {
    pub(super) now: u64,
    pub(super) far: V,
    pub(super) feed: Feed,
    pub(super) weather: Weather,
    pub(super) clock: Clock,
    pub(super) notes: Notes,
    venue: Arc<Binance>,
    agenda: Agenda<Event>,
    links: BTreeMap<u64, Link>,
    next_link: u64,
    readers: Vec<(Subscriber, Outbox)>,
    basket: Vec<Shared>,
    dirty: bool,
    wake: u64,
}

impl<V: Far> Rig<V> {
    /// A feed for `market` at one end of the way, `far` at the other.
    pub(super) fn new(far: V, market: Market, config: FeedConfig, weather: Weather, seed: u64) -> Self {
        let venue = Arc::new(Binance::new(market));
        let held: Arc<dyn Venue> = Arc::<Binance>::clone(&venue);
        Self {
            now: 0,
            far,
            feed: Feed::new(held, config, Memory::default(), seed),
            weather,
            clock: Clock::default(),
            notes: Notes::default(),
            venue,
            agenda: Agenda::new(),
            links: BTreeMap::new(),
            next_link: 0,
            readers: Vec::new(),
            basket: Vec::new(),
            dirty: true,
            wake: 0,
        }
    }

    pub(super) fn time(&self) -> Time {
        self.clock.read(self.now)
    }

    /// A new reader of `topics`.
    pub(super) fn read(&mut self, topics: impl IntoIterator<Item = Topic>) {
        let bounds = Bounds { messages: 1_000_000, bytes: 1 << 30 };
        let id = SubscriberId(self.readers.len() as u64 + 1);
        let (subscriber, reader) = outbox(id, "reader", Overflow::Gap, bounds);
        let time = self.time();
        for topic in topics {
            if let Err(why) = self.feed.subscribe(time, topic.clone(), Delivery::Every, None, &subscriber) {
                self.notes.complain(format!("{} is refused: {why}", topic.as_str()));
            }
        }
        self.readers.push((subscriber, reader));
        self.dirty = true;
    }

    /// The first reader leaves `topic`, or reads it again.
    pub(super) fn turn(&mut self, topic: &Topic, reads: bool) {
        let time = self.time();
        let Some((subscriber, _)) = self.readers.first() else { return };
        if reads {
            // A topic that was read before is offered still.
            let _ = self.feed.subscribe(time, topic.clone(), Delivery::Every, None, subscriber);
        } else {
            self.feed.unsubscribe(time, topic, subscriber.id());
        }
        self.dirty = true;
    }

    /// The open connections.
    pub(super) fn open(&self) -> impl Iterator<Item = (u64, &Link)> {
        self.links.iter().filter(|(_, link)| link.open && link.wanted).map(|(number, link)| (*number, link))
    }

    /// Lets everything happen until `end`.
    pub(super) fn run(&mut self, end: u64) {
        self.until(end, |_| false);
    }

    /// Lets everything happen until `done` or `end`; whether it is done.
    pub(super) fn until(&mut self, end: u64, mut done: impl FnMut(&Self) -> bool) -> bool {
        let mut turns = 0;
        loop {
            let wake = if self.dirty { self.now } else { self.wake };
            let next = self.agenda.due().min(self.far.deadline()).min(wake).max(self.now);
            if next > end {
                self.now = end;
                return done(self);
            }
            turns = if next > self.now { 0 } else { turns + 1 };
            if turns > STILL {
                self.notes.complain("time stands still".to_owned());
                return false;
            }
            self.now = next;
            while let Some(event) = self.agenda.take(next) {
                self.happen(event);
            }
            if self.far.deadline() <= next {
                self.far.advance(next);
            }
            self.carry_down();
            self.drive();
            if done(self) {
                return true;
            }
        }
    }

    fn drive(&mut self) {
        let time = self.time();
        if !self.dirty && self.wake > self.now {
            return;
        }
        if self.feed.deadline().is_some_and(|at| at <= time.mono) {
            self.feed.tick(time);
        }
        while let Some(action) = self.feed.next_action() {
            self.perform(action);
        }
        let mut basket = std::mem::take(&mut self.basket);
        for (_, reader) in &mut self.readers {
            reader.drain(&mut basket);
        }
        for update in basket.drain(..) {
            self.notes.told(self.now, &update);
        }
        self.basket = basket;
        self.dirty = false;
        self.wake = self.feed.deadline().map_or(u64::MAX, |at| at.0);
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Dial { line, request, give_up } => self.dial(line, request.url, give_up.0),
            Action::Send { line, text } => {
                self.notes.asked(self.now, line, &text);
                self.say(line, Up::Text(text));
            }
            Action::Ping { line, payload } => self.say(line, Up::Ping(payload)),
            Action::Pong { line, payload } => {
                self.notes.ponged(self.now, line, &payload);
                self.say(line, Up::Pong(payload));
            }
            Action::Close { line, .. } => {
                self.notes.left(self.now, line);
                if let Some(number) = self.link_of(line) {
                    self.let_go(number, Up::Bye);
                }
            }
            // Nobody has any here.
            Action::Login { .. } | Action::ReadKeys => {}
            Action::Fetch { id, topic, why, request } => {
                let asked = Box::new(Asked { id, topic, why, request, sent: self.now });
                match self.weather.errand(self.now) {
                    Errand::Open { .. } => {
                        let at = self.now + self.weather.request(self.now);
                        self.agenda.plan(at, Event::Ask(asked));
                    }
                    Errand::Fails(after, fault, detail) => {
                        let result = Box::new(Err(Refusal::new(fault, detail)));
                        self.agenda.plan(self.now + after, Event::Fetched(id, result));
                    }
                }
            }
        }
    }

    fn link_of(&self, line: LineId) -> Option<u64> {
        let found = self.links.iter().find(|(_, link)| link.line == line && link.wanted);
        found.map(|(number, _)| *number)
    }

    fn dial(&mut self, line: LineId, url: String, give_up: u64) {
        let now = self.now;
        self.notes.dialled(now, line);
        self.next_link += 1;
        let number = self.next_link;
        let link = Link { line, socket: None, open: false, wanted: true, dead: false, up: 0, down: 0 };
        self.links.insert(number, link);
        let open = self.open().count();
        self.notes.most_open = self.notes.most_open.max(open);
        match self.weather.dial(now, 0) {
            Passage::Open => {
                let delay = self.weather.handshake(now);
                self.agenda.plan(now + delay, Event::Knock(number, url));
            }
            Passage::Fails(after, why) => {
                self.agenda.plan((now + after).min(give_up), Event::Answer(number, Err(Box::new(why))));
            }
        }
    }

    fn say(&mut self, line: LineId, what: Up) {
        self.notes.said(self.now, line);
        if let Some(number) = self.link_of(line) {
            self.put_up(number, what);
        }
    }

    fn put_up(&mut self, number: u64, what: Up) {
        let at = self.now + self.weather.delay(self.now);
        let Some(link) = self.links.get_mut(&number) else { return };
        link.up = link.up.max(at);
        self.agenda.plan(link.up, Event::Up(number, what));
    }

    fn let_go(&mut self, number: u64, word: Up) {
        if let Some(link) = self.links.get_mut(&number) {
            (link.wanted, link.open) = (false, false);
        }
        self.put_up(number, word);
    }

    fn carry_down(&mut self) {
        while let Some((socket, say)) = self.far.next_output() {
            let at = self.now + self.weather.delay(self.now);
            let found = self.links.iter_mut().find(|(_, link)| link.socket == Some(socket));
            let Some((number, link)) = found else { continue };
            if say.is_end() {
                link.socket = None;
            }
            link.down = link.down.max(at);
            self.agenda.plan(link.down, Event::Down(*number, say));
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Up(number, what) => self.arrive(number, &what),
            Event::Down(number, say) => self.hear(number, say),
            Event::Knock(number, url) => self.knock(number, &url),
            Event::Answer(number, answer) => self.answer(number, answer.map_err(|why| *why)),
            Event::Refusal(number, reply) => {
                self.answer(number, Err(edge::refused(&reply, false, self.time().unix)));
            }
            Event::Ask(asked) => {
                let reply = self.far.request(self.now, &asked.request.url);
                let at = self.now + self.weather.delay(self.now);
                self.agenda.plan(at, Event::Reply(asked, reply));
            }
            Event::Reply(asked, reply) => {
                let now = self.time().unix;
                self.notes.fetched.push((asked.sent, self.now));
                let result = edge::fetched(&*self.venue, (asked.why, &asked.topic), &reply, now);
                self.input(Input::Fetched { id: asked.id, result });
            }
            Event::Fetched(id, result) => self.input(Input::Fetched { id, result: *result }),
        }
    }

    fn input(&mut self, input: Input<'_>) {
        let time = self.time();
        self.feed.handle(time, input);
        self.dirty = true;
    }

    fn knock(&mut self, number: u64, url: &str) {
        let back = self.now + self.weather.delay(self.now);
        let Some(link) = self.links.get_mut(&number).filter(|link| link.wanted) else { return };
        match self.far.connect(self.now, url) {
            Ok(socket) => {
                link.socket = Some(socket);
                // What the venue says first must not come before the answer.
                link.down = back;
                self.agenda.plan(back, Event::Answer(number, Ok(())));
            }
            Err(reply) => self.agenda.plan(back, Event::Refusal(number, Box::new(reply))),
        }
    }

    fn answer(&mut self, number: u64, answer: Result<(), DialError>) {
        let Some(link) = self.links.get_mut(&number).filter(|link| link.wanted) else { return };
        let line = link.line;
        match answer {
            Ok(()) => {
                link.open = true;
                self.notes.opened(self.now, line);
                let open = self.open().count();
                self.notes.most_open = self.notes.most_open.max(open);
                self.input(Input::Opened { line });
            }
            Err(why) => {
                self.links.remove(&number);
                self.notes.failed.push((self.now, line));
                self.input(Input::Failed { line, why });
            }
        }
    }

    fn arrive(&mut self, number: u64, what: &Up) {
        let Some(link) = self.links.get_mut(&number) else { return };
        let Some(socket) = link.socket.filter(|_| !link.dead) else {
            if what.is_last() {
                // Nobody hears it; the venue is left with a socket that it will find out by itself.
                if let Some(socket) = link.socket.take() {
                    self.far.gone(self.now, socket);
                }
                self.links.remove(&number);
            }
            return;
        };
        let now = self.now;
        match what.said() {
            Some(said) => self.far.receive(now, socket, said),
            None => self.far.gone(now, socket),
        }
        if what.is_last() {
            self.links.remove(&number);
        }
    }

    fn hear(&mut self, number: u64, say: Say) {
        let Some(link) = self.links.get(&number).filter(|link| link.wanted && link.open && !link.dead) else {
            return;
        };
        let line = link.line;
        if let Some(bytes) = text_of(&say) {
            self.notes.heard(self.now, line, bytes);
            return self.input(Input::Frame { line, bytes });
        }
        match say {
            Say::Ping(payload) => {
                self.notes.pinged(self.now, line, &payload);
                self.input(Input::Ping { line, payload: &payload });
            }
            Say::Pong(payload) => {
                self.notes.signed(self.now, line);
                self.input(Input::Pong { line, payload: &payload });
            }
            Say::Close { code, reason } => {
                self.lose(number, edge::closed(code, reason));
            }
            Say::Reset(_) | Say::Fin => self.lose(number, broken("connection reset by peer")),
            _ => {}
        }
    }

    fn lose(&mut self, number: u64, why: Closed) {
        let Some(link) = self.links.get(&number) else { return };
        let line = link.line;
        self.notes.lost(self.now, line);
        self.let_go(number, Up::Gone);
        self.input(Input::Closed { line, why });
    }

    /// Every open connection breaks, and the process learns it now.
    pub(super) fn cut_all(&mut self) {
        for number in self.open().map(|(number, _)| number).collect::<Vec<_>>() {
            self.lose(number, broken("connection reset by peer"));
        }
    }

    /// The connection of a line breaks; whether there was one.
    pub(super) fn cut(&mut self, slot: u32) -> bool {
        let found = self.open().find(|(_, link)| link.line.slot == slot).map(|(number, _)| number);
        if let Some(number) = found {
            self.lose(number, broken("connection reset by peer"));
        }
        found.is_some()
    }

    /// From now on nothing passes on any connection there is, and nobody says so.
    pub(super) fn bury_all(&mut self) {
        self.links.values_mut().for_each(|link| link.dead = true);
    }

    /// The venue pings `count` times in a row on every open connection.
    pub(super) fn ping_burst(&mut self, count: u64, dice: &mut Rng) {
        for number in self.open().map(|(number, _)| number).collect::<Vec<_>>() {
            for _ in 0..count {
                let payload = format!("burst-{:x}", dice.next());
                self.agenda.plan(self.now, Event::Down(number, Say::Ping(payload.into())));
            }
        }
    }
}

/// A way of usual length: a round trip takes 10 to 150 ms.
pub(super) fn usual_way(seed: u64) -> Weather {
    let mut dice = Rng::new(seed, 30);
    let latency = SEC / 200 + dice.below(SEC / 15);
    Weather::new(latency, SEC / 1_000 + dice.below(SEC / 100), Rng::new(seed, 31))
}

/// What waits, first come first served, with the times of its coming.
pub(super) type Waiting = VecDeque<(Vec<u8>, u64)>;
