//! What is told by REST and not by a stream: it is held against the venue's own replies, and nothing that was streamed
//! is overwritten by what is older.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use serde_json::{Value, json};
use tapeline_core::data::event::{Candle, MarkPrice, MiniTicker, Ticker};
use tapeline_core::data::topic::Topic;
use tapeline_core::data::update::Data;

use super::super::clock::SEC;
use super::content::{id, is, may, moment, number};

/// Replies remembered of each topic.
const KEPT: usize = 4;
/// What is polled is asked for again after so long at the latest, and may wait for its turn.
const AGE: u64 = 45 * SEC;
/// After a pause of our own everything is asked for again, and answered or given up, within so long.
const ROUND: u64 = 20 * SEC;

/// The replies that polls brought, by topic.
#[derive(Debug, Default)]
pub(crate) struct Polled {
    replies: BTreeMap<Topic, VecDeque<(u64, Bytes)>>,
    /// When we last did not run.
    paused: Option<u64>,
}

impl Polled {
    /// A poll of a topic was answered.
    pub(crate) fn came(&mut self, now: u64, topic: &Topic, body: Bytes) {
        let replies = self.replies.entry(topic.clone()).or_default();
        if replies.len() >= KEPT {
            replies.pop_front();
        }
        replies.push_back((now, body));
    }

    /// The process does not run: it cannot ask.
    pub(crate) fn paused(&mut self, now: u64) {
        self.paused = Some(now);
    }

    /// Whether what was polled of a topic can still be called current.
    pub(crate) fn is_fresh(&self, now: u64, topic: &Topic) -> bool {
        let newest = self.replies.get(topic).and_then(|replies| replies.back());
        let paused = self.paused.is_some_and(|at| now < at + ROUND);
        newest.is_some_and(|(at, _)| paused || now < at + AGE)
    }

    /// Holds a polled state against the replies.
    pub(crate) fn judge(&self, topic: &Topic, data: &Data) -> Result<(), String> {
        let replies = || self.replies.get(topic).into_iter().flatten();
        let values = replies().filter_map(|(_, body)| serde_json::from_slice::<Value>(body).ok());
        let says = |value: &Value| match data {
            Data::Ticker(given) => ticker(value, given),
            Data::MiniTicker(given) => mini(value, given),
            Data::MarkPrice(given) => mark(value, given),
            Data::Candle(given) => value.as_array()?.iter().find_map(|row| candle(row, given)),
            _ => Some(()),
        };
        if values.into_iter().any(|value| says(&value).is_some()) {
            return Ok(());
        }
        let newest = replies().next_back().map(|(_, body)| String::from_utf8_lossy(body).into_owned());
        Err(format!("that is not what the venue replied: {newest:?}"))
    }
}

fn ticker(value: &Value, given: &Ticker) -> Option<()> {
    let six = [given.last, given.open, given.high, given.low, given.volume, given.quote_volume];
    SIX.into_iter().zip(six).try_for_each(|(key, given)| is(value, key, given))?;
    let others = [
        ("priceChange", given.change),
        ("priceChangePercent", given.change_percent),
        ("weightedAvgPrice", given.average),
        ("lastQty", given.last_size),
        ("prevClosePrice", given.previous_close),
        ("bidPrice", given.bid),
        ("bidQty", given.bid_size),
        ("askPrice", given.ask),
        ("askQty", given.ask_size),
    ];
    others.into_iter().try_for_each(|(key, given)| may(value, key, given))?;
    moment(value, "openTime", given.start)?;
    moment(value, "closeTime", given.end)?;
    id(value, "firstId", given.first_id)?;
    id(value, "lastId", given.last_id)?;
    number(value, "count", given.trades.and_then(|count| i64::try_from(count).ok()))
}

const SIX: [&str; 6] = ["lastPrice", "openPrice", "highPrice", "lowPrice", "volume", "quoteVolume"];

fn mini(value: &Value, given: &MiniTicker) -> Option<()> {
    let six = [given.last, given.open, given.high, given.low, given.volume, given.quote_volume];
    SIX.into_iter().zip(six).try_for_each(|(key, given)| is(value, key, given))
}

