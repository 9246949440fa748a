//! What REST tells of a market: lists of trades and candles, prices, statistics.

use super::bars::span;
use super::book::Side;
use super::queries::{aggregates, fill};
use super::render::Pen;
use super::streams::INTERVALS;
use super::truth::TrueTrade;
use super::windows::AVERAGED;
use super::{MINUTE, Market};

/// Which part of a list is asked for; the newest, if nothing says from where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wish {
    /// From this id on.
    pub(crate) from: Option<u64>,
    /// From this moment on, Unix milliseconds.
    pub(crate) since: Option<u64>,
    /// Until this moment, Unix milliseconds.
    pub(crate) until: Option<u64>,
    /// So many at most.
    pub(crate) limit: usize,
}

/// Which statistics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Full,
    Mini,
}

impl Market {
    /// The reply to `trades` and `historicalTrades`. What is older than the tape is left out.
    pub(crate) fn rest_trades(&self, symbol: &str, wish: Wish) -> Option<Vec<u8>> {
        let index = self.find(symbol)?;
        let tape = &self.tapes[index];
        let real = |trade: &&TrueTrade| trade.lots > 0;
        let chosen: Vec<&TrueTrade> = match wish.from {
            Some(from) => {
                let start = tape.partition_point(|trade| trade.id < from);
                tape.range(start..).filter(real).take(wish.limit).collect()
            }
            None => ends(tape.iter().rev().filter(real).take(wish.limit)),
        };
        Some(list(chosen, |trade, out| {
            Pen { now: trade.at_us / 1_000, ..self.pen(index, out) }.rest_trade(&fill(trade));
        }))
    }

    /// The reply to `aggTrades`. What is older than the tape is left out, and so is an aggregate of which it has lost
    /// a part.
    pub(crate) fn rest_aggregates(&self, symbol: &str, wish: Wish) -> Option<Vec<u8>> {
        let index = self.find(symbol)?;
        let tape = &self.tapes[index];
        let torn = tape.front().filter(|_| tape.len() >= self.remembered).map(|first| first.aggregate);
        let at = |trade: &TrueTrade| trade.at_us / 1_000;
        let end = wish.until.map_or(tape.len(), |until| tape.partition_point(|trade| at(trade) <= until));
        let start = match (wish.from, wish.since) {
            (Some(from), _) => {
                let behind = |trade: &&TrueTrade| trade.aggregate == 0 || trade.aggregate >= from;
                Some(tape.len() - tape.iter().rev().take_while(behind).count())
            }
            (None, Some(since)) => Some(tape.partition_point(|trade| at(trade) < since)),
            (None, None) => None,
        };
        let whole = |trade: &&TrueTrade| Some(trade.aggregate) != torn;
        let chosen = match start {
            Some(start) => aggregates(tape.range(start.min(end)..end).filter(whole), wish.limit),
            None => {
                let mut newest = aggregates(tape.range(..end).rev().filter(whole), wish.limit);
                newest.iter_mut().for_each(|group| group.reverse());
                ends(newest.into_iter())
            }
        };
        Some(list(chosen, |group, out| {
            let fills: Vec<_> = group.iter().map(fill).collect();
            Pen { now: at(&group[0]), ..self.pen(index, out) }.rest_aggregate(group[0].aggregate, &fills);
        }))
    }

    /// The reply to `historicalBlockTrades`.
    pub(crate) fn rest_blocks(&self, symbol: &str, wish: Wish) -> Option<Vec<u8>> {
        let index = self.find(symbol)?;
        let from = wish.from.unwrap_or(0);
        let chosen = self.blocks[index].iter().filter(|(_, block)| block.id >= from).take(wish.limit);
        Some(list(chosen, |(agreed, block), out| {
            Pen { now: *agreed, ..self.pen(index, out) }.rest_block(block);
        }))
    }

