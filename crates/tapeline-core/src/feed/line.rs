//! One socket: its phase with the deadlines that belong to it, its subscriptions, its figures.

use std::time::Duration;

use serde::Serialize;

use crate::config::{Limits, Timing};
use crate::policy::backoff::Failures;
use crate::policy::breaker::Permit;
use crate::policy::budget::SlidingWindow;
use crate::policy::fault::Fault;
use crate::policy::silence::{Arrivals, RoundTrips};
use crate::time::{Mono, Time, Unix};
use crate::venue::{Group, LineId, Names, Rate};

use super::credit::Told;
use super::gate::Bar;
use super::health::Record;
use super::keys::KeyState;
use super::login::{Again, LoggingIn};
use super::missed_ids::Ids;
use super::rotate::{Role, Spurned};
use super::unproven::Against;
use super::wishes::Wishes;

/// What one socket is doing. Each timer lives in the phase that needs it: leaving the phase ends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nobody wants a topic of this line, so nothing is dialled.
    Idle,
    /// Dial (again) at `until`.
    Waiting { until: Mono },
    /// A dial is in flight.
    Dialling { give_up: Mono },
    /// The venue wants to see our keys first.
    LoggingIn(LoggingIn),
    /// Frames flow, or should.
    Live(Live),
    /// The venue refused us. Time or an operator leaves this phase.
    Halted { until: Option<Mono> },
}

/// The timers of a live line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Live {
    pub(super) since: Mono,
    /// When the first request was acknowledged.
    pub(super) acknowledged: Option<Mono>,
    /// When the first market event came.
    pub(super) proven: Option<Mono>,
    /// When silence becomes suspicious, or the next routine ping.
    pub(super) check_at: Mono,
    /// The ping we wait for: when it went out, what it held, and when patience ends.
    pub(super) ping: Option<PingOut>,
    /// The endpoint's breaker has been told of success.
    pub(super) settled: bool,
    /// When something may be said that the message budget did not allow before.
    pub(super) speak_at: Option<Mono>,
    /// Subscribed anew because pongs came but no data.
    pub(super) renewed: Option<Mono>,
    /// It has been silent for too long: what it carries is flagged until it shows that it lives.
    pub(super) doubt: Option<Doubt>,
    /// When a replacement was last dialled beside it.
    pub(super) spared: Option<Mono>,
    /// How long it must have carried data to speak for its endpoint.
    pub(super) settle_after: Duration,
    /// When another line is to follow it.
    pub(super) replace_at: Option<Mono>,
    /// What became of those that were to.
    pub(super) spurned: Spurned,
    /// Whether other keys are shown on it.
    pub(super) again: Again,
    /// What its endpoint's account knows of it.
    pub(super) told: Told,
}

/// What hangs on a line that is silent for too long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Doubt {
    /// The dial that takes over when it succeeds before the line shows that it lives.
    pub(super) spare: Option<Spare>,
}

/// A dial beside a line that is still open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spare {
    pub(super) id: LineId,
    pub(super) endpoint: usize,
    pub(super) permit: Permit,
    pub(super) give_up: Mono,
}

impl Live {
    /// When the session will have lasted long enough to speak for the endpoint.
    pub(super) fn settles_at(&self) -> Option<Mono> {
        self.proven.filter(|_| !self.settled).map(|proven| proven + self.settle_after)
    }
}

/// A session that ends sooner counts as a failed attempt; one that lasts proves the endpoint, as does one that is
/// stable before that.
pub(super) const SETTLED_AFTER: Duration = Duration::from_secs(5);

/// A line that brings nothing is given up after twice the time each time, up to so many doublings.
pub(super) const DOUBLINGS: u8 = 6;

/// A ping that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PingOut {
    pub(super) sent: Mono,
    pub(super) payload: u64,
    pub(super) deadline: Mono,
}

impl Phase {
    /// The word for status and metrics.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Waiting { .. } => "waiting",
            Self::Dialling { .. } => "dialling",
            Self::LoggingIn(_) => "logging_in",
            Self::Live(_) => "live",
            Self::Halted { .. } => "halted",
        }
    }
}

