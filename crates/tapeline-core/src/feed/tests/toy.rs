//! A venue of a few words, and a bench to drive a feed by hand.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::config::FeedConfig;
use crate::data::channel::{Channel, Delivery};
use crate::data::decimal::Decimal;
use crate::data::event::{BookState, Candle, Level, Liquidation, Quote, Side, Trade};
use crate::data::topic::{Topic, TopicError};
use crate::data::update::{Data, Keyed, Kind, Shared, Source};
use crate::feed::{Action, Closed, Feed, FetchId, Input, Memory, Subscribed};
use crate::outbox::{Bounds, Outbox, Overflow, Subscriber, SubscriberId, outbox};
use crate::policy::fault::Fault;
use crate::time::{Mono, Time, Unix};
use crate::venue::{
    BookRule, Chain, Change, Confirm, DecodeError, Decoded, DialRequest, Fetch, Group, HttpReply,
    HttpRequest, Item, Keys, LineId, Login, Names, Profile, Promise, Rate, Refusal, Request, RestLimit,
    Route, Sequencing, Span, TopicId, Venue,
};

pub(super) struct Toy(Profile);

pub(super) const SECOND: Duration = Duration::from_secs(1);
const GROUPS: &[Group] = &[Group {
    name: "all",
    streams_per_line: 4,
    batch: 3,
    messages: Rate { count: 5, per: SECOND },
    confirm: Confirm::ByRequest,
    lifetime: Some(Duration::from_secs(24 * 3600)),
    overlap: true,
    max_message: 1 << 20,
    deflate: false,
    login: Login::AtTheDoor,
}];

/// The toy behind a login by message, which may be repeated on an open line.
pub(super) const LOGIN: &[Group] = &[Group {
    login: Login::ByMessage { greets: true, again: true, patience: Duration::from_secs(20) },
    ..GROUPS[0]
}];
/// One connection, on which keys are shown once.
pub(super) const ONCE: &[Group] = &[Group {
    login: Login::ByMessage { greets: false, again: false, patience: Duration::ZERO },
    overlap: false,
    ..GROUPS[0]
}];

const fn promise(channel: Channel, sequence: Sequencing) -> Promise {
    Promise { channel, sequence, period: None }
}

const CHANNELS: &[Promise] = &[
    promise(Channel::Trade, Sequencing::Contiguous),
    promise(Channel::Quote, Sequencing::Rising),
    promise(Channel::Book, Sequencing::Book),
    promise(Channel::Liquidation, Sequencing::None),
    promise(Channel::Candle, Sequencing::None),
    promise(Channel::Depth, Sequencing::Rising),
    Promise { channel: Channel::MarkPrice, sequence: Sequencing::None, period: Some(SECOND) },
];

impl Toy {
    pub(super) fn of(groups: &'static [Group]) -> Arc<Self> {
        Arc::new(Self(Profile {
            id: "toy",
            streams: &["ws://a", "ws://b"],
            rest: &["http://a"],
            groups,
            channels: CHANNELS,
            book: Some(BookRule { chain: Chain::Contiguous, snapshot_levels: 1_000 }),
            rest_limit: RestLimit { weight: 100, per: 60 * SECOND },
            dials: Rate { count: 300, per: 300 * SECOND },
        }))
    }
}

fn number(word: Option<&str>) -> Result<u64, DecodeError> {
    word.and_then(|word| word.parse().ok()).ok_or(DecodeError::Missing("number"))
}

fn decimal(word: Option<&str>) -> Result<crate::data::decimal::Decimal, DecodeError> {
    word.and_then(|word| word.parse().ok()).ok_or(DecodeError::Missing("decimal"))
}

fn quote(price: Decimal, venue_id: Option<u64>) -> Quote {
    Quote { bid: price, bid_size: 1.into(), ask: price, ask_size: 1.into(), venue_id }
}

impl Venue for Toy {
    fn profile(&self) -> &Profile {
        &self.0
    }

    fn canonical(&self, topic: Topic) -> Result<Topic, TopicError> {
        Ok(topic)
    }

