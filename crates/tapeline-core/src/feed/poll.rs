//! Where a venue's data comes from while its lines do not serve: the rung of the fallback ladder, and the topics that
//! are asked for over REST in turns. What is polled passes the same sequencers as what is streamed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::config::Timing;
use crate::data::decimal::Decimal;
use crate::data::update::Level;
use crate::defect::{Defect, planted};
use crate::policy::ladder::{Change, Ladder, Reason, Rules, Rung};
use crate::time::{Mono, Time};
use crate::venue::{Fetch, TopicId};

use super::Feed;
use super::fetches::NotNow;
use super::likely::Doubt;
use super::line::Phase;
use super::topics::Entry;

/// Polls in flight at once.
pub(super) const IN_FLIGHT: usize = 3;
/// The slowest rate, as a multiple of the usual pause: before that, topics with few readers are left out.
const SLOWEST: u32 = 6;
/// While REST does not answer, or is asked whether it does, somebody asks at least so often.
const PROBE: Duration = Duration::from_secs(5);
/// What was polled is fresh for so many pauses, and for so long on top: before that the ladder has found a REST that is
/// silent, if it may.
const FRESH_FOR: u32 = 3;
const GRACE: Duration = Duration::from_secs(15);
/// What is polled may take this share of the budget, in percent: the rest is for snapshots and repairs.
const SHARE: u32 = 75;
/// A reply with so many events is taken for one of several.
pub(super) const FULL: usize = 500;

/// One topic that is polled.
#[derive(Debug, Clone, Copy)]
struct Poll {
    next: Mono,
    /// Its place among all of them: those with most readers first.
    rank: usize,
    doubt: Doubt,
    /// What came of it is fresh until then; `None` if nothing is.
    fresh_until: Option<Mono>,
}

/// The ladder and what hangs on it.
#[derive(Debug)]
pub(super) struct Fallback {
    pub(super) ladder: Ladder,
    /// When the ladder may change by time alone.
    at: Option<Mono>,
    /// Since when no line has served.
    pub(super) down_since: Option<Mono>,
    /// When REST last answered.
    pub(super) rest_ok: Option<Mono>,
    /// Since when it has owed an answer to a poll.
    pub(super) owed: Option<Mono>,
    /// The topics that are polled now.
    polls: BTreeMap<TopicId, Poll>,
    /// The pause between two polls of one topic.
    every: Duration,
    /// No poll before: the budget or a hold says so.
    pub(super) not_before: Mono,
    /// What polling everything would cost, since the topics last changed: topics, weight of one round.
    cost: Option<(usize, u32)>,
    /// The topics have changed since it was planned which of them are polled.
    unplanned: bool,
    /// Topics that REST refuses whatever is done, until lines serve again or an operator forgives.
    refused: BTreeSet<TopicId>,
    /// Until when an operator's one-time order keeps lines away.
    away: Option<Mono>,
    /// The topic whose turn it was when REST was last asked whether it answers.
    probed: Option<TopicId>,
}

impl Fallback {
    /// The clock is known.
    pub(super) fn begin(&mut self, now: Mono, timing: &Timing) {
        self.ladder = Ladder::new(timing.into(), now);
    }

    pub(super) fn new(rules: Rules, every: Duration) -> Self {
        Self {
            ladder: Ladder::new(rules, Mono::default()),
            at: None,
            down_since: None,
            rest_ok: None,
            owed: None,
            polls: BTreeMap::new(),
            every,
            not_before: Mono::default(),
            cost: None,
            unplanned: false,
            refused: BTreeSet::new(),
            away: None,
            probed: None,
        }
    }

    /// The topics that are wanted have changed.
    pub(super) fn topics_changed(&mut self) {
        (self.cost, self.unplanned) = (None, true);
    }

    pub(super) fn forget(&mut self, topic: TopicId) {
        self.polls.remove(&topic);
        self.refused.remove(&topic);
        self.topics_changed();
    }

    /// An operator forgives: nothing is waited for, and what was refused is asked for again.
    pub(super) fn forgive(&mut self) {
        self.ladder.forgive();
        self.not_before = Mono::default();
        self.refused.clear();
        self.topics_changed();
    }

    /// Lines serve: what REST refused is asked for again when they do not.
    pub(super) fn serves_again(&mut self) {
        if !std::mem::take(&mut self.refused).is_empty() {
            self.topics_changed();
        }
    }

    /// REST refuses a topic. If nothing can be done about it, the others are asked for without it.
    pub(super) fn refuse(&mut self, topic: TopicId, for_good: bool) {
        if for_good {
            self.refused.insert(topic);
        }
        self.probed = Some(topic);
        if for_good || self.ladder.rung() == Rung::Cache {
            self.topics_changed();
        }
    }

