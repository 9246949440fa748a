//! Two lines of one topic, as the judges see them: what is covered by another line when one ends, and what is left
//! behind when one is closed.

use std::collections::BTreeSet;

use tapeline_core::data::channel::Channel;
use tapeline_core::data::topic::Topic;
use tapeline_core::data::update::{Epoch, Level};
use tapeline_core::venue::LineId;

use super::World;
use super::oracle::Oracle;
use super::reader::Habit;

/// A topic that another line carries as well: the end of one must not be felt.
#[derive(Debug)]
pub(super) struct Covered {
    topic: Topic,
    epoch: Epoch,
}

impl World {
    /// The topics of a line that is about to end for the feed which another line surely carries.
    pub(super) fn covered(&mut self, host: usize, slot: u32) -> Vec<Covered> {
        let (now, time) = (self.now, self.time());
        if self.hosts[host].config.lines < 2 {
            return Vec::new();
        }
        // Whatever else has come is done with first.
        self.drive(host);
        let Some(status) = self.hosts[host].status(time) else { return Vec::new() };
        let watcher = self.reader_of(host, Habit::Watcher);
        let fresh = &self.oracles.watches[host].fresh;
        let carries = |other: u32| {
            let line = status.lines.iter().find(|line| line.id == other);
            // One that has only just recovered from its own troubles is not yet called well, and what is left to it alone
            // neither.
            let whole = line.is_some_and(|line| {
                let complete = line.proven && line.confirmed == line.wanted;
                line.phase == "live" && complete && line.level < Level::Degraded
            });
            other != slot && whole && fresh.flows(now, other, 1)
        };
        let mut covered = Vec::new();
        for topic in status.topics.iter().filter(|topic| topic.lines.contains(&slot)) {
            let Some(sight) = self.oracles.sights[watcher].get(&topic.topic) else { continue };
            let well = sight.level.is_some_and(|level| level < Level::Degraded);
            let live = topic.topic.channel() != Channel::Book || self.oracles.is_live(watcher, &topic.topic);
            if well && live && topic.lines.iter().any(|other| carries(*other)) {
                covered.push(Covered { topic: topic.topic.clone(), epoch: topic.position.epoch });
            }
        }
        covered
    }

    /// One line has ended: what the other carries goes on as it was.
    pub(super) fn still_covered(&mut self, host: usize, covered: &[Covered]) {
        if covered.is_empty() {
            return;
        }
        self.drive(host);
        let watcher = self.reader_of(host, Habit::Watcher);
        for Covered { topic, epoch } in covered {
            let Some(sight) = self.oracles.sights[watcher].get(topic) else { continue };
            let place = self.oracles.position(watcher, topic);
            let (level, same) = (sight.level, place.is_none_or(|place| place.epoch == *epoch));
            let live = topic.channel() != Channel::Book || self.oracles.is_live(watcher, topic);
            if same && live && level.is_some_and(|level| level < Level::Degraded) {
                continue;
            }
            let words = format!(
                "host {host}: one of two lines ended, and {} is called {level:?} (live: {live}, unbroken: {same})",
                topic.as_str()
            );
            return self.oracles.object(Oracle::Cover, words);
        }
    }

    /// The feed closes a line: which of its streams each other line lacks.
    pub(super) fn note_close(&mut self, host: usize, line: LineId) {
        let place = &self.hosts[host];
        let house = &self.houses[place.house];
        let held = |socket| house.subscriptions(socket).iter().cloned().collect::<BTreeSet<String>>();
        let closed = place.open_links().find(|(_, link)| link.line == line);
        let Some(socket) = closed.and_then(|(_, link)| link.socket) else { return };
        let read = |topic: &Topic| place.wishes.get(topic).is_some_and(|wish| !wish.readers.is_empty());
        let streams = place.wishes.keys().filter(|topic| read(topic));
        let wanted: BTreeSet<String> =
            streams.filter_map(|topic| Some(place.venue.route(topic).ok()?.stream.to_string())).collect();
        let left: Vec<String> = held(socket).intersection(&wanted).cloned().collect();
        let others = place.open_links().filter(|(_, link)| link.line != line);
        let lacks = others.map(|(_, link)| {
            let has = link.socket.map(held).unwrap_or_default();
            (link.line.slot, left.iter().filter(|stream| !has.contains(*stream)).cloned().collect())
        });
        let lacks = lacks.collect();
        self.oracles.watches[host].pairs.closed(self.now, line.slot, lacks);
    }
}
