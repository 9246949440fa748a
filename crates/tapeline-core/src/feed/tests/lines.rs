//! Scenarios of lines: silence, budgets, retries, halts.

use super::toy::{Bench, SECOND, chatter, live, market, read};
use super::url;
use crate::config::FeedConfig;
use crate::feed::{Action, Command, DialError, Input, Memory, Stage};
use crate::outbox::Overflow;
use crate::policy::fault::Fault;
use crate::policy::recovery::Recovery;
use crate::venue::LineId;

#[test]
fn data_is_as_good_as_a_pong() {
    let (mut bench, line, _who, _outbox) = live("toy:trade:A");
    bench.pass(31 * SECOND);
    assert!(matches!(bench.todo.pop_front(), Some(Action::Ping { .. })), "a quiet line is pinged");
    bench.pass(5 * SECOND);
    bench.hear(line, "t A 1 1");
    bench.pass(6 * SECOND);
    assert!(!bench.todo.iter().any(|action| matches!(action, Action::Close { .. })));
}

#[test]
fn a_venue_that_refuses_to_confirm_once_more_what_it_sends_takes_nothing_away() {
    let (mut bench, line, _who, mut outbox) = live("toy:trade:A");
    chatter(&mut bench, line);
    let mut asked = false;
    for _ in 0..160 {
        bench.pass(SECOND / 20);
        for action in std::mem::take(&mut bench.todo) {
            match action {
                Action::Ping { payload, .. } => bench.input(Input::Pong { line, payload: &payload }),
                Action::Send { .. } => {
                    bench.hear(line, "no 2");
                    asked = true;
                }
                _ => {}
            }
        }
        if asked {
            break;
        }
    }
    assert!(asked, "it is asked for everything once more");
    assert_ne!(bench.feed.status(bench.now).topics[0].phase, "rejected");
    market(&mut outbox);
    bench.hear(line, "t A 6001 1");
    assert_eq!(market(&mut outbox), ["event 6001 id=6001"]);
}

#[test]
fn what_has_not_come_for_long_is_believed_to_be_refused() {
    let (mut bench, line, who, _outbox) = live("toy:trade:A");
    bench.subscribe("toy:trade:B", &who);
    bench.hear(line, "t B 1 1");
    bench.pass(9 * SECOND);
    // The word was lost, and it is asked again after ten seconds.
    bench.hear(line, "t A 1 1");
    bench.pass(2 * SECOND);
    bench.hear(line, "no 3");
    assert_eq!(bench.feed.status(bench.now).topics[1].phase, "rejected");
}

#[test]
fn a_line_with_pongs_but_no_data_subscribes_again_before_it_reconnects() {
    let (mut bench, line, _who, _outbox) = live("toy:trade:A");
    chatter(&mut bench, line);
    let (mut sent, mut closed) = (0, false);
    for _ in 0..400 {
        bench.pass(SECOND / 20);
        for action in std::mem::take(&mut bench.todo) {
            match action {
                Action::Ping { payload, .. } => bench.input(Input::Pong { line, payload: &payload }),
                Action::Send { text, .. } => {
                    assert_eq!(text, "+t A -");
                    sent += 1;
                    bench.hear(line, "ok 2");
                }
                Action::Close { .. } => closed = true,
                _ => {}
            }
        }
    }
    assert_eq!((sent, closed), (1, true));
}

/// A quiet line dies with its answer to having been subscribed anew, or with its last pong before that.
fn quiet_death(answered: bool) {
    let (mut bench, line, _who, _outbox) = live("toy:trade:A");
    bench.hear(line, "t A 1 1");
    let mut sign = bench.now.mono;
    while !bench.todo.iter().any(|action| matches!(action, Action::Send { .. })) {
        if answer_pings(&mut bench, line) {
            sign = bench.now.mono;
        }
        bench.pass(SECOND / 100);
    }
    if answered {
        bench.todo.retain(|action| matches!(action, Action::Send { .. }));
        assert_eq!(bench.accept(line, 2), ["+t A -"]);
        sign = bench.now.mono;
    }
    bench.pass((sign + 41 * SECOND).since(bench.now.mono));
    assert!(bench.todo.iter().any(|action| matches!(action, Action::Close { .. })), "{:?}", bench.todo);
}

