//! Fault classes: every failure is turned into one where it enters, and the class decides what follows.

use std::time::Duration;

use serde::Serialize;

use super::retry_after::{http_date, retry_after};
use crate::time::Unix;

/// What kind of failure it was, and so what to do about it (the table of fault classes).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case", tag = "class")]
pub enum Fault {
    /// Resets, ends of stream, timeouts, temporary name errors: try again, progressively.
    Transient,
    /// The venue said goodbye (1001, 1012, a shutdown notice, the daily cut).
    Planned,
    /// Our own side: no network, no descriptors, no resolver, a pause of the process.
    Local,
    /// Too fast: wait as told.
    RateLimited {
        /// What the venue asked for, if it said.
        retry_after: Option<Duration>,
        /// The whole address is banned, not only this request slowed (HTTP 418).
        banned: bool,
    },
    /// The venue does not accept our keys.
    Authentication,
    /// The venue's side is broken (5xx, 1011, undecodable handshake, streams of corrupt frames).
    Server,
    /// The same, and it said when to come back (a 503 with `Retry-After`): the class is [`Fault::Server`] in every
    /// other way. What is away is this endpoint, not the venue: another one may be asked.
    #[serde(rename = "server")]
    Unavailable {
        /// What was asked for.
        retry_after: Duration,
    },
    /// We ask for something impossible: trying again cannot help.
    Configuration,
}

/// Whether the words of the system say that descriptors have run out, of the process or of the machine: there is no
/// kind of error for it.
pub fn is_want_of_descriptors(words: &str) -> bool {
    words.to_ascii_lowercase().contains("too many open files")
}

impl Fault {
    /// Too fast, with no word about how long to wait.
    pub const SLOWED: Self = Self::RateLimited { retry_after: None, banned: false };

