//! `tapeline demo`: generated markets on loopback ports, what Tapeline makes of them, and what it does when
//! something breaks.

mod faults;
mod pages;
mod plain;
mod verdict;
mod watcher;

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::time::Duration;

use tapeline::settings::Settings;
use tapeline::{Bounds, Hub, HubConfig};
use tapeline_gateway::about::About;
use tapeline_gateway::{Gateway, GatewayConfig};
use tapeline_sim::{Content, MarketOptions, Options, Server};
use tokio::time::Instant;

use super::watch::{ended, leave, refused};
use crate::args::{Demo, Global};
use crate::exit::{Exit, Failed};
use crate::stop::Stop;
use crate::view::live::{Live, Source};
use crate::view::{Board, Frame, Grouping};
use pages::{commands, footer, help, page};
use verdict::Asking;
use watcher::Watcher;

/// The venues whose words the generated markets speak.
const SPOT: &str = "binance";
const FUTURES: &str = "binance-usdm";
const BOUNDS: Bounds = Bounds { messages: 16_384, bytes: 8 << 20 };

/// Runs the command until a signal, a key, or its time ends it.
pub(crate) async fn run(args: Demo, global: &Global, stop: &mut Stop) -> Result<Exit, Failed> {
    let (spot, symbols) = market(args.seed, false).await?;
    let (futures, _) = market(args.seed.wrapping_add(1), true).await?;
    let settings = settings(&spot, &futures);
    let hub = Hub::new(HubConfig::from(&settings));
    let gateway = open(&hub, &settings).await?;
    let suggested = commands(gateway.address());
    let asking = Asking::start(&format!("http://{}", gateway.address()));
    let topic = |venue: &'static str, channel: &'static str| {
        symbols.iter().map(move |symbol| format!("{venue}:{channel}:{symbol}"))
    };
    let topics = topic(SPOT, "book").chain(topic(SPOT, "trade")).chain(topic(SPOT, "quote"));
    let topics: Vec<String> = topics.chain(topic(FUTURES, "book")).chain(topic(FUTURES, "trade")).collect();
    let subscribe = hub.subscribe(topics).name("demo").bounds(BOUNDS);
    let mut subscription = subscribe.await.map_err(|error| refused(&error))?;

    let rows: Vec<_> = subscription.subscribed().iter().map(|subscribed| subscribed.topic.clone()).collect();
    let board = Board::new(Grouping::Symbols, rows);
    let until = args.seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let mut watcher = Watcher::new(&spot, &futures, args.chaos, asking.verdict());
    let exit = if std::io::stdout().is_terminal() {
        let title = if args.chaos { "demo · chaos" } else { "demo · two generated markets" };
        let frame = Frame {
            title: title.to_owned(),
            panel: Vec::new(),
            footer: vec![footer()],
            help: help(&suggested),
            page: page(&suggested),
        };
        let source = Source::Near { hub: &hub, subscription: &mut subscription };
        let live = Live { source, board, frame, until, extra: Some(&mut watcher) };
        live.show(global.colour(), stop).await?
    } else {
        plain::introduce(&suggested);
        plain::run(&hub, &mut subscription, board, &mut watcher, until, stop).await?
    };
    if exit == Exit::Failure {
        return Err(ended(&subscription));
    }
    drop(asking);
    gateway.shutdown().await;
    let exit = leave(&hub, stop, exit).await;
    spot.shutdown().await;
    futures.shutdown().await;
    exit
}

/// A venue of our own, and its symbols.
async fn market(seed: u64, futures: bool) -> Result<(Server, Vec<String>), Failed> {
    let market = MarketOptions { seed, ..MarketOptions::new(futures) };
    let symbols = market.symbols.iter().map(|symbol| symbol.name.clone()).collect();
    let server = Server::start(Options::new(Content::Market(market))).await;
    Ok((server.map_err(|error| Failed::new(Exit::Failure, error))?, symbols))
}

/// Everything as usual, but the venues are ours, and trouble is noticed and forgiven sooner: nobody wants to watch
/// a demo wait.
fn settings(spot: &Server, futures: &Server) -> Settings {
    let mut settings = Settings::default();
    settings.timing.stable_after = Duration::from_secs(3);
    settings.timing.forgive_every = Duration::from_secs(1);
    settings.timing.silent_max = Duration::from_secs(4);
    for (id, server) in [(SPOT, spot), (FUTURES, futures)] {
        if let Some(venue) = settings.venues.get_mut(id) {
            venue.configured = true;
            venue.streams = vec![server.ws_url()];
            venue.rest = vec![server.url()];
        }
    }
    settings
}

/// A gateway where everybody looks for one, or on any free port if that one is taken.
async fn open(hub: &Hub, settings: &Settings) -> Result<Gateway, Failed> {
    let mut usual = GatewayConfig::default();
    usual.timing.drain_within = Duration::from_secs(2);
    let any = GatewayConfig { listen: SocketAddr::new(usual.listen.ip(), 0), ..usual.clone() };
    // Whoever asks, such as `tapeline doctor`, is told what is in force.
    let about = About { config: settings.to_json(), ..About::default() };
    match Gateway::start(usual, hub.clone(), about.clone()).await {
        Ok(gateway) => Ok(gateway),
        Err(_) => {
            Gateway::start(any, hub.clone(), about).await.map_err(|error| Failed::new(Exit::Failure, error))
        }
    }
}
