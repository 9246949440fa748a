//! The data of the fixtures: every type once, with all its fields or with as few as it may have.

use super::*;

pub(super) fn trade() -> Data {
    Data::Trade(Trade { id: 5_411_123_456, price: dec("67012.34"), size: dec("0.0015"), side: Side::Buy })
}

pub(super) fn agg_trade() -> Data {
    Data::AggTrade(AggTrade {
        id: 910_000_001,
        price: dec("3120.45"),
        size: dec("1.2"),
        side: Side::Sell,
        first_id: 2_400_112_233,
        last_id: 2_400_112_235,
    })
}

fn execution(id: u64, price: &str) -> Execution {
    Execution { id, price: dec(price), size: dec("500"), conditions: [" ".into()].into() }
}

pub(super) fn correction() -> Data {
    let (original, corrected) = (execution(900_001, "44.11"), execution(900_002, "44.12"));
    Data::Correction(Box::new(Correction {
        original,
        corrected,
        exchange: Some("M".into()),
        tape: Some("B".into()),
    }))
}

pub(super) fn cancel() -> Data {
    Data::Cancel(Box::new(Cancel {
        kind: CancelKind::Cancel,
        id: 465,
        price: dec("180.2"),
        size: dec("100"),
        exchange: Some("D".into()),
        tape: None,
    }))
}

pub(super) fn liquidation() -> Data {
    Data::Liquidation(Box::new(Liquidation {
        side: Side::Sell,
        price: dec("3100"),
        average: Some(dec("3105.1")),
        size: dec("4"),
        filled: Some(dec("4")),
        status: Some("FILLED".into()),
    }))
}

pub(super) fn quote(venue_id: Option<u64>) -> Data {
    let (bid, bid_size, ask, ask_size) = (dec("3120.44"), dec("12.1"), dec("3120.45"), dec("7.02"));
    Data::Quote(Quote { bid, bid_size, ask, ask_size, venue_id })
}

pub(super) fn short_ticker() -> Data {
    Data::Ticker(Box::new(Ticker {
        last: dec("3120.45"),
        open: dec("3050"),
        high: dec("3150"),
        low: dec("3001"),
        volume: dec("410000.1"),
        quote_volume: dec("1270000000.5"),
        ..Ticker::default()
    }))
}

pub(super) fn ticker() -> Data {
    let Data::Ticker(short) = short_ticker() else { unreachable!("made above") };
    Data::Ticker(Box::new(Ticker {
        change: Some(dec("70.45")),
        change_percent: Some(dec("2.31")),
        average: Some(dec("3090.11")),
        last_size: Some(dec("0.51")),
        previous_close: Some(dec("3049.9")),
        bid: Some(dec("3120.44")),
        bid_size: Some(dec("12.1")),
        ask: Some(dec("3120.45")),
        ask_size: Some(dec("7.02")),
        start: Some(Unix(1_780_913_601_000_000_000)),
        end: Some(Unix(1_781_000_001_000_000_000)),
        first_id: Some(2_399_000_000),
        last_id: Some(2_400_112_235),
        trades: Some(1_112_236),
        ..*short
    }))
}

pub(super) fn mini_ticker(last: &str) -> Data {
    Data::MiniTicker(Box::new(MiniTicker {
        last: dec(last),
        open: dec("3050"),
        high: dec("3150"),
        low: dec("3001"),
        volume: dec("410000.1"),
        quote_volume: dec("1270000000.5"),
    }))
}

pub(super) fn keyed() -> Data {
    let entries = vec![("ETHUSDT".into(), mini_ticker("3120.45")), ("ETHBTC".into(), mini_ticker("0.04657"))];
    Data::Keyed(Box::new(Keyed(entries)))
}

pub(super) fn candle(closed: bool) -> Data {
    Data::Candle(Box::new(Candle {
        interval: "1m".into(),
        start: Unix(1_780_999_980_000_000_000),
        end: Unix(1_781_000_039_999_000_000),
        open: dec("3118"),
        high: dec("3121"),
        low: dec("3117.5"),
        close: dec("3120.45"),
        volume: dec("250.1"),
        quote_volume: Some(dec("780100.2")),
        trades: 2236,
        closed,
    }))
}

pub(super) fn mark_price() -> Data {
    Data::MarkPrice(Box::new(MarkPrice {
        price: dec("3120.11"),
        index: Some(dec("3120.02")),
        settle: Some(dec("3119.98")),
        funding_rate: Some(dec("-0.0001")),
        next_funding: Some(Unix(1_781_006_400_000_000_000)),
    }))
}

pub(super) fn avg_price() -> Data {
    Data::Price(Price { price: Some(dec("3119.8")), interval: Some("5m".into()) })
}

