//! Settings: one TOML file, the environment over it, flags over both; checked as a whole before
//! anything runs.
//!
//! [`KEYS`] is the table of all keys; reading, checking, [`Settings::to_toml`] and [`schema`] walk it.
//! A configuration that is wrong is told as [`Problems`]: all of them at once, each with its place.

mod check;
mod keys;
mod problem;
mod read;
mod reference;
mod schema;
mod secret;
mod show;
#[cfg(test)]
mod tests;
mod unit;
mod url;
mod value;
mod venues;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tapeline_core::config::{FeedConfig, Limits, Timing};
use tapeline_core::data::topic::Topic;
use tapeline_core::venue::{Keys, redacted};

pub use keys::{KEYS, Key, SECTIONS};
pub use problem::{Origin, Problem, Problems};
pub use reference::reference;
pub use schema::schema;
pub use secret::{Secret, read as read_secret, read_lasting};
pub use value::{Kind, Value};

/// The configuration in effect.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The face towards network clients.
    pub gateway: Gateway,
    /// What is told on stderr.
    pub log: Log,
    /// What outlives the process.
    pub state: State,
    /// Every known venue by its id, also those that nobody configured.
    pub venues: BTreeMap<&'static str, VenueSettings>,
    /// How much of everything.
    pub limits: Limits,
    /// How long everything.
    pub timing: Timing,
    /// What should be told to the operator, though it is not wrong.
    pub warnings: Vec<String>,
    origins: BTreeMap<String, Origin>,
}

/// The `[gateway]` table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// The file of the token for calls that change something; none = one is made in the state folder.
    pub admin_token_file: Option<PathBuf>,
    /// Whether others than this machine may be served without encryption.
    pub insecure_plaintext: bool,
    /// Whether others than this machine may be served without a token.
    pub insecure_no_tokens: bool,
    /// Whether everybody on this machine may have access to files that hold secrets.
    pub insecure_secrets: bool,
    /// Web pages that may connect, besides those from this machine.
    pub allowed_origins: Vec<String>,
    /// Names by which we may be called, besides our address and those of loopback.
    pub allowed_hosts: Vec<String>,
    /// Connections at a time.
    pub connections: usize,
    /// Connections of one address at a time.
    pub connections_per_ip: usize,
    /// Bytes of a request's head.
    pub header_bytes: usize,
    /// Bytes of one message from a client.
    pub message_bytes: usize,
    /// Messages of one client in any second.
    pub messages_per_second: u32,
    /// Bytes that a client may leave unread.
    pub unsent_bytes: usize,
    /// Threads that serve streams; 0 = one per core, at most four.
    pub shards: usize,
    /// How long a request's head may take.
    pub header_within: Duration,
    /// How long a connection without a request is kept.
    pub idle: Duration,
    /// How often a client is pinged.
    pub ping_every: Duration,
    /// How long its pong may take.
    pub pong_within: Duration,
    /// How long a client may read nothing of what waits for it, or be behind by more than `unsent_bytes`.
    pub write_within: Duration,
    /// How long a graceful stop may take.
    pub drain_within: Duration,
}

impl Default for Gateway {
    fn default() -> Self {
        let secs = Duration::from_secs;
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8480)),
            admin_token_file: None,
            insecure_plaintext: false,
            insecure_no_tokens: false,
            insecure_secrets: false,
            allowed_origins: Vec::new(),
            allowed_hosts: Vec::new(),
            connections: 20_000,
            connections_per_ip: 100,
            header_bytes: 16 << 10,
            message_bytes: 64 << 10,
            messages_per_second: 20,
            unsent_bytes: 256 << 10,
            shards: 0,
            header_within: secs(5),
            idle: secs(60),
            ping_every: secs(25),
            pong_within: secs(8),
            write_within: secs(10),
            drain_within: secs(8),
        }
    }
}

/// The `[log]` table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// The least important kind that is told: `off`, `error`, `warn`, `info`, `debug`, `trace`.
    pub level: &'static str,
    /// `text` or `json`.
    pub format: &'static str,
    /// How often the same may be told within ten seconds.
    pub repeats: u32,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info", format: "text", repeats: 5 }
    }
}

/// The `[state]` table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// The folder; none if nobody named one and the environment gives no home.
    pub dir: Option<PathBuf>,
    /// Whether the event log is written there.
    pub event_log: bool,
}

/// A `[venues.<id>]` table.
#[derive(Clone, PartialEq, Eq)]
pub struct VenueSettings {
    /// Whether anything was said about this venue.
    pub configured: bool,
    /// Origins of the streams, best first.
    pub streams: Vec<String>,
    /// Origins of the REST interface, best first.
    pub rest: Vec<String>,
    /// Lines per group, 1 or 2.
    pub lines: u8,
    /// Topics kept running without a subscriber.
    pub warm: Vec<Topic>,
    /// Topics that come at least so often.
    pub expect_every: BTreeMap<Topic, Duration>,
    /// The proxy's URL, which may hold a password.
    pub proxy: Option<String>,
    /// Certificate authorities to trust besides the usual ones.
    pub ca_file: Option<PathBuf>,
    /// The public half of the key.
    pub key_id: Option<String>,
    /// The secret half of the key.
    pub secret: Option<Secret>,
}

