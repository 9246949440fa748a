//! State topics: books against the truth, conflation against what it stands for.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use tapeline_sim::{MarketOptions, Speed};

use crate::bench::{Bench, Book, Client, usual};

/// A book of the client's own equals the venue's true book at its id.
#[track_caller]
fn compare(bench: &Bench, book: &Book, id: &str, symbol: &str) -> bool {
    let Some(truth) = bench.venue.truth(symbol, id.parse().ok()) else { return false };
    for (side, (true_side, name)) in book.sides.iter().zip([(&truth.bids, "bids"), (&truth.asks, "asks")]) {
        let truth: BTreeMap<&str, &str> =
            true_side.iter().map(|(price, size)| (trim(price), trim(size))).collect();
        let ours: BTreeMap<&str, &str> =
            side.iter().map(|(price, size)| (price.as_str(), size.as_str())).collect();
        assert_eq!(ours, truth, "{symbol} {name} at {id}");
    }
    true
}

/// Without trailing zeros, as they are told.
fn trim(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

async fn books_are_true(market: MarketOptions, delivery: Value) -> (usize, u64) {
    let bench = Bench::with(usual(), market, |_| {}).await;
    let symbols = ["BTCUSDT", "ETHUSDT", "BNBUSDT"];
    let topics: Vec<String> = symbols.iter().map(|symbol| format!("binance:book:{symbol}")).collect();
    let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
    let mut client = bench.client().await;
    client.subscribe(&topics, delivery.clone()).await;
    let mut books: BTreeMap<String, Book> = BTreeMap::new();
    let (mut equal, mut merged) = (0, 0);
    while equal < 100 {
        let frame = client.next_of(&["snapshot", "delta"]).await;
        let symbol = frame["topic"].as_str().unwrap().rsplit(':').next().unwrap().to_owned();
        merged += u64::from(frame["merged"].is_number());
        let book = books.entry(symbol.clone()).or_default();
        book.apply(&frame);
        if book.state == "live" {
            equal += usize::from(compare(&bench, book, frame["data"]["venue_id"].as_str().unwrap(), &symbol));
        }
    }
    // One who comes late gets the same.
    let mut late = bench.client().await;
    late.subscribe(&topics[..1], delivery).await;
    let snapshot = late.next_of(&["snapshot"]).await;
    let mut book = Book::default();
    book.apply(&snapshot);
    for _ in 0..5 {
        let frame = late.next_of(&["delta"]).await;
        book.apply(&frame);
        assert!(compare(&bench, &book, frame["data"]["venue_id"].as_str().unwrap(), "BTCUSDT"));
    }
    (equal, merged)
}

#[tokio::test]
async fn a_book_of_every_update_is_the_venues_own_at_a_hundred_checkpoints() {
    let (equal, merged) = books_are_true(MarketOptions::default(), json!({"delivery": "every"})).await;
    assert_eq!(merged, 0);
    eprintln!("{equal} books equal to the truth");
}

#[tokio::test]
async fn a_conflated_book_is_the_venues_own_whenever_it_is_told() {
    // Four changes in each interval, as with the usual pace and 400 ms.
    let market = MarketOptions { speed: Speed::Times(4.0), ..MarketOptions::default() };
    let (equal, merged) = books_are_true(market, json!({"interval_ms": 100})).await;
    assert!(merged > 50, "{merged} frames stood for several");
    eprintln!("{equal} conflated books equal to the truth, {merged} of them merged");
}

#[tokio::test]
async fn conflated_quotes_end_where_the_others_end_and_count_what_they_stand_for() {
    let bench = Bench::new().await;
    let topic = "binance:quote:BTCUSDT";
    let (mut every, mut slow) = (bench.client().await, bench.client().await);
    every.subscribe(&[topic], json!({"delivery": "every"})).await;
    let mut all: BTreeMap<u64, Value> = BTreeMap::new();
    let first = every.next_of(&["snapshot"]).await;
    all.insert(first["offset"].as_u64().unwrap(), first["data"].clone());
    slow.subscribe(&[topic], json!({"interval_ms": 300})).await;
    let mut last: Option<u64> = None;
    let mut told = Vec::new();
    while told.len() < 8 {
        let frame = slow.next_of(&["snapshot", "delta"]).await;
        let offset = frame["offset"].as_u64().unwrap();
        if let Some(last) = last {
            assert_eq!(offset - last, frame["merged"].as_u64().unwrap_or(1), "{frame}");
        }
        last = Some(offset);
        told.push((offset, frame["data"].clone()));
    }
    let end = told.last().unwrap().0;
    while all.keys().next_back().is_none_or(|offset| *offset < end) {
        let frame = every.next_of(&["delta"]).await;
        assert!(frame["merged"].is_null());
        all.insert(frame["offset"].as_u64().unwrap(), frame["data"].clone());
    }
    for (offset, data) in told.iter().filter(|(offset, _)| *offset >= first["offset"].as_u64().unwrap()) {
        assert_eq!(all[offset], *data, "what is told is what was true at its offset");
    }
}

#[tokio::test]
async fn what_was_polled_or_fetched_says_so_to_clients() {
    let market = MarketOptions { rate: 100, ..MarketOptions::default() };
    let bench =
        Bench::with(usual(), market, |venue| venue.feed.timing.poll_every = Duration::from_secs(1)).await;
    let mut client = bench.client().await;
    client.subscribe(&["binance:trade:BTCUSDT", "binance:trade:ETHUSDT"], json!({})).await;
    let from = async |client: &mut Client, source: &str| loop {
        let frame = client.next_of(&["event"]).await;
        if frame["source"] == source {
            return frame;
        }
    };
    assert_eq!(from(&mut client, "live").await["data"]["late"], Value::Null);
    // One trade in ten is lost on the way: the venue has it still.
    let _ = bench.venue.trouble("for 2s drop one-in=10 seed=3".parse().unwrap());
    let repaired = from(&mut client, "repair").await;
    assert!(repaired["data"]["price"].is_string(), "{repaired}");
    let all = tapeline::Target::All;
    bench.hub.pin(&all, tapeline::Rung::Poll).await.unwrap();
    let polled = from(&mut client, "poll").await;
    assert!(polled["data"]["price"].is_string(), "{polled}");
    bench.hub.unpin(&all).await.unwrap();
    from(&mut client, "live").await;
}
