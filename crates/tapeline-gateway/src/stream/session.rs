//! The conversation with one client: its requests, one after the other.

use std::collections::BTreeMap;
use std::future::Future as _;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use serde_json::Value;
use tapeline::Wish;
use tapeline_core::data::channel::{Delivery, Shape};
use tapeline_core::data::topic::{Pattern, Topic};
use tapeline_core::data::update::Position;

use super::shard::{FAREWELL, Shard, State};
use super::shelf::Reader;
use super::talk::{self, How, Misheard, Op, Outcome, Request, code};
use super::upstream::Expected;
use crate::codes::Code;

/// Messages that cannot be understood, before a client is told to stay away.
const PATIENCE: u32 = 10;

/// Serves a client until it is gone.
pub(super) async fn serve(shard: Rc<Shard>, key: usize) {
    let mut misheard = 0;
    loop {
        let next = std::future::poll_fn(|context| shard.poll_client(key, context)).await;
        let Some(text) = next else { break };
        match talk::read(&text) {
            Ok(request) => {
                // Of its own, since a client that waits must not hold the room that a request needs.
                let mut work = Box::pin(obey(&shard, key, request));
                // While it is obeyed nothing more is read of this client, but it is written to.
                let done = std::future::poll_fn(|context| match shard.poll_writes(key, context) {
                    Poll::Ready(()) => Poll::Ready(false),
                    Poll::Pending => work.as_mut().poll(context).map(|()| true),
                });
                if !done.await {
                    break;
                }
            }
            Err(Misheard { id, why }) => {
                misheard += 1;
                let mut state = shard.state.borrow_mut();
                let State { clients, shelves, .. } = &mut *state;
                let Some(client) = clients.get_mut(key) else { break };
                client.say(talk::error(id.as_ref(), Code::BadRequest, &why));
                if misheard >= PATIENCE {
                    let why = "too many messages that cannot be understood";
                    client.close(shelves, code::BAD_REQUEST, why, FAREWELL);
                }
                shard.write(&mut state, key);
            }
        }
    }
    shard.forget(key);
}

async fn obey(shard: &Rc<Shard>, key: usize, request: Request) {
    let id = request.id;
    match request.op {
        Op::Ping => shard.answer(key, talk::pong(id.as_ref())),
        Op::Auth => {
            let why = "this gateway asks for no token";
            shard.answer(key, talk::error(id.as_ref(), Code::NotConfigured, why));
        }
        Op::List => {
            let outcomes = list(&shard.state.borrow(), key);
            shard.answer(key, talk::result(id.as_ref(), "list", &outcomes));
        }
        Op::Unsubscribe { topics } => {
            let outcomes: Vec<_> = topics.into_iter().map(|text| unsubscribe(shard, key, text)).collect();
            shard.answer(key, talk::result(id.as_ref(), "unsubscribe", &outcomes));
        }
        Op::Subscribe { topics, how, resume } => subscribe(shard, key, id, topics, (how, resume)).await,
    }
}

fn list(state: &State, key: usize) -> Vec<Outcome> {
    let Some(client) = state.clients.get(key) else { return Vec::new() };
    let topics = client.subs.iter().filter_map(|(_, sub)| {
        let shelf = state.shelves.get(sub.shelf)?;
        let at = Outcome::at(shelf.topic.to_string(), shelf.position());
        let delivery = Some(if sub.interval.is_some() { "conflate" } else { "every" });
        let interval_ms = sub.interval.map(|interval| interval.as_millis() as u64);
        Some(Outcome { delivery, interval_ms, ..at })
    });
    let patterns = client.patterns.iter().map(|(pattern, _)| Outcome::done(pattern.as_str().to_owned()));
    topics.chain(patterns).collect()
}

fn unsubscribe(shard: &Rc<Shard>, key: usize, text: String) -> Outcome {
    let not_subscribed = |text: String| {
        let why = format!("`{text}` is not subscribed");
        Outcome::failed(text, Code::NotSubscribed, why)
    };
    if Pattern::is_pattern(&text) {
        return match Pattern::parse(&text) {
            Err(error) => Outcome::failed(text, Code::BadTopic, error.to_string()),
            Ok(pattern) if shard.drop_pattern(key, &pattern) => Outcome::done(pattern.as_str().to_owned()),
            Ok(_) => not_subscribed(text),
        };
    }
    match shard.canonical(&text) {
        Err(outcome) => *outcome,
        Ok(topic) if shard.drop_topic(key, &topic) => Outcome::done(topic.to_string()),
        Ok(topic) => not_subscribed(topic.to_string()),
    }
}

