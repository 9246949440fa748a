//! Which rhythms make which silence suspicious.

use proptest::prelude::*;

use super::*;

const MIN: Duration = Duration::from_secs(2);
const MAX: Duration = Duration::from_secs(60);

fn at(seconds: f64) -> Mono {
    Mono::default() + Duration::from_secs_f64(seconds)
}

/// The silence borne after arrivals every `gap` seconds for `lasting` seconds.
fn regular(gap: f64, lasting: f64) -> Arrivals {
    let mut arrivals = Arrivals::default();
    let count = (lasting / gap) as u32;
    (0..=count).for_each(|n| arrivals.observe(at(f64::from(n) * gap)));
    arrivals
}

#[track_caller]
fn check(arrivals: &Arrivals, expected: std::ops::RangeInclusive<f64>) {
    let silent = arrivals.silent_after(MIN, MAX).as_secs_f64();
    assert!(expected.contains(&silent), "{silent} s is not within {expected:?}");
}

#[test]
fn without_a_rhythm_the_longest_silence_is_borne() {
    check(&Arrivals::default(), 60.0..=60.0);
    let mut one = Arrivals::default();
    one.observe(at(5.0));
    check(&one, 60.0..=60.0);
}

#[test]
fn a_busy_line_is_suspected_early() {
    check(&regular(0.001, 300.0), 2.0..=2.0);
    check(&regular(0.1, 300.0), 2.0..=2.0);
}

#[test]
fn eight_mean_gaps_are_borne() {
    check(&regular(1.0, 600.0), 7.9..=8.3);
    check(&regular(3.0, 600.0), 23.9..=24.3);
}

#[test]
fn the_next_message_is_expected_after_the_mean_gap_without_allowance_for_doubt() {
    let expected = |gap: f64, lasting: f64| regular(gap, lasting).expected(MAX).as_secs_f64();
    for (gap, lasting) in [(0.02, 2.0), (0.02, 90.0), (0.1, 90.0), (1.0, 600.0)] {
        let found = expected(gap, lasting);
        assert!((found - gap).abs() < gap * 0.02, "every {gap} s for {lasting} s: {found} s");
    }
    assert_eq!(Arrivals::default().expected(MAX), Duration::ZERO);
    assert_eq!(regular(300.0, 3_000.0).expected(MAX), MAX);
}

#[test]
fn a_slow_line_is_borne_up_to_the_bound() {
    check(&regular(20.0, 600.0), 60.0..=60.0);
}

#[test]
fn confidence_grows_within_the_first_minute() {
    check(&regular(0.01, 1.0), 25.0..=30.0);
    check(&regular(0.01, 10.0), 3.0..=6.0);
    // A line that is stable is known.
    check(&regular(0.01, 60.0), 2.0..=2.0);
}

#[test]
fn a_burst_does_not_make_a_thin_symbol_look_dead() {
    let mut arrivals = regular(7.0, 600.0);
    let before = arrivals.silent_after(MIN, MAX);
    let last = arrivals.last().unwrap();
    for n in 1..=10_000_u32 {
        arrivals.observe(last + Duration::from_micros(50) * n);
    }
    let after = arrivals.silent_after(MIN, MAX);
    assert!(after.as_secs_f64() > before.as_secs_f64() * 0.98, "{before:?} became {after:?}");
}

#[test]
fn frames_of_one_batch_are_one_arrival() {
    let mut single = Arrivals::default();
    let mut batched = Arrivals::default();
    for n in 0..300 {
        single.observe(at(f64::from(n)));
        (0..50).for_each(|_| batched.observe(at(f64::from(n))));
    }
    assert_eq!(single.silent_after(MIN, MAX), batched.silent_after(MIN, MAX));
}

#[test]
fn a_rhythm_is_forgotten_with_a_half_life_of_a_minute() {
    let mut arrivals = regular(5.0, 3_000.0);
    let start = arrivals.last().unwrap();
    for n in 1..=60_000_u32 {
        arrivals.observe(start + Duration::from_millis(1) * n);
    }
    check(&arrivals, 19.5..=20.5);
}

#[test]
fn an_outage_is_not_the_venues_rhythm() {
    let mut arrivals = regular(0.5, 300.0);
    let before = arrivals.silent_after(MIN, MAX);
    arrivals.resume(at(1_000.0));
    arrivals.observe(at(1_000.5));
    let after = arrivals.silent_after(MIN, MAX);
    assert!(after <= before + Duration::from_millis(10), "{before:?} became {after:?}");
}

