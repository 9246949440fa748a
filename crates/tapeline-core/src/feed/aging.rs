//! How old what is held has become while neither a line nor REST brings a topic: its readers are told when it is
//! stale, and when it is too old to be relied on.

use std::time::Duration;

use serde::Serialize;

use crate::data::event::BookState;
use crate::data::update::Source;
use crate::policy::ladder::Rung;
use crate::time::Time;
use crate::venue::TopicId;

use super::Feed;
use super::topics::{Entry, Service, State};

/// What has come from memory for so long is stale …
const STALE: Duration = Duration::from_secs(30);
/// … and too old to be relied on.
const UNAVAILABLE: Duration = Duration::from_secs(300);

/// How far what is held can be relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Age {
    /// It was current within the last 30 s.
    Fresh,
    /// It was not, but within the last five minutes.
    Stale,
    /// Nor then.
    Unavailable,
}

impl Age {
    const fn words(self) -> &'static str {
        match self {
            Self::Fresh => "",
            Self::Stale => "stale: from memory for over 30 s",
            Self::Unavailable => "unavailable: from memory for over 5 min",
        }
    }
}

impl Entry {
    /// Whether memory holds something of it.
    pub(super) fn keeps_something(&self) -> bool {
        match &self.state {
            State::Events => self.last_at().is_some(),
            State::Latest(latest) => latest.is_some(),
            State::Book(book) => book.state() != BookState::Syncing,
            State::Depth(held) => held.is_some(),
            State::Keyed(map) => !map.is_empty(),
        }
    }

    /// Where what is shown comes from while no line is known to carry it: from memory, if there is any.
    pub(super) fn kept(&self) -> Source {
        if self.keeps_something() { Source::Cache } else { Source::Live }
    }

    /// Whether what is shown is a state from before a break, and nothing has come since: it may have changed meanwhile,
    /// and a line that tells changes only does not say so.
    pub(super) fn is_from_before(&self) -> bool {
        self.broken && !matches!(self.state, State::Events) && self.keeps_something()
    }

    /// How far what is held of it can be relied on; nothing while it does not come from memory.
    pub(super) fn held(&self, now: Time) -> Option<Age> {
        let since = self.seen.as_ref()?.kept_since.filter(|_| self.service.source == Source::Cache)?;
        Some(match now.mono.since(since) {
            age if age >= UNAVAILABLE => Age::Unavailable,
            age if age >= STALE => Age::Stale,
            _ => Age::Fresh,
        })
    }

    /// How it is served, with a word on the age of what only memory holds.
    pub(super) fn aged(&self, now: Time, mut service: Service) -> Service {
        let held = self.held(now).filter(|_| service.source == Source::Cache);
        let words = held.map_or("", Age::words);
        if !words.is_empty() {
            let between = if service.reason.is_empty() { "" } else { "; " };
            service.reason = format!("{}{between}{words}", service.reason).into();
        }
        service
    }
}

impl Feed {
    /// Where what is shown of a topic comes from, given whether a line serves it, or polling.
    pub(super) fn source_of(&self, entry: &Entry, served: bool, polled: bool) -> Source {
        let stale = entry.state_shown() == Some(BookState::Stale);
        match (served, polled) {
            (true, _) if !stale && !entry.is_from_before() => Source::Live,
            (false, true) => Source::Poll,
            // Neither a line nor REST is there for anything: memory is, also where it is empty.
            _ if self.fallback.ladder.rung() == Rung::Cache => Source::Cache,
            _ => entry.kept(),
        }
    }

    /// Topics whose readers have not been told yet how old is what is held.
    pub(super) fn grown_old(&self, now: Time) -> Vec<TopicId> {
        let untold = |entry: &Entry| {
            let words = entry.held(now).map_or("", Age::words);
            !entry.is_withheld() && !entry.service.reason.ends_with(words)
        };
        self.topics.iter().filter(|(_, entry)| untold(entry)).map(|(id, _)| id).collect()
    }
}
