//! The program as its users see it: spawned, signalled, piped, against generated markets on free ports.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod config;
mod demo;
mod drain;
mod drill;
mod files;
mod odd;
mod process;
mod refused;
mod serve;
mod simulate;
mod stuck;
mod usage;
mod watch;
