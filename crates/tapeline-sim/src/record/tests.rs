//! Claims about recordings: they repeat, they are what is kept with the project, and their books add up.

use super::*;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::io::Read;

/// The committed recording of a market: its files as they must be.
fn check(futures: bool, folder: &str) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/captures").join(folder);
    for (name, made) in recording(&RecordOptions::fixture(futures)).unwrap() {
        let kept = std::fs::read(dir.join(name)).unwrap_or_else(|e| panic!("{folder}/{name}: {e}"));
        // Another version of zstd may pack otherwise; what is inside has to be the same.
        let (made, kept) =
            if name.ends_with(".zst") { (unpacked(&made), unpacked(&kept)) } else { (made, kept) };
        assert!(made == kept, "{folder}/{name} differs; if that is meant, run the example `record`");
    }
}

fn unpacked(packed: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    zstd::Decoder::new(packed).unwrap().read_to_end(&mut out).unwrap();
    out
}

#[test]
fn the_committed_spot_recording_is_what_the_generator_makes() {
    check(false, "generated-spot");
}

#[test]
fn the_committed_futures_recording_is_what_the_generator_makes() {
    check(true, "generated-usdm");
}

#[test]
fn every_recorded_book_follows_from_the_snapshot_and_the_frames() {
    for futures in [false, true] {
        let files = recording(&RecordOptions { pack: false, ..RecordOptions::fixture(futures) }).unwrap();
        let file = |name: &str| {
            let content = files.iter().find(|(file, _)| *file == name).map(|(_, content)| content.clone());
            String::from_utf8(content.unwrap()).unwrap()
        };
        let values = |name: &str| -> Vec<Value> {
            file(name).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
        };
        let points = values("book_checkpoints.ndjson");
        assert!(points.len() > 60, "{}", points.len());
        compare(&values("frames.ndjson"), &values("rest_depth.ndjson"), &points);
        let times = file("recv_ns.txt");
        assert_eq!(times.lines().count(), 2_000);
        assert!(times.lines().is_sorted_by_key(|line| line.parse::<u64>().unwrap()));
        assert!(file("frames.ndjson").contains("\"x\":true"), "a candle closes inside");
    }
}

/// A book rebuilt as the layout of recordings describes. Prices are padded texts: all of a symbol have
/// the same number of decimals, so that they sort as numbers do.
#[derive(Default)]
struct Copy {
    id: u64,
    bids: BTreeMap<String, String>,
    asks: BTreeMap<String, String>,
}

impl Copy {
    fn apply(&mut self, id: &Value, bids: &Value, asks: &Value) {
        self.id = id.as_u64().unwrap();
        for (half, levels) in [(&mut self.bids, bids), (&mut self.asks, asks)] {
            for (price, size) in pairs(levels) {
                if size.bytes().any(|b| matches!(b, b'1'..=b'9')) {
                    half.insert(price, size);
                } else {
                    half.remove(&price);
                }
            }
        }
    }

    fn assert_equals(&self, point: &Value) {
        let top = |levels: Vec<(&String, &String)>| -> Vec<(String, String)> {
            levels.into_iter().take(5).map(|(price, size)| (price.clone(), size.clone())).collect()
        };
        assert_eq!(point["u"], self.id);
        assert_eq!(
            (&point["bid_levels"], &point["ask_levels"]),
            (&json!(self.bids.len()), &json!(self.asks.len()))
        );
        assert_eq!(pairs(&point["bids"]), top(self.bids.iter().rev().collect()));
        assert_eq!(pairs(&point["asks"]), top(self.asks.iter().collect()));
    }
}

fn pairs(levels: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let pair = |level: &Value| (format!("{:0>24}", text(&level[0])), text(&level[1]));
    levels.as_array().unwrap().iter().map(pair).collect()
}

/// Plays frames and snapshots in their order and holds every checkpoint against the rebuilt book.
fn compare(frames: &[Value], snapshots: &[Value], points: &[Value]) {
    let mut books: HashMap<String, Copy> = HashMap::new();
    let (mut snapshots, mut points) = (snapshots.iter().peekable(), points.iter().peekable());
    for (n, frame) in (0u64..).zip(frames) {
        while let Some(snapshot) = snapshots.next_if(|snapshot| snapshot["after_frame"] == n) {
            let (body, mut book) = (&snapshot["body"], Copy::default());
            book.apply(&body["lastUpdateId"], &body["bids"], &body["asks"]);
            books.insert(snapshot["symbol"].as_str().unwrap().to_owned(), book);
        }
        let data = &frame["data"];
        if data["e"] == "depthUpdate"
            && let Some(book) = books.get_mut(data["s"].as_str().unwrap())
            && data["u"].as_u64().unwrap() > book.id
        {
            book.apply(&data["u"], &data["b"], &data["a"]);
        }
        while let Some(point) = points.next_if(|point| point["line"] == n + 1) {
            books[point["symbol"].as_str().unwrap()].assert_equals(point);
        }
    }
    assert!(snapshots.next().is_none() && points.next().is_none());
}
