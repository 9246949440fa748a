//! The table of all keys. It is the one place that knows which settings there are: reading, checking,
//! showing and the schema all walk it.

use std::time::Duration;

use super::Settings;
use super::value::{Field, Kind, Value};

/// One key of the configuration.
pub struct Key {
    /// Its section; `venues` stands for the table of any venue.
    pub section: &'static str,
    /// Its name in that section.
    pub name: &'static str,
    /// What it may hold.
    pub kind: Kind,
    /// What it means, one sentence.
    pub doc: &'static str,
    /// Reads the field; the second argument is the venue, ignored outside `venues`.
    pub(crate) get: fn(&Settings, &str) -> Option<Value>,
    /// Writes the field.
    pub(crate) set: fn(&mut Settings, &str, Value),
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({}.{}: {:?})", self.section, self.name, self.kind)
    }
}

/// The sections, in the order in which they are shown.
pub const SECTIONS: &[(&str, &str)] = &[
    ("gateway", "The face towards network clients."),
    ("log", "What `tapeline serve` tells on stderr."),
    ("state", "What outlives the process."),
    ("venues", "One table per venue."),
    ("limits", "How much of everything."),
    ("timing", "How long everything."),
];

macro_rules! global {
    ($section:ident . $name:ident, $kind:expr, $doc:literal) => {
        Key {
            section: stringify!($section),
            name: stringify!($name),
            kind: $kind,
            doc: $doc,
            get: |settings, _| Some(Field::value(&settings.$section.$name)),
            set: |settings, _, value| Field::assign(&mut settings.$section.$name, value),
        }
    };
}

macro_rules! venue {
    ($name:ident, $kind:expr, $doc:literal) => {
        Key {
            section: "venues",
            name: stringify!($name),
            kind: $kind,
            doc: $doc,
            get: |settings, id| settings.venues.get(id).map(|venue| Field::value(&venue.$name)),
            set: |settings, id, value| {
                if let Some(venue) = settings.venues.get_mut(id) {
                    Field::assign(&mut venue.$name, value);
                }
            },
        }
    };
}

/// A duration that may be zero.
const fn upto(most: u64) -> Kind {
    Kind::Duration(Duration::ZERO, Duration::from_secs(most))
}

/// A duration of at least a millisecond: zero would make a loop without rest.
const fn some(most: u64) -> Kind {
    Kind::Duration(Duration::from_millis(1), Duration::from_secs(most))
}

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

const LEVELS: &[&str] = &["off", "error", "warn", "info", "debug", "trace"];
const FORMATS: &[&str] = &["text", "json"];

