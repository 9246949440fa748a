//! The ledger says what was fed: everything once, by what became of it.

use super::toy::{Bench, SECOND, live};
use crate::config::FeedConfig;
use crate::data::ledger::Counts;
use crate::feed::Memory;
use crate::outbox::Overflow;
use crate::rng::Rng;

fn total(bench: &Bench) -> Counts {
    let ledger = bench.feed.ledger(None);
    let sum = ledger.topics.iter().fold(Counts::default(), |mut sum, topic| {
        sum += topic.reading.total;
        sum
    });
    assert_eq!(sum, ledger.total);
    sum
}

#[test]
fn ids_are_received_repaired_lost_or_come_twice() {
    let (mut bench, line, _who, _outbox) = live("toy:trade:R");
    for id in [1, 2, 5, 5, 2] {
        bench.hear(line, &format!("t R {id} 1"));
    }
    assert_eq!(total(&bench), Counts { expected: 2, received: 2, duplicate: 2, ..Counts::default() });
    bench.pass(SECOND / 4);
    let (fetch, ..) = bench.backfill();
    bench.give(fetch, [3]);
    bench.pass(3 * SECOND);
    let expected = Counts { expected: 5, received: 3, duplicate: 2, repaired: 1, lost: 1, unverifiable: 0 };
    assert_eq!(total(&bench), expected);
    bench.hear(line, "t R 4 1");
    assert_eq!(total(&bench), Counts { lost: 0, repaired: 2, ..expected }, "it came late");
    let topic = "toy:trade:R".parse().unwrap();
    let one = bench.feed.ledger(Some(&topic));
    assert_eq!(
        (one.topics.len(), one.topics[0].completeness, one.topics[0].verifiable),
        (1, Some(1.0), true)
    );
}

#[test]
fn what_has_no_contiguous_ids_cannot_be_verified_and_books_count_what_was_applied() {
    let mut bench = Bench::new();
    let (who, _outbox) = Bench::reader(1, Overflow::Gap);
    bench.subscribe("toy:book:A", &who);
    bench.subscribe("toy:quote:A", &who);
    let line = bench.open();
    bench.accept(line, 1);
    for text in ["q A 3 1", "q A 9 1", "q A 9 1", "d A 10 11 95 1", "d A 12 12 96 1"] {
        bench.hear(line, text);
    }
    let fetch = bench.fetch();
    bench.answer(fetch, 10);
    bench.hear(line, "d A 13 13 97 1");
    bench.hear(line, "d A 13 13 97 1");
    let ledger = bench.feed.ledger(None);
    let of = |name: &str| {
        ledger.topics.iter().find(|topic| topic.topic.as_str() == name).map(|topic| topic.reading.total)
    };
    bench.subscribe("toy:trade:A", &who);
    let status = bench.feed.status(bench.now);
    let detection = |name: &str| {
        status.topics.iter().find(|topic| topic.topic.as_str() == name).map(|topic| topic.gap_detection)
    };
    let told = ["toy:trade:A", "toy:book:A", "toy:quote:A"].map(detection);
    assert_eq!(told, [Some("ids"), Some("chain"), Some("none")], "status says so");
    let quotes = Counts { received: 2, duplicate: 1, unverifiable: 2, ..Counts::default() };
    assert_eq!(of("toy:quote:A"), Some(quotes));
    let deltas = Counts { expected: 3, received: 3, duplicate: 1, ..Counts::default() };
    assert_eq!(of("toy:book:A"), Some(deltas));
}

#[test]
fn a_ledger_outlives_its_topic_and_a_crash() {
    let (mut bench, line, who, _outbox) = live("toy:trade:A");
    for id in 1..=5 {
        bench.hear(line, &format!("t A {id} 1"));
    }
    let memory: Memory = bench.feed.into_memory();
    let mut bench = Bench::with(FeedConfig::default(), memory);
    bench.pass(SECOND);
    assert_eq!(bench.feed.ledger(None).topics[0].reading.total.received, 5);
    bench.feed.leave(bench.now, who.id());
    bench.feed.command(bench.now, crate::feed::Command::Sweep);
    let ledger = bench.feed.ledger(None);
    assert_eq!((ledger.topics.len(), ledger.total.received), (0, 5));
}

/// Whatever is lost, doubled or moved on its way: what is told is what was fed.
#[test]
fn it_equals_what_was_fed() {
    for seed in 0..40 {
        let mut dice = Rng::new(seed);
        let (mut bench, line, _who, _outbox) = live("toy:trade:A");
        let mut fed: Vec<u64> = (1..=600).filter(|id| *id == 1 || dice.roll() > 0.1).collect();
        let ids = fed.len() as u64;
        for _ in 0..30 {
            let at = 1 + (dice.next_u64() as usize) % (fed.len() - 2);
            fed.swap(at, at + 1);
        }
        for _ in 0..20 {
            let at = (dice.next_u64() as usize) % fed.len();
            fed.push(fed[at]);
        }
        let last = *fed.iter().max().unwrap();
        for id in &fed {
            bench.hear(line, &format!("t A {id} 1"));
            if dice.roll() < 0.05 {
                bench.pass(SECOND);
            }
        }
        bench.pass(5 * SECOND);
        let counts = total(&bench);
        assert_eq!((counts.expected, counts.lost), (last, last - ids), "seed {seed}");
        assert_eq!((counts.received + counts.repaired, counts.duplicate), (ids, 20), "seed {seed}");
    }
}

#[test]
fn all_topics_are_told_in_sum_and_one_by_the_minute() {
    let (mut bench, line, _who, _outbox) = live("toy:trade:A");
    for id in 1..=3 {
        bench.hear(line, &format!("t A {id} 1"));
        bench.now = bench.now.later(60 * SECOND);
    }
    let (all, one) = (bench.feed.ledger_in_all(), bench.feed.ledger(Some(&"toy:trade:A".parse().unwrap())));
    assert_eq!((all.total, all.completeness), (one.total, one.completeness));
    let [all, one] = [&all.topics[0], &one.topics[0]];
    assert_eq!((all.reading.total, all.completeness), (one.reading.total, one.completeness));
    assert_eq!((all.reading.minutes.len(), one.reading.minutes.len()), (0, 3));
}
