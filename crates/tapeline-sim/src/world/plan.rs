//! The plan of a world, drawn from its seed: what the venues list, who reads what, and what goes wrong when.

use std::time::Duration;

use tapeline_core::config::{FeedConfig, Limits, Timing};
use tapeline_core::data::topic::Topic;
use tapeline_venues::binance::Market;

use super::clock::{DAWN_MS, MS, SEC};
use super::guarded::Door;
use super::kinds::{FaultKind, Own};
use crate::exchange::{MarketOptions, Symbol, Temper};
use crate::house::HouseOptions;
use crate::rng::Rng;

/// Mean time between two jumps of the wall clock where they are added.
const JUMPS: u64 = 23 * SEC;
/// Mean time between two faults.
const EVERY: u64 = 46 * SEC;
/// The last part of a long run is free of faults, so that its end state can be judged.
const QUIET_END: u64 = 140 * SEC;
/// The markets of a world, one house and one process each.
pub(crate) const MARKETS: [Market; 2] = [Market::Spot, Market::UsdM];

/// Where each of them may be dialled; some of the names are made up.
const ENDPOINTS: [[&str; 3]; 2] = [
    ["wss://stream.binance.com:9443", "wss://stream.binance.com:443", "wss://data-stream.binance.vision"],
    ["wss://fstream.binance.com", "wss://fstream.second.example", "wss://fstream.third.example"],
];

/// One fault of the plan.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Strike {
    pub(crate) at: u64,
    pub(crate) kind: FaultKind,
    pub(crate) host: usize,
    /// How long it lasts, for those that do.
    pub(crate) lasts: u64,
    /// Decides what it hits.
    pub(crate) pick: u64,
}

/// What a world is made of.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) houses: Vec<HouseOptions>,
    /// By host: everything that can be read there.
    pub(crate) topics: Vec<Vec<Topic>>,
    pub(crate) strikes: Vec<Strike>,
    /// One way to each venue, and how much that varies.
    pub(crate) ways: Vec<(u64, u64)>,
    /// By host.
    pub(crate) configs: Vec<FeedConfig>,
    /// By host: where a key is shown, if one is wanted.
    pub(crate) doors: [Option<Door>; MARKETS.len()],
    /// By host: whether its translation panics over fields that nobody knows.
    pub(crate) brittle: [bool; MARKETS.len()],
}

impl Plan {
    /// The plan of `seed` for a run of `length`; without faults if it is to be `calm`.
    pub(crate) fn draw(seed: u64, length: u64, calm: bool) -> Self {
        let mut dice = Rng::new(seed, 1);
        let houses = MARKETS.map(|market| house(seed, market, &mut dice)).to_vec();
        let names = |market: Market| symbols(&houses[MARKETS.iter().position(|m| *m == market).unwrap_or(0)]);
        let topics = MARKETS.map(|market| topics(market, &names(market), &mut dice)).to_vec();
        let ways = MARKETS.map(|_| (5 * MS + dice.below(80 * MS), 2 * MS + dice.below(20 * MS))).to_vec();
        let strikes = if calm { Vec::new() } else { strikes(seed, length, &mut dice) };
        let mut dice = Rng::new(seed, 8);
        let configs = MARKETS.map(|market| settings(market, &mut dice)).to_vec();
        let (doors, brittle) = ([None; MARKETS.len()], [false; MARKETS.len()]);
        Self { houses, topics, strikes, ways, configs, doors, brittle }
    }

    /// The wall clock is set again and again, and all else stays as it is.
    pub(crate) fn add_jumps(&mut self, seed: u64, length: u64) {
        let mut dice = Rng::new(seed, 6);
        for n in 1..length / JUMPS {
            let kind = FaultKind::Own(if dice.below(2) == 0 { Own::WallForward } else { Own::WallBack });
            let at = n * JUMPS + dice.below(JUMPS);
            self.strikes.push(Strike { at, kind, host: 0, lasts: SEC, pick: dice.next() });
        }
    }

