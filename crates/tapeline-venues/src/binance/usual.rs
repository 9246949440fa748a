//! The payloads that come most often, in the order in which the venue writes their fields: what is expected
//! is compared, not searched. Anything else is left to the general way, which accepts any order.

use tapeline_core::data::event::{AggTrade, Quote, Trade};
use tapeline_core::data::update::Data;
use tapeline_core::scan::Scan;
use tapeline_core::venue::{Decoded, Item};

use super::decode::{Read, Target};
use super::fields::{taker, time};

/// Goes on only where the text does as expected.
#[inline(always)]
fn require(holds: bool) -> Option<()> {
    holds.then_some(())
}

/// `trade`: USD-M names the transaction time early, and the kind of trade.
#[inline]
pub(super) fn trade(from: &mut Scan<'_>, target: &Target<'_>, out: &mut Decoded) -> Option<Read> {
    let mut scan = from.clone();
    require(scan.take(b"{\"e\":\"trade\",\"E\":"))?;
    let sent = scan.i64().ok()?;
    let early = if scan.take(b",\"T\":") { Some(scan.i64().ok()?) } else { None };
    require(scan.take(b",\"s\":") && scan.take_caseless(target.stream.name, target.stream.symbol.len()))?;
    require(scan.take(b",\"t\":"))?;
    let id = scan.u64().ok()?;
    if !out.wants(target.topic, id) {
        return Some(Read::Refused);
    }
    require(scan.take(b",\"p\":"))?;
    let price = scan.decimal().ok()?;
    require(scan.take(b",\"q\":"))?;
    let size = scan.decimal().ok()?;
    let at = match early {
        Some(at) => {
            // A fill, so that no id was spent in vain.
            require(scan.take(b",\"X\":\"MARKET\""))?;
            at
        }
        None => {
            require(scan.take(b",\"T\":"))?;
            scan.i64().ok()?
        }
    };
    require(scan.take(b",\"m\":") && !(price.is_zero() && size.is_zero()))?;
    let side = taker(scan.bool().ok()?);
    require(scan.take(b"}") || scan.take(b",\"M\":true}"))?;
    *from = scan;
    let data = Data::Trade(Trade { id, price, size, side });
    out.items.push(Item::Market { topic: target.topic, id, time: time(Some(at), Some(sent)), data });
    Some(Read::Whole)
}

/// `aggTrade`: USD-M names the id before the symbol.
#[inline]
pub(super) fn agg_trade(from: &mut Scan<'_>, target: &Target<'_>, out: &mut Decoded) -> Option<Read> {
    let mut scan = from.clone();
    require(scan.take(b"{\"e\":\"aggTrade\",\"E\":"))?;
    let sent = scan.i64().ok()?;
    let early = if scan.take(b",\"a\":") { Some(scan.u64().ok()?) } else { None };
    require(scan.take(b",\"s\":") && scan.take_caseless(target.stream.name, target.stream.symbol.len()))?;
    let id = match early {
        Some(id) => id,
        None => {
            require(scan.take(b",\"a\":"))?;
            scan.u64().ok()?
        }
    };
    if !out.wants(target.topic, id) {
        return Some(Read::Refused);
    }
    require(scan.take(b",\"p\":"))?;
    let price = scan.decimal().ok()?;
    require(scan.take(b",\"q\":"))?;
    let size = scan.decimal().ok()?;
    require(scan.take(b",\"f\":"))?;
    let first_id = scan.u64().ok()?;
    require(scan.take(b",\"l\":"))?;
    let last_id = scan.u64().ok()?;
    require(scan.take(b",\"T\":"))?;
    let at = scan.i64().ok()?;
    require(scan.take(b",\"m\":"))?;
    let side = taker(scan.bool().ok()?);
    require(scan.take(b"}") || scan.take(b",\"M\":true}"))?;
    *from = scan;
    let data = Data::AggTrade(AggTrade { id, price, size, side, first_id, last_id });
    out.items.push(Item::Market { topic: target.topic, id, time: time(Some(at), Some(sent)), data });
    Some(Read::Whole)
}

/// `bookTicker`: only USD-M names the event and the times.
#[inline]
pub(super) fn quote(from: &mut Scan<'_>, target: &Target<'_>, out: &mut Decoded) -> Option<Read> {
    let mut scan = from.clone();
    require(scan.take(b"{\"u\":") || scan.take(b"{\"e\":\"bookTicker\",\"u\":"))?;
    let id = scan.u64().ok()?;
    if !out.wants(target.topic, id) {
        return Some(Read::Refused);
    }
    require(scan.take(b",\"s\":") && scan.take_caseless(target.stream.name, target.stream.symbol.len()))?;
    require(scan.take(b",\"b\":"))?;
    let bid = scan.decimal().ok()?;
    require(scan.take(b",\"B\":"))?;
    let bid_size = scan.decimal().ok()?;
    require(scan.take(b",\"a\":"))?;
    let ask = scan.decimal().ok()?;
    require(scan.take(b",\"A\":"))?;
    let ask_size = scan.decimal().ok()?;
    let (mut at, mut sent) = (None, None);
    if scan.take(b",\"T\":") {
        at = Some(scan.i64().ok()?);
        require(scan.take(b",\"E\":"))?;
        sent = Some(scan.i64().ok()?);
    }
    require(scan.take(b"}"))?;
    *from = scan;
    let data = Data::Quote(Quote { bid, bid_size, ask, ask_size, venue_id: Some(id) });
    out.items.push(Item::Market { topic: target.topic, id, time: time(at, sent), data });
    Some(Read::Whole)
}
