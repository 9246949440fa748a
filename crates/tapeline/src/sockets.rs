//! The open sockets of one feed, polled together by its task.

use std::task::{Context, Poll};
use std::time::Duration;

use tapeline_core::feed::{Closed, Feed, Input};
use tapeline_core::policy::fault::Fault;
use tapeline_core::rng::Rng;
use tapeline_core::time::{Mono, Time};
use tapeline_core::venue::LineId;
use tapeline_ws::{QueueError, RawMessage};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::chaos::{Mangled, Odds, Tap};
use crate::clock::Clock;
use crate::net::{Connected, closed_by_io, closed_by_protocol};

/// How long a goodbye may take.
const CLOSED_WITHIN: Duration = Duration::from_secs(5);

/// One open socket.
#[derive(Debug)]
struct Socket {
    line: LineId,
    connection: Connected,
    /// Nothing has been cut from its buffer yet.
    fresh: bool,
    /// How long a message may take to arrive.
    message_within: Duration,
    /// When the message that is arriving must be complete.
    due: Option<Instant>,
    /// Reading is paused because a blocking subscriber is full.
    paused: bool,
    /// When reading last went on after a pause, which is not the peer's lateness.
    resumed: Option<Instant>,
    /// It failed outside of reading.
    failed: Option<Closed>,
    /// The newest fault on purpose when it was opened, and what such faults do to its messages.
    born: u64,
    odds: Option<(Odds, Rng)>,
}

/// What reading one socket came to.
enum Reading {
    /// Nothing there.
    Idle,
    /// A batch was handled that was read at this time.
    Batch(Mono),
    /// It is over.
    Over(Closed),
}

/// All open sockets.
#[derive(Debug, Default)]
pub(crate) struct Sockets {
    /// For the log.
    venue: &'static str,
    open: Vec<Socket>,
    /// Which one is read first in the next turn.
    turn: usize,
    /// Goodbyes on their way.
    closing: JoinSet<()>,
    /// When the first batch was read that has not been handed on.
    read: Option<Mono>,
    /// When the first socket is read again that is stalled on purpose.
    stalled: Option<Instant>,
}

impl Sockets {
    pub(crate) fn new(venue: &'static str) -> Self {
        Self { venue, ..Self::default() }
    }

    /// Takes an open connection in; one of its messages may take `message_within` to arrive.
    pub(crate) fn add(&mut self, line: LineId, connection: Connected, message_within: Duration, born: u64) {
        self.open.push(Socket {
            line,
            connection,
            fresh: true,
            message_within,
            due: None,
            paused: false,
            resumed: None,
            failed: None,
            born,
            odds: None,
        });
    }

    /// Queues something on a line; what does not fit ends the line.
    pub(crate) fn queue(&mut self, line: LineId, put: impl FnOnce(&mut Connected) -> Result<(), QueueError>) {
        let Some(socket) = self.open.iter_mut().find(|socket| socket.line == line) else { return };
        if let Err(error) = put(&mut socket.connection) {
            // The peer does not take what we say: it is as good as gone.
            socket.failed = Some(Closed { code: None, fault: Fault::Transient, detail: error.to_string() });
        }
    }

    /// Closes a line in good order, in the background.
    pub(crate) fn close(&mut self, line: LineId, code: u16) {
        if let Some(at) = self.open.iter().position(|socket| socket.line == line) {
            let socket = self.open.swap_remove(at);
            self.say_goodbye(socket, code);
        }
    }

    fn say_goodbye(&mut self, mut socket: Socket, code: u16) {
        self.closing.spawn(async move {
            // Whether the peer answers changes nothing any more.
            let _ = timeout(CLOSED_WITHIN, socket.connection.close(code, "")).await;
        });
    }

    /// Reads each socket once and hands what it holds to the feed; whether anything was there.
    pub(crate) fn poll(
        &mut self,
        context: &mut Context<'_>,
        clock: &Clock,
        feed: &mut Feed,
        chaos: Option<&Tap>,
    ) -> bool {
        while let Poll::Ready(Some(_)) = self.closing.poll_join_next(context) {}
        self.stalled = None;
        let mut worked = false;
        let mut blocked = false;
        // Sockets take turns in being first, so that a busy one cannot starve the others.
        self.turn = self.turn.wrapping_add(1);
        let mut index = 0;
        while index < self.open.len() {
            let at = (self.turn + index) % self.open.len();
            let socket = &mut self.open[at];
            let line = socket.line;
            let mut pause = feed.is_blocked(line);
            blocked |= pause;
            if let Some(until) = chaos.and_then(|chaos| socket.suffer(chaos)) {
                pause = true;
                self.stalled = Some(self.stalled.map_or(until, |first| first.min(until)));
            }
            match socket.poll(context, clock, feed, pause) {
                Reading::Idle => index += 1,
                Reading::Batch(read) => {
                    self.read.get_or_insert(read);
                    worked = true;
                    index += 1;
                }
                Reading::Over(why) => {
                    worked = true;
                    let socket = self.open.swap_remove(at);
                    tracing::info!(venue = self.venue, %line, fault = why.fault.name(), code = why.code, detail = %why.detail, "line closed");
                    // A close frame of ours may still be queued.
                    self.say_goodbye(socket, why.code.unwrap_or(1000));
                    feed.handle(clock.now(), Input::Closed { line, why });
                }
            }
        }
        if blocked {
            feed.wake_on_room(context.waker());
        }
        worked
    }

