//! Candles that close while nothing is streamed: they are asked for from the last one that is known to be closed.

use super::pair::pair;
use super::poll::{back, turn};
use super::toy::{Bench, SECOND, candle, live, market};
use crate::data::update::Epoch;
use crate::feed::{FetchId, Input};
use crate::outbox::{Outbox, Overflow};
use crate::venue::{Decoded, Fetch, TopicId};

/// Answers with the candles of these seconds, of which the last is open.
fn list(bench: &mut Bench, id: FetchId, seconds: std::ops::RangeInclusive<u64>) {
    let last = *seconds.end();
    let items = seconds.map(|second| candle(TopicId(0), second, second < last)).collect();
    bench.input(Input::Fetched { id, result: Ok(Decoded { items, ..Decoded::default() }) });
}

fn epoch(bench: &mut Bench) -> Epoch {
    bench.feed.status(bench.now).topics[0].position.epoch
}

/// The next poll, and since when it asks.
fn poll(bench: &mut Bench) -> (FetchId, Option<u64>) {
    for _ in 0..40 {
        bench.pass(SECOND / 2);
        if let Some((id, Fetch::Poll { after })) = turn(bench, true).pop() {
            return (id, after);
        }
    }
    panic!("nothing is polled");
}

/// Without a line, after a list that ends with the open candle of second 12.
fn polled() -> (Bench, Outbox) {
    let (mut bench, line, _who, mut outbox) = live("toy:candle:R");
    bench.hear(line, "c R 10 closed");
    bench.hear(line, "c R 11 open");
    bench.cut(line);
    let (id, after) = poll(&mut bench);
    assert_eq!(after, Some(10_000));
    market(&mut outbox);
    list(&mut bench, id, 10..=12);
    assert_eq!(market(&mut outbox), ["snapshot 0 11 closed", "delta 1 12 open"]);
    (bench, outbox)
}

#[test]
fn every_candle_that_closes_between_two_polls_is_told() {
    let (mut bench, mut outbox) = polled();
    let before = epoch(&mut bench);
    let (id, after) = poll(&mut bench);
    assert_eq!(after, Some(11_000));
    list(&mut bench, id, 11..=15);
    let told = market(&mut outbox);
    assert_eq!(told, ["event 2 12 closed", "event 3 13 closed", "event 4 14 closed", "delta 5 15 open"]);
    assert_eq!(epoch(&mut bench), before);
}

#[test]
fn a_list_that_does_not_reach_back_begins_a_new_epoch() {
    let (mut bench, mut outbox) = polled();
    let before = epoch(&mut bench);
    let (id, _) = poll(&mut bench);
    list(&mut bench, id, 14..=15);
    assert_eq!(market(&mut outbox), ["snapshot 0 14 closed", "delta 1 15 open"]);
    let since = epoch(&mut bench);
    assert_ne!(since, before);
    let (id, after) = poll(&mut bench);
    assert_eq!(after, Some(14_000));
    list(&mut bench, id, 14..=16);
    assert_eq!(market(&mut outbox), ["event 2 15 closed", "delta 3 16 open"]);
    assert_eq!(epoch(&mut bench), since);
}

#[test]
fn a_line_that_comes_too_late_for_a_candle_begins_a_new_epoch_once() {
    let (mut bench, mut outbox) = polled();
    let before = epoch(&mut bench);
    let line = back(&mut bench);
    bench.hear(line, "c R 14 open");
    bench.hear(line, "c R 14 open");
    bench.hear(line, "c R 14 closed");
    // From here on a line leaves out none but what the venue does not tell.
    bench.hear(line, "c R 16 open");
    let told = market(&mut outbox);
    assert_eq!(told, ["snapshot 0 14 open", "delta 1 14 open", "event 2 14 closed", "delta 3 16 open"]);
    assert_ne!(epoch(&mut bench), before);

    let (mut bench, mut outbox) = polled();
    let before = epoch(&mut bench);
    let line = back(&mut bench);
    bench.hear(line, "c R 12 closed");
    bench.hear(line, "c R 13 open");
    assert_eq!(market(&mut outbox), ["event 2 12 closed", "delta 3 13 open"], "none was missed");
    assert_eq!(epoch(&mut bench), before);
}

#[test]
fn a_candle_whose_end_only_the_slower_of_two_lines_tells_is_told_late() {
    let (mut bench, [a, b], _who, mut outbox) = pair("toy:candle:A");
    for line in [a, b] {
        bench.hear(line, "c A 1 open");
    }
    // The first line has lost the end of it.
    bench.hear(a, "c A 2 open");
    bench.hear(b, "c A 1 closed");
    let told = market(&mut outbox);
    assert_eq!(told, ["snapshot 0 1 open", "delta 1 2 open", "event 2 1 closed late"]);
    let (late, mut second) = Bench::reader(2, Overflow::Gap);
    bench.subscribe("toy:candle:A", &late);
    assert_eq!(market(&mut second), ["snapshot 2 2 open"], "what is shown does not go back");

    bench.hear(b, "c A 2 open");
    bench.hear(b, "c A 1 closed");
    bench.hear(a, "c A 1 closed");
    assert!(market(&mut outbox).is_empty(), "copies");
    bench.hear(a, "c A 2 closed");
    bench.hear(a, "c A 3 open");
    bench.hear(b, "c A 2 closed");
    bench.hear(a, "c A 4 open");
    bench.hear(b, "c A 3 open");
    bench.hear(b, "c A 3 closed");
    let told = market(&mut outbox);
    assert_eq!(told, ["event 3 2 closed", "delta 4 3 open", "delta 5 4 open", "event 6 3 closed late"]);
    let counts = bench.feed.status(bench.now).topics[0].counts;
    assert_eq!((counts.received, counts.duplicates), (13, 6));
}

#[test]
fn candles_that_closed_before_the_first_that_was_told_are_not() {
    let (mut bench, [a, b], _who, mut outbox) = pair("toy:candle:A");
    bench.hear(a, "c A 9 open");
    bench.hear(b, "c A 6 closed");
    bench.hear(b, "c A 7 open");
    assert_eq!(market(&mut outbox), ["snapshot 0 9 open"]);

    // Nor are those of before a cut, told after it.
    bench.hear(a, "c A 9 closed");
    bench.hear(a, "c A 11 open");
    market(&mut outbox);
    bench.cut(a);
    bench.cut(b);
    let line = back(&mut bench);
    bench.hear(line, "c A 10 closed");
    bench.hear(line, "c A 12 open");
    assert_eq!(market(&mut outbox), ["snapshot 0 12 open"]);
}
