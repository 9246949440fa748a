//! Prices that are not traded, forced orders and contracts, of one symbol or as an element of an array.

use std::borrow::Cow;

use tapeline_core::data::event::{ContractInfo, Liquidation, MarkPrice, Price, Side};
use tapeline_core::data::update::Data;
use tapeline_core::scan::{Bad, END, LONG, Scan};
use tapeline_core::time::Unix;
use tapeline_core::venue::{DecodeError, Decoded};

use super::array::Entry;
use super::decode::{Read, Target, whole};
use super::fields::{event, maybe_decimal, need, once, time, wrong};
use super::streams::Kind;

/// A payload of one symbol.
pub(super) fn single(
    scan: &mut Scan<'_>,
    target: &Target<'_>,
    out: &mut Decoded,
) -> Result<Read, DecodeError> {
    let entry = match target.stream.kind {
        Kind::AvgPrice | Kind::ReferencePrice => price(scan, target)?,
        Kind::Liquidation => liquidation(scan, target)?,
        _ => mark_price(scan, target)?,
    };
    out.items.push(entry.single(target)?);
    Ok(Read::Whole)
}

/// `avgPrice` (`w`, over `i`) and `referencePrice` (`r`, which may be `null`).
fn price<'a>(scan: &mut Scan<'a>, target: &Target<'_>) -> Result<Entry<'a>, DecodeError> {
    let mut named = false;
    let (mut symbol, mut at, mut sent, mut interval) = (None, None, None, None);
    let mut price = None;
    let average = target.stream.kind == Kind::AvgPrice;
    let mut key = scan.object()?;
    while key != END {
        match key {
            b'e' => event(scan, &mut named, b"", target.stream.event)?,
            b'E' => once(&mut sent, scan.i64(), "E")?,
            b's' => once(&mut symbol, scan.bytes(), "s")?,
            b'i' if average => once(&mut interval, scan.string(), "i")?,
            b'w' if average => once(&mut price, scan.decimal().map(Some), "w")?,
            b'T' if average => once(&mut at, scan.i64(), "T")?,
            b'r' if !average => once(&mut price, maybe_decimal(scan), "r")?,
            b't' if !average => once(&mut at, scan.i64(), "t")?,
            _ => scan.skip()?,
        }
        key = scan.key()?;
    }
    whole(named, symbol.is_some())?;
    let price = need(price, if average { "w" } else { "r" })?;
    let interval = interval.map(|interval: Cow<'_, str>| interval.into());
    let data = Data::Price(Price { price, interval });
    Ok(Entry { symbol: need(symbol, "s")?, time: time(at, sent), id: 0, market: None, data })
}

/// `markPriceUpdate`. Its `T` is the time of the next funding, not of the event; delivery contracts have
/// no funding: their rate is empty and the time 0.
pub(super) fn mark_price<'a>(scan: &mut Scan<'a>, target: &Target<'_>) -> Result<Entry<'a>, DecodeError> {
    let mut named = false;
    let (mut symbol, mut sent, mut market, mut price) = (None, None, None, None);
    let (mut index, mut settle, mut rate, mut funding) = (None, None, None, None);
    let mut key = scan.object()?;
    while key != END {
        match key {
            b'e' => event(scan, &mut named, b"", target.stream.event)?,
            b'E' => once(&mut sent, scan.i64(), "E")?,
            b's' => once(&mut symbol, scan.bytes(), "s")?,
            b'p' => once(&mut price, scan.decimal(), "p")?,
            b'i' => once(&mut index, maybe_decimal(scan), "i")?,
            b'P' => once(&mut settle, maybe_decimal(scan), "P")?,
            b'r' => once(&mut rate, maybe_decimal(scan), "r")?,
            b'T' => once(&mut funding, scan.i64(), "T")?,
            LONG if *scan.name() == *b"st" => once(&mut market, scan.u64(), "st")?,
            _ => scan.skip()?,
        }
        key = scan.key()?;
    }
    whole(named, symbol.is_some())?;
    let data = Data::MarkPrice(Box::new(MarkPrice {
        price: need(price, "p")?,
        index: index.flatten(),
        settle: settle.flatten(),
        funding_rate: rate.flatten(),
        next_funding: funding.filter(|at| *at > 0).map(Unix::from_millis),
    }));
    Ok(Entry { symbol: need(symbol, "s")?, time: time(None, sent), id: 0, market, data })
}

/// `forceOrder`: the order is in `o`.
pub(super) fn liquidation<'a>(scan: &mut Scan<'a>, target: &Target<'_>) -> Result<Entry<'a>, DecodeError> {
    let mut named = false;
    let (mut sent, mut market, mut order) = (None, None, None);
    let mut key = scan.object()?;
    while key != END {
        match key {
            b'e' => event(scan, &mut named, b"", target.stream.event)?,
            b'E' => once(&mut sent, scan.i64(), "E")?,
            b'o' if order.is_none() => order = Some(self::order(scan)?),
            b'o' => return Err(DecodeError::Field { field: "o", expected: "an order, once" }),
            LONG if *scan.name() == *b"st" => once(&mut market, scan.u64(), "st")?,
            _ => scan.skip()?,
        }
        key = scan.key()?;
    }
    whole(named, true)?;
    let (symbol, at, data) = need(order, "o")?;
    Ok(Entry { symbol, time: time(at, sent), id: 0, market, data })
}

type Order<'a> = (Cow<'a, [u8]>, Option<i64>, Data);

