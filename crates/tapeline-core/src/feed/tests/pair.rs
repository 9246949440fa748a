//! Two lines for the same topics: the first copy of everything is taken, and a line that is lost loses nothing.

use super::toy::{Bench, SECOND, market, read};
use crate::config::FeedConfig;
use crate::data::update::Level;
use crate::feed::{Action, Input, Memory};
use crate::outbox::{Outbox, Overflow, Subscriber};
use crate::venue::LineId;

/// A bench whose feed runs everything twice, with one reader of `topic` on two open lines.
pub(super) fn pair(topic: &str) -> (Bench, [LineId; 2], Subscriber, Outbox) {
    let mut bench = Bench::with(FeedConfig { lines: 2, ..FeedConfig::default() }, Memory::default());
    let (who, outbox) = Bench::reader(1, Overflow::Gap);
    bench.subscribe(topic, &who);
    let urls: Vec<_> = bench.todo.iter().map(|action| super::url(Some(action))).collect();
    assert_eq!(urls, ["ws://a", "ws://b"], "on different endpoints");
    let a = bench.open();
    let b = bench.dial();
    bench.accept(a, 1);
    bench.input(crate::feed::Input::Opened { line: b });
    bench.accept(b, 1);
    (bench, [a, b], who, outbox)
}

fn level(bench: &mut Bench) -> Level {
    bench.feed.status(bench.now).topics[0].level
}

#[test]
fn the_first_copy_of_each_event_is_taken_whichever_line_brings_it() {
    let (mut bench, [a, b], _who, mut outbox) = pair("toy:trade:A");
    for (line, id) in [(a, 1), (a, 2), (b, 1), (b, 2), (b, 3), (a, 3), (b, 4), (a, 5), (a, 4), (b, 5), (b, 6)]
    {
        bench.hear(line, &format!("t A {id} 1"));
    }
    let told: Vec<_> = (1..=6).map(|id| format!("event {id} id={id}")).collect();
    assert_eq!(market(&mut outbox), told);
    let status = bench.feed.status(bench.now);
    let figures: Vec<_> = status.lines.iter().map(|line| (line.stats.first, line.stats.duplicates)).collect();
    assert_eq!(figures, [(3, 2), (3, 3)]);
    assert_eq!(status.topics[0].counts.duplicates, 5);
}

#[test]
fn each_symbol_of_an_array_is_told_by_whichever_line_brings_it_first() {
    let (mut bench, [a, b], _who, mut outbox) = pair("toy:mark_price:!all");
    bench.hear(a, "k 1 X");
    bench.hear(a, "k 3 X");
    // The slower line brings what the faster one has brought, what that one missed, and a list that is old in part.
    bench.hear(b, "k 1 X");
    bench.hear(b, "k 2 Y");
    bench.hear(b, "k 2 X Z");
    bench.hear(b, "k 3 X");
    bench.hear(a, "k 2 Y");
    bench.hear(b, "k 4 X Y");
    assert_eq!(market(&mut outbox), ["snapshot 0 x", "delta 1 x", "delta 2 y", "delta 3 z", "delta 4 x y"]);
}

#[test]
fn a_cut_line_loses_nothing_while_the_other_stands() {
    for topic in ["toy:trade:A", "toy:quote:A", "toy:liquidation:A"] {
        let (mut bench, [a, b], _who, mut outbox) = pair(topic);
        let letter = &topic[4..5];
        let hear = |bench: &mut Bench, line, id| bench.hear(line, &format!("{letter} A {id} {id}"));
        for id in 1..=3 {
            hear(&mut bench, a, id);
            hear(&mut bench, b, id);
        }
        let epoch = bench.feed.status(bench.now).topics[0].position.epoch;
        bench.cut(a);
        for id in 4..=5 {
            hear(&mut bench, b, id);
        }
        assert_eq!(level(&mut bench), Level::Warning, "{topic}: one line is left");
        bench.cut(b);
        let after = bench.feed.status(bench.now).topics[0].position.epoch;
        assert_eq!(epoch, after, "{topic}: continuity was never in doubt");
        assert_eq!(market(&mut outbox).len(), 5, "{topic}");
    }
}

#[test]
fn a_line_that_comes_back_is_the_second_again() {
    let (mut bench, [a, b], _who, mut outbox) = pair("toy:trade:A");
    bench.hear(a, "t A 1 1");
    bench.hear(b, "t A 1 1");
    bench.cut(a);
    bench.hear(b, "t A 2 1");
    bench.pass(2 * SECOND);
    let again = bench.open();
    assert_eq!(bench.accept(again, 2), ["+t A -"]);
    bench.hear(again, "t A 3 1");
    bench.cut(b);
    bench.hear(again, "t A 4 1");
    assert_eq!(market(&mut outbox), ["event 1 id=1", "event 2 id=2", "event 3 id=3", "event 4 id=4"]);
}

