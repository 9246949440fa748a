//! What budgets are expected to allow.

use proptest::prelude::*;

use super::*;
use crate::time::Unix;

fn secs(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn at(seconds: f64) -> Mono {
    Mono::default() + secs(seconds)
}

fn window(count: u32, per: f64) -> SlidingWindow {
    SlidingWindow::new(Rate { count, per: secs(per) })
}

#[test]
fn a_window_frees_each_place_one_by_one() {
    let mut window = window(2, 1.0);
    assert!(window.try_take(at(0.0), 1));
    assert!(window.try_take(at(0.6), 1));
    assert!(!window.try_take(at(0.9), 1));
    assert_eq!(window.next(at(0.9)), at(1.0));
    assert!(window.try_take(at(1.0), 1));
    assert_eq!(window.next(at(1.0)), at(1.6));
    assert!(!window.try_take(at(1.5), 1));
    assert!(window.try_take(at(1.6), 1));
}

#[test]
fn several_are_taken_together_or_not_at_all() {
    let mut window = window(4, 1.0);
    assert!(window.try_take(at(0.0), 3));
    assert!(!window.try_take(at(0.0), 2));
    assert_eq!(window.available(at(0.0)), 1);
    assert_eq!(window.next_keeping(at(0.0), 2, 0), at(1.0));
    assert!(window.try_take(at(0.0), 1));
}

#[test]
fn what_never_fits_is_never_due() {
    let window = window(4, 1.0);
    assert_eq!(window.next_keeping(at(0.0), 5, 0), Mono::NEVER);
    assert_eq!(window.next_keeping(at(0.0), 1, 4), Mono::NEVER);
    assert_eq!(window.next_keeping(at(0.0), usize::MAX, usize::MAX), Mono::NEVER);
    assert_eq!(SlidingWindow::share(Rate { count: 0, per: secs(1.0) }, 50).next(at(0.0)), Mono::NEVER);
}

#[test]
fn requests_leave_room_for_a_pong() {
    let mut window = window(4, 1.0);
    let requests = (0..10).filter(|_| window.try_take_keeping(at(0.0), 1, 1)).count();
    assert_eq!(requests, 3);
    assert_eq!(window.next_keeping(at(0.0), 1, 1), at(1.0));
    assert!(window.try_take(at(0.5), 1), "the pong");
    assert!(!window.try_take(at(0.5), 1));
    // The pong leaves the window last, so one request waits for it.
    assert_eq!(window.next_keeping(at(1.0), 3, 1), at(1.5));
}

#[test]
fn a_share_is_rounded_down_but_never_to_nothing() {
    let share =
        |count, percent| SlidingWindow::share(Rate { count, per: secs(1.0) }, percent).available(at(0.0));
    assert_eq!(share(300, 50), 150);
    assert_eq!(share(5, 50), 2);
    assert_eq!(share(1, 50), 1);
    assert_eq!(share(10, 0), 1);
    assert_eq!(share(300, 1_000), 300);
    assert_eq!(share(u32::MAX, 100), u32::MAX as usize);
}

#[test]
fn readings_out_of_order_do_not_make_room() {
    let mut window = window(2, 1.0);
    assert!(window.try_take(at(5.0), 1));
    assert!(window.try_take(at(4.0), 1));
    assert!(!window.try_take(at(5.5), 1));
    assert_eq!(window.next(at(5.5)), at(6.0));
}

/// 13 s before the end of a minute, on the wall clock.
const START: Time = Time { mono: Mono(7_000_000_000), unix: Unix(1_795_262_447_000_000_000) };

fn later(seconds: f64) -> Time {
    START.later(secs(seconds))
}

/// The same moment, but the wall clock was set by so many seconds.
fn set(now: Time, by: f64) -> Time {
    Time { unix: Unix(now.unix.0 + (by * 1e9) as i64), ..now }
}

/// 80 % of 6,000 per minute.
fn spot() -> WeightWindow {
    WeightWindow::new(RestLimit { weight: 6_000, per: secs(60.0) }, 80)
}

/// Takes snapshots of 250 until no more fit; how many.
fn fill(budget: &mut WeightWindow, now: Time) -> usize {
    (0..1_000).take_while(|_| budget.try_take(now, 250)).count()
}

#[test]
fn a_minute_holds_its_share_of_the_weight() {
    let mut budget = spot();
    assert_eq!(fill(&mut budget, START), 19);
    assert_eq!(budget.available(START), 50);
    assert!(budget.try_take(START, 50));
    assert!(!budget.try_take(START, 1));
}

#[test]
fn the_weight_is_free_again_when_the_venues_minute_begins() {
    let mut budget = spot();
    for _ in 0..fill(&mut budget, START) {
        budget.settle(250);
    }
    assert_eq!(budget.next(later(1.0), 250), later(13.0).mono);
    assert!(!budget.try_take(later(12.9), 250));
    assert_eq!(fill(&mut budget, later(13.0)), 19);
    assert_eq!(budget.next(later(14.0), 250), later(73.0).mono);
}

#[test]
fn a_request_under_way_counts_in_the_next_minute_too() {
    let mut budget = spot();
    assert!(budget.try_take(later(12.9), 4_000));
    assert_eq!(budget.available(later(13.1)), 800);
    assert_eq!(budget.next(later(12.9), 1_000), later(72.9).mono, "it may yet be under way at the boundary");
    budget.settle(4_000);
    // It has been answered, but nobody knows on which side of the boundary it was counted.
    assert_eq!(budget.available(later(13.2)), 800);
}

#[test]
fn weight_that_never_fits_is_never_due() {
    assert_eq!(spot().next(START, 4_801), Mono::NEVER);
    assert_eq!(spot().next(START, 4_800), START.mono);
}

#[test]
fn the_venues_figure_wins_if_it_is_larger() {
    let mut budget = spot();
    assert!(budget.try_take(START, 250));
    budget.settle(250);
    budget.observe(START, 4_000);
    assert_eq!(budget.available(START), 800);
    assert!(budget.try_take(START, 250));
    assert_eq!(budget.available(START), 550);
}

#[test]
fn a_smaller_figure_frees_nothing_we_took() {
    let mut budget = spot();
    assert!(budget.try_take(START, 1_000));
    budget.settle(1_000);
    budget.observe(START, 10);
    assert_eq!(budget.available(START), 3_800);
}

#[test]
fn requests_under_way_are_added_to_the_venues_figure() {
    let mut budget = spot();
    assert!(budget.try_take(START, 250));
    assert!(budget.try_take(START, 250));
    budget.settle(250);
    budget.observe(START, 3_000);
    assert_eq!(budget.available(START), 4_800 - 3_000 - 250);
}

#[test]
fn a_late_figure_of_the_minute_before_is_corrected_by_the_next() {
    let mut budget = spot();
    budget.observe(later(13.1), 4_700);
    assert_eq!(budget.available(later(13.1)), 100);
    budget.observe(later(13.2), 60);
    assert_eq!(budget.available(later(13.2)), 4_740);
}

#[test]
fn a_figure_far_over_the_limit_blocks_until_the_minute_ends() {
    let mut budget = spot();
    budget.observe(START, u32::MAX);
    assert_eq!(budget.available(START), 0);
    assert_eq!(budget.next(START, 250), later(13.0).mono);
    assert_eq!(budget.available(later(13.0)), 4_800);
}

#[test]
fn setting_the_wall_clock_frees_nothing_early() {
    for by in [-100_000.0, -3_600.0, -60.0, -14.0, -0.3, 0.3, 14.0, 60.0, 61.0, 3_600.0, 100_000.0] {
        let mut budget = spot();
        for _ in 0..fill(&mut budget, START) {
            budget.settle(250);
        }
        for passed in [0.0, 1.0, 13.0, 30.0, 59.9] {
            assert_eq!(budget.available(set(later(passed), by)), 50, "set by {by} s, {passed} s later");
        }
        assert_eq!(budget.available(set(later(60.0), by)), 4_800, "set by {by} s");
    }
}

#[test]
fn setting_the_wall_clock_blocks_for_at_most_one_window() {
    for by in [-100_000.0, -59.0, -1.0, 1.0, 59.0, 100_000.0] {
        let mut budget = spot();
        for _ in 0..fill(&mut budget, START) {
            budget.settle(250);
        }
        let mut now = set(later(5.0), by);
        let mut asked = 0;
        while !budget.try_take(now, 250) {
            let next = budget.next(now, 250);
            assert!(next > now.mono && next <= later(60.0).mono, "set by {by} s");
            now = now.later(next.since(now.mono));
            asked += 1;
        }
        assert!(asked <= 2, "set by {by} s: asked {asked} times");
    }
}

#[test]
fn slewing_is_not_setting() {
    let mut budget = spot();
    for _ in 0..fill(&mut budget, START) {
        budget.settle(250);
    }
    assert_eq!(budget.available(set(later(13.1), 0.03)), 4_800);
}

#[test]
fn what_nobody_settles_is_forgotten_after_a_window() {
    let mut budget = spot();
    fill(&mut budget, START);
    assert_eq!(budget.available(later(59.9)), 50);
    assert_eq!(budget.available(later(60.0)), 4_800);
    assert!(budget.try_take(later(61.0), 250));
    budget.settle(250);
    assert_eq!(budget.available(later(73.0)), 4_800);
}

#[test]
fn setting_the_wall_clock_does_not_free_what_others_took() {
    let mut budget = spot();
    budget.observe(START, 4_000);
    assert_eq!(budget.available(set(later(59.9), 300.0)), 800);
    assert_eq!(budget.available(set(later(60.0), 300.0)), 4_800);
}

#[test]
fn what_was_taken_after_the_clock_was_set_follows_the_new_minute() {
    let mut budget = spot();
    assert!(budget.try_take(START, 4_000));
    budget.settle(4_000);
    // The new minute begins 3 s after the clock was set; what was taken before counts its full time.
    assert!(budget.try_take(set(later(1.0), 9.0), 800));
    budget.settle(800);
    assert_eq!(budget.next(set(later(1.0), 9.0), 800), later(4.0).mono);
    assert_eq!(budget.next(set(later(1.0), 9.0), 801), later(60.0).mono);
    assert_eq!(budget.available(set(later(3.9), 9.0)), 0);
    assert_eq!(budget.available(set(later(4.0), 9.0)), 800);
    assert_eq!(budget.available(set(later(59.9), 9.0)), 800);
    assert_eq!(budget.available(set(later(60.0), 9.0)), 4_800);
}

#[test]
fn the_first_figure_of_a_minute_belongs_to_it() {
    let mut budget = spot();
    assert!(budget.try_take(START, 250));
    budget.settle(250);
    budget.observe(later(14.0), 4_000);
    assert_eq!(budget.available(later(14.1)), 800);
}

#[test]
fn a_minute_that_begins_after_a_pause_is_not_given_twice() {
    let mut budget = spot();
    assert!(budget.try_take(START, 250));
    for _ in 0..fill(&mut budget, later(150.0)) {
        budget.settle(250);
    }
    assert_eq!(budget.available(later(160.0)), 50);
}

#[test]
fn a_wall_clock_set_during_a_pause_changes_nothing() {
    let mut budget = spot();
    assert!(budget.try_take(START, 250));
    let now = set(later(150.0), 3_600.0);
    for _ in 0..fill(&mut budget, now) {
        budget.settle(250);
    }
    assert_eq!(budget.next(now, 250), later(193.0).mono);
}

#[test]
fn a_window_of_no_length_is_survived() {
    let mut budget = WeightWindow::new(RestLimit { weight: 10, per: Duration::ZERO }, 100);
    assert!(budget.try_take(START, 10));
    assert!(budget.next(START, 10) > START.mono);
}

const SLOWED: Fault = Fault::SLOWED;
const BANNED: Fault = Fault::RateLimited { retry_after: None, banned: true };

#[test]
fn a_hold_ends_by_itself() {
    let mut hold = Hold::default();
    assert_eq!((hold.held(at(0.0)), hold.why(at(0.0))), (None, None));
    hold.extend(at(0.0), at(60.0), SLOWED);
    assert_eq!((hold.held(at(59.9)), hold.why(at(59.9))), (Some(at(60.0)), Some(SLOWED)));
    assert_eq!((hold.held(at(60.0)), hold.why(at(60.0))), (None, None));
}

#[test]
fn a_hold_is_never_made_shorter() {
    let mut hold = Hold::default();
    hold.extend(at(0.0), at(120.0), BANNED);
    hold.extend(at(1.0), at(61.0), SLOWED);
    assert_eq!((hold.held(at(2.0)), hold.why(at(2.0))), (Some(at(120.0)), Some(BANNED)));
}

#[test]
fn a_ban_stays_a_ban_while_it_lasts() {
    let mut hold = Hold::default();
    hold.extend(at(0.0), at(120.0), BANNED);
    hold.extend(at(100.0), at(160.0), SLOWED);
    assert!(hold.is_banned(at(150.0)));
    hold.extend(at(200.0), at(260.0), SLOWED);
    assert!(!hold.is_banned(at(210.0)));
}

#[test]
fn an_operator_lifts_a_hold() {
    let mut hold = Hold::default();
    hold.extend(at(0.0), Mono::NEVER, BANNED);
    assert!(hold.is_banned(at(1e9)));
    hold.reset();
    assert_eq!(hold.held(at(0.0)), None);
}

proptest! {
    #[test]
    fn no_stretch_of_time_holds_more_than_the_count(
        count in 1_u32..12, per in 1_u64..5_000,
        asks in prop::collection::vec((0_u64..2_000, 0_usize..5, 0_usize..3), 1..300),
    ) {
        let per = Duration::from_millis(per);
        let mut window = SlidingWindow::new(Rate { count, per });
        let mut now = Mono::default();
        let mut taken = Vec::new();
        for (gap, n, reserve) in asks {
            now += Duration::from_millis(gap);
            let due = window.next_keeping(now, n, reserve);
            let fits = window.try_take_keeping(now, n, reserve);
            prop_assert_eq!(fits, due == now);
            if fits {
                taken.extend(std::iter::repeat_n(now, n));
            }
            prop_assert!(window.taken.len() <= count as usize, "memory is bounded");
        }
        for first in &taken {
            let within = taken.iter().filter(|at| *first <= **at && **at < *first + per).count();
            prop_assert!(within <= count as usize);
        }
    }

    #[test]
    fn a_place_is_free_exactly_when_it_was_said_to_be(
        gaps in prop::collection::vec(0_u64..400_000_000, 1..40), n in 1_usize..=4,
    ) {
        let mut window = window(4, 1.0);
        let mut now = Mono::default();
        for gap in gaps {
            now += Duration::from_nanos(gap);
            window.try_take(now, 1);
        }
        let due = window.next_keeping(now, n, 0);
        if due > now {
            prop_assert!(!window.clone().try_take(due - Duration::from_nanos(1), n));
        }
        prop_assert!(window.try_take(due, n));
    }

    #[test]
    fn a_pong_a_second_always_finds_room(asks in prop::collection::vec((0_u64..300, any::<bool>()), 1..300)) {
        let mut window = window(4, 1.0);
        let mut now = Mono::default();
        let mut last_pong = None;
        for (gap, is_pong) in asks {
            now += Duration::from_millis(gap);
            if !is_pong {
                window.try_take_keeping(now, 1, 1);
            } else if last_pong.is_none_or(|last| now.since(last) >= secs(1.0)) {
                prop_assert!(window.try_take(now, 1));
                last_pong = Some(now);
            }
        }
    }

    #[test]
    fn no_minute_of_the_venue_holds_more_than_the_share(
        phase in 0_u64..60_000, asks in prop::collection::vec((prop_oneof![9 => 0_u64..20_000, 1 => 0_u64..200_000], 1_u32..1_200, 0_u32..20_000), 1..200),
    ) {
        let mut budget = spot();
        let mut now = START.later(Duration::from_millis(phase));
        let mut taken: Vec<(i64, u32)> = Vec::new();
        let mut under_way = Vec::new();
        for (gap, weight, figure) in asks {
            now = now.later(Duration::from_millis(gap));
            if figure % 3 == 0 && let Some(weight) = under_way.pop() {
                budget.settle(weight);
            }
            if figure % 7 == 0 {
                budget.observe(now, figure);
            }
            let due = budget.next(now, weight);
            let fits = budget.try_take(now, weight);
            prop_assert_eq!(fits, due == now.mono);
            if fits {
                under_way.push(weight);
                taken.push((now.unix.0 / 60_000_000_000, weight));
            }
        }
        for (minute, _) in &taken {
            let sum: u32 = taken.iter().filter(|(other, _)| other == minute).map(|(_, weight)| weight).sum();
            prop_assert!(sum <= budget.limit());
        }
    }

    #[test]
    fn a_wall_clock_gone_mad_frees_nothing_early(
        asks in prop::collection::vec((0_u64..20_000, 1_u32..1_200, 1_i64..1_000_000), 1..200), ahead: bool,
    ) {
        let mut budget = spot();
        let mut now = START;
        let mut taken: Vec<(Mono, u32)> = Vec::new();
        for (gap, weight, step) in asks {
            now = now.later(Duration::from_millis(gap));
            // At least a second, always in one direction, so that no two settings cancel each other.
            let step = step * 1_000_000_000;
            now.unix.0 += if ahead { step } else { -step };
            if budget.try_take(now, weight) {
                taken.push((now.mono, weight));
            } else {
                let freed = taken.last().map_or(now.mono, |(last, _)| *last + secs(60.0));
                prop_assert!(budget.next(now, weight) <= freed.max(now.mono + secs(60.0)));
            }
            budget.settle(weight);
        }
        for (first, _) in &taken {
            let within = taken.iter().filter(|(at, _)| first <= at && *at < *first + secs(60.0));
            prop_assert!(within.map(|(_, weight)| weight).sum::<u32>() <= budget.limit());
        }
        prop_assert_eq!(budget.available(now.later(secs(60.0))), budget.limit());
    }
}
