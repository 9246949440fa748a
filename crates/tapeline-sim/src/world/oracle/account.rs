//! I1, accounting: every id between the first and the last seen is delivered once or declared missing, never both,
//! never neither; and nothing is declared missing that had arrived.

use std::collections::VecDeque;

use tapeline_core::data::update::{Data, GapKind, Source};

use super::seen::Seen;

/// Ids of which it is known that they had arrived.
const ARRIVED: usize = 256;

/// What is known of a topic's ids, by one reader.
#[derive(Debug, Clone, Default)]
pub(crate) struct Account {
    /// The last id that is accounted for.
    last: Option<u64>,
    /// After a loss on the way to the reader: the next id is not known, but it is above this one.
    above: Option<u64>,
    /// Declared missing, newest last.
    missing: VecDeque<(u64, u64)>,
    /// Delivered late, newest last.
    late: VecDeque<u64>,
    /// The first id seen: what was missing before it was declared to others.
    first: Option<u64>,
    /// Something was lost on the way to the reader, perhaps a declaration.
    lossy: bool,
    /// Put into the feed while nothing went wrong.
    arrived: VecDeque<u64>,
    /// Of which only a spoilt message has told yet.
    spoilt: VecDeque<u64>,
    /// Told of by a whole message, and held back: a spoilt copy of it changes nothing.
    whole: VecDeque<u64>,
}

impl Account {
    /// The id of an event that is counted.
    pub(crate) const fn id(update: &Seen<'_>) -> Option<u64> {
        match update.data {
            Data::Trade(trade) => Some(trade.id),
            Data::AggTrade(trade) => Some(trade.id),
            _ => None,
        }
    }

    /// The reader begins anew: what was missed meanwhile is nobody's loss.
    pub(crate) fn begin(&mut self) {
        self.above = self.last.max(self.above);
        (self.last, self.first) = (None, None);
        self.arrived.clear();
        self.whole.clear();
    }

    /// Whether an id is accounted for.
    pub(crate) fn is_behind(&self, id: u64) -> bool {
        self.last.is_some_and(|last| id <= last)
    }

    /// Whether something was told that has not been delivered.
    pub(crate) fn holds_back(&self) -> bool {
        self.whole.iter().any(|id| !self.is_behind(*id))
    }

    /// A message with an id was put into the feed, spoilt or `whole`.
    pub(crate) fn heard(&mut self, id: u64, whole: bool) {
        if whole && !self.spoilt.is_empty() {
            self.spoilt.retain(|spoilt| *spoilt != id);
        }
        if self.last.is_none_or(|last| id <= last) || self.whole.contains(&id) {
            return;
        }
        let ids = if whole { &mut self.whole } else { &mut self.spoilt };
        ids.push_back(id);
        if ids.len() > ARRIVED {
            ids.pop_front();
        }
    }

    /// An id was put into the feed, whole, and the topic is read.
    pub(crate) fn arrives(&mut self, id: u64) {
        if self.last.is_some_and(|last| id > last) {
            if self.arrived.len() >= ARRIVED {
                self.arrived.pop_front();
            }
            self.arrived.push_back(id);
        }
    }

    /// Judges the next update; `unused` says whether the venue spent an id without an event.
    pub(crate) fn judge(&mut self, update: &Seen<'_>, unused: impl Fn(u64) -> bool) -> Result<(), String> {
        if let Some(id) = Self::id(update) {
            if update.source != Source::Live {
                // It did not come from a line.
                self.heard(id, true);
            }
            return if update.late { self.repaired(id) } else { self.delivered(id, unused) };
        }
        let Data::Gap(gap) = update.data else { return Ok(()) };
        if gap.kind == GapKind::Delivery {
            self.above = self.last.max(self.above);
            (self.last, self.lossy) = (None, true);
            return Ok(());
        }
        self.declared(gap.from, gap.to, unused)
    }

    fn delivered(&mut self, id: u64, unused: impl Fn(u64) -> bool) -> Result<(), String> {
        if let Some(above) = self.above.take()
            && id <= above
        {
            return Err(format!("id {id} comes again: {above} was before it"));
        }
        let last = self.last.replace(id);
        self.first.get_or_insert(id);
        self.arrived.retain(|arrived| *arrived > id);
        self.whole.retain(|heard| *heard > id);
        match last {
            _ if self.spoilt.contains(&id) => Err(format!("id {id} came in a spoilt message only")),
            Some(last) if id <= last => Err(format!("id {id} comes after {last}")),
            Some(last) => Self::all_unused(last + 1, id, unused),
            None => Ok(()),
        }
    }

