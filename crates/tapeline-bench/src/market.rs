//! A generated market: Binance spot frames of the recorded shapes, with contiguous ids and books that
//! never cross, rendered ahead as WebSocket frames so that the sender only has to write bytes.
//!
//! The mix has, of 20 frames, 10 `bookTicker`, 4 `trade`, 3 `aggTrade` and 3 `depth` of 2 to 24 levels;
//! in the recordings the depth frames hold 3 levels (quiet symbols) to 48 (BTCUSDT in 2024).

use std::collections::HashMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use tapeline_core::rng::Rng;

/// Which frames are streamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum)]
pub enum Kind {
    /// `trade` frames only.
    Trades,
    /// Quotes, trades, aggregate trades and depth.
    Mix,
}

/// The symbols of the market.
pub const SYMBOLS: [&str; 10] = [
    "BTCUSDT", "ETHUSDT", "BNBUSDT", "SOLUSDT", "XRPUSDT", "ADAUSDT", "DOGEUSDT", "DOTUSDT", "LTCUSDT",
    "LINKUSDT",
];

/// The streams of `kind`, in the venue's names.
pub fn streams(kind: Kind) -> Vec<String> {
    let suffixes: &[&str] = match kind {
        Kind::Trades => &["trade"],
        Kind::Mix => &["trade", "aggTrade", "bookTicker", "depth@100ms"],
    };
    let names = SYMBOLS.iter().map(|symbol| symbol.to_lowercase());
    names.flat_map(|symbol| suffixes.iter().map(move |suffix| format!("{symbol}@{suffix}"))).collect()
}

/// Frames ready to be written.
#[derive(Debug)]
pub struct Rendered {
    /// WebSocket frames as a server sends them, back to back.
    pub bytes: Vec<u8>,
    /// Offsets in `bytes` at which a frame begins; the last is the end.
    pub cuts: Vec<usize>,
    /// Where the opening ends: the first depth frame of every symbol. A reader that keeps books gets
    /// the rest when it has its snapshots.
    pub opening: usize,
    /// Bodies of the REST depth snapshots that fit the opening, by symbol.
    pub snapshots: HashMap<String, String>,
    /// The number of frames.
    pub frames: u64,
}

/// Where the rendered bytes are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// After about so many bytes.
    Bytes(usize),
    /// After so many frames.
    Frames(u64),
}

impl Cut {
    /// For a sender that is to be as fast as it can.
    pub const WIDE: Self = Self::Bytes(128 << 10);
}

const SNAPSHOT_LEVELS: i64 = 1000;
/// How far the price wanders from where it began, in ticks: always within the snapshot.
const WANDER: i64 = 50;

/// Renders `frames` frames of `kind`; the times in them begin at `unix_ms`.
pub fn render(kind: Kind, frames: u64, cut: Cut, unix_ms: u64) -> Rendered {
    let mut market = Market::new(unix_ms);
    let mut rendered =
        Rendered { bytes: Vec::new(), cuts: vec![0], opening: 0, snapshots: market.snapshots(), frames };
    let mut text = String::with_capacity(4096);
    for at in 0..frames {
        text.clear();
        let symbol = at as usize % SYMBOLS.len();
        match kind {
            Kind::Trades => market.trade(&mut text),
            Kind::Mix if at < SYMBOLS.len() as u64 => market.depth(&mut text, symbol),
            Kind::Mix => market.any(&mut text),
        }
        frame(&mut rendered.bytes, text.as_bytes());
        let end = rendered.bytes.len();
        if kind == Kind::Mix && at + 1 == SYMBOLS.len() as u64 {
            rendered.opening = end;
            rendered.cuts.push(end);
            continue;
        }
        let last = rendered.cuts.last().copied().unwrap_or(0);
        let due = match cut {
            Cut::Bytes(bytes) => end - last >= bytes,
            Cut::Frames(count) => (at + 1).is_multiple_of(count),
        };
        if due {
            rendered.cuts.push(end);
        }
    }
    rendered.cuts.push(rendered.bytes.len());
    rendered.cuts.dedup();
    rendered
}

