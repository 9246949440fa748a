//! How much we allow ourselves, below what the venue allows: messages, dials, REST weight, and holds.

use std::collections::VecDeque;
use std::time::Duration;

use super::fault::Fault;
use crate::defect::{Defect, planted};
use crate::time::{Mono, Time};
use crate::venue::{Rate, RestLimit};

/// At most `count` in *any* stretch of `per`, not only in aligned ones.
///
/// A token bucket of the same rate would not do: a burst and its refill put nearly twice the rate
/// into one of the venue's windows.
#[derive(Debug, Clone)]
pub struct SlidingWindow {
    count: usize,
    per: Duration,
    /// When each of the latest was taken, oldest first; never more than `count`.
    taken: VecDeque<Mono>,
}

impl SlidingWindow {
    /// At most `rate.count` in any stretch of `rate.per`.
    pub fn new(rate: Rate) -> Self {
        Self { count: rate.count as usize, per: rate.per, taken: VecDeque::new() }
    }

    /// A share of what is allowed, rounded down, but at least one.
    pub fn share(allowed: Rate, percent: u32) -> Self {
        Self::new(Rate { count: part(allowed.count, percent), per: allowed.per })
    }

    /// Takes `n` if all of them fit.
    pub fn try_take(&mut self, now: Mono, n: usize) -> bool {
        self.try_take_keeping(now, n, 0)
    }

    /// Takes `n` if all of them fit and `reserve` more would: requests leave room so that a pong
    /// always finds some.
    pub fn try_take_keeping(&mut self, now: Mono, n: usize, reserve: usize) -> bool {
        let now = self.not_before_last(now);
        if self.available(now) < n.saturating_add(reserve) {
            return false;
        }
        let gone = self.gone(now);
        self.taken.drain(..gone);
        self.taken.extend(std::iter::repeat_n(now, n));
        true
    }

    /// How many fit now.
    pub fn available(&self, now: Mono) -> usize {
        self.count - (self.taken.len() - self.gone(now))
    }

    /// When one more fits: `now` if it does already, [`Mono::NEVER`] if none ever does.
    pub fn next(&self, now: Mono) -> Mono {
        self.next_keeping(now, 1, 0)
    }

    /// When `n` fit with `reserve` to spare: `now` if they do already, [`Mono::NEVER`] if they never do.
    pub fn next_keeping(&self, now: Mono, n: usize, reserve: usize) -> Mono {
        let wanted = n.saturating_add(reserve);
        if wanted > self.count {
            return Mono::NEVER;
        }
        // So many of the oldest must have left.
        let surplus = (self.taken.len() + wanted).saturating_sub(self.count);
        match surplus.checked_sub(1).and_then(|last| self.taken.get(last)) {
            Some(taken) => now.max(*taken + self.per),
            None => now,
        }
    }

    /// How long ago each was that still counts, the oldest first.
    pub fn ages(&self, now: Mono) -> impl Iterator<Item = Duration> {
        self.taken.iter().skip(self.gone(now)).map(move |taken| now.since(*taken))
    }

    /// When the latest was taken.
    pub fn latest(&self) -> Mono {
        self.taken.back().copied().unwrap_or_default()
    }

    /// Counts what was taken before this one was made, by ages in the order of [`SlidingWindow::ages`]. Of more than
    /// fit, the latest count.
    pub fn restore(&mut self, now: Mono, ages: impl Iterator<Item = Duration>) {
        self.taken.extend(ages.map(|age| now - age));
        self.taken.make_contiguous().sort_unstable();
        let surplus = self.taken.len().saturating_sub(self.count);
        self.taken.drain(..surplus);
    }

    /// How many of the oldest no longer count.
    fn gone(&self, now: Mono) -> usize {
        self.taken.partition_point(|taken| *taken + self.per <= now)
    }

    /// Readings from several tasks may arrive a little out of order; the ring must stay sorted.
    fn not_before_last(&self, now: Mono) -> Mono {
        self.taken.back().map_or(now, |last| now.max(*last))
    }
}

