//! What the grammar of topics and patterns accepts, refuses, and makes of it.

use proptest::prelude::*;

use super::*;

fn check(text: &str, expected: &str) {
    let topic = Topic::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
    assert_eq!(topic.as_str(), expected, "canonical form of `{text}`");
    assert_eq!(Topic::parse(expected).unwrap().as_str(), expected, "canonical form of `{expected}`");
}

fn refuse(text: &str, expected: &str) {
    let error = Topic::parse(text).expect_err(text).to_string();
    assert!(error.contains(expected), "`{text}` is refused with `{error}`, expected `{expected}`");
}

#[test]
fn canonical_topics_stay_as_they_are() {
    check("binance:trade:BTCUSDT", "binance:trade:BTCUSDT");
    check("alpaca-crypto:book:BTC/USD", "alpaca-crypto:book:BTC/USD");
    check("binance:mini_ticker:!all", "binance:mini_ticker:!all");
    check("binance:candle:BTCUSDT@interval=1M", "binance:candle:BTCUSDT@interval=1M");
    check("birdeye:price:Es9v@chain=base", "birdeye:price:Es9v@chain=base");
    check("binance-usdm:trade:币安人生USDT", "binance-usdm:trade:币安人生USDT");
}

#[test]
fn every_channel_is_its_own_word() {
    for channel in Channel::all() {
        check(&format!("v:{channel}:S"), &format!("v:{channel}:S"));
    }
}

#[test]
fn venue_words_are_answered_with_the_canonical_channel() {
    let pairs = [
        ("aggTrade", "agg_trade"),
        ("assetIndex", "index_price"),
        ("avgPrice", "avg_price"),
        ("bars", "candle"),
        ("bbo", "quote"),
        ("blockTrade", "block_trade"),
        ("bookTicker", "quote"),
        ("cancelErrors", "trade"),
        ("candles", "candle"),
        ("compositeIndex", "index_price"),
        ("contractInfo", "contract_info"),
        ("corrections", "trade"),
        ("forceOrder", "liquidation"),
        ("imbalances", "imbalance"),
        ("indexPrice", "index_price"),
        ("kline", "candle"),
        ("klines", "candle"),
        ("lulds", "luld"),
        ("markPrice", "mark_price"),
        ("miniTicker", "mini_ticker"),
        ("ohlcv", "candle"),
        ("orderbook", "book"),
        ("orderbooks", "book"),
        ("quotes", "quote"),
        ("referencePrice", "reference_price"),
        ("statuses", "status"),
        ("trades", "trade"),
        ("trades_agg", "agg_trade"),
    ];
    for (alias, word) in pairs {
        check(&format!("v:{alias}:S"), &format!("v:{word}:S"));
    }
}

#[test]
fn words_with_a_parameter_are_written_out() {
    check("binance:kline_1m:BTCUSDT", "binance:candle:BTCUSDT@interval=1m");
    check("binance:candle_1M:BTCUSDT", "binance:candle:BTCUSDT@interval=1M");
    check("binance:ticker_4h:BTCUSDT", "binance:ticker:BTCUSDT@window=4h");
    check("binance:depth20:BTCUSDT", "binance:depth:BTCUSDT@levels=20");
    check("binance:depth20:BTCUSDT@speed=100ms", "binance:depth:BTCUSDT@levels=20,speed=100ms");
}

#[test]
fn shorthands_are_written_out() {
    check("binance:candle:BTCUSDT@1m", "binance:candle:BTCUSDT@interval=1m");
    check("binance:depth:BTCUSDT@20", "binance:depth:BTCUSDT@levels=20");
    check("binance:ticker:BTCUSDT@1h", "binance:ticker:BTCUSDT@window=1h");
}

#[test]
fn keys_are_sorted() {
    check("v:depth:S@speed=1,levels=5", "v:depth:S@levels=5,speed=1");
    check("v:trade:S@b=2,a=1,ab=3", "v:trade:S@a=1,ab=3,b=2");
}

#[test]
fn each_symbol_has_one_spelling() {
    check("v:trade:a%3ab", "v:trade:a%3Ab");
    check("v:trade:%42TC", "v:trade:BTC");
    check("v:trade:a%2Fb", "v:trade:a/b");
    check("v:trade:%e5%b8%81", "v:trade:币");
    check("v:trade:a b", "v:trade:a b");
    check("v:trade:a%20b", "v:trade:a b");
    check("v:trade:%2a", "v:trade:%2A");
    check("v:trade:100%25", "v:trade:100%25");
    check("v:trade:%00%C2%85", "v:trade:%00%C2%85");
    check("v:trade:S@k=%41%3d", "v:trade:S@k=A%3D");
}

