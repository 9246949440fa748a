//! What the simulator did, counted: the expected side of a test's comparison.

use serde::Serialize;
use std::collections::BTreeMap;

/// Counters since the server started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// WebSocket connections that were opened.
    pub connects: u64,
    /// WebSocket connections open now.
    pub open: u64,
    /// Upgrades that were refused: unknown path, too many connects, not a WebSocket request.
    pub refused: u64,
    /// Messages received on sockets: text, ping and pong alike, as the venue counts them.
    pub client_messages: u64,
    /// SUBSCRIBE requests that were accepted, and connects that named streams in the URL.
    pub subscribes: u64,
    /// Requests answered with an error.
    pub request_errors: u64,
    /// Sockets closed with 1008 for more messages per second than allowed.
    pub closed_for_rate: u64,
    /// Sockets cut because no pong came in time.
    pub closed_for_silence: u64,
    /// Sockets cut because they had grown old.
    pub closed_for_age: u64,
    /// Sockets cut because they read too slowly for a market in real time.
    pub closed_for_slowness: u64,
    /// Pings sent.
    pub pings: u64,
    /// Pongs received that answer a ping.
    pub pongs: u64,
    /// Data frames handed to sockets, counted once for each socket and name.
    pub frames_sent: u64,
    /// By stream family (`btcusdt@depth`).
    pub streams: BTreeMap<String, StreamReport>,
    /// Strikes of troubles, by kind.
    pub troubles: BTreeMap<String, u64>,
    /// Depth snapshots served, by symbol.
    pub snapshots: BTreeMap<String, u64>,
    /// Depth requests answered with 503 or made to fail.
    pub snapshots_failed: u64,
    /// HTTP requests of any kind, upgrades not counted.
    pub http_requests: u64,
    /// Request weight charged since the start.
    pub weight: u64,
    /// Requests answered with 429.
    pub http_429: u64,
    /// Requests answered with 418.
    pub http_418: u64,
    /// Frames of the recording or the market that are behind us, subscribed or not.
    pub played: u64,
    /// The most client messages that any socket sent in one sliding second.
    pub most_messages_in_a_second: u64,
    /// The same for each of the newest 1,024 sockets, by number.
    pub messages_in_a_second: BTreeMap<u64, u64>,
    /// The most connects that any address tried in five minutes, refused ones counted.
    pub most_connects_in_five_minutes: u64,
    /// Requests and connects of an address that had been told to wait: before `Retry-After`, during a ban.
    pub asked_while_held: u64,
    /// The recording or the limited market has come to its end.
    pub finished: bool,
}

/// What became of one stream's frames. A frame counts when at least one socket had subscribed it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct StreamReport {
    /// Frames that were due to at least one socket.
    pub offered: u64,
    /// Frames handed to sockets, counted for each.
    pub sent: u64,
    /// Frames withheld from everyone by a fault.
    pub dropped: u64,
    /// Frames sent twice by a fault.
    pub duplicated: u64,
    /// Frames spoilt by a fault.
    pub corrupted: u64,
    /// Subscriptions on sockets that had the stream already, or had had it before.
    pub again: u64,
}

impl StreamReport {
    pub(crate) const fn add(&mut self, other: &Self) {
        self.offered += other.offered;
        self.sent += other.sent;
        self.dropped += other.dropped;
        self.duplicated += other.duplicated;
        self.corrupted += other.corrupted;
        self.again += other.again;
    }
}
