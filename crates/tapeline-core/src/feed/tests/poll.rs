//! What serves while lines do not: REST in turns, then memory, and back again without a seam.

use super::toy::{Bench, SECOND, book_of_a_cut_line, live, market, read};
use crate::config::FeedConfig;
use crate::data::event::Level as PriceLevel;
use crate::data::update::{Data, Level, Source};
use crate::feed::{Action, Age, Command, DialError, FallbackStatus, FetchId, Input, Stage};
use crate::outbox::{Outbox, Overflow, Subscriber};
use crate::policy::alert::Rule;
use crate::policy::fault::Fault;
use crate::policy::ladder::Rung;
use crate::venue::{Decoded, Fetch, Item, LineId, Refusal};

/// Everything the feed wants to ask over REST, taken from its actions; every dial is refused.
pub(super) fn turn(bench: &mut Bench, refuse: bool) -> Vec<(FetchId, Fetch)> {
    let mut asked = Vec::new();
    for action in std::mem::take(&mut bench.todo) {
        match action {
            Action::Fetch { id, why, .. } => asked.push((id, why)),
            Action::Dial { line, .. } if refuse => {
                let (stage, fault, detail) = (Stage::Upgrade, Fault::Transient, "blocked".into());
                bench.input(Input::Failed { line, why: DialError { stage, fault, detail } });
            }
            other => bench.todo.push_back(other),
        }
    }
    asked
}

/// A bench whose line was cut after trade 3, and whose dials are refused until the first poll is asked for.
pub(super) fn fallen() -> (Bench, FetchId, Subscriber, Outbox) {
    let (mut bench, line, who, mut outbox) = live("toy:trade:R");
    (1..=3).for_each(|id| bench.hear(line, &format!("t R {id} 1")));
    bench.cut(line);
    let mut waited = 0;
    loop {
        bench.pass(SECOND / 2);
        waited += 1;
        assert!(waited <= 16, "nothing is polled");
        if let Some((id, why)) = turn(&mut bench, true).pop() {
            assert_eq!(why, Fetch::Poll { after: Some(3) });
            assert!(waited >= 10, "it is waited for lines first");
            market(&mut outbox);
            return (bench, id, who, outbox);
        }
    }
}

fn status(bench: &mut Bench) -> (&'static str, Level, &'static str) {
    let status = bench.feed.status(bench.now);
    (status.fallback.rung, status.topics[0].level, status.topics[0].phase)
}

/// The line is back, and its topics are confirmed.
pub(super) fn back(bench: &mut Bench) -> LineId {
    loop {
        bench.pass(SECOND);
        for (id, _) in turn(bench, false) {
            bench.give(id, []);
        }
        if let Some(at) = bench.todo.iter().position(|action| matches!(action, Action::Dial { .. })) {
            bench.todo.rotate_left(at);
            let line = bench.open();
            bench.accept(line, bench.todo.len() as u64 + 2);
            bench.accept(line, 2);
            return line;
        }
    }
}

#[test]
fn without_a_line_the_venue_is_polled_and_nothing_is_lost_at_either_seam() {
    let (mut bench, first, _who, mut outbox) = fallen();
    bench.give(first, 4..=6);
    assert_eq!(market(&mut outbox), ["event 4 id=4", "event 5 id=5", "event 6 id=6"]);
    assert_eq!(status(&mut bench), ("poll", Level::Degraded, "waiting"));
    let mut next = 7;
    let mut polls = 0;
    for _ in 0..100 {
        bench.pass(SECOND / 10);
        for (id, why) in turn(&mut bench, true) {
            assert_eq!(why, Fetch::Poll { after: Some(next - 1) });
            bench.give(id, [next, next + 1]);
            (next, polls) = (next + 2, polls + 1);
        }
    }
    assert_eq!(polls, 2, "one in five seconds");
    let line = back(&mut bench);
    bench.hear(line, &format!("t R {next} 1"));
    bench.hear(line, &format!("t R {} 1", next + 1));
    let told = market(&mut outbox);
    assert_eq!(told, (7..=next + 1).map(|id| format!("event {id} id={id}")).collect::<Vec<_>>());
    bench.pass(4 * SECOND);
    assert_eq!(status(&mut bench).0, "poll", "it holds first");
    for id in 0..30 {
        bench.hear(line, &format!("t R {} 1", next + 2 + id));
        bench.pass(SECOND / 2);
        turn(&mut bench, false);
    }
    assert_eq!(status(&mut bench).0, "alternate", "a line serves, from the second endpoint");
    bench.pass(2 * SECOND);
    assert!(turn(&mut bench, false).iter().all(|(_, why)| !matches!(why, Fetch::Poll { .. })));
}

