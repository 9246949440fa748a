//! How often a venue is dialled that accepts every connection and closes it a moment later.

use tapeline_core::config::FeedConfig;
use tapeline_core::data::topic::Topic;
use tapeline_venues::binance::Market;

use super::super::clock::{DAWN_MS, SEC};
use super::rig::{Rig, usual_way};
use super::{Row, Tell};
use crate::exchange::{MarketOptions, Symbol};
use crate::house::{House, HouseOptions, Kind, Trouble};

/// How long it goes on.
const LASTS: u64 = 600 * SEC;
/// The stretch in which attempts are counted.
const STRETCH: u64 = 300 * SEC;

pub(super) fn measure(seeds: u64, tell: Tell<'_>) -> Vec<Row> {
    let (mut most, mut all) = (0, 0);
    for seed in 0..seeds {
        tell(seed, seeds);
        let dials = flap(seed);
        most = most.max(busiest(&dials));
        all += dials.len();
    }
    let mean = all as f64 / seeds.max(1) as f64;
    vec![
        Row::at_most("most attempts in any 5 minutes", most as f64, 25.0, ""),
        Row::told("attempts in 10 minutes, on average", format!("{mean:.1}")),
    ]
}

/// When a venue was dialled that flaps from the beginning, or after a good hour's quarter.
fn flap(seed: u64) -> Vec<u64> {
    let mut options = MarketOptions::new(false);
    options.symbols = Symbol::ten(false).into_iter().take(2).collect();
    (options.seed, options.rate, options.levels, options.start_ms) = (seed, 4, 40, Some(DAWN_MS));
    let house = House::new(HouseOptions::new(options));
    let mut rig = Rig::new(house, Market::Spot, FeedConfig::default(), usual_way(seed), seed);
    let topics = ["binance:trade:BTCUSDT", "binance:quote:ETHUSDT"];
    rig.read(topics.iter().filter_map(|name| name.parse::<Topic>().ok()));
    // A line that was stable before has one more attempt free.
    let begins = if seed.is_multiple_of(2) { 0 } else { 100 * SEC };
    rig.run(begins);
    rig.far.trouble(begins, Trouble::new(Kind::Flap));
    if begins > 0 {
        rig.cut_all();
    }
    rig.run(begins + LASTS);
    rig.notes.dials.iter().map(|(at, _)| *at).filter(|at| *at >= begins).collect()
}

/// The most of these moments in any stretch.
fn busiest(at: &[u64]) -> usize {
    let within = |first: usize| at[first..].iter().take_while(|later| **later - at[first] < STRETCH).count();
    (0..at.len()).map(within).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flapping_venue_is_left_in_peace() {
        super::super::assert_holds(&measure(12, &|_, _| {}));
        // It does flap: a line that held would be dialled once.
        assert!(flap(1).len() > 10);
    }

    #[test]
    fn attempts_are_counted_in_any_stretch() {
        assert_eq!(busiest(&[0, 10 * SEC, 299 * SEC, 305 * SEC, 309 * SEC]), 4);
    }
}