#[test]
fn parts_are_found_again() {
    let topic =
        Topic::new("birdeye", Channel::Candle, "a:b@c", &[("interval", "1m"), ("chain", "x,y")]).unwrap();
    assert_eq!(topic.as_str(), "birdeye:candle:a%3Ab%40c@chain=x%2Cy,interval=1m");
    assert_eq!((topic.venue(), topic.channel(), &*topic.symbol()), ("birdeye", Channel::Candle, "a:b@c"));
    assert_eq!(topic.raw_symbol(), "a%3Ab%40c");
    assert_eq!(topic.param("interval"), Some("1m"));
    assert_eq!(topic.param("chain"), Some("x%2Cy"));
    assert_eq!(topic.param("inter"), None);
    assert_eq!(topic.with("Z", &[]).unwrap().as_str(), "birdeye:candle:Z");
    assert!(Topic::parse("v:ticker:!all").unwrap().is_all());
    assert!(!Topic::parse("v:ticker:all").unwrap().is_all());
}

#[test]
fn texts_without_three_parts_are_refused() {
    for text in
        ["", ":", "::", "a", "a:trade", "a:trade:", ":trade:S", "a:trade:@k=v", "A:trade:S", "a b:trade:S"]
    {
        refuse(text, "not of the form venue:channel:symbol");
    }
}

#[test]
fn unknown_channels_are_refused_with_the_nearest_word() {
    refuse("v:tarde:S", "did you mean `trade`?");
    refuse("v:bookticker:S", "did you mean `bookTicker`?");
    refuse("v:depths:S", "did you mean `depth`?");
    refuse("v:depth20x:S", "unknown channel `depth20x`");
    refuse("v:*:S", "unknown channel `*`");
    let error = Topic::parse("v:zzzzzzzzzz:S").unwrap_err().to_string();
    assert!(!error.contains("did you mean"), "{error}");
}

#[test]
fn bad_parameters_are_refused_with_what_is_expected() {
    refuse("v:trade:S@1m", "expected key=value");
    refuse("v:trade:S@", "expected key=value");
    refuse("v:trade:S@a=1,", "expected key=value");
    refuse("v:trade:S@A=1", "a key of lower-case letters");
    refuse("v:trade:S@=1", "a key of lower-case letters");
    refuse("v:trade:S@a=", "expected a value");
    refuse("v:candle:S@", "expected a value");
    refuse("v:kline_:S", "expected a value");
    refuse("v:trade:S@a=1,a=2", "each key at most once");
    refuse("v:kline_1m:S@5m", "each key at most once");
    for levels in ["0", "05", "+5", "-1", "65536", "many", "5.0"] {
        refuse(&format!("v:depth:S@levels={levels}"), "a number of levels from 1 to 65535");
    }
    refuse("v:depth99999:S", "a number of levels from 1 to 65535");
}

#[test]
fn bare_reserved_characters_and_broken_codes_are_refused() {
    for symbol in
        ["a:b", "a=b", "a,b", "*", "B*", "a\nb", "a\u{85}b", "%", "%4", "%4g", "%+1", "%ff", "a%E5%B8"]
    {
        refuse(&format!("v:trade:{symbol}"), "bad symbol");
    }
    refuse("v:trade:S@a=b=c", "bad symbol");
    refuse("v:kline_a@b:S", "bad symbol");
}

#[test]
fn length_is_bounded_before_and_after_writing_out() {
    let symbol = "S".repeat(MAX_TOPIC - "v:trade:".len());
    check(&format!("v:trade:{symbol}"), &format!("v:trade:{symbol}"));
    refuse(&format!("v:trade:{symbol}S"), "257 bytes");
    let symbol = "S".repeat(MAX_TOPIC - "v:kline_1m:".len());
    refuse(&format!("v:kline_1m:{symbol}"), "at most 256");
}

#[test]
fn equal_topics_are_equal_however_they_were_written() {
    let (a, b) = (Topic::parse("v:kline_1m:S").unwrap(), Topic::parse("v:candle:S@1m").unwrap());
    assert_eq!(a, b);
    assert_eq!(a.cmp(&b), std::cmp::Ordering::Equal);
    let set: std::collections::BTreeSet<_> = [a, b].into();
    assert_eq!(set.len(), 1);
}

fn select(pattern: &str, chosen: &[&str], left: &[&str]) {
    let pattern = Pattern::parse(pattern).unwrap_or_else(|e| panic!("{pattern}: {e}"));
    assert_eq!(Pattern::parse(pattern.as_str()).unwrap(), pattern, "`{pattern}` is canonical");
    for (topics, expected) in [(chosen, true), (left, false)] {
        for topic in topics {
            assert_eq!(pattern.matches(&Topic::parse(topic).unwrap()), expected, "{pattern} on {topic}");
        }
    }
}

#[test]
fn a_star_stands_for_any_symbol() {
    select(
        "binance:trade:*",
        &["binance:trade:BTCUSDT", "binance:trade:%2A"],
        &["binance-usdm:trade:BTCUSDT", "binance:agg_trade:BTCUSDT"],
    );
}

#[test]
fn a_star_stands_for_a_part_of_the_symbol() {
    select("v:trade:BTC*", &["v:trade:BTC", "v:trade:BTCUSDT"], &["v:trade:WBTC"]);
    select("v:trade:*USDT", &["v:trade:USDT", "v:trade:BTCUSDT"], &["v:trade:USDTRY"]);
    select("v:trade:A*B*C", &["v:trade:ABC", "v:trade:AxBxBxC"], &["v:trade:ACB", "v:trade:AB"]);
    select("v:trade:A*A", &["v:trade:AA", "v:trade:AxA"], &["v:trade:A"]);
    select("v:trade:a%3a*", &["v:trade:a%3Ab"], &["v:trade:ab"]);
}

