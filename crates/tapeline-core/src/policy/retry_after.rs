//! How long a venue asks us to wait: the `Retry-After` header, in seconds or as a date.

use std::time::Duration;

use crate::time::Unix;

/// The longest wait that is believed. Bans of Binance grow to three days, but a wait is asked for
/// again by the next refusal, while a mistyped header must not stop a venue for a year.
pub const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Reads a `Retry-After` value (RFC 9110 §10.2.3): whole seconds, or an HTTP date.
///
/// Capped at [`LONGEST`]; a date that has passed is zero. `None` for what is neither, negative
/// numbers among it, so that the caller falls back to its default hold. `now` should be the reply's
/// own `Date` where there is one (see [`http_date`]): the difference of two readings of the venue's
/// clock does not depend on ours.
pub fn retry_after(value: &str, now: Unix) -> Option<Duration> {
    let value = value.trim();
    if let Some(wait) = seconds(value) {
        return Some(wait.min(LONGEST));
    }
    let until = http_date(value)?;
    let nanos = u64::try_from(until.0.saturating_sub(now.0)).unwrap_or(0);
    Some(Duration::from_nanos(nanos).min(LONGEST))
}

/// Digits, with a fraction rounded up: the standard has none, some servers send one.
fn seconds(value: &str) -> Option<Duration> {
    let (whole, fraction) = value.split_once('.').unwrap_or((value, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    // Only digits are left, so the one way to fail is a number past 2^64.
    let whole = whole.parse::<u64>().unwrap_or(u64::MAX);
    let extra = u64::from(fraction.bytes().any(|digit| digit != b'0'));
    Some(Duration::from_secs(whole.saturating_add(extra)))
}

/// Reads an HTTP date in the one form that may still be sent, `Sun, 06 Nov 1994 08:49:37 GMT` (IMF-fixdate), and in
/// the two that must still be understood (RFC 9110 §5.6.7). The day's name is not checked against the date. Years of
/// two digits are those from 1970 to 2069: no clock of ours is asked, and all that is said of waits lies there.
pub fn http_date(text: &str) -> Option<Unix> {
    let words: Vec<&str> = text.split(' ').collect();
    let (known, year, month, day, clock) = match *words.as_slice() {
        [weekday, day, month, year, clock, "GMT"] => {
            (is_short(weekday.strip_suffix(',')?), number(year, 4)?, month, number(day, 2)?, clock)
        }
        // Sunday, 06-Nov-94 08:49:37 GMT
        [weekday, date, clock, "GMT"] => {
            let [day, month, year] = *date.split('-').collect::<Vec<_>>().as_slice() else { return None };
            let year = (number(year, 2)? + 30) % 100 + 1970;
            (LONG_WEEKDAYS.contains(&weekday.strip_suffix(',')?), year, month, number(day, 2)?, clock)
        }
        // Sun Nov  6 08:49:37 1994: a single digit stands behind two spaces.
        [weekday, month, "", day, clock, year] => {
            (is_short(weekday), number(year, 4)?, month, number(day, 1)?, clock)
        }
        [weekday, month, day, clock, year] => {
            (is_short(weekday), number(year, 4)?, month, number(day, 2)?, clock)
        }
        _ => return None,
    };
    if !known {
        return None;
    }
    let mut clock = clock.split(':');
    let mut unit = |most: i64| clock.next().and_then(|text| number(text, 2)).filter(|value| *value <= most);
    // A leap second is written as the 60th.
    let (hour, minute, second) = (unit(23)?, unit(59)?, unit(60)?);
    if clock.next().is_some() {
        return None;
    }
    let month = MONTHS.iter().position(|(name, _)| *name == month)?;
    let seconds = days_since_1970(year, month, day)? * 86_400 + hour * 3_600 + minute * 60 + second;
    Some(Unix(seconds.saturating_mul(1_000_000_000)))
}

/// Exactly `width` digits.
fn number(text: &str, width: usize) -> Option<i64> {
    let fits = text.len() == width && text.bytes().all(|byte| byte.is_ascii_digit());
    fits.then(|| text.parse().ok()).flatten()
}

/// Days from 1970-01-01 to a date of the Gregorian calendar; `month` counts from 0, `day` from 1.
fn days_since_1970(year: i64, month: usize, day: i64) -> Option<i64> {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let leap_day = |index: usize| i64::from(is_leap && index == 1);
    let length = MONTHS.get(month)?.1 + leap_day(month);
    if day < 1 || day > length {
        return None;
    }
    // Leap days from year 1 to the end of the given year.
    let leaps = |year: i64| year / 4 - year / 100 + year / 400;
    let years = (year - 1970) * 365 + leaps(year - 1) - leaps(1969);
    let months: i64 = MONTHS.iter().take(month).enumerate().map(|(at, (_, days))| days + leap_day(at)).sum();
    Some(years + months + day - 1)
}

fn is_short(weekday: &str) -> bool {
    WEEKDAYS.contains(&weekday)
}

const LONG_WEEKDAYS: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// Names, and days in a common year.
const MONTHS: [(&str, i64); 12] = [
    ("Jan", 31),
    ("Feb", 28),
    ("Mar", 31),
    ("Apr", 30),
    ("May", 31),
    ("Jun", 30),
    ("Jul", 31),
    ("Aug", 31),
    ("Sep", 30),
    ("Oct", 31),
    ("Nov", 30),
    ("Dec", 31),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 2026-11-21 12:00:00 UTC.
    const NOW: Unix = Unix(1_795_262_400_000_000_000);

    #[track_caller]
    fn check(value: &str, expected: Option<u64>) {
        assert_eq!(retry_after(value, NOW), expected.map(Duration::from_secs), "{value:?}");
    }

    #[test]
    fn seconds_are_read() {
        check("35", Some(35));
        check(" 35\t", Some(35));
        check("0", Some(0));
        check("007", Some(7));
        check("1.0", Some(1));
        check("1.2", Some(2));
    }

    #[test]
    fn huge_waits_are_capped_at_a_day() {
        check("86400", Some(86_400));
        check("86401", Some(86_400));
        check("18446744073709551616", Some(86_400));
        check("99999999999999999999999999999999", Some(86_400));
        check("18446744073709551615.5", Some(86_400));
        check("Fri, 31 Dec 9999 23:59:59 GMT", Some(86_400));
    }

    #[test]
    fn what_is_no_wait_is_refused() {
        for value in ["", " ", "-1", "-0", "+5", "1e3", "5s", "soon", ".", "1.", ".5", "1.2.3", "٣", "0x10"]
        {
            check(value, None);
        }
    }

    #[test]
    fn dates_are_read() {
        check("Sat, 21 Nov 2026 12:02:00 GMT", Some(120));
        check("Sun, 22 Nov 2026 11:59:59 GMT", Some(86_399));
        // A leap second.
        check("Sat, 21 Nov 2026 12:00:60 GMT", Some(60));
    }

    #[test]
    fn dates_in_the_two_old_forms_are_read() {
        check("Saturday, 21-Nov-26 12:02:00 GMT", Some(120));
        check("Sat Nov 21 12:02:00 2026", Some(120));
        check("Tue Dec  1 12:02:00 2026", Some(86_400));
        check("Sunday, 06-Nov-94 08:49:37 GMT", Some(0));
        check("Friday, 31-Dec-69 23:59:59 GMT", Some(86_400));
        for same in
            ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
        {
            assert_eq!(http_date(same), Some(Unix(784_111_777_000_000_000)), "{same}");
        }
    }

    #[test]
    fn dates_that_have_passed_are_zero() {
        check("Sat, 21 Nov 2026 12:00:00 GMT", Some(0));
        check("Sun, 06 Nov 1994 08:49:37 GMT", Some(0));
        check("Sat, 01 Jan 0000 00:00:00 GMT", Some(0));
    }

    #[test]
    fn broken_dates_are_refused() {
        check("Sat, 21 Nov 2026 12:02:00", None);
        check("Sat, 21 Nov 2026 12:02:00 UTC", None);
        check("Sat, 21 Nov 2026 12:02:00 GMT ", Some(120));
        check("Sat, 21 Nov 2026 12:02:00 GMT x", None);
        check("Sat, 21 Nov 2026  12:02:00 GMT", None);
        check("Sat, 21 nov 2026 12:02:00 GMT", None);
        check("Sat, 1 Nov 2026 12:02:00 GMT", None);
        check("Sat, 31 Nov 2026 12:02:00 GMT", None);
        check("Sat, 00 Nov 2026 12:02:00 GMT", None);
        check("Thu, 32 Dec 2026 12:02:00 GMT", None);
        check("Sun, 29 Feb 2027 12:02:00 GMT", None);
        check("Sat, 21 Nov 2026 24:00:00 GMT", None);
        check("Sat, 21 Nov 2026 12:60:00 GMT", None);
        check("Sat, 21 Nov 2026 12:00:61 GMT", None);
        check("Sat, 21 Nov 2026 12:00 GMT", None);
        check("Sat, 21 Nov 2026 12:00:00:00 GMT", None);
        check("Sat, 21-Nov-26 12:02:00 GMT", None);
        check("Saturday, 21-Nov-2026 12:02:00 GMT", None);
        check("Saturday, 21-Nov-26-1 12:02:00 GMT", None);
        check("Saturday, 21-Nov-26 12:02:00", None);
        check("Saturday Nov 21 12:02:00 2026", None);
        check("Sat Nov 21 12:02:00 26", None);
        check("Sat Nov 21 12:02:00 2026 GMT", None);
        check("Sat Nov 1 12:02:00 2026", None);
        check("Sat Nov  21 12:02:00 2026", None);
    }

    #[test]
    fn dates_count_from_1970() {
        let seconds = |text: &str| http_date(text).map(|at| at.0 / 1_000_000_000);
        assert_eq!(seconds("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(seconds("Wed, 31 Dec 1969 23:59:59 GMT"), Some(-1));
        assert_eq!(seconds("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(seconds("Tue, 29 Feb 2000 00:00:00 GMT"), Some(951_782_400));
        assert_eq!(seconds("Wed, 01 Mar 2000 00:00:00 GMT"), Some(951_868_800));
        assert_eq!(seconds("Mon, 01 Mar 2100 00:00:00 GMT"), Some(4_107_542_400));
        assert_eq!(seconds("Sat, 21 Nov 2026 12:00:00 GMT"), Some(NOW.0 / 1_000_000_000));
        assert_eq!(days_since_1970(9_999, 11, 31), Some(2_932_896));
    }

    proptest! {
        #[test]
        fn any_text_is_survived(value in ".*", now: i64) {
            if let Some(wait) = retry_after(&value, Unix(now)) {
                prop_assert!(wait <= LONGEST);
            }
        }

        #[test]
        fn text_like_a_date_is_survived(
            value in "[A-Z][a-z]{2}, [0-9]{2} (Jan|Feb|Dec|Foo) [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT", now: i64,
        ) {
            if let Some(wait) = retry_after(&value, Unix(now)) {
                prop_assert!(wait <= LONGEST);
            }
        }

        #[test]
        fn whole_seconds_mean_what_they_say(wait in 0_u64..=86_400) {
            prop_assert_eq!(retry_after(&wait.to_string(), NOW), Some(Duration::from_secs(wait)));
        }

        #[test]
        fn days_follow_each_other(year in 1_i64..9_999, month in 0_usize..12, day in 1_i64..=31) {
            if let Some(today) = days_since_1970(year, month, day) {
                let tomorrow = days_since_1970(year, month, day + 1)
                    .or_else(|| days_since_1970(year, month + 1, 1))
                    .or_else(|| days_since_1970(year + 1, 0, 1));
                prop_assert_eq!(tomorrow, Some(today + 1));
            }
        }
    }
}
