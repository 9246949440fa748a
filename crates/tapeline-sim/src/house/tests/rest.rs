//! Troubles with the REST side, and what it serves.

use super::*;
use std::time::Duration;

const DEPTH: &str = "/api/v3/depth?symbol=BTCUSDT&limit=1000";

#[test]
fn replies_are_harmed_as_the_names_say() {
    type Claim = fn(&Reply) -> bool;
    let claims: [(&str, u16, Claim); 11] = [
        ("status", 500, |reply| json(&reply.body)["code"] == -1000),
        ("status code=502", 502, |_| true),
        ("firewall", 403, |reply| reply.body.starts_with(b"<html>")),
        ("html", 200, |reply| reply.header("content-type") == Some("text/html")),
        ("teapot", 418, |reply| reply.header("retry-after") == Some("120")),
        ("geo-block", 451, |_| true),
        ("too-many by=30s", 429, |reply| reply.header("retry-after") == Some("30")),
        ("too-many-unsaid", 429, |reply| reply.header("retry-after").is_none()),
        ("busy", 503, |reply| json(&reply.body)["code"] == -1008),
        ("slow by=9s", 200, |reply| reply.after == Duration::from_secs(9)),
        ("half-body", 200, |reply| reply.cut && json(&reply.body)["bids"].is_array()),
    ];
    for (line, status, claim) in claims {
        let mut house = house(|_| {});
        order(&mut house, 0, &format!("{line} nth=2"));
        assert_eq!(get(&mut house, 1, DEPTH).status, 200);
        let reply = get(&mut house, 2, DEPTH);
        assert!(reply.status == status && claim(&reply), "{line}: {reply:?}");
        let kind = line.split(' ').next().unwrap();
        assert_eq!(house.report().troubles[kind], 1);
        // A ban goes on, everything else is over.
        assert_eq!(get(&mut house, 3, DEPTH).status, if line == "teapot" { 418 } else { 200 });
    }
}

#[test]
fn a_host_can_be_unreachable_while_its_backup_answers() {
    let mut house = house(|_| {});
    order(&mut house, 0, "unreachable host=api.example");
    let ask = |house: &mut House, host: &str| get(house, 1, &format!("https://{host}{DEPTH}")).status;
    assert_eq!(ask(&mut house, "api.example"), Reply::NO_CONNECTION);
    assert_eq!(ask(&mut house, "api1.example"), 200);
    assert_eq!(house.report().snapshots_failed, 0);
}

#[test]
fn requests_during_a_hold_are_counted() {
    let mut house = house(|_| {});
    order(&mut house, 0, "too-many by=10s times=1");
    for second in [0, 4, 9, 10] {
        get(&mut house, second * SECOND, DEPTH);
    }
    assert_eq!(house.report().asked_while_held, 2);
}

/// The snapshot that is served under a trouble, beside the ids of the depth frames around it.
fn served(line: &str) -> (House, Value, Vec<(u64, u64)>) {
    let mut house = house(|_| {});
    let socket = house.connect(0, HERE, "/ws/btcusdt@depth@100ms").unwrap();
    let at = 40 * SECOND + 30_000_000;
    order(&mut house, 0, line);
    let body = json(&get(&mut house, at, DEPTH).body);
    house.advance(at + SECOND);
    let ids = |text: &Bytes| {
        let value = json(text);
        (value["U"].as_u64().unwrap(), value["u"].as_u64().unwrap())
    };
    let frames = texts(&mut house, socket).iter().map(ids).collect();
    (house, body, frames)
}

#[test]
fn snapshots_end_where_they_are_told_to() {
    let (house, edge, frames) = served("edge");
    let id = edge["lastUpdateId"].as_u64().unwrap();
    assert!(frames.iter().any(|(first, _)| *first == id + 1), "{id}");
    assert_eq!(edge["bids"], serde_json::json!(house.truth("BTCUSDT", Some(id)).unwrap().bids));
    let (_, inside, frames) = served("straddle");
    let id = inside["lastUpdateId"].as_u64().unwrap();
    assert!(frames.iter().any(|(first, last)| *first <= id && id < *last), "{id} {frames:?}");
}

