//! Both lines are cut, and the venue is away for seconds: what was missed is asked for.

use tapeline_core::config::FeedConfig;
use tapeline_core::data::topic::Topic;
use tapeline_venues::binance::Market;

use super::super::clock::{MS, SEC};
use super::super::kinds::Own;
use super::between::{Between, house};
use super::rig::{Rig, usual_way};
use super::{Row, Samples, Tell};
use crate::rng::Rng;

/// Cuts in one life of a feed.
const EACH: u64 = 25;
/// Trades in a second, of each symbol.
const RATE: u32 = 100;

#[derive(Debug, Default)]
struct Found {
    cuts: u64,
    events: u64,
    lost: u64,
    doubled: u64,
    declared: u64,
    refused: u64,
    weight: u64,
    whole: Samples,
}

pub(super) fn measure(cuts: u64, tell: Tell<'_>) -> Vec<Row> {
    let mut found = Found::default();
    for seed in 0..cuts.div_ceil(EACH) {
        tell(seed * EACH, cuts);
        live(seed, EACH.min(cuts - seed * EACH), &mut found);
    }
    vec![
        Row::at_least("cuts of both lines", found.cuts as f64, cuts as f64, ""),
        Row::told("events delivered", found.events.to_string()),
        Row::at_most("events lost", found.lost as f64, 0.0, ""),
        Row::at_most("events delivered twice", found.doubled as f64, 0.0, ""),
        Row::told("ids declared, and told late", found.declared.to_string()),
        Row::at_most("replies with status 429 or 418", found.refused as f64, 0.0, ""),
        Row::told("request weight a cut", (found.weight / cuts.max(1)).to_string()),
        Row::told("until events come again, p99", format!("{:.3} s", found.whole.percentile(99))),
    ]
}

fn live(seed: u64, cuts: u64, found: &mut Found) {
    let config = FeedConfig { lines: 2, ..FeedConfig::default() };
    let far = Between::new(house(seed, 2, RATE), true);
    let mut rig = Rig::new(far, Market::Spot, config, usual_way(seed), seed);
    let names = ["trade:BTCUSDT", "trade:ETHUSDT", "agg_trade:ETHUSDT", "book:BTCUSDT"];
    rig.read(names.iter().filter_map(|name| format!("binance:{name}").parse::<Topic>().ok()));
    let mut dice = Rng::new(seed, 111);
    rig.run(10 * SEC);
    for _ in 0..cuts {
        rig.run(rig.now + 70 * SEC + dice.below(20 * SEC));
        let away = SEC + dice.below(4 * SEC / MS) * MS;
        let cut = rig.now;
        rig.weather.begin(cut, Own::Refused, cut + away);
        rig.cut_all();
        found.cuts += 1;
        let told = |rig: &Rig<Between>| rig.notes.tallies.values().all(|tally| tally.at > cut);
        rig.until(cut + 60 * SEC, told);
        found.whole.add(rig.now - cut);
    }
    rig.run(rig.now + 360 * SEC);
    for tally in rig.notes.tallies.values() {
        found.events += tally.events;
        found.lost += tally.lost();
        found.doubled += tally.doubled;
        found.declared += tally.declared;
    }
    let report = rig.far.house.report();
    found.refused += report.http_429 + report.http_418 + report.asked_while_held;
    found.weight += report.weight;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_both_lines_missed_is_asked_for() {
        super::super::assert_holds(&measure(4, &|_, _| {}));
    }
}
