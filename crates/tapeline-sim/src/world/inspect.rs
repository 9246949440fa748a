//! What the judges look at once a second: every line, every topic, every table.

use std::collections::BTreeSet;

use tapeline_core::data::channel::Channel;
use tapeline_core::data::update::Level;
use tapeline_core::feed::{FeedStatus, LineStatus, TopicStatus};

use super::World;
use super::clock::SEC;
use super::oracle::{Alive, Look, Oracle, is_live_by, is_well_by, readers, table};
use super::reader::Habit;
use crate::exchange::Temper;

/// What a feed was told has reached its readers after this long.
const ANSWERED: u64 = 5 * SEC;
/// A change of what is wanted has reached the venue after this long.
const SETTLED: u64 = 10 * SEC;

impl World {
    /// The judges look.
    pub(super) fn inspect(&mut self) {
        for (at, house) in self.houses.iter().enumerate() {
            self.oracles.follow_books(at, house);
        }
        for host in 0..self.hosts.len() {
            self.inspect_host(host);
        }
        let topics = |reader: usize| self.oracles.sights[reader].len();
        let mut readers = self.readers.iter().enumerate();
        if let Some((greedy, _)) = readers.find(|(at, reader)| !reader.is_within_bounds(topics(*at))) {
            self.oracles.object(Oracle::Memory, format!("the outbox of reader {greedy} passes its bounds"));
        }
    }

    fn inspect_host(&mut self, host: usize) {
        let (now, time) = (self.now, self.time());
        if !self.hosts[host].is_awake(now) || self.hosts[host].dirty {
            self.oracles.watches[host].fresh.excuse(now + SEC);
            self.oracles.watches[host].pace.paused(now + SEC);
            return;
        }
        if self.hosts[host].links.values().any(|link| link.blocked) {
            self.oracles.watches[host].fresh.excuse(now + SEC);
        }
        let Some(status) = self.hosts[host].status(time) else { return };
        let watch = &mut self.oracles.watches[host];
        let pings = watch.pace.inspect(now);
        let mut records = Ok(());
        for record in &status.events {
            records = records.and(watch.phases.record(record.seq, &record.entity, record.from, record.to));
        }
        self.oracles.mind(Oracle::Pace, host, pings);
        self.oracles.mind(Oracle::Phases, host, records);
        for line in &status.lines {
            self.inspect_line(host, line);
        }
        for topic in &status.topics {
            self.inspect_topic(host, &status, topic);
        }
        self.inspect_tables(host, &status);
        if status.decode_panics > 0 {
            self.oracles.object(Oracle::Panic, format!("host {host}: the adapter panicked"));
        }
        let undecodable: u64 = status.decode_errors.values().sum();
        let watch = &self.oracles.watches[host];
        if undecodable > watch.spoilt {
            let words =
                format!("host {host}: {undecodable} messages are undecodable, {} were spoilt", watch.spoilt);
            self.oracles.object(Oracle::Accounting, words);
        }
        if status.log_bytes > self.hosts[host].config.limits.logs_bytes * 9 / 8 {
            self.oracles.object(Oracle::Memory, format!("host {host}: logs of {} bytes", status.log_bytes));
        }
    }

    /// Since when nothing is wrong with a host, and neither dials nor (if asked) requests are held.
    fn calm_since(&self, host: usize, rest: bool) -> u64 {
        let watch = &self.oracles.watches[host];
        let (dials, fetches) = watch.pace.held();
        // A hold is made longer by up to a tenth.
        let dials = dials + dials.saturating_sub(watch.calm_since) / 10;
        watch.calm_since.max(dials).max(if rest { fetches + 20 * SEC } else { 0 })
    }

    fn inspect_line(&mut self, host: usize, line: &LineStatus) {
        let now = self.now;
        let calm_since = self.calm_since(host, false);
        let links =
            || self.hosts[host].links.values().filter(|link| link.wanted && link.line.slot == line.id);
        let open = links().filter(|link| link.open).count();
        let dials = || links().filter(|link| !link.open);
        let longest = dials().map(|link| now - link.since).max().unwrap_or(0);
        let dialling = (dials().count(), longest);
        let look = Look { slot: line.id, phase: line.phase, dial_in_ms: line.dial_in_ms, open, dialling };
        let short = &mut self.oracles.watches[host].short;
        if line.confirmed >= line.wanted {
            short.remove(&line.id);
        }
        let short_since = *short.entry(line.id).or_insert(now);
        let alive = Alive {
            short_since,
            slot: line.id,
            phase: line.phase,
            wanted: line.wanted,
            confirmed: line.confirmed,
            calm_since: calm_since.max(self.hosts[host].changed),
        };
        let watch = &mut self.oracles.watches[host];
        let looked = watch.phases.look(now, look);
        let proven = watch.proven.get(&line.id).copied().unwrap_or(false);
        self.oracles.mind(Oracle::Phases, host, looked);
        self.oracles.mind(Oracle::Liveness, host, alive.judge(now));
        if line.proven && !proven {
            let words = format!("host {host}: line {} is called proven and has carried no data", line.id);
            self.oracles.object(Oracle::Staleness, words);
        }
    }

