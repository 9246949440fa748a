//! What a ledger must say of streams whose truth is known.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;

use super::super::sequence::{Sequence, Verdict};
use super::*;

/// A day that begins at midnight, on both clocks.
fn at(seconds: f64) -> Time {
    let start = Time { mono: Mono(7_000_000_000), unix: Unix(1_800_000_000 * 1_000_000_000) };
    start.later(Duration::from_secs_f64(seconds))
}

fn ids(from: u64, to: u64) -> Missing {
    Missing { from, to }
}

/// (expected, received, duplicate, repaired, lost, unverifiable)
fn tuple(counts: Counts) -> (u64, u64, u64, u64, u64, u64) {
    let Counts { expected, received, duplicate, repaired, lost, unverifiable } = counts;
    (expected, received, duplicate, repaired, lost, unverifiable)
}

#[test]
fn each_column_counts_what_it_says() {
    let mut ledger = Ledger::default();
    ledger.received(at(0.0), 100);
    ledger.duplicate(at(1.0), 90);
    ledger.repaired(at(2.0), 3);
    ledger.lost(at(3.0), ids(104, 110));
    assert_eq!(tuple(ledger.total()), (110, 100, 90, 3, 7, 0));
    assert_eq!(ledger.total().completeness(), Some(103.0 / 110.0));
}

#[test]
fn what_has_no_contiguous_ids_is_received_but_not_expected() {
    let mut ledger = Ledger::default();
    ledger.unverifiable(at(0.0), 5);
    assert_eq!(tuple(ledger.total()), (0, 5, 0, 0, 0, 5));
    assert_eq!(ledger.total().completeness(), None);
}

#[test]
fn what_comes_late_moves_from_lost_to_repaired_in_its_own_minute() {
    let mut ledger = Ledger::default();
    ledger.lost(at(10.0), ids(5, 9));
    ledger.lost(at(70.0), ids(20, 21));
    for id in [7, 5, 9, 6, 8] {
        assert!(ledger.late(at(130.0), id), "{id}");
        assert!(!ledger.late(at(130.0), id), "{id} again is a copy");
    }
    let minutes: Vec<_> = ledger.read().minutes.iter().map(|minute| tuple(minute.counts)).collect();
    assert_eq!(minutes, [(5, 0, 0, 5, 0, 0), (2, 0, 0, 0, 2, 0), (0, 0, 5, 0, 0, 0)]);
}

#[test]
fn what_comes_later_than_the_minutes_kept_still_moves_in_the_total() {
    let mut ledger = Ledger::default();
    ledger.lost(at(0.0), ids(1, 2));
    (1..=100).for_each(|minute| ledger.received(at(60.0 * f64::from(minute)), 1));
    assert!(ledger.late(at(6_000.0), 2));
    assert_eq!(tuple(ledger.total()), (102, 100, 0, 1, 1, 0));
    assert_eq!(ledger.read().minutes.len(), Ledger::MINUTES);
}

#[test]
fn after_a_restart_of_the_ids_what_was_lost_stays_lost() {
    let mut ledger = Ledger::default();
    ledger.lost(at(0.0), ids(1, 2));
    ledger.restart();
    assert!(!ledger.late(at(1.0), 1));
    assert_eq!(tuple(ledger.total()), (2, 0, 1, 0, 2, 0));
}

#[test]
fn minutes_are_those_of_the_wall_clock() {
    let mut ledger = Ledger::default();
    for seconds in [0.0, 59.999, 60.0, 61.0, 119.9, 300.0] {
        ledger.received(at(seconds), 1);
    }
    let minutes: Vec<_> = ledger.read().minutes;
    let starts: Vec<_> = minutes.iter().map(|minute| (minute.start, minute.counts.received)).collect();
    assert_eq!(starts, [(at(0.0).unix, 2), (at(60.0).unix, 3), (at(300.0).unix, 1)]);
}

#[test]
fn a_jump_of_the_wall_clock_ends_no_minute_early_and_makes_none_endless() {
    let jump = |seconds: f64, by: i64| {
        let time = at(seconds);
        Time { unix: Unix(time.unix.0 + by * 1_000_000_000), ..time }
    };
    let mut ledger = Ledger::default();
    ledger.received(at(0.0), 1);
    ledger.received(jump(30.0, -7_200), 1);
    ledger.received(jump(59.0, -7_200), 1);
    ledger.received(jump(61.0, -7_200), 1);
    ledger.received(jump(125.0, -7_200), 1);
    let counts: Vec<_> = ledger.read().minutes.iter().map(|minute| minute.counts.received).collect();
    assert_eq!(counts, [3, 1, 1]);
}

#[test]
fn a_slow_wall_clock_makes_no_second_row_for_one_minute() {
    let mut ledger = Ledger::default();
    ledger.received(at(10.0), 1);
    let late = Time { unix: at(59.99).unix, ..at(60.0) };
    ledger.received(late, 1);
    ledger.received(late.later(Duration::from_millis(20)), 1);
    let counts: Vec<_> = ledger.read().minutes.iter().map(|minute| minute.counts.received).collect();
    assert_eq!(counts, [2, 1]);
}

#[test]
fn absurd_ranges_saturate() {
    let mut ledger = Ledger::default();
    ledger.lost(at(0.0), ids(0, u64::MAX));
    ledger.lost(at(0.0), ids(9, 3));
    ledger.received(at(0.0), u32::MAX);
    ledger.received(at(0.0), u32::MAX);
    assert_eq!(ledger.total().lost, u64::MAX);
    assert_eq!(ledger.total().expected, u64::MAX);
    assert!(ledger.late(at(0.0), u64::MAX));
}

