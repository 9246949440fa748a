//! A trouble as it is ordered, and the line of text that orders it.

use super::kinds::Kind;
use crate::names::family;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// One misbehaviour: what, where, when, how often. [`FromStr`] reads it from a line such as
/// `at 5s for 10s stall socket=1` or `drop stream=btcusdt@depth every=50`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What happens.
    pub kind: Kind,
    /// To whom.
    pub scope: Scope,
    /// How long after the order it begins.
    pub after: Duration,
    /// How long it lasts; `None` is until it is called off.
    pub lasts: Option<Duration>,
    /// Which of the frames, answers, replies or connects in its scope it strikes.
    pub when: When,
    /// How often it strikes at most.
    pub times: Option<u64>,
    /// A status or close code, for the kinds that have one.
    pub code: Option<u16>,
    /// An amount of time in milliseconds, for the kinds that have one.
    pub by_ms: Option<i64>,
}

/// Whom a trouble concerns; what is not given is not asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// The connection of this number.
    pub socket: Option<u64>,
    /// A stream, in any spelling of its family.
    pub stream: Option<String>,
    /// A symbol (`BTCUSDT`): its streams, its snapshots, its book.
    pub symbol: Option<String>,
    /// A host, as the request names it.
    pub host: Option<String>,
}

/// Which of the events in its scope a trouble strikes. Frames are counted from 1 for every stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// Every one.
    Always,
    /// Every n-th.
    Every(u64),
    /// Exactly these, the first being 1.
    At(Vec<u64>),
    /// About one in n, by the trouble's own seeded dice.
    OneIn {
        /// The mean distance between two strikes.
        n: u64,
        /// Equal seeds strike equal events.
        seed: u64,
    },
}

impl Trouble {
    /// A trouble for everybody, at once, always, until it is called off.
    pub const fn new(kind: Kind) -> Self {
        let scope = Scope { socket: None, stream: None, symbol: None, host: None };
        Self {
            kind,
            scope,
            after: Duration::ZERO,
            lasts: None,
            when: When::Always,
            times: None,
            code: None,
            by_ms: None,
        }
    }

    /// A trouble with some frames of a stream; `*` is every stream.
    pub fn on_stream(kind: Kind, stream: &str, when: When) -> Self {
        let stream = Some(stream.to_owned()).filter(|stream| stream != "*");
        Self { scope: Scope { stream, ..Scope::default() }, when, ..Self::new(kind) }
    }

    /// The amount of time that was given, or this many milliseconds.
    pub(crate) fn by(&self, usual_ms: i64) -> i64 {
        self.by_ms.unwrap_or(usual_ms)
    }

    /// The same in whole seconds, rounded up and never negative.
    pub(crate) fn seconds(&self, usual_ms: i64) -> u64 {
        self.by(usual_ms).unsigned_abs().div_ceil(1_000)
    }

    /// The same in nanoseconds, never negative.
    pub(crate) fn nanos(&self, usual_ms: i64) -> u64 {
        self.by(usual_ms).unsigned_abs().saturating_mul(1_000_000)
    }
}

impl Scope {
    /// Whether a stream (by canonical name) is meant.
    pub(crate) fn has_stream(&self, name: &str) -> bool {
        let symbol = name.split('@').next().unwrap_or("");
        self.stream.as_ref().is_none_or(|stream| family(stream) == family(name))
            && self.symbol.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(symbol))
    }

    pub(crate) fn has_symbol(&self, symbol: &str) -> bool {
        self.symbol.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(symbol))
    }

    /// Whether no socket is meant more than the others.
    pub(crate) const fn is_for_all_sockets(&self) -> bool {
        self.socket.is_none() && self.host.is_none()
    }

    pub(crate) fn has_socket(&self, socket: u64) -> bool {
        self.socket.is_none_or(|wanted| wanted == socket)
    }

    pub(crate) fn has_host(&self, host: &str) -> bool {
        self.host.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(host))
    }
}

/// Why a line orders no trouble.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadTrouble {
    /// No word of the line is a kind.
    #[error("the line names no kind of trouble; say `[at TIME] [for TIME] KIND [key=value]…`")]
    NoKind,
    /// A word that is no kind.
    #[error("\"{0}\" is no kind of trouble; did you mean \"{1}\"?")]
    Unknown(String, &'static str),
    /// A second kind, or anything else where `key=value` should be.
    #[error("\"{0}\" is no key=value; a line orders one kind of trouble")]
    Word(String),
    /// A key that no trouble has.
    #[error(
        "\"{0}\" is no key; the keys are socket, stream, symbol, host, every, nth, one-in, seed, times, code, by"
    )]
    Key(String),
    /// A value that its key does not take.
    #[error("\"{value}\" is no value for {key}: {wanted}")]
    Value {
        /// The key, or `at` or `for`.
        key: String,
        /// What stands there.
        value: String,
        /// What should stand there.
        wanted: &'static str,
    },
    /// A key or clause that stands twice.
    #[error("{0} stands twice")]
    Twice(String),
    /// Keys that exclude each other.
    #[error("every, nth and one-in exclude each other")]
    TwoCounts,
    /// `seed` is for dice only.
    #[error("seed needs one-in")]
    SeedAlone,
}

