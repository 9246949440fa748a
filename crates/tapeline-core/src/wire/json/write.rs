//! Numbers and texts, written straight into the output.

use crate::data::decimal::Decimal;

const PAIRS: &[u8; 200] = b"0001020304050607080910111213141516171819\
2021222324252627282930313233343536373839\
4041424344454647484950515253545556575859\
6061626364656667686970717273747576777879\
8081828384858687888990919293949596979899";

/// Room for the digits of any 128-bit number.
type Digits = [u8; 39];

/// Writes the digits of `value` to the end of `digits`; where they begin.
fn digits(mut value: u64, digits: &mut Digits) -> usize {
    let mut at = digits.len();
    while value >= 100 {
        let pair = (value % 100) as usize * 2;
        value /= 100;
        at -= 2;
        digits[at..at + 2].copy_from_slice(&PAIRS[pair..pair + 2]);
    }
    if value >= 10 {
        let pair = value as usize * 2;
        at -= 2;
        digits[at..at + 2].copy_from_slice(&PAIRS[pair..pair + 2]);
    } else {
        at -= 1;
        digits[at] = b'0' + value as u8;
    }
    at
}

/// As [`digits`], beyond 64 bits.
fn wide_digits(mut value: u128, buffer: &mut Digits) -> usize {
    let mut at = buffer.len();
    while value > u128::from(u64::MAX) {
        let digit = (value % 10) as u8;
        value /= 10;
        at -= 1;
        buffer[at] = b'0' + digit;
    }
    // What is left fits 64 bits: it is written in front of the digits that are there already.
    let mut head = [0; 39];
    let from = digits(value as u64, &mut head);
    let length = head.len() - from;
    buffer[at - length..at].copy_from_slice(&head[from..]);
    at - length
}

/// A number.
pub(super) fn unsigned(out: &mut Vec<u8>, value: u64) {
    let mut buffer = [0; 39];
    let from = digits(value, &mut buffer);
    out.extend_from_slice(&buffer[from..]);
}

/// A number that may be negative.
pub(super) fn signed(out: &mut Vec<u8>, value: i64) {
    if value < 0 {
        out.push(b'-');
    }
    unsigned(out, value.unsigned_abs());
}

/// A decimal, in quotes: trailing zeros are trimmed by its type, zero is `"0"`.
pub(super) fn decimal(out: &mut Vec<u8>, value: Decimal) {
    let mantissa = value.mantissa();
    let scale = usize::from(value.scale());
    let mut buffer = [0; 39];
    let magnitude = mantissa.unsigned_abs();
    let from = match u64::try_from(magnitude) {
        Ok(magnitude) => digits(magnitude, &mut buffer),
        Err(_) => wide_digits(magnitude, &mut buffer),
    };
    let digits = &buffer[from..];
    out.extend_from_slice(if mantissa < 0 { b"\"-" } else { b"\"" });
    match digits.len().checked_sub(scale) {
        Some(0) | None => {
            out.extend_from_slice(b"0.");
            out.resize(out.len() + scale - digits.len(), b'0');
            out.extend_from_slice(digits);
        }
        Some(_) if scale == 0 => out.extend_from_slice(digits),
        Some(whole) => {
            out.extend_from_slice(&digits[..whole]);
            out.push(b'.');
            out.extend_from_slice(&digits[whole..]);
        }
    }
    out.push(b'"');
}

/// 32 hexadecimal digits.
pub(super) fn hex128(out: &mut Vec<u8>, value: u128) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for byte in value.to_be_bytes() {
        out.push(HEX[usize::from(byte >> 4)]);
        out.push(HEX[usize::from(byte & 15)]);
    }
}

/// A text, in quotes.
pub(super) fn escaped(out: &mut Vec<u8>, text: &str) {
    if text.bytes().any(|byte| byte < b' ' || byte == b'"' || byte == b'\\') {
        // Writing a text to memory cannot fail.
        let _ = serde_json::to_writer(out, text);
        return;
    }
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(write: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn decimals_are_written_as_they_are_shown() {
        for text in ["0", "1", "-1", "10", "0.1", "-0.1", "0.00000001", "12.5", "100000.00001", "-99.99"] {
            let value: Decimal = text.parse().expect("a decimal");
            assert_eq!(written(|out| decimal(out, value)), format!("\"{text}\""));
        }
        let wide = Decimal::new((1 << 119) - 1, 0).expect("the largest");
        assert_eq!(written(|out| decimal(out, wide)), "\"664613997892457936451903530140172287\"");
        let small = Decimal::new(-7, 38).expect("the smallest step");
        assert_eq!(written(|out| decimal(out, small)), format!("\"-0.{}7\"", "0".repeat(37)));
    }

    proptest! {
        #[test]
        fn every_decimal_is_written_as_it_is_shown(mantissa in -(1i128 << 119) + 1..1i128 << 119, scale in 0u8..=38) {
            let value = Decimal::new(mantissa, scale).expect("in range");
            prop_assert_eq!(written(|out| decimal(out, value)), format!("\"{value}\""));
        }

        #[test]
        fn every_small_decimal_is_written_as_it_is_shown(mantissa in any::<i32>(), scale in 0u8..=12) {
            let value = Decimal::new(i128::from(mantissa), scale).expect("in range");
            prop_assert_eq!(written(|out| decimal(out, value)), format!("\"{value}\""));
        }

        #[test]
        fn every_integer_is_written(value in any::<i64>(), shift in 0u32..64, wide in any::<u128>()) {
            let (small, bits) = (value >> shift, wide as u64 >> shift);
            prop_assert_eq!(written(|out| signed(out, small)), small.to_string());
            prop_assert_eq!(written(|out| unsigned(out, bits)), bits.to_string());
            prop_assert_eq!(written(|out| hex128(out, wide)), format!("{wide:032x}"));
        }

        #[test]
        fn every_text_is_escaped(text in "\\PC*|[\\x00-\\x7f]*") {
            prop_assert_eq!(written(|out| escaped(out, &text)), serde_json::to_string(&text).expect("a text"));
        }
    }
}
