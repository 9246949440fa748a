//! Ids far below the last one: a venue that has started over, or only a line that is behind.

use super::pair::pair;
use super::toy::{Bench, SECOND, live, market};
use crate::config::FeedConfig;
use crate::data::update::Data;
use crate::feed::{Action, Command};
use crate::outbox::Outbox;
use crate::venue::LineId;

/// The ids of the quotes that a reader got.
fn quotes(outbox: &mut Outbox) -> Vec<u64> {
    let mut ids = Vec::new();
    while let Some(update) = outbox.try_next() {
        if let Data::Quote(quote) = &update.data {
            ids.extend(quote.venue_id);
        }
    }
    ids
}

/// A second line is to take over from the only one, and carries the topic by now.
fn follower(bench: &mut Bench) -> LineId {
    assert_eq!(bench.feed.command(bench.now, Command::Rotate { slot: None }), 1);
    bench.collect();
    bench.todo.retain(|action| matches!(action, Action::Dial { .. }));
    let heir = bench.open();
    assert!(!bench.accept(heir, 1).is_empty());
    heir
}

#[test]
fn quotes_without_a_time_do_not_go_back_when_a_line_is_left_to_one_that_is_behind_it() {
    let (mut bench, old, _who, mut outbox) = live("toy:quote:A");
    let heir = follower(&mut bench);
    for id in (100_000..116_000).step_by(500) {
        bench.hear(old, &format!("n A {id} 1"));
        bench.hear(heir, &format!("n A {} 1", id - 2_500));
        bench.pass(SECOND / 10);
    }
    assert_eq!(bench.feed.status(bench.now).rotations, 1);
    for id in (113_500..118_000).step_by(500) {
        bench.hear(heir, &format!("n A {id} 1"));
    }
    let told = quotes(&mut outbox);
    assert!(told.is_sorted_by(|a, b| a < b), "{told:?}");
    assert_eq!(told.last(), Some(&117_500));

    // It has caught up, so that the next step back is the venue's.
    bench.hear(heir, "n A 5 1");
    assert_eq!(quotes(&mut outbox), [5]);
}

#[test]
fn the_ids_of_quotes_that_start_over_while_the_line_is_behind_are_believed_after_a_while() {
    let (mut bench, old, _who, mut outbox) = live("toy:quote:A");
    let heir = follower(&mut bench);
    bench.hear(old, "n A 100000 1");
    bench.hear(heir, "n A 97500 1");
    bench.pass(SECOND * 3);
    assert_eq!(bench.feed.status(bench.now).rotations, 1);
    bench.hear(heir, "n A 5 1");
    assert_eq!(quotes(&mut outbox), [100_000], "it may be the slower line's");
    for id in 6..16 {
        bench.pass(SECOND);
        bench.hear(heir, &format!("n A {id} 1"));
    }
    assert_eq!(quotes(&mut outbox), [12, 13, 14, 15]);
}

/// How many ids of the only topic are counted as lost.
fn lost(bench: &mut Bench) -> u64 {
    let lost = bench.feed.status(bench.now).topics[0].counts.lost;
    assert_eq!(bench.feed.ledger(None).total.lost, lost);
    lost
}

#[test]
fn old_ids_of_a_line_that_is_behind_are_copies_once_the_ids_have_started_over() {
    let (mut bench, [a, b], _who, mut outbox) = pair("toy:trade:A");
    for id in 1_000_000..1_000_010 {
        bench.hear(a, &format!("t A {id} 1"));
    }
    bench.hear(b, "t A 1000000 1");
    market(&mut outbox);
    let epoch = bench.feed.status(bench.now).topics[0].position.epoch;
    bench.hear(a, "r A 5 2000000 1");
    assert_eq!(bench.feed.status(bench.now).topics[0].position.epoch, epoch, "one line alone says so");
    // The last of them the other line had not brought when it told of the new ones.
    for id in 1_000_001..1_000_011 {
        bench.hear(b, &format!("t A {id} 1"));
    }
    bench.hear(a, "r A 6 2000001 1");
    bench.hear(b, "r A 5 2000000 1");
    bench.hear(b, "r A 6 2000001 1");
    let since = bench.feed.status(bench.now).topics[0].position.epoch;
    assert_ne!(since, epoch);
    // A hole in the new ones is a hole: it is waited for, and declared.
    bench.hear(b, "r A 9 2000003 1");
    bench.hear(b, "r A 10 2000003 1");
    bench.hear(a, "r A 8 2000003 1");
    bench.pass(SECOND * 3);
    let told = market(&mut outbox);
    let events =
        ["event 1 id=5", "event 2 id=6", "gap 3 7-7", "event 4 id=8", "event 5 id=9", "event 6 id=10"];
    assert_eq!((told[0].as_str(), &told[1..]), ("event 11 id=1000010", &events.map(String::from)[..]));
    assert_eq!(lost(&mut bench), 1);
    assert_eq!(bench.feed.status(bench.now).topics[0].position.epoch, since, "they start over once");
}

