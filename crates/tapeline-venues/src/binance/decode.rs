//! Frames of the streams: which topic they belong to, and the payloads that come most often.
//! <https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams>

use std::borrow::Cow;

use tapeline_core::data::decimal::Decimal;
use tapeline_core::data::event::{AggTrade, Quote, Trade};
use tapeline_core::data::update::Data;
use tapeline_core::defect::{Defect, planted};
use tapeline_core::scan::{END, LONG, Scan};
use tapeline_core::venue::{DecodeError, Decoded, Item, Names, Span, TopicId};

use super::fields::{event, need, once, symbol, taker, time};
use super::streams::{Kind, Stream};
use super::{Market, array, control, reference, ticker, usual};

/// What a payload's decoder needs to know.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) market: Market,
    pub(super) stream: Stream<'a>,
    pub(super) topic: TopicId,
}

/// Whether a payload was read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Read {
    /// To its end; what follows it is to be checked.
    Whole,
    /// Left where it turned out to be a copy of what is known already.
    Refused,
}

/// Translates one frame; on an error nothing is left in `out`.
pub(super) fn frame(
    market: Market,
    frame: &[u8],
    names: &Names,
    out: &mut Decoded,
) -> Result<(), DecodeError> {
    let (items, levels) = (out.items.len(), out.levels.len());
    let mut scan = Scan::new(frame)?;
    if let Some(done) = usual(market, &mut scan, names, out) {
        return done;
    }
    // Keys in another order, white space, further keys, or no data at all: read it the long way.
    let clean = !planted(Defect::PublishGoodHalf);
    if clean {
        out.items.truncate(items);
        out.levels.truncate(levels);
    }
    let result = unusual(market, frame, names, out);
    if result.is_err() && clean {
        out.items.truncate(items);
        out.levels.truncate(levels);
    }
    result
}

/// A frame as the venue writes it: `{"stream":"…","data":…}`. `None` if it is any different, or wrong.
#[inline]
fn usual(
    market: Market,
    scan: &mut Scan<'_>,
    names: &Names,
    out: &mut Decoded,
) -> Option<Result<(), DecodeError>> {
    if !scan.take(b"{\"stream\":") {
        return None;
    }
    scan.nested();
    let Ok(Cow::Borrowed(name)) = scan.bytes() else { return None };
    let stream = Stream::parse(name)?;
    let topic = stream.topic(names)?;
    if !scan.take(b",\"data\":") {
        return None;
    }
    match payload(scan, &Target { market, stream, topic }, out) {
        Ok(Read::Refused) => Some(Ok(())),
        Ok(Read::Whole) if scan.take(b"}") && scan.end().is_ok() => Some(Ok(())),
        Ok(Read::Whole) | Err(_) => None,
    }
}

/// Any other frame: data with its keys in whatever order, or the venue's own words.
fn unusual(market: Market, frame: &[u8], names: &Names, out: &mut Decoded) -> Result<(), DecodeError> {
    let mut scan = Scan::new(frame)?;
    let mut top = control::Top::default();
    let mut key = scan.object()?;
    while key != END {
        top.field(key, &mut scan)?;
        key = scan.key()?;
    }
    scan.end()?;
    let Some(name) = top.stream.take() else { return top.into_item(out) };
    let Some(mut data) = top.data else { return Err(DecodeError::Missing("data")) };
    let stream = Stream::parse(&name);
    if stream.is_some_and(|stream| stream.kind == Kind::Shutdown) {
        out.items.push(Item::Goodbye);
        return Ok(());
    }
    let Some((stream, topic)) = stream.and_then(|stream| Some((stream, stream.topic(names)?))) else {
        out.items.push(Item::Unrouted);
        return Ok(());
    };
    payload(&mut data, &Target { market, stream, topic }, out).map(|_| ())
}

