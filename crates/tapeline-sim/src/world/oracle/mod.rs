//! The judges: each watches one invariant all the time and says what is wrong, with words that name it.

mod account;
mod alive;
mod away;
mod book;
mod content;
mod fresh;
mod ledger;
mod message;
mod order;
mod pace;
mod pairs;
mod phases;
mod plea;
mod polled;
mod rungs;
mod seen;
mod tally;
mod told;
mod truth;
mod weight;

pub(crate) use self::alive::{Alive, is_answered_by, is_live_by, is_well_by, readers, table};
pub(crate) use self::message::{contains, number_after, stream_of};
pub(crate) use self::pairs::Side;
pub(crate) use self::phases::Look;
pub(crate) use self::plea::Plea;
pub(crate) use self::tally::Tally;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use tapeline_core::data::channel::Channel;
use tapeline_core::data::topic::Topic;
use tapeline_core::data::update::{Level, Position, Source};
use tapeline_core::feed::{Action, Subscribed};
use tapeline_core::policy::fault::Fault;
use tapeline_core::venue::{Fetch, LineId, Map};

use self::account::Account;
use self::away::Away;
use self::book::Copy;
use self::content::{Published, Right, Shallow};
use self::fresh::{Flow, Fresh};
use self::message::{hash, is_odd, trade_of};
use self::order::Place;
use self::pace::Pace;
use self::pairs::Pairs;
use self::phases::Phases;
use self::polled::{Polled, Streamed};
use self::rungs::Rungs;
use self::told::Came;
use self::truth::Truth;
use super::host::Host;
use crate::house::House;

/// An invariant, by its number in the list of faults and invariants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Oracle {
    Accounting,
    Order,
    BookTruth,
    Staleness,
    Phases,
    Pace,
    Liveness,
    Memory,
    Refcount,
    Table,
    Authority,
    Cover,
    Ledger,
    Panic,
    Determinism,
    Clock,
}

impl Oracle {
    /// Its number and name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Accounting => "I1 accounting",
            Self::Order => "I2 order",
            Self::BookTruth => "I3 book truth",
            Self::Staleness => "I4 no silent staleness",
            Self::Phases => "I5 state machine",
            Self::Pace => "I6 never too fast",
            Self::Liveness => "I7 liveness",
            Self::Memory => "I9 bounded memory",
            Self::Refcount => "I10 refcount",
            Self::Table => "I11 wanted is actual",
            Self::Authority => "I12 one authority",
            Self::Cover => "U14 one of two is enough",
            Self::Ledger => "C6 ledger",
            Self::Panic => "I18 no panic",
            Self::Determinism => "I19 determinism",
            Self::Clock => "I20 clock independence",
        }
    }
}

/// One topic as one reader sees it.
#[derive(Debug)]
pub(crate) struct Sight {
    place: Place,
    account: Account,
    copy: Copy,
    pub(crate) shallow: Shallow,
    /// The number of its stream at the house.
    stream: Option<u32>,
    /// When the venue first said something that has not been delivered yet.
    pub(crate) unanswered: Option<u64>,
    /// How well it is served, as the reader was last told.
    pub(crate) level: Option<Level>,
    /// Where it comes from, as the reader was last told, and when.
    pub(crate) source: (Source, u64),
    /// Where data last came from.
    pub(crate) came: Came,
    /// When data last came.
    pub(crate) data_at: u64,
    /// How new what was streamed is.
    streamed: Streamed,
    /// The latest messages of it, as hashes: a copy on another line is no news.
    heard: VecDeque<u64>,
    /// How fast it comes.
    pub(crate) flow: Flow,
}

/// What is known of one process.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    pub(crate) pace: Pace,
    pub(crate) away: Away,
    pub(crate) phases: Phases,
    pub(crate) fresh: Fresh,
    /// Since when nothing has gone wrong; may lie in the future.
    pub(crate) calm_since: u64,
    /// Connections that carried data.
    pub(crate) proven: BTreeSet<LineId>,
    /// Since when a line has had fewer streams confirmed than it wants.
    pub(crate) short: BTreeMap<u32, u64>,
    /// Messages put into the feed that no decoder can be expected to read.
    pub(crate) spoilt: u64,
    /// Until then some of them may be JSON.
    pub(crate) odd_until: u64,
    pub(crate) rungs: Rungs,
    pub(crate) pairs: Pairs,
    pub(crate) polled: Polled,
    /// When REST last failed to answer at once.
    pub(crate) rest_hurt: u64,
    /// When each line was last seen at rest.
    pub(crate) rested: BTreeMap<u32, u64>,
}

