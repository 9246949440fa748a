//! Depth replies: a whole book, its best levels, or only its top.

use tapeline_core::data::decimal::Decimal;
use tapeline_core::data::event::{Level, Quote};
use tapeline_core::data::update::Data;
use tapeline_core::scan::{END, LONG, Scan};
use tapeline_core::time::Unix;
use tapeline_core::venue::{DecodeError, Decoded, Item, TopicId};

use super::super::decode::Sides;
use super::super::fields::{need, once, time};

/// A depth reply, its levels in [`Decoded::levels`].
struct Depth {
    last: u64,
    time: Option<Unix>,
    levels: std::ops::Range<u32>,
    bids: u32,
}

fn depth(scan: &mut Scan<'_>, out: &mut Decoded) -> Result<Depth, DecodeError> {
    let (mut last, mut at, mut sent) = (None, None, None);
    let mut sides = Sides::default();
    let mut key = scan.object()?;
    while key != END {
        match key {
            b'T' => once(&mut at, scan.i64(), "T")?,
            b'E' => once(&mut sent, scan.i64(), "E")?,
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
    Ok(Depth { last, time: time(at, sent), levels, bids })
}

/// A book, or its best levels.
pub(super) fn levels(scan: &mut Scan<'_>, out: &mut Decoded) -> Result<(), DecodeError> {
    let Depth { last, time, levels, bids } = depth(scan, out)?;
    // The reply belongs to whatever was asked for.
    out.items.push(Item::Levels { topic: TopicId(0), time, last, levels, bids });
    Ok(())
}

/// The best bid and ask, with the id of the book: `bookTicker` would give neither an id nor, on spot, a time, and
/// a quote without them cannot be told from an older one.
pub(super) fn top(scan: &mut Scan<'_>, out: &mut Decoded) -> Result<(), DecodeError> {
    let Depth { last, time, levels, bids } = depth(scan, out)?;
    let start = levels.start as usize;
    let (from, middle) = (out.levels.get(start..).unwrap_or(&[]), bids as usize);
    // A side without orders is told as the stream tells it: price and size zero.
    let empty = Level { price: Decimal::ZERO, size: Decimal::ZERO };
    let bid = from.get(..middle).and_then(<[_]>::first).copied().unwrap_or(empty);
    let ask = from.get(middle..).and_then(<[_]>::first).copied().unwrap_or(empty);
    out.levels.truncate(start);
    let data = Data::Quote(Quote {
        bid: bid.price,
        bid_size: bid.size,
        ask: ask.price,
        ask_size: ask.size,
        venue_id: Some(last),
    });
    out.items.push(Item::Market { topic: TopicId(0), id: last, time, data });
    Ok(())
}
