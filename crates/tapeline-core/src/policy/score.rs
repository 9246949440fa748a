//! How good an endpoint is, from what happened there, and which one to take.
//!
//! A score is 100 less what counts against the endpoint: up to 40 for dials that fail, 30 for sessions that drop, 20
//! for slow answers, 10 for silence, 30 for events that another line brought and this one did not; where requests are
//! sent, up to 60 for those that fail and 40 for replies that are slow; never less than zero. What happened loses half
//! its weight every ten minutes, and the less is known, the nearer the score is to [`UNKNOWN`]: an endpoint is neither
//! praised nor blamed for long. So 95 and more is as good as it gets; around 90 nothing speaks against it; below 70
//! something is wrong often; below 50 it hardly serves.

use std::time::Duration;

use crate::time::Mono;

/// The score of an endpoint of which nothing is known.
pub const UNKNOWN: f64 = 90.0;

/// The settings of scores, of the choice between endpoints, and of what a score does to delays.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// What happened loses half its weight in this time.
    pub half_life: Duration,
    /// Failures in a row after which an endpoint counts as failing …
    pub failing_after: u32,
    /// … for this long after the last of them: then it may be tried again.
    pub failing_for: Duration,
    /// Another endpoint is taken if it is better by this many points …
    pub margin: f64,
    /// … for this long. One that comes earlier in the configuration is taken back if for as long it is less than half
    /// the margin worse, or by less than a fifth of it below [`UNKNOWN`]: hardly anything speaks against it any more.
    pub hold: Duration,
    /// The longest a delay is stretched by a score of zero.
    pub stretch_max: f64,
    /// From this score on nothing is stretched.
    pub stretch_below: f64,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            half_life: Duration::from_secs(600),
            failing_after: 2,
            failing_for: Duration::from_secs(120),
            margin: 15.0,
            hold: Duration::from_secs(60),
            stretch_max: 3.0,
            stretch_below: 80.0,
        }
    }
}

/// Points that can be lost for dials that fail, sessions that drop, slow answers, silence, and events missed; and, where
/// requests are sent, for those that fail and for slow replies: nothing else is known there.
const POINTS: [f64; 7] = [40.0, 30.0, 20.0, 10.0, 30.0, 60.0, 40.0];
/// A drop every so many seconds costs half of its points.
const DROP_EVERY: f64 = 600.0;
/// A round trip of so many seconds costs half of its points.
const SLOW: f64 = 0.4;
/// A reply after so many seconds costs half of its points: it holds far more than a pong.
const SLOW_REPLY: f64 = 1.0;
/// One event missed of so many costs half of its points …
const MISSED_ONE_IN: f64 = 50.0;
/// … as if so many had come before: a few that are missed do not tell all.
const BROUGHT: f64 = 500.0;
/// A dial takes about so many round trips: TCP, TLS, the upgrade.
const DIAL_TRIPS: f64 = 4.0;
/// So much service, in seconds, tells as much as one dial.
const SERVICE_WEIGHT: f64 = 60.0;

/// What happened at one endpoint, fading.
#[derive(Debug, Clone, Default)]
pub struct Quality {
    /// Up to when it has faded.
    faded: Mono,
    /// Dials that led to data, and that did not.
    dials: [f64; 2],
    /// Seconds of service.
    service: f64,
    /// Seconds of it in which nothing came for too long.
    silent: f64,
    /// Sessions that ended when they should not have.
    drops: f64,
    /// Events that it brought, and those that only another line did.
    ids: [f64; 2],
    /// Σ of round trips in seconds, and how many they are.
    trips: [f64; 2],
    /// Requests that were answered, and that failed.
    requests: [f64; 2],
    /// Σ of the seconds that replies took, and how many they are.
    replies: [f64; 2],
    /// Failures since the last proof of service.
    in_row: u32,
    /// When the last of them was.
    failed: Mono,
}

impl Quality {
    /// A dial was answered and the line is proven: data came. `took` is how long the dial took.
    pub fn proven(&mut self, now: Mono, took: Duration, rules: &Rules) {
        self.fade(now, rules);
        self.dials[0] += 1.0;
        self.in_row = 0;
        self.trip(took.as_secs_f64() / DIAL_TRIPS);
    }

    /// A request was answered, after `took`; none if we were late ourselves.
    pub fn answered(&mut self, now: Mono, took: Option<Duration>, rules: &Rules) {
        self.fade(now, rules);
        self.requests[0] += 1.0;
        self.in_row = 0;
        let [seconds, count] = &mut self.replies;
        *seconds += took.unwrap_or_default().as_secs_f64();
        *count += if took.is_some() { 1.0 } else { 0.0 };
    }

    /// A request failed, by the endpoint's own doing or on its way.
    pub fn unanswered(&mut self, now: Mono, rules: &Rules) {
        self.fade(now, rules);
        self.requests[1] += 1.0;
        self.failed(now);
    }

