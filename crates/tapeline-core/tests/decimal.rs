//! Decimals against a reference that works on the text alone, digit by digit.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::cmp::Ordering;

use proptest::prelude::*;
use tapeline_core::data::decimal::{Decimal, DecimalError};

/// A number as digits without zeros at either end, its sign, and how far its last digit stands behind the
/// point (below zero: before it).
#[derive(Debug, Clone, PartialEq, Eq)]
struct Text {
    negative: bool,
    digits: String,
    places: i64,
}

/// Reads what the grammar allows: `-?digits[.digits][(e|E)[+|-]digits]`.
fn read(text: &str) -> Option<Text> {
    let (negative, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (number, exponent) = rest.split_once(['e', 'E']).unwrap_or((rest, "0"));
    let exponent = exponent.strip_prefix('+').unwrap_or(exponent);
    let unsigned = exponent.strip_prefix('-').unwrap_or(exponent);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits_only = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits_only(whole) || !digits_only(fraction) || !digits_only(unsigned) || rest.contains("+-") {
        return None;
    }
    let all = format!("{whole}{fraction}");
    let digits = all.trim_start_matches('0').trim_end_matches('0').to_owned();
    let cut = all.len() - all.trim_end_matches('0').len();
    let exponent: i64 =
        exponent.parse().unwrap_or(if exponent.starts_with('-') { -1_000_000 } else { 1_000_000 });
    let places = fraction.len() as i64 - cut as i64 - exponent;
    let zero = digits.is_empty();
    Some(Text { negative: negative && !zero, digits, places: if zero { 0 } else { places } })
}

/// 2^119 - 1, the largest number without its point.
const LARGEST: &str = "664613997892457936451903530140172287";

impl Text {
    /// The one way to write it; `None` if it does not fit.
    fn shown(&self) -> Option<String> {
        let places = usize::try_from(self.places.max(0)).ok().filter(|places| *places <= 38)?;
        let zeros = usize::try_from((-self.places).max(0)).ok().filter(|zeros| *zeros <= 40)?;
        let digits = format!("{}{}", self.digits, "0".repeat(zeros));
        let too_large =
            digits.len() > LARGEST.len() || (digits.len() == LARGEST.len() && digits.as_str() > LARGEST);
        if too_large {
            return None;
        }
        let digits = format!("{digits:0>width$}", width = places + 1);
        let (whole, fraction) = digits.split_at(digits.len() - places);
        let point = if places == 0 { "" } else { "." };
        Some(format!("{}{whole}{point}{fraction}", if self.negative { "-" } else { "" }))
    }

    fn compare(&self, other: &Self) -> Ordering {
        let aligned = |text: &Self, places: i64| {
            let digits = format!("{}{}", text.digits, "0".repeat((places - text.places) as usize));
            digits.trim_start_matches('0').to_owned()
        };
        let places = self.places.max(other.places);
        let (a, b) = (aligned(self, places), aligned(other, places));
        let magnitude = a.len().cmp(&b.len()).then_with(|| a.cmp(&b));
        match (self.negative, other.negative) {
            (false, false) => magnitude,
            (true, true) => magnitude.reverse(),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        }
    }
}

#[track_caller]
fn check(text: &str, expected: Result<&str, DecimalError>) {
    let read = Decimal::parse(text.as_bytes()).map(|decimal| decimal.to_string());
    assert_eq!(read.as_deref().map_err(|error| *error), expected, "{text}");
}

#[test]
fn decimals_are_written_in_one_way_only() {
    check("0", Ok("0"));
    check("-0.000", Ok("0"));
    check("12.500", Ok("12.5"));
    check("007", Ok("7"));
    check("100", Ok("100"));
    check("-0.00000001", Ok("-0.00000001"));
    check("61837.63000000", Ok("61837.63"));
    check("2.79524895237955e+25", Ok("27952489523795500000000000"));
    check("1.2E-7", Ok("0.00000012"));
    check("1200e-2", Ok("12"));
    check("0e9999999999", Ok("0"));
}

#[test]
fn what_is_no_number_is_refused() {
    for text in [
        "", "-", ".", "1.", ".5", "+1", "1e", "1e+", "1e-", "--1", "1.2.3", "0x1", "1 ", " 1", "NaN",
        "1e5e5", "1,5", "٣",
    ] {
        check(text, Err(DecimalError::Syntax));
    }
    for text in ["0.0x", "1x00", "x0", "00x00", "1.0-0"] {
        check(text, Err(DecimalError::Syntax));
    }
}

#[test]
fn the_limits_are_exact() {
    check(LARGEST, Ok(LARGEST));
    check("-664613997892457936451903530140172287", Ok("-664613997892457936451903530140172287"));
    check("664613997892457936451903530140172288", Err(DecimalError::Range));
    check("0.00000000000000000000000000000000000001", Ok("0.00000000000000000000000000000000000001"));
    check("1e-39", Err(DecimalError::Range));
    check("10e-39", Ok("0.00000000000000000000000000000000000001"));
    check("1e35", Ok("100000000000000000000000000000000000"));
    check("1e36", Err(DecimalError::Range));
    check("1e99999999999999999999", Err(DecimalError::Range));
    check(&format!("1{}e-60", "0".repeat(60)), Ok("1"));
    check(&format!("0.{}1e60", "0".repeat(59)), Ok("1"));
    check(&"9".repeat(400), Err(DecimalError::Range));
    assert_eq!(Decimal::new(10, 39).map(|one| one.to_string()), Ok(format!("0.{}1", "0".repeat(37))));
    assert_eq!(Decimal::new(1 << 119, 0), Err(DecimalError::Range));
    assert_eq!(Decimal::new(-((1 << 119) - 1), 0).map(Decimal::is_negative), Ok(true));
}

#[test]
fn padding_keeps_every_digit() {
    let decimal = Decimal::parse(b"-12.5").unwrap();
    assert_eq!(
        format!("{decimal:>8}|{decimal:<8}|{decimal:08}|{decimal:.1}"),
        "   -12.5|-12.5   |-00012.5|-12.5"
    );
}

#[test]
fn a_scale_is_taken_only_if_nothing_is_lost() {
    let decimal = Decimal::parse(b"12.5").unwrap();
    assert_eq!(
        (decimal.at_scale(3), decimal.at_scale(1), decimal.at_scale(0)),
        (Some(12_500), Some(125), None)
    );
    assert_eq!(Decimal::from(i64::MAX).at_scale(1), None);
    assert_eq!(Decimal::parse(b"1e30").unwrap().at_scale(0), None);
}

fn number() -> impl Strategy<Value = String> {
    "-?(0|[0-9]{1,8}|0{0,3}[1-9][0-9]{0,40})(\\.[0-9]{1,42})?([eE][+-]?[0-9]{1,2})?"
}

proptest! {
    #[test]
    fn reading_and_writing_agree_with_the_reference(text in number()) {
        let reference = read(&text).unwrap();
        match Decimal::parse(text.as_bytes()) {
            Ok(decimal) => {
                prop_assert_eq!(Some(decimal.to_string()), reference.shown());
                prop_assert_eq!(decimal.to_string().parse(), Ok(decimal));
                prop_assert_eq!(Decimal::new(decimal.mantissa(), decimal.scale()), Ok(decimal));
                prop_assert_eq!((decimal.is_zero(), decimal.is_negative()), (reference.digits.is_empty(), reference.negative));
            }
            Err(error) => {
                prop_assert_eq!(error, DecimalError::Range);
                prop_assert_eq!(reference.shown(), None);
            }
        }
    }

    #[test]
    fn texts_near_a_number_are_judged_alike(text in "[-+]?[0-9]{0,4}[.eE]?[-+0-9]{0,3}[.eE]?[-+0-9]{0,3}") {
        let parsed = Decimal::parse(text.as_bytes());
        prop_assert_eq!(parsed == Err(DecimalError::Syntax), read(&text).is_none(), "{}", text);
    }

    #[test]
    fn order_is_that_of_the_numbers(a in number(), b in number()) {
        if let (Ok(left), Ok(right)) = (Decimal::parse(a.as_bytes()), Decimal::parse(b.as_bytes())) {
            let order = read(&a).unwrap().compare(&read(&b).unwrap());
            prop_assert_eq!(left.cmp(&right), order);
            prop_assert_eq!(left == right, order == Ordering::Equal);
        }
    }

    #[test]
    fn canonical_form_does_not_depend_on_the_way_there(mantissa in -(1i128 << 119) + 1..1i128 << 119, scale in 0..=38u8) {
        let decimal = Decimal::new(mantissa, scale).unwrap();
        let digits = mantissa.unsigned_abs().to_string();
        let text = format!("{}{digits}e-{scale}", if mantissa < 0 { "-" } else { "" });
        prop_assert_eq!(Decimal::parse(text.as_bytes()), Ok(decimal));
        prop_assert!(decimal.scale() == 0 || decimal.mantissa() % 10 != 0);
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let _ = Decimal::parse(&bytes);
    }
}
