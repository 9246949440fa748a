//! One symbol's matching desk: random orders meet a true book; every change of a level takes an update id.

use super::book::{Book, Side};
use super::options::MarketOptions;
use super::streams::SPEEDS;
use super::symbol::{Symbol, Temper};
use super::truth::Truth;
use crate::rng::Rng;

/// One execution: a resting order of one level met by the order that just arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fill {
    /// The trade id, one more than the trade before it.
    pub(crate) id: u64,
    /// Price in ticks; 0 for an id that was spent without an execution (futures).
    pub(crate) tick: u64,
    /// Size in lots; 0 for a spent id.
    pub(crate) lots: u64,
    /// The buyer's order was the resting one.
    pub(crate) buyer_maker: bool,
}

/// What changed in the book between two depth frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Diff {
    /// The first update id inside.
    pub(crate) first: u64,
    /// The last update id inside: the book's id after it.
    pub(crate) last: u64,
    /// The `last` of the diff before.
    pub(crate) previous: u64,
    /// Changed bids, best first, with their absolute lots (0 = gone).
    pub(crate) bids: Vec<(u64, u64)>,
    /// Changed asks, best first, with their absolute lots (0 = gone).
    pub(crate) asks: Vec<(u64, u64)>,
}

/// The exchange of one symbol.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) symbol: Symbol,
    pub(crate) book: Book,
    /// The id of the newest change of the book.
    pub(crate) id: u64,
    /// What the book was at every recent id.
    pub(crate) truth: Truth,
    /// The fills of the newest order, in order.
    pub(crate) fills: Vec<Fill>,
    /// Where the price wants to be, in thousandths of a tick.
    fair: u64,
    rng: Rng,
    levels: usize,
    futures: bool,
    trade_id: u64,
    /// The way a trending price goes.
    falling: bool,
    /// What each speed of the depth stream has not told yet.
    untold: Vec<Untold>,
    /// First and last id of the newest diff of the fastest speed.
    pub(crate) told: (u64, u64),
}

/// Changes since the last diff of one speed.
#[derive(Debug, Clone, Default)]
struct Untold {
    changed: [Vec<u64>; 2],
    first: Option<u64>,
    last_sent: u64,
}

impl Desk {
    /// Opens the desk with a full book around the symbol's price.
    pub(crate) fn open(symbol: Symbol, lane: u64, options: &MarketOptions) -> Self {
        let MarketOptions { futures, seed, .. } = *options;
        let mut rng = Rng::new(seed, lane);
        // Ids start where a venue that has run for years would be: past 2^32.
        let base = if futures { 5_100_000_000_000 } else { 50_000_000_000 };
        let id = base + lane * 1_000_000_000 + rng.below(1_000_000);
        let trade_id = 3_600_000_000 + lane * 10_000_000 + rng.below(1_000_000);
        let fair = symbol.price.saturating_mul(1_000);
        let mut desk = Self {
            symbol,
            book: Book::default(),
            truth: Truth::new(Book::default(), id, options.truth),
            id,
            fills: Vec::new(),
            fair,
            rng,
            levels: options.levels.max(20),
            futures,
            trade_id,
            falling: false,
            untold: vec![Untold { last_sent: id, ..Untold::default() }; SPEEDS],
            told: (id, id),
        };
        desk.fill_book();
        desk.truth = Truth::new(desk.book.clone(), id, options.truth);
        desk
    }

    fn fill_book(&mut self) {
        for side in [Side::Bid, Side::Ask] {
            let mut tick = self.symbol.price;
            for _ in 0..self.levels * 3 / 4 {
                tick = step_out(side, tick, 1 + self.rng.below(2 * self.symbol.spacing));
                let lots = self.order_size();
                self.book.set(side, tick, lots);
            }
        }
    }

    /// One random order arrives; its fills are in `fills` afterwards.
    pub(crate) fn order(&mut self) {
        self.fills.clear();
        self.drift();
        match self.rng.below(100) {
            0..48 => self.quote(),
            48..86 => self.cancel(),
            _ => self.market(),
        }
        self.tend(Side::Bid);
        self.tend(Side::Ask);
    }

    /// Where the price of a trending symbol goes, in per cent upwards.
    const fn trend(&mut self, home: u64) -> u64 {
        if self.fair > 2 * home {
            self.falling = true;
        } else if self.fair < home / 2 + home / 20 {
            self.falling = false;
        }
        if self.falling { 20 } else { 80 }
    }

    /// The price wanders, and is pulled back towards where it began, so that it stays plausible for ever.
    fn drift(&mut self) {
        let trending = self.symbol.temper == Temper::Trending;
        let step = if trending { 450 } else { 150 } * self.symbol.spacing;
        let home = self.symbol.price.saturating_mul(1_000);
        let up = if trending {
            self.trend(home)
        } else if self.fair > home + home / 20 {
            40
        } else if self.fair < home - home / 20 {
            60
        } else {
            50
        };
        let move_by = self.rng.below(2 * step);
        self.fair = if self.rng.per_cent(up) {
            self.fair.saturating_add(move_by)
        } else {
            self.fair.saturating_sub(move_by).max(home / 2)
        };
    }

