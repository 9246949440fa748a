//! The life of lines: dialling, opening, failing, and what is said on them.

use std::time::Duration;

use crate::defect::{self, Defect, planted};
use crate::policy::backoff::Failures;
use crate::policy::fault::Fault;
use crate::policy::recovery::{Recovery, Step, step};
use crate::policy::score::stretched;
use crate::time::{Mono, Time};
use crate::venue::LineId;

use super::Feed;
use super::credit::Told;
use super::io::{Action, Closed, DialError};
use super::keys::KeyState;
use super::line::{Line, Live, Phase, SETTLED_AFTER};
use super::login::Again;
use super::missed_ids::Ids;
use super::rotate::Spurned;
use super::topics::State;
use super::unproven::Against;
use super::wishes::Refused;

/// The phase of a topic that the venue refuses, until an operator speaks.
pub(super) const REJECTED: &str = "rejected";
/// Messages kept free for pongs when requests are sent.
pub(super) const PONG_RESERVE: usize = 1;

impl Feed {
    /// A new line of `group` on `side`, idle; its slot.
    pub(super) fn new_line(&mut self, now: Time, group: u8, side: u8) -> usize {
        let slot = self.lines.len();
        let facts = &self.venue.profile().groups[usize::from(group)];
        let mut line = Line::new(slot as u32, (group, side), facts, &self.config.limits, now);
        line.endpoint = self.gate.preferred(now.mono, side);
        let place = (group, slot as u32);
        if let Some(index) = self.old_failures.iter().position(|(group, slot, _)| (*group, *slot) == place) {
            line.failures = self.old_failures.swap_remove(index).2;
        }
        self.lines.push(line);
        slot
    }

    /// A line that rests is dialled, now that something is wanted of it.
    pub(super) fn wake_line(&mut self, now: Time, slot: usize) {
        if self.lines[slot].phase == Phase::Idle && !self.stopping {
            // Levels are looked at from now on; while nothing was wanted nobody did.
            (self.look_at, self.pace_at) = (self.look_at.max(now.mono), self.pace_at.max(now.mono));
            let until = now.mono.max(self.lines[slot].rests_until);
            self.enter(now, slot, Phase::Waiting { until }, "a topic is wanted");
        }
    }

    /// A line of which nothing is wanted any more is closed.
    pub(super) fn rest_line(&mut self, now: Time, slot: usize) {
        self.part(now, slot);
        self.hang_up(now, slot);
        self.lines[slot].wishes.disconnected();
        self.enter(now, slot, Phase::Idle, "nothing is wanted");
    }

    /// Ends whatever a line has open, without judging anybody.
    pub(super) fn hang_up(&mut self, now: Time, slot: usize) {
        self.credit_silence(now, slot);
        self.credit(now, slot);
        let line = &mut self.lines[slot];
        if let Some(live) = line.live() {
            let lived = now.mono.since(live.since);
            line.stats.uptime += lived;
            line.failures.interrupted(now.mono, &self.backoff);
        }
        if let Some(permit) = line.permit.take() {
            self.gate.streams[line.endpoint].breaker.release(permit, now.mono);
        }
        if line.is_engaged() {
            self.actions.push_back(Action::Close { line: line.id, code: 1000 });
        }
    }

    /// Changes a line's phase: the one place where that happens.
    pub(super) fn enter(&mut self, now: Time, slot: usize, phase: Phase, cause: &str) {
        if let Some(spare) = self.take_spare(slot) {
            self.drop_spare(now, slot, &spare);
        }
        let phase = match phase {
            Phase::Waiting { until } => Phase::Waiting { until: defect::timer(now, until) },
            other => other,
        };
        let line = &mut self.lines[slot];
        let from = line.phase.name();
        let to = phase.name();
        line.phase = phase;
        line.barred = None;
        if line.phase == Phase::Idle {
            line.health.rested();
        }
        if from != to {
            line.since = now.unix;
            self.events.line(now, slot, (from, to), line.felt.take(), cause);
            self.tell_topics(now, slot);
        }
    }

