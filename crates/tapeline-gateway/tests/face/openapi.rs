//! The description of the interface: everything that is served is in it.

use std::collections::BTreeSet;

use crate::bench::Bench;

/// Every path and method of the outside face that is served today.
const SERVED: &[(&str, &str)] = &[
    ("get", "/livez"),
    ("get", "/healthz"),
    ("get", "/readyz"),
    ("get", "/metrics"),
    ("get", "/openapi.json"),
    ("get", "/v1/stream"),
    ("get", "/api/ws/metrics"),
    ("head", "/api/ws/metrics"),
    ("get", "/api/v1/status"),
    ("get", "/api/v1/topics"),
    ("get", "/api/v1/subscribers"),
    ("get", "/api/v1/lines"),
    ("get", "/api/v1/breakers"),
    ("get", "/api/v1/events"),
    ("get", "/api/v1/config"),
    ("get", "/api/v1/drills"),
    ("post", "/api/v1/drills/{name}"),
    ("get", "/api/v1/ledger"),
    ("get", "/api/v1/alerts"),
    ("get", "/api/v1/history"),
    ("get", "/api/v1/reliability"),
    ("get", "/api/v1/topics/{topic}/snapshot"),
    ("get", "/api/v1/sse"),
    ("post", "/api/v1/actions/{action}"),
];

#[tokio::test]
async fn every_route_is_described_and_every_description_is_a_route() {
    let bench = Bench::new().await;
    let description = bench.get("/openapi.json").await.json();
    assert!(description["openapi"].as_str().is_some_and(|version| version.starts_with("3.")));
    let paths = description["paths"].as_object().unwrap();
    let described: BTreeSet<(&str, &str)> = paths
        .iter()
        .flat_map(|(path, item)| {
            item.as_object().unwrap().keys().map(|method| (method.as_str(), path.as_str()))
        })
        .collect();
    assert_eq!(described, SERVED.iter().copied().collect());
    for (method, path) in SERVED {
        let path = path.replace("{topic}", "binance:trade:X").replace("{action}", "sweep");
        let answer = bench.ask(&format!("{} {path}", method.to_uppercase()), &[]).await;
        assert!(answer.status != 405, "{method} {path}: {answer:?}");
        assert!(answer.status != 404 || answer.code() == "no_snapshot", "{method} {path}: {answer:?}");
    }
    for (path, item) in paths {
        for (method, operation) in item.as_object().unwrap() {
            assert!(operation["summary"].is_string(), "{method} {path} says nothing of itself");
            assert!(operation["responses"].as_object().is_some_and(|all| !all.is_empty()), "{method} {path}");
        }
    }
}
