//! Scenarios of levels: what is shown, since when and why; and of topics that fall mute alone.

use super::toy::{Bench, SECOND, chatter, live, read};
use crate::config::FeedConfig;
use crate::data::event::BookState;
use crate::data::update::{Data, Level, Source};
use crate::feed::topics::Entry;
use crate::feed::{Action, Command, DialError, Input, Memory, Stage, TopicStatus};
use crate::outbox::{Outbox, Overflow};
use crate::policy::fault::Fault;
use crate::policy::health::{Dimension, Reason};
use crate::time::Mono;
use crate::venue::{LineId, Refusal};

/// The levels, phases, sources and reasons that a reader was told.
fn told(outbox: &mut Outbox) -> Vec<String> {
    let mut out = Vec::new();
    while let Some(update) = outbox.try_next() {
        if let Data::Status(status) = &update.data {
            assert_eq!(update.source, status.source, "one frame tells one source");
            let source = if status.source == Source::Live { "live" } else { "cache" };
            let line = format!("{:?} {} {source} {}", status.level, status.phase, status.reason);
            out.push(line.trim_end().to_lowercase());
        }
    }
    out
}

fn topic(bench: &mut Bench, index: usize) -> TopicStatus {
    bench.feed.status(bench.now).topics.swap_remove(index)
}

fn dimensions(reasons: &[Reason]) -> Vec<Dimension> {
    reasons.iter().map(|reason| reason.dimension).collect()
}

/// Seconds of data on a line, with pongs for its pings.
fn flow(bench: &mut Bench, line: LineId, seconds: u64, mut text: impl FnMut(u64) -> String) {
    for second in 0..seconds {
        bench.hear(line, &text(second));
        bench.pass(SECOND);
        for action in std::mem::take(&mut bench.todo) {
            if let Action::Ping { payload, .. } = action {
                bench.input(Input::Pong { line, payload: &payload });
            }
        }
    }
}

#[test]
fn a_topic_is_healthy_as_soon_as_it_is_first_carried() {
    let (mut bench, line, _who, mut outbox) = live("toy:trade:A");
    assert_eq!(
        told(&mut outbox),
        [
            "degraded waiting live connecting",
            "degraded dialling live connecting",
            "warning live live connected, but nothing has come yet"
        ]
    );
    bench.hear(line, "t A 1 1");
    assert_eq!(told(&mut outbox), ["healthy live live"]);
    assert_eq!(bench.feed.status(bench.now).level, Level::Healthy);
}

#[test]
fn after_a_cut_a_topic_gets_better_one_level_at_a_time_and_says_so() {
    let (mut bench, line, _who, mut outbox) = live("toy:trade:A");
    bench.hear(line, "t A 1 1");
    told(&mut outbox);
    bench.cut(line);
    assert_eq!(told(&mut outbox), ["degraded waiting cache closed without a close frame: reset"]);
    assert_eq!(dimensions(&topic(&mut bench, 0).reasons), [Dimension::Connection]);
    bench.pass(2 * SECOND);
    let line = bench.open();
    bench.accept(line, 2);
    let start = bench.now.mono;
    let mut seen = told(&mut outbox);
    assert_eq!(seen.pop().unwrap(), "degraded live cache connected, but nothing has come yet");
    let mut steps = Vec::new();
    for index in 2..62 {
        flow(&mut bench, line, 1, |_| format!("t A {index} 1"));
        let now = bench.now.mono.since(start).as_secs();
        steps.extend(told(&mut outbox).into_iter().map(|line| (now, line)));
    }
    let expected = [
        (1, "degraded live live recovering"),
        (30, "warning live live recovering"),
        (40, "healthy live live"),
    ];
    assert_eq!(steps, expected.map(|(at, line)| (at, line.to_owned())));
}

