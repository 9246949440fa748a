//! What a client begins to read, and from where: the topics it names, and those that its patterns bring.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use serde_json::Value;
use tapeline::Wish;
use tapeline_core::data::channel::{Delivery, Shape};
use tapeline_core::data::topic::{Pattern, Topic};

use super::client::Client;
use super::memory::SHORT;
use super::request::{How, Place};
use super::shard::{Shard, State};
use super::shelf::{Reader, Shelf};
use super::talk::{self, Outcome};
use super::upstream::Expected;
use crate::codes::Code;

/// A topic that is open, and where the client wants to begin.
struct Joining {
    topic: Topic,
    from: Option<Place>,
    /// It is not named, but a pattern brings it.
    by_pattern: bool,
    /// The place of its outcome in the answer.
    at: usize,
    _expected: Expected,
}

/// What becomes of a request, until it is answered.
struct Subscribing {
    shard: Rc<Shard>,
    resume: BTreeMap<Topic, Place>,
    outcomes: Vec<Outcome>,
    joining: Vec<Joining>,
}

pub(super) async fn subscribe(
    shard: &Rc<Shard>,
    key: usize,
    id: Option<Value>,
    topics: Vec<String>,
    (how, resume): (How, BTreeMap<String, Place>),
) {
    if !shard.hub.admits() {
        let short = |text| Outcome::failed(text, Code::Unavailable, SHORT.to_owned());
        let outcomes: Vec<_> = topics.into_iter().map(short).collect();
        return shard.answer(key, talk::result(id.as_ref(), "subscribe", &outcomes));
    }
    shard.hold_offers(key);
    let resume = resume.into_iter().filter_map(|(text, from)| Some((shard.canonical(&text).ok()?, from)));
    let resume = resume.collect();
    let mut work = Subscribing { shard: Rc::clone(shard), resume, outcomes: Vec::new(), joining: Vec::new() };
    let (mut named, mut patterns) = (BTreeSet::new(), Vec::new());
    for text in topics {
        if Pattern::is_pattern(&text) {
            work.outcomes.push(match Pattern::parse(&text) {
                Err(error) => Outcome::failed(text, Code::BadTopic, error.to_string()),
                Ok(pattern) => {
                    let outcome = Outcome::done(pattern.as_str().to_owned());
                    patterns.push((work.outcomes.len(), pattern));
                    outcome
                }
            });
            continue;
        }
        match shard.canonical(&text) {
            Ok(topic) => {
                named.insert(topic.clone());
                work.open(topic, false).await;
            }
            Err(outcome) => work.outcomes.push(*outcome),
        }
    }
    // Before the patterns are held: what these bring begins with the present, and knows nothing of what was.
    let brought = |topic: &&Topic| patterns.iter().any(|(_, pattern)| pattern.matches(topic));
    let unnamed = work.resume.keys().filter(|topic| !named.contains(*topic));
    for topic in unnamed.filter(brought).cloned().collect::<Vec<_>>() {
        work.go_on(topic).await;
    }
    let mut held = Vec::new();
    for (at, pattern) in patterns {
        match shard.hold(key, &pattern, how).await {
            Ok(()) => held.push(pattern),
            Err(error) => work.outcomes[at] = Outcome::refused(pattern.as_str().to_owned(), &error),
        }
    }
    shard.join(key, id.as_ref(), how, (work.joining, work.outcomes));
    shard.take_offers(key);
    for pattern in held {
        shard.offer_existing(key, &pattern);
    }
}

impl Subscribing {
    /// Opens a topic and makes room for its outcome.
    async fn open(&mut self, topic: Topic, by_pattern: bool) {
        let from = self.resume.get(&topic).copied();
        let outcome = match self.shard.open(&topic, from.and_then(Result::ok)).await {
            Ok(expected) => {
                let outcome = Outcome::done(topic.to_string());
                let at = self.outcomes.len();
                self.joining.push(Joining { topic, from, by_pattern, at, _expected: expected });
                outcome
            }
            Err(error) => Outcome::refused(topic.to_string(), &error),
        };
        self.outcomes.push(outcome);
    }

