//! The conversation: what is asked and what is answered.

use serde_json::json;

use tapeline_sim::MarketOptions;

use crate::bench::{Bench, soon, usual};

#[tokio::test]
async fn a_subscription_is_answered_first_then_its_status_then_its_state_then_what_changes() {
    let bench = Bench::new().await;
    let mut client = bench.client().await;
    let results = client.subscribe(&["binance:bookTicker:btcusdt", "binance:trade:ETHUSDT"], json!({})).await;
    let topics: Vec<_> = results.iter().map(|result| result["topic"].as_str().unwrap()).collect();
    assert_eq!(topics, ["binance:quote:BTCUSDT", "binance:trade:ETHUSDT"], "in the venue's own spelling");
    assert!(results.iter().all(|result| result["recovered"] == false && result["epoch"].is_string()));
    let mut seen: Vec<(String, String, u64)> = Vec::new();
    let enough = |seen: &[(String, String, u64)], topic| {
        seen.iter().filter(|(of, kind, _)| of == topic && kind != "status").count() >= 3
    };
    while !topics.iter().all(|topic| enough(&seen, topic)) {
        let frame = client.next().await;
        let text = |key: &str| frame[key].as_str().unwrap().to_owned();
        seen.push((text("topic"), text("type"), frame["offset"].as_u64().unwrap()));
    }
    for topic in topics {
        let of_topic = seen.iter().filter(|(of, ..)| of == topic);
        let (kinds, offsets): (Vec<&str>, Vec<u64>) =
            of_topic.map(|(_, kind, offset)| (kind.as_str(), *offset)).unzip();
        assert_eq!(kinds[0], "status", "{topic} {kinds:?}");
        assert!(offsets.is_sorted(), "{topic} {offsets:?}");
        let first = kinds.iter().find(|kind| **kind != "status").unwrap();
        assert_eq!(*first, if topic.contains("quote") { "snapshot" } else { "event" });
    }
}

#[tokio::test]
async fn requests_are_answered_one_by_one() {
    let bench = Bench::new().await;
    let mut client = bench.client().await;
    assert_eq!(client.ask(json!({"op": "ping"})).await, json!({"type": "pong", "id": 1}));
    client.subscribe(&["binance:trade:BTCUSDT"], json!({"delivery": "every"})).await;
    client.subscribe(&["binance:ticker:BTCUSDT"], json!({"interval_ms": 250})).await;
    let listed = client.ask(json!({"op": "list"})).await;
    let item = |at: usize| {
        let item = &listed["results"][at];
        (item["topic"].clone(), item["delivery"].clone(), item["interval_ms"].clone())
    };
    assert_eq!(item(0), (json!("binance:trade:BTCUSDT"), json!("every"), json!(null)));
    assert_eq!(item(1), (json!("binance:ticker:BTCUSDT"), json!("conflate"), json!(250)));
    let ended = client.ask(json!({"op": "unsubscribe", "topics": ["binance:trade:btcusdt"]})).await;
    assert_eq!(ended["results"], json!([{"topic": "binance:trade:BTCUSDT", "ok": true}]));
    let again = client.ask(json!({"op": "unsubscribe", "topics": ["binance:trade:BTCUSDT"]})).await;
    assert_eq!(again["results"][0]["error"]["code"], "not_subscribed");
    let listed = client.ask(json!({"op": "list"})).await;
    assert_eq!(listed["results"].as_array().unwrap().len(), 1);
    let auth = client.ask(json!({"op": "auth", "token": "x"})).await;
    assert_eq!((&auth["type"], &auth["code"]), (&json!("error"), &json!("not_configured")));
}

