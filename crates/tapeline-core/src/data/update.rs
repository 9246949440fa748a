//! Updates: what subscribers receive. One update is made once and shared by the log and all readers.

mod size;

use std::fmt;
use std::sync::{Arc, OnceLock};

use serde::Serialize;

use super::event::{
    Account, AggTrade, Balance, Book, Cancel, Candle, ContractInfo, Correction, Imbalance, IndexPrice,
    LargeTrade, Liquidation, Listing, Logs, Luld, MarkPrice, Meme, MiniTicker, News, Order, Pair, Price,
    Program, Quote, Root, Signature, Slot, Ticker, TokenPrice, TokenStats, Trade, TradingStatus, Transaction,
    Transfer, Wallet, text,
};
use super::topic::Topic;
use crate::time::Unix;

/// A stretch of unbroken continuity of one topic: 128 random bits, written as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Epoch {
    // Two halves, so that an update is aligned, and allocated, like any other small thing.
    high: u64,
    low: u64,
}

impl Epoch {
    /// The epoch of these bits.
    pub const fn new(bits: u128) -> Self {
        Self { high: (bits >> 64) as u64, low: bits as u64 }
    }

    /// Its bits.
    pub const fn bits(self) -> u128 {
        ((self.high as u128) << 64) | self.low as u128
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.bits())
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Epoch {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl std::str::FromStr for Epoch {
    type Err = std::num::ParseIntError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u128::from_str_radix(text, 16).map(Self::new)
    }
}

/// A place in a topic's history, from which a reader can resume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Position {
    /// The stretch of continuity.
    pub epoch: Epoch,
    /// The last offset seen in it; 0 = none yet.
    pub offset: u64,
}

/// What an update is to its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The whole state.
    Snapshot,
    /// A change of state: the full newest state, or a book's changed levels.
    Delta,
    /// Something that happened.
    Event,
    /// Declared loss.
    Gap,
    /// A change in how well the topic is served.
    Status,
    /// Nothing new; says which offset the reader should have.
    Tick,
}

impl Kind {
    /// Whether an update of this kind takes an offset of its own.
    pub const fn consumes_offset(self) -> bool {
        matches!(self, Self::Delta | Self::Event | Self::Gap)
    }
}

/// Where data came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A streaming line.
    Live,
    /// REST polling.
    Poll,
    /// Fetched to fill a gap.
    Repair,
    /// Held from before; see its age.
    Cache,
}

/// Where something was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GapKind {
    /// Between the venue and us: `from` and `to` are the venue's ids.
    Venue,
    /// Between us and this reader: `from` and `to` are our offsets.
    Delivery,
}

/// A declared loss: everything from `from` to `to`, both included.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Gap {
    /// Where it was lost.
    pub kind: GapKind,
    /// First id or offset missing.
    #[serde(serialize_with = "text")]
    pub from: u64,
    /// Last id or offset missing.
    #[serde(serialize_with = "text")]
    pub to: u64,
    /// Why.
    pub reason: Box<str>,
}

/// How well a topic is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As promised.
    #[default]
    Healthy,
    /// Something is off; nothing is lost.
    Warning,
    /// Worse than promised.
    Degraded,
    /// Hardly of use.
    Unhealthy,
    /// Not served, or only from memory.
    Critical,
}

/// The in-band status of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Status {
    /// How well.
    pub level: Level,
    /// What the topic's line does, in the words of its phases (`live`, `waiting`, `halted`, …).
    pub phase: &'static str,
    /// Where its data comes from now.
    pub source: Source,
    /// Why it is so.
    pub reason: Box<str>,
    /// Since when.
    pub since: Unix,
}

/// The content of an update.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(untagged)]
#[expect(missing_docs, reason = "each variant holds the type of the same name, documented there")]
pub enum Data {
    Trade(Trade),
    AggTrade(AggTrade),
    Quote(Quote),
    Book(Book),
    Ticker(Box<Ticker>),
    Candle(Box<Candle>),
    MarkPrice(Box<MarkPrice>),
    Price(Price),
    Liquidation(Box<Liquidation>),
    Correction(Box<Correction>),
    Cancel(Box<Cancel>),
    MiniTicker(Box<MiniTicker>),
    IndexPrice(Box<IndexPrice>),
    TradingStatus(Box<TradingStatus>),
    Luld(Box<Luld>),
    Imbalance(Imbalance),
    ContractInfo(Box<ContractInfo>),
    News(Box<News>),
    TokenPrice(Box<TokenPrice>),
    TokenStats(Box<TokenStats>),
    Listing(Box<Listing>),
    Pair(Box<Pair>),
    LargeTrade(Box<LargeTrade>),
    Wallet(Box<Wallet>),
    Meme(Box<Meme>),
    Transaction(Box<Transaction>),
    Transfer(Box<Transfer>),
    Account(Box<Account>),
    Program(Box<Program>),
    Logs(Box<Logs>),
    Slot(Slot),
    Root(Root),
    Signature(Box<Signature>),
    Order(Box<Order>),
    Balance(Box<Balance>),
    Gap(Box<Gap>),
    Status(Box<Status>),
    /// By symbol: the topics of a venue's arrays (`!all`).
    Keyed(Box<Keyed>),
    /// Nothing (a tick).
    Empty {},
}

/// Data by symbol; serialised as an object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Keyed(pub Vec<(Box<str>, Data)>);

impl Serialize for Keyed {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, data)| (key, data)))
    }
}

/// One update of one topic. Made once, shared by everyone.
#[derive(Debug)]
pub struct Update {
    /// Whose update it is.
    pub topic: Topic,
    /// The stretch of continuity.
    pub epoch: Epoch,
    /// Its offset; for snapshots, status and ticks the last one consumed.
    pub offset: u64,
    /// What it is to its reader.
    pub kind: Kind,
    /// Where it came from.
    pub source: Source,
    /// It fills a gap that had been declared, or is a candle that has closed before the one that is shown.
    pub late: bool,
    /// How many updates this one stands for, if more than itself.
    pub merged: u32,
    /// The venue's time: of the transaction if it gives one, else of the event.
    pub time: Option<Unix>,
    /// When we received it.
    pub received: Unix,
    /// The content.
    pub data: Data,
    /// The JSON envelope, made when first asked for.
    pub(crate) json: OnceLock<Box<str>>,
}

/// A shared update.
pub type Shared = Arc<Update>;

impl Update {
    /// The JSON envelope of this update, encoded once.
    pub fn json(&self) -> &str {
        self.json.get_or_init(|| crate::wire::json::encode(self).into_boxed_str())
    }

    /// An update of a live stream, at `at` (for those that take none: behind what has been given); the venue says no
    /// time of it.
    pub fn new(topic: Topic, at: Position, kind: Kind, received: Unix, data: Data) -> Self {
        let Position { epoch, offset } = at;
        let (source, late, merged, time) = (Source::Live, false, 0, None);
        let json = OnceLock::new();
        Self { topic, epoch, offset, kind, source, late, merged, time, received, data, json }
    }

    /// The same content, told as something else at another offset: the newest state as a snapshot, say.
    #[must_use]
    pub fn restated(&self, kind: Kind, offset: u64) -> Self {
        Self {
            topic: self.topic.clone(),
            epoch: self.epoch,
            offset,
            kind,
            source: self.source,
            late: self.late,
            merged: 0,
            time: self.time,
            received: self.received,
            data: self.data.clone(),
            json: OnceLock::new(),
        }
    }
}
