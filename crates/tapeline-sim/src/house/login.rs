//! A house that lets nobody in without a key: at its door, or by a message after it. No venue that is simulated here is
//! like that; what is common to those that are can be tried with it.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Value, json};

use super::House;
use super::acts::Later;
use super::wire::{Reply, Say};

/// Registered for WebSockets: the client is not authorised.
const UNAUTHORISED: u16 = 3000;
/// Whoever has not logged in after so long is sent away.
const LOGIN_WITHIN: u64 = 10_000_000_000;

/// Which keys a house takes, and how it wants to see them.
#[derive(Debug, Default)]
pub(super) struct Lock {
    /// Until when each of them is taken; empty = everybody is let in.
    keys: BTreeMap<String, u64>,
    /// They are shown by a message, not at the door.
    by_message: bool,
}

impl Lock {
    pub(super) const fn is_by_message(&self) -> bool {
        self.by_message
    }
}

impl House {
    /// From `now` on, sockets must show this key; `None` lets all in. Those that came with another one are closed.
    /// How many those are.
    pub fn set_login(&mut self, now: u64, key: Option<&str>) -> usize {
        self.advance(now);
        self.lock.keys = key.map(|key| (key.to_owned(), u64::MAX)).into_iter().collect();
        let foreign = |known: &Option<String>| known.as_deref() != key;
        let open: Vec<u64> = match key {
            Some(_) => self.sockets.iter().filter(|(_, s)| foreign(&s.key)).map(|(id, _)| *id).collect(),
            None => Vec::new(),
        };
        for id in &open {
            self.end(*id, Say::Close { code: UNAUTHORISED, reason: "the key is not valid any more" });
        }
        open.len()
    }

    /// From `now` on this key is taken too, until `ends`: then sockets that were not shown another one are closed.
    pub fn add_login(&mut self, now: u64, key: &str, ends: u64) {
        self.advance(now);
        let now = self.now;
        self.lock.keys.retain(|_, ends| *ends > now);
        self.lock.keys.insert(key.to_owned(), ends);
    }

    /// Whether keys are shown by a message on the open socket, and no longer at the door.
    pub const fn ask_by_message(&mut self, by_message: bool) {
        self.lock.by_message = by_message;
    }

    pub(super) fn check_key(&self, shown: Option<&str>) -> Result<(), Reply> {
        if self.lock.by_message || shown.map_or(self.lock.keys.is_empty(), |key| self.takes(key)) {
            return Ok(());
        }
        Err(Reply::text(401, "a valid key, please\n"))
    }

    fn takes(&self, key: &str) -> bool {
        self.lock.keys.is_empty() || self.lock.keys.get(key).is_some_and(|ends| *ends > self.now)
    }