    /// A dial failed, or its session ended before anything came.
    pub fn dial_failed(&mut self, now: Mono, rules: &Rules) {
        self.fade(now, rules);
        self.dials[1] += 1.0;
        self.failed(now);
    }

    /// A ping was answered.
    pub fn round_trip(&mut self, now: Mono, took: Duration, rules: &Rules) {
        self.fade(now, rules);
        self.trip(took.as_secs_f64());
    }

    /// A proven session has served for `length` since it was proven or since this was last said. Say it at the end of
    /// a session, and now and then while it lasts.
    pub fn served(&mut self, now: Mono, length: Duration, rules: &Rules) {
        self.fade(now, rules);
        self.service += length.as_secs_f64();
    }

    /// A proven session ended that should not have: not at a time that was planned, nor by our own doing.
    pub fn dropped(&mut self, now: Mono, rules: &Rules) {
        self.fade(now, rules);
        self.drops += 1.0;
    }

    /// A session was silent for too long, for `length` by now. It is part of what was served.
    pub fn silent(&mut self, now: Mono, length: Duration, rules: &Rules) {
        self.fade(now, rules);
        self.silent += length.as_secs_f64();
    }

    /// It brought so many events that another line was to bring too, and missed so many that the other one brought.
    pub fn compared(&mut self, now: Mono, brought: u64, missed: u64, rules: &Rules) {
        self.fade(now, rules);
        self.ids[0] += brought as f64;
        self.ids[1] += missed as f64;
    }

    /// An operator forgives everything.
    pub fn reset(&mut self) {
        *self = Self { faded: self.faded, ..Self::default() };
    }

    /// Failed so often in a row, and so lately, that it is to be left at once.
    pub fn is_failing(&self, now: Mono, rules: &Rules) -> bool {
        self.in_row >= rules.failing_after && now < self.failed + rules.failing_for
    }

    /// Failed when it was last tried: it has to prove itself.
    pub const fn is_on_trial(&self) -> bool {
        self.in_row > 0
    }

    /// The score, `0.0..=100.0`.
    pub fn score(&self, now: Mono, rules: &Rules) -> f64 {
        let left = self.left(now, rules);
        let [good, failed] = self.dials.map(|dials| dials * left);
        let (service, silent, drops) = (self.service * left, self.silent * left, self.drops * left);
        // As if one dial and one stretch of service had gone well: the first failure does not tell all.
        let failing = share(failed, good + 1.0);
        let dropping = share(drops * DROP_EVERY, service + DROP_EVERY);
        let mute = share(silent, (service - silent).max(0.0));
        let [brought, missed] = self.ids.map(|ids| ids * left);
        let lossy = share(missed * MISSED_ONE_IN, brought + BROUGHT);
        let [answered, unanswered] = self.requests.map(|requests| requests * left);
        let refusing = share(unanswered, answered + 1.0);
        let parts = [
            failing,
            dropping,
            slow(self.trips, SLOW),
            mute,
            lossy,
            refusing,
            slow(self.replies, SLOW_REPLY),
        ];
        let lost: f64 = POINTS.iter().zip(parts).map(|(points, part)| points * part).sum();
        let known = good + failed + drops + service / SERVICE_WEIGHT + answered + unanswered;
        // One dial's worth of evidence weighs as much as knowing nothing.
        let score = (known * (100.0 - lost) + UNKNOWN) / (known + 1.0);
        score.clamp(0.0, 100.0)
    }

    fn failed(&mut self, now: Mono) {
        self.in_row = self.in_row.saturating_add(1);
        self.failed = now;
    }

    fn trip(&mut self, seconds: f64) {
        self.trips[0] += seconds;
        self.trips[1] += 1.0;
    }

    /// What is left of the weight of everything.
    fn left(&self, now: Mono, rules: &Rules) -> f64 {
        let half_lives = now.since(self.faded).as_secs_f64() / rules.half_life.as_secs_f64().max(1e-3);
        (-half_lives).exp2()
    }

    fn fade(&mut self, now: Mono, rules: &Rules) {
        let left = self.left(now, rules);
        let sums = [&mut self.service, &mut self.silent, &mut self.drops];
        let pairs = [&mut self.dials, &mut self.trips, &mut self.ids, &mut self.requests, &mut self.replies];
        sums.into_iter().chain(pairs.into_iter().flatten()).for_each(|sum| *sum *= left);
        self.faded = self.faded.max(now);
    }
}

/// `part` of both together; nothing of nothing.
fn share(part: f64, rest: f64) -> f64 {
    if part > 0.0 { part / (part + rest) } else { 0.0 }
}

/// How slow the mean of so many seconds in so many answers is, if `half` is half as slow as can be.
fn slow([seconds, count]: [f64; 2], half: f64) -> f64 {
    if count > 0.0 { share(seconds / count, half) } else { 0.0 }
}

