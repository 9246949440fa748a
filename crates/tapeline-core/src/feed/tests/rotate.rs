//! Lines that are followed by others before they break.

use std::time::Duration;

use super::toy::{Bench, SECOND, chatter, live, market};
use crate::config::FeedConfig;
use crate::feed::{Action, Command, Input, Memory};
use crate::outbox::{Outbox, Overflow, Subscriber};
use crate::policy::rotation::Window;
use crate::venue::LineId;

fn closed(bench: &mut Bench) -> Vec<LineId> {
    let closes = bench.todo.iter().filter_map(|action| match action {
        Action::Close { line, .. } => Some(*line),
        _ => None,
    });
    let closed = closes.collect();
    bench.todo.retain(|action| !matches!(action, Action::Close { .. }));
    closed
}

/// The follower's dial is opened, and everything it asks for is accepted.
fn follow(bench: &mut Bench, request: u64) -> LineId {
    bench.todo.retain(|action| matches!(action, Action::Dial { .. } | Action::Close { .. }));
    let heir = bench.open();
    let asked = bench.accept(heir, request);
    assert!(!asked.is_empty(), "it asks for what the other carries");
    heir
}

fn events(outbox: &mut Outbox) -> Vec<String> {
    market(outbox)
}

/// A bench with a reader of a trade topic, its line about to be replaced.
fn told_to_rotate() -> (Bench, LineId, Subscriber, Outbox) {
    let (mut bench, line, who, outbox) = live("toy:trade:A");
    bench.hear(line, "t A 1 1");
    assert_eq!(bench.feed.command(bench.now, Command::Rotate { slot: None }), 1);
    bench.collect();
    (bench, line, who, outbox)
}

#[test]
fn a_line_is_left_only_when_its_follower_carries_everything() {
    let (mut bench, old, _who, mut outbox) = told_to_rotate();
    let heir = follow(&mut bench, 1);
    bench.hear(old, "t A 2 1");
    bench.pass(5 * SECOND);
    assert_eq!(closed(&mut bench), [], "nothing has come from the follower yet");
    bench.hear(heir, "t A 3 1");
    bench.hear(old, "t A 3 1");
    bench.pass(SECOND);
    bench.hear(old, "t A 4 1");
    bench.pass(SECOND);
    assert_eq!(closed(&mut bench), [], "what is on its way on the old line is waited for");
    bench.pass(2 * SECOND);
    assert_eq!(closed(&mut bench), [old]);
    bench.hear(old, "t A 5 1");
    bench.hear(heir, "t A 5 1");
    let told: Vec<_> = (1..=5).map(|id| format!("event {id} id={id}")).collect();
    assert_eq!(events(&mut outbox), told);
    let status = bench.feed.status(bench.now);
    assert_eq!((status.rotations, status.lines.len(), status.topics[0].lines.len()), (1, 1, 1));
    assert_eq!(status.lines[0].stats.drops, 0);
}

#[test]
fn the_venues_notice_is_reason_enough_and_the_old_line_serves_until_it_closes() {
    let (mut bench, old, _who, mut outbox) = live("toy:trade:A");
    bench.hear(old, "t A 1 1");
    bench.hear(old, "bye");
    bench.hear(old, "bye");
    let heir = follow(&mut bench, 1);
    bench.hear(old, "t A 2 1");
    bench.cut(old);
    bench.hear(heir, "t A 3 1");
    bench.pass(20 * SECOND);
    let dials = bench.todo.iter().filter(|action| matches!(action, Action::Dial { .. })).count();
    assert_eq!(dials, 0, "its follower stands: it is not dialled again");
    assert_eq!(events(&mut outbox), ["event 1 id=1", "event 2 id=2", "event 3 id=3"]);
    assert_eq!(bench.feed.status(bench.now).topics[0].counts.gaps, 0);
}

#[test]
fn a_line_that_has_failed_is_not_dialled_at_once_for_the_next_replacement() {
    let (mut bench, old, _who, _outbox) = live("toy:trade:A");
    bench.hear(old, "t A 1 1");
    bench.hear(old, "bye");
    let heir = follow(&mut bench, 1);
    bench.cut(old);
    bench.hear(heir, "t A 2 1");
    bench.hear(heir, "bye");
    let dials = |bench: &Bench| bench.todo.iter().any(|action| matches!(action, Action::Dial { .. }));
    bench.pass(SECOND / 2);
    assert!(!dials(&bench), "its place has just failed");
    bench.pass(SECOND);
    assert!(dials(&bench));
}

