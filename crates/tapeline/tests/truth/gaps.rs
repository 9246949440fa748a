//! A generated market whose deltas get lost on the way: every loss is noticed, and no wrong book is live.

use std::collections::BTreeMap;
use std::time::Duration;

use tapeline::core::data::decimal::Decimal;
use tapeline::core::data::event::{Book, BookState};
use tapeline::{Data, Delivery, FeedConfig, Hub, HubConfig, Kind, Overflow, Update, VenueConfig};
use tapeline_sim::{Content, Kind as Ill, MarketOptions, Options, Server, Speed, Trouble, When};

/// Deltas of the victim that get lost.
const LOST: u64 = 105;
const PATIENCE: Duration = Duration::from_secs(120);

type Levels = BTreeMap<Decimal, Decimal>;

#[derive(Default)]
struct View {
    bids: Levels,
    asks: Levels,
    stale: u64,
    judged: u64,
}

impl View {
    fn apply(&mut self, update: &Update, book: &Book) {
        if update.kind == Kind::Snapshot {
            (self.bids, self.asks) = (Levels::new(), Levels::new());
        }
        for (levels, side) in [(book.bids(), &mut self.bids), (book.asks(), &mut self.asks)] {
            for level in levels {
                if level.size.is_zero() {
                    side.remove(&level.price);
                } else {
                    side.insert(level.price, level.size);
                }
            }
        }
    }
}

/// The whole book, or what the client saw of it, in one form.
fn told(side: &[(String, String)]) -> Levels {
    side.iter().map(|(price, size)| (price.parse().unwrap(), size.parse().unwrap())).collect()
}

fn judge(server: &Server, views: &mut BTreeMap<String, View>, update: &Update) {
    let Data::Book(book) = &update.data else { return };
    let symbol = update.topic.symbol().into_owned();
    let view = views.entry(symbol.clone()).or_default();
    view.apply(update, book);
    view.stale += u64::from(book.state == BookState::Stale);
    // Telling the whole truth takes long; one in eight, and every snapshot, is enough.
    if book.state != BookState::Live || (update.kind == Kind::Delta && !update.offset.is_multiple_of(8)) {
        return;
    }
    let id = book.venue_id.expect("a live book has an id");
    let truth = server.truth(&symbol, Some(id)).expect("the judge remembers every recent book");
    assert_eq!(view.bids, told(&truth.bids), "{symbol} bids at {id}");
    assert_eq!(view.asks, told(&truth.asks), "{symbol} asks at {id}");
    view.judged += 1;
}

/// One loss at a time: the next delta is dropped only when the book is live again.
#[derive(Default)]
struct Losses {
    armed: bool,
    mended: u64,
}

impl Losses {
    fn next(&mut self, server: &Server, stream: &str, update: &Update) {
        let Data::Book(book) = &update.data else { return };
        match book.state {
            BookState::Stale => self.armed = false,
            BookState::Live if !self.armed => {
                // The very first time nothing has been lost yet.
                self.mended += u64::from(server.report().streams.get(stream).is_some_and(|s| s.dropped > 0));
                if self.mended < LOST {
                    server.calm_all();
                    server.trouble(Trouble::on_stream(Ill::Drop, stream, When::At(vec![1])));
                    self.armed = true;
                }
            }
            _ => {}
        }
    }
}

pub(crate) async fn lose_deltas() {
    let market =
        MarketOptions { speed: Speed::Times(10.0), seed: 11, truth: 1 << 17, ..MarketOptions::default() };
    let symbols: Vec<String> = market.symbols.iter().map(|symbol| symbol.name.clone()).collect();
    assert_eq!(symbols.len(), 10);
    let victim = symbols[0].clone();
    let stream = format!("{}@depth", victim.to_lowercase());
    let server = Server::start(Options::new(Content::Market(market))).await.unwrap();
    let mut feed =
        FeedConfig { streams: vec![server.ws_url()], rest: vec![server.url()], ..FeedConfig::default() };
    // A hundred snapshots within a minute are nearly all that the venue allows.
    feed.limits.weight_percent = 100;
    let mut config = HubConfig { seed: Some(1), ..HubConfig::default() };
    config.venues.insert("binance".to_owned(), VenueConfig { feed, ..VenueConfig::default() });
    let hub = Hub::new(config);
    let topics: Vec<String> = symbols.iter().map(|symbol| format!("binance:book:{symbol}")).collect();
    let subscribe = hub.subscribe(&topics[..]).delivery(Delivery::Every).overflow(Overflow::Block);
    let mut reader = subscribe.await.unwrap();
    let mut views = BTreeMap::new();
    let (mut batch, mut losses) = (Vec::new(), Losses::default());
    let read = async {
        while losses.mended < LOST {
            assert!(reader.next_batch(&mut batch).await > 0);
            for update in batch.drain(..) {
                judge(&server, &mut views, &update);
                if update.topic.symbol() == victim {
                    losses.next(&server, &stream, &update);
                }
            }
        }
    };
    tokio::time::timeout(PATIENCE, read).await.expect("the market runs");
    let status = super::socket::status(&hub).await;
    let mut sent = 0;
    for topic in &status.topics {
        let (symbol, book) = (topic.topic.symbol(), topic.book.as_ref().unwrap());
        sent += book.synced + book.refreshed + book.discarded;
        assert_eq!(book.state, BookState::Live, "{symbol}");
        if symbol == victim {
            assert_eq!(book.gaps, LOST, "every lost delta is noticed");
            assert_eq!(topic.counts.resyncs + 1, book.synced, "each broken book is mended once");
        } else {
            assert_eq!((book.gaps, topic.counts.resyncs, book.synced), (0, 0, 1), "{symbol} is not touched");
        }
    }
    let requests: u64 = server.report().snapshots.values().sum();
    assert_eq!((status.snapshots_sent, requests), (sent, sent), "no request without a cause");
    let judged: u64 = views.values().map(|view| view.judged).sum();
    println!(
        "{LOST} deltas of {victim} lost: all noticed, {} stale marks, {requests} snapshots, {judged} live books equal to the truth",
        views[&victim].stale,
    );
    hub.shutdown().await;
    server.shutdown().await;
}
