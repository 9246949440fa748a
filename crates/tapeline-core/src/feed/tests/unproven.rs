//! Lines that are confirmed and have brought nothing, while others tell of what they should have brought.

use super::pair::pair;
use super::poll::turn;
use super::toy::{Bench, SECOND, live, market};
use crate::data::update::Level;
use crate::feed::{Action, Input};
use crate::policy::alert::Rule;
use crate::policy::fault::Fault;
use crate::venue::{Fetch, LineId, Refusal};

/// What a mute line is asked, with the tenth of a second: the venue accepts, and answers pings and dials.
#[derive(Default)]
struct Venue {
    requests: u64,
    asked: Vec<(u64, &'static str)>,
}

impl Venue {
    /// Lets a tenth of a second pass; `busy` brings the next trade, if there is such a line.
    fn pass(&mut self, bench: &mut Bench, tenth: u64, busy: Option<(LineId, u64)>) {
        if let Some((line, id)) = busy {
            bench.hear(line, &format!("t R {id} 1"));
        }
        bench.pass(SECOND / 10);
        for action in std::mem::take(&mut bench.todo) {
            match action {
                Action::Ping { line, payload } => bench.input(Input::Pong { line, payload: &payload }),
                Action::Send { line, .. } => {
                    self.requests += 1;
                    bench.hear(line, &format!("ok {}", self.requests));
                    self.asked.push((tenth, "subscribe"));
                }
                Action::Dial { line, .. } => {
                    bench.input(Input::Opened { line });
                    self.asked.push((tenth, "dial"));
                }
                Action::Close { .. } => self.asked.push((tenth, "close")),
                other => bench.todo.push_back(other),
            }
        }
    }
}

fn rung(bench: &mut Bench) -> &'static str {
    bench.feed.status(bench.now).fallback.rung
}

fn is_lost(bench: &mut Bench, part: &str) -> bool {
    let all = bench.feed.findings(bench.now).all;
    all.iter().any(|found| found.rule == Rule::LineLost && &*found.part == part)
}

#[test]
fn the_second_of_two_lines_that_brings_nothing_of_what_the_first_does_is_said_to_be_lost_and_left() {
    let (mut bench, [a, _], _who, mut outbox) = pair("toy:trade:R");
    let mut venue = Venue { requests: 1, ..Venue::default() };
    let mut lost = None;
    for tenth in 1..=600 {
        venue.pass(&mut bench, tenth, Some((a, tenth)));
        if lost.is_none() && is_lost(&mut bench, "line 1") {
            lost = Some(tenth);
            let status = bench.feed.status(bench.now);
            assert_eq!(status.topics[0].level, Level::Warning, "one line is left");
        }
    }
    assert!(lost.is_some_and(|tenth| (40..=80).contains(&tenth)), "{lost:?}");
    let asked: Vec<&str> = venue.asked.iter().map(|(_, what)| *what).collect();
    assert_eq!(asked[..4], ["subscribe", "close", "dial", "subscribe"], "{:?}", venue.asked);
    let left: Vec<u64> = venue.asked.iter().filter(|(_, what)| *what == "close").map(|(at, _)| *at).collect();
    let waits: Vec<u64> = left.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(
        left[0] < 120 && waits.windows(2).all(|pair| pair[0] < pair[1]),
        "more patient each time: {left:?}"
    );
    assert_eq!(market(&mut outbox).len(), 600, "nobody else feels it");
}

