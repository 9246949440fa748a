//! What a consumer holds: a stream of updates that leaves its feeds when it is dropped.

use std::collections::BTreeSet;
use std::fmt;
use std::future::{Future as _, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use tapeline_core::data::channel::Delivery;
use tapeline_core::data::topic::TopicError;
use tapeline_core::data::update::Update;
use tapeline_core::feed::{Start, Subscribed};
use tapeline_core::outbox::{CutOff, Outbox, OutboxStats, Subscriber, SubscriberId};
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::hub::Hub;
use crate::memory::Memory;
use crate::order::{Answer, Ask, Link, Order, Wish};
use crate::subscribe::{Choices, SubscribeError, Wishes};

/// An outbox that lets conflated state out at most once per interval.
#[derive(Debug)]
pub(crate) struct Inbox {
    outbox: Outbox,
    interval: Duration,
    /// While that is short, the interval is longer.
    memory: Arc<Memory>,
    /// Rings when the next round of conflated state may begin.
    timer: Option<Pin<Box<Sleep>>>,
    /// Whether the timer runs.
    waiting: bool,
}

impl Inbox {
    pub(crate) fn new(mut outbox: Outbox, interval: Duration, memory: Arc<Memory>) -> Self {
        if !interval.is_zero() {
            outbox.in_rounds();
        }
        Self { outbox, interval, memory, timer: None, waiting: false }
    }

    pub(crate) fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// The next update if one waits and may leave.
    pub(crate) fn try_next(&mut self) -> Option<Arc<Update>> {
        self.outbox.try_next()
    }

    pub(crate) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Arc<Update>>> {
        loop {
            let next = self.outbox.poll_next(context);
            if next.is_ready() || !self.round_begins(context) {
                return next;
            }
        }
    }

    pub(crate) fn poll_drain(
        &mut self,
        context: &mut Context<'_>,
        out: &mut Vec<Arc<Update>>,
    ) -> Poll<usize> {
        loop {
            let count = self.outbox.poll_drain(context, out);
            if count.is_ready() || !self.round_begins(context) {
                return count;
            }
        }
    }

    /// Ready as soon as there is something to read, or the end.
    pub(crate) fn poll_readable(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let ready = self.outbox.poll_readable(context);
            if ready.is_ready() || !self.round_begins(context) {
                return ready;
            }
        }
    }

    /// Whether the interval is over and a new round has begun; else the timer runs, if one is needed.
    fn round_begins(&mut self, context: &mut Context<'_>) -> bool {
        if self.interval.is_zero() || !self.outbox.round_is_over() {
            return false;
        }
        if !self.waiting {
            let next = Instant::now() + self.memory.step().interval(self.interval);
            match &mut self.timer {
                Some(timer) => timer.as_mut().reset(next),
                none => *none = Some(Box::pin(sleep_until(next))),
            }
            self.waiting = true;
        }
        let rings = self.timer.as_mut().is_none_or(|timer| timer.as_mut().poll(context).is_ready());
        if rings {
            self.waiting = false;
            self.outbox.next_round();
        }
        rings
    }
}

/// Who is in which feeds. Dropping it leaves all of them at once, without waiting, also when its task
/// was aborted or panicked.
#[derive(Debug)]
pub(crate) struct Membership {
    who: SubscriberId,
    links: Mutex<Vec<Arc<Link>>>,
}

impl Membership {
    pub(crate) fn new(who: SubscriberId) -> Self {
        Self { who, links: Mutex::default() }
    }

    /// Noted before the feed is asked: leaving a feed that one never entered does no harm.
    pub(crate) fn enter(&self, link: &Arc<Link>) {
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        if !links.iter().any(|known| Arc::ptr_eq(known, link)) {
            links.push(Arc::clone(link));
        }
    }

    pub(crate) fn links(&self) -> Vec<Arc<Link>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        for link in self.links() {
            link.signals.left(self.who);
        }
    }
}

