//! Numbers: digits are read eight at a time, decimals come out canonical without a division.

use super::{Bad, Scan};
use crate::data::decimal::{Decimal, DecimalError, POWERS};

const ZEROS: u64 = 0x3030_3030_3030_3030;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// A word of text with `0` taken off every byte: digits become their values.
#[derive(Clone, Copy)]
struct Digits(u64);

impl Digits {
    #[inline]
    const fn of(word: u64) -> Self {
        Self(word ^ ZEROS)
    }

    /// How many of the bytes, from the first on, are digits. Carries run upwards, so that what follows
    /// the first other byte does not matter.
    #[inline]
    const fn count(self) -> usize {
        let other = (self.0.wrapping_add(0x7676_7676_7676_7676) | self.0) & HIGHS;
        (other.trailing_zeros() / 8) as usize
    }

    /// The number that the first `count` bytes spell; at most eight.
    #[inline]
    const fn value(self, count: usize) -> u64 {
        if count == 0 {
            return 0;
        }
        // Shifted so that the last digit lies highest and zeros stand before the first.
        let pairs = self.0 << (64 - 8 * count);
        let pairs = (pairs.wrapping_mul(2_561) >> 8) & 0x00ff_00ff_00ff_00ff;
        let fours = (pairs.wrapping_mul(6_553_601) >> 16) & 0x0000_ffff_0000_ffff;
        fours.wrapping_mul(42_949_672_960_001) >> 32
    }

    /// How many of the first `count` digits (at most eight, at least one) are left without the zeros at
    /// the end.
    #[inline]
    const fn without_zeros(self, count: usize) -> usize {
        let shifted = self.0 << (64 - 8 * count);
        if shifted == 0 { 0 } else { count - (shifted.leading_zeros() / 8) as usize }
    }
}

impl Scan<'_> {
    /// A whole number without sign.
    ///
    /// # Errors
    /// [`Bad::Kind`] for another value, [`Bad::Range`] beyond 64 bits, [`Bad::Syntax`].
    #[inline]
    pub fn u64(&mut self) -> Result<u64, Bad> {
        self.solid();
        let start = self.at;
        let first = Digits::of(self.word(start));
        let count = first.count();
        let (value, count) = if count < 8 {
            (first.value(count), count)
        } else {
            let second = Digits::of(self.word(start + 8));
            let more = second.count();
            if more == 8 {
                return self.long_u64();
            }
            (first.value(8) * POWERS[more] as u64 + second.value(more), 8 + more)
        };
        // A number is no `01`.
        if count == 0 || (first.0 & 0xff == 0 && count > 1) {
            return Err(if count == 0 { Bad::Kind } else { Bad::Syntax });
        }
        self.at = start + count;
        Ok(value)
    }

    #[cold]
    fn long_u64(&mut self) -> Result<u64, Bad> {
        let digits = self.rest();
        let count = digits.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len());
        let digits = &digits[..count];
        if digits.first() == Some(&b'0') {
            return Err(Bad::Syntax);
        }
        self.at += count;
        let mut value = 0u64;
        for byte in digits {
            let next = value.checked_mul(10).and_then(|value| value.checked_add(u64::from(byte - b'0')));
            value = next.ok_or(Bad::Range)?;
        }
        Ok(value)
    }

    /// A whole number.
    ///
    /// # Errors
    /// As [`Scan::u64`]; `-0` is none either.
    #[inline]
    pub fn i64(&mut self) -> Result<i64, Bad> {
        if self.solid() == b'-' {
            return self.negative();
        }
        i64::try_from(self.u64()?).map_err(|_| Bad::Range)
    }

    #[cold]
    fn negative(&mut self) -> Result<i64, Bad> {
        self.at += 1;
        if !self.rest().first().is_some_and(u8::is_ascii_digit) {
            return Err(Bad::Syntax);
        }
        match self.u64()? {
            0 => Err(Bad::Kind),
            value => 0i64.checked_sub_unsigned(value).ok_or(Bad::Range),
        }
    }

    /// A decimal, written as a string (as venues do) or as a number.
    ///
    /// # Errors
    /// [`Bad::Kind`] for another value, [`Bad::Range`], [`Bad::Syntax`], [`Bad::Escape`].
    #[inline]
    pub fn decimal(&mut self) -> Result<Decimal, Bad> {
        if self.solid() != b'"' {
            return self.bare_decimal();
        }
        let start = self.at + 1;
        let whole = Digits::of(self.word(start));
        let digits = whole.count();
        let point = start + digits;
        if digits == 0 || digits == 8 {
            return self.long_decimal();
        }
        match self.text.get(point) {
            Some(b'.') => {}
            Some(b'"') => {
                self.at = point + 1;
                return Ok(Decimal::from_canonical(whole.value(digits) as i64, 0));
            }
            _ => return self.long_decimal(),
        }
        let fraction = Digits::of(self.word(point + 1));
        let places = fraction.count();
        let close = point + 1 + places;
        if places == 0 || self.text.get(close) != Some(&b'"') {
            return self.long_decimal();
        }
        self.at = close + 1;
        // Seven digits before the point and eight behind it stay far below 2^63.
        let kept = fraction.without_zeros(places);
        let mantissa = whole.value(digits) as i64 * POWERS[kept] + fraction.value(kept) as i64;
        Ok(Decimal::from_canonical(mantissa, kept as u8))
    }

    #[inline(never)]
    fn long_decimal(&mut self) -> Result<Decimal, Bad> {
        Decimal::parse(&self.bytes()?).map_err(bad)
    }

    #[cold]
    fn bare_decimal(&mut self) -> Result<Decimal, Bad> {
        let start = self.at;
        if !matches!(self.text.get(start), Some(b'-' | b'0'..=b'9')) {
            return Err(Bad::Kind);
        }
        self.skip_number()?;
        Decimal::parse(self.text.get(start..self.at).unwrap_or(&[])).map_err(bad)
    }

    /// Walks over a number, checking its form.
    pub(super) fn skip_number(&mut self) -> Result<(), Bad> {
        self.take(b"-");
        let leading_zero = self.rest().first() == Some(&b'0');
        let digits = self.skip_digits()?;
        if leading_zero && digits > 1 {
            return Err(Bad::Syntax);
        }
        if self.take(b".") {
            self.skip_digits()?;
        }
        if self.take(b"e") || self.take(b"E") {
            let _ = self.take(b"+") || self.take(b"-");
            self.skip_digits()?;
        }
        Ok(())
    }

    /// Walks over digits, of which there must be some.
    fn skip_digits(&mut self) -> Result<usize, Bad> {
        let rest = self.rest();
        let count = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
        self.at += count;
        if count == 0 { Err(Bad::Syntax) } else { Ok(count) }
    }
}

fn bad(error: DecimalError) -> Bad {
    match error {
        DecimalError::Syntax => Bad::Kind,
        DecimalError::Range => Bad::Range,
    }
}
