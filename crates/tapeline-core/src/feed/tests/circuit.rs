//! What bars the way of a line is told: a breaker that is open, a pause that was asked for.

use std::time::Duration;

use super::SECOND;
use super::toy::Bench;
use crate::config::FeedConfig;
use crate::feed::{Action, Command, DialError, Input, Memory, Stage};
use crate::outbox::{Outbox, Overflow, Subscriber};
use crate::policy::fault::Fault;
use crate::policy::ladder::Rung;

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
