//! What the scanner accepts and refuses.

use super::*;

/// Walks over the whole text as one value of any kind.
fn skipped(text: &[u8]) -> Result<(), Bad> {
    let mut scan = Scan::new(text)?;
    scan.skip()?;
    scan.end()
}

#[track_caller]
fn check_skip(text: &str, expected: Result<(), Bad>) {
    assert_eq!(skipped(text.as_bytes()), expected, "{text}");
}

#[test]
fn values_of_every_kind_are_walked_over() {
    check_skip("null", Ok(()));
    check_skip(" \n\t\r true ", Ok(()));
    check_skip("-0.5e+10", Ok(()));
    check_skip(r#""\"\\\/\b\f\n\r\té\u00e9""#, Ok(()));
    check_skip(r#"{"a":[1,{"b":[]},{}],"c":"x"}"#, Ok(()));
    check_skip("[[[[]]]]", Ok(()));
}

#[test]
fn what_is_not_json_is_refused() {
    for text in [
        "",
        " ",
        "{",
        "[",
        "[1",
        "[1,]",
        "{,}",
        r#"{"a"}"#,
        r#"{"a":}"#,
        r#"{"a":1,}"#,
        "tru",
        "01",
        "1.",
        ".5",
    ] {
        check_skip(text, Err(Bad::Syntax));
    }
    for text in [
        "-",
        "+1",
        "1e",
        "1e+",
        "nul",
        "'a'",
        "{1:2}",
        "[1}",
        r#"{"a":1]"#,
        r#"{"a" 1}"#,
        "[1 2]",
        "\u{feff}1",
    ] {
        check_skip(text, Err(Bad::Syntax));
    }
    check_skip(r#""abc"#, Err(Bad::Syntax));
    check_skip(r#""\x""#, Err(Bad::Escape));
    check_skip(r#""\u12g4""#, Err(Bad::Escape));
    check_skip("\"a\nb\"", Err(Bad::Escape));
    check_skip("1 2", Err(Bad::Trailing));
    check_skip("{}{}", Err(Bad::Trailing));
    assert_eq!(skipped(b"\"\xff\""), Err(Bad::Utf8));
}

#[test]
fn nesting_ends_at_the_cap() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    // The innermost list is empty: it opens nothing that could hold a value.
    check_skip(&nested(33), Ok(()));
    check_skip(&nested(34), Err(Bad::Depth));
}

#[test]
fn nesting_is_counted_from_the_outermost_value() {
    let inside = |depth: usize| {
        let text = format!(r#"{{"a":[{{"b":{}1{}}}]}}"#, "[".repeat(depth), "]".repeat(depth));
        let mut scan = Scan::new(text.as_bytes()).unwrap();
        assert_eq!((scan.object(), scan.array(), scan.object()), (Ok(b'a'), Ok(true), Ok(b'b')));
        let skipped = scan.skip();
        if skipped.is_ok() {
            assert_eq!((scan.key(), scan.item(), scan.key(), scan.depth), (Ok(END), Ok(false), Ok(END), 0));
        }
        skipped
    };
    assert_eq!(inside(29), Ok(()));
    assert_eq!(inside(30), Err(Bad::Depth));
}

/// Reads the whole text as one value with `read`.
fn whole<'t, T>(text: &'t str, read: impl FnOnce(&mut Scan<'t>) -> Result<T, Bad>) -> Result<T, Bad> {
    let mut scan = Scan::new(text.as_bytes())?;
    let value = read(&mut scan)?;
    scan.end()?;
    Ok(value)
}

#[track_caller]
fn check_u64(text: &str, expected: Result<u64, Bad>) {
    assert_eq!(whole(text, Scan::u64), expected, "{text}");
}

#[track_caller]
fn check_i64(text: &str, expected: Result<i64, Bad>) {
    assert_eq!(whole(text, Scan::i64), expected, "{text}");
}

#[test]
fn whole_numbers_are_exact_to_their_last_bit() {
    check_u64("0", Ok(0));
    check_u64(" 1723161255343 ", Ok(1_723_161_255_343));
    check_u64("18446744073709551615", Ok(u64::MAX));
    check_u64("18446744073709551616", Err(Bad::Range));
    check_u64("99999999999999999999999999", Err(Bad::Range));
    check_i64("9223372036854775807", Ok(i64::MAX));
    check_i64("9223372036854775808", Err(Bad::Range));
    check_i64("-9223372036854775808", Ok(i64::MIN));
    check_i64("-9223372036854775809", Err(Bad::Range));
}

#[test]
fn what_is_no_whole_number_is_refused() {
    check_u64("-1", Err(Bad::Kind));
    check_u64("\"1\"", Err(Bad::Kind));
    check_u64("null", Err(Bad::Kind));
    check_u64("", Err(Bad::Syntax));
    check_i64("-0", Err(Bad::Kind));
    check_i64("-", Err(Bad::Syntax));
    check_u64("01", Err(Bad::Syntax));
    check_u64("0123456789012345", Err(Bad::Syntax));
    for rest in ["1.0", "1e3", "12345678.", "1x"] {
        check_u64(rest, Err(Bad::Trailing));
    }
}

#[test]
fn keys_come_in_any_order_and_spelling() {
    let text = "{ \"ab\" : 1 ,\n\"c\":2,\"\\u0064\":3,\"\\u0065f\":4,\"\":5}";
    let mut scan = Scan::new(text.as_bytes()).unwrap();
    let mut seen = Vec::new();
    let mut key = scan.object().unwrap();
    while key != END {
        let name = if key == LONG {
            String::from_utf8(scan.name().into_owned()).unwrap()
        } else {
            char::from(key).to_string()
        };
        seen.push((name, scan.u64().unwrap()));
        key = scan.key().unwrap();
    }
    assert_eq!(scan.end(), Ok(()));
    let expected = [("ab", 1), ("c", 2), ("d", 3), ("ef", 4), ("", 5)];
    assert_eq!(seen, expected.map(|(name, value)| (name.to_owned(), value)));
}

#[test]
fn a_single_key_that_is_no_letter_is_long() {
    for text in ["{\"}\":1}", "{\"\\u007d\":1}", "{\"1\":1}", "{\"ü\":1}"] {
        assert_eq!(Scan::new(text.as_bytes()).unwrap().object(), Ok(LONG), "{text}");
    }
    assert_eq!(Scan::new(b"{\"\"\":1}").unwrap().object(), Err(Bad::Syntax));
    assert_eq!(Scan::new(b"{\"\\\":1}").unwrap().object(), Err(Bad::Syntax));
}

#[test]
fn strings_lose_their_escapes_and_nothing_else() {
    let read = |text: &str| whole(text, |scan| scan.string().map(std::borrow::Cow::into_owned));
    assert_eq!(read(r#""BTCUSDT""#).as_deref(), Ok("BTCUSDT"));
    assert_eq!(read(r#" "币安人生USDT 0123456789" "#).as_deref(), Ok("币安人生USDT 0123456789"));
    assert_eq!(read(r#""\u5e01\ud83d\ude00\"\\\/\b\f\n\r\t""#).as_deref(), Ok("币😀\"\\/\u{8}\u{c}\n\r\t"));
    for broken in
        [r#""\ud800""#, r#""\ud800\u0041""#, r#""\ud800A""#, r#""\udc00""#, r#""\u00g0""#, "\"\u{1f}\""]
    {
        assert_eq!(read(broken), Err(Bad::Escape), "{broken}");
    }
    assert_eq!(read("\"12345678"), Err(Bad::Syntax));
    assert_eq!(read("\"1234567\\"), Err(Bad::Syntax));
    assert_eq!(read("12"), Err(Bad::Kind));
}

#[test]
fn levels_are_pairs_and_nothing_else() {
    let read = |text: &str| {
        let mut out = Vec::new();
        whole(text, |scan| scan.levels(&mut out)).map(|count| {
            assert_eq!(count as usize, out.len());
            out.iter().map(|level| format!("{}x{}", level.price, level.size)).collect::<Vec<_>>().join(" ")
        })
    };
    assert_eq!(
        read(r#"[["61837.64000000","1.54698000"],["1","0.000"]]"#).as_deref(),
        Ok("61837.64x1.54698 1x0")
    );
    assert_eq!(read(" [ [ \"2\" , 3.50 ] ] ").as_deref(), Ok("2x3.5"));
    assert_eq!(read("[]").as_deref(), Ok(""));
    for broken in [r#"[["1"]]"#, r#"[["1","2","3"]]"#, "[[]]", "[1]", "{}", "null"] {
        assert_eq!(read(broken), Err(Bad::Kind), "{broken}");
    }
    for broken in [r#"[["1","2"],]"#, r#"[["1","2"]"#, r#"[["1" "2"]]"#, "["] {
        assert!(read(broken).is_err(), "{broken}");
    }
}

#[test]
fn a_symbol_is_compared_without_its_case() {
    let taken = |given: &str, lower: &str, length: usize| {
        let text = format!("\"{given}\"}}");
        Scan::new(text.as_bytes()).unwrap().take_caseless(lower.as_bytes(), length)
    };
    assert!(taken("BTCUSDT", "btcusdt@trade", 7));
    assert!(taken("1000SHIBUSDT_210625", "1000shibusdt_210625@trade", 19));
    assert!(taken("btcUSDT", "btcusdt", 7));
    assert!(!taken("BTCUSDC", "btcusdt@trade", 7));
    assert!(!taken("BTCUSD", "btcusdt@trade", 7));
    assert!(!taken("BTCUSDTX", "btcusdt@trade", 7));
    // Signs that differ from one another, or from digits, in the bit of case only.
    assert!(!taken("\u{10}TC", "0tc@trade", 3));
    assert!(!taken("A\u{7f}", "a_@trade", 2));
    assert!(!taken("ü", "ü@trade", 2));
}

mod properties {
    use proptest::prelude::*;

    use super::*;
    use crate::data::decimal::Decimal;

    proptest! {
        #[test]
        fn decimals_are_those_of_the_parser(text in "-?[0-9]{0,12}[.x]?[0-9]{0,12}", tail in "[ ,}\\]x]{0,20}") {
            let quoted = format!("\"{text}\"{tail}");
            let mut scan = Scan::new(quoted.as_bytes()).unwrap();
            let read = scan.decimal();
            prop_assert_eq!(read.ok(), Decimal::parse(text.as_bytes()).ok());
            if read.is_ok() {
                prop_assert_eq!(scan.rest, tail.as_bytes());
            }
        }

        #[test]
        fn whole_numbers_are_those_of_the_standard_library(text in "0|[1-9][0-9]{0,22}", tail in "[ ,}x]{0,20}") {
            let joined = format!("{text}{tail}");
            let mut scan = Scan::new(joined.as_bytes()).unwrap();
            prop_assert_eq!(scan.u64().ok(), text.parse().ok());
            let mut scan = Scan::new(joined.as_bytes()).unwrap();
            prop_assert_eq!(scan.i64().ok(), text.parse().ok());
        }

        #[test]
        fn any_bytes_are_judged_as_serde_judges_them(
            text in r#"[\[\]{}:,"\\u0-9a-fnrtlse.+\-Ee \n\x00-\x20]{0,24}"#,
        ) {
            let serde = serde_json::from_str::<serde::de::IgnoredAny>(&text);
            prop_assert_eq!(skipped(text.as_bytes()).is_ok(), serde.is_ok(), "{:?}", text);
        }

        #[test]
        fn a_byte_is_found_where_it_stands(bytes in prop::collection::vec(0..4u8, 0..40), byte in 0..4u8) {
            prop_assert_eq!(find(&bytes, byte), bytes.iter().position(|other| *other == byte));
        }
    }
}
