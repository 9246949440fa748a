//! The servers: each reads the same venue and tells its clients what comes.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use tapeline::{Hub, HubConfig, VenueConfig};
use tapeline_bench::market::SYMBOLS;
use tapeline_bench::{cpu, readers, scan};
use tapeline_gateway::{About, Gateway, GatewayConfig};
use tapeline_ws::handshake::{ServerOptions, accept, encode_response, parse_request};
use tokio_tungstenite::tungstenite::Message;

use super::Contender;

/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// The answer to a subscription, for the servers that have none of their own.
const ANSWER: &str = "{\"type\":\"result\",\"id\":1,\"op\":\"subscribe\",\"results\":[]}";

/// Serves so many clients until all of the venue's frames have been told; prints CPU nanoseconds and deliveries.
/// Histories are short and full soon: a run is to show what it costs later, when as much is let go as is taken in.
pub(crate) fn run(
    contender: Contender,
    venue: &str,
    clients: usize,
    frames: u64,
    history: Duration,
) -> io::Result<()> {
    let (used, deliveries) = match contender {
        Contender::Tapeline => tapeline(venue, clients, frames, history)?,
        Contender::Shared => shared(venue, clients, frames)?,
        Contender::Naive => naive(venue, clients, frames)?,
    };
    println!("{used} {deliveries}");
    // The clients are counting still; whoever started us ends us.
    let _ = io::stdin().read(&mut [0; 1]);
    Ok(())
}

/// Messages that are told to each client: those of all symbols but the last.
fn told(frames: u64) -> u64 {
    (0..frames).filter(|frame| *frame as usize % SYMBOLS.len() != SYMBOLS.len() - 1).count() as u64
}

/// A message as the gateway makes it of a trade, to be told by the others.
fn message(id: u64) -> String {
    format!(
        "{{\"type\":\"event\",\"topic\":\"binance:trade:BTCUSDT\",\"epoch\":\"0123456789abcdef0123456789abcdef\",\
         \"offset\":{id:08},\"time\":\"1700000000000000000\",\"received\":\"1700000000000000000\",\
         \"source\":\"live\",\"data\":{{\"id\":\"{id:010}\",\"price\":\"65000.01\",\"size\":\"0.12345\",\"side\":\"buy\"}}}}"
    )
}

/// The venue's frames in batches, as they are read; the symbols that are not told are left out.
fn batches(venue: &str) -> mpsc::Receiver<u64> {
    let (send, receive) = mpsc::sync_channel(1_024);
    let venue = venue.to_owned();
    thread::spawn(move || {
        let mut seen = 0usize;
        let read = readers::scan_all(&venue, scan::event, &mut |_, _| {
            seen += 1;
            if (seen - 1) % SYMBOLS.len() != SYMBOLS.len() - 1 {
                let _ = send.send(1);
            }
        });
        drop(read);
    });
    receive
}

