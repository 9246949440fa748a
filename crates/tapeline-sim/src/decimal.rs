//! Integers written as decimal text; the simulator holds prices as ticks and sizes as lots and never as floats.

/// Appends `units` × 10^-`scale` with exactly `decimals` digits after the point.
///
/// `decimals` below `scale` would lose digits; the text then keeps `scale` digits instead.
pub(crate) fn push_fixed(out: &mut Vec<u8>, units: u128, scale: u32, decimals: u32) {
    let decimals = decimals.max(scale) as usize;
    let scale = scale as usize;
    let mut digits = [b'0'; 48];
    let mut at = digits.len();
    let mut rest = units;
    // 64-bit division is many times faster, and nearly every price and size fits.
    while rest > u128::from(u64::MAX) {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    let mut rest = rest as u64;
    while rest > 0 {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    // At least one digit before the point.
    at = at.min(digits.len() - scale - 1);
    let point = digits.len() - scale;
    out.extend_from_slice(&digits[at..point]);
    if decimals > 0 {
        out.push(b'.');
        out.extend_from_slice(&digits[point..]);
        out.resize(out.len() + decimals - scale, b'0');
    }
}

/// Appends an integer in decimal.
pub(crate) fn push_int(out: &mut Vec<u8>, value: u64) {
    push_fixed(out, u128::from(value), 0, 0);
}

/// [`push_fixed`] as a string of its own.
pub(crate) fn fixed(units: u128, scale: u32, decimals: u32) -> String {
    let mut out = Vec::with_capacity(24);
    push_fixed(&mut out, units, scale, decimals);
    // Only ASCII digits and a point were written.
    String::from_utf8(out).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(units: u128, scale: u32, decimals: u32, expected: &str) {
        assert_eq!(fixed(units, scale, decimals), expected);
    }

    #[test]
    fn decimals_are_padded_to_the_venues_width() {
        check(6_160_201, 2, 8, "61602.01000000");
        check(5, 2, 8, "0.05000000");
        check(0, 3, 3, "0.000");
        check(0, 0, 0, "0");
        check(438, 0, 0, "438");
        check(639_439, 1, 2, "63943.90");
    }

    #[test]
    fn digits_are_never_lost() {
        check(12_345, 4, 2, "1.2345");
        check(u128::from(u64::MAX) * 1_000, 3, 3, "18446744073709551615.000");
    }
}
