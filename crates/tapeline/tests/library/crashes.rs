//! What a crash costs: nothing but time, and not much of it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tapeline::{Command, CutOff, SubscribeError};

use crate::plain_venue::exchange::Exchange;
use crate::plain_venue::venue::Plain;
use crate::plain_venue::{data, hub_at, hub_with, settings, soon, until};

#[tokio::test]
async fn a_frame_that_panics_costs_that_frame() {
    let mut exchange = Exchange::open().await;
    let hub = hub_at(&exchange);
    let mut trades = hub.trades("plain", "BTC").await.unwrap();
    exchange.hears("trade.BTC").await;
    for text in ["trade BTC 1 1", "panic", "trade BTC 2 1"] {
        exchange.send(text);
    }
    assert_eq!((data(&mut trades).await.offset, data(&mut trades).await.offset), (1, 2));
    assert_eq!(hub.status().await.venues[0].restarts, 0);
}

#[tokio::test]
async fn a_topic_that_panics_again_and_again_is_quarantined_and_the_others_run_on() {
    let mut exchange = Exchange::open().await;
    let hub = hub_at(&exchange);
    let _bad = hub.trades("plain", "A").await.unwrap();
    exchange.hears("trade.A").await;
    let mut good = hub.trades("plain", "B").await.unwrap();
    exchange.hears("trade.B").await;
    for id in 1..=3 {
        exchange.send(format!("trade A {id} boom"));
        exchange.send(format!("trade B {id} 1"));
    }
    for offset in 1..=3 {
        assert_eq!(data(&mut good).await.offset, offset);
    }
    let status = hub.status().await;
    let feed = status.venues[0].feed.as_ref().unwrap();
    let mut topics = feed.topics.iter().map(|topic| (topic.topic.as_str(), topic.phase));
    assert!(topics.any(|topic| topic == ("plain:trade:A", "quarantined")), "{topics:?}");
    assert_eq!((feed.lines[0].stats.drops, status.venues[0].restarts), (0, 0));
    let of_it =
        |alert: &tapeline::Alert| (alert.rule.name(), &*alert.part) == ("quarantined", "plain:trade:A");
    until(async || hub.alerts().active.iter().any(of_it)).await;
}

#[test]
fn a_feed_that_hangs_is_told_as_one_that_says_nothing_and_keeps_nobody_waiting() {
    // Whoever hangs takes its runtime along, so the hub is asked from another one.
    let feeds = tokio::runtime::Runtime::new().unwrap();
    let others = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let venue = Arc::new(Plain::default());
    let (exchange, hub, _trades) = feeds.block_on(async {
        let mut exchange = Exchange::open().await;
        let hub = hub_with(&venue, settings(&exchange.url));
        let trades = hub.trades("plain", "A").await.unwrap();
        exchange.hears("trade.A").await;
        (exchange, hub, trades)
    });
    let held = venue.gate.lock();
    exchange.send("hang");
    others.block_on(until(async || hub.status().await.venues[0].feed.is_none()));
    let status = others.block_on(hub.status());
    assert_eq!((status.venues[0].halted, status.venues[0].restarts), (false, 0));
    drop(held);
    others.block_on(until(async || hub.status().await.venues[0].feed.is_some()));
}

#[tokio::test]
async fn a_crashed_feed_comes_back_with_its_subscriptions() {
    let mut exchange = Exchange::open().await;
    let venue = Arc::new(Plain::default());
    let hub = hub_with(&venue, settings(&exchange.url));
    let mut trades = hub.subscribe(["plain:trade:A", "plain:trade:B"]).await.unwrap();
    exchange.hears("trade.B").await;
    venue.crash.store(true, Ordering::SeqCst);
    // Asking for one more stream is what blows the fuse.
    let _more = trades.add("plain:trade:C").await;
    until(async || hub.status().await.venues[0].restarts > 0).await;
    venue.crash.store(false, Ordering::SeqCst);
    exchange.hears("trade.A").await;
    exchange.send("trade A 1 1");
    assert_eq!(data(&mut trades).await.topic.as_str(), "plain:trade:A");
    exchange.send("trade B 1 1");
    assert_eq!(data(&mut trades).await.topic.as_str(), "plain:trade:B");
    assert!(trades.cut_off().is_none());
}

#[tokio::test]
async fn a_feed_that_crashes_again_and_again_is_halted_until_it_is_reset() {
    let mut exchange = Exchange::open().await;
    let venue = Arc::new(Plain::default());
    let hub = hub_with(&venue, settings(&exchange.url));
    venue.crash.store(true, Ordering::SeqCst);
    let mut trades = hub.trades("plain", "A").await.unwrap();
    while soon(trades.next()).await.is_some() {}
    assert_eq!(trades.cut_off(), Some(CutOff::Failed));
    let status = hub.status().await;
    assert!(status.venues[0].halted);
    assert_eq!(status.venues[0].restarts, 4);
    let refused = hub.trades("plain", "A").await.unwrap_err();
    assert_eq!(refused, SubscribeError::Unavailable { venue: "plain".to_owned() });
    venue.crash.store(false, Ordering::SeqCst);
    assert_eq!(hub.command("plain", Command::Reset).await.unwrap(), 1);
    let mut again = hub.trades("plain", "A").await.unwrap();
    exchange.hears("trade.A").await;
    exchange.send("trade A 1 1");
    assert_eq!(data(&mut again).await.offset, 1);
}