#[tokio::test]
async fn what_cannot_be_had_is_told_topic_by_topic_and_the_rest_runs() {
    let bench = Bench::new().await;
    let mut client = bench.client().await;
    let topics = [
        "nonsense",
        "nowhere:trade:X",
        "binance:tade:BTCUSDT",
        "binance:signature:X",
        "binance:trade:BTCUSDT",
    ];
    let answer = client.ask(json!({"op": "subscribe", "topics": topics})).await;
    let codes: Vec<_> = answer["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| result["error"]["code"].as_str().unwrap_or("fine").to_owned())
        .collect();
    assert_eq!(codes, ["bad_topic", "unknown_venue", "bad_topic", "not_offered", "fine"], "{answer}");
    assert!(answer["results"][2]["error"]["message"].as_str().unwrap().contains("did you mean"), "{answer}");
    let event = client.next_of(&["event"]).await;
    assert_eq!(event["topic"], "binance:trade:BTCUSDT");
}

#[tokio::test]
async fn a_message_that_nobody_understands_is_told_and_the_tenth_ends_the_conversation() {
    let bench = Bench::new().await;
    let mut client = bench.client().await;
    client.send("{\"op\":\"subscribe\",\"id\":7}").await;
    let error = client.next().await;
    assert_eq!(
        (&error["type"], &error["id"], &error["code"]),
        (&json!("error"), &json!(7), &json!("bad_request"))
    );
    for _ in 0..9 {
        client.send("what?").await;
    }
    assert_eq!(client.close().await.0, 4509);
}

#[tokio::test]
async fn a_pattern_brings_what_there_is_and_what_comes_later() {
    for shards in [1, 2] {
        let mut config = usual();
        config.limits.shards = shards;
        pattern(&Bench::with(config, MarketOptions::default(), |_| {}).await).await;
    }
}

async fn pattern(bench: &Bench) {
    let mut other = bench.client().await;
    other.subscribe(&["binance:quote:BTCUSDT"], json!({})).await;
    other.next_of(&["snapshot"]).await;
    let mut client = bench.client().await;
    let results = client.subscribe(&["binance:quote:*"], json!({"delivery": "every"})).await;
    assert_eq!(results, [json!({"topic": "binance:quote:*", "ok": true})]);
    assert_eq!(client.next_of(&["snapshot"]).await["topic"], "binance:quote:BTCUSDT");
    other.subscribe(&["binance:quote:ETHUSDT"], json!({})).await;
    let found = async { while client.next_of(&["snapshot"]).await["topic"] != "binance:quote:ETHUSDT" {} };
    soon(found).await;
    let mut named = bench.client().await;
    named.subscribe(&["binance:quote:BTCUSDT"], json!({"delivery": "every"})).await;
    let mut last = named.next_of(&["snapshot"]).await["offset"].as_u64().unwrap();
    let ended = client.ask(json!({"op": "unsubscribe", "topics": ["binance:quote:*"]})).await;
    assert_eq!(ended["results"][0]["ok"], true);
    assert_eq!(client.ask(json!({"op": "list"})).await["results"], json!([]));
    drop((client, other));
    for _ in 0..20 {
        let offset = named.next_of(&["delta"]).await["offset"].as_u64().unwrap();
        assert_eq!(offset, last + 1, "who reads the topic by its name does not notice");
        last = offset;
    }
}

#[tokio::test]
async fn a_number_is_given_back_whatever_it_is_and_a_list_is_no_request() {
    let bench = Bench::new().await;
    let mut client = bench.client().await;
    for id in [json!(null), json!(0), json!("a"), json!([1, {"b": null}]), json!(-1.5)] {
        client.send(json!({"op": "ping", "id": id}).to_string()).await;
        let answer = client.next().await;
        assert_eq!(answer, json!({"type": "pong", "id": id}));
    }
    client.send(r#"{"op":"ping"}"#).await;
    assert_eq!(client.next().await, json!({"type": "pong"}));
    client.send(r#"["ping",null,["binance:trade:BTCUSDT"]]"#).await;
    let answer = client.next().await;
    assert_eq!(answer["code"], "bad_request", "{answer}");
    assert!(answer["message"].as_str().unwrap().contains("it is an object"), "{answer}");
}

#[tokio::test]
async fn a_name_as_long_as_a_message_makes_no_topic() {
    let bench = Bench::new().await;
    let mut client = bench.client().await;
    client.subscribe(&["binance:trade:BTCUSDT"], json!({})).await;
    let long = "Ä".repeat(30_000);
    for text in [format!("binance:trade:{long}"), format!("binance:trade:*{long}"), long.clone()] {
        let answer = client.ask(json!({"op": "subscribe", "topics": [text], "resume": {}})).await;
        let result = &answer["results"][0];
        assert_eq!(result["error"]["code"], "bad_topic");
        assert!(answer.to_string().len() < 1_000, "{answer}");
        assert!(result["error"]["message"].as_str().unwrap().contains("at most 256"), "{answer}");
        let answer = client.ask(json!({"op": "unsubscribe", "topics": [text]})).await;
        assert!(answer.to_string().len() < 1_000, "{answer}");
    }
    let venues = bench.hub.status().await.venues;
    let feeds = venues.iter().filter_map(|venue| venue.feed.as_ref());
    let topics: Vec<_> = feeds.flat_map(|feed| &feed.topics).map(|topic| topic.topic.to_string()).collect();
    assert_eq!(topics, ["binance:trade:BTCUSDT"]);
}
