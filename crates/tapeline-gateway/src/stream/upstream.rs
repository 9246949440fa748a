//! What a shard asks of the hub: topics and patterns, each once, however many clients want them.

use std::rc::Rc;

use tapeline::{Start, SubscribeError, Wish};
use tapeline_core::data::topic::{Pattern, Topic};
use tapeline_core::data::update::Position;
use tokio::time::{Duration, sleep, timeout};

use super::shard::{EVERY, Shard};
use super::shelf::{Look, Reader};
use super::subscribe::wish;
use super::talk::How;

/// How long a feed may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// A venue whose feed failed is asked again after this long.
const AGAIN: Duration = Duration::from_secs(1);

/// Keeps a topic open for one who is about to read it.
pub(super) struct Expected {
    shard: Rc<Shard>,
    topic: Topic,
}

impl Drop for Expected {
    fn drop(&mut self) {
        let key = {
            let mut state = self.shard.state.borrow_mut();
            let Some(key) = state.by_topic.get(&self.topic).copied() else { return };
            state.shelves[key].expected = state.shelves[key].expected.saturating_sub(1);
            key
        };
        self.shard.leave_idle(key);
    }
}

impl Shard {
    /// Opens a topic, unless it is open; ready when all that is known of it has arrived. Who resumes may know more
    /// than has arrived: then that is waited for too, if it is true. It stays open as long as the answer is held.
    pub(super) async fn open(
        self: &Rc<Self>,
        topic: &Topic,
        from: Option<Position>,
    ) -> Result<Expected, SubscribeError> {
        let mut expected = None;
        let unavailable = || SubscribeError::Unavailable { venue: topic.venue().to_owned() };
        let opened = async {
            loop {
                let (news, outcome) = {
                    let mut state = self.state.borrow_mut();
                    let key = match state.by_topic.get(topic) {
                        Some(key) => *key,
                        None => {
                            let key = state.insert(topic.clone());
                            tokio::task::spawn_local(Self::ask(Rc::clone(self), topic.clone()));
                            key
                        }
                    };
                    let shelf = &mut state.shelves[key];
                    expected.get_or_insert_with(|| {
                        shelf.expected += 1;
                        Expected { shard: Rc::clone(self), topic: topic.clone() }
                    });
                    if shelf.open {
                        return Ok(());
                    }
                    (Rc::clone(&shelf.news), Rc::clone(&shelf.outcome))
                };
                news.notified().await;
                if let Some(error) = outcome.get() {
                    return Err(error.clone());
                }
            }
        };
        timeout(ANSWER_WITHIN, opened).await.unwrap_or_else(|_| Err(unavailable()))?;
        if let Some(from) = from {
            self.catch_up(topic, from).await;
        }
        expected.ok_or_else(unavailable)
    }

    /// Whether a topic runs, here or for anybody else. Asking begins nothing.
    pub(super) async fn runs(&self, topic: &Topic) -> bool {
        let held = self.state.borrow().by_topic.contains_key(topic);
        held || self.hub.peek(topic).await.is_ok_and(|found| found.is_some())
    }

    /// Waits until what is on its way has arrived, if a client has seen it before.
    async fn catch_up(self: &Rc<Self>, topic: &Topic, from: Position) {
        let ahead = |shard: &Self| {
            let state = shard.state.borrow();
            let shelf = state.by_topic.get(topic).and_then(|key| state.shelves.get(*key))?;
            let ahead = shelf.epoch == from.epoch && shelf.head < from.offset;
            ahead.then(|| Rc::clone(&shelf.news))
        };
        if ahead(self).is_none() {
            return;
        }
        let peek = self.hub.peek(topic).await.ok().flatten();
        if peek.is_none_or(|peek| peek.position.epoch != from.epoch || peek.position.offset < from.offset) {
            return;
        }
        let arrived = async {
            while let Some(news) = ahead(self) {
                news.notified().await;
            }
        };
        let _ = timeout(ANSWER_WITHIN, arrived).await;
    }

