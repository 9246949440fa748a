//! What is wrong with single topics beside their lines: gaps, books that are not right, and topics that fall mute.

use std::collections::VecDeque;
use std::time::Duration;

use crate::data::event::BookState;
use crate::data::sequence::Missing;
use crate::data::update::{Level, Source};
use crate::policy::health::{Dimension, LevelFilter, Reason, Sample, Unready, level, reasons};
use crate::time::{Mono, Time};
use crate::venue::TopicId;

use super::Feed;
use super::topics::{Entry, State};

/// How long a declared gap speaks against its topic.
const GAPS_WITHIN: Duration = Duration::from_secs(300);

/// A gap that was declared.
#[derive(Debug)]
struct Declared {
    at: Mono,
    ids: Missing,
    /// Ids of it that have not come since.
    left: u64,
}

/// Gaps declared lately, and not filled since. As many are kept as the worst level needs.
#[derive(Debug, Default)]
pub(super) struct Gaps(VecDeque<Declared>);

impl Gaps {
    const KEPT: usize = 64;

    fn add(&mut self, at: Mono, ids: Missing) {
        if self.0.len() >= Self::KEPT {
            self.0.pop_front();
        }
        let left = ids.to.saturating_sub(ids.from).saturating_add(1);
        self.0.push_back(Declared { at, ids, left });
    }

    /// One of the ids that were declared missing has come after all.
    fn came_late(&mut self, id: u64) {
        // Ids that have started over may have been missing twice.
        let holds = |gap: &Declared| (gap.ids.from..=gap.ids.to).contains(&id);
        let Some(at) = self.0.iter().rposition(holds) else { return };
        self.0[at].left -= 1;
        if self.0[at].left == 0 {
            self.0.remove(at);
        }
    }

    fn count(&self, now: Mono) -> u32 {
        self.0.iter().filter(|gap| now.since(gap.at) < GAPS_WITHIN).count() as u32
    }
}

/// What is wrong with one topic beside its line; kept only for those with whom something is.
#[derive(Debug)]
pub(super) struct Ailment {
    pub(super) filter: LevelFilter,
    gaps: Gaps,
    /// It was subscribed again because nothing came while others flowed.
    pub(super) mute: bool,
    /// Since when its book is not right, although a line serves it.
    unready_since: Option<Mono>,
    /// Its line carries it again after it was polled: from the level that polling had it gets better by itself, while
    /// the level of the line, which nobody was shown, does so from below.
    pub(super) back: Option<LevelFilter>,
}

impl Ailment {
    fn new(now: Time) -> Self {
        let filter = LevelFilter::new(Level::Healthy, now.mono);
        Self { filter, gaps: Gaps::default(), mute: false, unready_since: None, back: None }
    }
}

impl Entry {
    /// An id that was declared missing has come after all.
    pub(super) fn came_late(&mut self, id: u64) {
        if let Some(ailment) = &mut self.ailment {
            ailment.gaps.came_late(id);
        }
    }

    /// How far its book can be trusted, as it is shown.
    pub(super) fn state_shown(&self) -> Option<BookState> {
        match &self.state {
            State::Book(book) => Some(self.shown().map_or(book.state(), |shown| shown.state)),
            _ => None,
        }
    }
}

impl Feed {
    /// A gap of a topic was declared.
    pub(super) fn count_gap(&mut self, now: Time, id: TopicId, missing: Missing) {
        if let Some(ailment) = self.ailment(now, id) {
            ailment.gaps.add(now.mono, missing);
        }
        self.tell_topic(now, id);
    }

    /// Gaps of all topics that were declared lately, and not filled since.
    pub(super) fn gaps_lately(&self, now: Time) -> u32 {
        let ailing = self.ailing.iter().filter_map(|id| self.topics.get(*id)?.ailment.as_ref());
        ailing.map(|ailment| ailment.gaps.count(now.mono)).fold(0, u32::saturating_add)
    }

