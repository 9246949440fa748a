//! Memory that runs short under clients who ask for much and read nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::select_all;
use serde_json::{Value, json};
use tapeline::{Hub, HubConfig, MemoryStatus, Step, SubscribeError, VenueConfig};
use tapeline_gateway::{About, Gateway};
use tapeline_sim::{Content, MarketOptions, Options, Server};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::bench::{Bench, Client, soon, usual};

/// What logs and queues may hold: less than half of what these clients would have waiting.
const BUDGET: usize = 8 << 20;
const CLIENTS: usize = 60;
const BOOKS: [&str; 7] = ["BTC", "ETH", "BNB", "SOL", "XRP", "ADA", "DOGE"];

async fn bench() -> Bench {
    let market = MarketOptions { rate: 200, levels: 3_000, ..MarketOptions::default() };
    let venue = Server::start(Options::new(Content::Market(market))).await.unwrap();
    let mut settings = VenueConfig::default();
    settings.feed.streams = vec![venue.ws_url()];
    settings.feed.rest = vec![venue.url()];
    let mut config = HubConfig { seed: Some(3), throttle: Some(Duration::ZERO), ..HubConfig::default() };
    config.limits.buffers_bytes = BUDGET;
    config.venues.insert("binance".to_owned(), settings);
    let hub = Hub::new(config);
    let mut config = usual();
    // Nobody is cut for anything else.
    config.timing.write_within = Duration::from_secs(600);
    let about = About { venues: vec!["binance".to_owned()], ..About::default() };
    let gateway = Gateway::start(config, hub.clone(), about).await.unwrap();
    Bench { venue, hub, gateway }
}

/// Waits until something holds of the memory.
async fn when(hub: &Hub, what: &str, holds: impl Fn(&MemoryStatus) -> bool) -> MemoryStatus {
    for _ in 0..3_000 {
        let memory = hub.memory();
        if holds(&memory) {
            return memory;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{what}: {:?}", hub.memory())
}

/// Asks over HTTP; status line and body.
async fn get(bench: &Bench, path: &str, headers: &str) -> (String, String) {
    let address = bench.gateway.address();
    let mut socket = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n{headers}\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    if headers == CLOSE {
        soon(socket.read_to_end(&mut answer)).await.unwrap();
    } else {
        // The connection stays.
        while !answer.ends_with(b"}") {
            assert!(soon(socket.read_buf(&mut answer)).await.unwrap() > 0);
        }
    }
    let text = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    (head.lines().next().unwrap_or_default().to_owned(), body.to_owned())
}

const CLOSE: &str = "connection: close\r\n";
const UPGRADE: &str = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                       sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// One who reads all the time, and how many events it got; it ends when it is told to.
async fn brisk(mut client: Client, stop: Arc<AtomicBool>) -> (u64, u64) {
    client.subscribe(&["binance:trade:BTCUSDT"], json!({})).await;
    let (mut events, mut next, mut gaps) = (0, None, 0);
    while !stop.load(Ordering::Relaxed) {
        let frame = client.next_of(&["event", "gap"]).await;
        gaps += u64::from(frame["type"] == "gap");
        let offset = frame["offset"].as_u64().unwrap();
        assert!(next.replace(offset + 1).is_none_or(|next| next == offset), "{frame}");
        events += 1;
    }
    (events, gaps)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_a_flood_nobody_new_is_taken_on_the_biggest_go_and_the_rest_lives() {
    let bench = bench().await;
    let stop = Arc::new(AtomicBool::new(false));
    let reading = tokio::spawn(brisk(bench.client().await, Arc::clone(&stop)));
    let mut idle = bench.client().await;
    let topics: Vec<String> = BOOKS.map(|name| format!("binance:book:{name}USDT")).into();
    let mut warm = bench.hub.subscribe(topics.clone()).await.unwrap();
    let mut live = 0;
    while live < BOOKS.len() {
        let update = soon(warm.next()).await.unwrap();
        live += usize::from(
            update.kind == tapeline::Kind::Snapshot && update.json().contains("\"state\":\"live\""),
        );
    }
    let mut flood = Vec::new();
    for _ in 0..CLIENTS {
        flood.push(Client::narrow(bench.gateway.address()).await);
    }
    for client in &mut flood {
        client.send(json!({"op": "subscribe", "topics": topics, "interval_ms": 0}).to_string()).await;
    }
    let worst = when(&bench.hub, "somebody is cut", |memory| memory.cut > 0).await;
    assert_eq!(worst.step, Step::Cut, "{worst:?}");

    // Nobody new: neither a client, nor a topic, nor a reader of the library. Whoever looks is answered.
    let (status, body) = get(&bench, "/v1/stream", UPGRADE).await;
    assert!(
        status.contains(" 503 ") && body.contains("\"unavailable\"") && body.contains("memory is short"),
        "{status} {body}"
    );
    let answer = idle.ask(json!({"op": "subscribe", "topics": ["binance:trade:ETHUSDT"]})).await;
    let result = &answer["results"][0];
    assert_eq!(
        (&result["ok"], &result["error"]["code"]),
        (&Value::from(false), &Value::from("unavailable")),
        "{answer}"
    );
    let refused = bench.hub.subscribe("binance:quote:ETHUSDT").await.err();
    assert_eq!(refused, Some(SubscribeError::Memory));
    let (status, body) = get(&bench, "/api/v1/status", CLOSE).await;
    assert!(status.contains(" 200 ") && body.contains("\"step\":"), "{status} {body}");
    let (status, body) = get(&bench, "/metrics", CLOSE).await;
    assert!(status.contains(" 200 ") && body.contains("tapeline_memory_step"), "{status} {body}");

    // One who was cut is told so.
    let closes: Vec<_> = flood.iter_mut().map(|client| async { client.close().await }.boxed()).collect();
    let ((code, reason), ..) = soon(select_all(closes)).await;
    assert_eq!((code, reason.as_str()), (4008, "memory is short, and most of it waits for this client"));

    drop(flood);
    let calm = when(&bench.hub, "it is over", |memory| memory.step == Step::Calm).await;
    assert!(calm.buffers_high <= BUDGET as u64, "never more than allowed: {calm:?}");
    assert!(calm.buffers_high >= BUDGET as u64 / 100 * 90, "and the flood reached it: {calm:?}");
    idle.subscribe(&["binance:trade:ETHUSDT"], json!({})).await;
    idle.next_of(&["event"]).await;
    bench.client().await.subscribe(&["binance:book:BTCUSDT"], json!({})).await;
    stop.store(true, Ordering::Relaxed);
    let (events, gaps) = soon(reading).await.unwrap();
    assert!(events > 200 && gaps == 0, "who reads was not touched: {events} events, {gaps} gaps");
    told(&bench).await;
    eprintln!(
        "at most {} KiB of {}, {} cut, {} refused",
        calm.buffers_high >> 10,
        BUDGET >> 10,
        calm.cut,
        calm.refused
    );
}

/// What happened stands in the events and among the alerts.
async fn told(bench: &Bench) {
    let events = bench.hub.events(0, 10_000);
    let steps: Vec<&str> =
        events.iter().filter(|event| event.kind == "memory").map(|event| event.to).collect();
    assert!(steps.contains(&"cut") && steps.last() == Some(&"calm"), "{steps:?}");
    let (_, body) = get(bench, "/api/v1/events", CLOSE).await;
    assert!(body.contains("\"kind\":\"memory\""), "{body}");
    let alerts = bench.hub.alerts();
    let all = alerts.active.iter().chain(&alerts.resolved);
    assert!(all.map(|alert| alert.rule.name()).any(|name| name == "memory"), "{alerts:?}");
}
