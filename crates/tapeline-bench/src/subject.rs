//! The library in the place of the baselines: a hub, its feed, and one subscriber who gets everything.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tapeline::{
    Data, Delivery, FeedConfig, Hub, HubConfig, Kind as Role, Overflow, Subscription, Update, VenueConfig,
};
use tokio::time::timeout;

use crate::cpu;
use crate::market::{Kind, SYMBOLS};
use crate::readers::Run;
use crate::venue::TWO;

/// How long nothing may come before the run counts as ended or failed.
const SILENCE: Duration = Duration::from_secs(20);
/// How long is waited for stragglers once enough has come.
const STRAGGLERS: Duration = Duration::from_millis(200);

/// Reads `frames` frames of `kind` from the venue at `address` through the library: frames cut, decoded,
/// sequenced, books kept and checked, logged, counted, delivered to a subscriber without conflation. With two
/// `lines` every frame comes twice.
///
/// # Errors
/// What the library says, or silence before all frames have come.
pub fn run_tapeline(address: &str, kind: Kind, frames: u64, lines: u8) -> io::Result<Run> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let hub = hub(address, lines);
        let mut subscription = subscribe(&hub, kind).await?;
        let run = read(&mut subscription, kind, frames).await;
        drop(subscription);
        hub.shutdown().await;
        run
    })
}

/// A hub whose Binance is the venue at `address`, over so many lines at a time.
pub fn hub(address: &str, lines: u8) -> Hub {
    let path = if lines > 1 { TWO } else { "" };
    let feed = FeedConfig {
        lines,
        streams: vec![format!("ws://{address}{path}")],
        rest: vec![format!("http://{address}")],
        ..FeedConfig::default()
    };
    let venue = VenueConfig { feed, ..VenueConfig::default() };
    Hub::new(HubConfig { venues: [("binance".to_owned(), venue)].into(), ..HubConfig::default() })
}

/// Subscribes to everything that a venue of `kind` streams, every single update.
///
/// # Errors
/// What the library says.
pub async fn subscribe(hub: &Hub, kind: Kind) -> io::Result<Subscription> {
    let channels: &[&str] = match kind {
        Kind::Trades => &["trade"],
        Kind::Mix => &["trade", "agg_trade", "quote", "book"],
    };
    let topics = SYMBOLS
        .iter()
        .flat_map(|symbol| channels.iter().map(move |channel| format!("binance:{channel}:{symbol}")));
    hub.subscribe(topics.collect::<Vec<_>>())
        .delivery(Delivery::Every)
        .overflow(Overflow::Block)
        .interval(Duration::ZERO)
        .await
        .map_err(io::Error::other)
}

async fn read(subscription: &mut Subscription, kind: Kind, frames: u64) -> io::Result<Run> {
    // The first depth frame of a symbol may become part of its first snapshot.
    let enough = if kind == Kind::Mix { frames - SYMBOLS.len() as u64 } else { frames };
    let mut batch: Vec<Arc<Update>> = Vec::new();
    let mut run = Run { frames, ..Run::default() };
    let mut before = None;
    loop {
        let seen = run.seen.trades + run.seen.quotes + run.seen.depths;
        let patience = if seen >= enough { STRAGGLERS } else { SILENCE };
        match timeout(patience, subscription.next_batch(&mut batch)).await {
            Ok(0) => return Err(io::Error::other(format!("cut off: {:?}", subscription.cut_off()))),
            Err(_) if seen >= enough => return Ok(run),
            Err(_) => {
                return Err(io::Error::other(format!("silence after {seen} of {frames}: {:?}", run.seen)));
            }
            Ok(_) => {}
        }
        for update in batch.drain(..) {
            if before.is_none() && update.kind == Role::Event {
                before = Some(cpu::used_ns()?);
            }
            count(&mut run, &update);
        }
        if seen + 5_000 >= enough {
            run.cpu_ns = cpu::used_ns()? - before.unwrap_or_default();
        }
    }
}

fn count(run: &mut Run, update: &Update) {
    let seen = &mut run.seen;
    let scaled =
        |decimal: &tapeline::core::data::decimal::Decimal| decimal.at_scale(8).unwrap_or(i64::MIN) as u64;
    match &update.data {
        Data::Trade(trade) => {
            seen.trades += 1;
            seen.sum = seen.sum.wrapping_add(scaled(&trade.price).wrapping_add(scaled(&trade.size)));
        }
        Data::AggTrade(trade) => {
            seen.trades += 1;
            seen.sum = seen.sum.wrapping_add(scaled(&trade.price).wrapping_add(scaled(&trade.size)));
        }
        Data::Quote(_) => seen.quotes += 1,
        Data::Book(_) if update.kind == Role::Delta => seen.depths += 1,
        _ => {}
    }
}
