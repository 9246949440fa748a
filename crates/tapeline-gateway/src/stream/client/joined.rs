//! What many clients get alike, in one piece.

use std::time::Duration;

use slab::Slab;

use super::{Client, JOINED};
use crate::stream::shelf::Shelf;

/// What one client got last, in one piece: most of those after it get the same. It holds as long as no log changes.
#[derive(Debug, Default)]
pub(in crate::stream) struct Joined {
    /// From where: shelf, interval and the number of the first entry.
    from: Vec<(usize, Option<Duration>, u64)>,
    /// Up to which numbers.
    pub(super) to: Vec<u64>,
    pub(super) bytes: Vec<u8>,
    pub(super) frames: u64,
}

impl Joined {
    /// Logs have changed.
    pub(in crate::stream) fn forget(&mut self) {
        self.from.clear();
    }

    /// Whether it holds what `client` is to get.
    pub(super) fn is_for(&self, client: &Client) -> bool {
        let wanted = client.dirty.iter().filter_map(|place| {
            let sub = client.subs.get(*place)?;
            Some((sub.shelf, sub.interval, sub.cursor?))
        });
        !self.from.is_empty() && wanted.eq(self.from.iter().copied())
    }

    /// Joins what `client` is to get; whether that is possible.
    pub(super) fn join(&mut self, client: &Client, shelves: &Slab<Shelf>) -> bool {
        self.forget();
        self.to.clear();
        self.bytes.clear();
        self.frames = 0;
        for place in &client.dirty {
            let Some(sub) = client.subs.get(*place) else { return false };
            let (Some(cursor), Some(shelf)) = (sub.cursor, shelves.get(sub.shelf)) else { return false };
            let log = shelf.log_of(sub.interval);
            let behind = sub.interval.is_some() && log.next().saturating_sub(cursor) > 1;
            if cursor < log.first() || behind {
                self.forget();
                return false;
            }
            for entry in log.from(cursor) {
                self.bytes.extend_from_slice(entry.frame());
                self.frames += 1;
            }
            self.from.push((sub.shelf, sub.interval, cursor));
            self.to.push(log.next());
            if self.bytes.len() > JOINED {
                self.forget();
                return false;
            }
        }
        !self.bytes.is_empty()
    }
}