impl fmt::Debug for VenueSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VenueSettings")
            .field("configured", &self.configured)
            .field("streams", &self.streams)
            .field("rest", &self.rest)
            .field("lines", &self.lines)
            .field("warm", &self.warm)
            .field("expect_every", &self.expect_every)
            .field("proxy", &self.proxy.as_deref().map(redacted))
            .field("ca_file", &self.ca_file)
            .field("key_id", &self.key_id)
            .field("secret", &self.secret)
            .finish()
    }
}

/// Where a configuration is read from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The file's name, as it is to be told, and its bytes.
    pub file: Option<(String, Vec<u8>)>,
    /// Environment variables; those that do not begin with `TAPELINE_` matter only for default folders.
    pub environment: Vec<(OsString, OsString)>,
    /// Flags, `section.key=value` each.
    pub flags: Vec<String>,
}

/// The file that is read if none is named.
pub const DEFAULT_FILE: &str = "tapeline.toml";

impl Sources {
    /// The file `named`, or [`DEFAULT_FILE`] in the working folder if there is one; the process's
    /// environment; the given flags.
    ///
    /// # Errors
    /// [`Problems`] if the file cannot be read.
    pub fn of_process(named: Option<&Path>, flags: Vec<String>) -> Result<Self, Problems> {
        let path = named.unwrap_or(Path::new(DEFAULT_FILE));
        let file = match read_file(path) {
            Ok(bytes) => Some((path.display().to_string(), bytes)),
            Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => {
                let problem = problem::unreadable(path, "a readable configuration file", error);
                return Err(Problems(vec![problem]));
            }
        };
        Ok(Self { file, environment: std::env::vars_os().collect(), flags })
    }
}

/// Reads a file, but not endlessly: one byte more than the largest is enough to refuse it.
fn read_file(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let most = read::LARGEST_FILE as u64 + 1;
    std::fs::File::open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

impl Settings {
    /// The settings nobody has touched. `state` is the state folder, if there is any.
    fn untouched(state: Option<PathBuf>) -> Self {
        let venue = |id| {
            let (streams, rest) = venues::origins(id);
            let (warm, expect_every) = (Vec::new(), BTreeMap::new());
            let (proxy, ca_file, key_id, secret) = (None, None, None, None);
            VenueSettings {
                configured: false,
                streams,
                rest,
                lines: 1,
                warm,
                expect_every,
                proxy,
                ca_file,
                key_id,
                secret,
            }
        };
        Self {
            gateway: Gateway::default(),
            log: Log::default(),
            state: State { dir: state, event_log: false },
            venues: venues::ids().map(|id| (id, venue(id))).collect(),
            limits: Limits::default(),
            timing: Timing::default(),
            warnings: Vec::new(),
            origins: BTreeMap::new(),
        }
    }

    /// Reads and checks everything.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn read(sources: &Sources) -> Result<Self, Problems> {
        let variables: BTreeMap<String, Result<String, ()>> = sources
            .environment
            .iter()
            .map(|(name, text)| {
                (name.to_string_lossy().into_owned(), text.clone().into_string().map_err(drop))
            })
            .collect();
        let state = read::state_folder(|name| variables.get(name).and_then(|text| text.clone().ok()));
        let mut reader = read::Reader { settings: Self::untouched(state), problems: Vec::new() };
        if let Some((name, bytes)) = &sources.file {
            reader.file(name, bytes);
        }
        reader.environment(&variables);
        reader.flags(&sources.flags);
        let read::Reader { mut settings, mut problems } = reader;
        check::check(&mut settings, &mut problems);
        if problems.is_empty() {
            return Ok(settings);
        }
        problems.sort_by_key(|problem| match &problem.origin {
            Origin::File { line, column, .. } => (0, *line, *column),
            Origin::Environment(_) => (1, 0, 0),
            _ => (2, 0, 0),
        });
        Err(Problems(problems))
    }

    /// Where the value of a key such as `timing.linger` or `venues.binance.rest` came from.
    pub fn origin(&self, path: &str) -> Origin {
        self.origins.get(path).cloned().unwrap_or(Origin::Default)
    }

    /// Where every value came from that somebody gave.
    pub fn given(&self) -> Vec<&Origin> {
        self.origins.values().filter(|origin| origin.is_given()).collect()
    }

    /// What a venue's feed is told at its start; `None` for an unknown venue.
    pub fn feed(&self, venue: &str) -> Option<FeedConfig> {
        let venue = self.venues.get(venue)?;
        let id = venue.key_id.clone().unwrap_or_default();
        let keys = venue.secret.as_ref().map(|secret| Keys::new(id, secret.expose()));
        Some(FeedConfig {
            streams: venue.streams.clone(),
            rest: venue.rest.clone(),
            warm: venue.warm.clone(),
            expect_every: venue.expect_every.clone(),
            lines: venue.lines,
            keys,
            limits: self.limits.clone(),
            timing: self.timing.clone(),
        })
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::untouched(None)
    }
}
