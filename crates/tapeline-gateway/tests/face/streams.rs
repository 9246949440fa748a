//! Connections that become streams: what goes with them, and how they end with the gateway.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::bench::{Bench, about, everything, read_until, soon, usual};

/// An upgrade, with `more` bytes behind the request in the same write.
async fn stream(bench: &Bench, more: &[u8]) -> TcpStream {
    let mut socket = TcpStream::connect(bench.address()).await.unwrap();
    let head = format!(
        "GET /v1/stream HTTP/1.1\r\nhost: {}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        bench.address()
    );
    socket.write_all(&[head.as_bytes(), more].concat()).await.unwrap();
    socket
}

/// A text from a client: one frame, masked with zeros.
fn text(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).ok().filter(|length| *length < 126).unwrap();
    [&[0x81, 0x80 | length, 0, 0, 0, 0], text.as_bytes()].concat()
}

#[tokio::test]
async fn what_is_said_behind_the_handshake_is_heard() {
    let bench = Bench::new().await;
    let mut socket = stream(&bench, &text(r#"{"op":"ping","id":7}"#)).await;
    let heard = read_until(&mut socket, r#""type":"pong""#).await;
    assert!(heard.starts_with("HTTP/1.1 101 "), "{heard}");
}

#[tokio::test]
async fn clients_are_listed_and_counted() {
    let bench = Bench::new().await;
    let mut socket =
        stream(&bench, &text(r#"{"op":"subscribe","id":1,"topics":["binance:trade:BTCUSDT"]}"#)).await;
    read_until(&mut socket, r#""type":"event""#).await;
    let items = bench.get("/api/v1/subscribers").await.json()["items"].clone();
    let client =
        items.as_array().unwrap().iter().find(|item| item["id"].as_str().unwrap().starts_with("client/"));
    let client = client.unwrap_or_else(|| panic!("{items}"));
    assert_eq!(client["topics"][0], "binance:trade:BTCUSDT");
    assert_eq!(client["peer"], socket.local_addr().unwrap().to_string());
    assert!(client["level"].is_string() && client["since"].is_string(), "{client}");
    let figures = bench.get("/metrics").await.body;
    assert!(figures.lines().any(|line| line == "tapeline_clients{format=\"json\"} 1.0"), "{figures}");
}

#[tokio::test]
async fn a_stream_keeps_its_place_until_it_is_over() {
    let mut config = usual();
    config.limits.connections_per_ip = 1;
    let bench = Bench::with(config, about()).await;
    let mut socket = stream(&bench, &text(r#"{"op":"ping","id":7}"#)).await;
    read_until(&mut socket, r#""type":"pong""#).await;
    assert_eq!(bench.get("/livez").await.status, 429);
    drop(socket);
    soon(async { while bench.get("/livez").await.status != 200 {} }).await;
}

#[tokio::test]
async fn a_stop_under_a_hundred_clients_tells_each_to_come_back_and_ends_in_time() {
    let mut config = usual();
    config.limits.connections_per_ip = 200;
    let bench = Bench::with(config, about()).await;
    let order = text(r#"{"op":"subscribe","id":1,"topics":["binance:trade:BTCUSDT"]}"#);
    let mut clients = Vec::new();
    for _ in 0..100 {
        clients.push(stream(&bench, &order).await);
    }
    for client in &mut clients {
        read_until(client, r#""type":"event""#).await;
    }
    let begun = Instant::now();
    let stopped = async {
        bench.gateway.shutdown().await;
        begun.elapsed()
    };
    let farewells = futures_util::future::join_all(clients.iter_mut().map(everything));
    let (took, farewells) = soon(async { tokio::join!(stopped, farewells) }).await;
    assert!(took < Duration::from_secs(9), "{took:?}");
    println!("a stop under a hundred clients took {took:?}");
    for bytes in farewells {
        // A close frame with 4001.
        assert!(bytes.windows(4).any(|four| four[0] == 0x88 && four[2..] == [0x0f, 0xa1]), "{bytes:?}");
    }
}