impl FromStr for Trouble {
    type Err = BadTrouble;

    fn from_str(line: &str) -> Result<Self, BadTrouble> {
        let mut words = line.split_whitespace();
        let (mut kind, mut seed, mut after) = (None, None, None);
        let mut seen: Vec<&str> = Vec::new();
        let mut trouble = Self::new(Kind::Stall);
        while let Some(word) = words.next() {
            let key = word.split('=').next().unwrap_or(word);
            if seen.contains(&key) {
                return Err(BadTrouble::Twice(key.to_owned()));
            }
            seen.push(key);
            match (word, word.split_once('=')) {
                ("at", _) => after = Some(time("at", words.next().unwrap_or(""))?),
                ("for", _) => trouble.lasts = Some(time("for", words.next().unwrap_or(""))?),
                (_, Some((key, value))) => trouble.set(key, value, &mut seed)?,
                _ if kind.is_none() => kind = Some(known(word)?),
                _ => return Err(BadTrouble::Word(word.to_owned())),
            }
        }
        trouble.kind = kind.ok_or(BadTrouble::NoKind)?;
        trouble.after = after.unwrap_or_default();
        match (&mut trouble.when, seed) {
            (When::OneIn { seed, .. }, Some(given)) => *seed = given,
            (_, Some(_)) => return Err(BadTrouble::SeedAlone),
            _ => {}
        }
        Ok(trouble)
    }
}

impl Trouble {
    fn set(&mut self, key: &str, value: &str, seed: &mut Option<u64>) -> Result<(), BadTrouble> {
        if matches!(key, "every" | "nth" | "one-in") && self.when != When::Always {
            return Err(BadTrouble::TwoCounts);
        }
        match key {
            "socket" => self.scope.socket = Some(number(key, value)?),
            "stream" => self.scope.stream = Some(value.to_owned()).filter(|name| name != "*"),
            "symbol" => self.scope.symbol = Some(value.to_owned()),
            "host" => self.scope.host = Some(value.to_owned()),
            "every" => self.when = When::Every(positive(key, value)?),
            "one-in" => self.when = When::OneIn { n: positive(key, value)?, seed: 0 },
            "nth" => {
                let places = value.split(',').map(|place| positive(key, place));
                self.when = When::At(places.collect::<Result<_, _>>()?);
            }
            "seed" => *seed = Some(number(key, value)?),
            "times" => self.times = Some(positive(key, value)?),
            "code" => {
                let code = u16::try_from(number(key, value)?);
                self.code = Some(code.map_err(|_| bad(key, value, "a number up to 65535"))?);
            }
            "by" => {
                let (sign, rest) = value.strip_prefix('-').map_or((1, value), |rest| (-1, rest));
                let ms = i64::try_from(time(key, rest)?.as_millis());
                self.by_ms = Some(sign * ms.map_err(|_| bad(key, value, TIME))?);
            }
            _ => return Err(BadTrouble::Key(key.to_owned())),
        }
        Ok(())
    }
}

const TIME: &str = "a time such as 250ms, 5s, 2m or 1h";

fn bad(key: &str, value: &str, wanted: &'static str) -> BadTrouble {
    BadTrouble::Value { key: key.to_owned(), value: value.to_owned(), wanted }
}

fn number(key: &str, value: &str) -> Result<u64, BadTrouble> {
    value.parse().map_err(|_| bad(key, value, "a whole number"))
}

fn positive(key: &str, value: &str) -> Result<u64, BadTrouble> {
    number(key, value).ok().filter(|n| *n > 0).ok_or_else(|| bad(key, value, "a whole number above 0"))
}