/// Weight per window of the venue's wall clock, as REST budgets are counted.
///
/// The weight frees itself when the wall clock enters the next window. If the wall clock was set in
/// the meantime, nobody knows where the venue's window ends: then what was taken counts until a whole
/// window has passed on the monotonic clock, which is right wherever it ends. So a jump frees nothing
/// early and blocks nothing for longer than one window.
#[derive(Debug, Clone)]
pub struct WeightWindow {
    limit: u32,
    per: Duration,
    /// The running window; `None` before the first use.
    window: Option<Window>,
    /// What we took in the running window.
    ours: u32,
    /// What the venue last counted, and what we took since.
    theirs: u32,
    /// Taken and not yet answered: the venue may not have counted it.
    in_flight: u32,
    /// When we last took something.
    last: Mono,
    /// Taken before the wall clock was set.
    carried: u32,
    /// Until when that counts.
    carried_until: Mono,
}

#[derive(Debug, Clone, Copy)]
struct Window {
    /// Which one since 1970.
    index: i64,
    /// Wall clock less monotonic clock, in nanoseconds.
    offset: i128,
}

impl WeightWindow {
    /// A share of what the venue allows, rounded down, but at least one.
    pub fn new(limit: RestLimit, percent: u32) -> Self {
        Self {
            limit: part(limit.weight, percent),
            // A window of no length has no index.
            per: limit.per.max(Duration::from_millis(1)),
            window: None,
            ours: 0,
            theirs: 0,
            in_flight: 0,
            last: Mono::default(),
            carried: 0,
            carried_until: Mono::default(),
        }
    }

    /// Takes `weight` if it fits. Call [`WeightWindow::settle`] when the request has come back.
    pub fn try_take(&mut self, now: Time, weight: u32) -> bool {
        self.roll(now);
        if self.counted().saturating_add(weight) > self.limit {
            return false;
        }
        self.ours = self.ours.saturating_add(weight);
        self.theirs = self.theirs.saturating_add(weight);
        self.in_flight = self.in_flight.saturating_add(weight);
        self.last = self.last.max(now.mono);
        true
    }

    /// A request that took `weight` has come back, with whatever result: the figures of later replies
    /// include it.
    pub const fn settle(&mut self, weight: u32) {
        self.in_flight = self.in_flight.saturating_sub(weight);
    }

    /// The venue says in a reply how much it has counted. It may know of more than we took, when other
    /// programs share the address; what is still in flight is added, since it may not know of that yet.
    pub fn observe(&mut self, now: Time, used: u32) {
        self.roll(now);
        self.theirs = used.saturating_add(self.in_flight);
        // So that a figure seen before anything was taken is forgotten in time, too.
        self.last = self.last.max(now.mono);
    }

    /// How much fits now.
    pub fn available(&mut self, now: Time) -> u32 {
        self.roll(now);
        self.limit.saturating_sub(self.counted())
    }

    /// When `weight` fits: now if it does already, [`Mono::NEVER`] if it never does. Ask again then:
    /// other requests may have come between.
    pub fn next(&mut self, now: Time, weight: u32) -> Mono {
        self.roll(now);
        if weight > self.limit {
            return Mono::NEVER;
        }
        if self.counted().saturating_add(weight) <= self.limit {
            return now.mono;
        }
        let boundary = now.mono + self.left(now);
        let fits = |others: u32| others.saturating_add(weight) <= self.limit;
        if fits(self.carried.saturating_add(self.in_flight)) {
            boundary
        } else if fits(self.in_flight) {
            boundary.max(self.carried_until)
        } else {
            boundary.max(self.last + self.per)
        }
    }

    /// What is counted now, and for how long it can count at most, wherever the venue's window ends.
    pub fn used(&mut self, now: Time) -> (u32, Duration) {
        self.roll(now);
        (self.counted(), (self.last + self.per).max(self.carried_until).since(now.mono))
    }

