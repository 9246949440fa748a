//! What a venue is to the core: facts as data ([`Profile`]) and translation ([`Venue`]). No I/O.

mod decoded;
mod names;
mod profile;

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use foldhash::fast::FixedState;

use crate::data::topic::{Topic, TopicError};
use crate::policy::fault::Fault;
use crate::time::Unix;

pub use decoded::{DecodeError, Decoded, Item, Span};
pub use names::Names;
pub use profile::{BookRule, Chain, Confirm, Group, Login, Profile, Promise, Rate, RestLimit, Sequencing};

/// A hash map whose order and seed are the same in every run.
#[expect(clippy::disallowed_types, reason = "with a fixed seed its order is the same in every run")]
pub type Map<K, V> = std::collections::HashMap<K, V, FixedState>;

/// A topic inside one feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicId(pub u32);

/// One dial of one line. The slot stays over reconnects, the dial number does not, so that what an
/// old socket says late cannot be taken for the new one's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LineId {
    /// Which line of the feed.
    pub slot: u32,
    /// Which dial of that line.
    pub dial: u32,
}

impl fmt::Display for LineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.slot, self.dial)
    }
}

/// A venue's word for one stream.
pub type StreamName = Box<str>;

/// A venue, translated. Reused buffers live in [`Decoded`].
pub trait Venue: Send + Sync {
    /// The facts.
    fn profile(&self) -> &Profile;

    /// The one spelling of a topic that this venue knows it by (`btcusdt`, `BTC/USDT` → `BTCUSDT`).
    ///
    /// # Errors
    /// [`TopicError::NotOffered`] with what to ask for instead.
    fn canonical(&self, topic: Topic) -> Result<Topic, TopicError>;

    /// Which group of lines carries a canonical topic, and as which stream.
    ///
    /// # Errors
    /// [`TopicError::NotOffered`] with what to ask for instead.
    fn route(&self, topic: &Topic) -> Result<Route, TopicError>;

    /// How to dial a line of `group` at the streams origin `origin` that shall carry `wanted`.
    fn dial(&self, group: u8, origin: &str, wanted: &[&str], keys: Option<&Keys>) -> DialRequest;

    /// The message that shows keys on an open line of `group`, where the profile says that keys are shown so.
    fn login(&self, _group: u8, _keys: &Keys) -> Option<String> {
        None
    }

    /// The frames that tell the venue about a change of what is wanted on one line, each at most as
    /// large as the profile's batch.
    fn requests(&self, change: &Change<'_>, out: &mut Vec<Request>);

    /// How often a topic is *always* sent; `None` where silence means nothing. A venue overrides this
    /// where one channel holds both kinds (an all-symbols array is periodic, one symbol's stream is not).
    fn period(&self, topic: &Topic) -> Option<Duration> {
        self.profile().promise(topic.channel()).and_then(|promise| promise.period)
    }

    /// Translates one frame. What the venue says is put into `out`; unknown fields are ignored.
    ///
    /// # Errors
    /// [`DecodeError`] for a frame that is not what the venue promises; nothing of it is published.
    fn decode(&self, line: LineId, frame: &[u8], names: &Names, out: &mut Decoded)
    -> Result<(), DecodeError>;

    /// The request for a snapshot, a poll or a backfill at the REST origin `origin`; `None` where the venue offers
    /// none (without a key).
    fn fetch(&self, why: Fetch, origin: &str, topic: &Topic) -> Option<HttpRequest>;

    /// Translates the reply. Runs on the fetch's own task: bodies can hold thousands of levels.
    ///
    /// # Errors
    /// [`Refusal`] with the class of the failure, for statuses other than 2xx and for bad bodies.
    fn decode_fetch(
        &self,
        why: Fetch,
        topic: &Topic,
        reply: &HttpReply<'_>,
        out: &mut Decoded,
    ) -> Result<(), Refusal>;
}

/// Where a topic comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Index into [`Profile::groups`].
    pub group: u8,
    /// The venue's name of the stream.
    pub stream: StreamName,
}

/// Secrets towards a venue; printing them shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    /// The key's public half.
    pub id: String,
    /// The secret half.
    pub secret: String,
    /// How much longer the venue takes them, if that is known; counted from when the feed is told.
    pub life: Option<Duration>,
}

impl Keys {
    /// Keys that end nobody knows when.
    pub fn new(id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self { id: id.into(), secret: secret.into(), life: None }
    }

    /// The same, taken for so long.
    pub fn lasting(self, life: Duration) -> Self {
        Self { life: Some(life), ..self }
    }