    /// The pause between two polls of one topic.
    pub(super) const fn pause(&self) -> Duration {
        self.every
    }

    /// Topics that are asked for over REST.
    pub(super) fn polled(&self) -> usize {
        self.polls.len()
    }

    /// Whether a topic is asked for in turns.
    pub(super) fn polls(&self, topic: TopicId) -> bool {
        self.polls.contains_key(&topic)
    }

    /// There is more of a topic than one reply holds, or somebody waits for it: it is asked for at `at`, or before.
    pub(super) fn ask_soon(&mut self, at: Mono, topic: TopicId) {
        if let Some(poll) = self.polls.get_mut(&topic) {
            poll.next = poll.next.min(at);
        }
    }

    /// Whether a price that REST tells of a topic is believed beside the one that is `held`; however often it is told,
    /// its id has to fit.
    pub(super) fn believes(&mut self, topic: TopicId, held: Decimal, told: Decimal, fits: bool) -> bool {
        // A late reply to what is not polled any more has nobody to insist.
        let mut once = Doubt::default();
        let poll = self.polls.get_mut(&topic).filter(|_| fits);
        let doubt = poll.map_or(&mut once, |poll| &mut poll.doubt);
        doubt.believes(held, told)
    }

    /// A topic was asked for; if that was `taken`, it is fresh for a while.
    pub(super) fn came(&mut self, now: Mono, topic: TopicId, taken: bool) {
        let until = now + self.every * FRESH_FOR + GRACE;
        if let Some(poll) = self.polls.get_mut(&topic).filter(|_| taken) {
            poll.fresh_until = Some(until);
        }
    }

    /// A topic of which nothing fresh has come for too long.
    fn take_outdated(&mut self, now: Mono) -> Option<TopicId> {
        let mut polls = self.polls.iter_mut();
        let (id, poll) = polls.find(|(_, poll)| poll.fresh_until.is_some_and(|until| until <= now))?;
        poll.fresh_until = None;
        Some(*id)
    }

    /// REST has answered.
    pub(super) fn answered(&mut self, now: Mono) {
        self.rest_ok = Some(now);
        self.owed = None;
        self.not_before = Mono::default();
    }

    /// A poll was sent, or is held back by the venue: an answer is owed from the first one on.
    fn owes(&mut self, now: Mono) {
        self.owed.get_or_insert(now);
    }

    /// A poll was not answered: whether REST answers at all is not found out at a low rate.
    pub(super) fn ask_again(&mut self, now: Mono) {
        self.owes(now);
        let soonest = self.polls.values_mut().min_by_key(|poll| (poll.next, poll.rank));
        if let Some(poll) = soonest {
            poll.next = poll.next.min(now + PROBE);
        }
    }

    pub(super) fn polls_now(&self) -> bool {
        let rung = self.ladder.rung();
        rung.polls() || rung == Rung::Cache && !self.is_silenced()
    }

    /// Whether an operator wants memory to serve: then REST is not asked whether it answers.
    pub(super) fn is_silenced(&self) -> bool {
        self.held().is_some_and(|(_, rung)| rung == Rung::Cache)
    }

    /// The rung without lines that an operator's order holds, and the word for that order.
    pub(super) fn held(&self) -> Option<(&'static str, Rung)> {
        let pinned = self.ladder.pinned().map(|rung| ("pinned", rung));
        let moved = self.away.map(|_| ("moved", self.ladder.rung()));
        pinned.or(moved).filter(|(_, rung)| !rung.streams())
    }
}

pub(super) fn is_poll(why: Fetch) -> bool {
    matches!(why, Fetch::Poll { .. })
}

impl Feed {
    /// Takes the state of the lines and of REST into account.
    pub(super) fn climb(&mut self, now: Time) {
        if self.stopping {
            return;
        }
        if self.fallback.away.is_some_and(|until| until <= now.mono) {
            self.fallback.away = None;
            self.fallback.topics_changed();
        }
        let facts = self.facts(now);
        if let Some(change) = self.fallback.ladder.update(now.mono, &facts) {
            self.changed_rung(now, change);
        }
        self.fallback.at = self.fallback.ladder.deadline(now.mono, &facts);
        self.obey_pin(now);
    }

    /// When the ladder is looked at, or a topic polled, next.
    pub(super) fn climb_deadline(&self) -> Option<Mono> {
        let fallback = &self.fallback;
        if fallback.unplanned && fallback.polls_now() && !self.stopping {
            return Some(Mono::default());
        }
        let full = self.fetches.count(is_poll) >= IN_FLIGHT;
        let open = fallback.polls.iter().filter(|(id, _)| !self.fetches.is_out(**id, is_poll));
        let poll = open.map(|(_, poll)| poll.next).min().filter(|_| !full && !self.stopping);
        let outdated = fallback.polls.values().filter_map(|poll| poll.fresh_until).min();
        let at = fallback.at.into_iter().chain(fallback.away).chain(outdated.filter(|_| !self.stopping));
        at.chain(poll.map(|at| at.max(fallback.not_before))).min()
    }

