//! What the judges look at once a second: every line, every topic, every table.

use std::collections::BTreeSet;

use tapeline_core::data::channel::Channel;
use tapeline_core::data::topic::Topic;
use tapeline_core::data::update::{Level, Source};
use tapeline_core::feed::{FeedStatus, LineStatus, TopicStatus};
use tapeline_core::policy::uptime::KIND;

use super::World;
use super::clock::SEC;
use super::oracle::{Alive, Look, Oracle, Side, is_answered_by, is_live_by, is_well_by, readers, table};
use super::reader::Habit;
use crate::exchange::Temper;
use crate::house::House;

/// Where data comes from is told within this time.
const ANNOUNCED: u64 = 2 * SEC;
/// The ledgers are looked at every so many seconds.
const LEDGER_EVERY: u64 = 10;
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
        let awake = self.hosts[host].is_awake(now);
        if !awake || self.hosts[host].dirty {
            let watch = &mut self.oracles.watches[host];
            watch.fresh.excuse(now + SEC);
            watch.pace.paused(now + SEC);
            if !awake {
                watch.polled.paused(now);
            }
            return;
        }
        if self.hosts[host].links.values().any(|link| link.blocked) {
            self.oracles.watches[host].fresh.excuse(now + SEC);
        }
        let Some(status) = self.hosts[host].status(time) else { return };
        let watch = &mut self.oracles.watches[host];
        let pings = watch.pace.inspect(now);
        self.oracles.mind(Oracle::Pace, host, pings);
        self.inspect_records(host, &status);
        self.oracles.watches[host].rested.retain(|slot, _| status.lines.iter().any(|line| line.id == *slot));
        for line in &status.lines {
            self.inspect_line(host, line);
        }
        for topic in &status.topics {
            self.inspect_topic(host, &status, topic);
        }
        self.inspect_sources(host, &status);
        self.inspect_tables(host, &status);
        self.inspect_ledger(host);
        let poisoned = self.hosts[host].brittle.as_ref().map_or(0, |poisoned| poisoned.panics);
        if status.decode_panics > poisoned {
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

    /// C6: what a feed says of what came and did not is what came and did not.
    fn inspect_ledger(&mut self, host: usize) {
        if !(self.now / SEC).is_multiple_of(LEDGER_EVERY) {
            return;
        }
        let Some(feed) = &self.hosts[host].feed else { return };
        let house = &self.houses[self.hosts[host].house];
        let dated = !["wall-forward", "wall-back"].iter().any(|name| self.struck.contains_key(name));
        let mut found = Ok(());
        for one in feed.ledger(None).topics {
            let Some(tally) = self.oracles.tallies[host].get(&one.topic) else { continue };
            let name = one.topic.as_str();
            let spent = (|id| is_spent(house, &one.topic, id), |id| is_unused(house, &one.topic, id));
            let judged = tally.judge(&one.reading, spent, dated);
            found = found.and(judged.map_err(|words| format!("the ledger of {name}: {words}")));
        }
        self.oracles.mind(Oracle::Ledger, host, found);
    }

    /// What a feed has recorded since.
    pub(super) fn inspect_records(&mut self, host: usize, status: &FeedStatus) {
        let watch = &mut self.oracles.watches[host];
        let (mut phases, mut rungs, mut pairs) = (Ok(()), Ok(()), Ok(()));
        let seen = watch.phases.seen();
        for record in &status.events {
            phases = phases.and(watch.phases.record(record.seq, &record.entity, record.from, record.to));
            if record.seq <= seen {
                continue;
            }
            if &*record.entity == "venue" {
                rungs = rungs.and(watch.rungs.record(record.at.0, record.from, record.to));
            }
            if record.kind == KIND {
                watch.rungs.served(record.at.0, &record.entity, record.to);
            }
            if let Some(slot) = left_slot(&record.entity, &record.cause) {
                watch.rested.insert(slot, self.now);
            }
            if let Some(slot) = emptied_slot(&record.entity, &record.cause) {
                watch.fresh.rested(slot);
            }
            if let Some(slot) = suspected_slot(&record.entity, &record.cause) {
                watch.fresh.suspected(self.now, slot);
            }
            pairs = pairs.and(watch.pairs.record(&record.entity, &record.cause));
        }
        self.figures.rotations += std::mem::take(&mut watch.pairs.rotations);
        self.oracles.mind(Oracle::Phases, host, phases);
        self.oracles.mind(Oracle::Authority, host, rungs);
        self.oracles.mind(Oracle::Cover, host, pairs);
    }

    /// Where the data comes from, and which lines bring it.
    fn inspect_sources(&mut self, host: usize, status: &FeedStatus) {
        let now = self.now;
        let place = &self.hosts[host];
        let sides: Vec<Side<'_>> = status.lines.iter().map(side_of).collect();
        let apart = self.oracles.watches[host].pairs.look(&sides, place.streams.len());
        let strays: Vec<u32> = place.open_links().map(|(_, link)| link.line.slot).collect();
        let stray = strays.iter().find(|slot| !sides.iter().any(|side| side.slot == **slot));
        let watcher = self.reader_of(host, Habit::Watcher);
        let serves = |line: &LineStatus| {
            line.wanted == 0 || line.phase == "live" && line.proven && line.confirmed == line.wanted
        };
        let ready = |topic: &TopicStatus| {
            let book = topic.topic.channel() == Channel::Book;
            !book || topic.phase == "rejected" || self.oracles.is_live(watcher, &topic.topic)
        };
        let calm = is_live_by(now, self.calm_since(host, true).max(place.changed));
        let serves =
            calm && status.lines.iter().all(serves) && status.topics.iter().all(ready) && stray.is_none();
        let (rung, polled) = (status.fallback.rung, status.fallback.polled);
        let stray = stray.map(|slot| format!("line {slot} is open, and nobody knows of it"));
        let rungs = self.oracles.watches[host].rungs.look(now, rung, polled, serves);
        self.oracles.mind(Oracle::Authority, host, rungs);
        self.oracles.mind(Oracle::Cover, host, apart.and(stray.map_or(Ok(()), Err)));
    }

    /// Since when nothing is wrong with a host, and neither dials nor (if asked) requests are held.
    fn calm_since(&self, host: usize, rest: bool) -> u64 {
        let watch = &self.oracles.watches[host];
        let (dials, fetches) = watch.pace.held();
        // A hold is made longer by up to a tenth.
        let dials = dials + dials.saturating_sub(watch.calm_since) / 10;
        let dials = dials.max(watch.away.over());
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
        // A line that is to follow another comes in the midst of the greatest calm.
        let rested = self.oracles.watches[host].rested.entry(line.id).or_insert(now);
        if line.phase == "idle" {
            *rested = now;
        }
        let rested = *rested;
        let alive = Alive {
            short_since,
            slot: line.id,
            phase: line.phase,
            wanted: line.wanted,
            confirmed: line.confirmed,
            calm_since: calm_since.max(self.hosts[host].changed).max(rested),
        };
        let mut opened = links().filter(|link| link.open);
        let watch = &mut self.oracles.watches[host];
        let proven = opened.any(|link| watch.proven.contains(&link.line));
        let looked = watch.phases.look(now, look);
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
        let open = self.is_carried(host, topic, false);
        if let Err(words) = self.judge_source(host, topic, open) {
            return self.oracles.object(Oracle::Staleness, words);
        }
        let steady = self.is_steady(host, topic.topic.symbol().as_ref());
        let flow = steady && sight.flow.is_busy();
        let mute_after = 2 * self.hosts[host].config.timing.mute_after.as_nanos() as u64 + 5 * SEC;
        let links = self.hosts[host].open_links().filter(|(_, link)| link.line.slot == line.id);
        let opened = links.map(|(_, link)| link.since).max().unwrap_or(now);
        let quiet_since = data_at.max(opened).max(self.hosts[host].changed).max(self.back_at(host, topic));
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
        let repair = self.waits_for_rest(host, topic);
        let unanswered =
            sight.unanswered.filter(|since| told && is_answered_by(now, calm_since.max(*since), repair));
        let calm = now.saturating_sub(calm_since) / SEC;
        let asked = topic.lines.iter().any(|slot| self.oracles.watches[host].fresh.is_asked(now, *slot));
        let words = if book && !live && !asked && is_well_by(now, calm_since) {
            format!("{name} is not live after {calm} calm seconds")
        } else if let Some(since) = unanswered.filter(|_| is_live_by(now, calm_since)) {
            format!("{name}: what the venue has said for {} s reaches nobody", (now - since) / SEC)
        } else {
            return;
        };
        self.oracles.object(Oracle::Liveness, format!("host {host}: {words}"));
    }

    /// When the time was over for which a topic had to be set aside last; 0 if it never had to be.
    fn back_at(&self, host: usize, topic: &TopicStatus) -> u64 {
        let route = self.hosts[host].venue.route(&topic.topic);
        let poisoned = self.hosts[host].brittle.as_ref();
        poisoned.zip(route.ok()).map_or(0, |(poisoned, route)| poisoned.back_at(route.stream.as_bytes()))
    }

    /// How long events of a topic may wait for those that were missed before: REST may not tell them now.
    fn waits_for_rest(&self, host: usize, topic: &TopicStatus) -> u64 {
        let has_ids = matches!(topic.topic.channel(), Channel::Trade | Channel::AggTrade);
        let waits = has_ids && !self.oracles.watches[host].rest_serves(self.now);
        if waits { self.hosts[host].config.timing.repair_within.as_nanos() as u64 } else { 0 }
    }

    /// Whether a line that carries a topic is open, and (if asked) not silent for too long.
    fn is_carried(&self, host: usize, topic: &TopicStatus, speaks: bool) -> bool {
        let fresh = &self.oracles.watches[host].fresh;
        let open = |slot: u32| self.hosts[host].open_links().any(|(_, link)| link.line.slot == slot);
        topic.lines.iter().any(|slot| open(*slot) && !(speaks && fresh.is_silent(self.now, *slot)))
    }

    /// What no line brings is not called well; what REST brings is told to be of REST, and asked for again.
    fn judge_source(&self, host: usize, topic: &TopicStatus, open: bool) -> Result<(), String> {
        let (now, watcher) = (self.now, self.reader_of(host, Habit::Watcher));
        let Some(sight) = self.oracles.sights[watcher].get(&topic.topic) else { return Ok(()) };
        let (level, live) =
            (sight.level.unwrap_or(Level::Critical), self.oracles.is_live(watcher, &topic.topic));
        let (source, told_at) = sight.source;
        let name = topic.topic.as_str();
        let polled = source == Source::Poll && self.oracles.watches[host].polled.is_fresh(now, &topic.topic);
        if !self.is_carried(host, topic, true) && (level < Level::Degraded || live && !polled) {
            let why = if open { "silent" } else { "down" };
            let lines = &topic.lines;
            return Err(format!(
                "host {host}: lines {lines:?} are {why}, and {name} is called {level:?} (live: {live}, {source:?})"
            ));
        }
        // What was asked for is shown when it has come, and told to be of REST from then on.
        if source == Source::Poll && now > told_at + ANNOUNCED && sight.shallow.is_stale() {
            return Err(format!("host {host}: {name} is said to be polled, and what it shows is old"));
        }
        let late = sight.came.at >= told_at && now > sight.came.at + ANNOUNCED;
        let carrying =
            self.hosts[host].open_links().filter(|(_, link)| topic.lines.contains(&link.line.slot));
        let dialled = carrying.map(|(_, link)| link.since).min();
        if let Some(came) = sight.came.belies(source, dialled).filter(|_| late) {
            return Err(format!(
                "host {host}: {name} comes from {came:?}, and is said to come from {source:?}"
            ));
        }
        Ok(())
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
        let poisoned = place.brittle.as_ref();
        let aside = |at, stream: &[u8]| poisoned.is_some_and(|poisoned| poisoned.is_aside(at, stream));
        let (mut wanted, mut allowed) = (BTreeSet::new(), BTreeSet::new());
        for (topic, wish) in &place.wishes {
            let Ok(route) = place.venue.route(topic) else { continue };
            match [now.saturating_sub(SETTLED), now].map(|at| aside(at, route.stream.as_bytes())) {
                [false, false] => {}
                // Whoever reads it has to wait.
                [true, true] => continue,
                _ => {
                    allowed.insert(route.stream.to_string());
                    continue;
                }
            }
            if !wish.readers.is_empty() && !rejected(topic.as_str()) {
                wanted.insert(route.stream.to_string());
            } else if !wish.readers.is_empty() || now < wish.left + linger {
                allowed.insert(route.stream.to_string());
            }
        }
        if status.lines.iter().any(|line| line.heir.is_some()) {
            // Two lines carry everything of one of them.
            return;
        }
        let house = &self.houses[place.house];
        for side in ["a", "b"].into_iter().take(usize::from(place.config.lines.max(1))) {
            let on = |slot: u32| status.lines.iter().any(|line| line.id == slot && line.side == side);
            let links = place.open_links().filter(|(_, link)| on(link.line.slot));
            let sockets = links.filter_map(|(_, link)| link.socket);
            let held: Vec<String> = sockets.flat_map(|socket| house.subscriptions(socket).to_vec()).collect();
            let found = table(&wanted, &allowed, &held).map_err(|words| format!("side {side}: {words}"));
            self.oracles.mind(Oracle::Table, host, found);
        }
    }
}