/// A delay of the backoff, stretched for an endpoint of this score: by nothing from [`Rules::stretch_below`] on, by
/// [`Rules::stretch_max`] at zero, evenly between, and never beyond `cap`. It is never made shorter.
pub fn stretched(delay: Duration, score: f64, cap: Duration, rules: &Rules) -> Duration {
    let below = rules.stretch_below.max(1e-3);
    let missing = ((below - score.max(0.0)) / below).clamp(0.0, 1.0);
    let factor = 1.0 + (rules.stretch_max.max(1.0) - 1.0) * missing;
    let longer = Duration::try_from_secs_f64(delay.as_secs_f64() * factor).unwrap_or(cap);
    longer.min(cap).max(delay)
}

/// One endpoint to choose from, in the order of the configuration, best first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// Its score.
    pub score: f64,
    /// It may be dialled or asked: its breaker lets attempts pass.
    pub usable: bool,
    /// It fails now ([`Quality::is_failing`]).
    pub failing: bool,
}

/// Which endpoint to take, with the memory that keeps the choice from swinging.
#[derive(Debug, Clone, Default)]
pub struct Chooser {
    current: usize,
    /// Since when each has been worth a change.
    better: Vec<Option<Mono>>,
}

impl Chooser {
    /// The endpoint chosen last, by its place in the configuration; the first to begin with.
    pub const fn current(&self) -> usize {
        self.current
    }

    /// Another one is taken whatever its score: the choice has failed.
    pub fn take(&mut self, endpoint: usize) {
        self.current = endpoint;
        self.better.clear();
    }

    /// Chooses. One that cannot serve is left at once for the best that can; one that can is left only for another
    /// that has been worth it for long enough. Without any usable one the choice stays.
    pub fn choose(&mut self, now: Mono, candidates: &[Candidate], rules: &Rules) -> usize {
        if self.current >= candidates.len() {
            self.take(0);
        }
        let Some(&current) = candidates.get(self.current) else { return 0 };
        self.better.resize(candidates.len(), None);
        for (at, (since, candidate)) in self.better.iter_mut().zip(candidates).enumerate() {
            let worth = at != self.current && is_worth(candidate, at < self.current, current, rules);
            *since = if worth { since.or(Some(now)) } else { None };
        }
        let best = candidates.iter().map(rank).max().unwrap_or_default();
        let next = if rank(&current) < best {
            best_of(candidates, |_, candidate| rank(candidate) == best)
        } else {
            let held = |since: Option<Mono>| since.is_some_and(|since| now >= since + rules.hold);
            best_of(candidates, |at, _| held(self.better[at]))
        };
        if let Some(next) = next {
            self.take(next);
        }
        self.current
    }

    /// The best one of those that `fits` beside the choice; the choice if there is none.
    pub fn second(&self, candidates: &[Candidate], fits: impl Fn(usize) -> bool) -> usize {
        let other = |at: usize| at != self.current && fits(at);
        let others = candidates.iter().enumerate().filter(|(at, _)| other(*at));
        let best = others.map(|(_, candidate)| rank(candidate)).max();
        best_of(candidates, |at, candidate| other(at) && Some(rank(candidate)) == best)
            .unwrap_or(self.current)
    }

    /// When the choice may change if nothing else does.
    pub fn deadline(&self, rules: &Rules) -> Option<Mono> {
        self.better.iter().flatten().min().map(|since| *since + rules.hold)
    }
}

/// What comes before the score: whether it can serve at all.
const fn rank(candidate: &Candidate) -> (bool, bool) {
    (candidate.usable, !candidate.failing)
}

/// Whether a candidate is worth leaving an endpoint that can serve.
fn is_worth(candidate: &Candidate, earlier: bool, current: Candidate, rules: &Rules) -> bool {
    // The first ones are preferred, but not so readily that two of the same score swing at the border. Of one that was
    // left nobody learns more, so it never rises above UNKNOWN: measured only against what the one that serves earns
    // meanwhile, it would never be tried again. Near UNKNOWN is still better than what it can have been left for.
    let least = if earlier {
        (current.score - rules.margin / 2.0).min(UNKNOWN - rules.margin / 5.0)
    } else {
        current.score + rules.margin
    };
    candidate.usable && !candidate.failing && candidate.score >= least
}

/// The best score of those that fit; of equal ones the first.
fn best_of(candidates: &[Candidate], fits: impl Fn(usize, &Candidate) -> bool) -> Option<usize> {
    let fitting = candidates.iter().enumerate().filter(|(at, candidate)| fits(*at, candidate));
    let best = fitting.reduce(|best, other| if other.1.score > best.1.score { other } else { best });
    best.map(|(at, _)| at)
}

#[cfg(test)]
mod tests;
