//! Holes in the ids: what lies behind one is held back until it is filled, or declared.

use std::time::Duration;

use crate::data::sequence::Missing;
use crate::data::update::{Data, Gap, GapKind, Kind, Source};
use crate::defect::{Defect, planted};
use crate::time::{Mono, Time};
use crate::venue::TopicId;

use super::Feed;
use super::history::Draft;
use super::market::{Epochs, Origin, brought};
use super::topics::Seen;

impl Feed {
    /// An event is held back behind a hole in the ids.
    #[cold]
    pub(super) fn came_early(&mut self, now: Time, from: Origin, topic: TopicId) {
        let Some(entry) = self.topics.get_mut(topic) else { return };
        entry.shown_missing |= from.is_line();
        let Some(entry) = self.topics.get(topic) else { return };
        let full = entry.sequence.held() > self.hole_room(entry);
        let first = self.holes.insert(topic);
        self.want_repair(now, topic, first);
        if first {
            self.want_newest(now, topic);
        }
        if full {
            self.declare(now, topic);
        } else if first {
            self.fetch_due(now);
        }
    }

    /// The next one has come while others are held back: they may follow it, or be refuted by it.
    #[cold]
    pub(super) fn goes_on_before_a_hole(&mut self, now: Time, from: Origin, topic: TopicId) {
        if let Some(entry) = self.topics.get_mut(topic).filter(|_| from.is_line()) {
            entry.sequence.advanced(now.mono);
        }
        self.release(now, topic);
    }

    /// Delivers what a filled (or declared) hole held back.
    pub(super) fn release(&mut self, now: Time, topic: TopicId) {
        let Some(entry) = self.topics.get_mut(topic) else { return };
        while let Some((id, (source, held))) = entry.sequence.release() {
            self.decoded.see(topic, id);
            entry.enter(now, source);
            if held.is_none() && source != Source::Live {
                self.decoded.leave_out(topic, id);
            }
            if let Some((time, received, data)) = held {
                Seen::of(&mut entry.seen).renew(time);
                let draft = brought(entry.shape, source, (time, received), data);
                entry.event(&mut self.readers, &self.config, draft, Epochs(&mut self.rng));
            }
        }
        if entry.sequence.held() == 0 {
            self.holes.remove(&topic);
            // What was held before a line was lost tells nothing of what is missed since.
            if entry.shown_missing {
                entry.outage = false;
            }
        }
    }

    /// Gives up on the first hole of a topic: its subscribers are told what is missing.
    pub(super) fn declare(&mut self, now: Time, topic: TopicId) {
        let Some(entry) = self.topics.get_mut(topic) else { return };
        let Some(missing) = entry.sequence.give_up() else { return };
        let Missing { from, to } = missing;
        self.decoded.declare(topic, missing);
        let Seen { counts, ledger, .. } = Seen::of(&mut entry.seen);
        if !planted(Defect::LostUnentered) {
            ledger.lost(now, missing);
        }
        counts.gaps += 1;
        // Ids are the venue's word: two wild ones can miss more than there are numbers.
        counts.lost = counts.lost.saturating_add((to - from).saturating_add(1));
        self.counters.gaps += 1;
        let reason = "not received from the venue";
        self.events.record(now, entry.topic.as_str(), ("live", "live"), &format!("gap {from}-{to} declared"));
        let gap = Gap { kind: GapKind::Venue, from, to, reason: reason.into() };
        let draft = Draft {
            kind: Kind::Gap,
            source: Source::Live,
            time: None,
            received: now,
            late: false,
            data: Data::Gap(Box::new(gap)),
        };
        entry.publish(&mut self.readers, &self.config, draft);
        self.release(now, topic);
        self.count_gap(now, topic, missing);
    }

    /// Declares the holes whose time is up.
    pub(super) fn declare_due(&mut self, now: Time) {
        let due = |feed: &Self, id: &TopicId| feed.hole_deadline(*id).is_some_and(|at| at <= now.mono);
        loop {
            let Some(id) = self.holes.iter().copied().find(|id| due(self, id)) else { return };
            self.in_hand = Some(id);
            if !self.drop_refuted(now, id) {
                self.declare(now, id);
            }
            self.in_hand = None;
        }
    }

    /// We did not run: what was asked for meanwhile lies in the sockets, or could not be asked for, and is at once.
    pub(super) fn postpone_holes(&mut self, now: Time, late: Duration) {
        for id in self.holes.iter().copied().collect::<Vec<_>>() {
            if let Some(entry) = self.topics.get_mut(id) {
                entry.sequence.postpone(late, now.mono);
            }
            self.want_newest(now, id);
        }
    }

    /// When the next hole is declared.
    pub(super) fn holes_deadline(&self) -> Option<Mono> {
        self.holes.iter().filter_map(|id| self.hole_deadline(*id)).min()
    }

    fn hole_deadline(&self, id: TopicId) -> Option<Mono> {
        let entry = self.topics.get(id)?;
        entry.sequence.deadline(self.hole_patience(entry))
    }
}
