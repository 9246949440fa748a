//! The fast decoder and the plain one, held against each other on frames of every kind, whole and broken.

use proptest::prelude::*;
use proptest::sample::Index;
use tapeline_core::venue::{Decoded, Names, TopicId};

use super::{Market, decode, plain};

/// One frame of every kind and shape, with invented values.
const FRAMES: &[&str] = &[
    r#"{"stream":"ethusdt@trade","data":{"e":"trade","E":1781000000123,"s":"ETHUSDT","t":2400112233,"p":"3120.45000000","q":"0.51000000","b":12,"a":13,"T":1781000000121,"m":false,"M":true}}"#,
    r#"{"stream":"ethusdt@trade","data":{"e":"trade","E":1781000000123,"T":1781000000121,"s":"ETHUSDT","t":77,"p":"0","q":"0.0","X":"NA","m":true}}"#,
    r#"{"stream":"ethusdt@aggTrade","data":{"e":"aggTrade","E":1781000000130,"s":"ETHUSDT","a":910000001,"p":"12345678.123456789","q":"1.2e-7","nq":"1","f":24,"l":25,"T":1781000000121,"m":false,"st":1}}"#,
    r#"{"stream":"ethusdt@blockTrade","data":{"e":"blockTrade","E":1781000000200,"s":"ETHUSDT","t":78,"p":"3119.00","q":"900","T":1781000000190,"m":true}}"#,
    r#"{"stream":"ethusdt@bookTicker","data":{"u":50000000777,"s":"ETHUSDT","b":"3120.44000000","B":"12.10000000","a":"3120.45000000","A":"7.02000000"}}"#,
    r#"{"stream":"ethusdt@bookTicker","data":{"e":"bookTicker","u":8000000160,"E":1781000000206,"T":1781000000203,"s":"ETHUSDT","b":"3120.40","B":"5.100","a":"3120.60","A":"2.000","ps":"ETHUSDT","st":1}}"#,
    r#"{"stream":"ethusdt@depth@100ms","data":{"e":"depthUpdate","E":1781000000205,"T":1781000000203,"s":"ETHUSDT","ps":"ETHUSDT","st":1,"U":101,"u":160,"pu":100,"b":[["3120.40","5.100"],["3119","0"]],"a":[["3120.50","0.000"]]}}"#,
    r#"{"stream":"ethusdt@depth@0ms","data":{"a":[["1","2"]],"b":[],"u":9,"U":8,"s":"ETHUSDT","e":"depthUpdate","pu":-1}}"#,
    r#"{"stream":"ethusdt@depth20@100ms","data":{"lastUpdateId":50000000777,"bids":[["3120.44000000","12.10000000"]],"asks":[["3120.45000000","7.02000000"]]}}"#,
    r#"{"stream":"ethusdt@depth20@100ms","data":{"e":"depthUpdate","E":7,"T":5,"s":"ETHUSDT","U":1,"u":2,"pu":0,"b":[["1817.59","0.246"]],"a":[]}}"#,
    r#"{"stream":"ethusdt@kline_1m","data":{"e":"kline","E":1781000001000,"s":"ETHUSDT","k":{"t":1780999980000,"T":1781000039999,"s":"ETHUSDT","i":"1m","f":-1,"L":-1,"o":"3118.00","c":"3120.45","h":"3121.00","l":"3117.50","v":"250.10","n":2236,"x":false,"q":"780100.20","V":"130.00","Q":"405600.00","B":"0"}}}"#,
    r#"{"stream":"ethusdt@miniTicker","data":{"e":"24hrMiniTicker","E":1781000001000,"s":"ETHUSDT","c":"3120.45","o":"3050.00","h":"3150.00","l":"3001.00","v":"410000.1","q":"1270000000.5"}}"#,
    r#"{"stream":"ethusdt@ticker","data":{"e":"24hrTicker","E":1781000001000,"s":"ETHUSDT","p":"-70.45","P":"2.310","w":"3090.11","x":"3049.90","c":"3120.45","Q":"0.51","b":"3120.44","B":"12.10","a":"3120.45","A":"7.02","o":"3050.00","h":"3150.00","l":"3001.00","v":"410000.1","q":"1270000000.5","O":1780913601000,"C":1781000001000,"F":2399000000,"L":-1,"n":1112236}}"#,
    r#"{"stream":"!ticker_1h@arr","data":[{"e":"1hTicker","E":1781000001000,"s":"ETHUSDT","p":"5.10","P":"0.160","o":"3115.35","h":"3123.00","l":"3110.00","c":"3120.45","w":"3118.00","v":"9000.0","q":"28000000.0","O":1,"C":2,"F":3,"L":4,"n":5},{"e":"1hTicker","E":1781000001001,"s":"币安人生USDT","p":"1","P":"1","o":"1","h":"1","l":"1","c":"1","w":"1","v":"1","q":"1"}]}"#,
    r#"{"stream":"!miniTicker@arr","data":[{"e":"24hrMiniTicker","E":5,"s":"ETHUSDT","c":"1","o":"2","h":"3","l":"4","v":"5","q":"6","st":1},{"e":"24hrMiniTicker","E":6,"s":"ETHUSD_PERP","c":"1","o":"2","h":"3","l":"4","v":"5","q":"6","st":2}]}"#,
    r#"{"stream":"ethusdt@avgPrice","data":{"e":"avgPrice","E":1781000001000,"s":"ETHUSDT","i":"5m","w":"3119.80000000","T":1781000000121}}"#,
    r#"{"stream":"ethusdt@referencePrice","data":{"e":"referencePrice","s":"ETHUSDT","r":null,"t":1781000000900}}"#,
    r#"{"stream":"ethusdt@markPrice@1s","data":{"e":"markPriceUpdate","E":1781000001000,"s":"ETHUSDT","p":"3120.11","i":"3120.02","P":"3119.98","r":"0.00010000","T":1781006400000,"st":1}}"#,
    r#"{"stream":"!markPrice@arr@1s","data":[{"e":"markPriceUpdate","E":1,"s":"ETHUSDT_270326","p":"3120.11","i":"3120.02","P":"3119.98","r":"","T":0}]}"#,
    r#"{"stream":"!bookTicker","data":{"e":"bookTicker","u":1,"s":"ETHUSDT","b":"1","B":"2","a":"3","A":"4","T":5,"E":6,"st":1}}"#,
    r#"{"stream":"ethusdt@forceOrder","data":{"e":"forceOrder","E":1781000001100,"o":{"s":"ETHUSDT","S":"SELL","o":"LIMIT","f":"IOC","q":"4.000","p":"3100.00","ap":"3105.10","X":"FILLED","l":"0.500","z":"4.000","T":1781000001098},"ps":"ETHUSDT","st":1}}"#,
    r#"{"stream":"!contractInfo","data":{"e":"contractInfo","E":1781000001100,"s":"ETHUSDT","ps":"ETHUSDT","ct":"PERPETUAL","dt":4133404800000,"ot":1569398400000,"cs":"TRADING","bks":[{"bs":1,"mmr":0.01}]}}"#,
    r#"{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1781000000000}}"#,
    r#"{"e":"serverShutdown","E":1781000000000}"#,
    r#"{"result":null,"id":7}"#,
    r#"{"result":["ethusdt@depth"],"id":"x"}"#,
    r#"{"code":2,"msg":"Invalid request: \"id\" \u00fc","id":7}"#,
    r#"{"error":{"code":4,"msg":"Too many subscriptions"},"id":1}"#,
    r#"{"id":"a","status":418,"error":{"code":-1003,"msg":"Way too much","data":{"serverTime":10,"retryAfter":25}},"rateLimits":[{"limit":6000}]}"#,
    r#"{"stream":"nobody@trade","data":{"e":"trade"}}"#,
];

