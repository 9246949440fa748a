//! The venue as a server on loopback: WebSocket and HTTP on one port.

mod http;
mod hub;
mod options;
mod player;
mod socket;

pub use options::{Content, Options, StartError};

use crate::capture::Capture;
use crate::exchange::{TrueBook, names};
use crate::faults::Fault;
use crate::report::Report;
use http::{Shared, Stage};
use hub::Hub;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use player::{Exchange, Recording};
use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A request whose head takes longer than this is not going to come.
const HEAD_WITHIN: Duration = Duration::from_secs(60);

/// A running venue. Dropping it ends all its tasks and cuts all its sockets.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    finished: watch::Receiver<bool>,
}

impl Server {
    /// Opens the venue.
    ///
    /// # Errors
    /// [`StartError`]: the recording cannot be played or the port is taken.
    pub async fn start(mut options: Options) -> Result<Self, StartError> {
        let (stage, hub, futures) = open_stage(&options).await?;
        let (address, port) = (options.address, options.port);
        let listen = |source| StartError::Listen { address, port, source };
        let listener = TcpListener::bind((address, port)).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        options.streams.get_or_insert(if futures { 200 } else { 1_024 });
        let shared = Arc::new(Shared {
            hub: Arc::new(hub),
            stage,
            options,
            futures,
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            guests: Mutex::new(HashMap::new()),
            depth_failures: Mutex::new((0, 0)),
        });
        let (done, finished) = watch::channel(false);
        let (stop, player) = (shared.stop.clone(), Arc::clone(&shared));
        shared.tasks.spawn(async move {
            stop.run_until_cancelled(play(&player)).await;
            // Who waits for the end learns of it whether the end was reached or ordered.
            done.send_replace(true);
        });
        shared.tasks.spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, finished })
    }

    /// `http://127.0.0.1:PORT`; sockets are at the same port.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `ws://127.0.0.1:PORT`.
    pub fn ws_url(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// Where the venue listens.
    pub const fn addr(&self) -> SocketAddr {
        self.address
    }

    /// Whether the venue is USD-M futures rather than spot.
    pub fn is_futures(&self) -> bool {
        self.shared.futures
    }

    /// The streams the venue has, in canonical spelling, by family.
    pub fn streams(&self) -> Vec<String> {
        self.shared.hub.accepted()
    }

    /// How many frames a recording, or a market with a limit, has; `u64::MAX` for one without.
    pub fn frames(&self) -> u64 {
        match &self.shared.stage {
            Stage::Recording(recording) => recording.capture.len() as u64,
            Stage::Exchange(exchange) => exchange.options.frames.unwrap_or(u64::MAX),
        }
    }

    /// The counters now.
    pub fn report(&self) -> Report {
        self.shared.hub.report()
    }

    /// The true book of a generated market's symbol (`BTCUSDT`): now, or at an update id that is still
    /// remembered. `None` for an unknown symbol, a forgotten id, or a recording.
    pub fn truth(&self, symbol: &str, id: Option<u64>) -> Option<TrueBook> {
        match &self.shared.stage {
            Stage::Exchange(exchange) => exchange.market().truth(symbol, id),
            Stage::Recording(_) => None,
        }
    }

    /// Replaces all faults; the counts of the new ones begin at 1.
    pub fn set_faults(&self, faults: Vec<Fault>) {
        self.shared.hub.set_faults(faults);
    }

    /// Arms one more fault.
    pub fn add_fault(&self, fault: Fault) {
        self.shared.hub.add_fault(fault);
    }

    /// Lets the next `count` depth requests fail with this HTTP status.
    pub fn fail_snapshots(&self, status: u16, count: u32) {
        *self.shared.depth_failures.lock().unwrap_or_else(std::sync::PoisonError::into_inner) =
            (status, count);
    }

    /// Sends `serverShutdown` to every socket, as the spot venue does before it goes down (since 2026-05-08,
    /// without any subscription and without a promise when).
    pub fn announce_shutdown(&self) {
        let payload = format!("{{\"e\":\"serverShutdown\",\"E\":{}}}", unix_ms());
        self.shared.hub.broadcast("!serverShutdown", &payload);
    }

    /// Cuts every open socket without a goodbye, as a network does.
    pub fn cut_sockets(&self) {
        self.shared.hub.cut_all();
    }

    /// Starts the clock of a recording (or of a limited market) at once instead of some time after the last
    /// SUBSCRIBE: for those who know that everybody is there.
    pub fn begin(&self) {
        self.shared.hub.begin();
    }

    /// Waits until every frame of the recording, or of a limited market, has been handed to the sockets,
    /// and returns how many there were. Never returns for a market without a limit while it runs.
    pub async fn finished(&self) -> u64 {
        // The sender lives as long as the player's task, which sends before it ends.
        let _ = self.finished.clone().wait_for(|done| *done).await;
        self.report().played
    }

    /// Ends all tasks and waits until they are gone.
    pub async fn shutdown(self) {
        self.shared.stop.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

async fn open_stage(options: &Options) -> Result<(Stage, Hub, bool), StartError> {
    let faults = options.faults.clone();
    match &options.content {
        Content::Capture { dir, speed } => {
            let capture = read_capture(dir).await?;
            let names = capture.streams.clone();
            let numbers = (0..).zip(&names).map(|(number, name)| (name.clone(), number)).collect();
            let futures = capture.futures;
            let recording = Recording::new(capture, *speed, options.snapshot_wait);
            Ok((Stage::Recording(recording), Hub::new(names, numbers, faults, options.start_after), futures))
        }
        Content::Market(market) => {
            if market.symbols.is_empty() {
                return Err(StartError::NoSymbols);
            }
            let (names, numbers) = names(&market.symbols, market.futures);
            let exchange = Exchange::new(market.clone(), unix_ms());
            Ok((
                Stage::Exchange(exchange),
                Hub::new(names, numbers, faults, options.start_after),
                market.futures,
            ))
        }
    }
}

/// Reads on a thread of its own: a large recording takes a second to unpack.
async fn read_capture(dir: &Path) -> Result<Capture, StartError> {
    let dir = dir.to_owned();
    match tokio::task::spawn_blocking(move || Capture::read(&dir)).await {
        Ok(capture) => Ok(capture?),
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}

async fn play(shared: &Shared) {
    match &shared.stage {
        Stage::Recording(recording) => recording.play(&shared.hub).await,
        Stage::Exchange(exchange) => exchange.run(&shared.hub).await,
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let accepted = tokio::select! {
            () = shared.stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                // Frames are small and late ones are worth nothing.
                let _ = stream.set_nodelay(true);
                shared.tasks.spawn(serve(stream, peer, Arc::clone(&shared)));
            }
            Err(error) => {
                tracing::warn!(%error, "accept failed");
                // Out of descriptors, usually: trying at once would only spin.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, peer: SocketAddr, shared: Arc<Shared>) {
    let stop = shared.stop.clone();
    let service = service_fn(move |request| {
        let reply = shared.answer(request, peer.ip());
        async move { Ok::<_, Infallible>(reply) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::select! {
        () = stop.cancelled() => {}
        done = connection => if let Err(error) = done {
            tracing::debug!(%error, "connection ended");
        }
    }
}

fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
