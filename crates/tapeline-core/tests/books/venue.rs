//! A venue with a true book whose every state is known, and dice. It shares nothing with the code it
//! judges but the words of the interface.

use std::collections::BTreeMap;

use tapeline_core::data::event::Level;
use tapeline_core::venue::{Chain, Span};

use super::level;

/// One side: size by price.
pub(crate) type Side = BTreeMap<i64, i64>;

/// One step of a market with these bids and asks: whether a bid, price, size.
type Changes = fn(&mut Venue, &mut Dice, &Side, &Side) -> Vec<(bool, i64, i64)>;

/// Repeatable dice.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (word ^ (word >> 31)) % bound
    }

    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// One message of the stream.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) span: Span,
    pub(crate) bids: Vec<Level>,
    pub(crate) asks: Vec<Level>,
    /// When it was made.
    pub(crate) step: i64,
}

/// A market that never loses count.
pub(crate) struct Venue {
    chain: Chain,
    /// The book after each id that changed it.
    states: BTreeMap<u64, (Side, Side)>,
    pub(crate) events: Vec<Event>,
    mid: i64,
}

impl Venue {
    pub(crate) fn new(chain: Chain) -> Self {
        let bids = (1..20).map(|n| (10_000 - n * 2, n)).collect();
        let asks = (1..20).map(|n| (10_000 + n * 2, n)).collect();
        let states = BTreeMap::from([(1_000, (bids, asks))]);
        Self { chain, states, events: Vec::new(), mid: 10_000 }
    }

    /// The id of the newest change.
    pub(crate) fn id(&self) -> u64 {
        *self.states.last_key_value().expect("a first state").0
    }

    /// The book at `id`.
    pub(crate) fn at(&self, id: u64) -> &(Side, Side) {
        self.states.range(..=id).next_back().expect("not before the first").1
    }

    /// A random id of the last `back` changes.
    pub(crate) fn recent_id(&self, dice: &mut Dice, back: u64) -> u64 {
        let back = dice.below(back) as usize;
        *self.states.keys().rev().nth(back.min(self.states.len() - 1)).expect("one at least")
    }

    /// The best `most` levels of each side at `id`.
    pub(crate) fn snapshot(&self, id: u64, most: usize) -> (Vec<Level>, Vec<Level>) {
        let (bids, asks) = self.at(id);
        let told = |(price, size): (&i64, &i64)| level(*price, *size);
        (bids.iter().rev().take(most).map(told).collect(), asks.iter().take(most).map(told).collect())
    }

    /// A few changes, told in one message.
    pub(crate) fn trade(&mut self, dice: &mut Dice, step: i64) -> Event {
        self.tell(dice, step, Self::changes)
    }

    /// A few levels set, told in one message; the price stays and nothing goes.
    pub(crate) fn grow(&mut self, dice: &mut Dice, step: i64) -> Event {
        self.tell(dice, step, |venue, dice, _, _| {
            let (is_bid, price) = venue.place(dice);
            vec![(is_bid, price, 1 + dice.below(1_000) as i64)]
        })
    }

    fn tell(&mut self, dice: &mut Dice, step: i64, changes: Changes) -> Event {
        let before = self.id();
        let mut first = 0;
        let (mut bids, mut asks) = (Side::new(), Side::new());
        for _ in 0..=dice.below(5) {
            let gap = match self.chain {
                Chain::Contiguous => 1,
                Chain::Linked => 1 + dice.below(700),
            };
            let id = self.id() + gap;
            first = if first == 0 { id } else { first };
            let (mut true_bids, mut true_asks) = self.at(id).clone();
            for (is_bid, price, size) in changes(self, dice, &true_bids, &true_asks) {
                let (truth, told) =
                    if is_bid { (&mut true_bids, &mut bids) } else { (&mut true_asks, &mut asks) };
                match size {
                    0 => truth.remove(&price),
                    _ => truth.insert(price, size),
                };
                told.insert(price, size);
            }
            self.states.insert(id, (true_bids, true_asks));
        }
        let previous = (self.chain == Chain::Linked).then_some(before);
        let told = |side: Side| side.into_iter().map(|(price, size)| level(price, size)).collect();
        let span = Span { first, last: self.id(), previous };
        let event = Event { span, bids: told(bids), asks: told(asks), step };
        self.events.push(event.clone());
        event
    }

    /// One step of the market: a level set or gone, or the price walks and eats what is in its way.
    fn changes(&mut self, dice: &mut Dice, bids: &Side, asks: &Side) -> Vec<(bool, i64, i64)> {
        if dice.percent(25) {
            self.mid += dice.below(9) as i64 - 4;
            let eaten_bids = bids.range(self.mid..).map(|(price, _)| (true, *price, 0));
            let eaten_asks = asks.range(..=self.mid).map(|(price, _)| (false, *price, 0));
            return eaten_bids.chain(eaten_asks).collect();
        }
        let (is_bid, price) = self.place(dice);
        let size = if dice.percent(45) { 0 } else { 1 + dice.below(1_000) as i64 };
        vec![(is_bid, price, size)]
    }

    /// A side, and a price on it that is mostly near.
    fn place(&self, dice: &mut Dice) -> (bool, i64) {
        let is_bid = dice.percent(50);
        let reach = if dice.percent(5) { 3_000 } else { 40 };
        let distance = 1 + dice.below(reach) as i64;
        (is_bid, if is_bid { self.mid - distance } else { self.mid + distance })
    }
}
