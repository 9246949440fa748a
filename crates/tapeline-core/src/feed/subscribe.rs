//! Who reads what: subscriptions, patterns, linger, and what is refused.

use crate::data::book::BookSync;
use crate::data::channel::{Delivery, Shape};
use crate::data::topic::{Pattern, Topic, TopicError};
use crate::data::update::{Data, Kind, Level, Position, Source, Status};
use crate::outbox::{Subscriber, SubscriberId};
use crate::time::Time;
use crate::venue::{Route, Sequencing, StreamName, TopicId};

use super::Feed;
use super::history::{Place, notice};
use super::io::{Peek, Start, Subscribed};
use super::lines::REJECTED;
use super::missed::Past;
use super::topics::{Entry, Facts, Service, State};

/// The phase of a topic of which a subscriber gets nothing, since it reads as many as it may.
const LEFT_OUT: &str = "left_out";

impl Feed {
    /// Subscribes `to` to one topic. What is known of it is delivered at once: its status, and the
    /// history `from` where it is to begin, or the state as a snapshot; from the oldest, both.
    ///
    /// # Errors
    /// [`TopicError`] if the venue does not offer it or a limit is reached.
    pub fn subscribe(
        &mut self,
        now: Time,
        topic: Topic,
        how: Delivery,
        from: impl Into<Start>,
        to: &Subscriber,
    ) -> Result<Subscribed, TopicError> {
        self.notice(now);
        self.start(now);
        let topic = self.venue.canonical(topic)?;
        let reading = self.readers.slot(to.id()).and_then(|slot| self.readers.get(slot));
        let limit = self.config.limits.topics_per_client;
        if reading.is_some_and(|reader| reader.topics.len() >= limit) && self.reads(&topic, to.id()).is_none()
        {
            return Err(TopicError::Limit { limit, what: "topics per subscriber" });
        }
        let id = self.ensure(now, &topic, None)?;
        self.attach(now, id, how, to);
        let answer = self.resume(now, id, how, from.into(), to);
        self.drive(now);
        // What was made a moment ago is there; if not, the limit on topics is the nearest truth.
        answer.ok_or(TopicError::Limit { limit: self.config.limits.topics, what: "topics" })
    }

    /// Subscribes `to` to every topic that matches, now and later; how many match now. If they are more
    /// than a subscriber may read, it is told in its stream what is left out.
    pub fn subscribe_pattern(
        &mut self,
        now: Time,
        pattern: Pattern,
        how: Option<Delivery>,
        to: &Subscriber,
    ) -> usize {
        self.start(now);
        let slot = self.readers.enter(now.unix, to);
        let matching: Vec<TopicId> =
            self.topics.iter().filter(|(_, entry)| pattern.matches(&entry.topic)).map(|(id, _)| id).collect();
        if let Some(reader) = self.readers.get_mut(slot) {
            reader.patterns.retain(|(held, _)| *held != pattern);
            reader.patterns.push((pattern.clone(), how));
        }
        let limit = self.config.limits.topics_per_client;
        let mut left_out = Vec::new();
        for id in &matching {
            let Some(entry) = self.topics.get(*id) else { continue };
            if entry.readers.iter().any(|(held, _)| *held == slot) {
                continue;
            }
            if self.readers.get(slot).is_none_or(|reader| reader.topics.len() >= limit) {
                left_out.push(*id);
                continue;
            }
            let how = how.unwrap_or_else(|| entry.topic.channel().default_delivery());
            self.attach(now, *id, how, to);
            self.resume(now, *id, how, Start::Now, to);
        }
        if let Some(first) = left_out.first() {
            self.tell_left_out(now, *first, left_out.len(), &pattern, slot);
        }
        matching.len()
    }

    /// Ends one subscription; whether there was one.
    pub fn unsubscribe(&mut self, now: Time, topic: &Topic, who: SubscriberId) -> bool {
        let Ok(topic) = self.venue.canonical(topic.clone()) else { return false };
        let (Some(id), Some(slot)) = (self.topics.id(&topic), self.readers.slot(who)) else { return false };
        self.detach(now, id, slot)
    }

    /// Ends one pattern's subscription, and those it made; whether there was one.
    pub fn unsubscribe_pattern(&mut self, now: Time, pattern: &Pattern, who: SubscriberId) -> bool {
        let Some(slot) = self.readers.slot(who) else { return false };
        let Some(reader) = self.readers.get_mut(slot) else { return false };
        let before = reader.patterns.len();
        reader.patterns.retain(|(held, _)| held != pattern);
        let found = reader.patterns.len() < before;
        let topics: Vec<TopicId> = reader.topics.iter().copied().collect();
        for id in topics.into_iter().filter(|_| found) {
            if self.topics.get(id).is_some_and(|entry| pattern.matches(&entry.topic)) {
                self.detach(now, id, slot);
            }
        }
        found
    }

