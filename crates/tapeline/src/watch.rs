//! The watch over all feeds: once a second each is asked what is wrong with it, and what has been so for long enough is
//! told once. Levels are kept for a day, and it is said which way they go, and what comes again at the same pace.

mod asking;
mod crashes;
mod history;
mod machine;
mod notify;
mod process;
mod short;
mod trend;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tapeline_core::data::update::Level;
use tapeline_core::feed::{Findings, TALLY_WITHIN, Tally};
use tapeline_core::policy::alert::{Alert, Alerts, Notification, Rule, Rules, Subject, Why};
use tapeline_core::policy::health::of_all;
use tapeline_core::time::{Mono, Time};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

pub use history::{History, HistoryMinute, Pattern};
pub use notify::Notifications;
pub use process::ProcessStatus;
pub use trend::{Direction, Trend};

use self::asking::Asking;
use self::crashes::crashes;
use self::history::Past;
use self::machine::{Delays, Machine, Strain, descriptors, disk, mute_disk, undialled};
use self::notify::Board;
use self::process::Shown;
use self::short::{hanging, short};
use crate::descriptors::Descriptors;
use crate::hub::{Hub, WeakHub};
use crate::order::Order;

/// How often feeds are asked.
const EVERY: Duration = Duration::from_secs(1);
/// A feed that does not answer for so long is in trouble, or its machine is.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Notifications kept.
const NOTIFICATIONS: usize = 256;
/// Who may report errors at a time.
const SOURCES: usize = 256;
/// A report speaks for so long, unless it is taken back.
const REPORT_WITHIN: Duration = Duration::from_secs(600);

/// What is wrong, was wrong, and was told.
#[derive(Debug, Clone, Default, Serialize)]
pub struct AlertList {
    /// What is pending and firing, the worst first.
    pub active: Vec<Alert>,
    /// The latest that were resolved, oldest first.
    pub resolved: Vec<Alert>,
    /// The latest messages, oldest first.
    pub notifications: Vec<Notification>,
    /// Alerts that there was no room for.
    pub refused: u64,
}

/// What is known of one venue at one moment.
#[derive(Debug, Default)]
struct Look {
    venue: String,
    /// None if it is halted, or did not answer.
    findings: Option<Findings>,
    /// It did not answer: nothing is known of it.
    mute: bool,
    /// It has not answered yet: how well it did before.
    kept: Option<Level>,
    /// Its topics, each with how many read it, as it last told them.
    topics: Vec<(usize, Level)>,
    restarts: u64,
    halted: bool,
}

/// A figure that only tells something when it rises: when that last happened.
#[derive(Debug, Default)]
struct Rises {
    last: u64,
    at: VecDeque<Mono>,
}

impl Rises {
    /// Takes in a reading; how often it rose within the time.
    fn look(&mut self, now: Mono, value: u64, within: Duration) -> usize {
        for _ in 0..value.saturating_sub(self.last).min(8) {
            self.at.push_back(now);
        }
        self.last = value;
        while self.at.len() > 8 || self.at.front().is_some_and(|at| now.since(*at) > within) {
            self.at.pop_front();
        }
        self.at.len()
    }
}

/// An error that a user of the library reported.
#[derive(Debug)]
struct Told {
    level: Level,
    text: String,
    until: Mono,
}

type Key = (String, Box<str>, Rule);

#[derive(Debug)]
struct Desk {
    alerts: Alerts,
    /// The conditions that held at the last look.
    held: BTreeSet<Key>,
    rises: BTreeMap<(String, Rule), Rises>,
    reports: BTreeMap<String, Told>,
    told: VecDeque<Notification>,
    past: Past,
    /// What of the machine is nearly used up, as it was last read.
    strains: Vec<Strain>,
    /// What is said of the process for it.
    shown: Shown,
}

/// What the watch knows; asked from anywhere.
#[derive(Debug)]
pub(crate) struct Watch {
    desk: Mutex<Desk>,
    /// For those who want to be told.
    board: Board,
}

