//! Where the levels are expected to begin, and when a better one is shown.

use proptest::prelude::*;

use super::Level::{Critical, Degraded, Healthy, Unhealthy, Warning};
use super::*;

fn at(seconds: f64) -> Mono {
    Mono::default() + Duration::from_secs_f64(seconds)
}

#[track_caller]
fn check(sample: &Sample, expected: Level) {
    assert_eq!(level(sample, &Rules::default(), at(1_000.0)), expected, "{sample:?}");
}

#[test]
fn nothing_known_is_healthy() {
    check(&Sample::default(), Healthy);
    assert_eq!(reasons(&Sample::default(), &Rules::default(), at(0.0)), []);
}

#[test]
fn silence_is_judged_by_its_contract() {
    for (millis, expected) in [
        (0, Healthy),
        (2_000, Healthy),
        (2_001, Warning),
        (4_000, Warning),
        (4_001, Degraded),
        (8_000, Degraded),
        (8_001, Unhealthy),
        (20_000, Unhealthy),
        (20_001, Critical),
        (u64::MAX, Critical),
    ] {
        let silence = Silence { lasted: Duration::from_millis(millis), contract: Duration::from_secs(4) };
        check(&Sample { silence: Some(silence), ..Sample::default() }, expected);
    }
}

#[test]
fn a_halted_line_is_critical() {
    check(&Sample { halted: true, ..Sample::default() }, Critical);
}

#[test]
fn what_no_line_carries_is_degraded() {
    check(&Sample { down: true, ..Sample::default() }, Degraded);
}

#[test]
fn the_whole_is_judged_by_the_share_that_is_unhealthy() {
    let parts = |bad: usize, level: Level, good: usize| of_parts([(bad, level), (good, Healthy)]);
    for (bad, level, good, expected) in [
        (0, Healthy, 100, Healthy),
        (1, Warning, 99, Warning),
        (100, Degraded, 0, Warning),
        (4, Critical, 96, Warning),
        (5, Unhealthy, 95, Degraded),
        (19, Unhealthy, 81, Degraded),
        (20, Unhealthy, 80, Unhealthy),
        (49, Critical, 51, Unhealthy),
        (50, Unhealthy, 50, Critical),
        // Nobody reads anything: every part counts as one.
        (0, Critical, 0, Critical),
        // Nobody reads what is bad.
        (0, Critical, 7, Healthy),
    ] {
        assert_eq!(parts(bad, level, good), expected, "{bad} of {} are {level:?}", bad + good);
    }
    assert_eq!(of_parts([]), Healthy);
}

#[test]
fn everything_is_as_well_as_what_is_read_unless_a_venue_is_down() {
    let (read, bad) = ([(99, Healthy), (1, Critical)], [Healthy, Critical]);
    assert_eq!(of_all(read, bad, false), Warning);
    assert_eq!(of_all(read, bad, true), Critical);
    assert_eq!(of_all([(1, Healthy)], bad, false), Warning, "what no topic shows");
    assert_eq!(of_all([(1, Critical)], [Healthy], false), Critical);
    assert_eq!(of_all([], [], false), Healthy);
}

#[test]
fn undecodable_frames_are_judged_by_their_share() {
    for (undecodable, frames, expected) in [
        (0, 10_000, Healthy),
        (9, 10_000, Healthy),
        (10, 10_000, Warning),
        (99, 10_000, Warning),
        (100, 10_000, Degraded),
        (500, 10_000, Unhealthy),
        (5_000, 10_000, Critical),
        (99, 99, Healthy),
        (1, 100, Degraded),
        (100, 100, Critical),
        (0, 0, Healthy),
        (u64::MAX, u64::MAX, Critical),
    ] {
        check(&Sample { undecodable, frames, ..Sample::default() }, expected);
    }
}