    /// The reply to `klines`; the times are those of opening.
    pub(crate) fn rest_candles(&self, symbol: &str, interval: &str, wish: Wish) -> Option<Vec<u8>> {
        let index = self.find(symbol)?;
        let place = INTERVALS.iter().position(|known| known.name == interval)?;
        let (start, running) = self.bars.running(index, place);
        let running = (start, running.clone());
        let span_of_time = wish.since.unwrap_or(0)..=wish.until.unwrap_or(u64::MAX);
        let all = self.bars.closed(index, place).chain(std::iter::once(&running));
        let inside = all.filter(|(start, _)| span_of_time.contains(&(start / 1_000)));
        let chosen: Vec<_> = match wish.since {
            Some(_) => inside.take(wish.limit).collect(),
            None => ends(inside.rev().take(wish.limit)),
        };
        Some(list(chosen, |(start, sums), out| {
            self.pen(index, out).rest_candle(start / 1_000, span(place) / 1_000, sums);
        }))
    }

    /// An element of the reply to `ticker/bookTicker`.
    pub(crate) fn rest_quote(&self, symbol: &str, out: &mut Vec<u8>) -> Option<()> {
        let index = self.find(symbol)?;
        let book = &self.desks[index].book;
        let (bid, ask) = book.best(Side::Bid).zip(book.best(Side::Ask))?;
        self.pen(index, out).rest_quote(bid, ask);
        Some(())
    }

    /// An element of the reply to `ticker/price`.
    pub(crate) fn rest_price(&self, symbol: &str, out: &mut Vec<u8>) -> Option<()> {
        let index = self.find(symbol)?;
        self.pen(index, out).rest_price(self.day(index).close);
        Some(())
    }

    /// An element of the reply to `ticker/24hr`.
    pub(crate) fn rest_day(&self, symbol: &str, form: Form, out: &mut Vec<u8>) -> Option<()> {
        let index = self.find(symbol)?;
        let (day, pen) = (self.day(index), self.pen(index, out));
        match form {
            Form::Full => pen.rest_day(&day, &self.desks[index].book),
            Form::Mini => {
                let start = pen.now.saturating_sub(86_400_000);
                pen.rest_mini(start, &day);
            }
        }
        Some(())
    }

    /// An element of the reply to `ticker` for a window of so many minutes, of which at most a day is known.
    pub(crate) fn rest_window(
        &self,
        symbol: &str,
        minutes: u64,
        form: Form,
        out: &mut Vec<u8>,
    ) -> Option<()> {
        let index = self.find(symbol)?;
        let sums = self.windows.any(index, minutes, self.bars.running(index, super::MINUTES).1);
        let start = (self.now / MINUTE).saturating_sub(minutes) * MINUTE / 1_000;
        match form {
            Form::Full => self.pen(index, out).rest_window(start, &sums),
            Form::Mini => self.pen(index, out).rest_mini(start, &sums),
        }
        Some(())
    }

    /// The reply to `avgPrice`.
    pub(crate) fn rest_average(&self, symbol: &str, out: &mut Vec<u8>) -> Option<()> {
        let index = self.find(symbol)?;
        let average = self.sums(index, AVERAGED).average();
        self.pen(index, out).rest_average(AVERAGED, average, self.last_trade(index) / 1_000);
        Some(())
    }

    /// The reply to `referencePrice`.
    pub(crate) fn rest_reference(&self, symbol: &str, out: &mut Vec<u8>) -> Option<()> {
        let index = self.find(symbol)?;
        self.pen(index, out).rest_reference(self.desks[index].fair());
        Some(())
    }

    /// An element of the reply to `premiumIndex`.
    pub(crate) fn rest_premium(&self, symbol: &str, out: &mut Vec<u8>) -> Option<()> {
        let index = self.find(symbol)?;
        self.pen(index, out).rest_premium(self.desks[index].fair());
        Some(())
    }
}

/// What was found from the newest backwards, oldest first.
fn ends<T>(found: impl Iterator<Item = T>) -> Vec<T> {
    let mut found: Vec<T> = found.collect();
    found.reverse();
    found
}

/// A list in JSON.
fn list<T>(items: impl IntoIterator<Item = T>, write: impl Fn(&T, &mut Vec<u8>)) -> Vec<u8> {
    let mut out = vec![b'['];
    for (n, item) in items.into_iter().enumerate() {
        out.extend_from_slice(if n == 0 { b"" } else { b"," });
        write(&item, &mut out);
    }
    out.push(b']');
    out
}