#[test]
fn a_line_that_stays_away_gets_worse_with_time() {
    let (mut bench, line, _who, _outbox) = live("toy:trade:A");
    chatter(&mut bench, line);
    bench.todo.clear();
    bench.cut(line);
    let mut levels = vec![];
    for second in 0..15 {
        let level = topic(&mut bench, 0).level;
        if levels.last().is_none_or(|(_, held)| *held != level) {
            levels.push((second, level));
        }
        bench.pass(SECOND);
    }
    assert_eq!(levels, [(0, Level::Degraded), (4, Level::Unhealthy), (10, Level::Critical)]);
    let why = topic(&mut bench, 0).reasons;
    assert_eq!(dimensions(&why), [Dimension::Silence, Dimension::Connection], "the worst first");
    assert_eq!(bench.feed.status(bench.now).level, Level::Critical, "all that is read is down");
}

#[test]
fn lines_and_the_feed_show_why_they_are_not_healthy() {
    // With one endpoint there is no better place to go.
    let config = FeedConfig { streams: vec!["ws://a".into()], ..FeedConfig::default() };
    let mut bench = Bench::with(config, Memory::default());
    let (who, _outbox) = Bench::reader(1, Overflow::Gap);
    bench.subscribe("toy:trade:A", &who);
    let mut line = bench.open();
    bench.accept(line, 1);
    for round in 1..=2 {
        bench.hear(line, &format!("t A {round} 1"));
        bench.cut(line);
        bench.pass(10 * SECOND);
        line = bench.open();
        bench.accept(line, round + 1);
    }
    flow(&mut bench, line, 120, |index| format!("t A {} 1", 3 + index));
    let status = bench.feed.status(bench.now);
    let (shown, why) = (&status.lines[0], &status.lines[0].reasons);
    assert_eq!((shown.level, dimensions(why)), (Level::Warning, vec![Dimension::Reconnects]));
    assert_eq!(why[0].detail, "reconnects in 10 min: 2");
    assert_eq!((status.level, dimensions(&status.reasons)), (Level::Warning, vec![Dimension::Reconnects]));
    assert_eq!(topic(&mut bench, 0).level, Level::Healthy, "which is no matter of the topics now");
    flow(&mut bench, line, 620, |index| format!("t A {} 1", 200 + index));
    let status = bench.feed.status(bench.now);
    assert_eq!((status.lines[0].level, status.level), (Level::Healthy, Level::Healthy));
    for index in 0..150 {
        let text = if index % 50 == 0 { "t A x".to_owned() } else { format!("t A {} 1", 1_000 + index) };
        bench.hear(line, &text);
    }
    bench.pass(SECOND);
    let status = bench.feed.status(bench.now);
    assert_eq!(status.lines[0].level, Level::Degraded);
    assert_eq!(dimensions(&status.lines[0].reasons), [Dimension::Undecodable]);
}

#[test]
fn an_open_breaker_is_the_feeds_matter() {
    let mut bench = Bench::new();
    let (who, _outbox) = Bench::reader(1, Overflow::Gap);
    bench.subscribe("toy:trade:A", &who);
    for endpoint in &mut bench.feed.gate.streams {
        endpoint.breaker.force_open(bench.now.mono);
    }
    let status = bench.feed.status(bench.now);
    assert_eq!(status.level, Level::Unhealthy);
    assert_eq!(dimensions(&status.reasons), [Dimension::Breaker, Dimension::Connection]);
    assert!(bench.feed.command(bench.now, Command::Reset) > 0);
}

#[test]
fn a_gap_is_held_against_its_topic_for_five_minutes() {
    let (mut bench, line, who, mut outbox) = live("toy:trade:A");
    bench.subscribe("toy:trade:B", &who);
    bench.accept(line, 2);
    bench.hear(line, "t A 1 1");
    told(&mut outbox);
    bench.hear(line, "t A 3 1");
    bench.pass(3 * SECOND);
    assert_eq!(told(&mut outbox), ["warning live live events are missing"]);
    let topics = bench.feed.status(bench.now).topics;
    assert_eq!((topics[0].level, topics[1].level), (Level::Warning, Level::Healthy));
    assert_eq!(topics[0].reasons[0].detail, "gaps not filled in 5 min: 1");
    flow(&mut bench, line, 305, |index| format!("t A {} 1", 4 + index));
    assert_eq!(told(&mut outbox), ["warning live live recovering"]);
    flow(&mut bench, line, 11, |index| format!("t A {} 1", 309 + index));
    assert_eq!(told(&mut outbox), ["healthy live live"]);
    assert!(bench.feed.ailing.is_empty(), "nothing is kept of what is over");
}

