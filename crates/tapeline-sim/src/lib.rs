//! A venue that behaves, and misbehaves, on command: recorded or generated markets on a loopback socket.
//!
//! - [`Server`] is the venue: Binance's WebSocket streams and REST depth, spot or USD-M, on one port.
//! - It plays a recorded session ([`Content::Capture`]) or a small seeded exchange ([`Content::Market`]).
//! - [`Trouble`]s make it misbehave in every way a venue is known to; [`Report`] accounts for each of them.
//! - [`house::House`] is the venue without sockets and clocks, for worlds in virtual time.
//! - [`Server::truth`] is what the generated book really was at an update id.
//!
//! Nothing here is shared with the books, decimals or sequencing of the product: a judge must not be the
//! accused.
#![forbid(unsafe_code)]

mod capture;
mod decimal;
mod dialect;
pub mod drills;
mod exchange;
pub mod house;
mod limits;
mod names;
mod playback;
mod record;
mod recording;
mod report;
mod rng;
mod server;
pub mod world;

pub use capture::CaptureError;
pub use dialect::ErrorShape;
pub use exchange::{LevelChange, MarketOptions, Side, Symbol, Temper, TrueBook, TrueTrade};
pub use house::{Kind, Trouble, When};
pub use playback::{BadSpeed, Speed};
pub use record::{RecordOptions, RecordingSummary, check_recording, record_market};
pub use report::{Report, StreamReport};
pub use server::{Content, Options, Server, StartError};
