//! The streams a generated market has, by name and by number.

use super::symbol::Symbol;
use std::collections::HashMap;

/// What one symbol streams; the discriminant is its place among the symbol's streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Channel {
    Trade,
    AggTrade,
    BookTicker,
    Depth,
    Candle,
    MiniTicker,
    Ticker,
    Depth5,
    Depth10,
    Depth20,
    MarkPrice,
    MarkPriceSecond,
    ForceOrder,
}

const CHANNELS: [(Channel, &str); 13] = [
    (Channel::Trade, "trade"),
    (Channel::AggTrade, "aggTrade"),
    (Channel::BookTicker, "bookTicker"),
    (Channel::Depth, "depth"),
    (Channel::Candle, "kline_1m"),
    (Channel::MiniTicker, "miniTicker"),
    (Channel::Ticker, "ticker"),
    (Channel::Depth5, "depth5"),
    (Channel::Depth10, "depth10"),
    (Channel::Depth20, "depth20"),
    (Channel::MarkPrice, "markPrice"),
    (Channel::MarkPriceSecond, "markPrice@1s"),
    (Channel::ForceOrder, "forceOrder"),
];

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

/// The number of a symbol's stream.
pub(crate) const fn number(symbol: usize, channel: Channel) -> u32 {
    (symbol * CHANNELS.len() + channel as usize) as u32
}

/// The number of an all-market stream.
pub(crate) const fn array_number(symbols: usize, array: Array) -> u32 {
    (symbols * CHANNELS.len() + array as usize) as u32
}

/// The canonical names by number, and every accepted spelling of the streams that this market has.
pub(crate) fn names(symbols: &[Symbol], futures: bool) -> (Vec<String>, HashMap<String, u32>) {
    let mut canonical = Vec::with_capacity(symbols.len() * CHANNELS.len() + ARRAYS.len());
    let mut accepted = HashMap::new();
    for symbol in symbols {
        for (channel, name) in CHANNELS {
            let name = format!("{}@{name}", symbol.stream());
            let number = canonical.len() as u32;
            if futures
                || !matches!(channel, Channel::MarkPrice | Channel::MarkPriceSecond | Channel::ForceOrder)
            {
                accepted.insert(name.clone(), number);
            }
            if matches!(channel, Channel::Depth5 | Channel::Depth10 | Channel::Depth20) {
                // The update speeds a partial book may be asked for; all are served at 100 ms.
                for speed in ["@100ms", "@250ms", "@500ms"] {
                    accepted.insert(format!("{name}{speed}"), number);
                }
            }
            canonical.push(name);
        }
    }
    for (array, name) in ARRAYS {
        if futures || array == Array::MiniTicker {
            accepted.insert(name.to_owned(), canonical.len() as u32);
        }
        canonical.push(name.to_owned());
    }
    (canonical, accepted)
}
