//! The same decoder once more, the plain way: serde_json fills types, slowly and without tricks. What the
//! fast one accepts, this one accepts with the same result; tests and fuzzing hold them against each other.

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error as _, IgnoredAny};
use serde_json::value::RawValue;
use tapeline_core::data::decimal::Decimal;
use tapeline_core::data::event::{AggTrade, Level, Quote, Trade};
use tapeline_core::data::update::{Data, Keyed};
use tapeline_core::scan::MAX_DEPTH;
use tapeline_core::venue::{DecodeError, Decoded, Item, Names, Span, TopicId};

use super::fields::{same_symbol, taker, time};
use super::streams::{Kind, Stream};
use super::{Market, plain_rare};

pub(super) type Result<T> = std::result::Result<T, DecodeError>;

const NOT_JSON: DecodeError = DecodeError::Syntax("not what serde_json accepts");

/// Translates one frame; on an error nothing is left in `out`.
///
/// # Errors
/// [`DecodeError`], of which only that it is one can be compared with the fast decoder's.
pub fn decode(market: Market, frame: &[u8], names: &Names, out: &mut Decoded) -> Result<()> {
    let text = std::str::from_utf8(frame).map_err(|_| NOT_JSON)?;
    if nested_too_deeply(text) {
        return Err(NOT_JSON);
    }
    let top: Top<'_> = object(text)?;
    let words = plain_rare::words(&top)?;
    let Some(name) = &top.stream else { return plain_rare::control(&top, words, out) };
    let data = top.data.ok_or(DecodeError::Missing("data"))?.get();
    let Some(stream) = Stream::parse(name.as_bytes()) else {
        out.items.push(Item::Unrouted);
        return Ok(());
    };
    if stream.kind == Kind::Shutdown {
        out.items.push(Item::Goodbye);
        return Ok(());
    }
    let Some(topic) = stream.topic(names) else {
        out.items.push(Item::Unrouted);
        return Ok(());
    };
    let item = if stream.is_array() {
        array(market, &stream, topic, data)?
    } else {
        match stream.kind {
            Kind::Trade | Kind::BlockTrade => trade(market, &stream, topic, data)?,
            Kind::AggTrade => agg_trade(&stream, topic, data)?,
            Kind::Quote => quote(&stream, topic, data)?,
            Kind::Depth => depth(market, &stream, topic, data, out)?,
            Kind::PartialDepth => partial_depth(&stream, topic, data, out)?,
            Kind::Candle => plain_rare::candle(&stream, topic, data)?,
            _ => {
                let (symbol, time, _, data) = plain_rare::entry(&stream, data)?;
                owned(&symbol, &stream)?;
                Item::Market { topic, id: 0, time, data }
            }
        }
    };
    out.items.push(item);
    Ok(())
}

/// Whether more than [`MAX_DEPTH`] objects and lists that hold something lie in each other, if this is JSON.
fn nested_too_deeply(text: &str) -> bool {
    let (mut depth, mut deepest, mut quoted, mut escaped) = (0u32, 0, false, false);
    let mut last = ' ';
    for character in text.chars().filter(|c| !matches!(c, ' ' | '\n' | '\t' | '\r')) {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '[' | '{' if !quoted => depth += 1,
            ']' | '}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        // What is empty counts for nothing, so that a bracket counts with what follows it.
        let holds = matches!(last, '[' | '{') && !matches!(character, ']' | '}');
        deepest = if holds {
            deepest.max(depth - u32::from(!quoted && matches!(character, '[' | '{')))
        } else {
            deepest
        };
        last = if quoted { ' ' } else { character };
    }
    deepest > MAX_DEPTH
}

/// An object, and not the list that serde takes for one as well.
pub(super) fn object<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T> {
    if !text.trim_start_matches([' ', '\n', '\t', '\r']).starts_with('{') {
        return Err(NOT_JSON);
    }
    serde_json::from_str(text).map_err(|_| NOT_JSON)
}

/// For fields that may be absent, but not `null`.
pub(super) fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    from: D,
) -> std::result::Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

#[derive(Deserialize)]
pub(super) struct Top<'a> {
    #[serde(default, deserialize_with = "given")]
    stream: Option<String>,
    #[serde(borrow, default, deserialize_with = "given")]
    data: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "given")]
    pub(super) result: Option<IgnoredAny>,
    #[serde(borrow, default, deserialize_with = "given")]
    pub(super) id: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "given")]
    pub(super) code: Option<i64>,
    #[serde(default, deserialize_with = "given")]
    pub(super) msg: Option<String>,
    #[serde(borrow, default, deserialize_with = "given")]
    pub(super) error: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "given")]
    pub(super) status: Option<u64>,
    #[serde(default, deserialize_with = "given")]
    pub(super) e: Option<String>,
}

