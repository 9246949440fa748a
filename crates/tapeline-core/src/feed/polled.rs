//! What comes of asking for topics over REST in turns: it passes the same sequencers as what is streamed.

use crate::data::event::{Book, BookState, Level};
use crate::data::update::{Data, Kind, Source};
use crate::policy::fault::Fault;
use crate::time::{Mono, Time, Unix};
use crate::venue::{Decoded, Item, Refusal, Sequencing, TopicId};

use super::Feed;
use super::books::{draft, joined, stale};
use super::history::Draft;
use super::io::FetchId;
use super::market::{Epochs, Origin, split};
use super::missed::{AGAIN, Reach};
use super::partial::changes;
use super::topics::{Entry, Seen, State};

impl Feed {
    /// A poll has come back: what it brings was asked for at `sent`.
    pub(super) fn poll_came(
        &mut self,
        now: Time,
        id: TopicId,
        (fetch, sent): (FetchId, Mono),
        decoded: Decoded,
    ) {
        if self.fallback.is_silenced() {
            // It was asked before an operator let memory serve.
            return;
        }
        let Some(entry) = self.topics.get_mut(id) else { return };
        // What was streamed since is newer.
        let overtaken = entry.last_at().is_some_and(|at| at.mono > sent) && !entry.polled;
        let by_id = entry.sequencing == Sequencing::Contiguous;
        // What is asked for no more would not be let go again.
        if !by_id && (overtaken || !self.fallback.polls(id)) {
            return;
        }
        let (was, book) = (entry.polled, matches!(entry.state, State::Book(_)));
        let known = entry.told_up_to();
        let Decoded { items, levels, .. } = decoded;
        let reach = Reach::of(&items);
        if !reach.whole {
            self.fallback.ask_soon(now.mono, id);
        }
        // Ids tell what is new, also if that is nothing; what has none is taken if it can be true.
        let mut taken = by_id || items.is_empty();
        for item in items {
            match item {
                Item::Market { id: item, time, data, .. } => {
                    taken |= self.polled_event(now, id, item, time, data);
                }
                Item::Spent { id: spent, .. } => {
                    self.market(now, Origin::reply(Source::Poll), id, spent, None, None);
                }
                Item::Levels { time, last, levels: range, bids, .. } => {
                    let (bids, asks) = split(&levels, &range, bids);
                    if book {
                        self.polled_book(now, id, time, last, bids, asks);
                    } else if self.is_likely_top(now, id, last, bids, asks) {
                        let from = Origin::reply(Source::Poll);
                        taken |= self.partial(now, id, from, (time, last), bids, asks);
                    }
                }
                _ => {}
            }
        }
        if by_id {
            self.heard_of(now, id, fetch, reach);
        }
        let told = self.topics.get(id).and_then(Entry::told_up_to);
        if was && known.is_some() && told > known {
            self.told_by_rest(now, id);
        }
        let Some(entry) = self.topics.get_mut(id) else { return };
        if by_id && entry.carriers.iter().all(|slot| !self.lines[slot].is_live()) {
            // What comes from here on until a line carries it is missed.
            (entry.outage, entry.shown_missing) = (entry.sequence.last().is_some(), false);
        }
        // A book is when the reply is taken.
        if !overtaken && !book {
            entry.polled = taken;
        }
        let polled = entry.polled;
        self.fallback.came(now.mono, id, polled);
        if polled != was {
            self.tell_topic(now, id);
        }
    }

    /// Whether polled levels can be the top of the book that a topic is now.
    fn is_likely_top(&mut self, now: Time, id: TopicId, last: u64, bids: &[Level], asks: &[Level]) -> bool {
        let possible = |entry: &&Entry| entry.is_possible(now.mono, last, bids, asks);
        let Some(entry) = self.topics.get(id).filter(possible) else { return false };
        let fits = entry.fits(now.mono, last);
        let prices = entry.touch().zip(bids.first().map(|level| level.price));
        prices.is_none_or(|(held, told)| self.fallback.believes(id, held, told, fits))
    }

    /// Whether a polled state can be what a topic is now.
    fn is_likely_state(&mut self, now: Time, id: TopicId, data: &Data) -> bool {
        let (Some(entry), Data::Quote(quote)) = (self.topics.get(id), data) else { return true };
        let older = quote.venue_id.is_some_and(|told| entry.is_older(now.mono, told));
        if older || quote.bid.is_zero() && quote.ask.is_zero() {
            return false;
        }
        let fits = quote.venue_id.is_none_or(|told| entry.fits(now.mono, told));
        entry.touch().is_none_or(|held| self.fallback.believes(id, held, quote.bid, fits))
    }

