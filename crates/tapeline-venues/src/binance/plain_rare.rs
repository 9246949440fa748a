//! The plain decoder's second half: the payloads that come less often, and the venue's own words.

use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use tapeline_core::data::event::{
    Candle, ContractInfo, Liquidation, MarkPrice, MiniTicker, Price, Side, Ticker,
};
use tapeline_core::data::update::Data;
use tapeline_core::time::Unix;
use tapeline_core::venue::{DecodeError, Decoded, Item, TopicId};

use super::control::fault;
use super::fetch::clip;
use super::fields::time;
use super::plain::{Maybe, Number, Result, Top, given, named, object, owned};
use super::streams::{Kind, Stream};

/// The symbol, the time, the number of the market, and what is said.
type Entry = (String, Option<Unix>, Option<u64>, Data);

#[derive(Deserialize)]
struct Failure<'a> {
    code: i64,
    msg: String,
    #[serde(borrow, default, deserialize_with = "given")]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Hold {
    #[serde(default, deserialize_with = "given")]
    server_time: Option<u64>,
    #[serde(default, deserialize_with = "given")]
    retry_after: Option<u64>,
}

/// What the venue says besides data: the request it answers, and what failed.
pub(super) struct Words {
    request: Option<u64>,
    failure: Option<(i64, String, Option<Duration>)>,
}

/// Reads the words, which must be right even in frames that carry data.
pub(super) fn words(top: &Top<'_>) -> Result<Words> {
    let request = match top.id.map(RawValue::get) {
        Some(raw) if raw.starts_with(|c: char| c.is_ascii_digit()) => Some(number(raw)?),
        _ => None,
    };
    let failure = match (top.error, top.code, &top.msg) {
        (Some(raw), ..) => {
            let failure: Failure<'_> = object(raw.get())?;
            let mut wait = None;
            if let Some(data) = failure.data.map(RawValue::get).filter(|raw| raw.starts_with('{')) {
                let hold: Hold = object(data)?;
                wait = hold.server_time.zip(hold.retry_after).map(|(now, until)| until.saturating_sub(now));
            }
            Some((failure.code, failure.msg, wait.map(Duration::from_millis)))
        }
        (None, Some(code), Some(message)) => Some((code, message.clone(), None)),
        _ => None,
    };
    Ok(Words { request, failure })
}

/// A frame without a stream.
pub(super) fn control(top: &Top<'_>, words: Words, out: &mut Decoded) -> Result<()> {
    let request = words.request;
    out.items.push(match (words.failure, &top.result, top.e.as_deref()) {
        (Some((code, message, wait)), ..) => {
            let fault = fault(code, top.status, wait);
            Item::Rejected { request, fault, reason: clip(&message).into() }
        }
        (None, Some(_), _) => request.map_or(Item::Alive, |request| Item::Accepted { request, handle: None }),
        (None, None, Some("serverShutdown")) => Item::Goodbye,
        (None, None, Some(event)) => return Err(DecodeError::Unknown(event.to_owned())),
        (None, None, None) => return Err(DecodeError::Missing("stream")),
    });
    Ok(())
}

fn number(raw: &str) -> Result<u64> {
    serde_json::from_str(raw).map_err(|_| DecodeError::Field { field: "id", expected: "a whole number" })
}

#[derive(Deserialize)]
#[expect(non_snake_case, reason = "the venue's words")]
struct RawCandle<'a> {
    e: String,
    s: String,
    #[serde(borrow)]
    k: &'a RawValue,
    #[serde(default, deserialize_with = "given")]
    E: Option<i64>,
}

#[derive(Deserialize)]
#[expect(non_snake_case, reason = "the venue's words")]
struct RawBar {
    t: i64,
    T: i64,
    i: String,
    o: Number,
    c: Number,
    h: Number,
    l: Number,
    v: Number,
    n: u64,
    x: bool,
    #[serde(default, deserialize_with = "given")]
    q: Option<Number>,
}

pub(super) fn candle(stream: &Stream<'_>, topic: TopicId, data: &str) -> Result<Item> {
    let raw: RawCandle<'_> = object(data)?;
    named(&raw.e, stream)?;
    owned(&raw.s, stream)?;
    let bar: RawBar = object(raw.k.get())?;
    if bar.i.as_bytes() != stream.interval {
        return Err(DecodeError::Field { field: "k.i", expected: "the interval of the stream" });
    }
    let candle = Candle {
        interval: bar.i.into(),
        start: Unix::from_millis(bar.t),
        end: Unix::from_millis(bar.T),
        open: bar.o.0,
        high: bar.h.0,
        low: bar.l.0,
        close: bar.c.0,
        volume: bar.v.0,
        quote_volume: bar.q.map(|Number(value)| value),
        trades: bar.n,
        closed: bar.x,
    };
    Ok(Item::Market { topic, id: 0, time: time(None, raw.E), data: Data::Candle(Box::new(candle)) })
}

