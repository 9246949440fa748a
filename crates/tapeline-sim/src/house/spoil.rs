//! What happens to a payload that is to be spoilt.

use super::kinds::Kind;
use super::trouble::Trouble;
use crate::decimal::push_int;

/// A message of this size is more than a venue has ever been seen to send.
const HUGE: usize = 5 * 1024 * 1024;

/// The payload after a trouble that spoils it; `None` for one that leaves it as it is.
pub(crate) fn spoilt(trouble: &Trouble, payload: &[u8]) -> Option<Vec<u8>> {
    match trouble.kind {
        Kind::Truncate => Some(half(payload)),
        Kind::WrongType => Some(with_wrong_type(payload)),
        Kind::BadUtf8 => {
            let (front, back) = payload.split_at(payload.len() / 2);
            Some([front, &[0xff, 0xc0], back].concat())
        }
        Kind::UnknownEvent => Some(with_unknown_event(payload)),
        Kind::UnknownFields => {
            let fields = r#""zz":{"deep":[1,{"er":null}]},"ß":"☃","#.as_bytes();
            with_fields(payload, fields)
        }
        Kind::NumberForString => {
            let (start, end) = decimal(payload)?;
            Some([&payload[..start - 1], &payload[start..end], &payload[end + 1..]].concat())
        }
        Kind::NullPrice => {
            let (start, end) = decimal(payload)?;
            Some([&payload[..start - 1], b"null", &payload[end + 1..]].concat())
        }
        Kind::Jump => renumbered(payload, b"\"U\":", |id| id.saturating_add(1)),
        Kind::Skew => renumbered(payload, b"\"E\":", |time| time.saturating_add_signed(trouble.by(-120_000))),
        Kind::Huge => Some(blown_up(payload)),
        _ => None,
    }
}

/// Whether a frame is one that a kind of trouble can do something to.
pub(crate) fn concerns(kind: Kind, payload: &[u8]) -> bool {
    match kind {
        Kind::NoFinal => find(payload, b"\"x\":true").is_some(),
        Kind::Jump => number(payload, b"\"U\":").is_some(),
        Kind::Skew => number(payload, b"\"E\":").is_some(),
        Kind::NumberForString | Kind::NullPrice => decimal(payload).is_some(),
        _ => true,
    }
}

/// The first and last id of a frame: update ids of books and quotes, else trade ids, else aggregate ids.
pub(crate) fn ids(payload: &[u8]) -> Option<(u64, u64)> {
    let value = |key: &[u8]| number(payload, key).map(|(_, _, value)| value);
    if let (Some(first), Some(last)) = (value(b"\"U\":"), value(b"\"u\":")) {
        return Some((first, last));
    }
    let keys: [&[u8]; 4] = [b"\"u\":", b"\"lastUpdateId\":", b"\"t\":", b"\"a\":"];
    keys.into_iter().find_map(value).map(|id| (id, id))
}

/// A spot payload with its times in microseconds: of all its numbers only times have 13 digits.
pub(crate) fn in_microseconds(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + 16);
    let mut digits = 0;
    for (at, byte) in payload.iter().enumerate() {
        if byte.is_ascii_digit() {
            let begins = digits == 0 && at > 0 && payload[at - 1] == b':';
            digits = if digits > 0 || begins { digits + 1 } else { 0 };
        } else {
            if digits == 13 {
                out.extend_from_slice(b"000");
            }
            digits = 0;
        }
        out.push(*byte);
    }
    out
}

fn half(payload: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(payload).unwrap_or("");
    payload[..text.floor_char_boundary(text.len() / 2)].to_vec()
}

/// Makes an object of the last number that stands as a field's value. A payload without one is cut instead.
fn with_wrong_type(payload: &[u8]) -> Vec<u8> {
    let is_number =
        |at: usize| payload[at..].starts_with(b"\":") && payload.get(at + 2).is_some_and(u8::is_ascii_digit);
    let Some(start) = (0..payload.len()).rev().find(|&at| is_number(at)).map(|at| at + 2) else {
        return half(payload);
    };
    let length = payload[start..].iter().take_while(|b| b.is_ascii_digit()).count();
    [&payload[..start], b"{\"not\":\"a number\"}", &payload[start + length..]].concat()
}

fn with_unknown_event(payload: &[u8]) -> Vec<u8> {
    const UNKNOWN: &[u8] = b"\"e\":\"fortuneTold\"";
    match find(payload, b"\"e\":\"") {
        Some(at) => {
            let length = payload[at + 5..].iter().take_while(|b| **b != b'"').count();
            [&payload[..at], UNKNOWN, &payload[at + 5 + length + 1..]].concat()
        }
        None => with_fields(payload, &[UNKNOWN, b","].concat()).unwrap_or_default(),
    }
}

fn with_fields(payload: &[u8], fields: &[u8]) -> Option<Vec<u8>> {
    let at = payload.iter().position(|b| *b == b'{')? + 1;
    Some([&payload[..at], fields, &payload[at..]].concat())
}

/// Where the first decimal in quotes stands, without the quotes.
fn decimal(payload: &[u8]) -> Option<(usize, usize)> {
    let mut at = 0;
    while at < payload.len() {
        let start = at + payload[at..].iter().position(|b| *b == b'"')? + 1;
        let end = start + payload[start..].iter().position(|b| *b == b'"')?;
        let text = &payload[start..end];
        if text.contains(&b'.') && text.iter().all(|b| b.is_ascii_digit() || *b == b'.') {
            return Some((start, end));
        }
        at = end + 1;
    }
    None
}

