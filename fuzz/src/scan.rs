//! The fast JSON scanner against a general parser: same texts accepted, same values read.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde_json::Value;
use tapeline_core::data::decimal::Decimal;
use tapeline_core::scan::{Bad, END, LONG, Scan};

/// Reads any bytes as JSON, twice.
///
/// # Panics
/// If the two disagree on whether the bytes are JSON or on any value within.
pub fn scan(data: &[u8]) {
    if data.windows(11).any(|part| part == b"$serde_json") {
        // The parser's private word for numbers it keeps as text; no other parser has it.
        return;
    }
    // The parser that builds nothing looks at the grammar alone, not at the encoding.
    let well_formed =
        std::str::from_utf8(data).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok());
    match (well_formed, skip(data)) {
        (true, Err(Bad::Depth)) | (false, Err(_)) => return,
        (true, Ok(())) => {}
        (false, Ok(())) => panic!("only the scanner accepts {}", data.escape_ascii()),
        (true, Err(bad)) => panic!("the scanner refuses {}: {bad:?}", data.escape_ascii()),
    }
    // Half of a surrogate pair is well-formed JSON, but no text: there is no value to compare.
    if let Ok(value) = serde_json::from_slice::<Value>(data) {
        let mut scan = Scan::new(data).expect("UTF-8");
        same(&mut scan, &value);
        assert_eq!(scan.end(), Ok(()));
    }
}

fn skip(data: &[u8]) -> Result<(), Bad> {
    let mut scan = Scan::new(data)?;
    scan.skip()?;
    scan.end()
}

/// Walks one value of the scanner beside the same value of the parser.
fn same(scan: &mut Scan<'_>, value: &Value) {
    match value {
        Value::Null => assert!(scan.null()),
        Value::Bool(expected) => assert_eq!(scan.bool(), Ok(*expected)),
        Value::String(text) => {
            decimal(scan, text);
            assert_eq!(scan.string().as_deref(), Ok(text.as_str()));
        }
        Value::Number(number) => {
            let text = number.to_string();
            whole(scan, &text);
            decimal(scan, &text);
            assert_eq!(scan.skip(), Ok(()));
        }
        Value::Array(items) => {
            let mut more = scan.array().expect("an array");
            for item in items {
                assert!(more, "an item is missing");
                same(scan, item);
                more = scan.item().expect("an array goes on");
            }
            assert!(!more, "an item too many");
        }
        Value::Object(fields) => object(scan, fields),
    }
}

fn object(scan: &mut Scan<'_>, fields: &serde_json::Map<String, Value>) {
    let mut places = BTreeMap::new();
    let mut key = scan.object().expect("an object");
    while key != END {
        let name = if key == LONG { scan.name().into_owned() } else { vec![key] };
        // Of keys that come twice the parser keeps the last.
        places.insert(String::from_utf8(name).expect("keys are UTF-8"), scan.clone());
        assert_eq!(scan.skip(), Ok(()));
        key = scan.key().expect("an object goes on");
    }
    assert!(places.keys().eq(fields.keys()), "{places:?} against {:?}", fields.keys());
    for (key, mut place) in places {
        same(&mut place, &fields[&key]);
    }
}

/// A whole number is read as what it says, or refused.
fn whole(scan: &Scan<'_>, text: &str) {
    let expected = text.parse::<u64>().ok();
    let read = scan.clone().u64();
    if let (Some(expected), Ok(read)) = (expected, &read) {
        assert_eq!(*read, expected);
    }
    assert!(expected.is_none() || read.is_ok(), "{text} fits 64 bits, but {read:?}");
    if let Ok(read) = scan.clone().i64() {
        // What follows the digits (a point, an exponent) is the caller's to refuse.
        let digits = text.split(['.', 'e', 'E']).next().unwrap_or_default();
        assert_eq!(read.to_string(), digits);
    }
}

/// A decimal is read from its string or number exactly as from its text.
fn decimal(scan: &Scan<'_>, text: &str) {
    match (Decimal::parse(text.as_bytes()), scan.clone().decimal()) {
        (Ok(expected), Ok(read)) => assert_eq!(read, expected, "{text}"),
        (Err(_), Err(_)) => {}
        (expected, read) => panic!("{text}: expected {expected:?}, read {read:?}"),
    }
}
