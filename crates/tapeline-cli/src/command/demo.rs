//! `tapeline demo`: a generated market on a loopback port, and what Tapeline makes of it.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tapeline::settings::Settings;
use tapeline::{Bounds, Hub, HubConfig, Subscription, Update};
use tapeline_sim::{Content, MarketOptions, Options, Server};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};

use super::watch::{ended, leave, refused};
use crate::args::{Demo, Global};
use crate::exit::{Exit, Failed};
use crate::log;
use crate::out::print_to_reader;
use crate::stop::Stop;
use crate::view::live::Live;
use crate::view::text::{Line, Tone};
use crate::view::{Board, Frame, Grouping};

/// The venue whose words the generated market speaks.
const VENUE: &str = "binance";
const BOUNDS: Bounds = Bounds { messages: 16_384, bytes: 8 << 20 };

/// Runs the command until a signal, a key, or its time ends it.
pub(crate) async fn run(args: Demo, global: &Global, stop: &mut Stop) -> Result<Exit, Failed> {
    let market = MarketOptions { seed: args.seed, ..MarketOptions::default() };
    let symbols: Vec<String> = market.symbols.iter().map(|symbol| symbol.name.clone()).collect();
    let server = Server::start(Options::new(Content::Market(market))).await;
    let server = server.map_err(|error| Failed::new(Exit::Failure, error))?;
    let hub = Hub::new(config(&server));
    let channels = ["book", "quote", "trade"];
    let topics = channels
        .iter()
        .flat_map(|channel| symbols.iter().map(move |symbol| format!("{VENUE}:{channel}:{symbol}")));
    let subscribe = hub.subscribe(topics.collect::<Vec<_>>()).name("demo").bounds(BOUNDS);
    let mut subscription = subscribe.await.map_err(|error| refused(&error))?;

    let rows: Vec<_> = subscription.subscribed().iter().map(|subscribed| subscribed.topic.clone()).collect();
    let board = Board::new(Grouping::Symbols, rows);
    let until = args.seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let exit = if std::io::stdout().is_terminal() {
        let title = "demo · a generated market, every book verified".to_owned();
        let frame = Frame { title, footer: footer(), help: help(&server) };
        let live = Live { hub: &hub, subscription: &mut subscription, board, frame, until };
        live.show(global.colour(), stop).await?
    } else {
        introduce(&server);
        summaries(&mut subscription, board, until, stop).await?
    };
    if exit == Exit::Failure {
        return Err(ended(&subscription));
    }
    let exit = leave(&hub, stop, exit).await;
    server.shutdown().await;
    exit
}

/// Everything as usual, but the venue is ours.
fn config(server: &Server) -> HubConfig {
    let mut config = HubConfig::from(&Settings::default());
    let venue = config.venues.entry(VENUE.to_owned()).or_default();
    venue.feed.streams = vec![server.ws_url()];
    venue.feed.rest = vec![server.url()];
    config
}

/// What to type in another terminal, and what it shows.
fn commands(server: &Server) -> [(String, &'static str); 5] {
    [
        (format!("export TAPELINE_VENUES__BINANCE__STREAMS='[\"{}\"]'", server.ws_url()), ""),
        (format!("export TAPELINE_VENUES__BINANCE__REST='[\"{}\"]'", server.url()), ""),
        ("tapeline watch binance:book:BTCUSDT".to_owned(), "its book as a ladder"),
        ("tapeline watch binance:trade:ETHUSDT --json | head".to_owned(), "JSON for programs"),
        ("tapeline config show".to_owned(), "all settings"),
    ]
}

fn footer() -> Vec<Line> {
    vec![
        Line::new()
            .with(Tone::Strong, "h")
            .with(Tone::Dim, " commands to try in another terminal   ")
            .with(Tone::Strong, "q")
            .with(Tone::Dim, " quit"),
    ]
}

fn help(server: &Server) -> Vec<Line> {
    let title = "This market is open to other programs. Try in another terminal:";
    let mut lines = vec![Line::new().with(Tone::Strong, title)];
    for (command, what) in commands(server) {
        let mut line = Line::new().with(Tone::Plain, format!("  {command}"));
        if !what.is_empty() {
            line.fill_to(56);
            line.push(Tone::Dim, what);
        }
        lines.push(line);
    }
    lines
}

/// The header where there is no terminal to draw on.
fn introduce(server: &Server) {
    log::say("demo: ten symbols of a generated market; one line per symbol and second follows on stdout");
    log::say("its venue is open to other programs; try in another terminal:");
    for (command, what) in commands(server) {
        let gap = if what.is_empty() { "" } else { "   # " };
        log::say(&format!("  {command}{gap}{what}"));
    }
}

/// One line per symbol and second.
async fn summaries(
    subscription: &mut Subscription,
    mut board: Board,
    until: Option<Instant>,
    stop: &mut Stop,
) -> Result<Exit, Failed> {
    const SECOND: Duration = Duration::from_secs(1);
    let start = Instant::now();
    let mut seconds = interval_at(start + SECOND, SECOND);
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut batch: Vec<Arc<Update>> = Vec::new();
    let until = until.unwrap_or_else(|| start + Duration::from_secs(365 * 86_400));
    loop {
        let now = start.elapsed().as_millis() as u64;
        tokio::select! {
            biased;
            exit = stop.asked() => return Ok(exit),
            _ = seconds.tick() => {
                let clock = clock();
                let lines: String = board.summaries(now).iter().map(|line| format!("{clock} {line}\n")).collect();
                if !print_to_reader(&lines)? {
                    return Ok(Exit::Done);
                }
            }
            () = sleep_until(until) => return Ok(Exit::Done),
            count = subscription.next_batch(&mut batch) => {
                if count == 0 {
                    return Ok(Exit::Failure);
                }
                for update in batch.drain(..) {
                    board.take(now, &*update);
                }
            }
        }
    }
}

/// The time of day in UTC.
fn clock() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()) % 86_400;
    format!("{:02}:{:02}:{:02}Z", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}
