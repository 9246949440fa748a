//! The fallback ladder: where a venue's data comes from while its lines do not serve, and when they serve again.
//!
//! One per set of lines that carry the same topics. It decides only; who dials, polls and announces is elsewhere.

use std::time::Duration;

use serde::Serialize;

use crate::config::Timing;
use crate::defect::{Defect, planted};
use crate::time::Mono;

/// Where data comes from, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rung {
    /// Every line there should be, each where it belongs.
    #[default]
    Primary,
    /// Another endpoint, or one of two lines.
    Alternate,
    /// REST, asked in turns.
    Poll,
    /// REST at lower rates, then for the topics with priority only: the budget does not carry more.
    Partial,
    /// What is held from before, with its age.
    Cache,
}

impl Rung {
    /// Every rung, best first.
    pub const ALL: [Self; 5] = [Self::Primary, Self::Alternate, Self::Poll, Self::Partial, Self::Cache];

    /// Its number, `0..=4`.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// Its word in logs, settings and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Alternate => "alternate",
            Self::Poll => "poll",
            Self::Partial => "partial",
            Self::Cache => "cache",
        }
    }

    /// Whether lines serve.
    pub const fn streams(self) -> bool {
        matches!(self, Self::Primary | Self::Alternate)
    }

    /// Whether REST is polled.
    pub const fn polls(self) -> bool {
        matches!(self, Self::Poll | Self::Partial)
    }
}

/// The settings of the ladder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Without a live line for so long, REST takes over.
    pub fallback_after: Duration,
    /// Without a successful REST call for so long, polling does not serve …
    pub rest_lost: Duration,
    /// … unless nothing was asked for that time: an answer must have been owed for so long as well.
    pub rest_owed: Duration,
    /// A better rung must hold so long before it takes over again.
    pub return_hold: Duration,
    /// The hold doubles with every relapse, up to this.
    pub return_hold_max: Duration,
    /// A rung left again within this after a return is a relapse.
    pub relapse_within: Duration,
    /// At most one change in any stretch of this length.
    pub between: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        Self::from(&Timing::default())
    }
}

impl From<&Timing> for Rules {
    fn from(timing: &Timing) -> Self {
        Self {
            fallback_after: timing.fallback_after,
            rest_lost: Duration::from_secs(15),
            // Three requests that are not answered, at the usual 5 s: the first of them is owed for two pauses then.
            rest_owed: Duration::from_secs(10),
            return_hold: timing.return_hold,
            return_hold_max: Duration::from_secs(300),
            relapse_within: Duration::from_secs(600),
            between: Duration::from_secs(5),
        }
    }
}

/// What is known at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Facts {
    /// Since when no line has been live and proven; `None` while one is. A venue of which nothing is wanted has no
    /// line to miss: `None` as well, with `whole` and `complete`.
    pub down_since: Option<Mono>,
    /// Every line there should be is live, each where it belongs.
    pub whole: bool,
    /// Every wanted topic is confirmed by a live line, and its book, if it is one, is synchronised.
    pub complete: bool,
    /// No stream endpoint may be dialled: all their breakers are open.
    pub breakers_open: bool,
    /// What is wanted can be asked by REST at all.
    pub pollable: bool,
    /// When a REST call last succeeded. On [`Rung::Cache`] somebody has to go on trying.
    pub rest_ok: Option<Mono>,
    /// Since when REST has owed an answer to polling: the first request since the last success. `None` while all
    /// was answered: at a low rate that may be long ago.
    pub rest_owed: Option<Mono>,
    /// The REST budget carries everything wanted at the normal rate.
    pub affordable: bool,
}

/// Why the rung is what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Nothing has happened yet.
    Start,
    /// A line is away, or stands at another endpoint.
    LineAway,
    /// No line has been live for too long.
    NoLine,
    /// No line is live and none may be dialled.
    BreakersOpen,
    /// The REST budget does not carry everything.
    Budget,
    /// REST does not answer.
    NoRest,
    /// A line is live while REST does not answer: it serves what it can.
    LineBeforeCache,
    /// The better rung has held long enough.
    Restored,
    /// An operator holds it here.
    Pinned,
    /// An operator asked for it.
    Triggered,
}

