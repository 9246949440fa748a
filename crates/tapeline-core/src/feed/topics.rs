//! The topics of one feed: what is known of each, and how an event becomes an update of its log.

use std::time::Duration;

use crate::config::FeedConfig;
use crate::data::book::BookSync;
use crate::data::channel::{Delivery, Shape};
use crate::data::event::{Book, BookState};
use crate::data::ledger::Ledger;
use crate::data::sequence::Sequence;
use crate::data::topic::Topic;
use crate::data::update::{Data, Epoch, Kind, Level, Shared, Source, Status};
use crate::defect::{Defect, planted};
use crate::policy::uptime;
use crate::time::{Mono, Time, Unix};
use crate::venue::{Map, Sequencing, TopicId};

use super::ailments::Ailment;
use super::candles::Closed;
use super::carriers::Carriers;
use super::copies::Copies;
use super::history::{Bound, Draft, History, Place, notice, unlogged};
use super::judge::Before;
use super::likely::Doubt;
use super::lines::REJECTED;
use super::market::Epochs;
use super::missed::Past;
use super::pace::Pace;
use super::quarantine::QUARANTINED;
use super::readers::Readers;
use super::symbols::Symbols;
use super::witness::Prints;

/// An event held back behind a hole in the ids, and where it came from; `None` for an id spent without an event.
pub(super) type Held = (Source, Option<(Option<Unix>, Time, Data)>);

/// What is known of a topic's content beyond its log.
#[derive(Debug)]
pub(super) enum State {
    /// Events: the log is all there is.
    Events,
    /// The newest update.
    Latest(Option<Shared>),
    /// A verified book.
    Book(Box<BookSync>),
    /// The venue's partial book.
    Depth(Option<Box<Book>>),
    /// By symbol.
    Keyed(Symbols),
}

/// Figures of one topic since it was made.
#[derive(Debug, Clone, Copy, Default, serde::Serialize)]
pub struct TopicCounts {
    /// Events received, copies and spent ids included.
    pub received: u64,
    /// Copies dropped.
    pub duplicates: u64,
    /// Ids spent without an event.
    pub spent: u64,
    /// Holes declared.
    pub gaps: u64,
    /// Ids in them that have not come.
    pub lost: u64,
    /// Ids that came after all: over REST, or late.
    pub repaired: u64,
    /// Books: times it had to be synchronised anew.
    pub resyncs: u64,
}

/// What has been received of a topic.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) counts: TopicCounts,
    pub(super) last_at: Option<Time>,
    /// It was a line that brought what came then.
    pub(super) by_line: bool,
    pub(super) last_time: Option<Unix>,
    /// Since when it comes from memory only.
    pub(super) kept_since: Option<Mono>,
    /// Where its ids stood when they last started over.
    pub(super) before: Option<Before>,
    /// Of events without ids: what was heard lately.
    pub(super) copies: Option<Box<Copies>>,
    pub(super) pace: Pace,
    pub(super) ledger: Ledger,
    /// The latest candle that is closed.
    pub(super) closed: Option<Closed>,
    /// A polled book, shown while the streamed one is not right.
    pub(super) shown: Option<Box<Book>>,
    /// Of a book: snapshots that were not believed.
    pub(super) doubt: Doubt,
    /// What the latest events looked like and how far each line is, where two lines tell of them.
    pub(super) prints: Option<Box<Prints>>,
}

impl Seen {
    /// The figures of a topic, made when the first message comes: an idle topic is to stay small.
    #[inline]
    pub(super) fn of(held: &mut Option<Box<Self>>) -> &mut Self {
        held.get_or_insert_default()
    }

    /// Something came.
    #[inline]
    pub(super) fn came(&mut self, now: Time, by_line: bool) {
        (self.last_at, self.by_line) = (Some(now), by_line);
    }

    /// Keeps the latest venue time that was told.
    #[inline]
    pub(super) fn renew(&mut self, time: Option<Unix>) {
        if time.is_some() {
            self.last_time = time;
        }
    }
}

/// How a topic is served, as its subscribers are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Service {
    pub(super) level: Level,
    pub(super) phase: &'static str,
    /// Where what is shown comes from now.
    pub(super) source: Source,
    pub(super) reason: Box<str>,
}

