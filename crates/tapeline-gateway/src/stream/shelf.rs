//! One topic of a shard: its log, its newest state, and who reads it from where.

use std::cell::OnceCell;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use tapeline::{Peek, Source, Step, SubscribeError};
use tapeline_core::data::channel::Shape;
use tapeline_core::data::topic::Topic;
use tapeline_core::data::update::{Data, Epoch, GapKind, Kind, Position, Shared, Update};
use tapeline_core::time::Unix;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::log::{Bound, Log, frame};
use super::merge::{Merger, merged};

/// How many updates are missing for which `update` stands: a gap between the hub and us.
pub(super) fn lost_to_us(update: &Update) -> Option<u64> {
    match &update.data {
        Data::Gap(gap) if gap.kind == GapKind::Delivery => Some((gap.to + 1).saturating_sub(gap.from)),
        _ => None,
    }
}

/// One reader of a log: a client, and its place among what that client reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reader {
    pub(super) client: usize,
    pub(super) place: usize,
}

/// A topic.
#[derive(Debug)]
pub(super) struct Shelf {
    pub(super) topic: Topic,
    /// The hub has been asked, and what is known has arrived.
    pub(super) open: bool,
    /// Something has arrived.
    stamped: bool,
    pub(super) epoch: Epoch,
    /// The newest offset.
    pub(super) head: u64,
    /// The number of the epoch's first entry.
    pub(super) begun: u64,
    /// The newest offset of the epoch that is not held though it was given: nobody can resume before it.
    missed: u64,
    pub(super) log: Log,
    status: Option<Shared>,
    /// The offset of the newest status since the history began: the feed tells it behind the history.
    told: Option<u64>,
    /// The newest state, where one update is the whole of it.
    latest: Option<Shared>,
    /// Where it comes from by the latest word on that: its own, or the status behind it, which may say that it is only
    /// remembered.
    source: Source,
    /// A look at the whole state, for those who come.
    pub(super) look: Option<Look>,
    /// A look is on its way.
    pub(super) looking: bool,
    /// How it is served has changed since the look was begun: what it finds may say what is true no more.
    pub(super) overtaken: bool,
    /// Those who read every update.
    pub(super) readers: Vec<Reader>,
    /// Those who read conflated ones, by interval.
    pub(super) classes: Vec<Class>,
    /// Those who wait for a snapshot.
    pub(super) waiting: Vec<Reader>,
    /// Clients that are about to read it.
    pub(super) expected: usize,
    /// Told when something has arrived.
    pub(super) news: Rc<Notify>,
    /// Why it could not be opened.
    pub(super) outcome: Rc<OnceCell<SubscribeError>>,
    /// It is among those that have news.
    pub(super) touched: bool,
    /// How short memory is.
    pub(super) step: Step,
}

/// A snapshot from the feed, encoded once for everybody who waits for it.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) position: Position,
    pub(super) frame: Option<Bytes>,
}

impl Look {
    pub(super) fn new(peek: &Peek) -> Self {
        Self { position: peek.position, frame: peek.snapshot.as_deref().map(frame) }
    }
}

/// Readers with one least time between updates.
#[derive(Debug)]
pub(super) struct Class {
    pub(super) interval: Duration,
    merger: Merger,
    /// Something waits in it.
    pending: bool,
    pub(super) log: Log,
    /// When something was told last.
    told: Option<Instant>,
    /// When what waits is to be told.
    pub(super) due: Option<Instant>,
    pub(super) readers: Vec<Reader>,
    /// Readers that came while something waited, with the number in the shelf's log from which they do not have it.
    pub(super) fresh: Vec<(Reader, u64)>,
}

impl Class {
    fn new(interval: Duration) -> Self {
        Self {
            interval,
            merger: Merger::new(),
            pending: false,
            log: Log::default(),
            told: None,
            due: None,
            readers: Vec::new(),
            fresh: Vec::new(),
        }
    }

    fn take(&mut self, now: Instant, update: &Shared, step: Step) {
        self.merger.push(update);
        self.pending = true;
        if self.due.is_none() {
            let interval = step.interval(self.interval);
            self.due = Some(self.told.map_or(now, |told| now.max(told + interval)));
        }
    }

    /// Tells what has waited; how many updates were merged away.
    pub(super) fn tell(&mut self, now: Instant) -> u64 {
        (self.pending, self.told, self.due) = (false, Some(now), None);
        let updates = self.merger.drain();
        updates.iter().for_each(|update| self.log.push(update, true));
        updates.iter().map(|update| u64::from(update.merged.saturating_sub(1))).sum()
    }
}

