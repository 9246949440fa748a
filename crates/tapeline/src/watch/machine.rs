//! What the process uses up of its machine: descriptors, the disk, and the time until what was read is handed on; memory
//! has its own watch. Read where the system tells it: descriptors on Linux, room on the disk on every Unix. Where one cannot
//! be opened for want of a descriptor, it is that which is told.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tapeline_core::data::update::Level;
use tapeline_core::policy::alert::Rule;
use tapeline_core::policy::fault::is_want_of_descriptors;
use tapeline_core::time::Mono;

use crate::descriptors::Descriptors;
use crate::memory::percent;
use crate::spread::SpreadReading;

/// How often the system is asked.
pub(super) const EVERY: Duration = Duration::from_secs(5);
/// Shares at which a resource is nearly used up, in percent; used up is critical.
const SHARES: [(u64, Level); 4] =
    [(100, Level::Critical), (95, Level::Unhealthy), (85, Level::Degraded), (70, Level::Warning)];
/// While so much of a disk is free, its share is nobody's worry: it is many times what we ever write.
const AMPLE: u64 = 4 << 30;
/// How late what was read may be handed on, of 99 in 100 batches.
const LATE: [(f64, Level); 4] =
    [(30.0, Level::Critical), (5.0, Level::Unhealthy), (1.0, Level::Degraded), (0.25, Level::Warning)];
/// Lateness is judged over so long, if so many batches were handed on.
const OVER: Duration = Duration::from_secs(60);
const LEAST: u64 = 100;

/// Something that is nearly used up, or does not work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Strain {
    pub(super) rule: Rule,
    /// Which part of the process; empty = all of it.
    pub(super) part: &'static str,
    pub(super) level: Level,
    pub(super) evidence: String,
}

impl Strain {
    const fn of_all(rule: Rule, level: Level, evidence: String) -> Self {
        Self { rule, part: "", level, evidence }
    }
}

/// Where the system tells of this process, and where it writes.
#[derive(Debug, Clone)]
pub(super) struct Machine {
    /// Where the state of the limits and the event log are written, if anywhere.
    folder: Option<PathBuf>,
    space: fn(&Path) -> Option<Space>,
}

/// The bytes of a disk, and those of them that we may still write.
#[derive(Debug, Clone, Copy)]
struct Space {
    free: u64,
    all: u64,
}

impl Machine {
    /// This process, which writes to this folder.
    pub(super) fn own(folder: Option<&Path>) -> Self {
        Self { folder: folder.map(Path::to_owned), space }
    }

    /// What is nearly used up. Asks a disk: not for the threads of the runtime.
    pub(super) fn look(&self) -> Vec<Strain> {
        self.disk().into_iter().collect()
    }

    fn disk(&self) -> Option<Strain> {
        let Space { free, all } = (self.space)(self.folder.as_deref()?)?;
        let level = share(all.saturating_sub(free), all).filter(|_| free < AMPLE)?;
        let evidence = format!("{} of {} MiB are free for the state folder", free >> 20, all >> 20);
        Some(Strain { rule: Rule::Disk, part: "space", level, evidence })
    }
}

/// How bad it is that so many descriptors are open; critical while those that are left are kept, and so clients refused.
pub(super) fn descriptors(open: Option<Descriptors>) -> Option<Strain> {
    let open = open?;
    let Descriptors { used, most } = open;
    let level = if open.are_short() { Some(Level::Critical) } else { share(used, most) };
    Some(Strain::of_all(Rule::Descriptors, level?, format!("{used} of {most}")))
}

/// A disk that does not take what is to be written, if it is the disk's fault.
pub(super) fn disk(what: &'static str, error: &str) -> Strain {
    let evidence = format!("the {what} cannot be written: {error}");
    if is_want_of_descriptors(error) {
        return Strain { rule: Rule::Descriptors, part: what, level: Level::Critical, evidence };
    }
    Strain { rule: Rule::Disk, part: what, level: Level::Unhealthy, evidence }
}

/// Nothing can be dialled for want of descriptors.
pub(super) fn undialled() -> Strain {
    let evidence = "every line failed for want of descriptors".to_owned();
    Strain { rule: Rule::Descriptors, part: "lines", level: Level::Critical, evidence }
}

/// A disk that does not answer at all.
pub(super) fn mute_disk() -> Strain {
    let evidence = "the disk of the state folder does not answer".to_owned();
    Strain { rule: Rule::Disk, part: "space", level: Level::Unhealthy, evidence }
}

/// The room on the disk of a folder.
#[cfg(unix)]
fn space(folder: &Path) -> Option<Space> {
    let told = rustix::fs::statvfs(folder).ok()?;
    // What is kept for the system's owner is nothing that we may write.
    Some(Space { free: told.f_bavail * told.f_frsize, all: told.f_blocks * told.f_frsize })
}

/// The room on the disk of a folder: not told here.
#[cfg(not(unix))]
fn space(_: &Path) -> Option<Space> {
    None
}

/// How bad it is to have used so much of so much; `None` = well.
fn share(used: u64, most: u64) -> Option<Level> {
    at_share(percent(used, most))
}

/// How bad it is to have used so many percent; `None` = well.
pub(super) fn at_share(percent: u64) -> Option<Level> {
    SHARES.iter().find(|(least, _)| percent >= *least).map(|(_, level)| *level)
}

/// How long it took lately from reading a socket until what it held was handed to the readers.
#[derive(Debug, Default)]
pub(super) struct Delays {
    readings: VecDeque<(Mono, SpreadReading)>,
}

impl Delays {
    /// Takes in what was counted until now; how bad the last minute was, if it was bad.
    pub(super) fn look(&mut self, now: Mono, reading: SpreadReading) -> Option<Strain> {
        while self.readings.get(1).is_some_and(|(at, _)| now.since(*at) >= OVER) {
            self.readings.pop_front();
        }
        let before = self.readings.front().map(|(_, before)| before.clone());
        self.readings.push_back((now, reading.clone()));
        let before = before?;
        let count = reading.count - before.count;
        if count < LEAST {
            return None;
        }
        // Of 99 in 100: the first bound that no more than one in a hundred pass.
        let (mut beyond, mut late) = (count, 0.0);
        for ((bound, now), (_, then)) in reading.buckets.iter().zip(&before.buckets) {
            if beyond * 100 <= count {
                break;
            }
            beyond -= now - then;
            late = *bound;
        }
        // A bound is passed by what lies in the bucket that ends at it, so the one before counts.
        let level = LATE.iter().find(|(least, _)| late > *least).map(|(_, level)| *level)?;
        let evidence = format!("99 in 100 of {count} batches within {late} s");
        Some(Strain::of_all(Rule::Latency, level, evidence))
    }
}

#[cfg(test)]
mod tests;
