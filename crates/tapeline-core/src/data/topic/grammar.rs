//! The words of a topic: channels with their aliases, parameters with their shorthands, percent codes.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::TopicError;
use crate::data::channel::Channel;

/// The venues' own words for channels, accepted wherever a channel may stand.
const ALIASES: &[(&str, Channel)] = &[
    ("aggTrade", Channel::AggTrade),
    ("assetIndex", Channel::IndexPrice),
    ("avgPrice", Channel::AvgPrice),
    ("bars", Channel::Candle),
    ("bbo", Channel::Quote),
    ("blockTrade", Channel::BlockTrade),
    ("bookTicker", Channel::Quote),
    ("cancelErrors", Channel::Trade),
    ("candles", Channel::Candle),
    ("compositeIndex", Channel::IndexPrice),
    ("contractInfo", Channel::ContractInfo),
    ("corrections", Channel::Trade),
    ("forceOrder", Channel::Liquidation),
    ("imbalances", Channel::Imbalance),
    ("indexPrice", Channel::IndexPrice),
    ("kline", Channel::Candle),
    ("klines", Channel::Candle),
    ("lulds", Channel::Luld),
    ("markPrice", Channel::MarkPrice),
    ("miniTicker", Channel::MiniTicker),
    ("ohlcv", Channel::Candle),
    ("orderbook", Channel::Book),
    ("orderbooks", Channel::Book),
    ("quotes", Channel::Quote),
    ("referencePrice", Channel::ReferencePrice),
    ("statuses", Channel::Status),
    ("trades", Channel::Trade),
    ("trades_agg", Channel::AggTrade),
];

/// Words that hold a parameter: what follows the prefix is its value.
const PREFIXES: &[(&str, Channel, &str)] = &[
    ("kline_", Channel::Candle, "interval"),
    ("candle_", Channel::Candle, "interval"),
    ("ticker_", Channel::Ticker, "window"),
    ("depth", Channel::Depth, "levels"),
];

/// A parameter in canonical form.
pub(super) type Pair<'a> = (&'a str, Cow<'a, str>);

/// Whether `text` is a word of lower-case letters, digits and what `also` allows.
pub(super) fn is_word(text: &str, also: &[u8]) -> bool {
    !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || also.contains(&b))
}

/// The channel a word stands for, and the parameter it implies (`kline_1m` is a candle of `1m`).
pub(super) fn channel<'a>(word: &'a str, topic: &str) -> Result<(Channel, Option<Pair<'a>>), TopicError> {
    if let Some(channel) = Channel::from_name(word) {
        return Ok((channel, None));
    }
    if let Some((_, channel)) = ALIASES.iter().find(|(alias, _)| *alias == word) {
        return Ok((*channel, None));
    }
    for &(prefix, channel, key) in PREFIXES {
        // `depths` is a misspelt word, not a depth of `s` levels.
        let value = word.strip_prefix(prefix).filter(|v| channel != Channel::Depth || is_count(v));
        if let Some(value) = value {
            return Ok((channel, Some(checked(key, value, channel, word, topic)?)));
        }
    }
    Err(TopicError::Channel { topic: topic.to_owned(), channel: word.to_owned(), hint: hint(word) })
}

/// ", did you mean …?" if some channel or alias is near.
fn hint(word: &str) -> String {
    let known = Channel::all().map(Channel::name).chain(ALIASES.iter().map(|(alias, _)| *alias));
    // A word much longer than all known ones is near to none; the bound keeps the search cheap.
    let near = known.filter(|_| word.len() <= 32).map(|name| (distance(name, word), name)).min();
    match near {
        Some((steps, name)) if steps <= 3 && steps < word.chars().count() => {
            format!(", did you mean `{name}`?")
        }
        _ => String::new(),
    }
}