    /// Forgets a subscriber altogether (its outbox was dropped).
    pub fn leave(&mut self, now: Time, who: SubscriberId) {
        if let Some(slot) = self.readers.slot(who) {
            self.expel(now, slot);
        }
    }

    pub(super) fn expel(&mut self, now: Time, slot: u32) {
        let Some(reader) = self.readers.exit(slot) else { return };
        for id in reader.topics {
            self.detach(now, id, slot);
        }
    }

    /// Whether somebody reads a topic already.
    fn reads(&self, topic: &Topic, who: SubscriberId) -> Option<TopicId> {
        let (id, slot) = (self.topics.id(topic)?, self.readers.slot(who)?);
        self.topics.get(id)?.readers.iter().any(|(held, _)| *held == slot).then_some(id)
    }

    fn attach(&mut self, now: Time, id: TopicId, how: Delivery, to: &Subscriber) {
        let slot = self.readers.enter(now.unix, to);
        let Some(entry) = self.topics.get_mut(id) else { return };
        let unread = entry.readers.is_empty();
        match entry.readers.iter_mut().find(|(held, _)| *held == slot) {
            Some(held) => held.1 = how,
            None => entry.readers.push((slot, how)),
        }
        if unread {
            self.fallback.topics_changed();
        }
        entry.idle_since = None;
        if let Some(reader) = self.readers.get_mut(slot) {
            reader.topics.insert(id);
        }
        if unread {
            self.may_have_missed(now, id);
        }
        self.note_service(now, id);
        self.want_snapshot(now, id);
    }

    fn detach(&mut self, now: Time, id: TopicId, slot: u32) -> bool {
        if let Some(reader) = self.readers.get_mut(slot) {
            reader.topics.remove(&id);
        }
        let Some(entry) = self.topics.get_mut(id) else { return false };
        let before = entry.readers.len();
        entry.readers.retain(|(held, _)| *held != slot);
        if entry.readers.is_empty() && entry.idle_since.is_none() {
            entry.idle_since = Some(now.mono);
        }
        let found = entry.readers.len() < before;
        if found && entry.readers.is_empty() {
            self.fallback.topics_changed();
        }
        self.note_service(now, id);
        self.want_snapshot(now, id);
        found
    }

    /// Brings a new reader to the present: the tail of the history, or the state. `None` if there is no such topic.
    fn resume(
        &mut self,
        now: Time,
        id: TopicId,
        how: Delivery,
        from: Start,
        to: &Subscriber,
    ) -> Option<Subscribed> {
        let slot = self.readers.enter(now.unix, to);
        let entry = self.topics.get(id)?;
        let position = Position { epoch: entry.epoch, offset: entry.offset };
        let topic = entry.topic.clone();
        let told = |recovered, reason| Some(Subscribed { topic, position, recovered, reason });
        let tail = |offset| entry.history.after(Place { offset, ..entry.place() }, entry.offset);
        let refused = match from {
            Start::Now => None,
            Start::Oldest => {
                for update in tail(entry.offset - entry.history.held()).into_iter().flatten() {
                    self.readers.stage(slot, how, update);
                }
                None
            }
            Start::After(from) if from.epoch != entry.epoch => Some("epoch"),
            Start::After(from) if from.offset > entry.offset => Some("ahead"),
            // The first state of an epoch is a snapshot, which no log holds.
            Start::After(from) if from.offset == 0 && !matches!(entry.state, State::Events) => {
                Some("too_old")
            }
            Start::After(from) => match tail(from.offset) {
                Some(tail) => {
                    for update in tail {
                        self.readers.stage(slot, how, update);
                    }
                    self.readers.stage(slot, how, entry.status(now));
                    return told(true, None);
                }
                None => Some("too_old"),
            },
        };
        self.readers.stage(slot, how, entry.status(now));
        if let Some(snapshot) = entry.snapshot(now) {
            debug_assert_eq!(snapshot.kind, Kind::Snapshot);
            self.readers.stage(slot, how, snapshot);
        }
        told(false, refused)
    }

    /// A topic as a new reader would find it; `None` if it does not run.
    pub fn peek(&self, now: Time, topic: &Topic) -> Option<Peek> {
        let topic = self.venue.canonical(topic.clone()).ok()?;
        let entry = self.topics.get(self.topics.id(&topic)?)?;
        let position = Position { epoch: entry.epoch, offset: entry.offset };
        Some(Peek { position, status: entry.status(now), snapshot: entry.snapshot(now) })
    }

