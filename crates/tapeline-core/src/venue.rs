//! What a venue is to the core: facts as data ([`Profile`]) and translation ([`Venue`]). No I/O.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::time::Duration;

use foldhash::fast::FixedState;

use crate::data::channel::Channel;
use crate::data::event::Level;
use crate::data::topic::{Topic, TopicError};
use crate::data::update::Data;
use crate::policy::fault::Fault;
use crate::time::{Mono, Unix};

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

    /// The request for a snapshot, a poll or a backfill at the REST origin `origin`.
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

/// What is true of a venue, as data.
#[derive(Debug, Clone)]
pub struct Profile {
    /// The id used in topics and settings.
    pub id: &'static str,
    /// Default streams origins, best first.
    pub streams: &'static [&'static str],
    /// Default REST origins, best first.
    pub rest: &'static [&'static str],
    /// Kinds of lines.
    pub groups: &'static [Group],
    /// What each channel promises.
    pub channels: &'static [Promise],
    /// How books are kept right; `None` where the venue has no verifiable book.
    pub book: Option<BookRule>,
    /// The REST budget.
    pub rest_limit: RestLimit,
    /// New connections allowed per window and address.
    pub dials: Rate,
}

impl Profile {
    /// What the venue promises of a channel.
    pub fn promise(&self, channel: Channel) -> Option<&Promise> {
        self.channels.iter().find(|promise| promise.channel == channel)
    }
}

/// A kind of line: its own endpoints, limits and keepalive.
#[derive(Debug, Clone)]
pub struct Group {
    /// Its name, for example `public`.
    pub name: &'static str,
    /// Streams that one connection may carry.
    pub streams_per_line: usize,
    /// Streams named in one request at most.
    pub batch: usize,
    /// Messages we may send, pongs included.
    pub messages: Rate,
    /// How subscriptions are confirmed.
    pub confirm: Confirm,
    /// After how long the venue cuts every connection.
    pub lifetime: Option<Duration>,
    /// Whether a second connection may be opened while the first still runs.
    pub overlap: bool,
    /// The largest message expected, in bytes.
    pub max_message: usize,
    /// Whether to offer permessage-deflate.
    pub deflate: bool,
    /// Whether a login must be accepted before subscriptions are sent.
    pub login: bool,
}

/// At most `count` in any window of length `per`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// In how long.
    pub per: Duration,
}

/// How a venue confirms a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirm {
    /// A reply with our request id.
    ByRequest,
    /// An echo of the whole state.
    ByState,
    /// Nothing; the first data proves it.
    ByData,
}

/// What a venue promises of one channel.
#[derive(Debug, Clone, Copy)]
pub struct Promise {
    /// Which channel.
    pub channel: Channel,
    /// How its events follow each other.
    pub sequence: Sequencing,
    /// For channels that *always* send: how often. `None` = only on change, so silence means nothing.
    pub period: Option<Duration>,
}

/// How the events of a topic follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sequencing {
    /// Ids rise by exactly one: a jump is a gap.
    Contiguous,
    /// Ids rise, with holes: only repeats and regressions can be seen.
    Rising,
    /// The book's own rule ([`BookRule`]).
    Book,
    /// No ids; order by venue time where there is one.
    None,
}

/// How a venue's book deltas chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chain {
    /// `first` = previous `last` + 1 (Binance spot). The first delta after snapshot L has
    /// `first ≤ L+1 ≤ last`.
    Contiguous,
    /// `previous` = previous `last`; ids have holes (Binance USD-M). The first delta after snapshot L
    /// has `previous ≤ L < last`, or `first ≤ L ≤ last`.
    Linked,
}

/// How books are kept right.
#[derive(Debug, Clone, Copy)]
pub struct BookRule {
    /// How deltas chain.
    pub chain: Chain,
    /// Levels a side that a snapshot holds at most; fewer means that it holds the whole side.
    pub snapshot_levels: usize,
}

/// The REST budget: `weight` per clock-aligned window.
#[derive(Debug, Clone, Copy)]
pub struct RestLimit {
    /// Weight allowed per window.
    pub weight: u32,
    /// The window; it starts at multiples of itself on the wall clock.
    pub per: Duration,
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
#[derive(Clone)]
pub struct Keys {
    /// The key's public half.
    pub id: String,
    /// The secret half.
    pub secret: String,
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
}

/// Why a frame could not be translated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not the syntax of the venue (truncated, not JSON, two values, bad UTF-8).
    #[error("syntax: {0}")]
    Syntax(&'static str),
    /// A field that must be there is not.
    #[error("field `{0}` is missing")]
    Missing(&'static str),
    /// A field holds what it must not hold.
    #[error("field `{field}`: expected {expected}")]
    Field {
        /// The field's path.
        field: &'static str,
        /// What should stand there.
        expected: &'static str,
    },
    /// An event this adapter does not know. Counted apart; not a fault of the venue.
    #[error("unknown event `{0}`")]
    Unknown(String),
}

impl DecodeError {
    /// The word for counters.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Syntax(_) => "syntax",
            Self::Missing(_) => "missing_field",
            Self::Field { .. } => "bad_field",
            Self::Unknown(_) => "unknown_event",
        }
    }
}