/// A topic that is open, and where the client wants to begin.
struct Joining {
    topic: Topic,
    from: Option<Position>,
    /// The place of its outcome in the answer.
    at: usize,
    _expected: Expected,
}

async fn subscribe(
    shard: &Rc<Shard>,
    key: usize,
    id: Option<Value>,
    topics: Vec<String>,
    (how, resume): (How, BTreeMap<String, Position>),
) {
    let mut outcomes = Vec::with_capacity(topics.len());
    let (mut joining, mut patterns) = (Vec::new(), Vec::new());
    let resume: BTreeMap<Topic, Position> =
        resume.into_iter().filter_map(|(text, from)| Some((shard.canonical(&text).ok()?, from))).collect();
    for text in topics {
        if Pattern::is_pattern(&text) {
            outcomes.push(match Pattern::parse(&text) {
                Err(error) => Outcome::failed(text, Code::BadTopic, error.to_string()),
                Ok(pattern) => match shard.hold(key, &pattern, how).await {
                    Ok(()) => {
                        let outcome = Outcome::done(pattern.as_str().to_owned());
                        patterns.push(pattern);
                        outcome
                    }
                    Err(error) => Outcome::refused(text, &error),
                },
            });
            continue;
        }
        let topic = match shard.canonical(&text) {
            Ok(topic) => topic,
            Err(outcome) => {
                outcomes.push(*outcome);
                continue;
            }
        };
        let from = resume.get(&topic).copied();
        match shard.open(&topic, from).await {
            Ok(expected) => {
                joining.push(Joining { topic, from, at: outcomes.len(), _expected: expected });
                outcomes.push(Outcome::done(text));
            }
            Err(error) => outcomes.push(Outcome::refused(topic.to_string(), &error)),
        }
    }
    shard.join(key, id.as_ref(), how, (joining, outcomes));
    for pattern in patterns {
        shard.offer_existing(key, &pattern);
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
    /// Says something to one client.
    fn answer(&self, key: usize, frame: bytes::Bytes) {
        let mut state = self.state.borrow_mut();
        if let Some(client) = state.clients.get_mut(key) {
            client.say(frame);
            self.write(&mut state, key);
        }
    }

    /// The venue's own spelling of a topic.
    fn canonical(&self, text: &str) -> Result<Topic, Box<Outcome>> {
        let bad = |error: tapeline::TopicError| Box::new(Outcome::refused(text.to_owned(), &error.into()));
        let topic = Topic::parse(text).map_err(bad)?;
        let held = self.adapters.borrow().get(topic.venue()).cloned();
        let adapter = match held {
            Some(adapter) => adapter,
            None => {
                let adapter = self.hub.adapter(topic.venue()).map_err(bad)?;
                self.adapters.borrow_mut().insert(topic.venue().to_owned(), adapter.clone());
                adapter
            }
        };
        adapter.canonical(topic).map_err(bad)
    }

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
        for Joining { topic, from, at, .. } in &joining {
            let at = *at;
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
            let place = client.add(shelf_key, interval(topic, how, config.throttle), false);
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

    /// Whoever holds a pattern that matches reads a shelf that is new.
    pub(super) fn offer(self: &Rc<Self>, shelf: usize) {
        let takers: Vec<(usize, How)> = {
            let state = self.state.borrow();
            let Some(topic) = state.shelves.get(shelf).map(|shelf| &shelf.topic) else { return };
            let matching = |client: &super::client::Client| {
                client.patterns.iter().find(|(pattern, _)| pattern.matches(topic)).map(|(_, how)| *how)
            };
            state.clients.iter().filter_map(|(key, client)| Some((key, matching(client)?))).collect()
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
        let mut served = Vec::new();
        let mut waiting = std::mem::take(&mut shelf.waiting);
        waiting.retain(|reader| {
            let Some(client) = clients.get_mut(reader.client) else { return false };
            // Whoever does not read waits with the rest of the world for better times.
            if client.own_bytes() > limit {
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

/// Where a reader of a shelf can begin, or why not where it wants to.
fn begin(shelf: &super::shelf::Shelf, from: Option<Position>) -> Result<Begin, &'static str> {
    let Some(from) = from else {
        return Ok(if shelf.is_events() { Begin::Next } else { Begin::State });
    };
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
