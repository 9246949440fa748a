//! The one pass over the log: whose promise is kept since when, and what that sums up to.

use std::collections::BTreeMap;

use super::figures::{Sums, Totals};
use super::{Service, State, Transition};
use crate::time::Mono;

/// Entities counted at a time; how many more there were is told.
pub const ENTITIES: usize = 16_384;

/// Sums up what happened from a moment on. Feed it all records in order, from before that moment too.
#[derive(Debug, Clone)]
pub struct Meter {
    from: Mono,
    entities: BTreeMap<Box<str>, Entity>,
    sums: [Sums; 2],
    fed: bool,
    /// Entities that were left out because there were too many at a time.
    uncounted: u64,
}

/// One entity as it stands.
#[derive(Debug, Clone, Copy)]
struct Entity {
    state: State,
    since: Mono,
    /// The running outage of each service.
    outages: [Option<Outage>; 2],
}

#[derive(Debug, Clone, Copy)]
struct Outage {
    start: Mono,
    noticed: Mono,
}

impl Meter {
    /// Counts from `from` on.
    pub const fn new(from: Mono) -> Self {
        let sums = [Sums::new(), Sums::new()];
        Self { from, entities: BTreeMap::new(), sums, fed: false, uncounted: 0 }
    }

    /// The same entities as they stand, and nothing summed up before `from`.
    pub fn reopened(&self, from: Mono) -> Self {
        Self { entities: self.entities.clone(), fed: self.fed, ..Self::new(from) }
    }

    /// Every entity as it stands, each in a meter of its own with nothing summed up before `from`.
    pub(super) fn apart(&self, from: Mono) -> BTreeMap<Box<str>, Self> {
        let mut meters = BTreeMap::new();
        for (name, entity) in &self.entities {
            let entities = BTreeMap::from([(name.clone(), *entity)]);
            meters.insert(name.clone(), Self { entities, fed: self.fed, ..Self::new(from) });
        }
        meters
    }

    /// Forgets every entity but one.
    pub fn keep_only(&mut self, entity: &str) {
        self.entities.retain(|name, _| **name == *entity);
    }

    /// Whether no record has been fed.
    pub const fn is_untouched(&self) -> bool {
        !self.fed
    }

    /// Takes one record into account.
    pub fn feed(&mut self, transition: &Transition) {
        self.fed = true;
        let Some(entity) = self.entities.get_mut(&transition.entity) else {
            if transition.to == State::None {
                return;
            }
            if self.entities.len() >= ENTITIES {
                self.uncounted += 1;
                return;
            }
            // Nobody was promised anything before somebody asked.
            let entity = Entity { state: State::None, since: transition.at, outages: [None; 2] };
            self.entities.insert(transition.entity.clone(), entity);
            return self.feed(transition);
        };
        // A state cannot have begun before the one before it did.
        let at = transition.since.max(entity.since);
        settle(&mut self.sums, self.from, entity, at);
        for (service, (sums, outage)) in
            Service::ALL.into_iter().zip(self.sums.iter_mut().zip(&mut entity.outages))
        {
            let broken = transition.to != State::None && !service.is_kept(transition.to);
            match *outage {
                None if broken => *outage = Some(Outage { start: at, noticed: transition.at }),
                Some(ended) if !broken => {
                    *outage = None;
                    // Who stops asking does not repair anything.
                    let repaired = transition.to != State::None;
                    end(sums, self.from, ended, at, repaired);
                }
                _ => {}
            }
        }
        (entity.state, entity.since) = (transition.to, at);
        if transition.to == State::None {
            self.entities.remove(&transition.entity);
        }
    }

    /// The sums up to `to`, of full service and of any. What lasts then is counted up to then.
    pub fn close(mut self, to: Mono) -> Totals {
        for entity in self.entities.values_mut() {
            settle(&mut self.sums, self.from, entity, to.max(entity.since));
            for (sums, outage) in self.sums.iter_mut().zip(entity.outages) {
                if let Some(outage) = outage {
                    end(sums, self.from, outage, to, false);
                }
            }
        }
        let [full, any] = self.sums;
        Totals { full, any, uncounted: self.uncounted }
    }
}

/// Adds the time that an entity has spent in its state until `at`.
fn settle(sums: &mut [Sums; 2], from: Mono, entity: &Entity, at: Mono) {
    if entity.state == State::None {
        return;
    }
    let spent = at.since(entity.since.max(from));
    for (service, sums) in Service::ALL.into_iter().zip(sums) {
        sums.spend(spent, !service.is_kept(entity.state));
    }
}

/// Counts an outage that is over at `at`, or lasts.
fn end(sums: &mut Sums, from: Mono, outage: Outage, at: Mono, repaired: bool) {
    // What took no time was none, and what was over before is of another stretch.
    if at > outage.start && at > from {
        let repair = repaired.then(|| at.since(outage.start));
        sums.outage(outage.noticed.since(outage.start), repair);
    }
}
