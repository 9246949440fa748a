//! `tapeline watch` in a pipe, against a generated market.

use serde_json::Value;

use crate::process::{Running, dead_port, simulator, watch};

fn envelope(line: &str) -> Value {
    let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    for key in ["type", "topic", "epoch", "received", "source"] {
        assert!(value[key].is_string(), "{key} in {line}");
    }
    assert!(value["offset"].is_u64() && value["data"].is_object(), "{line}");
    value
}

#[test]
fn every_line_is_an_envelope_and_events_have_contiguous_offsets_and_ids() {
    let (_simulator, port) = simulator(&["--rate", "200"]);
    let watch = Running::start(&mut watch(port, &["binance:trade:BTCUSDT", "--json"]));
    let mut last: Option<(u64, u64)> = None;
    let mut trades = 0;
    while trades < 50 {
        let value = envelope(&watch.line());
        if value["type"] != "event" {
            continue;
        }
        let offset = value["offset"].as_u64().unwrap();
        let id: u64 = value["data"]["id"].as_str().unwrap().parse().unwrap();
        if let Some(last) = last {
            assert_eq!((offset, id), (last.0 + 1, last.1 + 1));
        }
        last = Some((offset, id));
        trades += 1;
    }
}

#[test]
fn a_pipe_gets_lines_of_several_topics_and_books_become_live() {
    let (_simulator, port) = simulator(&[]);
    // Without --json: a pipe is not a terminal. The venue's own word and case are understood.
    let watch = Running::start(&mut watch(port, &["binance:bookTicker:ethusdt", "binance:book:BTCUSDT"]));
    let book = watch.line_where(|line| line.contains("\"snapshot\"") && line.contains("\"state\":\"live\""));
    let book = envelope(&book);
    assert_eq!(book["topic"], "binance:book:BTCUSDT");
    assert!(book["data"]["bids"].as_array().unwrap().len() > 10);
    let quote = watch.line_where(|line| line.contains("binance:quote:ETHUSDT") && line.contains("\"bid\""));
    assert!(envelope(&quote)["data"]["ask"].is_string());
}

#[test]
fn every_update_is_delivered_unmerged_on_request() {
    let (_simulator, port) = simulator(&["--rate", "400"]);
    let watch = Running::start(&mut watch(port, &["binance:book:BTCUSDT", "--delivery", "every"]));
    let first = envelope(&watch.line_where(|line| line.contains("\"delta\"")));
    let mut offset = first["offset"].as_u64().unwrap();
    for _ in 0..100 {
        let next = envelope(&watch.line());
        assert!(next.get("merged").is_none());
        if next["type"] == "delta" && next["epoch"] == first["epoch"] {
            offset += 1;
            assert_eq!(next["offset"].as_u64(), Some(offset));
        }
    }
}

#[test]
fn lost_deltas_make_the_book_stale_in_band_and_then_right_again() {
    let (_simulator, port) = simulator(&["--rate", "100", "--drop", "BTCUSDT:40"]);
    let watch = Running::start(&mut watch(port, &["binance:book:BTCUSDT", "--delivery", "every"]));
    let live = envelope(
        &watch.line_where(|line| line.contains("\"snapshot\"") && line.contains("\"state\":\"live\"")),
    );
    let stale = envelope(&watch.line_where(|line| line.contains("\"state\":\"stale\"")));
    assert_eq!((&stale["type"], &stale["epoch"]), (&"delta".into(), &live["epoch"]));
    assert_eq!(stale["data"]["bids"].as_array().map(Vec::len), Some(0));
    let again = envelope(&watch.line_where(|line| line.contains("\"snapshot\"")));
    assert_eq!(again["data"]["state"], "live");
    assert_ne!(again["epoch"], live["epoch"]);
}

#[test]
fn signals_end_it_with_their_codes() {
    let (_simulator, port) = simulator(&[]);
    for (signal, code) in [("INT", 130), ("TERM", 0)] {
        let mut watch = Running::start(&mut watch(port, &["binance:trade:BTCUSDT"]));
        watch.line();
        watch.signal(signal);
        assert_eq!(watch.code(), Some(code), "after {signal}");
    }
}

#[test]
fn a_reader_that_goes_ends_it_quietly() {
    let (_simulator, port) = simulator(&[]);
    let mut watch = Running::start(&mut watch(port, &["binance:quote:BTCUSDT"]));
    watch.line();
    watch.close_stdout();
    assert_eq!(watch.code(), Some(0));
}

#[test]
fn an_unreachable_venue_is_told_with_endpoint_reason_and_next_attempt() {
    let port = dead_port();
    let mut watch = Running::start(&mut watch(port, &["binance:trade:BTCUSDT"]));
    let told = watch.told(|line| line.contains("cannot be used"));
    assert!(told.contains(&format!("ws://127.0.0.1:{port}")), "{told}");
    assert!(told.contains("refused") && told.contains("attempt "), "{told}");
    watch.signal("INT");
    assert_eq!(watch.code(), Some(130));
}

#[test]
fn a_symbol_that_the_venue_refuses_is_told_and_disturbs_nobody() {
    let (_simulator, port) = simulator(&[]);
    let watch = Running::start(&mut watch(port, &["binance:book:NOPEUSDT", "binance:trade:BTCUSDT"]));
    watch.told(|line| line.contains("binance:book:NOPEUSDT: refused by the venue"));
    watch.line_where(|line| line.contains("binance:trade:BTCUSDT") && line.contains("\"event\""));
}

#[test]
fn a_pattern_that_matches_nothing_says_so_and_one_beside_topics_does_not() {
    let (_simulator, port) = simulator(&[]);
    let lonely = Running::start(&mut watch(port, &["binance:trade:*", "--json"]));
    let told = lonely.told(|line| line.contains("binance:trade:*"));
    assert!(told.starts_with("tapeline: binance:trade:* matches no topic yet"), "{told}");
    let arguments = ["binance:trade:*", "binance:trade:BTCUSDT", "binance:book:*"];
    let mut mixed = Running::start(&mut watch(port, &arguments));
    mixed.line_where(|line| line.contains("\"event\""));
    let told = mixed.told(|line| line.contains("matches no topic"));
    assert!(told.starts_with("tapeline: binance:book:*"), "{told}");
    mixed.close_stdout();
}
