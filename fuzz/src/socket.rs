//! The WebSocket codec from both ends, and both halves of the handshake.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tapeline_ws::handshake::{self, ServerOptions};
use tapeline_ws::{ClientRequest, Connection, Deflate, Limits, Message, ProtocolError, Reader, Role, Writer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::input::Input;

/// Small bounds, so that short inputs reach them.
const LIMITS: Limits = Limits { message: 2_048, fragments: 8, read_buffer: 256, out_queue: 4_096 };

/// What a dialled server sends.
///
/// # Panics
/// If messages depend on how the bytes are cut, a bound is passed, or something follows an end.
pub fn ws_client(data: &[u8]) {
    reader(Role::Client, data);
}

/// What a client sends to us.
///
/// # Panics
/// As [`ws_client`]; also if what we write is not read back.
pub fn ws_server(data: &[u8]) {
    reader(Role::Server, data);
    round_trip(data);
}

#[derive(Debug, PartialEq)]
enum Seen {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(u16, String),
}

impl From<Message<'_>> for Seen {
    fn from(message: Message<'_>) -> Self {
        match message {
            Message::Text(text) => Self::Text(text.to_owned()),
            Message::Binary(bytes) => Self::Binary(bytes.to_vec()),
            Message::Ping(bytes) => Self::Ping(bytes.to_vec()),
            Message::Pong(bytes) => Self::Pong(bytes.to_vec()),
            Message::Close { code, reason } => Self::Close(code, reason.to_owned()),
        }
    }
}

/// Byte 0 says whether messages may be compressed, byte 1 how the rest is cut into reads.
fn reader(role: Role, data: &[u8]) {
    let [mode, cut, bytes @ ..] = data else { return };
    let deflate = (mode & 1 == 1).then(Deflate::default);
    let whole = read(role, deflate, bytes, bytes.len().max(1));
    assert_eq!(read(role, deflate, bytes, usize::from(*cut) + 1), whole, "cut into {} bytes", cut + 1);
    assert_eq!(read(role, deflate, bytes, 1), whole, "byte by byte");
}

fn read(
    role: Role,
    deflate: Option<Deflate>,
    bytes: &[u8],
    cut: usize,
) -> (Vec<Seen>, Option<ProtocolError>) {
    let mut reader = Reader::new(role, LIMITS, deflate);
    let mut seen = Vec::new();
    for piece in bytes.chunks(cut) {
        let mut piece = piece;
        loop {
            let taken = reader.feed(piece);
            piece = &piece[taken..];
            let before = seen.len();
            loop {
                match reader.next() {
                    Ok(Some(message)) => seen.push(checked(message)),
                    Ok(None) => break,
                    Err(error) => {
                        assert_eq!(reader.next(), Err(error), "an error is for good");
                        return (seen, Some(error));
                    }
                }
            }
            // The whole of every buffer, the window of the inflater apart.
            assert!(reader.allocated() <= 8 * LIMITS.message, "{} bytes are held", reader.allocated());
            if piece.is_empty() {
                break;
            }
            assert!(taken > 0 || seen.len() > before, "the reader takes bytes or gives messages");
        }
        if reader.is_closed() {
            assert!(matches!(seen.last(), Some(Seen::Close(..))), "nothing follows a close");
        }
    }
    (seen, None)
}

fn checked(message: Message<'_>) -> Seen {
    match message {
        Message::Text(text) => assert!(text.len() <= LIMITS.message),
        Message::Binary(bytes) => assert!(bytes.len() <= LIMITS.message),
        Message::Ping(bytes) | Message::Pong(bytes) => assert!(bytes.len() <= 125),
        Message::Close { reason, .. } => assert!(reason.len() <= 123),
    }
    message.into()
}

/// What a writer queues, the other end reads.
fn round_trip(data: &[u8]) {
    let mut script = Input(data);
    let deflate = script.byte().is_some_and(|byte| byte & 2 == 2).then(Deflate::default);
    for (from, to) in [(Role::Client, Role::Server), (Role::Server, Role::Client)] {
        let mut writer = Writer::new(from, 1 << 20, deflate, 7);
        let mut reader = Reader::new(to, Limits::client(), deflate);
        let mut script = Input(script.0);
        while let Some(length) = script.byte() {
            let payload = script.take(usize::from(length));
            if writer.binary(payload).is_err() {
                break;
            }
            let mut bytes = Vec::new();
            while writer.queued() > 0 {
                let mut slices = [io::IoSlice::new(&[])];
                let count = writer.slices(&mut slices);
                let piece = slices[..count].iter().flat_map(|slice| slice.to_vec()).collect::<Vec<u8>>();
                writer.written(piece.len());
                bytes.extend(piece);
            }
            assert_eq!(reader.feed(&bytes), bytes.len());
            assert_eq!(reader.next(), Ok(Some(Message::Binary(payload))));
            assert_eq!(reader.next(), Ok(None));
        }
    }
}

/// A peer that says what it was given and takes everything.
struct Peer<'a>(&'a [u8]);

impl AsyncRead for Peer<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let count = buffer.remaining().min(self.0.len());
        let (taken, rest) = self.0.split_at(count);
        buffer.put_slice(taken);
        self.0 = rest;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Peer<'_> {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

thread_local! {
    static RUNTIME: tokio::runtime::Runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
}

/// The answer to our upgrade (`@KEY@` stands for the right key), and a request for ours.
///
/// # Panics
/// If an upgrade is believed that was not granted.
pub fn ws_handshake(data: &[u8]) {
    if let Ok(Some((request, length))) = handshake::parse_request(data) {
        assert!(length <= data.len());
        let options = ServerOptions { subprotocols: vec!["v1".into()], deflate: true, fresh_windows: true };
        match handshake::accept(&request, &options) {
            Ok(accepted) => assert!(accepted.headers.contains_key("sec-websocket-accept")),
            Err(refused) => assert!(!handshake::encode_refusal(&refused).is_empty()),
        }
    }
    let request = ClientRequest {
        host: "venue".into(),
        path: "/stream".into(),
        subprotocols: vec!["v1".into()],
        deflate: true,
        ..ClientRequest::default()
    };
    let (_, key) = request.encode(1).expect("a request");
    let answer = replace(data, b"@KEY@", key.as_bytes());
    let connected =
        RUNTIME.with(|runtime| runtime.block_on(Connection::connect(Peer(&answer), &request, LIMITS, 1)));
    if connected.is_ok() {
        let head = String::from_utf8_lossy(&answer).into_owned();
        let line = head.trim_start();
        let (version, status) = line.split_at(line.find(' ').unwrap_or(0));
        assert!(version.starts_with("HTTP/1.") && status.starts_with(" 101"), "not granted: {head}");
        assert!(head.contains(&key), "granted to somebody else: {head}");
    }
}

fn replace(data: &[u8], word: &[u8], with: &[u8]) -> Vec<u8> {
    match data.windows(word.len()).position(|part| part == word) {
        Some(at) => [&data[..at], with, &data[at + word.len()..]].concat(),
        None => data.to_vec(),
    }
}
