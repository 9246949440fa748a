//! The figures of reliability against an independent script that knows only the page about them, and that page's
//! own example.

#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "the script is another process")]
#![allow(clippy::print_stderr, reason = "a test that checks nothing says so")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tapeline_core::data::ledger::{Counts, Ledger};
use tapeline_core::data::sequence::Missing;
use tapeline_core::policy::uptime::{Faults, Log, Meter, State, Tolerance, Transition, figures};
use tapeline_core::rng::Rng;
use tapeline_core::time::{Mono, Time, Unix};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// One line of a log.
type Line = (u64, String);

fn lines(records: &[Transition]) -> Vec<Line> {
    records.iter().map(|record| (record.at.0, record.to_line())).collect()
}

/// Lines of other records, from the middle of a log on: numbered anew, so that one run stays one run.
fn numbered(mut all: Vec<Line>) -> Vec<Line> {
    all.sort_by_key(|(at, _)| *at);
    for (seq, (_, line)) in (1..).zip(&mut all) {
        let mut record: Value = serde_json::from_str(line).expect("JSON");
        record["seq"] = json!(seq);
        *line = record.to_string();
    }
    all
}

/// What the script says; `None` where there is no Python.
fn script(records: &[Line], from: Mono, to: Mono) -> Option<Value> {
    let mut child = Command::new("python3")
        .arg(root().join("scripts/reliability.py"))
        .args([from, to].map(|mono| (mono.0 / 1_000).to_string()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    let mut text = String::from("\n{\"seq\":0,\"mono_us\":0,\"kind\":\"line\",\"entity\":\"line 0\"}\n");
    records.iter().for_each(|(_, line)| text += &format!("{line}\n"));
    child.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "the script failed");
    Some(serde_json::from_slice(&output.stdout).expect("JSON"))
}

#[test]
fn the_script_tells_how_it_is_used() {
    for args in [&[][..], &["0"], &["0", "soon"], &["0", "1", "2"]] {
        let Ok(output) =
            Command::new("python3").arg(root().join("scripts/reliability.py")).args(args).output()
        else {
            return;
        };
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("usage: reliability.py") && !said.contains("Traceback"), "{said}");
    }
}

/// Every figure of both, field by field: counts equal, times within 20 ms.
fn compare(ours: &Value, theirs: &Value, place: &str) {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            assert_eq!(ours.len(), theirs.len(), "{place}");
            ours.iter().for_each(|(key, value)| compare(value, &theirs[key], &format!("{place}.{key}")));
        }
        (Value::Number(ours), Value::Number(theirs)) => {
            let (ours, theirs) = (ours.as_f64().expect("a number"), theirs.as_f64().expect("a number"));
            // Of what is rounded to a tenth the last digit may be the next one.
            let bound = match place.rsplit_once('.') {
                Some((_, name)) if name.ends_with("_s") => 0.020,
                Some((_, "score")) => 0.100_001,
                _ => 1e-6,
            };
            assert!((ours - theirs).abs() <= bound, "{place}: {ours} and {theirs}");
        }
        _ => assert_eq!(ours, theirs, "{place}"),
    }
}

/// What the program says of the same records, and of these lines that were lost.
fn said(records: &[Transition], lost: &[(Mono, bool)], ledger: Value, (from, to): (Mono, Mono)) -> Value {
    let report = figures(records, from, to);
    let mut meter = Meter::new(from);
    records.iter().filter(|record| record.at <= to).for_each(|record| meter.feed(record));
    let mut faults = Faults::default();
    for (_, felt) in lost.iter().filter(|(at, _)| (from..=to).contains(at)) {
        faults.merge(Faults { lines: 1, felt: u64::from(*felt) });
    }
    let tolerance = Tolerance::new(faults, &meter.close(to));
    json!({ "full": report.full, "any": report.any, "tolerance": tolerance, "ledger": ledger })
}

