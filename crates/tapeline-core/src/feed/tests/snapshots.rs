//! Scenarios of many books: whose snapshots are asked for first, and what is left for those who come later.

use std::collections::BTreeMap;

use super::toy::{Bench, SECOND, live, market};
use crate::config::FeedConfig;
use crate::feed::{Action, Command, FetchId, Input, Memory};
use crate::outbox::{Outbox, Overflow};
use crate::policy::fault::Fault;
use crate::policy::recovery::Recovery;
use crate::time::Unix;
use crate::venue::{LineId, Refusal, TopicId};

/// Opens and confirms everything but requests for a stream of `but`; the topics that were fetched.
fn serve(bench: &mut Bench, asked: &mut BTreeMap<LineId, u64>, but: &str) -> Vec<String> {
    let mut fetched = Vec::new();
    while let Some(action) = bench.todo.pop_front() {
        match action {
            Action::Dial { line, .. } => bench.input(Input::Opened { line }),
            Action::Send { line, text } => {
                let id = asked.entry(line).or_default();
                *id += 1;
                if but.is_empty() || !text.contains(but) {
                    bench.hear(line, &format!("ok {id}"));
                }
            }
            Action::Fetch { id, topic, .. } => {
                fetched.push(topic.symbol().to_string());
                bench.answer(id, 10);
            }
            _ => {}
        }
    }
    fetched
}

#[test]
fn books_that_are_read_find_room_in_the_budget_whatever_warm_ones_want() {
    let warm = (0..12).map(|n| format!("toy:book:W{n}").parse().unwrap()).collect();
    let mut bench = Bench::with(FeedConfig { warm, ..FeedConfig::default() }, Memory::default());
    bench.now.unix = Unix(1_700_000_040_000_000_000);
    let (who, _outbox) = Bench::reader(1, Overflow::Gap);
    let mut asked = BTreeMap::new();
    let mut fetched = Vec::new();
    for name in ["R0", "R1", "R2"] {
        bench.subscribe(&format!("toy:book:{name}"), &who);
    }
    for _ in 0..6 {
        fetched.extend(serve(&mut bench, &mut asked, "d R"));
        bench.pass(SECOND);
    }
    // Eight requests fit; three are kept for the books that are read and not confirmed yet.
    assert_eq!(fetched.len(), 5, "{fetched:?}");
    for _ in 0..14 {
        fetched.extend(serve(&mut bench, &mut asked, ""));
        bench.pass(SECOND);
    }
    fetched.retain(|name| name.starts_with('R'));
    assert_eq!(fetched, ["R0", "R1", "R2"], "within the same minute");
}

#[test]
fn a_book_that_is_read_later_finds_room_that_warm_ones_left() {
    let warm = (0..12).map(|n| format!("toy:book:W{n}").parse().unwrap()).collect();
    let mut bench = Bench::with(FeedConfig { warm, ..FeedConfig::default() }, Memory::default());
    bench.now.unix = Unix(1_700_000_040_000_000_000);
    bench.pass(SECOND);
    let mut asked = BTreeMap::new();
    let mut fetched = Vec::new();
    for _ in 0..6 {
        fetched.extend(serve(&mut bench, &mut asked, ""));
        bench.pass(SECOND);
    }
    assert_eq!(fetched.len(), 7, "{fetched:?}");
    let (who, _outbox) = Bench::reader(1, Overflow::Gap);
    bench.subscribe("toy:book:R0", &who);
    for _ in 0..5 {
        fetched.extend(serve(&mut bench, &mut asked, ""));
        bench.pass(SECOND);
    }
    assert_eq!(fetched.last().map(String::as_str), Some("R0"));
}

/// The next request for a snapshot, waited for while the line is not silent.
fn asked(bench: &mut Bench, line: LineId, id: u64) -> FetchId {
    for _ in 0..60 {
        bench.hear(line, &format!("d A {id} {id} 95 1"));
        if let Some(id) = fetch(bench) {
            return id;
        }
        bench.pass(SECOND);
    }
    panic!("no snapshot is asked for");
}

fn fetch(bench: &mut Bench) -> Option<FetchId> {
    bench.todo.drain(..).find_map(|action| match action {
        Action::Fetch { id, .. } => Some(id),
        _ => None,
    })
}

/// The next request for a snapshot, waited for in silence.
fn fetched(bench: &mut Bench) -> FetchId {
    let waited = (0..60).find_map(|_| {
        let found = fetch(bench);
        if found.is_none() {
            bench.pass(SECOND);
        }
        found
    });
    waited.expect("a snapshot is asked for")
}

fn states(outbox: &mut Outbox) -> Vec<String> {
    let shown = |line: &String| line.starts_with("snapshot") && !line.contains("syncing");
    market(outbox).into_iter().filter(shown).collect()
}

#[test]
fn a_snapshot_of_another_symbol_is_seen_by_the_deltas_that_wait_for_it() {
    let (mut bench, line, _who, mut outbox) = live("toy:book:A");
    bench.hear(line, "d A 1 1 95 1");
    for (id, price) in [(2, 9_000), (3, 7)] {
        let fetch = asked(&mut bench, line, id);
        bench.answer_with(fetch, 10, (price, price + 1));
        assert_eq!(states(&mut outbox), Vec::<String>::new(), "{price}");
    }
    let fetch = asked(&mut bench, line, 4);
    bench.answer(fetch, 1);
    assert_eq!(states(&mut outbox).len(), 1);
}

