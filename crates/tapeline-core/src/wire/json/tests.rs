//! The envelope held against the fixtures that every other reader of the format is tested with, and
//! the hand-written encoder against the derived one.

use std::sync::OnceLock;

use proptest::prelude::*;

use super::encode;
use crate::data::decimal::Decimal;
use crate::data::event::*;
use crate::data::topic::Topic;
use crate::data::update::{Data, Epoch, Gap, GapKind, Keyed, Kind, Source, Status, Update};
use crate::time::Unix;

mod samples;

/// An update at offset 7 of a fixed epoch, live, received 2 ms after it happened.
fn update(topic: &str, kind: Kind, data: Data) -> Update {
    Update {
        topic: Topic::parse(topic).expect("a topic"),
        epoch: Epoch::new(0x0123_4567_89ab_cdef_0011_2233_4455_6677),
        offset: 7,
        kind,
        source: Source::Live,
        late: false,
        merged: 0,
        time: Some(Unix(1_781_000_000_123_000_000)),
        received: Unix(1_781_000_000_125_000_042),
        data,
        json: OnceLock::new(),
    }
}

fn dec(text: &str) -> Decimal {
    text.parse().expect("a decimal")
}

/// One test per fixture: its name, and the update whose envelope it holds.
macro_rules! fixtures {
    ($($name:ident: $file:literal => $update:expr;)*) => {
        $(
            #[test]
            fn $name() {
                let expected = include_str!(concat!("../../../../../fixtures/wire/", $file, ".json"));
                assert_eq!(encode(&$update), expected.trim_end(), "fixtures/wire/{}.json", $file);
            }
        )*
    };
}

