//! An endpoint that is broken and says when to come back is not asked before. Others may be.

use std::collections::BTreeMap;

use super::super::clock::{MS, SEC};
use super::{Oracles, Plea};
use crate::house::Reply;

/// Longer waits are not believed.
const MOST: u64 = 24 * 3_600;

/// What the endpoints of one process have said: until when each of them is left alone, and at most.
#[derive(Debug, Default)]
pub(crate) struct Away(BTreeMap<String, (u64, u64)>);

impl Away {
    /// A reply of whoever stands behind an address.
    fn hear(&mut self, now: u64, url: &str, reply: &Reply) {
        if !matches!(reply.status, 302 | 303 | 307 | 500..=599) {
            return;
        }
        let said = reply.header("retry-after").and_then(|text| text.trim().parse::<u64>().ok());
        if let Some(seconds) = said {
            let wait = seconds.min(MOST) * SEC;
            let (until, latest) = self.0.entry(door(url).to_owned()).or_default();
            *until = (*until).max(now + wait);
            *latest = (*latest).max(now + wait + wait / 10);
        }
    }

    /// Somebody goes there.
    pub(crate) fn goes(&self, now: u64, url: &str) -> Result<(), String> {
        let until = self.0.get(door(url)).map_or(0, |(until, _)| *until);
        if now < until {
            return Err(format!("{} is asked {} ms before it is back", door(url), (until - now) / MS));
        }
        Ok(())
    }

    /// When the last of them is asked again, at the latest.
    pub(crate) fn over(&self) -> u64 {
        self.0.values().map(|(_, latest)| *latest).max().unwrap_or(0)
    }

    /// An operator forgives.
    pub(crate) fn forgive(&mut self) {
        self.0.clear();
    }
}

/// Protocol, host and port.
fn door(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    url[host..].find('/').map_or(url, |end| &url[..host + end])
}

impl Oracles {
    /// A venue refuses: what it asks for is minded from the moment it is heard, for dials or (`rest`) requests.
    pub(crate) fn refused(&mut self, now: u64, host: usize, (url, reply): (&str, &Reply), rest: bool) {
        self.asked(now, host, Plea::of_reply(reply), rest);
        self.watches[host].away.hear(now, url, reply);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_that_is_asked_before_it_is_back_is_seen() {
        let mut away = Away::default();
        let reply = |status, wait: &str| Reply::text(status, "").with("retry-after", wait.to_owned());
        away.hear(0, "wss://a.example:9443/stream", &reply(503, "30"));
        away.hear(0, "wss://b.example/stream", &reply(429, "30"));
        away.hear(0, "wss://c.example", &reply(500, "soon"));
        let goes = |away: &Away, at: u64, url| away.goes(at * SEC, url).is_ok();
        assert!(!goes(&away, 29, "wss://a.example:9443/ws") && goes(&away, 30, "wss://a.example:9443/ws"));
        for other in ["wss://a.example/ws", "https://a.example:9443", "wss://b.example", "wss://c.example/x"]
        {
            assert!(goes(&away, 1, other), "{other}");
        }
        assert_eq!(away.over(), 33 * SEC);
        away.hear(0, "wss://a.example:9443", &reply(503, "20"));
        assert!(!goes(&away, 29, "wss://a.example:9443"), "a shorter wait shortens nothing");
        away.forgive();
        assert!(goes(&away, 1, "wss://a.example:9443"));
    }
}
