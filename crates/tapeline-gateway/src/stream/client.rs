//! One client: what it reads from where, and what is written to it.

mod joined;
mod patience;

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::task::Waker;
use std::time::Duration;

use bytes::Bytes;
use slab::Slab;
use tapeline_core::data::channel::Shape;
use tapeline_core::data::topic::Pattern;
use tapeline_ws::{Limits, Role};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::log::frame;
use super::merge::merged;
use super::shelf::Shelf;
use super::talk::How;
use patience::Patience;

pub(super) use joined::Joined;

/// Slices of one write.
const SLICES: usize = 64;
/// How long one who was told goodbye is heard out, and in how many pieces.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_READS: usize = 256;
/// Why a client is cut whose log has moved on.
pub(super) const NOT_HELD: &str = "too slow: what was to be read is not held any more";
/// Bytes that are joined into one piece for all who are to get the same, and merged ahead for one who is behind.
const JOINED: usize = 64 << 10;

/// One topic of a client.
#[derive(Debug)]
pub(super) struct Sub {
    pub(super) shelf: usize,
    /// Least time between updates; `None` = every update.
    pub(super) interval: Option<Duration>,
    /// The next entry of its log; `None` while it waits for a snapshot.
    pub(super) cursor: Option<u64>,
    /// It came through a pattern.
    pub(super) by_pattern: bool,
    dirty: bool,
}

impl Sub {
    /// Whether its reader may be told the state anew if it has missed something: state that is merged anyway, but for
    /// candles, of which closed ones are events.
    fn begins_anew(&self, shelf: &Shelf) -> bool {
        let shape = shelf.topic.channel().shape();
        self.interval.is_some() && (shelf.topic.is_all() || !matches!(shape, Shape::Event | Shape::Candle))
    }
}

/// One client.
pub(super) struct Client {
    pub(super) id: u64,
    pub(super) peer: std::net::SocketAddr,
    pub(super) since: i64,
    socket: TcpStream,
    pub(super) reader: tapeline_ws::Reader,
    /// What it reads; places are reused.
    pub(super) subs: Slab<Sub>,
    pub(super) patterns: Vec<(Pattern, How)>,
    /// Shelves that its patterns have brought while it waits for an answer: nothing of them comes before that.
    pub(super) offers: Option<Vec<usize>>,
    /// The rest of a frame that went out in part.
    begun: Bytes,
    /// Frames for it alone, ahead of all others.
    own: VecDeque<Bytes>,
    own_bytes: usize,
    /// Places with something to be written.
    dirty: VecDeque<usize>,
    /// Places whose log has moved on without it, and whose state is to be told to it anew.
    pub(super) adrift: Vec<usize>,
    /// It is among those to be written to.
    pub(super) queued: bool,
    /// The socket takes nothing at the moment.
    pub(super) blocked: bool,
    patience: Patience,
    /// Nothing is written behind this any more.
    pub(super) closing: Option<(u16, Instant)>,
    pub(super) gone: bool,
    pub(super) waker: Option<Waker>,
    pub(super) heard: Instant,
    pub(super) pinged: Option<Instant>,
    /// The message that has begun to arrive, by its number, and since when it is waited for.
    pub(super) arriving: Option<(u64, Instant)>,
    /// Messages in the running second, and when it began.
    pub(super) lately: (u32, Instant),
    pub(super) sent: u64,
    pub(super) received: u64,
    /// Messages that waited for it when it was closed, and will not be sent.
    pub(super) dropped: u64,
    /// Held for whoever counts connections.
    _seat: Seat,
}

/// What is held as long as a connection lives.
pub(super) type Seat = Option<Box<dyn std::any::Any + Send>>;

/// What a write came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) frames: u64,
    pub(super) bytes: u64,
    pub(super) merged: u64,
    /// Messages that it was to read and that are not held any more.
    pub(super) lost: u64,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("id", &self.id).field("peer", &self.peer).finish_non_exhaustive()
    }
}

