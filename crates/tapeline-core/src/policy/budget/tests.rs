//! What budgets are expected to allow.

use proptest::prelude::*;

use super::*;

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

/// 80 % of 6,000 per minute.
fn spot() -> WeightWindow {
    WeightWindow::new(RestLimit { weight: 6_000, per: secs(60.0) }, 80)
}

/// Takes snapshots of 250 until no more fit; how many.
fn fill(budget: &mut WeightWindow, now: Mono) -> usize {
    (0..1_000).take_while(|_| budget.try_take(now, 250)).count()
}

#[test]
fn a_minute_holds_its_share_of_the_weight() {
    let mut budget = spot();
    assert_eq!(fill(&mut budget, at(0.0)), 19);
    assert_eq!(budget.available(at(0.0)), 50);
    assert!(budget.try_take(at(0.0), 50));
    assert!(!budget.try_take(at(0.0), 1));
}

#[test]
fn weight_is_free_again_a_minute_after_it_came_back() {
    let mut budget = spot();
    for n in 0..fill(&mut budget, at(0.0)) {
        budget.settle(at(0.1 * (n + 1) as f64), 250);
    }
    assert_eq!(budget.next(at(2.0), 250), at(60.1));
    assert_eq!(budget.next(at(2.0), 300), at(60.1), "50 were left");
    assert_eq!(budget.next(at(2.0), 301), at(60.2));
    assert_eq!(budget.next(at(2.0), 4_800), at(61.9));
    assert!(!budget.try_take(at(60.09), 250));
    assert!(budget.try_take(at(60.1), 250));
    assert!(!budget.try_take(at(60.1), 250));
    assert!(budget.try_take(at(60.2), 250));
}

#[test]
fn a_request_under_way_counts_until_a_minute_after_its_answer() {
    let mut budget = spot();
    assert!(budget.try_take(at(0.0), 4_000));
    assert_eq!(budget.next(at(1.0), 1_000), at(60.0), "not before, whenever it is answered");
    budget.settle(at(9.0), 4_000);
    assert_eq!(budget.available(at(68.9)), 800);
    assert_eq!(budget.next(at(9.0), 1_000), at(69.0));
    assert_eq!(budget.available(at(69.0)), 4_800);
}

#[test]
fn weight_that_never_fits_is_never_due() {
    assert_eq!(spot().next(at(0.0), 4_801), Mono::NEVER);
    assert_eq!(spot().next(at(0.0), 4_800), at(0.0));
}

#[test]
fn the_venues_figure_wins_if_it_is_larger() {
    let mut budget = spot();
    assert!(budget.try_take(at(0.0), 250));
    budget.settle(at(0.0), 250);
    budget.observe(at(0.0), 4_000);
    assert_eq!(budget.available(at(0.0)), 800);
    assert!(budget.try_take(at(0.0), 250));
    assert_eq!(budget.available(at(0.0)), 550);
}

#[test]
fn a_smaller_figure_frees_nothing_we_took() {
    let mut budget = spot();
    assert!(budget.try_take(at(0.0), 1_000));
    budget.settle(at(0.0), 1_000);
    budget.observe(at(0.0), 10);
    assert_eq!(budget.available(at(0.0)), 3_800);
}

#[test]
fn a_figure_that_our_own_requests_explain_holds_nothing_back() {
    let mut budget = spot();
    for second in 0..4 {
        assert!(budget.try_take(at(f64::from(second)), 1_200));
        budget.settle(at(f64::from(second)), 1_200);
        budget.observe(at(f64::from(second)), 1_200 * (second as u32 + 1));
    }
    assert_eq!(budget.next(at(4.0), 1_200), at(60.0), "not a minute after the last reply");
    assert!(budget.try_take(at(60.0), 1_200));
    budget.settle(at(60.0), 1_200);
    budget.observe(at(60.0), 4_800);
    assert_eq!(budget.next(at(60.5), 1_200), at(61.0));
    budget.observe(at(60.5), 4_801);
    assert_eq!(budget.next(at(60.5), 1_200), at(120.5), "somebody else has taken some");
}

#[test]
fn requests_under_way_are_added_to_the_venues_figure() {
    let mut budget = spot();
    assert!(budget.try_take(at(0.0), 250));
    assert!(budget.try_take(at(0.0), 250));
    budget.settle(at(0.0), 250);
    budget.observe(at(0.0), 3_000);
    assert_eq!(budget.available(at(0.0)), 4_800 - 3_000 - 250);
}

#[test]
fn a_late_figure_of_the_minute_before_is_corrected_by_the_next() {
    let mut budget = spot();
    budget.observe(at(0.1), 4_700);
    assert_eq!(budget.available(at(0.1)), 100);
    budget.observe(at(0.2), 60);
    assert_eq!(budget.available(at(0.2)), 4_740);
}

