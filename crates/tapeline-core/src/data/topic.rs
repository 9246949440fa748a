//! Topics: what one subscribes to. `venue:channel:symbol[@key=value,…]`, keys sorted.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::Serialize;

use super::channel::Channel;

/// The longest topic text accepted, in bytes.
pub const MAX_TOPIC: usize = 256;

/// A canonical topic. Cloning shares the text.
#[derive(Clone)]
pub struct Topic(Arc<Inner>);

struct Inner {
    text: Box<str>,
    venue_end: u16,
    symbol_start: u16,
    symbol_end: u16,
    channel: Channel,
}

/// Why a text is no topic. The message says what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TopicError {
    /// The three parts are not there.
    #[error("topic `{0}` is not of the form venue:channel:symbol, for example binance:trade:BTCUSDT")]
    Form(String),
    /// The channel is not known.
    #[error("unknown channel `{channel}` in `{topic}`{hint}")]
    Channel {
        /// The whole text.
        topic: String,
        /// The word that stands where a channel should.
        channel: String,
        /// ", did you mean …?" or nothing.
        hint: String,
    },
    /// A parameter is malformed, unknown or given twice.
    #[error("bad parameter `{parameter}` in `{topic}`: expected {expected}")]
    Parameter {
        /// The whole text.
        topic: String,
        /// The offending part.
        parameter: String,
        /// What would be right.
        expected: &'static str,
    },
    /// A character that must be percent-encoded, or a broken percent code.
    #[error("bad symbol in `{0}`: write : @ , = % and control characters as %XX")]
    Symbol(String),
    /// Longer than [`MAX_TOPIC`].
    #[error("topic is {0} bytes long; at most 256 are allowed")]
    Length(usize),
    /// The venue does not carry this.
    #[error("{venue} does not offer `{topic}`: {reason}")]
    NotOffered {
        /// The venue's id.
        venue: &'static str,
        /// The whole topic.
        topic: String,
        /// Why not, and what to ask for instead.
        reason: String,
    },
    /// No such venue is known or configured.
    #[error("unknown venue `{venue}`; known venues: {known}")]
    Venue {
        /// The word that stands where a venue should.
        venue: String,
        /// What could stand there.
        known: String,
    },
}

impl Topic {
    /// Reads a topic in any accepted spelling and brings it into canonical form: channel aliases of
    /// the venues (`bookTicker`, `kline_1m`, `depth20`), shorthands (`@1m`, `@20`), sorted keys.
    /// The symbol keeps its case; only the venue's adapter knows better.
    ///
    /// # Errors
    /// [`TopicError`] names the part that is wrong and what is expected there.
    pub fn parse(text: &str) -> Result<Self, TopicError> {
        if text.len() > MAX_TOPIC {
            return Err(TopicError::Length(text.len()));
        }
        let form = || TopicError::Form(text.to_owned());
        let (venue, rest) = text.split_once(':').ok_or_else(form)?;
        let (word, rest) = rest.split_once(':').ok_or_else(form)?;
        let (symbol, params) = match rest.split_once('@') {
            Some((symbol, params)) => (symbol, Some(params)),
            None => (rest, None),
        };
        if !is_word(venue, b"-") || symbol.is_empty() {
            return Err(form());
        }
        check_encoded(symbol, text)?;
        let (channel, implied) = channel_of(word, text)?;
        let mut pairs: Vec<(&str, &str)> = implied.into_iter().collect();
        for part in params.into_iter().flat_map(|list| list.split(',')) {
            pairs.push(parameter(part, channel, text)?);
        }
        pairs.sort_unstable();
        if let Some(twice) = pairs.windows(2).find(|w| w[0].0 == w[1].0) {
            return Err(TopicError::Parameter {
                topic: text.to_owned(),
                parameter: twice[1].0.to_owned(),
                expected: "each key at most once",
            });
        }
        Ok(Self::assemble(venue, channel, symbol, &pairs))
    }

    /// Builds a topic from parts that are not encoded yet.
    ///
    /// # Errors
    /// As [`Topic::parse`].
    pub fn new(venue: &str, channel: Channel, symbol: &str, params: &[(&str, &str)]) -> Result<Self, TopicError> {
        let mut text = format!("{venue}:{channel}:");
        encode(symbol, &mut text);
        for (index, (key, value)) in params.iter().enumerate() {
            text.push(if index == 0 { '@' } else { ',' });
            let _ = write!(text, "{key}=");
            encode(value, &mut text);
        }
        Self::parse(&text)
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// The venue's id.
    pub fn venue(&self) -> &str {
        &self.0.text[..usize::from(self.0.venue_end)]
    }

    /// What it carries.
    pub fn channel(&self) -> Channel {
        self.0.channel
    }

    /// The symbol as the venue writes it, percent codes resolved.
    pub fn symbol(&self) -> Cow<'_, str> {
        decode(self.raw_symbol())
    }

