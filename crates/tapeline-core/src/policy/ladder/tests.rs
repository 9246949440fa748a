//! Where a venue is expected to stand, rung by rung, and that it never flaps and always returns.

use proptest::prelude::*;

use super::*;

fn secs(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn at(seconds: f64) -> Mono {
    Mono::default() + secs(1_000.0 + seconds)
}

fn ladder() -> Ladder {
    Ladder::new(Rules::default(), at(0.0))
}

/// Everything as it should be.
const WELL: Facts = Facts {
    down_since: None,
    whole: true,
    complete: true,
    breakers_open: false,
    pollable: true,
    rest_ok: None,
    rest_owed: None,
    affordable: true,
};

/// No line since `since`, REST polled with success, and asked again at once.
fn polled(since: f64, now: f64) -> Facts {
    let (rest_ok, rest_owed) = (Some(at(now)), Some(at(now)));
    Facts { down_since: Some(at(since)), whole: false, complete: false, rest_ok, rest_owed, ..WELL }
}

/// Nothing at all since `since`.
fn dead(since: f64) -> Facts {
    Facts { rest_ok: None, ..polled(since, 0.0) }
}

/// What happens when the facts are asked for at every deadline from `from` to `to`.
fn run(ladder: &mut Ladder, from: f64, to: f64, facts: impl Fn(f64) -> Facts) -> Vec<(f64, Rung, Reason)> {
    let mut changes = Vec::new();
    let mut tenth = (from * 10.0).round();
    while tenth <= to * 10.0 {
        let now = tenth / 10.0;
        if let Some(change) = ladder.update(at(now), &facts(now)) {
            changes.push((now, change.to, change.reason));
        }
        tenth += 1.0;
    }
    changes
}

#[test]
fn orders_and_relapses_are_gone_on_with() {
    let mut before = ladder();
    // Left, returned to and left again twice: two relapses.
    let facts = |now: f64| match now {
        0.0..30.0 | 60.0..90.0 | 120.0..150.0 => polled(0.0, now),
        _ => WELL,
    };
    run(&mut before, 0.0, 149.0, facts);
    assert_eq!((before.rung(), before.hold(Rung::Primary)), (Rung::Poll, secs(40.0)));
    let mut after = Ladder::new(Rules::default(), at(150.0));
    after.go_on(at(150.0), &before);
    let dead = |now| polled(150.0, now);
    assert_eq!(run(&mut after, 150.0, 170.0, dead), [(155.0, Rung::Poll, Reason::NoLine)]);
    assert_eq!(after.hold(Rung::Primary), secs(40.0), "no better than it was, and no worse");
    before.pin(Rung::Cache);
    let mut after = Ladder::new(Rules::default(), at(150.0));
    after.go_on(at(150.0), &before);
    assert_eq!(after.update(at(150.0), &WELL).map(|change| change.reason), Some(Reason::Pinned));
}

#[test]
fn a_line_that_moves_elsewhere_is_the_first_rung_at_once() {
    let mut ladder = ladder();
    let moved = Facts { whole: false, ..WELL };
    assert_eq!(run(&mut ladder, 0.0, 1.0, |_| WELL), []);
    assert_eq!(run(&mut ladder, 1.0, 60.0, |_| moved), [(1.0, Rung::Alternate, Reason::LineAway)]);
    assert_eq!(run(&mut ladder, 60.0, 80.0, |_| WELL), [(70.0, Rung::Primary, Reason::Restored)]);
}

#[test]
fn a_short_cut_of_the_only_line_changes_nothing() {
    assert_eq!(run(&mut ladder(), 1.0, 5.9, |now| polled(1.0, now)), []);
}

#[test]
fn rest_takes_over_after_five_seconds_and_gives_back_after_ten() {
    let mut ladder = ladder();
    assert_eq!(run(&mut ladder, 1.0, 600.0, |now| polled(1.0, now)), [(6.0, Rung::Poll, Reason::NoLine)]);
    let back = Facts { rest_ok: Some(at(600.0)), ..WELL };
    assert_eq!(run(&mut ladder, 600.0, 620.0, |_| back), [(610.0, Rung::Primary, Reason::Restored)]);
}

#[test]
fn open_breakers_do_not_wait() {
    let closed = |now| Facts { breakers_open: true, ..polled(1.0, now) };
    assert_eq!(run(&mut ladder(), 1.0, 4.0, closed), [(1.0, Rung::Poll, Reason::BreakersOpen)]);
    let live = Facts { breakers_open: true, ..WELL };
    assert_eq!(run(&mut ladder(), 1.0, 30.0, |_| live), [], "a line that works is not gated");
}

#[test]
fn what_the_budget_does_not_carry_is_served_in_part() {
    let mut ladder = ladder();
    let short = |now| Facts { affordable: false, ..polled(0.0, now) };
    assert_eq!(run(&mut ladder, 0.0, 30.0, short), [(5.0, Rung::Partial, Reason::NoLine)]);
    assert_eq!(run(&mut ladder, 30.0, 60.0, |now| polled(0.0, now)), [(40.0, Rung::Poll, Reason::Restored)]);
    assert_eq!(run(&mut ladder, 60.0, 80.0, short), [(60.0, Rung::Partial, Reason::Budget)]);
}

#[test]
fn without_rest_for_fifteen_seconds_the_cache_serves() {
    let changes = run(&mut ladder(), 0.0, 3_600.0, |_| dead(0.0));
    assert_eq!(changes, [(5.0, Rung::Poll, Reason::NoLine), (20.0, Rung::Cache, Reason::NoRest)]);
}

#[test]
fn a_venue_that_cannot_be_polled_goes_to_the_cache_directly() {
    let streams_only = Facts { pollable: false, ..dead(0.0) };
    let mut ladder = ladder();
    assert_eq!(run(&mut ladder, 0.0, 60.0, |_| streams_only), [(15.0, Rung::Cache, Reason::NoLine)]);
    let back = Facts { pollable: false, ..WELL };
    assert_eq!(run(&mut ladder, 60.0, 75.0, |_| back), [(70.0, Rung::Primary, Reason::Restored)]);
}

#[test]
fn a_venue_that_was_dead_returns_by_itself_over_whatever_comes_first() {
    let mut ladder = ladder();
    run(&mut ladder, 0.0, 100.0, |_| dead(0.0));
    let rest_first = run(&mut ladder, 100.0, 130.0, |now| polled(0.0, now));
    assert_eq!(rest_first, [(110.0, Rung::Poll, Reason::Restored)]);
    let line = |now| Facts { rest_ok: Some(at(now)), ..WELL };
    assert_eq!(run(&mut ladder, 130.0, 150.0, line), [(140.0, Rung::Primary, Reason::Restored)]);
}

#[test]
fn a_step_that_would_hold_back_a_better_one_is_left_out() {
    let mut ladder = ladder();
    run(&mut ladder, 0.0, 100.0, |_| dead(0.0));
    run(&mut ladder, 100.0, 102.0, |now| polled(0.0, now));
    let line = |now| Facts { rest_ok: Some(at(now)), ..WELL };
    // REST has held at 110, but the line will have at 112.1: a change at 110 would put that off to 115.
    assert_eq!(run(&mut ladder, 102.1, 140.0, line), [(112.1, Rung::Primary, Reason::Restored)]);
}

#[test]
fn while_rest_is_dead_a_live_line_serves_what_it_can() {
    let mut ladder = ladder();
    run(&mut ladder, 0.0, 100.0, |_| dead(0.0));
    let unsynced = Facts { complete: false, ..WELL };
    assert_eq!(run(&mut ladder, 100.0, 200.0, |_| unsynced), [(110.0, Rung::Primary, Reason::Restored)]);
    // And a line that is live when polling dies is better than the cache, whatever hold it had still to serve.
    run(&mut ladder, 200.0, 210.0, |now| polled(200.0, now));
    assert_eq!(ladder.rung(), Rung::Poll);
    let (rest_ok, rest_owed) = (Some(at(210.0)), Some(at(210.0)));
    let dying = Facts { complete: false, rest_ok, rest_owed, ..WELL };
    assert_eq!(run(&mut ladder, 210.0, 240.0, |_| dying), [(225.0, Rung::Primary, Reason::LineBeforeCache)]);
}

#[test]
fn an_unconfirmed_topic_keeps_polling_going() {
    let mut ladder = ladder();
    run(&mut ladder, 0.0, 60.0, |now| polled(0.0, now));
    let half = |now| Facts { complete: false, rest_ok: Some(at(now)), ..WELL };
    assert_eq!(run(&mut ladder, 60.0, 300.0, half), []);
}

#[test]
fn every_relapse_within_ten_minutes_doubles_the_hold() {
    let mut ladder = ladder();
    let mut now = 0.0;
    for expected in [10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0] {
        run(&mut ladder, now, now + 30.0, |t| polled(now, t));
        assert_eq!((ladder.rung(), ladder.hold(Rung::Alternate)), (Rung::Poll, secs(expected)));
        now += 30.0;
        let line = |t| Facts { rest_ok: Some(at(t)), ..WELL };
        let changes = run(&mut ladder, now, now + 350.0, line);
        assert_eq!(changes, [(now + expected, Rung::Primary, Reason::Restored)]);
        now += 350.0;
    }
    run(&mut ladder, now, now + 601.0, |_| WELL);
    now += 601.0;
    run(&mut ladder, now, now + 30.0, |t| polled(now, t));
    assert_eq!(ladder.hold(Rung::Alternate), secs(10.0), "what held for ten minutes is no relapse");
}

#[test]
fn flaps_between_two_lines_do_not_slow_the_way_back_from_rest() {
    let mut ladder = ladder();
    for round in 0..20 {
        let start = f64::from(round) * 40.0;
        run(&mut ladder, start, start + 5.0, |_| Facts { whole: false, ..WELL });
        run(&mut ladder, start + 5.1, start + 39.9, |_| WELL);
    }
    assert!(ladder.hold(Rung::Primary) >= secs(40.0));
    assert_eq!(ladder.hold(Rung::Alternate), secs(10.0));
    ladder.forgive();
    assert_eq!(ladder.hold(Rung::Primary), secs(10.0));
}

#[test]
fn a_pinned_ladder_stays_whatever_happens_until_it_is_released() {
    let mut ladder = ladder();
    ladder.pin(Rung::Poll);
    let ok = |now| Facts { rest_ok: Some(at(now)), ..WELL };
    assert_eq!(run(&mut ladder, 0.0, 900.0, ok), [(0.0, Rung::Poll, Reason::Pinned)]);
    assert_eq!(run(&mut ladder, 900.0, 1_800.0, |_| dead(900.0)), []);
    assert_eq!(ladder.pinned(), Some(Rung::Poll));
    ladder.unpin();
    assert_eq!(run(&mut ladder, 1_800.0, 1_900.0, |_| dead(900.0)), [(1_800.0, Rung::Cache, Reason::NoRest)]);
}

#[test]
fn a_manual_fallback_returns_after_the_usual_hold() {
    let mut ladder = ladder();
    let ok = |now| Facts { rest_ok: Some(at(now)), ..WELL };
    run(&mut ladder, 0.0, 100.0, ok);
    ladder.trigger(Rung::Poll);
    let expected = [(100.0, Rung::Poll, Reason::Triggered), (110.0, Rung::Primary, Reason::Restored)];
    assert_eq!(run(&mut ladder, 100.0, 130.0, ok), expected);
    ladder.trigger(Rung::Poll);
    run(&mut ladder, 130.0, 150.0, ok);
    assert_eq!(ladder.hold(Rung::Primary), secs(10.0), "an operator's wish is no relapse");
}

#[test]
fn a_manual_fallback_to_where_it_stands_begins_the_hold_anew() {
    let mut ladder = ladder();
    let ok = |now| Facts { rest_ok: Some(at(now)), ..WELL };
    ladder.trigger(Rung::Cache);
    run(&mut ladder, 0.0, 9.0, ok);
    ladder.trigger(Rung::Cache);
    assert_eq!(run(&mut ladder, 9.0, 60.0, ok), [(19.0, Rung::Primary, Reason::Restored)]);
}

#[test]
fn orders_wait_for_the_spacing_too() {
    let mut ladder = ladder();
    ladder.trigger(Rung::Cache);
    assert_eq!(ladder.update(at(0.0), &WELL).map(|change| change.to), Some(Rung::Cache));
    ladder.pin(Rung::Primary);
    assert_eq!(ladder.update(at(1.0), &WELL), None);
    assert_eq!(ladder.deadline(at(1.0), &WELL), Some(at(5.0)));
    assert_eq!(ladder.update(at(5.0), &WELL).map(|change| change.to), Some(Rung::Primary));
}

#[test]
fn a_venue_that_is_well_has_nothing_to_wait_for() {
    let mut ladder = ladder();
    assert_eq!(ladder.update(at(0.0), &WELL), None);
    assert_eq!(ladder.deadline(at(0.0), &WELL), None);
}

#[test]
fn rungs_have_numbers_and_words() {
    let numbers: Vec<_> = Rung::ALL.into_iter().map(Rung::number).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4]);
    for rung in Rung::ALL {
        assert_eq!(serde_json::to_value(rung).unwrap(), rung.name());
    }
}