#[test]
fn what_comes_between_the_last_poll_and_the_line_is_waited_for_as_after_a_cut() {
    let (mut bench, first, _who, mut outbox) = fallen();
    bench.give(first, 4..=6);
    let line = back(&mut bench);
    bench.todo.clear();
    bench.hear(line, "t R 10 1");
    let (fetch, from, to) = bench.backfill();
    assert_eq!((from, to), (7, 9), "at once");
    for _ in 0..6 {
        bench.pass(SECOND / 2);
    }
    bench.give(fetch, 7..=9);
    let told = market(&mut outbox);
    assert_eq!(told[told.len() - 1], "event 10 id=10", "nothing was given up: {told:?}");
}

#[test]
fn a_reader_that_polls_fill_for_a_moment_again_and_again_makes_no_dead_line_live() {
    let mut bench = Bench::new();
    let (who, mut outbox) = Bench::reader(1, Overflow::Block);
    bench.subscribe("toy:trade:R", &who);
    let line = bench.open();
    bench.accept(line, 1);
    for id in 1..=2_400 {
        bench.hear(line, &format!("t R {id} 1"));
        bench.pass(SECOND / 20);
        read(&mut outbox);
    }
    // Every line after it is acknowledged and brings nothing, and REST tells much at once.
    bench.cut(line);
    bench.todo.retain(|action| matches!(action, Action::Dial { .. }));
    let (mut next, mut fills, mut left) = (2_401, 0, 0);
    for _ in 0..1_200 {
        bench.pass(SECOND / 10);
        read(&mut outbox);
        for (id, why) in turn(&mut bench, false) {
            if matches!(why, Fetch::Poll { .. }) {
                bench.give(id, next..next + 1_200);
                (next, fills) = (next + 1_200, fills + 1);
                bench.feed.tick(bench.now);
                bench.collect();
            }
        }
        left += bench.todo.iter().filter(|action| matches!(action, Action::Close { .. })).count();
        bench.todo.retain(|action| matches!(action, Action::Dial { .. }));
        if !bench.todo.is_empty() {
            let line = bench.open();
            let requests = bench.todo.len() as u64;
            (1..=9 + requests).for_each(|request| bench.hear(line, &format!("ok {request}")));
        }
    }
    assert!(fills > 5 && left > 2, "{fills} {left}: none of them has brought anything");
}

#[test]
fn its_source_and_reason_are_told() {
    let (mut bench, first, _who, mut outbox) = fallen();
    read(&mut outbox);
    bench.give(first, 4..=4);
    let told: Vec<_> = std::iter::from_fn(|| outbox.try_next()).collect();
    assert_eq!(told.first().map(|update| update.source), Some(Source::Poll));
    let reasons: Vec<_> = told.iter().map(|update| format!("{:?}", update.data)).collect();
    assert!(reasons.iter().any(|text| text.contains("asked over REST: no line is live")), "{reasons:?}");
}

#[test]
fn without_rest_either_what_is_held_is_shown_as_such() {
    let (mut bench, first, _who, mut outbox) = fallen();
    bench.give(first, 4..=4);
    for _ in 0..60 {
        bench.pass(SECOND);
        for (id, _) in turn(&mut bench, true) {
            bench.input(Input::Fetched { id, result: Err(Refusal::new(Fault::Server, "down")) });
        }
    }
    let (rung, level, _) = status(&mut bench);
    assert_eq!((rung, level), ("cache", Level::Critical));
    let last = std::iter::from_fn(|| outbox.try_next()).last();
    assert!(last.is_some_and(|update| format!("{:?}", update.data).contains("Cache")));
    // REST is back before any line is.
    let mut polled = false;
    for _ in 0..120 {
        bench.pass(SECOND);
        for (id, _) in turn(&mut bench, true) {
            let next = bench.feed.status(bench.now).topics[0].position.offset + 1;
            bench.give(id, [next]);
            polled = true;
        }
    }
    assert!(polled, "somebody goes on trying");
    assert_eq!(status(&mut bench).0, "poll");
}

