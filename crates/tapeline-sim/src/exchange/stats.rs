//! What a symbol's trades add up to in some span of time.

use super::desk::Fill;

/// Prices in ticks, volumes in lots, turnover in ticks times lots.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) open: u64,
    pub(crate) high: u64,
    pub(crate) low: u64,
    pub(crate) close: u64,
    /// The size of the newest trade.
    pub(crate) last_lots: u64,
    pub(crate) lots: u128,
    pub(crate) turnover: u128,
    /// The part of the volume where the buyer was the taker.
    pub(crate) taker_lots: u128,
    pub(crate) taker_turnover: u128,
    pub(crate) trades: u64,
    /// The first and last trade id inside, if there was a trade.
    pub(crate) ids: Option<(u64, u64)>,
}

impl Sums {
    /// Nothing traded yet; all four prices stand where the market stands.
    pub(crate) fn flat(price: u64) -> Self {
        Self { open: price, high: price, low: price, close: price, ..Self::default() }
    }

    /// The sums of two spans, the other one right behind this one.
    pub(crate) fn and(&self, later: &Self) -> Self {
        if self.trades == 0 || later.trades == 0 {
            return if self.trades == 0 { later.clone() } else { self.clone() };
        }
        Self {
            open: self.open,
            high: self.high.max(later.high),
            low: self.low.min(later.low),
            close: later.close,
            last_lots: later.last_lots,
            lots: self.lots + later.lots,
            turnover: self.turnover + later.turnover,
            taker_lots: self.taker_lots + later.taker_lots,
            taker_turnover: self.taker_turnover + later.taker_turnover,
            trades: self.trades + later.trades,
            ids: self.ids.zip(later.ids).map(|((first, _), (_, last))| (first, last)),
        }
    }

    /// Adds an execution; a spent id (no lots) is no trade.
    pub(crate) fn add(&mut self, fill: &Fill) {
        if fill.lots == 0 {
            return;
        }
        if self.trades == 0 {
            // The first trade of a minute opens it.
            (self.open, self.high, self.low) = (fill.tick, fill.tick, fill.tick);
        }
        let turnover = u128::from(fill.tick) * u128::from(fill.lots);
        self.high = self.high.max(fill.tick);
        self.low = self.low.min(fill.tick);
        self.close = fill.tick;
        self.last_lots = fill.lots;
        self.lots += u128::from(fill.lots);
        self.turnover += turnover;
        if !fill.buyer_maker {
            self.taker_lots += u128::from(fill.lots);
            self.taker_turnover += turnover;
        }
        self.trades += 1;
        self.ids = Some((self.ids.map_or(fill.id, |(first, _)| first), fill.id));
    }

    /// Turnover by volume, in ticks; the close while there is no volume.
    pub(crate) fn average(&self) -> u64 {
        self.turnover.checked_div(self.lots).and_then(|ticks| u64::try_from(ticks).ok()).unwrap_or(self.close)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(id: u64, tick: u64, lots: u64, buyer_maker: bool) -> Fill {
        Fill { id, tick, lots, buyer_maker }
    }

    #[test]
    fn a_minute_is_the_sum_of_its_trades() {
        let mut sums = Sums::flat(100);
        for fill in
            [fill(7, 110, 2, false), fill(8, 0, 0, true), fill(9, 90, 3, true), fill(10, 95, 1, false)]
        {
            sums.add(&fill);
        }
        assert_eq!((sums.open, sums.high, sums.low, sums.close), (110, 110, 90, 95));
        assert_eq!((sums.lots, sums.turnover, sums.trades), (6, 220 + 270 + 95, 3));
        assert_eq!((sums.taker_lots, sums.taker_turnover), (3, 315));
        assert_eq!((sums.ids, sums.last_lots, sums.average()), (Some((7, 10)), 1, 97));
    }

    #[test]
    fn a_minute_without_trades_is_flat() {
        let sums = Sums::flat(100);
        assert_eq!((sums.open, sums.high, sums.low, sums.close, sums.average()), (100, 100, 100, 100, 100));
        assert_eq!((sums.trades, sums.ids), (0, None));
    }
}
