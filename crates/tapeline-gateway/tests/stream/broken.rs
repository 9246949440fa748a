//! Clients that break the WebSocket protocol: each is told so and hangs alone.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::json;
use tapeline_sim::MarketOptions;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::bench::{Bench, soon, usual};

/// A frame as a client sends it, of which `payload` has come and `length` bytes are promised.
fn frame(first: u8, length: usize, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    if length < 126 {
        bytes.push(0x80 | length as u8);
    } else {
        bytes.push(0x80 | 127);
        bytes.extend_from_slice(&(length as u64).to_be_bytes());
    }
    let key = [7, 0, 0x99, 1];
    bytes.extend_from_slice(&key);
    bytes.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// A connection behind its handshake.
async fn upgraded(gateway: SocketAddr) -> TcpStream {
    let mut socket = TcpStream::connect(gateway).await.unwrap();
    let head = format!(
        "GET /v1/stream HTTP/1.1\r\nHost: {gateway}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(soon(socket.read_u8()).await.unwrap());
    }
    assert!(answer.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&answer));
    socket
}

/// What the gateway says to `bytes` behind a handshake, until it hangs up.
async fn said_to(gateway: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut socket = upgraded(gateway).await;
    socket.write_all(bytes).await.unwrap();
    let mut said = Vec::new();
    // A reset behind the last words is no news.
    let _ = soon(socket.read_to_end(&mut said)).await;
    said
}

#[tokio::test]
async fn a_broken_client_is_told_and_holds_nobody_up() {
    let bench = Bench::new().await;
    let gateway = bench.gateway.address();
    let broken: [(u16, Vec<u8>); 10] = [
        (1002, frame(0xc1, 0, b"")),
        (1002, frame(0x83, 0, b"")),
        (1002, vec![0x81, 2, b'h', b'i']),
        (1002, frame(0x89, 126, b"")),
        (1002, frame(0x80, 1, b"x")),
        (1002, frame(0x88, 2, &[0x03, 0xed])),
        (1007, frame(0x81, 100, b"ok \xf4\x90")),
        (1007, [frame(0x01, 4, b"ok \xf4"), frame(0x80, 50, b"\x90")].concat()),
        (1009, frame(0x81, (64 << 10) + 1, b"")),
        (1009, frame(0x82, 1 << 40, b"")),
    ];
    for (code, bytes) in &broken {
        let said = said_to(gateway, bytes).await;
        assert_eq!(said.first(), Some(&0x88), "{bytes:?}: {said:?}");
        assert_eq!(said.get(2..4), Some(&code.to_be_bytes()[..]), "{bytes:?}: {said:?}");
    }
    // There were more of them than there are threads that serve: all of these still do.
    for _ in 0..8 {
        let mut client = bench.client().await;
        client.subscribe(&["binance:trade:BTCUSDT"], json!({})).await;
        client.next_of(&["event"]).await;
    }
}

#[tokio::test]
async fn a_message_that_does_not_come_to_its_end_is_not_waited_for() {
    let within = Duration::from_secs(1);
    let mut config = usual();
    config.timing.message_within = within;
    let bench = Bench::with(config, MarketOptions::default(), |_| {}).await;
    let gateway = bench.gateway.address();
    let begun = Instant::now();
    // Half a frame, and half a message whose frames are whole: 0x01 is text without an end.
    for half in [frame(0x81, 40, b"{\"op\":"), frame(0x01, 6, b"{\"op\":")] {
        let said = said_to(gateway, &half).await;
        assert_eq!(said.get(2..4), Some(&4408_u16.to_be_bytes()[..]), "{said:?}");
    }
    // Byte by byte, with pings between the frames.
    let mut socket = upgraded(gateway).await;
    socket.write_all(&frame(0x01, 1, b"{")).await.unwrap();
    let mut pace = tokio::time::interval(Duration::from_millis(50));
    let mut said = Vec::new();
    soon(async {
        while !said.windows(2).any(|bytes| bytes == 4408_u16.to_be_bytes()) {
            pace.tick().await;
            // Once it is closed, writing may fail before what was said has been read.
            let _ = socket.write_all(&frame(0x89, 1, b"x")).await;
            let mut part = [0; 1_024];
            if let Ok(count) = socket.try_read(&mut part) {
                said.extend_from_slice(&part[..count]);
            }
        }
    })
    .await;
    assert!(begun.elapsed() >= within * 3, "{:?}", begun.elapsed());
    // One that is between two messages may be silent as long as it likes.
    let mut idle = bench.client().await;
    tokio::time::sleep(within * 3).await;
    assert_eq!(idle.ask(json!({"op": "ping"})).await["type"], "pong");
}
