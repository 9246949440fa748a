//! Decimals against their grammar and against comparison by hand.

use std::cmp::Ordering;

use tapeline_core::data::decimal::{Decimal, DecimalError, MAX_SCALE};

/// Reads one or two texts (parted by a blank) as decimals.
///
/// # Panics
/// If something else than the grammar is accepted, a text of the grammar is called malformed, the shown
/// form is not read back as the same number, or two numbers compare otherwise than their digits.
pub fn decimal(data: &[u8]) {
    let mut parts = data.splitn(2, |byte| *byte == b' ');
    let (first, second) = (parts.next().unwrap_or_default(), parts.next());
    let one = read(first);
    let two = second.and_then(read);
    if let (Some(one), Some(two)) = (one, two) {
        assert_eq!(one.cmp(&two), by_digits(one, two), "{one} and {two}");
        assert_eq!(one == two, one.cmp(&two) == Ordering::Equal, "{one} and {two}");
        assert_eq!(two.cmp(&one), one.cmp(&two).reverse());
    }
}

fn read(text: &[u8]) -> Option<Decimal> {
    match Decimal::parse(text) {
        Ok(value) => {
            assert!(is_number(text), "{} is no number", text.escape_ascii());
            let shown = value.to_string();
            assert_eq!(Decimal::parse(shown.as_bytes()), Ok(value), "{shown}");
            assert!(value.scale() <= MAX_SCALE);
            assert!(value.scale() == 0 || value.mantissa() % 10 != 0, "{shown} is not canonical");
            assert_eq!(value.is_zero(), value.mantissa() == 0);
            assert_eq!(value.is_negative(), value.mantissa() < 0);
            Some(value)
        }
        Err(DecimalError::Syntax) => {
            assert!(!is_number(text), "{} is a number", text.escape_ascii());
            None
        }
        Err(DecimalError::Range) => None,
    }
}

/// `-?digits[.digits][e[+-]digits]`.
fn is_number(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let (number, exponent) = match text.iter().position(|b| matches!(b, b'e' | b'E')) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let (whole, fraction) = match number.iter().position(|b| *b == b'.') {
        Some(at) => (&number[..at], Some(&number[at + 1..])),
        None => (number, None),
    };
    let digits = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    let signed = |part: &[u8]| digits(part.strip_prefix(b"+").or(part.strip_prefix(b"-")).unwrap_or(part));
    digits(whole) && fraction.is_none_or(digits) && exponent.is_none_or(signed)
}

/// Compares two numbers as a person would: sign, then digits under each other.
fn by_digits(one: Decimal, two: Decimal) -> Ordering {
    let written = |value: Decimal| {
        let text = value.to_string();
        let text = text.trim_start_matches('-');
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        format!("{whole:0>40}{fraction:0<40}")
    };
    let (a, b) = (written(one), written(two));
    match (one.is_negative(), two.is_negative()) {
        (false, true) => Ordering::Greater,
        (true, false) => Ordering::Less,
        (false, false) => a.cmp(&b),
        (true, true) => b.cmp(&a),
    }
}
