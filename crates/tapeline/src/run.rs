//! The loop: one task owns a feed and its sockets. Every input is handled to its end; nothing slow is
//! awaited here, dials and fetches run beside it and come back as inputs.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::OptionFuture;
use tapeline_core::feed::{
    Action, Command, DialError, Feed, FetchId, Input, KeptMark, Memory, Record, Stage,
};
use tapeline_core::policy::fault::Fault;
use tapeline_core::policy::pressure::Step;
use tapeline_core::time::{Mono, Time};
use tapeline_core::venue::{Decoded, Keys, LineId, Refusal, Venue, redacted};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet, spawn_blocking};
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};

use crate::bookkeeping::Books;
use crate::chaos::Tap;
use crate::clock::{Clock, unix};
use crate::journal::Journal;
use crate::keys::KeySource;
use crate::memory::{Account, Memory as Held};
use crate::net::{Connected, Net, fetch};
use crate::order::{Answer, Ask, Order, VenueReading, Wish};
use crate::signals::Signals;
use crate::sockets::Sockets;
use crate::spread::Spread;
use crate::state::Keeper;

/// Orders handled in one turn.
const ORDERS_PER_TURN: usize = 64;
/// Results of dials and fetches handled in one turn.
const DONE_PER_TURN: usize = 64;
/// How often it is summed up what the logs hold.
const WEIGH_EVERY: Duration = Duration::from_millis(100);
/// How long a feed may take to say goodbye.
const STOP_WITHIN: Duration = Duration::from_secs(2);

/// What the journal has been told.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// Up to which record of the feed.
    pub(crate) record: u64,
    /// Of the ledgers.
    pub(crate) books: Books,
}

/// What the loop is connected to.
#[derive(Debug)]
pub(crate) struct Wiring {
    pub(crate) clock: Clock,
    pub(crate) net: Arc<Net>,
    pub(crate) inbox: mpsc::Receiver<Order>,
    pub(crate) signals: Arc<Signals>,
    pub(crate) restarts: u64,
    /// Where what changes is told, and what has been.
    pub(crate) journal: Arc<Journal>,
    pub(crate) told: Told,
    /// Where what is used up of the limits is kept, if anywhere.
    pub(crate) keeper: Option<Arc<Keeper>>,
    /// Where keys are read anew, if they come from anywhere.
    pub(crate) keys: Option<Arc<dyn KeySource>>,
    /// How long it takes from a socket to the readers.
    pub(crate) through: Arc<Spread>,
    /// How short memory is, and where it is told what the logs hold.
    pub(crate) memory: Arc<Held>,
    pub(crate) logs: Arc<Account>,
    /// What goes wrong on purpose, where that is allowed.
    pub(crate) chaos: Option<Tap>,
}

/// A feed with its sockets and its work in flight.
pub(crate) struct Loop {
    venue: Arc<dyn Venue>,
    feed: Feed,
    sockets: Sockets,
    work: JoinSet<Done>,
    dials: BTreeMap<LineId, AbortHandle>,
    /// Draws the seeds of dials.
    dice: tapeline_core::rng::Rng,
    timer: Pin<Box<Sleep>>,
    /// What the timer is set to; it may ring early, never late.
    armed: Option<Instant>,
    /// What was kept last.
    mark: KeptMark,
    /// How short memory was when the feed was told last, and when it was asked for what it holds.
    pressed: Step,
    weighed: Mono,
}

enum Done {
    Dialled { line: LineId, result: Result<Box<Connected>, DialError> },
    Fetched { id: FetchId, result: Result<Decoded, Refusal> },
    Keys { keys: Option<Keys> },
}

/// What a turn came to.
#[derive(PartialEq, Eq)]
enum Turn {
    Worked,
    Stop,
}

impl Loop {
    pub(crate) fn new(venue: Arc<dyn Venue>, mut feed: Feed, seed: u64) -> Self {
        // From the first record on: what is made meanwhile waits for the journal.
        feed.took_records(0);
        Self {
            feed,
            sockets: Sockets::new(venue.profile().id),
            venue,
            work: JoinSet::new(),
            dials: BTreeMap::new(),
            dice: tapeline_core::rng::Rng::new(seed),
            timer: Box::pin(sleep_until(Instant::now())),
            armed: None,
            mark: KeptMark::default(),
            pressed: Step::Calm,
            weighed: Mono::default(),
        }
    }