#[inline]
fn payload(scan: &mut Scan<'_>, target: &Target<'_>, out: &mut Decoded) -> Result<Read, DecodeError> {
    match target.stream.kind {
        _ if target.stream.is_array() => array::payload(scan, target, out),
        Kind::Trade | Kind::BlockTrade => trade(scan, target, out),
        Kind::Quote => quote(scan, target, out),
        Kind::Depth => depth(scan, target, out),
        Kind::AggTrade => agg_trade(scan, target, out),
        Kind::PartialDepth => partial_depth(scan, target, out),
        Kind::Candle => ticker::candle(scan, target, out),
        Kind::Ticker | Kind::MiniTicker => ticker::single(scan, target, out),
        Kind::AvgPrice | Kind::ReferencePrice | Kind::MarkPrice | Kind::Liquidation => {
            reference::single(scan, target, out)
        }
        Kind::ContractInfo | Kind::Shutdown => {
            Err(DecodeError::Unknown("an array's event for one symbol".into()))
        }
    }
}

/// `trade` and `blockTrade`. Older payloads also hold the order ids `b` and `a`; USD-M adds `X`.
fn trade(scan: &mut Scan<'_>, target: &Target<'_>, out: &mut Decoded) -> Result<Read, DecodeError> {
    if target.stream.kind == Kind::Trade
        && let Some(read) = usual::trade(scan, target, out)
    {
        return Ok(read);
    }
    let (mut named, mut owned) = (false, false);
    let (mut at, mut sent, mut id, mut price, mut size, mut maker) = (None, None, None, None, None, None);
    let mut key = scan.object()?;
    while key != END {
        match key {
            b'e' => event(scan, &mut named, b"\"trade\"", target.stream.event)?,
            b'E' => once(&mut sent, scan.i64(), "E")?,
            b's' => symbol(scan, &mut owned, &target.stream)?,
            b't' => {
                once(&mut id, scan.u64(), "t")?;
                if id.is_some_and(|id| !out.wants(target.topic, id)) {
                    return Ok(Read::Refused);
                }
            }
            b'p' => once(&mut price, scan.decimal(), "p")?,
            b'q' => once(&mut size, scan.decimal(), "q")?,
            b'T' => once(&mut at, scan.i64(), "T")?,
            b'm' => once(&mut maker, scan.bool(), "m")?,
            _ => scan.skip()?,
        }
        key = scan.key()?;
    }
    whole(named, owned)?;
    let (id, price, size) = (need(id, "t")?, need(price, "p")?, need(size, "q")?);
    let side = taker(need(maker, "m")?);
    // USD-M spends ids without a fill; the frame then has neither price nor size.
    out.items.push(if target.market == Market::UsdM && price.is_zero() && size.is_zero() {
        Item::Spent { topic: target.topic, id }
    } else {
        let data = Data::Trade(Trade { id, price, size, side });
        Item::Market { topic: target.topic, id, time: time(at, sent), data }
    });
    Ok(Read::Whole)
}

/// `aggTrade`.
fn agg_trade(scan: &mut Scan<'_>, target: &Target<'_>, out: &mut Decoded) -> Result<Read, DecodeError> {
    if let Some(read) = usual::agg_trade(scan, target, out) {
        return Ok(read);
    }
    let (mut named, mut owned) = (false, false);
    let (mut at, mut sent, mut id, mut price, mut size, mut maker) = (None, None, None, None, None, None);
    let (mut first, mut last) = (None, None);
    let mut key = scan.object()?;
    while key != END {
        match key {
            b'e' => event(scan, &mut named, b"\"aggTrade\"", target.stream.event)?,
            b'E' => once(&mut sent, scan.i64(), "E")?,
            b's' => symbol(scan, &mut owned, &target.stream)?,
            b'a' => {
                once(&mut id, scan.u64(), "a")?;
                if id.is_some_and(|id| !out.wants(target.topic, id)) {
                    return Ok(Read::Refused);
                }
            }
            b'p' => once(&mut price, scan.decimal(), "p")?,
            b'q' => once(&mut size, scan.decimal(), "q")?,
            b'f' => once(&mut first, scan.u64(), "f")?,
            b'l' => once(&mut last, scan.u64(), "l")?,
            b'T' => once(&mut at, scan.i64(), "T")?,
            b'm' => once(&mut maker, scan.bool(), "m")?,
            _ => scan.skip()?,
        }
        key = scan.key()?;
    }
    whole(named, owned)?;
    let id = need(id, "a")?;
    let data = Data::AggTrade(AggTrade {
        id,
        price: need(price, "p")?,
        size: need(size, "q")?,
        side: taker(need(maker, "m")?),
        first_id: need(first, "f")?,
        last_id: need(last, "l")?,
    });
    out.items.push(Item::Market { topic: target.topic, id, time: time(at, sent), data });
    Ok(Read::Whole)
}

