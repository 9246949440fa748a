//! The clients of these tests: tokio-tungstenite for sockets, bytes over TCP for HTTP.

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tapeline_sim::{Content, MarketOptions, Options, Server, Speed};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Nothing on loopback takes this long; a test that waits longer has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// A market that races through `frames` frames as soon as its listeners have subscribed.
pub(crate) fn market(futures: bool, frames: u64) -> Options {
    let market =
        MarketOptions { speed: Speed::Max, frames: Some(frames), seed: 7, ..MarketOptions::new(futures) };
    quick(Content::Market(market))
}

/// A recording played at full speed.
pub(crate) fn capture(dir: &Path) -> Options {
    quick(Content::Capture { dir: dir.to_owned(), speed: Speed::Max })
}

/// The venue's options with a short start and room for talkative tests.
fn quick(content: Content) -> Options {
    Options { start_after: Duration::from_millis(20), messages_per_second: None, ..Options::new(content) }
}

/// A venue whose clock waits for `begin`: for tests with several sockets.
pub(crate) async fn held(options: Options) -> Server {
    Server::start(Options { start_after: Duration::from_secs(3_600), ..options }).await.expect("started")
}

pub(crate) struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    pub(crate) async fn open(server: &Server, path: &str) -> Self {
        Self(Self::dial(server, path).await.expect("the venue lets us in"))
    }

    pub(crate) async fn dial(
        server: &Server,
        path: &str,
    ) -> Result<WebSocketStream<MaybeTlsStream<TcpStream>>, tungstenite::Error> {
        connect_async(format!("{}{path}", server.ws_url())).await.map(|(socket, _)| socket)
    }

    pub(crate) async fn send(&mut self, message: impl Into<Message>) {
        self.0.send(message.into()).await.expect("sent");
    }

    /// Sends a request and returns its answer, skipping data in between.
    pub(crate) async fn ask(&mut self, request: &str) -> Value {
        self.send(request).await;
        loop {
            let value: Value = serde_json::from_str(&self.text().await).expect("JSON");
            if value.get("result").is_some() || value.get("error").is_some() || value.get("code").is_some() {
                return value;
            }
        }
    }

    /// The next message of any kind.
    pub(crate) async fn next(&mut self) -> Option<Result<Message, tungstenite::Error>> {
        tokio::time::timeout(PATIENCE, self.0.next()).await.expect("the venue goes on")
    }

    /// The next text.
    pub(crate) async fn text(&mut self) -> String {
        loop {
            match self.next().await {
                Some(Ok(Message::Text(text))) => return text.to_string(),
                Some(Ok(_)) => {}
                other => panic!("no text but {other:?}"),
            }
        }
    }

    /// The close code and reason; everything before it is skipped.
    pub(crate) async fn closed(&mut self) -> (u16, String) {
        loop {
            match self.next().await {
                Some(Ok(Message::Close(Some(frame)))) => {
                    return (frame.code.into(), frame.reason.to_string());
                }
                Some(Ok(_)) => {}
                other => panic!("no close but {other:?}"),
            }
        }
    }

    /// Whether the connection ends without a close frame.
    pub(crate) async fn is_cut(&mut self) -> bool {
        loop {
            match self.next().await {
                Some(Ok(Message::Close(_))) => return false,
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return true,
            }
        }
    }

    /// Whether nothing comes, now that others have been told much.
    pub(crate) async fn is_silent(&mut self) -> bool {
        tokio::time::timeout(Duration::from_millis(50), self.0.next()).await.is_err()
    }

    /// All texts until the server has finished and nothing has come for a moment afterwards.
    pub(crate) async fn texts(&mut self, count: usize) -> Vec<String> {
        let mut texts = Vec::with_capacity(count);
        while texts.len() < count {
            texts.push(self.text().await);
        }
        texts
    }
}

/// A plain HTTP answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }
}

/// Everything that comes back for a request, as it comes.
pub(crate) async fn ask(address: SocketAddr, method: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("connected");
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut bytes = Vec::new();
    // A connection that breaks has said what it had to say.
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("answered");
    String::from_utf8(bytes).expect("UTF-8")
}

pub(crate) async fn get(address: SocketAddr, path: &str) -> Answer {
    let text = ask(address, "GET", path, "").await;
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).expect("a status");
    let pair =
        |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    Answer {
        status: status.parse().expect("a number"),
        headers: lines.filter_map(pair).collect(),
        body: body.to_owned(),
    }
}

/// Waits until `claim` holds; for things that another task does in its own time.
pub(crate) async fn eventually(what: &str, mut claim: impl FnMut() -> bool) {
    let hold = async {
        while !claim() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, hold).await.is_ok(), "never: {what}");
}

/// A folder that is removed again.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("tapeline-sim-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("a folder");
        Self(dir)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn write(&self, name: &str, content: &str) {
        std::fs::write(self.0.join(name), content).expect("written");
    }

    pub(crate) fn lines(&self, name: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.0.join(name)).expect("read");
        text.lines().map(str::to_owned).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
