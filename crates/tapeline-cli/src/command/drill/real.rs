//! Drills over real sockets: a hub of this process, the venue's server on loopback, and an account of every id.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tapeline::core::config::{FeedConfig, Limits};
use tapeline::core::data::update::GapKind;
use tapeline::core::policy::uptime::KIND;
use tapeline::{
    Bounds, Breakers, Data, Delivery, FeedStatus, Hub, HubConfig, Source, Subscription, Target, Update,
    VenueConfig,
};
use tapeline_sim::drills::staged::{Observed, Staged, Step, judge, stage};
use tapeline_sim::drills::{Report, Unknown};
use tapeline_sim::{Content, MarketOptions, Options, Server, StartError, Symbol, TrueBook};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

/// What the reader reads, without the venue.
const TOPICS: [&str; 5] = ["trade:BTCUSDT", "trade:ETHUSDT", "book:BTCUSDT", "book:ETHUSDT", "quote:BTCUSDT"];
/// The reader takes everything as it comes.
const BOUNDS: Bounds = Bounds { messages: 100_000, bytes: 64 << 20 };
/// Records of a drill; there are a few hundred.
const RECORDS: usize = 10_000;
/// Drills that are played at a time.
const AT_ONCE: usize = 4;
/// A book is compared to so many levels a side.
const LEVELS: usize = 20;
/// A book that is right can be had within this.
const BOOK_WITHIN: Duration = Duration::from_secs(5);

