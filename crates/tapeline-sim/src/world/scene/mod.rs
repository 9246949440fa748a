//! A world whose troubles somebody has written down: what is done to one feed, second by second, and what was seen of
//! it. The feed of the other market is left alone, and must not notice.

mod act;
mod honest;
mod seen;

pub(crate) use self::seen::{Seen, Service};
pub(crate) use super::kinds::Own;
pub(crate) use tapeline_core::config::Timing;
#[cfg(feature = "defects")]
pub(crate) use tapeline_core::defect::Defect;
pub(crate) use tapeline_core::policy::uptime::Figures;

use std::time::Duration;

use tapeline_core::venue::Keys;

use self::seen::Notes;
use super::World;
use super::clock::SEC;
use super::drill::Drill;
pub(crate) use super::guarded::Door;
use super::plan::Plan;
use super::trace::Moment;
use crate::exchange::Temper;
use crate::rng::Rng;

/// Lines are proven, rhythms known and failures forgiven after so long.
const WARM: u64 = 80;
/// The first act comes at a moment of the next so many seconds, by the seed.
const SPREAD: u64 = 8;
/// So many topics of each market are read at most; that many can be polled at the usual pace.
const POLLED: usize = 16;
/// Lines of a second are kept at most; more do not happen in a drill.
const KEPT: usize = 200_000;
/// So many of the last lines are shown with a violation.
const SHOWN: usize = 20;

/// A market, by its place among the hosts of a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Where {
    /// Spot.
    Spot,
    /// USD-M futures.
    Futures,
}

/// Which of two lines that carry the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// The first one.
    A,
    /// The second one.
    B,
}

impl Side {
    const fn name(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
        }
    }
}

/// One thing that is done.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Act {
    /// The venue misbehaves as this line of a script says.
    Venue(&'static str),
    /// The same, towards one line only.
    Towards(Side, &'static str),
    /// The way or our own process does something, for so many seconds.
    Way(Own, u64),
    /// An operator has every line followed by another one.
    Rotate,
    /// The venue takes the next key only, and closes the sockets that came with the one before.
    Revoke,
    /// The next key stands where the keys come from.
    Issue,
}

/// How the feeds are set up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) place: Where,
    /// Lines that carry each topic.
    pub(crate) lines: u8,
    /// Endpoints to dial.
    pub(crate) endpoints: usize,
    /// Whether missed events are asked for.
    pub(crate) repair: bool,
    /// Where the venue wants to see a key, if it does …
    pub(crate) login: Option<Door>,
    /// … and how long it takes each, in seconds; those that are read are new ones then.
    pub(crate) key_life: Option<u64>,
    /// Whether the translation panics over fields that nobody knows.
    pub(crate) brittle: bool,
    /// The venue cuts connections of this age, in seconds …
    pub(crate) cut_after: Option<u64>,
    /// … and says so, so many seconds before.
    pub(crate) told_before: Option<u64>,
    /// Lines are replaced at this age, in seconds.
    pub(crate) replaced_after: Option<u64>,
}

/// What is to be seen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scene<'a> {
    pub(crate) seed: u64,
    pub(crate) setup: Setup,
    /// What is done, so many seconds after the start; in the order of these.
    pub(crate) acts: &'a [(u64, Act)],
    /// How long it goes on after the start, in seconds.
    pub(crate) seconds: u64,
    /// A mistake planted in every feed.
    #[cfg(feature = "defects")]
    pub(crate) defect: Option<Defect>,
}

/// Endpoints by market; the second ones are made up where the venue has one only.
const ENDPOINTS: [[&str; 2]; 2] = [
    ["wss://stream.binance.com:9443", "wss://data-stream.binance.vision"],
    ["wss://fstream.binance.com", "wss://fstream.second.example"],
];

/// Plays a scene to its end, or until a judge objects.
pub(crate) fn play(scene: &Scene<'_>) -> Seen {
    #[cfg(feature = "defects")]
    tapeline_core::defect::plant(scene.defect);
    let host = scene.setup.place as usize;
    let mut dice = Rng::new(scene.seed, 30);
    let seconds = WARM + SPREAD + scene.seconds;
    let drill = Drill { calm: true, lines: KEPT, ..Drill::new(scene.seed, seconds) };
    let mut world = World::of(drill, plan(scene, host, seconds));
    let mut notes = Notes::new(host, &world);
    let start = WARM * SEC + dice.below(SPREAD * SEC);
    world.watch(start, &mut notes);
    notes.begin(&mut world);
    for (after, act) in scene.acts {
        world.watch(start + after * SEC, &mut notes);
        world.act(host, *act, dice.next());
    }
    world.watch(start + scene.seconds * SEC, &mut notes);
    notes.end(&mut world)
}

/// A calm plan of a usual market, with the feeds set up as asked for.
fn plan(scene: &Scene<'_>, host: usize, seconds: u64) -> Plan {
    let setup = scene.setup;
    let mut plan = Plan::draw(scene.seed, seconds * SEC, true);
    for house in &mut plan.houses {
        house.lifetime = None;
        house.shutdown_lead = None;
        house.streams = if house.market.futures { 200 } else { 1_024 };
        house.market.levels = house.market.levels.min(200);
        house.market.symbols.iter_mut().for_each(|symbol| symbol.temper = Temper::Usual);
    }
    // With more of them REST is asked less often than usual, as the budget wants: no drill is about that by chance.
    plan.topics.iter_mut().for_each(|topics| topics.truncate(POLLED));
    let secs = Duration::from_secs;
    plan.houses[host].lifetime = setup.cut_after.map(secs);
    plan.houses[host].shutdown_lead = setup.told_before.map(secs);
    for (config, places) in plan.configs.iter_mut().zip(ENDPOINTS) {
        *config = Plan::config();
        config.lines = setup.lines;
        config.streams = places.iter().take(setup.endpoints).map(ToString::to_string).collect();
        config.limits.repair = setup.repair;
    }
    plan.configs[host].keys = setup.login.map(|_| lasting(key(0), setup.key_life));
    plan.doors[host] = setup.login;
    plan.brittle[host] = setup.brittle;
    if let Some(age) = setup.replaced_after {
        plan.configs[host].timing.line_lifetime = secs(age);
    }
    plan
}

/// A key that ends, if keys do.
pub(super) fn lasting(key: Keys, seconds: Option<u64>) -> Keys {
    Keys { life: seconds.map(Duration::from_secs), ..key }
}

/// The key of this number, as the venue gives it out.
pub(super) fn key(number: u32) -> Keys {
    Keys::new("drill", format!("key-{number}"))
}

impl World {
    /// Lets everything happen until `until`, taking notes every second.
    fn watch(&mut self, until: u64, notes: &mut Notes) {
        while self.now < until && self.oracles.verdict.is_none() {
            self.end = (self.now + SEC).min(until);
            self.run();
            notes.take(self, SHOWN);
        }
    }

    /// The time, as people read it.
    fn moment(&self) -> String {
        Moment(self.now).to_string()
    }
}
