//! Nanoseconds per level applied to a book, on the depth frames of seven captures, against plainer structures.
//!
//! `cargo run --release -p tapeline-bench --bin book_apply [captures folder]`
//!
//! Frames are decoded beforehand. Every structure gets the same decimals and turns them into what it
//! keeps; all are run in turn, seven times, and the median is shown.
#![expect(clippy::print_stdout, reason = "the figures are the output")]

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::Value;
use tapeline_core::data::book::{BookLimits, BookSync, Ladder, Outcome};
use tapeline_core::data::decimal::Decimal;
use tapeline_core::data::event::Level;
use tapeline_core::time::Mono;
use tapeline_core::venue::{BookRule, Chain, Span};

const RUNS: usize = 7;
/// Those with a snapshot and enough levels to be timed.
const CAPTURES: [&str; 7] = [
    "spot-btcusdt-20240808-650s",
    "spot-10symbols-20210405-119s",
    "spot-btc-eth-dot-20210404-91s",
    "usdm-btcusdt-20240808-345s",
    "usdm-btcusdt-20240718-480s",
    "usdm-btcusdt-20230404-514s",
    "usdm-5symbols-20210405-119s",
];

type Fallible<T> = Result<T, Box<dyn Error>>;
/// Plays a recording and returns nanoseconds per level.
type Contender = fn(&Recording) -> f64;

/// One depth message; its levels lie in [`Recording::levels`]: bids, then asks.
struct Frame {
    book: usize,
    span: Span,
    begin: usize,
    middle: usize,
    end: usize,
}

/// A recording, decoded.
struct Recording {
    chain: Chain,
    /// By book: last id, bids, asks.
    snapshots: Vec<(u64, Vec<Level>, Vec<Level>)>,
    frames: Vec<Frame>,
    levels: Vec<Level>,
}

impl Recording {
    fn bids(&self, frame: &Frame) -> &[Level] {
        &self.levels[frame.begin..frame.middle]
    }

    fn asks(&self, frame: &Frame) -> &[Level] {
        &self.levels[frame.middle..frame.end]
    }
}

/// One side of a book, however it is kept.
trait Side {
    fn new(bids: bool) -> Self;
    fn apply(&mut self, level: &Level);
}

impl Side for Ladder {
    fn new(bids: bool) -> Self {
        if bids { Self::bids(100_000) } else { Self::asks(100_000) }
    }
    fn apply(&mut self, level: &Level) {
        let _ = self.set(level.price, level.size);
    }
}

/// Integers at scale 8, the finest that Binance uses.
fn integers(level: &Level) -> (i64, i64) {
    (level.price.at_scale(8).unwrap_or(0), level.size.at_scale(8).unwrap_or(0))
}

/// A vector with the best level last, where most changes are.
struct Sorted {
    sign: i64,
    levels: Vec<(i64, i64)>,
}

impl Side for Sorted {
    fn new(bids: bool) -> Self {
        Self { sign: if bids { 1 } else { -1 }, levels: Vec::new() }
    }
    fn apply(&mut self, level: &Level) {
        let (price, size) = integers(level);
        let price = price * self.sign;
        match self.levels.binary_search_by_key(&price, |held| held.0) {
            Ok(at) if size == 0 => drop(self.levels.remove(at)),
            Ok(at) => self.levels[at].1 = size,
            Err(_) if size == 0 => {}
            Err(at) => self.levels.insert(at, (price, size)),
        }
    }
}

struct Tree<K>(BTreeMap<K, K>);

impl Side for Tree<i64> {
    fn new(_bids: bool) -> Self {
        Self(BTreeMap::new())
    }
    fn apply(&mut self, level: &Level) {
        match integers(level) {
            (price, 0) => self.0.remove(&price),
            (price, size) => self.0.insert(price, size),
        };
    }
}

impl Side for Tree<Decimal> {
    fn new(_bids: bool) -> Self {
        Self(BTreeMap::new())
    }
    fn apply(&mut self, level: &Level) {
        if level.size.is_zero() {
            self.0.remove(&level.price);
        } else {
            self.0.insert(level.price, level.size);
        }
    }
}

/// Nanoseconds per level for one structure, the levels of both sides applied and no more.
fn run<S: Side>(recording: &Recording) -> f64 {
    let mut books: Vec<(S, S)> = recording.snapshots.iter().map(|_| (S::new(true), S::new(false))).collect();
    for ((bids, asks), snapshot) in books.iter_mut().zip(&recording.snapshots) {
        snapshot.1.iter().for_each(|level| bids.apply(level));
        snapshot.2.iter().for_each(|level| asks.apply(level));
    }
    let start = Instant::now();
    for frame in &recording.frames {
        let (bids, asks) = &mut books[frame.book];
        recording.bids(frame).iter().for_each(|level| bids.apply(level));
        recording.asks(frame).iter().for_each(|level| asks.apply(level));
    }
    let elapsed = start.elapsed();
    black_box(&books);
    elapsed.as_nanos() as f64 / recording.levels.len() as f64
}

fn synced(recording: &Recording) -> Vec<BookSync> {
    let rule = BookRule { chain: recording.chain, snapshot_levels: 1_000 };
    let mut books: Vec<_> =
        recording.snapshots.iter().map(|_| BookSync::new(rule, BookLimits::default())).collect();
    for (book, (last, bids, asks)) in books.iter_mut().zip(&recording.snapshots) {
        book.snapshot(Mono(0), *last, bids, asks);
        // No delta is near that would prove the snapshot: time does.
        book.tick(Mono(u64::MAX));
    }
    assert!(books.iter().all(|book| book.last_id().is_some()));
    books
}

