//! What is wrong with single topics: how bad it is, how it is named, and what the whole says of it.

use super::toy::{Bench, SECOND, live};
use crate::data::update::{Data, Level};
use crate::feed::{Action, FeedStatus, Findings, Input};
use crate::outbox::{Outbox, Overflow};
use crate::policy::alert::Rule;
use crate::policy::fault::Fault;
use crate::policy::health::{Dimension, Reason};
use crate::venue::{LineId, Refusal};

/// Seconds in which trades of another symbol and pongs show that the line is well, while REST refuses all it is asked for.
fn refusing(bench: &mut Bench, line: LineId, seconds: std::ops::Range<u64>) {
    for id in seconds {
        bench.hear(line, &format!("t B {id} 1"));
        bench.pass(SECOND);
        for action in std::mem::take(&mut bench.todo) {
            match action {
                Action::Ping { payload, .. } => bench.input(Input::Pong { line, payload: &payload }),
                Action::Fetch { id, .. } => {
                    let refusal = Refusal::new(Fault::Server, "500 from the venue");
                    bench.input(Input::Fetched { id, result: Err(refusal) });
                }
                _ => {}
            }
        }
    }
}

fn of_topics(status: &FeedStatus) -> Vec<&str> {
    let topics = |reason: &&Reason| reason.dimension == Dimension::Topics;
    status.reasons.iter().filter(topics).map(|reason| reason.detail.as_str()).collect()
}

fn repair_alerts(bench: &mut Bench) -> Vec<(Level, String)> {
    let Findings { all, .. } = bench.feed.findings(bench.now);
    let failed = all.into_iter().filter(|found| found.rule == Rule::RepairFailed);
    failed.map(|found| (found.level, found.evidence)).collect()
}

/// The levels that a reader was told.
fn levels(outbox: &mut Outbox) -> Vec<Level> {
    let mut levels = Vec::new();
    while let Some(update) = outbox.try_next() {
        if let Data::Status(status) = &update.data {
            levels.push(status.level);
        }
    }
    levels.dedup();
    levels
}

/// A book that is right, and trades beside it.
fn book_and_trades() -> (Bench, LineId, crate::outbox::Subscriber, Outbox) {
    let (mut bench, line, who, outbox) = live("toy:book:A");
    let (other, _trades) = Bench::reader(2, Overflow::Gap);
    bench.subscribe("toy:trade:B", &other);
    bench.accept(line, 2);
    bench.hear(line, "d A 10 10 95 1");
    let fetch = bench.fetch();
    bench.answer(fetch, 10);
    bench.hear(line, "d A 11 11 95 1");
    bench.hear(line, "t B 1 1");
    (bench, line, who, outbox)
}

#[test]
fn a_book_that_rest_does_not_mend_gets_worse_with_time_and_everybody_says_why() {
    let (mut bench, line, _who, mut outbox) = book_and_trades();
    let status = bench.feed.status(bench.now);
    assert_eq!((status.level, of_topics(&status)), (Level::Healthy, vec![]));
    levels(&mut outbox);
    bench.hear(line, "d A 13 13 95 1");
    refusing(&mut bench, line, 2..6);
    assert_eq!(levels(&mut outbox), [Level::Warning], "a moment is soon over");
    refusing(&mut bench, line, 6..22);
    assert_eq!(levels(&mut outbox), [Level::Degraded]);
    let status = bench.feed.status(bench.now);
    let [reason] = &status.topics[0].reasons[..] else { panic!("{:?}", status.topics[0].reasons) };
    assert_eq!((reason.dimension, reason.level), (Dimension::Book, Level::Degraded));
    let why = "its latest snapshot was of no use: 500 from the venue";
    assert!(reason.detail.starts_with("the book has been stale for ") && reason.detail.ends_with(why));
    let [told] = of_topics(&status)[..] else { panic!("{:?}", status.reasons) };
    assert!(told.starts_with("toy:book:A: the book is") && told.ends_with(why), "{told}");
    let alerts = repair_alerts(&mut bench);
    assert!(
        matches!(&alerts[..], [(Level::Degraded, text)] if text.ends_with("snapshot: 500 from the venue")),
        "{alerts:?}"
    );
    refusing(&mut bench, line, 22..320);
    assert_eq!(levels(&mut outbox), [Level::Unhealthy, Level::Critical]);
    assert_eq!(bench.feed.status(bench.now).level, Level::Critical, "half of what is read");
}

