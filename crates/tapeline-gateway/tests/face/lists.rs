//! The lists of what runs.

use std::net::TcpListener;
use std::time::Duration;

use serde_json::{Value, json};
use tapeline::VenueConfig;
use tapeline_gateway::About;

use crate::bench::{Bench, about, soon, usual};

async fn items(bench: &Bench, list: &str) -> Vec<Value> {
    let answer = bench.get(&format!("/api/v1/{list}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    answer.json()["items"].as_array().unwrap_or_else(|| panic!("{list} has no items: {answer:?}")).clone()
}

#[tokio::test]
async fn lists_are_empty_before_anything_runs() {
    let bench = Bench::new().await;
    for list in ["status", "topics", "subscribers", "lines", "breakers", "ledger", "reliability", "alerts"] {
        assert_eq!(items(&bench, list).await, Vec::<Value>::new(), "{list}");
    }
}

#[tokio::test]
async fn lists_tell_what_runs_with_level_and_since() {
    let bench = Bench::new().await;
    let mut reader =
        bench.hub.subscribe(["binance:trade:BTCUSDT", "binance:book:ETHUSDT"]).name("desk").await.unwrap();
    for _ in 0..20 {
        soon(reader.next()).await.unwrap();
    }
    let topics = items(&bench, "topics").await;
    let named: Vec<&str> = topics.iter().filter_map(|item| item["topic"].as_str()).collect();
    assert_eq!((named.len(), named.contains(&"binance:trade:BTCUSDT")), (2, true), "{named:?}");
    let lines = items(&bench, "lines").await;
    assert_eq!((lines[0]["id"].as_str(), lines[0]["slot"].as_u64()), (Some("binance/0"), Some(0)));
    assert!(lines[0]["frames"].as_u64() > Some(0) && lines[0]["dials"].as_u64() == Some(1), "{}", lines[0]);
    let subscribers = items(&bench, "subscribers").await;
    let desk = subscribers.iter().find(|item| item["name"] == "desk").unwrap();
    assert!(desk["id"].as_str().is_some_and(|id| id.starts_with("hub/")), "{desk}");
    assert_eq!(desk["topics"].as_array().map(Vec::len), Some(2));
    let status = items(&bench, "status").await;
    assert_eq!((status[0]["id"].as_str(), status[0]["topics"].as_u64()), (Some("binance"), Some(2)));
    for item in topics.iter().chain(&lines).chain(&subscribers).chain(&status) {
        assert!(item["level"].is_string() && item["since"].is_string(), "{item}");
    }
    let breakers = items(&bench, "breakers").await;
    let events = items(&bench, "events").await;
    for item in breakers.iter().chain(&events) {
        assert!(item["id"].is_string() && item["level"].is_string() && item["since"].is_string(), "{item}");
    }
    assert!(
        breakers.iter().all(|item| item["state"] == "closed" && item["level"] == "healthy"),
        "{breakers:?}"
    );
    assert!(events.iter().any(|item| item["to"] == "live" && item["entity"] == "line 0"), "{events:?}");
}

#[tokio::test]
async fn a_breaker_tells_since_when_it_holds_and_since_when_no_more() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut venue = VenueConfig::default();
    venue.feed.streams = vec![format!("ws://{nobody}")];
    venue.feed.timing.backoff_first = Duration::from_millis(1);
    venue.feed.timing.backoff_max = Duration::from_millis(1);
    let bench = Bench::before(usual(), about(), venue).await;
    let breaker = async || {
        let all = items(&bench, "breakers").await;
        let of_streams = all.into_iter().find(|item| item["protocol"] == "ws").unwrap();
        let since: i64 = of_streams["since"].as_str().unwrap().parse().unwrap();
        (of_streams["state"].as_str().unwrap().to_owned(), since)
    };
    let _trades = bench.hub.trades("binance", "BTCUSDT").await.unwrap();
    let (_, started) = breaker().await;
    let until = async |wanted: &str| {
        soon(async {
            loop {
                let (state, since) = breaker().await;
                if state == wanted {
                    return since;
                }
            }
        })
        .await
    };
    let opened = until("open").await;
    assert!(opened > started, "{opened} {started}");
    assert_eq!(breaker().await, ("open".to_owned(), opened), "it goes on");
    bench.act("reset", "").await;
    let closed = until("closed").await;
    assert!(closed > opened, "{closed} {opened}");
}

#[tokio::test]
async fn the_settings_are_shown_as_they_were_rendered() {
    let config = json!({"gateway": {"listen": "127.0.0.1:0", "admin_token_file": "token"}});
    let bench = Bench::with(usual(), About { config: config.clone(), ..about() }).await;
    let answer = bench.get("/api/v1/config").await;
    assert_eq!(answer.json(), config);
    assert!(!answer.body.contains(crate::bench::TOKEN));
}

#[tokio::test]
async fn drills_are_listed_as_the_process_knows_them_and_none_if_it_knows_none() {
    let known = json!({
        "items": [{"name": "reset", "faults": ["FU1"]}],
        "faults": [{"id": "FU1", "drills": ["reset"]}],
    });
    let bench = Bench::with(usual(), About { drills: known.clone(), ..about() }).await;
    let told = bench.get("/api/v1/drills").await.json();
    assert_eq!(told["faults"], known["faults"]);
    let (item, drill) = (&told["items"][0], &known["items"][0]);
    assert_eq!(
        (&item["id"], &item["faults"], &item["level"]),
        (&drill["name"], &drill["faults"], &json!("healthy"))
    );
    assert!(item["since"].is_string(), "{item}");
    let bench = Bench::new().await;
    assert_eq!(bench.get("/api/v1/drills").await.json(), json!({"items": [], "faults": []}));
}

#[tokio::test]
async fn many_who_ask_at_once_are_all_answered() {
    let bench = Bench::new().await;
    let mut trades = bench.hub.trades("binance", "BTCUSDT").await.unwrap();
    soon(trades.next()).await.unwrap();
    let asks = (0..50).map(|_| bench.get("/api/v1/topics"));
    for answer in soon(futures_util::future::join_all(asks)).await {
        assert_eq!(answer.json()["items"].as_array().map(Vec::len), Some(1));
    }
}

#[tokio::test]
async fn the_ledger_tells_by_topic_and_minute_what_came_of_what_was_expected() {
    let bench = Bench::new().await;
    let mut reader = bench.hub.trades("binance", "BTCUSDT").await.unwrap();
    for _ in 0..20 {
        soon(reader.next()).await.unwrap();
    }
    let topics = items(&bench, "ledger?of=binance:trade:btcusdt").await;
    let (topic, total) = (&topics[0], &topics[0]["total"]);
    assert_eq!(
        (topics.len(), &topic["topic"], &topic["verifiable"]),
        (1, &json!("binance:trade:BTCUSDT"), &json!(true))
    );
    assert!(
        total["expected"].as_u64() > Some(5) && total["lost"] == 0 && topic["completeness"] == 1.0,
        "{topic}"
    );
    assert!(topic["minutes"][0]["start"].is_string() && topic["level"].is_string(), "{topic}");
    let whole = bench.get("/api/v1/ledger?of=binance").await.json();
    assert!(whole["total"]["expected"].as_u64() >= total["expected"].as_u64(), "{whole}");
    let item = &whole["items"][0];
    assert!(
        item["total"].is_object() && item["minutes"].is_null(),
        "of all topics only the sum is told: {item}"
    );
    for (of, status) in [("nowhere", 404), ("binance:trade:ETHUSDT", 404), ("binance:tade:X", 400)] {
        assert_eq!(bench.get(&format!("/api/v1/ledger?of={of}")).await.status, status, "{of}");
    }
}

#[tokio::test]
async fn reliability_and_the_record_it_comes_from_tell_of_an_outage() {
    let bench = Bench::new().await;
    let mut reader = bench.hub.trades("binance", "BTCUSDT").await.unwrap();
    for _ in 0..20 {
        soon(reader.next()).await.unwrap();
    }
    let whole = bench.get("/api/v1/reliability?window=1h").await.json();
    assert_eq!((&whole["window_s"], &whole["full"]["failures"]), (&json!(3600.0), &json!(0)), "{whole}");
    let venue = &whole["items"][0];
    assert_eq!(
        (&venue["id"], &venue["topics"][0]["topic"]),
        (&json!("binance"), &json!("binance:trade:BTCUSDT"))
    );
    assert_eq!(bench.get("/api/v1/reliability?window=soon").await.code(), "bad_request");
    assert_eq!(bench.get("/api/v1/reliability").await.json()["window_s"], Value::Null);
    bench.act("sweep", "").await;
    let all = bench.get("/api/v1/events").await.json();
    let (items, next) = (all["items"].as_array().unwrap(), all["next"].as_u64().unwrap());
    assert!(items.iter().any(|item| item["kind"] == "service" && item["since_us"].is_u64()), "{all}");
    assert!(items.iter().any(|item| item["to"] == "sweep" && item["entity"] == "operator"), "{all}");
    let first = bench.get("/api/v1/events?after=0&limit=2").await.json();
    assert_eq!((first["items"].as_array().map(Vec::len), &first["next"]), (Some(2), &json!(2)), "{first}");
    bench.act("reset", "").await;
    let news = bench.get(&format!("/api/v1/events?after={next}")).await.json();
    assert!(news["next"].as_u64() > Some(next) && news["items"][0]["seq"] == next + 1, "{news}");
}

#[tokio::test]
async fn whoever_comes_from_another_run_is_told_so_and_gets_everything_of_this_one() {
    let bench = Bench::new().await;
    let events = async |query: &str| bench.get(&format!("/api/v1/events?{query}")).await.json();
    let all = events("after=0").await;
    let (run, newest) = (all["run"].as_str().unwrap(), all["newest"].as_u64().unwrap());
    assert!(!run.is_empty() && newest > 0 && all["restarted"] == false, "{all}");
    assert_eq!(events(&format!("after={newest}&run={run}")).await["restarted"], false);
    for query in ["after=99999999".to_owned(), format!("after={newest}&run=another")] {
        let told = events(&query).await;
        assert_eq!(
            (&told["restarted"], &told["items"][0]["seq"]),
            (&json!(true), &json!(1)),
            "{query}: {told}"
        );
        assert!(told["next"].as_u64() < Some(99_999_999), "{told}");
    }
}

#[tokio::test]
async fn whoever_asks_for_none_of_the_events_goes_on_behind_the_newest() {
    let bench = Bench::new().await;
    let _reader = bench.hub.trades("binance", "BTCUSDT").await.unwrap();
    bench.act("sweep", "").await;
    let events = async |query: &str| bench.get(&format!("/api/v1/events?{query}")).await.json();
    soon(async { while events("after=0").await["newest"].as_u64() < Some(2) {} }).await;
    let none = events("limit=0").await;
    let next = none["next"].as_u64().unwrap();
    assert!(none["items"].as_array().is_some_and(Vec::is_empty) && next >= 2, "{none}");
    assert_eq!(none["newest"], next, "{none}");
    bench.act("reset", "").await;
    let news = events(&format!("after={next}")).await;
    assert_eq!(news["items"][0]["seq"], next + 1, "{news}");
    let still = events("after=1&limit=0").await;
    assert_eq!(still["next"], 1, "nothing was given of what comes behind: {still}");
}

#[tokio::test]
async fn a_query_that_cannot_be_read_is_refused_like_anything_else() {
    let bench = Bench::new().await;
    for path in [
        "/api/v1/events?after=x",
        "/api/v1/events?limit=-1",
        "/api/v1/ledger?of=a&of=b",
        "/api/v1/reliability?window=1h&window=2h",
        "/api/ws/metrics?format=json&format=json",
    ] {
        let answer = bench.get(path).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "bad_request"), "{path}: {answer:?}");
    }
}

