//! What follows a crash: the feed is rebuilt from its memory, a few times; then it is halted.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use tapeline_core::config::FeedConfig;
use tapeline_core::feed::{Command, Feed, Memory};
use tapeline_core::outbox::CutOff;
use tapeline_core::policy::recovery::Recovery;
use tapeline_core::policy::restart::{Restarts, Rule};
use tapeline_core::rng::Rng;
use tapeline_core::venue::Venue;
use tokio::time::sleep;

use crate::order::{Order, VenueReading};
use crate::parts::Parts;
use crate::run::{Loop, Told, Wiring};

/// Runs a venue's feed until nobody needs it, over its crashes, and what does that over its own.
pub(crate) async fn run(
    parts: Arc<Parts>,
    part: String,
    venue: Arc<dyn Venue>,
    config: FeedConfig,
    seed: u64,
    mut wiring: Wiring,
) {
    let mut kept = parts.vital(&part);
    loop {
        let supervised = AssertUnwindSafe(supervise(&venue, &config, seed, &mut wiring)).catch_unwind().await;
        let Err(panic) = supervised else { return };
        match kept.crashed(panic.as_ref()) {
            Some(delay) => sleep(delay).await,
            None => return,
        }
    }
}

async fn supervise(venue: &Arc<dyn Venue>, config: &FeedConfig, seed: u64, wiring: &mut Wiring) {
    let id = venue.profile().id;
    let mut dice = Rng::new(seed);
    let mut restarts = Restarts::new(Rule::FEED);
    let mut memory = kept(wiring);
    loop {
        let Some(left) = live(venue, config, memory, &mut dice, wiring).await else { return };
        memory = left;
        memory.crashed(wiring.clock.now());
        tell(&memory, id, wiring);
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
                let Some(forgiven) = halt(wiring, &memory).await else { return };
                memory = memory.without_wishes(wiring.clock.now().mono, forgiven);
                restarts = Restarts::new(Rule::FEED);
            }
        }
    }
}

/// One life of a feed: what it remembers at its crash, or `None` if nobody needs it any more.
async fn live(
    venue: &Arc<dyn Venue>,
    config: &FeedConfig,
    memory: Memory,
    dice: &mut Rng,
    wiring: &mut Wiring,
) -> Option<Memory> {
    let make = || {
        let feed = Feed::new(Arc::clone(venue), config.clone(), memory, dice.next_u64());
        Loop::new(Arc::clone(venue), feed, dice.next_u64())
    };
    let remembered = match std::panic::catch_unwind(AssertUnwindSafe(make)) {
        Ok(mut running) => {
            if AssertUnwindSafe(running.serve(wiring)).catch_unwind().await.is_ok() {
                return None;
            }
            std::panic::catch_unwind(AssertUnwindSafe(|| running.into_memory())).ok()
        }
        Err(_) => None,
    };
    wiring.restarts += 1;
    // What panicked once may panic again; then even the wishes are lost, and their readers see the end. What is kept for
    // the next process still tells what the venue's limits allow.
    Some(remembered.unwrap_or_else(|| {
        // Its successor counts its records, and its events, from the first again.
        wiring.told = Told::default();
        kept(wiring)
    }))
}

/// What is kept of the venue's limits, if anything is.
fn kept(wiring: &Wiring) -> Memory {
    wiring.keeper.as_ref().map(|keeper| keeper.memory()).unwrap_or_default()
}

/// What the crash changed is part of the record.
fn tell(memory: &Memory, venue: &str, wiring: &mut Wiring) {
    let told = wiring.told.record;
    wiring.told.record = wiring.journal.follow(venue, told, memory.records_after(told));
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
