//! Prices as state: the best quote, rolling statistics, bars, and plain prices.

use serde::Serialize;

use super::text_opt;
use crate::data::decimal::Decimal;
use crate::time::Unix;

/// The best bid and ask.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Default)]
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

/// The short form of [`Ticker`], as venues send it for all symbols at once.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Default)]
pub struct MiniTicker {
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
}

/// One bar.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Price {
    /// The price; absent where the venue says that there is none now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<Decimal>,
    /// The averaging interval, where there is one, for example `5m`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<Box<str>>,
}

/// An index, and what it is made of where the venue says so.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Default)]
pub struct IndexPrice {
    /// The index.
    pub price: Decimal,
    /// Its parts; empty where the venue does not list them.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub components: Box<[Component]>,
}

/// One part of an index.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Component {
    /// The part's symbol in the venue's words.
    pub symbol: Box<str>,
    /// Its price.
    pub price: Decimal,
    /// Its share of the index, a fraction of 1.
    pub weight: Decimal,
}
