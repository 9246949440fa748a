//! A small exchange that is consistent in itself: true books, contiguous ids, and every stream told from them.
//!
//! It runs on its own time and its own dice: the same options give the same frames. It shares nothing with
//! the books and decimals of the product, because a judge must not be the accused.

mod bars;
mod book;
mod desk;
mod frames;
mod options;
mod queries;
mod rare;
mod render;
mod rest;
mod stats;
mod streams;
mod symbol;
mod truth;
mod windows;

pub use book::Side;
pub(crate) use frames::{Frames, Wanted};
pub use options::MarketOptions;
pub(crate) use queries::View;
pub(crate) use rest::{Form, Wish};
pub(crate) use streams::{INTERVALS, names};
pub use symbol::{Symbol, Temper};
pub use truth::{LevelChange, TrueBook, TrueTrade};

use crate::rng::Rng;
use bars::Bars;
use desk::{Desk, Fill};
use render::Pen;
use stats::Sums;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use streams::{Array, Channel, MINUTES, PARTS, array_number, number, speeds};
use windows::Windows;

const SECOND: u64 = 1_000_000;
const MINUTE: u64 = 60 * SECOND;
/// The venue batches depth changes for this long at its fastest.
const DEPTH_EVERY: u64 = 100_000;
/// The mean pause between two orders of a quiet symbol.
const QUIET: u64 = 4 * SECOND;
/// The longest pause of a bursty symbol, and the orders of one of its bursts on an average.
const LULL: u64 = 30 * SECOND;
const BURST: u64 = 400;

/// What is due at a moment; the order breaks ties, so that a candle closes before anything of the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Task {
    CandleEnds(usize),
    Order(usize),
    Depth(usize),
    Tickers,
    Candles,
    Marks,
    /// A slower speed of the depth stream of a symbol.
    SlowDepth(usize, usize),
    /// A block trade of a symbol.
    Block(usize),
}

/// All symbols of the exchange on one timeline.
#[derive(Debug)]
pub(crate) struct Market {
    desks: Vec<Desk>,
    windows: Windows,
    bars: Bars,
    tops: Vec<Option<Top>>,
    agg_ids: Vec<u64>,
    /// The newest trades of each symbol.
    tapes: Vec<VecDeque<TrueTrade>>,
    /// When each symbol's newest depth frames were made, and the update id then.
    moments: Vec<VecDeque<(u64, u64)>>,
    remembered: usize,
    /// The newest liquidation of each symbol in this second: the venue tells no more than that.
    forced: Vec<Vec<Fill>>,
    /// The symbols that have traded since the last tickers, to tell only what changed.
    traded: Vec<bool>,
    block_ids: Vec<u64>,
    /// The newest block trades of each symbol, with when they were agreed, Unix milliseconds.
    blocks: Vec<VecDeque<(u64, Fill)>>,
    block_dice: Rng,
    agenda: BinaryHeap<Reverse<(u64, Task)>>,
    rng: Rng,
    futures: bool,
    /// Mean microseconds between two orders of one symbol.
    pause: u64,
    now: u64,
    mark_count: u64,
}

type Top = ((u64, u64), (u64, u64));

