//! What a shard gives up when memory runs short: half of its logs with each step, and in the end the clients for whom
//! most waits.

use tapeline::Step;

use super::client::Client;
use super::shard::{FAREWELL, Shard, State};
use super::talk::code;

/// Why a client is cut that did nothing wrong but to let more wait than others.
pub(super) const EVICTED: &str = "memory is short, and most of it waits for this client";
/// Why nobody new is taken on.
pub(crate) const SHORT: &str = "memory is short, and nothing new is taken on: try again later";

/// What was asked of the logs last.
#[derive(Debug)]
pub(super) struct Squeeze {
    pub(super) step: Step,
    /// What all of them together may hold for that.
    pub(super) most: usize,
}

impl Default for Squeeze {
    fn default() -> Self {
        Self { step: Step::Calm, most: usize::MAX }
    }
}

impl Squeeze {
    /// What a log keeps in any case for those who are behind, of what they may leave unread.
    pub(super) fn least(&self, unsent: usize) -> usize {
        if self.step >= Step::Refuse { unsent / 4 } else { unsent }
    }
}

impl State {
    /// What all logs hold.
    pub(super) fn shelved(&self) -> usize {
        self.shelves.iter().map(|(_, shelf)| shelf.bytes()).sum()
    }
}

impl Shard {
    /// Tells what is held, takes over how short memory is, and does what is asked for.
    pub(super) fn mind_memory(&self, state: &mut State) {
        let (step, before) = (self.hub.pressure(), state.squeeze.step);
        let mut shelved = state.shelved();
        if step != before {
            state.squeeze.step = step;
            if step == Step::Calm {
                state.squeeze.most = usize::MAX;
            } else if step > before {
                state.squeeze.most = state.squeeze.most.min(shelved >> (step as u32 - before as u32));
            }
            state.shelves.iter_mut().for_each(|(_, shelf)| shelf.step = step);
        }
        let bound = self.live.config().limits.logs_bytes / self.shards;
        if shelved > bound.min(state.squeeze.most) {
            self.mind_logs(state);
            shelved = state.shelved();
        }
        let mut asked = self.account.take_asked();
        while asked > 0
            && let Some((key, own)) = biggest(state)
        {
            let State { clients, shelves, .. } = &mut *state;
            let Some(client) = clients.get_mut(key) else { break };
            tracing::warn!(peer = %client.peer, own, "a client is cut: memory is short");
            client.cut(shelves, code::SLOW, EVICTED, FAREWELL);
            self.hub.was_cut();
            asked = asked.saturating_sub(own);
            self.write(state, key);
        }
        let all = state.clients.iter().map(|(_, client)| client.own_bytes()).sum();
        let most = biggest(state).map_or(0, |(_, own)| own);
        self.account.waits(all, most);
        self.account.holds(shelved + all);
    }
}

/// The client that holds most for itself alone, of those that are not told to go already, and how much.
fn biggest(state: &State) -> Option<(usize, usize)> {
    let open = state.clients.iter().filter(|(_, client)| client.closing.is_none());
    let held = open.map(|(key, client): (usize, &Client)| (key, client.own_bytes()));
    held.max_by_key(|(_, own)| *own).filter(|(_, own)| *own > 0)
}
