//! How Binance is dialled, asked and subscribed to.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::time::Duration;

use serde_json::Value;
use tapeline_core::data::topic::Topic;
use tapeline_core::venue::{Change, Fetch, Request};
use tapeline_venues::by_id;

fn topic(text: &str) -> Topic {
    Topic::parse(text).unwrap()
}

#[track_caller]
fn check_dial(id: &str, group: &str, origin: &str, expected: &str) {
    let venue = by_id(id).unwrap();
    let number = venue.profile().groups.iter().position(|known| known.name == group).unwrap();
    let request = venue.dial(number as u8, origin, &[], None);
    assert_eq!(request.url, expected);
    assert!(request.headers.is_empty() && request.subprotocols.is_empty());
    assert!(request.deflate && request.max_message >= 5 << 20);
}

#[test]
fn an_origin_may_have_a_path_of_its_own() {
    check_dial("binance", "stream", "wss://stream.binance.com:9443", "wss://stream.binance.com:9443/stream");
    check_dial("binance", "stream", "ws://127.0.0.1:8490/spot/", "ws://127.0.0.1:8490/spot/stream");
    check_dial(
        "binance-usdm",
        "public",
        "wss://fstream.binance.com",
        "wss://fstream.binance.com/public/stream",
    );
    check_dial("binance-usdm", "market", "ws://127.0.0.1:1/usdm", "ws://127.0.0.1:1/usdm/market/stream");
}

#[track_caller]
fn check_fetch(text: &str, origin: &str, expected: Option<(&str, u32)>) {
    let topic = topic(text);
    let request = by_id(topic.venue()).unwrap().fetch(Fetch::Snapshot, origin, &topic);
    assert_eq!(request.as_ref().map(|request| (request.url.as_str(), request.weight)), expected, "{text}");
}

#[test]
fn snapshots_name_their_symbol_limit_and_price() {
    check_fetch(
        "binance:book:BTCUSDT",
        "https://api.binance.com",
        Some(("https://api.binance.com/api/v3/depth?symbol=BTCUSDT&limit=1000", 50)),
    );
    check_fetch(
        "binance-usdm:book:BTCUSDT_210625",
        "http://127.0.0.1:1/rest/",
        Some(("http://127.0.0.1:1/rest/fapi/v1/depth?symbol=BTCUSDT_210625&limit=1000", 20)),
    );
    check_fetch(
        "binance:book:币USDT",
        "https://api.binance.com",
        Some(("https://api.binance.com/api/v3/depth?symbol=%E5%B8%81USDT&limit=1000", 50)),
    );
    check_fetch("binance:trade:BTCUSDT", "https://api.binance.com", None);
}

fn requests(added: &[&str], removed: &[&str]) -> Vec<Request> {
    let mut out = Vec::new();
    let change = Change { group: 0, added, removed, wanted: added, first_id: 40 };
    by_id("binance").unwrap().requests(&change, &mut out);
    out
}

#[test]
fn streams_are_asked_for_in_batches_after_others_were_left() {
    let names: Vec<String> = (0..250).map(|n| format!("s{n}@trade")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let out = requests(&names, &["x@trade", "y@trade"]);
    let shape: Vec<(u64, usize, usize)> =
        out.iter().map(|request| (request.id, request.removed.len(), request.added.len())).collect();
    assert_eq!(shape, [(40, 2, 0), (41, 0, 100), (42, 0, 100), (43, 0, 50)]);
    assert_eq!(out[0].text, r#"{"method":"UNSUBSCRIBE","params":["x@trade","y@trade"],"id":40}"#);
    let said: Vec<String> = out[1..]
        .iter()
        .flat_map(|request| {
            let frame: Value = serde_json::from_str(&request.text).unwrap();
            assert_eq!((&frame["method"], &frame["id"]), (&"SUBSCRIBE".into(), &request.id.into()));
            frame["params"]
                .as_array()
                .unwrap()
                .iter()
                .map(|name| name.as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(said, names);
    assert!(out.iter().all(|request| request.text.len() <= 4_096));
}

#[test]
fn nothing_changed_is_nothing_said() {
    assert!(requests(&[], &[]).is_empty());
}

#[test]
fn only_arrays_and_mark_prices_are_always_sent() {
    let period = |text: &str| {
        let topic = topic(text);
        by_id(topic.venue()).unwrap().period(&topic)
    };
    let second = Some(Duration::from_secs(1));
    assert_eq!(period("binance:mini_ticker:!all"), second);
    assert_eq!(period("binance:ticker:!all@window=1h"), second);
    assert_eq!(period("binance-usdm:mark_price:BTCUSDT"), second);
    assert_eq!(period("binance-usdm:mark_price:!all"), second);
    for quiet in [
        "binance:mini_ticker:BTCUSDT",
        "binance:trade:BTCUSDT",
        "binance:book:BTCUSDT",
        "binance:candle:BTCUSDT@interval=1m",
        "binance-usdm:quote:!all",
        "binance-usdm:liquidation:!all",
    ] {
        assert_eq!(period(quiet), None, "{quiet}");
    }
}

#[test]
fn every_id_leads_to_its_adapter() {
    for id in tapeline_venues::ids() {
        assert_eq!(by_id(id).unwrap().profile().id, id);
    }
    assert!(by_id("bitmex").is_none());
}

#[test]
fn every_channel_promised_can_be_routed_into_a_group() {
    for id in tapeline_venues::ids() {
        let venue = by_id(id).unwrap();
        for promise in venue.profile().channels {
            let params = match promise.channel.name() {
                "candle" => "@interval=1m",
                "depth" => "@levels=5",
                _ => "",
            };
            let symbol = if promise.channel.name() == "contract_info" { "!all" } else { "ETHUSDT" };
            let topic = topic(&format!("{id}:{}:{symbol}{params}", promise.channel));
            let route = venue.route(&venue.canonical(topic).unwrap()).unwrap();
            assert!(usize::from(route.group) < venue.profile().groups.len());
        }
    }
}