impl Default for Watch {
    fn default() -> Self {
        let desk = Desk {
            alerts: Alerts::new(Rules::default()),
            held: BTreeSet::new(),
            rises: BTreeMap::new(),
            reports: BTreeMap::new(),
            told: VecDeque::new(),
            past: Past::default(),
            strains: Vec::new(),
            shown: Shown::default(),
        };
        Self { desk: Mutex::new(desk), board: Board::default() }
    }
}

impl Watch {
    fn desk(&self) -> std::sync::MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self, now: Time, looks: &[Look]) -> Vec<Notification> {
        let told = self.desk().look(now, looks);
        self.board.tell(&told);
        told
    }

    /// This is nearly used up, or does not work, until it is read again.
    fn strained(&self, strains: Vec<Strain>) {
        self.desk().strains = strains;
    }

    /// How well the process itself does, with `memory` as it is now.
    fn process(&self, now: Time, memory: Option<Strain>) -> ProcessStatus {
        let Desk { strains, shown, .. } = &mut *self.desk();
        strains.retain(|strain| strain.rule != Rule::Memory);
        strains.extend(memory);
        shown.look(now, strains)
    }
}

impl Desk {
    /// Takes in what is wrong everywhere; what is to be told.
    fn look(&mut self, now: Time, looks: &[Look]) -> Vec<Notification> {
        let mut held = BTreeSet::new();
        for look in looks {
            self.venue(now, look, &mut held);
        }
        self.process(now, looks, &mut held);
        for (venue, part, rule) in self.held.difference(&held) {
            self.alerts.clear(now, *rule, Subject::part(venue, part));
        }
        for (venue, _, rule) in held.difference(&self.held) {
            self.past.begins(now, venue, *rule);
        }
        self.held = held;
        self.past.look(
            now.unix,
            system(looks).max(self.shown.look(now, &self.strains).level),
            looks.iter().map(|look| (look.venue.as_str(), level_of(look))),
        );
        let told = self.alerts.tick(now);
        for notification in &told {
            if self.told.len() >= NOTIFICATIONS {
                self.told.pop_front();
            }
            self.told.push_back(notification.clone());
        }
        told
    }

    fn raise(
        &mut self,
        now: Time,
        held: &mut BTreeSet<Key>,
        (venue, part, rule): (&str, &str, Rule),
        level: Level,
        evidence: impl FnOnce() -> String,
    ) {
        self.alerts.raise(now, rule, Subject::part(venue, part), level, evidence);
        held.insert((venue.to_owned(), part.into(), rule));
    }

    fn venue(&mut self, now: Time, look: &Look, held: &mut BTreeSet<Key>) {
        let venue = look.venue.as_str();
        if look.mute || look.kept.is_some() {
            // What was wrong with it is so still, as far as anybody knows.
            held.extend(self.held.iter().filter(|(of, ..)| of == venue).cloned());
        }
        if look.kept.is_some() {
            return;
        }
        if look.mute {
            let evidence = || format!("its feed has not answered for {} s", ANSWER_WITHIN.as_secs());
            return self.raise(now, held, (venue, "", Rule::CoreDown), Level::Critical, evidence);
        }
        for found in look.findings.iter().flat_map(|findings| &findings.all) {
            self.raise(now, held, (venue, &found.part, found.rule), found.level, || found.evidence.clone());
        }
        let counts = look.findings.as_ref().map_or_else(Tally::default, |findings| findings.counts);
        let mismatch = look.findings.as_ref().map_or("", |findings| &findings.mismatch);
        let Tally { mismatches, crossed, failed_rotations, pauses, panics } = counts;
        // What is counted, how often it may rise within ten minutes, and how bad it is then.
        let table = [
            (Rule::LineMismatch, mismatches, 1, Level::Degraded),
            (Rule::BookBroken, crossed, 2, Level::Degraded),
            (Rule::RotationFailed, failed_rotations, 1, Level::Warning),
            (Rule::Starved, pauses, 3, Level::Warning),
            (Rule::Quarantined, panics, 1, Level::Unhealthy),
            (Rule::Restarts, look.restarts, 2, Level::Unhealthy),
        ];
        for (rule, value, least, level) in table {
            // What a feed that does not answer has counted is not known.
            let rises = self.rises.entry((venue.to_owned(), rule)).or_default();
            let known = look.findings.is_some() || rule == Rule::Restarts;
            let times = rises.look(now.mono, if known { value } else { rises.last }, TALLY_WITHIN);
            if times >= least && !(rule == Rule::Restarts && look.halted) {
                let last = if rule == Rule::LineMismatch { mismatch } else { "" };
                let last = if last.is_empty() { String::new() } else { format!("; {last}") };
                let evidence = || format!("{value} in all, {times} lately{last}");
                self.raise(now, held, (venue, "", rule), level, evidence);
            }
        }
        if look.halted {
            let evidence = || format!("halted after {} restarts", look.restarts);
            self.raise(now, held, (venue, "", Rule::CoreDown), Level::Critical, evidence);
        }
    }

