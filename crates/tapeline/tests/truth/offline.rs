//! A feed driven by hand over a recording: no socket, no task, no clock.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tapeline_core::config::FeedConfig;
use tapeline_core::data::channel::Delivery;
use tapeline_core::feed::{Action, Feed, FeedStatus, FetchId, Input, Memory};
use tapeline_core::outbox::{Bounds, Outbox, Overflow, SubscriberId, outbox};
use tapeline_core::time::{Mono, Time, Unix};
use tapeline_core::venue::{Decoded, Fetch, HttpReply, LineId, Venue};

use super::recording::Recording;
use super::verify::{Findings, Judge};

struct Player<'a> {
    recording: &'a Recording,
    venue: Arc<dyn Venue>,
    feed: Feed,
    now: Time,
    outbox: Outbox,
    judge: Judge<'a>,
    /// Streams by the line that asked for them.
    streams: Vec<(LineId, String)>,
    asked: Vec<(FetchId, String)>,
    served: Vec<String>,
}

/// Plays a recording into a feed by the rules of playback.
pub(crate) fn play(recording: &Recording) -> (Findings, FeedStatus) {
    let venue = tapeline_venues::by_id(recording.venue).unwrap();
    let feed = Feed::new(Arc::clone(&venue), FeedConfig::default(), Memory::default(), 1);
    let now = Time { mono: Mono(1), unix: Unix(1_700_000_000_000_000_000) };
    let bounds = Bounds { messages: 1 << 20, bytes: 1 << 30 };
    let (who, outbox) = outbox(SubscriberId(1), "judge", Overflow::Block, bounds);
    let judge = Judge::new(recording);
    let mut player = Player {
        recording,
        venue,
        feed,
        now,
        outbox,
        judge,
        streams: Vec::new(),
        asked: Vec::new(),
        served: Vec::new(),
    };
    for topic in &recording.topics {
        player.feed.subscribe(now, topic.parse().unwrap(), Delivery::Every, None, &who).unwrap();
    }
    for _ in 0..4 {
        player.pass(Duration::from_millis(125));
    }
    for (index, frame) in recording.frames.iter().enumerate() {
        for snapshot in recording.snapshots.iter().filter(|snapshot| snapshot.after_frame == index) {
            player.serve(&snapshot.symbol);
        }
        player.frame(frame);
        if index % 64 == 0 {
            player.pass(Duration::from_millis(1));
        }
    }
    player.pass(Duration::from_millis(1));
    let status = player.feed.status(player.now);
    (player.judge.verdict(), status)
}

impl Player<'_> {
    fn pass(&mut self, by: Duration) {
        self.now = self.now.later(by);
        if self.feed.deadline().is_some_and(|at| at <= self.now.mono) {
            self.feed.tick(self.now);
        }
        self.act();
        self.answer();
        self.act();
        while let Some(update) = self.outbox.try_next() {
            self.judge.see(&update);
        }
    }

    /// Serves every snapshot that was asked for.
    fn answer(&mut self) {
        while let Some((id, symbol)) = self.asked.pop() {
            let Some(snapshot) = self.recording.snapshots.iter().find(|held| held.symbol == symbol) else {
                continue;
            };
            let mut decoded = Decoded::default();
            let reply =
                HttpReply { status: 200, headers: &[], body: snapshot.body.as_bytes(), now: self.now.unix };
            let topic = self.recording.topic("book", &symbol).parse().unwrap();
            self.venue.decode_fetch(Fetch::Snapshot, &topic, &reply, &mut decoded).unwrap();
            self.feed.handle(self.now, Input::Fetched { id, result: Ok(decoded) });
            self.served.push(symbol);
        }
    }

    fn act(&mut self) {
        while let Some(action) = self.feed.next_action() {
            match action {
                Action::Dial { line, .. } => self.feed.handle(self.now, Input::Opened { line }),
                Action::Send { line, text } => self.said(line, &text),
                Action::Fetch { id, topic, .. } => self.asked.push((id, topic.symbol().into_owned())),
                Action::Ping { line, payload } => {
                    self.feed.handle(self.now, Input::Pong { line, payload: &payload })
                }
                other => panic!("unexpected: {other:?}"),
            }
        }
    }

    fn said(&mut self, line: LineId, text: &str) {
        let request: Value = serde_json::from_str(text).unwrap();
        assert_eq!(request["method"], "SUBSCRIBE");
        for stream in request["params"].as_array().unwrap() {
            self.streams.push((line, family(stream.as_str().unwrap())));
        }
        let reply = format!("{{\"result\":null,\"id\":{}}}", request["id"]);
        self.feed.handle(self.now, Input::Frame { line, bytes: reply.as_bytes() });
    }

    fn frame(&mut self, frame: &str) {
        let stream = frame.split('"').nth(3).unwrap();
        let (wanted, own) = (family(stream), stream);
        for index in 0..self.streams.len() {
            let (line, asked) = &self.streams[index];
            if *asked == wanted {
                let line = *line;
                let told = frame.replacen(own, &told(own), 1);
                self.feed.handle(self.now, Input::Frame { line, bytes: told.as_bytes() });
            }
        }
    }

    /// Waits until the snapshot has been asked for, then serves it.
    fn serve(&mut self, symbol: &str) {
        for _ in 0..50 {
            if self.served.iter().any(|held| held == symbol) {
                return;
            }
            self.pass(Duration::from_millis(100));
        }
        panic!("{}: nobody asked for the snapshot of {symbol}", self.recording.dir.display());
    }
}

/// The diff streams of one symbol are one family, whatever their speed.
fn family(stream: &str) -> String {
    match stream.split_once('@') {
        Some((symbol, kind)) if kind == "depth" || kind.starts_with("depth@") => format!("{symbol}@depth"),
        Some((symbol, kind)) if kind.starts_with("markPrice") => format!("{symbol}@markPrice"),
        _ => stream.to_owned(),
    }
}

/// The name under which the feed asked for a stream.
fn told(stream: &str) -> String {
    match stream.split_once('@') {
        Some((symbol, kind)) if kind.starts_with("depth@") => format!("{symbol}@depth@100ms"),
        _ => stream.to_owned(),
    }
}