/// `bookTicker`. Spot names neither the event nor a time.
fn quote(scan: &mut Scan<'_>, target: &Target<'_>, out: &mut Decoded) -> Result<Read, DecodeError> {
    if let Some(read) = usual::quote(scan, target, out) {
        return Ok(read);
    }
    let (mut named, mut owned) = (false, false);
    let (mut at, mut sent, mut id) = (None, None, None);
    let (mut bid, mut bid_size, mut ask, mut ask_size) = (None::<Decimal>, None, None, None);
    let mut key = scan.object()?;
    while key != END {
        match key {
            b'u' => {
                once(&mut id, scan.u64(), "u")?;
                if id.is_some_and(|id| !out.wants(target.topic, id)) {
                    return Ok(Read::Refused);
                }
            }
            b's' => symbol(scan, &mut owned, &target.stream)?,
            b'b' => once(&mut bid, scan.decimal(), "b")?,
            b'B' => once(&mut bid_size, scan.decimal(), "B")?,
            b'a' => once(&mut ask, scan.decimal(), "a")?,
            b'A' => once(&mut ask_size, scan.decimal(), "A")?,
            b'e' => event(scan, &mut named, b"\"bookTicker\"", target.stream.event)?,
            b'T' => once(&mut at, scan.i64(), "T")?,
            b'E' => once(&mut sent, scan.i64(), "E")?,
            _ => scan.skip()?,
        }
        key = scan.key()?;
    }
    whole(true, owned)?;
    let id = need(id, "u")?;
    let data = Data::Quote(Quote {
        bid: need(bid, "b")?,
        bid_size: need(bid_size, "B")?,
        ask: need(ask, "a")?,
        ask_size: need(ask_size, "A")?,
        venue_id: Some(id),
    });
    out.items.push(Item::Market { topic: target.topic, id, time: time(at, sent), data });
    Ok(Read::Whole)
}

/// `depthUpdate`: changed levels. USD-M links each to the one before by `pu`.
fn depth(scan: &mut Scan<'_>, target: &Target<'_>, out: &mut Decoded) -> Result<Read, DecodeError> {
    let (mut named, mut owned) = (false, false);
    let (mut at, mut sent, mut first, mut last, mut previous) = (None, None, None, None, None::<i64>);
    let mut sides = Sides::default();
    let mut key = scan.object()?;
    while key != END {
        match key {
            b'e' => event(scan, &mut named, b"\"depthUpdate\"", target.stream.event)?,
            b'E' => once(&mut sent, scan.i64(), "E")?,
            b'T' => once(&mut at, scan.i64(), "T")?,
            b's' => symbol(scan, &mut owned, &target.stream)?,
            b'U' => once(&mut first, scan.u64(), "U")?,
            b'u' => once(&mut last, scan.u64(), "u")?,
            b'b' | b'a' if last.is_some_and(|last| !out.wants(target.topic, last)) => {
                return Ok(Read::Refused);
            }
            b'b' => sides.bids(scan, out)?,
            b'a' => sides.asks(scan, out)?,
            LONG if *scan.name() == *b"pu" => once(&mut previous, scan.i64(), "pu")?,
            _ => scan.skip()?,
        }
        key = scan.key()?;
    }
    whole(named, owned)?;
    let (first, last) = (need(first, "U")?, need(last, "u")?);
    if first > last {
        return Err(DecodeError::Field { field: "U", expected: "an id not above `u`" });
    }
    let previous = match target.market {
        Market::Spot => None,
        // Below zero where there is none before.
        Market::UsdM => u64::try_from(need(previous, "pu")?).ok(),
    };
    let (levels, bids) = sides.finish(out)?;
    let span = Span { first, last, previous };
    out.items.push(Item::Depth { topic: target.topic, time: time(at, sent), span, levels, bids });
    Ok(Read::Whole)
}