    /// Goes on with a topic that a pattern brings, if it still runs: a pattern begins none.
    async fn go_on(&mut self, topic: Topic) {
        if self.shard.runs(&topic).await {
            return self.open(topic, true).await;
        }
        let reason = self.resume.get(&topic).and_then(|from| from.err()).unwrap_or("epoch");
        let outcome = Outcome::done(topic.to_string());
        self.outcomes.push(Outcome { recovered: Some(false), reason: Some(reason), ..outcome });
    }
}

/// How a topic is to be read: `None` = every update, else with this least time between two.
pub(super) fn interval(topic: &Topic, how: How, usual: Duration) -> Option<Duration> {
    let events = topic.channel().shape() == Shape::Event && !topic.is_all();
    let delivery = how.delivery.unwrap_or_else(|| topic.channel().default_delivery());
    let conflated = delivery == Delivery::Conflate && !events;
    conflated.then(|| how.interval.map_or(usual, Duration::from_millis))
}

/// Where a reader begins, once the answer has been given.
enum Begin {
    /// Behind an entry of the log that it has, at this offset.
    Resume(u64, u64),
    /// With the next event.
    Next,
    /// With the state.
    State,
}

impl Shard {
    /// Answers a subscription, and begins what can be begun: nothing of a topic comes before the answer.
    fn join(
        self: &Rc<Self>,
        key: usize,
        id: Option<&Value>,
        how: How,
        (joining, mut outcomes): (Vec<Joining>, Vec<Outcome>),
    ) {
        // Dropped behind the state: what was expected and did not come is left then.
        let joining = joining;
        let config = self.live.config();
        let limit = config.limits.topics_per_client;
        let mut state = self.state.borrow_mut();
        let mut begins = Vec::new();
        for Joining { topic, from, by_pattern, at, .. } in &joining {
            let (by_pattern, at) = (*by_pattern, *at);
            let Some(shelf_key) = state.by_topic.get(topic).copied() else {
                let why = format!("{topic} was closed meanwhile; subscribe again");
                outcomes[at] = Outcome::failed(topic.to_string(), Code::Unavailable, why);
                continue;
            };
            let State { clients, shelves, .. } = &mut *state;
            let (Some(client), Some(shelf)) = (clients.get_mut(key), shelves.get_mut(shelf_key)) else {
                return;
            };
            if let Some(place) = client.place_of(shelf_key) {
                shelf.part(Reader { client: key, place });
                client.remove(place);
            }
            if client.subs.len() >= limit {
                let why = format!("a client may read {limit} topics");
                outcomes[at] = Outcome::failed(topic.to_string(), Code::Limit, why);
                continue;
            }
            let begin = begin(shelf, *from);
            let at_head = Outcome::at(topic.to_string(), shelf.position());
            let (recovered, reason) = match &begin {
                Ok(begin) => (matches!(begin, Begin::Resume(..)), None),
                Err(reason) => (false, Some(*reason)),
            };
            outcomes[at] = Outcome { recovered: Some(recovered), reason, ..at_head };
            let place = client.add(shelf_key, interval(topic, how, config.throttle), by_pattern);
            let usual = if shelf.is_events() { Begin::Next } else { Begin::State };
            begins.push((shelf_key, Reader { client: key, place }, begin.unwrap_or(usual)));
        }
        if let Some(client) = state.clients.get_mut(key) {
            client.say(talk::result(id, "subscribe", &outcomes));
        }
        let mut waiting = Vec::new();
        for (shelf, reader, begin) in begins {
            state.begin(shelf, reader, begin);
            waiting.push(shelf);
        }
        self.write(&mut state, key);
        drop(state);
        waiting.into_iter().for_each(|shelf| self.serve_waiting(shelf));
    }

