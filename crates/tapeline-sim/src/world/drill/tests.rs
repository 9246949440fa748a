//! Worlds in which something was made wrong by hand, and who objects.

use super::*;
use tapeline_core::data::event::Side;
use tapeline_core::data::topic::TopicError;
use tapeline_core::data::update::Data;
use tapeline_core::venue::{
    Change, DecodeError, Decoded, DialRequest, Fetch, HttpReply, HttpRequest, Item, Keys, LineId, Names,
    Profile, Refusal, Request, Route, Venue,
};
use tapeline_venues::binance::Market;

/// Who objects to a calm world of so many seconds in which something was made wrong by hand.
fn judged_for(seconds: u64, spoil: impl FnOnce(&mut World)) -> Option<Oracle> {
    let mut world = World::new(Drill { calm: true, ..Drill::new(1, seconds) });
    spoil(&mut world);
    world.run();
    world.oracles.verdict.map(|(oracle, _)| oracle)
}

fn judged(spoil: impl FnOnce(&mut World)) -> Option<Oracle> {
    judged_for(20, spoil)
}

#[test]
fn logs_beyond_their_bound_are_seen() {
    // Only the judge hears of the new bound.
    let bounded = |bytes: usize| judged(|world| world.hosts[1].config.limits.logs_bytes = bytes);
    assert_eq!(bounded(1 << 20), None);
    assert_eq!(bounded(1 << 10), Some(Oracle::Memory));
}

#[test]
fn a_feed_that_panics_is_seen() {
    let panics = |host: &mut Host| host.with(|_| -> () { panic!("made up") });
    assert_eq!(judged(|world| assert!(panics(&mut world.hosts[0]).is_none())), Some(Oracle::Panic));
}

/// An adapter that does something to what it reads.
struct Odd(Binance, fn(&[u8], &mut Decoded));

/// What an adapter leaves of a frame that it cannot read.
fn unreadable(out: &mut Decoded) {
    out.items.clear();
    out.items.push(Item::Goodbye);
    out.items.push(Item::Goodbye);
}

impl Venue for Odd {
    fn profile(&self) -> &Profile {
        self.0.profile()
    }
    fn canonical(&self, topic: Topic) -> Result<Topic, TopicError> {
        self.0.canonical(topic)
    }
    fn route(&self, topic: &Topic) -> Result<Route, TopicError> {
        self.0.route(topic)
    }
    fn dial(&self, group: u8, origin: &str, wanted: &[&str], keys: Option<&Keys>) -> DialRequest {
        self.0.dial(group, origin, wanted, keys)
    }
    fn requests(&self, change: &Change<'_>, out: &mut Vec<Request>) {
        self.0.requests(change, out);
    }
    fn decode(
        &self,
        line: LineId,
        frame: &[u8],
        names: &Names,
        out: &mut Decoded,
    ) -> Result<(), DecodeError> {
        self.0.decode(line, frame, names, out)?;
        (self.1)(frame, out);
        let refuses = matches!(out.items[..], [Item::Goodbye, Item::Goodbye]);
        if refuses { Err(DecodeError::Missing("what is there")) } else { Ok(()) }
    }
    fn fetch(&self, why: Fetch, origin: &str, topic: &Topic) -> Option<HttpRequest> {
        self.0.fetch(why, origin, topic)
    }
    fn decode_fetch(
        &self,
        why: Fetch,
        topic: &Topic,
        reply: &HttpReply<'_>,
        out: &mut Decoded,
    ) -> Result<(), Refusal> {
        self.0.decode_fetch(why, topic, reply, out)
    }
}

/// Who objects to an adapter that does this to what it reads of a market.
fn odd(seconds: u64, market: Market, spoil: fn(&[u8], &mut Decoded)) -> Option<Oracle> {
    judged_for(seconds, |world| {
        let host = MARKETS.iter().position(|known| *known == market).unwrap();
        let way = Weather::new(20 * MS, MS, Rng::new(1, 20));
        world.hosts[host] =
            Host::new(host, Arc::new(Odd(Binance::new(market), spoil)), Plan::config(), 1, way);
    })
}

#[test]
fn an_adapter_that_panics_is_seen() {
    let panics = |frame: &[u8], _: &mut Decoded| {
        assert!(!frame.windows(6).any(|part| part == b"@trade"), "not expected");
    };
    assert_eq!(odd(20, Market::Spot, |_, _| {}), None);
    assert_eq!(odd(20, Market::Spot, panics), Some(Oracle::Panic));
}

#[test]
fn an_adapter_that_refuses_what_is_right_is_seen() {
    let refuses: fn(&[u8], &mut Decoded) = |_, out| {
        if matches!(out.items[..], [Item::Market { data: Data::Quote(_), id, .. }] if id % 100 == 0) {
            unreadable(out);
        }
    };
    assert_eq!(odd(20, Market::Spot, refuses), Some(Oracle::Accounting));
}

/// Does something to the data of every market item.
fn each(out: &mut Decoded, change: fn(&mut Data)) {
    for item in &mut out.items {
        if let Item::Market { data, .. } = item {
            change(data);
        }
    }
}

