//! What the delays are expected to be, and how often a flapping venue is dialled.

use proptest::prelude::*;

use super::super::recovery::{Step, step};
use super::*;
use crate::rng::Rng;

fn secs(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn at(seconds: f64) -> Mono {
    Mono::default() + secs(seconds)
}

fn with(jitter: Jitter) -> Backoff {
    Backoff { jitter, ..Backoff::default() }
}

#[track_caller]
fn check(backoff: &Backoff, failures: u32, roll: f64, expected: f64) {
    let delay = delay(backoff, failures, roll).as_secs_f64();
    assert!(
        (delay - expected).abs() < 1e-6,
        "after {failures} with roll {roll}: {delay}, expected {expected}"
    );
}

#[test]
fn delays_double_up_to_the_cap() {
    let backoff = with(Jitter::None);
    for (failures, expected) in [(1, 1.0), (2, 2.0), (3, 4.0), (4, 8.0), (5, 16.0), (6, 30.0), (7, 30.0)] {
        check(&backoff, failures, 0.7, expected);
    }
    check(&backoff, 0, 0.7, 1.0);
    check(&backoff, 1_000_000, 0.7, 30.0);
    check(&backoff, u32::MAX, 0.7, 30.0);
}

#[test]
fn spread_jitter_is_even_around_the_nominal_delay() {
    let backoff = Backoff::default();
    check(&backoff, 1, 0.0, 0.9);
    check(&backoff, 1, 0.5, 1.0);
    check(&backoff, 1, 1.0, 1.1);
    check(&backoff, 5, 0.0, 14.4);
    check(&backoff, 5, 1.0, 17.6);
}

#[test]
fn spread_jitter_survives_at_the_cap() {
    let backoff = Backoff::default();
    check(&backoff, 9, 0.0, 30.0 / 1.1 * 0.9);
    check(&backoff, 9, 0.5, 30.0 / 1.1);
    check(&backoff, 9, 1.0, 30.0);
}

#[test]
fn full_jitter_reaches_from_the_least_to_the_nominal_delay() {
    let backoff = with(Jitter::Full);
    check(&backoff, 1, 0.0, 0.1);
    check(&backoff, 1, 0.05, 0.1);
    check(&backoff, 1, 0.5, 0.5);
    check(&backoff, 9, 0.5, 15.0);
    check(&backoff, 9, 1.0, 30.0);
}

#[test]
fn the_cap_is_stronger_than_the_least_delay() {
    let backoff = Backoff { min: secs(50.0), ..Backoff::default() };
    check(&backoff, 1, 0.5, 30.0);
}

#[test]
fn a_first_delay_of_nothing_stays_the_least() {
    let backoff = Backoff { first: Duration::ZERO, ..Backoff::default() };
    check(&backoff, 5_000, 0.5, 0.1);
}

#[test]
fn the_preview_shows_nominal_delays_with_their_true_bounds() {
    let shown: Vec<_> = preview(&Backoff::default(), 7)
        .map(|step| [step.nominal, step.low, step.high].map(|delay| (delay.as_secs_f64() * 1e3).round()))
        .collect();
    assert_eq!(
        shown,
        [
            [1_000.0, 900.0, 1_100.0],
            [2_000.0, 1_800.0, 2_200.0],
            [4_000.0, 3_600.0, 4_400.0],
            [8_000.0, 7_200.0, 8_800.0],
            [16_000.0, 14_400.0, 17_600.0],
            [30_000.0, 24_545.0, 30_000.0],
            [30_000.0, 24_545.0, 30_000.0],
        ]
    );
}

/// Fails `times` times in a row without any service.
fn failed(times: u32, backoff: &Backoff) -> Failures {
    let mut failures = Failures::default();
    for _ in 0..times {
        failures.failed(at(0.0), Fault::Transient, backoff);
    }
    failures
}

#[test]
fn service_forgives_one_failure_per_quarter_minute_and_all_when_stable() {
    let backoff = Backoff::default();
    let mut failures = failed(9, &backoff);
    failures.proven(at(100.0));
    for (now, expected) in
        [(100.0, 9), (114.9, 9), (115.0, 8), (130.0, 7), (145.0, 6), (159.9, 6), (160.0, 0)]
    {
        assert_eq!(failures.count(at(now), &backoff), expected, "at {now} s");
    }
    assert_eq!(failures.stable_at(&backoff), Some(at(160.0)));
}

#[test]
fn an_opened_socket_forgives_nothing() {
    let backoff = Backoff::default();
    let failures = failed(3, &backoff);
    assert_eq!(failures.count(at(1e6), &backoff), 3);
}

#[test]
fn only_the_first_event_of_a_session_starts_its_service() {
    let backoff = Backoff::default();
    let mut failures = failed(2, &backoff);
    failures.proven(at(0.0));
    failures.proven(at(14.0));
    assert_eq!(failures.count(at(15.0), &backoff), 1);
}

#[test]
fn service_of_one_session_does_not_count_for_the_next() {
    let backoff = Backoff::default();
    let mut failures = failed(2, &backoff);
    failures.proven(at(0.0));
    failures.failed(at(14.0), Fault::Transient, &backoff);
    failures.proven(at(20.0));
    assert_eq!(failures.count(at(21.0), &backoff), 3);
}

#[test]
fn a_stable_line_that_is_cut_is_redialled_fast_once() {
    let backoff = with(Jitter::None);
    let mut failures = Failures::default();
    failures.proven(at(0.0));
    failures.failed(at(60.0), Fault::Transient, &backoff);
    assert_eq!(failures.delay(&backoff, 0.5), secs(0.125));
    let mut delays = Vec::new();
    for _ in 0..4 {
        failures.failed(at(61.0), Fault::Transient, &backoff);
        delays.push(failures.delay(&backoff, 0.5).as_secs());
    }
    assert_eq!(delays, [1, 2, 4, 8]);
}

#[test]
fn a_line_that_was_not_stable_is_not_redialled_fast() {
    let backoff = with(Jitter::None);
    let mut failures = Failures::default();
    failures.proven(at(0.0));
    failures.failed(at(59.9), Fault::Transient, &backoff);
    assert_eq!(failures.delay(&backoff, 0.5), secs(1.0));
}

#[test]
fn the_fast_retry_can_be_turned_off() {
    let backoff = Backoff { fast_retry: Duration::ZERO, ..with(Jitter::None) };
    let mut failures = Failures::default();
    failures.proven(at(0.0));
    failures.failed(at(60.0), Fault::Transient, &backoff);
    assert_eq!(failures.delay(&backoff, 0.5), secs(1.0));
    failures.failed(at(60.0), Fault::Transient, &backoff);
    assert_eq!(failures.delay(&backoff, 0.5), secs(2.0));
}

#[test]
fn our_own_network_gets_no_fast_retry() {
    let backoff = with(Jitter::None);
    let mut failures = Failures::default();
    failures.proven(at(0.0));
    failures.failed(at(600.0), Fault::Local, &backoff);
    assert_eq!(failures.delay(&backoff, 0.5), secs(1.0));
}

#[test]
fn capped_attempts_are_used_up() {
    let backoff = Backoff { attempts: Some(3), ..Backoff::default() };
    assert!(!failed(2, &backoff).is_exhausted(&backoff));
    assert!(failed(3, &backoff).is_exhausted(&backoff));
    assert!(!failed(1_000, &Backoff::default()).is_exhausted(&Backoff::default()));
}

#[test]
fn an_operator_forgives_everything() {
    let backoff = with(Jitter::None);
    let mut failures = failed(9, &backoff);
    failures.failed(at(0.0), Fault::Authentication, &backoff);
    failures.reset();
    assert_eq!((failures.count(at(0.0), &backoff), failures.refusals()), (0, 0));
    assert_eq!(failures.delay(&backoff, 0.5), secs(1.0));
    failures.proven(at(0.0));
    failures.failed(at(60.0), Fault::Transient, &backoff);
    failures.reset();
    assert!(!failures.is_spared());
}

#[test]
fn service_proves_that_the_keys_are_accepted() {
    let backoff = Backoff::default();
    let mut failures = Failures::default();
    failures.failed(at(0.0), Fault::Authentication, &backoff);
    failures.failed(at(0.0), Fault::Authentication, &backoff);
    assert_eq!(failures.refusals(), 2);
    failures.proven(at(1.0));
    assert_eq!(failures.refusals(), 0);
}

/// One way a venue ends sessions.
#[derive(Debug, Clone, Copy)]
struct Session {
    /// How long its service lasts after the first event; `None` = no event ever comes.
    served: Option<f64>,
    /// How it ends.
    fault: Fault,
}

/// The most dials in any 300 s of one hour against a venue that ends every session. Dials, logins and
/// the first event take no time, which is the worst case.
fn dials(backoff: &Backoff, seed: u64, mut next: impl FnMut(&mut Rng) -> Session) -> usize {
    let mut rng = Rng::new(seed);
    let mut failures = Failures::default();
    let mut now = at(0.0);
    let mut dials = Vec::new();
    while now < at(3_600.0) {
        dials.push(now);
        let session = next(&mut rng);
        if let Some(served) = session.served {
            failures.proven(now);
            now += secs(served);
        }
        failures.failed(now, session.fault, backoff);
        match step(session.fault, Some(1001), &failures, backoff, rng.roll()) {
            Step::RetryAfter(delay) | Step::NextEndpoint(delay) | Step::Hold(delay) => now += delay,
            Step::RefreshKeys | Step::Halt => break,
        }
    }
    let window =
        |first: &Mono| dials.iter().filter(|dial| *first <= **dial && **dial < *first + secs(300.0)).count();
    dials.iter().map(window).max().unwrap_or(0)
}

const ENDS: [Fault; 3] = [Fault::Transient, Fault::Server, Fault::Planned];

#[test]
fn a_venue_that_cuts_regularly_is_dialled_at_most_25_times_in_5_minutes() {
    let backoff = Backoff::default();
    let mut worst = (0, 0);
    for fault in ENDS {
        for tenth in 0..1_300 {
            let served = f64::from(tenth) / 10.0;
            let most = dials(&backoff, 1, |_| Session { served: Some(served), fault });
            worst = worst.max((most, tenth));
        }
        worst = worst.max((dials(&backoff, 1, |_| Session { served: None, fault }), -1));
    }
    assert!(worst.0 <= 25, "{} dials with sessions of {} tenths of a second", worst.0, worst.1);
}

#[test]
fn full_jitter_stays_far_below_half_of_what_binance_allows() {
    let backoff = with(Jitter::Full);
    let mut worst = 0;
    for seed in 0..50 {
        for served in [0.0, 1.0, 5.0, 14.0, 15.0, 16.0, 20.0, 30.0, 45.0, 60.0] {
            worst = worst
                .max(dials(&backoff, seed, |_| Session { served: Some(served), fault: Fault::Transient }));
        }
    }
    // Half its delays are short, so it dials more often than the 25 of spread jitter; the limit is 300.
    assert!(worst <= 40, "{worst} dials");
}

proptest! {
    #[test]
    fn delays_stay_within_their_bounds(
        first in 0_u64..100_000, factor: f64, max in 0_u64..100_000, min in 0_u64..100_000, share: f64,
        which in 0..3, failures: u32, roll: f64,
    ) {
        let jitter = [Jitter::None, Jitter::Spread(share), Jitter::Full][which as usize];
        let backoff = Backoff {
            first: Duration::from_millis(first),
            factor,
            max: Duration::from_millis(max),
            min: Duration::from_millis(min),
            jitter,
            ..Backoff::default()
        };
        let delay = delay(&backoff, failures, roll);
        prop_assert!(delay <= backoff.max);
        prop_assert!(delay >= backoff.min.min(backoff.max));
    }

    #[test]
    fn a_later_failure_never_waits_less(failures in 0_u32..100, roll in 0.0..1.0) {
        for jitter in [Jitter::None, Jitter::Spread(0.1), Jitter::Full] {
            let backoff = with(jitter);
            prop_assert!(delay(&backoff, failures + 1, roll) >= delay(&backoff, failures, roll));
        }
    }

    #[test]
    fn a_flapping_venue_is_dialled_at_most_25_times_in_5_minutes(
        seed: u64, shortest in 0.0..70.0, longest in 0.0..70.0, silent in 0.0..1.0,
    ) {
        let most = dials(&Backoff::default(), seed, |rng| Session {
            served: (rng.roll() >= silent).then(|| shortest + (longest - shortest) * rng.roll()),
            fault: ENDS[(rng.roll() * 3.0) as usize],
        });
        prop_assert!(most <= 25, "{most} dials");
    }
}

#[test]
fn the_time_between_two_sessions_is_no_service() {
    let backoff = with(Jitter::None);
    let mut failures = Failures::default();
    (0..4).for_each(|_| failures.failed(at(0.0), Fault::Transient, &backoff));
    failures.proven(at(10.0));
    failures.interrupted(at(30.0), &backoff);
    assert_eq!(failures.count(at(1_000.0), &backoff), 3, "20 s made one good");
    failures.proven(at(1_000.0));
    failures.failed(at(1_001.0), Fault::Transient, &backoff);
    assert_eq!((failures.count(at(1_001.0), &backoff), failures.is_spared()), (4, false));
}
