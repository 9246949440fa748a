//! A feed's state as plain data: one struct that the library, metrics and tools render.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::Serialize;

use crate::data::event::BookState;
use crate::data::topic::Topic;
use crate::data::update::{Level, Position, Source};
use crate::outbox::{OutboxStats, SubscriberId};
use crate::policy::breaker;
use crate::policy::health::Reason;
use crate::policy::ladder::Reason as Ladder;
use crate::time::{Mono, Time, Unix};
use crate::venue::{Sequencing, TopicId};

use super::Feed;
use super::aging::Age;
use super::events::Record;
use super::line::LineStats;
use super::rotate::Role;
use super::topics::{Entry, State, TopicCounts};

/// A reading of a feed's state.
#[derive(Debug, Clone, Serialize)]
pub struct FeedStatus {
    /// The venue's id.
    pub venue: &'static str,
    /// How well it does, its topics weighted by their readers.
    pub level: Level,
    /// Since when.
    pub since: Unix,
    /// Why, in figures.
    pub reasons: Vec<Reason>,
    /// Where its data comes from.
    pub fallback: FallbackStatus,
    /// Its lines.
    pub lines: Vec<LineStatus>,
    /// Its topics.
    pub topics: Vec<TopicStatus>,
    /// Who reads them.
    pub subscribers: Vec<SubscriberStatus>,
    /// Where it dials and asks.
    pub endpoints: Vec<EndpointStatus>,
    /// Messages that could not be translated, by kind.
    pub decode_errors: BTreeMap<&'static str, u64>,
    /// Events the adapter does not know, by name.
    pub unknown_events: BTreeMap<String, u64>,
    /// Panics of the adapter, each of which cost one message.
    pub decode_panics: u64,
    /// Gaps declared or noticed.
    pub gaps: u64,
    /// Books synchronised anew, by cause.
    pub resyncs: BTreeMap<&'static str, u64>,
    /// Lines that were opened again, by the class of what had ended them.
    pub reconnects: BTreeMap<&'static str, u64>,
    /// Lines left to another one that took over.
    pub rotations: u64,
    /// Events of which two lines told otherwise; the first copy was kept.
    pub mismatches: u64,
    /// Snapshot requests sent.
    pub snapshots_sent: u64,
    /// Snapshot requests that failed or brought nothing of use.
    pub snapshots_failed: u64,
    /// Snapshot requests waiting and on their way.
    pub snapshots_pending: (usize, usize),
    /// REST weight left in the running window.
    pub weight_left: u32,
    /// Connection attempts left in the sliding window.
    pub dials_left: usize,
    /// Inputs of dials or fetches that were over.
    pub stray_inputs: u64,
    /// Bytes held by all logs.
    pub log_bytes: usize,
    /// Sweeps done.
    pub sweeps: u64,
    /// Samples of what could not be translated.
    pub samples: Vec<Sample>,
    /// The latest transitions, oldest first.
    pub events: Vec<Record>,
}

/// Where a venue's data comes from.
#[derive(Debug, Clone, Serialize)]
pub struct FallbackStatus {
    /// The rung of the ladder: `primary`, `alternate`, `poll`, `partial` or `cache`.
    pub rung: &'static str,
    /// Its number, from 0.
    pub number: u8,
    /// Why.
    pub reason: &'static str,
    /// Since when.
    pub since: Unix,
    /// Whether an operator holds it there.
    pub pinned: bool,
    /// Topics that are asked for over REST.
    pub polled: usize,
    /// Changes so far.
    pub changes: u64,
}

/// One line.
#[derive(Debug, Clone, Serialize)]
pub struct LineStatus {
    /// Its slot.
    pub id: u32,
    /// Its group.
    pub group: &'static str,
    /// Which of the lines that carry the same topics: `a` or `b`.
    pub side: &'static str,
    /// The line that is to follow it, while one is.
    pub heir: Option<u32>,
    /// How well it does.
    pub level: Level,
    /// Since when.
    pub level_since: Unix,
    /// Why, in figures.
    pub reasons: Vec<Reason>,
    /// What it does.
    pub phase: &'static str,
    /// Since when it does that.
    pub since: Unix,
    /// Where it is dialled.
    pub endpoint: String,
    /// Whether it carries data now.
    pub proven: bool,
    /// In how long it is dialled again, in milliseconds; none unless it waits for that.
    pub dial_in_ms: Option<u64>,
    /// Failures in a row not yet forgiven.
    pub failures: u32,
    /// The class of its last failure.
    pub fault: Option<&'static str>,
    /// What its last failure was, and before that what bars its way if it waits for that: the budget of dials,
    /// `circuit_open`, or a pause that was asked for.
    pub reason: Option<String>,
    /// Streams wanted of it.
    pub wanted: usize,
    /// Streams the venue has confirmed.
    pub confirmed: usize,
    /// How long it has been silent, in milliseconds.
    pub silence_ms: u64,
    /// The slowest of the latest round trips, in microseconds.
    pub round_trip_us: Option<u64>,
    /// Its figures.
    #[serde(flatten)]
    pub stats: LineStats,
}