/// Every key.
pub const KEYS: &[Key] = &[
    global!(gateway.listen, Kind::Address, "The address to listen on; port 0 takes any free one."),
    global!(
        gateway.admin_token_file,
        Kind::Path,
        "The file that holds the token for calls that change something."
    ),
    global!(
        gateway.insecure_plaintext,
        Kind::Switch,
        "Whether an address that others reach may be listened on without encryption."
    ),
    global!(
        gateway.insecure_no_tokens,
        Kind::Switch,
        "Whether an address that others reach may be listened on without asking clients for tokens."
    ),
    global!(
        gateway.insecure_secrets,
        Kind::Switch,
        "Whether everybody on this machine may have access to files that hold secrets."
    ),
    global!(
        gateway.allowed_origins,
        Kind::Pages,
        "Web pages that may connect, besides those of this machine."
    ),
    global!(
        gateway.allowed_hosts,
        Kind::Hosts,
        "Names by which the gateway may be called, besides its address and those of loopback."
    ),
    global!(gateway.connections, Kind::Count(1, 10_000_000), "Connections at a time."),
    global!(gateway.connections_per_ip, Kind::Count(1, 10_000_000), "Connections of one address at a time."),
    global!(gateway.header_bytes, Kind::Size(KIB, 64 * KIB), "Bytes of a request's head."),
    global!(gateway.message_bytes, Kind::Size(KIB, 16 * MIB), "Bytes of one message from a client."),
    global!(gateway.messages_per_second, Kind::Count(1, 100_000), "Messages of one client in any second."),
    global!(
        gateway.unsent_bytes,
        Kind::Size(16 * KIB, GIB),
        "Bytes that a client may leave unread before it is conflated or disconnected."
    ),
    global!(
        gateway.shards,
        Kind::Count(0, 256),
        "Threads that serve streams; 0 takes one per core, at most four."
    ),
    global!(gateway.header_within, some(HOUR), "How long a request's head may take."),
    global!(gateway.idle, some(DAY), "How long a connection without a request is kept."),
    global!(gateway.ping_every, some(HOUR), "How often a client is pinged."),
    global!(gateway.pong_within, some(HOUR), "How long a client's pong may take."),
    global!(
        gateway.write_within,
        some(HOUR),
        "How long a client may read nothing of what waits for it, or be behind by more than `unsent_bytes`."
    ),
    global!(gateway.drain_within, some(HOUR), "How long a graceful stop may take."),
    global!(log.level, Kind::Choice(LEVELS), "The least important kind that is told."),
    global!(log.format, Kind::Choice(FORMATS), "Text for people, or a JSON object per line for programs."),
    global!(
        log.repeats,
        Kind::Count(1, 1_000_000),
        "How often the same may be told within ten seconds; what is left out is counted."
    ),
    global!(state.dir, Kind::Path, "The folder of bans, dial times and the event log."),
    global!(
        state.event_log,
        Kind::Switch,
        "Whether what changed is written to files there, for reliability figures that anybody can recompute."
    ),
    venue!(streams, Kind::Streams, "Origins of the streams, best first; the venue's paths are appended."),
    venue!(rest, Kind::Rest, "Origins of the REST interface, best first; the venue's paths are appended."),
    venue!(lines, Kind::Count(1, 2), "Lines per group of streams; 2 runs every stream twice (A/B)."),
    venue!(warm, Kind::Topics, "Topics kept running without a subscriber, after all that have one."),
    venue!(
        expect_every,
        Kind::Periods(Duration::from_millis(100), Duration::from_secs(DAY)),
        "Topics that come at least so often. One of which nothing comes for three times as long, and at least two seconds, is \
         late, also where its channel promises nothing; this takes the place of what the channel promises."
    ),
    venue!(proxy, Kind::Proxy, "The proxy towards the venue."),
    venue!(ca_file, Kind::Path, "A PEM file of certificate authorities to trust besides the usual ones."),
    venue!(key_id, Kind::Text, "The public half of the venue's key."),
    venue!(secret, Kind::Secret, "The secret half of the venue's key."),
    global!(limits.topics, Kind::Count(1, 1_000_000), "Topics of one venue."),
    global!(limits.topics_per_client, Kind::Count(1, 1_000_000), "Topics of one subscriber."),
    global!(limits.outbox_messages, Kind::Count(16, 10_000_000), "Messages waiting for one subscriber."),
    global!(limits.outbox_bytes, Kind::Size(4 * KIB, GIB), "Bytes waiting for one subscriber."),
    global!(limits.log_bytes, Kind::Size(4 * KIB, GIB), "Bytes that the history of one topic may hold."),
    global!(
        limits.logs_bytes,
        Kind::Size(64 * KIB, 64 * GIB),
        "Bytes that all histories of a venue may hold together."
    ),
    global!(
        limits.reorder,
        Kind::Count(1, 1_000_000),
        "Events held back while a hole in the ids may still be filled."
    ),
    global!(limits.repair, Kind::Switch, "Whether missed events are asked for over REST."),
    global!(
        limits.repair_bytes,
        Kind::Size(4 * KIB, GIB),
        "Bytes of events that one topic may hold back while what a lost line missed is asked for."
    ),
    global!(
        limits.book_buffer,
        Kind::Count(16, 1_000_000),
        "Depth messages kept while a book waits for its snapshot."
    ),
    global!(limits.snapshots_in_flight, Kind::Count(1, 100), "Snapshot requests of one venue at a time."),
    global!(limits.book_levels, Kind::Count(100, 10_000_000), "Levels that one side of a book may hold."),
    global!(limits.messages_per_second, Kind::Count(1, 1_000), "Messages that we send per second and line."),
    global!(
        limits.dials_percent,
        Kind::Count(1, 100),
        "Share of the venue's connection attempts that we allow ourselves, in percent."
    ),
    global!(
        limits.weight_percent,
        Kind::Count(1, 100),
        "Share of the venue's REST budget that we allow ourselves, in percent."
    ),
    global!(
        limits.memory_bytes,
        Kind::Size(16 * 1_024 * KIB, 1_024 * GIB),
        "Resident memory of the process that counts as all of it; less if the machine or its group allows less."
    ),
    global!(
        limits.buffers_bytes,
        Kind::Size(64 * KIB, 1_024 * GIB),
        "Bytes that all logs and queues of the process may hold together."
    ),
    global!(
        limits.events,
        Kind::Count(1, 1_000_000),
        "Transitions that each feed still keeps when they are in the log of all venues; that log (`/api/v1/events`) holds the latest 10000, whatever this is."
    ),
    global!(timing.linger, upto(30 * DAY), "How long a topic without subscribers is kept."),
    global!(timing.sweep, some(DAY), "How often idle topics are looked at."),
    global!(timing.stable_after, some(DAY), "How long a line must be live to count as stable."),
    global!(timing.forgive_every, some(DAY), "One failure is forgiven per this much proven service."),
    global!(timing.silent_min, some(HOUR), "The shortest silence that can make a line suspicious."),
    global!(timing.silent_max, some(DAY), "The longest silence that is borne."),
    global!(
        timing.mute_after,
        some(DAY),
        "How long a topic that used to flow may be mute while others of its line flow."
    ),
    global!(timing.ping_every, some(HOUR), "How often a quiet line is pinged."),
    global!(timing.pong_within, some(HOUR), "How long a pong may take."),
    global!(timing.dial_within, some(HOUR), "How long a dial may take in all."),
    global!(timing.login_within, some(HOUR), "How long a login may take."),
    global!(timing.confirm_within, some(HOUR), "How long a subscription may wait for its confirmation."),
    global!(timing.backoff_first, some(DAY), "The first delay after a failure."),
    global!(timing.backoff_max, some(DAY), "The longest delay after failures, jitter included."),
    global!(timing.backoff_min, some(DAY), "The shortest delay after a failure."),
    global!(timing.backoff_spread, Kind::Share, "Jitter as a share of the delay."),
    global!(
        timing.fast_retry,
        upto(HOUR),
        "A stable line that is cut is redialled within this, once; \"0s\" turns that off."
    ),
    global!(timing.breaker_open, some(DAY), "How long a breaker stays open."),
    global!(
        timing.reorder_within,
        upto(HOUR),
        "How long events after a hole in the ids wait for it to be filled."
    ),
    global!(
        timing.repair_after,
        upto(HOUR),
        "How long the lines may fill a hole in the ids before what is missing is asked for over REST."
    ),
    global!(
        timing.repair_within,
        upto(HOUR),
        "How long events wait for what was missed while no line stood; then it is declared missing."
    ),
    global!(timing.history, upto(DAY), "How long history is kept for readers who resume."),
    global!(
        timing.first_delta_within,
        upto(HOUR),
        "How long a book waits for its first delta before it asks for a snapshot."
    ),
    global!(timing.fetch_within, some(HOUR), "How long a REST request may take."),
    global!(timing.throttle, upto(1), "Least time between conflated updates of one topic to one subscriber."),
    global!(timing.tick_every, some(HOUR), "How often an idle topic tells its offset."),
    global!(timing.poll_every, some(HOUR), "How often REST is asked while streaming is impossible."),
    global!(timing.fallback_after, some(DAY), "Without a live line for this long, REST takes over."),
    global!(timing.return_hold, upto(DAY), "How long a restored line must hold before it takes over again."),
    global!(
        timing.line_lifetime,
        some(30 * DAY),
        "Age at which a line is replaced before the venue cuts it."
    ),
    global!(
        timing.rotate_between,
        Kind::Window,
        "When of the day lines are to be replaced, where their lifetime allows it; not set = at any time."
    ),
];

