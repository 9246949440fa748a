//! Our concurrent parts hold in every order tried, and a mistake in them is found.

#![allow(clippy::print_stderr, reason = "the figures are for people")]

use tapeline_models::explore::explore;
use tapeline_models::models::{mistaken, models};

/// Orders of each model: enough to find every mistake below many times over, and quick.
const ORDERS: usize = 2_000;

#[test]
fn every_model_holds_in_every_order_that_is_tried() {
    let mut all = 0;
    for model in models() {
        match explore(model, 1, ORDERS) {
            Ok(tried) => all += tried,
            Err(why) => panic!("{}: {}: {why}", model.name, model.about),
        }
    }
    eprintln!("{all} orders");
    assert_eq!(all, models().count() * ORDERS);
}

#[test]
fn every_mistake_is_found() {
    for (name, list) in mistaken() {
        let found = list.iter().filter_map(|model| Some((model.name, explore(model, 1, ORDERS).err()?)));
        let found: Vec<_> = found.collect();
        assert!(!found.is_empty(), "{name} is not found");
        for (model, why) in &found {
            eprintln!("{model}: {}", why.lines().next().unwrap_or_default());
        }
    }
}

#[test]
fn a_lost_wake_up_and_a_lock_over_a_wake_up_are_found_for_what_they_are() {
    for name in ["waker_left_late", "woken_under_the_lock", "end_wakes_nobody", "flag_lowered_late"] {
        let (_, list) = mistaken().into_iter().find(|(known, _)| *known == name).expect("it is there");
        let told: Vec<_> = list.iter().filter_map(|model| explore(model, 1, ORDERS).err()).collect();
        let stuck = |why: &String| why.contains("deadlock") || why.contains("nobody woke it");
        assert!(told.iter().any(stuck), "{name}: {told:?}");
    }
}

#[test]
fn the_same_seed_tries_the_same_orders() {
    let (_, list) = mistaken()[0];
    let told = |seed| -> Vec<_> { list.iter().map(|model| explore(model, seed, 50).err()).collect() };
    assert_eq!(told(7), told(7));
}