/// One topic.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) topic: Topic,
    pub(super) sequencing: Sequencing,
    pub(super) shape: Shape,
    pub(super) epoch: Epoch,
    pub(super) offset: u64,
    /// Continuity cannot be proved: the next update begins a new epoch.
    pub(super) broken: bool,
    /// Every line that carried it was lost: what it missed may be more than a moment's.
    pub(super) outage: bool,
    /// REST has told since that nothing is missing, or what was: only a line can tell that nothing is missing since.
    pub(super) caught_up: bool,
    /// What it shows was polled.
    pub(super) polled: bool,
    /// Its line is silent for too long: nobody knows whether what is shown still holds.
    pub(super) doubted: bool,
    pub(super) state: State,
    pub(super) sequence: Sequence<Held>,
    pub(super) history: History,
    pub(super) readers: Vec<(u32, Delivery)>,
    /// The lines that carry it; none if the venue refuses it.
    pub(super) carriers: Carriers,
    pub(super) created: Unix,
    /// What has been received; nothing of it for a topic that is idle.
    pub(super) seen: Option<Box<Seen>>,
    /// Since when nobody reads it.
    pub(super) idle_since: Option<Mono>,
    /// Kept although nobody reads it.
    pub(super) warm: bool,
    /// How it is served, by the log of that.
    pub(super) served: uptime::State,
    pub(super) service: Service,
    pub(super) since: Unix,
    /// What the hosts that are configured tell of what it missed.
    pub(super) past: Past,
    /// A line has shown since the outage began that something is missing.
    pub(super) shown_missing: bool,
    /// What is wrong with it beside its line.
    pub(super) ailment: Option<Box<Ailment>>,
}

impl Entry {
    pub(super) fn new(topic: Topic, facts: Facts, now: Time, last: Option<u64>) -> Self {
        let state = match facts.shape {
            _ if topic.is_all() => State::Keyed(Symbols::default()),
            Shape::Event => State::Events,
            Shape::State | Shape::Candle => State::Latest(None),
            Shape::Book => match facts.book {
                Some(book) => State::Book(Box::new(book)),
                None => State::Depth(None),
            },
        };
        Self {
            topic,
            sequencing: facts.sequencing,
            shape: facts.shape,
            epoch: facts.epoch,
            offset: 0,
            broken: false,
            // What was missed since its last id was told, nobody has told yet.
            outage: last.is_some(),
            caught_up: false,
            polled: false,
            doubted: false,
            state,
            sequence: Sequence::resuming(last),
            history: History::default(),
            readers: Vec::new(),
            carriers: Carriers::default(),
            created: now.unix,
            seen: None,
            idle_since: Some(now.mono),
            warm: false,
            served: uptime::State::None,
            service: Service {
                level: Level::Degraded,
                phase: "idle",
                source: Source::Live,
                reason: "not yet asked for".into(),
            },
            since: now.unix,
            past: facts.past,
            shown_missing: false,
            ailment: None,
        }
    }

    /// No line carries it any more: what comes of it from now on is missed, and nobody has told what.
    pub(super) fn begin_outage(&mut self) {
        self.outage = self.sequence.last().is_some();
        (self.caught_up, self.shown_missing) = (false, false);
    }

    /// Whether the log of this topic is that of events (time and bytes) or of state (its own size).
    fn bound(&self, config: &FeedConfig) -> Bound {
        let bytes = match &self.state {
            State::Events => config.limits.log_bytes,
            State::Latest(_) if self.shape == Shape::Candle => config.limits.log_bytes / 16,
            // One update is the whole state.
            State::Latest(_) => 1,
            State::Book(book) => (book.bids().len() + book.asks().len()) * 32 + 256,
            State::Depth(_) => 2_048,
            State::Keyed(map) => map.len() * 256,
        };
        Bound { bytes, age: config.timing.history }
    }

    /// Appends to the log and stages the update for every reader.
    pub(super) fn publish(&mut self, readers: &mut Readers, config: &FeedConfig, draft: Draft) {
        debug_assert!(draft.kind.consumes_offset());
        let bound = self.bound(config);
        self.offset += 1;
        let place = Place { topic: &self.topic, epoch: self.epoch, offset: self.offset };
        let wanted = !self.readers.is_empty() || matches!(self.state, State::Latest(_));
        let Some(update) = self.history.append(place, draft, bound, wanted) else { return };
        let Some(((last, how), others)) = self.readers.split_last() else {
            return self.keep(update);
        };
        for (slot, how) in others {
            readers.stage(*slot, *how, Shared::clone(&update));
        }
        if let State::Latest(latest) = &mut self.state {
            *latest = Some(Shared::clone(&update));
        }
        // Given away, not shared: counting a reference up and down costs more than it looks.
        readers.stage(*last, *how, update);
    }

