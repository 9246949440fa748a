//! A generated market written down as a recording: the same folder that a recorder of the real venue makes.

use crate::capture::Capture;
use crate::exchange::{Frames, Market, MarketOptions, Symbol, TrueBook, View, Wanted, names};
use crate::playback::Speed;
use crate::rng::Rng;
use serde_json::json;
use serde_json::value::RawValue;
use std::io::{self, Write};
use std::path::Path;

/// What is recorded, and how much of it. Equal options give equal files, byte for byte.
#[derive(Debug, Clone)]
pub struct RecordOptions {
    /// The market; its `frames` is how many frames are recorded, its `start_ms` when (0 if not given).
    pub market: MarketOptions,
    /// The streams of every symbol that are recorded, as spelled in the frames (`depth@100ms`, `trade`).
    pub channels: Vec<String>,
    /// About so many books per symbol are written down as checkpoints.
    pub checkpoints: usize,
    /// Pack the frames with zstd.
    pub pack: bool,
}

impl RecordOptions {
    /// The small recordings that are kept with the project: 2,000 frames of three symbols.
    pub fn fixture(futures: bool) -> Self {
        let mut channels = vec!["depth@100ms", "bookTicker", "trade", "aggTrade", "kline_1m"];
        if futures {
            channels.push("markPrice@1s");
        }
        Self {
            market: MarketOptions {
                symbols: Symbol::ten(futures).into_iter().take(3).collect(),
                seed: 20_260_105,
                rate: 25,
                levels: 150,
                frames: Some(2_000),
                // 2026-01-05 11:59:54 UTC: a minute ends inside, so that candles close.
                start_ms: Some(1_767_614_394_000),
                truth: usize::MAX,
                speed: Speed::Max,
                ..MarketOptions::new(futures)
            },
            channels: channels.into_iter().map(str::to_owned).collect(),
            checkpoints: 30,
            pack: true,
        }
    }
}

