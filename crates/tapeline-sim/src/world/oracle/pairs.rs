//! Lines that carry the same: they stand at different endpoints, one at a time is replaced, and one that is left to
//! its follower is left only when that one carries everything and has for as long as events may be out of order.

use std::collections::{BTreeMap, VecDeque};

use super::super::clock::SEC;

/// Two lines run side by side for at least so long before one of them is left.
const OVERLAP: u64 = 2 * SEC;
/// Closings remembered.
const KEPT: usize = 32;

/// What is known of the lines of one process.
#[derive(Debug, Default)]
pub(crate) struct Pairs {
    /// When each line was opened last.
    opened: BTreeMap<u32, u64>,
    /// Which line is to follow which.
    heirs: BTreeMap<u32, u32>,
    closings: VecDeque<Closing>,
    /// A dial has failed, a line was lost, or what came on one was late or lost: which endpoint is the best is a matter
    /// of opinion from then on.
    blemished: bool,
    /// Lines left to a follower.
    pub(crate) rotations: u64,
}

/// A line that the feed closed.
#[derive(Debug)]
struct Closing {
    at: u64,
    slot: u32,
    /// Since when the other lines were open.
    opened: BTreeMap<u32, u64>,
    /// By other line: streams that only the closed one had.
    lacks: BTreeMap<u32, Vec<String>>,
}

/// A line at one look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Side<'a> {
    pub(crate) slot: u32,
    pub(crate) side: &'a str,
    pub(crate) endpoint: &'a str,
    pub(crate) live: bool,
    pub(crate) heir: Option<u32>,
}

impl Pairs {
    /// The feed is a new one.
    pub(crate) fn restart(&mut self) {
        let (blemished, rotations) = (true, self.rotations);
        *self = Self { blemished, rotations, ..Self::default() };
    }

    /// A line opened.
    pub(crate) fn opened(&mut self, now: u64, slot: u32) {
        self.opened.insert(slot, now);
    }

    /// Something has happened that may count against an endpoint.
    pub(crate) fn blemish(&mut self) {
        self.blemished = true;
    }

    /// The feed closed a line; what each other line lacks of what it carried.
    pub(crate) fn closed(&mut self, at: u64, slot: u32, lacks: BTreeMap<u32, Vec<String>>) {
        if self.closings.len() >= KEPT {
            self.closings.pop_front();
        }
        // One that is not left to a follower is closed since something is wrong with it.
        self.blemished |= !self.heirs.contains_key(&slot);
        self.closings.push_back(Closing { at, slot, opened: self.opened.clone(), lacks });
    }

    /// Judges one record of a change.
    pub(crate) fn record(&mut self, entity: &str, cause: &str) -> Result<(), String> {
        let slot = |name: &str| name.strip_prefix("line ")?.parse::<u32>().ok();
        let Some(old) = slot(entity) else { return Ok(()) };
        if let Some(heir) = cause.strip_suffix(" is to follow it").and_then(slot) {
            self.heirs.insert(old, heir);
            return Ok(());
        }
        if cause != "its follower has taken over" {
            return Ok(());
        }
        self.rotations += 1;
        let Some(heir) = self.heirs.remove(&old) else {
            return Err(format!("{entity} is left to a follower that nobody named"));
        };
        let Some(closing) = self.closings.iter().rev().find(|closing| closing.slot == old) else {
            return Err(format!("{entity} was left and not closed"));
        };
        let since = closing.opened.get(&heir).copied().unwrap_or(u64::MAX);
        if closing.at.saturating_sub(since) < OVERLAP {
            return Err(format!("{entity} was left although line {heir} has hardly been there"));
        }
        match closing.lacks.get(&heir) {
            Some(lacks) if lacks.is_empty() => Ok(()),
            Some(lacks) => Err(format!("{entity} was left although line {heir} lacks {lacks:?}")),
            None => Err(format!("{entity} was left although line {heir} is not open")),
        }
    }

    /// Judges the lines as they stand; there are so many `endpoints`.
    pub(crate) fn look(&self, lines: &[Side<'_>], endpoints: usize) -> Result<(), String> {
        let leaving: Vec<u32> =
            lines.iter().filter(|line| line.heir.is_some()).map(|line| line.slot).collect();
        if leaving.len() > 1 {
            return Err(format!("lines {leaving:?} are replaced at a time"));
        }
        if self.blemished || endpoints < 2 {
            return Ok(());
        }
        let on = |side: &'static str| lines.iter().filter(move |line| line.live && line.side == side);
        for a in on("a") {
            if let Some(b) = on("b").find(|b| b.endpoint == a.endpoint) {
                let (a, b, place) = (a.slot, b.slot, a.endpoint);
                return Err(format!("lines {a} and {b} carry the same, and both stand at {place}"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(slot: u32, side: &'static str, endpoint: &'static str, heir: Option<u32>) -> Side<'static> {
        Side { slot, side, endpoint, live: true, heir }
    }

    #[test]
    fn two_lines_stand_apart_and_are_not_replaced_together() {
        let pairs = Pairs::default();
        let check = |lines: &[Side<'_>], endpoints: usize, expected: bool| {
            assert_eq!(pairs.look(lines, endpoints).is_ok(), expected, "{lines:?}");
        };
        check(&[line(0, "a", "x", None), line(1, "b", "y", None)], 2, true);
        check(&[line(0, "a", "x", None), line(1, "b", "x", None)], 2, false);
        check(&[line(0, "a", "x", None), line(1, "b", "x", None)], 1, true);
        check(&[line(0, "a", "x", Some(2)), line(2, "a", "x", None)], 2, true);
        check(&[line(0, "a", "x", Some(2)), line(1, "b", "y", Some(3))], 2, false);
        let mut hurt = Pairs::default();
        hurt.blemish();
        assert!(hurt.look(&[line(0, "a", "x", None), line(1, "b", "x", None)], 2).is_ok());
    }

    fn left(opened: u64, closed: u64, lacks: &[(u32, &[&str])]) -> Result<(), String> {
        let mut pairs = Pairs::default();
        pairs.record("line 0", "line 2 is to follow it").unwrap();
        pairs.opened(opened, 2);
        let own = |(slot, streams): &(u32, &[&str])| {
            (*slot, streams.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        pairs.closed(closed, 0, lacks.iter().map(own).collect());
        // What becomes of the follower later is another matter.
        pairs.opened(closed + SEC / 10, 2);
        pairs.record("line 0", "its follower has taken over")
    }

    #[test]
    fn a_line_is_left_when_its_follower_carries_everything_and_has_for_a_while() {
        assert!(left(SEC, 4 * SEC, &[(2, &[])]).is_ok());
        assert!(left(3 * SEC, 4 * SEC, &[(2, &[])]).is_err());
        assert!(left(SEC, 4 * SEC, &[(2, &["a@trade"])]).is_err());
        assert!(left(SEC, 4 * SEC, &[(1, &[])]).is_err(), "the other line of the pair is no follower");
    }
}