    /// One polled event, or state that is not a book; whether it can be true.
    fn polled_event(&mut self, now: Time, topic: TopicId, id: u64, time: Option<Unix>, data: Data) -> bool {
        if !self.is_likely_state(now, topic, &data) {
            return false;
        }
        let Some(entry) = self.topics.get_mut(topic) else { return false };
        if let Data::Candle(candle) = &data {
            // The same candles are told again and again; each is closed once, and time does not go back.
            let closed = Seen::of(&mut entry.seen).closed;
            if closed.is_some_and(|closed| candle.start <= closed.start) {
                return true;
            }
        }
        // A state without an id of its own is newer than what was there when it was asked for.
        let unnumbered = id == 0 && entry.sequencing == Sequencing::Rising;
        let id = if unnumbered { entry.sequence.last().map_or(1, |last| last.saturating_add(1)) } else { id };
        let before = entry.sequence.last();
        self.market(now, Origin::reply(Source::Poll), topic, id, time, Some(data));
        if let (true, Some(entry)) = (unnumbered, self.topics.get_mut(topic)) {
            // The number was ours: what the venue numbers next is judged by its own.
            before.iter().for_each(|last| entry.sequence.restart(*last));
            self.decoded.forget(topic);
        }
        true
    }

    /// A whole book over REST: shown until a line has put the streamed one right.
    fn polled_book(
        &mut self,
        now: Time,
        id: TopicId,
        time: Option<Unix>,
        last: u64,
        bids: &[Level],
        asks: &[Level],
    ) {
        let Some(State::Book(book)) = self.topics.get(id).map(|entry| &entry.state) else { return };
        if book.last_id().is_some() {
            return;
        }
        let likely = self.topics.get(id).is_some_and(|entry| entry.is_likely(now.mono, last, bids, asks));
        let Some(entry) = self.topics.get_mut(id) else { return };
        let seen = Seen::of(&mut entry.seen);
        seen.counts.received += 1;
        seen.ledger.unverifiable(now, 1);
        if !likely {
            return;
        }
        entry.polled = true;
        seen.came(now, false);
        // Its own time or none: that of what was streamed before is not that of what is shown now.
        seen.last_time = time;
        let (venue_id, state) = (Some(last), BookState::Live);
        let whole = Book { levels: joined(bids, asks), bids: bids.len() as u32, venue_id, state };
        match seen.shown.replace(Box::new(whole)) {
            Some(before) if before.state == BookState::Live => {
                let (bids, asks) = (changes(before.bids(), bids, true), changes(before.asks(), asks, false));
                if !bids.is_empty() || !asks.is_empty() {
                    let delta =
                        Book { levels: joined(&bids, &asks), bids: bids.len() as u32, venue_id, state };
                    let draft = Draft { source: Source::Poll, ..draft(now, time, delta) };
                    entry.publish(&mut self.readers, &self.config, draft);
                }
            }
            _ => {
                entry.begin_epoch(Epochs(&mut self.rng).draw());
                entry.service.source = Source::Poll;
                if let Some(snapshot) = entry.snapshot(now) {
                    debug_assert_eq!(snapshot.kind, Kind::Snapshot);
                    entry.announce(&mut self.readers, &snapshot);
                }
            }
        }
    }

    /// A poll was refused: the next one comes in its turn, if it is not the topic itself that cannot be had.
    pub(super) fn poll_failed(&mut self, now: Time, id: TopicId, refusal: &Refusal) {
        let for_good = refusal.fault == Fault::Configuration;
        self.fallback.refuse(id, for_good);
        if for_good {
            self.missed.forget(id);
            // Whoever knows what it does not have answers.
            self.fallback.answered(now.mono);
        } else {
            self.fallback.ask_again(now.mono);
            self.look_again(now, id, AGAIN);
        }
        let Some(entry) = self.topics.get(id) else { return };
        let cause = format!("not polled: {}", refusal.detail);
        self.events.record(now, entry.topic.as_str(), ("live", "live"), &cause);
        if for_good {
            self.let_go(now, id);
        }
    }

    /// Nothing that was polled is fresh any more: REST does not answer, or is not asked.
    pub(super) fn let_polled_go(&mut self, now: Time) {
        let polled: Vec<TopicId> =
            self.topics.iter().filter(|(_, entry)| entry.polled).map(|(id, _)| id).collect();
        for id in polled {
            self.let_go(now, id);
        }
    }

    /// A topic is not polled any more, so what was polled of it is not fresh: whoever reads it is told.
    pub(super) fn let_go(&mut self, now: Time, id: TopicId) {
        let Some(entry) = self.topics.get_mut(id) else { return };
        let shown = entry.seen.as_mut().and_then(|seen| seen.shown.as_mut());
        let shown = shown.filter(|shown| shown.state == BookState::Live);
        if !entry.polled && shown.is_none() {
            return;
        }
        if let Some(shown) = shown {
            shown.state = BookState::Stale;
            entry.publish(&mut self.readers, &self.config, stale(now));
        }
        if std::mem::take(&mut entry.polled) {
            // Of a top nothing but the venue's word was shown.
            self.stale_top(now, id, BookState::Unverified);
        }
        self.tell_topic(now, id);
    }
}
