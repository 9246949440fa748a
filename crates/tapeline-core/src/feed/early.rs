//! Deltas of a book that begin behind where it stands, while another line may still bring what lies between: a
//! hole of one line is no hole of the book.

use std::collections::VecDeque;

use crate::data::book::BookSync;
use crate::data::event::Level;
use crate::time::{Mono, Time, Unix};
use crate::venue::{Span, TopicId};

use super::Feed;
use super::topics::State;

/// One delta that came too early.
#[derive(Debug)]
pub(super) struct Early {
    /// When it is waited for what lies between no longer.
    until: Mono,
    /// The line that brought it.
    slot: usize,
    time: Option<Unix>,
    span: Span,
    bids: Box<[Level]>,
    asks: Box<[Level]>,
}

impl Feed {
    /// Keeps a delta that begins behind its book, if another line may bring what lies between; whether it does.
    #[cold]
    pub(super) fn keep_early(
        &mut self,
        now: Time,
        slot: usize,
        (id, time, span): (TopicId, Option<Unix>, Span),
        bids: &[Level],
        asks: &[Level],
    ) -> bool {
        if !self.is_covered(id, slot) {
            return false;
        }
        let until = now.mono + self.config.timing.reorder_within;
        let kept = self.early.entry(id).or_default();
        kept.push_back(Early { until, slot, time, span, bids: bids.into(), asks: asks.into() });
        let full = kept.len() > self.config.limits.book_buffer;
        if full || self.is_hole_of_all(id) {
            self.settle_early(now, id);
        }
        true
    }

    /// Whether every line that carries a book is past its hole: then nobody brings what is missing.
    fn is_hole_of_all(&self, id: TopicId) -> bool {
        let (Some(entry), Some(kept)) = (self.topics.get(id), self.early.get(&id)) else { return false };
        let stands = |slot: &usize| self.lines[*slot].is_live() && !self.lines[*slot].is_doubted();
        entry.carriers.iter().filter(stands).all(|slot| kept.iter().any(|early| early.slot == slot))
    }

    /// A book has gone on: what came too early before may fit now.
    pub(super) fn fit_early(&mut self, now: Time, id: TopicId) {
        loop {
            let Some(kept) = self.early.get_mut(&id) else { return };
            let Some(State::Book(book)) = self.topics.get(id).map(|entry| &entry.state) else { return };
            let fits = kept.iter().position(|early| !book.is_ahead(early.span));
            let Some(early) = fits.and_then(|at| kept.remove(at)) else { return };
            if kept.is_empty() {
                self.early.remove(&id);
            }
            self.change(now, id, early.time, early.span, &early.bids, &early.asks);
        }
    }

    /// What lies between does not come: the book is broken, and goes on with what was kept.
    pub(super) fn settle_early(&mut self, now: Time, id: TopicId) {
        let mut kept: Vec<Early> = self.early.remove(&id).unwrap_or_default().into();
        kept.sort_by_key(|early| early.span.last);
        for early in kept {
            self.change(now, id, early.time, early.span, &early.bids, &early.asks);
        }
    }

    /// Breaks the books whose time is up.
    pub(super) fn settle_early_due(&mut self, now: Time) {
        let due = |kept: &VecDeque<Early>| kept.front().is_some_and(|early| early.until <= now.mono);
        while let Some(id) = self.early.iter().find(|(_, kept)| due(kept)).map(|(id, _)| *id) {
            if !self.is_refuted(id) {
                self.settle_early(now, id);
            } else if let Some(entry) = self.early.remove(&id).and_then(|_| self.topics.get(id)) {
                let cause = "changes far ahead are not believed: what comes goes on below them";
                self.events.record(now, entry.topic.as_str(), ("live", "live"), cause);
            }
        }
    }

    /// Whether a book has gone on since the last of what is kept came: then nothing follows that.
    fn is_refuted(&self, id: TopicId) -> bool {
        let newest = self.early.get(&id).and_then(|kept| kept.back()).map(|early| early.until);
        let went_on = self.topics.get(id).and_then(|entry| entry.last_at());
        newest.zip(went_on).is_some_and(|(until, at)| at.mono + self.config.timing.reorder_within > until)
    }

    /// When the next of them is due.
    pub(super) fn early_deadline(&self) -> Option<Mono> {
        self.early.values().filter_map(|kept| kept.front()).map(|early| early.until).min()
    }
}

impl BookSync {
    /// Whether a delta begins behind where the book stands: what lies between is missing.
    #[inline]
    pub(crate) fn is_ahead(&self, span: Span) -> bool {
        self.last_id().is_some_and(|id| span.first <= span.last && self.start_of(span) > id)
    }
}
