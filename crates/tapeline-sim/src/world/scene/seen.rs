//! What was seen of a scene: the log of transitions, every id that reached the reader of everything, and what became
//! of the lines. Plain figures come out.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;

use tapeline_core::data::channel::Channel;
use tapeline_core::data::topic::Topic;
use tapeline_core::data::update::{Data, GapKind, Shared, Source};
use tapeline_core::feed::{FeedStatus, LineStatus, Record};
use tapeline_core::policy::uptime::{Figures, KIND, State, Transition, figures};
use tapeline_core::time::Mono;

use super::super::World;
use super::super::drill::Violation;
use super::super::inspect::is_spent;
use super::super::oracle::Oracle;
use super::super::reader::Habit;
use super::super::trace::Deed;
use super::honest::{Honest, Outage, apart, differences};
use crate::house::House;

/// How one promise was kept.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Service {
    pub(crate) observed_s: f64,
    pub(crate) down_s: f64,
    pub(crate) availability: Option<f64>,
    pub(crate) outages: u64,
    pub(crate) repaired: u64,
    pub(crate) mttr_s: Option<f64>,
    pub(crate) mtbf_s: Option<f64>,
    /// Times to detection and to repair: half of them, 95 of 100, the longest.
    pub(crate) ttd_s: [Option<f64>; 3],
    pub(crate) ttr_s: [Option<f64>; 3],
}

/// What was seen.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    /// One number for everything that happened.
    pub(crate) hash: u64,
    /// What a judge objected to.
    pub(crate) violation: Option<Violation>,
    /// How often each fault did something.
    pub(crate) struck: BTreeMap<&'static str, u64>,
    /// From a line; from a line or by polling.
    pub(crate) full: Service,
    pub(crate) any: Service,
    /// Ids that the venue gave and that nobody was told of.
    pub(crate) lost: u64,
    /// Ids that came twice.
    pub(crate) duplicated: u64,
    /// Ids that were declared missing and never came.
    pub(crate) declared: u64,
    /// Ids that no line brought and that were fetched.
    pub(crate) repaired: u64,
    /// Outages of the feed that nothing was done to.
    pub(crate) elsewhere: u64,
    /// Where the feed's log of transitions says something else than what the world logged.
    pub(crate) dishonest: Vec<String>,
    /// Outages as the world logged them, by the topics that had any, in seconds; `None` was not repaired.
    pub(crate) interrupted: BTreeMap<String, Vec<Option<f64>>>,
    /// Topics that were not fully served in the end, but for those that the venue refuses.
    pub(crate) unserved: Vec<String>,
    /// Words that records of these kinds led to.
    pub(crate) rungs: BTreeSet<&'static str>,
    pub(crate) phases: BTreeSet<&'static str>,
    /// Dials after the start.
    pub(crate) dials: u64,
    /// Lines left to a follower.
    pub(crate) rotations: u64,
    /// Books synchronised anew.
    pub(crate) resyncs: u64,
    /// Messages that could not be read.
    pub(crate) undecodable: u64,
    /// How often the venue was asked for each stream on a connection that had it, or had had it; over real sockets
    /// nobody counts.
    pub(crate) again: Option<BTreeMap<String, u64>>,
    /// By how many seconds each line is behind another in the end, as far as it was measured.
    pub(crate) lags: Vec<Option<f64>>,
    /// The log of transitions, a JSON object per line; it begins before the stretch that is measured …
    pub(crate) log: Vec<String>,
    /// … which is this, in microseconds.
    pub(crate) stretch_us: (u64, u64),
}

/// The ids of one topic, as the reader of everything got them.
#[derive(Debug, Default)]
struct Ids {
    came: BTreeSet<u64>,
    declared: Vec<(u64, u64)>,
}

