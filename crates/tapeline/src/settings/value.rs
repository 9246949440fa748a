//! Values of settings: what a key may hold, how it is read from TOML and from plain text, and how it
//! is written back.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use tapeline_core::data::topic::Topic;
use tapeline_core::policy::rotation::Window;
use tapeline_core::venue::redacted;
use toml::de::DeValue;

use super::problem::shown;
use super::secret::Secret;
use super::unit::{format_duration, format_size, format_window, parse_duration, parse_size, parse_window};
use super::url::{self, Schemes};

/// What a key may hold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// A duration within bounds, both included.
    Duration(Duration, Duration),
    /// A whole number within bounds, both included.
    Count(u64, u64),
    /// A number of bytes within bounds, both included.
    Size(u64, u64),
    /// A number from 0 to 1.
    Share,
    /// Yes or no.
    Switch,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A span of every day, in UTC.
    Window,
    /// An IP address with a port.
    Address,
    /// A path; in a file it is relative to the file's folder.
    Path,
    /// Origins for WebSocket streams.
    Streams,
    /// Origins for REST.
    Rest,
    /// Origins of web pages.
    Pages,
    /// Host names, with a port or without.
    Hosts,
    /// A proxy's URL.
    Proxy,
    /// Topics.
    Topics,
    /// Topics, each with how often it comes, within these bounds.
    Periods(Duration, Duration),
    /// Text.
    Text,
    /// Text that is never shown; also accepted as the path of a file, under the key with `_file`.
    Secret,
}

/// A value that passed its kind.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "each variant holds what the kind of the same name describes")]
pub enum Value {
    Duration(Duration),
    Number(u64),
    Share(f64),
    Switch(bool),
    Choice(&'static str),
    Window(Option<Window>),
    Address(SocketAddr),
    Path(Option<PathBuf>),
    Text(Option<String>),
    Texts(Vec<String>),
    Topics(Vec<Topic>),
    Periods(BTreeMap<Topic, Duration>),
    Secret(Option<Secret>),
}

/// A value as it was given.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Given<'a> {
    /// A TOML value.
    Toml(&'a DeValue<'a>),
    /// Plain text of an environment variable or a flag.
    Plain(&'a str),
}

/// Why a value does not pass.
#[derive(Debug)]
pub(crate) struct Wrong {
    /// What should stand there.
    pub(crate) expected: String,
    /// What stands there.
    pub(crate) got: String,
    /// Where inside the value, if it is only a part.
    pub(crate) span: Option<Range<usize>>,
}

/// Most origins of one list.
const MOST_ORIGINS: usize = 16;
/// Most pages or hosts of one list.
const MOST_NAMES: usize = 256;
/// Most topics of one list.
const MOST_TOPICS: usize = 10_000;
/// The longest text.
const LONGEST_TEXT: usize = 4_096;

impl Kind {
    /// Reads a value; of a list everything that is wrong is told.
    pub(crate) fn read(self, given: Given<'_>) -> Result<Value, Vec<Wrong>> {
        match self {
            Self::Streams => self.texts(given, MOST_ORIGINS, |text| url::check_origin(text, url::STREAMS)),
            Self::Rest => self.texts(given, MOST_ORIGINS, |text| url::check_origin(text, url::REST)),
            Self::Pages => self.texts(given, MOST_NAMES, url::check_page),
            Self::Hosts => self.texts(given, MOST_NAMES, url::check_host),
            Self::Topics => self.topics(given),
            Self::Periods(least, most) => self.periods(given, least, most),
            _ => self.single(given).map_err(|wrong| vec![wrong]),
        }
    }

    /// A value that is no list.
    fn single(self, given: Given<'_>) -> Result<Value, Wrong> {
        match self {
            Self::Switch => given.switch().map(Value::Switch).ok_or_else(|| self.wrong(given)),
            Self::Count(..) | Self::Share => self.number(given),
            Self::Size(least, most) => {
                let size = given.integer().or_else(|| given.text().and_then(|text| parse_size(&text)));
                size.filter(|size| (least..=most).contains(size))
                    .map(Value::Number)
                    .ok_or_else(|| self.wrong(given))
            }
            _ => {
                let text = given.text().ok_or_else(|| self.wrong(given))?;
                self.scalar(text).map_err(|expected| Wrong { expected, ..self.wrong(given) })
            }
        }
    }

