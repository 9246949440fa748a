//! The edge against the simulated venue: answers to the upgrade that nobody asked for.

use tapeline::core::data::event::BookState;
use tapeline::core::policy::fault::Fault;
use tapeline::{Data, Hub, HubConfig, VenueConfig};
use tapeline_sim::{Content, MarketOptions, Options, Server};

use crate::plain_venue::{data, settings, soon, until};

async fn venue(script: &str) -> Server {
    let server = Server::start(Options::new(Content::Market(MarketOptions::default()))).await.unwrap();
    server.trouble(script.parse().unwrap());
    server
}

/// Settings for a venue with sockets and REST at these addresses.
pub(crate) fn at(streams: &str, rest: &str) -> VenueConfig {
    let mut settings = settings(streams);
    settings.feed.rest = vec![rest.to_owned()];
    settings
}

pub(crate) fn hub(settings: VenueConfig) -> Hub {
    let mut config = HubConfig { seed: Some(3), ..HubConfig::default() };
    config.venues.insert("binance".to_owned(), settings);
    Hub::new(config)
}

/// The class and detail of the first line's failure, once it has one.
pub(crate) async fn failure(hub: &Hub) -> (&'static str, String) {
    let read = async || {
        let status = hub.status().await;
        let line = status.venues.first()?.feed.as_ref()?.lines.first()?.clone();
        Some((line.fault?, line.reason.unwrap_or_default()))
    };
    until(async || read().await.is_some()).await;
    read().await.unwrap()
}

#[tokio::test]
async fn compression_with_parameters_that_nobody_asked_for_is_understood() {
    for line in ["odd-deflate", "odd-deflate code=9", "odd-deflate code=77"] {
        let server = venue(line).await;
        let hub = hub(at(&server.ws_url(), &server.url()));
        let mut reader = hub.subscribe(["binance:book:BTCUSDT", "binance:trade:ETHUSDT"]).await.unwrap();
        let (mut live, mut trades) = (0, 0);
        while live < 20 || trades < 20 {
            match &data(&mut reader).await.data {
                Data::Book(book) => live += u32::from(book.state == BookState::Live),
                Data::Trade(_) => trades += 1,
                _ => {}
            }
        }
        let status = hub.status().await;
        let feed = status.venues[0].feed.as_ref().unwrap();
        assert!(feed.decode_errors.is_empty() && feed.gaps == 0, "{line}: {feed:?}");
        assert_eq!((server.report().connects, server.report().troubles["odd-deflate"]), (1, 1));
    }
}

#[tokio::test]
async fn an_extension_that_was_not_offered_fails_the_dial_until_it_is_gone() {
    let server = venue("odd-extension").await;
    let hub = hub(at(&server.ws_url(), &server.url()));
    let mut trades = hub.trades("binance", "BTCUSDT").await.unwrap();
    let (class, detail) = failure(&hub).await;
    assert_eq!(class, Fault::Server.name(), "{detail}");
    assert!(detail.contains("x-webkit-frame") && detail.contains("not offered"), "{detail}");
    soon(async {
        // It goes on dialling.
        while server.report().troubles["odd-extension"] < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    server.calm_all();
    assert!(matches!(data(&mut trades).await.data, Data::Trade(_)));
}
