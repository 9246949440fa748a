//! The way of a frame to those who subscribed it, and what may happen to it on that way.

use super::House;
use super::acts::Later;
use super::kinds::Kind;
use super::routes::Target;
use super::spoil::{ids, in_microseconds, spoilt};
use super::trouble::Trouble;
use super::wire::{Say, SocketId};
use crate::report::StreamReport;
use bytes::Bytes;
use serde::Serialize;
use std::collections::{BTreeSet, VecDeque};

/// One frame that did not reach one socket as it should have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mishap {
    /// Counts the mishaps of a house from 1.
    pub number: u64,
    /// When, in nanoseconds of the house.
    pub at: u64,
    /// The socket that should have got the frame.
    pub socket: u64,
    /// The stream, in canonical spelling.
    pub stream: String,
    /// What happened.
    pub kind: Kind,
    /// The first and last id of the frame: update ids, else trade ids, else aggregate ids.
    pub ids: Option<(u64, u64)>,
}

/// The newest mishaps.
#[derive(Debug, Default)]
pub(crate) struct Mishaps {
    kept: VecDeque<Mishap>,
    number: u64,
}

/// Mishaps kept for the judge, who reads them in time.
const MOST_MISHAPS: usize = 65_536;

impl Mishaps {
    fn push(&mut self, mishap: Mishap) {
        self.number += 1;
        self.kept.push_back(Mishap { number: self.number, ..mishap });
        if self.kept.len() > MOST_MISHAPS {
            self.kept.pop_front();
        }
    }

    pub(crate) fn since(&self, number: u64) -> impl Iterator<Item = &Mishap> {
        self.kept.iter().skip(self.kept.partition_point(|mishap| mishap.number <= number))
    }
}

/// What some streams said, for a judge: as the market made it, and as it is with a time that is wrong by order.
#[derive(Debug, Default)]
pub(crate) struct Published {
    /// The streams that are kept.
    pub(super) streams: BTreeSet<u32>,
    pub(super) payloads: Vec<(u32, Box<[u8]>)>,
}

impl Published {
    fn keep(&mut self, stream: u32, payload: &[u8]) {
        if self.streams.contains(&stream) {
            self.payloads.push((stream, payload.into()));
        }
    }
}

/// A payload on its way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame<'a> {
    pub(crate) stream: u32,
    pub(crate) payload: &'a [u8],
    /// Name and combined form as recorded; sent unchanged to those who subscribed exactly this name.
    pub(crate) recorded: Option<(&'a str, &'a str)>,
}

impl House {
    /// Hands what the market made to everyone who subscribed it.
    pub(super) fn tell(&mut self) {
        let Some(floor) = self.floor_mut() else { return };
        let mut made = std::mem::take(&mut floor.frames);
        for frame in made.iter() {
            self.tell_frame(Frame { stream: frame.stream, payload: frame.payload, recorded: None });
        }
        made.clear();
        if let Some(floor) = self.floor_mut() {
            floor.frames = made;
        }
    }

    /// Hands one frame to everyone who subscribed its stream.
    pub(crate) fn tell_frame(&mut self, frame: Frame<'_>) {
        let targets = self.routes.take_targets(frame.stream);
        if targets.is_empty() {
            return;
        }
        self.published.keep(frame.stream, frame.payload);
        let mut told = StreamReport { offered: 1, ..StreamReport::default() };
        let quiet = self.troubles.is_quiet(self.now);
        let common = if quiet { None } else { self.troubles.frame(self.now, frame.stream, frame.payload) };
        if let Some(trouble) = &common {
            account(&mut told, trouble.kind);
        }
        for target in &targets {
            let own = match (&common, self.sockets.get(&target.socket)) {
                (None, Some(known)) if !quiet => {
                    let socket = (target.socket, &*known.host);
                    self.troubles.frame_on(self.now, frame.stream, frame.payload, socket)
                }
                _ => None,
            };
            if let Some(trouble) = &own {
                account(&mut told, trouble.kind);
            }
            self.deliver(target, frame, common.as_ref().or(own.as_ref()), &mut told.sent);
        }
        self.report.frames_sent += told.sent;
        self.routes.put_targets(frame.stream, targets, &told, &self.sockets);
    }

