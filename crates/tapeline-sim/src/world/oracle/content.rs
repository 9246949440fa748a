//! Contents: what is delivered is what the exchange did. Trades and aggregates are held against its tape, quotes and
//! the tops of books against its book at their id, tickers, candles and mark prices against what it published.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use serde_json::Value;
use tapeline_core::data::channel::Channel;
use tapeline_core::data::decimal::Decimal;
use tapeline_core::data::event::{
    AggTrade, Book, BookState, Candle, MarkPrice, MiniTicker, Quote, Side, Ticker, Trade,
};
use tapeline_core::data::update::{Data, Kind, Shared, Update};
use tapeline_core::time::Unix;

use super::Oracle;
use super::book::whole;
use super::truth::Truth;
use crate::exchange::TrueTrade;
use crate::house::House;

/// Payloads of one stream that are kept; what is older is not judged.
const KEPT: usize = 32_768;

/// What an exchange published on one stream, by the time it bears.
#[derive(Debug, Default)]
pub(crate) struct Course {
    payloads: BTreeMap<i64, Vec<Box<[u8]>>>,
    order: VecDeque<i64>,
    /// Nothing is known of this time and before.
    forgotten: Option<i64>,
}

/// What an exchange published, by stream.
#[derive(Debug, Default)]
pub(crate) struct Published(BTreeMap<u32, Course>);

impl Published {
    /// A payload of a stream was published.
    pub(crate) fn add(&mut self, stream: u32, payload: Box<[u8]>) {
        let Some(at) =
            super::message::number_after(&payload, b"\"E\":").and_then(|at| i64::try_from(at).ok())
        else {
            return;
        };
        let course = self.0.entry(stream).or_default();
        course.payloads.entry(at).or_default().push(payload);
        course.order.push_back(at);
        if course.order.len() > KEPT
            && let Some(oldest) = course.order.pop_front()
        {
            course.payloads.remove(&oldest);
            course.forgotten = course.forgotten.max(Some(oldest));
        }
    }

    /// Whether a stream had something to say at a time that `says` what was delivered.
    fn confirms(&self, stream: u32, at: i64, says: impl Fn(&Value) -> Option<()>) -> Result<(), String> {
        let course = self.0.get(&stream);
        if course.is_some_and(|course| course.forgotten >= Some(at)) {
            return Ok(());
        }
        let found = course.and_then(|course| course.payloads.get(&at)).map_or(&[][..], Vec::as_slice);
        let said = |payload: &[u8]| {
            serde_json::from_slice::<Value>(payload).is_ok_and(|value| says(&value).is_some())
        };
        if found.iter().any(|payload| said(payload)) {
            return Ok(());
        }
        let told: Vec<_> = found.iter().map(|payload| String::from_utf8_lossy(payload)).collect();
        Err(format!("that is not what the venue published at {at}: {told:?}"))
    }
}

/// Updates that were judged, by their place in memory; they are kept, so that no other takes it.
#[derive(Debug, Default)]
pub(crate) struct Right(HashMap<usize, Shared>);

impl Right {
    /// So many are remembered at a time.
    const MOST: usize = 4_096;

    pub(crate) fn holds(&self, update: &Shared) -> bool {
        self.0.contains_key(&Arc::as_ptr(update).addr())
    }

    pub(crate) fn add(&mut self, update: &Shared) {
        if self.0.len() >= Self::MOST {
            self.0.clear();
        }
        self.0.insert(Arc::as_ptr(update).addr(), Arc::clone(update));
    }
}

/// Holds what an update says against the truth. `stream` is the number of the topic's stream at its house.
pub(crate) fn judge(
    update: &Update,
    house: &House,
    truth: &Truth,
    (published, stream): (&Published, Option<u32>),
) -> Result<(), (Oracle, String)> {
    let symbol = update.topic.symbol();
    let at = update.time.map(|time| time.0 / 1_000_000);
    let published = |says: &dyn Fn(&Value) -> Option<()>| match (stream, at) {
        (Some(stream), Some(at)) => published.confirms(stream, at, says),
        _ => Err("it bears no time".to_owned()),
    };
    let found = match &update.data {
        Data::Trade(trade) => single(house, &symbol, truth, trade, at),
        Data::AggTrade(trade) => aggregate(house, &symbol, truth, trade, at),
        Data::Quote(quote) => return top(truth, quote).map_err(|words| (Oracle::BookTruth, words)),
        Data::Ticker(given) => published(&|value| ticker(value, given)),
        Data::MiniTicker(given) => published(&|value| mini(value, given)),
        Data::Candle(given) => published(&|value| candle(value, given)),
        Data::MarkPrice(given) => published(&|value| mark(value, given)),
        _ => Ok(()),
    };
    found.map_err(|words| (Oracle::Accounting, format!("{words}; delivered: {:?}", update.data)))
}

fn side(real: &TrueTrade) -> Side {
    // Who buys from a resting buyer sells.
    if real.buyer_maker { Side::Sell } else { Side::Buy }
}

