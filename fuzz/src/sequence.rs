//! The id sequencer against a plain set of ids.

use std::collections::BTreeSet;

use tapeline_core::data::sequence::{RESET_DISTANCE, Sequence, Verdict};
use tapeline_core::time::Mono;

use crate::input::Input;

/// Feeds ids as the script says: ahead, behind, copies, given up.
///
/// # Panics
/// If an id is delivered twice, out of order, or neither delivered nor declared missing.
pub fn sequence(data: &[u8]) {
    let mut script = Input(data);
    let base = u64::from(script.byte().unwrap_or(0)) << script.byte().unwrap_or(0).min(56);
    let mut run = Run { sequence: Sequence::default(), expected: None, held: BTreeSet::new(), now: 0 };
    let mut id = base;
    while let Some(step) = script.byte() {
        run.now += 1;
        match step {
            0..=127 => id = id.saturating_add(1),
            128..=191 => id = id.saturating_add(u64::from(step & 15)),
            192..=239 => id = id.saturating_sub(u64::from(step & 31)),
            240..=247 => {
                id = id.saturating_sub(u64::from(step & 7) * 500);
                run.feed(id, true);
                continue;
            }
            _ => {
                run.give_up();
                continue;
            }
        }
        run.feed(id, false);
    }
    while !run.held.is_empty() {
        run.give_up();
    }
}

struct Run {
    sequence: Sequence<u64>,
    /// The next id that may be delivered; wider than an id, for there may be none left.
    expected: Option<u128>,
    held: BTreeSet<u64>,
    now: u64,
}

impl Run {
    fn feed(&mut self, id: u64, newer: bool) {
        let known =
            self.expected.is_some_and(|expected| u128::from(id) < expected) || self.held.contains(&id);
        match self.sequence.judge(id, newer) {
            Verdict::Next => self.deliver(id),
            Verdict::Duplicate => assert!(known, "{id} is no copy"),
            Verdict::Ahead => {
                assert!(!known && self.expected.is_some_and(|expected| u128::from(id) > expected));
                self.sequence.hold(Mono(self.now), id, id);
                self.held.insert(id);
            }
            Verdict::Reset => {
                let far = self
                    .expected
                    .is_some_and(|expected| expected - u128::from(id) > u128::from(RESET_DISTANCE));
                assert!(newer && far, "{id} is no new beginning");
                // What is held belongs to the sequence that ends.
                while !self.held.is_empty() {
                    self.give_up();
                }
                self.sequence.restart(id);
                self.expected = Some(u128::from(id) + 1);
            }
        }
        self.release();
    }

    fn deliver(&mut self, id: u64) {
        assert!(
            self.expected.is_none_or(|expected| u128::from(id) == expected),
            "{id}, expected {:?}",
            self.expected
        );
        self.expected = Some(u128::from(id) + 1);
        assert_eq!(self.sequence.last(), Some(id));
    }

    fn release(&mut self) {
        while let Some((id, item)) = self.sequence.release() {
            assert_eq!(id, item);
            assert!(self.held.remove(&id), "{id} was not held");
            self.deliver(id);
        }
        assert_eq!(self.sequence.held(), self.held.len());
    }

    fn give_up(&mut self) {
        let Some(missing) = self.sequence.give_up() else {
            assert!(self.held.is_empty());
            return;
        };
        assert_eq!(
            Some(u128::from(missing.from)),
            self.expected,
            "what is missing begins where delivery stopped"
        );
        assert!(missing.from <= missing.to && self.held.range(missing.from..=missing.to).next().is_none());
        self.expected = Some(u128::from(missing.to) + 1);
        let before = self.held.len();
        self.release();
        assert!(self.held.len() < before, "what stood behind the hole is delivered");
    }
}
