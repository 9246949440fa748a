//! The same frames by typed structs, with sonic-rs and with serde_json: what a program without this
//! library would write. Prices and sizes are turned into integers as well.

use serde::{Deserialize, Deserializer};

use crate::scan;

/// A JSON library.
pub trait Json {
    /// Parses a trade frame.
    fn trade(frame: &[u8]) -> Option<Trade<'_>>;
    /// Parses a frame of the mix; the levels go into `levels`.
    fn event<'a>(frame: &'a [u8], levels: &mut Vec<(i64, i64)>) -> Option<scan::Event<'a>>;
}

#[derive(Debug, Deserialize)]
struct Combined<T> {
    data: T,
}

/// A decimal string as an integer in units of 10^-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scaled(pub i64);

impl<'de> Deserialize<'de> for Scaled {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <&str>::deserialize(deserializer)?;
        scaled(text).map(Self).ok_or_else(|| serde::de::Error::custom("not a decimal"))
    }
}

fn scaled(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let places = u32::try_from(fraction.len()).ok().filter(|places| *places <= 8)?;
    let fraction: i64 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    Some(whole.parse::<i64>().ok()? * 100_000_000 + fraction * 10i64.pow(8 - places))
}

/// A `trade` or `aggTrade`.
#[derive(Debug, Deserialize)]
pub struct Trade<'a> {
    /// The symbol.
    #[serde(rename = "s")]
    pub symbol: &'a str,
    /// The id.
    #[serde(alias = "t", alias = "a")]
    pub id: u64,
    /// The price.
    #[serde(rename = "p")]
    pub price: Scaled,
    /// The size.
    #[serde(rename = "q")]
    pub size: Scaled,
    /// The time of the trade.
    #[serde(rename = "T")]
    pub time: u64,
    /// Whether the buyer was the maker.
    #[serde(rename = "m")]
    pub maker: bool,
}

#[derive(Debug, Deserialize)]
struct Quote<'a> {
    #[serde(rename = "u")]
    id: u64,
    #[serde(rename = "s")]
    symbol: &'a str,
    #[serde(rename = "b")]
    bid: Scaled,
    #[serde(rename = "B")]
    bid_size: Scaled,
    #[serde(rename = "a")]
    ask: Scaled,
    #[serde(rename = "A")]
    ask_size: Scaled,
}

#[derive(Debug, Deserialize)]
struct Depth<'a> {
    #[serde(rename = "s")]
    symbol: &'a str,
    #[serde(rename = "U")]
    first: u64,
    #[serde(rename = "u")]
    last: u64,
    #[serde(rename = "b")]
    bids: Vec<(Scaled, Scaled)>,
    #[serde(rename = "a")]
    asks: Vec<(Scaled, Scaled)>,
}

impl<'a> Trade<'a> {
    /// In the words of the scan.
    pub const fn plain(&self) -> scan::Trade<'a> {
        scan::Trade {
            symbol: self.symbol.as_bytes(),
            id: self.id,
            price: self.price.0,
            size: self.size.0,
            time: self.time,
            maker: self.maker,
        }
    }
}

impl<'a> Quote<'a> {
    const fn plain(&self) -> scan::Quote<'a> {
        let (bid, ask) = ((self.bid.0, self.bid_size.0), (self.ask.0, self.ask_size.0));
        scan::Quote { symbol: self.symbol.as_bytes(), id: self.id, bid, ask }
    }
}

impl<'a> Depth<'a> {
    fn plain(&self, levels: &mut Vec<(i64, i64)>) -> scan::Depth<'a> {
        levels.clear();
        levels.extend(self.bids.iter().chain(&self.asks).map(|(price, size)| (price.0, size.0)));
        scan::Depth { symbol: self.symbol.as_bytes(), ids: (self.first, self.last), bids: self.bids.len() }
    }
}