    /// How many topics can be polled, and what one round of them weighs.
    pub(super) fn poll_cost(&mut self) -> (usize, u32) {
        if let Some(cost) = self.fallback.cost {
            return cost;
        }
        let weights = self.topics.iter().filter_map(|(id, entry)| self.poll_weight(id, entry));
        let cost = weights.fold((0, 0_u32), |(n, sum), weight| (n + 1, sum.saturating_add(weight)));
        self.fallback.cost = Some(cost);
        cost
    }

    /// What one poll of a topic weighs; `None` if it is not wanted or cannot be polled.
    fn poll_weight(&self, id: TopicId, entry: &Entry) -> Option<u32> {
        if entry.is_withheld() || !entry.is_wanted() || self.fallback.refused.contains(&id) {
            return None;
        }
        self.venue.fetch(Fetch::Poll { after: None }, "", &entry.topic).map(|request| request.weight)
    }

    /// The shortest pause at which rounds of this weight stay within the budget.
    pub(super) fn pause_for(&self, weight: u32) -> Duration {
        let (limit, per) = (
            u64::from(self.gate.weight.limit()) * u64::from(SHARE) / 100,
            self.venue.profile().rest_limit.per,
        );
        if limit == 0 { Duration::MAX } else { per.mul_f64(f64::from(weight) / limit as f64) }
    }

    fn changed_rung(&mut self, now: Time, change: Change) {
        let Change { from, to, reason } = change;
        self.events.record(now, "venue", (from.name(), to.name()), reason.text());
        self.counters.rung_changes += 1;
        // What an operator asked for once is to be seen, not only said: lines come back after the usual hold.
        let away = reason == Reason::Triggered && !to.streams();
        self.fallback.away = away.then(|| now.mono + self.config.timing.return_hold);
        if self.fallback.polls_now() {
            self.gate.careful |= from.streams();
            self.plan_polls(now);
        } else if !planted(Defect::PollOn) {
            self.fallback.polls.clear();
            self.fallback.owed = None;
        }
        if !to.polls() {
            self.let_polled_go(now);
        }
        // A line that has brought nothing stands in for a REST that refuses: that is known until a line brings something.
        if to.streams() {
            if reason != Reason::LineBeforeCache {
                self.fallback.serves_again();
            }
            self.fallback.topics_changed();
        }
        for slot in 0..self.lines.len() {
            self.tell_topics(now, slot);
        }
    }

    /// Which topics are polled, and how often: all of them at the usual rate if the budget carries it, else less
    /// often, else only those with most readers. Without an answer from REST, one at a time, each in its turn: the
    /// first one may be refused for a reason of its own.
    fn plan_polls(&mut self, now: Time) {
        self.fallback.unplanned = false;
        let mut wanted: Vec<(usize, TopicId, u32)> = Vec::new();
        for (id, entry) in self.topics.iter() {
            if let Some(weight) = self.poll_weight(id, entry) {
                wanted.push((entry.readers.len(), id, weight));
            }
        }
        wanted.sort_by_key(|(readers, id, _)| (std::cmp::Reverse(*readers), *id));
        let probes = self.fallback.ladder.rung() == Rung::Cache;
        let mut usual = self.config.timing.poll_every;
        if probes {
            let was = |(_, id, _): &(usize, TopicId, u32)| Some(*id) == self.fallback.probed;
            let turn = wanted.iter().position(was).map_or(0, |at| (at + 1) % wanted.len());
            wanted.rotate_left(turn);
            wanted.truncate(1);
            usual = usual.min(PROBE);
        }
        let (mut weight, slowest) = (0_u32, usual * SLOWEST);
        wanted.retain(|(_, _, cost)| {
            let fits = self.pause_for(weight.saturating_add(*cost)) <= slowest;
            weight += if fits { *cost } else { 0 };
            fits
        });
        let every = self.pause_for(weight).clamp(usual, slowest);
        let before = std::mem::take(&mut self.fallback.polls);
        // Whoever is asked for in the place of another one waits as long.
        let placed = before.values().map(|poll| poll.next).min().filter(|_| probes);
        let poll = |(rank, (_, id, _)): (usize, (usize, TopicId, u32))| {
            let before = before.get(&id);
            let next = before.map(|poll| poll.next).or(placed).unwrap_or(now.mono);
            let doubt = before.map(|poll| poll.doubt).unwrap_or_default();
            (id, Poll { next, rank, doubt, fresh_until: before.and_then(|poll| poll.fresh_until) })
        };
        self.fallback.polls = wanted.into_iter().enumerate().map(poll).collect();
        self.fallback.every = every;
        for id in before.into_keys().filter(|id| !self.fallback.polls(*id)).collect::<Vec<_>>() {
            self.let_go(now, id);
        }
    }

