//! The top of a book as a topic of its own: cut from the verified book where one of the symbol runs anyway, else the
//! venue's partial stream, which nothing proves.

use std::cmp::Ordering;

use crate::data::channel::Channel;
use crate::data::decimal::Decimal;
use crate::data::event::{Book, BookState, Level};
use crate::data::sequence::Verdict;
use crate::data::update::Source;
use crate::time::{Time, Unix};
use crate::venue::TopicId;

use super::Feed;
use super::books::{draft, joined, stale};
use super::history::Draft;
use super::judge::rise;
use super::market::{Epochs, Origin};
use super::topics::{Entry, Seen, State};

/// Levels a side, where a topic does not say.
const LEVELS: usize = 20;

impl Feed {
    /// The venue's own top of the book, whole each time: published as what changed. Whether it is what is shown now.
    pub(super) fn partial(
        &mut self,
        now: Time,
        id: TopicId,
        from: Origin,
        (time, last): (Option<Unix>, u64),
        bids: &[Level],
        asks: &[Level],
    ) -> bool {
        let cut = self.is_cut(id);
        let Some(entry) = self.topics.get_mut(id) else { return false };
        let source = from.source;
        entry.polled = source == Source::Poll && !cut;
        Seen::of(&mut entry.seen).counts.received += 1;
        // What was held before a break is told again: it still holds.
        let old = entry.broken
            || matches!(&entry.state, State::Depth(Some(held)) if held.state == BookState::Stale);
        let again = old && entry.sequence.last() == Some(last);
        match rise(entry, now.mono, from, last, time) {
            Verdict::Duplicate if again => {}
            Verdict::Duplicate => {
                let seen = Seen::of(&mut entry.seen);
                seen.counts.duplicates += 1;
                seen.ledger.duplicate(now, 1);
                return !cut;
            }
            Verdict::Reset => {
                let cause = "the venue has started its ids over";
                self.events.record(now, entry.topic.as_str(), ("live", "live"), cause);
                entry.start_over(now.mono);
                entry.sequence.restart(last);
            }
            Verdict::Next | Verdict::Ahead => {}
        }
        entry.enter(now, source);
        if cut {
            // The verified book says it better.
            if let Some(entry) = self.topics.get_mut(id) {
                Seen::of(&mut entry.seen).came(now, source == Source::Live);
            }
            return false;
        }
        self.show_top(now, id, source, (time, last, BookState::Unverified), bids, asks);
        true
    }

    /// Shows the top of a book, whole, as what changed.
    fn show_top(
        &mut self,
        now: Time,
        id: TopicId,
        source: Source,
        (time, last, state): (Option<Unix>, u64, BookState),
        bids: &[Level],
        asks: &[Level],
    ) {
        let Some(entry) = self.topics.get_mut(id) else { return };
        let seen = Seen::of(&mut entry.seen);
        seen.came(now, source == Source::Live);
        seen.last_time = time;
        if entry.broken {
            entry.begin_epoch(Epochs(&mut self.rng).draw());
        }
        let State::Depth(held) = &mut entry.state else { return };
        let venue_id = Some(last);
        let whole = Book { levels: joined(bids, asks), bids: bids.len() as u32, venue_id, state };
        match held.replace(Box::new(whole)) {
            None => {
                // The snapshot says where it comes from, which may have changed with it.
                self.tell_topic(now, id);
                let entry = self.topics.get(id);
                if let Some((entry, snapshot)) = entry.and_then(|entry| Some((entry, entry.snapshot(now)?))) {
                    entry.announce(&mut self.readers, &snapshot);
                }
            }
            Some(before) => {
                let again = before.state == BookState::Stale;
                let changed_bids = changes(before.bids(), bids, true);
                let changed_asks = changes(before.asks(), asks, false);
                if changed_bids.is_empty() && changed_asks.is_empty() && before.state == state {
                    return;
                }
                let levels = joined(&changed_bids, &changed_asks);
                let delta = Book { levels, bids: changed_bids.len() as u32, venue_id, state };
                let draft = Draft { source, ..draft(now, time, delta) };
                entry.publish(&mut self.readers, &self.config, draft);
                if again {
                    self.note_service(now, id);
                }
            }
        }
    }

    /// A topic has come: the tops of its symbol are cut from its book, if both run.
    pub(super) fn match_cuts(&mut self, id: TopicId) {
        let Some(entry) = self.topics.get(id) else { return };
        match entry.topic.channel() {
            Channel::Depth => {
                let (venue, symbol) = (entry.topic.venue(), entry.topic.raw_symbol());
                let book = crate::data::topic::Topic::parse(&format!("{venue}:book:{symbol}"));
                if let Some(book) = book.ok().and_then(|book| self.topics.id(&book)) {
                    self.cuts.entry(book).or_default().push(id);
                }
            }
            Channel::Book if matches!(entry.state, State::Book(_)) => {
                let same = |other: &Entry| {
                    other.topic.channel() == Channel::Depth
                        && other.topic.raw_symbol() == entry.topic.raw_symbol()
                };
                let tops: Vec<TopicId> =
                    self.topics.iter().filter(|(_, other)| same(other)).map(|(id, _)| id).collect();
                if !tops.is_empty() {
                    self.cuts.insert(id, tops);
                }
            }
            _ => {}
        }
    }

