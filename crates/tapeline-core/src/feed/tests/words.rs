//! More words of the toy: events whose time is not their id, and the top of a book.

use crate::data::decimal::Decimal;
use crate::data::event::{Level, Quote, Side, Trade};
use crate::data::update::Data;
use crate::time::Unix;
use crate::venue::{DecodeError, Decoded, Item, Names};

fn number_of(word: &str) -> Result<i64, DecodeError> {
    word.parse().map_err(|_| DecodeError::Missing("number"))
}

/// `r A 5 7 1`: trade 5 at time 7. `n A 5 1`: quote 5, without a time. `p A 5 95 105`: the top of the book at id 5,
/// without a time; `p A 5 95 105 7`: at time 7.
pub(super) fn decode(text: &str, names: &Names, out: &mut Decoded) -> Result<(), DecodeError> {
    let mut words = text.split(' ');
    let kind = words.next().unwrap_or("");
    let letter = match kind {
        "r" => 't',
        "n" => 'q',
        "p" => 'p',
        other => return Err(DecodeError::Unknown(other.to_owned())),
    };
    let stream = format!("{letter} {}", words.next().unwrap_or(""));
    let Some(topic) = names.get(stream.as_bytes()) else { return Ok(()) };
    let id = words.next().map(number_of).transpose()?.unwrap_or_default().unsigned_abs();
    let mut next = || words.next().map(number_of).transpose();
    let item = match kind {
        "r" => {
            let (time, price) = (next()?, next()?.unwrap_or_default().into());
            let data = Data::Trade(Trade { id, price, size: 1.into(), side: Side::Buy });
            Item::Market { topic, id, time: time.map(Unix), data }
        }
        "n" => {
            let price: Decimal = next()?.unwrap_or_default().into();
            let size = 1.into();
            let quote = Quote { bid: price, bid_size: size, ask: price, ask_size: size, venue_id: Some(id) };
            Item::Market { topic, id, time: None, data: Data::Quote(quote) }
        }
        _ => {
            for _ in 0..2 {
                let price = next()?.unwrap_or_default().into();
                out.levels.push(Level { price, size: 1.into() });
            }
            Item::Levels { topic, time: next()?.map(Unix), last: id, levels: 0..2, bids: 1 }
        }
    };
    out.items.push(item);
    Ok(())
}
