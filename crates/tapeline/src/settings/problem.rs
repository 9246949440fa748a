//! What is wrong with a configuration: every problem with its place, the key, what was expected there
//! and what stands there.

use std::fmt;
use std::path::Path;

use tapeline_core::data::topic::distance;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody gave it.
    Default,
    /// Nobody gave it, and its default would have contradicted the named key, so it follows that one.
    Follows(&'static str),
    /// A line and column (both from 1, columns in characters) of a file.
    File {
        /// The file as it was named.
        file: String,
        /// The line.
        line: usize,
        /// The column.
        column: usize,
    },
    /// An environment variable.
    Environment(String),
    /// A flag of the command line, as it was written.
    Flag(String),
}

impl Origin {
    /// Whether somebody gave the value.
    pub const fn is_given(&self) -> bool {
        !matches!(self, Self::Default | Self::Follows(_))
    }

    /// Whether both are places in the same line of a file.
    pub(crate) fn same_line(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::File { line, .. }, Self::File { line: there, .. }) => line == there,
            _ => false,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Follows(key) => write!(f, "default, follows {key}"),
            Self::File { file, line: 0, .. } => f.write_str(file),
            Self::File { file, line, column } => write!(f, "{file}:{line}:{column}"),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub origin: Origin,
    /// The key, as `section.key`; empty where the place already says it.
    pub key: String,
    /// What should stand there.
    pub expected: String,
    /// What stands there, shortened; never a secret.
    pub got: String,
    /// What to write instead, where that can be guessed.
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "expected {}, got {}", self.expected, self.got)?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

/// Everything that is wrong, in the order of the places. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

/// So many problems are told; a file that is no configuration at all would otherwise flood the screen.
const TOLD: usize = 50;

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().take(TOLD).enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        match self.0.len().saturating_sub(TOLD) {
            0 => Ok(()),
            more => write!(f, "\n… and {more} more"),
        }
    }
}

impl std::error::Error for Problems {}

/// The problem that a file cannot be read at all.
pub(crate) fn unreadable(file: &Path, expected: &str, got: impl fmt::Display) -> Problem {
    Problem {
        origin: Origin::File { file: file.display().to_string(), line: 0, column: 0 },
        key: String::new(),
        expected: expected.to_owned(),
        got: got.to_string(),
        hint: None,
    }
}

/// "did you mean …?" for the nearest of `known`, if any is near.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    // A word of a thousand letters is no typing error, and the distance is quadratic.
    if word.chars().count() > 64 {
        return None;
    }
    let lower = word.to_lowercase();
    let rated = known.into_iter().map(|name| (distance(&lower, &name.to_lowercase()), name));
    let (away, name) = rated.min_by_key(|(away, _)| *away)?;
    (away <= 1 + name.chars().count() / 4).then(|| format!("did you mean `{name}`?"))
}

/// Text as it may be shown in a message: one line, no control characters, at most 60 characters.
pub(crate) fn shown(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut out = String::new();
    for character in text.chars().take(LONGEST) {
        match character {
            '"' | '\'' | '\\' => out.push(character),
            _ => out.extend(character.escape_debug()),
        }
    }
    if text.chars().nth(LONGEST).is_some() {
        out.push('…');
    }
    out
}
