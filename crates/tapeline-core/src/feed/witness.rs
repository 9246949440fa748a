//! Two lines that tell of the same event ought to tell the same: where they do not, the first one is kept and the
//! difference is reported.
//!
//! Copies are refused before they are decoded, so the frames are compared, by fingerprint: equal bytes are equal
//! content. Only when two differ is the copy decoded and its content compared with what was published.

use std::cmp::Ordering;
use std::hash::BuildHasher as _;

use foldhash::fast::FixedState;

use crate::data::update::Data;
use crate::time::{Mono, Time};
use crate::venue::{Decoded, Item, Sequencing, TopicId};

use super::Feed;
use super::history::Place;
use super::missed_ids::Courses;
use super::stragglers::Straggler;
use super::topics::{Entry, Seen};

/// Fingerprints of the latest events of one topic; of the second line's copies that are further behind nothing is
/// concluded.
const KEPT: usize = 256;
/// How many before the newest one are kept with it.
pub(super) const FURTHEST: u64 = KEPT as u64 - 1;
/// Bytes that are told of each of two contents.
const SHOWN: usize = 200;

/// What is kept of a topic that several lines carry.
#[derive(Debug, Default)]
pub(super) struct Prints {
    pub(super) kept: Kept,
    /// How far each line is with its ids.
    pub(super) courses: Courses,
    /// Those that are behind.
    pub(super) stragglers: Vec<Straggler>,
}

/// What the first copy of each of the latest events looked like; made with the first one, since only what has ids of its
/// own needs it.
#[derive(Debug, Default)]
pub(super) struct Kept(Option<Box<[First; KEPT]>>);

/// The first copy of an event: its id, its fingerprint, and when it came.
type First = (u64, u64, Mono);

/// Whether an id is here for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Came {
    First,
    /// A line has brought it before, at this moment.
    Again(Mono),
    /// It is too old to tell.
    Unknown,
}

impl Kept {
    /// Keeps what the first copy of an event looked like; whether this one is the first, and looks otherwise. What
    /// cannot be compared has no print.
    pub(super) fn keep(&mut self, now: Time, id: u64, print: Option<u64>) -> (Came, bool) {
        let all = self.0.get_or_insert_with(|| Box::new([(0, 0, Mono(0)); KEPT]));
        let held = &mut all[id as usize % KEPT];
        let print = print.unwrap_or(0);
        match held.0.cmp(&id) {
            Ordering::Less => {
                *held = (id, print, now.mono);
                (Came::First, false)
            }
            Ordering::Equal if id != 0 => (Came::Again(held.2), print != 0 && held.1 != 0 && held.1 != print),
            _ => (Came::Unknown, false),
        }
    }

    /// How many of the latest ids of a range, both ends included, were brought by any line, as it is asked of what lies
    /// before the newest one.
    pub(super) fn brought(&self, (from, to): (u64, u64)) -> u64 {
        let Some(all) = &self.0 else { return 0 };
        let first = from.max((to + 1).saturating_sub(FURTHEST));
        (first..=to).filter(|id| all[*id as usize % KEPT].0 == *id && *id != 0).count() as u64
    }
}

impl Feed {
    /// Compares what a frame tells with what another line told of the same events.
    pub(super) fn compare(&mut self, now: Time, slot: usize, bytes: &[u8]) {
        // Of several events in a frame none has bytes of its own.
        let all = self.decoded.items.len() + self.decoded.refused.len();
        for at in 0..self.decoded.refused.len() {
            let told = self.decoded.refused[at];
            self.witness(now, slot, told, bytes, all == 1);
        }
        for at in 0..self.decoded.items.len() {
            match self.decoded.items[at] {
                Item::Market { topic, id, .. } => self.witness(now, slot, (topic, id), bytes, all == 1),
                Item::Spent { topic, id } => self.witness(now, slot, (topic, id), bytes, false),
                Item::Levels { topic, last, .. } => self.witness(now, slot, (topic, last), bytes, false),
                _ => {}
            }
        }
    }

    /// A line tells of an event, alone in its frame or not.
    fn witness(&mut self, now: Time, slot: usize, told: (TopicId, u64), bytes: &[u8], alone: bool) {
        let compared = |entry: &&mut Entry| entry.carriers.several();
        let Some(entry) = self.topics.get_mut(told.0).filter(compared) else { return };
        let prints = Seen::of(&mut entry.seen).prints.get_or_insert_default();
        if entry.sequencing != Sequencing::Contiguous {
            // There is nothing to compare, but which line has brought something is known.
            return prints.courses.note(self.lines[slot].id, told.1, now);
        }
        let print = alone.then(|| FixedState::default().hash_one(bytes));
        let (came, differs) = prints.kept.keep(now, told.1, print);
        self.follow_ids(now, slot, told, came);
        if differs {
            self.suspect(now, slot, told, bytes);
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
