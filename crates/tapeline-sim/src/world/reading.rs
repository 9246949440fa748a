//! Readers at work: they subscribe, read in their own time, are cut off and come back.

use std::task::Waker;

use tapeline_core::data::channel::Channel;
use tapeline_core::data::topic::Topic;
use tapeline_core::data::update::{Data, GapKind, Position, Shared, Source};
use tapeline_core::venue::Fetch;

use super::clock::SEC;
use super::oracle::{Oracle, Tally};
use super::reader::{Habit, Reader};
use super::trace::Deed;
use super::{Event, World};

/// So many of the newest trades a reply tells at least, with room for those that come while it is asked for.
const NEWEST: usize = 900;

impl World {
    /// The place of a host's reader of some habit.
    pub(super) fn reader_of(&self, host: usize, habit: Habit) -> usize {
        let found = self.readers.iter().position(|reader| reader.host == host && reader.habit == habit);
        // Every host has one of each habit.
        found.unwrap_or(0)
    }

    /// Subscribes a reader; whether the feed took it.
    pub(super) fn subscribe(&mut self, reader: usize, topic: &Topic, from: Option<Position>) -> bool {
        let (now, time) = (self.now, self.time());
        let (host, habit) = (self.readers[reader].host, self.readers[reader].habit);
        if !self.hosts[host].is_awake(now) {
            return false;
        }
        // What was meant for an earlier subscription is read before the new one begins.
        self.read(reader, true);
        let to = self.readers[reader].subscriber().clone();
        let ask = topic.clone();
        let answer = self.hosts[host].with(|feed| feed.subscribe(time, ask, habit.delivery(), from, &to));
        match answer {
            Some(Ok(answer)) => {
                let how = answer.reason.unwrap_or(if answer.recovered { "resumed" } else { "new" });
                self.trace.tell(now, format!("reader {reader} reads {} ({how})", topic.as_str()));
                self.oracles.subscribed(self.hosts[host].house, reader, &answer, from);
                if habit == Habit::Watcher {
                    self.open_tally(host, topic);
                }
                self.hosts[host].wants(now, topic, reader);
                true
            }
            Some(Err(why)) => {
                self.oracles.object(Oracle::Table, format!("{} is refused: {why}", topic.as_str()));
                false
            }
            None => false,
        }
    }

    /// A reader subscribes as soon as there is a feed to subscribe to.
    pub(super) fn want(&mut self, reader: usize, topic: Topic) {
        let host = self.readers[reader].host;
        if self.hosts[host].wishes.get(&topic).is_some_and(|wish| wish.readers.contains(&reader)) {
            return;
        }
        if !self.subscribe(reader, &topic, None) {
            self.agenda.plan(self.now + SEC, Event::Subscribe(reader, topic));
        }
    }

    /// A reader leaves a topic.
    pub(super) fn unsubscribe(&mut self, reader: usize, topic: &Topic) {
        let (now, time) = (self.now, self.time());
        let host = self.readers[reader].host;
        if !self.hosts[host].is_awake(now) {
            return;
        }
        let who = self.readers[reader].id();
        self.hosts[host].with(|feed| feed.unsubscribe(time, topic, who));
        self.trace.tell(now, format!("reader {reader} leaves {}", topic.as_str()));
        // What is staged goes out with the next action; only then is it over.
        self.drive(host);
        self.read(reader, true);
        self.oracles.unsubscribed(reader, topic);
        if self.readers[reader].habit == Habit::Watcher {
            self.oracles.tallies[host].remove(topic);
        }
        self.hosts[host].leaves(now, topic, reader);
    }

    /// A reader's turn has come.
    pub(super) fn read_in_turn(&mut self, reader: usize) {
        let now = self.now;
        let Some(rhythm) = self.readers[reader].habit.rhythm() else { return };
        self.agenda.plan(now + rhythm, Event::Read(reader));
        if self.readers[reader].asleep_until > now {
            let Reader { host, habit, .. } = self.readers[reader];
            if habit != Habit::Blocker {
                self.hit_if_asleep(host, habit);
            }
            return;
        }
        self.read(reader, false);
        if self.readers[reader].is_cut_off() {
            self.read(reader, true);
            self.come_back(reader, true);
        }
    }

    /// Those who read at once do.
    pub(super) fn read_watchers(&mut self, host: usize) {
        let watcher = self.reader_of(host, Habit::Watcher);
        self.read(watcher, false);
    }

