//! Topics that fall mute while their siblings flow: found by their own pace, and subscribed anew alone.

use std::time::Duration;

use crate::defect::{Defect, planted};
use crate::time::{Mono, Time};
use crate::venue::TopicId;

use super::Feed;

/// Looks at the paces of all topics per [`mute_after`](crate::config::Timing::mute_after).
pub(super) const LOOKS: u32 = 4;
/// Slower topics are not judged: their silence means nothing.
const LEAST_PER_SECOND: f32 = 0.75;
/// How fast the mean follows, in seconds.
const MEMORY: f32 = 60.0;
/// So much of the mean must be known before anything is concluded from it (six seconds).
const LEAST_KNOWN: f32 = 0.1;
/// Pauses of so many looks are usual for a topic that flows.
const STEADY: f32 = 2.5;
/// One that is used to longer pauses is borne so many of them.
const PAUSES: f32 = 4.0;
/// A topic that stays mute is asked for again after twice the time each time, up to so many doublings.
const DOUBLINGS: u8 = 6;

/// How fast the messages of one topic come. Nothing is done per message but what is counted anyway.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pace {
    /// Messages at the last look that found any, and when that was.
    counted: u64,
    at: Mono,
    /// Messages per second, times what is known of the mean.
    sum: f32,
    known: f32,
    /// How long the pauses between looks that find something are, in seconds, each weighted by its length.
    pause: f32,
    /// When it was last subscribed again, and how often since its last message.
    asked: Mono,
    tries: u8,
}

impl Pace {
    /// Takes in how many messages there have been; whether there were new ones.
    fn look(&mut self, now: Mono, received: u64) -> bool {
        let first = self.at == Mono::default();
        let new = received.saturating_sub(self.counted);
        if new == 0 && !first {
            return false;
        }
        let seconds = now.since(self.at).as_secs_f32();
        if !first && seconds > 0.0 {
            let weight = 1.0 - (-seconds / MEMORY).exp();
            self.sum += weight * (new as f32 / seconds - self.sum);
            self.known += weight * (1.0 - self.known);
            self.pause += weight * (seconds - self.pause);
        }
        (self.counted, self.at, self.tries) = (received, now, 0);
        true
    }

    pub(super) fn is_known_to_flow(&self) -> bool {
        self.known >= LEAST_KNOWN && self.sum >= LEAST_PER_SECOND * self.known
    }

    /// How long it may be silent: as long as any, or so many of its own pauses if it comes in bursts.
    fn patience(&self, usual: Duration) -> Duration {
        if self.pause <= self.known * STEADY * (usual / LOOKS).as_secs_f32() {
            return usual;
        }
        Duration::try_from_secs_f32(PAUSES * self.pause / self.known).map_or(usual, |own| own.max(usual))
    }

    /// How long it may be silent after it was last heard, or last subscribed again: the same once more, then longer
    /// each time.
    fn borne(&self, usual: Duration) -> Duration {
        self.patience(usual) * (1 << self.tries.saturating_sub(1))
    }

    /// It was subscribed again.
    fn ask(&mut self, now: Mono) {
        self.asked = now;
        self.tries = (self.tries + 1).min(DOUBLINGS);
        // What it was like before counts less each time, so that a topic that has just become rare is
        // left alone in the end; but what the first try did not bring, the second may.
        if self.tries > 1 {
            self.sum *= 0.5;
        }
    }
}

impl Feed {
    /// Looks for topics that have fallen mute on lines that flow.
    pub(super) fn look_for_mute(&mut self, now: Time) {
        if self.pace_at > now.mono {
            return;
        }
        self.pace_at = now.mono + (self.config.timing.mute_after / LOOKS).max(Duration::from_millis(1));
        let mut awake = Vec::new();
        let mut mute = Vec::new();
        for (id, entry) in self.topics.iter_mut() {
            let Some(seen) = entry.seen.as_deref_mut() else { continue };
            if seen.pace.look(now.mono, seen.counts.received) {
                if entry.ailment.as_ref().is_some_and(|ailment| ailment.mute) {
                    awake.push(id);
                }
            } else if seen.pace.is_known_to_flow() {
                mute.push(id);
            }
        }
        for id in awake {
            if let Some(ailment) = self.ailment(now, id) {
                ailment.mute = false;
            }
            self.tell_topic(now, id);
        }
        mute.retain(|id| self.is_mute(now, *id) && !planted(Defect::MissMutedTopic));
        for id in mute {
            self.subscribe_again(now, id);
        }
        self.look_for_stragglers(now);
        // All topics were looked at anyway.
        self.examine(now);
    }

