//! Two lines that tell of the same event ought to tell the same: where they do not, the first one is kept and the
//! difference is reported.
//!
//! Copies are refused before they are decoded, so the frames are compared, by fingerprint: equal bytes are equal
//! content. Only when two differ is the copy decoded and its content compared with what was published.

use std::hash::BuildHasher as _;

use foldhash::fast::FixedState;

use crate::data::update::Data;
use crate::time::Time;
use crate::venue::{Decoded, Item, Sequencing, TopicId};

use super::Feed;
use super::history::Place;
use super::topics::{Entry, Seen};

/// Fingerprints of the latest events of one topic; of the second line's copies that are further behind nothing is
/// concluded.
const KEPT: usize = 256;
/// Bytes that are told of each of two contents.
const SHOWN: usize = 200;

/// What the first copy of each of the latest events looked like.
#[derive(Debug)]
pub(super) struct Prints([(u64, u64); KEPT]);

impl Default for Prints {
    fn default() -> Self {
        Self([(0, 0); KEPT])
    }
}

impl Prints {
    /// Whether a copy of an event looks otherwise than the first; keeps the first.
    fn differs(&mut self, id: u64, print: u64) -> bool {
        let held = &mut self.0[id as usize % KEPT];
        if held.0 == id && id != 0 {
            return held.1 != print;
        }
        if held.0 < id {
            *held = (id, print);
        }
        false
    }
}

impl Feed {
    /// Compares what a frame tells with what another line told of the same events.
    pub(super) fn compare(&mut self, now: Time, slot: usize, bytes: &[u8]) {
        let told = self.decoded.items.iter().filter_map(|item| match item {
            Item::Market { topic, id, .. } => Some((*topic, *id)),
            _ => None,
        });
        let all: usize = told.clone().count() + self.decoded.refused.len();
        // Arrays hold no events with ids of their own.
        let only =
            if all == 1 { told.clone().chain(self.decoded.refused.iter().copied()).next() } else { None };
        let Some((topic, id)) = only else { return };
        let compared =
            |entry: &&mut Entry| entry.carriers.several() && entry.sequencing == Sequencing::Contiguous;
        let Some(entry) = self.topics.get_mut(topic).filter(compared) else { return };
        let print = FixedState::default().hash_one(bytes);
        let prints = Seen::of(&mut entry.seen).prints.get_or_insert_default();
        if prints.differs(id, print) {
            self.suspect(now, slot, (topic, id), bytes);
        }
    }

    /// Two frames about one event are not the same; if they mean the same, that is no matter.
    #[cold]
    fn suspect(&mut self, now: Time, slot: usize, (topic, id): (TopicId, u64), bytes: &[u8]) {
        let mut fresh = Decoded::default();
        let line = &self.lines[slot];
        if self.venue.decode(line.id, bytes, &line.names, &mut fresh).is_err() {
            return;
        }
        let Some(entry) = self.topics.get(topic) else { return };
        let second = fresh.items.iter().find_map(|item| match item {
            Item::Market { data, .. } => Some(data),
            _ => None,
        });
        let back = entry.history.held().min(2 * KEPT as u64);
        let place = Place { offset: entry.offset.saturating_sub(back), ..entry.place() };
        let mut latest = entry.history.after(place, entry.offset).into_iter().flatten();
        let first = latest.find(|update| id_of(&update.data) == Some(id));
        let (Some(first), Some(second)) = (first, second) else { return };
        if first.data == *second {
            return;
        }
        self.counters.mismatches += 1;
        self.lines[slot].stats.mismatches += 1;
        let contents = format!("first {}, then from line {slot} {}", shown(&first.data), shown(second));
        let cause = format!("two lines tell otherwise of {id}: {contents}");
        self.events.record(now, entry.topic.as_str(), ("live", "live"), &cause);
        self.counters.mismatch = format!("{} {id}: {contents}", entry.topic.as_str()).into();
    }
}

/// A content in our own form, as much of it as a report needs.
fn shown(data: &Data) -> String {
    let mut text = serde_json::to_string(data).unwrap_or_default();
    text.truncate(text.floor_char_boundary(SHOWN));
    text
}

/// The id of an event that has one of its own.
fn id_of(data: &Data) -> Option<u64> {
    match data {
        Data::Trade(trade) => Some(trade.id),
        Data::AggTrade(trade) => Some(trade.id),
        _ => None,
    }
}
