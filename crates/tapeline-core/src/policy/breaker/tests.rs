//! What a breaker is expected to let pass.

use proptest::prelude::*;

use super::*;

fn secs(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn at(seconds: f64) -> Mono {
    Mono::default() + secs(seconds)
}

/// A breaker that failed at each of these seconds.
fn failed(seconds: &[f64]) -> Breaker {
    let mut breaker = Breaker::new(Rules::default());
    seconds.iter().for_each(|now| breaker.failure(at(*now), 0.0));
    breaker
}

/// A breaker that opened at 4 s until 34 s.
fn opened() -> Breaker {
    failed(&[0.0, 1.0, 2.0, 3.0, 4.0])
}

/// The same with its one probe under way since 40 s, and the probe's permit.
fn probing() -> (Breaker, Permit) {
    let mut breaker = opened();
    let permit = breaker.acquire(at(40.0)).unwrap();
    (breaker, permit)
}

#[test]
fn five_failures_in_a_row_open_it() {
    assert_eq!(failed(&[0.0, 1.0, 2.0, 3.0]).state(at(3.0)), State::Closed);
    assert_eq!(opened().state(at(4.0)), State::Open);
}

#[test]
fn failures_must_lie_within_two_minutes() {
    assert_eq!(failed(&[0.0, 30.0, 60.0, 90.0, 120.0]).state(at(120.0)), State::Open);
    assert_eq!(failed(&[0.0, 30.0, 60.0, 90.0, 120.1]).state(at(120.1)), State::Closed);
    assert_eq!(failed(&[0.0, 30.0, 60.0, 90.0, 120.1, 150.0]).state(at(150.0)), State::Open);
}

#[test]
fn a_success_breaks_the_row() {
    let mut breaker = failed(&[0.0, 1.0, 2.0, 3.0]);
    breaker.success();
    breaker.failure(at(4.0), 0.0);
    assert_eq!(breaker.state(at(4.0)), State::Closed);
}

#[test]
fn an_open_breaker_fails_fast_and_says_until_when() {
    let mut breaker = opened();
    assert_eq!(breaker.acquire(at(4.0)), Err(CircuitOpen { until: at(34.0) }));
    assert_eq!(breaker.acquire(at(33.9)), Err(CircuitOpen { until: at(34.0) }));
    assert_eq!(breaker.until(at(10.0)), Some(at(34.0)));
    assert_eq!(breaker.until(at(34.0)), None);
    assert_eq!(breaker.state(at(34.0)), State::HalfOpen);
    assert_eq!(CircuitOpen { until: at(1.0) }.to_string(), "circuit_open");
}

#[test]
fn it_stays_open_longer_by_up_to_a_tenth() {
    let until = |roll| {
        let mut breaker = failed(&[0.0; 4]);
        breaker.failure(at(0.0), roll);
        breaker.until(at(0.0))
    };
    assert_eq!(until(0.0), Some(at(30.0)));
    assert_eq!(until(0.5), Some(at(31.5)));
    assert_eq!(until(1.0), Some(at(33.0)));
}

#[test]
fn a_half_open_breaker_admits_one_probe() {
    let (mut breaker, _) = probing();
    assert_eq!(breaker.acquire(at(40.0)), Err(CircuitOpen { until: at(50.0) }));
    assert_eq!(breaker.acquire(at(49.9)), Err(CircuitOpen { until: at(50.0) }));
    assert_eq!(breaker.state(at(45.0)), State::HalfOpen);
}

#[test]
fn a_probe_that_nobody_reports_on_expires() {
    let (mut breaker, _) = probing();
    assert!(breaker.acquire(at(50.0)).is_ok());
    assert!(breaker.acquire(at(50.0)).is_err());
}

#[test]
fn a_connected_probe_may_take_longer_to_prove_itself() {
    let (mut breaker, permit) = probing();
    breaker.extend(permit, at(65.0));
    assert_eq!(breaker.acquire(at(60.0)), Err(CircuitOpen { until: at(65.0) }));
    assert!(breaker.acquire(at(65.0)).is_ok());
}

#[test]
fn an_expired_probe_can_neither_extend_nor_release_the_next_one() {
    let (mut breaker, expired) = probing();
    let _second = breaker.acquire(at(50.0)).unwrap();
    breaker.extend(expired, at(90.0));
    breaker.release(expired, at(51.0));
    assert_eq!(breaker.acquire(at(51.0)), Err(CircuitOpen { until: at(60.0) }));
}

#[test]
fn an_abandoned_probe_makes_room_at_once() {
    let (mut breaker, permit) = probing();
    breaker.release(permit, at(41.0));
    assert!(breaker.acquire(at(41.0)).is_ok());
}

#[test]
fn releasing_an_ordinary_attempt_changes_nothing() {
    let mut breaker = Breaker::new(Rules::default());
    let early = breaker.acquire(at(0.0)).unwrap();
    (0..5).for_each(|_| breaker.failure(at(1.0), 0.0));
    breaker.release(early, at(2.0));
    assert_eq!(breaker.state(at(2.0)), State::Open);
}

#[test]
fn a_successful_probe_closes_it() {
    let (mut breaker, _) = probing();
    breaker.success();
    assert_eq!(breaker.state(at(41.0)), State::Closed);
    assert_eq!((breaker.opened(), breaker.open_since()), (0, None));
    assert!((0..10).all(|_| breaker.acquire(at(41.0)).is_ok()));
}

#[test]
fn one_failed_probe_opens_it_again() {
    let (mut breaker, _) = probing();
    breaker.failure(at(45.0), 0.0);
    assert_eq!(breaker.acquire(at(45.0)), Err(CircuitOpen { until: at(75.0) }));
    assert_eq!((breaker.opened(), breaker.open_since()), (2, Some(at(4.0))));
}

#[test]
fn what_began_before_it_opened_does_not_move_it() {
    let mut breaker = opened();
    breaker.success();
    assert_eq!(breaker.until(at(5.0)), Some(at(34.0)));
    breaker.failure(at(20.0), 1.0);
    assert_eq!(breaker.until(at(20.0)), Some(at(34.0)));
}

#[test]
fn escalation_makes_it_stay_open_longer_up_to_a_cap() {
    let mut breaker = Breaker::new(Rules { failures: 1, escalation: 2.0, ..Rules::default() });
    let mut now = at(0.0);
    let mut stays = Vec::new();
    for _ in 0..6 {
        breaker.failure(now, 0.0);
        let until = breaker.until(now).unwrap();
        stays.push(until.since(now).as_secs());
        now = until;
        let _probe = breaker.acquire(now).unwrap();
    }
    assert_eq!(stays, [30, 60, 120, 240, 300, 300]);
}

#[test]
fn an_operator_can_hold_it_open_or_disable_it() {
    let mut breaker = opened();
    breaker.force_open(at(10.0));
    assert_eq!(breaker.acquire(at(1e6)), Err(CircuitOpen { until: Mono::NEVER }));
    assert_eq!((breaker.state(at(1e6)), breaker.open_since()), (State::ForcedOpen, Some(at(4.0))));
    breaker.disable();
    (0..50).for_each(|_| breaker.failure(at(11.0), 0.0));
    assert!(breaker.acquire(at(11.0)).is_ok());
    assert_eq!((breaker.state(at(11.0)), breaker.open_since()), (State::Disabled, None));
    breaker.reset();
    assert_eq!((breaker.state(at(11.0)), breaker.open_since()), (State::Closed, None));
    breaker.force_open(at(12.0));
    assert_eq!((breaker.until(at(13.0)), breaker.open_since()), (Some(Mono::NEVER), Some(at(12.0))));
}

#[test]
fn a_reset_forgets_every_failure() {
    let mut breaker = failed(&[0.0, 1.0, 2.0, 3.0]);
    breaker.reset();
    breaker.failure(at(4.0), 0.0);
    assert_eq!(breaker.state(at(4.0)), State::Closed);
}

/// Feeds outcomes (`x` = failed) into a breaker that looks at shares; whether it is open at the end.
fn opens_by_share(outcomes: &str) -> bool {
    let rules = Rules { failures: 1_000, share: Some(Share::default()), ..Rules::default() };
    let mut breaker = Breaker::new(rules);
    for outcome in outcomes.bytes() {
        match outcome {
            b'x' => breaker.failure(at(0.0), 0.0),
            _ => breaker.success(),
        }
    }
    breaker.state(at(0.0)) == State::Open
}

#[test]
fn half_of_the_latest_twenty_calls_open_a_rest_breaker() {
    assert!(opens_by_share("x.x.x.x..x"), "5 of 10");
    assert!(!opens_by_share("x.x.x.x.."), "9 are too few");
    assert!(!opens_by_share("x.x.x...x."), "4 of 10");
    assert!(opens_by_share("....................xxxxxxxxxx"), "10 of the latest 20");
    assert!(!opens_by_share("....................xxxxxxxxx"), "9 of the latest 20");
    assert!(opens_by_share("x.........x.x.x.x.x.x.x.x.x.x"), "the oldest have left the window");
}

#[test]
fn a_share_can_be_as_strict_or_as_blind_as_wanted() {
    let opens = |share| {
        let mut breaker = Breaker::new(Rules { share: Some(share), ..Rules::default() });
        breaker.failure(at(0.0), 0.0);
        breaker.state(at(0.0)) == State::Open
    };
    assert!(opens(Share { percent: 50, last: 20, least: 1 }), "one call is enough");
    assert!(!opens(Share { percent: 50, last: 20, least: 2 }));
    assert!(!opens(Share { percent: 50, last: 0, least: 0 }), "no call is looked at");
}

#[test]
fn a_longest_window_of_calls_is_understood() {
    let share = Share { percent: 100, last: u32::MAX, least: 64 };
    let mut breaker = Breaker::new(Rules { failures: 1_000, share: Some(share), ..Rules::default() });
    (0..63).for_each(|_| breaker.failure(at(0.0), 0.0));
    assert_eq!(breaker.state(at(0.0)), State::Closed);
    breaker.failure(at(0.0), 0.0);
    assert_eq!(breaker.state(at(0.0)), State::Open);
}

#[test]
fn a_clone_remembers_everything() {
    let (breaker, permit) = probing();
    let mut copy = breaker.clone();
    drop(breaker);
    assert!(copy.acquire(at(41.0)).is_err());
    copy.release(permit, at(41.0));
    assert!(copy.acquire(at(41.0)).is_ok());
}

/// What can happen to a breaker.
#[derive(Debug, Clone)]
enum Op {
    Pass(u64),
    Acquire,
    Success,
    Failure(f64),
    Release(usize),
    Extend(usize, u64),
    Reset,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0_u64..20_000).prop_map(Op::Pass),
        6 => Just(Op::Acquire),
        1 => Just(Op::Success),
        6 => (0.0..1.0).prop_map(Op::Failure),
        3 => any::<usize>().prop_map(Op::Release),
        1 => (any::<usize>(), 0_u64..20_000).prop_map(|(which, by)| Op::Extend(which, by)),
        1 => Just(Op::Reset),
    ]
}

