//! Missed events are asked for by their ids: what comes in time goes where it belongs, what comes later is marked
//! late, and what nobody has is declared.

use std::collections::BTreeMap;
use std::mem::size_of;
use std::time::Duration;

use crate::data::sequence::Missing;
use crate::data::update::Source;
use crate::defect::{Defect, planted};
use crate::policy::backoff::delay;
use crate::time::{Mono, Time};
use crate::venue::{Decoded, Fetch, Item, Refusal, TopicId};

use super::Feed;
use super::fetches::NotNow;
use super::missed::Past;
use super::topics::{Entry, Held};

/// Requests for missed events in flight at once.
const IN_FLIGHT: usize = 2;
/// For so long it is tried in vain to fill what was declared missing; what the budget or a hold kept from being asked for
/// has its turn after that, too …
const LATE_WITHIN: Duration = Duration::from_secs(300);
/// … and through so many replies that brought something, which are 300,000 trades.
const LATE_REPLIES: u32 = 300;
/// So many requests in vain are worth telling somebody.
const OFTEN: u32 = 3;
/// What an event that is held back takes, with what is around it.
pub(super) const HELD: usize = size_of::<Held>() + 64;

/// A topic with missed events that the venue may still have.
#[derive(Debug)]
struct Repair {
    /// Not before this.
    at: Mono,
    /// Nobody asks any more after this.
    until: Mono,
    /// Requests in a row that brought nothing.
    tries: u32,
    /// Replies that brought a part of what was asked for.
    parts: u32,
    /// Where what was last asked for begins, if it had been declared missing: the next time it is another range's turn.
    asked: u64,
}

/// All topics with missed events.
#[derive(Debug, Default)]
pub(super) struct Repairs {
    topics: BTreeMap<TopicId, Repair>,
    /// No request before, since the budget or a hold says so; and none for what is late anyway.
    not_before: Mono,
    late_not_before: Mono,
}

impl Repairs {
    /// Nothing is waited for any more.
    pub(super) fn forgive(&mut self) {
        (self.not_before, self.late_not_before) = Default::default();
    }

    pub(super) fn forget(&mut self, topic: TopicId) {
        self.topics.remove(&topic);
    }
}

fn is_backfill(why: Fetch) -> bool {
    matches!(why, Fetch::Backfill { .. })
}

impl Feed {
    /// A (`new`) hole has shown in the ids of a topic: what is missing is asked for, at once if a line was lost, else
    /// after the other line, or the same one, has had its chance.
    #[cold]
    pub(super) fn want_repair(&mut self, now: Time, id: TopicId, new: bool) {
        let Some(entry) = self.topics.get(id).filter(|entry| self.is_repairable(entry)) else { return };
        let wait = if entry.outage { Duration::ZERO } else { self.config.timing.repair_after };
        let (at, until) = (now.mono + wait, now.mono + LATE_WITHIN);
        match self.repairs.topics.get_mut(&id) {
            // Its readers wait for the new one; what became of older ones is no reason to be late.
            Some(repair) if new => {
                *repair = Repair { at: repair.at.min(at), until, tries: 0, parts: 0, ..*repair }
            }
            Some(_) => {}
            None => drop(self.repairs.topics.insert(id, Repair { at, until, tries: 0, parts: 0, asked: 0 })),
        }
    }

    /// Topics whose missed events were asked for in vain, and how often.
    pub(super) fn failing_repairs(&self) -> impl Iterator<Item = (TopicId, u32)> {
        self.repairs
            .topics
            .iter()
            .filter(|(_, repair)| repair.tries >= OFTEN)
            .map(|(id, repair)| (*id, repair.tries))
    }

    fn is_repairable(&self, entry: &Entry) -> bool {
        entry.past == Past::All && self.config.limits.repair
    }

    /// How long events behind a hole of this topic wait for it to be filled.
    pub(super) fn hole_patience(&self, entry: &Entry) -> Duration {
        let timing = &self.config.timing;
        let told = entry.past != Past::None && self.config.limits.repair;
        if entry.outage && told { timing.repair_within } else { timing.reorder_within }
    }

    /// How many events of this topic may be held back.
    pub(super) fn hole_room(&self, entry: &Entry) -> usize {
        let limits = &self.config.limits;
        if entry.outage { limits.repair_bytes / HELD } else { limits.reorder }
    }

    /// What to ask for next: what holds up delivery, all of it at once, else what was declared missing, one range after
    /// the other.
    fn missing(&self, id: TopicId) -> Option<Missing> {
        let holes = self.topics.get(id)?.sequence.holes();
        let asked = self.repairs.topics.get(&id).map_or(0, |repair| repair.asked);
        holes.or_else(|| self.decoded.declared_next(id, asked))
    }

    /// Sends what is due.
    pub(super) fn repair_due(&mut self, now: Time) {
        if self.repairs.not_before > now.mono {
            return;
        }
        while self.fetches.count(is_backfill) < IN_FLIGHT
            && let Some(id) = self.next_repair(now)
        {
            let Some(Missing { from, to }) = self.missing(id) else {
                self.repairs.forget(id);
                continue;
            };
            let late = self.hole_due(id).is_none();
            // What is late anyway leaves room for books and for what others still wait for.
            let left = if late { self.gate.weight.limit() / 2 } else { self.reserve() };
            match self.send_fetch(now, id, Fetch::Backfill { from, to }, left) {
                Ok(_) => {
                    if let Some(repair) = self.repairs.topics.get_mut(&id).filter(|_| late) {
                        repair.asked = from;
                    }
                }
                Err(NotNow::Never) => self.repairs.forget(id),
                Err(NotNow::Until(until)) if late => self.repairs.late_not_before = until,
                Err(NotNow::Until(until)) => {
                    self.repairs.not_before = until;
                    return;
                }
            }
        }
    }

