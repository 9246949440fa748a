//! What is not borne, and what happens to those who do not read.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::json;
use tapeline_sim::MarketOptions;
use tokio_tungstenite::tungstenite::Message;

use crate::bench::{Bench, Client, soon, usual};

#[tokio::test]
async fn too_many_messages_too_large_ones_and_binary_ones_are_refused() {
    let mut config = usual();
    config.limits.messages_per_second = 20;
    let bench = Bench::with(config, MarketOptions::default(), |_| {}).await;
    for _ in 0..10 {
        let mut hasty = bench.client().await;
        for _ in 0..60 {
            let _ = hasty.socket.feed(Message::text("{\"op\":\"ping\",\"id\":1}")).await;
        }
        let _ = hasty.socket.flush().await;
        assert_eq!(hasty.close().await.0, 4029, "whoever floods is told so, also over what was not read");
    }
    let mut large = bench.client().await;
    let _ = large.socket.send(Message::text("x".repeat(70_000))).await;
    assert_eq!(large.close().await.0, 1009);
    let mut binary = bench.client().await;
    binary.socket.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    assert_eq!(binary.next().await["code"], "bad_request");
    assert_eq!(binary.ask(json!({"op": "ping"})).await["type"], "pong");
}

#[tokio::test]
async fn a_client_may_read_so_many_topics() {
    let mut config = usual();
    config.limits.topics_per_client = 2;
    let bench = Bench::with(config, MarketOptions::default(), |_| {}).await;
    let mut client = bench.client().await;
    let topics = ["binance:trade:BTCUSDT", "binance:trade:ETHUSDT", "binance:trade:BNBUSDT"];
    let answer = client.ask(json!({"op": "subscribe", "topics": topics})).await;
    assert_eq!(answer["results"][2]["error"]["code"], "limit", "{answer}");
    assert_eq!(client.ask(json!({"op": "list"})).await["results"].as_array().unwrap().len(), 2);
    client.ask(json!({"op": "unsubscribe", "topics": [topics[0]]})).await;
    client.subscribe(&topics[2..], json!({})).await;
}

