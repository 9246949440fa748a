//! How many messages a line sends in any second while a thousand streams are subscribed, and whether every ping of
//! the venue is answered meanwhile.

use std::time::Duration;

use tapeline_core::config::{FeedConfig, Limits};
use tapeline_core::data::topic::Topic;
use tapeline_venues::binance::Market;

use super::super::clock::{DAWN_MS, MS, SEC};
use super::rig::{Rig, usual_way};
use super::{Row, Samples, Tell};
use crate::exchange::{MarketOptions, Symbol};
use crate::house::{House, HouseOptions};
use crate::rng::Rng;

/// Symbols and channels; together a thousand streams.
const SYMBOLS: usize = 200;
const CHANNELS: [&str; 5] = ["trade", "agg_trade", "quote", "ticker", "mini_ticker"];
/// A ping is answered as soon as the budget of messages allows, also when requests wait; the venue waits a minute.
const ANSWERED: f64 = 2.5;

#[derive(Debug, Default)]
struct Found {
    most: usize,
    most_there: u64,
    closed: u64,
    unanswered: u64,
    pings: u64,
    late: Samples,
    done: Samples,
    missing: u64,
}

pub(super) fn measure(seeds: u64, tell: Tell<'_>) -> Vec<Row> {
    let mut found = Found::default();
    for seed in 0..seeds {
        tell(seed, seeds);
        subscribe(seed, &mut found);
    }
    vec![
        Row::at_most("most messages of a line in any second", found.most as f64, 4.0, ""),
        Row::at_most("the same as the venue counts them", found.most_there as f64, 5.0, ""),
        Row::at_most("lines closed by the venue for it", found.closed as f64, 0.0, ""),
        Row::at_most("pings without an answer", found.unanswered as f64, 0.0, ""),
        Row::at_most("slowest answer to a ping", found.late.worst(), ANSWERED, "s"),
        Row::at_most("streams that were never subscribed", found.missing as f64, 0.0, ""),
        Row::told("pings", found.pings.to_string()),
        Row::told("all subscribed after, at the latest", format!("{:.1} s", found.done.worst())),
    ]
}

fn house(seed: u64, futures: bool) -> House {
    let mut options = MarketOptions::new(futures);
    let first = Symbol::ten(futures).remove(0);
    options.symbols = (0..SYMBOLS).map(|n| Symbol { name: format!("S{n}USDT"), ..first.clone() }).collect();
    (options.seed, options.rate, options.levels, options.truth) = (seed, 1, 20, 16);
    options.start_ms = Some(DAWN_MS);
    let mut house = HouseOptions::new(options);
    // Far more often than any venue does it.
    house.ping_every = Duration::from_millis([170, 450, 1_000, 20_000][seed as usize % 4]);
    House::new(house)
}

fn subscribe(seed: u64, found: &mut Found) {
    let futures = seed % 3 == 2;
    let market = if futures { Market::UsdM } else { Market::Spot };
    let limits = Limits { topics_per_client: 2_000, ..Limits::default() };
    let config = FeedConfig { limits, ..FeedConfig::default() };
    let mut rig = Rig::new(house(seed, futures), market, config, usual_way(seed), seed);
    let mut dice = Rng::new(seed, 50);
    let names = CHANNELS.iter().flat_map(|channel| (0..SYMBOLS).map(move |n| format!("{channel}:S{n}USDT")));
    let topics: Vec<Topic> =
        names.filter_map(|name| format!("{}:{name}", market.id()).parse().ok()).collect();
    // All at once, or as people come.
    let portion = [1_000, 50, 7][(seed / 4) as usize % 3];
    for portion in topics.chunks(portion) {
        rig.read(portion.iter().cloned());
        let pause = dice.below(200 * MS);
        busy(&mut rig, &mut dice, pause);
    }
    let all = |rig: &Rig<House>| {
        rig.far.sockets().map(|id| rig.far.subscriptions(id).len()).sum::<usize>() == 1_000
    };
    let before = rig.now;
    while rig.now < before + 60 * SEC && !all(&rig) {
        busy(&mut rig, &mut dice, 100 * MS);
    }
    found.missing += u64::from(!all(&rig));
    found.done.add(rig.now);
    // Some leave and come back.
    for _ in 0..20 {
        let place = dice.below(portion.min(topics.len()) as u64) as usize;
        let reads = dice.per_cent(50);
        rig.turn(&topics[place], reads);
        busy(&mut rig, &mut dice, 200 * MS);
    }
    rig.run(rig.now + 3 * SEC);
    let report = rig.far.report();
    found.most = found.most.max(rig.notes.most_in_a_second);
    found.most_there = found.most_there.max(report.most_messages_in_a_second);
    found.closed += report.closed_for_rate + report.closed_for_silence + rig.notes.lost.len() as u64;
    // What came in the last moment may still be waiting for its turn.
    found.unanswered += overdue(&rig);
    found.pings += rig.notes.pinged;
    found.late.add(rig.notes.slowest_pong);
}

/// Some time with bursts of pings.
fn busy(rig: &mut Rig<House>, dice: &mut Rng, lasts: u64) {
    if dice.per_cent(20) {
        let count = 1 + dice.below(30);
        rig.ping_burst(count, dice);
    }
    rig.run(rig.now + lasts);
}

fn overdue(rig: &Rig<House>) -> u64 {
    rig.notes.waiting_pings(rig.now.saturating_sub((ANSWERED * SEC as f64) as u64)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_streams_are_subscribed_within_the_budget_and_every_ping_is_answered() {
        let rows = measure(3, &|_, _| {});
        super::super::assert_holds(&rows);
        assert_eq!(rows[0].found, "4", "the budget is used, not evaded");
    }
}