/// Seconds of trades on the lines that stand, with pongs for their pings; each level that was shown, and from when on.
fn levels(bench: &mut Bench, lines: &[LineId], seconds: u64, id: &mut u64) -> Vec<(u64, Level)> {
    let mut seen: Vec<(u64, Level)> = Vec::new();
    for second in 0..seconds {
        *id += 1;
        lines.iter().for_each(|line| bench.hear(*line, &format!("t A {id} 1")));
        let now = level(bench);
        if seen.last().is_none_or(|(_, held)| *held != now) {
            seen.push((second, now));
        }
        bench.pass(SECOND);
        for action in std::mem::take(&mut bench.todo) {
            match action {
                Action::Ping { line, payload } => bench.input(Input::Pong { line, payload: &payload }),
                other => bench.todo.push_back(other),
            }
        }
    }
    seen
}

/// The next dial, opened and subscribed. The other lines bring trades meanwhile.
fn redial(bench: &mut Bench, others: &[LineId], id: &mut u64) -> LineId {
    for _ in 0..100 {
        for action in std::mem::take(&mut bench.todo) {
            if let Action::Dial { line, .. } = action {
                bench.input(Input::Opened { line });
                bench.accept(line, 2);
                return line;
            }
        }
        levels(bench, others, 1, id);
    }
    panic!("nothing is dialled");
}

#[test]
fn a_line_that_comes_back_makes_nothing_worse_that_the_other_carried_meanwhile() {
    let (mut bench, [a, b], _who, _outbox) = pair("toy:trade:A");
    let mut id = 0;
    levels(&mut bench, &[a, b], 30, &mut id);
    bench.cut(a);
    let away = levels(&mut bench, &[b], 8, &mut id);
    assert_eq!(away, [(0, Level::Warning)], "one of two is away");
    assert_eq!(bench.feed.status(bench.now).lines[0].level, Level::Degraded, "the line itself does badly");
    let status = bench.feed.status(bench.now);
    assert_eq!((status.fallback.rung, status.level), ("alternate", Level::Warning));
    assert_eq!(status.topics[0].reasons[0].detail, "one of two lines is down");
    let again = redial(&mut bench, &[b], &mut id);
    let back = levels(&mut bench, &[again, b], 30, &mut id);
    assert_eq!(back, [(0, Level::Warning), (10, Level::Healthy)]);
    let status = bench.feed.status(bench.now);
    assert_eq!((status.fallback.rung, status.level), ("primary", Level::Healthy));
}

#[test]
fn what_is_left_to_a_line_that_has_just_come_back_is_a_warning() {
    let (mut bench, [a, b], _who, _outbox) = pair("toy:trade:A");
    let mut id = 0;
    levels(&mut bench, &[a, b], 30, &mut id);
    bench.cut(a);
    levels(&mut bench, &[b], 8, &mut id);
    let again = redial(&mut bench, &[b], &mut id);
    levels(&mut bench, &[again, b], 2, &mut id);
    bench.cut(b);
    assert_eq!(levels(&mut bench, &[again], 2, &mut id), [(0, Level::Warning)], "nothing was ever missed");
}

#[test]
fn the_line_that_was_heard_last_speaks_when_both_are_away() {
    let (mut bench, [a, b], _who, _outbox) = pair("toy:trade:A");
    let mut id = 0;
    levels(&mut bench, &[a, b], 30, &mut id);
    bench.cut(a);
    levels(&mut bench, &[b], 60, &mut id);
    bench.todo.clear();
    bench.cut(b);
    assert_eq!(level(&mut bench), Level::Degraded, "it is dark since now, not since the first one went");
    let again = redial(&mut bench, &[], &mut id);
    let back = levels(&mut bench, &[again], 2, &mut id);
    assert_eq!(back, [(0, Level::Degraded)], "it was dark, and that was not worse than this");
}

#[test]
fn a_book_goes_on_over_a_hole_of_one_line() {
    let (mut bench, [a, b], _who, mut outbox) = pair("toy:book:A");
    bench.hear(a, "d A 10 10 95 1");
    let fetch = bench.fetch();
    bench.answer(fetch, 10);
    bench.hear(a, "d A 11 12 95 2");
    // B cuts its batches elsewhere, and is slower. A misses 13.
    bench.hear(b, "d A 9 11 94 1");
    bench.hear(a, "d A 14 15 96 1");
    bench.hear(a, "d A 16 16 96 2");
    assert_eq!(market(&mut outbox).last().unwrap(), "delta 1 live 1+0");
    bench.hear(b, "d A 12 14 97 1");
    let told = ["delta 2 live 1+0", "delta 3 live 1+0", "delta 4 live 1+0"];
    assert_eq!(market(&mut outbox), told);
    let book = bench.feed.status(bench.now).topics[0].book.clone().unwrap();
    assert_eq!((book.venue_id, book.synced, book.gaps), (Some(16), 1, 0));
    bench.cut(a);
    bench.hear(b, "d A 15 17 97 2");
    assert_eq!(market(&mut outbox), ["delta 5 live 1+0"], "no resync for a fault of one line");
}

