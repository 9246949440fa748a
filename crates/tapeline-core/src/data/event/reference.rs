//! Facts about an instrument: may it trade, in which band, since when, and what the press says.

use serde::Serialize;

use super::text;
use crate::data::decimal::Decimal;
use crate::time::Unix;

/// Whether an instrument may be traded now. (How well a *topic* is served is another fact:
/// [`Status`](crate::data::update::Status).)
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Default)]
pub struct TradingStatus {
    /// What the code means; absent for codes that only inform.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<TradingState>,
    /// The venue's status code.
    pub code: Box<str>,
    /// The venue's words for the status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<Box<str>>,
    /// The venue's code for the reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason_code: Option<Box<str>>,
    /// The venue's words for the reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Box<str>>,
    /// The consolidated tape, in the venue's code: codes mean different things on different tapes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tape: Option<Box<str>>,
}

/// What a trading status amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TradingState {
    /// Open for trading.
    Trading,
    /// Orders may be quoted, trading has not resumed.
    Quoting,
    /// Paused because the price moved too far.
    Paused,
    /// Stopped.
    Halted,
    /// Outside its session.
    Closed,
}

/// The limit-up/limit-down band that trades must stay in.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Luld {
    /// No trade above this.
    pub upper: Decimal,
    /// No trade below this.
    pub lower: Decimal,
    /// The venue's code for what the band is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub indicator: Option<Box<str>>,
    /// The consolidated tape, in the venue's code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tape: Option<Box<str>>,
}

/// An imbalance of orders before an auction.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Imbalance {
    /// The price at which it is told.
    pub price: Decimal,
    /// The consolidated tape, in the venue's code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tape: Option<Box<str>>,
}

/// What a derivative contract is, and which stage of its life it is in.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Default)]
pub struct ContractInfo {
    /// What it is settled against.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pair: Option<Box<str>>,
    /// The venue's word for its kind, for example `PERPETUAL`.
    pub contract: Box<str>,
    /// The venue's word for its stage, for example `TRADING`.
    pub state: Box<str>,
    /// When it was or will be listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listed: Option<Unix>,
    /// When it is delivered; perpetuals carry a date far away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Unix>,
}

/// One article.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Default)]
pub struct News {
    /// The venue's id of the article.
    #[serde(serialize_with = "text")]
    pub id: u64,
    /// The headline.
    pub headline: Box<str>,
    /// A summary, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<Box<str>>,
    /// The text, possibly with markup: show it only after cleaning it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<Box<str>>,
    /// Who wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<Box<str>>,
    /// Who published it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Box<str>>,
    /// Where it can be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<Box<str>>,
    /// When it was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<Unix>,
    /// When it was last changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated: Option<Unix>,
    /// The symbols it is about, in the venue's words.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub symbols: Box<[Box<str>]>,
}
