//! How each fault is done to a world.

use std::collections::BTreeMap;
use std::time::Duration;

use tapeline_core::feed::{Command, Feed};
use tapeline_core::policy::recovery::Recovery;

use super::aim::{is_odd, needs_dials};
use super::clock::SEC;
use super::host::{Down, Up};
use super::kinds::{FaultKind, Own};
use super::plan::Strike;
use super::reader::{DAWDLE, Habit};
use super::trace::Moment;
use super::{Event, Step, World};
use crate::house::{Kind, Say, Trouble};
use crate::rng::Rng;

use super::aim::FOUND_OUT;

/// What a venue has said is nowhere any more after this long.
const ON_ITS_WAY: u64 = 120 * SEC;

impl World {
    /// A fault of the plan begins.
    pub(super) fn strike(&mut self, number: usize) {
        let strike = self.plan.strikes[number];
        let name = strike.kind.name();
        *self.ordered.entry(name).or_default() += 1;
        let until = Moment(self.now + strike.lasts);
        self.trace.tell(self.now, format!("FAULT {name} for host {} until {until}", strike.host));
        match strike.kind {
            FaultKind::House(kind) => self.trouble(strike, kind),
            FaultKind::Own(kind) => self.own(strike, kind),
        }
        if strike.kind.halts() {
            let at = self.now + strike.lasts + 20 * SEC;
            self.agenda.plan(at, Event::Step(strike.host, Step::Forgive));
            self.oracles.disturb(strike.host, at);
        }
    }

    /// A fault of the way or of our own has done something.
    pub(super) fn hit(&mut self, kind: Own) {
        *self.struck.entry(kind.name()).or_default() += 1;
    }

    /// A sleeping reader has an effect.
    pub(super) fn hit_if_asleep(&mut self, host: usize, habit: Habit) {
        if self.readers[self.reader_of(host, habit)].asleep_until > self.now {
            self.hit(if habit == Habit::Blocker { Own::BlockedReader } else { Own::SlowReader });
        }
    }