#[test]
fn thousands_of_holes_leave_a_bounded_memory() {
    let mut ledger = Ledger::default();
    (0..9_000).for_each(|n| ledger.lost(at(n as f64), ids(10 * n, 10 * n + 2)));
    assert_eq!((0..32).filter(|n| ledger.late(at(9_000.0), 10 * (8_999 - n) + 1)).count(), 32);
    assert!(ledger.lost.len() <= Ledger::RANGES && ledger.rows.len() <= Ledger::MINUTES);
    assert!(!ledger.late(at(9_000.0), 0), "the oldest holes are forgotten");
    assert_eq!(ledger.total().expected, 27_000);
}

#[test]
fn a_reading_is_flat_json() {
    let mut ledger = Ledger::default();
    ledger.received(at(0.0), 2);
    let json = serde_json::to_value(ledger.read()).unwrap();
    assert_eq!(json["total"]["expected"], 2);
    assert_eq!(json["minutes"][0]["received"], 2);
    assert_eq!(json["minutes"][0]["start"], "1800000000000000000");
}

/// What happens to one id on its way here.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Comes(u8),
    Repaired,
    Lost,
    Late(u16),
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        8 => (1u8..4).prop_map(Fate::Comes),
        1 => Just(Fate::Repaired),
        1 => Just(Fate::Lost),
        1 => (1u16..4_000).prop_map(Fate::Late),
    ]
}

proptest! {
    /// Whatever happens to ids: the ledger's minutes are those of a model that remembers each id.
    #[test]
    fn minutes_and_totals_are_those_of_a_model_with_a_perfect_memory(
        fates in proptest::collection::vec((fate(), 0u32..20_000), 1..300),
    ) {
        let (mut ledger, mut now) = (Ledger::default(), 0.0);
        // By minute: the ids received, repaired and lost, and copies.
        let mut model: BTreeMap<i64, [BTreeSet<u64>; 3]> = BTreeMap::new();
        let mut copies = 0;
        let mut late: BTreeMap<u64, (u64, i64)> = BTreeMap::new();
        let minute = |now: f64| at(now).unix.0 / MINUTE;
        for (id, (fate, wait)) in (1u64..).zip(&fates) {
            now += f64::from(*wait) / 1e3;
            let of = |model: &mut BTreeMap<i64, _>, column: usize| {
                let sets: &mut [BTreeSet<u64>; 3] = model.entry(minute(now)).or_default();
                sets[column].insert(id);
            };
            match *fate {
                Fate::Comes(times) => {
                    ledger.received(at(now), 1);
                    ledger.duplicate(at(now), u32::from(times) - 1);
                    copies += u64::from(times) - 1;
                    of(&mut model, 0);
                }
                Fate::Repaired => { ledger.repaired(at(now), 1); of(&mut model, 1); }
                Fate::Lost | Fate::Late(_) => { ledger.lost(at(now), ids(id, id)); of(&mut model, 2); }
            }
            if let Fate::Late(after) = *fate { late.insert(id + u64::from(after) % 40, (id, minute(now))); }
            if let Some((lost, minute)) = late.remove(&id) && ledger.late(at(now), lost) {
                let sets = model.get_mut(&minute).unwrap();
                prop_assert!(sets[2].remove(&lost) && sets[1].insert(lost));
            }
        }
        let total = ledger.total();
        let count = |column: usize| model.values().map(|sets| sets[column].len() as u64).sum::<u64>();
        prop_assert_eq!(tuple(total), (fates.len() as u64, count(0), copies, count(1), count(2), 0));
        let kept = ledger.read().minutes;
        for minute in &kept {
            let counts = minute.counts;
            prop_assert_eq!(counts.expected, counts.received + counts.repaired + counts.lost);
            let empty = Default::default();
            let sets = model.get(&(minute.start.0 / MINUTE)).unwrap_or(&empty);
            let sizes = sets.each_ref().map(|set| set.len() as u64);
            prop_assert_eq!([counts.received, counts.repaired, counts.lost], sizes);
        }
        prop_assert!(kept.len() <= Ledger::MINUTES);
    }

    /// Behind the sequencer, with copies, swaps and holes: expected is the span of the ids, and what came once
    /// plus what was lost is all of it.
    #[test]
    fn behind_a_sequence_what_came_once_and_what_was_lost_is_what_was_expected(
        kept in proptest::collection::vec(any::<bool>(), 1..200),
        copies in proptest::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let mut ids: Vec<u64> = (10u64..).zip(&kept).filter(|(id, kept)| *id == 10 || **kept).map(|(id, _)| id).collect();
        for index in &copies { let at = index.index(ids.len()); ids.insert(at + 1, ids[at]); }
        let (mut ledger, mut sequence) = (Ledger::default(), Sequence::default());
        let drain = |ledger: &mut Ledger, sequence: &mut Sequence<()>| {
            while sequence.release().is_some() { ledger.received(at(0.0), 1); }
        };
        for &id in &ids {
            match sequence.judge(id, false) {
                Verdict::Next | Verdict::Reset => ledger.received(at(0.0), 1),
                Verdict::Duplicate => ledger.duplicate(at(0.0), 1),
                Verdict::Ahead => sequence.hold(Mono::default(), id, ()),
            }
            drain(&mut ledger, &mut sequence);
        }
        while let Some(missing) = sequence.give_up() {
            ledger.lost(at(0.0), missing);
            drain(&mut ledger, &mut sequence);
        }
        let total = ledger.total();
        let once: BTreeSet<_> = ids.iter().copied().collect();
        prop_assert_eq!(total.expected, once.last().unwrap() - 9);
        prop_assert_eq!(total.expected, once.len() as u64 + total.lost);
        prop_assert_eq!(total.received, once.len() as u64);
        prop_assert_eq!(total.duplicate, (ids.len() - once.len()) as u64);
    }
}
