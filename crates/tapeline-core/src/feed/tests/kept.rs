//! What was used up of a venue's limits outlives the process, also if the wall clock was set meanwhile.

use std::time::Duration;

use super::toy::{Bench, SECOND, live};
use crate::config::FeedConfig;
use crate::feed::{Action, Command, DialError, Input, Kept, Memory, Stage};
use crate::outbox::Overflow;
use crate::policy::fault::Fault;
use crate::time::{Mono, Time, Unix};
use crate::venue::Refusal;

/// Another process, `later` by the wall clock (which may have been set back).
fn reborn(kept: &Kept, later: i64) -> Bench {
    let mut bench = Bench::with(FeedConfig::default(), Memory::of_kept(kept.clone()));
    let unix = Unix((kept.at_ms + later * 1_000) * 1_000_000);
    bench.now = Time { mono: Mono(3_600_000_000_000), unix };
    bench.pass(Duration::ZERO);
    bench
}

fn dials_left(bench: &mut Bench) -> usize {
    bench.feed.status(bench.now).dials_left
}

#[test]
fn a_hundred_processes_dial_no_more_often_than_one() {
    let (who, _outbox) = Bench::reader(1, Overflow::Gap);
    let mut kept = Kept::default();
    let mut dialled = Vec::new();
    for round in 0..100 {
        let mut bench = reborn(&kept, 1);
        bench.subscribe("toy:trade:A", &who);
        for _ in 0..8 {
            while let Some(action) = bench.todo.pop_front() {
                if let Action::Dial { line, .. } = action {
                    dialled.push(bench.now.unix.0);
                    let (stage, fault, detail) = (Stage::Tcp, Fault::Transient, "refused".into());
                    bench.input(Input::Failed { line, why: DialError { stage, fault, detail } });
                    bench.feed.command(bench.now, Command::Reconnect { slot: None });
                    bench.collect();
                }
            }
            bench.pass(SECOND / 4);
        }
        kept = bench.feed.kept(bench.now);
        assert!(kept.dials_ms.len() <= 150, "round {round}");
        let text = serde_json::to_string(&kept).unwrap();
        assert_eq!(serde_json::from_str::<Kept>(&text).unwrap(), kept);
    }
    let most = |from: &i64| dialled.iter().filter(|at| (*from..*from + 300_000_000_000).contains(at)).count();
    let most = dialled.iter().map(most).max().unwrap();
    assert!((100..=150).contains(&most), "{most} in 300 s");
}

#[test]
fn a_ban_lasts_over_a_restart_and_a_clock_that_went_backwards_shortens_nothing() {
    let (mut bench, line, _who, _outbox) = live("toy:book:A");
    bench.hear(line, "d A 1 1 95 1");
    let id = bench.fetch();
    let before = bench.feed.kept_mark();
    let fault = Fault::RateLimited { retry_after: Some(120 * SECOND), banned: true };
    bench.input(Input::Fetched { id, result: Err(Refusal::new(fault, "418")) });
    assert_ne!(bench.feed.kept_mark(), before);
    bench.pass(20 * SECOND);
    let kept = bench.feed.kept(bench.now);
    let held = |later: i64| {
        let mut bench = reborn(&kept, later);
        let status = bench.feed.status(bench.now);
        let rest = status.endpoints.iter().find(|endpoint| endpoint.protocol == "rest").unwrap();
        rest.held_ms / 1_000
    };
    let left = kept.rest_hold.unwrap().left_ms / 1_000;
    assert!((100..=112).contains(&left) && kept.rest_hold.unwrap().banned);
    assert_eq!((held(30), held(-1_000_000), held(1_000)), (left - 30, left, 0));
}

#[test]
fn dials_and_weight_that_were_used_are_used() {
    let (mut bench, line, _who, _outbox) = live("toy:book:A");
    let at_start = dials_left(&mut Bench::new());
    bench.hear(line, "d A 1 1 95 1");
    bench.fetch();
    let kept = bench.feed.kept(bench.now);
    assert_eq!((kept.dials_ms.len(), kept.weight), (1, 10));
    let left = |later| {
        let mut bench = reborn(&kept, later);
        (dials_left(&mut bench), bench.feed.status(bench.now).weight_left)
    };
    assert_eq!(left(1), (at_start - 1, 70));
    assert_eq!(left(-50), (at_start - 1, 70));
    assert_eq!(left(61), (at_start - 1, 80));
    // It may have reached the venue as late as it would have been given up, so that it counts there until then.
    assert_eq!(left(305), (at_start - 1, 80));
    assert_eq!(left(311), (at_start, 80));
}

#[test]
fn a_line_that_waits_for_the_budget_of_dials_says_so_and_until_when() {
    let (who, _outbox) = Bench::reader(1, Overflow::Gap);
    let before = Kept { dials_ms: vec![20_000; 150], ..Kept::default() };
    let mut bench = reborn(&before, 0);
    bench.subscribe("toy:trade:A", &who);
    let words = "the budget of dials is used up (150 in 310 s); the next is free at 00:04:50 UTC";
    let status = bench.feed.status(bench.now);
    let line = &status.lines[0];
    assert_eq!(
        (line.phase, line.dial_in_ms, line.reason.as_deref()),
        ("waiting", Some(290_000), Some(words))
    );
    assert_eq!(&*status.topics[0].reason, "the budget of dials is used up");
    let events = |bench: &mut Bench| {
        let events = bench.feed.status(bench.now).events;
        events.iter().filter(|event| &*event.entity == "line 0" && &*event.cause == words).count()
    };
    assert_eq!(events(&mut bench), 1);
    bench.pass(60 * SECOND);
    let status = bench.feed.status(bench.now);
    assert_eq!(status.fallback.reason, "no line is live: the budget of dials is used up");
    let found = bench.feed.findings(bench.now).all;
    assert!(found.iter().any(|found| found.evidence.ends_with(words)), "{found:?}");
    bench.pass(231 * SECOND);
    assert!(bench.todo.iter().any(|action| matches!(action, Action::Dial { .. })));
    assert_eq!(bench.feed.status(bench.now).lines[0].reason, None);
    assert_eq!(events(&mut bench), 1);
}