/// What a token is replaced by.
const VALUES: &[&str] = &[
    "null",
    "true",
    "false",
    "0",
    "-0",
    "-1",
    "1.5",
    "1e3",
    "01",
    "-",
    "18446744073709551615",
    "18446744073709551616",
    "9223372036854775808",
    "\"\"",
    "\"1\"",
    "\"-1.50\"",
    "\"1.\"",
    "\".5\"",
    "\"007.500\"",
    "\"1e400\"",
    "\"12345678\"",
    "\"1234567.12345678\"",
    "\"0.123456789\"",
    "\"\\u0031\\u002e5\"",
    "\"ETHUSDT\"",
    "\"ethusdt\"",
    "\"trade\"",
    "\"\\ud800\"",
    "\"\\ud83d\\ude00\"",
    "\"\\x\"",
    "\"ü\"",
    "[]",
    "{}",
    "[[]]",
    "[[\"1\",\"2\",\"3\"]]",
    "[[\"1\"]]",
    "{\"a\":1}",
    ",",
    ":",
    "]",
    "}",
    "\"e\"",
    "\"\\u0065\"",
    "\"st\"",
    "\"data\"",
    "\"stream\"",
];

fn names() -> Names {
    let mut names = Names::default();
    let streams = FRAMES.iter().filter_map(|frame| frame.strip_prefix("{\"stream\":\"")?.split('"').next());
    for (index, stream) in streams.filter(|stream| !stream.starts_with("nobody")).enumerate() {
        names.insert(stream, TopicId(index as u32));
    }
    names
}

