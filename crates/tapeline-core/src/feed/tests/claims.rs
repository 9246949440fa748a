//! What one line tells alone, and what follows refutes.

use super::pair::pair;
use super::toy::{Bench, SECOND, live, market, read};
use crate::feed::Input;
use crate::venue::{Decoded, Item, LineId, TopicId};

fn epoch(bench: &mut Bench) -> crate::data::update::Epoch {
    bench.feed.status(bench.now).topics[0].position.epoch
}

/// Ten ids a second on all lines, for three seconds.
fn go_on(bench: &mut Bench, lines: &[LineId], symbol: &str, first: u64) {
    for id in first..first + 30 {
        for line in lines {
            bench.hear(*line, &format!("t {symbol} {id} 1"));
        }
        bench.pass(SECOND / 10);
    }
}

#[test]
fn an_id_far_ahead_that_nothing_follows_changes_nothing() {
    let (mut bench, [a, b], _who, mut outbox) = pair("toy:trade:A");
    bench.hear(a, "t A 1000 1");
    bench.hear(a, "t A 1200 1");
    go_on(&mut bench, &[a, b], "A", 1_001);
    let told: Vec<_> = (1..=31).map(|n| format!("event {n} id={}", 999 + n)).collect();
    assert_eq!(market(&mut outbox), told);
    let topic = &bench.feed.status(bench.now).topics[0];
    assert_eq!((topic.counts.gaps, topic.counts.lost, topic.phase), (0, 0, "live"));
    // It comes in its turn.
    for id in 1_031..=1_201 {
        bench.hear(b, &format!("t A {id} 1"));
    }
    assert_eq!(market(&mut outbox).len(), 171);
    assert!(bench.feed.records_after(0).any(|record| record.cause.contains("1200 is not believed")));
}

#[test]
fn one_line_that_tells_wild_ids_alone_is_refuted_by_itself() {
    let (mut bench, line, _who, mut outbox) = live("toy:trade:A");
    bench.hear(line, "t A 1000 1");
    bench.hear(line, "t A 900000 1");
    go_on(&mut bench, &[line], "A", 1_001);
    assert_eq!(market(&mut outbox).last().map(String::as_str), Some("event 31 id=1030"));
    assert_eq!(bench.feed.status(bench.now).topics[0].counts.lost, 0);
}

#[test]
fn a_hole_behind_which_it_goes_on_is_declared_although_a_part_of_it_came_late() {
    let (mut bench, [a, b], _who, mut outbox) = pair("toy:trade:A");
    bench.hear(a, "t A 1 1");
    bench.hear(a, "t A 9 1");
    bench.hear(b, "t A 2 1");
    for id in 10..40 {
        bench.hear(a, &format!("t A {id} 1"));
        bench.pass(SECOND / 10);
    }
    let told = market(&mut outbox);
    assert_eq!(told[..4], ["event 1 id=1", "event 2 id=2", "gap 3 3-8", "event 4 id=9"]);
}

#[test]
fn a_change_far_ahead_that_nothing_follows_breaks_no_book() {
    let (mut bench, [a, b], _who, mut outbox) = pair("toy:book:A");
    bench.hear(a, "d A 10 10 95 1");
    let fetch = bench.fetch();
    bench.answer(fetch, 10);
    bench.hear(b, "d A 10 10 95 1");
    bench.hear(a, "d A 510 511 95 7");
    for id in 11..45 {
        for line in [a, b] {
            bench.hear(line, &format!("d A {id} {id} 95 {id}"));
        }
        bench.pass(SECOND / 10);
    }
    let told = read(&mut outbox);
    assert!(!told.iter().any(|line| line.contains("stale")), "{told:?}");
    assert_eq!(bench.feed.status(bench.now).topics[0].counts.resyncs, 0);
}

#[test]
fn ids_that_start_over_on_one_line_alone_change_nothing() {
    let (mut bench, [a, b], _who, mut outbox) = pair("toy:trade:A");
    bench.hear(a, "t A 1000000 1");
    bench.hear(b, "t A 1000000 1");
    let before = epoch(&mut bench);
    for n in 1..=40_u64 {
        bench.hear(a, &format!("r A {n} {} 1", 2_000_000 + n));
        bench.hear(b, &format!("t A {} 1", 1_000_000 + n));
        bench.pass(SECOND / 10);
    }
    assert_eq!((market(&mut outbox).len(), epoch(&mut bench)), (41, before));
    assert_eq!(bench.feed.status(bench.now).topics[0].counts.lost, 0);
}

#[test]
fn a_book_that_starts_over_on_one_line_alone_goes_on() {
    let (mut bench, [a, b], _who, mut outbox) = pair("toy:book:A");
    bench.hear(a, "d A 10000 10000 95 1");
    let fetch = bench.fetch();
    bench.answer(fetch, 10_000);
    bench.hear(b, "d A 10000 10000 95 1");
    read(&mut outbox);
    bench.hear(a, "d A 7 7 95 1");
    bench.hear(b, "d A 10001 10001 95 2");
    assert_eq!(market(&mut outbox), ["delta 1 live 1+0"]);
}

#[test]
fn ids_that_start_over_on_one_line_count_once_nothing_else_comes() {
    let (mut bench, [a, b], _who, mut outbox) = pair("toy:trade:A");
    bench.hear(a, "t A 1000000 1");
    bench.hear(b, "t A 1000000 1");
    market(&mut outbox);
    for n in 1..=40_u64 {
        bench.hear(a, &format!("r A {n} {} 1", 2_000_000 + n));
        bench.pass(SECOND / 10);
    }
    bench.pass(3 * SECOND);
    let told = market(&mut outbox);
    assert!(told[0].ends_with(" 1-20"), "what was not believed is told: {told:?}");
    assert_eq!(told.last().map(|line| line.ends_with("id=40")), Some(true));
}

#[test]
fn what_a_reply_leaves_out_comes_late_if_a_line_brings_it() {
    let (mut bench, line, _who, mut outbox) = live("toy:trade:R");
    bench.hear(line, "t R 1 1");
    bench.hear(line, "t R 4 1");
    bench.pass(SECOND / 4);
    let (fetch, ..) = bench.backfill();
    let items = [2, 3].map(|id| Item::Spent { topic: TopicId(0), id }).into();
    bench.input(Input::Fetched { id: fetch, result: Ok(Decoded { items, ..Decoded::default() }) });
    bench.hear(line, "t R 3 1");
    bench.hear(line, "t R 3 1");
    bench.hear(line, "t R 5 1");
    assert_eq!(market(&mut outbox), ["event 1 id=1", "event 2 id=4", "event 3 id=3 late", "event 4 id=5"]);
}
