//! Lines that are open and have brought nothing: an acknowledgement proves nothing. Their market may be quiet, and then
//! they are left alone. But where another line, or REST, tells of what they should have brought, it is they who are mute:
//! such a line covers nothing, serves nothing, and is left.

use crate::config::Timing;
use crate::defect::{Defect, planted};
use crate::policy::health::NOTHING_YET;
use crate::time::{Mono, Time};
use crate::venue::TopicId;

use super::Feed;
use super::line::{Line, Phase};
use super::rotate::Role;
use super::topics::{Entry, State};
use super::vigil::LEAST_STEP;

/// Rounds of polling after which a line must have been subscribed before what REST tells.
const ROUNDS: u32 = 3;
/// So many times the longest silence that a line may keep it may bring nothing before REST is asked as well.
const PATIENCE: u32 = 3;
/// What a mute line is called.
pub(super) const MUTE: &str = "it brings nothing of what others tell";

/// What speaks against a line that has brought nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Against {
    /// Nothing: its market may be quiet.
    #[default]
    Nothing,
    /// Another line brought something that this one should have; that was first seen then.
    Outdone(Mono),
    /// It has brought nothing, though there was something to bring.
    Mute,
}

impl Line {
    /// What speaks against it; nothing if it has brought something, or is not open.
    fn unproven(&self) -> Option<Against> {
        self.live().filter(|live| live.proven.is_none()).map(|_| self.against)
    }

    /// Whether it has brought nothing, though there was something to bring.
    pub(super) fn is_mute(&self) -> bool {
        self.unproven() == Some(Against::Mute)
    }

    /// Whether it stands, and nothing speaks against it, its last session neither: what another one loses may come from
    /// it.
    pub(super) fn stands(&self) -> bool {
        let spoken = match self.unproven() {
            Some(against) => {
                against == Against::Mute || self.fruitless > 0 && !planted(Defect::TrustTheUnproven)
            }
            None => false,
        };
        self.is_live() && !self.is_doubted() && !spoken
    }

    /// Since when it is subscribed and has brought nothing.
    fn barren_since(&self) -> Option<Mono> {
        self.live().filter(|live| live.proven.is_none())?.acknowledged
    }

    /// Whether it has brought nothing for so long that REST is asked as well: its market may be quiet.
    pub(super) fn is_overdue(&self, now: Mono, timing: &Timing) -> bool {
        self.barren_since().is_some_and(|since| now.since(since) >= timing.silent_max * PATIENCE)
    }

    /// Whether it has brought nothing for longer than it may be silent, by a rhythm that is known to be lively.
    pub(super) fn is_late(&self, now: Mono, timing: &Timing) -> bool {
        let silent = |since| now.since(since) >= self.silent_after(timing);
        self.is_lively(timing) && self.barren_since().is_some_and(silent)
    }

    /// Why what it carries is not called healthy while it has brought nothing.
    pub(super) fn unproven_words(&self) -> &'static str {
        if self.is_mute() { MUTE } else { NOTHING_YET }
    }
}

impl Entry {
    /// The venue's id of the newest that readers were told.
    pub(super) fn told_up_to(&self) -> Option<u64> {
        self.shown().map_or_else(|| self.sequence.last(), |book| book.venue_id)
    }
}

impl Feed {
    /// Looks at the lines that have brought nothing: whether others tell of what they should have.
    pub(super) fn weigh_unproven(&mut self, now: Time) {
        let wait = self.config.timing.reorder_within;
        for slot in 0..self.lines.len() {
            match self.lines[slot].unproven() {
                // One that is to follow another has a trial of its own.
                _ if matches!(self.lines[slot].role, Role::Heir { .. }) => {}
                Some(Against::Nothing) if self.is_outdone(now, slot) => {
                    self.lines[slot].against = Against::Outdone(now.mono);
                }
                // What is on its way is no proof.
                Some(Against::Outdone(since)) if now.mono.since(since) >= wait => self.call_mute(now, slot),
                _ => {}
            }
        }
    }

