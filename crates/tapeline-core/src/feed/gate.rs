//! May a line dial, and where; may a request go, and where: breakers, budgets and holds of one venue.
//! Budgets and holds belong to the venue and our address: another host does not evade them.

use std::time::Duration;

use crate::config::FeedConfig;
use crate::defect::{Defect, planted};
use crate::policy::breaker::{Breaker, Permit, Rules, Share, State};
use crate::policy::budget::{Hold, SlidingWindow, WeightWindow};
use crate::policy::fault::Fault;
use crate::policy::recovery::{away, pause};
use crate::policy::score::{self, Candidate, Chooser, Quality};
use crate::time::{Mono, Time};
use crate::venue::{Profile, Rate};

use super::Feed;
use super::line::Phase;

/// Why a line that could be dialled waits all the same.
pub(super) const SPENT: &str = "the budget of dials is used up";

/// One place to dial or to ask.
#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    pub(super) origin: String,
    pub(super) breaker: Breaker,
    /// Dials that succeeded, and dials that did not.
    pub(super) dials: (u64, u64),
    /// How well it has served.
    pub(super) quality: Quality,
    /// It said when to come back: no attempt before.
    pub(super) away: Mono,
}

impl Endpoint {
    /// An attempt failed that began at `begun`, or what came of it ended; none if that had lasted long enough to say
    /// nothing against it. The breaker counts what is the endpoint's fault, and gets back leave for anything else. One
    /// that says when it is back is left alone until then: another endpoint is none of its business.
    pub(super) fn failed(
        &mut self,
        now: Mono,
        fault: Fault,
        roll: f64,
        begun: Option<Mono>,
        permit: Option<Permit>,
    ) {
        self.away = away(fault, roll).map_or(self.away, |wait| self.away.max(now + wait));
        match (begun.filter(|_| fault.counts_for_breaker()), permit) {
            (Some(begun), _) => self.breaker.failure(begun, roll),
            (None, Some(permit)) => self.breaker.release(permit, now),
            (None, None) => {}
        }
    }

    /// What the choice between endpoints asks of it.
    fn candidate(&self, now: Mono, rules: &score::Rules) -> Candidate {
        let state = self.breaker.state(now);
        Candidate {
            score: self.quality.score(now, rules),
            usable: self.away <= now && matches!(state, State::Closed | State::Disabled | State::HalfOpen),
            failing: self.quality.is_failing(now, rules),
        }
    }

    /// Before when no attempt passes; `None` = one passes now.
    pub(super) fn until(&self, now: Mono) -> Option<Mono> {
        self.breaker.until(now).max((self.away > now).then_some(self.away))
    }
}

/// No dial passes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shut {
    /// When to ask again.
    pub(super) until: Mono,
    pub(super) by: Bar,
}

/// What lets no dial pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bar {
    /// The budget of dials is used up.
    Spent,
    /// The venue has asked for a pause.
    Held,
    /// Breakers: of every endpoint, or of those that have not asked to be left alone.
    CircuitOpen,
    /// The endpoint that is free first has said when it is back.
    Away,
}

/// What guards the way out. It survives a restart of the feed.
#[derive(Debug, Clone)]
pub(super) struct Gate {
    pub(super) streams: Vec<Endpoint>,
    pub(super) rest: Vec<Endpoint>,
    /// Connection attempts.
    pub(super) dials: SlidingWindow,
    /// REST weight.
    pub(super) weight: WeightWindow,
    /// No dial before.
    pub(super) dial_hold: Hold,
    /// No REST request before.
    pub(super) rest_hold: Hold,
    /// REST has held us off, or will be asked for much at once: one request goes alone until REST has answered. Several
    /// would all be refused, and all but the first of them would be too many.
    pub(super) careful: bool,
    /// Which endpoint each side takes, which one is asked, and the rules of that choice.
    choosers: [Chooser; 2],
    rest_chooser: Chooser,
    pub(super) scores: score::Rules,
}