    /// What patterns bring to a client waits until it has been answered.
    fn hold_offers(&self, key: usize) {
        if let Some(client) = self.state.borrow_mut().clients.get_mut(key) {
            client.offers = Some(Vec::new());
        }
    }

    /// A client has been answered: it reads what its patterns have brought meanwhile.
    fn take_offers(self: &Rc<Self>, key: usize) {
        let offers: Vec<(usize, How)> = {
            let mut state = self.state.borrow_mut();
            let State { clients, shelves, .. } = &mut *state;
            let Some(client) = clients.get_mut(key) else { return };
            let offers = client.offers.take().into_iter().flatten();
            // It may be gone again, and its place another's.
            offers.filter_map(|shelf| Some((shelf, wants(client, &shelves.get(shelf)?.topic)?))).collect()
        };
        offers.into_iter().for_each(|(shelf, how)| self.take_in(key, shelf, how));
    }

    /// Whoever holds a pattern that matches reads a shelf that is new.
    pub(super) fn offer(self: &Rc<Self>, shelf: usize) {
        let takers: Vec<(usize, How)> = {
            let mut state = self.state.borrow_mut();
            let State { clients, shelves, .. } = &mut *state;
            let Some(topic) = shelves.get(shelf).map(|shelf| &shelf.topic) else { return };
            let taker = |(key, client): (usize, &mut Client)| {
                let how = wants(client, topic)?;
                match &mut client.offers {
                    Some(offers) => offers.push(shelf),
                    None => return Some((key, how)),
                }
                None
            };
            clients.iter_mut().filter_map(taker).collect()
        };
        for (key, how) in takers {
            self.take_in(key, shelf, how);
        }
    }

    /// A client reads the shelves that match its new pattern.
    fn offer_existing(self: &Rc<Self>, key: usize, pattern: &Pattern) {
        let (how, matching) = {
            let state = self.state.borrow();
            let Some(client) = state.clients.get(key) else { return };
            let Some((_, how)) = client.patterns.iter().find(|(held, _)| held == pattern) else { return };
            let open = state.shelves.iter().filter(|(_, shelf)| shelf.open && pattern.matches(&shelf.topic));
            (*how, open.map(|(shelf, _)| shelf).collect::<Vec<_>>())
        };
        matching.into_iter().for_each(|shelf| self.take_in(key, shelf, how));
    }

    /// A client reads a shelf that its pattern matches, unless it does so already.
    fn take_in(self: &Rc<Self>, key: usize, shelf_key: usize, how: How) {
        let config = self.live.config();
        let limit = config.limits.topics_per_client;
        let mut state = self.state.borrow_mut();
        let State { clients, shelves, .. } = &mut *state;
        let (Some(client), Some(shelf)) = (clients.get_mut(key), shelves.get(shelf_key)) else { return };
        if client.place_of(shelf_key).is_some() {
            return;
        }
        if client.subs.len() >= limit {
            let why = format!("{} is left out: a client may read {limit} topics", shelf.topic);
            client.say(talk::error(None, Code::Limit, &why));
        } else {
            let place = client.add(shelf_key, interval(&shelf.topic, how, config.throttle), true);
            let begin = if shelf.is_events() { Begin::Next } else { Begin::State };
            state.begin(shelf_key, Reader { client: key, place }, begin);
        }
        self.write(&mut state, key);
        drop(state);
        self.serve_waiting(shelf_key);
    }

