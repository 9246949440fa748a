//! Those who come back: all they missed, or the reason why not.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tapeline_core::rng::Rng;
use tapeline_sim::MarketOptions;

use crate::bench::{Bench, Book, Client, soon, usual};

const TRADES: [&str; 3] = ["binance:trade:BTCUSDT", "binance:trade:ETHUSDT", "binance:trade:BNBUSDT"];
const BOOK: &str = "binance:book:BTCUSDT";
const TOPICS: [&str; 4] = [TRADES[0], TRADES[1], TRADES[2], BOOK];
const CUTS: usize = 1_000;
/// So many of them nobody else reads the same: the gateway lets go of everything and asks for the history again.
const ALONE: usize = 200;

/// What a client knows of its topics.
#[derive(Default)]
struct Known {
    positions: BTreeMap<String, (String, u64)>,
    /// The last trade of each topic.
    ids: BTreeMap<String, u64>,
    book: Book,
    events: u64,
    /// Where each topic stood when it was subscribed last.
    heads: BTreeMap<String, u64>,
}

impl Known {
    fn take(&mut self, frame: &Value) {
        let topic = frame["topic"].as_str().unwrap();
        let position = (frame["epoch"].as_str().unwrap().to_owned(), frame["offset"].as_u64().unwrap());
        match frame["type"].as_str().unwrap() {
            "event" => {
                let (epoch, offset) = &self.positions[topic];
                assert_eq!((epoch, offset + 1), (&position.0, position.1), "{frame}");
                let id = frame["data"]["id"].as_str().unwrap().parse().unwrap();
                if let Some(last) = self.ids.insert(topic.to_owned(), id) {
                    assert_eq!(id, last + 1, "every trade once: {frame}");
                }
                self.events += 1;
            }
            "snapshot" | "delta" => self.book.apply(frame),
            "status" | "tick" => {
                let known = self.positions.get(topic);
                assert!(known.is_none_or(|known| position.1 >= known.1), "{frame}");
                return;
            }
            other => panic!("{other}: {frame}"),
        }
        self.positions.insert(topic.to_owned(), position);
    }

    /// Whether something is on its way that was there when it came.
    fn is_behind(&self) -> bool {
        let has = |topic, head| self.positions.get(topic).is_some_and(|(_, offset)| offset >= head);
        !self.heads.iter().all(|(topic, head)| has(topic, head))
    }

    /// Subscribes with all that is known; how many topics were recovered.
    async fn come(&mut self, client: &mut Client) -> usize {
        let resume: BTreeMap<&str, Value> = self
            .positions
            .iter()
            .map(|(topic, (epoch, offset))| (topic.as_str(), json!({"epoch": epoch, "offset": offset})))
            .collect();
        let results = client.subscribe(&TOPICS, json!({"delivery": "every", "resume": resume})).await;
        let mut recovered = 0;
        for result in results {
            let topic = result["topic"].as_str().unwrap();
            self.heads.insert(topic.to_owned(), result["offset"].as_u64().unwrap());
            if result["recovered"] == true {
                recovered += 1;
                continue;
            }
            let known = self.positions.get(topic);
            assert_eq!(result["reason"].is_string(), known.is_some(), "{result}");
            assert!(topic == BOOK || known.is_none(), "trades are held for a minute: {result} {known:?}");
            if topic == BOOK {
                // What it holds is void, and it holds nothing else before the snapshot has come.
                self.positions.remove(topic);
                continue;
            }
            let position = (result["epoch"].as_str().unwrap().to_owned(), result["offset"].as_u64().unwrap());
            self.positions.insert(topic.to_owned(), position);
            self.ids.remove(topic);
        }
        recovered
    }
}

