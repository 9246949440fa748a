//! How each act of a scene is done to a world.

use tapeline_core::feed::{Command, Feed};

use super::super::World;
use super::super::aim::{FOUND_OUT, is_odd};
use super::super::clock::SEC;
use super::super::kinds::FaultKind;
use super::super::plan::Strike;
use super::{Act, Side, key};
use crate::house::{Kind, Trouble};

/// What a venue has said is nowhere any more after this long.
const ON_ITS_WAY: u64 = 120 * SEC;
/// Keys that are refused are tried for so long.
const TRIES: u64 = 90 * SEC;

impl World {
    /// Does one thing to a host; `pick` decides what is left to chance.
    pub(super) fn act(&mut self, host: usize, act: Act, pick: u64) {
        match act {
            Act::Venue(line) => self.order(host, line, None),
            Act::Towards(side, line) => match self.socket_of(host, side) {
                Some(socket) => self.order(host, line, Some(socket)),
                None => self.trace.tell(self.now, format!("host {host} has no line {}", side.name())),
            },
            Act::Way(own, lasts) => {
                let kind = FaultKind::Own(own);
                self.plan.strikes.push(Strike { at: self.now, kind, host, lasts: lasts * SEC, pick });
                self.strike(self.plan.strikes.len() - 1);
            }
            Act::Revoke => self.revoke(host),
            Act::Issue => {
                self.hosts[host].issued += 1;
                self.hosts[host].vault = Some(key(self.hosts[host].issued));
                self.trace.tell(self.now, format!("host {host} has its next key at hand"));
                *self.struck.entry("issue").or_default() += 1;
            }
            Act::Rotate => {
                let (now, time) = (self.now, self.time());
                self.oracles.disturb(host, now + FOUND_OUT);
                *self.struck.entry("rotate").or_default() += 1;
                self.hosts[host].with(|feed: &mut Feed| feed.command(time, Command::Rotate { slot: None }));
            }
        }
    }

    /// The venue takes the next key only.
    fn revoke(&mut self, host: usize) {
        let (now, house) = (self.now, self.hosts[host].house);
        self.hosts[host].taken += 1;
        let taken = self.hosts[host].taken;
        self.trace.tell(now, format!("the venue of host {host} takes key {taken} only"));
        let closed = self.houses[house].set_login(now, Some(&key(taken).secret));
        *self.struck.entry("revoke").or_default() += closed as u64;
        self.oracles.disturb(host, now + TRIES + FOUND_OUT);
    }

    /// The venue of a host gets an order, for one of its sockets or for all.
    fn order(&mut self, host: usize, line: &str, socket: Option<u64>) {
        // The lines of all drills are read by a test.
        let Ok(mut trouble) = line.parse::<Trouble>() else { return };
        trouble.scope.socket = socket.or(trouble.scope.socket);
        let (now, house) = (self.now, self.hosts[host].house);
        let lasts = trouble.lasts.map_or(0, |lasts| lasts.as_nanos() as u64);
        let until = now + lasts + FOUND_OUT;
        if is_odd(trouble.kind) {
            let watch = &mut self.oracles.watches[host];
            watch.odd_until = watch.odd_until.max(until + ON_ITS_WAY);
        }
        self.oracles.disturb(host, until);
        self.trace.tell(now, format!("the venue of host {host}: {trouble}"));
        self.houses[house].advance(now);
        self.oracles.follow_books(house, &self.houses[house]);
        let (kind, symbol) = (trouble.kind, trouble.scope.symbol.clone().unwrap_or_default());
        self.houses[house].trouble(now, trouble);
        self.houses[house].advance(now);
        if kind == Kind::Restart {
            self.oracles.restarted(house, &self.houses[house], &symbol);
        }
    }

    /// The venue's end of a line.
    fn socket_of(&mut self, host: usize, side: Side) -> Option<u64> {
        let time = self.time();
        let status = self.hosts[host].status(time)?;
        let on = |slot: u32| status.lines.iter().any(|line| line.id == slot && line.side == side.name());
        let found = self.hosts[host].open_links().find(|(_, link)| on(link.line.slot));
        found.and_then(|(_, link)| Some(link.socket?.number()))
    }
}
