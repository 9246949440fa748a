//! Handlers: removable, weak, and harmless to everyone but themselves.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use tapeline::{CutOff, Handler, Hub};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::plain_venue::exchange::Exchange;
use crate::plain_venue::{data, hub_at, soon, until};

/// A handler that passes offsets on.
async fn passing(hub: &Hub) -> (Handler, UnboundedReceiver<u64>) {
    let (pass, passed) = unbounded_channel();
    let handler = hub
        .on("plain:trade:BTC", move |update| {
            if update.kind.consumes_offset() {
                let _ = pass.send(update.offset);
            }
        })
        .await
        .unwrap();
    (handler, passed)
}

async fn gone(hub: &Hub) {
    until(async || hub.status().await.handlers.is_empty() && hub.list().await.1.is_empty()).await;
}

#[tokio::test]
async fn a_handler_is_called_for_every_update_until_it_is_removed() {
    let mut exchange = Exchange::open().await;
    let hub = hub_at(&exchange);
    let (handler, mut passed) = passing(&hub).await;
    exchange.hears("trade.BTC").await;
    exchange.send("trade BTC 1 1");
    exchange.send("trade BTC 2 1");
    assert_eq!((soon(passed.recv()).await, soon(passed.recv()).await), (Some(1), Some(2)));
    handler.remove();
    assert_eq!(soon(passed.recv()).await, None, "the callback itself is dropped");
    gone(&hub).await;
}

#[tokio::test]
async fn dropping_the_handle_removes_and_keeping_does_not() {
    let mut exchange = Exchange::open().await;
    let hub = hub_at(&exchange);
    let (dropped, mut silent) = passing(&hub).await;
    let (kept, mut passed) = passing(&hub).await;
    drop(dropped);
    kept.keep();
    assert_eq!(soon(silent.recv()).await, None);
    exchange.hears("trade.BTC").await;
    exchange.send("trade BTC 1 1");
    assert_eq!(soon(passed.recv()).await, Some(1));
    assert_eq!(hub.clear(), 1);
    gone(&hub).await;
}

#[tokio::test]
async fn a_weak_handler_goes_with_its_owner() {
    let exchange = Exchange::open().await;
    let hub = hub_at(&exchange);
    let owner = Arc::new(());
    let handler = hub.on("plain:trade:BTC", |_| {}).owner(&owner).await.unwrap();
    handler.keep();
    assert_eq!(hub.status().await.handlers.len(), 1);
    drop(owner);
    gone(&hub).await;
}

#[tokio::test]
async fn a_handler_that_panics_is_removed_after_five_times_and_harms_nobody() {
    let mut exchange = Exchange::open().await;
    let hub = hub_at(&exchange);
    let handler = hub.on("plain:trade:BTC", |_| panic!("this handler is bad")).await.unwrap();
    let (_good, mut passed) = passing(&hub).await;
    exchange.hears("trade.BTC").await;
    for id in 1..=20 {
        exchange.send(format!("trade BTC {id} 1"));
    }
    for offset in 1..=20 {
        assert_eq!(soon(passed.recv()).await, Some(offset));
    }
    until(async || handler.status().cut_off == Some(CutOff::Panicked)).await;
    assert_eq!(handler.status().panics, 5);
    until(async || hub.status().await.handlers.len() == 1).await;
}

#[tokio::test]
async fn a_slow_call_is_counted() {
    let mut exchange = Exchange::open().await;
    let hub = hub_at(&exchange);
    let dawdles = |_: &tapeline::Update| std::thread::sleep(Duration::from_millis(110));
    let handler = hub.on("plain:trade:BTC", dawdles).name("dawdler").await.unwrap();
    exchange.hears("trade.BTC").await;
    exchange.send("trade BTC 1 1");
    until(async || handler.status().slow > 0).await;
}

#[tokio::test]
async fn a_call_that_never_returns_is_named_while_others_run_on() {
    let mut exchange = Exchange::open().await;
    let hub = hub_at(&exchange);
    let (release, blocked) = mpsc::channel::<()>();
    let blocked = Mutex::new(blocked);
    let handler = hub
        .on("plain:trade:BTC", move |update| {
            if update.kind.consumes_offset() {
                let _ = blocked.lock().unwrap().recv();
            }
        })
        .await
        .unwrap();
    let mut stream = hub.trades("plain", "BTC").await.unwrap();
    exchange.hears("trade.BTC").await;
    let begun = std::time::Instant::now();
    exchange.send("trade BTC 1 1");
    assert_eq!(data(&mut stream).await.offset, 1);
    until(async || handler.status().is_blocked).await;
    // Named within a second; the rest is for a machine under load.
    assert!(begun.elapsed() < Duration::from_secs(3));
    assert_eq!(handler.status().blocked, 1);
    exchange.send("trade BTC 2 1");
    assert_eq!(data(&mut stream).await.offset, 2);
    drop(release);
    until(async || !handler.status().is_blocked).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_may_subscribe_and_remove_from_within() {
    let mut exchange = Exchange::open().await;
    let hub = hub_at(&exchange);
    let own = hub.clone();
    let slot: Arc<Mutex<Option<Handler>>> = Arc::default();
    let (mine, calls) = (slot.clone(), Arc::new(AtomicUsize::new(0)));
    let counted = calls.clone();
    let (pass, mut passed) = unbounded_channel();
    let handler = hub
        .on("plain:trade:BTC", move |update| {
            if !update.kind.consumes_offset() {
                return;
            }
            counted.fetch_add(1, Ordering::SeqCst);
            let subscription =
                tokio::runtime::Handle::current().block_on(async { own.trades("plain", "ETH").await });
            pass.send(subscription.is_ok()).unwrap();
            if let Some(handler) = mine.lock().unwrap().take() {
                handler.remove();
            }
        })
        .await
        .unwrap();
    *slot.lock().unwrap() = Some(handler);
    exchange.hears("trade.BTC").await;
    exchange.send("trade BTC 1 1");
    assert_eq!(soon(passed.recv()).await, Some(true));
    gone(&hub).await;
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn some_topics_of_a_handler_can_be_ended() {
    let exchange = Exchange::open().await;
    let hub = hub_at(&exchange);
    let handler = hub.on(["plain:trade:A", "plain:trade:B"], |_| {}).await.unwrap();
    assert_eq!(handler.unsubscribe("plain:trade:A").await.unwrap(), 1);
    assert_eq!(hub.list().await.1[0].topics.len(), 1);
}
