//! Copies of events that have no ids: what was heard lately, so that a repetition is known as one.

use std::collections::VecDeque;
use std::hash::BuildHasher as _;
use std::time::Duration;

use foldhash::fast::FixedState;

use crate::data::update::Data;
use crate::time::{Mono, Unix};
use crate::venue::Map;

/// How long an event is remembered.
pub(super) const REMEMBERED: Duration = Duration::from_secs(60);
/// Events remembered at most; in a storm the oldest are forgotten sooner.
const MOST: usize = 10_000;

/// The fingerprints of the latest events of one topic. Two events are copies if the venue gives them the
/// same time and the same content; that two that differ share a fingerprint happens once in 10^15.
#[derive(Debug, Default)]
pub(super) struct Copies {
    ring: VecDeque<(Mono, u64)>,
    known: Map<u64, ()>,
}

impl Copies {
    /// Remembers an event; whether it was heard before.
    pub(super) fn heard(&mut self, now: Mono, time: Unix, data: &Data) -> bool {
        while let Some((at, print)) = self.ring.front().copied()
            && (now.since(at) > REMEMBERED || self.ring.len() >= MOST)
        {
            self.ring.pop_front();
            self.known.remove(&print);
        }
        let print = FixedState::default().hash_one((time, data));
        let heard = self.known.insert(print, ()).is_some();
        if !heard {
            self.ring.push_back((now, print));
        }
        heard
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::event::{Liquidation, Side};

    fn order(size: i64) -> Data {
        let (side, price) = (Side::Sell, 100.into());
        let size = size.into();
        Data::Liquidation(Box::new(Liquidation {
            side,
            price,
            average: None,
            size,
            filled: None,
            status: None,
        }))
    }

    fn at(seconds: u64) -> Mono {
        Mono::default() + Duration::from_secs(seconds)
    }

    #[test]
    fn the_same_content_at_the_same_time_is_a_copy_for_a_minute() {
        let mut copies = Copies::default();
        assert!(!copies.heard(at(0), Unix(7), &order(1)));
        assert!(copies.heard(at(1), Unix(7), &order(1)));
        assert!(!copies.heard(at(1), Unix(8), &order(1)), "another time");
        assert!(!copies.heard(at(1), Unix(7), &order(2)), "another content");
        assert!(copies.heard(at(60), Unix(7), &order(1)));
        assert!(!copies.heard(at(61), Unix(7), &order(1)), "longer is not remembered");
    }

    #[test]
    fn a_storm_is_remembered_as_far_as_the_bound_goes() {
        let mut copies = Copies::default();
        for index in 0..3 * MOST as i64 {
            assert!(!copies.heard(at(0), Unix(index), &order(1)));
        }
        assert_eq!((copies.ring.len(), copies.known.len()), (MOST, MOST));
        assert!(copies.heard(at(0), Unix(3 * MOST as i64 - 1), &order(1)));
    }
}