/// Appends one text frame as a server sends it.
pub fn frame(out: &mut Vec<u8>, payload: &[u8]) {
    out.push(0x81);
    match u16::try_from(payload.len()) {
        Ok(short @ 0..126) => out.push(short as u8),
        Ok(length) => {
            out.push(126);
            out.extend_from_slice(&length.to_be_bytes());
        }
        Err(_) => {
            out.push(127);
            out.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}

/// The state of all symbols.
#[derive(Debug)]
pub struct Market {
    symbols: Vec<Symbol>,
    rng: Rng,
    now_ms: u64,
    rendered: u64,
}

#[derive(Debug)]
struct Symbol {
    lower: String,
    upper: &'static str,
    /// Best bid in ticks of 0.01; the best ask is one tick above.
    bid: i64,
    origin: i64,
    bid_size: u64,
    ask_size: u64,
    trade_id: u64,
    aggregate_id: u64,
    aggregated: u64,
    update_id: u64,
    last_depth: u64,
}

impl Market {
    /// A market whose first frame is at `now_ms`.
    pub fn new(now_ms: u64) -> Self {
        let mut rng = Rng::new(0x7461_7065);
        let symbols = SYMBOLS.iter().enumerate().map(|(at, upper)| {
            let bid = 6_183_763 / (1 + at as i64 * 7);
            let update_id = 50_093_239_189 + at as u64 * 1_000_003;
            Symbol {
                lower: upper.to_lowercase(),
                upper,
                bid,
                origin: bid,
                bid_size: size(&mut rng),
                ask_size: size(&mut rng),
                trade_id: 3_735_683_258 + at as u64 * 10_007,
                aggregate_id: 2_938_405_000 + at as u64 * 10_007,
                aggregated: 3_735_683_258,
                update_id,
                last_depth: update_id,
            }
        });
        Self { symbols: symbols.collect(), rng, now_ms, rendered: 0 }
    }

    /// Snapshots of the books as they are now.
    pub fn snapshots(&mut self) -> HashMap<String, String> {
        let rng = &mut self.rng;
        let bodies = self.symbols.iter().map(|symbol| (symbol.upper.to_owned(), symbol.snapshot(rng)));
        bodies.collect()
    }

    /// A trade of any symbol.
    pub fn trade(&mut self, out: &mut String) {
        let (symbol, rng, now) = self.turn();
        symbol.trade(out, rng, now);
    }

    /// A depth frame of the symbol `index`.
    pub fn depth(&mut self, out: &mut String, index: usize) {
        self.turn();
        let Self { symbols, rng, now_ms, .. } = self;
        symbols[index].depth(out, rng, *now_ms);
    }

    /// Any frame, in the proportions of the mix.
    pub fn any(&mut self, out: &mut String) {
        let (symbol, rng, now) = self.turn();
        match rng.next_u64() % 20 {
            0..10 => symbol.quote(out, rng),
            10..14 => symbol.trade(out, rng, now),
            14..17 => symbol.aggregate(out, rng, now),
            _ => symbol.depth(out, rng, now),
        }
    }

    fn turn(&mut self) -> (&mut Symbol, &mut Rng, u64) {
        self.rendered += 1;
        // Twenty frames a millisecond.
        self.now_ms += u64::from(self.rendered.is_multiple_of(20));
        let index = self.rng.next_u64() as usize % self.symbols.len();
        (&mut self.symbols[index], &mut self.rng, self.now_ms)
    }
}

impl Symbol {
    fn trade(&mut self, out: &mut String, rng: &mut Rng, now: u64) {
        self.trade_id += 1;
        let maker = rng.next_u64().is_multiple_of(2);
        let price = price(self.bid + i64::from(!maker));
        let _ = write!(
            out,
            "{{\"stream\":\"{}@trade\",\"data\":{{\"e\":\"trade\",\"E\":{},\"s\":\"{}\",\"t\":{},\"p\":\"{price}\",\
             \"q\":\"{}\",\"T\":{now},\"m\":{maker},\"M\":true}}}}",
            self.lower,
            now + 1,
            self.upper,
            self.trade_id,
            amount(size(rng)),
        );
    }

    fn aggregate(&mut self, out: &mut String, rng: &mut Rng, now: u64) {
        self.aggregate_id += 1;
        let first = self.aggregated + 1;
        self.aggregated = first + rng.next_u64() % 3;
        let maker = rng.next_u64().is_multiple_of(2);
        let _ = write!(
            out,
            "{{\"stream\":\"{}@aggTrade\",\"data\":{{\"e\":\"aggTrade\",\"E\":{},\"s\":\"{}\",\"a\":{},\"p\":\"{}\",\
             \"q\":\"{}\",\"f\":{first},\"l\":{},\"T\":{now},\"m\":{maker},\"M\":true}}}}",
            self.lower,
            now + 1,
            self.upper,
            self.aggregate_id,
            price(self.bid + i64::from(!maker)),
            amount(size(rng)),
            self.aggregated,
        );
    }

    fn quote(&mut self, out: &mut String, rng: &mut Rng) {
        self.update_id += 1;
        self.bid_size = size(rng);
        let _ = write!(
            out,
            "{{\"stream\":\"{}@bookTicker\",\"data\":{{\"u\":{},\"s\":\"{}\",\"b\":\"{}\",\"B\":\"{}\",\"a\":\"{}\",\
             \"A\":\"{}\"}}}}",
            self.lower,
            self.update_id,
            self.upper,
            price(self.bid),
            amount(self.bid_size),
            price(self.bid + 1),
            amount(self.ask_size),
        );
    }

    /// Both tops with their present sizes, and some levels behind them; now and then the price moves
    /// by a tick, and the side that was run over loses its best level.
    fn depth(&mut self, out: &mut String, rng: &mut Rng, now: u64) {
        self.update_id += 1;
        let (first, last) = (self.last_depth + 1, self.update_id);
        self.last_depth = last;
        let _ = write!(
            out,
            "{{\"stream\":\"{}@depth@100ms\",\"data\":{{\"e\":\"depthUpdate\",\"E\":{now},\"s\":\"{}\",\"U\":{first},\
             \"u\":{last},\"b\":[",
            self.lower, self.upper,
        );
        let step = self.step(rng);
        self.bid += step;
        (self.bid_size, self.ask_size) = (size(rng), size(rng));
        // The level the price ran over lies on the other side of the new top.
        if step < 0 {
            let _ = write!(out, "[\"{}\",\"0.00000000\"],", price(self.bid + 1));
        }
        levels(out, rng, self.bid, -1, self.bid_size);
        out.push_str("],\"a\":[");
        if step > 0 {
            let _ = write!(out, "[\"{}\",\"0.00000000\"],", price(self.bid));
        }
        levels(out, rng, self.bid + 1, 1, self.ask_size);
        out.push_str("]}}");
    }

    fn step(&self, rng: &mut Rng) -> i64 {
        match rng.next_u64() % 8 {
            0 if self.bid < self.origin + WANDER => 1,
            1 if self.bid > self.origin - WANDER => -1,
            _ => 0,
        }
    }

    fn snapshot(&self, rng: &mut Rng) -> String {
        let mut body = format!("{{\"lastUpdateId\":{},\"bids\":[", self.update_id);
        for (top, away, next) in [(self.bid, -1, "],\"asks\":["), (self.bid + 1, 1, "]}")] {
            for at in 0..SNAPSHOT_LEVELS {
                let comma = if at == 0 { "" } else { "," };
                let _ = write!(body, "{comma}[\"{}\",\"{}\"]", price(top + at * away), amount(size(rng)));
            }
            body.push_str(next);
        }
        body
    }
}

/// The top and up to eleven levels behind it, one in four of them emptied.
fn levels(out: &mut String, rng: &mut Rng, top: i64, away: i64, top_size: u64) {
    let _ = write!(out, "[\"{}\",\"{}\"]", price(top), amount(top_size));
    let mut level = top;
    for _ in 0..rng.next_u64() % 12 {
        level += away * (1 + (rng.next_u64() % 20) as i64);
        let size = if rng.next_u64().is_multiple_of(4) { 0 } else { size(rng) };
        let _ = write!(out, ",[\"{}\",\"{}\"]", price(level), amount(size));
    }
}

/// A size in units of 0.00001, never zero.
fn size(rng: &mut Rng) -> u64 {
    1 + rng.next_u64() % 400_000
}

fn price(ticks: i64) -> impl std::fmt::Display {
    std::fmt::from_fn(move |out| write!(out, "{}.{:02}000000", ticks / 100, ticks % 100))
}

fn amount(size: u64) -> impl std::fmt::Display {
    std::fmt::from_fn(move |out| write!(out, "{}.{:05}000", size / 100_000, size % 100_000))
}
