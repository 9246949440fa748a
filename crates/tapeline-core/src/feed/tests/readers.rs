//! Scenarios of readers: who shares what, limits, patterns, and one that blocks.

use super::toy::{Bench, SECOND, market};
use crate::config::FeedConfig;
use crate::data::channel::Delivery;
use crate::data::topic::{Pattern, TopicError};
use crate::data::update::Data;
use crate::feed::{Action, Command, Memory};
use crate::outbox::Overflow;

#[test]
fn one_topic_of_several_is_left_by_name() {
    let mut bench = Bench::new();
    let (who, _outbox) = Bench::reader(1, Overflow::Gap);
    bench.subscribe("toy:trade:A", &who);
    bench.subscribe("toy:trade:B", &who);
    let line = bench.open();
    bench.accept(line, 1);
    assert!(bench.feed.unsubscribe(bench.now, &"toy:trade:A".parse().unwrap(), who.id()));
    assert!(!bench.feed.unsubscribe(bench.now, &"toy:trade:A".parse().unwrap(), who.id()));
    assert_eq!(bench.feed.command(bench.now, Command::Sweep), 1);
    bench.collect();
    bench.pass(SECOND);
    assert_eq!(bench.accept(line, 2), ["+ -t A"]);
}

#[test]
fn two_subscribers_share_one_upstream_subscription_and_the_last_one_ends_it_after_the_linger() {
    let mut bench = Bench::new();
    let ((a, mut out_a), (b, mut out_b)) = (Bench::reader(1, Overflow::Gap), Bench::reader(2, Overflow::Gap));
    bench.subscribe("toy:trade:A", &a);
    bench.subscribe("toy:trade:B", &a);
    let line = bench.open();
    assert_eq!(bench.accept(line, 1), ["+t A|t B -"]);
    bench.subscribe("toy:trade:A", &b);
    assert_eq!(bench.todo, [], "nothing is said upstream for the second one");
    bench.hear(line, "t A 1 1");
    assert_eq!(market(&mut out_a), ["event 1 id=1"]);
    assert_eq!(market(&mut out_b), ["event 1 id=1"]);
    bench.feed.leave(bench.now, a.id());
    let mut out_b = Some(out_b);
    // Data keeps the line from being pinged while the linger runs.
    let mut left = Vec::new();
    for second in 0..480 {
        // It leaves a minute later, without a word.
        out_b.take_if(|_| second == 60);
        bench.hear(line, &format!("t A {} 1", second + 2));
        bench.pass(SECOND);
        left.extend(bench.accept(line, 2));
    }
    assert_eq!(left, ["+ -t B"], "the topic that was left first goes first");
    bench.todo.retain(|action| !matches!(action, Action::Ping { .. }));
    assert_eq!(bench.todo, [Action::Close { line, code: 1000 }], "nothing is wanted, so the line goes");
    let status = bench.feed.status(bench.now);
    assert_eq!((status.topics.len(), status.subscribers.len()), (0, 0));
}

#[test]
fn limits_are_told_as_errors() {
    let mut config = FeedConfig::default();
    config.limits.topics = 2;
    config.limits.topics_per_client = 1;
    let mut bench = Bench::with(config, Memory::default());
    let (who, _a) = Bench::reader(1, Overflow::Gap);
    let (other, _b) = Bench::reader(2, Overflow::Gap);
    let mut ask =
        |topic: &str, to| bench.feed.subscribe(bench.now, topic.parse().unwrap(), Delivery::Every, None, to);
    assert!(ask("toy:trade:A", &who).is_ok());
    assert_eq!(ask("toy:trade:B", &who), Err(TopicError::Limit { limit: 1, what: "topics per subscriber" }));
    assert!(ask("toy:trade:A", &who).is_ok(), "asking again is no more");
    assert!(ask("toy:trade:B", &other).is_ok());
    let (third, _c) = Bench::reader(3, Overflow::Gap);
    assert_eq!(ask("toy:trade:C", &third), Err(TopicError::Limit { limit: 2, what: "topics" }));
}

#[test]
fn a_pattern_says_what_it_leaves_out() {
    let mut config = FeedConfig::default();
    config.limits.topics_per_client = 2;
    let mut bench = Bench::with(config, Memory::default());
    let ((other, _out), (third, _too)) = (Bench::reader(1, Overflow::Gap), Bench::reader(3, Overflow::Gap));
    for (symbol, who) in [("A", &other), ("B", &other), ("C", &third)] {
        bench.subscribe(&format!("toy:trade:{symbol}"), who);
    }
    let (who, mut outbox) = Bench::reader(2, Overflow::Gap);
    let pattern = Pattern::parse("toy:trade:*").unwrap();
    assert_eq!(bench.feed.subscribe_pattern(bench.now, pattern, None, &who), 3);
    bench.collect();
    let mut told = |bench: &mut Bench| {
        bench.collect();
        let mut told = Vec::new();
        while let Some(update) = outbox.try_next() {
            if let Data::Status(status) = &update.data
                && status.phase == "left_out"
            {
                told.push(format!("{} {:?} {}", update.topic, status.level, status.reason));
            }
        }
        told
    };
    let left =
        |topic| format!("{topic} Critical 1 topics of toy:trade:* are left out: a subscriber may read 2");
    assert_eq!(told(&mut bench), [left("toy:trade:C")]);
    bench.subscribe("toy:trade:D", &third);
    assert_eq!(told(&mut bench), [left("toy:trade:D")], "also of one that comes later");
}

#[test]
fn a_full_blocking_reader_stops_its_line_only() {
    let mut bench = Bench::new();
    let (who, mut outbox) = Bench::reader(1, Overflow::Block);
    bench.subscribe("toy:trade:A", &who);
    let line = bench.open();
    bench.accept(line, 1);
    for id in 1..=1_200 {
        bench.hear(line, &format!("t A {id} 1"));
    }
    assert!(bench.feed.is_blocked(line));
    assert!(!bench.feed.is_blocked(crate::venue::LineId { slot: line.slot + 1, dial: 1 }));
    assert_eq!(market(&mut outbox).len(), 1_200, "nothing is lost");
    assert!(!bench.feed.is_blocked(line));
}
