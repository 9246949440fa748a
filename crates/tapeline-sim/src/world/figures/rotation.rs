//! Lines live for a day: they are followed by others before the venue cuts them, and when it says that it will.

use std::time::Duration;

use tapeline_core::config::{FeedConfig, Limits};
use tapeline_core::data::topic::Topic;
use tapeline_venues::binance::Market;

use super::super::clock::{MS, SEC};
use super::between::{Between, house};
use super::notes::Tally;
use super::rig::{Rig, usual_way};
use super::{Row, Tell};
use crate::house::{Kind, Scope, Trouble};
use crate::rng::Rng;

const DAY: u64 = 24 * 3_600 * SEC;

/// What became of the days.
struct Found {
    rig: Rig<Between>,
    tally: Tally,
    rotations: u64,
    broken: usize,
}

pub(super) fn measure(days: u64, tell: Tell<'_>) -> Vec<Row> {
    let two = live(days, 2, tell);
    // Alone, and with nothing asked for that was missed: what is not handed over is lost.
    let one = live(days.div_ceil(3), 1, &|_, _| {});
    let told = two.rig.far.house.strikes(Kind::Shutdown);
    let cut = |found: &Found| found.rig.notes.lost.len() as f64;
    vec![
        Row::told("trades delivered", two.tally.events.to_string()),
        Row::at_least("notices of a shutdown", told as f64, days as f64, ""),
        // A line that left at a notice is younger than a day for one day more.
        Row::at_least("lines left to followers", two.rotations as f64, (days + days / 2) as f64, ""),
        Row::at_most("lines that the venue cut", cut(&two), 0.0, ""),
        Row::at_most("trades lost", two.tally.lost() as f64, 0.0, ""),
        Row::at_most("trades delivered twice", two.tally.doubled as f64, 0.0, ""),
        Row::at_most("ids declared missing", two.tally.declared as f64, 0.0, ""),
        Row::at_most("times that a book was not live", two.broken as f64, 0.0, ""),
        Row::at_most("sockets beside the two", two.rig.notes.most_open.saturating_sub(2) as f64, 1.0, ""),
        Row::at_least(
            "one line, no repair: left to followers",
            one.rotations as f64,
            days.div_ceil(3) as f64,
            "",
        ),
        Row::at_most("one line: cut by the venue", cut(&one), 0.0, ""),
        Row::at_most(
            "one line: trades lost or twice",
            (one.tally.lost() + one.tally.doubled) as f64,
            0.0,
            "",
        ),
        Row::at_most("one line: times that a book was not live", one.broken as f64, 0.0, ""),
        Row::at_most(
            "one line: sockets beside it",
            one.rig.notes.most_open.saturating_sub(1) as f64,
            1.0,
            "",
        ),
    ]
}

fn live(days: u64, lines: u8, tell: Tell<'_>) -> Found {
    let mut options = house(1, 1, 1);
    options.lifetime = Some(Duration::from_nanos(DAY));
    let limits = Limits { repair: lines > 1, ..Limits::default() };
    let config = FeedConfig { lines, limits, ..FeedConfig::default() };
    let mut rig = Rig::new(Between::new(options, false), Market::Spot, config, usual_way(1), 1);
    rig.read(
        ["trade", "book"].iter().filter_map(|name| format!("binance:{name}:BTCUSDT").parse::<Topic>().ok()),
    );
    let mut dice = Rng::new(1, 112);
    for day in 0..days {
        tell(day, days);
        let at = 60 * SEC + dice.below((DAY - 60 * SEC) / MS) * MS;
        rig.run(day * DAY + at);
        // One of the lines is told to leave.
        let open: Vec<u64> = rig.open().filter_map(|(_, link)| Some(link.socket?.number())).collect();
        let socket = open.get(dice.below(open.len() as u64) as usize).copied();
        let scope = Scope { socket, ..Scope::default() };
        let now = rig.now;
        rig.far.house.trouble(now, Trouble { scope, ..Trouble::new(Kind::Shutdown) });
        rig.run((day + 1) * DAY);
    }
    rig.run(rig.now + 120 * SEC);
    let rotations = rig.feed.status(rig.time()).rotations;
    let trades = rig.notes.tallies.iter().find(|(topic, _)| topic.as_str().contains(":trade:"));
    let tally = trades.map(|(_, tally)| tally.clone()).unwrap_or_default();
    // The first time is when it is synchronised.
    let broken = rig.notes.turns.iter().filter(|(at, _, live)| !live && *at > 60 * SEC).count();
    Found { rig, tally, rotations, broken }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_ends_without_a_loss() {
        super::super::assert_holds(&measure(2, &|_, _| {}));
    }
}
