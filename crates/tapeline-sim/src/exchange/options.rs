//! The settings of a generated market.

use super::symbol::Symbol;
use crate::playback::Speed;

/// What the simulated exchange trades and how fast; equal options give an equal market, byte for byte,
/// as long as `start_ms` is given.
#[derive(Debug, Clone)]
pub struct MarketOptions {
    /// The listed symbols; the ten usual ones by default.
    pub symbols: Vec<Symbol>,
    /// Everything random follows from this number.
    pub seed: u64,
    /// Orders per second and symbol, at least 1; each gives about one change of the book.
    pub rate: u32,
    /// USD-M futures (`pu` chain, mark prices, routed paths) instead of spot.
    pub futures: bool,
    /// The most levels a side of a book has.
    pub levels: usize,
    /// How fast the market's time runs against the machine's.
    pub speed: Speed,
    /// Stop after about this many frames, counted over all streams whether anyone listens or not.
    pub frames: Option<u64>,
    /// When the market's time begins, Unix milliseconds; `None` is now.
    pub start_ms: Option<u64>,
    /// How many changes of each book are remembered for the judge.
    pub truth: usize,
    /// How many trades of each symbol are remembered, for REST and for the judge; never fewer than `truth`.
    pub trades: usize,
}

impl MarketOptions {
    /// The ten usual symbols of a market.
    pub fn new(futures: bool) -> Self {
        Self {
            symbols: Symbol::ten(futures),
            seed: 1,
            rate: 40,
            futures,
            levels: 400,
            speed: Speed::Times(1.0),
            frames: None,
            start_ms: None,
            truth: 16_384,
            trades: 100_000,
        }
    }
}

impl Default for MarketOptions {
    fn default() -> Self {
        Self::new(false)
    }
}
