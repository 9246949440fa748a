//! Subscribing, sharing, leaving, resuming.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tapeline::core::policy::fault::Fault;
use tapeline::{CutOff, Data, Delivery, Kind, Overflow, Position, SubscribeError, Target, TopicError};

use crate::plain_venue::exchange::{Exchange, Said};
use crate::plain_venue::{data, hub_at, hub_with, settings, soon, until};

fn trade_id(data: &Data) -> u64 {
    match data {
        Data::Trade(trade) => trade.id,
        other => panic!("not a trade: {other:?}"),
    }
}

#[tokio::test]
async fn a_subscriber_gets_what_the_venue_sends() {
    let mut exchange = Exchange::open().await;
    let hub = hub_at(&exchange);
    let mut trades = hub.subscribe("plain:trade:btc").await.unwrap();
    assert_eq!(trades.subscribed()[0].topic.as_str(), "plain:trade:BTC", "in the venue's spelling");
    assert_eq!(exchange.heard().await, Said::Opened(0));
    exchange.hears("sub 1 trade.BTC").await;
    exchange.send("trade BTC 5 100.5");
    exchange.send("trade BTC 6 100.6");
    let (first, second) = (data(&mut trades).await, data(&mut trades).await);
    assert_eq!((trade_id(&first.data), first.offset), (5, 1));
    assert_eq!((trade_id(&second.data), second.offset), (6, 2));
    assert_eq!(first.epoch, second.epoch);
}

#[tokio::test]
async fn two_subscribers_share_one_upstream_subscription() {
    let mut exchange = Exchange::open().await;
    let hub = hub_at(&exchange);
    let mut one = hub.trades("plain", "BTC").await.unwrap();
    let mut two = hub.trades("plain", "BTC").await.unwrap();
    exchange.hears("trade.BTC").await;
    exchange.send("trade BTC 1 1");
    let (a, b) = (data(&mut one).await, data(&mut two).await);
    assert!(std::sync::Arc::ptr_eq(&a, &b), "made once, shared by both");
    assert!(exchange.rest().is_empty(), "nothing more was asked of the venue");
    assert_eq!(exchange.accepted.load(Ordering::SeqCst), 1);
    let (topics, subscribers) = hub.list().await;
    assert_eq!((topics.len(), topics[0].subscribers.len(), subscribers.len()), (1, 2, 2));
}

#[tokio::test]
async fn dropping_the_last_subscriber_leaves_the_venue() {
    let mut exchange = Exchange::open().await;
    let hub = hub_at(&exchange);
    let one = hub.trades("plain", "BTC").await.unwrap();
    exchange.hears("trade.BTC").await;
    let mut other = hub.trades("plain", "ETH").await.unwrap();
    exchange.hears("trade.ETH").await;
    drop(one);
    let text = exchange.hears("unsub").await;
    assert!(text.ends_with(" trade.BTC"), "{text}");
    exchange.send("trade ETH 1 1");
    assert_eq!(trade_id(&data(&mut other).await.data), 1, "the other is not disturbed");
    let (topics, subscribers) = hub.list().await;
    assert_eq!((topics.len(), subscribers.len()), (1, 1));
}

#[tokio::test]
async fn a_subscriber_that_is_gone_without_a_word_has_left_at_once() {
    let exchange = Exchange::open().await;
    let hub = hub_at(&exchange);
    let (subscribed, ready) = tokio::sync::oneshot::channel();
    let own = hub.clone();
    let task = tokio::spawn(async move {
        let mut trades = own.trades("plain", "BTC").await.unwrap();
        subscribed.send(()).unwrap();
        while trades.next().await.is_some() {}
    });
    soon(ready).await.unwrap();
    assert_eq!(hub.list().await.1.len(), 1);
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    // The next that the feed is asked is asked after it has heard of it: there is no time in between.
    assert!(hub.list().await.1.is_empty(), "its task was aborted");
    let own = hub.trades("plain", "BTC").await.unwrap();
    assert_eq!(hub.list().await.1.len(), 1);
    let thread = std::thread::spawn(move || {
        let _own = own;
        std::panic::resume_unwind(Box::new("on purpose"));
    });
    assert!(thread.join().is_err());
    assert!(hub.list().await.1.is_empty(), "its thread died");
}

