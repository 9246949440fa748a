//! The outages of a scene once more, from what the world logged and not from what the feed did: which connections
//! opened and ended, what arrived on them, and what the reader of everything got. The definitions are those of
//! `docs/reliability.md`; no figure and no clock of the feed is used, of its own records only the rungs. What REST
//! told is judged by what the venue had when it was asked, not by what it answered.

mod aside;
mod compare;
mod rest;
#[cfg(test)]
mod tests;

pub(super) use self::compare::{apart, differences};

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use tapeline_core::data::event::BookState;
use tapeline_core::data::topic::Topic;
use tapeline_core::data::update::{Data, GapKind, Shared};

use self::compare::{felt, kept};
use self::rest::Asked;
use super::super::brittle::is_poison;
use super::super::carry::is_json;
use super::super::clock::SEC;
use super::super::oracle::{contains, number_after, stream_of};
use super::super::trace::Deed;
use super::seen::Service;

/// Silence is told after so many mean gaps, within these bounds.
const GAPS: u64 = 8;
const SHORTEST: u64 = 2 * SEC;
const LONGEST: u64 = 60 * SEC;
/// The mean of the gaps fades with this half-life, in seconds.
const HALF_LIFE: f64 = 60.0;

/// One outage: from when to when, and when it was noticed. One that is not over has no end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outage {
    begin: u64,
    end: Option<u64>,
    /// Whether it ended by repair.
    repaired: bool,
    noticed: u64,
}

/// The mean gap between messages, each gap weighted by its length.
#[derive(Debug, Default)]
struct Rhythm {
    sum: f64,
    weights: f64,
}

impl Rhythm {
    fn pass(&mut self, gap: u64) {
        let seconds = gap as f64 / SEC as f64;
        let weight = 1.0 - 0.5f64.powf(seconds / HALF_LIFE);
        self.sum += weight * (seconds - self.sum);
        self.weights += weight * (1.0 - self.weights);
    }

    fn mean(&self) -> Option<u64> {
        (self.weights > 0.0).then(|| (self.sum / self.weights * SEC as f64) as u64)
    }
}

/// One line: what is open in its slot.
#[derive(Debug, Default)]
struct Line {
    /// The dial that stands.
    dial: Option<u32>,
    proven: bool,
    /// When data last came.
    data: u64,
    /// When anything last came.
    sign: u64,
    silent: bool,
    rhythm: Rhythm,
    /// Requests for streams that are not answered yet, by their numbers.
    asked: BTreeMap<u64, String>,
}

impl Line {
    const fn serves(&self) -> bool {
        self.dial.is_some() && self.proven && !self.silent
    }

    /// How long nothing may come.
    fn patience(&self) -> u64 {
        self.rhythm.mean().map_or(LONGEST, |mean| (mean * GAPS).clamp(SHORTEST, LONGEST))
    }

    /// Whether it brings something several times a second.
    fn is_busy(&self) -> bool {
        self.patience() <= SHORTEST
    }

    /// Whether nothing has come for too long.
    fn listen(&mut self, now: u64) {
        let patience = self.patience();
        self.silent |= self.serves() && now >= self.data + patience && now >= self.sign + patience;
    }
}

/// What is known of the ids of a topic.
#[derive(Debug, Default)]
struct Ids {
    /// The newest on a line since the last cut.
    front: Option<u64>,
    /// The newest that there was when REST was asked for news and a line carried the topic, since the last cut.
    told: Option<u64>,
    /// All up to this one are accounted for …
    through: u64,
    /// … and these.
    beyond: BTreeSet<u64>,
    declared: Vec<(u64, u64)>,
    /// What a cut cost is still awaited.
    cut: bool,
}

/// One topic.
#[derive(Debug, Default)]
struct Course {
    stream: Box<[u8]>,
    slots: BTreeSet<u32>,
    /// Connections that were asked to bring it and have said that they will: the dial, by its slot.
    agreed: BTreeMap<u32, u32>,
    /// It has to be set aside, and no connection has said since that it will bring it.
    aside: bool,
    readers: BTreeSet<usize>,
    book: bool,
    /// Of a book: whether it is right …
    right: bool,
    /// … and while the reader of everything does not see it: its newest change since the last cut …
    changed: u64,
    /// … and the snapshot that waits for one that reaches it.
    based: Option<u64>,
    ids: Option<Ids>,
    /// What REST was asked for and has not answered.
    asked: BTreeMap<u64, Asked>,
    /// What is true since when; `None` before it was first served, and while nobody wants it.
    up: Option<(bool, u64)>,
    /// Since when it counts, and how long it did before.
    counted: u64,
    observed: u64,
    outages: Vec<Outage>,
}