/// `250ms`, `1.5s`, `2m`, `1h`.
fn time(key: &str, text: &str) -> Result<Duration, BadTrouble> {
    let units = [("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3_600.0)];
    let read = units.iter().find_map(|(unit, seconds)| {
        let count: f64 = text.strip_suffix(unit)?.parse().ok()?;
        Duration::try_from_secs_f64(count * seconds).ok()
    });
    read.ok_or_else(|| bad(key, text, TIME))
}

fn known(word: &str) -> Result<Kind, BadTrouble> {
    word.parse().map_err(|_| {
        let nearest = Kind::ALL.iter().map(|kind| kind.name()).min_by_key(|name| distance(name, word));
        BadTrouble::Unknown(word.to_owned(), nearest.unwrap_or(""))
    })
}

/// How many letters have to be changed, added or left out.
pub(crate) fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.bytes().enumerate() {
            let change = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |time: &Duration| format!("{}ms", time.as_millis());
        let mut words: Vec<String> = Vec::new();
        if !self.after.is_zero() {
            words.push(format!("at {}", time(&self.after)));
        }
        words.extend(self.lasts.iter().map(|lasts| format!("for {}", time(lasts))));
        words.push(self.kind.to_string());
        words.extend(self.scope.socket.map(|socket| format!("socket={socket}")));
        let names =
            [("stream", &self.scope.stream), ("symbol", &self.scope.symbol), ("host", &self.scope.host)];
        words.extend(names.iter().filter_map(|(key, name)| Some(format!("{key}={}", name.as_ref()?))));
        match &self.when {
            When::Always => {}
            When::Every(n) => words.push(format!("every={n}")),
            When::OneIn { n, seed } => words.push(format!("one-in={n} seed={seed}")),
            When::At(places) => {
                let places: Vec<String> = places.iter().map(u64::to_string).collect();
                words.push(format!("nth={}", places.join(",")));
            }
        }
        words.extend(self.times.map(|times| format!("times={times}")));
        words.extend(self.code.map(|code| format!("code={code}")));
        words.extend(self.by_ms.map(|by| format!("by={by}ms")));
        f.write_str(&words.join(" "))
    }
}

/// A line of a script that orders no trouble.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct BadScript {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub why: BadTrouble,
}

/// Reads a script: one trouble a line; empty lines, and what follows a `#`, are left out.
///
/// # Errors
/// [`BadScript`], naming the first bad line.
pub fn parse_script(text: &str) -> Result<Vec<Trouble>, BadScript> {
    let orders = (1..).zip(text.lines().map(|line| line.split('#').next().unwrap_or("").trim()));
    orders
        .filter(|(_, line)| !line.is_empty())
        .map(|(number, line)| line.parse().map_err(|why| BadScript { line: number, why }))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_and_written_back() {
        let check = |line: &str, told: &str| {
            let trouble: Trouble = line.parse().unwrap_or_else(|error| panic!("{line}: {error}"));
            assert_eq!(trouble.to_string(), told);
            assert_eq!(told.parse(), Ok(trouble), "{told}");
        };
        check("at 5s for 10s stall socket=1", "at 5000ms for 10000ms stall socket=1");
        check("drop  stream=btcusdt@depth every=50", "drop stream=btcusdt@depth every=50");
        check("truncate stream=*", "truncate");
        check("close code=1012 times=2 nth=3,9", "close nth=3,9 times=2 code=1012");
        check("skew by=-2m symbol=BTCUSDT", "skew symbol=BTCUSDT by=-120000ms");
        check("swap seed=4 one-in=10", "swap one-in=10 seed=4");
        check("for 1.5s status host=a:1 code=502", "for 1500ms status host=a:1 code=502");
    }

    #[test]
    fn a_bad_line_is_named_with_what_is_wrong() {
        let check = |line: &str, expected: &str| {
            let error = parse_script(&format!("# a script\n\ndrop\n{line}")).unwrap_err().to_string();
            assert!(error.starts_with("line 4: ") && error.contains(expected), "{error}");
        };
        check("at soon stall", "\"soon\" is no value for at: a time such as 250ms");
        check("at 5s", "names no kind");
        check("stal socket=1", "did you mean \"stall\"?");
        check("stall reset", "\"reset\" is no key=value");
        check("stall socket=one", "a whole number");
        check("stall sokcet=1", "\"sokcet\" is no key");
        check("drop every=0", "above 0");
        check("drop every=2 nth=1", "exclude each other");
        check("drop seed=2", "seed needs one-in");
        check("drop every=2 every=3", "every stands twice");
        check("close code=70000", "up to 65535");
        check("for", "\"\" is no value for for");
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_script_or_told_why_not(
            words in proptest::collection::vec("(at|for|stall|every=|by=|code=|nth=|socket=|[0-9.,-]{1,9}(s|ms|h|)|[a-z=#]{0,6})", 0..8)
        ) {
            let line = words.join(" ");
            match parse_script(&line) {
                Ok(orders) => for order in orders {
                    // What was understood is understood again. Only times finer than a millisecond are lost.
                    let told: Trouble = order.to_string().parse().expect("the line is a line");
                    assert_eq!(told.to_string(), order.to_string());
                },
                Err(bad) => assert_eq!(bad.line, 1),
            }
        }
    }
}