    /// Whether the venue would take them for the same, however long they last.
    pub fn are(&self, other: &Self) -> bool {
        self.id == other.id && self.secret == other.secret
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(…)")
    }
}

/// What to dial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DialRequest {
    /// `ws://` or `wss://` URL. May hold a key: print it only through [`redacted`].
    pub url: String,
    /// Extra headers of the upgrade.
    pub headers: Vec<(String, String)>,
    /// Subprotocols to offer; the venue must choose one of them if any is given.
    pub subprotocols: Vec<String>,
    /// Whether to offer permessage-deflate.
    pub deflate: bool,
    /// Messages larger than this close the line.
    pub max_message: usize,
    /// Whether keys are shown in it, or will be on the open connection: a 403 may be about them only then.
    pub keyed: bool,
}

/// A URL without its query and user parts, fit for logs.
pub fn redacted(url: &str) -> Cow<'_, str> {
    let end = url.find('?').unwrap_or(url.len());
    let shown = &url[..end];
    let Some((scheme, rest)) = shown.split_once("://") else { return Cow::Borrowed(shown) };
    let authority = rest.split('/').next().unwrap_or("");
    match authority.rsplit_once('@') {
        Some((_, host)) => Cow::Owned(format!("{scheme}://{host}{}", &rest[authority.len()..])),
        None => Cow::Borrowed(shown),
    }
}

/// A change of what is wanted on one line.
#[derive(Debug)]
pub struct Change<'a> {
    /// The line's group.
    pub group: u8,
    /// Streams to subscribe.
    pub added: &'a [&'a str],
    /// Streams to leave.
    pub removed: &'a [&'a str],
    /// Everything wanted after the change, for venues that must be told the whole set.
    pub wanted: &'a [&'a str],
    /// The first request id that may be used; ids rise by one per request.
    pub first_id: u64,
}

/// One frame to send, and what it asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The id by which the venue will answer.
    pub id: u64,
    /// The text frame.
    pub text: String,
    /// Streams it subscribes.
    pub added: Vec<StreamName>,
    /// Streams it leaves.
    pub removed: Vec<StreamName>,
}

/// Why something is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fetch {
    /// A book's starting point.
    Snapshot,
    /// Events that were missed, by their ids, both ends included. One reply may hold fewer: then the rest is asked
    /// for again. The reply's items are [`Item::Market`] (and [`Item::Spent`]), in the order of their ids.
    Backfill {
        /// The first id missed.
        from: u64,
        /// The last id missed.
        to: u64,
    },
    /// What is new, while nothing can be streamed: of a state the newest, of events those after `after` (the latest
    /// ones if nothing is known), of a book the whole book as [`Item::Levels`].
    Poll {
        /// The last id delivered, where the topic has ids; of candles when the last that is closed began, in
        /// milliseconds of Unix time. The reply begins with that one, so that it is seen that none is left out.
        after: Option<u64>,
    },
}

/// A REST request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// `http://` or `https://` URL. May hold a key: print it only through [`redacted`].
    pub url: String,
    /// Extra headers.
    pub headers: Vec<(String, String)>,
    /// What it costs of the REST budget.
    pub weight: u32,
    /// Replies larger than this (decompressed) are refused.
    pub max_body: usize,
    /// From start to the last byte.
    pub timeout: Duration,
}

/// A REST reply.
#[derive(Debug, Clone, Copy)]
pub struct HttpReply<'a> {
    /// The HTTP status.
    pub status: u16,
    /// Header names in lower case, and values.
    pub headers: &'a [(String, String)],
    /// The body, decompressed.
    pub body: &'a [u8],
    /// The wall clock at arrival, for HTTP dates.
    pub now: Unix,
}

impl HttpReply<'_> {
    /// The value of one header; `name` in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// A reply that is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The class of the failure.
    pub fault: Fault,
    /// What the venue said, at most 200 bytes.
    pub detail: String,
    /// How much of the REST budget the venue counts as used in the running window, if it says.
    pub used: Option<u32>,
    /// There was a reply, and we panicked over it: nobody's fault but ours.
    pub panicked: bool,
}

impl Refusal {
    /// A refusal that says nothing about the budget.
    pub fn new(fault: Fault, detail: impl Into<String>) -> Self {
        Self { fault, detail: detail.into(), used: None, panicked: false }
    }

    /// The translation of the reply panicked.
    pub fn panic() -> Self {
        Self { panicked: true, ..Self::new(Fault::Local, "the translation of the reply panicked") }
    }
}