    /// Lets every line do what is due.
    pub(super) fn drive(&mut self, now: Time) {
        for slot in defect::order(self.lines.len()) {
            self.drive_line(now, slot);
        }
        self.fetch_due(now);
    }

    /// Lets one line do what is due.
    pub(super) fn drive_line(&mut self, now: Time, slot: usize) {
        match self.lines[slot].phase.clone() {
            Phase::Idle => {}
            Phase::Waiting { until } if until <= now.mono => self.dial(now, slot),
            Phase::Dialling { give_up } if give_up <= now.mono && self.may_judge(now) => {
                let id = self.lines[slot].id;
                self.actions.push_back(Action::Close { line: id, code: 1000 });
                self.down(now, slot, Fault::Transient, None, "the dial took too long");
            }
            Phase::Halted { until: Some(until) } if until <= now.mono => {
                self.enter(now, slot, Phase::Waiting { until: now.mono }, "the halt is over");
                self.dial(now, slot);
            }
            Phase::LoggingIn(_) => self.attend_login(now, slot),
            Phase::Live(_) => self.attend(now, slot),
            Phase::Waiting { .. } | Phase::Dialling { .. } | Phase::Halted { .. } => {}
        }
    }

    fn dial(&mut self, now: Time, slot: usize) {
        if self.stopping || self.lines[slot].wishes.is_empty() {
            self.enter(now, slot, Phase::Idle, "nothing is wanted");
            return;
        }
        if self.is_held() {
            self.enter(
                now,
                slot,
                Phase::Waiting { until: Mono::NEVER },
                "an operator holds it on another source",
            );
            return;
        }
        if self.waits_for_keys(now, slot) {
            return;
        }
        let preferred = self.gate.preferred(now.mono, self.lines[slot].side);
        let (endpoint, permit) = match self.gate.dial(now.mono, preferred) {
            Ok(found) => found,
            Err(shut) => return self.wait_for_gate(now, slot, shut),
        };
        let line = &mut self.lines[slot];
        line.endpoint = endpoint;
        line.permit = Some(permit);
        line.id = line.next_dial();
        let id = line.id;
        let give_up = self.begin_dial(now, slot, id, endpoint);
        self.enter(now, slot, Phase::Dialling { give_up }, "dialling");
    }

    /// Begins a dial that the gate has let pass; when it is given up.
    pub(super) fn begin_dial(&mut self, now: Time, slot: usize, id: LineId, endpoint: usize) -> Mono {
        let give_up = now.mono + self.config.timing.dial_within;
        let line = &mut self.lines[slot];
        line.stats.dials += 1;
        line.dialled = now.mono;
        line.edition = self.renewal.edition;
        let wanted: Vec<&str> = line.wishes.iter().map(|(stream, _)| stream.as_ref()).collect();
        let origin = &self.gate.streams[endpoint].origin;
        let request = self.venue.dial(line.group, origin, &wanted, self.config.keys.as_ref());
        if planted(Defect::DialTwice) {
            self.actions.push_back(Action::Dial { line: id, request: request.clone(), give_up });
        }
        self.actions.push_back(Action::Dial { line: id, request, give_up });
        give_up
    }

