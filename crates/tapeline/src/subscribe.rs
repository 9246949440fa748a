//! How one subscribes: what is wanted, and the choices that go with it.

use std::collections::BTreeMap;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tapeline_core::config::Timing;
use tapeline_core::data::channel::Delivery;
use tapeline_core::data::topic::{Pattern, Topic, TopicError};
use tapeline_core::data::update::Position;
use tapeline_core::feed::Start;
use tapeline_core::outbox::{Bounds, Outbox, Overflow, Subscriber, SubscriberId, outbox};

use crate::consumer::Subscription;
use crate::hub::Hub;
use crate::order::{Ask, Wish};

/// Why a subscription was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// A topic is malformed, unknown, or refused by its venue's adapter.
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// The venue has no feed yet, since nothing was ever subscribed to.
    #[error("{venue} does not run: nobody has asked for anything of it")]
    NotRunning {
        /// The venue's id.
        venue: String,
    },
    /// The venue's feed has failed for good, or is being shut down.
    #[error("{venue} is not available: its feed is halted or shut down")]
    Unavailable {
        /// The venue's id.
        venue: String,
    },
    /// Memory is so short that nobody new is taken on.
    #[error("memory is short, and nothing new is taken on: try again later")]
    Memory,
    /// Nothing came in time.
    #[error("nothing came within {0:?}")]
    Timeout(Duration),
}

/// Anything that names topics or patterns: a text, a [`Topic`], a [`Pattern`], or several of them.
pub trait Wishes {
    /// The topics and patterns.
    ///
    /// # Errors
    /// [`TopicError`] for the first text that is neither.
    fn wishes(self) -> Result<Vec<Wish>, TopicError>;
}

impl Wishes for &str {
    fn wishes(self) -> Result<Vec<Wish>, TopicError> {
        Ok(vec![Wish::parse(self)?])
    }
}

impl Wishes for String {
    fn wishes(self) -> Result<Vec<Wish>, TopicError> {
        self.as_str().wishes()
    }
}

impl Wishes for &String {
    fn wishes(self) -> Result<Vec<Wish>, TopicError> {
        self.as_str().wishes()
    }
}

impl Wishes for Topic {
    fn wishes(self) -> Result<Vec<Wish>, TopicError> {
        Ok(vec![Wish::Topic(self)])
    }
}

impl Wishes for &Topic {
    fn wishes(self) -> Result<Vec<Wish>, TopicError> {
        self.clone().wishes()
    }
}

impl Wishes for Pattern {
    fn wishes(self) -> Result<Vec<Wish>, TopicError> {
        Ok(vec![Wish::Pattern(self)])
    }
}

impl Wishes for Wish {
    fn wishes(self) -> Result<Vec<Wish>, TopicError> {
        Ok(vec![self])
    }
}

impl<T: Wishes> Wishes for Vec<T> {
    fn wishes(self) -> Result<Vec<Wish>, TopicError> {
        collect(self)
    }
}

impl<T: Wishes, const N: usize> Wishes for [T; N] {
    fn wishes(self) -> Result<Vec<Wish>, TopicError> {
        collect(self)
    }
}

impl<T: Wishes + Clone> Wishes for &[T] {
    fn wishes(self) -> Result<Vec<Wish>, TopicError> {
        collect(self.iter().cloned())
    }
}

fn collect<T: Wishes>(all: impl IntoIterator<Item = T>) -> Result<Vec<Wish>, TopicError> {
    let mut out = Vec::new();
    for wishes in all {
        out.extend(wishes.wishes()?);
    }
    Ok(out)
}

/// The choices of a subscriber; each has a default.
#[derive(Debug, Clone)]
pub(crate) struct Choices {
    pub(crate) name: String,
    pub(crate) delivery: Option<Delivery>,
    pub(crate) overflow: Overflow,
    pub(crate) interval: Duration,
    pub(crate) bounds: Bounds,
    pub(crate) resume: BTreeMap<Topic, Position>,
    /// Others read through it.
    pub(crate) for_many: bool,
}

