//! What can be asked of a market: snapshots, trades and candles as REST tells them, and the truth for a judge.

use super::bars::span;
use super::book::Side;
use super::desk::Fill;
use super::streams::{INTERVALS, trades_of};
use super::truth::{LevelChange, TrueBook, TrueTrade, in_text};
use super::{Market, Symbol};

/// Which moment of a book a snapshot shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    Now,
    /// As it was so many microseconds ago, or as long ago as is remembered.
    Ago(u64),
    /// At the end of the newest depth frame.
    Edge,
    /// Inside the newest depth frame.
    Inside,
    /// Without any level.
    Empty,
}

/// So long depth frames are remembered by their time, to serve old snapshots: about three minutes.
pub(super) const REMEMBERED: usize = 2_048;

impl Market {
    /// The REST depth reply of `symbol` (upper case) with at most `limit` levels a side.
    pub(crate) fn snapshot(&self, symbol: &str, limit: usize, view: View) -> Option<Vec<u8>> {
        let index = self.find(symbol)?;
        let desk = &self.desks[index];
        let id = match view {
            View::Now | View::Empty => desk.id,
            View::Edge => desk.told.1,
            View::Inside => desk.truth.id_at(desk.told.0.midpoint(desk.told.1)),
            View::Ago(us) => {
                let moment = self.now.saturating_sub(us);
                let known = &self.moments[index];
                let place = known.partition_point(|(at, _)| *at <= moment).saturating_sub(1);
                known.get(place).map_or(desk.id, |(_, id)| *id)
            }
        };
        let old = if id == desk.id { None } else { desk.truth.at(id) };
        let (id, book) = old.as_ref().map_or((desk.id, &desk.book), |book| (id, book));
        let limit = if view == View::Empty { 0 } else { limit };
        let mut out = Vec::with_capacity(limit.min(book.count(Side::Bid)) * 64 + 64);
        self.pen(index, &mut out).snapshot(id, book, limit);
        Some(out)
    }

    /// The true book of `symbol` now, or at an update id that is still remembered.
    pub(crate) fn truth(&self, symbol: &str, id: Option<u64>) -> Option<TrueBook> {
        let desk = &self.desks[self.find(symbol)?];
        let id = id.unwrap_or(desk.id);
        desk.truth.at(id).map(|book| in_text(&desk.symbol, &book, id))
    }

    /// Every change of a book after an update id, in order; `None` if some of them are forgotten.
    pub(crate) fn changes(&self, symbol: &str, after: u64) -> Option<impl Iterator<Item = LevelChange>> {
        self.desks[self.find(symbol)?].truth.since(after)
    }

    /// The remembered trades after a trade id, in order.
    pub(crate) fn trades(
        &self,
        symbol: &str,
        after: u64,
    ) -> Option<impl DoubleEndedIterator<Item = &TrueTrade>> {
        let tape = &self.tapes[self.find(symbol)?];
        Some(tape.range(tape.partition_point(|trade| trade.id <= after)..))
    }

    /// The listed symbols, upper case.
    pub(crate) fn symbols(&self) -> impl Iterator<Item = &str> {
        self.desks.iter().map(|desk| desk.symbol.name.as_str())
    }

    /// A listed symbol.
    pub(crate) fn symbol(&self, name: &str) -> Option<&Symbol> {
        self.find(name).map(|index| &self.desks[index].symbol)
    }

    /// The update id of a symbol's book.
    pub(crate) fn id(&self, symbol: &str) -> Option<u64> {
        self.find(symbol).map(|index| self.desks[index].id)
    }

    /// The payloads of the newest trades, or aggregates, of such a stream; `None` for any other stream.
    pub(crate) fn recent_trades(&self, stream: u32, count: usize) -> Option<Vec<Vec<u8>>> {
        let (symbol, single) = trades_of(stream)?;
        let tape = self.tapes.get(symbol)?;
        let trades: Vec<TrueTrade> = tape.iter().copied().collect();
        let groups: Vec<&[TrueTrade]> =
            if single { trades.chunks(1).collect() } else { aggregates(&trades).collect() };
        let newest = groups.iter().skip(groups.len().saturating_sub(count));
        Some(newest.map(|group| self.told_again(symbol, group, single)).collect())
    }