    fn declared(&mut self, from: u64, to: u64, unused: impl Fn(u64) -> bool) -> Result<(), String> {
        if to < from {
            return Err(format!("ids {from} to {to} are declared missing: that is nothing"));
        }
        let arrived = self.arrived.iter().find(|id| (from..=to).contains(*id)).copied();
        let last = self.last.replace(to);
        self.missing.push_back((from, to));
        if self.missing.len() > ARRIVED {
            self.missing.pop_front();
        }
        self.arrived.retain(|id| *id > to);
        self.whole.retain(|id| *id > to);
        if let Some(id) = arrived {
            return Err(format!("id {id} had arrived, and is declared missing ({from} to {to})"));
        }
        match last {
            Some(last) if from <= last => Err(format!("ids from {from} are declared missing after {last}")),
            Some(last) => Self::all_unused(last + 1, from, unused),
            None => Ok(()),
        }
    }

    fn repaired(&mut self, id: u64) -> Result<(), String> {
        if self.late.contains(&id) {
            return Err(format!("id {id} is late twice"));
        }
        if self.late.len() >= ARRIVED {
            self.late.pop_front();
        }
        self.late.push_back(id);
        let Some(at) = self.missing.iter().position(|(from, to)| (*from..=*to).contains(&id)) else {
            if self.lossy || self.first.is_none_or(|first| id < first) {
                return Ok(());
            }
            return Err(format!("id {id} is called late and was not missing"));
        };
        let Some((from, to)) = self.missing.remove(at) else { return Ok(()) };
        let left = [(from, id.wrapping_sub(1)), (id + 1, to)];
        self.missing.extend(left.into_iter().filter(|(from, to)| from <= to && *to != u64::MAX));
        Ok(())
    }

    fn all_unused(from: u64, until: u64, unused: impl Fn(u64) -> bool) -> Result<(), String> {
        match (from..until).take(10_000).find(|id| !unused(*id)) {
            Some(lost) => {
                Err(format!("id {lost} is neither delivered nor declared ({from} to {until} is passed over)"))
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::seen::samples::{Sample, gap, late, missing, repaired, trade};
    use super::*;

    fn check(updates: &[Sample], expected: &[bool]) {
        let mut account = Account::default();
        let found: Vec<bool> =
            updates.iter().map(|u| account.judge(&u.seen(), |id| id == 77).is_ok()).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn every_id_is_delivered_or_declared() {
        check(&[trade(5), trade(6), missing(7, 9), trade(10)], &[true; 4]);
        check(&[trade(5), trade(7)], &[true, false]);
        check(&[trade(5), missing(7, 8)], &[true, false]);
        check(&[trade(5), missing(6, 7), trade(9)], &[true, true, false]);
    }

    #[test]
    fn nothing_is_accounted_for_twice() {
        check(&[trade(5), trade(5)], &[true, false]);
        check(&[trade(5), trade(6), missing(6, 7)], &[true, true, false]);
        check(&[trade(5), missing(6, 7), trade(7)], &[true, true, false]);
    }

    #[test]
    fn ids_that_the_venue_spent_are_nobodys_loss() {
        check(&[trade(76), trade(78)], &[true, true]);
    }

    #[test]
    fn what_is_late_was_missing_and_comes_once() {
        check(&[trade(5), missing(6, 8), late(7), late(7)], &[true, true, true, false]);
        check(&[trade(5), trade(6), late(6)], &[true, true, false]);
        // Missing before this reader came, or declared in what it lost.
        check(&[trade(5), late(4), gap(1, 2, 3), trade(9), late(7)], &[true; 5]);
    }

    #[test]
    fn a_loss_on_the_way_to_the_reader_is_no_excuse_for_copies() {
        check(&[trade(5), gap(1, 2, 3), trade(9)], &[true; 3]);
        check(&[trade(5), gap(1, 2, 3), trade(5)], &[true, true, false]);
    }

    #[test]
    fn what_came_spoilt_only_is_not_delivered() {
        let mut account = Account::default();
        assert!(account.judge(&trade(5).seen(), |_| false).is_ok());
        account.heard(6, false);
        account.heard(7, false);
        account.heard(7, true);
        account.heard(8, true);
        account.heard(8, false);
        assert!(account.judge(&trade(6).seen(), |_| false).is_err());
        assert!(account.judge(&trade(7).seen(), |_| false).is_ok());
        assert!(account.judge(&trade(8).seen(), |_| false).is_ok(), "a line had told it well");
    }

    #[test]
    fn what_came_spoilt_on_a_line_may_come_whole_over_rest() {
        let mut account = Account::default();
        assert!(account.judge(&trade(5).seen(), |_| false).is_ok());
        account.heard(6, false);
        assert!(account.judge(&repaired(6).seen(), |_| false).is_ok());
    }

    #[test]
    fn what_had_arrived_is_not_missing() {
        let mut account = Account::default();
        assert!(account.judge(&trade(5).seen(), |_| false).is_ok());
        account.arrives(7);
        assert!(account.judge(&missing(6, 7).seen(), |_| false).is_err());
    }
}