    /// A dial has succeeded, and nothing is to be shown any more: the line is live.
    pub(super) fn let_in(&mut self, now: Time, slot: usize) {
        let line = &mut self.lines[slot];
        let again = line.stats.drops > 0;
        line.stats.reconnects += u64::from(again);
        self.gate.streams[line.endpoint].dials.0 += 1;
        if again {
            line.health.reconnected(now.mono);
            let why = line.fault.as_ref().map_or("unknown", |(fault, _)| fault.name());
            *self.counters.reconnects.entry(why).or_default() += 1;
        }
        (line.last_frame, line.heard, line.last_data) = (now.mono, now.mono, now.mono);
        line.unread = None;
        line.arrivals.resume(now.mono);
        (line.corrupt, line.ids, line.against) = ((0, now.mono), Ids::default(), Against::default());
        if planted(Defect::ResetBackoffOnConnect) {
            line.failures = Failures::default();
        }
        let unwatched = planted(Defect::StopTimerOnReconnect) && line.stats.drops > 0;
        let group = line.group;
        // What room it had was the last connection's.
        line.capacity = self.venue.profile().groups[usize::from(group)].streams_per_line;
        let first_look = now.mono + line.patience(&self.config.timing);
        if let Some(permit) = line.permit {
            // A probe that connected late still has its five seconds of data before it.
            let until = now.mono + self.config.timing.dial_within + SETTLED_AFTER;
            self.gate.streams[line.endpoint].breaker.extend(permit, until);
        }
        let replace_at = self.replace_at(now, group);
        let live = Live {
            since: now.mono,
            proven: None,
            acknowledged: None,
            check_at: if unwatched { Mono::NEVER } else { first_look },
            ping: None,
            settled: false,
            speak_at: None,
            renewed: None,
            doubt: None,
            spared: None,
            settle_after: SETTLED_AFTER.min(self.config.timing.stable_after),
            replace_at,
            spurned: Spurned::default(),
            again: Again::No,
            told: Told::default(),
        };
        self.enter(now, slot, Phase::Live(live), "the venue answered");
        self.speak(now, slot);
    }

    pub(super) fn failed(&mut self, now: Time, slot: usize, why: &DialError) {
        let detail = format!("{:?}: {}", why.stage, why.detail).to_lowercase();
        self.down(now, slot, why.fault, None, &detail);
    }

    pub(super) fn closed(&mut self, now: Time, slot: usize, why: &Closed) {
        let detail = match why.code {
            Some(code) => format!("closed by the venue with {code}: {}", why.detail),
            None => format!("closed without a close frame: {}", why.detail),
        };
        self.down(now, slot, why.fault, why.code, &detail);
    }

    /// A dial failed or a session ended: enters it into the accounts.
    pub(super) fn ended(&mut self, now: Time, slot: usize, fault: Fault, detail: &str) {
        let roll = self.rng.roll();
        let begun = self.begun(now, slot);
        let line = &mut self.lines[slot];
        let endpoint = &mut self.gate.streams[line.endpoint];
        let settled = line
            .live()
            .is_some_and(|live| live.settled || live.settles_at().is_some_and(|at| at <= now.mono));
        let permit = line.permit.take();
        endpoint.failed(now.mono, fault, roll, (!settled).then_some(begun), permit);
        if let Some(live) = line.live() {
            let lived = now.mono.since(live.since);
            line.stats.uptime += lived;
            line.stats.drops += 1;
            self.count_fault(now, slot);
        } else if line.is_engaged() {
            self.gate.streams[line.endpoint].dials.1 += 1;
        }
        self.rate(now, slot, fault);
        let line = &mut self.lines[slot];
        line.was_proven = line.live().is_some_and(|live| live.proven.is_some());
        line.failures.failed(now.mono, fault, &self.backoff);
        line.fault = Some((fault, detail.into()));
        if fault == Fault::Authentication && self.config.keys.is_some() {
            line.keys = KeyState::Refused;
        }
        line.wishes.disconnected();
        line.pong = None;
        // Whatever the old socket still holds, or says late, is nobody's word any more.
        line.id = line.next_dial();
    }

    /// What the end of a dial or session says about its endpoint. What was planned, or our own fault, says nothing.
    fn rate(&mut self, now: Time, slot: usize, fault: Fault) {
        self.credit_silence(now, slot);
        self.credit(now, slot);
        let line = &self.lines[slot];
        let (rules, quality) = (&self.gate.scores, &mut self.gate.streams[line.endpoint].quality);
        let proven = line.live().and_then(|live| live.proven);
        match (fault, proven) {
            (Fault::Planned | Fault::Local | Fault::RateLimited { .. } | Fault::Authentication, _) => {}
            (_, Some(_)) => quality.dropped(now.mono, rules),
            (_, None) => quality.dial_failed(now.mono, rules),
        }
    }

