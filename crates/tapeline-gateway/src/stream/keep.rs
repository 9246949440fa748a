//! What a shard does by the clock: what is due, who does not read, who is silent, what is too old.

use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::log::Bound;
use super::shard::{FAREWELL, Shard, State};
use super::talk::code;
use crate::reading::wall;

/// How often clients are looked at that do not read, and logs that have grown.
const LOOK_EVERY: Duration = Duration::from_millis(100);

impl Shard {
    /// Looks at clocks: what is due, who does not read, who is silent, what is too old.
    pub(super) async fn keep(self: Rc<Self>) {
        let mut look = Instant::now() + LOOK_EVERY;
        let mut second = Instant::now() + Duration::from_secs(1);
        loop {
            let next = {
                let mut state = self.state.borrow_mut();
                let due = state.due.first().map_or(look, |(due, ..)| look.min(*due));
                state.armed = Some(due);
                due
            };
            tokio::select! {
                () = sleep_until(next) => {}
                () = self.alarm.notified() => continue,
            }
            let now = Instant::now();
            let mut state = self.state.borrow_mut();
            self.tell_due(&mut state, now);
            let touched = std::mem::take(&mut state.touched);
            touched.iter().for_each(|key| state.spread(*key));
            self.write_dirty(&mut state);
            if now >= look {
                look = now + LOOK_EVERY;
                self.mind_slow(&mut state, now);
                self.mind_memory(&mut state);
            }
            if now >= second {
                second = now + Duration::from_secs(1);
                self.mind_silent(&mut state, now);
                self.mind_logs(&mut state);
            }
            let waited = |(_, shelf): &(usize, &super::shelf::Shelf)| !shelf.waiting.is_empty();
            let waiting: Vec<usize> = state.shelves.iter().filter(waited).map(|(key, _)| key).collect();
            drop(state);
            waiting.into_iter().for_each(|key| self.serve_waiting(key));
        }
    }

    /// Whoever leaves too much unread, or reads nothing, is told to come back.
    fn mind_slow(&self, state: &mut State, now: Instant) {
        let config = self.live.config();
        let (bounds, mut all) = ((config.limits.unsent_bytes, config.timing.write_within), 0);
        let State { clients, shelves, .. } = state;
        for (_, client) in clients.iter_mut().filter(|(_, client)| client.blocked || client.closing.is_some())
        {
            let unsent = client.unsent(shelves);
            all += unsent;
            if client.closing.is_none()
                && let Some(why) = client.too_slow(now, shelves, bounds)
            {
                tracing::debug!(peer = %client.peer, unsent, why, "a client is cut");
                client.cut(shelves, code::SLOW, why, FAREWELL);
            }
            if client.closing.is_some_and(|(_, until)| until <= now) {
                client.gone = true;
            }
            if let (true, Some(waker)) = (client.gone, &client.waker) {
                waker.wake_by_ref();
            }
        }
        self.counters.unsent.store(all as u64, Ordering::Relaxed);
    }

    /// Asks those who are silent whether they live, and leaves those whose message does not come to its end.
    fn mind_silent(&self, state: &mut State, now: Instant) {
        let config = self.live.config();
        let timing = &config.timing;
        let mut asked = Vec::new();
        let State { clients, shelves, .. } = &mut *state;
        for (key, client) in clients.iter_mut().filter(|(_, client)| client.closing.is_none()) {
            if client.arriving.is_some_and(|(_, since)| now - since >= timing.message_within) {
                client.close(shelves, code::UNFINISHED, "a message did not come to its end", FAREWELL);
                asked.push(key);
                continue;
            }
            match client.pinged {
                // What it is asked waits behind what it has not read: how it reads is judged elsewhere.
                Some(_) if client.blocked => client.pinged = Some(now),
                Some(at) if now - at >= timing.pong_within => {
                    client.gone = true;
                    if let Some(waker) = &client.waker {
                        waker.wake_by_ref();
                    }
                }
                None if now - client.heard >= timing.ping_every => {
                    client.pinged = Some(now);
                    client.say(tapeline_ws::frames::ping(b"tapeline"));
                    asked.push(key);
                }
                _ => {}
            }
        }
        for key in asked {
            self.write(state, key);
        }
    }

    /// Lets go of what is too old or too much; the largest first, if all is too much.
    pub(super) fn mind_logs(&self, state: &mut State) {
        let config = self.live.config();
        let limits = &config.limits;
        let (now, age) = (wall(), config.timing.history);
        let unsent = limits.unsent_bytes;
        let mut events = Bound { bytes: limits.log_bytes, age };
        let state_bound = Bound { bytes: unsent, age };
        let most = (limits.logs_bytes / self.shards).min(state.squeeze.most);
        state.joined.forget();
        state.shelves.iter_mut().for_each(|(_, shelf)| shelf.trim(now, events, state_bound));
        while state.shelved() > most && events.bytes > state.squeeze.least(unsent) {
            events.bytes /= 2;
            state.shelves.iter_mut().for_each(|(_, shelf)| shelf.trim(now, events, state_bound));
        }
    }
}
