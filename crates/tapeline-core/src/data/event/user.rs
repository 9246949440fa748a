//! What concerns one user's account at a venue: orders and balances.

use serde::Serialize;

use super::{Side, text_opt};
use crate::data::decimal::Decimal;
use crate::time::Unix;

/// A change of one of the user's orders.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Order {
    /// The venue's order id; some venues use numbers, some words.
    pub id: Box<str>,
    /// The id that the user gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<Box<str>>,
    /// The instrument in the venue's words.
    pub symbol: Box<str>,
    /// Buy or sell.
    pub side: Side,
    /// The venue's word for its kind, for example `LIMIT`.
    pub kind: Box<str>,
    /// The venue's word for its state, for example `FILLED`.
    pub state: Box<str>,
    /// Limit price, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<Decimal>,
    /// Units ordered; absent for orders by value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<Decimal>,
    /// Units filled so far.
    pub filled: Decimal,
    /// Average price of what was filled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub average: Option<Decimal>,
    /// The fill that caused this change, if one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fill: Option<Fill>,
    /// Why the venue refused or ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Box<str>>,
    /// When it was placed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<Unix>,
}

/// One execution of an order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Fill {
    /// The venue's trade id.
    #[serde(serialize_with = "text_opt", skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    /// Price per unit.
    pub price: Decimal,
    /// Units.
    pub size: Decimal,
    /// What the venue charged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fee: Option<Decimal>,
    /// In which asset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fee_asset: Option<Box<str>>,
    /// Whether the user's order rested in the book.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maker: Option<bool>,
}

/// What the user holds of one asset.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Balance {
    /// Which asset.
    pub asset: Box<str>,
    /// Units at the user's disposal.
    pub free: Decimal,
    /// Units bound in orders.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locked: Option<Decimal>,
}