/// One topic.
#[derive(Debug, Clone, Serialize)]
pub struct TopicStatus {
    /// Which.
    pub topic: Topic,
    /// How well it is served.
    pub level: Level,
    /// What its line does, or `rejected`, or `quarantined`.
    pub phase: &'static str,
    /// Where its data comes from.
    pub source: Source,
    /// Why, in words.
    pub reason: String,
    /// Why, in figures.
    pub reasons: Vec<Reason>,
    /// Since when.
    pub since: Unix,
    /// When it was made.
    pub created: Unix,
    /// When its last message came.
    pub last_message: Option<Unix>,
    /// While it comes from memory: how far that can be relied on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held: Option<Age>,
    /// Where its log ends.
    pub position: Position,
    /// The line that speaks for it.
    pub line: Option<u32>,
    /// All lines that carry it.
    pub lines: Vec<u32>,
    /// Who reads it.
    pub subscribers: Vec<SubscriberId>,
    /// Whether it is kept without a reader.
    pub warm: bool,
    /// What tells that something of it is missing: `ids`, which follow each other, for a book the `chain` of its
    /// changes, or `none`.
    pub gap_detection: &'static str,
    /// Bytes of its log.
    pub log_bytes: usize,
    /// Its figures.
    #[serde(flatten)]
    pub counts: TopicCounts,
    /// While it is set aside: how often it was, and for how long it still is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<QuarantineStatus>,
    /// Its book.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub book: Option<BookFigures>,
}

/// A topic that is set aside, since we panicked over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct QuarantineStatus {
    /// How often it was, this time included, since it was last as good as any other.
    pub times: u32,
    /// When it is tried again, in milliseconds.
    pub left_ms: u64,
}

/// A book in figures.
#[derive(Debug, Clone, Serialize)]
pub struct BookFigures {
    /// How far it can be trusted.
    pub state: BookState,
    /// The venue's id at which it is right.
    pub venue_id: Option<u64>,
    /// Bid levels held.
    pub bids: usize,
    /// Ask levels held.
    pub asks: usize,
    /// Deltas applied.
    pub applied: u64,
    /// Times it became right.
    pub synced: u64,
    /// Snapshots merged beside it while it was live.
    pub refreshed: u64,
    /// Snapshots that were of no use.
    pub discarded: u64,
    /// Missed deltas that were noticed.
    pub gaps: u64,
}

/// One subscriber.
#[derive(Debug, Clone, Serialize)]
pub struct SubscriberStatus {
    /// Who.
    pub id: SubscriberId,
    /// Its name, for people.
    pub name: String,
    /// Since when.
    pub since: Unix,
    /// What it reads.
    pub topics: Vec<Topic>,
    /// The patterns it reads.
    pub patterns: Vec<String>,
    /// Its outbox.
    #[serde(flatten)]
    pub outbox: OutboxStats,
}

/// One endpoint.
#[derive(Debug, Clone, Serialize)]
pub struct EndpointStatus {
    /// `ws` or `rest`.
    pub protocol: &'static str,
    /// Where.
    pub origin: String,
    /// Its breaker.
    pub breaker: breaker::State,
    /// When its breaker last ceased to be closed; none while it is closed.
    pub open_since: Option<Unix>,
    /// Whether the venue has banned this address, so that the pause is nobody's to lift.
    #[serde(skip)]
    pub banned: bool,
    /// Nothing may be asked of it for this long, in milliseconds; zero = now, or, as `breaker` says, when an operator
    /// allows it.
    pub held_ms: u64,
    /// How well it has served lately, 0 to 100, of streams and of REST.
    pub score: Option<f64>,
    /// Dials that succeeded; none of REST.
    pub dials_opened: u64,
    /// Dials that did not.
    pub dials_failed: u64,
}

