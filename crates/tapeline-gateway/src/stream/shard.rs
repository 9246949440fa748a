//! A shard: a thread with its own clients, that reads the hub once for all of them.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use slab::Slab;
use tapeline::{Account, Control, Hub, Source, SubscribeError, Subscription, Wish};
use tapeline_core::data::channel::Delivery;
use tapeline_core::data::topic::{Pattern, Topic};
use tapeline_core::data::update::Shared as Update;
use tapeline_core::outbox::Bounds;
use tapeline_core::rng::Rng;
use tapeline_core::venue::{Map, Venue};
use tapeline_ws::close_code;
use tokio::sync::{Mutex, Notify, oneshot};
use tokio::time::{Instant, sleep};

use super::audience::{Audience, OWN};
use super::client::{Client, Joined, NOT_HELD};
use super::counters::why;
use super::memory::Squeeze;
use super::shelf::{self, Reader, Shelf};
use super::talk::code;
use super::vital::Broken;
use super::{Admission, ClientStatus, Counters};
use crate::live::Live;
use crate::reading::wall;

/// What waits for a shard between two turns, at most; beyond it the hub declares gaps.
const INBOX: Bounds = Bounds { messages: 1 << 18, bytes: 64 << 20 };
/// How long a client may take to read its farewell.
pub(super) const FAREWELL: Duration = Duration::from_secs(5);
/// Clocks further apart say nothing of how long anything takes.
const CLOCKS_AGREE: Duration = Duration::from_secs(60);
/// Bytes read from a client at once.
const SCRATCH: usize = 16 << 10;

/// What a shard is told.
#[derive(Debug)]
pub(super) enum Order {
    Admit(u64, Box<Admission>),
    List(oneshot::Sender<Vec<ClientStatus>>),
    Count(oneshot::Sender<Audience>),
    /// Tell everybody to come back, within the time.
    Stop(Duration, oneshot::Sender<()>),
}

/// A shard, shared by the tasks of its thread.
pub(super) struct Shard {
    pub(super) hub: Hub,
    pub(super) live: Arc<Live>,
    pub(super) counters: Arc<Counters>,
    /// Threads of this kind, which share the bounds.
    pub(super) shards: usize,
    pub(super) state: RefCell<State>,
    /// One who subscribes at a venue waits for those before, so that nobody's leaving overtakes another's coming.
    pub(super) venues: RefCell<Map<String, Rc<Mutex<Control>>>>,
    /// How each venue spells its topics.
    pub(super) adapters: RefCell<Map<String, Arc<dyn Venue>>>,
    pub(super) scratch: RefCell<Vec<u8>>,
    /// For what must not be the same for everybody.
    dice: RefCell<Rng>,
    /// Where it is told what the logs and the clients hold.
    pub(super) account: Arc<Account>,
    /// What has broken it, while that is not heard.
    pub(super) broken: Broken,
    /// Rings when something is due sooner than what is waited for.
    pub(super) alarm: Notify,
}

/// Everything that the tasks of a shard change.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) shelves: Slab<Shelf>,
    pub(super) by_topic: Map<Topic, usize>,
    pub(super) clients: Slab<Client>,
    /// Shelves with news in this turn.
    pub(super) touched: Vec<usize>,
    /// Clients to be written to in this turn.
    dirty: Vec<usize>,
    /// What was written last.
    pub(super) joined: Joined,
    /// When conflated updates are due, by shelf and interval.
    pub(super) due: BTreeSet<(Instant, usize, Duration)>,
    /// For when the clock is set.
    pub(super) armed: Option<Instant>,
    /// How many clients hold each pattern.
    pub(super) patterns: Map<String, (Pattern, usize)>,
    /// Messages that clients were to get and that the hub could not keep for this shard.
    lost: u64,
    /// How short memory is, and what the logs may hold for that.
    pub(super) squeeze: Squeeze,
    /// No client is taken any more.
    stopping: bool,
}