fixtures! {
    trade_is_an_event: "event-trade" => update("binance:trade:BTCUSDT", Kind::Event, samples::trade());
    repaired_trade_says_so: "event-trade-repair" => Update { source: Source::Repair, ..update("binance:trade:BTCUSDT", Kind::Event, samples::trade()) };
    late_trade_says_so_in_its_data: "event-trade-late" => Update { source: Source::Repair, late: true, ..update("binance:trade:BTCUSDT", Kind::Event, samples::trade()) };
    agg_trade_is_an_event: "event-agg_trade" => update("binance:agg_trade:BTCUSDT", Kind::Event, samples::agg_trade());
    correction_arrives_as_trade_event: "event-trade-correction" => update("alpaca-sip:trade:EEM", Kind::Event, samples::correction());
    cancel_arrives_as_trade_event: "event-trade-cancel" => update("alpaca-sip:trade:GOOGL", Kind::Event, samples::cancel());
    liquidation_is_an_event: "event-liquidation" => update("binance-usdm:liquidation:ETHUSDT", Kind::Event, samples::liquidation());
    quote_is_a_delta: "delta-quote" => update("binance:quote:BTCUSDT", Kind::Delta, samples::quote(Some(50_000_000_777)));
    quote_without_venue_id: "delta-quote-plain" => Update { merged: 12, ..update("alpaca-iex:quote:AMD", Kind::Delta, samples::quote(None)) };
    quote_snapshot_from_the_cache: "snapshot-quote" => Update { source: Source::Cache, ..update("binance:quote:BTCUSDT", Kind::Snapshot, samples::quote(Some(50_000_000_777))) };
    ticker_is_a_delta: "delta-ticker" => update("binance:ticker:ETHUSDT", Kind::Delta, samples::ticker());
    ticker_leaves_out_what_is_absent: "delta-ticker-short" => update("binance:ticker:ETHUSDT@window=4h", Kind::Delta, samples::short_ticker());
    mini_ticker_is_a_delta: "delta-mini_ticker" => update("binance:mini_ticker:ETHUSDT", Kind::Delta, samples::mini_ticker("3120.45"));
    array_is_keyed_by_symbol: "delta-mini_ticker-all" => update("binance:mini_ticker:!all", Kind::Delta, samples::keyed());
    open_candle_is_a_delta: "delta-candle" => update("binance:candle:ETHUSDT@interval=1m", Kind::Delta, samples::candle(false));
    closed_candle_is_an_event: "event-candle" => update("binance:candle:ETHUSDT@interval=1m", Kind::Event, samples::candle(true));
    mark_price_is_a_delta: "delta-mark_price" => update("binance-usdm:mark_price:ETHUSDT", Kind::Delta, samples::mark_price());
    polled_average_price: "delta-avg_price" => Update { source: Source::Poll, ..update("binance:avg_price:ETHUSDT", Kind::Delta, samples::avg_price()) };
    reference_price_may_be_absent: "delta-reference_price-none" => update("binance:reference_price:ETHUSDT", Kind::Delta, samples::no_price());
    index_price_lists_its_components: "delta-index_price" => update("binance-usdm:index_price:DEFIUSDT", Kind::Delta, samples::index_price());
    contract_info_is_a_delta: "delta-contract_info" => update("binance-usdm:contract_info:IOTAUSDT", Kind::Delta, samples::contract_info());
    book_snapshot_holds_all_levels: "snapshot-book" => update("binance:book:ETHUSDT", Kind::Snapshot, samples::book(BookState::Live));
    book_delta_holds_changed_levels: "delta-book" => update("binance:book:ETHUSDT", Kind::Delta, samples::book_delta());
    broken_book_says_so_without_levels: "delta-book-stale" => Update { source: Source::Cache, ..update("binance:book:ETHUSDT", Kind::Delta, samples::empty_book(BookState::Stale, Some(50_000_000_777))) };
    book_before_its_first_snapshot: "snapshot-book-syncing" => Update { offset: 0, time: None, ..update("binance:book:ETHUSDT", Kind::Snapshot, samples::empty_book(BookState::Syncing, None)) };
    cut_depth_is_unverified: "snapshot-depth" => update("binance:depth:ETHUSDT@levels=5", Kind::Snapshot, samples::book(BookState::Unverified));
    gap_of_the_venue: "gap-venue" => Update { time: None, ..update("binance:trade:BTCUSDT", Kind::Gap, samples::gap(GapKind::Venue)) };
    gap_of_the_delivery: "gap-delivery" => Update { time: None, ..update("binance:trade:BTCUSDT", Kind::Gap, samples::gap(GapKind::Delivery)) };
    status_names_level_phase_and_reason: "status" => Update { time: None, source: Source::Poll, ..update("binance:trade:BTCUSDT", Kind::Status, samples::status()) };
    tick_has_empty_data: "tick" => Update { time: None, ..update("binance:trade:BTCUSDT", Kind::Tick, Data::Empty {}) };
    trading_status_is_a_delta: "delta-status" => update("alpaca-sip:status:ABCD", Kind::Delta, samples::trading_status());
    luld_is_a_delta: "delta-luld" => update("alpaca-sip:luld:IONM", Kind::Delta, samples::luld());
    imbalance_is_a_delta: "delta-imbalance" => update("alpaca-sip:imbalance:INAQU", Kind::Delta, samples::imbalance());
    news_is_an_event: "event-news" => update("alpaca-iex:news:AAPL", Kind::Event, samples::news());
    token_price_is_a_delta: "delta-price" => update("birdeye:price:So11111111111111111111111111111111111111112", Kind::Delta, samples::token_price());
    token_stats_is_a_delta: "delta-token_stats" => update("birdeye:token_stats:So11111111111111111111111111111111111111112", Kind::Delta, samples::token_stats());
    listing_is_an_event: "event-listing" => update("birdeye:listing:!all", Kind::Event, samples::listing());
    pair_is_an_event: "event-pair" => update("birdeye:pair:!all", Kind::Event, samples::pair());
    large_trade_is_an_event: "event-large_trade" => update("birdeye:large_trade:!all@min=25000", Kind::Event, samples::large_trade());
    wallet_is_an_event: "event-wallet" => update("birdeye:wallet:7wWG", Kind::Event, samples::wallet());
    meme_is_an_event: "event-meme" => update("birdeye:meme:Bkq", Kind::Event, samples::meme());
    transaction_is_an_event: "event-transaction" => Update { time: None, ..update("helius:transaction:7wWG", Kind::Event, samples::transaction()) };
    transfer_is_an_event: "event-transfer" => Update { time: None, ..update("helius:transfer:7wWG", Kind::Event, samples::transfer()) };
    account_is_a_delta: "delta-account" => Update { time: None, ..update("helius:account:7wWG", Kind::Delta, samples::account()) };
    program_is_an_event: "event-program" => Update { time: None, ..update("helius:program:Tokenkeg", Kind::Event, samples::program()) };
    logs_is_an_event: "event-logs" => Update { time: None, ..update("helius:logs:7wWG", Kind::Event, samples::logs()) };
    slot_is_a_delta: "delta-slot" => Update { time: None, ..update("helius:slot:!all", Kind::Delta, samples::slot()) };
    root_is_an_event: "event-root" => Update { time: None, ..update("helius:root:!all", Kind::Event, Data::Root(Root { slot: 424_341_350 })) };
    signature_is_an_event: "event-signature" => Update { time: None, ..update("helius:signature:5moM", Kind::Event, samples::signature()) };
    order_is_an_event: "event-order" => update("binance:order:!all", Kind::Event, samples::order());
    balance_is_a_delta: "delta-balance" => update("binance:balance:BTC", Kind::Delta, samples::balance());
}

