//! Callbacks: each handler has its own queue, its own task, and a thread while it runs, so that one
//! that panics, dawdles or blocks harms nobody else; and it is named.

use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::future::{Future, IntoFuture, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use serde::Serialize;
use tapeline_core::data::topic::TopicError;
use tapeline_core::data::update::Update;
use tapeline_core::outbox::{CutOff, SubscriberId};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::consumer::{Inbox, Membership, leave};
use crate::hub::Hub;
use crate::order::Wish;
use crate::subscribe::{Choices, SubscribeError, Wishes, choices};

/// A call that takes longer is named.
const SLOW: Duration = Duration::from_millis(100);
/// How often a running call is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// A call that has not returned after so long is named while it runs.
const BLOCKED: Duration = Duration::from_millis(700);
/// So many panics within [`PANIC_WINDOW`] end the handler.
const PANICS: usize = 5;
const PANIC_WINDOW: Duration = Duration::from_secs(10);
/// How long a handler may keep its thread before others get a turn.
const SHIFT: Duration = Duration::from_millis(50);
/// How often it is looked whether the owner of an idle handler still lives.
const OWNER: Duration = Duration::from_secs(1);

type Call = Box<dyn FnMut(&Update) + Send>;

/// A handler being made; `.await` makes it. All topics are accepted, or none is subscribed.
#[must_use = "nothing is called before it is awaited"]
pub struct On {
    hub: Hub,
    wishes: Result<Vec<Wish>, TopicError>,
    choices: Choices,
    owner: Option<Weak<dyn Any + Send + Sync>>,
    call: Call,
}

choices!(On);

impl On {
    pub(crate) fn new(hub: Hub, wishes: Result<Vec<Wish>, TopicError>, choices: Choices, call: Call) -> Self {
        Self { hub, wishes, choices, owner: None, call }
    }

    /// The handler goes when `owner` goes. It does not keep it alive.
    pub fn owner<T: Any + Send + Sync>(mut self, owner: &Arc<T>) -> Self {
        let owner: Weak<T> = Arc::downgrade(owner);
        self.owner = Some(owner);
        self
    }
}

impl fmt::Debug for On {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("On").field("wishes", &self.wishes).finish_non_exhaustive()
    }
}

impl IntoFuture for On {
    type Output = Result<Handler, SubscribeError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let Self { hub, wishes, choices, owner, call } = self;
            let asks = choices.asks(wishes?);
            if !hub.admits() {
                return Err(SubscribeError::Memory);
            }
            let (to, outbox) = hub.outbox(&choices);
            let control = Arc::new(Control::new(outbox.id(), &choices.name));
            // Dropped in this order if anything is refused: the feed finds the outbox closed.
            let membership = Arc::new(Membership::new(outbox.id()));
            let inbox = Inbox::new(outbox, choices.interval, Arc::clone(hub.memory_kept()));
            for answer in hub.enter(asks, &to, &membership).await? {
                answer?;
            }
            hub.handlers().add(&control);
            let task = Task {
                control: Arc::clone(&control),
                owner,
                work: Some(Work { call, inbox, panics: VecDeque::new() }),
            };
            let (member, weak) = (Arc::clone(&membership), hub.downgrade());
            hub.spawn(async move {
                let control = Arc::clone(&task.control);
                task.run().await;
                drop(member);
                if let Some(hub) = weak.upgrade() {
                    hub.handlers().remove(control.id);
                }
            });
            Ok(Handler { control, membership: Arc::downgrade(&membership), kept: false })
        })
    }
}

/// A handler that runs. Dropping it removes it, unless it was [kept](Handler::keep).
#[derive(Debug)]
pub struct Handler {
    control: Arc<Control>,
    membership: Weak<Membership>,
    kept: bool,
}

impl Handler {
    /// Who this is, in listings and logs.
    pub fn id(&self) -> SubscriberId {
        self.control.id
    }

    /// Removes it. A call that runs is not interrupted, but it was the last. Works from anywhere, also
    /// from within the handler.
    pub fn remove(self) {
        drop(self);
    }