#[tokio::test]
async fn several_topics_come_in_one_stream_and_can_be_changed() {
    let mut exchange = Exchange::open().await;
    let hub = hub_at(&exchange);
    let mut all = hub.subscribe(["plain:trade:A", "plain:trade:B"]).await.unwrap();
    let added = all.add("plain:trade:C").await.unwrap();
    assert!(added[0].is_ok());
    assert_eq!(all.remove("plain:trade:A").await.unwrap(), 1);
    exchange.hears("trade.C").await;
    for symbol in ["A", "B", "C"] {
        exchange.send(format!("trade {symbol} 1 1"));
    }
    let topics = [data(&mut all).await, data(&mut all).await].map(|update| update.topic.to_string());
    assert_eq!(topics, ["plain:trade:B", "plain:trade:C"]);
}

#[tokio::test]
async fn one_refused_topic_is_told_and_disturbs_no_other() {
    let exchange = Exchange::open().await;
    let hub = hub_at(&exchange);
    let mut all = hub.trades("plain", "A").await.unwrap();
    let answers = all.add(["plain:book:B", "plain:trade:C"]).await.unwrap();
    assert!(matches!(&answers[0], Err(TopicError::NotOffered { venue: "plain", .. })));
    assert_eq!(answers[1].as_ref().unwrap().topic.as_str(), "plain:trade:C");
    let refused = hub.subscribe(["plain:trade:D", "plain:book:D"]).await.unwrap_err();
    assert!(matches!(refused, SubscribeError::Topic(TopicError::NotOffered { .. })));
    until(async || hub.list().await.1.len() == 1).await;
}

#[tokio::test]
async fn an_unknown_venue_is_told_with_those_that_are_known() {
    let exchange = Exchange::open().await;
    let error = hub_at(&exchange).subscribe("plan:trade:A").await.unwrap_err();
    assert!(error.to_string().contains("plain"), "{error}");
}

#[tokio::test]
async fn a_pattern_takes_topics_that_come_later() {
    let mut exchange = Exchange::open().await;
    let hub = hub_at(&exchange);
    let mut all = hub.subscribe("pl*:trade:*").await.unwrap();
    let _later = hub.trades("plain", "LATE").await.unwrap();
    exchange.hears("trade.LATE").await;
    exchange.send("trade LATE 1 1");
    assert_eq!(data(&mut all).await.topic.as_str(), "plain:trade:LATE");
}

#[tokio::test]
async fn a_cut_line_is_redialled_and_everything_asked_for_again() {
    let mut exchange = Exchange::open().await;
    let hub = hub_at(&exchange);
    let mut trades = hub.trades("plain", "BTC").await.unwrap();
    exchange.hears("trade.BTC").await;
    exchange.send("trade BTC 1 1");
    assert_eq!(trade_id(&data(&mut trades).await.data), 1);
    exchange.cut();
    while exchange.heard().await != Said::Opened(1) {}
    exchange.hears("trade.BTC").await;
    exchange.send("trade BTC 2 1");
    assert_eq!(trade_id(&data(&mut trades).await.data), 2);
}

#[tokio::test]
async fn a_reader_resumes_behind_what_it_has_seen() {
    let mut exchange = Exchange::open().await;
    let hub = hub_at(&exchange);
    let mut first = hub.trades("plain", "BTC").await.unwrap();
    exchange.hears("trade.BTC").await;
    for id in 1..=3 {
        exchange.send(format!("trade BTC {id} 1"));
    }
    let seen = data(&mut first).await;
    while data(&mut first).await.offset < 3 {}
    let from = Position { epoch: seen.epoch, offset: seen.offset };
    let mut second = hub.trades("plain", "BTC").resume(seen.topic.clone(), from).await.unwrap();
    assert!(second.subscribed()[0].recovered);
    assert_eq!((data(&mut second).await.offset, data(&mut second).await.offset), (2, 3));
}