/// Both decoders on one frame: the same result, or both refuse.
#[track_caller]
fn check(market: Market, frame: &[u8]) {
    let names = names();
    let (mut fast, mut slow) = (Decoded::default(), Decoded::default());
    let quick = decode::frame(market, frame, &names, &mut fast);
    let plain = plain::decode(market, frame, &names, &mut slow);
    let shown = String::from_utf8_lossy(frame);
    match (&quick, &plain) {
        // A copy of what is known is left alone without looking at the rest of it.
        (Ok(()), _) if fast.items.is_empty() => {}
        (Ok(()), Ok(())) => {
            assert_eq!(fast.items, slow.items, "{shown}");
            assert_eq!(fast.levels, slow.levels, "{shown}");
        }
        (Err(_), Err(_)) => {
            assert!(fast.items.is_empty() && fast.levels.is_empty(), "something is left of {shown}");
        }
        _ => panic!("fast: {quick:?} {:?}\nplain: {plain:?} {:?}\n{shown}", fast.items, slow.items),
    }
}

/// Splits a well-formed text into its tokens.
fn tokens(text: &str) -> Vec<&str> {
    let (mut out, mut rest) = (Vec::new(), text);
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => {
                let mut escaped = false;
                let closing = |(_, c): &(usize, char)| {
                    let end = *c == '"' && !escaped;
                    escaped = *c == '\\' && !escaped;
                    end
                };
                rest[1..].char_indices().find(closing).map_or(rest.len(), |(at, _)| at + 2)
            }
            '{' | '}' | '[' | ']' | ':' | ',' => 1,
            _ => rest.find(['{', '}', '[', ']', ':', ',', '"']).unwrap_or(rest.len()),
        };
        out.push(&rest[..length]);
        rest = &rest[length..];
    }
    out
}

/// The members of the object or list that `text` is.
fn members(text: &str) -> Vec<String> {
    let (mut depth, mut out) = (0, vec![String::new()]);
    for token in tokens(&text[1..text.len() - 1]) {
        depth += i32::from(matches!(token, "{" | "[")) - i32::from(matches!(token, "}" | "]"));
        match (token, out.last_mut()) {
            (",", _) if depth == 0 => out.push(String::new()),
            (token, Some(last)) => last.push_str(token),
            (_, None) => {}
        }
    }
    out
}

fn shuffled(text: &str, order: &[Index], extra: &str) -> String {
    let mut list = members(text);
    if !extra.is_empty() {
        list.push(extra.to_owned());
    }
    for (from, to) in order.iter().enumerate() {
        let (from, to) = (from % list.len(), to.index(list.len()));
        list.swap(from, to);
    }
    format!("{}{}{}", &text[..1], list.join(","), &text[text.len() - 1..])
}

#[test]
fn every_kind_of_frame_is_read_alike() {
    for frame in FRAMES {
        for market in Market::ALL {
            check(market, frame.as_bytes());
        }
    }
}

#[test]
fn every_cut_of_every_frame_is_read_alike() {
    for frame in FRAMES {
        for end in 0..frame.len() {
            check(Market::Spot, &frame.as_bytes()[..end]);
        }
    }
}

