//! Claims about the generated market as its listeners see it.

use super::*;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

fn market(futures: bool, seed: u64) -> (Market, MarketOptions) {
    let options = MarketOptions { futures, seed, symbols: Symbol::ten(futures), ..MarketOptions::default() };
    (Market::open(&options, 1_767_614_400_000), options)
}

/// Runs for `seconds` of market time and returns every frame as (stream, payload).
fn run(market: &mut Market, options: &MarketOptions, seconds: u64) -> Vec<(String, String)> {
    let (names, _) = names(&options.symbols, options.futures);
    let until = market.now() + seconds * SECOND;
    let mut frames = Frames::default();
    while market.due() <= until {
        market.step(&Wanted::All, &mut frames);
    }
    let text = |frame: frames::Frame<'_>| {
        (names[frame.stream as usize].clone(), String::from_utf8(frame.payload.to_vec()).unwrap())
    };
    frames.iter().map(text).collect()
}

fn int(value: &Value, key: &str) -> u64 {
    value[key].as_u64().unwrap_or_else(|| panic!("{key} in {value}"))
}

#[test]
fn same_seed_same_frames() {
    let frames = |seed| {
        let (mut market, options) = market(false, seed);
        run(&mut market, &options, 5)
    };
    assert_eq!(frames(3), frames(3));
    assert_ne!(frames(3), frames(4));
}

#[test]
fn listening_changes_nothing_but_what_is_written() {
    let (mut loud, options) = market(true, 9);
    let (mut quiet, _) = market(true, 9);
    let (mut a, mut b) = (Frames::default(), Frames::default());
    let nothing = Wanted::Some(Vec::new());
    while loud.due() < 1_767_614_410_000_000 {
        loud.step(&Wanted::All, &mut a);
        quiet.step(&nothing, &mut b);
    }
    assert_eq!((a.made, b.len()), (b.made, 0));
    for symbol in &options.symbols {
        assert_eq!(loud.truth(&symbol.name, None), quiet.truth(&symbol.name, None));
    }
}

#[test]
fn every_payload_is_json_of_its_symbol_and_time_never_runs_back() {
    for futures in [false, true] {
        let (mut market, options) = market(futures, 5);
        let mut last = 0;
        let mut kinds: BTreeMap<String, u32> = BTreeMap::new();
        for (stream, payload) in run(&mut market, &options, 70) {
            let value: Value = serde_json::from_str(&payload).unwrap_or_else(|e| panic!("{e}: {payload}"));
            let (symbol, channel) = stream.split_once('@').unwrap();
            *kinds.entry(channel.to_owned()).or_default() += 1;
            if let Some(name) = value["s"].as_str() {
                assert_eq!(name.to_lowercase(), symbol);
            }
            if let Some(time) = value["E"].as_u64() {
                assert!(time >= last, "{stream} {payload}");
                last = time;
            }
        }
        let expected = if futures { 28 } else { 27 };
        assert_eq!(kinds.len(), expected, "{kinds:?}");
    }
}

/// A client's view of one symbol: levels by text, as the venue's procedure says.
#[derive(Default)]
struct Copy {
    id: Option<u64>,
    bids: HashMap<String, String>,
    asks: HashMap<String, String>,
}

impl Copy {
    fn apply(&mut self, value: &Value, bids: &str, asks: &str) {
        for (half, key) in [(&mut self.bids, bids), (&mut self.asks, asks)] {
            for level in value[key].as_array().unwrap() {
                let (price, size) = (level[0].as_str().unwrap(), level[1].as_str().unwrap());
                if size.bytes().all(|b| matches!(b, b'0' | b'.')) {
                    half.remove(price);
                } else {
                    half.insert(price.to_owned(), size.to_owned());
                }
            }
        }
    }

    fn equals(&self, truth: &TrueBook) -> bool {
        let same = |half: &HashMap<String, String>, levels: &[(String, String)]| {
            half.len() == levels.len() && levels.iter().all(|(price, size)| half.get(price) == Some(size))
        };
        same(&self.bids, &truth.bids) && same(&self.asks, &truth.asks)
    }
}

