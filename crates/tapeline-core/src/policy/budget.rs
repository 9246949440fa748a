//! How much we allow ourselves, below what the venue allows: messages, dials, REST weight, and holds.

use std::collections::VecDeque;
use std::time::Duration;

use super::fault::Fault;
use crate::defect::{Defect, planted};
use crate::time::Mono;
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

    /// How many fit into any stretch of which length.
    pub const fn bound(&self) -> (usize, Duration) {
        (self.count, self.per)
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

/// Weight in any stretch as long as the venue's window, and what the venue itself says of it.
///
/// Venues count in windows that are aligned to *their* wall clock. Whatever fits into every stretch of that length
/// fits into those windows too, so our own wall clock, which may be set at any time, is never asked. The price is
/// that a burst cannot use both sides of a boundary; the steady rate is the same.
#[derive(Debug, Clone)]
pub struct WeightWindow {
    limit: u32,
    per: Duration,
    /// Taken and not yet answered, oldest first: when it was taken, and its weight. The venue may count it at any
    /// moment until the answer.
    flying: VecDeque<(Mono, u32)>,
    /// Answered: until when it can share a window with what is sent now, and its weight. The first to end first.
    landed: VecDeque<(Mono, u32)>,
    /// What the venue last counted, if that was more than we know of, and what we took since.
    theirs: u32,
    /// Until when that can be true without the venue saying so again.
    theirs_until: Mono,
    /// When something was last taken or came back, or the venue told a figure.
    latest: Mono,
}

impl WeightWindow {
    /// A share of what the venue allows, rounded down, but at least one.
    pub fn new(limit: RestLimit, percent: u32) -> Self {
        Self {
            limit: part(limit.weight, percent),
            // A window of no length would allow everything at once.
            per: limit.per.max(Duration::from_millis(1)),
            flying: VecDeque::new(),
            landed: VecDeque::new(),
            theirs: 0,
            theirs_until: Mono::default(),
            latest: Mono::default(),
        }
    }

    /// Takes `weight` if it fits. Call [`WeightWindow::settle`] when the request has come back.
    pub fn try_take(&mut self, now: Mono, weight: u32) -> bool {
        self.roll(now);
        if self.counted().saturating_add(weight) > self.limit {
            return false;
        }
        if weight > 0 {
            self.flying.push_back((now, weight));
        }
        self.theirs = self.theirs.saturating_add(weight);
        self.latest = self.latest.max(now);
        true
    }

    /// A request that took `weight` has come back, with whatever result: the figures of later replies
    /// include it.
    pub fn settle(&mut self, now: Mono, weight: u32) {
        if let Some(index) = self.flying.iter().position(|(_, taken)| *taken == weight) {
            self.flying.remove(index);
        }
        self.land(now + self.per, weight);
        self.latest = self.latest.max(now);
    }

    /// The venue says in a reply how much it has counted. It may know of more than we took, when other
    /// programs share the address; what is still in flight is added, since it may not know of that yet. A figure that
    /// our own requests explain tells nothing new, and would only hold back what they no longer do.
    pub fn observe(&mut self, now: Mono, used: u32) {
        self.roll(now);
        let theirs = used.saturating_add(sum(&self.flying));
        let explained = theirs <= self.ours();
        (self.theirs, self.theirs_until) = if explained { (0, now) } else { (theirs, now + self.per) };
        self.latest = self.latest.max(now);
    }

    /// How much fits now.
    pub fn available(&mut self, now: Mono) -> u32 {
        self.roll(now);
        self.limit.saturating_sub(self.counted())
    }

    /// When `weight` fits: now if it does already, [`Mono::NEVER`] if it never does. Ask again then, and when a
    /// request comes back: others may have come between, and what is under way leaves the later, the later it comes
    /// back.
    pub fn next(&mut self, now: Mono, weight: u32) -> Mono {
        self.roll(now);
        let Some(room) = self.limit.checked_sub(weight) else { return Mono::NEVER };
        let mut at = if self.theirs > room { self.theirs_until } else { now };
        let mut ours = self.ours();
        let (mut landed, mut flying) = (self.landed.iter().peekable(), self.flying.iter().peekable());
        while ours > room {
            let ends = |entry: Option<&&(Mono, u32)>, after| entry.map_or(Mono::NEVER, |(at, _)| *at + after);
            let (first, second) = (ends(landed.peek(), Duration::ZERO), ends(flying.peek(), self.per));
            let entry = if first <= second { landed.next() } else { flying.next() };
            let Some((_, weight)) = entry else { break };
            ours = ours.saturating_sub(*weight);
            at = at.max(first.min(second));
        }
        at
    }

    /// What is counted now, and for how long it can count at most.
    pub fn used(&mut self, now: Mono) -> (u32, Duration) {
        self.roll(now);
        let landed = self.landed.back().map_or(now, |(until, _)| *until);
        let flying = if self.flying.is_empty() { now } else { now + self.per };
        (self.counted(), self.theirs_until.max(landed).max(flying).since(now))
    }

    /// When something was last taken, came back, or was told by the venue.
    pub const fn latest(&self) -> Mono {
        self.latest
    }

    /// Counts what was used before this one was made, for as long as that can count.
    pub fn restore(&mut self, now: Mono, used: u32, left: Duration) {
        self.land(now + left.min(self.per), used);
    }

    /// The limit we keep to.
    pub const fn limit(&self) -> u32 {
        self.limit
    }

    fn counted(&self) -> u32 {
        self.ours().max(self.theirs)
    }

    fn ours(&self) -> u32 {
        sum(&self.flying).saturating_add(sum(&self.landed))
    }

    /// Counts `weight` until `until`.
    fn land(&mut self, until: Mono, weight: u32) {
        if weight > 0 {
            let place = self.landed.partition_point(|(other, _)| *other <= until);
            self.landed.insert(place, (until, weight));
        }
    }

    /// Forgets what can no longer count; of what nobody settled, the same as if it had come back at once.
    fn roll(&mut self, now: Mono) {
        let gone = self.landed.partition_point(|(until, _)| *until <= now);
        self.landed.drain(..gone);
        let gone = self.flying.partition_point(|(taken, _)| *taken + self.per <= now);
        self.flying.drain(..gone);
        if self.theirs_until <= now {
            self.theirs = 0;
        }
    }
}

fn sum(entries: &VecDeque<(Mono, u32)>) -> u32 {
    entries.iter().fold(0, |sum, (_, weight)| sum.saturating_add(*weight))
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
        // Of a ban within a longer pause as well.
        let banned = self.is_banned(now) || matches!(why, Fault::RateLimited { banned: true, .. });
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

    /// An operator lifts it; whether there was one to lift. A ban is the venue's and stays: whoever asks during one is
    /// banned for longer.
    pub fn lift(&mut self, now: Mono) -> bool {
        let lifts = self.held(now).is_some() && !self.is_banned(now);
        if lifts {
            self.reset();
        }
        lifts
    }

    /// Forgets it.
    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests;
