//! The log of how topics are served: outages begin when data was overdue and end when nothing is missing.

use std::time::Duration;

use super::pair::pair;
use super::poll::{back, fallen, turn};
use super::toy::{Bench, SECOND, chatter, live};
use crate::config::FeedConfig;
use crate::feed::{Command, Memory};
use crate::outbox::Overflow;
use crate::policy::recovery::Recovery;
use crate::policy::uptime::{Faults, KIND, Tolerance, figures};
use crate::time::Mono;

/// All transitions: what was entered, when by the log that began, and when that was noticed, in ms after `from`.
fn told(bench: &Bench, from: Mono) -> Vec<(&'static str, u64, u64)> {
    let ms = |at: Mono| at.since(from).as_millis() as u64;
    let records = bench.feed.records_after(0).filter(|record| record.kind == KIND);
    records.map(|record| (record.to, record.since.map_or(0, ms), ms(record.at))).collect()
}

#[test]
fn an_outage_begins_when_data_was_overdue_and_ends_when_nothing_is_missing() {
    let (mut bench, line, _who, _outbox) = live("toy:trade:R");
    let start = bench.now.mono;
    for id in 1..=6_000 {
        bench.hear(line, &format!("t R {id} 1"));
        bench.pass(SECOND / 20);
    }
    assert_eq!(told(&bench, start), [("full", 0, 0)]);
    bench.pass(SECOND);
    let cut = bench.now.mono;
    bench.cut(line);
    bench.pass(2 * SECOND);
    let line = bench.open();
    bench.accept(line, 2);
    bench.hear(line, "t R 6004 1");
    let (fetch, ..) = bench.backfill();
    bench.pass(SECOND);
    bench.give(fetch, 6_001..=6_003);
    let end = bench.now.mono;
    let all = told(&bench, start);
    let [_, (down, since, noticed), (full, over, _)] = all[..] else { panic!("{all:?}") };
    let ms = |at: Mono| at.since(start).as_millis() as u64;
    assert_eq!((down, full, noticed, over), ("down", "full", ms(cut), ms(end)));
    // The last came 1,050 ms before the cut, and the next was expected 50 ms later.
    assert!((ms(cut) - 1_010..=ms(cut) - 960).contains(&since), "{since} of {}", ms(cut));
    let log = bench.feed.records().log();
    let report = log.report(end, None);
    assert_eq!((report.full.failures, report.full.repaired, report.full.ttr.n), (1, 1, 1));
    assert_eq!(report.full, figures(log.after(0), start, end).full);
    assert_eq!(log.reports_by_entity(end, None), [("toy:trade:R".into(), report)]);
}

#[test]
fn a_fault_of_one_of_two_lines_is_no_outage() {
    let (mut bench, [a, b], _who, _outbox) = pair("toy:trade:A");
    let start = bench.now.mono;
    bench.hear(a, "t A 1 1");
    bench.hear(b, "t A 1 1");
    bench.cut(a);
    bench.hear(b, "t A 2 1");
    assert_eq!(told(&bench, start), [("full", 0, 0)]);
    bench.cut(b);
    assert_eq!(told(&bench, start).len(), 2);
    let faults = bench.feed.records().faults(bench.now.mono, None);
    assert_eq!(faults, Faults { lines: 2, felt: 1 });
    let lost =
        bench.feed.records_after(0).filter_map(|record| Some((&*record.entity, record.from, record.felt?)));
    assert_eq!(
        lost.collect::<Vec<_>>(),
        [("line 0", "live", false), ("line 1", "live", true)],
        "whoever has the records can count the same"
    );
    let (totals, _) = bench.feed.records().log().totals(bench.now.later(SECOND).mono, None);
    let tolerance = Tolerance::new(faults, &totals);
    assert_eq!((tolerance.tolerated, tolerance.recovered), (Some(0.5), Some(0.0)));
    // Half of the faults were not felt, no outage is over, and nothing was up for any time.
    assert_eq!(tolerance.score, Some(16.7));
}

