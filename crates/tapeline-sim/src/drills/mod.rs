//! Drills: named troubles, each played in virtual time from a seed, with a verdict and the figures of how it was borne.
//!
//! - `staged`: those that can be played over real sockets as well
//! - `table`: every drill, in one place
//! - `must`: what has to hold, and what is said where it does not
//! - `program`: all of them, one after the other
//! - `rows`: every fault that is to be survived, and what shows that it is
//!
//! [`list`] and [`run`] give plain data, for whoever shows it.

mod must;
mod program;
mod rows;
pub mod staged;
mod table;

use serde::Serialize;
use serde_json::{Value, json};

use self::table::{DRILLS, Entry};
use crate::house::{Trouble, distance};
#[cfg(feature = "defects")]
use crate::world::scene::Defect;
use crate::world::scene::{Act, Scene, Seen, Service, play};

pub use self::program::program;
pub use self::rows::{Fault, faults, markdown};

/// A drill as it is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Drill {
    /// Its name.
    pub name: &'static str,
    /// The faults it stands for, by their numbers.
    pub faults: &'static [&'static str],
    /// What happens.
    pub about: &'static str,
    /// How long it lasts, in seconds of the world.
    pub seconds: u64,
    /// Why it is played in virtual time only; none = it can be played over real sockets as well.
    pub virtual_only: Option<&'static str>,
}

/// What a drill came to. Times are in seconds; what there was none of is `null`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Its name.
    pub name: &'static str,
    /// The faults it stands for.
    pub faults: &'static [&'static str],
    /// What happens.
    pub about: &'static str,
    /// Everything followed from it.
    pub seed: u64,
    /// All that must hold did.
    pub passed: bool,
    /// What did not, in words.
    pub failures: Vec<String>,
    /// From the beginning of an outage until it was noticed, of the slowest.
    pub ttd_s: Option<f64>,
    /// The mean time to repair.
    pub mttr_s: Option<f64>,
    /// The longest time to repair.
    pub ttr_max_s: Option<f64>,
    /// The mean time between failures.
    pub mtbf_s: Option<f64>,
    /// The share of the time in which data came from a line.
    pub availability: Option<f64>,
    /// The share of the time in which data came from a line or by polling.
    pub availability_any: Option<f64>,
    /// Outages, over all topics.
    pub outages: u64,
    /// The share of them that ended by repair.
    pub recovery: Option<f64>,
    /// Events that nobody was told of.
    pub lost: u64,
    /// Events that came twice.
    pub duplicated: u64,
    /// Events that were declared missing and did not come later.
    pub declared: u64,
    /// Events that no line brought and that were fetched.
    pub repaired: u64,
    /// Connections that were dialled.
    pub dials: u64,
    /// How often each fault did something.
    pub struck: Vec<(&'static str, u64)>,
    /// Equal seeds have equal ones.
    pub hash: String,
    /// The transitions from which the times follow, as anybody can compute them again.
    #[serde(skip)]
    pub log: Vec<String>,
    /// The stretch of that log that is measured, in microseconds of its clock.
    pub stretch_us: (u64, u64),
}

/// What several drills came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Each of them.
    pub items: Vec<Report>,
    /// All of them together.
    pub summary: Total,
}

/// Figures of several drills together.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Total {
    /// Everything followed from it.
    pub seed: u64,
    /// Drills that were run.
    pub drills: usize,
    /// Those of them that passed.
    pub passed: usize,
    /// Those that did not.
    pub failed: usize,
    /// The slowest detection.
    pub ttd_max_s: Option<f64>,
    /// The slowest repair.
    pub ttr_max_s: Option<f64>,
    /// Outages, over all topics.
    pub outages: u64,
    /// The share of them that ended by repair.
    pub recovery: Option<f64>,
    /// Events that nobody was told of.
    pub lost: u64,
    /// Events that came twice.
    pub duplicated: u64,
    /// Events that were declared missing and did not come later.
    pub declared: u64,
}

/// No drill has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{name}\" is no drill{}", .nearest.map(|near| format!("; did you mean \"{near}\"?")).unwrap_or_default())]
pub struct Unknown {
    /// What was asked for.
    pub name: String,
    /// The drill whose name is nearest, if one is near.
    pub nearest: Option<&'static str>,
}

/// Every drill, in the order of the faults.
pub fn list() -> Vec<Drill> {
    DRILLS.iter().map(Entry::told).collect()
}

/// Every drill, and every fault with the drills and the tests that stand for it, as `items` and `faults`.
pub fn catalogue() -> Value {
    let told = |fault: &Fault| {
        let drills: Vec<&str> = fault.drills().collect();
        json!({ "id": fault.id, "about": fault.about, "drills": drills, "tests": fault.tests })
    };
    json!({ "items": list(), "faults": faults().iter().map(told).collect::<Vec<_>>() })
}

/// Whether there is a drill of this name.
///
/// # Errors
/// [`Unknown`] if there is none.
pub fn check(name: &str) -> Result<(), Unknown> {
    find(name).map(|_| ())
}

