//! How long five hundred books take to be synchronised when the venue enforces its request weights.

use tapeline_core::config::FeedConfig;
use tapeline_core::data::event::BookState;
use tapeline_core::data::topic::Topic;
use tapeline_venues::binance::Market;

use super::super::clock::{DAWN_MS, SEC};
use super::far::crowd;
use super::rig::{Rig, usual_way};
use super::{Row, Samples, Tell};
use crate::exchange::MarketOptions;
use crate::house::{House, HouseOptions};
use crate::rng::Rng;

/// Books that are kept warm, and those with a reader.
const WARM: usize = 490;
const READ: usize = 10;
/// Given up after this long.
const AT_MOST: u64 = 900 * SEC;

#[derive(Debug, Default)]
struct Found {
    all: Samples,
    read: Samples,
    refused: u64,
    weight: u64,
}

pub(super) fn measure(seeds: u64, tell: Tell<'_>) -> Vec<Row> {
    let mut found = Found::default();
    for seed in 0..seeds {
        tell(seed, seeds);
        synchronise(seed, &mut found);
    }
    vec![
        Row::at_most("all 500 books synchronised after", found.all.worst() / 60.0, 5.5, "min"),
        Row::at_most("the ten with readers after", found.read.worst(), 10.0, "s"),
        Row::at_most("replies with status 429 or 418", found.refused as f64, 0.0, ""),
        Row::told("request weight used for it", (found.weight / seeds.max(1)).to_string()),
    ]
}

/// The feed starts at any second of the minute by which weights are counted; the full minute is the worst.
fn synchronise(seed: u64, found: &mut Found) {
    let second = if seed == 0 { 0 } else { Rng::new(seed, 60).below(60) };
    let mut options = MarketOptions::new(false);
    options.symbols = crowd(100, WARM + READ);
    (options.seed, options.rate, options.levels, options.truth) = (seed, 1, 60, 64);
    options.start_ms = Some(DAWN_MS + second * 1_000);
    let topic = |n: usize| format!("binance:book:S{n}USDT").parse::<Topic>().ok();
    let config =
        FeedConfig { warm: (READ..READ + WARM).filter_map(topic).collect(), ..FeedConfig::default() };
    let house = House::new(HouseOptions::new(options));
    let mut rig = Rig::new(house, Market::Spot, config, usual_way(seed), seed);
    rig.clock.jump((second * SEC) as i64);
    rig.read((0..READ).filter_map(topic));
    let read = rig.until(60 * SEC, |rig| rig.notes.live_books.len() == READ);
    found.read.add(if read { rig.now } else { AT_MOST });
    let mut live = false;
    while !live && rig.now < AT_MOST {
        rig.run(rig.now + SEC);
        if rig.far.report().snapshots.len() < WARM + READ {
            continue;
        }
        let status = rig.feed.status(rig.time());
        let is_live = |state| state == Some(BookState::Live);
        live = status.topics.iter().all(|topic| is_live(topic.book.as_ref().map(|book| book.state)));
    }
    found.all.add(if live { rig.now } else { AT_MOST });
    let report = rig.far.report();
    found.refused += report.http_429 + report.http_418 + report.asked_while_held;
    found.weight += report.weight;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_hundred_books_are_there_within_five_and_a_half_minutes_and_those_that_are_read_at_once() {
        super::super::assert_holds(&measure(1, &|_, _| {}));
    }
}
