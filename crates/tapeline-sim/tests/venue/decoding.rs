//! What the venue streams is what the product's decoder understands: every stream there is, frame by frame.

use crate::client::{Socket, held, market};
use std::collections::BTreeMap;
use tapeline_core::data::event::Price;
use tapeline_core::data::update::Data;
use tapeline_core::venue::{Decoded, Item, LineId, Names, TopicId, Venue as _};
use tapeline_sim::{Options, Server};
use tapeline_venues::binance::{Binance, Market};

async fn venue(futures: bool) -> Server {
    held(Options { streams: Some(1_024), ..market(futures, u64::MAX) }).await
}

/// Decodes so many frames of these streams: what came of each of them, in order.
async fn decode(
    server: &Server,
    base: &str,
    streams: &[String],
    frames: usize,
) -> BTreeMap<String, Vec<Item>> {
    let venue = Binance::new(if server.is_futures() { Market::UsdM } else { Market::Spot });
    let mut names = Names::default();
    for (number, stream) in (0..).zip(streams) {
        names.insert(stream, TopicId(number));
    }
    let mut socket = Socket::open(server, &format!("{base}/stream?streams={}", streams.join("/"))).await;
    server.begin();
    let mut all: BTreeMap<String, Vec<Item>> = BTreeMap::new();
    for text in socket.texts(frames).await {
        let mut out = Decoded::default();
        let decoded = venue.decode(LineId { slot: 0, dial: 1 }, text.as_bytes(), &names, &mut out);
        decoded.unwrap_or_else(|error| panic!("{error}: {text}"));
        assert!(!out.items.is_empty(), "{text}");
        let stream = text.split('"').nth(3).unwrap();
        all.entry(stream.to_owned()).or_default().append(&mut out.items);
    }
    all
}

/// The newest that came of a stream.
fn newest<'a>(all: &'a BTreeMap<String, Vec<Item>>, stream: &str) -> &'a Data {
    let Some(Item::Market { data, .. }) = all[stream].last() else { panic!("{stream}: {:?}", all[stream]) };
    data
}

#[tokio::test]
async fn every_stream_of_spot_is_understood() {
    let server = venue(false).await;
    let streams = server.streams();
    let all = decode(&server, "", &streams, 90_000).await;
    let silent: Vec<&String> = streams.iter().filter(|name| !all.contains_key(*name)).collect();
    assert!(silent.is_empty(), "{silent:?}");
    let Data::Price(Price { price: Some(average), interval: Some(interval) }) =
        newest(&all, "btcusdt@avgPrice")
    else {
        panic!("no average price")
    };
    assert_eq!(&**interval, "5m");
    let Data::Price(Price { price: Some(reference), interval: None }) =
        newest(&all, "btcusdt@referencePrice")
    else {
        panic!("no reference price")
    };
    let Data::Trade(block) = newest(&all, "btcusdt@blockTrade") else { panic!("no block") };
    let Data::Ticker(hour) = newest(&all, "btcusdt@ticker_1h") else { panic!("no ticker") };
    // One market, whoever tells of it: all prices are within a twentieth of each other.
    let close = |price| (float(price) / float(&hour.last) - 1.0).abs() < 0.05;
    assert!([average, reference, &block.price, &hour.open, &hour.high, &hour.low].into_iter().all(close));
    let Data::Ticker(day) = newest(&all, "btcusdt@ticker_1d") else { panic!("no ticker") };
    assert!(day.trades > hour.trades && float(&day.volume) > float(&hour.volume));
    let Data::Keyed(array) = newest(&all, "!ticker_4h@arr") else { panic!("no array") };
    assert!(array.0.len() > 5, "what has traded in this second: {array:?}");
}

fn float(value: &tapeline_core::data::decimal::Decimal) -> f64 {
    value.to_string().parse().unwrap()
}

#[tokio::test]
async fn every_stream_of_futures_is_understood() {
    let mut heard = Vec::new();
    let mut streams = Vec::new();
    for base in ["/public", "/market"] {
        let server = venue(true).await;
        streams = server.streams();
        heard.extend(decode(&server, base, &streams, 40_000).await.into_keys());
    }
    let silent: Vec<&String> = streams.iter().filter(|name| !heard.contains(name)).collect();
    assert!(silent.is_empty(), "{silent:?}");
}

#[tokio::test]
async fn a_reference_price_may_be_null() {
    let server = venue(false).await;
    server.trouble("null-price stream=btcusdt@referencePrice nth=2".parse().unwrap());
    let all = decode(&server, "", &["btcusdt@referencePrice".to_owned()], 3).await;
    let prices = all["btcusdt@referencePrice"].iter().map(|item| match item {
        Item::Market { data: Data::Price(Price { price, .. }), .. } => price.is_some(),
        other => panic!("{other:?}"),
    });
    assert_eq!(prices.collect::<Vec<_>>(), [true, false, true]);
}
