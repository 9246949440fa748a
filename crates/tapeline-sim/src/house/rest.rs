//! The REST side of a house: paths, parameters, weights, replies.

mod lists;
mod prices;

use super::gate::{banned, stamp};
use super::kinds::{Kind, Place};
use super::trouble::Trouble;
use super::wire::Reply;
use super::{House, Stage};
use crate::exchange::{Market, View};
use crate::limits::depth_weight;
use crate::names::percent_decoded;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// Parameters of a query, decoded.
pub(crate) type Query = BTreeMap<String, String>;

/// A request target taken apart.
#[derive(Debug)]
pub(crate) struct Target<'a> {
    /// The host of an absolute target, else empty.
    pub(crate) host: &'a str,
    pub(crate) path: String,
    pub(crate) query: Option<&'a str>,
}

impl<'a> Target<'a> {
    pub(crate) fn parse(target: &'a str) -> Self {
        let (host, rest) = match target.split_once("://") {
            Some((_, rest)) => match rest.find('/') {
                Some(at) => (&rest[..at], &rest[at..]),
                None => (rest, "/"),
            },
            None => ("", target),
        };
        let (path, query) = match rest.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (rest, None),
        };
        Self { host, path: percent_decoded(path), query }
    }
}

pub(crate) fn parse_query(query: &str) -> Query {
    let pair = |part: &str| {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        (percent_decoded(key), percent_decoded(value))
    };
    query.split('&').map(pair).collect()
}

impl House {
    pub(super) fn answer(&mut self, from: IpAddr, target: &Target<'_>, key: Option<&str>) -> Reply {
        let query = parse_query(target.query.unwrap_or(""));
        let symbol = query.get("symbol").map_or("", String::as_str);
        let concerns = |t: &Trouble| t.scope.has_host(target.host) && t.scope.has_symbol(symbol);
        let trouble = self.troubles.at(self.now, Place::Rest, concerns);
        if let Some(trouble) = &trouble {
            self.troubles.count(trouble.kind);
            if trouble.kind == Kind::Unreachable {
                return Reply::text(Reply::NO_CONNECTION, "");
            }
        }
        let answered = self.dispatch(from, &target.path, &query, key);
        let reply = match &trouble {
            // A limit that is kept goes before a trouble.
            Some(trouble) if !matches!(answered.status, 418 | 429) => self.harm(from, trouble, answered),
            _ => answered,
        };
        self.account(&target.path, symbol, &reply);
        reply
    }

    fn dispatch(&mut self, from: IpAddr, path: &str, query: &Query, key: Option<&str>) -> Reply {
        let futures = self.futures;
        let rest = match path.strip_prefix(if futures { "/fapi/" } else { "/api/" }) {
            Some("v1/depth") if !futures => Some("depth"),
            // The newer table of prices is the same.
            Some("v2/ticker/price") if futures => Some("ticker/price"),
            Some(rest) => rest.strip_prefix(if futures { "v1/" } else { "v3/" }),
            None => None,
        };
        match rest {
            Some("ping") => self.weighed(from, 1, |_| Reply::json(200, "{}")),
            Some("time") => self.weighed(from, 1, |house| {
                Reply::json(200, format!("{{\"serverTime\":{}}}", house.unix_ms()))
            }),
            Some("depth") => self.depth(from, query),
            Some("trades") => self.newest_trades(from, query),
            Some("historicalTrades") => self.historical_trades(from, query, key),
            Some("historicalBlockTrades") if !futures => self.blocks(from, query),
            Some("aggTrades") => self.aggregates(from, query),
            Some("klines") => self.candles(from, query),
            Some("ticker/bookTicker") => self.quotes(from, query),
            Some("ticker/price") => self.prices(from, query),
            Some("ticker/24hr") => self.days(from, query),
            Some("ticker") if !futures => self.windows(from, query),
            Some("avgPrice") if !futures => self.of_one(from, query, Market::rest_average),
            Some("referencePrice") if !futures => self.of_one(from, query, Market::rest_reference),
            Some("premiumIndex") if futures => self.premiums(from, query),
            Some("exchangeInfo") => {
                self.weighed(from, if futures { 1 } else { 20 }, |house| house.exchange_info())
            }
            _ => Reply::text(404, "no such path\n"),
        }
    }

