//! The `data` object of the envelope: the busiest channels by hand, the others through serde.

use super::write::{decimal, escaped, signed, unsigned};
use crate::data::decimal::Decimal;
use crate::data::event::{AggTrade, Book, BookState, Candle, Level, Quote, Side, Trade};
use crate::data::update::Data;

/// About how many bytes the object will take, so that the buffer seldom grows.
pub(super) fn size_hint(data: &Data) -> usize {
    match data {
        Data::Book(book) => 64 + book.levels.len() * 32,
        Data::Keyed(keyed) => keyed.0.len() * 192,
        Data::Trade(_) | Data::Quote(_) | Data::AggTrade(_) => 96,
        _ => 256,
    }
}

/// Writes the object.
pub(super) fn write(out: &mut Vec<u8>, data: &Data) {
    match data {
        Data::Trade(trade) => write_trade(out, trade),
        Data::AggTrade(trade) => agg_trade(out, trade),
        Data::Quote(quote) => write_quote(out, quote),
        Data::Book(book) => write_book(out, book),
        Data::Candle(candle) => write_candle(out, candle),
        Data::Keyed(keyed) => {
            out.push(b'{');
            for (index, (key, data)) in keyed.0.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                escaped(out, key);
                out.push(b':');
                write(out, data);
            }
            out.push(b'}');
        }
        Data::Empty {} => out.extend_from_slice(b"{}"),
        other => {
            // Writing to memory fails only if a map key is no string; all of ours are.
            let _ = serde_json::to_writer(out, other);
        }
    }
}

fn write_trade(out: &mut Vec<u8>, trade: &Trade) {
    identifier(out, b"{\"id\":\"", trade.id);
    number(out, b",\"price\":", trade.price);
    number(out, b",\"size\":", trade.size);
    out.extend_from_slice(side(trade.side).as_bytes());
    out.push(b'}');
}

fn agg_trade(out: &mut Vec<u8>, trade: &AggTrade) {
    identifier(out, b"{\"id\":\"", trade.id);
    number(out, b",\"price\":", trade.price);
    number(out, b",\"size\":", trade.size);
    out.extend_from_slice(side(trade.side).as_bytes());
    identifier(out, b",\"first_id\":\"", trade.first_id);
    identifier(out, b",\"last_id\":\"", trade.last_id);
    out.push(b'}');
}

fn write_quote(out: &mut Vec<u8>, quote: &Quote) {
    number(out, b"{\"bid\":", quote.bid);
    number(out, b",\"bid_size\":", quote.bid_size);
    number(out, b",\"ask\":", quote.ask);
    number(out, b",\"ask_size\":", quote.ask_size);
    if let Some(id) = quote.venue_id {
        identifier(out, b",\"venue_id\":\"", id);
    }
    out.push(b'}');
}

fn write_book(out: &mut Vec<u8>, book: &Book) {
    out.extend_from_slice(b"{\"bids\":");
    levels(out, book.bids());
    out.extend_from_slice(b",\"asks\":");
    levels(out, book.asks());
    if let Some(id) = book.venue_id {
        identifier(out, b",\"venue_id\":\"", id);
    }
    out.extend_from_slice(match book.state {
        BookState::Syncing => b",\"state\":\"syncing\"}",
        BookState::Live => b",\"state\":\"live\"}",
        BookState::Stale => b",\"state\":\"stale\"}",
        BookState::Unverified => b",\"state\":\"unverified\"}",
    });
}

fn levels(out: &mut Vec<u8>, levels: &[Level]) {
    out.push(b'[');
    for (index, level) in levels.iter().enumerate() {
        number(out, if index == 0 { b"[" } else { b",[" }, level.price);
        number(out, b",", level.size);
        out.push(b']');
    }
    out.push(b']');
}

fn write_candle(out: &mut Vec<u8>, candle: &Candle) {
    out.extend_from_slice(b"{\"interval\":");
    escaped(out, &candle.interval);
    out.extend_from_slice(b",\"start\":\"");
    signed(out, candle.start.0);
    out.extend_from_slice(b"\",\"end\":\"");
    signed(out, candle.end.0);
    number(out, b"\",\"open\":", candle.open);
    number(out, b",\"high\":", candle.high);
    number(out, b",\"low\":", candle.low);
    number(out, b",\"close\":", candle.close);
    number(out, b",\"volume\":", candle.volume);
    if let Some(volume) = candle.quote_volume {
        number(out, b",\"quote_volume\":", volume);
    }
    out.extend_from_slice(b",\"trades\":");
    unsigned(out, candle.trades);
    out.extend_from_slice(if candle.closed { b",\"closed\":true}" } else { b",\"closed\":false}" });
}

fn number(out: &mut Vec<u8>, before: &[u8], value: Decimal) {
    out.extend_from_slice(before);
    decimal(out, value);
}

/// Identifiers travel as strings: they pass 2^53.
fn identifier(out: &mut Vec<u8>, before: &[u8], value: u64) {
    out.extend_from_slice(before);
    unsigned(out, value);
    out.push(b'"');
}

const fn side(side: Side) -> &'static str {
    match side {
        Side::Buy => ",\"side\":\"buy\"",
        Side::Sell => ",\"side\":\"sell\"",
        Side::Unknown => ",\"side\":\"unknown\"",
    }
}
