//! Whether an event is the next one of its topic, a copy, or ahead of what is missing.

use std::time::Duration;

use crate::data::channel::Shape;
use crate::data::sequence::{Sequence, Verdict};
use crate::data::update::{Data, Source};
use crate::defect::{Defect, planted};
use crate::time::{Mono, Unix};
use crate::venue::Sequencing;

use super::copies::REMEMBERED;
use super::market::Origin;
use super::topics::{Entry, Seen, State};

/// Without a newer id for this long, ids far below are those of a venue that has started over.
const RESET_AFTER: Duration = Duration::from_secs(10);

/// Where the ids of a topic stood when they started over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Before {
    last: u64,
    /// A copy from then comes no later.
    until: Mono,
}

impl Entry {
    /// The venue has started the ids over: the one that told of it becomes the base.
    #[cold]
    pub(super) fn start_over(&mut self, now: Mono) {
        let before = self.sequence.last().map(|last| Before { last, until: now + REMEMBERED });
        self.sequence = Sequence::default();
        (self.broken, self.shown_missing) = (true, false);
        let seen = Seen::of(&mut self.seen);
        (seen.before, seen.prints) = (before, None);
        seen.ledger.restart();
    }

    /// Whether an id is from before they started over, as a line that is behind brings them: it is much nearer to
    /// those, so that new ones that reach them are not kept out.
    #[inline]
    fn is_of_before(&self, now: Mono, id: u64) -> bool {
        let before = self.seen.as_ref().and_then(|seen| seen.before);
        before.zip(self.sequence.last()).is_some_and(|(before, last)| {
            now < before.until && id.abs_diff(before.last) < id.abs_diff(last) / 2
        })
    }
}

/// What an id (or a time, where there is none) means to a topic.
#[inline]
pub(super) fn judge(
    entry: &mut Entry,
    now: Mono,
    from: Origin,
    id: u64,
    time: Option<Unix>,
    data: Option<&Data>,
) -> Verdict {
    match entry.sequencing {
        Sequencing::Contiguous => {
            let newer = time > entry.last_time();
            match entry.sequence.judge(id, newer) {
                Verdict::Ahead if !newer && entry.is_of_before(now, id) => Verdict::Duplicate,
                verdict => verdict,
            }
        }
        Sequencing::Rising => rise(entry, now, from, id, time),
        Sequencing::Book | Sequencing::None => {
            let heard = match (entry.shape, time, data) {
                // What happened may come late, and be told twice.
                (Shape::Event, Some(time), Some(data)) => {
                    let copies = &mut Seen::of(&mut entry.seen).copies;
                    copies.get_or_insert_default().heard(now, time, data)
                }
                (Shape::Event, ..) => false,
                // State that is older than what we show is of no use. Symbols share a topic, but not an order: of them
                // that is known of each alone.
                (_, Some(time), _)
                    if !matches!(entry.state, State::Keyed(_))
                        && entry.last_time().is_some_and(|last| time < last) =>
                {
                    true
                }
                // Of the same time two lines bring the same, once each.
                (_, Some(time), Some(data)) if entry.carriers.several() => {
                    let copies = &mut Seen::of(&mut entry.seen).copies;
                    copies.get_or_insert_default().heard(now, time, data)
                }
                _ => false,
            };
            if heard { Verdict::Duplicate } else { Verdict::Next }
        }
    }
}

/// What an id that only rises means to a topic.
#[inline]
pub(super) fn rise(entry: &mut Entry, now: Mono, from: Origin, id: u64, time: Option<Unix>) -> Verdict {
    let newer = match time {
        Some(_) => time > entry.last_time(),
        // One line delivers in order, so without a time a far regression is a reset as well. Behind another one, which
        // may have gone meanwhile, it may be the slower one, unless nothing else has come for long.
        None => entry.carriers.leads() || entry.is_still(now, RESET_AFTER),
    };
    if !newer && entry.is_of_before(now, id) {
        return Verdict::Duplicate;
    }
    let verdict = entry.sequence.rise(id, newer);
    if verdict == Verdict::Next {
        entry.carriers.lead(from.is_line());
    }
    verdict
}

/// What a feed with a defect takes an event for.
#[inline(always)]
pub(super) fn mistaken(entry: &Entry, from: Origin, verdict: Verdict) -> Verdict {
    let wrong = match (verdict, from.source) {
        (Verdict::Duplicate, Source::Live) => planted(Defect::DeliverSecondCopy) && entry.carriers.several(),
        (Verdict::Duplicate, Source::Poll) => planted(Defect::PolledBeforeStreamed),
        (Verdict::Ahead, Source::Repair) => planted(Defect::RepairOutOfOrder),
        _ => false,
    };
    if wrong { Verdict::Next } else { verdict }
}
