//! Missed events that the venue still has: in order if they come in time, marked late if not, declared if nobody has
//! them.

use std::time::Duration;

use super::toy::{Bench, SECOND, live, market, read};
use crate::config::FeedConfig;
use crate::feed::{Action, FetchId, Input, Memory};
use crate::outbox::Overflow;
use crate::policy::fault::Fault;
use crate::venue::{Fetch, LineId, Refusal};

fn hear(bench: &mut Bench, line: LineId, ids: impl IntoIterator<Item = u64>) {
    for id in ids {
        bench.hear(line, &format!("t R {id} 1"));
    }
}

fn refuse(bench: &mut Bench, fetch: FetchId, fault: Fault) {
    bench.input(Input::Fetched { id: fetch, result: Err(Refusal::new(fault, "not now")) });
}

/// The line is cut, and the next one is open.
fn reconnect(bench: &mut Bench, line: LineId) -> LineId {
    bench.cut(line);
    bench.pass(2 * SECOND);
    let line = bench.open();
    bench.accept(line, 2);
    line
}

#[test]
fn a_hole_is_filled_from_what_the_venue_keeps() {
    let (mut bench, line, _who, mut outbox) = live("toy:trade:R");
    hear(&mut bench, line, [1, 2, 5]);
    assert!(bench.todo.is_empty(), "it may only be out of order");
    bench.pass(Duration::from_millis(250));
    let (fetch, from, to) = bench.backfill();
    assert_eq!((from, to), (3, 4));
    hear(&mut bench, line, [6]);
    bench.give(fetch, 3..=9);
    hear(&mut bench, line, [7]);
    let told = ["event 1 id=1", "event 2 id=2", "event 3 id=3 repair", "event 4 id=4 repair"];
    let rest = ["event 5 id=5", "event 6 id=6", "event 7 id=7"];
    assert_eq!(market(&mut outbox), [&told[..], &rest[..]].concat());
    let counts = bench.feed.status(bench.now).topics[0].counts;
    assert_eq!((counts.lost, counts.gaps, counts.repaired), (0, 0, 2));
}

#[test]
fn many_holes_are_filled_by_one_request() {
    let (mut bench, line, _who, mut outbox) = live("toy:trade:R");
    hear(&mut bench, line, [1, 3, 5, 6, 9, 10]);
    bench.pass(Duration::from_millis(250));
    let (fetch, from, to) = bench.backfill();
    assert_eq!((from, to), (2, 8));
    bench.give(fetch, 2..=8);
    let told = market(&mut outbox);
    let ids: Vec<_> = told.iter().filter_map(|line| line.split("id=").nth(1)).collect();
    let expected = ["1", "2 repair", "3", "4 repair", "5", "6", "7 repair", "8 repair", "9", "10"];
    assert_eq!(ids, expected);
    let counts = bench.feed.status(bench.now).topics[0].counts;
    assert_eq!((counts.repaired, counts.duplicates, counts.lost), (4, 0, 0));
}

#[test]
fn one_that_was_only_out_of_order_is_not_asked_for() {
    let (mut bench, line, _who, mut outbox) = live("toy:trade:R");
    hear(&mut bench, line, [1, 3, 2]);
    bench.pass(SECOND);
    assert_eq!(market(&mut outbox), ["event 1 id=1", "event 2 id=2", "event 3 id=3"]);
    assert!(bench.todo.is_empty());
}

#[test]
fn what_a_cut_line_missed_is_asked_for_at_once_and_comes_before_what_follows() {
    let (mut bench, line, _who, mut outbox) = live("toy:trade:R");
    hear(&mut bench, line, [1]);
    let line = reconnect(&mut bench, line);
    hear(&mut bench, line, [501]);
    let (fetch, from, to) = bench.backfill();
    assert_eq!((from, to), (2, 500));
    bench.pass(5 * SECOND);
    assert_eq!(market(&mut outbox), ["event 1 id=1"], "an outage is given more time than a swap");
    assert!(read(&mut outbox).is_empty());
    bench.give(fetch, 2..=301);
    let (fetch, from, to) = bench.backfill();
    assert_eq!((from, to), (302, 500), "the rest is asked for");
    bench.give(fetch, 302..=500);
    hear(&mut bench, line, [502]);
    let told = market(&mut outbox);
    let expected =
        (2..=502).map(|id| format!("event {id} id={id}{}", if id <= 500 { " repair" } else { "" }));
    assert_eq!(told, expected.collect::<Vec<_>>());
    assert_eq!(bench.feed.status(bench.now).topics[0].counts.gaps, 0);
}

