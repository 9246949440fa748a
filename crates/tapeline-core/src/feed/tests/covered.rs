//! What one line loses comes from another one: if that one was subscribed soon enough. A line that was subscribed later
//! knows nothing of what was said before.

use super::pair::pair;
use super::toy::{Bench, SECOND, market, read};
use crate::feed::{Action, Command, Input};
use crate::outbox::{Outbox, Overflow, Subscriber};
use crate::venue::{Fetch, LineId, TopicId};

/// The book, where trades were subscribed first.
const BOOK: TopicId = TopicId(1);

/// Two lines that carry trades and a live book at 11.
struct Both {
    bench: Bench,
    lines: [LineId; 2],
    trades: Outbox,
    book: Outbox,
    _readers: [Subscriber; 2],
}

fn both() -> Both {
    let (mut bench, lines, first, mut trades) = pair("toy:trade:R");
    let (second, mut book) = Bench::reader(2, Overflow::Gap);
    bench.subscribe("toy:book:R", &second);
    for action in std::mem::take(&mut bench.todo) {
        if let Action::Send { line, .. } = action {
            bench.hear(line, "ok 2");
        }
    }
    say(&mut bench, &lines, &["d R 10 10 95 1", "t R 5 1"]);
    let fetch = bench.fetch();
    bench.answer_as(BOOK, fetch, 10, (90, 110));
    say(&mut bench, &lines, &["d R 11 11 95 2"]);
    bench.todo.clear();
    let _ = (read(&mut trades), read(&mut book));
    Both { bench, lines, trades, book, _readers: [first, second] }
}

fn say(bench: &mut Bench, lines: &[LineId], texts: &[&str]) {
    for line in lines {
        texts.iter().for_each(|text| bench.hear(*line, text));
    }
}

/// The next dial, once it is made and opened.
fn redialled(bench: &mut Bench) -> LineId {
    for _ in 0..100 {
        bench.pass(SECOND / 20);
        for action in std::mem::take(&mut bench.todo) {
            if let Action::Dial { line, .. } = action {
                bench.input(Input::Opened { line });
                return line;
            }
        }
    }
    panic!("nothing is dialled");
}

/// What is asked of REST in the next seconds, while the lines answer pings.
fn asked(bench: &mut Bench, seconds: u32) -> Vec<String> {
    let mut asked = Vec::new();
    for _ in 0..seconds {
        bench.pass(SECOND);
        for action in std::mem::take(&mut bench.todo) {
            match action {
                Action::Ping { line, payload } => bench.input(Input::Pong { line, payload: &payload }),
                Action::Fetch { why, topic, .. } => asked.push(match why {
                    Fetch::Snapshot => format!("{topic}: a snapshot"),
                    _ => format!("{topic}: news"),
                }),
                _ => {}
            }
        }
    }
    asked
}

fn resyncs(bench: &mut Bench) -> u64 {
    bench.feed.status(bench.now).topics[1].counts.resyncs
}

#[test]
fn a_line_that_was_subscribed_while_the_other_stood_still_does_not_cover_what_that_one_held() {
    let Both { mut bench, lines: [a, b], mut book, trades: _trades, _readers } = both();
    bench.cut(b);
    // A stands still from here on, too short to be suspicious.
    let again = redialled(&mut bench);
    bench.hear(again, "ok 3");
    market(&mut book);
    bench.cut(a);
    assert_eq!(market(&mut book), ["delta 2 stale 0+0"], "what was said in between nobody has");
    assert_eq!(bench.feed.status(bench.now).topics[0].phase, "live");
    assert_eq!(asked(&mut bench, 5), ["toy:book:R: a snapshot"]);
    // Now that the line is known to bring data, it is asked what trades there were before.
    bench.hear(again, "d R 13 13 95 3");
    assert!(asked(&mut bench, 4).contains(&"toy:trade:R: news".to_owned()));
}

#[test]
fn a_change_that_begins_where_the_book_stands_shows_that_nothing_was_missed() {
    let Both { mut bench, lines: [a, b], mut book, trades: _trades, _readers } = both();
    bench.cut(b);
    let again = redialled(&mut bench);
    bench.hear(again, "ok 3");
    bench.cut(a);
    market(&mut book);
    bench.hear(again, "d R 12 12 95 3");
    assert_eq!(market(&mut book), ["snapshot 0 live 2+1"]);
    assert!(!asked(&mut bench, 5).iter().any(|asked| asked.contains("snapshot")), "none is needed");
}

#[test]
fn what_has_come_on_the_later_line_meanwhile_shows_that_it_carries_everything() {
    let Both { mut bench, lines: [a, b], mut book, mut trades, _readers } = both();
    bench.cut(b);
    let again = redialled(&mut bench);
    bench.hear(again, "ok 3");
    say(&mut bench, &[again], &["d R 12 12 95 3", "t R 6 1"]);
    bench.cut(a);
    say(&mut bench, &[again], &["d R 13 13 95 4", "t R 7 1"]);
    assert_eq!(market(&mut book), ["delta 2 live 1+0", "delta 3 live 1+0"]);
    assert_eq!(market(&mut trades), ["event 2 id=6", "event 3 id=7"]);
    assert_eq!(resyncs(&mut bench), 0);
}