#[test]
fn what_is_polled_is_any_service_until_the_rung_of_lines_is_back() {
    let (mut bench, first, _who, _outbox) = fallen();
    let start = bench.now.mono;
    bench.give(first, []);
    bench.pass(SECOND);
    turn(&mut bench, true);
    let line = back(&mut bench);
    bench.hear(line, "t R 4 1");
    let words = |bench: &Bench| told(bench, start).iter().map(|(word, ..)| *word).collect::<Vec<_>>();
    assert_eq!(words(&bench), ["full", "down", "any"]);
    for id in 5..25 {
        bench.pass(SECOND);
        bench.hear(line, &format!("t R {id} 1"));
    }
    assert_eq!(words(&bench), ["full", "down", "any", "full"]);
    let polled = told(&bench, Mono::default())[2];
    assert_eq!(
        polled.1, polled.2,
        "polling serves from the moment that it does, not since the line was lost"
    );
}

#[test]
fn nothing_is_promised_before_it_came_unless_that_takes_too_long_nor_what_nobody_wants() {
    let mut bench = Bench::new();
    let start = bench.now.mono;
    let (who, _outbox) = Bench::reader(1, Overflow::Gap);
    bench.subscribe("toy:book:A", &who);
    bench.pass(9 * SECOND);
    assert_eq!(told(&bench, start), []);
    bench.pass(2 * SECOND);
    assert_eq!(told(&bench, start).iter().map(|(word, ..)| *word).collect::<Vec<_>>(), ["down"]);
    bench.feed.leave(bench.now, who.id());
    bench.pass(60 * SECOND);
    assert_eq!(told(&bench, start).len(), 2);
    let report = bench.feed.records().log().report(bench.now.mono, None);
    assert_eq!((report.full.failures, report.full.repaired), (1, 0), "who leaves repairs nothing");
}

#[test]
fn a_book_that_breaks_is_down_until_it_is_right_again() {
    let (mut bench, line, _who, _outbox) = live("toy:book:A");
    let start = bench.now.mono;
    bench.hear(line, "d A 10 11 95 1");
    let fetch = bench.fetch();
    bench.answer(fetch, 10);
    bench.pass(SECOND);
    bench.hear(line, "d A 15 15 98 1");
    let fetch = bench.fetch();
    bench.pass(SECOND / 2);
    bench.answer(fetch, 16);
    bench.hear(line, "d A 16 17 99 1");
    assert_eq!(told(&bench, start), [("full", 0, 0), ("down", 1_000, 1_000), ("full", 1_500, 1_500)]);
}

#[test]
fn a_silent_line_is_an_outage_from_when_its_next_message_was_due() {
    let (mut bench, line, _who, _outbox) = live("toy:trade:A");
    let start = bench.now.mono;
    chatter(&mut bench, line);
    let silent = bench.now.mono;
    bench.pass(3 * SECOND);
    let (word, since, noticed) = *told(&bench, start).last().unwrap();
    let due = silent.since(start).as_millis() as u64;
    assert_eq!(word, "down");
    assert!(
        since.abs_diff(due) <= 20 && noticed >= due + 1_900,
        "due {due}, since {since}, noticed {noticed}"
    );
    bench.hear(line, "t A 6001 1");
    assert_eq!(told(&bench, start).last().unwrap().0, "full");
}

#[test]
fn a_crash_is_an_outage_and_the_record_goes_on() {
    let (mut bench, line, _who, _outbox) = live("toy:trade:A");
    let start = bench.now.mono;
    bench.hear(line, "t A 1 1");
    bench.feed.command(bench.now, Command::Recover { slot: Some(0), how: Recovery::Delayed });
    let (now, newest) = (bench.now.later(SECOND), bench.feed.newest_record());
    let mut memory = bench.feed.into_memory();
    memory.crashed(now);
    memory.crashed(now);
    let mut bench = Bench::with(FeedConfig::default(), memory);
    bench.now = now;
    bench.pass(Duration::from_millis(1));
    let line = bench.open();
    bench.accept(line, 1);
    bench.hear(line, "t A 2 1");
    let all = told(&bench, start);
    assert_eq!(all, [("full", 0, 0), ("down", 0, 1_000), ("full", 1_001, 1_001)]);
    let seqs: Vec<u64> = bench.feed.records_after(0).map(|record| record.seq).collect();
    assert_eq!(seqs, (1..=bench.feed.newest_record()).collect::<Vec<_>>());
    assert!(newest < bench.feed.newest_record());
    let order = bench.feed.records_after(0).find(|record| record.kind == "order").unwrap();
    assert_eq!((order.to, &*order.cause), ("recover", "line 0, delayed"));
}

