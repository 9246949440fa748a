//! Where a stream ends and REST goes on: through the product's adapter both tell the same, event by event.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;
use tapeline_core::data::event::Quote;
use tapeline_core::data::topic::Topic;
use tapeline_core::data::update::Data;
use tapeline_core::time::Unix;
use tapeline_core::venue::{Decoded, Fetch, HttpReply, Item, LineId, Names, TopicId, Venue};
use tapeline_sim::house::{House, HouseOptions, Say};
use tapeline_sim::{MarketOptions, Symbol};
use tapeline_venues::binance::{Binance, Market};

const SECOND: u64 = 1_000_000_000;
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A house, a socket on one topic of it, and the adapter that reads both.
struct Seam {
    venue: Binance,
    house: House,
    topic: Topic,
    /// What the stream has told so far.
    told: Vec<Item>,
    now: u64,
}

impl Seam {
    /// A house that has run for so long, and everything that it has streamed of a topic.
    fn after(nanos: u64, topic: &str) -> Self {
        let topic = Topic::parse(topic).unwrap();
        let market = if topic.venue() == "binance" { Market::Spot } else { Market::UsdM };
        let futures = market == Market::UsdM;
        let symbols = Symbol::ten(futures).into_iter().take(2).collect();
        let mut options = HouseOptions::new(MarketOptions { symbols, ..MarketOptions::new(futures) });
        // Nobody answers pings here.
        options.ping_every = Duration::from_secs(24 * 3_600);
        let mut house = House::new(options);
        let venue = Binance::new(market);
        let route = venue.route(&topic).unwrap();
        let base = match venue.profile().groups[usize::from(route.group)].name {
            "stream" => "",
            "public" => "/public",
            _ => "/market",
        };
        house.connect(0, HERE, &format!("{base}/stream?streams={}", route.stream)).unwrap();
        house.advance(nanos);
        let mut names = Names::default();
        names.insert(&route.stream, TopicId(0));
        let mut out = Decoded::default();
        while let Some((_, say)) = house.next_output() {
            if let Say::Text(text) = say {
                venue.decode(LineId { slot: 0, dial: 1 }, &text, &names, &mut out).unwrap();
            }
        }
        assert!(out.items.len() > 1, "{topic} is silent");
        Self { venue, house, topic, told: out.items, now: nanos }
    }

    /// What REST answers, without the weight it bears.
    fn ask(&mut self, why: Fetch) -> Vec<Item> {
        let request = self.venue.fetch(why, "", &self.topic).expect("offered");
        let reply = self.house.request(self.now, HERE, &request.url);
        assert!(reply.body.len() <= request.max_body);
        let headers: Vec<(String, String)> =
            reply.headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let read = HttpReply { status: reply.status, headers: &headers, body: &reply.body, now: Unix(0) };
        let mut out = Decoded::default();
        self.venue.decode_fetch(why, &self.topic, &read, &mut out).unwrap();
        let weighed = out.items.remove(0);
        assert!(matches!(weighed, Item::Weight { used } if used >= request.weight), "{weighed:?}");
        out.items
    }

    fn newest(&self) -> &Item {
        self.told.last().expect("not silent")
    }
}

fn id(item: &Item) -> u64 {
    match item {
        Item::Market { id, .. } | Item::Spent { id, .. } => *id,
        other => panic!("{other:?}"),
    }
}

/// Equal, and told briefly if not.
#[track_caller]
fn same(asked: &[Item], told: &[Item], what: &str) {
    let ids = |items: &[Item]| items.iter().map(id).collect::<Vec<_>>();
    assert_eq!(ids(asked), ids(told), "{what}");
    for (asked, told) in asked.iter().zip(told) {
        assert_eq!(asked, told, "{what}");
    }
}

fn data(item: &Item) -> &Data {
    match item {
        Item::Market { data, .. } => data,
        other => panic!("{other:?}"),
    }
}

const EVENTS: [&str; 5] = [
    "binance:trade:BTCUSDT",
    "binance:agg_trade:BTCUSDT",
    "binance:block_trade:BTCUSDT",
    "binance-usdm:agg_trade:BTCUSDT",
    "binance-usdm:trade:BTCUSDT",
];