    /// Asks the hub for a topic whose shelf is new.
    async fn ask(self: Rc<Self>, topic: Topic) {
        let answer = async {
            let link = self.link(topic.venue())?;
            let link = link.lock().await;
            link.add(Wish::Topic(topic.clone()), EVERY, Start::Oldest).await
        };
        let answer = answer.await;
        let unavailable = || SubscribeError::Unavailable { venue: topic.venue().to_owned() };
        let position = match answer.and_then(|answer| answer.ok_or_else(unavailable)) {
            Ok(subscribed) => subscribed.position,
            Err(error) => {
                let mut state = self.state.borrow_mut();
                let Some(key) = state.by_topic.remove(&topic) else { return };
                let shelf = state.shelves.remove(key);
                let _ = shelf.outcome.set(error);
                shelf.news.notify_waiters();
                return;
            }
        };
        loop {
            let news = {
                let mut state = self.state.borrow_mut();
                let Some(key) = state.by_topic.get(&topic).copied() else { return };
                let shelf = &mut state.shelves[key];
                if shelf.has(position) {
                    shelf.open = true;
                    shelf.news.notify_waiters();
                    break;
                }
                Rc::clone(&shelf.news)
            };
            news.notified().await;
        }
        let key = self.state.borrow().by_topic.get(&topic).copied();
        if let Some(key) = key {
            self.offer(key);
            // Whoever asked may be gone.
            self.leave_idle(key);
        }
    }

    /// Looks at the whole state of a topic, for those who wait for it.
    pub(super) async fn look(self: Rc<Self>, key: usize, topic: Topic) {
        let peek = self.hub.peek(&topic).await.ok().flatten();
        {
            let mut state = self.state.borrow_mut();
            let Some(shelf) = state.shelves.get_mut(key).filter(|shelf| shelf.topic == topic) else { return };
            shelf.looking = false;
            match peek {
                // Those who wait have it looked for once more.
                Some(_) if std::mem::take(&mut shelf.overtaken) => {}
                Some(peek) => shelf.look = Some(Look::new(&peek)),
                // The feed is not there; it will be asked when it has news.
                None => return,
            }
        }
        self.serve_waiting(key);
    }

    /// A client holds a pattern.
    pub(super) async fn hold(
        self: &Rc<Self>,
        key: usize,
        pattern: &Pattern,
        how: How,
    ) -> Result<(), SubscribeError> {
        let first = {
            let mut state = self.state.borrow_mut();
            let Some(client) = state.clients.get_mut(key) else { return Ok(()) };
            if let Some(held) = client.patterns.iter_mut().find(|(held, _)| held == pattern) {
                held.1 = how;
                return Ok(());
            }
            client.patterns.push((pattern.clone(), how));
            let text = pattern.as_str().to_owned();
            let held = state.patterns.entry(text).or_insert_with(|| (pattern.clone(), 0));
            held.1 += 1;
            held.1 == 1
        };
        if !first {
            return Ok(());
        }
        for venue in self.hub.venues_of(pattern.as_str()) {
            let Some(wish) = wish(pattern, &venue) else { continue };
            let asked = async {
                let link = self.link(&venue)?;
                let link = link.lock().await;
                link.add(wish, EVERY, Start::Now).await
            };
            if let Err(error) = asked.await {
                self.drop_pattern(key, pattern);
                return Err(error);
            }
        }
        Ok(())
    }

    /// A client lets go of a pattern and what it read through it; whether it held it.
    pub(super) fn drop_pattern(self: &Rc<Self>, key: usize, pattern: &Pattern) -> bool {
        let mut state = self.state.borrow_mut();
        let Some(client) = state.clients.get_mut(key) else { return false };
        let before = client.patterns.len();
        client.patterns.retain(|(held, _)| held != pattern);
        if client.patterns.len() == before {
            return false;
        }
        let others: Vec<Pattern> = client.patterns.iter().map(|(held, _)| held.clone()).collect();
        let through: Vec<(usize, usize)> = client
            .subs
            .iter()
            .filter(|(_, sub)| sub.by_pattern)
            .map(|(place, sub)| (place, sub.shelf))
            .collect();
        let mut left = Vec::new();
        for (place, shelf_key) in through {
            let Some(shelf) = state.shelves.get_mut(shelf_key) else { continue };
            let matches = |held: &Pattern| held.matches(&shelf.topic);
            if !matches(pattern) || others.iter().any(matches) {
                continue;
            }
            shelf.part(Reader { client: key, place });
            if let Some(client) = state.clients.get_mut(key) {
                client.remove(place);
            }
            left.push(shelf_key);
        }
        drop(state);
        self.release(pattern);
        left.into_iter().for_each(|shelf| self.leave_idle(shelf));
        true
    }

    /// A client lets go of a topic; whether it read it.
    pub(super) fn drop_topic(self: &Rc<Self>, key: usize, topic: &Topic) -> bool {
        let mut state = self.state.borrow_mut();
        let Some(shelf) = state.by_topic.get(topic).copied() else { return false };
        let Some(client) = state.clients.get_mut(key) else { return false };
        let Some(place) = client.place_of(shelf) else { return false };
        client.remove(place);
        state.shelves[shelf].part(Reader { client: key, place });
        drop(state);
        self.leave_idle(shelf);
        true
    }