/// Figures of one line, over all its dials.
#[derive(Debug, Clone, Default, Serialize)]
pub struct LineStats {
    /// Messages received.
    pub frames: u64,
    /// Bytes of messages received.
    pub bytes: u64,
    /// Messages that could not be translated, unknown events apart.
    pub undecodable: u64,
    /// Messages of kinds the adapter does not know.
    pub unknown: u64,
    /// Messages of streams nobody wants.
    pub unrouted: u64,
    /// Copies dropped before they were fully decoded.
    pub duplicates: u64,
    /// Copies that told otherwise of an event than the first one.
    pub mismatches: u64,
    /// Events that another line brought and that it passed over.
    pub missed: u64,
    /// Events of which this line brought the first copy.
    pub first: u64,
    /// How far its copies are behind the first ones, a running mean; none while no other line is first.
    #[serde(rename = "lag_ns", serialize_with = "nanos")]
    pub lag: Option<Duration>,
    /// Messages sent, pings and pongs included.
    pub sent: u64,
    /// Dials made.
    pub dials: u64,
    /// Times an open line was lost.
    pub drops: u64,
    /// Dials that succeeded after the line had been lost.
    pub reconnects: u64,
    /// Time live in all.
    #[serde(serialize_with = "millis")]
    pub uptime: Duration,
    /// Receive time minus venue time of the latest event, in nanoseconds; clocks may differ.
    pub latency_ns: Option<i64>,
}

fn nanos<S: serde::Serializer>(value: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    value.map(|value| u64::try_from(value.as_nanos()).unwrap_or(u64::MAX)).serialize(serializer)
}

fn millis<S: serde::Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(value.as_millis()).unwrap_or(u64::MAX))
}

/// One line.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) id: LineId,
    /// The number given to a dial last.
    dials: u32,
    pub(super) group: u8,
    /// Which of the lines that carry the same topics: 0 = A, 1 = B.
    pub(super) side: u8,
    /// What it has to do with another line.
    pub(super) role: Role,
    pub(super) phase: Phase,
    pub(super) since: Unix,
    /// Index of the endpoint dialled last.
    pub(super) endpoint: usize,
    /// When it was dialled last.
    pub(super) dialled: Mono,
    pub(super) failures: Failures,
    /// It rests, and has failed: not to be dialled before this, whatever it is wanted for.
    pub(super) rests_until: Mono,
    /// What it waits for, and until when, in words; only while it waits for the gate, not for its own backoff.
    pub(super) barred: Option<(Bar, Box<str>)>,
    /// Leave from the endpoint's breaker, until we know how the session goes.
    pub(super) permit: Option<Permit>,
    /// The last failure.
    pub(super) fault: Option<(Fault, Box<str>)>,
    /// It was lost just now while it was open: whether that was felt, for the record of it.
    pub(super) felt: Option<bool>,
    /// How the venue took its keys.
    pub(super) keys: KeyState,
    /// The newest keys that it was opened with, or that were put in motion for it.
    pub(super) edition: u32,
    pub(super) names: Names,
    pub(super) wishes: Wishes,
    /// Messages we may send.
    pub(super) budget: SlidingWindow,
    /// The latest ping not yet answered for want of budget; only the latest needs an answer.
    pub(super) pong: Option<Box<[u8]>>,
    /// What was said last was a pong.
    pub(super) ponged: bool,
    pub(super) arrivals: Arrivals,
    /// The rhythm of the line that it follows, which counts until its own is known.
    pub(super) borrowed: Option<Box<Arrivals>>,
    pub(super) round_trips: RoundTrips,
    /// Since when it is not read, as it was last looked at.
    pub(super) blocked: Option<Mono>,
    /// When data last came before it was not read for so long that its silence is our own doing.
    pub(super) unread: Option<Mono>,
    /// Whether the session that ended last brought data.
    pub(super) was_proven: bool,
    /// What speaks against it while it has brought nothing.
    pub(super) against: Against,
    /// Sessions in a row that were given up since nothing came on them.
    pub(super) fruitless: u8,
    /// The last message of any kind: a sign of life. While we do not read it is put forward.
    pub(super) last_frame: Mono,
    /// The last message of any kind that was read: what the venue had said before it, we have.
    pub(super) heard: Mono,
    /// The last market data, or when the line was opened.
    pub(super) last_data: Mono,
    /// Most streams this line may carry, learnt from the venue's refusal.
    pub(super) capacity: usize,
    /// Undecodable messages in the running minute, and when it began.
    pub(super) corrupt: (u32, Mono),
    /// Ids of topics that another line carries too.
    pub(super) ids: Ids,
    pub(super) stats: LineStats,
    pub(super) health: Record,
}

