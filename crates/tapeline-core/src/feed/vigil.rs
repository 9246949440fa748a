//! Watching over a live line: is it proven, is it silent, does it answer, and whose fault is it.

use std::time::Duration;

use crate::policy::fault::Fault;
use crate::policy::silence::PONG_MIN;
use crate::time::Time;

use super::Feed;
use super::io::Action;
use super::line::{DOUBLINGS, Phase, PingOut};

/// The least time between two looks at a line's silence.
pub(super) const LEAST_STEP: Duration = Duration::from_millis(1);

impl Feed {
    /// What a live line needs now: success told, silence judged, requests sent or repeated.
    pub(super) fn attend(&mut self, now: Time, slot: usize) {
        self.settle(now, slot);
        if self.is_blocked(self.lines[slot].id) {
            self.look_away(now, slot);
            // What we have to say does not wait for what we read.
            self.speak(now, slot);
            return;
        }
        self.lines[slot].blocked = None;
        if !self.may_judge(now) {
            self.speak(now, slot);
            return;
        }
        self.expire_spare(now, slot);
        self.expire_login(now, slot);
        if self.lines[slot].wishes.deadline().is_some_and(|at| at <= now.mono)
            && !self.lines[slot].wishes.expire(now.mono)
        {
            self.cut(now, slot, Fault::Transient, "subscriptions were not confirmed");
            return;
        }
        if self.judge_ping(now, slot) && self.judge_silence(now, slot) {
            self.speak(now, slot);
        }
    }

    /// We do not read because a subscriber that must not lose anything is full: nothing is concluded from silence, and
    /// if it goes on, the silence is our own doing. One that is full for a moment, again and again, since REST tells
    /// much at once, makes no line live that does not.
    fn look_away(&mut self, now: Time, slot: usize) {
        let timing = &self.config.timing;
        let line = &mut self.lines[slot];
        let since = *line.blocked.get_or_insert(now.mono);
        if now.mono.since(since) < timing.silent_min / 2 {
            let until = now.mono + timing.silent_min / 4;
            line.wishes.postpone(until);
            let Phase::Live(live) = &mut line.phase else { return };
            live.check_at = live.check_at.max(until);
            if let Some(ping) = &mut live.ping {
                ping.deadline = ping.deadline.max(until);
            }
            return;
        }
        if line.is_doubted() {
            self.believe(now, slot, "it is we who do not read");
        }
        let timing = &self.config.timing;
        let line = &mut self.lines[slot];
        line.wishes.postpone(now.mono + timing.confirm_within);
        line.unread.get_or_insert(line.last_data);
        (line.last_frame, line.last_data) = (now.mono, now.mono);
        line.arrivals.resume(now.mono);
        let Phase::Live(live) = &mut line.phase else { return };
        live.check_at = now.mono + timing.silent_min / 4;
        if let Some(ping) = &mut live.ping {
            ping.deadline = now.mono + timing.pong_within;
        }
    }

    fn settle(&mut self, now: Time, slot: usize) {
        let line = &mut self.lines[slot];
        let Phase::Live(live) = &mut line.phase else { return };
        if live.settles_at().is_none_or(|at| at > now.mono) {
            return;
        }
        live.settled = true;
        line.permit = None;
        let breaker = &mut self.gate.streams[line.endpoint].breaker;
        let was_closed = breaker.state(now.mono) == crate::policy::breaker::State::Closed;
        breaker.success();
        // Lines that only waited for the breaker dial at once.
        for line in self.lines.iter_mut().filter(|line| line.barred.is_some() && !was_closed) {
            if let Phase::Waiting { until } = &mut line.phase {
                *until = now.mono;
            }
        }
    }

    /// Judges an unanswered ping; whether the line still stands.
    fn judge_ping(&mut self, now: Time, slot: usize) -> bool {
        let line = &mut self.lines[slot];
        let last_frame = line.last_frame;
        let Phase::Live(live) = &mut line.phase else { return false };
        let Some(ping) = &live.ping else { return true };
        if last_frame > ping.sent {
            // Data is a sign of life as good as a pong.
            live.ping = None;
            return true;
        }
        if now.mono < ping.deadline {
            return true;
        }
        self.cut(now, slot, Fault::Transient, "neither data nor a pong");
        false
    }