/// The best levels, whole. Spot sends `lastUpdateId`, `bids`, `asks` and no symbol; USD-M sends the words
/// of a depth update.
fn partial_depth(scan: &mut Scan<'_>, target: &Target<'_>, out: &mut Decoded) -> Result<Read, DecodeError> {
    let (mut named, mut owned) = (false, false);
    let (mut at, mut sent, mut last) = (None, None, None);
    let mut sides = Sides::default();
    let mut key = scan.object()?;
    while key != END {
        match key {
            b'e' => event(scan, &mut named, b"\"depthUpdate\"", target.stream.event)?,
            b'E' => once(&mut sent, scan.i64(), "E")?,
            b'T' => once(&mut at, scan.i64(), "T")?,
            b's' => symbol(scan, &mut owned, &target.stream)?,
            b'u' => once(&mut last, scan.u64(), "u")?,
            b'b' => sides.bids(scan, out)?,
            b'a' => sides.asks(scan, out)?,
            LONG => match &*scan.name() {
                b"lastUpdateId" => once(&mut last, scan.u64(), "lastUpdateId")?,
                b"bids" => sides.bids(scan, out)?,
                b"asks" => sides.asks(scan, out)?,
                _ => scan.skip()?,
            },
            _ => scan.skip()?,
        }
        key = scan.key()?;
    }
    let last = need(last, "lastUpdateId")?;
    let (levels, bids) = sides.finish(out)?;
    out.items.push(Item::Levels { topic: target.topic, time: time(at, sent), last, levels, bids });
    Ok(Read::Whole)
}

/// What every payload with a name and a symbol must have said.
#[inline]
pub(super) fn whole(named: bool, owned: bool) -> Result<(), DecodeError> {
    match (named, owned) {
        (true, true) => Ok(()),
        (false, _) => Err(DecodeError::Missing("e")),
        (_, false) => Err(DecodeError::Missing("s")),
    }
}

/// The two sides of a depth payload, in the order they come in.
#[derive(Debug, Default)]
pub(super) struct Sides {
    bids: Option<u32>,
    asks: Option<u32>,
    asks_first: bool,
}

impl Sides {
    /// Reads the bids.
    #[inline]
    pub(super) fn bids(&mut self, scan: &mut Scan<'_>, out: &mut Decoded) -> Result<(), DecodeError> {
        once(&mut self.bids, scan.levels(&mut out.levels), "b")?;
        self.asks_first = self.asks.is_some();
        Ok(())
    }

    /// Reads the asks.
    #[inline]
    pub(super) fn asks(&mut self, scan: &mut Scan<'_>, out: &mut Decoded) -> Result<(), DecodeError> {
        once(&mut self.asks, scan.levels(&mut out.levels), "a")
    }

    /// The levels, bids first, and how many of them are bids.
    pub(super) fn finish(self, out: &mut Decoded) -> Result<(std::ops::Range<u32>, u32), DecodeError> {
        let (bids, asks) = (need(self.bids, "b")?, need(self.asks, "a")?);
        let end = out.levels.len();
        let start = end - (bids + asks) as usize;
        if self.asks_first {
            out.levels[start..].rotate_left(asks as usize);
        }
        let too_many = |_| DecodeError::Field { field: "b", expected: "fewer than 2^32 levels" };
        Ok((u32::try_from(start).map_err(too_many)?..u32::try_from(end).map_err(too_many)?, bids))
    }
}