#[test]
fn an_update_stays_small() {
    assert!(size_of::<Data>() <= 88, "Data takes {} bytes: box the large variant", size_of::<Data>());
}

#[test]
fn unusual_symbols_are_escaped() {
    let text = encode(&update("v:trade:a\"b\\c币", Kind::Tick, Data::Empty {}));
    let value: serde_json::Value = serde_json::from_str(&text).expect("valid JSON");
    assert_eq!(value["topic"], "v:trade:a\"b\\c币");
}

#[test]
fn late_marks_an_empty_object_too() {
    let text = encode(&Update { late: true, ..update("v:trade:S", Kind::Tick, Data::Empty {}) });
    assert!(text.ends_with(r#""data":{"late":true}}"#), "{text}");
}

fn decimals() -> impl Strategy<Value = Decimal> {
    (any::<i64>(), 0u8..=18).prop_map(|(m, s)| Decimal::new(i128::from(m), s).expect("in range"))
}

fn sides() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Buy), Just(Side::Sell), Just(Side::Unknown)]
}

fn levels() -> impl Strategy<Value = Vec<Level>> {
    prop::collection::vec((decimals(), decimals()).prop_map(|(price, size)| Level { price, size }), 0..6)
}

fn hand_written() -> impl Strategy<Value = Data> {
    let trade = (any::<u64>(), decimals(), decimals(), sides())
        .prop_map(|(id, price, size, side)| Data::Trade(Trade { id, price, size, side }));
    let agg = (any::<[u64; 3]>(), decimals(), decimals(), sides()).prop_map(
        |([id, first_id, last_id], price, size, side)| {
            Data::AggTrade(AggTrade { id, price, size, side, first_id, last_id })
        },
    );
    let quote = (prop::array::uniform4(decimals()), any::<Option<u64>>()).prop_map(
        |([bid, bid_size, ask, ask_size], venue_id)| {
            Data::Quote(Quote { bid, bid_size, ask, ask_size, venue_id })
        },
    );
    let states = prop_oneof![
        Just(BookState::Syncing),
        Just(BookState::Live),
        Just(BookState::Stale),
        Just(BookState::Unverified)
    ];
    let book =
        (levels(), levels(), any::<Option<u64>>(), states).prop_map(|(bids, asks, venue_id, state)| {
            let count = bids.len() as u32;
            Data::Book(Book { levels: [bids, asks].concat().into(), bids: count, venue_id, state })
        });
    let candle = (
        prop::array::uniform5(decimals()),
        prop::option::of(decimals()),
        any::<[i64; 2]>(),
        any::<(u64, bool)>(),
        "\\PC{0,4}",
    )
        .prop_map(
            |([open, high, low, close, volume], quote_volume, [start, end], (trades, closed), interval)| {
                let (start, end) = (Unix(start), Unix(end));
                let interval = interval.into();
                Data::Candle(Box::new(Candle {
                    interval,
                    start,
                    end,
                    open,
                    high,
                    low,
                    close,
                    volume,
                    quote_volume,
                    trades,
                    closed,
                }))
            },
        );
    let one = prop_oneof![trade, agg, quote, book, candle, Just(Data::Empty {})];
    let keyed = prop::collection::vec(("\\PC{0,5}", one.clone()), 0..4).prop_map(|list| {
        Data::Keyed(Box::new(Keyed(list.into_iter().map(|(key, data)| (key.into(), data)).collect())))
    });
    prop_oneof![5 => one, 1 => keyed]
}

proptest! {
    /// The encoder written by hand says, byte for byte, what the derived one says.
    #[test]
    fn hand_written_data_equals_derived(data in hand_written()) {
        let mut out = Vec::new();
        super::data::write(&mut out, &data);
        prop_assert_eq!(String::from_utf8(out).expect("UTF-8"), serde_json::to_string(&data).expect("derived"));
    }

    /// Every envelope is one JSON object whose fields have the promised types.
    #[test]
    fn every_envelope_has_the_promised_fields(data in hand_written(), offset in any::<u64>(), time in any::<Option<i64>>(), merged in any::<u32>()) {
        let update = Update { offset, time: time.map(Unix), merged, ..update("v:trade:S", Kind::Event, data) };
        let value: serde_json::Value = serde_json::from_str(&encode(&update)).expect("valid JSON");
        prop_assert_eq!(&value["offset"], &serde_json::json!(offset));
        prop_assert_eq!(&value["time"], &time.map_or(serde_json::Value::Null, |t| t.to_string().into()));
        prop_assert_eq!(value.get("merged").is_some(), merged > 1);
        prop_assert!(value["received"].is_string() && value["epoch"].is_string() && value["data"].is_object());
    }
}
