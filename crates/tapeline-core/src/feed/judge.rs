//! Whether an event is the next one of its topic, a copy, or ahead of what is missing.

use std::time::Duration;

use crate::data::channel::Shape;
use crate::data::sequence::Verdict;
use crate::data::update::{Data, Source};
use crate::defect::{Defect, planted};
use crate::time::{Mono, Unix};
use crate::venue::Sequencing;

use super::market::Origin;
use super::topics::{Entry, Seen, State};

/// Without a newer id for this long, ids far below are those of a venue that has started over.
const RESET_AFTER: Duration = Duration::from_secs(10);

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
        Sequencing::Contiguous => entry.sequence.judge(id, time > entry.last_time()),
        Sequencing::Rising => rise(entry, now, from, id, time),
        Sequencing::Book | Sequencing::None => {
            let heard = match (entry.shape, time, data) {
                // What happened may come late, and be told twice.
                (Shape::Event, Some(time), Some(data)) => {
                    let copies = &mut Seen::of(&mut entry.seen).copies;
                    copies.get_or_insert_default().heard(now, time, data)
                }
                (Shape::Event, ..) => false,
                // Symbols share a topic, but not an order: what is old is known of each alone, and of two lines both
                // bring the same, once each.
                _ if matches!(entry.state, State::Keyed(_)) => match (time, data) {
                    (Some(time), Some(data)) if entry.carriers.several() => {
                        let copies = &mut Seen::of(&mut entry.seen).copies;
                        copies.get_or_insert_default().heard(now, time, data)
                    }
                    _ => false,
                },
                // State that is older than what we show is of no use.
                (_, Some(time), _) if entry.last_time().is_some_and(|last| time < last) => true,
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