impl Shelf {
    pub(super) fn new(topic: Topic, step: Step) -> Self {
        Self {
            topic,
            open: false,
            stamped: false,
            epoch: Epoch::default(),
            head: 0,
            begun: 0,
            missed: 0,
            log: Log::default(),
            status: None,
            told: None,
            latest: None,
            source: Source::Live,
            look: None,
            looking: false,
            overtaken: false,
            readers: Vec::new(),
            classes: Vec::new(),
            waiting: Vec::new(),
            expected: 0,
            news: Rc::default(),
            outcome: Rc::default(),
            touched: false,
            step,
        }
    }

    /// Whether its updates are events, which need no state before them.
    pub(super) fn is_events(&self) -> bool {
        !self.topic.is_all() && self.topic.channel().shape() == Shape::Event
    }

    /// Whether one update is the whole state.
    fn is_whole(&self) -> bool {
        !self.topic.is_all() && matches!(self.topic.channel().shape(), Shape::State | Shape::Candle)
    }

    /// Takes an update of the hub in; whether it is news. One that is known already comes again when the topic is
    /// subscribed anew.
    pub(super) fn take(&mut self, now: Instant, update: &Shared) -> bool {
        let fresh = !self.stamped || update.epoch != self.epoch || self.is_replay(update);
        self.stamped = true;
        if fresh {
            (self.epoch, self.head, self.begun) = (update.epoch, update.offset, self.log.next());
            if update.kind.consumes_offset() {
                self.head -= 1;
            }
            (self.latest, self.look, self.missed, self.told) = (None, None, 0, None);
        }
        if update.kind.consumes_offset() {
            if update.offset <= self.head {
                return false;
            }
            if lost_to_us(update).is_some() || update.merged > 1 {
                // It stands for what is not held.
                self.missed = update.offset;
            } else if update.offset > self.head + 1 {
                self.missed = update.offset - 1;
            }
            self.head = update.offset;
        } else if update.offset < self.head {
            return false;
        }
        match update.kind {
            Kind::Status => {
                (self.status, self.told) = (Some(Shared::clone(update)), Some(update.offset));
                // What is held of the state says where it came from when it was looked for.
                (self.source, self.look, self.overtaken) = (update.source, None, self.looking);
            }
            // A candle that is told late is older than what is shown.
            Kind::Snapshot | Kind::Delta | Kind::Event if self.is_whole() && !update.late => {
                (self.latest, self.source) = (Some(Shared::clone(update)), update.source);
            }
            _ => {}
        }
        let known = update.kind == Kind::Snapshot && !self.open;
        if known && !self.is_whole() {
            // The state that a new reader of ours is given: the log begins behind it.
            let position = Position { epoch: update.epoch, offset: update.offset };
            self.look = Some(Look { position, frame: Some(frame(update)) });
        }
        if self.open || update.kind.consumes_offset() {
            self.log.push(update, !self.is_events());
            self.classes.iter_mut().for_each(|class| class.take(now, update, self.step));
        }
        true
    }

    /// Whether the history that was asked for begins, behind what had come from a subscription that was about to be
    /// left: that is told once more in its place.
    fn is_replay(&self, update: &Update) -> bool {
        let known = match update.kind {
            Kind::Snapshot => update.offset < self.head,
            kind => kind.consumes_offset() && update.offset <= self.head,
        };
        known && !self.open
    }

    /// Whether all that the hub promised to a new reader at `position` has arrived: the status behind the history, or
    /// something newer. That `position` is reached says nothing: what is left over from before reaches it too.
    pub(super) fn has(&self, position: Position) -> bool {
        let all = self.told >= Some(position.offset) || self.head > position.offset;
        self.stamped && (self.epoch != position.epoch || all)
    }

    /// The number of the entry from which one reads on who has everything up to `offset` of this epoch; `None` if
    /// anything after that is not held.
    pub(super) fn behind(&self, offset: u64) -> Option<u64> {
        if offset < self.missed {
            return None;
        }
        self.log.behind(self.begun, offset, self.head)
    }

    /// How many read it.
    pub(super) fn readers(&self) -> usize {
        self.readers.len() + self.classes.iter().map(|class| class.readers.len()).sum::<usize>()
    }

    /// Where it stands.
    pub(super) fn position(&self) -> Position {
        Position { epoch: self.epoch, offset: self.head }
    }

    /// How it is served, as told to one who comes.
    pub(super) fn status(&self, offset: u64) -> Option<Bytes> {
        let status = self.status.as_ref()?;
        let mut told = status.restated(Kind::Status, offset);
        told.epoch = self.epoch;
        Some(frame(&told))
    }