#[test]
fn a_hole_of_both_lines_breaks_the_book_at_once() {
    let (mut bench, [a, b], _who, mut outbox) = pair("toy:book:A");
    bench.hear(a, "d A 10 10 95 1");
    let fetch = bench.fetch();
    bench.answer(fetch, 10);
    bench.hear(a, "d A 12 12 95 2");
    market(&mut outbox);
    bench.hear(b, "d A 13 13 95 2");
    assert_eq!(market(&mut outbox), ["delta 1 stale 0+0"]);
    let fetch = bench.fetch();
    bench.answer(fetch, 12);
    assert_eq!(market(&mut outbox), ["snapshot 0 live 2+1"]);
    let venue_id = bench.feed.status(bench.now).topics[0].book.clone().unwrap().venue_id;
    assert_eq!(venue_id, Some(13), "what was kept is not lost");
}

#[test]
fn a_hole_that_the_other_line_does_not_fill_in_time_breaks_the_book() {
    let (mut bench, [a, _], _who, mut outbox) = pair("toy:book:A");
    bench.hear(a, "d A 10 10 95 1");
    let fetch = bench.fetch();
    bench.answer(fetch, 10);
    bench.hear(a, "d A 12 12 95 2");
    market(&mut outbox);
    bench.pass(2 * SECOND);
    assert_eq!(market(&mut outbox), ["delta 1 stale 0+0"]);
}

#[test]
fn a_silent_line_flags_nothing_that_the_other_carries() {
    let (mut bench, [a, b], _who, mut outbox) = pair("toy:trade:A");
    for id in 1..=6_000 {
        bench.hear(a, &format!("t A {id} 1"));
        bench.hear(b, &format!("t A {id} 1"));
        bench.pass(SECOND / 20);
    }
    bench.todo.clear();
    read(&mut outbox);
    for id in 6_001..=6_030 {
        bench.hear(b, &format!("t A {id} 1"));
        bench.pass(SECOND / 10);
    }
    assert!(bench.todo.iter().any(|action| matches!(action, Action::Ping { line, .. } if *line == a)));
    let told = read(&mut outbox);
    assert!(!told.iter().any(|line| line.contains("silent")), "{told:?}");
    assert_eq!(told.iter().filter(|line| line.starts_with("event")).count(), 30);
}