/// What is noted while a scene plays.
#[derive(Debug)]
pub(super) struct Notes {
    host: usize,
    ids: BTreeMap<Topic, Ids>,
    /// Those of earlier subscriptions.
    past: Vec<(Topic, Ids)>,
    duplicated: u64,
    repaired: u64,
    /// By host.
    newest: Vec<u64>,
    transitions: Vec<Vec<Transition>>,
    rungs: BTreeSet<&'static str>,
    phases: BTreeSet<&'static str>,
    start: u64,
    dials: u64,
    before: [u64; 3],
    again: BTreeMap<String, u64>,
    shown: Vec<String>,
    honest: Honest,
}

impl Notes {
    pub(super) fn new(host: usize, world: &World) -> Self {
        let (venue, watcher) = (&world.hosts[host].venue, world.reader_of(host, Habit::Watcher));
        let routed = |topic: &Topic| Some((topic.clone(), venue.route(topic).ok()?.stream));
        let topics = world.plan.topics[host].iter().filter_map(routed);
        Self {
            host,
            honest: Honest::new(host, watcher, topics).reading(world.hosts[host].brittle.is_some()),
            ids: BTreeMap::new(),
            past: Vec::new(),
            duplicated: 0,
            repaired: 0,
            newest: Vec::new(),
            transitions: Vec::new(),
            rungs: BTreeSet::new(),
            phases: BTreeSet::new(),
            start: 0,
            dials: 0,
            before: [0; 3],
            again: BTreeMap::new(),
            shown: Vec::new(),
        }
    }

    /// Takes down what has happened since, and keeps the last lines in words if a judge has objected.
    pub(super) fn take(&mut self, world: &mut World, lines: usize) {
        if world.oracles.verdict.is_some() {
            self.shown = world.trace.last(lines);
        }
        let watcher = world.reader_of(self.host, Habit::Watcher);
        let read = self.newest.get(self.host).copied().unwrap_or(0);
        let rungs = world.hosts[self.host].feed.iter().flat_map(|feed| feed.records_after(read));
        for record in rungs.filter(|record| record.kind == "rung") {
            self.honest.rung(record.at.0, matches!(record.to, "primary" | "alternate"));
        }
        let house = &world.houses[world.hosts[self.host].house];
        for (at, deed) in world.trace.take() {
            self.honest.take(at, &deed, |topic, id| is_spent(house, topic, id));
            match deed {
                Deed::Delivered(reader, update) if reader == watcher => self.came(&update),
                Deed::Told(text) => self.told(watcher, &text),
                _ => {}
            }
        }
        self.newest.resize(world.hosts.len(), 0);
        self.transitions.resize_with(world.hosts.len(), Vec::new);
        for host in 0..world.hosts.len() {
            // The records of a feed that has crashed are read when it is back.
            let Some(feed) = &world.hosts[host].feed else { continue };
            for record in feed.records_after(self.newest[host]) {
                self.newest[host] = record.seq;
                self.transitions[host].extend(transition(record));
                if host == self.host {
                    match record.kind {
                        "rung" => drop(self.rungs.insert(record.to)),
                        "line" => drop(self.phases.insert(record.to)),
                        _ => {}
                    }
                }
            }
        }
    }

    /// Something happened, in words: a dial, or a topic that is read from the beginning once more.
    fn told(&mut self, watcher: usize, text: &str) {
        self.dials += u64::from(is_dial(self.host, text));
        let Some(rest) = text.strip_prefix(&format!("reader {watcher} reads ")) else { return };
        let Some((topic, how)) = rest.split_once(' ') else { return };
        if how != "(resumed)" {
            let known = self.ids.keys().find(|known| known.as_str() == topic).cloned();
            // What came while it was not read is nobody's loss.
            self.past.extend(known.and_then(|known| self.ids.remove_entry(&known)));
        }
    }

    /// An update reached the reader of everything.
    fn came(&mut self, update: &Shared) {
        let (id, gap) = match &update.data {
            Data::Trade(trade) => (Some(trade.id), None),
            Data::AggTrade(trade) => (Some(trade.id), None),
            Data::Gap(gap) if gap.kind == GapKind::Venue => (None, Some((gap.from, gap.to))),
            _ => return,
        };
        let ids = self.ids.entry(update.topic.clone()).or_default();
        ids.declared.extend(gap);
        if let Some(id) = id {
            self.duplicated += u64::from(!ids.came.insert(id));
            self.repaired += u64::from(update.source == Source::Repair);
        }
    }

