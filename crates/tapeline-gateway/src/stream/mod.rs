//! The clients of `/v1/stream`, each a cursor into logs that all of them share.
//!
//! A *shard* is a thread with its own clients. It reads the hub as one subscriber per topic, whatever the
//! number of its clients, encodes each update once and appends it to the topic's *shelf*; a client is a
//! position on the shelves it reads. So a client costs no queue, a slow one no memory, and a storm of those
//! who come back is served from what is held anyway.
//!
//! - `log`: frames that many read; `shelf`: one topic with its readers; `merge`: conflation
//! - `client`: what one client reads and what is written to it; `session`: the conversation with it;
//!   `subscribe`: what it begins to read, and from where
//! - `request`: what it asks for; `talk`: what it is answered; `upstream`: what a shard asks of the hub
//! - `audience`: who reads what; `shard`: all of it together; `listen`: what it hears; `keep`: what it does by the clock;
//!   `memory`: what is given up when that runs short; `vital`: its life, and what ends it

mod audience;
mod client;
mod counters;
mod keep;
mod listen;
mod log;
mod memory;
mod merge;
mod request;
mod session;
mod shard;
mod shelf;
mod subscribe;
mod talk;
mod upstream;
mod vital;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use tapeline::Hub;
use tokio::sync::{mpsc, oneshot};
use tokio::task::LocalSet;

use crate::live::Live;
use shard::{Order, Shard};

pub(crate) use audience::{Audience, NAMED, OWN};
pub use counters::{Counters, Stages};
pub(crate) use memory::SHORT;
pub use talk::code;

/// Orders that wait for a shard.
const ORDERS: usize = 4_096;

/// A connection whose upgrade has been answered.
pub struct Admission {
    /// The socket, nonblocking.
    pub socket: std::net::TcpStream,
    /// What has been read of it behind the request.
    pub leftover: Bytes,
    /// Who it is.
    pub peer: SocketAddr,
    /// Held as long as the connection lives, for whoever counts connections.
    pub seat: Option<Box<dyn std::any::Any + Send>>,
}

impl std::fmt::Debug for Admission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admission").field("peer", &self.peer).finish_non_exhaustive()
    }
}

/// Bytes that the system may hold before it sends them.
#[cfg(target_os = "linux")]
const UNSENT_BELOW: u32 = 128 << 10;

/// Asks the system to hold no more of what a client has not been sent yet than this: what waits there is neither merged
/// nor counted, and in large steps one cannot see that a slow link goes on.
fn keep_little(socket: &std::net::TcpStream) {
    #[cfg(target_os = "linux")]
    if let Err(error) = socket2::SockRef::from(socket).set_tcp_notsent_lowat(UNSENT_BELOW) {
        tracing::debug!(%error, "the system holds as much as it likes for a client");
    }
    #[cfg(not(target_os = "linux"))]
    let _ = socket;
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

/// All shards.
#[derive(Debug, Clone)]
pub struct Streams {
    shards: Arc<[mpsc::Sender<Order>]>,
    counters: Arc<Counters>,
    next: Arc<AtomicUsize>,
}

impl Streams {
    /// Starts the shards.
    ///
    /// # Errors
    /// If the system gives no threads.
    pub(crate) fn start(hub: &Hub, live: &Arc<Live>) -> std::io::Result<Self> {
        let counters: Arc<Counters> = Arc::default();
        let count = live.config().limits.shards.max(1);
        let mut shards = Vec::with_capacity(count);
        for number in 0..count {
            let (orders, mut inbox) = mpsc::channel(ORDERS);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let (hub, live, counters) = (hub.clone(), Arc::clone(live), Arc::clone(&counters));
            std::thread::Builder::new().name(format!("stream-{number}")).spawn(move || {
                // A crash costs the clients of this shard their connection; they come back, to any.
                let wait = |delay| runtime.block_on(tokio::time::sleep(delay));
                Arc::clone(hub.parts()).keep_thread("a shard of the streams", wait, || {
                    let shard = Shard::new(hub.clone(), Arc::clone(&live), Arc::clone(&counters), count);
                    LocalSet::new().block_on(&runtime, shard.run(&mut inbox));
                });
            })?;
            shards.push(orders);
        }
        Ok(Self { shards: shards.into(), counters, next: Arc::default() })
    }

    /// Takes a client in.
    pub fn admit(&self, admission: Admission) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let peer = admission.peer;
        keep_little(&admission.socket);
        let order = Order::Admit(number as u64, Box::new(admission));
        if self.shards[number % self.shards.len()].try_send(order).is_err() {
            self.counters.turned_away.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(%peer, "a client is turned away: too many come at once");
        }
    }

    /// Everybody who is connected.
    pub async fn clients(&self) -> Vec<ClientStatus> {
        let mut all = Vec::new();
        for shard in &*self.shards {
            let (reply, answer) = oneshot::channel();
            if shard.send(Order::List(reply)).await.is_ok() {
                all.extend(answer.await.unwrap_or_default());
            }
        }
        all
    }

    /// Who reads what.
    pub(crate) async fn audience(&self) -> Audience {
        let mut all = Audience::default();
        for shard in &*self.shards {
            let (reply, answer) = oneshot::channel();
            if shard.send(Order::Count(reply)).await.is_ok() {
                all.add(answer.await.unwrap_or_default());
            }
        }
        all
    }

    /// Their figures.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Clients that were closed, by close code; 1006 = without one.
    pub fn closes(&self) -> Vec<(u16, u64)> {
        self.counters.closes()
    }

    /// Tells every client to come back later (4001), and waits until they have heard it.
    pub async fn shutdown(&self, within: Duration) {
        let mut told = Vec::new();
        for shard in &*self.shards {
            let (done, heard) = oneshot::channel();
            if shard.send(Order::Stop(within, done)).await.is_ok() {
                told.push(heard);
            }
        }
        for heard in told {
            let _ = heard.await;
        }
    }
}