/// A decimal in quotes or without.
#[derive(Clone, Copy)]
pub(super) struct Number(pub(super) Decimal);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(from)?.get();
        let text = if raw.starts_with('"') {
            text::<String>(raw).map_err(D::Error::custom)?
        } else {
            raw.to_owned()
        };
        Decimal::parse(text.as_bytes()).map(Self).map_err(D::Error::custom)
    }
}

/// A decimal, or an empty string or `null` where there is none.
pub(super) struct Maybe(pub(super) Option<Decimal>);

impl<'de> Deserialize<'de> for Maybe {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        match <&RawValue>::deserialize(from)?.get() {
            "\"\"" | "null" => Ok(Self(None)),
            raw => serde_json::from_str::<Number>(raw)
                .map(|Number(value)| Self(Some(value)))
                .map_err(D::Error::custom),
        }
    }
}

fn text<T: DeserializeOwned>(raw: &str) -> serde_json::Result<T> {
    serde_json::from_str(raw)
}

pub(super) fn named(given: &str, stream: &Stream<'_>) -> Result<()> {
    if given.as_bytes() == stream.event { Ok(()) } else { Err(DecodeError::Unknown(given.to_owned())) }
}

pub(super) fn owned(given: &str, stream: &Stream<'_>) -> Result<()> {
    let field = DecodeError::Field { field: "s", expected: "the symbol of the stream" };
    if same_symbol(given.as_bytes(), stream.symbol) { Ok(()) } else { Err(field) }
}

#[derive(Deserialize)]
#[expect(non_snake_case, reason = "the venue's words")]
struct RawTrade {
    e: String,
    s: String,
    t: u64,
    p: Number,
    q: Number,
    m: bool,
    #[serde(default, deserialize_with = "given")]
    T: Option<i64>,
    #[serde(default, deserialize_with = "given")]
    E: Option<i64>,
}

fn trade(market: Market, stream: &Stream<'_>, topic: TopicId, data: &str) -> Result<Item> {
    let raw: RawTrade = object(data)?;
    named(&raw.e, stream)?;
    owned(&raw.s, stream)?;
    let (id, Number(price), Number(size)) = (raw.t, raw.p, raw.q);
    if market == Market::UsdM && price == Decimal::ZERO && size == Decimal::ZERO {
        return Ok(Item::Spent { topic, id });
    }
    let data = Data::Trade(Trade { id, price, size, side: taker(raw.m) });
    Ok(Item::Market { topic, id, time: time(raw.T, raw.E), data })
}

#[derive(Deserialize)]
#[expect(non_snake_case, reason = "the venue's words")]
struct RawAggTrade {
    e: String,
    s: String,
    a: u64,
    p: Number,
    q: Number,
    f: u64,
    l: u64,
    m: bool,
    #[serde(default, deserialize_with = "given")]
    T: Option<i64>,
    #[serde(default, deserialize_with = "given")]
    E: Option<i64>,
}

fn agg_trade(stream: &Stream<'_>, topic: TopicId, data: &str) -> Result<Item> {
    let raw: RawAggTrade = object(data)?;
    named(&raw.e, stream)?;
    owned(&raw.s, stream)?;
    let (id, Number(price), Number(size), side) = (raw.a, raw.p, raw.q, taker(raw.m));
    let data = Data::AggTrade(AggTrade { id, price, size, side, first_id: raw.f, last_id: raw.l });
    Ok(Item::Market { topic, id, time: time(raw.T, raw.E), data })
}

#[derive(Deserialize)]
#[expect(non_snake_case, reason = "the venue's words")]
struct RawQuote {
    #[serde(default, deserialize_with = "given")]
    e: Option<String>,
    s: String,
    u: u64,
    b: Number,
    B: Number,
    a: Number,
    A: Number,
    #[serde(default, deserialize_with = "given")]
    T: Option<i64>,
    #[serde(default, deserialize_with = "given")]
    E: Option<i64>,
}

/// The same with the number of its market, which only arrays look at.
#[derive(Deserialize)]
struct RawAnyQuote {
    #[serde(default, deserialize_with = "given")]
    st: Option<u64>,
}

impl RawQuote {
    fn event(&self) -> Data {
        let (Number(bid), Number(bid_size), Number(ask), Number(ask_size)) = (self.b, self.B, self.a, self.A);
        Data::Quote(Quote { bid, bid_size, ask, ask_size, venue_id: Some(self.u) })
    }
}

