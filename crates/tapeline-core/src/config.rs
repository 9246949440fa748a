//! The settings a feed runs by. Every number of the rules is here, none is a literal in logic.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::data::topic::Topic;
use crate::policy::rotation::Window;
use crate::venue::Keys;

/// Everything one feed is told at its start.
#[derive(Debug, Clone, Default)]
pub struct FeedConfig {
    /// Streams origins, best first; empty = the venue's own.
    pub streams: Vec<String>,
    /// REST origins, best first; empty = the venue's own.
    pub rest: Vec<String>,
    /// Topics that are kept running without a subscriber, after all that have one.
    pub warm: Vec<Topic>,
    /// Topics that come at least so often: they are judged by that, whatever their channel promises.
    pub expect_every: BTreeMap<Topic, Duration>,
    /// Lines that carry each topic: 1, or 2 for A and B, where the venue allows two.
    pub lines: u8,
    /// Secrets, where the venue wants any.
    pub keys: Option<Keys>,
    /// How much of everything.
    pub limits: Limits,
    /// How long everything.
    pub timing: Timing,
}

/// Bounds. Every queue, buffer and table has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Topics of one feed.
    pub topics: usize,
    /// Topics of one subscriber.
    pub topics_per_client: usize,
    /// Messages waiting in one subscriber's outbox.
    pub outbox_messages: usize,
    /// Bytes waiting in one subscriber's outbox.
    pub outbox_bytes: usize,
    /// Bytes that one event topic's log may hold.
    pub log_bytes: usize,
    /// Bytes that all logs of a feed may hold together.
    pub logs_bytes: usize,
    /// Events held back while a hole in the ids may still be filled.
    pub reorder: usize,
    /// Whether missed events are asked for over REST.
    pub repair: bool,
    /// Bytes of events that one topic may hold back while what a lost line missed is asked for.
    pub repair_bytes: usize,
    /// Depth messages buffered while a book waits for its snapshot.
    pub book_buffer: usize,
    /// Snapshot requests in flight.
    pub snapshots_in_flight: usize,
    /// Levels that one side of a book may hold.
    pub book_levels: usize,
    /// Messages per second and line that we allow ourselves (the venue allows more).
    pub messages_per_second: u32,
    /// Share of the venue's connection attempts that we allow ourselves, in percent.
    pub dials_percent: u32,
    /// Share of the venue's REST weight that we allow ourselves, in percent.
    pub weight_percent: u32,
    /// Resident memory of the process that counts as all of it; less if the machine or its group allows less.
    pub memory_bytes: usize,
    /// Bytes that all logs and queues of the process may hold together.
    pub buffers_bytes: usize,
    /// Transitions that the feed still keeps when whoever runs it has taken them over.
    pub events: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            topics: 2_000,
            topics_per_client: 256,
            outbox_messages: 1_000,
            outbox_bytes: 256 << 10,
            log_bytes: 4 << 20,
            logs_bytes: 32 << 20,
            reorder: 10_000,
            repair: true,
            repair_bytes: 8 << 20,
            book_buffer: 10_000,
            snapshots_in_flight: 3,
            book_levels: 100_000,
            messages_per_second: 4,
            dials_percent: 50,
            weight_percent: 80,
            memory_bytes: 1 << 40,
            buffers_bytes: 1 << 30,
            events: 1_000,
        }
    }
}

/// Durations. The names are those of the `[timing]` table.
#[derive(Debug, Clone, PartialEq)]
pub struct Timing {
    /// How long a topic without subscribers is kept.
    pub linger: Duration,
    /// How often lingering topics are looked at.
    pub sweep: Duration,
    /// How long a line must be live to count as stable.
    pub stable_after: Duration,
    /// One failure is forgiven per this much proven service.
    pub forgive_every: Duration,
    /// The shortest silence that can make a line suspicious.
    pub silent_min: Duration,
    /// The longest silence that is borne.
    pub silent_max: Duration,
    /// How long a topic that used to flow may be mute while others of its line flow.
    pub mute_after: Duration,
    /// How often a quiet line is pinged.
    pub ping_every: Duration,
    /// How long a pong may take.
    pub pong_within: Duration,
    /// How long a dial may take in all.
    pub dial_within: Duration,
    /// How long a login may take.
    pub login_within: Duration,
    /// How long a subscription may wait for its confirmation.
    pub confirm_within: Duration,
    /// The first delay of the backoff.
    pub backoff_first: Duration,
    /// The longest delay, a hard cap after jitter.
    pub backoff_max: Duration,
    /// The shortest delay.
    pub backoff_min: Duration,
    /// Jitter as a share of the delay, `0.0..=1.0`.
    pub backoff_spread: f64,
    /// A line that was stable is redialled within this once, before the backoff begins; zero = off.
    pub fast_retry: Duration,
    /// How long a breaker stays open.
    pub breaker_open: Duration,
    /// How long events after a hole in the ids wait for it to be filled.
    pub reorder_within: Duration,
    /// How long a hole in the ids may be filled by the lines before what is missing is asked for over REST.
    pub repair_after: Duration,
    /// How long events wait for what was missed while no line stood.
    pub repair_within: Duration,
    /// How long history is kept for resuming readers.
    pub history: Duration,
    /// How long a book waits for its first delta before it asks for a snapshot without one.
    pub first_delta_within: Duration,
    /// How long a REST request may take.
    pub fetch_within: Duration,
    /// Least time between conflated updates of one topic to one subscriber.
    pub throttle: Duration,
    /// How often an idle topic tells its offset.
    pub tick_every: Duration,
    /// How often REST is asked while streaming is impossible.
    pub poll_every: Duration,
    /// Without a live line for this long, REST takes over.
    pub fallback_after: Duration,
    /// A restored line must hold this long before it takes over again.
    pub return_hold: Duration,
    /// When of the day (UTC) lines are to be replaced, if that is possible within their lifetime.
    pub rotate_between: Option<Window>,
    /// Age at which a line is replaced before the venue cuts it.
    pub line_lifetime: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        let secs = Duration::from_secs;
        Self {
            linger: secs(300),
            sweep: secs(60),
            stable_after: secs(60),
            forgive_every: secs(15),
            silent_min: secs(2),
            silent_max: secs(60),
            mute_after: secs(20),
            ping_every: secs(30),
            pong_within: secs(10),
            dial_within: secs(10),
            login_within: secs(10),
            confirm_within: secs(10),
            backoff_first: secs(1),
            backoff_max: secs(30),
            backoff_min: Duration::from_millis(100),
            backoff_spread: 0.10,
            fast_retry: Duration::from_millis(250),
            breaker_open: secs(30),
            reorder_within: secs(2),
            repair_after: Duration::from_millis(250),
            repair_within: secs(30),
            history: secs(60),
            first_delta_within: secs(2),
            fetch_within: secs(5),
            throttle: Duration::from_millis(100),
            tick_every: secs(15),
            poll_every: secs(5),
            fallback_after: secs(5),
            return_hold: secs(10),
            rotate_between: None,
            line_lifetime: secs(23 * 3600 + 50 * 60),
        }
    }
}
