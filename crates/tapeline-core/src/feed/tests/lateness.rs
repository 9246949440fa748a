//! Scenarios of a process that did not run for a while: what waits in its sockets is read before anybody is blamed.

use std::time::Duration;

use super::toy::{Bench, SECOND, chatter, live, market};
use crate::feed::{Action, DialError, Input, Stage};
use crate::outbox::Overflow;
use crate::policy::fault::Fault;
use crate::time::Mono;

/// Nothing runs for a while; then the loop looks at its deadlines before it looks at its sockets.
fn stop(bench: &mut Bench, by: Duration) {
    bench.now = bench.now.later(by);
    assert!(bench.feed.deadline().is_some_and(|at| at <= bench.now.mono));
    bench.feed.tick(bench.now);
    bench.collect();
    assert!(bench.feed.deadline().is_some_and(|at| at > bench.now.mono), "the sockets have their turn");
}

fn closes(bench: &Bench) -> bool {
    bench.todo.iter().any(|action| matches!(action, Action::Close { .. }))
}

#[test]
fn what_waits_in_the_socket_is_not_declared_missing() {
    let (mut bench, line, _who, mut outbox) = live("toy:trade:A");
    for id in [1, 2, 4] {
        bench.hear(line, &format!("t A {id} 1"));
    }
    stop(&mut bench, 3 * SECOND);
    bench.hear(line, "t A 3 1");
    bench.pass(SECOND);
    assert_eq!(market(&mut outbox), ["event 1 id=1", "event 2 id=2", "event 3 id=3", "event 4 id=4"]);
    let events = bench.feed.status(bench.now).events;
    let told: Vec<_> = events.iter().filter(|record| &*record.entity == "feed").collect();
    assert_eq!(told.len(), 1, "our own pause is on record");
    assert!(told[0].cause.starts_with("late by "), "{}", told[0].cause);
}

/// How the topic was served after `from`: the word, since when, and when that was noticed, in milliseconds.
fn served(bench: &Bench, from: Mono) -> Vec<(&'static str, u64, u64)> {
    let ms = |at: Mono| at.since(from).as_millis() as u64;
    let log = bench.feed.records().log().after(0).filter(|one| one.at >= from);
    log.map(|one| (one.to.name(), ms(one.since), ms(one.at))).collect()
}

#[test]
fn a_pause_of_our_own_is_an_outage_although_nobody_is_blamed() {
    let (mut bench, line, _who, _outbox) = live("toy:trade:A");
    chatter(&mut bench, line);
    let start = bench.now.mono;
    stop(&mut bench, 20 * SECOND);
    bench.hear(line, "t A 6001 1");
    let all = served(&bench, start);
    let [("down", since, 20_000), ("full", 20_000, 20_000)] = all[..] else { panic!("{all:?}") };
    assert!(since <= 20, "the next message was due after 10 ms: {since}");
    assert!(!closes(&bench), "the venue is not blamed");
    stop(&mut bench, SECOND);
    bench.hear(line, "t A 6002 1");
    assert_eq!(served(&bench, start).len(), 2, "what nobody would notice of a venue is none of ours either");
}

#[test]
fn what_does_not_wait_there_is_declared_a_little_later() {
    let (mut bench, line, _who, mut outbox) = live("toy:trade:A");
    for id in [1, 3] {
        bench.hear(line, &format!("t A {id} 1"));
    }
    stop(&mut bench, 3 * SECOND);
    assert_eq!(market(&mut outbox), ["event 1 id=1"]);
    bench.pass(SECOND / 2);
    assert_eq!(
        market(&mut outbox),
        [""; 0],
        "what could not be filled while we did not run has its time yet"
    );
    bench.pass(2 * SECOND);
    assert_eq!(market(&mut outbox), ["gap 2 2-2", "event 3 id=3"]);
}

#[test]
fn a_pong_that_waits_in_the_socket_saves_its_line() {
    let (mut bench, line, _who, _outbox) = live("toy:trade:A");
    bench.pass(31 * SECOND);
    let Some(Action::Ping { payload, .. }) = bench.todo.pop_front() else { panic!("a quiet line is pinged") };
    stop(&mut bench, 15 * SECOND);
    // Whatever comes before the socket is read must not judge either.
    let (other, _out) = Bench::reader(2, Overflow::Gap);
    bench.subscribe("toy:trade:B", &other);
    assert!(!closes(&bench), "{:?}", bench.todo);
    bench.input(Input::Pong { line, payload: &payload });
    bench.pass(SECOND);
    assert!(!closes(&bench), "{:?}", bench.todo);
}