#[test]
fn the_end_of_a_line_on_which_nothing_came_takes_nothing_from_a_topic() {
    let Both { mut bench, lines: [a, b], mut book, trades: _trades, _readers } = both();
    bench.cut(a);
    bench.cut(b);
    let first = redialled(&mut bench);
    let second = redialled(&mut bench);
    // The first one is open and says nothing at all.
    bench.hear(second, "ok 3");
    bench.hear(second, "t R 6 1");
    bench.hear(second, "d R 12 12 95 3");
    bench.pass(SECOND);
    market(&mut book);
    bench.cut(first);
    assert_eq!((market(&mut book).len(), resyncs(&mut bench)), (0, 1));
}

#[test]
fn what_fell_silent_before_another_line_was_subscribed_is_not_called_right_by_that_one() {
    let Both { mut bench, lines: [a, b], mut book, trades: _trades, _readers } = both();
    let mut id = 11;
    for _ in 0..1_200 {
        id += 1;
        say(&mut bench, &[a, b], &[&format!("d R {id} {id} 95 {id}"), &format!("t R {id} 1")]);
        bench.pass(SECOND / 20);
        bench.todo.clear();
        market(&mut book);
    }
    bench.cut(b);
    let again = redialled(&mut bench);
    for _ in 0..60 {
        bench.pass(SECOND / 20);
    }
    let told = market(&mut book);
    assert_eq!(told.iter().filter(|line| line.contains("stale")).count(), 1, "A is silent: {told:?}");
    bench.hear(again, "ok 3");
    bench.hear(again, &format!("t R {} 1", id + 50));
    assert_eq!(market(&mut book), [""; 0], "a trade says nothing of the book");
    // What A held all the time it brings after all: the book goes on where it stood.
    bench.hear(a, &format!("d R {0} {0} 95 7", id + 1));
    assert_eq!(market(&mut book), ["snapshot 0 live 2+1"]);
}

#[test]
fn a_book_in_doubt_goes_on_with_a_change_that_fits_on_a_line_that_came_later() {
    let Both { mut bench, lines: [a, b], mut book, trades: _trades, _readers } = both();
    for id in 12..1_212 {
        say(&mut bench, &[a, b], &[&format!("d R {id} {id} 95 {id}")]);
        bench.pass(SECOND / 20);
        bench.todo.clear();
        market(&mut book);
    }
    bench.cut(b);
    let again = redialled(&mut bench);
    (0..60).for_each(|_| bench.pass(SECOND / 20));
    market(&mut book);
    bench.hear(again, "ok 3");
    bench.hear(again, "d R 1212 1212 95 7");
    assert_eq!(market(&mut book), ["snapshot 0 live 2+1"]);
    let state = bench.feed.status(bench.now).topics[1].book.clone().unwrap();
    assert_eq!(state.venue_id, Some(1_212));
}

#[test]
fn a_line_that_stands_still_is_not_left_before_it_has_answered() {
    let (mut bench, old, who, mut outbox) = super::toy::live("toy:trade:A");
    bench.subscribe("toy:trade:B", &who);
    bench.accept(old, 2);
    say(&mut bench, &[old], &["t A 1 1", "t B 1 1"]);
    bench.pass(SECOND / 10);
    assert_eq!(bench.feed.command(bench.now, Command::Rotate { slot: None }), 1);
    bench.collect();
    let heir = bench.open();
    bench.accept(heir, 1);
    bench.hear(heir, "t A 2 1");
    bench.pass(4 * SECOND);
    let todo = std::mem::take(&mut bench.todo);
    assert!(
        !todo.iter().any(|action| matches!(action, Action::Close { .. })),
        "B may have had an event: {todo:?}"
    );
    let ping = todo.into_iter().find_map(|action| match action {
        Action::Ping { line, payload } if line == old => Some(payload),
        _ => None,
    });
    bench.pass(SECOND);
    assert_eq!(bench.todo, [], "asked once");
    // What it held comes before its answer.
    bench.hear(old, "t B 2 1");
    bench.input(Input::Pong { line: old, payload: &ping.expect("it is asked") });
    bench.pass(2 * SECOND);
    assert_eq!(bench.todo.pop_front(), Some(Action::Close { line: old, code: 1000 }));
    let told = market(&mut outbox);
    assert_eq!(told, ["event 1 id=1", "event 1 id=1", "event 2 id=2", "event 2 id=2"]);
}

#[test]
fn a_line_that_breaks_while_its_follower_was_subscribed_too_late_leaves_a_hole() {
    let (mut bench, _who, mut outbox) = super::toy::book_of_a_cut_line();
    let old = redialled(&mut bench);
    bench.hear(old, "ok 2");
    bench.hear(old, "d R 12 12 95 3");
    bench.pass(SECOND / 10);
    bench.todo.clear();
    assert_eq!(bench.feed.command(bench.now, Command::Rotate { slot: None }), 1);
    bench.collect();
    let heir = bench.open();
    bench.pass(SECOND / 10);
    bench.accept(heir, 1);
    market(&mut outbox);
    bench.cut(old);
    assert_eq!(market(&mut outbox), ["delta 1 stale 0+0"]);
    assert_eq!(asked(&mut bench, 5), ["toy:book:R: a snapshot"]);
}