impl Shard {
    pub(super) fn new(hub: Hub, live: Arc<Live>, counters: Arc<Counters>, shards: usize) -> Rc<Self> {
        let scratch = RefCell::new(vec![0; SCRATCH]);
        // The standard library draws a seed from the system for every hash map.
        let dice = RefCell::new(Rng::new(RandomState::new().build_hasher().finish()));
        let (state, venues, adapters) = (RefCell::default(), RefCell::default(), RefCell::default());
        let (alarm, account, broken) = (Notify::new(), hub.account("clients"), Broken::default());
        Rc::new(Self {
            hub,
            live,
            counters,
            shards,
            state,
            venues,
            adapters,
            scratch,
            dice,
            account,
            broken,
            alarm,
        })
    }

    pub(super) fn admit(self: &Rc<Self>, id: u64, admission: Admission) {
        let Admission { socket, leftover, peer, seat } = admission;
        let socket = match tokio::net::TcpStream::from_std(socket) {
            Ok(socket) => socket,
            Err(error) => return tracing::warn!(%peer, %error, "a client cannot be taken in"),
        };
        let limit = self.live.config().limits.message_bytes;
        let mut client = Client::new(id, (peer, wall().0), (socket, seat), &leftover, limit);
        self.counters.admitted.fetch_add(1, Ordering::Relaxed);
        self.counters.clients.fetch_add(1, Ordering::Relaxed);
        if self.state.borrow().stopping {
            let reason = retry_after(0, 1, RETRY_LEAST, &mut self.dice.borrow_mut());
            client.close(&Slab::new(), code::SHUTDOWN, &reason, FAREWELL);
        }
        let key = self.state.borrow_mut().clients.insert(client);
        tokio::task::spawn_local(super::session::serve(Rc::clone(self), key));
    }

    /// A client is gone: everything it read is left.
    pub(super) fn forget(self: &Rc<Self>, key: usize) {
        let mut state = self.state.borrow_mut();
        let Some(client) = state.clients.try_remove(key) else { return };
        state.dirty.retain(|held| *held != key);
        let ended = client.closing.map_or(1006, |(code, _)| code);
        self.counters.dropped(why_dropped(client.closing), client.left(&state.shelves));
        for (place, sub) in &client.subs {
            if let Some(shelf) = state.shelves.get_mut(sub.shelf) {
                shelf.part(Reader { client: key, place });
            }
        }
        drop(state);
        self.counters.closed(ended);
        self.counters.clients.fetch_sub(1, Ordering::Relaxed);
        client.subs.iter().for_each(|(_, sub)| self.leave_idle(sub.shelf));
        client.patterns.iter().for_each(|(pattern, _)| self.release(pattern));
        if client.closing.is_some() && !client.gone {
            tokio::task::spawn_local(client.linger());
        }
    }

    pub(super) fn list(&self) -> Vec<ClientStatus> {
        let state = self.state.borrow();
        let status = |(_, client): (usize, &Client)| {
            let topic = |sub: &super::client::Sub| Some(state.shelves.get(sub.shelf)?.topic.to_string());
            ClientStatus {
                id: client.id.to_string(),
                peer: client.peer.to_string(),
                since: client.since.to_string(),
                topics: client.subs.iter().filter_map(|(_, sub)| topic(sub)).collect(),
                patterns: client.patterns.iter().map(|(pattern, _)| pattern.as_str().to_owned()).collect(),
                unsent: client.unsent(&state.shelves),
                sent: client.sent,
                received: client.received,
            }
        };
        state.clients.iter().map(status).collect()
    }

