//! What is true of a venue, as data: groups of lines, limits, promises, the rule of its books.

use std::time::Duration;

use crate::data::channel::Channel;

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
    /// How keys are shown, where any are wanted.
    pub login: Login,
}

/// How a venue is shown keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Login {
    /// At the door, if at all: in the head of the upgrade, or in its address. Whoever is let in may subscribe.
    AtTheDoor,
    /// By a message on the open connection ([`Venue::login`](super::Venue::login)); before it is accepted nothing may
    /// be subscribed.
    ByMessage {
        /// The venue speaks first.
        greets: bool,
        /// Other keys may be shown on the same connection later.
        again: bool,
        /// How long a login that is refused for now (the place of a connection that is gone is still taken) is tried
        /// again on the same connection; zero = it is not.
        patience: Duration,
    },
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