#[test]
fn two_lines_that_disagree_are_found_out_and_the_first_is_kept() {
    let (mut bench, [a, b], _who, mut outbox) = pair("toy:trade:A");
    for id in 1..=300 {
        bench.hear(a, &format!("t A {id} 1"));
        // Equal content in other words is no disagreement.
        let told = if id % 100 == 0 {
            "2"
        } else if id % 7 == 0 {
            "1.0"
        } else {
            "1"
        };
        bench.hear(b, &format!("t A {id} {told}"));
    }
    let status = bench.feed.status(bench.now);
    assert_eq!(
        (status.mismatches, status.lines[0].stats.mismatches, status.lines[1].stats.mismatches),
        (3, 0, 3)
    );
    assert_eq!(market(&mut outbox).len(), 300);
    let trade = |price| format!(r#"{{"id":"300","price":"{price}","size":"1","side":"buy"}}"#);
    let told = format!("300: first {}, then from line 1 {}", trade(1), trade(2));
    let kept = bench
        .feed
        .records_after(0)
        .last()
        .map(|record| (record.entity.to_string(), record.cause.to_string()));
    assert_eq!(kept, Some(("toy:trade:A".to_owned(), format!("two lines tell otherwise of {told}"))));
    let found = bench.feed.findings(bench.now);
    assert_eq!((found.counts.mismatches, &*found.mismatch), (3, &*format!("toy:trade:A {told}")));
}

#[test]
fn a_stream_that_no_line_has_when_it_is_refused_both_leave() {
    let mut bench = Bench::with(FeedConfig { lines: 2, ..FeedConfig::default() }, Memory::default());
    let (who, mut outbox) = Bench::reader(1, Overflow::Gap);
    bench.subscribe("toy:trade:A", &who);
    let a = bench.open();
    let b = bench.dial();
    bench.input(Input::Opened { line: b });
    bench.hear(a, "no 1");
    let status = bench.feed.status(bench.now);
    assert_eq!((status.topics[0].phase, status.topics[0].lines.len()), ("rejected", 0));
    assert_eq!(status.lines[1].wanted, 0);
    assert!(read(&mut outbox).iter().any(|line| line.contains("rejected")));
}

/// Two lines with two topics, of which B is cut and is refused the first one when it is back; the new line.
fn refused_on_b() -> (Bench, LineId, LineId, Subscriber, Outbox) {
    let (mut bench, [a, b], who, mut outbox) = pair("toy:trade:A");
    bench.subscribe("toy:trade:B", &who);
    for line in [a, b] {
        bench.hear(line, "ok 2");
        bench.hear(line, "t A 1 1");
    }
    bench.cut(b);
    bench.todo.clear();
    bench.pass(2 * SECOND);
    let again = bench.open();
    bench.todo.clear();
    // Of what is refused together each is asked for alone, the first one first.
    bench.hear(again, "no 3");
    bench.hear(again, "no 4");
    bench.hear(again, "ok 5");
    bench.todo.clear();
    market(&mut outbox);
    (bench, a, again, who, outbox)
}

/// Lets time pass while A brings trades; what is asked for meanwhile.
fn asked(bench: &mut Bench, a: LineId, seconds: u64, id: &mut u64) -> Vec<String> {
    let mut asked = Vec::new();
    for _ in 0..seconds {
        *id += 1;
        bench.hear(a, &format!("t A {id} 1"));
        bench.pass(SECOND);
        for action in std::mem::take(&mut bench.todo) {
            match action {
                Action::Ping { line, payload } => bench.input(Input::Pong { line, payload: &payload }),
                Action::Send { text, .. } => asked.push(text),
                _ => {}
            }
        }
    }
    asked
}

#[test]
fn a_stream_that_is_refused_on_one_line_stays_on_the_other_that_brings_it() {
    let (mut bench, a, b, _who, mut outbox) = refused_on_b();
    let mut id = 1;
    assert_eq!(asked(&mut bench, a, 40, &mut id), [""; 0]);
    assert_eq!(market(&mut outbox).len(), 40);
    let status = bench.feed.status(bench.now);
    assert_eq!((&*status.topics[0].lines, status.topics[0].level), (&[a.slot][..], Level::Warning));
    assert_eq!((status.topics[1].lines.len(), status.topics[1].phase), (2, "live"));
    // After a minute it is asked for again, and after two if it is refused again.
    assert_eq!(asked(&mut bench, a, 25, &mut id), ["+t A -"]);
    bench.hear(b, "no 6");
    assert_eq!(asked(&mut bench, a, 110, &mut id), [""; 0]);
    assert_eq!(asked(&mut bench, a, 15, &mut id), ["+t A -"]);
    bench.hear(b, "ok 7");
    bench.hear(b, &format!("t A {id} 1"));
    assert_eq!(bench.feed.status(bench.now).topics[0].lines.len(), 2);
    asked(&mut bench, a, 60, &mut id);
    assert_eq!(level(&mut bench), Level::Healthy);
    assert_eq!(bench.feed.status(bench.now).topics[0].counts.gaps, 0);
}

#[test]
fn what_one_side_was_refused_is_rejected_once_the_other_side_is_refused_it_too() {
    let (mut bench, a, _b, _who, _outbox) = refused_on_b();
    bench.cut(a);
    bench.todo.clear();
    bench.pass(2 * SECOND);
    let again = bench.open();
    bench.todo.clear();
    bench.hear(again, "no 3");
    bench.hear(again, "no 4");
    assert_eq!(bench.feed.status(bench.now).topics[0].phase, "rejected");
    assert!(!bench.feed.is_refused_on_one_side(), "nothing is asked again before an operator speaks");
}

#[test]
fn an_operator_has_what_one_side_was_refused_asked_for_again_at_once() {
    let (mut bench, _a, _b, who, _outbox) = refused_on_b();
    bench.feed.command(bench.now, crate::feed::Command::Reset);
    bench.pass(2 * SECOND);
    assert!(bench.todo.iter().any(|action| matches!(action, Action::Send { text, .. } if text == "+t A -")));
    // What nobody reads any more is forgotten.
    let (mut bench, _a, _b, other, _outbox) = refused_on_b();
    bench.feed.leave(bench.now, other.id());
    bench.feed.command(bench.now, crate::feed::Command::Sweep);
    assert!(!bench.feed.is_refused_on_one_side());
    drop(who);
}

#[test]
fn the_last_readers_leaving_ends_it_on_both_lines() {
    let (mut bench, lines, who, _outbox) = pair("toy:trade:A");
    bench.feed.leave(bench.now, who.id());
    assert_eq!(bench.feed.command(bench.now, crate::feed::Command::Sweep), 1);
    bench.collect();
    let closed: Vec<_> = bench.todo.iter().filter(|action| matches!(action, Action::Close { .. })).collect();
    assert_eq!(closed.len(), lines.len());
}
