//! Reading the fields of a payload: each once, of its kind, with its name in the error.

use std::borrow::Cow;

use tapeline_core::data::decimal::Decimal;
use tapeline_core::data::event::Side;
use tapeline_core::scan::{Bad, Scan};
use tapeline_core::time::Unix;
use tapeline_core::venue::DecodeError;

use super::streams::Stream;

/// What should stand in a field, in words.
pub(super) trait Expected {
    const WHAT: &'static str;
}

impl Expected for Decimal {
    const WHAT: &'static str = "a decimal, once";
}
impl Expected for u64 {
    const WHAT: &'static str = "a whole number, once";
}
impl Expected for i64 {
    const WHAT: &'static str = "a whole number, once";
}
impl Expected for bool {
    const WHAT: &'static str = "true or false, once";
}
impl Expected for u32 {
    const WHAT: &'static str = "a list of [price, size], once";
}
impl Expected for Cow<'_, [u8]> {
    const WHAT: &'static str = "a string, once";
}
impl Expected for Cow<'_, str> {
    const WHAT: &'static str = "a string, once";
}
impl<T: Expected> Expected for Option<T> {
    const WHAT: &'static str = T::WHAT;
}

/// Puts a value into its place, which must be empty: a key given twice is an error, since nobody could
/// say which one is meant.
#[inline]
pub(super) fn once<T: Expected>(
    slot: &mut Option<T>,
    value: Result<T, Bad>,
    field: &'static str,
) -> Result<(), DecodeError> {
    match value {
        Ok(value) if slot.is_none() => {
            *slot = Some(value);
            Ok(())
        }
        Ok(_) => Err(wrong::<T>(Bad::Kind, field)),
        Err(bad) => Err(wrong::<T>(bad, field)),
    }
}

#[cold]
pub(super) fn wrong<T: Expected>(bad: Bad, field: &'static str) -> DecodeError {
    match bad {
        Bad::Kind | Bad::Range => DecodeError::Field { field, expected: T::WHAT },
        other => other.into(),
    }
}

/// A field that must be there.
#[inline]
pub(super) fn need<T>(slot: Option<T>, field: &'static str) -> Result<T, DecodeError> {
    slot.ok_or(DecodeError::Missing(field))
}

/// Checks that the payload names the event its stream promises. `usual` is how it mostly stands there,
/// quotes included: known when this is compiled, it is compared at once.
#[inline(always)]
pub(super) fn event(
    scan: &mut Scan<'_>,
    seen: &mut bool,
    usual: &[u8],
    expected: &[u8],
) -> Result<(), DecodeError> {
    let usual_matches = matches!(usual, [b'"', inner @ .., b'"'] if inner.len() == expected.len());
    if !*seen && usual_matches && scan.take(usual) {
        *seen = true;
        return Ok(());
    }
    other_event(scan, seen, expected)
}

#[inline(never)]
fn other_event(scan: &mut Scan<'_>, seen: &mut bool, expected: &[u8]) -> Result<(), DecodeError> {
    let word = scan.bytes().map_err(|bad| wrong::<Cow<'_, [u8]>>(bad, "e"))?;
    if *word != *expected {
        return Err(DecodeError::Unknown(excerpt(&word)));
    }
    if std::mem::replace(seen, true) { Err(wrong::<Cow<'_, [u8]>>(Bad::Kind, "e")) } else { Ok(()) }
}

/// Checks that the payload belongs to the symbol of its stream; a frame that says two things says nothing.
#[inline(always)]
pub(super) fn symbol(scan: &mut Scan<'_>, seen: &mut bool, stream: &Stream<'_>) -> Result<(), DecodeError> {
    if !*seen && scan.take_caseless(stream.name, stream.symbol.len()) {
        *seen = true;
        return Ok(());
    }
    other_symbol(scan, seen, stream.symbol)
}

#[inline(never)]
fn other_symbol(scan: &mut Scan<'_>, seen: &mut bool, stream: &[u8]) -> Result<(), DecodeError> {
    let given = scan.bytes().map_err(|bad| wrong::<Cow<'_, [u8]>>(bad, "s"))?;
    if !same_symbol(&given, stream) {
        return Err(DecodeError::Field { field: "s", expected: "the symbol of the stream" });
    }
    if std::mem::replace(seen, true) { Err(wrong::<Cow<'_, [u8]>>(Bad::Kind, "s")) } else { Ok(()) }
}

/// Whether an upper-case symbol is the stream's lower-case one.
#[inline]
pub(super) fn same_symbol(given: &[u8], stream: &[u8]) -> bool {
    given.eq_ignore_ascii_case(stream) || (!given.is_ascii() && same_beyond_ascii(given, stream))
}

#[cold]
fn same_beyond_ascii(given: &[u8], stream: &[u8]) -> bool {
    std::str::from_utf8(given).is_ok_and(|given| given.to_lowercase().as_bytes() == stream)
}

/// A price that may be absent: written as an empty string, or `null`.
pub(super) fn maybe_decimal(scan: &mut Scan<'_>) -> Result<Option<Decimal>, Bad> {
    scan.peek();
    if scan.take(b"\"\"") || scan.null() { Ok(None) } else { scan.decimal().map(Some) }
}

/// The taker's side, when the venue says whether the buyer was the maker.
#[inline]
pub(super) const fn taker(buyer_is_maker: bool) -> Side {
    if buyer_is_maker { Side::Sell } else { Side::Buy }
}

/// The transaction time if there is one, else the event time.
#[inline]
pub(super) fn time(transaction: Option<i64>, event: Option<i64>) -> Option<Unix> {
    transaction.or(event).map(Unix::from_millis)
}

/// A text fit for an error or a log: at most 60 characters.
pub(super) fn excerpt(text: &[u8]) -> String {
    String::from_utf8_lossy(text).chars().take(60).collect()
}
