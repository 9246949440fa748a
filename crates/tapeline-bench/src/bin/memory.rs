//! What a feed holds: 100 symbols with 1,000-level books, trades and quotes, and an idle topic.
//!
//! ```text
//! cargo run --release -p tapeline-bench --bin memory
//! ```
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::alloc::System;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tapeline::core::config::FeedConfig;
use tapeline::core::data::channel::Delivery;
use tapeline::core::data::topic::Topic;
use tapeline::core::feed::{Action, Command, Feed, Input, Memory};
use tapeline::core::outbox::{Bounds, Outbox, Overflow, SubscriberId, outbox};
use tapeline::core::time::{Mono, Time, Unix};
use tapeline::core::venue::{Decoded, Fetch, HttpReply, LineId, Venue};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Bytes allocated and not given back.
fn held() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

const SYMBOLS: usize = 100;
const LEVELS: u64 = 1_000;
const IDLE: usize = 5_000;

fn main() -> io::Result<()> {
    let empty = resident()?;
    let mut stage = Stage::new()?;
    let names: Vec<String> = (0..SYMBOLS).map(|index| format!("S{index:03}USDT")).collect();
    for name in &names {
        for channel in ["book", "trade", "quote"] {
            stage.subscribe(&format!("binance:{channel}:{name}"))?;
        }
    }
    stage.settle();
    for round in 0..200 {
        for name in &names {
            stage.market(name, round);
        }
        stage.settle();
    }
    let full = resident()?;
    let status = stage.feed.status(stage.now);
    let live =
        status.topics.iter().filter_map(|topic| topic.book.as_ref()).filter(|book| book.bids >= 900).count();
    let (logs, used) = (status.log_bytes, full.saturating_sub(empty));
    println!("{SYMBOLS} symbols with books of {LEVELS} levels a side, trades and quotes ({live} books live)");
    println!("  resident over the empty process  {:>7.2} MB", megabytes(used));
    println!("  of which topic logs              {:>7.2} MB", megabytes(logs));
    println!(
        "  without the logs                 {:>7.2} MB   (goal: at most 20)",
        megabytes(used.saturating_sub(logs))
    );
    // Once around, so that the buffers that all topics share have grown.
    for round in 0..2 {
        let before = held();
        for index in 0..IDLE {
            stage.subscribe(&format!("binance:trade:IDLE{index}USDT"))?;
        }
        stage.settle();
        if round == 1 {
            println!(
                "an idle topic with its stream and reader     {:>5} B   (goal: at most 512)",
                (held() - before) / IDLE
            );
        }
        stage.forget_idle();
    }
    Ok(())
}

struct Stage {
    feed: Feed,
    venue: Arc<dyn Venue>,
    now: Time,
    who: tapeline::core::outbox::Subscriber,
    outbox: Outbox,
    lines: Vec<LineId>,
}

impl Stage {
    fn new() -> io::Result<Self> {
        let venue = tapeline_venues::by_id("binance").ok_or_else(|| io::Error::other("no such venue"))?;
        let mut config = FeedConfig::default();
        config.limits.topics = 100_000;
        config.limits.topics_per_client = 100_000;
        config.limits.weight_percent = 100;
        config.limits.snapshots_in_flight = SYMBOLS;
        let feed = Feed::new(Arc::clone(&venue), config, Memory::default(), 1);
        let now = Time { mono: Mono(1), unix: Unix(1_790_000_000_000_000_000) };
        let bounds = Bounds { messages: 1 << 20, bytes: 1 << 28 };
        let (who, outbox) = outbox(SubscriberId(1), "memory", Overflow::Block, bounds);
        Ok(Self { feed, venue, now, who, outbox, lines: Vec::new() })
    }

    fn subscribe(&mut self, topic: &str) -> io::Result<()> {
        let topic = topic.parse().map_err(io::Error::other)?;
        self.feed.subscribe(self.now, topic, Delivery::Every, None, &self.who).map_err(io::Error::other)?;
        Ok(())
    }

    /// Drops every topic that nobody has ever heard of.
    fn forget_idle(&mut self) {
        let topics: Vec<Topic> =
            self.feed.status(self.now).topics.into_iter().map(|topic| topic.topic).collect();
        for topic in topics.iter().filter(|topic| topic.raw_symbol().starts_with("IDLE")) {
            self.feed.unsubscribe(self.now, topic, self.who.id());
        }
        self.feed.command(self.now, Command::Sweep);
        self.settle();
    }

