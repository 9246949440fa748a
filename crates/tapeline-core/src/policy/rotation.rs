//! When a line is replaced before the venue cuts it.

use std::time::Duration;

use crate::time::Unix;

/// The jitter of a replacement: as a share of the lifetime, and at most.
const JITTER: u32 = 100;
const JITTER_MOST: Duration = Duration::from_secs(300);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A span of every day (UTC) in which lines are to be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Its beginning, after midnight.
    pub from: Duration,
    /// Its end, after midnight; before the beginning if the span holds midnight.
    pub to: Duration,
}

impl Window {
    fn length(self) -> Duration {
        let day = |at: Duration| Duration::from_nanos((at.as_nanos() % DAY.as_nanos()) as u64);
        day(day(self.to) + DAY - day(self.from))
    }
}

/// In how long a line opened at `now` is replaced: after `lifetime` give or take a little, so that lines opened
/// together are not replaced together; inside the window if one is set and falls into the lifetime, as late as that
/// allows. `roll` is uniform in `[0, 1)`.
pub fn replaced_in(lifetime: Duration, window: Option<Window>, now: Unix, roll: f64) -> Duration {
    let roll = roll.clamp(0.0, 1.0);
    let jitter = (lifetime / JITTER).min(JITTER_MOST);
    let usual = lifetime - jitter + (jitter * 2).mul_f64(roll);
    let Some(window) = window else { return usual };
    let midnight = u64::try_from(now.0).unwrap_or(0) % (DAY.as_nanos() as u64);
    let time = Duration::from_nanos(midnight);
    // The last beginning of the window that lies inside the lifetime.
    let first = (window.from + DAY - time.min(DAY)).as_nanos() % DAY.as_nanos();
    let first = Duration::from_nanos(first as u64);
    if first >= usual {
        return usual;
    }
    let days = (usual - first).as_nanos() / DAY.as_nanos();
    let begin = first + DAY * u32::try_from(days).unwrap_or(0);
    begin + window.length().min(usual - begin).mul_f64(roll)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn without_a_window_it_is_the_lifetime_give_or_take_five_minutes() {
        let lifetime = HOUR * 23 + HOUR / 6 * 5;
        let at = |roll| replaced_in(lifetime, None, Unix(0), roll);
        assert_eq!((at(0.0), at(0.5)), (lifetime - JITTER_MOST, lifetime));
        assert!(at(0.999) < lifetime + JITTER_MOST);
        assert_eq!(replaced_in(Duration::from_secs(24), None, Unix(0), 0.0), Duration::from_millis(23_760));
    }

    #[test]
    fn with_a_window_it_falls_into_its_last_occurrence() {
        let window = Some(Window { from: HOUR * 22, to: HOUR * 2 });
        let at = |hour: u32, roll| {
            let now = Unix((HOUR * hour).as_nanos() as i64);
            replaced_in(HOUR * 23, window, now, roll)
        };
        assert_eq!((at(12, 0.0), at(12, 0.5)), (HOUR * 10, HOUR * 12));
        assert_eq!(at(23, 0.0), HOUR * 23 - JITTER_MOST, "opened inside it: the next one is too late");
        assert_eq!(at(0, 0.0), HOUR * 22);
    }

    proptest! {
        #[test]
        fn never_later_than_the_lifetime_and_its_jitter(
            (from, to, now) in (0u64..86_400, 0u64..86_400, 0i64..400_000),
            lifetime in 1u64..200_000,
            roll in 0.0..1.0f64,
        ) {
            let seconds = Duration::from_secs;
            let window = Some(Window { from: seconds(from), to: seconds(to) });
            let lifetime = seconds(lifetime);
            let at = replaced_in(lifetime, window, Unix(now * 1_000_000_000), roll);
            prop_assert!(at <= lifetime + (lifetime / JITTER).min(JITTER_MOST));
        }
    }
}
