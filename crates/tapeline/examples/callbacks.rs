//! Handlers: one that counts, one that goes with its owner, one that is bad and harms nobody.
#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tapeline::{Data, Hub, HubConfig};

struct Display {
    name: &'static str,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let hub = Hub::new(HubConfig::of_process()?);

    let count = Arc::new(AtomicU64::new(0));
    let counter = count.clone();
    let counting = hub
        .on(["binance:trade:BTCUSDT", "binance:trade:ETHUSDT"], move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
        })
        .name("counter")
        .await?;

    // It is called as long as the display lives; a callback holds its owner weakly, or it would never go.
    let display = Arc::new(Display { name: "main window" });
    let shown = Arc::downgrade(&display);
    hub.on("binance:quote:BTCUSDT", move |update| {
        if let (Some(display), Data::Quote(quote)) = (shown.upgrade(), &update.data) {
            println!("{}: {} / {}", display.name, quote.bid, quote.ask);
        }
    })
    .owner(&display)
    .await?
    .keep();

    let bad = hub.on("binance:trade:BTCUSDT", |_| panic!("this handler is bad")).name("bad").await?;

    tokio::time::sleep(Duration::from_secs(5)).await;
    drop(display);
    println!("{} trades; the bad one: {:?}", count.load(Ordering::Relaxed), bad.status());
    counting.remove();
    hub.shutdown().await;
    Ok(())
}
