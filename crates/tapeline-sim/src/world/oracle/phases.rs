//! I5, the state machine: a line changes its phase along legal ways only, tells of every change, is dialled once at a
//! time, and never waits for ever.

use std::collections::BTreeMap;

use super::super::clock::SEC;

/// From which phase to which; a note about a live line, or what bars the way of one that waits, changes nothing.
const LEGAL: &[(&str, &str)] = &[
    ("idle", "waiting"),
    ("waiting", "dialling"),
    ("waiting", "idle"),
    ("waiting", "waiting"),
    ("dialling", "live"),
    ("dialling", "waiting"),
    ("dialling", "halted"),
    ("dialling", "idle"),
    ("dialling", "logging_in"),
    ("logging_in", "live"),
    ("logging_in", "waiting"),
    ("logging_in", "halted"),
    ("logging_in", "idle"),
    ("live", "waiting"),
    ("live", "dialling"),
    ("live", "halted"),
    ("live", "idle"),
    ("live", "live"),
    ("halted", "waiting"),
    ("halted", "idle"),
];
/// A dial takes no longer.
const DIAL: u64 = 11 * SEC;

/// What is known of the phases of one process.
#[derive(Debug, Default)]
pub(crate) struct Phases {
    /// The last record read.
    seq: u64,
    phases: BTreeMap<String, String>,
    /// Lines whose time to dial had come at the last look.
    overdue: BTreeMap<u32, u64>,
}

/// A line at one look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look<'a> {
    pub(crate) slot: u32,
    pub(crate) phase: &'a str,
    /// In how many milliseconds it is dialled again.
    pub(crate) dial_in_ms: Option<u64>,
    /// Links of it that are open.
    pub(crate) open: usize,
    /// Links of it that are being dialled, and how long the oldest has been.
    pub(crate) dialling: (usize, u64),
}

impl Phases {
    /// The feed is a new one: its lines begin anew, its record goes on.
    pub(crate) fn restart(&mut self) {
        *self = Self { seq: self.seq, ..Self::default() };
    }

    /// The last record read.
    pub(crate) const fn seen(&self) -> u64 {
        self.seq
    }

    /// Judges one record of a change.
    pub(crate) fn record(&mut self, seq: u64, entity: &str, from: &str, to: &str) -> Result<(), String> {
        if seq <= self.seq {
            return Ok(());
        }
        if seq != self.seq + 1 {
            let before = self.seq;
            self.seq = seq;
            return Err(format!("the record jumps from {before} to {seq}"));
        }
        self.seq = seq;
        if !entity.starts_with("line ") {
            return Ok(());
        }
        if !LEGAL.contains(&(from, to)) {
            return Err(format!("{entity} goes from {from} to {to}"));
        }
        let before = self.phases.insert(entity.to_owned(), to.to_owned());
        match before {
            Some(before) if before != from => Err(format!("{entity} is {before} and leaves {from}")),
            None if from != "idle" => Err(format!("{entity} begins as {from}")),
            _ => Ok(()),
        }
    }

    /// Judges a line as it stands.
    pub(crate) fn look(&mut self, now: u64, look: Look<'_>) -> Result<(), String> {
        let Look { slot, phase, dial_in_ms, open, dialling } = look;
        let entity = format!("line {slot}");
        let recorded = self.phases.get(&entity).map_or("idle", String::as_str);
        if recorded != phase {
            return Err(format!("{entity} is {phase}, its record says {recorded}"));
        }
        if dialling.1 > DIAL {
            return Err(format!("a dial of {entity} goes on for {} s", dialling.1 / SEC));
        }
        let (least, most) = match phase {
            "dialling" => ((0, 1), (0, 1)),
            "logging_in" => ((1, 0), (1, 0)),
            "live" => ((1, 0), (1, 1)),
            _ => ((0, 0), (0, 0)),
        };
        if (open, dialling.0) < least
            || open > most.0
            || dialling.0 > most.1
            || open < least.0
            || dialling.0 < least.1
        {
            return Err(format!("{entity} is {phase} with {open} sockets open and {} dialled", dialling.0));
        }
        if phase != "waiting" {
            self.overdue.remove(&slot);
            return Ok(());
        }
        match dial_in_ms {
            None => Err(format!("{entity} waits for nothing")),
            Some(0) => {
                let since = *self.overdue.entry(slot).or_insert(now);
                if now - since > 2 * SEC {
                    Err(format!("{entity} should have been dialled long ago"))
                } else {
                    Ok(())
                }
            }
            Some(_) => {
                self.overdue.remove(&slot);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(records: &[(u64, &str, &str)], expected: bool) {
        let mut phases = Phases::default();
        let all = records.iter().all(|(seq, from, to)| phases.record(*seq, "line 0", from, to).is_ok());
        assert_eq!(all, expected, "{records:?}");
    }

    #[test]
    fn only_legal_changes_pass() {
        check(&[(1, "idle", "waiting"), (2, "waiting", "dialling"), (3, "dialling", "live")], true);
        check(&[(1, "idle", "live")], false);
        check(&[(1, "idle", "waiting"), (2, "waiting", "live")], false);
    }

    #[test]
    fn the_record_is_whole() {
        check(&[(1, "idle", "waiting"), (3, "waiting", "dialling")], false);
        check(&[(1, "idle", "waiting"), (2, "dialling", "live")], false);
        check(&[(1, "live", "waiting")], false);
    }

    fn look<'a>(phase: &'a str, dial_in_ms: Option<u64>, open: usize, dialling: (usize, u64)) -> Look<'a> {
        Look { slot: 0, phase, dial_in_ms, open, dialling }
    }

    #[test]
    fn a_line_has_the_sockets_of_its_phase() {
        let check = |phase: &'static str, open: usize, dialling: usize, expected: bool| {
            let mut phases = Phases::default();
            phases.phases.insert("line 0".into(), phase.into());
            let found = phases.look(0, look(phase, Some(5), open, (dialling, 0))).is_ok();
            assert_eq!(found, expected, "{phase} {open} {dialling}");
        };
        check("live", 1, 0, true);
        check("live", 1, 1, true);
        check("live", 0, 0, false);
        check("live", 2, 0, false);
        check("dialling", 0, 1, true);
        check("dialling", 0, 2, false);
        check("dialling", 0, 0, false);
        check("waiting", 0, 0, true);
        check("waiting", 1, 0, false);
        check("idle", 0, 1, false);
    }

    #[test]
    fn nothing_waits_for_ever() {
        let mut phases = Phases::default();
        phases.phases.insert("line 0".into(), "waiting".into());
        assert!(phases.look(0, look("waiting", None, 0, (0, 0))).is_err());
        assert!(phases.look(0, look("waiting", Some(0), 0, (0, 0))).is_ok());
        assert!(phases.look(3 * SEC, look("waiting", Some(0), 0, (0, 0))).is_err());
        phases.phases.insert("line 0".into(), "dialling".into());
        assert!(phases.look(0, look("dialling", None, 0, (1, 12 * SEC))).is_err());
    }
}