#[test]
fn both_ways_to_weigh_a_gap_agree_where_they_meet() {
    let weigh = |gap: f64| {
        let mut arrivals = regular(5.0, 600.0);
        arrivals.observe(arrivals.last().unwrap() + Duration::from_secs_f64(gap));
        arrivals.silent_after(MIN, MAX).as_secs_f64()
    };
    assert!((weigh(0.999_999) - weigh(1.000_001)).abs() < 1e-4);
}

#[test]
fn many_small_gaps_weigh_what_a_plain_sum_says() {
    // The mean of gaps weighted by their length is Σ gap² / Σ gap: here (1 + 81) / 10 ms.
    let mut arrivals = Arrivals::default();
    let mut now = Mono::default();
    for n in 0..200_000_u32 {
        now += Duration::from_millis(if n % 2 == 0 { 1 } else { 9 });
        arrivals.observe(now);
    }
    let silent = arrivals.silent_after(Duration::ZERO, MAX).as_secs_f64();
    let expected = (1.0 + 81.0) / 10.0 * 1e-3 * 8.0;
    assert!((silent / expected - 1.0).abs() < 0.02, "{silent} s, expected {expected} s");
}

#[test]
fn a_pong_may_take_four_times_the_slowest_round_trip() {
    let deadline = |trips: &[u64]| {
        let mut known = RoundTrips::default();
        trips.iter().for_each(|millis| known.observe(Duration::from_millis(*millis)));
        known.deadline(PONG_MIN, Duration::from_secs(10)).as_millis()
    };
    assert_eq!(deadline(&[]), 10_000);
    assert_eq!(deadline(&[1]), 500);
    assert_eq!(deadline(&[125]), 500);
    assert_eq!(deadline(&[200]), 800);
    assert_eq!(deadline(&[200, 600, 100]), 2_400);
    assert_eq!(deadline(&[2_500]), 10_000);
    assert_eq!(deadline(&[60_000]), 10_000);
}

#[test]
fn a_slow_round_trip_is_forgotten_after_32_others() {
    let mut known = RoundTrips::default();
    known.observe(Duration::from_secs(2));
    (0..31).for_each(|_| known.observe(Duration::from_millis(200)));
    assert_eq!(known.slowest(), Some(Duration::from_secs(2)));
    known.observe(Duration::from_millis(200));
    assert_eq!(known.slowest(), Some(Duration::from_millis(200)));
}

proptest! {
    #[test]
    fn silence_borne_stays_within_the_bounds(gaps in prop::collection::vec(0_u64..200_000_000_000, 0..200)) {
        let mut arrivals = Arrivals::default();
        let mut now = Mono::default();
        for gap in gaps {
            now += Duration::from_nanos(gap);
            arrivals.observe(now);
            prop_assert!((MIN..=MAX).contains(&arrivals.silent_after(MIN, MAX)));
        }
    }

    #[test]
    fn a_steady_line_is_never_suspected(gap in 0.000_1..7.0_f64, arrivals in 1_u32..2_000) {
        let known = regular(gap, gap * f64::from(arrivals));
        prop_assert!(known.silent_after(MIN, MAX).as_secs_f64() >= (gap * 7.9).min(60.0));
    }
}

#[test]
fn a_quiet_line_may_pause_for_four_times_its_longest_pause() {
    let minutes = |count: u64| Duration::from_secs(60 * count);
    assert_eq!(Arrivals::default().stillest(), minutes(15));
    assert_eq!(regular(60.0, 600.0).stillest(), minutes(15));
    let mut slow = regular(600.0, 1_200.0);
    assert_eq!(slow.stillest(), minutes(40));
    slow.resume(at(9_000.0));
    slow.observe(at(9_001.0));
    assert_eq!(slow.stillest(), minutes(40), "an outage is no pause");
}

/// A line that sends every `gap` for `seconds`.
fn begun(seconds: u64, gap: Duration) -> Arrivals {
    let mut arrivals = Arrivals::default();
    let (mut now, end) = (Mono(1), Mono(1) + Duration::from_secs(seconds));
    while now < end {
        arrivals.observe(now);
        now += gap;
    }
    arrivals
}

#[test]
fn what_has_just_begun_is_lively_if_it_came_often_enough() {
    let max = Duration::from_secs(60);
    let table = [
        (3, Duration::from_millis(10), true),
        (3, Duration::from_millis(100), false),
        (1, Duration::from_millis(1), false),
        (19, Duration::from_secs(1), false),
        (25, Duration::from_secs(1), true),
    ];
    for (seconds, gap, lively) in table {
        assert_eq!(begun(seconds, gap).is_lively(max), lively, "{seconds} s, one every {gap:?}");
    }
}
