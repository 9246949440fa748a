//! The judges: each watches one invariant all the time and says what is wrong, with words that name it.

mod account;
mod alive;
mod book;
mod fresh;
mod ledger;
mod order;
mod pace;
mod phases;
mod seen;

pub(crate) use self::alive::{Alive, is_live_by, is_well_by, readers, table};
pub(crate) use self::phases::Look;

use std::collections::BTreeMap;

use tapeline_core::data::channel::Channel;
use tapeline_core::data::event::AggTrade;
use tapeline_core::data::topic::Topic;
use tapeline_core::data::update::{Data, Level, Position, Shared};
use tapeline_core::feed::{Action, Subscribed};
use tapeline_core::policy::fault::Fault;
use tapeline_core::venue::{LineId, Map};

use self::account::Account;
use self::book::{Copy, Scales};
use self::fresh::{Flow, Fresh};
use self::ledger::Ledger;
use self::order::Place;
use self::pace::Pace;
use self::phases::Phases;
use self::seen::Seen;
use super::host::Host;
use crate::exchange::Side;
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
    /// How well it is served, as the reader was last told.
    pub(crate) level: Option<Level>,
    /// When data last came.
    pub(crate) data_at: u64,
    /// How fast it comes.
    pub(crate) flow: Flow,
}

/// What is known of one process.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    pub(crate) pace: Pace,
    pub(crate) phases: Phases,
    pub(crate) fresh: Fresh,
    /// Since when nothing has gone wrong; may lie in the future.
    pub(crate) calm_since: u64,
    /// Lines that carried data on their present connection.
    pub(crate) proven: BTreeMap<u32, bool>,
    /// Messages put into the feed that were no JSON.
    pub(crate) spoilt: u64,
    /// There were others that no decoder can be expected to read.
    pub(crate) odd: bool,
}

/// The truth of one symbol.
#[derive(Debug)]
struct Truth {
    ledger: Ledger,
    scales: Scales,
}

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
}

