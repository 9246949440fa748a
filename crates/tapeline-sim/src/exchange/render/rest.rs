//! The payloads of the venue's REST replies, in its own fields and order.

use super::super::book::{Book, Side};
use super::super::desk::Fill;
use super::super::stats::Sums;
use super::super::symbol::Symbol;
use super::Pen;
use crate::decimal::push_int;

impl Pen<'_> {
    /// An element of the REST reply to `trades`.
    pub(crate) fn rest_trade(mut self, fill: &Fill) {
        self.single(fill);
        self.raw(if self.futures { br#","isRPITrade":false}"# } else { br#","isBestMatch":true}"# });
    }

    /// An element of the REST reply to `aggTrades`.
    pub(crate) fn rest_aggregate(mut self, id: u64, fills: &[Fill]) {
        let (Some(first), Some(last)) = (fills.first(), fills.last()) else { return };
        self.raw(br#"{"a":"#);
        push_int(self.out, id);
        self.aggregate(first, last, fills);
    }

    /// An element of the REST reply to `klines`.
    pub(crate) fn rest_candle(mut self, start: u64, span: u64, sums: &Sums) {
        let Symbol { price_scale, size_scale, price_text, size_text, .. } = *self.symbol;
        self.raw(b"[");
        push_int(self.out, start);
        for tick in [sums.open, sums.high, sums.low, sums.close] {
            self.element(u128::from(tick), price_scale, price_text);
        }
        self.element(sums.lots, size_scale, size_text);
        self.raw(b",");
        push_int(self.out, start + span - 1);
        self.element(sums.turnover, price_scale + size_scale, 8);
        self.raw(b",");
        push_int(self.out, sums.trades);
        self.element(sums.taker_lots, size_scale, size_text);
        self.element(sums.taker_turnover, price_scale + size_scale, 8);
        self.raw(br#","0"]"#);
    }

    fn element(&mut self, units: u128, scale: u32, decimals: u32) {
        self.raw(b",");
        self.quoted(units, scale, decimals);
    }

    /// An element of the reply to `historicalBlockTrades`.
    pub(crate) fn rest_block(mut self, fill: &Fill) {
        self.single(fill);
        self.raw(b"}");
    }

    /// The reply to `ticker/bookTicker`; futures know when.
    pub(crate) fn rest_quote(mut self, bid: (u64, u64), ask: (u64, u64)) {
        self.of_symbol();
        for (price, size, (tick, lots)) in [("bidPrice", "bidQty", bid), ("askPrice", "askQty", ask)] {
            self.price(price, tick);
            self.size(size, u128::from(lots));
        }
        if self.futures {
            self.int("time", self.now);
        }
        self.raw(b"}");
    }

    /// The reply to `ticker/price`; futures know when.
    pub(crate) fn rest_price(mut self, tick: u64) {
        self.of_symbol();
        self.price("price", tick);
        if self.futures {
            self.int("time", self.now);
        }
        self.raw(b"}");
    }

    /// The reply to `ticker/24hr` with all there is; futures leave out what the book says.
    pub(crate) fn rest_day(mut self, day: &Sums, book: &Book) {
        self.of_symbol();
        self.change(["priceChange", "priceChangePercent"], day);
        self.price("weightedAvgPrice", day.average());
        if !self.futures {
            self.price("prevClosePrice", day.open);
        }
        self.price("lastPrice", day.close);
        self.size("lastQty", u128::from(day.last_lots));
        if !self.futures {
            for (price, size, side) in [("bidPrice", "bidQty", Side::Bid), ("askPrice", "askQty", Side::Ask)]
            {
                let (tick, lots) = book.best(side).unwrap_or((0, 0));
                self.price(price, tick);
                self.size(size, u128::from(lots));
            }
        }
        self.walk(day);
        self.rest_span(self.now.saturating_sub(86_400_000), day);
    }

    /// The reply to `ticker`: a window that begins at `start`.
    pub(crate) fn rest_window(mut self, start: u64, sums: &Sums) {
        self.of_symbol();
        self.change(["priceChange", "priceChangePercent"], sums);
        self.price("weightedAvgPrice", sums.average());
        self.walk(sums);
        self.price("lastPrice", sums.close);
        self.rest_span(start, sums);
    }

    /// The short form of either, which begins at `start`.
    pub(crate) fn rest_mini(mut self, start: u64, sums: &Sums) {
        self.of_symbol();
        self.price("lastPrice", sums.close);
        self.walk(sums);
        self.rest_span(start, sums);
    }

    /// The reply to `avgPrice`; `at` is when it last traded, Unix milliseconds.
    pub(crate) fn rest_average(mut self, minutes: u64, average: u64, at: u64) {
        self.raw(br#"{"mins":"#);
        push_int(self.out, minutes);
        self.price("price", average);
        self.int("closeTime", at);
        self.raw(b"}");
    }

    /// The reply to `referencePrice`, `fair` in thousandths of a tick.
    pub(crate) fn rest_reference(mut self, fair: u64) {
        self.of_symbol();
        self.price("referencePrice", fair / 1_000);
        self.int("timestamp", self.now);
        self.raw(b"}");
    }

    /// The reply to `premiumIndex`, `fair` in thousandths of a tick.
    pub(crate) fn rest_premium(mut self, fair: u64) {
        self.of_symbol();
        self.marks(["markPrice", "estimatedSettlePrice", "indexPrice"], fair);
        self.raw(br#","lastFundingRate":"0.00010000","interestRate":"0.00010000""#);
        self.int("nextFundingTime", self.next_funding());
        self.int("time", self.now);
        self.raw(b"}");
    }

    /// What every list of trades says of one.
    fn single(&mut self, fill: &Fill) {
        self.raw(br#"{"id":"#);
        push_int(self.out, fill.id);
        self.price("price", fill.tick);
        self.size("qty", u128::from(fill.lots));
        self.turnover("quoteQty", u128::from(fill.tick) * u128::from(fill.lots));
        self.int("time", self.now);
        self.flag("isBuyerMaker", fill.buyer_maker);
    }

    fn of_symbol(&mut self) {
        self.raw(br#"{"symbol":""#);
        self.raw(self.symbol.name.as_bytes());
        self.raw(b"\"");
    }

    fn walk(&mut self, sums: &Sums) {
        self.price("openPrice", sums.open);
        self.price("highPrice", sums.high);
        self.price("lowPrice", sums.low);
        self.size("volume", sums.lots);
        self.turnover("quoteVolume", sums.turnover);
    }

    fn rest_span(&mut self, start: u64, sums: &Sums) {
        self.int("openTime", start);
        self.int("closeTime", self.now);
        self.ids("firstId", "lastId", sums);
        self.int("count", sums.trades);
        self.raw(b"}");
    }
}
