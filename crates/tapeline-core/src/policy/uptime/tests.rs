//! What the figures must be for outages whose truth is known.

use proptest::prelude::*;

use super::*;

const START: Mono = Mono(50_000_000_000);

fn secs(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn at(seconds: f64) -> Mono {
    START + secs(seconds)
}

/// A log with these transitions of entities: noticed, whose, to, since.
fn log(bound: usize, transitions: &[(f64, &str, State, f64)]) -> Log {
    let mut log = Log::new(START, bound);
    for (noticed, entity, to, since) in transitions {
        let before = log.ring.iter().rev().find(|before| &*before.entity == *entity);
        let from = before.map_or(State::None, |before| before.to);
        log.append(at(*noticed), entity, (from, *to), at(*since), "");
    }
    log
}

use State::{Any, Down, Full};

/// One topic, one outage that polling bridged: due at 101 s, noticed at 103, polled from 108, live from 131.
const BRIDGED: &[(f64, &str, State, f64)] =
    &[(0.0, "a", Full, 0.0), (103.0, "a", Down, 101.0), (108.0, "a", Any, 108.0), (131.0, "a", Full, 131.0)];

#[test]
fn an_outage_begins_when_data_was_due_and_ends_with_the_first_good_message() {
    let report = log(9, BRIDGED).report(at(600.0), None);
    let full = &report.full;
    assert_eq!((full.observed_s, full.down_s, full.failures, full.repaired), (600.0, 30.0, 1, 1));
    assert_eq!((full.mttr_s, full.mttf_s, full.mtbf_s), (Some(30.0), Some(570.0), Some(600.0)));
    assert_eq!((full.ttd.p50_s, full.ttd.max_s), (Some(2.0), Some(2.0)));
    assert_eq!(full.availability, Some(0.95));
    let any = &report.any;
    assert_eq!((any.down_s, any.failures, any.mttr_s), (7.0, 1, Some(7.0)));
}

#[test]
fn without_a_failure_the_means_are_null() {
    let report = log(9, &[(0.0, "a", Full, 0.0)]).report(at(60.0), None);
    let json = serde_json::to_value(&report).unwrap();
    for name in ["mttr_s", "mttf_s", "mtbf_s"] {
        assert!(json["full"][name].is_null(), "{name}");
    }
    assert_eq!((report.full.availability, report.full.failures), (Some(1.0), 0));
    assert!(json["full"]["ttr"]["p50_s"].is_null() && json["window_s"].is_null());
    let nothing = log(9, &[]).report(at(60.0), None);
    assert_eq!((nothing.full.availability, nothing.full.observed_s), (None, 0.0));
}

#[test]
fn an_outage_that_lasts_counts_as_a_failure_but_not_as_a_repair() {
    let report = log(9, &BRIDGED[..2]).report(at(201.0), None);
    assert_eq!((report.full.failures, report.full.repaired, report.full.down_s), (1, 0, 100.0));
    assert_eq!(report.full.mttr_s, None);
}

#[test]
fn what_is_no_longer_wanted_is_neither_down_nor_repaired() {
    let mut transitions = BRIDGED[..2].to_vec();
    transitions.push((111.0, "a", State::None, 111.0));
    let report = log(9, &transitions).report(at(600.0), None);
    let full = report.full;
    assert_eq!((full.observed_s, full.down_s, full.failures, full.repaired), (111.0, 10.0, 1, 0));
}

#[test]
fn topics_weigh_by_the_time_they_were_wanted() {
    let mut transitions = BRIDGED.to_vec();
    transitions.push((400.0, "b", Full, 400.0));
    let full = log(9, &transitions).report(at(600.0), None).full;
    assert_eq!((full.observed_s, full.down_s, full.mtbf_s), (800.0, 30.0, Some(800.0)));
}

#[test]
fn a_window_counts_its_own_part_of_an_outage_and_its_whole_repair() {
    let log = log(9, BRIDGED);
    let minute = log.report(at(151.0), Some(secs(60.0))).full;
    assert_eq!((minute.observed_s, minute.down_s, minute.failures), (60.0, 30.0, 1));
    let later = log.report(at(171.0), Some(secs(60.0))).full;
    assert_eq!((later.down_s, later.failures, later.mttr_s), (20.0, 1, Some(30.0)));
    let after = log.report(at(191.0), Some(secs(60.0))).full;
    assert_eq!((after.down_s, after.failures, after.mttr_s), (0.0, 0, None));
}

#[test]
fn a_flicker_of_no_length_is_no_outage() {
    let flicker = [(0.0, "a", Full, 0.0), (5.0, "a", Down, 5.0), (5.1, "a", Full, 5.0)];
    assert_eq!(log(9, &flicker).report(at(10.0), None).full.failures, 0);
}

#[test]
fn times_that_go_backwards_are_brought_into_order() {
    let odd =
        [(0.0, "a", Full, 0.0), (20.0, "a", Down, 10.0), (30.0, "a", Full, 5.0), (25.0, "a", Down, 99.0)];
    let log = log(9, &odd);
    assert_eq!(log.after(3).map(|last| (last.at, last.since)).collect::<Vec<_>>(), [(at(30.0), at(30.0))]);
    let full = log.report(at(40.0), None).full;
    assert_eq!((full.observed_s, full.down_s, full.failures), (40.0, 10.0, 1));
}

#[test]
fn percentiles_are_those_of_the_nearest_rank() {
    let outages = (1..=100).flat_map(|n| {
        let start = f64::from(n) * 1_000.0;
        [(start, "a", Down, start), (start + f64::from(n), "a", Full, start + f64::from(n))]
    });
    let transitions: Vec<_> = std::iter::once((0.0, "a", Full, 0.0)).chain(outages).collect();
    let ttr = log(999, &transitions).report(at(200_000.0), None).full.ttr;
    assert_eq!(ttr, Spread { n: 100, p50_s: Some(50.0), p95_s: Some(95.0), max_s: Some(100.0) });
}

#[test]
fn a_line_of_the_log_reads_back_as_what_it_was() {
    let log = log(9, BRIDGED);
    let line = log.ring[1].to_line();
    assert_eq!(
        line,
        r#"{"seq":2,"mono_us":153000000,"entity":"a","kind":"service","from":"full","to":"down","since_us":151000000,"cause":""}"#
    );
    assert_eq!(Transition::from_line(&line).as_ref(), Some(&log.ring[1]));
    for other in ["", "{}", "[]", &line.replace("service", "line"), &line[..40], &line.replace("153", "-1")] {
        assert_eq!(Transition::from_line(other), None, "{other}");
    }
}

#[test]
fn the_log_stays_bounded_and_its_totals_whole() {
    let mut log = Log::new(START, 16);
    log.append(at(0.0), "a", (State::None, Full), at(0.0), "");
    for n in 0..1_000 {
        let start = 10.0 + f64::from(n) * 10.0;
        log.append(at(start + 1.0), "a", (Full, Down), at(start), "");
        log.append(at(start + 2.0), "a", (Down, Full), at(start + 2.0), "");
    }
    assert_eq!((log.ring.len(), log.after(0).count(), log.after(2_000).count()), (16, 16, 1));
    let now = at(10_010.0);
    let whole = log.report(now, None);
    assert_eq!((whole.full.failures, whole.full.down_s, whole.full.mttr_s), (1_000, 2_000.0, Some(2.0)));
    assert_eq!(whole.covered_s, 10_010.0);
    let day = log.report(now, Some(WINDOWS[2]));
    assert!(day.covered_s < 100.0 && day.full.observed_s == day.covered_s, "{day:?}");
    assert_eq!(log.reports(now).len(), 4);
}

#[test]
fn more_entities_than_there_is_room_for_are_told() {
    let mut meter = Meter::new(START);
    let mut log = Log::new(START, 1);
    for n in 0..meter::ENTITIES + 3 {
        meter.feed(log.append(at(0.0), &n.to_string(), (State::None, Full), at(0.0), ""));
    }
    assert_eq!(meter.close(at(1.0)).uncounted, 3);
}

/// Histories of a few entities: (who, wait in ms, to, backdating in ms).
fn histories() -> impl Strategy<Value = Vec<(u8, u16, State, u16)>> {
    let state = prop_oneof![4 => Just(Full), 2 => Just(Any), 3 => Just(Down), 1 => Just(State::None)];
    proptest::collection::vec((0u8..4, 0u16..1_000, state, 0u16..2_000), 0..40)
}

fn played(histories: &[(u8, u16, State, u16)], bound: usize) -> (Log, Vec<Transition>, u64) {
    let (mut log, mut all, mut now, mut states) =
        (Log::new(START, bound), Vec::new(), 0_u64, [State::None; 4]);
    for (who, wait, to, back) in histories {
        now += u64::from(*wait);
        let from = std::mem::replace(&mut states[usize::from(*who)], *to);
        let since = now.saturating_sub(u64::from(*back));
        let (at, since) = [now, since].map(|ms| START + Duration::from_millis(ms)).into();
        all.push(log.append(at, &who.to_string(), (from, *to), since, "").clone());
    }
    (log, all, now)
}

/// Full service at every millisecond of `from..to`, looked up one by one: (counted, down, outages).
fn by_the_millisecond(all: &[Transition], from: u64, to: u64, service: Service) -> (u64, u64, u64) {
    let (mut counted, mut down, mut outages) = (0, 0, 0);
    for who in 0..4 {
        let who = who.to_string();
        // Where each state really begins.
        let mut begins: Vec<(u64, State)> = Vec::new();
        for record in all.iter().filter(|record| *record.entity == *who) {
            let ms = |mono: Mono| mono.since(START).as_millis() as u64;
            let since = match begins.last() {
                Some((last, state)) if *state != State::None => ms(record.since).max(*last),
                _ => ms(record.at),
            };
            begins.push((since, record.to));
        }
        let mut was_down = false;
        for ms in 0..to {
            let state =
                begins.iter().rev().find(|(since, _)| *since <= ms).map_or(State::None, |(_, state)| *state);
            let is_down = state != State::None && !service.is_kept(state);
            if ms >= from {
                counted += u64::from(state != State::None);
                down += u64::from(is_down);
                // One that was running when the stretch began counts as well.
                outages += u64::from(is_down && (!was_down || ms == from));
            }
            was_down = is_down;
        }
    }
    (counted, down, outages)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Times and outages are those that looking at every millisecond finds.
    #[test]
    fn sums_are_those_of_every_millisecond(histories in histories(), cut in 0.0..1.0_f64) {
        let (_, all, end) = played(&histories, 8);
        let from = (end as f64 * cut) as u64;
        let mono = |ms| START + Duration::from_millis(ms);
        let report = figures(&all, mono(from), mono(end));
        for (service, figures) in Service::ALL.into_iter().zip([&report.full, &report.any]) {
            let (counted, down, outages) = by_the_millisecond(&all, from, end, service);
            prop_assert!((figures.observed_s - counted as f64 / 1e3).abs() < 1e-6, "{figures:?} {counted}");
            prop_assert!((figures.down_s - down as f64 / 1e3).abs() < 1e-6, "{figures:?} {down}");
            // Two outages that touch without a millisecond between look like one.
            prop_assert!(figures.failures >= outages && figures.repaired <= figures.failures);
        }
    }

    /// A = MTTF / MTBF, always; and who is fully served is served.
    #[test]
    fn the_figures_agree_with_one_another(histories in histories()) {
        let (log, _, end) = played(&histories, 8);
        for report in log.reports(START + Duration::from_millis(end + 500)) {
            for figures in [&report.full, &report.any] {
                if let (Some(a), Some(mttf), Some(mtbf)) = (figures.availability, figures.mttf_s, figures.mtbf_s) {
                    prop_assert!((a - mttf / mtbf).abs() < 1e-9);
                }
                prop_assert_eq!(figures.failures == 0, figures.mtbf_s.is_none());
                prop_assert_eq!(figures.failures == 0 , figures.down_s == 0.0);
                prop_assert_eq!(figures.ttd.n, figures.failures);
            }
            prop_assert!(report.any.down_s <= report.full.down_s);
        }
    }

    /// What a bounded log says is what all records say, as far as it says it covers.
    #[test]
    fn a_bounded_log_says_what_the_whole_log_says(histories in histories(), bound in 1usize..20) {
        let (log, all, end) = played(&histories, bound);
        let now = START + Duration::from_millis(end + 500);
        prop_assert_eq!(log.report(now, None).full, figures(&all, START, now).full);
        for window in [secs(2.0), secs(20.0), secs(200.0)] {
            let report = log.report(now, Some(window));
            let whole = figures(&all, now - secs(report.covered_s), now);
            prop_assert!((report.full.down_s - whole.full.down_s).abs() < 1e-6);
            prop_assert!((report.any.observed_s - whole.any.observed_s).abs() < 1e-6);
            prop_assert_eq!(report.full.failures, whole.full.failures);
        }
    }
}