#[test]
fn a_line_is_replaced_before_the_venue_cuts_it() {
    let (mut bench, line, _who, _outbox) = live("toy:trade:A");
    bench.hear(line, "t A 1 1");
    let mut beat = |until: u64| {
        for _ in 0..until {
            let payloads: Vec<[u8; 8]> = bench
                .todo
                .drain(..)
                .filter_map(|action| match action {
                    Action::Ping { payload, .. } => Some(payload),
                    Action::Dial { .. } => panic!("it is replaced too soon"),
                    _ => None,
                })
                .collect();
            for payload in payloads {
                bench.input(Input::Pong { line, payload: &payload });
            }
            bench.hear(line, "t A 1 1");
            bench.pass(10 * SECOND);
        }
    };
    beat((23 * 3600 + 44 * 60) / 10);
    bench.pass(Duration::from_secs(12 * 60));
    assert!(bench.todo.iter().any(|action| matches!(action, Action::Dial { .. })));
}

#[test]
fn two_lines_are_never_replaced_together() {
    let mut bench = Bench::with(FeedConfig { lines: 2, ..FeedConfig::default() }, Memory::default());
    let (who, _outbox) = Bench::reader(1, Overflow::Gap);
    bench.subscribe("toy:trade:A", &who);
    let a = bench.open();
    let b = bench.dial();
    bench.accept(a, 1);
    bench.input(Input::Opened { line: b });
    bench.accept(b, 1);
    for line in [a, b] {
        bench.hear(line, "t A 1 1");
    }
    assert_eq!(bench.feed.command(bench.now, Command::Rotate { slot: None }), 2);
    bench.collect();
    let first = follow(&mut bench, 1);
    assert!(bench.todo.is_empty(), "the other one waits");
    bench.hear(first, "t A 2 1");
    bench.pass(4 * SECOND);
    assert_eq!(closed(&mut bench), [a]);
    let second = follow(&mut bench, 2);
    bench.hear(second, "t A 3 1");
    bench.pass(4 * SECOND);
    assert_eq!(closed(&mut bench), [b]);
    let status = bench.feed.status(bench.now);
    let sides: Vec<_> = status.lines.iter().map(|line| line.side).collect();
    assert_eq!((sides, status.rotations), (vec!["b", "a"], 2));
}

#[test]
fn a_follower_that_carries_nothing_is_given_up_and_tried_again() {
    let (mut bench, old, _who, mut outbox) = told_to_rotate();
    let heir = follow(&mut bench, 1);
    for id in 2..=40 {
        bench.hear(old, &format!("t A {id} 1"));
        bench.pass(SECOND);
    }
    assert_eq!(closed(&mut bench), [heir]);
    assert_eq!(events(&mut outbox).len(), 40);
    for id in 41..=100 {
        bench.hear(old, &format!("t A {id} 1"));
        bench.pass(SECOND);
    }
    assert!(bench.todo.iter().any(|action| matches!(action, Action::Dial { .. })), "again after a while");
}

#[test]
fn what_is_wanted_meanwhile_goes_to_both_and_stays_with_the_follower() {
    let (mut bench, old, who, mut outbox) = told_to_rotate();
    let heir = follow(&mut bench, 1);
    bench.subscribe("toy:trade:B", &who);
    bench.pass(SECOND);
    let asked: Vec<_> = bench.todo.drain(..).collect();
    for line in [old, heir] {
        let asks = |action: &Action| matches!(action, Action::Send { line: to, text } if *to == line && text == "+t B -");
        assert_eq!(asked.iter().filter(|action| asks(action)).count(), 1, "{asked:?}");
    }
    bench.hear(old, "ok 2");
    bench.hear(old, "t B 7 1");
    bench.hear(heir, "t A 2 1");
    bench.pass(4 * SECOND);
    assert_eq!(closed(&mut bench), [], "its follower does not carry it yet");
    bench.hear(heir, "ok 2");
    bench.hear(heir, "t B 7 1");
    bench.hear(old, "t A 2 1");
    bench.pass(4 * SECOND);
    assert_eq!(closed(&mut bench), [old]);
    bench.hear(heir, "t B 8 1");
    let told = events(&mut outbox);
    assert_eq!(told, ["event 1 id=1", "event 1 id=7", "event 2 id=2", "event 2 id=8"]);
    let lines: Vec<_> = bench.feed.status(bench.now).topics.iter().map(|topic| topic.lines.clone()).collect();
    assert_eq!(lines, [[heir.slot], [heir.slot]]);
}