#[test]
fn a_book_that_was_right_gets_worse_with_time_and_one_that_never_was_is_degraded_at_worst() {
    for (seconds, stale, syncing) in [
        (0, Warning, Healthy),
        (4, Warning, Healthy),
        (5, Degraded, Degraded),
        (30, Unhealthy, Degraded),
        (300, Critical, Degraded),
    ] {
        for (stale, expected) in [(true, stale), (false, syncing)] {
            let book = Some(Unready { lasted: Duration::from_secs(seconds), stale });
            check(&Sample { book, ..Sample::default() }, expected);
        }
    }
}

#[test]
fn gaps_and_reconnects_are_counted() {
    for (gaps, expected) in [
        (0, Healthy),
        (1, Warning),
        (2, Warning),
        (3, Degraded),
        (10, Unhealthy),
        (49, Unhealthy),
        (50, Critical),
    ] {
        check(&Sample { gaps, ..Sample::default() }, expected);
    }
    for (reconnects, expected) in
        [(1, Healthy), (2, Warning), (5, Degraded), (9, Degraded), (10, Unhealthy), (20, Critical)]
    {
        check(&Sample { reconnects, ..Sample::default() }, expected);
    }
}

#[test]
fn breakers_are_judged_together() {
    let open = |since| (State::Open, Some(at(since)));
    let probing = (State::HalfOpen, Some(at(900.0)));
    let closed = (State::Closed, None);
    for (breakers, expected) in [
        (vec![], Healthy),
        (vec![closed, closed], Healthy),
        (vec![(State::Disabled, None)], Healthy),
        (vec![probing, closed], Warning),
        (vec![probing], Warning),
        (vec![open(0.0), closed], Degraded),
        (vec![open(900.0), probing], Degraded),
        (vec![open(900.0)], Unhealthy),
        (vec![(State::ForcedOpen, Some(at(900.0)))], Unhealthy),
        (vec![open(0.0), open(900.0)], Unhealthy),
        (vec![open(700.0), open(0.0)], Unhealthy),
        (vec![open(699.9), open(0.0)], Critical),
    ] {
        check(&Sample { breakers: Breakers::count(breakers.clone()), ..Sample::default() }, expected);
    }
}

#[test]
fn breakers_are_counted_by_what_they_do() {
    let count = |breakers: &[(State, f64)]| {
        Breakers::count(breakers.iter().map(|(state, since)| (*state, (*since > 0.0).then(|| at(*since)))))
    };
    let states = [(State::Open, 5.0), (State::ForcedOpen, 9.0), (State::HalfOpen, 7.0)];
    let expected = Breakers { all: 3, open: 2, half_open: 1, none_closed_since: Some(at(9.0)) };
    assert_eq!(count(&states), expected);
    assert_eq!(count(&[(State::Open, 5.0), (State::Closed, 0.0)]).none_closed_since, None);
    assert_eq!(count(&[(State::Open, 5.0), (State::Disabled, 0.0)]).none_closed_since, None);
    assert_eq!(count(&[]), Breakers::default());
}

#[test]
fn the_worst_dimension_decides_and_all_are_named() {
    let sample = Sample { gaps: 3, reconnects: 2, undecodable: 60, frames: 100, ..Sample::default() };
    check(&sample, Critical);
    let told: Vec<_> = reasons(&sample, &Rules::default(), at(0.0))
        .into_iter()
        .map(|reason| (reason.dimension, reason.level, reason.detail))
        .collect();
    assert_eq!(
        told,
        [
            (Dimension::Undecodable, Critical, "60 of 100 frames in 60 s could not be decoded".into()),
            (Dimension::Gaps, Degraded, "gaps not filled in 5 min: 3".into()),
            (Dimension::Reconnects, Warning, "reconnects in 10 min: 2".into()),
        ]
    );
}

/// Feeds raw levels at seconds into a filter that starts healthy; what it shows after each.
#[track_caller]
fn shown(raw: &[(f64, Level)], expected: &[Level]) {
    let mut filter = LevelFilter::new(Healthy, at(0.0));
    let seen: Vec<_> = raw
        .iter()
        .map(|(now, raw)| {
            filter.update(at(*now), *raw, &Rules::default());
            filter.level()
        })
        .collect();
    assert_eq!(seen, expected, "{raw:?}");
}

