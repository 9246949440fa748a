//! What the fallback ladder is told of the lines and of REST.

use crate::policy::breaker;
use crate::policy::ladder::Facts;
use crate::time::Time;

use super::Feed;
use super::line::Line;
use super::rotate::Role;
use super::topics::State;

/// Snapshots of a book that were of no use in a row, before nobody waits for it any more.
const HOPELESS: u32 = 3;

/// Whether a line serves: it is live, and has shown that it carries data, or has reason not to have yet.
fn serves(line: &Line) -> bool {
    let quiet = || line.wishes.confirmed() == line.wishes.len() && line.fruitless == 0;
    line.stands() && (line.live().is_some_and(|live| live.proven.is_some()) || quiet())
}

impl Feed {
    pub(super) fn facts(&mut self, now: Time) -> Facts {
        let wanted = |line: &&Line| !line.wishes.is_empty() && !matches!(line.role, Role::Heir { .. });
        let count = self.lines.iter().filter(wanted).count();
        let serving = self.lines.iter().filter(wanted).filter(|line| serves(line)).count();
        // A quiet market is waited for, until REST may know more of it; one that is known to be busy is not.
        let timing = &self.config.timing;
        let waits = |line: &&Line| line.is_overdue(now.mono, timing) || line.is_late(now.mono, timing);
        let brings = self.lines.iter().filter(wanted).any(|line| serves(line) && !waits(&line));
        let down = count > 0 && !brings && (serving == 0 || self.poll_cost().0 > 0);
        let since = &mut self.fallback.down_since;
        *since = if down { since.or(Some(now.mono)) } else { None };
        let down_since = *since;
        let places = self.gate.streams.len().max(1);
        let in_place = |line: &Line| line.endpoint == usize::from(line.side) % places;
        let whole =
            serving == count && self.lines.iter().filter(wanted).all(|line| in_place(line) || places == 1);
        let closed = |state| matches!(state, breaker::State::Open | breaker::State::ForcedOpen);
        let breakers_open = self.gate.streams.iter().all(|endpoint| closed(endpoint.breaker.state(now.mono)));
        let (topics, weight) = if down || self.fallback.polls_now() { self.poll_cost() } else { (0, 0) };
        Facts {
            down_since,
            whole,
            complete: self.carries_everything() && !self.has_unready(),
            breakers_open,
            pollable: topics > 0,
            rest_ok: self.fallback.rest_ok,
            // Where nothing can be asked nothing is answered.
            rest_owed: if self.fallback.polled() == 0 { self.fallback.rest_ok } else { self.fallback.owed },
            affordable: self.pause_for(weight) <= self.config.timing.poll_every,
        }
    }

    /// Whether everything wanted is carried: by every line, or by all of one side.
    fn carries_everything(&self) -> bool {
        let wanted = |line: &&Line| !line.wishes.is_empty() && !matches!(line.role, Role::Heir { .. });
        let fails = |group: u8, side: u8| {
            let own = |line: &&Line| wanted(line) && (line.group, line.side) == (group, side);
            self.lines.iter().filter(own).any(|line| !serves(line))
        };
        let has = |group: u8, side: u8| {
            self.lines.iter().any(|line| wanted(&line) && (line.group, line.side) == (group, side))
        };
        let groups = self.lines.iter().filter(wanted).map(|line| line.group);
        groups.into_iter().all(|group| (0..2).any(|side| has(group, side) && !fails(group, side)))
    }

    /// Whether a topic that is read waits for its confirmation or for its book.
    fn has_unready(&self) -> bool {
        self.topics.iter().any(|(id, entry)| {
            let unready = matches!(&entry.state, State::Book(book) if book.last_id().is_none());
            // One of which nothing useful comes does not keep all the others on REST.
            let hopeless = self.snapshots.tries(id) >= HOPELESS;
            unready && !hopeless && !entry.readers.is_empty() && !entry.is_withheld()
        })
    }
}
