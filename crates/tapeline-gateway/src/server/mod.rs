//! The listener and its connections: bounds, deadlines, and an orderly end.

mod accept;
mod connection;
mod head;
mod pulse;
mod reserve;
mod seats;

pub(crate) use connection::Caller;
pub(crate) use head::Breach;
pub(crate) use pulse::Felt;
pub(crate) use seats::{Full, Seats};

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use tapeline::Hub;
use tokio::net::TcpListener;
use tokio::time::{Duration, Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::about::About;
use crate::config::GatewayConfig;
use crate::http::Face;
use crate::live::{Controls, Live};
use crate::stream::Streams;

/// hyper's least.
const HEAD_LEAST: usize = 8 << 10;
/// What is left of a graceful stop for cutting those who did not end.
const CUT_WITHIN: Duration = Duration::from_secs(1);

/// The network face of a hub: a listener, its connections and their streams. Dropping it cuts them all.
#[derive(Debug)]
pub struct Gateway {
    address: SocketAddr,
    shared: Arc<Shared>,
}

/// Everything the connections share.
#[derive(Debug)]
struct Shared {
    router: Router,
    streams: Streams,
    controls: Controls,
    /// No more connections, no more requests.
    stop: CancellationToken,
    /// No more patience.
    kill: CancellationToken,
    tasks: TaskTracker,
}

/// Why the gateway did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The address is taken or not ours.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The system gives no threads.
    #[error("cannot start the threads that serve streams: {0}")]
    Threads(io::Error),
}

impl Gateway {
    /// Listens, and serves the hub from now on, on the current runtime.
    ///
    /// # Errors
    /// [`StartError`]: the address is taken or not ours, or the system gives no threads.
    pub async fn start(config: GatewayConfig, hub: Hub, about: About) -> Result<Self, StartError> {
        let listen = |source| StartError::Listen { address: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let seats = Seats::new(config.limits.connections, config.limits.connections_per_ip);
        let live = Live::new(config, about.config.clone());
        let streams = Streams::start(&hub, &live).map_err(StartError::Threads)?;
        let controls = Controls { live, journal: Arc::default(), seats };
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let parts = Arc::clone(hub.parts());
        let face = Face::new(hub, about, streams.clone(), &controls, &stop, &tasks);
        let shared = Arc::new(Shared {
            router: crate::http::router(face),
            streams,
            controls,
            stop,
            kill: CancellationToken::new(),
            tasks,
        });
        shared.tasks.spawn(accept::keep(Arc::new(listener), Arc::clone(&shared), parts));
        Ok(Self { address, shared })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What changes it while it runs.
    pub fn controls(&self) -> Controls {
        self.shared.controls.clone()
    }

    /// The clients of `/v1/stream`.
    pub fn streams(&self) -> &Streams {
        &self.shared.streams
    }

    /// Ends in good order, within the time of the settings: nobody is let in any more, requests that
    /// have begun are answered, clients are told to come back later (close code 4001). The hub goes on.
    pub async fn shutdown(self) {
        let shared = &self.shared;
        let within = shared.config().timing.drain_within;
        let deadline = Instant::now() + within;
        shared.stop.cancel();
        shared.tasks.close();
        let streams = timeout(within, shared.streams.shutdown(within.saturating_sub(CUT_WITHIN)));
        let tasks = timeout(within.saturating_sub(CUT_WITHIN), shared.tasks.wait());
        let (streams, tasks) = tokio::join!(streams, tasks);
        if streams.is_err() || tasks.is_err() {
            tracing::warn!(tasks = shared.tasks.len(), "some connections did not end in time and are cut");
        }
        shared.kill.cancel();
        let rest = deadline.saturating_duration_since(Instant::now()).max(CUT_WITHIN / 10);
        if timeout(rest, shared.tasks.wait()).await.is_err() {
            tracing::error!(tasks = shared.tasks.len(), "connections could not be ended");
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.shared.stop.cancel();
        self.shared.kill.cancel();
        self.shared.tasks.close();
    }
}

impl Shared {
    /// The settings in force.
    fn config(&self) -> Arc<GatewayConfig> {
        self.controls.live.config()
    }

    fn limit(&self, full: Full) -> usize {
        let limits = &self.config().limits;
        match full {
            Full::House => limits.connections,
            Full::Address => limits.connections_per_ip,
            Full::Descriptors => tapeline::Descriptors::RESERVE as usize,
        }
    }
}