    /// What is the same for every feed: the real settings, but for topics that are let go sooner.
    pub(crate) fn config() -> FeedConfig {
        let secs = Duration::from_secs;
        FeedConfig {
            limits: Limits { events: 2_000, ..Limits::default() },
            timing: Timing { linger: secs(30), sweep: secs(10), ..Timing::default() },
            ..FeedConfig::default()
        }
    }
}

/// The settings of one feed: one line or two, one endpoint or several, lines that are replaced before the venue cuts
/// them or not, missed events that are asked for or not.
fn settings(market: Market, dice: &mut Rng) -> FeedConfig {
    let mut config = Plan::config();
    config.lines = 1 + dice.below(2) as u8;
    let places = ENDPOINTS[MARKETS.iter().position(|known| *known == market).unwrap_or(0)];
    let count = 1 + dice.below(places.len() as u64) as usize;
    config.streams = places.iter().take(count).map(ToString::to_string).collect();
    if dice.below(2) == 0 {
        config.timing.line_lifetime = Duration::from_secs(150 + dice.below(600));
    }
    config.limits.repair = dice.below(4) != 0;
    config
}

/// The symbols of a house, upper case.
pub(crate) fn symbols(house: &HouseOptions) -> Vec<String> {
    house.market.symbols.iter().map(|symbol| symbol.name.clone()).collect()
}

fn house(seed: u64, market: Market, dice: &mut Rng) -> HouseOptions {
    let futures = market == Market::UsdM;
    let mut options = MarketOptions::new(futures);
    options.symbols = Symbol::ten(futures).into_iter().take(if futures { 4 } else { 5 }).collect();
    options.seed = seed;
    options.rate = 8 + dice.below(8) as u32;
    // Now and then a book is deeper than a snapshot tells.
    options.levels = if dice.below(8) == 0 { 1_400 } else { 60 + dice.below(200) as usize };
    options.start_ms = Some(DAWN_MS);
    // The judges remember the whole run.
    options.truth = 1 << 20;
    let last = options.symbols.len() - 1;
    let (place, temper) = match dice.below(7) {
        0 => (1, Temper::Quiet),
        1 => (last, Temper::Quiet),
        2 => (0, Temper::Bursty),
        3 => (2, Temper::Bursty),
        4 => {
            // The touch leaves what a snapshot tells of a book within minutes.
            (options.rate, options.levels) = (24, 1_400);
            (1, Temper::Trending)
        }
        _ => (0, Temper::Usual),
    };
    options.symbols[place].temper = temper;
    let mut house = HouseOptions::new(options);
    if dice.below(3) == 0 {
        // Connections grow old within the run.
        house.lifetime = Some(Duration::from_secs(600 + dice.below(1_200)));
        house.shutdown_lead = (dice.below(2) == 0).then(|| Duration::from_secs(10 + dice.below(30)));
    }
    if dice.below(3) == 0 {
        // One connection is not enough.
        house.streams = 5 + dice.below(4) as usize;
    }
    house
}

/// What can be read of a market: two books at least, five symbols together.
fn topics(market: Market, symbols: &[String], dice: &mut Rng) -> Vec<Topic> {
    let mut names = Vec::new();
    for (place, symbol) in symbols.iter().enumerate() {
        names.push(format!("trade:{symbol}"));
        match place {
            0 | 1 => names.extend([format!("book:{symbol}"), format!("quote:{symbol}")]),
            2 => names.extend([format!("agg_trade:{symbol}"), format!("candle:{symbol}@interval=1m")]),
            3 if market == Market::UsdM => names.push(format!("mark_price:{symbol}")),
            _ => names.extend([format!("mini_ticker:{symbol}"), format!("ticker:{symbol}")]),
        }
    }
    if dice.below(3) == 0 {
        names.push(format!("depth:{}@levels=20", symbols[0]));
    }
    if dice.below(4) == 0 {
        names.push(format!("book:{}", symbols[2]));
    }
    names.iter().filter_map(|name| format!("{}:{name}", market.id()).parse().ok()).collect()
}

