//! Those who come back: all they missed, or the reason why not.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tapeline_core::rng::Rng;
use tapeline_sim::MarketOptions;

use crate::bench::{Bench, Book, Client, usual};

const TRADES: [&str; 3] = ["binance:trade:BTCUSDT", "binance:trade:ETHUSDT", "binance:trade:BNBUSDT"];
const BOOK: &str = "binance:book:BTCUSDT";
const CUTS: usize = 1_000;

/// What a client knows of its topics.
#[derive(Default)]
struct Known {
    positions: BTreeMap<String, (String, u64)>,
    /// The last trade of each topic.
    ids: BTreeMap<String, u64>,
    book: Book,
    events: u64,
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
                let known = &self.positions[topic];
                assert!(position.1 >= known.1, "{frame}");
                return;
            }
            other => panic!("{other}: {frame}"),
        }
        self.positions.insert(topic.to_owned(), position);
    }

    /// Subscribes with all that is known; how many topics were recovered.
    async fn come(&mut self, client: &mut Client) -> usize {
        let resume: BTreeMap<&str, Value> = self
            .positions
            .iter()
            .map(|(topic, (epoch, offset))| (topic.as_str(), json!({"epoch": epoch, "offset": offset})))
            .collect();
        let topics: Vec<&str> = TRADES.into_iter().chain([BOOK]).collect();
        let results = client.subscribe(&topics, json!({"delivery": "every", "resume": resume})).await;
        let mut recovered = 0;
        for result in results {
            let topic = result["topic"].as_str().unwrap();
            if result["recovered"] == true {
                recovered += 1;
                continue;
            }
            let known = self.positions.contains_key(topic);
            assert_eq!(result["reason"].is_string(), known, "{result}");
            let position = (result["epoch"].as_str().unwrap().to_owned(), result["offset"].as_u64().unwrap());
            self.positions.insert(topic.to_owned(), position);
            if topic != BOOK {
                self.ids.remove(topic);
            }
        }
        recovered
    }
}

#[tokio::test]
async fn a_thousand_cuts_lose_nothing_and_repeat_nothing() {
    // More happens between two cuts than in a second of the usual market.
    let market = MarketOptions { rate: 1_000, ..MarketOptions::default() };
    let bench = Bench::with(usual(), market, |_| {}).await;
    let (mut known, mut dice) = (Known::default(), Rng::new(5));
    let mut recovered = 0;
    for cut in 0..CUTS {
        let mut client = bench.client().await;
        let found = known.come(&mut client).await;
        if cut > 0 {
            assert!(found >= TRADES.len(), "trades are held for a minute: {found}");
        }
        recovered += found;
        for _ in 0..dice.next_u64() % 12 {
            let frame = client.next().await;
            known.take(&frame);
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
