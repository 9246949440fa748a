//! A line that is silent for too long: what it carries is flagged at once, it is asked whether it lives,
//! and a replacement is dialled beside it. Whichever answers first goes on.

use crate::data::event::{Book, BookState};
use crate::data::update::{Data, Kind, Source};
use crate::defect::{Defect, planted};
use crate::policy::fault::Fault;
use crate::time::Time;
use crate::venue::{LineId, TopicId};

use super::Feed;
use super::history::Draft;
use super::io::{Action, DialError};
use super::line::{Doubt, Phase, Spare};
use super::market::Epochs;
use super::topics::State;

impl Feed {
    /// A line is silent for too long.
    pub(super) fn doubt(&mut self, now: Time, slot: usize) {
        let Phase::Live(live) = &mut self.lines[slot].phase else { return };
        live.doubt = Some(Doubt { spare: None });
        self.events.record(now, &format!("line {slot}"), ("live", "live"), "silent for too long");
        self.flag_topics(now, slot, true);
        self.tell_topics(now, slot);
        self.dial_spare(now, slot);
    }

    /// A doubted line answers. What is carried by one on which something comes several times a second stays in doubt until
    /// that does.
    #[cold]
    pub(super) fn answers(&mut self, now: Time, slot: usize, why: &str) {
        let timing = &self.config.timing;
        if self.lines[slot].silent_after(timing) > timing.silent_min {
            return self.believe(now, slot, why);
        }
        if let Some(spare) = self.take_spare(slot) {
            self.drop_spare(now, slot, &spare);
        }
    }

    /// A doubted line has shown that it lives: what it carries goes on where it was, books with a snapshot.
    #[cold]
    pub(super) fn believe(&mut self, now: Time, slot: usize, why: &str) {
        if let Some(spare) = self.take_spare(slot) {
            self.drop_spare(now, slot, &spare);
        }
        self.credit_silence(now, slot);
        let Phase::Live(live) = &mut self.lines[slot].phase else { return };
        live.doubt = None;
        if self.lines[slot].serves() {
            self.line_serves(now.mono, slot);
        }
        self.events.record(now, &format!("line {slot}"), ("live", "live"), why);
        self.flag_topics(now, slot, false);
        self.tell_topics(now, slot);
    }

    /// Flags everything that a line carries as doubtful, or as right again.
    pub(super) fn flag_topics(&mut self, now: Time, slot: usize, doubted: bool) {
        let topics: Vec<_> = self.lines[slot].wishes.iter().map(|(_, id)| id).collect();
        for id in topics {
            if !doubted {
                self.trust(now, slot, id);
            } else if !self.is_covered(id, slot) {
                self.mistrust(now, id);
            }
        }
    }

    /// Nobody knows whether what is shown of a topic still holds.
    fn mistrust(&mut self, now: Time, id: TopicId) {
        let Some(entry) = self.topics.get_mut(id) else { return };
        if entry.doubted || planted(Defect::ServeCacheAsLive) {
            return;
        }
        entry.doubted = true;
        let State::Book(book) = &entry.state else { return };
        let Some(venue_id) = book.last_id() else { return };
        let state = BookState::Stale;
        let data = Data::Book(Book { levels: Box::default(), bids: 0, venue_id: Some(venue_id), state });
        let (kind, source) = (Kind::Delta, Source::Cache);
        let draft = Draft { kind, source, time: None, received: now, late: false, data };
        entry.publish(&mut self.readers, &self.config, draft);
    }

    /// A line that is well carries a topic that is in doubt. If it has done so all the time, what is shown is right; a
    /// line that has come since knows nothing of what was said before.
    pub(super) fn trust(&mut self, now: Time, slot: usize, id: TopicId) {
        if !self.topics.get(id).is_some_and(|entry| entry.doubted) || !self.lines[slot].serves() {
            return;
        }
        let Some(vouches) = self.vouches(id, slot) else { return };
        let Some(entry) = self.topics.get_mut(id) else { return };
        if let (State::Book(_), false) = (&entry.state, vouches) {
            // It goes on with a change that begins where it stands, or with a snapshot.
            return self.lose_track(now, id);
        }
        entry.doubted = false;
        let State::Book(book) = &entry.state else { return };
        if book.last_id().is_none() {
            return;
        }
        // Whoever let go of a stale book waits for a snapshot. Ours was right all the time, so none is fetched.
        entry.begin_epoch(Epochs(&mut self.rng).draw());
        entry.service.source = Source::Live;
        if let Some(snapshot) = entry.snapshot(now) {
            entry.announce(&mut self.readers, &snapshot);
        }
    }

