//! What an operator orders through the library, by what each order may be about.

use std::sync::Arc;
use std::time::Duration;

use tapeline::core::policy::breaker::State;
use tapeline::{
    Breakers, Chaos, Done, Hub, HubConfig, Mischief, NoFault, OrderError, Recovery, Rung, SubscribeError,
    Target, TopicError,
};
use tapeline_sim::{Content, MarketOptions, Options, Server};

use crate::edge::at;
use crate::plain_venue::exchange::Exchange;
use crate::plain_venue::venue::Plain;
use crate::plain_venue::{data, hub_at, settings, until};

fn target(text: &str) -> Target {
    text.parse().unwrap()
}

/// The orders that stand in the record.
fn ordered(hub: &Hub) -> Vec<&'static str> {
    hub.events(0, 10_000).into_iter().filter(|event| event.kind == "order").map(|order| order.to).collect()
}

#[tokio::test]
async fn everything_a_venue_or_a_line_is_ordered_about_and_it_is_recorded() {
    let mut exchange = Exchange::open().await;
    let hub = hub_at(&exchange);
    assert!(hub.recover(&Target::All, Recovery::Immediate).await.unwrap().is_empty(), "nothing runs yet");
    let mut trades = hub.trades("plain", "BTC").await.unwrap();
    exchange.hears("trade.BTC").await;
    exchange.send("trade BTC 1 1");
    data(&mut trades).await;
    let rung = async || hub.status().await.venues[0].feed.as_ref().unwrap().fallback.clone();
    let plain: Target = "plain".parse().unwrap();
    assert_eq!(hub.pin(&plain, Rung::Cache).await.unwrap()[0].touched, 1);
    assert!(rung().await.pinned);
    assert_eq!(hub.unpin(&Target::All).await.unwrap()[0].touched, 1);
    assert_eq!(hub.unpin(&plain).await.unwrap()[0].touched, 0);
    exchange.hears("trade.BTC").await;
    assert_eq!(hub.reconnect(&"plain/0".parse().unwrap()).await.unwrap()[0].touched, 1);
    exchange.hears("trade.BTC").await;
    assert_eq!(hub.reset(&Target::All, Breakers::Closed).await.unwrap()[0].venue, "plain");
    assert_eq!(hub.sweep(&plain).await.unwrap()[0].touched, 0, "it is read");
    assert_eq!(ordered(&hub), ["pin", "unpin", "unpin", "reconnect", "reset"]);
}

type Answer = Result<Vec<Done>, OrderError>;