    /// Tells everybody to come back, a little apart from each other, and waits until they have heard it.
    pub(super) async fn farewell(&self, within: Duration) {
        let count = {
            let mut state = self.state.borrow_mut();
            state.stopping = true;
            let keys: Vec<usize> = state.clients.iter().map(|(key, _)| key).collect();
            let spread = (keys.len() as u64 * self.shards as u64 * 1_000 / RETRY_RATE).max(RETRY_LEAST);
            for (place, key) in keys.iter().enumerate() {
                let count = keys.len() as u64;
                let reason = retry_after(place as u64, count, spread, &mut self.dice.borrow_mut());
                let State { clients, shelves, .. } = &mut *state;
                clients[*key].close(shelves, code::SHUTDOWN, &reason, within);
                self.write(&mut state, *key);
            }
            keys.len()
        };
        let deadline = Instant::now() + within;
        while !self.state.borrow().clients.is_empty() && Instant::now() < deadline {
            sleep(Duration::from_millis(5)).await;
        }
        let left = self.state.borrow().clients.len();
        if left > 0 {
            tracing::warn!(count, left, "clients that did not hear the farewell");
        }
    }

    /// What a venue is asked through.
    pub(super) fn link(self: &Rc<Self>, venue: &str) -> Result<Rc<Mutex<Control>>, SubscribeError> {
        if let Some(link) = self.venues.borrow().get(venue) {
            return Ok(Rc::clone(link));
        }
        self.hub.adapter(venue)?;
        let choices = self.hub.subscribe(Vec::<Wish>::new()).name(OWN).bounds(INBOX).for_many();
        let subscription = choices.interval(Duration::ZERO).idle();
        let link = Rc::new(Mutex::new(subscription.control()));
        self.venues.borrow_mut().insert(venue.to_owned(), Rc::clone(&link));
        self.vital(Self::pump(Rc::clone(self), venue.to_owned(), subscription));
        Ok(link)
    }

    /// Reads what the hub has for a venue's topics.
    async fn pump(self: Rc<Self>, venue: String, mut subscription: Subscription) {
        let mut batch = Vec::new();
        while subscription.next_batch(&mut batch).await > 0 {
            self.take(&batch);
            batch.clear();
            tokio::task::yield_now().await;
        }
        // The feed failed for good, or everything stops: those who read it are connected anew when it is back.
        self.venues.borrow_mut().remove(&venue);
        drop(subscription);
        self.resume_venue(&venue).await;
    }

    /// A batch of updates: onto the shelves, then to everybody who reads them.
    fn take(self: &Rc<Self>, batch: &[Update]) {
        let now = Instant::now();
        let mut state = self.state.borrow_mut();
        let mut found = Vec::new();
        for update in batch {
            let key = match state.by_topic.get(&update.topic) {
                Some(key) => *key,
                None => {
                    // It came through a pattern.
                    if !state.patterns.values().any(|(pattern, _)| pattern.matches(&update.topic)) {
                        continue;
                    }
                    let key = state.insert(update.topic.clone());
                    state.shelves[key].open = true;
                    found.push(key);
                    key
                }
            };
            state.shelve(now, key, update);
        }
        self.tell_due(&mut state, now);
        let touched = std::mem::take(&mut state.touched);
        for key in &touched {
            state.spread(*key);
        }
        let wrote = self.write_dirty(&mut state);
        self.time(now, batch, wrote);
        if state.due.first().is_some_and(|(due, ..)| state.armed.is_none_or(|armed| *due < armed)) {
            self.alarm.notify_one();
        }
        self.counters.dropped(why::GAP, std::mem::take(&mut state.lost));
        drop(state);
        for key in found {
            self.offer(key);
        }
        for key in touched {
            self.serve_waiting(key);
        }
    }

    /// Adds to the figures of the stages what a batch says, taken over at `taken` and written by now.
    fn time(&self, taken: Instant, batch: &[Update], wrote: bool) {
        let stages = &self.counters.stages;
        let live = |update: &&Update| update.kind.consumes_offset() && update.source == Source::Live;
        let Some(newest) = batch.iter().rev().find(live) else { return };
        let agreed = |span: i64| u64::try_from(span).ok().map(Duration::from_nanos);
        let venue = newest.time.and_then(|time| agreed(newest.received.0.saturating_sub(time.0)));
        if let Some(venue) = venue.filter(|venue| *venue <= CLOCKS_AGREE) {
            stages.venue.add(venue);
        }
        if !wrote {
            return;
        }
        stages.client.add(taken.elapsed());
        // The wall clock may have been set back meanwhile.
        if let Some(delivery) = agreed(wall().0.saturating_sub(newest.received.0)) {
            stages.delivery.add(delivery);
        }
    }

