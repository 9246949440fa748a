//! A whole feed between a venue that misbehaves and readers that count: whatever is dialled, cut, lost,
//! repeated, garbled or restarted, no reader misses anything without being told.

use std::sync::Arc;
use std::time::Duration;

use tapeline_core::config::FeedConfig;
use tapeline_core::data::topic::Topic;
use tapeline_core::feed::{Action, Closed, Command, DialError, Feed, FetchId, Input, Memory, Stage};
use tapeline_core::outbox::SubscriberId;
use tapeline_core::policy::fault::Fault;
use tapeline_core::policy::recovery::Recovery;
use tapeline_core::time::{Mono, Time, Unix};
use tapeline_core::venue::{Chain, Decoded, Fetch, HttpReply, LineId, Refusal, Venue};
use tapeline_venues::binance::{Binance, Market};

use crate::book::{Delta, Truth};
use crate::input::Input as Script;
use crate::reader::Reader;

/// What readers may ask for. The venue tells the truth about the first symbol only.
const TOPICS: &[&str] = &[
    "binance:trade:BTCUSDT",
    "binance:book:BTCUSDT",
    "binance:quote:BTCUSDT",
    "binance:trade:ETHUSDT",
    "binance:book:ETHUSDT",
    "binance:candle:ETHUSDT@1m",
];
const READERS: u64 = 3;

/// Plays a script of what the world does.
///
/// # Panics
/// If a reader's updates do not follow each other, or a book is called live that is not the venue's.
pub fn feed(data: &[u8]) {
    feed_steps(data);
}

/// [`feed`]; returns how many steps were taken.
pub fn feed_steps(data: &[u8]) -> u64 {
    let mut script = Script(data);
    let mut world = World::new();
    let mut steps = 0;
    while steps < 600 {
        let Some(step) = script.byte() else { break };
        world.step(step, &mut script);
        world.turn();
        steps += 1;
    }
    world.now = world.now.later(Duration::from_secs(3_600));
    world.turn();
    steps
}

struct World {
    venue: Arc<Binance>,
    feed: Feed,
    now: Time,
    dials: Vec<LineId>,
    lines: Vec<LineId>,
    /// One that is over.
    gone: Option<LineId>,
    sent: Vec<(LineId, String)>,
    fetches: Vec<(FetchId, Topic)>,
    readers: Vec<Reader>,
    truth: Truth,
    stream: Vec<Delta>,
    trade: u64,
    /// How often the feed was started.
    lives: u64,
}

impl World {
    fn new() -> Self {
        let venue = Arc::new(Binance::new(Market::Spot));
        let feed = Feed::new(venue.clone(), FeedConfig::default(), Memory::default(), 1);
        Self {
            venue,
            feed,
            now: Time { mono: Mono(1_000_000_000), unix: Unix(1_781_000_000_000_000_000) },
            dials: Vec::new(),
            lines: Vec::new(),
            gone: None,
            sent: Vec::new(),
            fetches: Vec::new(),
            readers: (1..=READERS).map(|id| Reader::new(SubscriberId(id))).collect(),
            truth: Truth::new(Chain::Contiguous),
            stream: Vec::new(),
            trade: 1_000,
            lives: 1,
        }
    }

    fn step(&mut self, step: u8, script: &mut Script<'_>) {
        let low = usize::from(step >> 4);
        match step & 15 {
            0 => self.subscribe(low, script.byte().unwrap_or(0)),
            1 => self.unsubscribe(low, script.byte().unwrap_or(0)),
            2 => self.dialled(low != 15),
            3 => self.confirm(low != 15),
            4 | 5 => self.trades(low),
            6 => self.stream.extend(self.truth.change(script)),
            7 | 8 => self.deltas(low),
            9 => self.fetched(low, script),
            10 => self.garble(low, script),
            11 => self.hostile(script),
            12 => self.close(low),
            13 => self.now = self.now.later(Duration::from_millis(1 << low.min(12))),
            14 => self.command(low),
            _ => self.now = self.now.later(Duration::from_secs(5 * low as u64)),
        }
    }

    /// One turn of the loop: the deadline, the actions, the readers.
    fn turn(&mut self) {
        if self.feed.deadline().is_some_and(|at| at <= self.now.mono) {
            self.feed.tick(self.now);
        }
        while let Some(action) = self.feed.next_action() {
            match action {
                Action::Dial { line, .. } => self.dials.push(line),
                Action::Send { line, text } => self.sent.push((line, text)),
                Action::Fetch { id, topic, .. } => self.fetches.push((id, topic)),
                Action::Close { line, .. } => {
                    self.dials.retain(|dial| *dial != line);
                    self.lines.retain(|open| *open != line);
                }
                Action::Login { .. } | Action::Ping { .. } | Action::Pong { .. } | Action::ReadKeys => {}
            }
        }
        for reader in &mut self.readers {
            reader.read(&self.truth);
        }
    }

