//! The venue when it behaves: sessions, limits, pings, determinism, consistency.

use super::*;
use crate::exchange::Temper;
use std::collections::BTreeSet;
use std::time::Duration;

#[test]
fn a_house_can_be_handed_to_another_thread() {
    fn needs_send<T: Send>(_: &T) {}
    needs_send(&house(|_| {}));
}

#[test]
fn the_size_of_the_steps_changes_nothing() {
    let run = |step: u64, seed: u64| {
        let mut house = house(|options| options.market.seed = seed);
        house.connect(0, HERE, "/stream?streams=btcusdt@depth@100ms/btcusdt@trade/ethusdt@kline_1m").unwrap();
        for line in ["drop one-in=9", "at 3s for 4s swap stream=btcusdt@trade", "at 20s shutdown by=2s"] {
            order(&mut house, 0, line);
        }
        let mut now = 0;
        let mut all = Vec::new();
        while now < 30 * SECOND {
            now += step;
            house.advance(now);
            all.extend(outputs(&mut house));
        }
        all
    };
    let fine = run(SECOND / 1_000, 1);
    assert!(fine.len() > 500 && fine.last().is_some_and(|(_, say)| *say == Say::Fin), "{}", fine.len());
    assert_eq!(fine, run(10 * SECOND, 1));
    assert_ne!(fine, run(10 * SECOND, 2));
}