    fn route(&self, topic: &Topic) -> Result<Route, TopicError> {
        let letter = match topic.channel() {
            Channel::Trade => 't',
            Channel::Quote => 'q',
            Channel::Book => 'd',
            Channel::Liquidation => 'l',
            Channel::MarkPrice => 'm',
            Channel::Depth => 'p',
            Channel::Candle => 'c',
            _ => {
                let (topic, reason) = (topic.to_string(), "toys are few".into());
                return Err(TopicError::NotOffered { venue: "toy", topic, reason });
            }
        };
        Ok(Route { group: 0, stream: format!("{letter} {}", topic.symbol()).into() })
    }

    fn dial(&self, _: u8, origin: &str, _: &[&str], keys: Option<&Keys>) -> DialRequest {
        let url = origin.to_owned();
        let headers = keys.map(|keys| ("key".to_owned(), keys.secret.clone())).into_iter().collect();
        DialRequest {
            url,
            headers,
            subprotocols: vec![],
            deflate: false,
            max_message: 100,
            keyed: keys.is_some(),
        }
    }

    fn login(&self, _: u8, keys: &Keys) -> Option<String> {
        Some(format!("I am {}", keys.secret))
    }

    fn requests(&self, change: &Change<'_>, out: &mut Vec<Request>) {
        let own = |streams: &[&str]| streams.iter().map(|s| (*s).into()).collect::<Vec<Box<str>>>();
        let text = format!("+{} -{}", change.added.join("|"), change.removed.join("|"));
        out.push(Request {
            id: change.first_id,
            text,
            added: own(change.added),
            removed: own(change.removed),
        });
    }

    fn decode(&self, _: LineId, frame: &[u8], names: &Names, out: &mut Decoded) -> Result<(), DecodeError> {
        let text = std::str::from_utf8(frame).map_err(|_| DecodeError::Syntax("not text"))?;
        let mut words = text.split(' ');
        let kind = words.next().unwrap_or("");
        match kind {
            "ok" => out.items.push(Item::Accepted { request: number(words.next())?, handle: None }),
            "no" | "full" => {
                let request = words.next().and_then(|word| word.parse().ok());
                let fault = if kind == "no" { Fault::Configuration } else { Fault::SLOWED };
                out.items.push(Item::Rejected { request, fault, reason: "no such toy".into() });
            }
            "hello" | "in" | "out" | "busy" => out.items.push(login(kind, words.next())),
            "bye" => out.items.push(Item::Goodbye),
            // An array of mark prices, by symbol.
            "k" => {
                let time = Some(Unix(i64::try_from(number(words.next())?).unwrap_or(0)));
                let Some(topic) = names.get(b"m !all") else { return Ok(()) };
                let quote = |symbol: &str| (symbol.into(), Data::Quote(quote(1.into(), None)));
                let data = Data::Keyed(Box::new(Keyed(words.map(quote).collect())));
                out.items.push(Item::Market { topic, id: 0, time, data });
            }
            "panic" => panic!("a toy breaks"),
            "boom" => {
                let stream = words.collect::<Vec<_>>().join(" ");
                assert!(names.get(stream.as_bytes()).is_none(), "a toy breaks over {stream}");
                out.items.push(Item::Unrouted);
            }
            "c" => {
                let stream = format!("c {}", words.next().unwrap_or(""));
                let Some(topic) = names.get(stream.as_bytes()) else { return Ok(()) };
                out.items.push(candle(topic, number(words.next())?, words.next() == Some("closed")));
            }
            "t" | "q" | "d" | "l" | "m" => {
                let stream = format!("{kind} {}", words.next().unwrap_or(""));
                let id = number(words.next())?;
                let Some(topic) = names.get(stream.as_bytes()) else {
                    out.items.push(Item::Unrouted);
                    return Ok(());
                };
                let time = Some(Unix(i64::try_from(id).unwrap_or(0)));
                if kind == "d" {
                    let last = number(words.next())?;
                    out.levels.push(Level { price: decimal(words.next())?, size: decimal(words.next())? });
                    let span = Span { first: id, last, previous: None };
                    out.items.push(Item::Depth { topic, time, span, levels: 0..1, bids: 1 });
                    return Ok(());
                }
                let price = decimal(words.next())?;
                let one = 1.into();
                if kind == "l" {
                    let (side, average, filled, status) = (Side::Sell, None, None, None);
                    let order = Liquidation { side, price, average, size: one, filled, status };
                    let data = Data::Liquidation(Box::new(order));
                    out.items.push(Item::Market { topic, id: 0, time, data });
                    return Ok(());
                }
                let data = match kind {
                    "t" => Data::Trade(Trade { id, price, size: one, side: Side::Buy }),
                    _ => Data::Quote(quote(price, Some(id))),
                };
                out.items.push(Item::Market { topic, id, time, data });
            }
            _ => return super::words::decode(text, names, out),
        }
        Ok(())
    }

