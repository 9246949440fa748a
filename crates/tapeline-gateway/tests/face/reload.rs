//! Settings that change while the gateway runs, and what is told of that.

use serde_json::json;
use tapeline_gateway::GatewayConfig;
use tokio::net::TcpStream;

use crate::bench::{Bench, TOKEN, about, ask, everything, read_until, soon, usual};

/// Puts other settings in force.
fn apply(bench: &Bench, change: impl FnOnce(&mut GatewayConfig)) {
    let mut config = usual();
    change(&mut config);
    bench.gateway.controls().apply(config, json!({"shown": 2}));
}

async fn sweep(bench: &Bench, token: &str) -> u16 {
    let bearer = format!("Bearer {token}");
    ask(bench.address(), "POST /api/v1/actions/sweep", &[("authorization", &bearer)], "").await.status
}

#[tokio::test]
async fn another_token_holds_at_once_and_the_one_before_no_more() {
    let bench = Bench::new().await;
    assert_eq!((sweep(&bench, TOKEN).await, sweep(&bench, "another").await), (200, 401));
    apply(&bench, |config| config.admin_token = Some("another".to_owned()));
    assert_eq!((sweep(&bench, TOKEN).await, sweep(&bench, "another").await), (401, 200));
    apply(&bench, |config| config.admin_token = None);
    assert_eq!(sweep(&bench, "another").await, 403);
}

#[tokio::test]
async fn other_hosts_and_origins_hold_at_once() {
    let bench = Bench::new().await;
    let host = async || bench.ask("GET /livez", &[("host", "feed.example")]).await.status;
    let origin = async || bench.ask("GET /livez", &[("origin", "https://desk.example")]).await.status;
    assert_eq!((host().await, origin().await), (421, 403));
    apply(&bench, |config| {
        config.allowed_hosts = vec!["feed.example".to_owned()];
        config.allowed_origins = vec!["https://desk.example".to_owned()];
    });
    assert_eq!((host().await, origin().await), (200, 200));
    apply(&bench, |_| {});
    assert_eq!((host().await, origin().await), (421, 403));
}

#[tokio::test]
async fn other_limits_hold_at_once_and_nobody_is_thrown_out() {
    let bench = Bench::new().await;
    let mut first = TcpStream::connect(bench.address()).await.unwrap();
    let request = format!("GET /livez HTTP/1.1\r\nhost: {}\r\n\r\n", bench.address());
    let mut say = async || {
        tokio::io::AsyncWriteExt::write_all(&mut first, request.as_bytes()).await.unwrap();
        read_until(&mut first, "{\"status\":\"ok\"}").await
    };
    say().await;
    apply(&bench, |config| config.limits.connections = 1);
    assert_eq!(bench.get("/livez").await.code(), "connections");
    assert!(say().await.contains(" 200 "), "who is in stays in");
    apply(&bench, |config| config.limits.topics_per_client = 1);
    soon(async { while bench.get("/livez").await.status != 200 {} }).await;
    let answer = bench.get("/api/v1/sse?topics=binance:trade:A&topics=binance:trade:B").await;
    assert_eq!((answer.status, answer.code().as_str()), (400, "limit"));
    apply(&bench, |config| config.timing.header_within = std::time::Duration::from_millis(50));
    // A connection of its own, since who is in keeps what held when it came.
    let mut mute = TcpStream::connect(bench.address()).await.unwrap();
    assert_eq!(everything(&mut mute).await, b"");
}

#[tokio::test]
async fn what_became_of_a_reload_stands_in_the_events_and_in_the_settings_shown() {
    let bench = Bench::with(usual(), about()).await;
    let controls = bench.gateway.controls();
    controls.refused("tapeline.toml:3:1: no such key");
    apply(&bench, |_| {});
    controls.reloaded("{}");
    assert_eq!(bench.get("/api/v1/config").await.json(), json!({"shown": 2}));
    let events = bench.get("/api/v1/events").await.json();
    let items = events["items"].as_array().unwrap();
    let own: Vec<_> = items.iter().filter(|item| item["entity"] == "configuration").collect();
    let item = |at: usize| {
        let item = own[at];
        assert!(item["since"].is_string(), "{item}");
        (item["id"].clone(), item["to"].clone(), item["level"].clone(), item["cause"].clone())
    };
    let cause = "tapeline.toml:3:1: no such key";
    assert_eq!(item(0), (json!("gateway/1"), json!("refused"), json!("warning"), json!(cause)));
    assert_eq!(item(1), (json!("gateway/2"), json!("reloaded"), json!("healthy"), json!("{}")));
}