/// What has come between two readings of a ledger.
fn change(before: &Counts, after: &Counts) -> Value {
    let change = |column: fn(&Counts) -> u64| column(after).cast_signed() - column(before).cast_signed();
    json!({
        "expected": change(|counts| counts.expected), "received": change(|counts| counts.received),
        "duplicate": change(|counts| counts.duplicate), "repaired": change(|counts| counts.repaired),
        "lost": change(|counts| counts.lost), "unverifiable": change(|counts| counts.unverifiable),
    })
}

/// What the program says of a stretch of a ledger.
fn reckoned(readings: &[(Mono, Counts)], from: Mono, to: Mono) -> Value {
    let reading = |is_before: &dyn Fn(Mono) -> bool| {
        readings.iter().rfind(|(at, _)| is_before(*at)).map_or_else(Counts::default, |(_, counts)| *counts)
    };
    let after = reading(&|at| at <= to);
    // A stretch may end before it begins: then nothing is in it.
    let before = if from > to { after } else { reading(&|at| at < from) };
    let mut ledger = change(&before, &after);
    let expected = after.expected - before.expected;
    let lost = after.lost.saturating_sub(before.lost);
    let completeness = Counts { expected, lost, ..Counts::default() }.completeness();
    ledger["completeness"] = json!(completeness);
    ledger
}

/// A ledger that is kept in the course of a log and told by the minute: what it holds at any such moment, and the lines.
fn accounts(seed: u64, start: Mono, end: Mono) -> (Vec<(Mono, Counts)>, Vec<Line>) {
    let mut rng = Rng::new(seed);
    let (mut ledger, mut readings, mut lines) =
        (Ledger::default(), vec![(Mono::default(), Counts::default())], Vec::new());
    let mut now = start + Duration::from_micros(1);
    let mut id = 10;
    while now <= end {
        let time = Time { mono: now, unix: Unix(now.0.cast_signed()) };
        ledger.received(time, (rng.roll() * 1_000.0) as u32);
        ledger.duplicate(time, (rng.roll() * 9.0) as u32);
        ledger.repaired(time, (rng.roll() * 3.0) as u32);
        if rng.roll() < 0.2 {
            ledger.lost(time, Missing { from: id, to: id + 4 });
            id += 9;
        } else if rng.roll() < 0.2 {
            let _ = ledger.late(time, id - 9);
        }
        let (before, total) = (readings.last().expect("one").1, ledger.total());
        let mut record = change(&before, &total);
        let head = [("seq", json!(0)), ("mono_us", json!(now.0 / 1_000)), ("kind", json!("ledger"))];
        head.into_iter().for_each(|(key, value)| record[key] = value);
        record["entity"] = json!("venue");
        lines.push((now.0, record.to_string()));
        // One of a topic is part of that already.
        record["entity"] = json!("one:trade:A");
        lines.push((now.0, record.to_string()));
        readings.push((now, total));
        now += Duration::from_secs(60);
    }
    (readings, lines)
}

/// Lines that were lost in the course of a log, whole microseconds apart, as everything in it is.
fn faults(seed: u64, start: Mono, end: Mono) -> (Vec<(Mono, bool)>, Vec<Line>) {
    let mut rng = Rng::new(seed);
    let span = end.since(start);
    let mut lost = Vec::new();
    for _ in 0..(rng.roll() * 30.0) as usize {
        let at = start + span.mul_f64(rng.roll());
        lost.push((Mono(at.0 / 1_000 * 1_000), rng.roll() < 0.4));
    }
    let line = |(at, felt): &(Mono, bool)| {
        let change = json!({"seq": 0, "mono_us": at.0 / 1_000, "entity": "line 1", "kind": "line", "from": "live",
            "to": "waiting", "felt": felt, "cause": "generated"});
        (at.0, change.to_string())
    };
    let lines = lost.iter().map(line).collect();
    (lost, lines)
}

