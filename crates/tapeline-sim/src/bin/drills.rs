//! Runs every drill in virtual time and says which of them fail: `drills --seed 1`.

use std::process::ExitCode;

fn main() -> ExitCode {
    tapeline_sim::drills::program()
}
