//! A reader that keeps its own book: a snapshot, then the changed levels, never trusting a broken one.
#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use std::collections::BTreeMap;
use std::time::Duration;

use tapeline::core::data::decimal::Decimal;
use tapeline::core::data::event::{Book, BookState, Level};
use tapeline::{Data, Hub, HubConfig, Kind};

#[derive(Default)]
struct Mine {
    bids: BTreeMap<Decimal, Decimal>,
    asks: BTreeMap<Decimal, Decimal>,
}

impl Mine {
    fn apply(&mut self, kind: Kind, change: &Book) {
        if kind == Kind::Snapshot {
            *self = Self::default();
        }
        set(&mut self.bids, change.bids());
        set(&mut self.asks, change.asks());
    }
}

/// Sizes are absolute; zero removes the level.
fn set(side: &mut BTreeMap<Decimal, Decimal>, levels: &[Level]) {
    for level in levels {
        if level.size.is_zero() {
            side.remove(&level.price);
        } else {
            side.insert(level.price, level.size);
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let symbol = std::env::args().nth(1).unwrap_or_else(|| "BTCUSDT".to_owned());
    let hub = Hub::new(HubConfig::of_process()?);
    // Four times a second, however fast the market is.
    let mut updates = hub.book("binance", &symbol).interval(Duration::from_millis(250)).await?;
    let mut mine = Mine::default();
    while let Some(update) = updates.next().await {
        let Data::Book(change) = &update.data else { continue };
        mine.apply(update.kind, change);
        if change.state != BookState::Live {
            println!("the book is {:?}", change.state);
        } else if let (Some(bid), Some(ask)) = (mine.bids.last_key_value(), mine.asks.first_key_value()) {
            println!("{symbol}  {} x {}  |  {} x {}", bid.1, bid.0, ask.0, ask.1);
        }
    }
    Ok(())
}
