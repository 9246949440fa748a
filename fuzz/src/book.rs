//! The book against a venue that knows the truth: deltas are lost, repeated and swapped, lines are cut,
//! snapshots come late or never; what the book calls right must be right, and it must come back.

use std::collections::BTreeMap;
use std::time::Duration;

use tapeline_core::data::book::{BookLimits, BookSync, Outcome};
use tapeline_core::data::decimal::Decimal;
use tapeline_core::data::event::{Book, BookState, Level};
use tapeline_core::time::{Mono, Unix};
use tapeline_core::venue::{BookRule, Chain, Span};

use crate::input::Input;

/// One side by price, both in ticks.
pub(crate) type Side = BTreeMap<i64, i64>;

/// The venue's own book, and every state it ever had.
pub(crate) struct Truth {
    chain: Chain,
    bids: Side,
    asks: Side,
    pub(crate) id: u64,
    pub(crate) history: BTreeMap<u64, (Side, Side)>,
}

/// One message of the venue's stream.
#[derive(Clone)]
pub(crate) struct Delta {
    pub(crate) span: Span,
    pub(crate) bids: Vec<Level>,
    pub(crate) asks: Vec<Level>,
}

/// A snapshot on its way.
pub(crate) struct Snapshot {
    pub(crate) last: u64,
    pub(crate) bids: Vec<Level>,
    pub(crate) asks: Vec<Level>,
}

fn level(price: i64, size: i64) -> Level {
    let decimal = |value: i64| Decimal::new(value.into(), 1).expect("small");
    Level { price: decimal(1_000 + price), size: decimal(size) }
}

pub(crate) fn ticks(level: &Level) -> (i64, i64) {
    let ticks = |value: Decimal| value.at_scale(1).expect("one digit");
    (ticks(level.price) - 1_000, ticks(level.size))
}

impl Truth {
    pub(crate) fn new(chain: Chain) -> Self {
        let bids: Side = (20..30).map(|price| (price, price % 5 + 1)).collect();
        let asks: Side = (31..41).map(|price| (price, price % 3 + 1)).collect();
        let history = BTreeMap::from([(100, (bids.clone(), asks.clone()))]);
        Self { chain, bids, asks, id: 100, history }
    }

    /// Changes one to four levels; a price beyond the other side's best takes what stands in its way.
    pub(crate) fn change(&mut self, script: &mut Input<'_>) -> Option<Delta> {
        let shape = script.byte()?;
        let (mut bids, mut asks) = (Vec::new(), Vec::new());
        for _ in 0..shape % 4 + 1 {
            let mut next = |bound| i64::from(script.byte().unwrap_or(0) % bound);
            let (price, size) = (next(64), next(8));
            if shape & 64 == 0 {
                set(&mut self.bids, &mut bids, price, size);
                while let Some((&ask, _)) =
                    self.asks.first_key_value().filter(|(ask, _)| size > 0 && **ask <= price)
                {
                    set(&mut self.asks, &mut asks, ask, 0);
                }
            } else {
                set(&mut self.asks, &mut asks, price, size);
                while let Some((&bid, _)) =
                    self.bids.last_key_value().filter(|(bid, _)| size > 0 && **bid >= price)
                {
                    set(&mut self.bids, &mut bids, bid, 0);
                }
            }
        }
        let previous = self.id;
        let hole = if self.chain == Chain::Linked { u64::from(shape >> 3 & 3) } else { 0 };
        let first = previous + 1 + hole;
        self.id = first + u64::from(shape >> 5 & 1);
        self.history.insert(self.id, (self.bids.clone(), self.asks.clone()));
        let previous = (self.chain == Chain::Linked).then_some(previous);
        Some(Delta { span: Span { first, last: self.id, previous }, bids, asks })
    }

    pub(crate) fn snapshot(&self, levels: usize) -> Snapshot {
        let bids = self.bids.iter().rev().take(levels).map(|(p, s)| level(*p, *s)).collect();
        let asks = self.asks.iter().take(levels).map(|(p, s)| level(*p, *s)).collect();
        Snapshot { last: self.id, bids, asks }
    }
}

pub(crate) fn set(side: &mut Side, changes: &mut Vec<Level>, price: i64, size: i64) {
    match size {
        0 => side.remove(&price),
        _ => side.insert(price, size),
    };
    changes.push(level(price, size));
}

/// A world of one venue, one line and one book.
struct World {
    truth: Truth,
    book: BookSync,
    levels: usize,
    now: Mono,
    /// Sent by the venue, not yet here.
    stream: Vec<Delta>,
    asked: Option<Snapshot>,
    /// What a reader of the published updates holds.
    reader: Option<(Side, Side)>,
}

/// Plays a script: which deltas arrive, and how.
///
/// # Panics
/// If the book calls right what is not, publishes something else than it holds, or stays broken.
pub fn book(data: &[u8]) {
    let mut script = Input(data);
    let Some(shape) = script.byte() else { return };
    let chain = if shape & 1 == 0 { Chain::Contiguous } else { Chain::Linked };
    let levels = if shape & 2 == 0 { 1_000 } else { 4 };
    let buffer = if shape & 4 == 0 { 1_000 } else { 3 };
    let limits = BookLimits { buffer, ..BookLimits::default() };
    let book = BookSync::new(BookRule { chain, snapshot_levels: levels }, limits);
    let truth = Truth::new(chain);
    let now = Mono(1_000_000_000);
    let mut world = World { truth, book, levels, now, stream: Vec::new(), asked: None, reader: None };
    world.book.opened(world.now);
    // The scripts that teach most are short; a bound keeps the history small.
    for _ in 0..400 {
        let Some(step) = script.byte() else { break };
        world.step(step, &mut script);
        world.check();
    }
    world.settle();
}

