//! What a rig notes of all that passes: dials, openings, requests, pings, data, and what readers are told.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use tapeline_core::data::event::BookState;
use tapeline_core::data::topic::Topic;
use tapeline_core::data::update::{Data, GapKind, Level, Shared, Source, Status, Update};
use tapeline_core::venue::LineId;

use super::super::clock::{DAWN_MS, MS, SEC};
use super::rig::Waiting;

/// What a rig notes.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) dials: Vec<(u64, LineId)>,
    pub(super) opened: Vec<(u64, LineId)>,
    /// Dials that failed.
    pub(super) failed: Vec<(u64, LineId)>,
    /// Lines that ended without our doing.
    pub(super) lost: Vec<(u64, LineId)>,
    /// Lines that the feed closed.
    pub(super) left: Vec<(u64, LineId)>,
    /// Requests on sockets.
    pub(super) asked: Vec<(u64, LineId, String)>,
    /// The latest market data, and the latest sign of life, by slot.
    pub(super) data: BTreeMap<u32, u64>,
    pub(super) sign: BTreeMap<u32, u64>,
    /// Messages of the process in the running second, by connection, and the most there ever were.
    said: BTreeMap<LineId, VecDeque<u64>>,
    pub(super) most_in_a_second: usize,
    pings: BTreeMap<LineId, Waiting>,
    pub(super) pinged: u64,
    pub(super) answered: u64,
    /// The longest that a ping waited for its answer.
    pub(super) slowest_pong: u64,
    /// Each topic as its reader sees it: how well, from where, since when.
    pub(super) shown: BTreeMap<Topic, Shown>,
    /// When each book was first live.
    pub(super) live_books: BTreeMap<Topic, u64>,
    /// Events with ids, by topic.
    pub(super) tallies: BTreeMap<Topic, Tally>,
    /// What was said last of how each topic is served.
    pub(super) served: BTreeMap<Topic, Status>,
    /// Each book's changes of state, with whether it is live.
    pub(super) turns: Vec<(u64, Topic, bool)>,
    /// Requests: when they were sent, and when their replies came.
    pub(super) fetched: Vec<(u64, u64)>,
    /// The most lines open at a time.
    pub(super) most_open: usize,
    /// Everything that was told, if it is kept.
    pub(super) kept: Option<Vec<Shared>>,
    /// What must not be.
    pub(super) complaints: Vec<String>,
}

/// The ids of one topic, as its reader got them.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    last: Option<u64>,
    /// Declared, and not told yet.
    missing: BTreeSet<u64>,
    pub(super) events: u64,
    /// Passed over without a word.
    pub(super) passed: u64,
    pub(super) doubled: u64,
    pub(super) declared: u64,
    /// Declared, and told after all.
    pub(super) late: u64,
    /// When the latest was told, and the venue's time of it.
    pub(super) at: u64,
    pub(super) venue_ns: i64,
    /// How much later than the venue's time something was told: at least ever, and at most of late.
    pub(super) least_lag: u64,
    pub(super) most_lag: u64,
}

impl Tally {
    /// What its reader never got.
    pub(super) fn lost(&self) -> u64 {
        self.passed + self.declared - self.late
    }

    fn told(&mut self, now: u64, update: &Update) {
        let id = match &update.data {
            Data::Trade(trade) => trade.id,
            Data::AggTrade(trade) => trade.id,
            Data::Gap(gap) if gap.kind == GapKind::Venue => {
                self.declared += gap.to - gap.from + 1;
                self.missing.extend(gap.from..=gap.to);
                self.last = self.last.max(Some(gap.to));
                return;
            }
            _ => return,
        };
        self.events += 1;
        if update.late {
            // What was not missing any more comes a second time.
            let missing = u64::from(self.missing.remove(&id));
            (self.late, self.doubled) = (self.late + missing, self.doubled + 1 - missing);
            return;
        }
        match self.last {
            Some(last) if id <= last => self.doubled += 1,
            Some(last) => self.passed += id - last - 1,
            None => {}
        }
        self.last = self.last.max(Some(id));
        (self.at, self.venue_ns) = (now, update.time.map_or(0, |time| time.0));
        let lag = ((DAWN_MS * MS + now) as i64).saturating_sub(self.venue_ns).unsigned_abs();
        self.least_lag = if self.events == 1 { lag } else { self.least_lag.min(lag) };
        self.most_lag = self.most_lag.max(lag);
    }
}

