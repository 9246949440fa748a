//! What an operator may ask of a feed.

use std::time::Duration;

use crate::outbox::CutOff;
use crate::policy::backoff::delay;
use crate::policy::fault::Fault;
use crate::policy::recovery::Recovery;
use crate::time::{Mono, Time};
use crate::venue::TopicId;

use super::Feed;
use super::io::{Action, Command};
use super::line::Phase;
use super::lines::REJECTED;
use super::quarantine::QUARANTINED;
use super::rotate::Role;
use super::topics::{Entry, State};

/// The pause of a delayed recovery: as long as that of a venue that does not say how long it wants to be left alone.
const PAUSE: Duration = Duration::from_secs(60);

impl Feed {
    /// An operator speaks; how many things it touched.
    pub fn command(&mut self, now: Time, command: Command) -> usize {
        self.notice(now);
        self.start(now);
        self.note_order(now, &command);
        let touched = match command {
            Command::Reconnect { slot } => self.reconnect(now, slot),
            Command::Recover { slot, how } => self.recover(now, slot, how),
            Command::Fallback { rung } => {
                self.fallback.ladder.trigger(rung);
                1
            }
            Command::Pin { rung } => {
                self.pin(now, Some(rung));
                1
            }
            Command::Unpin => {
                let pinned = self.fallback.ladder.pinned().is_some();
                self.pin(now, None);
                usize::from(pinned)
            }
            Command::Rotate { slot } => self.rotate_by_hand(now, slot),
            Command::Reset => self.reset(now),
            Command::Breakers { how } => self.override_breakers(now, how),
            Command::Sweep => self.sweep(now, true),
            Command::Resync { topic, how } => {
                let id = self.venue.canonical(topic).ok().and_then(|topic| self.topics.id(&topic));
                id.map_or(0, |id| self.resync(now, id, how))
            }
            Command::Shutdown => self.shutdown(now),
        };
        self.climb(now);
        self.drive(now);
        touched
    }

    /// What was ordered is part of the record: it explains what follows.
    fn note_order(&mut self, now: Time, command: &Command) {
        let (name, what) = match command {
            // Asked by the program itself, when it ends or cleans up.
            Command::Shutdown | Command::Sweep => return,
            Command::Reconnect { slot } => ("reconnect", line_of(*slot)),
            Command::Rotate { slot } => ("rotate", line_of(*slot)),
            Command::Recover { slot, how } => {
                ("recover", format!("{}, {how:?}", line_of(*slot)).to_lowercase())
            }
            Command::Fallback { rung } => ("fallback", rung.name().to_owned()),
            Command::Pin { rung } => ("pin", rung.name().to_owned()),
            Command::Unpin => ("unpin", String::new()),
            Command::Reset => ("reset", String::new()),
            Command::Breakers { how } => ("reset", format!("breakers {}", how.name())),
            Command::Resync { topic, how: Recovery::Immediate } => ("resync", topic.to_string()),
            Command::Resync { topic, how } => {
                ("resync", format!("{topic}, {}", format!("{how:?}").to_lowercase()))
            }
        };
        self.events.record(now, "operator", ("", name), &what);
    }

    fn reconnect(&mut self, now: Time, slot: Option<u32>) -> usize {
        let chosen = |index: usize| {
            self.lines[index].role != Role::Retired && slot.is_none_or(|slot| slot as usize == index)
        };
        let slots: Vec<usize> = (0..self.lines.len()).filter(|index| chosen(*index)).collect();
        let mut touched = 0;
        for slot in slots {
            match self.lines[slot].phase {
                Phase::Live(_) => self.cut(now, slot, Fault::Planned, "an operator asked for it"),
                // What is dialled already is not dialled sooner, and what nobody wants is not dialled.
                Phase::Idle | Phase::Dialling { .. } | Phase::LoggingIn(_) => continue,
                Phase::Waiting { .. } | Phase::Halted { .. } => {}
            }
            touched += 1;
            if matches!(self.lines[slot].phase, Phase::Waiting { .. } | Phase::Halted { .. }) {
                self.enter(now, slot, Phase::Waiting { until: now.mono }, "an operator asked for it");
            }
        }
        touched
    }

    fn rotate_by_hand(&mut self, now: Time, slot: Option<u32>) -> usize {
        let chosen = |index: &usize| slot.is_none_or(|slot| slot as usize == *index);
        let slots: Vec<usize> = (0..self.lines.len()).filter(chosen).collect();
        let cause = "an operator asked for another line to follow it";
        slots.into_iter().filter(|slot| self.want_rotation(now, *slot, cause)).count()
    }