    fn told_again(&self, symbol: usize, trades: &[TrueTrade], single: bool) -> Vec<u8> {
        let mut out = Vec::new();
        let mut pen = self.pen(symbol, &mut out);
        pen.now = trades[0].at_us / 1_000;
        let fills: Vec<Fill> = trades.iter().map(fill).collect();
        if single {
            pen.trade(&fills[0]);
        } else {
            pen.agg_trade(trades[0].aggregate, &fills);
        }
        out
    }

    /// The REST reply to `trades`: the newest `limit`, or those from an id on.
    pub(crate) fn rest_trades(&self, symbol: &str, from: Option<u64>, limit: usize) -> Option<Vec<u8>> {
        let index = self.find(symbol)?;
        let executed: Vec<TrueTrade> = self
            .trades(symbol, from.unwrap_or(0).saturating_sub(1))?
            .copied()
            .filter(|t| t.lots > 0)
            .collect();
        let chosen = ends(&executed, from, limit);
        let mut out = vec![b'['];
        for (n, trade) in chosen.iter().enumerate() {
            out.extend_from_slice(if n == 0 { b"" } else { b"," });
            let mut pen = self.pen(index, &mut out);
            pen.now = trade.at_us / 1_000;
            pen.rest_trade(&fill(trade));
        }
        out.push(b']');
        Some(out)
    }

    /// The REST reply to `aggTrades`: the newest `limit`, or those from an aggregate id on.
    pub(crate) fn rest_aggregates(&self, symbol: &str, from: Option<u64>, limit: usize) -> Option<Vec<u8>> {
        let index = self.find(symbol)?;
        let trades: Vec<TrueTrade> = self.tapes[index].iter().copied().collect();
        let all: Vec<&[TrueTrade]> =
            aggregates(&trades).filter(|group| from.is_none_or(|from| group[0].aggregate >= from)).collect();
        let mut out = vec![b'['];
        for (n, group) in ends(&all, from, limit).iter().enumerate() {
            out.extend_from_slice(if n == 0 { b"" } else { b"," });
            let mut pen = self.pen(index, &mut out);
            pen.now = group[0].at_us / 1_000;
            let fills: Vec<Fill> = group.iter().map(fill).collect();
            pen.rest_aggregate(group[0].aggregate, &fills);
        }
        out.push(b']');
        Some(out)
    }

    /// The REST reply to `klines`: the newest `limit` that open within these times (Unix milliseconds).
    pub(crate) fn rest_candles(
        &self,
        symbol: &str,
        interval: &str,
        (from, until): (u64, u64),
        limit: usize,
    ) -> Option<Vec<u8>> {
        let index = self.find(symbol)?;
        let place = INTERVALS.iter().position(|known| known.name == interval)?;
        let (start, running) = self.bars.running(index, place);
        let running = (start, running.clone());
        let all = self.bars.closed(index, place).chain(std::iter::once(&running));
        let inside = |bar: &&(u64, _)| (from..=until).contains(&(bar.0 / 1_000));
        let chosen: Vec<_> = all.filter(inside).collect();
        let from_start = (from > 0).then_some(from);
        let mut out = vec![b'['];
        for (n, (start, sums)) in ends(&chosen, from_start, limit).iter().enumerate() {
            out.extend_from_slice(if n == 0 { b"" } else { b"," });
            self.pen(index, &mut out).rest_candle(start / 1_000, span(place) / 1_000, sums);
        }
        out.push(b']');
        Some(out)
    }

    /// The REST reply to `ticker/bookTicker` for one symbol.
    pub(crate) fn rest_quote(&self, symbol: &str) -> Option<Vec<u8>> {
        let index = self.find(symbol)?;
        let book = &self.desks[index].book;
        let (bid, ask) = book.best(Side::Bid).zip(book.best(Side::Ask))?;
        let mut out = Vec::new();
        self.pen(index, &mut out).rest_quote(bid, ask);
        Some(out)
    }
}

/// The first of a list that begins at a wish, else the last ones.
fn ends<T>(all: &[T], from: Option<u64>, limit: usize) -> &[T] {
    let count = all.len().min(limit);
    if from.is_some() { &all[..count] } else { &all[all.len() - count..] }
}

fn fill(trade: &TrueTrade) -> Fill {
    Fill { id: trade.id, tick: trade.tick, lots: trade.lots, buyer_maker: trade.buyer_maker }
}

/// Trades that belong together.
fn aggregates(trades: &[TrueTrade]) -> impl Iterator<Item = &[TrueTrade]> {
    trades.chunk_by(|a, b| a.aggregate == b.aggregate).filter(|group| group[0].aggregate > 0)
}
