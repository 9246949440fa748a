//! One seed from its beginning to its verdict.

use std::collections::BTreeMap;
use std::sync::Arc;

use tapeline_core::config::FeedConfig;
use tapeline_core::data::channel::Channel::{self, Candle, MarkPrice, MiniTicker, Ticker};
use tapeline_core::data::channel::Shape;
use tapeline_core::data::topic::Topic;
use tapeline_core::defect::Defect;
use tapeline_core::venue::Venue;
use tapeline_venues::binance::Binance;

use super::agenda::Agenda;
use super::brittle::{Brittle, Poisoned};
use super::clock::{Clock, MS, SEC};
use super::guarded::{Door, Guarded};
use super::host::Host;
use super::oracle::{Oracle, Oracles};
use super::plan::{MARKETS, Plan, symbols};
use super::reader::{Habit, Reader};
use super::trace::{Moment, Trace};
use super::weather::Weather;
use super::{Event, Figures, World};
use crate::house::{House, nanos};
use crate::rng::Rng;

/// What to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drill {
    /// Everything follows from it.
    pub seed: u64,
    /// How long, in seconds of the world.
    pub seconds: u64,
    /// Nothing goes wrong.
    pub calm: bool,
    /// The wall clock is set every half a minute, besides all other faults.
    pub jumpy: bool,
    /// Jumps of the wall clock are left out; everything else stays as it is.
    pub still_clock: bool,
    /// Every feed has one line, the venue's own endpoints and the usual settings.
    pub plain: bool,
    /// So many lines of what happened last are shown with a violation.
    pub lines: usize,
    /// A mistake planted in every feed; it takes the feature `defects`.
    pub defect: Option<Defect>,
}

impl Drill {
    /// The drill of a seed, with its faults.
    pub const fn new(seed: u64, seconds: u64) -> Self {
        let (calm, jumpy, still_clock, plain) = (false, false, false, false);
        Self { seed, seconds, calm, jumpy, still_clock, plain, lines: 30, defect: None }
    }

    fn plain_or(&self, config: &FeedConfig) -> FeedConfig {
        if self.plain { Plan::config() } else { config.clone() }
    }
}

/// What a drill came to.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Its seed.
    pub seed: u64,
    /// One number for everything that happened; equal seeds have equal ones.
    pub hash: u64,
    /// How many things happened.
    pub deeds: u64,
    /// How long the world lasted, in seconds.
    pub seconds: f64,
    /// What went through it.
    pub figures: Figures,
    /// How often each kind of fault did something: to a message, a dial, a reader.
    pub struck: BTreeMap<&'static str, u64>,
    /// How often each kind of fault was ordered.
    pub ordered: BTreeMap<&'static str, u64>,
    /// What a judge objected to, if one did.
    pub violation: Option<Violation>,
}

/// A broken invariant.
#[derive(Debug, Clone)]
pub struct Violation {
    /// Which, by number and name.
    pub oracle: &'static str,
    /// What is wrong.
    pub words: String,
    /// The seed that shows it.
    pub seed: u64,
    /// When, as hours, minutes and seconds of the world.
    pub at: String,
    /// What happened last.
    pub lines: Vec<String>,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{} broken by seed {} at {}: {}", self.oracle, self.seed, self.at, self.words)?;
        self.lines.iter().try_for_each(|line| writeln!(f, "    {line}"))
    }
}

/// Runs one drill.
pub fn drill(drill: Drill) -> Outcome {
    #[cfg(feature = "defects")]
    tapeline_core::defect::plant(drill.defect);
    let mut world = World::new(drill);
    world.run();
    let violation = world.oracles.verdict.take().map(|(oracle, words)| {
        let mut lines = world.trace.last(drill.lines);
        lines.extend(world.records(drill.lines / 3));
        let at = Moment(world.now).to_string();
        Violation { oracle: oracle.name(), words, seed: drill.seed, at, lines }
    });
    Outcome {
        seed: drill.seed,
        hash: world.trace.hash(),
        deeds: world.trace.deeds(),
        seconds: world.now as f64 / SEC as f64,
        figures: world.figures,
        struck: world.strikes(),
        ordered: world.ordered,
        violation,
    }
}

/// Runs a drill again, and once more without the jumps of the wall clock: what differs from `first`.
pub fn twins(ask: Drill, first: &Outcome) -> Option<Violation> {
    let object = |oracle: Oracle, words: &str| {
        let at = Moment((first.seconds * SEC as f64) as u64).to_string();
        Violation { oracle: oracle.name(), words: words.to_owned(), seed: ask.seed, at, lines: Vec::new() }
    };
    if drill(ask).hash != first.hash {
        return Some(object(Oracle::Determinism, "the second run differs from the first"));
    }
    let jumps = ["wall-forward", "wall-back"].iter().any(|name| first.struck.contains_key(name));
    if jumps && drill(Drill { still_clock: true, ..ask }).hash != first.hash {
        return Some(object(Oracle::Clock, "without the jumps of the wall clock the run is another one"));
    }
    None
}

impl World {
    fn new(drill: Drill) -> Self {
        let Drill { seed, seconds, calm, .. } = drill;
        let end = seconds * SEC;
        let mut plan = Plan::draw(seed, end, calm);
        if drill.jumpy {
            plan.add_jumps(seed, end);
        }
        Self::of(drill, plan)
    }

