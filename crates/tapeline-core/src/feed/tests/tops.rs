//! The top of a book as a topic of its own.

use super::SECOND;
use super::pair::pair;
use super::poll::{back, turn};
use super::toy::{Bench, live, market};
use crate::data::update::{Data, Kind, Level, Source};
use crate::feed::{Action, DialError, Input, Stage};
use crate::outbox::{Outbox, Overflow, Subscriber};
use crate::policy::fault::Fault;
use crate::venue::{Fetch, Refusal, TopicId};

#[test]
fn a_top_is_cut_from_the_book_that_runs_anyway() {
    let (mut bench, line, _who, mut books) = live("toy:book:A");
    let (other, mut tops) = Bench::reader(2, Overflow::Gap);
    bench.subscribe("toy:depth:A@levels=1", &other);
    bench.hear(line, "d A 10 10 95 1");
    let asked = bench.todo.iter().position(|action| matches!(action, crate::feed::Action::Fetch { .. }));
    bench.todo.rotate_left(asked.unwrap());
    let fetch = bench.fetch();
    bench.answer(fetch, 10);
    assert_eq!(market(&mut tops), ["snapshot 0 live 1+1"]);
    bench.hear(line, "d A 11 11 80 1");
    assert!(market(&mut tops).is_empty(), "what lies deeper does not matter");
    bench.hear(line, "d A 12 12 95 2");
    assert_eq!(market(&mut tops), ["delta 1 live 2+0"], "the new best bid, and the old one goes");
    bench.cut(line);
    assert_eq!(market(&mut tops), ["delta 2 stale 0+0"]);
    assert!(market(&mut books).last().unwrap().contains("stale"));
}

/// Passes half a minute without lines; every poll of the book and of its top is answered, or refused if there is no
/// answer: the venue's id, and the best bid.
fn half_a_minute_of_polls(bench: &mut Bench, answer: Option<(u64, i64)>) -> usize {
    let mut polls = 0;
    for _ in 0..60 {
        bench.pass(SECOND / 2);
        for action in std::mem::take(&mut bench.todo) {
            match action {
                Action::Fetch { id, topic, why: Fetch::Poll { .. }, .. } => {
                    polls += 1;
                    let of = TopicId(u32::from(topic.as_str().contains("depth")));
                    match answer {
                        Some((last, bid)) => bench.answer_as(of, id, last, (bid, 110)),
                        None => {
                            let refusal = Refusal::new(Fault::Transient, "broken");
                            bench.input(Input::Fetched { id, result: Err(refusal) });
                        }
                    }
                }
                Action::Dial { line, .. } => {
                    let (stage, fault, detail) = (Stage::Upgrade, Fault::Transient, "blocked".into());
                    bench.input(Input::Failed { line, why: DialError { stage, fault, detail } });
                }
                _ => {}
            }
        }
    }
    polls
}

/// The level and the source of the second topic.
fn second(bench: &mut Bench) -> (Level, Source) {
    let status = bench.feed.status(bench.now);
    (status.topics[1].level, status.topics[1].source)
}

/// A book and its top, both live, and then without a line.
fn book_and_top_of_a_cut_line() -> (Bench, Outbox, (Subscriber, Outbox, Subscriber)) {
    let (mut bench, line, who, books) = live("toy:book:R");
    let (other, mut tops) = Bench::reader(2, Overflow::Gap);
    bench.subscribe("toy:depth:R@levels=1", &other);
    bench.hear(line, "d R 10 10 95 1");
    let asked = turn(&mut bench, false);
    bench.answer(asked[0].0, 10);
    bench.cut(line);
    assert_eq!(market(&mut tops), ["snapshot 0 live 1+1", "delta 1 stale 0+0"]);
    (bench, tops, (who, books, other))
}

#[test]
fn a_top_is_polled_as_its_book_is() {
    let (mut bench, mut tops, _readers) = book_and_top_of_a_cut_line();
    assert!(half_a_minute_of_polls(&mut bench, Some((100, 90))) > 4);
    assert_eq!(second(&mut bench), (Level::Degraded, Source::Poll));
    let told = market(&mut tops);
    assert_eq!(told, ["snapshot 0 unverified 1+1"], "it is shown, whatever the book does");
    half_a_minute_of_polls(&mut bench, Some((101, 91)));
    assert_eq!(market(&mut tops), ["delta 1 unverified 2+0"]);
}

