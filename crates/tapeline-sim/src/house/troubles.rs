//! The troubles at work: which are due, whom they concern, and whether they strike.

use super::floor::nanos;
use super::kinds::{Kind, Place};
use super::spoil::concerns;
use super::trouble::{Trouble, When};
use crate::rng::Rng;
use std::collections::BTreeMap;

/// An order that was given to a house; with it the trouble is called off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TroubleId(pub(crate) u64);

impl TroubleId {
    /// The number: the first trouble of a house is 1.
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// Troubles kept at a time; the oldest make room.
const MOST: usize = 1_024;

/// A trouble at work.
#[derive(Debug)]
pub(crate) struct Armed {
    pub(crate) id: u64,
    pub(crate) trouble: Trouble,
    from: u64,
    until: u64,
    /// It has begun, and what it does at its beginning is done.
    begun: bool,
    hits: u64,
    /// By stream or other lane.
    tallies: BTreeMap<u64, (u64, Rng)>,
    /// By number of the stream.
    streams: Vec<bool>,
}

impl Armed {
    /// Counts an event of a lane and says whether it is struck.
    fn strikes(&mut self, now: u64, lane: u64) -> bool {
        if now < self.from || self.is_over(now) {
            return false;
        }
        let seed = if let When::OneIn { seed, .. } = self.trouble.when { seed } else { 0 };
        let (seen, dice) = self.tallies.entry(lane).or_insert_with(|| (0, Rng::new(seed, lane)));
        *seen += 1;
        let hit = match &self.trouble.when {
            When::Always => true,
            When::Every(n) => *n > 0 && seen.is_multiple_of(*n),
            When::At(places) => places.contains(seen),
            When::OneIn { n, .. } => dice.below(*n) == 0,
        };
        self.hits += u64::from(hit);
        hit
    }

    fn is_spent(&self) -> bool {
        self.trouble.times.is_some_and(|times| self.hits >= times)
    }

    fn is_over(&self, now: u64) -> bool {
        now >= self.until || self.is_spent()
    }

    /// Whether it waits for frames: those that strike connections do if they are told which frames.
    fn strikes_frames(&self) -> bool {
        match self.trouble.kind.place() {
            Place::Frame => true,
            Place::Socket => self.trouble.when != When::Always,
            _ => false,
        }
    }

    /// Whether a frame counts for it.
    fn strikes_frame(&self, stream: u32, payload: &[u8]) -> bool {
        self.strikes_frames()
            && self.streams.get(stream as usize).copied().unwrap_or(false)
            && concerns(self.trouble.kind, payload)
    }
}

/// All troubles of a house, in the order in which they were ordered.
#[derive(Debug, Default)]
pub(crate) struct Troubles {
    armed: Vec<Armed>,
    next: u64,
    /// Strikes by kind.
    pub(crate) counts: BTreeMap<&'static str, u64>,
}

impl Troubles {
    /// Takes an order at `now`; `names` are the streams by number.
    pub(crate) fn order(&mut self, now: u64, trouble: Trouble, names: &[String]) -> u64 {
        self.next += 1;
        let from = now.saturating_add(nanos(trouble.after));
        let until = trouble.lasts.map_or(u64::MAX, |lasts| from.saturating_add(nanos(lasts)));
        let streams = names.iter().map(|name| trouble.scope.has_stream(name)).collect();
        // What waits for frames, answers or requests needs no bell.
        let begun = !matches!(trouble.kind.place(), Place::Socket | Place::Market);
        let armed =
            Armed { id: self.next, begun, trouble, from, until, hits: 0, tallies: BTreeMap::new(), streams };
        let begun = begun || armed.strikes_frames();
        self.armed.retain(|armed| !armed.is_over(now));
        if self.armed.len() >= MOST {
            self.armed.remove(0);
        }
        self.armed.push(Armed { begun, ..armed });
        self.next
    }

    /// Calls a trouble off; false if there is none of this number.
    pub(crate) fn call_off(&mut self, id: u64) -> bool {
        let before = self.armed.len();
        self.armed.retain(|armed| armed.id != id);
        self.armed.len() < before
    }

    pub(crate) fn clear(&mut self) {
        self.armed.clear();
    }

    /// When the next trouble begins that does something at its beginning.
    pub(crate) fn due(&self) -> u64 {
        self.armed.iter().filter(|armed| !armed.begun).map(|armed| armed.from).min().unwrap_or(u64::MAX)
    }

    /// The next trouble that begins by `now`.
    pub(crate) fn begin(&mut self, now: u64) -> Option<Trouble> {
        let armed = self.armed.iter_mut().find(|armed| !armed.begun && armed.from <= now)?;
        armed.begun = true;
        if armed.trouble.lasts.is_none() || armed.trouble.kind.place() == Place::Market {
            // What it does at its beginning is all it does.
            armed.until = now;
        }
        Some(armed.trouble.clone())
    }

    /// Everything ordered and not yet over: its number, the order, and how often it struck.
    pub(crate) fn list(&self, now: u64) -> impl Iterator<Item = (u64, &Trouble, u64)> {
        self.armed
            .iter()
            .filter(move |armed| !armed.is_over(now))
            .map(|armed| (armed.id, &armed.trouble, armed.hits))
    }

    /// Whether anything may happen to frames: the usual case is that nothing does.
    pub(crate) fn is_quiet(&self, now: u64) -> bool {
        self.armed.iter().all(|armed| armed.is_over(now))
    }

    /// What strikes a frame for all sockets alike. All troubles count the frame; the first that strikes decides.
    pub(crate) fn frame(&mut self, now: u64, stream: u32, payload: &[u8]) -> Option<Trouble> {
        self.first(now, u64::from(stream), |armed| {
            armed.trouble.scope.is_for_all_sockets() && armed.strikes_frame(stream, payload)
        })
    }

    /// What strikes a frame on one socket, of those that called this host.
    pub(crate) fn frame_on(
        &mut self,
        now: u64,
        stream: u32,
        payload: &[u8],
        (socket, host): (u64, &str),
    ) -> Option<Trouble> {
        self.first(now, u64::from(stream), |armed| {
            let scope = &armed.trouble.scope;
            let meant = !scope.is_for_all_sockets() && scope.has_socket(socket) && scope.has_host(host);
            meant && armed.strikes_frame(stream, payload)
        })
    }

    /// The first trouble of a place that `concerns` and strikes.
    pub(crate) fn at(
        &mut self,
        now: u64,
        place: Place,
        concerns: impl Fn(&Trouble) -> bool,
    ) -> Option<Trouble> {
        self.first(now, 0, |armed| {
            armed.trouble.kind.place() == place && !armed.strikes_frames() && concerns(&armed.trouble)
        })
    }

    /// Whether a manner holds now.
    pub(crate) fn holds(&mut self, now: u64, kind: Kind, concerns: impl Fn(&Trouble) -> bool) -> bool {
        self.first(now, 0, |armed| armed.trouble.kind == kind && concerns(&armed.trouble)).is_some()
    }

    /// Counts a strike.
    pub(crate) fn count(&mut self, kind: Kind) {
        *self.counts.entry(kind.name()).or_default() += 1;
    }

    fn first(&mut self, now: u64, lane: u64, concerns: impl Fn(&Armed) -> bool) -> Option<Trouble> {
        let mut first = None;
        for armed in self.armed.iter_mut().filter(|armed| concerns(armed)) {
            if armed.strikes(now, lane) && first.is_none() {
                first = Some(armed.trouble.clone());
            }
        }
        first
    }
}