#[test]
fn a_stale_snapshot_is_true_for_its_time() {
    let (house, stale, frames) = served("stale");
    let id = stale["lastUpdateId"].as_u64().unwrap();
    let place = frames.iter().position(|(_, last)| *last == id).unwrap();
    // Ten frames a second, and a little jitter where nothing changed.
    assert!((80..=110).contains(&place), "{place}: 30 s before 40 s");
    assert_eq!(stale["asks"], serde_json::json!(house.truth("BTCUSDT", Some(id)).unwrap().asks));
}

#[test]
fn snapshots_may_be_empty_or_of_another_symbol() {
    let (_, empty, _) = served("empty-snapshot");
    assert_eq!((&empty["bids"], &empty["asks"]), (&serde_json::json!([]), &serde_json::json!([])));
    let (house, other, _) = served("other-symbol");
    let id = other["lastUpdateId"].as_u64();
    assert_eq!(other["bids"], serde_json::json!(house.truth("ETHUSDT", id).unwrap().bids));
}

#[test]
fn update_ids_start_again_and_everything_agrees_about_it() {
    let mut house = house(|_| {});
    let socket = house.connect(0, HERE, "/ws/btcusdt@depth@100ms").unwrap();
    house.advance(10 * SECOND);
    let before = house.truth("BTCUSDT", None).unwrap();
    order(&mut house, 10 * SECOND, "restart symbol=BTCUSDT");
    let _ = texts(&mut house, socket);
    house.advance(11 * SECOND);
    let first = json(&texts(&mut house, socket)[0]);
    assert!(first["U"].as_u64().unwrap() < 3_000, "{first}");
    let body = json(&get(&mut house, 12 * SECOND, DEPTH).body);
    let id = body["lastUpdateId"].as_u64().unwrap();
    assert!(id < 5_000);
    assert_eq!(body["bids"], serde_json::json!(house.truth("BTCUSDT", Some(id)).unwrap().bids));
    assert_eq!(house.truth("BTCUSDT", Some(before.id)), Some(before), "the time before is not forgotten");
}

#[test]
fn trades_by_rest_are_those_of_the_stream() {
    let mut house = house(|_| {});
    let target = "/stream?streams=btcusdt@trade/btcusdt@aggTrade";
    let socket = house.connect(0, HERE, target).unwrap();
    house.advance(60 * SECOND);
    let told: Vec<Value> = texts(&mut house, socket).iter().map(|text| json(text)["data"].clone()).collect();
    let trades: Vec<&Value> = told.iter().filter(|data| data["e"] == "trade").collect();
    let rest = json(&get(&mut house, 60 * SECOND, "/api/v3/trades?symbol=BTCUSDT&limit=3").body);
    for (row, trade) in rest.as_array().unwrap().iter().zip(&trades[trades.len() - 3..]) {
        assert_eq!((&row["id"], &row["price"], &row["qty"]), (&trade["t"], &trade["p"], &trade["q"]));
        assert_eq!((&row["time"], &row["isBuyerMaker"]), (&trade["T"], &trade["m"]));
    }
    let aggregates: Vec<&Value> = told.iter().filter(|data| data["e"] == "aggTrade").collect();
    let from = &aggregates[5]["a"];
    let rest = json(
        &get(&mut house, 60 * SECOND, &format!("/api/v3/aggTrades?symbol=BTCUSDT&fromId={from}&limit=4"))
            .body,
    );
    for (row, aggregate) in rest.as_array().unwrap().iter().zip(&aggregates[5..9]) {
        for key in ["a", "p", "q", "f", "l", "T", "m"] {
            assert_eq!(row[key], aggregate[key], "{key}");
        }
    }
    let quote = json(&get(&mut house, 60 * SECOND, "/api/v3/ticker/bookTicker?symbol=BTCUSDT").body);
    assert_eq!(quote["bidPrice"], house.truth("BTCUSDT", None).unwrap().bids[0].0);
    let info = json(&get(&mut house, 60 * SECOND, "/api/v3/exchangeInfo").body);
    assert_eq!(
        (info["symbols"][0]["filters"][0]["tickSize"].as_str(), info["rateLimits"][0]["limit"].as_u64()),
        (Some("0.01"), Some(6_000))
    );
}
