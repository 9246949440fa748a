//! Whether what REST tells of a book can be true. A reply does not name its symbol: it may be another one's, empty, or
//! older than what was streamed.

use std::time::Duration;

use crate::data::decimal::Decimal;
use crate::data::event::Level;
use crate::data::sequence::RESET_DISTANCE;
use crate::data::update::Data;
use crate::time::Mono;
use crate::venue::TopicId;

use super::Feed;
use super::topics::{Entry, Seen, State};

/// A price that is far from the last one known is believed when REST tells it so many times in a row.
const INSISTENCE: u8 = 3;
/// A snapshot that is far from it is believed when so many in a row agree, and no delta tells.
const STUBBORN: u8 = 6;
/// No symbol's updates are numbered faster than this.
const IDS_A_SECOND: u64 = 100_000;
/// A cache of the venue keeps a reply for no longer than this.
const CACHED: Duration = Duration::from_secs(60);

/// Whether a price is another symbol's: more than twice as high as the last one known, or less than half.
fn is_far(held: Decimal, told: Decimal) -> bool {
    let twice = |price: Decimal| Decimal::new(price.mantissa() * 2, price.scale()).unwrap_or(price);
    let known = !held.is_zero() && !told.is_zero();
    known && (told > twice(held) || held > twice(told))
}

/// Prices in a row that were too far from the last one known to be believed, but agree with one another.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Doubt {
    last: Decimal,
    times: u8,
}

impl Doubt {
    /// Whether a price is believed beside the one that is `held`: it is near that, or it is told again and again.
    pub(super) fn believes(&mut self, held: Decimal, told: Decimal) -> bool {
        self.believes_after(INSISTENCE, held, told)
    }

    fn believes_after(&mut self, insistence: u8, held: Decimal, told: Decimal) -> bool {
        if !is_far(held, told) {
            *self = Self::default();
            return true;
        }
        let agrees = self.times > 0 && !is_far(self.last, told);
        let times = if agrees { self.times + 1 } else { 1 };
        let insists = times >= insistence;
        *self = if insists { Self::default() } else { Self { last: told, times } };
        insists
    }
}

/// What the deltas that wait for a snapshot say of it: they cannot have set a bid far above its asks, nor an ask far
/// below its bids, and what they set near them speaks for it. `None` if they tell nothing.
fn agrees(
    (bid, ask): (Option<Decimal>, Option<Decimal>),
    (best_bid, best_ask): (Decimal, Decimal),
) -> Option<bool> {
    let high = bid.is_some_and(|bid| bid > best_ask && is_far(best_ask, bid));
    let low = ask.is_some_and(|ask| ask < best_bid && is_far(best_bid, ask));
    let near = |price: Option<Decimal>, best| price.is_some_and(|price| !is_far(best, price));
    if high || low {
        Some(false)
    } else if near(bid, best_bid) || near(ask, best_ask) {
        Some(true)
    } else {
        None
    }
}

impl Feed {
    /// Whether a snapshot can be this book: the venue's answer does not name its symbol.
    pub(super) fn is_credible(&mut self, id: TopicId, bids: &[Level], asks: &[Level]) -> bool {
        let Some((bid, ask)) = bids.first().zip(asks.first()) else { return true };
        let best = (bid.price, ask.price);
        let Some(State::Book(book)) = self.topics.get(id).map(|entry| &entry.state) else { return true };
        let stands = book.last_id().is_some();
        if !stands && let Some(agrees) = agrees(book.awaited(), best) {
            return agrees;
        }
        let Some(held) = self.known_price(id) else { return true };
        match self.topics.get_mut(id) {
            Some(entry) if !stands => Seen::of(&mut entry.seen).doubt.believes_after(STUBBORN, held, best.0),
            _ => !is_far(held, best.0),
        }
    }

    /// The price of a symbol, as far as one of its topics knows it.
    fn known_price(&self, id: TopicId) -> Option<Decimal> {
        let entry = self.topics.get(id)?;
        let symbol = entry.topic.raw_symbol();
        let same =
            self.topics.iter().map(|(_, other)| other).filter(|other| other.topic.raw_symbol() == symbol);
        std::iter::once(entry).chain(same).find_map(Entry::touch)
    }
}

