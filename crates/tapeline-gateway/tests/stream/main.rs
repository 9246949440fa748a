//! Streams as a client meets them, over real loopback sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]
#![allow(clippy::print_stderr, reason = "the figures are for people")]

mod bench;
mod broken;
mod figures;
mod limits;
mod memory;
mod remembered;
mod resume;
mod sharing;
mod slow;
mod state;
mod words;
