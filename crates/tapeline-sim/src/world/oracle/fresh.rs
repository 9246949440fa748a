//! I4, no silent staleness: what is carried by a line that is down, or silent for longer than its rhythm allows, is
//! said to be so.

use std::collections::{BTreeMap, BTreeSet};

use super::super::clock::{MS, SEC};
use super::message::params_of;

/// The shortest and the longest silence that is borne.
const SHORTEST: u64 = 2 * SEC;
const LONGEST: u64 = 60 * SEC;
/// Silence is suspicious after so many mean pauses, each pause weighted by its own length.
const PAUSES: f64 = 8.0;
/// Until silence is noticed, beyond the patience itself: how often a line is looked at, and a ping that waits for
/// its turn.
const NOTICE: u64 = 3 * SEC;
/// Pongs without data are borne for so much longer: subscribed anew once, then dialled anew.
const MUTE: u64 = 6;
/// A line that brought nothing yet is asked whether it lives, and left after so long at the latest.
const UNPROVEN: u64 = 60 * SEC;
/// A line that is suspected has answered, or is no more, after so long.
const ASKED: u64 = 12 * SEC;
/// What is past fades from the rhythm with this half-life, in seconds.
const HALF_LIFE: f64 = 60.0;
/// What is not known yet weighs so much, and is taken for the longest pause that is borne.
const UNKNOWN: f64 = 0.115;
/// The feed may know of fewer messages than we put into it: those it could not read.
const LENIENCE: f64 = 1.4;

/// What is known of the rhythm of a process's lines.
#[derive(Debug, Default)]
pub(crate) struct Fresh {
    lines: BTreeMap<u32, Rhythm>,
    /// Until then nothing is concluded: we ourselves did not run.
    excused: u64,
    /// When each line was last suspected by the feed itself: of a market that comes in bursts the pauses are long.
    suspected: BTreeMap<u32, u64>,
}

/// How fast the messages of one topic come.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Flow {
    sum: f64,
    known: f64,
}

impl Flow {
    /// A message came at `now`, after one at `before`.
    pub(crate) fn pass(&mut self, now: u64, before: u64) {
        let pause = now.saturating_sub(before) as f64 / SEC as f64;
        let weight = 1.0 - 0.5f64.powf(pause / HALF_LIFE);
        self.sum += weight * (pause - self.sum);
        self.known += weight * (1.0 - self.known);
    }

    /// Whether it is known to come at least every second or so.
    pub(crate) fn is_busy(&self) -> bool {
        self.known > 0.5 && self.sum < 0.7 * self.known
    }
}

/// The rhythm of one line.
#[derive(Debug)]
struct Rhythm {
    /// The streams it was asked for on the present connection.
    carried: BTreeSet<Box<[u8]>>,
    /// The streams that brought what the rhythm is made of: how fast each comes, and when it last did.
    flows: BTreeMap<Box<[u8]>, (Flow, u64)>,
    /// Data came on the present connection.
    proven: bool,
    last: u64,
    /// When anything last showed that the line lives.
    sign: u64,
    /// The faded sum of pauses times their weights, seconds.
    sum: f64,
    /// The weight of what is not known.
    rest: f64,
}

impl Default for Rhythm {
    fn default() -> Self {
        let (carried, flows) = (BTreeSet::new(), BTreeMap::new());
        Self { carried, flows, proven: false, last: 0, sign: 0, sum: 0.0, rest: 1.0 }
    }
}

impl Fresh {
    /// A line opened.
    pub(crate) fn opened(&mut self, now: u64, slot: u32) {
        let line = self.lines.entry(slot).or_default();
        (line.proven, line.last, line.sign) = (false, now, now);
        line.carried.clear();
    }

    /// A line asks for streams, or asks no longer.
    pub(crate) fn asked(&mut self, slot: u32, message: &str) {
        let line = self.lines.entry(slot).or_default();
        let leaves = message.starts_with("{\"method\":\"UNSUBSCRIBE\"");
        for stream in params_of(message) {
            if leaves {
                line.carried.remove(stream);
            } else if !line.carried.contains(stream) {
                line.carried.insert(stream.into());
            }
        }
        line.forget_what_is_gone();
    }