#[test]
fn a_quiet_line_that_dies_is_found_by_its_ping_whether_or_not_it_is_just_subscribed_anew() {
    quiet_death(true);
    quiet_death(false);
}

#[test]
fn pings_without_end_do_not_keep_requests_back() {
    let mut bench = Bench::new();
    let (who, _outbox) = Bench::reader(1, Overflow::Gap);
    bench.subscribe("toy:trade:S0", &who);
    let line = bench.open();
    let mut said = Vec::new();
    for step in 0..50 {
        bench.input(Input::Ping { line, payload: &[step] });
        if step % 10 == 5 && step < 30 {
            bench.subscribe(&format!("toy:trade:S{step}"), &who);
        }
        for action in std::mem::take(&mut bench.todo) {
            match action {
                Action::Send { text, .. } => said.push(text),
                Action::Pong { .. } => said.push("pong".to_owned()),
                _ => {}
            }
        }
        bench.pass(SECOND / 10);
    }
    let pongs = said.iter().filter(|text| *text == "pong").count();
    assert_eq!(said.len() - pongs, 4, "{said:?}");
    assert!(pongs >= 10, "{said:?}");
}

/// Whether there was a ping.
fn answer_pings(bench: &mut Bench, line: LineId) -> bool {
    let before = bench.todo.len();
    for action in std::mem::take(&mut bench.todo) {
        match action {
            Action::Ping { payload, .. } => bench.input(Input::Pong { line, payload: &payload }),
            other => bench.todo.push_back(other),
        }
    }
    bench.todo.len() < before
}

#[test]
fn requests_stay_in_the_budget_and_leave_room_for_pongs() {
    let mut bench = Bench::new();
    let (who, _outbox) = Bench::reader(1, Overflow::Gap);
    for index in 0..4 {
        bench.subscribe(&format!("toy:trade:S{index}"), &who);
    }
    let line = bench.open();
    let mut times = Vec::new();
    for step in 0..40 {
        if step % 2 == 0 {
            bench.input(Input::Ping { line, payload: &[step] });
        }
        // Wishes that come and go keep the requests flowing.
        let topic = format!("toy:trade:S{}", step % 4);
        bench.feed.unsubscribe(bench.now, &topic.parse().unwrap(), who.id());
        bench.feed.command(bench.now, Command::Sweep);
        bench.subscribe(&topic, &who);
        bench.pass(SECOND / 10);
        let said = |action: &Action| matches!(action, Action::Send { .. } | Action::Pong { .. });
        times.extend(bench.todo.drain(..).filter(said).map(|_| bench.now.mono));
    }
    assert!(times.len() >= 12, "only {} messages", times.len());
    for (index, at) in times.iter().enumerate().skip(4) {
        assert!(
            // The venue counts what arrives: some of it is held up on its way, and the rest catches up.
            at.since(times[index - 4]) >= SECOND + SECOND / 4 - SECOND / 10,
            "more than four messages within a second and what the way may shorten it by"
        );
    }
}

#[test]
fn unconfirmed_requests_are_repeated_twice_and_then_the_line_is_replaced() {
    let mut bench = Bench::new();
    let (who, _outbox) = Bench::reader(1, Overflow::Gap);
    bench.subscribe("toy:trade:A", &who);
    let line = bench.open();
    let mut log = Vec::new();
    for _ in 0..35 {
        bench.pass(SECOND);
        for action in std::mem::take(&mut bench.todo) {
            match action {
                Action::Send { text, .. } => log.push(text),
                Action::Close { line: closed, .. } if closed == line => log.push("close".into()),
                Action::Ping { payload, .. } => bench.input(Input::Pong { line, payload: &payload }),
                _ => {}
            }
        }
    }
    assert_eq!(log, ["+t A -", "+t A -", "+t A -", "close"]);
}