#[test]
fn readers_are_told_once_when_what_is_held_is_stale_and_once_when_it_is_too_old() {
    let (mut bench, line, _who, mut outbox) = live("toy:trade:R");
    bench.hear(line, "t R 1 1");
    bench.feed.command(bench.now, Command::Pin { rung: Rung::Cache });
    bench.collect();
    let mut held = |bench: &mut Bench| {
        let held = bench.feed.status(bench.now).topics[0].held;
        let told = std::iter::from_fn(|| outbox.try_next()).filter_map(|update| match &update.data {
            Data::Status(status) => Some(status.reason.to_string()),
            _ => None,
        });
        (held, told.collect::<Vec<_>>())
    };
    let (age, told) = held(&mut bench);
    assert_eq!(age, Some(Age::Fresh));
    assert!(told.iter().all(|reason| !reason.contains("from memory for over")), "{told:?}");
    let mut after = |bench: &mut Bench, seconds: u32| {
        (0..seconds).for_each(|_| bench.pass(SECOND));
        held(bench)
    };
    assert_eq!(after(&mut bench, 29), (Some(Age::Fresh), vec![]));
    let (age, told) = after(&mut bench, 3);
    assert_eq!((age, told.len()), (Some(Age::Stale), 1));
    assert!(told[0].ends_with("; stale: from memory for over 30 s"), "{told:?}");
    assert_eq!(after(&mut bench, 260), (Some(Age::Stale), vec![]));
    let (age, told) = after(&mut bench, 20);
    assert_eq!((age, told.len()), (Some(Age::Unavailable), 1));
    assert!(told[0].ends_with("unavailable: from memory for over 5 min"), "{told:?}");
    bench.feed.command(bench.now, Command::Unpin);
    bench.collect();
    let line = back(&mut bench);
    bench.hear(line, "t R 2 1");
    assert_eq!(bench.feed.status(bench.now).topics[0].held, None, "a line serves it");
}

#[test]
fn an_operator_may_hold_the_feed_on_polling_and_let_it_go() {
    let (mut bench, line, _who, mut outbox) = live("toy:trade:R");
    bench.hear(line, "t R 1 1");
    assert_eq!(bench.feed.command(bench.now, Command::Pin { rung: Rung::Poll }), 1);
    bench.collect();
    assert!(bench.todo.contains(&Action::Close { line, code: 1000 }));
    bench.pass(60 * SECOND);
    assert!(!bench.todo.iter().any(|action| matches!(action, Action::Dial { .. })));
    let asked = turn(&mut bench, false);
    bench.give(asked[asked.len() - 1].0, [2, 3]);
    assert!(bench.feed.status(bench.now).fallback.pinned);
    assert_eq!(bench.feed.command(bench.now, Command::Unpin), 1);
    bench.collect();
    let line = back(&mut bench);
    bench.hear(line, "t R 4 1");
    assert_eq!(market(&mut outbox).len(), 4);
    for id in 5..60 {
        bench.hear(line, &format!("t R {id} 1"));
        bench.pass(SECOND / 2);
        turn(&mut bench, false);
    }
    assert_eq!(status(&mut bench).0, "primary");
}

#[test]
fn a_polled_book_is_shown_until_the_streamed_one_is_right() {
    let (mut bench, _who, mut outbox) = book_of_a_cut_line();
    let mut polls = 0;
    for _ in 0..30 {
        bench.pass(SECOND / 2);
        for (id, why) in turn(&mut bench, true) {
            if matches!(why, Fetch::Poll { .. }) {
                polls += 1;
                bench.answer(id, 20 + polls);
            }
        }
    }
    let told = market(&mut outbox);
    assert!(polls >= 2, "{polls}");
    assert_eq!(told[told.len() - 1], "snapshot 0 live 1+1", "the book did not change: {told:?}");
    let line = back(&mut bench);
    bench.hear(line, "d R 30 31 96 1");
    let asked = turn(&mut bench, false);
    let snapshot = asked.iter().find(|(_, why)| *why == Fetch::Snapshot).expect("it is put right");
    bench.answer(snapshot.0, 30);
    assert_eq!(market(&mut outbox), ["snapshot 0 live 2+1"]);
}