    /// The topic's slot; made, placed on a line and offered to patterns if it is new.
    pub(super) fn ensure(
        &mut self,
        now: Time,
        topic: &Topic,
        last: Option<u64>,
    ) -> Result<TopicId, TopicError> {
        if let Some(id) = self.topics.id(topic) {
            return Ok(id);
        }
        let limit = self.config.limits.topics;
        if self.topics.len() >= limit {
            return Err(TopicError::Limit { limit, what: "topics" });
        }
        // Asked now, so that what is not offered is refused before anything is made.
        self.venue.route(topic)?;
        let profile = self.venue.profile();
        let promise = profile.promise(topic.channel());
        // Ids of several symbols share no order.
        let sequencing =
            promise.filter(|_| !topic.is_all()).map_or(Sequencing::None, |promise| promise.sequence);
        let book = match (sequencing, profile.book) {
            (Sequencing::Book, Some(rule)) => Some(BookSync::new(rule, self.book_limits())),
            _ => None,
        };
        let shape = topic.channel().shape();
        debug_assert!(book.is_none() || shape == Shape::Book);
        let past = if sequencing == Sequencing::Contiguous { self.past_of(topic) } else { Past::None };
        let facts = Facts { sequencing, shape, book, epoch: self.epoch(), past };
        let id = self.topics.insert(Entry::new(topic.clone(), facts, now, last));
        let told = self.config.expect_every.get(topic).copied();
        if let Some(period) = told.or_else(|| self.venue.period(topic)) {
            self.expect_period(id, period);
        }
        self.match_cuts(id);
        self.place(now, id);
        self.offer_to_patterns(now, id);
        self.fallback.topics_changed();
        Ok(id)
    }

    fn offer_to_patterns(&mut self, now: Time, id: TopicId) {
        let Some(entry) = self.topics.get(id) else { return };
        let limit = self.config.limits.topics_per_client;
        let mut takers: Vec<(Subscriber, Delivery)> = Vec::new();
        let mut left_out: Vec<(u32, Pattern)> = Vec::new();
        for (slot, reader) in self.readers.iter() {
            let found = reader.patterns.iter().find(|(pattern, _)| pattern.matches(&entry.topic));
            let Some((pattern, how)) = found else { continue };
            if reader.topics.len() >= limit {
                left_out.push((slot, pattern.clone()));
            } else {
                let how = how.unwrap_or_else(|| entry.topic.channel().default_delivery());
                takers.push((reader.subscriber.clone(), how));
            }
        }
        for (subscriber, how) in takers {
            self.attach(now, id, how, &subscriber);
            self.resume(now, id, how, Start::Now, &subscriber);
        }
        for (slot, pattern) in left_out {
            self.tell_left_out(now, id, 1, &pattern, slot);
        }
    }

    /// Tells a reader that its pattern matches more than it may read: `count` topics, `first` among them.
    fn tell_left_out(&mut self, now: Time, first: TopicId, count: usize, pattern: &Pattern, slot: u32) {
        let Some(entry) = self.topics.get(first) else { return };
        let limit = self.config.limits.topics_per_client;
        let reason =
            format!("{count} topics of {} are left out: a subscriber may read {limit}", pattern.as_str());
        let (level, source) = (Level::Critical, Source::Cache);
        let status = Status { level, phase: LEFT_OUT, source, reason: reason.into(), since: now.unix };
        let notice = notice(entry.place(), Kind::Status, now, Data::Status(Box::new(status)));
        self.readers.stage(slot, Delivery::Every, notice);
    }

    /// The stream of a topic; asked of the adapter each time, so that no topic has to keep it.
    pub(super) fn route_of(&self, id: TopicId) -> Option<Route> {
        self.venue.route(&self.topics.get(id)?.topic).ok()
    }

    /// A line is to carry a stream no longer; it rests if that was the last.
    pub(super) fn uncarry(&mut self, now: Time, slot: usize, stream: &StreamName) {
        let line = &mut self.lines[slot];
        line.wishes.leave(&mut line.names, stream);
        self.doubt_rhythm(now, slot);
        if self.lines[slot].wishes.is_empty() {
            self.rest_line(now, slot);
        }
    }

    /// Drops topics nobody has read for `linger` (or at all, if asked by hand); how many.
    pub(super) fn sweep(&mut self, now: Time, by_hand: bool) -> usize {
        self.readers.find_gone();
        self.expel_gone(now);
        let linger = if by_hand { std::time::Duration::ZERO } else { self.config.timing.linger };
        let over = |entry: &Entry| entry.idle_since.is_some_and(|since| now.mono.since(since) >= linger);
        let idle: Vec<TopicId> =
            self.topics.iter().filter(|(_, entry)| !entry.warm && over(entry)).map(|(id, _)| id).collect();
        for id in &idle {
            self.drop_topic(now, *id);
        }
        self.counters.sweeps += 1;
        self.shorten_logs();
        idle.len()
    }

