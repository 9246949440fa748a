//! A gateway in front of a simulated venue, and a client that another project wrote.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tapeline::{Hub, HubConfig, VenueConfig};
use tapeline_gateway::{About, Gateway, GatewayConfig};
use tapeline_sim::{Content, MarketOptions, Options, Server};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async, connect_async};

/// Longer than anything here can take on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for something that must happen.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("it did not happen in time")
}

/// The venue, the hub that reads it, and the gateway.
pub(crate) struct Bench {
    pub(crate) venue: Server,
    pub(crate) hub: Hub,
    pub(crate) gateway: Gateway,
}

pub(crate) fn usual() -> GatewayConfig {
    let mut config = GatewayConfig { listen: "127.0.0.1:0".parse().unwrap(), ..GatewayConfig::default() };
    config.limits.connections_per_ip = 10_000;
    config.limits.messages_per_second = 10_000;
    config
}

/// What the hub is told: the venue, and whatever `change` adds.
pub(crate) fn hub_of(venue: &Server, change: impl FnOnce(&mut VenueConfig)) -> Hub {
    let mut settings = VenueConfig::default();
    settings.feed.streams = vec![venue.ws_url()];
    settings.feed.rest = vec![venue.url()];
    settings.feed.limits.topics_per_client = 2_000;
    change(&mut settings);
    let mut hub = HubConfig { seed: Some(3), throttle: Some(Duration::ZERO), ..HubConfig::default() };
    hub.venues.insert("binance".to_owned(), settings);
    Hub::new(hub)
}

impl Bench {
    pub(crate) async fn new() -> Self {
        Self::with(usual(), MarketOptions::default(), |_| {}).await
    }

    pub(crate) async fn with(
        config: GatewayConfig,
        market: MarketOptions,
        change: impl FnOnce(&mut VenueConfig),
    ) -> Self {
        let venue = Server::start(Options::new(Content::Market(market))).await.unwrap();
        let hub = hub_of(&venue, change);
        let about = About { venues: vec!["binance".to_owned()], ..About::default() };
        let gateway = Gateway::start(config, hub.clone(), about).await.unwrap();
        Self { venue, hub, gateway }
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.gateway.address()).await
    }
}

/// One client.
pub(crate) struct Client {
    pub(crate) socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    requests: u64,
    /// Frames that came before an answer that was waited for.
    kept: Vec<Value>,
}

impl Client {
    pub(crate) async fn connect(to: SocketAddr) -> Self {
        let mut request = format!("ws://{to}/v1/stream").into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", "tapeline.v1.json".parse().unwrap());
        let (socket, answer) = soon(connect_async(request)).await.unwrap();
        assert_eq!(answer.headers()["sec-websocket-protocol"], "tapeline.v1.json");
        Self { socket, requests: 0, kept: Vec::new() }
    }

    /// One for whom the system keeps next to nothing: what it does not read stays with the gateway.
    pub(crate) async fn narrow(to: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4 << 10).unwrap();
        let stream = MaybeTlsStream::Plain(soon(socket.connect(to)).await.unwrap());
        let (socket, _) = soon(client_async(format!("ws://{to}/v1/stream"), stream)).await.unwrap();
        Self { socket, requests: 0, kept: Vec::new() }
    }

    pub(crate) async fn send(&mut self, text: impl Into<String>) {
        self.socket.send(Message::text(text.into())).await.unwrap();
    }

    /// Sends a request; its answer, whatever comes before it is kept.
    pub(crate) async fn ask(&mut self, mut request: Value) -> Value {
        self.requests += 1;
        request["id"] = self.requests.into();
        self.send(request.to_string()).await;
        loop {
            let frame = self.receive().await;
            if frame["id"] == request["id"] {
                return frame;
            }
            self.kept.push(frame);
        }
    }

    /// Subscribes; the results, all of them good.
    pub(crate) async fn subscribe(&mut self, topics: &[&str], more: Value) -> Vec<Value> {
        let mut request = json!({"op": "subscribe", "topics": topics});
        for (key, value) in more.as_object().into_iter().flatten() {
            request[key] = value.clone();
        }
        let answer = self.ask(request).await;
        assert_eq!((&answer["type"], &answer["op"]), (&json!("result"), &json!("subscribe")), "{answer}");
        let results = answer["results"].as_array().unwrap().clone();
        assert!(results.iter().all(|result| result["ok"] == true), "{answer}");
        results
    }

    /// The next frame.
    pub(crate) async fn next(&mut self) -> Value {
        if self.kept.is_empty() { self.receive().await } else { self.kept.remove(0) }
    }

    async fn receive(&mut self) -> Value {
        match self.message().await {
            Ok(Message::Text(text)) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// The next message that is no ping.
    pub(crate) async fn message(&mut self) -> Result<Message, Error> {
        loop {
            match soon(self.socket.next()).await.unwrap_or(Err(Error::ConnectionClosed)) {
                Ok(Message::Ping(_) | Message::Pong(_)) => {}
                other => return other,
            }
        }
    }

    /// The next frame of one of these kinds.
    pub(crate) async fn next_of(&mut self, kinds: &[&str]) -> Value {
        loop {
            let frame = self.next().await;
            if kinds.iter().any(|kind| frame["type"] == *kind) {
                return frame;
            }
        }
    }

    /// The code and reason with which the gateway closes, whatever comes before.
    pub(crate) async fn close(&mut self) -> (u16, String) {
        loop {
            match self.message().await {
                Ok(Message::Close(Some(close))) => return (close.code.into(), close.reason.to_string()),
                Ok(_) => {}
                Err(error) => return (0, error.to_string()),
            }
        }
    }
}

/// A book as a client keeps it: prices and sizes as they were told.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Book {
    pub(crate) sides: [BTreeMap<String, String>; 2],
    pub(crate) offset: u64,
    pub(crate) state: String,
}

impl Book {
    /// Applies a frame of a book.
    pub(crate) fn apply(&mut self, frame: &Value) {
        let data = &frame["data"];
        let offset = frame["offset"].as_u64().unwrap();
        if frame["type"] == "snapshot" {
            *self = Self::default();
        } else {
            let stands_for = frame["merged"].as_u64().unwrap_or(1);
            assert_eq!(offset, self.offset + stands_for, "{frame}");
        }
        self.offset = offset;
        data["state"].as_str().unwrap_or_default().clone_into(&mut self.state);
        for (side, name) in self.sides.iter_mut().zip(["bids", "asks"]) {
            for level in data[name].as_array().into_iter().flatten() {
                let text = |at: usize| level[at].as_str().unwrap().to_owned();
                let (price, size) = (text(0), text(1));
                if size == "0" {
                    side.remove(&price)
                } else {
                    side.insert(price, size)
                };
            }
        }
    }
}
