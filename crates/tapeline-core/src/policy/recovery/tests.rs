//! What is expected to follow from each class.

use proptest::prelude::*;

use super::super::backoff::Jitter;
use super::*;
use crate::time::Mono;

fn exact() -> Backoff {
    Backoff { jitter: Jitter::None, ..Backoff::default() }
}

fn secs(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// The steps after `times` failures of one kind in a row, none of them ever in service.
fn steps(fault: Fault, code: Option<u16>, times: usize, roll: f64) -> Vec<Step> {
    let backoff = exact();
    let mut failures = Failures::default();
    let mut next = || {
        failures.failed(Mono::default(), fault, &backoff);
        step(fault, code, &failures, &backoff, roll)
    };
    (0..times).map(|_| next()).collect()
}

/// The step after the end of a line that was stable.
fn after_stable(fault: Fault, code: Option<u16>, roll: f64) -> Step {
    let backoff = exact();
    let mut failures = Failures::default();
    failures.proven(Mono::default());
    failures.failed(Mono::default() + secs(60.0), fault, &backoff);
    step(fault, code, &failures, &backoff, roll)
}

const fn limited(seconds: Option<u64>, banned: bool) -> Fault {
    let retry_after = match seconds {
        Some(seconds) => Some(Duration::from_secs(seconds)),
        None => None,
    };
    Fault::RateLimited { retry_after, banned }
}

#[test]
fn every_class_has_its_recovery() {
    for (fault, expected) in [
        (Fault::Transient, Recovery::Progressive),
        (Fault::Local, Recovery::Progressive),
        (Fault::Server, Recovery::Progressive),
        (Fault::Planned, Recovery::Immediate),
        (limited(None, false), Recovery::Delayed),
        (limited(Some(5), true), Recovery::Delayed),
        (Fault::Authentication, Recovery::Manual),
        (Fault::Configuration, Recovery::Manual),
    ] {
        assert_eq!(fault.recovery(), expected, "{fault:?}");
    }
}

#[test]
fn transient_and_local_faults_are_retried_with_growing_delays() {
    for fault in [Fault::Transient, Fault::Local] {
        let expected = [1.0, 2.0, 4.0].map(|delay| Step::RetryAfter(secs(delay)));
        assert_eq!(steps(fault, None, 3, 0.5), expected, "{fault:?}");
    }
}

#[test]
fn a_broken_server_sends_us_to_the_next_endpoint() {
    assert_eq!(steps(Fault::Server, None, 2, 0.5), [1.0, 2.0].map(|delay| Step::NextEndpoint(secs(delay))));
    assert_eq!(after_stable(Fault::Server, None, 0.5), Step::NextEndpoint(secs(0.125)));
}

#[test]
fn a_planned_end_is_followed_at_once() {
    assert_eq!(after_stable(Fault::Planned, Some(1001), 0.0), Step::RetryAfter(secs(0.0)));
    assert_eq!(after_stable(Fault::Planned, Some(1001), 0.5), Step::RetryAfter(secs(0.5)));
    assert_eq!(after_stable(Fault::Planned, None, 1.0), Step::RetryAfter(secs(1.0)));
}

#[test]
fn a_restarting_service_is_given_time() {
    assert_eq!(after_stable(Fault::Planned, Some(1012), 0.0), Step::RetryAfter(secs(5.0)));
    assert_eq!(after_stable(Fault::Planned, Some(1012), 1.0), Step::RetryAfter(secs(30.0)));
}

#[test]
fn goodbyes_in_a_row_are_not_believed() {
    let expected = [1.0, 2.0, 4.0, 8.0, 16.0, 30.0].map(|delay| Step::RetryAfter(secs(delay)));
    assert_eq!(steps(Fault::Planned, Some(1001), 6, 0.5), expected);
}

#[test]
fn a_rate_limit_holds_as_long_as_was_asked_and_a_little_longer() {
    for (fault, roll, expected) in [
        (limited(Some(35), false), 0.0, 35.0),
        (limited(Some(35), false), 1.0, 38.5),
        (limited(Some(0), false), 0.0, 1.0),
        (limited(None, false), 0.0, 60.0),
        (limited(None, true), 0.0, 120.0),
        (limited(Some(86_400), true), 1.0, 95_040.0),
        (Fault::from_close(Some(1013), ""), 0.0, 30.0),
    ] {
        assert_eq!(steps(fault, None, 3, roll), [Step::Hold(secs(expected)); 3], "{fault:?}");
    }
}

#[test]
fn refused_keys_are_refreshed_once_then_tried_three_times_then_left() {
    let expected = [
        Step::RefreshKeys,
        Step::RetryAfter(secs(5.0)),
        Step::RetryAfter(secs(15.0)),
        Step::RetryAfter(secs(60.0)),
        Step::Halt,
        Step::Halt,
    ];
    assert_eq!(steps(Fault::Authentication, None, 6, 0.9), expected);
}

#[test]
fn accepted_keys_start_the_tries_anew() {
    let backoff = exact();
    let mut failures = Failures::default();
    for _ in 0..3 {
        failures.failed(Mono::default(), Fault::Authentication, &backoff);
    }
    failures.keys_accepted();
    failures.failed(Mono::default(), Fault::Authentication, &backoff);
    assert_eq!(step(Fault::Authentication, None, &failures, &backoff, 0.5), Step::RefreshKeys);
}

#[test]
fn the_impossible_is_not_tried_again() {
    assert_eq!(steps(Fault::Configuration, None, 1, 0.5), [Step::Halt]);
    assert_eq!(after_stable(Fault::Configuration, None, 0.5), Step::Halt);
}

#[test]
fn used_up_attempts_halt() {
    let backoff = Backoff { attempts: Some(2), ..exact() };
    let mut failures = Failures::default();
    failures.failed(Mono::default(), Fault::Transient, &backoff);
    assert_eq!(step(Fault::Transient, None, &failures, &backoff, 0.5), Step::RetryAfter(secs(1.0)));
    failures.failed(Mono::default(), Fault::Transient, &backoff);
    assert_eq!(step(Fault::Transient, None, &failures, &backoff, 0.5), Step::Halt);
}

proptest! {
    #[test]
    fn nothing_is_asked_before_the_venue_allows(wait in 0_u64..=86_400, banned: bool, roll: f64) {
        let fault = limited(Some(wait), banned);
        let asked = Duration::from_secs(wait);
        match steps(fault, None, 1, roll)[0] {
            Step::Hold(hold) => prop_assert!(hold >= asked && hold <= (asked * 11 / 10).max(secs(1.1))),
            other => prop_assert!(false, "{other:?}"),
        }
    }
}