impl Market {
    /// Opens the market at `start_ms` (Unix milliseconds).
    pub(crate) fn open(options: &MarketOptions, start_ms: u64) -> Self {
        let now = start_ms * 1_000;
        let desks: Vec<_> = (0..)
            .zip(&options.symbols)
            .map(|(lane, symbol)| Desk::open(symbol.clone(), lane, options))
            .collect();
        let count = desks.len();
        let desks_moments = desks.iter().map(|desk| VecDeque::from([(now, desk.id)])).collect();
        let mut market = Self {
            windows: Windows::open(desks.iter().map(|desk| (&desk.symbol, desk.next_trade()))),
            bars: Bars::open(now, desks.iter().map(|desk| desk.symbol.price)),
            desks,
            tops: vec![None; count],
            agg_ids: (0..count as u64).map(|lane| 910_000_000 + lane * 1_000_000).collect(),
            tapes: vec![VecDeque::new(); count],
            moments: desks_moments,
            remembered: options.truth.max(options.trades),
            forced: vec![Vec::new(); count],
            // The past that they open with is news.
            traded: vec![true; count],
            block_ids: (0..count as u64).map(|lane| 70 + 1_000 * lane).collect(),
            blocks: vec![VecDeque::new(); count],
            block_dice: Rng::new(options.seed, u64::MAX - 3),
            agenda: BinaryHeap::new(),
            rng: Rng::new(options.seed, u64::MAX),
            futures: options.futures,
            pause: SECOND / u64::from(options.rate.max(1)),
            now,
            mark_count: 0,
        };
        for symbol in 0..count {
            let first = market.now + market.rng.below(2 * market.pause);
            market.plan(first, Task::Order(symbol));
            // Symbols do not flush in step, as on the venue.
            let flush = market.now + 20_000 + market.rng.below(DEPTH_EVERY);
            market.plan(flush, Task::Depth(symbol));
            for speed in 1..speeds(options.futures).len() {
                market.plan(flush, Task::SlowDepth(symbol, speed));
            }
        }
        // Futures have no candles of a second.
        for interval in usize::from(options.futures)..INTERVALS.len() {
            market.plan(market.bars.end(interval), Task::CandleEnds(interval));
        }
        market.plan(market.now + SECOND, Task::Tickers);
        market.plan(market.now + market.candle_every(), Task::Candles);
        if market.futures {
            market.plan(market.now + SECOND, Task::Marks);
        } else {
            for symbol in 0..count {
                let first = market.now + SECOND + market.block_dice.below(30 * SECOND);
                market.plan(first, Task::Block(symbol));
            }
        }
        market
    }

    /// When the next thing happens, Unix microseconds.
    pub(crate) fn due(&self) -> u64 {
        self.agenda.peek().map_or(u64::MAX, |Reverse((at, _))| *at)
    }

    /// Lets the next thing happen; what it makes visible is written to `frames`, if wanted.
    pub(crate) fn step(&mut self, wanted: &Wanted, frames: &mut Frames) {
        let Some(Reverse((at, task))) = self.agenda.pop() else { return };
        self.now = at;
        match task {
            Task::Order(symbol) => {
                self.order(symbol, wanted, frames);
                let pause = self.next_pause(symbol);
                self.plan(at + pause, task);
            }
            Task::Depth(symbol) => {
                self.depth(symbol, 0, wanted, frames);
                self.plan(at + DEPTH_EVERY, task);
            }
            Task::SlowDepth(symbol, speed) => {
                self.depth(symbol, speed, wanted, frames);
                self.plan(at + speeds(self.futures)[speed].0 * 1_000, task);
            }
            Task::Tickers => {
                self.tickers(wanted, frames);
                self.plan(at + SECOND, task);
            }
            Task::Candles => {
                self.candles(wanted, frames);
                self.plan(at + self.candle_every(), task);
            }
            Task::Marks => {
                self.marks(wanted, frames);
                self.plan(at + SECOND, task);
            }
            Task::CandleEnds(interval) => {
                for symbol in 0..self.desks.len() {
                    self.candle(symbol, interval, true, wanted, frames);
                    if interval == MINUTES {
                        self.windows.turn(symbol, self.bars.running(symbol, interval).1.clone());
                    }
                }
                self.bars.turn(interval);
                self.plan(self.bars.end(interval), task);
            }
            Task::Block(symbol) => self.block(symbol, wanted, frames),
        }
    }

    /// Starts the update ids of a symbol again at a low number.
    pub(crate) fn restart(&mut self, symbol: &str) {
        let Some(index) = self.find(symbol) else { return };
        self.desks[index].restart();
        self.moments[index] = VecDeque::from([(self.now, self.desks[index].id)]);
    }

    /// Lets a symbol's next trade ids be spent on nothing.
    pub(crate) fn skip_trades(&mut self, symbol: &str, count: u64) {
        if let Some(index) = self.find(symbol) {
            self.desks[index].skip_trades(count);
        }
    }

    /// Tells a trade of price and size zero.
    pub(crate) fn zero_trade(&mut self, symbol: &str, wanted: &Wanted, frames: &mut Frames) {
        let Some(index) = self.find(symbol) else { return };
        let fill = self.desks[index].spend();
        self.tape(index, &fill, 0);
        frames
            .write(wanted, self.now, number(index, Channel::Trade), |out| self.pen(index, out).trade(&fill));
    }

    /// The market's time, Unix microseconds.
    pub(crate) const fn now(&self) -> u64 {
        self.now
    }

    fn find(&self, symbol: &str) -> Option<usize> {
        self.desks.iter().position(|desk| desk.symbol.name == symbol)
    }

    fn plan(&mut self, at: u64, task: Task) {
        self.agenda.push(Reverse((at, task)));
    }

