//! The parts of the socket benchmark: a generated market and the venue that streams it, the baseline
//! readers, the library under test, and the clocks.
//!
//! - [`market`] renders the frames, [`venue`] serves them from a process of its own.
//! - [`scan`] and [`fixed`] decode them by hand, [`typed`] by serde; [`readers`] put a socket in front.
//! - [`subject`] is the library in the same place.
//! - [`cpu`] and [`rounds`] measure.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark reads the clock and prints its figures"
)]

pub mod cpu;
pub mod fixed;
pub mod latency;
pub mod market;
pub mod readers;
pub mod rounds;
pub mod scan;
pub mod subject;
pub mod typed;
pub mod venue;

/// The wall clock in Unix milliseconds.
pub fn unix_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |since| since.as_millis() as u64)
}
