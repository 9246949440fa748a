//! One WebSocket connection: frames out, requests in, pings, and the venue's rule about too many messages.

use super::hub::{Batch, Hub};
use super::options::Options;
use crate::dialect::{Change, Session};
use crate::limits::Window;
use crate::names::Base;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tapeline_ws::{Connection, Message, close_code};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

/// How long a farewell may take.
const FAREWELL: Duration = Duration::from_secs(1);
/// Replies that wait for room; a client that asks on without reading is cut.
const MOST_REPLIES: usize = 64;

/// What the URL of a socket said.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) combined: bool,
    pub(crate) base: Base,
    pub(crate) streams: Vec<String>,
}

/// A socket's place in the hub, taken before the client hears that it is in, so that it misses nothing.
/// Dropping it leaves the hub.
pub(crate) struct Seat {
    hub: Arc<Hub>,
    number: usize,
    session: Session,
    batches: mpsc::Receiver<Batch>,
    stop: CancellationToken,
}

impl Seat {
    pub(crate) fn take(hub: Arc<Hub>, opening: &Opening, options: &Options, stop: CancellationToken) -> Self {
        let (number, batches) = hub.join(opening.combined, opening.base, options.queue, stop.clone());
        let mut session = Session {
            combined: opening.combined,
            limit: options.streams.unwrap_or(usize::MAX),
            shape: options.error_shape,
            ..Session::default()
        };
        // The caller has checked that the streams of the URL are not too many.
        if let Ok(fresh) = session.add(&opening.streams)
            && !fresh.is_empty()
        {
            hub.subscribe(number, &fresh);
        }
        Self { hub, number, session, batches, stop }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.hub.leave(self.number);
    }
}

/// One open socket.
pub(crate) struct Socket {
    connection: Connection<TcpStream>,
    seat: Seat,
    /// Answers that found no room yet.
    replies: VecDeque<String>,
    /// The batch being written, and how many of its texts are queued.
    current: Option<(Batch, usize)>,
    window: Window,
    opened: Instant,
    pings: Interval,
    pong_within: Duration,
    /// The pings nobody has answered yet: payload and time, oldest first.
    unanswered: Vec<(String, Instant)>,
}

/// Why a socket ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The client left, or the socket broke.
    Gone,
    /// Close with this code and reason.
    Close(u16, &'static str),
    /// Hang up without a word.
    Cut,
}

/// What woke the socket.
enum Wake {
    Room,
    Read(usize),
    Frames(Batch),
    Broken,
}