    /// One client less holds a pattern; the hub is told when it was the last.
    pub(super) fn release(self: &Rc<Self>, pattern: &Pattern) {
        {
            let mut state = self.state.borrow_mut();
            let Some(held) = state.patterns.get_mut(pattern.as_str()) else { return };
            held.1 -= 1;
            if held.1 > 0 {
                return;
            }
            state.patterns.remove(pattern.as_str());
        }
        tokio::task::spawn_local(Self::give_up(Rc::clone(self), pattern.clone()));
    }

    /// Ends a pattern at the hub. That ends all topics it matches: those that are read are asked for by name.
    async fn give_up(self: Rc<Self>, pattern: Pattern) {
        for venue in self.hub.venues_of(pattern.as_str()) {
            let (Some(wish), Ok(link)) = (wish(&pattern, &venue), self.link(&venue)) else { continue };
            let link = link.lock().await;
            if self.state.borrow().patterns.contains_key(pattern.as_str()) {
                return;
            }
            let _ = link.remove(wish).await;
            let kept: Vec<(Topic, Position)> = {
                let state = self.state.borrow();
                let of_venue = |topic: &Topic| topic.venue() == venue && pattern.matches(topic);
                let read =
                    state.shelves.iter().filter(|(_, shelf)| of_venue(&shelf.topic) && !shelf.is_idle());
                read.map(|(_, shelf)| (shelf.topic.clone(), shelf.position())).collect()
            };
            for (topic, position) in kept {
                if let Err(error) = link.add(Wish::Topic(topic.clone()), EVERY, Start::After(position)).await
                {
                    tracing::warn!(%topic, %error, "a topic cannot be kept without its pattern");
                }
            }
        }
        let matching: Vec<usize> = {
            let state = self.state.borrow();
            let found = state.shelves.iter().filter(|(_, shelf)| pattern.matches(&shelf.topic));
            found.map(|(key, _)| key).collect()
        };
        matching.into_iter().for_each(|key| self.leave_idle(key));
    }

    /// Leaves a topic that nobody reads any more. The hub lets it linger.
    pub(super) fn leave_idle(self: &Rc<Self>, key: usize) {
        let topic = {
            let mut state = self.state.borrow_mut();
            let Some(shelf) = state.shelves.get(key).filter(|shelf| shelf.open && shelf.is_idle()) else {
                return;
            };
            let topic = shelf.topic.clone();
            if state.patterns.values().any(|(pattern, _)| pattern.matches(&topic)) {
                return;
            }
            state.shelves.remove(key);
            state.by_topic.remove(&topic);
            topic
        };
        let Ok(link) = self.link(topic.venue()) else { return };
        let shard = Rc::clone(self);
        tokio::task::spawn_local(async move {
            let link = link.lock().await;
            // Somebody may have come meanwhile.
            if !shard.state.borrow().by_topic.contains_key(&topic) {
                let _ = link.remove(Wish::Topic(topic)).await;
            }
        });
    }

    /// Asks a venue anew for everything that is read of it, after its feed had failed for good.
    pub(super) async fn resume_venue(self: &Rc<Self>, venue: &str) {
        loop {
            sleep(AGAIN).await;
            let (topics, patterns) = {
                let state = self.state.borrow();
                let of_venue = state.shelves.iter().filter(|(_, shelf)| shelf.topic.venue() == venue);
                let topics: Vec<(Topic, Position)> =
                    of_venue.map(|(_, shelf)| (shelf.topic.clone(), shelf.position())).collect();
                let patterns: Vec<Pattern> =
                    state.patterns.values().map(|(pattern, _)| pattern.clone()).collect();
                (topics, patterns)
            };
            let asked = async {
                let link = self.link(venue)?;
                let link = link.lock().await;
                for (topic, position) in topics {
                    link.add(Wish::Topic(topic), EVERY, Start::After(position)).await?;
                }
                for wish in patterns.iter().filter_map(|pattern| {
                    let concerned = self.hub.venues_of(pattern.as_str()).iter().any(|id| id == venue);
                    if concerned { wish(pattern, venue) } else { None }
                }) {
                    link.add(wish, EVERY, Start::Now).await?;
                }
                Ok::<(), SubscribeError>(())
            };
            match asked.await {
                Ok(()) => return,
                Err(error) => tracing::debug!(venue, %error, "a venue is not back yet"),
            }
        }
    }
}
