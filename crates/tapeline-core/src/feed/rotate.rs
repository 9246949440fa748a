//! Lines are replaced before they break: a second line takes up everything, and when it carries it, the first one is
//! left. One at a time, so that no two lines of a topic are in motion at once.

use std::time::Duration;

use crate::defect::{Defect, planted};
use crate::policy::fault::Fault;
use crate::policy::rotation::replaced_in;
use crate::time::{Mono, Time};
use crate::venue::{StreamName, TopicId};

use super::Feed;
use super::line::{Line, Live, Phase};

/// A follower that carries nothing for this long, though the line it follows does, is given up.
const TRIAL: Duration = Duration::from_secs(30);
/// Then the next one is tried after this long; if it is only for a better place, after twice as long each time, up to
/// so many doublings.
const AGAIN: Duration = Duration::from_secs(60);
const DOUBLINGS: u32 = 6;

/// What a line has to do with another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Role {
    /// It stands alone.
    #[default]
    Own,
    /// It goes on until this line has taken over.
    Leaving { heir: usize },
    /// It is to take over from this line; since when it could.
    Heir { of: usize, ready: Option<Mono> },
    /// Its follower has taken over. It may be dialled again for another rotation.
    Retired,
}

/// The followers of a line that were of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Spurned {
    times: u32,
    /// No other one is tried before, only to be at a better place.
    until: Mono,
}

impl Spurned {
    fn add(&mut self, now: Mono) {
        self.until = now + AGAIN * (1 << self.times.min(DOUBLINGS));
        self.times += 1;
    }
}

impl Line {
    pub(super) fn is_leaving(&self) -> bool {
        matches!(self.role, Role::Leaving { .. })
    }

    /// Whether everything wanted of it is confirmed.
    fn is_complete(&self) -> bool {
        !self.wishes.outstanding() && self.wishes.confirmed() == self.wishes.len()
    }
}

impl Feed {
    /// When a line that is opened now is replaced; none where the venue never cuts.
    pub(super) fn replace_at(&mut self, now: Time, group: u8) -> Option<Mono> {
        self.venue.profile().groups[usize::from(group)].lifetime?;
        let timing = &self.config.timing;
        let wait = replaced_in(timing.line_lifetime, timing.rotate_between, now.unix, self.rng.roll());
        Some(now.mono + wait)
    }

    /// A line is to be replaced as soon as no other one is; whether it can be.
    pub(super) fn want_rotation(&mut self, now: Time, slot: usize, cause: &str) -> bool {
        let line = &mut self.lines[slot];
        let overlap = self.venue.profile().groups[usize::from(line.group)].overlap;
        let Phase::Live(live) = &mut line.phase else { return false };
        if !overlap || line.role != Role::Own || self.stopping {
            return false;
        }
        live.replace_at = Some(now.mono);
        self.events.record(now, &format!("line {slot}"), ("live", "live"), cause);
        self.rotate(now);
        true
    }

    /// Begins, or ends, what is due.
    pub(super) fn rotate(&mut self, now: Time) {
        for slot in 0..self.lines.len() {
            if matches!(self.lines[slot].role, Role::Heir { .. }) {
                self.judge_heir(now, slot);
            }
        }
        if self.stopping || self.is_rotating() {
            return;
        }
        let misplaced = self.misplaced(now);
        let due = |line: &Line| line.replace_at().is_some_and(|at| at <= now.mono && line.role == Role::Own);
        if let Some(slot) = self.lines.iter().position(due).or(misplaced) {
            self.begin_rotation(now, slot);
        }
    }

    /// The first line that stands well at another endpoint than the one that serves best: one that is there is to
    /// follow it, unless that was tried in vain a while ago.
    fn misplaced(&mut self, now: Time) -> Option<usize> {
        let settled_after = self.config.timing.stable_after.max(AGAIN);
        let settled = |live: &&Live| live.proven.is_some_and(|at| now.mono.since(at) >= settled_after);
        let mut found = None;
        for slot in 0..self.lines.len() {
            let line = &self.lines[slot];
            let Some(live) = line.live().filter(settled).filter(|_| line.role == Role::Own) else { continue };
            let (endpoint, tried) = (line.endpoint, live.spurned.until > now.mono);
            // Each side's choice is looked at, so that it knows for how long another place has been better.
            let best = self.gate.preferred(now.mono, line.side);
            if best != endpoint && !tried {
                found = found.or(Some(slot));
            }
        }
        found
    }

    fn is_rotating(&self) -> bool {
        self.lines.iter().any(Line::is_leaving) && !planted(Defect::RotateBothLines)
    }

