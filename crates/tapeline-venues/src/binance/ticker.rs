//! Candles and rolling statistics, of one symbol or as an element of an array.

use std::borrow::Cow;

use tapeline_core::data::decimal::Decimal;
use tapeline_core::data::event::{Candle, MiniTicker, Ticker};
use tapeline_core::data::update::Data;
use tapeline_core::scan::{END, LONG, Scan};
use tapeline_core::time::Unix;
use tapeline_core::venue::{DecodeError, Decoded, Item};

use super::array::Entry;
use super::decode::{Read, Target, whole};
use super::fields::{event, need, once, symbol, time};
use super::streams::Kind;

/// `kline`: the bar is in `k`.
pub(super) fn candle(
    scan: &mut Scan<'_>,
    target: &Target<'_>,
    out: &mut Decoded,
) -> Result<Read, DecodeError> {
    let (mut named, mut owned) = (false, false);
    let (mut sent, mut bar) = (None, None);
    let mut key = scan.object()?;
    while key != END {
        match key {
            b'e' => event(scan, &mut named, b"", target.stream.event)?,
            b'E' => once(&mut sent, scan.i64(), "E")?,
            b's' => symbol(scan, &mut owned, &target.stream)?,
            b'k' if bar.is_none() => bar = Some(self::bar(scan, target.stream.interval)?),
            b'k' => return Err(DecodeError::Field { field: "k", expected: "a bar, once" }),
            _ => scan.skip()?,
        }
        key = scan.key()?;
    }
    whole(named, owned)?;
    let data = Data::Candle(Box::new(need(bar, "k")?));
    out.items.push(Item::Market { topic: target.topic, id: 0, time: time(None, sent), data });
    Ok(Read::Whole)
}

fn bar(scan: &mut Scan<'_>, asked: &[u8]) -> Result<Candle, DecodeError> {
    let (mut start, mut end, mut trades, mut closed) = (None, None, None, None);
    let (mut open, mut high, mut low, mut close) = (None, None, None, None);
    let (mut volume, mut quote_volume) = (None, None);
    let mut interval = None;
    let mut key = scan.object()?;
    while key != END {
        match key {
            b't' => once(&mut start, scan.i64(), "k.t")?,
            b'T' => once(&mut end, scan.i64(), "k.T")?,
            b'i' => once(&mut interval, scan.string(), "k.i")?,
            b'o' => once(&mut open, scan.decimal(), "k.o")?,
            b'c' => once(&mut close, scan.decimal(), "k.c")?,
            b'h' => once(&mut high, scan.decimal(), "k.h")?,
            b'l' => once(&mut low, scan.decimal(), "k.l")?,
            b'v' => once(&mut volume, scan.decimal(), "k.v")?,
            b'n' => once(&mut trades, scan.u64(), "k.n")?,
            b'x' => once(&mut closed, scan.bool(), "k.x")?,
            b'q' => once(&mut quote_volume, scan.decimal(), "k.q")?,
            _ => scan.skip()?,
        }
        key = scan.key()?;
    }
    let interval: Cow<'_, str> = need(interval, "k.i")?;
    if interval.as_bytes() != asked {
        return Err(DecodeError::Field { field: "k.i", expected: "the interval of the stream" });
    }
    Ok(Candle {
        interval: interval.into(),
        start: Unix::from_millis(need(start, "k.t")?),
        end: Unix::from_millis(need(end, "k.T")?),
        open: need(open, "k.o")?,
        high: need(high, "k.h")?,
        low: need(low, "k.l")?,
        close: need(close, "k.c")?,
        volume: need(volume, "k.v")?,
        quote_volume,
        trades: need(trades, "k.n")?,
        closed: need(closed, "k.x")?,
    })
}

/// `24hrTicker`, `24hrMiniTicker` and the rolling windows of one symbol.
pub(super) fn single(
    scan: &mut Scan<'_>,
    target: &Target<'_>,
    out: &mut Decoded,
) -> Result<Read, DecodeError> {
    let entry = entry(scan, target)?;
    out.items.push(entry.single(target)?);
    Ok(Read::Whole)
}

