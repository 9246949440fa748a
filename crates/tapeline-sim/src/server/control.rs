//! The simulator's own pages: counters, the truth, and troubles on order.

use super::http::{Answer, json, text};
use super::room::Room;
use crate::house::{Trouble, TroubleId, parse_script};
use crate::names::percent_decoded;
use hyper::{Method, StatusCode};
use std::collections::BTreeMap;

/// Answers a request for a path below `/sim/`.
pub(crate) fn answer(room: &Room, method: &Method, path: &str, query: &str, body: &str) -> Answer {
    let query = parse(query);
    let id = path.strip_prefix("/sim/trouble/");
    match (method, path) {
        (&Method::GET, "/sim/report") => {
            json(StatusCode::OK, to_json(&room.read(crate::house::House::report)))
        }
        (&Method::GET, "/sim/truth") => truth(room, &query),
        (&Method::GET, "/sim/troubles") => json(StatusCode::OK, to_json(&list(room))),
        (&Method::GET, "/sim/sockets") => {
            json(StatusCode::OK, room.read(|house| to_json(&house.open_sockets().collect::<Vec<_>>())))
        }
        (&Method::GET, "/sim/mishaps") => {
            let since = query.get("since").and_then(|since| since.parse().ok()).unwrap_or(0);
            json(StatusCode::OK, room.read(|house| to_json(&house.mishaps(since).collect::<Vec<_>>())))
        }
        (&Method::POST, "/sim/trouble") => order(room, body),
        (&Method::DELETE, _) if id.is_some() => match id.unwrap_or("").parse() {
            Ok(id) if room.with(|house, _| house.calm(TroubleId(id))) => text(StatusCode::OK, "calm again\n"),
            _ => text(StatusCode::NOT_FOUND, "no trouble has this number\n"),
        },
        (
            _,
            "/sim/report" | "/sim/truth" | "/sim/troubles" | "/sim/mishaps" | "/sim/sockets" | "/sim/trouble",
        ) => text(StatusCode::METHOD_NOT_ALLOWED, "this page is asked otherwise\n"),
        _ => text(StatusCode::NOT_FOUND, "no such page\n"),
    }
}

/// Orders the troubles of a script; a bad line orders none of them.
fn order(room: &Room, body: &str) -> Answer {
    let troubles = match parse_script(body) {
        Ok(troubles) => troubles,
        Err(bad) => return text(StatusCode::BAD_REQUEST, &format!("{bad}\n")),
    };
    if troubles.is_empty() {
        return text(StatusCode::BAD_REQUEST, "the body orders nothing; say one trouble a line\n");
    }
    let ids = room.with(|house, now| {
        let order = |trouble: Trouble| house.trouble(now, trouble).number();
        troubles.into_iter().map(order).collect::<Vec<u64>>()
    });
    json(StatusCode::OK, to_json(&serde_json::json!({ "ids": ids })))
}

fn list(room: &Room) -> Vec<serde_json::Value> {
    let told = |(id, trouble, hits): (TroubleId, Trouble, u64)| serde_json::json!({ "id": id.number(), "trouble": trouble.to_string(), "strikes": hits });
    room.read(|house| house.troubles().into_iter().map(told).collect())
}

/// `/sim/truth?symbol=BTCUSDT[&id=N]`: the generated market's own book.
fn truth(room: &Room, query: &BTreeMap<String, String>) -> Answer {
    let symbol = query.get("symbol").map_or("", String::as_str);
    let id = query.get("id").and_then(|id| id.parse().ok());
    match room.read(|house| house.truth(symbol, id)) {
        Some(book) => json(StatusCode::OK, to_json(&book)),
        None => text(StatusCode::NOT_FOUND, "no such symbol, or an id that is not remembered\n"),
    }
}

fn parse(query: &str) -> BTreeMap<String, String> {
    let pair = |part: &str| {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        (percent_decoded(key), percent_decoded(value))
    };
    query.split('&').map(pair).collect()
}

fn to_json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}
