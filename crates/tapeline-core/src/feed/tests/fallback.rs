//! Polling where not everything goes well: topics that REST refuses, readers that come and go, holds, and prices that
//! cannot be believed.

use super::poll::{back, fallen, turn};
use super::toy::{Bench, SECOND, book_of_a_cut_line, live, market, read};
use crate::data::event::Quote;
use crate::data::topic::Topic;
use crate::data::update::{Data, Kind, Level, Source};
use crate::feed::{Command, FetchId, Input};
use crate::outbox::{Outbox, Overflow, SubscriberId};
use crate::policy::fault::Fault;
use crate::policy::health::Dimension;
use crate::venue::{Decoded, Fetch, Item, Refusal};

fn refuse(bench: &mut Bench, id: FetchId, fault: Fault) {
    bench.input(Input::Fetched { id, result: Err(Refusal::new(fault, "no such symbol")) });
}

fn rung(bench: &mut Bench) -> &'static str {
    bench.feed.status(bench.now).fallback.rung
}

#[test]
fn a_topic_that_rest_refuses_does_not_speak_for_the_others() {
    let mut bench = Bench::new();
    let (who, mut outbox) = Bench::reader(1, Overflow::Gap);
    // The first one is asked for first, since both have one reader.
    bench.subscribe("toy:trade:RBAD", &who);
    bench.subscribe("toy:trade:R", &who);
    let line = bench.open();
    bench.accept(line, 1);
    (1..=2).for_each(|id| bench.hear(line, &format!("t R {id} 1")));
    bench.cut(line);
    let (mut next, mut refused, mut rungs) = (3, 0, Vec::new());
    for second in 0..180 {
        bench.pass(SECOND);
        for (id, why) in turn(&mut bench, true) {
            match why {
                // REST is down at first, so that memory has to serve.
                _ if second < 40 => refuse(&mut bench, id, Fault::Server),
                Fetch::Poll { after: Some(last) } => {
                    bench.give(id, [last + 1]);
                    next = last + 2;
                }
                _ => {
                    refuse(&mut bench, id, Fault::Configuration);
                    refused += 1;
                }
            }
        }
        read(&mut outbox);
        rungs.push(rung(&mut bench));
    }
    assert_eq!((rungs[39], rungs[179]), ("cache", "poll"));
    assert!(next > 20, "the good one was asked for again and again: {next}");
    assert_eq!(refused, 1, "what cannot be had is not asked for again and again");
    assert_eq!(bench.feed.status(bench.now).fallback.polled, 1);
    bench.feed.command(bench.now, Command::Reset);
    bench.collect();
    bench.pass(6 * SECOND);
    let asked = turn(&mut bench, true);
    assert!(
        asked.iter().any(|(_, why)| *why == Fetch::Poll { after: None }),
        "an operator forgives: {asked:?}"
    );
}

#[test]
fn without_an_answer_rest_is_asked_for_one_topic_after_the_other() {
    let mut bench = Bench::new();
    let (who, mut outbox) = Bench::reader(1, Overflow::Gap);
    for name in 1..=3 {
        bench.subscribe(&format!("toy:trade:R{name}"), &who);
    }
    let line = bench.open();
    bench.accept(line, 1);
    (1..=3).for_each(|name| bench.hear(line, &format!("t R{name} {name} 1")));
    bench.cut(line);
    let mut probed = Vec::new();
    for _ in 0..120 {
        bench.pass(SECOND);
        let memory = rung(&mut bench) == "cache";
        for (id, why) in turn(&mut bench, true) {
            refuse(&mut bench, id, Fault::RateLimited { retry_after: Some(SECOND), banned: false });
            let Fetch::Poll { after: Some(last) } = why else { panic!("{why:?}") };
            probed.extend(memory.then_some(last));
        }
        read(&mut outbox);
    }
    assert!(probed.len() >= 6, "{probed:?}");
    assert!(probed.windows(3).all(|turn| (1..=3).all(|name| turn.contains(&name))), "{probed:?}");
}