    /// A pong came: the line lives, whatever its data does.
    pub(crate) fn lives(&mut self, now: u64, slot: u32) {
        self.lines.entry(slot).or_default().sign = now;
    }

    /// Data came.
    pub(crate) fn data(&mut self, now: u64, slot: u32, stream: &[u8]) {
        let line = self.lines.entry(slot).or_default();
        match line.flows.get_mut(stream) {
            Some((flow, last)) => flow.pass(now, std::mem::replace(last, now)),
            None => drop(line.flows.insert(stream.into(), (Flow::default(), now))),
        }
        let pause = (now - line.last) as f64 / SEC as f64;
        let weight = 1.0 - 0.5f64.powf(pause / HALF_LIFE);
        line.sum += weight * (pause - line.sum);
        line.rest -= weight * line.rest;
        (line.proven, line.last, line.sign) = (true, now, now);
    }

    /// The process did not run, or did not read, until `until`.
    pub(crate) fn excuse(&mut self, until: u64) {
        self.excused = self.excused.max(until);
    }

    /// The feed itself suspects a line for its silence, and asks it.
    pub(crate) fn suspected(&mut self, now: u64, slot: u32) {
        self.suspected.insert(slot, now);
    }

    /// Whether a line is suspected and may not have answered yet.
    pub(crate) fn is_asked(&self, now: u64, slot: u32) -> bool {
        self.suspected.get(&slot).is_some_and(|at| now < at + ASKED)
    }

    /// The feed was rebuilt: what it knew of rhythms is gone.
    pub(crate) fn restart(&mut self) {
        self.lines.clear();
    }

    /// A line rests: nothing that it carried is wanted, and that was what its rhythm was made of. The venue may have
    /// taken it all off, without a word from the line.
    pub(crate) fn rested(&mut self, slot: u32) {
        let line = self.lines.entry(slot).or_default();
        line.flows.clear();
        (line.sum, line.rest) = (0.0, 1.0);
    }

    /// Whether data flows on a line, and has since `since` not been kept from us.
    pub(crate) fn flows(&self, now: u64, slot: u32, since: u64) -> bool {
        let flows = |line: &Rhythm| line.proven && now < line.last + SEC;
        self.excused < since && self.lines.get(&slot).is_some_and(flows)
    }

    /// Whether silence on a line must have been noticed by now.
    pub(crate) fn is_silent(&self, now: u64, slot: u32) -> bool {
        let Some(line) = self.lines.get(&slot) else { return false };
        if !line.proven {
            return now > line.sign.max(self.excused) + UNPROVEN;
        }
        let (last, sign) = (line.last.max(self.excused), line.sign.max(self.excused));
        let patience = line.patience();
        now > sign + patience + NOTICE || now > last + MUTE * patience + 20 * SEC
    }
}

impl Rhythm {
    /// What is carried no longer has no part in the rhythm. If what made it is gone and nothing that is left is busy,
    /// nothing is known.
    fn forget_what_is_gone(&mut self) {
        let before = self.flows.len();
        let carried = &self.carried;
        self.flows.retain(|stream, _| carried.contains(stream));
        if self.flows.len() < before && !self.flows.values().any(|(flow, _)| flow.is_busy()) {
            (self.sum, self.rest) = (0.0, 1.0);
        }
    }