#[test]
fn a_line_that_brings_nothing_covers_nothing_and_does_not_keep_rest_from_being_asked() {
    let (mut bench, [a, _], _who, mut outbox) = pair("toy:trade:R");
    let mut venue = Venue { requests: 1, ..Venue::default() };
    for tenth in 1..=60 {
        venue.pass(&mut bench, tenth, Some((a, tenth)));
    }
    assert!(is_lost(&mut bench, "line 1"));
    bench.cut(a);
    let mut polled = None;
    // No dial gets through.
    for tenth in 1..=80 {
        bench.pass(SECOND / 10);
        if let Some((id, why)) = turn(&mut bench, true).pop() {
            assert_eq!(why, Fetch::Poll { after: Some(60) });
            bench.give(id, 61..=63);
            polled.get_or_insert(tenth);
        }
    }
    assert!(polled.is_some_and(|tenth| tenth <= 60), "as if there were no second line: {polled:?}");
    let told = market(&mut outbox);
    assert_eq!(told.last().map(String::as_str), Some("event 63 id=63"));
}

#[test]
fn a_line_that_has_just_begun_is_judged_by_the_rhythm_of_the_one_that_is_lost() {
    for (busy, soon) in [(true, true), (false, false)] {
        let (mut bench, [a, _], _who, _outbox) = pair("toy:trade:R");
        // Too short for the other one to be called mute.
        for id in 1..=250 {
            if busy || id % 100 == 0 {
                bench.hear(a, &format!("t R {id} 1"));
            }
            bench.pass(SECOND / 100);
        }
        assert!(!is_lost(&mut bench, "line 1"));
        bench.cut(a);
        let mut polled = false;
        for _ in 1..=100 {
            bench.pass(SECOND / 10);
            turn(&mut bench, true);
            polled |= rung(&mut bench) == "poll";
        }
        assert_eq!(polled, soon, "busy before: {busy}");
    }
}

#[test]
fn two_lines_of_a_quiet_market_are_left_alone() {
    let (mut bench, _, _who, _outbox) = pair("toy:trade:R");
    let mut venue = Venue { requests: 1, ..Venue::default() };
    let mut polls = 0;
    for tenth in 1..=6_000 {
        venue.pass(&mut bench, tenth, None);
        for (id, _) in turn(&mut bench, false) {
            bench.give(id, []);
            polls += 1;
        }
    }
    assert_eq!(venue.asked, []);
    assert!((60..=90).contains(&polls), "and REST is asked as well, from the third minute on: {polls}");
    assert!(!is_lost(&mut bench, "line 0") && !is_lost(&mut bench, "line 1"));
}

#[test]
fn rest_is_asked_as_well_where_nothing_has_come_for_minutes_and_its_news_show_that_it_is_the_line() {
    let (mut bench, _line, _who, mut outbox) = live("toy:trade:R");
    let mut venue = Venue { requests: 1, ..Venue::default() };
    let (mut next, mut polls, mut first, mut news) = (1, 0, None, false);
    for tenth in 1..=4_000 {
        venue.pass(&mut bench, tenth, None);
        for (id, why) in turn(&mut bench, false) {
            assert!(matches!(why, Fetch::Poll { .. }), "{why:?}");
            first.get_or_insert(tenth);
            polls += 1;
            // The market is quiet for a minute more.
            news |= polls > 12;
            bench.give(id, next..next + 2);
            next += if news { 2 } else { 0 };
        }
        if !news {
            assert_eq!(venue.asked, [], "a quiet market is waited for");
        }
    }
    assert!(first.is_some_and(|tenth| (1_800..1_900).contains(&tenth)), "{first:?}");
    assert_eq!(
        venue.asked.iter().take(3).map(|(_, what)| *what).collect::<Vec<_>>(),
        ["subscribe", "close", "dial"]
    );
    assert_eq!(rung(&mut bench), "poll");
    let told = market(&mut outbox);
    assert_eq!(told, (1..next).map(|id| format!("event {id} id={id}")).collect::<Vec<_>>());
}

