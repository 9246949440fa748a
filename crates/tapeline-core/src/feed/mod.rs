//! The feed: everything one venue needs, as one plain struct. The world speaks through
//! [`Feed::handle`], an operator through [`Feed::command`], time through [`Feed::tick`]; what is to be
//! done comes out of [`Feed::next_action`], and when to come back out of [`Feed::deadline`].
//!
//! - `io`: what goes in and what comes out
//! - `carriers`: which lines carry a topic
//! - `line`, `lines`, `vigil`, `doubt`, `unproven`: one socket, the life of all of them, the watch over those that are
//!   live, and what follows when one is silent, or has never brought anything
//! - `placing`: on which lines a topic goes
//! - `rotate`: lines that follow others
//! - `keys`, `login`: keys that a venue refused or that will end, and how they are shown on an open line
//! - `lateness`: our own pauses, which are nobody else's fault
//! - `wishes`: one line's subscriptions, wanted and confirmed
//! - `gate`: may a line dial or a request go, and where
//! - `market`, `judge`, `copies`, `holes`, `books`, `candles`, `partial`: from a frame to the topics
//! - `early`: deltas that one line brings before another has brought what lies between
//! - `witness`: whether two lines tell the same
//! - `account`: what was expected and what came of it
//! - `topics`, `symbols`, `history`: what is known of each topic, and its log
//! - `readers`, `subscribe`: who reads what
//! - `fetches`, `snapshots`, `repair`, `missed`: what is asked of the venue's REST interface: snapshots of books,
//!   events that were missed, and whether any were
//! - `service`: how each topic is served, for the figures of reliability
//! - `facts`, `poll`, `polled`, `likely`: the fallback ladder, and what is polled while lines do not serve, if it can be true
//! - `refusals`: streams that one side of two has to go without
//! - `quarantine`: topics over which we panic, set aside for a while
//! - `health`, `ailments`, `whole`, `aging`, `pace`, `stragglers`: how well lines, topics and the feed do, what is held too
//!   long, and topics that fall mute alone, on all lines or on one
//! - `pressure`: what is given up when memory runs short
//! - `findings`: what is wrong now, for alerts
//! - `command`, `status`, `events`, `memory`, `kept`: for operators, and for a restart of the feed or the process

mod account;
mod aging;
mod ailments;
mod books;
mod breakers;
mod candles;
mod carriers;
mod claims;
mod command;
mod copies;
mod credit;
mod doubt;
mod early;
mod events;
mod facts;
mod fetches;
mod findings;
mod gate;
mod health;
mod history;
mod holes;
mod io;
mod judge;
mod kept;
mod keys;
mod lag;
mod lateness;
mod likely;
mod line;
mod lines;
mod login;
mod market;
mod memory;
mod missed;
mod missed_ids;
mod pace;
mod partial;
mod placing;
#[cfg(feature = "defects")]
mod planted;
mod poll;
mod polled;
mod pressure;
mod quarantine;
mod readers;
mod refusals;
mod repair;
mod rotate;
mod service;
mod snapshots;
mod status;
mod stragglers;
mod subscribe;
mod symbols;
mod topics;
mod unproven;
mod vigil;
mod whole;
mod wishes;
mod witness;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use crate::config::FeedConfig;
use crate::data::ledger::Counts;
use crate::data::topic::Topic;
use crate::data::update::{Epoch, Level};
use crate::policy::backoff::{Backoff, Failures};
use crate::policy::health::{LevelFilter, Rules};
use crate::rng::Rng;
use crate::time::{Dated, Mono, Time};
use crate::venue::{Decoded, LineId, TopicId, Venue};

pub use self::account::{FeedLedger, TopicLedger};
pub use self::aging::Age;
pub use self::events::Record;
pub use self::findings::{Finding, Findings, TALLY_WITHIN, Tally};
pub use self::io::{
    Action, Closed, Command, DialError, FetchId, Hidden, Input, Peek, Stage, Start, Subscribed,
};
pub use self::kept::{Kept, KeptHold, KeptMark};
pub use self::line::LineStats;
pub use self::memory::Memory;
pub use self::service::Records;
pub use self::status::{
    BookFigures, EndpointStatus, FallbackStatus, FeedStatus, LineStatus, QuarantineStatus, Sample,
    SubscriberStatus, TopicStatus,
};
pub use self::topics::TopicCounts;

