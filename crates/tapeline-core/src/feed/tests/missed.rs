//! Topics of which little comes: after a cut it is asked whether they missed anything, since their next event may be an
//! hour away.

use super::toy::{Bench, SECOND, live, market, read};
use crate::config::{FeedConfig, Limits};
use crate::data::update::Level;
use crate::feed::{Action, Command, FetchId, Input, Memory};
use crate::outbox::{Outbox, Overflow, Subscriber};
use crate::policy::breaker::Override;
use crate::policy::fault::Fault;
use crate::policy::uptime::{Figures, KIND};
use crate::venue::{Fetch, LineId, Refusal};

/// A thin topic beside a busy one that tells nothing over REST, after a cut; the line is back and carries data.
fn thin(config: FeedConfig) -> (Bench, LineId, Subscriber, Outbox) {
    let mut bench = Bench::with(config, Memory::default());
    let (who, mut outbox) = Bench::reader(1, Overflow::Gap);
    bench.subscribe("toy:trade:R", &who);
    bench.subscribe("toy:trade:B", &who);
    let line = bench.open();
    bench.accept(line, 1);
    bench.hear(line, "t R 1 1");
    bench.hear(line, "t B 1 1");
    bench.pass(10 * SECOND);
    bench.hear(line, "t B 2 1");
    let line = again(&mut bench, line, (2, 3));
    market(&mut outbox);
    (bench, line, who, outbox)
}

/// Lets time pass until so many dials wait.
fn dials(bench: &mut Bench, count: usize) {
    for _ in 0..20 {
        bench.pass(SECOND / 4);
        bench.todo.retain(|action| matches!(action, Action::Dial { .. }));
        if bench.todo.len() >= count {
            return;
        }
    }
    panic!("it is not dialled: {:?}", bench.todo);
}

/// The line is cut, and carries data again after a moment.
fn again(bench: &mut Bench, line: LineId, (request, next): (u64, u64)) -> LineId {
    bench.cut(line);
    dials(bench, 1);
    let line = bench.open();
    bench.accept(line, request);
    bench.hear(line, &format!("t B {next} 1"));
    line
}

/// What is asked for in the next seconds, while the busy topic goes on.
fn asked(bench: &mut Bench, line: LineId, seconds: u64) -> Vec<(FetchId, Fetch)> {
    let mut asked = Vec::new();
    for _ in 0..seconds {
        bench.pass(SECOND);
        let next = bench.feed.status(bench.now).topics[1].position.offset + 1;
        bench.hear(line, &format!("t B {next} 1"));
        for action in std::mem::take(&mut bench.todo) {
            match action {
                Action::Fetch { id, why, .. } => asked.push((id, why)),
                other => bench.todo.push_back(other),
            }
        }
    }
    asked
}

/// How the thin topic is served, by the log.
fn served(bench: &Bench) -> &'static str {
    let of_thin = |record: &&crate::feed::Record| record.kind == KIND && record.entity.contains(":R");
    bench.feed.records_after(0).filter(of_thin).last().map_or("none", |record| record.to)
}

fn full(bench: &Bench) -> Figures {
    bench.feed.records().log().reports_by_entity(bench.now.mono, None)[1].1.full.clone()
}

#[test]
fn a_thin_topic_is_asked_for_once_after_a_cut_and_its_outage_ends_with_the_answer() {
    let (mut bench, line, _who, mut outbox) = thin(FeedConfig::default());
    let requests = asked(&mut bench, line, 4);
    let [(id, why)] = requests[..] else { panic!("{requests:?}") };
    assert_eq!(why, Fetch::Poll { after: Some(1) });
    assert_eq!(served(&bench), "down", "nobody knows what it missed");
    bench.give(id, []);
    assert_eq!(served(&bench), "full");
    assert_eq!(asked(&mut bench, line, 1_800), [], "once is enough");
    assert_eq!(bench.feed.status(bench.now).topics[0].level, Level::Healthy);
    assert!(full(&bench).availability.is_some_and(|share| share > 0.99), "{:?}", full(&bench));
    // Its next event is told as any other.
    market(&mut outbox);
    bench.hear(line, "t R 2 1");
    assert_eq!(market(&mut outbox), ["event 2 id=2"]);
}

#[test]
fn what_a_thin_topic_missed_is_told_as_repaired() {
    let (mut bench, line, _who, mut outbox) = thin(FeedConfig::default());
    let requests = asked(&mut bench, line, 4);
    market(&mut outbox);
    bench.give(requests[0].0, [2, 3]);
    assert_eq!(market(&mut outbox), ["event 2 id=2 repair", "event 3 id=3 repair"]);
    assert_eq!(served(&bench), "full");
    let counts = bench.feed.status(bench.now).topics[0].counts;
    assert_eq!((counts.repaired, counts.lost), (2, 0));
    assert_eq!(asked(&mut bench, line, 60), []);
    // REST was behind: what it did not know yet is a hole as after any outage.
    bench.hear(line, "t R 6 1");
    assert_eq!(served(&bench), "full", "until it is looked at");
    let (fetch, from, to) = bench.backfill();
    bench.give(fetch, from..=to);
    assert_eq!((from, to), (4, 5));
    assert_eq!(market(&mut outbox).last().map(String::as_str), Some("event 6 id=6"));
}

