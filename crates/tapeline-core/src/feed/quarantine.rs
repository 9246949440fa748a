//! Topics over which we panic again and again: each is set aside for a while, so that the others run on, and then tried
//! once more.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::data::topic::Topic;
use crate::data::update::Level;
use crate::defect::{Defect, planted};
use crate::time::{Mono, Time};
use crate::venue::{Sequencing, TopicId};

use super::Feed;
use super::pace::Pace;
use super::status::QuarantineStatus;
use super::topics::{Seen, Service};

/// The phase of a topic that is set aside.
pub(super) const QUARANTINED: &str = "quarantined";

/// So many panics within [`WITHIN`] set a topic aside; fewer cost their messages only. One bad message is told by two
/// lines at most, so that it takes two of them.
const PANICS: usize = 3;
const WITHIN: Duration = Duration::from_secs(60);
/// How long a topic is set aside the first time; each time after that twice as long, up to [`LONGEST`].
const FIRST: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(900);
/// A topic that was back for so long without a panic is as good as any other.
const FORGIVEN_AFTER: Duration = LONGEST;
/// Topics of which something is kept; the one that would be forgotten first goes.
const KEPT: usize = 1_024;

/// What was panicked over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    /// The translation of a message.
    Frame,
    /// The translation of a reply.
    Reply,
    /// What it said: the feed was lost by it.
    Content,
}

impl Over {
    const fn text(self) -> &'static str {
        match self {
            Self::Frame => "the translation of its messages panicked",
            Self::Reply => "the translation of replies about it panicked",
            Self::Content => "the feed crashed over it",
        }
    }
}

/// What is kept of a topic over which we panicked.
#[derive(Debug, Clone)]
struct Case {
    /// When those panics were that have not set it aside: the latest, fewer than [`PANICS`].
    panics: Vec<Mono>,
    /// How often it was set aside.
    times: u32,
    /// Until when it is set aside, if it is.
    until: Option<Mono>,
    /// When it is as good as any other again, if nothing happens.
    forgiven: Mono,
    over: Over,
}

impl Case {
    /// How long it is, or was last, set aside.
    fn term(&self) -> Duration {
        let doublings = self.times.saturating_sub(1).min(8);
        (FIRST * (1 << doublings)).min(LONGEST)
    }
}

/// The topics over which we panicked lately. Survives a crash of the feed.
#[derive(Debug, Default)]
pub(super) struct Quarantine(BTreeMap<Topic, Case>);

impl Quarantine {
    /// We panicked over a topic; whether that sets it aside. One that was set aside before, and one that cost the whole
    /// feed, gets no second chance.
    pub(super) fn panicked(&mut self, now: Mono, topic: &Topic, over: Over) -> bool {
        self.forgive_old(now);
        if self.0.len() >= KEPT && !self.0.contains_key(topic) {
            let first = self.0.iter().min_by_key(|(_, case)| case.forgiven);
            if let Some(first) = first.map(|(topic, _)| topic.clone()) {
                self.0.remove(&first);
            }
        }
        let fresh = Case { panics: Vec::new(), times: 0, until: None, forgiven: now + WITHIN, over };
        let case = self.0.entry(topic.clone()).or_insert(fresh);
        if case.until.is_some() {
            // Something of it was on its way still.
            return false;
        }
        case.over = over;
        // Any minute counts, not only one that begins with a panic after a quiet time.
        case.panics.retain(|at| now < *at + WITHIN);
        case.panics.push(now);
        if over != Over::Content && case.times == 0 && case.panics.len() < PANICS {
            case.forgiven = now + WITHIN;
            return false;
        }
        case.times += 1;
        let until = now + case.term();
        case.panics.clear();
        (case.until, case.forgiven) = (Some(until), until + FORGIVEN_AFTER);
        true
    }

    fn forgive_old(&mut self, now: Mono) {
        self.0.retain(|_, case| case.until.is_some() || case.forgiven > now);
    }

    /// Those whose time is up; none is set aside any more.
    fn release(&mut self, now: Mono) -> Vec<Topic> {
        let due = |case: &Case| case.until.is_some_and(|until| until <= now);
        let due = self.0.iter_mut().filter(|(_, case)| due(case));
        due.map(|(topic, case)| {
            case.until = None;
            case.forgiven = now + FORGIVEN_AFTER;
            topic.clone()
        })
        .collect()
    }