    /// Events are given again of symbols that begin with R. Whoever asks for the book of X breaks.
    fn fetch(&self, why: Fetch, origin: &str, topic: &Topic) -> Option<HttpRequest> {
        assert!(why != Fetch::Snapshot || topic.raw_symbol() != "X", "a toy breaks over a book");
        let history = topic.raw_symbol().starts_with('R') && !origin.ends_with("without");
        let news = topic.raw_symbol().starts_with('N') && matches!(why, Fetch::Poll { .. });
        if why != Fetch::Snapshot && !history && !news {
            return None;
        }
        let url = format!("{origin}/{}", topic.symbol());
        let weight = if why == Fetch::Snapshot { 10 } else { 2 };
        Some(HttpRequest { url, headers: vec![], weight, max_body: 100, timeout: 5 * SECOND })
    }

    fn decode_fetch(&self, _: Fetch, _: &Topic, _: &HttpReply<'_>, _: &mut Decoded) -> Result<(), Refusal> {
        Ok(())
    }
}

/// What is said of logins.
fn login(kind: &str, seconds: Option<&str>) -> Item {
    let refused = |fault| Item::LoginRefused { fault, reason: "not you".into() };
    match kind {
        "hello" => Item::Greeting,
        "in" => Item::LoggedIn { life: seconds.and_then(|word| word.parse().ok()).map(Duration::from_secs) },
        "busy" => refused(Fault::SLOWED),
        _ => refused(Fault::Authentication),
    }
}

/// The candle of one second of the venue's time, as a list or a stream tells it.
pub(super) fn candle(topic: TopicId, second: u64, closed: bool) -> Item {
    let start = Unix::from_millis(i64::try_from(second).unwrap() * 1_000);
    let end = Unix(start.0 + 999_000_000);
    let (one, interval) = (Decimal::from(1), "1s".into());
    let data = Data::Candle(Box::new(Candle {
        interval,
        start,
        end,
        open: one,
        high: one,
        low: one,
        close: one,
        volume: one,
        quote_volume: None,
        trades: 1,
        closed,
    }));
    Item::Market { topic, id: 0, time: Some(if closed { end } else { start }), data }
}

/// A feed on the bench, with a clock that stands still until told.
pub(super) struct Bench {
    pub(super) feed: Feed,
    pub(super) now: Time,
    pub(super) todo: VecDeque<Action>,
}

impl Bench {
    pub(super) fn new() -> Self {
        Self::with(FeedConfig::default(), Memory::default())
    }

    pub(super) fn with(config: FeedConfig, memory: Memory) -> Self {
        Self::of(GROUPS, config, memory)
    }

    pub(super) fn of(groups: &'static [Group], config: FeedConfig, memory: Memory) -> Self {
        let now = Time { mono: Mono(1_000_000_000_000), unix: Unix(1_700_000_000_000_000_000) };
        Self { feed: Feed::new(Toy::of(groups), config, memory, 7), now, todo: VecDeque::new() }
    }

    pub(super) fn reader(id: u64, rule: Overflow) -> (Subscriber, Outbox) {
        outbox(SubscriberId(id), "bench", rule, Bounds { messages: 1_000, bytes: 1 << 20 })
    }