#[tokio::test]
async fn what_is_wrong_is_listed_with_evidence_and_what_to_do() {
    let bench = Bench::new().await;
    assert!(bench.hub.report("desk", tapeline::Level::Critical, "prices make no sense"));
    let alert = soon(async {
        loop {
            if let Some(alert) = items(&bench, "alerts").await.into_iter().next() {
                return alert;
            }
        }
    })
    .await;
    assert_eq!((&alert["id"], &alert["level"]), (&json!("reported/desk"), &json!("critical")), "{alert}");
    assert_eq!(alert["evidence"], "prices make no sense");
    assert!(alert["action"].as_str().is_some_and(|action| !action.is_empty()) && alert["since"].is_string());
    soon(async {
        while bench.get("/api/v1/alerts").await.json()["notifications"].as_array().is_none_or(Vec::is_empty) {
        }
    })
    .await;
    let metrics = bench.get("/metrics").await.body;
    let line = "tapeline_alerts{alert=\"reported\",level=\"critical\",state=\"firing\"} 1.0";
    assert!(metrics.lines().any(|found| found == line), "{metrics}");
    assert!(metrics.contains("tapeline_notifications_total 1.0"), "{metrics}");
    let history = bench.get("/api/v1/history").await;
    assert_eq!((history.status, history.json()["trends"].is_array()), (200, true));
}