    /// An operator gives all of them another chance; with `forgiven`, a first one.
    pub(super) fn lift(&mut self, now: Mono, forgiven: bool) {
        if forgiven {
            return self.0.clear();
        }
        for case in self.0.values_mut().filter(|case| case.until.is_some()) {
            (case.until, case.forgiven) = (None, now + FORGIVEN_AFTER);
        }
    }

    fn of(&self, topic: &Topic) -> Option<(&Case, Mono)> {
        let case = self.0.get(topic)?;
        Some((case, case.until?))
    }

    /// When the first of them is tried again.
    fn deadline(&self) -> Option<Mono> {
        self.0.values().filter_map(|case| case.until).min()
    }
}

impl Feed {
    /// We panicked over a message or a reply of a topic.
    #[cold]
    pub(super) fn panicked_over(&mut self, now: Time, id: TopicId, over: Over) {
        let Some(entry) = self.topics.get(id) else { return };
        if self.quarantine.panicked(now.mono, &entry.topic, over) {
            self.set_aside(now, id);
            self.drive(now);
        }
    }

    /// Whether a topic is set aside.
    pub(super) fn is_set_aside(&self, id: TopicId) -> bool {
        self.topics.get(id).is_some_and(|entry| self.quarantine.of(&entry.topic).is_some())
    }

    /// Nothing of a topic is asked for or published until its time is up.
    fn set_aside(&mut self, now: Time, id: TopicId) {
        let route = self.route_of(id);
        // What had come before is whole. It goes out, as it would if its line had broken.
        self.settle_early(now, id);
        while self.topics.get(id).is_some_and(|entry| entry.sequence.held() > 0) {
            self.declare(now, id);
        }
        self.disown(now, id);
        self.holes.remove(&id);
        self.repairs.forget(id);
        self.missed.forget(id);
        self.fetches.forget(id);
        self.fallback.forget(id);
        let Some(entry) = self.topics.get_mut(id) else { return };
        if entry.sequencing == Sequencing::Contiguous {
            // The next id tells what was missed.
            entry.begin_outage();
        }
        entry.doubted = false;
        let carriers = std::mem::take(&mut entry.carriers);
        if let Some(route) = route {
            carriers.iter().for_each(|slot| self.uncarry(now, slot, &route.stream));
        }
        self.let_go(now, id);
        self.tell_set_aside(now, id);
    }

    /// Tells the readers of a topic that it is set aside. The reason holds no figures that run.
    pub(super) fn tell_set_aside(&mut self, now: Time, id: TopicId) {
        let Some(entry) = self.topics.get_mut(id) else { return };
        let Some((case, _)) = self.quarantine.of(&entry.topic) else { return };
        let seconds = case.term().as_secs();
        let reason: Box<str> = format!("quarantined for {seconds} s: {}", case.over.text()).into();
        if entry.service.phase != QUARANTINED {
            self.events.record(now, entry.topic.as_str(), (entry.service.phase, QUARANTINED), &reason);
        }
        let service = Service { level: Level::Critical, phase: QUARANTINED, source: entry.kept(), reason };
        entry.serve(&mut self.readers, now, service, false);
        self.note_service(now, id);
    }

    /// Topics whose time is up are asked for again, as if they were new: what they missed meanwhile shows.
    pub(super) fn end_quarantines(&mut self, now: Time) {
        if self.stopping || self.quarantine.deadline().is_none_or(|at| at > now.mono) {
            return;
        }
        if planted(Defect::EndlessQuarantine) {
            return;
        }
        for topic in self.quarantine.release(now.mono) {
            if let Some(id) = self.topics.id(&topic) {
                self.take_back(now, id, "its time is over");
                self.place(now, id);
            }
        }
    }

    /// A topic is not set aside any more; it still has to be placed.
    pub(super) fn take_back(&mut self, now: Time, id: TopicId, cause: &str) {
        let Some(entry) = self.topics.get_mut(id) else { return };
        entry.service.phase = "idle";
        self.events.record(now, entry.topic.as_str(), (QUARANTINED, "idle"), cause);
        // That nothing came meanwhile tells nothing of how fast it comes.
        Seen::of(&mut entry.seen).pace = Pace::default();
        self.fallback.topics_changed();
    }

