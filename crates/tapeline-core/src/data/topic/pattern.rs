//! Patterns: topics with `*` in them, which select existing topics and those that come later.

use std::fmt;

use super::{MAX_TOPIC, Topic, TopicError, grammar};
use crate::data::channel::Channel;

/// A selection of topics.
///
/// `*` stands for any run of characters inside the venue, the symbol or a parameter's value, or for
/// any channel. Parameters that a pattern does not name may have any value: `binance:candle:*` selects
/// the candles of all intervals, `binance:candle:*@interval=1m` those of one minute.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pattern {
    text: Box<str>,
    channel: Option<Channel>,
}

impl Pattern {
    /// Whether a text is meant as a pattern at all; a `*` that belongs to a symbol is written `%2A`.
    pub fn is_pattern(text: &str) -> bool {
        text.contains('*')
    }

    /// Reads `venue:channel:symbol[@key=value,…]` with `*` in it; aliases and shorthands as in topics.
    ///
    /// # Errors
    /// [`TopicError`] as for topics.
    pub fn parse(text: &str) -> Result<Self, TopicError> {
        if text.len() > MAX_TOPIC {
            return Err(TopicError::Length(text.len()));
        }
        let form = || TopicError::Form(text.to_owned());
        let mut parts = text.splitn(3, ':');
        let (Some(venue), Some(word), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(form());
        };
        let (symbol, params) = rest.split_once('@').map_or((rest, None), |(s, p)| (s, Some(p)));
        if !grammar::is_word(venue, b"-*") || symbol.is_empty() {
            return Err(form());
        }
        let (channel, implied) = match word {
            "*" => (None, None),
            word => grammar::channel(word, text).map(|(channel, implied)| (Some(channel), implied))?,
        };
        let mut pairs: Vec<(&str, String)> =
            implied.map(|(key, value)| (key, value.into_owned())).into_iter().collect();
        for part in params.into_iter().flat_map(|list| list.split(',')) {
            let (key, value) = part.split_once('=').filter(|(_, value)| value.contains('*')).map_or_else(
                || grammar::parameter(part, channel, text).map(|(key, value)| (key, value.into_owned())),
                |(key, value)| Ok((key, glob_escaped(value, text)?)),
            )?;
            pairs.push((key, value));
        }
        let pairs =
            grammar::sorted(pairs.into_iter().map(|(key, value)| (key, value.into())).collect(), text)?;
        let mut out =
            format!("{venue}:{}:{}", channel.map_or("*", Channel::name), glob_escaped(symbol, text)?);
        super::write_params(&pairs, &mut out);
        match out.len() {
            length if length > MAX_TOPIC => Err(TopicError::Length(length)),
            _ => Ok(Self { text: out.into_boxed_str(), channel }),
        }
    }

    /// The pattern in canonical form.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the pattern selects `topic`.
    pub fn matches(&self, topic: &Topic) -> bool {
        let mut parts = self.text.splitn(3, ':');
        let (venue, rest) = (parts.next().unwrap_or(""), parts.nth(1).unwrap_or(""));
        let (symbol, params) = rest.split_once('@').unwrap_or((rest, ""));
        let holds = |pair: &str| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            topic.param(key).is_some_and(|found| glob(value, found))
        };
        self.channel.is_none_or(|channel| channel == topic.channel())
            && glob(venue, topic.venue())
            && glob(symbol, topic.raw_symbol())
            && params.split(',').filter(|pair| !pair.is_empty()).all(holds)
    }
}

/// The canonical spelling of a text in which `*` is a wildcard: each piece between them on its own.
fn glob_escaped(text: &str, topic: &str) -> Result<String, TopicError> {
    let pieces: Result<Vec<_>, _> = text.split('*').map(|piece| grammar::escaped(piece, topic)).collect();
    Ok(pieces?.join("*"))
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
        // The first place is as good as any: what follows has the more room.
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    true
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Pattern {
    type Err = TopicError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}