/// One payload that may also be an element of an array.
pub(super) fn entry(stream: &Stream<'_>, data: &str) -> Result<Entry> {
    match stream.kind {
        Kind::MiniTicker => mini(stream, data),
        Kind::Ticker => ticker(stream, data),
        Kind::AvgPrice => average(stream, data),
        Kind::ReferencePrice => reference(stream, data),
        Kind::MarkPrice => mark(stream, data),
        Kind::Liquidation => liquidation(stream, data),
        Kind::ContractInfo if stream.is_array() => contract(stream, data),
        _ => Err(DecodeError::Unknown("not of this stream".into())),
    }
}

#[derive(Deserialize)]
#[expect(non_snake_case, reason = "the venue's words")]
struct Head {
    e: String,
    #[serde(default, deserialize_with = "given")]
    E: Option<i64>,
    #[serde(default, deserialize_with = "given")]
    st: Option<u64>,
}

#[derive(Deserialize)]
struct Common {
    s: String,
    c: Number,
    o: Number,
    h: Number,
    l: Number,
    v: Number,
    q: Number,
}

fn head(stream: &Stream<'_>, data: &str) -> Result<Head> {
    let head: Head = object(data)?;
    named(&head.e, stream)?;
    Ok(head)
}

fn mini(stream: &Stream<'_>, data: &str) -> Result<Entry> {
    let head = head(stream, data)?;
    let raw: Common = object(data)?;
    let ticker = MiniTicker {
        last: raw.c.0,
        open: raw.o.0,
        high: raw.h.0,
        low: raw.l.0,
        volume: raw.v.0,
        quote_volume: raw.q.0,
    };
    Ok((raw.s, time(None, head.E), head.st, Data::MiniTicker(Box::new(ticker))))
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
#[expect(non_snake_case, reason = "the venue's words")]
struct Rest {
    #[serde(deserialize_with = "given")]
    p: Option<Number>,
    #[serde(deserialize_with = "given")]
    P: Option<Number>,
    #[serde(deserialize_with = "given")]
    w: Option<Number>,
    #[serde(deserialize_with = "given")]
    x: Option<Number>,
    #[serde(deserialize_with = "given")]
    Q: Option<Number>,
    #[serde(deserialize_with = "given")]
    b: Option<Number>,
    #[serde(deserialize_with = "given")]
    B: Option<Number>,
    #[serde(deserialize_with = "given")]
    a: Option<Number>,
    #[serde(deserialize_with = "given")]
    A: Option<Number>,
    #[serde(deserialize_with = "given")]
    O: Option<i64>,
    #[serde(deserialize_with = "given")]
    C: Option<i64>,
    #[serde(deserialize_with = "given")]
    F: Option<i64>,
    #[serde(deserialize_with = "given")]
    L: Option<i64>,
    #[serde(deserialize_with = "given")]
    n: Option<u64>,
}

fn ticker(stream: &Stream<'_>, data: &str) -> Result<Entry> {
    let head = head(stream, data)?;
    let (raw, rest): (Common, Rest) = (object(data)?, object(data)?);
    let decimal = |number: Option<Number>| number.map(|Number(value)| value);
    let id = |id: Option<i64>| id.and_then(|id| u64::try_from(id).ok());
    let ticker = Ticker {
        last: raw.c.0,
        open: raw.o.0,
        high: raw.h.0,
        low: raw.l.0,
        volume: raw.v.0,
        quote_volume: raw.q.0,
        change: decimal(rest.p),
        change_percent: decimal(rest.P),
        average: decimal(rest.w),
        last_size: decimal(rest.Q),
        previous_close: decimal(rest.x),
        bid: decimal(rest.b),
        bid_size: decimal(rest.B),
        ask: decimal(rest.a),
        ask_size: decimal(rest.A),
        start: rest.O.map(Unix::from_millis),
        end: rest.C.map(Unix::from_millis),
        first_id: id(rest.F),
        last_id: id(rest.L),
        trades: rest.n,
    };
    Ok((raw.s, time(None, head.E), head.st, Data::Ticker(Box::new(ticker))))
}

#[derive(Deserialize)]
#[expect(non_snake_case, reason = "the venue's words")]
struct RawAverage {
    e: String,
    s: String,
    w: Number,
    #[serde(default, deserialize_with = "given")]
    i: Option<String>,
    #[serde(default, deserialize_with = "given")]
    T: Option<i64>,
    #[serde(default, deserialize_with = "given")]
    E: Option<i64>,
}

fn average(stream: &Stream<'_>, data: &str) -> Result<Entry> {
    let raw: RawAverage = object(data)?;
    named(&raw.e, stream)?;
    let price = Price { price: Some(raw.w.0), interval: raw.i.map(Into::into) };
    Ok((raw.s, time(raw.T, raw.E), None, Data::Price(price)))
}

#[derive(Deserialize)]
#[expect(non_snake_case, reason = "the venue's words")]
struct RawReference {
    e: String,
    s: String,
    r: Maybe,
    #[serde(default, deserialize_with = "given")]
    t: Option<i64>,
    #[serde(default, deserialize_with = "given")]
    E: Option<i64>,
}

fn reference(stream: &Stream<'_>, data: &str) -> Result<Entry> {
    let raw: RawReference = object(data)?;
    named(&raw.e, stream)?;
    Ok((raw.s, time(raw.t, raw.E), None, Data::Price(Price { price: raw.r.0, interval: None })))
}

#[derive(Deserialize)]
#[expect(non_snake_case, reason = "the venue's words")]
struct RawMark {
    s: String,
    p: Number,
    #[serde(default, deserialize_with = "given")]
    i: Option<Maybe>,
    #[serde(default, deserialize_with = "given")]
    P: Option<Maybe>,
    #[serde(default, deserialize_with = "given")]
    r: Option<Maybe>,
    #[serde(default, deserialize_with = "given")]
    T: Option<i64>,
}

fn mark(stream: &Stream<'_>, data: &str) -> Result<Entry> {
    let head = head(stream, data)?;
    let raw: RawMark = object(data)?;
    let maybe = |value: Option<Maybe>| value.and_then(|Maybe(value)| value);
    let mark = MarkPrice {
        price: raw.p.0,
        index: maybe(raw.i),
        settle: maybe(raw.P),
        funding_rate: maybe(raw.r),
        next_funding: raw.T.filter(|at| *at > 0).map(Unix::from_millis),
    };
    Ok((raw.s, time(None, head.E), head.st, Data::MarkPrice(Box::new(mark))))
}

#[derive(Deserialize)]
struct RawForced<'a> {
    #[serde(borrow)]
    o: &'a RawValue,
}