impl World {
    fn step(&mut self, step: u8, script: &mut Input<'_>) {
        match step % 12 {
            0..=2 => self.stream.extend(self.truth.change(script)),
            3..=5 => self.deliver(0, true),
            6 => drop((!self.stream.is_empty()).then(|| self.stream.remove(0))),
            7 => self.deliver(0, false),
            8 => self.deliver(usize::from(step >> 6), true),
            9 => self.ask(),
            10 => self.answer(step & 64 == 0),
            _ => self.wait_or_cut(step),
        }
    }

    fn deliver(&mut self, index: usize, taken: bool) {
        let Some(delta) = self.stream.get(index).cloned() else { return };
        if taken {
            self.stream.remove(index);
        }
        let time = Some(Unix(i64::try_from(delta.span.last).expect("small")));
        let outcome = self.book.delta(self.now, time, delta.span, &delta.bids, &delta.asks);
        if let Outcome::Applied { .. } = outcome {
            self.read(&delta.bids, &delta.asks);
        }
        self.publish(outcome);
    }

    fn ask(&mut self) {
        if self.asked.is_none() && self.book.wants_snapshot(self.now).is_some() {
            self.book.expect_snapshot();
            self.asked = Some(self.truth.snapshot(self.levels));
        }
    }

    fn answer(&mut self, well: bool) {
        let Some(snapshot) = self.asked.take() else { return };
        if well {
            let outcome = self.book.snapshot(self.now, snapshot.last, &snapshot.bids, &snapshot.asks);
            self.publish(outcome);
        } else {
            self.book.snapshot_failed();
        }
    }

    fn wait_or_cut(&mut self, step: u8) {
        self.now += Duration::from_millis(u64::from(step) * 20);
        match step >> 6 {
            0 => {
                if let Some(outcome) = self.book.tick(self.now) {
                    self.publish(outcome);
                }
            }
            1 => {
                let broken = self.book.invalidate(self.now);
                assert_eq!(broken.is_some(), self.reader.take().is_some(), "a cut is told once");
                // The next line carries what the venue says from now on, or a little of what was said.
                let kept = usize::from(step & 1).min(self.stream.len());
                self.stream.drain(..self.stream.len() - kept);
                self.book.opened(self.now);
            }
            2 => self.book.ask(),
            _ => {}
        }
    }

    /// Does to the reader what the outcome tells its owner to publish.
    fn publish(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Synced => {
                let data = self.book.data();
                self.reader = Some((Side::new(), Side::new()));
                self.read(data.bids(), data.asks());
            }
            Outcome::Applied { refreshed: true } | Outcome::Refreshed => {
                let changes = self.book.take_changes();
                self.read(changes.bids(), changes.asks());
            }
            Outcome::Broken(_) => self.reader = None,
            _ => {}
        }
    }

    fn read(&mut self, bids: &[Level], asks: &[Level]) {
        let (held_bids, held_asks) = self.reader.as_mut().expect("only a right book publishes changes");
        for (side, levels) in [(held_bids, bids), (held_asks, asks)] {
            for (price, size) in levels.iter().map(ticks) {
                set(side, &mut Vec::new(), price, size);
            }
        }
    }

    fn check(&self) {
        let Some(id) = self.book.last_id() else {
            assert!(matches!(self.book.state(), BookState::Syncing | BookState::Stale));
            return;
        };
        let data = self.book.data();
        let (held_bids, held_asks) = sides(&data);
        let reader = self.reader.as_ref().expect("a right book was published");
        assert_eq!((&held_bids, &held_asks), (&reader.0, &reader.1), "what is published is what is held");
        let (bids, asks) = self.truth.history.get(&id).expect("an id of the venue");
        let (worst_bid, worst_ask) = self.book.horizon();
        let edge = |price: Option<Decimal>| price.map(|p| p.at_scale(1).expect("one digit") - 1_000);
        let bid_known = |price: i64| edge(worst_bid).is_none_or(|worst| price >= worst);
        let ask_known = |price: i64| edge(worst_ask).is_none_or(|worst| price <= worst);
        equal(&held_bids, bids, bid_known, "bids");
        equal(&held_asks, asks, ask_known, "asks");
    }

    /// The script is over: everything arrives, time passes, and the book must come back.
    fn settle(&mut self) {
        self.answer(true);
        for _ in 0..6 {
            while !self.stream.is_empty() {
                self.deliver(0, true);
                self.check();
            }
            self.now += Duration::from_secs(60);
            if let Some(outcome) = self.book.tick(self.now) {
                self.publish(outcome);
            }
            self.ask();
            self.stream.extend(self.truth.change(&mut Input(&[0, 25, 3])));
            self.deliver(0, true);
            self.answer(true);
            self.check();
        }
        assert_eq!(self.book.last_id(), Some(self.truth.id), "the book is back");
        assert_eq!(self.book.state(), BookState::Live);
    }
}

fn sides(data: &Book) -> (Side, Side) {
    (data.bids().iter().map(ticks).collect(), data.asks().iter().map(ticks).collect())
}

/// Every level held is true, and every true level that must be known is held.
fn equal(held: &Side, truth: &Side, known: impl Fn(i64) -> bool, side: &str) {
    for (price, size) in held {
        assert_eq!(truth.get(price), Some(size), "{side}: {price} is not in the venue's book");
    }
    for (price, size) in truth.iter().filter(|(price, _)| known(**price)) {
        assert_eq!(held.get(price), Some(size), "{side}: {price} is missing");
    }
}
