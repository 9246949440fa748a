//! A reader that goes away and comes back without missing a trade, or learns that it did.
#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use std::time::Duration;

use tapeline::{Hub, HubConfig, Position};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let hub = Hub::new(HubConfig::of_process()?);
    let mut trades = hub.trades("binance", "BTCUSDT").await?;
    let last = loop {
        let update = trades.next().await.ok_or("the venue is gone")?;
        if update.kind.consumes_offset() {
            break update;
        }
    };
    drop(trades);
    println!("left at offset {}", last.offset);

    tokio::time::sleep(Duration::from_secs(3)).await;

    let from = Position { epoch: last.epoch, offset: last.offset };
    let mut trades = hub.trades("binance", "BTCUSDT").resume(last.topic.clone(), from).await?;
    match &trades.subscribed()[0] {
        answer if answer.recovered => println!("back, with everything since"),
        answer => println!("back, but something is lost: {:?}", answer.reason),
    }
    for _ in 0..10 {
        let update = trades.next().await.ok_or("the venue is gone")?;
        println!("{}", update.json());
    }
    hub.shutdown().await;
    Ok(())
}
