//! What is asked of a feed's task: a bounded channel of orders, and what is told past them.

use std::sync::Arc;

use tapeline_core::data::channel::Delivery;
use tapeline_core::data::topic::{Pattern, Topic, TopicError};
use tapeline_core::feed::{Command, FeedLedger, FeedStatus, Findings, Peek, Records, Start, Subscribed};
use tapeline_core::outbox::{Subscriber, SubscriberId};
use tokio::sync::{mpsc, oneshot};

use crate::signals::Signals;

/// Orders waiting for one feed.
pub(crate) const ORDERS: usize = 1_024;

/// One topic, or all that match a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// One topic.
    Topic(Topic),
    /// Every topic that matches, now and later.
    Pattern(Pattern),
}

impl Wish {
    /// Reads a topic or, if it holds `*`, a pattern.
    ///
    /// # Errors
    /// [`TopicError`] names the part that is wrong.
    pub fn parse(text: &str) -> Result<Self, TopicError> {
        if Pattern::is_pattern(text) {
            Pattern::parse(text).map(Self::Pattern)
        } else {
            Topic::parse(text).map(Self::Topic)
        }
    }

    /// The text of the topic or pattern.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Topic(topic) => topic.as_str(),
            Self::Pattern(pattern) => pattern.as_str(),
        }
    }

    /// The part before the first colon; may hold `*` in patterns.
    pub(crate) fn venue(&self) -> &str {
        self.as_str().split(':').next().unwrap_or("")
    }
}

/// A wish and how it is to be fulfilled.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) wish: Wish,
    /// `None` = as is usual for the channel.
    pub(crate) delivery: Option<Delivery>,
    pub(crate) from: Start,
}

/// The answer to one ask; `None` for patterns, which have no position.
pub(crate) type Answer = Result<Option<Subscribed>, TopicError>;

/// One thing asked of a feed. Dropping it unanswered says that the feed is halted or gone.
#[derive(Debug)]
pub(crate) enum Order {
    Subscribe {
        asks: Vec<Ask>,
        to: Subscriber,
        reply: oneshot::Sender<Vec<Answer>>,
    },
    Unsubscribe {
        wishes: Vec<Wish>,
        who: SubscriberId,
        reply: oneshot::Sender<usize>,
    },
    /// Ends every subscription to any topic of a symbol, whoever holds it.
    UnsubscribeSymbol {
        symbol: String,
        reply: oneshot::Sender<usize>,
    },
    /// A topic as a new reader would find it, if it runs.
    Peek {
        topic: Topic,
        reply: oneshot::Sender<Option<Peek>>,
    },
    Command {
        command: Command,
        reply: oneshot::Sender<usize>,
    },
    Status {
        reply: oneshot::Sender<VenueReading>,
    },
    /// What is wrong now (nothing is said of a feed that is halted), and how often it was restarted.
    Findings {
        reply: oneshot::Sender<(Option<Findings>, u64)>,
    },
    /// How the topics are served, and were.
    Records {
        reply: oneshot::Sender<Box<Records>>,
    },
    /// What was expected and what came of it, of one topic by the minute, or of all in sum.
    Ledger {
        only: Option<Topic>,
        reply: oneshot::Sender<FeedLedger>,
    },
}

/// What a feed's task says about itself.
#[derive(Debug)]
pub(crate) struct VenueReading {
    pub(crate) feed: Option<FeedStatus>,
    pub(crate) restarts: u64,
    pub(crate) halted: bool,
}

/// The hub's end of a feed's task.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) venue: String,
    pub(crate) orders: mpsc::Sender<Order>,
    pub(crate) signals: Arc<Signals>,
}

/// A new link and what the task needs of it.
pub(crate) fn link(venue: &str) -> (Link, mpsc::Receiver<Order>) {
    let (orders, inbox) = mpsc::channel(ORDERS);
    (Link { venue: venue.to_owned(), orders, signals: Arc::default() }, inbox)
}

/// Whether the first part of a topic or pattern names a venue; `*` is any run of characters.
pub(crate) fn venue_matches(pattern: &str, venue: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else { return pattern == venue };
    let Some(mut rest) = venue.strip_prefix(before) else { return false };
    let Some((middle, last)) = after.rsplit_once('*') else { return rest.ends_with(after) };
    for piece in middle.split('*') {
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, venue: &str, expected: bool) {
        assert_eq!(venue_matches(pattern, venue), expected, "{pattern} {venue}");
    }

    #[test]
    fn venues_match_by_name_or_star() {
        check("binance", "binance", true);
        check("binance", "binance-usdm", false);
        check("*", "binance", true);
        check("binance*", "binance-usdm", true);
        check("*-usdm", "binance-usdm", true);
        check("a*c*e", "abcde", true);
        check("a*x*e", "abcde", false);
        check("*nan*", "binance", true);
    }
}
