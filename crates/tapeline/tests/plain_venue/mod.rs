//! A venue of our own for tests: a plain-text adapter, and an exchange on a loopback socket.
#![allow(dead_code, reason = "each test program uses its own part of this")]

pub(crate) mod exchange;
pub(crate) mod venue;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tapeline::{FeedConfig, Hub, HubConfig, Limits, Subscription, Timing, Update, VenueConfig};

use self::exchange::Exchange;
use self::venue::Plain;

/// Longer than anything here can take on a loaded machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for something that must happen.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("it did not happen in time")
}

/// Looks again and again until it is so; for what has no event of its own.
pub(crate) async fn until<F: Future<Output = bool>>(mut is_so: impl FnMut() -> F) {
    soon(async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

/// Settings for an exchange: the usual ones, scaled down in time.
pub(crate) fn settings(url: &str) -> VenueConfig {
    let millis = Duration::from_millis;
    let timing = Timing {
        linger: Duration::ZERO,
        sweep: millis(20),
        fast_retry: millis(1),
        backoff_first: millis(10),
        backoff_min: millis(1),
        backoff_max: millis(50),
        stable_after: millis(50),
        ..Timing::default()
    };
    let limits = Limits { messages_per_second: 1_000, dials_percent: 100, ..Limits::default() };
    let feed = FeedConfig { streams: vec![url.to_owned()], limits, timing, ..FeedConfig::default() };
    VenueConfig { feed, ..VenueConfig::default() }
}

/// A hub that knows the plain venue with these settings.
pub(crate) fn hub_with(venue: &Arc<Plain>, settings: VenueConfig) -> Hub {
    let mut config = HubConfig { throttle: Some(Duration::ZERO), seed: Some(7), ..HubConfig::default() };
    config.adapters.insert("plain".to_owned(), venue.clone());
    config.venues = BTreeMap::from([("plain".to_owned(), settings)]);
    Hub::new(config)
}

/// A hub that knows the plain venue at an exchange.
pub(crate) fn hub_at(exchange: &Exchange) -> Hub {
    hub_with(&Arc::default(), settings(&exchange.url))
}

/// The next update that is data.
pub(crate) async fn data(subscription: &mut Subscription) -> Arc<Update> {
    soon(async {
        loop {
            let update = subscription.next().await.expect("the subscription goes on");
            if update.kind.consumes_offset() {
                return update;
            }
        }
    })
    .await
}