    /// The word for logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Planned => "planned",
            Self::Local => "local",
            Self::RateLimited { .. } => "rate_limited",
            Self::Authentication => "authentication",
            Self::Server | Self::Unavailable { .. } => "server",
            Self::Configuration => "configuration",
        }
    }

    /// The class of a close frame *received*, or of an end without one (`None`).
    ///
    /// What we close ourselves because the venue broke the protocol (1002, 1007, 1009) is
    /// [`Fault::Server`]; those codes from the venue say that we broke it.
    pub fn from_close(code: Option<u16>, reason: &str) -> Self {
        match code {
            // An empty frame (1005) explains as little as none at all (1006); 1014 is a gateway's upstream.
            None | Some(1005 | 1006 | 1014) => Self::Transient,
            // 1000 is how many venues end a connection's allotted time.
            Some(1000 | 1001 | 1012) => Self::Planned,
            Some(1002 | 1003 | 1007 | 1009 | 1010) => Self::Configuration,
            // Never on the wire: some drivers name a TLS failure so, and that must not be hammered.
            Some(1015) => Self::Configuration,
            Some(1011) => Self::Server,
            Some(1013) => Self::RateLimited { retry_after: Some(HOLD_OVERLOADED), banned: false },
            // IANA: unauthorized, forbidden, timeout.
            Some(3000 | 3003) => Self::Authentication,
            Some(3008) => Self::Transient,
            // Binance: 1008 "Too many requests", but also 1008 "Pong timeout". Without a word that
            // we know, coming back slowly is cheap and staying away for good is not.
            Some(1008 | 3000..=4999) => Self::from_words(reason).unwrap_or(Self::Transient),
            // Reserved, unassigned or out of range: the venue breaks the protocol.
            Some(_) => Self::Server,
        }
    }

    /// The class of an HTTP status that is not what was asked for: a refused upgrade, where 200 is a
    /// refusal too, or a refused REST call.
    ///
    /// 403 is taken for a refusal of our keys, unless the adapter knows better from the body; of upgrades see
    /// [`Fault::from_upgrade`].
    pub const fn from_status(status: u16) -> Self {
        match status {
            408 | 425 => Self::Transient,
            401 | 403 => Self::Authentication,
            429 => Self::SLOWED,
            418 => Self::RateLimited { retry_after: None, banned: true },
            // 421: this server cannot speak for that name; another endpoint may.
            421 => Self::Server,
            // The address in the settings has moved for good. Redirects are not followed, since they
            // could lead to another host; a temporary one is the venue's maintenance page.
            301 | 308 => Self::Configuration,
            400..=499 => Self::Configuration,
            // 1xx and 2xx at an upgrade, other 3xx, 5xx, and numbers that are no status.
            _ => Self::Server,
        }
    }

    /// The class of a refused HTTP exchange with what its headers say about waiting. `date` is the
    /// reply's `Date`, `now` our wall clock, used only where there is none.
    pub fn from_reply(status: u16, wait: Option<&str>, date: Option<&str>, now: Unix) -> Self {
        let asked = || {
            let now = date.and_then(http_date).unwrap_or(now);
            wait.and_then(|value| retry_after(value, now))
        };
        match Self::from_status(status) {
            Self::RateLimited { banned, .. } => Self::RateLimited { retry_after: asked(), banned },
            Self::Server => asked().map_or(Self::Server, |retry_after| Self::Unavailable { retry_after }),
            other => other,
        }
    }

    /// The class of an upgrade refused with `words`. `keyed`: keys are shown on that connection.
    ///
    /// Where none are, a 403 cannot be about them: a firewall in front of the venue says it, to whom was too fast
    /// or comes from where it should not. It may let us in again, so we ask again, but slowly.
    pub fn from_upgrade(
        status: u16,
        (keyed, words): (bool, &str),
        wait: Option<&str>,
        date: Option<&str>,
        now: Unix,
    ) -> Self {
        let meant = match status {
            403 if !keyed || Self::from_words(words) == Some(Self::SLOWED) => 429,
            status => status,
        };
        Self::from_reply(meant, wait, date, now)
    }

    /// The class that a venue's words tell, if any: close reasons and error texts.
    pub fn from_words(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
        // Pace comes first: "too many login attempts" asks us to wait, not for other keys.
        if says(PACE) {
            Some(Self::SLOWED)
        } else if says(KEYS) {
            Some(Self::Authentication)
        } else {
            None
        }
    }

    /// How long nothing may be asked of the venue; `None` for classes that ask for no pause. Never
    /// zero: a venue that refuses and says "now" must not be asked in a loop.
    pub fn hold(self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after, banned } => {
                let default = if banned { HOLD_BANNED } else { HOLD_SLOWED };
                Some(retry_after.unwrap_or(default).clamp(HOLD_LEAST, super::retry_after::LONGEST))
            }
            _ => None,
        }
    }

    /// How long the one endpoint that failed so may not be asked again, if it said so.
    pub const fn away(self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after } => Some(retry_after),
            _ => None,
        }
    }

    /// Whether it tells something about the health of the endpoint.
    pub const fn counts_for_breaker(self) -> bool {
        matches!(self, Self::Transient | Self::Server | Self::Unavailable { .. })
    }
}

/// The pause after a 429 or a 1008 that says no time.
pub const HOLD_SLOWED: Duration = Duration::from_secs(60);
/// The pause after a 418 that says no time. Binance's bans begin at two minutes.
pub const HOLD_BANNED: Duration = Duration::from_secs(120);
/// The pause after a 1013 ("try again later").
pub const HOLD_OVERLOADED: Duration = Duration::from_secs(30);
/// The shortest pause.
pub const HOLD_LEAST: Duration = Duration::from_secs(1);

/// Words of venues that ask us to slow down, in lower case.
const PACE: &[&str] = &[
    "too many",
    "too much",
    "rate limit",
    "rate-limit",
    "ratelimit",
    "rate_limit",
    "limit exceeded",
    "limit reached",
    "throttl",
    "slow down",
    "too fast",
    "too frequent",
    "quota",
    "banned",
];