impl Oracles {
    pub(crate) fn new(readers: usize, hosts: usize, houses: &[House], symbols: &[Vec<String>]) -> Self {
        let truth = |house: &House, name: &String| {
            let symbol = house.symbol(name)?;
            let scales = Scales { price: symbol.price_scale, size: symbol.size_scale };
            let mut truth = Truth { ledger: Ledger::default(), scales };
            truth.open(house, name);
            Some((name.clone(), truth))
        };
        let truths = houses.iter().zip(symbols);
        Self {
            verdict: None,
            sights: (0..readers).map(|_| Map::default()).collect(),
            watches: (0..hosts).map(|_| Watch::default()).collect(),
            truths: truths
                .map(|(h, names)| names.iter().filter_map(|name| truth(h, name)).collect())
                .collect(),
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
                watch.pace.dialled(now, *line, endpoint.unwrap_or(0), beside)
            }
            Action::Send { line, .. } | Action::Ping { line, .. } => watch.pace.said(now, *line),
            Action::Pong { line, payload } => {
                watch.pace.ponged(*line, payload);
                watch.pace.said(now, *line)
            }
            Action::Close { line, .. } => {
                // A dial beside the line may be given up while the line goes on.
                if !host.has_beside(*line) {
                    watch.pace.let_go(now, line.slot);
                }
                watch.pace.forget(*line);
                Ok(())
            }
            Action::Fetch { .. } => watch.pace.fetched(now),
        };
        self.mind(Oracle::Pace, index, found);
    }

    /// A line opened.
    pub(crate) fn opened(&mut self, now: u64, host: usize, line: LineId) {
        let watch = &mut self.watches[host];
        watch.pace.opened(now, line);
        watch.fresh.opened(now, line.slot);
        watch.proven.insert(line.slot, false);
    }

    /// A dial failed, or a line ended; `beside` says that another of its slot is open.
    pub(crate) fn ended(&mut self, now: u64, host: usize, line: LineId, fault: Fault, beside: bool) {
        let watch = &mut self.watches[host];
        watch.pace.ended(now, line, fault, beside);
        watch.pace.forget(line);
    }

    /// A message reached a feed; `whole` says that it is one JSON value.
    pub(crate) fn heard(
        &mut self,
        now: u64,
        host: usize,
        line: LineId,
        bytes: &[u8],
        (watcher, whole): (usize, bool),
    ) {
        let watch = &mut self.watches[host];
        watch.spoilt += u64::from(!whole);
        let Some(stream) = stream_of(bytes) else { return };
        let calm = whole && watch.calm_since <= now;
        if whole {
            watch.pace.data(now, line);
            watch.fresh.data(now, line.slot);
            watch.proven.insert(line.slot, true);
        }
        let key: &[u8] = match stream.rsplit(|byte| *byte == b'@').next() {
            Some(b"trade") => b"\"t\":",
            Some(b"aggTrade") => b"\"a\":",
            _ => return,
        };
        let Some(id) = number_after(bytes, key) else { return };
        let channel = if key[1] == b't' { Channel::Trade } else { Channel::AggTrade };
        let symbol = stream.split(|byte| *byte == b'@').next().unwrap_or_default();
        for (topic, sight) in &mut self.sights[watcher] {
            if topic.channel() == channel && topic.raw_symbol().as_bytes().eq_ignore_ascii_case(symbol) {
                sight.account.heard(id, whole);
                if calm {
                    sight.account.arrives(id);
                }
            }
        }
    }

    /// A request was answered: what the reply asks for is minded from the moment it arrives.
    pub(crate) fn fetch_failed(&mut self, now: u64, host: usize, fault: Fault) {
        self.watches[host].pace.hold(now, fault, true);
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
    pub(crate) fn subscribed(&mut self, reader: usize, answer: &Subscribed, from: Option<Position>) {
        let position = from.filter(|_| answer.recovered).unwrap_or(answer.position);
        let sight = self.sights[reader].entry(answer.topic.clone()).or_insert_with(|| Sight {
            place: Place::at(position),
            account: Account::default(),
            copy: Copy::default(),
            level: None,
            data_at: 0,
            flow: Flow::default(),
        });
        sight.place.moved(position);
        if !answer.recovered {
            sight.account.begin();
            sight.copy = Copy::default();
        }
    }

    /// A reader left a topic.
    pub(crate) fn unsubscribed(&mut self, reader: usize, topic: &Topic) {
        self.sights[reader].remove(topic);
    }

    /// Where a reader stands in a topic.
    pub(crate) fn position(&self, reader: usize, topic: &Topic) -> Option<Position> {
        self.sights[reader].get(topic).map(|sight| sight.place.position())
    }

    /// An update reached a reader of house `at`.
    pub(crate) fn delivered(&mut self, now: u64, reader: usize, at: usize, house: &House, update: &Shared) {
        let Some(sight) = self.sights[reader].get_mut(&update.topic) else {
            let words = format!("reader {reader} gets {}, which it does not read", update.topic.as_str());
            return self.object(Oracle::Order, words);
        };
        let seen = Seen::from(&**update);
        let told = |words: String| format!("reader {reader}, {}: {words}", update.topic.as_str());
        if let Err(words) = sight.place.judge(&seen) {
            return self.object(Oracle::Order, told(words));
        }
        match seen.data {
            Data::Status(status) => sight.level = Some(status.level),
            Data::Empty {} => {}
            _ => {
                sight.flow.pass(now, sight.data_at);
                sight.data_at = now;
            }
        }
        let symbol = update.topic.symbol();
        let truth = self.truths[at].get_mut(&*symbol);
        let found = match (seen.data, truth) {
            (Data::Trade(trade), Some(truth)) => {
                let real = house.trades(&symbol, trade.id.saturating_sub(1)).and_then(|mut all| all.next());
                let right = real.is_none_or(|real| {
                    real.id != trade.id
                        || (truth.price(trade.price), truth.size(trade.size))
                            == (Some(real.tick), Some(real.lots))
                });
                if right {
                    Ok(())
                } else {
                    Err((Oracle::Accounting, format!("trade {} is not the venue's {real:?}", trade.id)))
                }
            }
            (Data::Book(_), Some(truth)) => {
                truth.follow(house, &symbol);
                let found = sight.copy.judge(&seen, truth.scales, &truth.ledger);
                found.map_err(|words| (Oracle::BookTruth, words))
            }
            _ => Ok(()),
        };
        if let Err((oracle, words)) = found {
            return self.object(oracle, told(words));
        }
        let counted = matches!(seen.data, Data::Trade(_) | Data::AggTrade(AggTrade { .. }) | Data::Gap(_));
        if counted {
            let trades = update.topic.channel() == Channel::Trade;
            let unused = |id: u64| {
                let real = house.trades(&symbol, id.saturating_sub(1)).and_then(|mut all| all.next());
                trades && real.is_none_or(|real| real.id != id || real.lots == 0)
            };
            if let Err(words) = sight.account.judge(&seen, unused) {
                self.object(Oracle::Accounting, told(words));
            }
        }
    }

    /// The ids of a symbol have started over.
    pub(crate) fn restarted(&mut self, at: usize, house: &House, symbol: &str) {
        if let Some(truth) = self.truths[at].get_mut(symbol) {
            truth.open(house, symbol);
        }
    }

    /// Something goes wrong with a process until `until`.
    pub(crate) fn disturb(&mut self, host: usize, until: u64) {
        let watch = &mut self.watches[host];
        watch.calm_since = watch.calm_since.max(until);
    }

    /// The feed crashed: what it knew of its lines is gone.
    pub(crate) fn crashed(&mut self, host: usize) {
        let watch = &mut self.watches[host];
        watch.phases.restart();
        watch.fresh.restart();
        watch.proven.clear();
        (watch.spoilt, watch.odd) = (0, false);
        watch.pace.restart();
    }

    /// Whether the book of a reader's topic is live, as it was last told.
    pub(crate) fn is_live(&self, reader: usize, topic: &Topic) -> bool {
        self.sights[reader].get(topic).is_some_and(|sight| sight.copy.is_live())
    }
}

