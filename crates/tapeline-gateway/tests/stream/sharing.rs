//! One upstream subscription for everybody, and what is left when they go.

use std::time::Duration;

use serde_json::json;
use tapeline_sim::MarketOptions;

use crate::bench::{Bench, soon, usual};

#[tokio::test]
async fn clients_share_one_upstream_subscription_and_the_last_one_ends_it_after_the_linger() {
    let linger = Duration::from_millis(300);
    let bench = Bench::with(usual(), MarketOptions::default(), |settings| {
        settings.feed.timing.linger = linger;
        settings.feed.timing.sweep = Duration::from_millis(50);
    })
    .await;
    let (mut first, mut second) = (bench.client().await, bench.client().await);
    for client in [&mut first, &mut second] {
        client.subscribe(&["binance:trade:BTCUSDT"], json!({})).await;
        client.next_of(&["event"]).await;
    }
    assert_eq!((bench.venue.report().subscribes, bench.venue.report().open), (1, 1));
    let (topics, _) = bench.hub.list().await;
    assert_eq!(topics.len(), 1);
    drop(first);
    second.next_of(&["event"]).await;
    assert_eq!(bench.hub.list().await.0.len(), 1);
    drop(second);
    let gone = std::time::Instant::now();
    soon(async {
        while !bench.hub.list().await.0.is_empty() || bench.venue.report().open > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    assert!(gone.elapsed() >= linger, "it lingers");
}
