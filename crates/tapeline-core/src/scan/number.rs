//! Numbers: digits are read eight at a time, decimals come out canonical without a division.

use super::{Bad, Scan, not, solid, text};
use crate::data::decimal::{Decimal, DecimalError, POWERS};

const ZEROS: u64 = 0x3030_3030_3030_3030;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Eight bytes of text with `0` taken off each: digits become their values. The first byte is the lowest.
#[derive(Clone, Copy)]
struct Digits(u64);

impl Digits {
    #[inline(always)]
    const fn of(word: u64) -> Self {
        Self(word ^ ZEROS)
    }

    /// How many of the bytes, from the first on, are digits, times eight. Carries run upwards, so that
    /// what follows the first other byte does not matter.
    #[inline(always)]
    const fn bits(self) -> u32 {
        let other = (self.0.wrapping_add(0x7676_7676_7676_7676) | self.0) & HIGHS;
        other.trailing_zeros() & !7
    }

    /// The first digits (at least one) moved so that the last of them is the highest byte and zeros stand
    /// before the first.
    #[inline(always)]
    const fn aligned(self, bits: u32) -> u64 {
        self.0 << (bits.wrapping_neg() & 63)
    }
}

/// The number that eight digits spell: pairs, fours, all eight.
#[inline(always)]
const fn spelt(aligned: u64) -> u64 {
    let pairs = (aligned.wrapping_mul(2_561) >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(6_553_601) >> 16) & 0x0000_ffff_0000_ffff;
    fours.wrapping_mul(42_949_672_960_001) >> 32
}

/// A text shorter than `N` bytes, and zeros.
#[inline(never)]
fn copied<const N: usize>(text: &[u8]) -> [u8; N] {
    let mut chunk = [0; N];
    if let Some(begin) = chunk.get_mut(..text.len()) {
        begin.copy_from_slice(text);
    }
    chunk
}

impl Scan<'_> {
    /// A whole number without sign.
    ///
    /// # Errors
    /// [`Bad::Kind`] for another value, [`Bad::Range`] beyond 64 bits, [`Bad::Syntax`].
    #[inline(always)]
    pub fn u64(&mut self) -> Result<u64, Bad> {
        let copy;
        let text = match self.rest.first_chunk() {
            Some(text) => text,
            None => {
                copy = copied(self.rest);
                &copy
            }
        };
        if let Some((value, length)) = short(text)
            && let Some(rest) = self.rest.get(length..)
        {
            self.rest = rest;
            return Ok(value);
        }
        let (value, rest) = long(self.rest)?;
        self.rest = rest;
        Ok(value)
    }

    /// A whole number.
    ///
    /// # Errors
    /// As [`Scan::u64`]; `-0` is none either.
    #[inline(always)]
    pub fn i64(&mut self) -> Result<i64, Bad> {
        let copy;
        let text = match self.rest.first_chunk() {
            Some(text) => text,
            None => {
                copy = copied(self.rest);
                &copy
            }
        };
        if let Some((value, length)) = short(text)
            && let Some(rest) = self.rest.get(length..)
        {
            self.rest = rest;
            // At most 15 digits.
            return Ok(value as i64);
        }
        let (value, rest) = signed(self.rest)?;
        self.rest = rest;
        Ok(value)
    }

    /// A decimal, written as a string (as venues do) or as a number.
    ///
    /// # Errors
    /// [`Bad::Kind`] for another value, [`Bad::Range`], [`Bad::Syntax`], [`Bad::Escape`].
    #[inline(always)]
    pub fn decimal(&mut self) -> Result<Decimal, Bad> {
        let copy;
        let text = match self.rest.first_chunk() {
            Some(text) => text,
            None => {
                copy = copied(self.rest);
                &copy
            }
        };
        if let Some((value, length)) = usual(text)
            && let Some(rest) = self.rest.get(length..)
        {
            self.rest = rest;
            return Ok(value);
        }
        let (value, rest) = unusual(self.rest)?;
        self.rest = rest;
        Ok(value)
    }
}

/// A number of at most 15 digits with no sign and no zero in front; how long its text is.
#[inline(always)]
fn short(text: &[u8; 16]) -> Option<(u64, usize)> {
    let both = u128::from_le_bytes(*text);
    let first = Digits::of(both as u64);
    let bits = first.bits();
    // Leaves `0` itself and the errors to the long way.
    if bits == 0 || first.0 & 0xff == 0 {
        return None;
    }
    let value = spelt(first.aligned(bits));
    if bits < 64 {
        return Some((value, (bits / 8) as usize));
    }
    let second = Digits::of((both >> 64) as u64);
    let more = second.bits();
    if more == 64 {
        return None;
    }
    let digits = (more / 8) as usize;
    let low = if more == 0 { 0 } else { spelt(second.aligned(more)) };
    Some((value * *POWERS.get(digits)? as u64 + low, 8 + digits))
}

