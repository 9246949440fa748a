//! A ladder is an ordered map of decimals, only faster.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tapeline_core::data::book::{Ladder, LadderError};
use tapeline_core::data::decimal::Decimal;
use tapeline_core::data::event::Level;

use super::dec;

const LIMIT: usize = 400;

/// The plain form of one side.
struct Model {
    bids: bool,
    levels: BTreeMap<Decimal, Decimal>,
}

impl Model {
    fn set(&mut self, price: Decimal, size: Decimal) -> Result<(), LadderError> {
        if size.is_negative() {
            return Err(LadderError::Negative);
        }
        if size.is_zero() {
            self.levels.remove(&price);
        } else if self.levels.contains_key(&price) || self.levels.len() < LIMIT {
            self.levels.insert(price, size);
        } else {
            return Err(LadderError::Full);
        }
        Ok(())
    }

    fn best_first(&self) -> Vec<Level> {
        let level = |(price, size): (&Decimal, &Decimal)| Level { price: *price, size: *size };
        match self.bids {
            true => self.levels.iter().rev().map(level).collect(),
            false => self.levels.iter().map(level).collect(),
        }
    }
}

#[derive(Debug, Clone)]
enum Op {
    /// Sets a size `offset` steps of 10^-scale away from the centre.
    Set {
        offset: i64,
        scale: u8,
        size: i64,
        size_scale: u8,
    },
    /// Removes the n-th level from the best, wrapping round.
    RemoveNth(usize),
    /// The market moves.
    Move(i64),
    /// A number at the end of what can be written.
    Huge {
        mantissa: i128,
        scale: u8,
    },
    Clear,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let offset = prop_oneof![
        6 => -80i64..80,
        3 => -5_000i64..5_000,
        2 => -80_000i64..80_000,
        1 => -9_000_000i64..9_000_000,
    ];
    let size = prop_oneof![3 => Just(0i64), 6 => 1i64..1_000_000, 1 => Just(i64::MAX / 3)];
    let set =
        (offset, prop_oneof![8 => Just(2u8), 1 => 0u8..5], size, prop_oneof![8 => Just(3u8), 1 => 0u8..9])
            .prop_map(|(offset, scale, size, size_scale)| Op::Set { offset, scale, size, size_scale });
    let huge = prop_oneof![
        Just(i128::from(i64::MAX)),
        Just(i128::from(i64::MIN)),
        Just(i128::from(i64::MAX) - 1),
        Just(1i128 << 100),
        Just(-(1i128 << 100)),
    ];
    let op = prop_oneof![
        300 => set,
        100 => (0usize..40).prop_map(Op::RemoveNth),
        12 => prop_oneof![-600i64..600, -70_000i64..70_000].prop_map(Op::Move),
        1 => (huge, 0u8..30).prop_map(|(mantissa, scale)| Op::Huge { mantissa, scale }),
        1 => Just(Op::Clear),
    ];
    prop::collection::vec(op, 1..1_200)
}

fn run(bids: bool, start: i64, ops: Vec<Op>) -> Result<(), TestCaseError> {
    let mut ladder = if bids { Ladder::bids(LIMIT) } else { Ladder::asks(LIMIT) };
    let mut model = Model { bids, levels: BTreeMap::new() };
    let mut centre = start;
    for (n, op) in ops.into_iter().enumerate() {
        let (price, size) = match op {
            Op::Move(by) => {
                centre += by;
                continue;
            }
            Op::Clear => {
                ladder.clear();
                model.levels.clear();
                continue;
            }
            Op::RemoveNth(nth) => {
                let held = model.best_first();
                let Some(level) = held.get(nth % held.len().max(1)) else { continue };
                (level.price, Decimal::ZERO)
            }
            Op::Set { offset, scale, size, size_scale } => (
                Decimal::new(i128::from(centre + offset), scale).expect("in range"),
                Decimal::new(i128::from(size), size_scale).expect("in range"),
            ),
            Op::Huge { mantissa, scale } => {
                (Decimal::new(mantissa, scale).expect("in range"), Decimal::from(1))
            }
        };
        prop_assert_eq!(ladder.set(price, size), model.set(price, size));
        prop_assert_eq!(
            ladder.get(price),
            model.levels.get(&price).copied(),
            "after {}: {} = {}",
            n,
            price,
            size
        );
        prop_assert_eq!(ladder.len(), model.levels.len());
        let best = if bids { model.levels.last_key_value() } else { model.levels.first_key_value() };
        prop_assert_eq!(ladder.best().map(|best| best.price), best.map(|(price, _)| *price));
        if n % 64 == 0 {
            prop_assert_eq!(ladder.iter().collect::<Vec<_>>(), model.best_first());
        }
    }
    prop_assert_eq!(ladder.iter().collect::<Vec<_>>(), model.best_first());
    Ok(())
}

