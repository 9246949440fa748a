//! I3, book truth: a book that is called live is the venue's book at its id, level by level.

use std::collections::BTreeMap;

use tapeline_core::data::decimal::Decimal;
use tapeline_core::data::event::{Book, BookState, Level};
use tapeline_core::data::update::{Data, Epoch, Kind, Source};

use super::ledger::{Ledger, Spot};
use super::seen::Seen;

/// After so many live deltas the whole book is compared.
const WHOLE_EVERY: u32 = 64;
/// A snapshot with nearly as many levels as the venue gives says nothing about what lies farther out.
const FULL: usize = 950;
/// What is surely inside the range of such a snapshot: prices as far as those of this place.
const INSIDE: usize = 800;

/// The digits after the point of a symbol's prices and sizes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scales {
    pub(crate) price: u32,
    pub(crate) size: u32,
}

/// How far the book of one symbol is surely known, by what its readers were shown of it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Range {
    epoch: Option<Epoch>,
    /// The worst prices surely covered: bid, ask.
    edges: [Option<u64>; 2],
}

impl Range {
    /// A reader is shown the whole book. It may have been built `anew`, or is the one that others hold already: what is known
    /// of that reaches no farther than when it was built, however many levels it has by now.
    fn shown(&mut self, epoch: Epoch, shown: [Option<u64>; 2], anew: bool) -> [Option<u64>; 2] {
        let anew = (self.epoch.replace(epoch) != Some(epoch)) || anew;
        let nearer: [fn(u64, u64) -> u64; 2] = [u64::max, u64::min];
        for ((held, shown), nearer) in self.edges.iter_mut().zip(shown).zip(nearer) {
            *held = match (*held, shown) {
                (Some(held), Some(shown)) if !anew => Some(nearer(held, shown)),
                // Few levels are a whole side, or what is left of a range that the price has walked through: a book
                // that was in doubt for a moment is shown again as it was.
                (held, shown) => shown.or(held),
            };
        }
        self.edges
    }
}

/// A book as one reader holds it.
#[derive(Debug, Default)]
pub(crate) struct Copy {
    levels: BTreeMap<Spot, u64>,
    /// The id of the last update that gave one.
    id: Option<u64>,
    state: Option<BookState>,
    /// The worst prices surely covered: bid, ask.
    edges: [Option<u64>; 2],
    since_whole: u32,
    eras: u64,
}

impl Copy {
    /// Whether anything of the book has come.
    pub(crate) fn is_begun(&self) -> bool {
        self.state.is_some()
    }

    /// Whether the last update called the book live.
    pub(crate) fn is_live(&self) -> bool {
        self.state == Some(BookState::Live)
    }

    /// Judges the next update.
    pub(crate) fn judge(
        &mut self,
        seen: &Seen<'_>,
        scales: Scales,
        truth: &Ledger,
        range: &mut Range,
    ) -> Result<(), String> {
        let Data::Book(book) = seen.data else { return Ok(()) };
        let whole = seen.kind == Kind::Snapshot;
        if whole {
            self.levels.clear();
            self.id = None;
            let anew = self.state.is_some_and(|state| state != BookState::Live);
            self.edges =
                range.shown(seen.epoch, [edge(book.bids(), scales), edge(book.asks(), scales)], anew);
        }
        let told = self.take(book, scales)?;
        if seen.source == Source::Poll {
            // A whole reply lies behind what it changes, and reaches as far as that.
            self.edges = [true, false].map(|bid| self.far(bid));
        }
        let before = self.id;
        self.id = book.venue_id.or(self.id);
        self.state = Some(book.state);
        let Some(id) = self.id.filter(|_| book.state == BookState::Live) else { return Ok(()) };
        if truth.eras != self.eras {
            // The venue began anew: what was sent before is judged no more.
            if id > truth.newest() || !truth.knows(id) {
                return Ok(());
            }
            self.eras = truth.eras;
            self.since_whole = WHOLE_EVERY;
        }
        if !truth.knows(id) {
            return if id > truth.newest() {
                Err(format!("the book is at {id}, the venue at {}", truth.newest()))
            } else {
                Ok(())
            };
        }
        for spot in told {
            self.same(spot, id, truth)?;
        }
        if let Some(before) = before {
            for spot in truth.changed(before, id) {
                self.same(spot, id, truth)?;
            }
        }
        self.same_top(id, truth)?;
        self.since_whole += 1;
        if whole || self.since_whole >= WHOLE_EVERY {
            self.since_whole = 0;
            return self.all_same(id, truth);
        }
        Ok(())
    }