    /// From when on the venue has had its pause, if the dial or session of a line ends now. A dial that hangs and
    /// a ping that nobody answers are part of it: the venue may come back just after they have begun.
    fn begun(&self, now: Time, slot: usize) -> Mono {
        let line = &self.lines[slot];
        match &line.phase {
            Phase::Dialling { give_up } => self.dialled_at(*give_up),
            Phase::Live(live) if live.ping.as_ref().is_some_and(|ping| ping.deadline <= now.mono) => {
                line.last_frame
            }
            _ => now.mono,
        }
    }

    /// When a dial began that is given up at `give_up`.
    pub(super) fn dialled_at(&self, give_up: Mono) -> Mono {
        give_up - self.config.timing.dial_within
    }

    /// A dial failed or a session ended: judges it and decides when to dial again.
    pub(super) fn down(&mut self, now: Time, slot: usize, fault: Fault, code: Option<u16>, detail: &str) {
        let spare = self.take_spare(slot);
        let begun = self.begun(now, slot);
        let was_open = self.lines[slot].is_live();
        self.ended(now, slot, fault, detail);
        if let Some(spare) = &spare
            && self.lines[slot].is_leaving()
        {
            self.drop_spare(now, slot, spare);
        }
        if self.leave_to_heir(now, slot, detail) {
            return;
        }
        if let Some(spare) = spare {
            if fault.recovery() == Recovery::Progressive && spare.give_up > now.mono {
                // The next dial is on its way already.
                self.adopt(now, slot, spare, detail);
                self.interrupt(now, slot);
                return;
            }
            self.drop_spare(now, slot, &spare);
        }
        let score = self.gate.score(now.mono, self.lines[slot].endpoint);
        let (cap, first) = (self.config.timing.backoff_max, self.config.timing.backoff_first);
        let line = &mut self.lines[slot];
        let roll = self.rng.roll();
        // A short wait of its own (a fast first retry) is kept as it is.
        let rules = &self.gate.scores;
        let longer = |wait: Duration| if wait < first { wait } else { stretched(wait, score, cap, rules) };
        let after = |wait: Duration| (begun + wait).max(now.mono + wait.min(self.config.timing.backoff_min));
        let phase = match step(fault, code, &line.failures, &self.backoff, roll) {
            Step::RetryAfter(wait) if fault == Fault::Local => {
                // What is wrong here is wrong for every line: they try again together, not one by one.
                if self.local_retry <= now.mono {
                    self.local_retry = after(wait);
                }
                Phase::Waiting { until: self.local_retry }
            }
            Step::RetryAfter(wait) => Phase::Waiting { until: after(longer(wait)) },
            Step::NextEndpoint(wait) => {
                let until = after(longer(wait));
                self.gate.leave(line.side, line.endpoint);
                Phase::Waiting { until }
            }
            Step::Hold(wait) => {
                self.gate.hold_off(now.mono, wait, fault, (line.side, line.endpoint, was_open));
                Phase::Waiting { until: now.mono + wait }
            }
            // They are read anew before every dial that follows a refusal.
            Step::RefreshKeys => Phase::Waiting { until: now.mono + self.config.timing.backoff_min },
            Step::Halt => Phase::Halted { until: None },
        };
        self.enter(now, slot, phase, detail);
        // A dial that failed breaks nothing: what it was to carry broke before, or was polled since.
        if was_open {
            self.interrupt(now, slot);
        }
    }

    /// Closes a live line for a reason of ours and dials anew.
    pub(super) fn cut(&mut self, now: Time, slot: usize, fault: Fault, detail: &str) {
        let id = self.lines[slot].id;
        if self.lines[slot].is_live() {
            self.actions.push_back(Action::Close { line: id, code: 1000 });
            self.down(now, slot, fault, None, detail);
        }
    }

    /// The venue pings: its answer goes ahead of everything we have to say.
    pub(super) fn pinged(&mut self, now: Time, slot: usize, payload: &[u8]) {
        let unanswered = self.lines[slot].pong.replace(payload.into());
        if let (true, Some(payload)) = (planted(Defect::AnswerPingLate), unanswered) {
            self.actions.push_back(Action::Pong { line: self.lines[slot].id, payload });
        }
        if matches!(self.lines[slot].phase, Phase::LoggingIn(_)) {
            self.attend_login(now, slot);
        }
        self.speak(now, slot);
    }

