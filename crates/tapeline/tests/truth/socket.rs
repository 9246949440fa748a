//! The same recordings over a real loopback socket: player, WebSocket, HTTP, hub, subscription.

use std::path::Path;
use std::time::Duration;

use tapeline::{Delivery, FeedConfig, FeedStatus, Hub, HubConfig, Overflow, VenueConfig};
use tapeline_sim::{Content, Options, Server, Speed};

use super::recording::Recording;
use super::verify::{Findings, Judge};

/// Nothing here takes a tenth of this; it only ends a test that would hang.
const PATIENCE: Duration = Duration::from_secs(60);

/// A hub that knows one venue, at this server.
pub(crate) fn hub(venue: &str, server: &Server) -> Hub {
    let feed =
        FeedConfig { streams: vec![server.ws_url()], rest: vec![server.url()], ..FeedConfig::default() };
    let mut config = HubConfig { seed: Some(1), ..HubConfig::default() };
    config.venues.insert(venue.to_owned(), VenueConfig { feed, ..VenueConfig::default() });
    Hub::new(config)
}

/// The status of the only venue.
pub(crate) async fn status(hub: &Hub) -> FeedStatus {
    hub.status().await.venues.into_iter().find_map(|venue| venue.feed).unwrap()
}

/// Plays a recording at full speed into a subscription and judges what arrives.
pub(crate) async fn play(dir: &Path, recording: &Recording) -> (Findings, FeedStatus) {
    let content = Content::Capture { dir: dir.to_owned(), speed: Speed::Max };
    let server = Server::start(Options::new(content)).await.unwrap();
    let hub = hub(recording.venue, &server);
    let topics: Vec<&str> = recording.topics.iter().map(String::as_str).collect();
    let subscribe = hub.subscribe(&topics[..]).delivery(Delivery::Every).overflow(Overflow::Block);
    let mut reader = subscribe.await.unwrap();
    let mut judge = Judge::new(recording);
    let mut batch = Vec::new();
    let read = async {
        while !judge.is_complete() {
            if reader.next_batch(&mut batch).await == 0 {
                break;
            }
            for update in batch.drain(..) {
                judge.see(&update);
            }
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, read).await;
    let status = status(&hub).await;
    assert!(in_time.is_ok(), "{}: incomplete: {:?} {status:#?}", dir.display(), judge.findings);
    hub.shutdown().await;
    server.shutdown().await;
    (judge.verdict(), status)
}
