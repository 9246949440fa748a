//! The REST side: snapshots, weights, refusals, the simulator's own pages.

use crate::client::{get, market};
use serde_json::{Value, json};
use tapeline_sim::{Options, Server};

async fn venue(futures: bool, change: impl FnOnce(&mut Options)) -> Server {
    let mut options = market(futures, u64::MAX);
    change(&mut options);
    Server::start(options).await.unwrap()
}

fn levels(body: &Value) -> (usize, usize) {
    (body["bids"].as_array().unwrap().len(), body["asks"].as_array().unwrap().len())
}

#[tokio::test]
async fn depth_honours_the_limit_and_says_its_weight() {
    let server = venue(false, |_| {}).await;
    let five = get(server.addr(), "/api/v3/depth?symbol=BTCUSDT&limit=5").await;
    assert_eq!((five.status, levels(&five.json())), (200, (5, 5)));
    assert_eq!(five.headers["x-mbx-used-weight-1m"], "5");
    let most = get(server.addr(), "/api/v1/depth?symbol=BTCUSDT&limit=5000").await;
    assert_eq!(levels(&most.json()), (300, 300));
    let default = get(server.addr(), "/api/v3/depth?symbol=ETHUSDT").await;
    assert_eq!(levels(&default.json()), (100, 100));
    let report = server.report();
    assert_eq!(report.weight, 5 + 250 + 5);
    assert_eq!((report.snapshots["BTCUSDT"], report.snapshots["ETHUSDT"]), (2, 1));
}

#[tokio::test]
async fn futures_depth_has_times_and_fixed_limits() {
    let server = venue(true, |_| {}).await;
    let depth = get(server.addr(), "/fapi/v1/depth?symbol=BTCUSDT&limit=1000").await;
    assert!(depth.json()["E"].is_u64() && depth.json()["T"].is_u64());
    assert_eq!(depth.headers["x-mbx-used-weight-1m"], "20");
    let odd = get(server.addr(), "/fapi/v1/depth?symbol=BTCUSDT&limit=7").await;
    assert_eq!((odd.status, odd.json()["code"].clone()), (400, json!(-4021)));
    assert_eq!(get(server.addr(), "/api/v3/depth?symbol=BTCUSDT").await.status, 404, "that is spot's path");
}

#[tokio::test]
async fn wrong_requests_are_refused_in_the_venues_words() {
    let server = venue(false, |_| {}).await;
    for (query, code) in [
        ("symbol=NOSUCH", -1121),
        ("symbol=btcusdt", -1121),
        ("limit=5", -1102),
        ("symbol=BTCUSDT&limit=many", -1130),
        ("symbol=BTCUSDT&limit=0", -1130),
    ] {
        let answer = get(server.addr(), &format!("/api/v3/depth?{query}")).await;
        assert_eq!((answer.status, answer.json()["code"].clone()), (400, json!(code)), "{query}");
    }
    assert!(server.report().snapshots.is_empty());
}

#[tokio::test]
async fn a_spent_budget_gives_429_and_going_on_gives_418() {
    let server = venue(false, |options| options.weight = Some(12)).await;
    let mut seen: Vec<u16> = Vec::new();
    // A clock minute that ends in between makes the row longer, never different.
    while seen.last() != Some(&418) && seen.len() < 60 {
        let answer = get(server.addr(), "/api/v3/depth?symbol=BTCUSDT&limit=100").await;
        seen.push(answer.status);
        if answer.status != 200 {
            assert_eq!(answer.json()["code"], -1003);
            let wait: u64 = answer.headers["retry-after"].parse().unwrap();
            assert!(if answer.status == 429 { wait <= 60 } else { wait >= 119 }, "{answer:?}");
        }
    }
    assert_eq!(seen[..2], [200, 200]);
    assert!(seen.contains(&429) && seen.last() == Some(&418), "{seen:?}");
    let ban = get(server.addr(), "/api/v3/ping").await;
    assert_eq!(ban.status, 418, "a ban is for every path");
    assert!(ban.json()["msg"].as_str().unwrap().contains("IP banned until"));
    let report = server.report();
    assert_eq!(report.http_418, 2);
    assert_eq!(report.http_429, seen.iter().filter(|status| **status == 429).count() as u64);
}

#[tokio::test]
async fn time_and_ping_are_light() {
    let server = venue(false, |_| {}).await;
    assert_eq!(get(server.addr(), "/api/v3/ping").await.json(), json!({}));
    let time = get(server.addr(), "/api/v3/time").await;
    assert!(time.json()["serverTime"].as_u64().unwrap() > 1_700_000_000_000);
    assert_eq!(time.headers["x-mbx-used-weight-1m"], "2");
}

#[tokio::test]
async fn snapshots_fail_as_often_as_told() {
    let server = venue(false, |_| {}).await;
    server.trouble("status code=502 times=2".parse().unwrap());
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(get(server.addr(), "/api/v3/depth?symbol=BTCUSDT").await.status);
    }
    assert_eq!(seen, [502, 502, 200]);
    assert_eq!(server.report().snapshots_failed, 2);
}

#[tokio::test]
async fn the_simulators_own_pages_tell_truth_and_counters() {
    let server = venue(false, |_| {}).await;
    let snapshot = get(server.addr(), "/api/v3/depth?symbol=BTCUSDT&limit=5000").await.json();
    let id = snapshot["lastUpdateId"].as_u64().unwrap();
    let truth = get(server.addr(), &format!("/sim/truth?symbol=BTCUSDT&id={id}")).await.json();
    assert_eq!((&truth["bids"], &truth["asks"]), (&snapshot["bids"], &snapshot["asks"]));
    let report = get(server.addr(), "/sim/report").await.json();
    assert_eq!(report["snapshots"]["BTCUSDT"], 1);
    assert!(get(server.addr(), "/").await.body.contains("/api/v3/depth"));
    assert_eq!(get(server.addr(), "/nothing").await.status, 404);
}
