//! Replies that were never meant to be: whatever they hold, they are refused whole or say only what may be said.

use proptest::prelude::*;
use proptest::sample::Index;
use tapeline_core::data::channel::Channel;
use tapeline_core::data::topic::Topic;
use tapeline_core::time::Unix;
use tapeline_core::venue::{Decoded, Fetch, HttpReply, Item, TopicId};

use super::super::Market;
use super::ask::MOST_ROWS;

const MISSED: Fetch = Fetch::Backfill { from: 501, to: 503 };
const NEW: Fetch = Fetch::Poll { after: Some(500) };
const NEWEST: Fetch = Fetch::Poll { after: None };
const SINCE: Fetch = Fetch::Poll { after: Some(60_000) };

const TRADES: &str = r#"[{"id":500,"price":"1.5","qty":"2","time":1790000000121,"isBuyerMaker":true},{"id":502,"price":"1.6","qty":"3","time":1790000000122,"isBuyerMaker":false,"isBestMatch":true},{"id":504,"price":"0","qty":"0","time":1790000000123,"isBuyerMaker":false}]"#;
const AGGREGATES: &str = r#"[{"a":500,"p":"1.5","q":"2","f":1,"l":2,"T":1790000000121,"m":true,"M":true},{"a":503,"p":"1.6","q":"3","f":3,"l":3,"T":1790000000122,"m":false}]"#;
const DEPTH: &str =
    r#"{"lastUpdateId":77,"E":10,"T":9,"bids":[["1.5","2"],["1.4","1"]],"asks":[["1.6","3"]]}"#;
const DAY: &str = r#"{"symbol":"ETHUSDT","priceChange":"-1.5","priceChangePercent":"-0.1","weightedAvgPrice":"2","prevClosePrice":"3","lastPrice":"4","lastQty":"5","bidPrice":"6","bidQty":"7","askPrice":"8","askQty":"9","openPrice":"10","highPrice":"11","lowPrice":"12","volume":"13","quoteVolume":"14","openTime":15,"closeTime":16,"firstId":17,"lastId":18,"count":19}"#;
const DAYS: &str = r#"[{"symbol":"ETHUSDT","lastPrice":"4","openPrice":"10","highPrice":"11","lowPrice":"12","volume":"13","quoteVolume":"14","openTime":15,"closeTime":16,"firstId":-1,"lastId":-1,"count":0},{"symbol":"ü","lastPrice":"4","openPrice":"10","highPrice":"11","lowPrice":"12","volume":"13","quoteVolume":"14","closeTime":17}]"#;
const TOPS: &str = r#"[{"symbol":"ETHUSDT","bidPrice":"1","bidQty":"2","askPrice":"3","askQty":"4","time":5,"lastUpdateId":6}]"#;
const MARK: &str = r#"{"symbol":"ETHUSDT","markPrice":"1","indexPrice":"2","estimatedSettlePrice":"","lastFundingRate":null,"nextFundingTime":0,"time":3}"#;
const CANDLES: &str = r#"[[60000,"1","2","0.5","1.5","10",119999,"15",7,"5","7.5","0"],[120000,"1","2","0.5","1.5","10",179999,"15",8,"5","7.5","0"]]"#;

