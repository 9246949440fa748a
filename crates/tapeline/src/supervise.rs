//! What follows a crash: the feed is rebuilt from its memory, a few times; then it is halted.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tapeline_core::config::FeedConfig;
use tapeline_core::feed::{Command, Feed, Memory};
use tapeline_core::outbox::CutOff;
use tapeline_core::policy::recovery::Recovery;
use tapeline_core::rng::Rng;
use tapeline_core::time::Mono;
use tapeline_core::venue::Venue;
use tokio::time::sleep;

use crate::order::{Order, VenueReading};
use crate::run::{Loop, Wiring};

/// Restarts of a feed that are granted within [`WINDOW`]; the next crash halts its venue. Five in ten seconds, which
/// is what other parts may have, are more than that.
const GRANTED: usize = 3;
/// Crashes longer ago than this are forgotten.
const WINDOW: Duration = Duration::from_secs(60);
/// The delay before a restart, by how many there were within [`LATELY`].
const DELAYS: [Duration; GRANTED] = [Duration::ZERO, Duration::from_millis(100), Duration::from_millis(200)];
/// Restarts longer ago than this delay no other.
const LATELY: Duration = Duration::from_secs(10);

/// The crashes of one part, and what follows the next one.
#[derive(Debug, Default)]
pub(crate) struct Restarts {
    recent: VecDeque<Mono>,
}

impl Restarts {
    /// Notes a crash. After which delay the part starts again; `None` = it is not started again.
    pub(crate) fn crashed(&mut self, now: Mono) -> Option<Duration> {
        while self.recent.front().is_some_and(|at| now.since(*at) >= WINDOW) {
            self.recent.pop_front();
        }
        if self.recent.len() >= GRANTED {
            return None;
        }
        let lately = self.recent.iter().filter(|at| now.since(**at) < LATELY).count();
        self.recent.push_back(now);
        DELAYS.get(lately).copied()
    }
}

/// Runs a venue's feed until nobody needs it, over its crashes.
pub(crate) async fn supervise(venue: Arc<dyn Venue>, config: FeedConfig, seed: u64, mut wiring: Wiring) {
    let id = venue.profile().id;
    let mut dice = Rng::new(seed);
    let mut restarts = Restarts::default();
    let mut memory = wiring.keeper.as_ref().map(|keeper| keeper.memory()).unwrap_or_default();
    loop {
        let feed = Feed::new(Arc::clone(&venue), config.clone(), memory, dice.next_u64());
        let mut running = Loop::new(Arc::clone(&venue), feed, dice.next_u64());
        let served = AssertUnwindSafe(running.serve(&mut wiring)).catch_unwind().await;
        if served.is_ok() {
            return;
        }
        wiring.restarts += 1;
        // What panicked once may panic again; then even the wishes are lost, and their readers see the end.
        let remembered = std::panic::catch_unwind(AssertUnwindSafe(|| running.into_memory()));
        memory = remembered.unwrap_or_else(|_| {
            // Its successor counts its records from the first again.
            wiring.told = 0;
            Memory::default()
        });
        memory.crashed(wiring.clock.now());
        tell(&memory, id, &mut wiring);
        let subscriptions = memory.subscriptions();
        match restarts.crashed(wiring.clock.now().mono) {
            Some(delay) => {
                tracing::error!(
                    venue = id,
                    restarts = wiring.restarts,
                    ?delay,
                    subscriptions,
                    "feed crashed, restarting"
                );
                tokio::select! {
                    () = sleep(delay) => {}
                    () = wiring.signals.stopped() => return cut_off(&memory, CutOff::Shutdown),
                }
            }
            None => {
                tracing::error!(
                    venue = id,
                    restarts = wiring.restarts,
                    subscriptions,
                    "feed crashed too often, halted"
                );
                cut_off(&memory, CutOff::Failed);
                let Some(forgiven) = halt(&mut wiring, &memory).await else { return };
                memory = memory.without_wishes(wiring.clock.now().mono, forgiven);
                restarts = Restarts::default();
            }
        }
    }
}

/// What the crash changed is part of the record.
fn tell(memory: &Memory, venue: &str, wiring: &mut Wiring) {
    wiring.told = wiring.journal.follow(venue, wiring.told, memory.records_after(wiring.told));
}

fn cut_off(memory: &Memory, why: CutOff) {
    for subscriber in memory.subscribers() {
        subscriber.cut_off(why);
    }
}

/// Whether an order is meant to bring a venue that was halted back.
fn ends_a_halt(command: &Command) -> bool {
    let recover = matches!(command, Command::Recover { how, .. } if *how != Recovery::Manual);
    recover || *command == Command::Reset
}

/// Waits until an operator begins anew with the venue (and whether everything is forgiven) or nobody needs it any more.
/// Subscriptions are left unanswered, which tells those who ask.
async fn halt(wiring: &mut Wiring, memory: &Memory) -> Option<bool> {
    loop {
        let order = tokio::select! {
            order = wiring.inbox.recv() => order,
            () = wiring.signals.stopped() => None,
        };
        match order {
            None => return None,
            Some(Order::Command { command, reply }) if ends_a_halt(&command) => {
                // Whoever asked may have given up meanwhile.
                let _ = reply.send(1);
                return Some(command == Command::Reset);
            }
            Some(Order::Status { reply }) => {
                let _ = reply.send(VenueReading { feed: None, restarts: wiring.restarts, halted: true });
            }
            Some(Order::Findings { reply }) => {
                let _ = reply.send((None, wiring.restarts));
            }
            Some(Order::Records { reply }) => {
                if let Some(records) = memory.records() {
                    let _ = reply.send(Box::new(records.clone()));
                }
            }
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(crashes_ms: &[u64], expected: &[Option<u64>]) {
        let mut restarts = Restarts::default();
        let start = Mono::default() + Duration::from_secs(100);
        let delays: Vec<Option<u64>> = crashes_ms
            .iter()
            .map(|ms| restarts.crashed(start + Duration::from_millis(*ms)).map(|d| d.as_millis() as u64))
            .collect();
        assert_eq!(delays, expected, "{crashes_ms:?}");
    }

    #[test]
    fn the_fourth_crash_in_a_minute_halts() {
        check(&[0, 1, 2, 3], &[Some(0), Some(100), Some(200), None]);
        // Also one that comes every few seconds, for ever.
        check(&[0, 19_000, 38_000, 57_000], &[Some(0), Some(0), Some(0), None]);
    }

    #[test]
    fn old_crashes_are_forgotten() {
        check(&[0, 1, 2, 60_000, 60_001], &[Some(0), Some(100), Some(200), Some(0), Some(100)]);
        check(&[0, 20_000, 40_000, 60_000, 80_000], &[Some(0); 5]);
        check(&[0, 20_000, 40_000, 59_999, 60_000], &[Some(0), Some(0), Some(0), None, Some(0)]);
    }
}
