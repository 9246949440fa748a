//! What is wrong with a feed, as alerts are told of it.

use super::pair::pair;
use super::poll::{fallen, turn};
use super::toy::{Bench, SECOND, live};
use crate::data::update::Level;
use crate::feed::{Action, DialError, Findings, Input, Stage};
use crate::outbox::{Outbox, Overflow, Subscriber};
use crate::policy::alert::Rule;
use crate::policy::fault::Fault;
use crate::venue::Refusal;

fn found(bench: &mut Bench) -> Vec<(Rule, String, Level)> {
    let Findings { all, .. } = bench.feed.findings(bench.now);
    all.into_iter().map(|found| (found.rule, found.part.into(), found.level)).collect()
}

fn has(bench: &mut Bench, rule: Rule, part: &str) -> bool {
    found(bench).iter().any(|(found, at, _)| (*found, at.as_str()) == (rule, part))
}

#[test]
fn nothing_is_wrong_with_a_feed_that_serves() {
    let (mut bench, line, _who, _outbox) = live("toy:trade:A");
    bench.hear(line, "t A 1 1");
    assert_eq!(found(&mut bench), []);
    let findings = bench.feed.findings(bench.now);
    assert!(findings.wanted && !findings.local);
    assert_eq!(findings.topics, [(1, Level::Healthy)], "one reads it");
}

#[test]
fn the_rung_tells_whether_it_is_polled_or_down() {
    let (mut bench, first, _who, _outbox) = fallen();
    assert!(found(&mut bench).contains(&(Rule::Fallback, String::new(), Level::Degraded)));
    bench.input(Input::Fetched { id: first, result: Err(Refusal::new(Fault::Server, "503")) });
    for _ in 0..80 {
        bench.pass(SECOND / 2);
        for (id, _) in turn(&mut bench, true) {
            bench.input(Input::Fetched { id, result: Err(Refusal::new(Fault::Server, "503")) });
        }
    }
    assert!(found(&mut bench).contains(&(Rule::VenueDown, String::new(), Level::Critical)));
    assert!(!has(&mut bench, Rule::Fallback, ""));
}

#[test]
fn one_of_two_lines_gaps_and_bans_are_named_with_their_part() {
    let (mut bench, [a, b], _who, _outbox) = pair("toy:trade:A");
    bench.hear(a, "t A 1 1");
    bench.hear(b, "t A 1 1");
    bench.cut(a);
    assert!(has(&mut bench, Rule::LineLost, "line 0"));
    bench.hear(b, "t A 5 1");
    bench.pass(3 * SECOND);
    assert!(has(&mut bench, Rule::Gaps, "toy:trade:A"));
    let (mut bench, line, _who, _outbox) = live("toy:book:A");
    bench.hear(line, "d A 1 1 95 1");
    let id = bench.fetch();
    let fault = Fault::RateLimited { retry_after: Some(120 * SECOND), banned: true };
    bench.input(Input::Fetched { id, result: Err(Refusal::new(fault, "418")) });
    assert!(has(&mut bench, Rule::Banned, ""));
}

#[test]
fn a_line_that_stopped_for_good_and_a_machine_without_a_network_are_told_apart() {
    for (fault, halted, local) in [(Fault::Configuration, true, false), (Fault::Local, false, true)] {
        let mut bench = Bench::new();
        let (who, _outbox) = Bench::reader(1, Overflow::Gap);
        bench.subscribe("toy:trade:A", &who);
        let line = bench.dial();
        let (stage, detail) = (Stage::Dns, "no such host".into());
        bench.input(Input::Failed { line, why: DialError { stage, fault, detail } });
        assert_eq!(has(&mut bench, Rule::LineHalted, "line 0"), halted);
        assert_eq!(bench.feed.findings(bench.now).local, local);
    }
}

/// A venue that will have no more requests for a while, but bans nobody.
fn limited() -> Bench {
    let (mut bench, line, ..) = live("toy:book:A");
    bench.hear(line, "d A 1 1 95 1");
    let id = bench.fetch();
    let fault = Fault::RateLimited { retry_after: Some(120 * SECOND), banned: false };
    bench.input(Input::Fetched { id, result: Err(Refusal::new(fault, "429")) });
    bench
}