    /// The world of a plan that somebody has made.
    pub(super) fn of(drill: Drill, plan: Plan) -> Self {
        let Drill { seed, seconds, still_clock, .. } = drill;
        let end = seconds * SEC;
        let mut houses: Vec<House> = plan.houses.iter().cloned().map(House::new).collect();
        for (house, config) in houses.iter_mut().zip(&plan.configs) {
            house.set_login(0, None);
            if let Some(keys) = &config.keys {
                house.add_login(0, &keys.secret, keys.life.map_or(u64::MAX, nanos));
            }
        }
        for (house, door) in houses.iter_mut().zip(plan.doors) {
            house.ask_by_message(door.is_some_and(|door| door != Door::Head));
        }
        let hosts: Vec<Host> = (0..MARKETS.len())
            .map(|place| {
                let (latency, jitter) = plan.ways[place];
                let weather = Weather::new(latency, jitter, Rng::new(seed, 20 + place as u64));
                let config = drill.plain_or(&plan.configs[place]);
                let venue = venue(&plan, place);
                let mut host = Host::new(place, venue, config, seed.wrapping_add(place as u64), weather);
                host.brittle = plan.brittle[place].then(Poisoned::default);
                host
            })
            .collect();
        let habits = (0..hosts.len()).flat_map(|host| Habit::ALL.map(|habit| (host, habit)));
        let readers: Vec<Reader> =
            (0..).zip(habits).map(|(index, (host, habit))| Reader::new(index, host, habit, 0)).collect();
        let names: Vec<Vec<String>> = plan.houses.iter().map(symbols).collect();
        let mut world = Self {
            now: 0,
            end,
            agenda: Agenda::new(),
            clock: Clock::default(),
            trace: Trace::keeping(drill.lines),
            oracles: Oracles::new(readers.len(), hosts.len(), &houses, &names),
            ticks: vec![0; hosts.len()],
            turns: 0,
            left_at: vec![0; hosts.len()],
            houses,
            hosts,
            readers,
            plan,
            dice: Rng::new(seed, 2),
            ordered: BTreeMap::new(),
            struck: BTreeMap::new(),
            figures: Figures::default(),
            look: false,
            basket: Vec::new(),
            still_clock,
        };
        world.introduce();
        world.tell_settings();
        world.prepare();
        world
    }

    /// Tells the judges which stream is which topic, and has kept what tells its moment by its time alone.
    fn introduce(&mut self) {
        for (host, place) in self.hosts.iter().enumerate() {
            let house = &mut self.houses[place.house];
            for topic in &self.plan.topics[host] {
                let Ok(route) = place.venue.route(topic) else { continue };
                self.oracles.knows(place.house, house, topic.clone(), &route.stream);
                if matches!(topic.channel(), Ticker | MiniTicker | Candle | MarkPrice) {
                    house.keep_published(&route.stream);
                }
            }
        }
    }

    /// Notes what kind of feeds these are.
    fn tell_settings(&mut self) {
        for (host, place) in self.hosts.iter().enumerate() {
            let FeedConfig { lines, limits, timing, .. } = &place.config;
            let (places, lifetime) = (place.streams.len(), timing.line_lifetime.as_secs());
            let repair = if limits.repair { "asked for" } else { "not asked for" };
            let text = format!(
                "host {host}: {} lines at {places} endpoints, replaced after {lifetime} s, missed events are {repair}",
                (*lines).max(1)
            );
            self.trace.tell(0, text);
        }
    }

    /// What each feed has recorded last.
    fn records(&mut self, count: usize) -> Vec<String> {
        let time = self.clock.read(self.now);
        let mut lines = Vec::new();
        for (number, host) in self.hosts.iter_mut().enumerate() {
            let Some(status) = host.status(time) else { continue };
            let skip = status.events.len().saturating_sub(count);
            lines.extend(status.events.iter().skip(skip).map(|record| {
                let (at, entity, to, cause) = (Moment(record.at.0), &record.entity, record.to, &record.cause);
                format!("{at} host {number} records: {entity} is {to}: {cause}")
            }));
        }
        lines
    }

    /// Plans what is known from the beginning.
    fn prepare(&mut self) {
        for (number, strike) in self.plan.strikes.iter().enumerate() {
            self.agenda.plan(strike.at, Event::Strike(number));
        }
        self.agenda.plan(SEC / 2, Event::Inspect);
        for reader in 0..self.readers.len() {
            let Reader { host, habit, .. } = self.readers[reader];
            if let Some(rhythm) = habit.rhythm() {
                self.agenda.plan(rhythm + reader as u64 * MS, Event::Read(reader));
            }
            let mut at = 10 * MS + reader as u64 * MS;
            for topic in self.plan.topics[host].iter().filter(|topic| likes(habit, topic)) {
                self.agenda.plan(at, Event::Subscribe(reader, topic.clone()));
                at += 40 * MS;
            }
        }
    }
}

/// The adapter of a market, as the plan wants it.
fn venue(plan: &Plan, place: usize) -> Arc<dyn Venue> {
    let market = MARKETS[place];
    match plan.doors[place] {
        Some(door) => Arc::new(Guarded::new(market, door)),
        None if plan.brittle[place] => Arc::new(Brittle(Binance::new(market))),
        None => Arc::new(Binance::new(market)),
    }
}

/// Whether a reader of this habit wants a topic.
fn likes(habit: Habit, topic: &Topic) -> bool {
    let event = topic.channel().shape() == Shape::Event;
    match habit {
        Habit::Watcher => true,
        Habit::Keeper => !event,
        Habit::Sluggard => event || topic.channel() == Channel::Book,
        Habit::Strict => event || topic.channel() == Channel::Quote,
        // Events come fast enough to fill it while it sleeps.
        Habit::Blocker => event,
    }
}

#[cfg(test)]
mod tests;