fn quote(stream: &Stream<'_>, topic: TopicId, data: &str) -> Result<Item> {
    let raw: RawQuote = object(data)?;
    raw.e.as_deref().map_or(Ok(()), |event| named(event, stream))?;
    owned(&raw.s, stream)?;
    Ok(Item::Market { topic, id: raw.u, time: time(raw.T, raw.E), data: raw.event() })
}

fn array(market: Market, stream: &Stream<'_>, topic: TopicId, data: &str) -> Result<Item> {
    let list: Vec<&RawValue> = if data.starts_with('[') {
        serde_json::from_str(data).map_err(|_| NOT_JSON)?
    } else {
        vec![serde_json::from_str(data).map_err(|_| NOT_JSON)?]
    };
    let (mut keyed, mut newest) = (Keyed::default(), None);
    for raw in list {
        let (symbol, at, number, data) = match stream.kind {
            Kind::Quote => {
                let RawAnyQuote { st } = object(raw.get())?;
                let raw: RawQuote = object(raw.get())?;
                raw.e.as_deref().map_or(Ok(()), |event| named(event, stream))?;
                (raw.s.clone(), time(raw.T, raw.E), st, raw.event())
            }
            _ => plain_rare::entry(stream, raw.get())?,
        };
        if market == Market::Spot || number != Some(2) {
            newest = newest.max(at);
            keyed.0.push((symbol.into(), data));
        }
    }
    Ok(if keyed.0.is_empty() {
        Item::Alive
    } else {
        Item::Market { topic, id: 0, time: newest, data: Data::Keyed(Box::new(keyed)) }
    })
}

#[derive(Deserialize)]
#[expect(non_snake_case, reason = "the venue's words")]
struct RawDepth {
    e: String,
    s: String,
    U: u64,
    u: u64,
    #[serde(default, deserialize_with = "given")]
    pu: Option<i64>,
    b: Vec<(Number, Number)>,
    a: Vec<(Number, Number)>,
    #[serde(default, deserialize_with = "given")]
    T: Option<i64>,
    #[serde(default, deserialize_with = "given")]
    E: Option<i64>,
}

fn depth(market: Market, stream: &Stream<'_>, topic: TopicId, data: &str, out: &mut Decoded) -> Result<Item> {
    let raw: RawDepth = object(data)?;
    named(&raw.e, stream)?;
    owned(&raw.s, stream)?;
    if raw.U > raw.u {
        return Err(DecodeError::Field { field: "U", expected: "an id not above `u`" });
    }
    let previous = match market {
        Market::Spot => None,
        Market::UsdM => u64::try_from(raw.pu.ok_or(DecodeError::Missing("pu"))?).ok(),
    };
    let (levels, bids) = levels(&raw.b, &raw.a, out);
    let span = Span { first: raw.U, last: raw.u, previous };
    Ok(Item::Depth { topic, time: time(raw.T, raw.E), span, levels, bids })
}

#[derive(Deserialize)]
#[expect(non_snake_case, reason = "the venue's words")]
struct RawPartialDepth {
    #[serde(default, deserialize_with = "given")]
    e: Option<String>,
    #[serde(default, deserialize_with = "given")]
    s: Option<String>,
    #[serde(alias = "lastUpdateId")]
    u: u64,
    #[serde(alias = "bids")]
    b: Vec<(Number, Number)>,
    #[serde(alias = "asks")]
    a: Vec<(Number, Number)>,
    #[serde(default, deserialize_with = "given")]
    T: Option<i64>,
    #[serde(default, deserialize_with = "given")]
    E: Option<i64>,
}

fn partial_depth(stream: &Stream<'_>, topic: TopicId, data: &str, out: &mut Decoded) -> Result<Item> {
    let raw: RawPartialDepth = object(data)?;
    raw.e.as_deref().map_or(Ok(()), |event| named(event, stream))?;
    raw.s.as_deref().map_or(Ok(()), |symbol| owned(symbol, stream))?;
    let (levels, bids) = levels(&raw.b, &raw.a, out);
    Ok(Item::Levels { topic, time: time(raw.T, raw.E), last: raw.u, levels, bids })
}

fn levels(
    bids: &[(Number, Number)],
    asks: &[(Number, Number)],
    out: &mut Decoded,
) -> (std::ops::Range<u32>, u32) {
    let start = out.levels.len() as u32;
    let level = |(Number(price), Number(size)): &(Number, Number)| Level { price: *price, size: *size };
    out.levels.extend(bids.iter().chain(asks).map(level));
    (start..out.levels.len() as u32, bids.len() as u32)
}