#[test]
fn of_a_subscription_that_is_confirmed_in_part_only_the_rest_is_asked_for_again() {
    let mut bench = Bench::new();
    let (who, _outbox) = Bench::reader(1, Overflow::Gap);
    for topic in ["toy:trade:A", "toy:trade:B"] {
        bench.subscribe(topic, &who);
    }
    let line = bench.open();
    for topic in ["toy:trade:C", "toy:trade:D"] {
        bench.subscribe(topic, &who);
    }
    let mut log = Vec::new();
    for second in 0..30 {
        bench.pass(SECOND);
        for action in std::mem::take(&mut bench.todo) {
            match action {
                Action::Send { text, .. } => {
                    log.push((second, text));
                    // Of the second request the venue says nothing before it is asked again.
                    if log.len() != 2 {
                        bench.hear(line, &format!("ok {}", log.len()));
                    }
                }
                Action::Ping { payload, .. } => bench.input(Input::Pong { line, payload: &payload }),
                Action::Close { .. } => panic!("nothing is wrong with the line: {second} s, {log:?}"),
                _ => {}
            }
        }
    }
    let asked: Vec<&str> = log.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(asked, ["+t A|t B -", "+t C -", "+t D -", "+t C -"], "one of four, once more");
    assert!(log[3].0 >= log[1].0 + 9, "not before its time: {log:?}");
    let status = bench.feed.status(bench.now);
    assert_eq!((status.lines[0].confirmed, status.lines[0].wanted), (4, 4));
}

#[test]
fn a_dial_that_never_answers_is_given_up() {
    let mut bench = Bench::new();
    let (who, _outbox) = Bench::reader(1, Overflow::Gap);
    bench.subscribe("toy:trade:A", &who);
    let line = bench.dial();
    bench.pass(11 * SECOND);
    assert_eq!(bench.todo.pop_front(), Some(Action::Close { line, code: 1000 }));
    bench.pass(2 * SECOND);
    let next = bench.dial();
    assert_ne!(next, line);
    bench.input(Input::Opened { line });
    assert_eq!(bench.todo, [], "what the old dial says late is not taken for the new one's word");
    assert_eq!(bench.feed.status(bench.now).stray_inputs, 1);
}

#[test]
fn a_dial_that_hangs_is_part_of_the_pause_after_it() {
    let mut bench = Bench::new();
    let (who, _outbox) = Bench::reader(1, Overflow::Gap);
    bench.subscribe("toy:trade:A", &who);
    let mut dials = Vec::new();
    while dials.len() < 9 {
        let line = bench.dial();
        dials.push(bench.now.mono);
        bench.pass(7 * SECOND);
        let why = DialError { stage: Stage::Tcp, fault: Fault::Transient, detail: "no answer".into() };
        bench.input(Input::Failed { line, why });
        while bench.todo.is_empty() {
            bench.pass(SECOND / 100);
        }
    }
    let waits: Vec<_> = dials.windows(2).map(|pair| pair[1].since(pair[0]).as_secs_f64()).collect();
    assert!(waits[..3].iter().all(|wait| (7.1..8.2).contains(wait)), "at once, but not too soon: {waits:?}");
    assert!(waits[5..].iter().all(|wait| (25.0..=33.1).contains(wait)), "half a minute at most: {waits:?}");
}

fn fail(bench: &mut Bench, fault: Fault) {
    let line = bench.dial();
    let why = DialError { stage: Stage::Upgrade, fault, detail: "no".into() };
    bench.input(Input::Failed { line, why });
}

#[test]
fn a_broken_endpoint_makes_way_for_the_next_one() {
    let mut bench = Bench::new();
    let (who, _outbox) = Bench::reader(1, Overflow::Gap);
    bench.subscribe("toy:trade:A", &who);
    assert_eq!(url(bench.todo.front()), "ws://a");
    fail(&mut bench, Fault::Server);
    bench.pass(2 * SECOND);
    assert_eq!(url(bench.todo.front()), "ws://b");
}

#[test]
fn lines_that_failed_on_our_own_side_are_dialled_again_at_one_moment() {
    let mut bench = Bench::new();
    let (who, _outbox) = Bench::reader(1, Overflow::Gap);
    for index in 0..9 {
        bench.subscribe(&format!("toy:trade:S{index}"), &who);
    }
    let mut dials = Vec::new();
    for round in 0..4 {
        let lines: Vec<_> = std::iter::from_fn(|| (!bench.todo.is_empty()).then(|| bench.dial())).collect();
        assert_eq!(lines.len(), 3, "in round {round}");
        dials.push(bench.now.mono);
        for line in lines {
            bench.pass(SECOND / 10);
            let (stage, fault, detail) = (Stage::Tcp, Fault::Local, "no network".into());
            bench.input(Input::Failed { line, why: DialError { stage, fault, detail } });
        }
        while bench.todo.is_empty() {
            bench.pass(SECOND / 100);
        }
    }
    let waits: Vec<_> = dials.windows(2).map(|pair| pair[1].since(pair[0]).as_secs_f64().round()).collect();
    assert_eq!(waits, [1.0, 2.0, 4.0], "and they grow");
}

