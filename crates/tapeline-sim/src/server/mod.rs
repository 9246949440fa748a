//! The venue as a server on loopback: WebSocket and HTTP on one port.

mod control;
mod http;
mod options;
mod player;
mod room;
mod socket;
mod stream;
mod tls;

pub use options::{Content, Options, StartError};

use crate::capture::Capture;
use crate::exchange::{MarketOptions, TrueBook, TrueTrade};
use crate::house::{House, Kind, Mishap, Trouble, TroubleId};
use crate::playback::Speed;
use crate::recording::Recording;
use crate::report::Report;
use http::Shared;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use room::{Room, Slow};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use stream::Stream;
use tls::Tls;
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
    /// The frames of a recording or a limited market.
    frames: u64,
    finished: watch::Receiver<bool>,
}

impl Server {
    /// Opens the venue.
    ///
    /// # Errors
    /// [`StartError`]: the recording cannot be played, the port is taken, or the certificate cannot be written.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let (mut house, recording, slow) = open_house(&options).await?;
        for trouble in options.troubles {
            house.trouble(0, trouble);
        }
        let (address, port) = (options.address, options.port);
        let listen = |source| StartError::Listen { address, port, source };
        let listener = TcpListener::bind((address, port)).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let tls = options.tls.as_deref().map(|dir| Tls::open(dir, address.ip())).transpose()?;
        let frames = match &options.content {
            Content::Market(market) => market.frames.unwrap_or(u64::MAX),
            Content::Capture { .. } => recording.as_ref().map_or(0, |known| known.capture.len() as u64),
        };
        let shared = Arc::new(Shared {
            futures: house.is_futures(),
            room: Arc::new(Room::new(house, options.queue.max(1) * player::BATCH, slow)),
            recording,
            deflate: options.deflate,
            tls,
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        });
        let (done, finished) = watch::channel(false);
        let player = Arc::clone(&shared);
        shared.tasks.spawn(async move {
            let (room, stop) = (&player.room, &player.stop);
            let play = async {
                if let Some(recording) = &player.recording {
                    player::play(recording, room).await;
                    done.send_replace(true);
                }
            };
            stop.run_until_cancelled(async { tokio::join!(player::drive(room, &done), play) }).await;
            // Who waits for the end learns of it whether the end was reached or ordered.
            done.send_replace(true);
        });
        shared.tasks.spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, frames, finished })
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

    /// The streams the venue has, in canonical spelling.
    pub fn streams(&self) -> Vec<String> {
        self.shared.room.read(House::streams)
    }

    /// How many frames a recording, or a market with a limit, has; `u64::MAX` for one without.
    pub const fn frames(&self) -> u64 {
        self.frames
    }

    /// The counters now.
    pub fn report(&self) -> Report {
        self.shared.room.read(House::report)
    }

    /// The true book of a generated market's symbol (`BTCUSDT`): now, or at an update id that is still
    /// remembered. `None` for an unknown symbol, a forgotten id, or a recording.
    pub fn truth(&self, symbol: &str, id: Option<u64>) -> Option<TrueBook> {
        self.shared.room.read(|house| house.truth(symbol, id))
    }

    /// The trades of a generated market's symbol behind an id, oldest first, as far as they are remembered; also ids
    /// that were spent without a trade. `None` for an unknown symbol or a recording.
    pub fn trades(&self, symbol: &str, after: u64) -> Option<Vec<TrueTrade>> {
        self.shared.room.read(|house| Some(house.trades(symbol, after)?.copied().collect()))
    }

    /// The frames that did not reach a socket as they should have, after the mishap of this number.
    pub fn mishaps(&self, since: u64) -> Vec<Mishap> {
        self.shared.room.read(|house| house.mishaps(since).cloned().collect())
    }

    /// Orders a trouble.
    pub fn trouble(&self, trouble: Trouble) -> TroubleId {
        self.shared.room.with(|house, now| house.trouble(now, trouble))
    }

    /// Calls a trouble off; false if there is none of this number.
    pub fn calm(&self, id: TroubleId) -> bool {
        self.shared.room.with(|house, _| house.calm(id))
    }

    /// Calls every trouble off.
    pub fn calm_all(&self) {
        self.shared.room.with(|house, _| house.calm_all());
    }

    /// Sends `serverShutdown` to every socket, as the spot venue does before it goes down (since 2026-05-08,
    /// without any subscription and without a promise when).
    pub fn announce_shutdown(&self) {
        self.shared.room.with(House::announce_shutdown);
    }

    /// From now on sockets must show this key (`Authorization: Bearer KEY`); `None` lets all in. Those that came with
    /// another one are closed; how many those are.
    pub fn set_login(&self, key: Option<&str>) -> usize {
        self.shared.room.with(|house, now| house.set_login(now, key))
    }

    /// Whether keys are shown by a message on the open socket (`{"action":"auth","key":…,"secret":…}`), and no longer at
    /// the door.
    pub fn ask_by_message(&self, by_message: bool) {
        self.shared.room.with(|house, _| house.ask_by_message(by_message));
    }

    /// The open sockets, oldest first: the number by which troubles call each, and the host that it called.
    pub fn sockets(&self) -> Vec<(u64, String)> {
        let told =
            |house: &House| house.open_sockets().map(|open| (open.socket, open.host.to_owned())).collect();
        self.shared.room.read(told)
    }

    /// Cuts every open socket without a goodbye, as a network does.
    pub fn cut_sockets(&self) {
        self.trouble(Trouble::new(Kind::Fin));
    }

    /// Starts the clock of a recording (or of a limited market) at once instead of some time after the last
    /// SUBSCRIBE: for those who know that everybody is there.
    pub fn begin(&self) {
        self.shared.room.with(House::begin_now);
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

async fn open_house(options: &Options) -> Result<(House, Option<Arc<Recording>>, Slow), StartError> {
    match &options.content {
        Content::Capture { dir, speed } => {
            let capture = read_capture(dir).await?;
            let recording = Arc::new(Recording::new(capture, *speed, options.snapshot_wait));
            let market = MarketOptions::new(recording.capture.futures);
            let house = House::of_recording(options.house(market, unix_ms()), Arc::clone(&recording));
            Ok((house, Some(recording), Slow::Wait))
        }
        Content::Market(market) => {
            if market.symbols.is_empty() {
                return Err(StartError::NoSymbols);
            }
            // A market that races or ends waits for those who read; a live one waits for nobody.
            let live = market.speed != Speed::Max && market.frames.is_none();
            let house = House::new(options.house(market.clone(), unix_ms()));
            Ok((house, None, if live { Slow::Cut } else { Slow::Wait }))
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

async fn serve(tcp: TcpStream, peer: SocketAddr, shared: Arc<Shared>) {
    let stop = shared.stop.clone();
    let greeting = async {
        match &shared.tls {
            Some(tls) => tokio::time::timeout(HEAD_WITHIN, tls.greet(tcp, &shared.room)).await.ok().flatten(),
            None => Some(Stream::Plain(tcp)),
        }
    };
    let Some(Some(stream)) = stop.run_until_cancelled(greeting).await else { return };
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { shared.answer(request, peer.ip()).await }
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