    /// Whether another line has brought something since the venue confirmed it on this one.
    fn is_outdone(&self, now: Time, slot: usize) -> bool {
        let (line, wait) = (&self.lines[slot], self.config.timing.reorder_within);
        if line.barren_since().is_none_or(|at| now.mono < at + wait) {
            return false;
        }
        line.wishes.iter().any(|(stream, id)| {
            let entry = self.topics.get(id).filter(|entry| entry.carriers.several());
            // What REST told may be from before.
            let newest = entry.and_then(|entry| entry.seen.as_ref().filter(|seen| seen.by_line)?.last_at);
            line.wishes.since(stream).zip(newest).is_some_and(|(since, at)| at.mono >= since + wait)
        })
    }

    /// Whether a line has brought nothing since the venue confirmed it, or for longer than it may be silent, though
    /// another one has: one of the same topics all together, or of `id`.
    pub(super) fn is_behind(&self, slot: usize, other: usize, id: TopicId) -> bool {
        let (line, timing) = (&self.lines[slot], &self.config.timing);
        let due = match line.barren_since() {
            Some(confirmed) => confirmed + timing.reorder_within,
            None => line.last_data + line.silent_after(timing),
        };
        let lost = &self.lines[other];
        let brought = lost.live().map_or(lost.was_proven, |live| live.proven.is_some());
        if !brought || lost.last_data < due || planted(Defect::TrustTheUnproven) {
            return false;
        }
        let seen = self.topics.get(id).and_then(|entry| entry.seen.as_ref());
        let told = seen.filter(|seen| seen.by_line).and_then(|seen| seen.last_at);
        told.is_some_and(|at| at.mono >= due) || self.carries_all_of(slot, other)
    }

    /// Whether everything that is wanted of a line has been confirmed on another one, too.
    fn carries_all_of(&self, slot: usize, other: usize) -> bool {
        self.lines[other].wishes.iter().all(|(stream, _)| self.lines[slot].wishes.since(stream).is_some())
    }

    /// REST has told news of a topic, and had told of it before: what happened in between a line that carries it should
    /// have brought, if it was subscribed by then.
    pub(super) fn told_by_rest(&mut self, now: Time, id: TopicId) {
        let (Some(entry), Some(route)) = (self.topics.get(id), self.route_of(id)) else { return };
        let between = self.fallback.pause() * ROUNDS;
        let missed = |slot: &usize| {
            let line = &self.lines[*slot];
            let long = |since| now.mono.since(since) >= between * line.leniency();
            // One that is to follow another has a trial of its own.
            let judged = !line.is_mute() && !matches!(line.role, Role::Heir { .. });
            let since = line.barren_since().zip(line.wishes.since(&route.stream));
            judged && since.is_some_and(|(barren, confirmed)| long(barren.max(confirmed)))
        };
        let mute: Vec<usize> = entry.carriers.iter().filter(missed).collect();
        mute.into_iter().for_each(|slot| self.call_mute(now, slot));
    }

    /// A line that carries a topic has brought something, if not of that one: what may be missing is asked for, and a book
    /// that broke while nobody trusted the line does not wait for a change of its own.
    pub(super) fn is_brought_again(&mut self, now: Time, id: TopicId) {
        self.may_have_missed(now, id);
        let is_cut = |entry: &Entry| matches!(&entry.state, State::Book(book) if book.is_cut());
        if self.topics.get(id).is_some_and(is_cut) && self.is_fed(id) {
            self.go_on(now, id);
        }
    }

    /// A line is lost: those that carry the same, and have brought nothing yet, are judged by its rhythm.
    pub(super) fn bequeath_rhythm(&mut self, slot: usize) {
        let lost = &self.lines[slot];
        if !lost.is_lively(&self.config.timing) {
            return;
        }
        let (group, rhythm) = (lost.group, lost.lend_rhythm());
        for other in 0..self.lines.len() {
            let line = &self.lines[other];
            let known = line.arrivals.is_known() || line.borrowed.is_some();
            let same = other != slot && line.group == group && line.unproven().is_some() && !known;
            if same && self.carries_all_of(other, slot) {
                self.lines[other].borrow_rhythm(rhythm.clone());
            }
        }
    }

    fn call_mute(&mut self, now: Time, slot: usize) {
        if planted(Defect::TrustTheUnproven) {
            return;
        }
        let line = &mut self.lines[slot];
        let Phase::Live(live) = &mut line.phase else { return };
        (line.against, live.check_at) = (Against::Mute, now.mono + LEAST_STEP);
        self.events.record(now, &format!("line {slot}"), ("live", "live"), MUTE);
        self.tell_topics(now, slot);
    }
}