#[tokio::test]
async fn state_is_conflated_to_the_newest_unless_all_is_wanted() {
    let mut exchange = Exchange::open().await;
    let hub = hub_at(&exchange);
    let mut newest = hub.subscribe("plain:quote:BTC").await.unwrap();
    let mut every = hub.subscribe("plain:quote:BTC").delivery(Delivery::Every).await.unwrap();
    exchange.hears("quote.BTC").await;
    for bid in 1..=50 {
        exchange.send(format!("quote BTC {bid} 100"));
    }
    // The first state is a snapshot, which takes no offset.
    for offset in 1..=49 {
        assert_eq!(data(&mut every).await.offset, offset);
    }
    let merged = loop {
        let update = soon(newest.next()).await.unwrap();
        if update.kind != Kind::Status {
            break update;
        }
    };
    assert_eq!((merged.kind, merged.offset, merged.merged), (Kind::Snapshot, 49, 49));
}

#[tokio::test]
async fn conflated_state_keeps_its_interval_and_events_do_not_wait_for_it() {
    let mut exchange = Exchange::open().await;
    let hub = hub_at(&exchange);
    let hour = Duration::from_secs(3_600);
    let mut both = hub.subscribe(["plain:quote:BTC", "plain:trade:BTC"]).interval(hour).await.unwrap();
    exchange.hears("BTC").await;
    exchange.send("quote BTC 1 100");
    // The status of the conflated topic may have used up the first round already.
    exchange.send("trade BTC 1 1");
    loop {
        if let Data::Trade(_) = data(&mut both).await.data {
            break;
        }
    }
    exchange.send("quote BTC 2 100");
    exchange.send("trade BTC 2 1");
    assert_eq!(trade_id(&data(&mut both).await.data), 2, "the quote waits for its hour");
}

#[tokio::test]
async fn a_slow_reader_with_the_gap_rule_can_account_for_everything() {
    let mut exchange = Exchange::open().await;
    let hub = hub_at(&exchange);
    let bounds = tapeline::Bounds { messages: 16, bytes: 1 << 20 };
    let mut slow = hub.trades("plain", "BTC").bounds(bounds).await.unwrap();
    let mut quick = hub.trades("plain", "BTC").await.unwrap();
    exchange.hears("trade.BTC").await;
    for id in 1..=200 {
        exchange.send(format!("trade BTC {id} 1"));
    }
    for id in 1..=200 {
        assert_eq!(trade_id(&data(&mut quick).await.data), id);
    }
    let (mut next, mut gaps) = (1, 0);
    while next <= 200 {
        let update = data(&mut slow).await;
        if let Data::Gap(gap) = &update.data {
            assert_eq!(gap.from, next);
            next = gap.to + 1;
            gaps += 1;
        } else {
            assert_eq!(update.offset, next);
            next += 1;
        }
    }
    assert_eq!(gaps, 1);
}

#[tokio::test]
async fn a_blocking_reader_stops_the_line_and_loses_nothing() {
    let mut exchange = Exchange::open().await;
    let hub = hub_at(&exchange);
    let bounds = tapeline::Bounds { messages: 8, bytes: 1 << 20 };
    let mut trades = hub.trades("plain", "BTC").bounds(bounds).overflow(Overflow::Block).await.unwrap();
    exchange.hears("trade.BTC").await;
    // More than all buffers between the two hold, so that the exchange really has to wait.
    let padding = "0".repeat(20_000);
    let sent = 2_000;
    for id in 1..=sent {
        exchange.send(format!("trade BTC {id} 1.{padding}"));
    }
    until(async || trades.stats().queued > 8).await;
    for id in 1..=sent {
        assert_eq!(trade_id(&data(&mut trades).await.data), id);
    }
    assert_eq!(trades.stats().dropped, 0);
}