    /// Lets a minute pass and everything happen that is asked for.
    fn settle(&mut self) {
        for _ in 0..60 {
            self.now = self.now.later(Duration::from_secs(1));
            self.feed.tick(self.now);
            while let Some(action) = self.feed.next_action() {
                self.act(action);
            }
            while self.outbox.try_next().is_some() {}
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Dial { line, .. } => {
                self.lines.push(line);
                self.feed.handle(self.now, Input::Opened { line });
            }
            Action::Send { line, text } => {
                let id: String = text
                    .rsplit("\"id\":")
                    .next()
                    .unwrap_or("")
                    .chars()
                    .filter(char::is_ascii_digit)
                    .collect();
                let reply = format!("{{\"result\":null,\"id\":{id}}}");
                self.feed.handle(self.now, Input::Frame { line, bytes: reply.as_bytes() });
            }
            Action::Ping { line, payload } => {
                self.feed.handle(self.now, Input::Pong { line, payload: &payload })
            }
            Action::Fetch { id, topic, .. } => {
                let body = snapshot();
                let mut decoded = Decoded::default();
                let reply =
                    HttpReply { status: 200, headers: &[], body: body.as_bytes(), now: self.now.unix };
                let result =
                    self.venue.decode_fetch(Fetch::Snapshot, &topic, &reply, &mut decoded).map(|()| decoded);
                self.feed.handle(self.now, Input::Fetched { id, result });
            }
            Action::Pong { .. } | Action::Close { .. } | Action::Login { .. } | Action::ReadKeys => {}
        }
    }

    /// A trade, a quote and a depth change of one symbol.
    fn market(&mut self, name: &str, round: u64) {
        let (stream, at) = (name.to_lowercase(), self.now.unix.0 / 1_000_000);
        let (id, price) = (1_000 + round, 60_000 + round % 3);
        let frames = [
            format!(
                r#"{{"stream":"{stream}@trade","data":{{"e":"trade","E":{at},"s":"{name}","t":{id},"p":"{price}.01000000","q":"0.50000000","T":{at},"m":true,"M":true}}}}"#
            ),
            format!(
                r#"{{"stream":"{stream}@bookTicker","data":{{"u":{id},"s":"{name}","b":"{price}.00000000","B":"1.00000000","a":"{price}.02000000","A":"2.00000000"}}}}"#
            ),
            format!(
                r#"{{"stream":"{stream}@depth@100ms","data":{{"e":"depthUpdate","E":{at},"s":"{name}","U":{id},"u":{id},"b":[["5{:04}.00000000","1.00000000"]],"a":[["70{:03}.00000000","1.00000000"]]}}}}"#,
                round * 7 % 9_999,
                round * 11 % 999
            ),
        ];
        for line in self.lines.clone() {
            for frame in &frames {
                self.feed.handle(self.now, Input::Frame { line, bytes: frame.as_bytes() });
            }
        }
    }
}

/// A book of 1,000 levels a side, as sparse as that of a busy symbol: one to twenty ticks apart.
fn snapshot() -> String {
    let side = |start: u64, down: bool| {
        let mut ticks = start;
        let level = |index: u64| {
            let step = 1 + index * index % 20;
            ticks = if down { ticks - step } else { ticks + step };
            format!(r#"["{}.{:02}000000","{}.12345000"]"#, ticks / 100, ticks % 100, index % 7 + 1)
        };
        (0..LEVELS).map(level).collect::<Vec<_>>().join(",")
    };
    format!(
        r#"{{"lastUpdateId":1000,"bids":[{}],"asks":[{}]}}"#,
        side(6_000_100, true),
        side(6_000_101, false)
    )
}

/// Resident memory of this process.
fn resident() -> io::Result<usize> {
    let text = std::fs::read_to_string("/proc/self/statm")?;
    let pages = text.split(' ').nth(1).and_then(|word| word.parse::<usize>().ok());
    pages
        .map(|pages| pages * 4_096)
        .ok_or_else(|| io::Error::other("/proc/self/statm reads otherwise than expected"))
}

fn megabytes(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}
