//! The feed: everything one venue needs, as one plain struct. The world speaks through
//! [`Feed::handle`], an operator through [`Feed::command`], time through [`Feed::tick`]; what is to be
//! done comes out of [`Feed::next_action`], and when to come back out of [`Feed::deadline`].

use std::sync::Arc;

use crate::config::FeedConfig;
use crate::data::channel::Delivery;
use crate::data::topic::{Pattern, Topic, TopicError};
use crate::data::update::Position;
use crate::outbox::{Subscriber, SubscriberId};
use crate::policy::fault::Fault;
use crate::time::{Mono, Time};
use crate::venue::{Decoded, DialRequest, Fetch, HttpRequest, LineId, Refusal, Venue};

/// One fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FetchId(pub u64);

/// What the world says.
#[derive(Debug)]
pub enum Input<'a> {
    /// A dial succeeded: the upgrade is done.
    Opened {
        /// Which dial.
        line: LineId,
    },
    /// A dial failed.
    Failed {
        /// Which dial.
        line: LineId,
        /// Why.
        why: DialError,
    },
    /// A whole text or binary message.
    Frame {
        /// From which line.
        line: LineId,
        /// The message.
        bytes: &'a [u8],
    },
    /// The venue pings; the feed answers, because pongs count against the message budget.
    Ping {
        /// From which line.
        line: LineId,
        /// To be echoed.
        payload: &'a [u8],
    },
    /// The venue answers our ping.
    Pong {
        /// From which line.
        line: LineId,
        /// What we sent.
        payload: &'a [u8],
    },
    /// An open line ended, for whatever reason but our own [`Action::Close`].
    Closed {
        /// Which line.
        line: LineId,
        /// How.
        why: Closed,
    },
    /// A fetch came back.
    Fetched {
        /// Which one.
        id: FetchId,
        /// What it brought. The reply was translated on the fetch's own task.
        result: Result<Decoded, Refusal>,
    },
}

/// Why a dial failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DialError {
    /// How far it got.
    pub stage: Stage,
    /// Its class, given at the edge.
    pub fault: Fault,
    /// For the log; no secret.
    pub detail: String,
}

/// How far a dial got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Looking up the name.
    Dns,
    /// Connecting.
    Tcp,
    /// Through the proxy.
    Proxy,
    /// The TLS handshake.
    Tls,
    /// The WebSocket upgrade.
    Upgrade,
}

/// How an open line ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// The close code, if a close frame came.
    pub code: Option<u16>,
    /// Its class, given at the edge.
    pub fault: Fault,
    /// The venue's reason or the error; no secret.
    pub detail: String,
}

/// What is to be done. Starting it must never wait.
#[derive(Debug, PartialEq)]
pub enum Action {
    /// Dial; answer with `Opened` or `Failed`, at the latest at `give_up`.
    Dial {
        /// Which dial.
        line: LineId,
        /// Where and how.
        request: DialRequest,
        /// When the feed stops waiting.
        give_up: Mono,
    },
    /// Send a text message.
    Send {
        /// On which line.
        line: LineId,
        /// The message.
        text: String,
    },
    /// Send a ping.
    Ping {
        /// On which line.
        line: LineId,
        /// What the pong must echo.
        payload: [u8; 8],
    },
    /// Answer a ping, ahead of everything else queued.
    Pong {
        /// On which line.
        line: LineId,
        /// The ping's payload.
        payload: Box<[u8]>,
    },
    /// Close a line (or give up its dial) and forget it; nothing more is expected from it.
    Close {
        /// Which line.
        line: LineId,
        /// The close code to send.
        code: u16,
    },
    /// Fetch, translate with [`Venue::decode_fetch`], answer with `Fetched`.
    Fetch {
        /// Which one.
        id: FetchId,
        /// For which topic.
        topic: Topic,
        /// What for.
        why: Fetch,
        /// The request.
        request: HttpRequest,
    },
}

/// What an operator says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Close and redial one line, or all of them.
    Reconnect {
        /// The line's slot; all if absent.
        slot: Option<u32>,
    },
    /// Close every breaker and forget every failure.
    Reset,
    /// Drop topics without subscribers now.
    Sweep,
    /// Fetch a book's snapshot anew.
    Resync {
        /// Which book.
        topic: Topic,
    },
    /// Close all lines in good order and dial no more.
    Shutdown,
}

/// The answer to a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscribed {
    /// The canonical topic.
    pub topic: Topic,
    /// Where the subscriber starts.
    pub position: Position,
    /// Whether everything after the position asked for will be delivered.
    pub recovered: bool,
    /// Why not, if not: `epoch`, `too_old`, `ahead`, `disabled`.
    pub reason: Option<&'static str>,
}

/// Everything one venue needs.
#[derive(Debug)]
pub struct Feed {}

/// What must survive a crash of the feed.
#[derive(Debug, Default)]
pub struct Memory {}

/// A reading of a feed's state.
#[derive(Debug, serde::Serialize)]
pub struct FeedStatus {}

#[expect(unused_variables, clippy::unused_self, reason = "signatures first, the body is being written")]
impl Feed {
    /// A feed for `venue` that remembers what `memory` holds; `seed` decides all its dice.
    pub fn new(venue: Arc<dyn Venue>, config: FeedConfig, memory: Memory, seed: u64) -> Self {
        Self {}
    }

    /// Subscribes `to` to one topic. The state known so far is delivered at once.
    ///
    /// # Errors
    /// [`TopicError`] if the venue does not offer it or a limit is reached.
    pub fn subscribe(
        &mut self, now: Time, topic: Topic, how: Delivery, from: Option<Position>, to: &Subscriber,
    ) -> Result<Subscribed, TopicError> {
        Err(TopicError::Length(0))
    }

    /// Subscribes `to` to every topic that matches, now and later.
    pub fn subscribe_pattern(&mut self, now: Time, pattern: Pattern, how: Option<Delivery>, to: &Subscriber) {}

    /// Ends one subscription; whether there was one.
    pub fn unsubscribe(&mut self, now: Time, topic: &Topic, who: SubscriberId) -> bool {
        false
    }

    /// Ends one pattern's subscription, and those it made; whether there was one.
    pub fn unsubscribe_pattern(&mut self, now: Time, pattern: &Pattern, who: SubscriberId) -> bool {
        false
    }

    /// Forgets a subscriber altogether (its outbox was dropped).
    pub fn leave(&mut self, now: Time, who: SubscriberId) {}

    /// The world speaks.
    pub fn handle(&mut self, now: Time, input: Input<'_>) {}

    /// An operator speaks; how many things it touched.
    pub fn command(&mut self, now: Time, command: Command) -> usize {
        0
    }

    /// The deadline has passed.
    pub fn tick(&mut self, now: Time) {}

    /// What to do next. Call until `None` after every batch of inputs: this also hands the updates
    /// made since to the subscribers.
    pub fn next_action(&mut self) -> Option<Action> {
        None
    }

    /// When to call [`Feed::tick`] at the latest.
    pub fn deadline(&self) -> Option<Mono> {
        None
    }

    /// Whether reading `line` must pause because a blocking subscriber behind it is full.
    pub fn is_blocked(&self, line: LineId) -> bool {
        false
    }

    /// Registers who is to be woken when a blocking subscriber has room again.
    pub fn wake_on_room(&self, waker: &std::task::Waker) {}

    /// A reading of everything worth knowing.
    pub fn status(&self, now: Time) -> FeedStatus {
        FeedStatus {}
    }

    /// What must survive: the wishes, the last ids, the gate.
    pub fn into_memory(self) -> Memory {
        Memory {}
    }
}
