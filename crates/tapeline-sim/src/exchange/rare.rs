//! What spot alone tells: blocks, prices that are not traded, tickers of windows.

use super::desk::Fill;
use super::frames::{Frames, Wanted};
use super::streams::{Rare, rare_number, window_array};
use super::windows::{AVERAGED, WINDOWS};
use super::{MINUTE, Market, SECOND, Task};

/// A block is told so long after it was agreed.
const TOLD_AFTER: u64 = 10_000;
/// Block trades remembered of each symbol: more than a day's.
const KEPT: usize = 4_096;

impl Market {
    /// Every second: what is reckoned, and the tickers of windows, of the symbols that have traded; when the windows
    /// move, of all.
    pub(super) fn rare(&mut self, traded: &[usize], wanted: &Wanted, frames: &mut Frames) {
        let count = self.desks.len();
        let all: Vec<usize> = (0..count).collect();
        for &symbol in &all {
            frames.write(wanted, self.now, rare_number(count, symbol, Rare::AvgPrice), |out| {
                let average = self.sums(symbol, AVERAGED).average();
                self.pen(symbol, out).avg_price(average, self.last_trade(symbol) / 1_000);
            });
            frames.write(wanted, self.now, rare_number(count, symbol, Rare::ReferencePrice), |out| {
                self.pen(symbol, out).reference_price(self.desks[symbol].fair());
            });
        }
        let moved = self.now % MINUTE < SECOND;
        let changed = if moved { &all[..] } else { traded };
        for (window, span) in WINDOWS.into_iter().enumerate() {
            let start = (self.now / MINUTE).saturating_sub(span.minutes) * MINUTE;
            let write = |market: &Self, symbol: usize, out: &mut Vec<u8>| {
                let sums = market.sums(symbol, span.minutes);
                market.pen(symbol, out).window_ticker(span.event, start / 1_000, &sums);
            };
            for &symbol in changed {
                let stream = rare_number(count, symbol, Rare::Ticker(window));
                frames.write(wanted, self.now, stream, |out| write(self, symbol, out));
            }
            self.array(window_array(count, window), changed, wanted, frames, write);
        }
    }

    /// Two parties have agreed on a large trade, off the book and near its price.
    pub(super) fn block(&mut self, symbol: usize, wanted: &Wanted, frames: &mut Frames) {
        self.block_ids[symbol] += 1;
        let desk = &self.desks[symbol];
        let fill = Fill {
            id: self.block_ids[symbol],
            tick: (desk.fair() / 1_000 * (995 + self.block_dice.below(11)) / 1_000).max(1),
            lots: desk.symbol.size * (200 + self.block_dice.below(800)),
            buyer_maker: self.block_dice.per_cent(50),
        };
        let pause = 20 * SECOND + self.block_dice.below(40 * SECOND);
        self.plan(self.now + pause, Task::Block(symbol));
        let agreed = (self.now - TOLD_AFTER) / 1_000;
        let blocks = &mut self.blocks[symbol];
        blocks.push_back((agreed, fill));
        if blocks.len() > KEPT {
            blocks.pop_front();
        }
        let stream = rare_number(self.desks.len(), symbol, Rare::BlockTrade);
        frames.write(wanted, self.now, stream, |out| {
            self.pen(symbol, out).block_trade(&fill, agreed);
        });
    }

    /// When a symbol traded last, Unix microseconds; now, if it has not.
    pub(super) fn last_trade(&self, symbol: usize) -> u64 {
        self.tapes[symbol].iter().rev().find(|trade| trade.lots > 0).map_or(self.now, |trade| trade.at_us)
    }
}
