//! All clients in one process: they subscribe, then read whatever comes.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tapeline_bench::market::SYMBOLS;
use tapeline_ws::{ClientRequest, Connection, Limits, Message};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::{TcpSocket, TcpStream};

use super::stuck;

/// Nothing more comes after so long.
const SILENCE: Duration = Duration::from_secs(2);

/// Connects so many clients, says that they are there, and counts what they hear until it is silent.
pub(crate) fn run(address: &str, clients: usize, topics: usize) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let heard = Arc::new(AtomicU64::new(0));
        for number in 0..clients {
            let connection = connect(address, &trades(topics), number as u64).await?;
            tokio::spawn(listen(connection, Arc::clone(&heard)));
        }
        println!("there");
        let mut before = 0;
        loop {
            tokio::time::sleep(SILENCE).await;
            let now = heard.load(Ordering::Relaxed);
            if now == before && now > 2 * clients as u64 {
                println!("{now}");
                return Ok(());
            }
            before = now;
        }
    })
}

/// The trades of so many symbols; the last of all begins the stream.
fn trades(symbols: usize) -> Vec<String> {
    let told = SYMBOLS[..SYMBOLS.len() - 1].iter().take(symbols);
    told.map(|symbol| format!("binance:trade:{symbol}")).collect()
}

/// Connects, subscribes and hears the answer.
async fn connect(address: &str, topics: &[String], seed: u64) -> io::Result<Connection<TcpStream>> {
    let socket = TcpStream::connect(address).await?;
    let mut connection = subscribe(socket, address, topics, seed).await?;
    while connection.next_message().map_err(io::Error::other)?.is_none() {
        std::future::poll_fn(|context| connection.poll_fill(context)).await?;
    }
    Ok(connection)
}

async fn subscribe(
    socket: TcpStream,
    address: &str,
    topics: &[String],
    seed: u64,
) -> io::Result<Connection<TcpStream>> {
    socket.set_nodelay(true)?;
    let request = ClientRequest {
        host: address.to_owned(),
        path: "/v1/stream".to_owned(),
        subprotocols: vec!["tapeline.v1.json".to_owned()],
        ..ClientRequest::default()
    };
    let limits = Limits { read_buffer: 16 << 10, ..Limits::client() };
    let (mut connection, _) =
        Connection::connect(socket, &request, limits, seed).await.map_err(io::Error::other)?;
    let topics: Vec<String> = topics.iter().map(|topic| format!("\"{topic}\"")).collect();
    // A gateway asks now and then whether one who says nothing lives.
    connection.set_auto_pong(true);
    let request = format!("{{\"op\":\"subscribe\",\"id\":1,\"topics\":[{}]}}", topics.join(","));
    connection.queue_text(&request).map_err(io::Error::other)?;
    std::future::poll_fn(|context| connection.poll_flush(context)).await?;
    Ok(connection)
}

async fn listen(mut connection: Connection<TcpStream>, heard: Arc<AtomicU64>) {
    loop {
        while let Ok(Some(_)) = connection.next_message() {
            heard.fetch_add(1, Ordering::Relaxed);
        }
        let read = std::future::poll_fn(|context| {
            let _ = connection.poll_flush(context);
            connection.poll_fill(context)
        });
        if !matches!(read.await, Ok(1..)) {
            return;
        }
    }
}

/// How late messages are, in microseconds.
#[derive(Debug, Default)]
struct Late {
    events: Vec<u32>,
    state: Vec<u32>,
}

/// Connects so many clients and says that they are there; between `begin` and `end` it measures how late messages are,
/// and prints p50 and p99 of events, p99 of state, in milliseconds, and how many there were.
pub(crate) fn timed(address: &str, clients: usize) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let late: Rc<RefCell<Late>> = Rc::default();
        for number in 0..clients {
            let connection = connect(address, &stuck::topics(), number as u64).await?;
            tokio::task::spawn_local(listen_timed(connection, Rc::clone(&late)));
        }
        println!("there");
        let mut lines = BufReader::new(tokio::io::stdin()).lines();
        while let Some(line) = lines.next_line().await? {
            let Late { mut events, mut state } = late.take();
            if line == "end" {
                let count = events.len() + state.len();
                let (p50, p99) = (percentile(&mut events, 0.5), percentile(&mut events, 0.99));
                println!("{p50} {p99} {} {count}", percentile(&mut state, 0.99));
            }
        }
        Ok(())
    })
}

async fn listen_timed(mut connection: Connection<TcpStream>, late: Rc<RefCell<Late>>) {
    loop {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as u64;
        while let Ok(Some(Message::Text(text))) = connection.next_message() {
            let Some((_, rest)) = text.split_once("\"received\":\"") else { continue };
            let Some(at) = rest.split('"').next().and_then(|digits| digits.parse::<u64>().ok()) else {
                continue;
            };
            let micros = (now.saturating_sub(at) / 1_000) as u32;
            if text.starts_with("{\"type\":\"event\"") {
                late.borrow_mut().events.push(micros);
            } else if text.starts_with("{\"type\":\"delta\"") {
                late.borrow_mut().state.push(micros);
            }
        }
        let read = std::future::poll_fn(|context| {
            let _ = connection.poll_flush(context);
            connection.poll_fill(context)
        });
        if !matches!(read.await, Ok(1..)) {
            return;
        }
    }
}

/// A share of the samples, in milliseconds.
fn percentile(samples: &mut [u32], share: f64) -> f64 {
    samples.sort_unstable();
    let at = (samples.len() as f64 * share) as usize;
    samples.get(at).map_or(f64::NAN, |micros| f64::from(*micros) / 1_000.0)
}

/// Connects so many clients that subscribe and then read nothing more, with the least room to receive; says that they
/// are there, and holds them until its input ends.
pub(crate) fn stall(address: &str, clients: usize) -> io::Result<()> {
    /// The system doubles it and has a least of its own.
    const ROOM: u32 = 4 << 10;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut held = Vec::with_capacity(clients);
        for number in 0..clients {
            let socket = TcpSocket::new_v4()?;
            socket.set_recv_buffer_size(ROOM)?;
            let socket = socket.connect(address.parse().map_err(io::Error::other)?).await?;
            held.push(subscribe(socket, address, &stuck::topics(), number as u64).await?);
        }
        println!("there");
        let mut lines = BufReader::new(tokio::io::stdin()).lines();
        while lines.next_line().await?.is_some() {}
        Ok(())
    })
}
