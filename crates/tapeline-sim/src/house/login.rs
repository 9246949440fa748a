//! A house that lets nobody in without a key. No venue that is simulated here is like that; what is common to those
//! that are can be tried with it.

use super::House;
use super::wire::{Reply, Say};

/// Registered for WebSockets: the client is not authorised.
const UNAUTHORISED: u16 = 3000;

impl House {
    /// From `now` on, sockets must show this key; `None` lets all in. Those that came with another one are closed.
    /// How many those are.
    pub fn set_login(&mut self, now: u64, key: Option<&str>) -> usize {
        self.advance(now);
        if self.login.as_deref() == key {
            return 0;
        }
        self.login = key.map(str::to_owned);
        let open: Vec<u64> = match key {
            Some(_) => self.sockets.keys().copied().collect(),
            None => Vec::new(),
        };
        for id in &open {
            self.end(*id, Say::Close { code: UNAUTHORISED, reason: "the key is not valid any more" });
        }
        open.len()
    }

    pub(super) fn check_key(&self, shown: Option<&str>) -> Result<(), Reply> {
        match &self.login {
            Some(key) if shown != Some(key.as_str()) => Err(Reply::text(401, "a valid key, please\n")),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::exchange::MarketOptions;
    use crate::house::{House, HouseOptions, Say};
    use std::net::{IpAddr, Ipv4Addr};

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[test]
    fn who_shows_another_key_or_none_stays_outside_and_who_came_with_an_old_one_goes() {
        let mut house = House::new(HouseOptions::new(MarketOptions::new(false)));
        house.set_login(0, Some("old"));
        let enter =
            |house: &mut House, key| house.connect_with_key(0, HERE, "/ws", key).map_err(|r| r.status);
        assert_eq!(enter(&mut house, None), Err(401));
        assert_eq!(enter(&mut house, Some("new")), Err(401));
        let socket = enter(&mut house, Some("old")).unwrap();
        assert_eq!(house.set_login(0, Some("old")), 0, "nothing has changed");
        assert_eq!(house.set_login(0, Some("new")), 1);
        let (whose, said) = house.next_output().unwrap();
        assert!(whose == socket && matches!(said, Say::Close { code: 3000, .. }));
        assert_eq!(enter(&mut house, Some("old")), Err(401));
        assert!(enter(&mut house, Some("new")).is_ok());
        house.set_login(0, None);
        assert!(enter(&mut house, None).is_ok());
        assert_eq!(house.report().refused, 3);
    }
}