/// A log of a few hours: topics that come and go, outages of all lengths, noticed late.
fn generated(seed: u64) -> (Vec<Transition>, Mono, Mono) {
    let mut rng = Rng::new(seed);
    let start = Mono((rng.roll() * 1e12) as u64);
    let (mut log, mut all) = (Log::new(start, 64), Vec::new());
    let topics = 1 + (rng.roll() * 20.0) as usize;
    let mut states = vec![State::None; topics];
    let mut now = start;
    for _ in 0..(rng.roll() * 400.0) as usize {
        now += Duration::from_secs_f64(rng.roll() * rng.roll() * 60.0);
        let topic = (rng.roll() * topics as f64) as usize;
        let to = match (rng.roll() * 20.0) as u32 {
            0..=8 => State::Full,
            9..=12 => State::Any,
            13..=18 => State::Down,
            _ => State::None,
        };
        let back = Duration::from_secs_f64(rng.roll() * rng.roll() * 30.0);
        let change = (std::mem::replace(&mut states[topic], to), to);
        all.push(log.append(now, &format!("topic {topic}"), change, now - back, "generated").clone());
    }
    (all, start, now + Duration::from_secs(5))
}

#[test]
fn an_independent_script_finds_the_same_figures() {
    let (mut failures, mut felt) = (0, 0);
    for seed in 0..24 {
        let (records, start, end) = generated(seed);
        let (lost, lines_lost) = faults(seed, start, end);
        let (readings, told) = accounts(seed, start, end);
        let log = numbered(lines(&records).into_iter().chain(lines_lost).chain(told).collect());
        let span = end.since(start);
        for from in [start, start + span / 3, end - Duration::from_secs(60)] {
            // Also a moment in the past: what was noticed later was not known then.
            for to in [end, start + span * 2 / 3] {
                let Some(theirs) = script(&log, from, to) else {
                    eprintln!("SKIPPED: python3 is not installed");
                    return;
                };
                let ours = said(&records, &lost, reckoned(&readings, from, to), (from, to));
                failures += ours["full"]["failures"].as_u64().expect("a count");
                felt += ours["tolerance"]["faults"]["felt"].as_u64().expect("a count");
                compare(&ours, &theirs, &format!("seed {seed}"));
            }
        }
    }
    assert!(failures > 1_000 && felt > 100, "there was something to compare: {failures}, {felt}");
}

#[test]
fn the_script_has_no_more_than_fifty_lines_of_code() {
    let text = std::fs::read_to_string(root().join("scripts/reliability.py")).expect("the script");
    let code = text.split("\"\"\"").nth(2).expect("what comes after the first text");
    let is_code = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    let lines = code.lines().filter(is_code).count();
    assert!(lines <= 50, "{lines}");
}

#[test]
fn of_several_runs_in_one_log_the_last_counts() {
    let (before, _, _) = generated(3);
    let (records, start, end) = generated(4);
    let Some(alone) = script(&lines(&records), start, end) else {
        eprintln!("SKIPPED: python3 is not installed");
        return;
    };
    let both: Vec<Line> = lines(&before).into_iter().chain(lines(&records)).collect();
    assert_eq!(script(&both, start, end), Some(alone));
}

#[test]
fn the_example_of_the_page_is_what_the_program_says() {
    let page = std::fs::read_to_string(root().join("docs/reliability.md")).expect("the page");
    let records: Vec<_> = page.lines().filter_map(Transition::from_line).collect();
    assert_eq!(records.len(), 7);
    let report = figures(&records, Mono(0), Mono(600_000_000_000));
    for (name, of) in [("full", &report.full), ("any", &report.any)] {
        let number = |value: Option<f64>| value.expect("a figure");
        let row = format!(
            "| {name} | {} s | {} s | {:.6} | {} | {:.1} s | {:.1} s | {:.1} s | {:.1} s |",
            of.observed_s,
            of.down_s,
            number(of.availability),
            of.failures,
            number(of.mttr_s),
            number(of.mttf_s),
            number(of.mtbf_s),
            number(of.ttd.p95_s),
        );
        assert!(page.contains(&row), "the page should say\n{row}");
    }
}
