//! I7, liveness: what can be reached is live after a while, and everything it carries is well. I10 and I11, the table:
//! the venue holds what is wanted, each stream once, and nothing that nobody wants.

use std::collections::BTreeSet;

use super::super::clock::SEC;

/// What a feed was told has reached its readers after this long.
const ANSWERED: u64 = 5 * SEC;
/// A line that can be dialled is live after this long.
const LIVE: u64 = 45 * SEC;
/// An answer to a request, and one repetition, take no longer.
const CONFIRMED: u64 = 12 * SEC;
/// Everything it carries is well after this long: snapshots have their own delays, and streams their own silence.
const WELL: u64 = 60 * SEC;

/// A line, as far as its liveness is concerned.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Alive<'a> {
    pub(crate) slot: u32,
    pub(crate) phase: &'a str,
    pub(crate) wanted: usize,
    pub(crate) confirmed: usize,
    /// Since when it has been short of confirmed streams; one that falls mute alone is asked for again.
    pub(crate) short_since: u64,
    /// Since when nothing has gone wrong on the way, and nothing is held.
    pub(crate) calm_since: u64,
}

impl Alive<'_> {
    /// Judges the line at `now`.
    pub(crate) fn judge(&self, now: u64) -> Result<(), String> {
        let Self { slot, phase, wanted, confirmed, short_since, calm_since } = *self;
        if wanted == 0 || phase == "halted" || now < calm_since + LIVE {
            return Ok(());
        }
        let calm = (now - calm_since) / SEC;
        if phase != "live" {
            return Err(format!("line {slot} is {phase} although all was well for {calm} s"));
        }
        if confirmed < wanted && now > short_since + CONFIRMED {
            return Err(format!(
                "line {slot} has {confirmed} of {wanted} streams confirmed after {calm} calm seconds"
            ));
        }
        Ok(())
    }
}

/// Whether everything must be well by now.
pub(crate) const fn is_well_by(now: u64, calm_since: u64) -> bool {
    now >= calm_since + WELL
}

/// Whether a line must be live by now.
pub(crate) const fn is_live_by(now: u64, calm_since: u64) -> bool {
    now >= calm_since + LIVE
}

/// Whether what was said at `since` must have reached the readers by now: what came behind a hole waits for up to
/// `repair`.
pub(crate) const fn is_answered_by(now: u64, since: u64, repair: u64) -> bool {
    now > since + ANSWERED + repair
}

/// Judges the venue's table of one process: `wanted` is what somebody reads, `allowed` what may linger.
pub(crate) fn table(
    wanted: &BTreeSet<String>,
    allowed: &BTreeSet<String>,
    held: &[String],
) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for stream in held {
        if !seen.insert(stream) {
            return Err(format!("{stream} is subscribed twice"));
        }
        if !wanted.contains(stream) && !allowed.contains(stream) {
            return Err(format!("{stream} is subscribed and nobody reads it"));
        }
    }
    match wanted.iter().find(|stream| !seen.contains(stream)) {
        Some(stream) => Err(format!("{stream} is wanted and not subscribed")),
        None => Ok(()),
    }
}

/// Judges the readers that a feed knows: those who left are gone.
pub(crate) fn readers(known: &[u64], present: &BTreeSet<u64>) -> Result<(), String> {
    match known.iter().find(|id| !present.contains(id)) {
        Some(id) => Err(format!("reader {id} has left and is still in the tables")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_can_be_reached_is_live_in_time() {
        let check = |phase, wanted, confirmed, now: u64, expected: bool| {
            let (calm_since, short_since) = (10 * SEC, 40 * SEC);
            let alive = Alive { slot: 0, phase, wanted, confirmed, short_since, calm_since };
            assert_eq!(alive.judge(now * SEC).is_ok(), expected, "{phase} {wanted} {confirmed} {now}");
        };
        check("live", 3, 3, 100, true);
        check("waiting", 3, 0, 54, true);
        check("waiting", 3, 0, 55, false);
        check("dialling", 3, 0, 55, false);
        check("live", 3, 2, 55, false);
        check("live", 3, 2, 52, true);
        check("idle", 0, 0, 100, true);
        check("halted", 3, 0, 100, true);
    }

    #[test]
    fn what_waits_for_missed_events_may_come_later() {
        let check = |now: u64, repair: u64| is_answered_by(now * SEC, 10 * SEC, repair * SEC);
        assert!(!check(15, 0) && check(16, 0));
        assert!(!check(45, 30) && check(46, 30));
    }

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_table_is_what_is_wanted_each_once() {
        let check = |held: &[&str], expected: bool| {
            let held: Vec<String> = held.iter().map(ToString::to_string).collect();
            assert_eq!(table(&set(&["a", "b"]), &set(&["c"]), &held).is_ok(), expected, "{held:?}");
        };
        check(&["a", "b"], true);
        check(&["b", "c", "a"], true);
        check(&["a"], false);
        check(&["a", "b", "a"], false);
        check(&["a", "b", "d"], false);
    }

    #[test]
    fn a_reader_that_left_is_forgotten() {
        let present = BTreeSet::from([1, 2]);
        assert!(readers(&[1], &present).is_ok());
        assert!(readers(&[1, 3], &present).is_err());
    }
}