    /// Reads what waits and shows it to the judges.
    fn read(&mut self, reader: usize, to_the_end: bool) {
        let mut updates: Vec<Shared> = std::mem::take(&mut self.basket);
        let host = self.readers[reader].host;
        let topics = self.oracles.sights[reader].len();
        let bounded = self.readers[reader].is_within_bounds(topics);
        self.readers[reader].read(&mut updates, to_the_end);
        if !bounded || !to_the_end && updates.len() > self.readers[reader].most(topics) {
            let words =
                format!("the outbox of reader {reader} passes its bounds: {} messages", updates.len());
            self.oracles.object(Oracle::Memory, words);
        }
        let at = self.hosts[host].house;
        self.figures.updates += updates.len() as u64;
        for update in updates.drain(..) {
            self.oracles.delivered(self.now, reader, at, &self.houses[at], &update);
            if self.readers[reader].habit == Habit::Watcher {
                self.count(host, &update);
            }
            self.trace.note(self.now, Deed::Delivered(reader, update));
        }
        self.basket = updates;
        self.unblock(host);
    }

    /// From now on what comes of a topic is counted, to be compared with the feed's ledger.
    fn open_tally(&mut self, host: usize, topic: &Topic) {
        if !matches!(topic.channel(), Channel::Trade | Channel::AggTrade) {
            return;
        }
        let ledger = self.hosts[host].feed.as_ref().map(|feed| feed.ledger(Some(topic)));
        let reading = ledger.and_then(|mut ledger| Some(ledger.topics.pop()?.reading)).unwrap_or_default();
        self.oracles.tallies[host].insert(topic.clone(), Tally::new(reading));
    }

    /// Counts what was missed, and what REST brought.
    fn count(&mut self, host: usize, update: &Shared) {
        let unix = self.time().unix.0;
        if let Some(tally) = self.oracles.tallies[host].get_mut(&update.topic) {
            tally.came(unix, &(&**update).into());
        }
        self.figures.repaired += u64::from(update.source == Source::Repair);
        self.figures.polled += u64::from(update.source == Source::Poll);
        self.figures.late += u64::from(update.late);
        let Data::Gap(gap) = &update.data else { return };
        if gap.kind != GapKind::Venue {
            return;
        }
        self.figures.declared += gap.to - gap.from + 1;
        let place = &self.hosts[host];
        let tells = |why| place.venue.fetch(why, "", &update.topic).is_some();
        let by_ids = tells(Fetch::Backfill { from: gap.from, to: gap.to });
        // Those that are not too old are among the newest, which anybody may ask for.
        let symbol = update.topic.symbol();
        let later = || self.houses[place.house].trades(&symbol, gap.from).map_or(usize::MAX, Iterator::count);
        let told = by_ids || tells(Fetch::Poll { after: None }) && later() < NEWEST;
        if place.config.limits.repair && told {
            self.oracles.declared(self.now, host, &update.topic, gap);
        }
    }

    /// Lines that a full reader kept from being read may be read again.
    fn unblock(&mut self, host: usize) {
        let blocked = |(number, link): (&u64, &super::host::Link)| link.blocked.then_some(*number);
        let waiting: Vec<u64> = self.hosts[host].links.iter().filter_map(blocked).collect();
        if waiting.is_empty() {
            return;
        }
        self.hosts[host].with(|feed| feed.wake_on_room(Waker::noop()));
        for number in waiting {
            let Some(line) = self.hosts[host].links.get(&number).map(|link| link.line) else { continue };
            if self.hosts[host].with(|feed| feed.is_blocked(line)) == Some(true) {
                continue;
            }
            if let Some(link) = self.hosts[host].links.get_mut(&number) {
                link.blocked = false;
            }
            self.arm(host, number);
        }
    }

    /// A reader goes and another takes its place, where it was or from the beginning; whether it could. Whether anybody tells the
    /// feed that the old one is gone is a matter of luck.
    pub(super) fn come_back(&mut self, reader: usize, resume: bool) -> bool {
        let (now, time) = (self.now, self.time());
        let Reader { host, habit, life, .. } = self.readers[reader];
        if !self.hosts[host].is_awake(now) {
            // It comes back when there is somebody to come back to.
            return false;
        }
        let old = self.readers[reader].id();
        let topics: Vec<Topic> = self.hosts[host].read_by(reader);
        let positions: Vec<Option<Position>> =
            topics.iter().map(|topic| self.oracles.position(reader, topic).filter(|_| resume)).collect();
        self.readers[reader] = Reader::new(reader, host, habit, life + 1);
        self.left_at[host] = now;
        if self.dice.below(2) == 0 {
            self.hosts[host].with(|feed| feed.leave(time, old));
        }
        self.trace.tell(now, format!("reader {reader} comes back as {}", self.readers[reader].id().0));
        for (topic, from) in topics.iter().zip(positions) {
            self.subscribe(reader, topic, from);
        }
        true
    }
}
