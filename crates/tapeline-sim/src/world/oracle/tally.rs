//! C6, the ledger: what a feed says it expected, received, repaired and lost of a topic, in all and by the minute, is
//! what the venue gave, what arrived, and what the reader of everything got.

use std::collections::BTreeMap;

use tapeline_core::data::ledger::{Counts, Ledger, Reading};
use tapeline_core::data::update::{Data, GapKind, Source};
use tapeline_core::venue::LineId;

use super::seen::Seen;

const MINUTE: i64 = 60_000_000_000;
/// So many declared ids are looked at one by one.
const MOST: usize = 10_000;

/// What one minute brought.
#[derive(Debug, Clone, Copy, Default)]
struct Minute {
    streamed: u64,
    fetched: u64,
    lost: u64,
}

/// What is known of one topic whose ids are contiguous, since its reader began.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// What the ledger held before.
    base: Reading,
    first: Option<u64>,
    last: u64,
    minutes: BTreeMap<i64, Minute>,
    /// Declared and not here since: from, to, the minute in which that was told.
    declared: Vec<(u64, u64, i64)>,
    /// Messages of lines with an id that had been passed.
    copies: u64,
    /// Those of the latest moment, and the line that brought them.
    latest: Option<(LineId, u64, u64)>,
    /// Ids came in an order that makes counting them by their range vain.
    lame: bool,
}

impl Tally {
    /// A reader begins where the ledger says this.
    pub(crate) fn new(base: Reading) -> Self {
        Self { base, ..Self::default() }
    }

    /// A line brought a message with this id, which can be read.
    pub(crate) fn heard(&mut self, now: u64, line: LineId, id: u64) {
        let awaited = self.declared.iter().any(|(from, to, _)| (*from..=*to).contains(&id));
        let passed = self.first.is_some_and(|first| (first..=self.last).contains(&id));
        let copy = u64::from(passed && !awaited);
        self.copies += copy;
        let before =
            self.latest.filter(|(same, at, _)| (*same, *at) == (line, now)).map_or(0, |(.., sum)| sum);
        self.latest = Some((line, now, before + copy));
    }

    /// The feed has given a line up: what came on it at that moment may have come behind what made it do so.
    pub(crate) fn let_go(&mut self, now: u64, line: LineId) {
        if let Some((.., sum)) = self.latest.take_if(|(same, at, _)| (*same, *at) == (line, now)) {
            self.copies -= sum;
        }
    }

    /// The reader got this at a moment of the wall clock.
    pub(crate) fn came(&mut self, unix: i64, update: &Seen<'_>) {
        let start = unix.div_euclid(MINUTE) * MINUTE;
        let id = match update.data {
            Data::Trade(trade) => trade.id,
            Data::AggTrade(trade) => trade.id,
            Data::Gap(gap) if gap.kind == GapKind::Venue => {
                self.minutes.entry(start).or_default().lost += gap.to - gap.from + 1;
                self.declared.push((gap.from, gap.to, start));
                return self.pass(gap.from, gap.to);
            }
            Data::Gap(_) => return self.lame = true,
            _ => return,
        };
        if update.late {
            return self.late(id);
        }
        let minute = self.minutes.entry(start).or_default();
        match update.source {
            Source::Repair => minute.fetched += 1,
            _ => minute.streamed += 1,
        }
        self.pass(id, id);
    }

    fn pass(&mut self, from: u64, to: u64) {
        self.lame |= self.first.is_some() && from <= self.last || self.declared.len() > Ledger::RANGES;
        self.first.get_or_insert(from);
        self.last = to;
    }

    /// What was lost is here: it counts where it was lost.
    fn late(&mut self, id: u64) {
        let Some(at) = self.declared.iter().position(|(from, to, _)| (*from..=*to).contains(&id)) else {
            // It was declared before this reader came.
            return self.lame = true;
        };
        let (from, to, start) = self.declared.swap_remove(at);
        let left = [(from, id - 1, start), (id + 1, to, start)];
        self.declared.extend(left.into_iter().filter(|(from, to, _)| from <= to));
        let minute = self.minutes.entry(start).or_default();
        (minute.lost, minute.fetched) = (minute.lost.saturating_sub(1), minute.fetched + 1);
    }

