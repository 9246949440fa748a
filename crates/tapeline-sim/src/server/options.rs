//! What a server is told at its start.

use crate::capture::CaptureError;
use crate::dialect::ErrorShape;
use crate::exchange::MarketOptions;
use crate::faults::Fault;
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
    /// Batches of at most 256 frames that wait for one socket.
    pub queue: usize,
    /// Misbehaviour from the first frame on.
    pub faults: Vec<Fault>,
}

impl Options {
    /// The venue's own limits around `content`, on a free loopback port.
    pub const fn new(content: Content) -> Self {
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
            ping_every: Duration::from_secs(20),
            pong_within: Duration::from_secs(60),
            weight: None,
            error_shape: ErrorShape::Nested,
            deflate: true,
            queue: 16,
            faults: Vec::new(),
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
    /// A market without symbols has nothing to tell.
    #[error("the market lists no symbols")]
    NoSymbols,
}