fn handshake(socket: &mut TcpStream) -> io::Result<()> {
    let mut head = Vec::new();
    let mut chunk = [0; 2_048];
    loop {
        let read = socket.read(&mut chunk)?;
        head.extend_from_slice(&chunk[..read]);
        if let Some((request, _)) = parse_request(&head).map_err(io::Error::other)? {
            let options = ServerOptions {
                subprotocols: vec!["tapeline.v1.json".to_owned()],
                ..ServerOptions::default()
            };
            let accepted = accept(&request, &options).map_err(|_| io::Error::other("no upgrade"))?;
            return socket.write_all(&encode_response(&accepted));
        }
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// The least that can be done: everything encoded once into one log, one write per client and batch.
fn shared(venue: &str, clients: usize, frames: u64) -> io::Result<(u64, u64)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    let mut sockets = Vec::with_capacity(clients);
    for _ in 0..clients {
        let (mut socket, _) = listener.accept()?;
        socket.set_nodelay(true)?;
        handshake(&mut socket)?;
        // The request is one frame of less than this.
        let _ = socket.read(&mut [0; 4_096])?;
        socket.write_all(&tapeline_ws::frames::text(|out| out.extend_from_slice(ANSWER.as_bytes())))?;
        sockets.push(socket);
    }
    let begun = cpu::used_ns()?;
    let batches = batches(venue);
    let (mut id, mut log) = (0, Vec::new());
    let expected = told(frames);
    while id < expected {
        let mut count = batches.recv_timeout(PATIENCE).map_err(io::Error::other)?;
        count += batches.try_iter().sum::<u64>();
        log.clear();
        for _ in 0..count {
            id += 1;
            log.extend_from_slice(&tapeline_ws::frames::text(|out| {
                out.extend_from_slice(message(id).as_bytes())
            }));
        }
        for socket in &mut sockets {
            socket.write_all(&log)?;
        }
    }
    let used = cpu::used_ns()? - begun;
    Box::leak(Box::new(sockets));
    Ok((used, expected * clients as u64))
}

/// What one writes first.
fn naive(venue: &str, clients: usize, frames: u64) -> io::Result<(u64, u64)> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let (venue, expected) = (venue.to_owned(), told(frames));
    let sent = Arc::new(AtomicU64::new(0));
    let there = Arc::new(AtomicUsize::new(0));
    let outcome = runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        let (say, _) = tokio::sync::broadcast::channel::<String>(1 << 16);
        for _ in 0..clients {
            let (socket, _) = listener.accept().await?;
            socket.set_nodelay(true)?;
            let (mut hear, sent, there) = (say.subscribe(), Arc::clone(&sent), Arc::clone(&there));
            tokio::spawn(async move {
                #[expect(clippy::result_large_err, reason = "the library's callback is of this type")]
                let answered =
                    |_: &_, mut answer: tokio_tungstenite::tungstenite::handshake::server::Response| {
                        if let Ok(value) = "tapeline.v1.json".parse() {
                            answer.headers_mut().insert("sec-websocket-protocol", value);
                        }
                        Ok(answer)
                    };
                let Ok(mut socket) = tokio_tungstenite::accept_hdr_async(socket, answered).await else {
                    return;
                };
                let _ = socket.next().await;
                let _ = socket.send(Message::text(ANSWER)).await;
                there.fetch_add(1, Ordering::Relaxed);
                while let Ok(text) = hear.recv().await {
                    if socket.send(Message::text(text)).await.is_err() {
                        return;
                    }
                    sent.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        wait(|| there.load(Ordering::Relaxed) == clients).await?;
        let begun = cpu::used_ns()?;
        thread::spawn(move || {
            for id in 1..=expected {
                if batches_next(&venue).is_none() {
                    return;
                }
                let _ = say.send(message(id));
            }
        });
        wait(|| sent.load(Ordering::Relaxed) == expected * clients as u64).await?;
        Ok((cpu::used_ns()? - begun, expected * clients as u64))
    });
    runtime.shutdown_background();
    outcome
}

/// The next frame of the venue, for one who takes them one by one.
fn batches_next(venue: &str) -> Option<u64> {
    thread_local! {
        static FRAMES: std::cell::RefCell<Option<mpsc::Receiver<u64>>> = const { std::cell::RefCell::new(None) };
    }
    FRAMES
        .with(|frames| frames.borrow_mut().get_or_insert_with(|| batches(venue)).recv_timeout(PATIENCE).ok())
}

/// The gateway, with everything that it does.
fn tapeline(venue: &str, clients: usize, frames: u64, history: Duration) -> io::Result<(u64, u64)> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let expected = told(frames) * clients as u64;
    runtime.block_on(async {
        let hub = hub(venue, history);
        let mut config =
            GatewayConfig { listen: SocketAddr::from(([127, 0, 0, 1], 0)), ..GatewayConfig::default() };
        config.limits.connections_per_ip = clients + 10;
        config.timing.history = history;
        let gateway =
            Gateway::start(config, hub.clone(), About::default()).await.map_err(io::Error::other)?;
        println!("{}", gateway.address());
        if frames == 0 {
            // Whoever started us looks at the memory, and at what the clients say.
            std::future::pending::<()>().await;
        }
        let admitted = || gateway.streams().counters().received.load(Ordering::Relaxed) as usize == clients;
        wait(admitted).await?;
        // The answers and notices of the subscriptions are out.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let sent = || gateway.streams().counters().sent.load(Ordering::Relaxed);
        let (before, begun) = (sent(), cpu::used_ns()?);
        // The last symbol begins the stream.
        let last = format!("binance:trade:{}", SYMBOLS[SYMBOLS.len() - 1]);
        let _held = hub.subscribe(last).await.map_err(io::Error::other)?;
        // The market chooses the symbols by chance: nearly so many come.
        wait(|| sent() - before >= expected / 2).await?;
        let (mut used, mut all) = (0, 0);
        while sent() > all {
            (used, all) = (cpu::used_ns()?, sent());
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        Ok((used - begun, all - before))
    })
}

fn hub(venue: &str, history: Duration) -> Hub {
    let mut settings = VenueConfig::default();
    settings.feed.streams = vec![format!("ws://{venue}")];
    settings.feed.rest = vec![format!("http://{venue}")];
    settings.feed.timing.history = history;
    Hub::new(HubConfig { venues: [("binance".to_owned(), settings)].into(), ..HubConfig::default() })
}

async fn wait(reached: impl Fn() -> bool) -> io::Result<()> {
    let until = Instant::now() + PATIENCE;
    while !reached() {
        if Instant::now() > until {
            return Err(io::Error::other("it did not happen in time"));
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(())
}
