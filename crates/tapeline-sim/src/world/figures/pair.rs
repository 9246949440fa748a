//! What a cut of one of two lines costs: nothing. One line with missed events asked for, and one without, beside it.

use tapeline_core::config::{FeedConfig, Limits};
use tapeline_core::data::topic::Topic;
use tapeline_venues::binance::Market;

use super::super::clock::SEC;
use super::between::{Between, house};
use super::rig::{Rig, usual_way};
use super::{Row, Samples, Tell};
use crate::rng::Rng;

/// Cuts in one life of a feed.
const EACH: u64 = 50;
/// About two hundred trades in a second.
const RATE: u32 = 560;

#[derive(Debug, Default)]
struct Found {
    cuts: u64,
    trades: u64,
    seconds: u64,
    passed: u64,
    doubled: u64,
    declared: u64,
    late: u64,
    resyncs: u64,
    pauses: Samples,
}

impl Found {
    const fn lost(&self) -> u64 {
        self.passed + self.declared - self.late
    }
}

pub(super) fn measure(cuts: u64, tell: Tell<'_>) -> Vec<Row> {
    let mut found = Found::default();
    for seed in 0..cuts.div_ceil(EACH) {
        tell(seed * EACH, cuts);
        live(seed, EACH.min(cuts - seed * EACH), (2, true), &mut found);
    }
    let few = cuts.div_ceil(10).min(EACH);
    let (mut repaired, mut bare) = (Found::default(), Found::default());
    live(900, few, (1, true), &mut repaired);
    live(900, few, (1, false), &mut bare);
    vec![
        Row::at_least("A/B: cuts of one line, in turns", found.cuts as f64, cuts as f64, ""),
        Row::told("A/B: trades delivered", found.trades.to_string()),
        Row::at_least("A/B: trades a second", found.trades as f64 / found.seconds.max(1) as f64, 200.0, ""),
        Row::at_most("A/B: trades lost", found.lost() as f64, 0.0, ""),
        Row::at_most("A/B: trades delivered twice", found.doubled as f64, 0.0, ""),
        Row::at_most("A/B: ids declared missing", found.declared as f64, 0.0, ""),
        Row::at_most("A/B: books synchronised anew", found.resyncs as f64, 0.0, ""),
        Row::at_most("A/B: pause of publication, p99", found.pauses.percentile(99), 0.05, "s"),
        Row::told("A/B: the longest pause", format!("{:.3} s", found.pauses.worst())),
        Row::at_most(&format!("one line, repair, {few} cuts: lost"), repaired.lost() as f64, 0.0, ""),
        Row::at_most("one line, repair: delivered twice", repaired.doubled as f64, 0.0, ""),
        Row::told("one line, repair: pause p50", format!("{:.3} s", repaired.pauses.percentile(50))),
        Row::at_least(&format!("one line alone, {few} cuts: lost (control)"), bare.lost() as f64, 1.0, ""),
    ]
}

fn live(seed: u64, cuts: u64, (lines, repair): (u8, bool), found: &mut Found) {
    let limits = Limits { repair, ..Limits::default() };
    let config = FeedConfig { lines, limits, ..FeedConfig::default() };
    let far = Between::new(house(seed, 1, RATE), lines > 1);
    let mut rig = Rig::new(far, Market::Spot, config, usual_way(seed), seed);
    let topics = ["binance:trade:BTCUSDT", "binance:book:BTCUSDT"];
    rig.read(topics.iter().filter_map(|name| name.parse::<Topic>().ok()));
    let mut dice = Rng::new(seed, 110);
    rig.run(10 * SEC);
    let name = topics[0].parse::<Topic>().ok();
    let resyncs = |rig: &mut Rig<Between>| rig.feed.status(rig.time()).resyncs.values().sum::<u64>();
    let before = resyncs(&mut rig);
    for number in 0..cuts {
        rig.run(rig.now + 70 * SEC + dice.below(10 * SEC));
        let cut = rig.now;
        let lags = |rig: &mut Rig<Between>| {
            let tally = name.as_ref().and_then(|name| rig.notes.tallies.get_mut(name));
            tally.map_or((0, 0), |tally| (tally.least_lag, std::mem::take(&mut tally.most_lag)))
        };
        lags(&mut rig);
        let side = if lines > 1 && number % 2 == 1 { "b" } else { "a" };
        let lines = rig.feed.status(rig.time()).lines;
        let slot = lines.iter().find(|line| line.side == side && line.phase == "live").map(|line| line.id);
        found.cuts += u64::from(slot.is_some_and(|slot| rig.cut(slot)));
        rig.run(cut + 2 * SEC);
        // How much later than usual something was told: what the way takes is no pause.
        let (usual, most) = lags(&mut rig);
        found.pauses.add(most.saturating_sub(usual));
    }
    // Whatever is late comes within minutes.
    rig.run(rig.now + 120 * SEC);
    found.resyncs += resyncs(&mut rig) - before;
    found.seconds += rig.now / SEC;
    for tally in rig.notes.tallies.values() {
        found.trades += tally.events;
        found.passed += tally.passed;
        found.doubled += tally.doubled;
        found.declared += tally.declared;
        found.late += tally.late;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_of_one_of_two_lines_costs_nothing() {
        super::super::assert_holds(&measure(10, &|_, _| {}));
    }
}
