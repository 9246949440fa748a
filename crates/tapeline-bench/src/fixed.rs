//! The scan for frames of exactly the recorded order of fields: no product could ship it, but nothing
//! that reads every field is faster.

use crate::scan::{Depth, Event, Quote, Scan, Trade};

/// Scans one frame; the levels of a depth frame are put into `levels`.
#[inline]
pub fn event<'a>(frame: &'a [u8], levels: &mut Vec<(i64, i64)>) -> Option<Event<'a>> {
    let at = 11 + frame.get(11..)?.iter().position(|byte| *byte == b'@')?;
    match frame.get(at + 1)? {
        b't' => trade(frame, at + 7).map(Event::Trade),
        b'a' => aggregate(frame, at + 10).map(Event::Trade),
        b'b' => quote(frame, at + 12).map(Event::Quote),
        b'd' => depth(frame, at + 13, levels).map(Event::Depth),
        _ => None,
    }
}

#[inline]
fn trade(frame: &[u8], at: usize) -> Option<Trade<'_>> {
    let mut scan = Scan::new(frame, at);
    scan.skip(b",\"data\":{\"e\":\"trade\",\"E\":")?;
    scan.number();
    scan.skip(b",\"s\":\"")?;
    let symbol = scan.text();
    scan.skip(b",\"t\":")?;
    let id = scan.number();
    scan.skip(b",\"p\":\"")?;
    let price = scan.decimal();
    scan.skip(b",\"q\":\"")?;
    let size = scan.decimal();
    scan.skip(b",\"T\":")?;
    let time = scan.number();
    scan.skip(b",\"m\":")?;
    Some(Trade { symbol, id, price, size, time, maker: scan.peek() == b't' })
}

#[inline]
fn aggregate(frame: &[u8], at: usize) -> Option<Trade<'_>> {
    let mut scan = Scan::new(frame, at);
    scan.skip(b",\"data\":{\"e\":\"aggTrade\",\"E\":")?;
    scan.number();
    scan.skip(b",\"s\":\"")?;
    let symbol = scan.text();
    scan.skip(b",\"a\":")?;
    let id = scan.number();
    scan.skip(b",\"p\":\"")?;
    let price = scan.decimal();
    scan.skip(b",\"q\":\"")?;
    let size = scan.decimal();
    scan.skip(b",\"f\":")?;
    scan.number();
    scan.skip(b",\"l\":")?;
    scan.number();
    scan.skip(b",\"T\":")?;
    let time = scan.number();
    scan.skip(b",\"m\":")?;
    Some(Trade { symbol, id, price, size, time, maker: scan.peek() == b't' })
}

#[inline]
fn quote(frame: &[u8], at: usize) -> Option<Quote<'_>> {
    let mut scan = Scan::new(frame, at);
    scan.skip(b",\"data\":{\"u\":")?;
    let id = scan.number();
    scan.skip(b",\"s\":\"")?;
    let symbol = scan.text();
    let mut values = [0; 4];
    for (value, key) in values.iter_mut().zip([b",\"b\":\"", b",\"B\":\"", b",\"a\":\"", b",\"A\":\""]) {
        scan.skip(key)?;
        *value = scan.decimal();
    }
    let [bid, bid_size, ask, ask_size] = values;
    Some(Quote { symbol, id, bid: (bid, bid_size), ask: (ask, ask_size) })
}

#[inline]
fn depth<'a>(frame: &'a [u8], at: usize, levels: &mut Vec<(i64, i64)>) -> Option<Depth<'a>> {
    levels.clear();
    let mut scan = Scan::new(frame, at);
    scan.skip(b",\"data\":{\"e\":\"depthUpdate\",\"E\":")?;
    scan.number();
    scan.skip(b",\"s\":\"")?;
    let symbol = scan.text();
    scan.skip(b",\"U\":")?;
    let first = scan.number();
    scan.skip(b",\"u\":")?;
    let last = scan.number();
    scan.skip(b",\"b\":[")?;
    scan.levels(levels)?;
    let bids = levels.len();
    scan.skip(b",\"a\":[")?;
    scan.levels(levels)?;
    Some(Depth { symbol, ids: (first, last), bids })
}
