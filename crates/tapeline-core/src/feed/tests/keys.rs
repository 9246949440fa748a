//! Keys that the venue refuses, at the door and later.

use super::toy::{Bench, SECOND, market};
use crate::config::FeedConfig;
use crate::feed::{Action, Closed, Command, DialError, Input, Memory, Stage};
use crate::outbox::{Outbox, Overflow, Subscriber};
use crate::policy::alert::Rule;
use crate::policy::fault::Fault;
use crate::policy::recovery::Recovery;
use crate::venue::{Keys, LineId};

fn keys(secret: &str) -> Option<Keys> {
    Some(Keys::new("toy", secret))
}

/// A bench with keys and one reader.
fn with_keys() -> (Bench, Subscriber, Outbox) {
    let config = FeedConfig { keys: keys("old"), ..FeedConfig::default() };
    let mut bench = Bench::with(config, Memory::default());
    let (who, outbox) = Bench::reader(1, Overflow::Gap);
    bench.subscribe("toy:trade:A", &who);
    (bench, who, outbox)
}

/// The next dial, and the secret that it shows.
fn dialled(bench: &mut Bench) -> (LineId, String) {
    match bench.todo.pop_front() {
        Some(Action::Dial { line, request, .. }) => (line, request.headers[0].1.clone()),
        other => panic!("expected a dial, got {other:?}"),
    }
}

fn refuse(bench: &mut Bench, line: LineId) {
    let (stage, fault, detail) = (Stage::Upgrade, Fault::Authentication, "401".into());
    bench.input(Input::Failed { line, why: DialError { stage, fault, detail } });
}

/// Lets so many seconds pass until the keys are asked for, and answers.
fn reads(bench: &mut Bench, seconds: u32, secret: &str) {
    bench.pass(seconds * SECOND);
    assert_eq!(bench.todo.pop_front(), Some(Action::ReadKeys));
    bench.input(Input::Keys { keys: keys(secret) });
    bench.pass(SECOND / 1_000);
}

fn phase(bench: &mut Bench) -> &'static str {
    bench.feed.status(bench.now).lines[0].phase
}

fn complains(bench: &mut Bench) -> bool {
    bench.feed.findings(bench.now).all.iter().any(|found| found.rule == Rule::Authentication)
}

#[test]
fn refused_keys_are_read_anew_before_each_of_four_tries_and_then_an_operator_is_waited_for() {
    let (mut bench, _who, _outbox) = with_keys();
    let (line, _) = dialled(&mut bench);
    refuse(&mut bench, line);
    assert!(complains(&mut bench));
    for wait in [1, 5, 15, 60] {
        assert_eq!(bench.todo.len(), 0);
        reads(&mut bench, wait, "old");
        let (line, secret) = dialled(&mut bench);
        assert_eq!(secret, "old");
        refuse(&mut bench, line);
    }
    assert_eq!(phase(&mut bench), "halted");
    bench.pass(3_600 * SECOND);
    assert!(bench.todo.is_empty(), "nobody is dialled any more");
    bench.feed.command(bench.now, Command::Recover { slot: None, how: Recovery::Immediate });
    reads(&mut bench, 1, "new");
    let (line, secret) = dialled(&mut bench);
    assert_eq!(secret, "new", "an operator has put others there");
    bench.input(Input::Opened { line });
    assert_eq!(phase(&mut bench), "live");
    assert!(!complains(&mut bench), "it was let in");
}

#[test]
fn keys_that_end_in_mid_session_are_replaced_by_what_is_read() {
    let (mut bench, _who, mut outbox) = with_keys();
    let (line, _) = dialled(&mut bench);
    bench.input(Input::Opened { line });
    bench.accept(line, 1);
    bench.hear(line, "t A 1 1");
    let why = Closed { code: Some(3000), fault: Fault::Authentication, detail: "expired".into() };
    bench.input(Input::Closed { line, why });
    reads(&mut bench, 1, "new");
    let (line, secret) = dialled(&mut bench);
    assert_eq!(secret, "new");
    bench.input(Input::Opened { line });
    bench.accept(line, 2);
    bench.hear(line, "t A 2 1");
    assert_eq!(market(&mut outbox), ["event 1 id=1", "event 2 id=2"]);
}

#[test]
fn if_the_keys_cannot_be_read_those_at_hand_are_tried() {
    let (mut bench, _who, _outbox) = with_keys();
    let (line, _) = dialled(&mut bench);
    refuse(&mut bench, line);
    bench.pass(SECOND);
    assert_eq!(bench.todo.pop_front(), Some(Action::ReadKeys));
    bench.pass(9 * SECOND);
    assert!(bench.todo.is_empty(), "the answer may still come");
    bench.pass(SECOND);
    assert_eq!(dialled(&mut bench).1, "old");
}

#[test]
fn other_keys_free_a_line_that_was_halted_for_those() {
    let (mut bench, _who, _outbox) = with_keys();
    let (line, _) = dialled(&mut bench);
    refuse(&mut bench, line);
    for wait in [1, 5, 15, 60] {
        reads(&mut bench, wait, "old");
        let (line, _) = dialled(&mut bench);
        refuse(&mut bench, line);
    }
    bench.input(Input::Keys { keys: keys("old") });
    assert_eq!(phase(&mut bench), "halted", "the same keys are no news");
    bench.input(Input::Keys { keys: keys("new") });
    bench.pass(SECOND);
    let (line, secret) = dialled(&mut bench);
    assert_eq!(secret, "new");
    refuse(&mut bench, line);
    reads(&mut bench, 1, "new");
    assert_eq!(phase(&mut bench), "dialling", "others have their tries anew");
}

#[test]
fn without_keys_nobody_reads_any() {
    let mut bench = Bench::new();
    let (who, _outbox) = Bench::reader(1, Overflow::Gap);
    bench.subscribe("toy:trade:A", &who);
    let line = bench.dial();
    refuse(&mut bench, line);
    bench.pass(SECOND);
    bench.dial();
}