#[test]
fn what_was_missed_is_told_again_as_it_was() {
    // The last of them needs a key.
    for topic in &EVENTS[..4] {
        for (first, last) in [(1, 1), (1, 4), (0, 3), (3, 3)] {
            let mut seam = Seam::after(300 * SECOND, topic);
            let missed = seam.told[first..=last].to_vec();
            let why = Fetch::Backfill { from: id(&missed[0]), to: id(&missed[last - first]) };
            same(&seam.ask(why), &missed, topic);
        }
    }
}

#[test]
fn ids_that_were_never_used_are_told_as_such() {
    let mut seam = Seam::after(30 * SECOND, EVENTS[0]);
    let before = id(seam.newest());
    seam.house.trouble(seam.now, "trade-hole symbol=BTCUSDT".parse().unwrap());
    seam.now += 30 * SECOND;
    let after = seam.ask(Fetch::Poll { after: Some(before) });
    assert!(after.iter().map(id).eq(before + 1..before + 1 + after.len() as u64), "{after:?}");
    assert!(after.iter().any(|item| matches!(item, Item::Spent { .. })) && after.len() > 10);
}

#[test]
fn what_is_new_goes_on_where_the_stream_ended() {
    for topic in EVENTS {
        let mut seam = Seam::after(200 * SECOND, topic);
        let newest = seam.told.len();
        // As many as one reply holds, spent ids among them.
        let seen = newest.saturating_sub(900).max(1) - 1;
        let after = id(&seam.told[seen]);
        let new = seam.ask(Fetch::Poll { after: Some(after) });
        same(&new, &seam.told[seen + 1..], topic);
    }
}

#[test]
fn a_full_reply_is_a_beginning_without_a_hole() {
    let mut seam = Seam::after(200 * SECOND, EVENTS[0]);
    let (first, last) = (id(&seam.told[0]), id(seam.newest()));
    assert!(last - first > 2_000, "{first} to {last}");
    let (mut after, mut all) = (first, vec![seam.told[0].clone()]);
    while after < last {
        seam.now += 60 * SECOND;
        let why = Fetch::Backfill { from: after + 1, to: last };
        let some = seam.venue.fetch(why, "", &seam.topic).map(|request| request.url).unwrap();
        assert!(some.contains("limit=1000") || last - after < 998, "{some}");
        seam.house.advance(seam.now);
        all.extend(seam.ask(why));
        after = id(all.last().unwrap());
    }
    same(&all, &seam.told, EVENTS[0]);
}

#[test]
fn the_newest_events_are_a_place_to_begin() {
    for topic in EVENTS.into_iter().filter(|topic| !topic.contains("block")) {
        let mut seam = Seam::after(60 * SECOND, topic);
        let newest = seam.ask(Fetch::Poll { after: None });
        assert!(newest.len() >= 10 && seam.told.ends_with(&newest), "{topic}: {newest:?}");
    }
}

#[test]
fn states_are_told_as_the_stream_tells_them_in_the_same_moment() {
    for topic in [
        "binance:ticker:BTCUSDT",
        "binance:ticker:BTCUSDT@window=1h",
        "binance:ticker:BTCUSDT@window=4h",
        "binance:ticker:BTCUSDT@window=1d",
        "binance:mini_ticker:BTCUSDT",
        "binance:avg_price:BTCUSDT",
        "binance:reference_price:BTCUSDT",
        "binance-usdm:ticker:BTCUSDT",
        "binance-usdm:mini_ticker:BTCUSDT",
        "binance-usdm:mark_price:BTCUSDT",
        "binance-usdm:mark_price:!all",
    ] {
        let topic = Binance::new(if topic.starts_with("binance:") { Market::Spot } else { Market::UsdM })
            .canonical(Topic::parse(topic).unwrap())
            .unwrap();
        // A full second, in which all of them are told.
        let mut seam = Seam::after(90 * SECOND, topic.as_str());
        let asked = seam.ask(Fetch::Poll { after: None });
        assert_eq!(asked, [seam.newest().clone()], "{topic}");
    }
}