    /// Takes the levels of an update over; which they were.
    fn take(&mut self, book: &Book, scales: Scales) -> Result<Vec<Spot>, String> {
        let mut told = Vec::with_capacity(book.levels.len());
        for (bid, levels) in [(true, book.bids()), (false, book.asks())] {
            for level in levels {
                let spot = (bid, whole(level.price, scales.price)?);
                let lots = whole(level.size, scales.size)?;
                if lots == 0 {
                    self.levels.remove(&spot);
                } else {
                    self.levels.insert(spot, lots);
                }
                told.push(spot);
            }
        }
        Ok(told)
    }

    fn same(&self, spot: Spot, id: u64, truth: &Ledger) -> Result<(), String> {
        let (held, true_lots) = (self.levels.get(&spot).copied().unwrap_or(0), truth.at(id, spot));
        // What lies beyond the range of the snapshot and was never told is not known, and not claimed.
        if held == true_lots || held == 0 && self.is_beyond(spot) {
            return Ok(());
        }
        let side = if spot.0 { "bid" } else { "ask" };
        Err(format!("live book at {id}: {side} {} holds {held}, at the venue {true_lots}", spot.1))
    }

    /// The best levels are true ones, wherever the price has gone: a book that does not know them is not live.
    fn same_top(&self, id: u64, truth: &Ledger) -> Result<(), String> {
        let Some(real) = truth.top(id) else { return Ok(()) };
        let level = |(spot, lots): (&Spot, &u64)| (spot.1, *lots);
        let bid = self.levels.range((true, 0)..).next_back().map(level);
        let ask = self.levels.range(..(true, 0)).next().map(level);
        if [bid, ask] == real {
            return Ok(());
        }
        Err(format!("live book at {id}: its top is {bid:?} {ask:?}, at the venue {real:?}"))
    }

    fn all_same(&self, id: u64, truth: &Ledger) -> Result<(), String> {
        for spot in self.levels.keys() {
            self.same(*spot, id, truth)?;
        }
        truth.book(id).try_for_each(|(spot, _)| self.same(spot, id, truth))
    }

    /// The price up to which a side of this many levels is surely known.
    fn far(&self, bid: bool) -> Option<u64> {
        let side = if bid { (true, 0)..=(true, u64::MAX) } else { (false, 0)..=(false, u64::MAX) };
        let side = self.levels.range(side).map(|((_, tick), _)| *tick);
        if side.clone().count() < FULL {
            return None;
        }
        if bid { side.rev().nth(INSIDE) } else { side.clone().nth(INSIDE) }
    }

    fn is_beyond(&self, (bid, tick): Spot) -> bool {
        match self.edges[usize::from(!bid)] {
            None => false,
            Some(edge) => {
                if bid {
                    tick < edge
                } else {
                    tick > edge
                }
            }
        }
    }
}

/// The price up to which a side is surely known; `None` if it is whole.
fn edge(side: &[Level], scales: Scales) -> Option<u64> {
    let level = side.get(INSIDE).filter(|_| side.len() >= FULL)?;
    whole(level.price, scales.price).ok()
}

