//! Statistics over windows that move: of every symbol the last five minutes, hour, four hours and day.

use super::stats::Sums;
use super::symbol::Symbol;
use std::collections::VecDeque;

/// A window that tickers come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    /// As stream names end.
    pub(crate) name: &'static str,
    /// As payloads call it.
    pub(crate) event: &'static str,
    pub(crate) minutes: u64,
}

/// The windows that tickers come in.
pub(crate) const WINDOWS: [Window; 3] = [
    Window { name: "1h", event: "1hTicker", minutes: 60 },
    Window { name: "4h", event: "4hTicker", minutes: 240 },
    Window { name: "1d", event: "1dTicker", minutes: DAY },
];

/// Minutes of a day, the longest window.
const DAY: u64 = 1_440;
/// Minutes that an average price is made of.
pub(crate) const AVERAGED: u64 = 5;
/// What is summed up, in minutes, shortest first.
const SPANS: [u64; 4] = [AVERAGED, WINDOWS[0].minutes, WINDOWS[1].minutes, DAY];
/// Trades in each minute of the past that a symbol opens with.
const USUAL_TRADES: u64 = 170;

/// The windows of all symbols. They move by whole minutes, so that they are up to a minute too wide, as the venue's.
#[derive(Debug)]
pub(crate) struct Windows {
    symbols: Vec<Past>,
}

#[derive(Debug)]
struct Past {
    /// The minutes of a day, oldest first.
    minutes: VecDeque<Sums>,
    /// The newest of them, summed up over each of [`SPANS`].
    sums: [Sums; SPANS.len()],
}

impl Windows {
    /// The windows of symbols and the ids of their next trades.
    pub(crate) fn open<'a>(symbols: impl Iterator<Item = (&'a Symbol, u64)>) -> Self {
        Self { symbols: symbols.map(|(symbol, next_trade)| Past::seasoned(symbol, next_trade)).collect() }
    }

    /// The last so many minutes (one of [`SPANS`]) of a symbol, and the running one.
    pub(crate) fn sums(&self, symbol: usize, minutes: u64, running: &Sums) -> Sums {
        let place = SPANS.iter().position(|span| *span == minutes).unwrap_or(SPANS.len() - 1);
        self.symbols[symbol].sums[place].and(running)
    }

    /// The last so many minutes of a symbol, and the running one; no more than a day is known.
    pub(crate) fn any(&self, symbol: usize, minutes: u64, running: &Sums) -> Sums {
        let past = &self.symbols[symbol].minutes;
        let skipped = past.len().saturating_sub(minutes as usize);
        let flat = Sums::flat(running.close);
        past.iter().skip(skipped).fold(flat, |sum, minute| sum.and(minute)).and(running)
    }

    /// The last day of a symbol.
    pub(crate) fn day(&self, symbol: usize, running: &Sums) -> Sums {
        self.sums(symbol, DAY, running)
    }

    /// A minute of a symbol is over.
    pub(crate) fn turn(&mut self, symbol: usize, minute: Sums) {
        let past = &mut self.symbols[symbol];
        past.minutes.push_back(minute);
        past.minutes.pop_front();
        past.sum_up();
    }
}

impl Past {
    /// A day that began elsewhere: a symbol does not open with a volume of zero. The price has come up by a fiftieth.
    fn seasoned(symbol: &Symbol, next_trade: u64) -> Self {
        let Symbol { price, size, .. } = *symbol;
        let rise = price / 50;
        let at = |minute: u64| price - rise + rise * minute / DAY;
        let lots = u128::from(size) * u128::from(USUAL_TRADES);
        let minute = |number: u64| {
            let (open, close) = (at(number), at(number + 1));
            let turnover = lots * u128::from(open.midpoint(close));
            let first = next_trade.saturating_sub((DAY - number) * USUAL_TRADES);
            Sums {
                open,
                high: close + close / 400,
                low: open - open / 400,
                close,
                last_lots: size,
                lots,
                turnover,
                taker_lots: lots / 2,
                taker_turnover: turnover / 2,
                trades: USUAL_TRADES,
                ids: Some((first, first + USUAL_TRADES - 1)),
            }
        };
        let mut past = Self {
            minutes: (0..DAY).map(minute).collect(),
            sums: std::array::from_fn(|_| Sums::flat(price)),
        };
        past.sum_up();
        past
    }

    fn sum_up(&mut self) {
        let mut sum = Sums::flat(self.minutes.back().map_or(0, |minute| minute.close));
        for (count, minute) in (1..).zip(self.minutes.iter().rev()) {
            sum = minute.and(&sum);
            if let Some(place) = SPANS.iter().position(|span| *span == count) {
                self.sums[place] = sum.clone();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::desk::Fill;
    use super::*;

    fn minute(id: u64, tick: u64, lots: u64) -> Sums {
        let mut sums = Sums::flat(tick);
        sums.add(&Fill { id, tick, lots, buyer_maker: false });
        sums
    }

    #[test]
    fn a_window_holds_its_minutes_and_the_running_one_and_nothing_older() {
        let symbol = Symbol::ten(false).remove(0);
        let mut windows = Windows::open(std::iter::once((&symbol, 1_000_000)));
        for n in 0..70 {
            windows.turn(0, minute(1_000_000 + n, 100 + n, 1));
        }
        let running = minute(1_000_070, 500, 2);
        let hour = windows.sums(0, 60, &running);
        assert_eq!((hour.open, hour.low, hour.high, hour.close), (110, 110, 500, 500));
        assert_eq!((hour.trades, hour.lots, hour.ids), (61, 62, Some((1_000_010, 1_000_070))));
        let five = windows.sums(0, AVERAGED, &Sums::flat(169));
        assert_eq!((five.trades, five.average(), five.close), (5, 167, 169));
        let day = windows.day(0, &running);
        assert_eq!(day.trades, 71 + (DAY - 70) * USUAL_TRADES);
    }

    #[test]
    fn a_symbol_opens_with_a_past_whose_ids_lead_up_to_its_first_trade() {
        let symbol = Symbol::ten(true).remove(1);
        let windows = Windows::open(std::iter::once((&symbol, 3_600_000_000)));
        for minutes in SPANS {
            let sums = windows.sums(0, minutes, &Sums::flat(symbol.price));
            let (first, last) = sums.ids.unwrap();
            assert_eq!((sums.trades, last - first + 1), (minutes * USUAL_TRADES, sums.trades));
            assert_eq!((sums.close, last), (symbol.price, 3_599_999_999));
            assert!(sums.low < sums.open && sums.open < sums.close && sums.close < sums.high);
        }
    }

    #[test]
    fn a_window_without_trades_stands_where_the_market_stands() {
        let symbol = Symbol::ten(false).remove(0);
        let mut windows = Windows::open(std::iter::once((&symbol, 1_000_000)));
        (0..60).for_each(|_| windows.turn(0, Sums::flat(77)));
        let hour = windows.sums(0, 60, &Sums::flat(77));
        assert_eq!((hour.open, hour.close, hour.trades, hour.ids), (77, 77, 0, None));
    }
}
