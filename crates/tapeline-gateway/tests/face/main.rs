//! The HTTP face over real loopback sockets, before a simulated venue.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bench;
mod door;