    /// When the next one is due.
    pub(super) fn rotate_deadline(&self) -> Option<Mono> {
        let heirs = self.lines.iter().filter_map(|line| match line.role {
            Role::Heir { ready, .. } => {
                let trial = line.live()?.since + TRIAL;
                let ready = ready.map(|at| at + self.config.timing.reorder_within);
                // What has been looked at in vain waits for a word of the line that is to go: any other occasion will do.
                Some(ready.map_or(trial, |at| if at > self.ticked { at } else { Mono::NEVER }))
            }
            _ => None,
        });
        let own = |line: &&Line| line.role == Role::Own && !self.is_rotating();
        let next = self.lines.iter().filter(own).filter_map(Line::replace_at);
        heirs.chain(next).min()
    }

    fn begin_rotation(&mut self, now: Time, old: usize) {
        let Line { group, side, capacity, .. } = self.lines[old];
        let rhythm = self.lines[old].lend_rhythm();
        if let Phase::Live(live) = &mut self.lines[old].phase {
            // If it is due, it is due again when this comes to nothing.
            live.replace_at = live.replace_at.map(|at| at.max(now.mono + AGAIN));
        }
        if !self.venue.profile().groups[usize::from(group)].overlap {
            // One connection is all there may be.
            return self.cut(now, old, Fault::Planned, "replaced before the venue cuts it");
        }
        let reused = |line: &Line| line.role == Role::Retired && line.group == group;
        let heir = match self.lines.iter().position(reused) {
            Some(slot) => slot,
            None => self.new_line(now, group, side),
        };
        let line = &mut self.lines[heir];
        (line.side, line.capacity) = (side, capacity);
        line.borrow_rhythm(rhythm);
        line.role = Role::Heir { of: old, ready: None };
        self.lines[old].role = Role::Leaving { heir };
        let carried: Vec<(StreamName, TopicId)> =
            self.lines[old].wishes.iter().map(|(stream, id)| (stream.clone(), id)).collect();
        for (stream, id) in carried {
            self.carry(now, id, heir, &stream);
        }
        if self.lines[heir].wishes.is_empty() {
            // There is nothing that it could take over, and it would never be dialled.
            self.lines[heir].role = Role::Retired;
            return self.follow_later(now, old);
        }
        let cause = format!("line {heir} is to follow it");
        self.events.record(now, &format!("line {old}"), ("live", "live"), &cause);
        self.drive_line(now, heir);
    }

    /// A line goes on by itself, and another one is to follow it later.
    fn follow_later(&mut self, now: Time, slot: usize) {
        self.lines[slot].role = Role::Own;
        if let Phase::Live(live) = &mut self.lines[slot].phase {
            live.replace_at = live.replace_at.map(|at| at.max(now.mono + AGAIN));
            live.spurned.add(now.mono);
        }
    }

    /// Looks whether a follower carries everything. What is on its way on the old line arrives within the time that
    /// events may be out of order; then nothing of it is lost.
    fn judge_heir(&mut self, now: Time, heir: usize) {
        let line = &self.lines[heir];
        let Role::Heir { of: old, ready } = line.role else { return };
        match &line.phase {
            Phase::Halted { .. } => return self.give_up_heir(now, heir, "its follower was refused"),
            Phase::Live(_) => {}
            _ => {
                // Whatever it carried before, it begins anew.
                self.lines[heir].role = Role::Heir { of: old, ready: None };
                return;
            }
        }
        let Some(live) = line.live() else { return };
        if planted(Defect::TakeHeirEarly) {
            return self.finish_rotation(now, old, "its follower has taken over");
        }
        let complete = line.is_complete() && self.is_replaced(old);
        let tried = now.mono.since(live.since) >= TRIAL;
        let busy = self.lines[old].last_data > live.acknowledged.unwrap_or(live.since);
        if complete && (live.proven.is_some() || tried && !busy) {
            // Another connection may have taken the place of the one that was ready.
            let since = ready.filter(|at| *at >= live.since).unwrap_or(now.mono);
            let beside = now.mono.since(since) >= self.config.timing.reorder_within;
            if planted(Defect::CloseWithoutOverlap) || beside && self.has_told_all(now, old, heir) {
                return self.finish_rotation(now, old, "its follower has taken over");
            }
            self.lines[heir].role = Role::Heir { of: old, ready: Some(since) };
        } else if tried {
            if busy && live.proven.is_none() {
                // It is open, and brings nothing of what there is: as good as a dial that failed.
                let (rules, place) = (&self.gate.scores, &mut self.gate.streams[line.endpoint]);
                place.quality.dial_failed(now.mono, rules);
            }
            self.give_up_heir(now, heir, "its follower does not carry everything");
        } else {
            self.lines[heir].role = Role::Heir { of: old, ready: None };
        }
    }

    /// Whether a line has told what was said before its follower was subscribed. One that stands still may yet bring it;
    /// if nothing has come on it since, it is asked for a sign of life, and answers after what it still has to say.
    fn has_told_all(&mut self, now: Time, old: usize, heir: usize) -> bool {
        let subscribed = self.lines[heir].wishes.latest();
        let told = subscribed.is_none_or(|at| at <= self.lines[old].heard)
            || self.lines[old].wishes.iter().all(|(_, id)| self.is_covered(id, old));
        if !told {
            self.ping(now, old, self.config.timing.pong_within);
        }
        told
    }

