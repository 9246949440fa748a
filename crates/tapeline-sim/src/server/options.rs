//! What a server is told at its start.

use crate::capture::CaptureError;
use crate::dialect::ErrorShape;
use crate::exchange::MarketOptions;
use crate::house::{HouseOptions, Trouble};
use crate::playback::Speed;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

/// What the venue has to tell.
#[derive(Debug, Clone)]
pub enum Content {
    /// A recorded session: its frames in their order and, at finite speed, in their rhythm.
    Capture {
        /// A folder with `frames.ndjson`, `recv_*.txt` and, if any, `rest_depth.ndjson`.
        dir: PathBuf,
        /// How fast the recorded clock runs.
        speed: Speed,
    },
    /// A small generated exchange.
    Market(MarketOptions),
}

/// The settings of a server; [`Options::new`] has the venue's own.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to listen. Anything but loopback is at your own risk: there is no authentication.
    pub address: IpAddr,
    /// The port, 0 for any free one.
    pub port: u16,
    /// What is played.
    pub content: Content,
    /// The clock of a recording (or of a limited market) starts this long after the last SUBSCRIBE or connect.
    pub start_after: Duration,
    /// How long a recording waits for a snapshot to be asked for at its point.
    pub snapshot_wait: Duration,
    /// The most client messages in any sliding second, pings and pongs counted; `None` lets all pass.
    pub messages_per_second: Option<usize>,
    /// The most streams per socket; `None` is the venue's limit: 1024 on spot, 200 on futures.
    pub streams: Option<usize>,
    /// The most connects per address in five minutes; `None` lets all in.
    pub connects: Option<usize>,
    /// Sockets open at a time; more are refused with 503.
    pub sockets: usize,
    /// The interval of pings.
    pub ping_every: Duration,
    /// A socket that has not answered a ping after this long is cut.
    pub pong_within: Duration,
    /// Request weight per address and clock minute; `None` is the venue's limit: 6,000 spot, 2,400 futures.
    pub weight: Option<u32>,
    /// The shape of error replies on sockets.
    pub error_shape: ErrorShape,
    /// Grant permessage-deflate to clients that offer it.
    pub deflate: bool,
    /// Speak TLS too, on the same port, and write the certificate of the authority to trust into this folder, as
    /// `ca.pem`; it is another one at each start.
    pub tls: Option<PathBuf>,
    /// Batches of at most 256 frames that wait for one socket.
    pub queue: usize,
    /// A socket is cut when it is this old; the venue says 24 hours.
    pub lifetime: Option<Duration>,
    /// How long before that a spot socket is sent `serverShutdown`; `None` tells nothing.
    pub shutdown_lead: Option<Duration>,
    /// Misbehaviour; its times count from the start of the server.
    pub troubles: Vec<Trouble>,
}

impl Options {
    /// The venue's own limits around `content`, on a free loopback port.
    pub const fn new(content: Content) -> Self {
        let slow_pings = matches!(&content, Content::Market(market) if market.futures);
        Self {
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 0,
            content,
            start_after: Duration::from_millis(500),
            snapshot_wait: Duration::from_secs(5),
            messages_per_second: Some(5),
            streams: None,
            connects: Some(300),
            sockets: 1_024,
            ping_every: Duration::from_secs(if slow_pings { 180 } else { 20 }),
            pong_within: Duration::from_secs(if slow_pings { 600 } else { 60 }),
            weight: None,
            error_shape: ErrorShape::Nested,
            deflate: true,
            tls: None,
            queue: 16,
            lifetime: Some(Duration::from_secs(24 * 3_600)),
            shutdown_lead: None,
            troubles: Vec::new(),
        }
    }

    /// The settings of a house with this market; `unix_ms` is the wall clock at its start.
    pub(crate) fn house(&self, market: MarketOptions, unix_ms: u64) -> HouseOptions {
        let usual = HouseOptions::new(market);
        HouseOptions {
            unix_ms_at_zero: unix_ms,
            start_after: self.start_after,
            messages_per_second: self.messages_per_second,
            streams: self.streams.unwrap_or(usual.streams),
            connects: self.connects,
            sockets: self.sockets,
            ping_every: self.ping_every,
            pong_within: self.pong_within,
            lifetime: self.lifetime,
            shutdown_lead: self.shutdown_lead,
            weight: self.weight.unwrap_or(usual.weight),
            error_shape: self.error_shape,
            ..usual
        }
    }
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The recording cannot be played.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// The address is taken or not ours.
    #[error("cannot listen on {address}:{port}: {source}")]
    Listen {
        /// The address asked for.
        address: IpAddr,
        /// The port asked for.
        port: u16,
        /// What the system said.
        source: std::io::Error,
    },
    /// The certificate of the authority cannot be written.
    #[error("cannot write {}: {source}", .file.display())]
    Authority {
        /// Where it should be.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// No certificate could be made.
    #[error("cannot make certificates: {0}")]
    Certificate(#[from] rcgen::Error),
    /// A certificate could not be used.
    #[error("cannot set up TLS: {0}")]
    Tls(#[from] tokio_rustls::rustls::Error),
    /// A market without symbols has nothing to tell.
    #[error("the market lists no symbols")]
    NoSymbols,
}
