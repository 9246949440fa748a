//! Logins by message: what a line does between its opening and its first subscription, and when other keys are shown
//! on a line that is live.

use std::time::Duration;

use crate::policy::fault::Fault;
use crate::time::{Mono, Time};
use crate::venue::{Item, Login};

use super::Feed;
use super::io::{Action, Hidden};
use super::line::{Phase, SETTLED_AFTER};
use super::lines::PONG_RESERVE;

/// A login that is refused for now is repeated after this long, then after twice, three times … of it …
const PAUSE: Duration = Duration::from_millis(500);
/// … up to so many.
const PAUSES: u32 = 10;

/// A line that is open, but not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LoggingIn {
    /// The venue has to answer by then.
    give_up: Mono,
    /// When our keys are to be shown; none = they were, or the venue is to speak first.
    say_at: Option<Mono>,
    /// Refused for now, it is repeated until then.
    patience: Mono,
    /// So often it was.
    refused: u32,
    /// When a pong may be sent.
    pong_at: Option<Mono>,
}

impl LoggingIn {
    pub(super) fn deadline(&self) -> Option<Mono> {
        [Some(self.give_up), self.say_at, self.pong_at].into_iter().flatten().min()
    }
}

/// Whether other keys are shown on a line that is live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    /// No.
    No,
    /// As soon as the message budget allows.
    Due,
    /// They were; the venue has to answer by then.
    Asked { until: Mono },
}

impl Again {
    pub(super) const fn deadline(self) -> Option<Mono> {
        if let Self::Asked { until } = self { Some(until) } else { None }
    }
}

impl Feed {
    /// A dial has succeeded.
    pub(super) fn opened(&mut self, now: Time, slot: usize) {
        let line = &mut self.lines[slot];
        let group = &self.venue.profile().groups[usize::from(line.group)];
        let Login::ByMessage { greets, patience, .. } = group.login else { return self.let_in(now, slot) };
        let within = self.config.timing.login_within;
        if let Some(permit) = line.permit {
            let until = now.mono + patience + within + SETTLED_AFTER;
            self.gate.streams[line.endpoint].breaker.extend(permit, until);
        }
        let login = LoggingIn {
            give_up: now.mono + within,
            // A greeting may be lost: then we speak without having heard it.
            say_at: Some(if greets { now.mono + within / 2 } else { now.mono }),
            patience: now.mono + patience,
            refused: 0,
            pong_at: None,
        };
        self.enter(now, slot, Phase::LoggingIn(login), "the venue wants to see keys");
        self.attend_login(now, slot);
    }

    /// Lets a line that is not let in yet do what is due.
    pub(super) fn attend_login(&mut self, now: Time, slot: usize) {
        let may_judge = self.may_judge(now);
        let line = &mut self.lines[slot];
        let Phase::LoggingIn(login) = &mut line.phase else { return };
        if login.give_up <= now.mono && may_judge {
            return self.leave_login(now, slot, Fault::Transient, "the login was not answered");
        }
        login.pong_at = None;
        if line.pong.is_some() {
            if line.budget.try_take(now.mono, 1) {
                let payload = line.pong.take().unwrap_or_default();
                line.stats.sent += 1;
                self.actions.push_back(Action::Pong { line: line.id, payload });
            } else {
                login.pong_at = Some(line.budget.next(now.mono));
            }
        }
        if login.say_at.is_none_or(|at| at > now.mono) {
            return;
        }
        if !line.budget.try_take_keeping(now.mono, 1, PONG_RESERVE) {
            login.say_at = Some(line.budget.next_keeping(now.mono, 1, PONG_RESERVE));
            return;
        }
        login.say_at = None;
        if !self.show_keys(slot) {
            self.leave_login(now, slot, Fault::Configuration, "the venue wants keys, and there are none");
        }
    }