    /// A value written as one text; the error is what was expected.
    fn scalar(self, text: String) -> Result<Value, String> {
        if text.len() > LONGEST_TEXT {
            return Err(format!("at most {LONGEST_TEXT} bytes"));
        }
        let right = match self {
            Self::Duration(least, most) => {
                parse_duration(&text).filter(|d| (least..=most).contains(d)).map(Value::Duration)
            }
            Self::Choice(words) => words.iter().find(|word| **word == text).copied().map(Value::Choice),
            Self::Window => parse_window(&text).map(|window| Value::Window(Some(window))),
            Self::Address => text.parse().ok().map(Value::Address),
            Self::Proxy => return url::check_proxy(&text).map(|()| Value::Text(Some(text))),
            Self::Path if text.contains('\0') => None,
            Self::Path => (!text.is_empty()).then(|| Value::Path(Some(PathBuf::from(text)))),
            Self::Secret => (!text.is_empty()).then(|| Value::Secret(Some(Secret::new(text)))),
            _ => (!text.is_empty()).then_some(Value::Text(Some(text))),
        };
        right.ok_or_else(|| self.expected())
    }

    fn number(self, given: Given<'_>) -> Result<Value, Wrong> {
        let right = match self {
            Self::Count(least, most) => {
                given.integer().filter(|n| (least..=most).contains(n)).map(Value::Number)
            }
            _ => given.float().filter(|share| (0.0..=1.0).contains(share)).map(Value::Share),
        };
        right.ok_or_else(|| self.wrong(given))
    }

    fn texts(
        self,
        given: Given<'_>,
        most: usize,
        check: impl Fn(&str) -> Result<(), String>,
    ) -> Result<Value, Vec<Wrong>> {
        let mut seen = HashSet::new();
        self.each(given, most, |text| {
            check(text)?;
            if seen.insert(text.to_owned()) { Ok(text.to_owned()) } else { Err("each entry once".to_owned()) }
        })
        .map(Value::Texts)
    }

    fn topics(self, given: Given<'_>) -> Result<Value, Vec<Wrong>> {
        let mut seen = HashSet::new();
        self.each(given, MOST_TOPICS, |text| {
            let topic = topic(text)?;
            if seen.insert(topic.clone()) { Ok(topic) } else { Err("each topic once".to_owned()) }
        })
        .map(Value::Topics)
    }

    fn periods(self, given: Given<'_>, least: Duration, most: Duration) -> Result<Value, Vec<Wrong>> {
        let mut all = BTreeMap::new();
        self.each(given, MOST_TOPICS, |text| {
            let (name, every) =
                text.rsplit_once(' ').ok_or("a topic and, after a space, how often it comes")?;
            let topic = topic(name.trim_end())?;
            let every = parse_duration(every).filter(|every| (least..=most).contains(every));
            let every = every.ok_or_else(|| Self::Duration(least, most).expected())?;
            if all.insert(topic, every).is_none() { Ok(()) } else { Err("each topic once".to_owned()) }
        })?;
        Ok(Value::Periods(all))
    }

    /// Reads a list of texts, each through `read`, whose error is what was expected.
    fn each<T>(
        self,
        given: Given<'_>,
        most: usize,
        mut read: impl FnMut(&str) -> Result<T, String>,
    ) -> Result<Vec<T>, Vec<Wrong>> {
        let parsed;
        let list = match given {
            Given::Toml(value) => value,
            Given::Plain(text) => {
                // A list in the environment is written as in a file.
                parsed = DeValue::parse(text).map_err(|_| vec![self.wrong(given)])?;
                parsed.get_ref()
            }
        };
        let items = list.as_array().ok_or_else(|| vec![self.wrong(given)])?;
        if items.len() > most {
            let (expected, got) = (format!("at most {most} entries"), items.len().to_string());
            return Err(vec![Wrong { expected, got, span: None }]);
        }
        let mut one = |item: &toml::Spanned<DeValue<'_>>| {
            let span = matches!(given, Given::Toml(_)).then(|| item.span());
            let wrong = |expected| Wrong { expected, got: self.got(item.get_ref()), span };
            match item.get_ref().as_str() {
                Some(text) if text.len() <= LONGEST_TEXT => read(text).map_err(wrong),
                _ => Err(wrong(self.expected())),
            }
        };
        let (mut right, mut wrong) = (Vec::with_capacity(items.len()), Vec::new());
        for item in items {
            match one(item) {
                Ok(entry) => right.push(entry),
                Err(entry) => wrong.push(entry),
            }
        }
        if wrong.is_empty() { Ok(right) } else { Err(wrong) }
    }