#[test]
fn a_topic_that_always_comes_is_missed_and_one_that_may_not_come_is_not() {
    let (mut bench, line, who, mut outbox) = live("toy:mark_price:A");
    bench.subscribe("toy:trade:B", &who);
    bench.accept(line, 2);
    flow(&mut bench, line, 10, |index| format!("m A {} 1", 1 + index));
    told(&mut outbox);
    let mut steps = Vec::new();
    for index in 0..18 {
        flow(&mut bench, line, 1, |_| format!("t B {} 1", 1 + index));
        steps.extend(told(&mut outbox).into_iter().map(|line| (index, line)));
    }
    let say = |level| format!("{level} live live nothing comes, though it always should");
    let expected = [(0, say("warning")), (2, say("degraded")), (5, say("unhealthy")), (14, say("critical"))];
    assert_eq!(steps, expected);
    bench.hear(line, "m A 90 1");
    bench.pass(SECOND);
    assert_eq!(told(&mut outbox), ["critical live live recovering"]);
}

#[test]
fn a_topic_is_expected_as_often_as_the_configuration_says_whatever_its_channel_promises() {
    let every = |seconds: &[(&str, u32)]| {
        let each = |(topic, seconds): &(&str, u32)| (topic.parse().unwrap(), SECOND * *seconds);
        let expect_every = seconds.iter().map(each).collect();
        let mut bench = Bench::with(FeedConfig { expect_every, ..FeedConfig::default() }, Memory::default());
        let (who, _outbox) = Bench::reader(1, Overflow::Gap);
        for topic in ["toy:trade:A", "toy:mark_price:A", "toy:trade:B"] {
            bench.subscribe(topic, &who);
        }
        let line = bench.open();
        bench.accept(line, 1);
        bench.hear(line, "t A 1 1");
        bench.hear(line, "m A 1 1");
        let levels = |bench: &mut Bench| (topic(bench, 0).level, topic(bench, 1).level);
        flow(&mut bench, line, 5, |index| format!("t B {} 1", 1 + index));
        let early = levels(&mut bench);
        flow(&mut bench, line, 5, |index| format!("t B {} 1", 6 + index));
        (early, levels(&mut bench))
    };
    let (healthy, warning, unhealthy) = (Level::Healthy, Level::Warning, Level::Unhealthy);
    let silent = every(&[]);
    assert_eq!((silent.0.0, silent.1.0), (healthy, healthy), "trades may stay away");
    assert!(silent.0.1 > healthy && silent.1.1 > warning, "a mark price may not: {silent:?}");
    // Twelve seconds are borne, and from half of that on it is said.
    let told = every(&[("toy:trade:A", 4), ("toy:mark_price:A", 60)]);
    assert_eq!((told.0.0, told.1.0), (healthy, warning), "{told:?}");
    assert_eq!((told.0.1, told.1.1), (healthy, healthy), "the venue's own word does not hold: {told:?}");
    let often = every(&[("toy:trade:A", 1)]);
    assert!((warning..=unhealthy).contains(&often.0.0), "{often:?}");
}