#[tokio::test]
async fn a_thousand_cuts_lose_nothing_and_repeat_nothing() {
    // More happens between two cuts than in a second of the usual market.
    let market = MarketOptions { rate: 500, ..MarketOptions::default() };
    let bench = Bench::with(usual(), market, |_| {}).await;
    let (mut known, mut dice) = (Known::default(), Rng::new(5));
    let mut recovered = 0;
    for cut in 0..CUTS {
        if cut == ALONE {
            let mut other = bench.client().await;
            other.subscribe(&TOPICS, json!({"delivery": "every"})).await;
            tokio::spawn(async move { while other.message().await.is_ok() {} });
        }
        let mut client = bench.client().await;
        let found = known.come(&mut client).await;
        assert!(cut == 0 || found >= TRADES.len(), "{found}");
        recovered += found;
        let mut frames = dice.next_u64() % 12;
        // Mostly it is cut in the middle of what it has missed; now and then it catches up.
        let patient = dice.next_u64() % 4 == 0;
        while frames > 0 || (patient && known.is_behind()) {
            let frame = client.next().await;
            known.take(&frame);
            frames = frames.saturating_sub(1);
        }
        // Sometimes in good order, mostly not; what is on its way then is lost with the connection.
        if dice.next_u64() % 4 == 0 {
            let _ = client.socket.close(None).await;
        }
    }
    eprintln!("{CUTS} cuts: {recovered} of {} topics recovered, {} trades once each", CUTS * 4, known.events);
    assert!(known.events > 1_000);
}

#[tokio::test]
async fn what_cannot_be_resumed_says_why_and_begins_anew() {
    let bench = Bench::new().await;
    let mut client = bench.client().await;
    let topics = ["binance:trade:BTCUSDT", "binance:quote:BTCUSDT"];
    let results = client.subscribe(&topics, json!({"delivery": "every"})).await;
    let epoch = |at: usize| results[at]["epoch"].as_str().unwrap().to_owned();
    let mut offset = 0;
    for _ in 0..40 {
        let frame = client.next_of(&["event", "delta", "snapshot"]).await;
        if frame["topic"] == topics[0] {
            offset = frame["offset"].as_u64().unwrap();
        }
    }
    let check = async |at: usize, position: Value, reason: &str| {
        let mut other = bench.client().await;
        let resume = json!({ topics[at]: position });
        let result = other.subscribe(&topics[at..=at], json!({"resume": resume})).await.remove(0);
        assert_eq!((&result["recovered"], &result["reason"]), (&json!(false), &json!(reason)));
        let kind = if at == 0 { "event" } else { "snapshot" };
        other.next_of(&[kind]).await;
    };
    check(0, json!({"epoch": "0f", "offset": 3}), "epoch").await;
    check(0, json!({"epoch": epoch(0), "offset": 1_000_000}), "ahead").await;
    check(1, json!({"epoch": epoch(1), "offset": 0}), "too_old").await;
    assert!(offset > 0);
}

#[tokio::test]
async fn a_position_that_cannot_be_read_concerns_its_topic_only() {
    let bench = Bench::new().await;
    let mut client = bench.client().await;
    let results = client.subscribe(&TRADES[..2], json!({})).await;
    let mut last = BTreeMap::new();
    while last.len() < 2 {
        let event = client.next_of(&["event"]).await;
        last.insert(event["topic"].as_str().unwrap().to_owned(), event["offset"].clone());
    }
    let epoch = |at: usize| results[at]["epoch"].clone();
    let huge: Value = serde_json::from_str("18446744073709551616").unwrap();
    for (position, reason) in [
        (json!({"epoch": "wrong", "offset": 1}), "epoch"),
        (json!({"epoch": "", "offset": 1}), "epoch"),
        (json!({"epoch": "0123456789abcdef0123456789abcdef0", "offset": 1}), "epoch"),
        (json!({"epoch": "6fe5bd46-3b1c-4c0a-9d5e-1c2a3b4c5d6e", "offset": 1}), "epoch"),
        (json!(null), "epoch"),
        (json!({"epoch": epoch(0), "offset": -1}), "ahead"),
        (json!({"epoch": epoch(0), "offset": huge}), "ahead"),
        (json!({"epoch": epoch(0), "offset": null}), "ahead"),
    ] {
        let good = json!({"epoch": epoch(1), "offset": last[TRADES[1]]});
        let mut other = bench.client().await;
        let resume = json!({ TRADES[0]: position, TRADES[1]: good });
        let results = other.subscribe(&TRADES[..2], json!({"resume": resume})).await;
        assert_eq!((&results[0]["recovered"], &results[0]["reason"]), (&json!(false), &json!(reason)));
        assert_eq!(results[0]["epoch"], epoch(0), "where the topic stands");
        assert_eq!(results[1]["recovered"], true, "{results:?}");
        while other.next_of(&["event"]).await["topic"] != TRADES[0] {}
    }
}

