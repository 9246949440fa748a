//! Binance: spot and USD-M futures. Combined streams, one adapter for both markets.
//!
//! - `profile`: the facts
//! - `streams`: topics and the venue's names of streams
//! - `decode`: frames of the streams, in any spelling; `usual`: the commonest payloads as the venue writes them
//! - `control`: replies, errors, the shutdown notice
//! - `ticker`, `reference`, `array`: the payloads that come less often, alone or as arrays
//! - `fetch`: REST

mod array;
mod control;
mod decode;
#[cfg(test)]
mod differential;
mod fetch;
mod fields;
#[cfg(any(test, feature = "plain"))]
pub mod plain;
#[cfg(any(test, feature = "plain"))]
mod plain_rare;
mod profile;
mod reference;
mod streams;
mod ticker;
mod usual;

use std::time::Duration;

use tapeline_core::data::channel::Channel;
use tapeline_core::data::topic::{Topic, TopicError};
use tapeline_core::venue::{
    Change, DecodeError, Decoded, DialRequest, Fetch, HttpReply, HttpRequest, Keys, LineId, Names, Profile,
    Refusal, Request, Route, Venue,
};

/// Which of the venue's markets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Market {
    /// Spot.
    Spot,
    /// USD-margined futures.
    UsdM,
}

impl Market {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Spot, Self::UsdM];

    /// The venue id used in topics.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Spot => "binance",
            Self::UsdM => "binance-usdm",
        }
    }
}

/// The adapter of one market.
#[derive(Debug)]
pub struct Binance {
    market: Market,
}

impl Binance {
    /// The adapter of `market`.
    pub const fn new(market: Market) -> Self {
        Self { market }
    }
}

impl Venue for Binance {
    fn profile(&self) -> &Profile {
        profile::of(self.market)
    }

    fn canonical(&self, topic: Topic) -> Result<Topic, TopicError> {
        streams::canonical(self.market, topic)
    }

    fn route(&self, topic: &Topic) -> Result<Route, TopicError> {
        streams::route(self.market, topic)
    }

    fn dial(&self, group: u8, origin: &str, _wanted: &[&str], _keys: Option<&Keys>) -> DialRequest {
        let group = &self.profile().groups[usize::from(group)];
        DialRequest {
            // Combined mode: frames of partial depth can be attributed in no other. Subscriptions are sent
            // as requests, so that the URL stays the same however much is wanted.
            url: format!("{}{}", origin.trim_end_matches('/'), profile::path(self.market, group.name)),
            headers: Vec::new(),
            subprotocols: Vec::new(),
            deflate: group.deflate,
            max_message: group.max_message,
            keyed: false,
        }
    }

    fn requests(&self, change: &Change<'_>, out: &mut Vec<Request>) {
        let batch = self.profile().groups[usize::from(change.group)].batch;
        control::requests(change, batch, out);
    }

    fn period(&self, topic: &Topic) -> Option<Duration> {
        // Arrays are sent every second whatever happens; single symbols only on change, but for the mark price.
        let array = topic.is_all() && matches!(topic.channel(), Channel::Ticker | Channel::MiniTicker);
        (array || topic.channel() == Channel::MarkPrice).then_some(Duration::from_secs(1))
    }

    fn decode(
        &self,
        _line: LineId,
        frame: &[u8],
        names: &Names,
        out: &mut Decoded,
    ) -> Result<(), DecodeError> {
        decode::frame(self.market, frame, names, out)
    }

    fn fetch(&self, why: Fetch, origin: &str, topic: &Topic) -> Option<HttpRequest> {
        fetch::request(self.market, why, origin, topic)
    }

    fn decode_fetch(
        &self,
        why: Fetch,
        topic: &Topic,
        reply: &HttpReply<'_>,
        out: &mut Decoded,
    ) -> Result<(), Refusal> {
        fetch::reply(self.market, why, topic, reply, out)
    }
}
