//! The families of figures: every name there is, with its kind and what it means.

use tapeline::SpreadReading;

/// What a family counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Only rises, and falls to zero when what is counted begins anew.
    Counter,
    /// A value now.
    Gauge,
    /// How many of each length there were.
    Histogram,
    /// Labels that say what runs.
    Info,
}

/// One family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Family {
    /// Its name behind `tapeline_`, for counters without `_total`, for information without `_info`.
    pub(crate) name: &'static str,
    /// What it counts.
    pub(crate) kind: Kind,
    /// What it means, without the full stop.
    pub(crate) help: &'static str,
}

/// The values of a family's labels, with their names.
pub(crate) type Labels = Vec<(&'static str, String)>;

/// What stands in a series.
#[derive(Debug, Clone)]
pub(crate) enum Figure {
    /// A number.
    Plain(f64),
    /// Durations by their length.
    Spread(SpreadReading),
}

impl From<f64> for Figure {
    fn from(value: f64) -> Self {
        Self::Plain(value)
    }
}

/// A family and its figures.
#[derive(Debug, Clone)]
pub(crate) struct Filled {
    pub(crate) family: Family,
    pub(crate) samples: Vec<(Labels, Figure)>,
}

macro_rules! families {
    ($($constant:ident $kind:ident $name:literal $help:literal;)*) => {
        $(pub(crate) const $constant: Family = Family { name: $name, kind: Kind::$kind, help: $help };)*
        /// Every family.
        #[cfg(test)]
        pub(crate) const ALL: &[Family] = &[$($constant),*];
    };
}

families! {
    BUILD Info "build" "What runs here";
    LINE_PHASE Gauge "line_phase" "1 for the phase a line is in, 0 for the others";
    LINE_DIALS Counter "line_dials" "Dials of an endpoint by what came of them";
    LINE_RECONNECTS Counter "line_reconnects" "Lines opened again, by the class of what had ended them";
    LINE_ATTEMPTS Counter "line_attempts" "Dials of a line";
    LINE_LOST Counter "line_lost" "Times an open line was lost";
    LINE_FRAMES Counter "line_frames" "Messages received on a line";
    LINE_BYTES Counter "line_bytes" "Bytes of messages received on a line";
    LINE_SENT Counter "line_sent" "Messages sent on a line, pings and pongs included";
    LINE_LIVE Counter "line_live_seconds" "Time a line has been live";
    LINE_SILENCE Gauge "line_silence_seconds" "How long nothing has come on a line";
    LINE_RTT Gauge "line_rtt_seconds" "The slowest of a line's latest round trips";
    LINE_WANTED Gauge "line_wanted" "Streams wanted of a line";
    LINE_CONFIRMED Gauge "line_confirmed" "Streams that the venue has confirmed on a line";
    LINE_FIRST Counter "line_first" "Events of which a line brought the first copy";
    LINE_LAG Gauge "line_lag_seconds" "How far a line's copies are behind the first ones, a running mean";
    ROTATIONS Counter "rotations" "Lines left to another one that took over";
    MISMATCHES Counter "mismatches" "Copies that told otherwise of an event than the first one, by the line that brought them";
    FALLBACK_RUNG Gauge "fallback_rung" "1 for the rung of the fallback ladder that a venue's data comes from, 0 for the others";
    FALLBACK_PINNED Gauge "fallback_pinned" "1 if an operator holds a venue on its rung";
    FALLBACK_CHANGES Counter "fallback_changes" "Changes of the rung";
    POLLED Gauge "polled_topics" "Topics that are asked for over REST";
    ENDPOINT_SCORE Gauge "endpoint_score" "How well an endpoint has served lately, 0 to 100";
    EXPECTED Counter "expected" "Events that a venue must have given, by its ids";
    REPAIRED Counter "repaired" "Events that no line brought and that were fetched";
    LOST Gauge "lost" "Events given up that have not come since";
    UNVERIFIABLE Counter "unverifiable" "Events received of which nobody can tell whether others are missing between them";
    ALERTS Gauge "alerts" "Alerts that are pending or firing";
    NOTIFICATIONS Counter "notifications" "Messages about alerts";
    DECODE_ERRORS Counter "decode_errors" "Messages that could not be translated";
    BREAKER_STATE Gauge "breaker_state" "1 for the state a breaker is in, 0 for the others";
    BUDGET_REMAINING Gauge "budget_remaining" "What may still be spent of a venue's budget in the running window";
    GAPS Counter "gaps" "Gaps that were declared or noticed";
    DUPLICATES Counter "duplicates" "Copies that were dropped";
    BOOK_RESYNCS Counter "book_resyncs" "Books that had to be synchronised anew";
    SNAPSHOTS Counter "snapshots" "Snapshots asked of a venue, by result";
    VENUE_LEVEL Gauge "venue_level" "1 for the level a venue is at, 0 for the others";
    FEED_RESTARTS Counter "feed_restarts" "Crashes of a venue's feed after which it was started again";
    LOG_BYTES Gauge "log_bytes" "Bytes of the history held of a venue's topics";
    MEMORY_STEP Gauge "memory_step" "1 for what is done about memory that runs short, 0 for the others";
    MEMORY_RESIDENT Gauge "memory_resident_bytes" "What the process has of the machine's memory";
    MEMORY_BUFFERS Gauge "memory_buffers_bytes" "What logs and queues hold, by part of the process";
    MEMORY_REFUSED Counter "memory_refused" "Subscriptions and clients that were not taken on since memory was short";
    MEMORY_CUT Counter "memory_cut" "Subscribers and clients that were cut off since memory was short";
    TOPICS Gauge "topics" "Topics that run";
    TOPIC_LEVEL Gauge "topic_level" "Topics at each level";
    SUBSCRIBERS Gauge "subscribers" "Subscribers of topics inside the process";
    CONNECTIONS Gauge "connections" "Connections to the gateway, streams included";
    CLIENTS Gauge "clients" "Clients of the stream";
    CLIENTS_ADMITTED Counter "clients_admitted" "Clients of the stream since the start";
    CLIENT_SENT Counter "client_messages" "Messages sent to clients";
    CLIENT_BYTES Counter "client_bytes" "Bytes sent to clients";
    CLIENT_RECEIVED Counter "client_received" "Messages received from clients";
    CLIENT_UNSENT Gauge "client_unsent_bytes" "Bytes that wait for clients who do not read";
    CLIENT_MERGED Counter "client_merged" "Updates merged into newer ones before they were sent";
    CLIENT_CLOSES Counter "client_closes" "Clients that were closed, by close code";
    CLIENT_DROPPED Counter "client_dropped" "Messages that clients were to get and did not: slow = the client did not read, gap = the gateway fell behind, shutdown = it stopped, closed = the client broke the rules, gone = the client left";
    CONNECTIONS_REFUSED Counter "connections_refused" "Connections that were refused: connections = too many in all, connections_per_ip = too many of one address, descriptors = the last file descriptors are kept for lines and files, at_once = too many came at once";
    STAGE_SECONDS Histogram "stage_seconds" "How long the stages of the way to a client take, sampled: venue = from the time a venue states to receiving it, where the clocks agree; feed = from reading a socket to handing a batch to its readers, by its oldest message; encode = encoding one message, one of 64; client = from taking a batch over to having written it to all clients that take it at once; delivery = from reading a socket to having written the newest message of a batch to clients";
    QUEUE_HIGH_WATER Gauge "queue_high_water" "The most messages that ever waited in a queue that is still there";
    SWEEPS Counter "sweeps" "Sweeps for topics that nobody reads";
    HANDLER_PANICS Counter "handler_panics" "Calls of handlers that panicked";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_named_once_and_by_the_rules() {
        for (index, family) in ALL.iter().enumerate() {
            let name = family.name;
            assert!(ALL.iter().skip(index + 1).all(|other| other.name != name), "{name} twice");
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{name}");
            assert!(
                !name.ends_with("_total") && !name.ends_with("_info"),
                "{name}: the suffix comes by itself"
            );
            assert!(!family.help.is_empty() && !family.help.ends_with('.'), "{name}");
        }
    }
}
