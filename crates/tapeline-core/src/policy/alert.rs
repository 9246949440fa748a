//! Alerts: what is wrong for long enough to tell somebody, told once, together, and with what to do.
//!
//! Conditions are raised and cleared as often as anybody looks; [`Alerts::tick`] returns what is to be told. An alert goes
//! from pending to firing after a hold, and is resolved after a clear while. What fires is told once, with its venue's others.

mod causes;
mod told;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

pub use causes::{Entry, Kind, Mutes, NOT_FED, Rule, TABLE, markdown};
pub use told::{Alert, Notification, State, Subject, Why};

use self::told::shortened;
use crate::data::update::Level;
use crate::time::{Mono, Time};

/// The settings of alerts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// How long a condition must hold before it fires, from [`Level::Warning`] to [`Level::Critical`].
    pub holds: [Duration; 4],
    /// How long it must be clear before it is resolved; and how long it explains others after that.
    pub clear: Duration,
    /// How long what began while another alert explained it is not told after that: longer than gaps speak.
    pub heal: Duration,
    /// What fires within this after a message about its venue waits for the next, unless it is the first critical one.
    pub gather: Duration,
    /// What still fires is told again after this if some of it is critical …
    pub repeat_critical: Duration,
    /// … and after this otherwise.
    pub repeat: Duration,
    /// So many beginnings …
    pub flapping: usize,
    /// … within this are one alert.
    pub flapping_within: Duration,
    /// Alerts kept at a time. One eighth of it is for venues and the process.
    pub most: usize,
}

impl Default for Rules {
    fn default() -> Self {
        let secs = Duration::from_secs;
        Self {
            holds: [secs(30), secs(15), secs(5), Duration::ZERO],
            clear: secs(30),
            heal: secs(330),
            gather: secs(300),
            repeat_critical: secs(1_800),
            repeat: secs(14_400),
            flapping: 5,
            flapping_within: secs(600),
            most: 8_192,
        }
    }
}

impl Rules {
    fn hold(&self, rule: Rule, level: Level) -> Duration {
        // Whatever flaps has been looked at for long enough.
        if rule == Rule::Flapping {
            return Duration::ZERO;
        }
        let [warning, degraded, unhealthy, critical] = self.holds;
        match level {
            Level::Healthy | Level::Warning => warning,
            Level::Degraded => degraded,
            Level::Unhealthy => unhealthy,
            Level::Critical => critical,
        }
    }
}

/// Resolved alerts that are still shown.
const PAST: usize = 256;
/// Evidence is looked at again after so long.
const EVIDENCE_EVERY: Duration = Duration::from_secs(10);

/// What is known of one (rule, subject).
#[derive(Debug)]
struct Item {
    rule: Rule,
    level: Level,
    evidence: Box<str>,
    looked: Mono,
    phase: Phase,
    /// When it became pending.
    since: Time,
    /// Since when its condition has not held; `None` while it does.
    gone: Option<Mono>,
    /// The latest beginnings.
    onsets: VecDeque<Mono>,
    told: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Only remembered, for what flaps.
    Idle,
    Pending,
    Firing,
}

/// The alerts of one venue, or of the process.
#[derive(Debug, Default)]
struct Group {
    parts: BTreeMap<Box<str>, Vec<Item>>,
    /// Until when its symptoms are not told.
    mute_until: Option<Mono>,
    /// When something was last told.
    last: Option<Mono>,
    /// The worst level told since all was well.
    worst: Level,
}

/// All alerts of a process.
#[derive(Debug)]
pub struct Alerts {
    rules: Rules,
    groups: BTreeMap<Box<str>, Group>,
    count: usize,
    /// Until when no venue's alerts are told.
    mute_until: Option<Mono>,
    past: VecDeque<Alert>,
    next: Mono,
    seq: u64,
    refused: u64,
}

impl Alerts {
    /// No alert.
    pub const fn new(rules: Rules) -> Self {
        Self {
            rules,
            groups: BTreeMap::new(),
            count: 0,
            mute_until: None,
            past: VecDeque::new(),
            next: Mono::NEVER,
            seq: 0,
            refused: 0,
        }
    }