/// What the world logged of one host.
#[derive(Debug)]
pub(super) struct Honest {
    host: usize,
    watcher: usize,
    lines: BTreeMap<u32, Line>,
    topics: BTreeMap<Topic, Course>,
    /// Its translation panics over fields that nobody knows.
    brittle: bool,
    /// Data may come from a line, by the rung; changes that are still to come.
    streams: bool,
    rungs: Vec<(u64, bool)>,
    now: u64,
    start: u64,
}

impl Honest {
    /// For a host whose topics are these, with the streams that carry them.
    pub(super) fn new(host: usize, watcher: usize, topics: impl Iterator<Item = (Topic, Box<str>)>) -> Self {
        let course = |(topic, stream): (Topic, Box<str>)| {
            let ids = matches!(stream.rsplit('@').next(), Some("trade" | "aggTrade")).then(Ids::default);
            let book = topic.as_str().contains(":book:");
            (topic, Course { stream: stream.as_bytes().into(), book, right: !book, ids, ..Course::default() })
        };
        let topics = topics.map(course).collect();
        let (lines, rungs) = (BTreeMap::new(), Vec::new());
        Self { host, watcher, lines, topics, brittle: false, streams: true, rungs, now: 0, start: 0 }
    }

    /// The figures are those of what comes from now on.
    pub(super) fn begin(&mut self, now: u64, spent: impl Fn(&Topic, u64) -> bool) {
        self.settle(&spent);
        (self.now, self.start) = (now, now);
        for course in self.topics.values_mut() {
            (course.counted, course.observed) = (now, 0);
        }
    }

    /// The ladder went to another rung at `at`, one where lines serve or not.
    pub(super) fn rung(&mut self, at: u64, streams: bool) {
        self.rungs.push((at, streams));
    }

    /// Takes in what happened; `spent` says whether the venue spent an id without an event.
    pub(super) fn take(&mut self, at: u64, deed: &Deed, spent: impl Fn(&Topic, u64) -> bool) {
        if at > self.now {
            self.settle(&spent);
            // The rung changes in the midst of nothing.
            while let Some(next) = self.rungs.iter().map(|(at, _)| *at).find(|next| *next < at) {
                self.now = self.now.max(next);
                self.settle(&spent);
            }
            self.now = at;
        }
        match deed {
            Deed::Told(text) => self.told(text),
            Deed::Frame(host, line, bytes) if *host == self.host => self.frame(line.slot, line.dial, bytes),
            Deed::Delivered(reader, update) if *reader == self.watcher => self.came(update),
            _ => {}
        }
    }

    /// Something that the world says in words.
    fn told(&mut self, text: &str) {
        let words: Vec<&str> = text.splitn(6, ' ').collect();
        let own = self.host.to_string();
        match words[..] {
            ["host", host, "line", line, what, ..] if host == own => {
                let Some((slot, dial)) = line.split_once('.') else { return };
                let (Ok(slot), Ok(dial)) = (slot.parse(), dial.parse()) else { return };
                let rest = words.get(5).copied().unwrap_or_default();
                self.line(slot, dial, what, rest);
            }
            ["host", host, "fetches", topic, "as", rest] if host == own => self.fetches(topic, rest),
            ["host", host, "fetch", id, "brought", rest] if host == own => {
                if let Ok(id) = id.parse() {
                    self.brought(id, rest);
                }
            }
            ["host", host, "must", "set", "aside", rest] if host == own => self.set_aside(rest),
            ["FAULT", "feed-crash", "for", "host", host, ..] if host == own => {
                let slots: Vec<u32> = self.lines.keys().copied().collect();
                slots.into_iter().for_each(|slot| self.lost(slot));
            }
            ["reader", reader, what @ ("reads" | "leaves"), topic, ..] => {
                let Ok(reader) = reader.parse::<usize>() else { return };
                let Some(course) = self.topics.iter_mut().find(|(known, _)| known.as_str() == topic) else {
                    return;
                };
                if what == "reads" {
                    // What others read goes on.
                    let goes_on = text.ends_with("(resumed)") || !course.1.readers.is_empty();
                    course.1.readers.insert(reader);
                    if let Some(ids) = course.1.ids.as_mut().filter(|_| reader == self.watcher) {
                        ids.begin(goes_on);
                    }
                } else {
                    course.1.readers.remove(&reader);
                }
            }
            _ => {}
        }
    }

