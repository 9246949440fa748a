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