#[test]
fn an_order_that_comes_first_after_a_pause_judges_nobody() {
    let (mut bench, line, _who, _outbox) = live("toy:trade:A");
    bench.pass(31 * SECOND);
    let Some(Action::Ping { payload, .. }) = bench.todo.pop_front() else { panic!("a quiet line is pinged") };
    bench.now = bench.now.later(15 * SECOND);
    let (other, _out) = Bench::reader(2, Overflow::Gap);
    bench.subscribe("toy:trade:B", &other);
    bench.input(Input::Pong { line, payload: &payload });
    bench.pass(SECOND);
    assert!(!closes(&bench), "{:?}", bench.todo);
}

#[test]
fn a_dial_that_was_answered_while_we_did_not_run_counts() {
    let mut bench = Bench::new();
    let (who, _outbox) = Bench::reader(1, Overflow::Gap);
    bench.subscribe("toy:trade:A", &who);
    let line = bench.dial();
    stop(&mut bench, 15 * SECOND);
    bench.input(Input::Opened { line });
    assert_eq!(bench.accept(line, 1), ["+t A -"]);
    assert_eq!(bench.feed.status(bench.now).stray_inputs, 0);
}

#[test]
fn a_confirmation_that_waits_in_the_socket_is_not_overdue() {
    let mut bench = Bench::new();
    let (who, _outbox) = Bench::reader(1, Overflow::Gap);
    bench.subscribe("toy:trade:A", &who);
    let line = bench.open();
    bench.todo.clear();
    stop(&mut bench, 15 * SECOND);
    bench.hear(line, "ok 1");
    bench.pass(SECOND);
    assert_eq!(bench.todo, [], "nothing is asked for twice");
}

/// A process whose every turn takes `turn`; how long it took from the beginning until `done`.
fn overloaded(bench: &mut Bench, turn: Duration, done: impl Fn(&mut Bench) -> bool) -> Duration {
    let start = bench.now.mono;
    while !done(bench) {
        bench.now = bench.now.later(turn);
        if bench.feed.deadline().is_some_and(|at| at <= bench.now.mono) {
            bench.feed.tick(bench.now);
        }
        bench.collect();
        assert!(bench.now.mono.since(start) < 300 * SECOND, "nothing is ever judged");
    }
    bench.now.mono.since(start)
}

#[test]
fn a_process_that_is_always_late_still_declares_and_cuts() {
    for turn in [SECOND / 5, SECOND / 2, SECOND, 3 * SECOND] {
        let (mut bench, line, _who, mut outbox) = live("toy:trade:A");
        for id in [1, 3] {
            bench.hear(line, &format!("t A {id} 1"));
        }
        market(&mut outbox);
        let took = overloaded(&mut bench, turn, |bench| bench.feed.status(bench.now).gaps > 0);
        assert!(took <= 5 * SECOND + 2 * turn, "declared after {took:?} with turns of {turn:?}");
        let took = overloaded(&mut bench, turn, |bench| closes(bench));
        assert!(took <= 50 * SECOND + 2 * turn, "cut after {took:?} with turns of {turn:?}");
        let (stage, fault, detail) = (Stage::Tcp, Fault::Transient, "no".into());
        bench.input(Input::Failed { line, why: DialError { stage, fault, detail } });
    }
}

#[test]
fn a_feed_that_is_woken_from_rest_is_not_late() {
    let (mut bench, _line, who, _outbox) = live("toy:trade:A");
    bench.feed.leave(bench.now, who.id());
    bench.feed.command(bench.now, crate::feed::Command::Sweep);
    bench.pass(100 * SECOND);
    bench.now = bench.now.later(4 * SECOND);
    bench.subscribe("toy:trade:A", &who);
    bench.pass(SECOND);
    let events = bench.feed.status(bench.now).events;
    assert!(!events.iter().any(|record| &*record.entity == "feed"), "{events:?}");
}