    /// What is measured begins now.
    pub(super) fn begin(&mut self, world: &mut World) {
        self.start = world.now;
        self.dials = 0;
        self.rungs.clear();
        self.phases.clear();
        let time = world.time();
        self.before = world.hosts[self.host].status(time).map_or([0; 3], |status| counts(&status));
        let house = &world.houses[world.hosts[self.host].house];
        self.again = asked_again(house);
        self.honest.begin(world.now, |topic, id| is_spent(house, topic, id));
    }

    /// What came of it all.
    pub(super) fn end(mut self, world: &mut World) -> Seen {
        let (now, time, host) = (world.now, world.time(), self.host);
        self.compare_figures(world);
        let violation = world.oracles.verdict.take().map(|(oracle, words)| Violation {
            oracle: oracle.name(),
            words,
            seed: world.hosts[0].seed,
            at: world.moment(),
            lines: mem::take(&mut self.shown),
        });
        let status = world.hosts[host].status(time);
        let [rotations, resyncs, undecodable] = status.as_ref().map_or(self.before, counts);
        let report = |host: usize| figures(&self.transitions[host], Mono(self.start), Mono(now));
        let whole = report(host);
        let elsewhere = (0..world.hosts.len()).filter(|other| *other != host);
        let refused: BTreeSet<Topic> = status
            .iter()
            .flat_map(|status| &status.topics)
            .filter(|topic| topic.phase == "rejected")
            .map(|topic| topic.topic.clone())
            .collect();
        let (lost, declared) = self.account(world);
        let unserved = self.unserved(world, &refused);
        let house = &world.houses[world.hosts[host].house];
        let mut again = asked_again(house);
        again.iter_mut().for_each(|(stream, times)| *times -= self.again.get(stream).copied().unwrap_or(0));
        let (outages, logged) = self.honest.end(now, |topic, id| is_spent(house, topic, id));
        let mut dishonest = differences(&outages, &self.transitions[host], (self.start, now));
        dishonest.extend(apart(&logged, &service(&whole.full)));
        Seen {
            hash: world.trace.hash(),
            violation,
            struck: world.strikes(),
            full: service(&whole.full),
            any: service(&whole.any),
            lost,
            duplicated: self.duplicated,
            declared,
            repaired: self.repaired,
            elsewhere: elsewhere.map(|other| report(other).full.failures).sum(),
            interrupted: interrupted(&outages),
            unserved,
            dishonest,
            rungs: self.rungs,
            phases: self.phases,
            dials: self.dials,
            rotations: rotations - self.before[0],
            resyncs: resyncs.saturating_sub(self.before[1]),
            undecodable: undecodable.saturating_sub(self.before[2]),
            again: Some(again),
            lags: status.iter().flat_map(|status| &status.lines).map(lag).collect(),
            log: self.transitions[host].iter().map(Transition::to_line).collect(),
            stretch_us: (self.start / 1_000, now / 1_000),
        }
    }

    /// I13: the figures that the feed tells are those of its log.
    fn compare_figures(&self, world: &mut World) {
        let now = Mono(world.now);
        let Some(feed) = &world.hosts[self.host].feed else { return };
        let told = feed.records().log().report(now, None);
        let ours = figures(&self.transitions[self.host], Mono(0), now);
        if (told.full, told.any) != (ours.full, ours.any) {
            let words = format!("host {}: the figures told are not those of the log", self.host);
            world.oracles.object(Oracle::Phases, words);
        }
    }

