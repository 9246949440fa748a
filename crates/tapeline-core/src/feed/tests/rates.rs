//! REST at low rates: what the budget carries is asked for in turns, and that nobody is asked for a while is no sign
//! that nobody answers. An order to go there once is obeyed, and seen.

use std::collections::BTreeMap;
use std::time::Duration;

use super::SECOND;
use super::poll::{back, turn};
use super::toy::{Bench, live, market};
use crate::config::FeedConfig;
use crate::data::update::Source;
use crate::feed::memory::Memory;
use crate::feed::{Action, Command, Input};
use crate::outbox::{Outbox, Overflow, Subscriber};
use crate::policy::fault::Fault;
use crate::policy::ladder::Rung;
use crate::time::Mono;
use crate::venue::{Decoded, Fetch, Refusal};

/// What a run of polls came to.
#[derive(Debug, Default)]
struct Run {
    /// When each symbol was asked for.
    asked: BTreeMap<String, Vec<Mono>>,
    /// The rungs, in their order.
    rungs: Vec<&'static str>,
}

/// Lets time pass while every dial is refused and REST does as it is told.
fn run(bench: &mut Bench, time: Duration, answers: impl Fn(Mono) -> bool) -> Run {
    let (mut run, end) = (Run::default(), bench.now.mono + time);
    while bench.now.mono < end {
        bench.pass(SECOND / 5);
        let fetches = bench.todo.iter().filter_map(|action| match action {
            Action::Fetch { id, topic, why: Fetch::Poll { .. }, .. } => {
                Some((*id, topic.symbol().to_string()))
            }
            _ => None,
        });
        let symbols: BTreeMap<_, _> = fetches.collect();
        for (id, _) in turn(bench, true) {
            if let Some(symbol) = symbols.get(&id) {
                run.asked.entry(symbol.clone()).or_default().push(bench.now.mono);
            }
            let down = || Err(Refusal::new(Fault::Server, "down"));
            let result = if answers(bench.now.mono) { Ok(Decoded::default()) } else { down() };
            bench.input(Input::Fetched { id, result });
        }
        let rung = bench.feed.status(bench.now).fallback.rung;
        if run.rungs.last() != Some(&rung) {
            run.rungs.push(rung);
        }
    }
    run
}

/// A line of so many topics was cut and is not dialled again; the first of them have a second reader.
fn cut(topics: usize, popular: usize, config: FeedConfig) -> (Bench, Vec<(Subscriber, Outbox)>) {
    let mut bench = Bench::with(config, Memory::default());
    let readers: Vec<_> = (1..=2).map(|id| Bench::reader(id, Overflow::Block)).collect();
    let topic = |at: usize| format!("toy:trade:R{at:02}");
    // Those with most readers are not those that came first.
    (0..topics).for_each(|at| drop(bench.subscribe(&topic(at), &readers[0].0)));
    (topics - popular..topics).for_each(|at| drop(bench.subscribe(&topic(at), &readers[1].0)));
    let line = bench.open();
    (1..=9).for_each(|request| bench.hear(line, &format!("ok {request}")));
    bench.cut(line);
    (bench, readers)
}

#[test]
fn what_the_budget_does_not_carry_at_the_usual_rate_is_asked_for_less_often_and_served() {
    // A round of 24 of a share of 60 a minute: once in 24 seconds.
    let (mut bench, _readers) = cut(12, 0, FeedConfig::default());
    let run = run(&mut bench, 900 * SECOND, |_| true);
    assert_eq!(run.rungs.last(), Some(&"partial"));
    assert!(!run.rungs.contains(&"cache"), "REST has answered everything: {:?}", run.rungs);
    assert_eq!(run.asked.len(), 12, "everybody");
    for (symbol, asked) in &run.asked {
        let longest = asked.windows(2).map(|pair| pair[1].since(pair[0])).max();
        assert!(longest <= Some(26 * SECOND), "{symbol} waits {longest:?}");
    }
}

#[test]
fn what_the_budget_does_not_carry_at_the_lowest_rate_is_left_out_and_that_is_what_fewest_read() {
    let (mut bench, _readers) = cut(20, 4, FeedConfig::default());
    let run = run(&mut bench, 900 * SECOND, |_| true);
    assert_eq!(run.rungs.last(), Some(&"partial"));
    assert!(!run.rungs.contains(&"cache"), "{:?}", run.rungs);
    assert_eq!(run.asked.len(), 15, "what a round of 30 seconds carries");
    let first = |at: usize| run.asked[&format!("R{at:02}")].first().copied();
    assert!((16..20).all(|popular| first(popular) <= first(0)), "those with most readers first");
}

