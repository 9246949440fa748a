//! The deterministic heart of Tapeline. No clock, no socket, no task, no dice: time, bytes and seeds
//! come in as arguments, actions and one deadline come out, so that every run can be repeated.
//!
//! - [`data`]: topics, decimals, events, books, sequences, updates
//! - [`policy`]: faults, backoff, breaker, budgets, health, as pure functions
//! - [`venue`]: what an adapter must translate
//! - [`feed`]: everything one venue needs; the state machine that ties the rest together
//! - [`scan`]: JSON payloads of known shape, read at the speed of memory
//! - [`outbox`]: one consumer's bounded queue
//! - [`wire`]: the format towards consumers

pub mod config;
pub mod data;
pub mod defect;
pub mod feed;
pub mod outbox;
pub mod policy;
pub mod rng;
pub mod scan;
mod sync;
pub mod time;
pub mod venue;
pub mod wire;