    /// How long silence can seem normal.
    fn patience(&self) -> u64 {
        let unknown = self.rest * UNKNOWN;
        let slowest = LONGEST as f64 / SEC as f64 / PAUSES;
        let mean = (self.sum + unknown * slowest) / (1.0 - self.rest + unknown);
        ((mean * PAUSES * LENIENCE * 1e3) as u64 * MS).clamp(SHORTEST, LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUSY: &[u8] = b"btcusdt@trade";

    /// A line with data every `pause` for `seconds`; when its silence must be noticed after the last.
    fn noticed(pause: u64, seconds: u64) -> u64 {
        let mut fresh = Fresh::default();
        fresh.opened(0, 0);
        let mut now = 0;
        while now < seconds * SEC {
            now += pause;
            fresh.data(now, 0, BUSY);
        }
        (0..100).find(|s| fresh.is_silent(now + s * SEC, 0)).unwrap_or(100)
    }

    #[test]
    fn a_busy_line_is_missed_soon_and_a_quiet_one_later() {
        assert!((5..=8).contains(&noticed(20 * MS, 300)), "{}", noticed(20 * MS, 300));
        assert!((25..=45).contains(&noticed(3 * SEC, 300)), "{}", noticed(3 * SEC, 300));
        assert!(noticed(20 * MS, 2) > 20);
    }

    #[test]
    fn pongs_without_data_are_borne_for_a_while_only() {
        let mut fresh = Fresh::default();
        fresh.opened(0, 0);
        (0..20_000).for_each(|n| fresh.data(n * 20 * MS, 0, BUSY));
        let ends = 400 * SEC;
        let noticed = (0..200).find(|s| {
            fresh.lives(ends + s * SEC, 0);
            fresh.is_silent(ends + s * SEC, 0)
        });
        assert!(noticed.is_some_and(|s| (30..60).contains(&s)), "{noticed:?}");
    }

    #[test]
    fn a_suspected_line_has_its_time_to_answer() {
        let mut fresh = Fresh::default();
        fresh.suspected(SEC, 1);
        assert!(fresh.is_asked(12 * SEC, 1) && !fresh.is_asked(13 * SEC, 1) && !fresh.is_asked(SEC, 0));
    }

    #[test]
    fn our_own_pause_and_an_unproven_line_prove_nothing() {
        let mut fresh = Fresh::default();
        fresh.opened(0, 0);
        assert!(!fresh.is_silent(UNPROVEN, 0) && fresh.is_silent(UNPROVEN + 1, 0));
        fresh.data(SEC, 0, BUSY);
        fresh.excuse(100 * SEC);
        assert!(!fresh.is_silent(150 * SEC, 0) && fresh.is_silent(170 * SEC, 0));
    }

    #[test]
    fn the_rhythm_of_a_line_is_that_of_what_it_carries() {
        let both = r#"{"method":"SUBSCRIBE","params":["btcusdt@trade","xrpusdt@trade"],"id":1}"#;
        let thin = r#"{"method":"SUBSCRIBE","params":["xrpusdt@trade"],"id":2}"#;
        let noticed = |then: &[&str]| {
            let mut fresh = Fresh::default();
            fresh.opened(0, 0);
            fresh.asked(0, both);
            (0..20_000).for_each(|n| fresh.data(n * 20 * MS, 0, BUSY));
            fresh.data(400 * SEC, 0, b"xrpusdt@trade");
            then.iter().for_each(|message| fresh.asked(0, message));
            if let [again] = then
                && again.starts_with("{\"method\":\"SUBSCRIBE")
            {
                fresh.opened(400 * SEC, 0);
                fresh.asked(0, again);
                fresh.data(400 * SEC, 0, b"xrpusdt@trade");
            }
            (0..100).find(|s| fresh.is_silent((400 + s) * SEC, 0)).unwrap_or(100)
        };
        let left = r#"{"method":"UNSUBSCRIBE","params":["btcusdt@trade"],"id":3}"#;
        let other = r#"{"method":"UNSUBSCRIBE","params":["xrpusdt@trade"],"id":3}"#;
        assert!(noticed(&[]) < 10 && noticed(&[both]) < 10 && noticed(&[other]) < 10);
        assert!(noticed(&[left]) > 40 && noticed(&[thin]) > 40);
    }

    #[test]
    fn a_line_that_rested_begins_anew_whatever_it_is_asked_for_then() {
        let both = r#"{"method":"SUBSCRIBE","params":["btcusdt@trade"],"id":1}"#;
        let noticed = |rests: bool| {
            let mut fresh = Fresh::default();
            fresh.opened(0, 0);
            fresh.asked(0, both);
            (0..20_000).for_each(|n| fresh.data(n * 20 * MS, 0, BUSY));
            rests.then(|| fresh.rested(0));
            fresh.opened(400 * SEC, 0);
            fresh.asked(0, both);
            fresh.data(400 * SEC, 0, BUSY);
            (0..100).find(|s| fresh.is_silent((400 + s) * SEC, 0)).unwrap_or(100)
        };
        assert!(noticed(false) < 10 && noticed(true) > 40);
    }
}
