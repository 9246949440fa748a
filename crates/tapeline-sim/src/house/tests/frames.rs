//! Troubles with data frames: each one does what its name says, to whom it should, and is accounted for.

use super::*;

/// Two sockets on the same stream, a trouble for the first, and what both were told in a minute.
fn both(stream: &str, line: &str) -> (House, Vec<Say>, Vec<Bytes>) {
    let mut house = house(|_| {});
    let target = format!("/stream?streams={stream}");
    let (first, second) =
        (house.connect(0, HERE, &target).unwrap(), house.connect(0, HERE, &target).unwrap());
    order(&mut house, 0, &format!("{line} socket=1"));
    house.advance(59 * SECOND);
    let all = outputs(&mut house);
    let of = |socket: SocketId| {
        all.iter()
            .filter(move |(id, _)| *id == socket)
            .map(|(_, say)| say.clone())
            .filter(|say| !matches!(say, Say::Ping(_)))
    };
    let text = |say| if let Say::Text(text) = say { text } else { panic!("the second is spared: {say:?}") };
    let spared = of(second).map(text).collect();
    let struck = of(first).collect();
    (house, struck, spared)
}

fn text(say: &Say) -> &Bytes {
    if let Say::Text(text) = say { text } else { panic!("{say:?}") }
}

/// A trouble with every tenth depth frame: the frames of the one who has it beside those of the one who has not.
fn tenth(line: &str) -> (House, Vec<Say>, Vec<Bytes>) {
    let (house, struck, spared) = both("btcusdt@depth@100ms", &format!("{line} every=10"));
    assert!(spared.len() > 500);
    let kind = line.split(' ').next().unwrap();
    assert_eq!(house.report().troubles[kind], spared.len() as u64 / 10, "{kind} is accounted for");
    (house, struck, spared)
}

#[test]
fn a_trouble_with_a_host_strikes_those_that_called_it_and_nobody_else() {
    for (line, told) in [("stall", 0), ("freeze", 0), ("reset", 1)] {
        let mut house = house(|_| {});
        let call = |house: &mut House, host: &str| {
            house.connect(0, HERE, &format!("ws://{host}/stream?streams=btcusdt@trade")).unwrap()
        };
        let (meant, spared) = (call(&mut house, "one:1"), call(&mut house, "two:1"));
        order(&mut house, 0, &format!("for 1m {line} host=one:1"));
        let later = call(&mut house, "one:1");
        house.advance(30 * SECOND);
        let all = outputs(&mut house);
        let data = |socket| {
            let is_data = |say: &Say| matches!(say, Say::Text(_));
            all.iter().filter(|(id, say)| *id == socket && is_data(say)).count()
        };
        assert!(data(spared) > 10, "{line}");
        assert_eq!((data(meant), data(later)), (0, 0), "{line}");
        let ends = all.iter().filter(|(id, say)| *id == meant && matches!(say, Say::Reset(_))).count();
        assert_eq!(ends, told, "{line}");
    }
}

#[test]
fn dropped_frames_are_missing_and_named_to_the_judge() {
    let (house, struck, spared) = tenth("drop");
    assert_eq!(struck.len(), spared.len() - spared.len() / 10);
    let mishap = house.mishaps(0).nth(1).unwrap();
    let lost = json(&spared[19]);
    assert_eq!((mishap.number, mishap.socket, mishap.kind), (2, 1, Kind::Drop));
    assert_eq!(mishap.stream, "btcusdt@depth@100ms");
    let ids = (lost["data"]["U"].as_u64().unwrap(), lost["data"]["u"].as_u64().unwrap());
    assert_eq!(mishap.ids, Some(ids));
    assert_eq!(house.mishaps(mishap.number).count(), spared.len() / 10 - 2);
    let stream = house.report().streams["btcusdt@depth"];
    assert_eq!(
        (stream.dropped, stream.sent),
        (spared.len() as u64 / 10, (struck.len() + spared.len()) as u64)
    );
}

#[test]
fn a_stall_takes_the_data_and_leaves_pings_and_answers() {
    let mut house = house(|_| {});
    let socket = house.connect(0, HERE, "/ws/btcusdt@trade/ethusdt@trade").unwrap();
    order(&mut house, 0, "at 5s for 20s stall");
    house.advance(5 * SECOND - 1);
    assert!(!texts(&mut house, socket).is_empty());
    house.receive(6 * SECOND, socket, Said::Text(LIST));
    house.advance(25 * SECOND - 1);
    assert!(matches!(said(&mut house, socket)[..], [Say::Text(_), Say::Ping(_)]), "an answer and a ping");
    house.advance(40 * SECOND);
    assert!(!texts(&mut house, socket).is_empty());
}

#[test]
fn a_stall_of_one_stream_spares_the_others() {
    let mut house = house(|_| {});
    let socket = house.connect(0, HERE, "/stream?streams=btcusdt@trade/ethusdt@trade").unwrap();
    order(&mut house, 0, "stall stream=btcusdt@trade");
    house.advance(30 * SECOND);
    let told = texts(&mut house, socket);
    assert!(told.len() > 50 && told.iter().all(|text| json(text)["stream"] == "ethusdt@trade"));
}

#[test]
fn duplicates_follow_their_original_and_swapped_frames_their_successor() {
    let (_, struck, spared) = tenth("duplicate");
    assert_eq!(struck.len(), spared.len() + spared.len() / 10);
    assert_eq!(
        (text(&struck[9]), text(&struck[10]), text(&struck[11])),
        (&spared[9], &spared[9], &spared[10])
    );
    let (_, struck, spared) = tenth("swap");
    assert_eq!(
        (text(&struck[9]), text(&struck[10]), text(&struck[11])),
        (&spared[10], &spared[9], &spared[11])
    );
}

