//! A symbol that the venue does not have: its streams are accepted and stay mute, and its REST interface says so.

use std::collections::BTreeMap;
use std::time::Duration;

use tapeline::{Data, Kind, TopicStatus};
use tapeline_sim::{Content, MarketOptions, Options, Server};

use crate::edge::{at, hub};
use crate::plain_venue::soon;

#[tokio::test]
async fn an_unknown_symbols_book_is_told_as_refused_its_trades_as_never_come_and_others_go_on() {
    let server = Server::start(Options::new(Content::Market(MarketOptions::default()))).await.unwrap();
    let mut settings = at(&server.ws_url(), &server.url());
    settings.feed.timing.first_delta_within = Duration::from_millis(50);
    let hub = hub(settings);
    let wanted = ["binance:trade:BTCUSDT", "binance:book:NOSUCHUSDT", "binance:trade:NOSUCHUSDT"];
    let mut reader = hub.subscribe(wanted).await.unwrap();
    let (mut refused, mut trades, mut phases) = (None, Vec::new(), Vec::new());
    soon(async {
        while refused.is_none() || trades.len() < 20 {
            let update = reader.next().await.unwrap();
            match (update.topic.as_str(), &update.data) {
                ("binance:trade:BTCUSDT", Data::Trade(_)) => trades.push(update.offset),
                ("binance:trade:BTCUSDT", Data::Status(status)) => phases.push(status.phase.to_string()),
                ("binance:book:NOSUCHUSDT", Data::Status(status)) if status.phase == "rejected" => {
                    refused = Some(status.reason.to_string());
                }
                (topic, _) => {
                    assert!(topic == wanted[0] || update.kind == Kind::Status || update.offset == 0)
                }
            }
        }
    })
    .await;
    let reason = refused.unwrap();
    assert!(reason.contains("refuses its snapshot") && reason.contains("Invalid symbol"), "{reason}");
    assert_eq!(trades, (1..=trades.len() as u64).collect::<Vec<_>>(), "the others miss nothing");
    assert_eq!(phases.last().map(String::as_str), Some("live"), "{phases:?}");
    let status = hub.status().await;
    let feed = status.venues[0].feed.as_ref().unwrap();
    let topics: BTreeMap<&str, &TopicStatus> = feed.topics.iter().map(|t| (t.topic.as_str(), t)).collect();
    assert_eq!(topics[wanted[1]].phase, "rejected");
    // The venue has said yes, so nothing is known against it; that nothing ever came is shown.
    let mute = topics[wanted[2]];
    assert_eq!((mute.phase, mute.last_message, mute.position.offset), ("live", None, 0), "{}", mute.reason);
    assert_eq!((feed.reconnects.len(), server.report().connects), (0, 1), "no line was given up for it");
}
