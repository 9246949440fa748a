//! Plays random scripts to the feed until a number of steps is done: no coverage guides them, so they go
//! where mutations of known inputs do not, on all processors.
//!
//! `cargo run --release -p tapeline-fuzz --bin random [STEPS] [SEED]` (default: ten million, 1)
//!
//! Built with `--features defects`, the variable `TAPELINE_DEFECT` plants a mistake, which should be found.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the figures are the output")]

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tapeline_core::rng::Rng;
use tapeline_fuzz::feed_steps;

/// The longest script: enough bytes for all steps that one run takes.
const SCRIPT: usize = 2_048;
/// Steps between two words about progress.
const TELL_EVERY: u64 = 1_000_000;

fn main() -> ExitCode {
    let mut numbers = std::env::args().skip(1).map(|argument| argument.parse::<u64>());
    let (Ok(steps), Ok(seed)) = (numbers.next().unwrap_or(Ok(10_000_000)), numbers.next().unwrap_or(Ok(1)))
    else {
        eprintln!("usage: random [STEPS] [SEED]");
        return ExitCode::from(2);
    };
    let (taken, runs, started) = (AtomicU64::new(0), AtomicU64::new(0), Instant::now());
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let failed = std::thread::scope(|scope| {
        let work = || {
            #[cfg(feature = "defects")]
            plant();
            while taken.load(Ordering::Relaxed) < steps {
                let run = runs.fetch_add(1, Ordering::Relaxed);
                let script = script(seed, run);
                let Ok(count) = std::panic::catch_unwind(|| feed_steps(&script)) else {
                    let path = std::env::temp_dir().join(format!("tapeline-script-{seed}-{run}"));
                    let kept = std::fs::write(&path, &script).map_or("lost", |()| "kept");
                    eprintln!("script {run} of seed {seed} failed; {kept} in {}", path.display());
                    return true;
                };
                let before = taken.fetch_add(count, Ordering::Relaxed);
                if before / TELL_EVERY != (before + count) / TELL_EVERY {
                    eprintln!("{} steps in {} s", before + count, started.elapsed().as_secs());
                }
            }
            false
        };
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        // A worker that panics outside of a script has failed as well.
        threads.into_iter().map(|thread| thread.join().unwrap_or(true)).fold(false, |one, other| one | other)
    });
    let (taken, runs) = (taken.into_inner(), runs.into_inner());
    println!(
        "{taken} steps in {runs} scripts, {} s, {}",
        started.elapsed().as_secs(),
        if failed { "FAILED" } else { "0 failures" }
    );
    ExitCode::from(u8::from(failed))
}

/// Plants what the environment names in the feeds of this thread.
#[cfg(feature = "defects")]
fn plant() {
    use tapeline_core::defect::{Defect, plant};
    if let Ok(name) = std::env::var("TAPELINE_DEFECT") {
        assert!(Defect::by_name(&name).is_some(), "no defect `{name}`");
        plant(Defect::by_name(&name));
    }
}

/// A script of its own temper: in some most steps are trades and deltas, in some anything goes.
fn script(seed: u64, run: u64) -> Vec<u8> {
    let mut dice = Rng::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ run);
    let calm = dice.next_u64() % 8;
    let length = SCRIPT / 4 + (dice.next_u64() as usize % (SCRIPT * 3 / 4));
    let mut script = Vec::with_capacity(length);
    while script.len() < length {
        let word = dice.next_u64();
        let byte = if word % 8 < calm {
            // A step of the quiet kind: dialled, confirmed, trades, a change, deltas, a fetch, a moment.
            const QUIET: [u8; 8] = [2, 3, 4, 6, 7, 8, 9, 13];
            QUIET[(word >> 8) as usize % QUIET.len()] | ((word >> 16) as u8 % 10) << 4
        } else {
            (word >> 24) as u8
        };
        script.push(byte);
    }
    script
}