/// A message that could not be translated.
#[derive(Debug, Clone, Serialize)]
pub struct Sample {
    /// When.
    pub at: Unix,
    /// What was wrong.
    pub error: String,
    /// Its first 200 bytes.
    pub bytes: String,
}

/// The latest samples, at most one per second.
#[derive(Debug, Default)]
pub(super) struct Samples {
    ring: VecDeque<Sample>,
    next: Mono,
}

impl Samples {
    const KEPT: usize = 16;
    const EVERY: Duration = Duration::from_secs(1);

    pub(super) fn add(&mut self, now: Time, error: String, bytes: String) {
        if now.mono < self.next {
            return;
        }
        self.next = now.mono + Self::EVERY;
        if self.ring.len() >= Self::KEPT {
            self.ring.pop_front();
        }
        self.ring.push_back(Sample { at: now.unix, error, bytes });
    }
}

/// What the wall clock showed at `at`, if it was not set since.
fn ago(now: Time, at: Mono) -> Unix {
    let ago = i64::try_from(now.mono.since(at).as_nanos()).unwrap_or(i64::MAX);
    Unix(now.unix.0.saturating_sub(ago))
}

impl Feed {
    /// A reading of everything worth knowing.
    pub fn status(&mut self, now: Time) -> FeedStatus {
        let topics: Vec<TopicStatus> =
            self.topics.iter().map(|(id, entry)| self.topic_status(now, id, entry)).collect();
        let (level, since, reasons) = self.verdict(now);
        FeedStatus {
            venue: self.venue.profile().id,
            level,
            since,
            reasons,
            fallback: self.fallback_status(),
            lines: self
                .lines
                .iter()
                .filter(|line| line.role != Role::Retired)
                .map(|line| self.line_status(now, line))
                .collect(),
            subscribers: self.subscriber_status(),
            endpoints: self.endpoint_status(now),
            decode_errors: self.counters.decode_errors.clone(),
            unknown_events: self.counters.unknown_events.clone(),
            decode_panics: self.counters.decode_panics,
            gaps: self.counters.gaps,
            resyncs: self.counters.resyncs.clone(),
            rotations: self.counters.rotations,
            mismatches: self.counters.mismatches,
            reconnects: self.counters.reconnects.clone(),
            snapshots_sent: self.snapshots.sent,
            snapshots_failed: self.snapshots.failed,
            snapshots_pending: self.snapshots.load(),
            weight_left: self.gate.weight.available(now.mono),
            dials_left: self.gate.dials.available(now.mono),
            stray_inputs: self.counters.stray_inputs + self.counters.stray_refusals,
            log_bytes: topics.iter().map(|topic| topic.log_bytes).sum(),
            sweeps: self.counters.sweeps,
            samples: self.samples.ring.iter().cloned().collect(),
            events: self.events.after(0).cloned().collect(),
            topics,
        }
    }

    fn fallback_status(&self) -> FallbackStatus {
        let ladder = &self.fallback.ladder;
        FallbackStatus {
            rung: ladder.rung().name(),
            number: ladder.rung().number(),
            reason: match (ladder.reason(), self.short_of_dials()) {
                (Ladder::NoLine, Some(_)) => "no line is live: the budget of dials is used up",
                (reason, _) => reason.text(),
            },
            since: self.dated.1.told(),
            pinned: ladder.pinned().is_some(),
            polled: self.fallback.polled(),
            changes: self.counters.rung_changes,
        }
    }

