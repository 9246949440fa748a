//! What bars the way of a line is told: a breaker that is open, a pause that was asked for.

use std::time::Duration;

use super::SECOND;
use super::toy::Bench;
use crate::config::FeedConfig;
use crate::feed::{Action, Command, DialError, Input, Memory, Stage};
use crate::outbox::{Outbox, Overflow, Subscriber};
use crate::policy::breaker::{Override, State};
use crate::policy::fault::Fault;
use crate::policy::ladder::Rung;
use crate::policy::recovery::Recovery;

fn begin() -> (Bench, Subscriber, Outbox) {
    let config = FeedConfig { streams: vec!["ws://a".into()], ..FeedConfig::default() };
    let mut bench = Bench::with(config, Memory::default());
    let (who, outbox) = Bench::reader(1, Overflow::Gap);
    bench.subscribe("toy:trade:A", &who);
    (bench, who, outbox)
}

/// Fails every dial until none is made for a while.
fn fail_all(bench: &mut Bench, fault: Fault) {
    for _ in 0..1_000 {
        if bench.todo.iter().any(|action| matches!(action, Action::Dial { .. })) {
            let line = bench.dial();
            let why = DialError { stage: Stage::Upgrade, fault, detail: "no".into() };
            bench.input(Input::Failed { line, why });
        }
        bench.pass(SECOND / 10);
        if !causes(bench, "until").is_empty() {
            return;
        }
    }
    panic!("nothing bars the way");
}

/// The causes in the record of the line that say so.
fn causes(bench: &mut Bench, what: &str) -> Vec<String> {
    let status = bench.feed.status(bench.now);
    let of_line = status.events.iter().filter(|event| &*event.entity == "line 0");
    of_line.map(|event| event.cause.to_string()).filter(|cause| cause.contains(what)).collect()
}

fn why(bench: &mut Bench) -> String {
    bench.feed.status(bench.now).lines[0].reason.clone().unwrap_or_default()
}

#[test]
fn a_line_that_waits_for_open_breakers_says_circuit_open_and_until_when() {
    let (mut bench, _who, _outbox) = begin();
    fail_all(&mut bench, Fault::Server);
    let told = causes(&mut bench, "circuit_open");
    assert_eq!(told.len(), 1, "once: {told:?}");
    assert!(told[0].starts_with("circuit_open until ") && told[0].ends_with(" UTC"), "{told:?}");
    let said = why(&mut bench);
    assert!(
        said.starts_with("circuit_open until ") && said.ends_with("; last failure: upgrade: no"),
        "{said}"
    );
    bench.feed.command(bench.now, Command::Pin { rung: Rung::Poll });
    bench.pass(60 * SECOND);
    assert_eq!(why(&mut bench), "upgrade: no", "an operator holds it back now, and no breaker");
}

#[test]
fn a_line_that_waits_since_the_venue_asked_for_it_says_so() {
    let (mut bench, _who, _outbox) = begin();
    let other = Fault::RateLimited { retry_after: Some(Duration::from_secs(30)), banned: false };
    let line = bench.dial();
    bench.feed.command(bench.now, Command::Reconnect { slot: None });
    bench.input(Input::Failed {
        line,
        why: DialError { stage: Stage::Upgrade, fault: other, detail: "429".into() },
    });
    bench.feed.command(bench.now, Command::Reconnect { slot: None });
    let said = why(&mut bench);
    assert!(said.starts_with("the venue has asked for a pause until ") && said.ends_with("429"), "{said}");
}

#[test]
fn a_line_that_waits_for_endpoints_that_are_away_says_so() {
    let (mut bench, _who, _outbox) = begin();
    fail_all(&mut bench, Fault::Unavailable { retry_after: Duration::from_secs(300) });
    let told = causes(&mut bench, "until");
    assert!(told[0].starts_with("the endpoint has asked to be left alone until "), "{told:?}");
}

