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

#[test]
fn what_needs_a_key_needs_a_good_one() {
    let target = "/fapi/v1/historicalTrades?symbol=BTCUSDT&fromId=1&limit=2";
    let futures = |known: Option<String>| {
        house(|options| {
            *options = HouseOptions::new(MarketOptions::new(true));
            options.key = known;
        })
    };
    let (right, wrong) = ("k".repeat(64), "w".repeat(64));
    let ask = |known: Option<&String>, key: Option<&str>| {
        let mut house = futures(known.cloned());
        let reply = house.request_with_key(60 * SECOND, HERE, target, key);
        assert_eq!(reply.header("x-mbx-used-weight-1m"), Some("20"), "it costs either way");
        (reply.status, json(&reply.body)["code"].as_i64())
    };
    assert_eq!(ask(None, None), (401, Some(-2014)));
    assert_eq!(ask(None, Some("short")), (401, Some(-2014)));
    assert_eq!(ask(Some(&right), Some(&wrong)), (401, Some(-2015)));
    assert_eq!(ask(Some(&right), Some(&right)), (200, None));
    assert_eq!(ask(None, Some(&wrong)), (200, None));
    // Spot tells everybody.
    let spot = "/api/v3/historicalTrades?symbol=BTCUSDT&limit=2";
    assert_eq!(get(&mut house(|_| {}), 60 * SECOND, spot).status, 200);
}

#[test]
fn lists_and_prices_are_refused_in_the_venues_words() {
    for (target, code) in [
        ("historicalTrades?symbol=NOSUCH", -1121),
        ("historicalTrades?symbol=BTCUSDT&fromId=x", -1130),
        ("historicalBlockTrades?symbol=BTCUSDT", -1102),
        ("trades?symbol=BTCUSDT&limit=0", -1130),
        ("klines?symbol=BTCUSDT", -1102),
        ("klines?symbol=BTCUSDT&interval=7m", -1120),
        ("klines?symbol=BTCUSDT&interval=1d&timeZone=8", -1130),
        ("klines?symbol=BTCUSDT&interval=1m&startTime=soon", -1130),
        ("ticker/24hr?symbol=BTCUSDT&symbols=[\"ETHUSDT\"]", -1128),
        ("ticker/24hr?symbols=[]", -1130),
        ("ticker/24hr?symbols=[\"NOSUCH\"]", -1121),
        ("ticker/24hr?symbol=BTCUSDT&type=LONG", -1130),
        ("ticker/price?symbol=NOSUCH", -1121),
        ("ticker", -1102),
        ("ticker?symbol=BTCUSDT&windowSize=8d", -1130),
        ("avgPrice", -1102),
        ("referencePrice?symbol=NOSUCH", -1121),
    ] {
        let mut house = house(|_| {});
        let reply = get(&mut house, SECOND, &format!("/api/v3/{target}"));
        let said = (reply.status, json(&reply.body)["code"].as_i64());
        assert_eq!(said, (400, Some(code)), "{target}");
    }
    let mut house = house(|options| *options = HouseOptions::new(MarketOptions::new(true)));
    let mixed = get(&mut house, SECOND, "/fapi/v1/aggTrades?symbol=BTCUSDT&fromId=1&startTime=1");
    assert_eq!(json(&mixed.body)["code"], -1128);
    for target in
        ["/fapi/v1/avgPrice?symbol=BTCUSDT", "/fapi/v1/ticker?symbol=BTCUSDT", "/api/v3/premiumIndex"]
    {
        assert_eq!(get(&mut house, SECOND, target).status, 404, "{target}");
    }
}