/// Reads through a pattern until `topic` has brought some events; where that is then, and its last id.
async fn read_through(client: &mut Client, topic: &str, events: usize) -> (Value, u64) {
    let mut last = (Value::Null, 0);
    for _ in 0..events {
        let mut event = client.next_of(&["event"]).await;
        while event["topic"] != topic {
            event = client.next_of(&["event"]).await;
        }
        let id = event["data"]["id"].as_str().unwrap().parse().unwrap();
        last = (json!({"epoch": event["epoch"], "offset": event["offset"]}), id);
    }
    last
}

#[tokio::test]
async fn who_comes_back_to_a_pattern_goes_on_where_it_was() {
    let pattern = ["binance:trade:*"];
    for (shards, alone) in [(1, false), (2, false), (1, true), (2, true)] {
        let mut config = usual();
        config.limits.shards = shards;
        let market = MarketOptions { rate: 500, ..MarketOptions::default() };
        let bench = Bench::with(config, market, |_| {}).await;
        let mut named = bench.client().await;
        named.subscribe(&TRADES[..2], json!({})).await;
        let mut client = bench.client().await;
        client.subscribe(&pattern, json!({})).await;
        let (position, id) = read_through(&mut client, TRADES[0], 5).await;
        if alone {
            drop(named);
        } else {
            tokio::spawn(async move { while named.message().await.is_ok() {} });
        }
        drop(client);
        // Something is missed meanwhile.
        let missed = async {
            let mut other = bench.hub.trades("binance", "BTCUSDT").await.unwrap();
            for _ in 0..20 {
                other.next().await.unwrap();
            }
        };
        soon(missed).await;
        let mut client = bench.client().await;
        let nobody = json!({"epoch": "0f", "offset": 3});
        let resume = json!({ TRADES[0]: position, TRADES[2]: nobody, BOOK: nobody });
        let request = json!({"op": "subscribe", "topics": pattern, "resume": resume});
        client.send(request.to_string()).await;
        let answer = client.next().await;
        assert_eq!(answer["type"], "result", "nothing comes before the answer: {answer}");
        let results = answer["results"].as_array().unwrap();
        assert_eq!(results[0], json!({"topic": pattern[0], "ok": true}));
        let found = |topic: &str| results.iter().find(|result| result["topic"] == topic).unwrap();
        assert_eq!(found(TRADES[0])["recovered"], true, "{results:?}");
        let absent = json!({"topic": TRADES[2], "ok": true, "recovered": false, "reason": "epoch"});
        assert_eq!(found(TRADES[2]), &absent, "it does not run, and a pattern begins nothing");
        assert_eq!(results.len(), 3, "what no pattern brings is not told: {results:?}");
        let (next, next_id) = read_through(&mut client, TRADES[0], 1).await;
        let offset = |position: &Value| position["offset"].as_u64().unwrap();
        assert_eq!(
            (offset(&next), next_id),
            (offset(&position) + 1, id + 1),
            "{shards} shards, alone {alone}"
        );
        let ended = client.ask(json!({"op": "unsubscribe", "topics": pattern})).await;
        assert_eq!(ended["results"][0]["ok"], true);
        assert_eq!(client.ask(json!({"op": "list"})).await["results"], json!([]));
    }
}