    /// Lets it run without this handle, until [`Hub::clear`] or the end of the hub.
    pub fn keep(mut self) {
        self.kept = true;
    }

    /// Ends some of its topics or patterns; how many there were.
    ///
    /// # Errors
    /// [`SubscribeError`] if a text is no topic.
    pub async fn unsubscribe(&self, topics: impl Wishes) -> Result<usize, SubscribeError> {
        match self.membership.upgrade() {
            Some(membership) => leave(&membership, topics.wishes()?).await,
            None => Ok(0),
        }
    }

    /// Its figures.
    pub fn status(&self) -> HandlerStatus {
        self.control.status()
    }
}

impl Drop for Handler {
    fn drop(&mut self) {
        if !self.kept {
            self.control.stop.cancel();
        }
    }
}

/// One handler in figures.
#[derive(Debug, Clone, Serialize)]
pub struct HandlerStatus {
    /// Who.
    pub id: SubscriberId,
    /// Its name.
    pub name: String,
    /// Calls made.
    pub calls: u64,
    /// Calls that panicked.
    pub panics: u64,
    /// Calls that took longer than 100 ms.
    pub slow: u64,
    /// Calls that had not returned after 0.7 s.
    pub blocked: u64,
    /// Whether such a call still runs.
    pub is_blocked: bool,
    /// Why it was ended by the other side, if it was.
    pub cut_off: Option<CutOff>,
}

/// What is known of a handler from outside its thread.
#[derive(Debug)]
pub(crate) struct Control {
    id: SubscriberId,
    name: String,
    start: Instant,
    stop: CancellationToken,
    /// When the running call began, in microseconds since `start`; 0 = none runs.
    since: AtomicU64,
    calls: AtomicU64,
    panics: AtomicU64,
    slow: AtomicU64,
    blocked: AtomicU64,
    is_blocked: AtomicBool,
    cut_off: Mutex<Option<CutOff>>,
}

impl Control {
    fn new(id: SubscriberId, name: &str) -> Self {
        Self {
            id,
            name: name.to_owned(),
            start: Instant::now(),
            stop: CancellationToken::new(),
            since: AtomicU64::new(0),
            calls: AtomicU64::new(0),
            panics: AtomicU64::new(0),
            slow: AtomicU64::new(0),
            blocked: AtomicU64::new(0),
            is_blocked: AtomicBool::new(false),
            cut_off: Mutex::new(None),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX).max(1)
    }

    /// Names a call that does not return, once.
    fn look(&self) {
        let since = self.since.load(Ordering::Acquire);
        let running = Duration::from_micros(self.now().saturating_sub(since));
        if since > 0 && running >= BLOCKED && !self.is_blocked.swap(true, Ordering::AcqRel) {
            self.blocked.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(handler = self.name, id = self.id.0, ?running, "handler blocks");
        }
    }

    fn status(&self) -> HandlerStatus {
        HandlerStatus {
            id: self.id,
            name: self.name.clone(),
            calls: self.calls.load(Ordering::Relaxed),
            panics: self.panics.load(Ordering::Relaxed),
            slow: self.slow.load(Ordering::Relaxed),
            blocked: self.blocked.load(Ordering::Relaxed),
            is_blocked: self.is_blocked.load(Ordering::Relaxed),
            cut_off: *self.cut_off.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }
}

/// All handlers of a hub.
#[derive(Debug, Default)]
pub(crate) struct Handlers(Mutex<BTreeMap<SubscriberId, Arc<Control>>>);

impl Handlers {
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<SubscriberId, Arc<Control>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, control: &Arc<Control>) {
        self.lock().insert(control.id, Arc::clone(control));
    }

    fn remove(&self, id: SubscriberId) {
        self.lock().remove(&id);
    }

    pub(crate) fn clear(&self) -> usize {
        let all = std::mem::take(&mut *self.lock());
        all.values().for_each(|control| control.stop.cancel());
        all.len()
    }

    pub(crate) fn status(&self) -> Vec<HandlerStatus> {
        self.lock().values().map(|control| control.status()).collect()
    }
}