#[tokio::test]
async fn a_slow_reader_with_the_disconnect_rule_learns_why() {
    let mut exchange = Exchange::open().await;
    let hub = hub_at(&exchange);
    let bounds = tapeline::Bounds { messages: 4, bytes: 1 << 20 };
    let mut slow = hub.trades("plain", "BTC").bounds(bounds).overflow(Overflow::Disconnect).await.unwrap();
    let mut quick = hub.trades("plain", "BTC").await.unwrap();
    exchange.hears("trade.BTC").await;
    for id in 1..=50 {
        exchange.send(format!("trade BTC {id} 1"));
    }
    while trade_id(&data(&mut quick).await.data) < 50 {}
    while soon(slow.next()).await.is_some() {}
    assert_eq!(slow.cut_off(), Some(CutOff::Slow));
    until(async || hub.list().await.1.len() == 1).await;
}

#[tokio::test]
async fn one_update_can_be_had_without_a_subscription() {
    let mut exchange = Exchange::open().await;
    let hub = hub_at(&exchange);
    let own = hub.clone();
    let wanted = tokio::spawn(async move { own.get("plain:quote:BTC", Duration::from_secs(30)).await });
    exchange.hears("quote.BTC").await;
    exchange.send("quote BTC 1 2");
    let update = soon(wanted).await.unwrap().unwrap();
    assert!(matches!(update.kind, Kind::Delta | Kind::Snapshot));
    until(async || hub.list().await.1.is_empty()).await;
    let nothing = hub.get("plain:quote:NONE", Duration::from_millis(20)).await.unwrap_err();
    assert_eq!(nothing, SubscribeError::Timeout(Duration::from_millis(20)));
}

#[tokio::test]
async fn all_topics_of_a_symbol_end_at_once() {
    let exchange = Exchange::open().await;
    let hub = hub_at(&exchange);
    let _one = hub.subscribe(["plain:trade:A", "plain:quote:A", "plain:trade:B"]).await.unwrap();
    let _two = hub.trades("plain", "A").await.unwrap();
    assert_eq!(hub.unsubscribe_symbol("plain", "A").await.unwrap(), 3);
    hub.sweep(&Target::All).await.unwrap();
    let (topics, _) = hub.list().await;
    assert_eq!(topics.len(), 1);
}

#[tokio::test]
async fn shutdown_tells_readers_and_leaves_no_task() {
    let mut exchange = Exchange::open().await;
    let hub = hub_at(&exchange);
    let mut trades = hub.trades("plain", "BTC").await.unwrap();
    exchange.hears("trade.BTC").await;
    soon(hub.shutdown()).await;
    while soon(trades.next()).await.is_some() {}
    assert_eq!(trades.cut_off(), Some(CutOff::Shutdown));
    assert_eq!(hub.tasks(), 0);
    assert_eq!(exchange.heard().await, Said::Closed(0), "with a goodbye");
    let late = hub.trades("plain", "ETH").await.unwrap_err();
    assert_eq!(late, SubscribeError::Unavailable { venue: "plain".to_owned() });
}

#[tokio::test]
async fn a_hub_that_nobody_holds_ends_its_feeds() {
    let mut exchange = Exchange::open().await;
    let hub = hub_at(&exchange);
    let trades = hub.trades("plain", "BTC").await.unwrap();
    exchange.hears("trade.BTC").await;
    drop(hub);
    assert!(exchange.rest().is_empty(), "a subscription keeps its hub");
    drop(trades);
    while exchange.heard().await != Said::Closed(0) {}
}

#[tokio::test]
async fn warm_topics_run_without_a_subscriber() {
    let mut exchange = Exchange::open().await;
    let mut settings = settings(&exchange.url);
    settings.feed.warm = vec!["plain:quote:BTC".parse().unwrap()];
    let _hub = hub_with(&std::sync::Arc::default(), settings);
    exchange.hears("quote.BTC").await;
}

#[tokio::test]
async fn a_key_in_a_url_is_never_shown() {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let hub = hub_with(&std::sync::Arc::default(), settings(&format!("ws://{closed}")));
    let _trades = hub.trades("plain", "BTC").await.unwrap();
    let failed = async || {
        let status = hub.status().await;
        let line = status.venues[0].feed.as_ref().unwrap().lines[0].clone();
        line.fault == Some(Fault::Transient.name())
    };
    until(failed).await;
    let text = serde_json::to_string(&hub.status().await).unwrap();
    assert!(!text.contains("hunter2"), "{text}");
}