fn mark(value: &Value, given: &MarkPrice) -> Option<()> {
    is(value, "markPrice", given.price)?;
    let others = [
        ("indexPrice", given.index),
        ("estimatedSettlePrice", given.settle),
        ("lastFundingRate", given.funding_rate),
    ];
    others.into_iter().try_for_each(|(key, given)| may(value, key, given))?;
    moment(value, "nextFundingTime", given.next_funding)
}

fn candle(row: &Value, given: &Candle) -> Option<()> {
    let row = row.as_array()?;
    let [start, open, high, low, close, volume, end, quote, trades] = row.first_chunk::<9>()?;
    let bar = json!({"t": start, "o": open, "h": high, "l": low, "c": close, "v": volume, "T": end, "q": quote,
        "n": trades});
    let five = [given.open, given.high, given.low, given.close, given.volume];
    ["o", "h", "l", "c", "v"].into_iter().zip(five).try_for_each(|(key, given)| is(&bar, key, given))?;
    may(&bar, "q", given.quote_volume)?;
    moment(&bar, "t", Some(given.start))?;
    moment(&bar, "T", Some(given.end))?;
    number(&bar, "n", i64::try_from(given.trades).ok())
}

/// How new the newest streamed state of a topic is: by the venue's id, or by its time.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Streamed {
    id: Option<u64>,
    time: Option<i64>,
}

impl Streamed {
    /// A state was told; whether it is as new as what was streamed before it.
    pub(crate) fn pass(&mut self, streamed: bool, id: Option<u64>, time: Option<i64>) -> Result<(), String> {
        if streamed {
            (self.id, self.time) = (id, time);
            return Ok(());
        }
        let older = match (id.zip(self.id), time.zip(self.time)) {
            (Some((id, held)), _) => id < held,
            (None, Some((time, held))) => time < held,
            (None, None) => false,
        };
        if older {
            return Err(format!(
                "what was polled ({id:?}, {time:?}) is older than what was streamed ({self:?})"
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tapeline_core::time::Unix;

    fn bar(close: i64) -> Data {
        let (start, end) = (Unix::from_millis(60_000), Unix::from_millis(119_999));
        let [open, high, low] = [5, 7, 4].map(Into::into);
        let (close, volume, quote_volume) = (close.into(), 9.into(), Some(50.into()));
        let interval = "1m".into();
        let (trades, closed) = (3, true);
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
    }

    #[test]
    fn a_polled_state_is_what_the_venue_replied() {
        let topic: Topic = "binance:candle:BTCUSDT@interval=1m".parse().unwrap();
        let mut polled = Polled::default();
        assert!(polled.judge(&topic, &bar(6)).is_err(), "nothing was replied");
        let body = r#"[[60000,"5","7","4","6.0","9",119999,"50",3,"1","1","0"]]"#;
        polled.came(0, &topic, Bytes::from_static(body.as_bytes()));
        assert!(polled.judge(&topic, &bar(6)).is_ok() && polled.judge(&topic, &bar(5)).is_err());
        assert!(polled.is_fresh(44 * SEC, &topic) && !polled.is_fresh(45 * SEC, &topic));
    }

    #[test]
    fn who_did_not_run_could_not_ask_but_does_so_at_once() {
        let topic: Topic = "binance:book:BTCUSDT".parse().unwrap();
        let mut polled = Polled::default();
        polled.paused(50 * SEC);
        assert!(!polled.is_fresh(51 * SEC, &topic), "it was never polled");
        polled.came(0, &topic, Bytes::new());
        assert!(polled.is_fresh(69 * SEC, &topic) && !polled.is_fresh(70 * SEC, &topic));
    }

    #[test]
    fn what_is_older_than_what_was_streamed_is_seen() {
        let mut streamed = Streamed::default();
        assert!(streamed.pass(false, Some(3), None).is_ok());
        assert!(streamed.pass(true, Some(5), Some(70)).is_ok());
        assert!(streamed.pass(false, Some(5), Some(60)).is_ok(), "ids say more than times");
        assert!(streamed.pass(false, Some(4), Some(90)).is_err());
        assert!(streamed.pass(true, None, Some(70)).is_ok());
        assert!(
            streamed.pass(false, None, Some(69)).is_err() && streamed.pass(false, None, Some(70)).is_ok()
        );
    }
}
