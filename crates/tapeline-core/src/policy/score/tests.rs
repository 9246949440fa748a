//! What endpoints are expected to score, and that the choice between them neither sleeps nor swings.

use proptest::prelude::*;

use super::*;

fn secs(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn at(seconds: f64) -> Mono {
    Mono::default() + secs(seconds)
}

fn rules() -> Rules {
    Rules::default()
}

/// An endpoint that has served for an hour: with a drop every so many seconds, and round trips of so many.
fn hour(drop_every: f64, trip: f64) -> Quality {
    let (mut quality, rules, mut since) = (Quality::default(), rules(), 0.0);
    quality.proven(at(0.0), secs(trip * 4.0), &rules);
    for second in (10..=3_600).step_by(10).map(f64::from) {
        quality.served(at(second), secs(10.0), &rules);
        quality.round_trip(at(second), secs(trip), &rules);
        if second - since >= drop_every {
            since = second;
            quality.dropped(at(second), &rules);
            quality.proven(at(second), secs(trip * 4.0), &rules);
        }
    }
    quality
}

/// An endpoint of which so many dials failed.
fn failed(times: u32) -> Quality {
    let mut quality = Quality::default();
    (0..times).for_each(|n| quality.dial_failed(at(f64::from(n)), &rules()));
    quality
}

#[test]
fn scores_mean_what_the_module_says() {
    let score = |quality: &Quality, now: f64| quality.score(at(now), &rules());
    assert_eq!(score(&Quality::default(), 0.0), UNKNOWN);
    let good = score(&hour(1e9, 0.03), 3_600.0);
    assert!((96.0..=100.0).contains(&good), "steady and near: {good}");
    let slow = score(&hour(1e9, 1.0), 3_600.0);
    assert!((80.0..90.0).contains(&slow), "steady and far: {slow}");
    let dropping = score(&hour(60.0, 0.03), 3_600.0);
    assert!((60.0..75.0).contains(&dropping), "a drop a minute: {dropping}");
    let hourly = score(&hour(1_200.0, 0.03), 3_600.0);
    assert!((85.0..96.0).contains(&hourly), "a drop every twenty minutes: {hourly}");
    let dead = score(&failed(10), 10.0);
    assert!(dead < 70.0, "no dial succeeds: {dead}");
    let once = score(&failed(1), 0.0);
    assert!((80.0..UNKNOWN).contains(&once), "one failed dial: {once}");
}

/// A host that was asked for something every ten seconds for an hour: one request of so many fails, the others take so
/// many seconds.
fn asked(fails: u32, took: f64) -> Quality {
    let (mut quality, rules) = (Quality::default(), rules());
    for n in 1..=360 {
        let now = at(f64::from(n) * 10.0);
        match n % fails {
            0 => quality.unanswered(now, &rules),
            _ => quality.answered(now, Some(secs(took)), &rules),
        }
    }
    quality
}

#[test]
fn a_host_is_judged_by_its_failures_and_by_how_long_its_replies_take() {
    let score = |fails, took| asked(fails, took).score(at(3_600.0), &rules());
    let (good, usual) = (score(1_000, 0.05), score(1_000, 0.25));
    assert!(good > 97.0 && (90.0..97.0).contains(&usual), "{good} {usual}");
    let slow = score(1_000, 2.5);
    assert!(slow < UNKNOWN - rules().margin, "it is left for one of which nothing is known: {slow}");
    let (tenth, half) = (score(10, 0.05), score(2, 0.05));
    assert!((88.0..95.0).contains(&tenth) && (60.0..75.0).contains(&half), "{tenth} {half}");
    let mut quality = asked(1_000, 0.25);
    quality.answered(at(3_600.0), None, &rules());
    assert!((quality.score(at(3_600.0), &rules()) - usual).abs() < 0.1, "how long it took is not known");
    assert!(!quality.is_on_trial());
    quality.unanswered(at(3_600.0), &rules());
    assert!(quality.is_on_trial() && !quality.is_failing(at(3_600.0), &rules()));
    quality.unanswered(at(3_600.0), &rules());
    assert!(quality.is_failing(at(3_600.0), &rules()));
}

#[test]
fn the_second_is_the_best_of_those_that_can_serve() {
    let of = |score, usable, failing| Candidate { score, usable, failing };
    let chooser = Chooser::default();
    assert_eq!(chooser.second(&[of(90.0, true, false)], |_| true), 0, "there is no other");
    let others = [of(90.0, true, false), of(99.0, false, false), of(95.0, true, true), of(50.0, true, false)];
    assert_eq!(chooser.second(&others, |_| true), 3);
    assert_eq!(chooser.second(&others[..3], |_| true), 2);
    assert_eq!(chooser.second(&others, |at| at == 1), 1, "the rest does not have it");
}

#[test]
fn what_happened_fades_to_not_knowing() {
    for quality in [failed(10), hour(60.0, 1.0), hour(1e9, 0.01), asked(2, 0.1), asked(1_000, 2.0)] {
        let now = 3_600.0;
        let far = |seconds: f64| (quality.score(at(now + seconds), &rules()) - UNKNOWN).abs();
        assert!(far(0.0) > far(3_600.0) && far(3_600.0) > far(7_200.0), "{quality:?}");
        assert!(far(4.0 * 3_600.0) < 0.1);
    }
}

#[test]
fn two_failures_in_a_row_are_failing_for_two_minutes() {
    let rules = rules();
    assert!(!failed(1).is_failing(at(1.0), &rules));
    let mut quality = failed(2);
    assert!(quality.is_failing(at(1.0), &rules) && quality.is_failing(at(120.9), &rules));
    assert!(!quality.is_failing(at(121.0), &rules));
    quality.proven(at(2.0), secs(0.1), &rules);
    assert!(!quality.is_failing(at(2.0), &rules));
}

#[test]
fn an_operator_can_forgive() {
    let mut quality = failed(5);
    quality.reset();
    assert_eq!(quality.score(at(9.0), &rules()), UNKNOWN);
    assert!(!quality.is_failing(at(5.0), &rules()));
}

#[test]
fn silence_costs_little_but_something() {
    let mut quality = hour(1e9, 0.03);
    let before = quality.score(at(3_600.0), &rules());
    quality.silent(at(3_600.0), secs(300.0), &rules());
    let lost = before - quality.score(at(3_600.0), &rules());
    assert!((1.0..10.0).contains(&lost), "{lost}");
}

#[test]
fn what_another_line_brought_and_this_one_missed_costs_the_more_the_larger_its_share_is() {
    let lost = |brought, missed| {
        let mut quality = hour(1e9, 0.03);
        let before = quality.score(at(3_600.0), &rules());
        quality.compared(at(3_600.0), brought, missed, &rules());
        before - quality.score(at(3_600.0), &rules())
    };
    for (brought, missed, points) in
        [(10_000, 0, 0.0..0.01), (100, 5, 5.0..10.0), (99_500, 500, 5.0..8.0), (98_000, 2_000, 12.0..15.1)]
    {
        assert!(points.contains(&lost(brought, missed)), "{missed} of {brought}: {}", lost(brought, missed));
    }
    assert!(
        (18.0..=30.0).contains(&lost(95_000, 5_000)),
        "one of twenty: more than the margin of the choice"
    );
}

#[test]
fn delays_are_stretched_by_a_bounded_factor() {
    let stretched = |delay, score| stretched(secs(delay), score, secs(30.0), &rules()).as_secs_f64();
    for (delay, score, expected) in [
        (1.0, 100.0, 1.0),
        (1.0, 80.0, 1.0),
        (1.0, 40.0, 2.0),
        (1.0, 0.0, 3.0),
        (16.0, 0.0, 30.0),
        (30.0, 0.0, 30.0),
        (60.0, 0.0, 60.0),
        (1.0, -5.0, 3.0),
        (0.0, 0.0, 0.0),
    ] {
        assert!(
            (stretched(delay, score) - expected).abs() < 1e-6,
            "{delay} at {score}: {}",
            stretched(delay, score)
        );
    }
    assert!((stretched(1.0, f64::NAN) - 3.0).abs() < 1e-6, "what is not a number waits longest");
}

fn fine(score: f64) -> Candidate {
    Candidate { score, usable: true, failing: false }
}

const OPEN: Candidate = Candidate { score: 95.0, usable: false, failing: false };
const FAILING: Candidate = Candidate { score: 60.0, usable: true, failing: true };

/// What is chosen at the end of each stretch of seconds.
fn choices(stretches: &[(u32, &[Candidate])]) -> Vec<usize> {
    let (mut chooser, mut second, rules) = (Chooser::default(), 0, rules());
    let mut stretch = |(seconds, candidates): &(u32, &[Candidate])| {
        for _ in 0..*seconds {
            chooser.choose(at(f64::from(second)), candidates, &rules);
            second += 1;
        }
        chooser.current()
    };
    stretches.iter().map(&mut stretch).collect()
}

#[test]
fn another_is_taken_only_if_better_by_the_margin_for_the_hold() {
    assert_eq!(choices(&[(600, &[fine(80.0), fine(94.9)])]), [0]);
    assert_eq!(choices(&[(60, &[fine(80.0), fine(95.0)]), (1, &[fine(80.0), fine(95.0)])]), [0, 1]);
    let interrupted: &[(u32, &[Candidate])] =
        &[(59, &[fine(80.0), fine(95.0)]), (1, &[fine(81.0), fine(95.0)]), (59, &[fine(80.0), fine(95.0)])];
    assert_eq!(choices(interrupted), [0, 0, 0]);
}

#[test]
fn a_failing_one_is_left_at_once_for_the_best_that_can_serve() {
    assert_eq!(choices(&[(1, &[FAILING, fine(50.0), fine(70.0)])]), [2]);
    assert_eq!(choices(&[(1, &[OPEN, fine(50.0)])]), [1]);
    assert_eq!(choices(&[(1, &[OPEN, FAILING])]), [1], "one that may be dialled is better than none");
    assert_eq!(choices(&[(99, &[OPEN, OPEN])]), [0]);
    assert_eq!(choices(&[(99, &[FAILING, OPEN, FAILING])]), [0], "all alike: nothing is gained");
}

#[test]
fn the_first_of_the_configuration_is_taken_back_when_it_is_about_as_good() {
    let moved: (u32, &[Candidate]) = (1, &[FAILING, fine(97.0)]);
    assert_eq!(choices(&[moved, (600, &[fine(86.9), fine(97.0)])]), [1, 1]);
    for earned in [97.0, 99.0, 100.0] {
        let faded: &[Candidate] = &[fine(UNKNOWN), fine(earned)];
        assert_eq!(choices(&[moved, (61, faded)]), [1, 0], "however well the other has served: {earned}");
    }
    assert_eq!(choices(&[(1, &[FAILING, fine(90.0), fine(90.0)])]), [1], "equal scores: the earlier one");
}

#[test]
fn an_endpoint_that_failed_is_tried_again_also_when_the_other_has_served_without_a_fault() {
    let (rules, quality, mut chooser) = (rules(), failed(3), Chooser::default());
    let other = 99.5;
    let choose = |chooser: &mut Chooser, now: f64| {
        let score = quality.score(at(now), &rules);
        let failing = quality.is_failing(at(now), &rules);
        chooser.choose(at(now), &[Candidate { score, usable: true, failing }, fine(other)], &rules)
    };
    assert_eq!(choose(&mut chooser, 3.0), 1);
    let back = (4..7_200).map(f64::from).find(|now| choose(&mut chooser, *now) == 0);
    assert!(back.is_some_and(|now| (300.0..3_600.0).contains(&now)), "{back:?}");
}

#[test]
fn fewer_endpoints_than_before_are_no_trouble() {
    let mut chooser = Chooser::default();
    chooser.take(7);
    assert_eq!(chooser.choose(at(0.0), &[], &rules()), 0);
    assert_eq!(chooser.choose(at(0.0), &[fine(10.0)], &rules()), 0);
}

#[derive(Debug, Clone, Copy)]
enum Sample {
    Proven(u16),
    Failed,
    Trip(u16),
    Served(u16),
    Dropped,
    Silent(u16),
    Compared(u16, u16),
}

fn samples() -> impl Strategy<Value = Vec<(Sample, u16)>> {
    let sample = prop_oneof![
        any::<u16>().prop_map(Sample::Proven),
        Just(Sample::Failed),
        any::<u16>().prop_map(Sample::Trip),
        any::<u16>().prop_map(Sample::Served),
        Just(Sample::Dropped),
        any::<u16>().prop_map(Sample::Silent),
        any::<(u16, u16)>().prop_map(|(brought, missed)| Sample::Compared(brought, missed)),
    ];
    proptest::collection::vec((sample, any::<u16>()), 0..100)
}

fn take(quality: &mut Quality, now: Mono, sample: Sample) {
    let (rules, ms) = (rules(), |ms: u16| Duration::from_millis(u64::from(ms)));
    match sample {
        Sample::Proven(took) => quality.proven(now, ms(took), &rules),
        Sample::Failed => quality.dial_failed(now, &rules),
        Sample::Trip(took) => quality.round_trip(now, ms(took), &rules),
        Sample::Served(length) => quality.served(now, ms(length) * 10, &rules),
        Sample::Dropped => quality.dropped(now, &rules),
        Sample::Silent(length) => quality.silent(now, ms(length), &rules),
        Sample::Compared(brought, missed) => {
            quality.compared(now, u64::from(brought), u64::from(missed), &rules);
        }
    }
}

proptest! {
    /// Whatever happens, also at the same moment or out of order: a score is a score, and a failure never praises.
    #[test]
    fn a_score_stays_in_its_range_and_bad_news_never_help(samples in samples(), later: u32) {
        let (mut quality, mut now) = (Quality::default(), Mono(1));
        for (sample, wait) in samples {
            now = if wait % 7 == 0 { now - secs(1.0) } else { now + Duration::from_millis(u64::from(wait)) };
            take(&mut quality, now, sample);
            let score = quality.score(now, &rules());
            prop_assert!((0.0..=100.0).contains(&score), "{score}");
        }
        let before = quality.score(now, &rules());
        for bad in [Sample::Failed, Sample::Dropped, Sample::Compared(0, 1)] {
            let mut worse = quality.clone();
            take(&mut worse, now, bad);
            // Knowing more counts for more, so a bad score may rise towards what is measured, not above it.
            prop_assert!(worse.score(now, &rules()) <= before + 1e-9, "{bad:?} {before}");
        }
        let faded = quality.score(now + Duration::from_millis(u64::from(later)), &rules());
        prop_assert!((0.0..=100.0).contains(&faded));
    }

    /// With all able to serve, the choice changes at most once per hold, whatever the scores do.
    #[test]
    fn the_choice_does_not_swing(scores in proptest::collection::vec((0.0..100.0_f64, 0.0..100.0_f64, 0.0..100.0_f64), 1..400)) {
        let (mut chooser, mut last) = (Chooser::default(), None);
        for (second, (a, b, c)) in scores.into_iter().enumerate() {
            let (now, before) = (at(second as f64 * 10.0), chooser.current());
            let after = chooser.choose(now, &[fine(a), fine(b), fine(c)], &rules());
            if after != before {
                prop_assert!(last.is_none_or(|last| now.since(last) >= rules().hold));
                last = Some(now);
            }
        }
    }

    /// One that is left because it is worse is not taken back for the same scores.
    #[test]
    fn what_is_left_for_its_score_is_not_taken_back_while_the_scores_stay(first in 0.0..=100.0_f64, other in 0.0..=100.0_f64) {
        let stretch: (u32, &[Candidate]) = (61, &[fine(first), fine(other)]);
        let chosen = choices(&[stretch, stretch, stretch]);
        prop_assert_eq!(chosen[0], chosen[1]);
        prop_assert_eq!(chosen[1], chosen[2]);
    }

    /// At its deadline, and not before, a choice that holds is made.
    #[test]
    fn a_steady_advantage_is_taken_at_the_deadline(first in 0.0..84.0_f64, more in 15.1..16.0_f64) {
        let (mut chooser, candidates) = (Chooser::default(), [fine(first), fine(first + more)]);
        prop_assert_eq!(chooser.choose(at(5.0), &candidates, &rules()), 0);
        let due = chooser.deadline(&rules());
        prop_assert_eq!(due, Some(at(65.0)));
        prop_assert_eq!(chooser.choose(at(65.0), &candidates, &rules()), 1);
        prop_assert_eq!(chooser.deadline(&rules()), None);
    }
}
