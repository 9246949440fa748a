//! The HTTP face over real loopback sockets, before a simulated venue.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod actions;
mod bench;
mod chaos;
mod connections;
mod door;
mod drills;
mod figures;
mod health;
mod lists;
mod openapi;
mod orders;
mod readers;
mod reload;
mod snapshot;
mod sse;
mod streams;