/// The letters both forms share.
#[derive(Default)]
struct Common {
    last: Option<Decimal>,
    open: Option<Decimal>,
    high: Option<Decimal>,
    low: Option<Decimal>,
    volume: Option<Decimal>,
    quote_volume: Option<Decimal>,
}

/// One ticker of either form.
pub(super) fn entry<'a>(scan: &mut Scan<'a>, target: &Target<'_>) -> Result<Entry<'a>, DecodeError> {
    let mut named = false;
    let (mut symbol, mut sent, mut market) = (None, None, None);
    let mut common = Common::default();
    let mut ticker = Ticker::default();
    let (mut start, mut end, mut first, mut last) = (None, None, None, None);
    let mini = target.stream.kind == Kind::MiniTicker;
    let mut key = scan.object()?;
    while key != END {
        match key {
            b'e' => event(scan, &mut named, b"", target.stream.event)?,
            b'E' => once(&mut sent, scan.i64(), "E")?,
            b's' => once(&mut symbol, scan.bytes(), "s")?,
            b'c' => once(&mut common.last, scan.decimal(), "c")?,
            b'o' => once(&mut common.open, scan.decimal(), "o")?,
            b'h' => once(&mut common.high, scan.decimal(), "h")?,
            b'l' => once(&mut common.low, scan.decimal(), "l")?,
            b'v' => once(&mut common.volume, scan.decimal(), "v")?,
            b'q' => once(&mut common.quote_volume, scan.decimal(), "q")?,
            LONG if *scan.name() == *b"st" => once(&mut market, scan.u64(), "st")?,
            _ if mini => scan.skip()?,
            b'p' => once(&mut ticker.change, scan.decimal(), "p")?,
            b'P' => once(&mut ticker.change_percent, scan.decimal(), "P")?,
            b'w' => once(&mut ticker.average, scan.decimal(), "w")?,
            b'x' => once(&mut ticker.previous_close, scan.decimal(), "x")?,
            b'Q' => once(&mut ticker.last_size, scan.decimal(), "Q")?,
            b'b' => once(&mut ticker.bid, scan.decimal(), "b")?,
            b'B' => once(&mut ticker.bid_size, scan.decimal(), "B")?,
            b'a' => once(&mut ticker.ask, scan.decimal(), "a")?,
            b'A' => once(&mut ticker.ask_size, scan.decimal(), "A")?,
            b'O' => once(&mut start, scan.i64(), "O")?,
            b'C' => once(&mut end, scan.i64(), "C")?,
            b'F' => once(&mut first, scan.i64(), "F")?,
            b'L' => once(&mut last, scan.i64(), "L")?,
            b'n' => once(&mut ticker.trades, scan.u64(), "n")?,
            _ => scan.skip()?,
        }
        key = scan.key()?;
    }
    whole(named, symbol.is_some())?;
    ticker.start = start.map(Unix::from_millis);
    ticker.end = end.map(Unix::from_millis);
    // A window without trades has the ids -1.
    ticker.first_id = first.and_then(|id: i64| u64::try_from(id).ok());
    ticker.last_id = last.and_then(|id: i64| u64::try_from(id).ok());
    Ok(Entry {
        symbol: need(symbol, "s")?,
        time: time(None, sent),
        id: 0,
        market,
        data: if mini { common.mini()? } else { common.full(ticker)? },
    })
}

impl Common {
    fn mini(self) -> Result<Data, DecodeError> {
        Ok(Data::MiniTicker(Box::new(MiniTicker {
            last: need(self.last, "c")?,
            open: need(self.open, "o")?,
            high: need(self.high, "h")?,
            low: need(self.low, "l")?,
            volume: need(self.volume, "v")?,
            quote_volume: need(self.quote_volume, "q")?,
        })))
    }

    fn full(self, rest: Ticker) -> Result<Data, DecodeError> {
        Ok(Data::Ticker(Box::new(Ticker {
            last: need(self.last, "c")?,
            open: need(self.open, "o")?,
            high: need(self.high, "h")?,
            low: need(self.low, "l")?,
            volume: need(self.volume, "v")?,
            quote_volume: need(self.quote_volume, "q")?,
            ..rest
        })))
    }
}
