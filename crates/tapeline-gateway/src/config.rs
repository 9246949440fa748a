//! What the gateway is told at its start.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// Everything the gateway is told at its start.
#[derive(Clone)]
pub struct GatewayConfig {
    /// The address to listen on; port 0 takes any free one.
    pub listen: SocketAddr,
    /// The token for calls that change something; without one, all of them are refused.
    pub admin_token: Option<String>,
    /// Names by which the gateway is called, besides those of this machine and the address it listens on.
    pub allowed_hosts: Vec<String>,
    /// Origins (`https://desk.example`) of pages that may use it, besides those of these names.
    pub allowed_origins: Vec<String>,
    /// Least time between conflated updates of one topic, where a client asks for none of its own.
    pub throttle: Duration,
    /// How much of everything.
    pub limits: Limits,
    /// How long everything.
    pub timing: Timing,
}

/// Bounds towards clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
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
    /// Topics of one client.
    pub topics_per_client: usize,
    /// Bytes that a client may leave unread for longer than `write_within`.
    pub unsent_bytes: usize,
    /// Bytes that the log of one topic may hold for those who are behind or come back.
    pub log_bytes: usize,
    /// Bytes that all these logs may hold together.
    pub logs_bytes: usize,
    /// Threads that serve streams.
    pub shards: usize,
}

/// Durations towards clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timing {
    /// How long a request's head may take.
    pub header_within: Duration,
    /// How long a connection without a request is kept.
    pub idle: Duration,
    /// How often a client is pinged.
    pub ping_every: Duration,
    /// How long its pong may take.
    pub pong_within: Duration,
    /// How long one message of a client may take to arrive.
    pub message_within: Duration,
    /// How long a client may read nothing of what waits for it, or be behind by more than `unsent_bytes`.
    pub write_within: Duration,
    /// How long history is kept for clients who resume.
    pub history: Duration,
    /// How long a graceful stop may take.
    pub drain_within: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 20_000,
            connections_per_ip: 100,
            header_bytes: 16 << 10,
            message_bytes: 64 << 10,
            messages_per_second: 20,
            topics_per_client: 256,
            unsent_bytes: 256 << 10,
            log_bytes: 4 << 20,
            logs_bytes: 32 << 20,
            // The feeds want the other half of the machine, and a message is encoded once for each shard.
            shards: std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).clamp(1, 4)),
        }
    }
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            header_within: Duration::from_secs(5),
            idle: Duration::from_secs(60),
            ping_every: Duration::from_secs(25),
            pong_within: Duration::from_secs(8),
            message_within: Duration::from_secs(10),
            write_within: Duration::from_secs(10),
            history: Duration::from_secs(60),
            drain_within: Duration::from_secs(8),
        }
    }
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8480),
            admin_token: None,
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            throttle: Duration::from_millis(100),
            limits: Limits::default(),
            timing: Timing::default(),
        }
    }
}

impl std::fmt::Debug for GatewayConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GatewayConfig")
            .field("listen", &self.listen)
            .field("admin_token", &self.admin_token.as_ref().map(|_| "…"))
            .field("allowed_hosts", &self.allowed_hosts)
            .field("allowed_origins", &self.allowed_origins)
            .field("throttle", &self.throttle)
            .field("limits", &self.limits)
            .field("timing", &self.timing)
            .finish()
    }
}