fn dials(bench: &Bench) -> bool {
    bench.todo.iter().any(|action| matches!(action, Action::Dial { .. }))
}

fn breakers(bench: &mut Bench) -> Vec<State> {
    bench.feed.status(bench.now).endpoints.iter().map(|endpoint| endpoint.breaker).collect()
}

fn order(bench: &mut Bench, how: Override) -> usize {
    let touched = bench.feed.command(bench.now, Command::Breakers { how });
    bench.collect();
    touched
}

#[test]
fn breakers_that_an_operator_holds_open_let_no_new_line_pass_until_they_are_reset() {
    let (mut bench, _who, _outbox) = begin();
    let line = bench.open();
    bench.accept(line, 1);
    assert!(order(&mut bench, Override::Open) > 1);
    assert_eq!(order(&mut bench, Override::Open), 0, "they are open");
    assert!(breakers(&mut bench).iter().all(|state| *state == State::ForcedOpen));
    assert!(
        bench.feed.status(bench.now).endpoints.iter().all(|endpoint| endpoint.held_ms == 0),
        "nobody knows"
    );
    bench.hear(line, "t A 1 1");
    assert!(!bench.todo.contains(&Action::Close { line, code: 1000 }), "what is connected stays");
    bench.cut(line);
    bench.pass(600 * SECOND);
    let said = why(&mut bench);
    assert!(said.starts_with("circuit_open until an operator resets it; last failure: "), "{said}");
    // An order that looks at everything anew, and another one that holds the line back for a while.
    bench.feed.command(bench.now, Command::Recover { slot: None, how: Recovery::Immediate });
    bench.feed.command(bench.now, Command::Pin { rung: Rung::Poll });
    assert!(!why(&mut bench).contains("circuit_open"), "now it is held for another reason");
    bench.pass(60 * SECOND);
    bench.feed.command(bench.now, Command::Unpin);
    bench.pass(60 * SECOND);
    assert!(why(&mut bench).starts_with("circuit_open"));
    assert!(causes(&mut bench, "circuit_open").len() <= 3, "told when it begins, not again and again");
    assert!(!dials(&bench));
    bench.feed.command(bench.now, Command::Reset);
    bench.collect();
    assert!(dials(&bench), "at once");
    assert!(breakers(&mut bench).iter().all(|state| *state == State::Closed));
}

#[test]
fn breakers_that_an_operator_disables_refuse_nothing_and_wake_what_waited_for_them() {
    let (mut bench, _who, _outbox) = begin();
    fail_all(&mut bench, Fault::Server);
    assert!(why(&mut bench).starts_with("circuit_open"));
    order(&mut bench, Override::Disabled);
    assert!(dials(&bench), "at once");
    for _ in 0..20 {
        let line = bench.dial();
        let why = DialError { stage: Stage::Upgrade, fault: Fault::Server, detail: "no".into() };
        bench.input(Input::Failed { line, why });
        for _ in 0..400 {
            if !dials(&bench) {
                bench.pass(SECOND / 10);
            }
        }
        assert!(dials(&bench), "the backoff alone says when");
    }
    assert!(breakers(&mut bench).iter().all(|state| *state == State::Disabled));
}

#[test]
fn requests_that_a_breaker_held_back_go_out_when_it_lets_them() {
    for lifts in [Command::Reset, Command::Breakers { how: Override::Disabled }] {
        let (mut bench, who, _outbox) = begin();
        let line = bench.open();
        bench.accept(line, 1);
        order(&mut bench, Override::Open);
        bench.subscribe("toy:book:A", &who);
        bench.accept(line, 2);
        for second in 0..30 {
            bench.hear(line, &format!("d A {0} {0} 95 1", 10 + second));
            bench.pass(SECOND);
            assert!(!bench.todo.iter().any(|action| matches!(action, Action::Fetch { .. })));
        }
        bench.feed.command(bench.now, lifts);
        bench.collect();
        bench.fetch();
    }
}