/// A decimal in units of its last digit.
pub(crate) fn whole(value: Decimal, scale: u32) -> Result<u64, String> {
    let wrong = || format!("{value:?} is no multiple of its unit");
    let more = scale.checked_sub(u32::from(value.scale())).ok_or_else(wrong)?;
    let units = 10i128.checked_pow(more).and_then(|unit| unit.checked_mul(value.mantissa()));
    units.and_then(|units| u64::try_from(units).ok()).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::super::seen::samples::{Sample, sample};
    use super::*;

    const SCALES: Scales = Scales { price: 1, size: 0 };

    fn truth() -> Ledger {
        let mut truth = Ledger::default();
        truth.open(10, [((true, 100), 5), ((false, 101), 7)].into_iter());
        truth.change(11, (true, 100), 3);
        truth.change(12, (false, 102), 9);
        truth
    }

    fn level(tick: i128, lots: i64) -> Level {
        Level { price: Decimal::new(tick, 1).unwrap(), size: lots.into() }
    }

    fn book(kind: Kind, id: u64, state: BookState, bids: &[(i128, i64)], asks: &[(i128, i64)]) -> Sample {
        let levels = bids.iter().chain(asks).map(|(tick, lots)| level(*tick, *lots)).collect();
        let data = Book { levels, bids: bids.len() as u32, venue_id: Some(id), state };
        sample(1, 0, kind, Data::Book(data))
    }

    fn check(updates: &[Sample], expected: &[bool]) {
        let (truth, mut copy, mut range) = (truth(), Copy::default(), Range::default());
        let found: Vec<bool> =
            updates.iter().map(|u| copy.judge(&u.seen(), SCALES, &truth, &mut range).is_ok()).collect();
        assert_eq!(found, expected);
    }

    use BookState::{Live, Stale};
    use Kind::{Delta, Snapshot};

    #[test]
    fn a_right_book_passes() {
        check(
            &[
                book(Snapshot, 10, Live, &[(100, 5)], &[(101, 7)]),
                book(Delta, 11, Live, &[(100, 3)], &[]),
                book(Delta, 12, Live, &[], &[(102, 9)]),
            ],
            &[true; 3],
        );
    }

    #[test]
    fn wrong_missing_and_invented_levels_are_seen() {
        let first = || book(Snapshot, 10, Live, &[(100, 5)], &[(101, 7)]);
        check(&[book(Snapshot, 10, Live, &[(100, 4)], &[(101, 7)])], &[false]);
        check(&[book(Snapshot, 10, Live, &[(100, 5)], &[])], &[false]);
        check(&[book(Snapshot, 10, Live, &[(100, 5), (99, 1)], &[(101, 7)])], &[false]);
        check(&[first(), book(Delta, 12, Live, &[], &[(102, 9)])], &[true, false]);
        check(&[first(), book(Delta, 11, Live, &[(100, 3), (98, 2)], &[])], &[true, false]);
        check(&[first(), book(Delta, 99, Live, &[], &[])], &[true, false]);
    }

    #[test]
    fn a_hollow_top_is_seen_beyond_the_range_of_a_snapshot() {
        let whole = book(Snapshot, 10, Live, &[(100, 5)], &[(101, 7)]);
        let judge = |edge: Option<u64>, best: u64| {
            let mut truth = truth();
            truth.change(13, (false, best), 4);
            let mut copy = Copy::default();
            copy.judge(&whole.seen(), SCALES, &truth, &mut Range::default()).unwrap();
            copy.judge(
                &book(Delta, 12, Live, &[(100, 3)], &[(102, 9)]).seen(),
                SCALES,
                &truth,
                &mut Range::default(),
            )
            .unwrap();
            copy.edges = [None, edge];
            copy.judge(&book(Delta, 13, Live, &[], &[]).seen(), SCALES, &truth, &mut Range::default()).is_ok()
        };
        assert!(judge(Some(100), 105), "what lies behind the top need not be known");
        assert!(!judge(None, 105), "but for where the snapshot told");
        assert!(!judge(Some(99), 100), "the top must be");
    }

    #[test]
    fn a_reader_that_comes_later_is_shown_no_more_than_was_known_when_the_book_was_built() {
        let (one, two) = (Epoch::new(1), Epoch::new(2));
        let mut range = Range::default();
        assert_eq!(range.shown(one, [Some(100), Some(200)], false), [Some(100), Some(200)]);
        assert_eq!(
            range.shown(one, [None, Some(250)], false),
            [Some(100), Some(200)],
            "the same book, later"
        );
        assert_eq!(range.shown(one, [Some(120), None], false), [Some(120), Some(200)]);
        assert_eq!(range.shown(one, [Some(90), None], true), [Some(90), Some(200)], "built anew");
        assert_eq!(range.shown(two, [None, Some(300)], false), [Some(90), Some(300)]);
        assert_eq!(Range::default().shown(one, [None, None], false), [None, None]);
    }

    #[test]
    fn what_is_not_called_live_is_not_judged() {
        check(&[book(Snapshot, 10, Stale, &[(100, 4)], &[])], &[true]);
    }
}
