//! I12, one authority: where a venue's data comes from changes in steps that follow each other, not too often, and is
//! told; REST is polled only while no line serves, and no longer than it must. A topic that a line serves again, but
//! not in full yet, may be asked whether it missed anything.

use std::collections::{BTreeMap, VecDeque};

use super::super::clock::SEC;

/// Least time between two changes.
const BETWEEN: u64 = 5 * SEC;
/// What lines must have served before REST is left, at first and at most; it doubles with every relapse.
const HOLD: u64 = 10 * SEC;
const HOLD_MOST: u64 = 300 * SEC;
/// A fall so soon after a return is a relapse.
const RELAPSE: u64 = 600 * SEC;
/// Beyond the hold: the spacing of changes, and how often it is looked.
const NOTICE: u64 = 8 * SEC;
/// Changes remembered.
const KEPT: usize = 64;

/// The rungs by their words, best first.
const NAMES: [&str; 5] = ["primary", "alternate", "poll", "partial", "cache"];
/// The first of them that asks over REST.
const POLLS: usize = 2;

/// The rungs of one process.
#[derive(Debug, Default)]
pub(crate) struct Rungs {
    /// When each rung was entered, oldest first; it begins on the best.
    course: VecDeque<(u64, usize)>,
    /// Polls that went out since the last look, and of which topics.
    polls: Vec<(u64, String)>,
    /// The topics that are served in full, and since when.
    full: BTreeMap<String, u64>,
    /// When lines were returned to.
    returned: Option<u64>,
    relapses: u32,
    /// Since when every line has served.
    serving: Option<u64>,
}

impl Rungs {
    /// The feed is a new one, and goes on for the one before: its relapses count on, and a rung that it had left is
    /// entered again as after a return.
    pub(crate) fn restart(&mut self, now: u64) {
        let left = self.rung() >= POLLS && self.relapses > 0;
        let returned = if left { Some(now) } else { self.returned };
        *self = Self { returned, relapses: self.relapses - u32::from(left), ..Self::default() };
    }

    fn rung(&self) -> usize {
        self.course.back().map_or(0, |(_, rung)| *rung)
    }

    /// The rungs in force around a moment: a change and what is done at the same moment may stand in either order.
    fn around(&self, at: u64) -> impl Iterator<Item = usize> {
        let before = self.course.iter().rev().find(|(since, _)| *since < at).map_or(0, |(_, rung)| *rung);
        let entered = self.course.iter().filter(move |(since, _)| *since == at).map(|(_, rung)| *rung);
        entered.chain([before])
    }

    /// Judges one record of a change.
    pub(crate) fn record(&mut self, at: u64, from: &str, to: &str) -> Result<(), String> {
        let number = |name: &str| NAMES.iter().position(|known| *known == name);
        let (Some(from), Some(to)) = (number(from), number(to)) else { return Ok(()) };
        let (before, held) = (self.course.back().map(|(at, _)| *at), self.rung());
        if self.course.len() >= KEPT {
            self.course.pop_front();
        }
        self.course.push_back((at, to));
        if from >= POLLS && to < POLLS {
            self.returned = Some(at);
        } else if from < POLLS && to >= POLLS {
            let relapsed = self.returned.is_some_and(|returned| at < returned + RELAPSE);
            self.relapses = if relapsed { self.relapses + 1 } else { 0 };
        }
        if from != held {
            return Err(format!("{} is left, and {} was entered before", NAMES[from], NAMES[held]));
        }
        match before {
            Some(before) if at - before < BETWEEN => {
                let after = (at - before) / 1_000_000;
                Err(format!("{} is left for {} after {after} ms", NAMES[from], NAMES[to]))
            }
            _ => Ok(()),
        }
    }

    /// A topic is served otherwise than before.
    pub(crate) fn served(&mut self, at: u64, topic: &str, how: &str) {
        match how {
            "full" => drop(self.full.insert(topic.to_owned(), at)),
            _ => drop(self.full.remove(topic)),
        }
    }

    /// A poll goes out.
    pub(crate) fn asked(&mut self, now: u64, topic: &str) {
        self.polls.push((now, topic.to_owned()));
    }