#[tokio::test]
async fn a_silent_client_is_asked_and_one_that_answers_stays() {
    let mut config = usual();
    config.timing.ping_every = Duration::from_secs(1);
    config.timing.pong_within = Duration::from_secs(1);
    let bench = Bench::with(config, MarketOptions::default(), |_| {}).await;
    // A raw socket that never answers a ping.
    let mute = bench.client().await;
    let mut alive = bench.client().await;
    let (mut pings, started) = (0, Instant::now());
    while pings < 4 {
        if let Message::Ping(_) = soon(alive.socket.next()).await.unwrap().unwrap() {
            pings += 1;
        }
    }
    assert!(started.elapsed() > Duration::from_secs(3));
    soon(async {
        while bench.gateway.streams().clients().await.len() > 1 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    drop(mute);
    assert_eq!(alive.ask(json!({"op": "ping"})).await["type"], "pong");
}

#[tokio::test]
async fn one_who_does_not_read_is_told_to_come_back_and_nobody_else_notices() {
    let mut config = usual();
    config.limits.unsent_bytes = 64 << 10;
    let market = MarketOptions { rate: 4_000, ..MarketOptions::default() };
    let bench = Bench::with(config, market, |_| {}).await;
    let topics: Vec<String> = (0..5)
        .map(|n| ["BTCUSDT", "ETHUSDT", "BNBUSDT", "SOLUSDT", "XRPUSDT"][n])
        .flat_map(|symbol| [format!("binance:trade:{symbol}"), format!("binance:book:{symbol}")])
        .collect();
    let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
    let (mut stuck, mut brisk) = (Client::narrow(bench.gateway.address()).await, bench.client().await);
    for client in [&mut stuck, &mut brisk] {
        client.subscribe(&topics, json!({"delivery": "every"})).await;
    }
    let mut last = BTreeMap::new();
    let started = Instant::now();
    while bench.gateway.streams().closes().iter().all(|(code, _)| *code != 4008) {
        assert!(started.elapsed() < Duration::from_secs(60), "it is never told");
        let frame = brisk.next_of(&["event"]).await;
        let (topic, offset) =
            (frame["topic"].as_str().unwrap().to_owned(), frame["offset"].as_u64().unwrap());
        if let Some(before) = last.insert(topic, offset) {
            assert_eq!(offset, before + 1);
        }
    }
    assert!(last.len() >= 5);
    drop(stuck);
    let drops: BTreeMap<_, _> = bench.gateway.streams().counters().drops().into_iter().collect();
    // 64 KiB of events of some 300 bytes waited for it.
    assert!(drops["slow"] > 100, "what waited for it is counted: {drops:?}");
    drop(brisk);
    let others = drops.iter().filter(|(why, _)| **why != "slow").map(|(_, count)| count).sum::<u64>();
    assert_eq!(others, 0, "{drops:?}");
}

#[tokio::test]
async fn what_waits_for_one_who_leaves_or_is_sent_away_is_counted() {
    let market = MarketOptions { rate: 4_000, ..MarketOptions::default() };
    let bench = Bench::with(usual(), market, |_| {}).await;
    let address = bench.gateway.address();
    let (mut leaves, mut stays) = (Client::narrow(address).await, Client::narrow(address).await);
    for client in [&mut leaves, &mut stays] {
        client.subscribe(&["binance:trade:BTCUSDT", "binance:trade:ETHUSDT"], json!({})).await;
    }
    let streams = bench.gateway.streams().clone();
    soon(async {
        // Something waits for both of them.
        while streams.clients().await.iter().any(|client| client.unsent < 10_000) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    drop(leaves);
    let count = |why: &str| streams.counters().drops().iter().find(|(reason, _)| *reason == why).unwrap().1;
    soon(async {
        while count("gone") == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    assert!((10..10_000).contains(&count("gone")), "{}", count("gone"));
    assert_eq!(count("shutdown"), 0);
    let stopped = tokio::spawn(bench.gateway.shutdown());
    assert_eq!(stays.close().await.0, 4001);
    soon(stopped).await.unwrap();
    assert!((10..10_000).contains(&count("shutdown")), "{}", count("shutdown"));
    assert_eq!((count("slow"), count("gap"), count("closed")), (0, 0, 0));
}

#[tokio::test]
async fn one_client_alone_is_not_always_told_to_come_back_at_once() {
    let mut waits = Vec::new();
    for _ in 0..4 {
        let bench = Bench::new().await;
        let mut client = bench.client().await;
        let stopped = tokio::spawn(bench.gateway.shutdown());
        let (code, reason) = client.close().await;
        let reason: serde_json::Value = serde_json::from_str(&reason).unwrap();
        waits.push(reason["retry_after_ms"].as_u64().unwrap());
        assert_eq!(code, 4001);
        soon(stopped).await.unwrap();
    }
    // Four draws of 5,000 are hardly ever equal (1 in 125 thousand million).
    assert!(
        waits.iter().all(|wait| *wait < 5_000) && waits.iter().any(|wait| *wait != waits[0]),
        "{waits:?}"
    );
}

#[tokio::test]
async fn a_stop_tells_everybody_when_to_come_back() {
    let bench = Bench::new().await;
    let mut clients: Vec<Client> = Vec::new();
    for _ in 0..100 {
        let mut client = bench.client().await;
        client.subscribe(&["binance:trade:BTCUSDT"], json!({})).await;
        clients.push(client);
    }
    let started = Instant::now();
    let stopped = tokio::spawn(bench.gateway.shutdown());
    let mut waits = Vec::new();
    for client in &mut clients {
        let (code, reason) = client.close().await;
        assert_eq!(code, 4001);
        let reason: serde_json::Value = serde_json::from_str(&reason).unwrap();
        waits.push(reason["retry_after_ms"].as_u64().unwrap());
    }
    soon(stopped).await.unwrap();
    eprintln!("100 clients told within {:?}", started.elapsed());
    assert!(started.elapsed() < Duration::from_secs(10));
    assert!(waits.iter().max().unwrap() - waits.iter().min().unwrap() > 2_000, "spread: {waits:?}");
}