    pub(super) fn subscribe(&mut self, topic: &str, to: &Subscriber) -> Subscribed {
        let topic: Topic = topic.parse().unwrap();
        let answer = self.feed.subscribe(self.now, topic, Delivery::Every, None, to).unwrap();
        self.collect();
        answer
    }

    pub(super) fn collect(&mut self) {
        while let Some(action) = self.feed.next_action() {
            self.todo.push_back(action);
        }
    }

    /// Lets time pass, ticking at every deadline.
    pub(super) fn pass(&mut self, by: Duration) {
        let end = self.now.later(by);
        while let Some(at) = self.feed.deadline().filter(|at| *at <= end.mono) {
            self.now = self.now.later(at.since(self.now.mono));
            self.feed.tick(self.now);
            self.collect();
            assert!(self.feed.deadline().is_none_or(|next| next > self.now.mono), "the feed spins at {at:?}");
        }
        self.now = end;
        self.feed.tick(self.now);
        self.collect();
    }

    pub(super) fn input(&mut self, input: Input<'_>) {
        self.feed.handle(self.now, input);
        self.collect();
    }

    pub(super) fn hear(&mut self, line: LineId, text: &str) {
        self.input(Input::Frame { line, bytes: text.as_bytes() });
    }

    /// The next dial, opened.
    pub(super) fn open(&mut self) -> LineId {
        let line = self.dial();
        self.input(Input::Opened { line });
        line
    }

    pub(super) fn dial(&mut self) -> LineId {
        match self.todo.pop_front() {
            Some(Action::Dial { line, .. }) => line,
            other => panic!("expected a dial, got {other:?}"),
        }
    }

    /// The texts to send, answered with acceptance.
    pub(super) fn accept(&mut self, line: LineId, first_request: u64) -> Vec<String> {
        let mut texts = Vec::new();
        while let Some(Action::Send { text, .. }) =
            self.todo.pop_front_if(|action| matches!(action, Action::Send { .. }))
        {
            self.hear(line, &format!("ok {}", first_request + texts.len() as u64));
            texts.push(text);
        }
        texts
    }

    pub(super) fn cut(&mut self, line: LineId) {
        let why = Closed { code: None, fault: Fault::Transient, detail: "reset".into() };
        self.input(Input::Closed { line, why });
    }

    pub(super) fn fetch(&mut self) -> FetchId {
        match self.todo.pop_front() {
            Some(Action::Fetch { id, .. }) => id,
            other => panic!("expected a fetch, got {other:?}"),
        }
    }

    /// The next request for missed events, and which ones.
    pub(super) fn backfill(&mut self) -> (FetchId, u64, u64) {
        match self.todo.pop_front() {
            Some(Action::Fetch { id, why: Fetch::Backfill { from, to }, .. }) => (id, from, to),
            other => panic!("expected a request for missed events, got {other:?}"),
        }
    }

    /// Answers such a request with trades.
    pub(super) fn give(&mut self, fetch: FetchId, ids: impl IntoIterator<Item = u64>) {
        let mut decoded = Decoded::default();
        for id in ids {
            let trade = Trade { id, price: 1.into(), size: 1.into(), side: Side::Buy };
            let (time, data) = (Some(Unix(i64::try_from(id).unwrap())), Data::Trade(trade));
            decoded.items.push(Item::Market { topic: TopicId(0), id, time, data });
        }
        self.input(Input::Fetched { id: fetch, result: Ok(decoded) });
    }

    /// Answers a fetch with a quote that has neither an id nor a time.
    pub(super) fn quote(&mut self, fetch: FetchId, bid: i64) {
        self.quote_at(fetch, bid, None);
    }

    /// Answers a fetch with a quote that has this id.
    pub(super) fn quote_at(&mut self, fetch: FetchId, bid: i64, venue_id: Option<u64>) {
        let (topic, data) = (TopicId(0), Data::Quote(quote(bid.into(), venue_id)));
        let items = vec![Item::Market { topic, id: venue_id.unwrap_or(0), time: None, data }];
        self.input(Input::Fetched { id: fetch, result: Ok(Decoded { items, ..Decoded::default() }) });
    }

