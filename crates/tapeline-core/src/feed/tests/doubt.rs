//! Scenarios of lines that fall silent: flagged at once, asked, and replaced if need be.

use std::time::Duration;

use super::toy::{Bench, SECOND, chatter, live, market, read};
use crate::config::FeedConfig;
use crate::data::channel::Delivery;
use crate::data::update::{Data, Kind, Source};
use crate::feed::{Action, DialError, Input, Memory, Stage};
use crate::outbox::{Outbox, Overflow};
use crate::policy::fault::Fault;
use crate::venue::LineId;

const MILLI: Duration = Duration::from_millis(1);

/// Lets time pass until the feed wants something; how long that took.
fn until_action(bench: &mut Bench) -> Duration {
    let start = bench.now.mono;
    while bench.todo.is_empty() {
        bench.pass(10 * MILLI);
        assert!(bench.now.mono.since(start) < 300 * SECOND, "nothing happens");
    }
    bench.now.mono.since(start)
}

/// A busy line that has just fallen silent, its ping, and the dial beside it.
fn silent(topic: &str) -> (Bench, LineId, Outbox, [u8; 8], LineId) {
    let (mut bench, line, who, mut outbox) = live(topic);
    if topic != "toy:trade:A" {
        bench.subscribe("toy:trade:A", &who);
        bench.accept(line, 2);
    }
    if topic.starts_with("toy:book") {
        bench.hear(line, "d A 10 10 95 1");
        let fetch = bench.fetch();
        bench.answer(fetch, 10);
        bench.hear(line, "d A 11 11 95 2");
    }
    chatter(&mut bench, line);
    while !read(&mut outbox).is_empty() {}
    bench.todo.clear();
    let took = until_action(&mut bench);
    assert!(took <= Duration::from_millis(2_100), "flagged after {took:?}");
    let Some(Action::Ping { payload, .. }) = bench.todo.pop_front() else { panic!("it is asked first") };
    let spare = bench.dial();
    assert_eq!((spare.slot, bench.todo.len()), (line.slot, 0));
    (bench, line, outbox, payload, spare)
}

#[test]
fn a_busy_line_that_stalls_is_flagged_at_once_and_replaced_by_the_dial_beside_it() {
    let (mut bench, line, mut outbox, _, spare) = silent("toy:trade:A");
    assert_eq!(read(&mut outbox), ["status 6000 live the line is silent"]);
    bench.pass(600 * MILLI);
    bench.input(Input::Opened { line: spare });
    assert_eq!(bench.todo.pop_front(), Some(Action::Close { line, code: 1000 }));
    assert_eq!(bench.accept(spare, 2), ["+t A -"]);
    bench.hear(line, "t A 6001 1");
    assert_eq!(bench.feed.status(bench.now).stray_inputs, 1, "the old one has no word any more");
    bench.hear(spare, "t A 6002 1");
    bench.pass(2 * SECOND);
    assert_eq!(market(&mut outbox), ["gap 6001 6001-6001", "event 6002 id=6002"]);
    let line = &bench.feed.status(bench.now).lines[0];
    assert_eq!((line.stats.drops, line.stats.reconnects, line.failures), (1, 1, 0));
}

#[test]
fn a_pong_ends_the_dial_beside_a_busy_line_and_data_its_silence() {
    let (mut bench, line, mut outbox, payload, spare) = silent("toy:trade:A");
    read(&mut outbox);
    bench.pass(100 * MILLI);
    bench.input(Input::Pong { line, payload: &payload });
    assert_eq!(bench.todo.pop_front(), Some(Action::Close { line: spare, code: 1000 }));
    assert_eq!(read(&mut outbox), [""; 0]);
    bench.input(Input::Opened { line: spare });
    bench.hear(line, "t A 6001 1");
    let told = read(&mut outbox);
    assert!(told[0].starts_with("status 6000 live") && told[1] == "event 6001 id=6001", "{told:?}");
    assert_eq!(bench.feed.status(bench.now).lines[0].stats.drops, 0);
}

#[test]
fn a_busy_line_that_stays_mute_stays_flagged_and_no_second_dial_is_spent_on_it() {
    let (mut bench, line, mut outbox, payload, _) = silent("toy:trade:A");
    bench.input(Input::Pong { line, payload: &payload });
    bench.todo.clear();
    read(&mut outbox);
    let took = until_action(&mut bench);
    assert!((1_900..=2_100).contains(&took.as_millis()), "{took:?}");
    assert!(matches!(bench.todo.pop_front(), Some(Action::Ping { .. })));
    assert_eq!((bench.todo.len(), read(&mut outbox)), (0, vec![]), "it was flagged all the time");
}

#[test]
fn a_book_on_a_silent_line_is_stale_until_something_comes_and_needs_no_snapshot() {
    let (mut bench, line, mut outbox, payload, _) = silent("toy:book:A");
    assert_eq!(market(&mut outbox), ["delta 2 stale 0+0"]);
    let (other, mut newcomer) = Bench::reader(2, Overflow::Gap);
    bench.feed.subscribe(bench.now, "toy:book:A".parse().unwrap(), Delivery::Every, None, &other).unwrap();
    bench.collect();
    let mut told = Vec::new();
    while let Some(update) = newcomer.try_next() {
        match &update.data {
            Data::Status(status) => told.push((Kind::Status, status.source)),
            _ => told.push((update.kind, update.source)),
        }
    }
    assert_eq!(told, [(Kind::Status, Source::Cache), (Kind::Snapshot, Source::Cache)]);
    let before = bench.feed.status(bench.now).topics[0].position.epoch;
    bench.input(Input::Pong { line, payload: &payload });
    assert_eq!(market(&mut outbox), [""; 0]);
    bench.hear(line, "d A 12 12 96 1");
    let mut back = Vec::new();
    while let Some(update) = outbox.try_next() {
        if update.kind != Kind::Status {
            back.push((update.kind, update.source, update.epoch, update.offset));
        }
    }
    assert_eq!(back.len(), 2);
    assert_eq!((back[0].0, back[0].1, back[0].3), (Kind::Snapshot, Source::Live, 0));
    assert_ne!(back[0].2, before, "a reader that let go of the stale book begins anew");
    assert_eq!(market(&mut newcomer), ["snapshot 0 live 2+1", "delta 1 live 1+0"]);
    assert_eq!(bench.feed.status(bench.now).snapshots_sent, 1);
}

