//! Order books: a fast [`Ladder`] per side, and [`BookSync`], which keeps both sides equal to the venue's.
//!
//! - `ladder` holds one side: exact prices and sizes as integers at scales learnt from the data; `ticks`
//!   and `pages` hold those integers.
//! - `sync` decides what a delta does to a book, and `waiting` what a snapshot does while it is not right;
//!   `view` is what the book shows.
//! - `backlog` keeps deltas that cannot be applied yet.
//! - `horizon` knows how far down a side can be trusted.
//! - `refresh` merges a new snapshot beside a live book.

mod backlog;
mod horizon;
mod ladder;
mod pages;
mod refresh;
mod sync;
mod ticks;
mod view;
mod waiting;

use std::time::Duration;

pub use self::ladder::{Ladder, LadderError, Levels};
pub use self::sync::BookSync;

/// The bounds and waits of one book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BookLimits {
    /// Deltas kept while a snapshot is awaited; the oldest is given up for a new one beyond it.
    pub buffer: usize,
    /// Levels that those deltas may hold together (32 bytes each).
    pub buffer_levels: usize,
    /// Levels that one side may hold.
    pub levels: usize,
    /// How long to wait for a first delta before asking for a snapshot without one, and how long a
    /// snapshot that is ahead of the stream waits for the delta that proves it.
    pub first_delta_within: Duration,
    /// Least time between two resyncs of a book that turned out corrupt.
    pub corrupt_every: Duration,
    /// A refresh is wanted when less than this share of the trusted price range lies ahead of the
    /// touch, in percent.
    pub near_percent: u8,
}

impl Default for BookLimits {
    fn default() -> Self {
        Self {
            buffer: 10_000,
            buffer_levels: 1 << 18,
            levels: 100_000,
            first_delta_within: Duration::from_secs(2),
            corrupt_every: Duration::from_secs(30),
            near_percent: 20,
        }
    }
}

/// Why a book wants a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Why {
    /// It never had one.
    First,
    /// A delta was missed.
    Gap,
    /// The line that fed it was cut.
    Cut,
    /// The last snapshot was older than the first delta kept.
    Old,
    /// Its content cannot be true: crossed, malformed, or larger than any real book.
    Corrupt,
    /// The venue began its ids anew.
    Restart,
    /// The touch nears the edge of the trusted range, or has passed it.
    Horizon,
    /// An operator asked for it.
    Asked,
}

impl Why {
    /// The word for counters and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Gap => "gap",
            Self::Cut => "cut",
            Self::Old => "old",
            Self::Corrupt => "corrupt",
            Self::Restart => "restart",
            Self::Horizon => "horizon",
            Self::Asked => "asked",
        }
    }
}

/// How a book broke. What was published before stays readable as a stale view, no more than that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Break {
    /// Why.
    pub why: Why,
    /// The id at which the next delta had to begin: the one after the book's under a contiguous
    /// chain, the book's own under a linked one.
    pub expected: u64,
    /// The id at which it began.
    pub got: u64,
}

/// What a delta or a snapshot did to a book, and so what there is to publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Old or repeated: nothing changed.
    Ignored,
    /// Kept until a snapshot comes: nothing to publish.
    Buffered,
    /// The delta is in the book: publish it, with the book's state. If `refreshed`, a snapshot that
    /// was waiting for it has been merged as well: then publish [`BookSync::take_changes`] too, as a
    /// second delta.
    Applied {
        /// Whether [`BookSync::take_changes`] holds more to publish.
        refreshed: bool,
    },
    /// The book became right: publish [`BookSync::data`] as a snapshot in a new epoch.
    Synced,
    /// A snapshot was merged beside the live book: publish [`BookSync::take_changes`] as a delta at the
    /// same id, unless it is empty.
    Refreshed,
    /// The snapshot is ahead of the stream and waits for it: nothing to publish, ask for no other.
    Held,
    /// The snapshot is of no use: back off, then ask [`BookSync::wants_snapshot`] again.
    Discarded(Why),
    /// The book is no longer right: publish that it is stale, at once.
    Broken(Break),
}

/// What a book has been through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Deltas applied, those replayed from the buffer included.
    pub applied: u64,
    /// Old or repeated deltas.
    pub ignored: u64,
    /// Deltas kept while a snapshot was awaited.
    pub buffered: u64,
    /// Kept deltas that were given up because the buffer was full.
    pub overflowed: u64,
    /// How often the book became right.
    pub synced: u64,
    /// Snapshots merged beside a live book.
    pub refreshed: u64,
    /// Snapshots that were of no use.
    pub discarded: u64,
    /// Missed deltas that were noticed, those between buffered ones included.
    pub gaps: u64,
    /// Cut lines.
    pub cuts: u64,
    /// Times the content could not be true.
    pub corrupt: u64,
    /// Times the venue began its ids anew.
    pub restarts: u64,
    /// Levels that a refresh found to differ inside the range that was trusted. Anything but zero means
    /// that the venue, or this code, is wrong.
    pub disagreements: u64,
}
