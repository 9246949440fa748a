//! Scenarios for the feed, driven by hand.

mod account;
mod ailments;
mod away;
mod candles;
mod careful;
mod circuit;
mod claims;
mod covered;
mod doubt;
mod fallback;
mod findings;
mod follower;
mod health;
mod hosts;
mod kept;
mod keys;
mod lag;
mod lateness;
mod let_go;
mod lines;
mod login;
mod missed;
mod outdated;
mod pair;
mod poll;
mod pressure;
mod proof;
mod quality;
mod quarantine;
mod rates;
mod readers;
mod refused;
mod repair;
mod restarts;
mod rotate;
mod service;
mod snapshots;
mod sources;
mod starved;
mod stragglers;
mod tops;
mod toy;
mod unproven;
mod words;

use std::time::Duration;

use self::toy::{Bench, SECOND, market, read};
use crate::config::FeedConfig;
use crate::data::channel::Delivery;
use crate::data::topic::{Pattern, Topic};
use crate::data::update::{Kind, Position};
use crate::feed::{Action, Command, Input, Start};
use crate::outbox::Overflow;
use crate::policy::fault::Fault;
use crate::venue::{DialRequest, Refusal};

#[test]
fn a_subscription_dials_asks_and_delivers() {
    let mut bench = Bench::new();
    let (who, mut outbox) = Bench::reader(1, Overflow::Gap);
    bench.subscribe("toy:trade:A", &who);
    let line = bench.open();
    assert_eq!(bench.accept(line, 1), ["+t A -"]);
    bench.hear(line, "t A 5 100.5");
    bench.hear(line, "t A 6 100.6");
    assert_eq!(
        read(&mut outbox),
        [
            "status 0 waiting connecting",
            "status 0 dialling connecting",
            "status 0 live connected, but nothing has come yet",
            "status 0 live",
            "event 1 id=5",
            "event 2 id=6"
        ]
    );
}

#[test]
fn a_refused_batch_is_split_until_the_one_at_fault_is_found() {
    let mut bench = Bench::new();
    let (who, mut outbox) = Bench::reader(1, Overflow::Gap);
    for symbol in ["A", "BAD", "C"] {
        bench.subscribe(&format!("toy:trade:{symbol}"), &who);
    }
    let line = bench.open();
    let mut asked = Vec::new();
    let mut request = 0;
    for _ in 0..20 {
        bench.pass(SECOND);
        for action in std::mem::take(&mut bench.todo) {
            let Action::Send { text, .. } = action else { continue };
            request += 1;
            let verdict = if text.contains("BAD") { "no" } else { "ok" };
            bench.hear(line, &format!("{verdict} {request}"));
            asked.push(text);
        }
    }
    assert_eq!(asked, ["+t A|t BAD|t C -", "+t A|t BAD -", "+t C -", "+t A -", "+t BAD -"]);
    let status = bench.feed.status(bench.now);
    let phases: Vec<_> = status.topics.iter().map(|t| (t.topic.raw_symbol().to_owned(), t.phase)).collect();
    assert_eq!(phases, [("A".into(), "live"), ("BAD".into(), "rejected"), ("C".into(), "live")]);
    assert!(read(&mut outbox).contains(&"status 0 rejected refused by the venue: no such toy".to_owned()));
    assert_eq!(status.lines[0].confirmed, 2);
}

#[test]
fn a_hole_in_the_ids_is_declared_after_its_time_and_delivery_goes_on() {
    let mut bench = Bench::new();
    let (who, mut outbox) = Bench::reader(1, Overflow::Gap);
    bench.subscribe("toy:trade:A", &who);
    let line = bench.open();
    bench.accept(line, 1);
    for id in [1, 2, 5, 6] {
        bench.hear(line, &format!("t A {id} 1"));
    }
    assert_eq!(market(&mut outbox), ["event 1 id=1", "event 2 id=2"]);
    bench.pass(SECOND);
    bench.hear(line, "t A 4 1");
    assert_eq!(market(&mut outbox), [] as [String; 0], "the hole is still there");
    bench.pass(2 * SECOND);
    assert_eq!(market(&mut outbox), ["gap 3 3-3", "event 4 id=4", "event 5 id=5", "event 6 id=6"]);
    bench.hear(line, "t A 3 1");
    bench.hear(line, "t A 7 1");
    bench.hear(line, "t A 3 1");
    let told = ["event 7 id=3 late", "event 8 id=7"];
    assert_eq!(
        market(&mut outbox),
        told,
        "what was declared comes once, and is not told as if nothing had been"
    );
    let counts = bench.feed.status(bench.now).topics[0].counts;
    assert_eq!((counts.gaps, counts.lost, counts.repaired, counts.duplicates), (1, 0, 1, 1));
    let (other, mut second) = Bench::reader(2, Overflow::Gap);
    let epoch = bench.feed.status(bench.now).topics[0].position.epoch;
    let (topic, from) = ("toy:trade:A".parse().unwrap(), Some(Position { epoch, offset: 6 }));
    assert!(bench.feed.subscribe(bench.now, topic, Delivery::Every, from, &other).unwrap().recovered);
    bench.collect();
    assert_eq!(market(&mut second), told, "in the log as well");
}

