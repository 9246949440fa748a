//! How soon readers are told that a line has stalled, and how soon another one is there in its place.

use tapeline_core::config::FeedConfig;
use tapeline_core::data::topic::Topic;
use tapeline_venues::binance::Market;

use super::super::clock::{DAWN_MS, SEC};
use super::far::Far;
use super::metronome::{Metronome, Rhythm};
use super::rig::{Rig, usual_way};
use super::{Row, Samples, Tell};
use crate::exchange::{MarketOptions, Symbol};
use crate::house::{House, HouseOptions, Kind, Scope, Trouble};
use crate::rng::Rng;

/// What stalls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stall {
    /// Nothing passes any more.
    Full,
    /// Data stops, and nobody answers; the venue's own pings go on.
    Unanswered,
    /// Data stops, everything else goes on.
    Answered,
}

/// Given up after this long.
const AT_MOST: u64 = 1_800 * SEC;
/// What is on its way arrives within this.
const ON_ITS_WAY: u64 = SEC / 4;

#[derive(Debug, Default)]
struct Found {
    flagged: Samples,
    replaced: Samples,
}

pub(super) fn measure(seeds: u64, tell: Tell<'_>) -> Vec<Row> {
    let mut rows = Vec::new();
    for (place, stall) in (0..).zip([Stall::Full, Stall::Unanswered, Stall::Answered]) {
        let (mut busy, mut quiet) = (Found::default(), Found::default());
        for seed in 0..seeds {
            tell(place * seeds + seed, 3 * seeds);
            self::busy(seed, stall, &mut busy);
            self::quiet(seed, stall, &mut quiet);
        }
        let name = match stall {
            Stall::Full => "full stall",
            Stall::Unanswered => "data stops, pings unanswered",
            Stall::Answered => "data stops, pings answered",
        };
        let flagged = busy.flagged.percentile(99);
        rows.push(Row::at_most(&format!("busy line, {name}: flagged, p99"), flagged, 2.2, "s"));
        let seconds = |samples: &Samples, percent| match samples.percentile(percent) {
            never if never >= AT_MOST as f64 / SEC as f64 => "not in half an hour".to_owned(),
            after => format!("{after:.2} s"),
        };
        if stall == Stall::Answered {
            // A line that answers lives: nothing but patience tells a stall from a pause.
            rows.push(Row::told(&format!("busy line, {name}: replaced, p99"), seconds(&busy.replaced, 99)));
            rows.push(Row::told(&format!("quiet line, {name}: replaced, p50"), seconds(&quiet.replaced, 50)));
            continue;
        }
        let (replaced, worst) = (busy.replaced.percentile(99), busy.replaced.worst());
        rows.push(Row::at_most(&format!("busy line, {name}: replaced, p99"), replaced, 2.8, "s"));
        rows.push(Row::at_most(&format!("busy line, {name}: replaced, worst"), worst, 2.8, "s"));
        rows.push(Row::at_most(&format!("quiet line, {name}: flagged"), quiet.flagged.worst(), 40.5, "s"));
        rows.push(Row::at_most(&format!("quiet line, {name}: replaced"), quiet.replaced.worst(), 42.0, "s"));
    }
    rows
}

/// A line with the traffic of five symbols stalls when it has been open for one to three minutes.
fn busy(seed: u64, stall: Stall, found: &mut Found) {
    let mut options = MarketOptions::new(false);
    options.symbols = Symbol::ten(false).into_iter().take(5).collect();
    (options.seed, options.rate, options.levels, options.truth) = (seed, 20, 40, 64);
    options.start_ms = Some(DAWN_MS);
    let names: Vec<String> = options.symbols.iter().map(|symbol| symbol.name.clone()).collect();
    let house = House::new(HouseOptions::new(options));
    let mut rig = Rig::new(house, Market::Spot, FeedConfig::default(), usual_way(seed), seed);
    let topics = names.iter().flat_map(|name| ["trade", "quote"].map(|c| format!("binance:{c}:{name}")));
    rig.read(topics.filter_map(|topic| topic.parse::<Topic>().ok()));
    rig.run(60 * SEC + Rng::new(seed, 70).below(120 * SEC));
    let now = rig.now;
    let socket = rig.far.sockets().next().map(crate::house::SocketId::number);
    let kinds: &[Kind] = match stall {
        Stall::Full => &[Kind::Freeze],
        Stall::Unanswered => &[Kind::Stall, Kind::NoPong],
        Stall::Answered => &[Kind::Stall],
    };
    for kind in kinds {
        let scope = Scope { socket, ..Scope::default() };
        rig.far.trouble(now, Trouble { scope, ..Trouble::new(*kind) });
    }
    rig.run(now + ON_ITS_WAY);
    let last = rig.notes.data.get(&0).copied().unwrap_or(0);
    observe(&mut rig, last, found);
}

/// A line with a few slow topics stalls after minutes.
fn quiet(seed: u64, stall: Stall, found: &mut Found) {
    let mut dice = Rng::new(seed, 71);
    // From one message in two seconds to one in five minutes.
    let mean = (SEC / 2) << dice.below(10);
    let streams = (0..3).map(|n| (format!("s{n}usdt@trade"), Rhythm::Chance(3 * mean)));
    let venue = Metronome::new(streams, seed);
    let mut rig = Rig::new(venue, Market::Spot, FeedConfig::default(), usual_way(seed), seed);
    rig.read((0..3).filter_map(|n| format!("binance:trade:S{n}USDT").parse::<Topic>().ok()));
    rig.run(600 * SEC + dice.below(600 * SEC));
    let proven = rig.notes.data.contains_key(&0);
    rig.far.stall(stall != Stall::Answered);
    rig.run(rig.now + ON_ITS_WAY);
    let signs = if stall == Stall::Answered { &rig.notes.data } else { &rig.notes.sign };
    let last = signs.get(&0).copied().unwrap_or(0);
    // Where there was never any data nobody can miss it.
    if proven {
        observe(&mut rig, last, found);
    }
}

/// When all topics are flagged, and when another line is open.
fn observe<V: Far>(rig: &mut Rig<V>, last: u64, found: &mut Found) {
    let (before, end) = (rig.notes.opened.len(), rig.now + AT_MOST);
    let flagged = rig.until(end, |rig| rig.notes.shown.values().all(|shown| shown.flagged));
    found.flagged.add(if flagged { rig.now - last } else { AT_MOST });
    rig.until(end, |rig| rig.notes.opened.len() > before);
    let replaced = rig.notes.opened.get(before).map_or(AT_MOST, |(at, _)| at - last);
    found.replaced.add(replaced);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_is_told_at_once_and_the_line_replaced() {
        super::super::assert_holds(&measure(6, &|_, _| {}));
    }
}