pub(super) fn no_price() -> Data {
    Data::Price(Price { price: None, interval: None })
}

pub(super) fn index_price() -> Data {
    let part = Component { symbol: "BALUSDT".into(), price: dec("24.33"), weight: dec("0.01") };
    Data::IndexPrice(Box::new(IndexPrice { price: dec("554.41"), components: [part].into() }))
}

pub(super) fn contract_info() -> Data {
    Data::ContractInfo(Box::new(ContractInfo {
        pair: Some("IOTAUSDT".into()),
        contract: "PERPETUAL".into(),
        state: "TRADING".into(),
        listed: Some(Unix(1_569_398_400_000_000_000)),
        delivery: Some(Unix(4_133_404_800_000_000_000)),
    }))
}

fn level(price: &str, size: &str) -> Level {
    Level { price: dec(price), size: dec(size) }
}

pub(super) fn book(state: BookState) -> Data {
    let levels =
        [level("3120.44", "12.1"), level("3119.9", "3"), level("3120.45", "7.02"), level("3121", "0.5")];
    Data::Book(Book { levels: levels.into(), bids: 2, venue_id: Some(50_000_000_777), state })
}

pub(super) fn book_delta() -> Data {
    let levels = [level("3119.9", "0"), level("3120.45", "6.5")];
    Data::Book(Book {
        levels: levels.into(),
        bids: 1,
        venue_id: Some(50_000_000_801),
        state: BookState::Live,
    })
}

pub(super) fn empty_book(state: BookState, venue_id: Option<u64>) -> Data {
    Data::Book(Book { levels: [].into(), bids: 0, venue_id, state })
}

pub(super) fn gap(kind: GapKind) -> Data {
    let reason = match kind {
        GapKind::Venue => "not repaired in time",
        GapKind::Delivery => "outbox full",
    };
    Data::Gap(Box::new(Gap { kind, from: 5_411_123_457, to: 5_411_123_460, reason: reason.into() }))
}

pub(super) fn status() -> Data {
    Data::Status(Box::new(Status {
        level: crate::data::update::Level::Degraded,
        phase: "waiting",
        source: Source::Poll,
        reason: "connection reset by the venue".into(),
        since: Unix(1_781_000_000_100_000_000),
    }))
}

pub(super) fn trading_status() -> Data {
    Data::TradingStatus(Box::new(TradingStatus {
        state: Some(TradingState::Halted),
        code: "H".into(),
        message: Some("Trading Halt".into()),
        reason_code: Some("T1".into()),
        reason: Some("Halt News Pending".into()),
        tape: Some("C".into()),
    }))
}

pub(super) fn luld() -> Data {
    let (upper, lower) = (dec("3.3"), dec("2.7"));
    Data::Luld(Box::new(Luld { upper, lower, indicator: Some("B".into()), tape: Some("C".into()) }))
}

pub(super) fn imbalance() -> Data {
    Data::Imbalance(Imbalance { price: dec("9.12"), tape: Some("C".into()) })
}

pub(super) fn news() -> Data {
    Data::News(Box::new(News {
        id: 24_918_784,
        headline: "Sample \"quoted\" headline".into(),
        summary: Some("A summary.".into()),
        source: Some("sample".into()),
        created: Some(Unix(1_780_999_000_000_000_000)),
        symbols: ["AAPL".into(), "MSFT".into()].into(),
        ..News::default()
    }))
}

fn token(address: &str, symbol: &str) -> Token {
    Token { address: address.into(), symbol: Some(symbol.into()), name: None, decimals: Some(6) }
}

fn swap() -> Swap {
    let leg =
        |address, symbol, amount, price| Leg { token: token(address, symbol), amount: dec(amount), price };
    Swap {
        owner: Some("7wWG".into()),
        source: Some("raydium".into()),
        pool: Some("Gkt4".into()),
        side: Some(Side::Sell),
        sold: Some(leg("JUPy", "JUP", "172.70763", Some(dec("0.49898")))),
        bought: Some(leg("EPjF", "USDC", "86.179003", None)),
        volume_usd: Some(dec("86.17")),
    }
}

pub(super) fn token_price() -> Data {
    Data::TokenPrice(Box::new(TokenPrice {
        price: dec("152.95"),
        native: Some(dec("1")),
        change_percent: Some(dec("-1.25")),
        liquidity: Some(dec("30250000.5")),
    }))
}

pub(super) fn token_stats() -> Data {
    let window = TokenWindow {
        interval: "30m".into(),
        volume: Some(dec("120000.5")),
        change_percent: Some(dec("0.4")),
        trades: Some(700),
        buys: Some(400),
        sells: Some(300),
        wallets: Some(150),
    };
    Data::TokenStats(Box::new(TokenStats {
        price: Some(dec("152.95")),
        market_cap: Some(dec("80000000000")),
        last_trade: Some(Unix(1_781_000_000_000_000_000)),
        windows: [window].into(),
        ..TokenStats::default()
    }))
}

