//! The network face of Tapeline: what the hub knows, served to other processes.
//!
//! - [`stream`]: the clients of `/v1/stream`, each a cursor into logs that all of them share
//! - [`config`]: what the gateway is told at its start
//!
//! It reads the hub; it never talks to a venue.

pub mod config;
pub mod stream;

pub use config::GatewayConfig;
