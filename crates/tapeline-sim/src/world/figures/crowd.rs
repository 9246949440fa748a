//! A thousand symbols on two lines that are cut, one by one and both: everything that readers were told is held against
//! the venue's own tape and books.

use std::collections::BTreeMap;

use tapeline_core::config::FeedConfig;
use tapeline_core::data::decimal::Decimal;
use tapeline_core::data::event::{BookState, Side, Trade};
use tapeline_core::data::topic::Topic;
use tapeline_core::data::update::Data;
use tapeline_venues::binance::Market;

use super::super::clock::{DAWN_MS, MS, SEC};
use super::super::kinds::Own;
use super::between::is_true;
use super::far::crowd;
use super::rig::{Rig, usual_way};
use super::{Row, Tell};
use crate::exchange::{MarketOptions, Symbol, TrueTrade};
use crate::house::{House, HouseOptions};
use crate::rng::Rng;

/// Symbols, all of whose trades are read; those that are busy, and those of them whose books are read too.
const SYMBOLS: usize = 1_000;
const BUSY: usize = 150;
const BOOKS: usize = 40;
/// Topics of one reader, who may have no more than 256.
const EACH: usize = 250;
/// Of so many cuts one takes both lines.
const BOTH: u64 = 4;
/// Looks at all books after each cut.
const LOOKS: u64 = 5;
/// What both lines missed is asked for within the request weights: it takes minutes.
const REPAIRED: u64 = 900 * SEC;

#[derive(Debug, Default)]
struct Found {
    cuts: u64,
    trades: u64,
    silent: u64,
    untold: u64,
    passed: u64,
    declared: u64,
    late: u64,
    untrue: u64,
    doubled: u64,
    looks: u64,
    wrong: u64,
    longest: u64,
}

pub(super) fn measure(cuts: u64, tell: Tell<'_>) -> Vec<Row> {
    let mut found = Found::default();
    let rig = live(cuts, tell, &mut found);
    weigh(&rig, &mut found);
    let report = rig.far.report();
    let refused = report.http_429 + report.http_418 + report.asked_while_held;
    vec![
        Row::at_least("cuts of one line or both", found.cuts as f64, cuts as f64, ""),
        Row::at_most("of 1,000 symbols without a trade", found.silent as f64, 0.0, ""),
        Row::told("trades delivered", found.trades.to_string()),
        Row::at_most("trades missing without a word", found.passed as f64, 0.0, ""),
        Row::at_most("trades of the venue that nobody was told", found.untold as f64, 0.0, ""),
        Row::told("ids declared, and told late", format!("{} and {}", found.declared, found.late)),
        Row::at_most("trades told that are not the venue's", found.untrue as f64, 0.0, ""),
        Row::at_most("trades delivered twice", found.doubled as f64, 0.0, ""),
        Row::at_least("looks at books", found.looks as f64, (cuts * LOOKS) as f64, ""),
        Row::at_most("wrong books called live", found.wrong as f64, 0.0, ""),
        Row::at_most("replies with status 429 or 418", refused as f64, 0.0, ""),
        Row::at_most("messages of a line in a second", rig.notes.most_in_a_second as f64, 4.0, ""),
        Row::at_most("refused or in disorder", rig.notes.complaints.len() as f64, 0.0, ""),
        Row::told(
            "the longest on its way of those not told late",
            format!("{:.1} s", found.longest as f64 / SEC as f64),
        ),
    ]
}

