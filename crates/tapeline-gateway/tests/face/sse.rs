//! Server-sent events: opening, events, resuming, refusals.

use std::collections::BTreeMap;

use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::bench::{Bench, read_until, soon};

/// A reader of events: each as its fields.
struct Events {
    socket: TcpStream,
    held: String,
}

impl Events {
    async fn open(bench: &Bench, query: &str, more: &str) -> Self {
        let mut socket = TcpStream::connect(bench.address()).await.unwrap();
        let address = bench.address();
        let request = format!("GET /api/v1/sse?{query} HTTP/1.1\r\nhost: {address}\r\n{more}\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let text = read_until(&mut socket, "\r\n\r\n").await;
        let (head, held) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("text/event-stream"), "{head}");
        Self { socket, held: held.to_owned() }
    }

    /// The next event that has data. Lines of chunk sizes have no colon and are passed over.
    async fn next(&mut self) -> BTreeMap<String, String> {
        loop {
            while let Some((event, rest)) = self.held.split_once("\n\n") {
                let lines = event.lines().filter_map(|line| line.split_once(": "));
                let fields: BTreeMap<_, _> = lines.map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
                self.held = rest.to_owned();
                if fields.contains_key("data") {
                    return fields;
                }
            }
            let more = read_until(&mut self.socket, "\n").await;
            self.held.push_str(&more);
        }
    }

    async fn data(&mut self) -> (Option<String>, Value) {
        let event = self.next().await;
        (event.get("id").cloned(), serde_json::from_str(&event["data"]).unwrap())
    }
}

#[tokio::test]
async fn topics_are_streamed_with_their_positions() {
    let bench = Bench::new().await;
    let mut events =
        Events::open(&bench, "topics=binance:trade:BTCUSDT&topics=binance:book:ETHUSDT", "").await;
    let opening = soon(events.next()).await;
    assert_eq!(opening["event"], "result");
    let result: Value = serde_json::from_str(&opening["data"]).unwrap();
    assert_eq!(result["results"].as_array().map(Vec::len), Some(2), "{result}");
    let mut trades = Vec::new();
    while trades.len() < 5 {
        let (id, update) = soon(events.data()).await;
        let position = format!("{}:{}", update["epoch"].as_str().unwrap(), update["offset"]);
        assert_eq!(id, Some(position));
        if update["type"] == "event" {
            trades.push(update["offset"].as_u64().unwrap());
        }
    }
    assert!(trades.is_sorted() && trades.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{trades:?}");
}

#[tokio::test]
async fn a_reader_that_comes_back_goes_on_where_it_was() {
    let bench = Bench::new().await;
    let query = "topics=binance:trade:BTCUSDT";
    let mut events = Events::open(&bench, query, "").await;
    let (id, last) = loop {
        let (id, update) = soon(events.data()).await;
        if update["type"] == "event" {
            break (id.unwrap(), update["offset"].as_u64().unwrap());
        }
    };
    drop(events);
    let mut events = Events::open(&bench, query, &format!("last-event-id: {id}\r\n")).await;
    let (_, result) = soon(events.data()).await;
    assert_eq!(result["results"][0]["recovered"], true, "{result}");
    let next = loop {
        let (_, update) = soon(events.data()).await;
        if update["type"] == "event" {
            break update["offset"].as_u64().unwrap();
        }
    };
    assert_eq!(next, last + 1);
    // Of an epoch that never was, or a position that cannot be read, nothing can be recovered, and that is said.
    let (epoch, _) = id.split_once(':').unwrap();
    for (unknown, reason) in [
        (format!("{}:7", "0".repeat(32)), "epoch"),
        ("7".to_owned(), "epoch"),
        ("wrong:7".to_owned(), "epoch"),
        (format!("{epoch}:-1"), "ahead"),
        (format!("{epoch}:18446744073709551616"), "ahead"),
    ] {
        let mut events = Events::open(&bench, query, &format!("last-event-id: {unknown}\r\n")).await;
        let (_, result) = soon(events.data()).await;
        let told = (&result["results"][0]["recovered"], &result["results"][0]["reason"]);
        assert_eq!(told, (&false.into(), &reason.into()), "{unknown}");
        while soon(events.data()).await.1["type"] != "event" {}
    }
}

#[tokio::test]
async fn who_leaves_is_forgotten() {
    let bench = Bench::new().await;
    let mut events = Events::open(&bench, "topics=binance:trade:BTCUSDT", "").await;
    soon(events.next()).await;
    let name = format!("sse {}", events.socket.local_addr().unwrap());
    assert!(bench.get("/api/v1/subscribers").await.body.contains(&name));
    drop(events);
    soon(async { while bench.get("/api/v1/subscribers").await.body.contains(&name) {} }).await;
}

#[tokio::test]
async fn what_cannot_be_streamed_is_refused() {
    let bench = Bench::new().await;
    let many = (0..257).map(|n| format!("topics=binance:trade:S{n}")).collect::<Vec<_>>().join("&");
    let check = async |query: &str, headers: &[(&str, &str)], status: u16, code: &str| {
        let answer = bench.ask(&format!("GET /api/v1/sse{query}"), headers).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{query}");
    };
    check("", &[], 400, "bad_request").await;
    check("?topic=binance:trade:BTCUSDT", &[], 400, "bad_request").await;
    check("?topics=nonsense", &[], 400, "bad_topic").await;
    check("?topics=nowhere:trade:X", &[], 404, "unknown_venue").await;
    check(&format!("?{many}"), &[], 400, "limit").await;
}
