//! Price levels and books, and how far a book can be trusted.

use serde::Serialize;

use super::Text;
use crate::data::decimal::Decimal;

/// One price level: `[price, size]`; sizes are absolute, zero removes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Level {
    /// The level's price.
    pub price: Decimal,
    /// Units resting there.
    pub size: Decimal,
}

impl Serialize for Level {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.price, self.size).serialize(serializer)
    }
}

/// How far a book can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BookState {
    /// Never synchronised yet.
    Syncing,
    /// Equal to the venue's book on the covered range.
    Live,
    /// Was live; continuity is broken and not yet restored.
    Stale,
    /// The top lies outside the range that a snapshot has covered, or the venue gives no way to check.
    Unverified,
}

/// Levels of a book: all of them in a snapshot, the changed ones in a delta.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Book {
    /// Bids first (best first in a snapshot), then asks (best first in a snapshot).
    pub levels: Box<[Level]>,
    /// How many of `levels` are bids.
    pub bids: u32,
    /// The venue's update id after this change.
    pub venue_id: Option<u64>,
    /// How far it can be trusted.
    pub state: BookState,
}

impl Book {
    /// The bid levels.
    pub fn bids(&self) -> &[Level] {
        self.levels.get(..self.bids as usize).unwrap_or(&[])
    }

    /// The ask levels.
    pub fn asks(&self) -> &[Level] {
        self.levels.get(self.bids as usize..).unwrap_or(&[])
    }
}

impl Serialize for Book {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut object = serializer.serialize_struct("Book", 4)?;
        object.serialize_field("bids", self.bids())?;
        object.serialize_field("asks", self.asks())?;
        if let Some(id) = self.venue_id {
            object.serialize_field("venue_id", &Text(id))?;
        }
        object.serialize_field("state", &self.state)?;
        object.end()
    }
}