    /// What is wrong with the process, or with the machine.
    fn process(&mut self, now: Time, looks: &[Look], held: &mut BTreeSet<Key>) {
        let mut wanted =
            looks.iter().filter_map(|look| look.findings.as_ref()).filter(|found| found.wanted).peekable();
        let (mut local, mut spent) = (wanted.peek().is_some(), false);
        for found in wanted {
            local &= found.local;
            spent |= found.spent;
        }
        if local && spent {
            // It says nothing of the network.
            let Strain { rule, part, level, evidence } = undialled();
            self.raise(now, held, ("", part, rule), level, || evidence);
        } else if local {
            let evidence = || "every line failed on this side".to_owned();
            self.raise(now, held, ("", "", Rule::LocalNetwork), Level::Critical, evidence);
        }
        let before = (String::new(), Box::default(), Rule::LocalNetwork);
        if looks.iter().any(|look| look.mute || look.kept.is_some()) && self.held.contains(&before) {
            held.insert(before);
        }
        for Strain { rule, part, level, evidence } in self.strains.clone() {
            self.raise(now, held, ("", part, rule), level, || evidence);
        }
        self.reports.retain(|_, told| told.until > now.mono);
        let reports: Vec<_> = self
            .reports
            .iter()
            .map(|(source, told)| (source.clone(), told.level, told.text.clone()))
            .collect();
        for (source, level, text) in reports {
            self.raise(now, held, ("", &source, Rule::Reported), level, || text);
        }
    }
}

fn level_of(look: &Look) -> Level {
    let said = look.findings.as_ref().map(|findings| findings.level);
    look.kept.or(said).unwrap_or(Level::Critical)
}

/// How well all venues do together.
fn system(looks: &[Look]) -> Level {
    let topics = looks.iter().flat_map(|look| look.topics.iter().copied());
    of_all(topics, looks.iter().map(level_of), looks.iter().any(|look| look.halted || look.mute))
}

impl Hub {
    /// What is wrong, was wrong, and was told.
    pub fn alerts(&self) -> AlertList {
        let now = self.now().mono;
        let desk = self.watch().desk();
        AlertList {
            active: desk.alerts.list(now),
            resolved: desk.alerts.past().cloned().collect(),
            notifications: desk.told.iter().cloned().collect(),
            refused: desk.alerts.refused(),
        }
    }

    /// How well the process itself does: what it uses up, how late it is, and whether its own parts run.
    pub fn process(&self) -> ProcessStatus {
        self.watch().process(self.now(), short(&self.memory()))
    }

    /// The levels of the last 24 hours by the minute, which way they go, and what came again and again.
    pub fn history(&self) -> History {
        self.watch().desk().past.read()
    }