impl Truth {
    /// Begins with the book as it is.
    fn open(&mut self, house: &House, symbol: &str) {
        let Some(book) = house.truth(symbol, None) else { return };
        let scales = self.scales;
        let side = |bid: bool, levels: Vec<(String, String)>| {
            levels
                .into_iter()
                .map(move |(price, size)| ((bid, units(&price, scales.price)), units(&size, scales.size)))
        };
        let (bids, asks) = (book.bids, book.asks);
        self.ledger.open(book.id, side(true, bids).chain(side(false, asks)));
    }

    /// Reads what has changed since.
    fn follow(&mut self, house: &House, symbol: &str) {
        let Some(changes) = house.changes(symbol, self.ledger.newest()) else { return };
        for change in changes {
            self.ledger.change(change.id, (change.side == Side::Bid, change.tick), change.lots);
        }
    }

    fn price(&self, price: tapeline_core::data::decimal::Decimal) -> Option<u64> {
        book::whole(price, self.scales.price).ok()
    }

    fn size(&self, size: tapeline_core::data::decimal::Decimal) -> Option<u64> {
        book::whole(size, self.scales.size).ok()
    }
}

/// A decimal text in units of the digit that `scale` names.
fn units(text: &str, scale: u32) -> u64 {
    let (before, after) = text.split_once('.').unwrap_or((text, ""));
    let digits = before.bytes().chain(after.bytes().chain(std::iter::repeat(b'0')).take(scale as usize));
    digits.fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'))
}

/// The stream of a data message in combined form.
fn stream_of(bytes: &[u8]) -> Option<&[u8]> {
    let rest = bytes.strip_prefix(b"{\"stream\":\"")?;
    rest.split(|byte| *byte == b'"').next()
}

/// The whole number that follows the first `key`.
fn number_after(bytes: &[u8], key: &[u8]) -> Option<u64> {
    let at = bytes.windows(key.len()).position(|window| window == key)? + key.len();
    let digits = bytes[at..].iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(None, |sum: Option<u64>, digit| Some(sum.unwrap_or(0) * 10 + u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_units() {
        let check =
            |text: &str, scale: u32, expected: u64| assert_eq!(units(text, scale), expected, "{text}");
        check("61840.12000000", 2, 6_184_012);
        check("5", 3, 5_000);
        check("0.00042", 5, 42);
    }

    #[test]
    fn streams_and_ids_are_read_from_messages() {
        let message = br#"{"stream":"btcusdt@trade","data":{"e":"trade","t":5,"p":"1"}}"#;
        assert_eq!(stream_of(message), Some(&b"btcusdt@trade"[..]));
        assert_eq!(number_after(message, b"\"t\":"), Some(5));
        assert_eq!(stream_of(br#"{"result":null,"id":1}"#), None);
        assert_eq!(number_after(message, b"\"x\":"), None);
    }
}
