//! What must survive the end of the process: how much of the venue's limits is used up, and how long it is to be left
//! alone. Another process at the same address begins with that.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::policy::budget::Hold;
use crate::policy::fault::Fault;
use crate::time::{Mono, Time, Unix};

use super::Feed;
use super::gate::Gate;
use super::memory::Memory;

/// The used part of a venue's limits, by the wall clock: as ages, so that they can be carried over to another clock.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// When this was read, in milliseconds since 1970.
    pub at_ms: i64,
    /// How long ago each dial was that still counts, in milliseconds, the oldest first.
    pub dials_ms: Vec<u64>,
    /// No dial for so long.
    pub dial_hold: Option<KeptHold>,
    /// No REST request for so long.
    pub rest_hold: Option<KeptHold>,
    /// REST weight used …
    pub weight: u32,
    /// … which counts for so long.
    pub weight_left_ms: u64,
}

/// A pause that the venue asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptHold {
    /// How much of it is left, in milliseconds.
    pub left_ms: u64,
    /// Whether the address is banned.
    pub banned: bool,
}

/// Changes whenever what is to be kept does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeptMark([Mono; 4]);

impl Kept {
    /// How long ago this was read. A wall clock that went backwards says nothing: then no time has passed, so that
    /// everything counts for as long as it can.
    fn age(&self, now: Unix) -> Duration {
        let since = now.0.saturating_sub(Unix::from_millis(self.at_ms).0);
        Duration::from_nanos(u64::try_from(since).unwrap_or(0))
    }
}

impl KeptHold {
    fn of(hold: &Hold, now: Mono) -> Option<Self> {
        let left = hold.held(now)?.since(now);
        Some(Self { left_ms: millis_up(left), banned: hold.is_banned(now) })
    }

    fn restore(self, hold: &mut Hold, now: Mono, age: Duration) {
        let left = Duration::from_millis(self.left_ms).saturating_sub(age);
        if !left.is_zero() {
            hold.extend(now, now + left, Fault::RateLimited { retry_after: None, banned: self.banned });
        }
    }
}

impl Memory {
    /// The memory of a process that begins where another one ended.
    pub fn of_kept(kept: Kept) -> Self {
        Self { kept: Some(kept), ..Self::default() }
    }
}

impl Feed {
    /// What is to be kept, as it stands.
    pub fn kept(&mut self, now: Time) -> Kept {
        let Gate { dials, weight, dial_hold, rest_hold, .. } = &mut self.gate;
        let (weight, left) = weight.used(now.mono);
        Kept {
            at_ms: now.unix.0.div_euclid(1_000_000),
            dials_ms: dials.ages(now.mono).map(|age| age.as_millis() as u64).collect(),
            dial_hold: KeptHold::of(dial_hold, now.mono),
            rest_hold: KeptHold::of(rest_hold, now.mono),
            weight,
            weight_left_ms: millis_up(left),
        }
    }

    /// Whether it has changed, by comparison with an earlier mark. Cheap, to be asked often.
    pub fn kept_mark(&self) -> KeptMark {
        let Gate { dials, weight, dial_hold, rest_hold, .. } = &self.gate;
        KeptMark([dials.latest(), weight.latest(), dial_hold.until(), rest_hold.until()])
    }

    /// Takes over what a process before this one has used up.
    pub(super) fn take_over(&mut self, now: Time, kept: &Kept) {
        let age = kept.age(now.unix);
        let ages = kept.dials_ms.iter().map(|ms| Duration::from_millis(*ms).saturating_add(age));
        self.gate.dials.restore(now.mono, ages);
        let left = Duration::from_millis(kept.weight_left_ms).saturating_sub(age);
        self.gate.weight.restore(now.mono, kept.weight, left);
        // As it would have been without a restart: what comes first after a pause goes alone.
        self.gate.careful |= kept.rest_hold.is_some();
        let holds = [(kept.dial_hold, &mut self.gate.dial_hold), (kept.rest_hold, &mut self.gate.rest_hold)];
        for (kept, hold) in holds {
            if let Some(kept) = kept {
                kept.restore(hold, now.mono, age);
            }
        }
    }
}

fn millis_up(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}