    /// Orders come in bursts: a third follows at once, the others take their time.
    fn next_pause(&mut self, symbol: usize) -> u64 {
        let temper = self.desks[symbol].symbol.temper;
        if temper == Temper::Bursty {
            let over = self.rng.below(BURST) == 0;
            return 1 + self.rng.below(if over { LULL } else { self.pause / 2 });
        }
        let pause = if temper == Temper::Quiet { QUIET } else { self.pause };
        if self.rng.per_cent(30) { 1 + self.rng.below(1_500) } else { 1 + self.rng.below(pause * 28 / 10) }
    }

    /// Remembers a trade.
    fn tape(&mut self, symbol: usize, fill: &Fill, aggregate: u64) {
        let Fill { id, tick, lots, buyer_maker } = *fill;
        let tape = &mut self.tapes[symbol];
        tape.push_back(TrueTrade { id, aggregate, at_us: self.now, tick, lots, buyer_maker });
        if tape.len() > self.remembered {
            tape.pop_front();
        }
    }

    /// Spot tells a bar every two seconds, futures every quarter.
    const fn candle_every(&self) -> u64 {
        if self.futures { SECOND / 4 } else { 2 * SECOND }
    }

    fn pen<'a>(&'a self, symbol: usize, out: &'a mut Vec<u8>) -> Pen<'a> {
        Pen { out, symbol: &self.desks[symbol].symbol, now: self.now / 1_000, futures: self.futures }
    }

    fn order(&mut self, symbol: usize, wanted: &Wanted, frames: &mut Frames) {
        self.desks[symbol].order();
        let fills = std::mem::take(&mut self.desks[symbol].fills);
        for fill in &fills {
            self.traded[symbol] |= fill.lots > 0;
            self.bars.add(symbol, fill);
            frames.write(wanted, self.now, number(symbol, Channel::Trade), |out| {
                self.pen(symbol, out).trade(fill)
            });
        }
        // Some of the orders that ate several others were not placed of free will.
        if self.futures && fills.len() > 2 && fills[0].id.is_multiple_of(8) {
            self.forced[symbol].clone_from(&fills);
        }
        for at_one_price in fills.chunk_by(|a, b| a.tick == b.tick) {
            if at_one_price[0].lots == 0 {
                at_one_price.iter().for_each(|fill| self.tape(symbol, fill, 0));
                continue;
            }
            self.agg_ids[symbol] += 1;
            let id = self.agg_ids[symbol];
            at_one_price.iter().for_each(|fill| self.tape(symbol, fill, id));
            frames.write(wanted, self.now, number(symbol, Channel::AggTrade), |out| {
                self.pen(symbol, out).agg_trade(id, at_one_price);
            });
        }
        self.desks[symbol].fills = fills;
        let desk = &self.desks[symbol];
        let top = desk.book.best(Side::Bid).zip(desk.book.best(Side::Ask));
        if top != self.tops[symbol] {
            self.tops[symbol] = top;
            let Some((bid, ask)) = top else { return };
            frames.write(wanted, self.now, number(symbol, Channel::BookTicker), |out| {
                self.pen(symbol, out).book_ticker(self.desks[symbol].id, bid, ask);
            });
        }
    }

    fn depth(&mut self, symbol: usize, speed: usize, wanted: &Wanted, frames: &mut Frames) {
        let Some(diff) = self.desks[symbol].diff(speed) else { return };
        if speed == 0 {
            let moments = &mut self.moments[symbol];
            moments.push_back((self.now, diff.last));
            if moments.len() > queries::REMEMBERED {
                moments.pop_front();
            }
        }
        for (part, (_, levels)) in PARTS.into_iter().enumerate() {
            frames.write(wanted, self.now, number(symbol, Channel::Depth(speed, part)), |out| {
                let pen = self.pen(symbol, out);
                if levels == 0 {
                    pen.depth(&diff);
                } else {
                    pen.partial(&diff, &self.desks[symbol].book, levels);
                }
            });
        }
    }