    pub(super) fn expel_gone(&mut self, now: Time) {
        for slot in self.readers.take_gone() {
            self.expel(now, slot);
        }
    }

    fn drop_topic(&mut self, now: Time, id: TopicId) {
        let route = self.route_of(id);
        let Some(entry) = self.topics.remove(id) else { return };
        self.close_ledger(&entry);
        self.end_service(now, id, &entry);
        self.snapshots.forget(id);
        self.holes.remove(&id);
        self.early.remove(&id);
        self.forget_cuts(id);
        self.refusals.forget(id);
        self.claims.forget(id);
        self.repairs.forget(id);
        self.missed.forget(id);
        self.fetches.forget(id);
        self.fallback.forget(id);
        self.ailing.remove(&id);
        self.periodic.remove(&id);
        self.decoded.forget(id);
        let Some(route) = route else { return };
        for slot in entry.carriers.iter() {
            self.uncarry(now, slot, &route.stream);
        }
    }

    /// Keeps all logs together within their bound: those nobody reads give first, then the longest.
    pub(super) fn shorten_logs(&mut self) {
        self.logs_due = false;
        let bound = self.logs_bound();
        let mut total = self.logs_held();
        // A little below the bound, so that this is not needed again with the next message.
        let target = bound - bound / 8;
        if total <= bound {
            return self.lengthen_logs(total, target);
        }
        let mut order: Vec<(bool, usize, TopicId)> = self
            .topics
            .iter()
            .map(|(id, entry)| (!entry.readers.is_empty(), usize::MAX - entry.history.bytes(), id))
            .collect();
        order.sort_unstable();
        while total > target {
            let before = total;
            for (_, _, id) in &order {
                let Some(entry) = self.topics.get_mut(*id).filter(|_| total > target) else { continue };
                let half = entry.history.bytes() / 2;
                total = total.saturating_sub(entry.history.shorten(half));
            }
            if total == before {
                return;
            }
        }
    }

    /// Logs that were shortened may grow again if there is room for all of them to do so.
    fn lengthen_logs(&mut self, total: usize, target: usize) {
        let shortened = |entry: &Entry| entry.history.is_shortened();
        let more: usize =
            self.topics.iter().filter(|(_, e)| shortened(e)).map(|(_, e)| e.history.bytes()).sum();
        if more > 0 && total + more <= target {
            for (_, entry) in self.topics.iter_mut().filter(|(_, entry)| shortened(entry)) {
                entry.history.lengthen();
            }
        }
    }

    /// No line carries the topic any more: what is shown of it is no longer proved by anything.
    pub(super) fn disown(&mut self, now: Time, id: TopicId) {
        self.snapshots.forget(id);
        self.early.remove(&id);
        self.break_book(now, id);
        let Some(entry) = self.topics.get_mut(id) else { return };
        match &mut entry.state {
            State::Book(book) => book.snapshot_failed(),
            _ if entry.sequencing != Sequencing::Contiguous => entry.broken = entry.last_at().is_some(),
            _ => {}
        }
    }

    /// A line carries a topic no longer. If no other one does, what is shown of it is in doubt.
    pub(super) fn give_up(&mut self, now: Time, id: TopicId, slot: usize) {
        let covered = self.is_covered(id, slot);
        if let Some(entry) = self.topics.get_mut(id) {
            entry.carriers.remove(slot);
        }
        if !covered {
            self.disown(now, id);
        }
    }

    /// The venue has refused a stream: its topic is told, nobody else.
    pub(super) fn reject(&mut self, now: Time, id: TopicId, reason: &str) {
        let route = self.route_of(id);
        self.disown(now, id);
        let Some(entry) = self.topics.get_mut(id) else { return };
        let carriers = std::mem::take(&mut entry.carriers);
        // What one line may not have the other may not have either.
        for slot in carriers.iter() {
            route.iter().for_each(|route| self.uncarry(now, slot, &route.stream));
        }
        let Some(entry) = self.topics.get_mut(id) else { return };
        let reason: Box<str> = format!("refused by the venue: {reason}").into();
        self.events.record(now, entry.topic.as_str(), (entry.service.phase, REJECTED), &reason);
        let service = Service { level: Level::Critical, phase: REJECTED, source: entry.kept(), reason };
        entry.serve(&mut self.readers, now, service, false);
        self.note_service(now, id);
    }
}