    fn keep(&mut self, update: Shared) {
        if let State::Latest(latest) = &mut self.state {
            *latest = Some(update);
        }
    }

    /// Stages an update that is not logged (snapshot, status, tick) for every reader.
    pub(super) fn announce(&self, readers: &mut Readers, update: &Shared) {
        for (slot, how) in &self.readers {
            readers.stage(*slot, *how, Shared::clone(update));
        }
    }

    /// Publishes one event or state of a topic that is no book.
    pub(super) fn event(
        &mut self,
        readers: &mut Readers,
        config: &FeedConfig,
        draft: Draft,
        epochs: Epochs<'_>,
    ) {
        if self.broken {
            self.begin_epoch(epochs.draw());
        }
        if let (State::Keyed(map), Data::Keyed(keyed)) = (&mut self.state, &draft.data) {
            let first = self.offset == 0 && map.is_empty();
            map.take(draft.time, keyed);
            if first {
                // As below: the first state is the snapshot that later ones are deltas to.
                let at = (draft.time, draft.received.unix);
                let snapshot = unlogged(self.place(), Kind::Snapshot, draft.source, at, draft.data);
                return self.announce(readers, &snapshot);
            }
        }
        if matches!(self.state, State::Latest(None)) && self.offset == 0 {
            // The first state is the snapshot that later ones are deltas to.
            let at = (draft.time, draft.received.unix);
            let snapshot = unlogged(self.place(), Kind::Snapshot, draft.source, at, draft.data);
            self.announce(readers, &snapshot);
            self.state = State::Latest(Some(snapshot));
            return;
        }
        self.publish(readers, config, draft);
    }

    /// A new stretch of continuity: offsets start over, history is void.
    pub(super) fn begin_epoch(&mut self, epoch: Epoch) {
        self.broken = false;
        if !planted(Defect::ReuseEpoch) {
            self.epoch = epoch;
        }
        self.offset = 0;
        self.history.clear();
        match &mut self.state {
            State::Latest(latest) => *latest = None,
            State::Depth(held) => *held = None,
            // What has not been told since the break may have changed meanwhile.
            State::Keyed(map) => map.clear(),
            State::Events | State::Book(_) => {}
        }
    }

    /// The whole state as a snapshot; `None` for events, and for state not known yet.
    pub(super) fn snapshot(&self, now: Time) -> Option<Shared> {
        let (data, time, received) = match &self.state {
            State::Events => return None,
            State::Latest(latest) => {
                let latest = latest.as_ref()?;
                (latest.data.clone(), latest.time, latest.received)
            }
            State::Book(book) => {
                let book = match self.shown() {
                    Some(shown) => shown.clone(),
                    None => Book { state: self.book_state(book), ..book.data() },
                };
                (Data::Book(book), self.last_time(), self.received(now))
            }
            State::Depth(held) => {
                (Data::Book(held.as_deref()?.clone()), self.last_time(), self.received(now))
            }
            State::Keyed(map) if map.is_empty() => return None,
            State::Keyed(map) => (Data::Keyed(Box::new(map.whole())), self.last_time(), self.received(now)),
        };
        Some(unlogged(self.place(), Kind::Snapshot, self.service.source, (time, received), data))
    }

    /// Whether somebody reads it, or it is kept for those who will.
    pub(super) fn is_wanted(&self) -> bool {
        self.warm || !self.readers.is_empty()
    }

    /// How far its book can be trusted.
    pub(super) fn book_state(&self, book: &BookSync) -> BookState {
        if let Some(shown) = self.shown() {
            return shown.state;
        }
        if self.doubted && book.last_id().is_some() { BookState::Stale } else { book.state() }
    }

    /// The polled book, while the streamed one is not right.
    pub(super) fn shown(&self) -> Option<&Book> {
        self.seen.as_ref()?.shown.as_deref()
    }

    /// Whether nothing new has come for `long`.
    pub(super) fn is_still(&self, now: Mono, long: Duration) -> bool {
        self.last_at().is_none_or(|at| now.since(at.mono) >= long)
    }

