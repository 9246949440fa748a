//! Topics and the venue's names of streams, both ways.

use tapeline_core::data::channel::Channel;
use tapeline_core::data::topic::{Topic, TopicError};
use tapeline_core::scan::find;
use tapeline_core::venue::{Names, Route, TopicId};

use super::Market;
use super::profile::{SPOT_STREAM, USDM_MARKET, USDM_PUBLIC};

const INTERVALS: &[&str] =
    &["1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M"];
const LEVELS: &[&str] = &["5", "10", "20"];
const WINDOWS: &[&str] = &["1h", "4h", "1d"];
/// The only time zone besides UTC that candles can be aligned to.
const EAST_8: &str = "+08:00";
const ALL: &str = "!all";

/// The spelling of a topic that this adapter knows it by.
pub(super) fn canonical(market: Market, topic: Topic) -> Result<Topic, TopicError> {
    let ask = Ask { market, topic: &topic };
    ask.offered()?;
    let symbol = if topic.is_all() { ALL.to_owned() } else { ask.symbol()? };
    let params = ask.params()?;
    let canonical = topic.with(&symbol, &params)?;
    // Keeps the shared text where nothing had to change, which is the common case.
    Ok(if canonical == topic { topic } else { canonical })
}

/// One wish, being checked.
struct Ask<'a> {
    market: Market,
    topic: &'a Topic,
}

impl<'a> Ask<'a> {
    fn refuse<T>(&self, reason: impl Into<String>) -> Result<T, TopicError> {
        Err(TopicError::NotOffered {
            venue: self.market.id(),
            topic: self.topic.as_str().to_owned(),
            reason: reason.into(),
        })
    }

    /// Whether the market has such a stream at all.
    fn offered(&self) -> Result<(), TopicError> {
        use Channel::{
            AggTrade, AvgPrice, BlockTrade, Book, Candle, ContractInfo, Depth, IndexPrice, Liquidation,
            MarkPrice, MiniTicker, Quote, ReferencePrice, Ticker, Trade,
        };
        use Market::{Spot, UsdM};
        let id = self.market.id();
        match (self.market, self.topic.channel(), self.topic.is_all()) {
            (_, MiniTicker | Ticker, _) | (UsdM, Quote | MarkPrice | Liquidation, _) => Ok(()),
            (_, Trade | AggTrade | Quote | Book | Depth | Candle, false) => Ok(()),
            (Spot, BlockTrade | AvgPrice | ReferencePrice, false) | (UsdM, ContractInfo, true) => Ok(()),
            (UsdM, ContractInfo, false) => {
                self.refuse(format!("contracts are announced for all symbols at once; ask for {id}:contract_info:!all"))
            }
            (Spot, Quote, true) => self.refuse(format!(
                "the array of best prices was retired in 2022; ask for {id}:quote:SYMBOL or {id}:mini_ticker:!all"
            )),
            (Spot, MarkPrice | Liquidation | ContractInfo, _) => {
                self.refuse(format!("spot has no such stream; ask for binance-usdm:{}:…", self.topic.channel()))
            }
            (UsdM, BlockTrade | AvgPrice | ReferencePrice, _) => {
                self.refuse(format!("only spot has this stream; ask for binance:{}:…", self.topic.channel()))
            }
            (_, IndexPrice, _) => {
                self.refuse("there is no stream of it; binance-usdm:mark_price:SYMBOL carries the index behind the mark price")
            }
            (_, Book, true) => {
                self.refuse(format!("a book belongs to one symbol; ask for {id}:book:SYMBOL, or {id}:mini_ticker:!all for prices"))
            }
            (_, Trade | AggTrade | BlockTrade | Depth | Candle | AvgPrice | ReferencePrice, true) => self.refuse(format!(
                "there is no array of all symbols for this channel; name a symbol, or ask for {id}:mini_ticker:!all"
            )),
            _ => self.refuse(
                "this venue has trade, agg_trade, quote, ticker, mini_ticker, book, depth and candle; spot adds \
                 block_trade, avg_price and reference_price, USD-M adds mark_price, liquidation and contract_info",
            ),
        }
    }

