//! Durations, sizes and spans of the day as people write them: `"23h50m"`, `"64KiB"`, `"02:00-04:00"`.

use std::fmt::Write as _;
use std::time::Duration;

use tapeline_core::policy::rotation::Window;

/// Units of durations, the longest first, in nanoseconds.
const DURATIONS: &[(&str, u128)] = &[
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
];

/// Units of sizes, the largest first, in bytes.
const SIZES: &[(&str, u64)] = &[("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// Reads a duration: whole numbers with the units d, h, m, s, ms, us, the longest first, each at most
/// once. A bare `0` needs no unit.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text;
    let mut units = DURATIONS;
    let mut nanos: u128 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, tail) = rest.split_at(digits);
        let unit = &tail[..tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len())];
        let index = units.iter().position(|(name, _)| *name == unit)?;
        let number: u64 = number.parse().ok()?;
        nanos = nanos.checked_add(u128::from(number) * units[index].1)?;
        units = &units[index + 1..];
        rest = &tail[unit.len()..];
    }
    let nanos = u64::try_from(nanos).ok()?;
    (!text.is_empty()).then(|| Duration::from_nanos(nanos))
}

/// Writes a duration so that [`parse_duration`] reads it back, down to whole microseconds.
pub(crate) fn format_duration(duration: Duration) -> String {
    let mut rest = duration.as_nanos();
    let mut out = String::new();
    for (unit, nanos) in DURATIONS {
        if rest / nanos > 0 {
            // Writing to a String cannot fail.
            let _ = write!(out, "{}{unit}", rest / nanos);
            rest %= nanos;
        }
    }
    if out.is_empty() { "0s".to_owned() } else { out }
}

/// Reads a size: a whole number with one of the units B, KiB, MiB, GiB.
pub(crate) fn parse_size(text: &str) -> Option<u64> {
    let (unit, bytes) = SIZES.iter().find(|(unit, _)| text.ends_with(unit))?;
    let number = text[..text.len() - unit.len()].trim_end_matches(' ');
    let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    if digits { number.parse::<u64>().ok()?.checked_mul(*bytes) } else { None }
}

/// Writes a size in the largest unit that divides it.
pub(crate) fn format_size(bytes: u64) -> String {
    let fitting = SIZES.iter().find(|(_, unit)| bytes > 0 && bytes.is_multiple_of(*unit));
    fitting.map_or_else(|| format!("{bytes}B"), |(name, unit)| format!("{}{name}", bytes / unit))
}

/// Reads a span of the day: two times of day with a hyphen between. One of no length is none.
pub(crate) fn parse_window(text: &str) -> Option<Window> {
    let time = |text: &str| {
        let (hours, minutes) = text.split_once(':')?;
        let part = |part: &str, below: u64| {
            let digits = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
            part.parse::<u64>().ok().filter(|number| digits && *number < below)
        };
        Some(Duration::from_secs(part(hours, 24)? * 3_600 + part(minutes, 60)? * 60))
    };
    let (from, to) = text.split_once('-')?;
    let window = Window { from: time(from)?, to: time(to)? };
    (window.from != window.to).then_some(window)
}

/// Writes a span of the day so that [`parse_window`] reads it back.
pub(crate) fn format_window(window: Window) -> String {
    let time = |at: Duration| format!("{:02}:{:02}", at.as_secs() / 3_600 % 24, at.as_secs() / 60 % 60);
    format!("{}-{}", time(window.from), time(window.to))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: Option<u64>) {
        assert_eq!(parse_duration(text).map(|d| d.as_nanos() as u64), expected, "{text}");
    }

    #[test]
    fn durations_are_numbers_with_units_the_longest_first() {
        check("30s", Some(30_000_000_000));
        check("250ms", Some(250_000_000));
        check("23h50m", Some(85_800_000_000_000));
        check("1d2h3m4s5ms6us", Some(93_784_005_006_000));
        check("0", Some(0));
        check("0s", Some(0));
        for wrong in ["", "30", "s", "-1s", "1.5s", "1 s", " 1s", "1s ", "5m5m", "1s1m", "1S", "1µs", "1y"] {
            check(wrong, None);
        }
        check("99999999999999999999d", None);
        check("18446744073709551615d", None);
    }

    #[test]
    fn sizes_are_numbers_with_a_binary_unit() {
        for (text, expected) in [
            ("64KiB", Some(65_536)),
            ("1 MiB", Some(1 << 20)),
            ("7B", Some(7)),
            ("2GiB", Some(2 << 30)),
            ("64KB", None),
            ("KiB", None),
            ("64", None),
            ("-1B", None),
            ("1.5MiB", None),
            ("", None),
            ("99999999999GiB", None),
            ("+1B", None),
        ] {
            assert_eq!(parse_size(text), expected, "{text}");
        }
    }

    #[test]
    fn spans_of_the_day_are_two_times() {
        for right in ["02:00-04:00", "23:30-00:15", "00:00-23:59"] {
            assert_eq!(parse_window(right).map(format_window).as_deref(), Some(right));
        }
        for wrong in
            ["", "02:00", "2:00-4:00", "02:00-24:00", "02:60-04:00", "02:00-02:00", "+2:00-04:00", "a-b"]
        {
            assert_eq!(parse_window(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(micros in 0u64..10_000_000_000_000, bytes: u64) {
            let duration = Duration::from_micros(micros);
            prop_assert_eq!(parse_duration(&format_duration(duration)), Some(duration));
            prop_assert_eq!(parse_size(&format_size(bytes)), Some(bytes));
        }

        #[test]
        fn any_text_is_survived(text in "\\PC{0,12}") {
            let _ = (parse_duration(&text), parse_size(&text));
        }
    }
}
