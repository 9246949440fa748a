//! What a frame or a reply said, and whose it is.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use crate::data::event::Level;
use crate::data::sequence::{Declared, Missing, RESET_DISTANCE};
use crate::data::update::Data;
use crate::defect::{Defect, planted};
use crate::policy::fault::Fault;
use crate::time::Unix;

use super::TopicId;

/// Why a frame could not be translated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not the syntax of the venue (truncated, not JSON, two values, bad UTF-8).
    #[error("syntax: {0}")]
    Syntax(&'static str),
    /// A field that must be there is not.
    #[error("field `{0}` is missing")]
    Missing(&'static str),
    /// A field holds what it must not hold.
    #[error("field `{field}`: expected {expected}")]
    Field {
        /// The field's path.
        field: &'static str,
        /// What should stand there.
        expected: &'static str,
    },
    /// An event this adapter does not know. Counted apart; not a fault of the venue.
    #[error("unknown event `{0}`")]
    Unknown(String),
}

impl DecodeError {
    /// The word for counters.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Syntax(_) => "syntax",
            Self::Missing(_) => "missing_field",
            Self::Field { .. } => "bad_field",
            Self::Unknown(_) => "unknown_event",
        }
    }
}

/// What a frame or a reply said. Reused: no allocation per frame once warm.
#[derive(Debug, Default)]
pub struct Decoded {
    /// In the order of the frame.
    pub items: Vec<Item>,
    /// Price levels that depth items refer to.
    pub levels: Vec<Level>,
    /// The id after the last delivered one by topic, kept by the feed, for [`Decoded::wants`]; 0 = none yet.
    pub(crate) next: Vec<u64>,
    /// What was declared missing lately, by topic, kept by the feed, for [`Decoded::wants`].
    pub(crate) declared: BTreeMap<TopicId, Declared>,
    /// Ids of which a reply told, by leaving them out, that there was nothing; a line may know better.
    pub(crate) voids: BTreeMap<TopicId, Declared>,
    /// Copies that [`Decoded::wants`] refused since the feed last looked.
    pub(crate) refused: Vec<(TopicId, u64)>,
}

/// One thing a venue said.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// A market event of one topic.
    Market {
        /// Whose.
        topic: TopicId,
        /// The venue's id, by the channel's [`Sequencing`](super::Sequencing); 0 where it has none.
        id: u64,
        /// The venue's time.
        time: Option<Unix>,
        /// The event.
        data: Data,
    },
    /// Ids that were spent without an event: they count as received, nothing is delivered.
    Spent {
        /// Whose.
        topic: TopicId,
        /// The id.
        id: u64,
    },
    /// Changed levels of a book. `levels` indexes [`Decoded::levels`]: bids, then asks.
    Depth {
        /// Whose.
        topic: TopicId,
        /// The venue's time.
        time: Option<Unix>,
        /// The ids covered and how they chain.
        span: Span,
        /// Bids, then asks.
        levels: Range<u32>,
        /// How many of them are bids.
        bids: u32,
    },
    /// A whole book (a REST snapshot, or a partial-depth frame).
    Levels {
        /// Whose; ignored in replies, which belong to the topic asked for.
        topic: TopicId,
        /// The venue's time.
        time: Option<Unix>,
        /// The update id of this state.
        last: u64,
        /// Bids, then asks, best first.
        levels: Range<u32>,
        /// How many of them are bids.
        bids: u32,
    },
    /// A request was accepted.
    Accepted {
        /// Our request id.
        request: u64,
        /// The venue's handle, where it gives one.
        handle: Option<u64>,
    },
    /// A request was refused. Without an id it applies to the oldest outstanding one.
    Rejected {
        /// Our request id, if the venue says.
        request: Option<u64>,
        /// The class.
        fault: Fault,
        /// What the venue said.
        reason: Box<str>,
    },
    /// The venue has greeted, and waits for a login.
    Greeting,
    /// Our keys were accepted.
    LoggedIn {
        /// How much longer they are taken, if the venue says.
        life: Option<Duration>,
    },
    /// Our keys were refused ([`Fault::Authentication`]), or cannot be taken now ([`Fault::RateLimited`]).
    LoginRefused {
        /// The class.
        fault: Fault,
        /// What the venue said; nothing of the keys.
        reason: Box<str>,
    },
    /// The venue lives; nothing else is meant.
    Alive,
    /// Data of a stream that nobody on this line wants (any more): normal just after leaving it, so it is
    /// counted and ignored.
    Unrouted,
    /// The venue will close this connection soon.
    Goodbye,
    /// How much of the REST budget the venue counts as used in the running window.
    Weight {
        /// The venue's figure.
        used: u32,
    },
}

/// The update ids one depth message covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// First id covered.
    pub first: u64,
    /// Last id covered.
    pub last: u64,
    /// The last id of the message before, where the venue chains by it.
    pub previous: Option<u64>,
}

impl Decoded {
    /// Empties the buffers, keeping their memory.
    #[inline]
    pub fn clear(&mut self) {
        self.items.clear();
        self.levels.clear();
    }

