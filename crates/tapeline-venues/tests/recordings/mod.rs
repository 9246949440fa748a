//! Recordings for tests: found beside the workspace or by `TAPELINE_CAPTURES`, skipped aloud if absent.
#![allow(dead_code, reason = "each test file uses its own part of this module")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that cannot go on stops, and says why it skips"
)]

use std::path::PathBuf;

use tapeline_core::data::topic::Topic;
use tapeline_core::venue::{Names, TopicId, Venue};

/// The folder of recordings, or `None` with a word on stderr.
#[expect(clippy::disallowed_methods, reason = "a test may ask where its recordings are")]
pub(crate) fn captures() -> Option<PathBuf> {
    let folder = match std::env::var("TAPELINE_CAPTURES") {
        Ok(folder) => PathBuf::from(folder),
        Err(_) => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/captures"),
    };
    if folder.join("binance").is_dir() {
        return Some(folder);
    }
    eprintln!("SKIPPED: no recordings in {} (set TAPELINE_CAPTURES)", folder.display());
    None
}

/// A text file, or its `.zst` form, by lines.
#[expect(clippy::disallowed_methods, reason = "a test may read its recordings")]
pub(crate) fn read(path: PathBuf) -> String {
    let packed = path.with_file_name(format!("{}.zst", path.file_name().unwrap().to_str().unwrap()));
    if packed.exists() {
        let bytes = zstd::decode_all(std::fs::File::open(packed).unwrap()).unwrap();
        return String::from_utf8(bytes).unwrap();
    }
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names of the given topics, numbered in order.
pub(crate) fn names(venue: &dyn Venue, topics: &[&str]) -> Names {
    let mut names = Names::default();
    for (index, text) in topics.iter().enumerate() {
        let topic = venue.canonical(Topic::parse(text).unwrap()).unwrap();
        names.insert(&venue.route(&topic).unwrap().stream, TopicId(index as u32));
    }
    names
}
