//! Lists: trades, aggregates of them, block trades, candles.

use super::{House, Query, bad_parameter, combination, limit, number, required};
use crate::exchange::{INTERVALS, Market, Wish};
use crate::house::wire::Reply;
use crate::limits::candle_weight;
use std::net::IpAddr;

/// What a symbol's list holds of a wish; nothing for an unknown symbol.
type Listing = fn(&Market, &str, Wish) -> Option<Vec<u8>>;

/// The length of a key.
const KEY: usize = 64;

impl House {
    pub(super) fn newest_trades(&mut self, from: IpAddr, query: &Query) -> Reply {
        let newest = |query: &Query| Ok(Wish { from: None, since: None, until: None, ..wish(query)? });
        self.listing(from, query, if self.futures { 5 } else { 25 }, newest, Market::rest_trades)
    }

    /// Futures tell them to those who have a key.
    pub(super) fn historical_trades(&mut self, from: IpAddr, query: &Query, key: Option<&str>) -> Reply {
        let weight = if self.futures { 20 } else { 25 };
        if self.futures
            && let Err(refusal) = self.has_key(key)
        {
            return self.weighed(from, weight, |_| refusal);
        }
        let by_id = |query: &Query| Ok(Wish { since: None, until: None, ..wish(query)? });
        self.listing(from, query, weight, by_id, Market::rest_trades)
    }

    pub(super) fn blocks(&mut self, from: IpAddr, query: &Query) -> Reply {
        let by_id = |query: &Query| {
            required(query, "fromId")?;
            wish(query)
        };
        self.listing(from, query, 25, by_id, Market::rest_blocks)
    }

    pub(super) fn aggregates(&mut self, from: IpAddr, query: &Query) -> Reply {
        let futures = self.futures;
        let either = |query: &Query| {
            let wish = wish(query)?;
            let timed = wish.since.is_some() || wish.until.is_some();
            if futures && timed && wish.from.is_some() { Err(combination()) } else { Ok(wish) }
        };
        self.listing(from, query, if futures { 20 } else { 4 }, either, Market::rest_aggregates)
    }

    pub(super) fn candles(&mut self, from: IpAddr, query: &Query) -> Reply {
        let most = if self.futures { 1_500 } else { 1_000 };
        let rows = limit(query, most);
        let weight = candle_weight(*rows.as_ref().unwrap_or(&1), self.futures);
        self.weighed(from, weight, |house| {
            let asked = (required(query, "symbol"), required(query, "interval"), wish(query), rows);
            let (symbol, interval, wish) = match asked {
                (Ok(symbol), Ok(interval), Ok(wish), Ok(limit)) => (symbol, interval, Wish { limit, ..wish }),
                (Err(refusal), ..) | (_, Err(refusal), ..) => return refusal,
                (_, _, Err(refusal), _) | (.., Err(refusal)) => return refusal,
            };
            let Some(known) = INTERVALS.iter().find(|known| known.name == interval) else {
                return Reply::error(400, -1120, "Invalid interval.");
            };
            // Candles begin at full hours of UTC, and days in no other zone.
            let zone = query.get("timeZone").map(String::as_str).unwrap_or("0");
            let hours = zone.trim_start_matches(['+', '-']).trim_end_matches(":00").parse::<u64>();
            match hours {
                Ok(hours) if hours <= 14 && (hours * 3_600).is_multiple_of(known.seconds) => {}
                _ => return bad_parameter("timeZone"),
            }
            house.ask_market(|market| market.rest_candles(symbol, interval, wish))
        })
    }

    fn listing(
        &mut self,
        from: IpAddr,
        query: &Query,
        weight: u32,
        read: impl Fn(&Query) -> Result<Wish, Reply>,
        list: Listing,
    ) -> Reply {
        self.weighed(from, weight, |house| match (required(query, "symbol"), read(query)) {
            (Ok(symbol), Ok(wish)) => house.ask_market(|market| list(market, symbol, wish)),
            (Err(refusal), _) | (_, Err(refusal)) => refusal,
        })
    }

    /// Whether a key is one that the venue has given out.
    fn has_key(&self, key: Option<&str>) -> Result<(), Reply> {
        let formed = |key: &&str| key.len() == KEY && key.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let Some(key) = key.filter(formed) else {
            return Err(Reply::error(401, -2014, "API-key format invalid."));
        };
        match &self.options.key {
            Some(known) if known != key => {
                Err(Reply::error(401, -2015, "Invalid API-key, IP, or permissions for action."))
            }
            _ => Ok(()),
        }
    }
}

/// The parameters that lists share.
fn wish(query: &Query) -> Result<Wish, Reply> {
    Ok(Wish {
        from: number(query, "fromId")?,
        since: number(query, "startTime")?,
        until: number(query, "endTime")?,
        limit: limit(query, 1_000)?,
    })
}
