//! From a frame to the topics: translation, sequencing, publication.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crate::data::channel::Shape;
use crate::data::event::Level as PriceLevel;
use crate::data::sequence::Verdict;
use crate::data::update::{Data, Epoch, Kind, Source};
use crate::defect::{Defect, planted};
use crate::policy::backoff::Failures;
use crate::policy::fault::Fault;
use crate::time::{Time, Unix};
use crate::venue::{DecodeError, Item, LineId, Sequencing, TopicId};

use super::Feed;
use super::history::Draft;
use super::judge::{judge, mistaken};
use super::line::{Line, Phase};
use super::quarantine::Over;
use super::topics::{Seen, State};

/// So many corrupt messages within [`CORRUPT_WITHIN`] are a fault of the venue's side.
const CORRUPT_LIMIT: u32 = 5;
const CORRUPT_WITHIN: Duration = Duration::from_secs(60);
/// Messages of a line between two looks at the size of all logs.
const LOGS_EVERY: u64 = 4_096;

impl Feed {
    pub(super) fn frame(&mut self, now: Time, id: LineId, bytes: &[u8]) {
        #[cfg(feature = "defects")]
        let mistaken = self.mistaken(id, bytes);
        #[cfg(feature = "defects")]
        let Some(bytes) = mistaken.as_deref() else { return };
        let slot = id.slot as usize;
        let Some(line) = self.lines.get_mut(slot).filter(|line| line.is(id)) else {
            self.counters.stray_inputs += 1;
            return;
        };
        // Once in a while all logs together are held to their bound.
        if line.stats.frames % LOGS_EVERY == LOGS_EVERY - 1 {
            self.logs_due = true;
        }
        line.stats.frames += 1;
        line.stats.bytes += bytes.len() as u64;
        let heard = std::mem::replace(&mut line.last_frame, now.mono);
        line.heard = now.mono;
        if line.is_doubted() {
            self.answers(now, slot, "something came");
        } else if heard + self.config.timing.silent_min <= now.mono || line.unread.is_some() {
            self.note_unread(now, slot, now.mono.since(heard));
        }
        let line = &self.lines[slot];
        self.decoded.clear();
        line.names.take_asked();
        let (venue, names, decoded) = (&self.venue, &line.names, &mut self.decoded);
        // A panic costs the frame: translation has touched nothing but the buffer.
        let result = catch_unwind(AssertUnwindSafe(|| venue.decode(id, bytes, names, decoded)));
        match result {
            Ok(Ok(())) => {
                if self.config.lines > 1 {
                    self.compare(now, slot, bytes);
                }
                self.said(now, slot);
            }
            Ok(Err(DecodeError::Unknown(name))) => self.unknown(slot, name),
            Ok(Err(error)) => {
                #[cfg(feature = "defects")]
                self.spare_the_rest(id, bytes);
                if planted(Defect::PublishGoodHalf) {
                    self.said(now, slot);
                }
                self.undecodable(now, slot, bytes, &error);
            }
            Err(_) => {
                let whose = self.lines[slot].names.take_asked();
                self.panicked(now, slot, bytes, whose);
            }
        }
    }

    /// Works through what one frame said.
    #[inline]
    fn said(&mut self, now: Time, slot: usize) {
        if !self.decoded.refused.is_empty() {
            self.refused_copies(now, slot);
        }
        // Nearly every frame tells of one event: nothing has to be put aside for that.
        match self.decoded.items.as_slice() {
            [Item::Market { .. }] if self.lines[slot].is_live() => {
                let Some(Item::Market { topic, id, time, data }) = self.decoded.items.pop() else { return };
                self.prove(now, slot);
                self.in_hand = Some(topic);
                self.market(now, Origin::line(slot), topic, id, time, Some(data));
                self.in_hand = None;
            }
            [] => {}
            _ => self.said_more(now, slot),
        }
        if self.logs_due {
            self.shorten_logs();
        }
    }

    /// Works through what else a frame can say: several things, books, the venue's own words.
    #[inline(never)]
    fn said_more(&mut self, now: Time, slot: usize) {
        let mut items = std::mem::take(&mut self.decoded.items);
        let levels = std::mem::take(&mut self.decoded.levels);
        for item in items.drain(..) {
            // What follows a goodbye, or the last corrupt message that is borne, belongs to nobody.
            if self.lines[slot].is_live() {
                self.item(now, slot, item, &levels);
            } else {
                self.of_login(now, slot, item);
            }
        }
        self.in_hand = None;
        self.decoded.items = items;
        self.decoded.levels = levels;
    }