/// Which topic a stream name (or the venue's handle) belongs to, on one line.
#[derive(Debug, Default)]
pub struct Names {
    by_name: Map<Box<[u8]>, TopicId>,
    by_handle: Map<u64, TopicId>,
}

impl Names {
    /// The topic of a stream; `None` for one just dropped, which is normal, not an error.
    pub fn get(&self, stream: &[u8]) -> Option<TopicId> {
        self.by_name.get(stream).copied()
    }

    /// The topic of a venue's handle.
    pub fn by_handle(&self, handle: u64) -> Option<TopicId> {
        self.by_handle.get(&handle).copied()
    }

    /// Makes a stream known.
    pub fn insert(&mut self, stream: &str, topic: TopicId) {
        self.by_name.insert(stream.as_bytes().into(), topic);
    }

    /// Makes a handle known.
    pub fn insert_handle(&mut self, handle: u64, topic: TopicId) {
        self.by_handle.insert(handle, topic);
    }

    /// Forgets a stream and its handles.
    pub fn remove(&mut self, stream: &str) {
        if let Some(topic) = self.by_name.remove(stream.as_bytes()) {
            self.by_handle.retain(|_, held| *held != topic);
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.by_name.clear();
        self.by_handle.clear();
    }
}

/// What a frame or a reply said. Reused: no allocation per frame once warm.
#[derive(Debug, Default)]
pub struct Decoded {
    /// In the order of the frame.
    pub items: Vec<Item>,
    /// Price levels that depth items refer to.
    pub levels: Vec<Level>,
    /// The last delivered id by topic, kept by the feed, for [`Decoded::wants`].
    pub(crate) seen: Vec<u64>,
    /// Copies that [`Decoded::wants`] refused since the feed last looked.
    pub(crate) refused: u32,
}

/// One thing a venue said.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// A market event of one topic.
    Market {
        /// Whose.
        topic: TopicId,
        /// The venue's id, by the channel's [`Sequencing`]; 0 where it has none.
        id: u64,
        /// The venue's time.
        time: Option<Unix>,
        /// The event.
        data: Data,
    },
    /// Ids that were spent without an event: they count as received, nothing is delivered.
    Spent {
        /// Whose.
        topic: TopicId,
        /// The id.
        id: u64,
    },
    /// Changed levels of a book. `levels` indexes [`Decoded::levels`]: bids, then asks.
    Depth {
        /// Whose.
        topic: TopicId,
        /// The venue's time.
        time: Option<Unix>,
        /// The ids covered and how they chain.
        span: Span,
        /// Bids, then asks.
        levels: Range<u32>,
        /// How many of them are bids.
        bids: u32,
    },
    /// A whole book (a REST snapshot, or a partial-depth frame).
    Levels {
        /// Whose; ignored in replies, which belong to the topic asked for.
        topic: TopicId,
        /// The venue's time.
        time: Option<Unix>,
        /// The update id of this state.
        last: u64,
        /// Bids, then asks, best first.
        levels: Range<u32>,
        /// How many of them are bids.
        bids: u32,
    },
    /// A request was accepted.
    Accepted {
        /// Our request id.
        request: u64,
        /// The venue's handle, where it gives one.
        handle: Option<u64>,
    },
    /// A request was refused. Without an id it applies to the oldest outstanding one.
    Rejected {
        /// Our request id, if the venue says.
        request: Option<u64>,
        /// The class.
        fault: Fault,
        /// What the venue said.
        reason: Box<str>,
    },
    /// The venue lives; nothing else is meant.
    Alive,
    /// Data of a stream that nobody on this line wants (any more): normal just after leaving it, so it is
    /// counted and ignored.
    Unrouted,
    /// The venue will close this connection soon.
    Goodbye,
    /// How much of the REST budget the venue counts as used in the running window.
    Weight {
        /// The venue's figure.
        used: u32,
    },
}

/// The update ids one depth message covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// First id covered.
    pub first: u64,
    /// Last id covered.
    pub last: u64,
    /// The last id of the message before, where the venue chains by it.
    pub previous: Option<u64>,
}

impl Decoded {
    /// Empties the buffers, keeping their memory.
    pub fn clear(&mut self) {
        self.items.clear();
        self.levels.clear();
    }

    /// Notes the last id delivered, for [`Decoded::wants`].
    #[inline]
    pub(crate) fn see(&mut self, topic: TopicId, id: u64) {
        let index = topic.0 as usize;
        if index >= self.seen.len() {
            self.seen.resize(index + 1, 0);
        }
        self.seen[index] = id;
    }

    /// Forgets a topic's ids: its slot may be given to another.
    pub(crate) fn forget(&mut self, topic: TopicId) {
        if let Some(seen) = self.seen.get_mut(topic.0 as usize) {
            *seen = 0;
        }
    }

    /// Whether the event with this id is still wanted. A copy from a second line is refused (and
    /// counted) before it is fully decoded; ids far below are let through: the venue may have reset.
    #[inline]
    pub fn wants(&mut self, topic: TopicId, id: u64) -> bool {
        let last = self.seen.get(topic.0 as usize).copied().unwrap_or(0);
        let wanted = id > last || id.saturating_add(1_000) < last;
        self.refused += u32::from(!wanted);
        wanted
    }
}

/// A moment and the last id known at it: what was streamed since wins over what was fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// When the request left.
    pub at: Mono,
    /// The last id applied then.
    pub last: u64,
}
