//! Writes the project's small recordings: `cargo run -p tapeline-sim --example record -- fixtures/captures`.

use std::path::Path;
use tapeline_sim::{RecordOptions, check_recording, record_market};

#[allow(clippy::print_stdout, reason = "a program that tells what it wrote")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::args().nth(1).ok_or("say where to write: record DIR")?;
    for (futures, folder) in [(false, "generated-spot"), (true, "generated-usdm")] {
        let dir = Path::new(&dir).join(folder);
        record_market(&RecordOptions::fixture(futures), &dir)?;
        println!("{}: {:?}", dir.display(), check_recording(&dir)?);
    }
    Ok(())
}