impl Client {
    pub(super) fn new(
        id: u64,
        (peer, since): (std::net::SocketAddr, i64),
        (socket, seat): (TcpStream, Seat),
        leftover: &[u8],
        message: usize,
    ) -> Self {
        let limits = Limits { message, ..Limits::server() };
        let mut reader = tapeline_ws::Reader::new(Role::Server, limits, None);
        reader.feed(leftover);
        let now = Instant::now();
        Self {
            id,
            peer,
            since,
            socket,
            reader,
            subs: Slab::new(),
            patterns: Vec::new(),
            offers: None,
            begun: Bytes::new(),
            own: VecDeque::new(),
            own_bytes: 0,
            dirty: VecDeque::new(),
            adrift: Vec::new(),
            queued: false,
            blocked: false,
            patience: Patience::default(),
            closing: None,
            gone: false,
            waker: None,
            heard: now,
            pinged: None,
            arriving: None,
            lately: (0, now),
            sent: 0,
            received: 0,
            dropped: 0,
            _seat: seat,
        }
    }

    pub(super) fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Hears out one whom we have said goodbye to: a socket that is closed over unread bytes takes the goodbye with it.
    pub(super) async fn linger(mut self) {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut waste = [0; 1_024];
        let heard_out = async {
            let _ = self.socket.shutdown().await;
            for _ in 0..LINGER_READS {
                if !matches!(self.socket.read(&mut waste).await, Ok(1..)) {
                    return;
                }
            }
        };
        let _ = tokio::time::timeout(LINGER, heard_out).await;
    }

    /// Reads once into the scratch; the bytes go to the reader.
    pub(super) fn read(&mut self, scratch: &mut [u8]) -> io::Result<usize> {
        let room = self.reader.spare().len().min(scratch.len());
        let count = self.socket.try_read(&mut scratch[..room])?;
        self.reader.feed(&scratch[..count]);
        Ok(count)
    }

    /// Queues a frame for it alone.
    pub(super) fn say(&mut self, frame: Bytes) {
        if self.closing.is_none() {
            self.own_bytes += frame.len();
            self.own.push_back(frame);
        }
    }

    /// Queues a close; nothing follows it.
    pub(super) fn close(&mut self, shelves: &Slab<Shelf>, code: u16, reason: &str, within: Duration) {
        if self.closing.is_none() {
            self.dropped += self.behind(shelves);
            self.say(tapeline_ws::frames::close(code, reason));
            self.closing = Some((code, Instant::now() + within));
            self.dirty.clear();
        }
    }

    /// Closes without what still waits: it does not read anyway.
    pub(super) fn cut(&mut self, shelves: &Slab<Shelf>, code: u16, reason: &str, within: Duration) {
        if self.closing.is_none() {
            self.dropped += self.own.len() as u64;
            self.own.clear();
            self.own_bytes = 0;
        }
        self.close(shelves, code, reason, within);
    }

    /// Adds a topic; its place.
    pub(super) fn add(&mut self, shelf: usize, interval: Option<Duration>, by_pattern: bool) -> usize {
        self.subs.insert(Sub { shelf, interval, cursor: None, by_pattern, dirty: false })
    }

    /// Removes a topic by its place.
    pub(super) fn remove(&mut self, place: usize) -> Option<Sub> {
        self.dirty.retain(|held| *held != place);
        self.subs.try_remove(place)
    }

    /// The place of a shelf.
    pub(super) fn place_of(&self, shelf: usize) -> Option<usize> {
        self.subs.iter().find(|(_, sub)| sub.shelf == shelf).map(|(place, _)| place)
    }

    /// Something can be read at a place.
    #[inline]
    pub(super) fn touch(&mut self, place: usize) {
        if let Some(sub) = self.subs.get_mut(place)
            && !sub.dirty
            && sub.cursor.is_some()
            && self.closing.is_none()
        {
            sub.dirty = true;
            self.dirty.push_back(place);
        }
    }

    /// Bytes for it alone that are not written.
    pub(super) fn own_bytes(&self) -> usize {
        self.own_bytes + self.begun.len()
    }

    /// Bytes that wait for it, those that can be merged apart.
    pub(super) fn unsent(&self, shelves: &Slab<Shelf>) -> usize {
        self.own_bytes() + self.arrears(shelves)
    }

