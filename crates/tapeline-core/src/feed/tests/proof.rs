//! Scenarios of lines that are open and bring nothing: an acknowledgement proves nothing.

use super::toy::{Bench, SECOND, chatter, live};
use crate::data::update::{Data, Level, Source};
use crate::feed::{Action, Command, Input};
use crate::outbox::{Outbox, Subscriber};
use crate::venue::LineId;

/// What a line without data was asked in `seconds`, with the second: everything but pings is noted. The venue accepts
/// and answers, dials as well.
fn play(bench: &mut Bench, line: &mut LineId, requests: &mut u64, seconds: u64) -> Vec<(u64, &'static str)> {
    let (start, mut asked) = (bench.now.mono, Vec::new());
    for _ in 0..seconds {
        for action in std::mem::take(&mut bench.todo) {
            let at = bench.now.mono.since(start).as_secs();
            match action {
                Action::Ping { line, payload } => bench.input(Input::Pong { line, payload: &payload }),
                Action::Send { line, .. } => {
                    *requests += 1;
                    bench.hear(line, &format!("ok {requests}"));
                    asked.push((at, "subscribe"));
                }
                Action::Dial { line: next, .. } => {
                    *line = next;
                    bench.input(Input::Opened { line: next });
                    asked.push((at, "dial"));
                }
                Action::Close { .. } => asked.push((at, "close")),
                _ => {}
            }
        }
        bench.pass(SECOND);
    }
    asked
}

/// The levels, sources and reasons that a reader was told.
fn told(outbox: &mut Outbox) -> Vec<(Level, Source, String)> {
    let mut out = Vec::new();
    while let Some(update) = outbox.try_next() {
        if let Data::Status(status) = &update.data {
            out.push((status.level, status.source, status.reason.to_string()));
        }
    }
    out
}

/// A line that carried `before`, was cut and is open again.
fn reopened(before: impl FnOnce(&mut Bench, LineId)) -> (Bench, LineId, Subscriber, Outbox) {
    let (mut bench, line, who, mut outbox) = live("toy:trade:A");
    before(&mut bench, line);
    while outbox.try_next().is_some() {}
    bench.todo.clear();
    bench.cut(line);
    bench.pass(2 * SECOND);
    let line = bench.open();
    (bench, line, who, outbox)
}

#[test]
fn a_line_that_brings_nothing_after_a_reconnect_is_not_called_healthy_and_is_left() {
    let (mut bench, mut line, _who, mut outbox) = reopened(chatter);
    let mut requests = 1;
    let asked = play(&mut bench, &mut line, &mut requests, 120);
    let expected = [(0, "subscribe"), (6, "subscribe"), (8, "close"), (9, "dial")];
    assert_eq!(asked[..4], expected, "asked anew once, then left");
    let left: Vec<u64> = asked.iter().filter(|(_, what)| *what == "close").map(|(at, _)| *at).collect();
    let waits: Vec<u64> = left.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(waits.windows(2).all(|pair| pair[0] < pair[1]), "more patient each time: {left:?}");
    let told = told(&mut outbox);
    assert!(
        told.iter().all(|(level, source, _)| *level >= Level::Warning && *source == Source::Cache),
        "{told:?}"
    );
    assert!(told.iter().any(|(.., reason)| reason == "connected, but nothing has come yet"), "{told:?}");
    assert!(!bench.feed.status(bench.now).lines[0].proven);
}

#[test]
fn data_ends_the_doubt_about_a_line_that_brought_nothing() {
    let (mut bench, mut line, _who, mut outbox) = reopened(chatter);
    let mut requests = 1;
    play(&mut bench, &mut line, &mut requests, 5);
    told(&mut outbox);
    bench.hear(line, "t A 6001 1");
    let (level, source, reason) = told(&mut outbox).remove(0);
    assert_eq!((level, source, &*reason), (Level::Degraded, Source::Live, "recovering"));
}

#[test]
fn a_first_connection_to_a_quiet_market_is_kept() {
    let (mut bench, mut line, _who, mut outbox) = live("toy:trade:A");
    let asked = play(&mut bench, &mut line, &mut 1, 3_600);
    assert_eq!(asked, []);
    let last = told(&mut outbox).pop().unwrap();
    assert_eq!(last, (Level::Warning, Source::Live, "connected, but nothing has come yet".to_owned()));
}

#[test]
fn a_line_whose_rhythm_is_slow_is_kept_after_a_reconnect() {
    let before = |bench: &mut Bench, mut line: LineId| {
        for id in 1..=20 {
            bench.hear(line, &format!("t A {id} 1"));
            play(bench, &mut line, &mut 1, 50);
        }
    };
    let (mut bench, mut line, _who, _outbox) = reopened(before);
    assert_eq!(play(&mut bench, &mut line, &mut 1, 3_600), [(0, "subscribe")]);
}