    fn item(&mut self, now: Time, slot: usize, item: Item, levels: &[PriceLevel]) {
        match item {
            Item::Market { topic, id, time, data } => {
                self.prove(now, slot);
                self.in_hand = Some(topic);
                self.market(now, Origin::line(slot), topic, id, time, Some(data));
            }
            Item::Spent { topic, id } => {
                self.prove(now, slot);
                self.in_hand = Some(topic);
                self.market(now, Origin::line(slot), topic, id, None, None);
            }
            Item::Depth { topic, time, span, levels: range, bids } => {
                self.prove(now, slot);
                self.in_hand = Some(topic);
                let (bids, asks) = split(levels, &range, bids);
                self.depth(now, slot, (topic, time, span), bids, asks);
            }
            Item::Levels { topic, time, last, levels: range, bids } => {
                self.prove(now, slot);
                self.in_hand = Some(topic);
                let (bids, asks) = split(levels, &range, bids);
                self.partial(now, topic, Origin::line(slot), (time, last), bids, asks);
            }
            Item::Accepted { request, handle } => self.accepted(now, slot, request, handle),
            Item::Rejected { request, fault, reason } => self.refused(now, slot, request, fault, &reason),
            Item::Greeting | Item::LoggedIn { .. } | Item::LoginRefused { .. } => {
                self.of_login(now, slot, item)
            }
            Item::Alive | Item::Weight { .. } => {}
            Item::Unrouted => self.lines[slot].stats.unrouted += 1,
            Item::Goodbye => {
                let cause = "the venue announced its shutdown";
                // Where a second connection is allowed, the first one serves until it closes.
                if !self.want_rotation(now, slot, cause) && !self.lines[slot].is_leaving() {
                    self.events.record(now, &format!("line {slot}"), ("live", "live"), cause);
                    self.cut(now, slot, Fault::Planned, cause);
                }
            }
        }
    }

    /// Copies were refused before they were decoded: they show that the line carries data, and how far it is behind.
    #[cold]
    fn refused_copies(&mut self, now: Time, slot: usize) {
        self.prove(now, slot);
        let mut refused = std::mem::take(&mut self.decoded.refused);
        for (topic, id) in refused.drain(..) {
            self.lines[slot].stats.duplicates += 1;
            let newest = self.decoded.is_newest(topic, id);
            let Some(entry) = self.topics.get_mut(topic) else { continue };
            let seen = Seen::of(&mut entry.seen);
            seen.counts.received += 1;
            seen.counts.duplicates += 1;
            seen.ledger.duplicate(now, 1);
            // Of what has ids of its own every copy is measured where it is compared.
            let measured = entry.sequencing == Sequencing::Contiguous;
            if let (true, false, true, Some(first)) =
                (newest, measured, entry.carriers.several(), entry.last_at())
            {
                self.measure_lag(now, slot, first.mono);
            }
        }
        self.decoded.refused = refused;
    }

    /// The line has shown that it carries data.
    #[inline]
    fn prove(&mut self, now: Time, slot: usize) {
        let line = &mut self.lines[slot];
        // Frames of one batch share one reading of the clock: what follows the first of them tells nothing new.
        if line.last_data == now.mono && line.live().is_some_and(|live| live.proven.is_some()) {
            return;
        }
        line.last_data = now.mono;
        line.arrivals.observe(now.mono);
        if line.is_doubted() {
            self.believe(now, slot, "data came");
        }
        let line = &mut self.lines[slot];
        let Phase::Live(live) = &mut line.phase else { return };
        if live.proven.is_none() {
            live.proven = Some(now.mono);
            live.check_at = live.check_at.min(now.mono + self.config.timing.silent_min);
            line.failures.proven(now.mono);
            if planted(Defect::ForgiveAtFirstFrame) {
                line.failures = Failures::default();
            }
            line.fault = None;
            line.fruitless = 0;
            let (took, rules) = (live.since.since(line.dialled), &self.gate.scores);
            self.gate.streams[line.endpoint].quality.proven(now.mono, took, rules);
            self.line_serves(now.mono, slot);
            // Another line may have let its topics down meanwhile.
            self.flag_topics(now, slot, false);
            self.tell_topics(now, slot);
            let topics: Vec<TopicId> = self.lines[slot].wishes.iter().map(|(_, id)| id).collect();
            self.fallback.serves_again();
            topics.into_iter().for_each(|id| self.is_brought_again(now, id));
        }
    }

