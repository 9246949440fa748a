//! Exact decimals for prices and sizes: a signed 120-bit mantissa and a scale in sixteen bytes.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// An exact decimal number, always in canonical form (no trailing zeros behind the point, zero has
/// scale 0), so that equality and hashing are those of the bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Decimal {
    /// The low 64 bits of the mantissa.
    low: u64,
    /// The high 56 bits of the mantissa, then 8 bits of scale.
    high: i64,
}

/// Why a text is no decimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// The text is empty or holds something else than a number.
    #[error("expected a decimal number")]
    Syntax,
    /// The number does not fit 120 bits or needs more than 38 digits behind the point.
    #[error("number out of range")]
    Range,
}

/// The most digits behind the point.
pub const MAX_SCALE: u8 = 38;
const MAX_MANTISSA: i128 = (1 << 119) - 1;

impl Decimal {
    /// Zero.
    pub const ZERO: Self = Self { low: 0, high: 0 };

    /// `mantissa` × 10^-`scale`, brought into canonical form.
    pub fn new(mut mantissa: i128, mut scale: u8) -> Result<Self, DecimalError> {
        while scale > 0 && mantissa % 10 == 0 {
            mantissa /= 10;
            scale = if mantissa == 0 { 0 } else { scale - 1 };
        }
        if scale > MAX_SCALE || mantissa.unsigned_abs() > MAX_MANTISSA.unsigned_abs() {
            return Err(DecimalError::Range);
        }
        Ok(Self::raw(mantissa, scale))
    }

    /// For a mantissa that is known to be canonical (no zero at its end unless `scale` is 0) and to lie
    /// below 2^63: the scanner's hot path.
    #[inline(always)]
    pub(crate) const fn small(mantissa: u64, scale: u8) -> Self {
        Self { low: mantissa, high: scale as i64 }
    }

    /// For a mantissa that is known to be canonical.
    pub(crate) const fn from_canonical(mantissa: i64, scale: u8) -> Self {
        Self::raw(mantissa as i128, scale)
    }

    const fn raw(mantissa: i128, scale: u8) -> Self {
        Self { low: mantissa as u64, high: (((mantissa >> 64) as i64) << 8) | scale as i64 }
    }

    /// The number without its point: `12.5` has mantissa 125.
    pub const fn mantissa(self) -> i128 {
        (((self.high >> 8) as i128) << 64) | self.low as i128
    }

    /// How many digits stand behind the point: `12.5` has scale 1.
    pub const fn scale(self) -> u8 {
        self.high as u8
    }

    /// Whether this is zero.
    pub const fn is_zero(self) -> bool {
        self.low == 0 && self.high >> 8 == 0
    }

    /// Whether this is below zero.
    pub const fn is_negative(self) -> bool {
        self.high < 0
    }

    /// The mantissa at another scale, if it is exact and fits 64 bits.
    pub fn at_scale(self, scale: u8) -> Option<i64> {
        let up = scale.checked_sub(self.scale())?;
        let mantissa = i64::try_from(self.mantissa()).ok()?;
        mantissa.checked_mul(*POWERS.get(usize::from(up))?)
    }

