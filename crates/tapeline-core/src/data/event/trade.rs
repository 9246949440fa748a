//! What was traded, and what was taken back afterwards.

use serde::Serialize;

use super::{Side, text};
use crate::data::decimal::Decimal;

/// One trade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
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

/// A trade that was reported wrongly, and what it should have been. Arrives in the trade topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(tag = "kind", rename = "correction")]
pub struct Correction {
    /// As it was reported.
    pub original: Execution,
    /// As it is right.
    pub corrected: Execution,
    /// The exchange that reported it, in the venue's code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exchange: Option<Box<str>>,
    /// The consolidated tape, in the venue's code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tape: Option<Box<str>>,
}

/// One reading of a trade inside a [`Correction`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Execution {
    /// The venue's trade id.
    #[serde(serialize_with = "text")]
    pub id: u64,
    /// Price per unit.
    pub price: Decimal,
    /// Units traded.
    pub size: Decimal,
    /// The venue's condition codes.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub conditions: Box<[Box<str>]>,
}

/// A trade that did not happen after all. Arrives in the trade topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Cancel {
    /// Whether it was taken back or had been reported in error.
    pub kind: CancelKind,
    /// The venue's id of the trade that is void.
    #[serde(serialize_with = "text")]
    pub id: u64,
    /// The void trade's price.
    pub price: Decimal,
    /// The void trade's size.
    pub size: Decimal,
    /// The exchange that reported it, in the venue's code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exchange: Option<Box<str>>,
    /// The consolidated tape, in the venue's code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tape: Option<Box<str>>,
}

/// Why a trade is void.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelKind {
    /// The parties or the exchange took it back.
    Cancel,
    /// It had been reported in error.
    Error,
}

/// A forced order (a sample: venues do not publish every one).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
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