impl Reason {
    /// What is told to people.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Start => "nothing has happened yet",
            Self::LineAway => "a line is away or stands at another endpoint",
            Self::NoLine => "no line is live",
            Self::BreakersOpen => "no line is live and all breakers are open",
            Self::Budget => "the REST budget does not carry everything",
            Self::NoRest => "REST does not answer",
            Self::LineBeforeCache => "REST does not answer, a line does",
            Self::Restored => "the better source has held long enough",
            Self::Pinned => "pinned by an operator",
            Self::Triggered => "asked for by an operator",
        }
    }
}

/// One change of the rung, to be announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The rung left.
    pub from: Rung,
    /// The rung entered.
    pub to: Rung,
    /// Why.
    pub reason: Reason,
}

/// What an operator wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// Go there once, then by the rules.
    Trigger(Rung),
    /// Go there and stay.
    Pin(Rung),
}

/// How returns to one rung went.
#[derive(Debug, Clone, Copy, Default)]
struct Returns {
    /// Since when its conditions have held without a break.
    good: Option<Mono>,
    /// When it was last returned to, unless it has been left again since.
    returned: Option<Mono>,
    /// How often in a row it was left soon after a return.
    relapses: u32,
}

/// The ladder of one set of lines. Call [`Ladder::update`] whenever a fact changes and at [`Ladder::deadline`];
/// calling it more often changes nothing.
#[derive(Debug, Clone)]
pub struct Ladder {
    rules: Rules,
    rung: Rung,
    reason: Reason,
    since: Mono,
    /// When it last changed; `None` before the first time.
    changed: Option<Mono>,
    /// Since when REST has been what serves, or should.
    polling: Option<Mono>,
    order: Option<Order>,
    /// Of the rungs that can be returned to: all but the last.
    returns: [Returns; 4],
}

impl Ladder {
    /// On the first rung, where every venue begins.
    pub fn new(rules: Rules, now: Mono) -> Self {
        Self {
            rules,
            rung: Rung::Primary,
            reason: Reason::Start,
            since: now,
            changed: None,
            polling: None,
            order: None,
            returns: [Returns::default(); 4],
        }
    }

    /// Goes on for one that is gone: an operator's order holds, and relapses count on. A rung that it had left is
    /// entered again without having been earned: left soon, that is no better a return than the last.
    pub fn go_on(&mut self, now: Mono, before: &Self) {
        self.order = before.order;
        for (rung, (own, old)) in self.returns.iter_mut().zip(before.returns).enumerate() {
            let left = rung < before.rung as usize && old.relapses > 0;
            own.relapses = old.relapses - u32::from(left);
            own.returned = if left { Some(now) } else { old.returned };
        }
    }

    /// Takes the facts into account; the change that follows, if any.
    pub fn update(&mut self, now: Mono, facts: &Facts) -> Option<Change> {
        for rung in [Rung::Primary, Rung::Alternate, Rung::Poll, Rung::Partial] {
            let good = self.is_good(now, facts, rung);
            let since = &mut self.returns[rung as usize].good;
            *since = if good { since.or(Some(now)) } else { None };
        }
        let soon = self.changed.is_some_and(|changed| now < changed + self.rules.between);
        if soon && !planted(Defect::RestlessLadder) {
            return None;
        }
        let (to, reason) = self.target(now, facts)?;
        if let Some(Order::Trigger(_)) = self.order {
            self.order = None;
            if to == self.rung {
                // Also where it stood there before, it stays for as long as after a change.
                for better in self.returns.iter_mut().take(to as usize) {
                    better.good = better.good.map(|_| now);
                }
            }
        }
        (to != self.rung).then(|| self.change(now, to, reason))
    }

