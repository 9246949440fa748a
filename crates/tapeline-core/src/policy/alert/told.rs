//! Alerts as others see them: one that is listed, and a notification that goes out.

use serde::Serialize;

use super::causes::{Kind, Rule};
use crate::data::update::Level;
use crate::time::Unix;

/// What an alert is about: a part of a venue, a venue (no part), or this process (no venue).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject<'a> {
    /// The venue's id; empty for the process.
    pub venue: &'a str,
    /// A topic, a line, an endpoint; empty for the venue itself.
    pub part: &'a str,
}

impl<'a> Subject<'a> {
    /// This process.
    pub const PROCESS: Self = Self { venue: "", part: "" };

    /// A venue.
    pub const fn venue(venue: &'a str) -> Self {
        Self { venue, part: "" }
    }

    /// A part of a venue, or of the process.
    pub const fn part(venue: &'a str, part: &'a str) -> Self {
        Self { venue, part }
    }
}

/// How far an alert is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Its condition holds, not yet for long enough.
    Pending,
    /// It holds, or has not been clear for long enough.
    Firing,
    /// It is over.
    Resolved,
}

/// One alert, for lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Alert {
    /// Which rule.
    pub rule: Rule,
    /// What it is about.
    pub kind: Kind,
    /// Whose: the venue, empty for the process.
    pub venue: Box<str>,
    /// Whose: the part of it; empty for the whole.
    pub part: Box<str>,
    /// How bad.
    pub level: Level,
    /// How far.
    pub state: State,
    /// Since when its condition has held.
    pub since: Unix,
    /// Whether another alert explains it, so that it is not told.
    pub muted: bool,
    /// Whether it came and went too often to be told each time.
    pub flapping: bool,
    /// The figures that led to it.
    pub evidence: Box<str>,
    /// What to do.
    pub action: &'static str,
}

/// Why something is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// Alerts have begun to fire.
    Firing,
    /// They still do.
    Repeat,
    /// All that was told of this venue is over.
    Resolved,
}

/// One message to whoever is to know, about one venue or the process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Notification {
    /// Rises by one per notification.
    pub seq: u64,
    /// When.
    pub at: Unix,
    /// Why.
    pub why: Why,
    /// Whose alerts; empty for the process.
    pub venue: Box<str>,
    /// The worst of them.
    pub level: Level,
    /// How many there are.
    pub count: usize,
    /// The worst of them, at most [`Notification::LISTED`].
    pub alerts: Vec<Alert>,
}

impl Notification {
    /// Alerts that are listed one by one.
    pub const LISTED: usize = 10;
}

/// Bytes of evidence: two contents of one event, and of which one, fit in.
pub(super) const EVIDENCE: usize = 600;

/// Evidence, at most so long.
pub(super) fn shortened(mut evidence: String) -> Box<str> {
    let end = (0..=EVIDENCE.min(evidence.len())).rev().find(|at| evidence.is_char_boundary(*at));
    evidence.truncate(end.unwrap_or(0));
    evidence.into()
}
