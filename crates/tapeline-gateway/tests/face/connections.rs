//! Connections: how many there may be, how slow they may be, and how they end.

use std::time::Duration;

use tapeline_gateway::{About, GatewayConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::bench::{Answer, Bench, about, everything, read_until, soon, usual};

fn config(change: impl FnOnce(&mut GatewayConfig)) -> GatewayConfig {
    let mut config = usual();
    change(&mut config);
    config
}

/// A connection that has been taken in: it has had an answer.
async fn taken_in(bench: &Bench) -> TcpStream {
    let mut socket = TcpStream::connect(bench.address()).await.unwrap();
    say(&mut socket, bench, "GET /livez").await;
    read_until(&mut socket, "{\"status\":\"ok\"}").await;
    socket
}

async fn say(socket: &mut TcpStream, bench: &Bench, line: &str) {
    let request = format!("{line} HTTP/1.1\r\nhost: {}\r\n\r\n", bench.address());
    socket.write_all(request.as_bytes()).await.unwrap();
}

#[tokio::test]
async fn an_address_has_only_so_many_connections_and_is_told() {
    let bench = Bench::with(config(|config| config.limits.connections_per_ip = 2), about()).await;
    let first = taken_in(&bench).await;
    let _second = taken_in(&bench).await;
    let answer = bench.get("/livez").await;
    assert_eq!((answer.status, answer.code().as_str()), (429, "connections_per_ip"));
    drop(first);
    soon(async { while bench.get("/livez").await.status != 200 {} }).await;
}

#[tokio::test]
async fn the_house_has_only_so_many_connections_and_says_so() {
    let bench = Bench::with(config(|config| config.limits.connections = 1), about()).await;
    let _first = taken_in(&bench).await;
    let answer = bench.get("/livez").await;
    assert_eq!((answer.status, answer.code().as_str()), (503, "connections"));
    assert_eq!(answer.header("retry-after"), Some("5"));
}

#[tokio::test]
async fn one_connection_carries_many_requests() {
    let bench = Bench::new().await;
    let mut socket = taken_in(&bench).await;
    for _ in 0..3 {
        say(&mut socket, &bench, "GET /livez").await;
        read_until(&mut socket, "{\"status\":\"ok\"}").await;
    }
}

#[tokio::test]
async fn a_head_that_does_not_come_in_time_ends_the_connection_however_it_trickles() {
    let within = Duration::from_millis(300);
    let bench = Bench::with(config(|config| config.timing.header_within = within), about()).await;
    let mut mute = TcpStream::connect(bench.address()).await.unwrap();
    let mut slow = taken_in(&bench).await;
    let begun = Instant::now();
    let trickle = async {
        slow.write_all(b"GET /livez HTTP/1.1\r\n").await.unwrap();
        let mut pace = tokio::time::interval(Duration::from_millis(20));
        loop {
            pace.tick().await;
            if slow.write_all(b"x: y\r\n").await.is_err() {
                return;
            }
        }
    };
    let nothing = async { assert_eq!(everything(&mut mute).await, b"") };
    soon(async { tokio::join!(trickle, nothing) }).await;
    assert!(begun.elapsed() >= within / 2, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_connection_without_requests_is_kept_for_a_while_only() {
    let bench = Bench::with(config(|config| config.timing.idle = Duration::from_millis(200)), about()).await;
    let mut idle = taken_in(&bench).await;
    assert_eq!(everything(&mut idle).await, b"");
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let bench = Bench::new().await;
    let long = "y".repeat(17 << 10);
    let answer = bench.ask("GET /livez", &[("x", &long)]).await;
    assert_eq!(answer.status, 431);
}

#[tokio::test]
async fn an_address_that_is_taken_is_told() {
    let bench = Bench::new().await;
    let config = config(|config| config.listen = bench.address());
    let hub = tapeline::Hub::new(tapeline::HubConfig::default());
    let error = tapeline_gateway::Gateway::start(config, hub, About::default()).await.unwrap_err();
    assert!(error.to_string().starts_with(&format!("cannot listen on {}", bench.address())), "{error}");
}

#[tokio::test]
async fn a_stop_answers_what_has_begun_and_ends_the_rest() {
    let bench = Bench::new().await;
    let mut idle = taken_in(&bench).await;
    let mut streaming = TcpStream::connect(bench.address()).await.unwrap();
    say(&mut streaming, &bench, "GET /api/v1/sse?topics=binance:trade:BTCUSDT").await;
    read_until(&mut streaming, "event: result").await;
    let mut busy = TcpStream::connect(bench.address()).await.unwrap();
    // The venue has no such symbol, so that this one waits for a state that never comes.
    say(&mut busy, &bench, "GET /api/v1/topics/binance:quote:NOSUCH/snapshot").await;
    soon(async { while !bench.get("/api/v1/topics").await.body.contains("NOSUCH") {} }).await;
    let address = bench.address();
    let begun = Instant::now();
    let stopped = async {
        bench.gateway.shutdown().await;
        begun.elapsed()
    };
    let (took, rest, events, answer) = soon(async {
        tokio::join!(stopped, everything(&mut idle), everything(&mut streaming), everything(&mut busy))
    })
    .await;
    assert!(took < Duration::from_secs(9), "{took:?}");
    assert_eq!(rest, b"");
    assert!(
        String::from_utf8_lossy(&events).contains("event: close"),
        "{}",
        String::from_utf8_lossy(&events)
    );
    assert!(Answer::of(&answer).status >= 400, "{}", String::from_utf8_lossy(&answer));
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn a_stop_under_many_clients_ends_in_time() {
    let bench = Bench::with(config(|config| config.limits.connections_per_ip = 200), about()).await;
    let mut clients = Vec::new();
    for _ in 0..100 {
        let mut socket = TcpStream::connect(bench.address()).await.unwrap();
        say(&mut socket, &bench, "GET /api/v1/sse?topics=binance:trade:BTCUSDT").await;
        read_until(&mut socket, "event: result").await;
        clients.push(socket);
    }
    let begun = Instant::now();
    bench.gateway.shutdown().await;
    assert!(begun.elapsed() < Duration::from_secs(9), "{:?}", begun.elapsed());
    let mut rest = Vec::new();
    for mut client in clients {
        soon(client.read_to_end(&mut rest)).await.unwrap();
    }
}