    /// Gives those who wait for the state of a shelf what there is; if it must be looked for, that is begun.
    pub(super) fn serve_waiting(self: &Rc<Self>, key: usize) {
        let mut state = self.state.borrow_mut();
        let State { clients, shelves, .. } = &mut *state;
        let Some(shelf) = shelves.get_mut(key) else { return };
        if shelf.waiting.is_empty() || !shelf.open {
            return;
        }
        let Some((frame, offset, number)) = shelf.state().filter(|_| !shelf.looking) else {
            if !shelf.looking {
                shelf.looking = true;
                tokio::task::spawn_local(Self::look(Rc::clone(self), key, shelf.topic.clone()));
            }
            return;
        };
        let status = shelf.status(offset);
        let limit = self.live.config().limits.unsent_bytes;
        let size = frame.as_ref().map_or(0, bytes::Bytes::len);
        let mut served = Vec::new();
        let mut waiting = std::mem::take(&mut shelf.waiting);
        waiting.retain(|reader| {
            let Some(client) = clients.get_mut(reader.client) else { return false };
            // Whoever does not read waits with the rest of the world for better times.
            if client.own_bytes() > 0 && client.own_bytes() + size > limit || !self.account.takes(size) {
                return true;
            }
            let Some(sub) = client.subs.get_mut(reader.place) else { return false };
            let (between, cursor) = shelf.join(*reader, sub.interval, number);
            sub.cursor = Some(cursor);
            let frames = status.iter().chain(&frame).chain(&between);
            frames.for_each(|frame| client.say(frame.clone()));
            client.touch(reader.place);
            served.push(reader.client);
            false
        });
        if let Some(shelf) = shelves.get_mut(key) {
            shelf.waiting.append(&mut waiting);
        }
        for client in served {
            self.write(&mut state, client);
        }
    }
}

/// How the patterns of a client want a topic, if any does.
fn wants(client: &Client, topic: &Topic) -> Option<How> {
    client.patterns.iter().find(|(pattern, _)| pattern.matches(topic)).map(|(_, how)| *how)
}

/// Where a reader of a shelf can begin, or why not where it wants to.
fn begin(shelf: &Shelf, from: Option<Place>) -> Result<Begin, &'static str> {
    let Some(from) = from else {
        return Ok(if shelf.is_events() { Begin::Next } else { Begin::State });
    };
    let from = from?;
    if from.epoch != shelf.epoch {
        return Err("epoch");
    }
    if from.offset > shelf.head {
        return Err("ahead");
    }
    if from.offset == 0 && !shelf.is_events() {
        // The first state of an epoch is a snapshot, which no log holds.
        return Err("too_old");
    }
    shelf.behind(from.offset).map(|number| Begin::Resume(number, from.offset)).ok_or("too_old")
}

impl State {
    /// A reader of a state has missed what is not held any more: it waits to be told the state as one who comes.
    pub(super) fn begin_anew(&mut self, reader: Reader) {
        let sub = self.clients.get(reader.client).and_then(|client| client.subs.get(reader.place));
        let Some(key) = sub.map(|sub| sub.shelf) else { return };
        let Some(shelf) = self.shelves.get_mut(key) else { return };
        shelf.part(reader);
        self.begin(key, reader, Begin::State);
    }

    /// Puts a reader where it begins. The state it may have to wait for.
    fn begin(&mut self, shelf_key: usize, reader: Reader, begin: Begin) {
        let Self { clients, shelves, .. } = self;
        let (Some(shelf), Some(client)) = (shelves.get_mut(shelf_key), clients.get_mut(reader.client)) else {
            return;
        };
        let (number, offset) = match begin {
            Begin::Resume(number, offset) => (number, offset),
            Begin::Next => (shelf.log.next(), shelf.head),
            Begin::State => {
                if !shelf.is_fresh() {
                    shelf.look = None;
                }
                shelf.waiting.push(reader);
                return;
            }
        };
        if let Some(status) = shelf.status(offset) {
            client.say(status);
        }
        let Some(interval) = client.subs.get(reader.place).map(|sub| sub.interval) else { return };
        let (between, cursor) = shelf.join(reader, interval, number);
        between.into_iter().for_each(|frame| client.say(frame));
        if let Some(sub) = client.subs.get_mut(reader.place) {
            sub.cursor = Some(cursor);
        }
        client.touch(reader.place);
    }
}

/// A topic or pattern as it is asked for at a venue.
pub(super) fn wish(pattern: &Pattern, venue: &str) -> Option<Wish> {
    let (_, rest) = pattern.as_str().split_once(':')?;
    Wish::parse(&format!("{venue}:{rest}")).ok()
}
