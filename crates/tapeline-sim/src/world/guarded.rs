//! A venue with a login, for tests: Binance's streams behind a door where a key must be shown, or behind a login by
//! message, which is Alpaca's.

use std::sync::LazyLock;
use std::time::Duration;

use serde_json::{Value, json};
use tapeline_core::data::topic::{Topic, TopicError};
use tapeline_core::policy::fault::Fault;
use tapeline_core::venue::{
    Change, DecodeError, Decoded, DialRequest, Fetch, Group, HttpReply, HttpRequest, Item, Keys, LineId,
    Login, Names, Profile, Refusal, Request, Route, Venue,
};
use tapeline_venues::binance::{Binance, Market};

/// How keys are shown to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// In the head of each upgrade.
    Head,
    /// By a message, which may be repeated with other keys.
    Message,
    /// By a message, once, on the only connection that there may be.
    Once,
}

impl Door {
    const ALL: [Self; 3] = [Self::Head, Self::Message, Self::Once];

    const fn login(self) -> Login {
        let patience = Duration::from_secs(90);
        match self {
            Self::Head => Login::AtTheDoor,
            Self::Message => Login::ByMessage { greets: true, again: true, patience },
            Self::Once => Login::ByMessage { greets: true, again: false, patience },
        }
    }
}

/// The groups of every market behind every door.
static GROUPS: LazyLock<Vec<(Market, Door, Vec<Group>)>> = LazyLock::new(|| {
    let all = Market::ALL.into_iter().flat_map(|market| Door::ALL.map(|door| (market, door)));
    let groups = |market, door: Door| {
        let guarded = |group: &Group| {
            let overlap = group.overlap && door != Door::Once;
            Group { login: door.login(), overlap, ..group.clone() }
        };
        Binance::new(market).profile().groups.iter().map(guarded).collect()
    };
    all.map(|(market, door)| (market, door, groups(market, door))).collect()
});

/// Binance's adapter, with a key for each connection.
#[derive(Debug)]
pub struct Guarded {
    inner: Binance,
    profile: Profile,
    door: Door,
}

impl Guarded {
    /// The venue of a market, behind a door.
    pub fn new(market: Market, door: Door) -> Self {
        let inner = Binance::new(market);
        let mut profile = inner.profile().clone();
        let own = GROUPS.iter().find(|(of, by, _)| (*of, *by) == (market, door));
        profile.groups = own.map_or(profile.groups, |(_, _, groups)| groups);
        Self { inner, profile, door }
    }
}

/// What a frame says of logins, if it is about them.
fn of_login(frame: &[u8]) -> Option<Item> {
    if !frame.starts_with(b"[{\"T\"") {
        return None;
    }
    let said = serde_json::from_slice::<Value>(frame).ok()?.get(0)?.clone();
    let words = said["msg"].as_str()?;
    match (said["T"].as_str()?, said["code"].as_u64()) {
        ("success", _) if words == "connected" => Some(Item::Greeting),
        ("success", _) if words == "authenticated" => Some(Item::LoggedIn { life: None }),
        ("error", Some(code)) => {
            let fault = if code == 406 { Fault::SLOWED } else { Fault::Authentication };
            Some(Item::LoginRefused { fault, reason: words.into() })
        }
        _ => None,
    }
}

impl Venue for Guarded {
    fn profile(&self) -> &Profile {
        &self.profile
    }

    fn canonical(&self, topic: Topic) -> Result<Topic, TopicError> {
        self.inner.canonical(topic)
    }

    fn route(&self, topic: &Topic) -> Result<Route, TopicError> {
        self.inner.route(topic)
    }

    fn dial(&self, group: u8, origin: &str, wanted: &[&str], keys: Option<&Keys>) -> DialRequest {
        let mut request = self.inner.dial(group, origin, wanted, keys);
        let shown = keys
            .filter(|_| self.door == Door::Head)
            .map(|keys| ("authorization".to_owned(), format!("Bearer {}", keys.secret)));
        request.headers.extend(shown);
        request.keyed = keys.is_some();
        request
    }

    fn login(&self, _group: u8, keys: &Keys) -> Option<String> {
        Some(json!({ "action": "auth", "key": keys.id, "secret": keys.secret }).to_string())
    }

    fn requests(&self, change: &Change<'_>, out: &mut Vec<Request>) {
        self.inner.requests(change, out);
    }

    fn period(&self, topic: &Topic) -> Option<Duration> {
        self.inner.period(topic)
    }

    fn decode(
        &self,
        line: LineId,
        frame: &[u8],
        names: &Names,
        out: &mut Decoded,
    ) -> Result<(), DecodeError> {
        if let Some(item) = of_login(frame) {
            out.items.push(item);
            return Ok(());
        }
        self.inner.decode(line, frame, names, out)
    }

    fn fetch(&self, why: Fetch, origin: &str, topic: &Topic) -> Option<HttpRequest> {
        self.inner.fetch(why, origin, topic)
    }

    fn decode_fetch(
        &self,
        why: Fetch,
        topic: &Topic,
        reply: &HttpReply<'_>,
        out: &mut Decoded,
    ) -> Result<(), Refusal> {
        self.inner.decode_fetch(why, topic, reply, out)
    }
}

/// The key that a request shows, as the venue reads it.
pub(super) fn shown(request: &DialRequest) -> Option<String> {
    let value = request.headers.iter().find(|(name, _)| name == "authorization");
    value.and_then(|(_, value)| value.strip_prefix("Bearer ")).map(str::to_owned)
}
