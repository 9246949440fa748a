//! Logins by message, and keys that end.

use std::time::Duration;

use super::toy::{Bench, LOGIN, ONCE, SECOND, market};
use crate::config::FeedConfig;
use crate::feed::{Action, Closed, Input, Memory};
use crate::outbox::{Outbox, Overflow, Subscriber};
use crate::policy::fault::Fault;
use crate::venue::{Group, Keys, LineId};

/// A bench behind a login, with a key that lasts, and one reader.
fn bench(groups: &'static [Group], life: Option<u64>) -> (Bench, Subscriber, Outbox) {
    let keys = Keys { life: life.map(Duration::from_secs), ..Keys::new("toy", "old") };
    let config = FeedConfig { keys: Some(keys), ..FeedConfig::default() };
    let mut bench = Bench::of(groups, config, Memory::default());
    let (who, outbox) = Bench::reader(1, Overflow::Gap);
    bench.subscribe("toy:trade:A", &who);
    (bench, who, outbox)
}

/// The next login, which must be the next thing to do, and what it says.
#[track_caller]
fn said(bench: &mut Bench) -> (LineId, String) {
    match bench.todo.pop_front() {
        Some(Action::Login { line, text }) => (line, text.0),
        other => panic!("expected a login, got {other:?}"),
    }
}

fn phase(bench: &mut Bench) -> &'static str {
    bench.feed.status(bench.now).lines[0].phase
}

/// A line that is let in and subscribed, and has brought a trade.
fn let_in(bench: &mut Bench) -> LineId {
    let line = bench.open();
    bench.hear(line, "hello");
    assert_eq!(said(bench), (line, "I am old".to_owned()));
    bench.hear(line, "in");
    bench.accept(line, 1);
    bench.hear(line, "t A 1 1");
    line
}

/// Lets time pass with a trade every second, so that the line is never silent; what was to be done.
fn busy(bench: &mut Bench, line: LineId, from: u64, seconds: u64) -> Vec<Action> {
    for id in from..from + seconds {
        bench.pass(SECOND);
        bench.hear(line, &format!("t A {id} 1"));
    }
    std::mem::take(&mut bench.todo).into()
}

fn reads(actions: &[Action]) -> usize {
    actions.iter().filter(|action| matches!(action, Action::ReadKeys)).count()
}

fn give(bench: &mut Bench, secret: &str, life: u64) {
    let keys = Some(Keys::new("toy", secret).lasting(Duration::from_secs(life)));
    bench.input(Input::Keys { keys });
}

#[test]
fn nothing_is_subscribed_before_the_login_is_accepted() {
    let (mut bench, _who, mut outbox) = bench(LOGIN, None);
    let line = bench.open();
    assert_eq!((phase(&mut bench), bench.todo.len()), ("logging_in", 0), "the venue is to speak first");
    bench.hear(line, "hello");
    assert_eq!(said(&mut bench), (line, "I am old".to_owned()));
    bench.hear(line, "hello");
    bench.hear(line, "t A 1 1");
    assert!(bench.todo.is_empty(), "it is said once: {:?}", bench.todo);
    bench.hear(line, "in");
    assert_eq!(phase(&mut bench), "live");
    assert_eq!(bench.accept(line, 1), ["+t A -"]);
    bench.hear(line, "t A 2 1");
    assert_eq!(market(&mut outbox), ["event 1 id=2"]);
}

#[test]
fn keys_are_shown_also_if_no_greeting_is_heard_and_nothing_printed_shows_them() {
    let (mut bench, _who, _outbox) = bench(LOGIN, None);
    bench.open();
    bench.pass(5 * SECOND);
    let printed = format!("{:?}", bench.todo);
    assert!(printed.contains("Login") && !printed.contains("old"), "{printed}");
    assert_eq!(said(&mut bench).1, "I am old");
}