/// What travels between the task, which waits, and a thread, which calls.
struct Work {
    call: Call,
    inbox: Inbox,
    /// When it last panicked, within the window.
    panics: VecDeque<Instant>,
}

struct Task {
    control: Arc<Control>,
    owner: Option<Weak<dyn Any + Send + Sync>>,
    /// Here, unless a thread has it.
    work: Option<Work>,
}

impl Task {
    async fn run(mut self) {
        let stop = self.control.stop.clone();
        while !stop.is_cancelled() && self.owner_lives() {
            let Some(work) = self.work.as_mut() else { return };
            let readable = poll_fn(|context| work.inbox.poll_readable(context));
            tokio::select! {
                () = readable => {}
                () = stop.cancelled() => return,
                () = sleep(OWNER), if self.owner.is_some() => continue,
            }
            let shift = self.shift();
            let Some((work, at_end)) = watch(&self.control, shift, &stop).await else { return };
            let hopeless = work.panics.len() >= PANICS;
            if hopeless {
                tracing::error!(
                    handler = self.control.name,
                    id = self.control.id.0,
                    "handler panics too often, removed"
                );
                work.inbox.outbox().subscriber().cut_off(CutOff::Panicked);
            }
            if hopeless || at_end {
                let why = work.inbox.outbox().cut_off();
                *self.control.cut_off.lock().unwrap_or_else(PoisonError::into_inner) = why;
                return;
            }
            self.work = Some(work);
        }
    }

    fn owner_lives(&self) -> bool {
        self.owner.as_ref().is_none_or(|owner| owner.strong_count() > 0)
    }

    /// Gives the work to a thread for a while: nothing that a handler does can stop a task then.
    fn shift(&mut self) -> JoinHandle<Option<(Work, bool)>> {
        let (control, work, owner) = (Arc::clone(&self.control), self.work.take(), self.owner.clone());
        tokio::task::spawn_blocking(move || {
            let mut work = work?;
            let at_end = work.serve(&control, owner.as_ref());
            Some((work, at_end))
        })
    }
}

impl Work {
    /// Calls for what waits, for the length of a shift; whether nothing more will come.
    fn serve(&mut self, control: &Control, owner: Option<&Weak<dyn Any + Send + Sync>>) -> bool {
        let start = Instant::now();
        while start.elapsed() < SHIFT && !control.stop.is_cancelled() && self.panics.len() < PANICS {
            let Some(update) = self.inbox.try_next() else { return self.inbox.outbox().is_at_end() };
            // The owner lives through the call, or there is no call.
            let held = owner.map(Weak::upgrade);
            if matches!(held, Some(None)) {
                break;
            }
            self.call(control, &update);
        }
        false
    }

    fn call(&mut self, control: &Control, update: &Update) {
        let began = Instant::now();
        control.since.store(control.now(), Ordering::Release);
        let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| (self.call)(update)));
        control.since.store(0, Ordering::Release);
        control.is_blocked.store(false, Ordering::Release);
        control.calls.fetch_add(1, Ordering::Relaxed);
        let took = began.elapsed();
        if took > SLOW {
            control.slow.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(handler = control.name, id = control.id.0, topic = %update.topic, ?took, "handler is slow");
        }
        if outcome.is_err() {
            control.panics.fetch_add(1, Ordering::Relaxed);
            tracing::error!(handler = control.name, id = control.id.0, topic = %update.topic, "handler panicked");
            while self.panics.front().is_some_and(|at| at.elapsed() >= PANIC_WINDOW) {
                self.panics.pop_front();
            }
            self.panics.push_back(Instant::now());
        }
    }
}

/// Waits for a shift to end, naming a call that does not return.
async fn watch(
    control: &Control,
    mut shift: JoinHandle<Option<(Work, bool)>>,
    stop: &CancellationToken,
) -> Option<(Work, bool)> {
    loop {
        tokio::select! {
            // A thread that could not be had (the runtime ends) ends the handler, too.
            done = &mut shift => return done.ok().flatten(),
            // The thread keeps the work until its call returns; nobody waits for it.
            () = stop.cancelled() => return None,
            () = sleep(LOOK) => control.look(),
        }
    }
}
