//! The hub: the handle over all feeds. It starts a venue's feed when somebody first needs it.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use futures_util::future::join_all;
use serde::Serialize;
use tapeline_core::data::event::BookState;
use tapeline_core::data::topic::{Topic, TopicError};
use tapeline_core::data::update::{Data, Kind, Update};
use tapeline_core::feed::{Command, FeedStatus, Peek, SubscriberStatus, TopicStatus};
use tapeline_core::outbox::Subscriber;
use tapeline_core::time::Time;
use tapeline_core::venue::Venue;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::chaos::Tap;
use crate::clock::Clock;
use crate::config::{HubConfig, VenueConfig};
use crate::consumer::{Membership, subscribe_at};
use crate::handler::{HandlerStatus, Handlers, On};
use crate::journal::Journal;
use crate::memory::{Memory, keep};
use crate::net::Net;
use crate::order::{Answer, Ask, Link, Order, VenueReading, link, venue_matches};
use crate::parts::Parts;
use crate::run::{Told, Wiring};
use crate::spread::Spread;
use crate::state::Keeper;
use crate::subscribe::{Subscribe, SubscribeError, Wishes};
use crate::supervise;
use crate::watch::{ProcessStatus, Watch, watch};

/// How long a shutdown may take.
const SHUTDOWN_WITHIN: Duration = Duration::from_secs(5);
/// A feed that does not say how it stands for so long hangs.
pub(crate) const STATUS_WITHIN: Duration = Duration::from_secs(2);

/// The handle over all feeds; clones are the same hub. When the last clone, subscription and handler
/// is gone, its feeds say goodbye and end.
#[derive(Clone)]
pub struct Hub(Arc<Inner>);

/// A hub that is not kept alive by holding this.
#[derive(Debug, Clone)]
pub(crate) struct WeakHub(Weak<Inner>);

struct Inner {
    config: HubConfig,
    clock: Clock,
    runtime: Handle,
    feeds: Mutex<BTreeMap<String, Arc<Link>>>,
    tasks: TaskTracker,
    handlers: Handlers,
    stopping: std::sync::atomic::AtomicBool,
    journal: Arc<Journal>,
    parts: Arc<Parts>,
    watch: Watch,
    memory: Arc<Memory>,
    /// Ends what runs beside the feeds.
    ending: CancellationToken,
    through: Arc<Spread>,
}

/// A reading of the whole hub.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// Its venues, those that run.
    pub venues: Vec<VenueStatus>,
    /// Its handlers.
    pub handlers: Vec<HandlerStatus>,
    /// The process itself.
    pub process: ProcessStatus,
}

/// One venue that runs.
#[derive(Debug, Clone, Serialize)]
pub struct VenueStatus {
    /// Its id.
    pub venue: String,
    /// How often its feed has crashed and been started again.
    pub restarts: u64,
    /// Whether it crashed too often and waits for [`Hub::recover`] or [`Hub::reset`].
    pub halted: bool,
    /// What its feed says; none while it is halted, or does not answer.
    pub feed: Option<FeedStatus>,
}