    /// When the next topic is tried again.
    pub(super) fn quarantine_deadline(&self) -> Option<Mono> {
        self.quarantine.deadline().filter(|_| !self.stopping && !planted(Defect::EndlessQuarantine))
    }

    /// How a topic that is set aside stands.
    pub(super) fn quarantine_of(&self, now: Mono, topic: &Topic) -> Option<QuarantineStatus> {
        let (case, until) = self.quarantine.of(topic)?;
        Some(QuarantineStatus { times: case.times, left_ms: until.since(now).as_millis() as u64 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Mono {
        Mono::default() + Duration::from_secs(1_000 + seconds)
    }

    fn topic(name: &str) -> Topic {
        name.parse().unwrap()
    }

    #[test]
    fn three_panics_within_a_minute_set_a_topic_aside_and_two_do_not() {
        let (mut held, one) = (Quarantine::default(), topic("toy:trade:A"));
        let mut panics = |seconds: u64| held.panicked(at(seconds), &one, Over::Frame);
        assert_eq!([panics(0), panics(1), panics(61), panics(62)], [false; 4], "old ones are forgotten");
        assert!(panics(63));
        assert!(!held.panicked(at(0), &topic("toy:trade:B"), Over::Frame), "each has its own");
        assert!(held.panicked(at(0), &topic("toy:trade:C"), Over::Content), "a crash is dear");
    }

    #[test]
    fn the_minute_of_three_panics_may_begin_with_any_of_them() {
        let mut held = Quarantine::default();
        let mut panics = |name: &str, seconds: [u64; 4]| {
            seconds.map(|seconds| held.panicked(at(seconds), &topic(name), Over::Frame))
        };
        assert_eq!(panics("toy:trade:A", [0, 59, 61, 62]), [false, false, false, true]);
        assert_eq!(panics("toy:trade:B", [100, 130, 160, 189]), [false, false, false, true]);
        assert_eq!(panics("toy:trade:C", [200, 230, 260, 290]), [false; 4]);
    }

    #[test]
    fn each_time_is_twice_as_long_up_to_fifteen_minutes() {
        let (mut held, one) = (Quarantine::default(), topic("toy:trade:A"));
        let (mut now, mut terms) = (0, Vec::new());
        for _ in 0..6 {
            assert!(held.panicked(at(now), &one, Over::Content));
            let until = held.deadline().unwrap().since(at(now)).as_secs();
            terms.push(until);
            now += until;
            assert!(held.release(at(now - 1)).is_empty());
            assert_eq!(held.release(at(now)), std::slice::from_ref(&one));
            assert_eq!(held.deadline(), None);
        }
        assert_eq!(terms, [60, 120, 240, 480, 900, 900]);
    }

    #[test]
    fn one_panic_is_enough_for_a_topic_that_is_just_back() {
        let (mut held, one) = (Quarantine::default(), topic("toy:trade:A"));
        assert!(held.panicked(at(0), &one, Over::Content));
        held.release(at(60));
        assert!(held.panicked(at(900), &one, Over::Frame));
        assert_eq!(held.deadline(), Some(at(1_020)));
        held.release(at(1_020));
        assert!(!held.panicked(at(1_920), &one, Over::Frame), "after 15 minutes it is as good as any");
    }

    #[test]
    fn an_operator_gives_another_chance_or_a_first_one() {
        let (mut held, one) = (Quarantine::default(), topic("toy:trade:A"));
        assert!(held.panicked(at(0), &one, Over::Content));
        held.lift(at(1), false);
        assert!(held.panicked(at(2), &one, Over::Frame));
        assert_eq!(held.deadline(), Some(at(122)));
        held.lift(at(3), true);
        assert!(!held.panicked(at(4), &one, Over::Frame));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut held = Quarantine::default();
        for n in 0..2 * KEPT {
            held.panicked(at(0), &topic(&format!("toy:trade:S{n}")), Over::Content);
        }
        assert_eq!(held.0.len(), KEPT);
    }
}
