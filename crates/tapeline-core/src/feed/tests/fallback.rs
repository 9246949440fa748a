//! Polling where not everything goes well: topics that REST refuses, readers that come and go, holds, and prices that
//! cannot be believed.

use super::poll::{fallen, turn};
use super::toy::{Bench, SECOND, live, market, read};
use crate::data::topic::Topic;
use crate::feed::{Command, FetchId, Input};
use crate::outbox::{Outbox, Overflow, SubscriberId};
use crate::policy::fault::Fault;
use crate::venue::{Fetch, Refusal};

fn refuse(bench: &mut Bench, id: FetchId, fault: Fault) {
    bench.input(Input::Fetched { id, result: Err(Refusal::new(fault, "no such symbol")) });
}

fn rung(bench: &mut Bench) -> &'static str {
    bench.feed.status(bench.now).fallback.rung
}

#[test]
fn a_topic_whose_reader_comes_back_in_an_outage_is_polled_too() {
    for others in [true, false] {
        let mut bench = Bench::new();
        let (who, outbox) = Bench::reader(1, Overflow::Gap);
        let (two, _outbox) = Bench::reader(2, Overflow::Gap);
        if others {
            bench.subscribe("toy:trade:R1", &who);
        }
        bench.subscribe("toy:trade:R2", &two);
        let line = bench.open();
        bench.accept(line, 1);
        bench.hear(line, "t R1 1 1");
        bench.hear(line, "t R2 100 1");
        // Its reader leaves, and it lingers.
        let topic: Topic = "toy:trade:R2".parse().unwrap();
        assert!(bench.feed.unsubscribe(bench.now, &topic, SubscriberId(2)));
        bench.cut(line);
        let count = polls_since_return(&mut bench, "toy:trade:R2", &mut [outbox], 100);
        assert!(count >= 20, "others {others}: {count}");
    }
}

#[test]
fn a_topic_that_its_last_reader_leaves_is_not_polled_any_more() {
    let (mut bench, first, who, mut outbox) = fallen();
    bench.give(first, [4]);
    let (two, mut other) = Bench::reader(2, Overflow::Gap);
    bench.subscribe("toy:trade:R2", &two);
    bench.pass(SECOND);
    let asked = turn(&mut bench, true);
    assert!(
        matches!(asked[..], [(_, Fetch::Poll { after: None })]),
        "a new one is asked for at once: {asked:?}"
    );
    bench.give(asked[0].0, [70]);
    let topic: Topic = "toy:trade:R".parse().unwrap();
    bench.feed.unsubscribe(bench.now, &topic, who.id());
    for _ in 0..20 {
        bench.pass(SECOND);
        for (id, why) in turn(&mut bench, true) {
            assert_eq!(why, Fetch::Poll { after: Some(70) });
            bench.give(id, []);
        }
        read(&mut outbox);
        read(&mut other);
    }
    assert_eq!(bench.feed.status(bench.now).fallback.polled, 1);
}

#[test]
fn what_an_operator_forgives_is_asked_for_at_once() {
    let (mut bench, first, _who, _outbox) = fallen();
    refuse(&mut bench, first, Fault::RateLimited { retry_after: Some(600 * SECOND), banned: false });
    bench.pass(10 * SECOND);
    assert!(turn(&mut bench, true).is_empty(), "it is held");
    bench.feed.command(bench.now, Command::Reset);
    bench.collect();
    bench.pass(5 * SECOND);
    assert!(!turn(&mut bench, true).is_empty(), "nothing is held any more");

    let (mut bench, line, _who, _outbox) = live("toy:trade:R");
    bench.hear(line, "t R 1 1");
    bench.hear(line, "t R 5 1");
    bench.pass(SECOND);
    let (fetch, ..) = bench.backfill();
    refuse(&mut bench, fetch, Fault::RateLimited { retry_after: Some(200 * SECOND), banned: false });
    bench.pass(5 * SECOND);
    assert!(bench.todo.is_empty(), "it is held: {:?}", bench.todo);
    bench.feed.command(bench.now, Command::Reset);
    bench.collect();
    assert_eq!(bench.backfill().1, 2);
}

#[test]
fn dials_that_fail_do_not_break_what_is_polled() {
    let (mut bench, line, _who, mut outbox) = live("toy:quote:R");
    bench.hear(line, "q R 900 5");
    bench.cut(line);
    let mut epochs = Vec::new();
    for _ in 0..300 {
        bench.pass(SECOND);
        for (id, _) in turn(&mut bench, true) {
            bench.quote(id, 5);
        }
        read(&mut outbox);
        epochs.push(bench.feed.status(bench.now).topics[0].position.epoch);
    }
    epochs.dedup();
    assert_eq!(epochs.len(), 2, "the one before the cut, and that of what is polled");
}