#[test]
fn an_event_without_an_id_is_delivered_once_however_late_it_comes() {
    let mut bench = Bench::new();
    let (who, mut outbox) = Bench::reader(1, Overflow::Gap);
    bench.subscribe("toy:liquidation:A", &who);
    bench.subscribe("toy:liquidation:!all", &who);
    let line = bench.open();
    bench.accept(line, 1);
    for text in ["l A 9 1", "l A 9 1", "l A 9 2", "l A 8 1", "l A 9 1"] {
        bench.hear(line, text);
    }
    assert_eq!(market(&mut outbox), ["event 1 price=1", "event 2 price=2", "event 3 price=1"]);
    let status = bench.feed.status(bench.now);
    assert_eq!((status.topics[0].counts.duplicates, status.lines[0].stats.duplicates), (2, 2));
    for _ in 0..6 {
        bench.pass(10 * SECOND);
        bench.hear(line, "l A 9 2");
        assert_eq!(market(&mut outbox), [] as [String; 0]);
    }
    bench.pass(SECOND);
    bench.hear(line, "l A 9 2");
    assert_eq!(market(&mut outbox), ["event 4 price=2"], "after a minute it is taken for another one");
    for text in ["l !all 9 1", "l !all 8 1", "l !all 9 1"] {
        bench.hear(line, text);
    }
    assert_eq!(market(&mut outbox), ["event 1 price=1", "event 2 price=1"], "symbols share no order");
}

#[test]
fn what_a_cut_line_lost_is_declared_after_the_reconnect() {
    let mut bench = Bench::new();
    let (who, mut outbox) = Bench::reader(1, Overflow::Gap);
    bench.subscribe("toy:trade:A", &who);
    let line = bench.open();
    bench.accept(line, 1);
    bench.hear(line, "t A 1 1");
    bench.cut(line);
    bench.pass(2 * SECOND);
    let line = bench.open();
    assert_eq!(bench.accept(line, 2), ["+t A -"], "the same difference is the resubscription");
    bench.hear(line, "t A 9 1");
    bench.pass(3 * SECOND);
    assert_eq!(market(&mut outbox), ["event 1 id=1", "gap 2 2-8", "event 3 id=9"]);
}

#[test]
fn state_after_a_cut_begins_a_new_epoch_with_a_snapshot() {
    let mut bench = Bench::new();
    let (who, mut outbox) = Bench::reader(1, Overflow::Gap);
    let before = bench.subscribe("toy:quote:A", &who).position.epoch;
    let line = bench.open();
    bench.accept(line, 1);
    bench.hear(line, "q A 1 10");
    bench.hear(line, "q A 5 11");
    bench.hear(line, "q A 5 12");
    assert_eq!(market(&mut outbox), ["snapshot 0 bid=10", "delta 1 bid=11"], "a repeated id is a copy");
    bench.cut(line);
    bench.pass(2 * SECOND);
    let line = bench.open();
    bench.accept(line, 2);
    bench.hear(line, "q A 9 13");
    let mut last = None;
    while let Some(update) = outbox.try_next() {
        // How it is served is told beside it.
        last = Some(update).filter(|update| update.kind != Kind::Status).or(last);
    }
    let last = last.unwrap();
    assert_eq!((last.kind, last.offset), (Kind::Snapshot, 0));
    assert_ne!(last.epoch, before);
}

