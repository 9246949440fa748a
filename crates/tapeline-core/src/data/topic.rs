//! Topics: what one subscribes to. `venue:channel:symbol[@key=value,…]`, keys sorted.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::Serialize;

use super::channel::Channel;

mod grammar;
mod pattern;
#[cfg(test)]
mod tests;

pub use grammar::distance;
pub use pattern::Pattern;

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
    #[error("bad symbol in `{0}`: write : @ , = % * and control characters as %XX")]
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
    /// A bound of the settings is reached.
    #[error("limit reached: at most {limit} {what}; unsubscribe some or raise the limit in the settings")]
    Limit {
        /// The bound.
        limit: usize,
        /// Of what.
        what: &'static str,
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
        if !grammar::is_word(venue, b"-") || symbol.is_empty() {
            return Err(form());
        }
        let symbol = grammar::escaped(symbol, text)?;
        let (channel, implied) = grammar::channel(word, text)?;
        let mut pairs: Vec<grammar::Pair<'_>> = implied.into_iter().collect();
        for part in params.into_iter().flat_map(|list| list.split(',')) {
            pairs.push(grammar::parameter(part, Some(channel), text)?);
        }
        Self::assemble(venue, channel, &symbol, &grammar::sorted(pairs, text)?)
    }

    /// Builds a topic from parts that are not encoded yet.
    ///
    /// # Errors
    /// As [`Topic::parse`].
    pub fn new(
        venue: &str,
        channel: Channel,
        symbol: &str,
        params: &[(&str, &str)],
    ) -> Result<Self, TopicError> {
        let mut text = format!("{venue}:{channel}:");
        grammar::encode(symbol, &mut text);
        for (index, (key, value)) in params.iter().enumerate() {
            text.push(if index == 0 { '@' } else { ',' });
            text.push_str(key);
            text.push('=');
            grammar::encode(value, &mut text);
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
        // Checked when the topic was made.
        grammar::decode(self.raw_symbol()).unwrap_or(Cow::Borrowed(self.raw_symbol()))
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

    fn assemble(
        venue: &str,
        channel: Channel,
        symbol: &str,
        pairs: &[grammar::Pair<'_>],
    ) -> Result<Self, TopicError> {
        let mut text = format!("{venue}:{channel}:{symbol}");
        let symbol_end = text.len();
        write_params(pairs, &mut text);
        // Writing out a shorthand lengthens the text, and what we say others must be able to say back.
        if text.len() > MAX_TOPIC {
            return Err(TopicError::Length(text.len()));
        }
        // At most MAX_TOPIC, so the casts lose nothing.
        Ok(Self(Arc::new(Inner {
            venue_end: venue.len() as u16,
            symbol_start: (symbol_end - symbol.len()) as u16,
            symbol_end: symbol_end as u16,
            channel,
            text: text.into_boxed_str(),
        })))
    }
}

fn write_params(pairs: &[grammar::Pair<'_>], out: &mut String) {
    for (index, (key, value)) in pairs.iter().enumerate() {
        out.push(if index == 0 { '@' } else { ',' });
        out.push_str(key);
        out.push('=');
        out.push_str(value);
    }
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