    /// Dials beside a doubted line, if the venue allows two and the gate lets it pass: once per silence.
    fn dial_spare(&mut self, now: Time, slot: usize) {
        let line = &self.lines[slot];
        let group = &self.venue.profile().groups[usize::from(line.group)];
        let tried = line.live().and_then(|live| live.spared).is_some_and(|at| at > line.last_data);
        // One that is leaving has its replacement already.
        if self.stopping || tried || !group.overlap || line.is_leaving() {
            return;
        }
        let Ok((endpoint, permit)) = self.gate.dial(now.mono, line.endpoint) else { return };
        let id = self.lines[slot].next_dial();
        let give_up = self.begin_dial(now, slot, id, endpoint);
        let Phase::Live(live) = &mut self.lines[slot].phase else { return };
        live.spared = Some(now.mono);
        live.doubt = Some(Doubt { spare: Some(Spare { id, endpoint, permit, give_up }) });
    }

    /// The line beside which `id` was dialled.
    pub(super) fn spare_of(&self, id: LineId) -> Option<usize> {
        let slot = id.slot as usize;
        self.lines.get(slot)?.spare().is_some_and(|spare| spare.id == id).then_some(slot)
    }

    pub(super) fn take_spare(&mut self, slot: usize) -> Option<Spare> {
        match &mut self.lines[slot].phase {
            Phase::Live(live) => live.doubt.as_mut()?.spare.take(),
            _ => None,
        }
    }

    /// The dial beside a line is not needed any more.
    pub(super) fn drop_spare(&mut self, now: Time, slot: usize, spare: &Spare) {
        self.gate.streams[spare.endpoint].breaker.release(spare.permit, now.mono);
        self.actions.push_back(Action::Close { line: spare.id, code: 1000 });
        let cause = "the dial beside the line is not needed any more";
        self.events.record(now, &format!("line {slot}"), ("live", "live"), cause);
    }

    /// The dial beside a line becomes the line's own.
    pub(super) fn adopt(&mut self, now: Time, slot: usize, spare: Spare, cause: &str) {
        let Spare { id, endpoint, permit, give_up } = spare;
        let line = &mut self.lines[slot];
        (line.id, line.endpoint, line.permit) = (id, endpoint, Some(permit));
        self.enter(now, slot, Phase::Dialling { give_up }, cause);
    }

    /// The dial beside a line has succeeded: it takes over, and the silent line is left.
    pub(super) fn spare_opened(&mut self, now: Time, slot: usize) {
        let Some(spare) = self.take_spare(slot) else { return };
        let old = self.lines[slot].id;
        if self.is_blocked(old) {
            // It is we who do not read: what the old line holds must not be thrown away.
            self.drop_spare(now, slot, &spare);
            return;
        }
        let cause = "silent for too long, and its replacement is there";
        self.actions.push_back(Action::Close { line: old, code: 1000 });
        self.ended(now, slot, Fault::Transient, cause);
        self.adopt(now, slot, spare, cause);
        self.interrupt(now, slot);
        self.opened(now, slot);
    }

    /// The dial beside a line has failed: it is waited whether the line lives.
    pub(super) fn spare_failed(&mut self, now: Time, slot: usize, why: &DialError) {
        let Some(spare) = self.take_spare(slot) else { return };
        let roll = self.rng.roll();
        let begun = self.dialled_at(spare.give_up);
        let endpoint = &mut self.gate.streams[spare.endpoint];
        endpoint.dials.1 += 1;
        endpoint.failed(now.mono, why.fault, roll, Some(begun), Some(spare.permit));
        if let Some(wait) = crate::policy::recovery::pause(why.fault, roll) {
            self.gate.hold_dials(now.mono, wait, why.fault);
        }
        let cause = format!("the dial beside the line failed: {}", why.detail);
        self.events.record(now, &format!("line {slot}"), ("live", "live"), &cause);
    }

    /// Gives up a dial beside a line that takes too long.
    pub(super) fn expire_spare(&mut self, now: Time, slot: usize) {
        if self.lines[slot].spare().is_none_or(|spare| spare.give_up > now.mono) {
            return;
        }
        if let Some(id) = self.lines[slot].spare().map(|spare| spare.id) {
            self.actions.push_back(Action::Close { line: id, code: 1000 });
        }
        let (stage, fault) = (super::io::Stage::Tcp, Fault::Transient);
        self.spare_failed(now, slot, &DialError { stage, fault, detail: "it took too long".into() });
    }
}
