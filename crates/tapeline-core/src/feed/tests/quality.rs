//! What lines do counts for the endpoints they stand at: what they serve, how long they are silent, what they miss.

use super::pair::pair;
use super::toy::{Bench, SECOND, live};
use super::url;
use crate::feed::{Action, Input};
use crate::venue::LineId;

/// The scores of the first two endpoints.
fn scores(bench: &mut Bench) -> [f64; 2] {
    let endpoints = bench.feed.status(bench.now).endpoints;
    [0, 1].map(|at: usize| endpoints[at].score.unwrap())
}

/// Answers pings, and gives what else there is to do.
fn answer(bench: &mut Bench) -> Vec<Action> {
    let mut other = Vec::new();
    while let Some(action) = bench.todo.pop_front() {
        match action {
            Action::Ping { line, payload } => bench.input(Input::Pong { line, payload: &payload }),
            action => other.push(action),
        }
    }
    other
}

/// So many seconds of five trades each, until something is to be done: `brings` tells which of them a line brings, by
/// its place in `lines`.
fn play(
    bench: &mut Bench,
    seconds: u64,
    id: &mut u64,
    lines: &[LineId],
    brings: impl Fn(usize, u64) -> bool,
) -> Vec<Action> {
    for _ in 0..seconds * 5 {
        *id += 1;
        for (_, line) in lines.iter().enumerate().filter(|(at, _)| brings(*at, *id)) {
            bench.hear(*line, &format!("t A {id} 1"));
        }
        bench.pass(SECOND / 5);
        let done = answer(bench);
        if !done.is_empty() {
            return done;
        }
    }
    Vec::new()
}

#[test]
fn a_line_that_misses_what_the_other_brings_leaves_its_endpoint_for_long() {
    // Whichever line is ahead.
    for order in [[0, 1], [1, 0]] {
        let (mut bench, both, _who, _outbox) = pair("toy:trade:A");
        let (lines, mut id) = (order.map(|at: usize| both[at]), 0);
        let lossy = |at: usize, id: u64| order[at] == 1 || !id.is_multiple_of(10);
        let done = play(&mut bench, 300, &mut id, &lines, lossy);
        assert_eq!(url(done.first()), "ws://b", "one of ten is lost at the first endpoint");
        assert!(id < 900, "within three minutes: {id}");
        let missed: Vec<u64> =
            bench.feed.status(bench.now).lines.iter().map(|line| line.stats.missed).collect();
        assert!(missed[0] >= 30 && missed[1..].iter().all(|missed| *missed == 0), "{missed:?}");
        let Some(Action::Dial { line: heir, .. }) = done.first() else { unreachable!() };
        bench.input(Input::Opened { line: *heir });
        assert_eq!(answer(&mut bench).len(), 1);
        bench.hear(*heir, "ok 1");
        let done = play(&mut bench, 60, &mut id, &[both[0], *heir, both[1]], |at, id| at > 0 || lossy(0, id));
        assert!(matches!(&done[..], [Action::Close { line, .. }] if *line == both[0]), "{done:?}");
        let done = play(&mut bench, 600, &mut id, &[*heir, both[1]], |_, _| true);
        assert!(done.is_empty(), "a choice that was made is kept: {done:?}");
        let before = id;
        let done = play(&mut bench, 3_600, &mut id, &[*heir, both[1]], |_, _| true);
        assert_eq!(url(done.first()), "ws://a", "in the end it is tried again");
        assert!(id - before >= 600 * 5, "not before twenty minutes have passed");
    }
}

#[test]
fn lines_that_miss_alike_or_but_little_stay_where_they_are() {
    let alike = |at: usize, id: u64| id % 10 != at as u64;
    let little = |at: usize, id: u64| at == 1 || !id.is_multiple_of(200);
    let burst = |at: usize, id: u64| at == 1 || !((1_000..1_100).contains(&id) && id.is_multiple_of(5));
    for brings in [&alike as &dyn Fn(usize, u64) -> bool, &little, &burst] {
        let (mut bench, lines, _who, _outbox) = pair("toy:trade:A");
        let mut id = 0;
        let done = play(&mut bench, 600, &mut id, &lines, brings);
        assert!(done.is_empty(), "{done:?}");
    }
}

#[test]
fn what_is_swapped_or_comes_twice_or_was_said_before_a_line_came_is_not_missed() {
    let (mut bench, [a, b], _who, _outbox) = pair("toy:trade:A");
    for id in [1, 2, 4, 3, 3, 5, 5, 7, 6, 8] {
        bench.hear(a, &format!("t A {id} 1"));
    }
    for id in [3, 4, 5, 7, 6, 6, 8, 9] {
        bench.hear(b, &format!("t A {id} 1"));
    }
    bench.cut(b);
    bench.hear(a, "t A 9 1");
    bench.hear(a, "t A 10 1");
    bench.pass(2 * SECOND);
    let b = bench.open();
    bench.accept(b, 2);
    bench.hear(b, "t A 11 1");
    bench.hear(a, "t A 11 1");
    // The venue starts over.
    bench.pass(SECOND);
    for line in [a, b] {
        bench.hear(line, "t A 12 1");
    }
    bench.pass(2 * SECOND);
    let missed = |bench: &mut Bench| -> Vec<u64> {
        bench.feed.status(bench.now).lines.iter().map(|line| line.stats.missed).collect()
    };
    assert_eq!(missed(&mut bench), [0, 0]);
    for (line, id) in [(a, 14), (b, 13), (b, 14), (a, 15), (b, 17), (a, 16), (a, 17)] {
        bench.hear(line, &format!("t A {id} 1"));
    }
    bench.pass(2 * SECOND);
    assert_eq!(missed(&mut bench), [1, 2], "A 13, B 15 and 16");
}

#[test]
fn service_counts_while_it_lasts_and_when_a_line_is_left_to_its_follower() {
    let (mut bench, line, _who, _outbox) = live("toy:trade:A");
    let mut id = 0;
    play(&mut bench, 60, &mut id, &[line], |_, _| true);
    let early = scores(&mut bench)[0];
    play(&mut bench, 540, &mut id, &[line], |_, _| true);
    let [served, other] = scores(&mut bench);
    assert!(served > early && served >= 98.0, "{early} {served}");
    assert_eq!(other, 90.0, "nothing is known of it");
    // What it has served since it was last told is told when it is left.
    let before = bench.feed.gate.score(bench.now.mono, 0);
    bench.now = bench.now.later(SECOND * 60);
    bench.feed.hang_up(bench.now, 0);
    let after = bench.feed.gate.score(bench.now.mono, 0);
    assert!(after > before, "{before} {after}");
}

#[test]
fn silence_that_ends_with_a_pong_counts_against_the_endpoint() {
    // Eleven minutes of service, the last six seconds of each minute silent or not.
    let score = |silent: bool| {
        let (mut bench, line, _who, _outbox) = live("toy:trade:A");
        let mut id = 0;
        for _ in 0..10 {
            assert!(play(&mut bench, 60, &mut id, &[line], |_, _| true).is_empty());
            for step in 0..600 {
                if !silent && step % 20 == 0 {
                    id += 1;
                    bench.hear(line, &format!("t A {id} 1"));
                }
                // Pings are answered at once. A line that is dialled in its stead is given up then.
                bench.pass(SECOND / 100);
                answer(&mut bench);
            }
        }
        assert!(bench.feed.lines[0].is_live(), "it was never lost");
        bench.feed.gate.score(bench.now.mono, 0)
    };
    let (silent, steady) = (score(true), score(false));
    assert!((95.0..steady - 0.5).contains(&silent), "{silent} {steady}");
}
