//! Reading envelopes: what a view shows of an update that came over the network.

use serde::Deserialize;
use serde_json::Value;
use tapeline_core::data::decimal::Decimal;
use tapeline_core::data::event::{
    Book, BookState, Candle, IndexPrice, Level as BookLevel, Liquidation, MarkPrice, MiniTicker, Price,
    Quote, Side, Ticker, Trade,
};
use tapeline_core::data::topic::Topic;
use tapeline_core::data::update::{Data, Gap, GapKind, Keyed, Level, Source, Status};
use tapeline_core::time::Unix;

use crate::view::row::News;

/// What every message of a gateway may have.
#[derive(Debug, Deserialize)]
pub(crate) struct Head<'a> {
    /// What it is.
    #[serde(rename = "type", borrow)]
    pub(crate) kind: std::borrow::Cow<'a, str>,
    /// Its topic.
    #[serde(borrow)]
    pub(crate) topic: Option<std::borrow::Cow<'a, str>>,
    /// Its epoch.
    #[serde(borrow)]
    pub(crate) epoch: Option<std::borrow::Cow<'a, str>>,
    /// Its offset.
    pub(crate) offset: Option<u64>,
}

/// An update for a board.
#[derive(Debug)]
pub(crate) struct Envelope {
    topic: Topic,
    data: Data,
    whole: bool,
    source: Source,
    count: u32,
    received: Unix,
}

impl<'a> From<&'a Envelope> for News<'a> {
    fn from(envelope: &'a Envelope) -> Self {
        let Envelope { topic, data, whole, source, count, received } = envelope;
        Self { topic, data, whole: *whole, source: *source, count: *count, received: *received }
    }
}

impl Envelope {
    /// Reads an envelope; `None` for what no view shows.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        let topic = Topic::parse(value.get("topic")?.as_str()?).ok()?;
        let kind = value.get("type")?.as_str()?;
        let data = Fields(value.get("data")?);
        let data = match kind {
            "status" => status(&data)?,
            "gap" => gap(&data)?,
            "tick" => Data::Empty {},
            _ => figures(topic.channel().name(), &topic, &data)?,
        };
        let source = match value.get("source").and_then(Value::as_str) {
            Some("poll") => Source::Poll,
            Some("repair") => Source::Repair,
            Some("cache") => Source::Cache,
            _ => Source::Live,
        };
        let merged = value.get("merged").and_then(Value::as_u64).unwrap_or(1);
        let count = u32::try_from(merged).unwrap_or(u32::MAX).max(1);
        let received = Fields(&value).time("received");
        Some(Self { topic, data, whole: kind == "snapshot", source, count, received })
    }
}

/// The fields of a `data` object.
struct Fields<'a>(&'a Value);

impl Fields<'_> {
    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.text(name)?.parse().ok()
    }

    fn decimal(&self, name: &str) -> Option<Decimal> {
        self.number(name)
    }

    fn time(&self, name: &str) -> Unix {
        Unix(self.number(name).unwrap_or_default())
    }

    fn side(&self) -> Side {
        match self.text("side") {
            Some("buy") => Side::Buy,
            Some("sell") => Side::Sell,
            _ => Side::Unknown,
        }
    }
}

fn figures(channel: &str, topic: &Topic, data: &Fields<'_>) -> Option<Data> {
    if topic.symbol() == "!all" && data.0.as_object()?.values().all(Value::is_object) {
        let keys = data.0.as_object()?.keys();
        return Some(Data::Keyed(Box::new(Keyed(
            keys.map(|key| (key.as_str().into(), Data::Empty {})).collect(),
        ))));
    }
    let zero = Decimal::ZERO;
    Some(match channel {
        "trade" | "agg_trade" | "block_trade" => Data::Trade(Trade {
            id: data.number("id").unwrap_or(0),
            price: data.decimal("price")?,
            size: data.decimal("size")?,
            side: data.side(),
        }),
        "quote" => Data::Quote(Quote {
            bid: data.decimal("bid")?,
            bid_size: data.decimal("bid_size")?,
            ask: data.decimal("ask")?,
            ask_size: data.decimal("ask_size")?,
            venue_id: data.number("venue_id"),
        }),
        "book" | "depth" => Data::Book(book(data)?),
        "ticker" => Data::Ticker(Box::new(ticker(data)?)),
        "mini_ticker" => Data::MiniTicker(Box::new(MiniTicker {
            last: data.decimal("last")?,
            open: data.decimal("open").unwrap_or(zero),
            high: data.decimal("high").unwrap_or(zero),
            low: data.decimal("low").unwrap_or(zero),
            volume: data.decimal("volume")?,
            quote_volume: data.decimal("quote_volume").unwrap_or(zero),
        })),
        "candle" => Data::Candle(Box::new(candle(data)?)),
        "mark_price" => Data::MarkPrice(Box::new(MarkPrice {
            price: data.decimal("price")?,
            index: data.decimal("index"),
            settle: data.decimal("settle"),
            funding_rate: data.decimal("funding_rate"),
            next_funding: None,
        })),
        "index_price" => Data::IndexPrice(Box::new(IndexPrice {
            price: data.decimal("price")?,
            components: Box::default(),
        })),
        "liquidation" => Data::Liquidation(Box::new(Liquidation {
            side: data.side(),
            price: data.decimal("price")?,
            average: data.decimal("average"),
            size: data.decimal("size")?,
            filled: data.decimal("filled"),
            status: data.text("status").map(Into::into),
        })),
        _ => Data::Price(Price { price: data.decimal("price"), interval: None }),
    })
}