/// What a reader was told last of a topic.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown {
    pub(super) flagged: bool,
    pub(super) since: u64,
    /// The latest data.
    pub(super) data: u64,
    /// How much of it there was, but for books.
    pub(super) count: u64,
}

impl Notes {
    pub(super) fn complain(&mut self, words: String) {
        // The first one tells it all.
        if self.complaints.is_empty() {
            self.complaints.push(words);
        }
    }

    pub(super) fn dialled(&mut self, now: u64, line: LineId) {
        self.dials.push((now, line));
    }

    pub(super) fn opened(&mut self, now: u64, line: LineId) {
        self.opened.push((now, line));
        self.sign.insert(line.slot, now);
    }

    pub(super) fn lost(&mut self, now: u64, line: LineId) {
        self.lost.push((now, line));
        self.forget(line);
    }

    pub(super) fn left(&mut self, now: u64, line: LineId) {
        self.left.push((now, line));
        self.forget(line);
    }

    fn forget(&mut self, line: LineId) {
        self.said.remove(&line);
        self.pings.remove(&line);
    }

    pub(super) fn asked(&mut self, now: u64, line: LineId, text: &str) {
        self.asked.push((now, line, text.to_owned()));
    }

    /// The process says something on a line; everything counts.
    pub(super) fn said(&mut self, now: u64, line: LineId) {
        let said = self.said.entry(line).or_default();
        said.push_back(now);
        while said.front().is_some_and(|at| now - at >= SEC) {
            said.pop_front();
        }
        self.most_in_a_second = self.most_in_a_second.max(said.len());
    }

    pub(super) fn pinged(&mut self, now: u64, line: LineId, payload: &[u8]) {
        self.pinged += 1;
        self.pings.entry(line).or_default().push_back((payload.to_vec(), now));
    }

    /// A pong answers its own ping and all before it, as RFC 6455 has it.
    pub(super) fn ponged(&mut self, now: u64, line: LineId, payload: &[u8]) {
        let Some(waiting) = self.pings.get_mut(&line) else { return };
        let Some(place) = waiting.iter().position(|(sent, _)| sent == payload) else { return };
        for (_, at) in waiting.drain(..=place) {
            self.slowest_pong = self.slowest_pong.max(now - at);
            self.answered += 1;
        }
    }

    /// Pings older than `since` that still wait for an answer, on lines that are there.
    pub(super) fn waiting_pings(&self, since: u64) -> usize {
        self.pings.values().flatten().filter(|(_, at)| *at < since).count()
    }

    pub(super) fn heard(&mut self, now: u64, line: LineId, bytes: &[u8]) {
        self.sign.insert(line.slot, now);
        if bytes.starts_with(b"{\"stream\"") {
            self.data.insert(line.slot, now);
        }
    }

    pub(super) fn signed(&mut self, now: u64, line: LineId) {
        self.sign.insert(line.slot, now);
    }

    pub(super) fn told(&mut self, now: u64, update: &Shared) {
        if let Some(kept) = &mut self.kept {
            kept.push(Shared::clone(update));
        }
        if matches!(update.data, Data::Trade(_) | Data::AggTrade(_) | Data::Gap(_)) {
            self.tallies.entry(update.topic.clone()).or_default().told(now, update);
        }
        let shown = self.shown.entry(update.topic.clone()).or_insert(Shown {
            flagged: false,
            since: now,
            data: 0,
            count: 0,
        });
        match &update.data {
            Data::Status(status) => {
                self.served.insert(update.topic.clone(), (**status).clone());
                let flagged = status.level >= Level::Degraded || status.source == Source::Cache;
                if flagged != shown.flagged {
                    (shown.flagged, shown.since) = (flagged, now);
                }
            }
            Data::Gap(_) | Data::Empty {} => {}
            Data::Book(book) => {
                let live = book.state == BookState::Live;
                let before = self.turns.iter().rev().find(|(_, topic, _)| *topic == update.topic);
                if before.is_none_or(|(_, _, was)| *was != live) {
                    self.turns.push((now, update.topic.clone(), live));
                }
                if book.state == BookState::Live {
                    self.live_books.entry(update.topic.clone()).or_insert(now);
                    shown.data = now;
                }
            }
            _ => {
                shown.data = now;
                shown.count += 1;
            }
        }
    }
}