    /// Compares with what the ledger says now; `spent` tells whether the venue spent an id without an event, `unused`
    /// whether there never was one of it, and `dated` whether minutes can be compared: nobody has set the clock.
    pub(crate) fn judge(
        &self,
        says: &Reading,
        (spent, unused): (impl Fn(u64) -> bool, impl Fn(u64) -> bool),
        dated: bool,
    ) -> Result<(), String> {
        let Some(first) = self.first.filter(|_| !self.lame) else { return Ok(()) };
        let total = less(says.total, self.base.total);
        let sum = |of: fn(&Minute) -> u64| self.minutes.values().map(of).sum::<u64>();
        let (streamed, fetched, lost) = (sum(|m| m.streamed), sum(|m| m.fetched), sum(|m| m.lost));
        let ids = self.last - first + 1;
        // What the venue spent is passed like the rest, and nobody reads of it, not even at the edges.
        let before = (1..first).rev().take_while(|id| spent(*id)).count() as u64;
        let behind = (self.last + 1..).take_while(|id| spent(*id)).count() as u64;
        let silent = ids - streamed - fetched - lost;
        let edges = before + behind;
        // Of ids that were declared REST may tell that nothing was there: they are not lost, and nobody reads of them.
        let declared = self.declared.iter().flat_map(|(from, to, _)| *from..=*to);
        let empty = declared.take(MOST).filter(|id| unused(*id)).count() as u64;
        let check = |what: &str, said: u64, least: u64, most: u64| match (least..=most).contains(&said) {
            true => Ok(()),
            false => Err(format!("{what}: {said}, and {least} to {most} is right")),
        };
        check("expected", total.expected, ids, ids + edges)?;
        check("received", total.received, streamed, streamed + silent + edges)?;
        check("repaired", total.repaired, fetched, fetched + silent + edges + empty)?;
        check("lost", total.lost, lost.saturating_sub(empty), lost)?;
        check("unverifiable", total.unverifiable, 0, 0)?;
        check("duplicate", total.duplicate, self.copies, u64::MAX)?;
        for minute in says.minutes.iter().filter(|_| dated) {
            let base = self.base.minutes.iter().find(|base| base.start == minute.start);
            let said = less(minute.counts, base.map_or_else(Counts::default, |base| base.counts));
            let Minute { streamed, fetched, lost } =
                self.minutes.get(&minute.start.0).copied().unwrap_or_default();
            check("received in a minute", said.received, streamed, streamed + silent + edges)?;
            check("repaired in a minute", said.repaired, fetched, fetched + silent + edges + empty)?;
            check("lost in a minute", said.lost, lost.saturating_sub(empty), lost)?;
        }
        Ok(())
    }
}

/// What has come on top.
const fn less(now: Counts, before: Counts) -> Counts {
    Counts {
        expected: now.expected.saturating_sub(before.expected),
        received: now.received.saturating_sub(before.received),
        duplicate: now.duplicate.saturating_sub(before.duplicate),
        repaired: now.repaired.saturating_sub(before.repaired),
        lost: now.lost.saturating_sub(before.lost),
        unverifiable: now.unverifiable.saturating_sub(before.unverifiable),
    }
}

#[cfg(test)]
mod tests {
    use super::super::seen::samples::{late, missing, trade};
    use super::*;

    #[test]
    fn copies_count_but_for_those_that_may_have_come_behind_the_end_of_their_line() {
        let [one, two] = [1, 2].map(|dial| LineId { slot: 0, dial });
        let least = |given_up: Option<(u64, LineId)>| {
            let mut tally = Tally::new(Reading::default());
            [trade(1), trade(2)].iter().for_each(|sample| tally.came(0, &sample.seen()));
            for (now, line, id) in [(5, one, 1), (5, two, 1), (6, one, 2), (6, one, 3), (6, one, 1)] {
                tally.heard(now, line, id);
            }
            given_up.iter().for_each(|(now, line)| tally.let_go(*now, *line));
            let total = |duplicate| Counts { expected: 2, received: 2, duplicate, ..Counts::default() };
            let right = |duplicate| {
                let reading = Reading { total: total(duplicate), ..Reading::default() };
                tally.judge(&reading, (|_| false, |_| false), true).is_ok()
            };
            (0..9).find(|duplicate| right(*duplicate))
        };
        assert_eq!([least(None), least(Some((6, one))), least(Some((6, two)))], [Some(4), Some(2), Some(4)]);
    }

    #[test]
    fn an_id_that_was_declared_is_lost_until_it_comes_or_turns_out_to_be_spent() {
        let mut tally = Tally::new(Reading::default());
        for sample in [trade(1), missing(2, 4), trade(5), late(2)] {
            tally.came(0, &sample.seen());
        }
        let judge = |lost: u64, repaired: u64, spent: u64| {
            let total = Counts { expected: 5, received: 2, lost, repaired, ..Counts::default() };
            let spent = (|_| false, |id| id == spent);
            tally.judge(&Reading { total, ..Reading::default() }, spent, true).is_ok()
        };
        assert!(judge(2, 1, 0) && !judge(1, 2, 0) && !judge(3, 0, 0));
        // The fourth was none: the feed may know that by now.
        assert!(judge(2, 1, 4) && judge(1, 2, 4) && !judge(0, 3, 4));
        assert!(!judge(1, 2, 9), "that is another one");
    }
}