fn synchronise_and_compare(futures: bool) {
    let (mut market, options) = market(futures, 11);
    let first = run(&mut market, &options, 3);
    let mut copies: HashMap<String, Copy> = HashMap::new();
    for symbol in &options.symbols {
        let body: Value =
            serde_json::from_slice(&market.snapshot(&symbol.name, 5_000, View::Now).unwrap()).unwrap();
        let mut copy = Copy { id: Some(int(&body, "lastUpdateId")), ..Copy::default() };
        copy.apply(&body, "bids", "asks");
        assert!(copy.equals(&market.truth(&symbol.name, None).unwrap()));
        copies.insert(symbol.stream(), copy);
    }
    let mut previous: HashMap<String, u64> = HashMap::new();
    let mut quotes: HashMap<(String, u64), Value> = HashMap::new();
    let (mut compared, mut tops) = (0, 0);
    for (stream, payload) in first.into_iter().chain(run(&mut market, &options, 12)) {
        let (symbol, channel) = stream.split_once('@').unwrap();
        let Some(copy) = copies.get_mut(symbol) else { continue };
        let value: Value = serde_json::from_str(&payload).unwrap();
        if channel == "bookTicker" {
            quotes.insert((symbol.to_owned(), int(&value, "u")), value);
            continue;
        }
        if channel != "depth@100ms" {
            continue;
        }
        let (from, to, id) = (int(&value, "U"), int(&value, "u"), copy.id.unwrap());
        if let Some(before) = previous.insert(symbol.to_owned(), to) {
            assert_eq!(if futures { int(&value, "pu") } else { from - 1 }, before);
        }
        if to <= id {
            continue;
        }
        assert!(futures || from <= id + 1, "{from} {id}");
        copy.apply(&value, "b", "a");
        copy.id = Some(to);
        if let Some(quote) = quotes.get(&(symbol.to_owned(), to)) {
            assert_eq!(copy.bids.get(quote["b"].as_str().unwrap()).unwrap(), quote["B"].as_str().unwrap());
            assert_eq!(copy.asks.get(quote["a"].as_str().unwrap()).unwrap(), quote["A"].as_str().unwrap());
            tops += 1;
        }
        let truth = market.truth(&symbol.to_uppercase(), Some(to)).expect("still remembered");
        assert!(copy.equals(&truth), "{symbol} at {to}");
        compared += 1;
    }
    assert!(compared > 1_000 && tops > 50, "{compared} {tops}");
}

#[test]
fn a_spot_client_that_follows_the_procedure_has_the_true_book() {
    synchronise_and_compare(false);
}

#[test]
fn a_futures_client_that_follows_the_procedure_has_the_true_book() {
    synchronise_and_compare(true);
}

#[test]
fn aggregates_cover_every_spot_trade_once_and_candles_add_them_up() {
    let (mut market, options) = market(false, 21);
    let mut next: HashMap<String, (u64, u64)> = HashMap::new();
    let mut traded: HashMap<String, u64> = HashMap::new();
    let mut closed = 0;
    for (stream, payload) in run(&mut market, &options, 125) {
        let (symbol, channel) = stream.split_once('@').unwrap();
        let value: Value = serde_json::from_str(&payload).unwrap();
        match channel {
            "aggTrade" => {
                let now = (int(&value, "a") + 1, int(&value, "l") + 1);
                if let Some(expected) = next.insert(symbol.to_owned(), now) {
                    assert_eq!((int(&value, "a"), int(&value, "f")), expected);
                }
            }
            "trade" => *traded.entry(symbol.to_owned()).or_default() += 1,
            "kline_1m" => {
                assert_eq!(int(&value["k"], "n"), traded.get(symbol).copied().unwrap_or(0), "{payload}");
                if value["k"]["x"] == true {
                    assert_eq!(int(&value, "E") % 60_000, 0);
                    traded.remove(symbol);
                    closed += 1;
                }
            }
            _ => {}
        }
    }
    assert_eq!(closed, 2 * options.symbols.len());
}