    /// Whether a topic is silent for too long although its line is not.
    fn is_mute(&self, now: Time, id: TopicId) -> bool {
        let timing = &self.config.timing;
        let Some(entry) = self.topics.get(id) else { return false };
        let (Some(slot), Some(seen)) = (self.speaker(entry), entry.seen.as_ref()) else { return false };
        let line = &self.lines[slot];
        let (Some(live), Some(last)) = (line.live(), seen.last_at) else { return false };
        let patience = line.silent_after(timing);
        let siblings_flow = live.doubt.is_none()
            && line.last_data > last.mono
            && now.mono.since(line.last_data) < patience
            && !self.is_blocked(line.id);
        let since = last.mono.max(live.since).max(seen.pace.asked);
        siblings_flow && now.mono.since(since) >= seen.pace.borne(timing.mute_after)
    }

    fn subscribe_again(&mut self, now: Time, id: TopicId) {
        let Some(route) = self.route_of(id) else { return };
        let Some(entry) = self.topics.get_mut(id) else { return };
        let Some(seen) = entry.seen.as_deref_mut() else { return };
        seen.pace.ask(now.mono);
        // To ask once more loses nothing; to leave it first loses what comes meanwhile, if it was not mute after all.
        let (tries, leave) = (seen.pace.tries, seen.pace.tries > 1);
        let cause = "mute while others flow: subscribing again";
        self.events.record(now, entry.topic.as_str(), ("live", "live"), cause);
        let carriers = entry.carriers;
        let has = |slot: &usize| self.lines[*slot].wishes.is_confirmed(&route.stream);
        let asked: Vec<usize> = carriers.iter().filter(has).collect();
        // Only one of two lines leaves it at a time: what comes meanwhile comes on the other.
        let turn = usize::from(tries) % asked.len().max(1);
        for (place, slot) in asked.into_iter().enumerate() {
            if !leave || place == turn {
                self.lines[slot].wishes.reopen(&route.stream, leave);
            }
        }
        if let Some(ailment) = self.ailment(now, id) {
            ailment.mute = true;
        }
        self.tell_topic(now, id);
        for slot in carriers.iter() {
            self.speak(now, slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_is_known_after_some_seconds_and_forgotten_by_asking() {
        let at = |seconds| Mono::default() + Duration::from_secs(seconds);
        let mut pace = Pace::default();
        assert!(pace.look(at(1), 3));
        for second in 2..=12 {
            assert!(!pace.is_known_to_flow() || second > 6, "known after {second} s");
            assert!(pace.look(at(second), 3 + 2 * (second - 1)));
        }
        assert!(pace.is_known_to_flow());
        assert!(!pace.look(at(20), 25));
        pace.ask(at(20));
        pace.ask(at(40));
        assert!(pace.is_known_to_flow());
        pace.ask(at(60));
        assert!(!pace.is_known_to_flow());
    }

    #[test]
    fn a_topic_that_comes_in_bursts_is_borne_its_own_pauses() {
        let after = |pause: usize, burst: u64| {
            let mut pace = Pace::default();
            for (index, second) in (1..900).step_by(pause).enumerate() {
                pace.look(Mono::default() + Duration::from_secs(second), burst * index as u64);
            }
            assert!(pace.is_known_to_flow());
            pace.patience(Duration::from_secs(20)).as_secs()
        };
        assert_eq!((after(5, 5), after(10, 50)), (20, 20));
        assert!((195..=200).contains(&after(50, 100)), "{}", after(50, 100));
    }

    #[test]
    fn a_slow_topic_is_not_judged() {
        let mut pace = Pace::default();
        for (index, second) in (1..600).step_by(3).enumerate() {
            pace.look(Mono::default() + Duration::from_secs(second), index as u64);
        }
        assert!(!pace.is_known_to_flow());
    }
}
