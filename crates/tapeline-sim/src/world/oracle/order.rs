//! I2, order: within an epoch offsets rise by one, but for what a gap, a merge or a snapshot covers; an epoch that is
//! over does not come back.

use tapeline_core::data::update::{Data, Epoch, GapKind, Kind, Position};

use super::seen::Seen;

/// Epochs that are over and remembered.
const PAST: usize = 64;

/// Where a reader stands in a topic.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    epoch: Epoch,
    offset: u64,
    past: Vec<Epoch>,
}

impl Place {
    /// Where a subscription begins.
    pub(crate) const fn at(position: Position) -> Self {
        Self { epoch: position.epoch, offset: position.offset, past: Vec::new() }
    }

    /// The position after the last update seen.
    pub(crate) const fn position(&self) -> Position {
        Position { epoch: self.epoch, offset: self.offset }
    }

    /// Subscribed anew: the same reader, perhaps from elsewhere.
    pub(crate) fn moved(&mut self, position: Position) {
        if position.epoch != self.epoch {
            self.leave();
            self.epoch = position.epoch;
        }
        self.offset = position.offset;
    }

    fn leave(&mut self) {
        if self.past.len() >= PAST {
            self.past.remove(0);
        }
        self.past.push(self.epoch);
    }

    /// Judges the next update.
    pub(crate) fn judge(&mut self, update: &Seen<'_>) -> Result<(), String> {
        if update.epoch != self.epoch {
            if self.past.contains(&update.epoch) {
                return Err(format!("epoch {} is over and comes back", update.epoch));
            }
            self.leave();
            (self.epoch, self.offset) = (update.epoch, 0);
        }
        let before = self.offset;
        let expected = match (update.kind, update.data) {
            // The whole state covers whatever jump there was, but never leads back.
            (Kind::Snapshot, _) if update.offset >= before => update.offset,
            (Kind::Gap, Data::Gap(gap)) if gap.kind == GapKind::Delivery => {
                if gap.from != before + 1 || gap.to != update.offset {
                    let (from, to) = (gap.from, gap.to);
                    return Err(format!(
                        "a gap of {from} to {to} stands at {} after {before}",
                        update.offset
                    ));
                }
                update.offset
            }
            (Kind::Status | Kind::Tick | Kind::Snapshot, _) => before,
            (Kind::Delta | Kind::Event | Kind::Gap, _) => before + u64::from(update.merged.max(1)),
        };
        self.offset = update.offset;
        if update.offset == expected {
            return Ok(());
        }
        let Seen { kind, offset, merged, .. } = update;
        Err(format!("{kind:?} has offset {offset} (merged {merged}) after {before}, expected {expected}"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::seen::samples::{Sample, event, gap, snapshot, tick};
    use super::*;

    fn check(updates: &[Sample], expected: &[bool]) {
        let mut place = Place::at(Position { epoch: Epoch::new(1), offset: 4 });
        let found: Vec<bool> = updates.iter().map(|update| place.judge(&update.seen()).is_ok()).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn offsets_rise_by_one() {
        check(&[event(1, 5, 0), event(1, 6, 0), tick(1, 6)], &[true; 3]);
        check(&[event(1, 6, 0)], &[false]);
        check(&[event(1, 5, 0), event(1, 5, 0)], &[true, false]);
        check(&[event(1, 3, 0)], &[false]);
        check(&[tick(1, 5)], &[false]);
    }

    #[test]
    fn merges_gaps_and_snapshots_cover_jumps() {
        check(&[event(1, 8, 4), event(1, 9, 0)], &[true, true]);
        check(&[event(1, 8, 3)], &[false]);
        check(&[gap(1, 5, 7), event(1, 8, 0)], &[true, true]);
        check(&[gap(1, 6, 7)], &[false]);
        check(&[snapshot(1, 90), event(1, 91, 0)], &[true, true]);
        check(&[snapshot(1, 3)], &[false]);
    }

    #[test]
    fn a_new_epoch_begins_at_one_and_an_old_one_is_over() {
        check(&[event(2, 1, 0), event(2, 2, 0)], &[true, true]);
        check(&[event(2, 2, 0)], &[false]);
        check(&[event(2, 1, 0), event(1, 5, 0)], &[true, false]);
        check(&[snapshot(2, 7), event(2, 8, 0)], &[true, true]);
    }
}
