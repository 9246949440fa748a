//! What REST was asked for, and what its answers end.

use super::super::super::oracle::number_after;
use super::{Honest, Line};

/// No reply holds more events.
const REPLY: usize = 1_000;

/// Something that REST was asked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Asked {
    /// News, and whether a line has carried the topic since.
    News(bool),
    /// What lies in a hole.
    Hole(u64, u64),
    /// A whole book.
    Book,
}

impl Asked {
    /// No line carries the topic any more: whether the answer still counts. News do not tell everything then.
    pub(super) const fn outlives_a_cut(&mut self) -> bool {
        if let Self::News(carried) = self {
            *carried = false;
        }
        !matches!(self, Self::Book)
    }
}

impl Honest {
    /// REST is asked for something. News that are asked for while a line carries the topic tell all that was missed:
    /// what is later than the question comes from the line.
    pub(super) fn fetches(&mut self, topic: &str, rest: &str) {
        let Some((id, why)) = rest.split_once(' ') else { return };
        let course = self.topics.iter_mut().find(|(known, _)| known.as_str() == topic);
        let (Some((_, course)), Ok(id)) = (course, id.parse()) else { return };
        let carries = |(slot, dial): (&u32, &u32)| {
            self.lines.get(slot).is_some_and(|line: &Line| line.serves() && line.dial == Some(*dial))
        };
        let hole = number_after(why.as_bytes(), b"from: ").zip(number_after(why.as_bytes(), b"to: "));
        let asked = match hole {
            Some((from, to)) => Asked::Hole(from, to),
            None if why == "Snapshot" => Asked::Book,
            None => Asked::News(course.agreed.iter().any(carries)),
        };
        course.asked.insert(id, asked);
    }

    /// REST has answered. What comes while others read, and not the reader of everything, is taken to reach them.
    pub(super) fn brought(&mut self, id: u64, rest: &str) {
        let newest = rest.rsplit_once(", the venue was at ").and_then(|(_, newest)| newest.parse().ok());
        for course in self.topics.values_mut() {
            let asked = course.asked.remove(&id).filter(|_| rest.contains(" things"));
            let watched = course.readers.contains(&self.watcher);
            let Some(asked) = asked else { continue };
            if matches!(asked, Asked::Book) && !watched {
                course.based = newest;
                course.rebuild();
            }
            let Some(ids) = &mut course.ids else { continue };
            if let Asked::News(true) = asked {
                ids.told = ids.told.max(newest);
            }
            let from = ids.through.saturating_add(1);
            let (from, to) = match asked {
                Asked::News(_) => (from, newest.unwrap_or(0)),
                Asked::Hole(first, last) => (first.max(from), last),
                Asked::Book => continue,
            };
            if !watched && ids.through > 0 {
                (from..=to).take(REPLY).for_each(|id| ids.came(id));
            }
        }
    }
}
