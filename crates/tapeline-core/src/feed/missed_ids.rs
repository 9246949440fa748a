//! What one line missed of what another one brought: each delivers its ids in order, so an id that it passed over, and
//! that another one brought, it will not bring any more.

use crate::data::sequence::RESET_DISTANCE;
use crate::time::{Mono, Time};
use crate::venue::{LineId, TopicId};

use super::Feed;
use super::topics::Seen;
use super::witness::{Came, FURTHEST, Prints};

/// Lines that are looked at of one topic: as many as may carry it.
const LINES: usize = 4;

/// Ids that came on a line, and those of other lines that did not, since they were last told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Ids {
    pub(super) brought: u64,
    pub(super) missed: u64,
}

/// Where the ids of one topic stand on one connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Course {
    pub(super) line: LineId,
    /// The first id and the newest.
    first: u64,
    pub(super) last: u64,
    /// When the newest came.
    at: Mono,
    /// What was passed over last, both ends included; nothing if they cross.
    over: (u64, u64),
}

impl Course {
    pub(super) fn begin(line: LineId, id: u64, now: Time) -> Self {
        Self { line, first: id, last: id, at: now.mono, over: (1, 0) }
    }

    /// How many ids of a range it brought: what it passed over last is known to be missing, other than that it is whole.
    fn brought(&self, (from, to): (u64, u64)) -> u64 {
        let count = |from: u64, to: u64| (to + 1).saturating_sub(from);
        let (from, to) = (from.max(self.first), to.min(self.last).min(u64::MAX - 1));
        let over = count(from.max(self.over.0), to.min(self.over.1));
        count(from, to).saturating_sub(over)
    }

    /// An id that was passed over has come after all: something on the way has swapped them. Whether that is so.
    fn makes_good(&mut self, id: u64) -> bool {
        let (from, to) = self.over;
        let at_an_end = from <= to && (id == from || id == to);
        if at_an_end {
            self.over = if id == from { (from + 1, to) } else { (from, to - 1) };
        }
        at_an_end
    }
}

/// The courses of the lines that carry one topic.
#[derive(Debug, Default)]
pub(super) struct Courses([Option<Course>; LINES]);

impl Courses {
    /// Where a line stands; a place is made for one that is new.
    pub(super) fn of(&mut self, line: LineId) -> &mut Option<Course> {
        let place = |held: &Option<Course>| held.is_some_and(|course| course.line.slot == line.slot);
        let at = self.0.iter().position(place).or_else(|| self.0.iter().position(Option::is_none));
        let oldest = || (0..LINES).min_by_key(|at| self.0[*at].map(|course| course.at)).unwrap_or(0);
        let at = at.unwrap_or_else(oldest);
        &mut self.0[at]
    }
}

impl Courses {
    fn course(&self, line: LineId) -> Option<&Course> {
        self.0.iter().flatten().find(|course| course.line == line)
    }

    /// When a connection last brought an id.
    pub(super) fn latest(&self, line: LineId) -> Option<Mono> {
        self.course(line).map(|course| course.at)
    }

    /// The newest id that a connection brought.
    pub(super) fn newest(&self, line: LineId) -> Option<u64> {
        self.course(line).map(|course| course.last)
    }

    /// The id with which a connection began.
    pub(super) fn first(&self, line: LineId) -> Option<u64> {
        self.course(line).map(|course| course.first)
    }

    /// When another line than this one last brought an id, and that id.
    pub(super) fn newest_beside(&self, line: LineId) -> Option<(Mono, u64)> {
        let others = self.0.iter().flatten().filter(|course| course.line.slot != line.slot);
        others.map(|course| (course.at, course.last)).max()
    }

    /// How many ids of a range, both ends included, another line than this one brought, as far as it is known.
    pub(super) fn beside(&self, line: LineId, range: (u64, u64)) -> u64 {
        let others = self.0.iter().flatten().filter(|course| course.line.slot != line.slot);
        others.map(|course| course.brought(range)).max().unwrap_or(0)
    }

    /// A line has brought something of a topic whose ids are not in a row.
    pub(super) fn note(&mut self, line: LineId, id: u64, now: Time) {
        let held = self.of(line);
        match held {
            Some(course) if course.line == line => (course.last, course.at) = (id, now.mono),
            _ => *held = Some(Course::begin(line, id, now)),
        }
    }
}

impl Feed {
    /// A line has brought an id of a topic that another one carries too.
    #[inline]
    pub(super) fn follow_ids(&mut self, now: Time, slot: usize, (topic, id): (TopicId, u64), came: Came) {
        let Some(entry) = self.topics.get_mut(topic) else { return };
        let line = self.lines[slot].id;
        let courses = &mut Seen::of(&mut entry.seen).prints.get_or_insert_default().courses;
        if came == Came::First {
            // Those that are past it will not bring it.
            for other in courses.0.iter().flatten() {
                let past = other.line != line && other.first <= id && id < other.last;
                let of = self.lines.get_mut(other.line.slot as usize).filter(|of| past && of.is(other.line));
                if let Some(of) = of {
                    of.ids.missed += 1;
                }
            }
        }
        let course = courses.of(line);
        // What comes on one line again tells nothing of another.
        let behind = course.is_some_and(|course| course.line == line && course.last < id);
        match course {
            Some(course) if course.line == line && course.last.checked_add(1) == Some(id) => {
                (course.last, course.at) = (id, now.mono);
                self.lines[slot].ids.brought += 1;
            }
            _ => self.leap(now, slot, (topic, id), came),
        }
        if let (true, Came::Again(first)) = (behind, came) {
            self.measure_lag(now, slot, first);
        }
    }

    /// An id on a line does not follow the one before it.
    #[cold]
    fn leap(&mut self, now: Time, slot: usize, (topic, id): (TopicId, u64), came: Came) {
        let Some(route) = self.route_of(topic) else { return };
        let line = &mut self.lines[slot];
        let since = line.wishes.since(&route.stream);
        let Some(entry) = self.topics.get_mut(topic) else { return };
        let seen = Seen::of(&mut entry.seen);
        let Some(Prints { kept, courses, .. }) = seen.prints.as_deref_mut() else { return };
        // What is further back than what is kept was brought by another line if that was past it.
        let further = |courses: &Courses, (from, to): (u64, u64)| {
            courses.beside(line.id, (from, to.saturating_sub(FURTHEST)))
        };
        let newest = courses.newest(line.id);
        let missed = newest.filter(|last| *last < id).map_or(0, |last| further(courses, (last + 1, id - 1)));
        let held = courses.of(line.id);
        // What was said before it was subscribed to is no loss, nor are ids that start over.
        let goes_on = |course: &&mut Course| {
            let far = id.saturating_add(RESET_DISTANCE) < course.last;
            course.line == line.id && !far && since.is_some_and(|since| since <= course.at)
        };
        let Some(course) = held.as_mut().filter(goes_on) else {
            *held = Some(Course::begin(line.id, id, now));
            line.ids.brought += 1;
            return;
        };
        if id > course.last {
            line.ids.brought += 1;
            course.over = (course.last + 1, id - 1);
            line.ids.missed += kept.brought(course.over) + missed;
            (course.last, course.at) = (id, now.mono);
        } else if course.makes_good(id) {
            line.ids.brought += 1;
            line.ids.missed = line.ids.missed.saturating_sub(u64::from(matches!(came, Came::Again(_))));
        }
    }
}