impl Socket {
    pub(crate) fn open(connection: Connection<TcpStream>, seat: Seat, options: &Options) -> Self {
        let mut pings = interval_at(Instant::now() + options.ping_every, options.ping_every);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            connection,
            seat,
            replies: VecDeque::new(),
            current: None,
            window: Window::new(options.messages_per_second, 1_000_000_000),
            opened: Instant::now(),
            pings,
            pong_within: options.pong_within,
            unanswered: Vec::new(),
        }
    }

    /// Serves until the end, then leaves the hub.
    pub(crate) async fn run(mut self) {
        let end = loop {
            match self.turn().await {
                ControlFlow::Continue(()) => {}
                ControlFlow::Break(end) => break end,
            }
        };
        // Nobody may wait for a queue that is no longer read.
        let Self { seat, mut connection, .. } = self;
        drop(seat);
        if let End::Close(code, reason) = end {
            // Whether the client takes the farewell or not, this is the end.
            let _ = tokio::time::timeout(FAREWELL, connection.close(code, reason)).await;
        }
    }

    async fn turn(&mut self) -> ControlFlow<End> {
        self.take_messages()?;
        self.fill_queue();
        let overdue = self.unanswered.first().map(|(_, at)| *at + self.pong_within);
        let silence = async {
            match overdue {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let waiting = self.current.is_some() || !self.replies.is_empty();
        let stop = self.seat.stop.clone();
        let wake = tokio::select! {
            biased;
            () = stop.cancelled() => return ControlFlow::Break(End::Cut),
            () = silence => {
                self.seat.hub.count(|report| report.closed_for_silence += 1);
                return ControlFlow::Break(End::Cut);
            }
            _ = self.pings.tick() => {
                self.ping();
                return ControlFlow::Continue(());
            }
            wake = next_wake(&mut self.connection, &mut self.seat.batches, waiting) => wake,
        };
        match wake {
            Wake::Room => ControlFlow::Continue(()),
            Wake::Read(0) | Wake::Broken => ControlFlow::Break(End::Gone),
            Wake::Read(_) => ControlFlow::Continue(()),
            Wake::Frames(batch) => {
                self.current = Some((batch, 0));
                ControlFlow::Continue(())
            }
        }
    }

    /// Handles everything that has been read.
    fn take_messages(&mut self) -> ControlFlow<End> {
        loop {
            let (message, answer) = match self.connection.next_message() {
                Ok(None) => return ControlFlow::Continue(()),
                Ok(Some(Message::Close { .. })) => {
                    return ControlFlow::Break(End::Close(close_code::NORMAL, ""));
                }
                Err(error) => return ControlFlow::Break(End::Close(error.close_code(), "protocol error")),
                Ok(Some(Message::Text(text))) => (Received::Request, Some(text.to_owned())),
                Ok(Some(Message::Pong(payload))) => {
                    (Received::Pong, std::str::from_utf8(payload).ok().map(str::to_owned))
                }
                Ok(Some(Message::Ping(_))) => (Received::Ping, None),
                Ok(Some(Message::Binary(_))) => (Received::Request, None),
            };
            self.seat.hub.count(|report| report.client_messages += 1);
            if !self.window.admit(self.opened.elapsed().as_nanos() as u64) {
                self.seat.hub.count(|report| report.closed_for_rate += 1);
                return ControlFlow::Break(End::Close(close_code::POLICY, "Too many requests"));
            }
            match message {
                Received::Ping => {}
                Received::Pong => self.pong(answer.as_deref()),
                // Bytes are no JSON text; the answer says so.
                Received::Request => self.request(answer.as_deref().unwrap_or(""))?,
            }
        }
    }

    fn request(&mut self, text: &str) -> ControlFlow<End> {
        let (reply, change) = self.seat.session.request(text);
        match change {
            Change::Nothing => {}
            Change::Added(names) => self.seat.hub.subscribe(self.seat.number, &names),
            Change::Removed(names) => self.seat.hub.unsubscribe(self.seat.number, &names),
            Change::Combined(combined) => self.seat.hub.set_combined(self.seat.number, combined),
            Change::Refused => self.seat.hub.count(|report| report.request_errors += 1),
        }
        if self.replies.len() >= MOST_REPLIES {
            return ControlFlow::Break(End::Cut);
        }
        self.replies.push_back(reply);
        ControlFlow::Continue(())
    }

    /// Moves replies, then texts of the current batch, into the out-queue until that is full.
    fn fill_queue(&mut self) {
        while let Some(reply) = self.replies.front() {
            if self.connection.queue_text(reply).is_err() {
                return;
            }
            self.replies.pop_front();
        }
        let Some((batch, done)) = &mut self.current else { return };
        while let Some(text) = batch.get(*done) {
            if self.connection.queue_text(text).is_err() {
                return;
            }
            *done += 1;
        }
        self.current = None;
    }

    /// Pings carry the time, so that no two are alike.
    fn ping(&mut self) {
        let payload = super::unix_ms().to_string();
        if self.connection.queue_ping(payload.as_bytes()).is_ok() {
            self.seat.hub.count(|report| report.pings += 1);
            self.unanswered.push((payload, Instant::now()));
        }
    }

    /// A pong answers the ping whose payload it repeats, and all before it; any other pong counts for nothing.
    fn pong(&mut self, payload: Option<&str>) {
        let answered = self.unanswered.iter().position(|(sent, _)| Some(sent.as_str()) == payload);
        if let Some(place) = answered {
            self.unanswered.drain(..=place);
            self.seat.hub.count(|report| report.pongs += 1);
        }
    }
}

#[derive(Clone, Copy)]
enum Received {
    Request,
    Ping,
    Pong,
}

/// Writes what is queued and waits for what comes first: room for more, bytes, or frames.
async fn next_wake(
    connection: &mut Connection<TcpStream>,
    batches: &mut mpsc::Receiver<Batch>,
    waiting: bool,
) -> Wake {
    poll_fn(|cx| {
        let idle = match connection.poll_flush(cx) {
            Poll::Ready(Ok(())) => true,
            Poll::Ready(Err(_)) => return Poll::Ready(Wake::Broken),
            Poll::Pending => false,
        };
        match connection.poll_fill(cx) {
            Poll::Ready(Ok(bytes)) => return Poll::Ready(Wake::Read(bytes)),
            Poll::Ready(Err(_)) => return Poll::Ready(Wake::Broken),
            Poll::Pending => {}
        }
        match (idle, waiting) {
            (true, true) => Poll::Ready(Wake::Room),
            (true, false) => match batches.poll_recv(cx) {
                Poll::Ready(Some(batch)) => Poll::Ready(Wake::Frames(batch)),
                // The hub dropped the queue: the socket was told to stop.
                Poll::Ready(None) => Poll::Ready(Wake::Broken),
                Poll::Pending => Poll::Pending,
            },
            (false, _) => Poll::Pending,
        }
    })
    .await
}
