//! The network face of Tapeline: what the hub knows, served to other processes.
//!
//! - [`Gateway`]: the listener, its connections, and their orderly end
//! - [`stream`]: the clients of `/v1/stream`, each a cursor into logs that all of them share
//! - [`config`]: what the gateway is told at its start
//! - [`about`]: what the process tells of itself, and what may be asked of it
//! - [`Controls`]: what may change while it runs
//! - `codes`: the codes of errors, for HTTP and streams alike
//! - `http`: the paths, and who may ask; `reading` is what they tell of, `metrics` the same for Prometheus
//!
//! It reads the hub; it never talks to a venue.

pub mod about;
mod codes;
pub mod config;
mod http;
mod live;
mod metrics;
mod reading;
mod server;
mod shared;
pub mod stream;

pub use about::{About, Declined};
pub use config::GatewayConfig;
pub use live::Controls;
pub use server::{Gateway, StartError};