#[derive(Deserialize)]
#[expect(non_snake_case, reason = "the venue's words")]
struct RawOrder {
    s: String,
    S: String,
    q: Number,
    p: Number,
    #[serde(default, deserialize_with = "given")]
    ap: Option<Number>,
    #[serde(default, deserialize_with = "given")]
    X: Option<String>,
    #[serde(default, deserialize_with = "given")]
    z: Option<Number>,
    #[serde(default, deserialize_with = "given")]
    T: Option<i64>,
}

fn liquidation(stream: &Stream<'_>, data: &str) -> Result<Entry> {
    let head = head(stream, data)?;
    let raw: RawForced<'_> = object(data)?;
    let order: RawOrder = object(raw.o.get())?;
    let side = match order.S.as_str() {
        "BUY" => Side::Buy,
        "SELL" => Side::Sell,
        _ => return Err(DecodeError::Field { field: "o.S", expected: "BUY or SELL" }),
    };
    let liquidation = Liquidation {
        side,
        price: order.p.0,
        average: order.ap.map(|Number(value)| value),
        size: order.q.0,
        filled: order.z.map(|Number(value)| value),
        status: order.X.map(Into::into),
    };
    Ok((order.s, time(order.T, head.E), head.st, Data::Liquidation(Box::new(liquidation))))
}

#[derive(Deserialize)]
struct RawContract {
    s: String,
    ct: String,
    cs: String,
    #[serde(default, deserialize_with = "given")]
    ps: Option<String>,
    #[serde(default, deserialize_with = "given")]
    ot: Option<i64>,
    #[serde(default, deserialize_with = "given")]
    dt: Option<i64>,
}

fn contract(stream: &Stream<'_>, data: &str) -> Result<Entry> {
    let head = head(stream, data)?;
    let raw: RawContract = object(data)?;
    let moment = |at: Option<i64>| at.filter(|at| *at > 0).map(Unix::from_millis);
    let contract = ContractInfo {
        pair: raw.ps.map(Into::into),
        contract: raw.ct.into(),
        state: raw.cs.into(),
        listed: moment(raw.ot),
        delivery: moment(raw.dt),
    };
    Ok((raw.s, time(None, head.E), head.st, Data::ContractInfo(Box::new(contract))))
}