#[test]
fn a_hole_that_is_filled_while_no_line_stands_does_not_end_the_outage() {
    let (mut bench, line, _who, mut outbox) = live("toy:trade:R");
    hear(&mut bench, line, [1, 2, 5]);
    bench.pass(Duration::from_millis(250));
    let (fetch, ..) = bench.backfill();
    bench.cut(line);
    bench.give(fetch, 3..=4);
    bench.pass(2 * SECOND);
    let line = bench.open();
    bench.accept(line, 2);
    hear(&mut bench, line, [9]);
    let (fetch, from, to) = bench.backfill();
    assert_eq!((from, to), (6, 8), "at once");
    bench.pass(5 * SECOND);
    bench.give(fetch, 6..=8);
    assert_eq!(market(&mut outbox).last().map(String::as_str), Some("event 9 id=9"), "nothing was given up");
}

#[test]
fn what_comes_after_it_was_declared_is_late() {
    let (mut bench, line, _who, mut outbox) = live("toy:trade:R");
    hear(&mut bench, line, [1]);
    let line = reconnect(&mut bench, line);
    hear(&mut bench, line, [4]);
    let (fetch, ..) = bench.backfill();
    refuse(&mut bench, fetch, Fault::Server);
    for _ in 0..4 {
        bench.pass(8 * SECOND);
        while let Some(again) = bench.todo.pop_front() {
            if let crate::feed::Action::Fetch { id, .. } = again {
                refuse(&mut bench, id, Fault::Server);
            }
        }
    }
    assert_eq!(market(&mut outbox), ["event 1 id=1", "gap 2 2-3", "event 3 id=4"]);
    assert_eq!(bench.feed.status(bench.now).topics[0].counts.lost, 2);
    let asked = (0..60).find_map(|_| {
        bench.pass(SECOND);
        bench.todo.drain(..).find_map(|action| match action {
            crate::feed::Action::Fetch { id, .. } => Some(id),
            _ => None,
        })
    });
    bench.give(asked.expect("it is tried on"), 2..=3);
    assert_eq!(market(&mut outbox), ["event 4 id=2 late", "event 5 id=3 late"]);
    let counts = bench.feed.status(bench.now).topics[0].counts;
    assert_eq!((counts.lost, counts.repaired), (0, 2));
}

#[test]
fn a_new_hole_does_not_wait_for_what_became_of_an_old_one() {
    let (mut bench, line, _who, mut outbox) = live("toy:trade:R");
    hear(&mut bench, line, [1]);
    let line = reconnect(&mut bench, line);
    hear(&mut bench, line, [4]);
    // The old one is asked for again and again, later each time, and declared at last.
    for id in 5..50 {
        while let Some(action) = bench.todo.pop_front() {
            if let crate::feed::Action::Fetch { id, .. } = action {
                refuse(&mut bench, id, Fault::Local);
            }
        }
        bench.pass(SECOND);
        hear(&mut bench, line, [id]);
    }
    assert!(market(&mut outbox).contains(&"gap 2 2-3".to_owned()));
    bench.todo.clear();
    let line = reconnect(&mut bench, line);
    hear(&mut bench, line, [53]);
    let (fetch, from, to) = bench.backfill();
    assert_eq!((from, to), (50, 52));
    bench.give(fetch, 50..=52);
    assert_eq!(market(&mut outbox).len(), 4);
}

