//! Laws over all histories: the reader of a conflated or overrun outbox ends where the reader of every
//! update ends, sees offsets rise, and can account for every one of them.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::data::channel::{Channel, Shape};
use crate::data::event::Candle;

/// What happens at one moment.
#[derive(Debug, Clone)]
enum Step {
    Quote {
        topic: u8,
        bid: i64,
    },
    Trade {
        topic: u8,
    },
    Levels {
        topic: u8,
        levels: Vec<(i64, i64)>,
        bids: u32,
    },
    Candle {
        closed: bool,
        close: i64,
    },
    Array {
        key: u8,
        bid: i64,
    },
    Status {
        topic: u8,
    },
    /// Continuity breaks: a snapshot of the model's state in a new epoch.
    Break {
        topic: u8,
    },
    Read {
        chunk: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let levels = proptest::collection::vec((1i64..12, 0i64..3), 0..6);
    prop_oneof![
        4 => (0u8..2, 0i64..50).prop_map(|(topic, bid)| Step::Quote { topic, bid }),
        4 => (0u8..2).prop_map(|topic| Step::Trade { topic }),
        6 => (0u8..2, levels, 0u32..6).prop_map(|(topic, levels, bids)| {
            let bids = bids.min(levels.len() as u32);
            Step::Levels { topic, levels, bids }
        }),
        2 => (any::<bool>(), 0i64..50).prop_map(|(closed, close)| Step::Candle { closed, close }),
        2 => (0u8..3, 0i64..50).prop_map(|(key, bid)| Step::Array { key, bid }),
        1 => (0u8..6).prop_map(|topic| Step::Status { topic }),
        1 => (0u8..6).prop_map(|topic| Step::Break { topic }),
        3 => (1usize..8).prop_map(|chunk| Step::Read { chunk }),
    ]
}

/// What a reader knows of one topic.
#[derive(Debug, Clone, Default, PartialEq)]
struct View {
    bids: BTreeMap<i128, Decimal>,
    asks: BTreeMap<i128, Decimal>,
    keyed: BTreeMap<String, Data>,
    newest: Option<Data>,
    epoch: Epoch,
    offset: u64,
}

impl View {
    fn apply(&mut self, update: &Update) {
        if matches!(update.kind, Kind::Status | Kind::Gap | Kind::Tick) {
            return;
        }
        (self.epoch, self.offset) = (update.epoch, update.offset);
        if update.kind == Kind::Snapshot {
            self.bids.clear();
            self.asks.clear();
            self.keyed.clear();
        }
        match &update.data {
            Data::Book(book) => {
                apply_side(&mut self.bids, book.bids());
                apply_side(&mut self.asks, book.asks());
            }
            Data::Keyed(keyed) => self.keyed.extend(keyed.0.iter().map(|(k, d)| (k.to_string(), d.clone()))),
            data => self.newest = Some(data.clone()),
        }
    }

    fn whole(&self, name: &str) -> Option<Data> {
        if name.contains(":book:") {
            let levels = |side: &BTreeMap<i128, Decimal>| -> Vec<(i64, i64)> {
                side.iter().map(|(price, size)| (*price as i64, size.mantissa() as i64)).collect()
            };
            let (mut all, asks) = (levels(&self.bids), levels(&self.asks));
            let bids = all.len() as u32;
            all.extend(asks);
            return Some(super::book(&all, bids, BookState::Live));
        }
        if name.ends_with("!all") {
            let entries = self.keyed.iter().map(|(key, data)| (key.as_str().into(), data.clone()));
            return Some(Data::Keyed(Box::new(Keyed(entries.collect()))));
        }
        self.newest.clone()
    }
}

fn apply_side(side: &mut BTreeMap<i128, Decimal>, levels: &[BookLevel]) {
    for level in levels {
        if level.size.is_zero() {
            side.remove(&level.price.mantissa());
        } else {
            side.insert(level.price.mantissa(), level.size);
        }
    }
}

const NAMES: [&str; 8] = [
    "binance:quote:AUSDT",
    "binance:quote:BUSDT",
    "binance:book:AUSDT",
    "binance:book:BUSDT",
    "binance:candle:AUSDT@1m",
    "binance:mini_ticker:!all",
    "binance:trade:AUSDT",
    "binance:trade:BUSDT",
];

/// Makes updates as a feed would.
struct Maker {
    topics: Vec<Topic>,
    views: Vec<View>,
}

impl Maker {
    fn new() -> Self {
        let view = View { epoch: Epoch::new(1), ..View::default() };
        Self { topics: NAMES.iter().map(|name| topic(name)).collect(), views: vec![view; NAMES.len()] }
    }

    fn make(&mut self, index: usize, kind: Kind, data: Data) -> Shared {
        let view = &mut self.views[index];
        let offset = view.offset + u64::from(kind.consumes_offset());
        let made = update(&self.topics[index], view.epoch.bits(), offset, kind, data);
        view.apply(&made);
        made
    }

