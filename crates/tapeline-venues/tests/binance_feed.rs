//! What the venue's words come to in a feed.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use tapeline_core::config::FeedConfig;
use tapeline_core::data::channel::Delivery;
use tapeline_core::data::update::{Data, Kind};
use tapeline_core::feed::{Action, Feed, Input, Memory};
use tapeline_core::outbox::{Bounds, Overflow, SubscriberId, outbox};
use tapeline_core::time::{Mono, Time, Unix};
use tapeline_core::venue::LineId;

/// The only line that the feed dials, open, with every request confirmed.
fn open(feed: &mut Feed, now: Time) -> LineId {
    let mut opened = None;
    loop {
        match feed.next_action() {
            Some(Action::Dial { line, .. }) => {
                opened = Some(line);
                feed.handle(now, Input::Opened { line });
            }
            Some(Action::Send { line, .. }) => {
                feed.handle(now, Input::Frame { line, bytes: br#"{"result":null,"id":1}"# });
            }
            Some(_) => {}
            None => return opened.unwrap(),
        }
    }
}

#[test]
fn of_a_stream_over_all_symbols_every_quote_is_told_in_whatever_order_their_ids_come() {
    let now = Time { mono: Mono(1_000_000_000_000), unix: Unix(1_781_000_000_000_000_000) };
    let venue = tapeline_venues::by_id("binance-usdm").unwrap();
    let mut feed = Feed::new(venue, FeedConfig::default(), Memory::default(), 7);
    let bounds = Bounds { messages: 1_000, bytes: 1 << 20 };
    let (who, mut told) = outbox(SubscriberId(1), "reader", Overflow::Gap, bounds);
    let topic = "binance-usdm:quote:!all".parse().unwrap();
    feed.subscribe(now, topic, Delivery::Every, None, &who).unwrap();
    feed.tick(now);
    let line = open(&mut feed, now);
    for n in 0..20_u64 {
        let (symbol, id) = if n % 2 == 0 { ("BTCUSDT", 9_000 + n) } else { ("ETHUSDT", 100 + n) };
        let at = 1_781_000_000_206 + n;
        let text = format!(
            r#"{{"stream":"!bookTicker","data":{{"e":"bookTicker","u":{id},"E":{at},"T":{at},"s":"{symbol}","b":"{n}.4","B":"5.1","a":"91.6","A":"2.0"}}}}"#
        );
        feed.handle(now, Input::Frame { line, bytes: text.as_bytes() });
    }
    while feed.next_action().is_some() {}
    let quotes = std::iter::from_fn(|| told.try_next()).filter(|update| update.kind != Kind::Status);
    let quotes: Vec<_> = quotes.filter(|update| matches!(update.data, Data::Keyed(_))).collect();
    assert_eq!(quotes.len(), 20);
    assert_eq!(quotes[19].offset, 19, "the first one is the snapshot");
}