#[test]
fn an_id_that_was_told_low_by_mistake_does_not_keep_the_next_ones_out() {
    let (mut bench, [a, b], _who, mut outbox) = pair("toy:trade:A");
    bench.hear(a, "t A 1000000 1");
    bench.hear(b, "t A 1000000 1");
    bench.hear(a, "r A 5 1000001 1");
    bench.hear(a, "r A 1000001 1000002 1");
    bench.hear(b, "r A 1000001 1000002 1");
    bench.pass(SECOND * 3);
    assert_eq!(market(&mut outbox), ["event 1 id=1000000", "event 2 id=1000001"]);
}

#[test]
fn an_old_quote_of_a_line_that_is_behind_is_a_copy_once_the_ids_have_started_over() {
    let (mut bench, [a, b], _who, mut outbox) = pair("toy:quote:A");
    bench.hear(a, "n A 100000 1");
    bench.hear(b, "n A 100000 1");
    bench.pass(SECOND * 11);
    bench.hear(a, "n A 5 1");
    bench.hear(b, "n A 100400 1");
    // The new ones reach the old ones soon.
    for id in (45_000..=145_000).step_by(20_000) {
        bench.hear(a, &format!("n A {id} 1"));
    }
    assert_eq!(quotes(&mut outbox), [100_000, 5, 45_000, 65_000, 85_000, 125_000, 145_000]);
}

#[test]
fn what_was_asked_for_before_the_ids_started_over_is_not_taken_afterwards() {
    let (mut bench, line, _who, mut outbox) = live("toy:trade:R");
    bench.hear(line, "t R 1000000 1");
    bench.hear(line, "t R 1000003 1");
    bench.pass(SECOND);
    let (fetch, from, to) = bench.backfill();
    assert_eq!((from, to), (1_000_001, 1_000_002));
    bench.hear(line, "r R 5 2000000 1");
    bench.hear(line, "r R 6 2000001 1");
    bench.give(fetch, from..=to);
    bench.hear(line, "r R 7 2000002 1");
    bench.pass(SECOND * 4);
    let told = market(&mut outbox);
    let old = ["event 1 id=1000000", "gap 2 1000001-1000002", "event 3 id=1000003"];
    assert_eq!(told[..3], old);
    assert_eq!(told[3..], ["event 1 id=5", "event 2 id=6", "event 3 id=7"]);
    assert_eq!(lost(&mut bench), 2);

    // A hole in the new ones is asked for as ever.
    bench.todo.clear();
    bench.hear(line, "r R 9 2000003 1");
    bench.pass(SECOND);
    let (fetch, from, to) = bench.backfill();
    assert_eq!((from, to), (8, 8));
    bench.give(fetch, [8]);
    assert_eq!(market(&mut outbox), ["event 4 id=8 repair", "event 5 id=9"]);
}

#[test]
fn a_line_that_is_a_thousand_ids_behind_after_a_crash_tells_nothing_twice() {
    let (mut bench, line, _who, mut outbox) = live("toy:trade:A");
    for id in 10_000..12_000 {
        bench.hear(line, &format!("t A {id} 1"));
    }
    market(&mut outbox);
    let now = bench.now;
    let mut memory = bench.feed.into_memory();
    memory.crashed(now);
    let mut bench = Bench::with(FeedConfig::default(), memory);
    bench.pass(SECOND);
    let line = bench.open();
    bench.accept(line, 1);
    for id in 10_900..12_002 {
        bench.hear(line, &format!("t A {id} 1"));
    }
    assert_eq!(market(&mut outbox), ["event 1 id=12000", "event 2 id=12001"]);

    // What is newer, and as far behind, has started over.
    bench.hear(line, "r A 5 20000 1");
    assert_eq!(market(&mut outbox), ["event 1 id=5"]);
}
