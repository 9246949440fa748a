//! The completeness ledger of one topic: what was expected and what came of it, by the minute and in all.
//!
//! An id is entered when the sequence passes it, by the time of its arrival here. So at every moment
//! `expected = received − unverifiable + repaired + lost`, and with nothing lost everything came, once.

use std::collections::VecDeque;
use std::ops::AddAssign;

use serde::Serialize;

use super::sequence::Missing;
use crate::time::{Mono, Time, Unix};

/// What became of events. The columns do not overlap, but for `unverifiable`, which is part of `received`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Ids that the venue must have given: each passed by the sequence.
    pub expected: u64,
    /// Events that a line or polling brought, each once.
    pub received: u64,
    /// Further copies, dropped.
    pub duplicate: u64,
    /// Ids that no line brought and that were fetched: before they were given up, or late.
    pub repaired: u64,
    /// Ids given up and not here since.
    pub lost: u64,
    /// Events received of which nobody can tell whether others are missing between them.
    pub unverifiable: u64,
}

impl Counts {
    /// The share of what was expected that is here, `0.0..=1.0`; `None` if nothing could be expected.
    pub fn completeness(&self) -> Option<f64> {
        (self.expected > 0).then(|| self.expected.saturating_sub(self.lost) as f64 / self.expected as f64)
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, rhs: Self) {
        let add = |a: &mut u64, b: u64| *a = a.saturating_add(b);
        add(&mut self.expected, rhs.expected);
        add(&mut self.received, rhs.received);
        add(&mut self.duplicate, rhs.duplicate);
        add(&mut self.repaired, rhs.repaired);
        add(&mut self.lost, rhs.lost);
        add(&mut self.unverifiable, rhs.unverifiable);
    }
}

/// One minute of a [`Reading`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Minute {
    /// When it began, by the wall clock.
    pub start: Unix,
    /// What became of its events.
    #[serde(flatten)]
    pub counts: Counts,
}

/// A ledger as plain data.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Reading {
    /// Everything since the ledger began.
    pub total: Counts,
    /// The latest minutes in which something was entered, oldest first; none where only the sum was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub minutes: Vec<Minute>,
}

/// One minute as it is kept. What was expected follows from the rest.
#[derive(Debug, Clone, Copy, Default)]
struct Row {
    /// Minutes since 1970; a label.
    minute: i64,
    lost: u64,
    received: u32,
    duplicate: u32,
    repaired: u32,
    unverifiable: u32,
}

/// Ids given up, and the row they were entered in.
#[derive(Debug, Clone, Copy)]
struct Lost {
    ids: Missing,
    row: u64,
}

/// The ledger of one topic. About 2 KiB when full, however long it runs.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// The minute that is being entered, at hand for every event; there is none before the first.
    open: Row,
    /// Until when it is the right one; zero before the first.
    until: Mono,
    /// The minutes before it.
    rows: VecDeque<Row>,
    /// Rows that have been dropped from the front.
    dropped: u64,
    /// What the dropped rows held.
    earlier: Counts,
    /// What may still come late, oldest first.
    lost: VecDeque<Lost>,
}

impl Ledger {
    /// Minutes kept apart.
    pub const MINUTES: usize = 60;
    /// Ranges of lost ids remembered; what comes late of older ones counts as a copy.
    pub const RANGES: usize = super::sequence::Declared::RANGES;

    /// `n` ids came over a line or by polling, as next.
    #[inline]
    pub fn received(&mut self, now: Time, n: u32) {
        let row = self.row(now);
        row.received = row.received.saturating_add(n);
    }

    /// `n` events came whose ids have holes, or that have none: nobody can tell what is missing.
    #[inline]
    pub fn unverifiable(&mut self, now: Time, n: u32) {
        let row = self.row(now);
        row.received = row.received.saturating_add(n);
        row.unverifiable = row.unverifiable.saturating_add(n);
    }

    /// `n` copies were dropped.
    #[inline]
    pub fn duplicate(&mut self, now: Time, n: u32) {
        let row = self.row(now);
        row.duplicate = row.duplicate.saturating_add(n);
    }

    /// `n` ids that no line brought were fetched before they were given up.
    pub fn repaired(&mut self, now: Time, n: u32) {
        let row = self.row(now);
        row.repaired = row.repaired.saturating_add(n);
    }

    /// Ids were given up.
    pub fn lost(&mut self, now: Time, ids: Missing) {
        let n = width(ids);
        if n == 0 {
            return;
        }
        let row = self.row(now);
        row.lost = row.lost.saturating_add(n);
        let row = self.newest();
        self.remember(Lost { ids, row });
    }

