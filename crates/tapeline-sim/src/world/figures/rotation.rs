//! Lines live for a day: they are followed by others before the venue cuts them, and when it says that it will.

use std::time::Duration;

use tapeline_core::config::FeedConfig;
use tapeline_core::data::topic::Topic;
use tapeline_venues::binance::Market;

use super::super::clock::{MS, SEC};
use super::between::{Between, house};
use super::rig::{Rig, usual_way};
use super::{Row, Tell};
use crate::house::{Kind, Scope, Trouble};
use crate::rng::Rng;

const DAY: u64 = 24 * 3_600 * SEC;

pub(super) fn measure(days: u64, tell: Tell<'_>) -> Vec<Row> {
    let mut options = house(1, 1, 1);
    options.lifetime = Some(Duration::from_nanos(DAY));
    let config = FeedConfig { lines: 2, ..FeedConfig::default() };
    let mut rig = Rig::new(Between::new(options, false), Market::Spot, config, usual_way(1), 1);
    rig.read("binance:trade:BTCUSDT".parse::<Topic>());
    let mut dice = Rng::new(1, 112);
    for day in 0..days {
        tell(day, days);
        let at = dice.below(DAY / MS) * MS;
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
    let status = rig.feed.status(rig.time());
    let tally = rig.notes.tallies.values().next().copied().unwrap_or_default();
    let told = rig.far.house.strikes(Kind::Shutdown);
    vec![
        Row::at_least("days", days as f64, days as f64, ""),
        Row::told("trades delivered", tally.events.to_string()),
        Row::at_least("notices of a shutdown", told as f64, days as f64, ""),
        Row::told("lines left to followers", status.rotations.to_string()),
        Row::told("lines that the venue cut", rig.notes.lost.len().to_string()),
        Row::at_most("trades lost", tally.lost() as f64, 0.0, ""),
        Row::at_most("trades delivered twice", tally.doubled as f64, 0.0, ""),
        Row::at_most("ids declared missing", tally.declared as f64, 0.0, ""),
        Row::at_most("sockets beside the two", rig.notes.most_open.saturating_sub(2) as f64, 1.0, ""),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_ends_without_a_loss() {
        super::super::assert_holds(&measure(2, &|_, _| {}));
    }
}
