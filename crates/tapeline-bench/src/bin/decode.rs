//! Decoding from memory: nanoseconds per frame of the adapter's scanner, of sonic-rs and of serde_json,
//! all three ending in the same events with exact decimals.
//!
//! `cargo run --release -p tapeline-bench --bin decode [rounds]`; recordings are found in
//! `../shared/captures` or by `TAPELINE_CAPTURES`, without them frames of the same shapes are made up.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a benchmark reads files and the clock, and prints; it may stop where it cannot go on"
)]

use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use serde::Deserialize;
use tapeline_bench::cpu;
use tapeline_core::data::decimal::Decimal;
use tapeline_core::data::event::{AggTrade, Level, Quote, Side, Trade};
use tapeline_core::data::update::Data;
use tapeline_core::time::Unix;
use tapeline_core::venue::{Decoded, Item, LineId, Names, Span, TopicId, Venue};

const ROUNDS: usize = 9;

fn main() {
    let rounds = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(ROUNDS).max(5);
    println!(
        "{:<28} {:>7} {:>6} {:>9} {:>9} {:>9} {:>7}",
        "CPU ns per frame, median", "frames", "bytes", "tapeline", "sonic", "serde", "sonic/"
    );
    for (folder, word, label) in [
        ("spot-btcusdt-20240808-650s", "trade", "spot trade"),
        ("usdm-btcusdt-20240808-345s", "trade", "usdm trade"),
        ("spot-btc-eth-dot-20210404-91s", "aggTrade", "spot aggTrade"),
        ("spot-btcusdt-20240808-650s", "bookTicker", "spot bookTicker"),
        ("usdm-btcusdt-20240808-345s", "bookTicker", "usdm bookTicker"),
        ("spot-btcusdt-20240808-650s", "depth", "spot depth"),
        ("usdm-btcusdt-20240808-345s", "depth", "usdm depth"),
    ] {
        let frames = recorded(folder, word).unwrap_or_else(|| invented(word));
        let venue =
            tapeline_venues::by_id(if folder.starts_with("spot") { "binance" } else { "binance-usdm" })
                .unwrap();
        report(label, word, &frames, &venue, rounds);
    }
}

/// One line of the table. The three decoders take turns, so that a busy machine slows all of them.
fn report(label: &str, word: &str, frames: &[String], venue: &Arc<dyn Venue>, rounds: usize) {
    let names = names(frames);
    let mut out = Decoded::default();
    let mut figures: [Vec<f64>; 3] = Default::default();
    for _ in 0..rounds {
        figures[0].push(timed(frames, |frame| {
            out.clear();
            venue.decode(LineId { slot: 0, dial: 0 }, frame, &names, &mut out).unwrap();
            black_box(&out.items);
        }));
        figures[1].push(timed(frames, |frame| typed(frame, word, &names, &mut out, &Sonic)));
        figures[2].push(timed(frames, |frame| typed(frame, word, &names, &mut out, &Serde)));
    }
    let [ours, sonic, serde] = figures.map(|mut list| {
        list.sort_by(f64::total_cmp);
        list[list.len() / 2]
    });
    let bytes = frames.iter().map(String::len).sum::<usize>() / frames.len();
    let ratio = sonic / ours;
    println!("{label:<28} {:>7} {bytes:>6} {ours:>9.1} {sonic:>9.1} {serde:>9.1} {ratio:>7.2}", frames.len());
}

/// Nanoseconds of CPU per frame: all frames over and over for at least 50 ms. Time spent by others on the
/// same processor does not count.
fn timed(frames: &[String], mut decode: impl FnMut(&[u8])) -> f64 {
    let (start, before) = (Instant::now(), cpu::used_ns().unwrap());
    let mut count = 0u32;
    while start.elapsed().as_millis() < 50 {
        for frame in frames {
            decode(black_box(frame.as_bytes()));
        }
        count += 1;
    }
    (cpu::used_ns().unwrap() - before) as f64 / f64::from(count) / frames.len() as f64
}

/// A parser that fills a type.
trait Parser {
    fn parse<'a, T: Deserialize<'a>>(&self, frame: &'a [u8]) -> T;
}

struct Sonic;
struct Serde;

impl Parser for Sonic {
    fn parse<'a, T: Deserialize<'a>>(&self, frame: &'a [u8]) -> T {
        sonic_rs::from_slice(frame).unwrap()
    }
}

impl Parser for Serde {
    fn parse<'a, T: Deserialize<'a>>(&self, frame: &'a [u8]) -> T {
        serde_json::from_slice(frame).unwrap()
    }
}

#[derive(Deserialize)]
struct Combined<'a, T> {
    stream: &'a str,
    data: T,
}

#[derive(Deserialize)]
#[allow(non_snake_case, reason = "the venue's words")]
struct RawTrade<'a> {
    #[serde(alias = "a")]
    t: Option<u64>,
    p: &'a str,
    q: &'a str,
    T: i64,
    m: bool,
    f: Option<u64>,
    l: Option<u64>,
}

#[derive(Deserialize)]
#[allow(non_snake_case, reason = "the venue's words")]
struct RawQuote<'a> {
    u: u64,
    b: &'a str,
    B: &'a str,
    a: &'a str,
    A: &'a str,
    T: Option<i64>,
}