    /// When the last message came.
    pub(super) fn last_at(&self) -> Option<Time> {
        self.seen.as_ref()?.last_at
    }

    /// The latest venue time.
    #[inline]
    pub(super) fn last_time(&self) -> Option<Unix> {
        self.seen.as_ref()?.last_time
    }

    /// Whether nothing is asked of the venue for it: the venue refuses it, or we have set it aside.
    pub(super) fn is_withheld(&self) -> bool {
        matches!(self.service.phase, REJECTED | QUARANTINED)
    }

    /// Where the topic stands.
    pub(super) fn place(&self) -> Place<'_> {
        Place { topic: &self.topic, epoch: self.epoch, offset: self.offset }
    }

    fn received(&self, now: Time) -> Unix {
        self.last_at().map_or(now.unix, |at| at.unix)
    }

    /// The in-band status as it stands.
    pub(super) fn status(&self, now: Time) -> Shared {
        let status = Status {
            level: self.service.level,
            phase: self.service.phase,
            source: self.service.source,
            reason: self.service.reason.clone(),
            since: self.since,
        };
        let data = Data::Status(Box::new(status));
        unlogged(self.place(), Kind::Status, self.service.source, (None, now.unix), data)
    }

    /// Says which offset a reader should have.
    pub(super) fn tick(&self, now: Time) -> Shared {
        notice(self.place(), Kind::Tick, now, Data::Empty {})
    }

    /// Tells every reader, if how the topic is served has changed.
    pub(super) fn serve(&mut self, readers: &mut Readers, now: Time, service: Service, carried: bool) {
        if self.service == service {
            return;
        }
        // What memory has nothing of does not grow old in it, nor does what a line would tell of if it changed.
        let kept = service.source == Source::Cache && self.keeps_something() && !carried;
        if let Some(seen) = &mut self.seen {
            seen.kept_since = seen.kept_since.or(Some(now.mono)).filter(|_| kept);
        }
        self.service = service;
        self.since = now.unix;
        let status = self.status(now);
        self.announce(readers, &status);
    }
}

/// What the venue's profile says about a topic to be made.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) sequencing: Sequencing,
    pub(super) shape: Shape,
    pub(super) book: Option<BookSync>,
    pub(super) epoch: Epoch,
    pub(super) past: Past,
}

/// All topics, in slots that are reused.
#[derive(Debug, Default)]
pub(super) struct Topics {
    slots: Vec<Option<Box<Entry>>>,
    free: Vec<u32>,
    by_name: Map<Topic, TopicId>,
}

impl Topics {
    pub(super) fn insert(&mut self, entry: Entry) -> TopicId {
        let topic = entry.topic.clone();
        let id = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = Some(Box::new(entry));
                TopicId(slot)
            }
            None => {
                self.slots.push(Some(Box::new(entry)));
                TopicId((self.slots.len() - 1) as u32)
            }
        };
        self.by_name.insert(topic, id);
        id
    }

    pub(super) fn remove(&mut self, id: TopicId) -> Option<Box<Entry>> {
        let entry = self.slots.get_mut(id.0 as usize)?.take()?;
        self.by_name.remove(&entry.topic);
        self.free.push(id.0);
        Some(entry)
    }

    pub(super) fn id(&self, topic: &Topic) -> Option<TopicId> {
        self.by_name.get(topic).copied()
    }

    #[inline]
    pub(super) fn get(&self, id: TopicId) -> Option<&Entry> {
        self.slots.get(id.0 as usize)?.as_deref()
    }

    #[inline]
    pub(super) fn get_mut(&mut self, id: TopicId) -> Option<&mut Entry> {
        self.slots.get_mut(id.0 as usize)?.as_deref_mut()
    }

    pub(super) fn len(&self) -> usize {
        self.by_name.len()
    }

    /// All topics, to be changed.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (TopicId, &mut Entry)> {
        (0u32..).zip(&mut self.slots).filter_map(|(slot, entry)| Some((TopicId(slot), entry.as_deref_mut()?)))
    }

    /// All topics in the order of their slots.
    pub(super) fn iter(&self) -> impl Iterator<Item = (TopicId, &Entry)> {
        (0u32..).zip(&self.slots).filter_map(|(slot, entry)| Some((TopicId(slot), entry.as_deref()?)))
    }
}