    /// The whole state for one who comes, with the number of the entry behind it; `None` if it must be looked for.
    /// The frame is absent where there is no state yet.
    pub(super) fn state(&self) -> Option<(Option<Bytes>, u64, u64)> {
        if self.is_whole() {
            let told = self.latest.as_ref().map(|latest| {
                let mut told = latest.restated(Kind::Snapshot, self.head);
                told.source = self.source;
                frame(&told)
            });
            return Some((told, self.head, self.log.next()));
        }
        let look = self.look.as_ref().filter(|look| look.position.epoch == self.epoch)?;
        let offset = look.position.offset;
        let number = self.log.behind(self.begun, offset, self.head).filter(|_| offset <= self.head)?;
        Some((look.frame.clone(), offset, number))
    }

    /// Whether what is held of the state is still worth giving to one who comes.
    pub(super) fn is_fresh(&self) -> bool {
        let Some((_, _, number)) = self.state() else { return false };
        let frame = self.look.as_ref().and_then(|look| look.frame.as_ref());
        self.is_whole() || self.log.bytes_from(number) <= frame.map_or(0, Bytes::len)
    }

    /// The class of an interval, made if it is new.
    pub(super) fn class(&mut self, interval: Duration) -> &mut Class {
        let at = match self.classes.iter().position(|class| class.interval == interval) {
            Some(at) => at,
            None => {
                self.classes.push(Class::new(interval));
                self.classes.len() - 1
            }
        };
        &mut self.classes[at]
    }

    /// The log of those who read with an interval, or of those who read everything.
    pub(super) fn log_of(&self, interval: Option<Duration>) -> &Log {
        let class = |interval| self.classes.iter().find(|class| class.interval == interval);
        interval.and_then(class).map_or(&self.log, |class| &class.log)
    }

    /// Puts a reader of an interval (or of everything) behind an entry of the log: the frames it needs at once, and
    /// the number in its own log from which it reads on.
    pub(super) fn join(
        &mut self,
        reader: Reader,
        interval: Option<Duration>,
        number: u64,
    ) -> (Vec<Bytes>, u64) {
        let Some(interval) = interval else {
            self.readers.push(reader);
            return (Vec::new(), number);
        };
        let between = merged(self.log.from(number).filter_map(|entry| entry.update()));
        let next = self.log.next();
        let class = self.class(interval);
        class.readers.push(reader);
        if class.pending {
            class.fresh.push((reader, next));
        }
        let from = class.log.next();
        (between.iter().map(|update| frame(update)).collect(), from)
    }

    /// A reader leaves, wherever it is.
    pub(super) fn part(&mut self, reader: Reader) {
        let keep = |held: &Reader| *held != reader;
        self.readers.retain(keep);
        self.waiting.retain(keep);
        for class in &mut self.classes {
            class.readers.retain(keep);
            class.fresh.retain(|(held, _)| *held != reader);
        }
        self.classes.retain(|class| !class.readers.is_empty());
    }

    /// Whether nobody reads it, or is about to.
    pub(super) fn is_idle(&self) -> bool {
        self.expected == 0 && self.readers.is_empty() && self.waiting.is_empty() && self.classes.is_empty()
    }

