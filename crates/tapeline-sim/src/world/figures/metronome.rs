//! A venue that sends trades and quotes by prescribed rhythms, and keeps its word: for figures that need a thousand
//! hours, or a thousand topics of known pace, which a whole exchange would make slow.

use std::collections::{BTreeMap, VecDeque};

use super::super::clock::{DAWN_MS, MS, SEC};
use super::far::Far;
use crate::dialect::{Change, Session};
use crate::house::{Reply, Said, Say, SocketId};
use crate::rng::Rng;

/// How the messages of a stream come.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rhythm {
    /// By chance, this far apart on average.
    Chance(u64),
    /// This far apart, give or take four fifths.
    Jitter(u64),
    /// Bursts of up to a hundred messages within a second or two, this far apart on average.
    Bursts(u64),
    /// By chance, but every few minutes as lively as another day: up to four times as fast or as slow.
    Moods(u64),
}

#[derive(Debug)]
struct Beat {
    stream: String,
    rhythm: Rhythm,
    id: u64,
    next: u64,
    /// Messages left of a burst; the mean of the mood.
    left: u64,
    mood: u64,
    mood_ends: u64,
}

#[derive(Debug)]
struct Guest {
    session: Session,
    streams: BTreeMap<usize, Hearing>,
    next_ping: u64,
    /// It gets no data, and no answer to its pings.
    silent: bool,
    mute: bool,
}

/// How a guest hears a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hearing {
    Fine,
    /// Until it subscribes again.
    Deaf,
}

/// The venue.
#[derive(Debug)]
pub(super) struct Metronome {
    beats: Vec<Beat>,
    numbers: BTreeMap<String, usize>,
    guests: BTreeMap<u64, Guest>,
    /// When each stream is due that anybody hears.
    due: BTreeMap<(u64, usize), ()>,
    out: VecDeque<(SocketId, Say)>,
    dice: Rng,
    next_socket: u64,
    now: u64,
    ping_every: u64,
}

impl Metronome {
    /// A venue of these streams.
    pub(super) fn new(streams: impl IntoIterator<Item = (String, Rhythm)>, seed: u64) -> Self {
        let beats: Vec<Beat> = streams
            .into_iter()
            .map(|(stream, rhythm)| Beat { stream, rhythm, id: 1, next: 0, left: 0, mood: 0, mood_ends: 0 })
            .collect();
        let numbers = beats.iter().enumerate().map(|(number, beat)| (beat.stream.clone(), number)).collect();
        Self {
            beats,
            numbers,
            guests: BTreeMap::new(),
            due: BTreeMap::new(),
            out: VecDeque::new(),
            dice: Rng::new(seed, 40),
            next_socket: 0,
            now: 0,
            ping_every: 20 * SEC,
        }
    }

    /// Nobody who is connected now gets data any more; nor answers, if they are to be `silent`.
    pub(super) fn stall(&mut self, silent: bool) {
        for guest in self.guests.values_mut() {
            (guest.mute, guest.silent) = (true, silent);
        }
    }

    /// A stream goes missing for everybody who hears it, until they subscribe it again.
    pub(super) fn deafen(&mut self, stream: &str) {
        let Some(number) = self.numbers.get(stream) else { return };
        for guest in self.guests.values_mut() {
            if let Some(hearing) = guest.streams.get_mut(number) {
                *hearing = Hearing::Deaf;
            }
        }
    }

    fn join(&mut self, socket: u64, names: &[String]) {
        for number in names.iter().filter_map(|name| self.numbers.get(name).copied()) {
            if let Some(guest) = self.guests.get_mut(&socket) {
                guest.streams.insert(number, Hearing::Fine);
            }
            let beat = &mut self.beats[number];
            if !self.due.contains_key(&(beat.next, number)) {
                // Nobody heard it for a while: its ids went on.
                beat.id += 1_000;
                let pause = beat.pause(self.now, &mut self.dice);
                beat.next = self.now + pause;
                self.due.insert((beat.next, number), ());
            }
        }
    }

    fn say(&mut self, number: usize) {
        let now_ms = DAWN_MS + self.now / MS;
        let heard = |guest: &Guest| guest.streams.contains_key(&number);
        if !self.guests.values().any(heard) {
            return;
        }
        let beat = &mut self.beats[number];
        beat.id += 1;
        let text = beat.text(now_ms);
        let pause = beat.pause(self.now, &mut self.dice);
        beat.next = self.now + pause;
        self.due.insert((beat.next, number), ());
        for (socket, guest) in &self.guests {
            if guest.streams.get(&number) == Some(&Hearing::Fine) && !guest.mute {
                self.out.push_back((SocketId(*socket), Say::Text(text.clone().into())));
            }
        }
    }
}

