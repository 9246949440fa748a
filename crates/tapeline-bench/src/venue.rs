//! The sending side: a blocking server on loopback that writes rendered frames as fast as they are
//! taken. It lives in a process of its own, so that the reader's CPU is the reader's alone.
//!
//! A reader of [`RAW`] gets the frames at once and the end of the stream behind them. Any other path
//! is the venue's: a reader that sends SUBSCRIBE gets them when it has subscribed to all streams; the rest of a
//! mix waits until the snapshot of every book has been fetched, and the socket stays open.

use std::collections::HashSet;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tapeline_ws::handshake::{ServerOptions, accept, encode_response, parse_request};
use tapeline_ws::{Limits, Message, Reader, Role};

use crate::market::{self, Rendered};

/// How long a reader may take to subscribe and to fetch its snapshots.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a reader gets to build its books from their snapshots.
const DIGESTION: Duration = Duration::from_millis(300);
/// The path of the baselines, which subscribe to nothing.
pub const RAW: &str = "/raw";
/// What the path of a reader begins with that comes with two connections: both get everything, once both have
/// subscribed to it.
pub const TWO: &str = "/two";

/// A sender that keeps time: one piece per period.
#[derive(Debug)]
pub struct Pace {
    /// From the beginning of one piece to that of the next.
    pub period: Duration,
    /// What the times below count from.
    pub origin: Instant,
    /// When each piece was handed to the socket, in nanoseconds since `origin`.
    pub sent: Vec<AtomicU64>,
}

/// The server, listening.
#[derive(Debug)]
pub struct Venue {
    listener: TcpListener,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    rendered: Rendered,
    streams: usize,
    pace: Option<Arc<Pace>>,
    progress: Mutex<Progress>,
    changed: Condvar,
}

/// How far the one subscribing reader has come.
#[derive(Debug, Default)]
struct Progress {
    /// Its connections that are open, and those that have subscribed to everything.
    open: usize,
    complete: usize,
    fetched: HashSet<String>,
    gone: bool,
}

impl Venue {
    /// Binds a free port on loopback for `rendered` frames of `kind`; without a `pace` they are sent as
    /// fast as they are taken.
    ///
    /// # Errors
    /// What the socket says.
    pub fn bind(rendered: Rendered, kind: market::Kind, pace: Option<Arc<Pace>>) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let streams = market::streams(kind).len();
        let shared = Shared { rendered, streams, pace, progress: Mutex::default(), changed: Condvar::new() };
        Ok(Self { listener, shared: Arc::new(shared) })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// What the socket says.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until the process ends.
    ///
    /// # Errors
    /// What the listening socket says.
    pub fn serve(&self) -> io::Result<()> {
        for socket in self.listener.incoming() {
            let socket = socket?;
            let shared = Arc::clone(&self.shared);
            // A reader that hangs up early is no concern of the others.
            thread::spawn(move || drop(shared.answer(socket)));
        }
        Ok(())
    }
}

impl Shared {
    fn answer(&self, mut socket: TcpStream) -> io::Result<()> {
        socket.set_nodelay(true)?;
        let mut head = Vec::new();
        let mut chunk = [0; 4096];
        let (request, length) = loop {
            let read = socket.read(&mut chunk)?;
            head.extend_from_slice(&chunk[..read]);
            match parse_request(&head).map_err(io::Error::other)? {
                Some(found) => break found,
                None if read == 0 => return Ok(()),
                None => {}
            }
        };
        let uri = request.uri();
        if uri.path().ends_with("/depth") {
            return self.snapshot(socket, uri.query().unwrap_or(""));
        }
        let Ok(accepted) = accept(&request, &ServerOptions::default()) else {
            return socket
                .write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        };
        socket.write_all(&encode_response(&accepted))?;
        if uri.path() == RAW {
            return self.stream(&Mutex::new(socket), 0);
        }
        let lines = if uri.path().starts_with(TWO) { 2 } else { 1 };
        self.converse(socket, &head[length..], lines)
    }

    fn snapshot(&self, mut socket: TcpStream, query: &str) -> io::Result<()> {
        let symbol = query.split('&').find_map(|pair| pair.strip_prefix("symbol=")).unwrap_or("");
        let body = self
            .rendered
            .snapshots
            .get(symbol)
            .map_or("{\"code\":-1121,\"msg\":\"Invalid symbol.\"}", |body| body);
        let status = if self.rendered.snapshots.contains_key(symbol) { "200 OK" } else { "400 Bad Request" };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        socket.write_all(head.as_bytes())?;
        socket.write_all(body.as_bytes())?;
        self.progress().fetched.insert(symbol.to_owned());
        self.changed.notify_all();
        Ok(())
    }