/// A reply with these levels at update id `last`.
fn reply(bench: &mut Bench, id: FetchId, last: u64, bid: i64, ask: i64) {
    let level = |price: i64| PriceLevel { price: price.into(), size: 1.into() };
    let levels = if bid > 0 { vec![level(bid), level(ask)] } else { Vec::new() };
    let (end, bids) = (levels.len() as u32, u32::from(bid > 0));
    let item = Item::Levels { topic: crate::venue::TopicId(0), time: None, last, levels: 0..end, bids };
    let decoded = Decoded { levels, items: vec![item], ..Decoded::default() };
    bench.input(Input::Fetched { id, result: Ok(decoded) });
}

#[test]
fn a_reply_that_cannot_be_this_book_is_not_shown() {
    // Another symbol's, with higher ids or with lower ones; empty; older than what was streamed, also by far.
    for (last, bid, ask) in [(7_020, 900, 910), (3, 900, 910), (20, 0, 0), (4_990, 90, 110), (900, 90, 110)] {
        let (mut bench, line, _who, mut outbox) = live("toy:book:R");
        bench.hear(line, "d R 5000 5000 95 1");
        let fetch = bench.fetch();
        bench.answer(fetch, 5_000);
        bench.cut(line);
        market(&mut outbox);
        let mut polls = 0;
        for _ in 0..30 {
            bench.pass(SECOND / 2);
            for (id, why) in turn(&mut bench, true) {
                if matches!(why, Fetch::Poll { .. }) {
                    polls += 1;
                    reply(&mut bench, id, last, bid, ask);
                }
            }
        }
        assert!(polls > 0);
        let told = market(&mut outbox);
        assert!(told.is_empty(), "{last} {bid}: {told:?}");
        assert!(bench.feed.status(bench.now).topics[0].level >= Level::Degraded, "{last} {bid}");
    }
}

#[test]
fn what_was_polled_once_is_not_called_polled_for_ever() {
    let (mut bench, _who, mut outbox) = book_of_a_cut_line();
    for _ in 0..20 {
        bench.pass(SECOND / 2);
        for (id, why) in turn(&mut bench, true) {
            if matches!(why, Fetch::Poll { .. }) {
                bench.answer(id, 20);
            }
        }
    }
    let line = back(&mut bench);
    bench.hear(line, "d R 30 31 96 1");
    for (id, _) in turn(&mut bench, false) {
        bench.answer(id, 30);
    }
    for id in 32..80 {
        bench.hear(line, &format!("d R {id} {id} 96 {id}"));
        bench.pass(SECOND / 2);
        turn(&mut bench, false);
    }
    assert_eq!(status(&mut bench).0, "alternate");
    read(&mut outbox);
    bench.cut(line);
    let told: Vec<_> = std::iter::from_fn(|| outbox.try_next()).collect();
    let told: Vec<_> = told.iter().map(|update| format!("{:?}", update.data)).collect();
    assert!(told.iter().any(|text| text.contains("Degraded") && text.contains("Cache")), "{told:?}");
    assert!(!told.iter().any(|text| text.contains("asked over REST")), "{told:?}");
}

#[test]
fn a_state_without_an_id_is_taken_and_what_is_streamed_since_wins() {
    let (mut bench, line, _who, mut outbox) = live("toy:quote:R");
    bench.hear(line, "q R 900 5");
    bench.cut(line);
    let mut asked = Vec::new();
    for _ in 0..16 {
        bench.pass(SECOND / 2);
        asked.extend(turn(&mut bench, true));
    }
    let quote = |bench: &mut Bench, id: FetchId, bid: i64| bench.quote(id, bid);
    quote(&mut bench, asked[0].0, 7);
    assert_eq!(market(&mut outbox), ["snapshot 0 bid=5", "snapshot 0 bid=7"]);
    bench.pass(5 * SECOND);
    let late = turn(&mut bench, true);
    let line = back(&mut bench);
    bench.hear(line, "q R 901 6");
    if let Some((id, _)) = late.first() {
        quote(&mut bench, *id, 8);
    }
    let told = market(&mut outbox);
    assert!(told[told.len() - 1].ends_with("bid=6"), "{told:?}");
}

