//! Whether a venue does worse or better than it did: its latest hour against the rest of the day.

use std::collections::BTreeMap;

use serde::Serialize;
use tapeline_core::data::update::Level;

use super::history::HistoryMinute;

/// The latest minutes, which are compared with all that are kept before them.
const LATEST: usize = 60;
/// With fewer minutes on either side nothing is said: [latest, before].
const LEAST: [usize; 2] = [30, 60];
/// Shares that differ by no more than this are the same: three minutes of an hour.
const SAME: f64 = 0.05;

/// Which way the share of bad minutes goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// More are bad than before.
    Rising,
    /// About as many.
    Steady,
    /// Fewer are.
    Falling,
}

/// How a venue has done lately against how it did before. A minute is bad if its worst level was degraded, or worse.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Trend {
    /// Whose.
    pub venue: Box<str>,
    /// The share of the latest 60 minutes that were bad, `0.0..=1.0`.
    pub bad_lately: f64,
    /// The share of those before, of at most 23 hours.
    pub bad_before: f64,
    /// Which way that goes.
    pub direction: Direction,
}

/// The trends of the venues that have run for long enough, lately and before. `minutes` are in order, the latest last.
pub(super) fn trends<'a>(minutes: impl ExactSizeIterator<Item = &'a HistoryMinute>) -> Vec<Trend> {
    let first_of_latest = minutes.len().saturating_sub(LATEST);
    // How many minutes, and how many bad ones: [latest, before].
    let mut counts: BTreeMap<&str, [(usize, usize); 2]> = BTreeMap::new();
    for (at, minute) in minutes.enumerate() {
        for (venue, level) in &minute.venues {
            let (all, bad) = &mut counts.entry(venue).or_default()[usize::from(at < first_of_latest)];
            *all += 1;
            *bad += usize::from(*level >= Level::Degraded);
        }
    }
    let trend = |(venue, [latest, before]): (&str, [(usize, usize); 2])| {
        let is_known = latest.0 >= LEAST[0] && before.0 >= LEAST[1];
        let share = |(all, bad): (usize, usize)| bad as f64 / all as f64;
        let (bad_lately, bad_before) = is_known.then(|| (share(latest), share(before)))?;
        let direction = match bad_lately - bad_before {
            more if more > SAME => Direction::Rising,
            less if less < -SAME => Direction::Falling,
            _ => Direction::Steady,
        };
        Some(Trend { venue: venue.into(), bad_lately, bad_before, direction })
    };
    counts.into_iter().filter_map(trend).collect()
}

#[cfg(test)]
mod tests {
    use tapeline_core::time::Unix;

    use super::*;

    /// A day's minutes of one venue: whether each was bad, `None` where it did not run.
    fn of(minutes: usize, bad: impl Fn(usize) -> Option<bool>) -> Vec<Trend> {
        let minute = |at: usize| {
            let level = |bad| if bad { Level::Unhealthy } else { Level::Warning };
            let venues = bad(at).map(|bad| ("one".into(), level(bad))).into_iter().collect();
            HistoryMinute { start: Unix(at as i64 * 60_000_000_000), system: Level::Healthy, venues }
        };
        let minutes: Vec<_> = (0..minutes).map(minute).collect();
        trends(minutes.iter())
    }

    fn one(bad: impl Fn(usize) -> Option<bool>) -> Trend {
        let [trend] = &of(1_440, bad)[..] else { panic!("one venue, one trend") };
        trend.clone()
    }

    #[test]
    fn the_latest_hour_is_compared_with_the_twenty_three_before() {
        let worse = one(|at| Some(at >= 1_410 || at % 10 == 0));
        assert_eq!((worse.bad_before, worse.direction), (0.1, Direction::Rising));
        assert_eq!(worse.bad_lately, (30.0 + 3.0) / 60.0);
        let better = one(|at| Some(at < 1_380 && at % 4 == 0));
        assert_eq!((better.bad_lately, better.bad_before), (0.0, 0.25));
        assert_eq!(better.direction, Direction::Falling);
        assert_eq!(one(|at| Some(at % 3 == 0)).direction, Direction::Steady);
        assert_eq!(one(|at| Some(at == 1_439)).direction, Direction::Steady, "one bad minute is no trend");
        assert_eq!(one(|_| Some(false)).bad_lately, 0.0, "warnings are not bad");
    }

    #[test]
    fn nothing_is_said_of_a_venue_that_has_not_run_for_long_enough() {
        assert_eq!(of(119, |_| Some(true)), []);
        assert_eq!(of(120, |_| Some(true)).len(), 1);
        assert_eq!(of(1_440, |at| (at < 1_409).then_some(true)), [], "it runs no more");
        assert_eq!(of(1_440, |at| (at >= 1_321).then_some(true)), [], "it began too lately");
        assert_eq!(of(0, |_| Some(true)), []);
    }
}
