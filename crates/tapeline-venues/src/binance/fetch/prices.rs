//! Prices that are not traded: the average, the reference, the mark price.

use tapeline_core::data::event::{MarkPrice, Price};
use tapeline_core::data::update::Data;
use tapeline_core::scan::{END, LONG, Scan};
use tapeline_core::time::Unix;
use tapeline_core::venue::{DecodeError, Decoded};

use super::super::fields::{maybe_decimal, need, once, time};
use super::{Said, state};

/// `avgPrice`, which does not name its symbol.
pub(super) fn average(scan: &mut Scan<'_>, out: &mut Decoded) -> Result<(), DecodeError> {
    let (mut minutes, mut price, mut at) = (None, None, None);
    let mut key = scan.object()?;
    while key != END {
        match (key, &*scan.name()) {
            (LONG, b"mins") => once(&mut minutes, scan.u64(), "mins")?,
            (LONG, b"price") => once(&mut price, scan.decimal(), "price")?,
            (LONG, b"closeTime") => once(&mut at, scan.i64(), "closeTime")?,
            _ => scan.skip()?,
        }
        key = scan.key()?;
    }
    // The stream writes the minutes with their unit.
    let interval = format!("{}m", need(minutes, "mins")?).into_boxed_str();
    let price = Price { price: Some(need(price, "price")?), interval: Some(interval) };
    out.items.push(state(time(at, None), Data::Price(price)));
    Ok(())
}

/// `referencePrice`; `null` where there is none now.
pub(super) fn reference<'a>(scan: &mut Scan<'a>) -> Result<Said<'a>, DecodeError> {
    let (mut symbol, mut price, mut at) = (None, None, None);
    let mut key = scan.object()?;
    while key != END {
        match (key, &*scan.name()) {
            (LONG, b"symbol") => once(&mut symbol, scan.bytes(), "symbol")?,
            (LONG, b"referencePrice") => once(&mut price, maybe_decimal(scan), "referencePrice")?,
            (LONG, b"timestamp") => once(&mut at, scan.i64(), "timestamp")?,
            _ => scan.skip()?,
        }
        key = scan.key()?;
    }
    let price = Price { price: need(price, "referencePrice")?, interval: None };
    Ok(Said { symbol: need(symbol, "symbol")?, time: time(at, None), data: Data::Price(price) })
}

/// `premiumIndex`. Delivery contracts have no funding: their rate is empty and the time 0.
pub(super) fn mark<'a>(scan: &mut Scan<'a>) -> Result<Said<'a>, DecodeError> {
    let (mut symbol, mut price, mut index, mut settle) = (None, None, None, None);
    let (mut rate, mut funding, mut at) = (None, None, None);
    let mut key = scan.object()?;
    while key != END {
        match (key, &*scan.name()) {
            (LONG, b"symbol") => once(&mut symbol, scan.bytes(), "symbol")?,
            (LONG, b"markPrice") => once(&mut price, scan.decimal(), "markPrice")?,
            (LONG, b"indexPrice") => once(&mut index, maybe_decimal(scan), "indexPrice")?,
            (LONG, b"estimatedSettlePrice") => {
                once(&mut settle, maybe_decimal(scan), "estimatedSettlePrice")?;
            }
            (LONG, b"lastFundingRate") => once(&mut rate, maybe_decimal(scan), "lastFundingRate")?,
            (LONG, b"nextFundingTime") => once(&mut funding, scan.i64(), "nextFundingTime")?,
            (LONG, b"time") => once(&mut at, scan.i64(), "time")?,
            _ => scan.skip()?,
        }
        key = scan.key()?;
    }
    let data = Data::MarkPrice(Box::new(MarkPrice {
        price: need(price, "markPrice")?,
        index: index.flatten(),
        settle: settle.flatten(),
        funding_rate: rate.flatten(),
        next_funding: funding.filter(|at| *at > 0).map(Unix::from_millis),
    }));
    Ok(Said { symbol: need(symbol, "symbol")?, time: time(at, None), data })
}
