//! Who gets in: hosts, origins, subprotocols.

use crate::bench::{Answer, Bench, TOKEN, everything, read_until};
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
    assert_eq!((answer.status, answer.code().as_str()), (421, "host"));
    let answer = bench.ask("GET http://rebound.example/livez", &[]).await;
    assert_eq!((answer.status, answer.code().as_str()), (421, "host"));
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

/// What is answered to these bytes, until the gateway hangs up.
async fn said_to(bench: &Bench, bytes: &str) -> Answer {
    let mut socket = TcpStream::connect(bench.address()).await.unwrap();
    socket.write_all(bytes.as_bytes()).await.unwrap();
    Answer::of(&everything(&mut socket).await)
}

#[tokio::test]
async fn what_two_servers_may_read_differently_is_refused_and_the_connection_ends() {
    let bench = Bench::new().await;
    let host = format!("host: {}\r\n", bench.address());
    let sweep = format!("POST /api/v1/actions/sweep HTTP/1.1\r\n{host}authorization: Bearer {TOKEN}\r\n");
    let websocket = format!("GET /v1/stream HTTP/1.1\r\n{host}connection: Upgrade\r\nupgrade: websocket\r\n");
    let key = "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for (bytes, status) in [
        ("GET /livez HTTP/1.0\r\n\r\n".to_owned(), 426),
        (format!("GET /livez HTTP/1.0\r\n{host}connection: keep-alive\r\n\r\n"), 426),
        ("GET /livez HTTP/1.1\r\n\r\n".to_owned(), 400),
        (format!("GET /livez HTTP/1.1\r\n{host}{host}\r\n"), 400),
        ("GET /livez HTTP/1.1\r\nhost: rebound.example\r\n\r\n".to_owned(), 421),
        (format!("GET /livez HTTP/1.1\n{host}\r\n"), 400),
        (format!("GET /livez HTTP/1.1\r\n{host}\n"), 400),
        (format!("GET /livez HTTP/1.1\r\n{host}\r\n").repeat(2), 400),
        (format!("{sweep}content-length: 2\r\n\r\n{{}}GET /livez HTTP/1.1\r\n{host}\r\n"), 400),
        (format!("{sweep}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"), 400),
        (format!("{sweep}content-length: 2\r\ncontent-length: 3\r\n\r\n{{}}"), 400),
        (format!("{websocket}{key}sec-websocket-version: 8\r\n\r\n"), 426),
        (format!("{websocket}{key}sec-websocket-version: 14\r\n\r\n"), 426),
    ] {
        let answer = said_to(&bench, &bytes).await;
        assert_eq!(answer.status, status, "{bytes:?}: {answer:?}");
        assert!(!answer.body.contains("HTTP/1.1 2"), "one answer: {answer:?}");
    }
}

#[tokio::test]
async fn one_request_after_another_stays_on_its_connection() {
    let bench = Bench::new().await;
    let mut socket = TcpStream::connect(bench.address()).await.unwrap();
    let host = format!("host: {}\r\n", bench.address());
    let order = format!("POST /api/v1/actions/sweep HTTP/1.1\r\n{host}authorization: Bearer {TOKEN}\r\n");
    for _ in 0..3 {
        socket.write_all(format!("GET /livez HTTP/1.1\r\n{host}\r\n").as_bytes()).await.unwrap();
        read_until(&mut socket, "{\"status\":\"ok\"}").await;
        // A body with line ends in it, in a piece of its own, and one in chunks.
        socket.write_all(format!("{order}content-length: 8\r\n\r\n").as_bytes()).await.unwrap();
        tokio::task::yield_now().await;
        socket.write_all(b"\n\n{}\n\n\r\n").await.unwrap();
        read_until(&mut socket, "\"swept\"").await;
        let chunked = format!("{order}transfer-encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n");
        socket.write_all(chunked.as_bytes()).await.unwrap();
        read_until(&mut socket, "\"swept\"").await;
    }
}