/// Three minutes of polling in which the reader of `topic` comes back after twenty seconds: how often it was asked for.
fn polls_since_return(bench: &mut Bench, topic: &str, outboxes: &mut [Outbox], mark: u64) -> usize {
    let (two, mut back) = Bench::reader(2, Overflow::Gap);
    let mut count = 0;
    for second in 0..180 {
        bench.pass(SECOND);
        if second == 20 {
            bench.subscribe(topic, &two);
        }
        for (id, why) in turn(bench, true) {
            let is_its = why == Fetch::Poll { after: Some(mark) };
            assert!(!is_its || second >= 20, "nobody reads it yet");
            count += usize::from(is_its);
            bench.give(id, []);
        }
        read(&mut back);
        outboxes.iter_mut().for_each(|outbox| drop(read(outbox)));
    }
    count
}

#[test]
fn a_topic_whose_reader_comes_back_in_an_outage_is_polled_too() {
    for others in [true, false] {
        let mut bench = Bench::new();
        let (who, outbox) = Bench::reader(1, Overflow::Gap);
        let (two, _outbox) = Bench::reader(2, Overflow::Gap);
        if others {
            bench.subscribe("toy:trade:R1", &who);
        }
        bench.subscribe("toy:trade:R2", &two);
        let line = bench.open();
        bench.accept(line, 1);
        bench.hear(line, "t R1 1 1");
        bench.hear(line, "t R2 100 1");
        // Its reader leaves, and it lingers.
        let topic: Topic = "toy:trade:R2".parse().unwrap();
        assert!(bench.feed.unsubscribe(bench.now, &topic, SubscriberId(2)));
        bench.cut(line);
        let count = polls_since_return(&mut bench, "toy:trade:R2", &mut [outbox], 100);
        assert!(count >= 20, "others {others}: {count}");
    }
}

#[test]
fn a_topic_that_its_last_reader_leaves_is_not_polled_any_more() {
    let (mut bench, first, who, mut outbox) = fallen();
    bench.give(first, [4]);
    let (two, mut other) = Bench::reader(2, Overflow::Gap);
    bench.subscribe("toy:trade:R2", &two);
    bench.pass(SECOND);
    let asked = turn(&mut bench, true);
    assert!(
        matches!(asked[..], [(_, Fetch::Poll { after: None })]),
        "a new one is asked for at once: {asked:?}"
    );
    bench.give(asked[0].0, [70]);
    let topic: Topic = "toy:trade:R".parse().unwrap();
    bench.feed.unsubscribe(bench.now, &topic, who.id());
    for _ in 0..20 {
        bench.pass(SECOND);
        for (id, why) in turn(&mut bench, true) {
            assert_eq!(why, Fetch::Poll { after: Some(70) });
            bench.give(id, []);
        }
        read(&mut outbox);
        read(&mut other);
    }
    assert_eq!(bench.feed.status(bench.now).fallback.polled, 1);
}

#[test]
fn what_an_operator_forgives_is_asked_for_at_once() {
    let (mut bench, first, _who, _outbox) = fallen();
    refuse(&mut bench, first, Fault::RateLimited { retry_after: Some(600 * SECOND), banned: false });
    bench.pass(10 * SECOND);
    assert!(turn(&mut bench, true).is_empty(), "it is held");
    bench.feed.command(bench.now, Command::Reset);
    bench.collect();
    bench.pass(5 * SECOND);
    assert!(!turn(&mut bench, true).is_empty(), "nothing is held any more");

    let (mut bench, line, _who, _outbox) = live("toy:trade:R");
    bench.hear(line, "t R 1 1");
    bench.hear(line, "t R 5 1");
    bench.pass(SECOND);
    let (fetch, ..) = bench.backfill();
    refuse(&mut bench, fetch, Fault::RateLimited { retry_after: Some(200 * SECOND), banned: false });
    bench.pass(5 * SECOND);
    assert!(bench.todo.is_empty(), "it is held: {:?}", bench.todo);
    bench.feed.command(bench.now, Command::Reset);
    bench.collect();
    assert_eq!(bench.backfill().1, 2);
}