    /// Reads a number as venues write them: `12`, `-0.50`, `1.2e-7`.
    ///
    /// # Errors
    /// [`DecimalError::Syntax`] for anything else, [`DecimalError::Range`] beyond 120 bits or scale 38.
    pub fn parse(text: &[u8]) -> Result<Self, DecimalError> {
        let (negative, digits) = match text.first() {
            Some(b'-') => (true, &text[1..]),
            _ => (false, text),
        };
        let (digits, exponent) = match digits.iter().position(|b| matches!(b, b'e' | b'E')) {
            Some(at) => (&digits[..at], exponent(&digits[at + 1..])?),
            None => (digits, 0),
        };
        let (whole, fraction) = match digits.iter().position(|b| *b == b'.') {
            Some(at) if at + 1 < digits.len() => (&digits[..at], &digits[at + 1..]),
            Some(_) => return Err(DecimalError::Syntax),
            None => (digits, &[][..]),
        };
        if whole.is_empty() {
            return Err(DecimalError::Syntax);
        }
        let kept = fraction.len() - fraction.iter().rev().take_while(|b| **b == b'0').count();
        if fraction[kept..].iter().any(|b| !b.is_ascii_digit()) {
            return Err(DecimalError::Syntax);
        }
        let mut mantissa: i128 = 0;
        for byte in whole.iter().chain(&fraction[..kept]) {
            if !byte.is_ascii_digit() {
                return Err(DecimalError::Syntax);
            }
            mantissa = mantissa * 10 + i128::from(byte - b'0');
            if mantissa > MAX_MANTISSA {
                return Err(DecimalError::Range);
            }
        }
        if mantissa == 0 {
            return Ok(Self::ZERO);
        }
        let mut scale = i32::try_from(kept).map_err(|_| DecimalError::Range)? - exponent;
        while scale < 0 {
            mantissa = mantissa.checked_mul(10).filter(|m| *m <= MAX_MANTISSA).ok_or(DecimalError::Range)?;
            scale += 1;
        }
        let mantissa = if negative { -mantissa } else { mantissa };
        let mut scale = u32::try_from(scale).map_err(|_| DecimalError::Range)?;
        let mut mantissa = mantissa;
        while scale > u32::from(MAX_SCALE) && mantissa % 10 == 0 {
            mantissa /= 10;
            scale -= 1;
        }
        Self::new(mantissa, u8::try_from(scale).map_err(|_| DecimalError::Range)?)
    }
}

/// Powers of ten that fit 64 bits.
pub(crate) const POWERS: [i64; 19] = {
    let mut powers = [1i64; 19];
    let mut i = 1;
    while i < 19 {
        powers[i] = powers[i - 1] * 10;
        i += 1;
    }
    powers
};

fn exponent(text: &[u8]) -> Result<i32, DecimalError> {
    let (negative, digits) = match text.first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(DecimalError::Syntax);
    }
    // Beyond three digits nothing fits anyway; the bound keeps the arithmetic small.
    let value = digits.iter().try_fold(0i32, |sum, b| {
        (sum < 1_000).then_some(sum * 10 + i32::from(b - b'0')).ok_or(DecimalError::Range)
    })?;
    Ok(if negative { -value } else { value })
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let (a, b) = (self.mantissa(), other.mantissa());
        if self.scale() == other.scale() {
            return a.cmp(&b);
        }
        // Compare the whole parts first: aligning two scales could pass 128 bits.
        let split = |m: i128, scale: u8| {
            let unit = 10i128.pow(u32::from(scale));
            (m.div_euclid(unit), m.rem_euclid(unit))
        };
        let ((aw, af), (bw, bf)) = (split(a, self.scale()), split(b, other.scale()));
        aw.cmp(&bw).then_with(|| {
            // Fractions are below 10^38; bring the shorter one to the longer scale.
            let wide = self.scale().max(other.scale());
            let lift = |f: i128, scale: u8| f * 10i128.pow(u32::from(wide - scale));
            lift(af, self.scale()).cmp(&lift(bf, other.scale()))
        })
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mantissa = self.mantissa();
        let scale = usize::from(self.scale());
        if scale == 0 {
            return write!(f, "{mantissa}");
        }
        let unit = 10u128.pow(u32::from(self.scale()));
        let magnitude = mantissa.unsigned_abs();
        let sign = if mantissa < 0 { "-" } else { "" };
        write!(f, "{sign}{}.{:0scale$}", magnitude / unit, magnitude % unit)
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Decimal {
    type Err = DecimalError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text.as_bytes())
    }
}

impl From<i64> for Decimal {
    fn from(value: i64) -> Self {
        Self::raw(i128::from(value), 0)
    }
}

impl Serialize for Decimal {
    /// A string, so that no reader turns it into floating point.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
