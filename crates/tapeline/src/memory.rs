//! Memory of the whole process: what its logs and queues hold, how much is resident, and what is given up when it runs
//! short. Looked at ten times a second; whoever holds memory reads the step that is taken from one atomic.

mod account;
mod system;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use serde::Serialize;
use tapeline_core::outbox::{CutOff, Gauge, Outbox};
use tapeline_core::policy::pressure::{Pressure, Step};
use tapeline_core::time::{Mono, Time, Unix};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

pub use account::Account;

use self::account::Room;
use self::system::System;
use crate::hub::{Hub, WeakHub};

/// How often the step is looked at.
const EVERY: Duration = Duration::from_millis(100);
/// How often the system is asked while little is used, and how soon after letting go of something: it does not take
/// memory back at once.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// From which share on it is asked at every look, in percent.
const WATCHFUL: u64 = 60;
/// To which share cutting off is to bring it: a little below what it takes to refuse.
const TARGET: u64 = Step::Refuse.at() - 5;
/// Up to which share more is taken between two looks, in percent.
const FILL: u64 = 98;
/// Looks after which a part that tells all the time what it holds is said to hang.
const SILENT: u64 = 50;
/// For less than this nobody is cut off: it would free nothing.
const WORTH: u64 = 16 << 10;

/// How short memory is, and what has been done about it.
#[derive(Debug, Clone, Default, Serialize)]
pub struct MemoryStatus {
    /// What is done now.
    pub step: Step,
    /// Since when.
    pub since: Unix,
    /// The greater share of the two below, in percent.
    pub percent: u64,
    /// What the process has of the machine's memory, and what it may have, in bytes; none where nobody tells.
    pub resident: Option<u64>,
    /// The least of `limits.memory_bytes`, the machine, and the process's group.
    pub resident_most: Option<u64>,
    /// What logs and queues hold, and what they may hold, in bytes.
    pub buffers: u64,
    /// `limits.buffers_bytes`.
    pub buffers_most: u64,
    /// The most that they have ever held at a look.
    pub buffers_high: u64,
    /// What they hold, by part.
    pub parts: BTreeMap<&'static str, u64>,
    /// Subscribers and clients that were not taken on.
    pub refused: u64,
    /// Subscribers and clients that were cut off.
    pub cut: u64,
}

/// An account, and whether its part tells all the time what it holds.
#[derive(Debug)]
struct Held {
    account: Weak<Account>,
    steady: bool,
}

/// An outbox, and whether it may be cut off.
#[derive(Debug)]
struct Queue {
    gauge: Gauge,
    loose: bool,
}

/// The memory of a hub's process.
#[derive(Debug)]
pub(crate) struct Memory {
    step: AtomicU8,
    refused: AtomicU64,
    cut: AtomicU64,
    accounts: Mutex<Vec<Held>>,
    queues: Mutex<Vec<Queue>>,
    status: Mutex<MemoryStatus>,
    system: System,
    most: u64,
    room: Arc<Room>,
}

/// So many percent of `most` are used.
pub(crate) fn percent(used: u64, most: u64) -> u64 {
    used.saturating_mul(100) / most.max(1)
}