/// Messages of a topic remembered, to know a copy of one.
const HEARD: usize = 64;

/// By name: the topic of a stream, and its number at the house.
type Streams = BTreeMap<Box<[u8]>, (Topic, u32)>;

/// All judges of a world.
#[derive(Debug, Default)]
pub(crate) struct Oracles {
    /// The first objection.
    pub(crate) verdict: Option<(Oracle, String)>,
    /// By reader.
    pub(crate) sights: Vec<Map<Topic, Sight>>,
    /// By process.
    pub(crate) watches: Vec<Watch>,
    /// By house and symbol.
    truths: Vec<BTreeMap<String, Truth>>,
    /// By house: what it published.
    published: Vec<Published>,
    /// What was found right need not be judged again for other readers.
    right: Right,
    /// By house: the topic of each stream, and the number of the stream there.
    streams: Vec<Streams>,
    /// By process: what came of each topic that has contiguous ids.
    pub(crate) tallies: Vec<BTreeMap<Topic, Tally>>,
}

impl Oracles {
    pub(crate) fn new(readers: usize, hosts: usize, houses: &[House], symbols: &[Vec<String>]) -> Self {
        let truths = houses.iter().zip(symbols).map(|(house, names)| {
            names.iter().filter_map(|name| Some((name.clone(), Truth::of(house, name)?))).collect()
        });
        Self {
            verdict: None,
            sights: (0..readers).map(|_| Map::default()).collect(),
            watches: (0..hosts).map(|_| Watch::default()).collect(),
            truths: truths.collect(),
            published: houses.iter().map(|_| Published::default()).collect(),
            right: Right::default(),
            streams: houses.iter().map(|_| BTreeMap::new()).collect(),
            tallies: (0..hosts).map(|_| BTreeMap::new()).collect(),
        }
    }

    /// A topic is what a house says on this stream.
    pub(crate) fn knows(&mut self, at: usize, house: &House, topic: Topic, stream: &str) {
        if let Some(number) = house.stream_number(stream) {
            self.streams[at].insert(stream.as_bytes().into(), (topic, number));
        }
    }

    /// Reads what a house has published and done since.
    pub(crate) fn follow(&mut self, at: usize, house: &mut House) {
        for (stream, payload) in house.take_published() {
            self.published[at].add(stream, payload);
        }
    }

    /// Reads how the books of a house have changed since.
    pub(crate) fn follow_books(&mut self, at: usize, house: &House) {
        for (symbol, truth) in &mut self.truths[at] {
            truth.follow(house, symbol);
        }
    }

    /// An invariant is broken. The first objection counts.
    pub(crate) fn object(&mut self, oracle: Oracle, words: String) {
        self.verdict.get_or_insert((oracle, words));
    }

    /// Objects if there is something to object to.
    pub(crate) fn mind(&mut self, oracle: Oracle, host: usize, found: Result<(), String>) {
        if let Err(words) = found {
            self.object(oracle, format!("host {host}: {words}"));
        }
    }

    /// A process does something.
    pub(crate) fn acted(&mut self, now: u64, index: usize, host: &Host, action: &Action) {
        let watch = &mut self.watches[index];
        let found = match action {
            Action::Dial { line, request, .. } => {
                let endpoint = host.streams.iter().position(|o| request.url.starts_with(o.as_str()));
                let same = || host.links.values().filter(|link| link.wanted && link.line.slot == line.slot);
                let beside = same().any(|link| link.open);
                if same().any(|link| !link.open) {
                    let words = format!("host {index}: line {line} is dialled twice at a time");
                    return self.object(Oracle::Phases, words);
                }
                let found = watch.pace.dialled(now, *line, endpoint.unwrap_or(0), beside);
                found.and(watch.away.goes(now, &request.url))
            }
            Action::Send { line, text } => {
                watch.fresh.asked(line.slot, text);
                watch.pace.said(now, *line)
            }
            Action::Login { line, .. } | Action::Ping { line, .. } => watch.pace.said(now, *line),
            Action::Pong { line, payload } => {
                watch.pace.ponged(*line, payload);
                watch.pace.said(now, *line)
            }
            Action::Close { line, .. } => {
                // A dial beside the line may be given up while the line goes on.
                match host.beside(*line) {
                    None => watch.pace.let_go(now, line.slot),
                    Some(heir) if heir.dial > line.dial => watch.pace.opened(now, heir),
                    Some(_) => {}
                }
                watch.pace.forget(*line);
                watch.proven.remove(line);
                self.tallies[index].values_mut().for_each(|tally| tally.let_go(now, *line));
                Ok(())
            }
            Action::Fetch { request, why, topic, .. } => {
                let url = &request.url;
                // What a line has told may be held back behind what only the newest events show. Who reads at once
                // knows that; of what only others read nobody does.
                let sights = || self.sights.iter().filter_map(|sights| sights.get(topic));
                let known = sights().any(|sight| !sight.heard.is_empty());
                let held = sights().any(|sight| sight.account.holds_back());
                if matches!(why, Fetch::Poll { .. }) && known && !held {
                    watch.rungs.asked(now, topic.as_str());
                }
                let found = watch.pace.fetched(now, *why, weight::of(url), weight::borne(url));
                found.and(watch.away.goes(now, url))
            }
            Action::ReadKeys => Ok(()),
        };
        self.mind(Oracle::Pace, index, found);
    }

