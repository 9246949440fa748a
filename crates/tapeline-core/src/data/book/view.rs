//! What a book shows of itself.

use super::Counters;
use super::horizon::Reach;
use super::ladder::Ladder;
use super::sync::{BookSync, Phase};
use crate::data::decimal::Decimal;
use crate::data::event::{Book, BookState};
use crate::time::Unix;

impl BookSync {
    /// How far the book can be trusted.
    pub fn state(&self) -> BookState {
        match self.phase {
            Phase::Unsynced { .. } if self.ever_synced => BookState::Stale,
            Phase::Unsynced { .. } => BookState::Syncing,
            Phase::Synced { proven, .. } if !proven || self.reach == Reach::Beyond => BookState::Unverified,
            Phase::Synced { .. } => BookState::Live,
        }
    }

    /// The id at which the book is right; `None` while it is not.
    pub const fn last_id(&self) -> Option<u64> {
        match self.phase {
            Phase::Synced { id, .. } => Some(id),
            Phase::Unsynced { .. } => None,
        }
    }

    /// The id at which it is right, or was right last.
    pub(crate) const fn told_id(&self) -> Option<u64> {
        match self.phase {
            Phase::Synced { id, .. } => Some(id),
            Phase::Unsynced { .. } => self.told,
        }
    }

    /// The venue's time of the newest delta in the book; `None` if what it shows is a snapshot's, or has no time.
    pub fn time(&self) -> Option<Unix> {
        self.newest.filter(|newest| self.last_id() == Some(newest.last)).and_then(|newest| newest.time)
    }

    /// The bid side; a stale view while the book is not right.
    pub const fn bids(&self) -> &Ladder {
        &self.bids
    }

    /// The ask side; a stale view while the book is not right.
    pub const fn asks(&self) -> &Ladder {
        &self.asks
    }

    /// The worst bid and the worst ask down to which every level is known; `None` = the whole side.
    /// Levels beyond are right too, but others may exist there.
    pub fn horizon(&self) -> (Option<Decimal>, Option<Decimal>) {
        (self.bid_horizon.worst(), self.ask_horizon.worst())
    }

    /// The whole book, best first, as it is published.
    pub fn data(&self) -> Book {
        let levels = self.bids.iter().chain(self.asks.iter()).collect();
        let bids = u32::try_from(self.bids.len()).unwrap_or(u32::MAX);
        Book { levels, bids, venue_id: self.last_id(), state: self.state() }
    }

    /// The levels that the last refresh changed, as a delta at the book's id. Empties the list.
    pub fn take_changes(&mut self) -> Book {
        let levels = std::mem::take(&mut self.changes).into_boxed_slice();
        let bids = u32::try_from(self.changed_bids).unwrap_or(u32::MAX);
        self.changed_bids = 0;
        Book { levels, bids, venue_id: self.last_id(), state: self.state() }
    }

    /// What the book has been through.
    pub const fn counters(&self) -> Counters {
        self.counters
    }
}
