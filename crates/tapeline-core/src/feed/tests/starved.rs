//! What keeps missed events from being asked for, or from being asked for in time: the budget, a hold, each other.

use std::time::Duration;

use super::toy::{Bench, SECOND, live, market};
use crate::config::FeedConfig;
use crate::feed::{Action, Input};
use crate::policy::fault::Fault;
use crate::venue::{Fetch, Refusal};

const MS: Duration = Duration::from_millis(1);

#[test]
fn what_is_late_anyway_does_not_hold_back_what_readers_wait_for() {
    let (mut bench, line, _who, mut outbox) = live("toy:trade:R");
    bench.hear(line, "t R 1 1");
    bench.hear(line, "t R 4 1");
    let mut used = Some(50);
    let mut last = 4;
    for _ in 0..8 {
        bench.pass(SECOND);
        while let Some(action) = bench.todo.pop_front() {
            if let Action::Fetch { id, .. } = action {
                let refusal = Refusal { used: used.take(), ..Refusal::new(Fault::Local, "no") };
                bench.input(Input::Fetched { id, result: Err(refusal) });
            }
        }
        last += 1;
        bench.hear(line, &format!("t R {last} 1"));
    }
    market(&mut outbox);
    bench.todo.clear();
    // 80 - ~52 = 28 are left: more than 2 + a reserve of 8.
    bench.hear(line, &format!("t R {} 1", last + 3));
    bench.pass(1_500 * MS);
    let asked = bench.todo.iter().any(|a| matches!(a, Action::Fetch { why: Fetch::Backfill { .. }, .. }));
    bench.pass(SECOND);
    assert!(asked, "not asked for, and {:?}", market(&mut outbox));
}

#[test]
fn a_reply_that_brings_only_what_is_held_is_not_asked_for_again_at_once() {
    let (mut bench, line, _who, _outbox) = live("toy:trade:R");
    for id in [1, 3, 5] {
        bench.hear(line, &format!("t R {id} 1"));
    }
    let mut asked = 0;
    for _ in 0..40 {
        bench.pass(50 * MS);
        while let Some(action) = bench.todo.pop_front() {
            if let Action::Fetch { id, .. } = action {
                asked += 1;
                bench.give(id, [3]);
            }
        }
    }
    assert!(asked < 6, "asked {asked} times in 2 s");
}

#[test]
fn after_a_long_hold_a_range_of_several_replies_is_asked_for_to_its_end() {
    let (mut bench, line, _who, mut outbox) = live("toy:trade:R");
    for id in [1, 2_502, 2_503, 2_505] {
        bench.hear(line, &format!("t R {id} 1"));
    }
    bench.pass(250 * MS);
    let (fetch, ..) = bench.backfill();
    let fault = Fault::RateLimited { retry_after: Some(600 * SECOND), banned: false };
    bench.input(Input::Fetched { id: fetch, result: Err(Refusal::new(fault, "429")) });
    let mut asked = Vec::new();
    for id in 2_506..3_406 {
        bench.hear(line, &format!("t R {id} 1"));
        bench.pass(SECOND);
        while let Some(action) = bench.todo.pop_front() {
            if let Action::Fetch { id, why: Fetch::Backfill { from, to }, .. } = action {
                asked.push((from, to));
                bench.give(id, from..=to.min(from + 499));
            }
        }
        market(&mut outbox);
    }
    let lost = bench.feed.status(bench.now).topics[0].counts.lost;
    assert_eq!(lost, 0, "asked {asked:?}");
}

