//! The library over real loopback sockets.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../plain_venue/mod.rs"]
mod plain_venue;

mod crashes;
mod edge;
mod handlers;
mod keys;
mod network;
mod orders;
mod record;
mod subscriptions;
mod tls;
mod unknown;