#[test]
fn a_book_is_shown_only_when_right_and_its_break_is_told_first() {
    let mut bench = Bench::new();
    let (who, mut outbox) = Bench::reader(1, Overflow::Gap);
    bench.subscribe("toy:book:A", &who);
    let line = bench.open();
    bench.accept(line, 1);
    assert_eq!(market(&mut outbox), ["snapshot 0 syncing 0+0"]);
    bench.hear(line, "d A 10 11 95 1");
    let fetch = bench.fetch();
    bench.hear(line, "d A 12 12 96 1");
    assert_eq!(market(&mut outbox), [] as [String; 0]);
    bench.answer(fetch, 10);
    assert_eq!(market(&mut outbox), ["snapshot 0 live 3+1"]);
    bench.hear(line, "d A 13 13 97 1");
    bench.hear(line, "d A 15 15 98 1");
    assert_eq!(market(&mut outbox), ["delta 1 live 1+0", "delta 2 stale 0+0"]);
    let fetch = bench.fetch();
    bench.answer(fetch, 16);
    bench.hear(line, "d A 16 17 99 1");
    assert_eq!(market(&mut outbox), ["snapshot 0 live 2+1"]);
    let status = bench.feed.status(bench.now);
    assert_eq!((status.snapshots_sent, status.gaps), (2, 1));
}

#[test]
fn an_old_snapshot_is_asked_for_again_later_and_not_in_a_loop() {
    let mut bench = Bench::new();
    let (who, _outbox) = Bench::reader(1, Overflow::Gap);
    bench.subscribe("toy:book:A", &who);
    let line = bench.open();
    bench.accept(line, 1);
    bench.hear(line, "d A 100 101 95 1");
    for id in 102..=140 {
        while let Some(Action::Fetch { id, .. }) = bench.todo.pop_front() {
            bench.answer(id, 50);
        }
        bench.hear(line, &format!("d A {id} {id} 95 1"));
        bench.pass(SECOND);
    }
    let sent = bench.feed.status(bench.now).snapshots_sent;
    assert!((4..=8).contains(&sent), "asked {sent} times in 39 s");
}

#[test]
fn a_limited_venue_is_not_asked_before_its_time() {
    let mut bench = Bench::new();
    let (who, _outbox) = Bench::reader(1, Overflow::Gap);
    bench.subscribe("toy:book:A", &who);
    let line = bench.open();
    bench.accept(line, 1);
    bench.hear(line, "d A 1 1 95 1");
    let id = bench.fetch();
    let fault = Fault::RateLimited { retry_after: Some(35 * SECOND), banned: false };
    let refusal = Refusal::new(fault, "429");
    bench.input(Input::Fetched { id, result: Err(refusal) });
    for step in 2..=34 {
        bench.hear(line, &format!("d A {step} {step} 95 1"));
        bench.pass(SECOND);
        assert!(
            !bench.todo.iter().any(|action| matches!(action, Action::Fetch { .. })),
            "asked after {step} s"
        );
    }
    bench.pass(6 * SECOND);
    assert!(bench.todo.iter().any(|action| matches!(action, Action::Fetch { .. })));
}

#[test]
fn the_weight_that_a_refusal_tells_of_counts() {
    let mut bench = Bench::new();
    let (who, _outbox) = Bench::reader(1, Overflow::Gap);
    bench.subscribe("toy:book:A", &who);
    let line = bench.open();
    bench.accept(line, 1);
    bench.hear(line, "d A 1 1 95 1");
    let id = bench.fetch();
    let refusal = Refusal { used: Some(75), ..Refusal::new(Fault::Server, "503") };
    bench.input(Input::Fetched { id, result: Err(refusal) });
    assert_eq!(bench.feed.status(bench.now).weight_left, 5, "of 80, most went to others at our address");
    let asks = |bench: &Bench| bench.todo.iter().any(|action| matches!(action, Action::Fetch { .. }));
    for id in 2..14 {
        bench.pass(5 * SECOND);
        assert_eq!(asks(&bench), id == 13, "ten do not fit before the minute is over");
        bench.hear(line, &format!("d A {id} {id} 95 1"));
    }
}