#[test]
fn nothing_is_asked_of_what_has_spoken_for_itself_nor_where_repair_is_off() {
    let (mut bench, line, _who, _outbox) = thin(FeedConfig::default());
    bench.hear(line, "t R 2 1");
    assert_eq!(asked(&mut bench, line, 60), []);
    assert_eq!(served(&bench), "full");
    let mut config = FeedConfig::default();
    config.limits.repair = false;
    let (mut bench, line, _who, _outbox) = thin(config);
    assert_eq!(asked(&mut bench, line, 60), []);
    assert_eq!(served(&bench), "down");
}

#[test]
fn an_answer_to_what_was_asked_before_the_next_cut_ends_nothing() {
    let (mut bench, line, _who, _outbox) = thin(FeedConfig::default());
    let first = asked(&mut bench, line, 3);
    let next = bench.feed.status(bench.now).topics[1].position.offset + 1;
    let line = again(&mut bench, line, (3, next));
    bench.give(first[0].0, []);
    assert_eq!(served(&bench), "down");
    let second = asked(&mut bench, line, 6);
    assert_eq!(second.len(), 1, "{second:?}");
    bench.give(second[0].0, []);
    assert_eq!(served(&bench), "full");
}

#[test]
fn a_refusal_is_asked_again_later_unless_it_is_for_good() {
    for (fault, more) in [(Fault::Server, true), (Fault::Configuration, false)] {
        let (mut bench, line, _who, _outbox) = thin(FeedConfig::default());
        let first = asked(&mut bench, line, 3);
        bench.input(Input::Fetched { id: first[0].0, result: Err(Refusal::new(fault, "no")) });
        let second = asked(&mut bench, line, 20);
        assert_eq!(!second.is_empty(), more, "{fault:?}: {second:?}");
        assert_eq!(served(&bench), "down");
    }
}

#[test]
fn a_few_are_asked_for_at_a_time_and_half_of_the_budget_is_left() {
    let mut bench = Bench::new();
    let (who, mut outbox) = Bench::reader(1, Overflow::Gap);
    (0..40).for_each(|name| drop(bench.subscribe(&format!("toy:trade:R{name}"), &who)));
    let confirm = |bench: &mut Bench, lines: &[LineId]| {
        for _ in 0..4 {
            bench.pass(SECOND / 2);
            for line in lines {
                (1..=9).for_each(|request| bench.hear(*line, &format!("ok {request}")));
            }
        }
        bench.todo.retain(|action| matches!(action, Action::Dial { .. }));
    };
    bench.todo.retain(|action| matches!(action, Action::Dial { .. }));
    let lines: Vec<_> = (0..10).map(|_| bench.dial()).collect();
    lines.iter().for_each(|line| bench.input(Input::Opened { line: *line }));
    confirm(&mut bench, &lines);
    let of_line = |line: &LineId| (line.slot as usize * 4..).take(4);
    for line in &lines {
        of_line(line).for_each(|name| bench.hear(*line, &format!("t R{name} 1 1")));
    }
    lines.iter().for_each(|line| bench.cut(*line));
    dials(&mut bench, 10);
    let lines: Vec<_> = (0..10).map(|_| bench.dial()).collect();
    lines.iter().for_each(|line| bench.input(Input::Opened { line: *line }));
    confirm(&mut bench, &lines);
    // One topic of each line speaks.
    lines.iter().for_each(|line| bench.hear(*line, &format!("t R{} 2 1", line.slot * 4)));
    let mut count = 0;
    for _ in 0..20 {
        bench.pass(SECOND / 2);
        read(&mut outbox);
        let mut asked = 0;
        for action in std::mem::take(&mut bench.todo) {
            if let Action::Fetch { id, .. } = action {
                asked += 1;
                bench.give(id, []);
            }
        }
        assert!(bench.feed.status(bench.now).weight_left >= 40);
        count += asked;
    }
    // A request weighs two of eighty.
    assert_eq!(count, 20, "the rest has to wait for the next minute");
}