#[test]
fn what_the_venue_does_not_have_is_declared_without_further_waiting() {
    let (mut bench, line, _who, mut outbox) = live("toy:trade:R");
    hear(&mut bench, line, [1, 6]);
    bench.pass(Duration::from_millis(250));
    let (fetch, ..) = bench.backfill();
    bench.give(fetch, [2, 3, 5]);
    let told = ["event 1 id=1", "event 2 id=2 repair", "event 3 id=3 repair", "gap 4 4-4"];
    let rest = ["event 5 id=5 repair", "event 6 id=6"];
    assert_eq!(market(&mut outbox), [&told[..], &rest[..]].concat());
    bench.pass(60 * SECOND);
    let again = |action: &crate::feed::Action| {
        matches!(action, crate::feed::Action::Fetch { why: crate::venue::Fetch::Backfill { .. }, .. })
    };
    assert!(!bench.todo.iter().any(again));
}

#[test]
fn a_venue_that_keeps_nothing_is_not_asked_and_not_waited_for() {
    let (mut bench, line, _who, mut outbox) = live("toy:trade:A");
    bench.hear(line, "t A 1 1");
    let line = reconnect(&mut bench, line);
    bench.hear(line, "t A 4 1");
    bench.pass(2 * SECOND);
    assert_eq!(market(&mut outbox), ["event 1 id=1", "gap 2 2-3", "event 3 id=4"]);
    assert!(bench.todo.is_empty());
}

#[test]
fn a_pause_that_the_venue_asks_for_is_kept() {
    let (mut bench, line, _who, _outbox) = live("toy:trade:R");
    hear(&mut bench, line, [1, 4]);
    bench.pass(Duration::from_millis(250));
    let (fetch, ..) = bench.backfill();
    let retry_after = Some(20 * SECOND);
    refuse(&mut bench, fetch, Fault::RateLimited { retry_after, banned: false });
    bench.pass(20 * SECOND);
    assert!(bench.todo.is_empty());
    bench.pass(3 * SECOND);
    assert_eq!(bench.backfill().1, 2);
}

#[test]
fn a_long_hold_takes_no_range_its_turn() {
    let (mut bench, line, _who, mut outbox) = live("toy:trade:R");
    hear(&mut bench, line, [1, 3, 4, 7]);
    bench.pass(Duration::from_millis(250));
    let (fetch, ..) = bench.backfill();
    let retry_after = Some(600 * SECOND);
    refuse(&mut bench, fetch, Fault::RateLimited { retry_after, banned: false });
    for id in 8..608 {
        hear(&mut bench, line, [id]);
        bench.pass(SECOND);
        assert!(bench.todo.is_empty());
    }
    market(&mut outbox);
    for second in 608..700 {
        hear(&mut bench, line, [second]);
        bench.pass(SECOND);
        while let Some(action) = bench.todo.pop_front() {
            if let Action::Fetch { id, why: Fetch::Backfill { from, to }, .. } = action {
                bench.give(id, from..=to);
            }
        }
    }
    let late: Vec<_> = market(&mut outbox).into_iter().filter(|line| line.ends_with("late")).collect();
    let ids: Vec<_> = late.iter().filter_map(|line| line.split("id=").nth(1)).collect();
    assert_eq!(ids, ["2 late", "5 late", "6 late"]);
}

#[test]
fn what_nobody_waits_for_is_asked_for_no_longer_than_it_is_of_use() {
    let (mut bench, line, _who, mut outbox) = live("toy:trade:R");
    hear(&mut bench, line, [1]);
    let line = reconnect(&mut bench, line);
    hear(&mut bench, line, [3_000_000]);
    let mut asked = 0;
    for id in 3_000_001..3_001_800 {
        while let Some(action) = bench.todo.pop_front() {
            if let Action::Fetch { id, why: Fetch::Backfill { from, .. }, .. } = action {
                asked += 1;
                bench.give(id, from..from + 10);
            }
        }
        hear(&mut bench, line, [id]);
        bench.pass(SECOND);
        market(&mut outbox);
    }
    assert_eq!(asked, 301, "every reply brought something");
}

