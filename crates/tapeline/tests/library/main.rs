//! The library over real loopback sockets.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../common/mod.rs"]
mod common;

mod crashes;
mod handlers;
mod network;
mod subscriptions;
