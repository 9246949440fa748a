//! How often a healthy line is given up although nothing is wrong but that its topics are quiet, sparse or jittery.

use tapeline_core::config::FeedConfig;
use tapeline_core::data::topic::Topic;
use tapeline_venues::binance::Market;

use super::super::clock::SEC;
use super::metronome::{Metronome, Rhythm};
use super::rig::{Rig, usual_way};
use super::{Row, Tell};
use crate::rng::Rng;

/// One rig lives so many hours.
const HOURS: u64 = 10;

/// The kinds of lines.
const KINDS: [&str; 5] = ["quiet", "sparse", "jittery", "bursty", "moody"];

pub(super) fn measure(hours: u64, tell: Tell<'_>) -> Vec<Row> {
    let mut by_kind = [(0, 0, 0); KINDS.len()];
    let mut done = 0;
    for seed in 0.. {
        if done >= hours {
            break;
        }
        tell(done, hours);
        let lasts = HOURS.min(hours - done);
        done += lasts;
        let kind = seed as usize % KINDS.len();
        let (redialled, renewed) = live(seed, kind, lasts * 3_600 * SEC);
        let (all, reconnects, renewals) = by_kind[kind];
        by_kind[kind] = (all + lasts, reconnects + redialled, renewals + renewed);
    }
    let false_ones: u64 = by_kind.iter().map(|(_, reconnects, _)| reconnects).sum();
    let mut rows = vec![Row::at_most("false reconnects", false_ones as f64, 1.0, "")];
    for (name, (hours, reconnects, renewals)) in KINDS.iter().zip(by_kind) {
        let found = format!("{reconnects} and {renewals}");
        rows.push(Row::told(&format!("{name} lines, {hours} h: false reconnects, resubscriptions"), found));
    }
    rows
}

/// How often a line is dialled again, and asked again for what it carries.
fn live(seed: u64, kind: usize, lasts: u64) -> (u64, u64) {
    let mut dice = Rng::new(seed, 90);
    let count = 1 + dice.below(4);
    let streams: Vec<(String, Rhythm)> =
        (0..count).map(|n| (format!("s{n}usdt@trade"), rhythm(kind, &mut dice))).collect();
    let venue = Metronome::new(streams, seed);
    let mut rig = Rig::new(venue, Market::Spot, FeedConfig::default(), usual_way(seed), seed);
    rig.read((0..count).filter_map(|n| format!("binance:trade:S{n}USDT").parse::<Topic>().ok()));
    rig.run(lasts);
    let requests = rig.notes.asked.iter().filter(|(at, ..)| *at > 10 * SEC).count() as u64;
    // A dial beside the line that is given up again is none that a reader notices.
    (rig.notes.opened.len() as u64 - 1, requests)
}

fn rhythm(kind: usize, dice: &mut Rng) -> Rhythm {
    match kind {
        0 => Rhythm::Chance((120 * SEC) << dice.below(6)),
        1 => Rhythm::Chance(5 * SEC + dice.below(55 * SEC)),
        2 => Rhythm::Jitter(SEC + dice.below(20 * SEC)),
        3 => Rhythm::Bursts(10 * SEC + dice.below(110 * SEC)),
        _ => Rhythm::Moods(2 * SEC + dice.below(20 * SEC)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_healthy_line_is_left_alone_however_quiet_it_is() {
        super::super::assert_holds(&measure(20, &|_, _| {}));
    }
}