    fn deliver(&mut self, target: &Target, frame: Frame<'_>, trouble: Option<&Trouble>, sent: &mut u64) {
        let id = target.socket;
        let Some(known) = self.sockets.get(&id).filter(|known| !known.frozen) else { return };
        let combined = known.session.combined;
        let fine = known.micros.then(|| in_microseconds(frame.payload));
        let frame = Frame { payload: fine.as_deref().unwrap_or(frame.payload), ..frame };
        let changed = trouble.and_then(|trouble| spoilt(trouble, frame.payload));
        let recorded = frame.recorded.filter(|_| changed.is_none());
        let payload = changed.as_deref().unwrap_or(frame.payload);
        if trouble.is_some_and(|trouble| trouble.kind == Kind::Skew) {
            self.published.keep(frame.stream, payload);
        }
        if let Some(trouble) = trouble {
            self.note(id, frame, trouble.kind);
        }
        let kind = trouble.map(|trouble| trouble.kind);
        for name in &target.names {
            let text = match recorded {
                _ if !combined => self.printer.text(&[payload]),
                Some((same, line)) if *same == **name => self.printer.text(&[line.as_bytes()]),
                _ => self.printer.combined(name, payload),
            };
            match (kind, trouble) {
                (None | Some(_), None) => self.pass(id, frame.stream, Say::Text(text), sent),
                (_, Some(trouble)) => self.mistreat(id, frame.stream, text, trouble, sent),
            }
        }
    }

    /// Sends a text, and whatever had to wait for it.
    fn pass(&mut self, id: u64, stream: u32, say: Say, sent: &mut u64) {
        *sent += 1;
        self.out.push_back((SocketId(id), say));
        let Some(known) = self.sockets.get_mut(&id) else { return };
        if known.waits_for_data() {
            let (held, answers) = known.after_data(stream);
            *sent += held.len() as u64;
            self.out.extend(held.into_iter().chain(answers).map(|text| (SocketId(id), Say::Text(text))));
        }
    }

    fn mistreat(&mut self, id: u64, stream: u32, text: Bytes, trouble: &Trouble, sent: &mut u64) {
        match trouble.kind {
            Kind::Drop | Kind::Stall | Kind::NoFinal => {}
            Kind::Duplicate => {
                self.pass(id, stream, Say::Text(text.clone()), sent);
                self.pass(id, stream, Say::Text(text), sent);
            }
            Kind::Swap => {
                if let Some(before) = self.sockets.get_mut(&id).and_then(|s| s.hold(stream, text)) {
                    // One frame waits at a time: the one before goes first after all.
                    self.pass(id, stream, Say::Text(before), sent);
                }
            }
            Kind::Delay => {
                *sent += 1;
                self.later(trouble.nanos(500), id, Later::Say(Say::Text(text)));
            }
            Kind::Blank => self.pass(id, stream, Say::Text(Bytes::new()), sent),
            Kind::TwoValues => {
                let both = self.printer.text(&[&text, b"{\"second\":1}"]);
                self.pass(id, stream, Say::Text(both), sent);
            }
            Kind::Fragment => self.pass(id, stream, Say::Fragments(text, 3), sent),
            Kind::Reset => self.end(id, Say::Reset(text)),
            Kind::Freeze | Kind::Fin | Kind::Close | Kind::Shutdown => self.strike_socket(id, trouble),
            _ => self.pass(id, stream, Say::Text(text), sent),
        }
    }

    fn note(&mut self, socket: u64, frame: Frame<'_>, kind: Kind) {
        self.troubles.count(kind);
        self.mishaps.push(Mishap {
            number: 0,
            at: self.now,
            socket,
            stream: self.routes.names[frame.stream as usize].clone(),
            kind,
            ids: ids(frame.payload),
        });
    }
}

/// What a trouble makes of a frame, in the words of the report.
const fn account(told: &mut StreamReport, kind: Kind) {
    match kind {
        Kind::Drop | Kind::Stall | Kind::NoFinal | Kind::Reset | Kind::Freeze | Kind::Fin | Kind::Close => {
            told.dropped += 1;
        }
        Kind::Duplicate => told.duplicated += 1,
        Kind::Swap | Kind::Delay | Kind::Fragment | Kind::Shutdown => {}
        _ => told.corrupted += 1,
    }
}
