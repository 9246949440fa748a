//! What a shard hears of its clients, and how it goes on writing to one whose socket was full.

use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use slab::Slab;
use tapeline_ws::{Message, close_code, frames};
use tokio::time::Instant;

use super::client::Client;
use super::shard::{FAREWELL, Shard, State};
use super::shelf::Shelf;
use super::talk::{self, code};
use crate::codes::Code;

/// What was heard of a client.
enum Heard {
    Text(String),
    /// It has been answered, or the answer is queued.
    Answer,
    Nothing,
}

impl Shard {
    /// Reads what a client sends: ready with its next message, or with none when it is gone. Writes what it can be
    /// written meanwhile.
    pub(super) fn poll_client(&self, key: usize, context: &mut Context<'_>) -> Poll<Option<String>> {
        if self.poll_writes(key, context).is_ready() {
            return Poll::Ready(None);
        }
        let limit = self.live.config().limits.unsent_bytes;
        let mut state = self.state.borrow_mut();
        loop {
            let State { clients, shelves, .. } = &mut *state;
            let Some(client) = clients.get_mut(key) else { return Poll::Ready(None) };
            // Who asks without reading the answers is not heard until it does.
            if client.blocked && client.own_bytes() > limit {
                client.arriving = None;
                return Poll::Pending;
            }
            match self.hear(client, shelves) {
                Heard::Text(text) => {
                    // While this one is obeyed nothing is read: that the next does not go on is not its fault.
                    client.arriving = None;
                    return Poll::Ready(Some(text));
                }
                Heard::Answer => {
                    self.write(&mut state, key);
                    continue;
                }
                Heard::Nothing => {}
            }
            let Some(client) = state.clients.get_mut(key) else { return Poll::Ready(None) };
            match client.socket().poll_read_ready(context) {
                Poll::Pending => {
                    let begun = client.reader.assembling();
                    if begun != client.arriving.map(|(number, _)| number) {
                        client.arriving = begun.map(|number| (number, Instant::now()));
                    }
                    client.reader.release();
                    return Poll::Pending;
                }
                Poll::Ready(Err(_)) => return Poll::Ready(None),
                Poll::Ready(Ok(())) => {}
            }
            match client.read(&mut self.scratch.borrow_mut()) {
                Ok(0) => return Poll::Ready(None),
                Ok(_) => (client.heard, client.pinged) = (Instant::now(), None),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => return Poll::Ready(None),
            }
        }
    }

    /// The next message in a client's buffer.
    fn hear(&self, client: &mut Client, shelves: &Slab<Shelf>) -> Heard {
        let (mut answer, mut text) = (None, None);
        match client.reader.next() {
            Ok(None) => return Heard::Nothing,
            Ok(Some(Message::Text(message))) => text = Some(message.to_owned()),
            Ok(Some(Message::Ping(payload))) => answer = Some(frames::pong(payload)),
            Ok(Some(Message::Pong(_))) => return Heard::Answer,
            Ok(Some(Message::Binary(_))) => {
                answer = Some(talk::error(None, Code::BadRequest, "binary messages are not understood here"));
            }
            Ok(Some(Message::Close { code, .. })) => {
                let echoed = if code == close_code::NONE { 1000 } else { code };
                client.close(shelves, echoed, "", FAREWELL);
                return Heard::Answer;
            }
            // A reader says its error again and again: the second time there is nothing to be said.
            Err(_) if client.closing.is_some() => return Heard::Nothing,
            Err(error) => {
                client.close(shelves, error.close_code(), &error.to_string(), FAREWELL);
                return Heard::Answer;
            }
        }
        client.received += 1;
        self.counters.received.fetch_add(1, Ordering::Relaxed);
        let now = Instant::now();
        if now - client.lately.1 >= Duration::from_secs(1) {
            client.lately = (0, now);
        }
        client.lately.0 += 1;
        if client.lately.0 > self.live.config().limits.messages_per_second {
            client.cut(shelves, code::RATE, "too many messages", FAREWELL);
            return Heard::Answer;
        }
        match (text, answer) {
            (Some(text), _) if client.closing.is_none() => return Heard::Text(text),
            (_, Some(answer)) => client.say(answer),
            _ => {}
        }
        Heard::Answer
    }

    /// Writes on when a socket that took nothing takes something again. Ready when the client is gone.
    pub(super) fn poll_writes(&self, key: usize, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state.borrow_mut();
        loop {
            let Some(client) = state.clients.get_mut(key) else { return Poll::Ready(()) };
            if client.gone || client.closing.is_some() && client.is_clear() {
                return Poll::Ready(());
            }
            match &mut client.waker {
                Some(known) => known.clone_from(context.waker()),
                none => *none = Some(context.waker().clone()),
            }
            if !client.blocked {
                return Poll::Pending;
            }
            match client.socket().poll_write_ready(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Ready(Ok(())) => client.blocked = false,
            }
            self.write(&mut state, key);
        }
    }
}
