//! A stream that the venue refuses on one line while another one brings it: that side goes without it, and asks again
//! later. What the venue sends on one line it does not deny.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::time::{Mono, Time};
use crate::venue::TopicId;

use super::Feed;
use super::rotate::Role;
use super::topics::Entry;

/// After the first refusal it is asked again after this long, then after twice as long each time …
const FIRST: Duration = Duration::from_secs(60);
/// … but no longer than this.
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// What one side was refused.
#[derive(Debug, Default)]
struct Refusal {
    /// Refusals in a row.
    times: u32,
    /// When it is asked again; `None` once it has been.
    due: Option<Mono>,
}

/// The topics that one side has to go without.
#[derive(Debug, Default)]
pub(super) struct Refusals(BTreeMap<TopicId, Refusal>);

impl Refusals {
    /// Forgets a topic.
    pub(super) fn forget(&mut self, topic: TopicId) {
        self.0.remove(&topic);
    }

    /// The venue has accepted the stream of a topic: if that was asked again, all is well.
    pub(super) fn accepted(&mut self, topic: TopicId) {
        if self.0.get(&topic).is_some_and(|refusal| refusal.due.is_none()) {
            self.0.remove(&topic);
        }
    }

    /// Whether one side goes without a topic.
    pub(super) fn holds(&self, topic: TopicId) -> bool {
        self.0.get(&topic).is_some_and(|refusal| refusal.due.is_some())
    }

    /// One side goes without a topic for a while.
    pub(super) fn add(&mut self, now: Mono, topic: TopicId) {
        let refusal = self.0.entry(topic).or_default();
        let wait = FIRST.saturating_mul(1 << refusal.times.min(8)).min(LONGEST);
        (refusal.times, refusal.due) = (refusal.times.saturating_add(1), Some(now + wait));
    }

    /// Those whose time has come, or all of them.
    fn take_due(&mut self, now: Mono, all: bool) -> Vec<TopicId> {
        let due = self.0.iter_mut().filter(|(_, refusal)| refusal.due.is_some_and(|at| all || at <= now));
        due.map(|(id, refusal)| {
            refusal.due = None;
            *id
        })
        .collect()
    }
}

/// Whoever brought something so shortly before sends it.
const SENT_WITHIN: Duration = Duration::from_secs(10);

impl Feed {
    /// The venue has refused a stream on a line. If it brings it on the other side, only this side goes without it.
    pub(super) fn refused_on(&mut self, now: Time, slot: usize, id: TopicId, reason: &str) {
        let (Some(route), Some(entry)) = (self.route_of(id), self.topics.get(id)) else { return };
        let side = self.lines[slot].side;
        // A line and the one that is to follow it are one side: what the follower may not have is lost with the line.
        let (own, others): (Vec<usize>, Vec<usize>) =
            entry.carriers.iter().partition(|carrier| self.lines[*carrier].side == side);
        // A line that was lost a moment ago, and brought it until then, is soon there again and asks for itself.
        let is_asked = |other: &usize| {
            self.is_fed_by(*other, &route.stream) || self.lines[*other].wishes.was_asked(&route.stream)
        };
        if !others.iter().any(is_asked) {
            if let Some(since) = self.brings_anyway(now, slot, entry) {
                let line = &mut self.lines[slot];
                return line.wishes.keep(&mut line.names, &route.stream, id, since);
            }
            if matches!(self.lines[slot].role, Role::Heir { .. }) && has_just_come(now, entry).is_some() {
                return self.give_up_heir(now, slot, "its follower is refused what it brings");
            }
            self.refusals.forget(id);
            return self.reject(now, id, reason);
        }
        let cause = format!("refused by the venue on line {slot}, which goes without it: {reason}");
        let phase = entry.service.phase;
        self.events.record(now, entry.topic.as_str(), (phase, phase), &cause);
        self.refusals.add(now.mono, id);
        for carrier in own {
            self.give_up(now, id, carrier);
            self.uncarry(now, carrier, &route.stream);
        }
        self.tell_topic(now, id);
    }

    /// Since when a line itself has brought what the venue now refuses on it, as far as is known: what was asked for once
    /// more, since no word came of it, may be subscribed long ago. Of several lines only ids tell which one brings it.
    fn brings_anyway(&self, now: Time, slot: usize, entry: &Entry) -> Option<Mono> {
        let line = &self.lines[slot];
        let at = if entry.carriers.several() {
            let courses = &entry.seen.as_ref()?.prints.as_ref()?.courses;
            courses.latest(line.id)?
        } else {
            has_just_come(now, entry)?
        };
        (at > line.live()?.since && now.mono.since(at) < SENT_WITHIN).then_some(at)
    }

    /// Asks again for what one side was refused, where it is time, or for all of it.
    pub(super) fn ask_again(&mut self, now: Time, all: bool) {
        for id in self.refusals.take_due(now.mono, all) {
            self.place(now, id);
        }
    }

    /// When something is asked for again.
    pub(super) fn refusals_deadline(&self) -> Option<Mono> {
        self.refusals.0.values().filter_map(|refusal| refusal.due).min().filter(|_| !self.stopping)
    }

    #[cfg(test)]
    pub(super) fn is_refused_on_one_side(&self) -> bool {
        !self.refusals.0.is_empty()
    }
}

/// When something of a topic came on a line, if that was a moment ago.
fn has_just_come(now: Time, entry: &Entry) -> Option<Mono> {
    let seen = entry.seen.as_ref().filter(|seen| seen.by_line)?;
    seen.last_at.map(|at| at.mono).filter(|at| now.mono.since(*at) < SENT_WITHIN)
}
