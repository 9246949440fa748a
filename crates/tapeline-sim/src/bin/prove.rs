//! Runs simulated worlds on all cores and says what their judges object to: `prove --seeds 0..64 --minutes 30`.

use std::process::ExitCode;

fn main() -> ExitCode {
    tapeline_sim::world::prove::main()
}
