//! The judge: follows the updates as any client would and holds them against the recording.

use std::collections::BTreeMap;

use tapeline_core::data::decimal::Decimal;
use tapeline_core::data::event::{Book, BookState};
use tapeline_core::data::update::{Data, Epoch, Kind, Update};

use super::recording::Recording;

/// What was found; every field but the counts of what was checked must be zero.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Findings {
    pub(crate) updates: u64,
    pub(crate) synced: u64,
    pub(crate) checkpoints: u64,
    pub(crate) quotes_equal: u64,
    pub(crate) events: u64,
    pub(crate) unverified: u64,
    pub(crate) wrong_checkpoints: u64,
    pub(crate) wrong_quotes: u64,
    pub(crate) crossed: u64,
    pub(crate) gaps: u64,
    pub(crate) stale: u64,
    pub(crate) out_of_order: u64,
    pub(crate) wrong_ids: u64,
}

#[derive(Default)]
struct View {
    bids: BTreeMap<Decimal, Decimal>,
    asks: BTreeMap<Decimal, Decimal>,
    id: Option<u64>,
}

#[derive(Default)]
struct Follow {
    position: Option<(Epoch, u64)>,
    ids: Vec<u64>,
    book: View,
}

pub(crate) struct Judge<'a> {
    recording: &'a Recording,
    topics: BTreeMap<String, Follow>,
    pub(crate) findings: Findings,
}

impl<'a> Judge<'a> {
    pub(crate) fn new(recording: &'a Recording) -> Self {
        Self { recording, topics: BTreeMap::new(), findings: Findings::default() }
    }

    pub(crate) fn see(&mut self, update: &Update) {
        self.findings.updates += 1;
        let follow = self.topics.entry(update.topic.to_string()).or_default();
        let expected = match follow.position {
            Some((epoch, offset)) if epoch == update.epoch => {
                offset + u64::from(update.kind.consumes_offset())
            }
            // A new epoch begins with what carries its last offset; events of a topic begin with one.
            _ => u64::from(update.kind.consumes_offset()),
        };
        self.findings.out_of_order += u64::from(update.offset != expected);
        follow.position = Some((update.epoch, update.offset));
        match &update.data {
            Data::Trade(trade) => follow.ids.push(trade.id),
            Data::AggTrade(trade) => follow.ids.push(trade.id),
            Data::Gap(_) => self.findings.gaps += 1,
            Data::Book(book) => self.book(update, book),
            _ => {}
        }
    }

    fn book(&mut self, update: &Update, book: &Book) {
        let symbol = update.topic.symbol().into_owned();
        let Some(follow) = self.topics.get_mut(update.topic.as_str()) else { return };
        let view = &mut follow.book;
        if update.kind == Kind::Snapshot {
            (view.bids, view.asks) = (BTreeMap::new(), BTreeMap::new());
            self.findings.synced += u64::from(book.state == BookState::Live);
        }
        for (levels, side) in [(book.bids(), &mut view.bids), (book.asks(), &mut view.asks)] {
            for level in levels {
                if level.size.is_zero() {
                    side.remove(&level.price);
                } else {
                    side.insert(level.price, level.size);
                }
            }
        }
        view.id = book.venue_id.or(view.id);
        match book.state {
            BookState::Live => {}
            BookState::Unverified => {
                self.findings.unverified += 1;
                return;
            }
            BookState::Stale => {
                self.findings.stale += 1;
                return;
            }
            BookState::Syncing => return,
        }
        let best = (view.bids.last_key_value(), view.asks.first_key_value());
        if let (Some(bid), Some(ask)) = best {
            self.findings.crossed += u64::from(bid.0 >= ask.0);
        }
        let Some(id) = book.venue_id else { return };
        let key = (symbol, id);
        if let Some(quote) = self.recording.quotes.get(&key) {
            let top = best.0.zip(best.1).map(|(bid, ask)| [*bid.0, *bid.1, *ask.0, *ask.1]);
            let equal = top == Some(*quote);
            self.findings.quotes_equal += u64::from(equal);
            self.findings.wrong_quotes += u64::from(!equal);
        }
        if let Some(truth) = self.recording.checkpoints.get(&key) {
            let bids: Vec<_> = view.bids.iter().rev().take(truth.bids.len()).map(|(p, s)| (*p, *s)).collect();
            let asks: Vec<_> = view.asks.iter().take(truth.asks.len()).map(|(p, s)| (*p, *s)).collect();
            let counts = (view.bids.len(), view.asks.len());
            let equal = bids == truth.bids && asks == truth.asks && counts == truth.counts;
            self.findings.checkpoints += u64::from(equal);
            self.findings.wrong_checkpoints += u64::from(!equal);
        }
    }

    /// Whether the last event of every topic and the last change of every book have been seen.
    pub(crate) fn is_complete(&self) -> bool {
        let last = |topic: &str| self.topics.get(topic);
        let events = self.recording.ids.iter();
        let books = self.recording.last_depth.iter().filter(|_| self.recording.has_snapshots());
        events.clone().all(|(topic, ids)| last(topic).is_some_and(|follow| follow.ids.last() >= ids.last()))
            && books.clone().all(|(symbol, id)| {
                let book = last(&self.recording.topic("book", symbol)).map(|follow| &follow.book);
                book.is_some_and(|book| book.id >= Some(*id))
            })
    }

    /// The last word: also what should have come and did not.
    pub(crate) fn verdict(mut self) -> Findings {
        for (topic, ids) in &self.recording.ids {
            let got = self.topics.get(topic).map_or(&[][..], |follow| &follow.ids);
            self.findings.events += got.len() as u64;
            self.findings.wrong_ids += u64::from(got != ids.as_slice());
        }
        self.findings
    }
}

impl Findings {
    /// What must never be anything but zero.
    pub(crate) fn wrong(&self) -> u64 {
        self.wrong_checkpoints
            + self.wrong_quotes
            + self.crossed
            + self.gaps
            + self.stale
            + self.out_of_order
            + self.wrong_ids
    }
}
