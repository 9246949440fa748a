//! Ten minutes without a line, in which REST serves, and three minutes without either.

use tapeline_core::config::FeedConfig;
use tapeline_core::data::topic::Topic;
use tapeline_core::data::update::{Level, Source};
use tapeline_venues::binance::Market;

use super::super::clock::{DAWN_MS, MS, SEC};
use super::super::kinds::Own;
use super::between::{Between, house};
use super::rig::{Rig, usual_way};
use super::{Row, Samples, Tell};
use crate::rng::Rng;

const NAME: &str = "binance:trade:BTCUSDT";
/// How long the venue takes no lines.
const NO_LINE: u64 = 600 * SEC;
/// How long nothing answers.
const NOTHING: u64 = 180 * SEC;

#[derive(Debug, Default)]
struct Found {
    /// How old the newest trade is while REST serves.
    ages: Samples,
    /// From the first data of a line to the end of polling.
    back: Samples,
    /// From the return of all hosts to lines that serve.
    healed: Samples,
    lost: u64,
    doubled: u64,
    /// Seeds in which the source and its reason were told, and those in which the cache was shown for what it was.
    told: u64,
    cached: u64,
    refused: u64,
}

pub(super) fn measure(seeds: u64, tell: Tell<'_>) -> Vec<Row> {
    let mut found = Found::default();
    for seed in 0..seeds {
        tell(seed, seeds);
        live(seed, &mut found);
    }
    vec![
        Row::at_most("REST alone: age of the data", found.ages.worst(), 6.0, "s"),
        Row::at_least("REST alone: source and reason told, seeds", found.told as f64, seeds as f64, ""),
        Row::at_most("back after a line is proven", found.back.worst(), 12.0, "s"),
        Row::at_least("nothing answers: Critical, true age, seeds", found.cached as f64, seeds as f64, ""),
        Row::at_most("lines serve again after all is back", found.healed.worst(), 60.0, "s"),
        Row::at_most("trades lost at the seams", found.lost as f64, 0.0, ""),
        Row::at_most("trades delivered twice", found.doubled as f64, 0.0, ""),
        Row::at_most("replies with status 429 or 418", found.refused as f64, 0.0, ""),
    ]
}

fn live(seed: u64, found: &mut Found) {
    let Ok(topic) = NAME.parse::<Topic>() else { return };
    let lines = 1 + (seed % 2) as u8;
    let config = FeedConfig { lines, ..FeedConfig::default() };
    let far = Between::new(house(seed, 1, 40), false);
    let mut rig = Rig::new(far, Market::Spot, config, usual_way(seed), seed);
    rig.read([topic.clone()]);
    rig.run(80 * SEC + Rng::new(seed, 114).below(20 * SEC));
    rest_alone(&mut rig, &topic, found);
    nothing(&mut rig, &topic, found);
    let tally = rig.notes.tallies.get(&topic).cloned().unwrap_or_default();
    found.lost += tally.lost();
    found.doubled += tally.doubled;
    let report = rig.far.house.report();
    found.refused += report.http_429 + report.http_418 + report.asked_while_held;
}

/// No line can be had; REST serves.
fn rest_alone(rig: &mut Rig<Between>, topic: &Topic, found: &mut Found) {
    let cut = rig.now;
    rig.weather.begin(cut, Own::Refused, cut + NO_LINE);
    rig.cut_all();
    // It is waited for lines first, and the first polls take their turn.
    rig.run(cut + 7 * SEC);
    while rig.now < cut + NO_LINE {
        rig.run(rig.now + SEC / 10);
        let newest = rig.notes.tallies.get(topic).map_or(0, |tally| tally.venue_ns);
        let now = (DAWN_MS * MS + rig.now) as i64;
        found.ages.add(now.saturating_sub(newest).unsigned_abs());
    }
    let served = rig.notes.served.get(topic);
    found.told += u64::from(served.is_some_and(|status| {
        status.source == Source::Poll && status.reason.contains("asked over REST: no line is live")
    }));
    let end = rig.now;
    let carries = |rig: &Rig<Between>| rig.notes.data.values().any(|at| *at > end);
    rig.until(end + 60 * SEC, carries);
    let proven = rig.now;
    while rig.feed.status(rig.time()).fallback.number > 1 && rig.now < proven + 60 * SEC {
        rig.run(rig.now + SEC / 10);
    }
    found.back.add(rig.now - proven);
    rig.run(rig.now + 120 * SEC);
}

/// No line can be had, and REST does not answer either.
fn nothing(rig: &mut Rig<Between>, topic: &Topic, found: &mut Found) {
    let cut = rig.now;
    let back = cut + NOTHING;
    rig.weather.begin(cut, Own::Refused, back);
    rig.weather.begin(cut, Own::RestRefused, back);
    rig.cut_all();
    rig.run(cut + 60 * SEC);
    let status = rig.feed.status(rig.time());
    let at = rig.notes.tallies.get(topic).map_or(0, |tally| tally.at);
    let shown = status.topics.first();
    // Its age is that of the last trade told.
    let age = shown.and_then(|topic| topic.last_message).map(|time| time.0 - (DAWN_MS * MS) as i64);
    let critical = shown.is_some_and(|topic| topic.level == Level::Critical);
    let cache = rig.notes.served.get(topic).is_some_and(|status| status.source == Source::Cache);
    found.cached +=
        u64::from(status.fallback.rung == "cache" && critical && cache && age == i64::try_from(at).ok());
    rig.run(back);
    while rig.feed.status(rig.time()).fallback.number > 1 && rig.now < back + 300 * SEC {
        rig.run(rig.now + SEC / 10);
    }
    found.healed.add(rig.now - back);
    rig.run(rig.now + 360 * SEC);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rest_serves_while_lines_do_not_and_gives_way() {
        super::super::assert_holds(&measure(2, &|_, _| {}));
    }
}