#[test]
fn aggregates_can_be_asked_for_by_time_and_candles_too() {
    let mut house = house(|_| {});
    let now = 120 * SECOND;
    let ask = |house: &mut House, query: &str| {
        let reply = get(house, now, &format!("/api/v3/{query}"));
        json(&reply.body).as_array().unwrap().clone()
    };
    let (since, until) = (house.unix_ms() + 30_000, house.unix_ms() + 60_000);
    let between = ask(&mut house, &format!("aggTrades?symbol=BTCUSDT&startTime={since}&endTime={until}"));
    assert!(between.len() > 20);
    let inside = |row: &Value| (since..=until).contains(&row["T"].as_u64().unwrap());
    assert!(between.iter().all(inside));
    let first = between[0]["a"].as_u64().unwrap();
    let before = ask(&mut house, &format!("aggTrades?symbol=BTCUSDT&fromId={}&limit=1", first - 1));
    assert!(!inside(&before[0]), "the one before is older");
    let newest = ask(&mut house, &format!("aggTrades?symbol=BTCUSDT&endTime={until}&limit=2"));
    assert_eq!(newest, between[between.len() - 2..]);
    let bars = ask(&mut house, &format!("klines?symbol=BTCUSDT&interval=1m&endTime={since}"));
    assert_eq!(bars.len(), 1, "only one has opened by then: {bars:?}");
}

#[test]
fn prices_of_some_or_all_are_those_of_each() {
    let mut house = house(|_| {});
    let now = 90 * SECOND;
    for path in ["ticker/24hr", "ticker/price", "ticker/bookTicker"] {
        let mut ask = |query: &str| json(&get(&mut house, now, &format!("/api/v3/{path}{query}")).body);
        let singles = [ask("?symbol=BTCUSDT"), ask("?symbol=ETHUSDT")];
        assert_eq!(ask(""), Value::from(singles.to_vec()), "{path}");
        assert_eq!(ask("?symbols=[%22ETHUSDT%22]"), Value::from(vec![singles[1].clone()]), "{path}");
    }
    let truth = house.truth("BTCUSDT", None).unwrap();
    let quote = json(&get(&mut house, now, "/api/v3/ticker/bookTicker?symbol=BTCUSDT").body);
    assert_eq!(
        (&quote["bidPrice"], &quote["askPrice"]),
        (&truth.bids[0].0.clone().into(), &truth.asks[0].0.clone().into())
    );
    let last = json(&get(&mut house, now, "/api/v3/trades?symbol=BTCUSDT&limit=1").body);
    let price = json(&get(&mut house, now, "/api/v3/ticker/price?symbol=BTCUSDT").body);
    assert_eq!(price["price"], last[0]["price"]);
    // A window of a day is the sum that the day's ticker tells, and an hour's is less.
    let mut ask = |query: &str| json(&get(&mut house, now, &format!("/api/v3/ticker{query}")).body);
    let (day, whole) = (ask("?symbol=BTCUSDT&windowSize=1d"), ask("/24hr?symbol=BTCUSDT"));
    for key in ["volume", "count", "openPrice", "highPrice", "lowPrice", "lastPrice", "firstId", "lastId"] {
        assert_eq!(day[key], whole[key], "{key}");
    }
    let hour = ask("?symbol=BTCUSDT&windowSize=1h");
    assert!(hour["count"].as_u64() < day["count"].as_u64() && hour["closeTime"] == day["closeTime"]);
    let mini = ask("/24hr?symbol=BTCUSDT&type=MINI");
    assert!(mini["lastQty"].is_null() && mini["volume"] == whole["volume"]);
}

#[test]
fn what_the_tape_has_lost_is_left_out_and_not_made_up() {
    let mut house = house(|options| (options.market.truth, options.market.trades) = (100, 100));
    house.advance(60 * SECOND);
    let ask = |house: &mut House, path: &str| {
        let reply = get(house, 60 * SECOND, &format!("/api/v3/{path}?symbol=BTCUSDT&fromId=1&limit=1000"));
        json(&reply.body).as_array().unwrap().clone()
    };
    let trades = ask(&mut house, "historicalTrades");
    assert_eq!(trades.len(), 100);
    let aggregates = ask(&mut house, "aggTrades");
    assert!(aggregates[0]["f"].as_u64() > trades[0]["id"].as_u64(), "the first may have lost its beginning");
    assert_eq!(aggregates.last().unwrap()["l"], trades[99]["id"]);
}

#[test]
fn every_reply_is_dated_by_the_house() {
    let mut house = house(|_| {});
    let reply = get(&mut house, 61 * SECOND, "/api/v3/ping");
    assert_eq!(reply.header("date"), Some("Mon, 05 Jan 2026 12:01:01 GMT"));
}