    /// Sends the message that shows our keys; whether there are any.
    fn show_keys(&mut self, slot: usize) -> bool {
        let line = &mut self.lines[slot];
        let text = self.config.keys.as_ref().and_then(|keys| self.venue.login(line.group, keys));
        let Some(text) = text else { return false };
        line.stats.sent += 1;
        line.edition = self.renewal.edition;
        self.actions.push_back(Action::Login { line: line.id, text: Hidden(text) });
        true
    }

    /// A line that was not let in is closed.
    fn leave_login(&mut self, now: Time, slot: usize, fault: Fault, detail: &str) {
        self.actions.push_back(Action::Close { line: self.lines[slot].id, code: 1000 });
        self.down(now, slot, fault, None, detail);
    }

    /// What the venue says of logins. What else it says to a line that is not let in is nobody's.
    #[cold]
    pub(super) fn of_login(&mut self, now: Time, slot: usize, item: Item) {
        let is_live = self.lines[slot].is_live();
        match (item, &mut self.lines[slot].phase) {
            (Item::Greeting, Phase::LoggingIn(login)) => {
                // Keys that were shown without having been greeted are not shown twice.
                login.say_at = login.say_at.map(|at| at.min(now.mono));
                self.attend_login(now, slot);
            }
            (Item::LoggedIn { life }, Phase::LoggingIn(_) | Phase::Live(_)) => {
                self.logged_in(now, slot, life);
            }
            (Item::LoginRefused { fault, reason }, Phase::LoggingIn(login)) => {
                let busy = matches!(fault, Fault::RateLimited { .. });
                login.refused += 1;
                let at = now.mono + PAUSE * login.refused.min(PAUSES);
                if busy && at < login.patience {
                    login.say_at = Some(at);
                    login.give_up = at + self.config.timing.login_within;
                } else {
                    self.leave_login(now, slot, fault, &format!("the login was refused: {reason}"));
                }
            }
            (Item::LoginRefused { reason, .. }, _) if is_live => {
                self.still_known(now, slot, &format!("other keys were refused: {reason}"));
            }
            _ => {}
        }
    }

    fn logged_in(&mut self, now: Time, slot: usize, life: Option<Duration>) {
        if life.is_some() {
            self.keys_last(now, life);
        }
        let line = &mut self.lines[slot];
        match &mut line.phase {
            Phase::Live(live) if matches!(live.again, Again::Asked { .. }) => {
                live.again = Again::No;
                let cause = "other keys were accepted on the open line";
                self.events.record(now, &format!("line {slot}"), ("live", "live"), cause);
            }
            Phase::LoggingIn(_) => {
                line.failures.keys_accepted();
                self.let_in(now, slot);
            }
            _ => {}
        }
    }

    /// Shows other keys on a live line, as far as the message budget goes.
    pub(super) fn log_in_again(&mut self, now: Time, slot: usize) {
        let line = &mut self.lines[slot];
        let Phase::Live(live) = &mut line.phase else { return };
        if live.again != Again::Due {
            return;
        }
        if !line.budget.try_take_keeping(now.mono, 1, PONG_RESERVE) {
            let at = line.budget.next_keeping(now.mono, 1, PONG_RESERVE);
            live.speak_at = Some(live.speak_at.map_or(at, |before| before.min(at)));
            return;
        }
        live.again = Again::Asked { until: now.mono + self.config.timing.login_within };
        self.show_keys(slot);
    }

    /// Other keys that were shown on a live line, and of which the venue says nothing.
    pub(super) fn expire_login(&mut self, now: Time, slot: usize) {
        let due = self.lines[slot].live().and_then(|live| live.again.deadline());
        if due.is_some_and(|at| at <= now.mono) {
            self.still_known(now, slot, "other keys were not answered");
        }
    }

    /// Other keys were not taken on a live line. It goes on with those it was opened with, and another one is to follow
    /// it, if the venue allows two.
    fn still_known(&mut self, now: Time, slot: usize, cause: &str) {
        let Phase::Live(live) = &mut self.lines[slot].phase else { return };
        live.again = Again::No;
        if !self.want_rotation(now, slot, cause) {
            self.events.record(now, &format!("line {slot}"), ("live", "live"), cause);
        }
    }
}
