//! Alive, healthy, ready: what load balancers and supervisors are told.

use tapeline_gateway::About;

use crate::bench::{Bench, about, data, soon, usual};

#[tokio::test]
async fn a_gateway_that_nobody_wants_anything_of_is_ready_and_healthy() {
    let bench = Bench::new().await;
    let answer = bench.get("/readyz").await;
    assert_eq!((answer.status, answer.json()["ready"].as_bool()), (200, Some(true)));
    let answer = bench.get("/healthz").await;
    assert_eq!((answer.status, answer.json()["level"].as_str()), (200, Some("healthy")));
    assert_eq!(answer.json()["reasons"].as_array().map(Vec::len), Some(0));
}

#[tokio::test]
async fn readiness_follows_the_line_that_is_wanted() {
    let bench = Bench::new().await;
    let mut trades = bench.hub.trades("binance", "BTCUSDT").await.unwrap();
    data(&mut trades).await;
    soon(async { while bench.get("/readyz").await.status != 200 {} }).await;
    // It refuses every dial from now on, and the line is cut.
    bench.venue.trouble("refuse".parse().unwrap());
    bench.venue.cut_sockets();
    soon(async { while bench.get("/readyz").await.status != 503 {} }).await;
    let answer = bench.get("/readyz").await;
    assert!(
        answer.json()["reasons"][0].as_str().is_some_and(|why| why.starts_with("binance: line 0 is ")),
        "{answer:?}"
    );
    assert_eq!(bench.get("/livez").await.status, 200, "a dead venue is no reason to restart us");
    soon(async { while bench.get("/healthz").await.json()["level"] == "healthy" {} }).await;
    let answer = bench.get("/healthz").await.json();
    assert!(answer["reasons"][0].is_string() && answer["since"].is_string(), "{answer}");
}

#[tokio::test]
async fn a_venue_that_is_polled_is_ready_and_one_that_is_served_from_memory_is_not() {
    for (rung, ready) in [("poll", 200), ("partial", 200), ("cache", 503)] {
        let bench = Bench::new().await;
        let mut trades = bench.hub.trades("binance", "BTCUSDT").await.unwrap();
        data(&mut trades).await;
        bench.act("pin", &format!(r#"{{"mode":"{rung}","target":"binance"}}"#)).await;
        let on = async || bench.get("/api/v1/status").await.json()["items"][0]["fallback"]["rung"].clone();
        soon(async { while on().await != rung {} }).await;
        assert_eq!(bench.get("/readyz").await.status, ready, "{rung}");
    }
}

#[tokio::test]
async fn a_configured_venue_that_nobody_knows_is_never_ready() {
    let venues = vec!["nowhere".to_owned()];
    let bench = Bench::with(usual(), About { venues, ..about() }).await;
    let answer = bench.get("/readyz").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["reasons"][0], "nowhere: no such venue is known");
}

#[tokio::test]
async fn a_process_without_memory_is_critical_and_not_ready_and_says_why() {
    let bench = Bench::new().await;
    let hoard = bench.hub.account("hoard");
    hoard.holds(1 << 40);
    soon(async { while bench.get("/readyz").await.status != 503 {} }).await;
    let answer = bench.get("/readyz").await.json();
    assert_eq!(answer["reasons"][0], "memory is short: nobody new is taken on");
    let answer = bench.get("/healthz").await;
    assert_eq!((answer.status, answer.json()["level"].as_str()), (503, Some("critical")));
    let reason = answer.json()["reasons"][0].clone();
    assert!(reason.as_str().is_some_and(|why| why.starts_with("memory: ")), "{answer:?}");
    assert_eq!(bench.get("/livez").await.status, 200);
}