    /// When to look again if no fact changes before; `None` if time alone changes nothing.
    pub fn deadline(&self, now: Mono, facts: &Facts) -> Option<Mono> {
        let holds = Rung::ALL.into_iter().take(self.rung as usize).filter_map(|rung| self.due(rung));
        let others = [
            self.changed.map(|changed| changed + self.rules.between),
            facts.down_since.map(|since| since + self.rules.fallback_after),
            facts.down_since.map(|since| since + self.rules.rest_lost),
            facts.rest_ok.max(self.polling).map(|since| since + self.rules.rest_lost),
            facts.rest_owed.map(|since| since + self.rules.rest_owed),
            facts.rest_ok.map(|since| since + self.rules.rest_lost),
        ];
        // What would follow a change that the spacing or a better rung holds back, follows at one of these as well.
        holds.chain(others.into_iter().flatten()).filter(|at| *at > now).min()
    }

    /// An operator wants `rung`, whatever the facts are, until [`Ladder::unpin`]. Takes effect at the next update
    /// that the spacing allows.
    pub const fn pin(&mut self, rung: Rung) {
        self.order = Some(Order::Pin(rung));
    }

    /// The rules decide again, from where the ladder stands.
    pub const fn unpin(&mut self) {
        self.order = None;
    }

    /// An operator wants `rung` now; from there on the rules decide, so that it returns after the usual hold. A
    /// pinned ladder is not pinned any more.
    pub const fn trigger(&mut self, rung: Rung) {
        self.order = Some(Order::Trigger(rung));
    }

    /// An operator forgives all relapses: the next return is as quick as the first.
    pub fn forgive(&mut self) {
        self.returns.iter_mut().for_each(|returns| returns.relapses = 0);
    }

    /// Where the data comes from.
    pub const fn rung(&self) -> Rung {
        self.rung
    }

    /// Why. An operator's order is the reason while it holds, also where the ladder stood there before.
    pub fn reason(&self) -> Reason {
        match (self.pinned(), self.reason) {
            (Some(rung), _) if rung == self.rung => Reason::Pinned,
            (None, Reason::Pinned) => Reason::Triggered,
            (_, reason) => reason,
        }
    }

    /// Since when.
    pub const fn since(&self) -> Mono {
        self.since
    }

    /// The rung that an operator holds it on.
    pub const fn pinned(&self) -> Option<Rung> {
        match self.order {
            Some(Order::Pin(rung)) => Some(rung),
            _ => None,
        }
    }

    /// How long `rung` must hold before it is returned to.
    pub fn hold(&self, rung: Rung) -> Duration {
        if planted(Defect::RestlessLadder) {
            return Duration::ZERO;
        }
        let relapses = self.returns.get(rung as usize).map_or(0, |returns| returns.relapses);
        let hold = self.rules.return_hold.saturating_mul(1_u32.checked_shl(relapses).unwrap_or(u32::MAX));
        hold.min(self.rules.return_hold_max.max(self.rules.return_hold))
    }

    /// Whether the conditions of a rung hold. A rung that serves less is not good while a better one is only due.
    fn is_good(&self, now: Mono, facts: &Facts, rung: Rung) -> bool {
        let fresh = facts.pollable && self.answers(now, facts, facts.rest_ok);
        // Without REST no book gets its snapshot: then a line that serves some is better than none that serves all.
        let serves = facts.down_since.is_none() && (facts.complete || !fresh);
        match rung {
            Rung::Primary => serves && facts.whole,
            Rung::Alternate => serves,
            Rung::Poll => fresh && facts.affordable,
            Rung::Partial => fresh,
            Rung::Cache => true,
        }
    }

    /// Whether REST answers, last `heard` of then. While it is polled, silence between two questions is no sign.
    fn answers(&self, now: Mono, facts: &Facts, heard: Option<Mono>) -> bool {
        let polled = self.polling.is_some_and(|since| facts.rest_ok >= Some(since));
        let in_time = facts.rest_owed.is_none_or(|since| now < since + self.rules.rest_owed);
        heard.is_some_and(|heard| now < heard + self.rules.rest_lost) || polled && in_time
    }