    /// A reply that costs weight.
    fn weighed(&mut self, from: IpAddr, weight: u32, answer: impl FnOnce(&mut Self) -> Reply) -> Reply {
        let now = self.unix_ms();
        let used = match self.gate.charge(&self.options, &mut self.report, now, from, weight) {
            Ok(used) => used,
            Err(refusal) => return refusal,
        };
        let mut reply = answer(self);
        stamp(&mut reply, used);
        reply
    }

    fn depth(&mut self, from: IpAddr, query: &Query) -> Reply {
        let limit = match query.get("limit").map(|limit| limit.parse::<usize>()) {
            None if self.futures => 500,
            None => 100,
            Some(Ok(limit)) if self.futures && ![5, 10, 20, 50, 100, 500, 1_000].contains(&limit) => {
                return Reply::error(400, -4021, &format!("'{limit}' is not a valid depth limit."));
            }
            Some(Ok(limit)) if limit > 0 => limit.min(5_000),
            Some(_) => return bad_parameter("limit"),
        };
        self.weighed(from, depth_weight(limit, self.futures), |house| match required(query, "symbol") {
            Ok(symbol) => house.snapshot(symbol, limit),
            Err(refusal) => refusal,
        })
    }

    fn snapshot(&mut self, symbol: &str, limit: usize) -> Reply {
        let trouble = self.troubles.at(self.now, Place::Snapshot, |t| t.scope.has_symbol(symbol));
        if let Some(trouble) = &trouble {
            self.troubles.count(trouble.kind);
        }
        let view = match trouble.as_ref().map(|trouble| trouble.kind) {
            Some(Kind::Stale) => View::Ago(trouble.map_or(0, |t| t.nanos(30_000)) / 1_000),
            Some(Kind::Edge) => View::Edge,
            Some(Kind::Straddle) => View::Inside,
            Some(Kind::EmptySnapshot) => View::Empty,
            Some(Kind::OtherSymbol) => return self.snapshot_of_another(symbol, limit),
            _ => View::Now,
        };
        let body = match &self.stage {
            Stage::Floor(floor) => floor.market.snapshot(symbol, limit, view).map(Bytes::from),
            Stage::Recording(recording) => match recording.snapshot(symbol) {
                Some(body) => Some(Bytes::copy_from_slice(body.as_bytes())),
                None if recording.capture.snapshots.is_empty() || recording.capture.lists(symbol) => {
                    return busy();
                }
                None => None,
            },
        };
        body.map_or_else(|| Reply::error(400, -1121, "Invalid symbol."), |body| Reply::json(200, body))
    }

    /// What a cache that mixes its keys up would serve.
    fn snapshot_of_another(&self, symbol: &str, limit: usize) -> Reply {
        let Some(floor) = self.floor() else { return busy() };
        let other = floor.market.symbols().find(|other| *other != symbol).unwrap_or(symbol);
        Reply::json(200, floor.market.snapshot(other, limit, View::Now).unwrap_or_default())
    }

    fn ask_market(&self, ask: impl FnOnce(&Market) -> Option<Vec<u8>>) -> Reply {
        let Some(floor) = self.floor() else { return busy() };
        let body = ask(&floor.market);
        body.map_or_else(|| Reply::error(400, -1121, "Invalid symbol."), |body| Reply::json(200, body))
    }

    /// The listed symbols with their ticks and lots, and the limits.
    fn exchange_info(&self) -> Reply {
        let Some(floor) = self.floor() else { return busy() };
        let unit = |scale: u32| crate::decimal::fixed(1, scale, scale);
        let listed = floor.market.symbols().filter_map(|name| floor.market.symbol(name)).map(|symbol| {
            let base = symbol.name.strip_suffix("USDT").unwrap_or(&symbol.name);
            serde_json::json!({
                "symbol": symbol.name, "pair": symbol.name, "status": "TRADING", "contractType": "PERPETUAL",
                "baseAsset": base, "quoteAsset": "USDT", "marginAsset": "USDT",
                "baseAssetPrecision": 8, "quotePrecision": 8, "quoteAssetPrecision": 8,
                "pricePrecision": symbol.price_scale, "quantityPrecision": symbol.size_scale,
                "orderTypes": ["LIMIT", "MARKET"], "isSpotTradingAllowed": true, "permissions": ["SPOT"],
                "filters": [
                    {"filterType": "PRICE_FILTER", "tickSize": unit(symbol.price_scale),
                     "minPrice": unit(symbol.price_scale), "maxPrice": "100000000"},
                    {"filterType": "LOT_SIZE", "stepSize": unit(symbol.size_scale),
                     "minQty": unit(symbol.size_scale), "maxQty": "100000000"},
                ],
            })
        });
        let listed: Vec<serde_json::Value> = listed.collect();
        let limit = serde_json::json!({"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1,
            "limit": self.options.weight});
        let info = serde_json::json!({"timezone": "UTC", "serverTime": self.unix_ms(), "rateLimits": [limit],
            "exchangeFilters": [], "symbols": listed});
        Reply::json(200, info.to_string())
    }