macro_rules! events {
    ($library:ident, $stream:expr, $data:expr, $levels:expr) => {{
        let suffix = $stream.split_once('@')?.1;
        match suffix {
            "trade" | "aggTrade" => {
                Some(scan::Event::Trade($library::from_str::<Trade<'_>>($data).ok()?.plain()))
            }
            "bookTicker" => Some(scan::Event::Quote($library::from_str::<Quote<'_>>($data).ok()?.plain())),
            _ => Some(scan::Event::Depth($library::from_str::<Depth<'_>>($data).ok()?.plain($levels))),
        }
    }};
}

/// sonic-rs.
#[derive(Debug)]
pub struct Sonic;

impl Json for Sonic {
    fn trade(frame: &[u8]) -> Option<Trade<'_>> {
        sonic_rs::from_slice::<Combined<Trade<'_>>>(frame).ok().map(|combined| combined.data)
    }

    fn event<'a>(frame: &'a [u8], levels: &mut Vec<(i64, i64)>) -> Option<scan::Event<'a>> {
        #[derive(Deserialize)]
        struct Envelope<'a> {
            #[serde(borrow)]
            stream: &'a str,
            #[serde(borrow)]
            data: sonic_rs::LazyValue<'a>,
        }
        let envelope: Envelope<'_> = sonic_rs::from_slice(frame).ok()?;
        // The lazy value lends its text only for as long as itself, so the text is cut from the frame: it
        // ends before the last brace.
        let at = frame.len().checked_sub(envelope.data.as_raw_str().len() + 1)?;
        let data = std::str::from_utf8(frame.get(at..frame.len() - 1)?).ok()?;
        events!(sonic_rs, envelope.stream, data, levels)
    }
}

/// serde_json.
#[derive(Debug)]
pub struct Serde;

impl Json for Serde {
    fn trade(frame: &[u8]) -> Option<Trade<'_>> {
        serde_json::from_slice::<Combined<Trade<'_>>>(frame).ok().map(|combined| combined.data)
    }

    fn event<'a>(frame: &'a [u8], levels: &mut Vec<(i64, i64)>) -> Option<scan::Event<'a>> {
        #[derive(Deserialize)]
        struct Envelope<'a> {
            #[serde(borrow)]
            stream: &'a str,
            #[serde(borrow)]
            data: &'a serde_json::value::RawValue,
        }
        let envelope: Envelope<'a> = serde_json::from_slice(frame).ok()?;
        events!(serde_json, envelope.stream, envelope.data.get(), levels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixed;
    use crate::market::Market;

    #[test]
    fn the_scans_and_both_libraries_see_the_same() {
        let mut market = Market::new(1_723_161_255_208);
        let mut text = String::new();
        let mut lists: [Vec<(i64, i64)>; 4] = Default::default();
        let mut depths = 0;
        for _ in 0..3000 {
            text.clear();
            market.any(&mut text);
            let frame = text.as_bytes();
            let [ours, straight, sonic, serde] = &mut lists;
            let expected = Serde::event(frame, serde).expect("serde_json reads it");
            assert_eq!(scan::event(frame, ours), Some(expected), "{text}");
            assert_eq!(fixed::event(frame, straight), Some(expected), "{text}");
            assert_eq!(Sonic::event(frame, sonic), Some(expected), "{text}");
            if matches!(expected, scan::Event::Depth(_)) {
                depths += 1;
                assert_eq!(ours, serde);
                assert_eq!(straight, serde);
                assert_eq!(sonic, serde);
            }
        }
        assert!(depths > 100);
    }

    #[test]
    fn trades_by_the_short_way_are_the_same() {
        let mut market = Market::new(1_723_161_255_208);
        let mut text = String::new();
        market.trade(&mut text);
        let Some(scan::Event::Trade(expected)) = scan::event(text.as_bytes(), &mut Vec::new()) else {
            panic!("not a trade: {text}")
        };
        assert_eq!(Sonic::trade(text.as_bytes()).map(|trade| trade.plain()), Some(expected));
        assert_eq!(Serde::trade(text.as_bytes()).map(|trade| trade.plain()), Some(expected));
    }
}