impl Line {
    pub(super) fn new(slot: u32, place: (u8, u8), facts: &Group, limits: &Limits, now: Time) -> Self {
        let (group, side) = place;
        // One message is kept free for pongs, so with less than two nothing could ever be said. The venue counts
        // what arrives: what is held up on its way comes closer to what follows, so our stretch of time is longer
        // than the venue's by a quarter.
        let count = limits.messages_per_second.min(facts.messages.count).max(2);
        Self {
            id: LineId { slot, dial: 0 },
            dials: 0,
            group,
            side,
            role: Role::Own,
            phase: Phase::Idle,
            since: now.unix,
            endpoint: 0,
            dialled: now.mono,
            failures: Failures::default(),
            rests_until: Mono::default(),
            barred: None,
            permit: None,
            fault: None,
            felt: None,
            keys: KeyState::default(),
            edition: 0,
            names: Names::default(),
            wishes: Wishes::default(),
            budget: SlidingWindow::new(Rate { count, per: facts.messages.per * 5 / 4 }),
            pong: None,
            ponged: false,
            arrivals: Arrivals::default(),
            borrowed: None,
            round_trips: RoundTrips::default(),
            blocked: None,
            unread: None,
            was_proven: false,
            against: Against::default(),
            fruitless: 0,
            last_frame: now.mono,
            heard: now.mono,
            last_data: now.mono,
            capacity: facts.streams_per_line,
            corrupt: (0, now.mono),
            ids: Ids::default(),
            stats: LineStats::default(),
            health: Record::new(now.mono),
        }
    }

    /// The number of the next dial.
    pub(super) fn next_dial(&mut self) -> LineId {
        self.dials = self.dials.wrapping_add(1);
        LineId { dial: self.dials, ..self.id }
    }

    pub(super) fn live(&self) -> Option<&Live> {
        match &self.phase {
            Phase::Live(live) => Some(live),
            _ => None,
        }
    }

    /// When its data last reached us, and how long after that the next was to be expected.
    pub(super) fn rhythm(&self, most: Duration) -> (Mono, Duration) {
        (self.unread.unwrap_or(self.last_data), self.arrivals.expected(most))
    }

    /// How long silence on it may last before it is suspicious.
    pub(super) fn silent_after(&self, timing: &Timing) -> Duration {
        let after = |rhythm: &Arrivals| rhythm.silent_after(timing.silent_min, timing.silent_max);
        let own = after(&self.arrivals);
        // The line before may have had its silences, and our own rhythm is not known yet: the stricter one counts.
        self.lent().map_or(own, |lent| after(lent).min(own))
    }

    /// Whether what comes on it is known to come often.
    pub(super) fn is_lively(&self, timing: &Timing) -> bool {
        let lively = |rhythm: &Arrivals| rhythm.is_lively(timing.silent_max);
        lively(&self.arrivals) || self.lent().is_some_and(lively)
    }

    /// The rhythm of the line that it follows, while its own is not known.
    fn lent(&self) -> Option<&Arrivals> {
        self.borrowed.as_deref().filter(|_| !self.arrivals.is_known())
    }

    /// It follows another line and is to carry the same, so silence on it means the same.
    pub(super) fn borrow_rhythm(&mut self, lent: Box<Arrivals>) {
        (self.arrivals, self.borrowed) = (Arrivals::default(), Some(lent));
    }

    /// What a line that follows it may go by.
    pub(super) fn lend_rhythm(&self) -> Box<Arrivals> {
        Box::new(self.lent().unwrap_or(&self.arrivals).clone())
    }

