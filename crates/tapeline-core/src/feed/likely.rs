//! Whether what REST tells of a book can be true. A reply does not name its symbol: it may be another one's, empty, or
//! older than what was streamed.

use crate::data::decimal::Decimal;
use crate::data::event::Level;
use crate::data::sequence::RESET_DISTANCE;
use crate::data::update::Data;

use super::topics::{Entry, State};

/// Whether a price is another symbol's: more than twice as high as the last one known, or less than half.
fn is_far(held: Decimal, told: Decimal) -> bool {
    let twice = |price: Decimal| Decimal::new(price.mantissa() * 2, price.scale()).unwrap_or(price);
    let known = !held.is_zero() && !told.is_zero();
    known && (told > twice(held) || held > twice(told))
}

impl Entry {
    /// The best bid that was told last.
    fn touch(&self) -> Option<Decimal> {
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

    /// Whether polled levels, right at `last`, can be what this topic is now.
    pub(super) fn is_likely(&self, last: u64, bids: &[Level], asks: &[Level]) -> bool {
        let held = match &self.state {
            State::Book(book) => self.shown().and_then(|shown| shown.venue_id).max(book.told_id()),
            _ => None,
        };
        // Ids far below are those of a venue that has started over.
        let older = held.is_some_and(|held| last < held && held - last <= RESET_DISTANCE);
        let crossed = bids.first().zip(asks.first()).is_some_and(|(bid, ask)| bid.price >= ask.price);
        let empty = bids.is_empty() && asks.is_empty();
        let far = bids.first().zip(self.touch()).is_some_and(|(bid, held)| is_far(held, bid.price));
        !(older || crossed || empty || far)
    }

    /// Whether a polled state can be what this topic is now.
    pub(super) fn is_likely_state(&self, data: &Data) -> bool {
        let Data::Quote(quote) = data else { return true };
        let empty = quote.bid.is_zero() && quote.ask.is_zero();
        !empty && !self.touch().is_some_and(|held| is_far(held, quote.bid))
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
}
