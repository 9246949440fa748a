//! What a rig needs of a venue: the whole simulated house has it, and the metronome.

use std::net::{IpAddr, Ipv4Addr};

use crate::exchange::{Symbol, Temper};
use crate::house::{House, Reply, Said, Say, SocketId};

/// Our address.
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// So many symbols, of which so many are busy: as on the venue, most are quiet.
pub(super) fn crowd(busy: usize, count: usize) -> Vec<Symbol> {
    let first = Symbol::ten(false).remove(0);
    let temper = |n| if n < busy { Temper::Usual } else { Temper::Quiet };
    (0..count).map(|n| Symbol { name: format!("S{n}USDT"), ..first.clone() }.with_temper(temper(n))).collect()
}

/// A venue as a rig sees it.
pub(super) trait Far {
    /// An upgrade request arrives.
    fn connect(&mut self, now: u64, url: &str) -> Result<SocketId, Reply>;
    /// Something arrives on a socket.
    fn receive(&mut self, now: u64, socket: SocketId, said: Said<'_>);
    /// A socket is gone.
    fn gone(&mut self, now: u64, socket: SocketId);
    /// A REST request arrives.
    fn request(&mut self, now: u64, url: &str) -> Reply;
    /// Everything due until `now` happens.
    fn advance(&mut self, now: u64);
    /// When something happens next by itself.
    fn deadline(&self) -> u64;
    /// What is said next.
    fn next_output(&mut self) -> Option<(SocketId, Say)>;
}

impl Far for House {
    fn connect(&mut self, now: u64, url: &str) -> Result<SocketId, Reply> {
        Self::connect(self, now, HERE, url)
    }

    fn receive(&mut self, now: u64, socket: SocketId, said: Said<'_>) {
        Self::receive(self, now, socket, said);
    }

    fn gone(&mut self, now: u64, socket: SocketId) {
        Self::gone(self, now, socket);
    }

    fn request(&mut self, now: u64, url: &str) -> Reply {
        Self::request(self, now, HERE, url)
    }

    fn advance(&mut self, now: u64) {
        Self::advance(self, now);
    }

    fn deadline(&self) -> u64 {
        Self::deadline(self).unwrap_or(u64::MAX)
    }

    fn next_output(&mut self) -> Option<(SocketId, Say)> {
        Self::next_output(self)
    }
}