    /// Runs until nobody needs the feed any more or it is told to stop; then says goodbye.
    pub(crate) async fn serve(&mut self, wiring: &mut Wiring) {
        loop {
            self.advance(wiring);
            let turn = poll_fn(|context| self.turn(context, wiring)).await;
            if turn == Turn::Stop {
                break;
            }
            // Those whom this batch wakes get to read it before the sockets are asked again.
            self.advance(wiring);
            // Once per batch: a message costs nothing more for it.
            if let Some(read) = self.sockets.take_read() {
                wiring.through.add(wiring.clock.now().mono.since(read));
            }
            tokio::task::yield_now().await;
        }
        self.feed.command(wiring.clock.now(), Command::Shutdown);
        self.advance(wiring);
        self.tell_ledger(wiring.clock.now(), wiring);
        self.work.abort_all();
        self.sockets.finish(STOP_WITHIN).await;
    }

    /// What must survive a crash of this loop.
    pub(crate) fn into_memory(self) -> Memory {
        self.feed.into_memory()
    }

    /// Time passes, then whatever is to be done is begun.
    fn advance(&mut self, wiring: &mut Wiring) {
        let now = wiring.clock.now();
        // By the clock, not by the timer: a busy socket must not starve the deadlines. If we did not run for a
        // while, the feed judges nobody before the sockets have had their turn.
        if self.feed.deadline().is_some_and(|at| at <= now.mono) {
            self.feed.tick(now);
        }
        while let Some(action) = self.feed.next_action() {
            self.perform(action, wiring);
        }
        if self.feed.newest_record() != wiring.told.record {
            self.tell(wiring);
        }
        if wiring.told.books.due() <= now.mono {
            self.tell_ledger(now, wiring);
        }
        self.keep(wiring);
        self.mind_memory(now.mono, wiring);
    }

    /// Tells how much the logs hold, and the feed how short memory is.
    fn mind_memory(&mut self, now: Mono, wiring: &Wiring) {
        let step = wiring.memory.step();
        if step != self.pressed {
            self.feed.press(step);
            (self.pressed, self.weighed) = (step, Mono::default());
        }
        if now.since(self.weighed) >= WEIGH_EVERY {
            self.weighed = now;
            wiring.logs.holds(self.feed.held_bytes());
        }
    }

    /// What is used up of the limits is handed over for keeping, if there is news of it.
    fn keep(&mut self, wiring: &Wiring) {
        let mark = self.feed.kept_mark();
        if mark != self.mark
            && let Some(keeper) = &wiring.keeper
        {
            self.mark = mark;
            keeper.keep(self.feed.kept(wiring.clock.now()));
        }
    }

    /// Resolves when it is kept what has been used up; at once if nothing is kept.
    fn kept(&mut self, wiring: &Wiring) -> impl Future<Output = Option<()>> + Send + use<> {
        self.keep(wiring);
        OptionFuture::from(wiring.keeper.as_ref().map(|keeper| keeper.written()))
    }

    /// What changed is told to whoever keeps record of it.
    #[cold]
    fn tell(&mut self, wiring: &mut Wiring) {
        let (venue, told) = (self.venue.profile().id, wiring.told.record);
        for cause in self.feed.records_after(told).filter_map(pause) {
            tracing::warn!(venue, cause, "the process did not get to run");
        }
        wiring.told.record = wiring.journal.follow(venue, told, self.feed.records_after(told));
        self.feed.took_records(wiring.told.record);
    }

    /// What has come of events since the last time is told as well.
    #[cold]
    fn tell_ledger(&self, now: Time, wiring: &mut Wiring) {
        for (entity, change) in wiring.told.books.news(now.mono, &self.feed.ledger_in_all()) {
            wiring.journal.ledger(now, self.venue.profile().id, entity, change);
        }
    }

    /// Takes in whatever is there. Pending if nothing is, with every source asked to wake the task.
    fn turn(&mut self, context: &mut Context<'_>, wiring: &mut Wiring) -> Poll<Turn> {
        let mut worked = false;
        wiring.signals.listen(context);
        if wiring.signals.is_stopped() {
            return Poll::Ready(Turn::Stop);
        }
        for who in wiring.signals.take_left() {
            self.feed.leave(wiring.clock.now(), who);
            worked = true;
        }
        for _ in 0..ORDERS_PER_TURN {
            match wiring.inbox.poll_recv(context) {
                Poll::Ready(Some(order)) => self.obey(wiring, order),
                Poll::Ready(None) => return Poll::Ready(Turn::Stop),
                Poll::Pending => break,
            }
            worked = true;
        }
        for _ in 0..DONE_PER_TURN {
            match self.work.poll_join_next(context) {
                Poll::Ready(Some(Ok(done))) => self.take(wiring, done),
                // A dial that was given up.
                Poll::Ready(Some(Err(_))) => {}
                Poll::Ready(None) | Poll::Pending => break,
            }
            worked = true;
        }
        worked |= self.sockets.poll(context, &wiring.clock, &mut self.feed, wiring.chaos.as_ref());
        if worked || wiring.memory.step() != self.pressed {
            return Poll::Ready(Turn::Worked);
        }
        self.poll_timer(context, wiring)
    }