    /// Sends what is due.
    pub(super) fn poll_due(&mut self, now: Time) {
        if self.fallback.unplanned && self.fallback.polls_now() {
            self.plan_polls(now);
        }
        while let Some(id) = self.fallback.take_outdated(now.mono) {
            self.let_go(now, id);
        }
        if self.fallback.not_before > now.mono {
            return;
        }
        while self.fetches.count(is_poll) < IN_FLIGHT {
            let due =
                |(id, poll): &(&TopicId, &Poll)| poll.next <= now.mono && !self.fetches.is_out(**id, is_poll);
            let next = self.fallback.polls.iter().filter(due).min_by_key(|(_, poll)| (poll.next, poll.rank));
            let Some(id) = next.map(|(id, _)| *id) else { return };
            let Some(entry) = self.topics.get(id) else {
                self.fallback.polls.remove(&id);
                continue;
            };
            let after = entry.poll_after();
            let left = self.reserve();
            match self.send_fetch(now, id, Fetch::Poll { after }, left) {
                Ok(fetch) => {
                    self.expect_word(id, fetch);
                    self.fallback.owes(now.mono);
                    let every = self.fallback.every;
                    if let Some(poll) = self.fallback.polls.get_mut(&id) {
                        poll.next = now.mono + every;
                    }
                }
                Err(NotNow::Never) => drop(self.fallback.polls.remove(&id)),
                Err(NotNow::Until(until)) => {
                    self.fallback.not_before = until;
                    // A hold or a breaker is the venue's doing; that our own budget is used up is not.
                    let weight = self.topics.get(id).and_then(|it| self.poll_weight(id, it)).unwrap_or(0);
                    if self.gate.spent(now.mono, weight, left).is_none() {
                        self.fallback.owes(now.mono);
                    }
                    return;
                }
            }
        }
    }

    /// An operator pins the feed to another rung, or lets it go. The rung may be the same as before.
    pub(super) fn pin(&mut self, now: Time, rung: Option<Rung>) {
        match rung {
            Some(rung) => self.fallback.ladder.pin(rung),
            None => self.fallback.ladder.unpin(),
        }
        self.fallback.away = None;
        self.fallback.topics_changed();
        if self.fallback.is_silenced() && self.fallback.ladder.rung() == Rung::Cache {
            self.fallback.polls.clear();
            self.let_polled_go(now);
        }
        self.climb(now);
        // The reason is another one, also where a line has no other phase.
        for slot in 0..self.lines.len() {
            self.tell_topics(now, slot);
        }
    }

    /// While an operator holds the feed on a rung without lines, none is dialled; afterwards all are.
    fn obey_pin(&mut self, now: Time) {
        let held = self.is_held();
        if held {
            // Afterwards one line of each side is dialled, not the one that was to follow it as well.
            self.end_rotations(now, "an operator holds it on another source");
        }
        for slot in 0..self.lines.len() {
            let line = &self.lines[slot];
            let was_open = line.is_live();
            let waits_for_ever = line.is_held();
            match line.phase {
                _ if !held && waits_for_ever => {
                    self.enter(
                        now,
                        slot,
                        Phase::Waiting { until: now.mono },
                        "an operator lets lines serve again",
                    );
                }
                Phase::Live(_) | Phase::LoggingIn(_) | Phase::Dialling { .. } | Phase::Waiting { .. }
                    if held && !waits_for_ever =>
                {
                    self.hang_up(now, slot);
                    self.lines[slot].wishes.disconnected();
                    self.enter(
                        now,
                        slot,
                        Phase::Waiting { until: Mono::NEVER },
                        "an operator holds it on another source",
                    );
                    if was_open {
                        self.interrupt(now, slot);
                    }
                }
                _ => {}
            }
        }
    }

    /// Whether an operator holds the feed on a rung without lines.
    pub(super) fn is_held(&self) -> bool {
        self.fallback.held().is_some()
    }

    /// The level that the rung means for what does not come from a line.
    pub(super) fn rung_level(&self) -> Level {
        match self.fallback.ladder.rung() {
            Rung::Primary => Level::Healthy,
            Rung::Alternate => Level::Warning,
            Rung::Poll => Level::Degraded,
            Rung::Partial => Level::Unhealthy,
            Rung::Cache => Level::Critical,
        }
    }
}