#[test]
fn an_impossible_request_halts_the_line_until_an_operator_speaks() {
    let mut bench = Bench::new();
    let (who, mut outbox) = Bench::reader(1, Overflow::Gap);
    bench.subscribe("toy:trade:A", &who);
    fail(&mut bench, Fault::Configuration);
    bench.pass(600 * SECOND);
    assert_eq!(bench.todo, []);
    assert!(read(&mut outbox).contains(&"status 0 halted upgrade: no".to_owned()));
    assert!(bench.feed.command(bench.now, Command::Reset) > 0);
    bench.collect();
    assert_eq!(url(bench.todo.front()), "ws://a");
}

#[test]
fn a_flapping_venue_is_dialled_at_most_25_times_in_five_minutes() {
    let (mut bench, mut line, _who, _outbox) = live("toy:trade:A");
    let mut dials = vec![bench.now.mono];
    while bench.now.mono.since(dials[0]) < 600 * SECOND {
        bench.hear(line, &format!("t A {} 1", dials.len()));
        bench.pass(3 * SECOND);
        bench.cut(line);
        while !bench.todo.iter().any(|action| matches!(action, Action::Dial { .. })) {
            bench.pass(SECOND / 10);
        }
        bench.todo.retain(|action| matches!(action, Action::Dial { .. }));
        dials.push(bench.now.mono);
        line = bench.open();
        bench.todo.clear();
    }
    let worst = dials
        .iter()
        .map(|start| dials.iter().filter(|at| **at >= *start && at.since(*start) < 300 * SECOND).count());
    assert!(worst.clone().max().unwrap() <= 25, "{:?} dials", worst.max());
}

#[test]
fn a_starved_process_does_not_blame_the_venue() {
    let (mut bench, line, _who, _outbox) = live("toy:trade:A");
    chatter(&mut bench, line);
    bench.todo.clear();
    // Nobody ticks for a minute; then what had come in is read at last.
    bench.now = bench.now.later(60 * SECOND);
    bench.feed.tick(bench.now);
    bench.collect();
    bench.hear(line, "t A 6001 1");
    bench.pass(SECOND);
    assert!(!bench.todo.iter().any(|action| matches!(action, Action::Close { .. })), "{:?}", bench.todo);
}

#[test]
fn a_blocked_line_that_waits_to_speak_comes_to_rest() {
    let mut bench = Bench::new();
    let (who, _outbox) = Bench::reader(1, Overflow::Block);
    bench.subscribe("toy:trade:A", &who);
    let line = bench.open();
    bench.accept(line, 1);
    chatter(&mut bench, line);
    assert!(bench.feed.is_blocked(line), "nobody reads");
    // More pings than may be answered at once: the last answers have to wait.
    for _ in 0..12 {
        bench.feed.handle(bench.now, Input::Ping { line, payload: b"x" });
        bench.collect();
        bench.feed.tick(bench.now);
    }
    bench.pass(3 * SECOND);
    bench.feed.tick(bench.now);
    bench.collect();
    assert!(bench.feed.deadline().is_some_and(|at| at > bench.now.mono));
}

#[test]
fn silence_of_our_own_making_is_not_blamed_on_the_venue() {
    let mut bench = Bench::new();
    let (who, mut outbox) = Bench::reader(1, Overflow::Block);
    bench.subscribe("toy:trade:A", &who);
    let line = bench.open();
    bench.accept(line, 1);
    chatter(&mut bench, line);
    assert!(bench.feed.is_blocked(line), "nobody reads");
    bench.todo.clear();
    bench.pass(300 * SECOND);
    assert!(!bench.todo.iter().any(|action| matches!(action, Action::Close { .. })), "{:?}", bench.todo);
    assert_eq!(market(&mut outbox).len(), 6_000);
    bench.hear(line, "t A 6001 1");
    bench.pass(SECOND);
    assert_eq!(market(&mut outbox), ["event 6001 id=6001"]);
}