#[test]
fn worsening_is_shown_at_once() {
    shown(&[(1.0, Warning), (2.0, Critical)], &[Warning, Critical]);
}

#[test]
fn improvement_goes_one_level_at_a_time_after_a_hold() {
    shown(
        &[
            (0.0, Critical),
            (1.0, Healthy),
            (30.9, Healthy),
            (31.0, Healthy),
            (61.0, Healthy),
            (91.0, Healthy),
            (100.9, Healthy),
            (101.0, Healthy),
        ],
        &[Critical, Critical, Critical, Unhealthy, Degraded, Warning, Warning, Healthy],
    );
}

#[test]
fn improvement_stops_at_the_raw_level() {
    shown(&[(0.0, Critical), (1.0, Degraded), (1_000.0, Degraded)], &[Critical, Critical, Degraded]);
}

#[test]
fn a_relapse_starts_the_hold_anew() {
    shown(
        &[
            (0.0, Degraded),
            (1.0, Healthy),
            (30.0, Degraded),
            (31.0, Healthy),
            (60.9, Healthy),
            (61.0, Healthy),
        ],
        &[Degraded, Degraded, Degraded, Degraded, Degraded, Warning],
    );
}

#[test]
fn a_milder_relapse_does_not_start_it_anew() {
    shown(
        &[(0.0, Critical), (1.0, Healthy), (20.0, Degraded), (31.0, Degraded)],
        &[Critical, Critical, Critical, Unhealthy],
    );
}

#[test]
fn a_filter_says_when_it_wants_to_be_asked() {
    let rules = Rules::default();
    let mut filter = LevelFilter::new(Healthy, at(0.0));
    assert_eq!(filter.deadline(&rules), None);
    assert!(filter.update(at(1.0), Degraded, &rules));
    assert_eq!((filter.deadline(&rules), filter.since()), (None, at(1.0)));
    assert!(!filter.update(at(5.0), Healthy, &rules));
    assert_eq!(filter.deadline(&rules), Some(at(35.0)));
    assert!(filter.update(at(35.0), Healthy, &rules));
    assert_eq!((filter.deadline(&rules), filter.since()), (Some(at(45.0)), at(35.0)));
    assert!(filter.update(at(45.0), Healthy, &rules));
    assert_eq!((filter.deadline(&rules), filter.level()), (None, Healthy));
}

fn any_level() -> impl Strategy<Value = Level> {
    prop::sample::select(vec![Healthy, Warning, Degraded, Unhealthy, Critical])
}

proptest! {
    #[test]
    fn the_shown_level_is_never_better_than_the_raw_one(
        raw in prop::collection::vec((0_u64..60_000, any_level()), 1..100),
    ) {
        let mut filter = LevelFilter::new(Healthy, at(0.0));
        let mut now = at(0.0);
        for (gap, raw) in raw {
            now += Duration::from_millis(gap);
            let before = filter;
            let changed = filter.update(now, raw, &Rules::default());
            prop_assert!(filter.level() >= raw);
            prop_assert_eq!(changed, filter.level() != before.level());
            prop_assert!(filter.since() <= now);
            prop_assert!(raw == filter.level() || filter.deadline(&Rules::default()).is_some_and(|due| due > now));
        }
    }

    #[test]
    fn what_is_shown_does_not_depend_on_how_often_it_is_asked(
        raw in prop::collection::vec((1_u64..60, any_level()), 1..30),
    ) {
        let rules = Rules::default();
        let (mut seldom, mut often) = (LevelFilter::new(Healthy, at(0.0)), LevelFilter::new(Healthy, at(0.0)));
        let mut now = at(0.0);
        let mut held = Healthy;
        for (gap, raw) in raw {
            for _ in 0..gap {
                often.update(now, held, &rules);
                now += Duration::from_secs(1);
            }
            // The raw level held until this moment, then changed.
            seldom.update(now, held, &rules);
            often.update(now, held, &rules);
            seldom.update(now, raw, &rules);
            often.update(now, raw, &rules);
            prop_assert_eq!(seldom, often);
            held = raw;
        }
    }
}
