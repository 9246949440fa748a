//! Our own concurrent parts under a scheduler that tries the orders in which threads may run.
//!
//! The parts are the product's own sources, compiled here once more: `sync`, by which they lock, count and wait, is the
//! scheduler's. What they do with a shared value is one step each; a model runs a few threads, and the scheduler picks
//! who makes the next step, by dice (each order equally likely at each step) or by priorities that change a few times
//! (which finds what needs few but rare changes). Threads that wait for each other, or for a wake-up that never comes,
//! are found at once: nobody is left to run.
//!
//! Atomics are tried as if every thread saw every store at once: what an ordering weaker than that lets through is not.
//!
//! - [`models`]: what is tried
//! - `mistakes`: the same sources with one mistake each, which the models must find
//! - [`explore`]: so many orders, from a seed

// The modelled sources find their neighbours where they expect them. Where this crate's own tests are built there is nothing:
// the sources would bring theirs, which know nothing of the scheduler.
#[cfg(not(test))]
mod data {
    pub(crate) use tapeline_core::data::{channel, decimal, event, topic, update};
}
#[cfg(not(test))]
mod sync;
#[cfg(not(test))]
mod time {
    pub(crate) use tapeline_core::time::Unix;
}
#[cfg(not(test))]
mod venue {
    pub(crate) use tapeline_core::venue::Map;
}

#[cfg(not(test))]
#[allow(dead_code, unreachable_pub, reason = "what no model uses is used where it comes from")]
#[path = "../../tapeline/src/memory/account.rs"]
mod account;
#[cfg(not(test))]
#[allow(dead_code, unreachable_pub, reason = "what no model uses is used where it comes from")]
#[path = "../../tapeline-core/src/outbox/mod.rs"]
mod outbox;
#[cfg(not(test))]
#[allow(dead_code, unreachable_pub, reason = "what no model uses is used where it comes from")]
#[path = "../../tapeline/src/signals.rs"]
mod signals;

#[cfg(not(test))]
#[allow(dead_code, unreachable_pub, missing_docs, reason = "copies of the sources above")]
mod mistakes {
    include!(concat!(env!("OUT_DIR"), "/mistakes.rs"));
}

#[cfg(not(test))]
pub mod explore;
#[cfg(not(test))]
pub mod models;