impl Beat {
    fn pause(&mut self, now: u64, dice: &mut Rng) -> u64 {
        match self.rhythm {
            Rhythm::Chance(mean) => chance(mean, dice),
            Rhythm::Jitter(mean) => mean / 5 + dice.below(mean * 8 / 5),
            Rhythm::Bursts(mean) => {
                if self.left > 0 {
                    self.left -= 1;
                    return 1 + dice.below(30 * MS);
                }
                self.left = dice.below(100);
                chance(mean, dice)
            }
            Rhythm::Moods(mean) => {
                if now >= self.mood_ends {
                    self.mood = (mean << dice.below(5)) / 4;
                    self.mood_ends = now + 60 * SEC + dice.below(600 * SEC);
                }
                chance(self.mood, dice)
            }
        }
    }

    fn text(&self, now_ms: u64) -> String {
        let Self { stream, id, .. } = self;
        let symbol = stream.split('@').next().unwrap_or("").to_uppercase();
        if stream.ends_with("@bookTicker") {
            return format!(
                "{{\"stream\":\"{stream}\",\"data\":{{\"e\":\"bookTicker\",\"u\":{id},\"s\":\"{symbol}\",\"b\":\"1.10\",\
                 \"B\":\"3.000\",\"a\":\"1.20\",\"A\":\"4.000\",\"T\":{now_ms},\"E\":{now_ms}}}}}"
            );
        }
        format!(
            "{{\"stream\":\"{stream}\",\"data\":{{\"e\":\"trade\",\"E\":{now_ms},\"T\":{now_ms},\"s\":\"{symbol}\",\
             \"t\":{id},\"p\":\"1.10\",\"q\":\"2.000\",\"X\":\"MARKET\",\"m\":true}}}}"
        )
    }
}

/// A pause of this mean, exponentially distributed: what comes independently of all before.
fn chance(mean: u64, dice: &mut Rng) -> u64 {
    let share = (dice.below(1 << 53) as f64 + 1.0) / (1_u64 << 53) as f64;
    (mean as f64 * -share.ln()) as u64 + 1
}

impl Far for Metronome {
    fn connect(&mut self, now: u64, _url: &str) -> Result<SocketId, Reply> {
        self.advance(now);
        self.next_socket += 1;
        let session = Session { combined: true, limit: 1_024, ..Session::default() };
        let next_ping = now + self.ping_every;
        let guest = Guest { session, streams: BTreeMap::new(), next_ping, silent: false, mute: false };
        self.guests.insert(self.next_socket, guest);
        Ok(SocketId(self.next_socket))
    }

    fn receive(&mut self, now: u64, socket: SocketId, said: Said<'_>) {
        self.advance(now);
        let Some(guest) = self.guests.get_mut(&socket.0) else { return };
        match said {
            Said::Close => self.gone(now, socket),
            Said::Ping(payload) if !guest.silent => {
                self.out.push_back((socket, Say::Pong(payload.to_vec().into())));
            }
            Said::Text(text) if !guest.silent => {
                let (reply, change) = guest.session.request(text);
                self.out.push_back((socket, Say::Text(reply.into())));
                match change {
                    Change::Added { fresh, .. } => self.join(socket.0, &fresh),
                    Change::Removed(names) => {
                        let left: Vec<usize> =
                            names.iter().filter_map(|name| self.numbers.get(name).copied()).collect();
                        guest.streams.retain(|number, _| !left.contains(number));
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }

    fn gone(&mut self, now: u64, socket: SocketId) {
        self.advance(now);
        self.guests.remove(&socket.0);
    }

    fn request(&mut self, _now: u64, _url: &str) -> Reply {
        Reply::error(404, -1, "no such path")
    }

    fn advance(&mut self, now: u64) {
        loop {
            let ping = self.guests.iter().map(|(socket, guest)| (guest.next_ping, *socket)).min();
            let beat = self.due.first_key_value().map(|((at, number), ())| (*at, *number));
            let (ping_at, beat_at) = (ping.map_or(u64::MAX, |p| p.0), beat.map_or(u64::MAX, |b| b.0));
            if ping_at.min(beat_at) > now {
                break;
            }
            self.now = self.now.max(ping_at.min(beat_at));
            match (ping, beat) {
                (Some((at, socket)), _) if at <= beat_at => {
                    let Some(guest) = self.guests.get_mut(&socket) else { break };
                    guest.next_ping += self.ping_every;
                    if !guest.silent {
                        self.out.push_back((SocketId(socket), Say::Ping(at.to_string().into())));
                    }
                }
                _ => {
                    if let Some(((_, number), ())) = self.due.pop_first() {
                        self.say(number);
                    }
                }
            }
        }
        self.now = self.now.max(now);
    }

    fn deadline(&self) -> u64 {
        let ping = self.guests.values().map(|guest| guest.next_ping).min().unwrap_or(u64::MAX);
        self.due.first_key_value().map_or(ping, |((at, _), ())| ping.min(*at))
    }

    fn next_output(&mut self) -> Option<(SocketId, Say)> {
        self.out.pop_front()
    }
}
