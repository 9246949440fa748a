//! A book played by steps that read like a log: what happens, and what comes of it.

use std::time::Duration;

use tapeline_core::data::book::{BookLimits, BookSync, Outcome};
use tapeline_core::data::event::{BookState, Level};
use tapeline_core::time::{Mono, Unix};
use tapeline_core::venue::{BookRule, Chain, Span};

use super::level;

pub(crate) struct Rig {
    pub(crate) book: BookSync,
    pub(crate) now: Mono,
}

impl Rig {
    pub(crate) fn new(chain: Chain, limits: BookLimits) -> Self {
        let rule = BookRule { chain, snapshot_levels: 1_000 };
        Self { book: BookSync::new(rule, limits), now: Mono(0) }
    }

    /// One step:
    /// `delta 11..12`, `delta 10>11..12` (linked to 10), either with `@5` = the venue's time ·
    /// `snapshot 10` · `empty 10` (a snapshot without a level) · `sent` (asked for one) · `failed` · `cut` · `open` · `ask` (an operator) ·
    /// `wait 2000` (milliseconds) · `wants`.
    pub(crate) fn step(&mut self, step: &str) -> String {
        let (word, rest) = step.split_once(' ').unwrap_or((step, ""));
        let outcome = match word {
            "delta" => Some(self.delta(rest)),
            "snapshot" => {
                let last = number(rest);
                // Two levels a side that no delta touches.
                let (bids, asks) = ([level(900, 1), level(800, 1)], [level(2_100, 1), level(2_200, 1)]);
                Some(self.book.snapshot(self.now, last, &bids, &asks))
            }
            "empty" => Some(self.book.snapshot(self.now, number(rest), &[], &[])),
            "wait" => {
                self.now += Duration::from_millis(number(rest));
                self.book.tick(self.now)
            }
            "cut" => self.book.invalidate(self.now).map(Outcome::Broken),
            "wants" => {
                return self.book.wants_snapshot(self.now).map_or("nothing", |why| why.name()).to_owned();
            }
            _ => {
                match word {
                    "sent" => self.book.expect_snapshot(),
                    "failed" => self.book.snapshot_failed(),
                    "open" => self.book.opened(self.now),
                    "ask" => self.book.ask(),
                    _ => panic!("no such step: {step}"),
                }
                None
            }
        };
        let outcome = outcome.map_or_else(|| "-".to_owned(), told);
        let id = self.book.last_id().map(|id| format!(" {id}")).unwrap_or_default();
        format!("{outcome}{id} {}", state(self.book.state()))
    }

    fn delta(&mut self, text: &str) -> Outcome {
        let (text, time) = match text.split_once('@') {
            Some((text, time)) => (text, Some(Unix::from_millis(number(time) as i64))),
            None => (text, None),
        };
        let (previous, ids) = match text.split_once('>') {
            Some((previous, ids)) => (Some(number(previous)), ids),
            None => (None, text),
        };
        let (first, last) = ids.split_once("..").expect(text);
        let span = Span { first: number(first), last: number(last), previous };
        let (bids, asks) = touched(span.last);
        self.book.delta(self.now, time, span, &[bids], &[asks])
    }
}

/// The levels that the delta ending at `last` sets.
pub(crate) fn touched(last: u64) -> (Level, Level) {
    let last = last as i64;
    (level(1_000 - last % 7, last), level(2_000 + last % 7, last))
}

fn number(text: &str) -> u64 {
    text.trim().parse().expect(text)
}

fn state(state: BookState) -> &'static str {
    match state {
        BookState::Syncing => "syncing",
        BookState::Live => "live",
        BookState::Stale => "stale",
        BookState::Unverified => "unverified",
    }
}

fn told(outcome: Outcome) -> String {
    match outcome {
        Outcome::Ignored => "ignored".to_owned(),
        Outcome::Buffered => "buffered".to_owned(),
        Outcome::Applied { refreshed: false } => "applied".to_owned(),
        Outcome::Applied { refreshed: true } => "applied+refreshed".to_owned(),
        Outcome::Synced => "synced".to_owned(),
        Outcome::Refreshed => "refreshed".to_owned(),
        Outcome::Held => "held".to_owned(),
        Outcome::Discarded(why) => format!("discarded({})", why.name()),
        Outcome::Broken(broken) => {
            format!("broken({}: expected {}, got {})", broken.why.name(), broken.expected, broken.got)
        }
    }
}

/// Plays the steps and expects what each is said to do.
pub(crate) fn check(rig: &mut Rig, steps: &[(&str, &str)]) {
    for (n, (step, expected)) in steps.iter().enumerate() {
        assert_eq!(rig.step(step), *expected, "step {n}: {step}");
    }
}

/// A spot book.
pub(crate) fn spot(steps: &[(&str, &str)]) -> Rig {
    let mut rig = Rig::new(Chain::Contiguous, BookLimits::default());
    check(&mut rig, steps);
    rig
}

/// A futures book.
pub(crate) fn futures(steps: &[(&str, &str)]) -> Rig {
    let mut rig = Rig::new(Chain::Linked, BookLimits::default());
    check(&mut rig, steps);
    rig
}
