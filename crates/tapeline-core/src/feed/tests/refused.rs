//! What a venue refuses on a line: one stream, everything for a while, or what another line brings.

use std::collections::BTreeMap;
use std::time::Duration;

use super::toy::{Bench, SECOND, live, market, read};
use crate::config::FeedConfig;
use crate::feed::{Action, Command, Input, Memory};
use crate::outbox::Overflow;
use crate::venue::{Confirm, Group, LineId, Login, Rate};

const MS: Duration = Duration::from_millis(1);

const WIDE: &[Group] = &[Group {
    name: "all",
    streams_per_line: 1_000,
    batch: 20,
    messages: Rate { count: 5, per: SECOND },
    confirm: Confirm::ByRequest,
    lifetime: Some(Duration::from_secs(24 * 3600)),
    overlap: true,
    max_message: 1 << 20,
    deflate: false,
    login: Login::AtTheDoor,
}];

#[test]
fn one_bad_symbol_does_not_make_the_others_be_asked_for_one_by_one() {
    let mut bench = Bench::of(WIDE, FeedConfig::default(), Memory::default());
    let (who, _outbox) = Bench::reader(1, Overflow::Gap);
    for n in 0..200 {
        let name = if n == 5 { "S005BAD".to_owned() } else { format!("S{n:03}") };
        bench.subscribe(&format!("toy:trade:{name}"), &who);
    }
    let line = bench.open();
    let (mut request, mut done) = (0, 0);
    for second in 0..120 {
        for action in std::mem::take(&mut bench.todo) {
            let Action::Send { text, .. } = action else { continue };
            request += 1;
            let verdict = if text.contains("BAD") { "no" } else { "ok" };
            bench.hear(line, &format!("{verdict} {request}"));
        }
        if bench.feed.status(bench.now).lines[0].confirmed >= 199 {
            done = second;
            break;
        }
        bench.pass(SECOND);
    }
    assert!(request < 40, "{request} requests in {done} s");
}

#[test]
fn a_follower_that_is_refused_a_stream_does_not_take_over() {
    let (mut bench, line, who, mut outbox) = live("toy:trade:R");
    bench.subscribe("toy:trade:A", &who);
    bench.accept(line, 2);
    bench.hear(line, "t R 1 1");
    bench.hear(line, "t A 1 1");
    bench.feed.command(bench.now, Command::Rotate { slot: None });
    bench.collect();
    let heir = bench.open();
    bench.pass(100 * MS);
    bench.hear(line, "t R 2 1");
    let mut request = 0;
    let (mut closed, mut id) = (false, 2);
    let mut refused = 0;
    for _ in 0..300 {
        for action in std::mem::take(&mut bench.todo) {
            match action {
                Action::Send { line, text } if line == heir => {
                    request += 1;
                    let bad = text.contains("t R");
                    refused += u32::from(bad);
                    bench.hear(heir, &format!("{} {request}", if bad { "no" } else { "ok" }));
                }
                Action::Ping { line, payload } => bench.input(Input::Pong { line, payload: &payload }),
                Action::Close { line: gone, .. } if gone == line => closed = true,
                _ => {}
            }
        }
        id += 1;
        bench.hear(heir, &format!("t A {id} 1"));
        if !closed {
            bench.hear(line, &format!("t A {id} 1"));
            bench.hear(line, &format!("t R {id} 1"));
        }
        bench.pass(100 * MS);
    }
    let status = bench.feed.status(bench.now);
    let topic = status.topics.iter().find(|t| t.topic.raw_symbol() == "R").unwrap();
    let told = read(&mut outbox);
    let last: Vec<_> = told.iter().filter(|l| l.starts_with("status")).collect();
    assert!(
        !(closed && topic.phase == "live"),
        "refused {refused}; the old line is closed: {closed}, phase {} {:?} {:?}",
        topic.phase,
        topic.level,
        last
    );
}

#[test]
fn a_follower_that_is_refused_a_slow_stream_does_not_take_over_unsaid() {
    let (mut bench, line, who, mut outbox) = live("toy:quote:R");
    bench.subscribe("toy:trade:A", &who);
    bench.accept(line, 2);
    bench.hear(line, "q R 1 1");
    bench.hear(line, "t A 1 1");
    bench.feed.command(bench.now, Command::Rotate { slot: None });
    bench.collect();
    let heir = bench.open();
    bench.pass(100 * MS);
    bench.hear(line, "q R 2 1");
    let (mut request, mut id, mut closed) = (0, 1, false);
    for _ in 0..36_000 {
        for action in std::mem::take(&mut bench.todo) {
            match action {
                Action::Send { line, text } if line == heir => {
                    request += 1;
                    bench
                        .hear(heir, &format!("{} {request}", if text.contains("q R") { "no" } else { "ok" }));
                }
                Action::Ping { line, payload } => bench.input(Input::Pong { line, payload: &payload }),
                Action::Close { line: gone, .. } if gone == line => closed = true,
                _ => {}
            }
        }
        id += 1;
        bench.hear(heir, &format!("t A {id} 1"));
        bench.pass(100 * MS);
    }
    let status = bench.feed.status(bench.now);
    let topic = status.topics.iter().find(|t| t.topic.raw_symbol() == "R").unwrap();
    let told: Vec<_> = read(&mut outbox).into_iter().filter(|l| l.starts_with("status")).collect();
    assert!(
        !(closed && topic.phase == "live"),
        "an hour later: {} {:?} {:?}",
        topic.phase,
        topic.level,
        told.last()
    );
}

