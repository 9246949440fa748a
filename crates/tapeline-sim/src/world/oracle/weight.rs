//! What a request costs, by the venue's own table.

use std::collections::VecDeque;

use super::super::clock::SEC;
use super::message::{contains, number_after};

/// What was asked for within the last minute: a budget that counts so is spent sooner than one that begins anew with
/// each minute of the clock.
#[derive(Debug, Default)]
pub(super) struct Recent {
    all: VecDeque<(u64, u32)>,
    sum: u32,
}

impl Recent {
    /// A request of so much weight goes out; what all of the last minute weigh.
    pub(super) fn add(&mut self, now: u64, weight: u32) -> u32 {
        self.all.push_back((now, weight));
        self.sum += weight;
        while let Some((_, gone)) = self.all.pop_front_if(|(at, _)| *at + 60 * SEC <= now) {
            self.sum -= gone;
        }
        self.sum
    }
}

/// What a request weighs. One that the table does not know weighs as much as the heaviest: nobody asks it in vain.
pub(super) fn of(url: &str) -> u32 {
    let futures = is_futures(url);
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let single = contains(query.as_bytes(), b"symbol=");
    let by = |spot: u32, usdm: u32| if futures { usdm } else { spot };
    match path.rsplit_once("/v").map_or("", |(_, rest)| rest.split_once('/').map_or("", |(_, name)| name)) {
        "depth" => depth(query, futures),
        "trades" => by(25, 5),
        "historicalTrades" => by(25, 20),
        "historicalBlockTrades" => 25,
        "aggTrades" => by(4, 20),
        "klines" => by(2, klines(query)),
        "ticker/bookTicker" if single => 2,
        "ticker/bookTicker" => by(4, 5),
        "ticker/price" if single => by(2, 1),
        "ticker/price" => by(4, 2),
        "ticker/24hr" if single => by(2, 1),
        "ticker/24hr" => by(80, 40),
        "ticker" if single => 4,
        "avgPrice" | "referencePrice" => 2,
        "premiumIndex" => {
            if single {
                1
            } else {
                10
            }
        }
        "exchangeInfo" => by(20, 1),
        "ping" | "time" => 1,
        _ => 250,
    }
}

/// By the levels asked for.
fn depth(query: &str, futures: bool) -> u32 {
    let limit = limit(query).unwrap_or(if futures { 500 } else { 100 });
    let steps = if futures {
        [(50, 2), (100, 5), (500, 10), (u64::MAX, 20)]
    } else {
        [(100, 5), (500, 25), (1_000, 50), (u64::MAX, 250)]
    };
    steps.into_iter().find(|(most, _)| limit <= *most).map_or(0, |(_, weight)| weight)
}

/// By the candles asked for, on futures.
fn klines(query: &str) -> u32 {
    match limit(query).unwrap_or(500) {
        0..=99 => 1,
        100..=499 => 2,
        500..=1_000 => 5,
        _ => 10,
    }
}

fn limit(query: &str) -> Option<u64> {
    number_after(query.as_bytes(), b"limit=")
}

/// The weight that the venue bears in a minute.
pub(super) fn borne(url: &str) -> u32 {
    if is_futures(url) { 2_400 } else { 6_000 }
}

fn is_futures(url: &str) -> bool {
    url.contains("/fapi/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::{MarketOptions, Symbol};
    use crate::house::{House, HouseOptions};
    use serde_json::Value;

    #[test]
    fn a_minute_begins_with_every_request() {
        let mut recent = Recent::default();
        let sums: Vec<u32> = [(50, 10), (70, 20), (109, 5), (110, 1), (300, 2)]
            .map(|(at, weight)| recent.add(at * SEC, weight))
            .into();
        assert_eq!(sums, [10, 30, 35, 26, 2]);
    }

    #[test]
    fn requests_weigh_what_the_venue_says() {
        let check = |url: &str, expected: u32| assert_eq!(of(url), expected, "{url}");
        check("https://a/api/v3/depth?symbol=X&limit=1000", 50);
        check("https://a/api/v3/depth?symbol=X", 5);
        check("https://a/api/v3/depth?symbol=X&limit=5000", 250);
        check("https://a/fapi/v1/depth?symbol=X&limit=1000", 20);
        check("https://a/api/v3/historicalTrades?symbol=X&fromId=5&limit=5", 25);
        check("https://a/api/v3/ticker/24hr", 80);
        check("https://a/fapi/v2/ticker/price", 2);
        check("https://a/fapi/v1/klines?symbol=X&interval=1m&limit=1500", 10);
        check("https://a/api/v3/ticker?symbol=X&windowSize=1h", 4);
        check("https://a/api/v3/nothing", 250);
    }

    /// Three who have each read the venue's table: the adapter (in the fixture), the house, and this judge.
    #[test]
    fn adapter_house_and_judge_agree_about_every_weight() {
        let fixture = include_str!("../../../../../fixtures/venues/binance/requests.json");
        let cases: Vec<Value> = serde_json::from_str(fixture).unwrap();
        let mut asked = 0;
        for case in cases.iter().filter(|case| case["url"].is_string()) {
            let (url, weight) = (case["url"].as_str().unwrap(), case["weight"].as_u64());
            assert_eq!(Some(u64::from(of(url))), weight, "{url}");
            let futures = is_futures(url);
            let mut options = HouseOptions::new(MarketOptions {
                symbols: Symbol::ten(futures).into_iter().take(2).collect(),
                ..MarketOptions::new(futures)
            });
            options.weight = 6_000;
            let mut house = House::new(options);
            let reply = house.request(70_000_000_000, std::net::Ipv4Addr::LOCALHOST.into(), url);
            // One symbol, one interval and one time zone of the fixture are not to be had here.
            let known = !["%", "1M", "timeZone"].iter().any(|odd| url.contains(odd));
            assert_eq!(reply.status, if known { 200 } else { 400 }, "{url}: {reply:?}");
            let used = reply.header("x-mbx-used-weight-1m").and_then(|used| used.parse().ok());
            assert_eq!(used, weight, "{url}");
            asked += 1;
        }
        assert!(asked > 30, "{asked}");
    }
}