/// Runs one drill.
///
/// # Errors
/// [`Unknown`] if there is none of this name.
pub fn run(name: &str, seed: u64) -> Result<Report, Unknown> {
    find(name).map(|entry| report(entry, seed, &play(&entry.scene(seed))))
}

/// The drill for a mistake that worlds do not show, and what first fails in it while that is planted, if anything does.
#[cfg(feature = "defects")]
pub(crate) fn failed_by(defect: Defect, seed: u64) -> Option<(&'static str, String)> {
    let name = match defect {
        Defect::OutageFromNotice => "stall",
        Defect::OutageToReconnect => "fin",
        Defect::EndlessQuarantine => "poison",
        Defect::NeverRenewKeys => "keys-renewed",
        Defect::CutToRenewKeys => "keys-followed-ab",
        Defect::TrustTheUnproven => "zombie-second",
        _ => return None,
    };
    let entry = find(name).ok()?;
    let failures = entry.judge(&play(&Scene { defect: Some(defect), ..entry.scene(seed) }));
    let words = failures.first()?.lines().next().unwrap_or_default().to_owned();
    Some((name, words))
}

/// All reports together.
pub fn sum_up(seed: u64, items: Vec<Report>) -> Summary {
    let longest = |of: fn(&Report) -> Option<f64>| items.iter().filter_map(of).max_by(f64::total_cmp);
    let sum = |of: fn(&Report) -> u64| items.iter().map(of).sum::<u64>();
    let passed = items.iter().filter(|item| item.passed).count();
    let outages = sum(|item| item.outages);
    let over: f64 = items.iter().filter_map(|item| Some(item.recovery? * item.outages as f64)).sum();
    let summary = Total {
        seed,
        drills: items.len(),
        passed,
        failed: items.len() - passed,
        ttd_max_s: longest(|item| item.ttd_s),
        ttr_max_s: longest(|item| item.ttr_max_s),
        outages,
        recovery: (outages > 0).then(|| over / outages as f64),
        lost: sum(|item| item.lost),
        duplicated: sum(|item| item.duplicated),
        declared: sum(|item| item.declared),
    };
    Summary { items, summary }
}

fn find(name: &str) -> Result<&'static Entry, Unknown> {
    let unknown = || {
        let far = |known: &&str| distance(known, name);
        let nearest = DRILLS.iter().map(|entry| entry.name).min_by_key(far);
        // One letter in three may be wrong; of what differs by more nobody was thinking.
        let nearest = nearest.filter(|known| far(known) <= known.len().max(name.len()) / 3);
        Unknown { name: name.to_owned(), nearest }
    };
    DRILLS.iter().find(|entry| entry.name == name).ok_or_else(unknown)
}

fn report(entry: &'static Entry, seed: u64, seen: &Seen) -> Report {
    let Service { outages, repaired, .. } = seen.full;
    let failures = entry.judge(seen);
    Report {
        name: entry.name,
        faults: entry.faults,
        about: entry.about,
        seed,
        passed: failures.is_empty(),
        failures,
        ttd_s: seen.full.ttd_s[2],
        mttr_s: seen.full.mttr_s,
        ttr_max_s: seen.full.ttr_s[2],
        mtbf_s: seen.full.mtbf_s,
        availability: seen.full.availability,
        availability_any: seen.any.availability,
        outages,
        recovery: (outages > 0).then(|| repaired as f64 / outages as f64),
        lost: seen.lost,
        duplicated: seen.duplicated,
        declared: seen.declared,
        repaired: seen.repaired,
        dials: seen.dials,
        struck: entry.kinds().map(|kind| (kind, seen.struck.get(kind).copied().unwrap_or(0))).collect(),
        hash: format!("{:016x}", seen.hash),
        log: seen.log.clone(),
        stretch_us: seen.stretch_us,
    }
}

impl Entry {
    fn told(&self) -> Drill {
        let Self { name, faults, about, seconds, .. } = *self;
        Drill { name, faults, about, seconds, virtual_only: self.virtual_only() }
    }

    const fn scene(&self, seed: u64) -> Scene<'static> {
        Scene {
            seed,
            setup: self.setup,
            acts: self.acts,
            seconds: self.seconds,
            #[cfg(feature = "defects")]
            defect: None,
        }
    }

    /// The kinds of faults that it orders, each once.
    fn kinds(&self) -> impl Iterator<Item = &'static str> {
        let mut kinds: Vec<&str> = self.acts.iter().filter_map(|(_, act)| kind_of(*act)).collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds.into_iter()
    }
}

fn kind_of(act: Act) -> Option<&'static str> {
    match act {
        Act::Venue(line) | Act::Towards(_, line) => Some(line.parse::<Trouble>().ok()?.kind.name()),
        Act::Way(own, _) => Some(own.name()),
        Act::Rotate => Some("rotate"),
        Act::Revoke => Some("revoke"),
        Act::Issue => Some("issue"),
    }
}

#[cfg(test)]
mod tests;