/// A body for each kind of answer, and what it answers.
const BODIES: &[(Market, &str, Fetch, &str)] = &[
    (Market::Spot, "trade:ETHUSDT", MISSED, TRADES),
    (Market::Spot, "trade:ETHUSDT", NEW, TRADES),
    (Market::UsdM, "trade:ETHUSDT", NEWEST, TRADES),
    (Market::UsdM, "agg_trade:ETHUSDT", MISSED, AGGREGATES),
    (Market::Spot, "block_trade:ETHUSDT", NEW, TRADES),
    (Market::Spot, "book:ETHUSDT", Fetch::Snapshot, DEPTH),
    (Market::UsdM, "depth:ETHUSDT@levels=5", NEWEST, DEPTH),
    (Market::Spot, "quote:ETHUSDT", NEWEST, DEPTH),
    (Market::UsdM, "quote:!all", NEWEST, TOPS),
    (Market::Spot, "ticker:ETHUSDT", NEWEST, DAY),
    (Market::Spot, "ticker:ETHUSDT@window=1h", NEWEST, DAY),
    (Market::Spot, "mini_ticker:!all", NEWEST, DAYS),
    (Market::Spot, "avg_price:ETHUSDT", NEWEST, r#"{"mins":5,"price":"1.5","closeTime":9}"#),
    (
        Market::Spot,
        "reference_price:ETHUSDT",
        NEWEST,
        r#"{"symbol":"ETHUSDT","referencePrice":null,"timestamp":9}"#,
    ),
    (Market::UsdM, "mark_price:ETHUSDT", NEWEST, MARK),
    (Market::Spot, "candle:ETHUSDT@interval=1m", NEWEST, CANDLES),
    (Market::UsdM, "candle:ETHUSDT@interval=1m", SINCE, CANDLES),
];

/// What a piece of a body is replaced by.
const PIECES: &[&str] = &[
    "null",
    "true",
    "0",
    "-1",
    "1.5",
    "501",
    "502",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775808",
    "\"\"",
    "\"1e400\"",
    "\"-0\"",
    "\"ETHUSDT\"",
    "\"id\"",
    "\"\\ud800\"",
    "[]",
    "{}",
    "[[]]",
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    " \n",
];

/// Reads a body, and holds what comes of it against what may come of any.
#[track_caller]
fn check((market, topic, why, _): &(Market, &str, Fetch, &str), body: &[u8]) -> bool {
    let topic = Topic::parse(&format!("{}:{topic}", market.id())).unwrap();
    let headers = [("date".to_owned(), "Thu, 01 Jan 1970 00:03:01 GMT".to_owned())];
    let reply = HttpReply { status: 200, headers: &headers, body, now: Unix(0) };
    let mut out = Decoded::default();
    let result = super::reply(*market, *why, &topic, &reply, &mut out);
    let shown = String::from_utf8_lossy(body);
    if let Err(refusal) = &result {
        assert!(out.items.is_empty() && out.levels.is_empty(), "something is left of {shown}");
        assert!(!refusal.detail.is_empty() && refusal.detail.len() <= 200, "{refusal:?}");
    }
    let (mut last, mut spent) = (None, 0);
    for item in &out.items {
        let id = match item {
            Item::Market { topic, id, .. } => {
                assert_eq!(*topic, TopicId(0));
                *id
            }
            Item::Spent { id, .. } => {
                spent += 1;
                *id
            }
            Item::Levels { levels, bids, .. } => {
                assert!(levels.end as usize <= out.levels.len() && *bids <= levels.end - levels.start);
                continue;
            }
            Item::Alive => continue,
            other => panic!("no reply says {other:?}: {shown}"),
        };
        match *why {
            Fetch::Backfill { from, to } => assert!((from..=to).contains(&id), "{id}: {shown}"),
            Fetch::Poll { after: Some(after) } if topic.channel() != Channel::Candle => {
                assert!(id > after, "{id}: {shown}")
            }
            _ => {}
        }
        assert!(id == 0 || last.is_none_or(|last| last < id), "{id} after {last:?}: {shown}");
        last = Some(id);
    }
    // What a row itself calls spent comes on top.
    let rows = body.iter().filter(|byte| **byte == b'{').count() as u64;
    assert!(spent <= MOST_ROWS + rows, "{spent} ids were spent: {shown}");
    result.is_ok()
}

/// Splits a body into strings, numbers and signs.
fn pieces(body: &str) -> Vec<&str> {
    let (mut out, mut rest) = (Vec::new(), body);
    while let Some(first) = rest.chars().next() {
        let signs = ['{', '}', '[', ']', ':', ',', '"'];
        let length = match first {
            '"' => rest[1..].find('"').map_or(rest.len(), |at| at + 2),
            sign if signs.contains(&sign) => 1,
            _ => rest.find(signs).unwrap_or(rest.len()),
        };
        out.push(&rest[..length]);
        rest = &rest[length..];
    }
    out
}

#[test]
fn every_kind_of_answer_is_understood_and_no_beginning_of_one() {
    for case in BODIES {
        assert!(check(case, case.3.as_bytes()), "{}", case.3);
        for end in 0..case.3.len() {
            assert!(!check(case, &case.3.as_bytes()[..end]), "{}", &case.3[..end]);
        }
        assert!(!check(case, format!("{0}{0}", case.3).as_bytes()));
    }
}

#[test]
fn any_value_in_any_place_of_an_answer_is_borne() {
    for case in BODIES {
        let body = pieces(case.3);
        for place in 0..body.len() {
            for piece in PIECES {
                let mut changed = body.clone();
                changed[place] = piece;
                check(case, changed.concat().as_bytes());
            }
        }
    }
}

proptest! {
    #![proptest_config({ let config = ProptestConfig::default(); ProptestConfig { cases: config.cases.max(1_000), ..config } })]

    #[test]
    fn broken_answers_are_borne(
        case in proptest::sample::select(BODIES),
        pieces_moved in prop::collection::vec((any::<Index>(), any::<Index>(), 0..4u8), 0..4),
        bytes_broken in prop::collection::vec((any::<Index>(), any::<u8>()), 0..3),
    ) {
        let mut body = pieces(case.3);
        for (from, to, how) in pieces_moved {
            let (from, to) = (from.index(body.len()), to.index(body.len()));
            match how {
                0 => body.swap(from, to),
                1 => body.insert(to, body[from]),
                2 if body.len() > 1 => drop(body.remove(from)),
                _ => body[from] = PIECES[to % PIECES.len()],
            }
        }
        let mut bytes = body.concat().into_bytes();
        for (at, byte) in bytes_broken {
            let at = at.index(bytes.len().max(1));
            bytes.splice(at..(at + 1).min(bytes.len()), [byte]);
        }
        check(&case, &bytes);
    }
}