    /// Says what is to be said, as far as the message budget goes: pongs first, then requests.
    pub(super) fn speak(&mut self, now: Time, slot: usize) {
        self.say(now, slot);
        self.log_in_again(now, slot);
    }

    fn say(&mut self, now: Time, slot: usize) {
        let line = &mut self.lines[slot];
        let group = &self.venue.profile().groups[usize::from(line.group)];
        let Phase::Live(live) = &mut line.phase else { return };
        live.speak_at = None;
        loop {
            // Pings may come faster than they can be answered: then pongs and requests take turns.
            let turn = line.pong.is_some() && line.ponged && line.wishes.outstanding();
            if line.pong.is_some() && !turn && !planted(Defect::AnswerPingLate) {
                if !planted(Defect::MiscountPongs) && !line.budget.try_take(now.mono, 1) {
                    live.speak_at = Some(line.budget.next(now.mono));
                    return;
                }
                if let Some(payload) = line.pong.take() {
                    line.stats.sent += 1;
                    line.ponged = true;
                    self.actions.push_back(Action::Pong { line: line.id, payload });
                }
            }
            if !line.wishes.outstanding() {
                return;
            }
            let reserve = if turn { 0 } else { PONG_RESERVE };
            if !line.budget.try_take_keeping(now.mono, 1, reserve) {
                live.speak_at = Some(line.budget.next_keeping(now.mono, 1, reserve));
                return;
            }
            line.ponged = false;
            let within = self.config.timing.confirm_within;
            let Some(request) = line.wishes.next_request(now.mono, &*self.venue, line.group, group, within)
            else {
                return;
            };
            line.stats.sent += 1;
            self.actions.push_back(Action::Send { line: line.id, text: request.text });
        }
    }

    pub(super) fn accepted(&mut self, now: Time, slot: usize, request: u64, handle: Option<u64>) {
        let topics = self.lines[slot].wishes.accepted(now.mono, request);
        if let Phase::Live(live) = &mut self.lines[slot].phase {
            live.acknowledged.get_or_insert(now.mono);
        }
        if let (true, Phase::Live(live)) =
            (planted(Defect::ProvenByAcknowledgement), &mut self.lines[slot].phase)
        {
            live.proven.get_or_insert(now.mono);
        }
        for id in topics {
            if let Some(handle) = handle {
                self.lines[slot].names.insert_handle(handle, id);
            }
            if let Some(entry) = self.topics.get_mut(id)
                && let State::Book(book) = &mut entry.state
            {
                book.opened(now.mono);
            }
            self.watch_book(id);
            self.trust(now, slot, id);
            self.refusals.accepted(id);
            self.may_have_missed(now, id);
        }
        self.speak(now, slot);
    }

    pub(super) fn refused(
        &mut self,
        now: Time,
        slot: usize,
        request: Option<u64>,
        fault: Fault,
        reason: &str,
    ) {
        self.notice(now);
        let line = &mut self.lines[slot];
        let full = matches!(fault, Fault::RateLimited { .. });
        match line.wishes.refused(&mut line.names, request) {
            // No room on this line: the topic goes to another one.
            Refused::Stream(_, id) if full => self.no_room(now, slot, id),
            Refused::Stream(_, id) => {
                line.wishes.fault_found();
                self.refused_on(now, slot, id, reason);
            }
            Refused::Split => {}
            Refused::Nothing => self.counters.stray_refusals += 1,
        }
        self.speak(now, slot);
        self.drive(now);
    }

    /// The dial in force that an input speaks of; `None` (and counted) if it is over.
    pub(super) fn current(&mut self, id: LineId) -> Option<usize> {
        let slot = id.slot as usize;
        if self.lines.get(slot).is_some_and(|line| line.is(id)) {
            return Some(slot);
        }
        self.counters.stray_inputs += 1;
        None
    }

    /// When any line needs attention.
    pub(super) fn lines_deadline(&self) -> Option<Mono> {
        self.lines.iter().filter_map(Line::deadline).min()
    }
}