#[test]
fn a_line_of_which_everything_was_refused_is_closed_and_dialled_again_when_something_is_wanted() {
    let mut bench = Bench::new();
    let (who, _outbox) = Bench::reader(1, Overflow::Gap);
    bench.subscribe("toy:trade:A", &who);
    let line = bench.open();
    bench.todo.clear();
    bench.hear(line, "no 1");
    assert_eq!(bench.todo, [Action::Close { line, code: 1000 }]);
    assert_eq!(bench.feed.status(bench.now).lines[0].phase, "idle");
    bench.todo.clear();
    bench.subscribe("toy:trade:B", &who);
    bench.pass(SECOND);
    let line = bench.open();
    assert_eq!(bench.accept(line, 2), ["+t B -"]);
}

#[test]
fn the_worse_an_endpoint_has_served_the_longer_it_is_waited_before_it_is_dialled_again() {
    // The first wait: a second where nothing else speaks against the endpoint.
    let first = |failures: u32| {
        let mut config = FeedConfig { streams: vec!["ws://a".to_owned()], ..FeedConfig::default() };
        config.timing.backoff_spread = 0.0;
        let mut bench = Bench::with(config, Memory::default());
        let (now, rules) = (bench.now.mono, bench.feed.gate.scores.clone());
        (0..failures).for_each(|_| bench.feed.gate.streams[0].quality.dial_failed(now, &rules));
        let (who, _outbox) = Bench::reader(1, Overflow::Gap);
        bench.subscribe("toy:trade:A", &who);
        fail(&mut bench, Fault::Transient);
        let failed = bench.now.mono;
        while bench.todo.is_empty() {
            bench.pass(SECOND / 100);
        }
        bench.now.mono.since(failed).as_secs_f64()
    };
    let [fair, poor, worst] = [0, 10, 1_000].map(first);
    assert!((1.0..1.02).contains(&fair), "{fair}");
    assert!((1.3..1.45).contains(&poor) && (1.45..1.55).contains(&worst), "{poor} {worst}");
}

#[test]
fn a_recovery_waits_as_long_as_its_mode_says() {
    let mut config = FeedConfig::default();
    (config.timing.backoff_first, config.timing.backoff_max) = (20 * SECOND, 20 * SECOND);
    for (how, least, most) in [
        (Recovery::Immediate, 0, 0),
        (Recovery::Progressive, 1, 30),
        (Recovery::Delayed, 60, 60),
        (Recovery::Manual, 0, 600),
    ] {
        let mut bench = Bench::with(config.clone(), Memory::default());
        let (who, _outbox) = Bench::reader(1, Overflow::Gap);
        bench.subscribe("toy:trade:A", &who);
        for _ in 0..3 {
            bench.todo.retain(|action| matches!(action, Action::Dial { .. }));
            let line = bench.dial();
            let why = DialError { stage: Stage::Tcp, fault: Fault::Transient, detail: "no".into() };
            bench.input(Input::Failed { line, why });
            for _ in 0..400 {
                if !bench.todo.iter().any(|action| matches!(action, Action::Dial { .. })) {
                    bench.pass(SECOND / 10);
                }
            }
        }
        let line = bench.dial();
        let why = DialError { stage: Stage::Tcp, fault: Fault::Transient, detail: "no".into() };
        bench.input(Input::Failed { line, why });
        let before = bench.feed.status(bench.now).lines[0].dial_in_ms;
        let touched = bench.feed.command(bench.now, Command::Recover { slot: Some(0), how });
        bench.collect();
        let after = bench.feed.status(bench.now).lines[0].dial_in_ms;
        let dials = bench.todo.iter().any(|action| matches!(action, Action::Dial { .. }));
        assert_eq!(
            (touched, dials),
            (usize::from(how != Recovery::Manual), how == Recovery::Immediate),
            "{how:?}"
        );
        let wait = after.unwrap_or(0);
        assert!((least * 1_000..=most * 1_000).contains(&wait), "{how:?}: {after:?}");
        assert!(how != Recovery::Manual || (after == before && after.is_some()), "nothing has changed");
    }
}