impl Gate {
    pub(super) fn new(profile: &Profile, config: &FeedConfig) -> Self {
        let rules = Rules::from(&config.timing);
        let rest_rules = Rules { share: Some(Share::default()), ..rules.clone() };
        let endpoints = |set: &[String], own: &[&str], rules: &Rules| {
            let origins: Vec<String> =
                if set.is_empty() { own.iter().map(ToString::to_string).collect() } else { set.to_vec() };
            let make = |origin| Endpoint {
                origin,
                breaker: Breaker::new(rules.clone()),
                dials: (0, 0),
                quality: Quality::default(),
                away: Mono::default(),
            };
            origins.into_iter().map(make).collect()
        };
        // The venue counts a dial when it gets there, at the latest when we give it up. One that is slow and one that
        // is quick are nearer to each other for the venue than they are for us.
        let dials = Rate { per: profile.dials.per + config.timing.dial_within, ..profile.dials };
        Self {
            streams: endpoints(&config.streams, profile.streams, &rules),
            rest: endpoints(&config.rest, profile.rest, &rest_rules),
            dials: SlidingWindow::share(dials, config.limits.dials_percent),
            weight: WeightWindow::new(profile.rest_limit, config.limits.weight_percent),
            dial_hold: Hold::default(),
            rest_hold: Hold::default(),
            careful: false,
            choosers: Default::default(),
            rest_chooser: Chooser::default(),
            scores: score::Rules::default(),
        }
    }

    /// The endpoint to dial now, beginning with `preferred`, or when to ask again.
    pub(super) fn dial(&mut self, now: Mono, preferred: usize) -> Result<(usize, Permit), Shut> {
        if let Some(until) = self.dial_hold.held(now) {
            return Err(Shut { until, by: Bar::Held });
        }
        if self.dials.available(now) == 0 {
            return Err(Shut { until: self.dials.next(now), by: Bar::Spent });
        }
        let found = acquire(&mut self.streams, now, preferred, |_| true)?;
        self.dials.try_take(now, 1);
        Ok(found)
    }

    /// The endpoint that serves a side best. A and B begin at different places of the configuration, so that they
    /// share none where there are several.
    pub(super) fn preferred(&mut self, now: Mono, side: u8) -> usize {
        let (count, rules) = (self.streams.len(), &self.scores);
        let apart = if planted(Defect::BothOnOneEndpoint) { 0 } else { usize::from(side) };
        let place = |index: usize| (index + apart) % count.max(1);
        let candidate = |index| self.streams[place(index)].candidate(now, rules);
        let candidates: Vec<Candidate> = (0..count).map(candidate).collect();
        let Some(chooser) = self.choosers.get_mut(usize::from(side)) else { return place(0) };
        place(chooser.choose(now, &candidates, rules))
    }

    /// Looks at the REST endpoints, so that it is known for how long another one has been better.
    pub(super) fn compare_rest(&mut self, now: Mono) -> Vec<Candidate> {
        let rules = &self.scores;
        let candidates: Vec<Candidate> = self.rest.iter().map(|place| place.candidate(now, rules)).collect();
        self.rest_chooser.choose(now, &candidates, rules);
        candidates
    }

    /// The REST endpoint to ask first: the one that serves best of those that offer it. Nobody asks one that was left,
    /// so it is proven by what is to be asked anyway: one request at a time goes to it until it has answered, while it
    /// is `asked` others go to the next best.
    pub(super) fn preferred_rest(
        &mut self,
        now: Mono,
        asked: impl Fn(usize) -> bool,
        offers: impl Fn(usize) -> bool,
    ) -> usize {
        let candidates = self.compare_rest(now);
        let chosen = self.rest_chooser.current();
        if offers(chosen) && !(self.is_on_trial(chosen) && asked(chosen)) {
            return chosen;
        }
        self.rest_chooser.second(&candidates, offers)
    }