    /// One event of a topic that is no book; `data` is absent for an id spent without an event.
    #[inline]
    pub(super) fn market(
        &mut self,
        now: Time,
        from: Origin,
        topic: TopicId,
        id: u64,
        time: Option<Unix>,
        mut data: Option<Data>,
    ) {
        let line = from.line_of(&mut self.lines);
        let Some(entry) = self.topics.get_mut(topic) else {
            if let Some(line) = line {
                line.stats.unrouted += 1;
            }
            return;
        };
        let verdict = judge(entry, now.mono, from, id, time, data.as_ref());
        let verdict = mistaken(entry, from, entry.sift(verdict, time, &mut data));
        let is_new = !matches!(verdict, Verdict::Duplicate | Verdict::Reset);
        let seen = Seen::of(&mut entry.seen);
        seen.counts.received += 1;
        seen.counts.spent += u64::from(data.is_none());
        if is_new {
            seen.came(now, from.is_line());
        }
        match line {
            Some(line) => {
                if let Some(time) = time {
                    line.stats.latency_ns = Some(now.unix.0.saturating_sub(time.0));
                }
                line.stats.first += u64::from(is_new);
                entry.polled &= !is_new;
            }
            None => seen.counts.repaired += u64::from(is_new && from.source == Source::Repair),
        }
        match verdict {
            Verdict::Next => {}
            Verdict::Duplicate => return self.again(now, from, topic, id, time, data),
            Verdict::Ahead => {
                let held = (from.source, data.map(|data| (time, now, data)));
                entry.sequence.hold(now.mono, id, held);
                return self.came_early(now, from, topic);
            }
            Verdict::Reset => return self.starts_over(now, from, topic, id, time, data),
        }
        seen.renew(time);
        seen.enter(now, entry.sequencing, from.source);
        let (catching_up, returns) = (entry.outage, entry.broken && from.slot.is_some());
        if catching_up {
            // Only a line can tell that nothing is missing behind what REST has told meanwhile.
            entry.outage = entry.sequence.held() > 0 || from.slot.is_none();
        }
        self.decoded.see(topic, id);
        if let Some(data) = data {
            if let Data::Candle(candle) = &data {
                entry.broken |= Seen::of(&mut entry.seen).follow(candle, from.slot.is_none());
            }
            let draft = brought(entry.shape, from.source, (time, now), data);
            entry.event(&mut self.readers, &self.config, draft, Epochs(&mut self.rng));
        } else if from.slot.is_none() {
            self.decoded.leave_out(topic, id);
        }
        if entry.sequence.held() > 0 {
            self.goes_on_before_a_hole(now, from, topic);
        }
        if catching_up || returns {
            self.tell_topic(now, topic);
        }
    }

    /// An id that was here before, or that was declared missing and comes after all: late, and so marked.
    #[cold]
    pub(super) fn again(
        &mut self,
        now: Time,
        from: Origin,
        topic: TopicId,
        id: u64,
        time: Option<Unix>,
        data: Option<Data>,
    ) {
        let Some(entry) = self.topics.get_mut(topic) else { return };
        if from.is_line() && data.as_ref().is_some_and(|data| entry.is_closed_late(data)) {
            return self.close_late(now, from, topic, time, data);
        }
        let Seen { counts, ledger, .. } = Seen::of(&mut entry.seen);
        let contiguous = entry.sequencing == Sequencing::Contiguous;
        // A reply had left it out: for the ledger it is settled.
        let void = contiguous && data.is_some() && self.decoded.take_void(topic, id);
        if !void && (!contiguous || !self.decoded.take_late(topic, id)) {
            ledger.duplicate(now, 1);
            counts.duplicates += 1;
            if let Some(line) = from.line_of(&mut self.lines) {
                line.stats.duplicates += 1;
            }
            return;
        }
        if !void {
            counts.lost = counts.lost.saturating_sub(1);
            counts.repaired += 1;
            ledger.late(now, id);
            entry.came_late(id);
        }
        if let Some(data) = data {
            let late = !planted(Defect::LateUnmarked);
            let draft = Draft { late, ..brought(entry.shape, from.source, (time, now), data) };
            entry.event(&mut self.readers, &self.config, draft, Epochs(&mut self.rng));
        }
    }

    fn unknown(&mut self, slot: usize, name: String) {
        self.lines[slot].stats.unknown += 1;
        if self.counters.unknown_events.len() < 32 || self.counters.unknown_events.contains_key(&name) {
            *self.counters.unknown_events.entry(name).or_default() += 1;
        }
    }

    /// A frame that is not what the venue promises: dropped, counted, sampled. What it may have carried
    /// shows as a gap where ids are contiguous.
    fn undecodable(&mut self, now: Time, slot: usize, bytes: &[u8], error: &DecodeError) {
        self.set_message_aside(now, slot, bytes, error);
        let line = &mut self.lines[slot];
        if now.mono.since(line.corrupt.1) > CORRUPT_WITHIN {
            line.corrupt = (0, now.mono);
        }
        line.corrupt.0 += 1;
        if line.corrupt.0 >= CORRUPT_LIMIT {
            self.cut(now, slot, Fault::Server, "the venue sends corrupt messages");
        }
    }

