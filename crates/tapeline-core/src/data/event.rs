//! The normalised events, one type per channel: exact decimals, nanosecond times, 64-bit identifiers.
//!
//! The serialised form of each type is the `data` object of the envelope: identifiers and times are
//! strings, decimals are strings, what is absent is left out.

use serde::Serialize;

use super::decimal::Decimal;
use crate::time::Unix;

/// Which side took liquidity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The taker bought.
    Buy,
    /// The taker sold.
    Sell,
    /// The venue does not say.
    Unknown,
}

/// One trade.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trade {
    /// The venue's trade id, unique within the symbol.
    #[serde(serialize_with = "text")]
    pub id: u64,
    /// Price per unit, in the quote asset.
    pub price: Decimal,
    /// Units of the base asset (contracts where the venue trades contracts).
    pub size: Decimal,
    /// The taker's side.
    pub side: Side,
}

/// Trades of one taker order at one price, added up by the venue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AggTrade {
    /// The aggregate's id; its own id space.
    #[serde(serialize_with = "text")]
    pub id: u64,
    /// Price per unit.
    pub price: Decimal,
    /// Units of the base asset, summed.
    pub size: Decimal,
    /// The taker's side.
    pub side: Side,
    /// The first trade id covered.
    #[serde(serialize_with = "text")]
    pub first_id: u64,
    /// The last trade id covered.
    #[serde(serialize_with = "text")]
    pub last_id: u64,
}

/// The best bid and ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Quote {
    /// Best bid price.
    pub bid: Decimal,
    /// Units at the best bid.
    pub bid_size: Decimal,
    /// Best ask price.
    pub ask: Decimal,
    /// Units at the best ask.
    pub ask_size: Decimal,
    /// The venue's update id, where it gives one (same id space as the book's on Binance).
    #[serde(serialize_with = "text_opt", skip_serializing_if = "Option::is_none")]
    pub venue_id: Option<u64>,
}

/// Statistics of a rolling window (24 hours unless the topic says otherwise).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct Ticker {
    /// Price of the last trade.
    pub last: Decimal,
    /// Price of the first trade in the window.
    pub open: Decimal,
    /// Highest price in the window.
    pub high: Decimal,
    /// Lowest price in the window.
    pub low: Decimal,
    /// Units of the base asset traded.
    pub volume: Decimal,
    /// Units of the quote asset traded.
    pub quote_volume: Decimal,
    /// `last` - `open`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<Decimal>,
    /// Change in percent of `open`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change_percent: Option<Decimal>,
    /// Volume-weighted average price.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub average: Option<Decimal>,
    /// Units of the last trade.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_size: Option<Decimal>,
    /// Last price before the window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_close: Option<Decimal>,
    /// Best bid price.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bid: Option<Decimal>,
    /// Units at the best bid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bid_size: Option<Decimal>,
    /// Best ask price.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ask: Option<Decimal>,
    /// Units at the best ask.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ask_size: Option<Decimal>,
    /// When the window begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<Unix>,
    /// When the window ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<Unix>,
    /// First trade id in the window.
    #[serde(serialize_with = "text_opt", skip_serializing_if = "Option::is_none")]
    pub first_id: Option<u64>,
    /// Last trade id in the window.
    #[serde(serialize_with = "text_opt", skip_serializing_if = "Option::is_none")]
    pub last_id: Option<u64>,
    /// How many trades the window holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trades: Option<u64>,
}

/// One bar.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Candle {
    /// The venue's word for its length, for example `1m`.
    pub interval: Box<str>,
    /// When it opens.
    pub start: Unix,
    /// Its last moment.
    pub end: Unix,
    /// First price.
    pub open: Decimal,
    /// Highest price.
    pub high: Decimal,
    /// Lowest price.
    pub low: Decimal,
    /// Last price.
    pub close: Decimal,
    /// Units of the base asset traded.
    pub volume: Decimal,
    /// Units of the quote asset traded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quote_volume: Option<Decimal>,
    /// How many trades it holds.
    pub trades: u64,
    /// Whether it is final.
    pub closed: bool,
}

/// A perpetual's or future's mark price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MarkPrice {
    /// The mark price.
    pub price: Decimal,
    /// The index behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<Decimal>,
    /// Estimated settlement price.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settle: Option<Decimal>,
    /// Funding rate of the running period (a fraction, not percent).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub funding_rate: Option<Decimal>,
    /// When funding is next exchanged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_funding: Option<Unix>,
}

/// A plain price: average, reference, index or token price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Price {
    /// The price; absent where the venue says that there is none now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<Decimal>,
    /// The averaging interval, where there is one, for example `5m`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<Box<str>>,
}

/// A forced order (a sample: venues do not publish every one).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Liquidation {
    /// Side of the forced order.
    pub side: Side,
    /// Limit price of the order.
    pub price: Decimal,
    /// Average fill price.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub average: Option<Decimal>,
    /// Units ordered.
    pub size: Decimal,
    /// Units filled so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filled: Option<Decimal>,
    /// The venue's word for the order's state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Box<str>>,
}

/// One price level: `[price, size]`; sizes are absolute, zero removes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    /// The level's price.
    pub price: Decimal,
    /// Units resting there.
    pub size: Decimal,
}

impl Serialize for Level {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.price, self.size).serialize(serializer)
    }
}

/// How far a book can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BookState {
    /// Never synchronised yet.
    Syncing,
    /// Equal to the venue's book on the covered range.
    Live,
    /// Was live; continuity is broken and not yet restored.
    Stale,
    /// The top lies outside the range that a snapshot has covered, or the venue gives no way to check.
    Unverified,
}

/// Levels of a book: all of them in a snapshot, the changed ones in a delta.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Book {
    /// Bids first (best first in a snapshot), then asks (best first in a snapshot).
    pub levels: Box<[Level]>,
    /// How many of `levels` are bids.
    pub bids: u32,
    /// The venue's update id after this change.
    pub venue_id: Option<u64>,
    /// How far it can be trusted.
    pub state: BookState,
}

impl Book {
    /// The bid levels.
    pub fn bids(&self) -> &[Level] {
        self.levels.get(..self.bids as usize).unwrap_or(&[])
    }

    /// The ask levels.
    pub fn asks(&self) -> &[Level] {
        self.levels.get(self.bids as usize..).unwrap_or(&[])
    }
}

impl Serialize for Book {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut object = serializer.serialize_struct("Book", 4)?;
        object.serialize_field("bids", self.bids())?;
        object.serialize_field("asks", self.asks())?;
        if let Some(id) = self.venue_id {
            object.serialize_field("venue_id", &Text(id))?;
        }
        object.serialize_field("state", &self.state)?;
        object.end()
    }
}

struct Text(u64);

impl Serialize for Text {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// Identifiers travel as strings: they pass 2^53.
pub(crate) fn text<S: serde::Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

#[expect(clippy::ref_option, reason = "the signature is serde's")]
pub(crate) fn text_opt<S: serde::Serializer>(value: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => serializer.collect_str(value),
        None => serializer.serialize_none(),
    }
}