proptest! {
    #[test]
    fn two_probes_are_never_under_way(ops in prop::collection::vec(op(), 1..400)) {
        let mut breaker = Breaker::new(Rules::default());
        let mut now = Mono::default();
        let mut permits = Vec::new();
        // The probe under way and when it expires.
        let mut outstanding: Option<(Permit, Mono)> = None;
        for op in ops {
            match op {
                Op::Pass(millis) => now += Duration::from_millis(millis),
                Op::Acquire => {
                    let (state, until) = (breaker.state(now), breaker.until(now));
                    match breaker.acquire(now) {
                        Ok(permit) => {
                            prop_assert!(matches!(state, State::Closed | State::HalfOpen));
                            prop_assert_eq!(until, None);
                            if permit.probe.is_some() {
                                prop_assert!(outstanding.is_none_or(|(_, expires)| expires <= now));
                                outstanding = Some((permit, now + Rules::default().probe_within));
                            }
                            permits.push(permit);
                        }
                        Err(refused) => {
                            prop_assert!(refused.until > now);
                            prop_assert_eq!(until, Some(refused.until));
                        }
                    }
                }
                Op::Success => {
                    breaker.success();
                    outstanding = None;
                }
                Op::Failure(roll) => {
                    breaker.failure(now, roll);
                    outstanding = None;
                }
                Op::Release(which) if !permits.is_empty() => {
                    let permit = permits[which % permits.len()];
                    breaker.release(permit, now);
                    outstanding = outstanding.filter(|(probe, _)| *probe != permit);
                }
                Op::Extend(which, by) if !permits.is_empty() => {
                    let permit = permits[which % permits.len()];
                    let until = now + Duration::from_millis(by);
                    breaker.extend(permit, until);
                    if let Some((probe, expires)) = &mut outstanding && *probe == permit {
                        *expires = until.max(*expires);
                    }
                }
                Op::Reset => {
                    breaker.reset();
                    outstanding = None;
                }
                Op::Release(_) | Op::Extend(..) => {}
            }
        }
    }

    #[test]
    fn no_breaker_stays_shut_for_longer_than_it_says(ops in prop::collection::vec(op(), 1..200)) {
        let mut breaker = Breaker::new(Rules::default());
        let mut now = Mono::default();
        for op in ops {
            match op {
                Op::Pass(millis) => now += Duration::from_millis(millis),
                Op::Acquire => drop(breaker.acquire(now)),
                Op::Success => breaker.success(),
                Op::Failure(roll) => breaker.failure(now, roll),
                Op::Reset | Op::Release(_) | Op::Extend(..) => {}
            }
        }
        if let Some(until) = breaker.until(now) {
            prop_assert!(until.since(now) <= secs(33.0));
            now = until;
        }
        prop_assert!(breaker.acquire(now).is_ok());
    }
}
