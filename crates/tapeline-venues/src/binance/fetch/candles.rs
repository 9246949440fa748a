//! Candles: the newest, and those that closed before it.

use tapeline_core::data::event::Candle;
use tapeline_core::data::topic::Topic;
use tapeline_core::data::update::Data;
use tapeline_core::policy::retry_after::http_date;
use tapeline_core::scan::{Bad, Scan};
use tapeline_core::time::Unix;
use tapeline_core::venue::{DecodeError, Decoded};

use super::super::fields::{Expected, wrong};
use super::state;

/// The newest candle is final when the venue's clock is so far beyond its end. Until then a trade may be missing in
/// it; a candle that another one follows is final at once.
const SETTLED: Unix = Unix::from_millis(2_000);

/// `klines`. They bear no time: a final candle is told as of its last moment, so that it is older than what the stream
/// says of it, and the running one as of the venue's clock (the header `Date`), but never as of later than its end.
pub(super) fn list(
    scan: &mut Scan<'_>,
    topic: &Topic,
    date: Option<&str>,
    out: &mut Decoded,
) -> Result<(), DecodeError> {
    // Our own clock says nothing about the venue's candles.
    let clock = date.and_then(http_date);
    let interval = topic.param("interval").unwrap_or("");
    let mut before: Option<Candle> = None;
    let mut more = scan.array()?;
    while more {
        let next = bar(scan, interval)?;
        if let Some(closed) = before.take() {
            if next.start <= closed.start {
                return Err(DecodeError::Field { field: "k.t", expected: "candles that follow each other" });
            }
            tell(Candle { closed: true, ..closed }, clock, out);
        }
        before = Some(next);
        more = scan.item()?;
    }
    if let Some(newest) = before {
        let closed = clock.is_some_and(|clock| newest.end.0.saturating_add(SETTLED.0) <= clock.0);
        tell(Candle { closed, ..newest }, clock, out);
    }
    Ok(())
}

fn tell(candle: Candle, clock: Option<Unix>, out: &mut Decoded) {
    let time = if candle.closed { Some(candle.end) } else { clock.map(|clock| clock.min(candle.end)) };
    out.items.push(state(time, Data::Candle(Box::new(candle))));
}

/// One candle: a list of twelve values, of which the last three are of no use here.
fn bar(scan: &mut Scan<'_>, interval: &str) -> Result<Candle, DecodeError> {
    if !scan.array()? {
        return Err(DecodeError::Missing("k.t"));
    }
    let start = value(scan.i64(), "k.t")?;
    let mut decimal = |field| next(scan, field).and_then(|scan| value(scan.decimal(), field));
    let (open, high, low) = (decimal("k.o")?, decimal("k.h")?, decimal("k.l")?);
    let (close, volume) = (decimal("k.c")?, decimal("k.v")?);
    let end = value(next(scan, "k.T")?.i64(), "k.T")?;
    let quote_volume = Some(value(next(scan, "k.q")?.decimal(), "k.q")?);
    let trades = value(next(scan, "k.n")?.u64(), "k.n")?;
    while scan.item()? {
        scan.skip()?;
    }
    let (start, end) = (Unix::from_millis(start), Unix::from_millis(end));
    let interval = interval.into();
    Ok(Candle { interval, start, end, open, high, low, close, volume, quote_volume, trades, closed: false })
}

/// Goes on to the next value, which must be there.
fn next<'s, 'a>(scan: &'s mut Scan<'a>, field: &'static str) -> Result<&'s mut Scan<'a>, DecodeError> {
    if scan.item()? { Ok(scan) } else { Err(DecodeError::Missing(field)) }
}

fn value<T: Expected>(read: Result<T, Bad>, field: &'static str) -> Result<T, DecodeError> {
    read.map_err(|bad| wrong::<T>(bad, field))
}