#[test]
fn a_range_that_nobody_has_does_not_stand_before_the_others() {
    let (mut bench, line, _who, mut outbox) = live("toy:trade:R");
    hear(&mut bench, line, [1, 4]);
    let mut asked = Vec::new();
    for second in 0..60 {
        if second == 10 {
            hear(&mut bench, line, [5, 8]);
        }
        bench.pass(SECOND);
        while let Some(action) = bench.todo.pop_front() {
            if let Action::Fetch { id, why: Fetch::Backfill { from, to }, .. } = action {
                asked.push(from);
                let told = if second > 20 && from > 2 { from..to + 1 } else { 0..0 };
                bench.give(id, told);
            }
        }
        if second >= 20 {
            hear(&mut bench, line, [second - 11]);
        }
    }
    let told = market(&mut outbox);
    assert!(told.iter().any(|line| line.ends_with("id=6 late")), "{asked:?} {told:?}");
    assert_eq!(bench.feed.status(bench.now).topics[0].counts.lost, 2);
}

/// The topic of the next request, and the request.
fn next_asked(bench: &mut Bench) -> (String, FetchId) {
    match bench.todo.pop_front() {
        Some(Action::Fetch { id, topic, .. }) => (topic.raw_symbol().to_owned(), id),
        other => panic!("expected a request, got {other:?}"),
    }
}

#[test]
fn the_topic_whose_readers_wait_longest_is_asked_for_first() {
    let (mut bench, line, who, _outbox) = live("toy:trade:R");
    bench.subscribe("toy:trade:R1", &who);
    bench.subscribe("toy:trade:R2", &who);
    bench.pass(SECOND);
    bench.accept(line, 2);
    bench.todo.clear();
    let one = |bench: &mut Bench, symbol: &str, ids: &[u64]| {
        ids.iter().for_each(|id| bench.hear(line, &format!("t {symbol} {id} 1")));
    };
    // Something of the first topic was missed long ago, so that its turn was long ago, too.
    one(&mut bench, "R", &[1, 4]);
    for _ in 0..8 {
        bench.pass(SECOND);
        while !bench.todo.is_empty() {
            let (_, id) = next_asked(&mut bench);
            bench.give(id, []);
        }
    }
    one(&mut bench, "R", &[6]);
    bench.pass(Duration::from_millis(250));
    let (topic, first) = next_asked(&mut bench);
    assert_eq!(topic, "R");
    for symbol in ["R1", "R2"] {
        one(&mut bench, symbol, &[1, 3]);
    }
    bench.pass(Duration::from_millis(250));
    let (topic, _) = next_asked(&mut bench);
    assert_eq!((topic.as_str(), bench.todo.len()), ("R1", 0), "two at once");
    one(&mut bench, "R", &[8]);
    bench.give(first, [5]);
    assert_eq!(next_asked(&mut bench).0, "R2");
}

#[test]
fn only_the_hosts_that_are_configured_count() {
    let config = FeedConfig { rest: vec!["https://without".into()], ..FeedConfig::default() };
    let mut bench = Bench::with(config, Memory::default());
    let (who, mut outbox) = Bench::reader(1, crate::outbox::Overflow::Gap);
    bench.subscribe("toy:trade:R", &who);
    let line = bench.open();
    bench.accept(line, 1);
    hear(&mut bench, line, [1]);
    let line = reconnect(&mut bench, line);
    hear(&mut bench, line, [4]);
    bench.pass(2 * SECOND);
    assert_eq!(market(&mut outbox), ["event 1 id=1", "gap 2 2-3", "event 3 id=4"], "not waited for");
}

#[test]
fn an_old_id_is_a_copy_also_while_others_are_held_back() {
    let mut bench = Bench::new();
    let (who, mut outbox) = Bench::reader(1, Overflow::Gap);
    bench.subscribe("toy:trade:A", &who);
    let line = bench.open();
    bench.accept(line, 1);
    for id in [5_000, 5_001, 5_003] {
        bench.hear(line, &format!("t A {id} 1"));
    }
    // The toy's venue time is its id; a regression in both is a copy, not a reset.
    bench.hear(line, "t A 7 1");
    bench.pass(3 * SECOND);
    let told = ["event 1 id=5000", "event 2 id=5001", "gap 3 5002-5002", "event 4 id=5003"];
    assert_eq!(market(&mut outbox), told);
}
