//! How soon a topic that falls mute alone is found among a thousand that go on, and whether any other is disturbed.

use tapeline_core::config::{FeedConfig, Limits};
use tapeline_core::data::topic::Topic;
use tapeline_venues::binance::Market;

use super::super::clock::SEC;
use super::metronome::{Metronome, Rhythm};
use super::rig::{Rig, usual_way};
use super::{Row, Samples, Tell};
use crate::rng::Rng;

const TOPICS: u64 = 1_000;
/// So many of them have a message a second or more.
const LIVELY: u64 = 300;
/// Given up after this long.
const AT_MOST: u64 = 600 * SEC;

#[derive(Debug, Default)]
struct Found {
    after: Samples,
    others: u64,
    lost: u64,
    still_mute: u64,
}

pub(super) fn measure(seeds: u64, tell: Tell<'_>) -> Vec<Row> {
    let mut found = Found::default();
    for seed in 0..seeds {
        tell(seed, seeds);
        mute(seed, &mut found);
    }
    vec![
        Row::at_most("a mute topic among 1,000 found after", found.after.worst(), 30.0, "s"),
        Row::at_most("other topics subscribed again", found.others as f64, 0.0, ""),
        Row::at_most("lines dialled again", found.lost as f64, 0.0, ""),
        Row::at_most("topics still mute a minute later", found.still_mute as f64, 0.0, ""),
        Row::told("found after, p50", format!("{:.1} s", found.after.percentile(50))),
    ]
}

fn mute(seed: u64, found: &mut Found) {
    let mut dice = Rng::new(seed, 80);
    let stream = |n: u64| format!("s{n}usdt@trade");
    let mut rhythm = |n: u64| match n {
        _ if n >= LIVELY => Rhythm::Chance(5 * SEC + dice.below(115 * SEC)),
        _ if n.is_multiple_of(2) => Rhythm::Chance(SEC / 4 + dice.below(SEC * 3 / 4)),
        _ => Rhythm::Jitter(SEC / 4 + dice.below(SEC * 3 / 4)),
    };
    let streams: Vec<(String, Rhythm)> = (0..TOPICS).map(|n| (stream(n), rhythm(n))).collect();
    let limits = Limits { topics_per_client: TOPICS as usize, ..Limits::default() };
    let config = FeedConfig { limits, ..FeedConfig::default() };
    let mut rig = Rig::new(Metronome::new(streams, seed), Market::Spot, config, usual_way(seed), seed);
    let topic = |n: u64| format!("binance:trade:S{n}USDT").parse::<Topic>().ok();
    rig.read((0..TOPICS).filter_map(topic));
    rig.run(SEC + dice.below(60 * SEC));
    let count =
        |rig: &Rig<Metronome>, n| topic(n).and_then(|t| Some(rig.notes.shown.get(&t)?.count)).unwrap_or(0);
    let counts: Vec<u64> = (0..LIVELY).map(|n| count(&rig, n)).collect();
    rig.run(rig.now + 60 * SEC);
    // One that had a message a second, as counted.
    let lively: Vec<u64> = (0..LIVELY).filter(|n| count(&rig, *n) >= counts[*n as usize] + 60).collect();
    let chosen = lively[dice.below(lively.len() as u64) as usize];
    let before = rig.notes.asked.len();
    rig.far.deafen(&stream(chosen));
    rig.run(rig.now + SEC / 4);
    let data =
        |rig: &Rig<Metronome>| topic(chosen).and_then(|t| Some(rig.notes.shown.get(&t)?.data)).unwrap_or(0);
    let last = data(&rig);
    let own = format!("[\"{}\"]", stream(chosen));
    let end = rig.now + AT_MOST;
    let is_own = |text: &str| text.replace(' ', "").contains(&own);
    rig.until(end, |rig| rig.notes.asked[before..].iter().any(|(.., text)| is_own(text)));
    found.after.add(rig.now - last);
    rig.run(rig.now + 60 * SEC);
    let others = rig.notes.asked[before..].iter().filter(|(.., text)| !is_own(text)).count();
    found.others += others as u64;
    found.lost += rig.notes.dials.len() as u64 - 1;
    found.still_mute += u64::from(data(&rig) <= last);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mute_topic_is_found_and_nobody_else_is_disturbed() {
        super::super::assert_holds(&measure(1, &|_, _| {}));
    }
}