/// Nanoseconds per level for the whole of [`BookSync`]: chain, ladders, crossing, horizon.
fn run_sync(recording: &Recording) -> f64 {
    let mut books = synced(recording);
    let start = Instant::now();
    for frame in &recording.frames {
        let outcome =
            books[frame.book].delta(Mono(0), None, frame.span, recording.bids(frame), recording.asks(frame));
        debug_assert!(!matches!(outcome, Outcome::Broken(_)));
        black_box(outcome);
    }
    start.elapsed().as_nanos() as f64 / recording.levels.len() as f64
}

fn levels(pairs: &Value) -> Fallible<Vec<Level>> {
    let side = |pair: &Value, at: usize| -> Fallible<Decimal> {
        Ok(Decimal::parse(pair[at].as_str().ok_or("a price or size")?.as_bytes())?)
    };
    pairs
        .as_array()
        .ok_or("levels")?
        .iter()
        .map(|pair| Ok(Level { price: side(pair, 0)?, size: side(pair, 1)? }))
        .collect()
}

fn number(value: &Value) -> Option<u64> {
    value.to_string().parse().ok()
}

fn load(folder: &Path, chain: Chain) -> Fallible<Recording> {
    let mut books = HashMap::new();
    let mut recording = Recording { chain, snapshots: Vec::new(), frames: Vec::new(), levels: Vec::new() };
    for line in std::fs::read_to_string(folder.join("rest_depth.ndjson"))?.lines() {
        let reply: Value = serde_json::from_str(line)?;
        let body = &reply["body"];
        let last = number(&body["lastUpdateId"]).ok_or("an id")?;
        books.insert(reply["symbol"].to_string(), recording.snapshots.len());
        recording.snapshots.push((last, levels(&body["bids"])?, levels(&body["asks"])?));
    }
    let packed = std::fs::read(folder.join("frames.ndjson.zst"))?;
    for line in String::from_utf8(zstd::decode_all(packed.as_slice())?)?.lines() {
        if !line.contains("depthUpdate") {
            continue;
        }
        let frame: Value = serde_json::from_str(line)?;
        let data = &frame["data"];
        let book = *books.get(&data["s"].to_string()).ok_or("a symbol with a snapshot")?;
        let (first, last) = number(&data["U"]).zip(number(&data["u"])).ok_or("ids")?;
        if last <= recording.snapshots[book].0 {
            continue;
        }
        let span = Span { first, last, previous: number(&data["pu"]) };
        let begin = recording.levels.len();
        recording.levels.extend(levels(&data["b"])?);
        let middle = recording.levels.len();
        recording.levels.extend(levels(&data["a"])?);
        recording.frames.push(Frame { book, span, begin, middle, end: recording.levels.len() });
    }
    Ok(recording)
}

fn median(mut runs: Vec<f64>) -> f64 {
    runs.sort_by(f64::total_cmp);
    runs[runs.len() / 2]
}

/// Resident bytes of this process.
fn resident() -> Option<usize> {
    let pages: usize = std::fs::read_to_string("/proc/self/statm").ok()?.split(' ').nth(1)?.parse().ok()?;
    Some(pages * 4_096)
}

fn memory(recording: &Recording) {
    let mut books = synced(recording);
    let held = |books: &[BookSync]| -> usize {
        books.iter().map(|book| book.bids().bytes() + book.asks().bytes() + size_of::<BookSync>()).sum()
    };
    let count = |books: &[BookSync]| -> usize {
        books.iter().map(|book| book.bids().len() + book.asks().len()).sum()
    };
    let mut most = 0;
    for frame in &recording.frames {
        books[frame.book].delta(Mono(0), None, frame.span, recording.bids(frame), recording.asks(frame));
        most = most.max(held(&books[frame.book..=frame.book]));
    }
    println!(
        "  after the last frame: {} levels in {} books, {} bytes a book on average, {most} at most",
        count(&books),
        books.len(),
        held(&books) / books.len(),
    );
    let before = resident();
    let many: Vec<_> = (0..100).flat_map(|_| synced(recording)).collect();
    if let (Some(before), Some(after)) = (before, resident()) {
        let held: usize = many.iter().map(|book| book.bids().bytes() + book.asks().bytes()).sum();
        println!(
            "  {} books straight from their snapshots: {} levels, {} bytes a book counted, {} resident",
            many.len(),
            count(&many) / many.len(),
            held / many.len() + size_of::<BookSync>(),
            after.saturating_sub(before) / many.len(),
        );
    }
}

fn main() -> Fallible<()> {
    let root = std::env::args_os().nth(1).map_or_else(|| PathBuf::from("../shared/captures"), PathBuf::from);
    for name in CAPTURES {
        let chain = if name.starts_with("spot") { Chain::Contiguous } else { Chain::Linked };
        let recording = load(&root.join("binance").join(name), chain)?;
        println!("{name}: {} frames, {} levels", recording.frames.len(), recording.levels.len());
        let contenders: [(&str, Contender); 5] = [
            ("ladder", run::<Ladder>),
            ("book with its chain checked", run_sync),
            ("sorted vector of integers", run::<Sorted>),
            ("B-tree of integers", run::<Tree<i64>>),
            ("B-tree of decimals", run::<Tree<Decimal>>),
        ];
        let mut runs = vec![Vec::new(); contenders.len()];
        for _ in 0..RUNS {
            for (run, (_, contender)) in runs.iter_mut().zip(&contenders) {
                run.push(contender(&recording));
            }
        }
        for (run, (contender, _)) in runs.into_iter().zip(contenders) {
            println!("  {contender:<28} {:>7.1} ns per level", median(run));
        }
        memory(&recording);
    }
    Ok(())
}