#[test]
fn a_source_that_an_operator_holds_is_held_over_a_crash() {
    let (mut bench, line, _who, _outbox) = live("toy:trade:R");
    bench.hear(line, "t R 1 1");
    bench.feed.command(bench.now, Command::Pin { rung: Rung::Poll });
    bench.collect();
    bench.pass(10 * SECOND);
    let now = bench.now;
    let mut memory = bench.feed.into_memory();
    memory.crashed(now);
    let mut bench = Bench::with(FeedConfig::default(), memory);
    bench.now = now;
    bench.pass(SECOND);
    let fallback = bench.feed.status(bench.now).fallback;
    assert_eq!((fallback.rung, fallback.pinned), ("poll", true));
    assert_eq!(bench.todo.iter().filter(|action| matches!(action, Action::Dial { .. })).count(), 0);
    bench.todo.clear();
    bench.feed.command(bench.now, Command::Unpin);
    bench.collect();
    bench.open();
}

/// Nothing is asked and nothing is dialled for a minute, and what is served comes from memory.
fn keeps_quiet(bench: &mut Bench) {
    for _ in 0..60 {
        bench.pass(SECOND);
        assert!(turn(bench, false).is_empty() && bench.todo.is_empty(), "{:?}", bench.todo);
    }
    let status = bench.feed.status(bench.now);
    let FallbackStatus { rung, reason, pinned, polled, .. } = status.fallback;
    assert_eq!((rung, reason, pinned, polled), ("cache", "pinned by an operator", true, 0));
    for topic in &status.topics {
        let reason = "an operator pinned toy to cache; stale: from memory for over 30 s";
        assert_eq!((topic.source, &*topic.reason), (Source::Cache, reason));
    }
    let found = bench.feed.findings(bench.now).all;
    let down = found.iter().find(|found| found.rule == Rule::VenueDown).unwrap();
    assert!(down.evidence.contains("pinned by an operator; `tapeline unpin toy`"), "{}", down.evidence);
}

#[test]
fn while_an_operator_lets_memory_serve_rest_is_not_asked() {
    // From a line that serves.
    let (mut bench, line, who, mut outbox) = live("toy:trade:R");
    bench.subscribe("toy:quote:R", &who);
    bench.hear(line, "t R 1 1");
    bench.hear(line, "q R 1 5");
    bench.feed.command(bench.now, Command::Pin { rung: Rung::Cache });
    bench.collect();
    bench.todo.clear();
    keeps_quiet(&mut bench);
    market(&mut outbox);

    // From polling, with a reply on its way.
    let (mut bench, first, _who, mut outbox) = fallen();
    bench.feed.command(bench.now, Command::Pin { rung: Rung::Cache });
    bench.collect();
    bench.pass(5 * SECOND);
    bench.todo.clear();
    bench.give(first, 4..=6);
    assert!(market(&mut outbox).is_empty(), "it was asked before");
    keeps_quiet(&mut bench);

    // From memory itself, while REST is asked whether it answers; let go, it is asked again.
    let (mut bench, first, _who, mut outbox) = fallen();
    bench.give(first, 4..=4);
    let mut refuse = |bench: &mut Bench| {
        let mut asked = 0;
        for _ in 0..60 {
            bench.pass(SECOND);
            for (id, _) in turn(bench, true) {
                asked += 1;
                bench.input(Input::Fetched { id, result: Err(Refusal::new(Fault::Server, "down")) });
            }
            read(&mut outbox);
        }
        asked
    };
    assert!(refuse(&mut bench) > 3);
    assert_eq!(status(&mut bench).0, "cache");
    bench.feed.command(bench.now, Command::Pin { rung: Rung::Cache });
    bench.collect();
    bench.todo.clear();
    keeps_quiet(&mut bench);
    assert_eq!(bench.feed.command(bench.now, Command::Unpin), 1);
    bench.collect();
    assert!(refuse(&mut bench) > 0, "as far as its breaker lets it");
    let reason = bench.feed.status(bench.now).topics[0].reason.clone();
    assert!(!reason.contains("pinned"), "{reason}");
}
