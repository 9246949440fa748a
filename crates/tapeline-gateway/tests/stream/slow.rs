//! Clients that do not read, or read slowly.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::json;
use tapeline_sim::MarketOptions;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket};
use tokio_tungstenite::tungstenite::Message;

use crate::bench::{Bench, Book, Client, soon, usual};

#[tokio::test]
async fn one_who_never_reads_but_goes_on_sending_is_told_to_come_back() {
    let mut config = usual();
    // What it does not read is let go of before it is too much.
    config.limits.log_bytes = 16 << 10;
    config.limits.unsent_bytes = 16 << 20;
    config.timing.history = Duration::from_millis(100);
    config.timing.write_within = Duration::from_secs(2);
    let market = MarketOptions { rate: 4_000, ..MarketOptions::default() };
    let bench = Bench::with(config, market, |_| {}).await;
    let topics: Vec<String> = ["BTC", "ETH", "BNB", "SOL", "XRP"]
        .into_iter()
        .flat_map(|name| [format!("binance:trade:{name}USDT"), format!("binance:book:{name}USDT")])
        .collect();
    // What it says answers every question whether it lives, and fills what the system keeps for it.
    let every = json!({"op": "subscribe", "topics": topics, "delivery": "every"}).to_string();
    let merged = json!({"op": "subscribe", "topics": topics, "interval_ms": 0}).to_string();
    let mut talking = Vec::new();
    for says in [every, merged] {
        talking.push((Client::narrow(bench.gateway.address()).await, says));
    }
    let started = Instant::now();
    let told = || bench.gateway.streams().closes().iter().any(|(code, count)| (*code, *count) == (4008, 2));
    while !told() {
        assert!(started.elapsed() < Duration::from_secs(60), "{:?}", bench.gateway.streams().closes());
        for (client, says) in &mut talking {
            // It is not heard without end.
            let said = client.socket.send(Message::text(says.clone()));
            let _ = tokio::time::timeout(Duration::from_millis(10), said).await;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    eprintln!("let go after {:?}", started.elapsed());
}

/// A link to the gateway that passes on `bytes` at a time, every twenty milliseconds, and holds next to nothing.
async fn thin_link(gateway: SocketAddr, bytes: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let far = TcpSocket::new_v4().unwrap();
            far.set_recv_buffer_size(4 << 10).unwrap();
            let (mut from, mut to) = far.connect(gateway).await.unwrap().into_split();
            let (mut asks, mut answers) = near.into_split();
            tokio::spawn(async move { tokio::io::copy(&mut asks, &mut to).await });
            tokio::spawn(async move {
                let mut room = vec![0; bytes];
                loop {
                    match from.read(&mut room).await {
                        Ok(count @ 1..) if answers.write_all(&room[..count]).await.is_ok() => {}
                        _ => return,
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            });
        }
    });
    address
}

/// What one may leave unread on the slow link: more than one book, less than two.
const LIMIT: usize = 128 << 10;
const TIMES: usize = 5;

#[tokio::test]
async fn a_slow_link_gets_many_large_books_without_being_cut() {
    let mut config = usual();
    config.limits.unsent_bytes = LIMIT;
    config.timing.write_within = Duration::from_secs(2);
    let market = MarketOptions { rate: 20, levels: 3_000, ..MarketOptions::default() };
    let bench = Bench::with(config, market, |_| {}).await;
    let symbols: Vec<String> =
        ["BTC", "ETH", "BNB", "SOL", "XRP", "ADA", "DOGE"].map(|name| format!("{name}USDT")).into();
    let topics: Vec<String> = symbols.iter().map(|symbol| format!("binance:book:{symbol}")).collect();
    let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
    let mut ready = bench.client().await;
    ready.subscribe(&topics, json!({})).await;
    let mut live = BTreeSet::new();
    while live.len() < topics.len() {
        let frame = ready.next_of(&["snapshot"]).await;
        if frame["data"]["state"] == "live" {
            live.insert(frame["topic"].to_string());
        }
    }
    let mut slow = Client::connect(thin_link(bench.gateway.address(), 2 << 10).await).await;
    let began = Instant::now();
    // Each time all of them are told anew.
    for _ in 0..TIMES {
        slow.send(json!({"op": "subscribe", "topics": topics}).to_string()).await;
    }
    let mut books: BTreeMap<String, Book> = BTreeMap::new();
    let (mut bytes, mut most, mut answers) = (0, 0, 0);
    while answers < TIMES || books.values().filter(|book| book.state == "live").count() < topics.len() {
        let Some(Ok(message)) = soon(slow.socket.next()).await else { panic!("it is cut") };
        let text = match message {
            Message::Text(text) => text,
            Message::Ping(_) | Message::Pong(_) => continue,
            other => panic!("{other:?}"),
        };
        bytes += text.len();
        let frame: serde_json::Value = serde_json::from_str(&text).unwrap();
        match frame["type"].as_str().unwrap() {
            "result" => {
                answers += 1;
                books.clear();
            }
            "snapshot" | "delta" => {
                let book = books.entry(frame["topic"].as_str().unwrap().to_owned()).or_default();
                if frame["type"] == "snapshot" || !book.state.is_empty() {
                    book.apply(&frame);
                }
            }
            _ => {}
        }
        let clients = bench.gateway.streams().clients().await;
        most = clients.iter().map(|client| client.unsent).chain([most]).max().unwrap();
    }
    eprintln!("{bytes} bytes in {:?}, at most {most} unsent", began.elapsed());
    assert!(bytes > 3 * LIMIT, "too small to show anything: {bytes}");
    assert!(began.elapsed() > Duration::from_secs(3), "too quick to show anything");
    assert!(most > LIMIT / 2, "it was never behind: {most}");
    assert!(most <= LIMIT + LIMIT / 5, "{most} bytes were held for it");
    assert!(bench.gateway.streams().closes().iter().all(|(code, _)| *code != 4008));
}