    fn inspect_topic(&mut self, host: usize, status: &FeedStatus, topic: &TopicStatus) {
        let now = self.now;
        let watcher = self.reader_of(host, Habit::Watcher);
        let name = topic.topic.as_str();
        let Some(line) = topic.line.and_then(|slot| status.lines.iter().find(|line| line.id == slot)) else {
            return;
        };
        let Some(sight) = self.oracles.sights[watcher].get(&topic.topic) else { return };
        let (level, data_at) = (sight.level.unwrap_or(Level::Critical), sight.data_at);
        let live = self.oracles.is_live(watcher, &topic.topic);
        let open = self.hosts[host].open_links().any(|(_, link)| link.line.slot == line.id);
        let silent = self.oracles.watches[host].fresh.is_silent(now, line.id);
        if (!open || silent) && (level < Level::Degraded || live) {
            let why = if open { "silent" } else { "down" };
            let words = format!(
                "host {host}: line {} is {why}, and {name} is called {level:?} (live: {live})",
                line.id
            );
            return self.oracles.object(Oracle::Staleness, words);
        }
        let steady = self.is_steady(host, topic.topic.symbol().as_ref());
        let flow = steady && sight.flow.is_busy();
        let mute_after = 2 * self.hosts[host].config.timing.mute_after.as_nanos() as u64 + 5 * SEC;
        let links = self.hosts[host].open_links().filter(|(_, link)| link.line.slot == line.id);
        let opened = links.map(|(_, link)| link.since).max().unwrap_or(now);
        let quiet_since = data_at.max(opened).max(self.hosts[host].changed);
        let others = self.oracles.watches[host].fresh.flows(now, line.id, quiet_since);
        if flow && others && now > quiet_since + mute_after && level == Level::Healthy {
            let seconds = (now - quiet_since) / SEC;
            let words = format!(
                "host {host}: {name} is mute for {seconds} s while others flow, and called {level:?}"
            );
            return self.oracles.object(Oracle::Staleness, words);
        }
        if !open || topic.phase == "rejected" {
            return;
        }
        let book = topic.topic.channel() == Channel::Book;
        let calm_since = self.calm_since(host, book).max(self.hosts[host].changed);
        // Of the best levels only what changes is delivered, and those of some symbols rest for long.
        let told = topic.topic.channel() != Channel::Depth || steady;
        let unanswered = sight.unanswered.filter(|since| told && now > calm_since.max(*since) + ANSWERED);
        let calm = now.saturating_sub(calm_since) / SEC;
        let words = if book && !live && is_well_by(now, calm_since) {
            format!("{name} is not live after {calm} calm seconds")
        } else if let Some(since) = unanswered.filter(|_| is_live_by(now, calm_since)) {
            format!("{name}: what the venue has said for {} s reaches nobody", (now - since) / SEC)
        } else {
            return;
        };
        self.oracles.object(Oracle::Liveness, format!("host {host}: {words}"));
    }

    /// Whether a symbol is traded without long pauses.
    fn is_steady(&self, host: usize, symbol: &str) -> bool {
        let listed = self.houses[self.hosts[host].house].symbol(symbol);
        listed.is_some_and(|symbol| matches!(symbol.temper, Temper::Usual | Temper::Trending))
    }

    fn inspect_tables(&mut self, host: usize, status: &FeedStatus) {
        let now = self.now;
        let place = &self.hosts[host];
        let present: BTreeSet<u64> =
            self.readers.iter().filter(|reader| reader.host == host).map(|reader| reader.id().0).collect();
        let timing = &place.config.timing;
        let sweep = timing.sweep.as_nanos() as u64;
        let linger = timing.linger.as_nanos() as u64 + 2 * sweep + 5 * SEC;
        if now > self.left_at[host] + 2 * sweep {
            let known: Vec<u64> = status.subscribers.iter().map(|reader| reader.id.0).collect();
            self.oracles.mind(Oracle::Refcount, host, readers(&known, &present));
        }
        let place = &self.hosts[host];
        let calm_since = self.calm_since(host, false).max(place.changed + SETTLED);
        let settled =
            |line: &LineStatus| line.phase == "idle" || line.phase == "live" && line.confirmed == line.wanted;
        if !is_live_by(now, calm_since) || !status.lines.iter().all(settled) {
            return;
        }
        let rejected = |name: &str| {
            status.topics.iter().any(|topic| topic.topic.as_str() == name && topic.phase == "rejected")
        };
        let (mut wanted, mut allowed) = (BTreeSet::new(), BTreeSet::new());
        for (topic, wish) in &place.wishes {
            let Ok(route) = place.venue.route(topic) else { continue };
            if !wish.readers.is_empty() && !rejected(topic.as_str()) {
                wanted.insert(route.stream.to_string());
            } else if !wish.readers.is_empty() || now < wish.left + linger {
                allowed.insert(route.stream.to_string());
            }
        }
        let sockets = place.open_links().filter_map(|(_, link)| link.socket);
        let house = &self.houses[place.house];
        let held: Vec<String> = sockets.flat_map(|socket| house.subscriptions(socket).to_vec()).collect();
        let found = table(&wanted, &allowed, &held);
        self.oracles.mind(Oracle::Table, host, found);
    }
}
