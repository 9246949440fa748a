//! TLS against the simulated venue: what works, every way in which it fails, and the way back.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tapeline::core::data::event::BookState;
use tapeline::core::policy::fault::Fault;
use tapeline::{Command, Data, Hub, Subscription, VenueConfig};
use tapeline_sim::{Content, MarketOptions, Options, Server};

use crate::edge::{at, failure, hub};
use crate::plain_venue::{data, soon, until};

/// A venue that speaks TLS, and the folder with the certificate of its authority.
struct Venue {
    server: Server,
    dir: PathBuf,
}

impl Venue {
    async fn open(script: &str) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("tapeline-tls-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::SeqCst));
        let dir = std::env::temp_dir().join(name);
        let market = Content::Market(MarketOptions::default());
        let server = Server::start(Options { tls: Some(dir.clone()), ..Options::new(market) }).await.unwrap();
        if !script.is_empty() {
            server.trouble(script.parse().unwrap());
        }
        Self { server, dir }
    }

    /// Settings that trust its authority.
    fn settings(&self, streams: &str, rest: &str) -> VenueConfig {
        let mut settings = at(streams, rest);
        settings.net.ca_file = Some(self.dir.join("ca.pem"));
        settings
    }

    /// A hub that reaches everything encrypted.
    fn hub(&self) -> Hub {
        let address = self.server.addr();
        hub(self.settings(&format!("wss://{address}"), &format!("https://{address}")))
    }

    fn strikes(&self, kind: &str) -> u64 {
        self.server.report().troubles.get(kind).copied().unwrap_or(0)
    }
}

impl Drop for Venue {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// Reads until a book is right.
async fn live(reader: &mut Subscription) {
    while !matches!(&data(reader).await.data, Data::Book(book) if book.state == BookState::Live) {}
}

#[tokio::test]
async fn encrypted_sockets_and_requests_are_served_like_others() {
    let venue = Venue::open("").await;
    let hub = venue.hub();
    let mut reader = hub.book("binance", "BTCUSDT").await.unwrap();
    live(&mut reader).await;
    // Whoever speaks plainly is served on the same port.
    let plain = crate::edge::hub(at(&venue.server.ws_url(), &venue.server.url()));
    let mut reader = plain.book("binance", "BTCUSDT").await.unwrap();
    live(&mut reader).await;
    assert_eq!(venue.server.report().snapshots["BTCUSDT"], 2);
}

/// A dial that fails as ordered, in this class; once it has an end, the way back.
async fn fails(script: &str, expected: Fault, words: &str) {
    let venue = Venue::open(script).await;
    let hub = {
        let address = venue.server.addr();
        let mut settings = venue.settings(&format!("wss://{address}"), &format!("https://{address}"));
        settings.net.stage_within = Duration::from_secs(2);
        hub(settings)
    };
    let mut reader = hub.book("binance", "BTCUSDT").await.unwrap();
    let (class, detail) = failure(&hub).await;
    assert_eq!(class, expected.name(), "{script}: {detail}");
    assert!(detail.to_lowercase().contains(words), "{script}: {detail}");
    let kind = script.split(' ').next().unwrap();
    if expected == Fault::Configuration {
        let line = hub.status().await.venues[0].feed.as_ref().unwrap().lines[0].clone();
        assert_eq!((line.phase, line.dial_in_ms), ("halted", None), "{script}: no further dial is planned");
        assert_eq!(venue.strikes(kind), 1, "{script}");
        venue.server.calm_all();
        hub.command("binance", Command::Reset).await.unwrap();
    } else {
        until(async || venue.strikes(kind) > 1).await;
        venue.server.calm_all();
    }
    live(&mut reader).await;
    assert_eq!(venue.server.report().connects, 1, "{script}: nothing else was let in");
}

#[tokio::test]
async fn bad_certificates_halt_a_line_until_an_operator_speaks() {
    fails("tls-expired", Fault::Configuration, "expired").await;
    fails("tls-name", Fault::Configuration, "not valid for name").await;
    fails("tls-unknown", Fault::Configuration, "unknownissuer").await;
    fails("tls-alert", Fault::Configuration, "handshakefailure").await;
}

#[tokio::test]
async fn handshakes_that_break_are_tried_again() {
    fails("tls-alert code=80", Fault::Server, "internalerror").await;
    fails("tls-garbage", Fault::Server, "").await;
    fails("tls-silent", Fault::Transient, "timed out").await;
}

#[tokio::test]
async fn a_rest_host_with_a_bad_certificate_keeps_a_book_back_and_says_so() {
    let venue = Venue::open("").await;
    let port = venue.server.addr().port();
    venue.server.trouble(format!("tls-unknown host=localhost:{port}").parse().unwrap());
    // Another name of the same port: the sockets are fine.
    let settings = venue.settings(&format!("wss://127.0.0.1:{port}"), &format!("https://localhost:{port}"));
    let hub = hub(settings);
    let mut reader = hub.book("binance", "BTCUSDT").await.unwrap();
    let reason = async || {
        let status = hub.status().await;
        let feed = status.venues.into_iter().find_map(|venue| venue.feed);
        feed.and_then(|feed| Some(feed.topics.first()?.reason.clone())).unwrap_or_default()
    };
    until(async || reason().await.contains("UnknownIssuer")).await;
    assert!(venue.server.report().snapshots.is_empty(), "nothing is asked for unencrypted");
    venue.server.calm_all();
    soon(live(&mut reader)).await;
}

#[tokio::test]
async fn what_is_done_to_frames_and_connections_is_done_to_encrypted_ones() {
    let venue = Venue::open("fragment").await;
    let hub = venue.hub();
    let mut trades = hub.trades("binance", "BTCUSDT").await.unwrap();
    for _ in 0..20 {
        data(&mut trades).await;
    }
    assert!(venue.strikes("fragment") >= 20);
    venue.server.trouble("reset".parse().unwrap());
    until(async || venue.server.report().connects > 1).await;
    data(&mut trades).await;
    let status = hub.status().await;
    assert!(status.venues[0].feed.as_ref().unwrap().decode_errors.is_empty());
}