    /// Something about one connection.
    fn line(&mut self, slot: u32, dial: u32, what: &str, rest: &str) {
        let now = self.now;
        let line = self.lines.entry(slot).or_default();
        let stands = line.dial == Some(dial);
        match (what, rest) {
            ("open", _) => {
                if line.dial.is_some() {
                    // One that was dialled beside it takes over.
                    self.lost(slot);
                }
                let line = self.lines.entry(slot).or_default();
                (line.dial, line.proven, line.silent) = (Some(dial), false, false);
                (line.data, line.sign) = (now, now);
                line.asked.clear();
            }
            ("closed:", _) if stands => self.lost(slot),
            (">", rest) if stands && rest.starts_with("close") => self.lost(slot),
            // That a busy line answers does not say where its data is.
            ("<", "pong") if stands => (line.sign, line.silent) = (now, line.silent && line.is_busy()),
            (">", rest) if rest.contains("UNSUBSCRIBE") => {
                self.named(rest).for_each(|course| course.agreed.retain(|agreed, _| *agreed != slot));
            }
            (">", rest) => {
                if let Some(number) = number_after(rest.as_bytes(), b"\"id\":").filter(|_| stands) {
                    line.asked.insert(number, rest.to_owned());
                }
                self.named(rest).for_each(|course| course.slots.extend([slot]));
            }
            // Who opens an address that names streams agrees to bring them.
            ("dials", rest) => self.named(rest).for_each(|course| {
                course.slots.extend([slot]);
                course.is_promised(slot, dial);
            }),
            _ => {}
        }
    }

    /// The topics whose streams are named in a request or in an address.
    fn named(&mut self, text: &str) -> impl Iterator<Item = &mut Course> {
        let named: BTreeSet<&[u8]> = text.split(['"', '/', '=', '&', ' ']).map(str::as_bytes).collect();
        self.topics.values_mut().filter(move |course| named.contains(&*course.stream))
    }

    /// A connection answers a request.
    fn answered(&mut self, slot: u32, dial: u32, bytes: &[u8]) {
        let Some(line) = self.lines.get_mut(&slot).filter(|line| line.dial == Some(dial)) else { return };
        let asked = number_after(bytes, b"\"id\":").and_then(|number| line.asked.remove(&number));
        if let Some(asked) = asked.filter(|_| contains(bytes, b"\"result\":null")) {
            self.named(&asked).for_each(|course| course.is_promised(slot, dial));
        }
    }

    /// The connection in a slot is gone.
    fn lost(&mut self, slot: u32) {
        let Some(line) = self.lines.get_mut(&slot) else { return };
        line.dial = None;
        for course in self.topics.values_mut().filter(|course| course.slots.contains(&slot)) {
            let covered = course.slots.iter().any(|slot| self.lines.get(slot).is_some_and(Line::serves));
            if covered {
                continue;
            }
            course.asked.retain(|_, asked| asked.outlives_a_cut());
            course.cut(self.watcher);
        }
    }

    /// A message arrived.
    fn frame(&mut self, slot: u32, dial: u32, bytes: &Bytes) {
        let now = self.now;
        let line = self.lines.entry(slot).or_default();
        let Some(stream) = stream_of(bytes).filter(|_| line.dial == Some(dial)) else {
            return self.answered(slot, dial, bytes);
        };
        if !is_json(bytes) || self.brittle && is_poison(bytes) {
            return;
        }
        line.rhythm.pass(now - line.data);
        (line.data, line.sign, line.proven, line.silent) = (now, now, true, false);
        for course in self.topics.values_mut().filter(|course| *course.stream == *stream) {
            course.slots.insert(slot);
            let watched = course.readers.contains(&self.watcher);
            if course.book && !watched {
                course.changed = number_after(bytes, b"\"u\":").unwrap_or(course.changed);
                course.rebuild();
            }
            let Some(ids) = &mut course.ids else { continue };
            let key: &[u8] = if stream.ends_with(b"@trade") { b"\"t\":" } else { b"\"a\":" };
            let id = number_after(bytes, key);
            ids.front = ids.front.max(id);
            id.filter(|_| !watched && ids.through > 0).into_iter().for_each(|id| ids.came(id));
        }
    }

    /// The reader of everything got something.
    fn came(&mut self, update: &Shared) {
        let Some(course) = self.topics.get_mut(&update.topic) else { return };
        match (&update.data, &mut course.ids) {
            // What the venue says of the top is as right as anybody can tell.
            (Data::Book(book), _) => {
                course.right = matches!(book.state, BookState::Live | BookState::Unverified)
            }
            (Data::Trade(trade), Some(ids)) => ids.came(trade.id),
            (Data::AggTrade(trade), Some(ids)) => ids.came(trade.id),
            (Data::Gap(gap), Some(ids)) if gap.kind == GapKind::Venue => {
                ids.declared.push((gap.from, gap.to));
            }
            _ => {}
        }
    }