proptest! {
    #![proptest_config({
        let config = ProptestConfig::default();
        ProptestConfig { cases: config.cases / 2, failure_persistence: None, ..config }
    })]

    #[test]
    fn ladder_equals_an_ordered_map(bids: bool, start in prop_oneof![Just(6_174_000i64), Just(0), Just(-3_000)], ops in ops()) {
        run(bids, start, ops)?;
    }
}

/// Sets these prices (size 1) and expects this order.
fn check_order(mut ladder: Ladder, prices: &[&str], expected: &[&str]) {
    for price in prices {
        ladder.set(dec(price), dec("1")).expect(price);
    }
    let order: Vec<_> = ladder.iter().map(|level| level.price.to_string()).collect();
    assert_eq!(order, expected, "{prices:?}");
}

#[test]
fn levels_come_best_first_over_scales_distances_and_signs() {
    check_order(Ladder::bids(9), &["1", "3", "2"], &["3", "2", "1"]);
    check_order(Ladder::asks(9), &["1", "3", "2"], &["1", "2", "3"]);
    check_order(Ladder::asks(9), &["61800", "61799.9", "61799.95"], &["61799.9", "61799.95", "61800"]);
    check_order(Ladder::bids(9), &["61800.2", "1000", "0.00000001"], &["61800.2", "1000", "0.00000001"]);
    check_order(
        Ladder::asks(9),
        &["61800.2", "200000", "1e20"],
        &["61800.2", "200000", "100000000000000000000"],
    );
    check_order(Ladder::bids(9), &["0", "-1", "0.5", "-0.5"], &["0.5", "0", "-0.5", "-1"]);
    check_order(
        Ladder::asks(9),
        &["9223372036854775807", "-9223372036854775808", "0"],
        &["-9223372036854775808", "0", "9223372036854775807"],
    );
    check_order(
        Ladder::bids(9),
        &["9223372036854775807", "-9223372036854775808", "0"],
        &["9223372036854775807", "0", "-9223372036854775808"],
    );
}

#[test]
fn a_full_ladder_still_changes_and_removes() {
    let mut ladder = Ladder::asks(2);
    assert_eq!(ladder.set(dec("1"), dec("5")), Ok(()));
    assert_eq!(ladder.set(dec("2"), dec("5")), Ok(()));
    assert_eq!(ladder.set(dec("3"), dec("5")), Err(LadderError::Full));
    assert_eq!(ladder.set(dec("2.5"), dec("5")), Err(LadderError::Full), "finer than any level held");
    assert_eq!(ladder.set(dec("2"), dec("5.25")), Ok(()), "a finer size of a level held");
    assert_eq!(ladder.set(dec("1"), dec("0")), Ok(()));
    assert_eq!(ladder.set(dec("3"), dec("5")), Ok(()));
    assert_eq!(ladder.get(dec("2")), Some(dec("5.25")));
    assert_eq!(ladder.len(), 2);
}

#[test]
fn a_negative_size_is_refused_and_changes_nothing() {
    let mut ladder = Ladder::bids(9);
    ladder.set(dec("1"), dec("5")).expect("room");
    assert_eq!(ladder.set(dec("1"), dec("-5")), Err(LadderError::Negative));
    assert_eq!(ladder.set(dec("1"), dec("-0.0001")), Err(LadderError::Negative));
    assert_eq!(ladder.get(dec("1")), Some(dec("5")));
}