    /// A reader that subscribes: one thread reads its requests, this one streams.
    fn converse(&self, socket: TcpStream, leftover: &[u8], lines: usize) -> io::Result<()> {
        {
            let mut progress = self.progress();
            if progress.open == 0 {
                *progress = Progress::default();
            }
            progress.open += 1;
        }
        let writer = Mutex::new(socket.try_clone()?);
        thread::scope(|scope| {
            let requests = scope.spawn(|| {
                let outcome = self.listen(socket, leftover, &writer);
                let mut progress = self.progress();
                (progress.open, progress.gone) = (progress.open - 1, true);
                drop(progress);
                self.changed.notify_all();
                outcome
            });
            if self.wait(|progress| progress.complete >= lines) {
                let opening = self.rendered.opening;
                lock(&writer).write_all(&self.rendered.bytes[..opening])?;
                if opening == 0 {
                    self.stream(&writer, 0)?;
                } else if self.wait(|progress| progress.fetched.len() >= self.rendered.snapshots.len()) {
                    // What is streamed while a snapshot is still being read becomes part of it.
                    thread::sleep(DIGESTION);
                    self.stream(&writer, opening)?;
                }
            }
            requests.join().unwrap_or(Ok(()))
        })
    }

    /// Answers SUBSCRIBE and pings until the reader leaves.
    fn listen(&self, mut socket: TcpStream, leftover: &[u8], writer: &Mutex<TcpStream>) -> io::Result<()> {
        let mut reader = Reader::new(Role::Server, Limits::server(), None);
        reader.feed(leftover);
        let mut subscribed = HashSet::new();
        loop {
            while let Some(message) = reader.next().map_err(io::Error::other)? {
                let mut reply = Vec::new();
                match message {
                    Message::Text(text) => {
                        market::frame(&mut reply, self.subscribe(text, &mut subscribed).as_bytes())
                    }
                    Message::Ping(payload) => {
                        market::frame(&mut reply, payload);
                        reply[0] = 0x8a;
                    }
                    Message::Close { .. } => return lock(writer).write_all(&[0x88, 0]),
                    Message::Binary(_) | Message::Pong(_) => {}
                }
                lock(writer).write_all(&reply)?;
                self.changed.notify_all();
            }
            let read = socket.read(reader.spare())?;
            reader.filled(read);
            if read == 0 {
                return Ok(());
            }
        }
    }

    fn subscribe(&self, text: &str, subscribed: &mut HashSet<String>) -> String {
        let request: Value = serde_json::from_str(text).unwrap_or_default();
        if request["method"] == "SUBSCRIBE" {
            let names = request["params"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let before = subscribed.len();
            subscribed.extend(names.map(str::to_owned));
            let complete = before < self.streams && subscribed.len() >= self.streams;
            self.progress().complete += usize::from(complete);
        }
        json!({ "result": null, "id": request["id"] }).to_string()
    }

    fn stream(&self, writer: &Mutex<TcpStream>, from: usize) -> io::Result<()> {
        let pieces = self.rendered.cuts.windows(2).filter(|pair| pair[0] >= from);
        let start = Instant::now();
        for (index, piece) in pieces.enumerate() {
            let bytes = &self.rendered.bytes[piece[0]..piece[1]];
            if let Some(pace) = &self.pace {
                let due = start + pace.period * (index as u32 + 1);
                thread::sleep(due.saturating_duration_since(Instant::now()));
                let mut socket = lock(writer);
                pace.sent[index].store(pace.origin.elapsed().as_nanos() as u64, Ordering::Release);
                socket.write_all(bytes)?;
            } else {
                lock(writer).write_all(bytes)?;
            }
        }
        Ok(())
    }

    fn wait(&self, reached: impl Fn(&Progress) -> bool) -> bool {
        let waiting = |progress: &mut Progress| !reached(progress) && !progress.gone;
        let outcome = self.changed.wait_timeout_while(self.progress(), PATIENCE, waiting);
        let (progress, _) = outcome.unwrap_or_else(PoisonError::into_inner);
        reached(&progress)
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        lock(&self.progress)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