    fn tickers(&mut self, wanted: &Wanted, frames: &mut Frames) {
        let changed: Vec<usize> = (0..self.desks.len()).filter(|&symbol| self.traded[symbol]).collect();
        self.traded.fill(false);
        for &symbol in &changed {
            frames.write(wanted, self.now, number(symbol, Channel::MiniTicker), |out| self.mini(symbol, out));
            frames.write(wanted, self.now, number(symbol, Channel::Ticker), |out| self.ticker(symbol, out));
        }
        for (symbol, fills) in self.forced.iter().enumerate().filter(|(_, fills)| !fills.is_empty()) {
            for stream in
                [number(symbol, Channel::ForceOrder), array_number(self.desks.len(), Array::ForceOrder)]
            {
                frames.write(wanted, self.now, stream, |out| self.pen(symbol, out).force_order(fills));
            }
        }
        self.forced.iter_mut().for_each(Vec::clear);
        let array = |array| array_number(self.desks.len(), array);
        self.array(array(Array::MiniTicker), &changed, wanted, frames, Self::mini);
        if self.futures {
            self.array(array(Array::Ticker), &changed, wanted, frames, Self::ticker);
        } else {
            self.rare(&changed, wanted, frames);
        }
    }

    /// The last so many minutes of a symbol, the running one with them.
    fn sums(&self, symbol: usize, minutes: u64) -> Sums {
        self.windows.sums(symbol, minutes, self.bars.running(symbol, MINUTES).1)
    }

    fn day(&self, symbol: usize) -> Sums {
        self.windows.day(symbol, self.bars.running(symbol, MINUTES).1)
    }

    fn mini(&self, symbol: usize, out: &mut Vec<u8>) {
        self.pen(symbol, out).mini_ticker(&self.day(symbol));
    }

    fn ticker(&self, symbol: usize, out: &mut Vec<u8>) {
        self.pen(symbol, out).ticker(&self.day(symbol), &self.desks[symbol].book);
    }

    fn mark(&self, symbol: usize, out: &mut Vec<u8>) {
        self.pen(symbol, out).mark_price(self.desks[symbol].fair());
    }

    fn array(
        &self,
        stream: u32,
        symbols: &[usize],
        wanted: &Wanted,
        frames: &mut Frames,
        write: impl Fn(&Self, usize, &mut Vec<u8>),
    ) {
        if symbols.is_empty() {
            return;
        }
        frames.write(wanted, self.now, stream, |out| {
            for (n, &symbol) in symbols.iter().enumerate() {
                out.push(if n == 0 { b'[' } else { b',' });
                write(self, symbol, out);
            }
            if stream == array_number(self.desks.len(), Array::MiniTicker) {
                out.push(b',');
                self.foreign(out);
            }
            out.push(b']');
        });
    }

    /// Minutes are told as often as the venue does; of the longer candles, futures tell only what has changed.
    fn candles(&mut self, wanted: &Wanted, frames: &mut Frames) {
        for interval in MINUTES..INTERVALS.len() {
            for symbol in 0..self.desks.len() {
                let news = self.bars.is_news(symbol, interval);
                if news || interval == MINUTES || !self.futures {
                    self.candle(symbol, interval, false, wanted, frames);
                }
            }
        }
    }

    /// Somebody else's symbol, which is in the all-market array whether one asked for it or not: names need not be
    /// ASCII.
    fn foreign(&self, out: &mut Vec<u8>) {
        let symbol = Symbol { name: "币安人生USDT".to_owned(), ..self.desks[0].symbol.clone() };
        Pen { out, symbol: &symbol, now: self.now / 1_000, futures: self.futures }.mini_ticker(&self.day(0));
    }

    fn candle(&self, symbol: usize, interval: usize, closed: bool, wanted: &Wanted, frames: &mut Frames) {
        let (start, sums) = self.bars.running(symbol, interval);
        frames.write(wanted, self.now, number(symbol, Channel::Candle(interval)), |out| {
            self.pen(symbol, out).candle(INTERVALS[interval], start / 1_000, sums, closed);
        });
    }

    /// Every second for those who want it so, every third second for the others.
    fn marks(&mut self, wanted: &Wanted, frames: &mut Frames) {
        let all: Vec<usize> = (0..self.desks.len()).collect();
        let third = self.mark_count.is_multiple_of(3);
        self.mark_count += 1;
        let speeds = [
            (Channel::MarkPriceSecond, Array::MarkPriceSecond, true),
            (Channel::MarkPrice, Array::MarkPrice, third),
        ];
        for (channel, array, _) in speeds.into_iter().filter(|(_, _, due)| *due) {
            for &symbol in &all {
                frames.write(wanted, self.now, number(symbol, channel), |out| self.mark(symbol, out));
            }
            self.array(array_number(self.desks.len(), array), &all, wanted, frames, Self::mark);
        }
    }
}

#[cfg(test)]
mod tests;
