//! On-chain markets as a token data service sees them: prices, statistics, listings, swaps, wallets.

use serde::Serialize;

use super::Side;
use crate::data::decimal::Decimal;
use crate::time::Unix;

/// A token's price over all its pools.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Default)]
pub struct TokenPrice {
    /// The price in the topic's currency (US dollars unless it says otherwise).
    pub price: Decimal,
    /// The price in the chain's own coin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub native: Option<Decimal>,
    /// Change over 24 hours, in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change_percent: Option<Decimal>,
    /// What lies in the token's pools, in US dollars.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub liquidity: Option<Decimal>,
}

/// A token's statistics; venues send only what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Default)]
pub struct TokenStats {
    /// The price in US dollars.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<Decimal>,
    /// Circulating supply times price, in US dollars.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub market_cap: Option<Decimal>,
    /// Total supply times price, in US dollars.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fdv: Option<Decimal>,
    /// What lies in the token's pools, in US dollars.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub liquidity: Option<Decimal>,
    /// Units in circulation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub circulating_supply: Option<Decimal>,
    /// Units in existence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_supply: Option<Decimal>,
    /// When it was last traded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_trade: Option<Unix>,
    /// Figures by window, shortest first.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub windows: Box<[TokenWindow]>,
}

/// What happened to a token within one window.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Default)]
pub struct TokenWindow {
    /// The window in the venue's words, for example `30m`.
    pub interval: Box<str>,
    /// Volume in US dollars.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume: Option<Decimal>,
    /// Change of the price, in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change_percent: Option<Decimal>,
    /// How many trades.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trades: Option<u64>,
    /// How many of them bought the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub buys: Option<u64>,
    /// How many of them sold it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sells: Option<u64>,
    /// How many different wallets traded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wallets: Option<u64>,
}

/// A token, named.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Default)]
pub struct Token {
    /// Its address (on Solana the mint), in its exact case.
    pub address: Box<str>,
    /// Its ticker; anyone may have chosen any text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub symbol: Option<Box<str>>,
    /// Its name; anyone may have chosen any text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Box<str>>,
    /// Digits behind the point of one unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decimals: Option<u8>,
}

/// A token that can be traded for the first time.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Default)]
pub struct Listing {
    /// Which one.
    #[serde(flatten)]
    pub token: Token,
    /// What lies in its pools, in US dollars.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub liquidity: Option<Decimal>,
    /// When liquidity was added.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listed: Option<Unix>,
}

/// A new pool of two tokens.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Default)]
pub struct Pair {
    /// The pool's address.
    pub address: Box<str>,
    /// The pool's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Box<str>>,
    /// The program or exchange that holds it, in the venue's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Box<str>>,
    /// The token that is priced.
    pub base: Token,
    /// The token it is priced in.
    pub quote: Token,
    /// The transaction that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature: Option<Box<str>>,
    /// When it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<Unix>,
}

/// One side of a swap.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Default)]
pub struct Leg {
    /// What changed hands.
    #[serde(flatten)]
    pub token: Token,
    /// How much, in units of the token, never negative.
    pub amount: Decimal,
    /// The token's price in US dollars at that moment, as the venue saw it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<Decimal>,
}

/// An exchange of tokens in a pool, or a change of what lies in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Default)]
pub struct Swap {
    /// Whose wallet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<Box<str>>,
    /// The program or exchange, in the venue's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Box<str>>,
    /// The pool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pool: Option<Box<str>>,
    /// Whether the topic's token was bought or sold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub side: Option<Side>,
    /// What the owner gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sold: Option<Leg>,
    /// What the owner got.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bought: Option<Leg>,
    /// Its worth in US dollars.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_usd: Option<Decimal>,
}

/// A swap above the size that the topic asks for, anywhere on the chain.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Default)]
pub struct LargeTrade {
    /// The transaction. It may hold several swaps, so that it does not identify this one.
    pub signature: Box<str>,
    /// What was swapped.
    #[serde(flatten)]
    pub swap: Swap,
}

/// Something a watched wallet did.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Default)]
pub struct Wallet {
    /// The transaction.
    pub signature: Box<str>,
    /// The venue's word for it: `swap`, `mint_add_liquidity`, …
    pub kind: Box<str>,
    /// The block it stands in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block: Option<u64>,
    /// What was moved.
    #[serde(flatten)]
    pub swap: Swap,
}

/// A token that is being launched on a bonding curve.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Default)]
pub struct Meme {
    /// Which one.
    #[serde(flatten)]
    pub token: Token,
    /// The price in US dollars.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<Decimal>,
    /// What lies in its pools, in US dollars.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub liquidity: Option<Decimal>,
    /// Circulating supply times price, in US dollars.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub market_cap: Option<Decimal>,
    /// Total supply times price, in US dollars.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fdv: Option<Decimal>,
    /// The launch platform, in the venue's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Box<str>>,
    /// Who launched it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creator: Option<Box<str>>,
    /// The pool it trades in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pool: Option<Box<str>>,
    /// How far along the curve, in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress_percent: Option<Decimal>,
    /// Whether it has left the curve for an open pool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub graduated: Option<bool>,
}
