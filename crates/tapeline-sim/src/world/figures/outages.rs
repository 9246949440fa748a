//! How soon lines are back: after a cut, and after outages of every length and kind.

use tapeline_core::config::{FeedConfig, Limits};
use tapeline_core::data::topic::Topic;
use tapeline_venues::binance::Market;

use super::super::clock::SEC;
use super::super::kinds::Own;
use super::metronome::{Metronome, Rhythm};
use super::rig::{Rig, usual_way};
use super::{Row, Samples, Tell};
use crate::rng::Rng;

/// Outages in one life of a feed.
const EACH: u64 = 50;
/// An outage that is not over for the lines after this long is missed.
const MISSED: u64 = 180 * SEC;
/// Streams of one line.
const PER_LINE: u64 = 200;

/// The ways in which a venue is away.
const WAYS: [(Own, &str); 5] = [
    (Own::Refused, "refused"),
    (Own::BlackHole, "black hole"),
    (Own::NoName, "name unknown"),
    (Own::NoResolver, "no resolver"),
    (Own::NoNetwork, "no network"),
];

#[derive(Debug, Default)]
struct Found {
    outages: u64,
    missed: u64,
    /// By way: from the return of the venue to the dial that succeeds.
    first: [Samples; WAYS.len()],
    all: [Samples; WAYS.len()],
    longest: u64,
}

pub(super) fn measure(outages: u64, tell: Tell<'_>) -> Vec<Row> {
    let mut rows = cuts(outages.div_ceil(5));
    let mut found = Found::default();
    for seed in 0..outages.div_ceil(EACH) {
        tell(seed * EACH, outages);
        suffer(seed, EACH.min(outages - seed * EACH), &mut found);
    }
    for (place, (_, name)) in WAYS.iter().enumerate() {
        let what = format!("{name} ({}): dial of the first line", found.first[place].len());
        rows.push(Row::at_most(&what, found.first[place].worst(), 33.0, "s"));
        rows.push(Row::at_most(&format!("{name}: all lines"), found.all[place].worst(), 45.0, "s"));
    }
    rows.push(Row::at_least("outages", found.outages as f64, outages as f64, ""));
    rows.push(Row::at_most("outages missed", found.missed as f64, 0.0, ""));
    rows.push(Row::told("longest outage", format!("{:.1} h", found.longest as f64 / 3_600.0 / SEC as f64)));
    rows
}

/// A feed with so many lines.
fn rig(seed: u64, lines: u64) -> Rig<Metronome> {
    let topics = PER_LINE * (lines - 1) + 1;
    // The line with one stream has a lively one: all lines are proven soon.
    let mean = |n: u64| if n + 1 == topics || lines == 1 { SEC / 2 } else { 20 * SEC };
    let streams: Vec<(String, Rhythm)> =
        (0..topics).map(|n| (format!("s{n}usdt@trade"), Rhythm::Chance(mean(n)))).collect();
    let limits = Limits { topics_per_client: 2_000, ..Limits::default() };
    let config = FeedConfig { limits, ..FeedConfig::default() };
    let mut rig = Rig::new(Metronome::new(streams, seed), Market::UsdM, config, usual_way(seed), seed);
    rig.read((0..topics).filter_map(|n| format!("binance-usdm:trade:S{n}USDT").parse::<Topic>().ok()));
    rig
}

/// Lines that were stable are cut, and dialled again.
fn cuts(count: u64) -> Vec<Row> {
    let (mut waits, mut whole) = (Samples::default(), Samples::default());
    for seed in 0..count.div_ceil(40) {
        let mut rig = rig(seed, 1);
        let mut dice = Rng::new(seed, 100);
        for _ in 0..40.min(count - seed * 40) {
            rig.run(rig.now + 62 * SEC + dice.below(60 * SEC));
            let (cut, before) = (rig.now, rig.notes.opened.len());
            rig.cut_all();
            let back = rig.until(cut + MISSED, |rig| rig.notes.opened.len() > before);
            let dial = rig.notes.dials.last().map_or(0, |(at, _)| *at);
            waits.add(if back { dial - cut } else { MISSED });
            whole.add(rig.now - cut);
        }
    }
    let told = format!("{:.3} s, {:.3} s", whole.percentile(50), whole.percentile(99));
    vec![
        Row::at_most("cut of a stable line: until the dial, p50", waits.percentile(50), 0.2, "s"),
        Row::at_most("cut of a stable line: until the dial, p99", waits.percentile(99), 0.4, "s"),
        Row::told("cut of a stable line: until it is open, p50, p99", told),
    ]
}

/// A life full of outages.
fn suffer(seed: u64, count: u64, found: &mut Found) {
    let mut dice = Rng::new(seed, 101);
    let lines = [1, 2, 5][seed as usize % 3];
    let mut rig = rig(seed, lines);
    for number in 0..count {
        // Mostly after minutes of service, sometimes in the middle of a recovery.
        let calm = if dice.per_cent(80) { 62 * SEC } else { 0 } + dice.below(60 * SEC);
        rig.run(rig.now + calm);
        // From one second to four and a half hours, every order of magnitude alike.
        let lasts = (SEC << dice.below(14)) + dice.below(SEC << 13) / (1 + dice.below(1_000));
        let way = (seed + number) as usize % WAYS.len();
        outage(&mut rig, way, lasts, lines as usize, found);
    }
}

fn outage(rig: &mut Rig<Metronome>, way: usize, lasts: u64, lines: usize, found: &mut Found) {
    let back = rig.now + lasts;
    rig.weather.begin(rig.now, WAYS[way].0, back);
    let (opened, begun) = (rig.notes.opened.len(), rig.now);
    if WAYS[way].0 == Own::BlackHole {
        // Nobody says that the connections are dead.
        rig.bury_all();
    } else {
        rig.cut_all();
    }
    rig.run(back);
    let carries = |rig: &Rig<Metronome>| {
        let fresh = |slot: &u32| rig.notes.data.get(slot).is_some_and(|at| *at > begun);
        rig.open().count() >= lines && (0..lines as u32).all(|slot| fresh(&slot))
    };
    rig.until(back + MISSED, |rig| rig.notes.opened.len() > opened);
    let first = rig.notes.opened.get(opened).map(|(at, line)| (*at, *line));
    let all = rig.until(back + MISSED, |rig| rig.open().count() >= lines);
    let reopened = rig.now;
    let served = all && rig.until(back + MISSED, carries);
    found.outages += 1;
    found.longest = found.longest.max(lasts);
    found.missed += u64::from(!served);
    let dial = |line| rig.notes.dials.iter().rev().find(|(_, dialled)| *dialled == line).map(|(at, _)| *at);
    let waited = first.and_then(|(_, line)| dial(line)).map_or(MISSED, |at| at.saturating_sub(back));
    found.first[way].add(waited);
    found.all[way].add(if all { reopened - back } else { MISSED });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_back_after_cuts_and_outages() {
        super::super::assert_holds(&measure(100, &|_, _| {}));
    }
}
