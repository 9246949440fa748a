//! Streams over all symbols: a list of payloads, or one payload of whichever symbol changed. What they say
//! belongs to one topic, by symbol.

use std::borrow::Cow;

use tapeline_core::data::event::Quote;
use tapeline_core::data::update::{Data, Keyed};
use tapeline_core::scan::{END, LONG, Scan};
use tapeline_core::time::Unix;
use tapeline_core::venue::{DecodeError, Decoded, Item};

use super::decode::{Read, Target};
use super::fields::{event, need, once, same_symbol, time};
use super::streams::Kind;
use super::{Market, reference, ticker};

/// The venue pushes both kinds of futures into the all-symbols arrays of USD-M since June 2026; this is
/// the number of the coin-margined ones.
const COIN_MARGINED: u64 = 2;

/// One symbol's payload.
pub(super) struct Entry<'a> {
    pub(super) symbol: Cow<'a, [u8]>,
    pub(super) time: Option<Unix>,
    pub(super) id: u64,
    /// Which kind of futures, where the venue says so.
    pub(super) market: Option<u64>,
    pub(super) data: Data,
}

impl Entry<'_> {
    /// As an event of one symbol's stream.
    pub(super) fn single(self, target: &Target<'_>) -> Result<Item, DecodeError> {
        if !same_symbol(&self.symbol, target.stream.symbol) {
            return Err(DecodeError::Field { field: "s", expected: "the symbol of the stream" });
        }
        Ok(Item::Market { topic: target.topic, id: self.id, time: self.time, data: self.data })
    }
}

/// The payload of a stream over all symbols.
pub(super) fn payload(
    scan: &mut Scan<'_>,
    target: &Target<'_>,
    out: &mut Decoded,
) -> Result<Read, DecodeError> {
    let mut keyed = Keyed::default();
    let mut time = None;
    let mut add = |entry: Entry<'_>| {
        if target.market == Market::UsdM && entry.market == Some(COIN_MARGINED) {
            return Ok(());
        }
        // The newest time of the list.
        time = time.max(entry.time);
        keyed.0.push((reference::key(&entry.symbol)?, entry.data));
        Ok::<_, DecodeError>(())
    };
    if scan.peek() == b'[' {
        let mut more = scan.array()?;
        while more {
            add(entry(scan, target)?)?;
            more = scan.item()?;
        }
    } else {
        add(entry(scan, target)?)?;
    }
    // Ids of several symbols share no order, so the topic has none.
    out.items.push(if keyed.0.is_empty() {
        Item::Alive
    } else {
        Item::Market { topic: target.topic, id: 0, time, data: Data::Keyed(Box::new(keyed)) }
    });
    Ok(Read::Whole)
}

fn entry<'a>(scan: &mut Scan<'a>, target: &Target<'_>) -> Result<Entry<'a>, DecodeError> {
    match target.stream.kind {
        Kind::Ticker | Kind::MiniTicker => ticker::entry(scan, target),
        Kind::MarkPrice => reference::mark_price(scan, target),
        Kind::Liquidation => reference::liquidation(scan, target),
        Kind::ContractInfo => reference::contract(scan, target),
        Kind::Quote => quote(scan, target),
        _ => Err(DecodeError::Unknown("a stream over all symbols".into())),
    }
}

/// `bookTicker` of any symbol.
fn quote<'a>(scan: &mut Scan<'a>, target: &Target<'_>) -> Result<Entry<'a>, DecodeError> {
    let mut named = false;
    let (mut symbol, mut at, mut sent, mut id, mut market) = (None, None, None, None, None);
    let (mut bid, mut bid_size, mut ask, mut ask_size) = (None, None, None, None);
    let mut key = scan.object()?;
    while key != END {
        match key {
            b'u' => once(&mut id, scan.u64(), "u")?,
            b's' => once(&mut symbol, scan.bytes(), "s")?,
            b'b' => once(&mut bid, scan.decimal(), "b")?,
            b'B' => once(&mut bid_size, scan.decimal(), "B")?,
            b'a' => once(&mut ask, scan.decimal(), "a")?,
            b'A' => once(&mut ask_size, scan.decimal(), "A")?,
            b'e' => event(scan, &mut named, b"", target.stream.event)?,
            b'T' => once(&mut at, scan.i64(), "T")?,
            b'E' => once(&mut sent, scan.i64(), "E")?,
            LONG if *scan.name() == *b"st" => once(&mut market, scan.u64(), "st")?,
            _ => scan.skip()?,
        }
        key = scan.key()?;
    }
    let data = Data::Quote(Quote {
        bid: need(bid, "b")?,
        bid_size: need(bid_size, "B")?,
        ask: need(ask, "a")?,
        ask_size: need(ask_size, "A")?,
        venue_id: Some(need(id, "u")?),
    });
    Ok(Entry { symbol: need(symbol, "s")?, time: time(at, sent), id: 0, market, data })
}
