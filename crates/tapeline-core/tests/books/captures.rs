//! Recorded traffic: every book equals its checkpoints and the venue's own quotes.
#![expect(clippy::disallowed_methods, reason = "a test reads its recordings from disk")]
#![expect(clippy::print_stderr, reason = "absent recordings and counts must be seen")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tapeline_core::data::book::{BookLimits, BookSync, Ladder, Outcome, Why};
use tapeline_core::data::event::{BookState, Level};
use tapeline_core::time::{Mono, Unix};
use tapeline_core::venue::{BookRule, Chain, Span};

use super::dec;

type Pairs<'a> = Vec<(&'a str, &'a str)>;

#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(borrow)]
    stream: &'a str,
    #[serde(borrow)]
    data: &'a serde_json::value::RawValue,
}

#[derive(Deserialize)]
#[expect(non_snake_case, reason = "the venue's own names")]
struct Depth<'a> {
    s: &'a str,
    E: i64,
    U: u64,
    u: u64,
    pu: Option<u64>,
    #[serde(borrow)]
    b: Pairs<'a>,
    #[serde(borrow)]
    a: Pairs<'a>,
}

#[derive(Deserialize)]
#[expect(non_snake_case, reason = "the venue's own names")]
struct Ticker<'a> {
    s: &'a str,
    u: u64,
    b: &'a str,
    B: &'a str,
    a: &'a str,
    A: &'a str,
}

#[derive(Deserialize)]
struct Reply {
    symbol: String,
    after_frame: usize,
    body: Box<serde_json::value::RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Snapshot<'a> {
    last_update_id: u64,
    #[serde(borrow)]
    bids: Pairs<'a>,
    #[serde(borrow)]
    asks: Pairs<'a>,
}

#[derive(Deserialize)]
struct Checkpoint {
    line: usize,
    symbol: String,
    u: u64,
    bids: Vec<(String, String)>,
    asks: Vec<(String, String)>,
    bid_levels: usize,
    ask_levels: usize,
}

/// What a replay counted.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    books: usize,
    applied: u64,
    checkpoints: usize,
    quotes: usize,
    unverified: usize,
    refreshes_wanted: usize,
}

fn captures() -> Option<PathBuf> {
    let root = std::env::var("TAPELINE_CAPTURES").map_or_else(
        |_| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/captures"),
        PathBuf::from,
    );
    root.join("binance").is_dir().then_some(root)
}

fn text(folder: &Path, name: &str) -> String {
    let bytes = std::fs::read(folder.join(name)).unwrap_or_else(|_| {
        let packed = std::fs::read(folder.join(format!("{name}.zst"))).expect(name);
        zstd::decode_all(packed.as_slice()).expect(name)
    });
    String::from_utf8(bytes).expect(name)
}

fn levels<T: AsRef<str>>(pairs: &[(T, T)]) -> Vec<Level> {
    pairs.iter().map(|(price, size)| Level { price: dec(price.as_ref()), size: dec(size.as_ref()) }).collect()
}

struct Replay {
    books: BTreeMap<String, BookSync>,
    checkpoints: BTreeMap<usize, Checkpoint>,
    tally: Tally,
    wanted: BTreeMap<String, bool>,
    /// Quotes that ran ahead of the book, by symbol and id.
    ahead: BTreeMap<String, BTreeMap<u64, [Level; 2]>>,
}

impl Replay {
    fn snapshot(&mut self, reply: &Reply) {
        let body: Snapshot<'_> = serde_json::from_str(reply.body.get()).expect("a snapshot");
        let book = self.books.get_mut(&reply.symbol).expect("a book");
        book.expect_snapshot();
        let outcome = book.snapshot(Mono(0), body.last_update_id, &levels(&body.bids), &levels(&body.asks));
        assert!(matches!(outcome, Outcome::Synced | Outcome::Held), "{}: {outcome:?}", reply.symbol);
    }