    /// Ready when the deadline has come.
    fn poll_timer(&mut self, context: &mut Context<'_>, wiring: &Wiring) -> Poll<Turn> {
        let due = wiring.told.books.due();
        let next = wiring.clock.instant(self.feed.deadline().map_or(due, |at| at.min(due)));
        let next = self.sockets.due().map_or(next, |at| at.min(next));
        // Deadlines mostly move away: the timer is left alone until it rings, which spares its lock.
        if self.armed.is_none_or(|armed| next < armed) {
            self.timer.as_mut().reset(next);
            self.armed = Some(next);
        }
        match self.timer.as_mut().poll(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => {
                self.armed = None;
                Poll::Ready(Turn::Worked)
            }
        }
    }

    fn take(&mut self, wiring: &Wiring, done: Done) {
        let now = wiring.clock.now();
        match done {
            Done::Dialled { line, result } => {
                if self.dials.remove(&line).is_none() {
                    return;
                }
                match result {
                    Ok(connection) => {
                        tracing::info!(venue = self.venue.profile().id, %line, "line open");
                        let born = wiring.chaos.as_ref().map_or(0, Tap::newest);
                        self.sockets.add(line, *connection, wiring.net.config().message_within, born);
                        self.feed.handle(now, Input::Opened { line });
                    }
                    Err(why) => {
                        let (stage, fault) = (why.stage, why.fault.name());
                        tracing::warn!(venue = self.venue.profile().id, %line, ?stage, fault, detail = %why.detail, "dial failed");
                        self.feed.handle(now, Input::Failed { line, why });
                    }
                }
            }
            Done::Fetched { id, result } => {
                if let Err(why) = &result {
                    tracing::warn!(venue = self.venue.profile().id, fault = why.fault.name(), detail = %why.detail, "fetch failed");
                }
                self.feed.handle(now, Input::Fetched { id, result });
            }
            Done::Keys { keys } => self.feed.handle(now, Input::Keys { keys }),
        }
    }

    /// Begins an action; never waits.
    fn perform(&mut self, action: Action, wiring: &Wiring) {
        match action {
            Action::Dial { line, request, give_up } => {
                tracing::debug!(venue = self.venue.profile().id, %line, url = %redacted(&request.url), "dialling");
                let (net, seed) = (Arc::clone(&wiring.net), self.dice.next_u64());
                let give_up = wiring.clock.instant(give_up);
                let refused = wiring.chaos.as_ref().is_some_and(|chaos| chaos.refuses(line.slot));
                let kept = self.kept(wiring);
                let dial = async move {
                    kept.await;
                    if refused {
                        return Err(failed("refused on purpose"));
                    }
                    let dialled = timeout_at(give_up, net.dial(&request, seed, unix())).await;
                    dialled.unwrap_or_else(|_| Err(failed("timed out"))).map(Box::new)
                };
                let dial = std::panic::AssertUnwindSafe(dial).catch_unwind();
                let task = self.work.spawn(async move {
                    let result = dial.await.unwrap_or_else(|_| Err(failed("the dial panicked")));
                    Done::Dialled { line, result }
                });
                self.dials.insert(line, task);
            }
            Action::Send { line, text } => self.sockets.queue(line, |to| to.queue_text(&text)),
            Action::Login { line, text } => self.sockets.queue(line, |to| to.queue_text(&text.0)),
            Action::Ping { line, payload } => self.sockets.queue(line, |to| to.queue_ping(&payload)),
            Action::Pong { line, payload } => self.sockets.queue(line, |to| to.queue_pong(&payload)),
            Action::Close { line, code } => match self.dials.remove(&line) {
                Some(dial) => dial.abort(),
                None => self.sockets.close(line, code),
            },
            Action::Fetch { id, topic, why, request } => {
                let (net, venue) = (Arc::clone(&wiring.net), Arc::clone(&self.venue));
                let blocked = wiring.chaos.as_ref().is_some_and(Tap::blocks);
                let kept = self.kept(wiring);
                let fetch = async move {
                    kept.await;
                    match blocked {
                        true => Err(Refusal::new(Fault::Transient, "blocked on purpose")),
                        false => fetch(&net, &*venue, (why, &topic), &request, unix).await,
                    }
                };
                let fetch = std::panic::AssertUnwindSafe(fetch).catch_unwind();
                self.work.spawn(async move {
                    let panicked = |_| Err(Refusal::new(Fault::Local, "the request panicked"));
                    Done::Fetched { id, result: fetch.await.unwrap_or_else(panicked) }
                });
            }
            Action::ReadKeys => {
                let (venue, source) = (self.venue.profile().id, wiring.keys.clone());
                self.work.spawn(async move {
                    let read = async |source: Arc<dyn KeySource>| {
                        let read = spawn_blocking(move || source.read()).await;
                        let read = read.unwrap_or_else(|_| Err("reading them panicked".to_owned()));
                        read.inspect_err(|why| tracing::warn!(venue, %why, "the keys cannot be read anew"))
                            .ok()
                    };
                    Done::Keys { keys: OptionFuture::from(source.map(read)).await.flatten() }
                });
            }
        }
    }

