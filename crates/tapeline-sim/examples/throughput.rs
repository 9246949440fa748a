//! How fast a recording is played at full speed:
//! `cargo run --release -p tapeline-sim --example throughput -- CAPTURE_DIR [SOCKETS]`.

use std::time::{Duration, Instant};
use tapeline_sim::{Content, Options, Server, Speed};
use tapeline_ws::{ClientRequest, Connection, Limits, Message};
use tokio::net::TcpStream;

#[allow(clippy::print_stdout, reason = "a program that tells what it measured")]
#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments.next().ok_or("say which recording: throughput DIR [SOCKETS]")?;
    let sockets: usize = arguments.next().map_or(Ok(1), |count| count.parse())?;
    let content = Content::Capture { dir: dir.into(), speed: Speed::Max };
    let server = Server::start(Options {
        start_after: Duration::from_secs(3_600),
        snapshot_wait: Duration::from_millis(1),
        ..Options::new(content)
    })
    .await?;
    let streams = server.streams().join("/");
    let mut readers = Vec::new();
    for seed in 0..sockets {
        let request = ClientRequest {
            host: server.addr().to_string(),
            path: format!("/stream?streams={streams}"),
            ..ClientRequest::default()
        };
        let stream = TcpStream::connect(server.addr()).await?;
        let (connection, _) = Connection::connect(stream, &request, Limits::client(), seed as u64).await?;
        readers.push(tokio::spawn(count(connection, server.frames())));
    }
    let started = Instant::now();
    server.begin();
    let mut frames = 0;
    for reader in readers {
        frames += reader.await??;
    }
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{frames} frames to {sockets} sockets in {seconds:.3} s: {:.0} frames/s",
        frames as f64 / seconds
    );
    Ok(())
}

/// Reads `most` texts.
async fn count(mut connection: Connection<TcpStream>, most: u64) -> Result<u64, std::io::Error> {
    let mut seen = 0;
    while seen < most {
        if connection.read_batch().await? == 0 {
            break;
        }
        while let Some(message) = connection.next_message().map_err(std::io::Error::other)? {
            seen += u64::from(matches!(message, Message::Text(_)));
        }
    }
    Ok(seen)
}