    /// What made its rhythm is gone.
    pub(super) fn forget_rhythm(&mut self, now: Mono) {
        (self.arrivals, self.borrowed, self.fruitless) = (Arrivals::default(), None, 0);
        self.arrivals.resume(now);
    }

    /// How long it may be left alone: until its silence is suspicious, or until a routine ping is due.
    pub(super) fn patience(&self, timing: &Timing) -> Duration {
        if self.is_mute() {
            return timing.silent_min;
        }
        let judged = self.live().is_some_and(|live| live.proven.is_some()) || self.is_lively(timing);
        if judged { self.silent_after(timing).min(timing.ping_every) } else { timing.ping_every }
    }

    /// How many times the usual patience it has while nothing has come: what carried its rhythm may be gone.
    pub(super) fn leniency(&self) -> u32 {
        if self.live().is_some_and(|live| live.proven.is_some()) { 1 } else { 1 << self.fruitless }
    }

    /// When another line is to follow it.
    pub(super) fn replace_at(&self) -> Option<Mono> {
        self.live()?.replace_at
    }

    /// When it is dialled again, if it waits for that.
    pub(super) fn dial_at(&self) -> Option<Mono> {
        match &self.phase {
            Phase::Waiting { until } => Some(*until),
            Phase::Halted { until } => *until,
            _ => None,
        }
    }

    /// That it waits for the budget of dials, in words.
    pub(super) fn short_of_dials(&self) -> Option<&str> {
        self.barred.as_ref().filter(|(by, _)| *by == Bar::Spent).map(|(_, words)| &**words)
    }

    /// Whether an operator's order keeps it from being dialled, and not the gate.
    pub(super) fn is_held(&self) -> bool {
        self.barred.is_none() && self.phase == Phase::Waiting { until: Mono::NEVER }
    }

    /// What bars its way to the venue, in words.
    pub(super) fn barred(&self) -> Option<&str> {
        self.barred.as_ref().map(|(_, words)| &**words)
    }

    /// Why it does not stand: what it waits for, and what its last failure was.
    pub(super) fn why(&self) -> Option<String> {
        let fault = self.fault.as_ref().map(|(_, detail)| detail);
        match (self.barred(), fault) {
            (Some(short), Some(fault)) => Some(format!("{short}; last failure: {fault}")),
            (Some(short), None) => Some(short.to_owned()),
            (None, fault) => fault.map(ToString::to_string),
        }
    }

    /// Whether a socket of it is open, or dialled.
    pub(super) fn is_engaged(&self) -> bool {
        matches!(self.phase, Phase::Live(_) | Phase::LoggingIn(_) | Phase::Dialling { .. })
    }

    pub(super) fn is_live(&self) -> bool {
        matches!(self.phase, Phase::Live(_))
    }

    /// Whether it is known to carry what is wanted of it.
    pub(super) fn serves(&self) -> bool {
        self.live().is_some_and(|live| live.doubt.is_none() && live.proven.is_some())
    }

    /// Whether it has been silent for too long.
    #[inline]
    pub(super) fn is_doubted(&self) -> bool {
        self.live().is_some_and(|live| live.doubt.is_some())
    }

    /// The dial beside it, if there is one.
    pub(super) fn spare(&self) -> Option<&Spare> {
        self.live()?.doubt.as_ref()?.spare.as_ref()
    }

    /// Whether an input that names `id` is about the dial in force.
    pub(super) fn is(&self, id: LineId) -> bool {
        self.id == id
    }

    /// The earliest moment at which this line needs attention.
    pub(super) fn deadline(&self) -> Option<Mono> {
        match &self.phase {
            Phase::Idle => None,
            Phase::Waiting { until } => Some(*until),
            Phase::Dialling { give_up } => Some(*give_up),
            Phase::LoggingIn(login) => login.deadline(),
            Phase::Halted { until } => *until,
            Phase::Live(live) => {
                let ping = live.ping.as_ref().map(|ping| ping.deadline);
                let spare = self.spare().map(|spare| spare.give_up);
                let wishes = self.wishes.deadline();
                let again = live.again.deadline();
                [Some(live.check_at), ping, spare, live.speak_at, live.settles_at(), wishes, again]
                    .into_iter()
                    .flatten()
                    .min()
            }
        }
    }
}
