//! The adapters' decoders: any frame and any reply is translated or refused, never half of each.

use tapeline_core::data::topic::Topic;
use tapeline_core::time::Unix;
use tapeline_core::venue::{DecodeError, Decoded, Fetch, HttpReply, Item, LineId, Names, TopicId, Venue};
use tapeline_venues::binance::{Binance, Market, plain};

/// Topics by which an adapter's streams are made known; those it does not offer are left out.
const TOPICS: &[&str] = &[
    "trade:BTCUSDT",
    "agg_trade:BTCUSDT",
    "block_trade:BTCUSDT",
    "quote:BTCUSDT",
    "ticker:BTCUSDT",
    "ticker:BTCUSDT@1h",
    "ticker:BTCUSDT@4h",
    "mini_ticker:BTCUSDT",
    "avg_price:BTCUSDT",
    "reference_price:BTCUSDT",
    "mark_price:BTCUSDT",
    "liquidation:BTCUSDT",
    "contract_info:!all",
    "index_price:BTCUSDT",
    "book:BTCUSDT",
    "depth:BTCUSDT@5",
    "depth:BTCUSDT@20",
    "candle:BTCUSDT@1m",
    "ticker:!all",
    "mini_ticker:!all",
    "quote:!all",
    "mark_price:!all",
    "liquidation:!all",
];

struct Adapter {
    market: Market,
    venue: Binance,
    names: Names,
}

impl Adapter {
    fn new(market: Market) -> Self {
        let venue = Binance::new(market);
        let mut names = Names::default();
        for (index, rest) in TOPICS.iter().enumerate() {
            let topic = Topic::parse(&format!("{}:{rest}", market.id())).expect("a topic");
            if let Ok(route) = venue.canonical(topic).and_then(|topic| venue.route(&topic)) {
                names.insert(&route.stream, TopicId(index as u32));
            }
        }
        Self { market, venue, names }
    }

    fn decode(&self, frame: &[u8]) {
        let line = LineId { slot: 0, dial: 0 };
        let mut out = Decoded::default();
        let result = self.venue.decode(line, frame, &self.names, &mut out);
        check(&out);
        if result.is_err() {
            assert!(out.items.is_empty() && out.levels.is_empty(), "nothing of a refused frame is left");
        } else if !out.items.is_empty() {
            let parsed = serde_json::from_slice::<serde::de::IgnoredAny>(frame);
            assert!(parsed.is_ok(), "what is no JSON is not believed: {}", frame.escape_ascii());
        }
        self.compare(frame, &result, &out);
        // The same bytes mean the same, also behind other items.
        let mut again = Decoded::default();
        again.items.push(Item::Alive);
        assert_eq!(self.venue.decode(line, frame, &self.names, &mut again).is_ok(), result.is_ok());
        assert_eq!(again.items.len(), out.items.len() + 1);
    }

    /// The fast decoder against the plain one: the same items, or both refuse.
    fn compare(&self, frame: &[u8], fast: &Result<(), DecodeError>, out: &Decoded) {
        let mut slow = Decoded::default();
        let plain = plain::decode(self.market, frame, &self.names, &mut slow);
        match (fast, &plain) {
            // What looks like a copy (id 0 here) is left alone without a look at the rest of it.
            (Ok(()), _) if out.items.is_empty() => {}
            (Ok(()), Ok(())) => {
                assert_eq!(out.items, slow.items, "{}", frame.escape_ascii());
                assert_eq!(out.levels, slow.levels, "{}", frame.escape_ascii());
            }
            (Err(_), Err(_)) => {}
            _ => panic!("fast {fast:?}, plain {plain:?} on {}", frame.escape_ascii()),
        }
    }
}

/// What every reader of decoded items relies on.
fn check(out: &Decoded) {
    for item in &out.items {
        match item {
            Item::Market { topic, data, .. } => {
                assert!((topic.0 as usize) < TOPICS.len());
                serde_json::to_string(data).expect("every event can be written");
            }
            Item::Depth { topic, levels, bids, .. } | Item::Levels { topic, levels, bids, .. } => {
                assert!((topic.0 as usize) < TOPICS.len());
                assert!(levels.start <= levels.end && levels.end as usize <= out.levels.len());
                assert!(*bids <= levels.end - levels.start);
            }
            _ => {}
        }
    }
}

/// A frame of Binance spot.
///
/// # Panics
/// If a refused frame leaves something behind, or an accepted one says what cannot be.
pub fn binance_spot(data: &[u8]) {
    thread_local!(static ADAPTER: Adapter = Adapter::new(Market::Spot));
    ADAPTER.with(|adapter| adapter.decode(data));
}

/// A frame of Binance USD-M futures.
///
/// # Panics
/// As [`binance_spot`].
pub fn binance_usdm(data: &[u8]) {
    thread_local!(static ADAPTER: Adapter = Adapter::new(Market::UsdM));
    ADAPTER.with(|adapter| adapter.decode(data));
}

/// A REST reply of either market: one byte for the status, one for the headers, then the body.
///
/// # Panics
/// As [`binance_spot`].
pub fn binance_fetch(data: &[u8]) {
    let [status, header, body @ ..] = data else { return };
    let statuses = [200, 200, 200, 201, 400, 401, 403, 404, 418, 429, 451, 500, 502, 503, 504, 999];
    let status = statuses[usize::from(status & 15)];
    // A body may be a header's value as well: whatever the venue sends there is read too.
    let value = String::from_utf8_lossy(&body[..body.len().min(usize::from(header >> 2))]).into_owned();
    let names = ["retry-after", "x-mbx-used-weight-1m", "x-mbx-used-weight", "content-type"];
    let headers = [(names[usize::from(header & 3)].to_owned(), value)];
    let now = Unix(1_781_000_000_000_000_000);
    for market in Market::ALL {
        let topic = Topic::parse(&format!("{}:book:BTCUSDT", market.id())).expect("a topic");
        let reply = HttpReply { status, headers: &headers, body, now };
        let mut out = Decoded::default();
        let result = Binance::new(market).decode_fetch(Fetch::Snapshot, &topic, &reply, &mut out);
        check(&out);
        match result {
            Ok(()) => assert!(out.items.iter().any(|item| matches!(item, Item::Levels { .. }))),
            Err(refusal) => assert!(refusal.detail.len() <= 200, "{} bytes", refusal.detail.len()),
        }
        assert!(result_is_believable(status, &out), "a snapshot comes only with a success");
    }
}

fn result_is_believable(status: u16, out: &Decoded) -> bool {
    (200..300).contains(&status) || !out.items.iter().any(|item| matches!(item, Item::Levels { .. }))
}