    fn wrong(self, given: Given<'_>) -> Wrong {
        let got = match given {
            Given::Toml(value) => self.got(value),
            Given::Plain("") => "an empty text".to_owned(),
            Given::Plain(_) if self == Self::Secret => "something else".to_owned(),
            Given::Plain(text) => format!("\"{}\"", shown(&redact(text))),
        };
        Wrong { expected: self.expected(), got, span: None }
    }

    /// How a TOML value is named in a message. Secrets are told by their type only.
    fn got(self, value: &DeValue<'_>) -> String {
        match value {
            DeValue::String(text) if text.is_empty() => "an empty text".to_owned(),
            DeValue::String(_) if self == Self::Secret => "another text".to_owned(),
            DeValue::String(text) => format!("\"{}\"", shown(&redact(text))),
            DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_)
                if self == Self::Secret =>
            {
                "another type".to_owned()
            }
            DeValue::Integer(number) => format!("the number {}", shown(&number.to_string())),
            DeValue::Float(number) => format!("the number {}", shown(&number.to_string())),
            DeValue::Boolean(word) => format!("the word {word}"),
            DeValue::Datetime(_) => "a date".to_owned(),
            DeValue::Array(items) if items.is_empty() => "an empty list".to_owned(),
            DeValue::Array(_) => "a list".to_owned(),
            DeValue::Table(_) => "a table".to_owned(),
        }
    }

    /// What should stand there.
    pub(crate) fn expected(self) -> String {
        let origins = |Schemes { example, secure, .. }: Schemes| {
            format!("a list of {secure}:// origins, for example [\"{example}\"]")
        };
        match self {
            Self::Duration(least, most) => {
                let (least, most) = (format_duration(least), format_duration(most));
                format!("a duration from \"{least}\" to \"{most}\", for example \"30s\" or \"23h50m\"")
            }
            Self::Count(least, most) => format!("a whole number from {least} to {most}"),
            Self::Size(least, most) => {
                let (least, most) = (format_size(least), format_size(most));
                format!("a size from \"{least}\" to \"{most}\", for example \"64KiB\"")
            }
            Self::Share => "a number from 0.0 to 1.0".to_owned(),
            Self::Switch => "true or false".to_owned(),
            Self::Choice(words) => format!("one of {}", words.join(", ")),
            Self::Pages => {
                "a list of origins of web pages, for example [\"https://app.example.com\"]".to_owned()
            }
            Self::Hosts => "a list of host names, for example [\"feed.example.com\"]".to_owned(),
            Self::Address => "an IP address with a port, for example \"127.0.0.1:8480\"".to_owned(),
            Self::Window => "a span of the day in UTC, for example \"02:00-04:00\"".to_owned(),
            Self::Path => "a path".to_owned(),
            Self::Streams => origins(url::STREAMS),
            Self::Rest => origins(url::REST),
            Self::Proxy => "a proxy URL such as \"http://proxy:3128\" or \"socks5h://proxy:1080\"".to_owned(),
            Self::Topics => "a list of topics, for example [\"binance:book:BTCUSDT\"]".to_owned(),
            Self::Periods(..) => {
                "a list of topics, each with how often it comes, for example [\"binance:trade:BTCUSDT 10s\"]"
                    .to_owned()
            }
            Self::Text | Self::Secret => "a text that is not empty".to_owned(),
        }
    }
}

/// One topic; the error is what was expected.
fn topic(text: &str) -> Result<Topic, String> {
    if text.contains('*') {
        return Err("topics, not patterns".to_owned());
    }
    Topic::parse(text).map_err(|error| format!("a topic ({error})"))
}

/// Text without what may be a password or a key: the user part and the query of anything like a URL.
fn redact(text: &str) -> Cow<'_, str> {
    if text.contains("://") {
        return redacted(text);
    }
    match text.rsplit_once('@') {
        Some((before, host)) if before.contains(':') && !before.starts_with("binance") => {
            format!("…@{host}").into()
        }
        _ => text.into(),
    }
}