#[test]
fn data_proves_a_silent_line_before_it_is_delivered() {
    let (mut bench, line, mut outbox, _, spare) = silent("toy:book:A");
    market(&mut outbox);
    bench.hear(line, "d A 12 12 96 1");
    assert_eq!(market(&mut outbox), ["snapshot 0 live 2+1", "delta 1 live 1+0"]);
    assert_eq!(bench.todo.pop_front(), Some(Action::Close { line: spare, code: 1000 }));
}

#[test]
fn a_book_whose_line_is_replaced_is_told_stale_once() {
    let (mut bench, _, mut outbox, _, spare) = silent("toy:book:A");
    bench.input(Input::Opened { line: spare });
    assert_eq!(market(&mut outbox), ["delta 2 stale 0+0"]);
    bench.todo.clear();
    bench.hear(spare, "ok 3");
    bench.hear(spare, "d A 12 12 96 1");
    assert_eq!(market(&mut outbox), ["snapshot 0 live 3+1"], "it goes on exactly where it was");
}

#[test]
fn a_line_without_a_pong_is_dropped_for_the_dial_already_under_way() {
    let (mut bench, line, _outbox, _, spare) = silent("toy:trade:A");
    bench.cut(line);
    assert_eq!(bench.todo, [], "no second dial");
    assert_eq!(bench.feed.status(bench.now).lines[0].phase, "dialling");
    bench.input(Input::Opened { line: spare });
    assert_eq!(bench.accept(spare, 2), ["+t A -"]);
}

#[test]
fn without_the_dial_beside_it_the_ping_decides() {
    let (mut bench, line, _outbox, _, spare) = silent("toy:trade:A");
    let (stage, fault) = (Stage::Tcp, Fault::Transient);
    bench.input(Input::Failed { line: spare, why: DialError { stage, fault, detail: "refused".into() } });
    bench.pass(9 * SECOND);
    assert_eq!(bench.todo, []);
    bench.pass(SECOND + 300 * MILLI);
    assert_eq!(bench.todo.pop_front(), Some(Action::Close { line, code: 1000 }));
    assert_ne!(bench.dial(), spare, "a stable line is redialled at once");
}

#[test]
fn a_dial_beside_the_line_is_made_only_within_the_budget() {
    let config = FeedConfig::default();
    let mut bench = Bench::with(config, Memory::default());
    let (who, _outbox) = Bench::reader(1, Overflow::Gap);
    bench.subscribe("toy:trade:A", &who);
    let line = bench.open();
    bench.accept(line, 1);
    chatter(&mut bench, line);
    bench.todo.clear();
    let fault = Fault::RateLimited { retry_after: Some(60 * SECOND), banned: false };
    bench.feed.gate.hold_dials(bench.now.mono, 60 * SECOND, fault);
    until_action(&mut bench);
    assert!(matches!(bench.todo.pop_front(), Some(Action::Ping { .. })));
    assert_eq!(bench.todo, []);
}

#[test]
fn a_line_that_we_do_not_read_is_not_thrown_away_for_another() {
    let mut bench = Bench::new();
    let (who, mut outbox) = Bench::reader(1, Overflow::Block);
    bench.subscribe("toy:trade:A", &who);
    let line = bench.open();
    bench.accept(line, 1);
    for id in 1..=6_000 {
        bench.hear(line, &format!("t A {id} 1"));
        bench.pass(SECOND / 20);
        market(&mut outbox);
    }
    bench.todo.clear();
    until_action(&mut bench);
    bench.todo.pop_front();
    let spare = bench.dial();
    // It was not the venue that was silent: a burst lies in the socket, and its reader is slow.
    for id in 6_001..=7_100 {
        bench.hear(line, &format!("t A {id} 1"));
    }
    assert_eq!(bench.todo.pop_front(), Some(Action::Close { line: spare, code: 1000 }));
    bench.input(Input::Opened { line: spare });
    bench.pass(60 * SECOND);
    assert!(!bench.todo.iter().any(|action| matches!(action, Action::Close { .. })), "{:?}", bench.todo);
}

#[test]
fn a_quiet_line_that_dies_is_flagged_and_replaced_soon_after_its_ping() {
    let (mut bench, line, _who, mut outbox) = live("toy:trade:A");
    bench.hear(line, "t A 1 1");
    read(&mut outbox);
    let start = bench.now.mono;
    assert!(until_action(&mut bench) <= Duration::from_millis(30_100));
    bench.todo.clear();
    let mut flagged = None;
    while flagged.is_none() {
        bench.pass(10 * MILLI);
        let told = read(&mut outbox).iter().any(|line| line.starts_with("status"));
        flagged = told.then(|| bench.now.mono.since(start));
    }
    assert!(flagged.unwrap() <= Duration::from_millis(40_500), "flagged after {flagged:?}");
    assert_eq!(bench.todo.pop_front(), Some(Action::Close { line, code: 1000 }));
    until_action(&mut bench);
    bench.open();
    let took = bench.now.mono.since(start);
    assert!(took <= Duration::from_millis(42_000), "replaced after {took:?}");
}