/// Words of venues that refuse our keys, in lower case.
const KEYS: &[&str] = &[
    "unauthori",
    "not authori",
    "authenticat",
    "auth failed",
    "auth timeout",
    "forbidden",
    "api key",
    "api-key",
    "apikey",
    "invalid key",
    "invalid token",
    "token expired",
    "session expired",
    "listenkey",
    "listen key",
    "credential",
    "signature",
    "login",
    "permission",
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BANNED: Fault = Fault::RateLimited { retry_after: None, banned: true };

    #[track_caller]
    fn closed(code: impl Into<Option<u16>>, reason: &str, expected: Fault) {
        let code = code.into();
        assert_eq!(Fault::from_close(code, reason), expected, "{code:?} {reason:?}");
    }

    #[track_caller]
    fn refused(status: u16, expected: Fault) {
        assert_eq!(Fault::from_status(status), expected, "{status}");
    }

    #[test]
    fn close_codes_of_the_standard_have_their_class() {
        closed(None, "", Fault::Transient);
        closed(1000, "", Fault::Planned);
        closed(1001, "", Fault::Planned);
        closed(1002, "", Fault::Configuration);
        closed(1003, "", Fault::Configuration);
        closed(1004, "", Fault::Server);
        closed(1005, "", Fault::Transient);
        closed(1006, "", Fault::Transient);
        closed(1007, "", Fault::Configuration);
        closed(1008, "", Fault::Transient);
        closed(1009, "", Fault::Configuration);
        closed(1010, "", Fault::Configuration);
        closed(1011, "", Fault::Server);
        closed(1012, "", Fault::Planned);
        closed(1013, "", Fault::RateLimited { retry_after: Some(Duration::from_secs(30)), banned: false });
        closed(1014, "", Fault::Transient);
        closed(1015, "", Fault::Configuration);
    }

    #[test]
    fn registered_and_private_codes_have_their_class() {
        closed(3000, "", Fault::Authentication);
        closed(3003, "", Fault::Authentication);
        closed(3008, "", Fault::Transient);
        closed(3100, "", Fault::Transient);
        closed(4000, "", Fault::Transient);
        closed(4001, "Rate limit exceeded", Fault::SLOWED);
        closed(4003, "Invalid API key", Fault::Authentication);
        closed(4999, "bye", Fault::Transient);
    }

    #[test]
    fn codes_that_may_not_be_sent_are_the_venues_fault() {
        for code in [0, 1, 999, 1016, 1999, 2000, 2999, 5000, u16::MAX] {
            closed(code, "Too many requests", Fault::Server);
        }
    }

    #[test]
    fn a_policy_violation_is_what_its_words_say() {
        closed(1008, "Too many requests", Fault::SLOWED);
        closed(1008, "TOO MANY REQUESTS", Fault::SLOWED);
        closed(1008, "too many login attempts", Fault::SLOWED);
        closed(1008, "Unauthorized", Fault::Authentication);
        closed(1008, "not authorised", Fault::Authentication);
        closed(1008, "Pong timeout", Fault::Transient);
        closed(1008, "Disconnected", Fault::Transient);
        closed(1008, "client has lagged behind", Fault::Transient);
    }

    #[test]
    fn words_do_not_change_a_code_that_speaks_for_itself() {
        closed(1001, "Too many requests", Fault::Planned);
        closed(1011, "unauthorized", Fault::Server);
        closed(1006, "forbidden", Fault::Transient);
    }

    #[test]
    fn statuses_have_their_class() {
        for status in [101, 200, 204, 302, 303, 307, 421, 500, 502, 503, 504, 520, 599, 0, 99, 600, u16::MAX]
        {
            refused(status, Fault::Server);
        }
        for status in [301, 308, 400, 402, 404, 405, 407, 410, 414, 422, 426, 431, 451, 499] {
            refused(status, Fault::Configuration);
        }
        for status in [401, 403] {
            refused(status, Fault::Authentication);
        }
        for status in [408, 425] {
            refused(status, Fault::Transient);
        }
        refused(429, Fault::SLOWED);
        refused(418, BANNED);
    }

    #[test]
    fn a_forbidden_upgrade_is_about_keys_only_where_keys_are_shown() {
        let refused = |status, keyed, words: &str| {
            Fault::from_upgrade(status, (keyed, words), None, None, Unix::default())
        };
        for words in ["", "<html><h1>403 Forbidden</h1>", "Too many requests"] {
            assert_eq!(refused(403, false, words), Fault::SLOWED, "{words}");
        }
        assert_eq!(refused(403, true, ""), Fault::Authentication);
        assert_eq!(refused(403, true, "Forbidden"), Fault::Authentication);
        assert_eq!(refused(403, true, "Too many requests"), Fault::SLOWED);
        let asked = Fault::from_upgrade(403, (false, ""), Some("7"), None, Unix::default());
        assert_eq!(asked.hold(), Some(Duration::from_secs(7)), "a pause that is asked for is kept");
        for keyed in [false, true] {
            assert_eq!(refused(401, keyed, ""), Fault::Authentication);
            assert_eq!(refused(451, keyed, ""), Fault::Configuration);
            assert_eq!(refused(503, keyed, ""), Fault::Server);
        }
    }

    #[test]
    fn a_reply_says_how_long_to_wait() {
        let now = http_date("Sat, 21 Nov 2026 12:00:00 GMT").unwrap();
        let wait =
            |status, wait, date| Fault::from_reply(status, wait, date, now).hold().map(|hold| hold.as_secs());
        assert_eq!(wait(429, Some("35"), None), Some(35));
        assert_eq!(wait(429, None, None), Some(60));
        assert_eq!(wait(429, Some("-5"), None), Some(60));
        assert_eq!(wait(429, Some("0"), None), Some(1));
        assert_eq!(wait(429, Some("99999999999"), None), Some(86_400));
        assert_eq!(wait(418, None, None), Some(120));
        assert_eq!(wait(418, Some("7200"), None), Some(7_200));
        assert_eq!(wait(429, Some("Sat, 21 Nov 2026 12:00:40 GMT"), None), Some(40));
        assert_eq!(wait(500, Some("35"), None), None);
        assert_eq!(wait(403, Some("35"), None), None);
    }

    #[test]
    fn a_broken_endpoint_says_when_to_come_back_to_it() {
        let now = http_date("Sat, 21 Nov 2026 12:00:00 GMT").unwrap();
        let away =
            |status, wait| Fault::from_reply(status, Some(wait), None, now).away().map(|a| a.as_secs());
        assert_eq!(away(503, "35"), Some(35));
        assert_eq!(away(503, "Sat, 21 Nov 2026 12:00:40 GMT"), Some(40));
        assert_eq!(away(500, "7"), Some(7));
        assert_eq!(away(302, "7"), Some(7), "a page that says it is being mended");
        assert_eq!(away(503, "99999999999"), Some(86_400));
        assert_eq!((away(503, "soon"), away(429, "7"), away(404, "7")), (None, None, None));
        let fault = Fault::from_upgrade(503, (true, ""), Some("9"), None, now);
        assert_eq!((fault.away(), fault.hold()), (Some(Duration::from_secs(9)), None));
        assert_eq!((fault.name(), fault.counts_for_breaker()), (Fault::Server.name(), true));
        assert_eq!(serde_json::to_value(fault).unwrap()["class"], "server");
    }

    #[test]
    fn the_venues_own_clock_decides_how_far_a_date_is() {
        let wait = |now| {
            let date = Some("Sat, 21 Nov 2026 12:00:00 GMT");
            Fault::from_reply(429, Some("Sat, 21 Nov 2026 12:00:40 GMT"), date, now).hold()
        };
        assert_eq!(wait(Unix(0)), Some(Duration::from_secs(40)));
        assert_eq!(wait(Unix(i64::MAX)), Some(Duration::from_secs(40)));
    }

    #[test]
    fn only_the_pace_asks_for_a_pause() {
        let closes = |code| Fault::from_close(Some(code), "").hold();
        assert_eq!(closes(1013), Some(Duration::from_secs(30)));
        assert_eq!(Fault::SLOWED.hold(), Some(Duration::from_secs(60)));
        assert_eq!(BANNED.hold(), Some(Duration::from_secs(120)));
        for fault in [
            Fault::Transient,
            Fault::Planned,
            Fault::Local,
            Fault::Authentication,
            Fault::Server,
            Fault::Configuration,
        ] {
            assert_eq!(fault.hold(), None, "{fault:?}");
        }
    }

    #[test]
    fn only_the_endpoints_own_failures_count_for_the_breaker() {
        assert!(Fault::Transient.counts_for_breaker());
        assert!(Fault::Server.counts_for_breaker());
        for fault in
            [Fault::Planned, Fault::Local, Fault::SLOWED, BANNED, Fault::Authentication, Fault::Configuration]
        {
            assert!(!fault.counts_for_breaker(), "{fault:?}");
        }
    }

    proptest! {
        #[test]
        fn any_end_has_a_class(code: Option<u16>, reason in ".*", status: u16, wait in ".*", now: i64) {
            let ends = [
                Fault::from_close(code, &reason),
                Fault::from_reply(status, Some(&wait), Some(&reason), Unix(now)),
            ];
            for fault in ends {
                if let Some(hold) = fault.hold() {
                    prop_assert!((HOLD_LEAST..=super::super::retry_after::LONGEST).contains(&hold));
                }
            }
        }
    }
}