/// One stretch of a venue's life: how long, and what holds in it.
type Stretch = (f64, [bool; 6], u8);

fn life() -> impl Strategy<Value = Vec<Stretch>> {
    let length = prop_oneof![0.1..8.0, 8.0..90.0, 90.0..900.0_f64];
    proptest::collection::vec((length, any::<[bool; 6]>(), 0u8..12), 1..60)
}

/// The facts over time: stretches as they are, with REST answering every 5 s where it does.
struct Life(Vec<(f64, Facts, u8)>);

impl Life {
    fn new(stretches: &[Stretch]) -> (Self, f64) {
        let (mut start, mut down, mut rest_ok, mut owed, mut all) = (0.0, None, None, None, Vec::new());
        for (length, [live, whole, complete, breakers_open, rest, affordable], order) in stretches {
            down = if *live { None } else { down.or(Some(at(start))) };
            let end = start + (length * 10.0).round() / 10.0 + 0.1;
            let mut order = Some(*order);
            let facts = |rest_ok, rest_owed| Facts {
                down_since: down,
                whole: *live && *whole,
                complete: *live && *complete,
                breakers_open: *breakers_open,
                pollable: true,
                rest_ok,
                rest_owed,
                affordable: *affordable,
            };
            let mut now = start;
            while now < end {
                rest_ok = if *rest { Some(at(now)) } else { rest_ok };
                owed = if *rest { None } else { owed.or(Some(at(now))) };
                all.push((now, facts(rest_ok, owed), order.take().unwrap_or(u8::MAX)));
                now += 5.0;
            }
            start = end;
        }
        (Self(all), start)
    }