    /// A limit order: mostly near the price, sometimes deep in the book; it trades if it crosses.
    fn quote(&mut self) {
        let side = self.any_side();
        let spread_out = self.symbol.spacing * self.levels as u64;
        let distance = match self.rng.below(10) {
            0..4 => 1 + self.rng.below(3),
            4..8 => 1 + self.rng.below(20 * self.symbol.spacing),
            _ => 1 + self.rng.below(spread_out),
        };
        let tick = step_out(side, self.fair / 1_000, distance);
        let lots = self.order_size();
        let rest = self.take(side, tick, lots);
        if rest > 0 {
            self.change(side, tick, self.book.at(side, tick) + rest);
        }
    }

    /// A resting order leaves, wholly or in part.
    fn cancel(&mut self) {
        let side = self.any_side();
        let reach = if self.rng.per_cent(70) { 12 } else { self.book.count(side) as u64 };
        let nth = self.rng.below(reach) as usize;
        let Some((tick, lots)) = self.book.levels(side).nth(nth) else { return };
        let left = if self.rng.per_cent(65) { 0 } else { lots - self.rng.below(lots) - 1 };
        self.change(side, tick, left);
    }

    /// An order that takes what is there, towards where the price wants to be.
    fn market(&mut self) {
        if self.futures && self.rng.per_cent(2) {
            self.trade_id += 1;
            self.fills.push(Fill { id: self.trade_id, tick: 0, lots: 0, buyer_maker: self.rng.per_cent(50) });
        }
        let middle = self.book.best(Side::Bid).map_or(0, |(tick, _)| tick)
            + self.book.best(Side::Ask).map_or(0, |(tick, _)| tick);
        let up = if self.fair / 500 > middle { 65 } else { 35 };
        let side = if self.rng.per_cent(up) { Side::Bid } else { Side::Ask };
        let lots = 1 + self.order_size() / 2;
        let limit = if side == Side::Bid { u64::MAX } else { 0 };
        self.take(side, limit, lots);
    }

    /// Trades up to `lots` against the other side, no worse than `limit`; returns what is left.
    fn take(&mut self, side: Side, limit: u64, mut lots: u64) -> u64 {
        while lots > 0 {
            // The last levels are never eaten: an empty side is no market.
            if self.book.count(side.other()) <= 5 {
                return 0;
            }
            let Some((tick, there)) = self.book.best(side.other()) else { return 0 };
            let crosses = if side == Side::Bid { tick <= limit } else { tick >= limit };
            if !crosses {
                break;
            }
            let size = lots.min(there);
            self.fill_level(side, tick, size);
            self.change(side.other(), tick, there - size);
            lots -= size;
        }
        lots
    }

    /// A level is several people's orders: one trade each.
    fn fill_level(&mut self, taker: Side, tick: u64, mut lots: u64) {
        let buyer_maker = taker == Side::Ask;
        while lots > 0 {
            let part = if self.rng.per_cent(75) { lots } else { 1 + self.rng.below(lots) };
            self.trade_id += 1;
            self.fills.push(Fill { id: self.trade_id, tick, lots: part, buyer_maker });
            lots -= part;
        }
    }

    /// Keeps the number of levels between half of the limit and the limit.
    fn tend(&mut self, side: Side) {
        if self.book.count(side) > self.levels {
            if let Some((tick, _)) = self.book.worst(side) {
                self.change(side, tick, 0);
            }
        } else if self.book.count(side) < self.levels / 2 {
            let edge = self.book.worst(side).map_or(self.fair / 1_000, |(tick, _)| tick);
            let tick = step_out(side, edge, 1 + self.rng.below(2 * self.symbol.spacing));
            let lots = self.order_size();
            self.change(side, tick, lots);
        }
    }

    /// The only way the open book changes: one level, one id. Futures ids have holes, as on the venue,
    /// where all symbols share one counter.
    fn change(&mut self, side: Side, tick: u64, lots: u64) {
        self.id += if self.futures { 1 + self.rng.below(40) } else { 1 };
        for untold in &mut self.untold {
            untold.first.get_or_insert(self.id);
            untold.changed[side as usize].push(tick);
        }
        self.book.set(side, tick, lots);
        self.truth.record(self.id, side, tick, lots);
    }

