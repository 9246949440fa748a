//! By how much a line is behind another that carries the same: of every copy it is known when the first one came.

use crate::data::sequence::RESET_DISTANCE;
use crate::time::{Mono, Time};
use crate::venue::TopicId;

use super::Feed;
use super::missed_ids::Course;
use super::topics::Seen;
use super::witness::{Came, Prints};

impl Feed {
    /// A copy of an event has come on `slot`: how far it is behind the line that was first.
    pub(super) fn measure_lag(&mut self, now: Time, slot: usize, first_at: Mono) {
        let line = &mut self.lines[slot];
        let lag = now.mono.since(first_at);
        line.stats.lag = match line.stats.lag {
            // A running mean over about sixteen copies.
            Some(mean) => Some(mean.saturating_sub(mean / 16) + lag / 16),
            None => Some(lag),
        };
    }

    /// A change of a book that several lines carry has come on `slot`; `id` is the last that it covers.
    pub(super) fn follow_changes(&mut self, now: Time, slot: usize, (topic, id): (TopicId, u64)) {
        let Some(entry) = self.topics.get_mut(topic) else { return };
        let line = self.lines[slot].id;
        let prints = Seen::of(&mut entry.seen).prints.get_or_insert_default();
        let of_line = |course: &Option<Course>| course.filter(|course| course.line == line);
        let far = |course: Course| id.saturating_add(RESET_DISTANCE) < course.last;
        if of_line(prints.courses.of(line)).is_some_and(far) {
            // The ids start over.
            **prints = Prints::default();
        }
        let (came, _) = prints.kept.keep(now, id, None);
        let held = prints.courses.of(line);
        // What comes on one line again tells nothing of another.
        if of_line(held).is_some_and(|course| id <= course.last) {
            return;
        }
        *held = Some(Course::begin(line, id, now));
        if let Came::Again(first) = came {
            self.measure_lag(now, slot, first);
        }
    }
}
