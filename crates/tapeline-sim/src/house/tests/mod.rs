//! Claims about a house that needs neither sockets nor time.

mod frames;
mod life;
mod rest;
mod sockets;

use super::*;
use crate::exchange::{MarketOptions, Symbol};
use serde_json::Value;

const SECOND: u64 = 1_000_000_000;
const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
const LIST: &str = r#"{"method":"LIST_SUBSCRIPTIONS","id":7}"#;

/// A spot venue with two symbols.
fn house(change: impl FnOnce(&mut HouseOptions)) -> House {
    let symbols = Symbol::ten(false).into_iter().take(2).collect();
    let mut options = HouseOptions::new(MarketOptions { symbols, ..MarketOptions::default() });
    change(&mut options);
    House::new(options)
}

fn order(house: &mut House, now: u64, line: &str) -> TroubleId {
    house.trouble(now, line.parse().unwrap_or_else(|error| panic!("{line}: {error}")))
}

fn outputs(house: &mut House) -> Vec<(SocketId, Say)> {
    std::iter::from_fn(|| house.next_output()).collect()
}

/// What one socket was told, other outputs left out.
fn said(house: &mut House, socket: SocketId) -> Vec<Say> {
    outputs(house).into_iter().filter(|(id, _)| *id == socket).map(|(_, say)| say).collect()
}

/// The texts among what one socket was told.
fn texts(house: &mut House, socket: SocketId) -> Vec<Bytes> {
    let text = |say| if let Say::Text(text) = say { Some(text) } else { None };
    said(house, socket).into_iter().filter_map(text).collect()
}

fn json(text: &[u8]) -> Value {
    serde_json::from_slice(text).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(text)))
}

fn get(house: &mut House, now: u64, target: &str) -> Reply {
    house.request(now, HERE, target)
}
