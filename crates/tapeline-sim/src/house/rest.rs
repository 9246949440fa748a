//! The REST side of a house: paths, parameters, weights, replies.

use super::House;
use super::gate::stamp;
use super::wire::Reply;
use crate::limits::depth_weight;
use crate::names::percent_decoded;
use std::collections::BTreeMap;
use std::net::IpAddr;

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
    pub(super) fn answer(&mut self, from: IpAddr, target: &Target<'_>) -> Reply {
        let query = parse_query(target.query.unwrap_or(""));
        match (target.path.as_str(), self.futures) {
            ("/api/v3/ping", false) | ("/fapi/v1/ping", true) => {
                self.weighed(from, 1, |_| Reply::json(200, "{}"))
            }
            ("/api/v3/time", false) | ("/fapi/v1/time", true) => self.weighed(from, 1, |house| {
                Reply::json(200, format!("{{\"serverTime\":{}}}", house.unix_ms()))
            }),
            ("/api/v3/depth" | "/api/v1/depth", false) | ("/fapi/v1/depth", true) => self.depth(from, &query),
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
            Some(_) => return Reply::error(400, -1130, "Data sent for parameter 'limit' is not valid."),
        };
        let symbol = query.get("symbol").map_or("", String::as_str);
        self.weighed(from, depth_weight(limit, self.futures), |house| house.snapshot(symbol, limit))
    }

    fn snapshot(&mut self, symbol: &str, limit: usize) -> Reply {
        if symbol.is_empty() {
            return Reply::error(
                400,
                -1102,
                "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.",
            );
        }
        let Some(body) = self.floor.market.snapshot(symbol, limit) else {
            return Reply::error(400, -1121, "Invalid symbol.");
        };
        *self.report.snapshots.entry(symbol.to_owned()).or_default() += 1;
        Reply::json(200, body)
    }
}