    /// The symbol in the venue's spelling: `btcusdt`, `BTC/USDT`, `BTC-USDT`, `BTC_USDT` are `BTCUSDT`, and
    /// on USD-M `BTC/USDT:USDT-210625` is `BTCUSDT_210625`.
    fn symbol(&self) -> Result<String, TopicError> {
        let asked = self.topic.symbol();
        let (pair, delivery) = match (self.market, asked.split_once(':')) {
            (Market::Spot, _) | (_, None) => (asked.as_ref(), None),
            (_, Some((pair, settle))) => (pair, settle.split_once('-').map(|(_, date)| date)),
        };
        let mut parts = pair.split(['/', '-', '_']);
        let mut symbol: String = parts.next().unwrap_or("").to_uppercase();
        let mut delivery = delivery.map(str::to_owned);
        for part in parts {
            let is_date = part.len() == 6 && part.bytes().all(|byte| byte.is_ascii_digit());
            let is_contract = self.market == Market::UsdM && (is_date || part.eq_ignore_ascii_case("PERP"));
            if is_contract && delivery.is_none() {
                delivery = Some(part.to_uppercase());
            } else if part.is_empty() {
                return self.refuse("a symbol has letters on both sides of its separator, as in BTC/USDT");
            } else {
                symbol.push_str(&part.to_uppercase());
            }
        }
        if let Some(date) = delivery {
            symbol = format!("{symbol}_{date}");
        }
        // Symbols beyond ASCII exist, so letters of every script are let through.
        if symbol.is_empty() || !symbol.chars().all(|c| c.is_alphanumeric() || c == '_') {
            return self.refuse("a symbol is made of letters and digits, as in BTCUSDT");
        }
        Ok(symbol)
    }

    /// The parameters the stream needs, in canonical form.
    fn params(&self) -> Result<Vec<(&'static str, &'static str)>, TopicError> {
        let known: &[&str] = match self.topic.channel() {
            Channel::Candle => &["interval", "tz"],
            Channel::Depth => &["levels"],
            Channel::Ticker => &["window"],
            _ => &[],
        };
        if let Some((key, _)) = self.topic.params().find(|(key, _)| !known.contains(key)) {
            let takes = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return self.refuse(format!(
                "unknown parameter `{key}`; the channel {} takes: {takes}",
                self.topic.channel()
            ));
        }
        match self.topic.channel() {
            Channel::Candle => self.candle_params(),
            Channel::Depth => Ok(vec![("levels", self.one_of("levels", LEVELS)?.unwrap_or("20"))]),
            Channel::Ticker => self.ticker_params(),
            _ => Ok(Vec::new()),
        }
    }

    fn candle_params(&self) -> Result<Vec<(&'static str, &'static str)>, TopicError> {
        // USD-M has no candles of a second.
        let offered = if self.market == Market::Spot { INTERVALS } else { &INTERVALS[1..] };
        let Some(interval) = self.one_of("interval", offered)? else {
            return self.refuse(format!(
                "a candle needs its interval, for example @interval=1m; one of {}",
                offered.join(" ")
            ));
        };
        let mut params = vec![("interval", interval)];
        match self.topic.param("tz").map(|raw| raw.replace("%3A", ":").replace("%3a", ":")).as_deref() {
            None | Some("UTC" | "+00:00") => {}
            Some(EAST_8) if self.market == Market::Spot => params.push(("tz", EAST_8)),
            Some(_) => return self.refuse("candles are aligned to UTC, or on spot to `tz=+08%3A00`"),
        }
        Ok(params)
    }

    fn ticker_params(&self) -> Result<Vec<(&'static str, &'static str)>, TopicError> {
        let window = self.one_of("window", WINDOWS)?;
        match (self.market, window, self.topic.is_all()) {
            // The day is the default; a single symbol's has a richer stream of its own.
            (Market::UsdM, None | Some("1d"), _) | (Market::Spot, None | Some("1d"), false) => Ok(Vec::new()),
            (Market::UsdM, Some(_), _) => {
                self.refuse("USD-M has tickers of one day only; leave out the window")
            }
            (Market::Spot, None, true) => self.refuse(
                "`!ticker@arr` was retired in 2026; ask for binance:mini_ticker:!all, or for \
                 binance:ticker:!all@window=1d (or 4h, 1h)",
            ),
            (Market::Spot, Some(window), _) => Ok(vec![("window", window)]),
        }
    }

