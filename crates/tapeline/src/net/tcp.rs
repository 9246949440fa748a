//! Names and sockets: every dial asks the resolver anew and tries several addresses, not one.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tapeline_core::feed::{DialError, Stage};
use tapeline_core::policy::fault::Fault;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::failure::{failed, of_io, of_lookup, timed_out};

/// The next address is tried when the one before has not answered for so long.
const HEAD_START: Duration = Duration::from_millis(250);
/// What was sent must be acknowledged by the system on the other side within this, where ours can see to it: as long as
/// a line may be silent at the very most. It is the second net. Whoever hears nothing is replaced before that; but what
/// goes on writing into nowhere, and is not looked at, ends as well, and no sooner than silence is judged.
#[cfg(target_os = "linux")]
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(60);
/// Addresses tried of one name.
const ADDRESSES: usize = 8;
/// Names whose last good address is remembered.
const NAMES: usize = 64;

/// Knows the addresses of names.
pub(super) trait Resolver {
    /// Those of a host.
    fn addresses(
        &self,
        host: &str,
        port: u16,
    ) -> impl Future<Output = io::Result<impl Iterator<Item = SocketAddr>>> + Send;
}

/// The resolver of the system.
#[derive(Debug, Default)]
pub(super) struct System;

impl Resolver for System {
    async fn addresses(&self, host: &str, port: u16) -> io::Result<impl Iterator<Item = SocketAddr>> {
        tokio::net::lookup_host((host, port)).await
    }
}

/// Names of hosts, and the addresses that last worked: while the resolver is silent they are better than nothing.
#[derive(Debug, Default)]
pub(super) struct Names<R = System> {
    resolver: R,
    last_good: Mutex<HashMap<String, IpAddr>>,
}

impl<R: Resolver> Names<R> {
    fn remember(&self, host: &str, address: IpAddr) {
        let mut known = self.last_good.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() < NAMES || known.contains_key(host) {
            known.insert(host.to_owned(), address);
        }
    }

    fn recall(&self, host: &str) -> Option<IpAddr> {
        self.last_good.lock().unwrap_or_else(PoisonError::into_inner).get(host).copied()
    }

    /// The addresses of a host, the two families alternating so that a broken one costs one head start.
    pub(super) async fn resolve(
        &self,
        host: &str,
        port: u16,
        within: Duration,
    ) -> Result<Vec<SocketAddr>, DialError> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let found = match timeout(within, self.resolver.addresses(host, port)).await {
            Err(_) => Err(timed_out(Stage::Dns)),
            Ok(Err(error)) => Err(failed(Stage::Dns, of_lookup(&error), error.to_string())),
            Ok(Ok(addresses)) => Ok(alternate(addresses)),
        };
        match found {
            Ok(addresses) if !addresses.is_empty() => Ok(addresses),
            Ok(_) => Err(failed(Stage::Dns, Fault::Transient, "the name has no address")),
            Err(error) => {
                let last_good = self.recall(host).ok_or(error)?;
                tracing::debug!(host, address = %last_good, "name not resolved, trying the last good address");
                Ok(vec![SocketAddr::new(last_good, port)])
            }
        }
    }

    /// Connects to a host by the first of its addresses that answers.
    pub(super) async fn connect(
        &self,
        host: &str,
        port: u16,
        within: Duration,
    ) -> Result<TcpStream, DialError> {
        let addresses = self.resolve(host, port, within).await?;
        let connected = timeout(within, race(&addresses)).await.map_err(|_| timed_out(Stage::Tcp))?;
        let stream = connected.map_err(|error| failed(Stage::Tcp, of_io(&error), error.to_string()))?;
        // Subscriptions are small messages, each worth its own segment.
        stream.set_nodelay(true).map_err(|error| failed(Stage::Tcp, of_io(&error), error.to_string()))?;
        bound_unacknowledged(&stream);
        if let Ok(peer) = stream.peer_addr()
            && host.parse::<IpAddr>().is_err()
        {
            self.remember(host, peer.ip());
        }
        Ok(stream)
    }
}

/// Lets the system end a connection whose other side has vanished.
#[cfg(target_os = "linux")]
fn bound_unacknowledged(stream: &TcpStream) {
    if let Err(error) = socket2::SockRef::from(stream).set_tcp_user_timeout(Some(ACKNOWLEDGED_WITHIN)) {
        tracing::debug!(%error, "the system does not say when a connection has lost its other side");
    }
}

