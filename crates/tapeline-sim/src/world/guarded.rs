//! A venue with a login, for tests: Binance's streams behind a door where a key must be shown.

use std::time::Duration;

use tapeline_core::data::topic::{Topic, TopicError};
use tapeline_core::venue::{
    Change, DecodeError, Decoded, DialRequest, Fetch, HttpReply, HttpRequest, Keys, LineId, Names, Profile,
    Refusal, Request, Route, Venue,
};
use tapeline_venues::binance::{Binance, Market};

/// Binance's adapter, with a key in the head of each upgrade.
#[derive(Debug)]
pub struct Guarded(Binance);

impl Guarded {
    /// The venue of a market, behind a door.
    pub fn new(market: Market) -> Self {
        Self(Binance::new(market))
    }
}

impl Venue for Guarded {
    fn profile(&self) -> &Profile {
        self.0.profile()
    }

    fn canonical(&self, topic: Topic) -> Result<Topic, TopicError> {
        self.0.canonical(topic)
    }

    fn route(&self, topic: &Topic) -> Result<Route, TopicError> {
        self.0.route(topic)
    }

    fn dial(&self, group: u8, origin: &str, wanted: &[&str], keys: Option<&Keys>) -> DialRequest {
        let mut request = self.0.dial(group, origin, wanted, keys);
        let shown = keys.map(|keys| ("authorization".to_owned(), format!("Bearer {}", keys.secret)));
        request.headers.extend(shown);
        request
    }

    fn requests(&self, change: &Change<'_>, out: &mut Vec<Request>) {
        self.0.requests(change, out);
    }

    fn period(&self, topic: &Topic) -> Option<Duration> {
        self.0.period(topic)
    }

    fn decode(
        &self,
        line: LineId,
        frame: &[u8],
        names: &Names,
        out: &mut Decoded,
    ) -> Result<(), DecodeError> {
        self.0.decode(line, frame, names, out)
    }

    fn fetch(&self, why: Fetch, origin: &str, topic: &Topic) -> Option<HttpRequest> {
        self.0.fetch(why, origin, topic)
    }

    fn decode_fetch(
        &self,
        why: Fetch,
        topic: &Topic,
        reply: &HttpReply<'_>,
        out: &mut Decoded,
    ) -> Result<(), Refusal> {
        self.0.decode_fetch(why, topic, reply, out)
    }
}

/// The key that a request shows, as the venue reads it.
pub(super) fn shown(request: &DialRequest) -> Option<String> {
    let value = request.headers.iter().find(|(name, _)| name == "authorization");
    value.and_then(|(_, value)| value.strip_prefix("Bearer ")).map(str::to_owned)
}