    /// The value of a parameter, if given, as the `'static` text of the list it must stand in.
    fn one_of(&self, key: &str, offered: &[&'static str]) -> Result<Option<&'static str>, TopicError> {
        let Some(given) = self.topic.param(key) else { return Ok(None) };
        match offered.iter().find(|word| **word == given) {
            Some(word) => Ok(Some(word)),
            None => self.refuse(format!("`{key}={given}` is not offered; one of {}", offered.join(" "))),
        }
    }
}

/// Which line carries a canonical topic, and under which name.
pub(super) fn route(market: Market, topic: &Topic) -> Result<Route, TopicError> {
    let ask = Ask { market, topic };
    ask.offered()?;
    let symbol = topic.symbol().to_lowercase();
    let param = |key| topic.param(key).unwrap_or("");
    let stream = match (topic.channel(), topic.is_all()) {
        (Channel::Trade, _) => format!("{symbol}@trade"),
        (Channel::AggTrade, _) => format!("{symbol}@aggTrade"),
        (Channel::BlockTrade, _) => format!("{symbol}@blockTrade"),
        (Channel::Quote, true) => "!bookTicker".to_owned(),
        (Channel::Quote, false) => format!("{symbol}@bookTicker"),
        (Channel::MiniTicker, true) => "!miniTicker@arr".to_owned(),
        (Channel::MiniTicker, false) => format!("{symbol}@miniTicker"),
        (Channel::Ticker, all) => match (topic.param("window"), all) {
            (None, true) => "!ticker@arr".to_owned(),
            (None, false) => format!("{symbol}@ticker"),
            (Some(window), true) => format!("!ticker_{window}@arr"),
            (Some(window), false) => format!("{symbol}@ticker_{window}"),
        },
        (Channel::Book, _) => format!("{symbol}@depth@100ms"),
        (Channel::Depth, _) => format!("{symbol}@depth{}@100ms", param("levels")),
        (Channel::Candle, _) => match topic.param("tz") {
            None => format!("{symbol}@kline_{}", param("interval")),
            Some(_) => format!("{symbol}@kline_{}@{EAST_8}", param("interval")),
        },
        (Channel::AvgPrice, _) => format!("{symbol}@avgPrice"),
        (Channel::ReferencePrice, _) => format!("{symbol}@referencePrice"),
        (Channel::MarkPrice, true) => "!markPrice@arr@1s".to_owned(),
        (Channel::MarkPrice, false) => format!("{symbol}@markPrice@1s"),
        (Channel::Liquidation, true) => "!forceOrder@arr".to_owned(),
        (Channel::Liquidation, false) => format!("{symbol}@forceOrder"),
        (Channel::ContractInfo, _) => "!contractInfo".to_owned(),
        _ => return ask.refuse("there is no such stream"),
    };
    let group = match (market, topic.channel()) {
        (Market::Spot, _) => SPOT_STREAM,
        (Market::UsdM, Channel::Trade | Channel::Quote | Channel::Book | Channel::Depth) => USDM_PUBLIC,
        (Market::UsdM, _) => USDM_MARKET,
    };
    Ok(Route { group, stream: stream.into_boxed_str() })
}

/// What a stream carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Trade,
    AggTrade,
    BlockTrade,
    Quote,
    Depth,
    PartialDepth,
    Candle,
    Ticker,
    MiniTicker,
    AvgPrice,
    ReferencePrice,
    MarkPrice,
    Liquidation,
    ContractInfo,
    Shutdown,
}

/// A stream's name, understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stream<'a> {
    /// As the venue writes it.
    pub(super) name: &'a [u8],
    pub(super) kind: Kind,
    /// The symbol in lower case; empty for arrays over all symbols.
    pub(super) symbol: &'a [u8],
    /// The event that its payloads name.
    pub(super) event: &'static [u8],
    /// A candle's interval; else empty.
    pub(super) interval: &'a [u8],
}

impl<'a> Stream<'a> {
    /// Understands a name; `None` for streams that this adapter never asks for.
    #[inline]
    pub(super) fn parse(name: &'a [u8]) -> Option<Self> {
        let at = find(name, b'@');
        if name.first() == Some(&b'!') {
            return Self::parse_array(name);
        }
        let (symbol, word) = (&name[..at?], &name[at? + 1..]);
        let (kind, event): (_, &'static [u8]) = match word {
            b"trade" => (Kind::Trade, b"trade"),
            b"bookTicker" => (Kind::Quote, b"bookTicker"),
            b"depth@100ms" | b"depth@0ms" | b"depth" | b"depth@250ms" | b"depth@500ms" => {
                (Kind::Depth, b"depthUpdate")
            }
            b"aggTrade" => (Kind::AggTrade, b"aggTrade"),
            _ => return Self::parse_rare(name, symbol, word),
        };
        Some(Stream { name, kind, symbol, event, interval: b"" })
    }

