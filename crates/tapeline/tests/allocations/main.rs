//! What one message costs in allocations, from the frame to the reader, once everything is warm.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::print_stderr, reason = "the figures are for people")]

use std::alloc::System;
use std::sync::Arc;
use std::time::Duration;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tapeline::core::feed::{Action, Feed, Input, Memory};
use tapeline::core::outbox::{Outbox, outbox};
use tapeline::core::time::{Mono, Time, Unix};
use tapeline::{Bounds, Delivery, FeedConfig, Overflow, SubscriberId, Update};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const BATCH: u64 = 20;

/// A feed with one live line, and one reader of one topic.
struct Rig {
    feed: Feed,
    line: tapeline::core::venue::LineId,
    reader: Outbox,
    read: Vec<Arc<Update>>,
    now: Time,
}

impl Rig {
    fn new(topic: &str, delivery: Delivery) -> Self {
        let venue = tapeline_venues::by_id("binance").unwrap();
        let mut feed = Feed::new(venue, FeedConfig::default(), Memory::default(), 7);
        let bounds = Bounds { messages: 10_000, bytes: 16 << 20 };
        let (to, reader) = outbox(SubscriberId(1), "reader", Overflow::Gap, bounds);
        let mut now = Time { mono: Mono(1_000_000_000), unix: Unix(1_795_000_000_000_000_000) };
        feed.subscribe(now, topic.parse().unwrap(), delivery, None, &to).unwrap();
        let mut line = None;
        for _ in 0..100 {
            now = now.later(Duration::from_millis(10));
            feed.tick(now);
            while let Some(action) = feed.next_action() {
                match action {
                    Action::Dial { line: dialled, .. } => {
                        line = Some(dialled);
                        feed.handle(now, Input::Opened { line: dialled });
                    }
                    Action::Send { line, .. } => {
                        feed.handle(now, Input::Frame { line, bytes: br#"{"result":null,"id":1}"# });
                    }
                    _ => {}
                }
            }
        }
        Self { feed, line: line.unwrap(), reader, read: Vec::new(), now }
    }

    /// Batches of messages, each batch read as it comes; allocations made per message.
    fn run(&mut self, batches: u64, frame: impl Fn(u64, &mut String), first: u64) -> f64 {
        let (mut text, mut id) = (String::with_capacity(1_024), first);
        let region = Region::new(ALLOCATOR);
        for _ in 0..batches {
            self.now = self.now.later(Duration::from_millis(1));
            for _ in 0..BATCH {
                text.clear();
                frame(id, &mut text);
                self.feed.handle(self.now, Input::Frame { line: self.line, bytes: text.as_bytes() });
                id += 1;
            }
            while self.feed.next_action().is_some() {}
            self.read.clear();
            self.reader.drain(&mut self.read);
        }
        let made = region.change();
        assert!(!self.read.is_empty(), "nothing was delivered");
        (made.allocations + made.reallocations) as f64 / (batches * BATCH) as f64
    }
}

fn check(topic: &str, delivery: Delivery, most: f64, frame: impl Fn(u64, &mut String)) {
    let mut rig = Rig::new(topic, delivery);
    rig.run(5_000, &frame, 1);
    let per_message = rig.run(5_000, &frame, 1 + 5_000 * BATCH);
    eprintln!("{topic} {delivery:?}: {per_message} allocations per message");
    assert!(per_message <= most, "{topic} {delivery:?}: {per_message} allocations per message");
}

// One test: the allocator counts for the whole process.
#[test]
fn a_warm_message_allocates_at_most_the_update_that_is_shared() {
    use std::fmt::Write as _;
    let trade = |id: u64, out: &mut String| {
        let head = r#"{"stream":"btcusdt@trade","data":{"e":"trade","E":1795000000000,"s":"BTCUSDT""#;
        let tail = r#""q":"0.00054","T":1795000000000,"m":true,"M":true}}"#;
        write!(out, r#"{head},"t":{id},"p":"618{:02}.20",{tail}"#, id % 100).unwrap();
    };
    let quote = |id: u64, out: &mut String| {
        let head = r#"{"stream":"btcusdt@bookTicker","data":{"s":"BTCUSDT""#;
        write!(out, r#"{head},"u":{id},"b":"61840.{:02}","B":"1.5","a":"61841.00","A":"2.5"}}}}"#, id % 90)
            .unwrap();
    };
    check("binance:trade:BTCUSDT", Delivery::Every, 1.01, trade);
    check("binance:quote:BTCUSDT", Delivery::Every, 1.01, quote);
    check("binance:quote:BTCUSDT", Delivery::Conflate, 1.2, quote);
}