/// What each order says that is done to whole venues only.
async fn of_whole_venues(hub: &Hub, target: &Target) -> [(&'static str, Answer); 7] {
    [
        ("fallback", hub.fallback(target, Rung::Poll).await),
        ("pin", hub.pin(target, Rung::Cache).await),
        ("unpin", hub.unpin(target).await),
        ("reset", hub.reset(target, Breakers::Closed).await),
        ("open", hub.reset(target, Breakers::Open).await),
        ("disabled", hub.reset(target, Breakers::Disabled).await),
        ("sweep", hub.sweep(target).await),
    ]
}

#[tokio::test]
async fn what_is_done_to_whole_venues_refuses_a_line_or_topic_and_touches_nothing() {
    let mut exchange = Exchange::open().await;
    let hub = hub_at(&exchange);
    let _trades = hub.trades("plain", "BTC").await.unwrap();
    exchange.hears("trade.BTC").await;
    for (order, answer) in of_whole_venues(&hub, &target("plain/0")).await {
        assert_eq!(answer, Err(OrderError::NotOfLine), "{order}");
    }
    for (order, answer) in of_whole_venues(&hub, &target("plain:trade:BTC")).await {
        assert_eq!(answer, Err(OrderError::NotOfTopic { venue: "plain".to_owned() }), "{order}");
    }
    assert_eq!(ordered(&hub), Vec::<&str>::new());
    let feed = hub.status().await.venues.remove(0).feed.unwrap();
    assert!(!feed.fallback.pinned && feed.endpoints.iter().all(|end| end.breaker == State::Closed));
}

#[tokio::test]
async fn breakers_are_held_open_disabled_and_closed_by_the_mode_of_a_reset() {
    let mut exchange = Exchange::open().await;
    let hub = hub_at(&exchange);
    let _trades = hub.trades("plain", "BTC").await.unwrap();
    exchange.hears("trade.BTC").await;
    let modes = [
        (Breakers::Open, State::ForcedOpen),
        (Breakers::Disabled, State::Disabled),
        (Breakers::Closed, State::Closed),
    ];
    for (mode, state) in modes {
        hub.reset(&Target::All, mode).await.unwrap();
        let feed = hub.status().await.venues.remove(0).feed.unwrap();
        assert!(feed.endpoints.iter().all(|end| end.breaker == state), "{mode:?}: {:?}", feed.endpoints);
    }
}

#[tokio::test]
async fn what_is_not_there_is_named_in_the_refusal_of_every_order() {
    let mut exchange = Exchange::open().await;
    let hub = hub_at(&exchange);
    let all = async |named: &Target| {
        let mut answers = Vec::from(of_whole_venues(&hub, named).await);
        answers.push(("recover", hub.recover(named, Recovery::Immediate).await));
        answers.push(("reconnect", hub.reconnect(named).await));
        answers.push(("rotate", hub.rotate(named).await));
        answers
    };
    for (order, answer) in all(&target("plain")).await {
        let expected = SubscribeError::NotRunning { venue: "plain".to_owned() };
        assert_eq!(answer, Err(OrderError::Feed(expected)), "{order}");
    }
    let topic = target("plain:trade:NONE");
    for (order, answer) in all(&topic).await {
        assert!(matches!(&answer, Err(OrderError::NoTopic(_))), "{order}, nothing runs: {answer:?}");
    }
    let _trades = hub.trades("plain", "BTC").await.unwrap();
    exchange.hears("trade.BTC").await;
    for (order, answer) in all(&topic).await {
        assert!(matches!(&answer, Err(OrderError::NoTopic(_))), "{order}: {answer:?}");
    }
    for (order, answer) in all(&target("plain/7")).await {
        assert_eq!(answer, Err(OrderError::NoLine { venue: "plain".to_owned(), slot: 7 }), "{order}");
    }
    for (order, answer) in all(&target("nobody")).await {
        assert!(matches!(&answer, Err(OrderError::NoVenue { .. })), "{order}: {answer:?}");
        assert!(answer.unwrap_err().to_string().contains("binance, binance-usdm, plain"));
    }
    for (order, answer) in all(&target("nobody:trade:BTC")).await {
        let of_topic = SubscribeError::Topic(TopicError::Venue {
            venue: "nobody".to_owned(),
            known: hub.venues().join(", "),
        });
        assert_eq!(answer, Err(OrderError::Feed(of_topic)), "{order}");
    }
    assert_eq!(ordered(&hub), Vec::<&str>::new());
}

#[tokio::test]
async fn an_order_about_a_topic_is_one_about_the_lines_that_carry_it() {
    const BOOK: &str = "binance-usdm:book:BTCUSDT";
    const TRADES: &str = "binance-usdm:agg_trade:BTCUSDT";
    let server = Server::start(Options::new(Content::Market(MarketOptions::new(true)))).await.unwrap();
    let mut config = HubConfig { seed: Some(3), ..HubConfig::default() };
    config.venues.insert("binance-usdm".to_owned(), at(&server.ws_url(), &server.url()));
    let hub = Hub::new(config);
    let mut book = hub.subscribe(BOOK).await.unwrap();
    let mut trades = hub.subscribe(TRADES).await.unwrap();
    data(&mut book).await;
    data(&mut trades).await;
    let line_of = async |topic: &str| {
        let feed = hub.status().await.venues.remove(0).feed.unwrap();
        let lines = feed.topics.iter().find(|running| running.topic.as_str() == topic).unwrap().lines.clone();
        // While one follows another there are two.
        feed.lines.into_iter().find(|line| Some(&line.id) == lines.first()).unwrap()
    };
    assert_ne!(line_of(BOOK).await.id, line_of(TRADES).await.id);
    let touched = |answer: Answer| {
        let done = answer.unwrap();
        assert_eq!((done.len(), done[0].venue.as_str()), (1, "binance-usdm"));
        done[0].touched
    };
    // In the spelling of whoever asks.
    assert_eq!(touched(hub.reconnect(&target("binance-usdm:aggTrade:btcusdt")).await), 1);
    until(async || line_of(TRADES).await.stats.dials == 2 && line_of(TRADES).await.phase == "live").await;
    assert_eq!(line_of(BOOK).await.stats.dials, 1, "it does not carry them");
    // Lines that are live have nothing to recover from; a book is fetched anew.
    let snapshots = || server.report().snapshots.values().sum::<u64>();
    let before = snapshots();
    assert_eq!(touched(hub.recover(&target(TRADES), Recovery::Immediate).await), 0);
    assert_eq!(touched(hub.recover(&target(BOOK), Recovery::Manual).await), 0);
    assert_eq!(ordered(&hub), ["reconnect", "recover", "recover"]);
    assert_eq!(touched(hub.recover(&target(BOOK), Recovery::Immediate).await), 1);
    assert_eq!(ordered(&hub)[3..], ["resync", "recover"]);
    until(async || snapshots() > before).await;
    let carrier = line_of(BOOK).await.id;
    assert_eq!(touched(hub.rotate(&target(BOOK)).await), 1);
    until(async || line_of(BOOK).await.id != carrier).await;
    assert_eq!(line_of(TRADES).await.stats.dials, 2, "nor is it followed by another one");
}

#[tokio::test]
async fn a_topic_that_was_refused_is_recovered_with_its_venue_and_has_no_line_to_order_about() {
    let mut exchange = Exchange::open().await;
    let mut config = HubConfig { seed: Some(7), chaos: Some(Chaos::new()), ..HubConfig::default() };
    config.adapters.insert("plain".to_owned(), Arc::new(Plain::default()));
    config.venues.insert("plain".to_owned(), settings(&exchange.url));
    let hub = Hub::new(config);
    let mut trades = hub.trades("plain", "BTC").await.unwrap();
    exchange.hears("trade.BTC").await;
    exchange.send("trade BTC 1 1");
    data(&mut trades).await;
    let _refused = hub.trades("plain", "REFUSED").await.unwrap();
    exchange.hears("trade.REFUSED").await;
    let (carried, refused) = (target("plain:trade:BTC"), target("plain:trade:REFUSED"));
    let is_refused = async || hub.list().await.0.iter().any(|topic| topic.phase == "rejected");
    until(is_refused).await;
    assert_eq!(hub.reconnect(&refused).await.unwrap()[0].touched, 0);
    assert_eq!(hub.rotate(&refused).await.unwrap()[0].touched, 0);
    let secs = Duration::from_secs(9);
    let broken = hub.break_on_purpose(Mischief::Stall, &refused, secs, 1.0).await;
    assert!(matches!(&broken, Err(NoFault::NotCarried(topic)) if topic.symbol() == "REFUSED"), "{broken:?}");
    assert!(hub.chaos().unwrap().list().is_empty());
    assert_eq!(hub.recover(&refused, Recovery::Immediate).await.unwrap()[0].touched, 1);
    exchange.hears("trade.REFUSED").await;
    // Of a topic that is carried, its line is struck; what is done to whole venues is refused.
    let block = hub.break_on_purpose(Mischief::BlockRest, &carried, secs, 1.0).await;
    assert_eq!(block, Err(NoFault::WholeVenue));
    let block = hub.break_on_purpose(Mischief::BlockRest, &target("plain/0"), secs, 1.0).await;
    assert_eq!(block, Err(NoFault::WholeVenue));
    let nobody = hub.break_on_purpose(Mischief::Cut, &target("nobody"), secs, 1.0).await;
    assert!(matches!(nobody, Err(NoFault::Target(OrderError::NoVenue { .. }))), "{nobody:?}");
    assert_eq!(hub.break_on_purpose(Mischief::Stall, &carried, secs, 1.0).await, Ok(vec![1]));
    assert_eq!(hub.chaos().unwrap().list()[0].target, "plain/0");
}