/// One `key=value`, or a shorthand: `1m` for a candle, `20` for a depth, `4h` for a ticker.
pub(super) fn parameter<'a>(
    part: &'a str,
    channel: Option<Channel>,
    topic: &str,
) -> Result<Pair<'a>, TopicError> {
    let (key, value) = match (part.split_once('='), channel) {
        (Some(pair), _) => pair,
        (None, Some(Channel::Candle)) => ("interval", part),
        (None, Some(Channel::Depth)) => ("levels", part),
        (None, Some(Channel::Ticker)) => ("window", part),
        (None, _) => return Err(wrong(part, topic, "key=value")),
    };
    if !is_word(key, b"_") {
        return Err(wrong(part, topic, "a key of lower-case letters, digits and `_`"));
    }
    match channel {
        Some(channel) => checked(key, value, channel, part, topic),
        None => Ok((key, escaped(value, topic)?)),
    }
}

/// A parameter whose value fits its key.
fn checked<'a>(
    key: &'a str,
    value: &'a str,
    channel: Channel,
    part: &str,
    topic: &str,
) -> Result<Pair<'a>, TopicError> {
    if value.is_empty() {
        return Err(wrong(part, topic, "a value"));
    }
    let levels = channel == Channel::Depth && key == "levels";
    if levels && !(is_count(value) && value.parse::<u16>().is_ok()) {
        return Err(wrong(part, topic, "a number of levels from 1 to 65535"));
    }
    Ok((key, escaped(value, topic)?))
}

/// Digits without a leading zero, so that every number has one spelling.
fn is_count(text: &str) -> bool {
    !text.starts_with('0') && !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn wrong(part: &str, topic: &str, expected: &'static str) -> TopicError {
    TopicError::Parameter { topic: topic.to_owned(), parameter: part.to_owned(), expected }
}

/// Sorts parameters by key and refuses a key that is given twice.
pub(super) fn sorted<'a>(mut pairs: Vec<Pair<'a>>, topic: &str) -> Result<Vec<Pair<'a>>, TopicError> {
    pairs.sort_unstable();
    match pairs.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        Some(twice) => Err(wrong(twice[1].0, topic, "each key at most once")),
        None => Ok(pairs),
    }
}

/// Whether a character must be written as percent codes inside a symbol or a value: what the grammar
/// uses itself, what makes a pattern, and what cannot be seen.
fn is_reserved(character: char) -> bool {
    matches!(character, ':' | '@' | ',' | '=' | '%' | '*') || character.is_control()
}

/// Percent-encodes what [`is_reserved`], byte by byte of its UTF-8, in upper case.
pub(super) fn encode(part: &str, out: &mut String) {
    for character in part.chars() {
        if is_reserved(character) {
            for byte in character.encode_utf8(&mut [0; 4]).bytes() {
                // Writing to a String cannot fail.
                let _ = write!(out, "%{byte:02X}");
            }
        } else {
            out.push(character);
        }
    }
}

/// Brings a symbol or value into its one spelling: codes in upper case, nothing encoded that need not be.
///
/// # Errors
/// [`TopicError::Symbol`] for a bare reserved character, a broken code, or codes that are not UTF-8.
pub(super) fn escaped<'a>(part: &'a str, topic: &str) -> Result<Cow<'a, str>, TopicError> {
    let bad = || TopicError::Symbol(topic.to_owned());
    if part.chars().any(|c| c != '%' && is_reserved(c)) {
        return Err(bad());
    }
    if !part.contains('%') {
        return Ok(Cow::Borrowed(part));
    }
    let mut out = String::with_capacity(part.len());
    encode(&decode(part).ok_or_else(bad)?, &mut out);
    Ok(Cow::Owned(out))
}

/// Resolves percent codes; `None` if one is broken or the result is not UTF-8.
pub(super) fn decode(part: &str) -> Option<Cow<'_, str>> {
    if !part.contains('%') {
        return Some(Cow::Borrowed(part));
    }
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        if byte == b'%' {
            let digit = |at: usize| char::from(*tail.get(at)?).to_digit(16);
            bytes.push((digit(0)? * 16 + digit(1)?) as u8);
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