impl Choices {
    pub(crate) fn asks(&self, wishes: Vec<Wish>) -> Vec<Ask> {
        let from = |wish: &Wish| match wish {
            Wish::Topic(topic) => self.resume.get(topic).copied().into(),
            Wish::Pattern(_) => Start::Now,
        };
        wishes.into_iter().map(|wish| Ask { from: from(&wish), wish, delivery: self.delivery }).collect()
    }
}

impl Hub {
    pub(crate) fn outbox(&self, choices: &Choices) -> (Subscriber, Outbox) {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = SubscriberId(NEXT.fetch_add(1, Ordering::Relaxed));
        let ends = outbox(id, &choices.name, choices.overflow, choices.bounds);
        self.memory_kept().watch(&ends.1, !choices.for_many);
        ends
    }

    pub(crate) fn choices(&self, name: &str) -> Choices {
        let limits = &self.config().limits;
        Choices {
            name: name.to_owned(),
            delivery: None,
            overflow: Overflow::Gap,
            interval: self.config().throttle.unwrap_or_else(|| Timing::default().throttle),
            bounds: Bounds { messages: limits.outbox_messages, bytes: limits.outbox_bytes },
            resume: BTreeMap::new(),
            for_many: false,
        }
    }
}

/// A subscription being made; `.await` makes it. All topics are accepted, or none is subscribed.
#[must_use = "nothing is subscribed before it is awaited"]
#[derive(Debug)]
pub struct Subscribe {
    pub(crate) hub: Hub,
    pub(crate) wishes: Result<Vec<Wish>, TopicError>,
    pub(crate) choices: Choices,
}

macro_rules! choices {
    ($builder:ty) => {
        impl $builder {
            /// The name shown in listings and logs.
            pub fn name(mut self, name: impl Into<String>) -> Self {
                self.choices.name = name.into();
                self
            }

            /// Every update, or the newest state only. Without this, each channel has its usual one.
            pub fn delivery(mut self, delivery: tapeline_core::data::channel::Delivery) -> Self {
                self.choices.delivery = Some(delivery);
                self
            }

            /// What happens when the reader is too slow. Without this, the oldest events are dropped and
            /// a gap is declared in their place.
            pub fn overflow(mut self, rule: tapeline_core::outbox::Overflow) -> Self {
                self.choices.overflow = rule;
                self
            }

            /// Least time between conflated updates; zero = as fast as they are read.
            pub fn interval(mut self, interval: std::time::Duration) -> Self {
                self.choices.interval = interval;
                self
            }

            /// How much may wait before the overflow rule applies.
            pub fn bounds(mut self, bounds: tapeline_core::outbox::Bounds) -> Self {
                self.choices.bounds = bounds;
                self
            }

            /// Continues a topic behind a position seen earlier, if its history still holds all of it.
            pub fn resume(
                mut self,
                topic: tapeline_core::data::topic::Topic,
                from: tapeline_core::data::update::Position,
            ) -> Self {
                self.choices.resume.insert(topic, from);
                self
            }
        }
    };
}
pub(crate) use choices;

choices!(Subscribe);

impl Subscribe {
    /// Others read through this one, and whoever serves them minds the memory: while that is short, this one is neither
    /// refused more nor cut off.
    pub fn for_many(mut self) -> Self {
        self.choices.for_many = true;
        self
    }

    /// A subscription to nothing yet, for topics that are added later. What was wished for is left out.
    pub fn idle(self) -> Subscription {
        Subscription::new(self.hub, &self.choices)
    }
}

impl IntoFuture for Subscribe {
    type Output = Result<Subscription, SubscribeError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let Self { hub, wishes, choices } = self;
            let asks = choices.asks(wishes?);
            let mut subscription = Subscription::new(hub, &choices);
            for answer in subscription.ask(asks).await? {
                // Dropping the subscription takes back what was accepted.
                answer?;
            }
            Ok(subscription)
        })
    }
}