#[test]
fn a_top_that_is_cut_from_its_book_again_is_not_called_polled_when_the_line_goes() {
    let (mut bench, _tops, _readers) = book_and_top_of_a_cut_line();
    half_a_minute_of_polls(&mut bench, Some((100, 90)));
    let line = back(&mut bench);
    bench.hear(line, "d R 200 201 95 1");
    for (id, _) in turn(&mut bench, false) {
        bench.answer(id, 200);
    }
    // It is polled on until the line has held for a while: what REST tells meanwhile is not what is shown.
    let mut polls = 0;
    for id in 202..208 {
        bench.hear(line, &format!("d R {id} {id} 95 {id}"));
        bench.pass(SECOND);
        for action in std::mem::take(&mut bench.todo) {
            if let Action::Fetch { id: fetch, topic, why: Fetch::Poll { .. }, .. } = action
                && topic.as_str().contains("depth")
            {
                polls += 1;
                bench.answer_as(TopicId(1), fetch, id, (90, 110));
            }
        }
    }
    assert!(polls > 0);
    assert_eq!(second(&mut bench).1, Source::Live, "as it is shown");
    bench.cut(line);
    assert_eq!(second(&mut bench).1, Source::Cache);
}

#[test]
fn a_top_that_is_polled_no_more_is_stale() {
    let (mut bench, mut tops, _readers) = book_and_top_of_a_cut_line();
    half_a_minute_of_polls(&mut bench, Some((100, 90)));
    market(&mut tops);
    for _ in 0..4 {
        half_a_minute_of_polls(&mut bench, None);
    }
    assert_eq!(second(&mut bench), (Level::Critical, Source::Cache));
    assert_eq!(market(&mut tops), ["delta 1 stale 0+0"], "what was polled is old, and is told to be");
    for _ in 0..4 {
        half_a_minute_of_polls(&mut bench, Some((100, 90)));
    }
    assert_eq!(second(&mut bench), (Level::Degraded, Source::Poll));
    assert_eq!(market(&mut tops), ["delta 2 unverified 0+0"], "nothing has changed, and that is known again");
}

/// The ids of the tops that a reader got, and which of them were whole.
fn ids(outbox: &mut Outbox) -> Vec<(u64, bool)> {
    let mut ids = Vec::new();
    while let Some(update) = outbox.try_next() {
        if let Data::Book(book) = &update.data {
            ids.extend(book.venue_id.map(|id| (id, update.kind == Kind::Snapshot)));
        }
    }
    ids
}

#[test]
fn a_top_does_not_go_back_when_the_slower_of_two_lines_is_a_thousand_ids_behind() {
    // With the venue's time, and without.
    for timed in [true, false] {
        let (mut bench, [a, b], _who, mut outbox) = pair("toy:depth:A@levels=1");
        let hear = |bench: &mut Bench, line, id: u64| {
            let time = if timed { format!(" {id}") } else { String::new() };
            bench.hear(line, &format!("p A {id} {} 500{time}", id / 1_000));
        };
        hear(&mut bench, a, 100_000);
        for id in [102_000, 104_000, 106_000] {
            hear(&mut bench, a, id);
            hear(&mut bench, b, id - 2_000);
        }
        assert_eq!(ids(&mut outbox), [(100_000, true), (102_000, false), (104_000, false), (106_000, false)]);
    }
}

#[test]
fn a_top_whose_ids_start_over_begins_a_new_epoch() {
    let (mut bench, [a, b], _who, mut outbox) = pair("toy:depth:A@levels=1");
    bench.hear(a, "p A 100000 95 105 7");
    bench.hear(b, "p A 100000 95 105 7");
    bench.hear(a, "p A 5 96 105 8");
    bench.hear(b, "p A 100500 95 105 7");
    bench.hear(b, "p A 5 96 105 8");
    bench.hear(a, "p A 6 97 105 9");
    assert_eq!(ids(&mut outbox), [(100_000, true), (5, true), (6, false)]);

    let (mut bench, line, _who, mut outbox) = live("toy:depth:A@levels=1");
    bench.hear(line, "p A 100000 95 105");
    bench.hear(line, "p A 5 96 105");
    assert_eq!(ids(&mut outbox), [(100_000, true), (5, true)], "one line delivers in order");
}

#[test]
fn an_array_begins_each_epoch_with_a_snapshot_and_forgets_what_was_before() {
    let (mut bench, line, _who, mut outbox) = live("toy:mark_price:!all");
    bench.hear(line, "k 1 X Y");
    bench.hear(line, "k 2 X");
    assert_eq!(market(&mut outbox), ["snapshot 0 x y", "delta 1 x"]);
    bench.cut(line);
    bench.pass(super::SECOND * 2);
    let line = bench.open();
    bench.accept(line, 2);
    bench.hear(line, "k 3 Y");
    assert_eq!(market(&mut outbox), ["snapshot 0 y"]);
    let (late, mut second) = Bench::reader(3, Overflow::Gap);
    bench.subscribe("toy:mark_price:!all", &late);
    assert_eq!(market(&mut second), ["snapshot 0 y"], "what was told before the break is not known any more");
}