#[derive(Deserialize)]
#[allow(non_snake_case, reason = "the venue's words")]
struct RawDepth<'a> {
    U: u64,
    u: u64,
    pu: Option<u64>,
    E: i64,
    #[serde(borrow)]
    b: Vec<(&'a str, &'a str)>,
    a: Vec<(&'a str, &'a str)>,
}

/// The usual way: fill a type, then convert it into the event.
fn typed<P: Parser>(frame: &[u8], word: &str, names: &Names, out: &mut Decoded, parser: &P) {
    out.clear();
    let decimal = |text: &str| Decimal::parse(text.as_bytes()).unwrap();
    let topic_of = |stream: &str| names.get(stream.as_bytes()).unwrap();
    let side = |maker| if maker { Side::Sell } else { Side::Buy };
    let item = match word {
        "bookTicker" => {
            let Combined { stream, data } = parser.parse::<Combined<'_, RawQuote<'_>>>(frame);
            let (bid, bid_size) = (decimal(data.b), decimal(data.B));
            let (ask, ask_size) = (decimal(data.a), decimal(data.A));
            let quote = Data::Quote(Quote { bid, bid_size, ask, ask_size, venue_id: Some(data.u) });
            market(topic_of(stream), data.u, data.T, quote)
        }
        "depth" => {
            let Combined { stream, data } = parser.parse::<Combined<'_, RawDepth<'_>>>(frame);
            for (price, size) in data.b.iter().chain(&data.a) {
                out.levels.push(Level { price: decimal(price), size: decimal(size) });
            }
            Item::Depth {
                topic: topic_of(stream),
                time: Some(Unix::from_millis(data.E)),
                span: Span { first: data.U, last: data.u, previous: data.pu },
                levels: 0..out.levels.len() as u32,
                bids: data.b.len() as u32,
            }
        }
        _ => {
            let Combined { stream, data } = parser.parse::<Combined<'_, RawTrade<'_>>>(frame);
            let (price, size, id) = (decimal(data.p), decimal(data.q), data.t.unwrap());
            let trade = match (data.f, data.l) {
                (Some(first_id), Some(last_id)) => {
                    Data::AggTrade(AggTrade { id, price, size, side: side(data.m), first_id, last_id })
                }
                _ => Data::Trade(Trade { id, price, size, side: side(data.m) }),
            };
            market(topic_of(stream), id, Some(data.T), trade)
        }
    };
    out.items.push(item);
    black_box(&out.items);
}

fn market(topic: TopicId, id: u64, time: Option<i64>, data: Data) -> Item {
    Item::Market { topic, id, time: time.map(Unix::from_millis), data }
}

/// Every stream that occurs, as the venue names it.
fn names(frames: &[String]) -> Names {
    let mut names = Names::default();
    for frame in frames {
        let stream = frame.split('"').nth(3).unwrap();
        if names.get(stream.as_bytes()).is_none() {
            names.insert(stream, TopicId(0));
        }
    }
    names
}

/// Up to 20,000 frames of one kind from a recording.
fn recorded(folder: &str, word: &str) -> Option<Vec<String>> {
    let captures = std::env::var_os("TAPELINE_CAPTURES").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/captures"),
        PathBuf::from,
    );
    let file = std::fs::File::open(captures.join("binance").join(folder).join("frames.ndjson.zst")).ok()?;
    let text = String::from_utf8(zstd::decode_all(file).ok()?).ok()?;
    let kind = |line: &str| line.split('"').nth(3)?.split('@').nth(1).map(|found| found == word);
    Some(text.lines().filter(|line| kind(line) == Some(true)).take(20_000).map(str::to_owned).collect())
}

/// Frames of the same shape with invented values.
fn invented(word: &str) -> Vec<String> {
    let payload = |n: u64| match word {
        "bookTicker" => format!(
            r#"{{"u":{},"s":"BTCUSDT","b":"61837.63000000","B":"3.{:05}000","a":"61837.64000000","A":"1.54698000"}}"#,
            50_093_239_212 + n,
            n
        ),
        "depth" => {
            let level = |k: u64| {
                format!(r#"["618{:02}.{:02}000000","{}.{:05}000"]"#, k % 100, (n + k) % 100, k % 7, n)
            };
            let side = |from: u64| (from..from + 15).map(level).collect::<Vec<_>>().join(",");
            let (first, last) = (50_093_239_189 + 100 * n, 50_093_239_288 + 100 * n);
            let (bids, asks) = (side(10), side(40));
            format!(
                r#"{{"e":"depthUpdate","E":1723161255208,"s":"BTCUSDT","U":{first},"u":{last},"pu":{},"b":[{bids}],"a":[{asks}]}}"#,
                first - 1
            )
        }
        kind => {
            let (key, covered) = if kind == "trade" { ("t", "") } else { ("a", r#""f":1,"l":2,"#) };
            format!(
                r#"{{"e":"{kind}","E":1723161255343,"s":"BTCUSDT","{key}":{},"p":"61837.63000000","q":"0.{:05}000",{covered}"T":1723161255342,"m":true,"M":true}}"#,
                3_735_683_259 + n,
                n + 1
            )
        }
    };
    (0..5_000).map(|n| format!(r#"{{"stream":"btcusdt@{word}","data":{}}}"#, payload(n))).collect()
}
