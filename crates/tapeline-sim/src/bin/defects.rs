//! Plants known mistakes in simulated worlds and says which judge catches each: `defects --defect all --seeds 0..64`,
//! or `defects --known` for the seeds that are known to show them.

use std::process::ExitCode;

fn main() -> ExitCode {
    tapeline_sim::world::prove::main()
}
