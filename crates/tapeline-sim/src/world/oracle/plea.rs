//! What a venue asks of us when it is asked too often, read by the judge itself.

use super::super::clock::SEC;
use super::{Oracle, Oracles};
use crate::house::Reply;

/// The pause after a 429 or its likes, a 418 and a 1013 that say no time.
const SLOWED: u64 = 60 * SEC;
const BANNED: u64 = 120 * SEC;
const OVERLOADED: u64 = 30 * SEC;
/// The shortest and the longest pause.
const LEAST: u64 = SEC;
const MOST: u64 = 24 * 3_600 * SEC;

/// A pause that a venue asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plea {
    pub(crate) wait: u64,
    /// It concerns everything from our address.
    pub(crate) banned: bool,
}

impl Plea {
    /// What a reply asks for.
    pub(crate) fn of_reply(reply: &Reply) -> Option<Self> {
        let banned = reply.status == 418;
        if !banned && reply.status != 429 {
            return None;
        }
        let said = reply.header("retry-after").and_then(|text| text.trim().parse::<u64>().ok());
        let usual = if banned { BANNED } else { SLOWED };
        let wait = said.map_or(usual, |seconds| seconds.saturating_mul(SEC));
        Some(Self { wait: wait.clamp(LEAST, MOST), banned })
    }

    /// What a close frame asks for.
    pub(crate) fn of_close(code: u16, reason: &str) -> Option<Self> {
        let wait = match code {
            1013 => OVERLOADED,
            1008 | 3_000..=4_999 if reason.to_ascii_lowercase().contains("too many") => SLOWED,
            _ => return None,
        };
        Some(Self { wait, banned: false })
    }
}

impl Oracles {
    /// The venue asks for a pause of dials or (`rest`) requests: minded from the moment it is heard.
    pub(crate) fn asked(&mut self, now: u64, host: usize, plea: Option<Plea>, rest: bool) {
        if let Some(plea) = plea {
            self.watches[host].pace.hold(now, plea, rest);
        }
    }

    /// A venue answers at its own place; `ordered` says that a trouble may have made it answer so.
    pub(crate) fn answered(&mut self, host: usize, reply: &Reply, ordered: bool) {
        if matches!(reply.status, 418 | 429) && !ordered {
            let words = String::from_utf8_lossy(&reply.body);
            self.object(
                Oracle::Pace,
                format!("host {host}: the venue must answer {}: {words}", reply.status),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_ask_for_what_their_header_says() {
        let check = |reply: Reply, expected: Option<(u64, bool)>| {
            let found = Plea::of_reply(&reply).map(|plea| (plea.wait / SEC, plea.banned));
            assert_eq!(found, expected, "{reply:?}");
        };
        let with = |status, text: &str| Reply::text(status, "").with("retry-after", text.to_owned());
        check(with(429, "35"), Some((35, false)));
        check(with(429, "0"), Some((1, false)));
        check(with(429, "soon"), Some((60, false)));
        check(Reply::text(429, ""), Some((60, false)));
        check(with(418, "300"), Some((300, true)));
        check(Reply::text(418, ""), Some((120, true)));
        check(with(503, "300"), None);
    }

    #[test]
    fn close_frames_ask_too() {
        let wait = |code, reason| Plea::of_close(code, reason).map(|plea| plea.wait / SEC);
        assert_eq!(wait(1013, ""), Some(30));
        assert_eq!(wait(1008, "Too many requests"), Some(60));
        assert_eq!((wait(1008, "Pong timeout"), wait(1001, "")), (None, None));
    }
}
