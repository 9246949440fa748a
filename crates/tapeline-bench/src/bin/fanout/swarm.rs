//! All clients in one process: they subscribe, then read whatever comes.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tapeline_bench::market::SYMBOLS;
use tapeline_ws::{ClientRequest, Connection, Limits};
use tokio::net::TcpStream;

/// Nothing more comes after so long.
const SILENCE: Duration = Duration::from_secs(2);

/// Connects so many clients, says that they are there, and counts what they hear until it is silent.
pub(crate) fn run(address: &str, clients: usize, topics: usize) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let heard = Arc::new(AtomicU64::new(0));
        for number in 0..clients {
            let connection = connect(address, topics, number as u64).await?;
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

/// Connects and subscribes to so many symbols; the last of all begins the stream.
async fn connect(address: &str, topics: usize, seed: u64) -> io::Result<Connection<TcpStream>> {
    let socket = TcpStream::connect(address).await?;
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
    let topics: Vec<String> = SYMBOLS[..SYMBOLS.len() - 1]
        .iter()
        .take(topics)
        .map(|symbol| format!("\"binance:trade:{symbol}\""))
        .collect();
    let request = format!("{{\"op\":\"subscribe\",\"id\":1,\"topics\":[{}]}}", topics.join(","));
    connection.queue_text(&request).map_err(io::Error::other)?;
    std::future::poll_fn(|context| connection.poll_flush(context)).await?;
    // The answer.
    while connection.next_message().map_err(io::Error::other)?.is_none() {
        std::future::poll_fn(|context| connection.poll_fill(context)).await?;
    }
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
