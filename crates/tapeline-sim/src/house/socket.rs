//! One connection as the house knows it: what it asked for, and the deadlines that belong to it.

use super::door::Opening;
use super::floor::nanos;
use super::options::HouseOptions;
use crate::dialect::Session;
use crate::limits::Window;
use crate::names::Base;
use bytes::Bytes;
use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;

const SECOND: u64 = 1_000_000_000;
/// Pings that may wait for an answer: whoever lets more of them pass is cut by the oldest anyway.
const MOST_PINGS: usize = 1_024;

/// Answers that may wait for data.
const MOST_ANSWERS: usize = 64;

/// An open connection.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) from: IpAddr,
    /// The host that was called.
    pub(crate) host: Box<str>,
    /// The key that it has shown.
    pub(crate) key: Option<String>,
    pub(crate) session: Session,
    pub(crate) base: Base,
    /// The streams it has ever subscribed, by number.
    pub(crate) had: BTreeSet<u32>,
    /// Times are told in microseconds.
    pub(crate) micros: bool,
    /// Client messages of the last second.
    pub(crate) window: Window,
    pub(crate) next_ping: u64,
    /// The pings nobody has answered yet: payload and time, oldest first.
    unanswered: VecDeque<(String, u64)>,
    /// When `serverShutdown` is due.
    pub(crate) warned_at: u64,
    /// When its lifetime is over.
    pub(crate) ends_at: u64,
    /// Nothing is delivered any more, in either direction.
    pub(crate) frozen: bool,
    /// Frames that wait for the next one of their stream.
    held: Vec<(u32, Bytes)>,
    /// Answers that wait for data.
    answers: Vec<Bytes>,
}

/// What a socket's clock asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Bell {
    Ping,
    /// No pong came in time.
    Silence,
    Warn,
    Age,
}

impl Socket {
    pub(crate) fn new(options: &HouseOptions, now: u64, from: IpAddr, opening: &Opening) -> Self {
        let ends_at = options.lifetime.map_or(u64::MAX, |life| now.saturating_add(nanos(life)));
        let warned = options.shutdown_lead.filter(|_| !options.market.futures && ends_at < u64::MAX);
        Self {
            from,
            host: opening.host.as_str().into(),
            key: None,
            session: Session {
                combined: opening.combined,
                limit: options.streams,
                shape: options.error_shape,
                ..Session::default()
            },
            base: opening.base,
            had: BTreeSet::new(),
            micros: opening.micros,
            window: Window::new(options.messages_per_second, SECOND),
            next_ping: now.saturating_add(nanos(options.ping_every)),
            unanswered: VecDeque::new(),
            warned_at: warned.map_or(u64::MAX, |lead| ends_at.saturating_sub(nanos(lead))),
            ends_at,
            frozen: false,
            held: Vec::new(),
            answers: Vec::new(),
        }
    }

    /// What happens to the socket next by itself, and when.
    pub(crate) fn bell(&self, pong_within: u64) -> (u64, Bell) {
        if self.frozen {
            return (u64::MAX, Bell::Ping);
        }
        let silence = self.unanswered.front().map_or(u64::MAX, |(_, at)| at.saturating_add(pong_within));
        let bells = [
            (self.ends_at, Bell::Age),
            (silence, Bell::Silence),
            (self.warned_at, Bell::Warn),
            (self.next_ping, Bell::Ping),
        ];
        bells.into_iter().min_by_key(|(at, _)| *at).unwrap_or((u64::MAX, Bell::Ping))
    }

    /// A ping was sent.
    pub(crate) fn pinged(&mut self, payload: String, now: u64) {
        if self.unanswered.len() < MOST_PINGS {
            self.unanswered.push_back((payload, now));
        }
    }

    /// A pong answers the ping whose payload it repeats, and all before it; any other pong counts for nothing.
    pub(crate) fn ponged(&mut self, payload: &[u8]) -> bool {
        let answered = self.unanswered.iter().position(|(sent, _)| sent.as_bytes() == payload);
        if let Some(place) = answered {
            self.unanswered.drain(..=place);
        }
        answered.is_some()
    }

    /// Whether something waits for the next data frame.
    pub(crate) const fn waits_for_data(&self) -> bool {
        !self.held.is_empty() || !self.answers.is_empty()
    }

    /// What may be sent after a data frame of a stream: the frame that was held back, and answers.
    pub(crate) fn after_data(&mut self, stream: u32) -> (Vec<Bytes>, Vec<Bytes>) {
        let (due, kept) = std::mem::take(&mut self.held).into_iter().partition(|(of, _)| *of == stream);
        self.held = kept;
        let due: Vec<(u32, Bytes)> = due;
        (due.into_iter().map(|(_, text)| text).collect(), std::mem::take(&mut self.answers))
    }

    /// Holds a frame back; the one of the same stream that was held before is returned.
    pub(crate) fn hold(&mut self, stream: u32, text: Bytes) -> Option<Bytes> {
        let before = self.held.iter().position(|(of, _)| *of == stream);
        let before = before.map(|place| self.held.remove(place).1);
        self.held.push((stream, text));
        before
    }

    /// Keeps an answer back until data has been sent; too many are not kept at all.
    pub(crate) fn answer_after_data(&mut self, answer: Bytes) {
        if self.answers.len() < MOST_ANSWERS {
            self.answers.push(answer);
        }
    }
}
