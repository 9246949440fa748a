//! Lines that have stopped bringing one topic of many, while another line goes on bringing it: that nobody lost anything
//! hides it from all who watch the topic. The stream is asked for anew on that line alone; until something comes of it,
//! the line does not count as one that carries the topic.

use std::time::Duration;

use crate::time::{Mono, Time};
use crate::venue::{LineId, Sequencing, StreamName, TopicId};

use super::Feed;
use super::pace::LOOKS;
use super::rotate::Role;
use super::topics::Entry;

/// So many ids that another line brought must have passed one by. Of what has no ids in a row so many looks count that
/// found something new.
const PASSED: u64 = 3;
/// How many times the lag that is known between the lines they may be apart.
const LAGS: u32 = 4;
/// What is in vain is tried again after twice the time each time, up to so many doublings.
const DOUBLINGS: u8 = 6;
/// What readers of the record are told.
const BEHIND: &str = "brings nothing of it while another line does: subscribing again on it alone";

/// One line that is behind with one topic.
#[derive(Debug, Clone, Copy)]
pub(super) struct Straggler {
    line: LineId,
    /// When it last brought something of the topic, if it ever did on this connection.
    stood: Option<Mono>,
    /// Since when it has been seen to be behind.
    since: Mono,
    /// Looks that found something new on another line, and when that came.
    looks: u8,
    newest: Mono,
    /// Up to which id it is counted what it missed.
    counted: u64,
    /// When the stream was last asked for anew on it, and how often.
    asked: Mono,
    tries: u8,
}

impl Straggler {
    /// It stands where it stood.
    fn is_still(&self, entry: &Entry) -> bool {
        entry.brought_last(self.line) == self.stood
    }

    /// How long it is borne: from when it was seen, and from when the stream was last asked for anew on it.
    fn borne(&self, patience: Duration) -> Duration {
        patience * (1 << self.tries.saturating_sub(1))
    }
}

impl Entry {
    /// When a connection last brought something of it, if several lines carry it.
    fn brought_last(&self, line: LineId) -> Option<Mono> {
        self.seen.as_ref()?.prints.as_ref()?.courses.latest(line)
    }

    /// The newest that came on another line than this one: when, and its id.
    fn brought_beside(&self, line: LineId) -> Option<(Mono, u64)> {
        self.seen.as_ref()?.prints.as_ref()?.courses.newest_beside(line)
    }

    fn stragglers(&self) -> &[Straggler] {
        let prints = self.seen.as_ref().and_then(|seen| seen.prints.as_ref());
        prints.map_or(&[], |prints| &prints.stragglers)
    }

    fn stragglers_mut(&mut self) -> Option<&mut Vec<Straggler>> {
        Some(&mut self.seen.as_mut()?.prints.as_mut()?.stragglers)
    }

    /// What is known of a line that is behind with it.
    fn straggler(&self, line: LineId) -> Option<&Straggler> {
        self.stragglers().iter().find(|held| held.line == line && held.is_still(self))
    }

    /// Whether a line was found to bring nothing of it, while another one does, and has brought nothing since.
    pub(super) fn is_mute_on(&self, line: LineId) -> bool {
        self.straggler(line).is_some_and(|held| held.tries > 0)
    }

    /// Whether a line has let so much of it pass that what it may bring later covers nothing.
    fn is_far_behind(&self, line: LineId, patience: Duration) -> bool {
        self.straggler(line).is_some_and(|held| {
            let newest = self.brought_beside(line).map_or(held.newest, |(at, _)| at.max(held.newest));
            held.tries > 0 || newest >= held.since + patience / 2
        })
    }

    /// What another line brought after a line, by some time that passes anyway between two lines.
    fn ahead_of(&self, line: LineId, confirmed: Mono, apart: Duration) -> Option<(Mono, u64)> {
        let (at, id) = self.brought_beside(line)?;
        let courses = &self.seen.as_ref()?.prints.as_ref()?.courses;
        // Only where ids are in a row does it tell something that one is not higher.
        let counted = matches!(self.sequencing, Sequencing::Contiguous | Sequencing::Book);
        let has_it = counted && courses.newest(line).is_some_and(|own| id <= own);
        let since = courses.latest(line).map_or(confirmed, |own| own.max(confirmed));
        (!has_it && at >= since + apart).then_some((at, id))
    }
}