    /// Whether a REST endpoint failed when it was last asked, and has to prove itself.
    pub(super) fn is_on_trial(&self, endpoint: usize) -> bool {
        self.rest.get(endpoint).is_some_and(|place| place.quality.is_on_trial())
    }

    /// A REST endpoint has answered, after `took` if that is known.
    pub(super) fn answered(&mut self, now: Mono, endpoint: usize, took: Option<Duration>) {
        let place = &mut self.rest[endpoint];
        place.breaker.success();
        place.quality.answered(now, took, &self.scores);
        self.careful = false;
    }

    /// A request was refused, or failed. If that is the endpoint's fault the next one is taken; if the venue has asked
    /// for a pause it has it.
    pub(super) fn refused(&mut self, now: Mono, endpoint: usize, permit: Permit, fault: Fault, roll: f64) {
        let next = (endpoint + 1) % self.rest.len().max(1);
        let place = &mut self.rest[endpoint];
        place.failed(now, fault, roll, Some(now), Some(permit));
        if fault.counts_for_breaker() {
            place.quality.unanswered(now, &self.scores);
            // What was on its way when the endpoint was left says nothing of the one that was taken then.
            if self.rest_chooser.current() == endpoint {
                self.rest_chooser.take(next);
            }
        }
        if let Some(wait) = pause(fault, roll) {
            self.hold_rest(now, wait, fault);
        }
    }

    /// An endpoint's fault: the next one is taken.
    pub(super) fn leave(&mut self, side: u8, endpoint: usize) {
        let count = self.streams.len().max(1);
        if let Some(chooser) = self.choosers.get_mut(usize::from(side)) {
            let next = (endpoint + 1 + count - usize::from(side) % count) % count;
            chooser.take(next);
        }
    }

    /// How good an endpoint is, `0.0..=100.0`.
    pub(super) fn score(&self, now: Mono, endpoint: usize) -> f64 {
        let quality = self.streams.get(endpoint).map(|endpoint| &endpoint.quality);
        quality.map_or(score::UNKNOWN, |quality| quality.score(now, &self.scores))
    }

    /// The endpoint to ask now for `weight` if as much as `left` remains, of those that have an offer, or when to ask
    /// again.
    pub(super) fn fetch(
        &mut self,
        now: Mono,
        weight: u32,
        left: u32,
        preferred: usize,
        offers: impl Fn(usize) -> bool,
    ) -> Result<(usize, Permit), Mono> {
        if let Some(until) = self.rest_hold.held(now) {
            return Err(until);
        }
        if let Some(until) = self.spent(now, weight, left) {
            return Err(until);
        }
        let found = acquire(&mut self.rest, now, preferred, offers).map_err(|shut| shut.until)?;
        self.weight.try_take(now, weight);
        Ok(found)
    }

    /// Until when a request of `weight` that leaves as much as `left` is held back by the budget alone.
    pub(super) fn spent(&mut self, now: Mono, weight: u32, left: u32) -> Option<Mono> {
        // What never fits with something left has to fit without.
        let whole = weight.saturating_add(left).min(self.weight.limit()).max(weight);
        let next = self.weight.next(now, whole);
        (self.rest_hold.held(now).is_none() && next > now).then_some(next)
    }

    /// The venue holds a line of a side off for `wait`: at its door, or one that was open. A door that is shut may be
    /// that of one host only: the next one is tried then.
    pub(super) fn hold_off(
        &mut self,
        now: Mono,
        wait: Duration,
        why: Fault,
        (side, endpoint, was_open): (u8, usize, bool),
    ) {
        self.hold_dials(now, wait, why);
        if !was_open {
            self.leave(side, endpoint);
        }
    }

    /// No dial for `wait`.
    pub(super) fn hold_dials(&mut self, now: Mono, wait: Duration, why: Fault) {
        self.dial_hold.extend(now, now + wait, why);
        if matches!(why, Fault::RateLimited { banned: true, .. }) {
            self.hold_rest(now, wait, why);
        }
    }