    fn obey(&mut self, wiring: &Wiring, order: Order) {
        let now = wiring.clock.now();
        // Whoever asked may have given up meanwhile; then nobody misses the answer.
        match order {
            // One who left before it was served must not come in again.
            Order::Subscribe { to, .. } if to.is_closed() => {}
            Order::Subscribe { asks, to, reply } => {
                let answers = asks.into_iter().map(|ask| self.subscribe(now, ask, &to)).collect();
                let _ = reply.send(answers);
            }
            Order::Unsubscribe { wishes, who, reply } => {
                let ended = wishes.iter().filter(|wish| match wish {
                    Wish::Topic(topic) => self.feed.unsubscribe(now, topic, who),
                    Wish::Pattern(pattern) => self.feed.unsubscribe_pattern(now, pattern, who),
                });
                let _ = reply.send(ended.count());
            }
            Order::UnsubscribeSymbol { symbol, reply } => {
                let _ = reply.send(self.unsubscribe_symbol(now, &symbol));
            }
            Order::Peek { topic, reply } => {
                let _ = reply.send(self.feed.peek(now, &topic));
            }
            Order::Command { command, reply } => {
                let _ = reply.send(self.feed.command(now, command));
            }
            Order::Status { reply } => {
                let feed = Some(self.feed.status(now));
                let _ = reply.send(VenueReading { feed, restarts: wiring.restarts, halted: false });
            }
            Order::Findings { reply } => {
                let _ = reply.send((Some(self.feed.findings(now)), wiring.restarts));
            }
            Order::Records { reply } => {
                let _ = reply.send(Box::new(self.feed.records().clone()));
            }
            Order::Ledger { only, reply } => {
                let ledger = only
                    .as_ref()
                    .map_or_else(|| self.feed.ledger_in_all(), |only| self.feed.ledger(Some(only)));
                let _ = reply.send(ledger);
            }
        }
    }

    fn subscribe(&mut self, now: Time, ask: Ask, to: &tapeline_core::outbox::Subscriber) -> Answer {
        match ask.wish {
            Wish::Topic(topic) => {
                let how = ask.delivery.unwrap_or_else(|| topic.channel().default_delivery());
                self.feed.subscribe(now, topic, how, ask.from, to).map(Some)
            }
            Wish::Pattern(pattern) => {
                self.feed.subscribe_pattern(now, pattern, ask.delivery, to);
                Ok(None)
            }
        }
    }

    fn unsubscribe_symbol(&mut self, now: Time, symbol: &str) -> usize {
        let mut ended = 0;
        let topics = self.feed.status(now).topics;
        for status in topics.iter().filter(|status| status.topic.symbol() == symbol) {
            for who in &status.subscribers {
                ended += usize::from(self.feed.unsubscribe(now, &status.topic, *who));
            }
        }
        ended
    }
}

fn failed(detail: &str) -> DialError {
    DialError { stage: Stage::Upgrade, fault: Fault::Transient, detail: detail.to_owned() }
}

/// What a record says of a time in which this process did not run.
fn pause(record: &Record) -> Option<&str> {
    (&*record.entity == "feed" && (record.from, record.to) == ("running", "running"))
        .then_some(&*record.cause)
}

#[cfg(test)]
mod tests {
    use tapeline_core::time::{Mono, Unix};

    use super::*;

    #[test]
    fn a_pause_of_our_own_is_told_from_all_else() {
        let record = |entity: &str, to: &'static str| Record {
            seq: 1,
            wall: Unix(0),
            at: Mono::default(),
            kind: "line",
            entity: entity.into(),
            from: "running",
            to,
            since: None,
            felt: None,
            cause: "late by 15000 ms".into(),
        };
        assert_eq!(pause(&record("feed", "running")), Some("late by 15000 ms"));
        assert_eq!((pause(&record("feed", "halted")), pause(&record("line 0", "running"))), (None, None));
    }
}