fn renumbered(payload: &[u8], key: &[u8], change: impl FnOnce(u64) -> u64) -> Option<Vec<u8>> {
    let (start, end, value) = number(payload, key)?;
    let mut out = payload[..start].to_vec();
    push_int(&mut out, change(value));
    out.extend_from_slice(&payload[end..]);
    Some(out)
}

/// The number behind a key: where it stands and what it is.
fn number(payload: &[u8], key: &[u8]) -> Option<(usize, usize, u64)> {
    let start = find(payload, key)? + key.len();
    let length = payload[start..].iter().take_while(|b| b.is_ascii_digit()).count();
    let value = std::str::from_utf8(&payload[start..start + length]).ok()?.parse().ok()?;
    Some((start, start + length, value))
}

fn find(payload: &[u8], wanted: &[u8]) -> Option<usize> {
    payload.windows(wanted.len()).position(|window| window == wanted)
}

/// An array gets its elements again and again, anything else a field of padding.
fn blown_up(payload: &[u8]) -> Vec<u8> {
    let elements = payload.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]"));
    let Some(elements) = elements.filter(|elements| !elements.is_empty()) else {
        let padding = vec![b'x'; HUGE.saturating_sub(payload.len())];
        return with_fields(payload, &[b"\"padding\":\"", padding.as_slice(), b"\","].concat())
            .unwrap_or_default();
    };
    let mut out = vec![b'['];
    while out.len() < HUGE {
        out.extend_from_slice(elements);
        out.push(b',');
    }
    out.pop();
    out.push(b']');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    const TRADE: &str = r#"{"e":"trade","E":1781000000123,"s":"ETHUSDT","t":345,"p":"1.50","q":"2.0"}"#;

    fn after(line: &str, payload: &str) -> Vec<u8> {
        spoilt(&line.parse().unwrap(), payload.as_bytes()).unwrap()
    }

    fn json(line: &str, payload: &str) -> Value {
        serde_json::from_slice(&after(line, payload)).unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    #[test]
    fn spoilt_payloads_are_json_that_lies() {
        assert!(json("wrong-type", TRADE)["t"].is_object());
        assert_eq!(json("unknown-event", TRADE)["e"], "fortuneTold");
        assert_eq!(json("unknown-event", r#"{"u":1}"#)["e"], "fortuneTold");
        assert_eq!(json("unknown-fields", TRADE)["ß"], "☃");
        assert_eq!(json("number-for-string", TRADE)["p"], 1.5);
        assert_eq!(json("null-price", TRADE)["p"], Value::Null);
        assert_eq!(json("null-price", TRADE)["q"], "2.0");
        assert_eq!(json("skew", TRADE)["E"], 1_780_999_880_123_u64);
        assert_eq!(json("skew by=1m", TRADE)["E"], 1_781_000_060_123_u64);
        assert_eq!(json("jump", r#"{"U":41,"u":50}"#), serde_json::json!({"U":42,"u":50}));
        assert_eq!(json("huge", r#"[{"a":1}]"#)[9], serde_json::json!({"a":1}));
        assert!(json("huge", TRADE)["padding"].as_str().unwrap().len() > 5_000_000);
    }

    #[test]
    fn spoilt_payloads_are_no_json_or_no_text() {
        assert!(serde_json::from_slice::<Value>(&after("truncate", TRADE)).is_err());
        assert!(std::str::from_utf8(&after("bad-utf8", TRADE)).is_err());
        assert_eq!(after("wrong-type", r#"["ä"]"#), b"[\"");
    }

    #[test]
    fn troubles_know_the_frames_they_can_do_something_to() {
        let check = |kind, payload: &str, expected| assert_eq!(concerns(kind, payload.as_bytes()), expected);
        check(Kind::NoFinal, r#"{"k":{"x":true}}"#, true);
        check(Kind::NoFinal, r#"{"k":{"x":false}}"#, false);
        check(Kind::Jump, r#"{"u":4,"b":"1.0"}"#, false);
        check(Kind::Skew, r#"{"u":4,"b":"1.0"}"#, false);
        check(Kind::NullPrice, r#"{"u":4,"b":"1.0"}"#, true);
        check(Kind::Drop, "", true);
    }

    #[test]
    fn times_become_microseconds_and_nothing_else_does() {
        let fine =
            in_microseconds(br#"{"E":1781000000123,"t":50000000000,"p":"1781000000123","T":1781000000121}"#);
        let expected = br#"{"E":1781000000123000,"t":50000000000,"p":"1781000000123","T":1781000000121000}"#;
        assert_eq!(fine, expected);
    }

    #[test]
    fn frames_tell_their_ids() {
        let check = |payload: &str, expected| assert_eq!(ids(payload.as_bytes()), expected);
        check(r#"{"U":4,"u":7,"pu":3}"#, Some((4, 7)));
        check(r#"{"u":9,"a":"1.0"}"#, Some((9, 9)));
        check(TRADE, Some((345, 345)));
        check(r#"{"e":"aggTrade","a":77,"f":1}"#, Some((77, 77)));
        check(r#"{"e":"24hrTicker","a":"1.0"}"#, None);
    }
}