    fn depth(&mut self, line: usize, depth: &Depth<'_>) {
        let book = self.books.get_mut(depth.s).expect("a book");
        let before = book.state();
        let span = Span { first: depth.U, last: depth.u, previous: depth.pu };
        let time = Some(Unix::from_millis(depth.E));
        let outcome = book.delta(Mono(0), time, span, &levels(&depth.b), &levels(&depth.a));
        match before {
            BookState::Syncing => {
                assert!(
                    matches!(outcome, Outcome::Buffered | Outcome::Ignored | Outcome::Synced),
                    "{outcome:?}"
                );
            }
            _ => assert_eq!(outcome, Outcome::Applied { refreshed: false }, "line {line}"),
        }
        let wants = matches!(book.wants_snapshot(Mono(0)), Some(Why::Horizon));
        self.tally.refreshes_wanted += usize::from(wants && !self.wanted[depth.s]);
        self.wanted.insert(depth.s.to_owned(), wants);
        self.tally.unverified += usize::from(book.state() == BookState::Unverified);
        if let (Some(id), Some(ahead)) = (book.last_id(), self.ahead.get_mut(depth.s)) {
            if let Some(quote) = ahead.remove(&id) {
                assert_eq!(
                    (book.bids().best(), book.asks().best()),
                    (Some(quote[0]), Some(quote[1])),
                    "line {line}"
                );
                self.tally.quotes += 1;
            }
            *ahead = ahead.split_off(&id);
        }
        if let Some(checkpoint) = self.checkpoints.remove(&line) {
            assert_eq!(checkpoint.symbol, depth.s);
            assert_eq!(book.last_id(), Some(checkpoint.u));
            assert_eq!(
                (book.bids().len(), book.asks().len()),
                (checkpoint.bid_levels, checkpoint.ask_levels)
            );
            let top = |side: &Ladder| side.iter().take(5).collect::<Vec<_>>();
            assert_eq!(top(book.bids()), levels(&checkpoint.bids), "bids at line {line}");
            assert_eq!(top(book.asks()), levels(&checkpoint.asks), "asks at line {line}");
            self.tally.checkpoints += 1;
        }
    }

    fn ticker(&mut self, line: usize, ticker: &Ticker<'_>) {
        let best = |price: &str, size: &str| Level { price: dec(price), size: dec(size) };
        let quote = [best(ticker.b, ticker.B), best(ticker.a, ticker.A)];
        match self.books.get(ticker.s).filter(|book| book.last_id() == Some(ticker.u)) {
            Some(book) => {
                assert_eq!(
                    (book.bids().best(), book.asks().best()),
                    (Some(quote[0]), Some(quote[1])),
                    "line {line}"
                );
                self.tally.quotes += 1;
            }
            None => {
                self.ahead.entry(ticker.s.to_owned()).or_default().insert(ticker.u, quote);
            }
        }
    }
}

