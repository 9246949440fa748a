//! Which lines carry a topic. Two lines of one group (A and B) carry the same topics, and so does, for a while, a
//! line and the one that is to follow it: the sequencer takes the first copy of everything.

use std::cmp::Reverse;

use crate::data::update::Level;
use crate::policy::health::LevelFilter;
use crate::time::Mono;
use crate::venue::{StreamName, TopicId};

use super::Feed;
use super::line::{Line, Phase};
use super::topics::Entry;

/// The lines that carry one topic: A, B, and one that follows each of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Carriers {
    slots: [u16; Self::MOST],
    count: u8,
    /// It is one alone, and has brought the newest of what was told: what it brings next is in order.
    leads: bool,
}

impl Carriers {
    /// Lines that may carry one topic.
    const MOST: usize = 4;

    /// In the order in which they took it up.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = usize> + use<> {
        self.slots.into_iter().take(usize::from(self.count)).map(usize::from)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether there is more than one.
    #[inline]
    pub(super) fn several(&self) -> bool {
        self.count > 1
    }

    /// The newest has come, from a line or not.
    #[inline]
    pub(super) fn lead(&mut self, by_line: bool) {
        self.leads = by_line && !self.several();
    }

    /// Whether one line alone carries it, and no other one was ahead of that: what it brings is in order.
    #[inline]
    pub(super) fn leads(&self) -> bool {
        self.leads && !self.several()
    }

    pub(super) fn contains(&self, slot: usize) -> bool {
        self.iter().any(|held| held == slot)
    }

    /// One more; whether there was room.
    pub(super) fn add(&mut self, slot: usize) -> bool {
        if self.contains(slot) {
            return true;
        }
        let free = self.slots.get_mut(usize::from(self.count));
        let (Some(free), Ok(slot)) = (free, u16::try_from(slot)) else { return false };
        *free = slot;
        self.count += 1;
        true
    }

    pub(super) fn remove(&mut self, slot: usize) {
        let mut left = Self::default();
        for held in self.iter().filter(|held| *held != slot) {
            left.add(held);
        }
        *self = left;
    }
}

/// How many lines of a group carry each topic: as many as are wanted, where the venue allows more than one.
pub(super) fn sides(wanted: u8, overlap: bool) -> u8 {
    if overlap { wanted.clamp(1, 2) } else { 1 }
}

/// How much a line has to say of its topics when none serves them better.
fn standing(line: &Line) -> u8 {
    match &line.phase {
        Phase::Live(_) if line.stands() => 5,
        Phase::Live(_) => 4,
        Phase::Dialling { .. } | Phase::LoggingIn(_) => 3,
        Phase::Waiting { .. } => 2,
        Phase::Halted { .. } => 1,
        Phase::Idle => 0,
    }
}

impl Feed {
    /// The line that speaks for a topic: one that serves it, and of several the one that is shown as the best. A line
    /// that was away while another one served would have its readers told of troubles that they never had, and one
    /// that never carried anything knows nothing of theirs.
    pub(super) fn speaker(&self, entry: &Entry) -> Option<usize> {
        self.best_of(entry.carriers.iter())
    }

    fn best_of(&self, slots: impl DoubleEndedIterator<Item = usize>) -> Option<usize> {
        let rank = |slot: usize| {
            let line = &self.lines[slot];
            let shown = line.health.carried().map_or(Level::Critical, |carried| carried.level());
            (line.serves(), Reverse(shown), standing(line))
        };
        // Of equal ones the one that has carried it for longer.
        slots.rev().max_by_key(|slot| rank(*slot))
    }

    /// A line has shown that it serves, for the first time or again: it speaks for its topics from where the others
    /// left them, and has at most to prove itself.
    pub(super) fn line_serves(&mut self, now: Mono, slot: usize) {
        let beside = self.shown_beside(slot);
        self.lines[slot].health.serves(now, beside);
    }

    /// How everything that a line carries is shown by the others, the worst of it; `None` if something of it is not.
    fn shown_beside(&self, slot: usize) -> Option<LevelFilter> {
        let best = |id: TopicId| {
            let others = self.topics.get(id)?.carriers.iter().filter(|other| *other != slot);
            self.lines[self.best_of(others)?].health.carried()
        };
        let mut worst: Option<LevelFilter> = None;
        for (_, id) in self.lines[slot].wishes.iter() {
            let found = best(id)?;
            worst = worst.filter(|worst| worst.level() >= found.level()).or(Some(found));
        }
        worst
    }