impl Feed {
    /// How long a line may be behind with a topic: as long as a topic may be mute, and longer than the lines are known
    /// to be apart.
    fn patience_behind(&self, entry: &Entry) -> Duration {
        let lags = entry.carriers.iter().filter_map(|slot| self.lines[slot].stats.lag);
        self.config.timing.mute_after.max(lags.max().unwrap_or_default() * LAGS)
    }

    /// Whether a line is so far behind with a topic that it cannot be relied on for it.
    pub(super) fn lags_with(&self, slot: usize, id: TopicId) -> bool {
        let Some(entry) = self.topics.get(id).filter(|entry| !entry.stragglers().is_empty()) else {
            return false;
        };
        entry.is_far_behind(self.lines[slot].id, self.patience_behind(entry))
    }

    /// What a line brings nothing of while another one does, in words.
    pub(super) fn mute_topics_of(&self, slot: usize) -> Option<String> {
        let line = self.lines[slot].id;
        let entries = self.ailing.iter().filter_map(|id| self.topics.get(*id));
        let mut mute = entries.filter(|entry| entry.is_mute_on(line)).map(|entry| entry.topic.as_str());
        let (first, others) = (mute.next()?, mute.count());
        let more = if others > 0 { format!(" and of {others} more") } else { String::new() };
        Some(format!("it brings nothing of {first}{more}, while another line does"))
    }

    /// Looks for lines that bring nothing of a topic that another one brings.
    pub(super) fn look_for_stragglers(&mut self, now: Time) {
        if self.config.lines < 2 || !self.may_judge(now) {
            return;
        }
        let flows: Vec<bool> = (0..self.lines.len()).map(|slot| self.flows(now, slot)).collect();
        let apart = self.config.timing.reorder_within;
        let suspect = |entry: &Entry| {
            let ahead = |slot: usize| entry.ahead_of(self.lines[slot].id, Mono::default(), apart);
            let behind = |slot: usize| flows[slot] && ahead(slot).is_some();
            !entry.stragglers().is_empty() || entry.carriers.several() && entry.carriers.iter().any(behind)
        };
        let all = self.topics.iter().filter(|(_, entry)| suspect(entry));
        let suspects: Vec<TopicId> = all.map(|(id, _)| id).collect();
        for id in suspects {
            self.let_go_of_stragglers(now, id);
            let (Some(route), Some(entry)) = (self.route_of(id), self.topics.get(id)) else { continue };
            for slot in entry.carriers.iter() {
                self.look_at_straggler(now, slot, (id, &route.stream), flows[slot]);
            }
        }
    }

    /// Whether a line is well and is heard, so that what does not come on it is not held up on its way.
    fn flows(&self, now: Time, slot: usize) -> bool {
        let (line, timing) = (&self.lines[slot], &self.config.timing);
        let Some(live) = line.live().filter(|live| live.proven.is_some() && live.doubt.is_none()) else {
            return false;
        };
        // One that is to follow another has a trial of its own.
        let tried = !matches!(line.role, Role::Heir { .. });
        let silent = now.mono.since(line.last_data);
        let heard = silent < line.silent_after(timing).max(timing.mute_after / LOOKS);
        tried && heard && live.ping.is_none() && !self.is_blocked(line.id)
    }

    /// Forgets those that bring a topic again, or carry it no longer.
    fn let_go_of_stragglers(&mut self, now: Time, id: TopicId) {
        let Some(entry) = self.topics.get_mut(id) else { return };
        let lines = &self.lines;
        let carries = |held: &Straggler| {
            let slot = held.line.slot as usize;
            entry.carriers.contains(slot) && lines.get(slot).is_some_and(|line| line.is(held.line))
        };
        let gone = |held: &&Straggler| !carries(held) || !held.is_still(entry);
        let gone: Vec<Straggler> = entry.stragglers().iter().filter(gone).copied().collect();
        if gone.is_empty() {
            return;
        }
        let back: Vec<Straggler> =
            gone.iter().filter(|held| held.tries > 0 && carries(held)).copied().collect();
        if let Some(held) = entry.stragglers_mut() {
            held.retain(|held| gone.iter().all(|gone| gone.line != held.line));
        }
        for held in &back {
            let cause = format!("line {} brings it again", held.line.slot);
            let Some(entry) = self.topics.get(id) else { return };
            self.events.record(now, entry.topic.as_str(), ("live", "live"), &cause);
            let courses =
                entry.seen.as_ref().and_then(|seen| seen.prints.as_ref()).map(|prints| &prints.courses);
            if let Some((courses, first)) = courses.and_then(|all| Some((all, all.first(held.line)?)))
                && entry.sequencing == Sequencing::Contiguous
            {
                let missed = courses.beside(held.line, (held.counted + 1, first.saturating_sub(1)));
                self.lines[held.line.slot as usize].ids.missed += missed;
            }
        }
        if gone.iter().any(|held| held.tries > 0) {
            self.tell_topic(now, id);
        }
    }

