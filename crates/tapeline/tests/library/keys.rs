//! A venue with a login: keys that it refuses are read anew from their file, and nobody sees them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tapeline::core::venue::Keys;
use tapeline::{Hub, HubConfig, KeyFile};
use tapeline_sim::world::{Door, Guarded};
use tapeline_sim::{Content, MarketOptions, Options, Server};
use tapeline_venues::binance::Market;

use crate::edge::at;
use crate::plain_venue::{data, until};

/// A venue that takes one key, a file with another one, and a hub that knows the file.
async fn guarded(name: &str, door: Door, takes: &str, holds: &str) -> (Server, PathBuf, Hub) {
    let server = Server::start(Options::new(Content::Market(MarketOptions::default()))).await.unwrap();
    server.set_login(Some(takes));
    server.ask_by_message(door != Door::Head);
    let file = std::env::temp_dir().join(format!("tapeline-login-{name}-{}", std::process::id()));
    std::fs::write(&file, holds).unwrap();
    let mut settings = at(&server.ws_url(), &server.url());
    settings.feed.keys = Some(Keys::new("test", holds));
    settings.keys = Some(Arc::new(KeyFile::new("test", &file)));
    // Polling would serve meanwhile.
    settings.feed.timing.fallback_after = Duration::from_secs(3_600);
    let mut config = HubConfig { seed: Some(3), ..HubConfig::default() };
    config.adapters.insert("binance".to_owned(), Arc::new(Guarded::new(Market::Spot, door)));
    config.venues.insert("binance".to_owned(), settings);
    (server, file, Hub::new(config))
}

/// Everything that can be read of a hub, as text.
async fn shown(hub: &Hub) -> String {
    let (status, events) = (hub.status().await, hub.events(0, 1_000));
    let alerts = hub.alerts();
    let written = (serde_json::to_string(&status).unwrap(), serde_json::to_string(&events).unwrap());
    format!("{written:?} {status:?} {events:?} {alerts:?} {hub:?}")
}

#[tokio::test]
async fn a_key_that_expires_in_mid_session_is_replaced_by_what_stands_in_its_file() {
    let (server, file, hub) = guarded("expires", Door::Head, "s3cr3t-one", "s3cr3t-one").await;
    let mut trades = hub.trades("binance", "BTCUSDT").await.unwrap();
    let first = data(&mut trades).await;
    std::fs::write(&file, "s3cr3t-two").unwrap();
    assert_eq!(server.set_login(Some("s3cr3t-two")), 1);
    let mut last = first.offset;
    until(async || server.report().connects == 2).await;
    for _ in 0..50 {
        let update = data(&mut trades).await;
        assert_eq!((update.epoch, update.offset), (first.epoch, last + 1), "nothing is missing");
        last = update.offset;
    }
    assert_eq!(server.report().refused, 0, "the old key was not tried again");
    let shown = shown(&hub).await;
    assert!(shown.contains("not valid any more") && !shown.contains("s3cr3t"), "{shown}");
    std::fs::remove_file(file).unwrap();
}

#[tokio::test]
async fn a_key_that_is_refused_at_the_door_is_read_once_more_before_the_next_try() {
    let (server, file, hub) = guarded("refused", Door::Head, "s3cr3t-new", "s3cr3t-old").await;
    // Somebody has replaced the file since the start.
    std::fs::write(&file, "s3cr3t-new").unwrap();
    let mut trades = hub.trades("binance", "BTCUSDT").await.unwrap();
    data(&mut trades).await;
    assert_eq!((server.report().refused, server.report().connects), (1, 1));
    let shown = shown(&hub).await;
    assert!(shown.contains("401") && !shown.contains("s3cr3t"), "{shown}");
    std::fs::remove_file(file).unwrap();
}

#[tokio::test]
async fn a_login_by_message_comes_before_all_else_and_keys_that_it_refuses_are_read_once_more() {
    let (server, file, hub) = guarded("message", Door::Message, "s3cr3t-new", "s3cr3t-old").await;
    // Somebody has replaced the file since the start.
    std::fs::write(&file, "s3cr3t-new").unwrap();
    let mut trades = hub.trades("binance", "BTCUSDT").await.unwrap();
    let first = data(&mut trades).await;
    let report = server.report();
    assert_eq!((report.connects, report.refused, report.request_errors), (2, 0, 1));
    // The venue ends what was opened with this key, and takes the next one.
    std::fs::write(&file, "s3cr3t-next").unwrap();
    assert_eq!(server.set_login(Some("s3cr3t-next")), 1);
    let mut last = first.offset;
    until(async || server.report().connects == 3).await;
    for _ in 0..50 {
        let update = data(&mut trades).await;
        assert_eq!((update.epoch, update.offset), (first.epoch, last + 1), "nothing is missing");
        last = update.offset;
    }
    let shown = shown(&hub).await;
    assert!(shown.contains("auth failed") && !shown.contains("s3cr3t"), "{shown}");
    std::fs::remove_file(file).unwrap();
}