    /// When a rung has held long enough to be returned to, if it holds on.
    fn due(&self, rung: Rung) -> Option<Mono> {
        Some(self.returns.get(rung as usize)?.good? + self.hold(rung))
    }

    /// Where the ladder should stand; `None` = where it does.
    fn target(&self, now: Mono, facts: &Facts) -> Option<(Rung, Reason)> {
        match self.order {
            Some(Order::Pin(rung)) => Some((rung, Reason::Pinned)),
            Some(Order::Trigger(rung)) => Some((rung, Reason::Triggered)),
            None => self.down(now, facts).or_else(|| self.up(now)),
        }
    }

    fn down(&self, now: Mono, facts: &Facts) -> Option<(Rung, Reason)> {
        let budget = (!facts.affordable).then_some((Rung::Partial, Reason::Budget));
        match self.rung {
            Rung::Primary | Rung::Alternate => {
                let Some(since) = facts.down_since else {
                    let away = self.rung == Rung::Primary && !facts.whole;
                    return away.then_some((Rung::Alternate, Reason::LineAway));
                };
                let reason = if facts.breakers_open {
                    Reason::BreakersOpen
                } else if now >= since + self.rules.fallback_after {
                    Reason::NoLine
                } else {
                    return None;
                };
                if !facts.pollable && now < since + self.rules.rest_lost {
                    // There is no REST to wait for, but a line may be back before anybody has missed it.
                    return None;
                }
                let to = if facts.pollable { budget.map_or(Rung::Poll, |(to, _)| to) } else { Rung::Cache };
                Some((to, reason))
            }
            Rung::Poll | Rung::Partial => {
                if !facts.pollable || !self.answers(now, facts, facts.rest_ok.max(self.polling)) {
                    let live = facts.down_since.is_none();
                    let line = if facts.whole { Rung::Primary } else { Rung::Alternate };
                    return Some(if live {
                        (line, Reason::LineBeforeCache)
                    } else {
                        (Rung::Cache, Reason::NoRest)
                    });
                }
                budget.filter(|_| self.rung == Rung::Poll)
            }
            Rung::Cache => None,
        }
    }

    fn up(&self, now: Mono) -> Option<(Rung, Reason)> {
        let better = || Rung::ALL.into_iter().take(self.rung as usize);
        let to = better().find(|rung| self.due(*rung).is_some_and(|due| due <= now))?;
        // A step up now would hold back the step that follows: better one than two.
        let soon = now + self.rules.between;
        let follows =
            better().take_while(|rung| *rung < to).any(|rung| self.due(rung).is_some_and(|due| due < soon));
        (!follows).then_some((to, Reason::Restored))
    }

    fn change(&mut self, now: Mono, to: Rung, reason: Reason) -> Change {
        let from = self.rung;
        let operator = matches!(reason, Reason::Pinned | Reason::Triggered);
        let (better, worse) = (from.min(to) as usize, from.max(to) as usize);
        for returns in &mut self.returns[better..worse] {
            if to < from {
                returns.returned = Some(now);
            } else if operator {
                // Nobody relapsed; but what holds already has to hold again.
                (returns.returned, returns.good) = (None, returns.good.map(|_| now));
            } else {
                let soon = |returned: Mono| now < returned + self.rules.relapse_within;
                let relapsed = returns.returned.take().is_some_and(soon);
                returns.relapses = if relapsed { returns.relapses.saturating_add(1) } else { 0 };
            }
        }
        self.polling = to.polls().then(|| self.polling.unwrap_or(now));
        (self.rung, self.reason, self.since, self.changed) = (to, reason, now, Some(now));
        Change { from, to, reason }
    }
}

#[cfg(test)]
mod tests;
