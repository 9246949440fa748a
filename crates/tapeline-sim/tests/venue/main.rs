//! The simulated venue from the outside: real sockets, a foreign WebSocket client, plain HTTP.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "the helpers of tests fail by panicking, and say aloud what they skip"
)]

mod client;
mod decoding;
mod faults;
mod life;
mod misbehaviour;
mod playback;
mod protocol;
mod recordings;
mod rest;
mod seams;
mod upgrades;