#[test]
fn wrong_contents_are_seen_on_every_channel() {
    let on = |market: Market, expected: Oracle, change: fn(&[u8], &mut Decoded)| {
        assert_eq!(odd(20, market, change), Some(expected));
    };
    let check = |expected, change| on(Market::UsdM, expected, change);
    check(Oracle::Accounting, |_, out| {
        each(out, |data| {
            if let Data::Trade(trade) = data {
                trade.side = if trade.side == Side::Buy { Side::Sell } else { Side::Buy };
            }
        });
    });
    check(Oracle::Accounting, |_, out| {
        each(out, |data| {
            if let Data::AggTrade(trade) = data {
                trade.price = 1.into();
            }
        });
    });
    check(Oracle::BookTruth, |_, out| {
        each(out, |data| {
            if let Data::Quote(quote) = data {
                (quote.bid, quote.ask) = (7.into(), 3.into());
            }
        });
    });
    check(Oracle::Accounting, |_, out| {
        each(out, |data| {
            if let Data::Candle(candle) = data {
                candle.trades += 1;
            }
        });
    });
    check(Oracle::Accounting, |_, out| {
        each(out, |data| {
            if let Data::MarkPrice(mark) = data {
                mark.index = Some(mark.price);
            }
        });
    });
    on(Market::Spot, Oracle::Accounting, |_, out| {
        each(out, |data| {
            if let Data::MiniTicker(ticker) = data {
                std::mem::swap(&mut ticker.high, &mut ticker.low);
            }
        });
    });
    on(Market::Spot, Oracle::Accounting, |_, out| {
        each(out, |data| {
            if let Data::Ticker(ticker) = data {
                ticker.last_id = None;
            }
        });
    });
}

#[test]
fn a_channel_that_never_delivers_is_missed() {
    let on = |market: Market, change: fn(&[u8], &mut Decoded)| {
        assert_eq!(odd(60, market, change), Some(Oracle::Liveness));
    };
    let check = |change| on(Market::UsdM, change);
    check(|_, out| out.items.retain(|item| !matches!(item, Item::Market { data: Data::AggTrade(_), .. })));
    check(|_, out| out.items.retain(|item| !matches!(item, Item::Market { data: Data::Quote(_), .. })));
    check(|_, out| out.items.retain(|item| !matches!(item, Item::Market { data: Data::MarkPrice(_), .. })));
    check(|_, out| out.items.retain(|item| !matches!(item, Item::Market { data: Data::Candle(_), .. })));
    on(Market::Spot, |_, out| {
        out.items.retain(|item| !matches!(item, Item::Market { data: Data::MiniTicker(_), .. }))
    });
}

#[test]
fn a_top_without_bids_is_seen() {
    let spoil: fn(&[u8], &mut Decoded) = |_, out| {
        for item in &mut out.items {
            if let Item::Levels { bids, levels, .. } = item {
                levels.start += *bids;
                *bids = 0;
            }
        }
    };
    let with_depth = |seed: &u64| {
        let plan = Plan::draw(*seed, 20 * SEC, true);
        plan.topics[0].iter().any(|topic| topic.channel() == Channel::Depth)
    };
    let seed = (0..).find(with_depth).unwrap();
    let verdict = |spoil| {
        let mut world = World::new(Drill { calm: true, ..Drill::new(seed, 20) });
        let way = Weather::new(20 * MS, MS, Rng::new(1, 20));
        let venue = Arc::new(Odd(Binance::new(Market::Spot), spoil));
        world.hosts[0] = Host::new(0, venue, Plan::config(), 1, way);
        world.run();
        world.oracles.verdict.map(|(oracle, _)| oracle)
    };
    assert_eq!(verdict(|_, _| {}), None);
    assert_eq!(verdict(spoil), Some(Oracle::BookTruth));
}

fn objection(ask: Drill, first: &Outcome) -> Option<&'static str> {
    twins(ask, first).map(|violation| violation.oracle)
}

/// Worlds of so many seconds in which somebody sets the wall clock.
fn jumping(seconds: u64) -> impl Iterator<Item = Drill> {
    (0..).map(move |seed| Drill { jumpy: true, ..Drill::new(seed, seconds) })
}

#[test]
fn a_second_course_that_differs_is_seen() {
    let ask = jumping(120).next().unwrap();
    let first = drill(ask);
    assert!(first.struck.keys().any(|name| name.starts_with("wall-")));
    assert_eq!(objection(ask, &first), None);
    let other = Outcome { hash: first.hash ^ 1, ..first };
    assert_eq!(objection(ask, &other), Some(Oracle::Determinism.name()));
}

/// Only a feed that minds the wall clock has another course without its jumps.
#[cfg(feature = "defects")]
#[test]
fn a_course_that_follows_the_wall_clock_is_seen() {
    let planted = jumping(240).map(|ask| Drill { defect: Some(Defect::UseWallTime), ..ask });
    let found: Vec<_> = planted.take(5).filter_map(|ask| objection(ask, &drill(ask))).collect();
    assert!(found.iter().all(|name| *name == Oracle::Clock.name()), "{found:?}");
    assert!(!found.is_empty());
}
