//! The venue's limits: messages per second on a socket, request weight per minute and address, connects.

use std::collections::VecDeque;

/// At most `limit` in any sliding span. A token bucket would let nine messages pass where the venue takes five.
#[derive(Debug)]
pub(crate) struct Window {
    /// `None` lets all pass and still counts them.
    limit: Option<usize>,
    span: u64,
    taken: VecDeque<u64>,
    most: usize,
}

/// What is remembered of one window without a limit: a count above it is only ever reported.
const REMEMBERED: usize = 1_024;

impl Window {
    /// A window of `span` nanoseconds.
    pub(crate) const fn new(limit: Option<usize>, span: u64) -> Self {
        Self { limit, span, taken: VecDeque::new(), most: 0 }
    }

    /// Counts one at `now` (nanoseconds); false if it is one too many. Those that are refused count too.
    pub(crate) fn admit(&mut self, now: u64) -> bool {
        while self.taken.front().is_some_and(|&at| now.saturating_sub(at) >= self.span) {
            self.taken.pop_front();
        }
        if self.taken.len() < REMEMBERED {
            self.taken.push_back(now);
        }
        self.most = self.most.max(self.taken.len());
        self.limit.is_none_or(|limit| self.taken.len() <= limit)
    }

    /// The most that any span has held.
    pub(crate) const fn most(&self) -> usize {
        self.most
    }
}

/// The answer of the meter to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Go on; this much weight is used in the current minute.
    Used(u32),
    /// Answer 429: the budget is spent; ask again after so many seconds.
    Spent { used: u32, retry_after: u64 },
    /// Answer 418: the address is banned for so many seconds, until a Unix millisecond.
    Banned { retry_after: u64, until_ms: u64 },
}

/// Request weight of one address: fixed windows aligned to the minutes of the clock, as on the venue,
/// and bans that grow for those who keep asking after a 429.
#[derive(Debug)]
pub(crate) struct Meter {
    limit: u32,
    minute: u64,
    used: u32,
    refused: u32,
    bans: u32,
    banned_until_ms: u64,
}

/// So many requests after the first 429 of a minute are forgiven; the next one is banned.
const PATIENCE: u32 = 10;
/// The first ban; each further one is twice as long, up to three days.
const FIRST_BAN: u64 = 120;
const LONGEST_BAN: u64 = 3 * 24 * 3_600;

impl Meter {
    pub(crate) const fn new(limit: u32) -> Self {
        Self { limit, minute: 0, used: 0, refused: 0, bans: 0, banned_until_ms: 0 }
    }

    /// Charges a request of `weight` at `now_ms` (Unix milliseconds).
    pub(crate) fn charge(&mut self, now_ms: u64, weight: u32) -> Verdict {
        if now_ms < self.banned_until_ms {
            let retry_after = (self.banned_until_ms - now_ms).div_ceil(1_000);
            return Verdict::Banned { retry_after, until_ms: self.banned_until_ms };
        }
        let minute = now_ms / 60_000;
        if minute != self.minute {
            (self.minute, self.used, self.refused) = (minute, 0, 0);
        }
        self.used = self.used.saturating_add(weight);
        if self.used <= self.limit {
            return Verdict::Used(self.used);
        }
        self.refused += 1;
        if self.refused > PATIENCE {
            let seconds = (FIRST_BAN << self.bans.min(16)).min(LONGEST_BAN);
            self.bans += 1;
            self.banned_until_ms = now_ms + seconds * 1_000;
            return Verdict::Banned { retry_after: seconds, until_ms: self.banned_until_ms };
        }
        Verdict::Spent { used: self.used, retry_after: (60_000 - now_ms % 60_000).div_ceil(1_000) }
    }

    /// Refuses everything until a Unix millisecond.
    pub(crate) const fn ban(&mut self, until_ms: u64) {
        self.banned_until_ms = until_ms;
    }

    /// The weight used in the newest minute.
    pub(crate) const fn used(&self) -> u32 {
        self.used
    }
}

/// The weight of a depth request, by the number of levels.
pub(crate) const fn depth_weight(limit: usize, futures: bool) -> u32 {
    if futures {
        return match limit {
            0..=50 => 2,
            51..=100 => 5,
            101..=500 => 10,
            _ => 20,
        };
    }
    match limit {
        0..=100 => 5,
        101..=500 => 25,
        501..=1_000 => 50,
        _ => 250,
    }
}