#[test]
fn all_symbols_are_told_as_each_of_them() {
    for (all, one) in [
        ("binance:mini_ticker:!all", "binance:mini_ticker:ETHUSDT"),
        ("binance-usdm:ticker:!all", "binance-usdm:ticker:ETHUSDT"),
        ("binance-usdm:mini_ticker:!all", "binance-usdm:mini_ticker:ETHUSDT"),
        ("binance-usdm:mark_price:!all", "binance-usdm:mark_price:ETHUSDT"),
    ] {
        let mut seam = Seam::after(90 * SECOND, all);
        let asked = seam.ask(Fetch::Poll { after: None });
        let Data::Keyed(keyed) = data(&asked[0]) else { panic!("{asked:?}") };
        assert_eq!(keyed.0.iter().map(|(symbol, _)| &**symbol).collect::<Vec<_>>(), ["BTCUSDT", "ETHUSDT"]);
        seam.topic = Topic::parse(one).unwrap();
        let single = seam.ask(Fetch::Poll { after: None });
        assert_eq!(*data(&single[0]), keyed.0[1].1, "{all}");
    }
}

#[test]
fn the_top_of_the_book_is_that_of_the_stream_with_an_id_that_is_not_older() {
    for topic in ["binance:quote:BTCUSDT", "binance-usdm:quote:BTCUSDT"] {
        let mut seam = Seam::after(90 * SECOND, topic);
        let asked = seam.ask(Fetch::Poll { after: None });
        let (Data::Quote(streamed), Data::Quote(polled)) = (data(seam.newest()), data(&asked[0])) else {
            panic!("{asked:?}")
        };
        assert!(id(&asked[0]) >= id(seam.newest()) && polled.venue_id == Some(id(&asked[0])));
        assert_eq!(*polled, Quote { venue_id: polled.venue_id, ..streamed.clone() });
    }
}

#[test]
fn candles_close_as_the_stream_closes_them() {
    for topic in ["binance:candle:BTCUSDT@interval=1m", "binance-usdm:candle:BTCUSDT@interval=1m"] {
        let mut seam = Seam::after(152 * SECOND, topic);
        let asked = seam.ask(Fetch::Poll { after: None });
        let closed = |item: &&Item| matches!(data(item), Data::Candle(candle) if candle.closed);
        let final_one = seam.told.iter().rfind(closed).expect("a minute has ended");
        assert_eq!(data(&asked[0]), data(final_one), "{topic}");
        assert_eq!(data(&asked[1]), data(seam.newest()), "{topic}");
        let time = |item: &Item| if let Item::Market { time, .. } = item { *time } else { None };
        assert!(time(&asked[0]) < time(final_one), "told after the stream has told it, it is older");
        assert!(time(&asked[1]) <= time(seam.newest()) && time(&asked[1]) > time(&asked[0]));
    }
}

#[test]
fn candles_are_told_from_the_last_that_is_closed_to_the_newest() {
    for topic in ["binance:candle:BTCUSDT@interval=1s", "binance-usdm:candle:BTCUSDT@interval=1m"] {
        let mut seam = Seam::after(400 * SECOND, topic);
        let closed = |item: &Item| matches!(data(item), Data::Candle(candle) if candle.closed);
        let told: Vec<Item> = seam.told.iter().filter(|item| closed(item)).cloned().collect();
        let told = &told[told.len() - 5..];
        let Data::Candle(first) = data(&told[0]) else { panic!("{told:?}") };
        let after = u64::try_from(first.start.0 / 1_000_000).unwrap();
        let asked = seam.ask(Fetch::Poll { after: Some(after) });
        assert!(asked.len() > told.len(), "{topic}: {asked:?}");
        for (asked, told) in asked.iter().zip(told) {
            assert_eq!(data(asked), data(told), "{topic}");
        }
    }
}

#[test]
fn books_and_their_best_levels_come_whole() {
    for (topic, most) in [("binance:depth:BTCUSDT@levels=5", 5), ("binance-usdm:depth:BTCUSDT@levels=20", 20)]
    {
        let mut seam = Seam::after(30 * SECOND, topic);
        let asked = seam.ask(Fetch::Poll { after: None });
        let [Item::Levels { levels, bids, last, .. }] = &asked[..] else { panic!("{asked:?}") };
        assert_eq!((levels.len(), *bids), (2 * most, most as u32));
        let truth = seam.house.truth("BTCUSDT", None).unwrap();
        assert_eq!(*last, truth.id);
    }
}