#[test]
fn a_socket_hears_its_streams_pings_and_answers() {
    let mut house = house(|_| {});
    let socket = house.connect(0, HERE, "/ws").unwrap();
    house.receive(1, socket, Said::Text(r#"{"method":"SUBSCRIBE","params":["btcusdt@trade"],"id":1}"#));
    assert_eq!(outputs(&mut house), [(socket, Say::Text(r#"{"id":1,"result":null}"#.into()))]);
    house.advance(20 * SECOND);
    let said = said(&mut house, socket);
    assert!(matches!(&said[0], Say::Text(text) if text.starts_with(br#"{"e":"trade""#)));
    let Some(Say::Ping(payload)) = said.last() else { panic!("a ping after 20 s") };
    house.receive(21 * SECOND, socket, Said::Pong(payload));
    assert_eq!((house.report().pings, house.report().pongs), (1, 1));
    assert!(house.deadline().unwrap() < 22 * SECOND);
}

#[test]
fn pings_are_answered_and_a_socket_that_answers_none_is_cut_after_a_minute() {
    let mut house = house(|_| {});
    let socket = house.connect(0, HERE, "/ws").unwrap();
    house.receive(1, socket, Said::Ping(b"x"));
    assert_eq!(said(&mut house, socket), [Say::Pong(Bytes::from_static(b"x"))]);
    // An unsolicited pong is no answer.
    house.receive(70 * SECOND, socket, Said::Pong(b""));
    house.advance(80 * SECOND - 1);
    assert_eq!(said(&mut house, socket).len(), 3, "pings at 20, 40 and 60 s");
    house.advance(80 * SECOND);
    assert!(said(&mut house, socket).contains(&Say::Fin));
    assert_eq!((house.report().closed_for_silence, house.report().open), (1, 0));
}

#[test]
fn the_sixth_message_in_a_second_closes_the_socket_and_repeated_offenders_are_refused() {
    let mut house = house(|_| {});
    for offence in 0..3 {
        let socket = house.connect(offence * SECOND, HERE, "/ws").unwrap();
        for _ in 0..6 {
            house.receive(offence * SECOND, socket, Said::Pong(b""));
        }
        let farewell = Say::Close { code: 1008, reason: "Too many requests" };
        assert_eq!(said(&mut house, socket), [farewell]);
    }
    let refusal = house.connect(60 * SECOND, HERE, "/ws").unwrap_err();
    assert_eq!(refusal.status, 429);
    assert!(house.connect(60 * SECOND, "127.0.0.9".parse().unwrap(), "/ws").is_ok(), "others are let in");
    assert!(house.connect(122 * SECOND, HERE, "/ws").is_ok(), "two minutes after the third offence");
    let report = house.report();
    assert_eq!((report.closed_for_rate, report.most_messages_in_a_second), (3, 6));
    assert_eq!((report.asked_while_held, report.most_connects_in_five_minutes), (1, 5));
    assert_eq!(report.messages_in_a_second[&1], 6);
}

#[test]
fn the_three_hundred_and_first_connect_in_five_minutes_is_refused() {
    let mut house = house(|_| {});
    for n in 0..300 {
        let socket = house.connect(n, HERE, "/ws").unwrap();
        house.gone(n, socket);
    }
    assert_eq!(house.connect(299 * SECOND, HERE, "/ws").unwrap_err().status, 429);
    assert!(house.connect(700 * SECOND, HERE, "/ws").is_ok());
}

#[test]
fn a_socket_is_warned_and_cut_at_the_end_of_its_lifetime() {
    let mut house = house(|options| {
        options.lifetime = Some(Duration::from_secs(24));
        options.shutdown_lead = Some(Duration::from_secs(4));
    });
    let socket = house.connect(0, HERE, "/stream").unwrap();
    house.advance(20 * SECOND);
    let warned = texts(&mut house, socket);
    assert!(warned[0].starts_with(br#"{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1"#));
    house.advance(24 * SECOND);
    assert_eq!(said(&mut house, socket), [Say::Fin]);
    assert_eq!(house.report().closed_for_age, 1);
}

#[test]
fn snapshots_are_the_truth_at_their_id() {
    let mut house = house(|_| {});
    let reply = get(&mut house, 5 * SECOND, "/api/v3/depth?symbol=BTCUSDT&limit=5000");
    let body = json(&reply.body);
    let truth = house.truth("BTCUSDT", body["lastUpdateId"].as_u64()).unwrap();
    assert_eq!(body["bids"], serde_json::json!(truth.bids));
    assert_eq!(reply.header("x-mbx-used-weight-1m"), Some("250"));
}

#[test]
fn every_speed_of_the_depth_stream_keeps_its_own_time_and_leads_to_the_same_book() {
    for (futures, names) in [
        (false, &[("btcusdt@depth@100ms", 600), ("btcusdt@depth", 60)][..]),
        (true, &[("btcusdt@depth@100ms", 600), ("btcusdt@depth", 240), ("btcusdt@depth@500ms", 120)]),
    ] {
        let market = MarketOptions { symbols: Symbol::ten(futures), ..MarketOptions::new(futures) };
        let mut house = House::new(HouseOptions::new(market));
        let base = if futures { "/public" } else { "" };
        for (name, most) in names {
            let socket = house.connect(house.now, HERE, &format!("{base}/ws/{name}")).unwrap();
            house.advance(house.now + 60 * SECOND);
            let frames = texts(&mut house, socket);
            assert!((most - most / 5..=*most).contains(&frames.len()), "{name}: {}", frames.len());
            let ids: Vec<(u64, u64, u64)> = frames
                .iter()
                .map(|frame| {
                    let value = json(frame);
                    let id = |key: &str| value[key].as_u64().unwrap_or(0);
                    (id("U"), id("u"), if futures { id("pu") } else { id("U") - 1 })
                })
                .collect();
            assert!(ids.windows(2).all(|pair| pair[1].2 == pair[0].1), "{name}");
            house.gone(house.now, socket);
        }
    }
}

#[test]
fn changes_and_trades_are_told_to_a_judge_in_order() {
    let mut house = house(|_| {});
    let before = house.truth("BTCUSDT", None).unwrap();
    house.advance(60 * SECOND);
    let after = house.truth("BTCUSDT", None).unwrap();
    let symbol = house.symbol("BTCUSDT").unwrap().clone();
    let price = |tick| crate::decimal::fixed(u128::from(tick), symbol.price_scale, symbol.price_text);
    let mut bids: BTreeSet<String> = before.bids.into_iter().map(|(price, _)| price).collect();
    for change in house.changes("BTCUSDT", before.id).unwrap() {
        match (change.side, change.lots) {
            (crate::Side::Bid, 0) => assert!(bids.remove(&price(change.tick))),
            (crate::Side::Bid, _) => _ = bids.insert(price(change.tick)),
            _ => {}
        }
    }
    assert_eq!(bids, after.bids.into_iter().map(|(price, _)| price).collect());
    let ids: Vec<u64> = house.trades("BTCUSDT", 0).unwrap().map(|trade| trade.id).collect();
    assert!(ids.len() > 200 && ids.windows(2).all(|pair| pair[1] == pair[0] + 1), "{}", ids.len());
    assert!(house.changes("BTCUSDT", 0).is_none(), "that is forgotten");
}

#[test]
fn a_quiet_symbol_trades_rarely_and_a_trending_one_leaves_its_first_book() {
    let mut symbols = Symbol::ten(false);
    symbols.truncate(2);
    symbols[0] = symbols[0].clone().with_temper(Temper::Quiet);
    symbols[1] = symbols[1].clone().with_temper(Temper::Trending);
    let market = MarketOptions { symbols, truth: 1 << 17, ..MarketOptions::default() };
    let mut house = House::new(HouseOptions::new(market));
    let first = house.truth("ETHUSDT", None).unwrap();
    house.advance(600 * SECOND);
    let count = |house: &House, symbol: &str| house.trades(symbol, 0).unwrap().count();
    assert!((3..60).contains(&count(&house, "BTCUSDT")), "{}", count(&house, "BTCUSDT"));
    let now = house.truth("ETHUSDT", None).unwrap();
    let number = |price: &str| price.parse::<f64>().unwrap();
    let (top, bottom) = (number(&first.asks.last().unwrap().0), number(&first.bids.last().unwrap().0));
    let best = number(&now.bids[0].0);
    assert!(best > top || best < bottom, "{bottom} {best} {top}");
}

#[test]
fn candles_of_every_interval_close_with_what_was_traded() {
    let mut house = house(|options| options.pong_within = Duration::from_secs(3_600));
    let socket = house
        .connect(0, HERE, "/ws/btcusdt@kline_1s/btcusdt@kline_1m/btcusdt@kline_5m/btcusdt@trade")
        .unwrap();
    house.advance(300 * SECOND);
    let mut traded = 0;
    let mut closed = std::collections::BTreeMap::<String, (u64, u64)>::new();
    for text in texts(&mut house, socket) {
        let value = json(&text);
        traded += u64::from(value["e"] == "trade");
        if value["k"]["x"] == true {
            let entry = closed.entry(value["k"]["i"].as_str().unwrap().to_owned()).or_default();
            *entry = (entry.0 + 1, entry.1 + value["k"]["n"].as_u64().unwrap());
        }
    }
    let candles: Vec<u64> = closed.values().map(|(candles, _)| *candles).collect();
    assert_eq!(candles, [5, 300, 1], "{closed:?}");
    assert!(closed.values().all(|(_, trades)| *trades == traded), "{traded} {closed:?}");
    let rest = json(&get(&mut house, 300 * SECOND, "/api/v3/klines?symbol=BTCUSDT&interval=1m&limit=6").body);
    let sum = |rows: &[Value]| rows.iter().map(|row| row[8].as_u64().unwrap()).sum::<u64>();
    assert_eq!((rest.as_array().unwrap().len(), sum(rest.as_array().unwrap())), (6, traded));
}

#[test]
fn times_are_told_in_microseconds_to_those_who_ask_for_it() {
    let mut house = house(|_| {});
    let fine = house.connect(0, HERE, "/stream?streams=btcusdt@trade&timeUnit=MICROSECOND").unwrap();
    let usual = house.connect(0, HERE, "/stream?streams=btcusdt@trade").unwrap();
    house.advance(10 * SECOND);
    let all = outputs(&mut house);
    let first = |socket| {
        let say = &all.iter().find(|(id, _)| *id == socket).unwrap().1;
        if let Say::Text(text) = say { json(text)["data"].clone() } else { panic!("{say:?}") }
    };
    for key in ["E", "T"] {
        assert_eq!(first(fine)[key].as_u64().unwrap(), first(usual)[key].as_u64().unwrap() * 1_000);
    }
    assert_eq!(first(fine)["t"], first(usual)["t"]);
}

#[test]
fn the_array_of_all_symbols_holds_one_that_is_not_ascii() {
    let mut house = house(|_| {});
    let socket = house.connect(0, HERE, "/ws/!miniTicker@arr").unwrap();
    house.advance(2 * SECOND);
    let array = json(&texts(&mut house, socket)[0]);
    assert_eq!(array.as_array().unwrap().last().unwrap()["s"], "币安人生USDT");
}

#[test]
fn a_stream_that_does_not_exist_or_is_spelled_in_capitals_is_acknowledged_and_mute() {
    let mut house = house(|_| {});
    let socket = house.connect(0, HERE, "/stream").unwrap();
    let names = r#""btcusdt@depth@500ms","BTCUSDT@trade","nosuch@trade","btcusdt@kline_7m""#;
    let request = format!(r#"{{"method":"SUBSCRIBE","params":[{names}],"id":1}}"#);
    house.receive(0, socket, Said::Text(&request));
    house.advance(19 * SECOND);
    assert_eq!(texts(&mut house, socket), [Bytes::from_static(br#"{"id":1,"result":null}"#)]);
}