#[test]
fn a_star_stands_for_any_channel_and_venue() {
    select("v:*:S", &["v:trade:S", "v:candle:S@1m"], &["w:trade:S", "v:trade:T"]);
    select("*:trade:S", &["v:trade:S", "a-b:trade:S"], &["v:quote:S"]);
    select("binance*:trade:S", &["binance:trade:S", "binance-usdm:trade:S"], &["alpaca-iex:trade:S"]);
}

#[test]
fn parameters_not_named_are_free() {
    select("v:candle:*", &["v:candle:S@1m", "v:candle:S@5m"], &[]);
    select(
        "v:candle:*@1m",
        &["v:candle:S@1m", "v:candle:S@chain=x,interval=1m"],
        &["v:candle:S@5m", "v:candle:S"],
    );
    select("v:kline_1m:*", &["v:candle:S@1m"], &["v:candle:S@5m"]);
    select("v:candle:*@interval=1*", &["v:candle:S@1m", "v:candle:S@15m"], &["v:candle:S@5m"]);
    select("v:*:*@chain=base", &["v:price:S@chain=base"], &["v:price:S", "v:price:S@chain=bsc"]);
}

#[test]
fn bad_patterns_are_refused() {
    for (text, expected) in [
        ("*", "not of the form"),
        ("v:*", "not of the form"),
        ("V:*:*", "not of the form"),
        ("v:tr*:S", "unknown channel `tr*`"),
        ("v:*:*@1m", "expected key=value"),
        ("v:trade:*%4", "bad symbol"),
        ("v:trade:*@a=*,a=1", "each key at most once"),
        ("v:depth:*@levels=0", "a number of levels"),
    ] {
        let error = Pattern::parse(text).expect_err(text).to_string();
        assert!(error.contains(expected), "`{text}`: {error}");
    }
}

#[test]
fn distance_counts_edits() {
    assert_eq!(distance("", "abc"), 3);
    assert_eq!(distance("trade", "tarde"), 2);
    assert_eq!(distance("same", "same"), 0);
}

proptest! {
    /// Whatever is accepted has a canonical form that means the same and stays as it is.
    #[test]
    fn canonical_form_is_a_fixed_point(text in "[a-z-]{1,4}:(trade|kline_[0-9a-z%]{0,3}|depth[0-9]{0,6}|candle|ticker):[ -~µ币\u{85}]{1,12}(@[a-z0-9=,%A-Z]{0,16})?") {
        if let Ok(topic) = Topic::parse(&text) {
            let again = Topic::parse(topic.as_str()).expect("canonical text parses");
            prop_assert_eq!(again.as_str(), topic.as_str());
            prop_assert_eq!(again.symbol(), topic.symbol());
        }
    }

    /// Any symbol and value survives the way through a topic.
    #[test]
    fn any_symbol_can_be_carried(symbol in "\\PC{1,20}|[:@,=%*\u{0}-\u{1f}\u{80}-\u{9f}/ ]{1,10}", value in "\\PC{1,10}") {
        let topic = Topic::new("v", Channel::Trade, &symbol, &[("k", &value)]).expect("any symbol is encodable");
        prop_assert_eq!(topic.symbol(), symbol.as_str());
        let raw = topic.param("k").expect("the parameter is there");
        prop_assert_eq!(grammar::decode(raw).expect("valid"), value.as_str());
        // A pattern that is the topic itself selects it.
        prop_assert!(Pattern::parse(topic.as_str()).expect("a topic is a pattern").matches(&topic));
    }

    /// Any bytes: an answer, never a panic, and patterns are as stable as topics.
    #[test]
    fn any_text_is_answered(text in "[a-z:@,=%*!0-9A-F ]{0,40}") {
        let _ = Topic::parse(&text);
        if let Ok(pattern) = Pattern::parse(&text) {
            prop_assert_eq!(Pattern::parse(pattern.as_str()).expect("canonical pattern parses"), pattern);
        }
    }

    /// The glob agrees with a plain recursive definition.
    #[test]
    fn globs_agree_with_their_definition(pattern in "[ab*]{1,7}", text in "[ab]{1,7}") {
        fn defined(pattern: &[u8], text: &[u8]) -> bool {
            match (pattern.split_first(), text.split_first()) {
                (None, None) => true,
                (Some((b'*', rest)), _) if defined(rest, text) => true,
                (Some((b'*', _)), Some((_, tail))) => defined(pattern, tail),
                (Some((p, rest)), Some((t, tail))) => p == t && defined(rest, tail),
                _ => false,
            }
        }
        let topic = Topic::new("v", Channel::Trade, &text, &[]).expect("a topic");
        let matches = Pattern::parse(&format!("v:trade:{pattern}")).expect("a pattern").matches(&topic);
        prop_assert_eq!(matches, defined(pattern.as_bytes(), text.as_bytes()));
    }
}