    /// Answers a fetch with one bid and one ask at update id `last`.
    pub(super) fn answer(&mut self, id: FetchId, last: u64) {
        self.answer_with(id, last, (90, 110));
    }

    /// Answers a fetch with one level a side.
    pub(super) fn answer_with(&mut self, id: FetchId, last: u64, touch: (i64, i64)) {
        self.answer_as(TopicId(0), id, last, touch);
    }

    /// Answers a fetch of any topic with one level a side.
    pub(super) fn answer_as(
        &mut self,
        topic: crate::venue::TopicId,
        id: FetchId,
        last: u64,
        (bid, ask): (i64, i64),
    ) {
        let level = |price: i64| Level { price: price.into(), size: 1.into() };
        let mut decoded = Decoded { levels: vec![level(bid), level(ask)], ..Decoded::default() };
        decoded.items.push(Item::Levels { topic, time: None, last, levels: 0..2, bids: 1 });
        self.input(Input::Fetched { id, result: Ok(decoded) });
    }
}

/// A bench with one reader of `topic` on an open line.
pub(super) fn live(topic: &str) -> (Bench, LineId, Subscriber, Outbox) {
    let mut bench = Bench::new();
    let (who, outbox) = Bench::reader(1, Overflow::Gap);
    bench.subscribe(topic, &who);
    let line = bench.open();
    bench.accept(line, 1);
    (bench, line, who, outbox)
}

/// A bench with a reader of a book that was live until its line was cut.
pub(super) fn book_of_a_cut_line() -> (Bench, Subscriber, Outbox) {
    let (mut bench, line, who, outbox) = live("toy:book:R");
    bench.hear(line, "d R 10 10 95 1");
    let fetch = bench.fetch();
    bench.answer(fetch, 10);
    bench.hear(line, "d R 11 11 95 2");
    bench.cut(line);
    (bench, who, outbox)
}

/// Five minutes of twenty messages a second.
pub(super) fn chatter(bench: &mut Bench, line: LineId) {
    for id in 1..=6_000 {
        bench.hear(line, &format!("t A {id} 1"));
        bench.pass(SECOND / 20);
    }
}

/// What a reader got, in short: kind, offset, and what matters of the data.
pub(super) fn read(outbox: &mut Outbox) -> Vec<String> {
    let mut out = Vec::new();
    while let Some(update) = outbox.try_next() {
        out.push(short(&update));
    }
    out
}

/// As [`read`], without status and ticks.
pub(super) fn market(outbox: &mut Outbox) -> Vec<String> {
    read(outbox).into_iter().filter(|line| !line.starts_with("status") && !line.starts_with("tick")).collect()
}

fn short(update: &Shared) -> String {
    if let Data::Book(book) = &update.data
        && book.state == BookState::Stale
        && book.levels.is_empty()
    {
        assert_eq!(update.source, Source::Cache, "nobody knows whether it still holds");
    }
    let what = match &update.data {
        Data::Trade(trade) => format!("id={}", trade.id),
        Data::Quote(quote) => format!("bid={}", quote.bid),
        Data::Liquidation(order) => format!("price={}", order.price),
        Data::Gap(gap) => format!("{}-{}", gap.from, gap.to),
        Data::Status(status) => format!("{} {}", status.phase, status.reason),
        Data::Candle(candle) => {
            format!("{} {}", candle.start.0 / 1_000_000_000, if candle.closed { "closed" } else { "open" })
        }
        Data::Keyed(keyed) => keyed.0.iter().map(|(key, _)| &**key).collect::<Vec<_>>().join(" "),
        Data::Book(book) => format!("{:?} {}+{}", book.state, book.bids().len(), book.asks().len()),
        _ => String::new(),
    };
    let kind = match update.kind {
        Kind::Snapshot => "snapshot",
        Kind::Delta => "delta",
        Kind::Event => "event",
        Kind::Gap => "gap",
        Kind::Status => "status",
        Kind::Tick => "tick",
    };
    let late = match (update.late, update.source) {
        (true, _) => " late",
        (false, Source::Repair) => " repair",
        (false, _) => "",
    };
    format!("{kind} {} {what}{late}", update.offset).trim_end().to_lowercase()
}
