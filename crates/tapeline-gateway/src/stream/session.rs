//! The conversation with one client: its requests, one after the other.

use std::future::Future as _;
use std::rc::Rc;
use std::task::Poll;

use tapeline_core::data::topic::{Pattern, Topic};

use super::request::{self, Misheard, Op, Request};
use super::shard::{FAREWELL, Shard, State};
use super::subscribe::subscribe;
use super::talk::{self, Outcome, code};
use crate::codes::Code;

/// Messages that cannot be understood, before a client is told to stay away.
const PATIENCE: u32 = 10;

/// Serves a client until it is gone.
pub(super) async fn serve(shard: Rc<Shard>, key: usize) {
    let mut misheard = 0;
    loop {
        let next = std::future::poll_fn(|context| shard.poll_client(key, context)).await;
        let Some(text) = next else { break };
        match request::read(&text) {
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

impl Shard {
    /// Says something to one client.
    pub(super) fn answer(&self, key: usize, frame: bytes::Bytes) {
        let mut state = self.state.borrow_mut();
        if let Some(client) = state.clients.get_mut(key) {
            client.say(frame);
            self.write(&mut state, key);
        }
    }

    /// The venue's own spelling of a topic.
    pub(super) fn canonical(&self, text: &str) -> Result<Topic, Box<Outcome>> {
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
}