/// Updates of one or more topics, of one or more venues, in one stream. Dropping it unsubscribes.
pub struct Subscription {
    // Dropped in this order: a feed must find the outbox closed when it hears that its owner left.
    inbox: Inbox,
    membership: Arc<Membership>,
    hub: Hub,
    /// The producer's end, until a feed holds one: without any, the outbox would be at its end.
    spare: Option<Subscriber>,
    subscribed: Vec<Subscribed>,
    for_many: bool,
}

impl Subscription {
    pub(crate) fn new(hub: Hub, choices: &Choices) -> Self {
        let (to, outbox) = hub.outbox(choices);
        let membership = Arc::new(Membership::new(outbox.id()));
        let inbox = Inbox::new(outbox, choices.interval, Arc::clone(hub.memory_kept()));
        Self { inbox, membership, hub, spare: Some(to), subscribed: Vec::new(), for_many: choices.for_many }
    }

    /// The next update; `None` when it is over, for the reason in [`Subscription::cut_off`].
    pub async fn next(&mut self) -> Option<Arc<Update>> {
        poll_fn(|context| self.inbox.poll_next(context)).await
    }

    /// Waits for at least one update and appends all that wait to `out`; how many, 0 = it is over.
    pub async fn next_batch(&mut self, out: &mut Vec<Arc<Update>>) -> usize {
        poll_fn(|context| self.inbox.poll_drain(context, out)).await
    }

    /// The next update if one waits already.
    pub fn try_next(&mut self) -> Option<Arc<Update>> {
        self.inbox.try_next()
    }

    /// Why it is over, if it was ended by the other side.
    pub fn cut_off(&self) -> Option<CutOff> {
        self.inbox.outbox.cut_off()
    }

    /// Who this is, in listings and logs.
    pub fn id(&self) -> SubscriberId {
        self.membership.who
    }

    /// The topics asked for by name, in the venue's own spelling, with where each of them began.
    pub fn subscribed(&self) -> &[Subscribed] {
        &self.subscribed
    }

    /// The figures of its queue.
    pub fn stats(&self) -> OutboxStats {
        self.inbox.outbox.stats()
    }

    /// A handle that adds and removes topics while another task reads.
    pub fn control(&self) -> Control {
        Control {
            hub: self.hub.clone(),
            membership: Arc::downgrade(&self.membership),
            to: self.inbox.outbox.subscriber(),
            for_many: self.for_many,
        }
    }

    /// Adds topics or patterns, with the usual delivery of each. Those that are refused are told one by
    /// one; the others run.
    ///
    /// # Errors
    /// [`SubscribeError`] if a text is no topic, a venue is unknown, or a feed is not there.
    pub async fn add(
        &mut self,
        topics: impl Wishes,
    ) -> Result<Vec<Result<Subscribed, TopicError>>, SubscribeError> {
        let asks = topics.wishes()?.into_iter().map(|wish| Ask { wish, delivery: None, from: Start::Now });
        self.ask(asks.collect()).await
    }

    /// As [`Subscription::add`] for one topic, with its delivery and where to resume.
    ///
    /// # Errors
    /// As [`Subscription::add`], and if the venue refuses the topic.
    pub async fn add_one(
        &mut self,
        topic: &str,
        delivery: Option<Delivery>,
        from: impl Into<Start>,
    ) -> Result<Option<Subscribed>, SubscribeError> {
        let ask = Ask { wish: Wish::parse(topic)?, delivery, from: from.into() };
        let mut answers = self.ask(vec![ask]).await?;
        answers.pop().transpose().map_err(SubscribeError::from)
    }

    pub(crate) async fn ask(
        &mut self,
        asks: Vec<Ask>,
    ) -> Result<Vec<Result<Subscribed, TopicError>>, SubscribeError> {
        if !self.for_many && !self.hub.admits() {
            return Err(SubscribeError::Memory);
        }
        let to = self.spare.clone().unwrap_or_else(|| self.inbox.outbox.subscriber());
        let answers = self.hub.enter(asks, &to, &self.membership).await?;
        if answers.iter().any(Result::is_ok) {
            self.spare = None;
        }
        let answers: Vec<_> = answers.into_iter().filter_map(Answer::transpose).collect();
        for subscribed in answers.iter().flatten() {
            self.subscribed.retain(|known| known.topic != subscribed.topic);
            self.subscribed.push(subscribed.clone());
        }
        Ok(answers)
    }