#[test]
fn every_value_in_every_place_is_read_alike() {
    for frame in FRAMES {
        let tokens = tokens(frame);
        for place in 0..tokens.len() {
            for value in VALUES {
                let mut changed = tokens.clone();
                changed[place] = value;
                check(Market::UsdM, changed.concat().as_bytes());
            }
        }
    }
}

#[test]
fn nesting_is_capped_alike() {
    for depth in 25..40 {
        for core in ["", "1", "\"[\\\"[\"", "{}", "{\"a\":[]}"] {
            let deep = format!("{}{core}{}", "[ ".repeat(depth), " ]".repeat(depth));
            for frame in FRAMES {
                check(Market::UsdM, frame.replacen("\"E\":", &format!("\"zz\":{deep},\"E\":"), 1).as_bytes());
                check(Market::UsdM, frame.replacen('{', &format!("{{\"zz\":{deep},"), 1).as_bytes());
            }
        }
    }
}

fn frame() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(FRAMES)
}

proptest! {
    #![proptest_config({ let config = ProptestConfig::default(); ProptestConfig { cases: config.cases.max(1_000), ..config } })]

    #[test]
    fn broken_bytes_are_read_alike(
        frame in frame(), usdm: bool, changes in prop::collection::vec((any::<Index>(), any::<u8>(), 0..4u8), 1..5),
    ) {
        let mut bytes = frame.as_bytes().to_vec();
        for (place, byte, how) in changes {
            let at = place.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 if bytes.len() > 1 => drop(bytes.remove(at)),
                _ => bytes[at] ^= 1 << (byte % 8),
            }
        }
        check(if usdm { Market::UsdM } else { Market::Spot }, &bytes);
    }

    #[test]
    fn moved_repeated_and_lost_tokens_are_read_alike(
        frame in frame(), usdm: bool,
        changes in prop::collection::vec((any::<Index>(), any::<Index>(), 0..4u8), 1..4),
        spaces in prop::collection::vec((any::<Index>(), proptest::sample::select(&[" ", "\n", "\t\r", "\u{c}"][..])), 0..4),
    ) {
        let mut tokens = tokens(frame);
        for (from, to, how) in changes {
            let (from, to) = (from.index(tokens.len()), to.index(tokens.len()));
            match how {
                0 => tokens.swap(from, to),
                1 => tokens.insert(to, tokens[from]),
                2 if tokens.len() > 1 => drop(tokens.remove(from)),
                _ => tokens[from] = VALUES[to % VALUES.len()],
            }
        }
        for (place, space) in spaces {
            tokens.insert(place.index(tokens.len() + 1), space);
        }
        check(if usdm { Market::UsdM } else { Market::Spot }, tokens.concat().as_bytes());
    }

    /// Order, white space and unknown fields change nothing at all.
    #[test]
    fn order_and_unknown_fields_change_nothing(
        frame in frame(), usdm: bool, order in prop::collection::vec(any::<Index>(), 0..12),
        extra in proptest::sample::select(&["", r#""zz":{"a":[1,{"b":null}]}"#, r#""\u007a":1.50e-3"#][..]),
        space in proptest::sample::select(&["", " ", "\n\t "][..]),
    ) {
        let market = if usdm { Market::UsdM } else { Market::Spot };
        let wrapped = frame.starts_with("{\"stream\"").then(|| frame.find(",\"data\":")).flatten();
        let inner = wrapped.map(|at| &frame[at + 8..frame.len() - 1]);
        let mixed = match inner {
            Some(data) if data.starts_with('{') => frame.replace(data, &shuffled(data, &order, extra)),
            _ => frame.to_string(),
        };
        let mixed = shuffled(&mixed, &order, extra);
        let spaced = tokens(&mixed).join(space);
        let names = names();
        let (mut before, mut after) = (Decoded::default(), Decoded::default());
        let first = decode::frame(market, frame.as_bytes(), &names, &mut before);
        let second = decode::frame(market, spaced.as_bytes(), &names, &mut after);
        prop_assert_eq!(first, second, "{}", &spaced);
        prop_assert_eq!(before.items, after.items);
        prop_assert_eq!(before.levels, after.levels);
        check(market, spaced.as_bytes());
    }
}
