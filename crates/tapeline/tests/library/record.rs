//! What the hub records, tells and keeps: ledgers, transitions, alerts, and the limits over a restart.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tapeline::core::policy::uptime::{Transition, figures};
use tapeline::core::time::Mono;
use tapeline::{Hub, HubConfig, Level, StateDir};

use crate::plain_venue::exchange::Exchange;
use crate::plain_venue::venue::Plain;
use crate::plain_venue::{data, hub_at, settings, until};

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("tapeline-record-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    folder
}

fn hub_on(exchange: &Exchange, state: Arc<StateDir>) -> Hub {
    hub_of(Arc::default(), exchange, state)
}

fn hub_of(venue: Arc<Plain>, exchange: &Exchange, state: Arc<StateDir>) -> Hub {
    let mut config = HubConfig { state: Some(state), seed: Some(7), ..HubConfig::default() };
    config.adapters.insert("plain".to_owned(), venue);
    config.venues.insert("plain".to_owned(), settings(&exchange.url));
    Hub::new(config)
}

async fn dials_left(hub: &Hub) -> usize {
    hub.status().await.venues[0].feed.as_ref().unwrap().dials_left
}

#[tokio::test]
async fn what_is_told_of_reliability_follows_from_what_is_written() {
    let mut exchange = Exchange::open().await;
    let folder = folder("written");
    let hub = hub_on(&exchange, StateDir::open(&folder, true).unwrap());
    let mut trades = hub.trades("plain", "BTC").await.unwrap();
    exchange.hears("trade.BTC").await;
    exchange.send("trade BTC 1 1");
    data(&mut trades).await;
    exchange.cut();
    exchange.hears("trade.BTC").await;
    exchange.send("trade BTC 2 1");
    data(&mut trades).await;
    let told = hub.reliability(None).await;
    let full = &told.report.full;
    assert_eq!((full.failures, full.repaired), (1, 1));
    assert_eq!((told.tolerance.faults.lines, told.tolerance.faults.felt), (1, 1));
    assert_eq!((told.tolerance.tolerated, told.tolerance.recovered), (Some(0.0), Some(1.0)));
    assert_eq!(&*told.venues[0].topics[0].topic, "plain:trade:BTC");
    let minute = hub.reliability(Some(Duration::from_secs(60))).await;
    assert_eq!((minute.report.window_s, minute.report.full.failures), (Some(60.0), 1));
    let events = hub.events(0, 1_000);
    assert!(events.iter().any(|event| event.kind == "line" && event.to == "live"));
    assert_eq!(hub.events(events[3].seq, 1)[0].seq, events[4].seq);
    hub.shutdown().await;
    let text = std::fs::read_to_string(folder.join("events.jsonl")).unwrap();
    let written: Vec<Transition> = text.lines().filter_map(Transition::from_line).collect();
    let end = Mono(events.last().unwrap().mono_us * 1_000);
    let again = figures(&written, Mono::default(), end).full;
    assert_eq!((again.failures, again.repaired), (1, 1));
    // The file tells microseconds.
    assert!((again.mttr_s.unwrap() - full.mttr_s.unwrap()).abs() < 1e-5);
    let felt: Vec<&str> = text.lines().filter(|line| line.contains("\"felt\":")).collect();
    assert!(matches!(felt[..], [one] if one.contains("\"felt\":true") && one.contains("\"from\":\"live\"")));
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn what_was_dialled_counts_for_the_next_process() {
    let mut exchange = Exchange::open().await;
    let folder = folder("dials");
    let mut left = Vec::new();
    for _ in 0..4 {
        let hub = hub_on(&exchange, StateDir::open(&folder, false).unwrap());
        let _trades = hub.trades("plain", "BTC").await.unwrap();
        exchange.hears("trade.BTC").await;
        left.push(dials_left(&hub).await);
        // Without a goodbye: a dial was written before it was made, so that who is killed now has not forgotten it.
        let text = std::fs::read_to_string(folder.join("venues").join("plain.json")).unwrap();
        let kept: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(kept["dials_ms"].as_array().unwrap().len(), left.len());
        drop(_trades);
        drop(hub);
        until(async || StateDir::open(&folder, false).is_ok()).await;
    }
    assert_eq!(left, [left[0], left[0] - 1, left[0] - 2, left[0] - 3]);
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn the_ledger_tells_what_came() {
    let mut exchange = Exchange::open().await;
    let hub = hub_at(&exchange);
    let mut trades = hub.trades("plain", "BTC").await.unwrap();
    exchange.hears("trade.BTC").await;
    for id in [1, 2, 2, 3] {
        exchange.send(format!("trade BTC {id} 1"));
    }
    for _ in 0..3 {
        data(&mut trades).await;
    }
    for of in ["", "plain", "plain:trade:BTC"] {
        let ledger = hub.ledger(of).await.unwrap();
        assert_eq!((ledger.total.expected, ledger.total.received, ledger.total.duplicate), (3, 3, 1), "{of}");
        assert_eq!((ledger.completeness, ledger.venues[0].topics.len()), (Some(1.0), 1));
    }
    assert!(hub.ledger("nobody").await.is_err());
    assert!(hub.ledger("plain:nonsense").await.is_err());
}

/// What the independent script says of a log; none where there is no Python.
fn recomputed(log: &str, end_us: u64) -> Option<serde_json::Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/reliability.py");
    let mut child = Command::new("python3")
        .arg(script)
        .args(["0", &end_us.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    child.stdin.take().unwrap().write_all(log.as_bytes()).unwrap();
    Some(serde_json::from_slice(&child.wait_with_output().unwrap().stdout).unwrap())
}

#[tokio::test]
async fn what_the_log_tells_of_events_sums_up_to_the_ledger() {
    let mut exchange = Exchange::open().await;
    let folder = folder("ledger");
    let mut config = HubConfig {
        state: Some(StateDir::open(&folder, true).unwrap()),
        seed: Some(7),
        ..HubConfig::default()
    };
    config.adapters.insert("plain".to_owned(), Arc::<Plain>::default());
    let mut settings = settings(&exchange.url);
    settings.feed.timing.reorder_within = Duration::from_millis(20);
    config.venues.insert("plain".to_owned(), settings);
    let hub = Hub::new(config);
    let mut trades = hub.trades("plain", "A").await.unwrap();
    let _all_came = trades.add("plain:trade:B").await.unwrap();
    exchange.hears("trade.B").await;
    for trade in ["A 1 1", "B 1 1", "B 2 1", "A 2 1", "A 2 1", "A 5 1"] {
        exchange.send(format!("trade {trade}"));
    }
    until(async || hub.ledger("").await.unwrap().total.received == 5).await;
    let told = hub.ledger("").await.unwrap();
    assert_eq!((told.total.expected, told.total.lost, told.total.duplicate), (7, 2, 1));
    hub.shutdown().await;
    let text = std::fs::read_to_string(folder.join("events.jsonl")).unwrap();
    let written = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let written: Vec<_> = written.filter(|record| record["kind"] == "ledger").collect();
    let lost = |entity| {
        written
            .iter()
            .filter(|one| one["entity"] == entity)
            .filter_map(|one| one["lost"].as_i64())
            .sum::<i64>()
    };
    assert_eq!((lost("venue"), lost("plain:trade:A")), (2, 2));
    assert!(written.iter().all(|record| record["entity"] != "plain:trade:B"), "of which all came");
    if let Some(again) = recomputed(&text, u64::MAX / 1_000) {
        let mut ledger = serde_json::to_value(told.total).unwrap();
        ledger["completeness"] = serde_json::json!(told.completeness);
        assert_eq!(again["ledger"], ledger);
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn an_application_reports_errors_of_its_own() {
    let exchange = Exchange::open().await;
    let hub = hub_at(&exchange);
    let mut notifications = hub.notifications();
    assert!(hub.report("strategy", Level::Critical, "positions do not match"));
    until(async || hub.alerts().notifications.len() == 1).await;
    let told = &hub.alerts().notifications[0];
    assert_eq!((&*told.alerts[0].part, &*told.alerts[0].evidence), ("strategy", "positions do not match"));
    assert_eq!(notifications.next().await.as_deref(), Some(told), "whoever waits for it is told as well");
    assert!(!hub.history().minutes.is_empty());
    assert!(hub.report("strategy", Level::Healthy, ""));
    assert!(!hub.report("strategy", Level::Healthy, ""));
    hub.shutdown().await;
    while notifications.next().await.is_some() {}
}

#[tokio::test]
async fn a_feed_that_crashes_again_while_it_is_rebuilt_still_knows_what_was_used_up_of_the_limits() {
    let mut exchange = Exchange::open().await;
    let folder = folder("again");
    let venue = Arc::new(Plain::default());
    let hub = hub_of(Arc::clone(&venue), &exchange, StateDir::open(&folder, false).unwrap());
    let mut trades = hub.trades("plain", "A").await.unwrap();
    exchange.hears("trade.A").await;
    let left = dials_left(&hub).await;
    assert_eq!(left, 999, "one was dialled");
    venue.crash.store(true, Ordering::SeqCst);
    venue.again.store(true, Ordering::SeqCst);
    let _more = trades.add("plain:trade:B").await;
    until(async || {
        let venue = hub.status().await.venues.remove(0);
        venue.restarts == 2 && venue.feed.is_some()
    })
    .await;
    assert_eq!(dials_left(&hub).await, left);
    hub.shutdown().await;
    std::fs::remove_dir_all(&folder).unwrap();
}