    /// Tells what is due of the conflated updates.
    pub(super) fn tell_due(&self, state: &mut State, now: Instant) {
        while let Some((due, key, interval)) = state.due.first().copied() {
            if due > now {
                return;
            }
            state.due.pop_first();
            let merged = state.tell_class(now, key, interval);
            self.counters.merged.fetch_add(merged, Ordering::Relaxed);
        }
    }

    /// Writes to everybody for whom there is something; whether anything was written.
    pub(super) fn write_dirty(&self, state: &mut State) -> bool {
        let mut dirty = std::mem::take(&mut state.dirty);
        let mut wrote = false;
        for key in dirty.drain(..) {
            wrote |= self.write(state, key);
        }
        // The memory is used again.
        if state.dirty.is_empty() {
            state.dirty = dirty;
        }
        wrote
    }

    /// Writes to one client what waits for it, as far as its socket takes it; whether it took anything.
    pub(super) fn write(&self, state: &mut State, key: usize) -> bool {
        let State { clients, shelves, joined, .. } = state;
        let Some(client) = clients.get_mut(key) else { return false };
        client.queued = false;
        if client.blocked || client.gone {
            return false;
        }
        let mut wrote = false;
        match client.flush(shelves, joined) {
            Ok(written) => {
                wrote = written.frames > 0;
                self.counters.sent.fetch_add(written.frames, Ordering::Relaxed);
                self.counters.sent_bytes.fetch_add(written.bytes, Ordering::Relaxed);
                self.counters.merged.fetch_add(written.merged, Ordering::Relaxed);
                if written.lost > 0 {
                    client.dropped += written.lost;
                    client.cut(shelves, code::SLOW, NOT_HELD, FAREWELL);
                }
            }
            Err(_) => client.gone = true,
        }
        let adrift = std::mem::take(&mut client.adrift);
        let done = client.closing.is_some() && client.is_clear();
        if (client.blocked || client.gone || done)
            && let Some(waker) = &client.waker
        {
            waker.wake_by_ref();
        }
        for place in adrift {
            state.begin_anew(Reader { client: key, place });
        }
        wrote
    }
}

/// Those who are told to come back come over at least so many milliseconds, and no more of them in a second.
const RETRY_LEAST: u64 = 5_000;
const RETRY_RATE: u64 = 500;

/// When the client at `place` of `count` is to come back: all of them evenly over `spread` milliseconds, each at any
/// time within its own part, so that also those of many gateways with one client each come apart.
fn retry_after(place: u64, count: u64, spread: u64, dice: &mut Rng) -> String {
    let part = |place: u64| spread * place / count.max(1);
    let (from, to) = (part(place), part(place + 1));
    format!("{{\"retry_after_ms\":{}}}", from + dice.next_u64() % (to - from).max(1))
}

/// Why what waited for a client is dropped, by how it was closed.
const fn why_dropped(closing: Option<(u16, Instant)>) -> &'static str {
    match closing {
        Some((code::SLOW, _)) => why::SLOW,
        Some((code::SHUTDOWN, _)) => why::SHUTDOWN,
        Some((code::RATE | code::BAD_REQUEST, _)) => why::CLOSED,
        Some((close_code::PROTOCOL | close_code::INVALID_DATA | close_code::TOO_BIG, _)) => why::CLOSED,
        // Its own goodbye, or none at all.
        _ => why::GONE,
    }
}