fn replay(folder: &Path, chain: Chain) -> Tally {
    let rule = BookRule { chain, snapshot_levels: 1_000 };
    let replies = std::fs::read_to_string(folder.join("rest_depth.ndjson")).unwrap_or_default();
    let mut replies: Vec<Reply> =
        replies.lines().map(|line| serde_json::from_str(line).expect("a reply")).collect();
    replies.sort_by_key(|reply| reply.after_frame);
    let mut replies = replies.into_iter().peekable();
    let frames = text(folder, "frames.ndjson");
    let checkpoints = std::fs::read_to_string(folder.join("book_checkpoints.ndjson")).unwrap_or_default();
    let checkpoints = checkpoints.lines().map(|line| {
        let checkpoint: Checkpoint = serde_json::from_str(line).expect("a checkpoint");
        (checkpoint.line, checkpoint)
    });
    let mut state = Replay {
        books: BTreeMap::new(),
        checkpoints: checkpoints.collect(),
        tally: Tally::default(),
        wanted: BTreeMap::new(),
        ahead: BTreeMap::new(),
    };
    for (seen, line) in frames.lines().enumerate() {
        while let Some(reply) = replies.next_if(|reply| reply.after_frame <= seen) {
            state
                .books
                .entry(reply.symbol.clone())
                .or_insert_with(|| BookSync::new(rule, BookLimits::default()));
            state.wanted.insert(reply.symbol.clone(), false);
            state.snapshot(&reply);
        }
        if !line.contains("@depth") && !line.contains("@bookTicker") {
            continue;
        }
        let frame: Frame<'_> = serde_json::from_str(line).expect("a frame");
        if frame.stream.contains("@depth") {
            let depth: Depth<'_> = serde_json::from_str(frame.data.get()).expect("a depth event");
            state
                .books
                .entry(depth.s.to_owned())
                .or_insert_with(|| BookSync::new(rule, BookLimits::default()));
            state.wanted.entry(depth.s.to_owned()).or_insert(false);
            state.depth(seen + 1, &depth);
        } else {
            state.ticker(seen + 1, &serde_json::from_str(frame.data.get()).expect("a quote"));
        }
    }
    assert!(state.checkpoints.is_empty(), "checkpoints never reached: {:?}", state.checkpoints.keys());
    state.tally.books = state.books.len();
    for (symbol, book) in &state.books {
        let counters = book.counters();
        assert_eq!((counters.gaps, counters.corrupt, counters.restarts), (0, 0, 0), "{symbol}");
        state.tally.applied += counters.applied;
    }
    state.tally
}

/// Replays one recording and expects these counts: books, checkpoints, quotes equal at the same id.
fn check(name: &str, books: usize, checkpoints: usize, quotes: usize) {
    let Some(root) = captures() else {
        eprintln!("SKIPPED: no recordings at ../shared/captures (set TAPELINE_CAPTURES): {name}");
        return;
    };
    let chain = if name.starts_with("spot") { Chain::Contiguous } else { Chain::Linked };
    let tally = replay(&root.join("binance").join(name), chain);
    eprintln!("{name}: {tally:?}");
    assert_eq!((tally.books, tally.checkpoints, tally.quotes), (books, checkpoints, quotes));
}

#[test]
fn spot_of_ten_symbols_equals_its_checkpoints() {
    check("spot-10symbols-20210405-119s", 10, 420, 1_155);
}

#[test]
fn spot_of_four_symbols_equals_its_checkpoints() {
    check("spot-4symbols-20211012-30s", 4, 73, 26);
}

#[test]
fn spot_of_three_symbols_equals_its_checkpoints() {
    check("spot-btc-eth-dot-20210404-91s", 3, 122, 0);
}

#[test]
fn spot_of_bitcoin_equals_its_checkpoints() {
    check("spot-btcusdt-20240808-650s", 1, 41, 1_072);
}

#[test]
fn futures_of_four_symbols_equal_their_checkpoints() {
    check("usdm-4symbols-20210722-30s", 4, 178, 50);
}

#[test]
fn futures_of_five_symbols_equal_their_checkpoints() {
    check("usdm-5symbols-20210405-119s", 5, 204, 215);
}

#[test]
fn futures_of_bitcoin_in_2023_equal_their_checkpoints() {
    check("usdm-btcusdt-20230404-514s", 1, 41, 1_565);
}

#[test]
fn futures_of_bitcoin_in_july_equal_their_checkpoints() {
    check("usdm-btcusdt-20240718-480s", 1, 41, 625);
}

#[test]
fn futures_of_bitcoin_in_august_equal_their_checkpoints() {
    check("usdm-btcusdt-20240808-345s", 1, 41, 629);
}

#[test]
fn a_recording_without_snapshot_never_makes_a_live_book() {
    let Some(root) = captures() else {
        eprintln!("SKIPPED: no recordings at ../shared/captures (set TAPELINE_CAPTURES)");
        return;
    };
    let tally = replay(&root.join("binance/spot-btcusdt-20230405-415s"), Chain::Contiguous);
    assert_eq!(tally, Tally { books: 1, ..Tally::default() });
}
