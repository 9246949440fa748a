//! Tries orders from a seed: `models [--orders N] [--seed S] [NAME]`. Says of each model how many it tried, and fails
//! if anything went wrong in one of them, or if a planted mistake is not found.
#![allow(clippy::print_stdout, reason = "what it found is what it is for")]

use std::process::ExitCode;
use std::time::Instant;

use tapeline_models::explore::explore;
use tapeline_models::models::{mistaken, models};

/// Orders of each model in which a planted mistake must be found.
const MISTAKE_ORDERS: usize = 10_000;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (mut orders, mut seed, mut only) = (2_000, 1, String::new());
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next().and_then(|text| text.parse().ok());
        match argument.as_str() {
            "--orders" => orders = number().unwrap_or(orders),
            "--seed" => seed = number().map_or(seed, |number| number as u64),
            name => only = name.to_owned(),
        }
    }
    // What a model says of an order that failed is told below, once.
    std::panic::set_hook(Box::new(|_| {}));
    let (mut all, mut wrong, begun) = (0, 0, Instant::now());
    for model in models().filter(|model| model.name.contains(&only)) {
        match explore(model, seed, orders) {
            Ok(tried) => {
                all += tried;
                println!("{:<40} {tried} orders hold", model.name);
            }
            Err(why) => {
                wrong += 1;
                println!("{:<40} FAILED with seed {seed}: {}: {why}", model.name, model.about);
            }
        }
    }
    for (name, list) in mistaken().into_iter().filter(|(name, _)| name.contains(&only)) {
        let mut by = list.iter().filter(|model| explore(model, seed, orders.min(MISTAKE_ORDERS)).is_err());
        let by = by.next().map(|model| model.about);
        wrong += usize::from(by.is_none());
        println!(
            "{name:<40} {}",
            by.map_or_else(|| "NOT FOUND".to_owned(), |about| format!("found by: {about}"))
        );
    }
    println!("{all} orders in {:.1} s, seed {seed}, {wrong} wrong", begun.elapsed().as_secs_f64());
    ExitCode::from(u8::from(wrong > 0))
}
