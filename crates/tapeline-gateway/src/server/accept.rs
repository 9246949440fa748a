//! The accept loop: it takes connections in, refuses those too many, and outlives whatever the system says.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tapeline::{Descriptors, Parts};
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};

use super::Shared;
use super::connection::serve;
use super::reserve::Reserve;
use super::seats::{Full, Seat};
use crate::http::refusal::Refusal;

/// The pauses after a failure that is not one connection's own, doubled from the first to the last.
const PAUSE_FIRST: Duration = Duration::from_millis(50);
const PAUSE_LAST: Duration = Duration::from_secs(1);
/// Such failures are told at most this often.
const TELL_EVERY: Duration = Duration::from_secs(10);
/// Connections that are being refused at a time; more are just closed.
const REFUSED: usize = 64;
/// So many of these one takes up who is refused for want of descriptors: the reserve is not for saying no.
const DEAR: u32 = 16;
/// How long, and for how many bytes, a refused client is listened to, so that it can read the answer.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: u64 = 16 << 10;

/// Where connections come from.
pub(super) trait Listen {
    /// The next one.
    fn accept(&mut self) -> impl Future<Output = io::Result<(TcpStream, SocketAddr)>> + Send;
}

impl Listen for Arc<TcpListener> {
    async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        TcpListener::accept(self).await
    }
}

/// Accepts until the gateway stops, over crashes. The socket stays: whoever connects meanwhile waits.
pub(super) async fn keep(listener: impl Listen + Clone, shared: Arc<Shared>, parts: Arc<Parts>) {
    parts.keep_vital("the listener", || run(listener.clone(), Arc::clone(&shared))).await;
}

/// Accepts until the gateway stops.
async fn run(listener: impl Listen, shared: Arc<Shared>) {
    accept(listener, shared, Reserve::new(Descriptors::read)).await;
}

async fn accept(mut listener: impl Listen, shared: Arc<Shared>, mut reserve: Reserve) {
    let refusing = Arc::new(Semaphore::new(REFUSED));
    let mut weather = Weather::default();
    loop {
        let accepted = tokio::select! {
            biased;
            () = shared.stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, peer)) => {
                weather = weather.fair();
                let seats = &shared.controls.seats;
                let seat = if reserve.admits() {
                    seats.take(peer.ip())
                } else {
                    Err(seats.refuse(Full::Descriptors))
                };
                admit((socket, peer), seat, &shared, &refusing);
            }
            Err(error) => {
                if let Some(pause) = weather.foul(&error) {
                    tokio::select! {
                        () = shared.stop.cancelled() => return,
                        () = sleep(pause) => {}
                    }
                }
            }
        }
    }
}

fn admit(
    (socket, peer): (TcpStream, SocketAddr),
    seat: Result<Seat, Full>,
    shared: &Arc<Shared>,
    refusing: &Arc<Semaphore>,
) {
    // Updates are small and late ones are worth nothing.
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%error, %peer, "a connection was over before it was served");
        return;
    }
    match seat {
        Ok(seat) => {
            shared.tasks.spawn(serve(socket, peer, seat, Arc::clone(shared)));
        }
        Err(full) => {
            let cost = if full == Full::Descriptors { DEAR } else { 1 };
            let Ok(permit) = Arc::clone(refusing).try_acquire_many_owned(cost) else { return };
            let shared = Arc::clone(shared);
            let limit = shared.limit(full);
            shared.clone().tasks.spawn(async move {
                let refused = timeout(LINGER, refuse(socket, full, limit));
                // Whether it reads the answer is its own affair.
                let _ = shared.stop.run_until_cancelled(refused).await;
                drop(permit);
            });
        }
    }
}

/// Says why, and listens for a moment: a socket closed over unread bytes takes the answer with it.
async fn refuse(mut socket: TcpStream, full: Full, limit: usize) -> io::Result<()> {
    let refusal = Refusal::full(full, limit);
    let (status, body) = (refusal.status, refusal.body().to_string());
    let reason = status.canonical_reason().unwrap_or("");
    let answer = format!(
        "HTTP/1.1 {} {reason}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nretry-after: 5\r\n\
         connection: close\r\n\r\n{body}",
        status.as_u16(),
        body.len()
    );
    socket.write_all(answer.as_bytes()).await?;
    socket.shutdown().await?;
    tokio::io::copy(&mut socket.take(LINGER_BYTES), &mut tokio::io::sink()).await?;
    Ok(())
}

/// How accepting goes.
#[derive(Debug, Default)]
struct Weather {
    /// The pause before the next attempt.
    pause: Option<Duration>,
    /// When a failure was told last, and how many were not told since.
    told: Option<Instant>,
    untold: u32,
}

impl Weather {
    /// A connection came.
    const fn fair(self) -> Self {
        Self { pause: None, ..self }
    }

    /// Accepting failed. The pause it asks for: none where only that one connection was lost.
    fn foul(&mut self, error: &io::Error) -> Option<Duration> {
        use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
        if matches!(error.kind(), ConnectionAborted | ConnectionReset | ConnectionRefused | Interrupted) {
            return None;
        }
        // Out of descriptors or memory, usually: trying at once would only spin.
        let pause = self.pause.map_or(PAUSE_FIRST, |pause| (pause * 2).min(PAUSE_LAST));
        self.pause = Some(pause);
        if self.told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
            tracing::error!(%error, untold = self.untold, "connections cannot be accepted");
            self.told = Some(Instant::now());
            self.untold = 0;
        } else {
            self.untold += 1;
        }
        Some(pause)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::super::Gateway;
    use super::*;
    use crate::{About, GatewayConfig};