    /// The symbol as it stands in the topic.
    pub fn raw_symbol(&self) -> &str {
        &self.0.text[usize::from(self.0.symbol_start)..usize::from(self.0.symbol_end)]
    }

    /// Whether this is the venue's array over all symbols (`!all`).
    pub fn is_all(&self) -> bool {
        self.raw_symbol() == "!all"
    }

    /// The parameters, keys sorted, values as they stand in the topic.
    pub fn params(&self) -> impl Iterator<Item = (&str, &str)> {
        let rest = self.0.text.get(usize::from(self.0.symbol_end) + 1..).unwrap_or("");
        rest.split(',').filter_map(|pair| pair.split_once('='))
    }

    /// The value of one parameter.
    pub fn param(&self, key: &str) -> Option<&str> {
        self.params().find(|(k, _)| *k == key).map(|(_, value)| value)
    }

    /// The same topic with another symbol (not yet encoded) and other parameters: for adapters that
    /// bring a venue's spellings into one form.
    ///
    /// # Errors
    /// As [`Topic::parse`].
    pub fn with(&self, symbol: &str, params: &[(&str, &str)]) -> Result<Self, TopicError> {
        Self::new(self.venue(), self.channel(), symbol, params)
    }

    fn assemble(venue: &str, channel: Channel, symbol: &str, pairs: &[(&str, &str)]) -> Self {
        let mut text = format!("{venue}:{channel}:{symbol}");
        let symbol_end = text.len();
        for (index, (key, value)) in pairs.iter().enumerate() {
            let mark = if index == 0 { '@' } else { ',' };
            // Writing to a String cannot fail.
            let _ = write!(text, "{mark}{key}={value}");
        }
        // The parts are cut from a text of at most MAX_TOPIC bytes, so the casts lose nothing.
        Self(Arc::new(Inner {
            venue_end: venue.len() as u16,
            symbol_start: (symbol_end - symbol.len()) as u16,
            symbol_end: symbol_end as u16,
            channel,
            text: text.into_boxed_str(),
        }))
    }
}

fn is_word(text: &str, also: &[u8]) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || also.contains(&b))
}

/// The channel a word stands for, and the parameter it implies (`kline_1m` is a candle of `1m`).
fn channel_of<'a>(word: &'a str, text: &str) -> Result<(Channel, Option<(&'static str, &'a str)>), TopicError> {
    if let Some(channel) = Channel::from_name(word) {
        return Ok((channel, None));
    }
    let plain = |channel| Ok((channel, None));
    match word {
        "aggTrade" | "trades_agg" => return plain(Channel::AggTrade),
        "trades" => return plain(Channel::Trade),
        "blockTrade" => return plain(Channel::BlockTrade),
        "bookTicker" | "quotes" | "bbo" => return plain(Channel::Quote),
        "miniTicker" => return plain(Channel::MiniTicker),
        "avgPrice" => return plain(Channel::AvgPrice),
        "referencePrice" => return plain(Channel::ReferencePrice),
        "markPrice" => return plain(Channel::MarkPrice),
        "indexPrice" => return plain(Channel::IndexPrice),
        "forceOrder" => return plain(Channel::Liquidation),
        "contractInfo" => return plain(Channel::ContractInfo),
        "orderbook" | "orderbooks" => return plain(Channel::Book),
        "candles" | "kline" | "klines" | "bars" | "ohlcv" => return plain(Channel::Candle),
        _ => {}
    }
    if let Some(interval) = word.strip_prefix("kline_").or_else(|| word.strip_prefix("candle_")) {
        return Ok((Channel::Candle, Some(("interval", interval))));
    }
    if let Some(window) = word.strip_prefix("ticker_") {
        return Ok((Channel::Ticker, Some(("window", window))));
    }
    if let Some(levels) = word.strip_prefix("depth").filter(|l| !l.is_empty() && l.bytes().all(|b| b.is_ascii_digit())) {
        return Ok((Channel::Depth, Some(("levels", levels))));
    }
    let near = Channel::all().map(Channel::name).min_by_key(|name| distance(name, word));
    let hint = near.filter(|name| distance(name, word) <= 3).map_or(String::new(), |n| format!(", did you mean `{n}`?"));
    Err(TopicError::Channel { topic: text.to_owned(), channel: word.to_owned(), hint })
}