#[test]
fn a_login_that_is_not_answered_ends_the_line_and_it_is_dialled_again() {
    let (mut bench, _who, _outbox) = bench(ONCE, None);
    let line = bench.open();
    said(&mut bench);
    bench.pass(9 * SECOND);
    assert!(bench.todo.is_empty());
    bench.pass(SECOND);
    assert_eq!(bench.todo.pop_front(), Some(Action::Close { line, code: 1000 }));
    assert_eq!(phase(&mut bench), "waiting");
    bench.pass(2 * SECOND);
    let line = bench.open();
    said(&mut bench);
    bench.hear(line, "in");
    assert_eq!(phase(&mut bench), "live");
}

#[test]
fn a_refused_login_is_tried_five_times_with_keys_read_anew_and_then_nobody_is_asked() {
    let (mut bench, _who, _outbox) = bench(ONCE, None);
    let mut logins = 0;
    for wait in [1, 5, 15, 60, 3_600] {
        let Some(Action::Dial { line, .. }) = bench.todo.pop_front() else { panic!("{:?}", bench.todo) };
        bench.input(Input::Opened { line });
        said(&mut bench);
        logins += 1;
        bench.hear(line, "out");
        assert_eq!(bench.todo.pop_front(), Some(Action::Close { line, code: 1000 }));
        bench.pass(wait * SECOND);
        if wait < 3_600 {
            assert_eq!(bench.todo.pop_front(), Some(Action::ReadKeys));
            bench.input(Input::Keys { keys: Some(Keys::new("toy", "old")) });
            bench.pass(SECOND / 1_000);
        }
    }
    assert_eq!((logins, phase(&mut bench), bench.todo.len()), (5, "halted", 0));
}

#[test]
fn a_login_that_is_refused_for_now_is_repeated_on_the_same_line_and_pings_are_answered() {
    let (mut bench, _who, _outbox) = bench(LOGIN, None);
    let line = bench.open();
    bench.hear(line, "hello");
    let mut said = Vec::new();
    for tenth in 0..180 {
        if tenth == 70 {
            bench.input(Input::Ping { line, payload: b"there?" });
            assert!(bench.todo.iter().any(|action| matches!(action, Action::Pong { .. })));
        }
        for action in std::mem::take(&mut bench.todo) {
            if matches!(action, Action::Login { .. }) {
                said.push(tenth);
                bench.hear(line, "busy");
            }
        }
        bench.pass(SECOND / 10);
    }
    assert_eq!(said, [0, 5, 15, 30, 50, 75, 105, 140], "half a second more each time");
    bench.pass(SECOND / 10);
    bench.todo.clear();
    bench.hear(line, "in");
    assert_eq!(phase(&mut bench), "live", "the place is free");
    // Another time it stays taken.
    bench.cut(line);
    bench.pass(2 * SECOND);
    bench.todo.retain(|action| matches!(action, Action::Dial { .. }));
    let line = bench.open();
    bench.hear(line, "hello");
    for _ in 0..250 {
        for action in std::mem::take(&mut bench.todo) {
            match action {
                Action::Login { .. } => bench.hear(line, "busy"),
                Action::Close { .. } => return assert_eq!(phase(&mut bench), "waiting"),
                _ => {}
            }
        }
        bench.pass(SECOND / 10);
    }
    panic!("it is tried for ever");
}

#[test]
fn without_keys_a_venue_that_wants_some_is_left_alone() {
    let mut bench = Bench::of(ONCE, FeedConfig::default(), Memory::default());
    let (who, _outbox) = Bench::reader(1, Overflow::Gap);
    bench.subscribe("toy:trade:A", &who);
    bench.open();
    assert_eq!(phase(&mut bench), "halted");
}

