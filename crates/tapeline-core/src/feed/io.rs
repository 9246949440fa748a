//! What goes into a feed and what comes out of it.

use std::fmt;

use crate::data::topic::Topic;
use crate::data::update::{Position, Shared};
use crate::policy::breaker::Override;
use crate::policy::fault::Fault;
use crate::policy::ladder::Rung;
use crate::policy::recovery::Recovery;
use crate::time::Mono;
use crate::venue::{Decoded, DialRequest, Fetch, HttpRequest, Keys, LineId, Refusal};

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
    /// The keys were read anew.
    Keys {
        /// What stands there; none if it could not be read, or if they come from nowhere.
        keys: Option<Keys>,
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
    /// Send a text message that shows our keys.
    Login {
        /// On which line.
        line: LineId,
        /// The message.
        text: Hidden,
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
    /// Fetch, translate with [`Venue::decode_fetch`](crate::venue::Venue::decode_fetch), answer with `Fetched`.
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
    /// The venue refused our keys, or they will end: read them anew from where they come; answer with `Keys`.
    ReadKeys,
}

/// Text with a secret in it; printing it shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden(pub String);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden(…)")
    }
}

/// What an operator says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Close and redial one line, or all of them.
    Reconnect {
        /// The line's slot; all if absent.
        slot: Option<u32>,
    },
    /// Put lines that wait or are halted, and topics that were refused, on their way again.
    Recover {
        /// The line's slot; all if absent.
        slot: Option<u32>,
        /// How soon.
        how: Recovery,
    },
    /// Serve from this rung now; from there on the rules decide.
    Fallback {
        /// Which rung.
        rung: Rung,
    },
    /// Serve from this rung until [`Command::Unpin`].
    Pin {
        /// Which rung.
        rung: Rung,
    },
    /// Let the rules decide again.
    Unpin,
    /// Let another line follow one, or each of them in turn, without a break.
    Rotate {
        /// The line's slot; all if absent.
        slot: Option<u32>,
    },
    /// Close every breaker, also one that an operator has overridden, and forget every failure.
    Reset,
    /// Hold every breaker of streams and REST open, or let everything pass, until [`Command::Reset`]. What is connected
    /// stays connected.
    Breakers {
        /// Which of the two.
        how: Override,
    },
    /// Drop topics without subscribers now.
    Sweep,
    /// Fetch a book's snapshot anew.
    Resync {
        /// Which book.
        topic: Topic,
        /// When: at once, after a pause, by the backoff, or not.
        how: Recovery,
    },
    /// Close all lines in good order and dial no more.
    Shutdown,
}

/// The answer to a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscribed {
    /// The canonical topic.
    pub topic: Topic,
    /// Where the subscriber starts. If this does not recover, state begins with a snapshot: whoever leaves before that
    /// has come holds nothing to resume, and subscribes anew without a position.
    pub position: Position,
    /// Whether everything after the position asked for will be delivered.
    pub recovered: bool,
    /// Why not, if not: `epoch`, `too_old`, `ahead`, `disabled`.
    pub reason: Option<&'static str>,
}

/// Where a reader begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Start {
    /// With the state as it stands, or the next event.
    #[default]
    Now,
    /// Behind a position seen earlier, if the history still holds all that followed.
    After(Position),
    /// With everything that the history holds.
    Oldest,
}

impl From<Option<Position>> for Start {
    fn from(from: Option<Position>) -> Self {
        from.map_or(Self::Now, Self::After)
    }
}

/// A topic as a new reader would find it.
#[derive(Debug, Clone)]
pub struct Peek {
    /// Where it stands.
    pub position: Position,
    /// How it is served.
    pub status: Shared,
    /// Its whole state; none for events, and for state not known yet.
    pub snapshot: Option<Shared>,
}