    /// Looks whether one line is behind with one topic, and for how long.
    fn look_at_straggler(
        &mut self,
        now: Time,
        slot: usize,
        (id, stream): (TopicId, &StreamName),
        flows: bool,
    ) {
        let line = &self.lines[slot];
        let (of, confirmed) = (line.id, line.wishes.since(stream));
        let apart = self.config.timing.reorder_within;
        let Some(entry) = self.topics.get_mut(id) else { return };
        let ahead = confirmed.and_then(|confirmed| entry.ahead_of(of, confirmed, apart));
        let (stood, known) = (entry.brought_last(of), entry.is_mute_on(of));
        let own = entry.seen.as_ref().and_then(|seen| seen.prints.as_ref()?.courses.newest(of));
        let Some(all) = entry.stragglers_mut() else { return };
        let Some((at, newest)) = ahead.filter(|_| flows) else {
            // What was not brought while the line was not well is held up, until it is known better.
            all.retain(|held| held.line != of || known);
            return;
        };
        let place = all.iter().position(|held| held.line == of).unwrap_or_else(|| {
            let counted = own.unwrap_or(newest);
            let (since, newest, asked) = (now.mono, Mono::default(), Mono::default());
            all.push(Straggler { line: of, stood, since, looks: 0, newest, counted, asked, tries: 0 });
            all.len() - 1
        });
        let held = &mut all[place];
        held.looks = held.looks.saturating_add(u8::from(at > held.newest));
        held.newest = at;
        let held = *held;
        self.weigh_straggler(now, (id, stream), held, newest);
    }

    /// Asks for a topic anew on a line that is behind with it, where it is time.
    fn weigh_straggler(
        &mut self,
        now: Time,
        (id, stream): (TopicId, &StreamName),
        held: Straggler,
        newest: u64,
    ) {
        let slot = held.line.slot as usize;
        let Some(entry) = self.topics.get(id) else { return };
        let patience = self.patience_behind(entry);
        let contiguous = entry.sequencing == Sequencing::Contiguous;
        let shown = if contiguous {
            newest.saturating_sub(held.counted) >= PASSED
        } else {
            // What is far behind on the other line only looks new.
            u64::from(held.looks) >= PASSED && held.newest >= held.stood.unwrap_or(held.since) + patience
        };
        let due = now.mono.since(held.since.max(held.asked)) >= held.borne(patience);
        // What is not brought by anybody who stands is mute on all lines, which is looked at elsewhere.
        let brought = |other: usize| other != slot && self.is_fed_by(other, stream);
        let may = self.lines[slot].wishes.is_confirmed(stream) && entry.carriers.iter().any(brought);
        // Something else came on it all the same.
        let others_flow = self.lines[slot].last_data > held.since.max(held.asked);
        let asks = due && may && others_flow && (held.tries > 0 || shown);
        if !asks && held.tries == 0 {
            return;
        }
        if contiguous {
            let courses =
                entry.seen.as_ref().and_then(|seen| seen.prints.as_ref()).map(|prints| &prints.courses);
            let missed = courses.map_or(0, |courses| courses.beside(held.line, (held.counted + 1, newest)));
            self.lines[slot].ids.missed += missed;
        }
        if asks {
            let cause = format!("line {slot} {BEHIND}");
            self.events.record(now, entry.topic.as_str(), ("live", "live"), &cause);
            // What comes meanwhile comes on the other line.
            self.lines[slot].wishes.reopen(stream, true);
        }
        let all = self.topics.get_mut(id).and_then(Entry::stragglers_mut);
        if let Some(kept) = all.and_then(|all| all.iter_mut().find(|kept| kept.line == held.line)) {
            kept.counted = newest.max(kept.counted);
            if asks {
                (kept.asked, kept.tries) = (now.mono, (kept.tries + 1).min(DOUBLINGS));
            }
        }
        if asks {
            self.tell_topic(now, id);
            self.speak(now, slot);
        }
    }
}