    /// A topic has gone.
    pub(super) fn forget_cuts(&mut self, id: TopicId) {
        self.cuts.remove(&id);
        self.cuts.retain(|_, tops| {
            tops.retain(|top| *top != id);
            !tops.is_empty()
        });
    }

    /// Whether a top is cut from a book that is right. From one that is polled it is not: it is polled itself.
    fn is_cut(&self, id: TopicId) -> bool {
        let right = |book: &TopicId| match self.topics.get(*book).map(|entry| (entry, &entry.state)) {
            Some((entry, State::Book(book))) => {
                book.last_id().is_some() && entry.book_state(book) == BookState::Live
            }
            _ => false,
        };
        self.cuts.iter().any(|(book, tops)| tops.contains(&id) && right(book))
    }

    /// Whether what a top shows was cut from a book that is not right any more, and nothing has come of its own since.
    pub(super) fn is_cut_off(&self, id: TopicId, entry: &Entry) -> bool {
        let stale = matches!(&entry.state, State::Depth(Some(held)) if held.state == BookState::Stale);
        stale && self.cuts.values().any(|tops| tops.contains(&id)) && !self.is_cut(id)
    }

    /// A book has changed: so may what is cut from it.
    #[cold]
    pub(super) fn cut_tops(&mut self, now: Time, id: TopicId, time: Option<Unix>) {
        let Some(tops) = self.cuts.get(&id).cloned() else { return };
        for top in tops {
            if self.topics.get(top).is_some_and(Entry::is_withheld) {
                continue;
            }
            let levels = self.topics.get(top).and_then(|entry| entry.topic.param("levels")?.parse().ok());
            let Some((entry, State::Book(book))) = self.topics.get(id).map(|entry| (entry, &entry.state))
            else {
                return;
            };
            let (state, last) = (entry.book_state(book), book.last_id());
            let (Some(last), BookState::Live) = (last, state) else {
                // The book that it was cut from is not right any more; the venue's own may take over.
                self.stale_top(now, top, BookState::Live);
                continue;
            };
            let levels = levels.unwrap_or(LEVELS);
            let bids: Vec<Level> = book.bids().iter().take(levels).collect();
            let asks: Vec<Level> = book.asks().iter().take(levels).collect();
            self.show_top(now, top, Source::Live, (time, last, state), &bids, &asks);
            let entry = self.topics.get_mut(top);
            if entry.is_some_and(|entry| std::mem::take(&mut entry.polled)) {
                self.tell_topic(now, top);
            }
        }
    }

    /// What a top shows is old, if it is in the state that is `over`.
    pub(super) fn stale_top(&mut self, now: Time, id: TopicId, over: BookState) {
        let Some(entry) = self.topics.get_mut(id) else { return };
        let State::Depth(Some(held)) = &mut entry.state else { return };
        if held.state != over {
            return;
        }
        held.state = BookState::Stale;
        entry.publish(&mut self.readers, &self.config, stale(now));
        self.tell_topic(now, id);
    }
}

/// The levels by which `after` differs from `before`, size zero for those that are gone. Both are one
/// side, best first; `falling` says whether prices fall (bids).
pub(super) fn changes(before: &[Level], after: &[Level], falling: bool) -> Vec<Level> {
    let mut out = Vec::new();
    let (mut old, mut new) = (before.iter().peekable(), after.iter().peekable());
    loop {
        let order = match (old.peek(), new.peek()) {
            (None, None) => return out,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(a), Some(b)) if falling => b.price.cmp(&a.price),
            (Some(a), Some(b)) => a.price.cmp(&b.price),
        };
        let gone = (order != Ordering::Greater).then(|| old.next()).flatten();
        let here = (order != Ordering::Less).then(|| new.next()).flatten();
        match (gone, here) {
            (Some(gone), None) => out.push(Level { price: gone.price, size: Decimal::ZERO }),
            (held, Some(here)) if held != Some(here) => out.push(*here),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels(text: &str) -> Vec<Level> {
        let one = |pair: &str| {
            let (price, size) = pair.split_once('x').unwrap();
            Level { price: price.parse().unwrap(), size: size.parse().unwrap() }
        };
        text.split_whitespace().map(one).collect()
    }

    fn check(before: &str, after: &str, expected: &str) {
        assert_eq!(
            changes(&levels(before), &levels(after), false),
            levels(expected),
            "asks {before} -> {after}"
        );
        let turned = |text: &str| levels(text).into_iter().rev().collect::<Vec<_>>();
        assert_eq!(
            changes(&turned(before), &turned(after), true),
            turned(expected),
            "bids {before} -> {after}"
        );
    }

    #[test]
    fn only_what_differs_is_told() {
        check("1x1 2x2", "1x1 2x2", "");
        check("1x1 2x2", "1x1 2x3", "2x3");
        check("1x1 2x2", "2x2 3x3", "1x0 3x3");
        check("", "1x1", "1x1");
        check("1x1 2x2", "", "1x0 2x0");
        check("2x2 4x4", "1x1 2x2 3x3", "1x1 3x3 4x0");
    }
}