use self::early::Early;
use self::events::Events;
use self::fetches::Fetches;
use self::gate::Gate;
use self::keys::Renewal;
use self::lateness::Lateness;
use self::line::Line;
use self::missed::Missed;
use self::poll::Fallback;
use self::pressure::Squeeze;
use self::quarantine::Quarantine;
use self::readers::Readers;
use self::refusals::Refusals;
use self::repair::Repairs;
use self::service::Unserved;
use self::snapshots::Snapshots;
use self::status::Samples;
use self::topics::Topics;

/// Everything one venue needs.
#[expect(missing_debug_implementations, reason = "a feed holds secrets and millions of levels; see status()")]
pub struct Feed {
    venue: Arc<dyn Venue>,
    config: FeedConfig,
    backoff: Backoff,
    rng: Rng,
    topics: Topics,
    readers: Readers,
    lines: Vec<Line>,
    gate: Gate,
    snapshots: Snapshots,
    fetches: Fetches,
    /// Where the data comes from while lines do not serve.
    fallback: Fallback,
    /// Missed events that are asked for.
    repairs: Repairs,
    /// Topics that may have missed events.
    missed: Missed,
    /// Topics over which we panicked.
    quarantine: Quarantine,
    refusals: Refusals,
    claims: claims::Claims,
    /// The topic of which something is being handled: if we panic, that is why.
    in_hand: Option<TopicId>,
    /// No request before: the REST budget or a hold said so.
    fetch_at: Mono,
    /// No request for a book that nobody waits for before: the rest of the budget is left for others.
    idle_fetch_at: Mono,
    /// Topics with a hole in their ids.
    holes: BTreeSet<TopicId>,
    /// Books that wait for time to pass.
    waiting_books: BTreeSet<TopicId>,
    /// Tops that are cut from books, by book.
    cuts: BTreeMap<TopicId, Vec<TopicId>>,
    /// Deltas of books that one line brought before another brought what lies between.
    early: BTreeMap<TopicId, VecDeque<Early>>,
    decoded: Decoded,
    actions: VecDeque<Action>,
    events: Events,
    samples: Samples,
    counters: Counters,
    /// What the ledgers of topics that are gone sum up to.
    closed_ledgers: Counts,
    /// How the topics are served, and were.
    records: Records,
    /// Topics that are wanted and were never served, since when.
    unserved: Unserved,
    /// What a predecessor remembered, until the first reading of the clock.
    memory: Option<Memory>,
    /// Failures of a predecessor's lines, until lines of their place are made.
    old_failures: Vec<(u8, u32, Failures)>,
    /// Topics with which something is wrong beside their line.
    ailing: BTreeSet<TopicId>,
    /// How long those topics may be silent that always come.
    periodic: BTreeMap<TopicId, Duration>,
    /// How well the feed does, as shown.
    health: LevelFilter,
    /// Since when that level is shown, and since when the rung serves.
    dated: (Dated, Dated),
    health_rules: Rules,
    /// When levels are looked at next, and the paces of topics.
    look_at: Mono,
    pace_at: Mono,
    /// When all lines that failed for a reason of our own side are dialled again.
    local_retry: Mono,
    /// The logs are to be held to their bound.
    logs_due: bool,
    squeeze: Squeeze,
    /// When the clock was last seen by `tick`.
    ticked: Mono,
    lateness: Lateness,
    /// How long our keys last, and when they are renewed.
    renewal: Renewal,
    sweep_at: Mono,
    idle_tick_at: Mono,
    stopping: bool,
    /// Bytes that a planted defect holds back.
    #[cfg(feature = "defects")]
    kept: BTreeMap<LineId, Vec<u8>>,
}

/// Figures of the whole feed since its start.
#[derive(Debug, Clone, Default)]
struct Counters {
    decode_errors: BTreeMap<&'static str, u64>,
    decode_panics: u64,
    unknown_events: BTreeMap<String, u64>,
    /// Inputs of dials or fetches that are over.
    stray_inputs: u64,
    stray_refusals: u64,
    gaps: u64,
    resyncs: BTreeMap<&'static str, u64>,
    /// Lines that were opened again, by the class of what had ended them.
    reconnects: BTreeMap<&'static str, u64>,
    sweeps: u64,
    /// Lines left to another one that took over.
    rotations: u64,
    /// Followers that were of no use.
    failed_rotations: u64,
    /// Times that we did not run.
    pauses: u64,
    /// Changes of the rung.
    rung_changes: u64,
    /// Events of which two lines told otherwise, and what they told of the last one.
    mismatches: u64,
    mismatch: Box<str>,
}