#[test]
fn on_a_silent_stream_another_topic_of_the_symbol_tells_what_is_credible() {
    let (mut bench, line, who, mut outbox) = live("toy:quote:A");
    bench.hear(line, "q A 1 95");
    bench.subscribe("toy:book:A", &who);
    bench.pass(SECOND);
    bench.accept(line, 2);
    for tries in 1..=6 {
        let fetch = fetched(&mut bench);
        bench.answer_as(TopicId(1), fetch, 10, (9_000, 9_001));
        bench.hear(line, &format!("q A {} 95", 1 + tries));
        bench.pass(2 * SECOND);
        let shown = states(&mut outbox).len() - usize::from(tries == 1);
        assert_eq!(shown, usize::from(tries == 6), "try {tries}: who insists is believed at last");
    }
}

/// A live book at 11; the next change is 12.
fn live_book() -> (Bench, LineId, crate::outbox::Subscriber, Outbox) {
    let (mut bench, line, who, outbox) = live("toy:book:A");
    bench.hear(line, "d A 10 10 95 1");
    let fetch = bench.fetch();
    bench.answer(fetch, 10);
    bench.hear(line, "d A 11 11 95 2");
    (bench, line, who, outbox)
}

fn order(bench: &mut Bench, how: Recovery) -> usize {
    let touched =
        bench.feed.command(bench.now, Command::Resync { topic: "toy:book:A".parse().unwrap(), how });
    bench.collect();
    touched
}

/// Seconds until a snapshot is asked for, while the line brings a change each second from `next` on.
fn asked_after(bench: &mut Bench, line: LineId, next: &mut u64, most: u64) -> Option<(u64, FetchId)> {
    for second in 0..=most {
        for action in std::mem::take(&mut bench.todo) {
            match action {
                Action::Fetch { id, .. } => return Some((second, id)),
                Action::Ping { line, payload } => bench.input(Input::Pong { line, payload: &payload }),
                _ => {}
            }
        }
        bench.hear(line, &format!("d A {next} {next} 95 1"));
        *next += 1;
        bench.pass(SECOND);
    }
    None
}

#[test]
fn a_book_is_fetched_anew_when_the_operator_said() {
    let (mut bench, line, _who, _outbox) = live_book();
    let mut next = 12;
    assert_eq!(order(&mut bench, Recovery::Delayed), 1);
    assert_eq!(asked_after(&mut bench, line, &mut next, 30), None);
    assert_eq!(order(&mut bench, Recovery::Delayed), 1, "said again it counts from then on");
    let (after, fetch) = asked_after(&mut bench, line, &mut next, 90).unwrap();
    assert_eq!(after, 60);
    bench.answer(fetch, next - 1);
    assert_eq!(asked_after(&mut bench, line, &mut next, 90), None, "once");
    assert_eq!(order(&mut bench, Recovery::Manual), 0);
    assert_eq!(asked_after(&mut bench, line, &mut next, 90), None);
    assert_eq!(order(&mut bench, Recovery::Immediate), 1);
    assert_eq!(asked_after(&mut bench, line, &mut next, 0).map(|(after, _)| after), Some(0));
}

#[test]
fn a_book_that_breaks_does_not_wait_for_the_minute_of_an_order() {
    let (mut bench, line, _who, _outbox) = live_book();
    order(&mut bench, Recovery::Delayed);
    let mut next = 14;
    let (after, fetch) = asked_after(&mut bench, line, &mut next, 9).unwrap();
    assert!(after < 5, "after {after} s");
    bench.answer(fetch, next - 1);
    assert_eq!(asked_after(&mut bench, line, &mut next, 90), None, "what was ordered has come");
}

#[test]
fn a_book_that_is_not_served_is_not_fetched_before_the_minute_of_an_order() {
    for delayed in [true, false] {
        let (mut bench, line, _who, _outbox) = live("toy:book:A");
        bench.hear(line, "d A 10 10 95 1");
        let id = bench.fetch();
        bench.input(Input::Fetched { id, result: Err(Refusal::new(Fault::Server, "503 from the venue")) });
        if delayed {
            order(&mut bench, Recovery::Delayed);
            // As the gateway has it: the lines of the topic are recovered with it, which forgives all failures.
            bench.feed.command(bench.now, Command::Recover { slot: Some(0), how: Recovery::Delayed });
            bench.collect();
        }
        let mut next = 11;
        let (after, _) = asked_after(&mut bench, line, &mut next, 90).unwrap();
        assert_eq!(after >= 60, delayed, "after {after} s");
    }
    let (mut bench, line, _who, _outbox) = live_book();
    order(&mut bench, Recovery::Delayed);
    bench.feed.command(bench.now, Command::Reset);
    assert_eq!(asked_after(&mut bench, line, &mut 12, 90), None, "a reset takes it back");
}