/// Other systems have their own limits, and no such setting for a socket.
#[cfg(not(target_os = "linux"))]
fn bound_unacknowledged(_: &TcpStream) {}

fn alternate(addresses: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let (mut six, mut four): (Vec<_>, Vec<_>) = addresses.partition(SocketAddr::is_ipv6);
    six.reverse();
    four.reverse();
    let mut out = Vec::new();
    while out.len() < ADDRESSES && !(six.is_empty() && four.is_empty()) {
        out.extend(six.pop());
        out.extend(four.pop());
    }
    out.truncate(ADDRESSES);
    out
}

/// Starts one connection after the other, the next when one failed or hesitates; the first to stand
/// wins, the rest are dropped.
async fn race(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut waiting = addresses.iter();
    let mut running = FuturesUnordered::new();
    let mut last = None;
    loop {
        if let Some(address) = waiting.next() {
            running.push(TcpStream::connect(*address));
        } else if running.is_empty() {
            return Err(last.unwrap_or_else(|| io::ErrorKind::AddrNotAvailable.into()));
        }
        tokio::select! {
            Some(done) = running.next() => match done {
                Ok(stream) => return Ok(stream),
                Err(error) => last = Some(error),
            },
            () = sleep(HEAD_START), if waiting.len() > 0 => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use tokio::net::TcpListener;

    use super::*;

    /// Gives one answer after the other, then none.
    struct Answers(Mutex<VecDeque<Vec<SocketAddr>>>);

    impl Resolver for Answers {
        async fn addresses(&self, _: &str, _: u16) -> io::Result<impl Iterator<Item = SocketAddr>> {
            let next = self.0.lock().unwrap().pop_front();
            next.map(Vec::into_iter).ok_or_else(|| io::ErrorKind::TimedOut.into())
        }
    }

    fn check(addresses: &[&str], expected: &[&str]) {
        let parse =
            |list: &[&str]| list.iter().map(|text| text.parse().unwrap()).collect::<Vec<SocketAddr>>();
        assert_eq!(alternate(parse(addresses).into_iter()), parse(expected));
    }

    #[test]
    fn families_alternate() {
        check(
            &["1.1.1.1:1", "2.2.2.2:1", "[::1]:1", "3.3.3.3:1"],
            &["[::1]:1", "1.1.1.1:1", "2.2.2.2:1", "3.3.3.3:1"],
        );
    }

    #[test]
    fn a_name_of_many_addresses_is_not_tried_forever() {
        let many: Vec<String> = (0..50).map(|n| format!("10.0.0.{n}:1")).collect();
        assert_eq!(alternate(many.iter().map(|text| text.parse().unwrap())).len(), ADDRESSES);
    }

    #[tokio::test]
    async fn a_refusing_address_costs_no_head_start() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let open = listener.local_addr().unwrap();
        let stream = race(&[closed, open]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), open);
    }

    #[tokio::test]
    async fn the_last_error_is_told_if_no_address_answers() {
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        assert_eq!(race(&[closed]).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        assert!(race(&[]).await.is_err());
    }

    /// The only system on which every 127.x.y.z is an address of one's own.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn each_dial_asks_where_a_name_leads_and_a_stale_address_costs_nothing() {
        let (old, new) = (
            TcpListener::bind("127.0.0.1:0").await.unwrap(),
            TcpListener::bind("127.0.0.2:0").await.unwrap(),
        );
        let (at_first, later) = (old.local_addr().unwrap(), new.local_addr().unwrap());
        let answers = Answers(Mutex::new([vec![at_first], vec![later], vec![at_first, later]].into()));
        let names = Names { resolver: answers, last_good: Mutex::default() };
        let dial = async || {
            let stream = names.connect("venue.test", later.port(), Duration::from_secs(10)).await.unwrap();
            stream.peer_addr().unwrap()
        };
        assert_eq!(dial().await, at_first);
        assert_eq!(dial().await, later, "the name leads elsewhere now");
        drop(old);
        assert_eq!(dial().await, later, "nobody answers at the first of two addresses");
        assert_eq!(
            dial().await,
            later,
            "the resolver is silent, and the last address that answered is called"
        );
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn the_system_ends_a_connection_whose_other_side_has_vanished() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let stream =
            Names::<System>::default().connect("127.0.0.1", port, Duration::from_secs(10)).await.unwrap();
        let within = socket2::SockRef::from(&stream).tcp_user_timeout().unwrap();
        assert_eq!(within, Some(ACKNOWLEDGED_WITHIN));
    }
}