    /// Judges what was polled since the last look; all changes until now are known.
    pub(crate) fn look(&mut self, now: u64, rung: &str, polled: usize, serves: bool) -> Result<(), String> {
        let held = self.rung();
        if NAMES[held] != rung {
            return Err(format!("the data is said to come from {rung}, and last it was {}", NAMES[held]));
        }
        if held < POLLS && polled > 0 {
            return Err(format!("{polled} topics are polled on {rung}"));
        }
        for (at, topic) in std::mem::take(&mut self.polls) {
            let full = self.full.get(&topic).is_some_and(|since| *since < at);
            if full && !self.around(at).any(|rung| rung >= POLLS) {
                return Err("a topic is polled while lines serve".to_owned());
            }
        }
        self.serving = if serves { self.serving.or(Some(now)) } else { None };
        let hold = (HOLD << self.relapses.min(8)).min(HOLD_MOST);
        match self.serving {
            Some(since) if held >= POLLS && now > since + hold + hold / 2 + NOTICE => {
                let seconds = (now - since) / SEC;
                Err(format!("every line has served for {seconds} s, and the data still comes from {rung}"))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_follow_each_other_and_not_too_often() {
        let check = |changes: &[(u64, &str, &str)], expected: bool| {
            let mut rungs = Rungs::default();
            let all = changes.iter().all(|(at, from, to)| rungs.record(at * SEC, from, to).is_ok());
            assert_eq!(all, expected, "{changes:?}");
        };
        check(&[(1, "primary", "alternate"), (6, "alternate", "poll"), (20, "poll", "primary")], true);
        check(&[(1, "primary", "alternate"), (5, "alternate", "poll")], false);
        check(&[(1, "primary", "alternate"), (9, "poll", "cache")], false);
        check(&[(1, "alternate", "poll")], false);
    }

    #[test]
    fn polls_go_out_only_while_lines_do_not_serve() {
        let check = |at: u64, expected: bool| {
            let mut rungs = Rungs::default();
            rungs.served(5 * SEC, "b:trade:A", "full");
            rungs.record(10 * SEC, "primary", "poll").unwrap();
            rungs.record(30 * SEC, "poll", "alternate").unwrap();
            rungs.asked(at * SEC, "b:trade:A");
            assert_eq!(rungs.look(40 * SEC, "alternate", 0, true).is_ok(), expected, "{at}");
        };
        check(9, false);
        check(10, true);
        check(20, true);
        check(30, true);
        check(31, false);
        let mut rungs = Rungs::default();
        assert!(rungs.look(3 * SEC, "primary", 1, true).is_err());
        assert!(rungs.look(4 * SEC, "poll", 1, true).is_err(), "nobody said so");
    }

    #[test]
    fn a_topic_may_be_asked_for_while_it_is_not_served_in_full() {
        let check = |how: &str, at: u64, expected: bool| {
            let mut rungs = Rungs::default();
            rungs.served(SEC, "b:trade:A", "full");
            rungs.served(SEC, "b:trade:B", "full");
            rungs.served(10 * SEC, "b:trade:A", how);
            rungs.asked(at * SEC, "b:trade:A");
            assert_eq!(rungs.look(40 * SEC, "primary", 0, true).is_ok(), expected, "{how} {at}");
            rungs.asked(at * SEC, "b:trade:B");
            assert!(rungs.look(41 * SEC, "primary", 0, true).is_err(), "another topic is");
        };
        check("down", 12, true);
        check("full", 12, false);
        check("full", 10, true);
    }

    #[test]
    fn lines_that_serve_are_returned_to() {
        let mut rungs = Rungs::default();
        rungs.record(10 * SEC, "primary", "poll").unwrap();
        let mut look = |at: u64, serves| rungs.look(at * SEC, "poll", 3, serves).is_ok();
        assert!(look(20, true) && look(40, true) && look(41, false) && look(60, true) && look(80, true));
        assert!(!look(90, true));
    }

    #[test]
    fn a_new_feed_waits_as_long_as_the_one_before_would_have() {
        let late = |relapses: u64| {
            let mut rungs = Rungs::default();
            for turn in 0..=relapses {
                rungs.record((10 + 60 * turn) * SEC, "primary", "poll").unwrap();
                rungs.record((40 + 60 * turn) * SEC, "poll", "primary").unwrap();
            }
            rungs.restart(200 * SEC);
            rungs.record(205 * SEC, "primary", "poll").unwrap();
            (210..400).find(|at| rungs.look(at * SEC, "poll", 1, true).is_err()).map(|at| at - 210)
        };
        assert_eq!(late(0), Some(39));
        assert_eq!(late(1), Some(69));
    }
}