    /// Every change, when the ladder is asked at each change of the facts and between them as `pace` says.
    fn play(&self, end: f64, orders: bool, pace: Option<f64>) -> Vec<(Mono, Change)> {
        let mut ladder = ladder();
        let mut changes = Vec::new();
        let ends = self.0.iter().skip(1).map(|(start, ..)| *start).chain([end]);
        for ((start, facts, order), end) in self.0.iter().zip(ends) {
            match order {
                0 if orders => ladder.pin(Rung::Poll),
                1 if orders => ladder.trigger(Rung::Cache),
                2 | 3 if orders => ladder.unpin(),
                _ => {}
            }
            let (mut now, end) = (at(*start), at(end));
            while now < end {
                let pinned = ladder.pinned();
                if let Some(change) = ladder.update(now, facts) {
                    assert!(pinned.is_none_or(|rung| change.to == rung), "pinned stays");
                    changes.push((now, change));
                }
                let next = pace.map(|pace| now + secs(pace));
                now = next.or_else(|| ladder.deadline(now, facts)).unwrap_or(Mono::NEVER);
            }
        }
        changes
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whatever happens: changes keep their distance, and each says truly what it leaves.
    #[test]
    fn never_two_changes_within_five_seconds(stretches in life(), orders: bool) {
        let (life, end) = Life::new(&stretches);
        let changes = life.play(end, orders, None);
        for pair in changes.windows(2) {
            prop_assert!(pair[1].0.since(pair[0].0) >= secs(5.0), "{pair:?}");
            prop_assert_eq!(pair[0].1.to, pair[1].1.from);
        }
        prop_assert!(changes.iter().all(|(_, change)| change.from != change.to));
    }

    /// The deadlines are enough: asking ten times a second finds no change earlier, and none more.
    #[test]
    fn who_comes_at_the_deadlines_misses_nothing(stretches in life(), orders: bool) {
        let (life, end) = Life::new(&stretches);
        let (lazy, eager) = (life.play(end, orders, None), life.play(end, orders, Some(0.1)));
        prop_assert_eq!(lazy.len(), eager.len(), "{:?}\n{:?}", lazy, eager);
        for (lazy, eager) in lazy.iter().zip(&eager) {
            prop_assert_eq!(lazy.1, eager.1);
            prop_assert!(eager.0.since(lazy.0) <= secs(0.1) && lazy.0.since(eager.0) == Duration::ZERO);
        }
    }

    /// However it got where it is, unpinned and with everything well it is back within the longest hold.
    #[test]
    fn it_always_returns_when_all_is_well_for_long_enough(stretches in life(), orders: bool) {
        let (life, end) = Life::new(&stretches);
        let mut stretches = stretches;
        stretches.push((306.0, [true, true, true, false, true, true], 2));
        let (well, well_end) = Life::new(&stretches);
        prop_assert!(well_end > end + 305.0 && life.0.len() < well.0.len());
        let last = well.play(well_end, orders, None).last().map_or(Rung::Primary, |(_, change)| change.to);
        prop_assert_eq!(last, Rung::Primary);
    }

    /// A line that comes and goes in any rhythm: the rung changes a few times an hour, not with every turn.
    #[test]
    fn a_flapping_line_does_not_make_a_flapping_venue(up in 0.2..600.0_f64, down in 0.2..60.0_f64) {
        let stretches: Vec<Stretch> = std::iter::repeat_n([up, down], (7_200.0 / (up + down)).ceil() as usize)
            .flat_map(|[up, down]| {
                [(up, [true, true, true, false, true, true], 9), (down, [false, false, false, false, true, true], 9)]
            })
            .collect();
        let (life, end) = Life::new(&stretches);
        let changes = life.play(end, false, None);
        let busiest = (0..changes.len())
            .map(|i| changes[i..].iter().take_while(|c| c.0.since(changes[i].0) < secs(3_600.0)).count())
            .max();
        prop_assert!(busiest.unwrap_or(0) <= 34, "{} changes in an hour", busiest.unwrap_or(0));
    }
}
