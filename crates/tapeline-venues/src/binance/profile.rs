//! What is true of Binance, as data. Sources: the venue's documentation of web socket streams, REST and
//! errors, and of USD-M futures, as of July 2026.

use std::time::Duration;

use tapeline_core::data::channel::Channel;
use tapeline_core::venue::{
    BookRule, Chain, Confirm, Group, Login, Profile, Promise, Rate, RestLimit, Sequencing,
};

use super::Market;

/// The facts of one market.
pub(super) fn of(market: Market) -> &'static Profile {
    match market {
        Market::Spot => &SPOT,
        Market::UsdM => &USDM,
    }
}

/// The path of combined streams of a group. USD-M streams live on two bases since April 2026; a stream on
/// the wrong one is acknowledged and never sent.
pub(super) fn path(market: Market, group: &str) -> &'static str {
    match (market, group) {
        (Market::Spot, _) => "/stream",
        (Market::UsdM, "public") => "/public/stream",
        (Market::UsdM, _) => "/market/stream",
    }
}

/// Group numbers.
pub(super) const SPOT_STREAM: u8 = 0;
pub(super) const USDM_PUBLIC: u8 = 0;
pub(super) const USDM_MARKET: u8 = 1;

/// A whole-market array takes several megabytes.
const MAX_MESSAGE: usize = 5 << 20;
/// Connections end after a day.
const LIFETIME: Duration = Duration::from_hours(24);
/// New connections per address.
const DIALS: Rate = Rate { count: 300, per: Duration::from_mins(5) };
/// Control messages, pings and pongs together, in a rolling window. USD-M documents ten, but has been
/// measured to close at five.
const MESSAGES: Rate = Rate { count: 5, per: Duration::from_secs(1) };
/// Streams named in one request. The request stays near two kilobytes; the venue states no bound.
const BATCH: usize = 100;

const fn group(name: &'static str, streams_per_line: usize) -> Group {
    Group {
        name,
        streams_per_line,
        batch: BATCH,
        messages: MESSAGES,
        confirm: Confirm::ByRequest,
        lifetime: Some(LIFETIME),
        overlap: true,
        max_message: MAX_MESSAGE,
        deflate: true,
        login: Login::AtTheDoor,
    }
}

const fn promise(channel: Channel, sequence: Sequencing) -> Promise {
    Promise { channel, sequence, period: None }
}

static SPOT: Profile = Profile {
    id: Market::Spot.id(),
    streams: &[
        "wss://stream.binance.com:9443",
        "wss://stream.binance.com:443",
        "wss://data-stream.binance.vision",
    ],
    rest: &["https://api.binance.com", "https://api-gcp.binance.com", "https://data-api.binance.vision"],
    groups: &[group("stream", 1_024)],
    channels: &[
        promise(Channel::Trade, Sequencing::Contiguous),
        promise(Channel::AggTrade, Sequencing::Contiguous),
        // The venue says nothing about holes in the ids of block trades.
        promise(Channel::BlockTrade, Sequencing::Rising),
        promise(Channel::Quote, Sequencing::Rising),
        promise(Channel::Ticker, Sequencing::None),
        promise(Channel::MiniTicker, Sequencing::None),
        promise(Channel::AvgPrice, Sequencing::None),
        promise(Channel::ReferencePrice, Sequencing::None),
        promise(Channel::Book, Sequencing::Book),
        promise(Channel::Depth, Sequencing::Rising),
        promise(Channel::Candle, Sequencing::None),
    ],
    book: Some(BookRule { chain: Chain::Contiguous, snapshot_levels: super::fetch::SNAPSHOT_LEVELS }),
    rest_limit: RestLimit { weight: 6_000, per: Duration::from_mins(1) },
    dials: DIALS,
};

static USDM: Profile = Profile {
    id: Market::UsdM.id(),
    streams: &["wss://fstream.binance.com"],
    rest: &["https://fapi.binance.com"],
    // 1,024 streams are documented, but clients have been refused beyond 200.
    groups: &[group("public", 200), group("market", 200)],
    channels: &[
        promise(Channel::Trade, Sequencing::Contiguous),
        promise(Channel::AggTrade, Sequencing::Contiguous),
        promise(Channel::Liquidation, Sequencing::None),
        promise(Channel::Quote, Sequencing::Rising),
        promise(Channel::Ticker, Sequencing::None),
        promise(Channel::MiniTicker, Sequencing::None),
        Promise {
            channel: Channel::MarkPrice,
            sequence: Sequencing::None,
            period: Some(Duration::from_secs(1)),
        },
        promise(Channel::ContractInfo, Sequencing::None),
        promise(Channel::Book, Sequencing::Book),
        promise(Channel::Depth, Sequencing::Rising),
        promise(Channel::Candle, Sequencing::None),
    ],
    book: Some(BookRule { chain: Chain::Linked, snapshot_levels: super::fetch::SNAPSHOT_LEVELS }),
    rest_limit: RestLimit { weight: 2_400, per: Duration::from_mins(1) },
    dials: DIALS,
};