    /// When the first of the batches was read that came since the last call.
    pub(crate) fn take_read(&mut self) -> Option<Mono> {
        self.read.take()
    }

    /// When a message that is arriving must be complete, or a stall on purpose is over, at the earliest.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.open.iter().filter_map(|socket| socket.due).chain(self.stalled).min()
    }

    /// Waits until every goodbye is said, but not for ever.
    pub(crate) async fn finish(&mut self, within: Duration) {
        let all = async { while self.closing.join_next().await.is_some() {} };
        if timeout(within, all).await.is_err() {
            self.closing.abort_all();
        }
    }
}

impl Socket {
    /// Takes in what is to go wrong on purpose; until when it is not to be read, if so.
    #[cold]
    fn suffer(&mut self, chaos: &Tap) -> Option<Instant> {
        let strike = chaos.strike(self.line.slot, self.born);
        if strike.cut {
            let detail = "cut on purpose".to_owned();
            self.failed = Some(Closed { code: None, fault: Fault::Transient, detail });
        }
        self.odds = strike.odds.map(|odds| {
            let seed = u64::from(self.line.slot) << 32 | u64::from(self.line.dial);
            let dice = self.odds.take().map_or_else(|| Rng::new(seed), |(_, dice)| dice);
            (odds, dice)
        });
        strike.stalled
    }

    fn poll(&mut self, context: &mut Context<'_>, clock: &Clock, feed: &mut Feed, pause: bool) -> Reading {
        if let Some(why) = self.failed.take() {
            return Reading::Over(why);
        }
        if let Poll::Ready(Err(error)) = self.connection.poll_flush(context) {
            // The peer's last words are often the reason: they are read before the error is told.
            if let Some(why) = self.last_words(context, clock, feed) {
                return Reading::Over(why);
            }
            return Reading::Over(closed_by_io(&error));
        }
        if self.paused != pause {
            self.paused = pause;
            (self.due, self.resumed) = (None, Some(Instant::now()));
        }
        if pause {
            return Reading::Idle;
        }
        // What came behind the answer to the upgrade lies in the buffer already.
        if !std::mem::take(&mut self.fresh) {
            match self.connection.poll_fill(context) {
                // The rest of a message is late only if it does not lie here already: we may not have run.
                Poll::Pending if self.due.is_some_and(|due| due <= Instant::now()) => {
                    let detail = format!("a message took longer than {:?} to arrive", self.message_within);
                    return Reading::Over(Closed { code: None, fault: Fault::Transient, detail });
                }
                Poll::Pending => return Reading::Idle,
                Poll::Ready(Ok(0)) => {
                    let detail = "the connection ended without a goodbye".to_owned();
                    return Reading::Over(Closed { code: None, fault: Fault::from_close(None, ""), detail });
                }
                Poll::Ready(Err(error)) => return Reading::Over(closed_by_io(&error)),
                Poll::Ready(Ok(_)) => {}
            }
        }
        let read = clock.now();
        if let Some(why) = self.cut(read, feed) {
            return Reading::Over(why);
        }
        let now = Instant::now();
        let since = self.connection.assembling_since(now.into_std());
        let since = since.map(|since| Some(Instant::from_std(since)).max(self.resumed));
        self.due = since.flatten().map(|since| since + self.message_within);
        // Answers that the batch queued leave with it.
        match self.connection.poll_flush(context) {
            Poll::Ready(Err(error)) => Reading::Over(closed_by_io(&error)),
            _ => Reading::Batch(read.mono),
        }
    }

    fn last_words(&mut self, context: &mut Context<'_>, clock: &Clock, feed: &mut Feed) -> Option<Closed> {
        while let Poll::Ready(Ok(1..)) = self.connection.poll_fill(context) {
            let why = self.cut(clock.now(), feed);
            if why.is_some() {
                return why;
            }
        }
        None
    }

    /// Hands all messages of the buffer to the feed; how it ended, if it did.
    fn cut(&mut self, now: Time, feed: &mut Feed) -> Option<Closed> {
        let line = self.line;
        loop {
            match self.connection.next_bytes() {
                Ok(Some(RawMessage::Text(bytes) | RawMessage::Binary(bytes))) => {
                    let odds = self.odds.as_mut().map(|(odds, dice)| odds.roll(dice));
                    match odds.unwrap_or_default() {
                        Mangled::Not => feed.handle(now, Input::Frame { line, bytes }),
                        Mangled::Lost => {}
                        Mangled::Twice => {
                            feed.handle(now, Input::Frame { line, bytes });
                            feed.handle(now, Input::Frame { line, bytes });
                        }
                        Mangled::Halved => {
                            feed.handle(now, Input::Frame { line, bytes: &bytes[..bytes.len() / 2] });
                        }
                    }
                }
                Ok(Some(RawMessage::Ping(payload))) => feed.handle(now, Input::Ping { line, payload }),
                Ok(Some(RawMessage::Pong(payload))) => feed.handle(now, Input::Pong { line, payload }),
                Ok(Some(RawMessage::Close { code, reason })) => {
                    let fault = Fault::from_close(Some(code), reason);
                    return Some(Closed { code: Some(code), fault, detail: reason.to_owned() });
                }
                Ok(None) => return None,
                Err(error) => return Some(closed_by_protocol(&error)),
            }
        }
    }
}
