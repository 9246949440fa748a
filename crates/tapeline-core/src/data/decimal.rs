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
/// The longest text of a decimal: a sign, a zero, the point and as many digits as there may be behind it.
pub const TEXT: usize = 41;
const HALF_DIGITS: usize = 19;
const HALF: u128 = 10u128.pow(HALF_DIGITS as u32);
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
        let (negative, digits) = match text {
            [b'-', digits @ ..] => (true, digits),
            digits => (false, digits),
        };
        let (digits, exponent) = match digits.iter().position(|byte| matches!(byte, b'e' | b'E')) {
            Some(at) => (&digits[..at], exponent(&digits[at + 1..])?),
            None => (digits, 0),
        };
        let (whole, fraction) = match digits.iter().position(|byte| *byte == b'.') {
            Some(at) => (&digits[..at], Some(&digits[at + 1..])),
            None => (digits, None),
        };
        if whole.is_empty() || fraction.is_some_and(<[u8]>::is_empty) {
            return Err(DecimalError::Syntax);
        }
        // Zeros at the end are left out from the start, so that nothing has to be divided afterwards.
        let fraction = fraction.unwrap_or(&[]);
        let places = significant(fraction);
        let digits = if places == 0 { significant(whole) } else { whole.len() };
        if fraction[places..].iter().chain(&whole[digits..]).any(|byte| *byte != b'0') {
            return Err(DecimalError::Syntax);
        }
        let mantissa = accumulate(&whole[..digits], &fraction[..places])?;
        if mantissa == 0 {
            return Ok(Self::ZERO);
        }
        let length = |count: usize| i64::try_from(count).map_err(|_| DecimalError::Range);
        let power = exponent + length(whole.len() - digits)? - length(places)?;
        let (mantissa, scale) = match u32::try_from(power) {
            Ok(up) => {
                let unit = 10i128.checked_pow(up).ok_or(DecimalError::Range)?;
                (mantissa.checked_mul(unit).ok_or(DecimalError::Range)?, 0)
            }
            Err(_) => (mantissa, u8::try_from(-power).map_err(|_| DecimalError::Range)?),
        };
        if scale > MAX_SCALE || mantissa > MAX_MANTISSA {
            return Err(DecimalError::Range);
        }
        Ok(Self::raw(if negative { -mantissa } else { mantissa }, scale))
    }

    /// The text of the number, written to the end of `buffer`: what [`fmt::Display`] shows.
    pub fn text(self, buffer: &mut [u8; TEXT]) -> &str {
        let (mantissa, scale) = (self.mantissa(), usize::from(self.scale()));
        let mut digits = Backwards { buffer, at: TEXT, scale, count: 0 };
        let magnitude = mantissa.unsigned_abs();
        match u64::try_from(magnitude) {
            // A zero stands before the point if nothing else does.
            Ok(small) => digits.number(small, scale + 1),
            Err(_) => {
                // Of 120 bits the rest fits 64 again.
                digits.number((magnitude % HALF) as u64, HALF_DIGITS);
                digits.number((magnitude / HALF) as u64, (scale + 1).saturating_sub(HALF_DIGITS));
            }
        }
        if mantissa < 0 {
            digits.put(b'-');
        }
        let at = digits.at;
        // Only ASCII was written.
        std::str::from_utf8(&buffer[at..]).unwrap_or_default()
    }
}

/// Writes a number from its last digit to its first, with the point where it belongs.
struct Backwards<'b> {
    buffer: &'b mut [u8; TEXT],
    at: usize,
    scale: usize,
    count: usize,
}

impl Backwards<'_> {
    fn put(&mut self, byte: u8) {
        self.at -= 1;
        self.buffer[self.at] = byte;
    }

    /// At least `least` digits of `value`, zeros in front.
    fn number(&mut self, mut value: u64, least: usize) {
        let until = self.count + least;
        while value != 0 || self.count < until {
            if self.count == self.scale && self.scale != 0 {
                self.put(b'.');
            }
            self.put(b'0' + (value % 10) as u8);
            value /= 10;
            self.count += 1;
        }
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

/// How many digits are left without the zeros at the end.
fn significant(digits: &[u8]) -> usize {
    digits.iter().rposition(|byte| *byte != b'0').map_or(0, |last| last + 1)
}

/// The number that two runs of digits spell, one behind the other.
fn accumulate(whole: &[u8], fraction: &[u8]) -> Result<i128, DecimalError> {
    let (mut low, mut count, mut high) = (0u64, 0usize, 0i128);
    for byte in whole.iter().chain(fraction) {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return Err(DecimalError::Syntax);
        }
        // Eighteen digits at a time fit 64 bits.
        if count == 18 {
            high = join(high, low, count)?;
            (low, count) = (0, 0);
        }
        low = low * 10 + u64::from(digit);
        // Zeros in front are no digits of the number.
        count += usize::from(low != 0 || high != 0);
    }
    join(high, low, count)
}

fn join(high: i128, low: u64, count: usize) -> Result<i128, DecimalError> {
    if high == 0 {
        return Ok(i128::from(low));
    }
    let unit = POWERS.get(count).copied().map(i128::from).ok_or(DecimalError::Range)?;
    let value = high.checked_mul(unit).and_then(|high| high.checked_add(i128::from(low)));
    value.filter(|value| *value <= MAX_MANTISSA).ok_or(DecimalError::Range)
}

fn exponent(text: &[u8]) -> Result<i64, DecimalError> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(DecimalError::Syntax);
    }
    // Beyond a million nothing but zero fits; the bound keeps the arithmetic small.
    let value = digits.iter().fold(0i64, |sum, byte| (sum * 10 + i64::from(byte - b'0')).min(1_000_000));
    Ok(if negative { -value } else { value })
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let (a, b) = (self.mantissa(), other.mantissa());
        if self.scale() == other.scale() {
            return a.cmp(&b);
        }
        // Nearly always both are small enough to be brought to the longer scale.
        let up = |m: i128, by: u8| {
            Some(i128::from(i64::try_from(m).ok()?) * i128::from(*POWERS.get(usize::from(by))?))
        };
        let wide = self.scale().max(other.scale());
        if let (Some(a), Some(b)) = (up(a, wide - self.scale()), up(b, wide - other.scale())) {
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
        let mut buffer = [0; TEXT];
        let text = self.text(&mut buffer);
        // Honours width and alignment, and never cuts digits off.
        f.pad_integral(!self.is_negative(), "", text.strip_prefix('-').unwrap_or(text))
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
        serializer.serialize_str(self.text(&mut [0; TEXT]))
    }
}