    /// Whether what is late anyway may be asked for: one at a time, so that a place is free for what is waited for.
    fn may_be_late(&self) -> bool {
        self.fetches.count(is_backfill) < IN_FLIGHT - 1
    }

    /// Until when the events behind a hole of this topic wait; `None` if there is no hole.
    fn hole_due(&self, id: TopicId) -> Option<Mono> {
        let entry = self.topics.get(id)?;
        entry.sequence.deadline(self.hole_patience(entry))
    }

    /// The topic to ask for next: the one whose readers are the first to be told that nothing came, before those of
    /// which the rest is late anyway.
    fn next_repair(&self, now: Time) -> Option<TopicId> {
        let late = self.may_be_late() && self.repairs.late_not_before <= now.mono;
        let due = |(id, repair): &(&TopicId, &Repair)| {
            let may = repair.at <= now.mono && (late || self.hole_due(**id).is_some());
            may && !self.fetches.is_out(**id, is_backfill)
        };
        self.repairs
            .topics
            .iter()
            .filter(due)
            .min_by_key(|(id, repair)| (self.hole_due(**id).unwrap_or(Mono::NEVER), repair.at))
            .map(|(id, _)| *id)
    }

    /// When the next one is due.
    pub(super) fn repair_deadline(&self) -> Option<Mono> {
        if self.stopping || self.fetches.count(is_backfill) >= IN_FLIGHT {
            return None;
        }
        let Repairs { topics, not_before, late_not_before } = &self.repairs;
        let open = topics.iter().filter(|(id, _)| !self.fetches.is_out(**id, is_backfill));
        let at = |(id, repair): (&TopicId, &Repair)| match self.hole_due(*id) {
            Some(_) => Some(repair.at),
            None => self.may_be_late().then(|| repair.at.max(*late_not_before)),
        };
        open.filter_map(at).min().map(|at| at.max(*not_before))
    }

    /// Missed events have come.
    pub(super) fn repair_came(
        &mut self,
        now: Time,
        id: TopicId,
        (from, to): (u64, u64),
        mut decoded: Decoded,
    ) {
        let wanted = |id: u64| (from..=to).contains(&id);
        let last = decoded.items.iter().filter_map(id_of).filter(|id| wanted(*id)).max();
        let held = |held: u64| self.topics.get(id).is_some_and(|entry| entry.sequence.holds(held));
        decoded.items.retain(|item| id_of(item).is_none_or(|id| wanted(id) && !held(id)));
        // What is here already brings nobody further.
        let last = last.filter(|last| *last >= to || decoded.items.iter().any(|item| id_of(item).is_some()));
        if planted(Defect::RepairOutOfOrder) {
            decoded.items.reverse();
        }
        if planted(Defect::ReleaseBeforeFill) {
            self.declare(now, id);
        }
        self.take_reply(now, id, Source::Repair, decoded);
        let Some(repair) = self.repairs.topics.get_mut(&id) else { return };
        match last {
            // What is not in a reply that reaches to the end is nowhere.
            Some(last) if last >= to => {
                repair.tries = 0;
                self.give_up_on(now, id, (from, to));
            }
            None if self.decoded.declared_next(id, from).is_some_and(|next| next.from > to) => {
                repair.at = now.mono
            }
            Some(_) if repair.parts >= LATE_REPLIES => self.repairs.forget(id),
            Some(_) => (repair.at, repair.tries, repair.parts) = (now.mono, 0, repair.parts + 1),
            None => self.repair_again(now, id, "the venue does not have them (yet)"),
        }
        if self.missing(id).is_none() {
            self.repairs.forget(id);
        }
    }

    /// The venue has told everything it has between two ids: what is still missing will not come.
    fn give_up_on(&mut self, now: Time, id: TopicId, (from, to): (u64, u64)) {
        let hole = |feed: &Self| feed.topics.get(id).and_then(|entry| entry.sequence.hole());
        while hole(self).is_some_and(|hole| hole.to <= to) {
            self.declare(now, id);
        }
        self.decoded.give_up(id, Missing { from, to });
    }

    /// A request was refused.
    pub(super) fn repair_failed(&mut self, now: Time, id: TopicId, refusal: &Refusal) {
        self.repair_again(now, id, &refusal.detail);
    }

    /// Asks once more, later each time, until it is too late.
    fn repair_again(&mut self, now: Time, id: TopicId, why: &str) {
        let roll = self.rng.roll();
        let Some(repair) = self.repairs.topics.get_mut(&id) else { return };
        repair.tries += 1;
        repair.at = now.mono + delay(&self.backoff, repair.tries, roll);
        let (tries, over) = (repair.tries, repair.at > repair.until);
        let Some(entry) = self.topics.get(id) else { return };
        let cause = format!("missed events were not given ({tries}): {why}");
        self.events.record(now, entry.topic.as_str(), ("live", "live"), &cause);
        if over {
            self.repairs.forget(id);
        }
    }
}

pub(super) fn id_of(item: &Item) -> Option<u64> {
    match item {
        Item::Market { id, .. } | Item::Spent { id, .. } => Some(*id),
        _ => None,
    }
}