#[test]
fn a_topic_that_falls_mute_while_others_flow_is_subscribed_again_alone() {
    let (mut bench, line, who, mut outbox) = live("toy:trade:A");
    bench.subscribe("toy:trade:B", &who);
    bench.accept(line, 2);
    let mut id = 0;
    let mut both = |bench: &mut Bench, what: &[&str]| {
        id += 1;
        for symbol in what {
            bench.hear(line, &format!("t {symbol} {id} 1"));
        }
        bench.pass(SECOND);
    };
    for _ in 0..60 {
        both(&mut bench, &["A", "B"]);
    }
    assert!(!bench.todo.iter().any(|action| matches!(action, Action::Send { .. })));
    bench.todo.clear();
    told(&mut outbox);
    let start = bench.now.mono;
    while bench.todo.is_empty() {
        both(&mut bench, &["A"]);
        assert!(bench.now.mono.since(start) <= 30 * SECOND, "not found within 30 s");
    }
    assert!(bench.now.mono.since(start) >= 20 * SECOND, "sooner would be haste");
    assert_eq!(bench.accept(line, 3), ["+t B -"], "which loses nothing");
    assert_eq!(told(&mut outbox), ["warning live live mute while others flow: subscribed again"]);
    let again = bench.now.mono;
    while bench.todo.is_empty() && bench.now.mono.since(again) < 60 * SECOND {
        both(&mut bench, &["A"]);
    }
    assert!((20..=25).contains(&bench.now.mono.since(again).as_secs()));
    assert_eq!(bench.accept(line, 4), ["+ -t B", "+t B -"], "that was not enough");
    for _ in 0..20 {
        both(&mut bench, &["A", "B"]);
    }
    // The gap that the mute stretch left speaks next.
    assert!(told(&mut outbox).contains(&"warning live live events are missing".to_owned()));
    assert_eq!(bench.todo, []);
}

#[test]
fn a_topic_that_comes_in_bursts_is_never_left() {
    let (mut bench, line, who, mut outbox) = live("toy:trade:A");
    bench.subscribe("toy:trade:B", &who);
    bench.accept(line, 2);
    let (mut id, mut asked) = (0, Vec::new());
    for second in 0..1_800 {
        bench.hear(line, &format!("t A {} 1", second + 1));
        if second % 35 == 0 {
            for _ in 0..60 {
                id += 1;
                bench.hear(line, &format!("t B {id} 1"));
            }
        }
        bench.pass(SECOND);
        asked.extend(bench.accept(line, asked.len() as u64 + 3));
        read(&mut outbox);
    }
    assert!(asked.len() <= 1 && asked.iter().all(|text| text == "+t B -"), "{asked:?}");
}

#[test]
fn a_mute_topic_is_not_asked_for_without_end_and_a_slow_one_never() {
    let (mut bench, line, who, mut outbox) = live("toy:trade:A");
    bench.subscribe("toy:trade:B", &who);
    bench.subscribe("toy:trade:C", &who);
    bench.accept(line, 2);
    for index in 1..=60 {
        bench.hear(line, &format!("t B {index} 1"));
        if index % 3 == 0 {
            bench.hear(line, &format!("t C {} 1", index / 3));
        }
        flow(&mut bench, line, 1, |_| format!("t A {index} 1"));
    }
    let mut asked = Vec::new();
    for index in 61..=1_800 {
        bench.hear(line, &format!("t A {index} 1"));
        bench.pass(SECOND);
        asked.extend(bench.accept(line, asked.len() as u64 + 4));
        read(&mut outbox);
    }
    assert!((2..=8).contains(&asked.len()), "{asked:?}");
    assert!(asked.iter().all(|text| text.contains("t B")), "{asked:?}");
}

#[test]
fn a_book_that_broke_is_a_warning_until_it_has_held_again() {
    let (mut bench, line, _who, mut outbox) = live("toy:book:A");
    assert_eq!(told(&mut outbox).pop().unwrap(), "warning live live connected, but nothing has come yet");
    bench.hear(line, "d A 10 10 95 1");
    assert_eq!(told(&mut outbox), ["warning live live the book is being synchronised"]);
    let fetch = bench.fetch();
    bench.answer(fetch, 10);
    bench.hear(line, "d A 11 11 95 1");
    assert_eq!(told(&mut outbox), ["healthy live live"], "the first time there is nothing to recover from");
    bench.hear(line, "d A 13 13 95 1");
    assert_eq!(told(&mut outbox), ["warning live cache the book is being synchronised"]);
    let id = bench.fetch();
    bench.input(Input::Fetched { id, result: Err(Refusal::new(Fault::Server, "503 from the venue")) });
    let syncing = "warning live cache the book is being synchronised";
    let why = "its latest snapshot was of no use: 503 from the venue";
    assert_eq!(told(&mut outbox), [format!("{syncing}; {why}")]);
    bench.pass(2 * SECOND);
    let fetch = bench.fetch();
    bench.answer(fetch, 13);
    bench.hear(line, "d A 14 14 95 1");
    assert_eq!(told(&mut outbox), ["warning live live recovering"]);
    flow(&mut bench, line, 12, |index| format!("d A {} {} 95 1", 15 + index, 15 + index));
    assert_eq!(told(&mut outbox), ["healthy live live"]);
    assert_eq!(topic(&mut bench, 0).book.unwrap().state, BookState::Live);
}