    /// A condition holds. `evidence` is asked for only when it is needed.
    pub fn raise(
        &mut self,
        now: Time,
        rule: Rule,
        subject: Subject<'_>,
        level: Level,
        evidence: impl FnOnce() -> String,
    ) {
        let rules = self.rules.clone();
        // What another alert explains does not flap of itself.
        let explained = rule.entry().symptom && !subject.part.is_empty() && self.explains(now.mono, subject);
        let Some(item) = self.item(now, rule, subject) else {
            self.refused += 1;
            return;
        };
        let changed = level != item.level;
        if changed || item.evidence.is_empty() || now.mono >= item.looked + EVIDENCE_EVERY {
            item.evidence = shortened(evidence());
            (item.level, item.looked) = (level, now.mono);
        }
        let began = item.gone.take().is_some();
        if item.phase == Phase::Idle {
            (item.phase, item.since) = (Phase::Pending, now);
        }
        if began && rule != Rule::Flapping && !explained {
            item.began(now.mono, &rules);
        }
        let due = match item.phase {
            Phase::Pending => item.since.mono + rules.hold(rule, level),
            _ if began || changed => now.mono, // It may have become one that is told at once.
            _ => Mono::NEVER,
        };
        let flaps = began && item.flaps(now.mono, &rules);
        self.next = self.next.min(due);
        if flaps {
            self.raise_flapping(now, (rule, subject), level);
        }
    }

    /// A condition does not hold. Cheap where it did not before.
    pub fn clear(&mut self, now: Time, rule: Rule, subject: Subject<'_>) {
        let Some(group) = self.groups.get_mut(subject.venue) else { return };
        let Some(items) = group.parts.get_mut(subject.part) else { return };
        let Some(item) = items.iter_mut().find(|item| item.rule == rule) else { return };
        if item.gone.is_none() {
            item.gone = Some(now.mono);
            if item.phase == Phase::Pending {
                item.phase = Phase::Idle;
            }
            // One that fires and was not told may have kept back that all is over.
            let fires = item.phase == Phase::Firing;
            let due = if fires { now.mono } else { now.mono + self.rules.flapping_within };
            self.next = self.next.min(due);
        }
    }

    /// Clears everything about a part that is gone.
    pub fn forget(&mut self, now: Time, subject: Subject<'_>) {
        TABLE.iter().for_each(|row| self.clear(now, row.rule, subject));
    }

    /// Does what time does; what is to be told, in order.
    pub fn tick(&mut self, now: Time) -> Vec<Notification> {
        if now.mono < self.next {
            return Vec::new();
        }
        self.next = Mono::NEVER;
        let mut count = 0;
        for (venue, group) in &mut self.groups {
            group.advance(now.mono, &self.rules, |part, item| {
                if self.past.len() >= PAST {
                    self.past.pop_front();
                }
                let alert = shown(venue, part, item, State::Resolved, (false, false));
                self.past.push_back(alert);
            });
            count += group.parts.values().map(Vec::len).sum::<usize>();
        }
        self.count = count;
        self.mute(now.mono);
        let mut told = Vec::new();
        for (venue, group) in &mut self.groups {
            let all_muted = !venue.is_empty() && self.mute_until.is_some_and(|until| now.mono < until);
            if let Some(mut notification) = group.tell(now, venue, all_muted, &self.rules) {
                self.seq += 1;
                notification.seq = self.seq;
                told.push(notification);
            }
            let mute = if venue.is_empty() { None } else { self.mute_until };
            self.next = self.next.min(group.next(now.mono, mute, &self.rules));
        }
        self.groups.retain(|_, group| !group.parts.is_empty() || group.last.is_some());
        told
    }

    /// When to tick; `None` while there is nothing to wait for.
    pub fn deadline(&self) -> Option<Mono> {
        (self.next != Mono::NEVER).then_some(self.next)
    }

    /// What is pending and firing, the worst first.
    pub fn list(&self, now: Mono) -> Vec<Alert> {
        let mut all = Vec::new();
        for (venue, group) in &self.groups {
            let all_muted = !venue.is_empty() && self.mute_until.is_some_and(|until| now < until);
            for (part, item) in group.items() {
                let state = match item.phase {
                    Phase::Idle => continue,
                    Phase::Pending => State::Pending,
                    Phase::Firing => State::Firing,
                };
                let muted = all_muted || group.is_muted(now, part, item, &self.rules);
                all.push(shown(venue, part, item, state, (muted, item.flaps(now, &self.rules))));
            }
        }
        all.sort_by_key(|alert| (std::cmp::Reverse(alert.level), alert.state == State::Pending));
        all
    }

    /// The latest that were resolved, oldest first.
    pub fn past(&self) -> impl Iterator<Item = &Alert> {
        self.past.iter()
    }

    /// Alerts that there was no room for.
    pub const fn refused(&self) -> u64 {
        self.refused
    }