    fn parse_rare(name: &'a [u8], symbol: &'a [u8], word: &'a [u8]) -> Option<Self> {
        let (base, _speed) = match word.iter().position(|byte| *byte == b'@') {
            Some(at) => (&word[..at], &word[at + 1..]),
            None => (word, &b""[..]),
        };
        let mut interval: &[u8] = b"";
        let (kind, event): (_, &'static [u8]) = match base {
            b"blockTrade" => (Kind::BlockTrade, b"blockTrade"),
            b"depth5" | b"depth10" | b"depth20" => (Kind::PartialDepth, b"depthUpdate"),
            b"ticker" => (Kind::Ticker, b"24hrTicker"),
            b"ticker_1h" => (Kind::Ticker, b"1hTicker"),
            b"ticker_4h" => (Kind::Ticker, b"4hTicker"),
            b"ticker_1d" => (Kind::Ticker, b"1dTicker"),
            b"miniTicker" => (Kind::MiniTicker, b"24hrMiniTicker"),
            b"avgPrice" => (Kind::AvgPrice, b"avgPrice"),
            b"referencePrice" => (Kind::ReferencePrice, b"referencePrice"),
            b"markPrice" => (Kind::MarkPrice, b"markPriceUpdate"),
            b"forceOrder" => (Kind::Liquidation, b"forceOrder"),
            _ => {
                interval = base.strip_prefix(b"kline_")?;
                (Kind::Candle, b"kline")
            }
        };
        Some(Stream { name, kind, symbol, event, interval })
    }

    fn parse_array(name: &'a [u8]) -> Option<Self> {
        let (kind, event): (_, &'static [u8]) = match name {
            b"!miniTicker@arr" => (Kind::MiniTicker, b"24hrMiniTicker"),
            b"!ticker@arr" => (Kind::Ticker, b"24hrTicker"),
            b"!ticker_1h@arr" => (Kind::Ticker, b"1hTicker"),
            b"!ticker_4h@arr" => (Kind::Ticker, b"4hTicker"),
            b"!ticker_1d@arr" => (Kind::Ticker, b"1dTicker"),
            b"!markPrice@arr" | b"!markPrice@arr@1s" => (Kind::MarkPrice, b"markPriceUpdate"),
            b"!bookTicker" => (Kind::Quote, b"bookTicker"),
            b"!forceOrder@arr" => (Kind::Liquidation, b"forceOrder"),
            b"!contractInfo" => (Kind::ContractInfo, b"contractInfo"),
            b"!serverShutdown" => (Kind::Shutdown, b"serverShutdown"),
            _ => return None,
        };
        Some(Stream { name, kind, symbol: b"", event, interval: b"" })
    }

    /// Whether this stream is over all symbols.
    pub(super) fn is_array(&self) -> bool {
        self.symbol.is_empty()
    }

    /// The topic of this stream. The speeds of one stream are a family:
    /// the venue (or a recording) may name another than was asked for.
    #[inline]
    pub(super) fn topic(&self, names: &Names) -> Option<TopicId> {
        names.get(self.name).or_else(|| self.topic_of_family(names))
    }

    #[inline(never)]
    fn topic_of_family(&self, names: &Names) -> Option<TopicId> {
        let word = self.name.get(self.symbol.len()..)?;
        let base = match (self.kind, self.is_array()) {
            (Kind::Depth, false) => &b"@depth"[..],
            (Kind::PartialDepth, false) => match word.iter().skip(1).position(|byte| *byte == b'@') {
                Some(at) => &word[..=at],
                None => word,
            },
            (Kind::MarkPrice, false) => b"@markPrice",
            (Kind::MarkPrice, true) => b"!markPrice@arr",
            _ => return None,
        };
        let speed: &[u8] = if self.kind == Kind::MarkPrice { b"@1s" } else { b"@100ms" };
        let mut asked = [0u8; 96];
        let mut length = 0;
        for part in [self.symbol, base, speed] {
            asked.get_mut(length..length + part.len())?.copy_from_slice(part);
            length += part.len();
        }
        names.get(&asked[..length])
    }
}