#[test]
fn the_last_of_two_equal_prices_wins() {
    let mut ladder = Ladder::bids(9);
    for size in ["5", "0", "7.5"] {
        ladder.set(dec("61800.20"), dec(size)).expect("room");
    }
    assert_eq!(ladder.best(), Some(Level { price: dec("61800.2"), size: dec("7.5") }));
}

/// The touch walks through a book that is wider than the window, level by level.
fn check_walk(mut ladder: Ladder, step: i64) {
    let levels = 9_000;
    let price = |n: i64| Decimal::from(if step > 0 { n * step } else { 1_000_000 + n * step });
    for n in 0..levels {
        ladder.set(price(n), Decimal::from(n + 1)).expect("room");
    }
    for n in 0..levels {
        let best = ladder.best().map(|best| (best.price, best.size));
        assert_eq!(best, Some((price(n), Decimal::from(n + 1))));
        if n % 1_500 == 0 {
            let left: Vec<Decimal> = ladder.iter().map(|level| level.price).collect();
            assert_eq!(left, (n..levels).map(price).collect::<Vec<_>>());
            let mut emptied = ladder.clone();
            (n..levels).rev().for_each(|n| emptied.set(price(n), Decimal::ZERO).expect("held"));
            assert!(emptied.is_empty(), "levels were lost sight of");
        }
        // A change far away, now and then, is what lets the window follow.
        if n % 100 == 0 {
            ladder.set(price(levels - 1), Decimal::from(levels)).expect("held");
        }
        ladder.set(price(n), Decimal::ZERO).expect("held");
    }
    assert!(ladder.is_empty());
}

#[test]
fn the_touch_walks_through_a_book_wider_than_the_window() {
    check_walk(Ladder::asks(10_000), 16);
    check_walk(Ladder::bids(10_000), -16);
    check_walk(Ladder::asks(10_000), 37);
}

/// Fills one side of `levels` levels, `step` ticks of 0.01 apart, and bounds its memory.
fn check_bytes(levels: i64, step: i64, most: usize) {
    let mut ladder = Ladder::asks(100_000);
    for n in 0..levels {
        let price = Decimal::new(i128::from(6_180_000 + n * step), 2).expect("small");
        ladder.set(price, dec("1.234")).expect("room");
    }
    assert_eq!(ladder.len() as i64, levels);
    assert!(ladder.bytes() <= most, "{levels} levels {step} ticks apart hold {} bytes", ladder.bytes());
}

#[test]
fn memory_follows_the_levels() {
    check_bytes(1_000, 1, 12_000);
    check_bytes(1_000, 3, 27_000);
    check_bytes(1_000, 20, 40_000);
    check_bytes(1_000, 64, 95_000);
    check_bytes(1_000, 5_001, 60_000);
    check_bytes(5_000, 7, 180_000);
}

#[test]
fn memory_does_not_grow_while_the_market_wanders() {
    let mut ladder = Ladder::bids(100_000);
    let mut most = 0;
    for turn in 0i64..20_000 {
        // A band of 300 ticks walks 40,000 ticks up and back again.
        let low = 6_000_000 + if turn < 10_000 { turn * 4 } else { (20_000 - turn) * 4 };
        for price in [low - 4, low - 3, low - 2, low - 1, low + 300, low + 301, low + 302, low + 303] {
            let size = if (low..low + 300).contains(&price) { "1" } else { "0" };
            ladder.set(Decimal::new(i128::from(price), 2).expect("small"), dec(size)).expect("room");
        }
        ladder.set(Decimal::new(i128::from(low + turn % 300), 2).expect("small"), dec("2")).expect("room");
        ladder
            .set(Decimal::new(i128::from(low - 900 + turn % 900), 2).expect("small"), dec("0"))
            .expect("room");
        ladder
            .set(Decimal::new(i128::from(low + 304 + turn % 900), 2).expect("small"), dec("0"))
            .expect("room");
        if turn == 2_000 {
            most = ladder.bytes();
        }
    }
    assert!(ladder.bytes() <= most + 20_000, "{} bytes after, {most} before", ladder.bytes());
}
