//! Watching over a live line: is it proven, is it silent, does it answer, and whose fault is it.

use std::time::Duration;

use crate::policy::fault::Fault;
use crate::time::Time;

use super::Feed;
use super::io::Action;
use super::line::{Phase, PingOut};

impl Feed {
    /// What a live line needs now: success told, silence judged, requests sent or repeated.
    pub(super) fn attend(&mut self, now: Time, slot: usize) {
        self.settle(now, slot);
        if self.is_blocked(self.lines[slot].id) {
            self.postpone(now, slot);
            return;
        }
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

    /// We have stopped reading because a subscriber that must not lose anything is slow: silence is our
    /// own doing, so nothing is concluded from it.
    fn postpone(&mut self, now: Time, slot: usize) {
        let timing = &self.config.timing;
        let line = &mut self.lines[slot];
        line.wishes.postpone(now.mono + timing.confirm_within);
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
        for line in self.lines.iter_mut().filter(|line| line.gated && !was_closed) {
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
        let Some(ping) = live.ping.clone() else { return true };
        if last_frame > ping.sent {
            // Data is a sign of life as good as a pong.
            live.ping = None;
            if ping.suspicious {
                self.tell_topics(now, slot);
            }
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
        let silent_after = line.arrivals.silent_after(timing.silent_min, timing.silent_max);
        let Phase::Live(live) = &mut line.phase else { return false };
        if live.check_at > now.mono {
            return true;
        }
        let late = now.mono.since(live.check_at);
        if late >= timing.silent_min / 4 {
            // We ourselves were not running: what the venue said meanwhile waits in the socket.
            live.check_at = now.mono + timing.silent_min / 4;
            return true;
        }
        let silence = now.mono.since(line.last_data);
        let suspicious = live.proven.is_some() && silence >= silent_after;
        if suspicious && silence >= silent_after * 3 && live.ping.is_none() {
            return self.mute(now, slot, silent_after);
        }
        if live.ping.is_none() && (suspicious || silence >= timing.ping_every) {
            let within = if suspicious {
                line.round_trips.deadline(crate::policy::silence::PONG_MIN, timing.pong_within)
            } else {
                timing.pong_within
            };
            live.check_at = now.mono + silent_after.min(timing.ping_every);
            self.ping(now, slot, within, suspicious);
            return true;
        }
        let due = line.last_data
            + if live.proven.is_some() { silent_after.min(timing.ping_every) } else { timing.ping_every };
        live.check_at = due.max(now.mono + timing.silent_min / 2);
        true
    }

    /// Pongs come, data does not: subscribe once more, then dial anew.
    fn mute(&mut self, now: Time, slot: usize, silent_after: Duration) -> bool {
        let line = &mut self.lines[slot];
        let Phase::Live(live) = &mut line.phase else { return false };
        if live.renewed.is_some_and(|at| at > line.last_data) {
            self.cut(now, slot, Fault::Transient, "pongs come but no data, also after subscribing again");
            return false;
        }
        live.renewed = Some(now.mono);
        live.check_at = now.mono + silent_after;
        let streams: Vec<_> = line.wishes.iter().map(|(stream, _)| stream.clone()).collect();
        for stream in &streams {
            line.wishes.renew(stream);
        }
        self.events.record(now, &format!("line {slot}"), ("live", "live"), "mute: subscribing again");
        true
    }

    fn ping(&mut self, now: Time, slot: usize, within: Duration, suspicious: bool) {
        let payload = self.rng.next_u64();
        let line = &mut self.lines[slot];
        let Phase::Live(live) = &mut line.phase else { return };
        if !line.budget.try_take(now.mono, 1) {
            live.check_at = line.budget.next(now.mono);
            return;
        }
        live.ping = Some(PingOut { sent: now.mono, payload, deadline: now.mono + within, suspicious });
        line.stats.sent += 1;
        self.actions.push_back(Action::Ping { line: line.id, payload: payload.to_be_bytes() });
        if suspicious {
            self.tell_topics(now, slot);
        }
    }

    pub(super) fn ponged(&mut self, now: Time, slot: usize, payload: &[u8]) {
        let line = &mut self.lines[slot];
        let Phase::Live(live) = &mut line.phase else { return };
        let Some(ping) = live.ping.take_if(|ping| ping.payload.to_be_bytes() == payload) else { return };
        line.round_trips.observe(now.mono.since(ping.sent));
        if ping.suspicious {
            let timing = &self.config.timing;
            live.check_at = now.mono + line.arrivals.silent_after(timing.silent_min, timing.silent_max);
        }
    }
}