fn lock<T>(held: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Every change is complete before the next one begins.
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Memory {
    /// Of a process that may have so much resident, and hold so much in logs and queues.
    pub(crate) fn new(resident: usize, buffers: usize) -> Self {
        Self {
            step: AtomicU8::new(0),
            refused: AtomicU64::new(0),
            cut: AtomicU64::new(0),
            accounts: Mutex::default(),
            queues: Mutex::default(),
            status: Mutex::new(MemoryStatus { buffers_most: buffers as u64, ..MemoryStatus::default() }),
            system: System::own(resident),
            most: buffers as u64,
            room: Arc::new(Room::new(buffers as u64 / 100 * FILL)),
        }
    }

    /// What is done about it now.
    #[inline]
    pub(crate) fn step(&self) -> Step {
        Step::nth(self.step.load(Ordering::Relaxed))
    }

    /// Whether somebody new may come; who may not is counted.
    pub(crate) fn admits(&self) -> bool {
        let admitted = self.step() < Step::Refuse;
        if !admitted {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        admitted
    }

    /// Somebody was cut off so that others can stay.
    pub(crate) fn was_cut(&self) {
        self.cut.fetch_add(1, Ordering::Relaxed);
    }

    /// An account for a part of the process, which tells all the time what it holds if it is `steady`.
    pub(crate) fn account(&self, part: &'static str, steady: bool) -> Arc<Account> {
        let account = Arc::new(Account::new(part, Arc::clone(&self.room)));
        lock(&self.accounts).push(Held { account: Arc::downgrade(&account), steady });
        account
    }

    /// An outbox counts from now on; unless it is `loose` it is never cut off.
    pub(crate) fn watch(&self, outbox: &Outbox, loose: bool) {
        let gauge = outbox.gauge();
        if self.step() >= Step::Refuse {
            gauge.squeeze(true);
        }
        lock(&self.queues).push(Queue { gauge, loose });
    }

    pub(crate) fn status(&self) -> MemoryStatus {
        let (refused, cut) = (self.refused.load(Ordering::Relaxed), self.cut.load(Ordering::Relaxed));
        MemoryStatus { refused, cut, ..lock(&self.status).clone() }
    }

    /// What all parts hold.
    fn parts(&self) -> BTreeMap<&'static str, u64> {
        let mut parts = BTreeMap::new();
        lock(&self.accounts).retain(|account| {
            let Some(account) = account.account.upgrade() else { return false };
            account.look();
            *parts.entry(account.part()).or_default() += account.held();
            true
        });
        let mut queued = 0;
        lock(&self.queues).retain(|queue| {
            let stats = queue.gauge.stats();
            queued += stats.map_or(0, |stats| stats.bytes as u64);
            stats.is_some()
        });
        parts.insert("outboxes", queued);
        parts
    }

    /// How many parts that tell all the time what they hold have been silent for five seconds, and what one of them is.
    pub(crate) fn silent(&self) -> Option<(usize, &'static str)> {
        let accounts = lock(&self.accounts);
        let steady = accounts.iter().filter(|held| held.steady).filter_map(|held| held.account.upgrade());
        let silent: Vec<_> = steady.filter(|account| account.looks() > SILENT).map(|a| a.part()).collect();
        silent.first().map(|part| (silent.len(), *part))
    }

    /// Queues hold less from now on, or as much as before.
    fn squeeze(&self, short: bool) {
        lock(&self.queues).iter().for_each(|queue| queue.gauge.squeeze(short));
    }

    /// Cuts off those for whom most waits, until about so many bytes are free; how many that touched at once.
    fn free(&self, mut excess: u64) -> usize {
        enum Holder {
            Queue(Gauge),
            Account(Arc<Account>),
        }
        let mut holders = Vec::new();
        for queue in lock(&self.queues).iter().filter(|queue| queue.loose) {
            let held = queue.gauge.stats().map_or(0, |stats| stats.bytes as u64);
            holders.push((held, held, Holder::Queue(queue.gauge.clone())));
        }
        for account in lock(&self.accounts).iter().filter_map(|held| held.account.upgrade()) {
            let (most, all) = account.waiting();
            holders.push((most, all, Holder::Account(account)));
        }
        holders.retain(|(most, ..)| *most >= WORTH);
        holders.sort_by_key(|(most, ..)| std::cmp::Reverse(*most));
        let mut touched = 0;
        for (_, held, holder) in holders {
            if excess == 0 {
                break;
            }
            match holder {
                Holder::Queue(gauge) => {
                    gauge.evict(CutOff::Slow);
                    self.was_cut();
                }
                Holder::Account(account) => account.ask(excess.min(held)),
            }
            touched += 1;
            excess = excess.saturating_sub(held);
        }
        touched
    }
}

/// What is remembered from look to look.
#[derive(Debug, Default)]
struct Looks {
    pressure: Pressure,
    /// When the system was asked, and what it said.
    asked: Option<(Mono, Option<(u64, u64)>)>,
    /// When somebody was cut off for what the system said.
    cut: Option<Mono>,
}

impl Looks {
    /// What is resident, asked anew where that is worth it.
    fn resident(&mut self, now: Mono, system: &System) -> Option<(u64, u64)> {
        let busy =
            self.asked.and_then(|(_, said)| said).is_some_and(|(used, most)| percent(used, most) >= WATCHFUL);
        match self.asked {
            Some((at, said)) if !busy && now.since(at) < ASK_EVERY => said,
            _ => {
                let said = system.read();
                self.asked = Some((now, said));
                said
            }
        }
    }

    /// Looks once. The step before and why, if another one is taken from now on.
    fn look(&mut self, now: Time, memory: &Memory) -> Option<(Step, String)> {
        let mark = memory.room.mark();
        let parts = memory.parts();
        let buffers: u64 = parts.values().sum();
        let said = self.resident(now.mono, &memory.system);
        let of_system = said.map_or(0, |(used, most)| percent(used, most));
        let share = percent(buffers, memory.most).max(of_system);
        let before = self.pressure.look(now.mono, share);
        let step = self.pressure.step();
        memory.step.store(step as u8, Ordering::Relaxed);
        memory.room.allow(mark, (memory.most / 100 * FILL).saturating_sub(buffers));
        {
            let mut status = lock(&memory.status);
            let since =
                if before.is_some() || status.since == Unix::default() { now.unix } else { status.since };
            let high = status.buffers_high.max(buffers);
            (status.step, status.since, status.percent) = (step, since, share);
            (status.resident, status.resident_most) =
                (said.map(|(used, _)| used), said.map(|(_, most)| most));
            (status.buffers, status.buffers_high, status.parts) = (buffers, high, parts);
        }
        if let Some(before) = before
            && (before >= Step::Refuse) != (step >= Step::Refuse)
        {
            memory.squeeze(step >= Step::Refuse);
        }
        if step == Step::Cut {
            self.cut(now.mono, memory, buffers, said);
        }
        let cause = || format!("{}, {} MiB in logs and queues", shown(said), buffers >> 20);
        before.map(|before| (before, cause()))
    }

    /// Somebody has to go. What the system says follows with a delay, so that is acted upon once in a while only.
    fn cut(&mut self, now: Mono, memory: &Memory, buffers: u64, said: Option<(u64, u64)>) {
        let over = |used: u64, most: u64| match percent(used, most) >= Step::Cut.at() {
            true => used.saturating_sub(most / 100 * TARGET),
            false => 0,
        };
        let mut excess = over(buffers, memory.most);
        if let Some((used, most)) = said
            && self.cut.is_none_or(|at| now.since(at) >= ASK_EVERY)
        {
            excess = excess.max(over(used, most));
        }
        if excess > 0 && memory.free(excess) > 0 {
            self.cut = Some(now);
        }
    }
}

fn shown(said: Option<(u64, u64)>) -> String {
    said.map_or_else(
        || "resident memory is not known".to_owned(),
        |(used, most)| format!("{} of {} MiB resident", used >> 20, most >> 20),
    )
}

impl Hub {
    /// How short memory is, and what has been done about it.
    pub fn memory(&self) -> MemoryStatus {
        self.memory_kept().status()
    }

    /// What is done about memory now; costs one atomic load.
    pub fn pressure(&self) -> Step {
        self.memory_kept().step()
    }

    /// Whether somebody new may be taken on; for whoever serves others. Who may not is counted.
    pub fn admits(&self) -> bool {
        self.memory_kept().admits()
    }

    /// An account of what a part of the process holds for others, counted with the hub's own logs and queues. The part
    /// tells it at least once a second: one that is silent for five is told as hanging (`core_down`).
    pub fn account(&self, part: &'static str) -> Arc<Account> {
        self.memory_kept().account(part, true)
    }

    /// Somebody was cut off because [`Account::take_asked`] asked for it.
    pub fn was_cut(&self) {
        self.memory_kept().was_cut();
    }
}

/// Looks after the memory until the hub is gone.
pub(crate) async fn keep(hub: WeakHub, ending: CancellationToken) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut looks = Looks::default();
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = ending.cancelled() => return,
        }
        let Some(hub) = hub.upgrade() else { return };
        let now = hub.now();
        let Some((before, cause)) = looks.look(now, hub.memory_kept()) else { continue };
        let step = looks.pressure.step();
        hub.journal().moved(now, ("memory", "process"), (before.name(), step.name()), &cause);
        hub.wake_feeds();
        match step > before {
            true => tracing::warn!(from = before.name(), to = step.name(), cause, "memory runs short"),
            false => tracing::info!(from = before.name(), to = step.name(), cause, "memory eases"),
        }
    }
}

#[cfg(test)]
mod tests;
