//! An endpoint that is broken and says when it is back.

use std::time::Duration;

use super::SECOND;
use super::toy::{Bench, live};
use crate::feed::{Action, Command, DialError, Input, Stage};
use crate::outbox::Overflow;
use crate::policy::fault::Fault;
use crate::venue::Refusal;

/// Fails the dial that is under way, with a pause of so many seconds.
fn refuse(bench: &mut Bench, seconds: u64) {
    let line = bench.dial();
    let fault = Fault::Unavailable { retry_after: Duration::from_secs(seconds) };
    let why = DialError { stage: Stage::Upgrade, fault, detail: "status 503".into() };
    bench.input(Input::Failed { line, why });
}

/// Waits for the next dial: where it goes, and after how long.
fn next_dial(bench: &mut Bench, within: u64) -> (String, f64) {
    let begun = bench.now.mono;
    while bench.now.mono.since(begun) < within as u32 * SECOND {
        bench.pass(SECOND / 10);
        if let Some(Action::Dial { request, .. }) = bench.todo.front() {
            return (request.url.clone(), bench.now.mono.since(begun).as_secs_f64());
        }
    }
    panic!("nothing is dialled within {within} s");
}

#[test]
fn an_endpoint_that_says_when_it_is_back_is_not_asked_before() {
    let mut bench = Bench::new();
    let (who, _outbox) = Bench::reader(1, Overflow::Gap);
    bench.subscribe("toy:trade:A", &who);
    refuse(&mut bench, 40);
    let (url, after) = next_dial(&mut bench, 3);
    assert_eq!(url, "ws://b", "another endpoint has asked for nothing");
    refuse(&mut bench, 300);
    let held: Vec<_> = bench.feed.status(bench.now).endpoints.iter().map(|e| e.held_ms / 1_000).collect();
    assert!((35..=43).contains(&held[0]) && (299..=330).contains(&held[1]), "{held:?}");
    let (url, again) = next_dial(&mut bench, 60);
    assert_eq!(url, "ws://a");
    assert!((40.0..=44.2).contains(&(after + again)), "{after} {again}");
}

#[test]
fn an_operator_goes_to_an_endpoint_before_it_said_that_it_is_back() {
    let mut bench = Bench::new();
    let (who, _outbox) = Bench::reader(1, Overflow::Gap);
    bench.subscribe("toy:trade:A", &who);
    refuse(&mut bench, 300);
    next_dial(&mut bench, 3);
    refuse(&mut bench, 300);
    bench.pass(60 * SECOND);
    assert_eq!(bench.todo, []);
    assert_eq!(bench.feed.command(bench.now, Command::Reset), 3, "two endpoints and a line that waits");
    bench.collect();
    assert!(matches!(bench.todo.front(), Some(Action::Dial { .. })));
}

#[test]
fn rest_that_says_when_it_is_back_is_not_asked_before() {
    let (mut bench, line, _who, _outbox) = live("toy:book:A");
    bench.hear(line, "d A 1 1 95 1");
    let id = bench.fetch();
    let refusal = Refusal::new(Fault::Unavailable { retry_after: Duration::from_secs(35) }, "503");
    bench.input(Input::Fetched { id, result: Err(refusal) });
    let asks = |bench: &Bench| bench.todo.iter().any(|action| matches!(action, Action::Fetch { .. }));
    for step in 2..=34 {
        bench.hear(line, &format!("d A {step} {step} 95 1"));
        bench.pass(SECOND);
        assert!(!asks(&bench), "asked after {step} s");
    }
    for _ in 0..20 {
        bench.pass(SECOND);
    }
    assert!(asks(&bench));
}