    /// What is wanted, not refused, and not fully served at the end.
    fn unserved(&self, world: &World, refused: &BTreeSet<Topic>) -> Vec<String> {
        let mut last: BTreeMap<&str, State> = BTreeMap::new();
        for transition in &self.transitions[self.host] {
            last.insert(&transition.entity, transition.to);
        }
        let wanted = world.plan.topics[self.host].iter().filter(|topic| !refused.contains(topic));
        let full = |topic: &&Topic| last.get(topic.as_str()) == Some(&State::Full);
        wanted.filter(|topic| !full(topic)).map(|topic| topic.as_str().to_owned()).collect()
    }

    /// Ids that nobody was told of, and those that were declared and did not come.
    fn account(&self, world: &World) -> (u64, u64) {
        let house = &world.houses[world.hosts[self.host].house];
        let (mut lost, mut declared) = (0, 0);
        let past = self.past.iter().map(|(topic, ids)| (topic, ids));
        for (topic, ids) in self.ids.iter().chain(past) {
            let (Some(first), Some(last)) = (ids.came.first(), ids.came.last()) else { continue };
            let told = |id: &u64| ids.declared.iter().any(|(from, to)| (*from..=*to).contains(id));
            let symbol = topic.symbol();
            let away: Vec<u64> = if topic.channel() == Channel::Trade {
                let real = house.trades(&symbol, first - 1).into_iter().flatten();
                let real = real.take_while(|trade| trade.id <= *last).filter(|trade| trade.lots > 0);
                real.map(|trade| trade.id).filter(|id| !ids.came.contains(id)).collect()
            } else {
                (*first..=*last).filter(|id| !ids.came.contains(id)).collect()
            };
            lost += away.iter().filter(|id| !told(id)).count() as u64;
            declared += away.iter().filter(|id| told(id)).count() as u64;
        }
        (lost, declared)
    }
}

/// How long each topic that was interrupted was, each time.
fn interrupted(outages: &BTreeMap<Topic, Vec<Outage>>) -> BTreeMap<String, Vec<Option<f64>>> {
    let any = outages.iter().filter(|(_, outages)| !outages.is_empty());
    any.map(|(topic, outages)| (topic.as_str().to_owned(), outages.iter().map(Outage::seconds).collect()))
        .collect()
}

fn is_dial(host: usize, text: &str) -> bool {
    text.strip_prefix("host ")
        .is_some_and(|rest| rest.split(' ').next() == Some(&*host.to_string()) && rest.contains(" dials "))
}

/// Rotations, resynchronisations, and messages that could not be read.
fn counts(status: &FeedStatus) -> [u64; 3] {
    [status.rotations, status.resyncs.values().sum(), status.decode_errors.values().sum()]
}

/// How often each stream that anybody listened to was asked for by a connection that had it, since the house was
/// opened.
fn asked_again(house: &House) -> BTreeMap<String, u64> {
    house.report().streams.into_iter().map(|(stream, told)| (stream, told.again)).collect()
}

fn lag(line: &LineStatus) -> Option<f64> {
    line.stats.lag.map(|lag| lag.as_secs_f64())
}

fn transition(record: &Record) -> Option<Transition> {
    let state = |word: &str| {
        [State::None, State::Full, State::Any, State::Down].into_iter().find(|state| state.name() == word)
    };
    (record.kind == KIND).then_some(())?;
    Some(Transition {
        seq: record.seq,
        at: record.at,
        entity: record.entity.clone(),
        kind: KIND.into(),
        from: state(record.from)?,
        to: state(record.to)?,
        since: record.since?,
        cause: record.cause.clone(),
    })
}

fn service(figures: &Figures) -> Service {
    Service {
        observed_s: figures.observed_s,
        down_s: figures.down_s,
        availability: figures.availability,
        outages: figures.failures,
        repaired: figures.repaired,
        mttr_s: figures.mttr_s,
        mtbf_s: figures.mtbf_s,
        ttd_s: [figures.ttd.p50_s, figures.ttd.p95_s, figures.ttd.max_s],
        ttr_s: [figures.ttr.p50_s, figures.ttr.p95_s, figures.ttr.max_s],
    }
}
