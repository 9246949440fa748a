//! State that is only remembered: whoever comes is told so, and how old it is.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use tapeline::{Rung, Target};

use super::bench::{Bench, Client};

const TOPICS: [&str; 7] = [
    "binance:quote:BTCUSDT",
    "binance:ticker:BTCUSDT",
    "binance:mini_ticker:BTCUSDT",
    "binance:candle:BTCUSDT@interval=1m",
    "binance:avg_price:BTCUSDT",
    "binance:depth:BTCUSDT@levels=5",
    "binance:book:BTCUSDT",
];

/// The snapshots of all topics.
async fn snapshots(client: &mut Client) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    while found.len() < TOPICS.len() {
        let frame = client.next_of(&["snapshot"]).await;
        found.insert(frame["topic"].as_str().unwrap().to_owned(), frame);
    }
    found
}

/// What a reader of everything was told.
#[derive(Default)]
struct Told {
    /// The newest offset of each topic, and when that was received.
    last: BTreeMap<String, (u64, u64)>,
    /// Topics that are only remembered.
    remembered: BTreeSet<String>,
}

impl Told {
    fn take(&mut self, frame: &Value) {
        let Some(topic) = frame["topic"].as_str().map(str::to_owned) else { return };
        if frame["type"] == "status" {
            if frame["source"] == "cache" {
                self.remembered.insert(topic);
            }
            return;
        }
        assert_ne!(frame["type"], "tick", "nothing has come for half a minute");
        let received = frame["received"].as_str().unwrap().parse().unwrap();
        self.last.insert(topic, (frame["offset"].as_u64().unwrap(), received));
    }
}

#[tokio::test]
async fn who_comes_when_all_is_only_remembered_is_told_so_and_since_when() {
    let bench = Bench::new().await;
    let mut first = bench.client().await;
    first.subscribe(&TOPICS, json!({"delivery": "every"})).await;
    let mut told = Told::default();
    while told.last.len() < TOPICS.len() {
        let frame = first.next().await;
        assert!(frame["type"] == "status" || frame["source"] == "live", "{frame}");
        told.take(&frame);
    }
    bench.hub.pin(&Target::All, Rung::Cache).await.unwrap();
    while told.remembered.len() < TOPICS.len() {
        told.take(&first.next().await);
    }
    for delivery in ["every", "conflate"] {
        let mut late = bench.client().await;
        late.subscribe(&TOPICS, json!({"delivery": delivery})).await;
        for (topic, frame) in snapshots(&mut late).await {
            assert_eq!(frame["source"], "cache", "{delivery}: {frame}");
            let offset = frame["offset"].as_u64().unwrap();
            while told.last[&topic].0 < offset {
                told.take(&first.next().await);
            }
            let at: u64 = frame["received"].as_str().unwrap().parse().unwrap();
            assert!(at <= told.last[&topic].1, "{delivery}: {frame} is older: {:?}", told.last[&topic]);
        }
    }
}
