//! Who listens to what, and the form in which each listener gets a frame.

use super::socket::Socket;
use crate::exchange::Wanted;
use crate::names::family;
use crate::report::StreamReport;
use bytes::{Bytes, BytesMut};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// One listener of a stream.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) socket: u64,
    /// The spellings under which it subscribed the stream.
    pub(crate) names: Vec<Arc<str>>,
}

/// The table of subscriptions, by number of the stream.
#[derive(Debug)]
pub(crate) struct Routes {
    /// Canonical names by number.
    pub(crate) names: Vec<String>,
    /// Every spelling.
    numbers: HashMap<String, u32>,
    /// Any speed of the depth stream means the one that there is.
    any_speed: bool,
    targets: Vec<Vec<Target>>,
    /// The streams that have a target, for the market.
    pub(crate) wanted: Wanted,
    pub(crate) streams: Vec<StreamReport>,
}

impl Routes {
    pub(crate) fn new((names, numbers): (Vec<String>, HashMap<String, u32>), any_speed: bool) -> Self {
        let count = names.len();
        Self {
            names,
            numbers,
            any_speed,
            targets: (0..count).map(|_| Vec::new()).collect(),
            wanted: Wanted::Some(vec![false; count]),
            streams: vec![StreamReport::default(); count],
        }
    }

    /// The stream that a name means, if there is one.
    pub(crate) fn number(&self, name: &str) -> Option<u32> {
        let exact = self.numbers.get(name);
        exact.or_else(|| self.numbers.get(family(name)).filter(|_| self.any_speed)).copied()
    }

    /// Whether somebody can subscribe the stream of this canonical name.
    pub(crate) fn accepts(&self, name: &str) -> bool {
        self.numbers.contains_key(name)
    }

    /// Adds a subscription and returns the stream's number; a name that no stream has stays mute.
    pub(crate) fn add(&mut self, socket: u64, name: &str) -> Option<u32> {
        let number = self.number(name)?;
        let targets = &mut self.targets[number as usize];
        match targets.iter_mut().find(|target| target.socket == socket) {
            Some(target) => target.names.push(name.into()),
            None => targets.push(Target { socket, names: vec![name.into()] }),
        }
        self.wanted.set(number, true);
        Some(number)
    }

    /// Takes a subscription back.
    pub(crate) fn remove(&mut self, socket: u64, name: &str) {
        let Some(number) = self.number(name) else { return };
        let targets = &mut self.targets[number as usize];
        if let Some(place) = targets.iter().position(|target| target.socket == socket) {
            targets[place].names.retain(|known| **known != *name);
            if targets[place].names.is_empty() {
                targets.remove(place);
            }
        }
        let wanted = !targets.is_empty();
        self.wanted.set(number, wanted);
    }

    /// Forgets a socket.
    pub(crate) fn leave(&mut self, socket: u64) {
        for (number, targets) in (0..).zip(&mut self.targets) {
            if targets.iter().any(|target| target.socket == socket) {
                targets.retain(|target| target.socket != socket);
                self.wanted.set(number, !targets.is_empty());
            }
        }
    }

    /// Takes the listeners of a stream away, to be put back in a moment.
    pub(crate) fn take_targets(&mut self, stream: u32) -> Vec<Target> {
        self.targets.get_mut(stream as usize).map(std::mem::take).unwrap_or_default()
    }

    /// Puts them back, but for those who have left meanwhile, with what they were told.
    pub(crate) fn put_targets(
        &mut self,
        stream: u32,
        mut targets: Vec<Target>,
        told: &StreamReport,
        open: &BTreeMap<u64, Socket>,
    ) {
        targets.retain(|target| open.contains_key(&target.socket));
        self.wanted.set(stream, !targets.is_empty());
        self.targets[stream as usize] = targets;
        self.streams[stream as usize].add(told);
    }

    /// What became of each family of streams that somebody listened to.
    pub(crate) fn report(&self) -> BTreeMap<String, StreamReport> {
        let mut report: BTreeMap<String, StreamReport> = BTreeMap::new();
        for (name, stream) in self.names.iter().zip(&self.streams).filter(|(_, told)| told.offered > 0) {
            report.entry(family(name).to_owned()).or_default().add(stream);
        }
        report
    }
}

/// Writes messages into shared memory: many small messages cost few allocations.
#[derive(Debug, Default)]
pub(crate) struct Printer {
    memory: BytesMut,
}

/// So much is reserved at a time.
const CHUNK: usize = 64 * 1024;

impl Printer {
    /// The parts as one text.
    pub(crate) fn text(&mut self, parts: &[&[u8]]) -> Bytes {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        if self.memory.capacity() < length {
            self.memory.reserve(length.max(CHUNK));
        }
        for part in parts {
            self.memory.extend_from_slice(part);
        }
        self.memory.split().freeze()
    }

    /// A payload of `stream`, wrapped as combined sockets get it.
    pub(crate) fn combined(&mut self, stream: &str, payload: &[u8]) -> Bytes {
        self.text(&[b"{\"stream\":\"", stream.as_bytes(), b"\",\"data\":", payload, b"}"])
    }
}