/// One `key=value`, or a shorthand: `1m` for a candle, `20` for a depth, `4h` for a ticker.
fn parameter<'a>(part: &'a str, channel: Channel, text: &str) -> Result<(&'a str, &'a str), TopicError> {
    let wrong = |expected| TopicError::Parameter { topic: text.to_owned(), parameter: part.to_owned(), expected };
    let (key, value) = match part.split_once('=') {
        Some(pair) => pair,
        None => match channel {
            Channel::Candle => ("interval", part),
            Channel::Depth => ("levels", part),
            Channel::Ticker => ("window", part),
            _ => return Err(wrong("key=value")),
        },
    };
    if !is_word(key, b"_") {
        return Err(wrong("a key of lower-case letters"));
    }
    if value.is_empty() {
        return Err(wrong("a value"));
    }
    check_encoded(value, text)?;
    match (channel, key) {
        (Channel::Depth, "levels") if value.parse::<u16>().map_or(true, |n| n == 0) => {
            Err(wrong("a number of levels from 1 to 65535"))
        }
        _ => Ok((key, value)),
    }
}

/// A symbol or value holds no bare reserved character and only whole percent codes of UTF-8.
fn check_encoded(part: &str, text: &str) -> Result<(), TopicError> {
    let bytes = part.as_bytes();
    let bad = || TopicError::Symbol(text.to_owned());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'%' => {
                let code = bytes.get(at + 1..at + 3).ok_or_else(bad)?;
                if !code.iter().all(u8::is_ascii_hexdigit) {
                    return Err(bad());
                }
                at += 3;
            }
            b':' | b'@' | b',' | b'=' | b' ' => return Err(bad()),
            _ if byte.is_ascii_control() => return Err(bad()),
            _ => at += 1,
        }
    }
    match percent_decode(part) {
        Some(_) => Ok(()),
        None => Err(bad()),
    }
}

/// Percent-encodes what the grammar reserves.
fn encode(part: &str, out: &mut String) {
    for character in part.chars() {
        if matches!(character, ':' | '@' | ',' | '=' | '%' | ' ') || character.is_ascii_control() {
            let _ = write!(out, "%{:02X}", u32::from(character));
        } else {
            out.push(character);
        }
    }
}

fn decode(part: &str) -> Cow<'_, str> {
    // Checked when the topic was made.
    percent_decode(part).unwrap_or(Cow::Borrowed(part))
}

fn percent_decode(part: &str) -> Option<Cow<'_, str>> {
    if !part.contains('%') {
        return Some(Cow::Borrowed(part));
    }
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        if byte == b'%' {
            let code = std::str::from_utf8(tail.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(code, 16).ok()?);
            rest = &tail[2..];
        } else {
            bytes.push(byte);
            rest = tail;
        }
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

/// Edit distance, for "did you mean".
pub fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, cb) in b.chars().enumerate() {
            let replaced = corner + usize::from(ca != cb);
            corner = row[j + 1];
            row[j + 1] = replaced.min(corner + 1).min(row[j] + 1);
        }
    }
    row[row.len() - 1]
}

/// A topic with `*` in place of the channel or the symbol (or at the end of the symbol).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pattern {
    text: Box<str>,
}

impl Pattern {
    /// Whether a text is meant as a pattern at all.
    pub fn is_pattern(text: &str) -> bool {
        text.contains('*')
    }

    /// Reads `venue:channel:symbol` where channel and symbol may be `*` and a symbol may end in `*`.
    ///
    /// # Errors
    /// [`TopicError`] as for topics.
    pub fn parse(text: &str) -> Result<Self, TopicError> {
        if text.len() > MAX_TOPIC {
            return Err(TopicError::Length(text.len()));
        }
        let form = || TopicError::Form(text.to_owned());
        let (venue, rest) = text.split_once(':').ok_or_else(form)?;
        let (channel, symbol) = rest.split_once(':').ok_or_else(form)?;
        if !is_word(venue, b"-*") || symbol.is_empty() {
            return Err(form());
        }
        let channel = if channel == "*" { "*" } else { channel_of(channel, text)?.0.name() };
        Ok(Self { text: format!("{venue}:{channel}:{symbol}").into_boxed_str() })
    }

    /// The pattern in canonical form.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the pattern selects `topic`; `*` stands for any run of characters inside one part.
    pub fn matches(&self, topic: &Topic) -> bool {
        let mut parts = self.text.splitn(3, ':');
        let mut part = || parts.next().unwrap_or("");
        let rest = &topic.as_str()[usize::from(topic.0.symbol_start)..];
        glob(part(), topic.venue()) && glob(part(), topic.channel().name()) && glob(part(), rest)
    }
}

/// Whether `text` matches `pattern`, in which `*` is any run of characters.
fn glob(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let first = pieces.next().unwrap_or("");
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut pieces = pieces.peekable();
    if pieces.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            return rest.ends_with(piece);
        }
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    true
}

impl PartialEq for Topic {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.as_str() == other.as_str()
    }
}
impl Eq for Topic {}

impl PartialOrd for Topic {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Topic {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl Hash for Topic {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Topic {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl std::str::FromStr for Topic {
    type Err = TopicError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}