/// Whether the venue spent an id without an event.
pub(super) fn is_spent(house: &House, topic: &Topic, id: u64) -> bool {
    let next = || house.trades(&topic.symbol(), id - 1)?.next();
    topic.channel() == Channel::Trade && next().is_some_and(|trade| trade.id == id && trade.lots == 0)
}

/// The newest id of a topic whose ids are contiguous.
pub(super) fn newest(house: &House, topic: &Topic) -> Option<u64> {
    let symbol = topic.symbol();
    let mut trades = house.trades(&symbol, 0)?.rev();
    match topic.channel() {
        Channel::Trade => trades.next().map(|trade| trade.id),
        Channel::AggTrade => trades.find(|trade| trade.aggregate > 0).map(|trade| trade.aggregate),
        _ => None,
    }
}

/// Whether there never was an event of this id: it was spent, or left out.
fn is_unused(house: &House, topic: &Topic, id: u64) -> bool {
    let next = || house.trades(&topic.symbol(), id - 1)?.next();
    topic.channel() == Channel::Trade && next().is_none_or(|trade| trade.id != id || trade.lots == 0)
}

/// The line that is at rest since it was left, or given up, as another's follower.
fn left_slot(entity: &str, cause: &str) -> Option<u32> {
    let left = cause.contains("its follower") && !cause.contains("is to follow it");
    entity.strip_prefix("line ").filter(|_| left)?.parse().ok()
}

/// The line that is at rest since nothing is wanted of it.
fn emptied_slot(entity: &str, cause: &str) -> Option<u32> {
    entity.strip_prefix("line ").filter(|_| cause == "nothing is wanted")?.parse().ok()
}

/// The line that the feed has just begun to suspect.
fn suspected_slot(entity: &str, cause: &str) -> Option<u32> {
    entity.strip_prefix("line ").filter(|_| cause == "silent for too long")?.parse().ok()
}

fn side_of(line: &LineStatus) -> Side<'_> {
    let live = line.phase == "live";
    Side { slot: line.id, side: line.side, endpoint: &line.endpoint, live, heir: line.heir }
}