    /// All that happened at one moment has been told: what follows for every topic.
    fn settle(&mut self, spent: &impl Fn(&Topic, u64) -> bool) {
        let now = self.now;
        self.rungs.retain(|(at, streams)| {
            if *at <= now {
                self.streams = *streams;
            }
            *at > now
        });
        self.lines.values_mut().for_each(|line| line.listen(now));
        for (topic, course) in &mut self.topics {
            if let Some(ids) = &mut course.ids {
                ids.settle(|id| spent(topic, id));
            }
            course.settle(now, &self.lines, self.streams);
        }
    }

    /// Everything has been told: what each topic's outages were, and how the promise was kept.
    pub(super) fn end(
        mut self,
        now: u64,
        spent: impl Fn(&Topic, u64) -> bool,
    ) -> (BTreeMap<Topic, Vec<Outage>>, Service) {
        self.settle(&spent);
        let (mut observed, mut outages) = (0, BTreeMap::new());
        for (topic, mut course) in self.topics {
            course.leave(now);
            observed += course.observed;
            outages.insert(topic, felt(course.outages, self.start));
        }
        let service = kept((self.start, now), observed, outages.values().flatten());
        (outages, service)
    }
}

impl Ids {
    /// The reader begins, where it was or anew: what came while nobody read is not awaited.
    fn begin(&mut self, goes_on: bool) {
        if !goes_on {
            (self.through, self.beyond, self.declared) = (0, BTreeSet::new(), Vec::new());
        }
    }

    fn came(&mut self, id: u64) {
        if self.through == 0 {
            self.through = id;
        } else if id > self.through {
            self.beyond.insert(id);
        }
    }

    /// Follows what is accounted for.
    fn settle(&mut self, spent: impl Fn(u64) -> bool) {
        while self.through > 0 {
            let next = self.through + 1;
            let newest = self.beyond.last().copied().max(self.front).max(self.told).unwrap_or(0);
            let declared = self.declared.iter().find(|(from, to)| (*from..=*to).contains(&next));
            match declared {
                Some((_, to)) => self.through = *to,
                None if self.beyond.remove(&next) || newest >= next && spent(next) => self.through = next,
                None => break,
            }
        }
        self.declared.retain(|(_, to)| *to > self.through);
        self.cut &= self.front.max(self.told).is_none_or(|newest| newest > self.through);
    }
}

impl Course {
    /// No connection brings it any more.
    fn cut(&mut self, watcher: usize) {
        if let Some(ids) = &mut self.ids {
            ids.cut |= ids.through > 0;
            (ids.front, ids.told) = (None, None);
        } else if self.book && !self.readers.contains(&watcher) {
            (self.right, self.changed, self.based) = (false, 0, None);
        }
    }

    /// A book that is built anew is right when its snapshot and the changes meet.
    fn rebuild(&mut self) {
        if self.based.is_some_and(|based| self.changed >= based) {
            (self.right, self.based) = (true, None);
        }
    }

    fn settle(&mut self, now: u64, lines: &BTreeMap<u32, Line>, streams: bool) {
        let own = || self.slots.iter().filter_map(|slot| lines.get(slot));
        let served = own().any(Line::serves);
        let whole = self.right && self.ids.as_ref().is_none_or(|ids| !ids.cut);
        let up = served && whole && streams && !self.aside;
        match self.up {
            _ if self.readers.is_empty() => self.leave(now),
            None if up => (self.up, self.counted) = (Some((true, now)), now),
            Some((true, since)) if !up => {
                let due = own().map(|line| line.data + line.rhythm.mean().unwrap_or(0)).max().unwrap_or(now);
                let begin = if served { now } else { due.clamp(since, now) };
                self.outages.push(Outage { begin, end: None, repaired: false, noticed: now });
                self.up = Some((false, begin));
            }
            Some((false, _)) if up => {
                self.over(now, true);
                self.up = Some((true, now));
            }
            _ => {}
        }
    }

    fn over(&mut self, now: u64, repaired: bool) {
        if let Some(outage) = self.outages.last_mut().filter(|outage| outage.end.is_none()) {
            (outage.end, outage.repaired) = (Some(now), repaired);
        }
    }

    /// Nobody wants it any more, or the record ends.
    fn leave(&mut self, now: u64) {
        if self.up.take().is_some() {
            self.observed += now - self.counted;
            self.over(now, false);
        }
    }
}