    /// Bytes of logs that wait for it, where it reads every update.
    fn arrears(&self, shelves: &Slab<Shelf>) -> usize {
        let behind = |place: &usize| {
            let sub = self.subs.get(*place).filter(|sub| sub.interval.is_none())?;
            Some(shelves.get(sub.shelf)?.log.bytes_from(sub.cursor?))
        };
        self.dirty.iter().filter_map(behind).sum()
    }

    /// Why it is not waited for any longer, if so, as one to whose socket something could not be written.
    pub(super) fn too_slow(
        &mut self,
        now: Instant,
        shelves: &Slab<Shelf>,
        (limit, within): (usize, Duration),
    ) -> Option<&'static str> {
        let lost = |place: &usize| {
            let sub = self.subs.get(*place)?;
            let shelf = shelves.get(sub.shelf)?;
            Some(sub.cursor? < shelf.log_of(sub.interval).first() && !sub.begins_anew(shelf))
        };
        if self.dirty.iter().any(|place| lost(place) == Some(true)) {
            return Some(NOT_HELD);
        }
        let arrears = self.arrears(shelves);
        self.patience.ends(now, arrears, (limit, within))
    }

    /// Messages of topics that wait for it; what is conflated waits as one.
    fn behind(&self, shelves: &Slab<Shelf>) -> u64 {
        let behind = |place: &usize| {
            let sub = self.subs.get(*place)?;
            let behind = shelves.get(sub.shelf)?.log_of(sub.interval).next().saturating_sub(sub.cursor?);
            Some(if sub.interval.is_some() { behind.min(1) } else { behind })
        };
        self.dirty.iter().filter_map(behind).sum()
    }

    /// Messages that it was to get and will not, now that it is gone.
    pub(super) fn left(&self, shelves: &Slab<Shelf>) -> u64 {
        let own = self.own.len() as u64 + u64::from(!self.begun.is_empty());
        // A goodbye is no message.
        let own = own.saturating_sub(u64::from(self.closing.is_some()));
        self.dropped + own + self.behind(shelves)
    }

    /// Whether all is written.
    pub(super) fn is_clear(&self) -> bool {
        self.begun.is_empty() && self.own.is_empty() && self.dirty.is_empty()
    }

    /// Writes until everything is written or the socket takes no more.
    ///
    /// # Errors
    /// What the socket says; the client is gone then.
    pub(super) fn flush(&mut self, shelves: &Slab<Shelf>, joined: &mut Joined) -> io::Result<Written> {
        let mut done = Written::default();
        self.write_joined(shelves, joined, &mut done)?;
        while !self.is_clear() && !self.blocked {
            if self.own.is_empty() {
                self.merge_arrears(shelves, &mut done);
            }
            let mut slices = [IoSlice::new(&[]); SLICES];
            let count = self.gather(shelves, &mut slices);
            if count == 0 {
                self.settle(shelves, 0, &mut done);
                if self.own.is_empty() && self.begun.is_empty() {
                    break;
                }
                continue;
            }
            match self.socket.try_write_vectored(&slices[..count]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(bytes) => {
                    done.bytes += bytes as u64;
                    self.patience.took(bytes);
                    self.settle(shelves, bytes, &mut done);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.block();
                    break;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.sent += done.frames;
        Ok(done)
    }

    /// Writes everything in one piece, if there is nothing for this client alone and it is up to date otherwise.
    fn write_joined(
        &mut self,
        shelves: &Slab<Shelf>,
        joined: &mut Joined,
        done: &mut Written,
    ) -> io::Result<()> {
        if !self.begun.is_empty() || !self.own.is_empty() || self.dirty.is_empty() {
            return Ok(());
        }
        if !joined.is_for(self) && !joined.join(self, shelves) {
            return Ok(());
        }
        match self.socket.try_write(&joined.bytes) {
            Ok(bytes) if bytes == joined.bytes.len() => {
                self.patience.took(bytes);
                for (place, to) in self.dirty.drain(..).zip(&joined.to) {
                    if let Some(sub) = self.subs.get_mut(place) {
                        (sub.cursor, sub.dirty) = (Some(*to), false);
                    }
                }
                done.bytes += bytes as u64;
                done.frames += joined.frames;
            }
            Ok(bytes) => {
                done.bytes += bytes as u64;
                self.patience.took(bytes);
                self.settle(shelves, bytes, done);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.block(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Its socket takes nothing.
    fn block(&mut self) {
        self.blocked = true;
        self.patience.refused(Instant::now());
    }

    /// Whoever is behind on conflated topics gets one update for all it has missed, and the state anew where that is
    /// not held any more. No more is merged ahead than goes out soon: what comes meanwhile is merged with it.
    fn merge_arrears(&mut self, shelves: &Slab<Shelf>, done: &mut Written) {
        let mut adrift = false;
        for place in &self.dirty {
            if self.own_bytes >= JOINED {
                break;
            }
            let Some(sub) = self.subs.get_mut(*place) else { continue };
            let (Some(cursor), Some(shelf)) = (sub.cursor, shelves.get(sub.shelf)) else { continue };
            let log = shelf.log_of(sub.interval);
            if cursor < log.first() {
                if sub.begins_anew(shelf) {
                    (sub.cursor, sub.dirty, adrift) = (None, false, true);
                    self.adrift.push(*place);
                    continue;
                }
                done.lost += log.first() - cursor;
                sub.cursor = Some(log.first());
            }
            if sub.interval.is_none() || log.next().saturating_sub(cursor) < 2 {
                continue;
            }
            let missed = log.next().saturating_sub(cursor);
            let updates = merged(log.from(cursor).filter_map(|entry| entry.update()));
            done.merged += missed.saturating_sub(updates.len() as u64);
            sub.cursor = Some(log.next());
            for update in &updates {
                let frame = frame(update);
                self.own_bytes += frame.len();
                self.own.push_back(frame);
            }
        }
        if adrift {
            let subs = &self.subs;
            self.dirty.retain(|place| subs.get(*place).is_some_and(|sub| sub.dirty));
        }
    }

    /// What is to be written next, in order.
    fn gather<'a>(&'a self, shelves: &'a Slab<Shelf>, slices: &mut [IoSlice<'a>; SLICES]) -> usize {
        let begun = (!self.begun.is_empty()).then_some(&self.begun);
        let own = begun.into_iter().chain(&self.own);
        // What is merged for it alone stands for what was in the logs then: they come behind it.
        let places = if self.own.is_empty() { usize::MAX } else { 0 };
        let shared = self.dirty.iter().take(places).filter_map(|place| {
            let sub = self.subs.get(*place)?;
            Some(shelves.get(sub.shelf)?.log_of(sub.interval).from(sub.cursor?))
        });
        let frames = own.chain(shared.flatten().map(|entry| entry.frame()));
        let mut count = 0;
        for (slice, frame) in slices.iter_mut().zip(frames) {
            *slice = IoSlice::new(frame);
            count += 1;
        }
        count
    }

    /// So many bytes went out: moves everything on, in the order of [`Client::gather`].
    fn settle(&mut self, shelves: &Slab<Shelf>, mut bytes: usize, done: &mut Written) {
        if !self.begun.is_empty() {
            let part = bytes.min(self.begun.len());
            self.begun = self.begun.slice(part..);
            bytes -= part;
            if !self.begun.is_empty() {
                return;
            }
            done.frames += 1;
        }
        while bytes > 0
            && let Some(frame) = self.own.pop_front()
        {
            self.own_bytes -= frame.len();
            if bytes < frame.len() {
                self.begun = frame.slice(bytes..);
                return;
            }
            bytes -= frame.len();
            done.frames += 1;
        }
        if !self.own.is_empty() {
            return;
        }
        while let Some(place) = self.dirty.front().copied() {
            let Some(sub) = self.subs.get_mut(place) else {
                self.dirty.pop_front();
                continue;
            };
            let log = shelves.get(sub.shelf).map(|shelf| shelf.log_of(sub.interval));
            if let (Some(log), Some(cursor)) = (log, &mut sub.cursor) {
                while let Some(entry) = log.get(*cursor).filter(|_| bytes > 0) {
                    let frame = entry.frame();
                    *cursor += 1;
                    if bytes < frame.len() {
                        self.begun = frame.slice(bytes..);
                        return;
                    }
                    bytes -= frame.len();
                    done.frames += 1;
                }
                if *cursor < log.next() {
                    return;
                }
            }
            sub.dirty = false;
            self.dirty.pop_front();
        }
    }
}