/// When an outage by a crash `after` the last word began by the log, in ms before the crash.
fn crashed(bench: Bench, after: Duration) -> Vec<(&'static str, u64)> {
    let now = bench.now.later(after);
    let mut memory = bench.feed.into_memory();
    memory.crashed(now);
    let down = memory.records_after(0).filter(|record| &*record.cause == "the feed crashed");
    down.map(|record| (record.from, now.mono.since(record.since.unwrap()).as_millis() as u64)).collect()
}

#[test]
fn a_crash_is_an_outage_from_when_the_next_message_was_due_also_of_a_quiet_topic() {
    let mut bench = Bench::new();
    let (who, _outbox) = Bench::reader(1, Overflow::Gap);
    bench.subscribe("toy:trade:A", &who);
    bench.subscribe("toy:trade:B", &who);
    let line = bench.open();
    bench.accept(line, 1);
    bench.hear(line, "t A 1 1");
    // The one is quiet for an hour, while the line that carries both is lively.
    for id in 1..=3_600 {
        bench.hear(line, &format!("t B {id} 1"));
        bench.pass(SECOND);
    }
    let all = crashed(bench, 3 * SECOND);
    assert!(all.len() == 2 && all.iter().all(|(_, ms)| (2_900..=3_100).contains(ms)), "{all:?}");
    // What is polled is due when it is polled next.
    let (mut bench, fetch, _who, _outbox) = fallen();
    bench.give(fetch, [4]);
    let mut next = 5;
    for _ in 0..40 {
        bench.pass(SECOND);
        for (id, _) in turn(&mut bench, true) {
            bench.give(id, [next]);
            next += 1;
        }
    }
    let heard = bench.feed.status(bench.now).topics[0].last_message;
    let every = FeedConfig::default().timing.poll_every;
    let unheard = heard.map(|at| Duration::from_nanos((bench.now.unix.0 - at.0) as u64)).unwrap();
    let all = crashed(bench, 10 * SECOND);
    assert_eq!(all, [("any", (unheard + 10 * SECOND).saturating_sub(every).as_millis() as u64)]);
}

#[test]
fn however_many_records_one_input_makes_whoever_takes_them_gets_all() {
    let mut config = FeedConfig::default();
    config.limits.events = 2;
    let mut bench = Bench::with(config.clone(), Memory::default());
    bench.feed.took_records(0);
    let (who, _outbox) = Bench::reader(1, Overflow::Gap);
    let topics = ["A", "B", "C", "D"];
    for topic in topics {
        bench.subscribe(&format!("toy:trade:{topic}"), &who);
    }
    let line = bench.open();
    bench.accept(line, 1);
    topics.iter().for_each(|topic| bench.hear(line, &format!("t {topic} 1 1")));
    let all = bench.feed.newest_record();
    assert_eq!(bench.feed.records_after(0).count() as u64, all, "all wait");
    bench.feed.took_records(all);
    assert_eq!(bench.feed.records_after(0).count(), 2, "what was taken is not kept for ever");
    bench.cut(line);
    let new: Vec<u64> = bench.feed.records_after(all).map(|record| record.seq).collect();
    assert_eq!(new, (all + 1..=bench.feed.newest_record()).collect::<Vec<_>>(), "without a hole");
    let down = bench.feed.records_after(all).filter(|record| (record.kind, record.to) == (KIND, "down"));
    assert_eq!(down.count(), topics.len(), "each with its outage");
    let (now, newest) = (bench.now, bench.feed.newest_record());
    let mut memory = bench.feed.into_memory();
    memory.crashed(now);
    let mut bench = Bench::with(config, memory);
    bench.now = now;
    bench.pass(SECOND);
    let seqs: Vec<u64> = bench.feed.records_after(all).map(|record| record.seq).collect();
    assert_eq!(seqs, (all + 1..=bench.feed.newest_record()).collect::<Vec<_>>(), "nor over a crash");
    assert!(bench.feed.newest_record() > newest);
}