impl Hub {
    /// A hub on the current runtime. Feeds with warm topics start at once, others when needed.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn new(config: HubConfig) -> Self {
        let state = config.state.as_ref();
        let journal = Arc::new(Journal::new(state.and_then(|state| state.event_log())));
        let (clock, ending) = (Clock::new(), CancellationToken::new());
        let hub = Self(Arc::new(Inner {
            parts: Arc::new(Parts::new(Arc::clone(&journal), clock, ending.clone())),
            journal: Arc::clone(&journal),
            watch: Watch::default(),
            memory: Arc::new(Memory::new(config.limits.memory_bytes, config.limits.buffers_bytes)),
            ending,
            clock,
            runtime: Handle::current(),
            feeds: Mutex::default(),
            tasks: TaskTracker::new(),
            handlers: Handlers::default(),
            stopping: false.into(),
            through: Arc::default(),
            config,
        }));
        journal.note(hub.now(), "start", "program", env!("CARGO_PKG_VERSION"));
        if journal.is_written() {
            hub.spawn(hub.parts().beside("the event log", move |ending| Arc::clone(&journal).write(ending)));
        }
        // Not among the tasks that a hub is said to have: it does nothing for anybody.
        let weak = hub.downgrade();
        hub.0.runtime.spawn(hub.parts().beside("the watch", move |ending| watch(weak.clone(), ending)));
        let weak = hub.downgrade();
        hub.0
            .runtime
            .spawn(hub.parts().beside("the watch over memory", move |ending| keep(weak.clone(), ending)));
        for (venue, settings) in &hub.0.config.venues {
            if !settings.feed.warm.is_empty()
                && let Err(error) = hub.link(venue)
            {
                tracing::error!(venue, %error, "warm topics of a venue that is not known");
            }
        }
        hub
    }

    /// Subscribes to topics and patterns, of one venue or several; `.await` it.
    ///
    /// ```no_run
    /// # async fn example(hub: tapeline::Hub) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut trades = hub.subscribe(["binance:trade:BTCUSDT", "binance:trade:ETHUSDT"]).await?;
    /// while let Some(update) = trades.next().await {
    ///     println!("{}", update.json());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn subscribe(&self, topics: impl Wishes) -> Subscribe {
        Subscribe { hub: self.clone(), wishes: topics.wishes(), choices: self.choices("subscription") }
    }

    /// Calls `call` for every update of some topics, on a thread where it may block; `.await` it.
    pub fn on(&self, topics: impl Wishes, call: impl FnMut(&Update) + Send + 'static) -> On {
        On::new(self.clone(), topics.wishes(), self.choices("handler"), Box::new(call))
    }

    /// Removes all handlers; how many there were.
    pub fn clear(&self) -> usize {
        self.0.handlers.clear()
    }

    /// The state of a topic, or its next event: one update, then nothing more is subscribed. A book is
    /// waited for until it is synchronised.
    ///
    /// # Errors
    /// [`SubscribeError`], also if nothing came `within` the time.
    pub async fn get(&self, topic: impl Wishes, within: Duration) -> Result<Arc<Update>, SubscribeError> {
        let wishes = topic.wishes()?;
        let venue = wishes.first().map(|wish| wish.venue().to_owned()).unwrap_or_default();
        let found = async {
            let mut subscription = self.subscribe(wishes).name("get").interval(Duration::ZERO).await?;
            while let Some(update) = subscription.next().await {
                let syncing = matches!(&update.data, Data::Book(book) if book.state == BookState::Syncing);
                if matches!(update.kind, Kind::Snapshot | Kind::Delta | Kind::Event) && !syncing {
                    return Ok(Some(update));
                }
            }
            Ok(None)
        };
        match timeout(within, found).await {
            Ok(Ok(Some(update))) => Ok(update),
            Ok(Ok(None)) => Err(SubscribeError::Unavailable { venue }),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(SubscribeError::Timeout(within)),
        }
    }

    /// A topic as a new reader would find it; `None` if it does not run. Nothing is subscribed.
    ///
    /// # Errors
    /// [`SubscribeError::NotRunning`] or [`SubscribeError::Unavailable`]: the venue's feed is not there.
    pub async fn peek(&self, topic: &Topic) -> Result<Option<Peek>, SubscribeError> {
        self.ask(topic.venue(), |reply| Order::Peek { topic: topic.clone(), reply }).await
    }

    /// Ends every subscription to any topic of a symbol, whoever holds it; how many there were.
    ///
    /// # Errors
    /// [`SubscribeError::NotRunning`] or [`SubscribeError::Unavailable`]: the venue's feed is not there.
    pub async fn unsubscribe_symbol(&self, venue: &str, symbol: &str) -> Result<usize, SubscribeError> {
        let symbol = symbol.to_owned();
        self.ask(venue, |reply| Order::UnsubscribeSymbol { symbol, reply }).await
    }

    /// Speaks to a venue's feed as its operator; how many things that touched.
    ///
    /// # Errors
    /// [`SubscribeError::NotRunning`] or [`SubscribeError::Unavailable`]: the venue's feed is not there.
    pub async fn command(&self, venue: &str, command: Command) -> Result<usize, SubscribeError> {
        self.ask(venue, |reply| Order::Command { command, reply }).await
    }

    /// The venues that run.
    pub(crate) fn running(&self) -> Vec<String> {
        self.links().iter().map(|link| link.venue.clone()).collect()
    }

    /// A reading of everything worth knowing.
    pub async fn status(&self) -> Status {
        // All are asked at once: one that hangs is told as what it is, and hides none of the others.
        let readings = self.links().into_iter().map(|link| async move {
            let asked = self.ask(&link.venue, |reply| Order::Status { reply });
            let gone = |halted| VenueReading { feed: None, restarts: 0, halted };
            let reading = timeout(STATUS_WITHIN, asked).await;
            let reading =
                reading.map_or_else(|_| gone(false), |answer| answer.unwrap_or_else(|_| gone(true)));
            let VenueReading { feed, restarts, halted } = reading;
            VenueStatus { venue: link.venue.clone(), restarts, halted, feed }
        });
        let venues = join_all(readings).await;
        Status { venues, handlers: self.0.handlers.status(), process: self.process() }
    }

    /// The topics that run and who reads them.
    pub async fn list(&self) -> (Vec<TopicStatus>, Vec<SubscriberStatus>) {
        let (mut topics, mut subscribers) = (Vec::new(), Vec::new());
        for feed in self.status().await.venues.into_iter().filter_map(|venue| venue.feed) {
            topics.extend(feed.topics);
            subscribers.extend(feed.subscribers);
        }
        (topics, subscribers)
    }

    /// The ids of the venues that can be subscribed to.
    pub fn venues(&self) -> Vec<String> {
        let own = self.0.config.adapters.keys().cloned();
        let mut all: Vec<String> = own.chain(tapeline_venues::ids().map(str::to_owned)).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The adapter of a venue: its facts, and its spelling of topics.
    ///
    /// # Errors
    /// [`TopicError::Venue`] if nobody knows it.
    pub fn adapter(&self, venue: &str) -> Result<Arc<dyn Venue>, TopicError> {
        let own = self.0.config.adapters.get(venue).cloned();
        own.or_else(|| tapeline_venues::by_id(venue))
            .ok_or_else(|| TopicError::Venue { venue: venue.to_owned(), known: self.venues().join(", ") })
    }

    /// Ends everything in good order, in at most five seconds: readers learn why, lines are closed.
    #[doc(alias = "drain")]
    pub async fn shutdown(&self) {
        self.0.stopping.store(true, Ordering::Release);
        for link in self.links() {
            link.signals.stop();
        }
        self.clear();
        self.0.tasks.close();
        self.0.ending.cancel();
        if timeout(SHUTDOWN_WITHIN, self.0.tasks.wait()).await.is_err() {
            tracing::warn!(tasks = self.0.tasks.len(), "shutdown did not finish in time");
        }
        let journal = Arc::clone(&self.0.journal);
        // A disk that hangs must not keep the process.
        let _ = timeout(SHUTDOWN_WITHIN, tokio::task::spawn_blocking(move || journal.flush())).await;
    }

    /// How long it takes from reading a socket to handing what it held to the readers, of all venues since the start:
    /// one figure per batch, that of its oldest message.
    pub fn through(&self) -> &Spread {
        &self.0.through
    }

    /// Tasks that run on behalf of this hub: feeds and handlers.
    pub fn tasks(&self) -> usize {
        self.0.tasks.len()
    }

    pub(crate) async fn ask<T>(
        &self,
        venue: &str,
        order: impl FnOnce(oneshot::Sender<T>) -> Order,
    ) -> Result<T, SubscribeError> {
        let asked = self.asking(venue, order);
        let answer = asked.ok_or_else(|| SubscribeError::NotRunning { venue: venue.to_owned() })?;
        answer.await.ok_or_else(|| SubscribeError::Unavailable { venue: venue.to_owned() })
    }

    /// Asks a venue's feed, if it runs. The answer does not keep the hub alive; `None` if there will be none.
    pub(crate) fn asking<T, F>(
        &self,
        venue: &str,
        order: F,
    ) -> Option<impl Future<Output = Option<T>> + use<T, F>>
    where
        F: FnOnce(oneshot::Sender<T>) -> Order,
    {
        let link = self.lock().get(venue).cloned()?;
        let (reply, answer) = oneshot::channel();
        let order = order(reply);
        Some(async move {
            link.orders.send(order).await.ok()?;
            answer.await.ok()
        })
    }

    /// Asks the feeds of all venues concerned; the answers stand in the order of the asks.
    pub(crate) async fn enter(
        &self,
        asks: Vec<Ask>,
        to: &Subscriber,
        membership: &Membership,
    ) -> Result<Vec<Answer>, SubscribeError> {
        let mut answers: Vec<Option<Answer>> = asks.iter().map(|_| None).collect();
        let mut by_venue: BTreeMap<String, Vec<(usize, Ask)>> = BTreeMap::new();
        for (index, ask) in asks.into_iter().enumerate() {
            for venue in self.venues_of(ask.wish.as_str()) {
                by_venue.entry(venue).or_default().push((index, ask.clone()));
            }
        }
        for (venue, asks) in by_venue {
            let link = self.link(&venue)?;
            let (places, asks): (Vec<usize>, Vec<Ask>) = asks.into_iter().unzip();
            let given = subscribe_at(&link, asks, to, membership).await?;
            for (place, answer) in places.into_iter().zip(given) {
                answers[place] = Some(answer);
            }
        }
        Ok(answers.into_iter().map(|answer| answer.unwrap_or(Ok(None))).collect())
    }

    /// The venues that the first part of a topic or pattern names, one or several.
    pub fn venues_of(&self, topic: &str) -> Vec<String> {
        let venue = topic.split(':').next().unwrap_or("");
        if venue.contains('*') {
            self.venues().into_iter().filter(|id| venue_matches(venue, id)).collect()
        } else {
            vec![venue.to_owned()]
        }
    }

    /// A venue's feed, started if it does not run yet.
    fn link(&self, venue: &str) -> Result<Arc<Link>, SubscribeError> {
        let mut feeds = self.lock();
        if let Some(link) = feeds.get(venue) {
            return Ok(Arc::clone(link));
        }
        if self.0.stopping.load(Ordering::Acquire) {
            return Err(SubscribeError::Unavailable { venue: venue.to_owned() });
        }
        let config = &self.0.config;
        let adapter = self.adapter(venue)?;
        let VenueConfig { feed, net, keys } = config.venues.get(venue).cloned().unwrap_or_default();
        let (link, inbox) = link(venue);
        let wiring = Wiring {
            clock: self.0.clock,
            net: Arc::new(Net::new(net, config.http.clone())),
            inbox,
            signals: Arc::clone(&link.signals),
            restarts: 0,
            journal: Arc::clone(&self.0.journal),
            told: Told::default(),
            keeper: self.keeper(venue),
            keys,
            through: Arc::clone(&self.0.through),
            memory: Arc::clone(&self.0.memory),
            logs: self.0.memory.account("logs", false),
            chaos: config.chaos.as_ref().map(|chaos| Tap::new(chaos, adapter.profile().id)),
        };
        let seed = config.seed.unwrap_or_else(drawn);
        let part = format!("the supervisor of {venue}");
        self.spawn(supervise::run(Arc::clone(&self.0.parts), part, adapter, feed, seed, wiring));
        let link = Arc::new(link);
        feeds.insert(venue.to_owned(), Arc::clone(&link));
        Ok(link)
    }

    /// Whoever keeps what a venue's limits have been used up by, if anybody is to.
    fn keeper(&self, venue: &str) -> Option<Arc<Keeper>> {
        let state = self.0.config.state.clone()?;
        let keeper = Arc::new(Keeper::new(state, venue));
        let kept = Arc::clone(&keeper);
        self.spawn(
            self.parts().beside("the state of the limits", move |ending| Arc::clone(&kept).run(ending)),
        );
        Some(keeper)
    }

    pub(crate) fn config(&self) -> &HubConfig {
        &self.0.config
    }

    /// Lets every feed look at what is told to it past the orders.
    pub(crate) fn wake_feeds(&self) {
        self.links().iter().for_each(|link| link.signals.wake());
    }

    pub(crate) fn now(&self) -> Time {
        self.0.clock.now()
    }

    pub(crate) fn memory_kept(&self) -> &Arc<Memory> {
        &self.0.memory
    }

    pub(crate) fn watch(&self) -> &Watch {
        &self.0.watch
    }

    pub(crate) fn journal(&self) -> &Journal {
        &self.0.journal
    }

    pub(crate) fn handlers(&self) -> &Handlers {
        &self.0.handlers
    }

    /// Runs a task that a shutdown waits for.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.tasks.spawn_on(task, &self.0.runtime);
    }

    /// The parts that run beside the feeds, and a place for more of them.
    pub fn parts(&self) -> &Arc<Parts> {
        &self.0.parts
    }

    pub(crate) fn downgrade(&self) -> WeakHub {
        WeakHub(Arc::downgrade(&self.0))
    }

    fn links(&self) -> Vec<Arc<Link>> {
        self.lock().values().cloned().collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Arc<Link>>> {
        self.0.feeds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WeakHub {
    pub(crate) fn upgrade(&self) -> Option<Hub> {
        self.0.upgrade().map(Hub)
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub")
            .field("config", &self.config)
            .field("tasks", &self.tasks.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A seed from the system: the standard library draws one for every hash map.
fn drawn() -> u64 {
    std::hash::RandomState::new().build_hasher().finish()
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.ending.cancel();
        for link in self.feeds.get_mut().unwrap_or_else(PoisonError::into_inner).values() {
            link.signals.stop();
        }
    }
}
