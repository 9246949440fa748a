//! On which lines a topic goes: on each side one that serves whatever becomes of a rotation, and on the one that is to
//! follow it.

use crate::time::Time;
use crate::venue::{Route, StreamName, TopicId};

use super::Feed;
use super::carriers::sides;
use super::line::Line;
use super::rotate::Role;

impl Feed {
    /// Puts a topic on a line of its group that has room, or on a new one; on one of each side, where two lines
    /// are to carry everything.
    pub(super) fn place(&mut self, now: Time, id: TopicId) {
        if self.is_set_aside(id) {
            return self.tell_set_aside(now, id);
        }
        let Some(Route { group, stream }) = self.route_of(id) else { return };
        let overlap = self.venue.profile().groups[usize::from(group)].overlap;
        for side in 0..sides(self.config.lines, overlap) {
            if self.is_placed(id, side) {
                continue;
            }
            // A line that follows another one may be given up, or never be opened: none goes there alone.
            let room = |line: &Line| {
                let open = matches!(line.role, Role::Own | Role::Leaving { .. });
                open && line.group == group && line.side == side && line.wishes.len() < line.capacity
            };
            let slot = match self.lines.iter().position(room) {
                Some(slot) => slot,
                None => self.new_line(now, group, side),
            };
            self.carry(now, id, slot, &stream);
            // And what one carries that is left soon, the other one is to carry by then.
            if let Role::Leaving { heir } = self.lines[slot].role {
                self.carry(now, id, heir, &stream);
            }
        }
        self.tell_topic(now, id);
    }

    /// Whether a line of a side carries a topic, other than one that is to follow another one.
    pub(super) fn is_placed(&self, id: TopicId, side: u8) -> bool {
        let stays = |slot: usize| {
            let line = &self.lines[slot];
            line.side == side && !matches!(line.role, Role::Heir { .. })
        };
        self.topics.get(id).is_some_and(|entry| entry.carriers.iter().any(stays))
    }

    /// A line is to carry a topic as `stream`.
    pub(super) fn carry(&mut self, now: Time, id: TopicId, slot: usize, stream: &StreamName) {
        let Some(entry) = self.topics.get_mut(id) else { return };
        if entry.carriers.add(slot) {
            let line = &mut self.lines[slot];
            line.wishes.want(&mut line.names, stream, id);
            self.wake_line(now, slot);
        }
    }

    /// The venue finds that a line has no room for a topic: that goes to another one.
    pub(super) fn no_room(&mut self, now: Time, slot: usize, id: TopicId) {
        let line = &mut self.lines[slot];
        if line.wishes.confirmed() == 0 && matches!(line.role, Role::Own) {
            // There is room on it: the venue has had enough of us for now, and another line would hear the same.
            self.give_up(now, id, slot);
            self.refusals.add(now.mono, id);
            return self.tell_topic(now, id);
        }
        line.capacity = line.wishes.len().max(1);
        let role = line.role;
        self.give_up(now, id, slot);
        match role {
            // It will never carry everything. The line that it was to follow does.
            Role::Heir { .. } => self.give_up_heir(now, slot, "its follower has no room for everything"),
            // What goes to another line now would be carried twice once the follower has taken over.
            Role::Leaving { heir } => self.give_up_heir(now, heir, "there is no room for everything"),
            Role::Own | Role::Retired => {}
        }
        self.place(now, id);
    }
}
