//! Figures of streams: how long things take, and what was lost on the way.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use tapeline_sim::MarketOptions;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::bench::{Bench, soon, usual};

const STAGES: [&str; 5] = ["venue", "feed", "encode", "client", "delivery"];

/// The series of a family by its labels, as they are written.
async fn series(bench: &Bench, family: &str) -> BTreeMap<String, f64> {
    let gateway = bench.gateway.address();
    let mut socket = TcpStream::connect(gateway).await.unwrap();
    let request = format!("GET /metrics HTTP/1.1\r\nhost: {gateway}\r\nconnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    soon(socket.read_to_string(&mut text)).await.unwrap();
    let lines = text.lines().filter_map(|line| line.strip_prefix(&format!("tapeline_{family}{{")));
    let one = |line: &str| {
        let (labels, value) = line.rsplit_once("} ").unwrap();
        (labels.to_owned(), value.parse().unwrap())
    };
    lines.map(one).collect()
}

async fn stage(bench: &Bench, what: &str) -> [f64; 5] {
    let all = series(bench, &format!("stage_seconds_{what}")).await;
    STAGES.map(|stage| all[&format!("stage=\"{stage}\"")])
}

async fn read_trades(bench: &Bench, count: usize) {
    let mut client = bench.client().await;
    client.subscribe(&["binance:trade:BTCUSDT"], json!({})).await;
    for _ in 0..count {
        client.next_of(&["event"]).await;
    }
}

#[tokio::test]
async fn stages_are_timed_by_what_really_passes_through_them() {
    let market = MarketOptions { rate: 400, ..MarketOptions::default() };
    let bench = Bench::with(usual(), market, |_| {}).await;
    assert_eq!(stage(&bench, "count").await, [0.0; 5], "nothing has happened");
    let begun = std::time::Instant::now();
    read_trades(&bench, 100).await;
    let passed = begun.elapsed().as_secs_f64();
    let (counts, sums) = (stage(&bench, "count").await, stage(&bench, "sum").await);
    for (at, name) in STAGES.iter().enumerate() {
        assert!(counts[at] >= 1.0 && sums[at] > 0.0, "{name}: {counts:?} {sums:?}");
        assert!(
            sums[at] / counts[at] < passed,
            "{name} took longer than the whole test: {counts:?} {sums:?}"
        );
    }
    let [_, feed, encode, client, delivery] = counts;
    assert!(client > 10.0 && feed > 10.0, "batches are counted: {counts:?}");
    assert_eq!(client, delivery, "of each batch that was written: {counts:?}");
    let sent = bench.gateway.streams().counters().sent.load(std::sync::atomic::Ordering::Relaxed) as f64;
    assert!(encode <= 1.0 + sent, "a few of all that are encoded: {counts:?}, {sent} sent");
    // Only the wait for a place in the machine's queue lies between writing and what the feed and the shard took.
    assert!(sums[4] >= sums[3], "the whole way is not shorter than its end: {sums:?}");
}

#[tokio::test]
async fn a_venue_whose_clock_is_another_is_not_timed() {
    let market = MarketOptions { start_ms: Some(1_600_000_000_000), ..MarketOptions::default() };
    let bench = Bench::with(usual(), market, |_| {}).await;
    read_trades(&bench, 30).await;
    let [venue, feed, ..] = stage(&bench, "count").await;
    assert_eq!((venue, feed > 0.0), (0.0, true));
}

#[tokio::test]
async fn who_leaves_with_nothing_waiting_drops_nothing() {
    let bench = Bench::new().await;
    let drops = series(&bench, "client_dropped_total").await;
    assert_eq!(drops.len(), 5, "every reason is there before anything is dropped: {drops:?}");
    let mut client = bench.client().await;
    client.ask(json!({"op": "ping"})).await;
    drop(client);
    soon(async {
        while bench.gateway.streams().closes().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    assert!(bench.gateway.streams().counters().drops().iter().all(|(_, count)| *count == 0));
}