#[test]
fn what_one_line_brought_is_not_taken_for_brought_by_the_other_that_is_refused_it() {
    let mut bench = Bench::with(FeedConfig { lines: 2, ..FeedConfig::default() }, Memory::default());
    let (who, mut outbox) = Bench::reader(1, Overflow::Gap);
    bench.subscribe("toy:book:R", &who);
    bench.subscribe("toy:trade:A", &who);
    let a = bench.open();
    let b = bench.dial();
    bench.accept(a, 1);
    bench.input(Input::Opened { line: b });
    bench.todo.clear();
    bench.pass(100 * MS);
    bench.hear(a, "t A 1 1");
    bench.hear(a, "d R 10 10 95 1");
    let fetch = bench.fetch();
    bench.answer(fetch, 10);
    bench.hear(a, "d R 11 11 95 2");
    // A is cut; B's request (both streams) is refused, then each alone.
    bench.cut(a);
    bench.todo.retain(|x| matches!(x, Action::Dial { .. }));
    bench.hear(b, "no 1");
    bench.hear(b, "no 2");
    bench.hear(b, "ok 3");
    bench.hear(b, "t A 2 1");
    bench.todo.retain(|x| matches!(x, Action::Dial { .. }));
    bench.pass(SECOND);
    bench.todo.retain(|x| matches!(x, Action::Dial { .. }));
    let a2 = bench.open();
    bench.hear(a2, "ok 2");
    bench.hear(a2, "d R 20 20 95 2");
    let at =
        bench.todo.iter().position(|x| matches!(x, Action::Fetch { .. })).expect("a snapshot is asked for");
    let Some(Action::Fetch { id, .. }) = bench.todo.remove(at) else { panic!() };
    bench.answer(id, 20);
    let (mut trade, mut delta) = (2, 20);
    for _ in 0..200 {
        bench.todo.clear();
        trade += 1;
        delta += 1;
        bench.hear(b, &format!("t A {trade} 1"));
        bench.hear(a2, &format!("t A {trade} 1"));
        bench.hear(a2, &format!("d R {delta} {delta} 95 2"));
        bench.pass(50 * MS);
    }
    let last = market(&mut outbox).into_iter().rev().find(|l| l.contains("live")).unwrap();
    // A is lost for a minute.
    bench.cut(a2);
    for _ in 0..300 {
        bench.todo.clear();
        trade += 1;
        bench.hear(b, &format!("t A {trade} 1"));
        bench.pass(50 * MS);
    }
    let after: Vec<_> =
        read(&mut outbox).into_iter().filter(|l| !l.starts_with("event") && !l.starts_with("tick")).collect();
    let status = bench.feed.status(bench.now);
    let topic = status.topics.iter().find(|t| t.topic.raw_symbol() == "R").unwrap();
    let stale = after.iter().any(|line| line.contains("stale"));
    assert!(
        stale,
        "live before: {last}; 15 s without any line that brings it: {} {:?} {after:?}",
        topic.phase, topic.level
    );
}

#[test]
fn a_venue_without_room_is_not_asked_in_a_hot_loop() {
    let mut bench = Bench::new();
    let (who, _outbox) = Bench::reader(1, Overflow::Gap);
    for n in 0..8 {
        bench.subscribe(&format!("toy:trade:S{n}"), &who);
    }
    let mut said: BTreeMap<LineId, u64> = BTreeMap::new();
    let (mut sends, mut dials, mut late) = (0, 0, 0);
    for step in 0..600u32 {
        for action in std::mem::take(&mut bench.todo) {
            match action {
                Action::Dial { line, .. } => {
                    dials += 1;
                    bench.input(Input::Opened { line });
                }
                Action::Send { line, .. } => {
                    sends += 1;
                    late += u32::from(step >= 550);
                    let request = said.entry(line).or_default();
                    *request += 1;
                    let word = if step < 300 { "full" } else { "ok" };
                    bench.hear(line, &format!("{word} {request}"));
                }
                Action::Ping { line, payload } => bench.input(Input::Pong { line, payload: &payload }),
                _ => {}
            }
        }
        bench.pass(100 * MS);
    }
    let lines = bench.feed.status(bench.now).lines.iter().filter(|line| line.phase == "live").count();
    assert!(
        sends < 60 && lines <= 2,
        "{sends} requests, {dials} dials, {lines} lines live, {late} in the last 5 s"
    );
}