#[test]
fn a_book_goes_over_without_a_new_snapshot() {
    let (mut bench, old, _who, mut outbox) = live("toy:book:A");
    bench.hear(old, "d A 10 10 95 1");
    let fetch = bench.fetch();
    bench.answer(fetch, 10);
    bench.feed.command(bench.now, Command::Rotate { slot: Some(0) });
    bench.collect();
    let heir = follow(&mut bench, 1);
    bench.hear(old, "d A 11 12 95 2");
    bench.hear(heir, "d A 12 13 95 3");
    bench.pass(4 * SECOND);
    assert_eq!(closed(&mut bench), [old]);
    bench.hear(heir, "d A 14 14 95 4");
    assert_eq!(events(&mut outbox).len(), 5);
    let book = bench.feed.status(bench.now).topics[0].book.clone().unwrap();
    assert_eq!((book.venue_id, book.synced), (Some(14), 1));
}

#[test]
fn a_follower_whose_connection_is_replaced_meanwhile_stands_beside_the_old_line_once_more() {
    let mut config = FeedConfig::default();
    config.timing.reorder_within = Duration::from_secs(10);
    let mut bench = Bench::with(config, Memory::default());
    let (who, _outbox) = Bench::reader(1, Overflow::Gap);
    bench.subscribe("toy:trade:A", &who);
    let old = bench.open();
    bench.accept(old, 1);
    chatter(&mut bench, old);
    bench.feed.command(bench.now, Command::Rotate { slot: None });
    bench.collect();
    let heir = follow(&mut bench, 1);
    let mut id = 6_000;
    let mut play = |bench: &mut Bench, tenths: u32, lines: &[LineId]| {
        for _ in 0..tenths {
            id += 1;
            lines.iter().for_each(|line| bench.hear(*line, &format!("t A {id} 1")));
            bench.pass(SECOND / 10);
        }
    };
    play(&mut bench, 20, &[old, heir]);
    play(&mut bench, 30, &[old]);
    // Silent for too long: another connection takes its place.
    bench.todo.retain(|action| matches!(action, Action::Dial { .. }));
    let other = bench.open();
    assert_eq!(other.slot, heir.slot);
    assert_eq!(closed(&mut bench), [heir]);
    assert_eq!(bench.accept(other, 2), ["+t A -"]);
    play(&mut bench, 90, &[old, other]);
    assert_eq!(closed(&mut bench), [], "it has not stood beside the old line for long enough");
    play(&mut bench, 20, &[old, other]);
    assert_eq!(closed(&mut bench), [old]);
}

#[test]
fn what_only_a_follower_brought_is_in_doubt_when_that_is_given_up() {
    let (mut bench, old, who, mut outbox) = told_to_rotate();
    let heir = follow(&mut bench, 1);
    for topic in ["toy:quote:B", "toy:trade:C"] {
        bench.subscribe(topic, &who);
    }
    bench.hear(heir, "ok 2");
    bench.hear(heir, "q B 5 10");
    bench.hear(heir, "t A 2 1");
    events(&mut outbox);
    let epochs = |bench: &mut Bench| {
        let topics = bench.feed.status(bench.now).topics;
        [0, 1].map(|topic: usize| topics[topic].position.epoch)
    };
    let before = epochs(&mut bench);
    bench.hear(heir, "full 3");
    assert_eq!(closed(&mut bench), [heir]);
    // The line that goes on was subscribed later: nobody knows what came between.
    bench.hear(old, "ok 2");
    bench.hear(old, "q B 9 11");
    bench.hear(old, "t A 3 1");
    let after = epochs(&mut bench);
    assert!(before[0] == after[0] && before[1] != after[1], "what both had goes on");
    assert_eq!(events(&mut outbox), ["snapshot 0 bid=11", "event 3 id=3"]);
}

#[test]
fn a_line_is_replaced_in_the_window_that_the_user_has_set() {
    // The bench begins at 22:13:20 UTC; between 03:00 and 04:00 is the last such hour before the line is a day old.
    let mut config = FeedConfig::default();
    let hour = Duration::from_secs(3600);
    config.timing.rotate_between = Some(Window { from: hour * 3, to: hour * 4 });
    let mut bench = Bench::with(config, Memory::default());
    let (who, _outbox) = Bench::reader(1, Overflow::Gap);
    bench.subscribe("toy:trade:A", &who);
    let line = bench.open();
    bench.accept(line, 1);
    let mut id = 0;
    let begun = loop {
        id += 1;
        bench.hear(line, &format!("t A {id} 1"));
        bench.pass(10 * SECOND);
        let begun = bench.now.unix.0 / 1_000_000_000 % 86_400;
        let mut dialled = false;
        for action in std::mem::take(&mut bench.todo) {
            match action {
                Action::Ping { payload, .. } => bench.input(Input::Pong { line, payload: &payload }),
                Action::Dial { .. } => dialled = true,
                _ => {}
            }
        }
        if dialled {
            break begun;
        }
        assert!(id < 8_640, "not within a day");
    };
    assert!((3 * 3600..=4 * 3600 + 10).contains(&begun), "at {} h {} min UTC", begun / 3600, begun / 60 % 60);
}