fn ticker(data: &Fields<'_>) -> Option<Ticker> {
    let zero = Decimal::ZERO;
    Some(Ticker {
        last: data.decimal("last")?,
        open: data.decimal("open").unwrap_or(zero),
        high: data.decimal("high").unwrap_or(zero),
        low: data.decimal("low").unwrap_or(zero),
        volume: data.decimal("volume")?,
        quote_volume: data.decimal("quote_volume").unwrap_or(zero),
        change: data.decimal("change"),
        change_percent: data.decimal("change_percent"),
        average: None,
        last_size: None,
        previous_close: None,
        bid: data.decimal("bid"),
        bid_size: data.decimal("bid_size"),
        ask: data.decimal("ask"),
        ask_size: data.decimal("ask_size"),
        start: None,
        end: None,
        first_id: None,
        last_id: None,
        trades: None,
    })
}

fn candle(data: &Fields<'_>) -> Option<Candle> {
    Some(Candle {
        interval: data.text("interval").unwrap_or_default().into(),
        start: data.time("start"),
        end: data.time("end"),
        open: data.decimal("open")?,
        high: data.decimal("high")?,
        low: data.decimal("low")?,
        close: data.decimal("close")?,
        volume: data.decimal("volume")?,
        quote_volume: data.decimal("quote_volume"),
        trades: data.0.get("trades").and_then(Value::as_u64).unwrap_or(0),
        closed: data.0.get("closed").and_then(Value::as_bool).unwrap_or(false),
    })
}

fn book(data: &Fields<'_>) -> Option<Book> {
    let side = |name: &str| -> Option<Vec<BookLevel>> {
        let level = |pair: &Value| {
            let part = |at: usize| pair.get(at)?.as_str()?.parse().ok();
            Some(BookLevel { price: part(0)?, size: part(1)? })
        };
        data.0.get(name)?.as_array()?.iter().map(level).collect()
    };
    let mut levels = side("bids")?;
    let bids = u32::try_from(levels.len()).ok()?;
    levels.extend(side("asks")?);
    let state = match data.text("state")? {
        "live" => BookState::Live,
        "stale" => BookState::Stale,
        "unverified" => BookState::Unverified,
        _ => BookState::Syncing,
    };
    Some(Book { levels: levels.into_boxed_slice(), bids, venue_id: data.number("venue_id"), state })
}

fn gap(data: &Fields<'_>) -> Option<Data> {
    let kind = if data.text("kind")? == "venue" { GapKind::Venue } else { GapKind::Delivery };
    let (from, to) = (data.number("from")?, data.number("to")?);
    Some(Data::Gap(Box::new(Gap { kind, from, to, reason: data.text("reason").unwrap_or_default().into() })))
}

fn status(data: &Fields<'_>) -> Option<Data> {
    const PHASES: [&str; 9] = [
        "idle",
        "waiting",
        "dialling",
        "logging_in",
        "live",
        "draining",
        "halted",
        "rejected",
        "quarantined",
    ];
    let level = match data.text("level")? {
        "healthy" => Level::Healthy,
        "warning" => Level::Warning,
        "degraded" => Level::Degraded,
        "unhealthy" => Level::Unhealthy,
        _ => Level::Critical,
    };
    let said = data.text("phase")?;
    let phase = PHASES.into_iter().find(|phase| *phase == said).unwrap_or("unknown");
    let source = Source::Live;
    let reason = data.text("reason").unwrap_or_default().into();
    Some(Data::Status(Box::new(Status { level, phase, source, reason, since: data.time("since") })))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_envelope_of_the_fixtures_is_read_and_figures_are_kept() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/wire");
        let mut read = 0;
        for file in std::fs::read_dir(folder).unwrap() {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            let value: Value = serde_json::from_str(&text).unwrap();
            if value.get("topic").is_none() {
                // An answer, not an envelope.
                continue;
            }
            let Some(envelope) = Envelope::read(&text) else {
                assert_eq!(value.pointer("/data/kind"), Some(&value["data"]["kind"]), "{text}");
                assert!(text.contains("\"kind\""), "{text}");
                continue;
            };
            read += 1;
            assert_eq!(envelope.topic.as_str(), value["topic"]);
            // What is shown is what was sent.
            let again = serde_json::to_value(&envelope.data).unwrap();
            for name in
                ["price", "bid", "ask_size", "last", "close", "change_percent", "bids", "state", "from"]
            {
                if let (Some(shown), Some(sent)) = (again.get(name), value["data"].get(name)) {
                    assert_eq!(shown, sent, "{name} of {text}");
                }
            }
        }
        assert!(read >= 40, "{read}");
    }
}
