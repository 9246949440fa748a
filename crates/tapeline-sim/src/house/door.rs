//! Who comes in, what they ask for, and how they leave.

use super::House;
use super::floor::nanos;
use super::kinds::{Kind, Place};
use super::rest::{Target, parse_query};
use super::socket::Bell;
use super::trouble::Trouble;
use super::wire::{Reply, Say, SocketId};
use crate::names::Base;
use serde::Serialize;
use std::net::IpAddr;

/// Sockets whose busiest second is remembered one by one.
const REMEMBERED_SOCKETS: usize = 1_024;

/// An open connection, as the house tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OpenSocket<'a> {
    /// The number by which troubles call it.
    pub socket: u64,
    /// Whose it is.
    pub from: IpAddr,
    /// The host that was called, with its port.
    pub host: &'a str,
    /// Streams that it has subscribed.
    pub streams: usize,
    /// A trouble has frozen it: the client does not know that it is dead.
    pub frozen: bool,
}

/// What the URL of a socket said.
#[derive(Debug)]
pub(super) struct Opening {
    /// The host that was called, with its port, as far as the URL said one.
    pub(super) host: String,
    pub(super) combined: bool,
    pub(super) base: Base,
    pub(super) streams: Vec<String>,
    /// Times in microseconds.
    pub(super) micros: bool,
}

impl House {
    pub(super) fn admit(&mut self, from: IpAddr, target: &Target<'_>) -> Result<Opening, Reply> {
        let opening = self.opening(target).ok_or_else(|| Reply::text(404, "no such path\n"))?;
        if opening.streams.len() > self.options.streams {
            return Err(Reply::text(400, "too many streams in the URL\n"));
        }
        if self.sockets.len() >= self.options.sockets {
            return Err(Reply::text(503, "too many open sockets\n"));
        }
        self.gate.connect(&self.options, &mut self.report, self.now, from)?;
        match self.refused(target.host) {
            Some(refusal) => Err(refusal),
            None => Ok(opening),
        }
    }