/// A rule, the part that it names, and what lets it happen.
type Case<T> = (Rule, &'static str, fn() -> T);

/// An endpoint that is left alone.
fn shut() -> Bench {
    let (mut bench, ..) = live("toy:trade:A");
    bench.feed.gate.streams[0].breaker.force_open(bench.now.mono);
    bench
}

#[test]
fn a_limit_that_bans_nobody_and_an_endpoint_left_alone_are_named_with_their_part() {
    let cases: [Case<Bench>; 2] =
        [(Rule::RateLimited, "REST requests", limited), (Rule::BreakerOpen, "ws://a", shut)];
    for (rule, part, happen) in cases {
        let mut bench = happen();
        let all = found(&mut bench);
        assert!(has(&mut bench, rule, part), "{}: {all:?}", rule.name());
    }
}

/// A feed, and its reader.
type Held = (Bench, Subscriber, Outbox);

/// A line that serves for half a minute at a time.
fn unsteady() -> Held {
    let (mut bench, mut line, who, outbox) = live("toy:trade:A");
    for id in 1..=90 {
        bench.hear(line, &format!("t A {id} 1"));
        bench.pass(SECOND);
        if id % 30 == 0 {
            bench.cut(line);
            bench.pass(2 * SECOND);
            line = bench.open();
            bench.accept(line, 1 + id / 30);
        }
    }
    (bench, who, outbox)
}

/// Trades that were missed, which the venue is asked for in vain.
fn unfilled() -> Held {
    let (mut bench, line, who, outbox) = live("toy:trade:R");
    for id in [1, 2, 3, 20] {
        bench.hear(line, &format!("t R {id} 1"));
    }
    for id in 21..=80 {
        for action in std::mem::take(&mut bench.todo) {
            if let Action::Fetch { id, .. } = action {
                bench.input(Input::Fetched { id, result: Err(Refusal::new(Fault::Server, "503")) });
            }
        }
        if found(&mut bench).iter().any(|(rule, ..)| *rule == Rule::RepairFailed) {
            break;
        }
        bench.pass(SECOND / 10);
        bench.hear(line, &format!("t R {id} 1"));
    }
    (bench, who, outbox)
}

/// Messages of which `bad` of 200 cannot be read: too few for the line to be given up.
fn garbled(bad: u64) -> Held {
    let (mut bench, line, who, outbox) = live("toy:trade:A");
    for id in 1..=200 {
        bench.hear(line, &format!("t A {id} 1"));
        if id <= bad {
            bench.hear(line, "t A nonsense 1");
        }
    }
    (bench, who, outbox)
}

#[test]
fn messages_that_cannot_be_read_are_named_by_their_share_until_a_minute_has_passed() {
    let told = |bench: &mut Bench| {
        let mut all = bench.feed.findings(bench.now).all.into_iter();
        let found = all.find(|found| found.rule == Rule::Undecodable)?;
        assert_eq!(&*found.part, "line 0");
        Some((found.level, found.evidence))
    };
    assert_eq!(told(&mut garbled(0).0), None);
    let (mut bench, _who, _outbox) = garbled(1);
    let words = |bad| format!("{bad} of {} frames in 60 s could not be decoded", 201 + bad);
    assert_eq!(told(&mut bench), Some((Level::Warning, words(1))));
    let (mut bench, _who, _outbox) = garbled(3);
    assert_eq!(told(&mut bench), Some((Level::Degraded, words(3))), "more than one in a hundred");
    bench.pass(75 * SECOND);
    assert_eq!(told(&mut bench), None);
}

#[test]
fn a_line_that_does_not_hold_and_trades_that_are_not_given_are_named() {
    let cases: [Case<Held>; 2] =
        [(Rule::Unstable, "line 0", unsteady), (Rule::RepairFailed, "toy:trade:R", unfilled)];
    let failed = cases.into_iter().filter(|(rule, part, happen)| !has(&mut happen().0, *rule, part));
    assert_eq!(failed.map(|(rule, ..)| rule.name()).collect::<Vec<_>>(), [""; 0]);
}