#[test]
fn keys_are_renewed_after_80_percent_of_their_life_on_the_open_line() {
    let (mut bench, _who, mut outbox) = bench(LOGIN, Some(100));
    let line = let_in(&mut bench);
    let done = busy(&mut bench, line, 2, 79);
    assert_eq!(reads(&done), 0);
    let done = busy(&mut bench, line, 81, 2);
    assert_eq!(reads(&done), 1, "{done:?}");
    give(&mut bench, "new", 100);
    assert_eq!(said(&mut bench), (line, "I am new".to_owned()));
    bench.hear(line, "in");
    let done = busy(&mut bench, line, 83, 78);
    assert!(
        done.iter().all(|action| !matches!(action, Action::Close { .. } | Action::Dial { .. })),
        "{done:?}"
    );
    assert_eq!(reads(&done), 0, "the new ones last as long");
    assert_eq!(market(&mut outbox).len(), 160, "nothing is missing");
}

#[test]
fn what_the_venue_says_of_the_life_of_keys_counts() {
    let (mut bench, _who, _outbox) = bench(LOGIN, None);
    let line = bench.open();
    bench.hear(line, "hello");
    said(&mut bench);
    bench.hear(line, "in 50");
    bench.accept(line, 1);
    bench.hear(line, "t A 1 1");
    let done = busy(&mut bench, line, 2, 39);
    assert_eq!(reads(&done), 0);
    assert_eq!(reads(&busy(&mut bench, line, 41, 2)), 1);
}

#[test]
fn while_there_are_no_other_keys_they_are_looked_for_a_few_times_and_not_once_the_old_ones_are_over() {
    let (mut bench, _who, _outbox) = bench(LOGIN, Some(100));
    let line = let_in(&mut bench);
    let mut at = Vec::new();
    for second in 0..300 {
        let done = busy(&mut bench, line, 2 + second, 1);
        at.extend(done.iter().filter(|action| matches!(action, Action::ReadKeys)).map(|_| second + 1));
        if reads(&done) > 0 {
            give(&mut bench, "old", 100 - (second + 1).min(100));
        }
    }
    assert_eq!(at, [80, 85, 90, 95]);
}

#[test]
fn other_keys_that_are_refused_on_the_open_line_leave_it_as_it_is_and_another_one_is_to_follow() {
    for answer in [Some("out"), None] {
        let (mut bench, _who, mut outbox) = bench(LOGIN, Some(100));
        let line = let_in(&mut bench);
        busy(&mut bench, line, 2, 81);
        give(&mut bench, "new", 100);
        said(&mut bench);
        if let Some(answer) = answer {
            bench.hear(line, answer);
        }
        let done = busy(&mut bench, line, 83, 10);
        let dials = done.iter().filter(|action| matches!(action, Action::Dial { .. })).count();
        let closed =
            done.iter().any(|action| matches!(action, Action::Close { line: ended, .. } if *ended == line));
        assert_eq!((dials, closed), (1, false), "{answer:?}: {done:?}");
        assert_eq!(market(&mut outbox).len(), 92);
    }
}

#[test]
fn where_neither_is_allowed_the_line_serves_until_the_venue_ends_it() {
    let (mut bench, _who, mut outbox) = bench(ONCE, Some(100));
    let line = bench.open();
    said(&mut bench);
    bench.hear(line, "in");
    bench.accept(line, 1);
    bench.hear(line, "t A 1 1");
    busy(&mut bench, line, 2, 81);
    give(&mut bench, "new", 100);
    let done = busy(&mut bench, line, 83, 18);
    assert!(done.iter().all(|action| matches!(action, Action::Ping { .. })), "{done:?}");
    let why = Closed { code: Some(3000), fault: Fault::Authentication, detail: "expired".into() };
    bench.input(Input::Closed { line, why });
    bench.pass(SECOND);
    assert_eq!(bench.todo.pop_front(), Some(Action::ReadKeys), "perhaps those were refused too");
    give(&mut bench, "new", 80);
    bench.pass(SECOND / 1_000);
    let line = bench.open();
    assert_eq!(said(&mut bench), (line, "I am new".to_owned()));
    bench.hear(line, "in");
    bench.accept(line, 2);
    bench.hear(line, "t A 101 1");
    assert_eq!(market(&mut outbox).len(), 101);
}
