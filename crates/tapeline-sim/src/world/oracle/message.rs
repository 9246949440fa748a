//! What a judge reads of a message by itself.

use tapeline_core::data::channel::Channel;

/// The stream of a data message in combined form.
pub(crate) fn stream_of(bytes: &[u8]) -> Option<&[u8]> {
    let rest = bytes.strip_prefix(b"{\"stream\":\"")?;
    rest.split(|byte| *byte == b'"').next()
}

/// Which trade a data message of a stream tells of.
pub(super) fn trade_of(stream: &[u8], bytes: &[u8]) -> Option<(Channel, u64)> {
    let (channel, key): (_, &[u8]) = match stream.rsplit(|byte| *byte == b'@').next() {
        Some(b"trade") => (Channel::Trade, b"\"t\":"),
        Some(b"aggTrade") => (Channel::AggTrade, b"\"a\":"),
        _ => return None,
    };
    number_after(bytes, key).map(|id| (channel, id))
}

/// The streams that a message to the venue is about.
pub(super) fn params_of(message: &str) -> impl Iterator<Item = &[u8]> {
    let list = message.split_once("\"params\":[").map_or("", |(_, list)| list);
    let list = list.split(']').next().unwrap_or_default();
    list.split('"').skip(1).step_by(2).map(str::as_bytes)
}

/// One number for a message.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    let fold = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, fold)
}

/// Whether a message is JSON and yet bears the mark of a trouble that makes it unreadable.
pub(super) fn is_odd(bytes: &[u8]) -> bool {
    let marks: [&[u8]; 4] = [b"{\"not\":", b"fortuneTold", b":null", b"[null"];
    let ids = (number_after(bytes, b"\"U\":"), number_after(bytes, b"\"u\":"));
    marks.iter().any(|mark| contains(bytes, mark)) || matches!(ids, (Some(first), Some(last)) if first > last)
}

/// Whether these bytes hold those.
pub(crate) fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// The whole number that follows the first `key`.
pub(crate) fn number_after(bytes: &[u8], key: &[u8]) -> Option<u64> {
    let at = bytes.windows(key.len()).position(|window| window == key)? + key.len();
    let digits = bytes[at..].iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(None, |sum: Option<u64>, digit| Some(sum.unwrap_or(0) * 10 + u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_decoder_can_read_bears_a_mark() {
        let check = |text: &str, expected: bool| assert_eq!(is_odd(text.as_bytes()), expected, "{text}");
        check(r#"{"stream":"a@trade","data":{"e":"trade","t":5,"p":"1"}}"#, false);
        check(r#"{"stream":"a@trade","data":{"e":"trade","t":{"not":"a number"},"p":"1"}}"#, true);
        check(r#"{"stream":"a@trade","data":{"e":"fortuneTold","t":5,"p":"1"}}"#, true);
        check(r#"{"stream":"a@trade","data":{"e":"trade","t":5,"p":null}}"#, true);
        check(r#"{"stream":"a@depth","data":{"U":6,"u":5}}"#, true);
        check(r#"{"stream":"a@depth","data":{"U":5,"u":5}}"#, false);
    }

    #[test]
    fn streams_and_ids_are_read_from_messages() {
        let message = br#"{"stream":"btcusdt@trade","data":{"e":"trade","t":5,"p":"1"}}"#;
        assert_eq!(stream_of(message), Some(&b"btcusdt@trade"[..]));
        assert_eq!(number_after(message, b"\"t\":"), Some(5));
        assert_eq!(stream_of(br#"{"result":null,"id":1}"#), None);
        assert_eq!(number_after(message, b"\"x\":"), None);
    }
}
