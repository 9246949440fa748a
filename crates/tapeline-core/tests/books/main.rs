//! Order books: ladders against a model, every edge of synchronisation, a venue that misbehaves, and
//! recorded traffic.

mod captures;
mod damage;
mod edges;
mod horizon;

mod ladder;
mod rig;
mod truth;
mod venue;

use tapeline_core::data::decimal::Decimal;
use tapeline_core::data::event::Level;

/// A decimal from its text.
fn dec(text: &str) -> Decimal {
    Decimal::parse(text.as_bytes()).expect(text)
}

/// A level from two integers.
fn level(price: i64, size: i64) -> Level {
    Level { price: Decimal::from(price), size: Decimal::from(size) }
}
