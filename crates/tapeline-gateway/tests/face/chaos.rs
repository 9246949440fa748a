//! Faults on purpose: what they do, and that there is nothing of them unless they are allowed.

use std::time::Duration;

use serde_json::{Value, json};
use tapeline::{Chaos, Hub, HubConfig, Subscription, Update, VenueConfig};
use tapeline_core::data::update::{Kind, Source};
use tapeline_gateway::{Gateway, GatewayConfig};
use tapeline_sim::{Content, MarketOptions, Options, Server};

use crate::bench::{Answer, Bench, TOKEN, about, ask, data, soon, usual};

struct Broken {
    _venue: Server,
    hub: Hub,
    gateway: Gateway,
}

impl Broken {
    async fn new(config: GatewayConfig) -> Self {
        let venue = Server::start(Options::new(Content::Market(MarketOptions::default()))).await.unwrap();
        let mut settings = VenueConfig::default();
        settings.feed.streams = vec![venue.ws_url()];
        settings.feed.rest = vec![venue.url()];
        settings.feed.timing.backoff_first = Duration::from_millis(100);
        let mut hub = HubConfig { seed: Some(3), chaos: Some(Chaos::new()), ..HubConfig::default() };
        hub.venues.insert("binance".to_owned(), settings);
        let hub = Hub::new(hub);
        let gateway = Gateway::start(config, hub.clone(), about()).await.unwrap();
        Self { _venue: venue, hub, gateway }
    }

    async fn strike(&self, fault: &str, body: Value) -> Answer {
        let line = format!("POST /api/v1/chaos/{fault}");
        let bearer = format!("Bearer {TOKEN}");
        ask(self.gateway.address(), &line, &[("authorization", &bearer)], &body.to_string()).await
    }

    async fn get(&self, path: &str) -> Value {
        ask(self.gateway.address(), &format!("GET {path}"), &[], "").await.json()
    }

    async fn line(&self) -> Value {
        self.get("/api/v1/lines").await["items"][0].clone()
    }
}

#[tokio::test]
async fn nothing_of_it_is_there_unless_it_was_allowed_and_only_on_loopback() {
    let bench = Bench::new().await;
    for line in ["POST /api/v1/chaos/cut", "POST /api/v1/chaos/clear", "GET /api/v1/chaos"] {
        let bearer = format!("Bearer {TOKEN}");
        let answer = bench.ask(line, &[("authorization", &bearer)]).await;
        assert_eq!((answer.status, answer.code().as_str()), (404, "not_found"), "{line}");
    }
    assert!(!bench.get("/openapi.json").await.body.contains("chaos"));
    // Also where the hub would allow it.
    let everywhere = GatewayConfig { listen: "0.0.0.0:0".parse().unwrap(), ..usual() };
    let public = Broken::new(everywhere).await;
    let near = format!("127.0.0.1:{}", public.gateway.address().port()).parse().unwrap();
    let bearer = format!("Bearer {TOKEN}");
    let answer = ask(near, "POST /api/v1/chaos/cut", &[("authorization", &bearer)], "").await;
    assert_eq!((answer.status, answer.code().as_str()), (404, "not_found"), "{answer:?}");
}

#[tokio::test]
async fn nobody_breaks_anything_without_the_token_or_by_a_word_that_is_none() {
    let broken = Broken::new(usual()).await;
    let answer = ask(broken.gateway.address(), "POST /api/v1/chaos/cut", &[], "").await;
    assert_eq!((answer.status, answer.code().as_str()), (401, "unauthorized"));
    for (fault, body, status) in [
        ("explode", json!({}), 404),
        ("cut", json!({"target": "nowhere"}), 404),
        ("stall", json!({"for": "long"}), 400),
        ("stall", json!({"for": "2h"}), 400),
        ("drop", json!({"probability": 1.5}), 400),
        ("drop", json!({"probability": 0}), 400),
        ("block_rest", json!({"target": "binance/0"}), 503),
        ("cut", json!({"tarmac": "x"}), 400),
    ] {
        let answer = broken.strike(fault, body.clone()).await;
        assert!(
            answer.status == status || status == 503 && answer.status == 400,
            "{fault} {body}: {answer:?}"
        );
    }
    assert_eq!(broken.get("/api/v1/chaos").await["items"], json!([]));
}

