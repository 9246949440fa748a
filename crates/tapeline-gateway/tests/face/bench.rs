//! A gateway in front of a simulated venue, and a plain client of HTTP over real loopback sockets.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tapeline::{Hub, HubConfig, Subscription, Update, VenueConfig};
use tapeline_gateway::{About, Gateway, GatewayConfig};
use tapeline_sim::{Content, MarketOptions, Options, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longer than anything here can take on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for something that must happen.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("it did not happen in time")
}

/// The next update that is data.
pub(crate) async fn data(subscription: &mut Subscription) -> Arc<Update> {
    soon(async {
        loop {
            let update = subscription.next().await.expect("the subscription goes on");
            if update.kind.consumes_offset() {
                return update;
            }
        }
    })
    .await
}

/// The venue, the hub that reads it, and the gateway.
pub(crate) struct Bench {
    pub(crate) venue: Server,
    pub(crate) hub: Hub,
    pub(crate) gateway: Gateway,
}

/// The admin token of every bench.
pub(crate) const TOKEN: &str = "an-admin-token-of-the-tests";

pub(crate) fn usual() -> GatewayConfig {
    GatewayConfig {
        listen: "127.0.0.1:0".parse().unwrap(),
        admin_token: Some(TOKEN.to_owned()),
        ..GatewayConfig::default()
    }
}

pub(crate) fn about() -> About {
    About { venues: vec!["binance".to_owned()], ..About::default() }
}

impl Bench {
    pub(crate) async fn new() -> Self {
        Self::with(usual(), about()).await
    }

    pub(crate) async fn with(config: GatewayConfig, about: About) -> Self {
        Self::before(config, about, VenueConfig::default()).await
    }

    /// With what is known of the venue; where it is, unless that is said.
    pub(crate) async fn before(config: GatewayConfig, about: About, mut settings: VenueConfig) -> Self {
        let venue = Server::start(Options::new(Content::Market(MarketOptions::default()))).await.unwrap();
        if settings.feed.streams.is_empty() {
            settings.feed.streams = vec![venue.ws_url()];
        }
        settings.feed.rest = vec![venue.url()];
        let mut hub = HubConfig { seed: Some(3), throttle: Some(Duration::ZERO), ..HubConfig::default() };
        hub.venues.insert("binance".to_owned(), settings);
        let hub = Hub::new(hub);
        let gateway = Gateway::start(config, hub.clone(), about).await.unwrap();
        Self { venue, hub, gateway }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.gateway.address()
    }

    /// A request without a body, by its first line and more headers.
    pub(crate) async fn ask(&self, line: &str, headers: &[(&str, &str)]) -> Answer {
        ask(self.address(), line, headers, "").await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(&format!("GET {path}"), &[]).await
    }

    /// A call that changes something, with the token.
    pub(crate) async fn act(&self, action: &str, body: &str) -> Answer {
        let bearer = format!("Bearer {TOKEN}");
        let line = format!("POST /api/v1/actions/{action}");
        ask(self.address(), &line, &[("authorization", &bearer)], body).await
    }
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    /// Of the bytes of a whole answer.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        let mut body = body.to_owned();
        let head = head.to_owned();
        let answer = Self { status, head, body: String::new() };
        if answer.header("transfer-encoding").is_some() {
            body = dechunked(&body);
        }
        Self { body, ..answer }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The code of an error.
    pub(crate) fn code(&self) -> String {
        let body = self.json();
        assert!(body["error"]["message"].as_str().is_some_and(|text| !text.is_empty()), "{body}");
        body["error"]["code"].as_str().unwrap_or_default().to_owned()
    }
}

fn dechunked(body: &str) -> String {
    let (mut rest, mut out) = (body, String::new());
    while let Some((size, more)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        out.push_str(&more[..size]);
        rest = more[size..].trim_start_matches("\r\n");
    }
    out
}

/// One request on a connection of its own.
pub(crate) async fn ask(to: SocketAddr, line: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut socket = TcpStream::connect(to).await.unwrap();
    let mut head = format!("{line} HTTP/1.1\r\n");
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        head.push_str(&format!("host: {to}\r\n"));
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("connection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len()));
    socket.write_all(head.as_bytes()).await.unwrap();
    Answer::of(&everything(&mut socket).await)
}

/// What comes until the other side closes.
pub(crate) async fn everything(socket: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A cut instead of a goodbye ends it as well.
    soon(async { while matches!(socket.read_buf(&mut bytes).await, Ok(more) if more > 0) {} }).await;
    bytes
}

/// What comes until `end` stands in it.
pub(crate) async fn read_until(socket: &mut TcpStream, end: &str) -> String {
    let mut bytes = Vec::new();
    soon(async {
        while !String::from_utf8_lossy(&bytes).contains(end) {
            assert!(
                socket.read_buf(&mut bytes).await.unwrap() > 0,
                "closed: {}",
                String::from_utf8_lossy(&bytes)
            );
        }
    })
    .await;
    String::from_utf8_lossy(&bytes).into_owned()
}
