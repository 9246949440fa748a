//! Who reads: subscribers in the process, and clients over the network, each counted once.

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::bench::{Bench, read_until, soon};

/// A text message as a client sends it, masked with zeros.
fn text(message: &str) -> Vec<u8> {
    let length = u16::try_from(message.len()).unwrap();
    let mut frame = vec![0x81, 0x80 | 126];
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(message.as_bytes());
    frame
}

async fn client(bench: &Bench, topics: &str) -> TcpStream {
    let mut socket = TcpStream::connect(bench.address()).await.unwrap();
    let head = format!(
        "GET /v1/stream HTTP/1.1\r\nhost: {}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        bench.address()
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    read_until(&mut socket, "\r\n\r\n").await;
    let request = format!(r#"{{"op":"subscribe","topics":[{topics}]}}"#);
    socket.write_all(&text(&request)).await.unwrap();
    read_until(&mut socket, "\"results\"").await;
    socket
}

#[tokio::test]
async fn two_clients_on_the_same_topics_are_two_readers() {
    let bench = Bench::new().await;
    let mut inside = bench.hub.trades("binance", "BTCUSDT").await.unwrap();
    soon(inside.next()).await.unwrap();
    let both = r#""binance:trade:BTCUSDT","binance:book:ETHUSDT""#;
    let (one, other) = (client(&bench, both).await, client(&bench, both).await);
    let topics = bench.get("/api/v1/topics").await.json();
    let find = |topic: &str| {
        let mut items = topics["items"].as_array().unwrap().iter();
        items.find(|item| item["topic"] == topic).unwrap().clone()
    };
    let trades = find("binance:trade:BTCUSDT");
    assert_eq!(trades["subscriber_count"], 3, "{trades}");
    let subscribers = bench.get("/api/v1/subscribers").await.json();
    for id in trades["subscribers"].as_array().unwrap() {
        let listed = subscribers["items"].as_array().unwrap().iter().any(|item| item["id"] == *id);
        assert!(listed, "{id} in {subscribers}");
    }
    let book = find("binance:book:ETHUSDT");
    assert_eq!(book["subscriber_count"], 2, "{book}");
    let id = &book["book"]["venue_id"];
    assert!(id.is_string() || id.is_null(), "ids are texts: {book}");
    let status = bench.get("/api/v1/status").await.json();
    assert_eq!(
        (&status["subscribers"], &status["items"][0]["subscribers"]),
        (&3.into(), &3.into()),
        "{status}"
    );
    let metrics = bench.get("/metrics").await.body;
    assert!(metrics.lines().any(|line| line == "tapeline_subscribers 3.0"), "{metrics}");
    let old = bench.get("/api/ws/metrics").await.json();
    assert_eq!(old["metrics"]["subscribers"], 3, "{old}");
    drop((one, other, inside));
    soon(async { while bench.get("/api/v1/status").await.json()["subscribers"] != 0 {} }).await;
}

#[tokio::test]
async fn an_outage_counts_retries_and_errors() {
    let bench = Bench::new().await;
    let mut trades = bench.hub.trades("binance", "BTCUSDT").await.unwrap();
    crate::bench::data(&mut trades).await;
    let figures = async || {
        let metrics = bench.get("/api/ws/metrics").await.json()["metrics"].clone();
        (metrics["retryCount"].as_u64().unwrap(), metrics["errors"].as_u64().unwrap())
    };
    let before = figures().await;
    bench.venue.trouble("refuse".parse().unwrap());
    bench.venue.cut_sockets();
    soon(async {
        let mut last = before;
        // Not once, but for as long as it lasts.
        for _ in 0..2 {
            let mut now = last;
            while now.0 <= last.0 || now.1 <= last.1 {
                now = figures().await;
            }
            last = now;
        }
    })
    .await;
}
