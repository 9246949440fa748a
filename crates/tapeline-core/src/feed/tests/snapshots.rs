//! Scenarios of many books: whose snapshots are asked for first, and what is left for those who come later.

use std::collections::BTreeMap;

use super::toy::{Bench, SECOND, live, market};
use crate::config::FeedConfig;
use crate::feed::{Action, FetchId, Input, Memory};
use crate::outbox::{Outbox, Overflow};
use crate::time::Unix;
use crate::venue::{LineId, TopicId};

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
