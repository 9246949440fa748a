//! Lists of trades, in the words of the streams.

use tapeline_core::data::event::{AggTrade, Trade};
use tapeline_core::data::update::Data;
use tapeline_core::scan::{END, LONG, Scan};
use tapeline_core::time::Unix;
use tapeline_core::venue::{DecodeError, Decoded, Item, TopicId};

use super::super::fields::{need, once, taker, time};
use super::Market;
use super::ask::{List, MOST_ROWS};

/// One row of a list.
pub(super) struct Row {
    id: u64,
    time: Option<Unix>,
    /// Nothing for an id that was spent without a trade.
    data: Option<Data>,
}

/// Whether the ids that a list leaves out mean something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ids {
    /// Every id is a trade's, or was spent without one.
    Contiguous,
    /// Ids only rise.
    Rising,
}

/// A list in the order of its ids: what is wanted of it. An id between two rows that is in neither was never given
/// to a trade: it is told as spent, so that nobody waits for it.
pub(super) fn list<'a>(
    scan: &mut Scan<'a>,
    list: &List,
    ids: Ids,
    read: impl Fn(&mut Scan<'a>) -> Result<Row, DecodeError>,
    out: &mut Decoded,
) -> Result<(), DecodeError> {
    let mut before: Option<u64> = None;
    // Ids are the venue's word: two wild ones have more between them than can be told.
    let mut spared = MOST_ROWS;
    let mut more = scan.array()?;
    while more {
        let Row { id, time, data } = read(scan)?;
        if let Some(before) = before {
            if id <= before {
                return Err(DecodeError::Field { field: "id", expected: "ids that rise" });
            }
            let left_out = (before + 1).max(list.from.unwrap_or(0))..id.min(list.to.saturating_add(1));
            if ids == Ids::Contiguous && !left_out.is_empty() {
                let told = (left_out.end - left_out.start).min(spared);
                spared -= told;
                let spent = left_out.start..left_out.start + told;
                out.items.extend(spent.map(|id| Item::Spent { topic: TopicId(0), id }));
            }
        }
        before = Some(id);
        if list.holds(id) {
            out.items.push(match data {
                Some(data) => Item::Market { topic: TopicId(0), id, time, data },
                None => Item::Spent { topic: TopicId(0), id },
            });
        }
        more = scan.item()?;
    }
    Ok(())
}

/// A row of `trades`, `historicalTrades` and `historicalBlockTrades`.
pub(super) fn single(scan: &mut Scan<'_>, market: Market) -> Result<Row, DecodeError> {
    let (mut id, mut price, mut size, mut at, mut maker) = (None, None, None, None, None);
    let mut key = scan.object()?;
    while key != END {
        match (key, &*scan.name()) {
            (LONG, b"id") => once(&mut id, scan.u64(), "id")?,
            (LONG, b"price") => once(&mut price, scan.decimal(), "price")?,
            (LONG, b"qty") => once(&mut size, scan.decimal(), "qty")?,
            (LONG, b"time") => once(&mut at, scan.i64(), "time")?,
            (LONG, b"isBuyerMaker") => once(&mut maker, scan.bool(), "isBuyerMaker")?,
            _ => scan.skip()?,
        }
        key = scan.key()?;
    }
    let (id, price, size) = (need(id, "id")?, need(price, "price")?, need(size, "qty")?);
    let side = taker(need(maker, "isBuyerMaker")?);
    // As on the stream.
    let spent = market == Market::UsdM && price.is_zero() && size.is_zero();
    let data = (!spent).then_some(Data::Trade(Trade { id, price, size, side }));
    Ok(Row { id, time: time(Some(need(at, "time")?), None), data })
}

/// A row of `aggTrades`.
pub(super) fn aggregate(scan: &mut Scan<'_>) -> Result<Row, DecodeError> {
    let (mut id, mut price, mut size, mut at, mut maker) = (None, None, None, None, None);
    let (mut first, mut last) = (None, None);
    let mut key = scan.object()?;
    while key != END {
        match key {
            b'a' => once(&mut id, scan.u64(), "a")?,
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
    let id = need(id, "a")?;
    let data = Data::AggTrade(AggTrade {
        id,
        price: need(price, "p")?,
        size: need(size, "q")?,
        side: taker(need(maker, "m")?),
        first_id: need(first, "f")?,
        last_id: need(last, "l")?,
    });
    Ok(Row { id, time: time(Some(need(at, "T")?), None), data: Some(data) })
}