fn live(cuts: u64, tell: Tell<'_>, found: &mut Found) -> Rig<House> {
    let mut options = MarketOptions::new(false);
    options.symbols = crowd(BUSY, SYMBOLS);
    (options.seed, options.rate, options.levels) = (7, 2, 60);
    (options.truth, options.trades) = (4_096, 16_384);
    options.start_ms = Some(DAWN_MS);
    let names: Vec<String> = options.symbols.iter().map(|symbol| symbol.name.clone()).collect();
    let topic = |channel: &str, name: &String| format!("binance:{channel}:{name}").parse::<Topic>().ok();
    let books: Vec<Topic> = names.iter().take(BOOKS).filter_map(|name| topic("book", name)).collect();
    let mut house = HouseOptions::new(options);
    house.lifetime = None;
    let config = FeedConfig { lines: 2, ..FeedConfig::default() };
    let mut rig = Rig::new(House::new(house), Market::Spot, config, usual_way(7), 7);
    rig.notes.kept = Some(Vec::new());
    for some in names.chunks(EACH) {
        rig.read(some.iter().filter_map(|name| topic("trade", name)));
    }
    rig.read(books.iter().cloned());
    let mut dice = Rng::new(7, 114);
    rig.run(60 * SEC);
    for number in 0..cuts {
        tell(number, cuts);
        rig.run(rig.now + 70 * SEC + dice.below(20 * SEC));
        let cut = rig.now;
        found.cuts += 1;
        if number % BOTH == BOTH - 1 {
            rig.weather.begin(cut, Own::Refused, cut + SEC + dice.below(4 * SEC / MS) * MS);
            rig.cut_all();
        } else {
            rig.cut((number % 2) as u32);
        }
        for _ in 0..LOOKS {
            rig.run(rig.now + dice.below(2 * SEC / MS) * MS);
            found.looks += 1;
            found.wrong += books.iter().filter(|topic| is_wrong(&rig, topic)).count() as u64;
        }
    }
    rig.run(rig.now + REPAIRED);
    rig
}

fn is_wrong(rig: &Rig<House>, topic: &Topic) -> bool {
    let shown = rig.feed.peek(rig.time(), topic).and_then(|peek| peek.snapshot);
    match shown.as_ref().map(|update| &update.data) {
        Some(Data::Book(book)) if book.state == BookState::Live => !is_true(&rig.far, topic, book),
        _ => false,
    }
}

/// Holds what was told against the tape.
fn weigh(rig: &Rig<House>, found: &mut Found) {
    let mut told: BTreeMap<&str, BTreeMap<u64, &Trade>> = BTreeMap::new();
    for update in rig.notes.kept.iter().flatten() {
        if let Data::Trade(trade) = &update.data {
            found.trades += 1;
            let before = told.entry(update.topic.raw_symbol()).or_default().insert(trade.id, trade);
            found.doubled += u64::from(before.is_some());
        }
    }
    found.longest = rig.notes.tallies.values().map(|tally| tally.most_lag).max().unwrap_or(0);
    for tally in rig.notes.tallies.values() {
        found.passed += tally.passed;
        found.declared += tally.declared;
        found.late += tally.late;
    }
    found.silent = (SYMBOLS - told.len()) as u64;
    for (symbol, mut trades) in told {
        let (Some(first), Some(listed)) = (trades.keys().next().copied(), rig.far.symbol(symbol)) else {
            continue;
        };
        let (_, newest) = trades.last_key_value().unzip();
        // What is on its way at the end is nobody's loss.
        let last = newest.map_or(first, |trade| trade.id);
        let tape = rig.far.trades(symbol, first - 1).into_iter().flatten();
        for real in tape.take_while(|real| real.id <= last).filter(|real| real.lots > 0) {
            match trades.remove(&real.id) {
                Some(trade) => found.untrue += u64::from(!is_same(trade, real, listed)),
                None => found.untold += 1,
            }
        }
        found.untrue += trades.len() as u64;
    }
}

fn is_same(trade: &Trade, real: &TrueTrade, listed: &Symbol) -> bool {
    let side = if real.buyer_maker { Side::Sell } else { Side::Buy };
    let is = |value: Decimal, units: u64, scale: u32| {
        u8::try_from(scale).is_ok_and(|scale| Decimal::new(units.into(), scale) == Ok(value))
    };
    is(trade.price, real.tick, listed.price_scale)
        && is(trade.size, real.lots, listed.size_scale)
        && trade.side == side
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_symbols_lose_nothing_when_their_lines_are_cut() {
        super::super::assert_holds(&measure(4, &|_, _| {}));
    }
}