    /// The open connections, the oldest first.
    pub fn open_sockets(&self) -> impl Iterator<Item = OpenSocket<'_>> {
        self.sockets.iter().map(|(id, socket)| OpenSocket {
            socket: *id,
            from: socket.from,
            host: &socket.host,
            streams: socket.session.streams.len(),
            frozen: socket.frozen,
        })
    }

    /// What awaits a TLS handshake with a host.
    pub(crate) fn handshake(&mut self, now: u64, host: &str) -> Option<Trouble> {
        self.advance(now);
        let trouble = self.troubles.at(self.now, Place::Tls, |trouble| trouble.scope.has_host(host))?;
        self.troubles.count(trouble.kind);
        Some(trouble)
    }

    /// What is odd about the answer to the upgrade of a socket that has just been let in.
    pub(crate) fn oddity(&mut self, socket: SocketId, target: &str) -> Option<Trouble> {
        let host = Target::parse(target).host;
        let concerns = |t: &Trouble| t.scope.has_host(host) && t.scope.has_socket(socket.0);
        let trouble = self.troubles.at(self.now, Place::Upgrade, concerns)?;
        self.troubles.count(trouble.kind);
        Some(trouble)
    }

    /// The meaning of a stream path, `None` for any other path.
    pub(super) fn opening(&self, target: &Target<'_>) -> Option<Opening> {
        let path = target.path.as_str();
        let (base, rest) = match path {
            _ if self.futures && path.starts_with("/public/") => (Base::Public, &path["/public".len()..]),
            _ if self.futures && path.starts_with("/market/") => (Base::Market, &path["/market".len()..]),
            // The retired unrouted path behaves like /public; recordings are older than the split.
            _ if self.futures && self.floor().is_some() => (Base::Public, path),
            _ => (Base::Whole, path),
        };
        let names = |list: &str| list.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        let streams = match (rest, target.query) {
            ("/ws", _) | ("/stream", None) => Vec::new(),
            ("/stream", Some(query)) => names(parse_query(query).get("streams").map_or("", String::as_str)),
            _ => names(rest.strip_prefix("/ws/")?),
        };
        let unit = target.query.map(parse_query).and_then(|query| query.get("timeUnit").cloned());
        // Futures know milliseconds only.
        let micros = !self.futures && unit.is_some_and(|unit| unit.eq_ignore_ascii_case("MICROSECOND"));
        let host = target.host.to_owned();
        Some(Opening { host, combined: rest == "/stream", base, streams, micros })
    }

    pub(super) fn subscribe(&mut self, id: u64, names: &[String]) {
        self.report.subscribes += 1;
        let Some(base) = self.sockets.get(&id).map(|known| known.base) else { return };
        // Names that no stream has, or that another base carries, are accepted and stay mute.
        for name in names.iter().filter(|name| base.carries(name)) {
            if let Some(stream) = self.routes.add(id, name) {
                let known = self.sockets.get_mut(&id);
                let had = known.is_some_and(|known| !known.had.insert(stream));
                self.routes.streams[stream as usize].again += u64::from(had);
                self.repeat_trades(id, name, stream);
            }
        }
        self.curtain.touch(self.now);
    }

    /// A socket asks for streams that it has.
    pub(super) fn note_again(&mut self, id: u64, names: &[String]) {
        let Some(base) = self.sockets.get(&id).map(|known| known.base) else { return };
        for name in names.iter().filter(|name| base.carries(name)) {
            if let Some(stream) = self.routes.number(name) {
                self.routes.streams[stream as usize].again += 1;
            }
        }
    }

    /// What a socket's clock has asked for.
    pub(super) fn ring(&mut self, id: u64, bell: Bell) {
        let now_ms = self.unix_ms();
        let mute = bell == Bell::Ping && self.has_manner(Kind::NoPing, id);
        let Some(known) = self.sockets.get_mut(&id) else { return };
        match bell {
            Bell::Ping => {
                known.next_ping = self.now.saturating_add(nanos(self.options.ping_every).max(1));
                if mute {
                    return;
                }
                // Pings carry the time, so that no two are alike.
                let payload = now_ms.to_string();
                known.pinged(payload.clone(), self.now);
                self.report.pings += 1;
                self.say(id, Say::Ping(payload.into()));
            }
            Bell::Silence => {
                self.report.closed_for_silence += 1;
                self.end(id, Say::Fin);
            }
            Bell::Warn => {
                known.warned_at = u64::MAX;
                self.warn(id);
            }
            Bell::Age => {
                self.report.closed_for_age += 1;
                self.end(id, Say::Fin);
            }
        }
    }

    /// Whether a trouble with the manners of a socket holds; it is counted.
    pub(super) fn has_manner(&mut self, kind: Kind, id: u64) -> bool {
        let holds = self.troubles.holds(self.now, kind, |trouble| trouble.scope.has_socket(id));
        if holds {
            self.troubles.count(kind);
        }
        holds
    }

    /// Sends `serverShutdown`, which needs no subscription.
    pub(super) fn warn(&mut self, id: u64) {
        let payload = format!("{{\"e\":\"serverShutdown\",\"E\":{}}}", self.unix_ms());
        let Some(known) = self.sockets.get(&id) else { return };
        let text = if known.session.combined {
            self.printer.combined("!serverShutdown", payload.as_bytes())
        } else {
            payload.into()
        };
        self.say(id, Say::Text(text));
    }

    pub(super) fn say(&mut self, id: u64, say: Say) {
        if self.sockets.get(&id).is_some_and(|known| !known.frozen) {
            self.out.push_back((SocketId(id), say));
        }
    }

    /// Lets go of a socket with a last word.
    pub(super) fn end(&mut self, id: u64, farewell: Say) {
        if self.sockets.contains_key(&id) {
            self.out.push_back((SocketId(id), farewell));
            self.forget(id);
        }
    }

    pub(super) fn forget(&mut self, id: u64) {
        if self.sockets.remove(&id).is_some() {
            self.report.open -= 1;
            self.routes.leave(id);
        }
    }

    pub(super) fn note_pace(&mut self, id: u64) {
        let Some(known) = self.sockets.get(&id) else { return };
        let most = known.window.most() as u64;
        let report = &mut self.report;
        report.most_messages_in_a_second = report.most_messages_in_a_second.max(most);
        report.messages_in_a_second.insert(id, most);
        if report.messages_in_a_second.len() > REMEMBERED_SOCKETS {
            report.messages_in_a_second.pop_first();
        }
    }
}