fn order<'a>(scan: &mut Scan<'a>) -> Result<Order<'a>, DecodeError> {
    let (mut symbol, mut side, mut at, mut status) = (None, None, None, None);
    let (mut size, mut price, mut average, mut filled) = (None, None, None, None);
    let mut key = scan.object()?;
    while key != END {
        match key {
            b's' => once(&mut symbol, scan.bytes(), "o.s")?,
            b'S' => once(&mut side, scan.bytes(), "o.S")?,
            b'q' => once(&mut size, scan.decimal(), "o.q")?,
            b'p' => once(&mut price, scan.decimal(), "o.p")?,
            b'X' => once(&mut status, scan.string(), "o.X")?,
            b'z' => once(&mut filled, scan.decimal(), "o.z")?,
            b'T' => once(&mut at, scan.i64(), "o.T")?,
            LONG if *scan.name() == *b"ap" => once(&mut average, scan.decimal(), "o.ap")?,
            _ => scan.skip()?,
        }
        key = scan.key()?;
    }
    let side = match &*need(side, "o.S")? {
        b"BUY" => Side::Buy,
        b"SELL" => Side::Sell,
        _ => return Err(DecodeError::Field { field: "o.S", expected: "BUY or SELL" }),
    };
    let data = Data::Liquidation(Box::new(Liquidation {
        side,
        price: need(price, "o.p")?,
        average,
        size: need(size, "o.q")?,
        filled,
        status: status.map(|status: Cow<'_, str>| status.into()),
    }));
    Ok((need(symbol, "o.s")?, at, data))
}

/// `contractInfo`; its brackets of margin (`bks`) are left out.
pub(super) fn contract<'a>(scan: &mut Scan<'a>, target: &Target<'_>) -> Result<Entry<'a>, DecodeError> {
    let mut named = false;
    let (mut symbol, mut sent, mut market) = (None, None, None);
    let (mut pair, mut kind, mut state, mut listed, mut delivery) = (None, None, None, None, None);
    let mut key = scan.object()?;
    while key != END {
        match key {
            b'e' => event(scan, &mut named, b"", target.stream.event)?,
            b'E' => once(&mut sent, scan.i64(), "E")?,
            b's' => once(&mut symbol, scan.bytes(), "s")?,
            LONG => match &*scan.name() {
                b"st" => once(&mut market, scan.u64(), "st")?,
                b"ps" => once(&mut pair, scan.string(), "ps")?,
                b"ct" => once(&mut kind, scan.string(), "ct")?,
                b"cs" => once(&mut state, scan.string(), "cs")?,
                b"ot" => once(&mut listed, scan.i64(), "ot")?,
                b"dt" => once(&mut delivery, scan.i64(), "dt")?,
                _ => scan.skip()?,
            },
            _ => scan.skip()?,
        }
        key = scan.key()?;
    }
    whole(named, symbol.is_some())?;
    let moment = |at: Option<i64>| at.filter(|at| *at > 0).map(Unix::from_millis);
    let data = Data::ContractInfo(Box::new(ContractInfo {
        pair: pair.map(|pair: Cow<'_, str>| pair.into()),
        contract: need::<Cow<'_, str>>(kind, "ct")?.into(),
        state: need::<Cow<'_, str>>(state, "cs")?.into(),
        listed: moment(listed),
        delivery: moment(delivery),
    }));
    Ok(Entry { symbol: need(symbol, "s")?, time: time(None, sent), id: 0, market, data })
}

/// The symbol as text, for keys.
pub(super) fn key(symbol: &[u8]) -> Result<Box<str>, DecodeError> {
    std::str::from_utf8(symbol).map(Into::into).map_err(|_| wrong::<Cow<'_, str>>(Bad::Utf8, "s"))
}