    /// Whether a topic is carried by another line than `slot`: one that stands, is not doubted, and has been
    /// subscribed to it for long enough. What `slot` loses comes from there.
    pub(super) fn is_covered(&self, id: TopicId, slot: usize) -> bool {
        let Some(entry) = self.topics.get(id).filter(|entry| entry.carriers.several()) else { return false };
        let Some(route) = self.route_of(id) else { return false };
        // What the venue said after the last word on the line that goes, and before the other one was subscribed, nobody
        // has. A line that was not asked for the topic loses nothing of it.
        let asked = self.lines[slot].wishes.is_or_was_asked(&route.stream);
        let known = if asked { self.known_until(entry, slot) } else { Mono::NEVER };
        let knows_all = |other: usize| {
            let since = self.lines[other].wishes.since(&route.stream);
            let knows = self.is_fed_by(other, &route.stream) && since.is_some_and(|since| since <= known);
            knows && !self.is_behind(other, slot, id) && !self.lags_with(other, id)
        };
        entry.carriers.iter().any(|other| other != slot && knows_all(other))
    }

    /// Whether a line stands, is neither doubted nor mute, and has been subscribed to a stream; it may be asked once more.
    pub(super) fn is_fed_by(&self, slot: usize, stream: &StreamName) -> bool {
        let line = &self.lines[slot];
        line.stands() && line.wishes.since(stream).is_some()
    }

    /// Whether any line stands that may tell what comes of a topic from now on.
    pub(super) fn is_fed(&self, id: TopicId) -> bool {
        let (Some(entry), Some(route)) = (self.topics.get(id), self.route_of(id)) else { return false };
        entry.carriers.iter().any(|slot| self.is_fed_by(slot, &route.stream))
    }

    /// Until when nothing of a topic is missing that a line carries: the last word on that line, or the newest event
    /// that another one brought and that fitted what was there.
    fn known_until(&self, entry: &Entry, slot: usize) -> Mono {
        let fitted = entry.last_at().filter(|_| entry.sequence.held() == 0);
        fitted.map_or(Mono::default(), |at| at.mono).max(self.lines[slot].heard)
    }

    /// Whether a line has carried a topic since before it came into doubt, so that it missed nothing of it; `None` if it
    /// does not carry it.
    pub(super) fn vouches(&self, id: TopicId, slot: usize) -> Option<bool> {
        let (entry, route) = (self.topics.get(id)?, self.route_of(id)?);
        let since = self.lines[slot].wishes.since(&route.stream)?;
        let is_late = |other: usize| {
            let line = &self.lines[other];
            let carries =
                line.is_live() && line.wishes.since(&route.stream).is_some_and(|begun| begun < since);
            carries && since > self.known_until(entry, other)
        };
        Some(!entry.carriers.iter().any(|other| other != slot && is_late(other)))
    }

    /// Whether a topic that two lines are to carry has only one that stands: then its next fault will be felt.
    pub(super) fn has_lost_its_second(&self, id: TopicId, entry: &Entry) -> bool {
        let side = |slot: usize| u32::from(self.lines[slot].side);
        let (mut wanted, mut standing, mut any) = (0_u32, 0_u32, false);
        for slot in entry.carriers.iter() {
            wanted |= 1 << side(slot);
            let line = &self.lines[slot];
            any |= line.stands();
            // One that brings nothing of it is no second.
            standing |= u32::from(line.stands() && !entry.is_mute_on(line.id)) << side(slot);
        }
        any && (standing != wanted || self.refusals.holds(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_held_once_and_no_more_than_there_is_room_for() {
        let mut carriers = Carriers::default();
        assert!(carriers.is_empty());
        assert!([7, 3, 7, 9, 4].into_iter().all(|slot| carriers.add(slot)));
        assert!(!carriers.add(5), "a fifth");
        carriers.remove(3);
        assert_eq!(carriers.iter().collect::<Vec<_>>(), [7, 9, 4]);
        assert!(carriers.several() && carriers.contains(9) && !carriers.contains(3));
    }

    #[test]
    fn one_line_where_the_venue_allows_no_two() {
        assert_eq!([sides(2, true), sides(2, false), sides(0, true), sides(1, true)], [2, 1, 1, 1]);
    }
}