    /// An id came after all, behind its place. If it was lost, it moves from lost to repaired, in the minute it
    /// was lost in; else it is a copy. Which of the two is the result.
    pub fn late(&mut self, now: Time, id: u64) -> bool {
        let Some(row) = self.take(id) else {
            self.duplicate(now, 1);
            return false;
        };
        let at = row.checked_sub(self.dropped).and_then(|at| usize::try_from(at).ok());
        let kept = at
            .and_then(|at| if at == self.rows.len() { Some(&mut self.open) } else { self.rows.get_mut(at) });
        if let Some(row) = kept {
            row.lost = row.lost.saturating_sub(1);
            row.repaired = row.repaired.saturating_add(1);
        } else {
            self.earlier.lost = self.earlier.lost.saturating_sub(1);
            self.earlier.repaired = self.earlier.repaired.saturating_add(1);
        }
        true
    }

    /// The venue has started its ids over: what was lost stays so, whatever bears the same ids now.
    pub fn restart(&mut self) {
        self.lost.clear();
    }

    /// Everything since the ledger began.
    pub fn total(&self) -> Counts {
        let mut total = self.earlier;
        self.kept().for_each(|row| total += row.counts());
        total
    }

    /// The ledger as plain data.
    pub fn read(&self) -> Reading {
        let minute = |row: &Row| Minute { start: row.start(), counts: row.counts() };
        Reading { total: self.total(), minutes: self.kept().map(minute).collect() }
    }

    /// All rows, oldest first.
    fn kept(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().chain(self.has_begun().then_some(&self.open))
    }

    fn has_begun(&self) -> bool {
        self.until > Mono::default()
    }

    /// The row of `now`. A minute ends by the monotonic clock, so that a jump of the wall clock only changes the
    /// label of the next one.
    #[inline(always)]
    fn row(&mut self, now: Time) -> &mut Row {
        if now.mono >= self.until {
            self.turn(now);
        }
        &mut self.open
    }

    #[cold]
    fn turn(&mut self, now: Time) {
        let minute = now.unix.0.div_euclid(MINUTE);
        let left = MINUTE - now.unix.0.rem_euclid(MINUTE);
        let begun = self.has_begun();
        self.until = now.mono + std::time::Duration::from_nanos(left.unsigned_abs());
        // A wall clock that goes slower than ours reaches the end of its minute later.
        if begun && self.open.minute == minute {
            return;
        }
        let row = std::mem::replace(&mut self.open, Row { minute, ..Row::default() });
        if !begun {
            return;
        }
        self.rows.push_back(row);
        if self.rows.len() >= Self::MINUTES
            && let Some(row) = self.rows.pop_front()
        {
            self.earlier += row.counts();
            self.dropped += 1;
        }
    }

    fn newest(&self) -> u64 {
        self.dropped + self.rows.len() as u64
    }

    fn remember(&mut self, lost: Lost) {
        if self.lost.len() >= Self::RANGES {
            self.lost.pop_front();
        }
        self.lost.push_back(lost);
    }

    /// Takes one id out of what is lost; the row it was entered in.
    fn take(&mut self, id: u64) -> Option<u64> {
        let at = self.lost.iter().position(|lost| (lost.ids.from..=lost.ids.to).contains(&id))?;
        let Lost { ids: Missing { from, to }, row } = self.lost[at];
        match (from == id, to == id) {
            (true, true) => drop(self.lost.remove(at)),
            (true, false) => self.lost[at].ids.from = id + 1,
            (false, true) => self.lost[at].ids.to = id - 1,
            (false, false) => {
                self.lost[at].ids.to = id - 1;
                self.remember(Lost { ids: Missing { from: id + 1, to }, row });
            }
        }
        Some(row)
    }
}

impl Row {
    fn counts(&self) -> Counts {
        let Self { lost, .. } = *self;
        let [received, duplicate, repaired, unverifiable] =
            [self.received, self.duplicate, self.repaired, self.unverifiable].map(u64::from);
        let expected = (received - unverifiable + repaired).saturating_add(lost);
        Counts { expected, received, duplicate, repaired, lost, unverifiable }
    }

    const fn start(&self) -> Unix {
        Unix(self.minute.saturating_mul(MINUTE))
    }
}

/// How many ids a range holds.
const fn width(ids: Missing) -> u64 {
    match ids.to.checked_sub(ids.from) {
        Some(less) => less.saturating_add(1),
        None => 0,
    }
}

const MINUTE: i64 = 60_000_000_000;

#[cfg(test)]
mod tests;