impl Entry {
    /// The best bid that was told last.
    pub(super) fn touch(&self) -> Option<Decimal> {
        let best = |levels: &[Level]| levels.first().map(|level| level.price);
        match &self.state {
            State::Book(book) => {
                self.shown().and_then(|shown| best(shown.bids())).or_else(|| Some(book.bids().best()?.price))
            }
            State::Depth(held) => best(held.as_ref()?.bids()),
            State::Latest(latest) => match &latest.as_ref()?.data {
                Data::Quote(quote) => Some(quote.bid),
                _ => None,
            },
            State::Events | State::Keyed(_) => None,
        }
    }

    /// The newest id that was told of a state.
    fn told_id(&self) -> Option<u64> {
        match &self.state {
            State::Book(book) => self.shown().and_then(|shown| shown.venue_id).max(book.told_id()),
            State::Depth(held) => self.sequence.last().max(held.as_ref().and_then(|held| held.venue_id)),
            State::Latest(_) => self.sequence.last(),
            State::Events | State::Keyed(_) => None,
        }
    }

    /// Whether a reply that is right at `id` is older than what was told. Ids far below are those of a venue that has
    /// started over, unless what a cache has kept can be as old.
    pub(super) fn is_older(&self, now: Mono, id: u64) -> bool {
        let fits = |held: u64| held - id <= RESET_DISTANCE || !self.is_still(now, CACHED);
        self.told_id().is_some_and(|held| id < held && fits(held))
    }

    /// Whether an id goes on from what was told. That of another symbol is elsewhere.
    pub(super) fn fits(&self, now: Mono, id: u64) -> bool {
        let since = self.last_at().map_or(0, |at| now.since(at.mono).as_secs());
        let most = since.saturating_add(1).saturating_mul(IDS_A_SECOND);
        self.told_id().is_none_or(|held| (held..=held.saturating_add(most)).contains(&id))
    }

    /// Whether polled levels, right at `last`, can be this book now.
    pub(super) fn is_likely(&self, now: Mono, last: u64, bids: &[Level], asks: &[Level]) -> bool {
        let far = bids.first().zip(self.touch()).is_some_and(|(bid, held)| is_far(held, bid.price));
        // A wrong book is worse than none, however often it is told.
        !far && self.is_possible(now, last, bids, asks)
    }

    /// Whether they can, whatever their prices.
    pub(super) fn is_possible(&self, now: Mono, last: u64, bids: &[Level], asks: &[Level]) -> bool {
        let crossed = bids.first().zip(asks.first()).is_some_and(|(bid, ask)| bid.price >= ask.price);
        let empty = bids.is_empty() && asks.is_empty();
        !(crossed || empty || self.is_older(now, last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_far_from_the_last_one_is_another_symbols() {
        let check = |held: i64, told: i64, expected: bool| {
            assert_eq!(is_far(held.into(), told.into()), expected, "{held} {told}");
        };
        check(3_000, 62_000, true);
        check(62_000, 3_000, true);
        check(100, 200, false);
        check(100, 201, true);
        check(100, 49, true);
        check(0, 7, false);
        check(7, 0, false);
    }

    #[test]
    fn deltas_that_wait_for_a_snapshot_tell_whether_it_is_theirs() {
        let check = |told: (Option<i64>, Option<i64>), best: (i64, i64), expected: Option<bool>| {
            let told = (told.0.map(Decimal::from), told.1.map(Decimal::from));
            assert_eq!(agrees(told, (best.0.into(), best.1.into())), expected, "{told:?} {best:?}");
        };
        check((Some(99), Some(102)), (100, 101), Some(true));
        check((Some(62_000), None), (3_000, 3_001), Some(false));
        check((None, Some(3_001)), (62_000, 62_001), Some(false));
        check((Some(10), Some(900)), (100, 101), None);
        check((None, None), (100, 101), None);
        check((Some(10), Some(110)), (100, 101), Some(true));
    }

    #[test]
    fn a_far_price_is_believed_when_it_is_told_three_times_in_a_row() {
        let mut doubt = Doubt::default();
        let mut told = |prices: &[i64]| {
            prices.iter().map(|price| doubt.believes(100.into(), (*price).into())).collect::<Vec<_>>()
        };
        assert_eq!(told(&[300, 310, 290, 300]), [false, false, true, false]);
        assert_eq!(told(&[300, 100, 300, 300]), [false, true, false, false]);
        assert_eq!(told(&[900, 900, 10, 10, 10]), [false, false, false, false, true]);
    }
}
