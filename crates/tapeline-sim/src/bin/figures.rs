//! Measures what a feed promises, in virtual time, and says what holds: `figures [NAME [SAMPLES]]`.

use std::process::ExitCode;

fn main() -> ExitCode {
    tapeline_sim::world::figures::main()
}