    /// The adapter panicked over a message. If it is known whose it was, that topic answers for it, not its line.
    #[cold]
    fn panicked(&mut self, now: Time, slot: usize, bytes: &[u8], whose: Option<TopicId>) {
        self.counters.decode_panics += 1;
        let error = DecodeError::Syntax("the adapter panicked");
        match whose {
            Some(topic) => {
                self.set_message_aside(now, slot, bytes, &error);
                self.panicked_over(now, topic, Over::Frame);
            }
            None => self.undecodable(now, slot, bytes, &error),
        }
    }

    /// A message is counted and sampled, and that is all.
    fn set_message_aside(&mut self, now: Time, slot: usize, bytes: &[u8], error: &DecodeError) {
        *self.counters.decode_errors.entry(error.kind()).or_default() += 1;
        let sample = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into_owned();
        self.samples.add(now, error.to_string(), sample);
        self.lines[slot].stats.undecodable += 1;
    }

    /// Continuity of every topic on a line is in doubt: its socket is gone.
    pub(super) fn interrupt(&mut self, now: Time, slot: usize) {
        self.bequeath_rhythm(slot);
        let topics: Vec<_> = self.lines[slot].wishes.iter().map(|(_, id)| id).collect();
        for id in topics {
            if self.is_covered(id, slot) && !planted(Defect::BreakWhatIsCovered) {
                continue;
            }
            self.lose_track(now, id);
        }
    }

    /// Continuity of a topic is in doubt: nobody knows what the venue has said of it meanwhile.
    pub(super) fn lose_track(&mut self, now: Time, id: TopicId) {
        self.settle_early(now, id);
        let Some(entry) = self.topics.get_mut(id) else { return };
        match entry.sequencing {
            // The next id tells what was lost.
            Sequencing::Contiguous => {
                entry.begin_outage();
                self.missed.interrupt(id);
            }
            Sequencing::Rising | Sequencing::None => entry.broken = entry.last_at().is_some(),
            Sequencing::Book => self.break_book(now, id),
        }
        if let Some(entry) = self.topics.get_mut(id) {
            entry.doubted = false;
        }
        if self.is_fed(id) {
            self.go_on(now, id);
        }
    }

    /// A line carries a topic of which something may be missing, and will not be subscribed to it again: what is done
    /// when a line is, is done now.
    pub(super) fn go_on(&mut self, now: Time, id: TopicId) {
        if let Some(State::Book(book)) = self.topics.get_mut(id).map(|entry| &mut entry.state) {
            book.opened(now.mono);
        }
        self.watch_book(id);
        self.may_have_missed(now, id);
        self.tell_topic(now, id);
    }
}

/// Draws an epoch when one is needed.
pub(super) struct Epochs<'a>(pub(super) &'a mut crate::rng::Rng);

impl Epochs<'_> {
    pub(super) fn draw(self) -> Epoch {
        Epoch::new((u128::from(self.0.next_u64()) << 64) | u128::from(self.0.next_u64()))
    }
}

/// Where something comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin {
    /// The line, if one brought it.
    pub(super) slot: Option<u32>,
    pub(super) source: Source,
}

impl Origin {
    pub(super) fn line(slot: usize) -> Self {
        Self { slot: Some(slot as u32), source: Source::Live }
    }

    /// A reply of the venue's REST interface.
    pub(super) fn reply(source: Source) -> Self {
        Self { slot: None, source }
    }

    #[inline]
    pub(super) fn is_line(self) -> bool {
        self.slot.is_some()
    }

    #[inline]
    pub(super) fn line_of(self, lines: &mut [Line]) -> Option<&mut Line> {
        lines.get_mut(self.slot? as usize)
    }
}

/// What has been brought, with the venue's time and ours.
#[inline]
pub(super) fn brought(
    shape: Shape,
    source: Source,
    (time, received): (Option<Unix>, Time),
    data: Data,
) -> Draft {
    Draft { kind: kind_of(shape, &data), source, time, received, late: false, data }
}

fn kind_of(shape: Shape, data: &Data) -> Kind {
    match (shape, data) {
        (Shape::Event, _) => Kind::Event,
        (Shape::Candle, Data::Candle(candle)) if candle.closed => Kind::Event,
        _ => Kind::Delta,
    }
}

/// The levels of an item. A bad range is an adapter's error; it yields nothing rather than a panic.
pub(super) fn split<'a>(
    levels: &'a [PriceLevel],
    range: &Range<u32>,
    bids: u32,
) -> (&'a [PriceLevel], &'a [PriceLevel]) {
    let levels = levels.get(range.start as usize..range.end as usize).unwrap_or(&[]);
    levels.split_at(levels.len().min(bids as usize))
}