/// Pairs of which the first must not exceed the second. A default gives way to a given value.
pub(crate) const ORDERED: &[(&str, &str)] = &[
    ("timing.silent_min", "timing.silent_max"),
    ("timing.backoff_min", "timing.backoff_max"),
    ("timing.backoff_min", "timing.backoff_first"),
    ("timing.backoff_first", "timing.backoff_max"),
    ("timing.repair_after", "timing.repair_within"),
    ("limits.topics_per_client", "limits.topics"),
    ("limits.log_bytes", "limits.logs_bytes"),
    ("gateway.connections_per_ip", "gateway.connections"),
    ("gateway.message_bytes", "gateway.unsent_bytes"),
];

/// The key of a name such as `timing.linger`.
pub(crate) fn by_path(path: &str) -> Option<&'static Key> {
    let (section, name) = path.split_once('.')?;
    KEYS.iter().find(|key| key.section == section && key.name == name)
}

/// The key of a name in a section, and whether the name asks for its secret to be read from a file.
pub(crate) fn find(section: &str, name: &str) -> Option<(&'static Key, bool)> {
    let mut keys = KEYS.iter().filter(|key| key.section == section);
    keys.find_map(|key| {
        let from_file = key.kind == Kind::Secret && name.strip_suffix("_file") == Some(key.name);
        (key.name == name || from_file).then_some((key, from_file))
    })
}

/// All names that may stand in a section.
pub(crate) fn names(section: &str) -> impl Iterator<Item = &'static str> {
    KEYS.iter().filter(move |key| key.section == section).map(|key| key.name)
}