pub(super) fn listing() -> Data {
    Data::Listing(Box::new(Listing {
        token: Token { name: Some("Sample Cat".into()), ..token("Bkq", "SCAT") },
        liquidity: Some(dec("12120.15")),
        listed: Some(Unix(1_781_000_070_000_000_000)),
    }))
}

pub(super) fn pair() -> Data {
    Data::Pair(Box::new(Pair {
        address: "CXV4".into(),
        name: Some("SCAT-SOL".into()),
        source: Some("pump_dot_fun".into()),
        base: token("AoMB", "SCAT"),
        quote: token("So11111111111111111111111111111111111111112", "SOL"),
        signature: Some("3CzX".into()),
        created: Some(Unix(1_781_000_071_000_000_000)),
    }))
}

pub(super) fn large_trade() -> Data {
    Data::LargeTrade(Box::new(LargeTrade { signature: "5TDU".into(), swap: swap() }))
}

pub(super) fn wallet() -> Data {
    let (signature, kind) = ("5TDU".into(), "swap".into());
    Data::Wallet(Box::new(Wallet { signature, kind, block: Some(402_000_001), swap: swap() }))
}

pub(super) fn meme() -> Data {
    Data::Meme(Box::new(Meme {
        token: token("Bkq", "SCAT"),
        price: Some(dec("0.0000041")),
        source: Some("pump_dot_fun".into()),
        progress_percent: Some(dec("81.5")),
        graduated: Some(false),
        ..Meme::default()
    }))
}

pub(super) fn transaction() -> Data {
    let change = Change {
        account: "7wWG".into(),
        owner: None,
        mint: None,
        before: dec("28.279852264"),
        after: dec("28.279747264"),
    };
    Data::Transaction(Box::new(Transaction {
        signature: "5moM".into(),
        slot: Some(424_341_380),
        index: Some(42),
        kind: None,
        error: Some(r#"{"InstructionError":[0,"Custom"]}"#.into()),
        fee: Some(5_000),
        changes: [change].into(),
        swap: Some(Swap { pool: Some("Gkt4".into()), ..Swap::default() }),
    }))
}

pub(super) fn transfer() -> Data {
    Data::Transfer(Box::new(Transfer {
        signature: "5moM".into(),
        slot: Some(424_341_380),
        from: "7wWG".into(),
        to: "9aBc".into(),
        mint: None,
        amount: dec("0.0001"),
    }))
}

fn account_state() -> Account {
    Account {
        slot: 424_341_381,
        lamports: 18_446_744_073_709_551_615,
        owner: "Sysvar1111111111111111111111111111111111111".into(),
        executable: false,
        space: Some(40),
        data: "AQAA".into(),
    }
}

pub(super) fn account() -> Data {
    Data::Account(Box::new(account_state()))
}

pub(super) fn program() -> Data {
    Data::Program(Box::new(Program { address: "9aBc".into(), account: account_state() }))
}

pub(super) fn logs() -> Data {
    Data::Logs(Box::new(Logs {
        signature: "5h6x".into(),
        slot: 424_341_381,
        error: None,
        logs: ["Program 1111 invoke [1]".into(), "Program 1111 success".into()].into(),
    }))
}

pub(super) fn slot() -> Data {
    Data::Slot(Slot { slot: 424_341_381, parent: 424_341_380, root: 424_341_349 })
}

pub(super) fn signature() -> Data {
    Data::Signature(Box::new(Signature { stage: SignatureStage::Landed, slot: 424_341_382, error: None }))
}

pub(super) fn order() -> Data {
    Data::Order(Box::new(Order {
        id: "4293153".into(),
        client_id: Some("mine-1".into()),
        symbol: "ETHUSDT".into(),
        side: Side::Buy,
        kind: "LIMIT".into(),
        state: "PARTIALLY_FILLED".into(),
        price: Some(dec("3120")),
        size: Some(dec("1")),
        filled: dec("0.4"),
        average: Some(dec("3120")),
        fill: Some(Fill {
            id: Some(2_400_112_233),
            price: dec("3120"),
            size: dec("0.4"),
            fee: Some(dec("0.0004")),
            fee_asset: Some("ETH".into()),
            maker: Some(true),
        }),
        reason: None,
        created: Some(Unix(1_780_999_990_000_000_000)),
    }))
}

pub(super) fn balance() -> Data {
    Data::Balance(Box::new(Balance { asset: "BTC".into(), free: dec("0.5"), locked: Some(dec("0.1")) }))
}
