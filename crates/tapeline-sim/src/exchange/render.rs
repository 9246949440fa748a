//! The payloads of Binance's streams, spot and USD-M, in the venue's own fields and order.
//!
//! Sources: the venue's `web-socket-streams.md` (2026-07) and, for futures, its official connectors (2026-07).

mod rest;

use super::book::{Book, Side};
use super::desk::{Diff, Fill};
use super::stats::Sums;
use super::streams::Interval;
use super::symbol::Symbol;
use crate::decimal::{push_fixed, push_int};

/// Appends JSON to a buffer; values are written in the text widths of one symbol.
pub(crate) struct Pen<'a> {
    pub(crate) out: &'a mut Vec<u8>,
    pub(crate) symbol: &'a Symbol,
    /// Unix milliseconds of the event.
    pub(crate) now: u64,
    pub(crate) futures: bool,
}

impl Pen<'_> {
    /// `<symbol>@trade`. On futures an id without execution has price and size zero.
    pub(crate) fn trade(mut self, fill: &Fill) {
        self.open("trade");
        if self.futures {
            self.int("T", self.now);
        }
        self.name();
        self.int("t", fill.id);
        if fill.lots == 0 {
            self.raw(br#","p":"0","q":"0","X":"NA""#);
        } else {
            self.price("p", fill.tick);
            self.size("q", u128::from(fill.lots));
            if self.futures {
                self.raw(br#","X":"MARKET""#);
            }
        }
        if !self.futures {
            self.int("T", self.now);
        }
        self.flag("m", fill.buyer_maker);
        self.close_trade();
    }

    /// `<symbol>@aggTrade`: the fills of one order at one price.
    pub(crate) fn agg_trade(mut self, id: u64, fills: &[Fill]) {
        let (Some(first), Some(last)) = (fills.first(), fills.last()) else { return };
        self.open("aggTrade");
        self.name();
        self.int("a", id);
        self.aggregate(first, last, fills);
    }

    /// What both say of an aggregate behind its id.
    fn aggregate(&mut self, first: &Fill, last: &Fill, fills: &[Fill]) {
        self.price("p", first.tick);
        self.size("q", fills.iter().map(|fill| u128::from(fill.lots)).sum());
        self.int("f", first.id);
        self.int("l", last.id);
        self.int("T", self.now);
        self.flag("m", first.buyer_maker);
        self.close_trade();
    }

    fn close_trade(&mut self) {
        self.raw(if self.futures { b"}" } else { br#","M":true}"# });
    }

    /// `<symbol>@blockTrade`, agreed at `at` (Unix milliseconds).
    pub(crate) fn block_trade(mut self, fill: &Fill, at: u64) {
        self.open("blockTrade");
        self.name();
        self.int("t", fill.id);
        self.price("p", fill.tick);
        self.size("q", u128::from(fill.lots));
        self.int("T", at);
        self.flag("m", fill.buyer_maker);
        self.raw(b"}");
    }

    /// `<symbol>@avgPrice`; `at` is when it last traded, Unix milliseconds.
    pub(crate) fn avg_price(mut self, average: u64, at: u64) {
        self.open("avgPrice");
        self.name();
        self.raw(br#","i":"5m""#);
        self.price("w", average);
        self.int("T", at);
        self.raw(b"}");
    }

    /// `<symbol>@referencePrice`, `fair` in thousandths of a tick; it has a time of its own and none of the event.
    pub(crate) fn reference_price(mut self, fair: u64) {
        self.raw(br#"{"e":"referencePrice""#);
        self.name();
        self.price("r", fair / 1_000);
        self.int("t", self.now);
        self.raw(b"}");
    }

    /// `<symbol>@bookTicker`; spot gives it neither a type nor a time.
    pub(crate) fn book_ticker(mut self, id: u64, bid: (u64, u64), ask: (u64, u64)) {
        self.raw(if self.futures { br#"{"e":"bookTicker","u":"# } else { br#"{"u":"# });
        push_int(self.out, id);
        self.name();
        self.price("b", bid.0);
        self.size("B", u128::from(bid.1));
        self.price("a", ask.0);
        self.size("A", u128::from(ask.1));
        if self.futures {
            self.int("T", self.now);
            self.int("E", self.now);
        }
        self.raw(b"}");
    }

    /// `<symbol>@depth…`: the changed levels with their absolute quantities.
    pub(crate) fn depth(mut self, diff: &Diff) {
        self.open("depthUpdate");
        if self.futures {
            self.int("T", self.now);
        }
        self.name();
        self.int("U", diff.first);
        self.int("u", diff.last);
        if self.futures {
            self.int("pu", diff.previous);
        }
        self.raw(br#","b":"#);
        self.levels(diff.bids.iter().copied());
        self.raw(br#","a":"#);
        self.levels(diff.asks.iter().copied());
        self.raw(b"}");
    }

    /// `<symbol>@depth5|10|20`: the top of the book; futures dress it as a `depthUpdate`.
    pub(crate) fn partial(self, diff: &Diff, book: &Book, levels: usize) {
        if self.futures {
            let top = |side| book.levels(side).take(levels).collect();
            return self.depth(&Diff { bids: top(Side::Bid), asks: top(Side::Ask), ..*diff });
        }
        self.snapshot(diff.last, book, levels);
    }

    /// The REST reply to `depth`.
    pub(crate) fn snapshot(mut self, id: u64, book: &Book, levels: usize) {
        self.raw(br#"{"lastUpdateId":"#);
        push_int(self.out, id);
        if self.futures {
            self.int("E", self.now);
            self.int("T", self.now);
        }
        self.raw(br#","bids":"#);
        self.levels(book.levels(Side::Bid).take(levels));
        self.raw(br#","asks":"#);
        self.levels(book.levels(Side::Ask).take(levels));
        self.raw(b"}");
    }

    /// `<symbol>@kline_<interval>`.
    pub(crate) fn candle(mut self, interval: Interval, start: u64, sums: &Sums, closed: bool) {
        self.open("kline");
        self.name();
        self.raw(br#","k":{"t":"#);
        push_int(self.out, start);
        self.int("T", start + interval.seconds * 1_000 - 1);
        self.name();
        self.raw(br#","i":""#);
        self.raw(interval.name.as_bytes());
        self.raw(b"\"");
        self.ids("f", "L", sums);
        self.price("o", sums.open);
        self.price("c", sums.close);
        self.price("h", sums.high);
        self.price("l", sums.low);
        self.size("v", sums.lots);
        self.int("n", sums.trades);
        self.flag("x", closed);
        self.turnover("q", sums.turnover);
        self.size("V", sums.taker_lots);
        self.turnover("Q", sums.taker_turnover);
        self.raw(br#","B":"0"}}"#);
    }

    /// `<symbol>@miniTicker`, also an element of `!miniTicker@arr`.
    pub(crate) fn mini_ticker(mut self, day: &Sums) {
        self.open("24hrMiniTicker");
        self.name();
        self.price("c", day.close);
        self.price("o", day.open);
        self.price("h", day.high);
        self.price("l", day.low);
        self.size("v", day.lots);
        self.turnover("q", day.turnover);
        self.raw(b"}");
    }

    /// `<symbol>@ticker`; futures leave the best bid and ask out.
    pub(crate) fn ticker(mut self, day: &Sums, book: &Book) {
        self.open("24hrTicker");
        self.name();
        self.change(["p", "P"], day);
        self.price("w", day.average());
        if !self.futures {
            self.price("x", day.open);
        }
        self.price("c", day.close);
        self.size("Q", u128::from(day.last_lots));
        if !self.futures {
            for (price, size, side) in [("b", "B", Side::Bid), ("a", "A", Side::Ask)] {
                let (tick, lots) = book.best(side).unwrap_or((0, 0));
                self.price(price, tick);
                self.size(size, u128::from(lots));
            }
        }
        self.price("o", day.open);
        self.price("h", day.high);
        self.price("l", day.low);
        self.size("v", day.lots);
        self.turnover("q", day.turnover);
        self.span(self.now.saturating_sub(86_400_000), day);
    }

    /// `<symbol>@ticker_<window>`, also an element of `!ticker_<window>@arr`; the window begins at `start`.
    pub(crate) fn window_ticker(mut self, event: &str, start: u64, sums: &Sums) {
        self.open(event);
        self.name();
        self.change(["p", "P"], sums);
        self.price("o", sums.open);
        self.price("h", sums.high);
        self.price("l", sums.low);
        self.price("c", sums.close);
        self.price("w", sums.average());
        self.size("v", sums.lots);
        self.turnover("q", sums.turnover);
        self.span(start, sums);
    }

    /// What both say of their span at the end: its times and its trades.
    fn span(&mut self, start: u64, sums: &Sums) {
        self.int("O", start);
        self.int("C", self.now);
        self.ids("F", "L", sums);
        self.int("n", sums.trades);
        self.raw(b"}");
    }

    /// The first and last trade; without trades the ids are -1, as on the venue.
    fn ids(&mut self, first: &str, last: &str, sums: &Sums) {
        for (key, id) in [(first, sums.ids.map(|ids| ids.0)), (last, sums.ids.map(|ids| ids.1))] {
            match id {
                Some(id) => self.int(key, id),
                None => {
                    self.key(key);
                    self.raw(b"-1");
                }
            }
        }
    }

    /// The change since the opening, absolute and in per cent with three digits.
    fn change(&mut self, [absolute, percent]: [&str; 2], day: &Sums) {
        let sign: &[u8] = if day.close < day.open { b"-" } else { b"" };
        let change = day.close.abs_diff(day.open);
        let per_mille_of_cent = u128::from(change) * 100_000 / u128::from(day.open.max(1));
        self.key(absolute);
        self.raw(b"\"");
        self.raw(sign);
        push_fixed(self.out, u128::from(change), self.symbol.price_scale, self.symbol.price_text);
        self.raw(b"\"");
        self.key(percent);
        self.raw(b"\"");
        self.raw(sign);
        push_fixed(self.out, per_mille_of_cent, 3, 3);
        self.raw(b"\"");
    }

    /// `<symbol>@markPrice[@1s]`: `fair` in thousandths of a tick; funding every eight hours.
    pub(crate) fn mark_price(mut self, fair: u64) {
        self.open("markPriceUpdate");
        self.name();
        self.marks(["p", "P", "i"], fair);
        self.raw(br#","r":"0.00010000""#);
        self.int("T", self.next_funding());
        self.raw(b"}");
    }

    /// The mark price, the settlement price and the index, in this order, by these names.
    fn marks(&mut self, keys: [&str; 3], fair: u64) {
        let scale = self.symbol.price_scale + 3;
        for (key, value) in keys.into_iter().zip([fair, fair - fair / 5_000, fair + fair / 20_000]) {
            self.key(key);
            self.quoted(u128::from(value), scale, 8);
        }
    }

    /// Funding is exchanged every eight hours.
    const fn next_funding(&self) -> u64 {
        let eight_hours = 8 * 3_600_000;
        (self.now / eight_hours + 1) * eight_hours
    }

    /// `<symbol>@forceOrder`: a liquidation that was filled at once by `fills`.
    pub(crate) fn force_order(mut self, fills: &[Fill]) {
        let mut sums = Sums::default();
        fills.iter().for_each(|fill| sums.add(fill));
        let Some(worst) = fills.last() else { return };
        self.open("forceOrder");
        self.raw(br#","o":{"s":""#);
        self.raw(self.symbol.name.as_bytes());
        self.raw(if worst.buyer_maker { br#"","S":"SELL""# } else { br#"","S":"BUY""# });
        self.raw(br#","o":"LIMIT","f":"IOC""#);
        self.size("q", sums.lots);
        self.price("p", worst.tick);
        self.price("ap", sums.average());
        self.raw(br#","X":"FILLED""#);
        self.size("l", u128::from(worst.lots));
        self.size("z", sums.lots);
        self.int("T", self.now);
        self.raw(b"}}");
    }

    fn open(&mut self, event: &str) {
        self.raw(br#"{"e":""#);
        self.raw(event.as_bytes());
        self.raw(b"\"");
        self.int("E", self.now);
    }

    fn name(&mut self) {
        self.raw(br#","s":""#);
        self.raw(self.symbol.name.as_bytes());
        self.raw(b"\"");
    }

    fn key(&mut self, key: &str) {
        self.raw(b",\"");
        self.raw(key.as_bytes());
        self.raw(b"\":");
    }

    fn int(&mut self, key: &str, value: u64) {
        self.key(key);
        push_int(self.out, value);
    }

    fn flag(&mut self, key: &str, value: bool) {
        self.key(key);
        self.raw(if value { b"true" } else { b"false" });
    }

    fn price(&mut self, key: &str, tick: u64) {
        self.key(key);
        self.quoted(u128::from(tick), self.symbol.price_scale, self.symbol.price_text);
    }

    fn size(&mut self, key: &str, lots: u128) {
        self.key(key);
        self.quoted(lots, self.symbol.size_scale, self.symbol.size_text);
    }

    fn turnover(&mut self, key: &str, value: u128) {
        self.key(key);
        self.quoted(value, self.symbol.price_scale + self.symbol.size_scale, 8);
    }

    fn quoted(&mut self, units: u128, scale: u32, decimals: u32) {
        self.out.push(b'"');
        push_fixed(self.out, units, scale, decimals);
        self.out.push(b'"');
    }

    fn levels(&mut self, levels: impl Iterator<Item = (u64, u64)>) {
        self.out.push(b'[');
        for (n, (tick, lots)) in levels.enumerate() {
            self.raw(if n == 0 { b"[" } else { b",[" });
            self.quoted(u128::from(tick), self.symbol.price_scale, self.symbol.price_text);
            self.out.push(b',');
            self.quoted(u128::from(lots), self.symbol.size_scale, self.symbol.size_text);
            self.out.push(b']');
        }
        self.out.push(b']');
    }

    fn raw(&mut self, text: &[u8]) {
        self.out.extend_from_slice(text);
    }
}
