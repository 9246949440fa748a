//! REST: what can be asked for besides streams, and what the answers say, in the words of the streams.
//! <https://developers.binance.com/docs/binance-spot-api-docs/rest-api>
//!
//! - `ask`: which endpoint answers which wish, and what it weighs
//! - `book`, `trades`, `tickers`, `prices`, `candles`: the answers
//! - `refusal`: the class of everything that is no answer

mod ask;
mod book;
mod candles;
mod prices;
mod refusal;
#[cfg(test)]
mod tests;
mod tickers;
mod trades;

use std::borrow::Cow;

use tapeline_core::data::topic::Topic;
use tapeline_core::data::update::{Data, Keyed};
use tapeline_core::policy::fault::Fault;
use tapeline_core::scan::Scan;
use tapeline_core::time::Unix;
use tapeline_core::venue::{DecodeError, Decoded, Fetch, HttpReply, HttpRequest, Item, Refusal, TopicId};

use super::Market;
use super::reference;
use ask::Ask;
use trades::Ids;

pub(super) use ask::SNAPSHOT_LEVELS;
pub(super) use refusal::{clip, fault_of_code};

/// The request that answers a wish at an origin; `None` where the venue (or this host of it) offers none.
pub(super) fn request(market: Market, why: Fetch, origin: &str, topic: &Topic) -> Option<HttpRequest> {
    Ask::of(market, why, topic)?.request(market, origin, topic)
}

/// Translates a reply. The weight is read from refusals as well.
pub(super) fn reply(
    market: Market,
    why: Fetch,
    topic: &Topic,
    reply: &HttpReply<'_>,
    out: &mut Decoded,
) -> Result<(), Refusal> {
    let used = reply.header("x-mbx-used-weight-1m").and_then(|value| value.trim().parse().ok());
    if !(200..300).contains(&reply.status) {
        return Err(Refusal { used, ..refusal::of(reply) });
    }
    let (items, levels) = (out.items.len(), out.levels.len());
    // Before what was asked for: it may be followed by the next request.
    out.items.extend(used.map(|used| Item::Weight { used }));
    answer(market, why, topic, reply, out).map_err(|error| {
        out.items.truncate(items);
        out.levels.truncate(levels);
        // The body is cut off, a page of some proxy, or something else: not an answer of the venue's core.
        let detail = clip(&format!("not the answer to what was asked: {error}"));
        Refusal { used, ..Refusal::new(Fault::Server, detail) }
    })
}

fn answer(
    market: Market,
    why: Fetch,
    topic: &Topic,
    reply: &HttpReply<'_>,
    out: &mut Decoded,
) -> Result<(), DecodeError> {
    let Some(ask) = Ask::of(market, why, topic) else {
        return Err(DecodeError::Unknown("a reply to what cannot be asked".into()));
    };
    let mut scan = Scan::new(reply.body)?;
    match ask {
        Ask::Book { .. } => book::levels(&mut scan, out)?,
        Ask::Top => book::top(&mut scan, out)?,
        Ask::Tops => all(&mut scan, tickers::top, out)?,
        Ask::Trades { list } => {
            let single = |scan: &mut Scan<'_>| trades::single(scan, market);
            trades::list(&mut scan, &list, Ids::Contiguous, single, out)?;
        }
        Ask::Aggregates { list } => {
            trades::list(&mut scan, &list, Ids::Contiguous, trades::aggregate, out)?;
        }
        Ask::Blocks { list } => {
            let single = |scan: &mut Scan<'_>| trades::single(scan, market);
            trades::list(&mut scan, &list, Ids::Rising, single, out)?;
        }
        Ask::Ticker { form, all: false } => one(&mut scan, topic, |scan| tickers::ticker(scan, form), out)?,
        Ask::Ticker { form, all: true } => all(&mut scan, |scan| tickers::ticker(scan, form), out)?,
        Ask::AveragePrice => prices::average(&mut scan, out)?,
        Ask::ReferencePrice => one(&mut scan, topic, prices::reference, out)?,
        Ask::MarkPrice { all: false } => one(&mut scan, topic, prices::mark, out)?,
        Ask::MarkPrice { all: true } => all(&mut scan, prices::mark, out)?,
        Ask::Candles { .. } => candles::list(&mut scan, topic, reply.header("date"), out)?,
    }
    scan.end()?;
    Ok(())
}

/// What is said of one symbol.
struct Said<'a> {
    symbol: Cow<'a, [u8]>,
    time: Option<Unix>,
    data: Data,
}

/// The state of one symbol. The reply belongs to whatever was asked for, so it must be of that symbol.
fn one<'a>(
    scan: &mut Scan<'a>,
    topic: &Topic,
    read: impl Fn(&mut Scan<'a>) -> Result<Said<'a>, DecodeError>,
    out: &mut Decoded,
) -> Result<(), DecodeError> {
    let said = read(scan)?;
    if *said.symbol != *topic.symbol().as_bytes() {
        return Err(DecodeError::Field { field: "symbol", expected: "the symbol asked for" });
    }
    out.items.push(state(said.time, said.data));
    Ok(())
}

/// The states of all symbols, as the stream over all symbols tells them.
fn all<'a>(
    scan: &mut Scan<'a>,
    read: impl Fn(&mut Scan<'a>) -> Result<Said<'a>, DecodeError>,
    out: &mut Decoded,
) -> Result<(), DecodeError> {
    let mut keyed = Keyed::default();
    let mut time = None;
    let mut more = scan.array()?;
    while more {
        let said = read(scan)?;
        // The newest time of the list.
        time = time.max(said.time);
        keyed.0.push((reference::key(&said.symbol)?, said.data));
        more = scan.item()?;
    }
    out.items.push(if keyed.0.is_empty() { Item::Alive } else { state(time, Data::Keyed(Box::new(keyed))) });
    Ok(())
}

/// A state without an id.
fn state(time: Option<Unix>, data: Data) -> Item {
    Item::Market { topic: TopicId(0), id: 0, time, data }
}
