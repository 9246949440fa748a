//! How many hours of a world with faults, judges and two feeds pass in an hour of one processor.

use std::time::Instant;

use super::super::drill::{Drill, drill};
use super::{Row, Tell};

pub(super) fn measure(seeds: u64, tell: Tell<'_>) -> Vec<Row> {
    let (mut seconds, mut frames, mut violations) = (0.0, 0, 0);
    let started = Instant::now();
    let busy = processor_time();
    for seed in 0..seeds {
        tell(seed, seeds);
        let outcome = drill(Drill::new(seed, 30 * 60));
        (seconds, frames) = (seconds + outcome.seconds, frames + outcome.figures.frames);
        violations += u64::from(outcome.violation.is_some());
    }
    // Where nobody says how long the processor was ours, the clock on the wall does: never in our favour.
    let took = match (busy, processor_time()) {
        (Some(before), Some(after)) => after - before,
        _ => started.elapsed().as_secs_f64(),
    };
    vec![
        Row::at_least("simulated hours per hour of a processor", seconds / took.max(1e-9), 500.0, ""),
        Row::at_least("frames a second of the world", frames as f64 / seconds.max(1.0), 50.0, ""),
        Row::at_most("violations", violations as f64, 0.0, ""),
    ]
}

/// How long this thread has run, in seconds, where the system tells.
fn processor_time() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanos: u64 = text.split_whitespace().next()?.parse().ok()?;
    Some(nanos as f64 / 1e9)
}