#[test]
fn a_hundred_holes_are_all_remembered() {
    let (mut bench, line, _who, mut outbox) = live("toy:trade:R");
    bench.hear(line, "t R 1 1");
    bench.hear(line, "t R 3 1");
    bench.pass(250 * MS);
    let (fetch, ..) = bench.backfill();
    let fault = Fault::RateLimited { retry_after: Some(60 * SECOND), banned: false };
    bench.input(Input::Fetched { id: fetch, result: Err(Refusal::new(fault, "429")) });
    let mut late = 0;
    for second in 0..600u64 {
        // Two of twenty a second are lost, for a minute.
        for n in 0..10u64 {
            let id = 4 + second * 10 + n;
            if second < 55 && (n == 3 || n == 7) {
                continue;
            }
            bench.hear(line, &format!("t R {id} 1"));
        }
        bench.pass(SECOND);
        while let Some(action) = bench.todo.pop_front() {
            match action {
                Action::Fetch { id, why: Fetch::Backfill { from, to }, .. } => bench.give(id, from..=to),
                Action::Ping { line, payload } => bench.input(Input::Pong { line, payload: &payload }),
                _ => {}
            }
        }
        late += market(&mut outbox).iter().filter(|l| l.ends_with("late") || l.ends_with("repair")).count();
    }
    let lost = bench.feed.status(bench.now).topics[0].counts.lost;
    assert_eq!(lost, 0, "of 111 holes {late} were filled, the venue has all of them and answers");
}

#[test]
fn slow_requests_for_what_is_late_leave_a_place_for_what_readers_wait_for() {
    let (mut bench, line, who, mut outbox) = live("toy:trade:R");
    for (n, symbol) in ["RA", "RB"].iter().enumerate() {
        bench.subscribe(&format!("toy:trade:{symbol}"), &who);
        bench.hear(line, &format!("ok {}", n + 2));
    }
    bench.todo.clear();
    bench.hear(line, "t R 1 1");
    for symbol in ["RA", "RB"] {
        bench.hear(line, &format!("t {symbol} 1 1"));
        bench.hear(line, &format!("t {symbol} 3 1"));
    }
    // Refused at first, declared after two seconds, asked for again while late.
    let mut late = Vec::new();
    for _ in 0..200 {
        bench.pass(50 * MS);
        let declared = bench.feed.status(bench.now).topics.iter().map(|t| t.counts.gaps).sum::<u64>() == 2;
        while let Some(action) = bench.todo.pop_front() {
            if let Action::Fetch { id, .. } = action {
                if declared {
                    late.push(id);
                } else {
                    bench.input(Input::Fetched { id, result: Err(Refusal::new(Fault::Local, "no")) });
                }
            }
        }
    }
    assert_eq!(late.len(), 1, "one at a time");
    market(&mut outbox);
    // Each reply takes two seconds from here on.
    bench.hear(line, "t R 3 1");
    bench.pass(1_500 * MS);
    let asked = bench.todo.iter().any(|a| matches!(a, Action::Fetch { .. }));
    assert!(asked, "the hole that readers wait for is not even asked for");
}

#[test]
fn what_was_declared_missing_is_asked_for_after_a_crash_too() {
    let (mut bench, line, who, mut outbox) = live("toy:trade:R");
    bench.hear(line, "t R 1 1");
    bench.hear(line, "t R 4 1");
    bench.pass(250 * MS);
    let (fetch, ..) = bench.backfill();
    let fault = Fault::RateLimited { retry_after: Some(5 * SECOND), banned: false };
    bench.input(Input::Fetched { id: fetch, result: Err(Refusal::new(fault, "429")) });
    bench.pass(3 * SECOND);
    bench.hear(line, "t R 5 1");
    assert!(market(&mut outbox).contains(&"gap 2 2-3".to_owned()));
    let Bench { feed, now, .. } = bench;
    let mut bench = Bench::with(FeedConfig::default(), feed.into_memory());
    bench.now = now;
    bench.pass(100 * MS);
    let line = bench.open();
    bench.accept(line, 1);
    let mut asked = Vec::new();
    for id in 8..100 {
        bench.hear(line, &format!("t R {id} 1"));
        bench.pass(SECOND);
        while let Some(action) = bench.todo.pop_front() {
            if let Action::Fetch { id, why: Fetch::Backfill { from, to }, .. } = action {
                asked.push((from, to));
                bench.give(id, from..=to);
            }
        }
    }
    drop(who);
    let lost = bench.feed.ledger(None).total.lost;
    assert_eq!(lost, 0, "asked for {asked:?}");
}