    /// Ends some topics or patterns of it; how many subscriptions that were.
    ///
    /// # Errors
    /// [`SubscribeError`] if a text is no topic.
    pub async fn remove(&mut self, topics: impl Wishes) -> Result<usize, SubscribeError> {
        let wishes = topics.wishes()?;
        let gone: BTreeSet<&str> = wishes.iter().map(Wish::as_str).collect();
        self.subscribed.retain(|known| !gone.contains(known.topic.as_str()));
        leave(&self.membership, wishes).await
    }
}

/// Adds and removes topics of a [`Subscription`] that another task reads. Once that is dropped, it does nothing
/// any more; as long as one of these lives, a subscription without topics waits instead of ending.
#[derive(Debug, Clone)]
pub struct Control {
    hub: Hub,
    membership: Weak<Membership>,
    to: Subscriber,
    for_many: bool,
}

impl Control {
    /// As [`Subscription::add_one`], for a topic or a pattern; patterns have no position.
    ///
    /// # Errors
    /// [`SubscribeError`] if a venue is unknown, a feed is not there, the venue refuses the topic, or memory is short.
    pub async fn add(
        &self,
        wish: Wish,
        delivery: Option<Delivery>,
        from: impl Into<Start>,
    ) -> Result<Option<Subscribed>, SubscribeError> {
        let Some(membership) = self.membership.upgrade() else { return Ok(None) };
        if !self.for_many && !self.hub.admits() {
            return Err(SubscribeError::Memory);
        }
        let asks = vec![Ask { wish, delivery, from: from.into() }];
        let mut answers = self.hub.enter(asks, &self.to, &membership).await?;
        answers.pop().map_or(Ok(None), |answer| answer.map_err(SubscribeError::from))
    }

    /// As [`Subscription::remove`].
    ///
    /// # Errors
    /// None at present; a feed that is gone has nothing to end.
    pub async fn remove(&self, wish: Wish) -> Result<usize, SubscribeError> {
        let Some(membership) = self.membership.upgrade() else { return Ok(0) };
        leave(&membership, vec![wish]).await
    }
}

/// Ends some wishes of a member; how many there were.
pub(crate) async fn leave(membership: &Membership, wishes: Vec<Wish>) -> Result<usize, SubscribeError> {
    let mut ended = 0;
    for link in membership.links() {
        let of_link = |wish: &&Wish| crate::order::venue_matches(wish.venue(), &link.venue);
        let wishes: Vec<Wish> = wishes.iter().filter(of_link).cloned().collect();
        if wishes.is_empty() {
            continue;
        }
        let (reply, answer) = oneshot::channel();
        let order = Order::Unsubscribe { wishes, who: membership.who, reply };
        if link.orders.send(order).await.is_ok() {
            // A feed that is halted or gone has nothing to end.
            ended += answer.await.unwrap_or(0);
        }
    }
    Ok(ended)
}

impl Stream for Subscription {
    type Item = Arc<Update>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Arc<Update>>> {
        self.inbox.poll_next(context)
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("id", &self.id())
            .field("subscribed", &self.subscribed)
            .finish_non_exhaustive()
    }
}

/// Asks a feed to subscribe somebody.
pub(crate) async fn subscribe_at(
    link: &Arc<Link>,
    asks: Vec<Ask>,
    to: &Subscriber,
    membership: &Membership,
) -> Result<Vec<Answer>, SubscribeError> {
    let unavailable = || SubscribeError::Unavailable { venue: link.venue.clone() };
    membership.enter(link);
    let (reply, answer) = oneshot::channel();
    let order = Order::Subscribe { asks, to: to.clone(), reply };
    link.orders.send(order).await.map_err(|_| unavailable())?;
    answer.await.map_err(|_| unavailable())
}