    /// No REST request for `wait`.
    pub(super) fn hold_rest(&mut self, now: Mono, wait: Duration, why: Fault) {
        self.careful = true;
        self.rest_hold.extend(now, now + wait, why);
    }

    /// An operator forgives everything but a ban; how many breakers were not closed and pauses not over.
    pub(super) fn reset(&mut self, now: Mono) -> usize {
        let mut count = 0;
        for endpoint in self.streams.iter_mut().chain(&mut self.rest) {
            let barred = endpoint.breaker.state(now) != State::Closed || endpoint.away > now;
            count += usize::from(barred);
            endpoint.breaker.reset();
            endpoint.away = Mono::default();
            endpoint.quality.reset();
        }
        let holds = [&mut self.dial_hold, &mut self.rest_hold];
        count + holds.into_iter().map(|hold| usize::from(hold.lift(now))).sum::<usize>()
    }
}

impl Feed {
    /// No dial of a line passes: it waits. What bars the way is told, since nothing else shows it.
    pub(super) fn wait_for_gate(&mut self, now: Time, slot: usize, shut: Shut) {
        // Never at once again: a gate that says "now" and refuses must not spin.
        let until = shut.until.max(now.mono + Duration::from_millis(1));
        let words = self.words_of(now, Shut { until, ..shut });
        let before = self.lines[slot].barred.take();
        self.enter(now, slot, Phase::Waiting { until }, &words);
        self.lines[slot].barred = Some((shut.by, words.clone().into()));
        if before.is_some_and(|(by, _)| by == shut.by) {
            return;
        }
        self.events.record(now, &format!("line {slot}"), ("waiting", "waiting"), &words);
        self.tell_topics(now, slot);
    }

    fn words_of(&self, now: Time, shut: Shut) -> String {
        if shut.until == Mono::NEVER {
            return "circuit_open until an operator resets it".into();
        }
        let second = (now.unix.0 / 1_000_000_000).rem_euclid(86_400) as u64;
        let second = (second + shut.until.since(now.mono).as_millis().div_ceil(1_000) as u64) % 86_400;
        let clock = format!("{:02}:{:02}:{:02} UTC", second / 3_600, second / 60 % 60, second % 60);
        match shut.by {
            Bar::Spent => {
                let (count, per) = self.gate.dials.bound();
                format!("{SPENT} ({count} in {} s); the next is free at {clock}", per.as_secs())
            }
            Bar::Held => format!("the venue has asked for a pause until {clock}"),
            Bar::CircuitOpen => format!("circuit_open until {clock}"),
            Bar::Away => format!("the endpoint has asked to be left alone until {clock}"),
        }
    }
}

/// The first endpoint that `fits`, from `preferred` on, whose breaker lets an attempt pass.
fn acquire(
    endpoints: &mut [Endpoint],
    now: Mono,
    preferred: usize,
    fits: impl Fn(usize) -> bool,
) -> Result<(usize, Permit), Shut> {
    let count = endpoints.len();
    let mut earliest = Shut { until: Mono::NEVER, by: Bar::CircuitOpen };
    for index in (0..count).map(|step| (preferred + step) % count).filter(|index| fits(*index)) {
        let endpoint = &mut endpoints[index];
        if endpoint.away > now {
            let until = endpoint.until(now).unwrap_or(now);
            let by = if until > endpoint.away { Bar::CircuitOpen } else { Bar::Away };
            earliest = if until < earliest.until { Shut { until, by } } else { earliest };
            continue;
        }
        match endpoint.breaker.acquire(now) {
            Ok(permit) => return Ok((index, permit)),
            Err(open) if open.until < earliest.until => {
                earliest = Shut { until: open.until, by: Bar::CircuitOpen };
            }
            Err(_) => {}
        }
    }
    Err(earliest)
}