    /// When something was last taken, or told by the venue.
    pub const fn latest(&self) -> Mono {
        self.last
    }

    /// Counts what was used before this one was made, for as long as that can count.
    pub fn restore(&mut self, now: Time, used: u32, left: Duration) {
        self.roll(now);
        self.carried = self.carried.saturating_add(used);
        self.carried_until = self.carried_until.max(now.mono + left.min(self.per));
    }

    /// The limit we keep to.
    pub const fn limit(&self) -> u32 {
        self.limit
    }

    fn counted(&self) -> u32 {
        self.ours.max(self.theirs).saturating_add(self.carried)
    }

    /// Brings the figures up to `now`.
    fn roll(&mut self, now: Time) {
        let current = Window { index: self.index(now), offset: offset(now) };
        let before = *self.window.get_or_insert(current);
        if self.carried_until <= now.mono {
            self.carried = 0;
        }
        if self.last + self.per <= now.mono {
            // Whatever was taken is out of every window by now, also what nobody settled.
            (self.ours, self.theirs, self.in_flight) = (0, 0, 0);
            self.window = Some(current);
        } else if before.offset.abs_diff(current.offset) > STEP.as_nanos() {
            self.carried = self.counted();
            self.carried_until = self.last + self.per;
            (self.ours, self.theirs, self.in_flight) = (0, 0, 0);
            self.window = Some(current);
        } else if before.index < current.index {
            // What is under way at the boundary may be counted on either side of it.
            (self.ours, self.theirs) = (self.in_flight, self.in_flight);
            self.window = Some(current);
        }
    }

    fn index(&self, now: Time) -> i64 {
        now.unix.0.div_euclid(self.per_nanos())
    }

    /// Until the wall clock enters the next window.
    fn left(&self, now: Time) -> Duration {
        let into = now.unix.0.rem_euclid(self.per_nanos());
        Duration::from_nanos(self.per_nanos().abs_diff(into))
    }

    fn per_nanos(&self) -> i64 {
        i64::try_from(self.per.as_nanos()).unwrap_or(i64::MAX)
    }
}

/// Two clocks that drift apart by more than this within one window were set, not slewed (slewing
/// makes at most 30 ms in a minute).
const STEP: Duration = Duration::from_millis(250);

fn offset(now: Time) -> i128 {
    i128::from(now.unix.0) - i128::from(now.mono.0)
}

/// A share in percent, rounded down, but at least one of anything that is allowed at all.
fn part(of: u32, percent: u32) -> u32 {
    let part = u64::from(of) * u64::from(percent.min(100)) / 100;
    u32::try_from(part).unwrap_or(u32::MAX).max(of.min(1))
}

/// "Nothing before this moment": what a 429 or a 418 asks for. One per venue and local address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hold {
    until: Mono,
    why: Option<Fault>,
}

impl Hold {
    /// Holds until `until` because of `why`. Never makes a hold shorter; a ban stays one while it lasts.
    pub fn extend(&mut self, now: Mono, until: Mono, why: Fault) {
        if planted(Defect::IgnoreRetryAfter) {
            return;
        }
        let banned = self.is_banned(now);
        if until > self.until || self.held(now).is_none() {
            self.until = until;
            self.why = Some(why);
        }
        if let Some(Fault::RateLimited { banned: kept, .. }) = &mut self.why {
            *kept |= banned;
        }
    }

    /// Until when it holds; `None` if it does not.
    pub fn held(&self, now: Mono) -> Option<Mono> {
        (now < self.until).then_some(self.until)
    }

    /// When it ends, or ended.
    pub const fn until(&self) -> Mono {
        self.until
    }

    /// Why it holds; `None` if it does not.
    pub fn why(&self, now: Mono) -> Option<Fault> {
        self.held(now).and(self.why)
    }

    /// Whether the address is banned.
    pub fn is_banned(&self, now: Mono) -> bool {
        matches!(self.why(now), Some(Fault::RateLimited { banned: true, .. }))
    }

    /// An operator lifts it.
    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests;