    fn raise_flapping(&mut self, now: Time, (rule, subject): (Rule, Subject<'_>), level: Level) {
        let (times, within) = (self.rules.flapping, self.rules.flapping_within.as_secs());
        let told = || format!("{} began {times} times in {within} s", rule.name());
        self.raise(now, Rule::Flapping, subject, level, Box::new(told) as Box<dyn FnOnce() -> String>);
    }

    /// Whether an alert of the venue, or of the process, explains the symptoms of a subject.
    fn explains(&self, now: Mono, subject: Subject<'_>) -> bool {
        let own = self.groups.get(subject.venue).and_then(|group| group.mute_until);
        own.max(self.mute_until).is_some_and(|until| now < until)
    }

    /// The item of a key, made if there is room.
    fn item(&mut self, now: Time, rule: Rule, subject: Subject<'_>) -> Option<&mut Item> {
        let whole = subject.part.is_empty();
        let most = if whole { self.rules.most } else { self.rules.most - self.rules.most / 8 };
        let is_there = |group: &Group| {
            group.parts.get(subject.part).is_some_and(|items| items.iter().any(|item| item.rule == rule))
        };
        if !self.groups.get(subject.venue).is_some_and(is_there) {
            if self.count >= most {
                return None;
            }
            self.count += 1;
            let group = self.groups.entry(subject.venue.into()).or_default();
            // What begins while all is explained is so, although nobody may look before that is over.
            let all = self.mute_until.filter(|until| *until == Mono::NEVER && !subject.venue.is_empty());
            group.mute_until = group.mute_until.max(all);
            group.parts.entry(subject.part.into()).or_default().push(Item::new(now, rule));
        }
        let items = self.groups.get_mut(subject.venue)?.parts.get_mut(subject.part)?;
        items.iter_mut().find(|item| item.rule == rule)
    }

    /// Finds out which alerts explain others.
    fn mute(&mut self, now: Mono) {
        let Rules { clear, heal, .. } = self.rules;
        let renew = |until: &mut Option<Mono>, fires: bool| match until {
            // As long as it fires, and a while longer: what it explained needs time to heal.
            _ if fires => *until = Some(Mono::NEVER),
            Some(Mono::NEVER) => *until = Some(now + clear),
            Some(over) if *over + heal <= now => *until = None,
            _ => {}
        };
        let all = self.groups.get("").is_some_and(|group| group.fires(|mutes| mutes == Mutes::All));
        renew(&mut self.mute_until, all);
        for (venue, group) in &mut self.groups {
            let fires = all && !venue.is_empty() || group.fires(|mutes| mutes != Mutes::Nothing);
            renew(&mut group.mute_until, fires);
        }
    }
}

impl Item {
    fn new(now: Time, rule: Rule) -> Self {
        Self {
            rule,
            level: Level::default(),
            evidence: Box::default(),
            looked: now.mono,
            phase: Phase::Idle,
            since: now,
            gone: Some(now.mono),
            onsets: VecDeque::new(),
            told: false,
        }
    }

    fn began(&mut self, now: Mono, rules: &Rules) {
        if self.onsets.len() >= rules.flapping.max(2) {
            self.onsets.pop_front();
        }
        self.onsets.push_back(now);
    }

    fn flaps(&self, now: Mono, rules: &Rules) -> bool {
        let first = self.onsets.front().filter(|_| self.onsets.len() >= rules.flapping.max(2));
        first.is_some_and(|first| now < *first + rules.flapping_within)
    }
}

impl Group {
    fn items(&self) -> impl Iterator<Item = (&str, &Item)> {
        self.parts.iter().flat_map(|(part, items)| items.iter().map(move |item| (&**part, item)))
    }

    /// Pending to firing to resolved, and out.
    fn advance(&mut self, now: Mono, rules: &Rules, mut resolved: impl FnMut(&str, &Item)) {
        for (part, items) in &mut self.parts {
            let flaps = items.iter().any(|item| item.flaps(now, rules));
            for item in &mut *items {
                if item.rule == Rule::Flapping && !flaps && item.gone.is_none() {
                    item.gone = Some(now);
                }
                if item.phase == Phase::Pending && now >= item.since.mono + rules.hold(item.rule, item.level)
                {
                    item.phase = Phase::Firing;
                }
                let is_clear = item.gone.is_some_and(|gone| now >= gone + rules.clear);
                if item.phase == Phase::Firing && is_clear {
                    resolved(part, item);
                    (item.phase, item.told) = (Phase::Idle, false);
                }
            }
            let kept = |item: &Item| {
                let onset = item.onsets.back().is_some_and(|last| now < *last + rules.flapping_within);
                item.phase != Phase::Idle || onset
            };
            items.retain(kept);
        }
        self.parts.retain(|_, items| !items.is_empty());
    }

    /// Whether an alert of the whole fires that explains others.
    fn fires(&self, explains: impl Fn(Mutes) -> bool) -> bool {
        let whole = self.parts.get("").into_iter().flatten();
        whole.filter(|item| item.phase == Phase::Firing).any(|item| explains(item.rule.entry().mutes))
    }

    fn is_muted(&self, now: Mono, part: &str, item: &Item, rules: &Rules) -> bool {
        // What says that the whole flaps is no symptom of it.
        let symptom = item.rule.entry().symptom && !(item.rule == Rule::Flapping && part.is_empty());
        let healing = |over: Mono| item.since.mono < over && now < over + rules.heal;
        symptom && self.mute_until.is_some_and(|over| now < over || healing(over))
    }