/// A file of a recording: its name and its content.
type File = (&'static str, Vec<u8>);

/// Writes a recording of a generated market into `dir`, which is made if needed.
///
/// # Errors
/// What the file system says.
pub fn record_market(options: &RecordOptions, dir: &Path) -> io::Result<()> {
    std::fs::create_dir_all(dir)?;
    for (name, content) in recording(options)? {
        std::fs::write(dir.join(name), content)?;
    }
    Ok(())
}

/// The files of a recording.
fn recording(options: &RecordOptions) -> io::Result<Vec<File>> {
    let mut tape = Tape::new(options);
    tape.run(options);
    let checkpoints = tape.checkpoints(options.checkpoints);
    let frames = if options.pack {
        let mut encoder = zstd::Encoder::new(Vec::new(), 19)?;
        encoder.include_checksum(true)?;
        encoder.write_all(&tape.frames)?;
        ("frames.ndjson.zst", encoder.finish()?)
    } else {
        ("frames.ndjson", tape.frames)
    };
    Ok(vec![
        frames,
        ("recv_ns.txt", tape.times),
        ("rest_depth.ndjson", tape.snapshots),
        ("book_checkpoints.ndjson", checkpoints),
    ])
}

struct Tape {
    market: Market,
    symbols: Vec<Symbol>,
    /// The name under which a stream is recorded, by number.
    spelled: Vec<Option<String>>,
    dice: Rng,
    frames: Vec<u8>,
    times: Vec<u8>,
    snapshots: Vec<u8>,
    lines: u64,
    last_time: u64,
    /// Per symbol: line and update id of every depth frame behind its snapshot.
    depth: Vec<Vec<(u64, u64)>>,
}

/// The first snapshot is taken so long after the start, the others follow at the same distance.
const SNAPSHOT_EVERY: u64 = 300_000;

impl Tape {
    fn new(options: &RecordOptions) -> Self {
        let market = &options.market;
        let (canonical, accepted) = names(&market.symbols, market.futures);
        let mut spelled = vec![None; canonical.len()];
        for symbol in &market.symbols {
            for channel in &options.channels {
                let name = format!("{}@{channel}", symbol.stream());
                if let Some(&number) =
                    accepted.get(&name).or_else(|| accepted.get(crate::names::family(&name)))
                {
                    spelled[number as usize] = Some(name);
                }
            }
        }
        Self {
            market: Market::open(market, market.start_ms.unwrap_or(0)),
            symbols: market.symbols.clone(),
            spelled,
            dice: Rng::new(market.seed, u64::MAX - 1),
            frames: Vec::new(),
            times: Vec::new(),
            snapshots: Vec::new(),
            lines: 0,
            last_time: 0,
            depth: vec![Vec::new(); market.symbols.len()],
        }
    }

    fn run(&mut self, options: &RecordOptions) {
        let limit = options.market.frames.unwrap_or(2_000);
        let wanted = Wanted::Some(self.spelled.iter().map(Option::is_some).collect());
        let start = self.market.now();
        let mut snapped = 0;
        let mut batch = Frames::default();
        while self.lines < limit {
            if snapped < self.symbols.len()
                && self.market.due() >= start + (snapped as u64 + 1) * SNAPSHOT_EVERY
            {
                self.snap(snapped);
                snapped += 1;
            }
            self.market.step(&wanted, &mut batch);
            for frame in batch.iter().take((limit - self.lines) as usize) {
                self.write(frame.stream, frame.at_us, frame.payload, snapped);
            }
            batch.clear();
        }
    }

    fn write(&mut self, stream: u32, at_us: u64, payload: &[u8], snapped: usize) {
        let Some(name) = &self.spelled[stream as usize] else { return };
        self.lines += 1;
        for part in [b"{\"stream\":\"", name.as_bytes(), b"\",\"data\":", payload, b"}\n"] {
            self.frames.extend_from_slice(part);
        }
        let depth_of = name.split_once("@depth").map(|(symbol, _)| symbol);
        let symbol = self.symbols.iter().position(|symbol| Some(symbol.stream().as_str()) == depth_of);
        if let Some(symbol) = symbol.filter(|symbol| *symbol < snapped)
            && let Some(id) = self.market.id(&self.symbols[symbol].name)
        {
            self.depth[symbol].push((self.lines, id));
        }
        let time = self.receive_time(at_us);
        self.times.extend_from_slice(format!("{time}\n").as_bytes());
    }

    /// The network takes its time, a little different each time, and delivers in order.
    fn receive_time(&mut self, at_us: u64) -> u64 {
        let time = at_us * 1_000 + 8_000_000 + self.dice.below(3_000_000);
        self.last_time = self.last_time.max(time);
        self.last_time
    }

    fn snap(&mut self, symbol: usize) {
        let name = &self.symbols[symbol].name;
        let body = self.market.snapshot(name, 1_000, View::Now).and_then(|body| String::from_utf8(body).ok());
        let Some(body) = body.and_then(|body| RawValue::from_string(body).ok()) else { return };
        let line = format!(
            "{{\"symbol\":\"{name}\",\"after_frame\":{},\"recv\":\"{}\",\"url\":null,\"body\":{body}}}\n",
            self.lines, self.last_time
        );
        self.snapshots.extend_from_slice(line.as_bytes());
    }

    /// The true book after evenly spaced depth frames and after the last one, in the order of the lines.
    fn checkpoints(&self, count: usize) -> Vec<u8> {
        let mut chosen = Vec::new();
        for (symbol, frames) in self.symbols.iter().zip(&self.depth) {
            let step = frames.len().div_ceil(count.max(1)).max(1);
            let even = frames.iter().skip(step - 1).step_by(step);
            let last = frames.last().filter(|_| frames.len() % step != 0);
            chosen.extend(even.chain(last).map(|&(line, id)| (line, symbol, id)));
        }
        chosen.sort_by_key(|(line, ..)| *line);
        let mut out = Vec::new();
        for (line, symbol, id) in chosen {
            let Some(TrueBook { bids, asks, .. }) = self.market.truth(&symbol.name, Some(id)) else {
                continue;
            };
            let top =
                |levels: &[(String, String)]| json!(levels.iter().take(5).collect::<Vec<_>>()).to_string();
            let text = format!(
                "{{\"line\":{line},\"symbol\":\"{}\",\"u\":{id},\"bids\":{},\"asks\":{},\"bid_levels\":{},\"ask_levels\":{}}}\n",
                symbol.name,
                top(&bids),
                top(&asks),
                bids.len(),
                asks.len(),
            );
            out.extend_from_slice(text.as_bytes());
        }
        out
    }
}

/// Reads a recording back, to say that it can be played.
///
/// # Errors
/// [`CaptureError`](crate::CaptureError), naming the file and the line.
pub fn check_recording(dir: &Path) -> Result<RecordingSummary, crate::CaptureError> {
    let capture = Capture::read(dir)?;
    Ok(RecordingSummary {
        frames: capture.len(),
        streams: capture.streams.len(),
        snapshots: capture.snapshots.len(),
        futures: capture.futures,
    })
}

/// What a recording holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordingSummary {
    /// Recorded frames.
    pub frames: usize,
    /// Stream families.
    pub streams: usize,
    /// REST depth replies.
    pub snapshots: usize,
    /// USD-M futures rather than spot.
    pub futures: bool,
}

#[cfg(test)]
mod tests;