#[test]
fn after_a_crash_a_thin_topic_is_asked_for_too() {
    let (mut bench, line, _who, _outbox) = live("toy:trade:R");
    bench.hear(line, "t R 1 1");
    let (now, memory) = (bench.now, bench.feed.into_memory());
    let mut bench = Bench::with(FeedConfig::default(), memory);
    bench.now = now;
    let (who, _outbox) = Bench::reader(2, Overflow::Gap);
    bench.subscribe("toy:trade:B", &who);
    let line = bench.open();
    bench.accept(line, 1);
    bench.hear(line, "t B 1 1");
    let requests = asked(&mut bench, line, 4);
    assert!(matches!(requests[..], [(_, Fetch::Poll { after: Some(1) })]), "{requests:?}");
}

/// A topic of whose past REST tells the newest events only, after a cut behind trade 3; the line is back.
fn newest_only() -> (Bench, LineId, Subscriber, Outbox) {
    let (mut bench, line, who, mut outbox) = live("toy:trade:N");
    (1..=3).for_each(|id| bench.hear(line, &format!("t N {id} 1")));
    bench.cut(line);
    dials(&mut bench, 1);
    let line = bench.open();
    bench.accept(line, 2);
    market(&mut outbox);
    (bench, line, who, outbox)
}

/// The same while its line stands, which has not brought trade 4.
fn missing_one() -> (Bench, LineId, Subscriber, Outbox) {
    let (mut bench, line, who, mut outbox) = live("toy:trade:N");
    (1..=3).for_each(|id| bench.hear(line, &format!("t N {id} 1")));
    bench.hear(line, "t N 5 1");
    market(&mut outbox);
    (bench, line, who, outbox)
}

/// The next request for news of what comes after the first three.
fn news(bench: &mut Bench) -> FetchId {
    news_after(bench, 3)
}

/// The next request for news of what comes after an event.
fn news_after(bench: &mut Bench, last: u64) -> FetchId {
    let asked = std::mem::take(&mut bench.todo).into_iter().find_map(|action| match action {
        Action::Fetch { id, why: Fetch::Poll { after }, .. } if after == Some(last) => Some(id),
        _ => None,
    });
    asked.expect("news are asked for")
}

#[test]
fn what_cannot_be_asked_for_by_its_ids_is_looked_for_among_the_newest() {
    let (mut bench, line, _who, mut outbox) = newest_only();
    bench.hear(line, "t N 7 1");
    bench.pass(SECOND / 100);
    let fetch = news(&mut bench);
    for _ in 0..50 {
        bench.pass(SECOND / 10);
    }
    assert!(market(&mut outbox).is_empty(), "an outage is waited for longer than a reordering");
    bench.give(fetch, 1..=7);
    let told: Vec<_> = (4..=6).map(|id| format!("event {id} id={id} repair")).collect();
    assert_eq!(market(&mut outbox), [&told[..], &["event 7 id=7".into()]].concat());
    bench.hear(line, "t N 8 1");
    assert_eq!(market(&mut outbox), ["event 8 id=8"]);
    assert_eq!(bench.feed.status(bench.now).topics[0].counts.lost, 0);
}

#[test]
fn the_newest_are_asked_for_although_the_line_that_showed_the_hole_has_gone() {
    let (mut bench, line, _who, mut outbox) = missing_one();
    bench.cut(line);
    market(&mut outbox);
    bench.todo.clear();
    bench.pass(SECOND / 2);
    let fetch = news(&mut bench);
    bench.give(fetch, 1..=6);
    assert_eq!(market(&mut outbox), ["event 4 id=4 repair", "event 5 id=5", "event 6 id=6 repair"]);
}

#[test]
fn what_may_not_even_have_been_missed_keeps_no_hole_from_being_filled() {
    let limits = Limits { weight_percent: 20, ..Limits::default() };
    let mut bench = Bench::with(FeedConfig { limits, ..FeedConfig::default() }, Memory::default());
    let (who, _outbox) = Bench::reader(1, Overflow::Gap);
    ["R", "N"].iter().for_each(|symbol| drop(bench.subscribe(&format!("toy:trade:{symbol}"), &who)));
    let line = bench.open();
    bench.accept(line, 1);
    bench.hear(line, "t R 1 1");
    (1..=3).for_each(|id| bench.hear(line, &format!("t N {id} 1")));
    bench.cut(line);
    dials(&mut bench, 1);
    let line = bench.open();
    bench.accept(line, 2);
    // A book takes half of the budget: what is left is not enough to ask in vain.
    bench.subscribe("toy:book:B", &who);
    bench.accept(line, 3);
    bench.hear(line, "d B 10 10 95 1");
    for _ in 0..30 {
        bench.pass(SECOND / 10);
    }
    let asked = |bench: &mut Bench| {
        let fetches = std::mem::take(&mut bench.todo).into_iter();
        fetches
            .filter_map(|action| if let Action::Fetch { why, .. } = action { Some(why) } else { None })
            .collect::<Vec<_>>()
    };
    assert_eq!(asked(&mut bench), [Fetch::Snapshot]);
    bench.hear(line, "t N 7 1");
    bench.pass(SECOND / 100);
    assert_eq!(asked(&mut bench), [Fetch::Poll { after: Some(3) }]);
}