    /// Judges silence; whether the line still stands.
    fn judge_silence(&mut self, now: Time, slot: usize) -> bool {
        let timing = &self.config.timing;
        let line = &mut self.lines[slot];
        let Phase::Live(live) = &mut line.phase else { return false };
        if live.check_at > now.mono {
            return true;
        }
        // Data is what is missed; any sign of life, a pong too, says that the line itself stands.
        let unheard = now.mono.since(line.last_frame);
        let proven = line.live().is_some_and(|live| live.proven.is_some());
        let (patience, silent_after) = (line.patience(timing), line.silent_after(timing));
        if self.brings_nothing(now, slot, silent_after) {
            let line = &mut self.lines[slot];
            let Phase::Live(live) = &mut line.phase else { return false };
            let renewed = live.renewed.filter(|at| *at > line.last_data);
            let patient = match (line.is_mute(), line.is_lively(timing)) {
                // It had its time.
                (true, _) => timing.silent_min * line.leniency(),
                (_, true) => silent_after * line.leniency(),
                // A quiet line that answers may have nothing to say, but not for ever.
                _ => line.arrivals.stillest() * line.leniency(),
            };
            match renewed {
                None => self.subscribe_anew(now, slot),
                Some(at) if now.mono.since(at) >= patient => {
                    line.fruitless += u8::from(!proven && line.fruitless < DOUBLINGS);
                    let cause = "pongs come but no data, also after subscribing again";
                    self.cut(now, slot, Fault::Transient, cause);
                    return false;
                }
                Some(_) => {}
            }
        }
        let timing = &self.config.timing;
        let line = &mut self.lines[slot];
        let Phase::Live(live) = &mut line.phase else { return false };
        if proven && now.mono.since(line.last_data) >= silent_after && unheard >= silent_after {
            live.check_at = now.mono + patience;
            let within = line.round_trips.deadline(PONG_MIN, timing.pong_within);
            self.ping(now, slot, within);
            if !self.lines[slot].is_doubted() {
                self.doubt(now, slot);
            }
            return true;
        }
        if unheard >= timing.ping_every {
            live.check_at = now.mono + patience;
            let within = timing.pong_within;
            self.ping(now, slot, within);
            return true;
        }
        let next = line.last_frame + patience;
        live.check_at = if next > now.mono { next } else { now.mono + patience.max(LEAST_STEP) };
        true
    }

    /// Whether a line that lives has brought no data for so long that something must be wrong. One that has brought
    /// nothing since it was opened is judged by the rhythm it had before, and by what others tell.
    fn brings_nothing(&self, now: Time, slot: usize, silent_after: Duration) -> bool {
        let line = &self.lines[slot];
        let Some(live) = line.live().filter(|live| live.ping.is_none() && line.spare().is_none()) else {
            return false;
        };
        let lively = || line.is_lively(&self.config.timing);
        // What is not confirmed yet has a deadline of its own.
        let judged = live.proven.is_some() || (line.wishes.deadline().is_none() && lively());
        let since = line.last_data.max(live.acknowledged.unwrap_or(live.since));
        line.is_mute() || judged && now.mono.since(since) >= silent_after * 3 * line.leniency()
    }

    /// Something is carried no longer. The rhythm of a line on which nothing is left that is known to flow was that of
    /// what is gone: it says nothing of the silence of the rest.
    pub(super) fn doubt_rhythm(&mut self, now: Time, slot: usize) {
        let seen = |id| self.topics.get(id).and_then(|entry| entry.seen.as_deref());
        let flows = |id| seen(id).is_some_and(|seen| seen.pace.is_known_to_flow());
        if !self.lines[slot].wishes.iter().any(|(_, id)| flows(id)) {
            self.lines[slot].forget_rhythm(now.mono);
        }
    }

    /// Pongs come, data does not: everything is asked for once more.
    fn subscribe_anew(&mut self, now: Time, slot: usize) {
        let line = &mut self.lines[slot];
        let Phase::Live(live) = &mut line.phase else { return };
        live.renewed = Some(now.mono);
        let streams: Vec<_> = line.wishes.iter().map(|(stream, _)| stream.clone()).collect();
        for stream in &streams {
            line.wishes.renew(stream);
        }
        self.events.record(now, &format!("line {slot}"), ("live", "live"), "mute: subscribing again");
    }

    /// Asks the venue for a sign of life; one that was asked before may get less time.
    pub(super) fn ping(&mut self, now: Time, slot: usize, within: Duration) {
        let line = &mut self.lines[slot];
        let Phase::Live(live) = &mut line.phase else { return };
        if let Some(ping) = &mut live.ping {
            ping.deadline = ping.deadline.min(now.mono + within);
            return;
        }
        if !line.budget.try_take(now.mono, 1) {
            live.check_at = line.budget.next(now.mono);
            return;
        }
        let payload = self.rng.next_u64();
        live.ping = Some(PingOut { sent: now.mono, payload, deadline: now.mono + within });
        line.stats.sent += 1;
        self.actions.push_back(Action::Ping { line: line.id, payload: payload.to_be_bytes() });
    }

    pub(super) fn ponged(&mut self, now: Time, slot: usize, payload: &[u8]) {
        let line = &mut self.lines[slot];
        let silent_after = line.silent_after(&self.config.timing);
        let Phase::Live(live) = &mut line.phase else { return };
        let Some(ping) = live.ping.take_if(|ping| ping.payload.to_be_bytes() == payload) else { return };
        let trip = now.mono.since(ping.sent);
        line.round_trips.observe(trip);
        self.gate.streams[line.endpoint].quality.round_trip(now.mono, trip, &self.gate.scores);
        (line.last_frame, line.heard) = (now.mono, now.mono);
        if live.doubt.is_some() {
            live.check_at = now.mono + silent_after;
            self.answers(now, slot, "a pong came");
        }
    }
}