#[test]
fn a_resume_is_complete_or_says_why_not() {
    let mut bench = Bench::new();
    let ((who, mut first), (other, mut second)) =
        (Bench::reader(1, Overflow::Gap), Bench::reader(2, Overflow::Gap));
    let epoch = bench.subscribe("toy:trade:A", &who).position.epoch;
    let line = bench.open();
    bench.accept(line, 1);
    for id in 1..=5 {
        bench.hear(line, &format!("t A {id} 1"));
    }
    market(&mut first);
    let mut resume = |from: Position| {
        let topic = "toy:trade:A".parse().unwrap();
        let answer = bench.feed.subscribe(bench.now, topic, Delivery::Every, Some(from), &other).unwrap();
        bench.collect();
        (answer.recovered, answer.reason, market(&mut second).len())
    };
    assert_eq!(resume(Position { epoch, offset: 3 }), (true, None, 2));
    assert_eq!(resume(Position { epoch, offset: 0 }), (true, None, 5));
    assert_eq!(resume(Position { epoch, offset: 5 }), (true, None, 0));
    assert_eq!(resume(Position { epoch, offset: 6 }), (false, Some("ahead"), 0));
    assert_eq!(resume(Position { epoch: Default::default(), offset: 3 }), (false, Some("epoch"), 0));
}

#[test]
fn whoever_begins_with_the_oldest_gets_all_that_is_held_and_a_glance_changes_nothing() {
    let mut bench = Bench::new();
    let (who, _first) = Bench::reader(1, Overflow::Gap);
    let position = bench.subscribe("toy:trade:A", &who).position;
    let line = bench.open();
    bench.accept(line, 1);
    for id in 1..=3 {
        bench.hear(line, &format!("t A {id} 1"));
    }
    let topic: Topic = "toy:trade:A".parse().unwrap();
    let peek = bench.feed.peek(bench.now, &topic).unwrap();
    assert_eq!((peek.position.offset, peek.snapshot.is_none()), (3, true));
    assert!(bench.feed.peek(bench.now, &"toy:trade:B".parse().unwrap()).is_none(), "nothing is begun for it");
    let (other, mut second) = Bench::reader(2, Overflow::Gap);
    let answer = bench.feed.subscribe(bench.now, topic, Delivery::Every, Start::Oldest, &other).unwrap();
    bench.collect();
    assert_eq!((answer.position, answer.recovered), (Position { offset: 3, ..position }, false));
    bench.hear(line, "t A 4 1");
    let expected = ["event 1 id=1", "event 2 id=2", "event 3 id=3", "event 4 id=4"];
    assert_eq!(market(&mut second), expected);
}

#[test]
fn history_goes_by_age_and_says_so() {
    let mut bench = Bench::new();
    let (who, _outbox) = Bench::reader(1, Overflow::Gap);
    let epoch = bench.subscribe("toy:trade:A", &who).position.epoch;
    let line = bench.open();
    bench.accept(line, 1);
    for id in 1..=90 {
        bench.hear(line, &format!("t A {id} 1"));
        bench.pass(SECOND);
    }
    let (other, _out) = Bench::reader(2, Overflow::Gap);
    let from = Some(Position { epoch, offset: 3 });
    let answer =
        bench.feed.subscribe(bench.now, "toy:trade:A".parse().unwrap(), Delivery::Every, from, &other);
    assert_eq!(answer.unwrap().reason, Some("too_old"));
}

#[test]
fn a_restarted_feed_wants_what_it_wanted_and_sees_what_it_missed() {
    let mut bench = Bench::new();
    let (who, mut outbox) = Bench::reader(1, Overflow::Gap);
    bench.subscribe("toy:trade:A", &who);
    bench.feed.subscribe_pattern(bench.now, Pattern::parse("toy:quote:*").unwrap(), None, &who);
    let line = bench.open();
    bench.accept(line, 1);
    bench.hear(line, "t A 7 1");
    let memory = bench.feed.into_memory();
    assert_eq!(memory.subscriptions(), 1);
    let mut bench = Bench::with(FeedConfig::default(), memory);
    bench.pass(Duration::from_millis(1));
    let line = bench.open();
    assert_eq!(bench.accept(line, 1), ["+t A -"]);
    bench.hear(line, "t A 10 1");
    bench.pass(3 * SECOND);
    assert_eq!(market(&mut outbox), ["event 1 id=7", "gap 1 8-9", "event 2 id=10"]);
    let (other, _out) = Bench::reader(2, Overflow::Gap);
    bench.subscribe("toy:quote:B", &other);
    assert!(read(&mut outbox).iter().any(|line| line.starts_with("status")), "the pattern is remembered");
}