#[test]
fn a_book_that_no_delta_confirms_is_called_unverified_and_not_syncing() {
    let (mut bench, line, who, mut outbox) = live("toy:book:A");
    bench.subscribe("toy:trade:B", &who);
    bench.accept(line, 2);
    bench.hear(line, "t B 1 1");
    bench.pass(3 * SECOND);
    let fetch = bench.fetch();
    bench.answer(fetch, 13);
    bench.pass(30 * SECOND);
    assert_eq!(topic(&mut bench, 0).book.unwrap().state, BookState::Unverified);
    assert_eq!(told(&mut outbox).pop().unwrap(), "warning live live the book is not verified");
}

#[test]
fn what_was_never_there_is_not_called_cached_and_a_stop_says_so() {
    let mut bench = Bench::new();
    let (who, mut outbox) = Bench::reader(1, Overflow::Gap);
    bench.subscribe("toy:trade:A", &who);
    let line = bench.dial();
    let (stage, fault, detail) = (Stage::Tcp, Fault::Transient, "refused".into());
    bench.input(Input::Failed { line, why: DialError { stage, fault, detail } });
    assert_eq!(told(&mut outbox).pop().unwrap(), "degraded waiting live tcp: refused");
    bench.pass(2 * SECOND);
    let line = bench.open();
    bench.accept(line, 1);
    bench.hear(line, "t A 1 1");
    bench.feed.command(bench.now, Command::Shutdown);
    assert_eq!(told(&mut outbox).pop().unwrap(), "degraded idle cache stopped");
}

#[test]
fn a_feed_of_which_nothing_is_wanted_is_not_woken_to_be_looked_at() {
    let (mut bench, line, who, _outbox) = live("toy:trade:A");
    bench.feed.leave(bench.now, who.id());
    bench.feed.command(bench.now, Command::Sweep);
    bench.collect();
    assert_eq!(bench.todo.pop_back(), Some(Action::Close { line, code: 1000 }));
    let next = bench.feed.deadline().unwrap_or(Mono::NEVER);
    assert!(next.since(bench.now.mono) > 10 * SECOND);
}

#[test]
fn a_refused_topic_stays_critical_whatever_its_line_does() {
    let (mut bench, line, who, _outbox) = live("toy:trade:A");
    bench.subscribe("toy:trade:BAD", &who);
    bench.todo.clear();
    bench.hear(line, "no 2");
    bench.pass(120 * SECOND);
    let status = topic(&mut bench, 1);
    assert_eq!((status.level, status.phase), (Level::Critical, "rejected"));
}

#[test]
fn an_idle_topic_stays_small() {
    // With its name, its stream on a line and one reader this is most of what it holds.
    assert!(size_of::<Entry>() <= 240, "{} bytes", size_of::<Entry>());
}

#[test]
fn since_when_a_level_is_shown_does_not_move_with_the_clocks() {
    let (mut bench, line, _who, _outbox) = live("toy:trade:A");
    bench.hear(line, "t A 1 1");
    bench.cut(line);
    let read = |bench: &mut Bench| {
        let status = bench.feed.status(bench.now);
        (status.since, status.lines[0].level_since, status.fallback.since)
    };
    let first = read(&mut bench);
    // The two clocks are never read at quite the same moment.
    for apart in [400, -900] {
        bench.now.unix.0 += apart;
        assert_eq!(read(&mut bench), first);
    }
}