#[test]
fn a_ban_is_not_an_operators_to_lift() {
    let reset_after = |banned: bool| {
        let (mut bench, first, _who, _outbox) = fallen();
        refuse(&mut bench, first, Fault::RateLimited { retry_after: Some(600 * SECOND), banned });
        bench.pass(10 * SECOND);
        turn(&mut bench, true);
        let touched = bench.feed.command(bench.now, Command::Reset);
        bench.collect();
        let mut asked = 0;
        for _ in 0..58 {
            bench.pass(10 * SECOND);
            asked += turn(&mut bench, true).len();
        }
        let rest = bench.feed.status(bench.now).endpoints.pop().unwrap();
        (touched, asked, rest.banned)
    };
    assert_eq!(reset_after(true), (1, 0, true), "the line that waits, and nothing else");
    let (touched, asked, banned) = reset_after(false);
    assert_eq!((touched, banned), (2, false));
    assert!(asked > 10, "{asked}");
}

#[test]
fn dials_that_fail_do_not_break_what_is_polled() {
    let (mut bench, line, _who, mut outbox) = live("toy:quote:R");
    bench.hear(line, "q R 900 5");
    bench.cut(line);
    let mut epochs = Vec::new();
    for _ in 0..300 {
        bench.pass(SECOND);
        for (id, _) in turn(&mut bench, true) {
            bench.quote(id, 5);
        }
        read(&mut outbox);
        epochs.push(bench.feed.status(bench.now).topics[0].position.epoch);
    }
    epochs.dedup();
    assert_eq!(epochs.len(), 2, "the one before the cut, and that of what is polled");
}

#[test]
fn a_price_that_has_doubled_is_believed_when_rest_insists() {
    let (mut bench, line, _who, mut outbox) = live("toy:quote:R");
    bench.hear(line, "q R 900 5");
    bench.cut(line);
    market(&mut outbox);
    let (mut replies, mut shown_after) = (0, None);
    for _ in 0..60 {
        bench.pass(SECOND);
        for (id, _) in turn(&mut bench, true) {
            bench.quote(id, 11);
            replies += 1;
        }
        let up = bench.feed.records().log().after(0).last().map(|record| record.to.name());
        let told = market(&mut outbox);
        if shown_after.is_none() && !told.is_empty() {
            assert_eq!(told, ["snapshot 0 bid=11"]);
            shown_after = Some(replies);
        }
        assert_eq!(
            up == Some("any"),
            shown_after.is_some(),
            "what is not taken is not served: {replies} {up:?}"
        );
    }
    assert_eq!(shown_after, Some(3));
}

#[test]
fn a_price_of_another_symbol_is_known_by_its_id_however_often_it_is_told() {
    for (ahead, believed) in [(2_000, true), (1_000_000_000, false)] {
        let (mut bench, line, _who, mut outbox) = live("toy:quote:R");
        bench.hear(line, "q R 9000 5");
        bench.cut(line);
        market(&mut outbox);
        for reply in 0..60 {
            bench.pass(SECOND);
            for (id, _) in turn(&mut bench, true) {
                bench.quote_at(id, 11, Some(9_000 + ahead + reply));
            }
        }
        assert_eq!(!market(&mut outbox).is_empty(), believed, "{ahead} ids ahead");
    }
}

#[test]
fn a_price_of_another_symbol_now_and_then_is_not_believed() {
    let (mut bench, line, _who, mut outbox) = live("toy:quote:R");
    bench.hear(line, "q R 900 5");
    bench.cut(line);
    let mut replies = 0;
    for _ in 0..120 {
        bench.pass(SECOND);
        for (id, _) in turn(&mut bench, true) {
            // Twice in a row another's, and each time of yet another one.
            bench.quote(id, [5, 11, 12, 5, 11, 40, 200][replies % 7]);
            replies += 1;
        }
        let told = market(&mut outbox);
        assert!(told.iter().all(|update| update.ends_with("bid=5")), "{told:?}");
    }
    assert!(replies > 20);
}

/// A reply with the top of a book, or a whole one, at update id `last`.
fn at(bench: &mut Bench, fetch: FetchId, topic: &str, last: u64) {
    if topic.starts_with("toy:book") {
        return bench.answer(fetch, last);
    }
    let (price, one) = (5.into(), 1.into());
    let quote = Quote { bid: price, bid_size: one, ask: price, ask_size: one, venue_id: Some(last) };
    let (topic, data) = (crate::venue::TopicId(0), Data::Quote(quote));
    let items = vec![Item::Market { topic, id: last, time: None, data }];
    bench.input(Input::Fetched { id: fetch, result: Ok(Decoded { items, ..Decoded::default() }) });
}