    fn reset(&mut self, now: Time) -> usize {
        let mut touched = self.gate.reset(now.mono);
        self.ask_the_gate_again();
        self.fallback.forgive();
        for slot in 0..self.lines.len() {
            self.lines[slot].failures.reset();
            self.lines[slot].rests_until = Mono::default();
            if matches!(self.lines[slot].phase, Phase::Waiting { .. } | Phase::Halted { .. }) {
                touched += 1;
                self.enter(now, slot, Phase::Waiting { until: now.mono }, "an operator forgave everything");
            }
        }
        touched + self.forgive_topics(now, true)
    }

    /// Lines that wait or are halted are put on their way again: at once, after a pause, or by their backoff.
    fn recover(&mut self, now: Time, slot: Option<u32>, how: Recovery) -> usize {
        let mut touched = 0;
        for index in (0..self.lines.len()).filter(|index| slot.is_none_or(|slot| slot as usize == *index)) {
            if !matches!(self.lines[index].phase, Phase::Waiting { .. } | Phase::Halted { .. }) {
                continue;
            }
            let roll = self.rng.roll();
            let failures = self.lines[index].failures.count(now.mono, &self.backoff).max(1);
            let wait = match how {
                Recovery::Immediate => Duration::ZERO,
                Recovery::Progressive => delay(&self.backoff, failures, roll),
                Recovery::Delayed => PAUSE,
                Recovery::Manual => continue,
            };
            touched += 1;
            self.enter(now, index, Phase::Waiting { until: now.mono + wait }, "an operator asked for it");
        }
        if how == Recovery::Manual { 0 } else { touched + self.forgive_topics(now, false) }
    }

    /// A book is fetched anew: at once, after a pause, or by the backoff. One that is served goes on meanwhile, and one
    /// that is not, not before.
    fn resync(&mut self, now: Time, id: TopicId, how: Recovery) -> usize {
        let Some(State::Book(book)) = self.topics.get(id).map(|entry| &entry.state) else { return 0 };
        let holds = book.last_id().is_none();
        let wait = match how {
            Recovery::Immediate => Duration::ZERO,
            Recovery::Progressive => delay(&self.backoff, self.snapshots.tries(id).max(1), self.rng.roll()),
            Recovery::Delayed => PAUSE,
            Recovery::Manual => return 0,
        };
        self.snapshots.order(id, now.mono + wait, holds);
        1
    }

    /// A book is to be fetched anew, whatever it is now.
    pub(super) fn ask_for_book(&mut self, now: Time, id: TopicId) {
        if let Some(State::Book(book)) = self.topics.get_mut(id).map(|entry| &mut entry.state) {
            book.ask();
            self.queue_snapshot(now, id);
        }
    }

    /// Topics and books the venue had refused get another chance, and those that were set aside; with `wholly`, it is
    /// forgotten that they were.
    fn forgive_topics(&mut self, now: Time, wholly: bool) -> usize {
        self.snapshots.forgive(wholly);
        self.quarantine.lift(now.mono, wholly);
        let is_aside = |entry: &Entry| entry.service.phase == QUARANTINED;
        let aside: Vec<_> =
            self.topics.iter().filter(|(_, entry)| is_aside(entry)).map(|(id, _)| id).collect();
        aside.into_iter().for_each(|id| self.take_back(now, id, "an operator asked for it"));
        let is_refused = |entry: &Entry| entry.service.phase == REJECTED;
        let refused: Vec<_> =
            self.topics.iter().filter(|(_, entry)| is_refused(entry)).map(|(id, _)| id).collect();
        for id in refused {
            if let Some(entry) = self.topics.get_mut(id) {
                entry.service.phase = "idle";
            }
            self.tell_topic(now, id);
            self.want_snapshot(now, id);
        }
        let rejected: Vec<_> =
            self.topics.iter().filter(|(_, entry)| entry.carriers.is_empty()).map(|(id, _)| id).collect();
        let touched = rejected.len();
        for id in rejected {
            self.place(now, id);
        }
        self.ask_again(now, true);
        touched
    }

    fn shutdown(&mut self, now: Time) -> usize {
        self.stopping = true;
        let mut touched = 0;
        for slot in 0..self.lines.len() {
            let line = &self.lines[slot];
            if line.is_engaged() {
                touched += 1;
                self.actions.push_back(Action::Close { line: line.id, code: 1000 });
            }
            self.enter(now, slot, Phase::Idle, "shutting down");
        }
        self.readers.cut_all(CutOff::Shutdown);
        touched
    }
}

fn line_of(slot: Option<u32>) -> String {
    slot.map_or_else(|| "all lines".to_owned(), |slot| format!("line {slot}"))
}
