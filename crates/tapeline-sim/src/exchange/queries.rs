//! What can be asked of a market: snapshots, trades that are told again, and the truth for a judge.

use super::book::Side;
use super::desk::Fill;
use super::streams::trades_of;
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
        let mut groups: Vec<Vec<TrueTrade>> = if single {
            tape.iter().rev().take(count).map(|trade| vec![*trade]).collect()
        } else {
            aggregates(tape.iter().rev(), count)
        };
        groups.iter_mut().for_each(|group| group.reverse());
        Some(groups.iter().rev().map(|group| self.told_again(symbol, group, single)).collect())
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
}

pub(super) fn fill(trade: &TrueTrade) -> Fill {
    Fill { id: trade.id, tick: trade.tick, lots: trade.lots, buyer_maker: trade.buyer_maker }
}

/// The first so many aggregates of some trades, each with its trades, in the order in which they come.
pub(super) fn aggregates<'a>(
    trades: impl Iterator<Item = &'a TrueTrade>,
    limit: usize,
) -> Vec<Vec<TrueTrade>> {
    let mut groups: Vec<Vec<TrueTrade>> = Vec::new();
    for trade in trades.filter(|trade| trade.aggregate > 0) {
        let full = groups.len() == limit;
        match groups.last_mut() {
            Some(group) if group[0].aggregate == trade.aggregate => group.push(*trade),
            _ if full => break,
            _ => groups.push(vec![*trade]),
        }
    }
    groups
}
