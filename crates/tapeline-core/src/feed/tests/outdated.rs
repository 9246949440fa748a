//! What REST was asked for and tells no more; a book that keeps nobody else; what a process takes over of a hold.

use std::time::Duration;

use super::toy::{Bench, live};
use crate::config::FeedConfig;
use crate::feed::{Action, Command, Input, Memory};
use crate::outbox::Overflow;
use crate::policy::fault::Fault;
use crate::venue::{Fetch, Refusal};

const MS: Duration = Duration::from_millis(1);

/// Everything fails as told for a while on REST; the last word on the first topic, and how it counts.
fn polls_fail(pin: bool, fails: impl Fn(&str, u32) -> bool) -> (String, String) {
    let (mut bench, line, who, mut outbox) = live("toy:quote:R");
    for (n, symbol) in ["RA", "RB", "RC"].iter().enumerate() {
        bench.subscribe(&format!("toy:quote:{symbol}"), &who);
        bench.hear(line, &format!("ok {}", n + 2));
    }
    for symbol in ["R", "RA", "RB", "RC"] {
        bench.hear(line, &format!("q {symbol} 1 1"));
    }
    bench.cut(line);
    if pin {
        bench.feed.command(bench.now, Command::Pin { rung: crate::policy::ladder::Rung::Poll });
        bench.collect();
    }
    let mut told = Vec::new();
    for step in 0..6_600u32 {
        for action in std::mem::take(&mut bench.todo) {
            match action {
                Action::Dial { line, .. } => {
                    let (stage, fault, detail) = (crate::feed::Stage::Tcp, Fault::Transient, "no".into());
                    bench.input(Input::Failed { line, why: crate::feed::DialError { stage, fault, detail } });
                }
                Action::Fetch { id, topic, .. } if fails(topic.raw_symbol(), step) => {
                    bench.input(Input::Fetched { id, result: Err(Refusal::new(Fault::Server, "500")) });
                }
                Action::Fetch { id, .. } => bench.quote(id, i64::from(step) / 100 + 1),
                _ => {}
            }
        }
        bench.pass(100 * MS);
        let mut one = None;
        while let Some(update) = outbox.try_next() {
            if let crate::data::update::Data::Status(status) = &update.data
                && update.topic.raw_symbol() == "R"
            {
                one = Some(format!(
                    "{} s: {:?} {} {:?} {}",
                    step / 10,
                    status.level,
                    status.phase,
                    status.source,
                    status.reason
                ));
            }
        }
        told.extend(one);
    }
    let rung = bench.feed.status(bench.now).fallback.rung;
    let log: Vec<_> = bench
        .feed
        .records_after(0)
        .filter(|r| r.kind == "service" && r.entity.ends_with(":R"))
        .map(|r| format!("{}->{}", r.from, r.to))
        .collect();
    (told.last().cloned().unwrap_or_default(), format!("rung {rung}, service {log:?}"))
}

#[test]
fn a_topic_whose_polls_fail_is_not_called_polled() {
    let (told, log) = polls_fail(false, |symbol, step| symbol == "R" && step > 600);
    assert!(!told.contains("asked over REST"), "{told}; {log}");
}

#[test]
fn what_was_polled_grows_old_also_while_it_is_pinned() {
    let (told, log) = polls_fail(true, |_, step| step > 600);
    assert!(!told.contains("asked over REST"), "{told}; {log}");
}

#[test]
fn one_book_without_a_snapshot_does_not_keep_the_venue_on_rest() {
    let (mut bench, line, who, _outbox) = live("toy:trade:R");
    bench.subscribe("toy:book:RB", &who);
    bench.hear(line, "ok 2");
    bench.hear(line, "t R 1 1");
    bench.cut(line);
    let (mut open, mut request, mut id) = (None, 2, 1);
    let mut rungs = Vec::new();
    for step in 0..6_000u32 {
        for action in std::mem::take(&mut bench.todo) {
            match action {
                Action::Dial { line, .. } if step < 300 => {
                    let (stage, fault, detail) = (crate::feed::Stage::Tcp, Fault::Transient, "no".into());
                    bench.input(Input::Failed { line, why: crate::feed::DialError { stage, fault, detail } });
                }
                Action::Dial { line, .. } => {
                    open = Some(line);
                    bench.input(Input::Opened { line });
                }
                Action::Send { line, .. } => {
                    request += 1;
                    bench.hear(line, &format!("ok {request}"));
                }
                Action::Ping { line, payload } => bench.input(Input::Pong { line, payload: &payload }),
                Action::Fetch { id, why: Fetch::Snapshot, .. } => {
                    bench.input(Input::Fetched {
                        id,
                        result: Err(Refusal::new(Fault::Local, "this book only")),
                    });
                }
                Action::Fetch { id, .. } => {
                    bench.input(Input::Fetched { id, result: Ok(crate::venue::Decoded::default()) })
                }
                _ => {}
            }
        }
        if let Some(line) = open {
            id += 1;
            bench.hear(line, &format!("t R {id} 1"));
            bench.hear(line, &format!("d RB {id} {id} 95 1"));
        }
        bench.pass(100 * MS);
        let rung = bench.feed.status(bench.now).fallback.rung;
        if rungs.last().is_none_or(|(_, last)| *last != rung) {
            rungs.push((step / 10, rung));
        }
    }
    assert!(rungs.last().is_some_and(|(_, rung)| *rung == "primary" || *rung == "alternate"), "{rungs:?}");
}

#[test]
fn after_a_restart_too_one_request_goes_alone_when_a_hold_ends() {
    let now = Bench::new().now;
    let kept = crate::feed::Kept {
        at_ms: now.unix.0 / 1_000_000,
        rest_hold: Some(crate::feed::KeptHold { left_ms: 5_000, banned: true }),
        ..Default::default()
    };
    let mut bench = Bench::with(FeedConfig::default(), Memory::of_kept(kept));
    let (who, _outbox) = Bench::reader(1, Overflow::Gap);
    let symbols = ["R", "RA", "RB"];
    symbols.iter().for_each(|symbol| drop(bench.subscribe(&format!("toy:book:{symbol}"), &who)));
    let line = bench.open();
    bench.accept(line, 1);
    for symbol in symbols {
        bench.hear(line, &format!("d {symbol} 10 10 95 1"));
    }
    bench.todo.clear();
    bench.pass(5_100 * MS);
    let asked = bench.todo.iter().filter(|x| matches!(x, Action::Fetch { .. })).count();
    assert_eq!(asked, 1, "the same process would ask for one thing first");
}
