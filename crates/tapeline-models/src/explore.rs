//! Tries so many orders of a model's steps, from a seed.

use std::panic::{AssertUnwindSafe, catch_unwind};

use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, FailurePersistence, Runner};

use crate::models::Model;

/// Priorities change so often in one order: most mistakes between threads need one or two changes.
const CHANGES: usize = 3;
/// Steps after which a model is said to go on for ever. The longest takes a few hundred.
const STEPS: usize = 20_000;

/// Tries `orders` orders: half of them by dice, half by priorities that change a few times; how many were tried.
///
/// # Errors
/// What went wrong in the first order in which anything did.
pub fn explore(model: &Model, seed: u64, orders: usize) -> Result<usize, String> {
    let dice = RandomScheduler::new_from_seed(seed, orders.div_ceil(2));
    let priorities = PctScheduler::new_from_seed(seed, CHANGES, orders / 2);
    let tried = run(model, dice)?;
    Ok(tried + if orders > 1 { run(model, priorities)? } else { 0 })
}

fn run(model: &Model, scheduler: impl Scheduler + 'static) -> Result<usize, String> {
    let mut config = Config::new();
    config.failure_persistence = FailurePersistence::None;
    config.max_steps = shuttle::MaxSteps::FailAfter(STEPS);
    config.silence_warnings = true;
    let play = model.play;
    let tried = catch_unwind(AssertUnwindSafe(|| Runner::new(scheduler, config).run(play)));
    tried.map_err(|why| {
        let text = why.downcast_ref::<String>().cloned();
        text.or_else(|| why.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
    })
}
