//! The program as its users see it: spawned, signalled, piped, against generated markets on free ports.

mod config;
mod demo;
mod process;
mod simulate;
mod usage;
mod watch;