    /// A socket has come through the door, with a key or to be asked for one.
    pub(super) fn greet(&mut self, id: u64, key: Option<&str>) {
        if self.lock.by_message {
            self.say(id, Say::Text(Bytes::from_static(br#"[{"T":"success","msg":"connected"}]"#)));
            self.later(LOGIN_WITHIN, id, Later::LoginDue);
        } else if let Some(key) = key {
            self.hold_key(id, key);
        }
    }

    fn hold_key(&mut self, id: u64, key: &str) {
        let ends = self.lock.keys.get(key).copied().unwrap_or(u64::MAX);
        if let Some(known) = self.sockets.get_mut(&id) {
            known.key = Some(key.to_owned());
        }
        if ends < u64::MAX {
            self.later(ends.saturating_sub(self.now), id, Later::KeyEnds);
        }
    }

    /// A message of a socket whose keys are asked for by message: what is to be answered, unless it is a request of one
    /// that is let in.
    pub(super) fn login_on(&mut self, id: u64, text: &str) -> Option<Bytes> {
        let is_in = self.sockets.get(&id).is_some_and(|known| known.key.is_some());
        let message = serde_json::from_str::<Value>(text).unwrap_or_default();
        if !self.lock.by_message || is_in && message["action"] != "auth" {
            return None;
        }
        let error = |code: u16, words: &str| json!([{ "T": "error", "code": code, "msg": words }]);
        let answer = match message["secret"].as_str() {
            Some(key) if message["action"] == "auth" && self.takes(key) => {
                self.hold_key(id, key);
                json!([{ "T": "success", "msg": "authenticated" }])
            }
            Some(_) if message["action"] == "auth" => error(402, "auth failed"),
            _ => error(401, "not authenticated"),
        };
        self.report.request_errors += u64::from(answer[0]["T"] == "error");
        Some(answer.to_string().into())
    }

    /// Whoever has not logged in by now is sent away.
    pub(super) fn end_unknown(&mut self, id: u64) {
        if self.sockets.get(&id).is_some_and(|known| known.key.is_none()) {
            self.say(
                id,
                Say::Text(Bytes::from_static(br#"[{"T":"error","code":404,"msg":"auth timeout"}]"#)),
            );
            self.end(id, Say::Close { code: UNAUTHORISED, reason: "nobody has logged in" });
        }
    }

    /// A key has ended: a socket that was not shown another one goes.
    pub(super) fn end_with_key(&mut self, id: u64) {
        let key = self.sockets.get(&id).and_then(|known| known.key.as_deref());
        if key.is_some_and(|key| !self.takes(key)) {
            self.end(id, Say::Close { code: UNAUTHORISED, reason: "the key has expired" });
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::exchange::MarketOptions;
    use crate::house::{House, HouseOptions, Said, Say, SocketId};
    use std::net::{IpAddr, Ipv4Addr};

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const SEC: u64 = 1_000_000_000;

    fn house() -> House {
        House::new(HouseOptions::new(MarketOptions::new(false)))
    }

    fn enter(house: &mut House, now: u64, key: Option<&str>) -> Result<SocketId, u16> {
        house.connect_with_key(now, HERE, "/ws", key).map_err(|reply| reply.status)
    }

    /// What the house has said to a socket since: texts, and codes of its end.
    fn heard(house: &mut House, socket: SocketId) -> Vec<String> {
        let mut heard = Vec::new();
        while let Some((whose, said)) = house.next_output() {
            match said {
                Say::Text(text) if whose == socket => heard.push(String::from_utf8_lossy(&text).into_owned()),
                Say::Close { code, .. } if whose == socket => heard.push(code.to_string()),
                _ => {}
            }
        }
        heard
    }

    #[test]
    fn who_shows_another_key_or_none_stays_outside_and_who_came_with_an_old_one_goes() {
        let mut house = house();
        house.set_login(0, Some("old"));
        assert_eq!(enter(&mut house, 0, None), Err(401));
        assert_eq!(enter(&mut house, 0, Some("new")), Err(401));
        let socket = enter(&mut house, 0, Some("old")).unwrap();
        assert_eq!(house.set_login(0, Some("old")), 0, "nothing has changed");
        assert_eq!(house.set_login(0, Some("new")), 1);
        assert_eq!(heard(&mut house, socket), ["3000"]);
        assert_eq!(enter(&mut house, 0, Some("old")), Err(401));
        assert!(enter(&mut house, 0, Some("new")).is_ok());
        house.set_login(0, None);
        assert!(enter(&mut house, 0, None).is_ok());
        assert_eq!(house.report().refused, 3);
    }

    #[test]
    fn a_key_ends_for_the_door_and_for_whoever_came_with_it() {
        let mut house = house();
        house.add_login(0, "short", 10 * SEC);
        house.add_login(0, "long", 20 * SEC);
        let short = enter(&mut house, 0, Some("short")).unwrap();
        let long = enter(&mut house, 0, Some("long")).unwrap();
        house.advance(11 * SEC);
        assert_eq!(house.sockets().collect::<Vec<_>>(), [long]);
        assert!(heard(&mut house, short).contains(&"3000".to_owned()));
        assert_eq!(enter(&mut house, 11 * SEC, Some("short")), Err(401));
        house.advance(21 * SEC);
        assert_eq!(house.sockets().count(), 0);
    }

    #[test]
    fn by_message_nobody_gets_anything_before_a_key_was_shown_and_another_one_may_be_shown_later() {
        let mut house = house();
        house.add_login(0, "one", 30 * SEC);
        house.add_login(0, "two", 60 * SEC);
        house.ask_by_message(true);
        let socket = enter(&mut house, 0, None).unwrap();
        let wants = r#"{"method":"SUBSCRIBE","params":["btcusdt@trade"],"id":1}"#;
        let say = |house: &mut House, at: u64, text: &str| {
            house.receive(at * SEC, socket, Said::Text(text));
            heard(house, socket)
        };
        let first = say(&mut house, 1, wants);
        assert!(first[0].contains("connected") && first[1].contains("401") && first.len() == 2, "{first:?}");
        let auth = |key: &str| format!(r#"{{"action":"auth","key":"drill","secret":"{key}"}}"#);
        assert!(say(&mut house, 2, &auth("none"))[0].contains("402"));
        assert!(say(&mut house, 3, &auth("one"))[0].contains("authenticated"));
        assert!(say(&mut house, 4, wants)[0].contains("result"));
        let later = say(&mut house, 20, &auth("two"));
        assert!(later.iter().any(|text| text.contains("authenticated")) && later.len() > 1, "data goes on");
        house.advance(45 * SEC);
        assert_eq!(house.sockets().count(), 1, "the first key has ended, the second has not");
        house.advance(61 * SEC);
        assert_eq!(house.sockets().count(), 0);
        let silent = enter(&mut house, 61 * SEC, None).unwrap();
        house.advance(72 * SEC);
        let end = heard(&mut house, silent);
        assert!(end[1].contains("404") && end[2] == "3000", "{end:?}");
    }
}
