//! The baselines on a socket: bytes only, the loop written by hand, and tokio-tungstenite with typed
//! structs. Each ends with the same report, so that none can skip the work unseen.

use std::hint::black_box;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::ops::AddAssign;

use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};
use tokio_tungstenite::tungstenite;

use crate::cpu;
use crate::market::Kind;
use crate::scan;
use crate::typed::{Json, Serde, Sonic};
use crate::venue::RAW;

/// Who reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum)]
pub enum Contender {
    /// A blocking read and nothing else.
    Bytes,
    /// As the limit, but only for the recorded order of fields.
    Fixed,
    /// A blocking read, frames cut and fields scanned by hand, a callback.
    Limit,
    /// tokio-tungstenite and sonic-rs.
    Sonic,
    /// tokio-tungstenite and serde_json.
    Serde,
    /// The library.
    Tapeline,
    /// The library with two lines, each of which brings everything.
    Pair,
}

/// What one run read and what it cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// CPU of the reading process in nanoseconds.
    pub cpu_ns: u64,
    /// Frames.
    pub frames: u64,
    /// What was in them; equal for all who decode.
    pub seen: Tally,
}

/// Sums that only somebody who decoded everything can give.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Trades and aggregates.
    pub trades: u64,
    /// Quotes.
    pub quotes: u64,
    /// Depth frames.
    pub depths: u64,
    /// Levels in them.
    pub levels: u64,
    /// Sum of prices and sizes of the trades, in units of 10^-8, wrapping.
    pub sum: u64,
}

impl AddAssign<scan::Event<'_>> for Tally {
    #[inline]
    fn add_assign(&mut self, event: scan::Event<'_>) {
        match event {
            scan::Event::Trade(trade) => {
                self.trades += 1;
                self.sum = self.sum.wrapping_add((trade.price + trade.size) as u64);
            }
            scan::Event::Quote(_) => self.quotes += 1,
            scan::Event::Depth(_) => self.depths += 1,
        }
        black_box(event);
    }
}

const BUFFER: usize = 128 << 10;

fn dial(address: &str) -> io::Result<(TcpStream, Vec<u8>)> {
    let mut socket = TcpStream::connect(address)?;
    socket.set_nodelay(true)?;
    socket.write_all(
        format!(
            "GET {RAW} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        .as_bytes(),
    )?;
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        socket.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok((socket, vec![0; BUFFER]))
}

/// Reads everything and looks at nothing.
///
/// # Errors
/// What the socket says.
pub fn bytes(address: &str, frames: u64) -> io::Result<Run> {
    let (mut socket, mut buffer) = dial(address)?;
    let before = cpu::used_ns()?;
    while socket.read(&mut buffer)? > 0 {
        black_box(&buffer);
    }
    Ok(Run { cpu_ns: cpu::used_ns()? - before, frames, seen: Tally::default() })
}

/// How a loop by hand scans a frame; the levels go into the buffer.
pub trait Scanner: for<'a> Fn(&'a [u8], &mut Vec<(i64, i64)>) -> Option<scan::Event<'a>> {}

impl<F: for<'a> Fn(&'a [u8], &mut Vec<(i64, i64)>) -> Option<scan::Event<'a>>> Scanner for F {}

/// Cuts and scans by hand.
///
/// # Errors
/// What the socket says, or a frame that does not scan.
pub fn by_hand(address: &str, scanner: impl Scanner) -> io::Result<Run> {
    let mut run = Run::default();
    let before = cpu::used_ns()?;
    let mut callback = |event: scan::Event<'_>, levels: usize| {
        run.seen += event;
        run.seen.levels += levels as u64;
        run.frames += 1;
    };
    // As a library calls: through a pointer, not inlined into the loop.
    scan_all(address, scanner, black_box(&mut callback))?;
    run.cpu_ns = cpu::used_ns()? - before;
    Ok(run)
}

/// Calls `callback` with every event until the end of the stream, and the number of its levels.
///
/// # Errors
/// What the socket says, or a frame that does not scan.
pub fn scan_all(
    address: &str,
    scanner: impl Scanner,
    callback: &mut dyn FnMut(scan::Event<'_>, usize),
) -> io::Result<()> {
    let (mut socket, mut buffer) = dial(address)?;
    let (mut start, mut end) = (0, 0);
    let mut levels = Vec::with_capacity(64);
    loop {
        while let Some((payload, length)) = scan::cut(&buffer[start..end]) {
            let event = scanner(payload, &mut levels).ok_or_else(|| bad(payload))?;
            let count = if matches!(event, scan::Event::Depth(_)) { levels.len() } else { 0 };
            callback(event, count);
            start += length;
        }
        buffer.copy_within(start..end, 0);
        end -= start;
        start = 0;
        let read = socket.read(&mut buffer[end..])?;
        if read == 0 {
            return Ok(());
        }
        end += read;
    }
}

/// tokio-tungstenite and typed structs, by `contender`'s JSON library.
///
/// # Errors
/// What the socket says, or a frame that does not parse.
pub fn tungstenite(address: &str, kind: Kind, contender: Contender, frames: u64) -> io::Result<Run> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match contender {
            Contender::Serde => read::<Serde>(address, kind, frames).await,
            _ => read::<Sonic>(address, kind, frames).await,
        }
    })
}

async fn read<J: Json>(address: &str, kind: Kind, frames: u64) -> io::Result<Run> {
    let socket = tokio::net::TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    let url = format!("ws://{address}{RAW}");
    let (mut socket, _) = tokio_tungstenite::client_async(url, socket).await.map_err(io::Error::other)?;
    let before = cpu::used_ns()?;
    let mut run = Run::default();
    let mut levels = Vec::with_capacity(64);
    while run.frames < frames {
        let message = socket.next().await.ok_or(io::ErrorKind::UnexpectedEof)?.map_err(io::Error::other)?;
        let tungstenite::Message::Text(text) = message else { continue };
        let frame = text.as_bytes();
        let event = match kind {
            Kind::Trades => J::trade(frame).map(|trade| scan::Event::Trade(trade.plain())),
            Kind::Mix => J::event(frame, &mut levels),
        };
        let event = event.ok_or_else(|| bad(frame))?;
        run.seen.levels += if matches!(event, scan::Event::Depth(_)) { levels.len() as u64 } else { 0 };
        run.seen += event;
        run.frames += 1;
    }
    run.cpu_ns = cpu::used_ns()? - before;
    Ok(run)
}

fn bad(frame: &[u8]) -> io::Error {
    io::Error::other(format!("a frame does not parse: {}", String::from_utf8_lossy(frame)))
}