    fn line_status(&self, now: Time, line: &super::line::Line) -> LineStatus {
        let mut stats = line.stats.clone();
        if let Some(live) = line.live() {
            stats.uptime += now.mono.since(live.since);
        }
        let (level, level_since, reasons) = self.line_verdict(now, line.id.slot as usize);
        LineStatus {
            id: line.id.slot,
            level,
            level_since,
            reasons,
            group: self.venue.profile().groups[usize::from(line.group)].name,
            side: if line.side == 0 { "a" } else { "b" },
            heir: match line.role {
                Role::Leaving { heir } => Some(heir as u32),
                _ => None,
            },
            phase: line.phase.name(),
            since: line.since,
            endpoint: self.gate.streams.get(line.endpoint).map(|e| e.origin.clone()).unwrap_or_default(),
            proven: line.live().is_some_and(|live| live.proven.is_some()),
            dial_in_ms: line
                .dial_at()
                .filter(|at| *at != Mono::NEVER)
                .map(|at| at.since(now.mono).as_millis() as u64),
            failures: line.failures.count(now.mono, &self.backoff),
            fault: line.fault.as_ref().map(|(fault, _)| fault.name()),
            reason: line.why(),
            wanted: line.wishes.len(),
            confirmed: line.wishes.confirmed(),
            silence_ms: now.mono.since(line.last_data).as_millis() as u64,
            round_trip_us: line.round_trips.slowest().map(|slowest| slowest.as_micros() as u64),
            stats,
        }
    }

    fn topic_status(&self, now: Time, id: TopicId, entry: &Entry) -> TopicStatus {
        let book = match &entry.state {
            State::Book(book) => Some(BookFigures {
                state: entry.book_state(book),
                venue_id: book.last_id(),
                bids: book.bids().len(),
                asks: book.asks().len(),
                applied: book.counters().applied,
                synced: book.counters().synced,
                refreshed: book.counters().refreshed,
                discarded: book.counters().discarded,
                gaps: book.counters().gaps,
            }),
            _ => None,
        };
        let readers =
            entry.readers.iter().filter_map(|(slot, _)| Some(self.readers.get(*slot)?.subscriber.id()));
        TopicStatus {
            topic: entry.topic.clone(),
            level: entry.service.level,
            phase: entry.service.phase,
            source: entry.service.source,
            reason: entry.service.reason.to_string(),
            reasons: self.topic_reasons(now, id, entry),
            since: entry.since,
            created: entry.created,
            last_message: entry.last_at().map(|at| at.unix),
            held: entry.held(now),
            position: Position { epoch: entry.epoch, offset: entry.offset },
            line: self.speaker(entry).map(|slot| slot as u32),
            lines: entry.carriers.iter().map(|slot| slot as u32).collect(),
            subscribers: readers.collect(),
            warm: entry.warm,
            gap_detection: match entry.sequencing {
                Sequencing::Contiguous => "ids",
                Sequencing::Book => "chain",
                _ => "none",
            },
            log_bytes: entry.history.bytes(),
            counts: entry.seen.as_ref().map(|seen| seen.counts).unwrap_or_default(),
            quarantine: self.quarantine_of(now.mono, &entry.topic),
            book,
        }
    }

    fn subscriber_status(&self) -> Vec<SubscriberStatus> {
        let status = |reader: &super::readers::Reader| SubscriberStatus {
            id: reader.subscriber.id(),
            name: reader.subscriber.name().to_owned(),
            since: reader.since,
            topics: reader.topics.iter().filter_map(|id| Some(self.topics.get(*id)?.topic.clone())).collect(),
            patterns: reader.patterns.iter().map(|(pattern, _)| pattern.as_str().to_owned()).collect(),
            outbox: reader.subscriber.stats(),
        };
        self.readers.iter().map(|(_, reader)| status(reader)).collect()
    }

    fn endpoint_status(&self, now: Time) -> Vec<EndpointStatus> {
        let ws = self.gate.streams.iter().map(|endpoint| ("ws", endpoint, &self.gate.dial_hold));
        let rest = self.gate.rest.iter().map(|endpoint| ("rest", endpoint, &self.gate.rest_hold));
        ws.chain(rest)
            .map(|(protocol, endpoint, hold)| {
                let own = endpoint.until(now.mono).filter(|until| *until != Mono::NEVER);
                let until = hold.held(now.mono).max(own);
                EndpointStatus {
                    protocol,
                    origin: crate::venue::redacted(&endpoint.origin).into_owned(),
                    breaker: endpoint.breaker.state(now.mono),
                    open_since: endpoint.breaker.open_since().map(|at| ago(now, at)),
                    banned: hold.is_banned(now.mono),
                    held_ms: until.map_or(0, |until| until.since(now.mono).as_millis() as u64),
                    score: Some(endpoint.quality.score(now.mono, &self.gate.scores).round()),
                    dials_opened: endpoint.dials.0,
                    dials_failed: endpoint.dials.1,
                }
            })
            .collect()
    }
}