#[test]
fn a_low_rate_that_was_configured_is_no_silence() {
    let mut config = FeedConfig::default();
    config.timing.poll_every = 60 * SECOND;
    let (mut bench, _readers) = cut(1, 0, config);
    let run = run(&mut bench, 1_800 * SECOND, |_| true);
    assert_eq!(run.rungs.last(), Some(&"poll"));
    assert!(!run.rungs.contains(&"cache"), "{:?}", run.rungs);
    assert_eq!(run.asked["R00"].len(), 30, "once a minute");
}

#[test]
fn at_a_low_rate_too_it_is_soon_known_that_rest_does_not_answer_and_that_it_does() {
    let mut config = FeedConfig::default();
    config.timing.poll_every = 60 * SECOND;
    let (mut bench, _readers) = cut(1, 0, config);
    run(&mut bench, 100 * SECOND, |_| true);
    let before = bench.now.mono;
    let lost = run(&mut bench, 100 * SECOND, |_| false);
    assert_eq!(lost.rungs, ["poll", "cache"]);
    let asked = &lost.asked["R00"];
    let fell = bench.feed.status(bench.now).fallback.since;
    assert!(
        asked.len() >= 4,
        "whoever does not answer is asked more often: {asked:?} since {before:?} {fell:?}"
    );
    let found = run(&mut bench, 30 * SECOND, |_| true);
    assert_eq!(found.rungs, ["cache", "poll"], "and whoever answers is believed");
}

#[test]
fn one_refusal_at_a_low_rate_is_no_silence() {
    let mut config = FeedConfig::default();
    config.timing.poll_every = 60 * SECOND;
    let (mut bench, _readers) = cut(1, 0, config);
    let begin = bench.now.mono;
    // The second and the fourth minute.
    let answers = |now: Mono| !matches!(now.since(begin).as_secs(), 66..=70 | 186..=190);
    let run = run(&mut bench, 900 * SECOND, answers);
    assert!(!run.rungs.contains(&"cache"), "{:?}", run.rungs);
}

#[test]
fn an_order_to_poll_once_is_seen_and_lines_return_by_themselves() {
    let (mut bench, line, _who, mut outbox) = live("toy:trade:R");
    bench.hear(line, "t R 1 1");
    assert_eq!(bench.feed.command(bench.now, Command::Fallback { rung: Rung::Poll }), 1);
    bench.collect();
    assert!(bench.todo.contains(&Action::Close { line, code: 1000 }), "the line is let go");
    let mut next = 2;
    for _ in 0..18 {
        for (id, _) in turn(&mut bench, false) {
            bench.give(id, [next]);
            next += 1;
        }
        assert_eq!(bench.feed.status(bench.now).fallback.rung, "poll");
        assert!(!bench.todo.iter().any(|action| matches!(action, Action::Dial { .. })), "not yet");
        bench.pass(SECOND / 2);
    }
    assert!(next > 3, "REST is asked again and again");
    let told: Vec<_> = std::iter::from_fn(|| outbox.try_next()).collect();
    let polled = told.iter().filter(|update| update.source == Source::Poll).count();
    assert!(polled >= next as usize - 2, "and what it tells is published as polled");
    assert!(told.iter().any(|update| format!("{:?}", update.data).contains("an operator moved toy to poll")));
    let line = back(&mut bench);
    for id in next..next + 60 {
        bench.hear(line, &format!("t R {id} 1"));
        bench.pass(SECOND / 2);
        turn(&mut bench, false);
    }
    assert_eq!(bench.feed.status(bench.now).fallback.rung, "primary");
    assert!(!bench.feed.status(bench.now).fallback.pinned);
}

#[test]
fn an_order_to_serve_from_memory_once_asks_nobody_until_it_is_over() {
    let (mut bench, line, _who, mut outbox) = live("toy:trade:R");
    bench.hear(line, "t R 1 1");
    bench.feed.command(bench.now, Command::Fallback { rung: Rung::Cache });
    bench.collect();
    for _ in 0..18 {
        assert!(turn(&mut bench, false).is_empty() && bench.feed.status(bench.now).fallback.rung == "cache");
        assert!(!bench.todo.iter().any(|action| matches!(action, Action::Dial { .. })));
        bench.pass(SECOND / 2);
    }
    let line = back(&mut bench);
    for id in 2..60 {
        bench.hear(line, &format!("t R {id} 1"));
        bench.pass(SECOND / 2);
        turn(&mut bench, false);
    }
    assert_eq!(bench.feed.status(bench.now).fallback.rung, "primary");
    assert_eq!(market(&mut outbox).len(), 59);
}

#[test]
fn an_order_to_let_go_ends_what_was_ordered_once() {
    let (mut bench, line, _who, _outbox) = live("toy:trade:R");
    bench.hear(line, "t R 1 1");
    bench.feed.command(bench.now, Command::Fallback { rung: Rung::Cache });
    bench.feed.command(bench.now, Command::Unpin);
    bench.collect();
    bench.pass(SECOND);
    assert!(bench.todo.iter().any(|action| matches!(action, Action::Dial { .. })), "at once");
}
