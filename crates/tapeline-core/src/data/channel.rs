//! The kinds of data a topic can carry, and how each is delivered unless asked otherwise.

use std::fmt;

/// What a topic carries. The words are those of the topic grammar (`binance:trade:BTCUSDT`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the table below names and describes every channel in one place")]
pub enum Channel {
    Trade,
    AggTrade,
    BlockTrade,
    Liquidation,
    Transaction,
    Transfer,
    Logs,
    Program,
    Signature,
    Root,
    Listing,
    Pair,
    LargeTrade,
    Wallet,
    Meme,
    News,
    Order,
    Quote,
    Ticker,
    MiniTicker,
    Price,
    AvgPrice,
    ReferencePrice,
    MarkPrice,
    IndexPrice,
    ContractInfo,
    Account,
    Slot,
    Status,
    Luld,
    Imbalance,
    TokenStats,
    Balance,
    Book,
    Depth,
    Candle,
}

/// How the updates of a channel relate to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Each update stands alone and none may be dropped in silence.
    Event,
    /// The newest update replaces all earlier ones.
    State,
    /// State per price level.
    Book,
    /// The open candle is state, a closed one an event.
    Candle,
}

/// How a subscriber wants the updates of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// Every update, in order.
    Every,
    /// The newest state, merged while the consumer is busy or its interval runs.
    Conflate,
}

use Shape::{Book, Candle, Event, State};

const TABLE: &[(Channel, &str, Shape)] = &[
    (Channel::Trade, "trade", Event),
    (Channel::AggTrade, "agg_trade", Event),
    (Channel::BlockTrade, "block_trade", Event),
    (Channel::Liquidation, "liquidation", Event),
    (Channel::Transaction, "transaction", Event),
    (Channel::Transfer, "transfer", Event),
    (Channel::Logs, "logs", Event),
    (Channel::Program, "program", Event),
    (Channel::Signature, "signature", Event),
    (Channel::Root, "root", Event),
    (Channel::Listing, "listing", Event),
    (Channel::Pair, "pair", Event),
    (Channel::LargeTrade, "large_trade", Event),
    (Channel::Wallet, "wallet", Event),
    (Channel::Meme, "meme", Event),
    (Channel::News, "news", Event),
    (Channel::Order, "order", Event),
    (Channel::Quote, "quote", State),
    (Channel::Ticker, "ticker", State),
    (Channel::MiniTicker, "mini_ticker", State),
    (Channel::Price, "price", State),
    (Channel::AvgPrice, "avg_price", State),
    (Channel::ReferencePrice, "reference_price", State),
    (Channel::MarkPrice, "mark_price", State),
    (Channel::IndexPrice, "index_price", State),
    (Channel::ContractInfo, "contract_info", State),
    (Channel::Account, "account", State),
    (Channel::Slot, "slot", State),
    (Channel::Status, "status", State),
    (Channel::Luld, "luld", State),
    (Channel::Imbalance, "imbalance", State),
    (Channel::TokenStats, "token_stats", State),
    (Channel::Balance, "balance", State),
    (Channel::Book, "book", Book),
    (Channel::Depth, "depth", Book),
    (Channel::Candle, "candle", Candle),
];

impl Channel {
    /// Every channel, in the order of the table in the documentation.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|(channel, ..)| *channel)
    }

    /// The word used in topics.
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// How its updates relate to each other.
    pub fn shape(self) -> Shape {
        self.row().2
    }

    /// The delivery a subscriber gets without asking for one.
    pub fn default_delivery(self) -> Delivery {
        match self.shape() {
            Event => Delivery::Every,
            State | Book | Candle => Delivery::Conflate,
        }
    }

    /// The channel of a canonical word.
    pub fn from_name(name: &str) -> Option<Self> {
        TABLE.iter().find(|(_, word, _)| *word == name).map(|(channel, ..)| *channel)
    }

    fn row(self) -> &'static (Self, &'static str, Shape) {
        // The table has a row for every variant (tested below), in the order of declaration.
        &TABLE[self as usize]
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_channel_has_its_own_row() {
        for (index, (channel, name, shape)) in TABLE.iter().enumerate() {
            assert_eq!(*channel as usize, index, "{name} stands in the wrong row");
            assert_eq!(Channel::from_name(name), Some(*channel));
            assert_eq!(channel.shape(), *shape);
        }
        assert_eq!(TABLE.len(), Channel::Candle as usize + 1);
    }
}