    /// Whether `id` is the newest one delivered.
    pub(crate) fn is_newest(&self, topic: TopicId, id: u64) -> bool {
        self.next.get(topic.0 as usize).is_some_and(|next| id.saturating_add(1) == *next)
    }

    /// Notes the last id delivered, for [`Decoded::wants`].
    #[inline]
    pub(crate) fn see(&mut self, topic: TopicId, id: u64) {
        let index = topic.0 as usize;
        if index >= self.next.len() {
            self.next.resize(index + 1, 0);
        }
        self.next[index] = id.saturating_add(1);
    }

    /// Notes what was declared missing: it is wanted still, if it comes late.
    pub(crate) fn declare(&mut self, topic: TopicId, missing: Missing) {
        self.declared.entry(topic).or_default().add(missing);
    }

    /// What was declared missing first and has not come.
    pub(crate) fn declared_next(&self, topic: TopicId, id: u64) -> Option<Missing> {
        self.declared.get(&topic)?.next(id)
    }

    /// What was declared missing between two ids will not come.
    pub(crate) fn give_up(&mut self, topic: TopicId, gone: Missing) {
        if let Some(declared) = self.declared.get_mut(&topic) {
            declared.give_up(gone);
        }
    }

    /// Takes out what was declared missing of a topic …
    pub(crate) fn take_declared(&mut self, topic: TopicId) -> Option<Declared> {
        self.declared.remove(&topic)
    }

    /// … for the decoder that comes after this one.
    pub(crate) fn redeclare(&mut self, topic: TopicId, declared: Declared) {
        self.declared.insert(topic, declared);
    }

    /// An id below the last one delivered has come; whether it was declared missing. It is so once.
    pub(crate) fn take_late(&mut self, topic: TopicId, id: u64) -> bool {
        self.declared.get_mut(&topic).is_some_and(|declared| declared.take(id))
    }

    /// Notes an id of which a reply told that there was nothing.
    pub(crate) fn leave_out(&mut self, topic: TopicId, id: u64) {
        self.voids.entry(topic).or_default().add(Missing { from: id, to: id });
    }

    /// An id has come of which a reply told that there was nothing; whether it was so. It is so once.
    pub(crate) fn take_void(&mut self, topic: TopicId, id: u64) -> bool {
        self.voids.get_mut(&topic).is_some_and(|voids| voids.take(id))
    }

    /// The ids of a topic start over: nothing of what went before can come late.
    pub(crate) fn restart(&mut self, topic: TopicId) {
        self.declared.remove(&topic);
        self.voids.remove(&topic);
    }

    /// Forgets a topic's ids: its slot may be given to another.
    pub(crate) fn forget(&mut self, topic: TopicId) {
        self.restart(topic);
        if let Some(next) = self.next.get_mut(topic.0 as usize) {
            *next = 0;
        }
    }

    /// Whether the event with this id is still wanted. A copy from a second line is refused (and
    /// counted) before it is fully decoded; ids far below are let through: the venue may have reset. So are
    /// those that were declared missing.
    #[inline]
    pub fn wants(&mut self, topic: TopicId, id: u64) -> bool {
        let next = self.next.get(topic.0 as usize).copied().unwrap_or(0);
        let copies = planted(Defect::DeliverDuplicate) && id.saturating_add(1) == next
            || planted(Defect::DeliverSecondCopy);
        id >= next || copies || self.wants_old(topic, id, next)
    }

    /// Whether an id below the next one is wanted: as a reset, or since it was declared missing.
    #[cold]
    fn wants_old(&mut self, topic: TopicId, id: u64, next: u64) -> bool {
        let holds = |ranges: &BTreeMap<TopicId, Declared>| ranges.get(&topic).is_some_and(|it| it.holds(id));
        let wanted =
            id.saturating_add(RESET_DISTANCE + 1) < next || holds(&self.declared) || holds(&self.voids);
        if !wanted {
            self.refused.push((topic, id));
        }
        wanted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_refused_and_the_first_id_is_never_one() {
        let (mut out, topic) = (Decoded::default(), TopicId(3));
        assert!(out.wants(topic, 0), "ids may begin at zero");
        out.see(topic, 0);
        assert!(!out.wants(topic, 0));
        assert!(out.wants(topic, 1));
        out.see(topic, 5_000);
        assert!(!out.wants(topic, 5_000));
        assert!(!out.wants(topic, 4_000));
        assert!(out.wants(topic, 3_999), "the venue may have started over");
        out.forget(topic);
        assert!(out.wants(topic, 0), "another topic in the same slot");
        assert_eq!(out.refused.len(), 3);
    }

    #[test]
    fn what_was_declared_missing_is_wanted_once() {
        let (mut out, topic) = (Decoded::default(), TopicId(3));
        out.declare(topic, Missing { from: 7, to: 8 });
        out.see(topic, 9);
        assert!(out.wants(topic, 8) && !out.wants(topic, 6));
        assert!(out.take_late(topic, 8) && !out.wants(topic, 8));
        out.restart(topic);
        assert!(!out.wants(topic, 7) && !out.take_late(topic, 7));
    }
}