impl Feed {
    /// A feed for `venue` that remembers what `memory` holds; `seed` decides all its dice.
    pub fn new(venue: Arc<dyn Venue>, config: FeedConfig, mut memory: Memory, seed: u64) -> Self {
        let gate = memory.gate.take().unwrap_or_else(|| Gate::new(venue.profile(), &config));
        Self {
            backoff: Backoff::from(&config.timing),
            rng: Rng::new(seed),
            topics: Topics::default(),
            readers: Readers::default(),
            lines: Vec::new(),
            gate,
            snapshots: Snapshots::default(),
            fetches: Fetches::default(),
            fallback: Fallback::new((&config.timing).into(), config.timing.poll_every),
            repairs: Repairs::default(),
            missed: Missed::default(),
            quarantine: std::mem::take(&mut memory.quarantine),
            refusals: Refusals::default(),
            claims: claims::Claims::default(),
            in_hand: None,
            fetch_at: Mono::default(),
            idle_fetch_at: Mono::default(),
            holes: BTreeSet::new(),
            waiting_books: BTreeSet::new(),
            cuts: BTreeMap::new(),
            early: BTreeMap::new(),
            decoded: Decoded::default(),
            actions: VecDeque::new(),
            events: Events::new(config.limits.events),
            samples: Samples::default(),
            counters: Counters::default(),
            closed_ledgers: Counts::default(),
            records: Records::new(Mono::default()),
            unserved: Unserved::new(),
            memory: Some(memory),
            old_failures: Vec::new(),
            ailing: BTreeSet::new(),
            periodic: BTreeMap::new(),
            health: LevelFilter::new(Level::Healthy, Mono::default()),
            dated: Default::default(),
            health_rules: Rules::default(),
            look_at: Mono::default(),
            pace_at: Mono::default(),
            local_retry: Mono::default(),
            logs_due: false,
            squeeze: Squeeze::default(),
            ticked: Mono::default(),
            lateness: Lateness::default(),
            renewal: Renewal::default(),
            sweep_at: Mono::default(),
            idle_tick_at: Mono::default(),
            stopping: false,
            #[cfg(feature = "defects")]
            kept: BTreeMap::new(),
            venue,
            config,
        }
    }

    /// The first reading of the clock: what was wanted before is wanted again, then the warm topics.
    fn start(&mut self, now: Time) {
        let Some(mut memory) = self.memory.take() else { return };
        self.sweep_at = now.mono + self.config.timing.sweep;
        self.idle_tick_at = now.mono + self.config.timing.tick_every;
        self.keys_last(now, self.config.keys.as_ref().and_then(|keys| keys.life));
        self.health = LevelFilter::new(Level::Healthy, now.mono);
        self.fallback.begin(now.mono, &self.config.timing);
        if let Some(before) = memory.ladder.take() {
            self.fallback.ladder.go_on(now.mono, &before);
        }
        if let Some(kept) = memory.kept.take() {
            self.take_over(now, &kept);
        }
        if let Some(before) = memory.events.take() {
            self.events.go_on(before);
        }
        self.records = memory.records.take().unwrap_or_else(|| Records::new(now.mono));
        let told = std::mem::take(&mut self.config.expect_every).into_iter();
        let own = told.filter_map(|(topic, every)| Some((self.venue.canonical(topic).ok()?, every)));
        self.config.expect_every = own.collect();
        self.restore(now, memory);
        for topic in self.config.warm.clone() {
            self.warm(now, topic);
        }
    }

    fn warm(&mut self, now: Time, topic: Topic) {
        let made = self.venue.canonical(topic).and_then(|topic| self.ensure(now, &topic, None));
        let Ok(id) = made else { return };
        if let Some(entry) = self.topics.get_mut(id) {
            entry.warm = true;
        }
        self.note_service(now, id);
    }

    /// The world speaks.
    pub fn handle(&mut self, now: Time, input: Input<'_>) {
        if let Input::Frame { line, bytes } = input {
            return self.frame(now, line, bytes);
        }
        self.notice(now);
        match input {
            Input::Frame { .. } => {}
            Input::Opened { line } => match self.spare_of(line) {
                Some(slot) => self.spare_opened(now, slot),
                None => self.on(line, |feed, slot| feed.opened(now, slot)),
            },
            Input::Failed { line, why } => match self.spare_of(line) {
                Some(slot) => self.spare_failed(now, slot, &why),
                None => self.on(line, |feed, slot| feed.failed(now, slot, &why)),
            },
            Input::Closed { line, why } => self.on(line, |feed, slot| feed.closed(now, slot, &why)),
            Input::Ping { line, payload } => self.on(line, |feed, slot| feed.pinged(now, slot, payload)),
            Input::Pong { line, payload } => self.on(line, |feed, slot| feed.ponged(now, slot, payload)),
            Input::Fetched { id, result } => self.fetched(now, id, result),
            Input::Keys { keys } => self.take_keys(now, keys),
        }
    }