    /// Reports an error of the application's own, to be told like ours. It speaks for ten minutes; reported again as
    /// healthy, it is over. `false` if too many others have reported something.
    pub fn report(&self, source: &str, level: Level, text: &str) -> bool {
        let until = self.now().mono + REPORT_WITHIN;
        let mut desk = self.watch().desk();
        if level == Level::Healthy {
            return desk.reports.remove(source).is_some();
        }
        if desk.reports.len() >= SOURCES && !desk.reports.contains_key(source) {
            return false;
        }
        desk.reports.insert(source.to_owned(), Told { level, text: text.to_owned(), until });
        true
    }
}

/// A look at the machine that is under way.
type Looking = Option<JoinHandle<Vec<Strain>>>;

/// What of the machine is nearly used up, and what does not work.
async fn strains(hub: &Hub, delays: &mut Delays, looking: &mut Looking) -> Vec<Strain> {
    let folder = hub.config().state.as_ref().map(|state| state.folder());
    let machine = Machine::own(folder);
    // A disk may never answer: then it is not asked again meanwhile, and nothing else waits for it.
    let look = looking.get_or_insert_with(|| spawn_blocking(move || machine.look()));
    let mut all = match timeout(EVERY, &mut *look).await {
        Ok(found) => {
            *looking = None;
            found.unwrap_or_default()
        }
        Err(_) => vec![mute_disk()],
    };
    all.extend(crashes(hub.parts(), hub.now().mono));
    all.extend(delays.look(hub.now().mono, hub.through().read()));
    let state = hub.config().state.as_ref().and_then(|state| state.trouble());
    all.extend(hub.journal().trouble().map(|error| disk("event log", &error)));
    all.extend(state.map(|error| disk("state of the limits", &error)));
    all
}

/// Watches over a hub until it is gone.
pub(crate) async fn watch(hub: WeakHub, ending: CancellationToken) {
    // What tells how many descriptors are open is opened while there are some left.
    Descriptors::read();
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut asking, mut delays) = (Asking::default(), Delays::default());
    let (mut looking, mut looked) = (None, None::<Mono>);
    let mut standing = Vec::new();
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = ending.cancelled() => return,
        }
        let Some(hub) = hub.upgrade() else { return };
        let now = hub.now().mono;
        if looked.is_none_or(|at| now.since(at) >= machine::EVERY) {
            looked = Some(now);
            standing = strains(&hub, &mut delays, &mut looking).await;
        }
        let hanging = hanging(hub.memory_kept().silent());
        let memory = short(&hub.memory());
        // Read each time: they can be gone within a second.
        let short = memory.into_iter().chain(descriptors(Descriptors::read()));
        hub.watch().strained(standing.iter().cloned().chain(short).chain(hanging).collect());
        let ask = |venue: &str| hub.asking(venue, |reply| Order::Findings { reply });
        let looks = asking.round(hub.running(), ask).await;
        for told in hub.watch().look(hub.now(), &looks) {
            log(&told);
        }
    }
}

/// One line per message.
fn log(told: &Notification) {
    let Notification { seq, why, venue, level, count, alerts, .. } = told;
    let venue = if venue.is_empty() { "process" } else { venue };
    let rules: Vec<String> = alerts
        .iter()
        .map(|alert| match &*alert.part {
            "" => alert.rule.name().to_owned(),
            part => format!("{} ({part})", alert.rule.name()),
        })
        .collect();
    let (rules, worst) = (rules.join(", "), alerts.first());
    let (evidence, action) = worst.map_or(("", ""), |worst| (&*worst.evidence, worst.action));
    match why {
        Why::Resolved => tracing::info!(seq, venue, "all alerts are over"),
        Why::Firing | Why::Repeat if *level >= Level::Unhealthy => {
            tracing::error!(seq, venue, ?level, count, rules, evidence, action, "alert");
        }
        Why::Firing | Why::Repeat => {
            tracing::warn!(seq, venue, ?level, count, rules, evidence, action, "alert");
        }
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod thousand;