/// A line that is to follow the one there is, open.
fn followed(bench: &mut Bench) -> LineId {
    bench.feed.command(bench.now, Command::Rotate { slot: None });
    bench.collect();
    bench.todo.retain(|action| matches!(action, Action::Dial { .. }));
    bench.open()
}

#[test]
fn a_line_is_not_judged_by_the_rhythm_of_what_it_carries_no_longer() {
    let (mut bench, line, who, _outbox) = live("toy:trade:A");
    bench.subscribe("toy:trade:B", &who);
    bench.accept(line, 2);
    chatter(&mut bench, line);
    bench.feed.unsubscribe(bench.now, &"toy:trade:A".parse().unwrap(), who.id());
    assert_eq!(bench.feed.command(bench.now, Command::Sweep), 1);
    bench.collect();
    bench.accept(line, 3);
    bench.cut(line);
    bench.pass(2 * SECOND);
    let mut line = bench.open();
    assert_eq!(play(&mut bench, &mut line, &mut 3, 600), [(0, "subscribe")]);
}

#[test]
fn a_slot_that_was_left_and_is_used_for_something_else_has_no_rhythm_yet() {
    let (mut bench, busy, who, _outbox) = live("toy:trade:A");
    chatter(&mut bench, busy);
    let second = followed(&mut bench);
    bench.accept(second, 1);
    for id in 6_001..6_006 {
        bench.hear(second, &format!("t A {id} 1"));
        bench.pass(SECOND);
    }
    assert_ne!(second.slot, busy.slot);
    // Only the thin one is left for the next line.
    bench.subscribe("toy:trade:B", &who);
    bench.accept(second, 2);
    bench.feed.unsubscribe(bench.now, &"toy:trade:A".parse().unwrap(), who.id());
    bench.feed.command(bench.now, Command::Sweep);
    bench.collect();
    bench.accept(second, 3);
    let mut third = followed(&mut bench);
    assert_eq!(third.slot, busy.slot);
    let asked = play(&mut bench, &mut third, &mut 1, 9);
    assert_eq!(asked, [(0, "subscribe")]);
}

#[test]
fn a_follower_is_judged_by_the_rhythm_of_the_line_that_it_follows() {
    let (mut bench, busy, _who, _outbox) = live("toy:trade:A");
    chatter(&mut bench, busy);
    let mut heir = followed(&mut bench);
    bench.cut(busy);
    let asked = play(&mut bench, &mut heir, &mut 0, 9);
    assert_eq!(asked, [(0, "subscribe"), (6, "subscribe"), (8, "close")]);
}

#[test]
fn the_silences_of_the_line_before_are_not_a_followers_own() {
    let (mut bench, old, _who, mut outbox) = live("toy:trade:A");
    for id in 1..=60 {
        bench.hear(old, &format!("t A {id} 1"));
        bench.pass(5 * SECOND);
    }
    let heir = followed(&mut bench);
    bench.accept(heir, 1);
    for id in 61..661 {
        bench.hear(heir, &format!("t A {id} 1"));
        bench.pass(SECOND / 10);
    }
    told(&mut outbox);
    bench.pass(4 * SECOND);
    let (level, ..) = told(&mut outbox).pop().expect("its silence is noticed");
    assert!(level >= Level::Degraded, "{level:?}");
}

#[test]
fn a_quiet_line_that_answers_is_dialled_anew_only_for_a_silence_such_as_it_never_kept() {
    let (mut bench, mut line, _who, _outbox) = live("toy:trade:A");
    let mut requests = 1;
    // A message, another one soon after it, and then nothing for more than an hour.
    let mut hour = |bench: &mut Bench, id: u64| {
        bench.hear(line, &format!("t A {id} 1"));
        play(bench, &mut line, &mut requests, 40);
        bench.hear(line, &format!("t A {} 1", id + 1));
        play(bench, &mut line, &mut requests, 5_000)
    };
    let first = hour(&mut bench, 1);
    let [(_, "subscribe"), (cut, "close"), (_, "dial"), (_, "subscribe")] = first[..] else {
        panic!("subscribed anew, then dialled once for the whole silence: {first:?}")
    };
    assert!((1_000..1_200).contains(&cut), "{cut} s");
    assert_eq!(bench.feed.status(bench.now).lines[0].stats.drops, 1);
    for id in [3, 5, 7] {
        let later = hour(&mut bench, id);
        assert_eq!(
            later.iter().map(|(_, what)| *what).collect::<Vec<_>>(),
            ["subscribe"],
            "now it is known so"
        );
    }
}
