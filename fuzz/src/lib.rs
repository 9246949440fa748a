//! Fuzz targets: each is a pure function from any bytes to assertions. The same function runs under
//! libFuzzer (`scripts/fuzz TARGET`) and, on its seeds and their mutations, in the ordinary tests.

mod book;
mod decimal;
mod feed;
mod frames;
mod input;
mod reader;
mod scan;
mod sequence;
mod settings;
mod socket;
mod topic;

pub use book::book;
pub use decimal::decimal;
pub use feed::{feed, feed_steps};
pub use frames::{binance_fetch, binance_spot, binance_usdm};
pub use scan::scan;
pub use sequence::sequence;
pub use settings::settings;
pub use socket::{ws_client, ws_handshake, ws_server};
pub use topic::topic;

/// A target: any bytes in; a panic means a fault.
pub type Target = fn(&[u8]);

/// Every target by name, in the order of the alphabet.
pub const TARGETS: &[(&str, Target)] = &[
    ("binance_fetch", binance_fetch),
    ("binance_spot", binance_spot),
    ("binance_usdm", binance_usdm),
    ("book", book),
    ("decimal", decimal),
    ("feed", feed),
    ("scan", scan),
    ("sequence", sequence),
    ("settings", settings),
    ("topic", topic),
    ("ws_client", ws_client),
    ("ws_handshake", ws_handshake),
    ("ws_server", ws_server),
];