/// Whether the tape still knows an id, if the venue ever gave it.
fn remembers(house: &House, symbol: &str, id: u64) -> bool {
    let oldest = house.trades(symbol, 0).and_then(|mut all| all.next());
    oldest.is_some_and(|oldest| oldest.id <= id)
}

fn single(house: &House, symbol: &str, truth: &Truth, trade: &Trade, at: Option<i64>) -> Result<(), String> {
    let real = house.trades(symbol, trade.id.saturating_sub(1)).and_then(|mut all| all.next());
    let Some(real) = real.filter(|real| real.id == trade.id) else {
        let forgotten = !remembers(house, symbol, trade.id);
        return if forgotten { Ok(()) } else { Err(format!("the venue knows no trade {}", trade.id)) };
    };
    let given = (truth.price(trade.price), truth.size(trade.size), trade.side, at);
    let time = i64::try_from(real.at_us / 1_000).ok();
    if given == (Some(real.tick), Some(real.lots), side(real), time) {
        Ok(())
    } else {
        Err(format!("trade {} is not the venue's {real:?}", trade.id))
    }
}

fn aggregate(
    house: &House,
    symbol: &str,
    truth: &Truth,
    trade: &AggTrade,
    at: Option<i64>,
) -> Result<(), String> {
    let behind = house.trades(symbol, trade.first_id.saturating_sub(1)).into_iter().flatten();
    let parts: Vec<&TrueTrade> = behind.take_while(|real| real.aggregate == trade.id).collect();
    let (Some(first), Some(last)) = (parts.first(), parts.last()) else {
        if !remembers(house, symbol, trade.first_id) {
            return Ok(());
        }
        return Err(format!("the venue knows no aggregate {} from {}", trade.id, trade.first_id));
    };
    let lots: u64 = parts.iter().map(|real| real.lots).sum();
    let given = (truth.price(trade.price), truth.size(trade.size), trade.side, at);
    let real = (Some(first.tick), Some(lots), side(first), i64::try_from(first.at_us / 1_000).ok());
    let ids = (first.id, last.id) == (trade.first_id, trade.last_id);
    if ids && given == real {
        return Ok(());
    }
    Err(format!("aggregate {} is not the venue's: {real:?} of {} to {}", trade.id, first.id, last.id))
}

fn top(truth: &Truth, quote: &Quote) -> Result<(), String> {
    let Some(id) = quote.venue_id else { return Err("a quote without an id".to_owned()) };
    let Some(real) = truth.at(id).and_then(|ledger| ledger.top(id)) else {
        let ahead = id > truth.ledger.newest();
        return if ahead { Err(format!("a quote of {id}, which the venue has not reached")) } else { Ok(()) };
    };
    let side = |price, size| truth.price(price).zip(truth.size(size));
    let given = [side(quote.bid, quote.bid_size), side(quote.ask, quote.ask_size)];
    if given == real { Ok(()) } else { Err(format!("the top at {id} is {given:?}, at the venue {real:?}")) }
}

/// The field is this decimal.
pub(super) fn is(value: &Value, key: &str, given: Decimal) -> Option<()> {
    let text = value.get(key)?.as_str()?;
    (digits(text)? == digits(&given.to_string())?).then_some(())
}

/// The field is this decimal, or neither is there.
pub(super) fn may(value: &Value, key: &str, given: Option<Decimal>) -> Option<()> {
    match given {
        Some(given) => is(value, key, given),
        None => value.get(key).is_none().then_some(()),
    }
}

pub(super) fn number(value: &Value, key: &str, given: Option<i64>) -> Option<()> {
    (value.get(key)?.as_i64() == given).then_some(())
}

pub(super) fn moment(value: &Value, key: &str, given: Option<Unix>) -> Option<()> {
    number(value, key, given.map(|time| time.0 / 1_000_000))
}

/// A decimal text without what says nothing: its sign, the digits before the point and those behind it.
fn digits(text: &str) -> Option<(bool, &str, &str)> {
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let plain = whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    let zero = whole.is_empty() && fraction.is_empty();
    (plain && !text.is_empty()).then_some((negative && !zero, whole, fraction))
}

/// An id, or the venue's word for none.
pub(super) fn id(value: &Value, key: &str, given: Option<u64>) -> Option<()> {
    number(value, key, Some(given.map_or(-1, |id| i64::try_from(id).unwrap_or(i64::MIN))))
}

fn ticker(value: &Value, given: &Ticker) -> Option<()> {
    let six = [given.last, given.open, given.high, given.low, given.volume, given.quote_volume];
    ["c", "o", "h", "l", "v", "q"].into_iter().zip(six).try_for_each(|(key, given)| is(value, key, given))?;
    let others = [
        ("p", given.change),
        ("P", given.change_percent),
        ("w", given.average),
        ("Q", given.last_size),
        ("x", given.previous_close),
        ("b", given.bid),
        ("B", given.bid_size),
        ("a", given.ask),
        ("A", given.ask_size),
    ];
    others.into_iter().try_for_each(|(key, given)| may(value, key, given))?;
    moment(value, "O", given.start)?;
    moment(value, "C", given.end)?;
    id(value, "F", given.first_id)?;
    id(value, "L", given.last_id)?;
    number(value, "n", given.trades.and_then(|count| i64::try_from(count).ok()))
}

