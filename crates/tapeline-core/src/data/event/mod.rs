//! The normalised events, one type per channel: exact decimals, nanosecond times, 64-bit identifiers.
//!
//! The serialised form of each type is the `data` object of the envelope: identifiers and times are
//! strings, decimals are strings, what is absent is left out.

use serde::Serialize;

mod book;
mod quote;
mod reference;
mod solana;
mod token;
mod trade;
mod user;

pub use book::{Book, BookState, Level};
pub use quote::{Candle, Component, IndexPrice, MarkPrice, MiniTicker, Price, Quote, Ticker};
pub use reference::{ContractInfo, Imbalance, Luld, News, TradingState, TradingStatus};
pub use solana::{
    Account, Change, Logs, Program, Root, Signature, SignatureStage, Slot, Transaction, Transfer,
};
pub use token::{
    LargeTrade, Leg, Listing, Meme, Pair, Swap, Token, TokenPrice, TokenStats, TokenWindow, Wallet,
};
pub use trade::{AggTrade, Cancel, CancelKind, Correction, Execution, Liquidation, Trade};
pub use user::{Balance, Fill, Order};

/// Which side took liquidity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The taker bought.
    Buy,
    /// The taker sold.
    Sell,
    /// The venue does not say.
    Unknown,
}

pub(crate) struct Text(pub(crate) u64);

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