#[tokio::test]
async fn a_line_that_is_cut_comes_back_and_one_that_may_not_be_dialled_waits() {
    let broken = Broken::new(usual()).await;
    let mut trades = broken.hub.trades("binance", "BTCUSDT").await.unwrap();
    data(&mut trades).await;
    let answer = broken.strike("refuse-dials", json!({"for": "1h"})).await;
    assert_eq!(answer.json(), json!({"ok": true, "faults": [1], "for_ms": 3_600_000}), "{answer:?}");
    assert_eq!(broken.strike("cut", json!({"target": "binance/0"})).await.json()["ok"], true);
    soon(async {
        loop {
            let line = broken.line().await;
            if line["reason"].as_str().is_some_and(|reason| reason.contains("refused on purpose")) {
                assert_eq!((&line["drops"], &line["phase"]), (&json!(1), &json!("waiting")), "{line}");
                return;
            }
        }
    })
    .await;
    let all = broken.get("/api/v1/chaos").await;
    assert_eq!(all["items"][0]["kind"], "refuse_dials", "{all}");
    assert!(broken.strike("clear", json!({})).await.json()["cleared"].as_u64() > Some(0));
    soon(async { while broken.line().await["phase"] != "live" {} }).await;
    data(&mut trades).await;
    let events = broken.get("/api/v1/events").await;
    let told = |kind: &str| events["items"].as_array().unwrap().iter().any(|event| event["kind"] == kind);
    assert!(told("chaos"), "{events}");
}

#[tokio::test]
async fn a_stalled_line_falls_silent_and_mangled_messages_are_counted() {
    let broken = Broken::new(usual()).await;
    let mut trades = broken.hub.trades("binance", "BTCUSDT").await.unwrap();
    data(&mut trades).await;
    broken.strike("stall", json!({"target": "binance:trade:BTCUSDT", "for": "1s"})).await;
    soon(async { while broken.line().await["silence_ms"].as_u64() < Some(500) {} }).await;
    // It is read again by itself.
    data(&mut trades).await;
    soon(async { while broken.line().await["silence_ms"].as_u64() > Some(400) {} }).await;
    broken.strike("corrupt", json!({"probability": 0.5, "for": "1h"})).await;
    soon(async { while broken.line().await["undecodable"].as_u64() < Some(3) {} }).await;
    broken.strike("clear", json!({})).await;
    let before = broken.line().await["duplicates"].as_u64().unwrap();
    broken.strike("duplicate", json!({"for": "1h"})).await;
    soon(async { while broken.line().await["duplicates"].as_u64() < Some(before + 3) {} }).await;
}

/// Reads on until there is such an update.
async fn until(trades: &mut Subscription, is: impl Fn(&Update) -> bool) {
    soon(async { while !is(trades.next().await.unwrap().as_ref()) {} }).await;
}

#[tokio::test]
async fn trades_that_are_dropped_are_fetched_and_without_rest_they_are_told_as_missing() {
    let broken = Broken::new(usual()).await;
    let mut trades = broken.hub.trades("binance", "BTCUSDT").await.unwrap();
    until(&mut trades, |update| update.kind == Kind::Event).await;
    broken.strike("drop", json!({"probability": 0.5, "for": "1h"})).await;
    until(&mut trades, |update| update.source == Source::Repair).await;
    broken.strike("block-rest", json!({"for": "1h"})).await;
    until(&mut trades, |update| update.kind == Kind::Gap).await;
    broken.strike("clear", json!({})).await;
    let events = broken.get("/api/v1/events").await.to_string();
    assert!(events.contains("Drop of everything") && events.contains("BlockRest of everything"), "{events}");
    until(&mut trades, |update| (update.kind, update.source) == (Kind::Event, Source::Live)).await;
}