impl Given<'_> {
    /// The text, if it is one; in the environment also in TOML's quotes.
    fn text(self) -> Option<String> {
        match self {
            Self::Toml(value) => value.as_str().map(str::to_owned),
            Self::Plain(text) if text.starts_with(['"', '\'']) => {
                DeValue::parse(text).ok()?.get_ref().as_str().map(str::to_owned)
            }
            Self::Plain(text) => Some(text.to_owned()),
        }
    }

    fn integer(self) -> Option<u64> {
        match self {
            Self::Toml(DeValue::Integer(number)) => u64::from_str_radix(number.as_str(), number.radix()).ok(),
            Self::Toml(_) => None,
            Self::Plain(text) => {
                let digits = text.bytes().all(|byte| byte.is_ascii_digit());
                if digits { text.parse().ok() } else { None }
            }
        }
    }

    fn switch(self) -> Option<bool> {
        match self {
            Self::Toml(value) => value.as_bool(),
            Self::Plain(text) => text.parse().ok(),
        }
    }

    fn float(self) -> Option<f64> {
        match self {
            Self::Toml(DeValue::Float(number)) => number.as_str().parse().ok(),
            Self::Toml(DeValue::Integer(number)) if number.radix() == 10 => number.as_str().parse().ok(),
            Self::Toml(_) => None,
            Self::Plain(text) => text.parse().ok(),
        }
    }
}

impl Value {
    /// Whether it must not be shown: a secret, or a proxy's URL with a user in it.
    pub(crate) fn is_hidden(&self, kind: Kind) -> bool {
        match self {
            Self::Secret(secret) => secret.is_some(),
            Self::Text(Some(text)) => kind == Kind::Proxy && text.contains('@'),
            _ => false,
        }
    }

    /// The value in TOML, or `None` for what is not set and for secrets.
    pub(crate) fn to_toml(&self, kind: Kind) -> Option<String> {
        let quoted = |text: &str| toml::Value::from(text).to_string();
        let list = |items: &mut dyn Iterator<Item = &str>| {
            Some(format!("[{}]", items.map(quoted).collect::<Vec<_>>().join(", ")))
        };
        match self {
            Self::Duration(duration) => Some(quoted(&format_duration(*duration))),
            Self::Number(number) if matches!(kind, Kind::Size(..)) => Some(quoted(&format_size(*number))),
            Self::Number(number) => Some(number.to_string()),
            Self::Share(share) => Some(format!("{share:?}")),
            Self::Switch(on) => Some(on.to_string()),
            Self::Choice(word) => Some(quoted(word)),
            Self::Window(window) => window.map(|window| quoted(&format_window(window))),
            Self::Address(address) => Some(quoted(&address.to_string())),
            Self::Path(path) => path.as_ref().map(|path| quoted(&path.to_string_lossy())),
            Self::Text(text) => text.as_deref().map(quoted),
            Self::Texts(texts) => list(&mut texts.iter().map(String::as_str)),
            Self::Topics(topics) => list(&mut topics.iter().map(Topic::as_str)),
            Self::Periods(all) => {
                let each =
                    |(topic, every): (&Topic, &Duration)| format!("{topic} {}", format_duration(*every));
                let all: Vec<String> = all.iter().map(each).collect();
                list(&mut all.iter().map(String::as_str))
            }
            Self::Secret(_) => None,
        }
    }
}

/// A field of the settings that can hold a [`Value`].
pub(crate) trait Field {
    /// The field as a value.
    fn value(&self) -> Value;
    /// Takes a value of the field's own kind; any other is left alone.
    fn assign(&mut self, value: Value);
}

macro_rules! field {
    ($($type:ty, $variant:ident;)*) => {$(
        impl Field for $type {
            fn value(&self) -> Value {
                Value::$variant(Clone::clone(self))
            }
            fn assign(&mut self, value: Value) {
                if let Value::$variant(inner) = value {
                    *self = inner;
                }
            }
        }
    )*};
}

field! {
    Duration, Duration;
    u64, Number;
    f64, Share;
    bool, Switch;
    &'static str, Choice;
    Option<Window>, Window;
    SocketAddr, Address;
    Option<PathBuf>, Path;
    Option<String>, Text;
    Vec<String>, Texts;
    Vec<Topic>, Topics;
    BTreeMap<Topic, Duration>, Periods;
    Option<Secret>, Secret;
}

macro_rules! number {
    ($($type:ty)*) => {$(
        impl Field for $type {
            fn value(&self) -> Value {
                Value::Number(u64::try_from(*self).unwrap_or(u64::MAX))
            }
            fn assign(&mut self, value: Value) {
                // The bounds of the key keep every number inside the type.
                if let Value::Number(number) = value {
                    *self = Self::try_from(number).unwrap_or(Self::MAX);
                }
            }
        }
    )*};
}

number! { usize u32 u8 }
