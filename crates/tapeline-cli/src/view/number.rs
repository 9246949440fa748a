//! Numbers as people read them: prices in even columns, counts with separators, ages in a few letters.

use tapeline_core::data::decimal::Decimal;

/// A decimal with at least `scale` digits behind the point, so that columns line up.
pub(crate) fn fixed(value: Decimal, scale: u8) -> String {
    let mut text = value.to_string();
    let missing = usize::from(scale.saturating_sub(value.scale()));
    if missing > 0 && value.scale() == 0 {
        text.push('.');
    }
    text.extend(std::iter::repeat_n('0', missing));
    text
}

/// The difference `a - b`, exactly; `None` where it does not fit.
pub(crate) fn difference(a: Decimal, b: Decimal) -> Option<Decimal> {
    let scale = a.scale().max(b.scale());
    let lift =
        |value: Decimal| value.mantissa().checked_mul(10i128.checked_pow(u32::from(scale - value.scale()))?);
    Decimal::new(lift(a)?.checked_sub(lift(b)?)?, scale).ok()
}

/// The value as floating point. Only for the length of bars and for ratios: never for a figure shown as
/// a price or a size.
pub(crate) fn rough(value: Decimal) -> f64 {
    value.mantissa() as f64 / 10f64.powi(i32::from(value.scale()))
}

/// A count with separators: `12,345`.
pub(crate) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A rate per second: `0`, `0.4`, `12`, `1,234`.
pub(crate) fn rate(per_second: f64) -> String {
    if per_second > 0.0 && per_second < 9.95 {
        format!("{per_second:.1}")
    } else {
        count(per_second.round() as u64)
    }
}

/// An age: `now`, `0.4s`, `12s`, `3m`, `2h`, `5d`.
pub(crate) fn age(millis: u64) -> String {
    match millis {
        0..100 => "now".to_owned(),
        100..10_000 => format!("{}.{}s", millis / 1_000, millis % 1_000 / 100),
        10_000..120_000 => format!("{}s", millis / 1_000),
        120_000..7_200_000 => format!("{}m", millis / 60_000),
        7_200_000..172_800_000 => format!("{}h", millis / 3_600_000),
        _ => format!("{}d", millis / 86_400_000),
    }
}

/// A bar of `share` (0 to 1) of `columns`, in eighths of a column.
pub(crate) fn bar(share: f64, columns: usize) -> String {
    const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (share.clamp(0.0, 1.0) * columns as f64 * 8.0).round() as usize;
    // Whatever is there at all is to be seen.
    let eighths = if share > 0.0 { eighths.max(1) } else { eighths };
    let mut out = "█".repeat(eighths / 8);
    out.push_str(PARTS[eighths % 8]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn prices_are_filled_up_but_never_cut() {
        for (value, scale, expected) in [
            ("43210.5", 2, "43210.50"),
            ("43210", 2, "43210.00"),
            ("0.12345", 2, "0.12345"),
            ("7", 0, "7"),
            ("-1.5", 3, "-1.500"),
        ] {
            assert_eq!(fixed(decimal(value), scale), expected);
        }
    }

    #[test]
    fn differences_are_exact() {
        assert_eq!(difference(decimal("100.1"), decimal("99.95")), Some(decimal("0.15")));
        assert_eq!(difference(decimal("1"), decimal("1.00000001")), Some(decimal("-0.00000001")));
    }

    #[test]
    fn counts_rates_and_ages_are_short() {
        for (value, expected) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(value), expected);
        }
        for (value, expected) in [(0.0, "0"), (0.25, "0.2"), (9.94, "9.9"), (9.96, "10"), (1_234.4, "1,234")]
        {
            assert_eq!(rate(value), expected);
        }
        for (value, expected) in [
            (0, "now"),
            (400, "0.4s"),
            (9_999, "9.9s"),
            (12_345, "12s"),
            (200_000, "3m"),
            (7_200_000, "2h"),
            (200_000_000, "2d"),
        ] {
            assert_eq!(age(value), expected);
        }
    }

    #[test]
    fn bars_show_the_smallest_share_and_never_exceed_their_field() {
        assert_eq!(bar(0.0, 4), "");
        assert_eq!(bar(0.0001, 4), "▏");
        assert_eq!(bar(0.5, 4), "██");
        assert_eq!(bar(7.0, 4), "████");
    }
}