    /// Lets go of what is too old or too much. State needs no more than what readers may leave unread.
    pub(super) fn trim(&mut self, now: Unix, events: Bound, state: Bound) {
        self.log.trim(now, if self.is_events() { events } else { state });
        self.classes.iter_mut().for_each(|class| class.log.trim(now, state));
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        let look = self.look.as_ref().and_then(|look| look.frame.as_ref()).map_or(0, Bytes::len);
        look + self.log.bytes() + self.classes.iter().map(|class| class.log.bytes()).sum::<usize>()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use tapeline::{Bounds, Hub, HubConfig, VenueConfig};
    use tapeline_sim::{Content, MarketOptions, Options, Server};

    use super::*;

    /// What a reader gets that falls behind its outbox: some trades, the gap, and what comes after it.
    async fn with_a_gap() -> Vec<Shared> {
        let market = MarketOptions { rate: 400, ..MarketOptions::default() };
        let venue = Server::start(Options::new(Content::Market(market))).await.unwrap();
        let mut settings = VenueConfig::default();
        settings.feed.streams = vec![venue.ws_url()];
        let mut config = HubConfig { seed: Some(3), ..HubConfig::default() };
        config.venues.insert("binance".to_owned(), settings);
        let hub = Hub::new(config);
        let bounds = Bounds { messages: 16, bytes: 1 << 20 };
        let mut slow = hub.trades("binance", "BTCUSDT").bounds(bounds).await.unwrap();
        let mut got = Vec::new();
        while got.iter().filter(|update: &&Shared| update.kind == Kind::Event).count() < 5 {
            slow.next_batch(&mut got).await;
        }
        let mut brisk = hub.trades("binance", "BTCUSDT").await.unwrap();
        for _ in 0..60 {
            brisk.next().await.unwrap();
        }
        slow.next_batch(&mut got).await;
        got
    }

    #[test]
    fn who_comes_after_a_late_candle_is_shown_the_newer_one_at_its_place() {
        let topic = Topic::parse("binance:candle:BTCUSDT@interval=1m").unwrap();
        let mut shelf = Shelf::new(topic.clone(), Step::Calm);
        for (kind, offset, late) in
            [(Kind::Snapshot, 0, false), (Kind::Delta, 1, false), (Kind::Event, 2, true)]
        {
            let at = Position { epoch: Epoch::new(7), offset };
            let mut update = Update::new(topic.clone(), at, kind, Unix::default(), Data::Empty {});
            update.late = late;
            shelf.take(Instant::now(), &Shared::new(update));
        }
        let (shown, offset, _) = shelf.state().unwrap();
        assert_eq!(offset, 2);
        assert!(!String::from_utf8_lossy(&shown.unwrap()).contains("late"));
    }

    /// How a topic is served at an offset.
    fn served(topic: &Topic, offset: u64, source: Source) -> Shared {
        let (level, phase, reason) = (tapeline::Level::Healthy, "live", "".into());
        let status =
            tapeline_core::data::update::Status { level, phase, source, reason, since: Unix::default() };
        let at = Position { epoch: Epoch::new(7), offset };
        let data = Data::Status(Box::new(status));
        let mut update = Update::new(topic.clone(), at, Kind::Status, Unix::default(), data);
        update.source = source;
        Shared::new(update)
    }

    #[test]
    fn what_was_looked_for_before_it_was_only_remembered_is_looked_for_once_more() {
        let topic = Topic::parse("binance:depth:BTCUSDT@levels=5").unwrap();
        let mut shelf = Shelf::new(topic.clone(), Step::Calm);
        let position = Position { epoch: Epoch::new(7), offset: 3 };
        shelf.take(Instant::now(), &served(&topic, 3, Source::Live));
        shelf.look = Some(Look { position, frame: Some(Bytes::new()) });
        assert!(shelf.state().is_some());
        shelf.take(Instant::now(), &served(&topic, 3, Source::Cache));
        assert!(shelf.state().is_none() && !shelf.overtaken);
        shelf.looking = true;
        shelf.take(Instant::now(), &served(&topic, 3, Source::Live));
        assert!(shelf.overtaken, "what is on its way is older");
    }

    #[tokio::test]
    async fn history_that_comes_behind_news_is_taken_in() {
        let updates = with_a_gap().await;
        let events: Vec<&Shared> =
            updates.iter().filter(|update| update.kind == Kind::Event).take(5).collect();
        let mut shelf = Shelf::new(Topic::parse("binance:trade:BTCUSDT").unwrap(), Step::Calm);
        let end = Position { epoch: events[4].epoch, offset: events[4].offset };
        // The first two are left over from those who have just gone.
        for update in events[3..].iter().chain(&events) {
            shelf.take(Instant::now(), update);
            assert!(!shelf.has(end), "the history may still be on its way");
        }
        let status = updates.iter().find(|update| update.kind == Kind::Status).unwrap();
        let mut status = status.restated(Kind::Status, end.offset);
        status.epoch = end.epoch;
        shelf.take(Instant::now(), &Shared::new(status));
        assert!(shelf.has(end));
        shelf.open = true;
        for update in &events {
            let entry = shelf.behind(update.offset - 1).unwrap();
            assert_eq!(shelf.log.from(entry).next().unwrap().offset, update.offset);
        }
        assert!(!shelf.take(Instant::now(), events[2]), "who is open takes nothing twice");
    }

    #[tokio::test]
    async fn nobody_resumes_over_what_was_lost_on_the_way_to_us() {
        let updates = with_a_gap().await;
        let mut shelf = Shelf::new(Topic::parse("binance:trade:BTCUSDT").unwrap(), Step::Calm);
        shelf.open = true;
        updates.iter().for_each(|update| {
            shelf.take(Instant::now(), update);
        });
        let gap = updates.iter().find(|update| lost_to_us(update).is_some()).unwrap();
        let Data::Gap(lost) = &gap.data else { panic!("{gap:?}") };
        assert_eq!((lost_to_us(gap), gap.offset), (Some(lost.to - lost.from + 1), lost.to));
        assert!(lost.from > 2 && shelf.head > lost.to, "{lost:?}");
        for before in [lost.from - 2, lost.from - 1, lost.from, lost.to - 1] {
            assert_eq!(shelf.behind(before), None, "{before}: {lost:?}");
        }
        for after in lost.to..=shelf.head {
            let entry = shelf.behind(after).unwrap();
            assert_eq!(
                shelf.log.from(entry).next().map(|entry| entry.offset).unwrap_or(after + 1),
                after + 1
            );
        }
    }
}