    /// How often each kind has done something.
    pub(super) fn strikes(&self) -> BTreeMap<&'static str, u64> {
        let mut all = self.struck.clone();
        let spells = self.hosts.iter().flat_map(|host| &host.weather.hits);
        let spells = spells.map(|(kind, count)| (kind.name(), *count));
        let kinds = Kind::ALL.iter().flat_map(|kind| self.houses.iter().map(move |house| (kind, house)));
        let troubles = kinds.map(|(kind, house)| (kind.name(), house.strikes(*kind)));
        for (name, count) in spells.chain(troubles).filter(|(_, count)| *count > 0) {
            *all.entry(name).or_default() += count;
        }
        all
    }

    /// The venue misbehaves.
    fn trouble(&mut self, strike: Strike, kind: Kind) {
        let Strike { host, lasts, pick, .. } = strike;
        let mut dice = Rng::new(pick, 3);
        let house = self.hosts[host].house;
        let symbols = super::plan::symbols(&self.plan.houses[house]);
        let symbol = symbols[dice.below(2) as usize].clone();
        if needs_dials(kind) {
            self.break_links(host, "connection reset by peer");
        }
        let mut trouble = Trouble { lasts: Some(Duration::from_nanos(lasts)), ..Trouble::new(kind) };
        let until = self.now + lasts + self.aim(&mut trouble, host, &symbol, strike, &mut dice);
        if is_odd(kind) {
            let watch = &mut self.oracles.watches[host];
            watch.odd_until = watch.odd_until.max(until + ON_ITS_WAY);
        }
        self.oracles.disturb(host, until);
        self.oracles.watches[host].pairs.blemish();
        self.trace.tell(self.now, format!("the venue of host {host}: {trouble}"));
        self.houses[house].advance(self.now);
        self.oracles.follow_books(house, &self.houses[house]);
        self.houses[house].trouble(self.now, trouble);
        if kind == Kind::NoPong {
            // Only who hears nothing pings.
            let lasts = Some(Duration::from_nanos(lasts));
            self.houses[house].trouble(self.now, Trouble { lasts, ..Trouble::new(Kind::Stall) });
        }
        self.houses[house].advance(self.now);
        if kind == Kind::Restart {
            self.oracles.restarted(house, &self.houses[house], &symbol);
        }
    }

    /// The way misbehaves, or something happens to the process.
    fn own(&mut self, strike: Strike, kind: Own) {
        let Strike { host, lasts, pick, .. } = strike;
        let (now, mut dice) = (self.now, Rng::new(pick, 4));
        let until = now + lasts;
        match kind {
            Own::LineReset | Own::LineEnds | Own::AllReset => self.cut(host, kind, &mut dice),
            Own::Standstill => self.shut_some(host, &mut dice, now + lasts + 5 * SEC),
            Own::HalfOpen => self.shut_some(host, &mut dice, u64::MAX),
            Own::Clog => self.clog(host, &mut dice, lasts),
            Own::Drip => self.drip(host),
            Own::PingFlood => self.ping_flood(host),
            Own::MuteThenGone | Own::Moves => self.in_stages(host, kind, lasts),
            Own::Crash => self.crash(host, &mut dice),
            Own::Pause => {
                let until = now + lasts + dice.below(30 * SEC);
                self.hosts[host].paused_until = until;
                self.hit(Own::Pause);
                self.agenda.plan(until, Event::Wake(host));
                self.oracles.disturb(host, until + 30 * SEC);
            }
            Own::WallForward | Own::WallBack => self.set_wall(kind, &mut dice),
            Own::Churn => {
                for n in 0..12 {
                    self.agenda.plan(now + n * lasts / 12, Event::Step(host, Step::Churn));
                }
            }
            Own::SlowReader => {
                let habit = [Habit::Keeper, Habit::Sluggard, Habit::Strict][dice.below(3) as usize];
                let reader = self.reader_of(host, habit);
                self.readers[reader].asleep_until = until;
            }
            Own::BlockedReader => {
                let reader = self.reader_of(host, Habit::Blocker);
                self.readers[reader].asleep_until = now + DAWDLE;
                self.oracles.disturb(host, now + DAWDLE + 10 * SEC);
            }
            Own::ReaderLeaves => {
                let habit = [Habit::Keeper, Habit::Sluggard, Habit::Strict][dice.below(3) as usize];
                let reader = self.reader_of(host, habit);
                if self.come_back(reader, dice.below(2) == 0) {
                    self.hit(Own::ReaderLeaves);
                }
            }
            Own::OperatorReconnect => self.command(host, kind, Command::Reconnect { slot: None }),
            Own::OperatorResync => self.resync(host),
            Own::OperatorSweep => self.command(host, kind, Command::Sweep),
            Own::OperatorReset => self.forgive(host),
            Own::Latency | Own::Jitter | Own::ProxyDrop | Own::ProxyDouble | Own::ProxySwap => {
                self.oracles.watches[host].pairs.blemish();
                self.hosts[host].weather.begin(now, kind, until);
                self.oracles.disturb(host, until + 40 * SEC);
            }
            Own::ProxyHold | Own::ProxyGarble => {
                self.oracles.watches[host].pairs.blemish();
                self.hosts[host].weather.begin(now, kind, until);
                self.oracles.disturb(host, until + 40 * SEC);
            }
            // The rest of them concern dials and requests, so there have to be some.
            _ => {
                self.hosts[host].weather.begin(now, kind, until);
                self.break_links(host, "connection reset by peer");
                self.oracles.disturb(host, until + 15 * SEC);
            }
        }
    }

    /// One thing goes wrong after the other.
    fn in_stages(&mut self, host: usize, kind: Own, lasts: u64) {
        let now = self.now;
        self.break_links(host, "connection reset by peer");
        if kind == Own::Moves {
            let gone = now + 18 * SEC + lasts / 2;
            self.hosts[host].weather.begin(now, Own::Refused, gone);
            self.agenda.plan(gone, Event::Step(host, Step::Offline(30 * SEC)));
            self.oracles.disturb(host, gone + 30 * SEC);
        } else {
            self.hosts[host].weather.begin(now, kind, now + lasts);
            self.agenda.plan(now + lasts, Event::Step(host, Step::Vanish));
            self.oracles.disturb(host, now + lasts + FOUND_OUT);
        }
    }

    /// A later part of a fault.
    pub(super) fn step(&mut self, host: usize, step: Step) {
        match step {
            Step::Forgive => self.forgive(host),
            Step::Churn => self.churn(host),
            Step::Break(link, why) => self.break_link(host, link, why),
            Step::Vanish => {
                for number in self.links(host) {
                    if let Some(link) = self.hosts[host].links.get_mut(&number) {
                        link.down.shut(u64::MAX);
                        link.up.shut(u64::MAX);
                    }
                }
            }
            Step::Offline(lasts) => {
                let now = self.now;
                self.hit(Own::Moves);
                self.hosts[host].weather.begin(now, Own::NoNetwork, now + lasts);
            }
            Step::Late(link, bytes) => self.late(host, link, bytes),
        }
    }

    fn forgive(&mut self, host: usize) {
        self.oracles.watches[host].pace.forgive();
        self.oracles.watches[host].away.forgive();
        self.command(host, Own::OperatorReset, Command::Reset);
    }

    fn command(&mut self, host: usize, kind: Own, command: Command) {
        let (now, time) = (self.now, self.time());
        self.oracles.disturb(host, now + 20 * SEC);
        if !self.hosts[host].is_awake(now) {
            return;
        }
        self.hit(kind);
        self.trace.tell(now, format!("host {host} is told: {command:?}"));
        if matches!(command, Command::Reconnect { .. }) {
            self.oracles.watches[host].pace.free();
        }
        self.hosts[host].with(|feed: &mut Feed| feed.command(time, command));
    }

    fn resync(&mut self, host: usize) {
        let book = self.plan.topics[host].iter().find(|topic| topic.as_str().contains(":book:")).cloned();
        if let Some(topic) = book {
            self.command(host, Own::OperatorResync, Command::Resync { topic, how: Recovery::Immediate });
        }
    }

    fn links(&self, host: usize) -> Vec<u64> {
        self.hosts[host].open_links().map(|(number, _)| number).collect()
    }

    fn some_link(&self, host: usize, dice: &mut Rng) -> Option<u64> {
        let links = self.links(host);
        links.get(dice.below(links.len() as u64) as usize).copied()
    }

    fn break_links(&mut self, host: usize, why: &'static str) {
        for link in self.links(host) {
            self.break_link(host, link, why);
        }
        self.oracles.disturb(host, self.now + 20 * SEC);
    }

    /// One connection or all of them break.
    fn cut(&mut self, host: usize, kind: Own, dice: &mut Rng) {
        let ends = kind == Own::LineEnds;
        let why = if ends { "the connection ended without a goodbye" } else { "connection reset by peer" };
        let all = kind == Own::AllReset;
        let links = if all { self.links(host) } else { self.some_link(host, dice).into_iter().collect() };
        for link in links {
            self.hit(kind);
            self.break_link(host, link, why);
        }
        self.oracles.disturb(host, self.now + 20 * SEC);
    }

    /// A connection breaks: what is on its way is lost, the process learns it a moment later, the venue as well.
    fn break_link(&mut self, host: usize, number: u64, why: &'static str) {
        let now = self.now;
        let delay = self.hosts[host].weather.delay(now);
        let Some(link) = self.hosts[host].links.get_mut(&number).filter(|link| link.wanted) else { return };
        link.down.clear();
        link.up.clear();
        link.down.send(now + delay, Down::Broken(why));
        link.up.send(now + delay, Up::Gone);
        self.arm(host, number);
    }

    fn shut_some(&mut self, host: usize, dice: &mut Rng, until: u64) {
        self.oracles.disturb(host, until.min(self.now + 60 * SEC) + FOUND_OUT);
        let Some(number) = self.some_link(host, dice) else { return };
        self.hit(if until == u64::MAX { Own::HalfOpen } else { Own::Standstill });
        if let Some(link) = self.hosts[host].links.get_mut(&number) {
            link.down.shut(until);
            link.up.shut(until);
        }
        self.arm(host, number);
    }

    /// The venue pings ten times within a second on every connection.
    fn ping_flood(&mut self, host: usize) {
        for number in self.links(host) {
            self.hit(Own::PingFlood);
            for n in 0..10 {
                let at = self.now + n * SEC / 10;
                if let Some(link) = self.hosts[host].links.get_mut(&number) {
                    link.down.send(at, Down::Said(Say::Ping(n.to_string().into())));
                }
            }
            self.arm(host, number);
        }
        self.oracles.disturb(host, self.now + 5 * SEC);
    }

    /// The connections stop one by one, and are released in another order.
    fn clog(&mut self, host: usize, dice: &mut Rng, lasts: u64) {
        for number in self.links(host) {
            let until = self.now + dice.below(lasts) + SEC;
            self.hit(Own::Clog);
            if let Some(link) = self.hosts[host].links.get_mut(&number) {
                link.down.shut(until);
                link.up.shut(until);
            }
            self.arm(host, number);
        }
        self.oracles.disturb(host, self.now + lasts + FOUND_OUT);
    }

    /// The next message takes longer to arrive than a message may.
    fn drip(&mut self, host: usize) {
        let Some(number) = self.links(host).first().copied() else { return };
        self.hit(Own::Drip);
        if let Some(link) = self.hosts[host].links.get_mut(&number) {
            link.down.shut(self.now + 12 * SEC);
        }
        let step = Step::Break(number, "a message took longer than 10 s to arrive");
        self.agenda.plan(self.now + 10 * SEC, Event::Step(host, step));
        self.oracles.disturb(host, self.now + 30 * SEC);
    }

    fn set_wall(&mut self, kind: Own, dice: &mut Rng) {
        let hours = if dice.below(2) == 0 { 1 } else { 24 };
        let by = hours * 3_600 * SEC as i64 + dice.below(SEC) as i64;
        self.hit(kind);
        if !self.still_clock {
            self.clock.jump(if kind == Own::WallBack { -by } else { by });
        }
    }

    fn crash(&mut self, host: usize, dice: &mut Rng) {
        let now = self.now;
        let time = self.time();
        if let Some(status) = self.hosts[host].status(time) {
            self.inspect_records(host, &status);
        }
        let Some(feed) = self.hosts[host].feed.take() else { return };
        self.hit(Own::Crash);
        let mut memory = feed.into_memory();
        memory.crashed(time);
        self.hosts[host].memory = Some(memory);
        for number in self.hosts[host].links.keys().copied().collect::<Vec<_>>() {
            self.let_go(host, number, Up::Gone);
        }
        self.hosts[host].life += 1;
        let at = now + dice.below(SEC);
        self.agenda.plan(at, Event::Rebuild(host));
        self.oracles.disturb(host, at + 30 * SEC);
        let watcher = self.reader_of(host, Habit::Watcher);
        self.oracles.crashed(now, host, watcher);
    }

    /// A crashed feed is rebuilt from its memory.
    pub(super) fn rebuild(&mut self, host: usize) {
        let place = &mut self.hosts[host];
        let Some(memory) = place.memory.take() else { return };
        let seed = place.seed.wrapping_add(u64::from(place.life) << 32);
        place.feed = Some(Feed::new(place.venue.clone(), place.config.clone(), memory, seed));
        place.dirty = true;
        self.trace.tell(self.now, format!("host {host} is rebuilt"));
    }

    /// One subscription goes or comes.
    fn churn(&mut self, host: usize) {
        let habits = [Habit::Keeper, Habit::Sluggard, Habit::Watcher, Habit::Strict];
        let habit = habits[self.dice.below(4) as usize];
        let reader = self.reader_of(host, habit);
        self.hit(Own::Churn);
        let topics = &self.plan.topics[host];
        let topic = topics[self.dice.below(topics.len() as u64) as usize].clone();
        if self.hosts[host].wishes.get(&topic).is_some_and(|wish| wish.readers.contains(&reader)) {
            self.unsubscribe(reader, &topic);
            let back = self.now + self.dice.below(90 * SEC);
            self.agenda.plan(back, Event::Subscribe(reader, topic));
        } else {
            self.subscribe(reader, &topic, None);
        }
    }
}
