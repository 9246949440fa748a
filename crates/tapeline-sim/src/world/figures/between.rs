//! A venue whose lines do not tell alike: each puts its depth messages together in pairs of its own, and one message
//! of one line can be lost.

use std::collections::{BTreeMap, VecDeque};

use serde_json::Value;
use tapeline_core::data::decimal::Decimal;
use tapeline_core::data::event::{Book, Level};
use tapeline_core::data::topic::Topic;

use super::super::clock::DAWN_MS;
use super::far::Far;
use crate::exchange::{MarketOptions, Symbol};
use crate::house::{House, HouseOptions, Reply, Said, Say, SocketId};

/// The venue, and what stands between it and us.
pub(super) struct Between {
    pub(super) house: House,
    /// Depth messages are put together in pairs, by every second line at other places.
    shifts: bool,
    /// Which line each socket belongs to, in the order of the endpoints.
    sides: BTreeMap<u64, usize>,
    /// By socket and stream: a message that waits for the next one, and how many there were.
    waiting: BTreeMap<(u64, String), (Option<Value>, u64)>,
    /// The next depth message of this symbol on this line is lost.
    pub(super) lose: Option<(usize, String)>,
    out: VecDeque<(SocketId, Say)>,
}

/// A spot house of so many symbols that trade so often a second.
pub(super) fn house(seed: u64, symbols: usize, rate: u32) -> HouseOptions {
    let mut options = MarketOptions::new(false);
    options.symbols = Symbol::ten(false).into_iter().take(symbols).collect();
    (options.seed, options.rate, options.levels) = (seed, rate, 60);
    (options.truth, options.trades) = (65_536, 65_536);
    options.start_ms = Some(DAWN_MS);
    let mut house = HouseOptions::new(options);
    house.lifetime = None;
    house
}

impl Between {
    pub(super) fn new(options: HouseOptions, shifts: bool) -> Self {
        Self {
            house: House::new(options),
            shifts,
            sides: BTreeMap::new(),
            waiting: BTreeMap::new(),
            lose: None,
            out: VecDeque::new(),
        }
    }

    fn pass(&mut self, socket: SocketId, say: Say) {
        let text = match &say {
            Say::Text(bytes) if bytes.starts_with(b"{\"stream\"") => std::str::from_utf8(bytes).ok(),
            _ => None,
        };
        let stream = text.and_then(|text| text.split('"').nth(3)).filter(|name| name.contains("@depth"));
        let (Some(text), Some(stream)) = (text, stream) else {
            return self.out.push_back((socket, say));
        };
        let side = self.sides.get(&socket.0).copied().unwrap_or(0);
        let symbol = stream.split('@').next().unwrap_or("");
        let lost = self.lose.as_ref().is_some_and(|(on, lost)| *on == side && lost == symbol);
        if !self.shifts {
            if lost {
                self.lose = None;
            } else {
                self.out.push_back((socket, say));
            }
            return;
        }
        let Ok(value) = serde_json::from_str::<Value>(text) else { return };
        let (held, count) = self.waiting.entry((socket.0, stream.to_owned())).or_default();
        *count += 1;
        let value = match held.take() {
            Some(first) => joined(&first, value),
            // The second line begins with one alone.
            None if side == 1 && *count == 1 => value,
            None => {
                *held = Some(value);
                return;
            }
        };
        if lost {
            self.lose = None;
            return;
        }
        let text = format!("{{\"stream\":\"{stream}\",\"data\":{}}}", value["data"]);
        self.out.push_back((socket, Say::Text(text.into())));
    }
}

/// Two depth messages that follow each other as one.
fn joined(first: &Value, mut second: Value) -> Value {
    for key in ["U", "pu"] {
        if let Some(id) = first["data"].get(key) {
            second["data"][key] = id.clone();
        }
    }
    for side in ["b", "a"] {
        let both = [&first["data"][side], &second["data"][side]].map(Value::as_array);
        let levels: BTreeMap<String, Value> = both
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|level| Some((level[0].as_str()?.to_owned(), level.clone())))
            .collect();
        second["data"][side] = Value::Array(levels.into_values().collect());
    }
    second
}

/// Whether a book is the venue's at its id.
pub(super) fn is_true(house: &House, topic: &Topic, book: &Book) -> bool {
    let truth = book.venue_id.and_then(|id| house.truth(&topic.symbol(), Some(id)));
    let Some(truth) = truth else { return false };
    let number = |text: &str| Decimal::parse(text.as_bytes()).ok();
    let same = |held: &[Level], real: &[(String, String)]| {
        let mut held: Vec<(Decimal, Decimal)> = held.iter().map(|level| (level.price, level.size)).collect();
        let mut real: Vec<(Decimal, Decimal)> =
            real.iter().filter_map(|(price, size)| number(price).zip(number(size))).collect();
        held.sort_unstable();
        real.sort_unstable();
        held == real
    };
    same(book.bids(), &truth.bids) && same(book.asks(), &truth.asks)
}

impl Far for Between {
    fn connect(&mut self, now: u64, url: &str) -> Result<SocketId, Reply> {
        let socket = Far::connect(&mut self.house, now, url)?;
        // The first endpoint of the configuration is the first line's.
        self.sides.insert(socket.0, usize::from(!url.contains(":9443")));
        Ok(socket)
    }

    fn receive(&mut self, now: u64, socket: SocketId, said: Said<'_>) {
        Far::receive(&mut self.house, now, socket, said);
    }

    fn gone(&mut self, now: u64, socket: SocketId) {
        self.sides.remove(&socket.0);
        self.waiting.retain(|(held, _), _| *held != socket.0);
        Far::gone(&mut self.house, now, socket);
    }

    fn request(&mut self, now: u64, url: &str) -> Reply {
        Far::request(&mut self.house, now, url)
    }

    fn advance(&mut self, now: u64) {
        Far::advance(&mut self.house, now);
    }

    fn deadline(&self) -> u64 {
        Far::deadline(&self.house)
    }

    fn next_output(&mut self) -> Option<(SocketId, Say)> {
        while self.out.is_empty() {
            let (socket, say) = Far::next_output(&mut self.house)?;
            self.pass(socket, say);
        }
        self.out.pop_front()
    }
}
