//! One seed from its beginning to its verdict.

use std::collections::BTreeMap;
use std::sync::Arc;

use tapeline_core::data::channel::{Channel, Shape};
use tapeline_core::data::topic::Topic;
use tapeline_core::defect::Defect;
use tapeline_venues::binance::Binance;

use super::agenda::Agenda;
use super::clock::{Clock, MS, SEC};
use super::host::Host;
use super::oracle::{Oracle, Oracles};
use super::plan::{MARKETS, Plan, symbols};
use super::reader::{Habit, Reader};
use super::trace::{Moment, Trace};
use super::weather::Weather;
use super::{Event, Figures, World};
use crate::house::House;
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
    /// Jumps of the wall clock are left out; everything else stays as it is.
    pub still_clock: bool,
    /// So many lines of what happened last are shown with a violation.
    pub lines: usize,
    /// A mistake planted in every feed; it takes the feature `defects`.
    pub defect: Option<Defect>,
}

impl Drill {
    /// The drill of a seed, with its faults.
    pub const fn new(seed: u64, seconds: u64) -> Self {
        Self { seed, seconds, calm: false, still_clock: false, lines: 30, defect: None }
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
    /// How often each kind of fault struck.
    pub struck: BTreeMap<&'static str, u64>,
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
    let violation = world.oracles.verdict.take().map(|(oracle, words)| Violation {
        oracle: oracle.name(),
        words,
        seed: drill.seed,
        at: Moment(world.now).to_string(),
        lines: world.trace.last(drill.lines),
    });
    Outcome {
        seed: drill.seed,
        hash: world.trace.hash(),
        deeds: world.trace.deeds(),
        seconds: world.now as f64 / SEC as f64,
        figures: world.figures,
        struck: world.struck,
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
        let Drill { seed, seconds, calm, still_clock, .. } = drill;
        let end = seconds * SEC;
        let plan = Plan::draw(seed, end, calm);
        let houses: Vec<House> = plan.houses.iter().cloned().map(House::new).collect();
        let hosts: Vec<Host> = (0..MARKETS.len())
            .map(|place| {
                let (latency, jitter) = plan.ways[place];
                let weather = Weather::new(latency, jitter, Rng::new(seed, 20 + place as u64));
                let venue = Arc::new(Binance::new(MARKETS[place]));
                Host::new(place, venue, Plan::config(), seed.wrapping_add(place as u64), weather)
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
            struck: BTreeMap::new(),
            figures: Figures::default(),
            look: false,
            basket: Vec::new(),
            still_clock,
        };
        world.prepare();
        world
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

/// Whether a reader of this habit wants a topic.
fn likes(habit: Habit, topic: &Topic) -> bool {
    let event = topic.channel().shape() == Shape::Event;
    match habit {
        Habit::Watcher => true,
        Habit::Keeper => !event,
        Habit::Sluggard => event || topic.channel() == Channel::Book,
        Habit::Strict => event || topic.channel() == Channel::Quote,
        Habit::Blocker => topic.channel() == Channel::AggTrade,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tapeline_core::data::topic::TopicError;
    use tapeline_core::venue::{
        Change, DecodeError, Decoded, DialRequest, Fetch, HttpReply, HttpRequest, Keys, LineId, Names,
        Profile, Refusal, Request, Route, Venue,
    };
    use tapeline_venues::binance::Market;

    /// Who objects to a calm world in which something was made wrong by hand.
    fn judged(spoil: impl FnOnce(&mut World)) -> Option<Oracle> {
        let mut world = World::new(Drill { calm: true, ..Drill::new(1, 20) });
        spoil(&mut world);
        world.run();
        world.oracles.verdict.map(|(oracle, _)| oracle)
    }

    #[test]
    fn logs_beyond_their_bound_are_seen() {
        // Only the judge hears of the new bound.
        let bounded = |bytes: usize| judged(|world| world.hosts[1].config.limits.logs_bytes = bytes);
        assert_eq!(bounded(1 << 20), None);
        assert_eq!(bounded(1 << 10), Some(Oracle::Memory));
    }

    /// An adapter that panics at what it does not expect.
    struct Clumsy(Binance, &'static [u8]);

    impl Venue for Clumsy {
        fn profile(&self) -> &Profile {
            self.0.profile()
        }
        fn canonical(&self, topic: Topic) -> Result<Topic, TopicError> {
            self.0.canonical(topic)
        }
        fn route(&self, topic: &Topic) -> Result<Route, TopicError> {
            self.0.route(topic)
        }
        fn dial(&self, group: u8, origin: &str, wanted: &[&str], keys: Option<&Keys>) -> DialRequest {
            self.0.dial(group, origin, wanted, keys)
        }
        fn requests(&self, change: &Change<'_>, out: &mut Vec<Request>) {
            self.0.requests(change, out);
        }
        fn decode(
            &self,
            line: LineId,
            frame: &[u8],
            names: &Names,
            out: &mut Decoded,
        ) -> Result<(), DecodeError> {
            assert!(!frame.windows(self.1.len()).any(|part| part == self.1), "not expected");
            self.0.decode(line, frame, names, out)
        }
        fn fetch(&self, why: Fetch, origin: &str, topic: &Topic) -> Option<HttpRequest> {
            self.0.fetch(why, origin, topic)
        }
        fn decode_fetch(
            &self,
            why: Fetch,
            topic: &Topic,
            reply: &HttpReply<'_>,
            out: &mut Decoded,
        ) -> Result<(), Refusal> {
            self.0.decode_fetch(why, topic, reply, out)
        }
    }

    #[test]
    fn an_adapter_that_panics_is_seen() {
        let clumsy = |at: &'static [u8]| {
            judged(|world| {
                let way = Weather::new(20 * MS, MS, Rng::new(1, 20));
                let venue = Arc::new(Clumsy(Binance::new(Market::Spot), at));
                world.hosts[0] = Host::new(0, venue, Plan::config(), 1, way);
                // What a panic costs is undecodable too; nobody is to object to that.
                world.oracles.watches[0].odd = true;
            })
        };
        assert_eq!(clumsy(b"fortuneTold"), None);
        assert_eq!(clumsy(b"@trade"), Some(Oracle::Panic));
    }

    fn objection(ask: Drill, first: &Outcome) -> Option<&'static str> {
        twins(ask, first).map(|violation| violation.oracle)
    }

    /// Worlds of so many seconds in which somebody sets the wall clock.
    fn jumping(seconds: u64) -> impl Iterator<Item = Drill> {
        let jumps = |ask: &Drill| {
            let plan = Plan::draw(ask.seed, ask.seconds * SEC, false);
            plan.strikes.iter().any(|strike| strike.kind.name().starts_with("wall-"))
        };
        (0..).map(move |seed| Drill::new(seed, seconds)).filter(jumps)
    }

    #[test]
    fn a_second_course_that_differs_is_seen() {
        let ask = jumping(120).next().unwrap();
        let first = drill(ask);
        assert!(first.struck.keys().any(|name| name.starts_with("wall-")));
        assert_eq!(objection(ask, &first), None);
        let other = Outcome { hash: first.hash ^ 1, ..first };
        assert_eq!(objection(ask, &other), Some(Oracle::Determinism.name()));
    }

    /// Only a feed that minds the wall clock has another course without its jumps.
    #[cfg(feature = "defects")]
    #[test]
    fn a_course_that_follows_the_wall_clock_is_seen() {
        let planted = jumping(240).map(|ask| Drill { defect: Some(Defect::UseWallTime), ..ask });
        let found: Vec<_> = planted.take(5).filter_map(|ask| objection(ask, &drill(ask))).collect();
        assert!(found.iter().all(|name| *name == Oracle::Clock.name()), "{found:?}");
        assert!(!found.is_empty());
    }
}