    fn on(&mut self, line: LineId, act: impl FnOnce(&mut Self, usize)) {
        if let Some(slot) = self.current(line) {
            act(self, slot);
        }
    }

    /// The deadline has passed. If it has long passed, we were not running: then what waits in the sockets is to be
    /// read first, and [`Feed::deadline`] says when to come back.
    pub fn tick(&mut self, now: Time) {
        self.notice(now);
        self.start(now);
        if !self.may_judge(now) {
            return;
        }
        self.ticked = now.mono;
        self.declare_due(now);
        self.settle_early_due(now);
        self.tick_books(now);
        self.expire_fetches(now);
        if self.sweep_at <= now.mono {
            self.sweep_at = now.mono + self.config.timing.sweep;
            self.sweep(now, false);
        }
        if self.idle_tick_at <= now.mono {
            self.idle_tick_at = now.mono + self.config.timing.tick_every;
            self.tell_offsets(now);
        }
        self.expel_gone(now);
        self.end_quarantines(now);
        self.ask_again(now, false);
        self.renew_keys(now);
        self.rotate(now);
        self.climb(now);
        self.drive(now);
        self.look(now);
        self.look_for_mute(now);
    }

    /// Topics that have been idle tell their offset, so that a reader can see that it missed nothing.
    fn tell_offsets(&mut self, now: Time) {
        let every = self.config.timing.tick_every;
        for (_, entry) in self.topics.iter() {
            let idle = entry.last_at().is_none_or(|at| now.mono.since(at.mono) >= every);
            if idle && !entry.readers.is_empty() {
                entry.announce(&mut self.readers, &entry.tick(now));
            }
        }
    }

    /// What to do next. Call until `None` after every batch of inputs: this also hands the updates
    /// made since to the subscribers.
    pub fn next_action(&mut self) -> Option<Action> {
        self.readers.flush();
        self.actions.pop_front()
    }

    /// When to call [`Feed::tick`] at the latest.
    pub fn deadline(&self) -> Option<Mono> {
        if self.memory.is_some() {
            // Not started yet: at once.
            return Some(Mono::default());
        }
        self.due().map(|due| self.not_too_soon(due))
    }

    /// When the first thing is due.
    fn due(&self) -> Option<Mono> {
        let fixed = [self.sweep_at, self.idle_tick_at];
        let waits = [
            self.lines_deadline(),
            self.books_deadline(),
            self.holes_deadline(),
            self.early_deadline(),
            self.repair_deadline(),
            self.missed_deadline(),
            self.quarantine_deadline(),
            self.refusals_deadline(),
            self.rotate_deadline(),
            self.renewal.deadline(),
            self.climb_deadline(),
            self.look_deadline(),
        ];
        fixed.into_iter().chain(waits.into_iter().flatten()).min()
    }

    /// Whether reading `line` must pause because a blocking subscriber behind it is full.
    pub fn is_blocked(&self, line: LineId) -> bool {
        self.readers.full().any(|reader| {
            let slot = line.slot as usize;
            let on_line =
                |id: &TopicId| self.topics.get(*id).is_some_and(|entry| entry.carriers.contains(slot));
            reader.topics.iter().any(on_line)
        })
    }

    /// Registers who is to be woken when a blocking subscriber has room again.
    pub fn wake_on_room(&mut self, waker: &Waker) {
        self.readers.forget_full();
        for reader in self.readers.full() {
            reader.subscriber.wake_on_room(waker);
        }
    }

    /// The records of what changed after `seq`, oldest first; those that are no longer at hand are left out.
    pub fn records_after(&self, seq: u64) -> impl Iterator<Item = &Record> {
        self.events.after(seq)
    }

    /// Whoever keeps the records has those up to `seq`: the others wait for it, however many one input makes.
    pub fn took_records(&mut self, seq: u64) {
        self.events.taken(seq);
    }

    /// The number of the newest of them. Cheap, to be asked often.
    pub const fn newest_record(&self) -> u64 {
        self.events.newest()
    }

    fn epoch(&mut self) -> Epoch {
        market::Epochs(&mut self.rng).draw()
    }
}

#[cfg(test)]
mod tests;
