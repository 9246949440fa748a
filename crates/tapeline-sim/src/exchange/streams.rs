//! The streams a generated market has, by name and by number.

use super::symbol::Symbol;
use super::windows::WINDOWS;
use std::collections::HashMap;

/// What one symbol streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Channel {
    Trade,
    AggTrade,
    BookTicker,
    MiniTicker,
    Ticker,
    MarkPrice,
    MarkPriceSecond,
    ForceOrder,
    /// The depth of a speed: its place in [`speeds`] and what of the book is told: 0 is the diff, the others the
    /// best 5, 10 and 20 levels.
    Depth(usize, usize),
    /// Candles of an interval, by its place in [`INTERVALS`].
    Candle(usize),
}

const SINGLE: [(Channel, &str); 8] = [
    (Channel::Trade, "trade"),
    (Channel::AggTrade, "aggTrade"),
    (Channel::BookTicker, "bookTicker"),
    (Channel::MiniTicker, "miniTicker"),
    (Channel::Ticker, "ticker"),
    (Channel::MarkPrice, "markPrice"),
    (Channel::MarkPriceSecond, "markPrice@1s"),
    (Channel::ForceOrder, "forceOrder"),
];

/// The speeds a market can have at most.
pub(crate) const SPEEDS: usize = 3;

/// What is told of the book: everything that changed, or the best levels.
pub(crate) const PARTS: [(&str, usize); 4] = [("depth", 0), ("depth5", 5), ("depth10", 10), ("depth20", 20)];

/// The update speeds of depth streams: milliseconds and suffix, the fastest first.
pub(crate) const fn speeds(futures: bool) -> &'static [(u64, &'static str)] {
    if futures { &[(100, "@100ms"), (250, ""), (500, "@500ms")] } else { &[(100, "@100ms"), (1_000, "")] }
}

/// An interval of candles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Interval {
    pub(crate) name: &'static str,
    pub(crate) seconds: u64,
}

/// The intervals that candles come in. The first is spot's alone.
pub(crate) const INTERVALS: [Interval; 7] = [
    Interval { name: "1s", seconds: 1 },
    Interval { name: "1m", seconds: 60 },
    Interval { name: "5m", seconds: 300 },
    Interval { name: "15m", seconds: 900 },
    Interval { name: "1h", seconds: 3_600 },
    Interval { name: "4h", seconds: 4 * 3_600 },
    Interval { name: "1d", seconds: 24 * 3_600 },
];

/// The place of the minute in [`INTERVALS`].
pub(crate) const MINUTES: usize = 1;

/// An all-market stream; numbered after the symbols' streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Array {
    MiniTicker,
    Ticker,
    MarkPrice,
    MarkPriceSecond,
    ForceOrder,
}

const ARRAYS: [(Array, &str); 5] = [
    (Array::MiniTicker, "!miniTicker@arr"),
    (Array::Ticker, "!ticker@arr"),
    (Array::MarkPrice, "!markPrice@arr"),
    (Array::MarkPriceSecond, "!markPrice@arr@1s"),
    (Array::ForceOrder, "!forceOrder@arr"),
];

/// What one symbol streams on spot alone. These are numbered behind all others: the dice of troubles follow from the
/// numbers of streams, and are to fall as they always did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rare {
    AvgPrice,
    ReferencePrice,
    BlockTrade,
    /// The ticker of a window, by its place in [`WINDOWS`].
    Ticker(usize),
}

const RARE: [&str; 3] = ["avgPrice", "referencePrice", "blockTrade"];
const RARE_PER_SYMBOL: usize = RARE.len() + WINDOWS.len();

const DEPTHS: usize = SPEEDS * PARTS.len();
const PER_SYMBOL: usize = SINGLE.len() + DEPTHS + INTERVALS.len();

/// The number of a symbol's stream.
pub(crate) const fn number(symbol: usize, channel: Channel) -> u32 {
    let place = match channel {
        Channel::Trade => 0,
        Channel::AggTrade => 1,
        Channel::BookTicker => 2,
        Channel::MiniTicker => 3,
        Channel::Ticker => 4,
        Channel::MarkPrice => 5,
        Channel::MarkPriceSecond => 6,
        Channel::ForceOrder => 7,
        Channel::Depth(speed, part) => SINGLE.len() + speed * PARTS.len() + part,
        Channel::Candle(interval) => SINGLE.len() + DEPTHS + interval,
    };
    (symbol * PER_SYMBOL + place) as u32
}

/// The symbol of a stream, and whether it tells trades (true) or aggregates of them (false).
pub(crate) const fn trades_of(stream: u32) -> Option<(usize, bool)> {
    let (symbol, place) = (stream as usize / PER_SYMBOL, stream as usize % PER_SYMBOL);
    match place {
        0 => Some((symbol, true)),
        1 => Some((symbol, false)),
        _ => None,
    }
}

/// The number of an all-market stream.
pub(crate) const fn array_number(symbols: usize, array: Array) -> u32 {
    (symbols * PER_SYMBOL + array as usize) as u32
}

/// The number of a symbol's stream that spot alone has.
pub(crate) const fn rare_number(symbols: usize, symbol: usize, rare: Rare) -> u32 {
    let place = match rare {
        Rare::AvgPrice => 0,
        Rare::ReferencePrice => 1,
        Rare::BlockTrade => 2,
        Rare::Ticker(window) => RARE.len() + window,
    };
    (symbols * PER_SYMBOL + ARRAYS.len() + symbol * RARE_PER_SYMBOL + place) as u32
}

/// The number of the all-market stream of a window's tickers.
pub(crate) const fn window_array(symbols: usize, window: usize) -> u32 {
    rare_number(symbols, symbols, Rare::AvgPrice) + window as u32
}

/// The canonical names by number, and every accepted spelling of the streams that this market has.
pub(crate) fn names(symbols: &[Symbol], futures: bool) -> (Vec<String>, HashMap<String, u32>) {
    let mut canonical = Vec::with_capacity(symbols.len() * PER_SYMBOL + ARRAYS.len());
    let mut accepted = HashMap::new();
    // A number without a stream has an empty name.
    let mut add = |name: String, exists: bool| {
        if exists {
            accepted.insert(name.clone(), canonical.len() as u32);
        }
        canonical.push(if exists { name } else { String::new() });
    };
    for symbol in symbols {
        let symbol = symbol.stream();
        for (channel, name) in SINGLE {
            let futures_only =
                matches!(channel, Channel::MarkPrice | Channel::MarkPriceSecond | Channel::ForceOrder);
            add(format!("{symbol}@{name}"), futures || !futures_only);
        }
        for speed in 0..SPEEDS {
            let suffix = speeds(futures).get(speed).map(|(_, suffix)| *suffix);
            for (part, _) in PARTS {
                add(format!("{symbol}@{part}{}", suffix.unwrap_or_default()), suffix.is_some());
            }
        }
        for Interval { name, seconds } in INTERVALS {
            add(format!("{symbol}@kline_{name}"), !futures || seconds > 1);
        }
    }
    for (array, name) in ARRAYS {
        add(name.to_owned(), futures || array == Array::MiniTicker);
    }
    for symbol in symbols {
        let symbol = symbol.stream();
        RARE.iter().for_each(|name| add(format!("{symbol}@{name}"), !futures));
        WINDOWS.iter().for_each(|window| add(format!("{symbol}@ticker_{}", window.name), !futures));
    }
    for window in WINDOWS {
        add(format!("!ticker_{}@arr", window.name), !futures);
    }
    (canonical, accepted)
}