#[test]
fn a_line_that_fell_mute_covers_nothing_though_it_answers() {
    let (mut bench, [a, b], _who, mut outbox) = pair("toy:trade:R");
    let mut venue = Venue { requests: 1, ..Venue::default() };
    for tenth in 1..=1_200 {
        venue.pass(&mut bench, tenth, Some((a, tenth)));
        bench.hear(b, &format!("t R {tenth} 1"));
    }
    // Long enough to be suspicious, too short to be left.
    for tenth in 1_201..=1_250 {
        venue.pass(&mut bench, tenth, Some((a, tenth)));
    }
    assert!(venue.asked.iter().all(|(_, what)| *what != "subscribe"), "{:?}", venue.asked);
    market(&mut outbox);
    bench.cut(a);
    bench.todo.clear();
    bench.hear(b, "t R 1253 1");
    assert_eq!(bench.backfill().1, 1_251, "it is missed, not out of order, and asked for at once");
}

#[test]
fn a_topic_that_is_mute_on_both_lines_is_left_by_one_at_a_time() {
    let (mut bench, [a, b], who, _outbox) = pair("toy:trade:A");
    bench.subscribe("toy:trade:B", &who);
    for line in [a, b] {
        bench.accept(line, 2);
    }
    let mut said = Vec::new();
    for second in 1..=150 {
        for line in [a, b] {
            bench.hear(line, &format!("t A {second} 1"));
            if second <= 60 {
                bench.hear(line, &format!("t B {second} 1"));
            }
        }
        bench.pass(SECOND);
        for action in std::mem::take(&mut bench.todo) {
            if let Action::Send { line, text } = action {
                said.push((second, line.slot, text));
                (3..=12).for_each(|request| bench.hear(line, &format!("ok {request}")));
            }
        }
    }
    let leaves: Vec<(u64, u32)> =
        said.iter().filter(|(.., text)| text.ends_with("-t B")).map(|(at, slot, _)| (*at, *slot)).collect();
    assert!(
        said.iter().filter(|(.., text)| text == "+t B -").count() >= 2,
        "first both ask once more: {said:?}"
    );
    assert!(leaves.len() >= 2 && leaves.windows(2).all(|two| two[0].0 < two[1].0), "{leaves:?}");
    assert_ne!(leaves[0].1, leaves[1].1, "by turns");
}

#[test]
fn a_snapshot_of_a_quiet_book_speaks_against_nobody() {
    let (mut bench, [a, b], _who, _outbox) = pair("toy:book:A");
    for line in [a, b] {
        bench.hear(line, "d A 10 10 95 1");
    }
    let fetch = bench.fetch();
    bench.answer(fetch, 10);
    bench.cut(a);
    bench.cut(b);
    let mut venue = Venue { requests: 1, ..Venue::default() };
    for tenth in 1..=300 {
        venue.pass(&mut bench, tenth, None);
        for (id, why) in turn(&mut bench, false) {
            assert_eq!(why, Fetch::Snapshot);
            bench.answer(id, 10);
        }
    }
    let dials = venue.asked.iter().filter(|(_, what)| *what == "dial").count();
    assert_eq!(dials, 2, "both are back, and stay: {:?}", venue.asked);
    assert!(!is_lost(&mut bench, "line 0") && !is_lost(&mut bench, "line 1"));
}

#[test]
fn a_rest_that_refuses_for_good_is_not_asked_again_and_again_beside_a_quiet_line() {
    let (mut bench, _line, _who, _outbox) = live("toy:trade:R");
    let mut venue = Venue { requests: 1, ..Venue::default() };
    let (mut asked, mut rungs) = (0, vec![rung(&mut bench)]);
    for tenth in 1..=9_000 {
        venue.pass(&mut bench, tenth, None);
        for (id, _) in turn(&mut bench, false) {
            asked += 1;
            bench.input(Input::Fetched {
                id,
                result: Err(Refusal::new(Fault::Configuration, "no such symbol")),
            });
        }
        if rungs.last() != Some(&rung(&mut bench)) {
            rungs.push(rung(&mut bench));
        }
    }
    assert_eq!(asked, 1);
    assert!(rungs.len() <= 4, "{rungs:?}");
}