#[test]
fn a_book_that_waits_for_its_first_snapshot_is_degraded_at_worst() {
    let (mut bench, line, who, _outbox) = live("toy:book:A");
    bench.subscribe("toy:trade:B", &who);
    bench.accept(line, 2);
    bench.hear(line, "d A 10 10 95 1");
    refusing(&mut bench, line, 1..5);
    let level = |bench: &mut Bench| bench.feed.status(bench.now).topics[0].level;
    assert_eq!(level(&mut bench), Level::Warning);
    refusing(&mut bench, line, 5..400);
    assert_eq!(level(&mut bench), Level::Degraded);
    let status = bench.feed.status(bench.now);
    assert_eq!(status.level, Level::Warning);
    assert!(of_topics(&status)[0].contains("500 from the venue"), "{:?}", status.reasons);
    // It is told what was wrong, and then nothing is.
    let fetch = loop {
        bench.pass(SECOND / 10);
        let fetch = bench.todo.drain(..).find_map(|action| match action {
            Action::Fetch { id, .. } => Some(id),
            _ => None,
        });
        if let Some(fetch) = fetch {
            break fetch;
        }
    };
    bench.answer(fetch, 10);
    bench.hear(line, "d A 11 11 95 1");
    let status = bench.feed.status(bench.now);
    assert_eq!((status.level, &status.reasons[..]), (Level::Warning, &[][..]), "it only recovers");
    refusing(&mut bench, line, 400..460);
    assert_eq!(bench.feed.status(bench.now).level, Level::Healthy);
    assert!(bench.feed.ailing.is_empty(), "nothing is kept of what is over");
}

#[test]
fn what_the_venue_refuses_is_no_matter_of_the_whole() {
    let (mut bench, line, who, _outbox) = live("toy:trade:A");
    bench.hear(line, "t A 1 1");
    for (request, symbol) in [(2, "BAD"), (3, "WORSE")] {
        bench.subscribe(&format!("toy:trade:{symbol}"), &who);
        bench.todo.clear();
        bench.hear(line, &format!("no {request}"));
    }
    bench.pass(SECOND);
    let status = bench.feed.status(bench.now);
    let phases: Vec<_> = status.topics.iter().map(|topic| (topic.phase, topic.level)).collect();
    let refused = ("rejected", Level::Critical);
    assert_eq!(phases, [("live", Level::Healthy), refused, refused]);
    assert_eq!((status.level, &status.reasons[..]), (Level::Healthy, &[][..]));
    assert_eq!(bench.feed.findings(bench.now).level, Level::Healthy);
}

#[test]
fn topics_with_the_same_trouble_are_told_together() {
    let (mut bench, line, who, _outbox) = live("toy:trade:A");
    bench.hear(line, "t A 1 1");
    for symbol in ["B", "C"] {
        bench.subscribe(&format!("toy:trade:{symbol}"), &who);
    }
    bench.accept(line, 2);
    for symbol in ["A", "B", "C"] {
        bench.hear(line, &format!("t {symbol} 1 1"));
        bench.hear(line, &format!("t {symbol} 3 1"));
    }
    bench.pass(3 * SECOND);
    let status = bench.feed.status(bench.now);
    assert_eq!(of_topics(&status), ["toy:trade:A and 2 more: events are missing"]);
}

#[test]
fn a_gap_that_is_filled_late_counts_no_longer() {
    let (mut bench, line, _who, _outbox) = live("toy:trade:A");
    for id in [1, 4, 5, 7] {
        bench.hear(line, &format!("t A {id} 1"));
        bench.pass(3 * SECOND);
    }
    let gaps = |bench: &mut Bench| {
        let status = bench.feed.status(bench.now);
        let details = |reasons: &[Reason]| {
            let gaps = reasons.iter().find(|reason| reason.dimension == Dimension::Gaps);
            gaps.map(|reason| reason.detail.clone())
        };
        assert_eq!(details(&status.reasons), details(&status.topics[0].reasons), "one topic is the whole");
        let found = bench.feed.findings(bench.now).all.into_iter().find(|found| found.rule == Rule::Gaps);
        assert_eq!(found.map(|found| found.evidence), details(&status.reasons));
        details(&status.reasons)
    };
    let open = |count| Some(format!("gaps not filled in 5 min: {count}"));
    assert_eq!(gaps(&mut bench), open(2));
    bench.hear(line, "t A 2 1");
    assert_eq!(gaps(&mut bench), open(2), "half of one is missing");
    bench.hear(line, "t A 3 1");
    assert_eq!(gaps(&mut bench), open(1));
    bench.hear(line, "t A 6 1");
    assert_eq!((gaps(&mut bench), bench.feed.ledger(None).total.lost), (None, 0));
}

#[test]
fn a_top_is_as_stale_as_the_book_that_it_is_cut_from() {
    let (mut bench, line, _who, _books) = book_and_trades();
    let (who, _tops) = Bench::reader(3, Overflow::Gap);
    bench.subscribe("toy:depth:A@levels=1", &who);
    bench.accept(line, 3);
    bench.hear(line, "d A 12 12 95 2");
    let top = |bench: &mut Bench| {
        let mut topics = bench.feed.status(bench.now).topics;
        let top = topics.pop().expect("three topics");
        assert_eq!(top.topic.as_str(), "toy:depth:A@levels=1");
        (top.level, top.reason)
    };
    assert_eq!(top(&mut bench), (Level::Healthy, String::new()));
    bench.hear(line, "d A 14 14 95 1");
    let why = "the book that it is cut from is being synchronised";
    assert_eq!(top(&mut bench), (Level::Warning, why.to_owned()));
    refusing(&mut bench, line, 2..12);
    assert_eq!(top(&mut bench), (Level::Degraded, why.to_owned()));
}