#[test]
fn a_figure_far_over_the_limit_blocks_for_a_minute() {
    let mut budget = spot();
    budget.observe(at(5.0), u32::MAX);
    assert_eq!(budget.available(at(64.9)), 0);
    assert_eq!(budget.next(at(6.0), 250), at(65.0));
    assert_eq!(budget.available(at(65.0)), 4_800);
}

#[test]
fn what_nobody_settles_is_forgotten_after_a_window() {
    let mut budget = spot();
    fill(&mut budget, at(0.0));
    assert_eq!(budget.available(at(59.9)), 50);
    assert_eq!(budget.next(at(30.0), 4_800), at(60.0));
    assert_eq!(budget.available(at(60.0)), 4_800);
}

#[test]
fn a_process_begins_with_what_the_one_before_used() {
    let mut before = spot();
    assert!(before.try_take(at(100.0), 1_000));
    before.settle(at(101.0), 1_000);
    assert!(before.try_take(at(110.0), 3_000));
    before.settle(at(111.0), 3_000);
    let (used, left) = before.used(at(121.0));
    assert_eq!((used, left), (4_000, secs(50.0)));
    let mut after = spot();
    after.restore(at(0.0), used, left);
    assert_eq!(after.available(at(49.9)), 800);
    assert_eq!(after.available(at(50.0)), 4_800);
    let mut much_later = spot();
    much_later.restore(at(0.0), 4_000, secs(1e6));
    assert_eq!(much_later.available(at(60.0)), 4_800, "never longer than a window");
}

#[test]
fn a_window_of_no_length_is_survived() {
    let mut budget = WeightWindow::new(RestLimit { weight: 10, per: Duration::ZERO }, 100);
    assert!(budget.try_take(at(0.0), 10));
    assert!(budget.next(at(0.0), 10) > at(0.0));
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
fn an_operator_lifts_a_hold_and_no_ban() {
    let mut hold = Hold::default();
    assert!(!hold.lift(at(0.0)), "there is none");
    hold.extend(at(0.0), at(60.0), SLOWED);
    assert!(hold.lift(at(1.0)));
    assert_eq!(hold.held(at(1.0)), None);
    hold.extend(at(2.0), Mono::NEVER, BANNED);
    assert!(!hold.lift(at(3.0)) && hold.is_banned(at(1e9)));
    // A ban within a longer pause.
    let mut hold = Hold::default();
    hold.extend(at(0.0), at(120.0), SLOWED);
    hold.extend(at(0.0), at(60.0), BANNED);
    assert!(!hold.lift(at(59.0)));
    assert_eq!((hold.held(at(59.0)), hold.lift(at(121.0))), (Some(at(120.0)), false));
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
        phase in 0_u64..60_000,
        asks in prop::collection::vec(
            (prop_oneof![9 => 0_u64..20_000, 1 => 0_u64..200_000], 1_u32..1_200, 0_u32..20_000), 1..200),
    ) {
        let mut budget = spot();
        let mut now = Mono::default();
        // When the venue counted each: at any time between its being sent and its being answered.
        let mut counted: Vec<(Mono, u32)> = Vec::new();
        let mut under_way: VecDeque<(Mono, u32)> = VecDeque::new();
        for (gap, weight, figure) in asks {
            // A request is answered or given up within the window, as the feed sees to.
            while let Some((sent, weight)) = under_way.pop_front_if(|(sent, _)| now.since(*sent) > secs(10.0)) {
                counted.push((sent + secs(f64::from(figure % 10)), weight));
                budget.settle(now, weight);
            }
            now += Duration::from_millis(gap.min(if under_way.is_empty() { u64::MAX } else { 20_000 }));
            if figure % 3 == 0 && let Some((sent, weight)) = under_way.pop_front() {
                counted.push((if figure % 2 == 0 { now } else { sent }, weight));
                budget.settle(now, weight);
            }
            if figure % 7 == 0 {
                budget.observe(now, figure);
            }
            let due = budget.next(now, weight);
            let fits = budget.try_take(now, weight);
            prop_assert_eq!(fits, due == now);
            if fits {
                under_way.push_back((now, weight));
            } else {
                prop_assert!(due <= now + secs(60.0), "blocked for a window at most");
                prop_assert!(budget.clone().try_take(due, weight), "it fits when it was said to");
            }
        }
        let minute = |at: Mono| (at + Duration::from_millis(phase)).0 / 60_000_000_000;
        for (at, _) in &counted {
            let same = counted.iter().filter(|(other, _)| minute(*other) == minute(*at));
            prop_assert!(same.map(|(_, weight)| weight).sum::<u32>() <= budget.limit());
        }
        prop_assert_eq!(budget.available(now + secs(60.0)), budget.limit());
    }
}