    /// A line opened.
    pub(crate) fn opened(&mut self, now: u64, host: usize, line: LineId, beside: bool) {
        let watch = &mut self.watches[host];
        (!beside).then(|| watch.pace.opened(now, line));
        watch.fresh.opened(now, line.slot);
        watch.pairs.opened(now, line.slot);
    }

    /// A dial failed, or a line ended; `beside` says that another of its slot is open.
    pub(crate) fn ended(&mut self, now: u64, host: usize, line: LineId, fault: Fault, beside: bool) {
        let watch = &mut self.watches[host];
        watch.pace.ended(now, line, fault, beside);
        watch.pairs.blemish();
        watch.pace.forget(line);
        watch.proven.remove(&line);
    }

    /// A message reached a feed; `whole` says that it is one JSON value.
    pub(crate) fn heard(
        &mut self,
        now: u64,
        host: usize,
        line: LineId,
        bytes: &[u8],
        (at, watcher, whole): (usize, usize, bool),
    ) {
        let watch = &mut self.watches[host];
        watch.spoilt += u64::from(!whole || now < watch.odd_until && is_odd(bytes));
        let Some(stream) = stream_of(bytes) else { return };
        let calm = whole && watch.calm_since <= now;
        let trade = trade_of(stream, bytes);
        if whole {
            watch.pace.data(now, line);
            watch.fresh.data(now, line.slot, stream);
            watch.proven.insert(line);
            // A spent id is nothing that could be delivered.
            let spent = stream.ends_with(b"@trade")
                && contains(&bytes[bytes.len().saturating_sub(48)..], b"\"X\":\"NA\"");
            if !spent
                && let Some((topic, _)) = self.streams[at].get(stream)
                && let Some(sight) = self.sights[watcher].get_mut(topic)
            {
                let hash = hash(bytes);
                if !sight.heard.contains(&hash) {
                    if sight.heard.len() >= HEARD {
                        sight.heard.pop_front();
                    }
                    sight.heard.push_back(hash);
                    // A line may repeat what REST has told.
                    if !trade.is_some_and(|(_, id)| sight.account.is_behind(id)) {
                        sight.unanswered.get_or_insert(now);
                    }
                }
            }
        }
        let Some((channel, id)) = trade else { return };
        let symbol = stream.split(|byte| *byte == b'@').next().unwrap_or_default();
        for (topic, sight) in &mut self.sights[watcher] {
            if topic.channel() == channel && topic.raw_symbol().as_bytes().eq_ignore_ascii_case(symbol) {
                sight.account.heard(id, whole);
                if let Some(tally) = self.tallies[host].get_mut(topic).filter(|_| whole && !is_odd(bytes)) {
                    tally.heard(now, line, id);
                }
                if calm {
                    sight.account.arrives(id);
                }
            }
        }
    }

    /// A full reader keeps a line from being read: what waits there is not the venue's silence.
    pub(crate) fn blocked(&mut self, now: u64, host: usize, line: LineId) {
        self.watches[host].fresh.excuse(now);
        self.watches[host].pace.forget_ping(line);
    }

    /// The venue answers a ping: the line lives.
    pub(crate) fn ponged(&mut self, now: u64, host: usize, line: LineId) {
        self.watches[host].fresh.lives(now, line.slot);
    }

    /// The venue pings.
    pub(crate) fn pinged(&mut self, now: u64, host: usize, line: LineId, payload: &[u8]) {
        self.watches[host].pace.pinged(now, line, payload);
    }