    /// Everything that changed since the last call for this speed; `None` if nothing did.
    pub(crate) fn diff(&mut self, speed: usize) -> Option<Diff> {
        let untold = &mut self.untold[speed];
        let first = untold.first.take()?;
        let previous = std::mem::replace(&mut untold.last_sent, self.id);
        if speed == 0 {
            self.told = (first, self.id);
        }
        let [mut bids, mut asks] = std::mem::take(&mut untold.changed);
        bids.sort_unstable_by(|a, b| b.cmp(a));
        asks.sort_unstable();
        let levels = |side: Side, mut ticks: Vec<u64>| {
            ticks.dedup();
            ticks.into_iter().map(|tick| (tick, self.book.at(side, tick))).collect()
        };
        Some(Diff {
            first,
            last: self.id,
            previous,
            bids: levels(Side::Bid, bids),
            asks: levels(Side::Ask, asks),
        })
    }

    /// The venue loses count: update ids start again far below. What was not told yet never is, so that only a new
    /// snapshot helps.
    pub(crate) fn restart(&mut self) {
        self.id = 1_000 + self.rng.below(1_000);
        self.told = (self.id, self.id);
        self.untold = vec![Untold { last_sent: self.id, ..Untold::default() }; SPEEDS];
        self.truth.restart(&self.book, self.id);
    }

    /// Spends trade ids that nobody will ever see.
    pub(crate) const fn skip_trades(&mut self, count: u64) {
        self.trade_id += count;
    }

    /// Spends a trade id on nothing, and tells it.
    pub(crate) const fn spend(&mut self) -> Fill {
        self.trade_id += 1;
        Fill { id: self.trade_id, tick: 0, lots: 0, buyer_maker: false }
    }

    /// The price that nobody can push with one order: what a mark price is made of. In thousandths of a tick.
    pub(crate) const fn fair(&self) -> u64 {
        self.fair
    }

    /// The id the next trade will have.
    pub(crate) const fn next_trade(&self) -> u64 {
        self.trade_id + 1
    }

    fn any_side(&mut self) -> Side {
        if self.rng.per_cent(50) { Side::Bid } else { Side::Ask }
    }

    fn order_size(&mut self) -> u64 {
        1 + self.symbol.size * (1 + self.rng.below(30)) / 10
    }
}

/// `distance` ticks away from the touch, never below one tick.
fn step_out(side: Side, tick: u64, distance: u64) -> u64 {
    match side {
        Side::Bid => tick.saturating_sub(distance).max(1),
        Side::Ask => tick.saturating_add(distance),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn desk(futures: bool) -> Desk {
        let options = MarketOptions { futures, levels: 200, ..MarketOptions::default() };
        Desk::open(Symbol::ten(futures).remove(0), 0, &options)
    }

    #[test]
    fn book_is_never_crossed_nor_empty() {
        for futures in [false, true] {
            let mut desk = desk(futures);
            for _ in 0..50_000 {
                desk.order();
                let bid = desk.book.best(Side::Bid).unwrap().0;
                let ask = desk.book.best(Side::Ask).unwrap().0;
                assert!(bid < ask, "{bid} {ask}");
                assert!(desk.book.count(Side::Bid) <= 202 && desk.book.count(Side::Ask) <= 202);
            }
        }
    }

    #[test]
    fn diffs_rebuild_the_book() {
        let mut desk = desk(false);
        let mut copy = desk.book.clone();
        for _ in 0..300 {
            for _ in 0..20 {
                desk.order();
            }
            let Some(diff) = desk.diff(0) else { continue };
            for (tick, lots) in diff.bids {
                copy.set(Side::Bid, tick, lots);
            }
            for (tick, lots) in diff.asks {
                copy.set(Side::Ask, tick, lots);
            }
            assert_eq!(copy, desk.book);
        }
    }

    #[test]
    fn spot_ids_are_contiguous_and_futures_ids_chain_over_holes() {
        for futures in [false, true] {
            let mut desk = desk(futures);
            let mut last = desk.id;
            let mut holes = 0;
            for _ in 0..500 {
                for _ in 0..5 {
                    desk.order();
                }
                let Some(diff) = desk.diff(0) else { continue };
                assert_eq!(diff.previous, last);
                assert!(diff.first <= diff.last);
                holes += u32::from(diff.first != last + 1);
                last = diff.last;
            }
            assert_eq!(holes > 0, futures);
        }
    }

    #[test]
    fn trade_ids_rise_by_one_and_prices_move() {
        let mut desk = desk(true);
        let mut last = None;
        let (mut low, mut high, mut spent) = (u64::MAX, 0, 0);
        for _ in 0..50_000 {
            desk.order();
            for fill in &desk.fills {
                assert!(last.is_none_or(|last| fill.id == last + 1));
                last = Some(fill.id);
                if fill.tick == 0 {
                    spent += 1;
                } else {
                    low = low.min(fill.tick);
                    high = high.max(fill.tick);
                }
            }
        }
        assert!(spent > 0 && high > low, "{spent} {low} {high}");
    }
}