fn mini(value: &Value, given: &MiniTicker) -> Option<()> {
    let six = [given.last, given.open, given.high, given.low, given.volume, given.quote_volume];
    ["c", "o", "h", "l", "v", "q"].into_iter().zip(six).try_for_each(|(key, given)| is(value, key, given))
}

fn candle(value: &Value, given: &Candle) -> Option<()> {
    let bar = value.get("k")?;
    let five = [given.open, given.high, given.low, given.close, given.volume];
    ["o", "h", "l", "c", "v"].into_iter().zip(five).try_for_each(|(key, given)| is(bar, key, given))?;
    may(bar, "q", given.quote_volume)?;
    moment(bar, "t", Some(given.start))?;
    moment(bar, "T", Some(given.end))?;
    number(bar, "n", i64::try_from(given.trades).ok())?;
    let same =
        bar.get("x")?.as_bool() == Some(given.closed) && bar.get("i")?.as_str() == Some(&*given.interval);
    same.then_some(())
}

fn mark(value: &Value, given: &MarkPrice) -> Option<()> {
    is(value, "p", given.price)?;
    let others = [("i", given.index), ("P", given.settle), ("r", given.funding_rate)];
    others.into_iter().try_for_each(|(key, given)| may(value, key, given))?;
    moment(value, "T", given.next_funding)
}

/// The top of a book as one reader holds it, where the venue tells no more.
#[derive(Debug, Default)]
pub(crate) struct Shallow {
    /// By side (asks, bids) and price.
    sides: [BTreeMap<u64, u64>; 2],
    /// It was told that it is old.
    stale: bool,
}

impl Shallow {
    /// Whether what is held is told to be old.
    pub(crate) const fn is_stale(&self) -> bool {
        self.stale
    }

    /// Judges the next update of such a topic.
    pub(crate) fn judge(&mut self, update: &Update, book: &Book, truth: &Truth) -> Result<(), String> {
        self.stale = book.state == BookState::Stale;
        if update.kind == Kind::Snapshot {
            self.sides.iter_mut().for_each(BTreeMap::clear);
        }
        for (place, levels) in [(0, book.asks()), (1, book.bids())] {
            for level in levels {
                let tick = whole(level.price, truth.scales.price)?;
                match whole(level.size, truth.scales.size)? {
                    0 => self.sides[place].remove(&tick),
                    lots => self.sides[place].insert(tick, lots),
                };
            }
        }
        let Some(id) = book.venue_id else { return Ok(()) };
        let Some(ledger) = truth.at(id) else { return Ok(()) };
        let most = most(update).unwrap_or(usize::MAX);
        let top = ledger.top(id).unwrap_or_default();
        for (place, real) in [(1, top[0]), (0, top[1])] {
            let held = &self.sides[place];
            let (best, worst) = if place == 1 {
                (held.last_key_value(), held.first_key_value())
            } else {
                (held.first_key_value(), held.last_key_value())
            };
            if best.map(|(tick, lots)| (*tick, *lots)) != real {
                return Err(format!("the top at {id} is {best:?}, at the venue {real:?}"));
            }
            let Some((best, worst)) = best.zip(worst) else { continue };
            let mut count = 0;
            for (tick, lots) in ledger.between(id, place == 1, (*best.0, *worst.0)) {
                count += 1;
                if held.get(&tick) != Some(&lots) {
                    return Err(format!("at {id} {tick} holds {:?}, at the venue {lots}", held.get(&tick)));
                }
            }
            if held.len() != count || count > most {
                return Err(format!("{} levels at {id}, of {most} asked for and {count} there", held.len()));
            }
        }
        Ok(())
    }
}

/// How many levels a topic asks for.
fn most(update: &Update) -> Option<usize> {
    if update.topic.channel() != Channel::Depth {
        return None;
    }
    update.topic.as_str().split_once("levels=")?.1.split(',').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_compared_by_their_text() {
        let same = |a: &str, b: &str| digits(a).is_some() && digits(a) == digits(b);
        assert!(same("1.50000000", "1.5") && same("0.0", "0") && same("-0.10", "-0.1") && same("-0", "0"));
        assert!(!same("1.5", "-1.5") && !same("15", "1.5") && !same("1e3", "1000") && !same("", ""));
    }

    fn says(value: &str, given: &MiniTicker) -> bool {
        let mut published = Published::default();
        published.add(7, value.as_bytes().into());
        published.confirms(7, 5, |value| mini(value, given)).is_ok()
    }

    #[test]
    fn only_what_was_published_at_its_time_is_right() {
        let one = Decimal::from(1);
        let given = MiniTicker { last: one, open: one, high: one, low: one, volume: one, quote_volume: one };
        let text = r#"{"E":5,"c":"1.00","o":"1","h":"1","l":"1","v":"1","q":"1"}"#;
        assert!(says(text, &given));
        assert!(!says(&text.replace("\"E\":5", "\"E\":6"), &given));
        assert!(!says(&text.replace("1.00", "1.01"), &given));
    }
}