#[test]
fn a_snapshot_has_no_more_levels_than_asked_for() {
    let (market, _) = market(false, 1);
    let body: Value = serde_json::from_slice(&market.snapshot("ETHUSDT", 5, View::Now).unwrap()).unwrap();
    assert_eq!((body["bids"].as_array().unwrap().len(), body["asks"].as_array().unwrap().len()), (5, 5));
    assert_eq!(market.snapshot("NOSUCH", 5, View::Now), None);
}

#[test]
fn tickers_of_windows_and_averages_follow_the_trades() {
    let (mut market, options) = market(false, 31);
    let mut last: HashMap<String, Value> = HashMap::new();
    let mut singles: HashMap<(String, String), Value> = HashMap::new();
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for (stream, payload) in run(&mut market, &options, 130) {
        let (symbol, channel) = stream.split_once('@').unwrap();
        let value: Value = serde_json::from_str(&payload).unwrap();
        *seen.entry(channel.to_owned()).or_default() += 1;
        let window = channel.strip_prefix("ticker_").or_else(|| symbol.strip_prefix("!ticker_"));
        match (channel, window) {
            ("trade", _) => drop(last.insert(symbol.to_owned(), value)),
            ("arr", Some(window)) => {
                for ticker in value.as_array().unwrap() {
                    let key = (window.to_owned(), ticker["s"].as_str().unwrap().to_lowercase());
                    assert_eq!(singles[&key], *ticker, "the array tells what the single streams tell");
                }
            }
            (_, Some(window)) => {
                assert_eq!(value["e"], format!("{window}Ticker"));
                assert_eq!(int(&value, "L") - int(&value, "F") + 1, int(&value, "n"));
                if let Some(trade) = last.get(symbol) {
                    assert_eq!((&value["L"], &value["c"]), (&trade["t"], &trade["p"]));
                }
                let hours = [("1h", 1), ("4h", 4), ("1d", 24)].into_iter().find(|(name, _)| *name == window);
                let (start, length) = (int(&value, "O"), hours.unwrap().1 * 3_600_000);
                assert_eq!(start, (int(&value, "C") - length) / 60_000 * 60_000, "{payload}");
                singles.insert((window.to_owned(), symbol.to_owned()), value);
            }
            ("avgPrice", _) => {
                if let Some(trade) = last.get(symbol) {
                    assert_eq!(value["T"], trade["T"]);
                }
            }
            _ => {}
        }
    }
    assert_eq!((seen["avgPrice"], seen["referencePrice"]), (1_300, 1_300));
    assert!(seen["ticker_4h"] > 1_000 && seen["ticker_4h"] <= 1_300, "{seen:?}");
}

#[test]
fn blocks_have_ids_of_their_own_and_are_told_after_they_were_agreed() {
    let (mut market, options) = market(false, 8);
    let mut ids: HashMap<String, u64> = HashMap::new();
    let mut count = 0;
    for (stream, payload) in run(&mut market, &options, 200) {
        let (symbol, channel) = stream.split_once('@').unwrap();
        if channel != "blockTrade" {
            continue;
        }
        let value: Value = serde_json::from_str(&payload).unwrap();
        let id = int(&value, "t");
        assert!(ids.insert(symbol.to_owned(), id).is_none_or(|before| before + 1 == id), "{payload}");
        assert!(int(&value, "T") < int(&value, "E") && value["m"].is_boolean() && value.get("M").is_none());
        count += 1;
    }
    assert!(ids.len() == options.symbols.len() && count > 30, "{count}");
}

#[test]
fn futures_have_none_of_what_spot_alone_tells() {
    let (_, accepted) = names(&Symbol::ten(true), true);
    for name in ["btcusdt@avgPrice", "btcusdt@referencePrice", "btcusdt@blockTrade", "btcusdt@ticker_1h"] {
        assert!(!accepted.contains_key(name), "{name}");
    }
    let (numbered, accepted) = names(&Symbol::ten(false), false);
    for (name, number) in &accepted {
        assert_eq!(numbered[*number as usize], *name);
    }
    assert!(accepted.contains_key("!ticker_4h@arr") && accepted.contains_key("ltcusdt@ticker_1d"));
}