    fn subscribe(&mut self, reader: usize, topic: u8) {
        let Ok(topic) = Topic::parse(TOPICS[usize::from(topic) % TOPICS.len()]) else { return };
        let Ok(topic) = self.venue.canonical(topic) else { return };
        let reader = &mut self.readers[reader % READERS as usize];
        reader.subscribe(&mut self.feed, self.now, topic);
    }

    fn unsubscribe(&mut self, reader: usize, topic: u8) {
        let Ok(topic) = Topic::parse(TOPICS[usize::from(topic) % TOPICS.len()]) else { return };
        let Ok(topic) = self.venue.canonical(topic) else { return };
        let reader = &mut self.readers[reader % READERS as usize];
        reader.unsubscribe(&mut self.feed, self.now, &topic);
    }

    fn dialled(&mut self, well: bool) {
        let Some(line) = self.dials.pop() else { return };
        if well {
            self.lines.push(line);
            self.feed.handle(self.now, Input::Opened { line });
        } else {
            let why = DialError { stage: Stage::Tcp, fault: Fault::Transient, detail: "refused".into() };
            self.feed.handle(self.now, Input::Failed { line, why });
        }
    }

    fn confirm(&mut self, well: bool) {
        if self.sent.is_empty() {
            return;
        }
        let (line, text) = self.sent.remove(0);
        let request: serde_json::Value = serde_json::from_str(&text).expect("we send JSON");
        let id = request["id"].as_u64().expect("every request has an id");
        let reply = if well {
            format!(r#"{{"result":null,"id":{id}}}"#)
        } else {
            format!(r#"{{"error":{{"code":2,"msg":"Invalid request"}},"id":{id}}}"#)
        };
        self.feed.handle(self.now, Input::Frame { line, bytes: reply.as_bytes() });
    }

    fn frame(&mut self, text: &str) {
        // Every open line may carry it; those that did not ask for it must not mind.
        let Some(line) = self.lines.first().copied() else { return };
        self.feed.handle(self.now, Input::Frame { line, bytes: text.as_bytes() });
    }

    /// The next trade, or the one before again, or one further on, which loses some.
    fn trades(&mut self, how: usize) {
        let id = match how {
            0..=9 => self.trade,
            10 | 11 => self.trade.saturating_sub(1),
            12 => self.trade + 2,
            _ => self.trade + 1,
        };
        self.trade = self.trade.max(id + 1);
        let text = trade("btcusdt", "BTCUSDT", id, self.now.unix.0 / 1_000_000);
        self.frame(&text);
    }

    fn deltas(&mut self, how: usize) {
        if self.stream.is_empty() {
            return;
        }
        let delta = match how {
            0..=11 => self.stream.remove(0),
            12 => self.stream[0].clone(),
            13 => return drop(self.stream.remove(0)),
            _ => self.stream.pop().expect("checked"),
        };
        let side = |levels: &[tapeline_core::data::event::Level]| {
            serde_json::to_string(levels).expect("levels can be written")
        };
        let (bids, asks) = (side(&delta.bids), side(&delta.asks));
        let (first, last) = (delta.span.first, delta.span.last);
        let text = format!(
            r#"{{"stream":"btcusdt@depth@100ms","data":{{"e":"depthUpdate","E":{},"s":"BTCUSDT","U":{first},"u":{last},"b":{bids},"a":{asks}}}}}"#,
            self.now.unix.0 / 1_000_000
        );
        self.frame(&text);
    }

    fn fetched(&mut self, how: usize, script: &mut Script<'_>) {
        if self.fetches.is_empty() {
            return;
        }
        let (id, topic) = self.fetches.remove(0);
        let (status, body) = match how {
            0..=9 => (200, self.snapshot(&topic)),
            10 => (429, r#"{"code":-1003,"msg":"Too many requests."}"#.into()),
            11 => (418, r#"{"code":-1003,"msg":"banned"}"#.into()),
            12 => (503, "<html>".into()),
            13 => (400, r#"{"code":-1121,"msg":"Invalid symbol."}"#.into()),
            _ => (200, String::from_utf8_lossy(script.take(16)).into_owned()),
        };
        let reply = HttpReply { status, headers: &[], body: body.as_bytes(), now: self.now.unix };
        let mut out = Decoded::default();
        let decoded = self.venue.decode_fetch(Fetch::Snapshot, &topic, &reply, &mut out);
        let result: Result<Decoded, Refusal> = decoded.map(|()| out);
        self.feed.handle(self.now, Input::Fetched { id, result });
    }

    fn snapshot(&self, topic: &Topic) -> String {
        if topic.symbol() != "BTCUSDT" {
            return r#"{"lastUpdateId":18446744073709551614,"bids":[["1","1"]],"asks":[["2","1"]]}"#.into();
        }
        let snapshot = self.truth.snapshot(1_000);
        let bids = serde_json::to_string(&snapshot.bids).expect("levels");
        let asks = serde_json::to_string(&snapshot.asks).expect("levels");
        format!(r#"{{"lastUpdateId":{},"bids":{bids},"asks":{asks}}}"#, snapshot.last)
    }

    /// Bytes that mean nothing, or a frame that was cut short.
    fn garble(&mut self, how: usize, script: &mut Script<'_>) {
        // The dead speak as well, now and then.
        let open = self.lines.get(how % 3).or_else(|| self.lines.first()).copied();
        let Some(line) = (if how == 7 { self.gone } else { open }) else { return };
        if how < 8 {
            self.feed.handle(self.now, Input::Frame { line, bytes: script.take(how * 4) });
        } else {
            let whole = trade("btcusdt", "BTCUSDT", self.trade, 1);
            let cut = &whole.as_bytes()[..usize::from(script.byte().unwrap_or(0)) % whole.len()];
            self.feed.handle(self.now, Input::Frame { line, bytes: cut });
        }
        let payload = script.take(how);
        self.feed.handle(self.now, Input::Ping { line, payload });
        self.feed.handle(self.now, Input::Pong { line, payload });
    }

    /// Well-formed frames of the second symbol with numbers that no venue sends.
    fn hostile(&mut self, script: &mut Script<'_>) {
        let mut number = || {
            let (shift, low) = (script.byte().unwrap_or(0) % 64, u64::from(script.byte().unwrap_or(0)));
            (u64::MAX >> shift).wrapping_sub(low)
        };
        let (a, b, time) = (number(), number(), number() >> 1);
        let text = trade("ethusdt", "ETHUSDT", a, i64::try_from(time).unwrap_or(i64::MAX));
        self.frame(&text);
        let text = format!(
            r#"{{"stream":"ethusdt@depth@100ms","data":{{"e":"depthUpdate","E":{time},"s":"ETHUSDT","U":{a},"u":{b},"b":[["{a}","{b}"]],"a":[["0.{b}","1"]]}}}}"#
        );
        self.frame(&text);
    }

    fn close(&mut self, how: usize) {
        let Some(line) = self.lines.pop() else { return };
        self.gone = Some(line);
        let faults = [Fault::Transient, Fault::Planned, Fault::Server, Fault::Local];
        let why = Closed { code: Some(1006), fault: faults[how % 4], detail: "cut".into() };
        self.feed.handle(self.now, Input::Closed { line, why });
        // What the venue said into the dead line is lost.
        self.stream.clear();
    }

    fn command(&mut self, how: usize) {
        let command = match how {
            0 => Command::Reconnect { slot: None },
            1 => Command::Reset,
            2 => Command::Sweep,
            3 => {
                Command::Resync { topic: Topic::parse(TOPICS[1]).expect("a topic"), how: Recovery::Immediate }
            }
            4..=6 => return self.restart(),
            _ => {
                let status =
                    serde_json::to_string(&self.feed.status(self.now)).expect("a status can be written");
                return assert!(status.starts_with('{'));
            }
        };
        self.feed.command(self.now, command);
    }

    /// The feed crashes; its successor knows what it remembered.
    fn restart(&mut self) {
        let empty = Feed::new(self.venue.clone(), FeedConfig::default(), Memory::default(), 0);
        let memory = std::mem::replace(&mut self.feed, empty).into_memory();
        // Every life of a feed has dice of its own, or its epochs would come back.
        self.lives += 1;
        self.feed = Feed::new(self.venue.clone(), FeedConfig::default(), memory, self.lives);
        for list in [&mut self.dials, &mut self.lines] {
            list.clear();
        }
        self.sent.clear();
        self.fetches.clear();
        self.stream.clear();
    }
}

fn trade(stream: &str, symbol: &str, id: u64, millis: i64) -> String {
    format!(
        r#"{{"stream":"{stream}@trade","data":{{"e":"trade","E":{millis},"s":"{symbol}","t":{id},"p":"1.5","q":"2","T":{millis},"m":false,"M":true}}}}"#
    )
}
