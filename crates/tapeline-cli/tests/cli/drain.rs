//! A signal to `tapeline serve` while a hundred clients are connected, some of whom read nothing.

use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use tapeline_ws::{ClientRequest, Connection, Limits, MessageOf};
use tokio::net::{TcpSocket, TcpStream};

use crate::process::{Folder, Running, simulator, tapeline};

type Client = Connection<TcpStream>;

/// What the issue allows for a stop.
const WITHIN: Duration = Duration::from_secs(10);
/// The least room to receive that the system gives.
const LEAST: u32 = 2_304;

/// A gateway before a busy venue, with so long to say goodbye.
struct Served {
    gateway: Running,
    address: String,
    _venue: Running,
    _folder: Folder,
}

impl Served {
    fn new(name: &str, drain_within: &str) -> Self {
        let folder = Folder::new(name);
        let (venue, port) = simulator(&[]);
        let set = [
            "gateway.listen=127.0.0.1:0".to_owned(),
            "gateway.connections_per_ip=200".to_owned(),
            "state.dir=state".to_owned(),
            format!("gateway.drain_within={drain_within}"),
            format!("venues.binance.streams=[\"ws://127.0.0.1:{port}\"]"),
            format!("venues.binance.rest=[\"http://127.0.0.1:{port}\"]"),
        ];
        let mut command = tapeline(&["serve", "--log", "json"]);
        for set in &set {
            command.args(["--set", set]);
        }
        let gateway = Running::start(command.current_dir(folder.path()));
        let first = gateway.line();
        let address = first.strip_prefix("listening on http://").unwrap_or_else(|| panic!("{first}"));
        Self { address: address.to_owned(), gateway, _venue: venue, _folder: folder }
    }

    /// A client that has sent its subscription; `room` is what it can receive without reading.
    async fn client(&self, room: Option<u32>) -> Client {
        let socket = TcpSocket::new_v4().unwrap();
        if let Some(room) = room {
            socket.set_recv_buffer_size(room).unwrap();
        }
        let tcp = socket.connect(self.address.parse().unwrap()).await.unwrap();
        let request = ClientRequest {
            host: self.address.clone(),
            path: "/v1/stream".to_owned(),
            subprotocols: vec!["tapeline.v1.json".to_owned()],
            ..ClientRequest::default()
        };
        let (mut client, _) = Connection::connect(tcp, &request, Limits::client(), 1).await.unwrap();
        let request =
            r#"{"op":"subscribe","id":1,"topics":["binance:book:BTCUSDT","binance:trade:ETHUSDT"]}"#;
        client.send(MessageOf::Text(request)).await.unwrap();
        client
    }

    /// So many who read, so many who do not; the first of these has a socket that takes nothing more.
    async fn clients(&self, reading: usize, idle: usize) -> (Vec<Client>, Vec<Client>) {
        let (mut readers, mut others) = (Vec::new(), Vec::new());
        for number in 0..idle {
            let mut client = self.client(Some(LEAST)).await;
            if number == 0 {
                self.fill(&mut client).await;
            }
            others.push(client);
        }
        for _ in 0..reading {
            let mut client = self.client(None).await;
            // The answer; from then on it is one of the gateway's.
            assert!(matches!(client.receive().await.unwrap(), Some(MessageOf::Text(_))));
            readers.push(client);
        }
        assert_eq!(self.metric("tapeline_clients{format=\"json\"}"), (reading + idle) as f64);
        (readers, others)
    }

    /// Has large answers sent without reading them, until they do not leave the gateway any more. The system takes
    /// megabytes first; the gateway lets go of whoever leaves a quarter of one.
    async fn fill(&self, client: &mut Client) {
        let ping = format!(r#"{{"op":"ping","id":"{}"}}"#, "x".repeat(60_000));
        for _ in 0..200 {
            client.send(MessageOf::Text(&ping)).await.unwrap();
            // So often the figure is renewed, and fewer messages than this are allowed in a second.
            tokio::time::sleep(Duration::from_millis(110)).await;
            if self.metric("tapeline_client_unsent_bytes") > 0.0 {
                return;
            }
        }
        panic!("the system takes everything");
    }

    fn metric(&self, series: &str) -> f64 {
        let mut http = std::net::TcpStream::connect(&self.address).unwrap();
        http.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        http.read_to_string(&mut text).unwrap();
        let value = |line: &str| line.strip_prefix(series)?.trim().parse().ok();
        text.lines().find_map(value).unwrap_or_default()
    }
}

/// Reads to the farewell: code and reason.
async fn farewell(client: &mut Client) -> (u16, String) {
    loop {
        match client.receive().await.expect("the farewell comes before the end") {
            Some(MessageOf::Close { code, reason }) => return (code, reason.to_owned()),
            Some(_) => {}
            None => panic!("the connection ended without a farewell"),
        }
    }
}

async fn all_are_told(readers: &mut [Client]) {
    let told = async {
        for client in readers {
            let (code, reason) = farewell(client).await;
            assert_eq!(code, 4_001);
            assert!(reason.contains("retry_after_ms"), "{reason}");
        }
    };
    tokio::time::timeout(Duration::from_secs(60), told).await.expect("everybody who reads is told");
}

#[tokio::test]
async fn sigterm_under_a_hundred_clients_tells_all_who_read_and_waits_for_nobody_else() {
    let mut served = Served::new("drain", "1s");
    let (mut readers, stuck) = served.clients(70, 30).await;
    let asked = Instant::now();
    served.gateway.signal("TERM");
    all_are_told(&mut readers).await;
    assert_eq!(served.gateway.code(), Some(0));
    assert!(asked.elapsed() < WITHIN, "{:?}", asked.elapsed());
    served.gateway.told(|line| line.contains("left in good order"));
    drop(stuck);
}

#[tokio::test]
async fn a_second_signal_does_not_wait_for_those_who_do_not_read() {
    for (signal, code) in [("TERM", 0), ("INT", 130)] {
        // Whoever waited for the drain would wait for the test's whole patience.
        let mut served = Served::new(&format!("drain-{signal}"), "1h");
        let (mut readers, stuck) = served.clients(5, 2).await;
        served.gateway.signal(signal);
        all_are_told(&mut readers).await;
        let asked = Instant::now();
        served.gateway.signal(signal);
        assert_eq!(served.gateway.code(), Some(code), "{signal}");
        assert!(asked.elapsed() < WITHIN, "{:?}", asked.elapsed());
        served.gateway.told(|line| line.contains("at once, as asked for a second time"));
        drop(stuck);
    }
}
