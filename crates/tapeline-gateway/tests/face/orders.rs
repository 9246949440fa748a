//! What orders come to, by what is seen afterwards: over HTTP, and where it is the same word in the library, there too.

use std::net::TcpListener;
use std::time::Duration;

use serde_json::{Value, json};
use tapeline::{Rung, Target, VenueConfig};

use crate::bench::{Bench, about, data, soon, usual};

async fn first(bench: &Bench, list: &str) -> Value {
    bench.get(&format!("/api/v1/{list}")).await.json()["items"][0].clone()
}

/// Waits until the first of a list has it.
async fn until(bench: &Bench, list: &str, has: impl Fn(&Value) -> bool) -> Value {
    soon(async {
        loop {
            let item = first(bench, list).await;
            if has(&item) {
                return item;
            }
        }
    })
    .await
}

#[tokio::test]
async fn breakers_are_held_open_disabled_and_closed_on_order_and_status_shows_it() {
    let bench = Bench::new().await;
    let mut trades = bench.hub.trades("binance", "BTCUSDT").await.unwrap();
    data(&mut trades).await;
    let states = async || {
        let items = bench.get("/api/v1/breakers").await.json()["items"].clone();
        let state = |item: &Value| (item["state"].clone(), item["held_ms"].clone());
        items.as_array().unwrap().iter().map(state).collect::<Vec<_>>()
    };
    let both = |state: &str| vec![(json!(state), json!(0)), (json!(state), json!(0))];
    let answer = bench.act("reset", r#"{"mode":"open","target":"binance"}"#).await;
    assert_eq!(answer.json(), json!({"ok": true, "reset": 2}), "{answer:?}");
    assert_eq!(states().await, both("forced_open"));
    assert_eq!(first(&bench, "lines").await["phase"], "live", "what is connected stays");
    bench.act("reconnect", "").await;
    let waits =
        |line: &Value| line["reason"].as_str().is_some_and(|why| why.starts_with("circuit_open until an"));
    let line = until(&bench, "lines", waits).await;
    assert_eq!((&line["phase"], &line["dial_in_ms"]), (&json!("waiting"), &Value::Null), "{line}");
    bench.act("reset", r#"{"mode":"disabled"}"#).await;
    until(&bench, "lines", |line| line["phase"] == "live").await;
    assert_eq!(states().await, both("disabled"));
    assert_eq!(bench.act("reset", r#"{"mode":"closed"}"#).await.json()["ok"], true);
    assert_eq!(states().await, both("closed"));
    let answer = bench.act("reset", r#"{"mode":"ajar"}"#).await;
    assert_eq!((answer.status, answer.code().as_str()), (400, "bad_request"));
    assert!(answer.body.contains("closed, open, disabled"), "{answer:?}");
}

#[tokio::test]
async fn what_fallback_orders_ends_by_itself_and_what_pin_orders_when_it_is_let_go() {
    let mut settings = VenueConfig::default();
    settings.feed.timing.return_hold = Duration::from_millis(200);
    let bench = Bench::before(usual(), about(), settings).await;
    let mut book = bench.hub.subscribe(["binance:book:BTCUSDT"]).await.unwrap();
    data(&mut book).await;
    let venue = Target::Venue("binance".to_owned());
    let order = r#"{"mode":"poll","target":"binance"}"#;
    let is = |rung: &'static str, pinned: bool| {
        move |item: &Value| item["fallback"]["rung"] == rung && item["fallback"]["pinned"] == pinned
    };
    for over_http in [true, false] {
        if over_http {
            bench.act("fallback", order).await.json();
        } else {
            bench.hub.fallback(&venue, Rung::Poll).await.unwrap();
        }
        until(&bench, "status", is("poll", false)).await;
        until(&bench, "status", is("primary", false)).await;
    }
    for over_http in [true, false] {
        if over_http {
            bench.act("pin", order).await.json();
        } else {
            bench.hub.pin(&venue, Rung::Poll).await.unwrap();
        }
        until(&bench, "status", is("poll", true)).await;
        assert_eq!(bench.hub.unpin(&venue).await.unwrap()[0].touched, 1);
        until(&bench, "status", is("primary", false)).await;
    }
}

#[tokio::test]
async fn a_line_that_waits_is_dialled_when_the_mode_of_the_recovery_says() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut settings = VenueConfig::default();
    settings.feed.streams = vec![format!("ws://{nobody}")];
    settings.feed.timing.backoff_first = Duration::from_secs(20);
    settings.feed.timing.backoff_max = Duration::from_secs(20);
    let bench = Bench::before(usual(), about(), settings).await;
    let _trades = bench.hub.trades("binance", "BTCUSDT").await.unwrap();
    // By its backoff it is dialled in 20 s, more or less.
    let wait = |line: &Value| line["dial_in_ms"].as_u64().unwrap_or(0);
    until(&bench, "lines", |line| wait(line) > 5_000).await;
    let recover = async |mode: &str| {
        let answer = bench.act("recover", &json!({"target": "binance/0", "mode": mode}).to_string()).await;
        answer.json()["recovered"].clone()
    };
    assert_eq!(recover("delayed").await, 1);
    let delayed = wait(&until(&bench, "lines", |line| wait(line) > 0).await);
    assert!((31_000..=60_000).contains(&delayed), "after a minute: {delayed}");
    assert_eq!(recover("manual").await, 0);
    let manual = wait(&first(&bench, "lines").await);
    assert!((31_000..=delayed).contains(&manual), "nothing has changed: {manual}");
    assert_eq!(recover("progressive").await, 1);
    let progressive = wait(&until(&bench, "lines", |line| wait(line) < 31_000).await);
    assert!((1_000..=30_000).contains(&progressive), "by the backoff: {progressive}");
    let before = first(&bench, "lines").await["dials"].as_u64();
    assert_eq!(recover("immediate").await, 1);
    let dialled = until(&bench, "lines", |line| line["dials"].as_u64() > before).await;
    assert_eq!(dialled["dials"].as_u64(), before.map(|before| before + 1));
}
