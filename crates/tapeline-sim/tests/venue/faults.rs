//! Misbehaviour and its account: what the client misses is what the report says.

use crate::client::{Socket, get, market};
use serde_json::Value;
use std::collections::HashMap;
use tapeline_sim::{Kind, Server, Trouble, When};

const FRAMES: u64 = 60_000;

fn fault(stream: &str, kind: Kind, when: When) -> Trouble {
    Trouble::on_stream(kind, stream, when)
}

/// What a listener of all ten books saw.
#[derive(Default)]
struct Seen {
    frames: HashMap<String, u64>,
    gaps: HashMap<String, u64>,
    repeats: HashMap<String, u64>,
    broken: HashMap<String, u64>,
}

/// Listens to the depth of every symbol until the market ends.
async fn listen(server: &Server) -> Seen {
    let symbols: Vec<String> =
        tapeline_sim::Symbol::ten(false).iter().map(tapeline_sim::Symbol::stream).collect();
    let streams: Vec<String> = symbols.iter().map(|symbol| format!("{symbol}@depth@100ms")).collect();
    let mut socket = Socket::open(server, &format!("/stream?streams={}", streams.join("/"))).await;
    let mut seen = Seen::default();
    let mut last: HashMap<String, u64> = HashMap::new();
    let mut received = 0;
    let finished = async {
        server.finished().await;
        server.report().frames_sent
    };
    tokio::pin!(finished);
    let mut total = None;
    while total.is_none_or(|total| received < total) {
        let text = tokio::select! {
            done = &mut finished, if total.is_none() => {
                total = Some(done);
                continue;
            }
            text = socket.text() => text,
        };
        received += 1;
        let name = text.split('"').nth(3).unwrap_or("").split('@').next().unwrap_or("").to_owned();
        *seen.frames.entry(name.clone()).or_default() += 1;
        let value = serde_json::from_str::<Value>(&text).unwrap_or_default();
        let (Some(from), Some(to)) = (value["data"]["U"].as_u64(), value["data"]["u"].as_u64()) else {
            *seen.broken.entry(name).or_default() += 1;
            continue;
        };
        match last.insert(name.clone(), to) {
            Some(before) if before == to => *seen.repeats.entry(name).or_default() += 1,
            Some(before) if before + 1 != from => *seen.gaps.entry(name).or_default() += 1,
            _ => {}
        }
    }
    seen
}

#[tokio::test]
async fn dropped_frames_are_gaps_of_that_symbol_alone_and_all_accounted_for() {
    let mut options = market(false, FRAMES);
    options.troubles = vec![fault("btcusdt@depth@100ms", Kind::Drop, When::Every(5))];
    let server = Server::start(options).await.unwrap();
    let seen = listen(&server).await;
    let report = server.report();
    let btc = report.streams["btcusdt@depth"];
    assert!(btc.dropped > 20, "{btc:?}");
    assert_eq!((btc.dropped, btc.sent), (btc.offered / 5, btc.offered - btc.dropped));
    // A frame dropped at the very end leaves a gap that nobody can see.
    let visible = btc.dropped - u64::from(btc.offered.is_multiple_of(5));
    assert_eq!(seen.gaps, HashMap::from([("btcusdt".to_owned(), visible)]));
    assert!(seen.broken.is_empty() && seen.repeats.is_empty());
    for (name, stream) in &report.streams {
        assert_eq!(seen.frames[name.split('@').next().unwrap()], stream.sent);
    }
}

#[tokio::test]
async fn duplicates_and_spoilt_frames_are_counted_where_they_happen() {
    let mut options = market(false, FRAMES);
    options.troubles = vec![
        fault("ethusdt@depth", Kind::Duplicate, When::At(vec![3, 10, 11])),
        fault("bnbusdt@depth", Kind::Truncate, When::Every(7)),
        fault("solusdt@depth", Kind::WrongType, When::OneIn { n: 10, seed: 3 }),
    ];
    let server = Server::start(options).await.unwrap();
    let seen = listen(&server).await;
    let streams = server.report().streams;
    assert_eq!((seen.repeats["ethusdt"], streams["ethusdt@depth"].duplicated), (3, 3));
    assert_eq!(streams["ethusdt@depth"].sent, streams["ethusdt@depth"].offered + 3);
    let halved = streams["bnbusdt@depth"];
    assert_eq!((seen.broken["bnbusdt"], halved.corrupted), (halved.offered / 7, halved.offered / 7));
    assert_eq!(seen.broken["solusdt"], streams["solusdt@depth"].corrupted);
    assert!(seen.broken["solusdt"] > 0 && seen.broken.len() == 2);
}

#[tokio::test]
async fn faults_are_armed_and_lifted_while_the_market_runs() {
    let server = Server::start(market(false, u64::MAX)).await.unwrap();
    let mut socket = Socket::open(&server, "/ws/btcusdt@trade").await;
    socket.texts(100).await;
    server.trouble(Trouble { times: Some(2), ..fault("*", Kind::Drop, When::Every(10)) });
    let gaps = {
        let (mut gaps, mut last) = (0, None);
        while gaps < 2 {
            let id = serde_json::from_str::<Value>(&socket.text().await).unwrap()["t"].as_u64().unwrap();
            gaps += u64::from(last.is_some_and(|last| last + 1 != id));
            last = Some(id);
        }
        gaps
    };
    assert_eq!(server.report().streams["btcusdt@trade"].dropped, gaps);
    server.calm_all();
    socket.texts(2_000).await;
    assert_eq!(server.report().streams["btcusdt@trade"].dropped, gaps);
}

#[tokio::test]
async fn a_client_that_follows_the_procedure_ends_with_the_true_book() {
    let server = Server::start(market(false, 20_000)).await.unwrap();
    let mut socket = Socket::open(&server, "/stream?streams=btcusdt@depth").await;
    let first = serde_json::from_str::<Value>(&socket.text().await).unwrap();
    let snapshot = get(server.addr(), "/api/v3/depth?symbol=BTCUSDT&limit=5000").await.json();
    let mut id = snapshot["lastUpdateId"].as_u64().unwrap();
    assert!(first["data"]["U"].as_u64().unwrap() <= id + 1, "the snapshot is not older than the stream");
    let mut book: [HashMap<String, String>; 2] = Default::default();
    let set = |half: &mut HashMap<String, String>, levels: &Value| {
        for level in levels.as_array().unwrap() {
            let (price, size) = (level[0].as_str().unwrap(), level[1].as_str().unwrap());
            half.insert(price.to_owned(), size.to_owned());
            half.retain(|_, size| size.bytes().any(|b| matches!(b, b'1'..=b'9')));
        }
    };
    set(&mut book[0], &snapshot["bids"]);
    set(&mut book[1], &snapshot["asks"]);
    let frames = 1 + {
        server.finished().await;
        server.report().frames_sent - 1
    };
    let mut pending = vec![first];
    for text in socket.texts(frames as usize - 1).await {
        pending.push(serde_json::from_str(&text).unwrap());
    }
    for frame in pending {
        let data = &frame["data"];
        if data["u"].as_u64().unwrap() <= id {
            continue;
        }
        assert!(data["U"].as_u64().unwrap() <= id + 1);
        set(&mut book[0], &data["b"]);
        set(&mut book[1], &data["a"]);
        id = data["u"].as_u64().unwrap();
    }
    let truth = server.truth("BTCUSDT", Some(id)).unwrap();
    assert_eq!(book[0], truth.bids.into_iter().collect());
    assert_eq!(book[1], truth.asks.into_iter().collect());
}