#[test]
fn what_is_not_among_the_newest_either_is_declared_at_once() {
    let (mut bench, line, _who, mut outbox) = newest_only();
    bench.hear(line, "t N 7 1");
    bench.pass(SECOND / 100);
    let fetch = news(&mut bench);
    // The list begins behind the first ones that were missed.
    bench.give(fetch, 6..=8);
    let told = market(&mut outbox);
    assert!(told[0].starts_with("gap") && told[0].contains("4-5"), "{told:?}");
    assert_eq!(told[1..], ["event 5 id=6 repair", "event 6 id=7", "event 7 id=8 repair"]);
}

#[test]
fn a_reply_that_is_older_than_the_hole_is_not_the_last_word() {
    let (mut bench, line, _who, mut outbox) = newest_only();
    bench.hear(line, "t N 7 1");
    bench.pass(SECOND / 100);
    let fetch = news(&mut bench);
    bench.give(fetch, 1..=5);
    assert_eq!(
        market(&mut outbox),
        ["event 4 id=4 repair", "event 5 id=5 repair"],
        "the rest may still come"
    );
}

#[test]
fn a_hole_that_a_reply_is_too_old_for_is_looked_for_again_while_its_readers_wait() {
    let (mut bench, line, _who, mut outbox) = missing_one();
    bench.pass(SECOND / 2);
    let fetch = news(&mut bench);
    // The second one shows behind the first, while the answer to that is on its way.
    bench.hear(line, "t N 7 1");
    bench.give(fetch, 1..=5);
    assert_eq!(market(&mut outbox), ["event 4 id=4 repair", "event 5 id=5"]);
    bench.pass(SECOND / 2);
    let asked = news_after(&mut bench, 5);
    bench.give(asked, 1..=7);
    assert_eq!(market(&mut outbox), ["event 6 id=6 repair", "event 7 id=7"]);
}

#[test]
fn a_request_for_the_newest_that_failed_is_made_again_while_readers_wait() {
    let (mut bench, _line, _who, mut outbox) = missing_one();
    bench.pass(SECOND / 2);
    let fetch = news(&mut bench);
    bench.input(Input::Fetched { id: fetch, result: Err(Refusal::new(Fault::Transient, "timed out")) });
    for _ in 0..12 {
        bench.pass(SECOND / 10);
    }
    let fetch = news(&mut bench);
    bench.give(fetch, 1..=5);
    assert_eq!(market(&mut outbox), ["event 4 id=4 repair", "event 5 id=5"]);
}

#[test]
fn what_was_filled_before_a_line_carried_it_again_does_not_end_an_outage() {
    let (mut bench, line, _who, mut outbox) = live("toy:trade:R");
    (1..=3).for_each(|id| bench.hear(line, &format!("t R {id} 1")));
    bench.hear(line, "t R 5 1");
    bench.cut(line);
    bench.pass(SECOND / 2);
    let asked = std::mem::take(&mut bench.todo);
    let mut fetch = None;
    for action in asked {
        match action {
            Action::Fetch { id, .. } => fetch = Some(id),
            other => bench.todo.push_back(other),
        }
    }
    dials(&mut bench, 1);
    let line = bench.open();
    // The reply comes while the line is open, and nothing is confirmed on it yet.
    bench.give(fetch.expect("trade 4 is asked for"), [4]);
    bench.accept(line, 2);
    market(&mut outbox);
    bench.todo.clear();
    bench.hear(line, "t R 9 1");
    let (fetch, from, to) = bench.backfill();
    assert_eq!((from, to), (6, 8), "at once: an outage it is still");
    for _ in 0..40 {
        bench.pass(SECOND / 10);
    }
    bench.give(fetch, 6..=8);
    let told = market(&mut outbox);
    assert_eq!((told.len(), &*told[3]), (4, "event 9 id=9"), "{told:?}");
}

#[test]
fn a_hole_that_a_breaker_held_back_is_asked_for_as_soon_as_it_lets_requests_pass() {
    let (mut bench, line, _who, mut outbox) = newest_only();
    bench.feed.command(bench.now, Command::Breakers { how: Override::Open });
    bench.hear(line, "t N 7 1");
    bench.pass(SECOND);
    bench.todo.clear();
    bench.feed.command(bench.now, Command::Reset);
    bench.collect();
    bench.pass(SECOND / 100);
    let fetch = news(&mut bench);
    bench.give(fetch, 1..=7);
    assert_eq!(market(&mut outbox).last().map(String::as_str), Some("event 7 id=7"));
    assert_eq!(bench.feed.status(bench.now).topics[0].counts.lost, 0);
}
