//! Every recorded frame of Binance decodes, the counts are those of the recordings, and the ids follow each
//! other as the adapter's profile promises.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on stops, and tells its counts"
)]

mod recordings;

use std::collections::BTreeMap;

use serde_json::Value;
use tapeline_core::data::channel::Channel;
use tapeline_core::data::topic::Topic;
use tapeline_core::data::update::Data;
use tapeline_core::venue::{Decoded, Item, LineId, Names, TopicId, Venue};
use tapeline_venues::by_id;

/// What one topic's ids did.
#[derive(Debug, Default)]
struct Ids {
    events: u64,
    last: Option<u64>,
    jumps: u64,
    repeats: u64,
    falls: u64,
}

impl Ids {
    fn see(&mut self, id: u64) {
        self.events += 1;
        if let Some(last) = self.last.replace(id) {
            self.jumps += u64::from(id > last + 1);
            self.repeats += u64::from(id == last);
            self.falls += u64::from(id < last);
        }
    }
}

#[derive(Debug, Default)]
struct Tally {
    frames: u64,
    spent: u64,
    depth_breaks: u64,
    by_channel: BTreeMap<&'static str, u64>,
    ids: BTreeMap<(Channel, u32), Ids>,
    book: BTreeMap<u32, u64>,
}

fn topics_of(venue: &dyn Venue, text: &str) -> (Names, Vec<Topic>) {
    let (mut names, mut topics) = (Names::default(), Vec::new());
    let mut known = std::collections::BTreeSet::new();
    for line in text.lines() {
        let stream = line.split('"').nth(3).unwrap();
        if !known.insert(stream.to_owned()) {
            continue;
        }
        let (symbol, word) = stream.split_once('@').unwrap();
        let word = word.split('@').next().unwrap();
        let channel = if word == "depth" { "book" } else { word };
        let topic = Topic::parse(&format!("{}:{channel}:{symbol}", venue.profile().id)).unwrap();
        let topic = venue.canonical(topic).unwrap();
        names.insert(&venue.route(&topic).unwrap().stream, TopicId(topics.len() as u32));
        topics.push(topic);
    }
    (names, topics)
}

fn tally(folder: &str, text: &str) -> Tally {
    let venue = by_id(if folder.starts_with("spot") { "binance" } else { "binance-usdm" }).unwrap();
    let (names, topics) = topics_of(&*venue, text);
    let mut tally = Tally::default();
    let mut out = Decoded::default();
    for (number, line) in text.lines().enumerate() {
        out.clear();
        let line_id = LineId { slot: 0, dial: 0 };
        if let Err(error) = venue.decode(line_id, line.as_bytes(), &names, &mut out) {
            panic!("{folder} line {}: {error}: {line}", number + 1);
        }
        assert_eq!(out.items.len(), 1, "{folder} line {}", number + 1);
        #[cfg(feature = "plain")]
        check_plain(folder, line, &names, &out);
        tally.frames += 1;
        tally.see(&topics, &out.items[0]);
    }
    tally
}

/// The plain decoder says the same.
#[cfg(feature = "plain")]
fn check_plain(folder: &str, line: &str, names: &Names, fast: &Decoded) {
    use tapeline_venues::binance::{Market, plain};

    let market = if folder.starts_with("spot") { Market::Spot } else { Market::UsdM };
    let mut slow = Decoded::default();
    plain::decode(market, line.as_bytes(), names, &mut slow).unwrap();
    assert_eq!(fast.items, slow.items, "{line}");
    assert_eq!(fast.levels, slow.levels, "{line}");
}

impl Tally {
    fn see(&mut self, topics: &[Topic], item: &Item) {
        let (topic, id) = match item {
            Item::Market { topic, id, data, .. } => {
                assert!(!matches!(data, Data::Keyed(_)));
                (*topic, *id)
            }
            Item::Spent { topic, id } => {
                self.spent += 1;
                (*topic, *id)
            }
            Item::Depth { topic, span, .. } => {
                if let Some(last) = self.book.insert(topic.0, span.last) {
                    let follows = span.previous.map_or(span.first == last + 1, |previous| previous == last);
                    self.depth_breaks += u64::from(!follows);
                }
                (*topic, 0)
            }
            other => panic!("unexpected {other:?}"),
        };
        let channel = topics[topic.0 as usize].channel();
        *self.by_channel.entry(channel.name()).or_default() += 1;
        if id != 0 {
            self.ids.entry((channel, topic.0)).or_default().see(id);
        }
    }
}

/// The manifest's count of each stream word of a capture.
fn expected(manifest: &Value, folder: &str) -> BTreeMap<&'static str, u64> {
    let entry = manifest
        .as_object()
        .unwrap()
        .iter()
        .find(|(name, _)| name.starts_with(&format!("binance/{folder}/frames.ndjson")))
        .unwrap_or_else(|| panic!("{folder} is not in the manifest"))
        .1;
    let mut counts = BTreeMap::new();
    for (stream, count) in entry["streams"].as_object().unwrap() {
        let word = stream.split('@').find(|part| !part.is_empty()).unwrap();
        let channel = match word {
            "depth" => "book",
            "trade" => "trade",
            "aggTrade" => "agg_trade",
            "bookTicker" => "quote",
            "kline_1m" => "candle",
            "markPrice" => "mark_price",
            other => panic!("{other}"),
        };
        *counts.entry(channel).or_default() += count.as_u64().unwrap();
    }
    counts
}

#[test]
fn every_recorded_frame_decodes_and_its_ids_keep_the_promise() {
    let Some(captures) = recordings::captures() else { return };
    let manifest: Value = serde_json::from_str(&recordings::read(captures.join("MANIFEST.json"))).unwrap();
    let mut frames = 0;
    for folder in [
        "spot-10symbols-20210405-119s",
        "spot-4symbols-20211012-30s",
        "spot-btc-eth-dot-20210404-91s",
        "spot-btcusdt-20230405-415s",
        "spot-btcusdt-20240808-650s",
        "usdm-4symbols-20210722-30s",
        "usdm-5symbols-20210405-119s",
        "usdm-btcusdt-20230404-514s",
        "usdm-btcusdt-20240718-480s",
        "usdm-btcusdt-20240808-345s",
    ] {
        let text = recordings::read(captures.join("binance").join(folder).join("frames.ndjson"));
        let tally = tally(folder, &text);
        assert_eq!(tally.by_channel, expected(&manifest, folder), "{folder}");
        assert_eq!(tally.depth_breaks, 0, "{folder}: depth updates do not chain");
        let mut quotes = 0;
        for ((channel, topic), ids) in &tally.ids {
            match channel {
                Channel::Trade | Channel::AggTrade => {
                    assert_eq!((ids.jumps, ids.repeats, ids.falls), (0, 0, 0), "{folder} {channel} {topic}");
                }
                _ => {
                    assert_eq!((ids.repeats, ids.falls), (0, 0), "{folder} {channel} {topic}");
                    quotes += ids.events;
                }
            }
        }
        println!(
            "{folder}: {} frames, {} spent ids, {quotes} quotes with rising ids",
            tally.frames, tally.spent
        );
        frames += tally.frames;
    }
    assert_eq!(frames, 380_655);
}