#[test]
fn what_a_cache_has_kept_is_not_taken_for_a_venue_that_has_started_over() {
    for topic in ["toy:book:R", "toy:quote:R"] {
        let (mut bench, line, _who, mut outbox) = live(topic);
        if topic == "toy:book:R" {
            bench.hear(line, "d R 9000 9000 95 1");
            let fetch = bench.fetch();
            bench.answer(fetch, 9_000);
            // A hole is all that its readers know of last.
            bench.hear(line, "d R 9009 9009 95 1");
            bench.todo.clear();
        } else {
            bench.hear(line, "q R 9000 5");
        }
        bench.cut(line);
        market(&mut outbox);
        let mut told_after = None;
        for second in 0..100 {
            bench.pass(SECOND);
            for (id, why) in turn(&mut bench, true) {
                if matches!(why, Fetch::Poll { .. }) {
                    at(&mut bench, id, topic, 700 + second);
                }
            }
            let told = market(&mut outbox);
            if !told.is_empty() && told_after.is_none() {
                assert!(told[0].starts_with("snapshot 0"), "{told:?}");
                told_after = Some(second);
            }
        }
        // A cache forgets; ids that were started over stay low.
        assert!(told_after.is_some_and(|second| (59..70).contains(&second)), "{topic}: {told_after:?}");
    }
}

#[test]
fn a_polled_book_has_no_time_of_what_was_streamed_before() {
    let (mut bench, _who, mut outbox) = book_of_a_cut_line();
    for last in 20..50 {
        bench.pass(SECOND / 2);
        for (id, _) in turn(&mut bench, true) {
            bench.answer(id, last);
        }
    }
    let mut times = Vec::new();
    while let Some(update) = outbox.try_next() {
        if update.kind == Kind::Snapshot {
            times.push((update.source, update.time.map(|time| time.0)));
        }
    }
    assert_eq!(times.last(), Some(&(Source::Poll, None)), "{times:?}");
}

#[test]
fn a_line_that_comes_back_makes_nothing_worse_than_it_was_while_polled() {
    let (mut bench, line, _who, _outbox) = live("toy:trade:R");
    for id in 1..=600 {
        bench.hear(line, &format!("t R {id} 1"));
        bench.pass(SECOND / 20);
    }
    bench.todo.clear();
    bench.cut(line);
    let (mut next, mut polled) = (601, false);
    for _ in 0..80 {
        bench.pass(SECOND / 2);
        for (id, _) in turn(&mut bench, true) {
            bench.give(id, [next]);
            (next, polled) = (next + 1, true);
        }
        let topic = bench.feed.status(bench.now).topics.swap_remove(0);
        if polled {
            assert_eq!((topic.source, topic.level), (Source::Poll, Level::Degraded));
            let why: Vec<_> = topic.reasons.iter().map(|why| (why.dimension, why.level)).collect();
            assert_eq!(why, [(Dimension::Rung, Level::Degraded)], "the line's silence is not its own");
        }
    }
    assert!(polled);
    let line = back(&mut bench);
    (1..20).for_each(|request| bench.hear(line, &format!("ok {request}")));
    let mut steps = Vec::new();
    for half in 0..120 {
        bench.hear(line, &format!("t R {next} 1"));
        next += 1;
        let level = bench.feed.status(bench.now).topics[0].level;
        if steps.last().is_none_or(|(_, shown)| *shown != level) {
            steps.push((half / 2, level));
        }
        bench.pass(SECOND / 2);
        turn(&mut bench, false);
    }
    assert_eq!(steps, [(0, Level::Degraded), (30, Level::Warning), (40, Level::Healthy)]);
    for _ in 0..240 {
        bench.hear(line, &format!("t R {next} 1"));
        next += 1;
        bench.pass(SECOND / 2);
        turn(&mut bench, false);
        assert_eq!(bench.feed.status(bench.now).topics[0].level, Level::Healthy);
    }
    assert!(bench.feed.ailing.is_empty(), "nothing is kept of what is over");
}