/// Why a drill was not played.
#[derive(Debug)]
pub(super) enum NotPlayed {
    /// There is none of this name.
    Unknown(Unknown),
    /// It is played in virtual time only.
    Virtual(&'static str),
    /// The venue could not be opened, or not be read.
    Failed(String),
}

impl From<Unknown> for NotPlayed {
    fn from(unknown: Unknown) -> Self {
        Self::Unknown(unknown)
    }
}

impl From<StartError> for NotPlayed {
    fn from(error: StartError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Plays drills, some of them at a time; their reports come in the order of the names.
pub(super) fn start(names: &[String], seed: u64) -> Vec<JoinHandle<Result<Report, NotPlayed>>> {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let one = |name: &String| {
        let (places, name) = (Arc::clone(&places), name.clone());
        tokio::spawn(async move {
            // It is never closed.
            let _place = places.acquire().await;
            play(&name, seed).await
        })
    };
    names.iter().map(one).collect()
}

/// Plays one drill.
async fn play(name: &str, seed: u64) -> Result<Report, NotPlayed> {
    // Where it will be played is not known before the venue is open; whether it can be, is.
    let blank = stage(name, "")?.map_err(NotPlayed::Virtual)?;
    let server = open(&blank, seed).await?;
    let staged = stage(name, &server.addr().to_string())?.map_err(NotPlayed::Virtual)?;
    let mut rig = Rig::new(staged, server, seed).await?;
    let observed = rig.run().await?;
    rig.hub.shutdown().await;
    rig.server.shutdown().await;
    Ok(judge(name, seed, observed)?)
}

async fn open(staged: &Staged, seed: u64) -> Result<Server, StartError> {
    let mut market = MarketOptions::new(staged.futures);
    market.symbols = Symbol::ten(staged.futures).into_iter().take(2).collect();
    market.seed = seed;
    let usual = Options::new(Content::Market(market));
    Server::start(Options { lifetime: staged.cut_after, ..usual }).await
}

/// A venue, a hub that reads it, and what has come of that.
struct Rig {
    staged: Staged,
    server: Server,
    hub: Hub,
    venue: &'static str,
    reader: Subscription,
    ids: BTreeMap<String, Ids>,
    repaired: u64,
}

/// The ids of one topic, as they reached the reader.
#[derive(Default)]
struct Ids {
    came: BTreeSet<u64>,
    doubled: u64,
    declared: Vec<(u64, u64)>,
}

impl Rig {
    async fn new(staged: Staged, server: Server, seed: u64) -> Result<Self, NotPlayed> {
        let venue = if staged.futures { "binance-usdm" } else { "binance" };
        let port = server.addr().port();
        let streams = [server.ws_url(), format!("ws://localhost:{port}")];
        let feed = FeedConfig {
            streams: streams.into_iter().take(staged.endpoints).collect(),
            rest: vec![server.url()],
            lines: staged.lines,
            limits: Limits { repair: staged.repair, ..Limits::default() },
            timing: staged.timing.clone(),
            ..FeedConfig::default()
        };
        let venues = BTreeMap::from([(venue.to_owned(), VenueConfig { feed, ..VenueConfig::default() })]);
        let hub = Hub::new(HubConfig { venues, seed: Some(seed), ..HubConfig::default() });
        let topics: Vec<String> = TOPICS.iter().map(|topic| format!("{venue}:{topic}")).collect();
        let reader = hub.subscribe(topics).name("drill").delivery(Delivery::Every).bounds(BOUNDS).await;
        let reader = reader.map_err(|error| NotPlayed::Failed(error.to_string()))?;
        Ok(Self { staged, server, hub, venue, reader, ids: BTreeMap::new(), repaired: 0 })
    }

    async fn run(&mut self) -> Result<Observed, NotPlayed> {
        self.read_until(Instant::now() + self.staged.warm).await?;
        let start = Instant::now();
        let (before, dialled) = (Counts::of(&self.status().await?), self.dials());
        let newest = self.hub.events(0, RECORDS).last().map_or(0, |event| event.seq);
        for (at, step) in self.staged.steps.clone() {
            self.read_until(start + at).await?;
            self.take(step).await?;
        }
        self.read_until(start + self.staged.lasts).await?;
        let reliability = self.hub.reliability(Some(start.elapsed())).await.report;
        let after = Counts::of(&self.status().await?);
        let mut observed = Observed {
            full: Some(reliability.full),
            any: Some(reliability.any),
            repaired: self.repaired,
            struck: self.server.report().troubles,
            dials: self.dials() - dialled,
            rotations: after.rotations - before.rotations,
            resyncs: after.resyncs - before.resyncs,
            undecodable: after.undecodable - before.undecodable,
            wrong: self.compare_books().await,
            ..Observed::default()
        };
        self.read_record(newest, &mut observed);
        for (topic, ids) in &self.ids {
            ids.account(topic, &self.server, &mut observed);
        }
        Ok(observed)
    }

    /// Dials so far, as the venue counts them.
    fn dials(&self) -> u64 {
        let report = self.server.report();
        report.connects + report.refused
    }

    async fn read_until(&mut self, end: Instant) -> Result<(), NotPlayed> {
        while let Ok(update) = timeout_at(end, self.reader.next()).await {
            let update = update.ok_or_else(|| NotPlayed::Failed("the subscription ended".to_owned()))?;
            self.came(&update);
        }
        Ok(())
    }

    fn came(&mut self, update: &Update) {
        let ids = self.ids.entry(update.topic.as_str().to_owned()).or_default();
        match &update.data {
            Data::Trade(trade) => {
                ids.doubled += u64::from(!ids.came.insert(trade.id));
                self.repaired += u64::from(update.source == Source::Repair);
            }
            Data::Gap(gap) if gap.kind == GapKind::Venue => ids.declared.push((gap.from, gap.to)),
            _ => {}
        }
    }

    async fn take(&self, step: Step) -> Result<(), NotPlayed> {
        let failed = |error: tapeline::OrderError| NotPlayed::Failed(error.to_string());
        match step {
            Step::Trouble(trouble) => drop(self.server.trouble(trouble)),
            Step::Towards(side, mut trouble) => {
                trouble.scope.socket = self.socket_of(side).await?;
                self.server.trouble(trouble);
            }
            Step::Rotate => drop(self.hub.rotate(&Target::All).await.map_err(failed)?),
            Step::Forgive => drop(self.hub.reset(&Target::All, Breakers::Closed).await.map_err(failed)?),
        }
        Ok(())
    }

    /// The venue's end of the first line of a side: the two dial different endpoints.
    async fn socket_of(&self, side: u8) -> Result<Option<u64>, NotPlayed> {
        let status = self.status().await?;
        let name = if side == 0 { "a" } else { "b" };
        let endpoint = status.lines.iter().find(|line| line.side == name && line.phase == "live");
        let host = endpoint.map_or("", |line| line.endpoint.rsplit('/').next().unwrap_or(""));
        let sockets = self.server.sockets();
        Ok(sockets.into_iter().find(|(_, at)| at == host).map(|(number, _)| number))
    }

    async fn status(&self) -> Result<FeedStatus, NotPlayed> {
        let status = self.hub.status().await;
        let feed = status.venues.into_iter().find_map(|venue| venue.feed);
        feed.ok_or_else(|| NotPlayed::Failed("the feed does not run".to_owned()))
    }

    /// What the record tells: the rungs and phases since `newest`, and who is not fully served in the end.
    fn read_record(&self, newest: u64, observed: &mut Observed) {
        let mut served: BTreeMap<String, &'static str> = BTreeMap::new();
        for event in self.hub.events(0, RECORDS) {
            match event.kind {
                KIND => drop(served.insert(event.entity.to_string(), event.to)),
                "rung" if event.seq > newest => drop(observed.rungs.insert(event.to)),
                "line" if event.seq > newest => drop(observed.phases.insert(event.to)),
                _ => {}
            }
        }
        let topics = TOPICS.iter().map(|topic| format!("{}:{topic}", self.venue));
        let full = |topic: &String| served.get(topic).is_some_and(|state| *state == "full");
        observed.unserved = topics.filter(|topic| !full(topic)).collect();
    }

    /// Both books beside those of the venue, at the same update id.
    async fn compare_books(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for symbol in ["BTCUSDT", "ETHUSDT"] {
            let topic = format!("{}:book:{symbol}", self.venue);
            let found = match self.hub.get(topic.as_str(), BOOK_WITHIN).await {
                Ok(update) => update,
                Err(error) => {
                    wrong.push(format!("{topic}: {error}"));
                    continue;
                }
            };
            let Data::Book(book) = &found.data else { continue };
            let Some(truth) = self.server.truth(symbol, book.venue_id) else {
                wrong.push(format!("{topic}: the venue never had {:?}", book.venue_id));
                continue;
            };
            let ours: Vec<String> = [book.bids(), book.asks()]
                .iter()
                .flat_map(|side| side.iter().take(LEVELS))
                .map(|level| format!("{} {}", level.price, level.size))
                .collect();
            if ours != levels(&truth) {
                wrong.push(format!("{topic}: the book at {:?} is not the venue's", book.venue_id));
            }
        }
        wrong
    }
}

/// The levels of the venue's book, written as ours are.
fn levels(truth: &TrueBook) -> Vec<String> {
    let trimmed = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    let sides = [&truth.bids, &truth.asks];
    let all = sides.iter().flat_map(|side| side.iter().take(LEVELS));
    all.map(|(price, size)| format!("{} {}", trimmed(price), trimmed(size))).collect()
}

impl Ids {
    /// Compares what came to what the venue made.
    fn account(&self, topic: &str, server: &Server, observed: &mut Observed) {
        observed.duplicated += self.doubled;
        let (Some(first), Some(last)) = (self.came.first(), self.came.last()) else { return };
        let told = |id: &u64| self.declared.iter().any(|(from, to)| (*from..=*to).contains(id));
        let symbol = topic.rsplit(':').next().unwrap_or("");
        let made = server.trades(symbol, first - 1).unwrap_or_default();
        let made = made.iter().filter(|trade| trade.lots > 0 && trade.id <= *last).map(|trade| trade.id);
        let away: Vec<u64> = made.filter(|id| !self.came.contains(id)).collect();
        let (declared, lost): (Vec<u64>, Vec<u64>) = away.into_iter().partition(told);
        observed.declared += declared.len() as u64;
        observed.lost += lost.len() as u64;
        if let (Some(from), Some(to)) = (lost.first(), lost.last()) {
            observed.wrong.push(format!("{topic}: nobody was told of {from} to {to}, of {first} to {last}"));
        }
    }
}

/// Figures of a feed that only grow.
struct Counts {
    rotations: u64,
    resyncs: u64,
    undecodable: u64,
}

impl Counts {
    fn of(status: &FeedStatus) -> Self {
        Self {
            rotations: status.rotations,
            resyncs: status.resyncs.values().sum(),
            undecodable: status.decode_errors.values().sum(),
        }
    }
}