/// Faults are dealt like cards: over many seeds every kind comes equally often, in an order that nobody planned.
fn strikes(seed: u64, length: u64, dice: &mut Rng) -> Vec<Strike> {
    let end = if length > 3 * QUIET_END { length - QUIET_END } else { length };
    let count = end.saturating_sub(20 * SEC) / EVERY;
    let deck: Vec<FaultKind> = FaultKind::all().collect();
    let cards = deck.len() as u64;
    let card = |place: u64| {
        let mut shuffled = deck.clone();
        let mut dealer = Rng::new(place / cards, 7);
        for at in (1..shuffled.len()).rev() {
            shuffled.swap(at, dealer.below(at as u64 + 1) as usize);
        }
        shuffled[(place % cards) as usize]
    };
    let first = seed.wrapping_mul(count);
    (0..count)
        .map(|n| Strike {
            at: 20 * SEC + n * EVERY + dice.below(EVERY),
            kind: card(first.wrapping_add(n)),
            host: dice.below(MARKETS.len() as u64) as usize,
            lasts: 3 * SEC + dice.below(17 * SEC),
            pick: dice.next(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn over_many_seeds_every_kind_comes_often_enough() {
        let mut count: BTreeMap<&str, u32> = BTreeMap::new();
        for seed in 0..64 {
            let plan = Plan::draw(seed, 30 * 60 * SEC, false);
            assert!(plan.strikes.len() >= 30, "one a minute");
            for strike in plan.strikes {
                *count.entry(strike.kind.name()).or_default() += 1;
            }
        }
        let rare: Vec<_> =
            FaultKind::all().filter(|kind| count.get(kind.name()).is_none_or(|n| *n < 20)).collect();
        assert!(rare.is_empty(), "{rare:?}");
    }

    #[test]
    fn symbols_of_every_temper_are_traded() {
        let plans: Vec<Plan> = (0..32).map(|seed| Plan::draw(seed, 600 * SEC, false)).collect();
        let symbols: Vec<&Symbol> =
            plans.iter().flat_map(|plan| &plan.houses).flat_map(|house| &house.market.symbols).collect();
        for temper in [Temper::Usual, Temper::Quiet, Temper::Bursty, Temper::Trending] {
            assert!(symbols.iter().any(|symbol| symbol.temper == temper), "{temper:?}");
        }
    }

    #[test]
    fn a_plan_is_drawn_again_from_its_seed() {
        let draw = |seed| format!("{:?}", Plan::draw(seed, 600 * SEC, false));
        assert_eq!(draw(3), draw(3));
        assert_ne!(draw(3), draw(4));
    }

    #[test]
    fn over_many_seeds_feeds_of_every_kind_run() {
        let configs: Vec<FeedConfig> =
            (0..32).flat_map(|seed| Plan::draw(seed, 600 * SEC, false).configs).collect();
        for (lines, endpoints) in [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (2, 3)] {
            let fits = |config: &&FeedConfig| (config.lines, config.streams.len()) == (lines, endpoints);
            assert!(configs.iter().any(|config| fits(&config)), "{lines} lines, {endpoints} endpoints");
        }
        assert!(configs.iter().any(|config| config.limits.repair));
        assert!(configs.iter().any(|config| !config.limits.repair));
        assert!(configs.iter().any(|config| config.timing.line_lifetime < Duration::from_secs(800)));
    }

    #[test]
    fn a_world_is_as_busy_as_it_must_be() {
        for seed in 0..20 {
            let plan = Plan::draw(seed, 600 * SEC, false);
            for topics in &plan.topics {
                let books = topics.iter().filter(|topic| topic.as_str().contains(":book:")).count();
                assert!(books >= 2 && topics.len() >= 9, "{topics:?}");
            }
        }
    }
}
