//! A recorded session and what must come out of it, read without any of the code under test.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use serde_json::Value;
use tapeline_core::data::decimal::Decimal;

/// Price and size by side, best first.
pub(crate) type Side = Vec<(Decimal, Decimal)>;

/// A checked view of a book: its top levels and how many levels each side holds.
#[derive(Debug, Clone)]
pub(crate) struct Checkpoint {
    pub(crate) bids: Side,
    pub(crate) asks: Side,
    pub(crate) counts: (usize, usize),
}

/// One reply of the REST API.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    pub(crate) symbol: String,
    pub(crate) after_frame: usize,
    pub(crate) body: String,
}

/// A recorded session.
#[derive(Debug)]
pub(crate) struct Recording {
    pub(crate) dir: PathBuf,
    pub(crate) venue: &'static str,
    pub(crate) frames: Vec<String>,
    pub(crate) snapshots: Vec<Snapshot>,
    /// Topics of every stream in it.
    pub(crate) topics: BTreeSet<String>,
    /// By symbol and update id.
    pub(crate) checkpoints: HashMap<(String, u64), Checkpoint>,
    /// Best bid, its size, best ask, its size, by symbol and update id.
    pub(crate) quotes: HashMap<(String, u64), [Decimal; 4]>,
    /// Ids in the order of the recording, by topic; spent ones are not in it.
    pub(crate) ids: BTreeMap<String, Vec<u64>>,
    /// Ids spent without a trade, by topic.
    pub(crate) spent: BTreeMap<String, u64>,
    /// Update ids of the last depth frame, by symbol.
    pub(crate) last_depth: BTreeMap<String, u64>,
}

/// Every capture of the shared set, or `None` (said aloud) where the folder is missing.
pub(crate) fn shared() -> Option<Vec<PathBuf>> {
    let root = std::env::var_os("TAPELINE_CAPTURES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/captures"),
        PathBuf::from,
    );
    folders(&root.join("binance"))
}

/// The recordings made by our own generator.
pub(crate) fn committed() -> Vec<PathBuf> {
    folders(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/captures")).unwrap_or_default()
}

fn folders(root: &Path) -> Option<Vec<PathBuf>> {
    let entries = std::fs::read_dir(root).ok()?;
    let mut dirs: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    dirs.retain(|dir| dir.join("frames.ndjson").exists() || dir.join("frames.ndjson.zst").exists());
    dirs.sort();
    Some(dirs)
}

fn read(dir: &Path, name: &str) -> Option<String> {
    if let Ok(text) = std::fs::read_to_string(dir.join(name)) {
        return Some(text);
    }
    let packed = std::fs::File::open(dir.join(format!("{name}.zst"))).ok()?;
    Some(String::from_utf8(zstd::decode_all(packed).unwrap()).unwrap())
}

fn decimal(value: &Value) -> Decimal {
    value.as_str().unwrap().parse().unwrap()
}

fn side(value: &Value) -> Side {
    value.as_array().unwrap().iter().map(|level| (decimal(&level[0]), decimal(&level[1]))).collect()
}

impl Recording {
    pub(crate) fn load(dir: &Path) -> Self {
        let frames: Vec<String> = read(dir, "frames.ndjson").unwrap().lines().map(str::to_owned).collect();
        let lines = |name| read(dir, name).unwrap_or_default();
        let snapshots = lines("rest_depth.ndjson").lines().map(snapshot).collect();
        let checkpoints = lines("book_checkpoints.ndjson").lines().map(checkpoint).collect();
        let mut recording = Self {
            dir: dir.to_owned(),
            venue: "binance",
            snapshots,
            checkpoints,
            topics: BTreeSet::new(),
            quotes: HashMap::new(),
            ids: BTreeMap::new(),
            spent: BTreeMap::new(),
            last_depth: BTreeMap::new(),
            frames: Vec::new(),
        };
        if frames.iter().any(|frame| frame.contains("\"pu\":")) {
            recording.venue = "binance-usdm";
        }
        for frame in &frames {
            recording.take_note(frame);
        }
        recording.frames = frames;
        recording
    }

    /// Whether a book can be made of it.
    pub(crate) fn has_snapshots(&self) -> bool {
        !self.snapshots.is_empty()
    }

    pub(crate) fn topic(&self, channel: &str, symbol: &str) -> String {
        format!("{}:{channel}:{symbol}", self.venue)
    }

    fn take_note(&mut self, frame: &str) {
        let frame: Value = serde_json::from_str(frame).unwrap();
        let stream = frame["stream"].as_str().unwrap();
        let (symbol, kind) = stream.split_once('@').unwrap();
        let (symbol, data) = (symbol.to_uppercase(), &frame["data"]);
        let number = |key: &str| data[key].as_u64().unwrap();
        let channel = match kind {
            "trade" => {
                let topic = self.topic("trade", &symbol);
                if decimal(&data["p"]).is_zero() && decimal(&data["q"]).is_zero() {
                    *self.spent.entry(topic).or_default() += 1;
                } else {
                    self.ids.entry(topic).or_default().push(number("t"));
                }
                "trade".to_owned()
            }
            "aggTrade" => {
                let topic = self.topic("agg_trade", &symbol);
                self.ids.entry(topic).or_default().push(number("a"));
                "agg_trade".to_owned()
            }
            "bookTicker" => {
                let quote = ["b", "B", "a", "A"].map(|key| decimal(&data[key]));
                self.quotes.insert((symbol.clone(), number("u")), quote);
                "quote".to_owned()
            }
            kind if kind.starts_with("kline_") => format!("{kind}#"),
            kind if kind.starts_with("markPrice") => "mark_price".to_owned(),
            kind if kind.starts_with("depth") => {
                self.last_depth.insert(symbol.clone(), number("u"));
                "book".to_owned()
            }
            other => panic!("a stream the test does not know: {other}"),
        };
        let topic = match channel.strip_prefix("kline_").and_then(|rest| rest.strip_suffix('#')) {
            Some(interval) => format!("{}:candle:{symbol}@interval={interval}", self.venue),
            None => self.topic(&channel, &symbol),
        };
        self.topics.insert(topic);
    }
}

fn snapshot(line: &str) -> Snapshot {
    let value: Value = serde_json::from_str(line).unwrap();
    Snapshot {
        symbol: value["symbol"].as_str().unwrap().to_owned(),
        after_frame: usize::try_from(value["after_frame"].as_u64().unwrap()).unwrap(),
        body: value["body"].to_string(),
    }
}

fn checkpoint(line: &str) -> ((String, u64), Checkpoint) {
    let value: Value = serde_json::from_str(line).unwrap();
    let count = |key: &str| usize::try_from(value[key].as_u64().unwrap()).unwrap();
    let key = (value["symbol"].as_str().unwrap().to_owned(), value["u"].as_u64().unwrap());
    let (bids, asks) = (side(&value["bids"]), side(&value["asks"]));
    (key, Checkpoint { bids, asks, counts: (count("bid_levels"), count("ask_levels")) })
}