    /// Whether an alert waits to be told: it fires, holds now, and nothing explains it.
    fn is_due(&self, now: Mono, part: &str, item: &Item, rules: &Rules) -> bool {
        let fires = item.phase == Phase::Firing && item.gone.is_none() && !item.told;
        fires && !item.flaps(now, rules) && !self.is_muted(now, part, item, rules)
    }

    /// What is to be told of this venue now.
    fn tell(&mut self, now: Time, venue: &str, all_muted: bool, rules: &Rules) -> Option<Notification> {
        let due = |(part, item): &(&str, &Item)| !all_muted && self.is_due(now.mono, part, item, rules);
        let fresh = self.items().filter(due).map(|(_, item)| item.level).max();
        let gathered = self.last.is_none_or(|last| now.mono >= last + rules.gather);
        let why = match fresh {
            Some(level) if gathered || level == Level::Critical && self.worst < level => Why::Firing,
            // What is explained is a part of the story: it is not over before that is.
            _ if self.last.is_some() && !self.items().any(|(_, item)| item.phase == Phase::Firing) => {
                Why::Resolved
            }
            _ if !all_muted && self.repeat_at(rules).is_some_and(|at| now.mono >= at) => Why::Repeat,
            _ => return None,
        };
        let tells = |part: &str, item: &Item| match why {
            Why::Firing => !all_muted && self.is_due(now.mono, part, item, rules),
            Why::Repeat => item.told,
            Why::Resolved => false,
        };
        let mut alerts: Vec<Alert> = self
            .items()
            .filter(|(part, item)| tells(part, item))
            .map(|(part, item)| shown(venue, part, item, State::Firing, (false, false)))
            .collect();
        alerts.sort_by_key(|alert| (std::cmp::Reverse(alert.level), !alert.part.is_empty()));
        let level = alerts.first().map_or(self.worst, |alert| alert.level);
        let count = alerts.len();
        alerts.truncate(Notification::LISTED);
        if why == Why::Firing {
            let keys: Vec<(Box<str>, Rule)> = self
                .items()
                .filter(|(part, item)| tells(part, item))
                .map(|(part, item)| (part.into(), item.rule))
                .collect();
            for (part, rule) in keys {
                let items = self.parts.get_mut(&part).into_iter().flatten();
                items.filter(|item| item.rule == rule).for_each(|item| item.told = true);
            }
        }
        (self.last, self.worst) = match why {
            Why::Resolved => (None, Level::default()),
            _ => (Some(now.mono), self.worst.max(level)),
        };
        Some(Notification { seq: 0, at: now.unix, why, venue: venue.into(), level, count, alerts })
    }

    /// When what was told and still fires is told again.
    fn repeat_at(&self, rules: &Rules) -> Option<Mono> {
        let worst = self.items().filter(|(_, item)| item.told).map(|(_, item)| item.level).max()?;
        let after = if worst == Level::Critical { rules.repeat_critical } else { rules.repeat };
        self.last.map(|last| last + after)
    }

    /// When time alone changes something.
    fn next(&self, now: Mono, mute: Option<Mono>, rules: &Rules) -> Mono {
        let of_entry = |(_, item): (&str, &Item)| {
            let own = match (item.phase, item.gone) {
                (Phase::Pending, _) => Some(item.since.mono + rules.hold(item.rule, item.level)),
                (Phase::Firing, Some(gone)) => Some(gone + rules.clear),
                (Phase::Idle | Phase::Firing, _) => None,
            };
            let forgotten = item.onsets.back().map(|last| *last + rules.flapping_within);
            let rested = item.onsets.front().map(|first| *first + rules.flapping_within);
            [own, forgotten, rested].into_iter().flatten().filter(|at| *at > now).min()
        };
        let items = self.items().filter_map(of_entry).min();
        let gathered = self.last.map(|last| last + rules.gather);
        let healed = self.mute_until.map(|over| over + rules.heal);
        let others = [items, self.repeat_at(rules), gathered, self.mute_until, healed, mute];
        others.into_iter().flatten().filter(|at| *at > now).min().unwrap_or(Mono::NEVER)
    }
}

fn shown(venue: &str, part: &str, item: &Item, state: State, (muted, flapping): (bool, bool)) -> Alert {
    let row = item.rule.entry();
    Alert {
        rule: item.rule,
        kind: row.kind,
        venue: venue.into(),
        part: part.into(),
        level: item.level,
        state,
        since: item.since.unix,
        muted,
        flapping,
        evidence: item.evidence.clone(),
        action: row.action,
    }
}

#[cfg(test)]
mod tests;