    /// What is wrong with a topic, made if nothing was.
    pub(super) fn ailment(&mut self, now: Time, id: TopicId) -> Option<&mut Ailment> {
        let entry = self.topics.get_mut(id)?;
        self.ailing.insert(id);
        Some(entry.ailment.get_or_insert_with(|| Box::new(Ailment::new(now))))
    }

    /// Looks whether a book is right, as long as a line serves it: what is lost with the line is the line's matter.
    fn time_book(&mut self, now: Time, id: TopicId) {
        let Some(entry) = self.topics.get(id) else { return };
        let unready = matches!(entry.state_shown(), Some(BookState::Stale | BookState::Syncing));
        let waits = (unready || self.is_cut_off(id, entry))
            && self.speaker(entry).is_some_and(|slot| self.lines[slot].serves());
        if waits {
            if let Some(ailment) = self.ailment(now, id) {
                ailment.unready_since.get_or_insert(now.mono);
            }
        } else if let Some(ailment) = self.topics.get_mut(id).and_then(|entry| entry.ailment.as_mut()) {
            ailment.unready_since = None;
        }
    }

    pub(super) fn topic_sample(&self, now: Time, id: TopicId, entry: &Entry) -> Sample {
        let ailment = entry.ailment.as_ref();
        let gaps = ailment.map_or(0, |ailment| ailment.gaps.count(now.mono));
        let book = ailment.and_then(|ailment| ailment.unready_since).map(|since| Unready {
            lasted: now.mono.since(since),
            stale: entry.state_shown() != Some(BookState::Syncing),
        });
        Sample { gaps, book, silence: self.own_silence(now, id, entry), ..Sample::default() }
    }

    /// What is wrong with a topic beside its line, in figures.
    pub(super) fn own_reasons(&self, now: Time, id: TopicId, entry: &Entry) -> Vec<Reason> {
        let mut all = reasons(&self.topic_sample(now, id, entry), &self.health_rules, now.mono);
        let refusal = self.snapshots.refusal(id);
        for reason in all.iter_mut().filter(|reason| reason.dimension == Dimension::Book) {
            reason.detail.extend(refusal.map(|why| format!("; its latest snapshot was of no use: {why}")));
        }
        all
    }

    /// Takes in how a topic does beside its line.
    pub(super) fn examine_topic(&mut self, now: Time, id: TopicId) {
        self.time_book(now, id);
        let Some(entry) = self.topics.get(id) else { return };
        let mute = entry.ailment.as_ref().is_some_and(|ailment| ailment.mute);
        let single = self.has_lost_its_second(id, entry);
        let unsure = matches!(entry.state_shown(), Some(BookState::Stale | BookState::Unverified));
        let hurt = mute || single || unsure;
        let sample = self.topic_sample(now, id, entry);
        let raw = level(&sample, &self.health_rules, now.mono);
        let raw = if hurt { raw.max(Level::Warning) } else { raw };
        let carrier = self.speaker(entry);
        let was_polled = entry.service.source == Source::Poll;
        let is_back = was_polled && carrier.is_some_and(|slot| self.lines[slot].serves());
        if entry.ailment.is_none() && raw == Level::Healthy && !is_back {
            return;
        }
        let shown = entry.service.level;
        let (line, sunk) = carrier.map_or_else(Default::default, |slot| {
            let line = level(&self.carried(now, slot), &self.health_rules, now.mono);
            (line, self.lines[slot].health.carried().map_or(line, |filter| filter.level()))
        });
        let rules = self.health_rules.clone();
        let Some(ailment) = self.ailment(now, id) else { return };
        ailment.filter.update(now.mono, raw, &rules);
        if is_back {
            ailment.back = Some(LevelFilter::new(shown, now.mono));
        }
        if let Some(back) = &mut ailment.back {
            back.update(now.mono, line, &rules);
            if sunk <= back.level() {
                ailment.back = None;
            }
        }
        let is_well = ailment.filter.level() == Level::Healthy && ailment.back.is_none();
        if is_well && raw == Level::Healthy && sample.gaps == 0 && sample.book.is_none() {
            self.ailing.remove(&id);
            if let Some(entry) = self.topics.get_mut(id) {
                entry.ailment = None;
            }
        }
    }
}