    /// Whether everything that a line carries comes without it: from the one that follows it, or from another one of
    /// its side.
    fn is_replaced(&self, old: usize) -> bool {
        let side = self.lines[old].side;
        self.lines[old].wishes.iter().all(|(stream, id)| {
            let carries = |slot: usize| {
                let line = &self.lines[slot];
                slot != old && line.side == side && line.is_live() && line.wishes.is_confirmed(stream)
            };
            self.topics.get(id).is_none_or(|entry| entry.carriers.iter().any(carries))
        })
    }

    /// A line is left to its follower.
    fn finish_rotation(&mut self, now: Time, old: usize, cause: &str) {
        if let Role::Leaving { heir } = self.lines[old].role {
            self.lines[heir].role = Role::Own;
        }
        self.retire(now, old, cause);
        self.counters.rotations += 1;
    }

    /// A follower is of no use; the line goes on, and another one is tried later.
    pub(super) fn give_up_heir(&mut self, now: Time, heir: usize, cause: &str) {
        self.counters.failed_rotations += 1;
        if let Role::Heir { of: old, .. } = self.lines[heir].role {
            self.follow_later(now, old);
            // Keys that are refused are refused again: then nothing is tried before there are others.
            let keys = matches!(self.lines[heir].fault, Some((Fault::Authentication, _)));
            if let (true, Phase::Live(live)) = (keys, &mut self.lines[old].phase) {
                (live.replace_at, live.spurned.until) = (None, Mono::NEVER);
            }
            if self.lines[heir].is_live() {
                // The line may be in doubt, or not be subscribed yet to what came meanwhile.
                self.interrupt(now, heir);
            }
            self.retire(now, heir, cause);
            self.tell_topics(now, old);
        }
    }

    /// No line follows another one any more: nobody's fault, and those that were to be followed go on.
    pub(super) fn end_rotations(&mut self, now: Time, cause: &str) {
        for slot in 0..self.lines.len() {
            if let Role::Heir { of: old, .. } = self.lines[slot].role {
                self.lines[old].role = Role::Own;
                self.retire(now, slot, cause);
            }
        }
    }

    /// A line carries nothing any more and is closed.
    fn retire(&mut self, now: Time, slot: usize, cause: &str) {
        let left = self.unload(now, slot);
        if self.lines[slot].is_engaged() {
            self.hang_up(now, slot);
        }
        self.rest_in_peace(now, slot, cause);
        left.into_iter().for_each(|id| self.place(now, id));
    }

    /// Takes everything off a line; what no other one of its side carries, and so has to be placed anew.
    fn unload(&mut self, now: Time, slot: usize) -> Vec<TopicId> {
        let carried: Vec<(StreamName, TopicId)> =
            self.lines[slot].wishes.iter().map(|(stream, id)| (stream.clone(), id)).collect();
        let side = self.lines[slot].side;
        let mut left = Vec::new();
        for (stream, id) in carried {
            let covered = self.is_covered(id, slot);
            let line = &mut self.lines[slot];
            line.wishes.leave(&mut line.names, &stream);
            if let Some(entry) = self.topics.get_mut(id) {
                entry.carriers.remove(slot);
            }
            if self.is_placed(id, side) {
                continue;
            }
            left.push(id);
            if !covered {
                self.disown(now, id);
            }
        }
        self.doubt_rhythm(now, slot);
        left
    }

    fn rest_in_peace(&mut self, now: Time, slot: usize, cause: &str) {
        self.lines[slot].wishes.disconnected();
        self.enter(now, slot, Phase::Idle, cause);
        self.lines[slot].role = Role::Retired;
    }

    /// A line that is leaving has broken before its follower carried everything: it is not dialled again. Whether
    /// that was so.
    pub(super) fn leave_to_heir(&mut self, now: Time, slot: usize, detail: &str) -> bool {
        let Role::Leaving { heir } = self.lines[slot].role else { return false };
        self.interrupt(now, slot);
        self.lines[heir].role = Role::Own;
        let left = self.unload(now, slot);
        self.rest_in_peace(now, slot, detail);
        let wait = self.lines[slot].failures.delay(&self.backoff, self.rng.roll());
        self.lines[slot].rests_until = now.mono + wait;
        self.tell_topics(now, heir);
        left.into_iter().for_each(|id| self.place(now, id));
        true
    }

    /// A line comes to rest: what it had to do with another one is over.
    pub(super) fn part(&mut self, now: Time, slot: usize) {
        match std::mem::take(&mut self.lines[slot].role) {
            Role::Leaving { heir } => self.lines[heir].role = Role::Own,
            Role::Heir { of, .. } => self.follow_later(now, of),
            Role::Own | Role::Retired => {}
        }
    }
}