    /// What a trouble makes of a reply.
    fn harm(&mut self, from: IpAddr, trouble: &Trouble, reply: Reply) -> Reply {
        let now = self.unix_ms();
        match trouble.kind {
            Kind::Status => {
                let status = trouble.code.unwrap_or(500);
                Reply {
                    status,
                    ..Reply::error(status, -1000, "An unknown error occurred while processing the request.")
                }
            }
            Kind::Firewall => Reply::of(403, "text/html", Bytes::from_static(FIREWALL.as_bytes())),
            Kind::Html => Reply::of(200, "text/html", Bytes::from_static(FIREWALL.as_bytes())),
            Kind::GeoBlock => Reply::error(451, 0, "Service unavailable from a restricted location."),
            Kind::Busy if trouble.by_ms.is_some() => {
                busy().with("retry-after", trouble.seconds(0).to_string())
            }
            Kind::Busy => busy(),
            Kind::Teapot => {
                let wait = trouble.seconds(120_000);
                self.report.http_418 += 1;
                self.gate.ban(&self.options, now, from, wait);
                let told = Reply::error(418, -1003, &banned(now + wait * 1_000));
                told.with("retry-after", wait.to_string())
            }
            Kind::TooMany => {
                let wait = trouble.seconds(10_000);
                self.report.http_429 += 1;
                self.gate.hold(&self.options, now, from, wait);
                Reply::error(429, -1003, "Too many requests.").with("retry-after", wait.to_string())
            }
            Kind::TooManyUnsaid => {
                self.report.http_429 += 1;
                Reply::error(429, -1003, "Too many requests.")
            }
            Kind::Slow => Reply { after: Duration::from_nanos(trouble.nanos(10_000)), ..reply },
            Kind::HalfBody => Reply { cut: true, ..reply },
            _ => reply,
        }
    }

    /// Counts what became of depth requests.
    fn account(&mut self, path: &str, symbol: &str, reply: &Reply) {
        if !path.ends_with("/depth") {
            return;
        }
        if reply.status == 200 && !reply.cut {
            *self.report.snapshots.entry(symbol.to_owned()).or_default() += 1;
        } else if reply.status >= 500 || reply.cut {
            self.report.snapshots_failed += 1;
        }
    }
}

const FIREWALL: &str = "<html>\n<head><title>403 Forbidden</title></head>\n<body>\n<center><h1>403 Forbidden</h1>\
    </center>\n<hr><center>cloudfront</center>\n</body>\n</html>\n";

fn busy() -> Reply {
    let why = "Server is currently overloaded with other requests. Please try again in a few minutes.";
    Reply::error(503, -1008, why)
}

fn bad_parameter(name: &str) -> Reply {
    Reply::error(400, -1130, &format!("Data sent for parameter '{name}' is not valid."))
}

fn required<'a>(query: &'a Query, name: &str) -> Result<&'a str, Reply> {
    let value = query.get(name).map(String::as_str).filter(|value| !value.is_empty());
    value.ok_or_else(|| {
        let why = format!("Mandatory parameter '{name}' was not sent, was empty/null, or malformed.");
        Reply::error(400, -1102, &why)
    })
}

fn combination() -> Reply {
    Reply::error(400, -1128, "Combination of optional parameters invalid.")
}

fn limit(query: &Query, most: usize) -> Result<usize, Reply> {
    match number(query, "limit")? {
        None => Ok(500),
        Some(limit) if limit > 0 => Ok(usize::try_from(limit).unwrap_or(most).min(most)),
        Some(_) => Err(bad_parameter("limit")),
    }
}

/// A whole number, if it is given.
fn number(query: &Query, name: &str) -> Result<Option<u64>, Reply> {
    query.get(name).map(|text| text.parse().map_err(|_| bad_parameter(name))).transpose()
}