    fn step(&mut self, step: &Step) -> Option<Shared> {
        match step {
            Step::Quote { topic, bid } => {
                let data = quote(&self.topics[0], 0, *bid).data.clone();
                Some(self.make(usize::from(*topic), Kind::Delta, data))
            }
            Step::Trade { topic } => {
                let data = trade(&self.topics[6], 1).data.clone();
                Some(self.make(6 + usize::from(*topic), Kind::Event, data))
            }
            Step::Levels { topic, levels, bids } => {
                let data = super::book(levels, *bids, BookState::Live);
                Some(self.make(2 + usize::from(*topic), Kind::Delta, data))
            }
            Step::Candle { closed, close } => {
                let kind = if *closed { Kind::Event } else { Kind::Delta };
                Some(self.make(4, kind, candle(*close, *closed)))
            }
            Step::Array { key, bid } => {
                let entry = (key.to_string().into(), quote(&self.topics[0], 0, *bid).data.clone());
                Some(self.make(5, Kind::Delta, Data::Keyed(Box::new(Keyed(vec![entry])))))
            }
            Step::Status { topic } => Some(self.make(usize::from(*topic), Kind::Status, Data::Empty {})),
            Step::Break { topic } => {
                let index = usize::from(*topic);
                let data = self.views[index].whole(NAMES[index])?;
                let view = &mut self.views[index];
                (view.epoch, view.offset) = (Epoch::new(view.epoch.bits() + 1), 0);
                Some(self.make(index, Kind::Snapshot, data))
            }
            Step::Read { .. } => None,
        }
    }
}

fn candle(close: i64, closed: bool) -> Data {
    let price = Decimal::from(close);
    let (open, high, low) = (price, price, price);
    let (start, end) = (Unix(0), Unix(59));
    let (volume, quote_volume, trades) = (Decimal::from(1), None, 1);
    Data::Candle(Box::new(Candle {
        interval: "1m".into(),
        start,
        end,
        open,
        high,
        low,
        close: price,
        volume,
        quote_volume,
        trades,
        closed,
    }))
}

/// A reader that checks what it is given.
#[derive(Default)]
struct Reader {
    views: BTreeMap<Topic, View>,
    /// Closed candles and statuses, which must all arrive.
    fixed: Vec<(Topic, Kind, u64)>,
}

impl Reader {
    fn read(&mut self, update: &Update, conflated: bool) {
        let view = self
            .views
            .entry(update.topic.clone())
            .or_insert(View { epoch: Epoch::new(1), ..View::default() });
        if update.kind == Kind::Snapshot {
            assert!(update.epoch > view.epoch || update.offset > view.offset, "a snapshot goes forward");
        } else if let Data::Gap(gap) = &update.data {
            assert!(!conflated || update.topic.channel().shape() == Shape::Event);
            assert_eq!(
                (gap.from, gap.to),
                (view.offset + 1, update.offset),
                "a gap covers exactly what is lost"
            );
            view.offset = gap.to;
        } else if update.kind.consumes_offset() {
            assert_eq!(update.epoch, view.epoch, "a new epoch begins with a snapshot");
            let covered = u64::from(update.merged.max(1));
            assert_eq!(update.offset, view.offset + covered, "every offset is accounted for");
        }
        if matches!(update.kind, Kind::Status)
            || update.topic.channel() == Channel::Candle && update.kind == Kind::Event
        {
            self.fixed.push((update.topic.clone(), update.kind, update.offset));
        }
        view.apply(update);
    }
}

fn run(steps: &[Step], how: Delivery, bounds: Bounds) -> (Maker, Reader, usize) {
    let (to, mut from) = outbox(SubscriberId(1), "reader", Overflow::Gap, bounds);
    let (mut maker, mut reader, mut expected) = (Maker::new(), Reader::default(), Reader::default());
    let mut most = 0;
    for step in steps {
        if let Step::Read { chunk } = step {
            for _ in 0..*chunk {
                if let Some(update) = from.try_next() {
                    reader.read(&update, true);
                }
            }
        }
        if let Some(update) = maker.step(step) {
            expected.read(&update, false);
            give(&to, how, [update]);
            most = most.max(to.stats().queued);
        }
    }
    let mut rest = Vec::new();
    from.drain(&mut rest);
    rest.iter().for_each(|update| reader.read(update, true));
    assert!(!to.is_closed());
    assert_eq!(to.stats().bytes, 0);
    if how == Delivery::Conflate {
        let of = |fixed: &[(Topic, Kind, u64)], topic: &Topic| -> Vec<(Kind, u64)> {
            fixed.iter().filter(|(t, ..)| t == topic).map(|(_, kind, offset)| (*kind, *offset)).collect()
        };
        for topic in &maker.topics {
            assert_eq!(of(&reader.fixed, topic), of(&expected.fixed, topic), "nothing fixed is merged away");
        }
    }
    (maker, reader, most)
}

fn ends_alike(maker: &Maker, reader: &Reader) {
    for (topic, made) in maker.topics.iter().zip(&maker.views) {
        let Some(seen) = reader.views.get(topic) else { continue };
        assert_eq!(seen.offset, made.offset, "{topic}");
        assert_eq!(seen.epoch, made.epoch, "{topic}");
        if topic.channel().shape() != Shape::Event {
            assert_eq!(seen, made, "{topic}");
        }
    }
}

proptest! {
    #[test]
    fn conflation_ends_where_every_update_ends(steps in proptest::collection::vec(step(), 1..300)) {
        let (maker, reader, _) = run(&steps, Delivery::Conflate, ROOMY);
        ends_alike(&maker, &reader);
    }

    #[test]
    fn an_overrun_outbox_accounts_for_every_offset(
        steps in proptest::collection::vec(step(), 1..400), messages in 24usize..48,
    ) {
        let (maker, reader, most) = run(&steps, Delivery::Every, Bounds { messages, ..ROOMY });
        ends_alike(&maker, &reader);
        // Beyond the bound: the pressed entries, whose number is bounded apart.
        prop_assert!(most <= messages + 1 + messages + 4 * NAMES.len() + NAMES.len());
    }
}
