//! Who gets in: hosts, origins, subprotocols.

use crate::bench::{Bench, read_until};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

const UPGRADE: &[(&str, &str)] = &[
    ("upgrade", "websocket"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

async fn upgrade(bench: &Bench, more: &str) -> (TcpStream, String) {
    let mut socket = TcpStream::connect(bench.address()).await.unwrap();
    let mut head = format!("GET /v1/stream HTTP/1.1\r\nhost: {}\r\nconnection: Upgrade\r\n", bench.address());
    for (name, value) in UPGRADE {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(more);
    head.push_str("\r\n");
    socket.write_all(head.as_bytes()).await.unwrap();
    let answer = read_until(&mut socket, "\r\n\r\n").await;
    (socket, answer)
}

#[tokio::test]
async fn the_gateway_says_that_it_is_alive() {
    let bench = Bench::new().await;
    let answer = bench.get("/livez").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"status":"ok"}"#));
    for (name, value) in [("x-content-type-options", "nosniff"), ("cache-control", "no-store")] {
        assert_eq!(answer.header(name), Some(value));
    }
    assert!(answer.header("content-security-policy").unwrap().starts_with("default-src 'self'"));
}

#[tokio::test]
async fn a_client_becomes_a_stream_with_or_without_a_subprotocol() {
    let bench = Bench::new().await;
    let (_socket, answer) = upgrade(&bench, "").await;
    assert!(answer.starts_with("HTTP/1.1 101 ") && !answer.contains("sec-websocket-protocol"), "{answer}");
    assert!(answer.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{answer}");
    let offer =
        "sec-websocket-protocol: other, tapeline.v1.json\r\nsec-websocket-extensions: permessage-deflate\r\n";
    let (_socket, answer) = upgrade(&bench, offer).await;
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    assert!(answer.contains("sec-websocket-protocol: tapeline.v1.json\r\n"), "{answer}");
    assert!(!answer.contains("deflate"), "{answer}");
}

#[tokio::test]
async fn what_is_not_spoken_is_refused_at_the_upgrade() {
    let bench = Bench::new().await;
    let (_socket, answer) = upgrade(&bench, "sec-websocket-protocol: graphql-ws\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    let answer = bench.get("/v1/stream").await;
    assert_eq!((answer.status, answer.header("upgrade")), (426, Some("websocket")));
    assert_eq!(answer.code(), "upgrade");
}

#[tokio::test]
async fn strangers_by_name_or_by_page_stay_outside() {
    let bench = Bench::new().await;
    let answer = bench.ask("GET /livez", &[("host", "rebound.example")]).await;
    assert_eq!((answer.status, answer.code().as_str()), (403, "host"));
    let answer = bench.ask("GET http://rebound.example/livez", &[]).await;
    assert_eq!((answer.status, answer.code().as_str()), (403, "host"));
    let answer = bench.ask("GET /livez", &[("origin", "https://evil.example")]).await;
    assert_eq!((answer.status, answer.code().as_str()), (403, "origin"));
    let answer = bench.ask("GET /livez", &[("origin", "http://localhost:5173")]).await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("http://localhost:5173"));
    let (_socket, answer) = upgrade(&bench, "origin: https://evil.example\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
}

#[tokio::test]
async fn errors_are_told_in_one_shape() {
    let bench = Bench::new().await;
    let answer = bench.get("/nowhere").await;
    assert_eq!((answer.status, answer.code().as_str()), (404, "not_found"));
    let answer = bench.ask("POST /livez", &[]).await;
    assert_eq!((answer.status, answer.code().as_str()), (405, "method"));
}