impl State {
    /// A new shelf.
    pub(super) fn insert(&mut self, topic: Topic) -> usize {
        // Its place may have been another's.
        self.joined.forget();
        let key = self.shelves.insert(Shelf::new(topic.clone(), self.squeeze.step));
        self.by_topic.insert(topic, key);
        key
    }

    /// Puts an update onto its shelf.
    fn shelve(&mut self, now: Instant, key: usize, update: &Update) {
        self.joined.forget();
        let Some(shelf) = self.shelves.get_mut(key) else { return };
        if !shelf.take(now, update) {
            return;
        }
        if let Some(lost) = shelf::lost_to_us(update) {
            self.lost += lost * shelf.readers() as u64;
        }
        for class in &shelf.classes {
            if let Some(due) = class.due {
                self.due.insert((due, key, class.interval));
            }
        }
        if !shelf.touched {
            shelf.touched = true;
            self.touched.push(key);
        }
    }

    /// Everybody who reads every update of a shelf has something to read.
    pub(super) fn spread(&mut self, key: usize) {
        let Some(shelf) = self.shelves.get_mut(key) else { return };
        shelf.touched = false;
        shelf.news.notify_waiters();
        for reader in &shelf.readers {
            wake(&mut self.clients, &mut self.dirty, *reader);
        }
    }

    /// Tells the readers of an interval what has waited for them; how many updates were merged away.
    fn tell_class(&mut self, now: Instant, key: usize, interval: Duration) -> u64 {
        let Some(shelf) = self.shelves.get_mut(key) else { return 0 };
        let Some(at) = shelf.classes.iter().position(|class| class.interval == interval) else { return 0 };
        if shelf.classes[at].due.is_none_or(|due| due > now) {
            return 0;
        }
        self.joined.forget();
        let merged = shelf.classes[at].tell(now);
        let fresh = std::mem::take(&mut shelf.classes[at].fresh);
        let next = shelf.classes[at].log.next();
        for (reader, from) in fresh {
            // It has part of what was merged: it gets a merge of the rest.
            let rest = super::merge::merged(shelf.log.from(from).filter_map(|entry| entry.update()));
            let Some(client) = self.clients.get_mut(reader.client) else { continue };
            rest.iter().for_each(|update| client.say(super::log::frame(update)));
            if let Some(sub) = client.subs.get_mut(reader.place) {
                sub.cursor = Some(next);
            }
            if !client.queued {
                client.queued = true;
                self.dirty.push(reader.client);
            }
        }
        for reader in &shelf.classes[at].readers {
            wake(&mut self.clients, &mut self.dirty, *reader);
        }
        merged
    }
}

/// A reader has something to read.
#[inline]
fn wake(clients: &mut Slab<Client>, dirty: &mut Vec<usize>, reader: Reader) {
    let Some(client) = clients.get_mut(reader.client) else { return };
    client.touch(reader.place);
    if !client.queued {
        client.queued = true;
        dirty.push(reader.client);
    }
}

/// The delivery that the shards ask the hub for: they conflate themselves.
pub(super) const EVERY: Option<Delivery> = Some(Delivery::Every);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_are_to_come_back_are_spread_and_none_of_them_is_known_beforehand() {
        let when = |place, count, dice: &mut Rng| {
            let text = retry_after(place, count, 5_000, dice);
            let digits: String = text.chars().filter(char::is_ascii_digit).collect();
            digits.parse().unwrap_or(u64::MAX)
        };
        let mut dice = Rng::new(7);
        let alone: Vec<u64> = (0..1_000).map(|_| when(0, 1, &mut dice)).collect();
        let mean = alone.iter().sum::<u64>() / 1_000;
        assert!(alone.iter().all(|ms| *ms < 5_000) && (2_200..2_800).contains(&mean), "{mean}");
        for place in 0..100 {
            let ms = when(place, 100, &mut dice);
            assert!((place * 50..(place + 1) * 50).contains(&ms), "{place}: {ms}");
        }
        assert_eq!(when(3, 100_000, &mut dice), 0, "more clients than milliseconds");
    }
}