#[test]
fn foreign_words_are_counted_and_survived() {
    let mut bench = Bench::new();
    let (who, mut outbox) = Bench::reader(1, Overflow::Gap);
    bench.subscribe("toy:trade:A", &who);
    let line = bench.open();
    bench.accept(line, 1);
    for text in ["gibberish", "t A", "t A x", "panic", "t NOBODY 1 1", "t A 1 1"] {
        bench.hear(line, text);
    }
    assert_eq!(market(&mut outbox), ["event 1 id=1"]);
    let status = bench.feed.status(bench.now);
    assert_eq!(status.unknown_events.get("gibberish"), Some(&1));
    assert_eq!(status.decode_panics, 1);
    assert_eq!((status.lines[0].stats.undecodable, status.lines[0].stats.unrouted), (3, 1));
}

#[test]
fn steady_loss_delays_nothing_for_longer_than_a_hole_may_stay_open() {
    let mut bench = Bench::new();
    let (who, mut outbox) = Bench::reader(1, Overflow::Gap);
    bench.subscribe("toy:trade:A", &who);
    let line = bench.open();
    bench.accept(line, 1);
    let mut delivered = 0;
    for id in 1..=1_200u64 {
        if id % 10 != 0 {
            bench.hear(line, &format!("t A {id} 1"));
        }
        bench.pass(SECOND / 20);
        delivered += market(&mut outbox).iter().filter(|line| line.starts_with("event")).count() as u64;
        let behind = (id - id / 10).saturating_sub(delivered);
        assert!(behind <= 41, "{behind} trades are held back at {id}");
    }
}

#[test]
fn what_a_given_up_line_still_says_is_nobodys_word() {
    let mut bench = Bench::new();
    let (who, mut outbox) = Bench::reader(1, Overflow::Gap);
    bench.subscribe("toy:book:A", &who);
    let line = bench.open();
    bench.accept(line, 1);
    bench.hear(line, "d A 10 10 95 1");
    let fetch = bench.fetch();
    bench.answer(fetch, 10);
    bench.hear(line, "d A 11 11 95 2");
    market(&mut outbox);
    bench.feed.command(bench.now, Command::Reconnect { slot: None });
    bench.collect();
    bench.hear(line, "d A 12 12 95 3");
    bench.input(Input::Ping { line, payload: b"late" });
    assert_eq!(market(&mut outbox), ["delta 2 stale 0+0"]);
    bench.cut(line);
    assert_eq!(bench.feed.status(bench.now).lines[0].stats.drops, 1, "one end, told twice");
}

#[test]
fn only_lines_that_are_redialled_count_as_reconnected() {
    let mut bench = Bench::new();
    let (who, _outbox) = Bench::reader(1, Overflow::Gap);
    bench.subscribe("toy:book:A", &who);
    let order = Command::Reconnect { slot: None };
    assert_eq!(bench.feed.command(bench.now, order.clone()), 0, "it is being dialled");
    bench.open();
    assert_eq!(bench.feed.command(bench.now, order.clone()), 1);
    bench.collect();
    bench.feed.unsubscribe(bench.now, &"toy:book:A".parse().unwrap(), who.id());
    bench.pass(400 * SECOND);
    assert_eq!(bench.feed.command(bench.now, order), 0, "nothing is wanted of it");
}

#[test]
fn a_position_before_the_first_state_is_no_base_for_deltas() {
    let mut bench = Bench::new();
    let ((who, _first), (other, mut second)) =
        (Bench::reader(1, Overflow::Gap), Bench::reader(2, Overflow::Gap));
    let book = bench.subscribe("toy:book:A", &who).position;
    let quote = bench.subscribe("toy:quote:A", &who).position;
    let line = bench.open();
    bench.accept(line, 1);
    bench.hear(line, "d A 10 10 95 1");
    let fetch = bench.fetch();
    bench.answer(fetch, 10);
    bench.hear(line, "d A 11 11 95 2");
    bench.hear(line, "q A 1 10");
    bench.hear(line, "q A 2 11");
    for (topic, from) in [("toy:book:A", book), ("toy:quote:A", quote)] {
        let topic = topic.parse().unwrap();
        let answer = bench.feed.subscribe(bench.now, topic, Delivery::Every, Some(from), &other).unwrap();
        assert!(!answer.recovered, "{answer:?}");
    }
    bench.collect();
    assert_eq!(market(&mut second), ["snapshot 1 live 2+1", "snapshot 1 bid=11"]);
}

/// The dial request of an action.
fn url(action: Option<&Action>) -> String {
    match action {
        Some(Action::Dial { request: DialRequest { url, .. }, .. }) => url.clone(),
        other => panic!("expected a dial, got {other:?}"),
    }
}
