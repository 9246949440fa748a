//! Scenarios of many books: whose snapshots are asked for first, and what is left for those who come later.

use std::collections::BTreeMap;

use super::toy::{Bench, SECOND};
use crate::config::FeedConfig;
use crate::feed::{Action, Input, Memory};
use crate::outbox::Overflow;
use crate::time::Unix;
use crate::venue::LineId;

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
