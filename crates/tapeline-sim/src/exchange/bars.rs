//! The candles of every symbol: what is running, and what has closed.

use super::desk::Fill;
use super::stats::Sums;
use super::streams::INTERVALS;
use std::collections::VecDeque;

const SECOND: u64 = 1_000_000;
/// Closed candles remembered of each interval.
const KEPT: usize = 500;

/// A candle that has closed: its start (Unix microseconds) and its sums.
pub(crate) type Closed = (u64, Sums);

/// All candles of a market.
#[derive(Debug)]
pub(crate) struct Bars {
    /// By symbol and interval.
    symbols: Vec<[Bar; INTERVALS.len()]>,
    /// The start of the running candles, by interval.
    starts: [u64; INTERVALS.len()],
}

#[derive(Debug, Clone, Default)]
struct Bar {
    running: Sums,
    /// Trades when it was last told.
    told: u64,
    closed: VecDeque<Closed>,
}

/// Microseconds of an interval.
pub(crate) const fn span(interval: usize) -> u64 {
    INTERVALS[interval].seconds * SECOND
}

impl Bars {
    /// Candles at `now` (Unix microseconds) of symbols with these prices.
    pub(crate) fn open(now: u64, prices: impl Iterator<Item = u64>) -> Self {
        let flat = |price| Bar { running: Sums::flat(price), ..Bar::default() };
        Self {
            symbols: prices.map(|price| std::array::from_fn(|_| flat(price))).collect(),
            starts: std::array::from_fn(|interval| now / span(interval) * span(interval)),
        }
    }

    /// The running candle of a symbol: its start and its sums.
    pub(crate) fn running(&self, symbol: usize, interval: usize) -> (u64, &Sums) {
        (self.starts[interval], &self.symbols[symbol][interval].running)
    }

    /// The closed candles of a symbol, oldest first.
    pub(crate) fn closed(&self, symbol: usize, interval: usize) -> impl DoubleEndedIterator<Item = &Closed> {
        self.symbols[symbol][interval].closed.iter()
    }

    pub(crate) fn add(&mut self, symbol: usize, fill: &Fill) {
        for bar in &mut self.symbols[symbol] {
            bar.running.add(fill);
        }
    }

    /// When the running candles of an interval end.
    pub(crate) const fn end(&self, interval: usize) -> u64 {
        self.starts[interval] + span(interval)
    }

    /// Whether a candle has changed since it was asked the last time.
    pub(crate) fn is_news(&mut self, symbol: usize, interval: usize) -> bool {
        let bar = &mut self.symbols[symbol][interval];
        std::mem::replace(&mut bar.told, bar.running.trades) != bar.running.trades
    }

    /// Closes the running candles of an interval and opens the next ones.
    pub(crate) fn turn(&mut self, interval: usize) {
        let start = self.starts[interval];
        for bar in self.symbols.iter_mut().map(|bars| &mut bars[interval]) {
            let next = Sums::flat(bar.running.close);
            bar.closed.push_back((start, std::mem::replace(&mut bar.running, next)));
            bar.told = 0;
            if bar.closed.len() > KEPT {
                bar.closed.pop_front();
            }
        }
        self.starts[interval] += span(interval);
    }
}
