//! Statistics of a day or a window, and the best prices of all symbols.

use tapeline_core::data::decimal::Decimal;
use tapeline_core::data::event::{MiniTicker, Quote, Ticker};
use tapeline_core::data::update::Data;
use tapeline_core::scan::{END, LONG, Scan};
use tapeline_core::time::Unix;
use tapeline_core::venue::DecodeError;

use super::super::fields::{need, once, time};
use super::Said;
use super::ask::Form;

/// What every form has.
#[derive(Default)]
struct Common {
    last: Option<Decimal>,
    open: Option<Decimal>,
    high: Option<Decimal>,
    low: Option<Decimal>,
    volume: Option<Decimal>,
    quote_volume: Option<Decimal>,
    start: Option<i64>,
    end: Option<i64>,
}

impl Common {
    /// Takes a field of this name; false if it is none of these.
    fn take(&mut self, name: &[u8], scan: &mut Scan<'_>) -> Result<bool, DecodeError> {
        match name {
            b"lastPrice" => once(&mut self.last, scan.decimal(), "lastPrice")?,
            b"openPrice" => once(&mut self.open, scan.decimal(), "openPrice")?,
            b"highPrice" => once(&mut self.high, scan.decimal(), "highPrice")?,
            b"lowPrice" => once(&mut self.low, scan.decimal(), "lowPrice")?,
            b"volume" => once(&mut self.volume, scan.decimal(), "volume")?,
            b"quoteVolume" => once(&mut self.quote_volume, scan.decimal(), "quoteVolume")?,
            b"openTime" => once(&mut self.start, scan.i64(), "openTime")?,
            b"closeTime" => once(&mut self.end, scan.i64(), "closeTime")?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn mini(self) -> Result<MiniTicker, DecodeError> {
        Ok(MiniTicker {
            last: need(self.last, "lastPrice")?,
            open: need(self.open, "openPrice")?,
            high: need(self.high, "highPrice")?,
            low: need(self.low, "lowPrice")?,
            volume: need(self.volume, "volume")?,
            quote_volume: need(self.quote_volume, "quoteVolume")?,
        })
    }
}

/// `ticker/24hr` in either form, and `ticker` of a window. Its time is the end of what it tells of.
pub(super) fn ticker<'a>(scan: &mut Scan<'a>, form: Form) -> Result<Said<'a>, DecodeError> {
    let (mut symbol, mut first, mut last) = (None, None, None);
    let mut common = Common::default();
    let mut rest = Ticker::default();
    let mut key = scan.object()?;
    while key != END {
        let name = scan.name();
        match (key, &*name) {
            (LONG, b"symbol") => once(&mut symbol, scan.bytes(), "symbol")?,
            (LONG, name) if common.take(name, scan)? => {}
            _ if form == Form::Mini => scan.skip()?,
            (LONG, b"firstId") => once(&mut first, scan.i64(), "firstId")?,
            (LONG, b"lastId") => once(&mut last, scan.i64(), "lastId")?,
            (LONG, b"count") => once(&mut rest.trades, scan.u64(), "count")?,
            (LONG, b"priceChange") => once(&mut rest.change, scan.decimal(), "priceChange")?,
            (LONG, b"priceChangePercent") => {
                once(&mut rest.change_percent, scan.decimal(), "priceChangePercent")?;
            }
            (LONG, b"weightedAvgPrice") => once(&mut rest.average, scan.decimal(), "weightedAvgPrice")?,
            // The tickers of windows have none of these on the stream.
            _ if form == Form::Window => scan.skip()?,
            (LONG, b"prevClosePrice") => once(&mut rest.previous_close, scan.decimal(), "prevClosePrice")?,
            (LONG, b"lastQty") => once(&mut rest.last_size, scan.decimal(), "lastQty")?,
            (LONG, b"bidPrice") => once(&mut rest.bid, scan.decimal(), "bidPrice")?,
            (LONG, b"bidQty") => once(&mut rest.bid_size, scan.decimal(), "bidQty")?,
            (LONG, b"askPrice") => once(&mut rest.ask, scan.decimal(), "askPrice")?,
            (LONG, b"askQty") => once(&mut rest.ask_size, scan.decimal(), "askQty")?,
            _ => scan.skip()?,
        }
        key = scan.key()?;
    }
    rest.start = common.start.map(Unix::from_millis);
    rest.end = common.end.map(Unix::from_millis);
    // A window without trades has the ids -1.
    rest.first_id = first.and_then(|id: i64| u64::try_from(id).ok());
    rest.last_id = last.and_then(|id: i64| u64::try_from(id).ok());
    let at = time(common.end, None);
    let MiniTicker { last, open, high, low, volume, quote_volume } = common.mini()?;
    let data = if form == Form::Mini {
        Data::MiniTicker(Box::new(MiniTicker { last, open, high, low, volume, quote_volume }))
    } else {
        Data::Ticker(Box::new(Ticker { last, open, high, low, volume, quote_volume, ..rest }))
    };
    Ok(Said { symbol: need(symbol, "symbol")?, time: at, data })
}

/// `ticker/bookTicker`. USD-M says the time and, lately, the update id.
pub(super) fn top<'a>(scan: &mut Scan<'a>) -> Result<Said<'a>, DecodeError> {
    let (mut symbol, mut at, mut id) = (None, None, None);
    let (mut bid, mut bid_size, mut ask, mut ask_size) = (None, None, None, None);
    let mut key = scan.object()?;
    while key != END {
        match (key, &*scan.name()) {
            (LONG, b"symbol") => once(&mut symbol, scan.bytes(), "symbol")?,
            (LONG, b"bidPrice") => once(&mut bid, scan.decimal(), "bidPrice")?,
            (LONG, b"bidQty") => once(&mut bid_size, scan.decimal(), "bidQty")?,
            (LONG, b"askPrice") => once(&mut ask, scan.decimal(), "askPrice")?,
            (LONG, b"askQty") => once(&mut ask_size, scan.decimal(), "askQty")?,
            (LONG, b"time") => once(&mut at, scan.i64(), "time")?,
            (LONG, b"lastUpdateId") => once(&mut id, scan.u64(), "lastUpdateId")?,
            _ => scan.skip()?,
        }
        key = scan.key()?;
    }
    let data = Data::Quote(Quote {
        bid: need(bid, "bidPrice")?,
        bid_size: need(bid_size, "bidQty")?,
        ask: need(ask, "askPrice")?,
        ask_size: need(ask_size, "askQty")?,
        venue_id: id,
    });
    Ok(Said { symbol: need(symbol, "symbol")?, time: time(at, None), data })
}