/// Any number without sign.
#[inline(never)]
fn long(text: &[u8]) -> Result<(u64, &[u8]), Bad> {
    let text = solid(text);
    let count = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(count);
    match digits {
        [] => return Err(not(text)),
        // No number begins so.
        [b'0', _, ..] => return Err(Bad::Syntax),
        _ => {}
    }
    let mut value = 0u64;
    for byte in digits {
        let next = value.checked_mul(10).and_then(|value| value.checked_add(u64::from(byte - b'0')));
        value = next.ok_or(Bad::Range)?;
    }
    Ok((value, rest))
}

/// Any whole number.
#[inline(never)]
fn signed(text: &[u8]) -> Result<(i64, &[u8]), Bad> {
    let [b'-', digits @ ..] = solid(text) else {
        let (value, rest) = long(text)?;
        return Ok((i64::try_from(value).map_err(|_| Bad::Range)?, rest));
    };
    if !digits.first().is_some_and(u8::is_ascii_digit) {
        return Err(Bad::Syntax);
    }
    match long(digits)? {
        (0, _) => Err(Bad::Kind),
        (value, rest) => Ok((0i64.checked_sub_unsigned(value).ok_or(Bad::Range)?, rest)),
    }
}

/// A decimal in quotes with up to seven digits before the point and up to eight behind it; how long its
/// text is.
#[inline(always)]
fn usual(text: &[u8; 24]) -> Option<(Decimal, usize)> {
    let (quote, content) = text.split_first()?;
    let whole = Digits::of(u64::from_le_bytes(*content.first_chunk()?));
    let bits = whole.bits();
    if *quote != b'"' || bits == 0 || bits == 64 {
        return None;
    }
    // At most seven: the compiler then knows that no index below leaves the text.
    let digits = (bits / 8) as usize & 7;
    let mark = *content.get(digits)?;
    if mark != b'.' {
        let value = Decimal::small(spelt(whole.aligned(bits)), 0);
        return if mark == b'"' { Some((value, digits + 2)) } else { None };
    }
    let behind = content.get(digits + 1..)?;
    let fraction = Digits::of(u64::from_le_bytes(*behind.first_chunk()?));
    let places = fraction.bits();
    if places == 0 || behind.get((places / 8) as usize) != Some(&b'"') {
        return None;
    }
    // Zeros at the end of the text are the highest bytes; without them the decimal is canonical.
    let zeros = (fraction.aligned(places).leading_zeros() & !7).min(places);
    let kept = places - zeros;
    let mantissa = if bits + kept <= 64 {
        // Both parts as one run of digits.
        let joined = whole.0 & ((1 << bits) - 1) | fraction.0 << bits;
        spelt(Digits(joined).aligned(bits + kept))
    } else {
        // Fifteen digits in all stay far below 2^63.
        let unit = *POWERS.get((kept / 8) as usize)? as u64;
        spelt(whole.aligned(bits)) * unit + spelt(fraction.aligned(kept))
    };
    Some((Decimal::small(mantissa, (kept / 8) as u8), digits + 3 + (places / 8) as usize))
}

/// Any other decimal, in quotes or without.
#[inline(never)]
fn unusual(text: &[u8]) -> Result<(Decimal, &[u8]), Bad> {
    let text = solid(text);
    let (value, rest) = match text {
        [b'"', content @ ..] => {
            let (raw, escaped, rest) = text::content(content)?;
            let value = if escaped { Decimal::parse(&text::unescape(raw)?) } else { Decimal::parse(raw) };
            (value, rest)
        }
        [b'-' | b'0'..=b'9', ..] => {
            let rest = skip(text)?;
            (Decimal::parse(text.get(..text.len() - rest.len()).unwrap_or(&[])), rest)
        }
        _ => return Err(not(text)),
    };
    match value {
        Ok(value) => Ok((value, rest)),
        Err(DecimalError::Syntax) => Err(Bad::Kind),
        Err(DecimalError::Range) => Err(Bad::Range),
    }
}

/// What follows the number that `text` begins with.
pub(super) fn skip(text: &[u8]) -> Result<&[u8], Bad> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let mut rest = skip_digits(digits)?;
    if digits.first() == Some(&b'0') && digits.len() - rest.len() > 1 {
        return Err(Bad::Syntax);
    }
    if let [b'.', fraction @ ..] = rest {
        rest = skip_digits(fraction)?;
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        rest = skip_digits(match exponent {
            [b'+' | b'-', digits @ ..] => digits,
            digits => digits,
        })?;
    }
    Ok(rest)
}

/// What follows digits, of which there must be some.
fn skip_digits(text: &[u8]) -> Result<&[u8], Bad> {
    let count = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    if count == 0 { Err(Bad::Syntax) } else { Ok(text.get(count..).unwrap_or(&[])) }
}