    #[tokio::test(start_paused = true)]
    async fn failures_are_waited_out_ever_longer_and_told_rarely() {
        let mut weather = Weather::default();
        // 24 is EMFILE.
        let error = io::Error::from_raw_os_error(24);
        let pauses: Vec<u128> = (0..7).filter_map(|_| weather.foul(&error)).map(|p| p.as_millis()).collect();
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1_000, 1_000]);
        assert_eq!(weather.untold, 6);
        weather = weather.fair();
        assert_eq!(weather.foul(&error), Some(PAUSE_FIRST));
        tokio::time::advance(TELL_EVERY).await;
        weather.foul(&error);
        assert_eq!(weather.untold, 0);
    }

    /// A listener that is out of descriptors for a while.
    struct Short {
        listener: Arc<TcpListener>,
        failures: u32,
        asked: Arc<AtomicU32>,
    }

    impl Listen for Short {
        async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
            if self.asked.fetch_add(1, Ordering::SeqCst) < self.failures {
                return Err(io::Error::from_raw_os_error(24));
            }
            Listen::accept(&mut self.listener).await
        }
    }

    /// Whether a client there is served.
    async fn serves(address: SocketAddr) {
        let mut client = TcpStream::connect(address).await.unwrap();
        let request = format!("GET /livez HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        client.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }

    #[tokio::test]
    async fn whoever_waits_while_descriptors_are_short_is_served_after_that() {
        let config = GatewayConfig { listen: "127.0.0.1:0".parse().unwrap(), ..GatewayConfig::default() };
        let hub = tapeline::Hub::new(tapeline::HubConfig::default());
        let gateway = Gateway::start(config, hub, About::default()).await.unwrap();
        let listener = Arc::new(TcpListener::bind("127.0.0.1:0").await.unwrap());
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(AtomicU32::new(0));
        let short = Short { listener, failures: 3, asked: Arc::clone(&asked) };
        let accepting = tokio::spawn(run(short, Arc::clone(&gateway.shared)));
        serves(address).await;
        assert_eq!(
            asked.load(Ordering::SeqCst),
            5,
            "three failures, one connection, and the wait for the next"
        );
        gateway.shutdown().await;
        accepting.await.unwrap();
    }

    #[tokio::test]
    async fn the_last_descriptors_are_not_for_clients() {
        let config = GatewayConfig { listen: "127.0.0.1:0".parse().unwrap(), ..GatewayConfig::default() };
        let hub = tapeline::Hub::new(tapeline::HubConfig::default());
        let gateway = Gateway::start(config, hub, About::default()).await.unwrap();
        let listener = Arc::new(TcpListener::bind("127.0.0.1:0").await.unwrap());
        let address = listener.local_addr().unwrap();
        let reserve = Reserve::new(|| Some(Descriptors { used: 97, most: 128 }));
        let accepting = tokio::spawn(accept(listener, Arc::clone(&gateway.shared), reserve));
        let mut client = TcpStream::connect(address).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("retry-after: 5"), "{answer}");
        assert!(answer.contains("\"descriptors\""), "{answer}");
        assert_eq!(gateway.shared.controls.seats.refused(Full::Descriptors), 1);
        gateway.shutdown().await;
        accepting.await.unwrap();
    }

    /// A listener of which the first times of accepting panic.
    #[derive(Clone)]
    struct Weak {
        listener: Arc<TcpListener>,
        crashes: u32,
        asked: Arc<AtomicU32>,
    }

    impl Listen for Weak {
        async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
            assert!(self.asked.fetch_add(1, Ordering::SeqCst) >= self.crashes, "it breaks");
            Listen::accept(&mut self.listener).await
        }
    }

    #[tokio::test]
    async fn a_listener_that_crashes_is_started_again_and_after_the_third_time_the_program_is_told() {
        let config = GatewayConfig { listen: "127.0.0.1:0".parse().unwrap(), ..GatewayConfig::default() };
        let hub = tapeline::Hub::new(tapeline::HubConfig::default());
        let gateway = Gateway::start(config, hub.clone(), About::default()).await.unwrap();
        let listener = Arc::new(TcpListener::bind("127.0.0.1:0").await.unwrap());
        let address = listener.local_addr().unwrap();
        let weak = |crashes| Weak { listener: Arc::clone(&listener), crashes, asked: Arc::default() };
        let parts = Arc::clone(hub.parts());
        let accepting = tokio::spawn(keep(weak(2), Arc::clone(&gateway.shared), Arc::clone(&parts)));
        serves(address).await;
        keep(weak(3), Arc::clone(&gateway.shared), Arc::clone(&parts)).await;
        let why = parts.failed().await;
        assert!(why.starts_with("the listener crashed too often") && why.ends_with("it breaks"), "{why}");
        gateway.shutdown().await;
        accepting.await.unwrap();
    }

    #[test]
    fn a_connection_lost_on_the_way_costs_no_pause() {
        let mut weather = Weather::default();
        assert_eq!(weather.foul(&io::ErrorKind::ConnectionAborted.into()), None);
    }
}