/// The weight of a request for so many candles.
pub(crate) const fn candle_weight(limit: usize, futures: bool) -> u32 {
    match limit {
        _ if !futures => 2,
        0..=99 => 1,
        100..=499 => 2,
        500..=1_000 => 5,
        _ => 10,
    }
}

/// The weight of statistics of a day, by the number of symbols; `None` for all.
pub(crate) const fn day_weight(symbols: Option<usize>, futures: bool) -> u32 {
    match symbols {
        None if futures => 40,
        Some(_) if futures => 1,
        Some(0..=20) => 2,
        Some(21..=100) => 40,
        _ => 80,
    }
}

/// The weight of statistics of a window, by the number of symbols.
pub(crate) const fn window_weight(symbols: usize) -> u32 {
    if symbols >= 50 { 200 } else { 4 * symbols as u32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Milliseconds at which messages come, and which of them are admitted.
    fn check(at_ms: &[u64], expected: &[bool]) {
        let mut window = Window::new(Some(5), 1_000);
        let admitted: Vec<bool> = at_ms.iter().map(|&ms| window.admit(ms)).collect();
        assert_eq!(admitted, expected);
    }

    #[test]
    fn five_messages_in_any_second_pass() {
        check(&[0, 0, 0, 0, 0], &[true; 5]);
        check(&[0, 0, 0, 0, 0, 999], &[true, true, true, true, true, false]);
        check(&[0, 0, 0, 0, 0, 1_000], &[true; 6]);
    }

    #[test]
    fn a_burst_followed_by_a_trickle_breaks_the_window() {
        // Five at once and then one every 200 ms, as a token bucket would allow.
        check(&[0, 0, 0, 0, 0, 200], &[true, true, true, true, true, false]);
        check(&[0, 300, 600, 900, 950, 1_000, 1_100], &[true, true, true, true, true, true, false]);
    }

    #[test]
    fn a_window_without_a_limit_still_knows_its_busiest_moment() {
        let mut window = Window::new(None, 1_000);
        assert!([0, 1, 2, 1_500].into_iter().all(|at| window.admit(at)));
        assert_eq!(window.most(), 3);
    }

    #[test]
    fn weight_resets_at_the_full_minute() {
        let mut meter = Meter::new(100);
        assert_eq!(meter.charge(59_000, 60), Verdict::Used(60));
        assert_eq!(meter.charge(59_500, 50), Verdict::Spent { used: 110, retry_after: 1 });
        assert_eq!(meter.charge(60_000, 100), Verdict::Used(100));
        assert_eq!(meter.charge(60_001, 1), Verdict::Spent { used: 101, retry_after: 60 });
    }

    #[test]
    fn asking_on_after_429_is_banned_and_bans_grow() {
        let mut meter = Meter::new(10);
        let mut verdicts = |from: u64| (0..=PATIENCE).map(|n| meter.charge(from + u64::from(n), 11)).last();
        assert_eq!(verdicts(0), Some(Verdict::Banned { retry_after: 120, until_ms: 120_010 }));
        assert_eq!(meter.charge(60_010, 1), Verdict::Banned { retry_after: 60, until_ms: 120_010 });
        let mut verdicts = |from: u64| (0..=PATIENCE).map(|n| meter.charge(from + u64::from(n), 11)).last();
        assert_eq!(verdicts(120_010), Some(Verdict::Banned { retry_after: 240, until_ms: 360_020 }));
    }

    #[test]
    fn depth_weighs_by_levels() {
        let check = |limit, spot, futures| {
            assert_eq!((depth_weight(limit, false), depth_weight(limit, true)), (spot, futures), "{limit}");
        };
        check(5, 5, 2);
        check(50, 5, 2);
        check(100, 5, 5);
        check(500, 25, 10);
        check(1_000, 50, 20);
        check(5_000, 250, 20);
    }

    #[test]
    fn statistics_and_candles_weigh_by_how_many_they_are() {
        let days = [Some(1), Some(20), Some(21), Some(100), Some(101), None];
        assert_eq!(days.map(|count| day_weight(count, false)), [2, 2, 40, 40, 80, 80]);
        assert_eq!([day_weight(Some(1), true), day_weight(None, true)], [1, 40]);
        assert_eq!([1, 50, 99].map(window_weight), [4, 200, 200]);
        assert_eq!(
            [1, 99, 100, 499, 500, 1_000, 1_500].map(|n| candle_weight(n, true)),
            [1, 1, 2, 2, 5, 5, 10]
        );
        assert_eq!(candle_weight(1_000, false), 2);
    }
}