    /// A reader subscribed a topic.
    pub(crate) fn subscribed(
        &mut self,
        at: usize,
        reader: usize,
        answer: &Subscribed,
        from: Option<Position>,
    ) {
        let stream = self.streams[at].values().find(|(topic, _)| *topic == answer.topic);
        let stream = stream.map(|(_, number)| *number);
        let position = from.filter(|_| answer.recovered).unwrap_or(answer.position);
        let sight = self.sights[reader].entry(answer.topic.clone()).or_insert_with(|| Sight {
            place: Place::at(position),
            account: Account::default(),
            copy: Copy::default(),
            shallow: Shallow::default(),
            stream,
            unanswered: None,
            level: None,
            source: (Source::Live, 0),
            came: Came::default(),
            streamed: Streamed::default(),
            heard: VecDeque::new(),
            data_at: 0,
            flow: Flow::default(),
        });
        sight.place.moved(position);
        if !answer.recovered {
            sight.account.begin();
            sight.copy = Copy::default();
            sight.shallow = Shallow::default();
        }
    }

    /// A reader left a topic.
    pub(crate) fn unsubscribed(&mut self, reader: usize, topic: &Topic) {
        self.sights[reader].remove(topic);
    }

    /// Where a reader stands in a topic; of a book of which nothing has come yet there is no copy to go on with.
    pub(crate) fn position(&self, reader: usize, topic: &Topic) -> Option<Position> {
        let held = |sight: &&Sight| topic.channel() != Channel::Book || sight.copy.is_begun();
        self.sights[reader].get(topic).filter(held).map(|sight| sight.place.position())
    }

    /// The ids of a symbol have started over.
    pub(crate) fn restarted(&mut self, at: usize, house: &House, symbol: &str) {
        if let Some(truth) = self.truths[at].get_mut(symbol) {
            truth.restart(house, symbol);
        }
        // Its ids are compared with those of before no more.
        for (_, sight) in self.sights.iter_mut().flatten().filter(|(topic, _)| *topic.symbol() == *symbol) {
            sight.streamed = Streamed::default();
        }
    }

    /// Something goes wrong with a process until `until`.
    pub(crate) fn disturb(&mut self, host: usize, until: u64) {
        let watch = &mut self.watches[host];
        watch.calm_since = watch.calm_since.max(until);
    }

    /// The feed crashed: what it knew of its lines is gone.
    pub(crate) fn crashed(&mut self, now: u64, host: usize, watcher: usize) {
        // Of candles it begins with those that are closed, whatever was told of the one that is open.
        let venue = self.sights[watcher].keys().next().map(|topic| topic.venue().to_owned());
        let told = self.sights.iter_mut().flatten().filter(|(topic, _)| {
            topic.channel() == Channel::Candle && Some(topic.venue()) == venue.as_deref()
        });
        told.for_each(|(_, sight)| sight.streamed = Streamed::default());
        // So is what it knew of the paces of topics.
        self.sights[watcher].values_mut().for_each(|sight| sight.flow = Flow::default());
        let watch = &mut self.watches[host];
        watch.phases.restart();
        watch.fresh.restart();
        watch.proven.clear();
        watch.spoilt = 0;
        watch.short.clear();
        watch.rested.clear();
        watch.rungs.restart(now);
        watch.pairs.restart();
        watch.pace.restart(now);
    }

    /// Whether the book of a reader's topic is live, as it was last told.
    pub(crate) fn is_live(&self, reader: usize, topic: &Topic) -> bool {
        self.sights[reader].get(topic).is_some_and(|sight| sight.copy.is_live())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::house::Reply;

    #[test]
    fn a_dial_beside_a_line_takes_nothing_from_what_the_line_has_carried() {
        let mut oracles = Oracles::new(1, 1, &[], &[]);
        oracles.streams.push(Streams::new());
        let (line, beside) = (LineId { slot: 0, dial: 5 }, LineId { slot: 0, dial: 6 });
        oracles.opened(1, 0, line, false);
        assert!(oracles.watches[0].proven.is_empty());
        oracles.heard(2, 0, line, br#"{"stream":"a@kline_1m","data":{}}"#, (0, 0, true));
        oracles.opened(3, 0, beside, true);
        let proven = &oracles.watches[0].proven;
        assert!(proven.contains(&line) && !proven.contains(&beside));
        oracles.ended(4, 0, line, Fault::Transient, true);
        assert!(oracles.watches[0].proven.is_empty());
    }

    #[test]
    fn a_refusal_that_nobody_ordered_is_seen() {
        let mut oracles = Oracles::default();
        oracles.answered(0, &Reply::text(200, ""), false);
        oracles.answered(0, &Reply::text(429, ""), true);
        assert!(oracles.verdict.is_none());
        oracles.answered(0, &Reply::text(429, ""), false);
        assert_eq!(oracles.verdict.map(|(oracle, _)| oracle), Some(Oracle::Pace));
    }
}
