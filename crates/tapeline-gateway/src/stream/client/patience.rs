//! How long a client may leave unread what waits for it.

use std::time::Duration;

use tokio::time::Instant;

/// What is known of how a client reads.
#[derive(Debug, Default)]
pub(super) struct Patience {
    /// Bytes that its socket has ever taken.
    taken: u64,
    /// Since when its socket has taken nothing of what waited.
    stuck: Option<Instant>,
    /// By when its socket must have taken so many bytes in all.
    owed: Option<(Instant, u64)>,
}

impl Patience {
    /// The socket took something.
    pub(super) fn took(&mut self, bytes: usize) {
        self.taken += bytes as u64;
        self.stuck = None;
    }

    /// The socket takes nothing.
    pub(super) fn refused(&mut self, now: Instant) {
        self.stuck.get_or_insert(now);
    }

    /// Why patience has ended, if it has, with one whose socket takes nothing at the moment. Nothing taken `within`
    /// the time is enough. Of what is behind in the logs, whatever exceeds the `limit` must be taken within the time:
    /// who reads slowly may be behind for a moment, who falls back ever further may not.
    pub(super) fn ends(
        &mut self,
        now: Instant,
        behind: usize,
        (limit, within): (usize, Duration),
    ) -> Option<&'static str> {
        if self.stuck.is_some_and(|since| now - since >= within) {
            return Some("too slow: nothing was read for too long");
        }
        let Some(over) = behind.checked_sub(limit).filter(|over| *over > 0) else {
            self.owed = None;
            return None;
        };
        match self.owed {
            Some((_, bytes)) if self.taken < bytes => {}
            _ => self.owed = Some((now + within, self.taken + over as u64)),
        }
        let late = self.owed.is_some_and(|(until, _)| until <= now);
        late.then_some("too slow: more is unread than is kept")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each step: milliseconds since the start, bytes just taken (`None` = refused), bytes behind; whether it ends.
    #[track_caller]
    fn check(steps: &[(u64, Option<usize>, usize, bool)]) {
        let (start, mut patience) = (Instant::now(), Patience::default());
        for (ms, taken, behind, ends) in steps {
            let now = start + Duration::from_millis(*ms);
            match taken {
                Some(bytes) => patience.took(*bytes),
                None => patience.refused(now),
            }
            let why = patience.ends(now, *behind, (100, Duration::from_secs(1)));
            assert_eq!(why.is_some(), *ends, "{ms}: {why:?}");
        }
    }

    #[test]
    fn who_takes_nothing_is_waited_for_so_long() {
        check(&[(0, None, 5, false), (500, None, 5, false), (999, None, 5, false), (1_000, None, 5, true)]);
        // Also one of whom nothing can be told any more that would show how far it is behind.
        check(&[(0, None, 0, false), (1_000, None, 0, true)]);
    }

    #[test]
    fn who_takes_something_now_and_then_stays() {
        let mut steps = Vec::new();
        for second in 0..100 {
            steps.extend([(second * 900, None, 100, false), (second * 900 + 899, Some(1), 100, false)]);
        }
        check(&steps);
    }

    #[test]
    fn who_is_behind_for_a_moment_stays_and_who_falls_back_ever_further_goes() {
        // 50 too many are taken in time, and 60 more of them.
        check(&[
            (0, None, 150, false),
            (900, Some(50), 160, false),
            (1_800, Some(60), 100, false),
            (9_000, Some(1), 150, false),
        ]);
        // 900 too many are not.
        check(&[(0, None, 1_000, false), (900, Some(50), 2_000, false), (1_000, Some(50), 3_000, true)]);
    }
}