#[test]
fn delayed_frames_come_later_and_in_their_order() {
    let mut house = house(|_| {});
    let socket = house.connect(0, HERE, "/ws/btcusdt@trade").unwrap();
    order(&mut house, 0, "delay by=2s");
    house.advance(2 * SECOND - 1);
    assert!(said(&mut house, socket).is_empty());
    house.advance(19 * SECOND);
    let ids: Vec<u64> =
        texts(&mut house, socket).iter().map(|text| json(text)["t"].as_u64().unwrap()).collect();
    assert!(ids.len() > 20 && ids.is_sorted());
}

#[test]
fn spoilt_frames_are_spoilt_as_their_names_say() {
    type Claim = fn(&Bytes, &Bytes) -> bool;
    let no_json = |text: &Bytes| serde_json::from_slice::<Value>(text).is_err();
    let claims: [(&str, Claim); 11] = [
        ("jump", |bad, good| int(bad, "U") == int(good, "U") + 1 && int(bad, "u") == int(good, "u")),
        ("skew by=-3m", |bad, good| int(bad, "E") + 180_000 == int(good, "E")),
        ("wrong-type", |bad, _| json(bad).to_string().contains("not")),
        ("unknown-event", |bad, _| json(bad)["data"]["e"] == "fortuneTold"),
        ("unknown-fields", |bad, good| {
            json(bad)["data"]["zz"].is_object() && int(bad, "u") == int(good, "u")
        }),
        ("number-for-string", |bad, _| json(bad)["data"].to_string().contains("[[6")),
        ("null-price", |bad, _| json(bad)["data"].to_string().contains("[[null,")),
        ("huge", |bad, _| bad.len() > 5_000_000),
        ("blank", |bad, _| bad.is_empty()),
        ("bad-utf8", |bad, _| std::str::from_utf8(bad).is_err()),
        ("two-values", |bad, good| bad.starts_with(good) && bad.ends_with(b"{\"second\":1}")),
    ];
    for (line, claim) in claims {
        let (_, struck, spared) = tenth(line);
        let bad = text(&struck[9]);
        assert!(claim(bad, &spared[9]), "{line}: {}", String::from_utf8_lossy(&bad[..bad.len().min(300)]));
        assert_eq!((text(&struck[8]), text(&struck[10])), (&spared[8], &spared[10]), "{line}");
    }
    let (_, struck, _) = tenth("truncate");
    assert!(no_json(text(&struck[9])));
}

fn int(text: &[u8], key: &str) -> u64 {
    json(text)["data"][key].as_u64().unwrap()
}

#[test]
fn fragments_are_the_same_text_in_pieces() {
    let (_, struck, spared) = tenth("fragment");
    assert_eq!(struck[9], Say::Fragments(spared[9].clone(), 3));
}

#[test]
fn a_candle_can_be_left_without_its_final_frame() {
    let mut house = house(|options| options.pong_within = std::time::Duration::from_secs(3_600));
    let socket = house.connect(0, HERE, "/ws/btcusdt@kline_1m").unwrap();
    order(&mut house, 0, "no-final times=1");
    house.advance(125 * SECOND);
    let finals = texts(&mut house, socket).iter().filter(|text| json(text)["k"]["x"] == true).count();
    assert_eq!(finals, 1, "of two minutes");
}

#[test]
fn an_all_market_array_can_be_blown_up() {
    let mut house = house(|_| {});
    let socket = house.connect(0, HERE, "/ws/!miniTicker@arr").unwrap();
    order(&mut house, 0, "huge times=1");
    house.advance(3 * SECOND);
    let told = texts(&mut house, socket);
    assert!(told[0].len() > 5_000_000 && json(&told[0])[100]["e"] == "24hrMiniTicker");
    assert!(told[1].len() < 10_000);
}

#[test]
fn troubles_end_when_they_are_called_off() {
    let mut house = house(|_| {});
    let socket = house.connect(0, HERE, "/ws/btcusdt@trade").unwrap();
    let id = order(&mut house, 0, "drop");
    house.advance(10 * SECOND);
    assert!(said(&mut house, socket).is_empty());
    let listed = house.troubles();
    assert_eq!((listed[0].0, listed[0].1.to_string()), (id, "drop".to_owned()));
    assert!(house.calm(id) && !house.calm(id) && house.troubles().is_empty());
    house.advance(19 * SECOND);
    assert!(!said(&mut house, socket).is_empty());
}

#[test]
fn trades_are_repeated_skipped_and_spent_on_command() {
    let mut house = house(|_| {});
    house.advance(30 * SECOND);
    order(&mut house, 30 * SECOND, "repeat-trades");
    let last: Vec<u64> = house.trades("BTCUSDT", 0).unwrap().map(|trade| trade.id).collect();
    let socket = house.connect(30 * SECOND, HERE, "/ws/btcusdt@trade").unwrap();
    let ids =
        |told: Vec<Bytes>| -> Vec<u64> { told.iter().map(|t| json(t)["t"].as_u64().unwrap()).collect() };
    assert_eq!(ids(texts(&mut house, socket)), last[last.len() - 5..]);
    order(&mut house, 30 * SECOND, "trade-hole symbol=BTCUSDT code=3");
    order(&mut house, 30 * SECOND, "zero-trade symbol=BTCUSDT");
    let zero = json(&texts(&mut house, socket)[0]);
    assert_eq!((zero["p"].as_str(), zero["q"].as_str()), (Some("0"), Some("0")));
    assert_eq!(zero["t"].as_u64(), Some(last[last.len() - 1] + 4));
    house.advance(40 * SECOND);
    assert_eq!(ids(texts(&mut house, socket))[0], last[last.len() - 1] + 5);
}
